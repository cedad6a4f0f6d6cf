import {
  Axes, BLUE, GREY, ORANGE, PALE, Panel, deviation, explorer, fixed, key, mean, mixed, range, signed,
} from "./kit.js";
import { read, reading, told } from "./reading.js";
import { Sketch, ready, sheet } from "./sketch.js";

const COLUMNS = 7, CELL = 4, WIDE = 15, HIGH = 9;  // a tile is so many cells: an image, and a digit
const LARGE = { fontSize: 17, fontWeight: "bold", textAnchor: "middle" };
const SHADES = range(5).map((k) => k && mixed(k / 4));
const error = (runs) => deviation(runs) / Math.sqrt(runs.length - 1);

function curves(table, { p, share }, at) {
  const rates = range(table.test.shape[1]).map((k) => k / table.test.shape[1]), past = range(at.p + 1);
  const panel = new Panel(410, 270, `The gap at p = ${fixed(p, 1)}, ${share} % of the labels wrong`);
  const axes = new Axes(panel, {
    right: 86, xlim: [-0.03, 0.93], ylim: [-2, 66], yticks: [0, 20, 40, 60], xlabel: "drop probability p",
    ylabel: "error, %",
  });
  const sets = [["own images", table.train, ORANGE], ["new digits", table.test, BLUE]];
  const ends = sets.map(([name, errors, color]) => [mean(errors.at(at.share, at.p)), name, color]);
  axes.line([p, p], ends.map(([y]) => y), PALE, { strokeWidth: 14 });
  for (const [, errors, color] of sets) {  // what lies ahead is left to be guessed
    const seen = past.map((k) => errors.at(at.share, k));
    const runs = seen.flatMap((all) => Array.from(all)), x = past.map((k) => rates[k]);
    axes.dots(x.flatMap((v, k) => Array(seen[k].length).fill(v)), runs, color, 4, { opacity: 0.4 });
    axes.line(x, seen.map(mean), color, { strokeWidth: 2 });
    axes.dots([p], [mean(seen.at(-1))], color, 11);
  }
  axes.ends(ends);
  return panel;
}

const inked = new WeakMap();  // the images, which no control changes, are drawn once
function images(table, n, rows) {
  if (inked.has(table)) return inked.get(table);
  const across = COLUMNS * WIDE, panel = new Panel(0, 0);
  panel.cells(0.5, 24.5, across, across * rows * HIGH, CELL, (k) => {
    const [u, v] = [k % across, Math.floor(k / across)], [x, y] = [u % WIDE, v % HIGH];
    const i = Math.floor(v / HIGH) * COLUMNS + Math.floor(u / WIDE);
    return x < 8 && y < 8 && i < n && SHADES[Math.round(4 * table.images.data[64 * i + 8 * y + x])];
  }, -0.3);
  inked.set(table, panel);
  return panel;
}

function wall(table, { share }, at) {
  const digit = table.digit.data, n = digit.length, rows = Math.ceil(n / COLUMNS);
  const taught = table.taught.at(at.share), says = table.says.at(at.share, at.p);
  const right = says.reduce((total, v, i) => total + (v === digit[i]), 0);
  const repeated = says.reduce((total, v, i) => total + (v === taught[i] && v !== digit[i]), 0);
  const title = share ? `It repeats ${repeated} of ${n} wrong labels` : `It reads ${right} of ${n} correctly`;
  const panel = new Panel(COLUMNS * WIDE * CELL + 4, 48 + rows * HIGH * CELL, title);
  for (const i of range(n)) {
    const x = (i % COLUMNS) * WIDE * CELL, y = 24 + Math.floor(i / COLUMNS) * HIGH * CELL;
    const color = says[i] === digit[i] ? BLUE : says[i] === taught[i] ? ORANGE : GREY;
    panel.rect(x, y, WIDE * CELL - 3, HIGH * CELL - 3, mixed(0.22, color));
    panel.text(x + 45, y + 22, says[i], { fill: color, ...LARGE });
  }
  panel.group(images(table, n, rows));
  const colors = [["true digit", BLUE], ["another", GREY]];
  key(panel, 0, panel.height - 6, share ? [["wrong label", ORANGE], ...colors] : colors);
  return { panel, n, right, repeated };
}

function draw(table, value, at, sketch) {
  const seen = read(table, at, sketch.image, value.p);
  const { panel, n, right, repeated } = wall(table, value, at);
  const [test, plain] = [at.p, 0].map((k) => table.test.at(at.share, k));
  const change = test.map((v, k) => v - plain[k]), give = (runs) => `± ${fixed(error(runs), 1)}`;
  return {
    panels: [sheet(table, sketch), reading(seen, sketch), curves(table, value, at), panel],
    says: told(seen, sketch) + `At p = ${fixed(value.p, 1)} five networks misread ` +
      `${fixed(mean(test), 1)} ${give(test)} % of the new digits` +
      (at.p ? `, ${signed(mean(change), 1)} ${give(change)} points from p = 0. ` : ". ") +
      (value.share ? `One of them, seen here, repeats ${repeated} of the ${n} wrong labels that it ` +
        `learned from, and reads the true digit in ${right} of these images. Nobody told it which ` +
        "labels were wrong." :
        "All labels are right here."),
  };
}

export default explorer({
  draw,
  begin({ digit }, before, table) {
    if (before?.digit === digit) return before;  // a drawing stays when p moves
    return new Sketch(digit, digit ? ready(table, digit - 1) : null);
  },
  pressed(name, value, at, sketch) {
    if (sketch) sketch.digit = null;
    return { digit: Number(value) };
  },
  tries: [["strong dropout", { p: 0.8 }], ["too much", { p: 0.9 }], ["no wrong labels", { share: 0 }]],
  question: "Is the p whose gap is nearest to zero also the one with the fewest misread new digits?",
});
