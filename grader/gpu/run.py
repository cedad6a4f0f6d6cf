"""The steps in order of worth, each in a process of its own and within its time.

A step writes each part as it is found, so a run that is cut short counts for what it has; the next
one leaves out what is there. Where the process of a step dies, it begins again without that part.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.errors import CourseError
from grader.gpu import bundle
from grader.gpu.record import DIED, KEPT, REHEARSAL, Json, read
from grader.gpu.step import about
from grader.paths import LESSONS, ROOT

SECONDS = 530.0
"""For all steps together: under nine minutes."""
GRACE = 15.0
"""Seconds in which a step that is told to end may save what it has."""
TRIES = 3
"""How often a step is started where its process dies."""


@dataclass(frozen=True)
class Stage:
    """A step: its module, what it measures, and the most seconds that it may take."""

    name: str
    what: str
    seconds: float


STAGES = (
    Stage("kernels", "dropout's kernels: how fast, with what memory, how right", 150),
    Stage("checks", "the lessons' checks with tensors on the GPU", 100),
    Stage("together", "many networks at once", 40),
    Stage("paper", "the paper's tables in full size", SECONDS),  # all that is left
)
COMPILING = Stage("compiling", "kernels compiled for a GPU that is not there", 300)


def command(names: Sequence[str], rehearse: bool, seconds: float | None) -> int:
    """Run the steps of these names, or all; print what there is then. 1 where a part is missing."""
    stages = [stage for stage in STAGES if not names or stage.name in names]
    bundle.lessons()  # to be told at once where they are missing
    if rehearse:
        shutil.rmtree(REHEARSAL, ignore_errors=True)
        # Named steps are rehearsed alone; all of them with what only a GPU's compiler can tell.
        stages = stages if names else [COMPILING, *stages]
    else:
        _there()
    place = REHEARSAL / "gpu.json" if rehearse else KEPT
    told = about("cpu" if rehearse else "cuda")
    ends = time.monotonic() + (seconds or (3600.0 if rehearse else SECONDS))
    for stage in stages:
        limit = ends - time.monotonic() - GRACE
        limit = limit if rehearse else min(limit, stage.seconds)
        if limit < GRACE:
            print(f"{stage.name}: no time was left for it", flush=True)
            continue
        print(f"{stage.name}: {stage.what}, {limit:.0f} s at most", flush=True)
        _run(stage.name, place, rehearse, limit, told)
    print(*lines(place, stages), sep="\n")
    print(f"written: {place}")
    kept = read(place)
    done = all(name.name in kept and not kept[name.name]["left out"] for name in stages)
    return 0 if done else 1


def _there() -> None:
    """Say what to do where there is no GPU."""
    import torch

    if not torch.cuda.is_available():
        raise CourseError(
            "no GPU is found here, and `python3 grader gpu` measures one: `--rehearse` tries all "
            "of it on a CPU."
        )


def _run(name: str, place: Path, tiny: bool, limit: float, told: Json) -> None:
    """One step; where its process dies it begins again, without the part that it was at."""
    ends = time.monotonic() + limit
    for attempt in range(TRIES):
        left = ends - time.monotonic()
        command = [sys.executable, "-P", "-m", "grader.gpu", name, f"--place={place}",
                   f"--about={json.dumps(told)}", f"--seconds={left:.0f}",
                   f"--device={'cpu' if tiny else 'cuda'}"]  # fmt: skip
        command += ["--tiny"] * tiny + ["--restarted"] * (attempt > 0)
        step = subprocess.Popen(command, cwd=ROOT, env=environment(tiny))
        try:
            step.wait(timeout=max(1.0, left))
        except subprocess.TimeoutExpired:
            step.send_signal(signal.SIGINT)
            try:
                step.wait(timeout=GRACE)
            except subprocess.TimeoutExpired:
                step.kill()
                step.wait()
            return
        except KeyboardInterrupt:
            step.wait()  # the same Ctrl-C has reached it
            raise
        if step.returncode == 0:
            return
        print(f"{name}: its process ended with status {step.returncode}", flush=True)
        if step.returncode not in (DIED, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT):
            return


def environment(tiny: bool) -> dict[str, str]:
    """The variables of a step's process, which says itself whether kernels are interpreted."""
    path = [str(ROOT), str(LESSONS), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {"PYTHONPATH": os.pathsep.join(path)}
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if tiny else {}
    inherited = {name: v for name, v in os.environ.items() if name != "TRITON_INTERPRET"}
    return {**inherited, **variables, **hidden}


def lines(place: Path, stages: Sequence[Stage]) -> list[str]:
    """What was measured, and what was not and why: a line each."""
    kept, found = read(place), []
    for stage in stages:
        step = kept.get(stage.name)
        if step is None:
            found.append(f"{stage.name}: nothing is kept")
            continue
        versions = ", ".join(f"{name} {version}" for name, version in step["versions"].items())
        found.append(f"{stage.name}: on {step['device']}, {versions}, {step['date']}")
        module = importlib.import_module(f"grader.gpu.{stage.name}")
        rows = list(module.told(step["parts"]))
        rows += [(name, f"NOT MEASURED: {why}") for name, why in step["left out"].items()]
        found += [f"  {name:44} {what}" for name, what in rows]
    return found
