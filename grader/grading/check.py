"""One check cell, run here, in the referee, in the instructor's own text.

It sees the names that `setup` cells bind; for the exercises stand what the player hands out.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from dropoutlab import expect
from grader.authoring.names import used
from grader.grading.result import Message
from grader.isolation.forks import Lost
from grader.isolation.outputs import stopped
from grader.isolation.session import Gone, Session

ALLOWANCE = 5
"""Seconds that the referee's own part of a check may take beyond the player's."""


@dataclass(frozen=True)
class Checked:
    """What became of a check."""

    outputs: list[NotebookNode]
    """As a notebook holds them."""
    message: Message | None = None
    """What it says where it gives no points."""
    left_out: bool = False
    """This machine lacks what it needs, so it does not count."""


def run(
    source: str, file: str, space: dict[str, Any], names: set[str], session: Session
) -> Checked:
    """Run a check; `space` holds what `setup` cells bind, `names` are those of the exercises.

    Raises Gone where the player ends in it.
    """
    out, err = io.StringIO(), io.StringIO()
    fault: BaseException | None = None
    with (
        session.timed(session.limits.check),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _no_longer_than(session.limits.check + ALLOWANCE),
        expect.asking(lambda *question: session.request("ask", *question)),
    ):
        try:
            wanted = tuple(sorted(used(source) & names - space.keys()))
            answers = {k: v for k, v in session.request("names", wanted) if k in wanted}
            execute(source, {**space, **answers}, file)
        except (Gone, Lost, KeyboardInterrupt):
            raise
        except BaseException as error:
            fault = error
        finally:
            session.forget()
    room = session.limits.output
    streams = (("stdout", out.getvalue()[:room]), ("stderr", err.getvalue()[:room]))
    outputs = [new_output("stream", name=name, text=text) for name, text in streams if text]
    if fault is None:
        silent = not err.getvalue()
        noisy = Message(found="the cell wrote to stderr, which counts as a failure")
        return Checked(outputs, None if silent else noisy)
    if isinstance(fault, Overrun):
        session.interrupted = True
        sentence = f"this check did not end in {session.limits.check:g} s"
        return Checked([*outputs, stopped(sentence)], Message(found=sentence))
    name, text = type(fault).__name__, str(fault)
    if isinstance(fault, expect.Unmet):
        fields = fault.case, fault.expected, fault.found, fault.hint
        message = Message(*(" ".join(field.split()) for field in fields))
        lines = fault._render_traceback_()
    else:
        message = Message(found=f"{name}: {text}")
        lines = [message.found]
    error = new_output("error", ename=name, evalue=text, traceback=lines)
    return Checked([*outputs, error], message, isinstance(fault, expect.LeftOut))


def execute(source: str, space: dict[str, Any], file: str) -> None:
    """Run a cell of the instructor's; tracebacks can quote its lines."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), space)


class Overrun(BaseException):
    """A check took too long here, in the referee."""


@contextlib.contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raise Overrun after so many seconds (in a main thread; elsewhere there is no alarm)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise Overrun

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
