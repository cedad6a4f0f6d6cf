"""Grade a class: `python3 grader autograde 13`.

Reads `submitted/ID/NN_topic/NN_topic.ipynb`, nbgrader's own layout, and leaves
`autograded/`, `feedback/` and the gradebook as nbgrader would. Submissions are graded by
`grader.grading.worker` in a pool of processes (or on a cluster); one writer takes the results
in. What was graded for the same submission and the same lesson is not graded again, so a run
that was stopped goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Protocol

from grader import course
from grader.authoring.lesson import Lesson
from grader.errors import CourseError
from grader.grading import feedback
from grader.grading.assignment import assign, digest
from grader.grading.folders import ClassFolder, HandedIn, Nobody
from grader.grading.gradebook import Writer, opened
from grader.grading.pools import Pool, Processes
from grader.grading.result import GRADER, Graded
from grader.grading.task import Task
from grader.isolation.confinement import Limits


@dataclass(frozen=True)
class Options:
    """How to grade a class."""

    place: Path
    _: KW_ONLY
    learners: tuple[str, ...] = ()
    """Only these; without any, all who have handed in."""
    workers: int = 0
    """Processes; 0 means one for each core."""
    scheduler: str = ""
    """The address of a dask.distributed scheduler, in place of processes here."""
    url: str = ""
    """The gradebook's database, in place of gradebook.db."""
    force: bool = False
    isolation: str = "sandbox"
    limits: Limits = dataclasses.field(default_factory=Limits)
    feedback: bool = True
    """Write a page for each learner too."""


class Progress(Protocol):
    """Who is told how far the work is."""

    def begin(self, lesson: str, total: int, known: list[Graded]) -> None: ...
    def running(self, learner: str) -> None: ...
    def aside(self, learner: str) -> None: ...
    def graded(self, graded: Graded) -> None: ...
    def feedback(self, total: int) -> None: ...
    def advance(self, fault: str) -> None: ...


class Silent:
    """Tells nobody."""

    def begin(self, lesson: str, total: int, known: list[Graded]) -> None: ...
    def running(self, learner: str) -> None: ...
    def aside(self, learner: str) -> None: ...
    def graded(self, graded: Graded) -> None: ...
    def feedback(self, total: int) -> None: ...
    def advance(self, fault: str) -> None: ...


class Stopped(CourseError):
    """Ctrl-C: what was running was finished and written."""


def autograde(
    lessons: list[Lesson], options: Options, progress: Progress, pool: Pool | None = None
) -> list[Graded]:
    """Grade a class in some lessons; all results, also those of earlier runs.

    Lessons that nobody has handed in yet have none; CourseError where that are all.
    """
    config = course.folder(options.place.resolve(), options.url)
    folder, learners = ClassFolder(options.place), {}
    for lesson in lessons:
        try:
            learners[lesson.name] = folder.learners(lesson, options.learners)
        except Nobody:
            if lesson is lessons[-1] and not learners:
                raise
    stopping = threading.Event()
    results: list[Graded] = []
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(opened(options.place, options.url))
        stack.enter_context(ctrl_c(stopping))
        if pool is None:
            most = max(map(len, learners.values()))
            pool = stack.enter_context(_pool(options, most, stopping, progress))
        for lesson in (lesson for lesson in lessons if lesson.name in learners):
            released, source = assign(lesson, options.place, config)
            writer.follow([lesson.name])
            run = Autograding(lesson, released, source, options, writer, pool, progress)
            results += run(learners[lesson.name])
            if stopping.is_set():
                raise Stopped("stopped: what was graded is written; the same command goes on.")
    return results


