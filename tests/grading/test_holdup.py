"""Twenty hostile submissions beside twenty honest ones: how long do the honest wait?"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass

import nbformat
import psutil
import pytest

import classroom
from attacks import CODE
from classroom import FULL_POINTS, LESSON, RIGHT
from grader.authoring.build import released, source_notebook
from grader.grading import pools
from grader.grading.pools import Processes
from grader.grading.task import Task
from grader.isolation.confinement import Limits
from project import ARTIFACTS

pytestmark = [
    pytest.mark.long("a class of twenty hostile and twenty honest submissions"),
    pytest.mark.slow(minutes=5),
]
HONEST = 20
HOSTILE = (
    "sleep", "waiting in C", "endless loop", "endless loop inside", "endless loop deaf to Ctrl-C",
    "a regular expression without end", "wire: half a frame", "a thread that goes on",
    "memory bomb", "NumPy memory bomb", "shared memory, unmapped to a page each",
    "ten million numbers", "an endless iterator", "fork bomb", "thread bomb", "disk bomb",
    "file bomb", "a gigabyte of output", "a thousand figures", "wire: thousands of handles",
)  # fmt: skip
"""Of the attacks those that take time, memory, disk or room in the gradebook."""
WORKERS = 2
LIMITS = Limits(check=20, submission=30)


@dataclass
class Grading:
    """What grading a class came to."""

    seconds: dict[str, float]
    """From the beginning until the last row of a kind, "honest" or "hostile"."""
    points: dict[str, set[float]]
    memory: int
    """Bytes of all processes together, at the worst moment that was seen; shared ones once."""
    left: int
    """Bytes of the largest graded notebook with its rows, which go on to disk and feedback."""


def _tasks(hostile: bool) -> list[tuple[Task, str]]:
    text, source = released(LESSON.name).read_text("utf-8"), source_notebook(LESSON)

    def task(learner: str, answers: dict[str, str]) -> Task:
        file = nbformat.writes(classroom.notebook(text, answers)).encode()
        written = nbformat.writes(source)
        return Task(learner, LESSON.name, text, written, file, limits=LIMITS)

    line = [(task(f"honest {k}", RIGHT), "honest") for k in range(HONEST)]
    if hostile:
        line += [(task(name, RIGHT | {"scale": CODE[name]}), "hostile") for name in HOSTILE]
    random.Random(20).shuffle(line)
    return line


def _memory(ended: threading.Event, most: list[int]) -> None:
    """Note the most that all processes below this one have, until the end."""
    while not ended.wait(0.25):
        now = 0
        for process in psutil.Process().children(recursive=True):
            try:
                now += process.memory_full_info().pss
            except psutil.Error:  # it has just ended
                continue
        most[0] = max(most[0], now)


def _graded(line: list[tuple[Task, str]]) -> Grading:
    most, ended = [0], threading.Event()
    watch = threading.Thread(target=_memory, args=(ended, most))
    watch.start()
    seconds: dict[str, float] = {}
    points: dict[str, set[float]] = {"honest": set(), "hostile": set()}
    left, began = 0, time.monotonic()
    try:
        with Processes(WORKERS, threading.Event(), lambda who: None) as pool:
            for graded, kind in pool.run(iter(line)):
                seconds[kind] = time.monotonic() - began
                points[kind].add(graded.points)
                left = max(left, len(graded.notebook) + len(repr(graded.rows)))
    finally:
        ended.set()
        watch.join()
    return Grading(seconds, points, most[0], left)


def test_hostile_submissions_hold_up_nobody():
    """Are the honest graded as well, and no later than a first turn of each hostile one costs?"""
    alone, beside = _graded(_tasks(hostile=False)), _graded(_tasks(hostile=True))
    turns = len(HOSTILE) * pools.FIRST / WORKERS
    wait = beside.seconds["honest"] - alone.seconds["honest"]
    found = {
        "seconds until 20 honest are graded": alone.seconds["honest"],
        "the same beside 20 hostile": beside.seconds["honest"],
        "until all are graded": beside.seconds["hostile"],
        "a first turn for each hostile one": turns,
        "MB of memory, honest alone": alone.memory / 1e6,
        "MB of memory beside hostile": beside.memory / 1e6,
        "MB that one leaves": beside.left / 1e6,
    }
    ARTIFACTS.mkdir(exist_ok=True)
    told = {what: round(value, 1) for what, value in found.items()}
    (ARTIFACTS / "hold-up.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    assert beside.points["honest"] == alone.points["honest"] == {FULL_POINTS}
    assert max(beside.points["hostile"]) < FULL_POINTS
    assert wait < 2 * turns, told
    assert beside.memory < alone.memory + WORKERS * (LIMITS.memory + (1 << 30)), told
    assert beside.left < 20_000_000
