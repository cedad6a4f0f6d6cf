import {
  Axes, BLUE, INK, ORANGE, Panel, deviation, explorer, fixed, mean, mixed, range,
} from "./kit.js";

const TILE = 42, COLUMNS = 6;
const MODES = [["Training", ORANGE], ["Evaluation", BLUE]];
const named = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;

const coarse = (v) => Math.round(4 * v) / 4;
const inked = new WeakMap();  // the images, which no control changes, are drawn once

function gallery(table, image) {
  const rows = Math.ceil(table.labels.data.length / COLUMNS);
  const title = `Press an image: ${named(table.labels.at(image))}`;
  const panel = new Panel(COLUMNS * TILE + 4, 28 + rows * TILE, title);
  const side = TILE - 6, place = (i) => [3 + (i % COLUMNS) * TILE, 28 + Math.floor(i / COLUMNS) * TILE];
  if (!inked.has(table)) {
    const own = new Panel(0, 0);
    table.labels.data.forEach((_, i) => own.image(...place(i), 8, table.images.at(i).map(coarse), side / 8));
    inked.set(table, own);
  }
  panel.group(inked.get(table));
  table.labels.data.forEach((label, i) => {
    const [x, y] = place(i);
    if (i === image) panel.rect(x - 2, y - 2, side + 4, side + 4, "none", { stroke: BLUE, strokeWidth: 3 });
    panel.button("image", i, `test image ${i + 1}, ${named(label)}`, x - 2, y - 2, side + 4, side + 4);
  });
  return panel;
}

function draw(table, { p, run, image }, at) {
  const label = table.labels.at(image), runs = table.says.shape[3], told = [];
  const panels = MODES.map(([mode, color], m) => {
    const first = table.first.at(at.p, m, image), all = range(10).map((k) =>
      range(runs).map((r) => table.says.at(at.p, m, image, r, k) / 255));
    const right = Math.round((100 * first.filter((k) => k === label).length) / runs);
    told.push({ mode, says: first[run], right, own: all[label] });
    const title = `${mode}: this run reads ${named(first[run])}`;
    const panel = new Panel(256, 235, title);  // so narrow that three stand side by side in Jupyter
    const axes = new Axes(panel, {
      left: 34, xlim: [-0.6, 9.6], ylim: [0, 1], xlabel: `class (right in ${right} % of ${runs} runs)`,
      xticks: range(10), yticks: [0, 0.5, 1],
    });
    const edges = range(10).flatMap((k) => [k - 0.36, k + 0.36]);
    axes.stairs(all.flatMap((of) => [of[run], 0]).slice(0, -1), edges, mixed(0.4, color));
    const places = range(runs).map((r) => (((7 * r) % runs) / runs - 0.5) * 0.6);
    axes.dots(all.flatMap((_, k) => places.map((x) => k + x)), all.flat(), color, 3, { opacity: 0.55 });
    for (const k of range(10)) axes.line([k - 0.32, k + 0.32], [mean(all[k]), mean(all[k])], INK);
    return panel;
  });
  const [ours, whole] = told.map(({ own }) => `${fixed(mean(own))} ± ${fixed(deviation(own))}`);
  return {
    panels: [gallery(table, image), ...panels],
    says: `Run ${run + 1} of ${runs} at p = ${fixed(p, 1)} (bars) reads ${named(told[0].says)} in training ` +
      `mode and ${named(told[1].says)} in evaluation mode. Over all runs (dots; dash: mean) the ` +
      `probability of ${named(label)}, the true digit, is ${ours} in training and ${whole} in evaluation.`,
  };
}

export default explorer({
  draw,
  pressed: (name, value) => ({ image: Number(value) }),
  tries: [["p = 0", { p: 0 }], ["p = 0.9", { p: 0.9 }], ["a sure image", { image: 1 }]],
  question: "Which images does evaluation read rightly, and single runs wrongly?",
});
