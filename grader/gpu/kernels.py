"""The kernels of *Kernels* beside PyTorch's: how fast, with what memory, and right how far.

"Of a copy" is the time of `y.copy_(x)` over the time of what is measured: a dropout that reads x
and writes y, and nothing else, cannot be faster than that.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from dropoutlab import stateless
from grader.gpu import bundle
from grader.gpu.clock import Call, Calls, Clock, compared, spread, unprepared, within
from grader.gpu.record import Json
from grader.gpu.rounds import rounds
from grader.gpu.step import Step

DTYPES = (torch.float32, torch.bfloat16)
BLOCKS = (128, 256, 512, 1024)
COLUMNS = 4096
P, SEED = 0.1, 15
FAR = 2**31 + 5
"""Entries with which numbers of 32 bits are too small; it is 7 · 7 · 43,826,197."""
COPY, EAGER, COMPILED = 0.9, 2.0, 1.0
"""What is aimed at: of a copy's bandwidth; times as fast as eager and compiled PyTorch."""

Names = dict[str, Any]
Kinds = dict[str, Callable]


def measure(step: Step) -> None:
    """All parts, those first that say most."""
    names = bundle.kernels()
    clock = Clock(step.device, step.of(50, 2))
    usual, *others = step.of((2**28, 2**30, 2**26, 2**24), (2**13, 2**8))
    step.part("words", lambda: {"rows": words(clock, names, usual // 4)})
    plain, joint = compiled(step)

    def timed(n: int) -> None:
        for dtype in DTYPES:
            about = f"2^{n.bit_length() - 1} {short(dtype)}"
            blocks = step.of(BLOCKS, BLOCKS[-1:])
            step.part(f"dropout {about}", partial(dropout, clock, names, plain, n, dtype, blocks))
            step.part(f"residual {about}", partial(residual, clock, names, joint, n, dtype))

    timed(usual)
    step.part("second derivative", lambda: second_derivative(names, step.device))
    far = step.of(FAR, 7**2 * 71)
    for kind, exact in EXACT.items():
        step.part(f"{kind}, {far:,} entries", partial(exact, names, far, step.device))
    for dtype in DTYPES:
        step.part(f"rounds {short(dtype)}", partial(rounds, clock, usual, dtype))
        side = step.of(256, 4)
        step.part(f"grouped {short(dtype)}", partial(grouped, clock, names, side, dtype))
    for n in others:
        timed(n)


def compiled(step: Step) -> tuple[Kinds, Kinds]:
    """Dropout, and with bias and residual, compiled, as kinds: none where that cannot be done.

    One compilation serves all sizes: each takes seconds, and a bound costs such a kernel nothing.
    """
    made = partial(torch.compile, dynamic=True, backend=step.of("inductor", "eager"))
    plain = made(lambda x: F.dropout(x, P))
    joint = made(lambda x, b, r: r + F.dropout(x + b, P))

    def first() -> Json:
        x = torch.ones(8, 16, device=step.device, requires_grad=True)
        (plain(x.flatten()).sum() + joint(x, x[0], x).sum()).backward()
        return {}

    if step.part("torch.compile", first) is None:
        return {}, {}
    return {"compiled": plain}, {"compiled": joint}


def short(dtype: torch.dtype) -> str:
    """A dtype's name."""
    return str(dtype).removeprefix("torch.")


# --- how fast ----------------------------------------------------------------------------


def dropout(
    clock: Clock, names: Names, compiled: Kinds, n: int, dtype: torch.dtype, blocks: Sequence[int]
) -> Json:
    """Forward and backward of n entries, by the lesson's kernels, `F.dropout` and compiled."""
    x = torch.randn(n, device=clock.device, dtype=dtype).requires_grad_()
    dy, y, launch = torch.ones_like(x), torch.empty_like(x), names["dropout_triton"]
    bare = x.detach()
    block = best_block(clock, launch, bare, blocks)
    torchs: Kinds = {"F.dropout": lambda x: F.dropout(x, P), **compiled}

    def back(out: Any) -> object:
        return torch.autograd.grad(out, x, dy)

    forward: Calls = {
        "copy": unprepared(y.copy_, bare),
        "ours": unprepared(launch, bare, P, SEED, block),
        "a counter for each entry": unprepared(names["grouped_dropout"], bare, 1, 1, P, SEED),
        **{name: unprepared(kind, x) for name, kind in torchs.items()},
    }
    backward: Calls = {
        "copy": forward["copy"],
        "ours": unprepared(launch, dy, P, SEED, block),
        **{name: (partial(kind, x), back) for name, kind in torchs.items()},
    }
    whole: Kinds = {"ours": lambda x: names["TritonDropout"].apply(x, P, SEED), **torchs}
    return {
        "entries": n, "dtype": short(dtype), "block": block,
        "forward": compared(clock, forward, "copy", "of a copy"),
        "backward": compared(clock, backward, "copy", "of a copy"),
        "memory": {
            name: {"peak": clock.peak(lambda kind=kind: back(kind(x))),  # type: ignore[misc]
                   "kept": clock.kept(partial(kind, x))}
            for name, kind in whole.items()
        },
    }  # fmt: skip


def best_block(clock: Clock, launch: Callable, x: torch.Tensor, blocks: Sequence[int]) -> int:
    """The size of a kernel's blocks with which this device is fastest."""
    times = clock.seconds({str(block): unprepared(launch, x, P, SEED, block) for block in blocks})
    return int(min(times, key=lambda block: statistics.median(times[block])))


def residual(clock: Clock, names: Names, compiled: Kinds, n: int, dtype: torch.dtype) -> Json:
    """r + dropout(x + b), forward, and both ways together: the lesson's against torch's."""
    shape = (max(1, n // COLUMNS), min(n, COLUMNS))
    x, r, dz = (torch.randn(shape, device=clock.device, dtype=dtype) for _ in range(3))
    b = torch.randn(shape[1], device=clock.device, dtype=dtype)
    inputs = [t.requires_grad_() for t in (x, b, r)]
    kinds: Kinds = {
        "ours": lambda x, b, r: names["BiasDropoutResidual"].apply(x, b, r, P, SEED),
        "eager": lambda x, b, r: r + F.dropout(x + b, P),
        **compiled,
    }

    def both(kind: Callable) -> Call:
        return lambda: torch.autograd.grad(kind(*inputs), inputs, dz)

    ways: dict[str, dict[str, Call]] = {
        "forward": {name: partial(kind, *inputs) for name, kind in kinds.items()},
        "both": {name: both(kind) for name, kind in kinds.items()},
    }
    found: Json = {"entries": n, "dtype": short(dtype)}
    for way, calls in ways.items():
        times = clock.seconds({kind: unprepared(call) for kind, call in calls.items()})
        found[way] = [
            {"kind": kind, "seconds": spread(took), "peak": clock.peak(calls[kind]),
             "over ours": spread([t / own for t, own in zip(took, times["ours"], strict=True)])}
            for kind, took in times.items()
        ]  # fmt: skip
    return found


GROUPED = {"spatial": (0, 1), "locked": (0, 2), "head": (0, 1), "path": (0,)}
"""Four kinds of dropout, and the axes along which their coins differ."""


def grouped(clock: Clock, names: Names, side: int, dtype: torch.dtype) -> Json:
    """Masks that share coins, forward: the lesson's kernel, and a product with a smaller mask."""
    found = {}
    for kind, axes in GROUPED.items():
        shape = (side, side, 64, 64) if kind in ("spatial", "head") else (side, 64, 64 * side)
        x = torch.ones(shape, device=clock.device, dtype=dtype)
        coins = [size if axis in axes else 1 for axis, size in enumerate(shape)]
        ones, y = x.new_ones(coins), torch.empty_like(x)

        def eager(x: torch.Tensor, ones: torch.Tensor) -> torch.Tensor:
            return x * F.dropout(ones, P)

        sharing = names["sharing"](shape, kind)
        calls: Calls = {
            "copy": unprepared(y.copy_, x),
            "ours": unprepared(names["grouped_dropout"], x, *sharing, P, SEED),
            "eager": unprepared(eager, x, ones),
        }  # fmt: skip
        found[kind] = compared(clock, calls, "copy", "of a copy")
    return found


def words(clock: Clock, names: Names, n: int) -> list[Json]:
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


# --- how right ---------------------------------------------------------------------------


def second_derivative(names: Names, device: str) -> Json:
    """How far the gradient of f + ‖∇f‖², f = Σ out², is from that by PyTorch's operations."""
    generator = torch.Generator(device).manual_seed(SEED)
    x, b, r = (
        torch.randn(s, device=device, generator=generator) for s in ((40, 50), (50,), (40, 50))
    )
    kept = names["dropout_triton"](torch.ones_like(x), 0.5, SEED) != 0
    pairs: dict[str, tuple[Callable, Callable, list[torch.Tensor]]] = {
        "dropout": (
            lambda x: names["TritonDropout"].apply(x, 0.5, SEED),
            lambda x: 2 * x * kept,
            [x],
        ),
        "residual": (
            lambda x, b, r: names["BiasDropoutResidual"].apply(x, b, r, 0.5, SEED),
            lambda x, b, r: r + 2 * (x + b) * kept,
            [x, b, r],
        ),
    }  # fmt: skip

    def gradient(call: Callable, inputs: list[torch.Tensor]) -> torch.Tensor:
        inputs = [t.clone().requires_grad_() for t in inputs]
        f = call(*inputs).square().sum()
        slopes = torch.autograd.grad(f, inputs, create_graph=True)
        (f + sum(slope.square().sum() for slope in slopes)).backward()
        return torch.cat([t.grad.flatten() for t in inputs if t.grad is not None])

    found = {}
    for name, (ours, theirs, inputs) in pairs.items():
        a, b_ = gradient(ours, inputs), gradient(theirs, inputs)
        found[name] = {"relative distance": float((a - b_).norm() / b_.norm())}
    return found


CHUNK = 2**25
"""Entries that are compared at once."""


def _compare(y: torch.Tensor, right: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
             address: Callable[[torch.Tensor], torch.Tensor]) -> Json:  # fmt: skip
    """How many entries of y are not right(number, kept), and the first of them.

    address : of an entry's number, the number of its coin
    """
    flat, wrong, first = y.flatten(), 0, None
    for start in range(0, len(flat), CHUNK):
        found = flat[start : start + CHUNK]
        number = torch.arange(start, start + len(found), device=y.device)
        kept = stateless.nearest(found != 0, address(number), 0.5, SEED)
        off = found != right(number, kept).to(found.dtype)
        if first is None and off.any():
            first = start + int(off.nonzero()[0])
        wrong += int(off.sum())
    return {"entries": len(flat), "wrong": wrong, "first wrong": first}


def far_dropout(names: Names, n: int, device: str) -> Json:
    """dropout of ones, both ways: 2 where kept, else 0."""
    x = torch.ones(n, device=device, dtype=torch.bfloat16, requires_grad=True)
    y = names["TritonDropout"].apply(x, 0.5, SEED)
    y.sum(dtype=torch.float32).backward()

    def right(number: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        return 2 * kept

    assert x.grad is not None
    forward = _compare(y.detach(), right, lambda number: number)
    return {"forward": forward, "backward": _compare(x.grad, right, lambda number: number)}


def far_residual(names: Names, n: int, device: str) -> Json:
    """r + dropout(x + b) with 49 columns, x and r ones, b the column: whole numbers below 256."""
    x, r = (torch.ones(n // 49, 49, device=device, dtype=torch.bfloat16) for _ in range(2))
    b = torch.arange(49, device=device, dtype=torch.bfloat16)
    z = names["BiasDropoutResidual"].apply(x, b, r, 0.5, SEED).sub_(1)
    return {"forward": _compare(z, lambda i, kept: 2 * (1 + i % 49) * kept, lambda i: i)}


def far_grouped(names: Names, n: int, device: str) -> Json:
    """Ones in groups: 7 share a coin, and 3 lie behind each of them."""
    y = names["grouped_dropout"](
        torch.ones(n, device=device, dtype=torch.bfloat16), 7, 3, 0.5, SEED
    )
    return {"forward": _compare(y, lambda i, kept: 2 * kept, lambda i: i // 21 * 3 + i % 3)}


EXACT = {"dropout": far_dropout, "residual": far_residual, "grouped": far_grouped}


# --- in words ----------------------------------------------------------------------------


def told(parts: Json) -> Iterator[tuple[str, str]]:
    """What was found, a line for each finding."""
    for name, found in parts.items():
        kind = name.split()[0].rstrip(",")
        if kind == "dropout" and "memory" in found:
            for way in ("forward", "backward"):
                yield f"{name}, {way}", "of a copy: " + _each(found[way], "of a copy", COPY)
            memory = {k: v["kept"] for k, v in found["memory"].items() if v["kept"] is not None}
            if memory:
                kept = ", ".join(f"{k} {v / found['entries']:.3g}" for k, v in memory.items())
                yield f"{name}, kept for backward", f"bytes an entry: {kept}"
        elif kind == "residual" and "both" in found:
            for way in ("forward", "both"):
                yield f"{name}, {way}", "times ours: " + _each(found[way], "over ours", EAGER)
        elif kind == "rounds":
            yield name, found["says"]
        elif kind == "grouped" and "spatial" in found:
            for which, rows in found.items():
                yield f"{name}, {which}", "of a copy: " + _each(rows, "of a copy", COPY)
        elif kind == "second":
            far = max(row["relative distance"] for row in found.values())
            yield name, f"{'right' if far < 1e-4 else 'WRONG'}: off by {far:.1e} of it"
        elif "forward" in found:
            wrong = sum(row["wrong"] for row in found.values())
            yield name, "all right" if not wrong else f"WRONG: {wrong:,} entries"


def _each(rows: Sequence[Json], ratio: str, goal: float) -> str:
    """The ratio of every kind, and for ours the goal."""
    parts = []
    for row in rows:
        if row["kind"] in ("copy",) or (row["kind"] == "ours" and ratio == "over ours"):
            continue
        part = f"{row['kind']} {within(row[ratio])}"
        aimed = {"ours": goal, "eager": goal, "compiled": COMPILED}.get(row["kind"], math.nan)
        if ratio == "over ours" or row["kind"] == "ours":
            part += f" (aim {aimed:g}: {'met' if row[ratio]['median'] >= aimed else 'missed'})"
        parts.append(part)
    return "; ".join(parts)
