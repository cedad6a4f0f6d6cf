"""The process from which players are forked, as its owner sees it."""

from __future__ import annotations

import array
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from grader.errors import Unavailable
from grader.isolation.alarm import Overrun, alarm
from grader.isolation.confinement import Limits

SERVER = "grader.isolation.forkserver"


class Lost(BaseException):
    """The process from which players are forked has ended: start another."""


class Players:
    """Forks players; one for each worker, kept for many submissions."""

    def __init__(
        self, root: Path, *, hidden: list[Path], limits: Limits, isolation: str = "sandbox"
    ) -> None:
        self.limits = limits
        if not hasattr(os, "fork"):
            raise Unavailable("this system has no fork; on Windows use WSL or a container")
        here, there = socket.socketpair()
        home = _home(root)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": home,  # until the sandbox gives it another
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join([str(root), str(root / "lessons")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "random",
            "MPLCONFIGDIR": home,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        folders = {"root": str(root), "hidden": [str(folder) for folder in hidden]}
        settings = json.dumps({**folders, "limits": asdict(limits), "isolation": isolation})
        self.process = subprocess.Popen(
            [sys.executable, "-m", SERVER, str(there.fileno()), settings],
            env=environment,
            cwd="/",
            pass_fds=[there.fileno()],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        there.close()
        assert self.process.stderr is not None, "it is a pipe"
        self.errors = self.process.stderr
        self.control = here
        self.answers = here.makefile("rb")
        try:
            answer = self._answer()
        except Lost:
            lines = self.errors.read().decode(errors="replace").strip().splitlines()
            self.close()
            last = lines[-1] if lines else "no word"
            raise Unavailable(f"no players can be started: {last}") from None
        if "unavailable" in answer:
            self.close()
            raise Unavailable(answer["unavailable"])

    def start(self) -> tuple[int, socket.socket]:
        """A new player: its process number, and this end of the wire to it."""
        here, there = socket.socketpair()
        with there:
            return self._exchange({"start": True}, there)["pid"], here

    def memory(self, pid: int) -> int | None:
        """Bytes that a player holds, as the kernel counts them; None where that is not told."""
        if (folder := self._folder(pid)) is None:
            return None
        status = _status(folder)
        return sum(int(status[kind].split()[0]) for kind in ("RssAnon", "RssShmem")) << 10

    def seconds(self, pid: int) -> float | None:
        """Processor time that a player has taken; None where that is not told."""
        if (folder := self._folder(pid)) is None:
            return None
        try:
            tasks = [task.read_text().split() for task in folder.glob("task/*/schedstat")]
        except OSError:
            return None
        return sum(int(task[0]) for task in tasks) / 1e9 if tasks else None

    def _folder(self, pid: int) -> Path | None:
        """Where the kernel tells of a player, whose number here is another than inside."""
        for folder in Path("/proc").glob("[0-9]*"):
            status = _status(folder)
            inside = status.get("NSpid", "").split()[-2:-1] or [folder.name]
            if inside == [str(pid)] and self.process.pid in _ancestors(status):
                return folder
        return None

    def interrupt(self, pid: int) -> None:
        """Press Ctrl-C in a player."""
        self._order({"interrupt": pid})

    def end(self, pid: int) -> dict[str, Any]:
        """Kill a player and all it started; how it stood at its end."""
        return self._exchange({"end": pid})

    def close(self) -> None:
        """End the process; its players end with it."""
        self.answers.close()
        self.control.close()
        self.errors.close()
        self.process.wait()

    def _exchange(self, order: dict[str, Any], *ends: socket.socket) -> dict[str, Any]:
        """Give an order and read its answer. Where that is interrupted, no later one is right."""
        try:
            with alarm.held():
                self._order(order, *ends)
                return self._answer()
        except Overrun:  # it has ended, and well
            raise
        except BaseException:
            self.control.close()  # and all players end
            raise

    def _order(self, order: dict[str, Any], *ends: socket.socket) -> None:
        fds = array.array("i", [end.fileno() for end in ends])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if ends else []
        try:
            self.control.sendmsg([json.dumps(order).encode()], rights)
        except OSError:
            raise Lost from None

    def _answer(self) -> dict[str, Any]:
        try:
            return json.loads(self.answers.readline())
        except (OSError, ValueError):
            raise Lost from None


def _status(folder: Path) -> dict[str, str]:
    """What the kernel tells of a process; nothing of one that has ended."""
    try:
        lines = (folder / "status").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return {name: value for name, _, value in (line.partition(":") for line in lines)}


def _ancestors(status: dict[str, str]) -> Iterator[int]:
    """The processes from which one comes, its parent first."""
    while (parent := int(status.get("PPid", 0))) > 0:
        yield parent
        status = _status(Path("/proc") / str(parent))


def _home(root: Path) -> str:
    """A folder for what packages write when they are imported: lists of fonts and the like."""
    home = root / ".course" / "home"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if os.access(home, os.W_OK):
            return str(home)
    except OSError:
        pass
    return tempfile.mkdtemp(prefix="dropout-home-")
