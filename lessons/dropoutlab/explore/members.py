"""The ensemble: a network without the units chosen, an average of thinned ones, the scaled one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from contourpy import contour_generator
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from dropoutlab import plot, train
from dropoutlab.explore.explorer import Explorer, slider

Average = Callable[..., np.ndarray]

HIDDEN, POINTS, SIDE = 6, 200, 36
APART = 4.1  # from picture to picture, both in one axes: a second one costs 12 ms
PAPER = LinearSegmentedColormap.from_list("classes", [plot.SKY, "white", "#F2B48A"])


def _moons(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two half circles that reach into each other, with noise: (POINTS, 2) and their classes."""
    angle, y = rng.uniform(0, np.pi, POINTS), np.arange(POINTS) % 2
    side = 1 - 2 * y
    X = side[:, None] * np.column_stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25])
    return X + rng.normal(0, 0.2, X.shape), y


@cache
def _trained(seed: int) -> tuple[np.ndarray, np.ndarray, train.Parameters]:
    """Points, classes and a network trained on them with half of its hidden units dropped."""
    X, y = _moons(np.random.default_rng(seed))
    net = train.two_layer(
        X, y, lambda h, rng: h * (rng.random(h.shape) >= 0.5), seed, hidden=HIDDEN, epochs=100
    )
    return X, y, net


def _without(units: list[int]) -> str:
    """Which units a network lacks, in words."""
    if not units:
        return "With every unit"
    *some, last = map(str, units)
    return f"Without units {', '.join(some)} and {last}" if some else f"Without unit {last}"


def members(
    all_masks: Callable[[int], np.ndarray],
    subnetwork_outputs: Average,
    geometric_mean: Average,
    weight_scaled: Average,
) -> Explorer:
    """Explore the thinned networks of a small one: units to drop, an average, another network."""
    down, across = np.meshgrid(
        np.linspace(-1.8, 1.8, SIDE), np.linspace(-2, 2, SIDE), indexing="ij"
    )
    grid = np.column_stack([across.ravel(), down.ravel()])
    masks_in_all = 2**HIDDEN

    def draw(figure: Figure, first: int, second: int, third: int, k: int, network: int) -> str:
        X, y, net = _trained(network)
        parameters = net["W1"], net["b1"], net["W2"], net["b2"]
        places = np.concatenate([grid, X])
        masks = np.asarray(all_masks(HIDDEN))
        order = np.lexsort(masks.T)  # whichever order the learner's masks are in
        outputs = np.asarray(subnetwork_outputs(*parameters, places))[order]
        dropped = sorted({first, second, third} - {0})
        kept = [unit + 1 not in dropped for unit in range(HIDDEN)]
        number = int(np.flatnonzero(((masks[order] != 0) == kept).all(1))[0])
        chosen = outputs[np.random.default_rng(network).permutation(masks_in_all)[:k]]
        fields = {
            "member": outputs[number],
            "average": chosen.mean(0),
            "geometric": np.asarray(geometric_mean(chosen)),
            "scaled": np.asarray(weight_scaled(*parameters, places)),
        }
        area = {name: field[: SIDE**2, 1].reshape(SIDE, SIDE) for name, field in fields.items()}
        wrong = {
            name: int(np.sum((field[SIDE**2 :, 1] > 0.5) != y)) for name, field in fields.items()
        }

        ax = figure.add_axes((0, 0, 1, 1), frameon=False)
        for shift, name in ((0, "member"), (APART, "average")):
            ax.imshow(area[name], extent=(shift - 2, shift + 2, -1.8, 1.8), origin="lower",
                      cmap=PAPER, vmin=0, vmax=1, interpolation="bilinear")  # fmt: skip
            for kind, color in enumerate((plot.BLUE, plot.ORANGE)):
                ax.plot(X[y == kind, 0] + shift, X[y == kind, 1], "o", color=color, markersize=2.6)
        thin = [
            np.asarray(line)
            for field in chosen[:, : SIDE**2, 1].reshape(-1, SIDE, SIDE)
            for line in contour_generator(across + APART, down, field).lines(0.5)
        ]
        ax.add_collection(LineCollection(thin, colors=plot.GREY, linewidths=0.5))
        lines: list[tuple[float, str, dict[str, Any]]] = [
            (0, "member", {"color": plot.INK}),
            (APART, "geometric", {"color": plot.PINK, "linewidth": 5}),
            (APART, "average", {"color": plot.GREEN, "linewidth": 2.5}),
            (APART, "scaled", {"color": plot.INK, "linestyle": "--"}),
        ]
        for shift, name, style in lines:  # `ax.contour` takes five times as long
            for line in contour_generator(across + shift, down, area[name]).lines(0.5):
                ax.plot(*np.asarray(line).T, **style)
        ax.set(xlim=(-2.02, 6.12), ylim=(-1.82, 2.25), aspect="auto")
        ax.set_axis_off()
        units = "".join("■" if unit else "□" for unit in kept)
        for place, height, words, color in (
            (-2, 1.95, f"{_without(dropped)} {units}: {wrong['member']} wrong", plot.INK),
            (APART - 2, 1.95, f"Mean of {k}: {wrong['average']} wrong", plot.INK),
            (APART - 0.5, 1.95, "arithmetic", plot.GREEN),
            (APART + 0.27, 1.95, "geometric", plot.PINK),
            (APART + 1.04, 1.95, "scaled, dashed", plot.INK),
        ):
            ax.text(place, height, words, color=color)
        gaps = [np.abs(fields[name] - fields["scaled"]).max() for name in ("geometric", "average")]
        some = f"all {k}" if k == masks_in_all else f"{k} random ones"
        mean = f"the arithmetic mean of {some}" if k > 1 else "one drawn at random"
        return (
            f"{_without(dropped)}, the network is wrong on {wrong['member']} of {POINTS} points; "
            f"{mean} is wrong on {wrong['average']}, the scaled network on {wrong['scaled']}. "
            f"The geometric mean's probabilities are at most {gaps[0]:.2g} off the scaled "
            f"network's, the arithmetic mean's at most {gaps[1]:.2g}."
        )

    return Explorer(
        draw,
        size=(9, 3.6),
        first=slider("drop unit (0: none)", 2, 0, HIDDEN, 1),
        second=slider("and unit", 5, 0, HIDDEN, 1),
        third=slider("and unit", 0, 0, HIDDEN, 1),
        k=slider("random members averaged", 8, 1, masks_in_all, 1),
        network=slider("another network", 8, 0, 12, 1),
    )
