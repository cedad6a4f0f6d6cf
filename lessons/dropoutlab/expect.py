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
import importlib.util
import linecache
import os
import re
import sys
import unittest
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


class LeftOut(unittest.SkipTest):
    """This machine lacks what a check needs: it is left out of the total, and not failed."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def needs(package: str) -> None:
    """Leave this check out where a package is missing that comes for some systems only."""
    if importlib.util.find_spec(package) is None:
        message = f"left out, and not counted: this machine has no {package}, which needs Linux"
        raise LeftOut(message)


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
    except LeftOut:
        raise
    except Unmet as unmet:
        unmet.case = what
        raise unmet.with_traceback(None) from None
    except (Exception, SystemExit) as error:
        raise _crashed(error, what, crash) from None
    print(f"ok: {what}")


def _crashed(error: BaseException, what: str, crash: Iterable[tuple[str, str]]) -> Unmet:
    """The four lines for an exception that came out of the learner's code."""
    message = _message(error)
    if unwritten(error):
        hint = "write the answer in place of the line `raise NotImplementedError(...)`."
        return Unmet("an answer", "not written yet", hint, what)
    where = learners_line(error)
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


def unwritten(error: BaseException) -> bool:
    """Whether a stub raised this, and not a library that lacks something (torch does so)."""
    message = _message(error)
    if message.startswith("UnsupportedLanguageConstruct"):  # Triton's, of a stub for a GPU
        return 'raise NotImplementedError("not written yet")' in message
    stub = ("NotImplementedError", "NotImplementedError: not written yet")
    return isinstance(error, NotImplementedError) and message in stub


def _message(error: BaseException) -> str:
    """An exception in one line, "ErrorType: message"."""
    try:
        text = str(error)
    except Exception:  # a learner's own `__str__`
        text = ""
    return " ".join(": ".join(filter(None, [type(error).__name__, text])).split())


def learners_line(error: BaseException) -> str:
    """Name the line of the learner's cell that raised, or "" where none did.

    The two outermost frames are those of whoever called the learner's code. An error that
    comes from another process brings the name of the line with it.
    """
    if type(brought := getattr(error, "where", None)) is str:
        return brought
    trace, lines = error.__traceback__, []
    while trace is not None:
        lines.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    own = os.path.dirname(__file__)
    check = {code.co_filename for code, _ in lines[:2]}  # this file and the check's cell
    for code, number in reversed(lines):
        file = code.co_filename
        if file in check:
            continue
        if "site-packages" not in file and not file.startswith((own, os.path.dirname(os.__file__))):
            text = linecache.getline(file, number).strip()
            place = f", line {number} of the cell" if code.co_name == "<module>" else ""
            place = place or f", line {number} of the cell, in {code.co_name}"
            return f"{place}: `{text}`" if text else place
    return ""


_seeds: Iterator[int] | None = None


def generator() -> Any:
    """A fresh torch.Generator: as `rng()`, for lessons that use torch."""
    import torch

    return torch.Generator().manual_seed(int(rng().integers(2**63 - 1)))


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


_asked: Callable[..., Any] | None = None
"""Where `ask` is answered when a class is graded; None where the learner's code runs here."""


def ask(question: str, *args: Any) -> Any:
    """Ask one of `dropoutlab.probes` of the process in which the learner's code runs."""
    from dropoutlab import probes

    if _asked is not None:
        return _asked(question, *args)
    return getattr(probes, question)(*args)


@contextlib.contextmanager
def asking(answer: Callable[..., Any]) -> Iterator[None]:
    """Have `answer(question, *args)` answer what is asked inside."""
    global _asked
    before, _asked = _asked, answer
    try:
        yield
    finally:
        _asked = before


# --- exact properties ----------------------------------------------------------------


