"""Feedback: a page for each learner, each made in a process that may not take long.

nbgrader makes the same page of a notebook that it has graded itself (`grader.jupyter.feedback`).
"""

from __future__ import annotations

import contextlib
import functools
import html
import math
import os
import select
import signal
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

from grader import course
from grader.course import SECRET, STAMP
from grader.files import write_whole
from grader.grading import memory, page, syllabus
from grader.grading.folders import ClassFolder
from grader.grading.page import Grades
from grader.grading.result import Graded

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from nbgrader.api import Gradebook

SECONDS = 20
"""Time for a page, at most; one takes less than a second."""
MEMORY = 2 << 30
"""Bytes that making a page may take."""
DONE = "done"


@dataclass(frozen=True)
class Page:
    """Whose page to write."""

    place: Path
    """The course folder."""
    url: str
    """The gradebook."""
    graded: Graded

    def __str__(self) -> str:
        return f"feedback of {self.graded.learner}"


def write(one: Page) -> str:
    """Write the feedback of one learner. Returns what went wrong; "" where nothing did.

    What a learner wrote may take a converter for ever. So the page is made in a process of its
    own, and where that does not end in time a plain page says what the checks said.
    """
    graded, folder = one.graded, ClassFolder(one.place)
    file = folder.page(graded.lesson, graded.learner)
    marks = grades(one.place, _url(one.place, one.url), graded.lesson, graded.learner)
    notebook = folder.notebook("autograded", graded.lesson, graded.learner)
    for beside in filter(Path.exists, map(notebook.with_name, (STAMP, SECRET))):
        write_whole(file.with_name(beside.name), beside.read_text(encoding="utf-8"))
    return _write(graded, notebook.read_text(encoding="utf-8"), marks, file)


def write_own(graded: Graded, file: Path, address: str) -> str:
    """The same of one's own notebook, which is in no gradebook; `address` is where it is shown."""
    cells = {
        row.check: page.Grade(row.points or 0, row.max, waits=row.points is None)
        for row in graded.rows
    }
    comments = dict.fromkeys(graded.unanswered, page.NOTHING)
    return _write(graded, graded.notebook, Grades(cells, comments), file, address)


def _write(graded: Graded, notebook: str, marks: Grades, file: Path, address: str = "") -> str:
    def make() -> None:
        marked = nbformat.reads(notebook, as_version=4)
        write_whole(file, page.page(marked, graded.lesson, marks, address))

    fault = _made(make)
    if not fault and is_whole(file):
        return ""
    write_whole(file, plain_page(graded, quiet=marks.quiet))
    return f"feedback of {graded.learner}: {fault or 'it is cut off'}; it has a plain page instead."


