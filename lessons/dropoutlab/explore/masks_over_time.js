import {
  BLUE, GREEN, GREY, ORANGE, PALE, PINK, Panel, SKY, count, explorer, fixed, mixed, sum,
} from "./kit.js";

const UNITS = 30, WIDE = 200, HIGH = 150, WORDS = [BLUE, ORANGE, GREEN, PINK, SKY];

/** Which entries belong to units that were let through at every step so far. */
function soFar(grid, steps) {
  const through = new Uint8Array(grid.subarray(0, steps * UNITS));
  for (let i = UNITS; i < through.length; i++) through[i] &= through[i - UNITS];
  return through;
}

function sheet(title, steps, colour) {
  const panel = new Panel(WIDE + 6, HIGH + 46, title), size = [WIDE / steps, HIGH / UNITS];
  panel.cells(1, 24, steps, steps * UNITS, size, (i) => colour(i % steps, Math.floor(i / steps)),
    steps > 20 ? 0 : 0.4);
  return panel.text(WIDE / 2, HIGH + 40, "time step", { textAnchor: "middle", fill: GREY });
}

function draw(table, { p, steps }, at) {
  const of = (name) => table[name].at(at.p, at.draw);
  const [naive, locked, renewed, shown] = ["naive", "locked", "renewed", "shown"].map(of);
  const tokens = of("tokens").slice(0, steps), through = [naive, locked].map((grid) => soFar(grid, steps));
  const told = (grid, which, color) => {
    const stopped = mixed(0.35, color);
    return (t, u) => (!grid[t * UNITS + u] ? PALE : through[which][t * UNITS + u] ? color : stopped);
  };
  const old = mixed(0.35, GREEN);
  const panels = [
    sheet("A new mask each step", steps, told(naive, 0, ORANGE)),
    sheet("Your locked mask", steps, told(locked, 1, BLUE)),
    sheet("Your zoneout", steps, (t, u) => (renewed[t * UNITS + u] ? GREEN : old)),
    sheet("Your words, five of them", steps, (t, u) => (shown[t * UNITS + u] ? WORDS[tokens[t]] : PALE)),
  ];
  const words = new Set(tokens), there = (t) => shown.slice(t * UNITS, (t + 1) * UNITS).some(Boolean);
  const gone = new Set(tokens.filter((_, t) => !there(t)));
  const [kept, same] = through.map((units) => sum(units.subarray(-UNITS)));
  const fresh = (100 * sum(renewed.slice(0, steps * UNITS))) / (steps * UNITS);
  return {
    panels,
    says: `p = ${fixed(p, 1)}, ${count(steps, "step")}: with a new mask at each step ${kept} of ${UNITS} ` +
      `units get through all of them (${fixed(UNITS * (1 - p) ** steps, 1)} expected), with your locked ` +
      `mask ${same}. Your zoneout renews a unit in ${fixed(fresh, 0)} % of the steps (dark) and sets none ` +
      `to zero. Of the ${words.size} words that occur your embedding dropout drops ${gone.size}, ` +
      "wherever they stand.",
  };
}

export default explorer({
  draw,
  tries: [["40 steps at p = 0.1", { p: 0.1, steps: 40 }], ["two steps", { steps: 2 }], ["p = 0.5", { p: 0.5 }]],
  question: "After how many steps has the last unit been dropped at p = 0.1, if each step has a new mask?",
});
