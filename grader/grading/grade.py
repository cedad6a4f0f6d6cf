"""Grade one's own notebooks where they lie: `python3 grader grade 13`.

A class of one learner is made in a temporary folder and graded there as any class is, so
the score is the one that a class's gradebook would hold.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from grader.authoring.build import released
from grader.authoring.lesson import Lesson
from grader.authoring.reading import read_all
from grader.errors import CourseError
from grader.grading import autograde
from grader.grading.judge import Judged
from grader.isolation.confinement import Limits
from grader.paths import COURSE, SOLUTIONS

REPORTS = COURSE / "reports"
ME = "learner"


def chosen(names: list[str]) -> list[Lesson]:
    """The lessons that are meant: "13", "13_inverted_dropout", several, or "all"."""
    lessons = read_all(SOLUTIONS)
    picked = []
    for name in names:
        name = Path(name.rstrip("/")).stem
        found = [x for x in lessons if name == "all" or x.name == name or x.name[:2] == name]
        if not found:
            known = ", ".join(lesson.name for lesson in lessons)
            raise CourseError(f"no lesson is called {name!r}. There are: {known}.")
        picked += [lesson for lesson in found if lesson not in picked]
    return picked


def grade(
    lesson: Lesson,
    notebook: Path | None = None,
    *,
    unsafe: bool = False,
    limits: Limits | None = None,
) -> tuple[Judged, Path]:
    """Grade a learner's notebook of a lesson, left as it is; the result and its report."""
    notebook = notebook or released(lesson.name)
    if not notebook.is_file():
        raise CourseError(f"{notebook} is missing: open the lesson in JupyterLab and save it.")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copy = place / "submitted" / ME / lesson.name / f"{lesson.name}.ipynb"
        copy.parent.mkdir(parents=True)
        shutil.copyfile(notebook, copy)
        options = autograde.Options(place, unsafe=unsafe, limits=limits or Limits())
        (judged,) = autograde.autograde([lesson], options, autograde.Silent(), autograde.Here())
        if judged.outcome == "malformed":
            raise CourseError(judged.notes[0].replace("the file", str(notebook)))
        REPORTS.mkdir(parents=True, exist_ok=True)
        page = place / "feedback" / ME / lesson.name / f"{lesson.name}.html"
        report = Path(shutil.copyfile(page, REPORTS / page.name))
    return replace(judged, notebook=""), report
