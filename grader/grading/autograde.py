"""Grade a class: `python3 grader autograde 13`.

Reads `submitted/ID/NN_topic/NN_topic.ipynb`, nbgrader's own layout, and leaves
`autograded/`, `feedback/` and the gradebook as nbgrader would. Submissions are graded by
`grader.grading.judge` in a pool of processes (or on a cluster); one writer takes the results in.
What was graded for the same submission and the same lesson is not graded again, so a run
that was stopped goes on where it stopped.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import datetime
import functools
import hashlib
import multiprocessing
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import nbformat
from nbgrader.apps import NbGraderAPI

from grader import course
from grader.authoring.build import source_notebook
from grader.authoring.lesson import Lesson
from grader.course import SECRET, STAMP
from grader.errors import CourseError
from grader.grading import judge, submission
from grader.grading.gradebook import Writer, opened, parsed_timestamp
from grader.grading.judge import Judged, Task
from grader.isolation.confinement import Limits

GRADER = "1"
"""Goes into the key of what is graded: another one grades every submission anew."""


@dataclass(frozen=True)
class Options:
    """How to grade a class."""

    place: Path
    learners: tuple[str, ...] = ()
    """Only these; without any, all who have handed in."""
    workers: int = 0
    """Processes; 0 means one for each core."""
    scheduler: str = ""
    """The address of a dask.distributed scheduler, in place of processes here."""
    url: str = ""
    """The gradebook's database, in place of gradebook.db."""
    force: bool = False
    unsafe: bool = False
    limits: Limits = dataclasses.field(default_factory=Limits)
    feedback: bool = True
    """Have nbgrader write its feedback too."""


class Progress(Protocol):
    """Who is told how far the work is."""

    def begin(self, lesson: str, total: int, known: list[Judged]) -> None: ...
    def running(self, learner: str) -> None: ...
    def graded(self, judged: Judged) -> None: ...
    def feedback(self, total: int) -> None: ...
    def advance(self, fault: str) -> None: ...


class Stopped(CourseError):
    """Ctrl-C: what was running was finished and written."""


class Silent:
    """Tells nobody."""

    def begin(self, lesson: str, total: int, known: list[Judged]) -> None: ...
    def running(self, learner: str) -> None: ...
    def graded(self, judged: Judged) -> None: ...
    def feedback(self, total: int) -> None: ...
    def advance(self, fault: str) -> None: ...


def autograde(
    lessons: list[Lesson], options: Options, progress: Progress, pool: Pool | None = None
) -> list[Judged]:
    """Grade a class in some lessons; all results, also those of earlier runs."""
    config = course.folder(options.place.resolve(), options.url)
    learners = {lesson.name: _learners(lesson, options) for lesson in lessons}
    stopping = threading.Event()
    results: list[Judged] = []
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(opened(options.place, options.url))
        stack.enter_context(_ctrl_c(stopping))
        if pool is None:
            pool = stack.enter_context(_pool(options, max(map(len, learners.values())), stopping))
        for lesson in lessons:
            released, source = assign(lesson, options.place, config)
            who = learners[lesson.name]
            results += _lesson(lesson, released, source, who, options, writer, pool, progress)
            if stopping.is_set():
                raise Stopped("stopped: what was graded is written; the same command goes on.")
    return results


def _lesson(
    lesson: Lesson, released: str, source: str, learners: list[str], options: Options,
    writer: Writer, pool: Pool, progress: Progress,
) -> list[Judged]:  # fmt: skip
    done = {} if options.force else writer.done(lesson.name)
    known, todo = [], []
    for learner in learners:
        handed_in = _handed_in(options.place, learner, lesson.name)
        stamp = str(handed_in.timestamp)
        texts = [GRADER, str(options.unsafe), source, handed_in.text or handed_in.fault, stamp]
        key = _key(texts)
        before = done.get(learner)
        if (
            before
            and before[0] == key
            and _autograded(options.place, learner, lesson.name).exists()
        ):
            known.append(before[1])
        else:
            todo.append((handed_in, key))
    progress.begin(lesson.name, len(todo), known)
    hidden = (str(options.place.resolve()),)

    def tasks() -> Iterator[tuple[Task, tuple[HandedIn, str]]]:
        for handed_in, key in todo:
            progress.running(handed_in.learner)
            yield Task(
                handed_in.learner, lesson.name, released, source, handed_in.text,
                handed_in.fault, options.limits, hidden, options.unsafe,
            ), (handed_in, key)  # fmt: skip

    fresh = []
    for judged, (handed_in, key) in pool.run(tasks()):
        judged = dataclasses.replace(judged, notes=(*judged.notes, *handed_in.remarks))
        _page(options.place, judged.learner, lesson.name).unlink(missing_ok=True)  # it is old
        path = _autograded(options.place, judged.learner, lesson.name)
        _write(path, judged.notebook)
        _stamp(path.with_name(STAMP), handed_in.timestamp)
        if handed_in.secret:
            _write(path.with_name(SECRET), handed_in.secret)
        writer.write(judged, key, handed_in.timestamp)
        fresh.append(dataclasses.replace(judged, notebook=""))
        progress.graded(judged)
    everyone = [*known, *fresh]
    if options.feedback:
        _feedback(lesson, everyone, {j.learner for j in fresh}, options, pool, progress)
    return sorted(everyone, key=lambda j: j.learner)


