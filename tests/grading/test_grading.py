"""Grading one's own notebook: is each kind of notebook told what it is, and scored fairly?"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from dropoutlab import expect
from grader import course
from grader.authoring.build import released, source_notebook
from grader.authoring.lesson import Lesson
from grader.authoring.reading import read
from grader.errors import CourseError
from grader.grading import autograde, grade, judge
from grader.isolation.confinement import Limits
from grader.paths import SOLUTIONS

pytestmark = pytest.mark.slow

LESSON = read(SOLUTIONS / "00_start_here.py")
BY_HAND = sum(cell.points for cell in LESSON.of("answer"))
FULL = LESSON.points - BY_HAND
OF_SCALE = sum(cell.points for cell in LESSON.of("check", "scale"))
RIGHT = {c.name: c.source for c in LESSON.cells if c.kind in ("exercise", "answer")}


LIMITS = Limits(check=5, submission=60)


@pytest.fixture(autouse=True)
def reports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Reports go to a folder of the test's own."""
    monkeypatch.setattr(grade, "REPORTS", tmp_path / "reports")


@pytest.fixture(autouse=True, scope="module")
def players():
    """One process to fork from serves all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autograde.Here, "close", lambda self: None)
        yield
    judge.close()


def notebook(answers: dict[str, str] = RIGHT) -> NotebookNode:
    """The released notebook with these answers."""
    nb = nbformat.read(released(LESSON.name), as_version=4)
    for cell in nb.cells:
        cell.source = answers.get(cell.id, cell.source)
    return nb


@dataclass(frozen=True)
class Graded:
    """A graded notebook and the text of its report."""

    judged: judge.Judged
    report: str

    @property
    def said(self) -> str:
        return "\n".join(row.diagnosis for row in self.judged.rows)

    @property
    def notes(self) -> str:
        return " ".join(self.judged.notes)


def graded(nb: NotebookNode, tmp_path: Path) -> Graded:
    path = tmp_path / "learner.ipynb"
    path.write_text(json.dumps(nb))  # as it is: nbformat would mend some of it
    before = path.read_bytes()
    judged, report = grade.grade(LESSON, path, limits=LIMITS)
    assert path.read_bytes() == before, "the learner's file was changed"
    return Graded(judged, report.read_text(encoding="utf-8"))


def test_right_answers_get_every_point(tmp_path: Path):
    """Do all automatic points come for right answers, and is the report written?"""
    result = graded(notebook(), tmp_path)
    assert (result.judged.points, result.judged.max) == (FULL, LESSON.points)
    assert (result.judged.outcome, result.notes) == ("passed", "")
    assert "Hint 1" in result.report


def test_what_a_machine_lacks_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Are checks that need what this machine lacks left out of the total, others counted?"""
    lesson = read(SOLUTIONS / "41_stateless_masks.py")
    left = sum(c.points for c in lesson.of("check") if 'needs("triton")' in c.source)
    right = {c.name: c.source for c in lesson.cells if c.kind in ("exercise", "answer")}
    nb = nbformat.read(released(lesson.name), as_version=4)
    for cell in nb.cells:
        cell.source = right.get(cell.id, cell.source)
    path = tmp_path / "learner.ipynb"
    path.write_text(json.dumps(nb))

    def needs(package: str) -> None:
        raise expect.LeftOut(f"no {package}")

    monkeypatch.setattr(expect, "needs", needs)
    judged, _ = grade.grade(lesson, path)
    by_hand = sum(cell.points for cell in lesson.of("answer"))
    assert left and judged.max == lesson.points - left
    assert (judged.points, judged.outcome) == (judged.max - by_hand, "passed")


def test_a_mistake_is_told_in_the_result(tmp_path: Path):
    """Does a failed check's row hold its four lines?"""
    mistake = LESSON.of("mistake", "scale")[0]
    result = graded(notebook(RIGHT | {"scale": mistake.source}), tmp_path)
    assert result.judged.points == FULL - LESSON.of("check", "scale")[0].points
    (said,) = [row.diagnosis for row in result.judged.rows if row.diagnosis]
    assert mistake.says in said and said.count("\n") == 3


@pytest.mark.parametrize(
    "text", ["this is not JSON", "[1, 2]", '{"cells": []}', '{"nbformat": 4, "cells": [{}]}', ""]
)
def test_what_is_no_notebook_is_named(text: str, tmp_path: Path):
    """Is a file that is no notebook refused in one sentence with a remedy?"""
    path = tmp_path / "broken.ipynb"
    path.write_text(text)
    with pytest.raises(CourseError, match=r"broken\.ipynb is not a Jupyter notebook: open"):
        grade.grade(LESSON, path)


def test_a_missing_notebook_is_named(tmp_path: Path):
    """Is a notebook that is not there named, with what to do?"""
    with pytest.raises(CourseError, match="is missing"):
        grade.grade(LESSON, tmp_path / "none.ipynb")


def _old(nb: NotebookNode) -> NotebookNode:
    return nbformat.convert(nb, 3)


def _no_checks(nb: NotebookNode) -> NotebookNode:
    nb.cells = [c for c in nb.cells if not c.metadata.get("nbgrader", {}).get("grade")]
    return nb


def _duplicates(nb: NotebookNode) -> NotebookNode:
    nb.cells = [*nb.cells, *(c for c in nb.cells if "nbgrader" in c.metadata)]
    return nb


