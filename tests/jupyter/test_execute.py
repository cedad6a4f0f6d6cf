"""nbgrader's own commands, with what the course puts in their place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.apps import NbGraderAPI

from classroom import notebook
from grader import course, lab
from grader.authoring.build import generate
from grader.authoring.lesson import Lesson
from grader.authoring.reading import read
from small_lesson import GOOD, write

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """A lesson that trains nothing; its figure and its explorer stop, which costs no points."""
    return read(write(tmp_path_factory.mktemp("solutions"), GOOD))


def right(lesson: Lesson) -> dict[str, str]:
    """Right answers."""
    return {cell.name: cell.source for cell in lesson.cells if cell.kind in ("exercise", "answer")}


def full(lesson: Lesson) -> int:
    """The points that checks give."""
    return sum(cell.points for cell in lesson.of("check"))


def assigned(root: Path, lesson: Lesson) -> tuple[NbGraderAPI, str]:
    """nbgrader on a course of this lesson alone, and the notebook as it is released."""
    released = generate([lesson], root)[lesson.name]
    return course.nbgrader(root), released.read_text(encoding="utf-8")


def submitted(root: Path, lesson: Lesson, learner: str, text: str) -> Path:
    """Hand a notebook in for a learner."""
    path = root / ".course" / "submitted" / learner / lesson.name / f"{lesson.name}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_one_bad_submission_harms_no_other(tmp_path: Path, lesson: Lesson):
    """Does nbgrader grade a class in which one notebook is broken and one kills its kernel?"""
    api, text = assigned(tmp_path, lesson)
    killer = right(lesson) | {"double": "import os\nos._exit(1)"}
    files = {
        "ann": json.dumps(notebook(text, right(lesson))),
        "ben": "this is not JSON",
        "eve": json.dumps(notebook(text, killer)),
        "zoe": json.dumps(notebook(text, right(lesson))),
    }
    paths = {learner: submitted(tmp_path, lesson, learner, files[learner]) for learner in files}
    api.autograde(lesson.name, "*")
    with api.gradebook as book:
        scores = {who: book.find_submission(lesson.name, who).score for who in files}
    assert scores == {"ann": full(lesson), "ben": 0, "eve": 0, "zoe": full(lesson)}
    assert paths["ben"].read_text() == files["ben"], "a submission was lost"


def test_an_instructors_formgrader_runs_answers_in_the_sandbox(tmp_path: Path, lesson: Lesson):
    """Does *Autograde* there give a learner's code its points, and nothing of the machine?"""
    api, text = assigned(tmp_path, lesson)
    trace = tmp_path / "trace"
    writes = f"import pathlib\ntry:\n    pathlib.Path({str(trace)!r}).touch()\nexcept OSError:\n"
    answers = right(lesson)
    answers["double"] = f"{writes}    pass\n{answers['double']}"
    submitted(tmp_path, lesson, "eve", json.dumps(notebook(text, answers)))
    subprocess.run(  # what Formgrader's button does, in the environment that it has
        [sys.executable, "-m", "nbgrader", "autograde", lesson.name, "--create"],
        env=lab.environment(instructor=True) | {"DROPOUT_COURSE": str(tmp_path)},
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    with api.gradebook as book:
        assert book.find_submission(lesson.name, "eve").score == full(lesson)
    assert not trace.exists(), "the answer wrote beside the gradebook"
