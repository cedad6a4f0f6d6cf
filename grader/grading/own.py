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
from grader.errors import CourseError
from grader.grading.autograde import Options, Silent, autograde
from grader.grading.folders import ClassFolder
from grader.grading.pools import Here
from grader.grading.result import Graded
from grader.isolation.confinement import Limits
from grader.paths import COURSE

REPORTS = COURSE / "reports"
ME = "learner"


def grade(
    lesson: Lesson,
    notebook: Path | None = None,
    *,
    unsafe: bool = False,
    limits: Limits | None = None,
) -> tuple[Graded, Path]:
    """Grade a learner's notebook of a lesson, left as it is; the result and its report."""
    notebook = notebook or released(lesson.name)
    if not notebook.is_file():
        raise CourseError(f"{notebook} is missing: open the lesson in JupyterLab and save it.")
    name = notebook.stem if notebook.stem == lesson.former else lesson.name
    with tempfile.TemporaryDirectory() as place:
        folder = ClassFolder(Path(place))
        copy = folder.notebook("submitted", name, ME)
        copy.parent.mkdir(parents=True)
        shutil.copyfile(notebook, copy)
        options = Options(folder.place, unsafe=unsafe, limits=limits or Limits())
        (graded,) = autograde([lesson], options, Silent(), Here())
        if graded.outcome == "malformed":
            raise CourseError(graded.notes[0].replace("the file", str(notebook)))
        REPORTS.mkdir(parents=True, exist_ok=True)
        page = folder.page(lesson.name, ME)
        report = Path(shutil.copyfile(page, REPORTS / page.name))
    return replace(graded, notebook=""), report
