"""The networks of 2.5 and 2.6: are their coins, their pruning and their bands what they say?"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dropoutlab import forecasters, learned


def test_each_layer_draws_coins_of_its_own():
    """Does no layer of a network that learns its rates see the masks of another?"""
    drawn: list[Tensor] = []

    def mask(p: Tensor, shape: tuple[int, ...], temperature: float, source: object) -> Tensor:
        drawn.append(torch.rand(shape, generator=source))  # type: ignore[arg-type]
        return (drawn[-1] >= p).float()

    x, y = forecasters.curve(30, [0])
    learned.curves(x, y, seen=[30], start=[0.3], mask=mask, steps=2)
    assert len(drawn) == 4  # two layers in two steps
    assert len({tuple(one.flatten().tolist()) for one in drawn}) == 4


@pytest.mark.parametrize("steps", [130, 200])
def test_as_many_weights_are_left_as_asked(steps: int):
    """Has each network the number of weights that was asked for, whatever the steps?"""
    X, y = torch.randn(40, 6), torch.arange(40) % 10

    def largest(weights: Tensor, count: int) -> Tensor:
        return weights * (weights.abs() >= weights.abs().sort(descending=True).values[count - 1])

    nets = learned.pruned(X, y, [17, 40], largest, seeds=[0, 1], steps=steps, batch=8, hidden=5)
    assert [sum(int((w[i] != 0).sum()) for w in nets.weights) for i in (0, 1)] == [17, 40]


def test_the_exact_band_is_a_posterior():
    """Does the band narrow with each point seen, and cover the truth where data lie?"""
    x, y = forecasters.curve(300, range(20))
    at = torch.linspace(0.5, 0.9, 9)[:, None]
    covered, widths = [], []
    for few in (30, 300):
        bands = [forecasters.exact_band(x[k, :few], y[k, :few], at) for k in range(20)]
        mean, deviation = (torch.stack(part) for part in zip(*bands, strict=True))
        widths.append(deviation)
        covered.append(((mean - torch.sin(4 * at)).abs() < 3 * deviation).double().mean())
    assert (widths[1] < widths[0]).all()
    assert covered[0] > 0.9
