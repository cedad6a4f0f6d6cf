"""Capstone: how many worlds it takes until a gain stands out of its own spread."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import capstone, plot, train
from dropoutlab.explore.explorer import Explorer, slider

RATES, WORLDS = np.arange(8) / 10, 24
"""Drop probabilities, and worlds in which each is tried."""


@cache
def trained() -> np.ndarray:
    """Validation error in percent, (rates, worlds)."""
    worlds = [capstone.world(seed) for seed in range(60, 60 + WORLDS)]
    X, y, X_val, y_val = (
        np.tile(np.stack([getattr(w, part) for w in worlds]), (len(RATES), *[1] * d))
        for part, d in (("X", 2), ("y", 1), ("X_val", 2), ("y_val", 1))
    )
    p, seeds = (a.ravel() for a in np.meshgrid(RATES, range(WORLDS), indexing="ij"))
    runs = train.many(X, y, [48], seeds=seeds, p=p, rate=0.05, steps=150, batch=32,
                      watch={"rows": (X_val, y_val)})  # fmt: skip
    return 100 * runs.error["rows"][:, -1].reshape(len(RATES), WORLDS)


def enough_worlds(honest_gain: Callable[..., tuple[float, float, float]]) -> Explorer:
    """Explore the gain of dropout, world by world, and its standard error; p, number of worlds."""
    errors, counts = trained(), np.arange(2, WORLDS + 1)

    def error(world: int, p: float) -> float:
        return float(errors[round(10 * p), world])

    @cache
    def gained(p: float) -> np.ndarray:
        """Mean gain and standard error of the first 2, 3, … worlds."""
        return np.array([honest_gain(error, [p], [0], range(n))[1:] for n in counts], float)

    def draw(figure: Figure, k: int, p: float) -> str:
        p = RATES[round(10 * p)]
        running = gained(p)
        (mean, spread), last = running[k - 2], running[-1, 0]
        gains = errors[0, :k] - errors[round(10 * p), :k]

        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.08, right=0.98, bottom=0.17, top=0.88, wspace=0.2)
        left.plot(np.arange(1, k + 1), gains, "o", color=plot.SKY, markersize=5)
        left.axhspan(mean - 2 * spread, mean + 2 * spread, color=plot.BLUE, alpha=0.2, linewidth=0)
        left.axhline(mean, color=plot.BLUE)
        left.set(xlim=(0, WORLDS + 1), xlabel="world", title="Points gained by world; ± 2 s.e.")
        low, high = running[:, 0] - 2 * running[:, 1], running[:, 0] + 2 * running[:, 1]
        right.fill_between(counts, low, high, color=plot.BLUE, alpha=0.2, linewidth=0)
        right.plot(counts, running[:, 0], color=plot.BLUE)
        right.axvline(k, color=plot.GREY, linestyle=":")
        right.axhline(last, color=plot.GREY, linestyle="--", linewidth=1)
        right.set(xlim=(0, WORLDS + 1), xlabel="worlds used", title="The mean ± 2 s.e. by then")
        for ax in (left, right):
            ax.axhline(0, color=plot.INK, linewidth=1)
            ax.set(xticks=(0, 8, 16, 24), ylim=(-6, 14), yticks=(-5, 0, 5, 10))
        clear = "clear of zero" if abs(mean) > 2 * spread else "not clear of zero"
        return (
            f"p = {p:.1f} against none, {k} worlds: a gain of {mean:.1f} points, "
            f"s.e. {spread:.1f}, {clear}; all {WORLDS} worlds say {last:.1f}, "
            f"s.e. {running[-1, 1]:.1f}."
        )

    return Explorer(
        draw,
        size=(9, 3),
        k=slider("worlds", 3, 2, WORLDS, 1),
        p=slider("drop probability p", 0.3, 0.0, 0.7, 0.1),
    )
