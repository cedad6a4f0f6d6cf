const LEANS = [213, 94, 0], BACKS = [0, 114, 178], INK = [20, 20, 20], PINK = [170, 60, 130];
const TILE = 36, EDGE = 3, CROP = 2, IMAGE = 84;  // features lose their empty rim

function unpack(model) {
  const n = model.get("units"), side = model.get("side"), pixels = side * side;
  const bytes = model.get("packed");
  const view = bytes.buffer ? bytes : new DataView(bytes);
  const start = view.byteOffset, all = view.buffer.slice(start, start + view.byteLength);
  const floats = new Float32Array(all);
  let at = 0;
  const take = (count) => floats.subarray(at, at += count);
  const net = () => ({
    V: take(n * pixels), a: take(n), W: take(n * pixels), b: take(pixels),
    c: take(1)[0], g: take(n), Q: take(n * n), effects: take(n), I: take(n * n),
  });
  return { n, side, pixels, nets: [net(), net()], examples: floats.subarray(at) };
}

// The forward pass: relu(V x + a), some units removed, then W and b.
function forward({ n, pixels }, net, x, kept) {
  const out = Float32Array.from(net.b);
  for (let i = 0; i < n; i++) {
    if (!kept[i]) continue;
    let h = net.a[i];
    for (let q = 0, at = i * pixels; q < pixels; q++) h += net.V[at + q] * x[q];
    if (h > 0) for (let q = 0, at = i * pixels; q < pixels; q++) out[q] += h * net.W[at + q];
  }
  return out;
}

// The mean error over the test images, a quadratic in the mask.
function meanError({ n }, net, kept) {
  let sum = net.c;
  for (let i = 0; i < n; i++) if (kept[i]) {
    let row = -2 * net.g[i];
    for (let j = 0; j < n; j++) if (kept[j]) row += net.Q[i * n + j];
    sum += row;
  }
  return sum;
}

function strongest({ n }, net, unit) {
  let best = unit ? 0 : 1;
  const pull = net.I.subarray(unit * n, (unit + 1) * n).map(Math.abs);
  pull.forEach((v, j) => { if (j !== unit && v > pull[best]) best = j; });
  return best;
}

const mix = (t, color) => color.map((c) => 255 + t * (c - 255));

function stamp(side, shade) {  // a small canvas, one pixel for each of the image's
  const tile = document.createElement("canvas");
  tile.width = tile.height = side;
  const context = tile.getContext("2d"), image = context.createImageData(side, side);
  for (let q = 0; q < side * side; q++) image.data.set([...shade(q), 255], 4 * q);
  context.putImageData(image, 0, 0);
  return tile;
}

function sharp(canvas, width, height) {  // as many pixels as the screen has
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = width + "px";
  canvas.style.height = height + "px";
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.imageSmoothingEnabled = false;
  return context;
}

function element(kind, parent, text, name) {
  const made = document.createElement(kind);
  if (text) made.textContent = text;
  if (name) made.className = name;
  parent.append(made);
  return made;
}

