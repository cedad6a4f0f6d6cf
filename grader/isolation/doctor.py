"""What this machine offers for running learners' code: `python3 grader doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from grader.errors import Unavailable
from grader.isolation import confinement, linux, seccomp
from grader.isolation.forks import Players
from grader.isolation.outputs import run_cell
from grader.isolation.session import Session
from grader.paths import ROOT


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is as it should be, and how it is."""

    what: str
    good: bool
    detail: str


PARTS: dict[str, Callable[[], object]] = {
    "a user namespace": lambda: confinement.own_namespace(confinement.NEWUSER),
    "mount namespace": lambda: confinement.own_namespace(confinement.NEWUSER | confinement.NEWNS),
    "PID namespace": lambda: confinement.own_namespace(confinement.NEWUSER | confinement.NEWPID),
    "network namespace": lambda: confinement.own_namespace(
        confinement.NEWUSER | confinement.NEWNET
    ),
    "IPC namespace": lambda: confinement.own_namespace(confinement.NEWUSER | confinement.NEWIPC),
    "Landlock": lambda: f"version {confinement.landlock_version()}",
    "seccomp": seccomp.install,
}

INSIDE = """
import errno, mmap, os, socket
def tried(call):
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "allowed"
print("user", os.getuid(), "process", os.getpid(), "root", sorted(os.listdir("/")))
print("socket:", tried(lambda: socket.socket()), "| fork:", tried(os.fork),
      "| exec:", tried(lambda: os.execv("/usr/bin/env", ["env"])),
      "| write to /usr:", tried(lambda: open("/usr/x", "w")),
      "| read the course:", tried(lambda: os.listdir(COURSE)),
      "| memory that no limit counts:", tried(lambda: mmap.mmap(-1, 4096)))
"""


def examine() -> list[Finding]:
    """Look at each part of the sandbox, then start a player and look from within."""
    findings = [
        Finding("system", True, f"{platform.system()} {platform.release()}, {platform.machine()}"),
        Finding("user", True, "root: given up in the sandbox" if _root() else "not root"),
    ]
    try:
        linux.machine()
    except Unavailable as error:
        return [*findings, Finding("sandbox", False, str(error))]
    findings += [_part(what, call) for what, call in PARTS.items()]
    findings += _player()
    return findings


def _root() -> bool:
    return os.geteuid() == 0


def _part(what: str, call: Callable[[], object]) -> Finding:
    """Try a part in a process of its own, which ends with it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = f"+{call() or 'yes'}"
        except (Unavailable, OSError) as error:
            text = f"-{error}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return Finding(what, text.startswith("+"), text[1:] or "the process ended")


def _player() -> list[Finding]:
    try:
        started = time.perf_counter()
        players = Players(ROOT, hidden=[ROOT], limits=confinement.Limits())
        warm = time.perf_counter() - started
    except Unavailable as error:
        return [Finding("a player in the sandbox", False, str(error))]
    times = []
    for _ in range(20):
        started = time.perf_counter()
        session = Session(players)
        session.close()
        times.append(1000 * (time.perf_counter() - started))
    session = Session(players)
    outputs = run_cell(INSIDE.replace("COURSE", repr(str(ROOT / "solutions"))), session)
    session.close()
    players.close()
    view = "\n".join(o.get("text", o.get("evalue", "")).strip() for o in outputs)
    return [
        Finding("Python and packages ready", True, f"{warm:.1f} s, once for each worker"),
        Finding("a player in the sandbox", True, f"started and ended in {_spread(times)}"),
        Finding("seen from within", "allowed" not in view, view),
        _bubblewrap(),
    ]


def _spread(times: list[float]) -> str:
    """The median of 20 times in milliseconds, and all but the first and the last of them."""
    times = sorted(times)
    return f"{times[10]:.0f} ms ({times[1]:.0f} to {times[-2]:.0f})"


def _bubblewrap() -> Finding:
    """For comparison: what bubblewrap takes to start nothing in such a sandbox."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return Finding("bubblewrap, for comparison", True, "not installed (nor needed)")
    command = [bwrap, "--unshare-all", "--ro-bind", "/", "/", "--tmpfs", "/tmp", "/bin/true"]
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(20):
            started = time.perf_counter()
            done = subprocess.run(command, cwd=Path(folder), capture_output=True, check=False)
            times.append(1000 * (time.perf_counter() - started))
    if done.returncode:
        return Finding("bubblewrap, for comparison", True, done.stderr.decode().strip())
    text = f"{_spread(times)} to run /bin/true; Python and packages come on top"
    return Finding("bubblewrap, for comparison", True, text)
