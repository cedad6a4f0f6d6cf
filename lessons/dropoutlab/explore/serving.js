import { BLUE, GREY, ORANGE, PINK, Panel, count, explorer, key } from "./kit.js";

const WAYS = ["your function", "state_dict", "torch.save", "torch.export", "jit.trace", "jit.script"];
const LEFT = 112, WIDE = 200, ROW = 36, TOP = 28;

function draw(table, { p, calls }, at) {
  const whole = table.whole.at(at.p), off = (v) => Math.abs(v - whole) > 1e-5 * (1 + Math.abs(whole));
  const spread = 1e-6 + Math.max(...table.answers.at(at.p, 0).map((v) => Math.abs(v - whole)));
  const steady = [], told = [];
  const panels = ["training", "evaluation"].map((mode, m) => {
    const panel = new Panel(400, TOP + ROW * WAYS.length + 22, `Saved in ${mode} mode, then loaded`);
    let kept = 0;
    WAYS.forEach((way, i) => {
      const from = 20 * at.draw, y = TOP + ROW * (i + 0.5);
      const answers = table.answers.at(at.p, m, i).slice(from, from + calls);
      const different = new Set(answers).size, first = off(answers[0]) ? PINK : BLUE;
      const color = different > 1 ? ORANGE : first;
      kept += color === BLUE;
      if (!i) told.push(count(different, "answer"));
      const X = (k) => LEFT + (WIDE * (k + 0.5)) / Math.max(calls, 10);
      panel.text(LEFT - 10, y + 4, way, { textAnchor: "end" });
      panel.line([[LEFT, y], [LEFT + WIDE, y]], GREY, { strokeWidth: 1 });
      const height = (v) => y - Math.max(-1, Math.min(1, (v - whole) / spread)) * (ROW / 2 - 4);
      panel.dots(Array.from(answers, (v, k) => [X(k), height(v)]), color, 5);
      panel.text(LEFT + WIDE + 10, y + 4, count(different, "answer"), { fill: color });
    });
    steady.push(kept);
    const names = [["same", BLUE], ["answers differ", ORANGE], ["same, but wrong", PINK]];
    return key(panel, 0, TOP + ROW * WAYS.length + 16, names);
  });
  const [one, other] = told;
  return {
    panels,
    says: `Asked ${calls === 1 ? "once" : `${calls} times`} at p = ${p}, ${steady[0]} of 6 ways gave ` +
      "nothing but the network's own answer (line) when it was saved in training mode, and " +
      `${steady[1]} of 6 when it was saved in evaluation mode. Your function gives ` +
      (one === other ? `${one} either way.` : `${one} in the one case, and ${other} in the other.`),
  };
}

export default explorer({
  draw,
  tries: [
    ["little dropout, two calls", { calls: 2, p: 0.02 }], ["no dropout", { p: 0 }],
    ["20 calls", { calls: 20 }],
  ],
  question: "With how few calls could a network that still drops fool you?",
});
