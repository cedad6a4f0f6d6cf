"""Honest work gets the same scores from the fast grader as from nbgrader, cell by cell.

For each lesson a class whose learners have, between them, every solution, every stub, every
mistake and every other right answer. Demonstrations are left out on both sides: they take
most of nbgrader's time and no part in a score.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from grader import autograde, bench, course, judge
from grader.lesson import Lesson, read_all
from grader.paths import SOLUTIONS

LESSONS = read_all(SOLUTIONS)

pytestmark = pytest.mark.slow


def without_demonstrations(lesson: Lesson) -> Lesson:
    cells = [replace(c, source="pass") if c.kind == "demonstration" else c for c in lesson.cells]
    return replace(lesson, cells=tuple(cells))


def variants(lesson: Lesson) -> int:
    """How many learners it takes to have every answer of every exercise once."""
    answers = [lesson.of("mistake", name) + lesson.of("correct", name) for name in lesson.exercises]
    return 1 + max(map(len, answers))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_scores_are_those_of_nbgrader(lesson: Lesson, tmp_path: Path):
    """Has every graded cell of every answer the same automatic score in both gradebooks?"""
    lesson = without_demonstrations(lesson)
    places = {name: tmp_path / name for name in ("plain", "fast")}
    for place in places.values():
        place.mkdir()
        config = course.folder(place)
        released, _ = autograde.assign(lesson, place, config)
        bench.hand_in(lesson, released, place, variants(lesson))
        stub = place / "submitted" / "stub" / lesson.name / f"{lesson.name}.ipynb"
        stub.parent.mkdir(parents=True)
        stub.write_text(released, encoding="utf-8")
    api = course.nbgrader(places["plain"], course.folder(places["plain"]))
    course.succeed("nbgrader autograde", api.autograde(lesson.name, "*"))
    options = autograde.Options(places["fast"], feedback=False)
    graded = autograde.autograde([lesson], options, autograde.Silent(), autograde.Here())
    judge.close()

    plain, fast = (bench.scores(place, lesson) for place in places.values())
    assert len(plain) == (variants(lesson) + 1) * sum(bool(c.points) for c in lesson.cells)
    differ = {key: (plain[key], fast[key]) for key in plain if plain[key] != fast[key]}
    said = {(row.learner, row.check): row.diagnosis for judged in graded for row in judged.rows}
    assert not differ, [(key, scores, said[key]) for key, scores in differ.items()]
