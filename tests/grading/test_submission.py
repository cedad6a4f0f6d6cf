"""Whatever has become of a notebook file: does grading go on, by the released one?"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from classroom import LESSON, RIGHT, notebook
from fuzz import fuzzed
from grader.authoring.build import released, source_notebook
from grader.errors import CourseError
from grader.grading import submission, worker
from grader.grading.folders import ClassFolder
from grader.grading.task import Task

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning"),
]


SOURCE = source_notebook(LESSON)


@cache
def text() -> str:
    """The lesson as it is released."""
    return released(LESSON.name).read_text(encoding="utf-8")


def release() -> NotebookNode:
    return nbformat.reads(text(), as_version=4)


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths of all values in a JSON value, but the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


@pytest.mark.parametrize(
    "data",
    [b"this is not JSON", b"[1, 2]", b'{"cells": []}', b'{"nbformat": 4, "cells": [{}]}', b""],
)
def test_what_is_no_notebook_is_refused(data: bytes):
    """Is a file that is no notebook refused in one sentence with a remedy?"""
    with pytest.raises(CourseError, match=r"^the file is not a Jupyter notebook: open.*\.$"):
        submission.parse(data)


def _no_checks(nb: NotebookNode) -> None:
    nb.cells = [c for c in nb.cells if not c.metadata.get("nbgrader", {}).get("grade")]


def _duplicates(nb: NotebookNode) -> None:
    nb.cells += [copy.deepcopy(cell) for cell in nb.cells if "nbgrader" in cell.metadata]


def _reversed(nb: NotebookNode) -> None:
    nb.cells.reverse()


def _no_metadata(nb: NotebookNode) -> None:
    for cell in nb.cells:
        cell.metadata = {}


def _other_points(nb: NotebookNode) -> None:
    for cell in nb.cells:
        if "points" in cell.metadata.get("nbgrader", {}):
            cell.metadata.nbgrader.points = 1000


def _checks_that_pass(nb: NotebookNode) -> None:
    for cell in nb.cells:
        if cell.id.startswith("check_"):
            cell.source = "pass"


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (_no_checks, "was deleted"),
        (_duplicates, "there 2 times"),
        (_reversed, ""),
        (_no_metadata, ""),
        (_other_points, "was edited"),
        (_checks_that_pass, "was edited"),
    ],
)
def test_answers_are_all_that_counts(change: Callable[[NotebookNode], None], note: str):
    """Is the notebook to be run the same, whatever was done to the other cells, and is it said?"""
    nb = notebook(text(), RIGHT)
    expected, silence = submission.rebuild(nb, release(), SOURCE)
    change(nb)
    rebuilt, notes = submission.rebuild(nb, release(), SOURCE)
    written = expected if note != "was deleted" else _with_missing_answers(expected, nb)
    assert [(c.id, c.source) for c in rebuilt.cells] == [(c.id, c.source) for c in written.cells]
    assert silence == [] and note in " ".join(notes) and bool(note) == bool(notes)


def _with_missing_answers(whole: NotebookNode, nb: NotebookNode) -> NotebookNode:
    """A prose answer is graded too: without its cell there is none."""
    there = {cell.id for cell in nb.cells}
    for cell in whole.cells:
        if cell.cell_type == "markdown" and "nbgrader" in cell.metadata and cell.id not in there:
            cell.source = "*an answer whose cell is missing*"
    return whole


def _cell(nb: NotebookNode, name: str) -> tuple[int, NotebookNode]:
    return next((i, cell) for i, cell in enumerate(nb.cells) if cell.id == name)


@pytest.mark.parametrize("twin", [
    {"id": "other"}, {"id": "scale"}, {"id": "other", "metadata": {}, "first": True},
])  # fmt: skip
def test_an_answer_in_several_cells_runs_whole(twin: dict[str, Any]):
    """Does each part of a cell that was split or duplicated run, in order, and is it no fault?"""
    nb = notebook(text(), RIGHT)
    i, cell = _cell(nb, "scale")
    second = copy.deepcopy(cell)
    cell.source, second.source = "def helper(x, f):\n    return f * x", "scale = helper"
    second.id = twin["id"]
    if twin.get("first"):  # an editor that drops the metadata of a second half
        second.metadata = NotebookNode()
    nb.cells.insert(i + 1, second)
    rebuilt, notes = submission.rebuild(nb, release(), SOURCE)
    code = [c.source for c in rebuilt.cells]
    assert code.index("def helper(x, f):\n    return f * x") + 1 == code.index("scale = helper")
    assert not any(submission.TAMPERED in note for note in notes)


def test_prose_in_two_cells_is_read_whole():
    """Is an answer in prose that stands in two cells one text for who reads it?"""
    nb = notebook(text(), RIGHT)
    name = next(c.name for c in LESSON.cells if c.kind == "answer")
    i, cell = _cell(nb, name)
    second = copy.deepcopy(cell)
    cell.source, second.source = "First.", "Second."
    nb.cells.insert(i + 1, second)
    rebuilt, _ = submission.rebuild(nb, release(), SOURCE)
    assert _cell(rebuilt, name)[1].source == "First.\n\nSecond."


ODD = {
    "a stream without a name": {"output_type": "stream", "text": "x"},
    "a bare model_id": {"output_type": "display_data", "model_id": "x"},
    "an error without a traceback": {"output_type": "error", "ename": "E"},
    "no kind": {},
    "nothing": None,
}


@pytest.mark.parametrize("odd", ODD)
def test_outputs_that_are_none_cost_nothing(odd: str):
    """Is a notebook read whose outputs or counts are not quite what the format asks for?"""
    content = json.loads(nbformat.writes(notebook(text(), RIGHT)))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [ODD[odd]]
            cell["execution_count"] = "3"
    del next(c for c in content["cells"] if c["cell_type"] == "code")["outputs"]
    parsed, notes = submission.parse(json.dumps(content).encode())
    rebuilt, more = submission.rebuild(parsed, release(), SOURCE)
    assert _cell(rebuilt, "scale")[1].source == RIGHT["scale"] and notes + more == []


@pytest.mark.parametrize("edit", [
    lambda text: text + "\n", lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("\n", "  \n") + " ", lambda text: "\n" + text,
])  # fmt: skip
def test_white_space_is_no_edit(edit: Callable[[str], str]):
    """Is an editor that adds or takes white space in every cell no tampering?"""
    nb = notebook(text(), RIGHT)
    for cell in nb.cells:
        cell.source = edit(cell.source)
    assert submission.rebuild(nb, release(), SOURCE)[1] == []


@pytest.mark.parametrize("names", [
    ["{}-Copy1.ipynb"], ["{} (1).ipynb"], ["my work.ipynb", "notes.ipynb"],
])  # fmt: skip
def test_a_renamed_notebook_is_graded(tmp_path: Path, names: list[str]):
    """Is the one notebook that is the lesson's taken, whatever its name, and is it said?"""
    place = tmp_path / "submitted" / "ann" / LESSON.name
    place.mkdir(parents=True)
    own, *others = (place / name.format(LESSON.name) for name in names)
    own.write_text(nbformat.writes(notebook(text(), RIGHT)))
    for other in others:
        other.write_text(nbformat.writes(nbformat.v4.new_notebook()))
    handed_in = ClassFolder(tmp_path).handed_in(LESSON, "ann")
    assert handed_in.text == own.read_bytes() and not handed_in.fault
    assert f"{own.name} was graded" in " ".join(handed_in.remarks)
    (place / "second.ipynb").write_bytes(own.read_bytes())
    both = ClassFolder(tmp_path).handed_in(LESSON, "ann")
    assert both.text is None and own.name in both.fault and "second.ipynb" in both.fault


