"""Mutation: how many small edits of a lesson's solutions do its checks notice?

`python3 grader check 13 --mutants` prints a line for each edit that every check accepts. An edit
that nobody could see is listed in tests/authoring/survivors.toml, with the reason.
"""

from __future__ import annotations

import functools
import math
import os
import signal
import sys
import time
import tomllib
import unittest
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from dropoutlab import expect
from grader.authoring import mutants, trial
from grader.authoring.lesson import Cell, Lesson
from grader.authoring.mutants import Mutant
from grader.errors import CourseError
from grader.paths import ROOT

KNOWN = ROOT / "tests" / "authoring" / "survivors.toml"
SEEDS = 2
"""How many draws a mutant is judged by; a check that draws nothing judges it once."""

SECONDS = 3
GIGABYTES = 4.0
"""What a mutant may use besides ten times the solution's; one that uses more is noticed."""
SURVIVED, NOTICED = 0, 1


def listed() -> dict[str, dict[str, dict[str, str]]]:
    """For each lesson and exercise, the edits that nobody could see, with the reasons."""
    return tomllib.loads(KNOWN.read_text(encoding="utf-8")) if KNOWN.exists() else {}


def known(lesson: str) -> dict[tuple[str, str], str]:
    """Exercise and edit of each listed survivor of a lesson, with the reason."""
    return {
        (exercise, edit): reason
        for exercise, edits in listed().get(lesson, {}).items()
        for edit, reason in edits.items()
    }


def outcomes(lesson: Lesson, only: str = "", seeds: int = SEEDS) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant of a lesson (or of the exercise `only`), and whether a check notices it."""
    if sys.platform == "win32":
        raise CourseError("Mutants are tried in forked processes: use Linux, macOS or WSL.")
    import torch

    torch.set_num_threads(1)  # a process that has started threads cannot be forked safely
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a learner's kernel warns, and runs on
        for exercise in lesson.of("exercise"):
            made = mutants.of(lesson, exercise) if only in ("", exercise.name) else []
            if not made:
                continue
            checks, seconds = _checks(lesson, exercise, seeds)
            if not checks:  # left out on this machine
                continue
            limit = SECONDS + int(10 * seconds)
            for mutant in made:
                judge = functools.partial(_notices, lesson, checks, mutant, seeds)
                yield mutant, _forked(judge, limit) != SURVIVED


def _checks(lesson: Lesson, exercise: Cell, seeds: int) -> tuple[list[Cell], float]:
    """The checks of an exercise, the quickest first, and the seconds that they take together."""
    names, took = trial.stage(lesson), {}
    for check in lesson.of("check", exercise.name):
        start = time.process_time()
        try:
            for unmet in _verdicts(names, check, seeds):
                if unmet is not None:
                    what = f"{lesson.path.name}:{check.line}: refuses the solution: mend this first"
                    raise CourseError(f"{what} (`python3 grader check {lesson.name[:2]}`).")
        except unittest.SkipTest:
            continue
        took[check] = time.process_time() - start
    return sorted(took, key=lambda check: took[check]), sum(took.values())


def _verdicts(names: trial.Names, check: Cell, seeds: int) -> Iterator[expect.Unmet | None]:
    """What a check says of these names, draw by draw."""
    bench = trial.Bench(names, [check], seeds, math.inf)
    return (bench.verdict(check, seed) for seed in bench.draws())


def _notices(lesson: Lesson, checks: list[Cell], mutant: Mutant, seeds: int) -> bool:
    """Whether a check refuses a mutant."""
    names = trial.stage(lesson, **{mutant.exercise: mutant.source})
    return any(unmet is not None for check in checks for unmet in _verdicts(names, check, seeds))


def _forked(judge: Callable[[], bool], seconds: int) -> int:
    """What a process of its own says, which is ended where it runs or grows without end."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        _confine(seconds)
        os._exit(NOTICED if judge() else SURVIVED)
    except BaseException:  # a mutant that crashes is noticed
        os._exit(NOTICED)


def _confine(seconds: int) -> None:
    """Limit this process's processor time and memory, and let it print nothing."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(60 + 20 * seconds)  # by the clock too: it may wait for what never comes
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + int(GIGABYTES * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)


def command(lesson: Lesson, only: str, seeds: int) -> int:
    """Print each mutant that survives, then the score; 1 where one of them is not known."""
    reasons, made, survived, new = known(lesson.name), 0, 0, 0
    for mutant, noticed in outcomes(lesson, only, seeds):
        made += 1
        if not noticed:
            survived += 1
            reason = reasons.get((mutant.exercise, mutant.edit), "")
            new += not reason
            place = f"{lesson.path.name}:{mutant.line}: {mutant.exercise}: {mutant.edit}"
            print(f"{place}  # {reason}" if reason else place, flush=True)
    score = f"{made} mutants, {made - survived} noticed, {survived} survive"
    print(f"{lesson.name}: {score}, {new} of them not listed.")
    if new:
        where = "tests/authoring/survivors.toml with the reason why nobody could notice"
        print(f"Mend the check, or list the edit in {where}.")
    return 1 if new else 0
