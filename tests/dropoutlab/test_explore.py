"""Explorers: their scripts run here in an engine, without a browser."""

from __future__ import annotations

import ast
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import ran
import rehearsal
from curriculum import LESSONS
from dropoutlab import explore
from dropoutlab.explore.explorer import HERE, Explorer, again, choice, grid, packed
from grader.authoring.lesson import Lesson
from grader.website.explorers import made, scripted
from grader.website.script import Script

each_lesson = [
    pytest.param(lesson, id=lesson.name, marks=[
        pytest.mark.xdist_group(f"explorer {lesson.name}"),
        ran.rests_on("drawings", lesson, ran.digest(ran.explorer(lesson), [Path(__file__)])),
    ])
    for lesson in LESSONS
]  # fmt: skip
each_scripted = [case for case in each_lesson if scripted(case.values[0])]
AMISS = re.compile(r"NaN|undefined|Infinity|\[object|null")


@pytest.fixture(scope="module", params=each_scripted)
def script(request: pytest.FixtureRequest) -> Script:
    """A lesson's explorer, with the table of the reference answers."""
    explorer = made(request.param)
    assert not explorer.trouble
    return Script(explorer)


def test_every_place_can_be_drawn(script: Script):
    """Is each control, at either end and in the middle, seen in a drawing without a gap?"""
    start = script.drawn()
    assert start == script.drawn(), "the same places give the same drawing"
    for control in script.explorer.controls:
        if control["kind"] == "hidden":
            continue
        last = len(control["values"]) - 1
        there = {place: script.drawn(**{control["name"]: place}) for place in {0, last // 2, last}}
        assert len({json.dumps(seen) for seen in there.values()}) == len(there), control["name"]
    ends = [sorted({0, len(c["values"]) - 1}) for c in script.explorer.controls]
    names = [c["name"] for c in script.explorer.controls]
    for corner in itertools.islice(itertools.product(*ends), 64):
        panels, says = script.drawn(**dict(zip(names, corner, strict=True)))
        assert says.endswith((".", "?")) and not AMISS.search(says), says
        for panel in panels:
            ElementTree.fromstring(panel)
            assert not AMISS.search(panel), AMISS.search(panel)


def test_no_control_begins_at_an_end(script: Script):
    """Is there somewhere to go in both directions?"""
    for control in script.explorer.controls:
        if control["kind"] == "slider" and len(control["values"]) > 2:
            assert 0 < script.explorer.at[control["name"]] < len(control["values"]) - 1


def test_views_to_try_differ(script: Script):
    """Does each proposal lead to another drawing than the one at the start, or the one before?"""
    seen = [json.dumps(script.drawn(**places)) for _, places in script.tries()]
    assert len(set(seen)) == len(seen) >= 2
    assert script.evaluate("chosen.spec.question").endswith("?")


def test_what_is_pressed_moves(script: Script):
    """Does each part of a drawing that can be pressed lead to another, by places that there are?"""
    start, last = (
        script.drawn(),
        {c["name"]: len(c["values"]) - 1 for c in script.explorer.controls},
    )
    hits = re.findall(r'data-hit="(\w+):(-?\w+)"', "".join(start[0]))
    hidden = any(control["kind"] == "hidden" for control in script.explorer.controls)
    assert hits or not hidden, "only a drawing moves a hidden control"
    for name, value in hits:
        at = json.dumps([name, value, script.explorer.at])
        to = script.evaluate(f"chosen.spec.pressed(...{at})")
        assert all(0 <= place <= last[control] for control, place in to.items()), to
        moves = any(script.explorer.at[control] != place for control, place in to.items())
        assert (script.drawn(**to) != start) == moves, (name, value)
    assert not hits or len(hits) > 1, "one is where the others lead away from"


def test_a_drawing_is_small(script: Script):
    """Is a table small enough to be sent, and a drawing to be painted in a frame?"""
    assert len(script.explorer.table) < 1_500_000
    assert sum(len(panel) for panel in script.drawn()[0]) < 200_000


def test_panels_fit_a_phone(script: Script):
    """Is no panel so wide that its words are too small where 390 pixels are all there is?"""
    for panel in script.drawn()[0]:
        assert float(ElementTree.fromstring(panel).get("width")) <= 480


@pytest.mark.parametrize("lesson", each_lesson)
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
            assert words in eval(line, names | {name: function}).trouble


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """An explorer's script that shows the values of its controls."""
    for where in ("dropoutlab.explore.explorer.module", "grader.website.script.module"):
        monkeypatch.setattr(where, lambda _: (HERE / "kit.js").read_text() + STUB)


@pytest.mark.usefixtures("stub")
def test_a_table_arrives():
    """Does the script read, at every place, the numbers that Python has packed?"""
    rng = np.random.default_rng()
    arrays = {
        "bits": rng.random((3, 5, 7)) < 0.5,
        "bytes": rng.integers(0, 256, (4, 3)).astype(np.uint8),
        "whole": rng.integers(-(2**31), 2**31, (2, 2, 5)),
        "real": rng.normal(size=(3, 4)),
        "short": rng.integers(-(2**15), 2**15, (6, 1)).astype(np.int16),
    }
    script = Script(Explorer("none", lambda: arrays, n=grid("n", 1, 0, 2, 1)))
    for name, array in arrays.items():
        for place in np.ndindex(array.shape):
            if rng.random() < 0.3:
                at = ", ".join(map(str, place))
                assert script.evaluate(f"table.{name}.at({at})") == packed(array)[place]
        part = script.evaluate(f"Array.from(table.{name}.at(1))")
        assert np.array_equal(part, np.ravel(packed(array)[1]))


STUB = """
export default explorer({
  draw: (table, value) => ({ panels: [new Panel(9, 9, `${JSON.stringify(value)}`)], says: "So." }),
});
"""


@pytest.mark.usefixtures("stub")
def test_controls_travel():
    """Do a grid, a choice and a button hand their values to the script, in these words?"""
    controls = {
        "p": grid("p", 0.25, 0.05, 0.95, 0.05),
        "kind": choice("kind", "b", ["a", "b"]),
        "draw": again("Another draw", 3),
    }
    script = Script(Explorer("none", dict, **controls))
    assert script.evaluate("controls[0].words[4]") == "0.25"
    values = script.drawn(draw=2)[0][0]
    assert "{&quot;p&quot;:0.25,&quot;kind&quot;:&quot;b&quot;,&quot;draw&quot;:2}" in values
    places = script.evaluate('places(controls, {p: 0.33, kind: "a"})')
    assert places == {"p": 6, "kind": 0}


def test_what_is_not_finite_is_told():
    """Is a table with NaN refused in words, as the browser could draw nothing of it?"""
    explorer = Explorer("scaling", lambda: {"a": [1.0, np.nan]}, n=grid("n", 1, 0, 2, 1))
    assert "NaN" in explorer.trouble


def test_a_library_is_no_stub():
    """Is a NotImplementedError that a library raises told, not taken for a stub?"""

    def table() -> dict:
        raise NotImplementedError("no uniform numbers for 'Long'")

    assert "for 'Long'" in Explorer("scaling", table).trouble


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
