"""Do the lessons' checks judge on a GPU as they do without one?

Each right answer and each mistake of every lesson that uses torch is judged: in *Kernels* as it is,
since that lesson finds the GPU by itself, elsewhere with tensors made there, by torch's default
device. Answers run in processes of their own, as a wrong kernel may end its process.
"""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.connection
import os
import time
import unittest
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

import torch

from grader.authoring import trial
from grader.authoring.lesson import Lesson
from grader.authoring.trial import Answer
from grader.gpu import bundle
from grader.gpu.record import Json
from grader.gpu.step import Step

SECONDS = 40.0
"""For one answer; the capstone's train networks, and are left out at that."""
KERNELS = "42_kernels"
"""Here an answer may write anywhere, and harm those after it: each has a process of its own."""
LEFT_OUT = {"51_capstone"}
"""Its checks train networks, which takes minutes."""
Ask = tuple[Lesson, Answer, str]


def measure(step: Step) -> None:
    """A part for each lesson."""
    lessons = [
        it for it in bundle.lessons().values() if _uses_torch(it) and it.name not in LEFT_OUT
    ]
    lessons.sort(key=lambda lesson: lesson.name != KERNELS)
    torch.set_num_threads(1)
    # To ask whether there is a GPU would begin to use it, and no process could be forked any more.
    with mock.patch.object(torch.cuda, "is_available", lambda: step.device == "cuda"):
        for lesson in step.of(lessons, lessons[:2]):
            step.part(lesson.name, partial(judged, lesson, step))


def _uses_torch(lesson: Lesson) -> bool:
    return any("import torch" in cell.source for cell in lesson.of("setup"))


def judged(lesson: Lesson, step: Step) -> Json:
    """What is found of a lesson's answers."""
    kinds = ("solution", "correct", "mistake")
    answers = [answer for answer in trial.answers(lesson) if answer.kind in kinds]
    if step.tiny:
        answers = [*answers[:2], *answers[-1:]]
    for cell in lesson.of("setup"):  # what it imports is imported once, before processes begin
        trial.execute(cell.source, {"__name__": "__main__"}, f"<{lesson.name} setup>")
    place = "as it is" if lesson.name == KERNELS else step.device
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        own = str(answer.line) if lesson.name == KERNELS else answer.exercise.name
        groups.setdefault(own, []).append(answer)
    jobs = [Job([(lesson, answer, place) for answer in group]) for group in groups.values()]
    found = [
        f"line {answer.line}: {finding}"
        for (_, answer, _), told in _run(jobs, step)
        for finding in told
    ]
    return {"answers": len(answers), "tensors": place, "findings": sorted(found)}


def judge(lesson: Lesson, answer: Answer, place: str) -> list[str]:
    """What is found of one answer, its checks run once with tensors made in one place."""
    with _on(place):
        try:
            return [finding.text for finding in trial.judged(lesson, 1, SECONDS, answer)[0]]
        except unittest.SkipTest as left_out:
            return [str(left_out)]
        except Exception as error:
            return [f"`{answer.exercise.name}`, {answer.kind}: {type(error).__name__}: {error}"]


class _Generator(torch.Generator):
    """A generator on torch's default device where none is named."""

    def __new__(cls, device: Any = None) -> Any:
        device = device or torch.get_default_device()
        return super().__new__(cls, device)  # type: ignore[call-arg]


def _on(place: str) -> Any:
    """Tensors and generators without a device of their own are made in this place."""
    if place == "as it is":
        return mock.patch.dict({})
    torch.set_default_device(place)
    return mock.patch.object(torch, "Generator", _Generator)


# --- processes ---------------------------------------------------------------------------


@dataclass
class Job:
    """Answers that one process judges in turn, and how many it has judged."""

    asks: Sequence[Ask]
    done: int = 0
    process: Any = None
    hears: Any = None
    since: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Go on with the first answer that is not judged."""
        context = multiprocessing.get_context("fork")
        self.hears, tells = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(self.asks[self.done :], tells))
        self.process.start()
        tells.close()
        self.since = time.monotonic()


def _work(asks: Sequence[Ask], tells: Any) -> None:
    torch.set_num_threads(1)
    for ask in asks:
        tells.send(judge(*ask))


def _run(jobs: list[Job], step: Step) -> Iterator[tuple[Ask, list[str]]]:
    """Each answer with what is found of it; as many jobs at once as there are cores.

    One that ends its process, or takes too long, has that found of it, and the next begins.
    """
    waiting, running = jobs[::-1], list[Job]()
    most, limit = step.of((os.cpu_count() or 1, SECONDS), (2, math.inf))
    try:
        while waiting or running:
            while waiting and len(running) < most:
                running.append(waiting.pop())
                running[-1].start()
            ready = multiprocessing.connection.wait([job.hears for job in running], timeout=1.0)
            for job in list(running):
                told = None
                if job.hears in ready:
                    try:
                        told = job.hears.recv()
                    except EOFError:
                        job.process.join()
                        told = [f"the process ended with status {job.process.exitcode}"]
                elif time.monotonic() - job.since > limit:
                    told = [f"not judged within {SECONDS:.0f} seconds"]
                    job.process.kill()
                if told is None:
                    continue
                yield job.asks[job.done], told
                job.done, job.since = job.done + 1, time.monotonic()
                if job.done == len(job.asks):
                    job.process.join()
                    running.remove(job)
                elif not job.process.is_alive():
                    job.start()
    finally:
        for job in running:
            job.process.kill()


# --- in words ----------------------------------------------------------------------------


def told(parts: Json) -> Iterator[tuple[str, str]]:
    """For each lesson how much is judged otherwise than on a CPU; then each of these findings."""
    for name, found in parts.items():
        differ = len(found["findings"]) or "none"
        yield name, f"of {found['answers']} answers {differ} judged otherwise than on a CPU"
        for finding in found["findings"]:
            yield name, finding[:160]
