"""The assertions that explain themselves: are their bounds what they claim, and their words?"""

from __future__ import annotations

import io
import linecache
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout

import numpy as np
import pytest
from scipy.stats import binom

from dropoutlab import expect

ALPHA, TRIALS = 0.05, 4_000


def said(call: Callable[[], object]) -> str:
    """The four lines of a failing case."""
    with pytest.raises(expect.Unmet) as unmet, redirect_stdout(io.StringIO()), expect.case("f(x)"):
        call()
    return str(unmet.value)


# --- false alarms -----------------------------------------------------------------------


@pytest.mark.parametrize(("n", "q"), [(50, 0.5), (1_000, 0.2), (20_000, 0.9), (7, 0.01)])
def test_the_binomial_interval_is_exact(n: int, q: float):
    """Is each tail at most alpha / 2, and would it be more with the next count taken in?"""
    for alpha in (0.05, 1e-3, 1e-9):
        low, high = expect.binomial_interval(n, q, alpha)
        k = np.arange(n + 1)
        pmf = binom.pmf(k, n, q)
        below, above = pmf[k < low].sum(), pmf[k > high].sum()
        assert below <= alpha / 2 * (1 + 1e-6) and above <= alpha / 2 * (1 + 1e-6)
        assert below + pmf[low] > alpha / 2 * (1 - 1e-6)
        assert above + pmf[high] > alpha / 2 * (1 - 1e-6)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.8])
def test_mean_raises_false_alarms_at_its_rate(q: float):
    """At alpha = 0.05, are right draws rejected in at most 5 % of trials, and not far fewer?"""
    rng = np.random.default_rng()
    alarms = 0
    for _ in range(TRIALS):
        draws = (rng.random(2_000) < q) / q
        try:
            expect.mean(draws, 1, of=(0, 1 / q), hint="", alpha=ALPHA)
        except expect.Unmet:
            alarms += 1
    # The wider of the two tails is used on both sides, so the rate may lie a little below.
    most = binom.isf(1e-9, TRIALS, ALPHA)
    least = binom.ppf(1e-9, TRIALS, ALPHA / 3)
    assert least <= alarms <= most


def test_varies_raises_false_alarms_at_its_chance(monkeypatch: pytest.MonkeyPatch):
    """Are right draws all alike as often as `chance` says?"""
    monkeypatch.setattr(expect, "ALPHA", 0.1)
    rng = np.random.default_rng()
    alarms = 0
    for _ in range(TRIALS):
        draws = rng.integers(0, 2, (2, 4))
        try:
            expect.varies(draws, chance=0.5**4, what="two draws", hint="")
        except expect.Unmet:
            alarms += 1
    low, high = expect.binomial_interval(TRIALS, 0.5**4, 1e-9)
    assert low <= alarms <= high


def test_varies_refuses_draws_too_few_to_tell():
    """Is a check that would reject right answers refused when it is written?"""
    with pytest.raises(ValueError, match="take more of them"):
        expect.varies([[0, 1], [0, 1]], chance=0.25, what="", hint="")


# --- words ------------------------------------------------------------------------------

