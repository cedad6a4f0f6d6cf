"""Feedback: nbgrader's own page for each learner."""

from __future__ import annotations

import functools
from pathlib import Path

from nbgrader.apps import NbGraderAPI

from grader import course
from grader.errors import CourseError


def write(item: tuple[Path, str, str, str]) -> str:
    """Have nbgrader write the feedback of one learner: course folder, database, lesson, ID.

    Returns what went wrong, in a sentence; "" where nothing did.
    """
    place, url, lesson, learner = item
    try:
        made = _api(place, url).generate_feedback(lesson, learner)
        course.succeed(f"feedback of {learner}", made)
    except CourseError as error:
        return str(error)
    return ""


def is_whole(page: Path) -> bool:
    """Whether a page was written to its end: a run that was killed may have left half of it."""
    return page.is_file() and page.read_bytes().rstrip().endswith(b"</html>")


@functools.lru_cache(maxsize=4)
def _api(place: Path, url: str) -> NbGraderAPI:
    return course.nbgrader(place, course.folder(place, url))
