"""Inverted dropout: what each scheme of scaling does to the mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider


def scaling(inverted_dropout: Callable[..., np.ndarray]) -> Explorer:
    """Explore the mean of a signal under right and wrong scalings; p, depth, another draw."""

    def draw(figure: Figure, p: float, layers: int, draw: int) -> str:
        rng = np.random.default_rng(draw)
        own = np.asarray(inverted_dropout(np.ones(30), p, rng), dtype=float)
        deep = np.ones(20_000)
        for _ in range(layers):
            deep = inverted_dropout(deep, p, rng)
        ratio = float(np.mean(deep))

        left, right = figure.subplots(1, 2, width_ratios=(2, 3))
        figure.subplots_adjust(left=0.06, right=0.8, bottom=0.17, top=0.9, wspace=0.22)
        left.bar(range(30), own, color=plot.BLUE)
        left.axhline(1, color=plot.GREY, linestyle="--")
        left.set(
            xlabel="unit",
            ylim=(0, max(2.2, 1.1 / (1 - p))),
            title="Your output of 30 ones",
            xticks=(0, 29),
        )

        depth = np.arange(layers + 1)
        schemes = {
            "none": ((1 - p) ** depth, plot.GREY),
            "standard": (np.ones(layers + 1), plot.GREEN),
            "divided by p": (((1 - p) / p) ** depth, plot.PINK),
            "scaled twice": ((1 - p) ** -depth, plot.ORANGE),
        }
        for values, color in schemes.values():
            right.plot(depth, values, color=color, linewidth=1.5)
        right.plot(layers, ratio, "o", color=plot.BLUE, markersize=9, zorder=3)
        right.set_yscale("log", subs=[])
        right.yaxis.set_major_formatter("{x:g}")
        ends = {f"{name}": (values[-1], color) for name, (values, color) in schemes.items()}
        ends[f"yours: {ratio:.2f}"] = (ratio, plot.BLUE)
        low, high = right.get_ylim()
        rows = np.log([low, high])
        gap = (rows[1] - rows[0]) / 11
        place = rows[0] - gap
        for name, (value, color) in sorted(ends.items(), key=lambda item: item[1][0]):
            place = max(np.log(value), place + gap)
            right.annotate(name, (1.02, (place - rows[0]) / (rows[1] - rows[0])),
                           xycoords="axes fraction", color=color, va="center")  # fmt: skip
        right.set(xlabel="dropout layers in a row", xticks=depth[:: 1 + layers // 8])
        right.set_title("Mean in training / mean in evaluation")
        return (
            f"After {layers} layers at p = {p:.2f} your signal keeps {ratio:.2f} of its mean; "
            f"without any scaling it keeps {(1 - p) ** layers:.2g}."
        )

    return Explorer(
        draw,
        size=(9, 3),
        p=slider("drop probability p", 0.3, 0.05, 0.9, 0.05),
        layers=slider("dropout layers", 5, 1, 16, 1),
        draw=slider("another draw", 0, 0, 20, 1),
    )
