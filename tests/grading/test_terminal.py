"""What `grade` prints: totals, colours only where they can be seen, and lines that stay aligned."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from grader.grading import terminal
from grader.grading.result import Graded, Message, Row

LONG = Message("f(x)", "6", "5", "a hint of many words that no narrow terminal can show so.")


def row(exercise: str, points: float | None, outcome: str, message: Message | None = None) -> Row:
    return Row("me", "00_x", exercise, f"check_{exercise}", points, 2, outcome, message)


ROWS = (
    row("good", 2, "passed"),
    row("bad", 0, "failed", LONG),
    row("slow", 0, "timed out", Message(found="this check did not end in 60 s")),
    row("blank", 0, "failed", Message("g(x)", "7", "not written yet", "write it.")),
    row("why", None, "by hand"),
)


def printed(width: int = 80, *, tty: bool = False, rows: tuple[Row, ...] = ROWS) -> str:
    out = io.StringIO()
    graded = Graded("me", "00_x", "partly", rows, (), (), "", 0.1, 0.1)
    terminal.show(graded, "0 · [x]", "file:///p.html", Console(file=out, width=width,
                                                             force_terminal=tty))  # fmt: skip
    return out.getvalue()


def test_every_exercise_has_its_points_and_state():
    """Are exercises named, aligned, with points and a word each, and is all added up?"""
    lines = printed().splitlines()
    table = [line.split() for line in lines if line[:1] in "✓✗○" and line]
    assert [" ".join(words) for words in table] == [
        "✓ good 2 / 2 passed",
        "✗ bad 0 / 2 failed",
        "✗ slow 0 / 2 timed out",
        "○ blank 0 / 2 not written yet",
        "○ why – / 2 waits for a person",
    ]
    assert len({line.index("/") for line in lines if line[:1] in "✓✗○" and line}) == 1
    assert "2 of 10 points · 2 points wait for a person" in lines
    assert "page: file:///p.html" in lines and "0 · [x]" in lines


def test_one_point_waits():
    """Is one point one point?"""
    one = Row("me", "00_x", "why", "why", None, 1, "by hand")
    assert "1 point waits for a person" in printed(rows=(one,))


def test_wrapped_lines_stay_aligned():
    """Do the words of a hint stand below each other, however narrow the terminal?"""
    lines = printed(40).splitlines()
    first = next(k for k, line in enumerate(lines) if "hint" in line)
    column = lines[first].index("a hint")
    below = lines[first + 1]
    assert max(map(len, lines[first:])) <= 40 or "page:" in below
    assert below[:column].strip() == "" and below[column] != " "


@pytest.mark.parametrize(("tty", "no_color", "coloured"), [
    (True, "", True), (True, "1", False), (False, "", False),
])  # fmt: skip
def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, tty: bool, no_color: str, coloured: bool
):
    """Is there colour on a terminal, and none in a file or where NO_COLOR asks for none?"""
    monkeypatch.setenv("TERM", "xterm")
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    assert ("\x1b[31m" in printed(tty=tty)) == coloured
