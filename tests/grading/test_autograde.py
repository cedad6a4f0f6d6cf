"""Grading a class: what is left behind, what is graded again, and what is said."""

from __future__ import annotations

import contextlib
import csv
import datetime
import html.parser
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

import classroom
from classroom import FULL_POINTS, HALF, HALF_POINTS, LESSON, RIGHT, Kept, hand_in, notebook
from grader import cli, course
from grader.authoring.lesson import Lesson
from grader.authoring.reading import read
from grader.grading import autograde, feedback, worker
from grader.grading import page as pages
from grader.grading.assignment import assign
from grader.grading.folders import ClassFolder
from grader.grading.gradebook import opened
from grader.grading.result import Graded
from grader.isolation import confinement
from grader.isolation.confinement import Limits
from grader.paths import ROOT, SOLUTIONS

pytestmark = [pytest.mark.slow(minutes=1), pytest.mark.xdist_group("autograde")]

ENDS = {
    "passed": RIGHT,
    "partly": HALF,
    "failed": {},
    "timed out": RIGHT | {"scale": "import time\ntime.sleep(600)"},
    "killed": RIGHT | {"scale": "import os\nos._exit(1)"},
    "out of memory": {"scale": "x = bytearray(10**13)"},
    "malformed": "this is not JSON",
    "tampered": RIGHT,
}
POINTS = {
    "passed": FULL_POINTS,
    "partly": HALF_POINTS,
    "timed out": FULL_POINTS - HALF_POINTS,
    "tampered": FULL_POINTS,
}
WORDS = {
    "failed": "not written yet",
    "timed out": "did not end in 5 s",
    "killed": "the kernel stopped here",
    "malformed": "not a Jupyter notebook",
}
ODD = ["half a character", "the year 99999", "scripts", "a page without end"]
FIELDS = ["learner", "lesson", "exercise", "check", "points", "max", "outcome", "message"]
SCRIPT = "<script>stolen()</script><img src=x onerror=stolen()><a href='javascript:stolen()'>a</a>"


# --- a class that the command has graded ---------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class with a learner for each end of a submission, and for each odd one, graded."""
    place = tmp_path_factory.mktemp("class")
    text = classroom.released(place)
    for end, answers in ENDS.items():
        nb = answers if isinstance(answers, str) else notebook(text, answers)
        if end == "tampered":
            next(c for c in nb.cells if c.id == "check_scale_1").source = "pass"
        hand_in(place, end, nb)
    hand_in(place, "the year 99999", notebook(text, RIGHT))
    nb = notebook(text, RIGHT)
    nb.cells.insert(0, new_markdown_cell("\ud83d"))
    hand_in(place, "half a character", nb)
    endless = RIGHT | {"expectations": "\\begin{a}" * 30_000}
    hand_in(place, "a page without end", notebook(text, endless))
    nb = notebook(text, RIGHT | {"expectations": SCRIPT})
    shows = (
        f"from IPython.display import HTML, display\nprint({SCRIPT!r})\ndisplay(HTML({SCRIPT!r}))"
    )
    nb.cells[1:1] = [new_markdown_cell(SCRIPT), new_code_cell(shows)]
    hand_in(place, "scripts", nb)
    stamp(place, "passed", "2026-01-02 03:04:05 UTC")
    stamp(place, "the year 99999", "99999999999999999999")
    classroom.rows(place, "--timeout", "5")
    (folder(place, "the year 99999") / "timestamp.txt").unlink()  # as its note says
    return place


def folder(place: Path, learner: str) -> Path:
    return place / "submitted" / learner / LESSON.name


def stamp(place: Path, learner: str, text: str) -> None:
    """Say when a learner has handed in."""
    (folder(place, learner) / "timestamp.txt").write_text(text)


def rows(place: Path) -> list[dict[str, Any]]:
    return json.loads((place / "rows.json").read_text(encoding="utf-8"))


def page(place: Path, learner: str) -> Path:
    return ClassFolder(place).page(LESSON.name, learner)


