"""The sweep of *Overfitting*, rates × seeds: all networks at once, and one after another."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch

from dropoutlab import data, train
from grader.gpu.clock import spread, within
from grader.gpu.record import Json
from grader.gpu.step import Step

RATES = (0.0, 0.2, 0.5)


def measure(step: Step) -> None:
    """The one part."""
    step.part("sweep", lambda: sweep(step.device, *step.of((3, 200, 10), (2, 2, 1))))


def sweep(device: str, turns: int, steps: int, seeds: int) -> Json:
    """Seconds of each, taking turns."""
    X, y, *_ = data.digits()
    X = X.reshape(len(X), -1)
    pairs = [(p, seed) for p in RATES for seed in range(seeds)]

    def run(chosen: Sequence[tuple[float, int]]) -> None:
        p, own = zip(*chosen, strict=True)
        train.many(X, y, seeds=own, p=p, steps=steps, device=device)
        if device == "cuda":
            torch.cuda.synchronize()

    run(pairs[:1])
    run(pairs)
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


def told(parts: Json) -> Iterator[tuple[str, str]]:
    """How many times as fast."""
    for name, found in parts.items():
        words = f"{found['networks']} networks at once are {within(found['ratio'])} times as fast"
        yield name, f"{words} as one after another"
