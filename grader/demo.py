"""A class in miniature, through nbgrader's own commands from assignment to grades."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook

from grader.authoring.build import source_notebook
from grader.authoring.lesson import Lesson
from grader.errors import CourseError
from grader.grading.choice import chosen

HERE = Path(__file__).resolve().parent
LESSON = "13"
SECONDS = 8
"""What one cell may take here, so that the notebook that never ends ends soon."""


@dataclass(frozen=True)
class Graded:
    """What became of one learner."""

    learner: str
    story: str
    score: float
    most: float
    feedback: Path


def run(say: Callable[[str], None]) -> list[Graded]:
    """Run the class in a new temporary folder, saying each step; return what came out."""
    (lesson,) = chosen([LESSON])
    root = Path(tempfile.mkdtemp(prefix="dropout-class-"))
    say(f"the class lives in {root}")
    learners = {name: root / "homes" / name for name in STORIES}
    for folder in (*learners.values(), root / ".course" / "exchange"):
        folder.mkdir(parents=True)
    (root / ".course" / "exchange").chmod(0o777)
    source = root / ".course" / "source" / lesson.name / f"{lesson.name}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(source_notebook(lesson), source)

    def teach(*verb: str) -> None:
        say(f"instructor: nbgrader {' '.join(verb)}")
        _nbgrader(root, HERE, "", *verb)

    teach("generate_assignment", lesson.name)
    teach("release_assignment", lesson.name)

    def learn(name: str) -> None:
        say(f"{name}: fetches, {STORIES[name][0]}, submits")
        home = learners[name]
        _nbgrader(root, home, name, "fetch_assignment", lesson.name)
        path = home / lesson.name / f"{lesson.name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        STORIES[name][1](lesson, notebook)
        nbformat.write(notebook, path)
        _nbgrader(root, home, name, "submit", lesson.name)

    with ThreadPoolExecutor(2) as pool:  # learners work side by side
        list(pool.map(learn, learners))
    teach("collect", lesson.name)
    teach("autograde", lesson.name, f"--Execute.timeout={SECONDS}")
    teach("generate_feedback", lesson.name)
    teach("release_feedback", lesson.name)
    teach("export", f"--to={root / 'grades.csv'}")

    def look(name: str) -> None:
        _nbgrader(root, learners[name], name, "fetch_feedback", lesson.name)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(look, learners))
    return list(_results(root, lesson, learners))


def _results(root: Path, lesson: Lesson, learners: dict[str, Path]) -> Iterator[Graded]:
    url = f"sqlite:///{root / '.course' / 'gradebook.db'}"
    with Gradebook(url, "dropout") as gradebook:
        for name, home in learners.items():
            got = gradebook.find_submission(lesson.name, name)
            (page,) = (home / lesson.name / "feedback").rglob("*.html")
            yield Graded(name, STORIES[name][0], got.score, got.max_score, page)


def _nbgrader(root: Path, folder: Path, learner: str, *verb: str) -> None:
    """Run an nbgrader command in a folder, as the instructor or as a learner."""
    environment = {
        **os.environ,
        "DROPOUT_COURSE": str(root),
        "DROPOUT_EXCHANGE": str(root / ".course" / "exchange"),
        "JUPYTER_CONFIG_PATH": str(HERE),
    }
    command = [sys.executable, "-m", "nbgrader", *verb, "--log-level=ERROR"]
    if learner:  # one person plays all parts, so each needs a name and a cache of their own
        command += [f"--CourseDirectory.student_id={learner}", f"--Exchange.cache={root / learner}"]
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise CourseError(f"`nbgrader {' '.join(verb)}` failed: {' '.join(last)}")


# --- the learners ------------------------------------------------------------------------


def _write(notebook: NotebookNode, texts: dict[str, str]) -> None:
    """Put answers into the cells of these names."""
    for cell in notebook.cells:
        if cell.id in texts:
            cell.source = texts[cell.id]


def _right(lesson: Lesson, notebook: NotebookNode) -> None:
    answers = {c.name: c.source for c in lesson.cells if c.kind in ("exercise", "answer")}
    _write(notebook, answers)


def _mistaken(lesson: Lesson, notebook: NotebookNode) -> None:
    _right(lesson, notebook)
    _write(notebook, {c.name: c.source for c in reversed(lesson.of("mistake"))})


def _tampering(lesson: Lesson, notebook: NotebookNode) -> None:
    checks = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]
    for cell in checks[1:]:
        cell.source = "assert True" if cell.cell_type == "code" else cell.source
        cell.metadata.nbgrader["points"] = 100
    notebook.cells.remove(checks[0])


def _endless(lesson: Lesson, notebook: NotebookNode) -> None:
    _right(lesson, notebook)
    _write(notebook, {lesson.exercises[0]: "while True:\n    pass"})


STORIES: dict[str, tuple[str, Callable[[Lesson, NotebookNode], None]]] = {
    "ada": ("answers all right", _right),
    "bo": ("makes typical mistakes", _mistaken),
    "cy": ("answers nothing, edits and deletes checks", _tampering),
    "di": ("leaves a loop that never ends", _endless),
}
