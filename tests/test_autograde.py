"""Grading a class: what is left behind, what is graded again, and what is said."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

import classroom
from classroom import FULL_POINTS, HALF, HALF_POINTS, LESSON, RIGHT, hand_in, notebook
from grader import course
from grader.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("autograde")]

ENDS = {
    "passed": RIGHT,
    "partly": HALF,
    "failed": {},
    "timed out": {"scale": "while True:\n    pass"},
    "killed": {"scale": "import os\nos._exit(1)"},
    "out of memory": {"scale": "x = bytearray(10**13)"},
    "malformed": "this is not JSON",
    "tampered": None,
}
POINTS = {"passed": FULL_POINTS, "partly": HALF_POINTS, "tampered": FULL_POINTS}


def submissions(place: Path) -> dict[str, Path]:
    """One learner for each way in which a submission can end, named after it."""
    text = classroom.released(place)
    paths = {}
    for end, answers in ENDS.items():
        nb = notebook(text, RIGHT if answers is None else answers) if answers != ENDS[
            "malformed"] else answers  # fmt: skip
        if end == "tampered":
            next(c for c in nb.cells if c.id == "check_scale_1").source = "pass"
        paths[end] = hand_in(place, end, nb)
    return paths


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class that has been graded."""
    place = tmp_path_factory.mktemp("class")
    submissions(place)
    (place / "submitted" / "passed" / LESSON.name / "timestamp.txt").write_text(
        "2026-01-02 03:04:05 UTC"
    )
    classroom.rows(place, "--timeout", "5")
    return place


