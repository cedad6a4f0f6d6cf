"""What an object that has crossed was like, in short: enough to see at a glance that it still is.

Hundreds of objects are asked for each message, of which next to none has changed, and to write
down the state of each takes ten times as long.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np
import torch

CONTAINERS = list | dict | set


class Glance(NamedTuple):
    """An array, a tensor or a container, as it was when `of` looked at it."""

    form: Any
    """Of an array or tensor all of its state but the bytes; of a container its entries."""
    window: np.ndarray | None = None
    """The bytes of a tensor where they lie, as long as its form is the same."""

    @classmethod
    def of(cls, thing: Any) -> Glance | None:
        """A glance at a thing; None for what is told by its whole state alone."""
        if isinstance(thing, CONTAINERS):
            return cls(_entries(thing))
        if type(thing) is np.ndarray:
            return cls(_form(thing))
        return cls(_form(thing), window) if (window := _window(thing)) is not None else None

    def holds(self, thing: Any, parts: list[bytes]) -> bool:
        """Whether the thing is as it was; `parts` are the bytes that it had.

        A container is, if its entries are the same objects: those that can change are looked at
        themselves.
        """
        if isinstance(thing, CONTAINERS):
            entries = _entries(thing)
            return len(entries) == len(self.form) and all(map(operator.is_, entries, self.form))
        if self.form != _form(thing):
            return False
        return (thing if self.window is None else self.window).tobytes() == parts[0]


def _entries(container: Any) -> list[Any]:
    if isinstance(container, dict):
        return [*dict.keys(container), *dict.values(container)]
    return [*(list if isinstance(container, list) else set).__iter__(container)]


def _form(value: np.ndarray | torch.Tensor) -> tuple[Any, ...] | None:
    """None of a tensor that has a gradient, which may change by itself."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.flags.writeable, value.flags.fnc
    leaf = value.is_leaf
    if leaf and value.grad is not None:
        return None
    at = value.data_ptr(), value.dtype, value.shape, value.stride()
    return *at, value.requires_grad, leaf


def _window(value: Any) -> np.ndarray | None:
    """The bytes of a plain tensor without a gradient where they lie; else None."""
    if type(value) not in (torch.Tensor, torch.nn.Parameter) or value.device.type != "cpu":
        return None
    if value.is_conj() or value.is_neg() or not value.data_ptr() or not value.is_contiguous():
        return None
    if value.is_leaf and value.grad is not None:
        return None
    return value.detach().reshape(-1).view(torch.uint8).numpy()
