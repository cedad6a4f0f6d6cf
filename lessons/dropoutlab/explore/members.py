"""The ensemble: one thinned network, the average of some, and the scaled network."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from contourpy import contour_generator
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


def members(
    all_masks: Callable[[int], np.ndarray],
    subnetwork_outputs: Average,
    arithmetic_mean: Average,
    geometric_mean: Average,
    weight_scaled: Average,
) -> Explorer:
    """Explore the thinned networks of a small one: a member, an average, another network."""
    down, across = np.meshgrid(
        np.linspace(-1.8, 1.8, SIDE), np.linspace(-2, 2, SIDE), indexing="ij"
    )
    grid = np.column_stack([across.ravel(), down.ravel()])
    masks_in_all = 2**HIDDEN

    def draw(figure: Figure, member: int, k: int, network: int) -> str:
        X, y, net = _trained(network)
        parameters = net["W1"], net["b1"], net["W2"], net["b2"]
        places = np.concatenate([grid, X])
        masks = np.asarray(all_masks(HIDDEN))
        order = np.lexsort(masks.T)  # whichever order the learner's masks are in
        outputs = np.asarray(subnetwork_outputs(*parameters, places))[order]
        number = (member - 1) ^ ((member - 1) >> 1)  # Gray's code: a step switches one unit
        kept = masks[order][number] != 0
        chosen = outputs[np.random.default_rng(network).permutation(masks_in_all)[:k]]
        fields = {
            "member": outputs[number],
            "average": np.asarray(arithmetic_mean(chosen)),
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
            (-2, 1.95, f"Member {member}, units {units}: {wrong['member']} wrong", plot.INK),
            (APART - 2, 1.95, f"Mean of {k}: {wrong['average']} wrong", plot.INK),
            (APART - 0.5, 1.95, "arithmetic", plot.GREEN),
            (APART + 0.27, 1.95, "geometric", plot.PINK),
            (APART + 1.04, 1.95, "scaled, dashed", plot.INK),
        ):
            ax.text(place, height, words, color=color)
        gaps = [np.abs(fields[name] - fields["scaled"]).max() for name in ("geometric", "average")]
        missing = [str(unit + 1) for unit in range(HIDDEN) if not kept[unit]]
        without = f"without {', '.join(missing)} of its units" if missing else "with every unit"
        return (
            f"Member {member}, {without}, is wrong on {wrong['member']} of {POINTS} points, the "
            f"arithmetic mean of {k} drawn at random on {wrong['average']}, the scaled network on "
            f"{wrong['scaled']}. The probabilities of the scaled network and the geometric mean "
            f"differ by {gaps[0]:.2g} at most, of it and the arithmetic mean by {gaps[1]:.2g}."
        )

    return Explorer(
        draw,
        size=(9, 3.6),
        member=slider("thinned network", 43, 1, masks_in_all, 1),
        k=slider("members averaged", 8, 1, masks_in_all, 1),
        network=slider("another network", 8, 0, 12, 1),
    )
