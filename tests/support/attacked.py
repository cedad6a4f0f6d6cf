"""A class of honest learners and of one for each attack, graded by the real command."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import classroom
from attacks import CODE, FOLDERS, NOTEBOOKS
from classroom import FULL_POINTS, HALF, HALF_POINTS, LESSON, RIGHT
from grader.paths import ROOT

HONEST = {"ann": (RIGHT, FULL_POINTS), "ben": (HALF, HALF_POINTS), "cem": ({}, 0)}
ATTACKS = [*CODE, *NOTEBOOKS, *FOLDERS]
SECRET = "SECRET-5d1c"
TIMEOUT = 3
"""Seconds for a cell: a dozen attacks wait until they are stopped, some more than once."""
WORKERS = max(2, min(os.cpu_count() or 1, 4))
"""Two at least: while one attacks, there is another to be attacked."""


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


def attacked(place: Path, grade: Callable[..., list[dict]], root: Path = ROOT) -> Graded:
    """Write the class, have it graded by the command, and look at what has become of all."""
    notebook = functools.partial(classroom.notebook, classroom.released(place))
    paths = {
        who: classroom.hand_in(place, who, notebook(answers))
        for who, (answers, _) in HONEST.items()
    }
    places = {
        "solution": root / "solutions" / LESSON.path.name,
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

    watched = [
        place / "submitted",
        place / "source",
        root / "solutions",
        root / "lessons" / LESSON.name,
    ]
    before = {key: value for folder in watched for key, value in digests(folder).items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKEN", SECRET)
        rows = grade(place, "--timeout", str(TIMEOUT), "--workers", str(WORKERS))
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
