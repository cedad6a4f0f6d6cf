"""Bernoulli masks: a digit under a mask, and how many units masks keep."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dropoutlab import data
from dropoutlab.explore.explorer import Explorer, again, grid

MASKS, DRAWS = 500, 8


def thinned_digit(bernoulli_mask: Callable[..., np.ndarray]) -> Explorer:
    """Explore one digit under one mask, and the number kept by many; p, digit, another draw."""
    X, y, _, _ = data.digits()
    digits = np.array([X[y == digit][0] for digit in range(10)]).reshape(10, 64)
    p = grid("drop probability p", 0.5, 0.0, 1.0, 0.05)

    def table() -> dict[str, np.ndarray]:
        masks = np.empty((len(p.values), DRAWS, 64), bool)
        counts = np.empty((len(p.values), DRAWS, MASKS), np.uint8)
        for place in np.ndindex(masks.shape[:2]):
            rate, rng = p.values[place[0]], np.random.default_rng(place[1])
            masks[place] = np.reshape(np.asarray(bernoulli_mask((8, 8), rate, rng)) != 0, 64)
            many = np.asarray(bernoulli_mask((MASKS, 64), rate, rng)) != 0
            counts[place] = many.sum(1)
        return {"digits": digits / digits.max(), "masks": masks, "counts": counts}

    digit = grid("digit", 3, 0, 9, 1)
    return Explorer("thinned_digit", table, p=p, digit=digit, draw=again("Another draw", DRAWS))
