"""In the rehearsal: do the kernels compile for a GPU of Hopper's kind, which is not there?

Triton's compiler needs no device, only to be told which. So what its interpreter accepts and its
compiler does not is found before a GPU is at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest import mock

import torch

from grader.gpu.record import Json
from grader.gpu.step import Step

HOPPER = ("cuda", 90, 32)
TYPES = {"x": "*{}", "y": "*{}", "z": "*{}", "bias": "*{}", "residual": "*{}", "p": "fp32",
         "scale": "fp32", "n": "i64", "shared": "i64", "inner": "i64"}  # fmt: skip
"""The type of each argument; that of the others is i32."""


def measure(step: Step) -> None:
    """A part for each kernel."""
    with mock.patch.object(torch.cuda, "is_available", lambda: True):  # else it is interpreted
        from grader.gpu import bundle
        from grader.gpu.rounds import drawn_kernel
    names = bundle.kernels()
    asked = [
        (name, kernel, {"BLOCK": 1024})
        for name, kernel in names.items()
        if name.endswith("_kernel")
    ]
    asked += [
        (
            f"drawn_kernel, {count} rounds, {4 if four else 1} a counter",
            drawn_kernel,
            {"BLOCK": 2048, "FOUR": four, "ROUNDS": count},
        )
        for four in (True, False)
        for count in (0, 10)
    ]
    for name, kernel, fixed in asked:
        for dtype in ("fp32", "bf16"):
            step.part(f"{name}, {dtype}", partial(compiled, kernel, fixed, dtype))


def compiled(kernel: Any, fixed: dict[str, Any], dtype: str) -> Json:
    """What the compiler makes of a kernel: how many instructions."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    types = {
        name: "constexpr" if name in fixed else TYPES.get(name, "i32").format(dtype)
        for name in kernel.arg_names
    }
    constants = {(kernel.arg_names.index(name),): value for name, value in fixed.items()}
    made = triton.compile(ASTSource(kernel, types, constants), target=GPUTarget(*HOPPER))
    return {"instructions": made.asm["ptx"].count(";")}


def told(parts: Json) -> Iterator[tuple[str, str]]:
    """How long each kernel came out."""
    for name, found in parts.items():
        yield name, f"{found['instructions']} instructions"
