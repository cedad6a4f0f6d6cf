"""The binomial distribution B(n, q): of n independent coins, how many show a face of chance q.

Exact up to rounding, from the logarithm of the gamma function. SciPy has all of this, but takes
half a second to import, which the first check would wait for, and no browser has it at hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np


def probabilities(counts: Iterable[int], n: int, q: float) -> np.ndarray:
    """P(K = k) for each count k from 0 to n, K ~ B(n, q)."""
    if q in (0, 1):
        return np.array([float(k == n * q) for k in counts])
    whole, heads, tails = math.lgamma(n + 1), math.log(q), math.log1p(-q)
    return np.exp([
        whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * heads + (n - k) * tails
        for k in counts
    ])  # fmt: skip


@lru_cache(1000)
def interval(n: int, q: float, alpha: float) -> tuple[int, int]:
    """The counts k with P(K < low) <= alpha / 2 and P(K > high) <= alpha / 2, K ~ B(n, q).

    Clopper and Pearson's tails (1934). alpha : at least 1e-15
    """
    reach = 60 + 12 * math.sqrt(n * q * (1 - q))  # beyond it there is less than 1e-16
    counts = range(max(0, int(n * q - reach)), min(n, int(n * q + reach)) + 1)
    chances = probabilities(counts, n, q)
    below, above = np.cumsum(chances), np.cumsum(chances[::-1])[::-1]
    low = int(np.argmax(below >= alpha / 2))  # the first count that is not too rare
    high = len(counts) - 1 - int(np.argmax(above[::-1] > alpha / 2))
    return counts[low], counts[high]
