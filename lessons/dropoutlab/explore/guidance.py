"""Dropout today: points on a ring, drawn from noise under guidance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dropoutlab import plot, stacked, today
from dropoutlab.explore.explorer import Explorer, slider

LOST = (0.0, 0.02, 0.1, 0.3)
"""Probabilities that a label is dropped in training, of which one is chosen."""
EACH, STEPS = 60, 30
"""Points of each class; steps from noise to a point."""
COLORS = (plot.BLUE, plot.ORANGE, plot.GREEN, plot.PINK, plot.SKY, plot.INK, "#E69F00", "#B8A900")


def draw_points(ax: Axes, points: Tensor, labels: Tensor) -> None:
    """Points (n, 2) in the colours of their classes, and a circle for each class."""
    for k, color in enumerate(COLORS):
        ax.plot(*points[labels == k].T.numpy(), ".", color=color, markersize=4, alpha=0.8)
        for r in (1, 2):
            turn = torch.linspace(0, 6.2832, 49)
            centre = today.CENTRES[k]
            x, y = (
                centre[i] + r * today.SPREAD * f(turn) for i, f in enumerate((torch.cos, torch.sin))
            )
            ax.plot(x, y, color=color, linewidth=0.7, linestyle="-" if r == 1 else ":")
    ax.set(xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal", xticks=(), yticks=())
    ax.spines[:].set_visible(False)


def guidance(
    drop_condition: Callable[..., Tensor], guided: Callable[[Tensor, Tensor, float], Tensor]
) -> Explorer:
    """Explore guidance: the weight w, the steps taken, the share of labels dropped in training."""
    labels = torch.arange(EACH * today.CLASSES) % today.CLASSES
    start = torch.randn(len(LOST), len(labels), 2, generator=stacked.seeded(5))
    trained: list[today.Denoisers] = []

    def draw(figure: Figure, w: float, taken: int, lost: int) -> str:
        if not trained:
            trained.append(today.Denoisers(drop_condition, LOST))
        how: dict[str, Any] = {"labels": labels, "steps": STEPS, "taken": taken}
        by_net = today.sampled(trained[0].noise, guided, w, start=start, **how)[lost]
        exact = today.sampled(today.exact_noise, guided, w, start=start[lost], **how)

        axes = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.02, right=0.98, bottom=0.02, top=0.9, wspace=0.02)
        told = []
        for ax, points, name in zip(axes, (by_net, exact), ("trained", "exact"), strict=True):
            draw_points(ax, points, labels)
            home, wide = today.at_home(points, labels), today.scatter(points, labels)
            told.append(f"{home:.0f} % at home, spread {wide:.2f}")
            ax.set_title(f"The {name} noise: {told[-1]}")
        return (
            f"With w = {w:g} after {taken} of {STEPS} steps, {LOST[lost]:.0%} of labels dropped: "
            f"{told[0]} with the trained networks, {told[1]} with the exact noise. The data: "
            f"spread {today.SPREAD:g}."
        )

    return Explorer(
        draw,
        size=(9, 4.6),
        w=slider("guidance weight w", 1.0, 0.0, 8.0, 0.25),
        taken=slider("steps taken", 3 * STEPS // 4, 0, STEPS, 1),
        lost=slider("labels dropped: 0, 2, 10, 30 %", 2, 0, len(LOST) - 1, 1),
    )
