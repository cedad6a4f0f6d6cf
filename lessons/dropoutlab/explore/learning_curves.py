"""Overfitting: learning curves over p, width and the number of training images."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import data, plot, train
from dropoutlab.explore.explorer import Explorer, slider

RATES, WIDTHS, IMAGES, SEEDS = np.arange(5) / 5, (4, 6, 8), (6, 8, 10), 3
"""Drop probabilities, powers of two of the hidden units and of the images, runs of each."""


@cache
def trained() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Steps (moments,), and log losses and test error (widths, images, rates, seeds, moments)."""
    X, y, X_test, y_test = data.digits()
    test = X_test.reshape(len(X_test), -1), y_test
    n, p, seed = (
        a.ravel() for a in np.meshgrid([2**k for k in IMAGES], RATES, range(SEEDS), indexing="ij")
    )
    runs = [
        train.many(X.reshape(len(X), -1), y, [2**k], seeds=seed, rows=n, p=p, rate=0.03,
                   steps=400, batch=32, every=20, watch={"test": test})
        for k in WIDTHS
    ]  # fmt: skip
    shape = len(WIDTHS), len(IMAGES), len(RATES), SEEDS, -1
    curves = {name: np.reshape([r.loss[name] for r in runs], shape) for name in ("train", "test")}
    curves["error"] = 100 * np.reshape([r.error["test"] for r in runs], shape)
    return runs[0].steps, curves


def learning_curves(
    early_stopping: Callable[..., tuple[int, int]], generalisation_gap: Callable[..., np.ndarray]
) -> Explorer:
    """Explore loss and error while small networks train on the digits; p, width, images."""
    steps, curves = trained()

    def draw(figure: Figure, p: float, width: int, images: int) -> str:
        at = [
            int(np.argmin(np.abs(np.asarray(grid) - value)))
            for grid, value in ((WIDTHS, width), (IMAGES, images), (RATES, p))
        ]
        own = {name: values[tuple(at)] for name, values in curves.items()}
        mean = {name: values.mean(0) for name, values in own.items()}
        best, _ = early_stopping(mean["test"], 5)
        gap = generalisation_gap(own["train"], own["test"])[:, -1]

        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.08, right=0.98, bottom=0.17, top=0.88, wspace=0.2)
        for ax, name, color in (
            (left, "train", plot.ORANGE),
            (left, "test", plot.BLUE),
            (right, "error", plot.BLUE),
        ):
            runs = np.pad(own[name], ((0, 0), (0, 1)), constant_values=np.nan)  # one line, broken
            ax.plot(
                np.tile([*steps, np.nan], SEEDS), runs.ravel(), color=color, alpha=0.3, linewidth=1
            )
            ax.plot(steps, mean[name], color=color, linewidth=2)
        for place, name, color in ((0.64, "train", plot.ORANGE), (0.8, "test", plot.BLUE)):
            left.annotate(name, (place, 0.9), xycoords="axes fraction", color=color)
        for ax in (left, right):
            ax.axvline(steps[best], color=plot.GREY, linestyle="--", linewidth=1)
            ax.set(xlabel="step", xticks=(0, 200, 400))  # few labels: each takes a millisecond
        left.set(ylim=(0, 2.4), yticks=(0, 1, 2), title="Log loss, nats (dashed: step kept)")
        right.set(ylim=(0, 100), yticks=(0, 50, 100), title="Test error, %")
        end = mean["error"][-1], own["error"][:, -1].std(ddof=1) / SEEDS**0.5
        return (
            f"{2 ** WIDTHS[at[0]]} units, {2 ** IMAGES[at[1]]} images, p = {RATES[at[2]]:.1f}: "
            f"test error {end[0]:.1f} ± {end[1]:.1f} % at the end, {mean['error'][best]:.1f} % "
            f"where stopping early keeps it (step {steps[best]}); gap {gap.mean():.2f} nats."
        )

    return Explorer(
        draw,
        size=(9, 3),
        p=slider("drop probability p", 0.0, 0.0, 0.8, 0.2),
        width=slider("hidden units 2^k, k", WIDTHS[1], WIDTHS[0], WIDTHS[-1], 2),
        images=slider("training images 2^k, k", IMAGES[0], IMAGES[0], IMAGES[-1], 2),
    )
