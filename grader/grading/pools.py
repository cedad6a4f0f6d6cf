"""Where submissions are graded: in this process, or in a pool of them on this machine.

The worker, and PyTorch with it, is imported where it works: a process that only hands out does
without.
"""

from __future__ import annotations

import collections
import concurrent.futures
import multiprocessing
import os
import signal
import statistics
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any, Protocol

from grader.errors import Unavailable
from grader.grading.result import Graded
from grader.grading.task import Task

TRIES = 2
"""How often a submission may take its process with it."""
FIRST = 4.0
"""Seconds for a submission at first; whoever needs more waits until the others are done."""
PATIENCE = 8
"""First turns for which it waits, at most, where there is no end of others."""


class Pool(Protocol):
    """Runs tasks somewhere; yields each result with what came with its task."""

    def run(self, tasks: Iterator[tuple[Task, Any]]) -> Iterator[tuple[Graded, Any]]: ...
    def each(self, call: Callable[[Any], str], items: list[Any]) -> Iterator[str]: ...


class Here:
    """No pool: one task after the other, in this process."""

    def run(self, tasks: Iterator[tuple[Task, Any]]) -> Iterator[tuple[Graded, Any]]:
        from grader.grading import worker

        try:
            for task, extra in tasks:
                yield worker.work(task), extra
        finally:
            self.close()

    def close(self) -> None:
        """End the process from which players were forked."""
        from grader.grading import worker

        worker.close()

    def each(self, call: Callable[[Any], str], items: list[Any]) -> Iterator[str]:
        """Call a function with each item, on this machine."""
        yield from map(call, items)


class Turns:
    """Whose turn it is, and for how long, so that a few cannot hold up a class.

    At first a submission has some seconds, or a few times what others took. Whatever takes longer
    is graded anew after all others, with all the time that there is, so a score depends on no turn.
    Where others may come without end, it is graded after some of them. What a learner hands in
    again takes the place of what waits.
    """

    def __init__(self, fresh: Iterator[tuple[Task, Any]], *, endless: bool = False) -> None:
        self.fresh, self.endless = fresh, endless
        self.later: dict[Hashable, tuple[Task, Any]] = {}
        """In the order in which they came."""
        self.newest: dict[Hashable, int] = {}
        """What came last of each."""
        self.passed = 0
        """First turns for which one of those has waited."""
        self.took: list[float] = []
        self.first: set[int] = set()

    def next(self) -> tuple[Task, tuple[Task, Any]] | None:
        """The next task as it is to be worked on, and as it came; None where there is none."""
        is_due = self.endless and bool(self.later) and self.passed >= PATIENCE
        if not is_due and (item := next(self.fresh, None)):
            self.passed += bool(self.later)
            self.newest[self._of(item[0])] = id(item[0])
            self.later.pop(self._of(item[0]), None)
            return self.short(item[0]), item
        if not self.later:
            return None
        self.passed = 0
        item = self.later.pop(next(iter(self.later)))
        return item[0], item

    def _of(self, task: Task) -> Hashable:
        """Whose it is, and of which lesson; where others do not come without end, itself."""
        return (task.learner, task.lesson) if self.endless else id(task)

    def short(self, task: Task) -> Task:
        """The task for its first turn."""
        usual = statistics.median(self.took) if self.took else 0
        seconds = max(FIRST, 4 * usual)
        if seconds >= task.limits.submission:
            return task
        self.first.add(id(task))
        return replace(task, turn=seconds)

    def is_over(self, task: Task, extra: Any, graded: Graded) -> bool:
        """Whether its first turn ended before the submission did: then it comes again.

        Unless its learner has handed in again meanwhile: then it is dropped.
        """
        if id(task) not in self.first:
            return False
        self.first.remove(id(task))
        if graded.late and self.newest[self._of(task)] == id(task):
            self.later[self._of(task)] = task, extra
        elif not graded.late:
            self.took.append(graded.computing)
        return graded.late


class Processes:
    """A pool of processes on this machine."""

    def __init__(self, workers: int, stopping: threading.Event, aside: Callable[[str], None]):
        self.workers, self.stopping, self.aside = workers, stopping, aside

    def __enter__(self) -> Processes:
        self.executor = self._new()
        return self

    def __exit__(self, *error: object) -> None:
        self.executor.shutdown(cancel_futures=True)

    def _new(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, spawn, _begin)

    def _submit(self, call: Callable[[Any], Any], item: Any) -> Future[Any]:
        """Hand an item in; where a process has taken the pool with it, to a new one."""
        try:
            return self.executor.submit(call, item)
        except BrokenProcessPool:
            self.executor = self._new()
            return self.executor.submit(call, item)

    def run(
        self, tasks: Iterator[tuple[Task, Any]], every: float | None = None
    ) -> Iterator[tuple[Graded, Any]]:
        """Results in the order in which they come.

        `tasks` may have more after it had none: it is asked again `every` so many seconds.
        """
        running: dict[Future[Graded], tuple[Task, Any, int]] = {}
        again: collections.deque[tuple[Task, Any, int]] = collections.deque()
        turns = Turns(tasks, endless=every is not None)
        while True:
            # After a crash they run one at a time, which shows whose it was.
            room = 1 if again else 2 * self.workers
            while len(running) < room and not self.stopping.is_set():
                if again:
                    task, extra, tries = again.popleft()
                    turn = turns.short(task)
                elif following := turns.next():
                    turn, (task, extra), tries = *following, 0
                else:
                    break
                running[self._submit(_work, turn)] = task, extra, tries + 1
            if not running:
                return
            done, _ = wait(running, every, FIRST_COMPLETED)
            for future in [f for f in running if self.stopping.is_set() and f.cancel()]:
                del running[future]
            for future in done & running.keys():
                task, extra, tries = running.pop(future)
                try:
                    graded = future.result()
                except BrokenProcessPool:
                    again.append((task, extra, tries))
                    continue
                except (Unavailable, KeyboardInterrupt):
                    raise
                except BaseException as error:  # whatever it is, it costs no other submission
                    graded = _given_up(task, error)
                if turns.is_over(task, extra, graded):
                    self.aside(task.learner)
                else:
                    yield graded, extra
            for item in [item for item in again if item[2] >= TRIES]:
                again.remove(item)
                yield _given_up(item[0]), item[1]

    def soon(self, call: Callable[[Any], str], item: Any, said: Callable[[str], None]) -> None:
        """Call a function with an item when there is room, and hand on what it says went wrong."""

        def ended(future: Future[str]) -> None:
            if not future.cancelled():
                error = future.exception()
                said(future.result() if error is None else f"{type(error).__name__}: {error}")

        self._submit(call, item).add_done_callback(ended)

    def each(self, call: Callable[[Any], str], items: list[Any]) -> Iterator[str]:
        """Call a function with each item; what it says went wrong."""
        for _ in range(TRIES):
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
            yield f"{item}: its process ended, twice; try again."


def _work(task: Task) -> Graded:
    from grader.grading import worker

    return worker.work(task)


def _given_up(task: Task, error: BaseException | None = None) -> Graded:
    """What stands for a submission that has brought its process to an end, or raised an error."""
    from grader.grading import worker

    return worker.given_up(task, error)


def _begin() -> None:
    """A process of the pool leaves Ctrl-C to its parent, and ends when that ends, however."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    parent = multiprocessing.parent_process()
    assert parent is not None, "the pool has started it"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
