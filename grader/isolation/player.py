"""The player: runs a learner's cells and answers the referee's calls, and holds nothing else.

A player runs cells in IPython, hands out what the referee asks for, and is never believed:
all that comes from it is data (`grader.isolation.table`).
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import gc
import itertools
import operator
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch

from dropoutlab import expect, probes
from grader.authoring.names import bound, used
from grader.isolation.confinement import Limits
from grader.isolation.frames import Frames
from grader.isolation.table import Table
from grader.isolation.text import MESSAGE, Printed

OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda target, /, *args, **kwargs: target(*args, **kwargs),
    "enter": lambda target: type(target).__enter__(target),
    "exit": lambda target, *error: _exit(target, *error),
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "len": len,
    "iter": iter,
    "next": next,
    "repr": repr,
    "contains": operator.contains,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
}
"""What the referee may do with an object that stays here."""


def _raised(name: str, message: str) -> BaseException:
    """An exception that the check raised, of its class where that is built in."""
    with contextlib.suppress(TypeError):  # some want more than a message
        return getattr(builtins, name, RuntimeError)(message)
    return RuntimeError(message)


def _exit(target: Any, *error: str) -> Any:
    """Leave a context manager, by an exception (name and message) or without."""
    if not error:
        return type(target).__exit__(target, None, None, None)
    raised = _raised(*error)
    return type(target).__exit__(target, type(raised), raised, None)


class Callback:
    """A callable of the check's, called back where it lives."""

    def __init__(self, player: Player, number: int, name: str):
        self._player, self._number, self.__name__ = player, number, name

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._player.call_back(self._number, args, kwargs)


