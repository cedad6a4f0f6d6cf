"""Co-adaptation: two trained autoencoders side by side, whose hidden units can be removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure

from dropoutlab import autoencoder, expect, plot
from dropoutlab.autoencoder import SIDE, UNITS, Autoencoder
from dropoutlab.explore.explorer import Still, slider, source

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

    _esm = source("coadaptation.js")
    _css = source("coadaptation.css")


def describe(pair: list[_Side], removed: list[int], unit: int) -> str:
    """The sentence for these networks without the `removed` units, around one `unit`."""
    kept = np.ones(UNITS)
    kept[list(removed)] = 0
    numbers: dict[str, int | str] = {"k": UNITS - int(kept.sum()), "n": UNITS, "unit": unit}
    for which, side in enumerate(pair):
        pull = np.delete(side.interactions[unit], unit)
        best = int(np.argmax(np.abs(pull)))
        numbers |= {
            f"error{which}": f"{side.error(kept):.2f}",
            f"whole{which}": f"{side.error(np.ones(UNITS)):.2f}",
            f"effect{which}": f"{side.effects[unit]:.2f}",
            f"partner{which}": best + (best >= unit),
            f"strength{which}": f"{pull[best]:+.3f}",
        }
    return SAYS.format(**numbers)


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


class Coadaptation(Still):
    """Sliders above the two networks. `controls` names them; `picture` is the networks."""

    def __init__(self, ablation_effect: Callable, interaction_matrix: Callable):
        test, labels = autoencoder.images()[1:]
        examples = np.array([test[labels == digit][0] for digit in range(10)])
        pair: list[_Side] = []
        trouble = ""
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
