"""The gradebook in PostgreSQL: a real server, started for these tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import classroom
import interruption
from classroom import LESSON
from grader import cli, course
from grader.authoring.lesson import Lesson
from grader.grading import autograde

pytestmark = [pytest.mark.slow(minutes=0.5), pytest.mark.xdist_group("postgres")]


def programs() -> Path | None:
    """The folder of PostgreSQL's programs."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (initdb := shutil.which("initdb")) is not None:
        folders.insert(0, Path(os.path.realpath(initdb)).parent)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an empty database."""
    bin_ = programs()
    if bin_ is None:
        remedy = "no PostgreSQL was found: install it, on Debian with `apt-get install postgresql`"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(remedy)
    user = {"user": "nobody"} if os.geteuid() == 0 else {}  # PostgreSQL refuses to run as root
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    quiet |= user
    # Not in pytest's own folder: that is for one user's eyes.
    with tempfile.TemporaryDirectory(prefix="dropout-postgres-") as folder:
        if user:
            shutil.chown(folder, **user)
        data = f"{folder}/data"
        initdb = [bin_ / "initdb", "-D", data, "-U", "course", "-A", "trust", "-E", "UTF8", "-N"]
        subprocess.run(initdb, **quiet)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        control = [bin_ / "pg_ctl", "-D", data, "-w"]
        subprocess.run([*control, "-o", options, "-l", f"{folder}/log", "start"], **quiet)
        try:
            yield f"postgresql://course@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


@dataclass
class Graded:
    """A class that was graded into PostgreSQL, in two runs of which the first was killed."""

    place: Path
    url: str
    stop: interruption.Stop
    rows: list[dict]


@pytest.fixture(scope="module")
def graded(server: str, tmp_path_factory: pytest.TempPathFactory) -> Graded:
    place = tmp_path_factory.mktemp("class")
    interruption.make(place)
    run = interruption.started(place, "--db", server)
    interruption.reached(run, lambda: len(interruption.graded(place)) >= 4)
    run.send_signal(signal.SIGKILL)
    output = "".join(run.communicate(timeout=600))
    before = interruption.when(place, server)
    stop = interruption.Stop(before, 0, run.returncode, output, [], [])
    return Graded(place, server, stop, classroom.rows(place, "--db", server))


def test_a_killed_run_is_finished_by_the_next(graded: Graded):
    """Is what the server had before the kill graded once, and the rest afterwards?"""
    assert 3 <= len(graded.stop.graded) < interruption.CLASS
    final = interruption.when(graded.place, graded.url)
    assert final.keys() == interruption.EXPECTED.keys()
    assert {who: final[who] for who in graded.stop.graded} == graded.stop.graded
    assert classroom.scores(graded.rows) == interruption.EXPECTED


def test_rows_are_those_of_sqlite(graded: Graded, tmp_path: Path):
    """Are rows, outcomes and nbgrader's scores the same, whatever database holds them?"""
    shutil.copytree(graded.place / "submitted", tmp_path / "submitted")
    lite = classroom.rows(tmp_path, "--no-feedback")
    assert lite == graded.rows
    assert classroom.outcomes(graded.place, graded.url) == classroom.outcomes(tmp_path)
    api = course.nbgrader(graded.place, course.folder(graded.place, graded.url))
    scores = {s["student"]: s["score"] for s in api.get_submissions(LESSON.name)}
    assert scores == interruption.EXPECTED


def test_feedback_is_written_from_postgresql(graded: Graded):
    """Has everybody's feedback the score that the server holds?"""
    for page in interruption.pages(graded.place):
        score = float(interruption.EXPECTED[page.parent.parent.name])
        says = f"<strong>{score:g}</strong> of {LESSON.points:g} points"
        assert says in page.read_text(encoding="utf-8")
    assert len(interruption.pages(graded.place)) == interruption.CLASS


def test_nothing_is_graded_twice(
    graded: Graded, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Does the same command, once more, grade nobody?"""

    def nobody(*_: object) -> Lesson:
        raise AssertionError("somebody is graded")

    monkeypatch.setattr(autograde, "Task", nobody)
    assert cli.main(["autograde", "00", "--course", str(graded.place), "--db", graded.url]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert f"{interruption.CLASS} were graded before" in output
