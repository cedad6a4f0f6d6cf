"""Student's t distribution with a whole number of degrees of freedom.

SciPy has it too, but takes half a second to import, and no browser has it at hand.
"""

from __future__ import annotations

import math
from functools import lru_cache


def within(t: float, freedom: int) -> float:
    """P(|T| <= t), T of Student's distribution; finite sums (Abramowitz and Stegun, 26.7.3-4)."""
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine if odd else 1.0), 0.0
    for k in range(2 if odd else 1, freedom, 2):
        total += term
        term *= cosine**2 * k / (k + 1)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


@lru_cache(1000)
def reach(level: float, freedom: int) -> float:
    """The t with P(|T| <= t) = level, to the last digits: of a 95 % interval, level is 0.95."""
    low, high = 0.0, 1.0
    while within(high, freedom) < level:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < level else (low, middle)
    return high
