"""Grade one's own notebooks where they lie: `python3 grader grade 03`.

A course of one learner is made in a temporary folder, and nbgrader grades the submission
there, so the score is the one that a class's gradebook would hold.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry

from grader import course, submission
from grader.build import generate, released
from grader.lesson import Lesson, read_all
from grader.paths import COURSE, SOLUTIONS

REPORTS = COURSE / "reports"
ME = "learner"


@dataclass(frozen=True)
class Row:
    """One graded cell: points, and what the check said where it failed."""

    exercise: str
    points: float | None
    most: float
    said: str = ""


@dataclass(frozen=True)
class Result:
    """One graded notebook."""

    lesson: str
    rows: list[Row]
    notes: list[str]
    report: Path

    @property
    def score(self) -> float:
        return sum(row.points or 0 for row in self.rows)

    @property
    def most(self) -> float:
        return sum(row.most for row in self.rows)


def chosen(names: list[str]) -> list[Lesson]:
    """The lessons that are meant: "03", "03_inverted_dropout", several, or "all"."""
    lessons = read_all(SOLUTIONS)
    picked = []
    for name in names:
        name = Path(name.rstrip("/")).stem
        found = [x for x in lessons if name == "all" or x.name == name or x.name[:2] == name]
        if not found:
            known = ", ".join(lesson.name for lesson in lessons)
            raise course.CourseError(f"no lesson is called {name!r}. There are: {known}.")
        picked += [lesson for lesson in found if lesson not in picked]
    return picked


def grade(lesson: Lesson, notebook: Path | None = None) -> Result:
    """Grade a learner's notebook of a lesson; the file is left as it is."""
    learner, notes = submission.read(notebook or released(lesson.name))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        release = nbformat.read(generate([lesson], root)[lesson.name], as_version=4)
        rebuilt, more = submission.rebuild(learner, release)
        place = root / ".course" / "submitted" / ME / lesson.name / f"{lesson.name}.ipynb"
        place.parent.mkdir(parents=True)
        nbformat.write(rebuilt, place)
        api = course.nbgrader(root)
        course.succeed(f"grading {lesson.name}", api.autograde(lesson.name, ME))
        course.succeed("writing the report", api.generate_feedback(lesson.name, ME))
        graded = root / ".course" / "autograded" / ME / lesson.name / place.name
        rows = read_rows(api.gradebook, lesson, ME, nbformat.read(graded, as_version=4))
        REPORTS.mkdir(parents=True, exist_ok=True)
        report = graded.parents[3] / "feedback" / ME / lesson.name / f"{lesson.name}.html"
        kept = Path(shutil.copyfile(report, REPORTS / report.name))
    return Result(lesson.name, rows, notes + more, kept)


def read_rows(
    gradebook: Gradebook, lesson: Lesson, learner: str, autograded: NotebookNode
) -> list[Row]:
    """The graded cells of a submission, in order, with what failed checks said."""
    with gradebook:
        try:
            entry = gradebook.find_submission_notebook(lesson.name, lesson.name, learner)
        except MissingEntry:
            raise course.CourseError(f"{learner} has no graded {lesson.name}.") from None
        grades = {g.name: (g.auto_score, g.max_score, g.needs_manual_grade) for g in entry.grades}
    rows = []
    stopped: dict[str, str] = {}  # exercises whose own cell raised
    for cell in autograded.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name not in grades:
            if cell.cell_type == "code" and name and (said := diagnosis(cell)):
                stopped[name] = f"the cell of `{name}` stopped\n  found:    {said}"
            continue
        points, most, by_hand = grades[name]
        exercise = re.sub(r"^check_(.*)_\d+$", r"\1", name)
        if by_hand:
            rows.append(Row(exercise, None, most, "read by a person"))
        else:
            said = "" if points else stopped.get(exercise) or diagnosis(cell)
            rows.append(Row(exercise, points or 0, most, said))
    return rows


def diagnosis(cell: NotebookNode) -> str:
    """What a failed check said: its four lines, or the error, or why it has no points."""
    outputs = cell.get("outputs", [])
    for output in sorted(outputs, key=lambda o: o.get("ename") != "Stopped"):
        if output.output_type == "error" and output.ename != "NotImplementedError":
            trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output.traceback))
            short = output.ename in ("Unmet", "Stopped") or not trace
            return trace if short else f"{output.ename}: {output.evalue}"
    graded = cell.metadata.nbgrader.grade
    if graded and any(o.output_type == "stream" and o.name == "stderr" for o in outputs):
        return "the cell wrote to stderr, which nbgrader counts as a failure"
    return "no answer was given" if cell.cell_type == "markdown" else ""
