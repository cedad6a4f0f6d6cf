"""Lesson 01: a digit under a mask, and how many units masks keep."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import data, plot
from dropoutlab.explore.explorer import Explorer, slider


def thinned_digit(bernoulli_mask: Callable[..., np.ndarray]) -> Explorer:
    """Explore one digit under one mask, and the number kept by many; p, digit, another draw."""
    from scipy.stats import binom

    X, y, _, _ = data.digits()
    samples = [X[y == digit][0] for digit in range(10)]
    n, masks = X[0].size, 500

    def draw(figure: Figure, p: float, digit: int, draw: int) -> str:
        rng = np.random.default_rng(draw)
        mask = np.asarray(bernoulli_mask((8, 8), p, rng), dtype=float)
        kept = int(np.count_nonzero(mask))
        counts = np.asarray(bernoulli_mask((masks, n), p, rng)).astype(bool).sum(1)

        places = ((0.01, 0.172), (0.212, 0.172), (0.414, 0.172), (0.665, 0.32))
        *pictures, chart = (figure.add_axes((x, 0.21, width, 0.63)) for x, width in places)
        plot.image(samples[digit], pictures[0], largest=1)
        plot.mask(mask, pictures[1])
        plot.image(samples[digit] * mask, pictures[2], largest=1)
        titles = (f"A digit: {n} units", f"Your mask keeps {kept}", "What is passed on")
        for ax, title, sign in zip(pictures, titles, ("⊙", "=", ""), strict=True):
            ax.set_title(title)
            ax.text(1.088, 0.5, sign, transform=ax.transAxes, ha="center", va="center", size=14)

        k = np.arange(n + 1)
        share = 100 * np.bincount(counts, minlength=n + 1)[: n + 1] / masks
        expected = 100 * binom.pmf(k, n, 1 - p)
        top = 1.35 * max(share.max(), expected.max())
        chart.stairs(share, np.arange(n + 2) - 0.5, fill=True, color=plot.SKY, label="your masks")
        chart.plot(k, expected, ".", color=plot.INK, markersize=4, label="binomial")
        chart.vlines(kept, 0, top / 1.25, color=plot.ORANGE, linestyle="--", label="this mask")
        chart.set(xlim=(-1.5, n + 1.5), ylim=(0, top), xlabel="units kept", ylabel="masks, %")
        chart.set_title(f"{masks} masks keep {counts.min()} to {counts.max()} units")
        chart.legend(
            ncols=3, loc="upper center", fontsize=9, columnspacing=1, handlelength=1.2, borderpad=0
        )
        return (
            f"This mask keeps {kept} of {n} units at p = {p:.2f}. Over {masks} of your masks the "
            f"number kept is {counts.mean():.1f} ± {counts.std():.1f}; the binomial says "
            f"{n * (1 - p):.1f} ± {np.sqrt(n * p * (1 - p)):.1f}."
        )

    return Explorer(
        draw,
        size=(9.5, 2.6),
        p=slider("drop probability p", 0.5, 0.0, 1.0, 0.05),
        digit=slider("digit", 3, 0, 9, 1),
        draw=slider("another draw", 0, 0, 20, 1),
    )
