"""A class's grades, for a learning-management system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nbgrader.api import Gradebook, Student

from grader.authoring.lesson import Lesson
from grader.errors import CourseError
from grader.grading import spreadsheet


def export(gradebook: Gradebook, lessons: list[Lesson], form: str, file: Path) -> int:
    """Write a CSV that Canvas or Moodle imports; the number of learners in it.

    Scores are the gradebook's: with what persons gave, less penalties for lateness. Canvas
    matches learners by the ID that it knows (`lms_user_id` in nbgrader's gradebook) or else
    by their login, Moodle by the username.
    """
    names = [lesson.name for lesson in lessons]
    learners = sorted(gradebook.students, key=lambda student: student.id)
    if not learners:
        raise CourseError("the gradebook has no learners: grade a lesson first.")
    scores = {
        (submission.student_id, name): submission.score
        - sum(notebook.late_submission_penalty or 0 for notebook in submission.notebooks)
        for name in names
        for submission in gradebook.assignment_submissions(name)
    }
    most = {lesson.name: lesson.points for lesson in lessons}
    spreadsheet.write(file, _table(learners, names, most, scores, form))
    return len(learners)


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
