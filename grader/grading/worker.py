"""One submission: the answers run in a player, the checks here, and every end is a row.

A check cell runs in the instructor's own text, with the names that `setup` cells bind. For
the exercises stand what the player hands out (`grader.isolation`). So the player never
holds a check, and no code in it can say "passed".

`work` is the whole of it as one function of plain data, to be run in this process, in a
pool of processes, or on a cluster: trusted code and file contents go in, rows come out.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from grader.authoring.names import bound
from grader.errors import CourseError, Unavailable
from grader.grading import memory, notebook, score, submission
from grader.grading.notebook import Run
from grader.grading.result import Graded
from grader.grading.task import Task
from grader.isolation.alarm import Overrun, alarm
from grader.isolation.confinement import Limits
from grader.isolation.forks import Lost, Players
from grader.isolation.outputs import run_cell, stopped
from grader.isolation.session import Gone, Session
from grader.isolation.text import plain
from grader.paths import ROOT

LESS = {
    "none": "graded without the sandbox (--unsafe)",
    "uid": "graded under another account, which promises less than the sandbox (--isolation uid)",
}
"""What every report says where there was no sandbox."""
READING = 30
"""Seconds for reading a notebook file, at most."""
_players: dict[tuple[Any, ...], Players] = {}
_one_at_a_time = threading.Lock()


def work(task: Task) -> Graded:
    """Grade one submission. Raises Unavailable where this machine has no sandbox."""
    with _one_at_a_time:
        started = time.perf_counter()
        if task.text is None:
            return _unread(task, "malformed", task.fault)
        try:
            with memory.no_more_than(task.limits.memory), alarm.set(READING):
                learner, notes = submission.parse(task.text)
        except CourseError as error:
            return _unread(task, "malformed", str(error))
        except Overrun:
            return _unread(task, "malformed", f"the file takes more than {READING} s to read")
        released, source = _parsed(task.released), _parsed(task.source)
        names = set().union(*(bound(c.source) for c in source.cells if _is_exercise(c)))
        for _ in range(2):
            try:
                rebuilt, changes = submission.rebuild(learner, released, source)
                players = _ready(task)
                # An honest notebook of another edition differs in many cells.
                said = notes + ([] if task.former else changes)
                with memory.no_more_than(task.limits.memory):
                    run = notebook.run(rebuilt, names, players, _turn(task))
                    return _graded(task, rebuilt, said, run, started)
            except Lost:
                close()  # and try once more, with a new process to fork from
            except (Unavailable, KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # a fault of the grader's costs no other submission
                close()
                return given_up(task, error)
        return given_up(task)


def _turn(task: Task) -> Limits:
    """The limits for now."""
    seconds = task.turn or task.limits.submission
    return replace(task.limits, submission=seconds, check=min(task.limits.check, seconds))


def given_up(task: Task, error: BaseException | None = None) -> Graded:
    """The row for a submission that ended the grader's own process, or raised an error in it."""
    if error is None:
        return _unread(task, "killed", "the grader's own process ended, twice")
    said = f"the grader failed: {type(error).__name__}: {plain(str(error))}"
    return _unread(task, "killed", said)


def _unread(task: Task, outcome: str, reason: str) -> Graded:
    """A submission of which no cell was run."""
    rebuilt, _ = submission.rebuild(None, _parsed(task.released), _parsed(task.source))
    run = Run(outcome)
    for cell in rebuilt.cells:
        if cell.cell_type == "code":
            run.stop(cell, outcome, reason)
    return _graded(task, rebuilt, [reason], run, time.perf_counter())


def _graded(
    task: Task, rebuilt: NotebookNode, notes: list[str], run: Run, started: float
) -> Graded:
    if task.former:
        notes = [*notes, f"handed in as {task.former}, the lesson's name in the first edition"]
    notes = [*notes, *run.notes, *filter(None, [LESS.get(task.isolation)])]
    rows = tuple(score.rows(rebuilt, task, run))
    unanswered = tuple(score.unanswered(rebuilt))
    _show(notes, rebuilt)
    return Graded(
        learner=task.learner,
        lesson=task.lesson,
        outcome=score.outcome(rows, notes, run),
        rows=rows,
        notes=tuple(notes),
        unanswered=unanswered,
        notebook=nbformat.writes(rebuilt) + "\n",
        seconds=time.perf_counter() - started,
        computing=run.computing,
        late=run.late,
    )


def _show(notes: list[str], rebuilt: NotebookNode) -> None:
    """Put the notes to the instructor at the notebook's head."""
    if notes:
        lines = "\n".join(f"- {note}" for note in notes)
        text = f"**Notes of the grader**\n\n{lines}"
        rebuilt.cells.insert(0, new_markdown_cell(text, id="notes_of_the_grader"))


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> NotebookNode:
    return nbformat.reads(text, as_version=4)


def _is_exercise(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution") is True


# --- the processes from which players are forked ---------------------------------------------


def close() -> None:
    """End the processes from which this one forks players."""
    while _players:
        _players.popitem()[1].close()


def adopt(task: Task, players: Players) -> None:
    """Have players that were started elsewhere for tasks like this one."""
    key = _key(task)
    if _players.get(key) is players:
        return
    close()  # one at a time
    try:
        _try(players)
    except BaseException:
        players.close()
        raise
    _players[key] = players


def _key(task: Task) -> tuple[Any, ...]:
    return task.limits, task.hidden, task.isolation


def _ready(task: Task) -> Players:
    if _key(task) not in _players:
        close()
        hidden = [ROOT, *map(Path, task.hidden)]
        adopt(task, Players(ROOT, hidden=hidden, limits=task.limits, isolation=task.isolation))
    return _players[_key(task)]


def _try(players: Players) -> None:
    """Have a player import what nobody has imported; a learner must not pay if it cannot."""
    session = Session(players)
    session.limits = replace(session.limits, check=120)  # whatever learners are given
    session.end_of_all = math.inf
    try:
        outputs = run_cell("import wave, sklearn.isotonic, dropoutlab.explore, grp", session)
    except Gone as gone:
        outputs = [stopped(str(gone))]
    finally:
        session.close()
    errors = [output for output in outputs if output.output_type == "error"]
    if errors:
        raise Unavailable(f"Python does not work in it ({errors[0].ename}: {errors[0].evalue})")
