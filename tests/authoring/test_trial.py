"""`python3 grader check`: is each fault of a lesson's checks and answers found, and no other?"""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.authoring.reading import read
from grader.authoring.trial import trial

LESSON = '''\
# %% [markdown]
# # 9.8 · A lesson

# %% setup=true
import numpy as np

from dropoutlab import expect

# %% exercise="drop"
def drop(x, p, rng):
    """Zero each entry of `x` with probability `p`."""
    ### BEGIN SOLUTION
    return x * (rng.random(x.shape) >= p)
    ### END SOLUTION

# %% [markdown] hint="drop"
# Draw.

# %% [markdown] hint="drop"
# Compare.

# %% [markdown] hint="drop"
# Multiply.

# %% check="drop" points=1
# A fraction p of the entries is 0.
with expect.case("drop(x, p=0.2, rng)"):
    out = drop(np.ones(10_000), 0.2, expect.rng())
    expect.mean(out == 0, 0.2, of=(0, 1), hint="another share.", suspects=[
        (0.8, "p is swapped."),
        (0.5, "a fair coin."),
    ])

# %% check="drop" points=1 hidden=true
# A hidden check: the input stays.
x = np.ones(5)
with expect.case("drop(x, p=1, rng)"):
    drop(x, 1.0, expect.rng())
    expect.unchanged(x, np.ones(5), hint="x is written into.")

# %% mistakes="drop"
{
    "p is swapped": (">= p", "< p"),
    "a fair coin": (">= p", ">= 0.5"),
}

# %% correct="drop"
def drop(x, p, rng):
    return np.where(rng.random(x.shape) < p, 0, x)
'''

MARK = '    "a fair coin": (">= p", ">= 0.5"),\n'
FAULTS = {
    "nothing": ("", "", []),
    "a mistake with other words": (
        '"a fair coin": (', '"the wrong share": (',
        ["mistake 'the wrong share' is told instead: found mean"],
    ),
    "a mistake that is right": (
        MARK, MARK + '    "twice": ("x * (", "1 * x * ("),\n',
        ["mistake 'twice': every check accepts it, 10 times of 10."],
    ),
    "a mistake that passes now and then": (
        MARK, MARK + '    "another share": (">= p", ">= p + 0.3 * (rng.random() < 0.5)"),\n',
        ["mistake 'another share': every check accepts it", "is told instead: found mean"],
    ),
    "a mistake that a hidden check knows": (
        MARK, MARK + '    "x is written": ("return x * (", "x *= ("),\n',
        ["mistake 'x is written': only a hidden check notices it."],
    ),
    "a right answer that is refused": (
        "< p, 0, x)", "<= 0.4, 0, x)", ["refuses line 47 of `drop` (seed 0)"],
    ),
    "a hint that nothing brings out": (
        MARK, "", ["no mistake of `drop` brings out the hint 'a fair coin.'."],
    ),
    "no other right answer": (
        '# %% correct="drop"', '# %% mistake="drop" says="p is not used"',
        ["every check accepts it", '`drop` has no correct="drop"'],
    ),
    "a check that accepts the stub": (
        "# %% mistakes",
        '# %% check="drop" points=1\n# One.\nexpect.equal(1, 1, hint="")\n\n# %% mistakes',
        ["of the stub of `drop` this check says: nothing; it accepts it."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str, tmp_path: Path):
    """Is the fault told in its own words, at its line, and nothing else?"""
    old, new, expected = FAULTS[fault]
    path = tmp_path / "98_lesson.py"
    path.write_text(LESSON.replace(old, new, 1), encoding="utf-8")
    findings = list(trial(read(path), seeds=10))
    assert len(findings) == len(expected), findings
    for finding, words in zip(findings, expected, strict=True):
        assert words in finding.text, finding
        assert path.read_text().splitlines()[finding.line - 1].strip(), finding