def _no_ids(nb: NotebookNode) -> None:
    nb.nbformat_minor = 4
    for cell in nb.cells:
        del cell["id"]


def _other_ids(nb: NotebookNode) -> None:
    for i, cell in enumerate(nb.cells):
        cell.id = f"new{i}"


def _no_minor(nb: NotebookNode) -> None:
    del nb["nbformat_minor"]


def _nothing_but_text(nb: NotebookNode) -> None:
    _no_ids(nb)
    _no_metadata(nb)


@pytest.mark.parametrize("answers", [RIGHT, {}, {"scale": RIGHT["scale"]}])
@pytest.mark.parametrize("editor", [_no_ids, _other_ids, _no_minor, _nothing_but_text])
def test_an_editor_that_drops_ids_costs_nothing(
    editor: Callable[[NotebookNode], None], answers: dict[str, str]
):
    """Is none of the lesson's own cells taken for the learner's and run, and each answer found?"""
    nb = notebook(text(), answers)
    expected, _ = submission.rebuild(nb, release(), SOURCE)
    editor(nb)
    learner, _ = submission.parse(json.dumps(nb).encode())
    rebuilt, notes = submission.rebuild(learner, release(), SOURCE)
    assert [(c.id, c.source) for c in rebuilt.cells] == [(c.id, c.source) for c in expected.cells]
    assert notes == []


