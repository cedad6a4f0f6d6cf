"""Grading one's own notebook where it lies, also one of the first edition."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

import classroom
from classroom import FULL_POINTS, LESSON, RIGHT
from grader.authoring.build import released
from grader.authoring.lesson import Lesson
from grader.authoring.reading import read
from grader.errors import CourseError
from grader.grading import own
from grader.paths import LESSONS, ROOT, SOLUTIONS

pytestmark = [pytest.mark.slow(minutes=0.5), pytest.mark.xdist_group("own")]

FORMER = read(SOLUTIONS / "13_inverted_dropout.py")


@pytest.fixture(autouse=True)
def reports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reports go to a folder of the test's own."""
    monkeypatch.setattr(own, "REPORTS", tmp_path / "reports")


@pytest.fixture(scope="module")
def grading() -> Iterator[own.Grading]:
    """Grades notebooks, one after the other, as the command does."""
    with own.Grading() as grading:
        yield grading


def answered(lesson: Lesson, path: Path) -> Path:
    """A notebook of a lesson with right answers."""
    answers = {c.name: c.source for c in lesson.cells if c.kind in ("exercise", "answer")}
    text = released(lesson.name).read_text(encoding="utf-8")
    path.write_text(json.dumps(classroom.notebook(text, answers)), encoding="utf-8")
    return path


def test_right_answers_get_every_point(grading: own.Grading, tmp_path: Path):
    """Do all automatic points come for right answers, and is there a page that says so?"""
    path = answered(LESSON, tmp_path / "learner.ipynb")
    before = path.read_bytes()
    graded, report = grading(LESSON, path)
    assert (graded.points, graded.max) == (FULL_POINTS, LESSON.points)
    assert (graded.outcome, graded.notes) == ("passed", ())
    page = report.read_text(encoding="utf-8")
    assert f"<strong>{FULL_POINTS}</strong> of {LESSON.points} points" in page
    assert "waits for a person" in page and "✗" not in page
    assert path.read_bytes() == before, "the learner's file was changed"


def test_a_notebook_of_the_first_edition_is_graded(grading: own.Grading, tmp_path: Path):
    """Do right answers under the lesson's former name get every point, and is that said once?"""
    graded, report = grading(FORMER, answered(FORMER, tmp_path / f"{FORMER.former}.ipynb"))
    assert graded.points == sum(cell.points for cell in FORMER.of("check"))
    assert (graded.lesson, report.stem) == (FORMER.name, FORMER.name)
    (note,) = graded.notes
    assert FORMER.former in note and "first edition" in note


def test_what_is_no_notebook_is_named(grading: own.Grading, tmp_path: Path):
    """Is a file that is no notebook refused in one sentence with a remedy?"""
    (tmp_path / "broken.ipynb").write_text("[1, 2]")
    with pytest.raises(CourseError, match=r"broken\.ipynb is not a Jupyter notebook: open"):
        grading(LESSON, tmp_path / "broken.ipynb")


def test_without_a_notebook_nothing_is_left(tmp_path: Path):
    """Is a file that is not there refused with a remedy, and all ended that was started for it?"""
    words = r"none\.ipynb is missing: open"
    with pytest.raises(CourseError, match=words), own.Grading() as grading:
        grading(LESSON, tmp_path / "none.ipynb")
    assert grading.players.result().process.returncode is not None
    assert not grading.place.exists()


def test_every_notebook_format_is_read(grading: own.Grading, tmp_path: Path):
    """Is a notebook of format 3 graded as what it holds?"""
    text = released(LESSON.name).read_text(encoding="utf-8")
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(nbformat.convert(classroom.notebook(text, RIGHT), 3)))
    graded, _ = grading(LESSON, path)
    assert graded.points == FULL_POINTS


def test_the_score_is_that_of_a_class(grading: own.Grading, tmp_path: Path):
    """Has a notebook the points, messages and page that it would get in a class?"""
    text = released(LESSON.name).read_text(encoding="utf-8")
    handed_in = classroom.hand_in(tmp_path, "ann", classroom.notebook(text, classroom.HALF))
    (row, *_), page = classroom.rows(tmp_path), tmp_path / "feedback" / "ann"
    graded, report = grading(LESSON, handed_in)
    assert graded.points == classroom.HALF_POINTS == sum(r.points or 0 for r in graded.rows)
    assert row["outcome"] == graded.rows[0].outcome
    (theirs,) = page.rglob("*.html")
    numbers = re.compile(r"\d+\.\d+")  # each grading draws anew
    assert numbers.sub("", report.read_text()) == numbers.sub("", theirs.read_text())


def server(folder: Path, name: str, **about: object) -> None:
    """What a JupyterLab tells of itself while it runs."""
    told = {"url": "http://localhost:8888/", "root_dir": "/nowhere", "pid": os.getpid(), **about}
    (folder / f"jpserver-{name}.json").write_text(json.dumps(told))


def test_the_page_is_where_jupyterlab_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Is the address that of a running server below whose folder the file lies, else none?"""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    page = own.LESSONS / "reports" / "a b.html"
    assert own.address(page) == ""
    server(tmp_path, "elsewhere")
    server(tmp_path, "ended", root_dir=str(own.LESSONS), pid=2**22 + 1)
    (tmp_path / "jpserver-broken.json").write_text("{")
    assert own.address(page) == ""
    server(tmp_path, "here", root_dir=str(own.LESSONS), url="http://localhost:8889/")
    assert own.address(page) == "http://localhost:8889/lab/tree/reports/a%20b.html"


def test_reports_lie_below_the_folder_of_jupyterlab_and_are_not_committed():
    """Can a learner's JupyterLab open the page, and does git ignore it?"""
    page = LESSONS / "reports" / "x.html"
    ignored = subprocess.run(["git", "check-ignore", "-q", str(page)], cwd=ROOT)
    assert ignored.returncode == 0
