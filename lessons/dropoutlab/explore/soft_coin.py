"""Learned rates: a soft mask, and the estimates of a slope that it gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider

UNITS = torch.tensor([0.6, 1.3, 0.8, 1.1, 0.9, 1.4, 0.7, 1.2])
GOAL = 3.0
ESTIMATES = 200


def loss(masks: Tensor) -> Tensor:
    """(Σ a m - b)² of masks (…, 8)."""
    return ((masks * UNITS).sum(-1) - GOAL).square()


def exact(p: float) -> float:
    """The slope of the mean loss over hard masks, from its mean and variance."""
    total, squares = float(UNITS.sum()), float(UNITS.square().sum())
    return -2 * total * ((1 - p) * total - GOAL) + (2 * (1 - p) - 1) * squares


def soft_coin(concrete_mask: Callable[..., Tensor]) -> Explorer:
    """Explore soft masks, and the bias and spread of their gradient; p, temperature, draws."""

    def draw(figure: Figure, p: float, coldness: int, k: int) -> str:
        t, source = 2.0**-coldness, torch.Generator().manual_seed(1)
        z = np.asarray(concrete_mask(p, (4000,), t, source).detach())
        leaf = torch.full((ESTIMATES, 1, 1), p, requires_grad=True)
        each = loss(concrete_mask(leaf, (ESTIMATES, k, len(UNITS)), t, source)).mean(1)
        found = torch.autograd.grad(each.sum(), leaf)[0].flatten().numpy()
        truth, bias = exact(p), plot.difference(found.tolist(), exact(p))

        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.08, right=0.98, bottom=0.17, top=0.89, wspace=0.25)
        left.hist(z, np.linspace(0, 1, 41), color=plot.BLUE)
        left.axvline(0.5, color=plot.GREY, linestyle="--")
        hard = float(np.mean((z < 0.05) | (z > 0.95)))
        left.set(xlabel="z", ylabel="of 4000 entries")
        left.set_title(f"t = {t:.3g}: {np.mean(z < 0.5):.0%} below ½, {hard:.0%} nearly hard")
        wide = np.clip(found, truth - 60, truth + 60)
        right.hist(wide, np.linspace(truth - 60, truth + 60, 61), color=plot.SKY)
        right.axvline(truth, color=plot.INK, linestyle="--", label=f"exact: {truth:.1f}")
        right.axvline(bias.mean + truth, color=plot.ORANGE, label=f"mean: {bias.mean + truth:.1f}")
        right.set(xlabel=f"slope from {k} masks", ylabel=f"of {ESTIMATES} estimates")
        right.set_title(f"Bias {bias:.1f}, spread {found.std():.1f}")
        right.legend(loc="upper left")
        says = bias.says(
            more=f"is too large by {bias.mean:.1f}",
            less=f"is too small by {-bias.mean:.1f}",
            same="cannot be told from the exact slope",
        )
        return (
            f"At p = {p:.2f} and temperature {t:.3g}, {hard:.0%} of the entries are nearly hard. "
            f"The mean of {ESTIMATES} estimates {says}; they spread by {found.std():.1f}."
        )

    return Explorer(
        draw,
        size=(9, 3),
        p=slider("drop probability p", 0.3, 0.05, 0.95, 0.05),
        coldness=slider("coldness, t = ½ to the power of", 3, 0, 6, 1),
        k=slider("masks for each estimate k", 10, 1, 40, 1),
    )
