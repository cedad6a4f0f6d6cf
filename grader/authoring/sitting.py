"""How long a lesson takes, by rule: readers took that long, give or take a third.

The build writes the number where the lesson's first cell says `{{minutes}} minutes` (a number that
stands there is written over), and `python3 grader check` tells it beside what a sitting may hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.authoring.lesson import REGION, Cell, Lesson, is_question

MINUTES, WORDS, EXERCISES = 75, 1900, 6
"""What one sitting holds at most."""

A_MINUTE = 130
"""Words of prose with formulas that are read in a minute."""
FIGURE, QUESTION, PROSE = 1, 2, 5
"""The minutes for looking at a figure, answering a question, and an answer in prose."""
LINES = {5: 8, 10: 15}
"""The minutes for an exercise, by the most lines that its solution has."""
LONG = 25
"""The minutes for an exercise with a longer solution."""

PLACE = re.compile(r"^\*(\d+|\{\{minutes\}\})(?= minutes)", re.MULTILINE)
"""Where a lesson's first cell says how long it takes."""


def timed(opening: str, cells: Sequence[Cell]) -> str:
    """The text of a lesson's first cell, with the minutes that it takes."""
    return PLACE.sub(f"*{minutes(cells)}", opening, count=1)


def minutes(cells: Sequence[Cell]) -> int:
    """The minutes that a lesson of these cells takes, rounded up to five."""
    total = words(cells) / A_MINUTE
    for cell in cells:
        match cell.kind:
            case "demonstration" | "figure":
                total += FIGURE * bool(re.search(r"plot\.show\(|^explore\.", cell.source))
            case "exercise":
                total += _writing(cell)
            case "question":
                total += QUESTION
            case "answer":
                total += PROSE
    return 5 * -int(-total // 5)


def words(cells: Sequence[Cell]) -> int:
    """How many words the story has; what is folded is not counted."""
    story = " ".join(cell.source for cell in cells if cell.kind == "story")
    return len(re.findall(r"\S*\w\S*", story))


def summary(lesson: Lesson) -> str:
    """A lesson's words, exercises and minutes, and what of it is too much for one sitting."""
    exercises = sum(not is_question(cell) for cell in lesson.of("exercise"))
    counts = {
        "words": (words(lesson.cells), WORDS),
        "exercise" + "s" * (exercises != 1): (exercises, EXERCISES),
        "minutes": (int(lesson.minutes), MINUTES),
    }
    told = [f"{n} {what}{' (too many)' * (n > most)}" for what, (n, most) in counts.items()]
    return ", ".join(told)


def _writing(exercise: Cell) -> int:
    """The minutes for writing a solution, by its lines of code."""
    text = "".join(REGION.findall(exercise.source)).splitlines()
    lines = sum(bool(line.strip()) and not line.strip().startswith("#") for line in text)
    return next((time for most, time in LINES.items() if lines <= most), LONG)
