"""Isolation where a host forbids namespaces: a player is another account (`--isolation uid`).

It needs root, as Gradescope and many containers give it. Each player is a user of its own, without
groups and rights, under the sandbox's seccomp filter (no socket, no process, no other's memory) and
its limits; Landlock, where the kernel has it, leaves it the same files to read. What holds checks
and answers is closed to all other accounts.

It promises less. There is no root and no process table of its own: without Landlock a player reads
and writes whatever any account of this machine may, as in /tmp. The home folder lies on disk, and
each of its files is bounded, but not all together. Whoever finds a hole in the kernel's rules for
files is next to the checks. So it is never chosen unless it is asked for.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import tempfile
from pathlib import Path

from grader.errors import Unavailable
from grader.isolation import confinement, linux, seccomp

FIRST, SPAN = 61_500, 3_500
"""Accounts of players: numbers that no login has (systemd gives them to services for a while)."""
OPEN = {"lessons", "datasets", ".venv"}
"""What of the course's folder a player may see; the rest is closed."""


def prepare(root: Path, hidden: list[Path]) -> None:
    """Close what no player may see, and try whether it is; raises Unavailable."""
    linux.machine()
    if os.geteuid() != 0:
        raise Unavailable("--isolation uid needs root, to become another account")
    closed = [entry for entry in root.iterdir() if entry.name not in OPEN]
    for name in confinement.ANSWERS:
        closed += (root / "lessons" / "dropoutlab").rglob(f"{name}.*")
    closed += [folder for folder in hidden if folder.resolve() != root.resolve()]
    for path in closed:
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & 0o077:
            os.chmod(path, stat.S_IMODE(mode) & ~0o077)
    fault = _tried([path for path in closed if not path.is_symlink()], seen(root))
    if fault:
        raise Unavailable(fault)


def seen(root: Path) -> list[str]:
    """What a player reads."""
    return [*confinement.visible(root), str(root / "lessons" / "dropoutlab")]


def _tried(closed: list[Path], needed: list[str]) -> str:
    """What a player could see and must not, or must see and cannot; "" for nothing."""
    here, there = os.pipe()
    child = os.fork()
    if not child:
        try:
            _become(FIRST)
            fault = ""
            for path in closed:
                if os.access(path, os.R_OK) or os.access(path, os.X_OK):
                    fault = f"{path} cannot be closed to other accounts"
            for name in needed:
                if not os.access(name, os.R_OK):
                    fault = f"{name}, which answers need, cannot be read by other accounts"
            os.write(there, json.dumps(fault).encode())
        finally:
            os._exit(0)
    os.close(there)
    with open(here, encoding="utf-8") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return str(json.loads(said)) if said else "no other account can be taken"


def home() -> str:
    """A new folder for a player, which its owner removes when it has ended."""
    return tempfile.mkdtemp(prefix="dropout-player-")


def confine(root: Path, limits: confinement.Limits, own: str) -> None:
    """Become another account, for good. Taken by a player before any learner's code."""
    os.setsid()
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    readable = seen(root)
    account = FIRST + os.getpid() % SPAN
    os.chown(own, account, account)
    os.chdir(own)
    confinement.resources(limits, used)
    _become(account)
    linux.call("the end with the parent", "prctl", confinement.PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    linux.call("no new privileges", "prctl", confinement.NO_NEW_PRIVS, 1, 0, 0, 0)
    if landlocked():
        confinement.landlock(readable, own)
    seccomp.install()


def landlocked() -> bool:
    """Whether the kernel has Landlock, and lets it be used here."""
    try:
        return confinement.landlock_version() > 0
    except Unavailable:
        return False


def _become(account: int) -> None:
    try:
        os.setgroups([])
        os.setresgid(account, account, account)
        os.setresuid(account, account, account)
    except OSError as error:
        raise Unavailable(f"another account: {error.strerror}") from None
