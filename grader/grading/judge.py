"""One submission: the answers run in a player, the checks here, and every end is a row.

A check cell runs in the instructor's own text, with the names that `setup` cells bind. For
the exercises stand what the player hands out (`grader.isolation`). So the player never
holds a check, and no code in it can say "passed".

`work` is the whole of it as one function of plain data, to be run in this process, in a
pool of processes, or on a cluster: trusted code and file contents go in, rows come out.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import linecache
import math
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader.utils import compute_checksum, determine_grade

from dropoutlab import expect
from grader.authoring.names import bound, used
from grader.errors import CourseError, Unavailable
from grader.grading import submission
from grader.isolation.confinement import Limits
from grader.isolation.forks import Lost, Players
from grader.isolation.session import Gone, Session
from grader.paths import ROOT


@dataclass(frozen=True)
class Task:
    """What it takes to grade one submission."""

    learner: str
    lesson: str
    released: str
    """The released notebook."""
    source: str
    """The instructor's notebook, with answers and hidden checks."""
    text: bytes | None
    """The submitted file; None where there is none that can be read."""
    fault: str = ""
    """Why it cannot be read."""
    limits: Limits = field(default_factory=Limits)
    hidden: tuple[str, ...] = ()
    """Folders that no player may see, beside this project's own."""
    unsafe: bool = False


@dataclass(frozen=True)
class Row:
    """One graded cell: what it gave, how it ended, and what was said where it failed."""

    learner: str
    lesson: str
    exercise: str
    check: str
    points: float | None
    """None where a person has to read the answer."""
    max: float
    outcome: str
    """passed, failed, timed out, killed, out of memory, not run, malformed, by hand"""
    diagnosis: str = ""


@dataclass(frozen=True)
class Judged:
    """A graded submission."""

    learner: str
    lesson: str
    outcome: str
    """passed, partly, failed, timed out, killed, out of memory, malformed, tampered"""
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    unanswered: tuple[str, ...]
    """Answer cells that are as they were released."""
    notebook: str
    """The autograded notebook."""
    seconds: float
    """By the clock, all in all."""
    computing: float
    """Seconds that the cells and the checks themselves took."""

    @property
    def points(self) -> float:
        return sum(row.points or 0 for row in self.rows)

    @property
    def max(self) -> float:
        return sum(row.max for row in self.rows)


_players: dict[tuple[Any, ...], Players] = {}
_one_at_a_time = threading.Lock()


def work(task: Task) -> Judged:
    """Grade one submission. Raises Unavailable where this machine has no sandbox."""
    with _one_at_a_time:
        started = time.perf_counter()
        if task.text is None:
            return _unread(task, "malformed", task.fault)
        try:
            learner, notes = submission.parse(task.text)
        except CourseError as error:
            return _unread(task, "malformed", str(error))
        source = _parsed(task.source)
        names = set().union(*(bound(c.source) for c in source.cells if _is_exercise(c)))
        for _ in range(2):
            try:
                notebook, more = submission.rebuild(learner, _parsed(task.released))
                _put_checks_back(notebook, source)
                ended = judge(notebook, names, _ready(task))
                return _judged(task, notebook, [*notes, *more], ended, started)
            except Lost:
                close()  # and try once more, with a new process to fork from
            except Unavailable:
                raise
            except Exception as error:  # a fault of the grader's costs no other submission
                return given_up(task, f"the grader failed: {type(error).__name__}: {error}")
        return given_up(task)


def given_up(task: Task, said: str = "the grader's own process ended, twice") -> Judged:
    """The row for a submission that could not be graded."""
    return _unread(task, "killed", said)


def _unread(task: Task, outcome: str, said: str) -> Judged:
    """A submission of which no cell was run."""
    notebook, _ = submission.rebuild(None, _parsed(task.released))
    ended = Ended(outcome)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [_stopped(said)]
            ended.cells[cell.id] = outcome
    return _judged(task, notebook, [said], ended, time.perf_counter())


