"""The one run on a GPU, without one: its parts, its processes, its bundle, its rehearsal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
import torch

from curriculum import LESSONS
from dropoutlab import gpu
from grader import environment
from grader.authoring.trial import Answer
from grader.errors import CourseError
from grader.gpu import bundle, checks, kernels, paper, record, rounds, run, together
from grader.gpu.clock import Clock
from grader.gpu.step import BEGUN, Broken, Step
from grader.paths import ROOT


@pytest.fixture
def begin(tmp_path):
    """Begin a step, in its rehearsal, on a file that all of them share."""

    def step(name="kernels", seconds=1e6, device="one", **more):
        about = {"device": device, "versions": {}, "date": "2026-01-01"}
        place, ends = tmp_path / "gpu.json", time.monotonic() + seconds
        return Step(name, place, about, "cpu", True, ends, **more)

    return step


def refused():
    pytest.fail("what is kept was asked for again")


# Parts.


def test_a_part_is_kept_at_once_and_not_asked_for_again(begin):
    """Is a part in the file when the next begins, and does the next run leave it out?"""
    first = begin()
    first.part("one", lambda: {"found": 1})
    assert record.read(first.place)["kernels"]["parts"] == {"one": {"found": 1}}
    assert begin().part("one", refused) == {"found": 1}


def test_what_fails_is_named_and_the_next_part_begins(begin):
    """Is a failure kept in words, and asked for again in the next run, though not in this one?"""
    first = begin()
    assert first.part("one", lambda: 1 / 0) is None
    assert first.part("two", lambda: {"found": 2})
    assert record.read(first.place)["kernels"]["left out"] == {
        "one": "ZeroDivisionError: division by zero"
    }
    assert begin(restarted=True).part("one", refused) is None
    assert begin().part("one", lambda: {"found": 1}) == {"found": 1}
    assert not record.read(first.place)["kernels"]["left out"]


def test_a_part_for_which_no_time_is_left_is_not_begun(begin):
    """Does a step say of what needs more seconds than are left that they were not?"""
    step = begin(seconds=5)
    assert step.part("long", refused, needs=60) is None
    assert step.record.left_out == {"long": "60 seconds were not left for it"}


def test_a_part_that_ends_its_process_is_named(begin):
    """While a part runs, does the file say what will be true if it never comes back?"""
    step = begin()

    def asked():
        assert record.read(step.place)["kernels"]["left out"] == {"deadly": BEGUN}
        raise torch.AcceleratorError("an illegal memory access")

    with pytest.raises(Broken):
        step.part("deadly", asked)
    assert "illegal memory access" in record.read(step.place)["kernels"]["left out"]["deadly"]


def test_another_device_begins_anew_and_leaves_other_steps(begin):
    """Are parts of another device forgotten, those of other steps not?"""
    begin("together").part("sweep", lambda: {"ratio": 1})
    begin("kernels").part("one", lambda: {"found": 1})
    begin("kernels", device="another").part("one", lambda: {"found": 2})
    kept = record.read(begin().place)
    assert kept["kernels"]["parts"] == {"one": {"found": 2}}
    assert kept["together"]["parts"] == {"sweep": {"ratio": 1}}


# Processes.


def test_an_answer_that_ends_its_process_harms_no_other(begin, monkeypatch):
    """Is what kills its process, or raises, found of itself alone?"""

    def judge(lesson, answer, place):
        if answer.line == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return [f"{answer.line} in {place}"]

    monkeypatch.setattr(checks, "judge", judge)
    exercise = LESSONS[1].of("exercise")[0]
    answers = [Answer("mistake", exercise, "", line) for line in range(1, 5)]
    jobs = [checks.Job([(LESSONS[1], answer, place) for answer in answers]) for place in "ab"]
    found = {(ask[1].line, ask[2]): told for ask, told in checks._run(jobs, begin())}
    for place in "ab":
        assert [found[line, place] for line in (1, 3, 4)] == [
            [f"{line} in {place}"] for line in (1, 3, 4)
        ]
        assert found[2, place] == ["the process ended with status -9"]


def test_tensors_and_generators_are_made_where_they_are_asked_for():
    """On a device of its own, is a generator without a device of that one, and gone afterwards?"""
    own = torch.Generator
    try:
        with checks._on("meta"):
            assert torch.ones(2).device.type == "meta"
            assert torch.Generator is not own
            assert isinstance(torch.Generator("cpu"), own)
    finally:
        torch.set_default_device(None)
    assert torch.Generator is own


# What travels.


def test_the_bundle_holds_the_lessons(tmp_path, monkeypatch):
    """Where no lesson's text can be read, are the bundle's cells those of the texts?"""
    monkeypatch.setattr(bundle, "BUNDLE", ROOT / ".cache" / "gpu" / "test" / f"{os.getpid()}.json")
    monkeypatch.setattr("grader.authoring.reading.read_all", lambda folder: LESSONS)
    monkeypatch.setattr(bundle, "CACHE", tmp_path)
    for name in ("mnist", "fashion-mnist"):
        monkeypatch.setattr(bundle.data, name.replace("-", "_"), lambda: None)
        (tmp_path / name).mkdir()
        for file in bundle.data.FILES:
            (tmp_path / name / file).touch()
    try:
        assert bundle.make()[1:] == [tmp_path / "mnist", tmp_path / "fashion-mnist"]
        monkeypatch.setattr(bundle.importlib.util, "find_spec", lambda name: None)
        found = bundle.lessons.__wrapped__()
        assert [lesson.cells for lesson in found.values()] == [lesson.cells for lesson in LESSONS]
        monkeypatch.setattr(bundle, "digest", lambda: "another")
        with pytest.raises(CourseError, match="--bundle"):
            bundle.lessons.__wrapped__()
    finally:
        bundle.BUNDLE.unlink(missing_ok=True)


def test_a_python_with_a_gpus_packages_is_taken_as_it_is(monkeypatch):
    """Does this one command need no environment of the course, where PyTorch and Triton are?"""
    monkeypatch.setattr(environment, "satisfied", lambda *file: False)
    monkeypatch.setattr(environment, "finished", lambda: True)
    monkeypatch.setattr(environment, "version", lambda name: "1.0")
    assert str(environment.ready("gpu")) == sys.executable
    assert environment.ready("lab") == environment.PYTHON
    monkeypatch.setattr(environment, "version", lambda name: "" if name == "triton" else "1.0")
    assert environment.ready("gpu") == environment.PYTHON


# What is measured, at a tiny size and with stand-ins for the kernels.


class Fused(torch.autograd.Function):
    """r + dropout(x + b) with the arguments that the lesson's has."""

    @staticmethod
    def forward(ctx, x, b, r, p, seed, block=8):
        return x + b + r

    @staticmethod
    def backward(ctx, dz):
        return dz, dz.sum(0), dz, None, None, None


