import {
  Axes, BLUE, INK, GREY, ORANGE, PALE, Panel, SKY, count, explorer, fixed, range, sum,
} from "./kit.js";

function draw(table, { p, n, against }, at) {
  const rest = [at.n, at.against, at.draw], bars = table.bars.at(at.p, ...rest), masks = sum(bars);
  const [low, width, mean, spread, thinned, scatter, scaled, variance, whole] = table.said.at(at.p, ...rest);
  const sd = Math.sqrt(Math.max(0, variance)), edges = range(bars.length + 1).map((i) => low + i * width);
  const density = Array.from(bars, (k) => k / masks / width);
  const normal = (z) => Math.exp(-(((z - scaled) / sd) ** 2) / 2) / (sd * Math.sqrt(2 * Math.PI));
  const zs = sd > 0 ? range(81).map((i) => scaled + (i / 40 - 1) * 3.2 * sd) : [];

  const reach = range(table.bars.shape[0]).flatMap((i) => {  // one axis for all p: z slides along it
    const [from, step, m, s] = table.said.at(i, ...rest);
    return [Math.max(from, m - 3.4 * s), Math.min(from + bars.length * step, m + 3.4 * s)];
  });
  const ends = [Math.min(0, whole, ...reach), Math.max(0, whole, ...reach)];
  const room = 0.14 * (ends[1] - ends[0]) + 1e-9, tall = Math.max(...density, sd > 0 ? normal(scaled) : 0);
  const left = new Panel(470, 235, `z over ${masks} of your masks (grey: a ReLU sends 0)`);
  const axes = new Axes(left, {
    left: 8, xlim: [ends[0] - room, ends[1] + room], ylim: [0, 1.25 * tall], yticks: [],
    xlabel: "pre-activation z",
  });
  const side = (positive) => density.map((d, i) => (edges[i] > -width / 2) === positive ? d : 0);
  axes.stairs(side(true), edges, SKY).stairs(side(false), edges, PALE, { stroke: GREY, strokeWidth: 0.5 });
  axes.line(zs, zs.map(normal), INK);
  const outward = scaled < whole ? ["end", "start"] : ["start", "end"];
  for (const [i, [z, words, color]] of [[scaled, "scaled", BLUE], [whole, "unscaled", ORANGE]].entries()) {
    axes.line([z, z], [0, 1.1 * tall], color, { strokeWidth: 2.5 });
    axes.text(z, 1.15 * tall, words, { fill: color, textAnchor: outward[i] });
  }
  axes.upright(0);

  const sent = [["thinned, mean", thinned, SKY], ["scaled", scaled, BLUE], ["unscaled", whole, ORANGE]];
  const right = new Panel(300, 190, "Sent on behind a ReLU");
  const longest = Math.max(whole, thinned, scaled, 0.1);
  for (const [i, [words, z, color]] of sent.entries()) {
    const y = 38 + 50 * i, long = (130 * Math.max(0, z)) / longest;
    right.text(102, y + 22, words, { textAnchor: "end" }).rect(110, y, long, 34, color);
    right.text(118 + long, y + 22, fixed(Math.max(0, z)));
  }
  right.line([[110, 30], [110, 180]], GREY);
  const sends = Math.max(0, scaled), lost = Math.round(100 * Math.abs(1 - sends / thinned));
  const alike = Math.abs(thinned - sends) < 0.005 + (3 * scatter) / Math.sqrt(masks);
  const straight = against * n <= 50;  // no weight is negative, so the ReLU lets every z pass
  return {
    panels: [left, right],
    says: `With ${count(n, "input")} at p = ${fixed(p, 1)}, z over your masks is ${fixed(mean)} ± ` +
      `${fixed(spread)}; your formulas say ${fixed(scaled)} ± ${fixed(sd)}. Behind a ReLU the thinned ` +
      `units send ${fixed(thinned)} on average, and the scaled one ` + (sends ? fixed(sends) : "nothing") +
      (alike ? straight ? "; the two are equal, but for luck: no weight is negative." :
        "; these masks cannot tell the two apart." : sends && thinned ? `, ${lost} % ` +
        (sends < thinned ? "less." : "more.") : "."),
  };
}

export default explorer({
  draw,
  tries: [
    ["one input", { n: 1 }], ["32 positive weights", { against: 0, n: 32 }],
    ["64 weights, half negative", { against: 50, n: 64 }],
  ],
  question: "Can you find a scaled unit that sends nothing while its thinned ones send something?",
});