def array(found: Any, shape: int | tuple[int, ...], dtype: Any = None, *, hint: str) -> None:
    """`found` is a NumPy array of this shape and, where given, this dtype."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    expected = f"an array of shape {shape}" + ("" if dtype is None else f", {np.dtype(dtype)}")
    _numeric(found, expected)
    if not isinstance(found, np.ndarray):
        raise Unmet(expected, _describe(found), hint)
    if found.shape != shape or (dtype is not None and found.dtype != np.dtype(dtype)):
        raise Unmet(expected, f"an array of shape {found.shape}, {found.dtype}", hint)


def tensor(found: Any, shape: int | tuple[int, ...], dtype: Any = None, *, hint: str) -> None:
    """`found` is a torch tensor of this shape and, where given, this dtype (torch.float32, …)."""
    import torch

    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    expected = f"a tensor of shape {shape}" + ("" if dtype is None else f", {_name(dtype)}")
    if not isinstance(found, torch.Tensor):
        _numeric(found, expected)
        raise Unmet(expected, _describe(found), hint)
    if tuple(found.shape) != shape or (dtype is not None and found.dtype != dtype):
        raise Unmet(expected, _describe(found, 0), hint)


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
    if expected is not None:
        kinds = "biufcU" if isinstance(expected, str) else "biufc"
        _numeric(found, _describe(expected), kinds)
    found, expected = _numpy(found), _numpy(expected)
    if _agree(found, expected, rtol, atol):
        return
    wide = max(rtol, 1e-9), max(atol, 1e-12)
    hint = next((words for wrong, words in suspects if _agree(found, wrong, *wide)), hint)
    if np.ndim(found) and np.shape(found) == np.shape(expected):
        a, b = np.asarray(found), np.asarray(expected)
        off = _off(a, b, rtol, atol)
        at = tuple(int(i) for i in np.argwhere(off)[0])
        place = f"entry {at[0] if len(at) == 1 else at}"
        others = f" ({off.sum()} of {off.size} entries differ)"
        right, wrong = _apart(b[at], a[at])
        raise Unmet(f"{place} = {right}", f"{place} = {wrong}{others}", hint)
    raise Unmet(*_apart(expected, found), hint)


def only(
    found: Any, allowed: Sequence[float], *, hint: str, suspects: Suspects = (), rtol: float = 1e-9
) -> None:
    """Each entry of `found` is one of the `allowed` numbers.

    A suspect is a number that a known mistake puts among the entries.
    """
    expected = "only the values " + " and ".join(_number(v) for v in allowed)
    _numeric(found, expected, "biuf")
    values = np.asarray(_numpy(found), dtype=float).ravel()
    strange = values[~np.isclose(values[:, None], allowed, rtol=rtol, atol=1e-12).any(axis=1)]
    if strange.size == 0:
        return
    for wrong, words in suspects:
        if np.isclose(strange, wrong, rtol=1e-9, atol=1e-12, equal_nan=True).any():
            raise Unmet(expected, f"the value {_number(wrong)}", words)
    digits = _digits(lambda d: _number(strange[0], d) not in [_number(v, d) for v in allowed])
    raise Unmet(expected, f"the value {_number(strange[0], digits)}", hint)


def unchanged(now: Any, before: Any, *, hint: str = "") -> None:
    """`now` still holds what it held: the call did not change its input in place."""
    expected = "the input as it was before the call"
    _numeric(now, expected)
    if not _agree(now, before, 0, 0):
        raise Unmet(
            expected,
            "the input changed",
            hint or "the function writes into its input. Return a new array instead.",
        )


def raises(kind: type[Exception], call: Callable[[], Any], *, mentions: str, hint: str) -> None:
    """`call()` raises `kind` with `mentions` as a word of its message."""
    expected = f"{kind.__name__} with {mentions!r} in its message"
    try:
        result = call()
    except NotImplementedError:
        raise
    except kind as error:
        if re.search(rf"\b{re.escape(mentions)}\b", str(error)):
            return
        found = _message(error)
    except Exception as error:
        found = _message(error)
    else:
        found = f"no error; it returned {_describe(result)}"
    raise Unmet(expected, found, hint)


def choice(answers: Any, question: str, options: Sequence[str], *, answer: str, hint: str) -> None:
    """`answers[question]` is the one of `options` whose digest is `answer`.

    The digest keeps the right option out of the check that the learner can read;
    `expect.digest(question, option)` makes it.
    """
    expected = f"{question!r}: one of " + ", ".join(repr(option) for option in options)
    given = answers.get(question, ...) if isinstance(answers, dict) else ...
    if given is ... or given is None:
        raise Unmet(expected, "not written yet", "put one of these strings in place of the dots.")
    if type(given) is not str or given not in options:
        raise Unmet(expected, repr(given), "write one of these strings, letter by letter.")
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
    that a known mistake would have. The nearest is named, if it is as near for the spread of
    what was found as `expected` would have to be for its own.
    """
    _numeric(found, f"mean {expected:.3f}", "biuf")
    low, high = of
    tiny, found = _rounding(found), _numpy(found)
    n = int(np.size(found))
    if n == 0:
        raise Unmet(f"mean {expected:.3f}", "no entries at all", hint)
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
    places = _digits(lambda d: f"{value:.{d - 1}f}" != f"{expected:.{d - 1}f}") - 1
    bounds = f"mean {expected:.{places}f} ± {width:.{places}f}"
    raise Unmet(bounds, f"mean {value:.{places}f}", hint)


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
    expected = "the same result for two generators with the same seed"
    _numeric(first, expected)
    if not _agree(first, second, 0, 0):
        raise Unmet(expected, "two different results", hint)


