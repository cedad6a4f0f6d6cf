"""Dropout today: points on a ring, drawn from noise under guidance."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropoutlab import stacked, today
from dropoutlab.explore.explorer import Explorer, choice, grid

LOST = (0.0, 0.02, 0.1, 0.3)
"""Probabilities that a label is dropped in training, of which one is chosen."""
WEIGHTS = (0, 0.5, 1, 1.5, 2, 3, 4, 6, 8)
EACH, STEPS, EVERY = 30, 30, 3
"""Points of each class; steps from noise to a point; the steps between two places of a slider."""
SCALE, FARTHEST = 4000, 8.0
"""Coordinates travel as whole numbers, and no farther than this."""


def guidance(
    drop_condition: Callable[..., Tensor], guided: Callable[[Tensor, Tensor, float], Tensor]
) -> Explorer:
    """Explore guidance: the weight w, the steps taken, the share of labels dropped in training."""
    taken = grid("steps taken", 21, 0, STEPS, EVERY)

    def table() -> dict[str, np.ndarray]:
        labels = torch.arange(EACH * today.CLASSES) % today.CLASSES
        start = torch.randn(len(labels), 2, generator=stacked.seeded(5))
        trained = today.Denoisers(drop_condition, LOST)
        many = start.expand(len(LOST), -1, -1)
        points, homes, spreads = [], [], []
        for w in WEIGHTS:
            how: dict[str, Any] = {"labels": labels, "steps": STEPS}
            by_net = today.path(trained.noise, guided, w, start=many, **how)
            exact = today.path(today.exact_noise, guided, w, start=start, **how)
            for nets, one in islice(zip(by_net, exact, strict=True), 0, None, EVERY):
                both = torch.cat([nets, one[None]]).detach()
                points.append(SCALE * both.clamp(-FARTHEST, FARTHEST).numpy())
                homes.append(today.at_home(both, labels))
                spreads.append(today.scatter(both, labels))
        shape = (len(WEIGHTS), len(taken.values), len(LOST) + 1)
        return {
            "points": np.reshape(points, (*shape, -1, 2)).astype(np.int16),
            "homes": np.reshape(homes, shape),
            "spreads": np.reshape(spreads, shape),
            "centres": np.array(today.CENTRES, dtype=np.float32),
            "spread": np.array([today.SPREAD], dtype=np.float32),
        }

    lost = choice("labels dropped in training", 0.1, LOST)
    return Explorer("guidance", table, w=choice("weight w", 1, WEIGHTS), taken=taken, lost=lost)
