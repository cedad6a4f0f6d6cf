"""A class's grades, for a learning-management system."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

from nbgrader.api import Student

from grader.authoring.lesson import Lesson
from grader.classes import download
from grader.errors import CourseError
from grader.grading import spreadsheet, standing
from grader.grading.gradebook import Writer

LAST = "Last modified (grade)"
COMMENTS = "Feedback comments"
"""Moodle's column of what an instructor wrote."""


def export(
    book: Writer, lessons: list[Lesson], form: str, file: Path, sheet: Path | None = None
) -> int:
    """Write a CSV that Canvas or Moodle imports, or a plain one; the number of learners in it.

    Scores are the gradebook's: with what persons gave, less penalties for lateness. Canvas
    matches learners by the ID that it knows (`lms_user_id` in nbgrader's gradebook) or else
    by their login. Moodle matches by the number that a participant has in the assignment, in its
    grading worksheet, or else by the username.
    """
    names = [lesson.name for lesson in lessons]
    book.follow(names)
    learners = sorted(book.gradebook.students, key=lambda student: student.id)
    if not learners:
        raise CourseError("the gradebook has no learners: grade a lesson first.")
    if form == "csv":
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        spreadsheet.write(file, standing.table(book, lessons, now))
        return len(learners)
    scores = {of: score.points for of, score in standing.scores(book, lessons).items()}
    numbers = book.numbers(names[0]) if form == "moodle" else {}
    most = {lesson.name: lesson.points for lesson in lessons}
    if form == "moodle" and (numbers or sheet):
        if len(names) != 1:
            raise CourseError("Moodle's grading worksheet is of one assignment: name one lesson.")
        points = {of: _number(scores.get((learner, names[0]))) for of, learner in numbers.items()}
        if sheet:
            if not numbers.keys() & download.worksheet(sheet).keys():
                raise CourseError(
                    f"no number in {sheet} is known for {names[0]}: it is of another assignment, "
                    "or `python3 grader collect … --from moodle` has not been run."
                )
            rows = [*_filled(sheet, points)]
        else:
            people = {learner.id: learner for learner in learners}
            rows = [*_worksheet(numbers, people, points, most[names[0]])]
        spreadsheet.write(file, rows)
        return len(rows) - 1
    spreadsheet.write(file, _table(learners, names, most, scores, form))
    return len(learners)


def _worksheet(
    numbers: dict[str, str], people: dict[str, Student], points: dict[str, str], most: int
) -> Iterator[list[object]]:
    """Moodle's grading worksheet: it reads the first, the grade and the last column.

    The last says when a grade was changed; left empty, Moodle asks before it changes one.
    """
    yield ["Identifier", "Full name", "Email address", "Grade", "Maximum Grade", LAST]
    for number in sorted(numbers, key=int):
        person = people.get(numbers[number])
        name = " ".join(filter(None, [person.first_name, person.last_name])) if person else ""
        email = (person.email or "") if person else ""
        yield [f"Participant {number}", name, email, points[number], most, ""]


def _filled(sheet: Path, points: dict[str, str]) -> Iterator[list[object]]:
    """The worksheet that was downloaded, all its columns, with the grades that are known."""
    columns, rows = download.sheet(sheet)
    yield [*columns]
    for row in rows:
        number = row["Identifier"].rpartition(" ")[2]
        own = {COMMENTS: spreadsheet.AsItIs(row[COMMENTS])} if COMMENTS in row else {}
        yield [*(row | own | {"Grade": points.get(number) or row["Grade"]}).values()]


def _table(
    learners: list[Student],
    names: list[str],
    most: dict[str, int],
    scores: dict[tuple[str, str], float],
    form: str,
) -> Iterator[list[object]]:
    if form == "canvas":
        yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names]
        yield ["    Points Possible", "", "", "", "", *(most[name] for name in names)]
    else:
        head = ["username", "firstname", "lastname", "email"]
        yield [*head, *(f"{name} (of {most[name]})" for name in names)]
    for learner in learners:
        person = [learner.first_name or "", learner.last_name or ""]
        points = [_number(scores.get((learner.id, name))) for name in names]
        if form == "canvas":
            name = ", ".join(filter(None, reversed(person))) or learner.id
            yield [name, learner.lms_user_id or "", "", learner.id, "", *points]
        else:
            yield [learner.id, *person, learner.email or "", *points]


def _number(score: float | None) -> str:
    return "" if score is None else f"{score:g}"
