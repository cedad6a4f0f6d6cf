"""Graded as it is handed in: each page comes back, scores are autograde's, nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbgrader.utils import notebook_hash

import classroom
from classroom import FULL_POINTS, HALF, LESSON, RIGHT, notebook
from gradebooks import grade, prepared
from grader import course
from grader.grading import watch
from grader.grading.assignment import assign
from grader.grading.autograde import Autograding, Options, Silent
from grader.grading.gradebook import opened
from grader.grading.pools import PATIENCE, Here, Turns
from grader.grading.result import Graded, Row
from grader.grading.syllabus import FILE
from grader.grading.task import Task
from interruption import MARK, processes, wait_for, when
from project import heeds_interrupts

pytestmark = [pytest.mark.slow(minutes=1), pytest.mark.xdist_group("watch")]

SLEEPS = {"scale": "import time\n\n\ndef scale(x, factor):\n    time.sleep(60)"}
FIRST = {"sol": SLEEPS, "ann": RIGHT, "ben": HALF, "cem": {}}
LATER = {"dee": RIGHT, "ben": RIGHT}


def hand_in(place: Path, learner: str, nb: NotebookNode, minute: int) -> Path:
    """Leave a notebook in the exchange as nbgrader's Submit does; where its page will lie."""
    course = place / "exchange" / "dropout"
    when, secret = f"2026-01-02 03:{minute:02}:05.000000 UTC", f"{learner}-{minute}"
    folder = course / "inbound" / f"{learner}+{LESSON.name}+{when}+{secret}"
    folder.mkdir(parents=True)  # piece by piece, as nbgrader does
    (folder / f"{LESSON.name}.ipynb").write_text(json.dumps(nb), encoding="utf-8")
    (folder / "timestamp.txt").write_text(when)
    (folder / "submission_secret.txt").write_text(secret)
    name = notebook_hash(secret=secret, notebook_id=LESSON.name)
    return course / "feedback" / f"{name}.html"


