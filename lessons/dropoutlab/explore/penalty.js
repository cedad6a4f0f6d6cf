import { Axes, BLUE, ORANGE, Panel, SKY, explorer, fixed, key, mixed, range } from "./kit.js";

const NEAR = 2.5, REACH = 3, SIDE = 19, LEVELS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200];
const dotted = { strokeWidth: 2, strokeDasharray: "2 3" };
const turn = range(73).map((i) => [Math.cos((i * Math.PI) / 36), Math.sin((i * Math.PI) / 36)]);

/** The weights that minimise the squared loss and λ |w|². */
function ridge([a, b, , d, u, v], strength) {
  const [p, q] = [a + strength, d + strength], whole = p * q - b * b;
  return [(q * u - b * v) / whole, (p * v - b * u) / whole];
}

function draw(table, { p, unit, present }, at) {
  const gram = table.gram.at(at.unit, at.present), price = table.price.at(at.unit, at.present, at.p);
  const path = range(table.path.shape[2]).map((i) => Array.from(table.path.at(at.unit, at.present, i)));
  const best = path[at.p + 1], length = Math.hypot(...best);
  let [low, high] = [-6, 18];  // log λ at which L2 shrinks as much
  for (const _ of range(40)) {
    const middle = (low + high) / 2;
    Math.hypot(...ridge(gram, Math.exp(middle))) > length ? (low = middle) : (high = middle);
  }
  const match = ridge(gram, Math.exp(low));

  const look = {
    xlabel: "weight 1", ylabel: "weight 2 × its unit", xticks: [-2, 0, 2], yticks: [-2, 0, 2], top: 48,
  };
  const trace = (axes, points, color, all) =>  // what a weight does, whatever the feature's unit
    axes.line(points.map((v) => v[0]), points.map((v) => v[1] * unit), color, all);
  const round = ([x, y]) => turn.map(([a, b]) => [a * x, b * y]);

  const left = new Panel(350, 350, "Squared loss: your weights as p grows");
  const axes = new Axes(left, { ...look, xlim: [-NEAR, NEAR], ylim: [-NEAR, NEAR] });
  const paid = gram[0] * best[0] ** 2 + gram[3] * best[1] ** 2;
  const radii = [Math.sqrt(paid / gram[0]), Math.sqrt(paid / gram[3])];
  trace(axes, round(radii), BLUE, { fill: SKY, fillOpacity: 0.2 });
  trace(axes, round([length, length]), ORANGE, dotted);
  trace(axes, range(60).map((i) => ridge(gram, Math.exp(i / 3 - 4))), ORANGE, { strokeWidth: 3 });
  trace(axes, path, BLUE, { strokeWidth: 2 });
  for (const [[x, y], color] of [[match, ORANGE], [best, BLUE]])
    left.circle(...axes.point(x, y * unit), 6, color);
  axes.text(path[0][0], path[0][1] * unit + 0.12, "p = 0", { textAnchor: "middle" });
  key(left, 52, 38, [["dropout", BLUE], ["L2, shrunk as much", ORANGE]]);

  const right = new Panel(350, 350, "Logistic loss: your penalty");
  const field = new Axes(right, { ...look, xlim: [-REACH, REACH], ylim: [-REACH, REACH] });
  const roots = price.map((v) => Math.sqrt(Math.max(0, v)));  // nearly straight along a ray
  LEVELS.forEach((level, i) =>
    field.contour(roots, SIDE, Math.sqrt(level), { fill: mixed(0.08 * (i + 1), BLUE) }));
  trace(field, round([2, 2]), ORANGE, dotted);
  key(right, 52, 38, [["bluer is dearer", BLUE], ["all alike for L2", ORANGE]]);

  const pair = ([x, y]) => `(${fixed(x)}, ${fixed(y * unit)})`;
  const middle = (SIDE * SIDE - 1) / 2, far = (2 * (SIDE - 1)) / (2 * REACH);
  return {
    panels: [left, right],
    says: `At p = ${fixed(p, 1)} dropout's dot is at ${pair(best)}, that of L2, shrunk as much, at ` +
      `${pair(match)}. Your logistic penalty is ${fixed(price[middle + far], 1)} where weight 1 is 2, and ` +
      `${fixed(price[middle + far * SIDE], 1)} where weight 2 does as much.`,
  };
}

export default explorer({
  draw,
  tries: [
    ["as common as the first", { present: 30, unit: 1 }], ["rare", { present: 3, unit: 1 }],
    ["in other units", { present: 6, unit: 3 }],
  ],
  question: "Which slider moves only what is orange?",
});
