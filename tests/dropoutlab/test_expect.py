"""The assertions that explain themselves: are their bounds what they claim, and their words?"""

from __future__ import annotations

import contextlib
import io
import linecache
import math
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom

from dropoutlab import expect

ALPHA, TRIALS = 0.05, 4_000


def message(call: Callable[[], object]) -> str:
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


@pytest.mark.parametrize("q", [0, Fraction(1, 10), Fraction(1, 3), Fraction(1, 2), 1])
@pytest.mark.parametrize("n", [0, 1, 2, 17, 120])
def test_the_binomial_interval_is_exact_in_fractions(n: int, q: Fraction):
    """Do the tails hold in exact arithmetic, at the ends too, and are they as wide as they may?"""
    pmf = [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]
    for alpha in (0.3, 0.05, 1e-9):
        low, high = expect.binomial_interval(n, float(q), alpha)
        half = Fraction(alpha) / 2 * (1 + Fraction(1, 10**6))  # q as a float is not quite q
        assert 0 <= low <= high <= n
        assert sum(pmf[:low]) <= half < sum(pmf[: low + 1]) * (1 + Fraction(1, 10**5))
        assert sum(pmf[high + 1 :]) <= half < sum(pmf[high:]) * (1 + Fraction(1, 10**5))


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


@pytest.mark.parametrize("n", [1, 3, 40])
@pytest.mark.parametrize("values", [(0, 1), (-2, 0), (-1, 1), (0, 1 / 0.7)], ids=str)
def test_mean_is_no_stricter_on_few_draws(n: int, values: tuple[float, float]):
    """Is the rate kept where counts are few and the values any two numbers?"""
    rng, (low, high) = np.random.default_rng(), values
    alarms = 0
    for draws in np.where(rng.random((500, n)) < 0.7, high, low):
        try:
            expect.mean(draws, low + 0.7 * (high - low), of=values, hint="", alpha=ALPHA)
        except expect.Unmet:
            alarms += 1
    assert alarms <= binom.isf(1e-9, 500, ALPHA)


@pytest.mark.parametrize("n", [1, 50, 30_000])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_mean_accepts_what_is_exactly_right(n: int, p: float):
    """Is a mean at the very edge of its bounds accepted, and certain draws always?"""
    first, last = expect.binomial_interval(n, 1 - p)
    for count in {first, last}:
        draws = np.repeat([1.0, 0.0], [count, n - count])
        expect.mean(draws, 1 - p, of=(0, 1), hint="")


def test_varies_raises_false_alarms_at_its_chance(monkeypatch: pytest.MonkeyPatch):
    """Are right draws all alike as often as `chance` says?"""
    monkeypatch.setattr("dropoutlab.expect.random.ALPHA", 0.1)
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


def _refuse() -> None:
    raise ValueError


