"""Each lesson as a notebook, answers included, in a kernel of its own."""

from __future__ import annotations

import re
from datetime import datetime

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

import pace
import ran
import rehearsal
from curriculum import LESSONS, ON_SITE
from grader.authoring import claims, finished
from grader.authoring.lesson import Lesson

STRICT = new_code_cell(
    "import warnings\n"
    "warnings.simplefilter('error')\n"
    # ipykernel's own, raised while it shuts down
    "warnings.filterwarnings('ignore', category=PendingDeprecationWarning)"
)
CLOCK = f"""import time
begin = time.process_time()
{pace.TASK}
print(begin, time.process_time())"""
"""A first and a last cell: what the kernel has used, before and after a task that is known."""
SECONDS = "processor_seconds"
"""Where the metadata of a notebook that was run here say how long that took. Where the task takes
longer than it should, all else does: a core's processor time doubles with what its twin does."""


LONG = 15
"""Seconds after which a learner wonders: such a cell says what it takes."""


def _marks(lesson: Lesson) -> list[pytest.MarkDecorator]:
    """Training begins early; what the site needs is run before it, in the same worker."""
    if lesson.name in ON_SITE:
        return [pytest.mark.slow(minutes=2), pytest.mark.xdist_group("site")]
    same = ran.rests_on("notebooks", lesson, finished.figures(lesson))
    return [pytest.mark.slow(minutes=1.5), same]


@pytest.mark.filterwarnings("ignore")  # of the client; the kernel's are errors
@pytest.mark.parametrize(
    "lesson", [pytest.param(lesson, id=lesson.name, marks=_marks(lesson)) for lesson in LESSONS]
)
def test_a_lesson_runs_from_top_to_bottom(lesson: Lesson, pytestconfig: pytest.Config):
    """Does it run in time and quietly, each figure with alternative text, and bear out its claims?

    A run that this test has kept is looked at again instead of repeated, as long as nothing has
    changed of what the lesson runs on.
    """
    strict = "error" in pytestconfig.getini("filterwarnings")  # else old packages are tried
    kept = finished.kept(lesson)
    notebook = nbformat.read(kept, as_version=4) if kept.exists() else finished.answered(lesson)
    if SECONDS not in notebook.metadata:
        notebook = _ran(lesson, strict)
    seconds = notebook.metadata[SECONDS]
    print(f"{lesson.name}: {seconds:.1f} s")
    assert not _outputs(notebook, "error")
    assert not [o for o in _outputs(notebook, "stream") if o.name == "stderr"]
    figures = [o for o in _outputs(notebook, "display_data") if "image/png" in o.data]
    assert all(o.metadata["image/png"].get("alt") for o in figures)
    held = claims.measured(notebook)
    assert {name: told for name, told in lesson.claims.items() if not held[name].holds} == {}
    assert seconds < rehearsal.SECONDS.get(lesson.name, 30)
    assert _untold(notebook) == [], "cells that take long without a word of it"
    if strict:
        finished.keep(lesson, notebook)  # `grader site` need not run it again


def _untold(notebook: NotebookNode) -> list[str]:
    """The first lines of cells over `LONG` seconds that do not say how long they take."""
    code = [cell for cell in notebook.cells if "execution" in cell.metadata]
    took = [_took(cell.metadata["execution"]) for cell in code]
    share = notebook.metadata[SECONDS] / sum(took)  # of processor time, as if nothing else ran
    return [
        cell.source.partition("\n")[0]
        for cell, seconds in zip(code, took, strict=True)
        if seconds * share > LONG and not re.search(r"takes .*(second|minute)", cell.source)
    ]


def _took(execution: dict[str, str]) -> float:
    """Seconds by the clock from a cell's beginning to its end, of the times that Jupyter notes."""
    busy, idle = (
        datetime.fromisoformat(execution[f"iopub.status.{when}"].replace("Z", "+00:00"))
        for when in ("busy", "idle")
    )
    return (idle - busy).total_seconds()


def _ran(lesson: Lesson, strict: bool) -> NotebookNode:
    """The lesson's notebook, just run; its metadata hold the seconds of processor time."""
    notebook = finished.answered(lesson)
    around = [new_code_cell(CLOCK), *([STRICT] if strict else [])]
    notebook.cells = [*around, *notebook.cells, new_code_cell(CLOCK)]
    finished.run(notebook)
    told = [notebook.cells[at].outputs for at in (0, -1)]
    clocks = ["".join(output.text for output in outputs).split() for outputs in told]
    (early, began), (ended, late) = (map(float, clock) for clock in clocks)
    slow = max(1, (began - early + late - ended) / 2 / pace.USUAL)
    notebook.metadata[SECONDS] = (ended - began) / slow
    notebook.cells = notebook.cells[len(around) : -1]
    return notebook


def _outputs(notebook: NotebookNode, kind: str) -> list[NotebookNode]:
    return [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == kind
    ]
