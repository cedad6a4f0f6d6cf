"""One lesson, read from its text file `solutions/NN_topic.py` (jupytext py:percent).

`read` gives a `Lesson` or raises `LessonError` with every fault that it finds, each as
"file:line: sentence". What a cell is, its header says:

    # %% [markdown]                                 story
    # %%                                            demonstration
    # %% figure=true                                a demonstration that opens folded
    # %% guess=true                                 what the learner believes before a figure
    # %% setup=true                                 imports that checks may use
    # %% exercise="name"                            what the learner writes
    # %% [markdown] hint="name"                     one of its three hints
    # %% check="name" points=2 [hidden=true]        graded
    # %% mistakes="name"                            wrong answers, as edits of the right one
    # %% mistake="name" says="words of its hint"    a wrong answer, whole
    # %% correct="name"                             another right answer
    # %% question="name" points=1                   graded: its text, then its options
    # %% [markdown] answer="name" points=1          prose, graded by a person

Mistakes and other right answers reach no notebook. In Markdown, `{{topic}}` names another
lesson: its number and title, as a link; `{{minutes}}` in the first cell is the time it takes.
`{{claim:name}}` ends a sentence that a figure's `claims` bear out (`claims`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from dropoutlab import explore
from grader.authoring import claims, edits, questions, record, rules, sitting
from grader.authoring.lesson import Cell, Lesson, is_question, lesson_files, number
from grader.authoring.rules import Fault
from grader.errors import LessonError
from grader.kept import Json, kept
from grader.paths import ROOT, SOLUTIONS

KEYS = {
    "story": set(),
    "demonstration": set(),
    "setup": {"setup"},
    "exercise": {"exercise"},
    "check": {"check", "points", "hidden"},
    "mistake": {"mistake", "says"},
    "mistakes": {"mistakes"},
    "hint": {"hint"},
    "figure": {"figure"},
    "guess": {"guess"},
    "question": {"question", "points"},
    "correct": {"correct"},
    "answer": {"answer", "points"},
}
"""The kinds of cells and the keys that each may carry."""

FORMAT = {"extension": ".py", "format_name": "percent", "comment_magics": False}
"""A comment that ends in a question mark stays one, and does not become a call for help."""
MARKDOWN = ("story", "answer", "hint")
UNNAMED = ("story", "demonstration", "setup", "figure", "guess")


KEPT = ROOT / ".cache" / "read"
"""Lessons of the course as they were read last: reading all of them takes ten seconds."""


def read(path: Path) -> Lesson:
    """Read and check a lesson's text file; raise LessonError with all its faults.

    A lesson of the course without faults is kept until something changes of what it follows from.
    """
    if path.parent != SOLUTIONS:
        return _read(path)

    def plain() -> Json:
        lesson = _read(path)
        cells = [astuple(cell) for cell in lesson.cells]
        return {"title": lesson.title, "cells": cells, "claims": dict(lesson.claims)}

    made = kept(KEPT / f"{path.stem}.json", _digest(path), plain)
    cells = tuple(Cell(*values) for values in made["cells"])
    return Lesson(path, made["title"], cells, made["claims"])


def _digest(path: Path) -> str:
    """A digest of what a lesson follows from: its text, headings that it names, who reads it."""
    texts = {other.stem: record.plain(other).decode() for other in lesson_files(path.parent)}
    source = record.source(texts[path.stem], record.headings(texts))
    return record.digest(path.stem, *source, record.makers(), *explore.names())


def _read(path: Path) -> Lesson:
    import jupytext  # takes a second, which a lesson that is kept does not cost

    text = path.read_text(encoding="utf-8")
    notebook = jupytext.reads(text, fmt=FORMAT)
    lines = [i for i, line in enumerate(text.splitlines(), 1) if re.match(r"#\s*%%(\s|$)", line)]
    wide = (i for i, line in enumerate(text.splitlines(), 1) if len(line) > 100)
    faults: list[Fault] = [(i, "this line has more than 100 columns.") for i in wide]
    if len(lines) == len(notebook.cells) - 1:
        faults.append((1, "text stands before the first `# %%` line."))
        del notebook.cells[0]
    elif len(lines) != len(notebook.cells):
        raise LessonError(f"{path.name}:1: its cells cannot be told apart: begin each with `# %%`.")

    unread: list[Cell] = []
    cells = [_cell(c, line, faults, unread) for c, line in zip(notebook.cells, lines, strict=True)]
    cells[:1] = [replace(cell, source=sitting.timed(cell.source, cells)) for cell in cells[:1]]
    lost = {cell.line for cell in unread}
    cells = [cell for cell in cells if cell.line not in lost]
    says = claims.sentences(cells)
    if not rules.DRAWN & {cell.kind for cell in unread}:
        faults += claims.faults(cells)
    cells = claims.linked(cells, path.stem)
    cells = [_with_references(cell, path.parent, faults) for cell in cells]
    cells = [*_expanded(cells, faults, unread)]
    title = re.match(r"# +(\S.*)", cells[0].source) if cells and cells[0].kind == "story" else None
    if title is None:
        faults.append((1, "the title is missing: begin the first markdown cell with `# Title`."))
    elif (told := re.match(r"\d(\.\d)?(?= · )", title[1])) and told[0] != number(path.stem):
        own = number(path.stem)
        fault = f"the title's number is {told[0]}, and the file's {own}: write `# {own} · Title`."
        faults.append((cells[0].line + 1, fault))
    faults += [*rules.faults(cells, unread), *_taken(cells, path)]
    if faults or title is None:
        sentences = (f"{path.name}:{line}: {fault}" for line, fault in sorted(faults))
        raise LessonError("\n".join(sentences))
    return Lesson(path, title[1].strip(), tuple(cells), says)


def _expanded(cells: list[Cell], faults: list[Fault], unread: list[Cell]) -> Iterator[Cell]:
    """The cells, with edits written out as mistakes, and questions as exercises and checks.

    What belongs to an exercise that is `unread` is left out; what has a fault is unread too.
    """
    exercises = {cell.name: cell for cell in cells if cell.kind == "exercise"}
    lost = {cell.name for cell in unread if cell.kind == "exercise"}
    for cell in (cell for cell in cells if cell.name not in lost):
        match cell.kind:
            case "mistakes" | "question":
                before = len(faults)
                if cell.kind == "mistakes":
                    yield from edits.mistakes(cell, exercises.get(cell.name), faults)
                else:
                    yield from questions.cells(cell, faults)
                unread += [cell] * (len(faults) > before)
            case _:
                yield cell


def _with_references(cell: Cell, folder: Path, faults: list[Fault]) -> Cell:
    """The cell with `{{topic}}` written out: that lesson's number and title, as a link."""
    if not cell.markdown or "{{" not in cell.source:
        return cell

    def link(reference: re.Match[str]) -> str:
        path = next(folder.glob(f"[0-9][0-9]_{reference[1]}.py"), None)
        if path is None:
            line = cell.line + cell.source[: reference.start()].count("\n") + 1
            faults.append((line, f"no lesson's topic is `{reference[1]}`: see the files' names."))
            return reference[0]
        title = record.title(path.read_text(encoding="utf-8")) or path.stem
        return f"[{title}](../{path.stem}/{path.stem}.ipynb)"

    return replace(cell, source=re.sub(r"\{\{(\w+)\}\}", link, cell.source))