# --- words for what was found ----------------------------------------------------------


def _is_tensor(value: Any) -> bool:
    """Whether this is a torch tensor (torch is imported only where a lesson does so)."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _numpy(value: Any) -> Any:
    """A torch tensor as an array (in float64 where it is a floating one); all else as it is."""
    if isinstance(value, tuple | list):
        return type(value)(map(_numpy, value)) if any(map(_is_tensor, value)) else value
    if not _is_tensor(value):
        return value
    plain = value.detach().cpu()
    return (plain.double() if plain.is_floating_point() else plain).numpy()


def _rounding(value: Any) -> float:
    """How far, relatively, a number may be off for being stored in this dtype."""
    if _is_tensor(value):
        torch = sys.modules["torch"]
        return float(torch.finfo(value.dtype).eps) if value.is_floating_point() else 1e-9
    kind = np.asarray(value).dtype
    return max(1e-9, float(np.finfo(kind).eps)) if kind.kind == "f" else 1e-9


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _numeric(found: Any, expected: str, kinds: str = "biufc") -> None:
    """Refuse what is no number and no array of numbers, of NumPy's `kinds`, in words."""
    if found is None:
        raise Unmet(expected, "None", "the function returns nothing. Is there a `return`?")
    if found is ...:
        raise Unmet(expected, "not written yet", "put your answer in place of the dots.")
    if isinstance(found, tuple | list):
        for entry in found:
            _numeric(entry, expected, kinds)
        with contextlib.suppress(ValueError):  # rows of different lengths
            np.shape(found)
            return
    if _is_tensor(found):
        found = _numpy(found)
    plain = type(found) in (bool, float, complex, str) or isinstance(found, np.ndarray | np.generic)
    if type(found) is not int and not (plain and np.asarray(found).dtype.kind in kinds):
        raise Unmet(expected, _describe(found), "return a NumPy array or a number.")


def _agree(found: Any, expected: Any, rtol: float, atol: float) -> bool:
    """Whether two values agree, NaN with NaN, shape for shape, and never by `__eq__` alone."""
    found, expected = _numpy(found), _numpy(expected)
    if isinstance(expected, str) or expected is None or isinstance(found, str):
        return type(found) is type(expected) and found == expected
    if type(found) is type(expected) is int and rtol == atol == 0:
        return found == expected  # of any size
    try:
        a, b = np.asarray(found), np.asarray(expected)
        if a.dtype.kind not in "biufc" or a.shape != b.shape:
            return False
        return not _off(a, b, rtol, atol).any()
    except (TypeError, ValueError):
        return False


def _off(a: np.ndarray, b: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    """Where two arrays of one shape differ; `isclose` would round large integers."""
    if rtol == atol == 0:
        return (a != b) & ~((a != a) & (b != b))
    return ~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)


def _describe(value: Any, digits: int = 4) -> str:
    """Say in a few words what a value is."""
    if isinstance(value, str):
        return repr(value)
    if value is None or isinstance(value, int | float | complex | np.number | np.bool_):
        return _number(value, digits)
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return f"{_number(value[()], digits)} (an array of shape ())"
        if value.size <= 8 and value.dtype.kind in "biuf":
            entries = np.array2string(
                value, separator=", ", formatter={"all": lambda entry: _number(entry, digits)}
            )
            return f"{' '.join(entries.split())}"
        return f"an array of shape {value.shape}, {value.dtype}"
    if _is_tensor(value):
        if value.ndim and (value.numel() > 8 or digits == 0):
            return f"a tensor of shape {tuple(value.shape)}, {_name(value.dtype)}"
        return f"a tensor {_describe(_numpy(value), digits or 4)}, {_name(value.dtype)}"
    if isinstance(value, tuple) and len(value) <= 4:
        return "(" + ", ".join(_describe(entry, digits) for entry in value) + ")"
    if isinstance(value, list | tuple | dict | set):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an object of type {type(value).__name__}"


def _apart(first: Any, second: Any) -> tuple[str, str]:
    """Two values in words, with as many digits as tell them apart."""
    digits = _digits(lambda d: _describe(first, d) != _describe(second, d))
    return _describe(first, digits), _describe(second, digits)


def _digits(differ: Callable[[int], bool]) -> int:
    """The number of digits, 4 or as many more as it takes, with which two texts differ."""
    return next((digits for digits in (4, 7, 10, 13) if differ(digits)), 17)


def _number(value: Any, digits: int = 4) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float | np.floating) else str(value)