ARRAY = np.arange(6.0).reshape(2, 3)
FAILURES = {
    "mean": (lambda: expect.mean(np.zeros(100), 1, of=(0, 2), hint="h"), "mean 1.000 ±", "mean 0"),
    "mean, suspected": (
        lambda: expect.mean(np.full(9999, 0.8), 1, of=(0, 2), hint="h", suspects=[(0.8, "s")]),
        "mean 1.000",
        "hint:     s",
    ),
    "only": (lambda: expect.only([0, 3], (0, 1), hint="h"), "values 0 and 1", "value 3"),
    "only, NaN": (lambda: expect.only([0, np.nan], (0, 1), hint="h"), "0 and 1", "nan"),
    "close": (
        lambda: expect.close(ARRAY, ARRAY + (ARRAY == 4), hint="h"),
        "entry (1, 1) = 5",
        "entry (1, 1) = 4 (1 of 6",
    ),
    "close, NaN": (lambda: expect.close(float("nan"), 1.0, hint="h"), "1", "nan"),
    "close, suspected": (
        lambda: expect.close(ARRAY / 2, ARRAY, hint="h", suspects=[(ARRAY / 2, "halved")]),
        "[[0, 1, 2], [3, 4, 5]]",
        "hint:     halved",
    ),
    "close, shape": (lambda: expect.close(ARRAY, ARRAY.T, hint="h"), "", "[[0, 1, 2], [3, 4, 5]]"),
    "close, all but alike": (
        lambda: expect.close(1.230001, 1.23, hint="h"),
        "expected: 1.23\n",
        "found:    1.230001",
    ),
    "equal": (lambda: expect.equal("a", "b", hint="h"), "'b'", "'a'"),
    "dtype": (
        lambda: expect.array(np.zeros(3, np.float32), 3, float, hint="h"),
        "shape (3,), float64",
        "shape (3,), float32",
    ),
    "shape": (lambda: expect.array(np.zeros(3), (3, 1), hint="h"), "(3, 1)", "(3,)"),
    "varies": (
        lambda: expect.varies([1, 1], chance=0, what="other masks", hint="h"),
        "other masks",
        "2 times the same",
    ),
    "repeats": (lambda: expect.repeats([1], [2], hint="h"), "same seed", "two different"),
    "unchanged": (lambda: expect.unchanged(ARRAY + 1, ARRAY), "before the call", "changed"),
    "no error": (
        lambda: expect.raises(ValueError, lambda: 5, mentions="p", hint="h"),
        "ValueError with 'p'",
        "it returned 5",
    ),
    "another error": (
        lambda: expect.raises(ValueError, lambda: {}["p"], mentions="p", hint="h"),
        "ValueError",
        "KeyError",
    ),
    "no word": (
        lambda: expect.raises(ValueError, lambda: float("x"), mentions="p", hint="h"),
        "'p' in its message",
        "could not convert",
    ),
    "choice": (
        lambda: expect.choice({"q": "a"}, "q", ("a", "b"), answer="", hint="h"),
        "another answer",
        "'a'",
    ),
    "no choice": (
        lambda: expect.choice({"q": ...}, "q", ("a", "b"), answer="", hint="h"),
        "'a', 'b'",
        "not written yet",
    ),
    "no option": (
        lambda: expect.choice({"q": "c"}, "q", ("a", "b"), answer="", hint="h"),
        "'a', 'b'",
        "'c'",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_reads_in_four_lines(failure: str):
    """Does a failure name its case, what was expected, what was found, and a hint?"""
    call, expected, found = FAILURES[failure]
    text = said(call)
    heads = [line[:12].rstrip() for line in text.splitlines()]
    assert heads == ["f(x)", "  expected:", "  found:", "  hint:"], text
    assert expected in text and found in text, text


class Liar:
    """Equal to everything."""

    shape, dtype = (2,), np.dtype(float)
    __eq__ = __ge__ = __le__ = lambda self, other: True
    __hash__ = None

    def __array__(self, dtype=None, copy=None):
        return np.ones(2)

    def __float__(self):
        return 1.0


NOTHING = [None, ..., Liar(), "1", [Liar()], np.array([1, 1], object), {"a": 1}, lambda: 1]


@pytest.mark.parametrize("found", NOTHING, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize(
    "ask",
    [
        lambda f: expect.close(f, np.ones(2), hint=""),
        lambda f: expect.close(f, 1.0, hint=""),
        lambda f: expect.only(f, (0, 1), hint=""),
        lambda f: expect.mean(f, 1, of=(0, 2), hint=""),
        lambda f: expect.array(f, 2, hint=""),
        lambda f: expect.varies([f, f], chance=0, what="", hint=""),
        lambda f: expect.repeats(f, f, hint=""),
        lambda f: expect.unchanged(f, np.ones(2)),
    ],
)
def test_what_is_no_number_is_never_accepted(found: object, ask: Callable[[object], None]):
    """Are None, dots, strings and objects that lie about equality refused where numbers belong?"""
    assert said(lambda: ask(found)).count("\n") == 3


def test_unwritten_answers_are_told_apart():
    """Do a stub and a function without `return` say what they are?"""
    assert "found:    not written yet" in said(lambda: _stub())
    assert "returns nothing" in said(lambda: expect.close(None, 1, hint=""))


def _stub():
    raise NotImplementedError("not written yet")


def test_a_crash_names_the_learners_line():
    """Does an error in a learner's function become four lines that quote its line?"""
    source, file = "def f(x):\n    y = x\n    return y / nothing\n", "<a learner's cell>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names: dict = {}
    exec(compile(source, file, "exec"), names)
    text = said(lambda: names["f"](1))
    assert "NameError: name 'nothing' is not defined, line 3 of the cell, in f: `return y" in text
    hints = [("ZeroDivision", "no"), ("NameError", "spell it")]
    with pytest.raises(expect.Unmet, match="spell it"), expect.case("f", crash=hints):
        names["f"](1)


def test_a_missing_exercise_says_which_cell_to_run():
    """Does a check run before its exercise say what to run?"""
    words = "run the cell that defines `missing`"
    with pytest.raises(expect.Unmet, match=words), expect.case("missing(1)"):
        missing(1)  # noqa: F821


def test_exit_is_caught_and_an_interruption_is_not():
    """Does sys.exit() fail the check, and Ctrl-C still stop it?"""
    assert "SystemExit" in said(sys.exit)
    with pytest.raises(KeyboardInterrupt), expect.case("f"):
        raise KeyboardInterrupt


QUIET = """
import sys, warnings
from dropoutlab import expect
with expect.case("f(x)"):
    print("a message", file=sys.stderr)
    warnings.warn("a warning")
"""


def test_a_check_keeps_stderr_quiet():
    """Do warnings and prints to stderr inside a case go to stdout?"""
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "a message" in done.stdout and "a warning" in done.stdout
    assert done.stdout.endswith("ok: f(x)\n")


def test_seeded_generators_repeat_and_fresh_ones_do_not():
    """Does `seeded` make rng() repeat, count its draws, and give way again?"""
    draws = []
    for seed in (1, 1, 2):
        with expect.seeded(seed) as count:
            draws.append([expect.rng().random(), expect.rng().random()])
            assert count() == 2
    assert draws[0] == draws[1] != draws[2]
    assert draws[0][0] != draws[0][1]
    assert expect.rng().random() != expect.rng().random()


def test_a_digest_stands_for_one_option_of_one_question():
    """Is the right option accepted by its digest, and do other questions differ?"""
    expect.choice({"q": "b"}, "q", ("a", "b"), answer=expect.digest("q", "b"), hint="")
    assert expect.digest("q", "b") != expect.digest("r", "b")
