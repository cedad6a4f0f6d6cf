"""The bounds of random checks: are they SciPy's, without SciPy?"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binom

from dropoutlab.expect import binomial
from grader.paths import LESSONS

CASES = [(1, 0.3), (7, 0.5), (40, 0.99), (2000, 0.001), (50_000, 0.2), (10**6, 0.5), (10**8, 1e-8)]


@pytest.mark.parametrize(("n", "q"), [*CASES, (9, 0.0), (9, 1.0)])
@pytest.mark.parametrize("alpha", [0.3, 1e-3, 1e-9, 1e-13])
def test_the_interval_is_that_of_scipy(n: int, q: float, alpha: float):
    """Are both ends the exact quantiles, for many coins and few, fair ones and rare?"""
    right = binom.ppf(alpha / 2, n, q), binom.isf(alpha / 2, n, q)
    assert binomial.interval(n, q, alpha) == right


@pytest.mark.parametrize(("n", "q"), CASES)
def test_the_probabilities_are_those_of_scipy(n: int, q: float):
    """Is each probability right, relative to itself?"""
    around = int(n * q)
    counts = range(max(0, around - 20), min(n + 1, around + 20))
    found = binomial.probabilities(counts, n, q)
    np.testing.assert_allclose(found, binom.pmf(counts, n, q), rtol=1e-6)


def test_a_check_needs_no_more_than_numpy():
    """Does a first check import neither torch, SciPy nor matplotlib, for which one would wait?"""
    code = (
        "import sys, numpy as np\n"
        "from dropoutlab import data, expect, explore, plot, train\n"
        "rng = np.random.default_rng()\n"
        "expect.mean(rng.random(2000) < 0.2, 0.2, of=(0, 1), hint='')\n"
        "expect.coins(lambda p, rng: rng.random((30, 40)) >= p)\n"
        "print(sorted({'scipy', 'torch', 'matplotlib'} & {*sys.modules}))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(LESSONS)},
        capture_output=True,
        text=True,
    )
    assert told.stdout == "[]\n", told.stderr
