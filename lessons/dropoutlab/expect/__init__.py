"""Assertions that explain themselves.

A check states a case and what it expects of it:

    with expect.case("inverted_dropout(x, p=0.2, rng) on 50 000 ones"):
        y = inverted_dropout(np.ones(50_000), 0.2, expect.rng())
        expect.mean(y, 1, of=(0, 1.25), hint="...", suspects=[(0.8, "divide by 1 - p.")])

and a failure reads in four lines:

    inverted_dropout(x, p=0.2, rng) on 50 000 ones
      expected: mean 1.000 ± 0.011
      found:    mean 0.800
      hint:     divide by 1 - p.

`suspects` are pairs (what a known mistake gives, the words for it); `hint` is said when
none of them fits. Random properties are tested with bounds that a right answer leaves with
a probability of at most `ALPHA` in each test, from the exact binomial distribution.
"""

from dropoutlab.expect.coins import coins
from dropoutlab.expect.exact import (
    array,
    close,
    copied,
    equal,
    only,
    raises,
    some,
    tensor,
    unchanged,
)
from dropoutlab.expect.frame import (
    LeftOut,
    Unmet,
    ask,
    asking,
    case,
    generator,
    learners_line,
    needs,
    rng,
    seeded,
    unwritten,
)
from dropoutlab.expect.page import guess, summary
from dropoutlab.expect.page import start as _start
from dropoutlab.expect.question import choice, right
from dropoutlab.expect.random import ALPHA, binomial_interval, mean, repeats, varies

__all__ = [
    "ALPHA",
    "LeftOut",
    "Unmet",
    "array",
    "ask",
    "asking",
    "binomial_interval",
    "case",
    "choice",
    "close",
    "coins",
    "copied",
    "equal",
    "generator",
    "guess",
    "learners_line",
    "mean",
    "needs",
    "only",
    "raises",
    "repeats",
    "right",
    "rng",
    "seeded",
    "some",
    "summary",
    "tensor",
    "unchanged",
    "unwritten",
    "varies",
]

_start()
