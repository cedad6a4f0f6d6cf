"""A learner's notebook, made fit to be graded.

The submission is rebuilt from the released notebook: only the text of the cells that the
learner is asked to write, and cells that the learner added, are taken from theirs. So
deleted, duplicated, reordered and edited checks and changed metadata have no effect beyond
a note.
"""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grader.course import CourseError


def read(path: Path) -> tuple[NotebookNode, list[str]]:
    """Read a notebook of any format; return it in today's, with notes on what was odd."""
    if not path.is_file():
        raise CourseError(f"{path} is missing: open the lesson in JupyterLab and save it.")
    try:
        text = path.read_text(encoding="utf-8")
        version = json.loads(text)["nbformat"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what `rebuild` mends anyway
            notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook, relax_add_props=True)
    except Exception:  # whatever a broken file makes the readers raise
        remedy = "open it in JupyterLab, save it, and try again; or fetch the lesson anew."
        raise CourseError(f"{path} is not a Jupyter notebook: {remedy}") from None
    notes = [] if version == 4 else [f"written in the old notebook format {version}; converted"]
    return notebook, notes


def rebuild(learner: NotebookNode, released: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The `released` notebook with the learner's answers and added cells in place."""
    rebuilt = copy.deepcopy(released)
    place = {cell.id: i for i, cell in enumerate(rebuilt.cells)}
    answers: dict[str, str] = {}
    added: dict[int, list[NotebookNode]] = {}
    seen: list[str] = []
    here = -1
    for cell in learner.cells:
        identity = _identity(cell, place)
        if identity is None:
            cell = copy.deepcopy(cell)
            cell.metadata.pop("nbgrader", None)
            cell.id = f"added_{sum(map(len, added.values()))}"
            added.setdefault(here, []).append(cell)
            continue
        seen.append(identity)
        here = max(here, place[identity])
        original = rebuilt.cells[place[identity]]
        if original.metadata.get("nbgrader", {}).get("solution"):
            answers.setdefault(identity, cell.source)

    notes = []
    graded = [c for c in released.cells if "nbgrader" in c.metadata]
    for cell in graded:
        count = seen.count(cell.id)
        if count != 1:
            fault = "deleted" if count == 0 else f"there {count} times"
            notes.append(f"`{cell.id}` was {fault}")
    texts = {_identity(c, place): c for c in reversed(learner.cells)}
    for cell in graded:
        theirs = texts.get(cell.id)
        if theirs is not None and _changed(theirs, cell):
            notes.append(f"`{cell.id}` was edited; the released one counts")
    for cell in rebuilt.cells:
        if cell.id in answers:
            cell.source = answers[cell.id]
        elif cell.metadata.get("nbgrader", {}).get("solution"):
            deleted = "an answer whose cell is missing"
            cell.source = f"# {deleted}" if cell.cell_type == "code" else f"*{deleted}*"
    cells = list(added.get(-1, []))
    for i, cell in enumerate(rebuilt.cells):
        cells += [cell, *added.get(i, [])]
    rebuilt.cells = cells
    return rebuilt, notes


def _identity(cell: NotebookNode, place: dict[str, int]) -> str | None:
    """Which released cell this is: by nbgrader's name, else by its id."""
    for identity in (cell.metadata.get("nbgrader", {}).get("grade_id"), cell.get("id")):
        if isinstance(identity, str) and identity in place:
            return identity
    return None


def _changed(theirs: NotebookNode, ours: NotebookNode) -> bool:
    """Whether a locked cell's text or any cell's grading data differ from the released ones."""
    expected, given = ours.metadata.nbgrader, theirs.metadata.get("nbgrader", {})
    keys = ("grade", "locked", "points", "solution")
    edited = expected["locked"] and theirs.source != ours.source
    return edited or any(expected.get(key) != given.get(key) for key in keys)
