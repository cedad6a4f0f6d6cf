"""Measure the kernels of *Kernels* on one: `python3 grader bench gpu`.

Times are of CUDA events, the caches flushed before each; what is compared takes turns in one
run. "Of a copy" is the time of `y.copy_(x)` over the time of what is measured: a dropout that
reads x and writes y, and nothing else, cannot be faster than that.
"""

from __future__ import annotations

import datetime
import gc
import json
import linecache
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from dropoutlab import data, train
from grader.authoring.reading import read
from grader.errors import CourseError
from grader.paper.experiment import write
from grader.paths import ROOT, SOLUTIONS

RESULT = ROOT / "datasets" / "gpu.json"
SIZES = tuple(2**k for k in (24, 26, 28, 30))
DTYPES = (torch.float32, torch.bfloat16)
BLOCKS = (128, 256, 512, 1024)
COLUMNS = 4096
P, SEED = 0.1, 15
FLUSH = 2**30
"""Bytes that are written before each measurement: more than any cache holds, and while the device
writes them Python gets ahead, so that no launch is waited for."""

Json = dict[str, Any]
Call = Callable[[], object]
Calls = dict[str, tuple[Call, Callable[[Any], object]]]
"""By kind: what is called first, untimed, and what is timed on its result."""
Say = Callable[[str], None]


def lesson() -> dict[str, Any]:
    """The names that the lesson's answers bind: its kernels and what launches them."""
    names: dict[str, Any] = {"__name__": "lesson"}
    for cell in read(SOLUTIONS / "42_kernels.py").cells:
        if cell.kind in ("setup", "exercise"):
            file = f"<lesson, {cell.kind} {cell.name}>"  # Triton reads its kernels' text
            lines = cell.source.splitlines(keepends=True)
            linecache.cache[file] = (len(cell.source), None, lines, file)
            exec(compile(cell.source, file, "exec"), names)
    return names


class Clock:
    """Times calls on a device, each in turn, and their memory."""

    def __init__(self, device: str, repeats: int):
        self.device, self.repeats = device, repeats
        self._flush = torch.empty(FLUSH if device == "cuda" else 1, dtype=torch.int8, device=device)

    def seconds(self, calls: Calls) -> dict[str, list[float]]:
        """For each call its times, all of them in turn; three more turns come first, uncounted."""
        times: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(-3, self.repeats):
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
        gc.collect()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before


def spread(values: Sequence[float]) -> Json:
    """Median, and where the middle nine in ten lie."""
    low, *_, high = statistics.quantiles(values, n=20, method="inclusive")
    return {"median": statistics.median(values), "from": low, "to": high, "times": len(values)}


def unprepared(call: Callable, *inputs: Any) -> tuple[Call, Callable[[Any], object]]:
    """An entry of `Calls`: call(*inputs), for which nothing is prepared."""
    return (lambda: None), (lambda _: call(*inputs))


def dropout(
    clock: Clock, names: dict[str, Any], compiled: Callable, n: int, dtype: torch.dtype, block: int
) -> list[Json]:
    """Forward and backward of n entries, by the lesson's kernel, `F.dropout` and compiled."""
    x = torch.randn(n, device=clock.device, dtype=dtype).requires_grad_()
    dy, y, launch = torch.ones_like(x), torch.empty_like(x), names["dropout_triton"]
    bare = x.detach()
    torchs: dict[str, Callable] = {"F.dropout": lambda x: F.dropout(x, P), "compiled": compiled}

    def back(out: Any) -> object:
        return torch.autograd.grad(out, x, dy)

    forward: Calls = {
        "copy": unprepared(y.copy_, bare),
        "ours": unprepared(launch, bare, P, SEED, block),
        **{name: unprepared(kind, x) for name, kind in torchs.items()},
    }
    backward: Calls = {
        "copy": forward["copy"],
        "ours": unprepared(launch, dy, P, SEED, block),
        **{name: (partial(kind, x), back) for name, kind in torchs.items()},
    }
    rows = _compared(clock, forward, "forward") + _compared(clock, backward, "backward")
    kinds = {"ours": lambda x: names["TritonDropout"].apply(x, P, SEED), **torchs}

    def both(kind: Callable) -> Call:
        return lambda: back(kind(x))

    peaks = {name: clock.peak(both(kind)) for name, kind in kinds.items()}
    about = {"entries": n, "dtype": str(dtype).removeprefix("torch."), "block": block}
    return [about | row | {"peak bytes": peaks.get(row["kind"])} for row in rows]


