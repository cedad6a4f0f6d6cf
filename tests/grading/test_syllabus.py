"""Does what is graded, told and exported follow the syllabus?"""

from __future__ import annotations

import csv
import datetime
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import classroom
from classroom import HALF, HALF_POINTS, LESSON, RIGHT, Kept
from fuzz import fuzzed
from gradebooks import grade, prepared
from grader import cli, course
from grader.errors import CourseError
from grader.grading import standing, worker
from grader.grading.autograde import Options, Silent, autograde
from grader.grading.gradebook import opened
from grader.grading.syllabus import DAY, FILE, Late, Syllabus, Term, read

DUE = datetime.datetime(2026, 10, 5, 12)
HOUR = datetime.timedelta(hours=1)
RULES = """
zone = "UTC"
pass = 50
[late]
grace = 15
per_day = 10
days = 7
[lessons.00]
due = 2026-10-05T12:00:00
weight = 2
pass = 25
[lessons.11_bernoulli_masks]
"""
EXTENDED = RULES + "[extensions.cy]\n00 = 2026-10-06T12:00:00\n"


def write(place: Path, text: str) -> None:
    (place / FILE).write_text(text, encoding="utf-8")


def text(place: Path, text: str) -> Syllabus:
    write(place, text)
    return read(place)


rules = st.builds(
    Late,
    grace=st.floats(0, 600),
    per_day=st.floats(0, 200),
    most=st.floats(0, 200),
    days=st.floats(0, 30) | st.just(math.inf),
)


@fuzzed()
@given(rules, st.floats(0, 50), st.floats(0, 4e6), st.floats(0, 4e6))
def test_a_penalty_is_a_part_of_the_score(rule: Late, score: float, some: float, more: float):
    """Is it between nothing and the score, nothing within the grace, and no less for later?"""
    some, more = sorted((some, more))
    assert 0 <= rule.penalty(score, some) <= rule.penalty(score, more) <= score * (1 + 1e-12)
    assert rule.penalty(score, 0) == rule.penalty(score, 60 * rule.grace) == 0


@pytest.mark.parametrize(("days", "lost"), [(0.001, 1), (1, 1), (1.001, 2), (3, 3), (4.5, 10)])
def test_each_day_that_has_begun_counts(days: float, lost: float):
    """Of ten points, is a tenth lost a day up to the most, and all when it is too late?"""
    assert Late(per_day=10, most=30, days=4).penalty(10, days * DAY) == pytest.approx(lost)


@pytest.mark.parametrize(("time", "utc"), [
    ("2026-10-05T12:00:00", "2026-10-05 10:00:00"), ("2026-12-05", "2026-12-05 22:59:59"),
    ("2026-10-05T12:00:00Z", "2026-10-05 12:00:00"),
    ("2026-10-05T12:00:00-04:00", "2026-10-05 16:00:00"),
])  # fmt: skip
def test_a_time_is_that_of_the_class(time: str, utc: str, tmp_path: Path):
    """Is a time in the zone of the syllabus, summer and winter, unless it says another?"""
    rules = text(tmp_path, f'zone = "Europe/Berlin"\n[lessons.00]\ndue = {time}\n')
    assert str(rules.due(LESSON.name)) == utc


def test_a_time_is_told_by_the_clocks_of_the_class(tmp_path: Path):
    """Is a due date told in the zone of the syllabus, which is named?"""
    rules = text(tmp_path, 'zone = "Asia/Tokyo"\n[lessons.00]\ndue = 2026-10-05T12:00:00\n')
    assert rules.local(rules.due(LESSON.name)) == "Monday, 5 October 2026, 12:00 JST"


@pytest.mark.parametrize(("wrong", "told"), [
    ("pass = ", "cannot be read"), ("pas = 1", "pas means nothing"),
    ("pass = 101", "from 0 to 100"), ("pass = true", "from 0 to 100"),
    ('zone = "Berlin"', "zone = 'Berlin'"), ('zone = "Europe"', "zone = 'Europe'"),
    ('zone = "America/Lima"\n[lessons.00]\ndue = 9999-12-31', "is no time"),
    ("[lessons.00]\n[lessons.00_start_here]", "is there twice"),
    ("[lessons.00]\ndue = 2026-10-05\n[extensions.ada]\n00 = 2026-10-06\n"
     "00_start_here = 2026-10-07", "extensions.ada: 00_start_here is there twice"),
    ("[lessons.00]\nweight = inf", "from 0 to 10000"),
    ("late = 3", "late is a table"), ("[late]\nper_day = -1", "late.per_day = -1"),
    ("[late]\nper_day = nan", "late.per_day = nan"), ("[lessons]\n00 = 3", "00 is a table"),
    ("[lessons.99]", "no lesson is called"), ("[lessons.1]", "1 means"),
    ('[lessons.00]\ndue = "tomorrow"', "is no time"), ("[lessons.00]\ndu = 1", "lessons.00.du"),
    ("[lessons.00]\n[extensions.ada]\n00 = 2026-10-05", "has no due date"),
    ("[lessons.00]\nattempts = 0", "whole number from 1"),
    ("[lessons.00]\nattempts = true", "whole number from 1"),
    ("[lessons.00]\nattempts = 1.5", "whole number from 1"),
    ('[lessons.00]\nshows = "nothing"', "lessons.00.shows = 'nothing'"),
])  # fmt: skip
def test_a_slip_is_told_in_one_sentence(wrong: str, told: str, tmp_path: Path):
    """Is it said what is wrong and where, so that no grade follows from half a syllabus?"""
    with pytest.raises(CourseError) as error:
        text(tmp_path, wrong)
    said = str(error.value)
    assert told in said and FILE in said and len(said.splitlines()) == 1


