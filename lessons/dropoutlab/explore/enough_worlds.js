import { Axes, BLUE, GREY, INK, Panel, SKY, explorer, fixed, range } from "./kit.js";

const YLIM = [-6, 14], TICKS = [-5, 0, 5, 10];

function draw(table, { k, p }, at) {
  const all = table.gains.shape[1], gains = table.gains.at(at.p).slice(0, k);
  const running = range(all - 1).map((i) => Array.from(table.running.at(at.p, i)));
  const [mean, error] = running[k - 2], [last, least] = running[all - 2];
  const low = mean - 2 * error, high = mean + 2 * error;

  const left = new Panel(380, 240, "Points gained in each world, and the mean ± 2 s.e.");
  const worlds = new Axes(left, { xlim: [0, all + 1], ylim: YLIM, yticks: TICKS, xlabel: "world" });
  worlds.band([0, all + 1], [low, low], [high, high], BLUE).across(0, INK)
    .line([0, all + 1], [mean, mean], BLUE).dots(range(k).map((i) => i + 1), gains, SKY, 7);

  const right = new Panel(380, 240, "The mean ± 2 s.e. of the worlds so far");
  const soFar = new Axes(right, { xlim: [0, all + 1], ylim: YLIM, yticks: TICKS, xlabel: "worlds used" });
  const counts = range(all - 1).map((i) => i + 2);
  soFar.band(counts, running.map(([m, e]) => m - 2 * e), running.map(([m, e]) => m + 2 * e), BLUE)
    .across(0, INK).across(last).upright(k, GREY).line(counts, running.map(([m]) => m), BLUE);
  const clear = Math.abs(mean) > 2 * error ? "clear of zero" : "not clear of zero";
  return {
    panels: [left, right],
    says: `p = ${fixed(p, 1)} against none, ${k} worlds: a gain of ${fixed(mean, 1)} points, s.e. ` +
      `${fixed(error, 1)}, ${clear}. All ${all} worlds say ${fixed(last, 1)}, s.e. ${fixed(least, 1)}.`,
  };
}

export default explorer({
  draw,
  tries: [["all 24 worlds", { k: 24 }], ["p = 0.1", { p: 0.1 }], ["p = 0.7, two worlds", { p: 0.7, k: 2 }]],
  question: "From which number of worlds on does the interval leave zero for good?",
});
