import { BLUE, GREY, INK, PAPER, Panel, range } from "./kit.js";

// A sheet to draw a digit on, and what a network is shown of it: 8 × 8 cells of ink, as the data are.

const FINE = 32, BLOCK = 4, BREADTH = 20, PEN = 0.09, STRETCH = 1.5, NEAR = 0.01, STEP = 1 / 16;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The square of the distance from (x, y) to the segment from a to b. */
function distance(x, y, [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay], long = dx * dx + dy * dy;
  const t = long ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / long)) : 0;
  return (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2;
}

/**
 * Strokes as 64 shares of ink. The box around them becomes 32 fine pixels high and 20 wide, as far as
 * that does not stretch its width much more than its height; the ink's centre comes to the middle.
 */
export function cells(strokes) {
  const image = new Float32Array(64), points = strokes.flat();
  if (!points.length) return image;
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const pen = PEN * Math.max(Math.max(...xs) - left, Math.max(...ys) - top, 0.1);
  const [w, h] = [Math.max(...xs) - left + 2 * pen, Math.max(...ys) - top + 2 * pen];
  const down = FINE / Math.max(h, w / 3), across = Math.min(BREADTH / w, STRETCH * down);
  const segments = strokes.flatMap((line) => line.map((point, i) => [line[Math.max(0, i - 1)], point]));
  const inked = [];
  for (let v = 0; v < FINE; v++) {
    for (let u = 0; u < FINE; u++) {
      const x = left - pen + (u + 0.5 - (FINE - across * w) / 2) / across;
      const y = top - pen + (v + 0.5 - (FINE - down * h) / 2) / down;
      if (segments.some(([a, b]) => distance(x, y, a, b) <= pen * pen)) inked.push([u, v]);
    }
  }
  const middle = inked.reduce((total, [u]) => total + u + 0.5, 0) / inked.length;
  const shift = Math.round(Math.min(3, Math.max(-3, FINE / 2 - middle)));
  for (const [u, v] of inked) {
    const column = Math.min(7, Math.max(0, Math.floor((u + shift) / BLOCK)));
    image[8 * Math.floor(v / BLOCK) + column] += 1 / (BLOCK * BLOCK);
  }
  return image;
}

/** What lies on the sheet: a ready image, or strokes by hand, finger or arrow keys. */
export class Sketch {
  constructor(digit, image) {
    Object.assign(this, { digit, ready: image, strokes: [], pen: [0.5, 0.5], down: false, done: true });
  }
  get image() { return this.ready ?? (this.seen ??= cells(this.strokes)); }
  /** The pen comes down at a point of the unit square, or moves on to it. */
  stroke(begins, x, y) {
    const [u, v] = this.pen;
    this.drawn = null;
    if (!begins && Math.hypot(x - u, y - v) < NEAR) return;
    if (begins) {
      this.ready = null;  // the first stroke takes a new sheet
      this.strokes.push([]);
    }
    this.pen = [x, y];
    this.strokes.at(-1).push(this.pen);
    this.seen = null;
  }
  /** Arrow keys move the pen, the space bar puts it down or lifts it; whether a key was one of these. */
  key(key) {
    this.drawn = null;
    if (key === " " || key === "Enter") {
      this.keyed = true;
      this.down = !this.down;
      if (this.down) this.stroke(true, ...this.pen);
    } else if (MOVES[key]) {
      const to = this.pen.map((v, axis) => Math.min(1, Math.max(0, v + STEP * MOVES[key][axis])));
      if (this.down) this.stroke(false, ...to);
      this.pen = to;
      this.keyed = true;
    } else return false;
    return true;
  }
}

const SIZE = 176, THUMB = 38;
const SAYS = "Sheet to draw on by mouse or finger. The arrow keys move the pen, the space bar puts it " +
  "down or lifts it.";
export const ready = (table, k) => Array.from(table.ready.at(k), (v) => v / 16);

const kept = new WeakMap();  // the ready digits, which no control changes, are drawn once
function thumbs(table) {
  if (!kept.has(table)) {
    const panel = new Panel(0, 0);
    for (const k of range(table.ready.shape[0])) panel.image(5 + k * THUMB, 226, 8, ready(table, k), 3.5);
    kept.set(table, panel);
  }
  return kept.get(table);
}

/** The sheet, what a network is shown of it, and ready digits to press. */
export function sheet(table, sketch) {
  if (sketch.drawn) return sketch.drawn;
  const panel = new Panel(410, 272, "Draw a digit, or press one below"), [top, right] = [26, SIZE + 24];
  panel.rect(0.5, top, SIZE, SIZE, PAPER, { stroke: GREY });
  const ink = new Panel(0, 0), seen = new Panel(0, 0).image(right, top + 22, 8, sketch.image, 13);
  const line = { strokeWidth: SIZE / 12, strokeLinecap: "round", strokeLinejoin: "round" };
  if (sketch.ready) ink.image(0, top, 8, sketch.ready, SIZE / 8);
  for (const points of sketch.strokes)
    ink.line([...points, points.at(-1)].map(([x, y]) => [x * SIZE, top + y * SIZE]), INK, line);
  if (sketch.keyed) {
    const [x, y] = sketch.pen, color = sketch.down ? BLUE : PAPER;
    ink.circle(x * SIZE, top + y * SIZE, 7, color, { stroke: BLUE, strokeWidth: 2 });
  }
  panel.group(ink).pad(SAYS, 0, top, SIZE).text(right, top + 12, "What the network sees").group(seen);
  panel.rect(right, top + 140, 104, 34, "none", { stroke: GREY, rx: 4 });
  panel.text(right + 52, top + 162, "Clear", { textAnchor: "middle" });
  panel.button("digit", 0, "Clear the sheet", right, top + 140, 104, 34).group(thumbs(table));
  for (const k of range(table.ready.shape[0]))
    panel.button("digit", k + 1, `A ready ${k}`, k * THUMB, 220, THUMB, THUMB);
  return (sketch.drawn = panel);
}
