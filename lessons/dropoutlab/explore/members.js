import {
  Axes, BLUE, GREEN, GREY, INK, ORANGE, PAPER, PINK, Panel, SKY, explorer, fixed, key, range,
} from "./kit.js";

const UNITS = 6, SIDE = 28, MIDDLE = 127.5, DRAWN = 16;
const size = (gap) => (gap < 5e-4 ? "0.000" : fixed(gap, gap < 0.1 ? 3 : 2));

/** The plane in the colours of a field of probabilities, and the points. */
function plane(title, field, points, classes) {
  const panel = new Panel(340, 330, title);
  const axes = new Axes(panel, {
    xlim: [-2, 2], ylim: [-1.8, 1.8], left: 1, right: 1, top: 46, bottom: 4, xticks: [], yticks: [],
  });
  axes.sides(field, SIDE, (share) => 255 * share);
  for (const [kind, color] of [[0, BLUE], [1, ORANGE]]) {
    const own = range(classes.length).filter((i) => classes[i] === kind);
    axes.dots(own.map((i) => points[2 * i]), own.map((i) => points[2 * i + 1]), color, 5);
  }
  return axes;
}

let before;  // one member stays while the mean's number moves
function one(field, title, points, classes) {
  if (before?.data === field.buffer && before.start === field.byteOffset) return before.panel;
  const axes = plane(title, field, points, classes);
  key(axes.panel, 1, 38, [["one class", BLUE], ["the other", ORANGE]]);
  axes.contour(field, SIDE, MIDDLE, { stroke: INK, strokeWidth: 2 });
  before = { data: field.buffer, start: field.byteOffset, panel: axes.panel };
  return before.panel;
}

function draw(table, { k, units }, at) {
  const [kept, dropped] = [0, 1].map((bit) => range(UNITS).filter((u) => ((units >> u) & 1) === bit));
  const [points, classes] = [table.points.at(at.network), table.classes.at(at.network)];

  const net = new Panel(178, 330, "Press units to drop them");
  const spot = (u) => [85, 62 + u * 48];
  for (const u of kept) {
    for (const y of [134, 230]) net.line([[18, y], spot(u), [152, y]], GREY, { strokeWidth: 1 });
  }
  for (const u of range(UNITS)) {
    const [x, y] = spot(u), on = kept.includes(u);
    const dashed = { stroke: GREY, strokeDasharray: "3 3" };
    net.circle(x, y, 16, on ? BLUE : PAPER, on ? {} : dashed);
    net.text(x, y + 5, u + 1, { textAnchor: "middle", fill: on ? PAPER : GREY });
    net.button("unit", u, `${on ? "drop" : "bring back"} unit ${u + 1}`, x - 22, y - 22, 44, 44);
  }
  for (const x of [18, 152]) for (const y of [134, 230]) net.circle(x, y, 6, GREY);

  const names = dropped.map((u) => u + 1), last = names.at(-1), first = names.slice(0, -1).join(", ");
  const without = !names.length ? "With every unit" : !kept.length ? "Without any unit" :
    first ? `Without units ${first} and ${last}` : `Without unit ${last}`;
  const wrong = table.each_wrong.at(at.network, units);
  const [mean, , scaled] = table.means_wrong.at(at.network, at.k);
  const field = table.each.at(at.network, units);
  const left = one(field, `${without}: ${wrong} wrong`, points, classes);

  const fields = range(3).map((i) => table.means.at(at.network, at.k, i));
  const title = `${k > 1 ? `Mean of ${k}` : "One at random"}: ${mean} wrong`;
  const right = plane(title, fields[0], points, classes);
  const some = Array.from(table.order.at(at.network).subarray(0, Math.min(k, DRAWN)));
  const d = some.map((member) => right.outline(table.each.at(at.network, member), SIDE, MIDDLE)).join("");
  right.panel.add("path", { d, stroke: GREY, strokeWidth: 0.6 });
  right.contour(fields[1], SIDE, MIDDLE, { stroke: PINK, strokeWidth: 5 });
  right.contour(fields[0], SIDE, MIDDLE, { stroke: GREEN, strokeWidth: 2.5 });
  right.contour(fields[2], SIDE, MIDDLE, { stroke: INK, strokeWidth: 2, strokeDasharray: "5 4" });
  key(right.panel, 1, 38, [["arithmetic", GREEN], ["geometric", PINK], ["scaled, dashed", INK]]);
  const off = table.gaps.at(at.network, at.k);
  const many = k === table.order.shape[1] ? `all ${k}` : `${k} random ones`;
  const told = k > 1 ? `the arithmetic mean of ${many}` : "one drawn at random";
  return {
    panels: [net, left, right.panel],
    says: `${without}, the network is wrong on ${wrong} of ${classes.length} points; ${told} is wrong on ` +
      `${mean}, the scaled network on ${scaled}. From the scaled network’s probabilities the geometric ` +
      `mean’s differ by up to ${size(off[1])}, the arithmetic mean’s by up to ${size(off[0])}.`,
  };
}

export default explorer({
  draw,
  pressed: (name, unit, at) => ({ units: at.units ^ (1 << unit) }),
  tries: [["every unit", { units: 0 }], ["one member", { k: 1 }], ["all 64 members", { k: 64 }]],
  question: "Which unit does this network need most?",
});
