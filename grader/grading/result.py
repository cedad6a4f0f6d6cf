"""A graded submission, as plain data: its rows and what its checks said."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

GRADER = "2"
"""Which grader a result is of; another one grades every submission anew."""
FIELDS = "check_message"
"""Where a graded notebook's cell has the fields of its failed check."""
TEXT = re.compile(
    r"(.*?)\n  expected: (.*?)\n  found: +(.*?)(?:\n  hint: +(.*))?",
    re.DOTALL,
)
"""A failed check in four lines."""


@dataclass(frozen=True)
class Message:
    """What a failed check says. What is no failed expectation has `found` alone."""

    case: str = ""
    """What was tried."""
    expected: str = ""
    found: str = ""
    hint: str = ""

    @property
    def text(self) -> str:
        """All fields that are given, a line for each."""
        fields = {"expected: ": self.expected, "found:    ": self.found, "hint:     ": self.hint}
        lines = [f"  {label}{value}" for label, value in fields.items() if value]
        return "\n".join([self.case, *lines]) if self.case else self.found

    @classmethod
    def read(cls, text: str) -> Message | None:
        """The message of which this is the `text`; None where no case is told."""
        match = TEXT.fullmatch(text)
        return match and cls(*(field or "" for field in match.group(1, 2, 3, 4)))


@dataclass(frozen=True)
class Row:
    """One graded cell: its points, how it ended, and what it said where it failed."""

    learner: str
    lesson: str
    exercise: str
    check: str
    points: float | None
    """None where a person has to read the answer."""
    max: float
    outcome: str
    """passed, failed, timed out, killed, out of memory, not run, malformed, by hand"""
    message: Message | None = None

    @property
    def lost(self) -> bool:
        """Whether points are missing that no person has to give."""
        return self.points is not None and self.points < self.max


@dataclass(frozen=True)
class Graded:
    """A graded submission."""

    learner: str
    lesson: str
    outcome: str
    """passed, partly, failed, timed out, killed, out of memory, malformed, tampered"""
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    unanswered: tuple[str, ...]
    """Answer cells that are as they were released."""
    notebook: str
    """The autograded notebook."""
    seconds: float
    """By the clock, all in all."""
    computing: float
    """Seconds that the cells and the checks themselves took."""
    late: bool = False
    """Whether a deadline has struck."""

    @property
    def points(self) -> float:
        return sum(row.points or 0 for row in self.rows)

    @property
    def max(self) -> float:
        return sum(row.max for row in self.rows)


def stored(graded: Graded) -> dict[str, Any]:
    """A result as JSON holds it, without its notebook."""
    return asdict(graded) | {"notebook": "", "grader": GRADER}


def restored(data: dict[str, Any]) -> Graded | None:
    """The result that was `stored`; None where another grader has stored it."""
    if data.pop("grader", "") != GRADER:
        return None
    rows = tuple(_row(**row) for row in data.pop("rows"))
    notes, unanswered = tuple(data.pop("notes")), tuple(data.pop("unanswered"))
    return Graded(rows=rows, notes=notes, unanswered=unanswered, **data)


def _row(message: dict[str, str] | None, **fields: Any) -> Row:
    return Row(**fields, message=None if message is None else Message(**message))
