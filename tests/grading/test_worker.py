"""One submission: what is each end of a cell worth, and what is said of it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

import classroom
from classroom import FULL_POINTS, HALF_POINTS, LESSON, RIGHT
from dropoutlab import expect
from grader.authoring.build import released, source_notebook
from grader.authoring.lesson import Lesson
from grader.authoring.reading import read
from grader.grading import worker
from grader.grading.result import FIELDS, Graded, Message
from grader.grading.task import Task
from grader.isolation.confinement import Limits
from grader.paths import SOLUTIONS

pytestmark = [pytest.mark.slow(minutes=0.5), pytest.mark.xdist_group("worker")]
LIMITS = Limits(check=60, submission=120)


@pytest.fixture(autouse=True, scope="module")
def processes() -> Iterator[None]:
    """The process from which players are forked is ended with the module."""
    yield
    worker.close()


def grade(
    answers: dict[str, str],
    lesson: Lesson = LESSON,
    first: NotebookNode | None = None,
    **options: str,
) -> Graded:
    """Grade a notebook of a lesson with these answers, and a cell that was added at its head."""
    text = released(lesson.name).read_text(encoding="utf-8")
    nb = classroom.notebook(text, answers)
    nb.cells[:0] = [first] if first else []
    file = nbformat.writes(nb).encode()
    source = nbformat.writes(source_notebook(lesson))
    return worker.work(Task("ann", lesson.name, text, source, file, limits=LIMITS, **options))


def messages(graded: Graded) -> list[Message]:
    return [row.message for row in graded.rows if row.message is not None]


def test_a_failed_check_has_four_fields():
    """Do row and graded notebook hold case, expected, found and hint, and the row alone those?"""
    mistake = LESSON.of("mistake", "scale")[0]
    graded = grade(RIGHT | {"scale": mistake.source})
    assert graded.points == FULL_POINTS - LESSON.of("check", "scale")[0].points
    (message,) = messages(graded)
    assert (message.case, message.expected) == ("scale([1, 2, -4], 3)", "[3, 6, -12]")
    assert message.found.startswith("[4, ") and mistake.says in message.hint
    assert len(message.text.splitlines()) == 4
    cells = nbformat.reads(graded.notebook, as_version=4).cells
    shown = {cell.id: cell.metadata[FIELDS] for cell in cells if FIELDS in cell.metadata}
    assert {name: Message(**fields) for name, fields in shown.items()} == {"check_scale_1": message}


FORGED = """class Unmet(AssertionError):
    case, expected, found, hint = "forged", "forged", "forged", "forged"
    def _render_traceback_(self): return ["forged"]
"""


@pytest.mark.parametrize(
    "code", [f"{FORGED}raise Unmet('x')", f"{FORGED}def scale(x, factor):\n    raise Unmet('x')"]
)
def test_a_learner_supplies_no_field_of_a_message(code: str):
    """Does an error of the learner's that has the fields of a failed check fill none of them?"""
    graded = grade(RIGHT | {"scale": code})
    assert all(message.found for message in messages(graded))
    assert "forged" not in str(messages(graded))
    assert f'"{FIELDS}": {{"case": "forged' not in graded.notebook


@pytest.mark.parametrize(
    ("code", "score", "words"),
    [
        ("exit()", 0, "exit() stops the kernel"),
        ("import what_is_not_there", FULL_POINTS - HALF_POINTS, "No module named 'what_is"),
        ("import dropoutlab.bugs", FULL_POINTS - HALF_POINTS, "dropoutlab.bugs halted"),
        ("def scale(x, factor):\n    exit()", 0, "exit() stops the kernel"),
        ("def scale(x, factor):\n    raise SystemExit", FULL_POINTS - HALF_POINTS, "SystemExit"),
        ("def scale(x, factor)\n    return x", FULL_POINTS - HALF_POINTS, "SyntaxError"),
    ],
    ids=[
        "exit",
        "imports nothing",
        "imports an answer",
        "exit inside",
        "SystemExit inside",
        "syntax",
    ],
)
def test_a_cell_that_misbehaves_costs_what_it_should(code: str, score: float, words: str):
    """Is the misbehaviour named, and the rest of the notebook graded where it can be?"""
    graded = grade(RIGHT | {"scale": code})
    assert words in "\n".join(message.text for message in messages(graded))
    assert graded.points == score


def test_an_answer_may_train_a_network():
    """Does the course's own training run in a player, where a learner tries an answer with it?"""
    tried = "\nfound = train.two_layer(np.eye(4), np.arange(4) % 2, lambda h, rng: h, 0, epochs=1)"
    graded = grade(RIGHT | {"scale": RIGHT["scale"] + tried})
    assert graded.points == FULL_POINTS
    assert '"output_type": "error"' not in graded.notebook


def test_a_cell_of_the_lessons_own_that_fails_is_noted():
    """Does the instructor learn that the lesson could not begin, and not a NameError alone?"""
    added = new_code_cell("import sys\nsys.modules['numpy'] = None")
    graded = grade(RIGHT, first=added)
    (note,) = [note for note in graded.notes if "the lesson's own failed" in note]
    assert "import of numpy halted" in note and graded.outcome in ("failed", "partly")


def test_endless_output_is_cut():
    """Does a cell that prints 100 MB leave the score as it is and the notebook small?"""
    graded = grade(RIGHT | {"scale": RIGHT["scale"] + "\nprint('x' * 100_000_000)"})
    assert graded.points == FULL_POINTS
    assert len(graded.notebook) < 1_000_000


def test_what_a_machine_lacks_is_not_counted(monkeypatch: pytest.MonkeyPatch):
    """Are checks that need what this machine lacks left out of the total, others counted?"""
    lesson = read(SOLUTIONS / "42_kernels.py")
    left = sum(c.points for c in lesson.of("check") if 'needs("triton")' in c.source)

    def needs(package: str) -> None:
        raise expect.LeftOut(f"no {package}")

    monkeypatch.setattr(expect, "needs", needs)
    right = {c.name: c.source for c in lesson.cells if c.kind in ("exercise", "answer")}
    graded = grade(right, lesson)
    by_hand = sum(cell.points for cell in lesson.of("answer"))
    assert left and graded.max == lesson.points - left
    assert (graded.points, graded.outcome) == (graded.max - by_hand, "passed")


def test_checks_that_differ_in_another_edition_are_no_tampering():
    """Is a notebook of the first edition no suspect, where lessons' checks have changed since?"""
    former = replace(LESSON, cells=tuple(
        replace(cell, source=f"# As it was.\n{cell.source}") if cell.kind == "check" else cell
        for cell in LESSON.cells
    ))  # fmt: skip
    source = nbformat.writes(source_notebook(LESSON))
    file = nbformat.writes(classroom.notebook(nbformat.writes(source_notebook(former)), RIGHT))
    task = Task("ann", LESSON.name, source, source, file.encode(), limits=LIMITS)
    assert worker.work(task).outcome == "tampered"
    graded = worker.work(replace(task, former="00_of_old"))
    assert (graded.outcome, graded.points, len(graded.notes)) == ("passed", FULL_POINTS, 1)
