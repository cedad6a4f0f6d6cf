"""Dropout as a regulariser: what it punishes, in the plane of two weights, against plain L2."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider

ROWS, REACH, HALF = 30, 3.0, 15
STEPS = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0])


def penalty(
    dropout_ridge: Callable[..., np.ndarray], logistic_penalty: Callable[..., float]
) -> Explorer:
    """Explore both penalties on two weights; p, and the second feature: unit, rarity, relation."""
    noise = np.random.default_rng(0).normal(size=(ROWS, 3))
    noise -= noise.mean(0)
    basis = np.linalg.qr(noise)[0] * np.sqrt(ROWS)  # mean square 1, uncorrelated
    turn = np.linspace(0, 2 * np.pi, 73)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    axis = np.linspace(-REACH, REACH, 2 * HALF + 1)

    def draw(figure: Figure, p: float, unit: float, absent: int, correlation: float) -> str:
        second = correlation * basis[:, 0] + np.sqrt(1 - correlation**2) * basis[:, 1]
        second = np.where(np.arange(ROWS) >= absent, second, 0)
        X = np.column_stack([basis[:, 0], unit * second])
        y = X @ [2.0, 1.0 / unit] + 0.5 * basis[:, 2]

        # The squared loss: the level of the penalty through the minimiser, and L2's circle.
        path = np.array([dropout_ridge(X, y, q) for q in np.linspace(0, 0.98, 15)])
        best = np.asarray(dropout_ridge(X, y, p), dtype=float)
        values, vectors = np.linalg.eigh(X.T @ X)
        strength = np.geomspace(1e-2, 1e4, 200)[:, None]
        plain = ((vectors.T @ (X.T @ y)) / (values + strength)) @ vectors.T
        length = np.hypot(*plain.T)
        match = [np.interp(np.hypot(*best), length[::-1], weight[::-1]) for weight in plain.T]

        prices = (X**2).sum(0)
        radius = np.sqrt(prices @ best**2 / (circle**2 @ prices))
        scale = np.array([1, unit])  # what a weight does, whatever the feature's unit

        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.07, right=0.98, bottom=0.13, top=0.9, wspace=0.15)
        ellipse = circle * radius[:, None] * scale
        left.fill(*ellipse.T, color=plot.SKY, alpha=0.3)
        left.plot(*(circle * np.hypot(*match) * scale).T, color=plot.ORANGE, linestyle=":")
        left.plot(*(plain * scale).T, color=plot.ORANGE, linewidth=3)
        left.plot(*(match * scale), "s", color=plot.ORANGE, markersize=10)
        left.plot(*(path * scale).T, color=plot.BLUE, linewidth=1.2)
        left.plot(*(best * scale), "o", color=plot.BLUE, markersize=6)
        left.set_title("Squared loss: blue dropout, orange L2")

        # The logistic loss: the penalty is the same at w and at -w, so half of it is asked.
        half = [[logistic_penalty(np.array([a, b]), X, p) for a in axis] for b in axis[: HALF + 1]]
        grid = np.array(half, dtype=float)
        grid = np.vstack([grid, grid[-2::-1, ::-1]])
        right.contourf(axis, axis, grid, grid.max() * STEPS, cmap="Blues")
        right.plot(*(2 * circle).T, color=plot.ORANGE, linestyle=":")
        right.set_title("Logistic penalty: darker is dearer")
        for ax in (left, right):
            ax.set(xlabel="weight 1", xlim=(-REACH, REACH), ylim=(-REACH, REACH),
                   xticks=(-2, 0, 2), yticks=(-2, 0, 2), aspect="equal")  # fmt: skip
        left.set_ylabel("weight 2 × its feature's size", labelpad=0)

        on_circle = [logistic_penalty(2 * w, X, p) for w in circle[:36:3]]
        return (
            f"At p = {p:.2f} dropout takes the weights to ({best[0]:.2f}, {best[1]:.2f}); L2, "
            f"shrinking as much, to ({match[0]:.2f}, {match[1]:.2f}). On the dotted circle at the "
            f"right L2 is constant; your logistic penalty goes from {min(on_circle):.1f} to "
            f"{max(on_circle):.1f}."
        )

    return Explorer(
        draw,
        size=(7.6, 3.9),
        p=slider("drop probability p", 0.5, 0.05, 0.95, 0.05),
        unit=slider("second feature times", 1.0, 0.4, 3.0, 0.1),
        absent=slider("rows without it, of 30", 0, 0, 27, 1),
        correlation=slider("correlation", 0.0, -0.9, 0.9, 0.1),
    )