def test_the_gradebook_follows(tmp_path: Path):
    """Are due date, extension and penalty nbgrader's own, and those of the file as it is now?"""
    place = prepared(tmp_path / "class", assigned=True)
    whens = {"ada": DUE, "bo": DUE + HOUR / 5, "cy": DUE + 20 * HOUR, "di": DUE + 25 * HOUR}

    def penalties() -> dict[str, float]:
        with opened(place) as book:
            book.follow([LESSON.name])
            return {of: score.penalty for (of, _), score in standing.scores(book, [LESSON]).items()}

    write(place, EXTENDED)
    with opened(place) as book:
        for learner, when in whens.items():
            grade(book, learner, 1, when)
        submission = book.gradebook.find_submission(LESSON.name, "cy")
        assert submission.duedate == DUE + 24 * HOUR and not submission.total_seconds_late
        assert book.gradebook.find_submission(LESSON.name, "ada").duedate == DUE
        there = {of: s.penalty for (of, _), s in standing.scores(book, [LESSON]).items()}
    assert there == pytest.approx({"ada": 0, "bo": 0, "cy": 0, "di": 0.2})
    assert penalties() == there
    write(place, RULES)
    assert penalties() == pytest.approx(there | {"cy": 0.1})
    write(place, "[lessons.00]\n")
    assert not any(penalties().values())


def test_without_a_syllabus_nbgraders_own_dates_stay(tmp_path: Path):
    """Is a due date that was set in Formgrader left alone where no syllabus names the lesson?"""
    place = prepared(tmp_path / "class", assigned=True)
    with opened(place) as book:
        book.gradebook.find_assignment(LESSON.name).duedate = DUE
        book.db.commit()
        grade(book, "ada", 1, DUE + 48 * HOUR)
        book.follow([LESSON.name])
        submission = book.gradebook.find_submission(LESSON.name, "ada")
        assert submission.total_seconds_late == 48 * 3600 and read(place) == Syllabus()


def test_a_change_of_terms_is_a_reason_to_grade_again():
    """Does the page with the penalty become old when, and only when, the learner's terms change?"""
    late, name = Late(per_day=10), LESSON.name
    plain = Syllabus({name: Term(DUE)}, late)
    more = Syllabus({name: Term(DUE)}, late, {("cy", name): DUE + HOUR})
    assert plain.key(name, "cy") != more.key(name, "cy")
    assert plain.key(name, "ada") == more.key(name, "ada") != ""
    quiet = Syllabus({name: Term(DUE, shows="points")}, late)
    assert quiet.key(name, "ada") != plain.key(name, "ada")
    assert Syllabus({name: Term(DUE, attempts=1)}, late).key(name, "ada") == plain.key(name, "ada")
    assert Syllabus().key(name, "ada") == "" == plain.key("11_bernoulli_masks", "ada")


@fuzzed()
@given(st.lists(st.tuples(st.floats(0.1, 5), st.floats(0, 1)), min_size=1, max_size=2))
def test_a_total_is_a_weighted_mean(parts: list[tuple[float, float]]):
    """Is the total the mean of the shares by weight, whatever the points of a lesson?"""

    lessons = LESSONS[: len(parts)]

    class Book:
        syllabus = Syllabus(
            {it.name: Term(None, w) for it, (w, _) in zip(lessons, parts, strict=True)}
        )

    there = {
        ("ada", it.name): standing.Score(share * it.points, 0, False, False)
        for it, (_, share) in zip(lessons, parts, strict=True)
    }
    wanted = 100 * sum(w * s for w, s in parts) / sum(w for w, _ in parts)
    got = standing.total(Book(), lessons, there, "ada", DUE)
    assert got == pytest.approx(wanted, abs=1e-6)


