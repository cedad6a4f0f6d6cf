"""Triton where there is one: on a GPU, else in Triton's interpreter, on the CPU.

Triton comes for Linux only. Elsewhere `triton` and `tl` are stand-ins: kernels can be written,
and a launch says that it cannot be done (`expect.needs("triton")` leaves the points out).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from dropoutlab import expect

INTERPRETED = not torch.cuda.is_available()
"""Whether kernels run in Triton's interpreter, block by block and on the CPU."""
DEVICE = "cpu" if INTERPRETED else "cuda"
"""Where kernels find their tensors."""

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