def watching(place: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        classroom.command("watch", "00", "--course", str(place), "--timeout", "4", *options),
        env={**classroom.environment(), MARK: str(place)}, text=True, start_new_session=True,
        preexec_fn=heeds_interrupts, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """Four hand in, one of whom sleeps; the watch is killed; two hand in; it is begun anew."""
    place = tmp_path_factory.mktemp("watched")
    text = classroom.released(place)
    first = watching(place)
    expected = {who: hand_in(place, who, notebook(text, nb), 1) for who, nb in FIRST.items()}
    wait_for(lambda: all(expected[name].exists() for name in ("ann", "ben", "cem")))
    honest_first = not expected["sol"].exists()
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    wait_for(lambda: not processes(place))
    before = when(place)
    later = {who: hand_in(place, who, notebook(text, nb), 2) for who, nb in LATER.items()}
    second = watching(place, "--workers", "1")
    wait_for(lambda: all(page.exists() for page in [*later.values(), expected["sol"]]))
    second.send_signal(signal.SIGINT)
    said, _ = second.communicate(timeout=120)
    yield {
        "place": place, "pages": expected | later, "honest first": honest_first,
        "before": before, "said": said, "code": second.returncode,
    }  # fmt: skip


def test_each_page_comes_back(story: dict):
    """Does each learner get the page of what was handed in last, with its points?"""
    points = {"ann": FULL_POINTS, "dee": FULL_POINTS, "ben": FULL_POINTS, "cem": 0}
    for name, given in points.items():
        text = story["pages"][name].read_text(encoding="utf-8")
        assert f"<strong>{given:g}</strong> of {LESSON.points:g} points" in text, name


def test_who_sleeps_holds_up_nobody(story: dict):
    """Were the pages of all others there while a sleeper's was not?"""
    assert story["honest first"]


def test_scores_are_those_of_autograde(story: dict, tmp_path: Path):
    """Does a class that hands in the same notebooks at once get the same scores?"""
    text = classroom.released(tmp_path)
    for name, answers in (FIRST | LATER).items():
        classroom.hand_in(tmp_path, name, notebook(text, answers))
    alike = classroom.scores(classroom.rows(tmp_path, "--timeout", "4"))
    assert classroom.scores(classroom.rows(story["place"], "--timeout", "4")) == alike


def test_nothing_is_lost_or_done_twice_when_it_is_killed(story: dict):
    """Are those graded before the kill not graded again, and ben, who handed in again, is?"""
    after = when(story["place"])
    assert after.keys() == FIRST.keys() | LATER.keys()
    assert {name for name, time in story["before"].items() if after[name] != time} <= {"ben", "sol"}
    assert after["ben"] != story["before"]["ben"]


def test_it_says_what_it_does(story: dict):
    """Has each notebook its line, and does Ctrl-C end it without a traceback?"""
    assert story["code"] == 0
    assert "Traceback" not in story["said"]
    assert "dee, 00_start_here:" in story["said"] and "waiting for" in story["said"]


def test_a_shared_exchange_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where all may write in it, is each submission taken from the account it names alone?

    `grader watch` then collects as the hub's instructor does: see `test_hub_security.py`.
    """
    from grader.jupyter.exchange import Collect

    for shared in (False, True):
        if shared:
            monkeypatch.setenv("DROPOUT_EXCHANGE", str(tmp_path / "all"))
        config = watch._configuration(Options(tmp_path))
        taker = course.nbgrader(tmp_path, config).exchange.collect
        assert (taker is Collect) is shared


class Overtaken:
    """In place of processes: what was handed in first ends last."""

    def __init__(self, _: int, stopping: threading.Event, *__: object):
        self.stopping = stopping

    def __enter__(self) -> Overtaken:
        return self

    def __exit__(self, *_: object) -> None: ...

    def soon(self, *_: object) -> None: ...

    def run(self, arrivals: watch.Arrivals, _: float) -> Iterator[tuple[Graded, object]]:
        _, first = next(arrivals)
        run, handed_in, _ = first
        hand_in(run.options.place, handed_in.learner, json.loads(handed_in.text), 2)
        arrivals.looked = 0
        _, second = next(arrivals)
        for points, extra in ((1, second), (0, first)):
            row = Row("ann", LESSON.name, "scale", "check_scale_1", points, 1, "passed")
            yield Graded("ann", LESSON.name, "passed", (row,), (), (), "{}", 0, 0), extra
        self.stopping.set()


def test_what_was_handed_in_last_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Does a result stay where an earlier hand-in, which was set aside, ends after it?"""
    place = prepared(tmp_path / "class", assigned=True)
    hand_in(place, "ann", notebook(classroom.released(place), RIGHT), 1)
    monkeypatch.setattr(watch, "Processes", Overtaken)
    watch.watch([LESSON], Options(place), Silent())
    with opened(place) as book:
        ((_, graded),) = book.done(LESSON.name).values()
        assert graded.points == 1
        assert book.gradebook.find_submission(LESSON.name, "ann").timestamp.minute == 2


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[watch.Arrivals]:
    """What comes to a class whose exchange all may write."""
    place = prepared(tmp_path / "class", assigned=True)
    monkeypatch.setenv("DROPOUT_EXCHANGE", str(place / "exchange"))
    options = Options(place)
    config = watch._configuration(options)
    with opened(place) as writer:
        made = assign(LESSON, place, config)
        run = Autograding(LESSON, *made, options, writer, Here(), Silent())
        yield watch.Arrivals([run], course.nbgrader(place, config))


def handed_out(turns: Turns) -> Task:
    """The task whose turn it is, as it came."""
    following = turns.next()
    assert following is not None
    return following[1][0]


def ended(turns: Turns, task: Task, *, late: bool) -> bool:
    """Have a task's turn end, at its deadline or before."""
    graded = Graded(task.learner, task.lesson, "passed", (), (), (), "", 0, 0, late)
    return turns.is_over(task, None, graded)


def test_what_takes_long_is_graded_at_last():
    """Where others hand in without end, does who was set aside get all of the time at last?"""
    bob, *others = [Task(f"{k}", LESSON.name, "", "", b"") for k in range(100)]
    turns = Turns(((task, None) for task in (bob, *others)), endless=True)
    assert ended(turns, handed_out(turns), late=True)
    for _ in range(PATIENCE):
        task = handed_out(turns)
        assert task is not bob and not ended(turns, task, late=False)
    assert turns.next() == (bob, (bob, None))
    assert not ended(turns, bob, late=True) and handed_out(turns) is not bob


def test_what_was_handed_in_before_takes_no_more_time():
    """Is what waits dropped for what its learner hands in after it, whichever ends first?"""
    for order in ((0, 1), (1, 0)):
        tasks = [Task("eve", LESSON.name, "", "", b"") for _ in range(2)]
        turns = Turns(((task, None) for task in tasks), endless=True)
        assert [handed_out(turns) for _ in tasks] == tasks
        for which in order:
            assert ended(turns, tasks[which], late=True)
        assert turns.next() == (tasks[1], (tasks[1], None)) and turns.next() is None


def test_one_of_each_learner_waits(shared: watch.Arrivals, monkeypatch: pytest.MonkeyPatch):
    """Has who hands in again and again one place in the row, and those their turn who had none?"""
    place = shared.runs[0].options.place
    monkeypatch.setattr(watch, "owner", lambda path: path.name.rsplit("+", 3)[0])
    monkeypatch.setattr(shared, "_collect", lambda *_: True)
    for minute, learners in enumerate((["eve", "eva"], ["eve", "bob"], ["eve"])):
        for learner in learners:
            classroom.hand_in(place, learner, f"{minute}")
            hand_in(place, learner, {}, minute)
        shared.looked = 0
        if minute == 0:
            assert [next(shared)[0].learner for _ in learners] == ["eva", "eve"]
        else:
            shared._look()
    assert [(task.learner, task.text) for task, _ in shared] == [("bob", b"1"), ("eve", b"2")]


@pytest.mark.parametrize("known", [False, True])
def test_what_another_leaves_in_a_name_is_nobodys(known: bool, shared: watch.Arrivals):
    """Does a folder that names bob, but is not his, neither stop the watch nor cost him points?"""
    place = shared.runs[0].options.place
    if known:
        (place / "submitted" / "bob" / "11_bernoulli_masks").mkdir(parents=True)
    page = hand_in(place, "bob", notebook(classroom.released(place), RIGHT), 1)
    assert not page.exists() and not [*shared]


def test_what_is_to_be_graded_is_graded_once(
    shared: watch.Arrivals, monkeypatch: pytest.MonkeyPatch
):
    """Is a submission not graded anew for each folder that another leaves in its name?"""
    classroom.hand_in(shared.runs[0].options.place, "bob", "{}")
    monkeypatch.setattr(watch, "owner", lambda path: "bob")
    for minute in (1, 2):
        hand_in(shared.runs[0].options.place, "bob", {}, minute)
        shared.looked = 0
        assert len([*shared]) == (minute == 1)


def test_a_secret_is_short(tmp_path: Path):
    """Is a file that is larger than any secret not read again at each look?"""
    with (tmp_path / course.SECRET).open("wb") as file:
        file.truncate(40 << 20)
    assert not watch._is_whole(tmp_path)


def test_a_secret_that_is_no_file_holds_up_nobody(tmp_path: Path):
    """Is a FIFO or a link, which could be read without end, left for what is not whole?"""
    fifo, link = tmp_path / "a" / course.SECRET, tmp_path / "b" / course.SECRET
    for path in (fifo, link):
        path.parent.mkdir()
    os.mkfifo(fifo)
    (tmp_path / "other").write_text("secret")
    link.symlink_to(tmp_path / "other")

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError):
            fifo.write_text("secret")  # were it opened for reading, this would end

    threading.Thread(target=feed, daemon=True).start()
    assert not watch._is_whole(fifo.parent) and not watch._is_whole(link.parent)
    (fifo.parent / course.SECRET).unlink()
    fifo.write_text("secret")
    assert watch._is_whole(fifo.parent)


