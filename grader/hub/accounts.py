"""Accounts of the machine: one for each member of the class."""

from __future__ import annotations

import csv
import os
import pwd
import re
import secrets
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

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


def home(name: str) -> str:
    """The account's home."""
    return pwd.getpwnam(name).pw_dir


def run(name: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command as this account, and return what it prints.

    It has nothing of root's: no terminal, to type into or to read from, and no environment.
    """
    account = pwd.getpwnam(name)
    return subprocess.run(
        command,
        env={"PATH": os.defpath, "HOME": account.pw_dir, "PYTHONNOUSERSITE": "1"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
    )


def give(folder: Path, name: str) -> None:
    """Make the files and folders in a folder the account's; links stay as they are.

    Each is looked at once it is open, so that what is swapped meanwhile is not given away, and
    a file that has a second name elsewhere is refused.
    """
    account = pwd.getpwnam(name)
    for place, _, files, inside in os.fwalk(folder):
        _give(inside, account, place)
        for each in files:
            try:
                file = os.open(each, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=inside)
            except OSError:  # a link, or a socket
                continue
            try:
                _give(file, account, os.path.join(place, each))
            finally:
                os.close(file)


def _give(opened: int, account: pwd.struct_passwd, place: str) -> None:
    about = os.fstat(opened)
    if (about.st_uid, about.st_gid) == (account.pw_uid, account.pw_gid):
        return
    if about.st_nlink > 1 and not stat.S_ISDIR(about.st_mode):
        raise CourseError(
            f"{place} has another name elsewhere, and so is not the course's alone to give to "
            f"{account.pw_name}: put a copy in its place, or remove it."
        )
    os.fchown(opened, account.pw_uid, account.pw_gid)


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