def autograded(place: Path, learner: str) -> Path:
    return ClassFolder(place).notebook("autograded", LESSON.name, learner)


def url(place: Path) -> str:
    return course.folder(place).CourseDirectory.db_url


@pytest.mark.parametrize("end", ENDS)
def test_every_submission_ends_as_a_row(place: Path, end: str):
    """Has each submission the outcome that it was made for, and the points it deserves?"""
    assert classroom.outcomes(place)[end] == end
    assert classroom.scores(rows(place))[end] == POINTS.get(end, 0)
    of_scale = {"partly": "passed", "tampered": "passed"}.get(end, end)
    scale = [row for row in rows(place) if row["learner"] == end and row["exercise"] == "scale"]
    assert {row["outcome"] for row in scale} == {of_scale}
    if end in WORDS:
        assert all(WORDS[end] in row["message"]["found"] for row in scale)


@pytest.mark.parametrize("learner", ODD)
def test_no_submission_stops_the_class(place: Path, learner: str):
    """Is what a learner can leave in the folder a row like any other, with feedback?"""
    assert classroom.scores(rows(place))[learner] == FULL_POINTS
    assert classroom.outcomes(place)[learner] == "passed"
    assert feedback.is_whole(page(place, learner))


def test_rows_hold_what_is_promised(place: Path):
    """Has every row exactly the fields that are promised, and every learner every check?"""
    checks = [c["check"] for c in rows(place) if c["learner"] == "passed"]
    assert sum(check.startswith("check_") for check in checks) == len(LESSON.of("check"))
    for learner in [*ENDS, *ODD]:
        own = [row for row in rows(place) if row["learner"] == learner]
        assert [row["check"] for row in own] == checks
        assert all(list(row) == FIELDS and row["lesson"] == LESSON.name for row in own)


def test_rows_hold_the_message(place: Path):
    """Does each failed check's row say why, by its fields, and each passed one's nothing?"""
    for row in rows(place):
        assert (row["message"] is None) == (row["outcome"] in ("passed", "by hand")), row
        assert row["message"] is None or row["message"]["found"], row
    missed = [row["message"] for row in rows(place) if row["outcome"] == "failed"]
    assert any(all(message[name] for name in ("case", "expected", "hint")) for message in missed)


def test_nbgrader_finds_what_it_would_have_made(place: Path):
    """Does nbgrader's own interface find the same scores, times, and answers to be read?"""
    api = course.nbgrader(place, course.folder(place))
    submissions = {s["student"]: s for s in api.get_submissions(LESSON.name)}
    assert {who: s["score"] for who, s in submissions.items()} == classroom.scores(rows(place))
    assert submissions["passed"]["timestamp"].startswith("2026-01-02T03:04:05")
    assert all(s["autograded"] for s in submissions.values())
    (own,) = api.get_student_submissions("passed")
    assert (own["score"], own["max_score"]) == (FULL_POINTS, LESSON.points)
    with Gradebook(url(place)) as book:
        (nb,) = book.find_submission(LESSON.name, "passed").notebooks
        waiting = [g.name for g in nb.grades if g.needs_manual_grade]
        assert waiting == [cell.name for cell in LESSON.of("answer")]
        (silent,) = book.find_submission(LESSON.name, "failed").notebooks
        assert {c.auto_comment for c in silent.comments} == {"No response."}


def test_nbgrader_exports_the_grades(place: Path):
    """Does `nbgrader export`, with no configuration of ours, write everybody's score?"""
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "export"],
        cwd=place, env=classroom.environment(), capture_output=True, check=True,
    )  # fmt: skip
    with open(place / "grades.csv", encoding="utf-8", newline="") as file:
        exported = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert exported == classroom.scores(rows(place))


def files(place: Path, learner: str) -> dict[str, list[str]]:
    """The files that grading has left for a learner."""
    steps = ("autograded", "feedback")
    return {s: sorted(p.name for p in (place / s / learner).rglob("*.*")) for s in steps}


