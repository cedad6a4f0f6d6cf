"""Inverted dropout: what each scheme of scaling does to the mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dropoutlab.explore.explorer import Explorer, again, grid

UNITS, DEEPEST, DRAWS = 10_000, 16, 5


def scaling(inverted_dropout: Callable[..., np.ndarray]) -> Explorer:
    """Explore the mean of a signal under right and wrong scalings; p, depth, another draw."""
    p = grid("drop probability p", 0.3, 0.05, 0.9, 0.05)

    def table() -> dict[str, np.ndarray]:
        own: list[np.ndarray] = []
        means: list[list[float]] = []
        for rate in p.values:
            for draw in range(DRAWS):
                rng = np.random.default_rng(draw)
                own.append(np.asarray(inverted_dropout(np.ones(30), rate, rng), dtype=float))
                mean = [1.0]
                for _ in range(DEEPEST):  # each gets the mean of all: survivors do not run out
                    x = inverted_dropout(np.full(UNITS, mean[-1]), rate, rng)
                    mean.append(float(np.mean(x)))
                means.append(mean)
        shape = (len(p.values), DRAWS, -1)
        return {"own": np.reshape(own, shape), "means": np.reshape(means, shape)}

    layers = grid("dropout layers", 5, 1, DEEPEST, 1)
    return Explorer("scaling", table, p=p, layers=layers, draw=again("Another draw", DRAWS))
