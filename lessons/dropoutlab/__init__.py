"""What the lessons import: checks that explain themselves, plots, explorers, data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # who imports a part of this package need not wait for NumPy
    import numpy as np

BROWSER = sys.platform == "emscripten"
"""Whether this Python is that of a browser."""


def check_probability(p: float, name: str = "p") -> None:
    """Raise ValueError naming `name` unless 0 <= p <= 1; NaN is no probability either."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name} must be a probability in [0, 1], not {p}")


def survivors(x: np.ndarray, p: float, rng: np.random.Generator) -> np.ndarray:
    """A mask of x's shape: each entry True with probability 1 - p, else False, independently.

    p : probability of dropping
    """
    check_probability(p)
    return rng.random(x.shape) >= p
