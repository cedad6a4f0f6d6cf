"""A learner's notebook, made fit to be graded.

The submission is rebuilt from the released notebook: only the text of the cells that the
learner is asked to write, and cells that the learner added, are taken from theirs. Checks are
the instructor's. So deleted, duplicated, reordered and edited checks and changed metadata have
no effect beyond a note. An answer may stand in several cells, as JupyterLab's split and duplicate
leave it: all of them run, in order.
"""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections import Counter
from itertools import pairwise
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from grader.authoring.checksum import checksum
from grader.errors import CourseError

LARGEST = 50 << 20
"""Bytes of a notebook file, at most."""
OLD = 4 << 20
"""Bytes of a notebook file of an old format, at most."""
CELLS = 5_000
"""Cells of a notebook, at most."""
FORMAT = ("nbformat", "nbformat_minor")
MOST = 1_000
"""Cells that a learner may have added."""
LONGEST = 100_000
"""Characters of a cell, at most."""
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Kinds of images that may be attached to a text."""
ATTACHED = 8 << 20
"""Characters of all images of a cell together, at most."""
ADDED, WRITTEN = "added_", "written_"
"""How the ids of cells begin that a learner added, and of demonstrations that they wrote into."""
NEW = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}
TAMPERED = "the released one counts"
OWN = re.compile(
    r"(demonstration|figure|guess|story|summary|hints_\w+)_[0-9a-f]{8}(_\d+)?|check_\w+_\d+"
)
"""The ids of a lesson's own cells: unknown ones are of another version."""


def parse(text: bytes) -> tuple[NotebookNode, list[str]]:
    """Read a notebook file's text, of any format; the notebook in today's, and notes on oddities.

    Raises CourseError where it is no notebook.
    """
    remedy = "open it in JupyterLab, save it, and try again; or fetch the lesson anew."
    if len(text) > LARGEST:
        raise CourseError(f"the file has more than {LARGEST >> 20} MB: clear its outputs; {remedy}")
    try:
        content = json.loads(text.decode("utf-8"))
        version = content["nbformat"]
        # A lone surrogate ("\ud83d") is JSON, but no text that can be written anywhere.
        if version != 4 and len(text) > OLD:
            raise ValueError("converting it would take long")
        plain = json.dumps(_pruned(content), ensure_ascii=False).encode("utf-8", "replace").decode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what `rebuild` mends anyway
            notebook = nbformat.reads(plain, as_version=4)
        nbformat.validate(notebook, relax_add_props=True)
    except Exception:  # whatever a broken file makes the readers raise
        raise CourseError(f"the file is not a Jupyter notebook: {remedy}") from None
    notes = [] if version == 4 else [f"written in the old notebook format {version}; converted"]
    return notebook, notes


def _pruned(content: Any) -> Any:
    """A notebook without what no grader reads, and editors get wrong: outputs, counts, settings."""
    if content["nbformat"] != 4:
        return content
    if len(content["cells"]) > CELLS:
        raise ValueError(f"more than {CELLS} cells")
    cells = [_pruned_cell(cell) for cell in content["cells"]]
    return {
        "nbformat_minor": 4,  # where none is told
        **{key: content[key] for key in FORMAT if key in content},
        "metadata": {},
        "cells": cells,
    }


def _pruned_cell(cell: Any) -> Any:
    if not isinstance(cell, dict):
        return cell
    kept = {key: cell[key] for key in ("cell_type", "id", "source") if key in cell}
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    kept["metadata"] = {"nbgrader": marks} if isinstance(marks, dict) else {}
    if cell.get("cell_type") == "code":
        kept |= {"outputs": [], "execution_count": None}
    elif isinstance(cell.get("attachments"), dict):
        kept["attachments"] = cell["attachments"]
    return kept


def rebuild(
    learner: NotebookNode | None, released: NotebookNode, source: NotebookNode
) -> tuple[NotebookNode, list[str]]:
    """The notebook to be run, and notes on what the learner changed beside their answers.

    It is the `released` one with the learner's answers and added cells in place, and with each
    check as `source` has it, hidden parts included. Without a learner it has no answers. What they
    wrote into a demonstration stands in its place, and what they wrote into the lesson's first
    cell, behind it: an answer may use it.
    """
    rebuilt = copy.deepcopy(released)
    _restore_checks(rebuilt, source)
    if learner is None:
        return rebuilt, []
    place = {cell.id: i for i, cell in enumerate(rebuilt.cells)}
    identities = _identities(learner, released, place)
    theirs: dict[str, list[NotebookNode]] = {}
    added: dict[int, list[NotebookNode]] = {}
    notes: list[str] = []
    here, count = -1, 0
    for cell, identity in zip(learner.cells, identities, strict=True):
        if identity is not None:
            here, copies = max(here, place[identity]), theirs.setdefault(identity, [])
            own = rebuilt.cells[place[identity]]
            if not copies or own.cell_type != "code" or _marks(own).get("grade"):
                copies.append(cell)
                continue
            if any(cell.source == other.source for other in copies):
                continue
            if not _is_answer(own) and _text(cell.source) == _text(own.source):
                continue
        former = identity is None and OWN.fullmatch(str(cell.get("id")))
        if former and (cell.cell_type != "code" or former[0].startswith("check_")):
            continue
        if count < MOST:
            new = NEW.get(cell.cell_type, new_markdown_cell)
            name = f"{WRITTEN if former else ADDED}{count}"
            added.setdefault(here, []).append(new(_source(cell, notes), id=name))
            _attach(cell, added[here][-1])
            count += 1
    cells = list(added.get(-1, []))
    for i, cell in enumerate(rebuilt.cells):
        if _marks(cell).get("solution"):
            own = theirs.get(cell.id, [])
            texts = dict.fromkeys(_source(copy_, notes) for copy_ in own)
            cell.source = "\n\n".join(texts) if own else _missing(cell)
            for copy_ in own:
                _attach(copy_, cell)
        elif _written_into(cell, theirs.get(cell.id, [])):
            source_ = _source(theirs[cell.id][0], notes)
            if "nbgrader" in cell.metadata:
                setup = new_code_cell(source_, id=f"{ADDED}{count}")
                added.setdefault(i, []).insert(0, setup)
            else:
                cell = new_code_cell(source_, id=f"{WRITTEN}{count}")
            count += 1
        cells += [cell, *added.get(i, [])]
    rebuilt.cells = cells
    return rebuilt, notes + _notes(released, theirs, Counter(identities))


