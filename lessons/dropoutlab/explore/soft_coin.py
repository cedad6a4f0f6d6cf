"""Learned rates: a soft mask, and the estimates of a slope that it gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dropoutlab.explore.explorer import Control, Explorer, choice, grid

UNITS = torch.tensor([0.6, 1.3, 0.8, 1.1, 0.9, 1.4, 0.7, 1.2])
GOAL, ESTIMATES, MASKS, BINS = 3.0, 160, (1, 4, 16, 64), 40


def slopes(mask: Callable[..., Tensor], p: float, t: float, source: torch.Generator) -> Tensor:
    """The slope in p of the loss (Σ a m - b)², from each of ESTIMATES x 64 soft masks m."""
    leaf = torch.full((ESTIMATES, MASKS[-1], 1), p, requires_grad=True)
    loss = ((mask(leaf, (*leaf.shape[:2], len(UNITS)), t, source) * UNITS).sum(-1) - GOAL).square()
    return torch.autograd.grad(loss.sum(), leaf)[0][..., 0]


def soft_coin(concrete_mask: Callable[..., Tensor]) -> Explorer:
    """Explore soft masks, and the bias and spread of their slope; p, temperature, masks."""
    cold = [2**i for i in range(6, -1, -1)]
    warm = [1 / c for c in cold]
    p = grid("drop probability p", 0.3, 0.1, 0.9, 0.1)
    words = [f"1/{c}" if c > 1 else "1" for c in cold]
    t = Control("temperature t", warm, 3, words)
    k = choice("masks per estimate", 4, MASKS)

    def table() -> dict[str, np.ndarray]:
        shape, source = (len(p.values), len(t.values)), torch.Generator().manual_seed(1)
        bins = np.empty((*shape, BINS), np.int16)
        found = np.empty((*shape, len(MASKS), ESTIMATES), np.float32)
        for place in np.ndindex(shape):
            rate, heat = float(p.values[place[0]]), warm[place[1]]
            z = np.asarray(concrete_mask(rate, (4000,), heat, source).detach())
            bins[place] = np.histogram(np.clip(z, 0, 1), BINS, (0, 1))[0]
            each = slopes(concrete_mask, rate, heat, source)
            found[place] = np.array([each[:, :many].mean(1).numpy() for many in MASKS])
        return {"bins": bins, "found": found, "units": UNITS.numpy(), "goal": np.array([GOAL])}

    return Explorer("soft_coin", table, p=p, t=t, k=k)
