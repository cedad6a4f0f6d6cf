"""A lesson as a ZIP that grades it elsewhere: `python3 grader pack 13 --for gradescope`."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from grader import course
from grader.authoring.lesson import Lesson
from grader.classes.gradescope import SETTINGS
from grader.grading.assignment import assign
from grader.grading.packed import Packed
from grader.paths import PACKED, ROOT

HERE = Path(__file__).resolve().parent
NEEDED = ("grader", "lessons/dropoutlab", "datasets", "requirements.txt", "LICENSE")
"""What grading takes of the course, beside a lesson."""
SCRIPTS = ("setup.sh", "run_autograder")


def packed(lesson: Lesson) -> Packed:
    """A lesson's notebooks as they are now, answers and hidden checks with them."""
    with tempfile.TemporaryDirectory() as folder:
        config = course.folder(Path(folder))
        config.GenerateAssignment.no_database = True
        config.SaveCells.enabled = False
        return Packed(lesson.name, *assign(lesson, Path(folder), config))


def files(root: Path = ROOT) -> Iterator[Path]:
    """The files of the course that grading needs, as paths from its root."""
    for name in NEEDED:
        place = root / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            inner = path.relative_to(root)
            aside = any(part == "__pycache__" or part.startswith(".") for part in inner.parts)
            if path.is_file() and not aside:
                yield inner


def gradescope(lesson: Lesson, file: Path, visibility: str, isolation: str) -> None:
    """Write the ZIP that Gradescope takes as an autograder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        packed(lesson).write(Path(folder))
        settings = {"lesson": lesson.name, "visibility": visibility, "isolation": isolation}
        for name in SCRIPTS:
            archive.write(HERE / "gradescope" / name, name)
        for path in files():
            archive.write(ROOT / path, f"course/{path.as_posix()}")
        for path in sorted(Path(folder, lesson.name).iterdir()):
            archive.write(path, f"course/{PACKED.name}/{lesson.name}/{path.name}")
        archive.writestr(f"course/{PACKED.name}/{SETTINGS}", json.dumps(settings))
