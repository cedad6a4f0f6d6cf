"""The learner's objects and gradients, as a check sees them: all they do is done in the player."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch

from grader.isolation.table import Table


class Session(Protocol):
    """What is asked of `grader.isolation.session.Session`, which makes the handles."""

    table: Table

    def request(self, operation: str, *args: Any) -> Any: ...
    def broken(self, reason: str) -> BaseException: ...


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
        raised = () if error is None else (kind.__name__, str(error))
        suppressed = Handle._do(self, "exit", *raised) is True
        return suppressed and not isinstance(error, AssertionError)  # what a check says is said

    def __repr__(self) -> str:
        text = Handle._do(self, "repr")
        return text if type(text) is str else "an object"


class _Held:
    """Tells the table when a history is gone."""

    def __init__(self, table: Table, number: int):
        self.ended, self.number = table.ended, number

    def __del__(self) -> None:
        self.ended.append(self.number)


class History(torch.autograd.Function):
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
