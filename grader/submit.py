"""Hand in a notebook through nbgrader's exchange."""

from __future__ import annotations

from nbgrader.exchange import ExchangeError
from nbgrader.utils import temp_attrs

from grader import course
from grader.authoring.lesson import Lesson
from grader.errors import CourseError
from grader.paths import LESSONS, ROOT


def submit(lesson: Lesson) -> str:
    """Copy the learner's notebook to the exchange; return a sentence that says so."""
    api = course.nbgrader(ROOT)
    if lesson.name not in api.get_released_assignments():
        raise CourseError(
            f"no instructor has released {lesson.name} in {api.exchange_root}. "
            f"To grade it yourself, run `python3 grader grade {lesson.name[:2]}`."
        )
    with temp_attrs(api.coursedir, assignment_id=lesson.name):
        sender = api.exchange.Submit(
            coursedir=api.coursedir, authenticator=api.authenticator, parent=api
        )
        sender.assignment_dir = str(LESSONS)
        try:
            sender.start()
        except ExchangeError as error:
            raise CourseError(f"{lesson.name} was not handed in: {error}") from None
    return f"{lesson.name} is handed in, at {sender.timestamp}."