def _compared(clock: Clock, calls: Calls, way: str) -> list[Json]:
    """Each kind's time, and the copy's over it, turn by turn."""
    times = clock.seconds(calls)
    return [
        {
            "way": way,
            "kind": kind,
            "seconds": spread(took),
            "of a copy": spread([c / t for c, t in zip(times["copy"], took, strict=True)]),
        }
        for kind, took in times.items()
    ]


def residual(
    clock: Clock, names: dict[str, Any], compiled: Callable, n: int, dtype: torch.dtype, block: int
) -> list[Json]:
    """r + dropout(x + b), forward, and both ways together: the lesson's against torch's."""
    shape = (max(1, n // COLUMNS), min(n, COLUMNS))
    x, r, dz = (torch.randn(shape, device=clock.device, dtype=dtype) for _ in range(3))
    b = torch.randn(shape[1], device=clock.device, dtype=dtype)
    inputs = [t.requires_grad_() for t in (x, b, r)]
    fused = names["BiasDropoutResidual"].apply
    kinds: dict[str, Callable] = {
        "ours": lambda x, b, r: fused(x, b, r, P, SEED, block),
        "eager": lambda x, b, r: r + F.dropout(x + b, P),
        "compiled": compiled,
    }

    def both(kind: Callable) -> Call:
        return lambda: torch.autograd.grad(kind(*inputs), inputs, dz)

    rows = []
    ways: dict[str, dict[str, Call]] = {
        "forward": {name: partial(kind, *inputs) for name, kind in kinds.items()},
        "both": {name: both(kind) for name, kind in kinds.items()},
    }
    for way, calls in ways.items():
        times = clock.seconds({kind: unprepared(call) for kind, call in calls.items()})
        for kind, took in times.items():
            faster = [t / own for t, own in zip(took, times["ours"], strict=True)]
            rows.append({
                "entries": n, "dtype": str(dtype).removeprefix("torch."), "way": way, "kind": kind,
                "seconds": spread(took), "over ours": spread(faster),
                "peak bytes": clock.peak(calls[kind]),
            })  # fmt: skip
    return rows


def words(clock: Clock, names: dict[str, Any], n: int) -> list[Json]:
    """Picoseconds for each bfloat16 entry of the lesson's kernels, by their counters for Philox."""
    shape = (max(1, n // COLUMNS), min(n, COLUMNS))
    x, r = (torch.ones(shape, device=clock.device, dtype=torch.bfloat16) for _ in range(2))
    b, y = torch.zeros(shape[1], device=clock.device, dtype=torch.bfloat16), torch.empty_like(x)
    times = clock.seconds({
        "a counter for each entry": unprepared(names["grouped_dropout"], x, 1, 1, P, SEED),
        "your dropout_kernel": unprepared(names["dropout_triton"], x, P, SEED),
        "with bias and residual": unprepared(names["BiasDropoutResidual"].apply, x, b, r, P, SEED),
        "copy": unprepared(y.copy_, x),
    })  # fmt: skip
    return [
        {"kind": kind, "entries": n, "picoseconds": 1e12 * statistics.median(took) / n,
         "seconds": spread(took)}
        for kind, took in times.items()
    ]  # fmt: skip


def together(device: str, turns: int, steps: int, seeds: int) -> Json:
    """Rates × seeds of *Overfitting*, trained at once and one after another: seconds of each."""
    X, y, *_ = data.digits()
    X = X.reshape(len(X), -1)
    rates = (0.0, 0.2, 0.5)
    pairs = [(p, seed) for p in rates for seed in range(seeds)]

    def run(chosen: Sequence[tuple[float, int]]) -> None:
        p, own = zip(*chosen, strict=True)
        train.many(X, y, seeds=own, p=p, steps=steps, device=device)

    run(pairs[:1])
    at_once, in_turn = [], []
    for _ in range(turns):
        started = time.perf_counter()
        run(pairs)
        at_once.append(time.perf_counter() - started)
        started = time.perf_counter()
        for pair in pairs:
            run([pair])
        in_turn.append(time.perf_counter() - started)
    return {
        "networks": len(pairs),
        "steps": steps,
        "at once": spread(at_once),
        "one after another": spread(in_turn),
        "ratio": spread([a / b for a, b in zip(in_turn, at_once, strict=True)]),
    }


def best_block(clock: Clock, names: dict[str, Any], n: int, dtype: torch.dtype) -> int:
    """The size of a kernel's blocks with which this device is fastest."""
    x = torch.randn(n, device=clock.device, dtype=dtype)
    times = clock.seconds(
        {str(block): unprepared(names["dropout_triton"], x, P, SEED, block) for block in BLOCKS}
    )
    return int(min(times, key=lambda block: statistics.median(times[block])))


def compile_anew(function: Callable) -> Callable:
    """`function` compiled for the shape it is called with, and nothing else."""
    torch.compiler.reset()
    return torch.compile(function, dynamic=False)


def measure(device: str, names: dict[str, Any], sizes: Sequence[int], repeats: int, say: Say,
            compiled: Callable[[Callable], Callable] = compile_anew) -> Json:  # fmt: skip
    """All of it. Sizes for which the device's memory is too small are left out, and said so."""
    clock = Clock(device, repeats)
    result: Json = {"dropout": [], "residual": [], "left out": []}
    result["words"] = words(clock, names, sizes[1])
    for row in result["words"]:
        say(f"{row['kind']}: {row['picoseconds']:.2f} ps for each bfloat16 entry")
    for dtype in DTYPES:
        block = best_block(clock, names, sizes[0], dtype)
        for n in sizes:
            need = 8 * n * dtype.itemsize
            if need > room(device):
                too_large = f"{n:,} entries of {dtype}: they need {need / 2**30:.0f} GiB"
                result["left out"].append(too_large)
                say(f"left out: {too_large}")
                continue
            plain = compiled(lambda x: F.dropout(x, P))
            alone = dropout(clock, names, plain, n, dtype, block)
            joint = compiled(lambda x, b, r: r + F.dropout(x + b, P))
            joined = residual(clock, names, joint, n, dtype, block)
            result["dropout"] += alone
            result["residual"] += joined
            for line in lines(alone, joined):
                say(line)
    return result


def room(device: str) -> float:
    """Bytes that are free on a GPU."""
    if device != "cuda":
        return float("inf")
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0]


def lines(alone: list[Json], joined: list[Json]) -> list[str]:
    """One size's results in words."""
    about = f"2^{alone[0]['entries'].bit_length() - 1} {alone[0]['dtype']}"
    parts = [
        f"{about}, {row['way']}, {row['kind']}: {within(row['of a copy'])} of a copy"
        + memory(row["peak bytes"])
        for row in alone
    ]
    parts += [
        f"{about}, bias + dropout + residual, {row['way']}, {row['kind']}: "
        f"{within(row['over ours'])} times our time{memory(row['peak bytes'])}"
        for row in joined
    ]
    return parts


def within(measured: Json) -> str:
    """A median with its spread."""
    return f"{measured['median']:.3f} ({measured['from']:.3f} to {measured['to']:.3f})"


def memory(peak: int | None) -> str:
    """What forward and backward allocate at most, in words."""
    return "" if peak is None else f"; at most {peak / 2**20:,.0f} MiB more"


def command(say: Say) -> Path:
    """Measure on this machine's GPU, and write `datasets/gpu.json`."""
    if not torch.cuda.is_available():
        raise CourseError("no GPU is found here, and `grader bench gpu` measures one.")
    import triton

    result = measure("cuda", lesson(), SIZES, 50, say)
    networks = together("cuda", 3, 300, 10)
    say(f"{networks['networks']} networks at once: {within(networks['ratio'])} times as fast")
    about = {
        "device": torch.cuda.get_device_name(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "triton": triton.__version__,
            "cuda": torch.version.cuda,
        },
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "python3 grader bench gpu",
        "p": P,
    }
    content = json.dumps(about | result | {"networks": networks}, indent=1) + "\n"
    write(RESULT, lambda to: to.write_text(content))
    return RESULT
