"""One player, as the referee sees it: requests over the wire, with deadlines.

What a player hands out is plain data as it is, and for functions, classes and objects a
`Handle`, whose calls are carried out over there.
"""

from __future__ import annotations

import builtins
import contextlib
import itertools
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch

from grader.errors import Unavailable
from grader.isolation.alarm import Overrun, alarm
from grader.isolation.confinement import Limits
from grader.isolation.forks import Players
from grader.isolation.frames import Broken, Frames, TooLate
from grader.isolation.handle import Handle, History
from grader.isolation.table import Table

CALLBACKS = 100_000
"""How often a learner's code may call back in one check."""
ENTRIES = 2_000_000
"""Of an array for which memory is counted; a quarter of them at least."""
TRIED = 20
"""How often the array of a check is repeated to see how long that takes."""
PATIENCE = 5
"""Seconds of processor time that such a call may take on the whole array."""
ALLOWANCE = 5
"""Seconds that the referee's own part of a cell or a check may take beyond the player's."""
FORGETTING = 30
"""Seconds in which a player must have forgotten a check."""
BUDGET = 2 << 30
"""Bytes that may come from one player, in all."""


class Gone(BaseException):
    """The player is no more: how it ended, in a word and in a sentence.

    No `Exception`, so that no check takes it for an error of the learner's function.
    """

    def __init__(self, outcome: str, reason: str):
        super().__init__(reason)
        self.outcome = outcome