function render({ model, el }) {
  const figure = element("figure", el, "", "dropoutlab-picture dropoutlab-networks");
  figure.setAttribute("data-lm-suppress-shortcuts", "true");
  if (model.get("trouble")) {
    element("figcaption", figure, model.get("trouble"));
    return;
  }
  const data = unpack(model), { n, side, pixels } = data, across = Math.round(Math.sqrt(n));
  const row = element("div", figure, "", "pair");
  const key = element("p", figure, "", "key");
  key.innerHTML = `Click a unit to remove it, or to put it back (arrow keys and space bar do
    the same). Its partners: <b class="leans">leaning: worth less without it</b>
    <b class="backs">backing up: worth more without it</b> `;
  const restore = element("button", key, "Restore all units");
  const caption = element("figcaption", figure);
  caption.setAttribute("aria-live", "polite");

  let largest = 0;
  for (const { I } of data.nets) for (const v of I) largest = Math.max(largest, Math.abs(v));
  const names = ["Trained without dropout", "Trained with dropout, p = 0.5"];
  const panels = data.nets.map((net, which) => {
    const section = element("section", row);
    element("h4", section, names[which]);
    const body = element("div", section, "", "body"), grid = element("canvas", body);
    grid.tabIndex = 0;
    grid.setAttribute("role", "application");
    grid.setAttribute("aria-label", `${names[which]}: ${n} hidden units. ` +
      "The arrow keys choose a unit, the space bar removes it or puts it back.");
    const column = element("div", body, "", "column");
    element("span", column, "Input");
    const input = element("canvas", column);
    element("span", column, "Output");
    const output = element("canvas", column);
    for (const image of [input, output]) image.setAttribute("role", "img");
    const numbers = element("p", section, "", "numbers");
    const bar = element("div", element("div", section, "", "track"), "", "bar");
    const tiles = Array.from({ length: n }, (_, i) => {
      const feature = net.W.subarray(i * pixels, (i + 1) * pixels);
      const top = Math.max(...feature.map(Math.abs)) || 1;
      return stamp(side, (q) => mix(Math.abs(feature[q]) / top,
                                    feature[q] > 0 ? INK : PINK));
    });
    return { net, grid, input, output, numbers, bar, tiles };
  });
  const ceiling = Math.max(...data.nets.map((net) => net.c));

  function paint() {
    const unit = model.get("unit"), kept = new Uint8Array(n).fill(1);
    for (const i of model.get("removed")) kept[i] = 0;
    const digit = model.get("digit");
    const x = data.examples.subarray(digit * pixels, (digit + 1) * pixels);
    const values = { n, unit, k: n - kept.reduce((sum, v) => sum + v, 0) };
    panels.forEach(({ net, grid, input, output, numbers, bar, tiles }, which) => {
      const context = sharp(grid, across * TILE, across * TILE);
      for (let i = 0; i < n; i++) {
        const left = TILE * (i % across), top = TILE * Math.floor(i / across);
        context.globalAlpha = kept[i] ? 1 : 0.18;
        context.drawImage(tiles[i], CROP, CROP, side - 2 * CROP, side - 2 * CROP,
                          left + EDGE, top + EDGE, TILE - 2 * EDGE, TILE - 2 * EDGE);
        context.globalAlpha = 1;
        if (!kept[i]) {
          context.strokeStyle = "#8A8A8A";
          context.lineWidth = 2;
          context.beginPath();
          context.moveTo(left + 8, top + 8);
          context.lineTo(left + TILE - 8, top + TILE - 8);
          context.moveTo(left + TILE - 8, top + 8);
          context.lineTo(left + 8, top + TILE - 8);
          context.stroke();
        }
        const pull = net.I[unit * n + i], strength = Math.sqrt(Math.abs(pull) / largest);
        if (i === unit || strength > 0.05) {
          const chosen = i === unit, width = chosen ? EDGE : 1 + (EDGE - 1) * strength;
          context.strokeStyle = chosen ? `rgb(${INK})`
            : `rgba(${pull < 0 ? LEANS : BACKS}, ${Math.min(1, 0.1 + strength)})`;
          context.lineWidth = width;
          context.strokeRect(left + width / 2, top + width / 2, TILE - width, TILE - width);
        }
      }
      const out = forward(data, net, x, kept);
      const ink = (image) => (q) => mix(Math.min(1, Math.max(0, image[q])), INK);
      sharp(input, IMAGE, IMAGE).drawImage(stamp(side, ink(x)), 0, 0, IMAGE, IMAGE);
      sharp(output, IMAGE, IMAGE).drawImage(stamp(side, ink(out)), 0, 0, IMAGE, IMAGE);
      let own = 0;
      for (let q = 0; q < pixels; q++) own += (out[q] - x[q]) ** 2;
      input.setAttribute("aria-label", `Input: an image of a ${digit}`);
      output.setAttribute("aria-label", `Output, squared error ${own.toFixed(2)}`);
      const error = meanError(data, net, kept), best = strongest(data, net, unit);
      const whole = meanError(data, net, new Uint8Array(n).fill(1));
      numbers.textContent = `Error: ${own.toFixed(2)} here, ${error.toFixed(2)} on average`;
      bar.style.width = Math.min(100, 100 * error / (1.4 * ceiling)) + "%";
      const pull = net.I[unit * n + best];
      Object.assign(values, {
        ["error" + which]: error.toFixed(2), ["whole" + which]: whole.toFixed(2),
        ["effect" + which]: net.effects[unit].toFixed(2), ["partner" + which]: best,
        ["strength" + which]: (pull < 0 ? "" : "+") + pull.toFixed(3),
      });
    });
    caption.textContent = model.get("template").replace(/{(\w+)}/g, (_, name) => values[name]);
    for (const canvas of figure.querySelectorAll("canvas"))
      canvas.dispatchEvent(new Event("load"));
  }

  function toggle(unit) {
    const gone = new Set(model.get("removed"));
    if (!gone.delete(unit)) gone.add(unit);
    model.set("unit", unit);
    model.set("removed", [...gone].sort((a, b) => a - b));
    model.save_changes();
  }

  for (const { grid } of panels) {
    grid.addEventListener("pointerdown", (event) => {
      const box = grid.getBoundingClientRect();
      const column = Math.floor(across * (event.clientX - box.left) / box.width);
      const line = Math.floor(across * (event.clientY - box.top) / box.height);
      toggle(Math.min(n - 1, Math.max(0, line * across + column)));
    });
    grid.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
      const unit = model.get("unit");
      if (event.key in step) {
        model.set("unit", Math.min(n - 1, Math.max(0, unit + step[event.key])));
        model.save_changes();
      } else if (event.key === " " || event.key === "Enter") toggle(unit);
      else return;
      event.preventDefault();
      event.stopPropagation();  // Jupyter would move to another cell
    });
  }
  restore.addEventListener("click", () => { model.set("removed", []); model.save_changes(); });

  let asked = false;
  const soon = () => {  // several changes at once need one repaint
    if (asked) return;
    asked = true;
    queueMicrotask(() => { asked = false; paint(); });
  };
  const watched = "change:removed change:unit change:digit";
  model.on(watched, soon);
  paint();
  return () => model.off(watched, soon);
}
export default { render };