def _taken(cells: list[Cell], path: Path) -> Iterator[Fault]:
    """No question has the name of one in another lesson: by its name its answer is found."""
    asked = {c.name: c.line for c in cells if c.kind == "exercise" and is_question(c)}
    for other in lesson_files(path.parent) if asked else ():
        if other != path:
            for name in re.findall(r'^# %% question="(\w+)"', other.read_text("utf-8"), re.M):
                if name in asked:
                    taken = f"question `{name}` is also in {other.name}: give it another name."
                    yield asked[name], taken


def read_all(folder: Path) -> list[Lesson]:
    """Read every lesson of a folder, in order; raise LessonError with all faults of all."""
    lessons, faults = [], []
    for path in lesson_files(folder):
        try:
            lessons.append(read(path))
        except LessonError as error:
            faults.append(str(error))
    if faults:
        raise LessonError("\n".join(faults))
    return lessons


def _cell(raw: Any, line: int, faults: list[Fault], unread: list[Cell]) -> Cell:
    """Turn a jupytext cell into a Cell; note what its header has wrong, and if it is no Python."""
    keys = {k: v for k, v in raw.metadata.items() if not k.startswith("lines_to_")}  # jupytext's
    garbled = keys.pop("incorrectly_encoded_metadata", None)  # jupytext's too
    if garbled is not None:
        faults.append((line, f'`{garbled}` cannot be read: write key="text", key=1 or key=true.'))
        keys = {}
    markdown, sound = raw.cell_type == "markdown", garbled is None
    first = next((k for k in KEYS if k in keys), "story" if markdown else "demonstration")
    for key in keys.keys() - KEYS[first]:
        known = any(key in allowed for allowed in KEYS.values())
        said = f"does not belong in a {first} cell" if known else "is not a key of a lesson"
        faults.append((line, f"`{key}` {said}: remove it."))
    if markdown != (first in MARKDOWN):
        wanted = "a code" if markdown else "a [markdown]"
        faults.append((line, f"`{first}` needs {wanted} cell."))
        sound = False
    name = keys.get(first, "") if first not in UNNAMED else ""
    named = first in ("exercise", "answer", "question")
    if named and not re.fullmatch(r"\w{1,50}", str(name), re.ASCII):
        faults.append((line, f"`{name}` is no name: write letters, digits and _."))
        sound = False
    for key in ("setup", "figure", "guess", "hidden"):
        if keys.get(key, True) is not True:
            faults.append((line, f"write `{key}=true`, or leave `{key}` out."))
    points = keys.get("points", 0)
    if "points" in KEYS[first] and (type(points) is not int or points < 1):
        faults.append((line, f'`{first}="{name}"` needs points: write points=1, 2, ….'))
        points = 0
    if not raw.source.strip():
        faults.append((line, "the cell is empty: remove it."))
        sound = False
    if not markdown:
        try:
            ast.parse(raw.source)
        except SyntaxError as error:
            faults.append((line + (error.lineno or 0), f"this is not Python: {error.msg}."))
            sound = False
    cell = Cell(
        kind=first if garbled is None else "unknown",
        name=str(name),
        source=raw.source,
        line=line,
        points=points,
        hidden=keys.get("hidden", False),
        says=str(keys.get("says", "")),
    )
    unread += [] if sound else [cell]
    return cell
