"""How soon a page comes back: `python3 grader bench watch --submissions 100`.

A class hands in within a minute, evenly, while `grader watch` runs; the time from each hand-in to
its released page is taken, with the scores of `autograde` for the same class beside.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from nbgrader.utils import notebook_hash

from grader import course
from grader.authoring.lesson import Lesson
from grader.bench.autograde import hand_in, scores
from grader.grading.assignment import assign
from grader.paths import ROOT

MINUTE = 60.0
PATIENCE = 600.0
"""Seconds after which a page that has not come is given up."""


def seconds(lesson: Lesson, count: int, say: Callable[[str], None]) -> tuple[list[float], bool]:
    """From hand-in to page, for each of `count`; and whether scores are those of `autograde`."""
    with tempfile.TemporaryDirectory() as folder:
        place, ready = Path(folder, "class"), Path(folder, "ready")
        place.mkdir()
        released, _ = assign(lesson, place, course.folder(place))
        hand_in(lesson, released, ready, count)
        command = [sys.executable, str(ROOT / "grader")]
        options = ["--course", str(place)]
        run = subprocess.Popen([*command, "watch", lesson.name, *options], stdout=subprocess.PIPE)
        try:
            assert run.stdout is not None
            run.stdout.readline()  # "waiting for …"
            # A full pipe would stop it.
            threading.Thread(target=run.stdout.read, daemon=True).start()
            took = _given_back(lesson, place, ready, count, run, say)
        finally:
            run.send_signal(signal.SIGINT)
            run.wait()
        watched = scores(place, lesson)
        shutil.rmtree(place / "autograded")
        file = Path(folder, "rows.json")
        subprocess.run(
            [*command, "autograde", lesson.name, "--force", *options, "--json", file],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return took, watched == scores(place, lesson) and len(json.loads(file.read_text())) > 0


def _given_back(
    lesson: Lesson,
    place: Path,
    ready: Path,
    count: int,
    run: subprocess.Popen[bytes],
    say: Callable[[str], None],
) -> list[float]:
    exchange = place / "exchange" / course.configuration(place).CourseDirectory.course_id
    start = time.monotonic()
    handed: dict[str, tuple[Path, float]] = {}
    took: dict[str, float] = {}
    learners = sorted(path.name for path in (ready / "submitted").iterdir())
    while len(took) < count and time.monotonic() - start < MINUTE + PATIENCE and run.poll() is None:
        if learners and time.monotonic() - start >= len(handed) * MINUTE / count:
            learner = learners.pop(0)
            when, secret = "2026-01-02 03:04:05.000000 UTC", f"secret of {learner}"
            folder = exchange / "inbound" / f"{learner}+{lesson.name}+{when}+0"
            shutil.copytree(ready / "submitted" / learner / lesson.name, folder)
            (folder / course.STAMP).write_text(when)
            (folder / course.SECRET).write_text(secret)
            name = notebook_hash(secret=secret, notebook_id=lesson.name)
            handed[learner] = exchange / "feedback" / f"{name}.html", time.monotonic()
        for learner, (page, since) in handed.items():
            if learner not in took and page.exists():
                took[learner] = time.monotonic() - since
                if len(took) % 20 == 0:
                    say(f"{len(took)} of {count} pages")
        time.sleep(0.02)
    return list(took.values())


def report(took: list[float], count: int, equal: bool) -> list[str]:
    """The measurement in words."""
    lines = [f"{len(took)} of {count} pages came back, on {os.cpu_count()} cores"]
    if len(took) > 1:
        parts = statistics.quantiles(took, n=20)
        lines.append(
            f"from hand-in to page: median {statistics.median(took):.1f} s, nineteen in twenty "
            f"within {parts[-1]:.1f} s, the last {max(took):.1f} s"
        )
    return [*lines, f"scores equal to autograde's: {'yes' if equal else 'NO'}"]
