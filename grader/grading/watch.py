"""Grade as notebooks are handed in: `python3 grader watch 13`.

nbgrader's exchange is looked at every second. What has come is collected, graded as `autograde`
grades it, and its page is released to that learner at once; who needs long waits for those who do
not. All is kept in the class's folders and gradebook, so a watch that was stopped or killed begins
where it ended, and `autograde` may be run at any time in its place.
"""

from __future__ import annotations

import collections
import contextlib
import math
import os
import threading
import time
from pathlib import Path
from typing import Any

from nbgrader.exchange import ExchangeError
from nbgrader.utils import notebook_hash

from grader import course
from grader.authoring.lesson import Lesson
from grader.files import write_whole
from grader.grading import feedback
from grader.grading.assignment import assign
from grader.grading.autograde import Autograding, Options, Progress, ctrl_c
from grader.grading.folders import (
    SHORT,
    ClassFolder,
    HandedIn,
    Nobody,
    owner,
    read_plain,
    secret_in,
    time_in,
)
from grader.grading.gradebook import attempts, opened
from grader.grading.pools import Processes
from grader.grading.result import Graded
from grader.grading.task import Task
from grader.isolation.text import plain

EVERY = 1.0
"""Seconds between two looks at the exchange."""


def watch(lessons: list[Lesson], options: Options, progress: Progress) -> None:
    """Grade and give back what is handed in, until Ctrl-C."""
    config = _configuration(options)
    stopping = threading.Event()
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(opened(options.place, options.url))
        stack.enter_context(ctrl_c(stopping))
        workers = options.workers or os.cpu_count() or 1
        pool = stack.enter_context(Processes(workers, stopping, progress.aside))
        pages = stack.enter_context(Processes(1, stopping, progress.aside))
        runs = [
            Autograding(lesson, *assign(lesson, options.place, config), options, writer, pool,
                        progress)
            for lesson in lessons
        ]  # fmt: skip
        arrivals = Arrivals(runs, course.nbgrader(options.place, config))
        progress.begin(", ".join(lesson.name for lesson in lessons), 0, [])

        def give_back(graded: Graded) -> None:
            page = feedback.Page(options.place.resolve(), options.url, graded)
            pages.soon(deliver, page, progress.advance)

        while not stopping.is_set():
            while arrivals.unreleased:
                give_back(arrivals.unreleased.pop())
            for graded, (run, handed_in, key) in pool.run(arrivals, EVERY):
                if arrivals.last[run.lesson.name, handed_in.learner] == key:  # none came since
                    give_back(run.keep(graded, handed_in, key))
            stopping.wait(EVERY)


