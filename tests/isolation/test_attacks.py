"""Nothing that a learner hands in earns what it does not deserve, or harms anybody.

One class, graded once by the real command with the sandbox on: three honest learners, and one
learner for each attack of `attacks.py`.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import re
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

import classroom
from attacks import CODE, FOLDERS, NOTEBOOKS
from classroom import FULL_POINTS, HALF, HALF_POINTS, LESSON, RIGHT
from grader.paths import ROOT, SOLUTIONS

HONEST = {"ann": (RIGHT, FULL_POINTS), "ben": (HALF, HALF_POINTS), "cem": ({}, 0)}
ATTACKS = [*CODE, *NOTEBOOKS, *FOLDERS]
SECRET = "SECRET-5d1c"
TIMEOUT = 3
"""Seconds for a cell: a dozen attacks wait until they are stopped, some more than once."""
WORKERS = 2 * min(os.cpu_count() or 1, 4)
"""More than there are cores: who waits for a time-out needs none."""
ENDS = {  # how an attack must end, where one end alone is right
    "endless loop": "timed out",
    "endless loop inside": "timed out",
    "endless loop deaf to Ctrl-C": "timed out",
    "sleep": "timed out",
    "waiting in C": "timed out",
    "wire: replies after time-out": "timed out",
    "os._exit": "killed",
    "os._exit inside the function": "killed",
    "exit in IPython": "killed",
    "abort": "killed",
    "segmentation fault": "killed",
    "wire: a huge length": "killed",
    "wire: a pickle": "killed",
    "wire: objects": "killed",
    "wire: thousands of handles": "killed",
    "NumPy memory bomb": "out of memory",
    "checks that say pass": "tampered",
    "more points": "tampered",
    "grade: false": "tampered",
    "an empty file": "malformed",
    "no JSON": "malformed",
    "deep JSON": "malformed",
    "sixty megabytes": "malformed",
    "nothing": "malformed",
    "a pipe": "malformed",
    "a folder": "malformed",
    "a link to the solution": "malformed",
    "a link to a class-mate": "malformed",
}


@dataclass(frozen=True)
class Graded:
    """The class after grading."""

    place: Path
    rows: list[dict]
    ends: dict[str, str]
    changed: list[str]
    reached: list[str]
    left: list[str]


def name_of(attack: str) -> str:
    return re.sub(r"\W+", "-", attack).strip("-")


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """Write the class, grade it by the command, and look at what has become of all."""
    place = tmp_path_factory.mktemp("class")
    notebook = functools.partial(classroom.notebook, classroom.released(place))
    paths = {
        who: classroom.hand_in(place, who, notebook(answers))
        for who, (answers, _) in HONEST.items()
    }
    places = {
        "solution": LESSON.path,
        "source": place / "source" / LESSON.name / f"{LESSON.name}.ipynb",
        "class-mate": paths["ann"],
        "gradebook": place / "gradebook.db",
        "secret": place / "secret.txt",
    }
    places["secret"].write_text(SECRET)
    door = Door()
    known = {
        "PLACES": repr([str(path) for path in places.values()]),
        "PORT": repr(door.port),
        "GRADER": repr(os.getpid()),
        "TIMEOUT": repr(TIMEOUT),
    }
    head = "".join(f"{name} = {value}\n" for name, value in known.items())
    for attack, code in CODE.items():
        classroom.hand_in(place, name_of(attack), notebook({"scale": head + code}))
    for attack, change in NOTEBOOKS.items():
        nb = notebook({})
        change(nb)
        classroom.hand_in(place, name_of(attack), nb)
    for attack, make in FOLDERS.items():
        folder = place / "submitted" / name_of(attack) / LESSON.name
        folder.mkdir(parents=True)
        make(folder, LESSON.name, places)

    watched = [place / "submitted", place / "source", SOLUTIONS, ROOT / "lessons" / LESSON.name]
    before = {key: value for folder in watched for key, value in digests(folder).items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKEN", SECRET)
        rows = classroom.rows(place, "--timeout", str(TIMEOUT), "--workers", str(WORKERS))
    after = {key: value for folder in watched for key, value in digests(folder).items()}
    changed = sorted(key for key in before | after if before.get(key) != after.get(key))
    left = subprocess.run(
        ["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    left = [line for line in left if "grader.isolation.forkserver" in line and str(place) in line]
    ends = classroom.outcomes(place)
    return Graded(place, rows, ends, changed, door.close(), left)


class Door:
    """A server that notes who comes in."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.came: list[str] = []
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        while True:
            try:
                connection, address = self.server.accept()
            except OSError:
                return
            connection.close()
            self.came.append(str(address))

    def close(self) -> list[str]:
        self.server.close()
        return self.came


