"""Bernoulli masks: a digit under a mask, and how many units masks keep."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from dropoutlab import data, plot
from dropoutlab.expect import binomial
from dropoutlab.explore.explorer import Explorer, slider

CELL = 9  # pixels of the picture for one of the digit


def thinned_digit(bernoulli_mask: Callable[..., np.ndarray]) -> Explorer:
    """Explore one digit under one mask, and the number kept by many; p, digit, another draw."""
    X, y, _, _ = data.digits()
    samples = [X[y == digit][0] for digit in range(10)]
    n, masks = X[0].size, 500

    def draw(figure: Figure, p: float, digit: int, draw: int) -> str:
        rng = np.random.default_rng(draw)
        mask = np.asarray(bernoulli_mask((8, 8), p, rng), dtype=float)
        kept = int(np.count_nonzero(mask))
        counts = np.asarray(bernoulli_mask((masks, n), p, rng)).astype(bool).sum(1)

        left = figure.add_axes((0.01, 0.21, 0.576, 0.63))
        tiles = (_grey(samples[digit]), _coins(mask), _grey(samples[digit] * mask))
        gap = np.ones((8 * CELL, 2 * CELL, 3))
        left.imshow(np.hstack([tiles[0], gap, tiles[1], gap, tiles[2]]), aspect="auto")
        left.set_axis_off()
        titles = (f"A digit: {n} units", f"Your mask keeps {kept}", "What is passed on")
        for i, (title, sign) in enumerate(zip(titles, ("", "⊙", "="), strict=True)):
            left.text(10 * i * CELL, -0.4 * CELL, title, size=11)
            left.text((10 * i - 1) * CELL, 4 * CELL, sign, ha="center", va="center", size=14)
        chart = figure.add_axes((0.665, 0.21, 0.32, 0.63))

        k = np.arange(n + 1)
        share = 100 * np.bincount(counts, minlength=n + 1)[: n + 1] / masks
        expected = 100 * binomial.probabilities(k.tolist(), n, 1 - p)
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


def _grey(image: np.ndarray) -> np.ndarray:
    """An image as colours, ink on paper in a pale frame."""
    tile = np.kron(1 - image, np.ones((CELL, CELL)))[..., None].repeat(3, -1)
    tile[[0, -1]] = tile[:, [0, -1]] = to_rgb(plot.PALE)
    return tile


def _coins(mask: np.ndarray) -> np.ndarray:
    """A mask as colours, its entries apart."""
    entries = np.where(mask[..., None] != 0, to_rgb(plot.KEPT), to_rgb(plot.DROPPED))
    tile = np.kron(entries, np.ones((CELL, CELL, 1)))
    tile[::CELL] = tile[:, ::CELL] = 1
    return tile
