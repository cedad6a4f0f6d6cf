"""Times and memory of calls on a device."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from grader.gpu.record import Json

FLUSH = 2**30
"""Bytes that are written before each measurement: more than any cache holds, and while the device
writes them Python gets ahead, so that no launch is waited for."""

Call = Callable[[], object]
Calls = dict[str, tuple[Call, Callable[[Any], object]]]
"""By kind: what is called first, untimed, and what is timed on its result."""


class Clock:
    """Times calls on a device, each in turn, and their memory.

    Times are of CUDA events, the caches flushed before each.
    """

    def __init__(self, device: str, repeats: int):
        self.device, self.repeats = device, repeats
        self._flush = torch.empty(FLUSH if device == "cuda" else 1, dtype=torch.int8, device=device)

    def seconds(self, calls: Calls) -> dict[str, list[float]]:
        """For each call its times, all of them in turn; up to three turns come first, uncounted."""
        times: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(-min(3, self.repeats - 1), self.repeats):
            for name, (prepare, call) in calls.items():
                took = self._once(prepare(), call)
                if turn >= 0:
                    times[name].append(took)
        return times

    def _once(self, prepared: Any, call: Callable[[Any], object]) -> float:
        self._flush.zero_()
        if self.device != "cuda":
            started = time.perf_counter()
            call(prepared)
            return time.perf_counter() - started
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call(prepared)
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1000

    def peak(self, call: Call) -> int | None:
        """Bytes allocated at the most while `call` runs, beyond what was before."""
        if self.device != "cuda":
            return None
        before = self._allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        return torch.cuda.max_memory_allocated() - before

    def kept(self, call: Callable[[], torch.Tensor]) -> int | None:
        """Bytes that a call keeps for backward: what stays allocated beside its result."""
        if self.device != "cuda":
            return None
        before = self._allocated()
        out = call()
        return self._allocated() - before - out.numel() * out.element_size()

    @staticmethod
    def _allocated() -> int:
        gc.collect()
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated()


def spread(values: Sequence[float]) -> Json:
    """Median, and where the middle nine in ten lie."""
    low, *_, high = statistics.quantiles(values, n=20, method="inclusive")
    return {"median": statistics.median(values), "from": low, "to": high, "times": len(values)}


def unprepared(call: Callable, *inputs: Any) -> tuple[Call, Callable[[Any], object]]:
    """An entry of `Calls`: call(*inputs), for which nothing is prepared."""
    return (lambda: None), (lambda _: call(*inputs))


def compared(clock: Clock, calls: Calls, base: str, ratio: str) -> list[Json]:
    """Each kind's time, and under `ratio` the time of `base` over it, turn by turn."""
    times = clock.seconds(calls)
    return [
        {
            "kind": kind,
            "seconds": spread(took),
            ratio: spread([b / t for b, t in zip(times[base], took, strict=True)]),
        }
        for kind, took in times.items()
    ]


def within(measured: Json) -> str:
    """A median with its spread."""
    return f"{measured['median']:.3f} ({measured['from']:.3f} to {measured['to']:.3f})"
