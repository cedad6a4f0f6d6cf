import {
  Axes, BLUE, INK, ORANGE, PALE, Panel, SKY, binomial, deviation, explorer, fixed, mean, range, sum,
} from "./kit.js";

const CELL = 16;

function draw(table, { p, digit }, at) {
  const ink = table.digits.at(digit), mask = table.masks.at(at.p, at.draw), n = mask.length;
  const counts = table.counts.at(at.p, at.draw), kept = sum(mask.map((v) => v > 0));
  const tiles = [
    [`A digit: ${n} units`, (panel) => panel.image(1, 28, 8, ink, CELL)],
    [`Your mask keeps ${kept}`,
      (panel) => panel.cells(1, 28, 8, n, CELL, (i) => (mask[i] ? BLUE : PALE))],
    ["What is passed on", (panel) => panel.image(1, 28, 8, ink.map((v, i) => v * mask[i]), CELL)],
  ].map(([title, fill]) => {
    const panel = new Panel(142, 164, title);
    fill(panel);
    return panel;
  });

  const share = Array(n + 1).fill(0);
  for (const k of counts) share[Math.min(k, n)] += 100 / counts.length;
  const expected = binomial(n, 1 - p).map((q) => 100 * q);
  const low = Math.min(...counts), high = Math.max(...counts);
  const chart = new Panel(400, 220, `${counts.length} masks keep ${low} to ${high} units`);
  const axes = new Axes(chart, {
    xlim: [-1.5, n + 1.5], ylim: [0, 1.2 * Math.max(...share, ...expected)],
    xlabel: "units kept", ylabel: "masks, %",
  });
  axes.stairs(share, range(n + 2).map((k) => k - 0.5), SKY)
    .dots(range(n + 1), expected, INK, 4).upright(kept, ORANGE);
  chart.text(axes.X(kept) + (kept > n / 2 ? -6 : 6), 40, "this mask", {
    fill: ORANGE, textAnchor: kept > n / 2 ? "end" : "start",
  });
  return {
    panels: [...tiles, chart],
    says: `This mask keeps ${kept} of ${n} units at p = ${fixed(p)}. Over ${counts.length} of your ` +
      `masks the number kept is ${fixed(mean(counts), 1)} ± ${fixed(deviation(counts), 1)}; the ` +
      `binomial (dots) says ${fixed(n * (1 - p), 1)} ± ${fixed(Math.sqrt(n * p * (1 - p)), 1)}.`,
  };
}

export default explorer({
  draw,
  tries: [["drop almost all", { p: 0.95 }], ["p = 0.5", { p: 0.5 }], ["drop none", { p: 0 }]],
  question: "Up to which p can you still read every digit?",
});
