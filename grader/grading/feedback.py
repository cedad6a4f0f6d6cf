"""Feedback: nbgrader's own page for each learner, each made in a process that may not take long."""

from __future__ import annotations

import contextlib
import functools
import html
import os
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbgrader.apps import NbGraderAPI

from grader import course
from grader.errors import CourseError
from grader.grading import memory
from grader.grading.folders import ClassFolder, write_whole
from grader.grading.result import Graded

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


def write(page: Page) -> str:
    """Write the feedback of one learner. Returns what went wrong; "" where nothing did.

    What a learner wrote may take nbgrader's converter for ever. So it works in a process of its
    own, and where that does not end in time a plain page says what the checks said.
    """
    graded = page.graded
    api = _api(page.place, page.url)  # once, in this process, so that its children start at once

    def make() -> str:
        try:
            made = api.generate_feedback(graded.lesson, graded.learner)
            course.succeed("nbgrader", made)
        except CourseError as error:
            return str(error)
        return ""

    fault = _apart(make, SECONDS) if hasattr(os, "fork") else make()
    file = ClassFolder(page.place).page(graded.lesson, graded.learner)
    if not fault and is_whole(file):
        return ""
    write_whole(file, plain_page(graded))
    return f"feedback of {graded.learner}: {fault or 'it is cut off'}; it has a plain page instead."


def is_whole(page: Path) -> bool:
    """Whether a page was written to its end: a run that was killed may have left half of it."""
    return page.is_file() and page.read_bytes().rstrip().endswith(b"</html>")


def plain_page(graded: Graded) -> str:
    """What the checks said, and nothing of what the learner wrote."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>{html.escape(graded.lesson)}</title><h1>{html.escape(graded.lesson)}</h1>",
        "<p>Your notebook could not be shown here. This is what its checks said.</p><dl>",
    ]
    for row in graded.rows:
        points = "–" if row.points is None else f"{row.points:g}"
        said = html.escape(row.message.text) if row.message else row.outcome
        parts.append(f"<dt><code>{row.check}</code>: {points} of {row.max:g}</dt>")
        parts.append(f"<dd><pre>{said}</pre></dd>")
    return "\n".join([*parts, "</dl></html>\n"])


def _apart(make: Callable[[], str], seconds: float) -> str:
    """What `make()` returns in a process of its own, or that it took too long."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.close(reading)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(seconds) + 1)  # should its parent be no more
            with memory.no_more_than(MEMORY):
                os.write(writing, (make() or DONE).encode()[:1000])
        os._exit(0)
    os.close(writing)
    in_time = bool(select.select([reading], [], [], seconds)[0])
    said = os.read(reading, 1000).decode(errors="replace") if in_time else ""
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)  # it has said all
    os.waitpid(child, 0)
    if not in_time:
        return f"the page took more than {seconds:g} s"
    return "" if said == DONE else said or "the page took more memory than there is for one"


@functools.lru_cache(maxsize=4)
def _api(place: Path, url: str) -> NbGraderAPI:
    return course.nbgrader(place, course.folder(place, url))
