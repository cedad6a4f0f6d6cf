import { Axes, BLUE, GREY, ORANGE, Panel, explorer, fixed, mean, mixed, range } from "./kit.js";

const ALIKE = 0.2, WIDE = 320, HIGH = 190;

function draw(table, { kind, p, depth }, at) {
  const first = table.first.at(at.depth);
  const rates = range(depth).map((layer) => Array.from(table.rates.at(at.kind, at.p, first + layer), (v) => v / 1e4));
  const noise = rates.map((row) => row.map((q) => q / Math.max(1 - q, 1e-3)));
  const last = noise[depth - 1], alike = ALIKE / (1 - ALIKE), n = last.length;
  const name = kind[0].toUpperCase() + kind.slice(1);

  const map = new Panel(390, 265, `${name}, up to p = ${fixed(p)} (darker: more)`);
  const size = [WIDE / n, HIGH / depth];
  const cell = (i) => rates[depth - 1 - Math.floor(i / n)][i % n];
  map.cells(44, 28, n, n * depth, size, (i) => mixed(Math.round(20 * cell(i)) / 20, BLUE), -0.3);
  new Axes(map, {
    left: 44, right: 390 - 44 - WIDE, top: 28, bottom: 265 - 28 - HIGH, xlim: [0, 100],
    ylim: [0.5, depth + 0.5], xlabel: "step, % of all", ylabel: "layer",
    yticks: depth > 1 ? [1, depth] : [1],
  });

  const chart = new Panel(400, 265, `Mean noise of the last layer: ${fixed(mean(last))}`);
  const axes = new Axes(chart, {
    right: 110, top: 28, bottom: 47, xlim: [0, 100], xlabel: "step, % of all",
    ylim: [0, Math.max(1.05 * Math.max(...last), 1.8 * alike)], ylabel: "noise p / (1 − p)",
  });
  const steps = range(2 * n).map((i) => (100 * Math.ceil(i / 2)) / n);
  const stairs = range(2 * n).map((i) => last[Math.floor(i / 2)]);
  axes.across(alike).across(mean(last), ORANGE).line(steps, stairs, BLUE, { strokeWidth: 2.5 });
  axes.ends([
    [alike, `constant ${ALIKE}`, GREY], [mean(last), "its mean", ORANGE], [last[n - 1], "last layer", BLUE],
  ]);
  const several = depth > 1, which = several ? `last of ${depth} layers` : "layer";
  const all = several ? `, and the mean over layers is ${fixed(mean(noise.map(mean)))}` : "";
  return {
    panels: [map, chart],
    says: `${name} at p = ${fixed(p)}: over all steps the ${which} has a mean noise of ` +
      `${fixed(mean(last))}${all}. A constant ${ALIKE} has ${fixed(alike)}.`,
  };
}

export default explorer({
  draw,
  tries: [
    ["a curriculum, p = 0.2", { kind: "curriculum", p: 0.2 }],
    ["early, p = 0.5", { kind: "early", p: 0.5 }],
    ["one layer", { depth: 1, kind: "linear", p: 0.3 }],
  ],
  question: "At which p is “linear” as noisy, in the last layer, as a constant 0.2? And “early”?",
});