class Player:
    """One learner's process: its namespace, its objects, its end of the wire."""

    def __init__(self, end: socket.socket, shell: Any, limits: Limits):
        self.frames, self.shell, self.limits = Frames(end), shell, limits
        self.table = Table(referee=False, lend=self._lend, borrow=self._borrow)
        self.lent: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}
        self.count = itertools.count()
        self.running = False
        self.held: Any = None
        self.recording = True
        """Whether torch records gradients, as the cells so far left it."""

    def serve(self) -> None:
        """Answer requests until the referee has no more."""
        while True:
            self._answer(self._received())

    def _received(self) -> Any:
        """The referee's next message; one that cannot be read is reported, and ends the player."""
        try:
            return self.table.read(*self.frames.receive())
        except Exception as error:
            self.frames.send([[], [], ["tuple", ["fault", f"{type(error).__name__}: {error}"]]])
            raise

    def call_back(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a callable of the check's; requests that come meanwhile are answered."""
        with self._interruptible(False):
            return self._call_back(number, args, kwargs)

    def _call_back(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._send(("callback", number, args, tuple(kwargs.items())))
        while True:
            message = self._received()
            if message[0] == "returned":
                return message[1]
            if message[0] == "raised":
                raise _raised(message[1], message[2])
            self._answer(message)

    def _answer(self, request: tuple[Any, ...]) -> None:
        sequence, operation, *args = request
        out, err = Printed(self.limits.output), Printed(self.limits.output)
        try:
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                self._interruptible(True),
            ):
                value = getattr(self, f"_do_{operation}")(*args)
            kind = "leaves" if self.shell.exit_now else "value"
            self._send((sequence, kind, value, out.take(), err.take()))
        except BaseException as error:
            report = (sequence, "error", *self._describe(error), out.take(), err.take())
            try:
                self._send(report)
            except Exception as error:  # what has changed meanwhile cannot cross
                report = (sequence, "error", *self._describe(error), "", "")
                self.frames.send([[], [], self.table._encode(report, 0)])

    @contextlib.contextmanager
    def _interruptible(self, yes: bool) -> Iterator[None]:
        """Whether Ctrl-C may strike: in the learner's code, and not between halves of a frame."""
        before, self.running = self.running, yes
        try:
            yield
        finally:
            self.running = before

    def interrupt(self, *_: object) -> None:
        """What Ctrl-C does."""
        if self.running:
            raise KeyboardInterrupt

    def _send(self, message: tuple[Any, ...]) -> None:
        frame = self.table.write(message)
        try:
            self.frames.send(frame)
        except ValueError:
            self.table.take_back()
            raise

    def _describe(self, error: BaseException) -> tuple[Any, ...]:
        """An exception as data: the names of its classes, its message, the learner's line."""
        names = tuple(kind.__name__ for kind in type(error).__mro__)
        message = where = ""
        with contextlib.suppress(Exception):
            message = str(error)[:MESSAGE]
        with contextlib.suppress(Exception):
            where = expect.learners_line(error)[:300]
        return names, message, where

    # --- what the referee asks ----------------------------------------------------------

    def _do_needed(self, cells: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
        """Which demonstrations the answers need: (kind, source) of each code cell."""
        asked = [self._names(source) for kind, source in cells if kind != "demonstration"]
        there = set(dir(builtins)).union(*(binds for binds, _ in asked))
        missing = set().union(*(uses for _, uses in asked)) - there
        shown = {i for i, (kind, _) in enumerate(cells) if kind == "demonstration"}
        wanted: set[int] = set()
        while missing and shown:
            names = {i: self._names(cells[i][1]) for i in shown}
            more = {i for i, (binds, _) in names.items() if binds & missing}
            if not more:
                break
            wanted, shown = wanted | more, shown - more
            missing = set().union(*(names[i][1] for i in more)) - there
        return tuple(sorted(wanted))

    def _names(self, source: str) -> tuple[frozenset[str], frozenset[str]]:
        """The names that a cell binds and uses; none where it is no Python."""
        try:
            text = self.shell.transform_cell(source)
            return bound(text), used(text)
        except Exception:
            return frozenset(), frozenset()

    def _do_run(self, source: str) -> tuple[Any, ...]:
        """Run a cell; its outputs as ("stream", name, text), ("png", bytes), ("error", …)."""
        shell = self.shell
        outputs: list[tuple[Any, ...]] = []
        shown: list[dict[str, Any]] = []
        shell.display_pub.outputs = shown
        shell.traceback_lines = None
        result = shell.run_cell(source, store_history=False)
        for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
            if isinstance(stream, Printed) and (text := stream.take()):
                outputs.append(("stream", name, text))
        for shot in shown[:100]:
            data = shot.get("data", {})
            if type(image := data.get("image/png")) in (bytes, str):
                outputs.append(("png", image))
            elif type(text := data.get("text/plain")) is str:
                outputs.append(("text", text[: self.limits.output]))
        self.recording = torch.is_grad_enabled()
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            names, message, _ = self._describe(error)
            trace = tuple(line[:MESSAGE] for line in (shell.traceback_lines or ())[-50:])
            outputs.append(("error", names[0], message, trace))
        return tuple(outputs)

    def _do_names(self, names: tuple[str, ...]) -> tuple[Any, ...]:
        """The names that there are, with what they stand for."""
        space = self.shell.user_ns
        return tuple((name, space[name]) for name in names if name in space)

    def _do_forget(self) -> None:
        """A check has ended: nothing that crossed is needed any more."""
        self.table.clear()
        self.lent.clear()
        self.numbers.clear()
        torch.set_grad_enabled(self.recording)  # no call in one check spoils the next

    def _do_operate(self, name: str, target: Any, args: tuple, kwargs: tuple) -> Any:
        return OPERATIONS[name](target, *args, **dict(kwargs))

    def _do_hold(self, times: int, call: Any, x: torch.Tensor | None, *rest: Any) -> None:
        """Call with `x` repeated, and hold nothing but what came back; without x hold nothing.

        The referee has the kernel count the memory of this process before and after.
        """
        self.held = None
        if x is not None:
            many = x.repeat(times)  # no leaf, which a graph would hold for ever
            self.held = call(many, *rest)
            del many
        gc.collect()
        with contextlib.suppress(Exception):
            ctypes.CDLL(None).malloc_trim(0)

    def _do_ask(self, question: str, *args: Any) -> Any:
        return getattr(probes, question)(*args)

    def _do_gradients(
        self, number: int, weight: torch.Tensor, inputs: tuple, create_graph: bool
    ) -> tuple[Any, ...]:
        """Gradients of the tensor of this number, weighted, with respect to the `inputs`.

        Those of the learner's own leaves are added to their `.grad`, as `backward` does. An input
        that was made here has a history of its own, which the referee asks for separately: what
        flows back ends there.
        """
        output = self.table.objects[number]
        made = {i: x for i, x in enumerate(inputs) if x.grad_fn is not None and x is not output}
        given = [x for i, x in enumerate(inputs) if i not in made]
        own = [leaf for leaf in _leaves(output) if not any(leaf is x for x in inputs)]
        ended: dict[int, torch.Tensor] = {}

        def end(i: int) -> Callable[[torch.Tensor], torch.Tensor]:
            return lambda grad: ended.update({i: grad}) or torch.zeros_like(grad)

        hooks = [x.register_hook(end(i)) for i, x in made.items()]
        try:
            both = torch.autograd.grad(
                output,
                [*given, *own],
                weight,
                retain_graph=True,
                create_graph=create_graph,
                allow_unused=True,
            )
        finally:
            for hook in hooks:
                hook.remove()
        for leaf, more in zip(own, both[len(given) :], strict=True):
            if more is not None:
                leaf.grad = more.detach() if leaf.grad is None else leaf.grad + more.detach()
        rest = iter(both)
        return tuple(ended.get(i) if i in made else next(rest) for i in range(len(inputs)))

    # --- handles --------------------------------------------------------------------------

    def _lend(self, value: Any) -> list[Any]:
        if isinstance(value, Callback):
            return ["referee", value._number]
        number = self.numbers.get(id(value))
        if number is None:
            if len(self.lent) >= 10_000:
                raise ValueError("more than 10,000 objects")
            number = self.numbers[id(value)] = next(self.count)
            self.lent[number] = value
        kinds = type.mro(value) if isinstance(value, type) else type(value).__mro__
        names = [f"{kind.__module__}.{kind.__qualname__}"[:200] for kind in kinds][:20]
        return ["player", number, names, isinstance(value, type)]

    def _borrow(self, data: list[Any]) -> Any:
        if data[0] == "player":
            return self.lent[data[1]]
        return Callback(self, data[1], data[2])


def _leaves(output: torch.Tensor) -> list[torch.Tensor]:
    """The leaves that require a gradient in the history of a tensor."""
    todo, seen, leaves = [output.grad_fn], set(), []
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        todo += [following for following, _ in node.next_functions]
    return leaves
