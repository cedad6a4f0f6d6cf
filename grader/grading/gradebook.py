"""The one writer into nbgrader's gradebook, and what was graded when.

Each submission is one transaction: student, submission, grades, comments, and a line in a
table of our own that says for which submission and which lesson these grades hold. So a
grader that is killed leaves a submission graded or not, and never in between. Grades and
comments given by hand are kept, as nbgrader keeps them.
"""

from __future__ import annotations

import datetime
import json
import logging
import warnings
from pathlib import Path

from nbgrader.api import (
    Comment,
    Grade,
    Gradebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.plugins import LateSubmissionPlugin
from sqlalchemy import (
    Column,
    DateTime,
    MetaData,
    String,
    Table,
    Text,
    func,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, SAWarning
from traitlets.config import Config

from grader import course
from grader.errors import CourseError
from grader.grading import syllabus
from grader.grading.result import Graded, restored, stored
from grader.grading.syllabus import Syllabus

_metadata = MetaData()
_done = Table(
    "dropout_autograded",
    _metadata,
    Column("learner", String(128), primary_key=True),
    Column("lesson", String(128), primary_key=True),
    Column("key", String(64), nullable=False),
    Column("submission", String(32), nullable=False),
    Column("graded", DateTime, nullable=False),
    Column("judged", Text, nullable=False),
)
"""For whom, for which texts (their hash) and with what result the fast grader has graded."""
_numbered = Table(
    "dropout_numbered",
    _metadata,
    Column("learner", String(128), primary_key=True),
    Column("lesson", String(128), primary_key=True),
    Column("number", String(32), nullable=False),
)
"""By which number Moodle knows a learner in the assignment that is a lesson."""
_attempted = Table(
    "dropout_attempted",
    _metadata,
    Column("learner", String(128), primary_key=True),
    Column("lesson", String(128), primary_key=True),
    Column("submission", String(64), primary_key=True),
)
"""Each submission that was graded, by its digest: grading it again is no second attempt."""


class Writer:
    """An open gradebook; `with Writer(...) as writer` closes it."""

    def __init__(
        self,
        url: str,
        name: str,
        config: Config | None = None,
        syllabus: Syllabus | None = None,
    ):
        warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's own queries
        logging.getLogger("traitlets").setLevel(logging.ERROR)
        course.spare_a_process()
        self.gradebook = Gradebook(url, name)
        self.db = self.gradebook.db
        self.late = LateSubmissionPlugin(config=config)
        self.syllabus = syllabus or Syllabus()
        _metadata.create_all(self.gradebook.engine)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        self.gradebook.close()

    def done(self, lesson: str) -> dict[str, tuple[str, Graded | None]]:
        """By learner: the key and the result of each submission that was graded.

        A result that another edition of the grader has stored is None.
        """
        there = {
            (s.student_id, s.id) for s in self.gradebook.assignment_submissions(lesson)
        }  # a submission may have been removed since
        lines = self.db.execute(select(_done).where(_done.c.lesson == lesson)).all()
        self.db.rollback()
        return {
            line.learner: (line.key, restored(json.loads(line.judged)))
            for line in lines
            if (line.learner, line.submission) in there
        }

    def results(self, lesson: str) -> list[Graded]:
        """The results of a class; CourseError where there are none, or some that are too old."""
        kept = [graded for _, graded in self.done(lesson).values()]
        results = [graded for graded in kept if graded is not None]
        old = len(kept) - len(results)
        if not results or old:
            why = f"has {old} results of an earlier grader" if old else "is not graded"
            raise CourseError(f"{lesson} {why}: run `python3 grader autograde {lesson[:2]}` first.")
        return results

    def know(self, learner: str, first: str, last: str, email: str) -> None:
        """Have a learner in the gradebook; what it holds of them already stays."""
        student = self._student(learner)
        student.first_name = student.first_name or first[:128] or None
        student.last_name = student.last_name or last[:128] or None
        student.email = student.email or email[:128] or None
        self.db.commit()

    def number(self, learner: str, number: str, lesson: str = "") -> None:
        """Note by which number a system knows a learner, everywhere or in one lesson only."""
        if not lesson:
            self._student(learner).lms_user_id = number
        else:
            here = (_numbered.c.learner == learner) & (_numbered.c.lesson == lesson)
            self.db.execute(_numbered.delete().where(here))
            line = {"learner": learner, "lesson": lesson, "number": number}
            self.db.execute(_numbered.insert().values(line))
        self.db.commit()

    def numbers(self, lesson: str = "") -> dict[str, str]:
        """Each number, with the learner whom it means: everywhere, or in one lesson."""
        if not lesson:
            known = self.gradebook.students
            return {s.lms_user_id: s.id for s in known if s.lms_user_id}
        lines = self.db.execute(select(_numbered).where(_numbered.c.lesson == lesson)).all()
        return {line.number: line.learner for line in lines}

    def write(
        self, graded: Graded, key: str, timestamp: datetime.datetime | None, attempt: str = ""
    ) -> None:
        """Take one graded submission into the gradebook, whole or not at all.

        attempt : the submission's digest, by which it counts as an attempt; "" for none
        """
        try:
            submission = self._submission(graded, timestamp)
            (notebook,) = [n for n in submission.notebooks if n.name == graded.lesson]
            self._grades(notebook, graded)
            self.db.flush()
            self._penalise(submission)
            here = (_done.c.learner == graded.learner) & (_done.c.lesson == graded.lesson)
            self.db.execute(_done.delete().where(here))
            now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
            line = {
                "learner": graded.learner,
                "lesson": graded.lesson,
                "key": key,
                "submission": submission.id,
                "graded": now,
                "judged": json.dumps(stored(graded)),
            }
            self.db.execute(_done.insert().values(line))
            if attempt:
                line = {"learner": graded.learner, "lesson": graded.lesson, "submission": attempt}
                same = [_attempted.c[name] == value for name, value in line.items()]
                self.db.execute(_attempted.delete().where(*same))
                self.db.execute(_attempted.insert().values(line))
            self.db.commit()
        except BaseException:
            self.db.rollback()
            raise
        self.db.expunge_all()

    def follow(self, lessons: list[str]) -> None:
        """Set due dates, extensions and penalties as the syllabus has them now."""
        there = {assignment.name: assignment for assignment in self.gradebook.assignments}
        for lesson in lessons:
            if lesson in there and lesson in self.syllabus.lessons:
                there[lesson].duedate = self.syllabus.due(lesson)
                for submission in self.gradebook.assignment_submissions(lesson):
                    self._penalise(submission)
        self.db.commit()

    def _penalise(self, submission: SubmittedAssignment) -> None:
        """Take off what lateness costs: by the syllabus, or else by nbgrader's own rule."""
        lesson, learner = submission.assignment.name, submission.student_id
        ruled = lesson in self.syllabus.lessons
        if ruled:
            due, own = self.syllabus.due(lesson), self.syllabus.due(lesson, learner)
            submission.assignment.duedate = due
            submission.extension = own - due if due and own and own != due else None
        seconds = submission.total_seconds_late
        for notebook in submission.notebooks:
            notebook.late_submission_penalty = None
            if seconds > 0:
                self.db.flush()
                self.db.refresh(notebook)
                score = notebook.score
                penalty = (
                    self.syllabus.late.penalty(score, seconds)
                    if ruled
                    else self.late.late_submission_penalty(learner, score, seconds)
                )
                if penalty is not None:
                    notebook.late_submission_penalty = min(max(penalty, 0), score)

    def _student(self, learner: str) -> Student:
        """A learner's entry; made where it is missing."""
        student = self.db.get(Student, learner)
        if student is None:
            student = Student(id=learner)
            self.db.add(student)
        return student

    def _submission(
        self, graded: Graded, timestamp: datetime.datetime | None
    ) -> SubmittedAssignment:
        student = self._student(graded.learner)
        assignment = self.gradebook.find_assignment(graded.lesson)
        submission = self.db.execute(
            select(SubmittedAssignment).where(
                SubmittedAssignment.student_id == graded.learner,
                SubmittedAssignment.assignment_id == assignment.id,
            )
        ).scalar_one_or_none()
        if submission is None:
            submission = SubmittedAssignment(assignment=assignment, student=student)
            for notebook in assignment.notebooks:
                self.db.add(SubmittedNotebook(notebook=notebook, assignment=submission))
            self.db.add(submission)
        if timestamp is not None:
            submission.timestamp = timestamp
        self.db.flush()
        return submission

    def _grades(self, notebook: SubmittedNotebook, graded: Graded) -> None:
        """Set automatic scores and comments; what a person gave stays."""
        grades = {grade.cell_id: grade for grade in notebook.grades}
        comments = {comment.cell_id: comment for comment in notebook.comments}
        points = {row.check: row.points for row in graded.rows}
        for cell in notebook.notebook.grade_cells:
            grade = grades.get(cell.id) or Grade(cell_id=cell.id, notebook=notebook)
            self.db.add(grade)
            grade.auto_score = points.get(cell.name, 0)
            grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None
        for cell in notebook.notebook.solution_cells:
            comment = comments.get(cell.id) or Comment(cell_id=cell.id, notebook=notebook)
            self.db.add(comment)
            comment.auto_comment = "No response." if cell.name in graded.unanswered else None


def attempts(gradebook: Gradebook, lesson: str, learner: str) -> int:
    """How many submissions of a learner were graded here; 0 where nbgrader alone has graded.

    All that were graded before attempts were counted are one.
    """
    if not inspect(gradebook.engine).has_table(_attempted.name):
        return 0
    counts = [
        gradebook.db.execute(
            select(func.count()).where(table.c.learner == learner, table.c.lesson == lesson)
        ).scalar_one()
        for table in (_attempted, _done)
    ]
    gradebook.db.rollback()  # nothing was changed, and no transaction stays open
    return max(counts)


def opened(place: Path, url: str = "") -> Writer:
    """The gradebook of a course folder; made where it is missing."""
    config = course.folder(place.resolve(), url)
    url, name = config.CourseDirectory.db_url, config.CourseDirectory.course_id
    try:
        return Writer(url, name, config, syllabus.read(place))
    except ArgumentError:
        remedy = "write sqlite:///FILE or postgresql://USER@HOST/NAME"
        raise CourseError(f"{url!r} is no address of a database: {remedy}.") from None
    except (DBAPIError, ImportError) as error:
        why = str(getattr(error, "orig", error)).strip().splitlines()[0]
        shown = make_url(url).render_as_string(hide_password=True)
        raise CourseError(f"the gradebook {shown} cannot be opened: {why}") from None
