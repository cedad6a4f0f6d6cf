"""A class in miniature: nbgrader hands out, takes in and gives back, and our grader grades."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grader.authoring.build import source_notebook
from grader.authoring.lesson import Lesson
from grader.errors import CourseError
from grader.grading import report
from grader.grading.autograde import Options, Silent, autograde
from grader.grading.choice import chosen
from grader.grading.folders import ClassFolder
from grader.grading.report import Exercise
from grader.isolation.confinement import Limits

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
    """The page that the learner gets."""


@dataclass(frozen=True)
class Class:
    """What became of all."""

    lesson: Lesson
    learners: list[Graded]
    exercises: list[Exercise]
    report: Path


def run(say: Callable[[str], None]) -> Class:
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
    say("instructor: python3 grader autograde 13")
    place = root / ".course"
    limits = Limits(check=SECONDS, submission=5 * SECONDS)
    results = autograde([lesson], Options(place, limits=limits), Silent())
    exercises, table = report.exercises(results), root / "report.html"
    say("instructor: python3 grader report 13 --html report.html")
    report.write_html(lesson, exercises, table)
    teach("release_feedback", lesson.name)
    say("bo: fetches the feedback")
    _nbgrader(root, learners["bo"], "bo", "fetch_feedback", lesson.name)
    teach("export", f"--to={root / 'grades.csv'}")
    pages = ClassFolder(place)
    graded = [
        Graded(
            result.learner,
            STORIES[result.learner][0],
            result.points,
            result.max,
            pages.page(lesson.name, result.learner),
        )
        for result in results
    ]
    return Class(lesson, graded, exercises, table)


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


def _answer(lesson: Lesson, notebook: NotebookNode, prose: str) -> None:
    """The lesson's code, and a text in the learner's own words."""
    _write(notebook, {c.name: c.source for c in lesson.of("exercise")})
    _write(notebook, {c.name: prose for c in lesson.of("answer")})


def _right(lesson: Lesson, notebook: NotebookNode) -> None:
    _answer(
        lesson,
        notebook,
        "Only a share $1-p$ of the units is left, so their sum is too small by that factor: "
        "$\\mathbb E[m_i x_i] = (1-p)\\,x_i$. Dividing by $1-p$ gives $x_i$ back, and a network "
        "that is used needs no $p$.",
    )


def _mistaken(lesson: Lesson, notebook: NotebookNode) -> None:
    _answer(lesson, notebook, "Larger numbers make the gradient larger, so it learns faster.")
    _write(notebook, {c.name: c.source for c in reversed(lesson.of("mistake"))})


def _tampering(lesson: Lesson, notebook: NotebookNode) -> None:
    checks = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]
    for cell in checks[1:]:
        cell.source = "assert True" if cell.cell_type == "code" else cell.source
        cell.metadata.nbgrader["points"] = 100
    notebook.cells.remove(checks[0])


def _endless(lesson: Lesson, notebook: NotebookNode) -> None:
    _answer(lesson, notebook, "So that the mean is the same in training and in use.")
    _write(notebook, {lesson.exercises[0]: "while True:\n    pass"})


STORIES: dict[str, tuple[str, Callable[[Lesson, NotebookNode], None]]] = {
    "ada": ("answers all right", _right),
    "bo": ("makes typical mistakes", _mistaken),
    "cy": ("answers nothing, edits and deletes checks", _tampering),
    "di": ("leaves a loop that never ends", _endless),
}
