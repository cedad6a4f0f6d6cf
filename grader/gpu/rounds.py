"""What bounds dropout, random numbers or bytes: Philox with more and with fewer rounds.

Ten rounds are safe; with none the counter itself is the coin, and what is left is the kernel's
other work. A time that does not fall with the rounds is not theirs.
"""

from __future__ import annotations

import statistics

import torch

from dropoutlab.gpu import tl, triton
from grader.gpu.clock import Calls, Clock, compared, unprepared
from grader.gpu.record import Json

ROUNDS = (0, 2, 5, 7, 10, 14, 20)
BLOCK = 2048
SLOWER = 1.05
"""A kernel that takes so many times as long is said to wait for what was added."""


@triton.jit
def drawn_kernel(x, y, n, p, scale, seed, FOUR: tl.constexpr, ROUNDS: tl.constexpr,  # type: ignore[no-untyped-def]
                 BLOCK: tl.constexpr):  # fmt: skip
    """Dropout as the lesson's, with one word or all four of each counter."""
    block = tl.program_id(0).to(tl.int64)
    i = block * BLOCK + tl.arange(0, BLOCK)
    if FOUR:
        counter = block * (BLOCK // 4) + tl.arange(0, BLOCK // 4)
        w0, w1, w2, w3 = tl.randint4x(seed, counter, ROUNDS)
        word = tl.interleave(tl.interleave(w0, w2), tl.interleave(w1, w3))
    else:
        word = tl.randint(seed, i, ROUNDS)
    value = tl.load(x + i, mask=i < n).to(tl.float32)
    kept = (word >> 8) * (1 / 16777216) >= p
    tl.store(y + i, tl.where(kept, value * scale, 0.0), mask=i < n)


def rounds(clock: Clock, n: int, dtype: torch.dtype) -> Json:
    """The time by the number of rounds, for one word and for four, beside a copy's."""
    x = torch.randn(n, device=clock.device, dtype=dtype)
    y = torch.empty_like(x)

    def launch(four: bool, count: int) -> None:
        grid = (triton.cdiv(n, BLOCK),)
        drawn_kernel[grid](x, y, n, 0.1, 1 / 0.9, 15, FOUR=four, ROUNDS=count, BLOCK=BLOCK)

    calls: Calls = {"copy": unprepared(y.copy_, x)}
    for count in ROUNDS:
        for four in (True, False):
            calls[f"{'four words' if four else 'one word'}, {count} rounds"] = unprepared(
                launch, four, count
            )
    rows = compared(clock, calls, "copy", "of a copy")
    medians = {row["kind"]: row["seconds"]["median"] for row in rows}
    return {"entries": n, "rows": rows, "says": verdict(medians)}


def verdict(medians: dict[str, float]) -> str:
    """What each kernel with ten rounds waits for, in words."""
    parts = []
    for words in ("four words", "one word"):
        ten, none = (medians[f"{words}, {count} rounds"] for count in (10, 0))
        few = statistics.median(medians[f"{words}, {count} rounds"] for count in (0, 2, 5))
        if ten > SLOWER * none:
            bound = f"random numbers ({100 * (1 - none / ten):.0f} % of the time)"
        elif few > SLOWER * medians["copy"]:
            bound = "neither: without any round it is as slow"
        else:
            bound = "bytes"
        parts.append(f"{words} a counter: bound by {bound}, {medians['copy'] / ten:.2f} of a copy")
    return "; ".join(parts)
