"""Hand in a notebook through nbgrader's exchange, and fetch the page that comes back."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from nbgrader.exchange import ExchangeError

from grader import course
from grader.errors import CourseError
from grader.paths import LESSONS, ROOT

EVERY = 1.0
"""Seconds between two looks for a page."""


def submit(lesson: str) -> str:
    """Copy the learner's notebook to the exchange; return the time under which it lies there."""
    api = course.nbgrader(ROOT)
    if lesson not in api.get_released_assignments():
        raise CourseError(
            f"no instructor has released {lesson} in {api.exchange_root}. "
            f"To grade it yourself, run `python3 grader grade {lesson[:2]}`."
        )
    with course.exchange(api, "Submit", lesson) as sender:
        sender.assignment_dir = str(LESSONS)
        try:
            sender.start()
        except ExchangeError as error:
            raise CourseError(f"{lesson} was not handed in: {error}") from None
    return str(sender.timestamp)


def wait(lesson: str, when: str) -> Path:
    """The page of what was handed in at that time, fetched as soon as it is released."""
    page = LESSONS / lesson / "feedback" / when / f"{lesson}.html"
    api = course.nbgrader(ROOT)
    while not page.exists():
        with course.exchange(api, "FetchFeedback", lesson) as fetcher:
            fetcher.assignment_dir = str(LESSONS)
            with contextlib.suppress(ExchangeError):  # nothing has been released yet
                fetcher.start()
        if not page.exists():
            time.sleep(EVERY)
    return page
