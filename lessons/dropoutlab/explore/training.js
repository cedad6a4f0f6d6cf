import {
  Axes, BLUE, GREEN, GREY, INK, ORANGE, PALE, PINK, Panel, explorer, fixed, key, range, signed,
} from "./kit.js";
import { Race, STEPS } from "./moons.js";

const SIDE = 25, X = [-2, 2], Y = [-1.7, 1.7], CHANGE = [-20, 20];
const odds = (share) => (share ? Math.log(share / (1 - share)) : -Infinity);
const plain = (v) => Number(v.toPrecision(4));
const spread = ([low, high], i) => low + ((high - low) * i) / (SIDE - 1);

const field = (net) => Float32Array.from({ length: SIDE * SIDE }, (_, i) =>
  net.odds(spread(X, i % SIDE), spread(Y, Math.floor(i / SIDE))));

const dotted = new WeakMap();  // the points, which training leaves where they are
function dots(axes, { X: at, classes, given, n }) {
  if (!dotted.has(given)) {
    const panel = new Panel(0, 0), place = (i) => axes.point(at[2 * i], at[2 * i + 1]);
    const wrong = range(n).filter((i) => given[i] !== classes[i]);
    panel.dots(wrong.map(place), INK, 10);
    for (const [label, color] of [[0, BLUE], [1, ORANGE]])
      panel.dots(range(n).filter((i) => given[i] === label).map(place), color, 6);
    dotted.set(given, panel);
  }
  axes.panel.group(dotted.get(given));
}

function plane(title, field, own, color) {
  const panel = new Panel(370, 292, title);
  const axes = new Axes(panel, {
    xlim: X, ylim: Y, left: 1, right: 1, top: 24, bottom: 2, xticks: [], yticks: [],
  });
  axes.sides(field, SIDE, odds).contour(field, SIDE, 0, { stroke: color, strokeWidth: 3 });
  dots(axes, own);
  return panel;
}

function curves({ looks }) {
  const panel = new Panel(370, 270), steps = looks.map((look) => look.steps), ends = [];
  key(panel, 44, 14, [["without dropout", PINK], ["with dropout", GREEN]]);
  const axes = new Axes(panel, {
    xlim: [0, STEPS], ylim: [0, 60], top: 24, right: 40, xlabel: "step", ylabel: "error, %",
    xticks: [0, 500, 1000, 1500],
  });
  [PINK, GREEN].forEach((color, k) => ["own", "new"].forEach((words, kind) => {
    const errors = looks.map((look) => look.errors[k][kind]);
    axes.line(steps, errors, color, kind ? { strokeWidth: 2.5 } : { strokeDasharray: "4 3" });
    ends.push([errors.at(-1), words, color]);
  }));
  axes.ends(ends);
  return panel;
}

function changes(table, { p }, at, now) {
  const rates = table.rates.data, chosen = plain(table.chosen.at(at.points, at.width));
  const panel = new Panel(370, 270, `Twenty pairs: choose_rate takes p = ${chosen}`);
  const axes = new Axes(panel, {
    xlim: [-0.04, 0.86], ylim: CHANGE, left: 50, xlabel: "drop probability p",
    ylabel: "change, points", yticks: [-20, -10, 0, 10, 20].map((v) => [v, signed(v, 0)]),
  });
  axes.across(0, INK).line([p, p], CHANGE, PALE, { strokeWidth: 14 });
  axes.dots(Array(table.pairs.shape[3]).fill(p), table.pairs.at(at.points, at.width, at.p), GREY, 5);
  const middle = [0];
  for (const k of range(rates.length)) {
    const [mean, low, high] = table.gaps.at(at.points, at.width, k), color = k === at.p ? GREEN : INK;
    axes.line([rates[k], rates[k]], [low, high], color, { strokeWidth: 3 }).dots([rates[k]], [mean], color, 8);
    middle.push(mean);
  }
  const best = Array.from(rates).findIndex((rate) => Math.abs(rate - chosen) < 1e-4) + 1;
  panel.circle(...axes.point(chosen, middle[best]), 9, "none", { stroke: INK, strokeWidth: 2 });
  const [x, y] = axes.point(p, now);
  panel.line([[x - 8, y], [axes.x1, y]], INK).text(axes.x1, y - 4, "this pair", { textAnchor: "end" });
  return panel;
}

function draw(table, value, at, race) {
  const { p, points, width } = value, { own, nets, looks, steps } = race;
  const [[learned, before], [thinned, after]] = looks.at(-1).errors;
  const told = (a, b) => `own ${fixed(a, 0)} %, new ${fixed(b, 0)} % wrong`;
  const [mean, low, high] = Array.from(table.gaps.at(at.points, at.width, at.p), (v) => signed(v, 1));
  const first = field(nets[0]);  // both begin as one
  return {
    panels: [
      plane(`Without dropout: ${told(learned, before)}`, first, own, PINK),
      plane(`With p = ${p}: ${told(thinned, after)}`, steps ? field(nets[1]) : first, own, GREEN),
      curves(race), changes(table, value, at, after - before),
    ],
    says: `After ${steps} of ${STEPS} steps on ${points} examples (ringed: wrong labels) the ${width} ` +
      `units misread ${fixed(before, 1)} % of new ones without dropout and ${fixed(after, 1)} % with ` +
      `p = ${p}: ${signed(after - before, 1)} points in this pair. In twenty pairs, trained to the end, ` +
      `your paired_difference finds ${mean} points (${low} to ${high}).`,
  };
}

export default explorer({
  draw,
  begin: ({ points, width, p, pair }) => new Race(points, width, [0, p], pair),
  begins: "Train",
  pace: 6,
  tries: [
    ["few examples, many units", { points: 40, width: 64 }],
    ["many examples", { points: 320, width: 64 }],
    ["few units", { points: 40, width: 4 }],
  ],
  question: "From how many examples on, and below how many units, does dropout hurt?",
});
