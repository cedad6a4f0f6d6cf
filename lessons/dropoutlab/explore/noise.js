import { Axes, BLUE, GREEN, ORANGE, PINK, Panel, count, explorer, fixed, range } from "./kit.js";

const NAMES = ["coin on inputs", "Gaussian, yours", "DropConnect, yours", "alpha, yours"];
const COLORS = [ORANGE, GREEN, BLUE, PINK], ROW = 48;

function draw(table, { p, inputs }, at) {
  const place = [at.p, at.inputs, at.draw], deviation = Math.sqrt(p / (1 - p)), width = 3.5 * deviation;
  const spreads = table.spreads.at(...place), alike = table.alike.at(...place);
  const n = table.heights.shape[4], edges = range(n + 1).map((i) => width * ((2 * i) / n - 1));

  const left = new Panel(440, 28 + 4 * ROW + 40, `Variance ${fixed(deviation ** 2)} each: a sum of ${inputs} inputs`);
  NAMES.forEach((name, row) => {
    const heights = table.heights.at(...place, row), top = 28 + ROW * row;
    const axes = new Axes(left, {
      left: 144, top: top + 6, bottom: left.height - top - ROW, xlim: [-width, width], yticks: [],
      ylim: [0, Math.max(...heights)], xticks: [], xlabel: "",
    });
    axes.stairs(heights, edges, COLORS[row]);
    left.text(138, top + 32, name, { textAnchor: "end", fill: COLORS[row] });
  });
  new Axes(left, {
    left: 144, top: 28 + 4 * ROW, xlim: [-width, width], ylim: [0, 1], yticks: [],
    xlabel: "noise in the pre-activation of one unit",
  });

  const right = new Panel(280, 28 + 4 * ROW + 40, "Is it the other unit's, too?");
  const both = new Axes(right, {
    left: 48, xlim: [-width, width], ylim: [-width, width], xlabel: "noise in one unit", ylabel: "and in the other",
  });
  [[1, BLUE], [0, ORANGE]].forEach(([which, color]) => {
    const flat = Array.from(table.points.at(...place, which), (v) => (v / 9000) * deviation);
    both.dots(flat.filter((_, i) => i % 2 === 0), flat.filter((_, i) => i % 2), color, 4, { opacity: 0.8 });
  });
  return {
    panels: [left, right],
    says: `At p = ${fixed(p, 1)} all four should have the standard deviation ${fixed(deviation)}: they ` +
      `have ${Array.from(spreads, (s) => fixed(s * deviation)).join(", ")} in 1200 draws from ` +
      `${count(inputs, "input")}. The noise of two units has correlation ${fixed(alike[0])} with a coin on ` +
      `inputs and ${fixed(alike[1])} with DropConnect.`,
  };
}

export default explorer({
  draw,
  tries: [
    ["two inputs", { inputs: 2 }], ["64 inputs", { inputs: 64 }], ["p = 0.8, two inputs", { p: 0.8, inputs: 2 }],
  ],
  question: "From how many inputs on can you no longer tell the four on the left apart?",
});