def _reversed(nb: NotebookNode) -> NotebookNode:
    nb.cells = nb.cells[::-1]
    return nb


def _no_metadata(nb: NotebookNode) -> NotebookNode:
    for cell in nb.cells:
        cell.metadata = {}
    return nb


def _other_points(nb: NotebookNode) -> NotebookNode:
    for cell in nb.cells:
        if "points" in cell.metadata.get("nbgrader", {}):
            cell.metadata.nbgrader.points = 1000
    return nb


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (_old, "old notebook format 3"),
        (_no_checks, "was deleted"),
        (_duplicates, "there 2 times"),
        (_reversed, ""),
        (_no_metadata, "was edited"),
        (_other_points, "was edited"),
    ],
)
def test_an_odd_notebook_gets_the_fair_score(
    change: Callable[[NotebookNode], NotebookNode], note: str, tmp_path: Path
):
    """Do right answers get every point, whatever was done to the other cells?"""
    result = graded(change(notebook()), tmp_path)
    assert result.judged.points == FULL
    assert result.judged.max == LESSON.points
    assert note in result.notes


def test_checks_edited_to_pass_give_nothing(tmp_path: Path):
    """Is an unwritten notebook whose checks all say `pass` scored 0?"""
    nb = notebook({})
    for cell in nb.cells:
        if cell.metadata.get("nbgrader", {}).get("grade") and cell.cell_type == "code":
            cell.source = "pass"
    result = graded(nb, tmp_path)
    assert (result.judged.points, result.judged.outcome) == (0, "tampered")
    assert "was edited" in result.notes


@pytest.mark.parametrize(
    ("code", "score", "words"),
    [
        ("import os\nos._exit(1)", 0, "the kernel stopped here"),
        ("exit()", 0, "exit() stops the kernel"),
        ("while True:\n    pass", FULL - OF_SCALE, "did not end in 5 s"),
        ("import what_is_not_there", FULL - OF_SCALE, "No module named 'what_is_not_there'"),
        ("import dropoutlab.bugs", FULL - OF_SCALE, "import of dropoutlab.bugs halted"),
        ("def scale(x, factor):\n    exit()", 0, "exit() stops the kernel"),
        ("def scale(x, factor):\n    raise SystemExit", FULL - OF_SCALE, "SystemExit"),
        ("def scale(x, factor)\n    return x", FULL - OF_SCALE, "SyntaxError"),
    ],
    ids=[
        "kills its kernel",
        "exit",
        "never ends",
        "imports nothing",
        "imports an answer",
        "exit inside",
        "SystemExit inside",
        "syntax",
    ],
)
def test_a_cell_that_misbehaves_costs_what_it_should(
    code: str, score: float, words: str, tmp_path: Path
):
    """Is the misbehaviour named, and the rest of the notebook graded where it can be?"""
    result = graded(notebook(RIGHT | {"scale": code}), tmp_path)
    assert words in result.said
    assert result.judged.points == score


def test_endless_output_is_cut(tmp_path: Path):
    """Does a cell that prints 100 MB leave the score as it is and the report small?"""
    loud = RIGHT["scale"] + "\nprint('x' * 100_000_000)"
    result = graded(notebook(RIGHT | {"scale": loud}), tmp_path)
    assert result.judged.points == FULL
    assert len(result.report) < 5_000_000


def test_one_bad_submission_harms_no_other(tmp_path: Path):
    """Does nbgrader grade a class in which one notebook is broken and one kills its kernel?"""
    root = tmp_path / "class"
    api = course.nbgrader(root)
    source = root / ".course" / "source" / LESSON.name / f"{LESSON.name}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(source_notebook(LESSON), source)
    course.succeed("generate", api.generate_assignment(LESSON.name))
    texts = {
        "ann": json.dumps(notebook()),
        "ben": "this is not JSON",
        "eve": json.dumps(notebook(RIGHT | {"scale": "import os\nos._exit(1)"})),
        "zoe": json.dumps(notebook()),
    }
    for learner, text in texts.items():
        path = root / ".course" / "submitted" / learner / LESSON.name / f"{LESSON.name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    api.autograde(LESSON.name, "*")
    scores = {learner: _score(api, LESSON, learner) for learner in texts}
    assert scores == {"ann": FULL, "ben": 0, "eve": 0, "zoe": FULL}
    kept = root / ".course" / "submitted" / "ben" / LESSON.name / f"{LESSON.name}.ipynb"
    assert kept.read_text() == texts["ben"], "a submission was lost"


def _score(api, lesson: Lesson, learner: str) -> float:
    with api.gradebook as gradebook:
        return gradebook.find_submission(lesson.name, learner).score


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["00"], 1), (["00_start_here"], 1), (["00", "00_start_here/"], 1), (["all"], None)],
)
def test_lessons_are_chosen_by_number_name_or_all(names: list[str], expected: int | None):
    """Do "00", a full name, several names, and "all" pick the lessons that they say?"""
    count = len(list(SOLUTIONS.glob("[0-9][0-9]_*.py")))
    assert len(grade.chosen(names)) == (expected or count)


def test_an_unknown_lesson_is_refused_by_name():
    """Does a lesson that does not exist give a sentence that lists those that do?"""
    with pytest.raises(CourseError, match=r"'99'.*00_start_here"):
        grade.chosen(["99"])