def test_as_many_submissions_are_graded_as_the_syllabus_says(tmp_path: Path):
    """Does the one that is too many leave points and notebook, and its learner get a page?

    Does a watch that begins anew take nothing for a further attempt, and refuse nothing twice?
    """
    place = prepared(tmp_path / "class", assigned=True)
    (place / FILE).write_text("[lessons.00]\nattempts = 2\n", encoding="utf-8")
    options, text = Options(place), classroom.released(place)
    config, kept = watch._configuration(options), []
    nb = notebook(text, RIGHT)

    def looked(*learners: str, minute: int) -> list[Path]:
        """A look at the exchange, after these have handed in; all that comes is graded."""
        pages = [hand_in(place, learner, nb, minute) for learner in learners]
        arrivals.looked = 0
        for task, (run, handed_in, key) in arrivals:
            run.keep(Graded(task.learner, LESSON.name, "passed", (), (), (), "{}", 0, 0),
                     handed_in, key)  # fmt: skip
            kept.append((task.learner, handed_in.timestamp.minute))
        return pages

    with opened(place) as writer:
        made = assign(LESSON, place, config)
        run = Autograding(LESSON, *made, options, writer, Here(), Silent())
        arrivals = watch.Arrivals([run], course.nbgrader(place, config))
        first, _ = looked("ann", "bob", minute=1)
        (second,) = looked("ann", minute=2)
        third, fourth = looked("ann", "bob", minute=3)
        assert "Only 2 submissions of this lesson are graded" in third.read_text("utf-8")
        assert not any(path.exists() for path in (first, second, fourth))
        third.write_text("read", encoding="utf-8")
        arrivals = watch.Arrivals([run], course.nbgrader(place, config))
        assert not looked(minute=9) and third.read_text("utf-8") == "read"
        assert kept == [("ann", 1), ("bob", 1), ("ann", 2), ("bob", 3)]
        assert writer.gradebook.find_submission(LESSON.name, "ann").timestamp.minute == 2
    stamp = place / "submitted" / "ann" / LESSON.name / course.STAMP
    assert ":02:" in stamp.read_text()


