"""Every lesson: do its checks accept what is right, and bite where they should?"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

import ran
import rehearsal
from curriculum import LESSONS
from dropoutlab import expect
from grader.authoring.build import released
from grader.authoring.lesson import Cell, Lesson

SAME = {
    lesson.name: ran.rests_on("checks", lesson, ran.digest(ran.judging(lesson), [Path(__file__)]))
    for lesson in LESSONS
}


def each(kind: str):
    """Parametrise over the cells of a kind, in all lessons."""

    def marks(lesson: Lesson, cell: Cell) -> list[pytest.MarkDecorator]:
        if cell.name not in rehearsal.TRAINED:
            return [SAME[lesson.name]]
        again = [pytest.mark.long("every answer, in the tests' own process")]  # the grader is asked
        return [
            SAME[lesson.name],
            pytest.mark.slow,
            *(again if kind in ("mistake", "correct") else []),
        ]

    cells = [(lesson, cell) for lesson in LESSONS for cell in lesson.of(kind)]
    return pytest.mark.parametrize(("lesson", "cell"), [
        pytest.param(lesson, cell, id=f"{lesson.name}:{cell.line}:{cell.name}",
                     marks=marks(lesson, cell))
        for lesson, cell in cells
    ])  # fmt: skip


@each("exercise")
def test_stub_is_not_written_yet(lesson: Lesson, cell: Cell):
    """Does each check of an exercise as released say "not written yet", and no crash?"""
    notebook = nbformat.read(released(lesson.name), as_version=4)
    stub = next(c.source for c in notebook.cells if c.id == cell.name)
    names = rehearsal.stage(lesson, **{cell.name: stub})
    for check in lesson.of("check", cell.name):
        unmet = rehearsal.verdict(check, names)
        assert unmet is not None, f"line {check.line} accepts the stub"
        assert unmet.found == "not written yet", str(unmet)


DRAWS, MISSES = 19, 1
"""How many further draws decide about a mistake that the first did not name; and what they may."""


@pytest.mark.filterwarnings("ignore")  # a learner's kernel warns, and runs on
@each("mistake")
def test_mistake_is_diagnosed(lesson: Lesson, cell: Cell):
    """Is each mistake caught, and the first thing said of it its own diagnosis?

    A draw may hide one (signs that happen to agree): then more decide whether that is rare.
    """

    def told() -> str:
        names = rehearsal.stage(lesson, **{cell.name: cell.source})
        verdicts = (rehearsal.verdict(check, names) for check in lesson.of("check", cell.name))
        return str(next(filter(None, verdicts), "every check accepts this mistake"))

    first = told()
    if cell.says not in first:
        missed = sum(cell.says not in told() for _ in range(DRAWS))
        assert missed <= MISSES, (
            f"{cell.says!r}, in {missed} of {DRAWS} draws more, is not in:\n{first}"
        )


@each("correct")
def test_other_right_answer_is_accepted(lesson: Lesson, cell: Cell):
    """Does each right answer in another style pass every check?"""
    names = rehearsal.stage(lesson, **{cell.name: cell.source})
    for check in lesson.of("check", cell.name):
        assert rehearsal.verdict(check, names) is None


SEEDS = {"quick": 3, "default": 10, "all": 300}


@each("check")
def test_solution_passes_whatever_the_seed(lesson: Lesson, cell: Cell, tier: str):
    """Does the solution pass each check for many seeds (once, where nothing is drawn)?"""
    names = rehearsal.stage(lesson)
    seeds = 1 if tier != "all" and cell.name in rehearsal.TRAINED else SEEDS[tier]
    for seed in range(seeds):
        with expect.seeded(seed) as drawn:
            unmet = rehearsal.verdict(cell, names)
        assert unmet is None, f"seed {seed}: {unmet}"
        if drawn() == 0:
            break
