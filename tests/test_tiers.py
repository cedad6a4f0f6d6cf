"""`python3 grader test`: what each tier has, and is what it leaves out told?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import ran
from grader import cli, environment, oldest, tiers
from grader.paths import ROOT

TRIED = ["tests/test_demo.py", "tests/hub/test_hub_load.py", "tests/hub/test_class.py"]
COLLECT = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]


@pytest.mark.slow
@pytest.mark.parametrize(("tier", "files", "line"), [
    ("quick", TRIED[2:], "left out: 2 tests (a hub of 31 servers); run `python3 grader test` or "
                        "`python3 grader test --all`"),
    ("default", TRIED[::2], "left out: 1 tests (a hub of 31 servers); run `python3 grader test "
                           "--all`"),
    ("all", TRIED, ""),
])  # fmt: skip
def test_what_is_left_out_is_told(tier: str, files: list[str], line: str):
    """Has a tier the tests of its marks, and does its last line name the others and a command?"""
    command = [sys.executable, *COLLECT, f"--tier={tier}", *TRIED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert {test.partition("::")[0] for test in lines if "::" in test} == set(files)
    assert [told for told in lines if told.startswith("left out")] == [line] * bool(line)


def report(outcome: str, key: ran.Key, needed: int) -> SimpleNamespace:
    """What pytest tells of a test that belongs to a key."""
    passed, failed = outcome == "passed", outcome == "failed"
    properties = [(ran.RESTS_ON, [[*key, needed]])]
    return SimpleNamespace(when="call", passed=passed, failed=failed, user_properties=properties)


@pytest.mark.parametrize(("outcomes", "tier", "args", "noted"), [
    (["passed", "passed"], "default", [], True),
    (["passed", "failed"], "default", [], False),
    (["passed", "passed", "failed"], "all", [], False),
    (["passed"], "default", [], False),
    (["passed", "skipped"], "default", [], False),
    (["passed", "passed"], "quick", [], False),
    (["passed", "passed"], "all", ["test_lessons.py::test_stub"], False),
    (["passed", "passed"], "all", ["--lf"], False),
])  # fmt: skip
def test_what_has_passed_is_noted(
    outcomes: list[str], tier: str, args: list[str], noted: bool,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
):  # fmt: skip
    """Is a lesson's digest written down if all of its tests have passed, and only then?"""
    monkeypatch.setattr(ran, "FOLDER", tmp_path)
    passing, key = ran.Passing(), ("checks", "11_masks", "a digest")
    for outcome in outcomes:
        passing.pytest_runtest_logreport(report(outcome, key, 2))
    option = SimpleNamespace(tier=tier, lf="--lf" in args)
    ini = {"filterwarnings": ["error"]}
    config = SimpleNamespace(args=args, option=option, getini=ini.get)
    passing.pytest_sessionfinish(SimpleNamespace(config=config))
    assert ran.same(key) == noted
    assert not ran.same(("checks", "11_masks", "another digest"))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The arguments with which pytest was called; it was not, and nothing is installed."""
    calls: list[list[str]] = []
    status = iter([1, 0])
    monkeypatch.setattr(environment, "add", lambda *parts: None)
    monkeypatch.setattr(oldest, "ready", lambda: Path("python-of-old"))

    def call(command: list[str], **_: object) -> int:
        calls.append(list(map(str, command)))
        return next(status)

    monkeypatch.setattr(subprocess, "call", call)
    return calls


@pytest.mark.parametrize("tier", ["quick", "default", "all"])
def test_arguments_go_to_pytest(runs: list[list[str]], tier: str):
    """Is pytest told the tier and what else was given, and its status returned?"""
    option = [] if tier == "default" else [f"--{tier}"]
    assert cli.main(["test", *option, "-k", "masks"]) == 1
    (run,) = runs
    assert run[0] == sys.executable and run[-3:] == [f"--tier={tier}", "-k", "masks"]


def test_all_ends_with_the_oldest_packages(runs: list[list[str]]):
    """Does `--all` run the main path with the oldest packages too, and fail where either does?"""
    assert cli.main(["test", "--all"]) == 1
    everything, main_path = runs
    assert everything[-1] == "--tier=all"
    assert main_path[0] == "python-of-old" and set(oldest.MAIN_PATH) <= set(main_path)


def test_every_tier_is_one_more_than_the_last():
    """Does no tier leave out what a smaller one has?"""
    marks = [set(tiers.LEAVES_OUT[tier]) for tier in ("quick", "default", "all")]
    assert marks[0] > marks[1] > marks[2] == set()
