"""Honest work gets the same scores from the fast grader as from nbgrader, cell by cell.

For each lesson one notebook in which every exercise stands once for each answer that there is to
it: as it was released, with the solution, every other right answer, and every mistake. Each copy
is followed by the exercise's checks. (A notebook for each answer would ask the same, and take
nbgrader an hour.)
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

import rehearsal
from dropoutlab import expect
from grader import course
from grader.authoring.lesson import Cell, Lesson, read_all
from grader.bench import autograde as bench
from grader.grading.assignment import assign
from grader.grading.autograde import Options, Silent, autograde
from grader.grading.pools import Here
from grader.isolation.confinement import Limits
from grader.paths import SOLUTIONS

pytestmark = pytest.mark.slow

SEEDS = 300
"""A cell may be judged differently where chance decides: some of so many draws must show it."""


def every_answer(lesson: Lesson) -> tuple[Lesson, dict[str, Cell]]:
    """The lesson with a copy of each exercise for each answer; the answers by their copies' names.

    Right answers come first: a mistake may leave something behind. So after an exercise's
    mistakes all solutions so far stand once more.
    """
    cells, answers, solutions = [], {}, []
    for cell in lesson.cells:
        if cell.kind == "setup":
            cells.append(cell)
        elif cell.kind == "exercise":
            solutions.append(cell)
            right, wrong = lesson.of("correct", cell.name), lesson.of("mistake", cell.name)
            for k, answer in enumerate([cell, cell, *right, *wrong]):
                name = f"{cell.name}_copy{k}"
                cells += [replace(c, name=name) for c in (cell, *lesson.of("check", cell.name))]
                if k:  # the first copy stays as it was released
                    answers[name] = answer
            for known in solutions:
                name = f"{known.name}_after_{cell.name}"
                cells.append(replace(known, name=name))
                answers[name] = known
    return replace(lesson, cells=tuple(cells)), answers


def hand_in(lesson: Lesson, released: str, answers: dict[str, Cell], place: Path) -> None:
    notebook = nbformat.reads(released, as_version=4)
    for cell in notebook.cells:
        if cell.id in answers:
            cell.source = answers[cell.id].source
    path = place / "submitted" / "everybody" / lesson.name / f"{lesson.name}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


def verdicts(lesson: Lesson, answer: Cell, number: int) -> set[bool]:
    """Whether a check of an answer passes, for many draws: both, where chance decides."""
    names = rehearsal.stage(lesson, **{answer.name: answer.source})
    check, results = lesson.of("check", answer.name)[number - 1], set()
    for seed in range(SEEDS):
        with expect.seeded(seed):
            results.add(rehearsal.verdict(check, names) is None)
    return results


@pytest.mark.filterwarnings("ignore")  # mistakes divide by zero
@pytest.mark.parametrize("lesson", read_all(SOLUTIONS), ids=lambda lesson: lesson.name)
def test_scores_are_those_of_nbgrader(lesson: Lesson, tmp_path: Path):
    """Has every check of every answer the same score in both gradebooks?"""
    whole, answers = every_answer(lesson)
    places = {name: tmp_path / name for name in ("plain", "fast")}
    for place in places.values():
        place.mkdir()
        released, _ = assign(whole, place, course.folder(place))
        hand_in(whole, released, answers, place)
    api = course.nbgrader(places["plain"], course.folder(places["plain"]))
    course.succeed("nbgrader autograde", api.autograde(lesson.name, "*"))
    options = Options(places["fast"], feedback=False, limits=Limits(submission=900))
    autograde([whole], options, Silent(), Here())

    plain, fast = (bench.scores(place, whole) for place in places.values())
    assert len(plain) == len(whole.of("check"))
    for key in plain:
        copy, _, number = key[1].removeprefix("check_").rpartition("_")
        scores = key[1], plain[key], fast[key]
        if copy not in answers:
            assert plain[key] == fast[key] == 0, scores  # as it was released
        elif answers[copy].kind != "mistake":
            check = lesson.of("check", answers[copy].name)[int(number) - 1]
            assert plain[key] == fast[key] == check.points, scores
        elif plain[key] != fast[key]:
            assert verdicts(lesson, answers[copy], int(number)) == {True, False}, scores
