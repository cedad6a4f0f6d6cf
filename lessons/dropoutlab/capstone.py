"""Capstone: digits with wrong labels, in as many worlds as there are seeds.

A `World` is one copy of the problem: other rows to learn from, other columns, other names of the
classes, other wrong labels. The check that scores a network draws worlds from seeds that nobody
knows, and hands out rows to learn from alone; the rows that score come from `held_out` afterwards.

The digits are what they are: a world is a new split of 1,797 rows, in disguise. Tables of
remembered rows are of no use against it. An attack that works out the mixing of the columns (from
norms and products of rows that it knows) is possible. Only a person who reads the code stops it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from time import process_time
from typing import Any

import numpy as np

from dropoutlab import data, train

ROWS, VALIDATION = 600, 400
"""Rows to learn from, and rows to choose by. The other 797 of a world are held out."""
WRONG, STRETCH = 0.3, 1.5
"""Share of wrong labels among the rows to learn from, strength of the disguise."""
HIDDEN = (128,)
"""Hidden layers of the baseline."""
TUNED: dict[str, Any] = {"rate": 0.02, "steps": 120, "start": 0.2}
"""The baseline's learning rate, number of steps and size of initial weights (relative to He's),
chosen on validation rows by `studies.capstone`."""
DECAYED: dict[str, Any] = {"rate": 0.05, "steps": 160, "weight_decay": 0.03, "start": 1.0}
"""With weight decay: the best number of steps for a rate and a decay that are nearly the best."""
NEEDED, WORLDS, REPEATS = 0.5, 16, 3
"""Points of error by which a graded network has to beat the tuned baseline, as a mean over so many
secret worlds; in each the baseline is trained so many times, which makes its mean less noisy. The
lesson draws how often chance passes or fails this, from `studies.capstone`."""
PARAMETERS, BUDGET = 60_000, 15
"""The most parameters of a graded network, and the most time that training it may take, in
`yardstick`s."""


@dataclass(frozen=True)
class World:
    """A copy of the problem; all columns together have variance 1 over the rows to learn from."""

    X: np.ndarray
    """(600, 58) float32, to learn from."""
    y: np.ndarray
    """(600,) their classes 0 … 9; three in ten are wrong."""
    X_val: np.ndarray
    """(400, 58) float32, to choose by."""
    y_val: np.ndarray
    """(400,) their classes; all are right."""
    true_y: np.ndarray
    """(600,) what y would be if no label were wrong."""


def world(seed: int) -> World:
    """The world of a seed: the digits split anew, disguised, and three in ten labels wrong.

    The disguise: a tenth of the columns is left out, the others are mixed by a random linear map
    (turned, stretched by 2/3 to 3/2, turned again), and the classes get each other's names. Dense
    layers can undo it, as it is linear.
    """
    X, y, given = _rows(seed)
    n, m = ROWS, ROWS + VALIDATION
    return World(X[:n].copy(), given, X[n:m].copy(), y[n:m].copy(), y[:n].copy())


def held_out(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a world that neither teach nor choose, `X, y`: to be read once, by a check."""
    X, y, _ = _rows(seed)
    return X[ROWS + VALIDATION :].copy(), y[ROWS + VALIDATION :].copy()


def unlearnable(seed: int) -> np.ndarray:
    """Labels (600,) for a world's rows that say nothing: each true class gets all, evenly."""
    true, rng = world(seed).true_y, np.random.default_rng([seed, 17])
    given = np.empty_like(true)
    for k in range(10):
        own = np.flatnonzero(true == k)
        given[rng.permutation(own)] = (np.arange(len(own)) + rng.integers(10)) % 10
    return given


def error(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    """The error rate of a torch module in percent, nothing dropped; it keeps the mode it is in."""
    import torch

    mode = model.training
    model.eval()
    with torch.no_grad():
        logits = model(torch.as_tensor(X, dtype=torch.float32))
    model.train(mode)
    return 100 * train.error_rate(np.asarray(logits), y)


def plain(seeds: list[int], test: bool = False, repeat: int = 0, **settings: Any) -> np.ndarray:
    """The error rates in percent of networks without dropout, one in the world of each seed.

    One hidden layer of 128 ReLU units, gradient descent with momentum 0.9 on batches of 64.

    test : read on the held-out rows; else on the validation rows
    repeat : another number gives other initial weights and batches
    settings : of `train.many`; what is not given is as in `TUNED`
    """
    worlds = [world(seed) for seed in seeds]
    rows = [held_out(s) if test else (w.X_val, w.y_val) for s, w in zip(seeds, worlds, strict=True)]
    how: dict[str, Any] = {"hidden": HIDDEN} | TUNED | settings
    runs = train.many(
        np.stack([w.X for w in worlds]),
        np.stack([w.y for w in worlds]),
        seeds=[seed + 1_000 * repeat for seed in seeds],
        watch={"rows": (np.stack([X for X, _ in rows]), np.stack([y for _, y in rows]))},
        **how,
    )
    return 100 * runs.error["rows"][:, -1]


def yardstick() -> float:
    """Seconds of processor time that 600 steps of a small torch network take on this machine."""
    import torch
    from torch.nn.functional import cross_entropy

    began = process_time()
    with torch.random.fork_rng(devices=[]):
        net = torch.nn.Sequential(
            torch.nn.Linear(58, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
        )
        X, y = torch.randn(64, 58), torch.randint(10, (64,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for _ in range(600):
        optimizer.zero_grad()
        cross_entropy(net(X), y).backward()
        optimizer.step()
    return process_time() - began


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """All digits, a row each, and their classes."""
    parts = data.digits()
    X, y = np.concatenate(parts[::2]), np.concatenate(parts[1::2])
    return X.reshape(len(X), -1).astype(float), y


def _rows(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All rows of a world in their order, their classes, and the labels given to the first 600."""
    rng = np.random.default_rng([seed, 16])
    X, y = _digits()
    order = rng.permutation(len(X))
    f = X.shape[1] - X.shape[1] // 10
    X, y = X[order][:, rng.permutation(X.shape[1])[:f]], y[order]
    X -= X[:ROWS].mean(0)
    turns = [np.linalg.qr(rng.normal(size=(f, f)))[0] for _ in range(2)]
    X = X @ (turns[0] * np.exp(rng.uniform(-np.log(STRETCH), np.log(STRETCH), f))) @ turns[1]
    X = (X / X[:ROWS].std()).astype(np.float32)
    y = rng.permutation(10)[y]
    wrong = rng.permutation(ROWS) < round(WRONG * ROWS)
    given = np.where(wrong, (y[:ROWS] + rng.integers(1, 10, ROWS)) % 10, y[:ROWS])
    return X, y, given
