"""Grading one's own notebook where it lies, also one of the first edition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

import classroom
from classroom import FULL_POINTS, LESSON, RIGHT
from grader.authoring.build import released
from grader.authoring.lesson import Lesson, read
from grader.errors import CourseError
from grader.grading import own, pools, worker
from grader.paths import SOLUTIONS

pytestmark = pytest.mark.slow

FORMER = read(SOLUTIONS / "13_inverted_dropout.py")


@pytest.fixture(autouse=True)
def reports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reports go to a folder of the test's own."""
    monkeypatch.setattr(own, "REPORTS", tmp_path / "reports")


@pytest.fixture(autouse=True, scope="module")
def players() -> Iterator[None]:
    """One process to fork from serves all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools.Here, "close", lambda self: None)
        yield
    worker.close()


def answered(lesson: Lesson, path: Path) -> Path:
    """A notebook of a lesson with right answers."""
    answers = {c.name: c.source for c in lesson.cells if c.kind in ("exercise", "answer")}
    text = released(lesson.name).read_text(encoding="utf-8")
    path.write_text(json.dumps(classroom.notebook(text, answers)), encoding="utf-8")
    return path


def test_right_answers_get_every_point(tmp_path: Path):
    """Do all automatic points come for right answers, and is a report written beside the file?"""
    path = answered(LESSON, tmp_path / "learner.ipynb")
    before = path.read_bytes()
    graded, report = own.grade(LESSON, path)
    assert (graded.points, graded.max) == (FULL_POINTS, LESSON.points)
    assert (graded.outcome, graded.notes) == ("passed", ())
    assert "Hint 1" in report.read_text(encoding="utf-8")
    assert path.read_bytes() == before, "the learner's file was changed"


def test_a_notebook_of_the_first_edition_is_graded(tmp_path: Path):
    """Do right answers under the lesson's former name get every point, and is that said once?"""
    graded, report = own.grade(FORMER, answered(FORMER, tmp_path / f"{FORMER.former}.ipynb"))
    assert graded.points == sum(cell.points for cell in FORMER.of("check"))
    assert (graded.lesson, report.stem) == (FORMER.name, FORMER.name)
    (note,) = graded.notes
    assert FORMER.former in note and "first edition" in note


@pytest.mark.parametrize(("name", "words"), [
    ("broken.ipynb", r"broken\.ipynb is not a Jupyter notebook: open"),
    ("none.ipynb", r"none\.ipynb is missing: open"),
])  # fmt: skip
def test_what_is_no_notebook_is_named(name: str, words: str, tmp_path: Path):
    """Is a file that is no notebook, or not there, refused in one sentence with a remedy?"""
    (tmp_path / "broken.ipynb").write_text("[1, 2]")
    with pytest.raises(CourseError, match=words):
        own.grade(LESSON, tmp_path / name)


def test_every_notebook_format_is_read(tmp_path: Path):
    """Is a notebook of format 3 graded as what it holds?"""
    text = released(LESSON.name).read_text(encoding="utf-8")
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(nbformat.convert(classroom.notebook(text, RIGHT), 3)))
    graded, _ = own.grade(LESSON, path)
    assert graded.points == FULL_POINTS