ARRAY, LONG = np.arange(6.0).reshape(2, 3), np.arange(9.0).reshape(3, 3)
FAILURES = {
    "mean": (lambda: expect.mean(np.zeros(100), 1, of=(0, 2), hint="h"), "mean 1.000 ±", "mean 0"),
    "mean, suspected": (
        lambda: expect.mean(np.full(9999, 0.8), 1, of=(0, 2), hint="h", suspects=[(0.8, "s")]),
        "mean 1.000",
        "hint:     s",
    ),
    "only": (lambda: expect.only([0, 3], (0, 1), hint="h"), "values 0 and 1", "value 3"),
    "some": (lambda: expect.some(np.zeros(3) != 0, "a kept one", hint="h"), "a kept one", "none"),
    "only, NaN": (lambda: expect.only([0, np.nan], (0, 1), hint="h"), "0 and 1", "nan"),
    "close": (
        lambda: expect.close(ARRAY, ARRAY + (ARRAY == 4), hint="h"),
        "expected: [[0, 1, 2], [3, 5, 5]]",
        "found:    [[0, 1, 2], [3, 4, 5]]",
    ),
    "close, long": (
        lambda: expect.close(LONG, LONG + (LONG == 4), hint="h"),
        "entry (1, 1) = 5",
        "entry (1, 1) = 4 (1 of 9",
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
    "close, entries all but alike": (
        lambda: expect.close(np.array([1, 1.230001]), np.array([1, 1.23]), hint="h"),
        "[1, 1.23]\n",
        "[1, 1.230001]\n",
    ),
    "close, float32 all but alike": (
        lambda: expect.close(np.float32(1.230001), np.float32(1.23), hint="h"),
        "1.23\n",
        "1.230001\n",
    ),
    "close, tuples all but alike": (
        lambda: expect.close((1, 1.230001), (1, 1.23), hint="h"),
        "[1, 1.23]\n",
        "[1, 1.230001]\n",
    ),
    "close, suspected and all but alike": (
        lambda: expect.close(1.230001, 1.23, hint="h", suspects=[(1.230001, "s")]),
        "1.23\n",
        "found:    1.230001\n  hint:     s",
    ),
    "close, to float32's digits": (
        lambda: expect.close(np.array([1, np.float32(1.23)]), np.array([1, 1.23]), hint="h"),
        "[1, 1.23]\n",
        "hint:     right to some six digits. Is something float32",
    ),
    "close, a float32 array": (
        lambda: expect.close(np.float32([1, 1.23]), np.array([1, 1.23]), hint="h"),
        "[1, 1.23]\n",
        "hint:     right to the digits that float32 holds",
    ),
    "close, to float32's digits, by a suspect": (
        lambda: expect.close(1.0000001, 1.0, hint="h", suspects=[(1.0000001, "s")]),
        "expected: 1\n",
        "hint:     s",
    ),
    "close, to float32's digits, where no more are wanted": (
        lambda: expect.close(1.000001, 1.0, rtol=1e-7, hint="h"),
        "expected: 1\n",
        "hint:     h",
    ),
    "close, beside NaN": (
        lambda: expect.close(np.array([np.nan, 1]), np.array([0.0, 1]), hint="h"),
        "[0, 1]",
        "[nan, 1]",
    ),
    "close, NaN expected": (
        lambda: expect.close(np.full(2, np.nan), np.full(2, np.nan), hint="h"),
        "numbers to compare with",
        "writes NaN into its input",
    ),
    "close, number for text": (lambda: expect.close("1", 1.0, hint="h"), "expected: 1\n", "'1'"),
    "close, number for array": (lambda: expect.close(1.0, np.ones(2), hint="h"), "[1, 1]", "1\n"),
    "close, the right suspect": (
        lambda: expect.close(3, 1, hint="h", suspects=[(2, "two"), (3, "three"), (3, "again")]),
        "1",
        "hint:     three",
    ),
    "close, the nearest suspect": (
        lambda: expect.close(3, 1, hint="h", atol=0.5, suspects=[(3.3, "near"), (3, "three")]),
        "1",
        "hint:     three",
    ),
    "close, no suspect": (
        lambda: expect.close(4, 1, hint="h", suspects=[(2, "two"), (3, "three")]),
        "1",
        "hint:     h",
    ),
    "mean, no suspect": (
        lambda: expect.mean(np.full(9999, 0.7), 1, of=(0, 2), hint="h", suspects=[(0.8, "s")]),
        "mean 1.000",
        "hint:     h",
    ),
    "mean, all but alike": (
        lambda: expect.mean(np.full(10**6, 0.0004), 0.0001, of=(0, 1), hint="h"),
        "mean 0.000100 ± 0.0000",
        "mean 0.000400",
    ),
    "mean, NaN": (lambda: expect.mean([0, np.nan], 1, of=(0, 2), hint="h"), "mean 1.000", "nan"),
    "mean of nothing": (lambda: expect.mean([], 1, of=(0, 2), hint="h"), "mean 1", "no entries"),
    "a share": (
        lambda: expect.mean(np.zeros(10**6) == 0, 0.999, of=(0, 1), hint="h"),
        "a share of 0.999000 ± 0.000199",
        "a share of 1.000",
    ),
    "mean, complex": (lambda: expect.mean([1 + 3j], 1, of=(0, 2), hint="h"), "mean 1", "(1+3j)"),
    "mean, ragged": (lambda: expect.mean([1, [1]], 1, of=(0, 2), hint="h"), "mean 1", "list of 2"),
    "only, suspected": (
        lambda: expect.only([0, 2, 4], (0, 1), hint="h", suspects=[(4, "four")]),
        "0 and 1",
        "found:    the value 4\n  hint:     four",
    ),
    "only, all but alike": (
        lambda: expect.only(np.float32([0, 1 / 0.7]), (0, 1 / 0.7), hint="h"),
        "0 and 1.429",
        "the value 1.428571463",
    ),
    "equal": (lambda: expect.equal("a", "b", hint="h"), "'b'", "'a'"),
    "equal, large integers": (
        lambda: expect.equal(np.array([2**53 + 1]), np.array([2**53]), hint="h"),
        "[9007199254740992",
        "[9007199254740993",
    ),
    "equal, truth": (lambda: expect.equal(True, False, hint="h"), "False", "True"),
    "equal, nothing": (lambda: expect.equal(5, None, hint="h"), "None", "5"),
    "equal, text": (lambda: expect.equal(None, "a", hint="h"), "'a'", "None"),
    "dtype, as NumPy's": (
        lambda: expect.array(np.zeros(9, int), 9, np.dtype(float), hint="h"),
        "shape (9,), float64",
        "shape (9,), int64",
    ),
    "a list for an array": (lambda: expect.array([1, 2], 2, hint="h"), "(2,)", "a list of 2"),
    "a number for an array": (lambda: expect.array(1.5, (), hint="h"), "shape ()", "1.5"),
    "unchanged, NaN": (lambda: expect.unchanged(np.zeros(1), np.full(1, np.nan)), "", "changed"),
    "error without words": (
        lambda: expect.raises(ValueError, _refuse, mentions="p", hint="h"),
        "'p' in its message",
        "found:    ValueError\n",
    ),
    "word within a word": (
        lambda: expect.raises(ValueError, lambda: int("up"), mentions="p", hint="h"),
        "'p' in its message",
        "invalid literal",
    ),
    "no answers": (
        lambda: expect.choice(..., "q", ("a", "b")),
        "'a', 'b'",
        "not written yet",
    ),
    "choice, an array": (
        lambda: expect.choice(np.array(["a", "b"]), "q", ("a", "b")),
        "'a', 'b'",
        "array(['a', 'b']",
    ),
    "dtype": (
        lambda: expect.array(np.zeros(3, np.float32), 3, float, hint="h"),
        "shape (3,), float64",
        "shape (3,), float32",
    ),
    "a pair": (
        lambda: expect.close((np.zeros(3), np.ones(3)), np.zeros(3), hint="h"),
        "[0, 0, 0]",
        "2 things come back",
    ),
    "a dictionary in place of an array": (
        lambda: expect.array({"mask": np.ones(3)}, 3, hint="the first is y."),
        "shape (3,)",
        "the first is y.",
    ),
    "an array and a number in place of an array": (
        lambda: expect.array((np.ones(3), 0.5), 3, hint="the first is y."),
        "shape (3,)",
        "2 things stand where one array is wanted: the first is y.",
    ),
    "a pair, as an array": (
        lambda: expect.array((np.zeros(3), np.ones(3)), 3, hint="the first is y."),
        "shape (3,)",
        "2 things stand where one array is wanted: the first is y.",
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
        "that is a KeyError. Raise a ValueError instead.",
    ),
    "no word": (
        lambda: expect.raises(ValueError, lambda: float("x"), mentions="p", hint="h"),
        "could not convert",
        "its message must have the word 'p'.",
    ),
    "a misspelt name": (
        lambda: expect.raises(ValueError, lambda: faktor, mentions="p", hint="h"),  # noqa: F821
        "NameError",
        "before it raises an error of its own",
    ),
    "right": (
        lambda: expect.right("a", "b", hint="h"),
        "another answer",
        "'a'",
    ),
    "no choice": (
        lambda: expect.choice(..., "q", ("a", "b")),
        "'a', 'b'",
        "not written yet",
    ),
    "no option": (
        lambda: expect.choice("c", "q", ("a", "b")),
        "'a', 'b'",
        "'c'",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_reads_in_four_lines(failure: str):
    """Does a failure name its case, what was expected, what was found, and a hint?"""
    call, expected, found = FAILURES[failure]
    text = message(call)
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

    def __format__(self, spec):
        return "b"

    __str__ = __repr__ = lambda self: "b"


NOTHING = [
    None,
    ...,
    Liar(),
    "1",
    np.str_("1"),
    b"1",
    [Liar()],
    [1.0, "1"],
    [1.0, None],
    np.array([1, 1], object),
    np.array(["1", "1"]),
    np.array([1, 1], "datetime64[s]"),
    {"a": 1},
    {1},
    lambda: 1,
]


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
    assert message(lambda: ask(found)).count("\n") == 3


ACCEPTED = {
    "numbers": lambda: expect.equal(1.0, 1, hint=""),
    "integers of any size": lambda: expect.equal(2**100, 2**100, hint=""),
    "None": lambda: expect.equal(None, None, hint=""),
    "text": lambda: expect.equal("a", "a", hint=""),
    "infinity": lambda: expect.close(np.inf, np.inf, hint=""),
    "complex": lambda: expect.close(1j * np.ones(2), 1j * np.ones(2), hint=""),
    "a tuple": lambda: expect.close((np.ones(2), np.zeros(2)), np.array([[1, 1], [0, 0]]), hint=""),
    "within bounds": lambda: expect.close(1.01, 1, rtol=0.02, hint=""),
    "shape as a number": lambda: expect.array(np.ones(2), 2, hint=""),
    "dtype": lambda: expect.array(np.ones((2, 1), "f4"), (2, 1), np.float32, hint=""),
    "only": lambda: expect.only([True, False, 1.0], (0, 1), hint=""),
    "an error": lambda: expect.raises(ValueError, lambda: _ask(2), mentions="p", hint=""),
    "repeats": lambda: expect.repeats(np.ones(2), np.ones(2), hint=""),
    "unchanged": lambda: expect.unchanged(ARRAY, ARRAY.copy()),
    "varies": lambda: expect.varies([[0, 1], [0, 1], [1, 1]], chance=0, what="", hint=""),
}


def _ask(p: float) -> None:
    raise ValueError(f"p must be in [0, 1], not {p}")


@pytest.mark.parametrize("right", ACCEPTED)
def test_what_is_right_is_accepted(right: str, capsys: pytest.CaptureFixture):
    """Does a case that holds print one line, and nothing else?"""
    with expect.case("f(x)"):
        assert ACCEPTED[right]() is None
    assert capsys.readouterr() == ("ok: f(x)\n", "")


def test_an_option_is_no_liar():
    """Is an object that equals every option, and prints as the right one, refused?"""
    text = message(lambda: expect.choice({"q": Liar()}, "q", ("a", "b")))
    assert "one of 'a', 'b'" in text


def test_only_a_stub_is_unwritten():
    """Is a library's NotImplementedError shown, not taken for a stub?"""
    import torch

    text = message(lambda: torch.rand(3, dtype=torch.int64))  # a mask of integers, say
    assert "expected: no error" in text and "NotImplementedError: " in text


def test_what_a_machine_lacks_is_left_out():
    """Does a check that needs a missing package end as left out, inside a case too?"""
    expect.needs("json")
    with pytest.raises(expect.LeftOut, match="no such_package"), expect.case("a kernel"):
        expect.needs("such_package")


def test_a_missing_exercise_is_named_inside_a_helper_too():
    """Is the check's own helper not taken for the learner's function?"""
    with pytest.raises(expect.Unmet, match="run the cell that defines `missing`"):  # noqa: SIM117
        with expect.case("f"):
            (lambda: missing(1))()  # noqa: F821


CHECK = "with expect.case('f'):\n    expect.close(f(np.ones(3)), 1, hint='h')"


@pytest.mark.parametrize(("f", "hint"), [
    ("np = 3", "`np` was overwritten"), ("f = 1 / 0", ""), ("other = 3", "h"),
])  # fmt: skip
def test_a_module_that_was_overwritten_is_named(f: str, hint: str):
    """Does a check whose own line fails since `np` is no module say that, and only then?"""
    names = {"__name__": "__main__", "np": np, "expect": expect, "f": lambda x: x + 1}
    with contextlib.suppress(ZeroDivisionError):
        exec(f, names)
    with pytest.raises(expect.Unmet) as caught:
        exec(CHECK, names)
    assert hint in caught.value.hint and ("overwritten" in hint) == ("overwr" in caught.value.hint)


def test_unwritten_answers_are_told_apart():
    """Do a stub and a function without `return` say what they are?"""
    assert "found:    not written yet" in message(lambda: _stub())
    assert "returns nothing" in message(lambda: expect.close(None, 1, hint=""))


def _stub():
    raise NotImplementedError("not written yet")


def test_a_zero_has_no_sign():
    """Is a product with a mask said to be 0, and not -0?"""
    with pytest.raises(expect.Unmet) as caught, expect.case("f(x)"):
        expect.close(np.ones(2), 0 * np.array([-1.0, 2.0]))
    assert "-0" not in str(caught.value)


def test_a_crash_names_the_learners_line():
    """Does an error in a learner's function become four lines that quote its line?"""
    source, file = "def f(x):\n    y = x\n    return y / nothing\n", "<a learner's cell>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names: dict = {}
    exec(compile(source, file, "exec"), names)
    text = message(lambda: names["f"](1))
    assert "NameError: name 'nothing' is not defined, line 3 of the cell, in f: `return y" in text
    hints = [("ZeroDivision", "no"), ("back: NameError", "no"), ("NameError", "spell it")]
    with pytest.raises(expect.Unmet, match="spell it"), expect.case("f", crash=hints):
        names["f"](1)


def test_a_hint_on_what_came_back_is_told_where_no_line_of_the_learners_raised():
    """Does a pattern that begins with "back: " fit an error of the check's own line?"""
    hints = [("back: unpack", "return two")]
    with pytest.raises(expect.Unmet, match="return two"), expect.case("f", crash=hints):
        _first, _second = (1, 2, 3)


def test_a_missing_exercise_says_which_cell_to_run():
    """Does a check run before its exercise say what to run?"""
    words = "run the cell that defines `missing`"
    with pytest.raises(expect.Unmet, match=words), expect.case("missing(1)"):
        missing(1)  # noqa: F821


def test_exit_is_caught_and_an_interruption_is_not():
    """Does sys.exit() fail the check, and Ctrl-C still stop it?"""
    assert "SystemExit" in message(sys.exit)
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
    with pytest.raises(ZeroDivisionError), expect.seeded(1), expect.seeded(2):
        raise ZeroDivisionError
    assert expect.rng().random() != expect.rng().random()


def test_tensors_are_compared_as_arrays_are():
    """Are tensors of every floating dtype accepted by the expectations, and told in words?"""
    import torch

    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        x = torch.tensor([0.0, 2.0], dtype=dtype, requires_grad=True)
        expect.tensor(x, 2, dtype, hint="")
        expect.close(x, [0.0, 2.0], hint="")
        expect.only(x, (0, 2), hint="")
        expect.unchanged(x, x.detach().clone())
    text = message(lambda: expect.tensor(np.ones(2), 2, hint="a tensor, please."))
    assert "a tensor of shape (2,)" in text and "[1, 1]" in text and "a tensor, please." in text
    text = message(lambda: expect.tensor(torch.ones(2), (2, 1), torch.float16, hint=""))
    assert "a tensor of shape (2, 1), float16" in text and "shape (2,), float32" in text
    text = message(lambda: expect.close(torch.ones(3), torch.tensor([1.0, 1.0, 2.0]), hint=""))
    assert "expected: [1, 1, 2]" in text and "found:    [1, 1, 1]" in text


def test_a_tensor_without_axes_is_told_as_the_number_that_it_is():
    """Is a wrong value told of a 0-d tensor, and its shape, which is right, not mentioned?"""
    import torch

    text = message(lambda: expect.close(torch.tensor(2.0), 1.5, hint=""))
    assert "expected: 1.5" in text and "found:    2\n" in text and "shape" not in text


def test_the_mean_of_a_float32_tensor_has_room_for_rounding():
    """Is a mean accepted whose entries are rounded to the tensor's dtype, at p = 0 exactly?"""
    import torch

    ones = torch.full((1000,), 1 / (1 - 0.3))
    expect.mean(ones, 1 / 0.7, of=(0, 1 / 0.7), hint="")


def test_a_torch_generator_is_fresh_and_can_be_repeated():
    """Does expect.generator() differ from call to call, and repeat under `seeded`?"""
    import torch

    draws = [torch.rand(3, generator=expect.generator()) for _ in range(2)]
    assert not torch.equal(*draws)
    again = []
    for _ in range(2):
        with expect.seeded(5):
            again.append(torch.rand(3, generator=expect.generator()))
    assert torch.equal(*again)


def test_an_error_that_cannot_be_printed_is_told():
    """Is an exception of a learner's own class told in four lines though its __str__ raises?"""

    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError

    def call() -> None:
        raise Odd

    assert "Odd" in message(call)
