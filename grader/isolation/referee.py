"""The referee's side of the wire: players, and their objects as a check sees them.

What a player hands out is plain data as it is, and for functions, classes and objects a
`Handle`, whose calls are carried out over there. `Session` is one player, with deadlines;
`Players` is the process from which players are forked.
"""

from __future__ import annotations

import array
import builtins
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from grader.errors import Unavailable
from grader.isolation.confinement import Limits
from grader.isolation.wire import Broken, Frames, Table, TooLate

PLAYER = "grader.isolation.player"
CALLBACKS = 100_000
"""How often a learner's code may call back in one check."""


class Gone(BaseException):
    """The player is no more: how it ended, in a word and in a sentence.

    No `Exception`, so that no check takes it for an error of the learner's function.
    """

    def __init__(self, outcome: str, said: str):
        super().__init__(said)
        self.outcome, self.said = outcome, said


class Lost(BaseException):
    """The process from which players are forked has ended: start another."""


# --- the process from which players are forked -------------------------------------------


class Players:
    """Forks players; one for each worker, kept for many submissions."""

    def __init__(self, root: Path, hidden: list[Path], limits: Limits, *, unsafe: bool = False):
        self.limits, self.unsafe = limits, unsafe
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
        orders = {
            "root": str(root), "hidden": [str(folder) for folder in hidden],
            "limits": asdict(limits), "unsafe": unsafe,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", PLAYER, str(there.fileno()), json.dumps(orders)],
            env=environment, cwd="/", pass_fds=[there.fileno()], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        there.close()
        self.control = here
        self.answers = here.makefile("rb")
        try:
            answer = self._answer()
        except Lost:
            said = self.process.stderr.read().decode(errors="replace").strip().splitlines()
            self.close()
            last = said[-1] if said else "no word"
            raise Unavailable(f"no players can be started: {last}") from None
        if "unavailable" in answer:
            self.close()
            raise Unavailable(answer["unavailable"])

    def start(self) -> tuple[int, socket.socket]:
        """A new player: its process number, and this end of the wire to it."""
        here, there = socket.socketpair()
        with there:
            self._order({"start": True}, there)
            return self._answer()["pid"], here

    def interrupt(self, pid: int) -> None:
        """Press Ctrl-C in a player."""
        self._order({"interrupt": pid})

    def end(self, pid: int) -> dict[str, Any]:
        """Kill a player and all it started; how it stood, and what it used."""
        self._order({"end": pid})
        return self._answer()

    def close(self) -> None:
        """End the process; its players end with it."""
        self.answers.close()
        self.control.close()
        self.process.stderr.close()
        self.process.wait()

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


# --- one player, as the referee sees it ---------------------------------------------------


class Session:
    """One player: requests over the wire, with deadlines."""

    def __init__(self, players: Players):
        self.players, self.limits = players, players.limits
        self.table = Table(referee=True, lend=self._lend, borrow=self._borrow, link=self._link)
        self.lent: dict[int, Any] = {}
        self.handles: dict[int, Handle] = {}
        self.count, self.sequence = itertools.count(), itertools.count(1)
        self.gone: Gone | None = None
        self.interrupted = False
        self.end_of_all = time.monotonic() + self.limits.submission
        self.pid, end = players.start()
        self.frames = Frames(end)
        self.frames.deadline = time.monotonic() + 30
        try:
            first = self._receive()
        except Gone as gone:
            raise Unavailable(f"a player ended at once ({gone.said})") from None
        if first[2] != "ready":
            self.close()
            raise Unavailable(first[2])

    @contextlib.contextmanager
    def timed(self, seconds: float) -> Iterator[None]:
        """A deadline for all requests inside; what overruns is interrupted, or ended."""
        self.interrupted = False
        self.callbacks = 0
        self.frames.deadline = min(time.monotonic() + seconds, self.end_of_all)
        try:
            yield
        finally:
            self.frames.deadline = time.monotonic() + 30

    def request(self, operation: str, *args: Any) -> Any:
        """Have the player do something; raises what the learner's code raises, and Gone."""
        if self.gone is not None:
            raise self.gone
        sequence = next(self.sequence)
        self._send((sequence, operation, *args))
        while True:
            match self._receive():
                case ("callback", int(number), tuple(args), tuple(kwargs)):
                    answer = self._called_back(number, args, kwargs)
                    try:
                        self._send(answer)
                    except (TypeError, ValueError) as error:  # what it returned cannot cross
                        self._send(("raised", type(error).__name__, str(error)))
                case (int(reply), "value", value, str(out), str(err)) if reply == sequence:
                    self._print(out, err)
                    return value
                case (int(reply), "leaves", *_) if reply == sequence:
                    raise self._end("killed", "exit() stops the kernel")
                case (int(reply), "error", (str(), *_) as names, str(said), *told) if (
                    reply == sequence and [type(text) for text in told] == [str, str, str]
                ):
                    where, out, err = told
                    self._print(out, err)
                    if self.interrupted:
                        names, said = ("TimeoutError",), f"no answer in {self.limits.check:g} s"
                    raise remote([str(name) for name in names], said, where)
                case ("fault", str(said)):
                    raise self.broken(f"it could not read what it was sent: {said[:300]}")
                case _:
                    raise self.broken("it sent what is no answer")

    def broken(self, said: str) -> Gone:
        """The player broke the protocol: it is ended."""
        return self._end("killed", f"the kernel stopped here: {said}")

    def forget(self) -> None:
        """A check has ended: both ends forget what crossed."""
        self.table.clear()
        self.lent.clear()
        self.handles.clear()
        if self.gone is None:
            with contextlib.suppress(Gone, Exception):
                self.request("forget")

    def close(self) -> dict[str, Any]:
        """End the player; what it used."""
        self.frames.end.close()
        if self.pid is None:
            return {}
        pid, self.pid = self.pid, None
        return self.players.end(pid)

    def _send(self, message: tuple[Any, ...]) -> None:
        frame = self.table.write(message)
        try:
            self.frames.send(frame)
        except ValueError:
            self.table.take_back()
            raise
        except TooLate:
            raise self._too_late() from None
        except Broken as error:
            raise self.broken(str(error)) from None

    def _receive(self) -> Any:
        try:
            try:
                return self.table.read(*self.frames.receive())
            except TooLate:
                return self._after_interrupt()
        except Broken as error:
            raise self.broken(str(error)) from None

    def _print(self, out: str, err: str) -> None:
        sys.stdout.write(out[: self.limits.output])
        sys.stderr.write(err[: self.limits.output])

    def _after_interrupt(self) -> Any:
        """Press Ctrl-C and give the player a moment to say so."""
        if self.interrupted or time.monotonic() >= self.end_of_all:
            raise self._too_late()
        self.interrupted = True
        self.players.interrupt(self.pid)
        self.frames.deadline = time.monotonic() + 2
        try:
            return self.table.read(*self.frames.receive())
        except TooLate:
            raise self._too_late() from None

    def _too_late(self) -> Gone:
        if time.monotonic() >= self.end_of_all:
            said = f"all cells together took more than {self.limits.submission:g} s"
        else:
            said = f"this did not end in {self.limits.check:g} s and cannot be interrupted"
        return self._end("timed out", said)

    def _end(self, outcome: str, said: str) -> Gone:
        """The player is no use any more: kill it, and find out what had happened."""
        if self.gone is None:
            used = self.close()
            status = used.get("status", 0)
            if outcome == "killed" and used.get("by_itself") and status < 0:
                said = f"the kernel was stopped here by {signal.Signals(-status).name}"
            self.gone = Gone(outcome, said)
        return self.gone

    def _called_back(self, number: int, args: tuple, kwargs: tuple) -> tuple[Any, ...]:
        self.callbacks += 1
        if self.callbacks > CALLBACKS:
            raise self.broken(f"it called a function of the check more than {CALLBACKS:,} times")
        if number not in self.lent:
            raise self.broken("it called what it was not given")
        try:
            return "returned", self.lent[number](*args, **dict(kwargs))
        except Exception as error:
            return "raised", type(error).__name__, str(error)

    def _lend(self, value: Any) -> list[Any]:
        if isinstance(value, Handle):
            return ["player", object.__getattribute__(value, "_number")]
        if not callable(value):
            kind = type(value).__name__
            raise TypeError(f"an object of type {kind} cannot cross to the learner's process")
        for number, known in self.lent.items():
            if known is value:
                return ["referee", number, getattr(value, "__name__", "function")]
        number = next(self.count)
        self.lent[number] = value
        return ["referee", number, getattr(value, "__name__", "function")]

    def _borrow(self, data: list[Any]) -> Any:
        if data[0] == "referee":
            return self.lent[data[1]]
        tag, number, names, is_class = data
        if tag != "player" or type(number) is not int or type(names) is not list:
            raise Broken("it sent what is no data")
        if number not in self.handles:
            if len(self.handles) >= 10_000:
                raise Broken("it sent more than 10,000 objects")
            name = str(names[0]).rpartition(".")[2] if names else "object"
            kind = "type" if is_class else name
            kind = "".join(c for c in kind if c.isidentifier() or c.isdigit())[:50] or "object"
            self.handles[number] = type(kind, (Handle,), {})(self, number, name)
        return self.handles[number]

    def _link(self, value: torch.Tensor, number: int) -> torch.Tensor:
        """Join a tensor to its history in the player: gradients are asked for over there."""
        inputs = [
            thing
            for thing in self.table.objects.values()
            if isinstance(thing, torch.Tensor) and thing.requires_grad
        ]
        anchor = torch.zeros((), requires_grad=True)
        return _History.apply(self, number, value, anchor, *inputs)


class _Held:
    """Tells the table when a history is gone."""

    def __init__(self, table: Table, number: int):
        self.ended, self.number = table.ended, number

    def __del__(self) -> None:
        self.ended.append(self.number)


class _History(torch.autograd.Function):
    """A tensor whose history lies in the player."""

    @staticmethod
    def forward(ctx: Any, session: Session, number: int, value: torch.Tensor, *inputs: Any) -> Any:
        ctx.session, ctx.number, ctx.held = session, number, _Held(session.table, number)
        ctx.inputs = inputs[1:]  # not saved_tensors: a history may be gone through twice
        return value.clone()

    @staticmethod
    def backward(ctx: Any, weight: torch.Tensor) -> Any:
        inputs = ctx.inputs
        create = torch.is_grad_enabled()
        grads = ctx.session.request("gradients", ctx.number, weight, inputs, create)
        if type(grads) is not tuple or len(grads) != len(inputs):
            raise ctx.session.broken("it sent no gradients")
        for grad, given in zip(grads, inputs, strict=True):
            if grad is not None and (type(grad) is not torch.Tensor or grad.shape != given.shape):
                raise ctx.session.broken("it sent no gradients")
        return None, None, None, None, *grads


def remote(names: list[str], said: str, where: str) -> Exception:
    """The exception of a learner's code: of its nearest built-in class, by its own name."""
    kinds = (getattr(builtins, name, None) for name in names)
    known = [k for k in kinds if isinstance(k, type) and issubclass(k, Exception)]
    base = known[0] if known else SystemExit if "SystemExit" in names else Exception
    if issubclass(base, UnicodeError) or "Group" in base.__name__:  # want more than a message
        base = ValueError if issubclass(base, ValueError) else Exception
    name = names[0] if names[0].isidentifier() else "Exception"
    body = {"where": where[:300], "__str__": lambda self: said[:2000]}
    return type(name, (base,), body)(said[:2000])


class Handle:
    """An object of the learner's, which stays in the player."""

    def __init__(self, session: Session, number: int, name: str):
        object.__setattr__(self, "_session", session)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "__name__", name)

    def _do(self, operation: str, /, *args: Any, **kwargs: Any) -> Any:
        session = object.__getattribute__(self, "_session")
        return session.request("operate", operation, self, args, tuple(kwargs.items()))

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return Handle._do(self, "call", *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Handle._do(self, "getattr", name)

    def __setattr__(self, name: str, value: Any) -> None:
        Handle._do(self, "setattr", name, value)

    def __delattr__(self, name: str) -> None:
        Handle._do(self, "delattr", name)

    def __getitem__(self, key: Any) -> Any:
        return Handle._do(self, "getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        Handle._do(self, "setitem", key, value)

    def __delitem__(self, key: Any) -> None:
        Handle._do(self, "delitem", key)

    def __contains__(self, value: Any) -> bool:
        return Handle._do(self, "contains", value) is True

    def __len__(self) -> int:
        length = Handle._do(self, "len")
        if type(length) is not int:
            raise TypeError("its length is no number")
        return length

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        iterator = Handle._do(self, "iter")
        if not isinstance(iterator, Handle):
            raise TypeError("it cannot be iterated over")
        while True:
            try:
                yield Handle._do(iterator, "next")
            except StopIteration:
                return

    def __next__(self) -> Any:
        return Handle._do(self, "next")

    def __enter__(self) -> Any:
        return Handle._do(self, "enter")

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> bool:
        told = () if error is None else (kind.__name__, str(error))
        return Handle._do(self, "exit", *told) is True

    def __repr__(self) -> str:
        said = Handle._do(self, "repr")
        return said if type(said) is str else "an object"
