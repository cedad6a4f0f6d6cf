"""Capstone: how many worlds it takes until a gain stands out of its own spread."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from dropoutlab import capstone, train
from dropoutlab.explore.explorer import Explorer, grid

RATES, WORLDS = np.arange(8) / 10, 24
"""Drop probabilities, and worlds in which each is tried."""


@cache
def trained() -> np.ndarray:
    """Validation error in percent, (rates, worlds)."""
    worlds = [capstone.world(seed) for seed in range(60, 60 + WORLDS)]
    X, y, X_val, y_val = (
        np.tile(np.stack([getattr(w, part) for w in worlds]), (len(RATES), *[1] * d))
        for part, d in (("X", 2), ("y", 1), ("X_val", 2), ("y_val", 1))
    )
    p, seeds = (a.ravel() for a in np.meshgrid(RATES, range(WORLDS), indexing="ij"))
    runs = train.many(X, y, [48], seeds=seeds, p=p, rate=0.05, steps=150, batch=32,
                      watch={"rows": (X_val, y_val)})  # fmt: skip
    return 100 * runs.error["rows"][:, -1].reshape(len(RATES), WORLDS)


def enough_worlds(honest_gain: Callable[..., tuple[float, float, float]]) -> Explorer:
    """Explore the gain of dropout, world by world, and its standard error; p, number of worlds."""
    errors, counts = trained(), range(2, WORLDS + 1)

    def error(world: int, p: float) -> float:
        return float(errors[round(10 * p), world])

    def table() -> dict[str, np.ndarray]:
        running = [[honest_gain(error, [p], [0], range(n))[1:] for n in counts] for p in RATES]
        return {"gains": errors[0] - errors, "running": np.array(running, dtype=float)}

    k = grid("worlds", 3, 2, WORLDS, 1)
    return Explorer("enough_worlds", table, k=k, p=grid("drop probability p", 0.3, 0.0, 0.7, 0.1))
