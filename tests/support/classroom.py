"""A class for tests: submissions of lesson 00, and the command that grades them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grader import course
from grader.authoring.reading import read
from grader.grading.assignment import assign
from grader.grading.gradebook import opened
from grader.grading.pools import Here
from grader.paths import ROOT, SOLUTIONS

LESSON = read(SOLUTIONS / "00_start_here.py")
RIGHT = {c.name: c.source for c in LESSON.cells if c.kind in ("exercise", "answer")}
HALF = {"scale": RIGHT["scale"]}
FULL_POINTS = sum(cell.points for cell in LESSON.of("check"))
HALF_POINTS = sum(cell.points for cell in LESSON.of("check", "scale"))
RUN = "import sys; from grader.cli import main; sys.exit(main(sys.argv[1:]))"


class Kept(Here):
    """One task after the other in this process, with the same players from run to run."""

    def close(self) -> None:
        pass


def released(place: Path) -> str:
    """The notebook as it is released, the assignment being in the gradebook of `place`."""
    return assign(LESSON, place, course.folder(place.resolve()))[0]


def notebook(text: str, answers: dict[str, str]) -> NotebookNode:
    """A released notebook with these answers."""
    nb = nbformat.reads(text, as_version=4)
    for cell in nb.cells:
        cell.source = answers.get(cell.id, cell.source)
    return nb


def hand_in(place: Path, learner: str, nb: NotebookNode | str) -> Path:
    """Write a learner's submission, as it is."""
    path = place / "submitted" / learner / LESSON.name / f"{LESSON.name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nb if isinstance(nb, str) else json.dumps(nb), encoding="utf-8")
    return path


def command(*arguments: str) -> list[str]:
    """The command line of `python3 grader …` in this Python."""
    return [sys.executable, "-c", RUN, *arguments]


def environment() -> dict[str, str]:
    """The environment in which the command finds its packages."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "lessons")])}


def grade(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `python3 grader autograde 00` for the class in `place`; one worker, if not told."""
    return subprocess.run(
        command("autograde", "00", "--course", str(place), "--workers", "1", *options),
        env=environment(), capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip


def rows(place: Path, *options: str) -> list[dict]:
    """Grade a class and return its rows."""
    file = place / "rows.json"
    done = grade(place, "--json", str(file), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text(encoding="utf-8"))


def scores(found: list[dict]) -> dict[str, float]:
    """The points of each learner."""
    total: dict[str, float] = {}
    for row in found:
        total[row["learner"]] = total.get(row["learner"], 0) + (row["points"] or 0)
    return total


def outcomes(place: Path, url: str = "") -> dict[str, str]:
    """How each submission ended, from the gradebook."""
    with opened(place, url) as book:
        return {graded.learner: graded.outcome for _, graded in book.done(LESSON.name).values()}
