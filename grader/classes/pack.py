"""A lesson as a ZIP that grades it elsewhere: `python3 grader pack 13 --for gradescope`."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from grader.authoring.lesson import Lesson
from grader.classes.gradescope import SETTINGS
from grader.grading.assignment import notebooks
from grader.grading.packed import Packed
from grader.paths import PACKED, ROOT

HERE = Path(__file__).resolve().parent
NEEDED = ("grader", "lessons/dropoutlab", "datasets", "requirements.txt", "LICENSE")
"""What grading takes of the course, beside a lesson."""
WRITTEN = {".csv", ".html", ".ipynb", ".zip"}
"""What commands write where they are called; it may hold grades or answers."""
SCRIPTS = ("setup.sh", "run_autograder")


def packed(lesson: Lesson) -> Packed:
    """A lesson's notebooks as they are now, answers and hidden checks with them."""
    with tempfile.TemporaryDirectory() as folder:
        return Packed(lesson.name, *notebooks(lesson, Path(folder)))


def files(root: Path = ROOT) -> Iterator[Path]:
    """The files of the course that grading needs, as paths from its root; none that a run left."""
    for name in NEEDED:
        place = root / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            inner = path.relative_to(root)
            aside = any(part == "__pycache__" or part.startswith(".") for part in inner.parts)
            top = root.joinpath(*inner.parts[:2])
            own = name != "grader" or top.suffix in (".py", ".md") or (top / "__init__.py").exists()
            if path.is_file() and own and not aside and path.suffix not in WRITTEN:
                yield inner


def gradescope(lesson: Lesson, file: Path, visibility: str, isolation: str) -> None:
    """Write the ZIP that Gradescope takes as an autograder."""
    made, course_files = packed(lesson), [*files()]
    settings = {"lesson": lesson.name, "visibility": visibility, "isolation": isolation}
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        made.write(Path(folder))
        for name in SCRIPTS:
            archive.write(HERE / "gradescope" / name, name)
        for path in course_files:
            archive.write(ROOT / path, f"course/{path.as_posix()}")
        for path in sorted(Path(folder, lesson.name).iterdir()):
            archive.write(path, f"course/{PACKED.name}/{lesson.name}/{path.name}")
        archive.writestr(f"course/{PACKED.name}/{SETTINGS}", json.dumps(settings))
