"""Graded questions: what a released notebook can say of an answer, and what a grader says.

A question has few options, so whatever could tell a wrong one from the right one in a notebook
would give the answer away. There a check says that an answer was given. Who learns alone has the
answers on disk, in solutions/, and is told at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dropoutlab.expect import frame
from dropoutlab.expect.frame import Unmet

SOLUTIONS = Path(__file__).resolve().parents[3] / "solutions"
"""Where a clone of the course has its answers."""


OPTION = re.compile(r"- \[([ x])\] (\S.*)")


class Question(NamedTuple):
    """A question as `solutions/` has it."""

    text: list[str]
    """Its lines up to the first option."""
    options: tuple[str, ...]
    right: list[str]
    """The options that are marked; one, where it is written as it should be."""
    hint: str
    """"" where there is none."""


def parsed(source: str) -> Question:
    """Read a question's cell, whose lines are comments."""
    lines = [re.sub(r"^# ?", "", line) for line in source.splitlines()]
    marked = [match.groups() for line in lines if (match := OPTION.fullmatch(line))]
    first = next((i for i, line in enumerate(lines) if OPTION.fullmatch(line)), len(lines))
    rest = (line for line in lines[first:] if not OPTION.fullmatch(line))
    told = " ".join(" ".join(rest).split())
    return Question(
        lines[:first],
        tuple(option for _, option in marked),
        [option for mark, option in marked if mark == "x"],
        told.removeprefix("Hint: ") if told.startswith("Hint: ") else "",
    )


def choice(given: Any, question: str, options: Sequence[str]) -> None:
    """The `given` answer to a question is one of its `options`; where answers lie, the right one.

    question : the name by which `solutions/` has it
    """
    expected = "one of " + ", ".join(repr(option) for option in options)
    if given is ... or given is None:
        raise Unmet(expected, "not written yet", "put one of these strings in place of the dots.")
    if type(given) is not str or given not in options:
        raise Unmet(expected, repr(given), "write one of these strings, letter by letter.")
    answer = _answer(question)
    if answer is None:
        frame.voice.answered()
    else:
        right(given, *answer)


def right(given: str, answer: str, hint: str) -> None:
    """The `given` answer is the right one. Only hidden checks ask this."""
    if given != answer:
        raise Unmet("another answer", repr(given), hint)


def _answer(question: str) -> tuple[str, str] | None:
    """The right option and the hint, or None where this machine has no answers to read."""
    head = re.compile(rf'^# %% question="{question}".*\n((?:#.*\n)+)', re.MULTILINE)
    try:
        texts = [path.read_text(encoding="utf-8") for path in SOLUTIONS.glob("[0-9]*.py")]
    except OSError:
        return None
    for found in filter(None, map(head.search, texts)):
        written = parsed(found[1])
        return written.right[0], written.hint
    return None