def test_plain_nbgrader_goes_on_with_the_course(place: Path):
    """Does nbgrader see what it has to grade itself, and leave the same files and score?"""
    api, ours = course.nbgrader(place, course.folder(place)), files(place, "passed")
    graded = autograded(place, "passed")
    before = graded.read_bytes()
    course.succeed("autograde", api.autograde(LESSON.name, "passed", force=False))
    assert graded.read_bytes() == before, "graded again though nothing has changed"
    stamp(place, "passed", "2026-01-03 03:04:05 UTC")
    course.succeed("autograde", api.autograde(LESSON.name, "passed", force=False))
    assert graded.read_bytes() != before, "what was handed in later is not graded"
    with api.gradebook as book:
        assert book.find_submission(LESSON.name, "passed").score == FULL_POINTS
    course.succeed("feedback", api.generate_feedback(LESSON.name, "passed"))
    assert files(place, "passed") == ours


def test_feedback_tells(place: Path):
    """Does feedback hold the score, and what a check found and hinted, as fields?"""
    text = page(place, "failed").read_text(encoding="utf-8")
    assert f"<strong>0</strong> of {LESSON.points} points" in text
    assert (
        "<dt>found</dt><dd class='found'>not written yet</dd>" in text and "<dt>hint</dt>" in text
    )
    assert f"<strong>{HALF_POINTS}</strong> of" in page(place, "partly").read_text(encoding="utf-8")


def test_plain_nbgrader_writes_the_same_page(place: Path):
    """Is what `nbgrader generate_feedback` makes of a graded notebook our page, to the letter?"""
    before = page(place, "partly").read_text(encoding="utf-8")
    page(place, "partly").unlink()
    api = course.nbgrader(place, course.folder(place))
    course.succeed("feedback", api.generate_feedback(LESSON.name, "partly"))
    assert page(place, "partly").read_text(encoding="utf-8") == before


def test_a_page_of_plain_nbgrader_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """Where a text takes a page for ever, do the points come without it, in Formgrader too?"""
    monkeypatch.setattr(feedback, "SECONDS", 1)
    monkeypatch.setattr(pages, "page", lambda *_: max(itertools.count()))
    marks = pages.Grades({"check_scale_1": pages.Grade(2, 3)})
    told, fault = feedback.bounded(new_notebook(), "00_start_here", marks)
    assert "more than 1 s" in fault
    assert "<strong>2</strong> of 3 points" in told and "check_scale_1" in told
    assert told.rstrip().endswith("</html>")


