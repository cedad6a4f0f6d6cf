"""A run that is stopped, by whatever means, leaves nothing half done and goes on afterwards."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

import classroom
from classroom import LESSON, hand_in, notebook
from grader import course
from grader.authoring.build import source_notebook
from grader.grading import feedback
from grader.grading.pools import Processes
from grader.grading.result import Graded
from grader.grading.task import Task
from interruption import (
    ANSWERS,
    CLASS,
    EXPECTED,
    Stop,
    forking,
    graded,
    make,
    pages,
    processes,
    reached,
    started,
    stopped,
    wait_for,
    when,
)

pytestmark = [pytest.mark.slow(minutes=1), pytest.mark.xdist_group("resume")]


@dataclass
class Story:
    """A class, and what happened to its grading."""

    place: Path
    stops: dict[str, Stop]
    edited: str
    former: Path
    rows: list[dict]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Killed while it starts, Ctrl-C, killed in the middle and in the feedback; then finished.

    After Ctrl-C a person marks an answer, whose learner then hands in once more.
    """
    place = tmp_path_factory.mktemp("class")
    make(place)
    for learner in list(ANSWERS)[:3]:
        stamp = place / "submitted" / learner / LESSON.name / "timestamp.txt"
        stamp.write_text("2026-01-02 03:04:05 UTC")
    stops = {}
    one = ("--workers", "1")
    stops["start"] = stopped(place, lambda: bool(forking(place)), signal.SIGKILL, *one)
    stops["Ctrl-C"] = stopped(place, lambda: len(graded(place)) >= 2, signal.SIGINT)
    edited = min(stops["Ctrl-C"].graded)
    with Gradebook(course.folder(place).CourseDirectory.db_url) as book:
        (nb,) = book.find_submission(LESSON.name, edited).notebooks
        next(g for g in nb.grades if g.name == "expectations").manual_score = 0.5
        next(c for c in nb.comments if c.name == "expectations").manual_comment = "well done"
        book.db.commit()
    text = classroom.released(place)
    more = {"scale": ANSWERS[edited].get("scale", "pass") + "\n# once more"}
    hand_in(place, edited, notebook(text, ANSWERS[edited] | more))
    former = place / "former.ipynb"
    former.hardlink_to(next(path for path in graded(place) if edited in path.parts))
    stops["middle"] = stopped(place, lambda: len(graded(place)) >= 7, signal.SIGKILL, *one)
    before = len(pages(place))
    stops["feedback"] = stopped(
        place, lambda: len(pages(place)) >= before + 2, signal.SIGKILL, *one
    )
    return Story(place, stops, edited, former, classroom.rows(place))


STOPS = ["start", "Ctrl-C", "middle", "feedback"]


@pytest.mark.parametrize("stop", STOPS)
def test_no_process_is_left(story: Story, stop: str):
    """Has every process ended that the run had started, players of endless loops included?"""
    assert story.stops[stop].left == []


@pytest.mark.parametrize("stop", STOPS)
def test_nothing_is_half_written(story: Story, stop: str):
    """Was every graded notebook whole whenever somebody looked?"""
    assert story.stops[stop].torn == []


def test_a_graded_notebook_is_replaced(story: Story):
    """Is one that is graded again put in its place whole, and the former one not written over?"""
    (now,) = (path for path in graded(story.place) if story.edited in path.parts)
    assert "# once more" in now.read_text(encoding="utf-8")
    assert "# once more" not in story.former.read_text(encoding="utf-8")


@pytest.mark.parametrize(("stop", "least", "most"), [
    ("start", 0, 1), ("Ctrl-C", 2, CLASS - 3), ("middle", 6, CLASS - 1), ("feedback", CLASS, CLASS),
])  # fmt: skip
def test_a_run_was_stopped_where_it_was_meant_to_be(story: Story, stop: str, least: int, most: int):
    """Did each stop come while there was something left to be done?"""
    stopped = story.stops[stop]
    assert least <= len(stopped.graded) <= most
    assert stopped.pages < CLASS
    assert stopped.code == (1 if stop == "Ctrl-C" else -signal.SIGKILL)


@pytest.mark.parametrize("stop", STOPS)
def test_what_is_graded_is_not_graded_again(story: Story, stop: str):
    """Did the same command only do the rest?"""
    final = when(story.place)
    before = story.stops[stop].graded
    same = {who for who in before if before[who] == final[who]}
    first = story.stops["Ctrl-C"].graded[story.edited]  # before the learner handed in once more
    late = {story.edited} if before.get(story.edited) == first else set()
    assert same == before.keys() - late


