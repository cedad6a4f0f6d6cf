"""Grade on a dask.distributed cluster: the same tasks, other machines.

The scheduler is one that runs already (of `dask scheduler`, or of Dask's packages for Slurm
and Kubernetes). An address that begins with `tls://` takes its certificates from Dask's own
configuration (`distributed.comm.tls`). Each worker needs this project and its requirements.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

from distributed import Client, KilledWorker, Security, as_completed

from grader.errors import CourseError
from grader.grading import worker
from grader.grading.pools import Here, Turns
from grader.grading.result import Graded
from grader.grading.task import Task

PATIENCE = 20
"""Seconds in which a scheduler must answer."""


class Cluster(Here):
    """A pool of the workers of a Dask scheduler; feedback is written here."""

    def __init__(self, address: str, stopping: threading.Event):
        self.address, self.stopping = address, stopping

    def __enter__(self) -> Cluster:
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # one sentence will do
        try:
            security = Security() if self.address.startswith("tls://") else None
            self.client = Client(self.address, security=security, timeout=PATIENCE)
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            why = str(error).partition("\n")[0]
            raise CourseError(f"no scheduler answers at {self.address}: {why}") from None
        if not self.client.scheduler_info(n_workers=-1)["workers"]:
            self.client.close()
            raise CourseError(f"the scheduler at {self.address} has no workers: start some.")
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def run(self, tasks: Iterator[tuple[Task, Any]]) -> Iterator[tuple[Graded, Any]]:
        """Results in the order in which they come; a lost worker's tasks go to another."""
        running: dict[Any, tuple[Task, Any]] = {}
        completed, turns = as_completed(), Turns(tasks)

        def fill() -> None:
            while len(running) < 2 * max(1, sum(self.client.nthreads().values())):
                following = None if self.stopping.is_set() else turns.next()
                if following is None:
                    return
                turn, item = following
                future = self.client.submit(worker.work, turn, pure=False)
                running[future.key] = item
                completed.add(future)

        try:
            fill()
            while running:
                future = next(completed)
                task, extra = running.pop(future.key)
                try:
                    graded = future.result()
                except KilledWorker:
                    graded = worker.given_up(task)
                if not turns.is_over(task, extra, graded):
                    yield graded, extra
                fill()
        except (CancelledError, OSError):
            lost = f"the scheduler at {self.address} was lost"
            rest = "what was graded is written; the same command goes on."
            raise CourseError(f"{lost}: {rest}") from None
        except ImportError as error:
            remedy = "each needs this project and its requirements"
            raise CourseError(f"a worker cannot grade ({error}): {remedy}.") from None
