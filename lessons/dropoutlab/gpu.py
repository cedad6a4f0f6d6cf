"""Triton where there is one: on a GPU, else in Triton's interpreter, on the CPU.

Triton comes for Linux only. Elsewhere `triton` and `tl` are stand-ins: kernels can be written,
and a launch says that it cannot be done (`expect.needs("triton")` leaves the points out).
"""

from __future__ import annotations

import importlib.util
import json
import statistics
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch

from dropoutlab import expect
from dropoutlab.data import ROOT
from dropoutlab.interpreter import INTERPRETED, counted, guarded

__all__ = ["BLOCK", "DEVICE", "INTERPRETED", "KEPT", "counted", "four_words", "guarded", "kept",
           "measured", "measured_on", "memory", "say", "seconds", "speed", "tl",
           "triton"]  # fmt: skip

DEVICE = "cpu" if INTERPRETED else "cuda"
"""Where kernels find their tensors."""
BLOCK = 8192 if INTERPRETED else 1024
"""A size of blocks: the interpreter steps through them one after another, so few are faster."""

if importlib.util.find_spec("triton"):
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


KEPT = ROOT / "datasets" / "gpu.json"
"""What `python3 grader gpu` has measured, where it has."""

Json = dict[str, Any]


def kept(step: str) -> Json:
    """What is kept of a step: "device", "versions", "date", "parts"; {} where nothing is."""
    return json.loads(KEPT.read_text(encoding="utf-8")).get(step, {}) if KEPT.exists() else {}


def measured(calls: Mapping[str, Callable[[], object]], entries: int) -> dict[str, float]:
    """Picoseconds for each entry: of these calls on a GPU, else those kept under their names.

    {} where there is no GPU and nothing is kept.
    """
    if not INTERPRETED:
        return {name: 1e12 * seconds(call) / entries for name, call in calls.items()}
    rows = kept("kernels").get("parts", {}).get("words", {}).get("rows", [])
    return {row["kind"]: row["picoseconds"] for row in rows if row["kind"] in calls}


def measured_on() -> str:
    """The GPU that `measured` speaks of."""
    return (
        str(kept("kernels").get("device", "none")) if INTERPRETED else torch.cuda.get_device_name()
    )


def say(step: str, words: Callable[[Json], list[str]]) -> None:
    """Print what is kept of a step, in the `words` for its parts; else that nothing is."""
    record = kept(step)
    if not (parts := record.get("parts")):
        print("No measurement on a GPU is kept. `python3 grader gpu` makes one, in nine minutes.")
        return
    print(f"Measured on {record['device']}, torch {record['versions']['torch']}, {record['date']}:")
    print(*(f"- {line}" for line in words(parts)), sep="\n")


def speed(parts: Json) -> list[str]:
    """How fast this lesson's kernels are, beside a copy and PyTorch, at the largest size kept."""
    lines = []
    for dtype in ("float32", "bfloat16"):
        alone, joint = (_largest(parts, f"{kind} 2^", dtype) for kind in ("dropout", "residual"))
        for way in ("forward", "backward") if alone else ():
            shares = (f"{row['kind']} {row['of a copy']['median']:.2f}" for row in alone[way][1:])
            lines.append(f"{dtype}, {way}, of a copy's bandwidth: {', '.join(shares)}")
        if joint:
            over = (f"{row['kind']} {row['over ours']['median']:.2f}" for row in joint["both"][1:])
            lines.append(f"{dtype}, bias + dropout + residual, times ours: {', '.join(over)}")
        if f"rounds {dtype}" in parts:
            lines.append(f"{dtype}, {parts[f'rounds {dtype}']['says']}")
    return lines


def memory(parts: Json) -> list[str]:
    """What each kind of dropout keeps for backward, in bytes for each entry."""
    lines = []
    for dtype in ("float32", "bfloat16"):
        if part := _largest(parts, "dropout 2^", dtype):
            each = ((name, row["kept"] / part["entries"]) for name, row in part["memory"].items())
            words = ", ".join(f"{name} {size:.2g}" for name, size in each)
            lines.append(f"{dtype}, bytes kept for each entry: {words}")
    return lines


def _largest(parts: Json, kind: str, dtype: str) -> Json:
    """The part of the most entries; {} where there is none."""
    sizes = [part for name, part in parts.items() if name.startswith(kind) and name.endswith(dtype)]
    return max(sizes, key=lambda part: part["entries"], default={})


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