def test_who_has_as_much_as_is_asked_has_passed():
    """Is a total that fractions leave a little below 60 (59.99999999999999) enough for 60?"""
    total = 100 * (7 / 10 + 7 / 10 + 10 / 25) / 3
    assert total < 60 and standing.reaches(total, 60)
    assert not standing.reaches(59.9999, 60)


OTHER = type(LESSON)(LESSON.path.with_name("11_bernoulli_masks.py"), "x", LESSON.cells)
LESSONS = [LESSON, OTHER]


def test_what_is_not_due_counts_for_nobody():
    """Does a lesson that is not handed in count from its due date on, an extension's for one?"""

    class Book:
        syllabus = Syllabus(
            {LESSON.name: Term(), OTHER.name: Term(DUE)},
            extensions={("cy", OTHER.name): DUE + HOUR},
        )

    full = standing.Score(LESSON.points, 0, False, False)
    there = {("ada", LESSON.name): full, ("cy", LESSON.name): full}

    def total(learner: str, now: datetime.datetime) -> float | None:
        return standing.total(Book(), LESSONS, there, learner, now)

    before, after = DUE - HOUR, DUE + HOUR / 2
    assert total("ada", before) == 100 and total("ada", after) == 50
    assert total("cy", after) == 100 and total("cy", DUE + 2 * HOUR) == 50
    assert total("eve", before) == 0 and standing.total(Book(), [OTHER], {}, "x", before) is None


@pytest.mark.slow
def test_a_class_from_its_syllabus_to_its_table(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Do assign, autograde, report and export all follow it, and the learner's page too?"""
    place = prepared(tmp_path / "class", assigned=True)
    write(place, EXTENDED)
    of = ["--course", str(place)]
    assert cli.main(["assign", "00", *of]) == 0
    said = capsys.readouterr().out
    assert "weight 2, due Monday, 5 October 2026" in said and "cy has until Tuesday" in said
    for learner in ("bo", "cy"):
        nb = classroom.notebook(classroom.released(place), HALF)
        stamp = classroom.hand_in(place, learner, nb).with_name("timestamp.txt")
        stamp.write_text(f"{DUE + 12 * HOUR} UTC", encoding="utf-8")
    classroom.rows(place)
    page = (place / "feedback" / "bo" / LESSON.name / f"{LESSON.name}.html").read_text("utf-8")
    assert "points were taken off, as it came late" in page
    capsys.readouterr()
    assert cli.main(["report", "00", *of, "--html", str(tmp_path / "r.html")]) == 0
    told = capsys.readouterr().out
    assert "Late: bo." in told and "Passed (25 %" in told
    assert "Late: bo." in (tmp_path / "r.html").read_text("utf-8")
    file = tmp_path / "t.csv"
    assert cli.main(["export", "all", "--to", "csv", "--file", str(file), *of]) == 0
    bo, cy = csv.DictReader(file.read_text("utf-8").splitlines())
    column = f"{LESSON.name} (of {LESSON.points})"
    assert float(cy[column]) == HALF_POINTS and cy["penalties"] == "0"
    assert float(bo[column]) == pytest.approx(0.9 * HALF_POINTS)
    assert len([c for c in bo if "(of " in c]) == 2  # the lessons of the syllabus, not all


@pytest.fixture
def players() -> Iterator[None]:
    """The process from which players are forked is ended with the test."""
    yield
    worker.close()


@pytest.mark.slow
def test_a_page_says_what_the_syllabus_lets_it(tmp_path: Path, players: None):
    """Does it say which submission it is, and of a failed check no more than that, either way?

    Where the lesson is graded again, is that no further attempt?
    """
    place = prepared(tmp_path / "class", assigned=True)
    released, of = classroom.released(place), f"bo/{LESSON.name}/{LESSON.name}"
    page = place / "feedback" / f"{of}.html"

    def told(*, again: bool = False) -> str:
        """What the page says when the class is graded, in this process."""
        autograde([LESSON], Options(place, force=again), Silent(), Kept())
        return page.read_text("utf-8")

    write(place, '[lessons.00]\nattempts = 3\nshows = "points"\n')
    for which, answers in enumerate((RIGHT, {}, HALF), 1):
        classroom.hand_in(place, "bo", classroom.notebook(released, answers))
        assert f"Submission {which} of 3." in told()
        if which == 2:
            assert "Submission 2 of 3." in told(again=True)
    last = page.read_text("utf-8")
    assert "✗" in last and "<dt>" not in last
    page.unlink()
    api = course.nbgrader(place, course.folder(place))
    course.succeed("feedback", api.generate_feedback(LESSON.name, "bo"))
    assert page.read_text("utf-8") == last
    write(place, "[lessons.00]\n")
    open_page = told()
    assert "<dt>hint</dt>" in open_page and "Submission" not in open_page
