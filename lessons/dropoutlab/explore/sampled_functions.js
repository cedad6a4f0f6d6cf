import {
  Axes, BLUE, INK, ORANGE, PALE, Panel, SKY, explorer, fixed, key, mean, mixed, range,
} from "./kit.js";

const SEEN = mixed(0.5, PALE);
const truth = (x) => Math.sin(4 * x);

function draw(table, { p, gap, k }, at) {
  const xs = Array.from(table.places.data);
  const [middle, spread] = [0, 1].map((part) => table.bands.at(at.p, at.gap, at.k, part));
  const seen = [[-1, -gap / 2], [gap / 2, 1]];
  const shade = (axes) => {
    for (const [low, high] of seen)
      axes.panel.rect(axes.X(low), axes.y1, axes.X(high) - axes.X(low), axes.y0 - axes.y1, SEEN);
  };

  const look = { xlim: [-2, 2], xlabel: "x", left: 36, top: 48 };
  const left = new Panel(450, 290, `Mean ± 2 standard deviations of ${k} of your passes`);
  const axes = new Axes(left, { ...look, ylim: [-4, 4], ylabel: "y" });
  shade(axes);
  const [low, high] = [-2, 2].map((times) => middle.map((m, i) => m + times * spread[i]));
  axes.band(xs, low, high, SKY, 0.4);
  const every = xs.filter((_, i) => i % 2 === 0);
  for (const i of range(Math.min(k, table.lines.shape[2])))
    axes.line(every, table.lines.at(at.p, at.gap, i), BLUE, { strokeWidth: 0.5 });
  axes.line(xs, middle, BLUE, { strokeWidth: 2.5 }).line(xs, xs.map(truth), INK, { strokeDasharray: "5 4" });
  axes.dots(table.x.at(at.gap), table.y.at(at.gap), INK, 4);
  key(left, 40, 38, [["your passes", BLUE], ["data; the truth, dashed", INK]]);

  const error = xs.map((x, i) => Math.abs(middle[i] - truth(x)));
  const right = new Panel(370, 290, "Does the band know how wrong it is?");
  const sizes = new Axes(right, { ...look, ylim: [0, 4] });
  shade(sizes);
  sizes.line(xs, error, ORANGE, { strokeWidth: 2.5 });
  sizes.line(xs, spread.map((s) => 2 * s), BLUE, { strokeWidth: 2.5 });
  key(right, 40, 38, [["half the band", BLUE], ["error of the mean", ORANGE]]);

  const over = (inside) => mean(Array.from(spread).filter((_, i) => inside(Math.abs(xs[i]))));
  const near = (x) => x > gap / 2 && x < 1, far = (x) => x > 1.2;
  const out = range(xs.length).filter((i) => far(Math.abs(xs[i])));
  const missed = out.filter((i) => error[i] > 2 * spread[i]).length / out.length;
  return {
    panels: [left, right],
    says: `The standard deviation is ${fixed(over(near))} where data lie (grey), ` +
      `${fixed(over((x) => x < 0.1))} around 0 and ${fixed(over(far))} far outside (|x| > 1.2), where ` +
      `the band misses the truth at ${fixed(100 * missed, 0)} % of the places.`,
  };
}

export default explorer({
  draw,
  tries: [["a wide gap", { gap: 1.2 }], ["p = 0.02", { p: 0.02 }], ["p = 0.5", { p: 0.5 }]],
  question: "Can any p make the band honest far outside, and still narrow where data lie?",
});
