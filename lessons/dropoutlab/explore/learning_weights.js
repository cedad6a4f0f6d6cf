import {
  BLUE, GREY, INK, ORANGE, PALE, PAPER, Panel, count, explorer, fixed, key, mixed, range, sum,
} from "./kit.js";

const HEIGHT = 280, TOP = 40, STEP = 30, CELL = 15;
const small = { fontSize: 12, textAnchor: "middle" };
const row = (j) => TOP + STEP * j;

function draw(table, { p, examples, unit }, at) {
  const weights = range(8).map((j) => table.weights.at(at.p, at.examples, at.draw, j));
  const state = range(8).map((j) => table.state.at(at.p, at.examples, at.draw, j).slice(0, examples));
  const first = weights.map((w) => w.slice(0, 6)), second = weights.map((w) => w.slice(6));
  const off = state.map((s) => s.every((v) => v === 0)), kept = state.map((s) => s.some((v) => v === 2));
  const learns = weights.map((w) => w.some((v) => v));
  const own = (j) => (unit ? j === unit - 1 : true);

  const left = new Panel(440, HEIGHT, "Blue weights learn in this step");
  const heights = { 6: (i) => row(0) + 42 * i, 3: (i) => row(1.5) + 60 * i };
  const ends = (j, i) => [[200, row(j)], i < 6 ? [30, heights[6](i)] : [400, heights[3](i - 6)]];
  const all = weights.flatMap((w, j) => Array.from(w, (size, i) => ({ size, j, i })));
  const paths = new Map();  // as few paths as there are kinds of lines
  for (const { size, j, i } of all.sort((a, b) => a.size - b.size || own(a.j) - own(b.j))) {
    const kind = `${Math.ceil(size / 50)} ${own(j)}`, [[x, y], [u, v]] = ends(j, i);
    paths.set(kind, (paths.get(kind) ?? "") + `M${x} ${y}L${u} ${v}`);
  }
  for (const [kind, d] of paths) {
    const [size, mine] = [Number(kind[0]), kind.endsWith("true")];
    const stroke = size ? (mine ? BLUE : mixed(0.25, BLUE)) : mine && unit ? GREY : PALE;
    left.add("path", { d, stroke, strokeWidth: size ? 0.4 + 0.6 * size : 1 });
  }
  for (const i of range(6)) left.circle(30, heights[6](i), 6, PAPER, { stroke: GREY });
  for (const i of range(3)) left.circle(400, heights[3](i), 6, PAPER, { stroke: GREY });
  for (const [x, words] of [[30, "inputs"], [200, "hidden units"], [400, "classes"]])
    left.text(x, HEIGHT - 3, words, { textAnchor: "middle" });

  const right = new Panel(Math.max(300, CELL * examples + 122), HEIGHT, "Each example has a mask of its own");
  key(right, 0, HEIGHT - 5, [["kept", BLUE], ["dropped", PALE], ["ReLU off", ORANGE]]);
  for (const j of range(8)) {
    const color = off[j] ? ORANGE : kept[j] ? BLUE : PALE;
    left.circle(200, row(j), 9, color, { stroke: unit === j + 1 ? INK : PAPER, strokeWidth: 2 });
    left.text(200, row(j) + 4, j + 1, { ...small, fill: off[j] || kept[j] ? PAPER : INK });
    left.button("unit", j + 1, `hidden unit ${j + 1}`, 180, row(j) - 14, 40, 28);
    right.text(0, row(j) + 5, j + 1);
    right.cells(16, row(j) - 7, 16, examples, CELL, (i) => [ORANGE, PALE, BLUE][state[j][i]]);
    right.text(CELL * examples + 24, row(j) + 5, learns[j] ? "" : "learns nothing");
    if (unit === j + 1) right.rect(14, row(j) - 9, CELL * examples + 3, CELL + 3, "none", { stroke: INK });
  }

  const learn = (sizes) => sum(sizes.map((part) => part.filter((v) => v > 0).length));
  const share = (part) => `${learn([part]) === 0 ? "none" : learn([part])} of the ${part.length}`;
  const idle = learns.filter((v) => !v).length;
  const seen = (j) => state[j].filter((v) => v === 2).length;
  const of = (n) => (examples === 1 ? "this example" : `${n} of the ${examples} examples`);
  const why = (j) => (kept[j] ? `kept, with its ReLU on, for ${of(seen(j))}` : off[j] ? "kept, but its ReLU " +
    `was off for ${of("each")}` : (state[j].includes(0) ? "dropped, or its ReLU was off," : "dropped") +
    ` for ${of("each")}`);
  const one = () => `Unit ${unit} was ${why(unit - 1)}: ` +
    `${share(first[unit - 1])} weights to it and ${share(second[unit - 1])} from it learn.`;
  return {
    panels: [left, right],
    says: `With ${count(examples, "example")} in the step at p = ${fixed(p, 1)}, ${learn(weights)} of 72 ` +
      "weights learn. " + (unit ? one() : (idle ? `Of 8 hidden units, ${idle} ` +
        `${idle === 1 ? "learns" : "learn"} nothing.` : "Every hidden unit learns something.") +
        " Press one to see its own weights."),
  };
}

export default explorer({
  draw,
  pressed: (name, value, at) => ({ unit: at.unit === Number(value) ? 0 : Number(value) }),
  tries: [
    ["one example", { examples: 1 }], ["drop almost all", { p: 0.9 }], ["a whole batch", { examples: 16 }],
  ],
  question: "Of a dropped unit, which weights learn: those to it, those from it, both or neither?",
});
