import { Axes, BLUE, GREEN, GREY, ORANGE, PINK, Panel, count, explorer, fixed, range } from "./kit.js";

const short = (v) =>
  v < 0.1 ? String(Number(v.toPrecision(2))).replace("-", "−") : fixed(v, v < 100 ? 2 : 0);

function draw(table, { p, layers }, at) {
  const own = table.own.at(at.p, at.draw), ratio = table.means.at(at.p, at.draw, layers);
  const left = new Panel(330, 250, "Your output of 30 ones");
  const bars = new Axes(left, {
    xlim: [0, 30], ylim: [0, Math.max(2.2, 1.1 / (1 - p))], xlabel: "unit", xticks: [0, 10, 20, 30],
  });
  bars.stairs(own, range(31), BLUE, { stroke: "var(--paper)" }).across(1);

  const right = new Panel(430, 250, "Mean in training / mean in evaluation");
  const depth = range(layers + 1);
  const schemes = [
    ["none", (k) => (1 - p) ** k, GREY], ["standard", () => 1, GREEN],
    ["divided by p", (k) => ((1 - p) / p) ** k, PINK], ["scaled twice", (k) => (1 - p) ** -k, ORANGE],
  ];
  const ends = schemes.map(([name, f, color]) => [f(layers), name, color]);
  const all = [...ends.map(([value]) => value), ratio, 1].filter((value) => value > 0);
  const axes = new Axes(right, {
    left: 52, right: 120, xlim: [0, layers], ylim: [Math.min(...all) / 1.5, Math.max(...all) * 1.5], log: "y",
    xlabel: "dropout layers in a row",
  });
  for (const [, f, color] of schemes) axes.line(depth, depth.map(f), color);
  axes.line(depth, table.means.at(at.p, at.draw).slice(0, layers + 1), BLUE, { strokeWidth: 3 });
  for (const [i, [, f, color]] of schemes.entries())  // where lines coincide, dashes show each
    axes.line(depth, depth.map(f), color, { strokeDasharray: "4 12", strokeDashoffset: -4 * i });
  axes.dots([layers], [ratio], BLUE, 10).ends([...ends, [ratio, `yours: ${short(ratio)}`, BLUE]]);
  return {
    panels: [left, right],
    says: `After ${count(layers, "layer")} at p = ${fixed(p)} your signal ` +
      (ratio ? `keeps ${short(ratio)} of its mean; ` : "has no survivor left; ") +
      `without any scaling it keeps ${short((1 - p) ** layers)}.`,
  };
}

export default explorer({
  draw,
  tries: [["one layer", { layers: 1 }], ["16 layers at p = 0.5", { layers: 16, p: 0.5 }]],
  question: "At which p do “divided by p” and the right scaling agree, and why there?",
});
