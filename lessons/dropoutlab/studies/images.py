"""Dropout of maps, blocks and branches at equal noise; and what is left of it for other classes.

Networks of `convnets` learn 400 images of 20 characters. Each kind of dropout is tried at the noise
levels of `LEVELS`: at the p at which it is as loud in the logits of networks trained without it
(`convnets.loudness`) as element dropout is at these p. By the mean error of two networks on 2000
validation images the level is chosen first, then the learning rate. Networks of new seeds are
tested once, on 2000 other images.

loud : the loudness of each kind over `GRID`, in networks without dropout
strengths : the p of each kind at each level
tuning KIND STRENGTH RATE : validation errors by seed, in percent
chosen : by kind, strength and learning rate
tested : by kind, a list with a cell for each seed: the test error, the loudness in the trained
    network, and `transferred`, the errors of its body on 15 characters that it never saw, for each
    of `PENALTIES` a row with one for each of `LABELS`. "matched KIND" has the level and the rate
    that were chosen for element dropout, "same rate" the latter without dropout; "element again"
    has other masks, "untrained" learned nothing; "longer KIND" took twice as many steps

Some eight minutes of one core: `python -P -m dropoutlab.studies.images`. Begun again, it goes on
where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropoutlab import convnets, studies

LEVELS = (0.1, 0.2, 0.35, 0.55)
"""The p of element dropout, whose noise the other kinds match."""
GRID = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.55, 0.7)
RATES = (0.006, convnets.RATE, 0.024)
TUNING, TESTED, LONGER = (900, 901), range(8), range(5)
LABELS, DRAWS, PENALTIES = (1, 3, 10, 30), range(3), (10.0, 100.0)
"""Labelled images of each unseen character; sets of them for each body; penalties of weights."""


def validated(seed: int, kind: str, strength: float, rate: float) -> float:
    """The validation error of one network, in percent."""
    torch.set_num_threads(1)
    net = convnets.train(seed, kind, strength, rate, hand=studies.own().IMAGES)
    return round(net.error(*convnets.held("validation")), 3)


def tested(seed: int, kind: str, strength: float, rate: float, steps: int) -> dict[str, Any]:
    """The test error of one network, in percent, and those of its body on other characters."""
    torch.set_num_threads(1)
    hand = studies.own().IMAGES
    net = convnets.train(seed, kind, strength, rate, steps=steps, hand=hand)
    X, _ = convnets.held("validation")
    found: dict[str, Any] = {"error": round(net.error(*convnets.held("test")), 3)}
    if kind in convnets.MAPS:
        found["loud"] = round(convnets.loudness(net, kind, strength, X[:300], hand=hand), 4)
    return found | {"transferred": transferred(net.features)}


def transferred(body: Callable[[Tensor], Tensor]) -> list[list[float]]:
    """The errors of a body on unseen characters, for each penalty a row with one for each k."""
    error = studies.own().probe_error
    return [
        [round(float(error(body, k, DRAWS, penalty).mean()), 3) for k in LABELS]
        for penalty in PENALTIES
    ]


def loud(seed: int) -> dict[str, list[float]]:
    """The loudness of each kind over `GRID`, in a network without dropout."""
    torch.set_num_threads(1)
    net, X = convnets.train(seed), convnets.held("validation")[0][:300]
    hand = studies.own().IMAGES
    return {
        kind: [round(convnets.loudness(net, kind, p, X, hand=hand), 5) for p in GRID]
        for kind in convnets.MAPS
    }


def main() -> None:
    """Measure what is missing, and keep each network at once."""
    torch.set_num_threads(1)
    kept = studies.kept("images")

    def keep(name: str, value: Any) -> Any:
        kept[name] = value
        studies.keep("images", kept)
        print(name, value if name != "tested" else "", file=sys.stderr, flush=True)
        return value

    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        curves = kept.get("loud") or keep("loud", list(pool.map(loud, TUNING)))
        means = {kind: np.mean([of[kind] for of in curves], 0) for kind in convnets.MAPS}
        wanted = np.exp(np.interp(np.log(LEVELS), np.log(GRID), np.log(means["element"])))
        tries: dict[str, Sequence[float]] = keep("strengths", {
            kind: [round(convnets.as_loud(GRID, means[kind], level), 4) for level in wanted]
            for kind in convnets.MAPS
        }) | {"none": [0.0]}  # fmt: skip

        def best(kind: str, hows: list[tuple[float, float]]) -> tuple[float, float]:
            missing = [how for how in hows if f"tuning {kind} {how[0]} {how[1]}" not in kept]
            jobs = [(seed, kind, *how) for how in missing for seed in TUNING]
            errors = pool.map(validated, *zip(*jobs, strict=True)) if jobs else iter([])
            for how in missing:
                keep(f"tuning {kind} {how[0]} {how[1]}", [next(errors) for _ in TUNING])
            return min(hows, key=lambda how: np.mean(kept[f"tuning {kind} {how[0]} {how[1]}"]))

        def choose(kind: str) -> tuple[float, float]:
            strength, _ = best(kind, [(strength, convnets.RATE) for strength in tries[kind]])
            return best(kind, [(strength, rate) for rate in RATES])

        def measure(runs: dict[str, tuple[str, float, float, int]], seeds: range) -> None:
            cells = kept.setdefault("tested", {})
            jobs = [(name, seed) for seed in seeds for name in runs
                    if len(cells.get(name, [])) <= seed]  # fmt: skip
            done = pool.map(tested, [seed for _, seed in jobs],
                            *zip(*(runs[name] for name, _ in jobs), strict=True))  # fmt: skip
            for (name, seed), cell in zip(jobs, done, strict=True):
                cells.setdefault(name, []).append(cell)
                keep("tested", cells)
                print(name, seed, cell, file=sys.stderr, flush=True)

        usual = convnets.STEPS
        chosen = {kind: choose(kind) for kind in ("none", *convnets.MAPS)}
        runs = {kind: (kind, *how, usual) for kind, how in chosen.items()}
        strength, rate = chosen["element"]
        level = list(tries["element"]).index(strength)
        runs |= {
            f"matched {kind}": (kind, tries[kind][level], rate, usual)
            for kind in convnets.MAPS[1:]
            if (tries[kind][level], rate) != chosen[kind]
        }
        runs["element again"] = ("element again", *chosen["element"], usual)
        runs["same rate"] = ("none", 0.0, rate, usual)
        runs["untrained"] = ("none", *chosen["none"], 0)
        keep("chosen", {name: run[1:3] for name, run in runs.items()})
        measure(runs, TESTED)
        longer = {
            f"longer {name}": (*runs[name][:3], 2 * convnets.STEPS)
            for name in ("same rate", "element", "DropBlock")
        }
        measure(longer, LONGER)


if __name__ == "__main__":
    main()