def rows(place: Path) -> list[dict]:
    return json.loads((place / "rows.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("end", ENDS)
def test_every_submission_ends_as_a_row(place: Path, end: str):
    """Has each submission the outcome that it was made for, and the points it deserves?"""
    assert classroom.outcomes(place)[end] == end
    assert classroom.scores(rows(place))[end] == POINTS.get(end, 0)


def test_rows_say_what_is_asked():
    """Has a row exactly the fields that are promised?"""
    fields = "learner lesson exercise check points max outcome diagnosis"
    from grader.judge import Row

    assert " ".join(Row.__dataclass_fields__) == fields


def test_rows_hold_the_diagnosis(place: Path):
    """Does each failed check's row say why, and each passed one's nothing?"""
    for row in rows(place):
        automatic = row["outcome"] not in ("passed", "by hand")
        assert bool(row["diagnosis"]) == automatic, row


def test_nbgrader_finds_what_it_would_have_made(place: Path):
    """Do nbgrader's own interface and export work on the gradebook, with the same scores?"""
    api = course.nbgrader(place, course.folder(place))
    found = {s["student"]: s for s in api.get_submissions(LESSON.name)}
    assert {who: found[who]["score"] for who in ENDS} == classroom.scores(rows(place))
    assert found["passed"]["timestamp"].startswith("2026-01-02T03:04:05")
    assert all(found[who]["autograded"] for who in ENDS)
    with Gradebook(course.folder(place).CourseDirectory.db_url) as book:
        (nb,) = book.find_submission(LESSON.name, "passed").notebooks
        waiting = [g.name for g in nb.grades if g.needs_manual_grade]
        assert waiting == [cell.name for cell in LESSON.of("answer")]
        (silent,) = book.find_submission(LESSON.name, "failed").notebooks
        comments = {c.name: c.auto_comment for c in silent.comments}
        assert set(comments.values()) == {"No response."}


def test_feedback_tells_and_hides(place: Path):
    """Does feedback hold score, diagnosis and hint, and the text of no hidden check?"""
    page = place / "feedback" / "failed" / LESSON.name / f"{LESSON.name}.html"
    text = page.read_text(encoding="utf-8")
    assert "Score: 0.0" in text and "not written yet" in text and "hint:" in text
    assert "HIDDEN TESTS" not in text


def test_only_what_changed_is_graded_again(place: Path):
    """Is one edited submission graded again, and no other?"""
    before = {who: graded for who, graded in when(place).items()}
    hand_in(place, "failed", notebook(classroom.released(place), HALF))
    assert classroom.scores(classroom.rows(place, "--timeout", "5"))["failed"] == HALF_POINTS
    after = when(place)
    assert [who for who in after if after[who] != before[who]] == ["failed"]
    hand_in(place, "failed", notebook(classroom.released(place), {}))
    classroom.rows(place, "--timeout", "5", "--learner", "failed")
    classroom.rows(place, "--timeout", "5", "--learner", "partly", "--force", "--no-feedback")
    assert when(place)["partly"] != after["partly"]
    assert when(place)["passed"] == before["passed"]


def when(place: Path) -> dict[str, datetime.datetime]:
    """When each submission was graded."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(course.folder(place).CourseDirectory.db_url)
    with engine.connect() as db:
        found = db.execute(sqlalchemy.text("select learner, graded from dropout_autograded"))
        times = {row.learner: row.graded for row in found}
    engine.dispose()
    return times


def test_what_a_person_gave_is_kept(place: Path):
    """Are grades and comments by hand there after grading again, and marked to be reviewed?"""
    url = course.folder(place).CourseDirectory.db_url
    with Gradebook(url) as book:
        (nb,) = book.find_submission(LESSON.name, "partly").notebooks
        grade = next(g for g in nb.grades if g.name == "check_working_questions_1")
        grade.manual_score, grade.needs_manual_grade = 0.5, False
        comment = next(c for c in nb.comments if c.name == "scale")
        comment.manual_comment = "well done"
        book.db.commit()
    classroom.rows(place, "--timeout", "5", "--learner", "partly", "--force", "--no-feedback")
    with Gradebook(url) as book:
        (nb,) = book.find_submission(LESSON.name, "partly").notebooks
        grade = next(g for g in nb.grades if g.name == "check_working_questions_1")
        assert (grade.score, grade.needs_manual_grade) == (0.5, True)
        assert next(c for c in nb.comments if c.name == "scale").comment == "well done"
        grade.manual_score = None
        book.db.commit()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--learner", "nobody"), "no submission of 00_start_here by nobody"),
        (("--db", "nonsense"), "nonsense"),
        (("--scheduler", "tcp://127.0.0.1:1"), "no scheduler answers at tcp://127.0.0.1:1"),
    ],
    ids=["learner", "database", "scheduler"],
)
def test_what_cannot_be_is_said_in_a_sentence(place: Path, options: tuple[str, str], words: str):
    """Is a wrong option answered by a sentence, and not by a traceback?"""
    done = classroom.grade(place, *options)
    assert done.returncode == 1
    assert words in done.stderr and "Traceback" not in done.stderr


def test_an_empty_class_is_told_where_submissions_belong(tmp_path: Path):
    """Is a course without submissions told what `nbgrader collect` would have done?"""
    done = classroom.grade(tmp_path)
    assert done.returncode == 1 and "nbgrader collect" in done.stderr


def test_a_course_in_sight_of_learners_is_refused(tmp_path: Path):
    """Does grading stop, with the remedy, where players would see the class?"""
    place = ROOT / "datasets" / "class-of-a-test"
    try:
        hand_in(place, "ann", notebook(classroom.released(place), RIGHT))
        done = classroom.grade(place)
        assert done.returncode == 1 and "move it elsewhere" in done.stderr
        assert not (place / "autograded").exists()
    finally:
        import shutil

        shutil.rmtree(place)


def test_unsafe_is_said_in_every_report(tmp_path: Path):
    """Is grading without the sandbox noted in the table, the notebook and the feedback?"""
    hand_in(tmp_path, "ann", notebook(classroom.released(tmp_path), RIGHT))
    done = classroom.grade(tmp_path, "--unsafe")
    assert done.returncode == 0 and "without the sandbox" in " ".join(done.stdout.split())
    page = tmp_path / "feedback" / "ann" / LESSON.name / f"{LESSON.name}.html"
    assert "without the sandbox" in page.read_text(encoding="utf-8")


def test_plain_nbgrader_goes_on_with_the_course(place: Path):
    """Can nbgrader's own autograde grade a submission of this course, to the same score?"""
    api = course.nbgrader(place, course.folder(place))
    course.succeed("nbgrader autograde", api.autograde(LESSON.name, "partly"))
    with api.gradebook as book:
        assert book.find_submission(LESSON.name, "partly").score == HALF_POINTS
