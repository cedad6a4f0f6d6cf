"""Accounts of the machine: one for each member of the class."""

from __future__ import annotations

import csv
import os
import pwd
import re
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grader.errors import CourseError

NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")  # as useradd takes them
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is mistaken for another
FIRST = 1000  # the first account of a person; those below are the system's


def read(file: Path, instructor: str) -> list[str]:
    """The learners that a file names, one a line; `#` begins a comment."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{file} cannot be read as a list of learners: {error}.") from None
    places: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        name = line.partition("#")[0].strip()
        if not name:
            continue
        if name == instructor:
            raise CourseError(f"{file}, line {number}: {name} is the instructor: take it out.")
        if name in places:
            raise CourseError(f"{file}, line {number}: {name} is in line {places[name]} already.")
        valid(name, f"{file}, line {number}")
        places[name] = number
    if not places:
        raise CourseError(f"{file} names no learner: write one account's name a line.")
    return list(places)


def valid(name: str, where: str) -> str:
    """The name itself if a person's account can have it."""
    if not NAME.fullmatch(name):
        raise CourseError(
            f"{where}: {name!r} cannot be an account's name. Begin with a small letter; then "
            "small letters, digits, - and _, 32 at most."
        )
    if (account := _account(name)) and account.pw_uid < FIRST:
        raise CourseError(f"{where}: {name} is an account of the system. Take another name.")
    return name


def make(names: list[str], passwords: Path, say: Callable[[str], None]) -> None:
    """Make the accounts that are missing, each with a first password kept in a file.

    The file is written first: what was stopped half-way is finished by the next start.
    """
    missing = [name for name in names if _account(name) is None]
    if missing:
        say(f"Accounts are made for {', '.join(missing)}. Their first passwords: {passwords}")
        with open(passwords, "a", encoding="utf-8", opener=_closed) as file:
            for name in missing:
                password = "".join(secrets.choice(LETTERS) for _ in range(12))
                csv.writer(file).writerow([name, password])
    for name in missing:
        _run(["useradd", "--create-home", "--key", "HOME_MODE=0700", "--shell", "/bin/bash", name])
    if passwords.exists():
        with passwords.open(encoding="utf-8", newline="") as file:
            first = dict(csv.reader(file))
        new = [f"{name}:{first[name]}\n" for name in names if name in first and _without(name)]
        _run(["chpasswd"], "".join(new))
    for name in names:
        place = Path(home(name))
        if place.is_dir() and place.stat().st_mode & 0o077:
            say(f"{place} is open to others: `chmod 700 {place}` closes it.")


def group(name: str) -> int:
    """The account's own group."""
    return pwd.getpwnam(name).pw_gid


def home(name: str) -> str:
    """The account's home."""
    return pwd.getpwnam(name).pw_dir


def identity(name: str) -> dict[str, Any]:
    """What makes `subprocess` run a command as this account."""
    account = pwd.getpwnam(name)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def give(folder: Path, name: str) -> None:
    """Make everything in a folder the account's; what a link points to stays as it is."""
    account = pwd.getpwnam(name)
    for place, folders, files in os.walk(folder):
        for entry in (place, *(os.path.join(place, each) for each in folders + files)):
            os.chown(entry, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _without(name: str) -> bool:
    """Whether useradd has made the account and nobody has given it a password."""
    lines = Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
    return any(line.split(":")[:2] == [name, "!"] for line in lines)


def _closed(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _run(command: list[str], given: str = "") -> None:
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True)
    except FileNotFoundError:
        raise CourseError(f"Accounts are made with `{command[0]}`, which is missing.") from None
    if done.returncode:
        raise CourseError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
