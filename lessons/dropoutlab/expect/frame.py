"""The frame of a check: a case, its failure in four lines, its generators and its questions."""

from __future__ import annotations

import contextlib
import importlib.util
import linecache
import os
import re
import sys
import types
import unittest
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

LONGEST = 2_000
"""Characters of one line that a check says, at most: a learner's value may be a book."""


class Unmet(AssertionError):
    """An expectation that does not hold, told in four lines (IPython shows only these)."""

    def __init__(self, expected: str, found: str, hint: str, case: str = "this check"):
        expected, found, hint = (_cut(text) for text in (expected, found, hint))
        super().__init__(expected, found, hint)
        self.case, self.expected, self.found, self.hint = case, expected, found, hint

    def __str__(self) -> str:
        rows = {"expected: ": self.expected, "found:    ": self.found, "hint:     ": self.hint}
        body = (f"  {label}{' '.join(text.split())}" for label, text in rows.items())
        return "\n".join([self.case, *body])

    def _render_traceback_(self) -> list[str]:
        return voice.lines(self)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters)"


class Voice:
    """How a check speaks: here as in a terminal and to a grader; `page` has that of a notebook."""

    def begin(self) -> None:
        """A case begins."""

    def answered(self) -> None:
        """A question has an answer, and nothing here can tell whether it is right."""

    def passed(self, what: str) -> None:
        """A case has passed."""
        print(f"ok: {what}")

    def lines(self, unmet: Unmet) -> list[str]:
        """A failed expectation, as it is shown."""
        return str(unmet).splitlines()


voice = Voice()


class LeftOut(unittest.SkipTest):
    """This machine lacks what a check needs: it is left out of the total, and not failed."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def needs(package: str) -> None:
    """Leave this check out where a package is missing that comes for some systems only."""
    if importlib.util.find_spec(package) is None:
        message = f"left out, and not counted: this machine has no {package}, which needs Linux"
        raise LeftOut(message)


@contextlib.contextmanager
def case(what: str, *, crash: Iterable[tuple[str, str]] = ()) -> Iterator[None]:
    """Name what is tried; a failed expectation or a crash inside becomes four lines.

    `crash` holds pairs (regular expression on "ErrorType: message", hint). One that begins with
    "back: " speaks of what came back, and is left out where the learner's own line raised. What
    the learner's code writes to stderr goes to stdout, since nbgrader gives no points to a
    cell with anything on stderr.
    """
    try:
        voice.begin()
        with contextlib.redirect_stderr(sys.stdout):
            yield
    except LeftOut:
        raise
    except Unmet as unmet:
        unmet.case = what
        raise unmet.with_traceback(None) from None
    except (Exception, SystemExit) as error:
        raise _crashed(error, what, crash) from None
    voice.passed(what)


BACK = "back: "
"""How a pattern begins that is for errors of what was done with the result alone."""


def _crashed(error: BaseException, what: str, crash: Iterable[tuple[str, str]]) -> Unmet:
    """The four lines for an exception that came out of the learner's code."""
    message = message_of(error)
    if unwritten(error):
        hint = "write the answer in place of the line `raise NotImplementedError(...)`."
        return Unmet("an answer", "not written yet", hint, what)
    where = learners_line(error)
    if isinstance(error, NameError) and not where:
        name = missing(error)
        hint = f"run the cell that defines `{name}`, then this one."
        return Unmet(f"`{name}` to be defined", message, hint, what)
    if not where and (name := overwritten(error)):
        found = f"something else ({message})"
        return Unmet(f"`{name}` to be the module", found, OVERWRITTEN.format(name), what)
    if isinstance(error, NameError):
        hint = f"`{missing(error)}` has no value there. Is it spelled as where it was set?"
    elif where:
        hint = "read that line with the values of this case in mind."
    elif isinstance(error, TypeError) and re.search(r"\bargument.* (not|got) '?NoneType", message):
        hint = "None came back. Does each way through the function end in `return`?"
    elif isinstance(error, TypeError) and re.search(r"\bargument(?!.* (must be|got) )", message):
        hint = "the call itself fails: are the arguments those of the given signature?"
    elif re.search("no attribute '_(modules|parameters|buffers|.*_hooks)'$", message):
        hint = "begin __init__ with super().__init__()."
    else:
        hint = "what came back does not fit: is it of the kind and shape that the docstring says?"
    fits = (words for pattern, words in crash if (not where or not pattern.startswith(BACK))
            and re.search(pattern.removeprefix(BACK), message))  # fmt: skip
    hint = next(fits, hint)
    return Unmet("no error", message + where, hint, what)


def missing(error: NameError) -> str:
    """The name that is not defined; an error from another process has it in its words only."""
    return getattr(error, "name", None) or str(error).partition("'")[2].partition("'")[0]


MODULES = {"np", "torch", "nn", "F", "math", "plt", "expect", "plot"}
"""Names by which lessons import modules, and call nothing else."""
OVERWRITTEN = "`{0}` was overwritten. Give yours another name, and run the first cell again."


def overwritten(error: BaseException) -> str:
    """The module's name that the failing lines of a notebook use for something else; else ""."""
    trace = error.__traceback__
    while trace is not None:
        names, code = trace.tb_frame.f_globals, trace.tb_frame.f_code
        if names.get("__name__") == "__main__":
            for name in code.co_names:
                if name in MODULES and not isinstance(names.get(name, sys), types.ModuleType):
                    return name
        trace = trace.tb_next
    return ""


def unwritten(error: BaseException) -> bool:
    """Whether a stub raised this, and not a library that lacks something (torch does so)."""
    message = message_of(error)
    if 'raise NotImplementedError("not written yet")' in message:
        return True  # a compiler, Triton's or torch's, quotes it
    stub = ("NotImplementedError", "NotImplementedError: not written yet")
    return isinstance(error, NotImplementedError) and message in stub


def message_of(error: BaseException) -> str:
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
    own = os.path.dirname(os.path.dirname(__file__))  # dropoutlab
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
    """A fresh torch.Generator on torch's default device: as `rng()`, for lessons that use torch."""
    import torch

    return torch.Generator(torch.get_default_device()).manual_seed(int(rng().integers(2**63 - 1)))


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
