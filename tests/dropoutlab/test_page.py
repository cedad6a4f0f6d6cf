"""What a learner sees in a notebook when checks run, and that no grader sees it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat import NotebookNode

import classroom
import frontend
from classroom import HALF, HALF_POINTS, LESSON
from curriculum import LESSONS
from dropoutlab.expect import frame
from dropoutlab.expect.page import Page, mark
from grader.authoring import build, finished
from grader.authoring.lesson import REGION, Lesson
from grader.grading import worker
from grader.grading.task import Task

OFTEN = {"00_start_here", "13_inverted_dropout", "26_learned_rates"}
"""Lessons that are tried as they are released in every run of the tests."""

CHECK = """# It doubles what it is given.
with expect.case("double(2)"):
    expect.equal(double(2), 4, hint="multiply by 2.")
"""
FIRST = CHECK + mark("double", 1, 3, 2, 4, False)
SECOND = CHECK.replace("2)", "3)").replace(" 4,", " 6,") + mark("double", 2, 3, 1, 4, False)
HIDDEN = "# A hidden check.\n" + mark("double", 3, 3, 1, 4, True)
RIGHT = "def double(x):\n    return 2 * x"
WRONG = "def double(x):\n    return x + 2"
STUB = 'def double(x):\n    raise NotImplementedError("not written yet")'

Cell = Callable[..., str]


class Shell(InteractiveShell):
    """A shell that keeps the error that it shows."""

    def _showtraceback(self, kind: type, value: BaseException, lines: list[str]) -> None:
        print("\n".join(lines))


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """IPython, whose page is this process's while a test lasts."""
    shell = Shell()
    shell.display_pub = CapturingDisplayPublisher()
    monkeypatch.setattr(frame, "voice", Page(shell))
    shell.run_cell("from dropoutlab import expect")
    yield shell
    shell.history_manager.end_session()


@pytest.fixture
def cell(shell: Shell) -> Cell:
    """Run a cell; what it shows as plain text, an error included."""

    def run(source: str, name: str | None = "cell") -> str:
        shell.display_pub.outputs.clear()
        with capture_output() as shown:
            shell.run_cell(source, cell_id=name)
        return shown.stdout + "".join(o["data"]["text/plain"] for o in shell.display_pub.outputs)

    return run


def rich(shell: Shell) -> str:
    """What the last cell shows in a browser."""
    return "".join(output["data"]["text/html"] for output in shell.display_pub.outputs)


def plain(text: str) -> str:
    """A text without the marks that colour it."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_a_check_that_passes_is_a_line_and_its_points(cell: Cell, shell: Shell):
    """Do a check's sentence and the exercise's points so far stand there, and nothing else?"""
    cell(RIGHT)
    assert cell(FIRST) == "✓ It doubles what it is given.\n2 of 4 points"
    assert cell(SECOND).endswith("\n3 of 4 points")
    assert cell(SECOND).endswith("\n3 of 4 points"), "again is not twice"
    assert "color: var(--jp-success" in rich(shell)


def test_a_hidden_check_says_when_it_runs(cell: Cell):
    """Is a check that isn't in the notebook not said to have passed?"""
    cell(RIGHT)
    assert cell(HIDDEN) == "This check runs when you hand in (1 point)."


def test_a_check_that_fails_stands_out(cell: Cell):
    """Are the four lines as they are elsewhere, but for colour and a cross?"""
    cell(WRONG)
    shown = cell(SECOND).rstrip("\n")
    assert "\x1b[" in shown
    assert plain(shown).splitlines() == [
        " ✗  double(3)", "  expected: 6", "  found:    5", "  hint:     multiply by 2.",
    ]  # fmt: skip


def test_passed_is_told_from_open_and_from_failed(cell: Cell, shell: Shell):
    """Does the table know what ran, forget it with the function, and say what is next?"""
    summary = 'expect.summary("98", {"double": (3, 1), "words": (0, 2)})'
    assert re.search(r"double +0 of 4  open\n +words +0 of 2  read when", cell(summary))
    cell(STUB)
    cell(FIRST)
    assert re.search(r"double +0 of 4  open\n", cell(summary)), "not written is not failed"
    cell(WRONG)
    cell(FIRST), cell(SECOND)
    assert re.search(r"^2 of 6 points(.|\n)*double +2 of 4  failed\n", cell(summary))
    assert "Go on with double." in cell(summary) and "#cell-id=double" in rich(shell)
    cell(RIGHT)
    assert re.search(r"double +0 of 4  open\n", cell(summary)), "these checks judged another one"
    cell(FIRST), cell(SECOND)
    cell(RIGHT)  # the same again
    assert re.search(r"double +3 of 4  ✓ passed, the rest when you hand in\n", cell(summary))
    assert "Every check that runs here passes." in cell(summary)
    assert "python3 grader grade 98" in cell(summary)


