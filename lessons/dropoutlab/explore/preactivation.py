"""Weight scaling: a pre-activation over masks against the scaled and the unscaled value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider

MASKS = 1000


def preactivation(
    dropout_train: Callable[..., np.ndarray],
    preactivation_mean: Callable[..., float],
    preactivation_variance: Callable[..., float],
) -> Explorer:
    """Explore z = w · (m * x) over masks, and behind a ReLU; p, inputs, signs, another draw."""

    def draw(figure: Figure, p: float, n: int, against: int, draw: int) -> str:
        rng = np.random.default_rng(draw)
        x = rng.uniform(0.5, 1.5, n)
        sign = np.where(rng.permutation(n) < round(against / 100 * n), -1, 1)
        w = sign * rng.uniform(0.5, 1.5, n) / np.sqrt(n)
        z = dropout_train(np.tile(x, (MASKS, 1)), p, rng) @ w
        scaled = float(preactivation_mean(w, x, p))
        spread = float(preactivation_variance(w, x, p)) ** 0.5
        whole = float(w @ x)

        left, right = figure.subplots(1, 2, width_ratios=(5, 3))
        figure.subplots_adjust(left=0.02, right=0.97, bottom=0.17, top=0.9, wspace=0.44)
        heights, edges = np.histogram(z, 50, density=True)
        left.stairs(heights, edges, fill=True, color=plot.SKY)
        grid = scaled + spread * np.linspace(-3.5, 3.5, 81)
        curve = np.exp(-((grid - scaled) ** 2) / (2 * spread**2)) / (spread * np.sqrt(2 * np.pi))
        left.plot(grid, curve, color=plot.INK)
        top = max(heights.max(), curve.max())
        left.vlines([scaled, whole], 0, 1.1 * top, colors=[plot.BLUE, plot.ORANGE])
        ends = ("right", "left") if scaled < whole else ("left", "right")
        left.text(scaled, 1.13 * top, f"scaled {scaled:.2f} ", color=plot.BLUE, ha=ends[0])
        left.text(whole, 1.13 * top, f" unscaled {whole:.2f}", color=plot.ORANGE, ha=ends[1])
        low, high = min(grid[0], whole, edges[0]), max(grid[-1], whole, edges[-1])
        room = 0.32 * (high - low)
        left.set(xlabel="pre-activation z", yticks=[], ylim=(0, 1.28 * top),
                 xlim=(low - room, high + room))  # fmt: skip
        left.set_title(f"z over {MASKS} of your masks")

        sent = [np.maximum(z, 0).mean(), max(scaled, 0), max(whole, 0)]
        bars = right.barh(range(3), sent, color=[plot.SKY, plot.BLUE, plot.ORANGE])
        right.bar_label(bars, fmt="%.2f", padding=3)
        right.set_yticks(range(3), ["thinned, mean", "scaled", "unscaled"])
        right.set(xlabel="sent on", ylim=(2.5, -0.5), xlim=(0, 1.25 * max(*sent, 0.1)))
        right.set_title("Behind a ReLU")
        return (
            f"Over your masks z has mean {z.mean():.2f} and standard deviation {z.std():.2f}; "
            f"your formulas say {scaled:.2f} and {spread:.2f}. Behind a ReLU the thinned units "
            f"send {sent[0]:.2f} on average, the scaled one {sent[1]:.2f}."
        )

    return Explorer(
        draw,
        size=(9, 3),
        p=slider("drop probability p", 0.5, 0.05, 0.95, 0.05),
        n=slider("number of inputs n", 8, 1, 200, 1),
        against=slider("inputs that pull back, %", 30, 0, 50, 5),
        draw=slider("another draw", 0, 0, 20, 1),
    )
