import { GREY, ORANGE, Panel, explorer, fixed, mixed, range } from "./kit.js";

const IMAGES = 2, MAPS = 3, SIDE = 14, CELL = 4, GAP = 3, WIDE = MAPS * (SIDE * CELL + GAP);
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
  const { gone, near } = beside(kept), panel = new Panel(WIDE, 26 + IMAGES * (SIDE * CELL + GAP) + 20, name);
  for (const map of range(IMAGES * MAPS)) {
    const x = (map % MAPS) * (SIDE * CELL + GAP), y = 24 + Math.floor(map / MAPS) * (SIDE * CELL + GAP);
    const from = map * SIDE * SIDE, shade = (i) => Math.round((8 * ink[from + i]) / 255) / 8;
    panel.rect(x, y, SIDE * CELL, SIDE * CELL, "none", { stroke: GREY, strokeWidth: 0.6 });
    panel.cells(x, y, SIDE, SIDE * SIDE, CELL,
      (i) => (kept[from + i] ? shade(i) && mixed(0.85 * shade(i)) : HOLE), 0);
  }
  const told = near === null ? "nothing is gone" : `${fixed(gone)} gone, ${fixed(100 * near, 0)} % beside a kept`;
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