def _key(texts: Iterable[str | bytes]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        data = text if isinstance(text, bytes) else text.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


# --- the course's folders ------------------------------------------------------------------


def assign(lesson: Lesson, place: Path, config: Any) -> tuple[str, str]:
    """Have the lesson in the gradebook as it is now; its released and its source notebook."""
    place = place.resolve()
    source = nbformat.writes(source_notebook(lesson)) + "\n"
    paths = {s: place / s / lesson.name / f"{lesson.name}.ipynb" for s in ("source", "release")}
    mark = place / "release" / f".{lesson.name}.sha256"  # written last
    mine = _key([source, config.CourseDirectory.db_url])
    if not mark.exists() or mark.read_text() != mine or not paths["release"].exists():
        mark.unlink(missing_ok=True)
        _write(paths["source"], source)
        api = course.nbgrader(place, config)
        made = api.generate_assignment(lesson.name)
        course.succeed(f"nbgrader generate_assignment {lesson.name}", made)
        _write(mark, mine)
    return paths["release"].read_text(encoding="utf-8"), source


@dataclass(frozen=True)
class HandedIn:
    """What lies in a learner's folder of a lesson."""

    learner: str
    text: bytes | None
    fault: str
    timestamp: datetime.datetime | None
    secret: str
    """Where nbgrader's exchange puts the feedback; "" for what did not come through it."""
    remarks: tuple[str, ...]
    """What the instructor should know of the folder."""


def _learners(lesson: Lesson, options: Options) -> list[str]:
    folder = options.place / "submitted"
    there = sorted(
        p.name
        for p in (folder.iterdir() if folder.is_dir() else ())
        if (p / lesson.name).is_dir() and not p.is_symlink() and not (p / lesson.name).is_symlink()
    )
    missing = [name for name in options.learners if name not in there]
    if missing:
        raise CourseError(f"no submission of {lesson.name} by {', '.join(missing)} in {folder}.")
    if not there:
        raise CourseError(
            f"nobody has handed in {lesson.name}: {folder}/ID/{lesson.name}/ is where "
            "`nbgrader collect` puts submissions."
        )
    odd = [name for name in options.learners or there if not _is_text(name)]
    if odd:
        raise CourseError(
            f"{odd[0]!a} in {folder} is no name that a gradebook can hold: rename it."
        )
    return sorted(set(options.learners)) or there


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def _handed_in(place: Path, learner: str, lesson: str) -> HandedIn:
    """Read a submission; links are not followed."""
    folder = place / "submitted" / learner / lesson
    odd = sorted(p.name for p in folder.iterdir() if p.is_symlink() or not _ordinary(p))
    remarks = [f"not looked at: {', '.join(odd)}"] if odd else []
    text, fault = _plain_file(folder / f"{lesson}.ipynb")
    stamp, _ = _plain_file(folder / STAMP)
    said = (stamp or b"")[:100].decode(errors="replace").strip()
    when = parsed_timestamp(said)
    if said and when is None:
        remarks.append("timestamp.txt says no time, and nbgrader stops at it: delete that file")
    secret = (_plain_file(folder / SECRET)[0] or b"").decode("ascii", "ignore")
    return HandedIn(learner, text, fault, when, secret, tuple(remarks))


def _ordinary(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode) or stat.S_ISDIR(path.lstat().st_mode)


def _plain_file(path: Path) -> tuple[bytes | None, str]:
    """The bytes of a file, or None and why: it is missing, no plain file, or too large."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None, f"{path.name} is missing."
    except OSError:
        return None, f"{path.name} is a link or cannot be read."
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None, f"{path.name} is no plain file."
    with open(fd, "rb") as file:
        text = file.read(submission.LARGEST + 1)
    if len(text) > submission.LARGEST:
        return None, f"{path.name} has more than {submission.LARGEST >> 20} MB."
    return text, ""


def _autograded(place: Path, learner: str, lesson: str) -> Path:
    return place / "autograded" / learner / lesson / f"{lesson}.ipynb"


def _page(place: Path, learner: str, lesson: str) -> Path:
    return place / "feedback" / learner / lesson / f"{lesson}.html"


def _stamp(path: Path, timestamp: datetime.datetime | None) -> None:
    """Say when the work was handed in, as nbgrader does: it regrades what is newer."""
    if timestamp is None:
        path.unlink(missing_ok=True)
    else:
        _write(path, f"{timestamp} UTC")


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


# --- feedback --------------------------------------------------------------------------------


def _feedback(
    lesson: Lesson, everyone: list[Judged], fresh: set[str], options: Options, pool: Pool,
    progress: Progress,
) -> None:  # fmt: skip
    """nbgrader's own feedback, for whom it is missing or old."""
    place = options.place.resolve()
    learners = [
        j.learner
        for j in everyone
        if j.learner in fresh or not _whole(_page(place, j.learner, lesson.name))
    ]
    progress.feedback(len(learners))
    items = [(place, options.url, lesson.name, learner) for learner in learners]
    for fault in pool.each(write_feedback, items):
        progress.advance(fault)


def _whole(page: Path) -> bool:
    """Whether a page was written to its end: a run that was killed may have left half of it."""
    return page.is_file() and page.read_bytes().rstrip().endswith(b"</html>")


def write_feedback(item: tuple[Path, str, str, str]) -> str:
    """Have nbgrader write the feedback of one learner: course folder, database, lesson, ID.

    Returns what went wrong, in a sentence; "" where nothing did.
    """
    place, url, lesson, learner = item
    try:
        made = _api(place, url).generate_feedback(lesson, learner)
        course.succeed(f"feedback of {learner}", made)
    except CourseError as error:
        return str(error)
    return ""


@functools.lru_cache(maxsize=4)
def _api(place: Path, url: str) -> NbGraderAPI:
    return course.nbgrader(place, course.folder(place, url))


# --- where the work is done --------------------------------------------------------------------


class Pool(Protocol):
    """Runs tasks somewhere; yields each result with what came with its task."""

    def run(self, tasks: Iterator[tuple[Task, Any]]) -> Iterator[tuple[Judged, Any]]: ...
    def each(self, call: Callable[[Any], str], items: list[Any]) -> Iterator[str]: ...


def _pool(
    options: Options, most: int, stopping: threading.Event
) -> contextlib.AbstractContextManager[Pool]:
    if options.scheduler:
        from grader.grading.cluster import Cluster

        return Cluster(options.scheduler, stopping)
    return Processes(min(options.workers or os.cpu_count() or 1, most), stopping)


class Here:
    """No pool: one task after the other, in this process."""

    def run(self, tasks: Iterator[tuple[Task, Any]]) -> Iterator[tuple[Judged, Any]]:
        try:
            for task, extra in tasks:
                yield judge.work(task), extra
        finally:
            self.close()

    def close(self) -> None:
        """End the process from which players were forked."""
        judge.close()

    def each(self, call: Callable[[Any], str], items: list[Any]) -> Iterator[str]:
        """Call a function with each item, on this machine."""
        yield from map(call, items)


class Processes:
    """A pool of processes on this machine."""

    TRIES = 2
    """How often a submission may take its process with it."""

    def __init__(self, workers: int, stopping: threading.Event):
        self.workers, self.stopping = workers, stopping

    def __enter__(self) -> Processes:
        self.executor = self._new()
        return self

    def __exit__(self, *error: object) -> None:
        self.executor.shutdown(cancel_futures=True)

    def _new(self) -> concurrent.futures.ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(self.workers, spawn, _a_worker)

    def _submit(self, call: Callable[[Any], Any], item: Any) -> concurrent.futures.Future[Any]:
        """Hand an item in; where a process has taken the pool with it, to a new one."""
        try:
            return self.executor.submit(call, item)
        except BrokenProcessPool:
            self.executor = self._new()
            return self.executor.submit(call, item)

    def run(self, tasks: Iterator[tuple[Task, Any]]) -> Iterator[tuple[Judged, Any]]:
        """Results in the order in which they come."""
        running: dict[concurrent.futures.Future[Judged], tuple[Task, Any, int]] = {}
        again: collections.deque[tuple[Task, Any, int]] = collections.deque()
        fresh = ((task, extra, 0) for task, extra in tasks)
        while True:
            # After a crash they run one at a time, which shows whose it was.
            room = 1 if again else 2 * self.workers
            while len(running) < room and not self.stopping.is_set():
                item = again.popleft() if again else next(fresh, None)
                if item is None:
                    break
                task, extra, tries = item
                running[self._submit(judge.work, task)] = task, extra, tries + 1
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in [f for f in running if self.stopping.is_set() and f.cancel()]:
                del running[future]
            for future in done & running.keys():
                task, extra, tries = running.pop(future)
                try:
                    yield future.result(), extra
                except BrokenProcessPool:
                    again.append((task, extra, tries))
            for item in [item for item in again if item[2] >= self.TRIES]:
                again.remove(item)
                yield judge.given_up(item[0]), item[1]

    def each(self, call: Callable[[Any], str], items: list[Any]) -> Iterator[str]:
        """Call a function with each item; what it says went wrong."""
        for _ in range(self.TRIES):
            futures = {self._submit(call, item): item for item in items}
            items = []
            for future in concurrent.futures.as_completed(futures):
                if self.stopping.is_set():
                    for waiting in futures:
                        waiting.cancel()
                try:
                    yield future.result()
                except BrokenProcessPool:
                    items.append(futures[future])
                except concurrent.futures.CancelledError:
                    pass  # the next run does it
        for item in items:
            yield f"feedback of {item[-1]}: its process ended, twice; the same command tries again."


def _a_worker() -> None:
    """A worker leaves Ctrl-C to its parent, and ends when that ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _ctrl_c(stopping: threading.Event) -> Iterator[None]:
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
