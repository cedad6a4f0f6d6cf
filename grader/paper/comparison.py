"""Compare what was measured with what the paper reports."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
from scipy import stats

from grader.paper.tables import Claim, Row

Json = dict[str, Any]

LEVEL = 0.05
"""A difference that chance alone makes less often than this is one."""


def agreement(values: list[float], row: Row, excuse: str = "") -> str:
    """Does the paper's number lie where another run, or mean of runs, is to be expected?

    A number without ± is taken for one run more: it agrees within t·s·√(1 + 1/n) of our mean,
    t the 97.5 % quantile of Student's distribution. One with ± s' within t·√(s²/n + s'²).
    `excuse` says why the two cannot be compared.
    """
    n = len(values)
    if row.paper is None:
        return "only drawn"
    if excuse:
        return excuse
    if n < 2:
        return "undecided: one seed"
    s = statistics.stdev(values)
    room = s**2 * (1 + 1 / n) if row.spread is None else s**2 / n + row.spread**2
    apart = statistics.mean(values) - row.paper
    if abs(apart) <= stats.t.ppf(1 - LEVEL / 2, n - 1) * room**0.5:
        return "agrees"
    return "higher here" if apart > 0 else "lower here"


def verdict(claim: Claim, more: list[float], less: list[float]) -> Json:
    """Do our networks say what the paper says? Welch's t-test at the level of 5 %."""
    means = [statistics.mean(values) for values in (more, less)]
    finding: Json = {"says": claim.says, "difference": means[0] - means[1]}
    if min(len(more), len(less)) < 2:
        return finding | {"verdict": "undecided: one seed"}
    spreads = [statistics.stdev(values) for values in (more, less)]
    error = sum(s**2 / len(v) for s, v in zip(spreads, (more, less), strict=True)) ** 0.5
    finding["error"] = error
    by_chance = error == 0 or stats.ttest_ind_from_stats(
        means[0], spreads[0], len(more), means[1], spreads[1], len(less), equal_var=False
    ).pvalue >= LEVEL  # fmt: skip
    if claim.same and max(means) <= claim.same * min(means):
        return finding | {"verdict": "agrees"}
    if by_chance:
        return finding | {"verdict": "undecided"}
    agrees = not claim.same and means[0] > means[1]
    return finding | {"verdict": "agrees" if agrees else "disagrees"}


def averaging(averaged: list[list[list[float]]], row: Json) -> list[Json]:
    """Figure 11: from which k on is Monte Carlo as good as weight scaling, and then how far?

    averaged : (networks, repeats, k) test errors; their mean and standard deviation over the
        repeats go into `row`, whose "error" is that of weight scaling, (networks,)
    """
    curves = np.array(averaged)
    mean, spread = curves.mean((0, 1)), curves.std(1, ddof=1).mean(0)
    target = statistics.mean(row["error"])
    row |= {"averaged": mean.round(4).tolist(), "spread": spread.round(4).tolist()}
    reached = np.flatnonzero(mean <= target)
    k = int(reached[0]) + 1 if len(reached) else None
    near = k is not None and 25 <= k <= 100
    apart = float(mean[-1] - target)
    return [
        {"says": "Monte Carlo is as good as weight scaling from about k = 50 on (25 to 100)",
         "k": k, "verdict": "agrees" if near else "disagrees"},
        {"says": f"with k = {len(mean)} the two differ by less than a standard deviation",
         "difference": apart, "error": float(spread[-1]),
         "verdict": "agrees" if abs(apart) < spread[-1] else "disagrees"},
    ]  # fmt: skip
