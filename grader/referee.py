"""The referee: runs the checks of a lesson against a player.

A check cell runs here, in the instructor's own text, with the names that `setup` cells
bind. For the exercises stand what the player hands out: plain data as it is, and for
functions, classes and objects a `Handle`, whose calls are carried out over there. So the
player never holds a check, and no code in it can say "passed".
"""

from __future__ import annotations

import array
import base64
import builtins
import contextlib
import io
import itertools
import json
import linecache
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from nbformat import NotebookNode
from nbformat.v4 import new_output

from dropoutlab import expect
from grader.names import used
from grader.sandbox import Limits, Unavailable
from grader.wire import Broken, Frames, Table, TooLate

CALLBACKS = 100_000
"""How often a learner's code may call back in one check."""


class Gone(BaseException):
    """The player is no more: how it ended, in a word and in a sentence.

    No `Exception`, so that no check takes it for an error of the learner's function.
    """

    def __init__(self, outcome: str, said: str):
        super().__init__(said)
        self.outcome, self.said = outcome, said


# --- the process from which players are forked -------------------------------------------


class Players:
    """Forks players; one for each worker, kept for many submissions."""

    def __init__(self, root: Path, hidden: list[Path], limits: Limits, *, unsafe: bool = False):
        self.limits, self.unsafe = limits, unsafe
        here, there = socket.socketpair()
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": "/home/learner",
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join([str(root), str(root / "lessons")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "random",
            "MPLCONFIGDIR": "/tmp",
            "IPYTHONDIR": "/nonexistent",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        orders = {
            "root": str(root), "hidden": [str(folder) for folder in hidden],
            "limits": asdict(limits), "unsafe": unsafe,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grader.player", str(there.fileno()), json.dumps(orders)],
            env=environment, cwd="/", pass_fds=[there.fileno()], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        there.close()
        self.control = here
        self.answers = here.makefile("rb")
        answer = self._answer()
        if "unavailable" in answer:
            raise Unavailable(answer["unavailable"])

    def start(self) -> tuple[int, socket.socket]:
        """A new player: its process number, and this end of the wire to it."""
        here, there = socket.socketpair()
        fds = array.array("i", [there.fileno()])
        with there:
            self.control.sendmsg(
                [json.dumps({"start": True}).encode()],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)],
            )
            return self._answer()["pid"], here

    def interrupt(self, pid: int) -> None:
        """Press Ctrl-C in a player."""
        self.control.sendall(json.dumps({"interrupt": pid}).encode())

    def end(self, pid: int) -> dict[str, Any]:
        """Kill a player and all it started; how it stood, and what it used."""
        self.control.sendall(json.dumps({"end": pid}).encode())
        return self._answer()

    def close(self) -> None:
        self.answers.close()
        self.control.close()
        self.process.stderr.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        line = self.answers.readline()
        if not line:
            said = self.process.stderr.read().decode(errors="replace").strip().splitlines()
            raise Unavailable(f"no players can be started: {said[-1] if said else 'no word'}")
        return json.loads(line)


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
        first = self._receive()
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
                    self._send(self._called_back(number, args, kwargs))
                case (int(reply), "value", value, str(out), str(err)) if reply == sequence:
                    self._print(out, err)
                    return value
                case (int(reply), "error", (str(), *_) as names, str(said), *told) if (
                    reply == sequence and [type(text) for text in told] == [str, str, str]
                ):
                    where, out, err = told
                    self._print(out, err)
                    if self.interrupted:
                        names, said = ("TimeoutError",), f"no answer in {self.limits.check:g} s"
                    raise remote([str(name) for name in names], said, where)
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
            with contextlib.suppress(Gone):
                self.request("forget")

    def close(self) -> dict[str, Any]:
        """End the player; what it used."""
        self.frames.end.close()
        if self.pid is None:
            return {}
        pid, self.pid = self.pid, None
        return self.players.end(pid)

    def _send(self, message: tuple[Any, ...]) -> None:
        try:
            self.frames.send(self.table.write(message))
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


class _History(torch.autograd.Function):
    """A tensor whose history lies in the player."""

    @staticmethod
    def forward(ctx: Any, session: Session, number: int, value: torch.Tensor, *inputs: Any) -> Any:
        ctx.session, ctx.number = session, number
        ctx.save_for_backward(*inputs)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, weight: torch.Tensor) -> Any:
        _, *inputs = ctx.saved_tensors
        output = ctx.session.table.objects[ctx.number]
        create = torch.is_grad_enabled()
        grads = ctx.session.request("gradients", output, weight, tuple(inputs), create)
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

    def _do(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        session = object.__getattribute__(self, "_session")
        return session.request("operate", operation, self, args, tuple(kwargs.items()))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
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

    def __exit__(self, *error: object) -> bool:
        return Handle._do(self, "exit") is True

    def __repr__(self) -> str:
        said = Handle._do(self, "repr")
        return said if type(said) is str else "an object"


# --- a submission -------------------------------------------------------------------------


def judge(notebook: NotebookNode, names: set[str], players: Players) -> dict[str, Any]:
    """Run a rebuilt notebook: the answers in a player, the checks here; outputs go into it.

    `names` are those that the exercises bind. Returns the outcome ("ended", "timed out",
    "killed", "out of memory") and what the player used.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    session = Session(players)
    space: dict[str, Any] = {"__name__": "__main__"}
    outcome = "ended"
    try:
        kinds = [kind(cell) for cell in code]
        own = [(k, c.source) for k, c in zip(kinds, code, strict=True) if k != "check"]
        with session.timed(session.limits.check):
            needed = _needed(session, own)
        shown = iter(range(len(own)))
        for k, cell in zip(kinds, code, strict=True):
            place = next(shown) if k != "check" else None
            if session.gone is not None:
                cell.outputs = [_stopped("not run: an earlier cell stopped the kernel")]
                continue
            if k == "demonstration" and place not in needed:
                continue
            try:
                if k == "check":
                    cell.outputs = _check(cell, space, names, session)
                else:
                    if k == "setup":
                        _execute(cell.source, space, f"<{cell.id}>")
                    cell.outputs = _run(cell.source, session)
            except Gone as gone:
                outcome = gone.outcome
                cell.outputs = [_stopped(gone.said)]
            if session.interrupted and outcome == "ended":
                outcome = "timed out"
    except Gone as gone:
        outcome = gone.outcome
        for cell in code:
            cell.outputs = cell.outputs or [_stopped(gone.said)]
    finally:
        used = session.close()
    if outcome in ("ended", "killed") and any(_memory(cell) for cell in code):
        outcome = "out of memory"
    return {"outcome": outcome, **used}


def kind(cell: NotebookNode) -> str:
    """What a code cell of a rebuilt notebook is."""
    marks = cell.metadata.get("nbgrader")
    if marks is None:
        return "added" if cell.id.startswith("added_") else "demonstration"
    if marks["grade"]:
        return "check"
    return "exercise" if marks["solution"] else "setup"


def _needed(session: Session, cells: list[tuple[str, str]]) -> set[int]:
    """Which demonstrations the answers need (the player says so: they are no secret)."""
    found = session.request("needed", tuple(cells))
    if type(found) is not tuple or any(type(i) is not int for i in found):
        raise session.broken("it sent what is no answer")
    return set(found)


def _run(source: str, session: Session) -> list[NotebookNode]:
    """Run a cell in the player; its outputs as a notebook holds them."""
    with session.timed(session.limits.check):
        answer = session.request("run", source)
    match answer:
        case (tuple(shown), bool(leaves)):
            outputs = [made for made in map(_output, shown[:200]) if made is not None]
        case _:
            raise session.broken("it sent what are no outputs")
    if session.interrupted:
        said = f"this cell did not end in {session.limits.check:g} s"
        outputs = [o for o in outputs if o.output_type != "error"] + [_stopped(said)]
    if leaves:
        session.gone = Gone("killed", "exit() stops the kernel")
        raise session.gone
    return outputs


def _output(shown: Any) -> NotebookNode | None:
    """An output as it was told; None where that is none. Nothing of it can be active."""
    match shown:
        case ("stream", ("stdout" | "stderr") as name, str(text)):
            return new_output("stream", name=name, text=text)
        case ("text", str(text)):
            return new_output("display_data", {"text/plain": text})
        case ("png", (bytes() | str()) as image):
            try:
                data = image if isinstance(image, bytes) else base64.b64decode(image, validate=True)
            except ValueError:
                return None
            if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) <= 4 << 20:
                text = base64.b64encode(data).decode()
                return new_output("display_data", {"image/png": text})
        case ("error", str(name), str(said), tuple(trace)):
            lines = [line for line in trace if type(line) is str] or [f"{name}: {said}"]
            return new_output("error", ename=name[:100], evalue=said, traceback=lines)
    return None


def _check(
    cell: NotebookNode, space: dict[str, Any], names: set[str], session: Session
) -> list[NotebookNode]:
    """Run a check cell here; its outputs as a notebook holds them."""
    out, err = io.StringIO(), io.StringIO()
    fault: BaseException | None = None
    with (
        session.timed(session.limits.check),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _no_longer_than(session.limits.check + 5),
    ):
        try:
            wanted = tuple(sorted(used(cell.source) & names - space.keys()))
            found = session.request("names", wanted)
            there = {name: value for name, value in found if name in wanted}
            _execute(cell.source, {**space, **there}, f"<{cell.id}>")
        except (Gone, KeyboardInterrupt):
            raise
        except BaseException as error:
            fault = error
        finally:
            session.forget()
    room = session.limits.output
    streams = (("stdout", out.getvalue()[:room]), ("stderr", err.getvalue()[:room]))
    outputs = [new_output("stream", name=name, text=text) for name, text in streams if text]
    if isinstance(fault, Overrun):
        outputs.append(_stopped(f"this check did not end in {session.limits.check:g} s"))
        session.interrupted = True
    elif fault is not None:
        lines = [f"{type(fault).__name__}: {fault}"]
        if isinstance(fault, expect.Unmet):
            lines = fault._render_traceback_()
        name = type(fault).__name__
        outputs.append(new_output("error", ename=name, evalue=str(fault), traceback=lines))
    return outputs


def _execute(source: str, space: dict[str, Any], file: str) -> None:
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), space)


class Overrun(BaseException):
    """A check took too long here, in the referee."""


@contextlib.contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raise Overrun after so many seconds (in a main thread; elsewhere there is no alarm)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise Overrun

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _stopped(said: str) -> NotebookNode:
    return new_output("error", ename="Stopped", evalue=said, traceback=[said])


def _memory(cell: NotebookNode) -> bool:
    """Whether a cell's error says that there was no memory left."""
    told = " ".join(o.evalue + o.ename for o in cell.outputs if o.output_type == "error")
    return any(words in told for words in ("MemoryError", "can't allocate memory"))
