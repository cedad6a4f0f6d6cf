"""The lessons by part, and their table in README.md, which `python3 grader build` writes."""

from __future__ import annotations

import re
from itertools import groupby

from grader.authoring.lesson import Lesson

PARTS = (
    "Start",
    "Building it",
    "Why it works",
    "Variants",
    "Where the mask lives",
    "On your own",
)
"""The names of the parts, by a lesson's first digit; higher ones belong to the last part."""

BEGIN = "<!-- python3 grader build writes this table -->\n"
END = "<!-- the table ends -->\n"


def by_part(lessons: list[Lesson]) -> dict[str, list[Lesson]]:
    """The lessons of each part that has any, in order."""
    return {part: list(members) for part, members in groupby(lessons, _part)}


def with_table(text: str, lessons: list[Lesson]) -> str:
    """The text of README.md with the table of these lessons between the two markers."""
    table = f"{BEGIN}\n{_table(lessons)}\n{END}"
    return re.sub(f"{BEGIN}.*?{END}", lambda _: table, text, flags=re.DOTALL)


def _part(lesson: Lesson) -> str:
    return PARTS[min(int(lesson.name[0]), len(PARTS) - 1)]


def _table(lessons: list[Lesson]) -> str:
    """The names of the parts; then a row for each lesson: title, question, minutes."""
    parts = [f"**{members[0].name[0]}** {part}" for part, members in by_part(lessons).items()]
    rows = ["| lesson | question | minutes |", "| --- | --- | --- |"]
    for lesson in lessons:
        link = f"[{lesson.title}](lessons/{lesson.name}/{lesson.name}.ipynb)"
        question = lesson.question.replace("|", r"\|")
        rows.append(f"| {link} | {question} | {lesson.minutes} |")
    return "\n".join([" · ".join(parts), "", *rows, ""])
