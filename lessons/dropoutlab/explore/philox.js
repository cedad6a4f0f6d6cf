import { BLUE, GREY, ORANGE, PALE, Panel, count, explorer, fixed, mixed, range } from "./kit.js";

const COLUMNS = 40, CELL = 11, LEFT = 58;
const FADED = mixed(0.4, ORANGE);
const colour = (now, before) => (now === before ? (now ? BLUE : PALE) : now ? ORANGE : FADED);

function draw(table, { rounds, bit, p }, at) {
  const bits = [0, at.bit + 1].map((which) => {
    const halves = table.words.at(at.rounds, which);
    return range(128).map((i) => (halves[Math.floor(i / 16)] >> (15 - (i % 16))) & 1);
  });
  const masks = [0, at.bit + 1].map((which) => Array.from(table.coins.at(at.rounds, which), (u) => u >= 65536 * p));
  const changed = [bits, masks].map(([old, now]) => now.filter((v, i) => v !== old[i]).length);
  const n = masks[0].length, word = Math.floor(bit / 32);
  const where = `bit ${bit % 32} of ${word < 4 ? "counter" : "key"} word ${word % 4}`;

  const upper = new Panel(LEFT + 32 * 13, 96, `128 bits from one counter: ${changed[0]} change`);
  upper.cells(LEFT, 30, 32, 128, [13, 15], (i) => colour(bits[1][i], bits[0][i]));
  for (const k of range(4)) upper.text(0, 42 + 15 * k, `word ${k}`, { fontSize: 12, fill: GREY });
  const lower = new Panel(COLUMNS * CELL, 122, `Mask of ${n} counters: ${changed[1]} entries change`);
  lower.cells(0, 30, COLUMNS, n, CELL, (i) => colour(masks[1][i], masks[0][i]));
  return {
    panels: [upper, lower],
    says: `After ${count(rounds, "round")}, flipping ${where} changes ${changed[0]} of 128 bits and ` +
      `${changed[1]} of ${n} entries of the mask (orange; pale orange where it becomes 0). Coins would change 64, and ` +
      `${fixed(2 * p * (1 - p) * n, 0)} at p = ${fixed(p)}.`,
  };
}

export default explorer({
  draw,
  tries: [
    ["no round", { rounds: 0 }], ["10 rounds", { rounds: 10 }],
    ["a bit of the key", { bit: 132, rounds: 1 }], ["p = 0.1, 10 rounds", { p: 0.1, rounds: 10 }],
  ],
  question: "After how many rounds does a flipped bit reach every word, wherever it was?",
});