def rows_of(graded: Graded, learner: str) -> list[dict]:
    return [row for row in graded.rows if row["learner"] == learner]


pytestmark = [pytest.mark.slow(minutes=2), pytest.mark.xdist_group("attacks")]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_earns_nothing(graded: Graded, attack: str):
    """Is the score 0, in every row, and the end what it was?"""
    rows = rows_of(graded, name_of(attack))
    assert rows, "no row"
    assert [row["points"] or 0 for row in rows] == [0] * len(rows)
    assert sum(row["max"] for row in rows) == LESSON.points
    assert graded.ends[name_of(attack)] != "passed"
    if attack in ENDS:
        assert graded.ends[name_of(attack)] == ENDS[attack], rows
    assert not {row["outcome"] for row in rows} & {"passed"}


@pytest.mark.parametrize("learner", HONEST)
def test_class_mates_keep_their_scores(graded: Graded, learner: str):
    """Do honest learners among attackers get exactly what their answers are worth?"""
    assert sum(row["points"] or 0 for row in rows_of(graded, learner)) == HONEST[learner][1]


def test_nothing_outside_is_written(graded: Graded):
    """Are submissions, source, solutions and lessons as they were?"""
    assert graded.changed == []
    assert not list(graded.place.rglob("OWNED"))


def test_nobody_comes_through_the_door(graded: Graded):
    """Has no learner's code reached a server on this machine?"""
    assert graded.reached == []


def test_no_process_is_left(graded: Graded):
    """Is every process gone when the command has ended?"""
    assert graded.left == []


@pytest.mark.parametrize("attack", CODE)
def test_nothing_leaks(graded: Graded, attack: str):
    """Does what an attack shows hold no secret, no answer and no check?"""
    path = graded.place / "autograded" / name_of(attack) / LESSON.name / f"{LESSON.name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    texts = [json.dumps(c.get("outputs", [])) for c in notebook.cells if c.id == "scale"]
    shown = "".join(texts)
    hidden = [SECRET, "Marking guide", "divided by factor", "expect.close(", "return factor * x"]
    assert not [words for words in hidden if words in shown]
    assert "REACHED" not in shown and "KILLED" not in shown
    made = re.search(r"made (\d+)", shown)
    assert made is None or made[1] == "0"


@pytest.mark.parametrize("attack", [*CODE, *NOTEBOOKS])
def test_feedback_is_inert_and_small(graded: Graded, attack: str):
    """Is feedback written whose scripts are the page's own, and is it no flood?"""
    page = graded.place / "feedback" / name_of(attack) / LESSON.name / f"{LESSON.name}.html"
    text = page.read_text(encoding="utf-8")
    assert len(text) < 5_000_000
    for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL):
        assert "OWNED" not in script
    assert not re.search(r"<img[^>]*onerror", text)


def test_every_cell_of_an_attack_is_python():
    """Is each attack a text that would run, and not one that fails for a slip of ours?"""
    for attack, code in CODE.items():
        try:
            ast.parse(code)
        except SyntaxError as error:
            pytest.fail(f"{attack}: {error}")
