"""Measure the grader: `python3 grader bench autograde`, `python3 grader bench memory`.

`autograde` grades one class, again and again in turn, with `nbgrader autograde` (a few
submissions) and with the fast grader (all of them), on this machine in one run, asks
whether the scores are equal, and prints the ratio of the times with its spread.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from grader import course
from grader.authoring.lesson import Lesson
from grader.grading import autograde, worker
from grader.grading.assignment import assign
from grader.grading.choice import chosen
from grader.grading.task import Task


@dataclass(frozen=True)
class Compared:
    """One run of both graders: seconds for one submission, and what there is besides."""

    plain: list[float]
    fast: list[float]
    overhead: list[float]
    """Seconds of a worker for one submission, less what its cells and checks took."""
    computing: float
    equal: bool


def learners(lesson: Lesson, count: int) -> Iterator[tuple[str, dict[str, str]]]:
    """A class: right answers, other right answers, and every mistake of the lesson in turn."""
    right = {c.name: c.source for c in lesson.cells if c.kind in ("exercise", "answer")}
    varied = {name: [right[name]] for name in lesson.exercises}
    for cell in lesson.cells:
        if cell.kind in ("mistake", "correct"):
            varied[cell.name].append(cell.source)
    for k in range(count):
        answers = {name: texts[k % len(texts)] for name, texts in varied.items()}
        yield f"learner{k:04d}", right | answers


def hand_in(lesson: Lesson, released: str, place: Path, count: int) -> None:
    """Write the class's submissions into a course folder."""
    for learner, answers in learners(lesson, count):
        notebook = nbformat.reads(released, as_version=4)
        for cell in notebook.cells:
            cell.source = answers.get(cell.id, cell.source)
        path = place / "submitted" / learner / lesson.name / f"{lesson.name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


def compare(
    lesson: Lesson, count: int, few: int, turns: int, workers: int, say: Callable[[str], None]
) -> Compared:
    """Grade a class of `count` with the fast grader and `few` of it with nbgrader, in turns."""
    plain, fast, overhead, computing, equal = [], [], [], [], True
    for turn in range(turns):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            say(f"turn {turn + 1} of {turns}: nbgrader autograde, {few} submissions")
            config = course.folder(place / "plain")
            (place / "plain").mkdir()
            released, _ = assign(lesson, place / "plain", config)
            hand_in(lesson, released, place / "plain", few)
            api = course.nbgrader(place / "plain", config)
            for learner, _ in learners(lesson, few):
                started = time.perf_counter()
                course.succeed("nbgrader autograde", api.autograde(lesson.name, learner))
                plain.append(time.perf_counter() - started)
            say(f"turn {turn + 1} of {turns}: grader autograde, {count} submissions")
            hand_in(lesson, released, place / "fast", count)
            options = autograde.Options(place / "fast", workers=workers, feedback=False)
            assign(lesson, place / "fast", course.folder(place / "fast"))
            started = time.perf_counter()
            results = autograde.autograde([lesson], options, autograde.Silent())
            fast.append((time.perf_counter() - started) / count)
            overhead += [graded.seconds - graded.computing for graded in results]
            computing += [graded.computing for graded in results]
            theirs = scores(place / "plain", lesson)
            ours = scores(place / "fast", lesson)
            equal = equal and all(ours[key] == score for key, score in theirs.items())
    return Compared(plain, fast, overhead, statistics.mean(computing), equal)


def scores(place: Path, lesson: Lesson) -> dict[tuple[str, str], float | None]:
    """The automatic score of each learner's each graded cell, from a gradebook."""
    with Gradebook(course.folder(place).CourseDirectory.db_url) as gradebook:
        return {
            (submission.student_id, grade.name): grade.auto_score
            for submission in gradebook.assignment_submissions(lesson.name)
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def report(compared: Compared) -> list[str]:
    """The comparison in words."""
    middle = statistics.median(compared.plain)
    ratios = [middle / fast for fast in compared.fast]
    low, *_, high = statistics.quantiles(compared.overhead, n=20)
    return [
        f"nbgrader autograde: {_spread(compared.plain, 's')} a submission",
        f"grader autograde:   {_spread([1000 * f for f in compared.fast], 'ms')} a submission, "
        "starting and writing included",
        f"ratio: {_spread(ratios, '')}",
        f"overhead of a worker over the cells' own {1000 * compared.computing:.0f} ms: median "
        f"{1000 * statistics.median(compared.overhead):.0f} ms, nine in ten within "
        f"{1000 * low:.0f} to {1000 * high:.0f} ms a submission",
        f"scores equal: {'yes' if compared.equal else 'NO'}",
    ]


def _spread(values: list[float], unit: str) -> str:
    unit = f" {unit}" if unit else ""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.3g}{unit} ({low:.3g} to {high:.3g}, {len(values)} times)"


def memory(count: int, say: Callable[[str], None]) -> list[tuple[int, float, float]]:
    """MiB of a worker and of the process it forks from, while it grades `count` submissions."""
    (lesson,) = chosen(["00"])
    place = Path(tempfile.mkdtemp())
    try:
        released, source = assign(lesson, place, course.folder(place))
        sizes: list[tuple[int, float, float]] = []
        for k, (learner, answers) in enumerate(learners(lesson, count), 1):
            notebook = nbformat.reads(released, as_version=4)
            for cell in notebook.cells:
                cell.source = answers.get(cell.id, cell.source)
            text = nbformat.writes(notebook).encode()
            worker.work(Task(learner, lesson.name, released, source, text))
            if k % max(1, count // 10) == 0 or k == 10:
                (players,) = worker._players.values()
                own, forked = (_resident(pid) for pid in (os.getpid(), players.process.pid))
                say(f"{k} submissions: {own:.0f} MiB and {forked:.0f} MiB")
                sizes.append((k, own, forked))
        return sizes
    finally:
        worker.close()
        shutil.rmtree(place)


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20
