"""A lesson as an assignment in a class's gradebook, made by nbgrader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from grader import course
from grader.authoring.build import source_notebook
from grader.authoring.lesson import Lesson
from grader.files import write_whole
from grader.grading.folders import ClassFolder


def assign(lesson: Lesson, place: Path, config: Any) -> tuple[str, str]:
    """Have the lesson in the gradebook as it is now; its released and its source notebook."""
    folder = ClassFolder(place.resolve())
    source = nbformat.writes(source_notebook(lesson)) + "\n"
    release = folder.notebook("release", lesson.name)
    mark = folder.place / "release" / f".{lesson.name}.sha256"  # written last
    current = digest([source, config.CourseDirectory.db_url])
    if not mark.exists() or mark.read_text() != current or not release.exists():
        mark.unlink(missing_ok=True)
        write_whole(folder.notebook("source", lesson.name), source)
        api = course.nbgrader(folder.place, config)
        made = api.generate_assignment(lesson.name)
        course.succeed(f"nbgrader generate_assignment {lesson.name}", made)
        write_whole(mark, current)
    return release.read_text(encoding="utf-8"), source


def notebooks(lesson: Lesson, place: Path) -> tuple[str, str]:
    """The same without a gradebook."""
    config = course.folder(place)
    config.GenerateAssignment.no_database = True
    config.SaveCells.enabled = False
    return assign(lesson, place, config)


def digest(texts: Iterable[str | bytes]) -> str:
    """One hash of several texts; where each ends counts too."""
    together = hashlib.sha256()
    for text in texts:
        data = text if isinstance(text, bytes) else text.encode()
        together.update(len(data).to_bytes(8, "big") + data)
    return together.hexdigest()
