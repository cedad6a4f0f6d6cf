import {
  Axes, BLUE, GREY, INK, ORANGE, Panel, SKY, count, deviation, explorer, fixed, key, mean, mixed, range,
  signed, sum,
} from "./kit.js";

const REACH = 75;
const percent = (share) => `${fixed(100 * share, 0)} %`;

/** The slope of the mean loss over hard masks, from its mean and variance. */
function exact({ units, goal }, p) {
  const total = sum(units.data), squares = sum(units.data.map((a) => a * a));
  return -2 * total * ((1 - p) * total - goal.at(0)) + (1 - 2 * p) * squares;
}

function draw(table, { p, t, k }, at) {
  const bins = table.bins.at(at.p, at.t), n = bins.length, entries = sum(bins), half = n / 2;
  const share = Array.from(bins, (v) => (100 * v) / entries);
  const hard = sum([0, 1, n - 2, n - 1].map((i) => bins[i])) / entries;
  const below = sum(bins.subarray(0, half)) / entries;
  const left = new Panel(320, 270, `${entries} entries z of your soft mask`);
  const bars = new Axes(left, {
    xlim: [0, 1], ylim: [0, Math.max(12, 1.15 * Math.max(...share))], xlabel: "z", ylabel: "entries, %",
    top: 48,
  });
  const edges = range(n + 1).map((i) => i / n);
  bars.stairs(share.slice(0, half), edges, SKY).stairs(share.slice(half), edges.slice(half), BLUE);
  key(left, 50, 38, [[`${percent(below)} below ½`, SKY], [`${percent(1 - below)} above`, BLUE]]);

  const truth = exact(table, p), { shape } = table.found, estimates = shape[3];
  const words = range(shape[1]).map((i) => (i < shape[1] - 1 ? `1/${2 ** (shape[1] - 1 - i)}` : "1"));
  const right = new Panel(440, 270, `Slope of the loss in p: ${estimates} estimates at each t`);
  const axes = new Axes(right, {
    xlim: [-0.6, shape[1] - 0.4], ylim: [truth - REACH, truth + REACH], xlabel: "temperature t",
    xticks: words.map((word, i) => [i, word]), right: 106,
  });
  axes.across(truth, INK);
  for (const i of range(shape[1])) {
    const found = table.found.at(at.p, i, at.k), chosen = i === at.t, m = mean(found);
    const spots = range(estimates).map((j) => i + 0.56 * (((j * 0.618) % 1) - 0.5));
    axes.dots(spots, found, chosen ? SKY : mixed(0.5, GREY), 3);
    axes.line([i - 0.4, i + 0.4], [m, m], chosen ? ORANGE : GREY, { strokeWidth: 3 });
  }
  const found = table.found.at(at.p, at.t, at.k), m = mean(found), spread = deviation(found);
  axes.ends([[m, `mean: ${fixed(m, 1)}`, ORANGE], [truth, `exact: ${fixed(truth, 1)}`, INK]]);

  const bias = m - truth, doubt = (2 * spread) / Math.sqrt(estimates);
  return {
    panels: [left, right],
    says: `At t = ${words[at.t]}, ${percent(hard)} of the entries are nearly hard: within 0.05 of 0 or ` +
      `1. Estimates from ${count(k, "mask")} spread by ${fixed(spread, 1)} (standard deviation). Their mean ` +
      `less the exact slope is ${signed(bias, 1)} ± ${fixed(doubt, 1)} (two standard errors)` +
      `${Math.abs(bias) > doubt ? ": a bias" : ", which may be chance"}.`,
  };
}

export default explorer({
  draw,
  tries: [
    ["coldest, one mask", { p: 0.3, t: 1 / 64, k: 1 }], ["warmest, 64 masks", { p: 0.3, t: 1, k: 64 }],
    ["p = 0.1, 64 masks", { p: 0.1, t: 0.5, k: 64 }],
  ],
  question: "Which does a larger number of masks cure, the spread or the bias?",
});