@pytest.mark.parametrize("secret", [b"\xff", None])
def test_a_submission_too_many_stops_nobody(tmp_path: Path, secret: bytes | None):
    """Where its secret is no text, or went away, is the next learner's notebook graded?"""
    place = prepared(tmp_path / "class", assigned=True)
    (place / FILE).write_text("[lessons.00]\nattempts = 1\n", encoding="utf-8")
    options, nb = Options(place), notebook(classroom.released(place), RIGHT)
    config = watch._configuration(options)
    with opened(place) as writer:
        grade(writer, "eve", 1)
        run = Autograding(LESSON, *assign(LESSON, place, config), options, writer, Here(), Silent())
        arrivals = watch.Arrivals([run], course.nbgrader(place, config))
        hand_in(place, "eve", nb, 1)
        hand_in(place, "ann", nb, 1)
        (file,) = place.glob(f"exchange/*/inbound/eve*/{course.SECRET}")
        whole = watch._is_whole

        def changed(path: Path) -> bool:
            found = whole(path)
            if path == file.parent:
                file.unlink() if secret is None else file.write_bytes(secret)
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(watch, "_is_whole", changed)
            assert [task.learner for task, _ in arrivals] == ["ann"]
        assert not [*place.glob("exchange/*/feedback/*.html")]