@dataclass(frozen=True)
class Autograding:
    """The grading of a class in one lesson."""

    lesson: Lesson
    released: str
    source: str
    options: Options
    writer: Writer
    pool: Pool
    progress: Progress

    @property
    def folder(self) -> ClassFolder:
        return ClassFolder(self.options.place)

    def __call__(self, learners: list[str]) -> list[Graded]:
        """Grade who is not graded yet, and have feedback written; the results of all."""
        known, waiting = self.sift(learners)
        self.progress.begin(self.lesson.name, len(waiting), known)
        fresh = []
        for graded, (handed_in, key) in self.pool.run(self.tasks(waiting)):
            fresh.append(self.keep(graded, handed_in, key))
        everyone = sorted([*known, *fresh], key=lambda graded: graded.learner)
        if self.options.feedback:
            self._write_feedback(everyone, {graded.learner for graded in fresh})
        return everyone

    def keep(self, graded: Graded, handed_in: HandedIn, key: str) -> Graded:
        """Write a result to the folders and the gradebook; what is left of it without notebook."""
        notes = (*graded.notes, *handed_in.remarks)
        graded = dataclasses.replace(graded, notes=notes)
        self.folder.leave(graded, handed_in)
        text, when = handed_in.text or handed_in.fault, str(handed_in.timestamp)
        attempt = digest([text, when, handed_in.secret])  # the same text later is another
        self.writer.write(graded, key, handed_in.timestamp, attempt)
        self.progress.graded(graded)
        return dataclasses.replace(graded, notebook="")

    def sift(self, learners: list[str]) -> tuple[list[Graded], list[tuple[HandedIn, str]]]:
        """Results that hold still, and what is to be graded, with its key."""
        done = {} if self.options.force else self.writer.done(self.lesson.name)
        known, waiting = [], []
        for learner in learners:
            handed_in = self.folder.handed_in(self.lesson, learner)
            key = self._key(handed_in)
            before, graded = done.get(learner, ("", None))
            notebook = self.folder.notebook("autograded", self.lesson.name, learner)
            if graded is not None and before == key and notebook.exists():
                known.append(graded)
            else:
                waiting.append((handed_in, key))
        return known, waiting

    def _key(self, handed_in: HandedIn) -> str:
        """Stands for all on which a result depends."""
        text, when = handed_in.text or handed_in.fault, str(handed_in.timestamp)
        rule = self.writer.syllabus.key(self.lesson.name, handed_in.learner)
        parts = [GRADER, self.options.isolation, self.source, handed_in.name, text, when]
        return digest([*parts, *([rule] if rule else [])])

    def tasks(
        self, waiting: list[tuple[HandedIn, str]]
    ) -> Iterator[tuple[Task, tuple[HandedIn, str]]]:
        for handed_in, key in waiting:
            self.progress.running(handed_in.learner)
            task = Task(
                handed_in.learner,
                self.lesson.name,
                self.released,
                self.source,
                handed_in.text,
                fault=handed_in.fault,
                former="" if handed_in.name == self.lesson.name else handed_in.name,
                limits=self.options.limits,
                hidden=(str(self.options.place.resolve()),),
                isolation=self.options.isolation,
            )
            yield task, (handed_in, key)

    def _size(self, learner: str) -> int:
        """Bytes of a graded notebook."""
        return self.folder.notebook("autograded", self.lesson.name, learner).stat().st_size

    def _write_feedback(self, everyone: list[Graded], fresh: set[str]) -> None:
        """The page of each learner for whom it is missing or old."""
        place, name = self.options.place.resolve(), self.lesson.name
        items = [
            feedback.Page(place, self.options.url, graded)
            for graded in everyone
            if graded.learner in fresh
            or not feedback.is_whole(self.folder.page(name, graded.learner))
        ]
        items.sort(key=lambda page: self._size(page.graded.learner))  # what takes long comes last
        self.progress.feedback(len(items))
        for fault in self.pool.each(feedback.write, items):
            self.progress.advance(fault)


def _pool(
    options: Options, most: int, stopping: threading.Event, progress: Progress
) -> contextlib.AbstractContextManager[Pool]:
    if options.scheduler:
        from grader.grading.cluster import Cluster

        return Cluster(options.scheduler, stopping)
    workers = min(options.workers or os.cpu_count() or 1, most)
    return Processes(workers, stopping, progress.aside)


@contextlib.contextmanager
def ctrl_c(stopping: threading.Event) -> Iterator[None]:
    """The first Ctrl-C lets what is running finish, the second does not wait."""

    def pressed(*_: object) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, pressed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
