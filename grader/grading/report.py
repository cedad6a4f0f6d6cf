"""What a class got wrong, and its grades for a learning-management system."""

from __future__ import annotations

import base64
import csv
import html
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.figure import Figure
from nbgrader.api import Gradebook

from dropoutlab import plot
from grader.authoring.lesson import Lesson
from grader.errors import CourseError
from grader.grading.judge import Judged, Row


def write_rows(results: list[Judged], file: Path) -> None:
    """Write every row as JSON: learner, lesson, exercise, check, points, max, outcome, …"""
    rows = [asdict(row) for judged in results for row in judged.rows]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# --- what the class got wrong ---------------------------------------------------------------


@dataclass(frozen=True)
class Exercise:
    """How a class did in one exercise."""

    name: str
    learners: int
    mean: float
    """Points on average."""
    max: float
    right: int
    """Learners with every point."""
    said: list[tuple[str, int]]
    """Each diagnosis, and to how many learners it was the first thing said; most first."""
    hardest: tuple[str, int]
    """The check that most learners failed, and how many."""


def exercises(results: list[Judged]) -> list[Exercise]:
    """How a class did in each automatically graded exercise, in the lesson's order."""
    return [_exercise(name, rows) for name, rows in _by_exercise(results)]


def _by_exercise(results: list[Judged]) -> Iterator[tuple[str, list[list[Row]]]]:
    """Each exercise with its rows, a list for each learner."""
    names = dict.fromkeys(row.exercise for judged in results for row in judged.rows)
    for name in names:
        rows = [[row for row in judged.rows if row.exercise == name] for judged in results]
        if all(row.points is not None for learner in rows for row in learner):
            yield name, rows


def _exercise(name: str, learners: list[list[Row]]) -> Exercise:
    first = [next((r for r in rows if r.points < r.max), None) for rows in learners]
    said = Counter(_words(row) for row in first if row is not None)
    failed = Counter(row.check for rows in learners for row in rows if row.points < row.max)
    return Exercise(
        name,
        learners=len(learners),
        mean=sum(row.points for rows in learners for row in rows) / len(learners),
        max=sum(row.max for row in learners[0]),
        right=first.count(None),
        said=said.most_common(),
        hardest=failed.most_common(1)[0] if failed else ("", 0),
    )


def _words(row: Row) -> str:
    """A diagnosis without the numbers of one learner: the hint, or how the check ended."""
    if row.outcome not in ("failed", "passed"):
        return row.outcome
    found, _, hint = row.diagnosis.partition("\n  hint:     ")
    if found.rstrip().endswith("not written yet"):
        return "not written yet"
    return hint or row.diagnosis.strip().splitlines()[-1].strip() if row.diagnosis else "failed"


def write_html(lesson: Lesson, found: list[Exercise], file: Path) -> None:
    """Write the report as one HTML page with a chart."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>{html.escape(lesson.title)}: what the class got wrong</title>",
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;"
        "padding:0 1rem;color:#222}img{max-width:100%}table{border-collapse:collapse;width:100%}"
        "td,th{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #ddd}"
        "td:first-child{text-align:right;width:4rem;white-space:nowrap}</style>",
        f"<h1>{html.escape(lesson.title)}</h1>",
        f"<p>{found[0].learners if found else 0} learners. The first thing that the checks of "
        "each exercise said, and to how many learners.</p>",
        f"<img alt='{html.escape(_alternative(found))}' src='data:image/png;base64,"
        f"{base64.b64encode(plot.png(_chart(found))).decode()}'>",
    ]
    for exercise in found:
        parts.append(f"<h2><code>{html.escape(exercise.name)}</code></h2>")
        check, count = exercise.hardest
        hardest = f" Hardest check: <code>{html.escape(check)}</code>, failed by {count}."
        parts.append(
            f"<p>{exercise.right} of {exercise.learners} have all points; mean "
            f"{exercise.mean:.1f} of {exercise.max:g}.{hardest if count else ''}</p><table>"
        )
        for words, count in exercise.said:
            share = 100 * count / exercise.learners
            parts.append(f"<tr><td>{share:.0f} %</td><td>{html.escape(words)}</td></tr>")
        parts.append("</table>")
    file.write_text("\n".join(parts) + "</html>\n", encoding="utf-8")


def _chart(found: list[Exercise]) -> Figure:
    """Bars from 0 to all learners: right, not written, wrong."""
    fig, (ax,) = plot.figure(1, height=0.8 + 0.35 * len(found))
    for place, exercise in enumerate(reversed(found)):
        blank = dict(exercise.said).get("not written yet", 0)
        wrong = exercise.learners - exercise.right - blank
        left = 0.0
        for count, colour in (
            (exercise.right, plot.BLUE), (wrong, plot.ORANGE), (blank, plot.PALE),
        ):  # fmt: skip
            share = 100 * count / exercise.learners
            ax.barh(place, share, left=left, color=colour, height=0.7)
            left += share
    ax.set_yticks(range(len(found)), [exercise.name for exercise in reversed(found)])
    ax.set(xlim=(0, 100), xlabel="learners, % (blue: right, orange: wrong, grey: not written)")
    ax.set_title(_finding(found))
    return fig


def _finding(found: list[Exercise]) -> str:
    hard = min(found, key=lambda exercise: exercise.right / exercise.learners, default=None)
    if hard is None:
        return "nothing is graded"
    return f"`{hard.name}` was the hardest: {hard.right} of {hard.learners} have it right"


def _alternative(found: list[Exercise]) -> str:
    return "; ".join(f"{e.name}: {e.right} of {e.learners} right" for e in found)


def write_csv(found: list[Exercise], file: Path) -> None:
    """Write exercise, diagnosis, learners, share."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["exercise", "diagnosis", "learners", "share"])
        for exercise in found:
            for words, count in [("right", exercise.right), *exercise.said]:
                share = f"{count / exercise.learners:.3f}"
                writer.writerow([exercise.name, _inert(words), count, share])


# --- grades for a learning-management system --------------------------------------------------


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
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        if form == "canvas":
            writer.writerow(["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names])
            writer.writerow(["    Points Possible", "", "", "", "", *(most[n] for n in names)])
        else:
            head = ["username", "firstname", "lastname", "email"]
            writer.writerow([*head, *(f"{n} (of {most[n]})" for n in names)])
        for learner in learners:
            person = [learner.first_name or "", learner.last_name or ""]
            points = [_number(scores.get((learner.id, name))) for name in names]
            if form == "canvas":
                name = ", ".join(filter(None, reversed(person))) or learner.id
                row = [name, learner.lms_user_id or "", "", learner.id, "", *points]
            else:
                row = [learner.id, *person, learner.email or "", *points]
            writer.writerow([_inert(str(value)) for value in row])
    return len(learners)


def _number(score: float | None) -> str:
    return "" if score is None else f"{score:g}"


def _inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
