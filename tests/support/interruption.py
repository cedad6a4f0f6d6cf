"""Runs of the grader that are stopped, by whatever means, and what they leave."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import classroom
from classroom import FULL_POINTS, HALF, HALF_POINTS, RIGHT, hand_in, notebook
from grader.grading.gradebook import opened
from project import heeds_interrupts

CLASS = 12
ANSWERS = {f"learner{k:02d}": ({}, HALF, RIGHT)[k % 3] for k in range(CLASS)}
EXPECTED = {who: (0, HALF_POINTS, FULL_POINTS)[k % 3] for k, who in enumerate(ANSWERS)}
MARK = "CLASS_OF_A_TEST"


# --- runs, and what there is of them ---------------------------------------------------------


def make(place: Path) -> None:
    """A class that nobody has graded."""
    text = classroom.released(place)
    for learner, answers in ANSWERS.items():
        hand_in(place, learner, notebook(text, answers))


def started(place: Path, *options: str, **more: str) -> subprocess.Popen[str]:
    """The command at work; `more` goes into its environment."""
    return subprocess.Popen(
        classroom.command("autograde", "00", "--course", str(place), *options),
        env={**classroom.environment(), **more, MARK: str(place)}, text=True,
        start_new_session=True, preexec_fn=heeds_interrupts,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(what: Callable[[], bool], seconds: float = 600) -> None:
    """Look until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.025)


def reached(run: subprocess.Popen[str], what: Callable[[], bool]) -> None:
    """Look until a run is so far."""
    wait_for(lambda: what() or run.poll() is not None)
    assert run.poll() is None, run.communicate()


def graded(place: Path) -> list[Path]:
    return list((place / "autograded").glob("*/*/*.ipynb"))


def pages(place: Path) -> list[Path]:
    return list((place / "feedback").glob("*/*/*.html"))


def processes(place: Path, *words: str) -> list[int]:
    """The processes that belong to the runs for a class and have all the words in their call."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            call = (folder / "cmdline").read_text()
            own = str(place) in call or f"{MARK}={place}\0" in (folder / "environ").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        if own and all(word in call for word in words):
            found.append(int(folder.name))
    return sorted(found)


def forking(place: Path) -> list[int]:
    """The processes from which players are forked: children of workers."""
    workers = processes(place, "spawn_main")
    servers = processes(place, "grader.isolation.forkserver")
    return [pid for pid in servers if parent(pid) in workers]


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def when(place: Path, url: str = "") -> dict[str, object]:
    """When each learner's submission was graded."""
    from sqlalchemy import text

    with opened(place, url) as book:
        found = book.db.execute(text("select learner, graded from dropout_autograded"))
        return {row.learner: row.graded for row in found}


# --- one class, stopped again and again ------------------------------------------------------


@dataclass
class Stop:
    """What there was after a run had been stopped."""

    graded: dict[str, object]
    pages: int
    code: int
    said: str
    left: list[int]
    torn: list[str]


def stopped(place: Path, what: Callable[[], bool], by: signal.Signals, *options: str) -> Stop:
    """Start the command and stop it as soon as it is so far."""
    torn: list[str] = []
    known: dict[Path, tuple[int, int]] = {}

    def look() -> None:
        for path in [*graded(place), *place.glob("autograded/*/*/timestamp.txt")]:
            about = path.stat()
            edition = about.st_mtime_ns, about.st_size
            if known.get(path) != edition and not path.read_text().endswith(("}\n", "UTC")):
                torn.append(str(path))
            known[path] = edition

    def there() -> bool:
        look()
        return what()

    run = started(place, *options)
    reached(run, there)
    run.send_signal(by)
    said = "".join(run.communicate(timeout=120))
    if by == signal.SIGKILL:
        end = time.monotonic() + 300  # a busy machine takes long to import what then sees it
        while processes(place) and time.monotonic() < end:
            time.sleep(0.05)
    look()
    return Stop(when(place), len(pages(place)), run.returncode, said, processes(place), torn)
