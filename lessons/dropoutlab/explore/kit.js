// What explorers share: panels drawn as SVG, and controls over a table that Python has filled.
// A drawing is a string, so the same file runs in a notebook, on a page and without a browser.

export const INK = "var(--ink)", GREY = "var(--grey)", PALE = "var(--pale)", PAPER = "var(--paper)";
export const BLUE = "var(--blue)", ORANGE = "var(--orange)", GREEN = "var(--green)";
export const PINK = "var(--pink)", SKY = "var(--sky)";

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (words) => String(words).replace(/[&<>"]/g, (c) => ENTITIES[c]);
const attributes = (all) => Object.entries(all)
  .map(([name, value]) => ` ${name.replace(/[A-Z]/g, (c) => "-" + c.toLowerCase())}="${escaped(value)}"`)
  .join("");
const round = (v) => Math.round(100 * v) / 100;

export const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
export const range = (n) => Array.from({ length: n }, (_, i) => i);
export const sum = (values) => values.reduce((a, b) => a + b, 0);
export const mean = (values) => sum(values) / values.length;
export const deviation = (values) => {
  const m = mean(values);
  return Math.sqrt(mean(Array.from(values, (v) => (v - m) ** 2)));
};
/** A number with so many digits behind the point, and a true minus sign. */
export const fixed = (v, digits = 2) => v.toFixed(digits).replace(/^-(?=0*\.?0*$)/, "").replace("-", "−");
export const signed = (v, digits = 2) => (v > 0 ? "+" : "") + fixed(v, digits);
/** "1 unit", "2 units". */
export const count = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;
/** Probabilities of 0 … n successes among n, each with probability q. */
export function binomial(n, q) {
  if (q <= 0 || q >= 1) return range(n + 1).map((k) => Number(k === (q <= 0 ? 0 : n)));
  let choose = 0;
  return range(n + 1).map((k) => {
    if (k) choose += Math.log((n - k + 1) / k);
    return Math.exp(choose + k * Math.log(q) + (n - k) * Math.log(1 - q));
  });
}

/** Round numbers from low to high, about `most` of them. */
export function ticks(low, high, most = 5) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  return range(Math.floor(high / step + 1e-9) - first + 1).map((i) => round6((first + i) * step));
}
const round6 = (v) => Number(v.toPrecision(9));
const tick = (v) => {
  const size = Math.abs(v);
  if (size && (size < 1e-3 || size >= 1e5)) return v.toExponential(0).replace("e+", "e").replace(/-/g, "−");
  return String(v).replace("-", "−");
};

/** A drawing of its own size, with a title; panels stand in a row where there is room. */
export class Panel {
  constructor(width, height, title = "") {
    Object.assign(this, { width, height, parts: [] });
    if (title) this.text(0, 14, title, { fontSize: 14 });
  }
  add(element, all, inside = "") {
    this.parts.push(`<${element}${attributes(all)}>${inside}</${element}>`);
    return this;
  }
  text(x, y, words, all = {}) {
    return this.add("text", { x: round(x), y: round(y), fill: INK, ...all }, escaped(words));
  }
  rect(x, y, width, height, fill, all = {}) {
    const size = { width: round(Math.max(0, width)), height: round(Math.max(0, height)) };
    return this.add("rect", { x: round(x), y: round(y), ...size, fill, ...all });
  }
  circle(x, y, r, fill, all = {}) {
    return this.add("circle", { cx: round(x), cy: round(y), r, fill, ...all });
  }
  line(points, stroke, all = {}) {
    const d = points.map(([x, y]) => `${round(x)} ${round(y)}`).join("L");
    return this.add("path", { d: points.length ? "M" + d : "", stroke, fill: "none", strokeWidth: 1.5, ...all });
  }
  /** Many equal dots, as one path. */
  dots(points, fill, size = 4, all = {}) {
    const d = points.map(([x, y]) => `M${round(x)} ${round(y)}h0`).join("");
    return this.add("path", { d, stroke: fill, strokeWidth: size, strokeLinecap: "round", fill: "none", ...all });
  }
  /** Cells of a grid from (x, y), `size` or [width, height]; `fill(i)` colours cell i, or not. */
  cells(x, y, columns, n, size, fill, gap = 1) {
    const paths = new Map(), [width, height] = [size].flat().length > 1 ? size : [size, size];
    for (let i = 0, next; i < n; i = next) {
      const color = fill(i);
      next = i + 1;  // cells that touch and have one colour are one
      while (gap <= 0 && next < n && next % columns && fill(next) === color) next += 1;
      if (!color) continue;
      const at = `M${round(x + (i % columns) * width)} ${round(y + Math.floor(i / columns) * height)}`;
      const [w, h] = [round((next - i) * width - gap), round(height - gap)];
      paths.set(color, (paths.get(color) ?? "") + `${at}h${w}v${h}h${-w}z`);
    }
    for (const [color, d] of paths) this.add("path", { d, fill: color });
    return this;
  }
  /** A grey image of values from 0 (paper) to 1 (ink), as cells in 17 shades. */
  image(x, y, columns, values, size) {
    const rows = Math.ceil(values.length / columns);
    const frame = { stroke: PALE, strokeWidth: 1 };
    this.rect(x - 0.5, y - 0.5, columns * size + 1, rows * size + 1, PAPER, frame);
    const shade = (i) => Math.round(16 * clamp(values[i], 0, 1)) / 16;
    return this.cells(x, y, columns, values.length, size, (i) => shade(i) && mixed(shade(i)), -0.3);
  }
  /** Another panel's parts as one, which is drawn anew only where it has changed. */
  group(panel) { return this.add("g", {}, panel.parts.join("")); }
  /** What can be pressed: `name` and `value` are handed to the explorer's `pressed`. */
  button(name, value, says, x, y, width, height) {
    const hit = { dataHit: `${name}:${value}`, role: "button", tabindex: 0, ariaLabel: says };
    return this.rect(x, y, width, height, "transparent", hit);
  }
  /** Where one can draw by hand, finger and keys: `stroke` and `key` of what `spec.begin` gave hear. */
  pad(says, x, y, size) {
    const all = { dataPad: "", role: "application", tabindex: 0, ariaLabel: says };
    return this.rect(x, y, size, size, "transparent", all);
  }
  get svg() {
    const box = `viewBox="0 0 ${this.width} ${this.height}" width="${this.width}" height="${this.height}"`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${box} font-size="13" fill="none">${this.parts.join("")}</svg>`;
  }
}
/** A mix of a colour and the paper. */
export const mixed = (share, color = INK) =>
  `color-mix(in srgb, ${color} ${Math.round(100 * share)}%, ${PAPER})`;

const SIDES = [
  [0, 0.4, SKY], [0.1, 0.25, SKY], [0.3, 0.1, SKY],
  [0.5, 0.1, ORANGE], [0.7, 0.25, ORANGE], [0.9, 0.4, ORANGE],
];
/** Axes inside a panel: margins in pixels, limits in units; `log` names axes with powers of ten. */
export class Axes {
  constructor(panel, { left = 44, right = 10, top = 28, bottom = 40, xlim, ylim, xlabel = "", ylabel = "",
                       xticks, yticks, log = "" }) {
    const box = { x0: left, x1: panel.width - right, y0: panel.height - bottom, y1: top };
    Object.assign(this, { panel, ...box, xlim, ylim });
    const scale = (lim, a, b, steep) => {
      const f = steep ? Math.log10 : (v) => v;
      const [low, high] = lim.map(f);
      return (v) => a + ((f(v) - low) / (high - low)) * (b - a);
    };
    this.X = scale(xlim, box.x0, box.x1, log.includes("x"));
    this.Y = scale(ylim, box.y0, box.y1, log.includes("y"));
    const powers = ([low, high]) => {
      const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
      const n = last - first + 1, every = Math.ceil(n / 6);
      if (n < 2) return ticks(low, high, 3).filter((v) => v >= low);
      return range(n).filter((i) => i % every === 0).map((i) => round6(10 ** (first + i)));
    };
    const marks = (given, lim, steep, most) =>
      (given ?? (steep ? powers(lim) : ticks(...lim, most))).map((t) => (Array.isArray(t) ? t : [t, tick(t)]));
    panel.line([[left, top], [left, box.y0], [box.x1, box.y0]], GREY, { strokeWidth: 1 });
    for (const [v, words] of marks(xticks, xlim, log.includes("x"), (box.x1 - left) / 55)) {
      panel.line([[this.X(v), box.y0], [this.X(v), box.y0 + 4]], GREY, { strokeWidth: 1 });
      panel.text(this.X(v), box.y0 + 17, words, { textAnchor: "middle", fontSize: 12 });
    }
    for (const [v, words] of marks(yticks, ylim, log.includes("y"), (box.y0 - top) / 36)) {
      panel.line([[left - 4, this.Y(v)], [left, this.Y(v)]], GREY, { strokeWidth: 1 });
      panel.text(left - 7, this.Y(v) + 4, words, { textAnchor: "end", fontSize: 12 });
    }
    if (xlabel) panel.text((left + box.x1) / 2, panel.height - 5, xlabel, { textAnchor: "middle" });
    if (ylabel) {
      const [x, y] = [12, (top + box.y0) / 2];
      panel.text(x, y, ylabel, { textAnchor: "middle", transform: `rotate(-90 ${x} ${y})` });
    }
  }
  point(x, y) { return [this.X(x), this.Y(clamp(y, ...this.ylim))]; }
  points(xs, ys) { return Array.from(xs, (x, i) => this.point(x, ys[i])); }
  line(xs, ys, color, all) { this.panel.line(this.points(xs, ys), color, all); return this; }
  dots(xs, ys, color, size, all) { this.panel.dots(this.points(xs, ys), color, size, all); return this; }
  /** Bars between neighbouring edges, one more than heights. */
  stairs(heights, edges, color, all = {}) {
    const d = Array.from(heights, (h, i) => {
      const [x, y] = this.point(edges[i], h);
      return h ? `M${round(x)} ${round(this.y0)}V${round(y)}H${round(this.X(edges[i + 1]))}V${round(this.y0)}z` : "";
    }).join("");
    this.panel.add("path", { d, fill: color, ...all });
    return this;
  }
  /** The area between two curves. */
  band(xs, low, high, color, opacity = 0.2) {
    const there = this.points(xs, low), back = this.points(xs, high).reverse();
    this.panel.line([...there, ...back], "none", { fill: color, opacity });
    return this;
  }
  /**
   * Where values on a grid over these axes, row by row from below, pass a level: a line with
   * `stroke`, or with `fill` the area above it.
   */
  contour(values, columns, level, all) {
    this.panel.add("path", { d: this.outline(values, columns, level, all.fill), fill: "none", ...all });
    return this;
  }
  /** The path of a contour, of which each cell gives its part. */
  outline(values, columns, level, filled = false) {
    const wide = columns - 1, high = values.length / columns - 1;
    const w = (this.x1 - this.x0) / wide, h = (this.y0 - this.y1) / high;
    const tenth = (v) => Math.round(10 * v) / 10;
    const X = (c) => tenth(this.x0 + c * w), Y = (r) => tenth(this.y0 - r * h);
    const mark = new Uint8Array(values.length);
    for (let i = 0; i < mark.length; i++) mark[i] = values[i] >= level ? 1 : 0;
    const steps = [0, 1, columns + 1, columns];  // a cell's corners, around it
    let d = "";
    const part = (r, c, at) => {
      let pen = "M";
      for (let k = 0; k < 4; k++) {
        const i = at + steps[k], j = at + steps[(k + 1) % 4];
        const x = c + (k === 1 || k === 2 ? 1 : 0), y = r + (k > 1 ? 1 : 0);
        if (filled && mark[i]) {
          d += `${pen}${X(x)} ${Y(y)}`;
          pen = "L";
        }
        if (mark[i] === mark[j]) continue;
        const t = (level - values[i]) / (values[j] - values[i]);
        d += `${pen}${X(k % 2 ? x : x + t * (1 - k))} ${Y(k % 2 ? y + t * (2 - k) : y)}`;
        pen = pen === "M" || filled ? "L" : "M";
      }
      if (filled) d += "z";
    };
    for (let r = 0; r < high; r++) {
      for (let c = 0, from = 0; c < wide; c++) {
        const at = r * columns + c, up = at + columns;
        const n = mark[at] + mark[at + 1] + mark[up] + mark[up + 1];
        if (n < 4) from = c + 1;
        if (n && n < 4) part(r, c, at);
        else if (n && filled && (c + 1 === wide || !mark[at + 2] || !mark[up + 2]))
          d += `M${X(from)} ${Y(r)}H${X(c + 1)}V${Y(r + 1)}H${X(from)}z`;
      }
    }
    return d;
  }
  /** The plane in two classes' colours: where the second's value passes what `of` gives for a share. */
  sides(values, columns, of) {
    for (const [share, strength, color] of SIDES)
      this.contour(values, columns, of(share), { fill: mixed(strength, color) });
    return this;
  }
  across(y, color = GREY, all = {}) { return this.rule([[this.x0, this.Y(y)], [this.x1, this.Y(y)]], color, all); }
  upright(x, color = GREY, all = {}) { return this.rule([[this.X(x), this.y0], [this.X(x), this.y1]], color, all); }
  rule(points, color, all) { this.panel.line(points, color, { strokeDasharray: "5 4", ...all }); return this; }
  text(x, y, words, all) { this.panel.text(this.X(x), this.Y(clamp(y, ...this.ylim)), words, all); return this; }
  /** Words to the right of the axes, each at its height, moved apart where they would overlap. */
  ends(all, gap = 15) {
    const sorted = all.map(([y, words, color]) => [this.Y(clamp(y, ...this.ylim)), words, color])
      .sort((a, b) => b[0] - a[0]);
    let place = this.y0 + gap;
    for (const [y, words, color] of sorted) {
      place = Math.min(y, place - gap);
      this.panel.text(this.x1 + 8, place + 4, words, { fill: color });
    }
    return this;
  }
}

/** Coloured words in a line, which say what a colour stands for. */
export function key(panel, x, y, entries, gap = 14) {
  for (const [words, color] of entries) {
    panel.rect(x, y - 9, 10, 10, color).text(x + 14, y, words);
    x += 14 + 6.9 * words.length + gap;
  }
  return panel;
}

const KINDS = {
  int8: Int8Array, uint8: Uint8Array, uint16: Uint16Array, int16: Int16Array, int32: Int32Array, float32: Float32Array,
};
/** Arrays by name out of Python's bytes; `table.name.at(i, j)` is the part, or the number, there. */
export function unpacked(arrays, bytes) {
  const view = bytes?.buffer ? bytes : new Uint8Array(bytes ?? 0);
  const whole = view.buffer.slice(view.byteOffset ?? 0, (view.byteOffset ?? 0) + view.byteLength);
  const table = {};
  for (const { name, kind, shape, offset } of arrays) {
    const strides = shape.map((_, k) => shape.slice(k + 1).reduce((a, b) => a * b, 1));
    const size = shape.reduce((a, b) => a * b, 1);
    const data = new KINDS[kind](whole, offset, size);
    const at = (...places) => {
      const start = places.reduce((total, place, k) => total + place * strides[k], 0);
      return places.length === shape.length ? data[start] : data.subarray(start, start + strides[places.length - 1]);
    };
    table[name] = { data, shape, at };
  }
  return table;
}

const valued = (controls, at) =>
  Object.fromEntries(controls.map(({ name, values }) => [name, values[at[name]]]));
/** What there is at a place `at` of the controls beyond what they say, and what it was before. */
export const begun = (spec, table, controls, at, before) => spec.begin?.(valued(controls, at), before, table);
/** What is drawn for a place `at` of the controls: panels and a sentence. */
export function drawn(spec, table, controls, at, run = begun(spec, table, controls, at)) {
  return spec.draw(table, valued(controls, at), at, run);
}

/** Show panels in `host`, where others may stand: parts that are as they were are left alone. */
function show(host, panels, shown) {
  panels.forEach((panel, i) => {
    const old = shown[i], svg = host.children[i];
    const fits = ["width", "height"].every((size) => old?.[size] === panel[size]);
    if (!fits || old.parts.length !== panel.parts.length) {
      if (svg) svg.outerHTML = panel.svg;
      else host.insertAdjacentHTML("beforeend", panel.svg);
    } else panel.parts.forEach((part, k) => {
      if (part !== old.parts[k]) svg.children[k].outerHTML = part;
    });
  });
  while (host.children.length > panels.length) host.lastChild.remove();
}

const make = (kind, parent, all = {}) => {
  const element = document.createElement(kind);
  for (const [name, value] of Object.entries(all))
    name in element ? (element[name] = value) : element.setAttribute(name, value);
  parent.append(element);
  return element;
};

const SLICE = 6, BETWEEN = 1000;  // milliseconds: for the steps in a frame, and from sentence to sentence
/**
 * An explorer: `spec.draw(table, value, at)` gives `{panels, says}`; `spec.tries` are views to begin
 * with, [words, values by name]; `spec.question` is what only moving it answers;
 * `spec.pressed(name, value, at, run)` gives the places that a press on the drawing leads to.
 * `spec.begin(value, before, table)` gives what there is beyond the controls, which `draw` is handed
 * as well. Where there is a button to start it, `spec.begins`, it runs on by itself: it has `step()`
 * and `done`, and takes `spec.pace` steps a frame or as many as fit, while it is in sight. Where a
 * reader prefers no motion it waits for the button. Where there is a `pad`, it has `stroke` and `key`.
 */
export function explorer(spec) {
  function render({ model, el }) {
    const controls = model.get("controls"), trouble = model.get("trouble");
    const figure = make("figure", el, { className: "dropoutlab-explorer" });
    if (trouble) {
      make("p", figure, { className: "trouble", textContent: trouble });
      return () => {};
    }
    const table = unpacked(model.get("arrays"), model.get("table"));
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let at = { ...model.get("at") }, waiting = false, shown = [];
    let run, going = false, inSight = false, frame = 0, told = 0;
    const panel = make("div", figure, { className: "controls" });
    const followers = controls.filter((c) => c.kind !== "hidden").map((control) => {
      const { name, label, values, words, kind } = control;
      if (kind === "again") {
        const button = make("button", panel, { type: "button", textContent: label });
        button.addEventListener("click", () => go({ [name]: (at[name] + 1) % values.length }));
        return () => {};
      }
      const row = make("label", panel);
      make("span", row, { textContent: label });
      const input = make("input", row, { type: "range", min: 0, max: values.length - 1, step: 1 });
      const output = make("output", row);
      input.addEventListener("input", () => go({ [name]: Number(input.value) }));
      for (const type of ["keydown", "keypress", "keyup"])  // Jupyter would take them for commands
        input.addEventListener(type, (event) => event.stopPropagation());
      return () => {
        input.value = at[name];
        output.textContent = words[at[name]];
        input.setAttribute("aria-valuetext", words[at[name]]);
      };
    });
    if (spec.begins) {
      const button = make("button", panel, { type: "button" });
      button.addEventListener("click", () => {
        if (run.done) begin();
        going = !going || run.steps === 0;
        paint();
        next();
      });
      make("button", panel, { type: "button", textContent: "Restart" }).addEventListener("click", () => {
        begin();
        paint();
      });
      followers.push(() => { button.textContent = going ? "Pause" : spec.begins; });
    }
    if (spec.tries?.length) {
      const tries = make("div", figure, { className: "tries" });
      make("span", tries, { textContent: "Try" });
      for (const [words, wanted] of spec.tries) {
        const button = make("button", tries, { type: "button", textContent: words });
        button.addEventListener("click", () => go(places(controls, wanted)));
      }
    }
    const pictures = make("div", figure, { className: "panels", role: "img" });
    const caption = make("figcaption", figure, { "aria-live": "polite" });
    if (spec.question) make("p", figure, { className: "question", textContent: spec.question });

    function paint(now = Infinity) {
      waiting = false;
      const focus = document.activeElement?.dataset?.hit;
      const { panels, says } = drawn(spec, table, controls, at, run);
      show(pictures, panels, shown);
      shown = panels;
      if (now - told > BETWEEN) {  // a reader's voice must come to the end of a sentence
        told = performance.now();
        caption.textContent = says;
        if (!spec.pressed) pictures.setAttribute("aria-label", says);
      }
      if (spec.pressed) pictures.setAttribute("role", "group");
      if (focus) pictures.querySelector(`[data-hit="${focus}"]`)?.focus();
      for (const follow of followers) follow();
    }
    function begin() {
      run = begun(spec, table, controls, at, run);
      going = Boolean(spec.begins) && !still;
      next();
    }
    const next = () => { if (going && inSight) frame ||= requestAnimationFrame(runOn); };
    function runOn(now) {
      frame = 0;
      if (!going || !inSight) return;
      const end = performance.now() + SLICE;
      for (let k = 0; k < spec.pace && !run.done && performance.now() < end; k++) run.step();
      going = !run.done;
      paint(going ? now : Infinity);
      next();
    }
    function go(wanted) {
      at = { ...at, ...wanted };
      begin();
      paint();
      model.set("at", at);
      model.save_changes();
    }
    if (spec.pressed) {
      const press = (event) => {
        const hit = event.target.closest?.("[data-hit]");
        if (!hit || (event.type === "keydown" && ![" ", "Enter"].includes(event.key))) return;
        event.preventDefault();
        event.stopPropagation();
        const [name, value] = hit.dataset.hit.split(":");
        go(spec.pressed(name, value, at, run));
      };
      pictures.addEventListener("click", press);
      pictures.addEventListener("keydown", press);
    }
    const pad = (event) => event.target.closest?.("[data-pad]");
    const stroke = (event, begins) => {
      const box = pad(event).getBoundingClientRect();
      run.stroke(begins, clamp((event.clientX - box.left) / box.width, 0, 1),
                 clamp((event.clientY - box.top) / box.height, 0, 1));
      paint(performance.now());
    };
    pictures.addEventListener("pointerdown", (event) => {
      if (!pad(event)) return;
      pad(event).setPointerCapture(event.pointerId);
      stroke(event, true);
    });
    pictures.addEventListener("pointermove", (event) => {
      if (pad(event)?.hasPointerCapture(event.pointerId)) stroke(event, false);
    });
    pictures.addEventListener("pointerup", (event) => { if (pad(event)) paint(); });
    pictures.addEventListener("keydown", (event) => {
      if (!pad(event) || !run.key(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      paint();
    });
    const follow = () => {
      if (JSON.stringify(at) === JSON.stringify(model.get("at")) || waiting) return;
      at = { ...model.get("at") };
      begin();
      waiting = true;
      queueMicrotask(paint);
    };
    model.on("change:at", follow);
    begin();
    paint();
    const sight = new IntersectionObserver(([entry]) => {
      inSight = entry.isIntersecting;
      next();
    });
    if (spec.begins) sight.observe(figure);
    return () => {
      model.off("change:at", follow);
      sight.disconnect();
      cancelAnimationFrame(frame);
    };
  }
  return { render, spec };
}

/** Places of the controls for values by name: the nearest there are. */
export function places(controls, wanted) {
  const at = {};
  for (const [name, value] of Object.entries(wanted)) {
    const { values } = controls.find((control) => control.name === name);
    const far = values.map((v) => (v === value ? 0 : typeof v === "number" ? Math.abs(v - value) : Infinity));
    at[name] = far.indexOf(Math.min(...far));
  }
  return at;
}
