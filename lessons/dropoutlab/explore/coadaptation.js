const LEANS = [213, 94, 0], BACKS = [0, 114, 178], INK = [20, 20, 20];
const TILE = 30, EDGE = 3, CROP = 2, IMAGE = 62;  // features lose their empty rim
const PALE = 0.2, LIMIT = 60;  // of the track in percent: where an image is no longer readable

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
  const nets = model.get("names").map(net);
  return { n, side, pixels, nets, examples: take(10 * pixels), blank: take(pixels) };
}

// The activations relu(V x + a). A unit whose activation is 0 is silent on this image.
function hidden({ n, pixels }, net, x) {
  const h = Float32Array.from(net.a);
  for (let i = 0; i < n; i++) {
    for (let q = 0, at = i * pixels; q < pixels; q++) h[i] += net.V[at + q] * x[q];
    h[i] = Math.max(0, h[i]);
  }
  return h;
}

// What activations draw, some units removed: W and b.
function drawn({ n, pixels }, net, h, kept) {
  const out = Float32Array.from(net.b);
  for (let i = 0; i < n; i++) if (kept[i] && h[i])
    for (let q = 0, at = i * pixels; q < pixels; q++) out[q] += h[i] * net.W[at + q];
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

// The share of an image that a drawing misses, of what the training images' mean misses.
function missed({ blank }, x, out) {
  let off = 0, all = 0;
  for (let q = 0; q < x.length; q++) {
    off += (x[q] - out[q]) ** 2;
    all += (x[q] - blank[q]) ** 2;
  }
  return off / all;
}

// What unit i costs as things are: the error without it, less the error with it.
function costNow(data, net, kept, i) {
  const without = Uint8Array.from(kept), present = Uint8Array.from(kept);
  without[i] = 0;
  present[i] = 1;
  return meanError(data, net, without) - meanError(data, net, present);
}

const mix = (t, color) => color.map((c) => 255 + t * (c - 255));
const grey = (v) => Array(3).fill(v > 0 ? 165 - 150 * v : 165 - 90 * v);  // 1 adds ink, -1 takes it
const signed = (v) => (v < 0 ? "" : "+") + v.toFixed(3);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const filled = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);

