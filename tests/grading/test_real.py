"""What people really hand in: notebooks as editors, kernels and habits leave them."""

from __future__ import annotations

from collections.abc import Iterator

import nbformat
import pytest

import classroom
from classroom import FULL_POINTS, LESSON, RIGHT
from grader.authoring.build import released, source_notebook
from grader.grading import page, worker
from grader.grading.result import Graded
from grader.grading.task import Task

pytestmark = [pytest.mark.slow(minutes=0.3), pytest.mark.xdist_group("real")]


@pytest.fixture(autouse=True, scope="module")
def processes() -> Iterator[None]:
    """The process from which players are forked is ended with the module."""
    yield
    worker.close()


def grade(scale: str, place: str = "", helper: str = "") -> Graded:
    """What an answer gets, with a helper written into the first of the cells of this kind."""
    text = released(LESSON.name).read_text(encoding="utf-8")
    written = classroom.notebook(text, RIGHT | {"scale": scale})
    if place:
        next(cell for cell in written.cells if cell.id.startswith(place)).source += helper
    file = nbformat.writes(written).encode()
    return worker.work(
        Task("ann", LESSON.name, text, nbformat.writes(source_notebook(LESSON)), file)
    )


ABOVE = [
    "%matplotlib inline", "%matplotlib widget", "%matplotlib notebook", "%pylab inline",
    "%config InlineBackend.figure_format = 'retina'", "%gui qt",
    "!ls", "files = !ls\nassert list(files) == []", "!pip install torch", "out = %sx ls",
    "%pip install -q numpy", "%conda install numpy", "%cd ..", "%pushd /tmp", "%store -r",
    "%load_ext autoreload\n%autoreload 2", "%load_ext jupyter_black", "%time y = 3",
    "import asyncio\nawait asyncio.sleep(0.01)",
    "async def three():\n    return 3\nassert await three() == 3",
    "import asyncio\nloop = asyncio.get_event_loop()",
    "import torch\n@torch.compile\ndef twice(x):\n    return 2 * x\nassert twice(3) == 6",
    "import torch\nlayer = torch.nn.Linear(2, 2)\nlayer.compile()\nlayer = torch.compile(layer)",
    "import logging\nlogging.warning('loud')",
    "import warnings\nwarnings.warn('loud')",
    "import sys, os\nprint('past Python', file=sys.__stderr__)\nos.write(2, b'past all')",
]  # fmt: skip


@pytest.mark.parametrize("above", ABOVE)
def test_what_stands_above_an_answer_costs_nothing(above: str):
    """Does what is said to display, shell or package manager leave the answer below it alone?"""
    graded = grade(f"{above}\n{RIGHT['scale']}")
    assert graded.points == FULL_POINTS, graded.rows


@pytest.mark.parametrize("magic", ["%%time", "%%capture"])
def test_an_answer_below_a_cell_magic(magic: str):
    """Is an answer that defines its function in a timed or captured cell taken?"""
    graded = grade(f"{magic}\n{RIGHT['scale']}")
    assert graded.points == FULL_POINTS


@pytest.mark.parametrize("place", ["setup", "demonstration", "figure"])
def test_a_helper_in_a_cell_of_the_lessons_own(place: str):
    """Does an answer find what its author wrote into such a cell, and is it shown as theirs?"""
    helper = "\n\ndef times(a, b):\n    return np.asarray(a) * b\n"
    graded = grade("def scale(x, factor):\n    return times(x, factor)", place, helper)
    assert graded.points == FULL_POINTS, graded.rows
    assert graded.notes == ()
    cells = {row.check: page.Grade(row.points or 0, row.max) for row in graded.rows}
    exercise, *_ = page.exercises(nbformat.reads(graded.notebook, 4), page.Grades(cells))
    assert helper.strip() in exercise.own[0].source


def test_a_command_that_was_not_run_says_so():
    """Is it told in the notebook, as a command that failed, and does the cell go on?"""
    graded = grade(f"!ls\nassert _exit_code == 1\n{RIGHT['scale']}")
    assert graded.points == FULL_POINTS
    assert "not run here: !ls" in graded.notebook


def test_compilation_says_that_it_is_left_out():
    """Is it told that a compiled function ran as it is written?"""
    code = f"import torch\n{RIGHT['scale']}\nscale = torch.compile(scale)"
    graded = grade(code)
    assert graded.points == FULL_POINTS
    assert "torch.compile does nothing here" in graded.notebook
