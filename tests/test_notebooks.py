"""Each lesson as a notebook, answers included, in a kernel of its own."""

from __future__ import annotations

import time

import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from grader.build import source_notebook
from grader.lesson import Lesson, read_all
from grader.paths import LESSONS, SOLUTIONS

SECONDS = 30
STRICT = new_code_cell(
    "import warnings\n"
    "warnings.simplefilter('error')\n"
    # ipykernel's own, raised while it shuts down
    "warnings.filterwarnings('ignore', category=PendingDeprecationWarning)"
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the client; the kernel's are errors
@pytest.mark.parametrize("lesson", read_all(SOLUTIONS), ids=lambda lesson: lesson.name)
def test_a_lesson_runs_from_top_to_bottom(lesson: Lesson):
    """Does it run in 30 s with warnings as errors, quietly, each figure with alternative text?"""
    notebook = source_notebook(lesson)
    notebook.cells.insert(0, STRICT)
    folder = {"metadata": {"path": str(LESSONS)}}
    start = time.perf_counter()
    NotebookClient(notebook, timeout=2 * SECONDS, resources=folder).execute()
    seconds = time.perf_counter() - start
    print(f"{lesson.name}: {seconds:.1f} s")
    assert not _outputs(notebook, "error")
    assert not [o for o in _outputs(notebook, "stream") if o.name == "stderr"]
    figures = [o for o in _outputs(notebook, "display_data") if "image/png" in o.data]
    assert figures, "a lesson has at least one figure"
    assert all(o.metadata["image/png"].get("alt") for o in figures)
    assert seconds < SECONDS


def _outputs(notebook: NotebookNode, kind: str) -> list[NotebookNode]:
    return [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == kind
    ]
