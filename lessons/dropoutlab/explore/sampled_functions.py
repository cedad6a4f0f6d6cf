"""Uncertainty: a regression with dropout, and the functions that its passes draw."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider
from dropoutlab.stacked import adam, descend, dropped

RATES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
GAPS = (0.0, 0.3, 0.6)
HIDDEN = 48


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
    grid = torch.linspace(-2, 2, 81)[None]
    at = grid[0].numpy()
    truth = np.sin(4 * at)

    def draw(figure: Figure, rate: int, gap: int, passes: int) -> str:
        which, p, shown = gap * len(RATES) + rate, RATES[rate], min(passes, 20)
        x, y, _ = trained()
        model = network(which, p)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rate)  # the same values give the same picture
            mean, variance = mc_predict(model, grid, passes)
            with torch.no_grad(), enable_dropout(model):
                drawn = torch.cat([model(grid) for _ in range(shown)])
        middle, spread = (np.asarray(v.detach()).ravel() for v in (mean, variance.sqrt()))

        ax = figure.subplots()
        figure.subplots_adjust(left=0.07, right=0.98, bottom=0.16, top=0.89)
        band = middle - 2 * spread, middle + 2 * spread
        ax.fill_between(at, *band, color=plot.SKY, alpha=0.35, linewidth=0)
        lines = np.pad(drawn, ((0, 0), (0, 1)), constant_values=np.nan)  # one line with gaps
        ax.plot(np.tile([*at, np.nan], shown), lines.ravel(), color=plot.BLUE, linewidth=0.4)
        ax.plot(at, middle, color=plot.BLUE, linewidth=2)
        ax.plot(at, truth, color=plot.GREY, linestyle="--")
        ax.plot(x[which], y[which], ".", color=plot.INK, markersize=4)
        ax.set(xlabel="x", ylabel="y", xlim=(-2, 2), ylim=(-4, 4))
        some = f"{passes} passes" if passes > 1 else "1 pass"
        some += f" ({shown} drawn)" if shown < passes else ""
        ax.set_title(f"p = {p:g}: mean ± 2 standard deviations of {some}; the truth is dashed")
        data = (abs(at) > GAPS[gap]) & (abs(at) < 1)
        far = abs(at) > 1.2
        missed = np.mean(abs(truth - middle)[far] > 2 * spread[far])
        return (
            f"At p = {p:g} the standard deviation is {spread[data].mean():.2f} where data lie, "
            f"{spread[abs(at) < 0.1].mean():.2f} around 0 and {spread[far].mean():.2f} far outside,"
            f" where the band misses the truth at {missed:.0%} of the places."
        )

    return Explorer(
        draw,
        size=(8, 3.2),
        rate=slider("drop rate, in steps", 2, 0, len(RATES) - 1, 1),
        gap=slider("gap in the data, in steps", 1, 0, len(GAPS) - 1, 1),
        passes=slider("passes k", 50, 1, 100, 1),
    )
