import { BLUE, GREEN, INK, ORANGE, PINK, Panel, SKY, explorer, fixed, range } from "./kit.js";

const COLORS = [BLUE, ORANGE, GREEN, PINK, SKY, INK, "#E69F00", "#A89A00"], SIDE = 340, REACH = 3;
const X = (v) => SIDE * (0.5 + v / (2 * REACH)), Y = (v) => 26 + SIDE * (0.5 - v / (2 * REACH));

function ring(table, title, points) {
  const panel = new Panel(SIDE, SIDE + 26, title), [classes] = table.centres.shape, spread = table.spread.at(0);
  for (const k of range(classes)) {
    const [x, y] = table.centres.at(k), own = [];
    for (const [r, dashes] of [[1, "none"], [2, "2 4"]])
      panel.circle(X(x), Y(y), Math.round((SIDE * r * spread) / (2 * REACH)), "none", {
        stroke: COLORS[k], strokeDasharray: dashes, opacity: 0.7,
      });
    for (let i = 2 * k; i < points.length; i += 2 * classes) {
      const [a, b] = [points[i] / 4000, points[i + 1] / 4000];
      if (Math.max(Math.abs(a), Math.abs(b)) < REACH) own.push([X(a), Y(b)]);
    }
    panel.dots(own, COLORS[k], 5);
  }
  return panel;
}

function draw(table, { w, taken, lost }, at) {
  const last = table.points.shape[2] - 1;
  const told = [at.lost, last].map((which) => {
    const home = table.homes.at(at.w, at.taken, which), spread = table.spreads.at(at.w, at.taken, which);
    return `${fixed(home, 0)} % at home, spread ${fixed(spread)}`;
  });
  return {
    panels: [["Your networks", at.lost], ["The exact noise", last]].map(([name, which], i) =>
      ring(table, `${name}: ${told[i]}`, table.points.at(at.w, at.taken, which))),
    says: `With w = ${w} after ${taken} of 30 steps, ${fixed(100 * lost, 0)} % of the labels dropped in ` +
      `training: ${told[0]} with the trained networks, ${told[1]} with the exact noise. The data have ` +
      `spread ${fixed(table.spread.at(0))}.`,
  };
}

export default explorer({
  draw,
  tries: [
    ["w = 0: no label", { w: 0, taken: 30 }], ["w = 1: the label", { w: 1, taken: 30 }],
    ["w = 4", { w: 4, taken: 30 }], ["w = 4, no label ever dropped", { w: 4, taken: 30, lost: 0 }],
  ],
  question: "With w = 4, go back through the steps: at which is it decided where a point will end?",
});