def test_the_cells_of_an_older_version_are_not_run():
    """Is what says something else today, or is no more, not run but where an answer needs it?"""
    nb = notebook(text(), RIGHT)
    expected, _ = submission.rebuild(nb, release(), SOURCE)
    for i, cell in enumerate(nb.cells):
        if "nbgrader" not in cell.metadata:
            cell.source += " once"
            cell.id = f"{cell.id[:-8]}{i:08x}"
    nb.cells.append(new_code_cell("1 / 0", id="check_scale_9"))
    rebuilt, notes = submission.rebuild(nb, release(), SOURCE)
    kept = [c for c in rebuilt.cells if not c.id.startswith(submission.WRITTEN)]
    assert [(c.id, c.source) for c in kept] == [(c.id, c.source) for c in expected.cells]
    assert notes == []


def test_a_note_above_an_answer_hides_none():
    """Where only texts are left, is each answer found below a cell that the learner added?"""
    nb = notebook(text(), RIGHT)
    for name in RIGHT:
        i, cell = _cell(nb, name)
        own = new_markdown_cell if cell.cell_type == "code" else new_code_cell
        nb.cells.insert(i, own("7"))
    _nothing_but_text(nb)
    rebuilt, notes = submission.rebuild(nb, release(), SOURCE)
    assert {c.id: c.source for c in rebuilt.cells}.items() >= RIGHT.items()
    assert notes == []


def test_a_copy_of_a_lessons_cell_moves_nothing():
    """Does a cell that the learner copied to the top stay there, with what was added below it?"""
    nb = notebook(text(), RIGHT)
    shown = next(cell for cell in reversed(nb.cells) if cell.cell_type == "code")
    nb.cells[:0] = [new_code_cell(shown.source, id="copy"), new_code_cell("helper = 1", id="own")]
    rebuilt, notes = submission.rebuild(nb, release(), SOURCE)
    assert [cell.source for cell in rebuilt.cells[:2]] == [shown.source, "helper = 1"]
    assert notes == []


def test_a_formatter_is_no_edit():
    """Is an editor that formats each cell when it saves not called tampering?"""
    nb = notebook(text(), RIGHT)
    for cell in nb.cells:
        if cell.cell_type == "code" and cell.id != "scale":
            cell.source = cell.source.replace("#@title", "# @title").replace("(", "(\n    ", 1)
            cell.source = cell.source.replace("'", '"')
    assert submission.rebuild(nb, release(), SOURCE)[1] == []


