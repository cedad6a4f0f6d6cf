"""Grade one's own notebooks where they lie: `python3 grader grade 13`.

Each is graded as a submission is in a class, so the score is the one that a class's gradebook would
hold; but nothing needs a gradebook here. What an answer runs in is started before all else: it
imports for seconds, and meanwhile so can this process.
"""

from __future__ import annotations

import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from grader.errors import CourseError
from grader.grading.packed import Packed
from grader.isolation.confinement import Limits
from grader.isolation.forks import Players
from grader.paths import LESSONS, ROOT, released

if TYPE_CHECKING:
    from grader.authoring.lesson import Lesson
    from grader.grading.result import Graded

REPORTS = LESSONS / "reports"
"""Beside the lessons, where JupyterLab shows it."""
KEPT = ROOT / ".cache" / "released"
ME = "learner"


class Grading:
    """Grades notebooks, one after the other; `with` ends what it has started."""

    def __init__(self, *, isolation: str = "sandbox", limits: Limits | None = None):
        self.isolation, self.limits = isolation, limits or Limits()
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name)
        self.fresh = True
        self.aside = ThreadPoolExecutor(1)
        hidden = [ROOT, self.place]
        self.players = self.aside.submit(
            Players, ROOT, hidden=hidden, limits=self.limits, isolation=isolation
        )

    def __enter__(self) -> Grading:
        return self

    def __exit__(self, *error: object) -> None:
        self.aside.shutdown()
        if self.fresh and self.players.exception() is None:
            self.players.result().close()
        if not self.fresh:
            from grader.grading import worker

            worker.close()
        self.folder.cleanup()

    def __call__(
        self, lesson: Lesson | Packed, notebook: Path | None = None
    ) -> tuple[Graded, Path]:
        """Grade a learner's notebook of a lesson, left as it is; the result and its page."""
        notebook = notebook or released(lesson.name)
        if not notebook.is_file():
            raise CourseError(f"{notebook} is missing: open the lesson in JupyterLab and save it.")
        from grader.grading.folders import read_plain

        text, fault = read_plain(notebook)
        former = lesson.former if notebook.stem == lesson.former else ""
        graded = self.grade(lesson, text, fault, former)
        if graded.outcome == "malformed":
            raise CourseError(graded.notes[0].replace("the file", str(notebook)))
        from grader.grading import feedback

        page = REPORTS / f"{lesson.name}.html"
        fault = feedback.write_own(graded, page, address(notebook))
        notes = (*graded.notes, fault) if fault else graded.notes
        return replace(graded, notebook="", notes=notes), page

    def grade(
        self, lesson: Lesson | Packed, text: bytes | None, fault: str = "", former: str = ""
    ) -> Graded:
        """Grade the text of a notebook, or the `fault` for which there is none."""
        from grader.grading import worker
        from grader.grading.task import Task

        task = Task(
            ME,
            lesson.name,
            *self._notebooks(lesson),
            text,
            fault=fault,
            former=former,
            limits=self.limits,
            hidden=(str(self.place),),
            isolation=self.isolation,
        )
        if self.fresh:
            worker.adopt(task, self.players.result())
            self.fresh = False
        graded = worker.work(task)
        left_out = lesson.left_out if isinstance(lesson, Packed) else frozenset()
        if left_out:
            rows = tuple(row for row in graded.rows if row.check not in left_out)
            note = f"not seen here, graded when you have handed in: {', '.join(sorted(left_out))}"
            graded = replace(graded, rows=rows, notes=(*graded.notes, note))
        return graded

    def _notebooks(self, lesson: Lesson | Packed) -> tuple[str, str]:
        """The released and the source notebook."""
        if isinstance(lesson, Packed):
            return lesson.released, lesson.source or lesson.released
        return _released(lesson, self.place)


def _released(lesson: Lesson, place: Path) -> tuple[str, str]:
    """The notebooks as nbgrader makes them in `place`, kept until a lesson changes: it is slow."""
    import nbformat

    from grader.authoring import record
    from grader.authoring.build import source_notebook
    from grader.grading import assignment
    from grader.kept import kept

    source = nbformat.writes(source_notebook(lesson)) + "\n"
    now = record.digest(source, record.makers(), record.plain(Path(assignment.__file__)))
    made = kept(
        KEPT / f"{lesson.name}.json",
        now,
        lambda: {"released": assignment.notebooks(lesson, place)[0]},
    )
    return made["released"], source


def address(path: Path) -> str:
    """Where a JupyterLab that runs here shows a file; "" where none does."""
    from jupyter_core.paths import jupyter_runtime_dir

    servers = Path(jupyter_runtime_dir()).glob("jpserver-*.json")
    for file in sorted(servers, key=lambda file: file.stat().st_mtime, reverse=True):
        try:
            server = json.loads(file.read_text(encoding="utf-8"))
            os.kill(server["pid"], 0)  # it has not ended
            place = path.resolve().relative_to(Path(server["root_dir"]).resolve())
            return f"{server['url']}lab/tree/{quote(place.as_posix())}"
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return ""
