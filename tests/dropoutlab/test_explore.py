"""The explorers, driven from Python as sliders drive them."""

from __future__ import annotations

import ast
import io
import re
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import rehearsal
from curriculum import LESSONS
from dropoutlab import explore
from dropoutlab.explore import live
from dropoutlab.explore.explorer import Explorer, Picture, slider
from grader.authoring.lesson import Lesson


def _marks(lesson: Lesson) -> list[pytest.MarkDecorator]:
    """One worker for all that is asked of an explorer; those that train are slow."""
    trains = lesson.name in ("00_start_here", "23_coadaptation")
    slow = [pytest.mark.slow] if trains else []
    return [pytest.mark.xdist_group(f"explorer {lesson.name}"), *slow]


def _live(lesson: Lesson) -> bool:
    """Whether the browser draws a lesson's explorer (`test_live.py` asks of those)."""
    name = re.match(r"explore\.(\w+)", rehearsal.shown(lesson).source)[1]
    return (live.HERE / f"{name}.js").exists() and name != "coadaptation"


each_explorer = [
    pytest.param(lesson, id=lesson.name, marks=_marks(lesson))
    for lesson in LESSONS
    if not _live(lesson)
]


@pytest.fixture(scope="module", params=each_explorer)
def explorer(request: pytest.FixtureRequest) -> Explorer:
    """A lesson's explorer; some train for it, so one serves all tests, which leave it as it was."""
    return eval(rehearsal.shown(request.param).source, rehearsal.ready(request.param))


def test_every_control_redraws(explorer: Explorer):
    """Does each control, set from one end to the other, change the picture, never failing?"""
    first = Image.open(io.BytesIO(explorer.picture.png))
    aspect = first.width / first.height
    for name, control in explorer.controls.items():
        start, seen = control.value, set()
        middle = type(start)((control.min + control.max) / 2)
        for value in (control.min, middle, control.max):
            control.value = value
            assert explorer.picture.says.endswith("."), explorer.picture.says
            assert "Your function stopped" not in explorer.picture.says
            image = Image.open(io.BytesIO(explorer.picture.png))
            image.load()
            assert image.format == "PNG" and image.width > explorer.picture.width
            assert image.width / image.height == pytest.approx(aspect, rel=0.01)
            seen.add(explorer.picture.png)
        assert len(seen) == 3, f"{name} does not change the picture"
        control.value = start


def test_a_picture_follows_from_its_values(explorer: Explorer):
    """Do the same values give the same picture and sentence?"""
    before = explorer.picture.png, explorer.picture.says
    for control in explorer.controls.values():
        start = control.value
        control.value = control.max
        assert (explorer.picture.png, explorer.picture.says) != before
        control.value = start
        assert (explorer.picture.png, explorer.picture.says) == before


def test_a_picture_is_drawn_at_once(explorer: Explorer):
    """Does the median redraw ask for less processor time than a hand notices?"""
    control = next(iter(explorer.controls.values()))
    first, seconds = control.value, []
    for value in np.linspace(control.min, control.max, 12)[1:]:
        start = time.process_time()  # whatever else the machine does
        control.value = type(control.value)(value)
        seconds.append(time.process_time() - start)
    control.value = first
    assert statistics.median(seconds) < 0.25


@pytest.mark.parametrize("lesson", each_explorer)
def test_an_unwritten_function_says_so(lesson: Lesson):
    """Does an explorer of stubs say what to do, and one of a crashing function what happened?"""
    names = rehearsal.ready(lesson)

    def stub(*args: object, **more: object) -> None:
        raise NotImplementedError("not written yet")

    def crash(*args: object, **more: object) -> None:
        raise ZeroDivisionError("a crash")

    line = rehearsal.shown(lesson).source
    handed = {node.id for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)}
    for function, words in ((stub, "Not written yet"), (crash, "ZeroDivisionError: a crash")):
        for name in handed & set(lesson.exercises):  # each alone, the others right
            assert words in eval(line, names | {name: function}).picture.says


def test_an_explorer_leaves_a_picture(explorer: Explorer):
    """Is there a still picture beside the live one, with its words, where no widget is shown?"""
    data, more = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/png"].startswith(b"\x89PNG")
    assert more["image/png"]["alt"].endswith(".")


def test_a_library_is_no_stub():
    """Is a NotImplementedError that a library raises told, not taken for a stub?"""

    def draw(figure: Figure, n: int) -> str:
        raise NotImplementedError("no uniform numbers for 'Long'")

    assert "for 'Long'" in Explorer(draw, n=slider("n", 1, 0, 3, 1)).picture.says


def test_the_sentence_changes_without_the_picture():
    """Does the browser listen to both, as two errors show one empty picture?"""

    def draw(figure: Figure, n: int) -> str:
        raise ValueError(f"n = {n}")

    explorer = Explorer(draw, n=slider("n", 1, 0, 3, 1))
    before = explorer.picture.png
    explorer.controls["n"].value = 2
    assert explorer.picture.says.endswith("n = 2") and explorer.picture.png == before
    assert set(re.findall(r'model\.on\("change:(\w+)"', Picture._esm)) == {"png", "says"}


def test_an_explorer_recovers():
    """Does a value that fails leave the next one to work?"""

    def draw(figure: Figure, n: int) -> str:
        figure.subplots().plot([1, 2 / n])
        return f"{n} of them."

    explorer = Explorer(draw, n=slider("n", 1, 0, 3, 1))
    explorer.controls["n"].value = 0
    assert "ZeroDivisionError" in explorer.picture.says
    explorer.controls["n"].value = 2
    assert explorer.picture.says == "2 of them."


def test_explorers_are_imported_when_they_are_asked_for():
    """Does a lesson on NumPy, which asks for one, start without torch, which takes seconds?"""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from dropoutlab import explore\n"
        "print(callable(explore.scaling), 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "True False\n"


def test_every_explorer_is_in_a_lesson():
    """Is each explorer shown by a lesson?"""
    lines = " ".join(rehearsal.shown(lesson).source for lesson in LESSONS)
    assert [name for name in explore.names() if f"explore.{name}(" not in lines] == []