class Session:
    """One player: requests over the wire, with deadlines."""

    def __init__(self, players: Players, limits: Limits | None = None):
        self.players, self.limits = players, limits or players.limits
        self.table = Table(referee=True, lend=self._lend, borrow=self._borrow, link=self._link)
        self.lent: dict[int, Any] = {}
        self.handles: dict[int, Handle] = {}
        self.count, self.sequence = itertools.count(), itertools.count(1)
        self.gone: Gone | None = None
        self.interrupted = self.aloud = False
        self.late = False
        """Whether a deadline has struck."""
        self.shown: dict[str, int] = {}
        """How much of each kind of output has come."""
        self.end_of_all = time.monotonic() + self.limits.submission
        self.pid: int | None
        self.pid, end = players.start()
        self.frames = Frames(end, budget=BUDGET)
        self.frames.deadline = time.monotonic() + 30
        try:
            first = self._receive()
        except Gone as gone:
            raise Unavailable(f"a player ended at once ({gone})") from None
        if first[2] != "ready":
            self.close()
            raise Unavailable(first[2])

    @contextlib.contextmanager
    def timed(self, seconds: float, *, aloud: bool = True) -> Iterator[None]:
        """A deadline for all requests inside; what overruns is interrupted, or ended.

        Only `aloud` is heard here what calls print: where nobody keeps it, it would come to a
        terminal as it is.
        """
        self.interrupted, self.aloud = False, aloud
        self.callbacks = 0
        self.frames.deadline = min(time.monotonic() + seconds, self.end_of_all)
        try:
            yield
        finally:
            self.aloud = False
            self.frames.deadline = min(time.monotonic() + 30, self.end_of_all)

    @contextlib.contextmanager
    def bounded(self) -> Iterator[None]:
        """The deadline of a cell; where what it sends takes longer to be read, it is ended."""
        try:
            quiet = self.timed(self.limits.check, aloud=False)
            with quiet, alarm.set(self.limits.check + ALLOWANCE):
                yield
        except Overrun:
            raise self.overran() from None

    def request(self, operation: str, *args: Any) -> Any:
        """Have the player do something; raises what the learner's code raises, and Gone.

        An exchange that is interrupted leaves a player that nobody understands: it is ended.
        """
        if self.gone is not None:
            raise self.gone
        try:
            return self._exchange(operation, *args)
        except Overrun:
            self.overran()
            raise
        except KeyboardInterrupt:
            self._end("killed", "stopped")
            raise

    def _exchange(self, operation: str, *args: Any) -> Any:
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
                case (int(reply), "error", (str(), *_) as names, str(message), *texts) if (
                    reply == sequence and [type(text) for text in texts] == [str, str, str]
                ):
                    where, out, err = texts
                    self._print(out, err)
                    if self.interrupted:
                        names, message = ("TimeoutError",), f"no answer in {self.limits.check:g} s"
                    raise remote([str(name) for name in names], message, where)
                case ("fault", str(error)):
                    raise self.broken(f"it could not read what it was sent: {error[:300]}")
                case _:
                    raise self.broken("it sent what is no answer")

    def ask(self, question: str, *args: Any) -> Any:
        """Ask one of `dropoutlab.probes` of the player.

        A learner's code can have any answer there. So processor time is what the kernel counts,
        where it tells, and what a call keeps is also counted from outside, in many such calls'
        worth of memory.
        """
        if question == "processor_seconds" and self.pid is not None:
            taken = self.players.seconds(self.pid)
            return self.request("ask", question) if taken is None else taken
        said = self.request("ask", question, *args)
        if question != "saved_bytes":
            return said
        if type(said) is not int:
            raise TypeError("the bytes that are kept are no number")
        call, x, *rest = args
        return max(said, self._kept(call, x, *rest))

    def _kept(self, call: Any, x: torch.Tensor, *rest: Any) -> int:
        """Bytes that `call(x, …)` keeps beside a result like x, to a bit an entry.

        Nothing is counted of a call that would take too long on an array which is large enough:
        processor time, so that neither a busy machine nor an answer that sleeps is let off.
        """
        assert self.pid is not None, "it has just answered"
        began = self.players.seconds(self.pid)
        self.request("hold", TRIED, call, x, *rest)
        ended = self.players.seconds(self.pid)
        if began is None or ended is None:
            return 0
        times = min(ENTRIES // x.numel(), int(TRIED * PATIENCE / max(ended - began, 1e-6)))
        if times * x.numel() < ENTRIES // 4:
            return 0
        counts = []
        for given in (x, None, x):  # the first call loads what it needs
            self.request("hold", times, call, given, *(rest if given is not None else ()))
            counts.append(self.players.memory(self.pid))
        self.request("hold", 0, None, None)
        _, before, after = counts
        if before is None or after is None:
            return 0
        each = (after - before) / (times * x.numel()) - x.element_size()
        return round(8 * each) * x.numel() // 8

    def overran(self) -> Gone:
        """What the player sent takes too long to be read: it is ended."""
        self.late = True
        return self._end("timed out", "what this cell sent takes too long to be read")

    def broken(self, fault: str) -> Gone:
        """The player broke the protocol: it is ended."""
        return self._end("killed", f"the kernel stopped here: {fault}")

    def forget(self) -> None:
        """A check has ended: both ends forget what crossed."""
        self.table.clear()
        self.lent.clear()
        self.handles.clear()
        if self.gone is None:
            self.frames.deadline = min(time.monotonic() + FORGETTING, self.end_of_all)
            ends = contextlib.suppress(Gone, Overrun, Exception, SystemExit)
            with ends, alarm.set(FORGETTING + ALLOWANCE):
                self.request("forget")

    def close(self) -> dict[str, Any]:
        """End the player; how it stood at its end."""
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
        except MemoryError:
            raise self.broken("it sent more than this machine has room for") from None

    def _print(self, out: str, err: str) -> None:
        if not self.aloud:
            return
        sys.stdout.write(out[: self.limits.output])
        sys.stderr.write(err[: self.limits.output])

    def _after_interrupt(self) -> Any:
        """Press Ctrl-C and give the player a moment to say so."""
        self.late = True
        if self.interrupted or time.monotonic() >= self.end_of_all:
            raise self._too_late()
        self.interrupted = True
        assert self.pid is not None, "it is not closed"
        self.players.interrupt(self.pid)
        self.frames.deadline = time.monotonic() + 2
        try:
            return self.table.read(*self.frames.receive())
        except TooLate:
            raise self._too_late() from None

    def _too_late(self) -> Gone:
        self.late = True
        if time.monotonic() >= self.end_of_all:
            reason = f"all cells together took more than {self.limits.submission:g} s"
        else:
            reason = f"this did not end in {self.limits.check:g} s and cannot be interrupted"
        return self._end("timed out", reason)

    def _end(self, outcome: str, reason: str) -> Gone:
        """The player is no use any more: kill it, and find out what had happened."""
        if self.gone is None:
            end = self.close()
            status = end.get("status", 0)
            if outcome == "killed" and end.get("by_itself") and status < 0:
                reason = f"the kernel was stopped here by {signal.Signals(-status).name}"
            self.gone = Gone(outcome, reason)
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
        if not torch.is_grad_enabled():
            return value  # whose history would end at once
        tensors = [t for t in self.table.objects.values() if isinstance(t, torch.Tensor)]
        inputs = [tensor for tensor in tensors if tensor.requires_grad]
        anchor = torch.zeros((), requires_grad=True)
        return History.apply(self, number, value, anchor, *inputs)


def remote(names: list[str], message: str, where: str) -> Exception:
    """The exception of a learner's code: of its nearest built-in class, by its own name."""
    kinds = (getattr(builtins, name, None) for name in names)
    known = [k for k in kinds if isinstance(k, type) and issubclass(k, Exception)]
    base = known[0] if known else SystemExit if "SystemExit" in names else Exception
    if issubclass(base, UnicodeError) or "Group" in base.__name__:  # want more than a message
        base = ValueError if issubclass(base, ValueError) else Exception
    name = names[0][:100] if names[0].isidentifier() else "Exception"
    body = {"where": where[:300], "__str__": lambda self: message[:2000]}
    return type(name, (base,), body)(message[:2000])
