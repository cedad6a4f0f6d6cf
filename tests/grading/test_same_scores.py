"""Honest work gets the scores that it deserves, cell by cell: from the fast grader and nbgrader.

For each lesson one notebook in which every exercise stands once for each answer that there is to
it: as it was released, with the solution, every other right answer, and every mistake. Each copy
is followed by the exercise's checks. (A notebook for each answer would ask the same, and take
nbgrader an hour.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest

import ran
import rehearsal
from curriculum import LESSONS
from dropoutlab import expect
from grader import course
from grader.authoring.build import source_notebook
from grader.authoring.lesson import Cell, Lesson
from grader.authoring.names import bound
from grader.bench import autograde as bench
from grader.grading import worker
from grader.grading.assignment import assign
from grader.grading.autograde import Options, Silent, autograde
from grader.grading.pools import Here
from grader.grading.result import Graded
from grader.grading.task import Task
from grader.isolation.confinement import Limits
from grader.paths import ROOT
from grader.website import pages

pytestmark = [
    pytest.mark.slow(minutes=0.6),
    pytest.mark.filterwarnings("ignore"),  # mistakes divide by zero
]

LIMITS = Limits(check=600, submission=3600)
"""Whatever else the machine does; what takes too long is asked elsewhere."""
SEEDS = 300
"""A cell may be judged differently where chance decides: some of so many draws must show it."""
OFTEN = {"13_inverted_dropout"}
"""What nbgrader, which takes minutes for some lessons, grades when something has changed."""
QUICK = {"11_bernoulli_masks", "13_inverted_dropout", "14_backward", "24_regulariser",
         "26_learned_rates"}  # fmt: skip
"""Of what the course's grader grades mistakes, too: arrays, tensors, functions, classes."""


def every_answer(lesson: Lesson, *, wrong: bool = True) -> tuple[Lesson, dict[str, Cell]]:
    """The lesson with a copy of each exercise for each answer; the answers by their copies' names.

    With `wrong=False`, right answers alone.

    What serves an exercise's checks stands before them, as in the lesson. Right answers come
    first: a mistake may leave something behind. So after an exercise's mistakes all solutions so
    far stand once more, and after an answer that writes earlier exercises anew, such as a forward
    pass that fits its backward pass, the solutions of those.
    """
    cells, answers, solutions = [], {}, []

    def restore(known: Cell, after: str) -> None:
        name = f"{known.name}_after_{after}"
        cells.append(replace(known, name=name))
        answers[name] = known

    waiting = lesson.of("setup")
    for cell in lesson.cells:
        if cell.kind == "exercise":
            last = lesson.of("check", cell.name)[-1].line
            cells += [setup for setup in waiting if setup.line < last]
            waiting = [setup for setup in waiting if setup.line > last]
            right, mistakes = lesson.of("correct", cell.name), lesson.of("mistake", cell.name)
            for k, answer in enumerate([cell, cell, *right, *mistakes * wrong]):
                name = f"{cell.name}_copy{k}"
                cells += [replace(c, name=name) for c in (cell, *_asked(lesson, answer))]
                if k:  # the first copy stays as it was released
                    answers[name] = answer
                for known in solutions:
                    if known.name in bound(answer.source):
                        restore(known, name)
            solutions.append(cell)
            for known in solutions:
                restore(known, cell.name)
    return replace(lesson, cells=tuple(cells)), answers


def _asked(lesson: Lesson, answer: Cell) -> list[Cell]:
    """The checks of an answer; where they train, no more than those that a mistake's words need."""
    checks = lesson.of("check", answer.name)
    if answer.kind == "mistake" and answer.name in rehearsal.TRAINED:
        named = [k for k, check in enumerate(checks, 1) if answer.says in check.source]
        return checks[: max(named, default=len(checks))]
    return checks


def filled(released: str, answers: dict[str, Cell]) -> str:
    """A released notebook with these answers."""
    notebook = nbformat.reads(released, as_version=4)
    for cell in notebook.cells:
        if cell.id in answers:
            cell.source = answers[cell.id].source
    return nbformat.writes(notebook)


def hand_in(lesson: Lesson, answers: dict[str, Cell], place: Path) -> None:
    """Release the lesson to a class in `place`, where somebody hands in these answers."""
    released, _ = assign(lesson, place, course.folder(place))
    path = place / "submitted" / "everybody" / lesson.name / f"{lesson.name}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(filled(released, answers), encoding="utf-8")


@pytest.fixture(scope="module")
def grader() -> Iterator[Callable[[Lesson, dict[str, Cell]], Graded]]:
    """The course's own grader, of one submission: all are forked from one process."""

    def grade(lesson: Lesson, answers: dict[str, Cell]) -> Graded:
        source = nbformat.writes(source_notebook(lesson))
        released = nbformat.writes(pages.cleared(lesson))
        text = filled(released, answers).encode()
        task = Task("everybody", lesson.name, released, source, text, limits=LIMITS)
        return worker.work(task)

    yield grade
    worker.close()


