"""The networks that 2.1's explorer trains in the page: twenty pairs for each of its settings.

Points on two half circles, a fifth of their labels wrong; one hidden layer; momentum 0.9, batches
of 20, and a learning rate that falls to 0 in a straight line. `explore/moons.js` trains the same
networks from the same numbers, so each run here is one that can be watched there.

A part is a width and a number of points: the errors in percent on 400 validation points and 800
test points, right labels in both, by p (`RATES`) and seed (0 to 19).

Run with `python -P -m dropoutlab.studies.moons`: a few minutes of one core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from dropoutlab import studies

WIDTHS, SIZES, SEEDS = (4, 16, 64, 128), (20, 40, 80, 160, 320), 20
RATES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8)
STEPS, BATCH, RATE, MOMENTUM, START = 1500, 20, 0.04, 0.9, 3
WRONG, NOISE = 0.2, 0.15
TEST, VALIDATION = (800, 999), (400, 998)
"""How many points, and their seed."""
POINTS, WEIGHTS, ORDER, MASKS = 1, 2, 3, 4
"""What a stream of numbers is for."""


def hashed(s: np.ndarray) -> np.ndarray:
    """The hash of mulberry32: whole numbers below 2³² for others."""
    s = s.astype(np.uint32)
    t = (s ^ (s >> 15)) * (s | 1)
    t ^= t + (t ^ (t >> 7)) * (t | 61)
    return t ^ (t >> 14)


@dataclass(frozen=True)
class Stream:
    """Numbers for one purpose; `uniform(k)` and `normal(k)` are its numbers k."""

    seed: int
    purpose: int

    def uniform(self, k: np.ndarray) -> np.ndarray:
        start = hashed(np.array([8 * self.seed + self.purpose]))
        return hashed(start + np.asarray(k, np.uint32) * np.uint32(0x6D2B79F5)) / 2**32

    def normal(self, k: np.ndarray) -> np.ndarray:
        k = np.asarray(k)
        radius = np.sqrt(-2 * np.log(1 - self.uniform(2 * k)))
        return radius * np.cos(2 * np.pi * self.uniform(2 * k + 1))


def points(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n points (n, 2), their classes, and the labels that are given."""
    i, stream = np.arange(n), Stream(seed, POINTS)
    turn, side, classes = np.pi * stream.uniform(8 * i), 1 - 2 * (i % 2), i % 2
    arcs = side[:, None] * np.column_stack([np.cos(turn) - 0.5, np.sin(turn) - 0.25])
    noise = np.column_stack([stream.normal(4 * i + 1), stream.normal(4 * i + 2)])
    return (
        arcs + NOISE * noise,
        classes,
        np.where(stream.uniform(8 * i + 1) < WRONG, 1 - classes, classes),
    )


@dataclass
class Nets:
    """Networks σ(v · relu(W x + a) + c) by p and seed, all parameters in one array."""

    all: np.ndarray
    """(rates, seeds, 4 width + 1): W's two columns, a, v and c."""

    def parts(self) -> tuple[np.ndarray, ...]:
        n = self.all.shape[-1] // 4
        W, v, c = self.all[..., : 3 * n], self.all[..., 3 * n : 4 * n], self.all[..., 4 * n :]
        return W.reshape(*self.all.shape[:-1], 3, n), v, c

    def hidden(self, X: np.ndarray) -> np.ndarray:
        W, _, _ = self.parts()
        return np.maximum(np.insert(X, 2, 1, axis=-1) @ W, 0)

    def odds(self, h: np.ndarray) -> np.ndarray:
        _, v, c = self.parts()
        return (h @ v[..., None])[..., 0] + c

    def error(self, X: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The percentage of points that each misreads."""
        return 100 * ((self.odds(self.hidden(X)) > 0) != labels).mean(-1)


def trained(size: int, width: int, rates: np.ndarray, seeds: np.ndarray, steps: int) -> Nets:
    """A network for each of the rates and seeds after so many steps of `STEPS`."""
    k, at = np.arange(4 * width + 1), 3 * width
    scale = np.where(k < at, START, np.where(k < 4 * width, np.sqrt(2 / width), 0))
    first = np.stack([scale * Stream(int(s), WEIGHTS).normal(k) for s in seeds])
    nets = Nets(np.repeat(first[None], len(rates), 0))
    speed, p = np.zeros_like(nets.all), np.asarray(rates)[:, None, None, None]
    sets = [points(size, int(s)) for s in seeds]
    X, given = np.stack([x for x, _, _ in sets]), np.stack([y for _, _, y in sets])
    order, masks = ([Stream(int(s), what) for s in seeds] for what in (ORDER, MASKS))
    run, batch = np.arange(len(seeds))[:, None], np.arange(BATCH)
    for step in range(steps):
        rows = np.stack([stream.uniform(step * BATCH + batch) * size for stream in order])
        x, y = X[run, rows.astype(int)], given[run, rows.astype(int)]
        units = step * BATCH * width + np.arange(BATCH * width).reshape(BATCH, width)
        kept = np.stack([stream.uniform(units) for stream in masks]) >= p
        h, (_, v, _) = nets.hidden(x), nets.parts()
        h *= kept / (1 - p)
        error = (1 / (1 + np.exp(-nets.odds(h))) - y) / BATCH
        through = (h > 0) * (v / (1 - p[..., 0]))[..., None, :]
        through *= error[..., None]
        slopes = (
            (np.insert(x, 2, 1, axis=-1).swapaxes(-1, -2) @ through).reshape(*speed.shape[:2], at),
            (error[..., None, :] @ h)[..., 0, :],
            error.sum(-1, keepdims=True),
        )
        speed = MOMENTUM * speed - RATE * (1 - step / STEPS) * np.concatenate(slopes, -1)
        nets.all += speed
    return nets


def cells() -> Iterator[tuple[str, int, int]]:
    """The name, the width and the number of points of each part."""
    for width, size in product(WIDTHS, SIZES):
        yield f"{width} {size}", width, size


def main() -> None:
    """Train what is missing."""
    found = studies.kept("moons")
    sets = {name: points(*of)[:2] for name, of in (("validation", VALIDATION), ("test", TEST))}
    for name, width, size in cells():
        if name not in found:
            nets = trained(size, width, np.array(RATES), np.arange(SEEDS), STEPS)
            errors = {what: nets.error(X, y) for what, (X, y) in sets.items()}
            found[name] = {what: np.round(e, 3).tolist() for what, e in errors.items()}
            studies.keep("moons", found)


if __name__ == "__main__":
    main()
