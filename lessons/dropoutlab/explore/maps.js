import { GREY, ORANGE, Panel, explorer, fixed, mixed, range } from "./kit.js";

const IMAGES = 2, MAPS = 3, SIDE = 14, CELL = 4, STEP = SIDE + 1, WIDE = MAPS * STEP * CELL;
const HOLE = mixed(0.45, ORANGE);

/** Of what is gone, the part with a kept pixel of the same map above, below, left or right. */
function beside(kept) {
  let gone = 0, near = 0;
  for (let i = 0; i < kept.length; i++) {
    if (kept[i]) continue;
    const row = Math.floor(i / SIDE) % SIDE, column = i % SIDE;
    gone += 1;
    near += Boolean(
      (row && kept[i - SIDE]) || (row < SIDE - 1 && kept[i + SIDE]) ||
      (column && kept[i - 1]) || (column < SIDE - 1 && kept[i + 1]));
  }
  return { gone: gone / kept.length, near: gone ? near / gone : null };
}

function sheet(name, kept, ink) {
  const { gone, near } = beside(kept), panel = new Panel(WIDE, 46 + IMAGES * STEP * CELL, name);
  const shades = range(9).map((i) => i && mixed((0.85 * i) / 8)), columns = MAPS * STEP;
  panel.cells(0, 24, columns, IMAGES * STEP * columns, CELL, (i) => {
    const [row, column] = [Math.floor(i / columns), i % columns], [y, x] = [row % STEP, column % STEP];
    if (x === SIDE || y === SIDE) return 0;  // between two maps
    const map = Math.floor(row / STEP) * MAPS + Math.floor(column / STEP), at = (map * SIDE + y) * SIDE + x;
    return kept[at] ? shades[Math.round((8 * ink[at]) / 255)] : HOLE;
  }, 0);
  for (const map of range(IMAGES * MAPS)) {
    const [x, y] = [(map % MAPS) * STEP * CELL, 24 + Math.floor(map / MAPS) * STEP * CELL];
    panel.rect(x, y, SIDE * CELL, SIDE * CELL, "none", { stroke: GREY, strokeWidth: 0.6 });
  }
  const told = near === null ? "nothing is gone" : `${fixed(gone)} gone, ${fixed(100 * near, 0)} % near kept`;
  return panel.text(0, panel.height - 4, told, { fontSize: 12 });
}

function draw(table, { p, b }, at) {
  const ink = table.ink.data, block = table.block.at(at.draw, at.p, at.b), square = table.square.at(at.draw, at.b);
  const element = table.element.at(at.draw, at.p), share = (kept) => {
    const { near } = beside(kept);
    return near === null ? "nothing is gone" : `${fixed(100 * near, 0)} % lies beside a kept pixel`;
  };
  return {
    panels: [
      sheet("Element", element, ink), sheet("Spatial", table.spatial.at(at.draw, at.p), ink),
      sheet("DropBlock", block, ink), sheet("Path", table.path.at(at.draw, at.p), ink), sheet("Cutout", square, ink),
    ],
    says: `Two images (rows) with three maps each, p = ${fixed(p, 1)}, b = ${b}. Of what is gone, in element dropout ` +
      `${share(element)}, in DropBlock ${share(block)}, in cutout ${share(square)}.`,
  };
}

export default explorer({
  draw,
  tries: [["b = 1", { b: 1 }], ["b = 7", { b: 7 }], ["p = 0.7", { p: 0.7 }]],
  question: "From which b on do fewer than half of DropBlock's holes have a kept neighbour, at p = 0.3?",
});
