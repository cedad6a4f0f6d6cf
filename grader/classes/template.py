"""The repository that learners are given: `python3 grader template FOLDER`.

It grades itself on each push. It holds the lessons as they are released, and so no answer, no
marking guide and no hidden check.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from grader.authoring.build import touched
from grader.authoring.lesson import Lesson
from grader.classes.pack import HERE, files
from grader.errors import CourseError
from grader.grading.packed import Packed
from grader.paths import PACKED, ROOT, released

GIVEN = HERE / "repository"
LEFT_OUT = ("hub", "website", "paper", "bench", "demo.py", "oldest.py", "tiers.py")
"""What of grader/ no learner needs."""


def write(lessons: list[Lesson], folder: Path) -> None:
    """Make the repository in a folder that is new or empty."""
    if folder.exists() and (
        not folder.is_dir() or [p for p in folder.iterdir() if p.name != ".git"]
    ):
        raise CourseError(f"{folder} is not empty: name a new folder.")
    for lesson in lessons:
        notebook = released(lesson.name)
        if not notebook.is_file() or touched(notebook):
            raise CourseError(
                f"{notebook} is not as it is released: run `python3 grader build` first."
            )
    for path in files():
        if path.parts[0] != "grader" or path.parts[1] not in LEFT_OUT:
            _copy(ROOT / path, folder / path)
    for lesson in lessons:
        notebook = released(lesson.name)
        _copy(notebook, folder / notebook.relative_to(ROOT))
        Packed(lesson.name, notebook.read_text(encoding="utf-8")).write(folder / PACKED.name)
    for path in GIVEN.rglob("*"):
        if path.is_file():
            inner = path.relative_to(GIVEN).as_posix()
            _copy(path, folder / (".gitignore" if inner == "gitignore" else inner))


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, to)
