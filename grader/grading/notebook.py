"""The cells of a rebuilt notebook, run in order: answers in the player, checks in the referee."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from nbformat import NotebookNode

from grader.grading import check
from grader.grading.result import FIELDS, Message
from grader.grading.submission import ADDED, WRITTEN
from grader.isolation.confinement import Limits
from grader.isolation.forks import Players
from grader.isolation.outputs import run_cell, stopped
from grader.isolation.session import Gone, Session
from grader.isolation.text import plain


@dataclass
class Run:
    """What became of a notebook's cells, by their ids, beside the outputs that they hold."""

    outcome: str = "ended"
    """How the whole ended: with the first bad end of a cell."""
    computing: float = 0
    """Seconds that the cells took."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """How cells ended that did not end well."""
    messages: dict[str, Message] = field(default_factory=dict)
    """What failed checks say, and why other cells stopped."""
    left_out: set[str] = field(default_factory=set)
    """Checks that this machine cannot run."""
    notes: list[str] = field(default_factory=list)
    """What the instructor should know of it."""
    late: bool = False
    """Whether a deadline has struck."""

    def stop(self, cell: NotebookNode, outcome: str, sentence: str) -> None:
        """A cell was not run, or not to its end."""
        cell.outputs = [stopped(sentence)]
        self.messages[cell.id] = Message(found=sentence)
        self.note(cell, outcome)

    def note(self, cell: NotebookNode, outcome: str) -> None:
        """A cell ended badly; the first bad end is that of the whole."""
        self.outcomes[cell.id] = outcome
        if self.outcome == "ended" and outcome != "not run":
            self.outcome = outcome


def kind(cell: NotebookNode) -> str:
    """What a code cell of a rebuilt notebook is."""
    marks = cell.metadata.get("nbgrader")
    if marks is None:
        return "added" if cell.id.startswith(ADDED) else "demonstration"
    if marks["grade"]:
        return "check"
    return "exercise" if marks["solution"] else "setup"


def run(notebook: NotebookNode, names: set[str], players: Players, limits: Limits) -> Run:
    """Run a rebuilt notebook; `names` are those that the exercises bind.

    Outputs go into the cells, as nbgrader would leave them, and the fields of failed checks
    into the metadata of theirs.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    result = Run()
    session = Session(players, limits)
    try:
        needed = _needed(session, code)
        for cell in code:
            if cell.id in needed and cell.id.startswith(WRITTEN):  # runs, and is shown as theirs
                cell.id = cell.id.replace(WRITTEN, ADDED)
        space: dict[str, Any] = {"__name__": "__main__"}
        started = time.perf_counter()
        for cell in code:
            if session.gone is not None:
                result.stop(cell, "not run", "not run: an earlier cell stopped the kernel")
            elif kind(cell) != "demonstration" or cell.id in needed:
                _run_cell(cell, space, names, session, result)
        result.computing = time.perf_counter() - started
    except Gone as gone:
        for cell in code:
            result.stop(cell, gone.outcome, str(gone))
    finally:
        session.close()
    if session.gone is not None and result.outcome == "ended":
        result.outcome = session.gone.outcome
    result.late = session.late
    return result


def _run_cell(
    cell: NotebookNode, space: dict[str, Any], names: set[str], session: Session, result: Run
) -> None:
    """Run one cell where it belongs."""
    try:
        if kind(cell) == "check":
            _run_check(cell, space, names, session, result)
        else:
            if kind(cell) == "setup":
                check.execute(cell.source, space, f"<{cell.id}>")
            cell.outputs = run_cell(cell.source, session)
            if error := _error(cell.outputs):
                result.messages[cell.id] = Message(found=error)
                if kind(cell) == "setup":
                    result.notes.append(f"a cell of the lesson's own failed: {plain(error, 200)}")
    except Gone as gone:
        result.stop(cell, gone.outcome, str(gone))
    else:
        if session.interrupted:
            result.note(cell, "timed out")
        elif _no_memory(cell):
            result.note(cell, "out of memory")


def _run_check(
    cell: NotebookNode, space: dict[str, Any], names: set[str], session: Session, result: Run
) -> None:
    checked = check.run(cell.source, f"<{cell.id}>", space, names, session)
    cell.outputs = checked.outputs
    if checked.left_out:
        result.left_out.add(cell.id)
    if checked.message is not None:
        result.messages[cell.id] = checked.message
        if checked.message.case:
            cell.metadata[FIELDS] = asdict(checked.message)


def _needed(session: Session, code: list[NotebookNode]) -> set[str]:
    """The demonstrations that the answers need (the player tells: they are no secret)."""
    cells = [cell for cell in code if kind(cell) != "check"]
    places: Any = ()
    with session.bounded(), contextlib.suppress(Exception, SystemExit):
        places = session.request("needed", tuple((kind(cell), cell.source) for cell in cells))
    if type(places) is not tuple or any(type(i) is not int for i in places):
        raise session.broken("it sent what is no answer")
    return {cell.id for i, cell in enumerate(cells) if i in places}


def _error(outputs: list[NotebookNode]) -> str:
    """The error with which a cell ended; "" where it ended well, or is not written yet."""
    errors = [output for output in outputs if output.output_type == "error"]
    for error in sorted(errors, key=lambda error: error.ename != "Stopped"):
        if error.ename == "Stopped":
            return error.evalue
        if error.ename != "NotImplementedError":
            return f"{error.ename}: {error.evalue}"
    return ""


def _no_memory(cell: NotebookNode) -> bool:
    """Whether a cell's error says that there was no memory left."""
    errors = " ".join(o.evalue + o.ename for o in cell.outputs if o.output_type == "error")
    return any(words in errors for words in ("MemoryError", "can't allocate memory"))
