"""Noise: the noise of four variants, matched in variance, in one unit and between two."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from dropoutlab.explore.explorer import Explorer, again, choice, grid

SAMPLES, SHOWN, DRAWS, EDGES = 1200, 120, 2, 40
SELU = 1.0507009873554805, 1.6732632423543772  # lambda, alpha
INPUTS = (2, 3, 4, 6, 8, 16, 32, 64)


def noise(
    gaussian_dropout: Callable[..., torch.Tensor],
    dropconnect_linear: Callable[..., torch.Tensor],
    alpha_dropout: Callable[..., torch.Tensor],
) -> Explorer:
    """Explore the noise in two pre-activations; p of the coin, inputs, another draw."""
    rates = grid("drop probability p of the coin", 0.5, 0.1, 0.8, 0.1)

    def drawn(p: float, inputs: int, draw: int) -> list[np.ndarray]:
        """Noise (SAMPLES, 2) over its right deviation: coin, Gaussian, DropConnect, alpha."""
        generator = torch.Generator().manual_seed(draw)
        x = torch.randn(inputs, generator=generator)
        x = (x - x.mean()) / x.std(correction=0)  # mean 0 and variance 1, as alpha dropout wants
        rows, weights = x.expand(SAMPLES, inputs), torch.full((2, inputs), inputs**-0.5)
        odds, least = p / (1 - p), -SELU[0] * SELU[1]
        matched = odds / (1 + least**2)  # the odds at which alpha dropout is as noisy
        rate = matched / (1 + matched)
        a = (1 - rate + least**2 * rate * (1 - rate)) ** -0.5
        coins = (torch.rand(rows.shape, generator=generator) >= p) / (1 - p)
        units = (
            (rows * coins) @ weights.T,
            gaussian_dropout(rows, p, generator) @ weights.T,
            dropconnect_linear(rows, weights, torch.zeros(2), p, generator),
            alpha_dropout(rows, rate, generator) @ weights.T / (a * (1 - rate)),
        )
        return [np.asarray(unit, float) / odds**0.5 for unit in units]  # signal 0: noise alone

    def table() -> dict[str, np.ndarray]:
        edges = np.linspace(-3.5, 3.5, EDGES + 1)
        heights, spreads, alike, points = [], [], [], []
        for place in np.ndindex(len(rates.values), len(INPUTS), DRAWS):
            all_four = drawn(float(rates.values[place[0]]), INPUTS[place[1]], place[2])
            heights.append([np.histogram(unit[:, 0], edges)[0] for unit in all_four])
            spreads.append([unit[:, 0].std() for unit in all_four])
            pair = all_four[0], all_four[2]
            alike.append([np.corrcoef(unit.T)[0, 1] for unit in pair])
            points.append([np.clip(unit[:SHOWN], -3.5, 3.5) * 9000 for unit in pair])
        shape = (len(rates.values), len(INPUTS), DRAWS)
        tables = {
            "spreads": np.reshape(spreads, (*shape, 4)),
            "alike": np.reshape(alike, (*shape, 2)),
        }
        tables["heights"] = np.reshape(heights, (*shape, 4, EDGES)).astype(np.uint16)
        tables["points"] = np.reshape(points, (*shape, 2, SHOWN, 2)).astype(np.int16)
        return tables

    inputs = choice("inputs of a unit", 4, INPUTS)
    return Explorer("noise", table, p=rates, inputs=inputs, draw=again("Another draw", DRAWS))
