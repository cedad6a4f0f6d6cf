"""Triton where there is one: on a GPU, else in Triton's interpreter, on the CPU.

Triton comes for Linux only. Elsewhere `triton` and `tl` are stand-ins: kernels can be written,
and a launch says that it cannot be done (`expect.needs("triton")` leaves the points out).
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from dropoutlab import expect
from dropoutlab.data import ROOT

INTERPRETED = not torch.cuda.is_available()
"""Whether kernels run in Triton's interpreter, block by block and on the CPU."""
DEVICE = "cpu" if INTERPRETED else "cuda"
"""Where kernels find their tensors."""
BLOCK = 8192 if INTERPRETED else 1024
"""A size of blocks: the interpreter steps through them one after another, so few are faster."""

if importlib.util.find_spec("triton"):
    if INTERPRETED and os.environ.get("TRITON_INTERPRET") != "1":
        os.environ["TRITON_INTERPRET"] = "1"  # Triton reads it while it is imported …
        for name in list(sys.modules):  # … and torch may have imported it already
            if name.startswith("triton") and not name.startswith("triton._C"):
                del sys.modules[name]
    import triton
    import triton.language as tl

    # An error in an interpreted kernel is the learner's: let it come as it is.
    triton.knobs.compilation.front_end_debugging = INTERPRETED
else:

    class _Unlaunched:
        """What `triton.jit` makes of a kernel where there is no Triton."""

        def __init__(self, kernel: Any):
            self.__doc__ = kernel.__doc__

        def __getitem__(self, grid: Any) -> Any:
            expect.needs("triton")

    tl = SimpleNamespace(constexpr=None)
    triton = SimpleNamespace(jit=_Unlaunched, cdiv=lambda n, block: -(-n // block))


@triton.jit
def four_words(seed, counter):  # type: ignore[no-untyped-def]
    """The four words of each counter in a row: word k of counter c is entry 4 c + k."""
    w0, w1, w2, w3 = tl.randint4x(seed, counter)
    return tl.interleave(tl.interleave(w0, w2), tl.interleave(w1, w3))


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
        raise IndexError("the kernel wrote behind the last entry: it needs a mask where it stores")


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
            raise IndexError("the kernel loads what is not there: it needs a mask where it loads")
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
    kernel: Any, number: int, entries: int, more: Sequence[int], p: float, seed: int, block: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """The entries of y that block `number` of a dropout kernel stores, and what it stores there.

    x is `entries` ones, and x and y may be larger than any memory: nothing is loaded or stored.
    `more` are the arguments between the number of entries and p.
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
        kernel[(1,)](x, y, entries, *more, p, 1 / (1 - p), seed, BLOCK=block)
    finally:
        builder.create_masked_load, builder.create_masked_store = load, store
        builder.set_grid_idx = place
    where, what = (np.concatenate(parts) for parts in zip(*stored, strict=True))
    order = np.argsort(where, kind="stable")
    return where[order], what[order]


KEPT = ROOT / "datasets" / "gpu.json"
"""What `python3 grader bench gpu` has measured, where it has."""


def measured(calls: Mapping[str, Callable[[], object]], entries: int) -> dict[str, float]:
    """Picoseconds for each entry: of these calls on a GPU, else those kept under their names.

    {} where there is no GPU and nothing is kept.
    """
    if not INTERPRETED:
        return {name: 1e12 * seconds(call) / entries for name, call in calls.items()}
    if not KEPT.exists():
        return {}
    rows = json.loads(KEPT.read_text(encoding="utf-8")).get("words", [])
    return {row["kind"]: row["picoseconds"] for row in rows if row["kind"] in calls}


def measured_on() -> str:
    """The GPU that `measured` speaks of."""
    if not INTERPRETED:
        return torch.cuda.get_device_name()
    return str(json.loads(KEPT.read_text(encoding="utf-8"))["device"]) if KEPT.exists() else "none"


def seconds(call: Callable[[], object], repeats: int = 30) -> float:
    """The median time of a call on a GPU, by CUDA events, in seconds."""
    times = []
    for turn in range(-3, repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        end.synchronize()
        if turn >= 0:
            times.append(begin.elapsed_time(end) / 1000)
    return statistics.median(times)
