"""A run that is stopped, by whatever means, leaves nothing half done and goes on afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import classroom
from classroom import FULL_POINTS, HALF, HALF_POINTS, LESSON, RIGHT, hand_in, notebook

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resume")]

EXPECTED = {f"learner{k:02d}": (0, HALF_POINTS, FULL_POINTS)[k % 3] for k in range(14)}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A class of fourteen that nobody has graded."""
    text = classroom.released(tmp_path)
    for k, learner in enumerate(EXPECTED):
        hand_in(tmp_path, learner, notebook(text, ({}, HALF, RIGHT)[k % 3]))
    return tmp_path


def started(place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        classroom.command("autograde", "00", "--course", str(place), "--no-feedback"),
        env=classroom.environment(), text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(what: Callable[[], bool], seconds: float = 90) -> None:
    """Look until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.002)


def graded(place: Path) -> list[Path]:
    return list((place / "autograded").glob("*/*/*.ipynb"))


def family(pid: int) -> Iterator[int]:
    """The processes that a process has started, and theirs."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(stat.parent.name)
            yield child
            yield from family(child)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("count", [0, 1, 5, 11])
def test_a_killed_run_is_finished_by_the_next(place: Path, count: int):
    """After `kill -9` with so many graded: no process is left, and the same command finishes?"""
    run = started(place)
    wait_for(lambda: len(graded(place)) >= count and len(list(family(run.pid))) >= 2)
    children = list(family(run.pid))
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    wait_for(lambda: not any(map(alive, children)), 20)
    assert classroom.scores(classroom.rows(place, "--no-feedback")) == EXPECTED


@pytest.mark.parametrize("who", ["spawn_main", "grader.player"])
def test_a_killed_helper_costs_nothing(place: Path, who: str):
    """Does the run survive the death of a worker, and of the process that forks players?"""
    run = started(place)
    wait_for(lambda: len(graded(place)) >= 2)
    victims = [pid for pid in family(run.pid) if who in cmdline(pid)]
    os.kill(victims[0], signal.SIGKILL)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, out + err
    assert classroom.scores(classroom.rows(place, "--no-feedback")) == EXPECTED


def cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def test_ctrl_c_finishes_what_runs(place: Path):
    """Does Ctrl-C write what was running, say so, and leave the rest for the next run?"""
    run = started(place)
    wait_for(lambda: len(graded(place)) >= 2)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 1 and "the same command goes on" in err
    assert "Traceback" not in err
    there = {path.parent.parent.name for path in graded(place)}
    assert there == set(classroom.outcomes(place)), "a notebook without grades, or the reverse"
    assert len(there) < len(EXPECTED)
    assert classroom.scores(classroom.rows(place, "--no-feedback")) == EXPECTED


def test_a_half_written_notebook_is_never_seen(place: Path):
    """Is each autograded notebook whole at every moment?"""
    run = started(place)
    seen = 0
    while run.poll() is None:
        for path in graded(place):
            assert path.read_text(encoding="utf-8").endswith("}\n")
            seen += 1
    run.communicate()
    assert seen and run.returncode == 0
    assert len(graded(place)) == len(EXPECTED)
    assert not list((place / "autograded").rglob("*.new"))
    assert LESSON.name in str(graded(place)[0])
