import { Axes, BLUE, GREEN, GREY, INK, ORANGE, Panel, SKY, explorer, fixed, range } from "./kit.js";

const SIDE = 14, CELL = 9, COLORS = [GREY, BLUE, GREEN];
const NAMES = ["trained plainly", "with hidden dropout", "with input noise"];
const best = (chances) => chances.indexOf(Math.max(...chances));
const percent = (v) => `${fixed(100 * v, 0)} %`;

function draw(table, { epsilon }, at) {
  const label = table.labels.at(at.image);
  const seen = [0, at.epsilon].map((e) => table.chances.at(at.way, e, at.image));
  const read = seen.map(best);
  const pictures = [["As it is", 0], [`Moved by ${fixed(epsilon)}`, at.epsilon]].map(([title, e], which) => {
    const panel = new Panel(140, 190, title);
    const pixels = table.images.at(at.way, e, at.image);
    panel.image(1, 28, SIDE, Array.from(pixels, (v) => v / 255), CELL);
    const right = read[which] === label;
    const style = right ? { fill: INK } : { fill: ORANGE, fontWeight: 700 };
    return panel.text(0, 175, `read as ${read[which]}`, style);
  });

  const bars = new Panel(280, 190, "Probabilities (blue: as it is)");
  const axes = new Axes(bars, {
    bottom: 24, xlim: [-0.6, 9.6], ylim: [0, 1], xticks: range(10), yticks: [0, 0.5, 1],
  });
  [SKY, ORANGE].forEach((color, k) => range(10).forEach((c) => {
    axes.stairs([seen[k][c]], [c - 0.4 + 0.4 * k, c + 0.4 * k], color);
  }));

  const chart = new Panel(340, 190, "Errors of 200 images, %");
  const errors = new Axes(chart, {
    right: 116, xlim: [0, 0.2], ylim: [0, 100], xlabel: "ε", yticks: [0, 50, 100],
  });
  errors.upright(epsilon, INK);
  range(3).forEach((way) => {
    const row = table.errors.at(way), xs = range(row.length).map((i) => (0.2 * i) / (row.length - 1));
    errors.line(xs, row, COLORS[way], { strokeWidth: way === at.way ? 3 : 1 });
  });
  errors.ends(range(3).map((way) => {
    const row = table.errors.at(way);
    return [row[row.length - 1], ["plain", "hidden dropout", "input noise"][way], COLORS[way]];
  }));
  return {
    panels: [...pictures, bars, chart],
    says: `The network ${NAMES[at.way]} reads this ${label} as ${read[0]} ` +
      `(${percent(seen[0][read[0]])}), and moved by ${fixed(epsilon)} as ${read[1]} ` +
      `(${percent(seen[1][read[1]])}). There it misreads ` +
      `${fixed(table.errors.at(at.way, at.epsilon), 0)} % of 200 images.`,
  };
}

export default explorer({
  draw,
  tries: [
    ["ε = 0.03", { epsilon: 0.03 }], ["ε = 0.15, input noise", { epsilon: 0.15, way: "input noise" }],
    ["ε = 0.15, plain", { epsilon: 0.15, way: "none" }],
  ],
  question: "Which network holds longest, and do all three take an image for the same wrong class?",
});
