"""Co-adaptation: two trained autoencoders side by side, whose hidden units can be removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anywidget
import ipywidgets as widgets
import numpy as np
import traitlets
from matplotlib.figure import Figure

from dropoutlab import autoencoder, expect, plot
from dropoutlab.autoencoder import SIDE, UNITS, Autoencoder
from dropoutlab.explore.explorer import Still, slider

SAYS = (
    "{k} of {n} units removed: the error per test image is {error0} without dropout "
    "(whole: {whole0}) and {error1} with dropout (whole: {whole1}). "
    "Unit {unit} costs {effect0} without dropout, and its strongest partner is unit {partner0} "
    "({strength0}); with dropout {effect1}, and unit {partner1} ({strength1})."
)
"""The sentence below the picture, filled in by Python here and by JavaScript in the browser."""
LEANS, BACKS, INK, PINK = (
    np.array([[213, 94, 0], [0, 114, 178], [20, 20, 20], [170, 60, 130]]) / 255
)


@dataclass(frozen=True)
class _Side:
    """One of the two networks, its units sorted by what their removal costs."""

    net: Autoencoder
    quadratic: tuple[float, np.ndarray, np.ndarray]
    effects: np.ndarray
    interactions: np.ndarray

    @classmethod
    def of(cls, net: Autoencoder, X: np.ndarray, effects: Callable, pairs: Callable) -> _Side:
        loss = net.loss(X)
        costs = np.array(effects(loss, UNITS), float).reshape(UNITS)
        order = np.argsort(-costs, kind="stable")
        matrix = np.array(pairs(loss, UNITS), float).reshape(UNITS, UNITS)[np.ix_(order, order)]
        net = Autoencoder(net.V[order], net.a[order], net.W[order], net.b)
        return cls(net, net.quadratic(X), costs[order], matrix)

    def error(self, kept: np.ndarray) -> float:
        c, g, Q = self.quadratic
        return float(c + kept @ (Q @ kept - 2 * g))

    def packed(self) -> list[np.ndarray]:
        """What the browser needs, in the order in which it unpacks it."""
        c, g, Q = self.quadratic
        net = self.net
        return [net.V, net.a, net.W, net.b, np.array([c]), g, Q, self.effects, self.interactions]


class Networks(anywidget.AnyWidget):
    """Two networks drawn by the browser, which removes units without asking Python.

    `removed` holds the numbers of removed units, `unit` the one whose partners are lit, and
    `digit` the example; setting one redraws, and a click or a key sets it.
    """

    packed = traitlets.Bytes().tag(sync=True)  # float32, see _Side.packed; then the examples
    removed = traitlets.List(traitlets.Int()).tag(sync=True)
    unit = traitlets.Int().tag(sync=True)
    digit = traitlets.Int().tag(sync=True)
    units = traitlets.Int(UNITS).tag(sync=True)
    side = traitlets.Int(SIDE).tag(sync=True)
    width = traitlets.Int(860).tag(sync=True)
    template = traitlets.Unicode(SAYS).tag(sync=True)
    trouble = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, pair: list[_Side], examples: np.ndarray, trouble: str = "", **values: object
    ):
        parts = [part for side in pair for part in side.packed()] + [examples]
        flat = np.concatenate([part.ravel() for part in parts]) if pair else np.zeros(0)
        super().__init__(packed=flat.astype("<f4").tobytes(), trouble=trouble, **values)
        self._pair, self._examples = pair, examples

    @property
    def says(self) -> str:
        """What is seen, in a sentence with numbers."""
        if self.trouble:
            return self.trouble
        return describe(self._pair, self.removed, self.unit)

    @property
    def png(self) -> bytes:
        """A still picture of the same, for where nothing can be clicked."""
        figure = Figure(figsize=(self.width / 96, 3.7))
        if not self.trouble:
            draw(figure, self._pair, self._examples, self.removed, self.unit, self.digit)
        return plot.png(figure, dpi=115)

    _esm = """
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
        const said = { n, unit, k: n - kept.reduce((sum, v) => sum + v, 0) };
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
          Object.assign(said, {
            ["error" + which]: error.toFixed(2), ["whole" + which]: whole.toFixed(2),
            ["effect" + which]: net.effects[unit].toFixed(2), ["partner" + which]: best,
            ["strength" + which]: (pull < 0 ? "" : "+") + pull.toFixed(3),
          });
        });
        caption.textContent = model.get("template").replace(/{(\\w+)}/g, (_, name) => said[name]);
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
    """
    _css = """
    .dropoutlab-networks { margin: 0; padding: 0 6px;
      color: var(--jp-content-font-color1, inherit); }
    .dropoutlab-networks .pair { display: flex; flex-wrap: wrap; gap: 8px 32px; }
    .dropoutlab-networks h4 { margin: 8px 0 6px; font-size: 1em; }
    .dropoutlab-networks .body { display: flex; gap: 14px; }
    .dropoutlab-networks .column { display: flex; flex-direction: column; gap: 4px; }
    .dropoutlab-networks .column span:nth-of-type(2) { margin-top: 8px; }
    .dropoutlab-networks canvas { background: white; touch-action: manipulation; }
    .dropoutlab-networks [role="application"] { cursor: pointer; }
    .dropoutlab-networks [role="application"]:focus-visible {
      outline: 2px solid currentcolor; outline-offset: 3px; }
    .dropoutlab-networks .numbers { margin: 8px 0 4px; font-variant-numeric: tabular-nums; }
    .dropoutlab-networks .track { height: 8px; width: 386px; background: #8a8a8a44; }
    .dropoutlab-networks .bar { height: 100%; background: currentcolor; opacity: 0.7; }
    .dropoutlab-networks .key { margin: 10px 0 4px; max-width: 804px; }
    .dropoutlab-networks .key b { display: inline-block; margin: 2px 4px; padding: 0 4px;
      border: 3px solid; font-weight: normal; white-space: nowrap; }
    .dropoutlab-networks .leans { border-color: #d55e00 !important; }
    .dropoutlab-networks .backs { border-color: #0072b2 !important; }
    .dropoutlab-networks figcaption { padding: 4px 0; max-width: 804px; min-height: 4em; }
    """


def describe(pair: list[_Side], removed: list[int], unit: int) -> str:
    """The sentence for these networks without the `removed` units, around one `unit`."""
    kept = np.ones(UNITS)
    kept[list(removed)] = 0
    said = {"k": UNITS - int(kept.sum()), "n": UNITS, "unit": unit}
    for which, side in enumerate(pair):
        pull = np.delete(side.interactions[unit], unit)
        best = int(np.argmax(np.abs(pull)))
        said |= {
            f"error{which}": f"{side.error(kept):.2f}",
            f"whole{which}": f"{side.error(np.ones(UNITS)):.2f}",
            f"effect{which}": f"{side.effects[unit]:.2f}",
            f"partner{which}": best + (best >= unit),
            f"strength{which}": f"{pull[best]:+.3f}",
        }
    return SAYS.format(**said)


def draw(
    figure: Figure,
    pair: list[_Side],
    examples: np.ndarray,
    removed: list[int],
    unit: int,
    digit: int,
) -> None:
    """The picture that the browser draws, without its frame: features, input and output."""
    kept = np.ones(UNITS)
    kept[list(removed)] = 0
    largest = max(float(np.abs(side.interactions).max()) for side in pair) or 1
    x, across = examples[digit], int(UNITS**0.5)
    tile, edge, crop = 36, 3, slice(2, -2)  # as in the browser
    titles = ("Trained without dropout", "Trained with dropout, p = 0.5")
    for which, (side, title) in enumerate(zip(pair, titles, strict=True)):
        sheet = np.ones((across * tile, across * tile, 3))
        features = side.net.W.reshape(UNITS, SIDE, SIDE)
        for i, feature in enumerate(features):
            row, column = divmod(i, across)
            spot = sheet[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
            pull = side.interactions[unit, i]
            strength = np.sqrt(abs(pull) / largest)
            if i == unit or strength > 0.05:
                frame = LEANS if pull < 0 else BACKS
                spot[:] = INK if i == unit else 1 - min(1, 0.1 + strength) * (1 - frame)
                rim = edge if i == unit else round(1 + (edge - 1) * strength)
                spot[rim:-rim, rim:-rim] = 1
            ink = (feature / (np.abs(feature).max() or 1))[crop, crop]
            ink = np.kron(ink, np.ones((3, 3)))[..., None]
            color = np.where(ink > 0, INK, PINK)
            spot[edge:-edge, edge:-edge] = 1 - (1 if kept[i] else 0.18) * np.abs(ink) * (1 - color)
            if not kept[i]:
                cross = np.arange(8, tile - 8)
                for shift in (0, 1):
                    spot[cross, cross + shift] = spot[cross, tile - 1 - cross - shift] = 0.54
        left = figure.add_axes((0.01 + 0.5 * which, 0.09, 0.33, 0.8))
        left.imshow(sheet, interpolation="nearest")
        left.set_axis_off()
        left.set_title(title)
        y = side.net.output(side.net.hidden(x[None]) * kept)[0]
        strip = np.ones((2 * SIDE + 4, SIDE))
        strip[:SIDE], strip[-SIDE:] = 1 - x.reshape(SIDE, SIDE), 1 - y.reshape(SIDE, SIDE)
        right = figure.add_axes((0.35 + 0.5 * which, 0.2, 0.13, 0.69))
        right.imshow(strip, cmap="gray", vmin=0, vmax=1)
        right.set_axis_off()
        right.set_title("Input, output", fontsize=10)
        error = f"Error: {((y - x) ** 2).sum():.2f} here, {side.error(kept):.2f} on average"
        left.text(0, across * tile + 4, error, va="top")


class Coadaptation(Still, widgets.VBox):
    """Sliders above the two networks. `controls` names them; `picture` is the networks."""

    def __init__(self, ablation_effect: Callable, interaction_matrix: Callable):
        test, labels = autoencoder.images()[1:]
        examples = np.array([test[labels == digit][0] for digit in range(10)])
        pair, trouble = [], ""
        try:
            for nets in autoencoder.trained():
                pair.append(_Side.of(nets[0], test, ablation_effect, interaction_matrix))
        except Exception as error:  # the learner's functions run here
            pair, trouble = [], f"Your function stopped with {type(error).__name__}: {error}"
            if expect.unwritten(error):
                trouble = "Not written yet: write the exercises above, run their cells, then this."
        self._order = np.random.default_rng(8).permutation(UNITS)
        self.controls = {
            "count": slider("remove at random", 8, 0, UNITS, 1),
            "unit": slider("unit whose partners are lit", 0, 0, UNITS - 1, 1),
            "digit": slider("digit", 3, 0, 9, 1),
        }
        self.picture = Networks(pair, examples, trouble, digit=3, removed=self._random(8))
        self.controls["count"].observe(self._remove, names="value")
        self.picture.observe(self._count, names="removed")
        for name in ("unit", "digit"):
            traitlets.link((self.controls[name], "value"), (self.picture, name))
        super().__init__([*self.controls.values(), self.picture])

    def _random(self, count: int) -> list[int]:
        """The first `count` units of one random order: a larger set holds each smaller one."""
        return sorted(self._order[:count].tolist())

    def _remove(self, change: dict) -> None:
        if change["new"] != len(self.picture.removed):
            self.picture.removed = self._random(change["new"])

    def _count(self, change: dict) -> None:
        self.controls["count"].value = len(change["new"])


def coadaptation(ablation_effect: Callable, interaction_matrix: Callable) -> Coadaptation:
    """Explore two networks unit by unit; units removed at random, unit in focus, digit."""
    return Coadaptation(ablation_effect, interaction_matrix)