class Dropped(torch.autograd.Function):
    """dropout(x) with the arguments that the lesson's has."""

    @staticmethod
    def forward(ctx, x, p, seed):
        return x / (1 - p)

    @staticmethod
    def backward(ctx, dy):
        return dy, None, None


NAMES = {
    "TritonDropout": Dropped, "BiasDropoutResidual": Fused,
    "dropout_triton": lambda x, p, seed, block=8: x / (1 - p),
    "grouped_dropout": lambda x, shared, inner, p, seed: x / (1 - p),
}  # fmt: skip


def test_kernels_are_measured_beside_a_copy_and_pytorch(tmp_path, monkeypatch, capsys):
    """Is each kind there, each way, with its spread, and does a lesson tell it from the file?"""
    clock, plain = Clock("cpu", 5), {"compiled": lambda x: x * 1}
    joint = {"compiled": lambda x, b, r: r + x + b}
    alone = kernels.dropout(clock, NAMES, plain, 2**8, torch.bfloat16, (8,))
    fused = kernels.residual(clock, NAMES, joint, 2**13, torch.bfloat16)
    for way, count in (("forward", 5), ("backward", 4)):
        rows = alone[way]
        assert len(rows) == count and rows[0]["kind"] == "copy"
        assert all((row["of a copy"]["median"] == 1) == (row["kind"] == "copy") for row in rows)
        assert all(row["of a copy"]["times"] == 5 for row in rows)
    assert [row["kind"] for row in fused["both"]] == ["ours", "eager", "compiled"]
    for row in alone["memory"].values():
        row["kept"] = 256
    parts = {"dropout 2^8 bfloat16": alone, "residual 2^13 bfloat16": fused,
             "words": {"rows": kernels.words(clock, NAMES, 2**8)}}  # fmt: skip
    told = dict(kernels.told(parts))
    assert "ours" in told["dropout 2^8 bfloat16, forward"]
    step = {"device": "a GPU", "versions": {"torch": "2.11"}, "date": "2026-01-01", "parts": parts}
    monkeypatch.setattr(gpu, "KEPT", tmp_path / "gpu.json")
    gpu.say("kernels", gpu.speed)
    assert "python3 grader gpu" in capsys.readouterr().out
    gpu.KEPT.write_text(json.dumps({"kernels": step}))
    gpu.say("kernels", gpu.speed)
    gpu.say("kernels", gpu.memory)
    printed = capsys.readouterr().out
    assert "bfloat16, backward, of a copy's bandwidth: ours" in printed
    assert "bytes kept for each entry: ours 1, F.dropout 1" in printed
    assert gpu.measured({"copy": lambda: None}, 1) and gpu.measured_on() == "a GPU"


