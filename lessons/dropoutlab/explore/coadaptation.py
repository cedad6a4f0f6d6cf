"""Co-adaptation: three trained autoencoders side by side, whose hidden units can be removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anywidget
import ipywidgets as widgets
import numpy as np
import traitlets
from matplotlib.figure import Figure

from dropoutlab import autoencoder, expect, plot
from dropoutlab.autoencoder import SIDE, UNITS, Autoencoder
from dropoutlab.explore.explorer import HERE

SHOWN = "without dropout", "with dropout", "with L2"
"""The kinds of network, one of each; the last redraws as badly, whole, as the one before."""
SENTENCES = {
    "error": "{name}: {k} of {n} units removed, error {error}, {ratio} times that of the whole "
    "network ({whole}). ",
    "alone": "Unit {unit} costs {alone} alone; it leans most on unit {lean} ({leaning}), and unit "
    "{back} backs it up most ({backing}).",
    "now": "Unit {unit} costs {now} now, {alone} alone.",
    "short": "whole: {whole}\nnow: {error}\nratio: {ratio}",
    "free": "Your own choice. In each network, compare what the unit framed in the colour of the "
    "text costs now with what it costs alone. Less now: it leaned on those that are gone. More "
    "now: they backed it up.",
    "game": "Keep the image readable",
    "rules": "Remove as many units as you can, in any order, in each network. Only units that draw "
    "this image count; those that are silent on it are pale. An image is readable here while at "
    "most {limit} % of it is missed; the mean of all training images misses 100 %. Once lost, it "
    "stays lost until all units are restored. Guess first: which network can spare the largest "
    "share of its units in your hands, and which if chance removes them?",
    "readable": "{name}: {missed} % of the image is missed with {k} of the {drawing} units gone "
    "that draw this image. Still readable.",
    "lost": "{name}: {missed} % of the image is missed with {k} of the {drawing} units gone that "
    "draw this image. No longer readable. In a random order it lasts for {mean} ± {sd} of them "
    "(mean and standard deviation of 200 orders), and for {most} if each time the unit goes that "
    "is missed least.",
    "again": "{name}: {missed} % of the image is missed with {k} of the {drawing} units gone that "
    "draw this image, but it was lost before. Restore all units to begin again.",
}
"""What is said, filled in by Python here and by JavaScript in the browser."""
LEANS, BACKS, INK = np.array([[213, 94, 0], [0, 114, 178], [20, 20, 20]]) / 255
MANY = 20  # units removed in the last situation
READABLE = 0.6
"""The share of an image that may be missed: every network, whole, misses less of each digit."""
ORDERS = 200


@dataclass(frozen=True)
class _Side:
    """One of the networks, its units sorted by what their removal costs."""

    name: str
    net: Autoencoder
    quadratic: tuple[float, np.ndarray, np.ndarray]
    effects: np.ndarray
    interactions: np.ndarray

    @classmethod
    def of(
        cls, name: str, net: Autoencoder, X: np.ndarray, effects: Callable, pairs: Callable
    ) -> _Side:
        loss = net.loss(X)
        costs = np.array(effects(loss, UNITS), float).reshape(UNITS)
        order = np.argsort(-costs, kind="stable")
        matrix = np.array(pairs(loss, UNITS), float).reshape(UNITS, UNITS)[np.ix_(order, order)]
        net = Autoencoder(net.V[order], net.a[order], net.W[order], net.b)
        return cls(name, net, net.quadratic(X), costs[order], matrix)

    def error(self, kept: np.ndarray) -> float:
        c, g, Q = self.quadratic
        return float(c + kept @ (Q @ kept - 2 * g))

    def drawing(self, x: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """What the network makes of an image without the removed units."""
        return self.net.output(self.net.hidden(x[None]) * kept)[0]

    def drawing_units(self, x: np.ndarray) -> np.ndarray:
        """The numbers of the units that draw an image; the others are silent (ReLU gives 0)."""
        return np.flatnonzero(self.net.hidden(x[None])[0])

    def missed(self, x: np.ndarray, blank: np.ndarray, kept: np.ndarray) -> float:
        """The share of an image that the drawing misses, of what `blank` misses."""
        return float(((x - self.drawing(x, kept)) ** 2).sum() / ((x - blank) ** 2).sum())

    def lasts(self, x: np.ndarray, blank: np.ndarray, rng: np.random.Generator) -> list[float]:
        """How many units that draw an image may go until it is unreadable.

        In `ORDERS` random orders, mean and standard deviation; where each time the unit goes
        without which least is missed; and how many draw it.
        """
        drawing = self.drawing_units(x)
        parts = (self.net.hidden(x[None])[0][:, None] * self.net.W)[drawing]
        whole, bound = self.drawing(x, np.ones(UNITS)), READABLE * ((x - blank) ** 2).sum()
        orders = np.array([rng.permutation(drawing.size) for _ in range(ORDERS)])
        left = x - whole + np.zeros((ORDERS, 1))
        random, alive = np.zeros(ORDERS), np.ones(ORDERS, bool)
        for unit in orders.T:
            left = left + parts[unit]
            alive &= (left**2).sum(1) <= bound
            random += alive
        rest, left, greedy = [*range(drawing.size)], x - whole, 0
        while rest:
            missed = ((left + parts[rest]) ** 2).sum(1)
            if missed.min() > bound:
                break
            left = left + parts[rest.pop(int(missed.argmin()))]
            greedy += 1
        mean, sd = (round(float(value), 1) for value in (random.mean(), random.std()))
        return [mean, sd, greedy, drawing.size]

    def pair(self, sign: int) -> list[int]:
        """The two units that lean most (-1) or back each other up most (+1), the costlier first."""
        pull = sign * np.triu(self.interactions, 1)
        return [int(i) for i in np.unravel_index(np.argmax(pull), pull.shape)]

    def packed(self) -> list[np.ndarray]:
        """What the browser needs, in the order in which it unpacks it."""
        c, g, Q = self.quadratic
        net = self.net
        return [net.V, net.a, net.W, net.b, np.array([c]), g, Q, self.effects, self.interactions]


def situations(sides: list[_Side], random: list[int]) -> list[dict[str, Any]]:
    """What to step through: which units are gone and in focus in each network, and what to see."""
    start = {"removed": [[] for _ in sides], "focus": [0 for _ in sides]}
    steps = [
        start
        | {
            "title": "three whole networks",
            "says": "Nothing is removed. The network without dropout redraws best; that with L2 "
            "was made as bad as that with dropout. In which of the three can you tell what a "
            "single unit draws?",
        }
    ]
    for sign, does, frame in (-1, "leans", "orange"), (1, "backs up", "blue"):
        pairs = [side.pair(sign) for side in sides]
        focus = [pair[0] for pair in pairs]
        steps += [
            {
                "title": f"a pair that {does}, the first unit gone",
                "says": "The unit framed in the colour of the text is gone. Look for its thickest "
                f"{frame} frame, the partner that goes next, and remember what the unit costs "
                "alone.",
                "removed": [[unit] for unit in focus],
                "focus": focus,
            },
            {
                "title": f"a pair that {does}, both gone",
                "says": "Its partner is gone as well. Does the unit cost more or less now than "
                "alone? In which network does that make the largest difference?",
                "removed": [sorted(pair) for pair in pairs],
                "focus": focus,
            },
        ]
    return [
        *steps,
        start
        | {
            "title": f"{MANY} random units gone",
            "says": f"The same {MANY} ranks are gone in all three. Compare the ratios. Dropout and "
            "L2 began with the same error: how far apart are they now? Try other digits, and "
            "remove more.",
            "removed": [random[:] for _ in sides],
        },
    ]


class Networks(anywidget.AnyWidget):
    """Networks drawn by the browser, which removes units without asking Python.

    For each network, `removed` holds the numbers of removed units and `focus` the unit whose
    partners are lit; `digit` is the example, `step` the situation, and `playing` says that units
    are removed for as long as the digit stays readable; lost, it stays lost until no unit that
    draws it is gone. Setting one redraws, and a click or a key sets it.
    """

    script = traitlets.Unicode("coadaptation").tag(sync=True)
    packed = traitlets.Bytes().tag(sync=True)  # float32, see _Side.packed; then the examples
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    removed = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    focus = traitlets.List(traitlets.Int()).tag(sync=True)
    step = traitlets.Int().tag(sync=True)
    situations = traitlets.List(traitlets.Dict()).tag(sync=True)
    sentences = traitlets.Dict(SENTENCES).tag(sync=True)
    digit = traitlets.Int().tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    readable = traitlets.Float(READABLE).tag(sync=True)
    lasts = traitlets.List(traitlets.List()).tag(sync=True)  # _Side.lasts: by digit, by network
    units = traitlets.Int(UNITS).tag(sync=True)
    side = traitlets.Int(SIDE).tag(sync=True)
    width = traitlets.Int(860).tag(sync=True)
    trouble = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        sides: list[_Side],
        examples: np.ndarray,
        blank: np.ndarray,
        trouble: str = "",
        **values: object,
    ):
        parts = [part for side in sides for part in side.packed()] + [examples, blank]
        flat = np.concatenate([part.ravel() for part in parts]) if sides else np.zeros(0)
        names = [side.name[0].upper() + side.name[1:] for side in sides]
        super().__init__(
            packed=flat.astype("<f4").tobytes(), names=names, trouble=trouble, **values
        )
        self._sides, self._examples, self._blank = sides, examples, blank
        rng = np.random.default_rng(8)
        self.lasts = [[side.lasts(x, blank, rng) for side in sides] for x in examples]
        self._lost: set[int] = set()  # the networks that have lost the image
        self.observe(self._anew, names=["digit", "playing"])
        self.observe(self._lose, names="removed")

    @property
    def says(self) -> str:
        """What is seen, in sentences with numbers."""
        if self.trouble:
            return self.trouble
        if self.playing:
            return " ".join(self._played(which) for which in range(len(self._sides)))
        each = zip(self._sides, self.names, self.removed, self.focus, strict=True)
        return " ".join(describe(*one) for one in each)

    def _anew(self, change: dict) -> None:
        self._lost.clear()
        self._lose(change)

    def _lose(self, change: dict) -> None:
        """Keep in mind which networks have lost the image since all their units were there."""
        for which in range(len(self._sides)):
            if not self._gone(which):
                self._lost.discard(which)
            elif self._missed(which) > READABLE:
                self._lost.add(which)

    def _gone(self, which: int) -> int:
        """How many units of a network are removed that draw the image."""
        drawing = self._sides[which].drawing_units(self._examples[self.digit])
        return int(np.isin(drawing, self.removed[which]).sum())

    def _missed(self, which: int) -> float:
        """The share of the image that a network misses without its removed units."""
        x, kept = self._examples[self.digit], _kept(self.removed[which])
        return self._sides[which].missed(x, self._blank, kept)

    def _played(self, which: int) -> str:
        """The sentence of the game for one network."""
        share, (mean, sd, most, drawing) = self._missed(which), self.lasts[self.digit][which]
        known = "again" if which in self._lost else "readable"
        return SENTENCES["lost" if share > READABLE else known].format(
            name=self.names[which], k=self._gone(which), drawing=drawing,
            missed=f"{100 * share:.0f}", mean=f"{mean:.1f}", sd=f"{sd:.1f}", most=most,
        )  # fmt: skip

    @property
    def png(self) -> bytes:
        """A still picture of the same, for where nothing can be clicked."""
        plot.style()
        figure = Figure(figsize=(self.width / 96, 4.1))
        for which, side in enumerate(self._sides):
            focus, removed = self.focus[which], self.removed[which]
            x, seen = self._examples[self.digit], np.ones(UNITS, bool)
            if self.playing:
                seen[:] = False
                seen[side.drawing_units(x)] = True
            draw(figure, which, side, x, removed, focus, self._largest, seen)
        return plot.png(figure, dpi=115)

    @property
    def _largest(self) -> float:
        return max(float(np.abs(side.interactions).max()) for side in self._sides) or 1

    _esm = (HERE / "coadaptation.js").read_text(encoding="utf-8")
    _css = (HERE / "coadaptation.css").read_text(encoding="utf-8")


def _kept(removed: list[int]) -> np.ndarray:
    kept = np.ones(UNITS)
    kept[list(removed)] = 0
    return kept


def describe(side: _Side, name: str, removed: list[int], unit: int) -> str:
    """The sentences for a network without the `removed` units, around one `unit`."""
    kept, pull = _kept(removed), side.interactions[unit].copy()
    without, present = kept.copy(), kept.copy()
    without[unit], present[unit] = 0, 1
    lean, back = int(np.argmin(pull)), int(np.argmax(pull))
    error, whole = side.error(kept), side.error(np.ones(UNITS))
    values: dict[str, int | str] = {
        "name": name, "k": len(removed), "n": UNITS, "unit": unit, "lean": lean, "back": back,
        "error": f"{error:.2f}", "whole": f"{whole:.2f}", "ratio": f"{error / whole:.2f}",
        "alone": f"{side.effects[unit]:.3f}",
        "leaning": f"{pull[lean]:+.3f}", "backing": f"{pull[back]:+.3f}",
        "now": f"{side.error(without) - side.error(present):.3f}",
    }  # fmt: skip
    about = "now" if set(removed) - {unit} else "alone"
    return (SENTENCES["error"] + SENTENCES[about]).format(**values)


def draw(
    figure: Figure,
    which: int,
    side: _Side,
    x: np.ndarray,
    removed: list[int],
    unit: int,
    largest: float,
    seen: np.ndarray,
) -> None:
    """A network as the browser draws it: its features in their frames, input and output.

    seen : (UNITS,), whether a unit is drawn in full; others are pale
    """
    kept, across = _kept(removed), int(UNITS**0.5)
    tile, edge, crop = 36, 3, slice(2, -2)
    sheet = np.ones((across * tile, across * tile, 3))
    for i, feature in enumerate(side.net.W.reshape(UNITS, SIDE, SIDE)):
        row, column = divmod(i, across)
        spot = sheet[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
        pull = side.interactions[unit, i]
        strength = np.sqrt(abs(pull) / largest)
        if i == unit or strength > 0.05:
            frame = LEANS if pull < 0 else BACKS
            spot[:] = INK if i == unit else 1 - min(1, 0.1 + strength) * (1 - frame)
            rim = edge if i == unit else round(1 + (edge - 1) * strength)
            spot[rim:-rim, rim:-rim] = 1
        v = np.kron((feature / (np.abs(feature).max() or 1))[crop, crop], np.ones((3, 3)))
        grey = (165 - np.where(v > 0, 150, 90) * v)[..., None] / 255
        spot[edge:-edge, edge:-edge] = 1 - (1 if kept[i] and seen[i] else 0.2) * (1 - grey)
        if not kept[i]:
            cross = np.arange(8, tile - 8)
            for shift in (0, 1):
                spot[cross, cross + shift] = spot[cross, tile - 1 - cross - shift] = 0.54
    start = 0.01 + 0.335 * which
    above = figure.add_axes((start, 0.28, 0.31, 0.64))
    above.imshow(sheet, interpolation="nearest")
    above.set_axis_off()
    above.set_title(side.name[0].upper() + side.name[1:])
    y = side.drawing(x, kept)
    strip = np.ones((SIDE, 2 * SIDE + 4))
    strip[:, :SIDE], strip[:, -SIDE:] = 1 - x.reshape(SIDE, SIDE), 1 - y.reshape(SIDE, SIDE)
    below = figure.add_axes((start + 0.02, 0.04, 0.16, 0.2))
    below.imshow(strip, cmap="gray", vmin=0, vmax=1)
    below.set_axis_off()
    error, whole = side.error(kept), side.error(np.ones(UNITS))
    told = SENTENCES["short"].format(
        whole=f"{whole:.2f}", error=f"{error:.2f}", ratio=f"{error / whole:.2f}"
    )
    figure.text(start + 0.2, 0.14, told, va="center", fontsize=9)


def _slider(label: str, value: int, high: int) -> widgets.IntSlider:
    return widgets.IntSlider(
        value=value, max=high, description=label, style={"description_width": "14em"},
        layout={"width": "36em"},
    )  # fmt: skip


class Coadaptation(widgets.VBox):
    """Sliders above the networks. `controls` names them; `picture` is the networks."""

    def __init__(self, ablation_effect: Callable, interaction_matrix: Callable):
        test, labels = autoencoder.images()
        examples = np.array([test[labels == digit][0] for digit in range(10)])
        random = np.random.default_rng(8).permutation(UNITS)
        sides: list[_Side] = []
        trouble = ""
        try:
            for name in SHOWN:
                net = autoencoder.trained()[name][0]
                sides.append(_Side.of(name, net, test, ablation_effect, interaction_matrix))
        except Exception as error:  # the learner's functions run here
            sides, trouble = [], f"Your function stopped with {type(error).__name__}: {error}"
            if expect.unwritten(error):
                trouble = "Not written yet: write the exercises above, run their cells, then this."
        steps = situations(sides, sorted(random[:MANY].tolist()))
        self._order = random
        self.controls = {
            "step": _slider("step", 0, len(steps) - 1),
            "count": _slider("remove at random, in all", 0, UNITS),
            "focus": _slider("unit in focus, in all", 0, UNITS - 1),
            "digit": _slider("digit", 3, 9),
        }
        blank = autoencoder.blank()
        self.picture = Networks(
            sides, examples, blank, trouble, digit=3, situations=steps,
            removed=steps[0]["removed"], focus=steps[0]["focus"],
        )  # fmt: skip
        self.controls["step"].observe(self._go, names="value")
        self.controls["count"].observe(self._remove, names="value")
        self.controls["focus"].observe(self._look, names="value")
        self.picture.observe(self._follow, names=["step", "removed", "focus"])
        traitlets.link((self.controls["digit"], "value"), (self.picture, "digit"))
        super().__init__([*self.controls.values(), self.picture])

    @property
    def trouble(self) -> str:
        """Why there is nothing to see, if the learner's functions failed."""
        return self.picture.trouble

    def _repr_mimebundle_(self, **how: object) -> tuple[dict, dict]:
        """Beside the widget, the picture as it is now, for where no widget can be shown."""
        bundle = super()._repr_mimebundle_(**how)
        shown, more = bundle if isinstance(bundle, tuple) else (bundle, {})
        still = {"image/png": {"alt": self.picture.says, "width": self.picture.width}}
        return shown | {"image/png": self.picture.png}, more | still | plot.GROUND

    def _go(self, change: dict) -> None:
        if change["new"] != self.picture.step:  # else the browser went there
            there = self.picture.situations[change["new"]]
            with self.picture.hold_sync():
                self.picture.step = change["new"]
                self.picture.removed, self.picture.focus = there["removed"], there["focus"]

    def _remove(self, change: dict) -> None:
        """The first units of one random order: a larger set holds each smaller one."""
        if self.picture.removed and change["new"] != len(self.picture.removed[0]):
            gone = sorted(self._order[: change["new"]].tolist())
            self.picture.removed = [gone[:] for _ in self.picture.removed]

    def _look(self, change: dict) -> None:
        if self.picture.focus and change["new"] != self.picture.focus[0]:
            self.picture.focus = [change["new"]] * len(self.picture.focus)

    def _follow(self, change: dict) -> None:
        """Let the sliders show what was done with a click or a button."""
        self.controls["step"].value = self.picture.step
        if self.picture.removed:
            self.controls["count"].value = len(self.picture.removed[0])
            self.controls["focus"].value = self.picture.focus[0]


def coadaptation(ablation_effect: Callable, interaction_matrix: Callable) -> Coadaptation:
    """Explore three networks unit by unit: situations to step through, units, focus, digit."""
    return Coadaptation(ablation_effect, interaction_matrix)
