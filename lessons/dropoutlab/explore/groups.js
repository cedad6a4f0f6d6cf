import { BLUE, GREY, ORANGE, PALE, Panel, count, explorer, range } from "./kit.js";

const TEXTS = 3, TOKENS = 8, FEATURES = 12, CELL = 20;

function draw(table, { shared, inner, p }, at) {
  const kept = table.kept.at(at.shared, at.inner, at.p, at.draw), n = kept.length, each = n / TEXTS;
  const group = range(n).map((i) => Math.floor(i / (shared * inner)) * inner + (i % inner));
  const mates = range(n).filter((i) => group[i] === group[0]);
  const panels = range(TEXTS).map((text) => {
    const panel = new Panel(FEATURES * CELL + 22, TOKENS * CELL + 48, `text ${text}`), from = text * each;
    panel.cells(22, 26, FEATURES, each, CELL, (i) => (kept[from + i] ? BLUE : PALE));
    const own = mates.filter((i) => i >= from && i < from + each).map((i) => i - from);
    panel.dots(own.map((i) => [
      22 + CELL * ((i % FEATURES) + 0.5) - 0.5, 26 + CELL * (Math.floor(i / FEATURES) + 0.5) - 0.5,
    ]), ORANGE, 9);
    const y = 26 + (TOKENS * CELL) / 2, x = 22 + (FEATURES * CELL) / 2, style = { textAnchor: "middle", fill: GREY };
    panel.text(12, y, "token", { ...style, transform: `rotate(-90 12 ${y})` });
    return panel.text(x, TOKENS * CELL + 42, "feature", style);
  });
  const dropped = kept.filter((v) => !v).length, coins = new Set(group).size;
  return {
    panels,
    says: `With shared = ${shared} and inner = ${inner} there ${coins === 1 ? "is" : "are"} ` +
      `${count(coins, "coin")} for ${n} entries; ${count(mates.length, "entry has", "entries have")} ` +
      `the coin of the first one (orange dots). ` +
      `${count(dropped, "entry is", "entries are")} dropped at p = ${p}.`,
  };
}

export default explorer({
  draw,
  tries: [
    ["a coin for each entry", { shared: 1, inner: 1 }], ["a feature through a text", { shared: 8, inner: 12 }],
    ["a whole text", { shared: 96, inner: 1 }],
  ],
  question: "Which two numbers drop a feature in all three texts at once? And a token, with all its features?",
});
