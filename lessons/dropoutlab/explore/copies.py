"""Frontier: what is left of a bit that units copy, and of all bits that twelve units carry."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider
from dropoutlab.frontier import survives

UNITS, DRAWS = 12, 400


def copies() -> Explorer:
    """Explore the information kept by copies of a bit; p, copies, another draw."""

    def draw(figure: Figure, p: float, k: int, draw: int) -> str:
        counts = np.arange(1, UNITS + 1)
        kept = survives(p, counts)
        masks = np.random.default_rng(draw).random((DRAWS, k)) >= p
        found = masks.any(1).mean()

        left, middle, right = figure.subplots(1, 3, width_ratios=(2, 3, 3))
        figure.subplots_adjust(left=0.05, right=0.98, bottom=0.17, top=0.88, wspace=0.3)
        plot.mask(masks[:12], left)
        left.set(xlabel="copy", ylabel="12 draws of the masks", title=f"{k} of one bit")
        middle.plot(counts, 100 * kept, "o-", color=plot.SKY, markersize=4)
        middle.plot(k, 100 * found, "o", color=plot.BLUE, markersize=9)
        middle.axhline(99, color=plot.GREY, linestyle="--", linewidth=1)
        middle.set(xlabel="copies of a bit", ylabel="of the bit, %", ylim=(0, 108))
        middle.set_title(f"{survives(p, k):.1%} survives")
        total = UNITS / counts * kept
        right.plot(counts, total, "o-", color=plot.SKY, markersize=4)
        right.plot(k, total[k - 1], "o", color=plot.BLUE, markersize=9)
        right.set(xlabel="copies of a bit", ylabel="bits in all", ylim=(0, UNITS))
        right.set_title(f"{UNITS} units: {total[k - 1]:.2f} bits survive")
        return (
            f"At p = {p:.2f}, {survives(p, k):.2%} of a bit with {k} "
            f"{'copies' if k > 1 else 'copy'} survives ({found:.1%} in {DRAWS} draws); "
            f"{UNITS} units keep {total[k - 1]:.2f} bits in all."
        )

    return Explorer(
        draw,
        size=(9, 2.8),
        p=slider("drop probability p", 0.3, 0.05, 0.9, 0.05),
        k=slider("copies k of a bit", 3, 1, 12, 1),
        draw=slider("another draw", 0, 0, 20, 1),
    )
