"""Where a class stands, by its syllabus: points less penalties, who passed, the course's total."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from grader.authoring.lesson import Lesson
from grader.grading.gradebook import Writer
from grader.grading.report import named, share


@dataclass(frozen=True)
class Score:
    """What a learner has in a lesson."""

    points: float
    """Less the penalty."""
    penalty: float
    late: bool
    waits: bool
    """Whether an answer waits for a person."""


Scores = dict[tuple[str, str], Score]


def scores(book: Writer, lessons: list[Lesson]) -> Scores:
    """By learner and lesson, for who has handed in."""
    found = {}
    for lesson in lessons:
        for submission in book.gradebook.assignment_submissions(lesson.name):
            penalty = sum(each.late_submission_penalty or 0 for each in submission.notebooks)
            late = submission.total_seconds_late > book.syllabus.late.grace * 60
            score = Score(submission.score - penalty, penalty, late, submission.needs_manual_grade)
            found[submission.student_id, lesson.name] = score
    return found


def told(book: Writer, lesson: Lesson) -> list[str]:
    """What a report says of a lesson by the syllabus, a sentence each."""
    if lesson.name not in book.syllabus.lessons:
        return []
    term, there = book.syllabus.term(lesson.name), scores(book, [lesson])
    lines = []
    if term.due:
        late = sorted(learner for (learner, _), score in there.items() if score.late)
        due, names = book.syllabus.local(term.due), named(tuple(late), 5)
        lines.append(f"Due {due}. Late: {names or 'nobody'}.")
    if term.percent:
        least = term.percent * lesson.points / 100
        passed = sum(reaches(score.points, least) for score in there.values())
        words = f"{term.percent:g} %, {least:g} of {lesson.points} points"
        lines.append(f"Passed ({words}): {share(passed, len(there))}.")
    return lines


def reaches(points: float, least: float) -> bool:
    """Whether it is as much, where sums of fractions are a little off."""
    return points >= least - 1e-9


def total(
    book: Writer, lessons: list[Lesson], there: Scores, learner: str, now: datetime.datetime
) -> float | None:
    """A learner's share of the course in percent, each lesson by its weight; None for no lesson.

    What is not handed in counts as nothing once it is due, and without a due date at once.
    """
    got = most = 0.0
    for lesson in lessons:
        score, due = there.get((learner, lesson.name)), book.syllabus.due(lesson.name, learner)
        weight = book.syllabus.term(lesson.name).weight
        if not lesson.points or (score is None and due is not None and due > now):
            continue
        got += weight * (score.points if score else 0) / lesson.points
        most += weight
    return 100 * got / most if most else None


def table(book: Writer, lessons: list[Lesson], now: datetime.datetime) -> Iterator[list[object]]:
    """All that counts, a row for each learner."""
    there, passed = scores(book, lessons), book.syllabus.percent
    heads = [(f"{it.name} (of {it.points})", f"{it.name} passed") for it in lessons]
    columns = [word for pair in heads for word in pair]
    yield ["learner", "name", "email", *columns, "penalties", "waiting", "course %", "passed"]
    for learner in sorted(book.gradebook.students, key=lambda student: student.id):
        own = [there.get((learner.id, lesson.name)) for lesson in lessons]
        cells: list[object] = []
        for lesson, score in zip(lessons, own, strict=True):
            least = book.syllabus.term(lesson.name).percent * lesson.points / 100
            enough = score is not None and reaches(score.points, least)
            cells += ["" if score is None else f"{score.points:g}", _yes(enough)]
        course = total(book, lessons, there, learner.id, now)
        name = " ".join(filter(None, [learner.first_name, learner.last_name]))
        yield [
            *(learner.id, name, learner.email or "", *cells),
            f"{sum(score.penalty for score in own if score):g}",
            sum(score.waits for score in own if score),
            "" if course is None else f"{course:.1f}",
            _yes(course is not None and reaches(course, passed)),
        ]


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
