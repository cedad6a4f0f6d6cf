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

from __future__ import annotations

import contextlib
import hashlib
import linecache
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

ALPHA = 1e-9
"""The probability with which one random test rejects a right answer, at most."""

Suspects = Iterable[tuple[Any, str]]


class Unmet(AssertionError):
    """An expectation that does not hold, told in four lines (IPython shows only these)."""

    def __init__(self, expected: str, found: str, hint: str, case: str = "this check"):
        super().__init__(expected, found, hint)
        self.case, self.expected, self.found, self.hint = case, expected, found, hint

    def __str__(self) -> str:
        rows = {"expected: ": self.expected, "found:    ": self.found, "hint:     ": self.hint}
        body = (f"  {label}{' '.join(text.split())}" for label, text in rows.items())
        return "\n".join([self.case, *body])

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


# --- the frame of a check ------------------------------------------------------------


@contextlib.contextmanager
def case(what: str, *, crash: Iterable[tuple[str, str]] = ()) -> Iterator[None]:
    """Name what is tried; a failed expectation or a crash inside becomes four lines.

    `crash` holds pairs (regular expression on "ErrorType: message", hint). What the
    learner's code writes to stderr goes to stdout, since nbgrader gives no points to a
    cell with anything on stderr.
    """
    try:
        with contextlib.redirect_stderr(sys.stdout):
            yield
    except Unmet as unmet:
        unmet.case = what
        raise unmet.with_traceback(None) from None
    except (Exception, SystemExit) as error:
        raise _crashed(error, what, crash) from None
    print(f"ok: {what}")


def _crashed(error: BaseException, what: str, crash: Iterable[tuple[str, str]]) -> Unmet:
    """The four lines for an exception that came out of the learner's code."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, NotImplementedError):
        hint = "write the answer in place of the line `raise NotImplementedError(...)`."
        return Unmet("an answer", "not written yet", hint, what)
    where = _learners_line(error)
    if isinstance(error, NameError) and not where:
        name = getattr(error, "name", None) or str(error).partition("'")[2].partition("'")[0]
        hint = f"run the cell that defines `{name}`, then this one."
        return Unmet(f"`{name}` to be defined", message, hint, what)
    if where:
        hint = "read that line with the values of this case in mind."
    else:
        hint = "the call itself fails: are the arguments those of the given signature?"
    hint = next((words for pattern, words in crash if re.search(pattern, message)), hint)
    return Unmet("no error", message + where, hint, what)


def _learners_line(error: BaseException) -> str:
    """Name the line of the learner's cell that raised, or "" where none did."""
    trace, lines = error.__traceback__, []
    while trace is not None:
        lines.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    own = os.path.dirname(__file__)
    for code, number in reversed(lines[2:]):  # the first two are this file's and the check's
        file = code.co_filename
        if "site-packages" not in file and not file.startswith((own, os.path.dirname(os.__file__))):
            text = linecache.getline(file, number).strip()
            place = f", line {number} of the cell" if code.co_name == "<module>" else ""
            place = place or f", line {number} of the cell, in {code.co_name}"
            return f"{place}: `{text}`" if text else place
    return ""


_seeds: Iterator[int] | None = None


def rng() -> np.random.Generator:
    """A fresh NumPy generator: another one at each call, unless `seeded` holds."""
    return np.random.default_rng(None if _seeds is None else next(_seeds))


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[Callable[[], int]]:
    """Make `rng()` repeatable inside; yields a function that counts the generators drawn."""
    global _seeds
    before, drawn = _seeds, 0

    def stream() -> Iterator[int]:
        nonlocal drawn
        for child in np.random.SeedSequence(seed).generate_state(10_000):
            drawn += 1
            yield int(child)

    _seeds = stream()
    try:
        yield lambda: drawn
    finally:
        _seeds = before


# --- exact properties ----------------------------------------------------------------


