"""Triton's interpreter, which runs kernels on the CPU, and what it is asked about them.

Importing this starts it where no GPU is found, before Triton is imported.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

INTERPRETED = not torch.cuda.is_available()
"""Whether kernels run in Triton's interpreter, block by block and on the CPU."""

if INTERPRETED and importlib.util.find_spec("triton") and os.environ.get("TRITON_INTERPRET") != "1":
    os.environ["TRITON_INTERPRET"] = "1"  # Triton reads it while it is imported …
    for name in list(sys.modules):  # … and torch may have imported it already
        if name.startswith("triton") and not name.startswith("triton._C"):
            del sys.modules[name]


@contextlib.contextmanager
def guarded(
    like: torch.Tensor, block: int, *, reads: Sequence[torch.Tensor] = ()
) -> Iterator[torch.Tensor]:
    """A new contiguous tensor as `like`; an interpreted kernel that writes behind it is told.

    So is one that loads from elsewhere than `reads`, where they are given. The interpreter does
    what it is told, and would use other objects' memory.
    """
    if not INTERPRETED:  # to fill it would cost a third of the bandwidth
        yield torch.empty_like(like, memory_format=torch.contiguous_format)
        return
    n, marker = like.numel(), 77.0
    room = torch.full((n + block,), marker, dtype=like.dtype, device=like.device)
    with _reading(reads):
        yield room[:n].view(like.shape)
    if not (room[n:] == marker).all():
        raise IndexError(
            "the kernel wrote behind the last entry: it needs a mask where it stores, i < n"
        )


@contextlib.contextmanager
def _reading(tensors: Sequence[torch.Tensor]) -> Iterator[None]:
    """Let interpreted kernels load from these tensors alone; from any where there are none."""
    if not tensors:
        yield
        return
    from triton.runtime.interpreter import interpreter_builder as builder

    ends = [(x.data_ptr(), x.data_ptr() + x.numel() * x.element_size()) for x in tensors]
    load = builder.create_masked_load

    def inside(pointers: Any, mask: Any, *rest: Any) -> Any:
        asked = pointers.data[mask.data]
        if not np.any([(low <= asked) & (asked < high) for low, high in ends], axis=0).all():
            raise IndexError(
                "the kernel loads what is not there: it needs a mask where it loads, i < n, or an "
                "index that is in the tensor"
            )
        return load(pointers, mask, *rest)

    builder.create_masked_load = inside
    try:
        yield
    finally:
        builder.create_masked_load = load


@dataclass
class Traffic:
    """What interpreted kernels moved, in bytes, and how many products Philox took."""

    loaded: int = 0
    stored: int = 0
    products: int = 0

    @property
    def counters(self) -> float:
        """How many counters that makes: each takes two products in each of ten rounds."""
        return self.products / 20


@contextlib.contextmanager
def counted() -> Iterator[Traffic]:
    """Count what interpreted kernels load, store and draw."""
    from triton.runtime.interpreter import interpreter_builder as builder

    told = Traffic()
    load, store = builder.create_masked_load, builder.create_masked_store
    multiply = builder.create_umulhi

    def loads(pointers: Any, mask: Any, *rest: Any) -> Any:
        told.loaded += int(mask.data.sum()) * pointers.get_element_ty().primitive_bitwidth // 8
        return load(pointers, mask, *rest)

    def stores(pointers: Any, value: Any, mask: Any, *rest: Any) -> Any:
        told.stored += int(mask.data.sum()) * pointers.get_element_ty().primitive_bitwidth // 8
        return store(pointers, value, mask, *rest)

    def multiplies(left: Any, right: Any) -> Any:
        product = multiply(left, right)
        told.products += int(product.data.size)
        return product

    builder.create_masked_load, builder.create_masked_store = loads, stores
    builder.create_umulhi = multiplies
    try:
        yield told
    finally:
        builder.create_masked_load, builder.create_masked_store = load, store
        builder.create_umulhi = multiply


def far_block(
    kernel: Any,
    number: int,
    entries: int,
    more: Sequence[int],
    p: float,
    seed: int,
    block: int,
    others: int = 0,
) -> tuple[np.ndarray, np.ndarray] | None:
    """The entries of y that block `number` of a dropout kernel stores, and what it stores there.

    x is `entries` ones, and x and y may be larger than any memory: nothing is loaded or stored.
    `more` are the arguments between the number of entries and p; between x and y there are so many
    `others`, of ones too.
    None on a GPU, which does what it is told.
    """
    if not INTERPRETED:
        return None
    from triton.runtime.interpreter import TensorHandle
    from triton.runtime.interpreter import interpreter_builder as builder

    x, y = torch.ones(1), torch.ones(1)
    stored: list[tuple[np.ndarray, np.ndarray]] = []
    load, store, place = (
        builder.create_masked_load,
        builder.create_masked_store,
        builder.set_grid_idx,
    )

    def loads(pointers: Any, mask: Any, *rest: Any) -> Any:
        return TensorHandle(np.ones(pointers.data.shape, np.float32), pointers.get_element_ty())

    def stores(pointers: Any, value: Any, mask: Any, *rest: Any) -> None:
        where = pointers.data.astype(np.int64) - y.data_ptr()
        asked = np.broadcast_to(mask.data, where.shape)
        stored.append((where[asked] // 4, np.broadcast_to(value.data, where.shape)[asked]))

    def places(i: int, j: int, k: int) -> None:
        builder.grid_idx = (i + number, j, k)

    builder.create_masked_load, builder.create_masked_store = loads, stores
    builder.set_grid_idx = places
    try:
        given = [x, *(torch.ones(1) for _ in range(others)), y]
        kernel[(1,)](*given, entries, *more, p, 1 / (1 - p), seed, BLOCK=block)
    finally:
        builder.create_masked_load, builder.create_masked_store = load, store
        builder.set_grid_idx = place
    where, what = (np.concatenate(parts) for parts in zip(*stored, strict=True))
    order = np.argsort(where, kind="stable")
    return where[order], what[order]
