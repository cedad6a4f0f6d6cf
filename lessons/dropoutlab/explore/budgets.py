"""Overfitting: what dropout changes, by width, number of images and number of steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import plot, studies
from dropoutlab.explore.explorer import Explorer, slider
from dropoutlab.studies import overfitting


def budgets(
    paired_difference: Callable[..., tuple[float, float, float]],
    choose_rate: Callable[..., tuple[float, float]],
) -> Explorer:
    """Explore the test error against p in the lesson's study; steps and training images."""
    kept = studies.kept("overfitting")

    def draw(figure: Figure, steps: int, images: int) -> str:
        many, n = overfitting.STEPS[steps], overfitting.IMAGES[images]
        upper, lower = figure.subplots(2, 2, height_ratios=(3, 2), sharex=True)
        figure.subplots_adjust(left=0.09, right=0.98, bottom=0.12, top=0.92, wspace=0.2, hspace=0.1)
        told = []
        for over, under, width in zip(upper, lower, overfitting.WIDTHS, strict=True):
            cell = kept[f"map {width} {n} {many}"]
            rates, test = np.array(cell["p"]), np.array(cell["test"])
            seen = zip(cell["p"], cell["validation"], cell["test"], strict=True)
            runs = {p: (shown, lambda new=new: new) for p, shown, new in seen}
            chosen, error = choose_rate(runs)
            over.plot(rates, test, color=plot.SKY, linewidth=1)
            over.plot(rates, test.mean(1), "o-", color=plot.BLUE)
            over.plot(chosen, error, "x", color=plot.INK, markersize=12, markeredgewidth=2)
            over.set(ylim=(0, 80 if width == overfitting.WIDTHS[0] else 40))
            over.set_title(f"{width} units")
            under.axhline(0, color=plot.INK, linewidth=1)
            for p, errors in zip(rates[1:], test[1:], strict=True):
                mean, low, high = paired_difference(errors, test[0])
                color = plot.ORANGE if low > 0 else plot.BLUE if high < 0 else plot.GREY
                under.plot([p, p], [low, high], color=color, linewidth=3)
                under.plot(p, mean, "o", color=color)
            under.set(xlabel="drop probability p", xticks=overfitting.RATES)
            told.append(f"{width} units choose p = {chosen:g}, {error:.1f} % test error")
        upper[0].set_ylabel("test error, %")
        lower[0].set_ylabel("points added")
        return f"{n} images, {many} steps ({many * 64 / n:.3g} epochs): {'; '.join(told)}."

    steps, images = (", ".join(map(str, told)) for told in (overfitting.STEPS, overfitting.IMAGES))
    return Explorer(
        draw,
        size=(9, 4),
        steps=slider(f"steps: {steps}", 0, 0, len(overfitting.STEPS) - 1, 1),
        images=slider(f"images: {images}", 1, 0, len(overfitting.IMAGES) - 1, 1),
    )