def array(found: Any, shape: int | tuple[int, ...], dtype: Any = None, *, hint: str) -> None:
    """`found` is a NumPy array of this shape and, where given, this dtype."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    expected = f"an array of shape {shape}" + ("" if dtype is None else f", {np.dtype(dtype)}")
    _numeric(found, expected)
    if (
        not isinstance(found, np.ndarray)
        or found.shape != shape
        or dtype
        not in (
            None,
            found.dtype,
        )
    ):
        text = f"an array of shape {found.shape}, {found.dtype}" if np.ndim(found) else ""
        raise Unmet(expected, text or _describe(found), hint)


def equal(found: Any, expected: Any, *, hint: str, suspects: Suspects = ()) -> None:
    """`found` is exactly `expected` (a number, string, array, or None)."""
    close(found, expected, rtol=0, atol=0, hint=hint, suspects=suspects)


def close(
    found: Any,
    expected: Any,
    *,
    hint: str,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    suspects: Suspects = (),
) -> None:
    """Each entry: |found - expected| <= atol + rtol * |expected|, and the shapes agree."""
    said = _describe(expected)
    if not isinstance(expected, str):
        _numeric(found, said)
    if _agree(found, expected, rtol, atol):
        return
    for wrong, words in suspects:
        if _agree(found, wrong, max(rtol, 1e-9), max(atol, 1e-12)):
            raise Unmet(said, _describe(found), words)
    if np.ndim(found) and np.shape(found) == np.shape(expected):
        a, b = np.asarray(found), np.asarray(expected)
        off = ~np.isclose(a, b, rtol=rtol, atol=atol)
        at = tuple(int(i) for i in np.argwhere(off)[0])
        place = f"entry {at[0] if len(at) == 1 else at}"
        others = f" ({off.sum()} of {off.size} entries differ)"
        said, told = _apart(b[at], a[at])
        raise Unmet(f"{place} = {said}", f"{place} = {told}{others}", hint)
    if np.ndim(found) == np.ndim(expected) == 0:
        raise Unmet(*_apart(expected, found), hint)
    raise Unmet(said, _describe(found), hint)


def only(
    found: Any, allowed: Sequence[float], *, hint: str, suspects: Suspects = (), rtol: float = 1e-9
) -> None:
    """Each entry of `found` is one of the `allowed` numbers.

    A suspect is a number that a known mistake puts among the entries.
    """
    said = "only the values " + " and ".join(_number(v) for v in allowed)
    _numeric(found, said)
    values = np.asarray(found, dtype=float).ravel()
    strange = values[~np.isclose(values[:, None], allowed, rtol=rtol, atol=1e-12).any(axis=1)]
    if strange.size == 0:
        return
    for wrong, words in suspects:
        if np.isclose(strange, wrong, rtol=1e-9, atol=1e-12, equal_nan=True).any():
            raise Unmet(said, f"the value {_number(wrong)}", words)
    raise Unmet(said, f"the value {_number(strange[0])}", hint)


def unchanged(now: Any, before: Any, *, hint: str = "") -> None:
    """`now` still holds what it held: the call did not change its input in place."""
    said = "the input as it was before the call"
    _numeric(now, said)
    if not _agree(now, before, 0, 0):
        raise Unmet(
            said,
            "the input changed",
            hint or "the function writes into its input. Return a new array instead.",
        )


def raises(kind: type[Exception], call: Callable[[], Any], *, mentions: str, hint: str) -> None:
    """`call()` raises `kind` with `mentions` as a word of its message."""
    said = f"{kind.__name__} with {mentions!r} in its message"
    try:
        result = call()
    except NotImplementedError:
        raise
    except kind as error:
        if re.search(rf"\b{re.escape(mentions)}\b", str(error)):
            return
        found = f"{type(error).__name__}: {error}"
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    else:
        found = f"no error; it returned {_describe(result)}"
    raise Unmet(said, found, hint)


def choice(answers: Any, question: str, options: Sequence[str], *, answer: str, hint: str) -> None:
    """`answers[question]` is the one of `options` whose digest is `answer`.

    The digest keeps the right option out of the check that the learner can read;
    `expect.digest(question, option)` makes it.
    """
    said = f"{question!r}: one of " + ", ".join(repr(option) for option in options)
    given = answers.get(question, ...) if isinstance(answers, dict) else ...
    if given is ... or given is None:
        raise Unmet(said, "not written yet", "put one of these strings in place of the dots.")
    if given not in options:
        raise Unmet(said, repr(given), "write one of these strings, letter by letter.")
    if digest(question, given) != answer:
        raise Unmet(f"{question!r}: another answer", repr(given), hint)


def digest(question: str, option: str) -> str:
    """Eight hexadecimal digits that stand for an option of a question."""
    return hashlib.sha256(f"{question}: {option}".encode()).hexdigest()[:8]


# --- random properties ---------------------------------------------------------------


def binomial_interval(n: int, q: float, alpha: float = ALPHA) -> tuple[int, int]:
    """The counts k with P(K < low) <= alpha / 2 and P(K > high) <= alpha / 2, K ~ B(n, q).

    Exact (Clopper and Pearson's tails, 1934), for any n and q.
    """
    from scipy.stats import binom

    low, high = int(binom.ppf(alpha / 2, n, q)), int(binom.isf(alpha / 2, n, q))
    return low, high


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
    that a known mistake would have, tested with the same width.
    """
    low, high = of
    n = int(np.size(found))
    first, last = binomial_interval(n, (expected - low) / (high - low), alpha)
    unit = (high - low) / n
    below, above = expected - (low + first * unit), (low + last * unit) - expected
    width = max(below, above) + 1e-9 * abs(high)
    said = f"mean {expected:.3f} ± {width:.3f}"
    _numeric(found, said)
    value = float(np.mean(np.asarray(found, dtype=float)))
    if abs(value - expected) <= width:
        return
    for wrong, words in suspects:
        if abs(value - wrong) <= width:
            raise Unmet(said, f"mean {value:.3f}", words)
    raise Unmet(said, f"mean {value:.3f}", hint)


def varies(draws: Iterable[Any], *, chance: float, what: str, hint: str) -> None:
    """The `draws` are not all the same.

    `chance` is the probability that right draws would be; a check that asks this of draws
    too few or too small to tell (chance > `ALPHA`) is refused.
    """
    if chance > ALPHA:
        raise ValueError(f"right draws agree with probability {chance:.1e}: take more of them")
    draws = list(draws)
    for draw in draws:
        _numeric(draw, what)
    if all(_agree(draw, draws[0], 0, 0) for draw in draws[1:]):
        raise Unmet(what, f"{len(draws)} times the same", hint)


def repeats(first: Any, second: Any, *, hint: str) -> None:
    """Two calls with generators of the same seed gave the same."""
    said = "the same result for two generators with the same seed"
    _numeric(first, said)
    if not _agree(first, second, 0, 0):
        raise Unmet(said, "two different results", hint)


# --- words for what was found ----------------------------------------------------------


def _numeric(found: Any, expected: str) -> None:
    """Refuse what is no number and no array of numbers, in words."""
    if found is None:
        raise Unmet(expected, "None", "the function returns nothing. Is there a `return`?")
    if found is ...:
        raise Unmet(expected, "not written yet", "put your answer in place of the dots.")
    if isinstance(found, tuple | list):
        for entry in found:
            _numeric(entry, expected)
        return
    plain = type(found) in (bool, int, float) or isinstance(found, np.ndarray | np.generic)
    if not plain or (isinstance(found, np.ndarray) and found.dtype.kind not in "biufc"):
        raise Unmet(expected, _describe(found), "return a NumPy array or a number.")


def _agree(found: Any, expected: Any, rtol: float, atol: float) -> bool:
    """Whether two values agree, NaN with NaN, shape for shape, and never by `__eq__` alone."""
    if isinstance(expected, str) or expected is None or isinstance(found, str):
        return type(found) is type(expected) and found == expected
    try:
        a, b = np.asarray(found), np.asarray(expected)
        if a.dtype.kind not in "biufc" or a.shape != b.shape:
            return False
        return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True))
    except (TypeError, ValueError):
        return False


def _describe(value: Any) -> str:
    """Say in a few words what a value is."""
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return _number(value)
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return f"{_number(value[()])} (an array of shape ())"
        if value.size <= 8 and value.dtype.kind in "biuf":
            entries = np.array2string(value, separator=", ", formatter={"all": _number})
            return f"{' '.join(entries.split())}"
        return f"an array of shape {value.shape}, {value.dtype}"
    if isinstance(value, tuple) and len(value) <= 4:
        return "(" + ", ".join(_describe(entry) for entry in value) + ")"
    if isinstance(value, list | tuple | dict | set):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an object of type {type(value).__name__}"


def _apart(first: Any, second: Any) -> tuple[str, str]:
    """Two values in words, with as many digits as tell them apart."""
    texts = _describe(first), _describe(second)
    if texts[0] == texts[1] and isinstance(first, float) and isinstance(second, float):
        digits = next((d for d in (6, 9, 12) if f"{first:.{d}g}" != f"{second:.{d}g}"), 17)
        return f"{first:.{digits}g}", f"{second:.{digits}g}"
    return texts


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
