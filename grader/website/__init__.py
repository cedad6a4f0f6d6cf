"""`python3 grader site`: the course as a static site, to be read where no kernel runs.

The lessons are run once (`grader.authoring.finished`), their pages written (`pages`), and
Sphinx with MyST-NB makes the site (`conf.py`, `style.css`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from grader.authoring import finished
from grader.authoring.lesson import Lesson
from grader.errors import CourseError
from grader.paths import LESSONS, ROOT
from grader.website import lite, pages
from grader.website.lite.pyodide import Pyodide

HERE = Path(__file__).resolve().parent
AT_ONCE = 2
"""Lessons that run at once: each trains on a core or more."""


def build(
    lessons: list[Lesson],
    to: Path,
    console: Console,
    *,
    pyodide: Pyodide | None = None,
    self_hosted: bool = False,
) -> None:
    """Make the site of some lessons in the folder `to`, in place of an older one.

    self_hosted : whether it brings Pyodide with it, for lessons that run in the browser
    """
    if to.exists() and not (to.is_dir() and (not any(to.iterdir()) or (to / "_static").is_dir())):
        raise CourseError(f"{to} holds something else than a site: name another folder with --to.")
    finish([lesson for lesson in lessons if not finished.kept(lesson).exists()], console)
    with tempfile.TemporaryDirectory() as folder, console.status("making the pages …"):
        source, made = Path(folder, "source"), Path(folder, "site")
        ran = {lesson: nbformat.read(finished.kept(lesson), as_version=4) for lesson in lessons}
        pages.write(source, ran)
        _sphinx(source, made)
        trained = {lesson: finished.trained(notebook) for lesson, notebook in ran.items()}
        lite.build(trained, made / lite.FOLDER, pyodide=pyodide, self_hosted=self_hosted)
        if to.exists():
            shutil.rmtree(to)
        shutil.copytree(made, to)


def finish(lessons: list[Lesson], console: Console) -> None:
    """Run lessons that are not kept; each is kept as it ends, so a stopped run can go on."""
    if not lessons:
        return
    running: list[subprocess.Popen] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        ThreadPoolExecutor(AT_ONCE) as pool,
        Progress(*columns, TimeElapsedColumn(), console=console) as bar,
    ):
        task = bar.add_task("running the lessons", total=len(lessons))
        try:
            for done in as_completed([pool.submit(_run, lesson, running) for lesson in lessons]):
                done.result()
                bar.advance(task)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in running:
                process.kill()  # its kernel sees that it is gone, and ends
            raise


def _run(lesson: Lesson, running: list[subprocess.Popen]) -> None:
    """Run a lesson in a process of its own and keep it."""
    threads = str(max(1, (os.cpu_count() or 1) // AT_ONCE))
    process = subprocess.Popen(
        [sys.executable, "-m", "grader.authoring.finished", str(lesson.path)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(LESSONS)]),
            "OMP_NUM_THREADS": threads,
        },
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    running.append(process)
    said = process.communicate()[1].strip()
    running.remove(process)
    if process.returncode:
        last = said.splitlines()[-1] if said else f"status {process.returncode}"
        raise CourseError(f"{lesson.name} could not be run with its answers: {last}")


def _sphinx(source: Path, to: Path) -> None:
    """Make pages from their sources; a warning, such as a link that leads nowhere, is an error."""
    options: list[str | Path] = [
        "-c",
        HERE,
        "-d",
        source.parent / "doctrees",
        "-q",
        "-W",
        "--keep-going",
        "-n",
    ]
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", *options, source, to],
        capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if run.returncode:
        said = run.stderr.replace(str(source), "").strip() or run.stdout.strip()
        raise CourseError(f"Sphinx refused a page:\n{said}")
