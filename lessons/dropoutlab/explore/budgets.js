import {
  Axes, BLUE, GREY, INK, ORANGE, Panel, SKY, explorer, fixed, key, mean, range, signed,
} from "./kit.js";

const ERRORS = { 8: [0, 90], 64: [0, 30] }, ADDED = { 8: [-10, 70], 64: [-5, 10] };  // percent, points
const BATCH = 64;
const plain = (v) => Number(v.toPrecision(4));

function draw(table, { images, steps }, at) {
  const rates = Array.from(table.rates.data, plain), seeds = table.test.shape[4], told = [];
  const panels = Array.from(table.widths.data, (width, w) => {
    const test = rates.map((_, r) => Array.from(table.test.at(at.images, at.steps, w, r)));
    const gaps = range(rates.length - 1).map((r) => Array.from(table.gap.at(at.images, at.steps, w, r)));
    const [chosen, error] = Array.from(table.chosen.at(at.images, at.steps, w), plain);
    const title = `${width} units: your choice is p = ${chosen}, ${fixed(error, 1)} % error`;
    const panel = new Panel(410, 350, title);
    const shared = { xlim: [-0.03, 0.53], left: 50 };
    const upper = new Axes(panel, {
      ...shared, ylim: ERRORS[width], ylabel: "test error, %", bottom: 158, xticks: rates.map((p) => [p, ""]),
    });
    for (const s of range(seeds)) upper.line(rates, test.map((runs) => runs[s]), SKY, { strokeWidth: 1 });
    upper.line(rates, test.map(mean), BLUE, { strokeWidth: 2.5 }).dots(rates, test.map(mean), BLUE, 8);
    panel.circle(...upper.point(chosen, error), 10, "none", { stroke: INK, strokeWidth: 2 });

    const lower = new Axes(panel, {
      ...shared, ylim: ADDED[width], xlabel: "drop probability p", ylabel: "points", top: 226, xticks: rates,
    });
    key(panel, 56, 218, [["fewer errors than at p = 0", BLUE], ["more", ORANGE], ["can’t tell", GREY]]);
    lower.across(0, INK);
    gaps.forEach(([m, low, high], r) => {
      const p = rates[r + 1], color = low > 0 ? ORANGE : high < 0 ? BLUE : GREY;
      lower.line([p, p], [low, high], color, { strokeWidth: 4 }).dots([p], [m], color, 10);
    });
    const [m, low, high] = gaps[0].map((v) => signed(v, 1));
    told.push(`${width} units, p = ${rates[1]} changes the test error by ${m} points (${low} to ${high})`);
    return panel;
  });
  const epochs = Number(((steps * BATCH) / images).toPrecision(2));
  return {
    panels,
    says: `${steps} steps on ${images} images are ${epochs} epochs. With ${told.join("; with ")}.`,
  };
}

export default explorer({
  draw,
  tries: [
    ["few images, many steps", { images: 300, steps: 3000 }],
    ["many images, few steps", { images: 4000, steps: 300 }],
    ["many images, many steps", { images: 4000, steps: 3000 }],
  ],
  question: "With 64 units, when does dropout help most: with few or many images, few or many steps?",
});
