"""Sequences: units and words through time, under four ways to drop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider

UNITS, WORDS = 40, 5


def masks_over_time(
    locked_dropout: Callable, embedding_dropout: Callable, zoneout: Callable
) -> Explorer:
    """Explore four ways to drop 40 units through time; p, time steps, draw."""

    @torch.no_grad()
    def draw(figure: Figure, p: float, steps: int, draw: int) -> str:
        generator = torch.Generator().manual_seed(draw)
        ones, unit = torch.ones(steps, 1, UNITS), torch.ones(1, UNITS)
        naive = torch.rand(steps, UNITS, generator=generator).numpy() >= p
        locked = locked_dropout(ones, p, generator)[:, 0].numpy() != 0
        renewed = [zoneout(0 * unit, unit, p, generator)[0].numpy() != 0 for _ in range(steps)]
        tokens = torch.randint(WORDS, (steps,), generator=generator)
        table = torch.ones(WORDS, UNITS)
        shown = embedding_dropout(table, tokens, p, generator).numpy() != 0

        always = [np.logical_and.accumulate(grid) for grid in (naive, locked)]
        grids = (
            (1 * naive + always[0], (plot.PALE, "#F5C9AE", plot.ORANGE), "A new mask each step"),
            (1 * locked + always[1], (plot.PALE, "#B3D4E8", plot.BLUE), "Your locked mask"),
            (np.array(renewed) + 1, (plot.PALE, "#B2DFD2", plot.GREEN), "Your zoneout"),
            (
                shown * (tokens.numpy() + 1)[:, None],
                (plot.PALE, plot.BLUE, plot.ORANGE, plot.GREEN, plot.PINK, plot.SKY),
                f"Your words, {WORDS} of them",
            ),
        )
        axes = figure.subplots(1, 4)
        figure.subplots_adjust(left=0.04, right=0.99, bottom=0.17, top=0.88, wspace=0.09)
        for ax, (grid, colors, title) in zip(axes, grids, strict=True):
            ax.imshow(grid.T, cmap=ListedColormap(colors), vmin=0, vmax=len(colors) - 1,
                      aspect="auto", extent=(0.5, steps + 0.5, UNITS, 0))  # fmt: skip
            ax.set(title=title, xlabel="time step", xticks=(1, steps), yticks=())
        axes[0].set_ylabel(f"{UNITS} units or features")
        through = [int(grid[-1].sum()) for grid in always]
        words = len(set(tokens.tolist()))
        gone = len({int(k) for k, there in zip(tokens, shown, strict=True) if not there.any()})
        return (
            f"p = {p:.2f}, {steps} steps: with a new mask at each step {through[0]} of {UNITS} "
            f"units are let through in every step (expected {UNITS * (1 - p) ** steps:.1f}), with "
            f"your locked mask {through[1]}. Your zoneout renews a unit in "
            f"{100 * np.mean(renewed):.0f} % of the steps, and sets none to zero. Of {words} words "
            f"that occur your embedding dropout drops {gone}, wherever they stand."
        )

    return Explorer(
        draw,
        size=(9.5, 2.9),
        p=slider("p", 0.25, 0.0, 0.9, 0.05),
        steps=slider("time steps", 20, 2, 60, 1),
        draw=slider("draw", 1, 0, 20, 1),
    )