class Arrivals:
    """What has been handed in and is not graded: an iterator that may have more later."""

    def __init__(self, runs: list[Autograding], api: Any) -> None:
        self.runs, self.api = runs, api
        self.shared = bool(os.environ.get("DROPOUT_EXCHANGE"))
        self.waiting: dict[tuple[str, str], tuple[Task, tuple[Autograding, HandedIn, str]]] = {}
        """By lesson and learner: what is handed in again takes the place of what was before."""
        self.turns: collections.Counter[str] = collections.Counter()
        """How many each learner has had."""
        self.unreleased: list[Graded] = []
        """Who was graded when an earlier watch was killed, and has not got the page."""
        self.last: dict[tuple[str, str], str] = {}
        """The key of what came last, by lesson and learner."""
        self.seen: set[str] = set()
        self.looked = 0.0
        for run in runs:
            self._add(run, self._there(run.lesson))

    def __iter__(self) -> Arrivals:
        return self

    def __next__(self) -> tuple[Task, tuple[Autograding, HandedIn, str]]:
        if time.monotonic() - self.looked >= EVERY:
            self._look()
            self.looked = time.monotonic()
        if not self.waiting:
            raise StopIteration
        following = min(self.waiting, key=lambda of: self.turns[of[1]])  # of equals the first
        self.turns[following[1]] += 1
        return self.waiting.pop(following)

    def _there(self, lesson: Lesson) -> list[str]:
        """Who has handed in before."""
        try:
            return ClassFolder(self.runs[0].options.place).learners(lesson)
        except Nobody:
            return []

    def _add(self, run: Autograding, learners: list[str]) -> None:
        known, waiting = run.sift(learners)
        name = run.lesson.name
        waiting = [item for item in waiting if self.last.get((name, item[0].learner)) != item[1]]
        for task, (handed_in, key) in run.tasks(waiting):
            self.last[name, handed_in.learner] = key
            self.waiting[name, handed_in.learner] = task, (run, handed_in, key)
        self.unreleased += [graded for graded in known if not is_released(self.api, graded)]

    def _look(self) -> None:
        """Collect what has come since the last look, as nbgrader does."""
        inbound = Path(self.api.exchange_root, self.api.course_id, "inbound")
        new = [path for path in inbound.glob("[!.]*+*+*") if path.name not in self.seen]
        if self.shared:  # all may write there, in any name
            new = [path for path in new if path.name.rsplit("+", 3)[0] == owner(path)]
        names = {path.name for path in new if _is_whole(path)}
        for run in self.runs:
            own = [name for name in names if name.rsplit("+", 3)[1:2] == [run.lesson.name]]
            learners = sorted({name.rsplit("+", 3)[0] for name in own})
            most = run.writer.syllabus.term(run.lesson.name).attempts
            book = run.writer.gradebook
            limited = learners if most < math.inf else ()
            over = {x for x in limited if attempts(book, run.lesson.name, x) >= most}
            for learner in over:  # the newest alone: who leaves many gets one page at a look
                newest = max(name for name in own if name.rsplit("+", 3)[0] == learner)
                try:
                    self._refuse(run, learner, inbound / newest, int(most))
                except Exception as error:  # one folder costs no other
                    why = plain(f"{type(error).__name__}: {error}", 300)
                    run.progress.advance(f"{plain(learner, 100)}, {run.lesson.name}: {why}")
            self._add(run, [x for x in learners if x not in over and self._collect(run, x)])
        self.seen |= names

    def _refuse(self, run: Autograding, learner: str, path: Path, most: int) -> None:
        """Tell a learner who has had all attempts that this submission does not count."""
        lesson = run.lesson
        counts = run.folder.notebook("submitted", lesson.name, learner).parent
        secret, (when, _), (last, _) = secret_in(path), time_in(path), time_in(counts)
        if not secret or secret == secret_in(counts) or (when and last and when <= last):
            return  # that which counts, or one that came before it
        page = _fetched(self.api, lesson.name, secret)
        if page.exists():
            return
        with course.exchange(self.api, "ReleaseFeedback", lesson.name, learner) as giver:
            giver.set_timestamp()
            giver.init_dest()  # a folder with nbgrader's own rights
        write_whole(page, feedback.refusal(lesson.title, most))
        run.progress.advance(
            f"{plain(learner, 100)}, {lesson.name}: not graded: {most} were before"
        )

    def _collect(self, run: Autograding, learner: str) -> bool:
        """Take a learner's newest submission; whether there is one: all may write the exchange."""
        name = run.lesson.name
        with course.exchange(self.api, "Collect", name, learner) as taker:
            taker.update = True
            try:
                taker.start()
            except Exception as error:  # one folder costs no other
                why = plain(f"{type(error).__name__}: {error}", 300)
                run.progress.advance(f"{plain(learner, 100)}, {name}: not collected: {why}")
                return False
            for fault in getattr(taker, "faults", ()):
                run.progress.advance(fault)
        return run.folder.notebook("submitted", name, learner).parent.is_dir()


def _is_whole(handed_in: Path) -> bool:
    """Whether nbgrader's Submit has written what it writes last, and it can be read."""
    return bool(read_plain(handed_in / course.SECRET, SHORT)[0])


def is_released(api: Any, graded: Graded) -> bool:
    """Whether the page lies where its learner fetches it, or there is nowhere to put it."""
    place = Path(api.coursedir.root)
    page = ClassFolder(place).page(graded.lesson, graded.learner)
    secret = ClassFolder(place).notebook("autograded", graded.lesson, graded.learner)
    secret = secret.with_name(course.SECRET)
    if not secret.exists():
        return feedback.is_whole(page)
    return _fetched(api, graded.lesson, secret.read_text()).exists()


def _fetched(api: Any, lesson: str, secret: str) -> Path:
    """Where a learner's nbgrader fetches the page of what was handed in with a secret."""
    name = notebook_hash(secret=secret, notebook_id=lesson)
    return Path(api.exchange_root, api.course_id, "feedback", f"{name}.html")


def deliver(page: feedback.Page) -> str:
    """Write a page and release it to its learner; what went wrong, or ""."""
    fault = feedback.write(page)
    options = Options(page.place, url=page.url)
    api = course.nbgrader(page.place, _configuration(options))
    learner, lesson = page.graded.learner, page.graded.lesson
    folder = ClassFolder(page.place).page(lesson, learner).parent
    if not (folder / course.SECRET).exists():
        return fault  # it did not come through the exchange, and cannot go back by it
    with course.exchange(api, "ReleaseFeedback", lesson, learner) as giver:
        try:
            giver.start()
        except (ExchangeError, OSError) as error:
            return f"{learner}, {lesson}: the page was not released: {error}"
    return fault


def _configuration(options: Options) -> Any:
    """nbgrader's configuration of the class's folder, with its exchange."""
    place = options.place.resolve()
    config = course.folder(place, options.url)
    shared = os.environ.get("DROPOUT_EXCHANGE")
    config.Exchange.root = shared or str(place / "exchange")
    if shared:  # all may write there, a link to another's notebook too
        config.ExchangeFactory.collect = "grader.jupyter.exchange.Collect"
    Path(config.Exchange.root).mkdir(parents=True, exist_ok=True)
    return config
