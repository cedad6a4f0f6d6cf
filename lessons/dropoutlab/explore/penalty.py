"""Dropout as a regulariser: what it punishes, in the plane of two weights, against plain L2."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from dropoutlab.explore.explorer import Control, Explorer, choice, grid

ROWS, REACH, HALF = 30, 3.0, 9


def features(unit: float, present: int) -> tuple[np.ndarray, np.ndarray]:
    """Two features (30, 2), the second times `unit` and in some rows only; and what they cause."""
    noise = np.random.default_rng(0).normal(size=(ROWS, 3))
    basis = np.linalg.qr(noise - noise.mean(0))[0] * np.sqrt(ROWS)  # mean square 1, uncorrelated
    second = np.where(np.arange(ROWS) >= ROWS - present, basis[:, 1], 0)
    X = np.column_stack([basis[:, 0], unit * second])
    return X, X @ [2.0, 1.0 / unit] + 0.5 * basis[:, 2]


def penalty(
    dropout_ridge: Callable[..., np.ndarray], logistic_penalty: Callable[..., float]
) -> Explorer:
    """Explore both penalties on two weights; p, and the second feature: its unit, its rarity."""
    p = grid("drop probability p", 0.5, 0.1, 0.9, 0.1)
    scales, names = [1 / 3, 1 / 2, 1.0, 2.0, 3.0], ["⅓", "½", "1", "2", "3"]
    unit = Control("second feature ×", scales, 2, names)
    counts = [3, 6, 15, 30]
    present = choice("rows with it, of 30", 6, counts)
    axis = np.linspace(-REACH, REACH, 2 * HALF + 1)

    def table() -> dict[str, np.ndarray]:
        paths, prices, grams = [], [], []
        for times, rows in product(scales, counts):
            X, y = features(times, rows)
            grams.append([*np.ravel(X.T @ X), *(X.T @ y)])
            paths.append([dropout_ridge(X, y, q) for q in [0, *p.values, 0.97, 0.99]])
            for q in p.values:  # the same at w and at -w, so half of it is asked
                half = [[logistic_penalty(np.array([a, b / times]), X, q) for a in axis]
                        for b in axis[: HALF + 1]]  # fmt: skip
                prices.append(np.vstack([half, np.array(half)[-2::-1, ::-1]]))
        shape = (len(unit.values), len(present.values))
        return {
            "path": np.reshape(paths, (*shape, -1, 2)), "gram": np.reshape(grams, (*shape, 6)),
            "price": np.reshape(prices, (*shape, len(p.values), -1)),
        }  # fmt: skip

    return Explorer("penalty", table, p=p, unit=unit, present=present)
