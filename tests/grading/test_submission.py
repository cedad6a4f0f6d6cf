"""Whatever has become of a notebook file: does grading go on, by the released one?"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classroom import LESSON, RIGHT, notebook
from grader.authoring.build import released, source_notebook
from grader.errors import CourseError
from grader.grading import judge, submission

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FUZZ = {"derandomize": True, "deadline": None, "suppress_health_check": list(HealthCheck)}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning"),
]


@cache
def text() -> str:
    """The lesson as it is released."""
    return released(LESSON.name).read_text(encoding="utf-8")


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths of all values in a JSON value, but the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


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


@settings(max_examples=300, **FUZZ)
@given(mutated())
def test_what_is_rebuilt_is_the_released_notebook(data: bytes):
    """Is a file refused in one sentence, or every locked cell there, once, in order, as it was?"""
    try:
        learner, _ = submission.parse(data)
    except CourseError as error:
        assert "\n" not in str(error)
        return
    ours = nbformat.reads(text(), as_version=4)
    rebuilt, notes = submission.rebuild(learner, ours)
    nbformat.validate(rebuilt)
    nbformat.writes(rebuilt).encode("utf-8")
    own = {cell.id for cell in ours.cells}
    kept = [cell for cell in rebuilt.cells if cell.id in own]
    assert [cell.id for cell in kept] == [cell.id for cell in ours.cells]
    for cell, before in zip(kept, ours.cells, strict=True):
        assert (cell.cell_type, cell.metadata) == (before.cell_type, before.metadata)
        if not before.metadata.get("nbgrader", {}).get("solution"):
            assert cell.source == before.source
    added = [cell for cell in rebuilt.cells if cell.id not in own]
    assert all(not cell.metadata and not cell.get("outputs") for cell in added)
    assert all("\n" not in note for note in notes)


@pytest.fixture(scope="module")
def graded() -> Iterator[Any]:
    """Grades the text of a notebook file."""
    source = nbformat.writes(source_notebook(LESSON))
    yield lambda data: judge.work(judge.Task("ann", LESSON.name, text(), source, data))
    judge.close()


@settings(max_examples=100, **FUZZ)
@given(mutated())
def test_every_file_ends_as_rows(graded: Any, data: bytes):
    """Has whatever was handed in a row for each check, no more points than there are?"""
    judged = graded(data)
    expected = [
        c.id for c in source_notebook(LESSON).cells if c.metadata.get("nbgrader", {}).get("grade")
    ]
    assert [row.check for row in judged.rows] == expected
    assert 0 <= judged.points <= judged.max == LESSON.points
    assert "the grader failed" not in " ".join(judged.notes)
