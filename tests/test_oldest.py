"""`grader test --oldest`: which versions are meant, and are the tests that it names there?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from grader import environment, oldest
from grader.errors import CourseError
from grader.paths import ROOT


def test_a_bound_becomes_the_version():
    """Are bounds, pins, extras, markers and comments read as pip reads them?"""
    text = """
# the lessons
numpy>=1.26,<3
torch==2.13.0
triton>=3.7,<4; sys_platform == "linux" # lesson 4.2
psycopg[binary]>=3.1.4,<4 # a gradebook
distributed>=2024.5
"""
    assert list(oldest.lowest(text)) == [
        "numpy==1.26",
        "torch==2.13.0",
        'triton==3.7; sys_platform == "linux"',
        "psycopg[binary]==3.1.4",
        "distributed==2024.5",
    ]


@pytest.mark.parametrize("line", ["numpy", "numpy<3", "numpy~=1.26", "numpy>=1,>=2", "numpy=>1"])
def test_a_line_without_one_lower_bound_is_named(line: str):
    """Does the error name the line, and a way to write it?"""
    with pytest.raises(CourseError, match=r"line 2: .*name>=a,<b"):
        list(oldest.lowest(f"scipy>=1\n{line}\n"))


def test_every_requirement_has_a_lower_bound():
    """Is there a lowest version of each direct dependency, which its own line allows?"""
    lists = [environment.REQUIREMENTS, *environment.LISTS.values()]
    text = "\n".join(file.read_text(encoding="utf-8") for file in lists)
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    wanted = [Requirement(line) for line in lines if line]
    for need, line in zip(wanted, map(Requirement, oldest.lowest(text)), strict=True):
        (only,) = line.specifier
        assert need.specifier.contains(only.version), line


def test_an_environment_is_kept_while_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Is it filled once, and again only for other requirements or after a failure?"""
    wanted, steps, status = tmp_path / "requirements.txt", [], [1, 0, 0]
    wanted.write_text("numpy>=1.26,<3\n")
    monkeypatch.setattr(oldest, "PLACE", tmp_path / "oldest")
    monkeypatch.setattr(environment, "REQUIREMENTS", wanted)
    monkeypatch.setitem(environment.LISTS, "tests", Path(os.devnull))
    monkeypatch.setattr(environment, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(oldest.venv, "create", lambda place, **_: place.mkdir(exist_ok=True))

    def run(*command: str | Path) -> int:
        steps.append(Path(command[-1]).read_text())
        return status.pop(0)

    monkeypatch.setattr(environment, "run", run)
    with pytest.raises(CourseError, match="Raise the one"):
        oldest.ready()
    python = oldest.ready()
    assert python == oldest.ready() and python.is_relative_to(tmp_path)
    wanted.write_text("numpy>=1.27,<3\n")
    oldest.ready()
    assert steps == ["numpy==1.26", "numpy==1.26", "numpy==1.27"]


@pytest.mark.slow
def test_the_main_path_is_there():
    """Does each test that it names, or leaves out, exist?"""
    names = [name.removeprefix("--deselect=") for name in oldest.MAIN_PATH]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *names]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-2000:]
