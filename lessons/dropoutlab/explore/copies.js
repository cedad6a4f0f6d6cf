import {
  Axes, BLUE, GREEN, GREY, ORANGE, PALE, Panel, SKY, count, explorer, fixed, key, mean, range,
} from "./kit.js";

const UNITS = 12, SHOWN = 10, CELL = 17, GAP = 6;

function draw(table, { p, k }, at) {
  const kept = table.kept.at(at.p), bits = UNITS / k, places = table.places.at(at.draw);
  const alive = places.map((place) => Number(place >= p * 65536));
  const survivors = new Uint16Array(alive.length / UNITS);
  const lost = (row, bit) => {
    for (let i = row * UNITS + bit * k, end = i + k; i < end; i++) if (alive[i]) return false;
    return true;
  };
  for (let row = 0; row < survivors.length; row++)
    for (let bit = 0; bit < bits; bit++) survivors[row] += lost(row, bit) ? 0 : 1;

  const left = new Panel(312, 262, `${UNITS} units: ${k === 1 ? "a bit each" : `${k} copy each bit`}`);
  const edge = 3 + UNITS * CELL + bits * GAP + 12, squares = [[], []];
  let frames = "";
  for (const row of range(SHOWN)) {
    const y = 42 + row * (CELL + 2), width = k * CELL + 2, height = CELL + 2;
    for (const bit of range(bits)) {
      const x = 3 + bit * (k * CELL + GAP);
      for (const i of range(k)) squares[alive[row * UNITS + bit * k + i]].push([x + i * CELL + 7.5, y + 7.5]);
      if (lost(row, bit)) frames += `M${x - 2} ${y - 2}h${width}v${height}h${-width}z`;
    }
    left.text(edge, y + 13, survivors[row], { textAnchor: "end", fill: GREEN });
  }
  const square = { strokeLinecap: "square" };
  left.dots(squares[0], PALE, CELL - 2, square).dots(squares[1], BLUE, CELL - 2, square);
  left.add("path", { d: frames, stroke: ORANGE, strokeWidth: 2 });
  left.text(edge, 34, "bits kept", { textAnchor: "end", fill: GREEN, fontSize: 12 });
  key(left, 3, 254, [["kept", BLUE], ["dropped", PALE], ["bit lost", ORANGE]]);

  const share = 100 * kept[k - 1], total = bits * kept[k - 1];
  const counts = range(UNITS).map((i) => i + 1);
  const chart = (title, ylim, ylabel, values, now, color) => {
    const axes = new Axes(new Panel(262, 262, title), {
      xlim: [0.5, 12.5], ylim, xlabel: "copies of each bit", ylabel, xticks: [1, 3, 6, 9, 12],
    });
    return axes.line(counts, values, SKY).dots(counts, values, SKY, 5).dots([k], [now], color, 11);
  };
  const one = chart(`${fixed(share, 1)} % of each bit survives`, [0, 105], "of each bit, %",
    kept.map((v) => 100 * v), share, BLUE);
  one.across(99).text(12.4, 90, "99 %", { textAnchor: "end", fill: GREY, fontSize: 12 });
  const all = chart(`${fixed(total, 1)} bits survive in all`, [0, UNITS + 0.6], "bits in all",
    kept.map((v, i) => (v * UNITS) / (i + 1)), total, GREEN);
  return {
    panels: [left, one.panel, all.panel],
    says: `At p = ${fixed(p)}, ${fixed(share, 1)} % of a bit with ${count(k, "copy", "copies")} survives. ` +
      `The ${UNITS} units carry ${count(bits, "bit")} and keep ${fixed(total)} of ` +
      `${bits > 1 ? "them" : "it"}; in ${survivors.length} draws, ${fixed(mean(survivors))} on average.`,
  };
}

export default explorer({
  draw,
  tries: [["no copies", { k: 1 }], ["six copies", { k: 6 }], ["six copies at p = 0.9", { k: 6, p: 0.9 }]],
  question: "Is there any p at which copies keep more bits in all than single units do?",
});
