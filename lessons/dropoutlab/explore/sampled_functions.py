"""Uncertainty: a regression with dropout, and the functions that its passes draw."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import nn

from dropoutlab.explore.explorer import Explorer, choice
from dropoutlab.stacked import adam, descend, dropped

RATES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
GAPS = (0.0, 0.3, 0.6)
HIDDEN, PASSES, SHOWN = 48, (2, 5, 20, 100), 16


@cache
def trained() -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """x and y (networks, 60), and the weights of one network for each gap and rate."""
    source = torch.Generator().manual_seed(10)
    gap = torch.tensor(GAPS).repeat_interleave(len(RATES))[:, None]
    p = torch.tensor(RATES).repeat(len(GAPS))[:, None, None]
    unit = torch.rand(1, 60, generator=source) * 2 - 1
    x = unit.sign() * (gap + (1 - gap) * unit.abs())
    y = torch.sin(4 * x) + 0.1 * torch.randn(1, 60, generator=source)

    shapes = ((1, HIDDEN), (1, HIDDEN), (HIDDEN, HIDDEN), (1, HIDDEN), (HIDDEN, 1), (1, 1))
    weights = [
        torch.randn(len(p), *shape, generator=source) * (0.0 if i % 2 else (2 / shape[0]) ** 0.5)
        for i, shape in enumerate(shapes)
    ]
    for weight in weights:
        weight.requires_grad_()

    def loss(step: int) -> torch.Tensor:
        h = x[..., None]
        for i in (0, 2):
            h = torch.relu(h @ weights[i] + weights[i + 1])
            h = dropped(h, torch.rand(h.shape, generator=source), p)
        return (h @ weights[4] + weights[5] - y[..., None]).square().mean((1, 2)).sum()

    descend(loss, adam(weights, 0.01), steps=400)
    return x, y, [weight.detach() for weight in weights]


class Affine(nn.Module):
    """W x + b for columns x: what stands in a row is one unit at every x."""

    def __init__(self, W: torch.Tensor, b: torch.Tensor):
        super().__init__()
        self.W, self.b = W, b

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.addmm(self.b, self.W, x)


def network(which: int, p: float) -> nn.Sequential:
    """The trained network number `which`, in evaluation, for inputs of shape (1, places).

    Its nn.Dropout1d drops a unit at all places or at none: so each pass is one function of x.
    """
    weights = [weight[which].T for weight in trained()[2]]
    layers: list[nn.Module] = []
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        layers += [Affine(W, b), nn.ReLU(), nn.Dropout1d(p)]
    return nn.Sequential(*layers[:-2]).eval()


def sampled_functions(
    enable_dropout: Callable, mc_predict: Callable[..., tuple[torch.Tensor, torch.Tensor]]
) -> Explorer:
    """Explore a band of MC dropout: p, the width of a gap in the data, the number of passes."""
    places = torch.linspace(-2, 2, 81)[None]
    p = choice("drop probability p", 0.1, RATES)
    gap = choice("gap in the data", 0.6, [2 * half for half in GAPS])
    k = choice("passes k", 20, PASSES)

    def table() -> dict[str, np.ndarray]:
        shape = (len(RATES), len(GAPS))
        lines, bands = np.empty((*shape, SHOWN, 81)), np.empty((*shape, len(PASSES), 2, 81))
        for place in np.ndindex(shape):
            model = network(place[1] * len(RATES) + place[0], RATES[place[0]])
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                torch.manual_seed(place[0])  # the same network gives the same passes
                for i, many in enumerate(PASSES):
                    mean, variance = mc_predict(model, places, many)
                    bands[*place, i] = np.reshape([mean, variance.sqrt()], (2, -1))
                with enable_dropout(model):
                    lines[place] = torch.cat([model(places) for _ in range(SHOWN)])
        x, y = (v.unflatten(0, shape[::-1])[:, 0] for v in trained()[:2])  # the same for each p
        return {"lines": lines[..., ::2], "bands": bands, "places": places[0], "x": x, "y": y}

    return Explorer("sampled_functions", table, p=p, gap=gap, k=k)