def test_the_instructors_checks_and_the_learners_cells_are_run():
    """Is a hidden check there, whole, and a cell that the learner added, where it stood?"""
    source = copy.deepcopy(SOURCE)
    check = next(cell for cell in source.cells if cell.id == "check_scale_1")
    check.source += "\n### BEGIN HIDDEN TESTS\nassert scale(1, 1) == 1\n### END HIDDEN TESTS"
    nb = notebook(text(), RIGHT)
    here = next(i for i, cell in enumerate(nb.cells) if cell.id == "scale")
    nb.cells.insert(here, new_code_cell("helper = 1"))
    rebuilt, notes = submission.rebuild(nb, release(), source)
    ids = [cell.id for cell in rebuilt.cells]
    assert ids[here : here + 2] == ["added_0", "scale"] and notes == []
    assert rebuilt.cells[here].source == "helper = 1"
    assert rebuilt.cells[ids.index("check_scale_1")].source == check.source


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A right notebook in which some values are replaced, removed, doubled, moved or renamed."""
    told = json.loads(nbformat.writes(notebook(text(), RIGHT)))
    for _ in range(draw(st.integers(1, 6))):
        *path, key = draw(st.sampled_from(list(places(told)) or [("x",)]))
        inner = told
        for step in path:
            inner = inner[step]
        kind = draw(st.sampled_from(["replace", "remove", "double", "move", "copy from elsewhere"]))
        if kind == "replace" or key not in (
            inner if isinstance(inner, dict) else range(len(inner))
        ):
            inner[key] = draw(JSON) if isinstance(inner, dict) or key < len(inner) else None
        elif kind == "remove":
            del inner[key]
        elif kind == "copy from elsewhere":
            *others, last = draw(st.sampled_from(list(places(told))))
            value = told
            for step in (*others, last):
                value = value[step]
            inner[key] = copy.deepcopy(value)
        elif isinstance(inner, list):
            item = copy.deepcopy(inner[key]) if kind == "double" else inner.pop(key)
            inner.insert(draw(st.integers(0, len(inner))), item)
        else:
            inner[draw(st.text())] = copy.deepcopy(inner[key])
    made = json.dumps(told).encode()
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(made)))
        made = made[:at] + draw(st.binary(max_size=4)) + made[at + draw(st.integers(0, 4)) :]
    return made


def _is_demonstration(cell: NotebookNode) -> bool:
    """What a learner wrote may stand in its place."""
    return cell.cell_type == "code" and "nbgrader" not in cell.metadata


@fuzzed(max_examples=300)
@given(mutated())
def test_what_is_rebuilt_is_the_released_notebook(data: bytes):
    """Is a file refused in one sentence, or every locked cell there, once, in order, as it was?"""
    try:
        learner, _ = submission.parse(data)
    except CourseError as error:
        assert "\n" not in str(error)
        return
    rebuilt, notes = submission.rebuild(learner, release(), SOURCE)
    nbformat.validate(rebuilt)
    nbformat.writes(rebuilt).encode("utf-8")
    untouched, _ = submission.rebuild(None, release(), SOURCE)
    own = {cell.id for cell in untouched.cells}
    kept = [cell for cell in rebuilt.cells if cell.id in own]
    there = {cell.id for cell in kept}
    stay = [c for c in untouched.cells if c.id in there or not _is_demonstration(c)]
    assert [cell.id for cell in kept] == [cell.id for cell in stay]
    for cell, before in zip(kept, stay, strict=True):
        assert (cell.cell_type, cell.metadata) == (before.cell_type, before.metadata)
        if not before.metadata.get("nbgrader", {}).get("solution"):
            assert cell.source == before.source
    added = [cell for cell in rebuilt.cells if cell.id not in own]
    assert all(not cell.metadata and not cell.get("outputs") for cell in added)
    assert all("\n" not in note for note in notes)


@pytest.fixture(scope="module")
def graded() -> Iterator[Any]:
    """Grades the text of a notebook file."""
    source = nbformat.writes(SOURCE)
    yield lambda data: worker.work(Task("ann", LESSON.name, text(), source, data))
    worker.close()


@fuzzed()
@given(mutated())
def test_every_file_ends_as_rows(graded: Any, data: bytes):
    """Has whatever was handed in a row for each check, no more points than there are?"""
    result = graded(data)
    expected = [c.id for c in SOURCE.cells if c.metadata.get("nbgrader", {}).get("grade")]
    assert [row.check for row in result.rows] == expected
    assert 0 <= result.points <= result.max == LESSON.points
    assert "the grader failed" not in " ".join(result.notes)
