"""Start here: an explorer to try explorers with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider


def scaled(scale: Callable[..., np.ndarray]) -> Explorer:
    """Explore `scale(x, factor)` on eight numbers."""
    x = np.array([1.0, 3.0, 2.0, -1.0, 0.5, -2.0, 1.5, 2.5])

    def draw(figure: Figure, factor: float) -> str:
        out = np.asarray(scale(x.copy(), factor), dtype=float)
        ax = figure.subplots()
        figure.subplots_adjust(left=0.09, right=0.98, bottom=0.18, top=0.9)
        ax.bar(range(8), x, width=0.8, color=plot.PALE, label="x")
        ax.bar(range(8), out, width=0.4, color=plot.BLUE, label="your scale(x, factor)")
        ax.axhline(0, color=plot.GREY, linewidth=0.8)
        ax.set(xlabel="entry", ylabel="value", ylim=(-9, 9), title=f"factor = {factor:g}")
        ax.legend(loc="lower left", ncols=2)
        return (
            f"With factor {factor:g} the sum of the entries goes from {x.sum():g} to {out.sum():g}."
        )

    return Explorer(draw, size=(7, 2.8), factor=slider("factor", 2.0, -3.0, 3.0, 0.25))