def test_a_wrong_entry_is_counted_and_found():
    """Is every entry beyond the first chunk compared, and the first wrong one named?"""
    n = kernels.CHUNK // 2**10
    y = torch.ones(n)
    right = kernels._compare(y, lambda i, kept: torch.ones_like(i), lambda i: i)
    assert right == {"entries": n, "wrong": 0, "first wrong": None}
    y[[1000, 2000]] = 5
    wrong = kernels._compare(y, lambda i, kept: torch.ones_like(i), lambda i: i)
    assert wrong == {"entries": n, "wrong": 2, "first wrong": 1000}


@pytest.mark.parametrize("four, one, copy, expected", [
    ((1.0, 1.0), (1.0, 2.0), 1.0, ["bound by bytes", "random numbers (50 % of the time)"]),
    ((2.0, 2.0), (2.0, 2.0), 1.0, ["neither", "0.50 of a copy"]),
])  # fmt: skip
def test_what_bounds_a_kernel_follows_from_its_rounds(four, one, copy, expected):
    """Is a time that rises with the rounds that of random numbers, and an even one of bytes?"""
    medians = {"copy": copy}
    for words, (none, ten) in (("four words", four), ("one word", one)):
        for count in rounds.ROUNDS:
            medians[f"{words}, {count} rounds"] = none + (ten - none) * count / 10
    said = rounds.verdict(medians)
    assert all(words in said for words in expected)


def test_updates_fill_the_time_that_there_is(begin):
    """On a device twice as fast, are about twice as many updates planned, up to the paper's?"""
    step = replace(begin("paper"), tiny=False)
    slow, fast = {"launches": 1e-4, "weight": 2e-11}, {"launches": 5e-5, "weight": 1e-11}
    few, many = (paper.plan(step, "table9", pace, 60)["updates"] for pace in (slow, fast))
    assert 1_000 < few < many and many / few == pytest.approx(2, abs=0.1)
    assert paper.plan(step, "table9", fast, 1e9)["updates"] == 1_000_000


def test_a_table_is_repeated_and_told(begin, tmp_path, monkeypatch):
    """In the rehearsal, does a table come out with its rows, kept apart from what is measured?"""
    monkeypatch.setattr(paper, "REHEARSAL", tmp_path)
    step = begin("paper")
    glyphs = partial(paper.images, tiny=True)
    found = step.part("table10", lambda: paper.repeat(step, glyphs, "table10", 4, False))
    assert [row["name"] for row in found["rows"]] == ["Bernoulli", "Gaussian"]
    assert (tmp_path / "paper" / "table10-glyphs-quick.json").exists()
    told = dict(paper.told(step.record.parts))
    assert told["table10, Gaussian"].startswith("paper 0.95, here ")


def test_networks_are_trained_both_ways():
    """Is each rate and seed trained at once and alone?"""
    measured = together.sweep("cpu", turns=2, steps=2, seeds=1)
    assert measured["networks"] == 3 and measured["ratio"]["median"] > 0


# The whole.


def rehearsed(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "grader", "gpu", "--rehearse", *arguments]
    return subprocess.run(command, cwd=ROOT, env=run.environment(True), capture_output=True,
                          text=True)  # fmt: skip


@pytest.mark.long("minutes: the run on a GPU, rehearsed")
def test_the_whole_run_is_rehearsed():
    """Does every step find every part, tiny and on the CPU, and do kernels compile for Hopper?"""
    done = rehearsed()
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "NOT MEASURED" not in done.stdout and "WRONG" not in done.stdout
    kept = record.read(record.REHEARSAL / "gpu.json")
    assert kept.keys() == {stage.name for stage in (run.COMPILING, *run.STAGES)}
    assert len(kept["compiling"]["parts"]) >= 8
    assert kept["paper"]["parts"].keys() >= paper.SHARES.keys()
    assert (record.REHEARSAL / "paper" / "table9-letters-quick.json").exists()
