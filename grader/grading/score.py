"""The rows of a notebook that was run: nbgrader's points, how each check ended, what it said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode

from grader.authoring.checksum import checksum
from grader.grading.notebook import Run
from grader.grading.result import Message, Row
from grader.grading.submission import TAMPERED
from grader.grading.task import Task


def rows(notebook: NotebookNode, task: Task, run: Run) -> Iterator[Row]:
    """The graded cells in order. Where an exercise's own cell stopped, its checks say that."""
    stopped: dict[str, Message] = {}
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader")
        if marks is None or cell.id in run.left_out:
            continue
        name = marks["grade_id"]
        message = run.messages.get(cell.id)
        if not marks["grade"]:
            if message is not None:
                stopped[name] = Message(f"the cell of `{name}` stopped", found=message.found)
            continue
        exercise = re.sub(r"^check_(.*)_\d+$", r"\1", name)
        points, most = grade(cell)
        if cell.cell_type == "markdown":
            message = Message(found="no answer was given")
        if run.outcome == "malformed":
            points, outcome = 0.0, "malformed"
        elif points is None or points == most:
            outcome, message = ("by hand" if points is None else "passed"), None
        else:
            outcome = run.outcomes.get(exercise, run.outcomes.get(cell.id, "failed"))
            message = stopped.get(exercise) or message
        yield Row(task.learner, task.lesson, exercise, name, points, most, outcome, message)


def grade(cell: NotebookNode) -> tuple[float | None, float]:
    """The points of a graded cell, None where a person gives them, and the most that it can have.

    As nbgrader's `determine_grade` counts them; a value that a check shows is left to that.
    """
    marks, outputs = cell.metadata["nbgrader"], cell.get("outputs", [])
    most = float(marks["points"])
    if marks.get("solution"):
        return (0 if marks.get("checksum") == checksum(cell) else None), most
    if cell.cell_type != "code":
        return None, most
    if any(output.output_type == "execute_result" for output in outputs):
        from nbgrader.utils import determine_grade

        return determine_grade(cell)
    wrong = any(o.output_type == "error" or o.get("name") == "stderr" for o in outputs)
    return (0 if wrong else most), most


def unanswered(notebook: NotebookNode) -> Iterator[str]:
    """The answer cells that are as they were released."""
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("solution") and marks.get("checksum") == checksum(cell):
            yield marks["grade_id"]


def outcome(rows: tuple[Row, ...], notes: list[str], run: Run) -> str:
    """How a submission ended, in a word."""
    if run.outcome != "ended":
        return run.outcome
    if any(TAMPERED in note for note in notes):
        return "tampered"
    if not any(row.points for row in rows):
        return "failed"
    return "partly" if any(row.lost for row in rows) else "passed"