def _judged(
    task: Task, notebook: NotebookNode, notes: list[str], ended: Ended, started: float
) -> Judged:
    if task.unsafe:
        notes = [*notes, "graded without the sandbox (--unsafe)"]
    rows = tuple(_rows(notebook, task, ended))
    unanswered = tuple(_unanswered(notebook))
    outcome = _outcome(rows, notes, ended)
    _remark(notebook, notes)
    return Judged(
        task.learner, task.lesson, outcome, rows, tuple(notes), unanswered,
        nbformat.writes(notebook) + "\n", time.perf_counter() - started, ended.computing,
    )  # fmt: skip


def close() -> None:
    """End the processes from which this one forks players."""
    while _players:
        _players.popitem()[1].close()


def _ready(task: Task) -> Players:
    key = (task.limits, task.hidden, task.unsafe)
    if key not in _players:
        hidden = [ROOT, *map(Path, task.hidden)]
        players = Players(ROOT, hidden=hidden, limits=task.limits, unsafe=task.unsafe)
        try:
            _try(players)
        except BaseException:
            players.close()
            raise
        _players[key] = players
    return _players[key]


def _try(players: Players) -> None:
    """Have a player import what nobody has imported; a learner must not pay if it cannot."""
    session = Session(players)
    session.limits = replace(session.limits, check=120)  # whatever learners are given
    session.end_of_all = math.inf
    try:
        outputs = run_cell("import wave, sklearn.isotonic, dropoutlab.explore, grp", session)
    except Gone as gone:
        outputs = [_stopped(str(gone))]
    finally:
        session.close()
    faults = [output for output in outputs if output.output_type == "error"]
    if faults:
        raise Unavailable(f"Python does not work in it ({faults[0].ename}: {faults[0].evalue})")


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> NotebookNode:
    return nbformat.reads(text, as_version=4)


