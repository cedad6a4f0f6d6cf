"""`python3 grader check`: is each fault of a lesson's checks and answers found, and no other?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grader.authoring import stock
from grader.authoring.reading import read
from grader.authoring.trial import answers, explored, trial

LESSON = '''\
# %% [markdown]
# # 9.8 · A lesson
#
# **Is it dropped?**
#
# *5 minutes.*

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
# Every entry has a coin of its own, from rng alone, and the input stays.
rng, x = expect.rng(), np.ones((40, 50))
with expect.case("drop(x, p=0.5, rng), eight times"):
    out = np.array([drop(x, 0.5, rng) for _ in range(8)])
    expect.unchanged(x, np.ones((40, 50)), hint="x is written into.")
    expect.varies(out[0], chance=0.5**50, what="rows", hint="one mask for all rows.")
    expect.varies(out[0].T, chance=0.5**40, what="columns", hint="one coin for each row.")
    expect.varies(out, chance=0.5**2000, what="calls", hint="a seed is set inside.")
    expect.varies((out[0] != 0).sum(1), chance=0.12**39, what="rows", hint="exact by row.")
    expect.varies((out != 0).sum((1, 2)), chance=0.02**7, what="calls", hint="exact.")
with expect.case("drop(x, p=0.5, rng) with two generators of one seed"):
    first, second = (drop(x, 0.5, np.random.default_rng(7)) for _ in range(2))
    expect.repeats(first, second, hint="not from rng.")

# %% check="drop" points=1
# A fraction p of the entries is 0.
with expect.case("drop(x, p=0.2, rng)"):
    out = drop(np.ones(10_000), 0.2, expect.rng())
    expect.mean(out == 0, 0.2, of=(0, 1), hint="another share.", suspects=[
        (0.8, "p is swapped."),
        (0.5, "a fair coin."),
    ])
    expect.only(out, (0, 1), hint="a survivor is x.")

# %% check="drop" points=1 hidden=true
# A hidden check: p = 1 drops everything.
with expect.case("drop(x, p=1, rng)"):
    out = drop(np.ones(50), 1.0, np.random.default_rng(1))
    expect.equal(out, np.zeros(50), hint="p = 1 drops everything.")

# %% mistakes="drop"
{
    "one mask for all rows": ("x.shape)", "x.shape[-1:])"),
    "a seed is set inside": ("rng.random", "np.random.default_rng(0).random"),
    "p is swapped": (">= p", "< p"),
    "a fair coin": (">= p", ">= 0.5"),
}

# %% correct="drop"
def drop(x, p, rng):
    return np.where(rng.random(x.shape) < p, 0, x)

# %%
plot.show(fig, "Dropped.")

# %%
explore.scaling(drop)
'''

MARK = '    "a fair coin": (">= p", ">= 0.5"),\n'
RIGHT = "    return np.where("
EXACT = """\
    expect.varies((out != 0).sum((1, 2)), chance=0.02**7, what="calls", hint="exact.")
"""
FAULTS = {
    "nothing": ("", "", []),
    "a mistake with other words": (
        '"a fair coin": (', '"the wrong share": (',
        ["mistake 'the wrong share' is told instead: found a share of"],
    ),
    "a mistake that is right": (
        MARK, MARK + '    "twice": ("x * (", "1 * x * ("),\n',
        ["mistake 'twice': every check accepts it, 10 times of 10."],
    ),
    "a mistake that passes now and then": (
        MARK, MARK + '    "another share": (">= p", ">= p + 0.3 * (rng.random() < 0.5)"),\n',
        ["mistake 'another share': every check accepts it", "is told instead: found a share of"],
    ),
    "a mistake that a hidden check knows": (
        MARK, MARK + '    "drops everything": (">= p", ">= min(p, 0.9)"),\n',
        ["mistake 'drops everything': only a hidden check notices it. Learners"],
    ),
    "a right answer that is refused": (
        "< p, 0, x)", "< p + 0.2 * (p < 0.4), 0, x)", ["refuses line 68 of `drop` (seed 0)"],
    ),
    "a right answer that draws where the check does not": (
        RIGHT, "    if p == 1 and np.random.random() < 0.5:\n        return x\n" + RIGHT,
        ["refuses line 68 of `drop` (seed 1)"],
    ),
    "a hint that nothing brings out": (
        MARK, "", ["no mistake of `drop` brings out the hint 'a fair coin.'."],
    ),
    "a stock wrong answer that passes": (
        EXACT, "", ["stock wrong answer 'an exact number is dropped': it passes, 10 times of 10."],
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


DOUBLE = (
    LESSON[: LESSON.index("# %% exercise")]
    + '''\
# %% exercise="double"
def double(x):
    """Twice `x`."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% [markdown] hint="double"
