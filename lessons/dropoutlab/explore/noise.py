"""Noise: the noise of four variants, matched in variance, in one unit and between two."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider

DRAWS = 1200
SELU = 1.0507009873554805, 1.6732632423543772  # lambda, alpha


def noise(
    gaussian_dropout: Callable[..., torch.Tensor],
    dropconnect_linear: Callable[..., torch.Tensor],
    alpha_dropout: Callable[..., torch.Tensor],
) -> Explorer:
    """Explore the noise in two pre-activations; p of the coin, inputs, another draw."""

    def draw(figure: Figure, p: float, inputs: int, draw: int) -> str:
        generator = torch.Generator().manual_seed(draw)
        x = torch.randn(inputs, generator=generator)
        x = (x - x.mean()) / x.std(correction=0)  # mean 0 and variance 1, as alpha dropout wants
        rows = x.expand(DRAWS, inputs)
        weights = torch.full((2, inputs), inputs**-0.5)

        odds, least = p / (1 - p), -SELU[0] * SELU[1]
        matched = odds / (1 + least**2)  # the odds at which alpha dropout is as noisy
        rate = matched / (1 + matched)
        a = (1 - rate + least**2 * rate * (1 - rate)) ** -0.5

        coins = (torch.rand(rows.shape, generator=generator) >= p) / (1 - p)
        units = {
            "coin on inputs": (rows * coins) @ weights.T,
            "Gaussian, yours": gaussian_dropout(rows, p, generator) @ weights.T,
            "DropConnect, yours": dropconnect_linear(rows, weights, torch.zeros(2), p, generator),
            "alpha, yours": alpha_dropout(rows, rate, generator) @ weights.T / (a * (1 - rate)),
        }
        noises = {name: np.asarray(y, float) for name, y in units.items()}  # signal 0: noise alone
        colors = plot.ORANGE, plot.GREEN, plot.BLUE, plot.PINK
        width, tick = 3.5 * odds**0.5, round(2 * odds**0.5, 1)
        ticks = (-tick, 0, tick)

        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        figure.subplots_adjust(left=0.165, right=0.98, bottom=0.16, top=0.9, wspace=0.24)
        edges = np.linspace(-width, width, 50)
        for row, (y, color) in enumerate(zip(noises.values(), colors, strict=True)):
            heights, _ = np.histogram(y[:, 0], edges)
            left.stairs(3 - row + 0.85 * heights / heights.max(), edges, baseline=3 - row,
                        fill=True, color=color)  # fmt: skip
        left.set_yticks([3.3, 2.3, 1.3, 0.3], list(noises))
        left.tick_params(axis="y", length=0)
        left.set(
            xlim=(-width, width), xticks=ticks, xlabel="noise in the pre-activation of one unit"
        )
        left.set_title(f"Variance {odds:.2f} each: a sum of {inputs} inputs")
        for name, color in (("DropConnect, yours", plot.BLUE), ("coin on inputs", plot.ORANGE)):
            right.plot(*noises[name][:400].T, ".", color=color, markersize=3)
        right.set(
            xlim=(-width, width),
            ylim=(-width, width),
            xticks=ticks,
            yticks=ticks,
            xlabel="noise in one unit",
            ylabel="… and in the other",
        )
        right.set_title("Coin: shared by two units")

        spreads = ", ".join(f"{y[:, 0].std():.2f}" for y in noises.values())
        shared, own = (
            np.corrcoef(noises[name].T)[0, 1] for name in ("coin on inputs", "DropConnect, yours")
        )
        return (
            f"At p = {p:.2f} all should have standard deviation {odds**0.5:.2f}: "
            f"{spreads} in {DRAWS} draws (alpha dropout at rate {rate:.3f}). "
            f"The two units' noise has correlation {shared:.2f} with a coin on inputs "
            f"and {own:.2f} with DropConnect."
        )

    return Explorer(
        draw,
        size=(9, 3.4),
        p=slider("drop probability p of the coin", 0.5, 0.05, 0.8, 0.05),
        inputs=slider("inputs of a unit", 4, 2, 64, 1),
        draw=slider("another draw", 0, 0, 20, 1),
    )