def _is_exercise(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution") is True


def _put_checks_back(notebook: NotebookNode, source: NotebookNode) -> None:
    """Give each check its whole text, hidden parts included, as nbgrader does."""
    whole = {cell.id: cell.source for cell in source.cells}
    for cell in notebook.cells:
        if cell.cell_type == "code" and kind(cell) == "check":
            cell.source = whole[cell.id]
            cell.metadata.nbgrader["checksum"] = compute_checksum(cell)


def _rows(notebook: NotebookNode, task: Task, ended: Ended) -> Iterator[Row]:
    """The graded cells in order, with what failed checks said."""
    stopped: dict[str, str] = {}  # exercises whose own cell raised
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader")
        if marks is None:
            continue
        name = marks["grade_id"]
        if not marks["grade"]:
            if cell.cell_type == "code" and (said := diagnosis(cell)):
                stopped[name] = f"the cell of `{name}` stopped\n  found:    {said}"
            continue
        if cell.metadata.get("left_out") is True:
            continue
        exercise = re.sub(r"^check_(.*)_\d+$", r"\1", name)
        points, most = determine_grade(cell)
        said = ""
        if ended.outcome == "malformed":
            points, outcome, said = 0.0, "malformed", diagnosis(cell)
        elif points is None:
            outcome = "by hand"
        elif points == most:
            outcome = "passed"
        else:
            outcome = ended.cells.get(exercise, ended.cells.get(cell.id, "failed"))
            said = stopped.get(exercise) or diagnosis(cell)
        yield Row(task.learner, task.lesson, exercise, name, points, most, outcome, said)


def _unanswered(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("solution") and marks.get("checksum") == compute_checksum(cell):
            yield marks["grade_id"]


def diagnosis(cell: NotebookNode) -> str:
    """What a failed cell said: its four lines, or the error, or why it has no points."""
    outputs = cell.get("outputs", [])
    for output in sorted(outputs, key=lambda o: o.get("ename") != "Stopped"):
        if output.output_type == "error" and output.ename != "NotImplementedError":
            if output.ename in ("Unmet", "Stopped"):
                return "\n".join(output.traceback)
            return f"{output.ename}: {output.evalue}"
    graded = cell.metadata.nbgrader.grade
    if graded and any(o.output_type == "stream" and o.name == "stderr" for o in outputs):
        return "the cell wrote to stderr, which counts as a failure"
    return "no answer was given" if cell.cell_type == "markdown" else ""


def _outcome(rows: tuple[Row, ...], notes: list[str], ended: Ended) -> str:
    if ended.outcome != "ended":
        return ended.outcome
    if any(submission.TAMPERED in note for note in notes):
        return "tampered"
    automatic = [row for row in rows if row.points is not None]
    got = sum(row.points for row in automatic)
    return "failed" if not got else "partly" if got < sum(r.max for r in automatic) else "passed"


def _remark(notebook: NotebookNode, notes: list[str]) -> None:
    """Put the notes to the instructor at the notebook's head."""
    if notes:
        lines = "\n".join(f"- {note}" for note in notes)
        text = f"**Notes of the grader**\n\n{lines}"
        notebook.cells.insert(0, new_markdown_cell(text, id="notes_of_the_grader"))


# --- the cells of a notebook -------------------------------------------------------------


@dataclass
class Ended:
    """How a notebook's cells ended, and the seconds that they took."""

    outcome: str = "ended"
    computing: float = 0

    def __post_init__(self) -> None:
        self.cells: dict[str, str] = {}

    def note(self, cell: NotebookNode, outcome: str) -> None:
        """A cell ended badly; the first bad end is that of the whole."""
        self.cells[cell.id] = outcome
        if self.outcome == "ended" and outcome != "not run":
            self.outcome = outcome


def judge(notebook: NotebookNode, names: set[str], players: Players) -> Ended:
    """Run a rebuilt notebook; `names` are those that the exercises bind.

    Outputs go into the cells, as nbgrader would leave them.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    ended = Ended()
    session = Session(players)
    try:
        needed = _needed(session, code)
        space: dict[str, Any] = {"__name__": "__main__"}
        started = time.perf_counter()
        for cell in code:
            if session.gone is not None:
                cell.outputs = [_stopped("not run: an earlier cell stopped the kernel")]
                ended.note(cell, "not run")
            elif kind(cell) != "demonstration" or cell.id in needed:
                _play(cell, space, names, session, ended)
        ended.computing = time.perf_counter() - started
    except Gone as gone:
        for cell in code:
            cell.outputs = [_stopped(str(gone))]
            ended.note(cell, gone.outcome)
    finally:
        session.close()
    return ended


def _play(
    cell: NotebookNode, space: dict[str, Any], names: set[str], session: Session, ended: Ended
) -> None:
    """Run one cell, where it belongs."""
    try:
        if kind(cell) == "check":
            cell.outputs = _check(cell, space, names, session)
        else:
            if kind(cell) == "setup":
                _execute(cell.source, space, f"<{cell.id}>")
            cell.outputs = run_cell(cell.source, session)
    except Gone as gone:
        cell.outputs = [_stopped(str(gone))]
        ended.note(cell, gone.outcome)
    else:
        if session.interrupted:
            ended.note(cell, "timed out")
        elif _no_memory(cell):
            ended.note(cell, "out of memory")


def kind(cell: NotebookNode) -> str:
    """What a code cell of a rebuilt notebook is."""
    marks = cell.metadata.get("nbgrader")
    if marks is None:
        return "added" if cell.id.startswith("added_") else "demonstration"
    if marks["grade"]:
        return "check"
    return "exercise" if marks["solution"] else "setup"


def _needed(session: Session, code: list[NotebookNode]) -> set[str]:
    """The demonstrations that the answers need (the player says so: they are no secret)."""
    cells = [cell for cell in code if kind(cell) != "check"]
    found: Any = ()
    with session.timed(session.limits.check), contextlib.suppress(Exception):
        found = session.request("needed", tuple((kind(cell), cell.source) for cell in cells))
    if type(found) is not tuple or any(type(i) is not int for i in found):
        raise session.broken("it sent what is no answer")
    return {cell.id for i, cell in enumerate(cells) if i in found}


def run_cell(source: str, session: Session) -> list[NotebookNode]:
    """Run a cell in the player; its outputs as a notebook holds them."""
    with session.timed(session.limits.check):
        try:
            shown = session.request("run", source)
        except Exception as error:  # IPython itself failed, or was interrupted between cells
            shown = (("error", type(error).__name__, str(error), ()),)
    if type(shown) is not tuple:
        raise session.broken("it sent what are no outputs")
    outputs = [made for made in map(_output, shown[:200]) if made is not None]
    if session.interrupted:
        said = f"this cell did not end in {session.limits.check:g} s"
        outputs = [o for o in outputs if o.output_type != "error"] + [_stopped(said)]
    return outputs


def _output(shown: Any) -> NotebookNode | None:
    """An output as it was told; None where that is none. Nothing of it can be active."""
    match shown:
        case ("stream", ("stdout" | "stderr") as name, str(text)):
            return new_output("stream", name=name, text=text)
        case ("text", str(text)):
            return new_output("display_data", {"text/plain": text})
        case ("png", (bytes() | str()) as image):
            try:
                data = image if isinstance(image, bytes) else base64.b64decode(image, validate=True)
            except ValueError:
                return None
            if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) <= 4 << 20:
                text = base64.b64encode(data).decode()
                return new_output("display_data", {"image/png": text})
        case ("error", str(name), str(said), tuple(trace)):
            lines = [line for line in trace if type(line) is str] or [f"{name}: {said}"]
            return new_output("error", ename=name[:100], evalue=said, traceback=lines)
    return None


def _check(
    cell: NotebookNode, space: dict[str, Any], names: set[str], session: Session
) -> list[NotebookNode]:
    """Run a check cell here; its outputs as a notebook holds them."""
    out, err = io.StringIO(), io.StringIO()
    fault: BaseException | None = None
    with (
        session.timed(session.limits.check),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _no_longer_than(session.limits.check + 5),
        expect.asking(lambda *asked: session.request("ask", *asked)),
    ):
        try:
            wanted = tuple(sorted(used(cell.source) & names - space.keys()))
            found = session.request("names", wanted)
            there = {name: value for name, value in found if name in wanted}
            _execute(cell.source, {**space, **there}, f"<{cell.id}>")
        except (Gone, Lost, KeyboardInterrupt):
            raise
        except BaseException as error:
            fault = error
        finally:
            session.forget()
    room = session.limits.output
    streams = (("stdout", out.getvalue()[:room]), ("stderr", err.getvalue()[:room]))
    outputs = [new_output("stream", name=name, text=text) for name, text in streams if text]
    if isinstance(fault, Overrun):
        outputs.append(_stopped(f"this check did not end in {session.limits.check:g} s"))
        session.interrupted = True
    elif fault is not None:
        lines = [f"{type(fault).__name__}: {fault}"]
        if isinstance(fault, expect.Unmet):
            lines = fault._render_traceback_()
        name = type(fault).__name__
        if isinstance(fault, expect.LeftOut):
            cell.metadata["left_out"] = True  # said here, in the instructor's own text
        outputs.append(new_output("error", ename=name, evalue=str(fault), traceback=lines))
    return outputs


def _execute(source: str, space: dict[str, Any], file: str) -> None:
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), space)


class Overrun(BaseException):
    """A check took too long here, in the referee."""


@contextlib.contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raise Overrun after so many seconds (in a main thread; elsewhere there is no alarm)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise Overrun

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _stopped(said: str) -> NotebookNode:
    return new_output("error", ename="Stopped", evalue=said, traceback=[said])


def _no_memory(cell: NotebookNode) -> bool:
    """Whether a cell's error says that there was no memory left."""
    told = " ".join(o.evalue + o.ename for o in cell.outputs if o.output_type == "error")
    return any(words in told for words in ("MemoryError", "can't allocate memory"))
