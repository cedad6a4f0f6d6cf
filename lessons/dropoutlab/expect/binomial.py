"""The binomial distribution B(n, q): of n independent coins, how many show a face of chance q.

Exact up to rounding, from the logarithm of the gamma function. SciPy has all of this, but takes
half a second to import, which the first check would wait for, and no browser has it at hand.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np


def probabilities(counts: range, n: int, q: float) -> np.ndarray:
    """P(K = k) for each count k of a range within 0 to n, K ~ B(n, q).

    From the likeliest of them outwards, by P(k + 1) / P(k) = (n - k) / (k + 1) · q / (1 - q).
    """
    k = np.array(counts)
    if q in (0, 1):
        return (k == n * q).astype(float)
    top = min(max(int((n + 1) * q), counts[0]), counts[-1])
    heads, tails = math.log(q), math.log1p(-q)
    log = math.lgamma(n + 1) - math.lgamma(top + 1) - math.lgamma(n - top + 1)
    log += top * heads + (n - top) * tails
    up, at = np.log((n - k[:-1]) / (k[:-1] + 1)) + heads - tails, top - counts[0]
    below, above = -np.cumsum(up[:at][::-1])[::-1], np.cumsum(up[at:])
    return np.exp(log + np.concatenate([below, [0], above]))


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