def fast(lesson: Lesson, answers: dict[str, Cell], place: Path) -> None:
    """Let the course's own command grade a class of one."""
    hand_in(lesson, answers, place)
    options = Options(place, feedback=False, limits=LIMITS)
    autograde([lesson], options, Silent(), Here())
    worker.close()


def plain(lesson: Lesson, answers: dict[str, Cell], place: Path) -> None:
    """Let nbgrader grade it."""
    hand_in(lesson, answers, place)
    api = course.nbgrader(place, course.folder(place))
    course.succeed("nbgrader autograde", api.autograde(lesson.name, "*"))


def verdicts(lesson: Lesson, answer: Cell, number: int) -> set[bool]:
    """Whether a check of an answer passes, for many draws: both, where chance decides."""
    names = rehearsal.stage(lesson, **{answer.name: answer.source})
    check, passes = lesson.of("check", answer.name)[number - 1], set()
    for seed in range(SEEDS):
        with expect.seeded(seed):
            passes.add(rehearsal.verdict(check, names) is None)
    return passes


def _rests_on(lesson: Lesson) -> pytest.MarkDecorator:
    """Both graders, and what is written into the notebooks that they get."""
    graders = f"nbgrader {version('nbgrader')}\n{ran.grading(lesson)}"
    own = ("course.py", "nbgrader_config.py", "jupyter/execute.py", "bench/autograde.py")
    paths = [Path(__file__), Path(pages.__file__), *(ROOT / "grader" / name for name in own)]
    digest = ran.digest(graders, paths)
    return ran.rests_on("grades", lesson, digest)


@pytest.mark.parametrize("lesson", [
    pytest.param(lesson, id=lesson.name, marks=[_rests_on(lesson)] if lesson.name in QUICK else [
        pytest.mark.slow(minutes=2), pytest.mark.long("every answer, graded in the sandbox")])
    for lesson in LESSONS
])  # fmt: skip
def test_every_answer_gets_what_it_deserves(grader: Callable, lesson: Lesson):
    """Have right answers every point, released ones none, and mistakes their own diagnosis?"""
    whole, answers = every_answer(lesson)
    _deserved(grader(whole, answers), whole, answers)


@pytest.mark.slow(minutes=1)
@pytest.mark.parametrize(
    "lesson",
    [
        pytest.param(lesson, id=lesson.name, marks=_rests_on(lesson))
        for lesson in LESSONS
        if lesson.name not in QUICK
    ],
)
def test_right_answers_have_every_point(grader: Callable, lesson: Lesson):
    """Does no check of the other lessons need what only a notebook's process has?"""
    whole, answers = every_answer(lesson, wrong=False)
    _deserved(grader(whole, answers), whole, answers)


def _deserved(judged: Graded, whole: Lesson, answers: dict[str, Cell]) -> None:
    """Assert that each copy of an exercise was given what its answer deserves."""
    assert len(judged.rows) == len(whole.of("check"))
    for copy in {row.exercise: None for row in judged.rows}:
        rows, answer = [row for row in judged.rows if row.exercise == copy], answers.get(copy)
        lost = [row for row in rows if row.points < row.max]
        if answer is None:
            assert not any(row.points for row in rows), f"{copy}, as it was released"
        elif answer.kind == "mistake":
            assert lost, f"line {answer.line}: every check accepts this mistake"
            assert answer.says in lost[0].message.text, (
                f"line {answer.line}: {lost[0].message.text}"
            )
        else:
            assert not lost, f"line {answer.line}: {lost}"


@pytest.mark.parametrize("lesson", [
    pytest.param(lesson, id=lesson.name, marks=[_rests_on(lesson)] if lesson.name in OFTEN else [
        pytest.mark.slow(minutes=2), pytest.mark.long("every mistake, graded by nbgrader")])
    for lesson in LESSONS
])  # fmt: skip
def test_scores_are_those_of_nbgrader(lesson: Lesson, tmp_path: Path):
    """Has every check of every answer the same score in both gradebooks?"""
    whole, answers = every_answer(lesson)
    places = tmp_path / "fast", tmp_path / "plain"
    for grade, place in zip((fast, plain), places, strict=True):
        grade(whole, answers, place)
    ours, theirs = (bench.scores(place, whole) for place in places)
    assert len(ours) == len(whole.of("check"))
    for key in ours:
        copy, _, number = key[1].removeprefix("check_").rpartition("_")
        scores = key[1], ours[key], theirs[key]
        if copy not in answers:
            assert ours[key] == theirs[key] == 0, scores  # as it was released
        elif answers[copy].kind != "mistake":
            check = lesson.of("check", answers[copy].name)[int(number) - 1]
            assert ours[key] == theirs[key] == check.points, scores
        elif ours[key] != theirs[key]:
            assert verdicts(lesson, answers[copy], int(number)) == {True, False}, scores
