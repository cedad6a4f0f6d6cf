"""Properties of random draws, with bounds that a right answer leaves with probability `ALPHA`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dropoutlab.expect import binomial
from dropoutlab.expect.exact import Suspects
from dropoutlab.expect.frame import Unmet
from dropoutlab.expect.words import (
    agree,
    differing,
    digits_until,
    is_tensor,
    numpy_of,
    require_numeric,
    rounding,
)

ALPHA = 1e-9
"""The probability with which one random test rejects a right answer, at most."""


def binomial_interval(n: int, q: float, alpha: float = ALPHA) -> tuple[int, int]:
    """The counts k with P(K < low) <= alpha / 2 and P(K > high) <= alpha / 2, K ~ B(n, q).

    Exact (Clopper and Pearson's tails, 1934), for any n and q.
    """
    return binomial.interval(n, q, alpha)


def mean(
    found: Any,
    expected: float,
    *,
    of: tuple[float, float],
    hint: str,
    suspects: Suspects = (),
    alpha: float = ALPHA,
) -> None:
    """The mean of `found` is that of independent entries, each one of the two values `of`.

    With values a < b and n entries, (mean - a) / (b - a) * n is binomial with probability
    (expected - a) / (b - a); the bounds are exact at level `alpha`. A suspect is the mean
    that a known mistake would have. The nearest is named, if it is as near for the spread of
    what was found as `expected` would have to be for its own. Of True and False it says "a share".
    """
    require_numeric(found, f"mean {expected:.3f}", "biuf")
    low, high = of
    tiny, found = rounding(found), numpy_of(found)
    n = int(np.size(found))
    word = "a share of" if np.asarray(found).dtype == bool else "mean"
    if n == 0:
        raise Unmet(f"{word} {expected:.3f}", "no entries at all", hint)
    first, last = binomial_interval(n, (expected - low) / (high - low), alpha)
    unit = (high - low) / n
    below, above = expected - (low + first * unit), (low + last * unit) - expected
    width = max(below, above) + tiny * max(abs(low), abs(high))
    found = np.asarray(found, dtype=float)
    value = float(np.mean(found))
    if abs(value - expected) <= width:
        return
    spread = max((expected - low) * (high - expected), 1e-300) ** 0.5
    reach = width * max(1.0, float(np.std(found)) / spread)
    near = [(abs(value - wrong), words) for wrong, words in suspects]
    hint = min([(far, words) for far, words in near if far <= reach], default=(0, hint))[1]

    def told(digits: int) -> bool:
        texts = (f"{number:.{digits - 1}f}" for number in (value, expected, width))
        return next(texts) != next(texts) and float(next(texts)) > 0

    places = digits_until(told) - 1
    bounds = f"{word} {expected:.{places}f} ± {width:.{places}f}"
    raise Unmet(bounds, f"{word} {value:.{places}f}", hint)


def varies(draws: Iterable[Any], *, chance: float, what: str, hint: str) -> None:
    """The `draws` are not all the same.

    `chance` is the probability that right draws would be; a check that asks this of draws
    too few or too small to tell (chance > `ALPHA`) is refused.
    """
    if chance > ALPHA:
        raise ValueError(f"right draws agree with probability {chance:.1e}: take more of them")
    whole = numpy_of(draws) if is_tensor(draws) else draws
    if isinstance(whole, np.ndarray) and whole.ndim and whole.dtype.kind in "biufc":
        draws, same = whole, not differing(whole[1:], whole[:-1], 0, 0).any()  # all at once
    else:
        draws = list(draws)
        for draw in draws:
            require_numeric(draw, what)
        same = all(agree(draw, draws[0], 0, 0) for draw in draws[1:])
    if same:
        raise Unmet(what, f"{len(draws)} times the same", hint)


def repeats(first: Any, second: Any, *, hint: str) -> None:
    """Two calls with generators of the same seed gave the same."""
    expected = "the same result for two generators with the same seed"
    require_numeric(first, expected)
    if not agree(first, second, 0, 0):
        raise Unmet(expected, "two different results", hint)