def test_the_scores_are_those_of_an_undisturbed_run(story: Story):
    """Is everybody's score in the rows, in the gradebook and in the feedback?"""
    assert classroom.scores(story.rows) == EXPECTED
    api = course.nbgrader(story.place, course.folder(story.place))
    scores = {s["student"]: s["score"] for s in api.get_submissions(LESSON.name)}
    assert scores == EXPECTED | {story.edited: EXPECTED[story.edited] + 0.5}
    for page in pages(story.place):
        text = page.read_text(encoding="utf-8")
        score = scores[page.parent.parent.name]
        assert f"<strong>{float(score):g}</strong> of {LESSON.points:g} points" in text
        assert text.rstrip().endswith("</html>")
    assert len(pages(story.place)) == len(graded(story.place)) == CLASS


def test_what_a_person_gave_has_outlived_it(story: Story):
    """Are a mark and a comment there, though two runs were killed after them?"""
    with Gradebook(course.folder(story.place).CourseDirectory.db_url) as book:
        (nb,) = book.find_submission(LESSON.name, story.edited).notebooks
        mark = next(g for g in nb.grades if g.name == "expectations")
        assert (mark.manual_score, mark.needs_manual_grade) == (0.5, True)
        comment = next(c for c in nb.comments if c.name == "expectations")
        assert comment.manual_comment == "well done"


def test_ctrl_c_finishes_what_runs(story: Story):
    """Does Ctrl-C say how to go on, and leave no notebook without its grades?"""
    stop = story.stops["Ctrl-C"]
    assert "the same command goes on" in stop.said and "Traceback" not in stop.said


# --- what else may be killed -----------------------------------------------------------------


def test_killed_helpers_cost_nothing(tmp_path: Path):
    """Does one run survive the death of a worker, and of a process that forks players?"""
    make(tmp_path)
    run = started(tmp_path, "--no-feedback", "--json", str(tmp_path / "rows.json"))
    reached(run, lambda: len(graded(tmp_path)) >= 2)
    os.kill(processes(tmp_path, "spawn_main")[0], signal.SIGKILL)
    reached(run, lambda: len(graded(tmp_path)) >= 6 and bool(forking(tmp_path)))
    os.kill(forking(tmp_path)[0], signal.SIGKILL)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, out + err
    assert classroom.outcomes(tmp_path).keys() == EXPECTED.keys()
    assert "killed" not in classroom.outcomes(tmp_path).values()


def own_number(item: int) -> str:
    """What a process of the pool says: its number."""
    return str(os.getpid())


def test_a_pool_outlives_its_processes():
    """Is everything done once, where a process dies while its parent is busy elsewhere?"""
    text = nbformat.writes(source_notebook(LESSON))
    unread = [Task(str(k), LESSON.name, text, text, None, fault="no file") for k in range(6)]

    def kill(pool: Processes) -> None:
        (worker,) = pool.executor._processes
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: bool(pool.executor._broken))

    with Processes(1, threading.Event(), print) as pool:
        results = []
        for graded, k in pool.run((task, task.learner) for task in unread):
            results.append((graded.learner, k, graded.outcome))
            if len(results) == 2:
                kill(pool)
        assert sorted(results) == [(str(k), str(k), "malformed") for k in range(6)]
        numbers: list[str] = []
        for number in pool.each(own_number, list(range(40))):
            numbers.append(number)
            if len(numbers) == 1:
                kill(pool)
        assert len(numbers) == 40 and all(number.isdecimal() for number in numbers)


def end(item: int) -> str:
    """Take the process of the pool with it."""
    os._exit(1)


def test_what_ends_its_process_is_named():
    """Is it told what could not be done, whatever it is that was to be done?"""
    with Processes(1, threading.Event(), print) as pool:
        assert [*pool.each(end, [7])] == ["7: its process ended, twice; try again."]
    of_ann = Graded("ann", LESSON.name, "passed", (), (), (), "", 0, 0)
    assert str(feedback.Page(Path(), "", of_ann)) == "feedback of ann"


def test_ctrl_c_leaves_what_waits_in_the_pool():
    """Is nothing begun any more once Ctrl-C was pressed, whatever is being done?"""
    stopping = threading.Event()
    with Processes(1, stopping, print) as pool:
        count = 0
        for _ in pool.each(own_number, list(range(2000))):
            stopping.set()
            count += 1
        assert 0 < count < 2000
