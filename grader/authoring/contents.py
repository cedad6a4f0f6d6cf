"""The lessons by part, and their table in README.md, which `python3 grader build` writes."""

from __future__ import annotations

import json
import re
from itertools import groupby

from grader.authoring.lesson import Lesson, number
from grader.paths import ROOT

GPU = ROOT / "datasets" / "gpu.json"
KERNELS = "Where the mask lives"
PARTS = (
    "Start",
    "Building it",
    "Why it works",
    "Variants",
    KERNELS,
    "On your own",
    "For the curious",
)
"""The names of the parts, by a lesson's first digit; higher ones belong to the last part."""

WAYS = {
    "An afternoon": "00 11 13 21 23",
    "A week of a course": "00 11 12 13 14 16 21 22",
    "For practitioners": "00 13 16 17 21 33 37 41",
}
"""Ways through the course, by the numbers of their lessons."""

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
    parts = [
        f"**{members[0].name[0]}** {part}{_measured() if part == KERNELS else ''}"
        for part, members in by_part(lessons).items()
    ]
    rows = ["| lesson | question | minutes |", "| --- | --- | --- |"]
    for lesson in lessons:
        link = f"[{lesson.title}](lessons/{lesson.name}/{lesson.name}.ipynb)"
        question = lesson.question.replace("|", r"\|")
        rows.append(f"| {link} | {question} | {lesson.minutes} |")
    return "\n".join([" · ".join(parts), "", *rows, "", *_ways(lessons), ""])


def _measured() -> str:
    """On which GPU its lessons' kernels were measured, as `python3 grader gpu` keeps it."""
    kept = json.loads(GPU.read_text(encoding="utf-8")) if GPU.exists() else {}
    device = kept.get("kernels", {}).get("device")
    return f" (measured on {device})" if device else ""


def _ways(lessons: list[Lesson]) -> list[str]:
    """Each way's hours and lessons, of those that there are; then those of the whole."""
    lines = ["Ways through, with the hours that their lessons add up to:", ""]
    for way, numbers in WAYS.items():
        members = [lesson for lesson in lessons if lesson.name[:2] in numbers.split()]
        if members:
            named = ", ".join(number(lesson.name) for lesson in members)
            lines.append(f"- **{way}**, {_hours(members)}: {named}")
    return [*lines, f"- **The whole of it**, {_hours(lessons)}"]


def _hours(lessons: list[Lesson]) -> str:
    hours = max(1, round(sum(int(lesson.minutes) for lesson in lessons) / 60))
    return f"{hours} hour{'s' if hours != 1 else ''}"