# Add.

# %% [markdown] hint="double"
# Or multiply.

# %% [markdown] hint="double"
# By 2.

# %% check="double" points=1
# Twice each entry.
x = INPUT
with expect.case("double(x)"):
    expect.close(double(GIVEN), 2 * x, hint="twice.")

# %% mistakes="double"
{
    "twice.": ("2 * x", "3 * x"),
    "twice": ("2 * x", "x"),
    "wice": ("2 * x", "x + 2"),
}

# %% correct="double"
def double(x):
    return x + x

'''
    + LESSON[LESSON.index("# %%\nplot.show") :].replace("(drop)", "(double)")
)
FIXED, RANDOM = "np.array([1.0, 2, 4])", "expect.rng().random(3)"


@pytest.mark.parametrize(("made", "given", "found"), [
    (RANDOM, "x.copy()", []),
    (RANDOM, "x", ["follows what an answer writes"]),
    (FIXED, "x.copy()", ["a table of what the checks ask"]),
    (FIXED, "x", ["follows what an answer writes", "a table of what the checks ask"]),
])  # fmt: skip
def test_answers_without_an_answer_are_found(tmp_path: Path, made: str, given: str, found: list):
    """Is a check found that a table passes, or that expects what an answer wrote into its input?"""
    file = tmp_path / "98_lesson.py"
    file.write_text(DOUBLE.replace("INPUT", made).replace("GIVEN", given), encoding="utf-8")
    findings = [finding.text for finding in trial(read(file), 3)]
    assert len(findings) == len(found)
    assert all(words in text for words, text in zip(found, findings, strict=True))


@pytest.mark.parametrize("asked", [False, True])
def test_what_a_docstring_leaves_alone_is_asked_about(tmp_path: Path, asked: bool):
    """Is it found that no check asks whether an input is left as the docstring says it is?"""
    text = DOUBLE.replace("Twice `x`.", "Twice `x`, which is left as it is.")
    text = text.replace("INPUT", RANDOM).replace("GIVEN", "given := x.copy()")
    if asked:
        text = text.replace('hint="twice.")', 'hint="twice.")\n    expect.unchanged(given, x)')
    file = tmp_path / "98_lesson.py"
    file.write_text(text, encoding="utf-8")
    findings = [finding.text for finding in trial(read(file), 3)]
    assert len(findings) == (not asked)
    assert asked or "what is left as it is" in findings[0]


def test_processes_find_the_same(tmp_path: Path):
    """Do two processes, side by side, find what one finds, and are all answers counted?"""
    path = tmp_path / "98_lesson.py"
    path.write_text(LESSON.replace(EXACT, "").replace(MARK, ""), encoding="utf-8")
    lesson, said = read(path), []
    findings = list(trial(lesson, 3, processes=2, say=lambda *counts: said.append(counts)))
    assert findings == list(trial(lesson, 3)) and len(findings) == 2
    assert said[-1] == (len(answers(lesson)), len(answers(lesson)), 0)


def test_what_takes_long_has_fewer_draws(tmp_path: Path):
    """Is it told which answers had fewer draws, two at least, and is a stub no such answer?"""
    path = tmp_path / "98_lesson.py"
    path.write_text(LESSON, encoding="utf-8")
    draws: list[int] = []
    list(trial(read(path), 10, seconds=0, say=lambda done, of, few: draws.append(few)))
    assert draws[0] == 0 and draws[1:7] == [2] * 6


DROPS = {
    "numpy": "def drop(x, p, rng):\n    return x * (rng.random(x.shape) >= p) / (1 - p)",
    "torch": "def drop(x, p, generator):\n"
    "    return x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p)",
}
SHOWN = {
    "a seed is set inside": lambda f, x, g: (f(x, g(1)) == f(x, g(2))).all(),
    "the generator is copied": lambda f, x, g: _twice_the_same(f, x, g(1)),
    "the draws come from global randomness": lambda f, x, g: (f(x, g(1)) != f(x, g(1))).any(),
    "an exact number is dropped": lambda f, x, g: (f(x, g(1)) == 0).sum() == 250,
    "an exact number is dropped in each row": (
        lambda f, x, g: ((f(x, g(1)) == 0).sum(1) == 25).all()
    ),
    "the first axis shares its coins": lambda f, x, g: (f(x, g(1)) == f(x, g(1))[0]).all(),
    "the last axis shares its coins": lambda f, x, g: (f(x, g(1)) == f(x, g(1))[:, :1]).all(),
    "the input is written into": lambda f, x, g: (f(x, g(1)) == x).all() and (x != 1).any(),
    "the input comes back": lambda f, x, g: f(x, g(1)) is x,
    "the result is multiplied by 1 - p": lambda f, x, g: f(x, g(1)).max() == 1,
}


def _twice_the_same(drop: Callable, x: Any, rng: Any) -> bool:
    return bool((drop(x, rng) == drop(x, rng)).all())


@pytest.mark.parametrize("words", SHOWN)
@pytest.mark.parametrize("library", DROPS)
def test_a_stock_wrong_answer_is_what_it_says(library: str, words: str):
    """Does each show its fault, of NumPy's generators and of torch's?"""
    names: dict = {"torch": torch}
    exec(DROPS[library], names)
    wrong = stock.Wrong(names["drop"], stock.CHANGES[words])
    x = np.ones((10, 50)) if library == "numpy" else torch.ones((10, 50))

    def generator(seed: int) -> object:
        if library == "numpy":
            return np.random.default_rng(seed)
        return torch.Generator().manual_seed(seed)

    assert SHOWN[words](lambda x, rng: wrong(x, 0.5, rng), x, generator)
    assert wrong.acted


def test_dtypes_of_stock_wrong_answers():
    """Are float32 widened and whole numbers rounded, and is nothing done to what has no fault?"""
    names: dict = {}
    exec(DROPS["numpy"], names)
    rng = np.random.default_rng(1)
    wide = stock.Wrong(names["drop"], stock.CHANGES["the dtype is always the usual one"])
    assert wide(np.ones(4), 0.5, rng).dtype == np.float64 and not wide.acted
    assert wide(np.ones(4, np.float32), 0.5, rng).dtype == np.float64 and wide.acted
    whole = stock.Wrong(names["drop"], stock.CHANGES["whole numbers are rounded"])
    assert whole(np.ones(4), 0.5, rng).dtype == np.float64 and not whole.acted
    assert whole(np.full(4, 3), 0.8, rng).dtype == int and whole.acted


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        ("drop(np.ones(shape), p, rng)", ""),
        ("drop(shape, p, rng)", "AttributeError"),
        ("drop(np.ones(shape), p, rng) / np.full(shape, p < 0.99)", "invalid value"),
    ],
)
def test_an_explorer_is_tried(tmp_path: Path, drawn: str, said: str):
    """Is an explorer that cannot draw the lesson's answers, or only with a warning, a finding?"""
    path = tmp_path / "98_lesson.py"
    cell = f"explore.thinned_digit(lambda shape, p, rng: {drawn})"
    text = LESSON.replace("import expect", "import expect, explore")
    path.write_text(text.replace("explore.scaling(drop)", cell), encoding="utf-8")
    findings = list(explored(read(path)))
    assert [said in finding.text for finding in findings] == [True] * bool(said), findings