def _written_into(cell: NotebookNode, theirs: list[NotebookNode]) -> bool:
    """Whether the learner changed a cell of code that is neither an answer nor a check."""
    if cell.cell_type != "code" or _marks(cell).get("grade") or not theirs:
        return False
    return _text(theirs[0].source) != _text(cell.source)


def _source(cell: NotebookNode, notes: list[str]) -> str:
    """A learner's text; what is longer than anybody reads is cut."""
    if len(cell.source) <= LONGEST:
        return cell.source
    notes.append(f"a cell of {len(cell.source):,} characters was cut to {LONGEST:,}")
    return cell.source[:LONGEST]


def _attach(theirs: NotebookNode, cell: NotebookNode) -> None:
    """Give a text the images that the learner attached to it."""
    attached, room = theirs.get("attachments"), ATTACHED
    if cell.cell_type != "markdown" or not isinstance(attached, dict):
        return
    images: dict[str, dict[str, str]] = {}
    for name, kinds in attached.items():
        for kind, data in kinds.items() if isinstance(kinds, dict) else ():
            if kind in IMAGES and isinstance(data, str) and len(data) <= room:
                images[name] = {kind: data}
                room -= len(data)
                break
    if images:
        cell.attachments = images


def _restore_checks(rebuilt: NotebookNode, source: NotebookNode) -> None:
    """Give each check its whole text, as nbgrader does."""
    whole = {cell.id: cell.source for cell in source.cells}
    for cell in rebuilt.cells:
        if cell.cell_type == "code" and _marks(cell).get("grade"):
            cell.source = whole[cell.id]
            cell.metadata.nbgrader["checksum"] = checksum(cell)


def _is_answer(cell: NotebookNode) -> bool:
    return bool(_marks(cell).get("solution"))


def _missing(cell: NotebookNode) -> str:
    deleted = "an answer whose cell is missing"
    return f"# {deleted}" if cell.cell_type == "code" else f"*{deleted}*"


def _notes(
    released: NotebookNode, theirs: dict[str, list[NotebookNode]], seen: Counter[str | None]
) -> list[str]:
    """What is missing, double or edited among the cells that count."""
    graded = [cell for cell in released.cells if "nbgrader" in cell.metadata]
    notes = []
    for cell in graded:
        if seen[cell.id] != 1:
            fault = f"there {seen[cell.id]} times" if seen[cell.id] else "deleted"
            notes.append(f"`{cell.id}` was {fault}")
    for cell in graded:
        if any(_changed(own, cell) for own in theirs.get(cell.id, ())):
            notes.append(f"`{cell.id}` was edited; {TAMPERED}")
    return notes


def _identities(
    learner: NotebookNode, released: NotebookNode, place: dict[str, int]
) -> list[str | None]:
    """Which released cell each of the learner's is.

    Many editors drop the ids of cells, some their metadata too. Then a cell is known by its text,
    or, where it stands in an answer's place, by the known cell before it: run as a learner's own,
    the lesson's cells would take up the time of the answers.
    """
    found = [_identity(cell, place) for cell in learner.cells]
    missing = [cell for cell in released.cells if cell.id not in {*found}]
    by_text: dict[tuple[str, str], list[str]] = {}
    for cell in missing:
        by_text.setdefault((cell.cell_type, _text(cell.source)), []).append(cell.id)
    for i, cell in enumerate(learner.cells):
        if found[i] is None and (known := by_text.get((cell.cell_type, _text(cell.source)))):
            found[i] = known.pop(0)
    next_answer = {
        before.id: cell
        for before, cell in pairwise(released.cells)
        if _is_answer(cell) and cell.id not in found
    }
    own: NotebookNode | None = None
    for i, cell in enumerate(learner.cells):
        if (name := found[i]) is not None:
            own = next_answer.get(name)
        elif own is not None and cell.cell_type == own.cell_type:
            found[i] = own.id
            if own.cell_type == "code":  # of prose all is the answer, up to the next known cell
                own = next_answer.get(own.id)
    return found


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


def _text(source: str) -> str:
    """A text without what editors add or take: white space at the ends of lines and of a cell."""
    return "\n".join(line.rstrip() for line in source.splitlines()).strip()


def _signs(source: str) -> str:
    """A text without what formatters add or take beside: quotes, commas, parentheses."""
    return re.sub(r"[\s'\",()\\]+", "", source)


def _changed(theirs: NotebookNode, ours: NotebookNode) -> bool:
    """Whether a check's text or any cell's grading data differ from the released ones.

    An editor that drops all grading data, or formats each cell, has changed nothing.
    """
    expected, given = ours.metadata.nbgrader, _marks(theirs)
    keys = ("grade", "locked", "points", "solution")
    edited = (
        expected["grade"] and expected["locked"] and _signs(theirs.source) != _signs(ours.source)
    )
    differs = any(expected.get(key) != given.get(key) for key in keys)
    return edited or (bool(given) and differs)