@pytest.mark.parametrize(
    "broken", ["def double(x):\n    return 2 *", "double = 1 / 0", f"{RIGHT}\nwrong()"]
)
def test_a_function_whose_cell_stopped_is_not_judged(cell: Cell, broken: str):
    """Does a check say that the cell stopped, instead of judging the function before it?"""
    cell(RIGHT)
    cell(broken)
    shown = plain(cell(FIRST))
    assert "expected: `double` as its cell has it now" in shown and "✓" not in shown
    assert re.search(r"found: +that cell stopped \((Syntax|ZeroDivision|Name)Error", shown)
    assert "hint:     mend the cell of `double`, run it, then this one." in shown
    cell(RIGHT)
    assert "✓" in cell(FIRST)


def test_another_cell_that_stopped_is_no_matter(cell: Cell):
    """Is a check judged whose own names are those of a demonstration that stopped?"""
    cell(RIGHT)
    cell("x = rng = result = 1 / 0")
    local = CHECK.replace("double(2),", "(lambda x: double(x))(2),")
    assert "✓" in cell(f"result = 2\n{local}" + mark("double", 1, 3, 2, 4, False))


def test_a_function_edited_since_it_ran_is_not_judged(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Does a check ask for the cell to be run where the file has a newer text, and only there?"""
    file = tmp_path / "lesson.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(file))

    def save(source: str, seconds: float) -> None:
        file.write_text(json.dumps({"cells": [{"id": "double", "source": [source]}]}))
        os.utime(file, (time.time() + seconds,) * 2)

    save(WRONG, -60)
    cell(RIGHT, "double")
    assert "✓" in cell(FIRST), "it was saved before the cell ran"
    save(RIGHT, +60)
    assert "✓" in cell(FIRST), "the same text"
    save(WRONG, +60)
    assert "found:    the cell was edited after it ran" in plain(cell(FIRST))
    cell(RIGHT, "another")
    assert "✓" in cell(FIRST), "a cell that isn't in the file"
    file.write_text("{")
    cell(RIGHT, "double")
    os.utime(file, (time.time() + 60,) * 2)
    assert "✓" in cell(FIRST), "a file that can't be read"


def test_a_demonstration_names_what_to_write(cell: Cell):
    """Is a stub's error, and that of a name that isn't there, one line; and no other error?"""
    cell(STUB)
    assert cell("print(list(map(double, [1])))") == "Write `double` above first.\n"
    assert cell('answer = ...\nraise NotImplementedError("not written yet")').startswith(
        "Not written"
    )
    class_ = "class Layer:\n    def forward(self):\n        " + STUB.splitlines()[1].strip()
    cell(class_)
    assert cell("Layer().forward()") == "Write `Layer.forward` above first.\n"
    quoting = 'File "a.py", line 2, in double\n    raise NotImplementedError("not written yet")'
    assert cell(f"raise RuntimeError({quoting!r})") == "Write `double` above first.\n"  # torch's
    missing = (
        "`triple` is not defined (line 2). Run its cell, which may wait for a guess, or look at "
        "its spelling.\n"
    )
    assert cell("x = 1\ntriple(x)") == missing
    assert cell("x = 1\n[triple(x) for x in [1]]") == missing
    assert cell("np = 3\nnp.ones(3)").startswith("`np` was overwritten.")
    cell("def typo(x):\n    return xx")
    for source in ("typo(1)", "1 / 0", "raise NotImplementedError('no CUDA')", "1 +"):
        assert "Error" in cell(source) and len(cell(source).splitlines()) > 2, source


def test_a_figure_waits_for_the_guess(cell: Cell):
    """Does a figure say in one line to guess first, until a guess stands there?"""
    cell("my_guess = ...")
    asks = "Write your guess in the cell above first: this figure answers it.\n"
    assert cell("print(expect.guess(my_guess))") == asks
    cell("my_guess = 0")
    assert cell("print(expect.guess(my_guess))") == "0\n"
    cell("my_guess = 'half'")
    number = "Write your guess as a plain number: 'half' is not one.\n"
    assert cell("expect.guess(my_guess)") == number
    assert cell("print(expect.guess(my_guess, number=False))") == "half\n"


def test_nothing_breaks_a_run(cell: Cell, shell: Shell, monkeypatch: pytest.MonkeyPatch):
    """Does a check judge as before where the page itself fails?"""
    for name in ("_old", "_checked", "_line"):
        monkeypatch.delattr(Page, name)
    cell(RIGHT)
    assert cell(FIRST) == "ok: double(2)\n"
    cell(STUB)
    assert "NotImplementedError" in cell("double(1)")
    assert "not written yet" in cell(FIRST)


def test_who_tells_no_cell_gets_plain_text(cell: Cell):
    """Is everything as in a terminal where no front end runs the cells?"""
    cell(RIGHT, None)
    assert cell(FIRST, None) == "ok: double(2)\n"
    assert cell('expect.summary("98", {"double": (3, 1)})', None) == ""
    cell("def double(x):\n    return 2 *", None)
    assert cell(FIRST, None) == "ok: double(2)\n"
    cell(WRONG, None)
    assert "\x1b[" not in cell(SECOND, None)


@pytest.mark.slow(minutes=0.2)
@pytest.mark.filterwarnings("ignore")  # of the client
@pytest.mark.parametrize("lesson", [
    pytest.param(lesson, id=lesson.name, marks=[] if lesson.name in OFTEN else
                 pytest.mark.long("each lesson as it is released, from top to bottom"))
    for lesson in LESSONS
])  # fmt: skip
def test_a_released_lesson_shows_no_traceback(lesson: Lesson):
    """Is each error of a lesson in which nothing is written four lines of a check, or one?

    One line it is also where a check needs another exercise first.
    """
    notebook = build.source_notebook(lesson)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution") and cell.cell_type == "code":
            cell.source = REGION.sub(_unwritten, cell.source)
    frontend.run(notebook)
    errors = {c.id: o for c in notebook.cells for o in c.get("outputs", [])
              if o.output_type == "error"}  # fmt: skip
    assert len(errors) > len([check for check in lesson.of("check") if not check.hidden])
    for name, error in errors.items():
        unmet = error.ename == "Unmet"
        assert len(error.traceback) == (4 if unmet else 1), error.traceback
        assert unmet <= name.startswith("check_")
    if lesson.points:
        (table,) = notebook.cells[-1].outputs
        assert f"0 of {lesson.points} points" in table.data["text/plain"]
        assert "failed" not in table.data["text/plain"]


def _unwritten(region: re.Match[str]) -> str:
    indent = region[0][: len(region[0]) - len(region[0].lstrip())]
    return f'{indent}raise NotImplementedError("not written yet")'


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the client
def test_graders_see_nothing_of_it(tmp_path: Path):
    """Are scores and outputs what they were, where a notebook is graded or run as a whole?"""
    released = classroom.released(tmp_path)
    source = nbformat.writes(build.source_notebook(LESSON))
    handed_in = classroom.notebook(released, HALF)
    graded = worker.work(
        Task("ann", LESSON.name, released, source, nbformat.writes(handed_in).encode())
    )
    worker.close()
    assert graded.points == HALF_POINTS
    _plain(nbformat.reads(graded.notebook, as_version=4))
    _hurry(handed_in)
    _plain(finished.run(handed_in))  # as nbgrader does; it ends where nothing is written
    frontend.run(handed_in)
    assert "✓" in nbformat.writes(handed_in), "and a learner sees it"


def _hurry(notebook: NotebookNode) -> None:
    """Let its figure train for one step: what it shows is not asked."""
    (training,) = (cell for cell in notebook.cells if "steps=400" in cell.source)
    training.source = training.source.replace("steps=400", "steps=1")


def _plain(notebook: NotebookNode) -> None:
    outputs = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert "ok: " in str(outputs["check_scale_1"])
    assert outputs[notebook.cells[-1].id] == []
    for found in outputs.values():
        assert not re.search(r"✓|✗|of \d+ points|'stderr'", str(found))
    unmet = [o for found in outputs.values() for o in found if o.get("ename") == "Unmet"]
    assert unmet and all("\x1b" not in line for error in unmet for line in error.traceback)
