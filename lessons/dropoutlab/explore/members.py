"""The ensemble: a network without the units chosen, an average of thinned ones, the scaled one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from dropoutlab import data, train
from dropoutlab.explore.explorer import Control, Explorer, again, choice

Average = Callable[..., np.ndarray]

HIDDEN, POINTS, SIDE, NETWORKS = 6, 200, 28, (8, 4, 11)
EVERY, WIDE, HIGH = 2**HIDDEN, (-2, 2), (-1.8, 1.8)


@cache
def _trained(seed: int) -> tuple[np.ndarray, np.ndarray, train.Parameters]:
    """Points, classes and a network trained on them with half of its hidden units dropped."""
    X, y = data.moons(POINTS, np.random.default_rng(seed))
    net = train.two_layer(
        X, y, lambda h, rng: h * (rng.random(h.shape) >= 0.5), seed, hidden=HIDDEN, epochs=100
    )
    return X, y, net


def _seen(probs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The second class's probability over the plane, up to 255, and the number of wrong points."""
    second = np.asarray(probs)[..., 1]
    field = np.round(255 * np.clip(second[..., : SIDE**2], 0, 1))
    return field, ((second[..., SIDE**2 :] > 0.5) != y).sum(-1)


def members(
    all_masks: Callable[[int], np.ndarray],
    subnetwork_outputs: Average,
    geometric_mean: Average,
    weight_scaled: Average,
) -> Explorer:
    """Explore the thinned networks of a small one: units to press, an average, other networks."""
    down, across = np.meshgrid(np.linspace(*HIGH, SIDE), np.linspace(*WIDE, SIDE), indexing="ij")
    plane = np.column_stack([across.ravel(), down.ravel()])
    k = choice("random members averaged", 8, [2**i for i in range(HIDDEN + 1)])
    units = Control("units dropped", list(range(EVERY)), 0b010010, [""] * EVERY, "hidden")

    def table() -> dict[str, np.ndarray]:
        found: list[tuple[np.ndarray, ...]] = []
        dropped = (np.asarray(all_masks(HIDDEN)) == 0) @ 2 ** np.arange(HIDDEN)
        for seed in NETWORKS:
            X, y, net = _trained(seed)
            asked = net["W1"], net["b1"], net["W2"], net["b2"], np.concatenate([plane, X])
            every = np.asarray(subnetwork_outputs(*asked))[np.argsort(dropped)]  # by units dropped
            order = np.random.default_rng(seed).permutation(EVERY)
            some, scaled = [every[order[:many]] for many in k.values], weight_scaled(*asked)
            means = np.array([[part.mean(0), geometric_mean(part), scaled] for part in some])
            gaps = np.abs(means[:, :2] - scaled).max((2, 3))
            found.append((X, y, order, gaps, *_seen(every, y), *_seen(means, y)))
        names = ("points", "classes", "order", "gaps", "each", "each_wrong", "means", "means_wrong")
        arrays = {name: np.array([part[i] for part in found]) for i, name in enumerate(names)}
        small = {name: v for name, v in arrays.items() if name not in ("points", "gaps")}
        return arrays | {name: v.astype(np.uint8) for name, v in small.items()}

    network = again("Another network", len(NETWORKS))
    return Explorer("members", table, k=k, network=network, units=units)