function stamp(width, height, shade) {  // a small canvas, one pixel for each of the image's
  const tile = document.createElement("canvas");
  tile.width = width;
  tile.height = height;
  const context = tile.getContext("2d"), image = context.createImageData(width, height);
  for (let q = 0; q < width * height; q++) image.data.set([...shade(q), 255], 4 * q);
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
  const figure = element("figure", el, "", "dropoutlab-networks");
  figure.setAttribute("data-lm-suppress-shortcuts", "true");
  if (model.get("trouble")) {
    element("figcaption", figure, model.get("trouble"));
    return;
  }
  const data = unpack(model), { n, side, pixels } = data, across = Math.round(Math.sqrt(n));
  const names = model.get("names"), steps = model.get("situations"), say = model.get("sentences");
  const tour = element("div", figure, "", "tour");
  const back = element("button", tour, "Back"), next = element("button", tour, "Next");
  const place = element("span", tour), restore = element("button", tour, "Restore all units");
  const game = element("button", tour, "Play");
  const looked = element("p", figure, "", "look");
  const row = element("div", figure, "", "nets");
  const caption = element("figcaption", figure);
  caption.setAttribute("aria-live", "polite");
  const key = element("p", figure, "", "key");
  key.innerHTML = `A click removes a unit or puts it back (arrow keys and space bar do the same).
    The first to go is framed in the colour of the text. Its partners: <b class="leans">leaning: worth less
    without it</b> <b class="backs">backing up: worth more without it</b>
    <br>Features: takes ink away <canvas></canvas> adds ink`;
  sharp(key.querySelector("canvas"), 90, 12).drawImage(
    stamp(90, 1, (q) => grey(q / 44.5 - 1)), 0, 0, 90, 12);

  let largest = 0;
  for (const { I } of data.nets) for (const v of I) largest = Math.max(largest, Math.abs(v));
  const ceiling = 1.4 * Math.max(...data.nets.map((net) => net.c));
  const panels = data.nets.map((net, which) => {
    const section = element("section", row);
    element("h4", section, names[which]);
    const grid = element("canvas", section);
    grid.tabIndex = 0;
    grid.setAttribute("role", "application");
    grid.setAttribute("aria-label", `${names[which]}: ${n} hidden units. ` +
      "The arrow keys choose a unit, the space bar removes it or puts it back.");
    const body = element("div", section, "", "body");
    const input = element("canvas", body);
    element("span", body, "→");
    const output = element("canvas", body);
    for (const image of [input, output]) image.setAttribute("role", "img");
    const numbers = element("p", body, "", "numbers");
    const track = element("div", section, "", "track");
    const bar = element("div", track, "", "bar");
    const whole = meanError(data, net, new Uint8Array(n).fill(1));
    const mark = element("div", track, "", "whole");
    const tiles = Array.from({ length: n }, (_, i) => {
      const feature = net.W.subarray(i * pixels, (i + 1) * pixels);
      const top = Math.max(...feature.map(Math.abs)) || 1;
      return stamp(side, side, (q) => grey(feature[q] / top));
    });
    return { net, grid, input, output, numbers, bar, mark, tiles, whole, cursor: -1,
             best: 0, lost: false };
  });

  function paint() {
    const digit = model.get("digit"), step = model.get("step"), told = [];
    const x = data.examples.subarray(digit * pixels, (digit + 1) * pixels);
    const now = { removed: model.get("removed"), focus: model.get("focus") };
    const playing = model.get("playing"), readable = model.get("readable");
    const there = same(now.removed, steps[step].removed) && same(now.focus, steps[step].focus);
    panels.forEach((panel, which) => {
      const { net, grid, input, output, numbers, bar, tiles, whole, cursor } = panel;
      const view = [digit, playing, now.removed[which], now.focus[which], cursor];
      if (same(view, panel.view)) return void told.push(panel.told);
      panel.view = view;
      const unit = now.focus[which], kept = new Uint8Array(n).fill(1);
      for (const i of now.removed[which]) kept[i] = 0;
      const h = hidden(data, net, x);
      const context = sharp(grid, across * TILE, across * TILE);
      for (let i = 0; i < n; i++) {
        const left = TILE * (i % across), top = TILE * Math.floor(i / across);
        context.globalAlpha = kept[i] && (h[i] || !playing) ? 1 : PALE;
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
        if (i === cursor) {
          context.strokeStyle = `rgb(${INK})`;
          context.lineWidth = 1;
          context.setLineDash([2, 2]);
          context.strokeRect(left + 4.5, top + 4.5, TILE - 9, TILE - 9);
          context.setLineDash([]);
        }
      }
      const out = drawn(data, net, h, kept);
      const ink = (image) => (q) => mix(Math.min(1, Math.max(0, image[q])), INK);
      sharp(input, IMAGE, IMAGE).drawImage(stamp(side, side, ink(x)), 0, 0, IMAGE, IMAGE);
      sharp(output, IMAGE, IMAGE).drawImage(stamp(side, side, ink(out)), 0, 0, IMAGE, IMAGE);
      input.setAttribute("aria-label", `Input: an image of a ${digit}`);
      output.setAttribute("aria-label", `Output of the network ${names[which]}`);
      const error = meanError(data, net, kept), pull = net.I.subarray(unit * n, (unit + 1) * n);
      const lean = pull.indexOf(Math.min(...pull)), back = pull.indexOf(Math.max(...pull));
      const gone = n - kept.reduce((sum, v) => sum + v, 0);
      const others = gone - (kept[unit] ? 0 : 1);
      const values = {
        name: names[which], k: gone, n, unit, lean, back, error: error.toFixed(2),
        whole: whole.toFixed(2), ratio: (error / whole).toFixed(2),
        alone: net.effects[unit].toFixed(3), now: costNow(data, net, kept, unit).toFixed(3),
        leaning: signed(pull[lean]), backing: signed(pull[back]),
      };
      if (playing) {
        const [mean, sd, most, drawing] = model.get("lasts")[digit][which];
        const share = missed(data, x, out), count = h.filter((v, i) => v && !kept[i]).length;
        panel.lost = count > 0 && (panel.lost || share > readable);
        if (!panel.lost) panel.best = Math.max(panel.best, count);
        const sentence = share > readable ? say.lost : panel.lost ? say.again : say.readable;
        Object.assign(values, { k: count, drawing, missed: (100 * share).toFixed(0), most,
                                mean: mean.toFixed(1), sd: sd.toFixed(1) });
        panel.told = filled(sentence, values);
        numbers.textContent = `missed: ${values.missed} %\ngone: ${count}/${drawing}\n` +
          `best: ${panel.best}/${drawing}`;
        bar.style.width = Math.min(100, LIMIT * share / readable) + "%";
      } else {
        panel.told = filled(say.error, values) + filled(others ? say.now : say.alone, values);
        numbers.textContent = filled(say.short, values);
        bar.style.width = Math.min(100, 100 * error / ceiling) + "%";
      }
      panel.mark.style.left = (playing ? LIMIT : 100 * whole / ceiling) + "%";
      told.push(panel.told);
    });
    place.textContent = playing ? say.game : `${step + 1} of ${steps.length}: ${steps[step].title}`;
    looked.textContent = playing ? filled(say.rules, { limit: 100 * readable })
      : there ? steps[step].says : say.free;
    game.textContent = playing ? "Stop playing" : "Play";
    back.hidden = next.hidden = playing;
    caption.replaceChildren();
    for (const words of told) element("div", caption, words);
    back.disabled = step === 0 && there;
    next.disabled = step === steps.length - 1 && there;
    for (const canvas of figure.querySelectorAll("canvas"))
      canvas.dispatchEvent(new Event("load"));
  }

  function go(step) {
    const to = Math.min(steps.length - 1, Math.max(0, step));
    model.set("step", to);
    model.set("removed", steps[to].removed);
    model.set("focus", steps[to].focus);
    model.save_changes();
  }

  function toggle(which, unit) {
    const removed = model.get("removed").map((units) => [...units]);
    const gone = new Set(removed[which]);
    if (!gone.size)  // the first to go stays in focus, whichever is clicked next
      model.set("focus", model.get("focus").map((f, w) => (w === which ? unit : f)));
    if (!gone.delete(unit)) gone.add(unit);
    removed[which] = [...gone].sort((a, b) => a - b);
    model.set("removed", removed);
    model.save_changes();
  }

  panels.forEach((panel, which) => {
    const { grid } = panel;
    grid.addEventListener("pointerdown", (event) => {
      const box = grid.getBoundingClientRect();
      const column = Math.floor(across * (event.clientX - box.left) / box.width);
      const line = Math.floor(across * (event.clientY - box.top) / box.height);
      panel.cursor = Math.min(n - 1, Math.max(0, line * across + column));
      toggle(which, panel.cursor);
    });
    grid.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
      const at = panel.cursor < 0 ? model.get("focus")[which] : panel.cursor;
      if (event.key in step) {
        panel.cursor = Math.min(n - 1, Math.max(0, at + step[event.key]));
        soon();
      } else if (event.key === " " || event.key === "Enter") {
        panel.cursor = at;
        toggle(which, at);
      } else return;
      event.preventDefault();
      event.stopPropagation();  // Jupyter would move to another cell
    });
  });
  back.addEventListener("click", () => go(model.get("step") - 1));
  next.addEventListener("click", () => go(model.get("step") + 1));
  restore.addEventListener("click", () => go(0));
  game.addEventListener("click", () => {
    model.set("playing", !model.get("playing"));
    go(0);
  });
  const anew = () => panels.forEach((panel) => { panel.best = 0; panel.lost = false; });

  let asked = false;
  const soon = () => {  // several changes at once need one repaint
    if (asked) return;
    asked = true;
    queueMicrotask(() => { asked = false; paint(); });
  };
  const watched = "change:removed change:focus change:digit change:step change:playing";
  model.on("change:digit change:playing", anew);
  model.on(watched, soon);
  paint();
  return () => {
    model.off("change:digit change:playing", anew);
    model.off(watched, soon);
  };
}
export default { render };
