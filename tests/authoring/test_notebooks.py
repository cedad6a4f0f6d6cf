"""Each lesson as a notebook, answers included, in a kernel of its own."""

from __future__ import annotations

import resource

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

import rehearsal
from grader.authoring import finished
from grader.authoring.build import source_notebook
from grader.authoring.lesson import Lesson
from grader.authoring.reading import read_all
from grader.paths import SOLUTIONS

STRICT = new_code_cell(
    "import warnings\n"
    "warnings.simplefilter('error')\n"
    # ipykernel's own, raised while it shuts down
    "warnings.filterwarnings('ignore', category=PendingDeprecationWarning)"
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the client; the kernel's are errors
@pytest.mark.parametrize("lesson", read_all(SOLUTIONS), ids=lambda lesson: lesson.name)
def test_a_lesson_runs_from_top_to_bottom(lesson: Lesson, pytestconfig: pytest.Config):
    """Does it run in time, quietly, each figure with alternative text, and without warnings?"""
    notebook, limit = source_notebook(lesson), rehearsal.SECONDS.get(lesson.name, 30)
    if "error" in pytestconfig.getini("filterwarnings"):  # else old packages are tried
        notebook.cells.insert(0, STRICT)
    before = _processor_time()
    finished.run(notebook)
    seconds = _processor_time() - before
    print(f"{lesson.name}: {seconds:.1f} s")
    assert not _outputs(notebook, "error")
    assert not [o for o in _outputs(notebook, "stream") if o.name == "stderr"]
    figures = [o for o in _outputs(notebook, "display_data") if "image/png" in o.data]
    assert figures, "a lesson has at least one figure"
    assert all(o.metadata["image/png"].get("alt") for o in figures)
    assert seconds < limit
    finished.keep(lesson, notebook)  # `grader site` need not run it again


def _processor_time() -> float:
    """What ended processes of this one have used, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _outputs(notebook: NotebookNode, kind: str) -> list[NotebookNode]:
    return [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == kind
    ]
