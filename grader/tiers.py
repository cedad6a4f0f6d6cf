"""The tests in tiers: which each has, what is installed for it first, and how they are run.

`tests/conftest.py` leaves out what a tier has not, and says so at the end of the run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from grader import environment, oldest
from grader.paths import ROOT, SOLUTIONS

LEAVES_OUT = {
    "quick": ("slow", "browser", "long"),
    "default": ("long",),
    "all": (),
}
"""Each tier, and the marks of the tests that it leaves out."""

SIDE_BY_SIDE = ("--dist", "loadgroup", "--no-loadscope-reorder")
"""Tests of one `xdist_group` run in one worker, in the order given."""


def run(tier: str, arguments: list[str]) -> int:
    """Run a tier, or "oldest", with further arguments for pytest; return pytest's exit status.

    The oldest packages end "all", unless arguments choose tests.
    """
    if tier == "oldest":
        chosen = [*oldest.TOLERANT, *oldest.MAIN_PATH, *arguments]
        return _pytest(oldest.ready(), chosen)
    further = () if tier == "quick" else ("hub", "website")
    environment.add("tests", "cluster", "postgresql", *further)  # now: tests run side by side
    _read_lessons()
    status = _pytest(sys.executable, [f"--tier={tier}", *arguments])
    if tier == "all" and not arguments:
        status = run("oldest", []) or status
    return status


def _read_lessons() -> None:
    """Have each lesson read and kept once, before every worker needs them all."""
    from grader.authoring.lesson import lesson_files
    from grader.authoring.reading import read

    with ProcessPoolExecutor() as pool:
        list(pool.map(read, lesson_files(SOLUTIONS)))


def _pytest(python: str | Path, arguments: list[str]) -> int:
    """Run pytest side by side, with one thread in each worker: more would wait for one another.

    Some tests wait, for a browser, a hub, or an answer that sleeps. So there are two workers more
    than cores. What they import is compiled once, whatever the environment says.
    """
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    workers = ["-n", str((os.cpu_count() or 1) + 2)]
    command = [python, "-m", "pytest", *workers, *SIDE_BY_SIDE, *arguments]
    return subprocess.call(command, cwd=ROOT, env={**os.environ, **single})
