"""The measurements of lesson 3.5: when to drop, in which layer, and beside which norm.

Printed glyphs of 14 × 14 pixels; Adam with a learning rate that falls to 0. Each way is tuned by
the mean error of three networks on 1000 validation images; ten networks of new seeds (of `norms`
twenty), with what was chosen, are tested once on 2000 others. All learn the same images, so what
differs between seeds is first weights, the order of the images and the noise. Networks of equal
seeds share the first two. About six minutes of one core.

`schedules` : four schedules of the drop rate, in networks that overfit (300 images, two layers of
64 units) and in networks that under-fit (4000 images, two layers of 8 units), 1200 steps.
`map` : the drop rates of both hidden layers, each pair of them, in the networks that overfit.
`norms` : batch norm instead of dropout, beside it and behind it: 1000 images, three layers of 64
units, 1200 steps, each with the best of five learning rates. And `ALIKE`, the control: batch norm
alone at the learning rate that was chosen for dropout before each.

    python -P -m dropoutlab.studies.schedules
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dropoutlab import studies, variants

STEPS, TUNING, TESTED, NORMED = 1200, range(100, 103), range(10), range(20)
KINDS: dict[str, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "linear": lambda t: t,
    "curriculum": lambda t: -math.expm1(-10 * t),
    "early": lambda t: float(t < 0.2),
}
"""What each schedule multiplies p by, at a time between 0 and 1."""
TASKS: dict[str, dict[str, Any]] = {
    "overfits": {"images": 300, "hidden": (64, 64), "rates": (0.05, 0.1, 0.2, 0.35, 0.5)},
    "under-fits": {"images": 4000, "hidden": (8, 8), "rates": (0.01, 0.02, 0.05, 0.1, 0.2)},
}
MAP = (0.0, 0.1, 0.2, 0.35, 0.5)
LEARNING = (0.001, 0.003, 0.01, 0.03, 0.1)
NORMS: dict[str, list[dict[str, float]]] = {
    "neither": [{}],
    "dropout": [{"p": p} for p in (0.05, 0.1, 0.2)],
    "batch norm": [{"norm": 1}],
    "dropout before each": [{"norm": 1, "before": p} for p in (0.05, 0.1, 0.2)],
    "dropout behind the last": [{"norm": 1, "after": p} for p in (0.1, 0.2, 0.35)],
}
ALIKE = "batch norm, same rate"


def scheduled(kind: str, p: float) -> variants.Layer:
    """Layers whose hidden units are dropped as this schedule says."""

    def noise(h: Tensor, depth: int, time: float) -> Tensor:
        return F.dropout(h, p * KINDS[kind](time))

    return variants.noisy(noise)


def pair(first: float, second: float) -> variants.Layer:
    """Layers that drop the units of the first hidden layer and of the second at these rates."""
    return variants.noisy(lambda h, depth, time: F.dropout(h, (first, second)[depth - 1]))


def normed(p: float = 0, norm: float = 0, before: float = 0, after: float = 0) -> variants.Layer:
    """Layers with batch norm, or with plain dropout."""
    if norm:
        return variants.BatchNorm(3, before, after)
    return variants.noisy(lambda h, depth, time: F.dropout(h, p))


def _trained(
    seeds: range, layer: variants.Layer, images: int, hidden: tuple[int, ...], rate: float
) -> tuple[variants.Networks, tuple[Tensor, Tensor]]:
    """Networks of these seeds, and the images that they learned."""
    X, y = variants.images(images, seed=0)
    torch.manual_seed(seeds[0])
    how = {"hidden": hidden, "seeds": seeds, "steps": STEPS, "batch": 50, "rate": rate}
    return variants.classifiers(X, y, layer, **how), (X, y)  # type: ignore[arg-type]


def _percent(nets: variants.Networks, images: tuple[Tensor, Tensor]) -> list[float]:
    return [round(100 * float(error), 3) for error in nets.error(*images)]


def tuned(
    layer: variants.Layer, images: int, hidden: tuple[int, ...], rate: float = 0.003
) -> list[float]:
    """The validation errors of three networks, in percent."""
    nets, _ = _trained(TUNING, layer, images, hidden, rate)
    return _percent(nets, variants.images(1000, seed=1))


def tested(
    chosen: dict[str, Any],
    layer: variants.Layer,
    images: int,
    hidden: tuple[int, ...],
    rate: float = 0.003,
    seeds: range = TESTED,
) -> dict[str, Any]:
    """What was chosen, and the training and test errors of networks of these seeds, in percent."""
    nets, own = _trained(seeds, layer, images, hidden, rate)
    test = variants.images(2000, seed=2)
    return chosen | {"train": _percent(nets, own), "test": _percent(nets, test)}


def main() -> None:
    """Measure what is not kept yet."""
    torch.set_num_threads(1)
    kept = studies.kept("schedules")

    def keep(name: str, measure: Callable[..., Any], *arguments: Any) -> Any:
        if name not in kept:
            kept[name] = measure(*arguments)
            studies.keep("schedules", kept)
            print(name, kept[name], flush=True)
        return kept[name]

    for task, how in TASKS.items():
        size = how["images"], how["hidden"]
        keep(f"{task} never", tested, {}, scheduled("constant", 0.0), *size)
        for kind in KINDS:
            tries = {
                p: keep(f"{task} {kind} {p}", tuned, scheduled(kind, p), *size)
                for p in how["rates"]
            }
            best = min(tries, key=lambda p: sum(tries[p]))
            keep(f"{task} {kind}", tested, {"p": best}, scheduled(kind, best), *size)
    size = TASKS["overfits"]["images"], TASKS["overfits"]["hidden"]
    for first, second in product(MAP, MAP):
        keep(f"map {first} {second}", tested, {}, pair(first, second), *size)
    size = 1000, (64, 64, 64)
    for name, settings in NORMS.items():
        chances = {
            (k, rate): keep(f"norms {name} {k} {rate}", tuned, normed(**setting), *size, rate)
            for k, setting in enumerate(settings)
            for rate in LEARNING
        }
        k, rate = min(chances, key=lambda at: sum(chances[at]))
        chosen = {"chosen": settings[k] | {"rate": rate}}
        keep(f"norms {name}", tested, chosen, normed(**settings[k]), *size, rate, NORMED)
    rate = kept["norms dropout before each"]["chosen"]["rate"]
    alone = {"norm": 1.0}
    chosen = {"chosen": alone | {"rate": rate}}
    keep(f"norms {ALIKE}", tested, chosen, normed(**alone), *size, rate, NORMED)


if __name__ == "__main__":
    main()
