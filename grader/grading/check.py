"""One check cell, run here, in the referee, in the instructor's own text.

It sees the names that `setup` cells bind; for the exercises stand what the player hands out.
"""

from __future__ import annotations

import contextlib
import linecache
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from dropoutlab import expect
from grader.authoring.names import used
from grader.grading.result import Message
from grader.isolation.alarm import Overrun, alarm
from grader.isolation.forks import Lost
from grader.isolation.outputs import stopped
from grader.isolation.session import ALLOWANCE, Gone, Session
from grader.isolation.text import Printed, plain, printed


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
    room = session.limits.output
    out, err = Printed(room), Printed(room)
    fault: BaseException | None = None
    with (
        session.timed(session.limits.check),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        expect.asking(session.ask),
    ):
        try:
            with alarm.set(session.limits.check + ALLOWANCE):
                wanted = tuple(sorted(used(source) & names - space.keys()))
                answers = {k: v for k, v in session.request("names", wanted) if k in wanted}
                execute(source, {**space, **answers}, file)
        except (Gone, Lost, KeyboardInterrupt):
            raise
        except BaseException as error:
            fault = error
    session.forget()
    streams = {name: printed(to.take(), room) for name, to in (("stdout", out), ("stderr", err))}
    outputs = [new_output("stream", name=name, text=text) for name, text in streams.items() if text]
    if fault is None:
        silent = not streams["stderr"]
        noisy = Message(found="the cell wrote to stderr, which counts as a failure")
        return Checked(outputs, None if silent else noisy)
    if isinstance(fault, Overrun):
        session.interrupted = session.late = True
        sentence = f"this check did not end in {session.limits.check:g} s"
        return Checked([*outputs, stopped(sentence)], Message(found=sentence))
    name, text = plain(type(fault).__name__, 100), plain(_text(fault))
    if isinstance(fault, expect.Unmet):
        fields = fault.case, fault.expected, fault.found, fault.hint
        message = Message(*(" ".join(plain(field).split()) for field in fields))
        lines = message.text.splitlines()
    else:
        message = Message(found=f"{name}: {text}")
        lines = [message.found]
    output = new_output("error", ename=name, evalue=text, traceback=lines)
    return Checked([*outputs, output], message, isinstance(fault, expect.LeftOut))


def _text(fault: BaseException) -> str:
    """What an exception says; it may hold an object of the learner's."""
    try:
        return str(fault)
    except BaseException:
        return ""


def execute(source: str, space: dict[str, Any], file: str) -> None:
    """Run a cell of the instructor's; tracebacks can quote its lines."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), space)
