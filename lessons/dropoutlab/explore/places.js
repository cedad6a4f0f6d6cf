import {
  Axes, BLUE, GREY, INK, ORANGE, PALE, Panel, deviation, explorer, fixed, mixed, range,
} from "./kit.js";

const TOKENS = 16, HEADS = 4, MLP = 96, WIDE = 300, HIGH = 208;
const COINS = [
  "a coin for each token and channel", "a coin for each pair of tokens, in each head",
  "a coin for each head of each block", "a coin for each token, channel and branch",
  "a coin for each token and entry inside the MLP", "a coin for each block",
];
const BOXES = [  // height, words, place
  [0.8, "embedding + position", 0], [3.7, "attention weights", 1], [5.4, "heads", 2],
  [7.0, "what it adds", 3], [8.5, "MLP, inside", 4], [9.8, "what it adds", 3],
];

/** The way through a block from below, the place that drops in orange. */
function scheme(place) {
  const panel = new Panel(230, 260, "One of three blocks"), X = (x) => 23 * x, Y = (y) => 256 - 21 * y;
  panel.rect(X(0.3), Y(10.4), X(9.4), 21 * 8.3, "none", { stroke: place === 5 ? ORANGE : PALE, strokeWidth: 2 });
  panel.line([[X(1.3), Y(1.4)], [X(1.3), Y(10.9)]], INK);
  for (const [low, high] of [[2.5, 7], [7.4, 9.8]]) {
    panel.line([[X(1.3), Y(low)], [X(5.8), Y(low)], [X(5.8), Y(high)], [X(1.3), Y(high)]], GREY);
    panel.circle(X(1.3), Y(high), 7, "var(--paper)", { stroke: INK });
    panel.text(X(1.3), Y(high) + 5, "+", { textAnchor: "middle" });
  }
  for (const [y, words, where] of BOXES) {
    const width = 7.2 * words.length + 12, x = where === 0 ? X(0.9) : X(5.8) - width / 2;
    panel.rect(x, Y(y) - 11, width, 21, where === place ? ORANGE : PALE);
    panel.text(x + width / 2, Y(y) + 4, words, {
      textAnchor: "middle", fontSize: 12, fill: where === place ? "var(--paper)" : INK,
    });
  }
  return panel;
}

/** What fell in the first pass: entries, weights, heads or blocks. */
function mask(place, values) {
  const titles = { 1: "Your weights, four heads", 2: "Your heads' outputs", 5: "Your blocks that ran" };
  const panel = new Panel(WIDE, 260, titles[place] ?? "What survived"), kept = (v) => (v ? BLUE : PALE);
  if (place === 1) {
    for (const head of range(HEADS)) {
      const x = (head % 2) * 108, y = 26 + Math.floor(head / 2) * 108, from = head * TOKENS * TOKENS;
      panel.cells(x, y, TOKENS, TOKENS * TOKENS, 6.3, (i) =>
        values[from + i] ? mixed(Math.max(1, Math.round(values[from + i] / 32)) / 8) : mixed(0.55, ORANGE), 0.3);
    }
    return panel.text(0, 254, "row: who reads; orange: dropped", { fontSize: 12, fill: GREY });
  }
  if (place === 5) {
    range(3).forEach((block) => panel.rect(0, 180 - 60 * block, 110, 46, kept(values[block])));
    return panel.text(0, 254, "the first block at the bottom", { fontSize: 12, fill: GREY });
  }
  if (place === 2) {  // (heads, tokens, channels of a head)
    const each = 6, columns = HEADS * each;
    panel.cells(0, 26, columns, columns * TOKENS, [WIDE / columns, HIGH / TOKENS], (i) => {
      const token = Math.floor(i / columns), column = i % columns, head = Math.floor(column / each);
      return kept(values[(head * TOKENS + token) * each + (column % each)]);
    });
    return panel.text(0, 254, "token by token; channels, head by head", { fontSize: 12, fill: GREY });
  }
  const columns = place === 4 ? MLP : 24;
  panel.cells(0, 26, columns, columns * TOKENS, [WIDE / columns, HIGH / TOKENS], (i) => kept(values[i]), 0.6);
  return panel.text(0, 254, "token by token; channels", { fontSize: 12, fill: GREY });
}

function draw(table, { place, p }, at) {
  const sure = Array.from(table.sure.at(at.image)), best = sure.indexOf(Math.max(...sure));
  const passes = table.answers.shape[3], told = range(passes).map((k) =>
    Array.from(table.answers.at(at.place, at.p, at.image, k), (v) => v / 255));
  const answers = new Panel(340, 260, `${passes} answers to a ${table.labels.at(at.image)}; evaluation ×`);
  const axes = new Axes(answers, {
    xlim: [-0.6, 9.6], ylim: [-0.03, 1.03], xticks: range(10), yticks: [0, 0.5, 1], xlabel: "class",
    ylabel: "probability",
  });
  const aside = (k) => 0.6 * (((k * 0.618034) % 1) - 0.5);
  for (const k of range(passes)) axes.dots(range(10).map((c) => c + aside(k)), told[k], ORANGE, 4, { opacity: 0.6 });
  range(10).forEach((c) => axes.text(c, sure[c], "×", { textAnchor: "middle", dominantBaseline: "central", fontSize: 18 }));
  const same = told.filter((row) => row.indexOf(Math.max(...row)) === best).length;
  return {
    panels: [scheme(at.place), mask(at.place, table.masks.at(at.place, at.p, at.image)), answers],
    says: `${place[0].toUpperCase() + place.slice(1)}, p = ${fixed(p, 1)}: ${COINS[at.place]}. ${same} of ` +
      `${passes} passes answer ${best}, as evaluation does; its probability is ${fixed(sure[best])} in ` +
      `evaluation, and scatters by ${fixed(deviation(told.map((row) => row[best])))} over the passes.`,
  };
}

export default explorer({
  draw,
  tries: [
    ["inside the MLP", { place: "inside the MLP" }], ["whole blocks", { place: "whole block" }],
    ["the embedding, p = 0.6", { place: "embedding + position", p: 0.6 }],
  ],
  question: "At p = 0.2, which place scatters the answers most, and which least?",
});
