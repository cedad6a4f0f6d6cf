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
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from grader.errors import CourseError

LARGEST = 50 << 20
"""Bytes of a notebook file, at most."""
MOST = 1_000
"""Cells that a learner may have added."""
NEW = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}
TAMPERED = "the released one counts"


def read(path: Path) -> tuple[NotebookNode, list[str]]:
    """Read a notebook file of any format; return it in today's, with notes on what was odd."""
    if not path.is_file():
        raise CourseError(f"{path} is missing: open the lesson in JupyterLab and save it.")
    return parse(path.read_bytes(), str(path))


def parse(text: bytes, name: str = "the file") -> tuple[NotebookNode, list[str]]:
    """The same for the text of a notebook file."""
    remedy = "open it in JupyterLab, save it, and try again; or fetch the lesson anew."
    if len(text) > LARGEST:
        raise CourseError(f"{name} has more than {LARGEST >> 20} MB: clear its outputs; {remedy}")
    try:
        told = json.loads(text.decode("utf-8"))
        version = told["nbformat"]
        # A lone surrogate ("\ud83d") is JSON, but no text that can be written anywhere.
        text = json.dumps(told, ensure_ascii=False).encode("utf-8", "replace").decode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what `rebuild` mends anyway
            notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook, relax_add_props=True)
    except Exception:  # whatever a broken file makes the readers raise
        raise CourseError(f"{name} is not a Jupyter notebook: {remedy}") from None
    notes = [] if version == 4 else [f"written in the old notebook format {version}; converted"]
    return notebook, notes


def rebuild(learner: NotebookNode | None, released: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The `released` notebook with the learner's answers and added cells in place."""
    if learner is None:
        return copy.deepcopy(released), []
    rebuilt = copy.deepcopy(released)
    place = {cell.id: i for i, cell in enumerate(rebuilt.cells)}
    answers: dict[str, str] = {}
    added: dict[int, list[NotebookNode]] = {}
    seen: list[str] = []
    here = -1
    for cell in learner.cells:
        identity = _identity(cell, place)
        if identity is None:
            if sum(map(len, added.values())) >= MOST:
                continue
            new = NEW.get(cell.cell_type, new_markdown_cell)
            identity = f"added_{sum(map(len, added.values()))}"
            added.setdefault(here, []).append(new(cell.source, id=identity))
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
            notes.append(f"`{cell.id}` was edited; {TAMPERED}")
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
    for identity in (_marks(cell).get("grade_id"), cell.get("id")):
        if isinstance(identity, str) and identity in place:
            return identity
    return None


def _marks(cell: NotebookNode) -> dict[str, Any]:
    """nbgrader's data of a cell; a learner may have put anything in their place."""
    marks = cell.metadata.get("nbgrader")
    return marks if isinstance(marks, dict) else {}


def _changed(theirs: NotebookNode, ours: NotebookNode) -> bool:
    """Whether a locked cell's text or any cell's grading data differ from the released ones."""
    expected, given = ours.metadata.nbgrader, _marks(theirs)
    keys = ("grade", "locked", "points", "solution")
    edited = expected["locked"] and theirs.source != ours.source
    return edited or any(expected.get(key) != given.get(key) for key in keys)
