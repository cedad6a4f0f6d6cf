"""The gradebook in PostgreSQL: a real server, started for these tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import classroom
from classroom import FULL_POINTS, HALF, HALF_POINTS, RIGHT, hand_in, notebook

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("autograde")]


def programs() -> Path | None:
    """The folder of PostgreSQL's programs."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/opt").glob("*/bin")]
    if (found := shutil.which("initdb")) is not None:
        folders.insert(0, Path(os.path.realpath(found)).parent)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty database."""
    bin_ = programs()
    if bin_ is None:
        said = "no PostgreSQL was found: install it, on Debian with `apt-get install postgresql`"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(said)
    folder = Path(shutil.os.path.realpath(tmp_path_factory.mktemp("postgres")))
    user = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        for place in (folder, *folder.parents[:3]):
            if place.name.startswith("pytest") or place == folder:
                place.chmod(0o755)
        shutil.chown(folder, "nobody")
        user = {"user": "nobody"}
    data = folder / "data"
    quiet = {"check": True, "capture_output": True, "cwd": "/", **user}
    subprocess.run([bin_ / "initdb", "-D", data, "-U", "course", "-A", "trust"], **quiet)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    control = [bin_ / "pg_ctl", "-D", data, "-w", "-o", options]
    log = ["-l", str(folder / "log")]
    subprocess.run([*control, *log, "start"], **quiet | {"capture_output": False})
    yield f"postgresql://course@127.0.0.1:{port}/postgres"
    subprocess.run([bin_ / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)


def test_grades_are_the_same_in_postgresql(server: str, tmp_path: Path):
    """Are rows and outcomes those of SQLite, and is nothing graded twice?"""
    text = classroom.released(tmp_path)
    for learner, answers in (("ann", RIGHT), ("ben", HALF), ("cem", {})):
        hand_in(tmp_path, learner, notebook(text, answers))
    lite = classroom.rows(tmp_path, "--no-feedback")
    post = classroom.rows(tmp_path, "--db", server)
    assert post == lite
    assert classroom.scores(post) == {"ann": FULL_POINTS, "ben": HALF_POINTS, "cem": 0}
    assert classroom.outcomes(tmp_path, server) == classroom.outcomes(tmp_path)
    again = classroom.grade(tmp_path, "--db", server)
    assert again.returncode == 0 and "3 were graded before" in " ".join(again.stdout.split())


def test_a_server_that_is_not_there_gets_a_sentence(tmp_path: Path):
    """Is an address without a server answered in words, with nothing graded?"""
    hand_in(tmp_path, "ann", notebook(classroom.released(tmp_path), RIGHT))
    done = classroom.grade(tmp_path, "--db", "postgresql://course@127.0.0.1:1/postgres")
    assert done.returncode == 1 and "cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "autograded").exists()