class Active(html.parser.HTMLParser):
    """Collects what of a page a browser would run or follow, and what it would show."""

    def __init__(self, text: str):
        super().__init__()
        self.active, self.shown, self.inside = [], [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.active += [v or "" for k, v in attrs if k.startswith("on") or k in ("href", "src")]
        if tag in ("script", "style"):
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.inside and tag == self.inside[-1]:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        (self.active if self.inside else self.shown).append(data)


def test_what_a_learner_wrote_cannot_act_in_feedback(place: Path):
    """Is a script that was printed, displayed or written in a text shown, and never run?"""
    parts = Active(page(place, "scripts").read_text(encoding="utf-8"))
    assert any("stolen" in text for text in parts.shown), "the test shows nothing"
    assert not [text for text in parts.active if "stolen" in text]


# --- a small class, graded in this process -------------------------------------------------


class Told(autograde.Silent):
    """Notes who is graded, and whose feedback is written."""

    def __init__(self):
        self.anew: list[str] = []
        self.notes: list[str] = []
        self.pages = 0

    def graded(self, graded: Graded) -> None:
        self.anew.append(graded.learner)
        self.notes += graded.notes

    def advance(self, fault: str) -> None:
        assert not fault
        self.pages += 1


@pytest.fixture(scope="module", autouse=True)
def processes() -> Iterator[None]:
    """The processes from which players are forked are ended with the module."""
    yield
    worker.close()


def again(place: Path, lesson: Lesson = LESSON, *, feedback: bool = False, **more: Any) -> Told:
    """Grade a class in this process; who was graded anew."""
    told, limits = Told(), Limits(check=5, submission=25)
    chosen = autograde.Options(place, limits=limits, feedback=feedback, **more)
    results = autograde.autograde([lesson], chosen, told, Kept())
    assert len(results) == len(chosen.learners or list((place / "submitted").iterdir()))
    return told


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("small")


@pytest.fixture
def few(small: Path) -> Path:
    """A graded class of three: right, half right, and unwritten."""
    for learner, answers in (("ann", RIGHT), ("ben", HALF), ("cem", {})):
        hand_in(small, learner, notebook(classroom.released(small), answers))
        stamp(small, learner, "2026-01-02 03:04:05 UTC")
    again(small)
    assert again(small).anew == []
    return small


@pytest.mark.parametrize(
    ("change", "learner"),
    [
        (lambda p: hand_in(p, "ann", notebook(classroom.released(p), {})), "ann"),
        (lambda p: stamp(p, "ben", "2026-01-04 00:00:00 UTC"), "ben"),
        (lambda p: autograded(p, "cem").unlink(), "cem"),
    ],
    ids=["other answers", "handed in once more", "its graded notebook is gone"],
)
def test_only_what_changed_is_graded_again(few: Path, change: Callable, learner: str):
    """Is exactly the submission graded again whose text, time or graded notebook changed?"""
    change(few)
    assert again(few).anew == [learner]
    assert again(few).anew == []
    done = course.nbgrader(few, course.folder(few)).get_autograded_students(LESSON.name)
    assert done == {"ann", "ben", "cem"}, "nbgrader takes somebody for ungraded"


def test_a_time_that_stops_nbgrader_is_pointed_out(few: Path):
    """Is the instructor told of a time of handing in at which nbgrader's commands stop?"""
    stamp(few, "ben", "soon")
    assert ["timestamp.txt" in note for note in again(few).notes] == [True]
    with pytest.raises(ValueError, match="soon"):
        course.nbgrader(few, course.folder(few)).get_autograded_students(LESSON.name)
    (folder(few, "ben") / "timestamp.txt").unlink()
    assert again(few).notes == []


def test_all_lessons_are_graded_though_one_has_no_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """Is it told which lesson nobody has handed in, and the other one graded?"""
    monkeypatch.setattr(autograde, "_pool", lambda *_: contextlib.nullcontext(Kept()))
    hand_in(tmp_path, "ann", "{}")
    words = ["autograde", "11", "00", "--course", str(tmp_path), "--no-feedback"]
    assert cli.main(words) == 0
    assert "no submission of 11_bernoulli_masks." in capsys.readouterr().out
    assert classroom.outcomes(tmp_path) == {"ann": "malformed"}
    assert "by ben in" in refused(capsys, *words[1:], "--learner", "ann", "ben")


def test_force_and_learner_say_who_is_graded(few: Path):
    """Does --force grade all again, and --learner nobody else?"""
    assert again(few, force=True).anew == ["ann", "ben", "cem"]
    assert again(few, force=True, learners=("cem", "ann")).anew == ["ann", "cem"]
    hand_in(few, "ann", notebook(classroom.released(few), {}))
    assert again(few, learners=("ben",)).anew == []


def rewritten(place: Path, old: str, new: str) -> Lesson:
    """The lesson with another text, among the others, to which it refers."""
    solutions = shutil.copytree(SOLUTIONS, place / "solutions")
    path = solutions / f"{LESSON.name}.py"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return read(path)


def test_another_lesson_is_another_task(few: Path, tmp_path: Path):
    """Is everybody graded again when the lesson changes, and as before when it changes back?"""
    other = rewritten(tmp_path, "the check wants 3 times", "it wants 3 times")
    assert again(few, other).anew == ["ann", "ben", "cem"]
    assert again(few, other).anew == []
    assert again(few).anew == ["ann", "ben", "cem"]


def score_shown(place: Path, learner: str) -> bool:
    """Whether feedback shows the score of the gradebook."""
    with Gradebook(url(place)) as book:
        score = book.find_submission(LESSON.name, learner).score
    shown = page(place, learner).read_text(encoding="utf-8")
    return f"<strong>{score:g}</strong> of " in shown and shown.rstrip().endswith("</html>")


def test_feedback_is_never_of_an_earlier_grading(few: Path):
    """Is old feedback renewed, where a run ended before it or was told to leave it out?"""
    again(few, feedback=True)
    hand_in(few, "ann", notebook(classroom.released(few), {}))
    assert again(few).pages == 0
    assert not page(few, "ann").exists(), "feedback of an earlier answer is handed out"
    told = again(few, feedback=True)
    assert (told.anew, told.pages) == ([], 1)
    assert score_shown(few, "ann")


def test_half_a_page_of_feedback_is_written_anew(few: Path):
    """Is feedback whole again that a killed run had left half written?"""
    again(few, feedback=True)
    text = page(few, "ben").read_text(encoding="utf-8")
    page(few, "ben").write_text(text[: len(text) // 2], encoding="utf-8")
    told = again(few, feedback=True)
    assert (told.anew, told.pages) == ([], 1)
    assert score_shown(few, "ben")


def test_what_a_person_gave_is_kept(few: Path):
    """Are grades and comments by hand there after grading again, and marked to be reviewed?"""
    with Gradebook(url(few)) as book:
        (nb,) = book.find_submission(LESSON.name, "ben").notebooks
        given = {"check_message_1": 0.5, "expectations": 1.0}
        for mark in nb.grades:
            mark.manual_score = given.get(mark.name)
            mark.needs_manual_grade = False
            mark.extra_credit = 0.25 if mark.name == "check_scale_1" else None
        next(c for c in nb.comments if c.name == "scale").manual_comment = "well done"
        book.db.commit()
    again(few, force=True, learners=("ben",), feedback=True)
    with Gradebook(url(few)) as book:
        submission = book.find_submission(LESSON.name, "ben")
        assert submission.score == HALF_POINTS + 0.5 + 1 + 0.25
        (nb,) = submission.notebooks
        assert {g.name for g in nb.grades if g.needs_manual_grade} == set(given)
        assert next(c for c in nb.comments if c.name == "scale").comment == "well done"
    assert "well done" in page(few, "ben").read_text(encoding="utf-8")


def test_who_is_late_pays_what_nbgrader_takes(few: Path, monkeypatch: pytest.MonkeyPatch):
    """Is the penalty of nbgrader's plugin taken off, from those who are late and no others?"""
    configuration = course.configuration

    def strict(root: Path) -> Any:
        config = configuration(root)
        config.LateSubmissionPlugin.penalty_method = "zero"
        return config

    def penalties() -> dict[str, float]:
        with Gradebook(url(few)) as book:
            return {s.student_id: s.late_submission_penalty for s in
                    book.assignment_submissions(LESSON.name)}  # fmt: skip

    monkeypatch.setattr(course, "configuration", strict)
    stamp(few, "ann", "2026-01-09 00:00:00 UTC")
    with Gradebook(url(few)) as book:
        due = datetime.datetime(2026, 1, 5)
        book.update_or_create_assignment(LESSON.name, duedate=due)
    try:
        again(few, force=True)
        ours = penalties()
        assert ours == {"ann": FULL_POINTS, "ben": 0, "cem": 0}
        api = course.nbgrader(few, course.folder(few))
        course.succeed("autograde", api.autograde(LESSON.name, "ann"))
        assert penalties() == ours
    finally:
        with Gradebook(url(few)) as book:
            book.update_or_create_assignment(LESSON.name, duedate=None)


def test_results_of_an_earlier_grader_are_graded_anew(few: Path, capsys: pytest.CaptureFixture):
    """Is a row that another grader has stored no crash of the report, and graded again?"""
    with opened(few) as book:
        row = {"learner": "ben", "lesson": LESSON.name, "check": "x", "diagnosis": "four lines"}
        text = json.dumps({"learner": "ben", "rows": [row], "notes": [], "unanswered": []})
        change = "update dropout_autograded set judged = :text where learner = 'ben'"
        book.db.execute(sqlalchemy.text(change), {"text": text})
        book.db.commit()
    assert cli.main(["report", "00", "--course", str(few)]) == 1
    assert "has 1 results of an earlier grader" in capsys.readouterr().err
    assert again(few).anew == ["ben"]
    with opened(few) as book:
        assert len(book.results(LESSON.name)) == 3


def test_grading_in_the_sandbox_is_no_repeat_of_grading_without(few: Path):
    """Is what was graded without the sandbox graded again with it?"""
    assert again(few, isolation="none").anew == ["ann", "ben", "cem"]
    assert again(few).anew == ["ann", "ben", "cem"]


# --- other classes, graded in this process -------------------------------------------------


FORMER = read(SOLUTIONS / "13_inverted_dropout.py")


def test_a_submission_of_the_first_edition_is_graded(tmp_path: Path):
    """Does what was handed in under a lesson's former name count, where there is nothing newer?"""
    right = {c.name: c.source for c in FORMER.cells if c.kind in ("exercise", "answer")}
    released = assign(FORMER, tmp_path, course.folder(tmp_path))[0]
    folder = ClassFolder(tmp_path)
    for learner, name, answers in [
        ("old", FORMER.former, right),
        ("both", FORMER.former, right),
        ("both", FORMER.name, {}),
    ]:
        path = folder.notebook("submitted", name, learner)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook(released, answers)), encoding="utf-8")
    told = again(tmp_path, FORMER, feedback=True)
    full = sum(cell.points for cell in FORMER.of("check"))
    with opened(tmp_path) as book:
        scores = {graded.learner: graded.points for graded in book.results(FORMER.name)}
    assert scores == {"old": full, "both": 0}
    assert told.notes == [f"handed in as {FORMER.former}, the lesson's name in the first edition"]
    assert folder.notebook("autograded", FORMER.name, "old").exists()
    assert folder.page(FORMER.name, "old").exists()
    assert again(tmp_path, FORMER).anew == []


HIDDEN = '''# %% check="scale" points=1 hidden=true
# A hidden check: a large number.
large_secret = 4711.0
with expect.case("scale of a large number"):
    expect.close(scale(np.array([large_secret]), 2), np.array([9422.0]), hint="any number.")

# %% mistakes="scale"'''


def test_feedback_never_shows_a_hidden_check(tmp_path: Path):
    """Is no line of a hidden check in the feedback of those who fail it, in whatever way?"""
    lesson = rewritten(tmp_path, '# %% mistakes="scale"', HIDDEN)
    place = tmp_path / "class"
    released = assign(lesson, place, course.folder(place))[0]
    raises = "def scale(x, factor):\n    raise ValueError(x)"
    endless = "import time\ndef scale(x, factor):\n    time.sleep(600)"
    wrong = {"added": "def scale(x, factor):\n    return x + factor", "raises": raises}
    for learner, answer in (wrong | {"never ends": endless, "empty": ""}).items():
        hand_in(place, learner, notebook(released, {"scale": answer}))
    again(place, lesson, feedback=True)
    for learner in [p.name for p in (place / "submitted").iterdir()]:
        shown = page(place, learner).read_text(encoding="utf-8")
        assert "check_scale_3" in shown, "the hidden check is not even mentioned"
        assert "large_secret" not in shown and "9422.0])" not in shown, learner


# --- what is said ---------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What the command says where it grades nothing."""
    assert cli.main(["autograde", *options]) == 1
    sentence = capsys.readouterr().err
    assert "Traceback" not in sentence and len(sentence.splitlines()) == 1
    return sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--learner", "nobody", "noone"), "no submission of 00_start_here by nobody, noone"),
        (("--db", "nonsense"), "'nonsense' is no address of a database"),
        (("--db", "postgresql://me:secret@127.0.0.1:1/x"), "me:***@127.0.0.1:1/x cannot be opened"),
        (("--json", "/nowhere/rows.json"), "/nowhere/rows.json cannot be written"),
        (("--json", "/"), "/ cannot be written"),
    ],
    ids=["learner", "database", "server", "folder of the rows", "file of the rows"],
)
def test_what_cannot_be_is_said_in_a_sentence(
    options: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Is a wrong option answered by a sentence before anything is graded?"""
    hand_in(tmp_path, "ann", "{}")
    sentence = refused(capsys, "00", "--course", str(tmp_path), *options)
    assert words in sentence and "secret" not in sentence
    assert not (tmp_path / "autograded").exists()


@pytest.mark.parametrize("value", ["nan", "-1", "0", "inf", "soon"])
def test_a_time_that_is_none_is_refused(value: str, capsys: pytest.CaptureFixture[str]):
    """Is a limit refused that is no number of seconds?"""
    with pytest.raises(SystemExit):
        cli.main(["autograde", "00", "--timeout", value])
    assert "--timeout" in capsys.readouterr().err


def test_an_unknown_lesson_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Is a lesson that is not there answered with those that are?"""
    sentence = refused(capsys, "77", "--course", str(tmp_path))
    assert "'77'" in sentence and LESSON.name in sentence


def test_an_empty_class_is_told_where_submissions_belong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Is a wrong folder told what `nbgrader collect` would have done, and left as it is?"""
    missing, file = tmp_path / "missing", tmp_path / "file"
    file.touch()
    for place in (missing, file, tmp_path):
        assert "nbgrader collect" in refused(capsys, "00", "--course", str(place))
    assert not missing.exists() and list(tmp_path.iterdir()) == [file]


def test_a_name_that_no_gradebook_can_hold_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Is a folder whose name is no text pointed out, with what to do?"""
    (tmp_path / "submitted" / os.fsdecode(b"jos\xe9") / LESSON.name).mkdir(parents=True)
    assert "rename it" in refused(capsys, "00", "--course", str(tmp_path))


# --- where there is no sandbox ---------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what players need, from which they are forked; the class is graded in here."""
    for name in ("grader", "lessons/dropoutlab", "datasets"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.setattr(worker, "ROOT", tmp_path)
    monkeypatch.setattr(autograde, "_pool", lambda *_: contextlib.nullcontext(Kept()))
    return tmp_path


def nothing_is_graded(place: Path, capsys: pytest.CaptureFixture[str], words: str) -> None:
    hand_in(place, "ann", notebook(classroom.released(place), RIGHT))
    assert cli.main(["autograde", "00", "--course", str(place)]) == 1
    message = capsys.readouterr().err
    assert message.startswith("no sandbox here: ") and words in message
    assert "python3 grader doctor" in message and "--unsafe" in message, "no remedy"
    assert not (place / "autograded").exists() and classroom.outcomes(place) == {}


def test_a_course_in_sight_of_learners_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]):
    """Does grading stop, with the remedy, where players would see the class?"""
    nothing_is_graded(copy / "datasets" / "class", capsys, "move it elsewhere")


def test_without_a_sandbox_nothing_runs_unless_it_is_said(
    copy: Path, capsys: pytest.CaptureFixture[str]
):
    """Without namespaces: is nothing graded, and with --unsafe is that said in every report?"""
    code = Path(confinement.__file__).relative_to(ROOT)
    with open(copy / code, "a", encoding="utf-8") as file:
        file.write("\n\ndef prepare(*_):\n    raise Unavailable('no user namespaces')\n")
    place = copy / "class"
    nothing_is_graded(place, capsys, "no user namespaces")
    assert cli.main(["autograde", "00", "--course", str(place), "--unsafe"]) == 0
    warning = "without the sandbox"
    assert warning in " ".join(capsys.readouterr().out.split())
    assert warning in page(place, "ann").read_text(encoding="utf-8")
    assert warning in autograded(place, "ann").read_text(encoding="utf-8")
    assert classroom.outcomes(place) == {"ann": "passed"}
