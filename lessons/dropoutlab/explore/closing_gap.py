"""Start here: training and test error of a wide network, against the rate of dropout."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider


def closing_gap(rates: np.ndarray, wrong: np.ndarray, errors: Mapping[str, np.ndarray]) -> Explorer:
    """Explore the "train" and the "test" error in percent, (wrong, rates, runs); p, wrong labels.

    rates : the drop probabilities; wrong : the shares of wrong labels, in percent; both in order
    """
    top = 1.05 * max(runs.max() for runs in errors.values())

    def draw(figure: Figure, p: float, share: int) -> str:
        i, k = (
            int(np.argmin(np.abs(grid - value))) for grid, value in ((wrong, share), (rates, p))
        )
        train, test = errors["train"][i], errors["test"][i]
        gap, change = (plot.difference(test[k], other[j]) for other, j in ((train, k), (test, 0)))

        ax = figure.subplots()
        figure.subplots_adjust(left=0.08, right=0.86, bottom=0.17, top=0.9)
        ends = train[k].mean(), test[k].mean()
        ax.vlines(rates[k], *ends, color=plot.PALE, linewidth=14, zorder=0)
        for runs, name, height, color in (
            (train, "own images", 0.5, plot.ORANGE),
            (test, "new digits", 0.62, plot.BLUE),
        ):
            past, seen = rates[: k + 1], runs[: k + 1]  # what lies ahead is left to be guessed
            ax.plot(np.repeat(past, runs.shape[1]), seen.ravel(), ".", color=color, alpha=0.4)
            ax.plot(past, seen.mean(1), color=color)
            ax.plot(rates[k], runs[k].mean(), "o", color=color, markersize=9)
            ax.annotate(name, (1.02, height), xycoords="axes fraction", color=color)
        ax.set(xlabel="drop probability p", ylabel="error, %", ylim=(-2, top), xlim=(-0.04, 0.94))
        ax.set_title(
            f"p = {rates[k]:.1f}, {wrong[i]:.0f} % of the labels wrong: gap {gap:.1f} points"
        )
        told = (
            f"At p = {rates[k]:.1f} the network misreads {test[k].mean():.1f} ± "
            f"{plot.standard_error(test[k]):.1f} % of the new digits, and disagrees with "
            f"{train[k].mean():.1f} ± {plot.standard_error(train[k]):.1f} % of the labels that it "
            "learned from. "
        )
        if k == 0:
            return told + "This is the network without dropout."
        return told + change.says(
            less=f"It misreads fewer new digits than at p = 0: {change:.1f} points.",
            more=f"It misreads more new digits than at p = 0: {change:.1f} points.",
            same=f"On new digits it cannot be told from p = 0: {change:.1f} points.",
        )

    return Explorer(
        draw,
        size=(8, 3.2),
        p=slider("drop probability p", 0.0, 0.0, 0.9, 0.1),
        share=slider("wrong labels, %", 20, 0, 40, 20),
    )
