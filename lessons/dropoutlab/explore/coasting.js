import { Axes, BLUE, GREY, ORANGE, PAPER, Panel, count, explorer, fixed, key, range } from "./kit.js";

const WAYS = ["SGD", "Momentum", "Adam"];

function draw(table, { p, keep }, at) {
  const shares = [];
  const panels = WAYS.map((way, i) => {
    const [moved, still] = [table.moved, table.still].map((all) => all.at(at.p, at.keep, at.draw, i));
    const [share, idle] = table.shares.at(at.p, at.keep, at.draw, i).map((v) => Math.round(100 * v));
    shares.push({ share, idle });
    const panel = new Panel(248, 218, way);  // so narrow that three stand side by side in Jupyter
    panel.text(0, 32, `all units: idle steps move ${share} % as far`);
    const steps = range(moved.length + 1);
    const axes = new Axes(panel, {
      left: 24, top: 44, bottom: 32, xlim: [0, moved.length], ylim: [0, 1.25 * Math.max(...moved) || 1],
      yticks: [], xticks: [], xlabel: "step", ylabel: "one unit's motion",
    });
    const paint = { stroke: PAPER, strokeWidth: 1 };
    for (const [flag, color] of [[0, BLUE], [1, ORANGE]]) {
      const mine = (v, k) => (still[k] === flag ? v : 0);
      axes.stairs(Array.from(moved, mine), steps, color, paint);
      const marks = steps.slice(1).filter((k) => still[k - 1] === flag);
      panel.dots(marks.map((k) => [axes.X(k - 0.5), axes.y0 + 9]), color, 6);
    }
    panel.line([[axes.x0, axes.y0], [axes.x1, axes.y0]], GREY, { strokeWidth: 1 });
    return i ? panel : key(panel, 32, 54, [["a gradient", BLUE], ["none: idle", ORANGE]]);
  });
  const [plain, slow, adam] = shares.map(({ share }) => `${share} %`);
  return {
    panels,
    says: `The motion of one hidden unit's weights in ${count(table.moved.shape[4], "step")} at ` +
      `p = ${fixed(p)}. Of all units' steps, ${shares[0].idle} % had no gradient. At memory ${keep} these ` +
      `went on average ${plain} as far as the others with SGD, ${slow} with momentum and ${adam} with Adam.`,
  };
}

export default explorer({
  draw,
  tries: [["no memory", { keep: 0 }], ["a long memory", { keep: 0.98 }], ["drop most", { p: 0.8 }]],
  question: "At which memory do idle rows move half as far as the others?",
});