def bounded(notebook: NotebookNode, lesson: str, marks: Grades) -> tuple[str, str]:
    """The page of what nbgrader has graded, and what went wrong; then it has points alone."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        fault = _made(lambda: write_whole(file, page.page(notebook, lesson, marks)))
        if not fault and is_whole(file):
            return file.read_text(encoding="utf-8"), ""
    told = f"You have <strong>{marks.points:g}</strong> of {marks.most:g} points, by check:"
    points = {name: f"{grade.points:g} of {grade.most:g}" for name, grade in marks.cells.items()}
    plain = _plain(lesson, told, [(name, of, "") for name, of in points.items()])
    return plain, fault or "it is cut off"


def grades(place: Path, url: str, lesson: str, learner: str, name: str = "") -> Grades:
    """What the gradebook holds of a learner's notebook, and what the syllabus lets its page say.

    name : the notebook's, where it is not the lesson's
    """
    import sqlalchemy
    from nbgrader.api import (
        Assignment,
        BaseCell,
        Comment,
        Grade,
        Notebook,
        SubmittedAssignment,
        SubmittedNotebook,
    )

    from grader.grading.gradebook import attempts

    with _gradebook(url) as book:
        found = sqlalchemy.select(SubmittedNotebook.id, SubmittedNotebook.late_submission_penalty)
        found = found.join(SubmittedNotebook.notebook).join(Notebook.assignment)
        found = found.join(SubmittedNotebook.assignment).where(
            Notebook.name == (name or lesson),
            Assignment.name == lesson,
            SubmittedAssignment.student_id == learner,
        )
        of, penalty = book.db.execute(found).one()
        scores = Grade.score, Grade.max_score, Grade.auto_score, Grade.manual_score
        marks = (
            sqlalchemy.select(BaseCell.name, *scores)
            .join(Grade.cell)
            .where(Grade.notebook_id == of)
        )
        said = sqlalchemy.select(BaseCell.name, Comment.comment).join(Comment.cell)
        cells = {
            cell: page.Grade(score, most, waits=auto is None and manual is None)
            for cell, score, most, auto, manual in book.db.execute(marks)
        }
        comments = {
            cell: text or ""
            for cell, text in book.db.execute(said.where(Comment.notebook_id == of))
        }
        term, attempt = syllabus.read(place).term(lesson), ""
        if term.attempts < math.inf and (count := attempts(book, lesson, learner)):
            attempt = f"Submission {count}"
            attempt += f" of {term.attempts:g}." if count <= term.attempts else "."
    return Grades(cells, comments, penalty or 0, attempt, quiet=term.shows == "points")


@functools.lru_cache(maxsize=4)
def _url(place: Path, url: str) -> str:
    return str(course.folder(place, url).CourseDirectory.db_url)


@functools.lru_cache(maxsize=4)
def _gradebook(url: str) -> Gradebook:
    """A gradebook, closed after each use, that keeps what SQLAlchemy has made of its queries."""
    from nbgrader.api import Gradebook

    return Gradebook(url)


def is_whole(page: Path) -> bool:
    """Whether a page was written to its end: a run that was killed may have left half of it."""
    return page.is_file() and page.read_bytes().rstrip().endswith(b"</html>")


def refusal(title: str, most: int) -> str:
    """The page of a submission that came after as many as are graded."""
    only = "1 submission of this lesson is graded, and you have used it"
    if most > 1:
        only = f"{most} submissions of this lesson are graded, and you have used them"
    body = [
        f"<h1>{html.escape(title)}</h1>",
        "<p class='score'>Not graded</p>",
        f"<p>Only {only}. Your points are those of the last one that was graded.</p>",
    ]
    return page.document(html.escape(title), body)


def plain_page(graded: Graded, *, quiet: bool = False) -> str:
    """What the checks said, and nothing of what the learner wrote.

    quiet : whether their points are told alone
    """
    told = "These are the points of its checks." if quiet else "This is what its checks said."
    rows = []
    for row in graded.rows:
        points = "–" if row.points is None else f"{row.points:g}"
        said = html.escape(row.message.text) if row.message and not quiet else row.outcome
        rows.append((row.check, f"{points} of {row.max:g}", said))
    return _plain(graded.lesson, told, rows)


def _plain(lesson: str, told: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """A page of checks alone: the name of each, its points, and what it said."""
    title = html.escape(lesson)
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>{title}</title><h1>{title}</h1>",
        f"<p>Your notebook could not be shown here. {told}</p><dl>",
    ]
    for check, points, said in rows:
        parts.append(f"<dt><code>{html.escape(check)}</code>: {points}</dt>")
        parts += [f"<dd><pre>{said}</pre></dd>"] * bool(said)
    return "\n".join([*parts, "</dl></html>\n"])


def _made(make: Callable[[], None]) -> str:
    """Make a page where it can hold up nobody; what went wrong, or ""."""
    return (_apart if hasattr(os, "fork") else _here)(make)


def _here(make: Callable[[], None]) -> str:
    """Call `make()`; what went wrong, or ""."""
    try:
        make()
    except MemoryError:
        return "the page took more memory than there is for one"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _apart(make: Callable[[], None]) -> str:
    """The same in a process of its own, which may not take long either."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.close(reading)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS + 1)  # should its parent be no more
            with memory.no_more_than(MEMORY):
                fault = _here(make)
            os.write(writing, (fault or DONE).encode(errors="replace")[:1000])
        os._exit(0)
    os.close(writing)
    in_time = bool(select.select([reading], [], [], SECONDS)[0])
    said = os.read(reading, 1000).decode(errors="replace") if in_time else ""
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)  # it has said all
    os.waitpid(child, 0)
    if not in_time:
        return f"the page took more than {SECONDS} s"
    return "" if said == DONE else said or "the page's process ended"
