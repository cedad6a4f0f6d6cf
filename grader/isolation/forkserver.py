"""The process from which players are forked: `python -m grader.isolation.forkserver`.

It has imported what lessons import and runs nobody's code, so a player starts in milliseconds
and finds nothing of another one.
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from grader.errors import Unavailable
from grader.isolation import account, confinement
from grader.isolation.player import Player
from grader.isolation.shell import shell


def _eager(model: Any = None, **options: Any) -> Any:
    """In place of `torch.compile`, which needs a compiler: the function as it is."""
    if model is None:
        return lambda model: _eager(model, **options)
    print("torch.compile does nothing here: the function runs as it is written.")
    return model


def preload() -> None:
    """Import what lessons import."""
    import matplotlib
    import numpy  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn  # noqa: F401

    matplotlib.use("module://matplotlib_inline.backend_inline")
    import matplotlib.pyplot

    from dropoutlab import data, explore, plot, train  # noqa: F401

    plot.style()
    for name in explore.names():
        getattr(explore, name)

    torch.compile = _eager
    torch.nn.Module.compile = lambda module, *_, **__: None  # type: ignore[method-assign]
    # Torch looks up once, in /proc, what the processor can do; a player has no /proc.
    torch.ones(1, dtype=torch.float16) / 2
    sys.modules["dropoutlab.bugs"] = None  # type: ignore[assignment]  # an exercise's answer


def main() -> None:
    """Fork players on request, and end them; ends with the process that asks."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    del sys.argv[1:]  # which players could read
    limits, isolation = confinement.Limits(**settings["limits"]), settings["isolation"]
    root, proc, homes = Path(settings["root"]), -1, dict[int, str]()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload()
    interactive = shell()
    try:
        hidden = [Path(folder) for folder in settings["hidden"]]
        if isolation == "sandbox":
            proc = confinement.prepare(root, hidden)
        elif isolation == "uid":
            account.prepare(root, hidden)
    except (Unavailable, OSError) as error:
        _reply(control, {"unavailable": str(error)})
        return
    gc.collect()
    gc.freeze()
    _reply(control, {"ready": True})
    for order, ends in _orders(control):
        if "start" in order:
            home = account.home() if isolation == "uid" else ""
            child = confinement.fork(proc) if isolation == "sandbox" else os.fork()
            if child == 0:
                control.close()
                place = Place(isolation, root, proc, home or confinement.HOME)
                _play(ends[0], interactive, limits, place)
            os.close(ends[0])
            homes[child] = home
            _reply(control, {"pid": child})
        elif "interrupt" in order:
            os.kill(order["interrupt"], signal.SIGINT)
        elif "end" in order:
            _reply(control, _ended(order["end"]))
            if home := homes.pop(order["end"], ""):
                # A tree that is too deep for Python's own `rmtree` ends that in an error.
                subprocess.run(["rm", "-rf", "--", home], stderr=subprocess.DEVNULL, check=False)


def _ended(child: int) -> dict[str, Any]:
    """Kill a player with all it started; how it stood at its end."""
    ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return {"by_itself": bool(ended), "status": os.waitstatus_to_exitcode(status)}


def _reply(control: socket.socket, message: dict[str, Any]) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def _orders(control: socket.socket) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """Orders, one a message, with the file descriptors that came along."""
    while True:
        room = socket.CMSG_LEN(array.array("i").itemsize)
        data, ancillary, _, _ = control.recvmsg(4096, room)
        if not data:
            return
        ends = [end for _, _, fds in ancillary for end in array.array("i", fds)]
        yield json.loads(data), ends


@dataclass(frozen=True)
class Place:
    """Where a player runs."""

    isolation: str
    root: Path
    proc: int
    home: str

    def enter(self, limits: confinement.Limits) -> None:
        """Give up what is not needed there."""
        if self.isolation == "sandbox":
            confinement.confine(self.proc, limits)
        elif self.isolation == "uid":
            account.confine(self.root, limits, self.home)
        else:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            return
        os.environ.update(dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), self.home))


def _play(
    end: int, interactive: Any, limits: confinement.Limits, place: Place
) -> None:  # pragma: no cover - in a child
    """The life of a player. Does not return."""
    try:
        connection = socket.socket(fileno=end)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        place.enter(limits)
        player = Player(connection, interactive, limits)
        signal.signal(signal.SIGINT, player.interrupt)
        player.frames.send(player.table.write((0, "value", "ready", "", "")))
        player.serve()
    except Unavailable as error:
        player = Player(connection, interactive, limits)
        player.frames.send(player.table.write((0, "value", str(error), "", "")))
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
