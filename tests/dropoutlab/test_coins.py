"""`expect.coins`: does it refuse each kind of wrong coin with its own words, and no right one?"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dropoutlab import expect

X = np.ones((20, 60))
ONE = np.arange(X.size).reshape(X.shape) == 187
Coins = Callable[[float, Any], Any]


def exact(shape: tuple[int, ...], p: float, rng: np.random.Generator, axis: int) -> np.ndarray:
    """round(p n) dropped of the n entries along an axis."""
    n = shape[axis]
    places = np.arange(n) >= round(p * n)
    places = places.reshape([n if k == axis else 1 for k in range(len(shape))])
    return rng.permuted(np.broadcast_to(places, shape), axis=axis)


def keeps(u: np.ndarray, p: float) -> np.ndarray:
    return u.reshape(X.shape) >= p


WRONG: dict[str, tuple[Coins, str]] = {
    "nothing": (lambda p, rng: X, "nothing is dropped"),
    "everything": (lambda p, rng: 0 * X, "everything is dropped"),
    "swapped": (lambda p, rng: rng.random(X.shape) < p, "p is swapped"),
    "fair": (lambda p, rng: rng.random(X.shape) >= 0.5, "half are dropped"),
    "one decimal": (lambda p, rng: rng.random(X.shape) >= round(p, 1), "rounded to one decimal"),
    "tenths": (lambda p, rng: rng.integers(0, 10, X.shape) >= 10 * p, "rounded to one decimal"),
    "twice": (
        lambda p, rng: (rng.random(X.shape) >= p) & (rng.random(X.shape) >= p),
        "by two masks",
    ),
    "normal": (lambda p, rng: rng.normal(size=X.shape) >= p, "p is the probability with which"),
    "everything at one p": (lambda p, rng: rng.random(X.shape) >= p + (p > 0.7), "p is the prob"),
    "exact in all": (
        lambda p, rng: rng.permutation(np.arange(X.size) >= p * X.size).reshape(X.shape),
        "an exact number is dropped at each call",
    ),
    "exact by row": (
        lambda p, rng: exact(X.shape, p, rng, 1),
        "an exact number is dropped for each call and row",
    ),
    "exact by column": (
        lambda p, rng: exact(X.shape, p, rng, 0),
        "an exact number is dropped for each call and column",
    ),
    "stratified": (
        lambda p, rng: keeps(
            rng.permutation(np.arange(X.size) + rng.random(X.size)) / X.size, p + 0.5 / X.size
        ),
        "the number dropped hardly varies at each call",
    ),
    "some places": (
        lambda p, rng: (
            rng.random(X.shape) >= 2 * np.where(np.arange(60) % 2, min(p, 1 - p), 0)
            if p < 0.3
            else rng.random(X.shape) >= p
        ),
        "dropped more often than others",
    ),
    "one place": (lambda p, rng: (rng.random(X.shape) >= p) | ONE, "row 3, column 7 is dropped"),
    "neighbours": (
        lambda p, rng: keeps(np.repeat(rng.random(X.size // 2), 2), p),
        "a column and the next share a coin",
    ),
    "halves": (
        lambda p, rng: keeps(np.tile(rng.random((20, 30)), (1, 2)), p),
        "half the array away share a coin",
    ),
    "antithetic neighbours": (
        lambda p, rng: keeps(np.stack([u := rng.random(X.size // 2), 1 - u], -1), p),
        "are drawn as opposites",
    ),
    "antithetic halves": (
        lambda p, rng: keeps(np.concatenate([u := rng.random(X.size // 2), 1 - u]), p),
        "are drawn as opposites",
    ),
    "antithetic mirror": (
        lambda p, rng: keeps(np.concatenate([u := rng.random(X.size // 2), 1 - u[::-1]]), p),
        "mirror image are drawn as opposites",
    ),
    "rolled": (
        lambda p, rng: (
            np.stack([np.roll(row, 7 * k) for row in [rng.random(60)] for k in range(20)]) >= p
        ),
        "coins are shared|share a coin|as opposites",
    ),
    "in blocks": (
        lambda p, rng: np.broadcast_to(rng.random((2, 1, 60)) >= p, (2, 10, 60)).reshape(X.shape),
        "a row and the next share a coin",
    ),
    "one mask": (
        lambda p, rng: np.broadcast_to(rng.random(60) >= p, X.shape),
        "every row has the same mask",
    ),
    "one coin a row": (
        lambda p, rng: np.broadcast_to(rng.random((20, 1)) >= p, X.shape),
        "every column has the same mask",
    ),
    "one coin": (lambda p, rng: X * (rng.random() >= p), "one coin decides for the whole array"),
    "seed inside": (lambda p, rng: np.random.default_rng(0).random(X.shape) >= p, "a seed is set"),
    "copied": (lambda p, rng: copy.deepcopy(rng).random(X.shape) >= p, "not from a copy"),
    "global": (lambda p, rng: np.random.random(X.shape) >= p, "not come from the given generator"),
    "shape": (lambda p, rng: X[: rng.integers(5, 9)], "whole shape"),
}

RIGHT: dict[str, Coins] = {
    ">= p": lambda p, rng: X * (rng.random(X.shape) >= p),
    "> p": lambda p, rng: rng.random(X.shape, dtype=np.float32) > p,
    "binomial": lambda p, rng: rng.binomial(1, 1 - p, X.shape),
    "choice": lambda p, rng: rng.choice([0, 1], X.shape, p=[p, 1 - p]),
    "1 - u": lambda p, rng: 1 - rng.random(X.shape) > p,
    "row by row": lambda p, rng: [[float(rng.random() >= p) for _ in range(30)] for _ in range(10)],
    "in Fortran's order": lambda p, rng: 1 - p > rng.random((60, 20)).T,
    "a tensor": lambda p, rng: torch.from_numpy(rng.random(X.shape)) >= p,
}


def heard(draw: Coins, **options: Any) -> str:
    """What the battery says."""
    with pytest.raises(expect.Unmet) as caught, expect.case("these coins"):
        expect.coins(draw, **options)
    return str(caught.value)


@pytest.mark.parametrize("name", WRONG)
def test_each_kind_of_wrong_coin_is_refused_in_its_own_words(name: str):
    """Is what is wrong with these coins found, and named?"""
    draw, words = WRONG[name]
    assert re.search(words, heard(draw))


@pytest.mark.parametrize("name", RIGHT)
def test_right_coins_pass_however_they_are_drawn(name: str):
    """Is no way to draw independent coins refused?"""
    expect.coins(RIGHT[name])


def test_coins_of_torch():
    """Do torch's own ways pass, with its generators and without one?"""
    x = torch.ones(20, 60)

    def bernoulli(p: float, generator: torch.Generator | None) -> torch.Tensor:
        return torch.bernoulli(torch.full(x.shape, 1 - p), generator=generator)

    def fixed(p: float, generator: torch.Generator | None) -> torch.Tensor:
        return bernoulli(p, generator or torch.Generator().manual_seed(0))

    expect.coins(bernoulli, source=expect.generator, none=True)
    expect.coins(fixed, source=expect.generator)
    assert "a seed is set inside" in heard(fixed, source=expect.generator, none=True)
    ignored = heard(lambda p, _: torch.nn.functional.dropout(x, p), source=expect.generator)
    assert "do not come from the given generator" in ignored


def test_shared_axes():
    """Is one coin for whole channels right where it is asked, and wrong where it is not?"""
    x = np.ones((8, 25, 3, 4))

    def channels(p: float, rng: np.random.Generator) -> np.ndarray:
        return x * (rng.random((8, 25, 1, 1)) >= p)

    def entries(p: float, rng: np.random.Generator) -> np.ndarray:
        return x * (rng.random(x.shape) >= p)

    def batch(p: float, rng: np.random.Generator) -> np.ndarray:
        return x * (rng.random((1, 25, 1, 1)) >= p)

    def exactly(p: float, rng: np.random.Generator) -> np.ndarray:
        return x * exact((8, 25, 1, 1), p, rng, 1)

    expect.coins(channels, shared=(2, 3))
    expect.coins(entries)
    assert "every row and every column has the same mask" in heard(channels)
    assert "one should serve them all" in heard(entries, shared=(2, 3))
    assert "every sample has the same mask" in heard(batch, shared=(2, 3))
    assert "an exact number is dropped for each call and sample" in heard(exactly, shared=(2, 3))


@pytest.mark.parametrize(
    ("factor", "swapped", "words"),
    [
        (lambda p: 1, False, "not scaled"),
        (lambda p: 1 / p, False, "divided by p. Divide"),
        (lambda p: 1 / p, True, "taken for the probability of keeping throughout"),
        (lambda p: 1 - p, False, "multiplied by 1 - p"),
        (lambda p: 1 / (1 - p) ** 2, False, "scaled twice"),
        (lambda p: 2, False, "is p handed on"),
    ],
)
def test_the_scale(factor: Callable[[float], float], swapped: bool, words: str):
    """Is a survivor of another size named after what was done to it?"""

    def draw(p: float, rng: np.random.Generator) -> np.ndarray:
        return (rng.random(X.shape) >= (1 - p if swapped else p)) * factor(p)

    assert words in heard(draw, scale=lambda p: 1 / (1 - p))


def test_where_nothing_is_dropped_nothing_is_said_of_a_scale():
    """Is an answer that returns its input told that nothing is dropped?"""
    assert "nothing is dropped" in heard(lambda p, rng: X, scale=lambda p: 1 / (1 - p))


@pytest.mark.parametrize("seed", range(40))
def test_of_coins_shared_in_blocks_the_axis_is_named(seed: int):
    """Is it the rows that share a coin, and not the calls, which then agree by chance as well?"""

    def draw(p: float, rng: np.random.Generator) -> np.ndarray:
        shared = rng.random((16, 1, 2, 8)) >= p
        return np.broadcast_to(shared, (16, 8, 2, 8)).reshape(-1, 16)

    with expect.seeded(seed):
        assert "a row and the next share a coin" in heard(draw)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_the_scale_is_asked_in_the_precision_of_the_answer(dtype: type):
    """Is 1 / (1 - p) in a low precision the right scale?"""
    expect.coins(
        lambda p, rng: (rng.random(X.shape) >= p) * dtype(1 / (1 - p)), scale=lambda p: 1 / (1 - p)
    )


def test_a_rate_that_low_precision_biases():
    """Is it noticed that uniform numbers of bfloat16 drop 1.2 % at p = 0.01?"""

    def draw(p: float, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
        return torch.rand(200, 500, generator=generator, dtype=dtype) >= p

    options: dict[str, Any] = {"source": expect.generator, "p": [0.01], "calls": 10}
    expect.coins(lambda p, g: draw(p, g, torch.float32), **options)
    assert "at p = 0.01" in heard(lambda p, g: draw(p, g, torch.bfloat16), **options)


def test_too_few_coins_are_not_judged():
    """Is a battery that could not tell 0.1 from 0.13 refused, its author's or a learner's fault?"""
    said = heard(lambda p, rng: rng.random((3, 4)) >= p)
    assert "at least 4000 coins" in said and "288 coins, in 24 masks of shape (3, 4)" in said


@pytest.mark.parametrize(("n", "p", "m"), [
    (4, 0.13, 40), (3, 0.15, 50), (2, 0.25, 52), (16, 0.97, 58), (125, 0.004, 32), (24, 0.5, 1200),
    (1200, 0.003, 24), (60, 0.77, 480), (2, 0.12, 2000),
])  # fmt: skip
def test_what_is_usual_lies_within_the_bounds(n: int, p: float, m: int):
    """Is the shortcut of `_scatter` taken only where the exact bounds say the same?"""
    module = sys.modules["dropoutlab.expect.coins"]  # `expect.coins` is the function
    low, high = module._bounds(n, p, m, expect.ALPHA)
    _, chances = module._scores(n, p, m)
    assert not module._usual(low - 1, chances, m) and not module._usual(high + 1, chances, m)
    assert module._usual(round(m * (chances @ np.arange(len(chances)))), chances, m)


def test_false_alarms_are_as_rare_as_they_are_said_to_be():
    """Do right coins fail with probability alpha at most, all questions together?"""
    trials, alpha, alarms = 200, 0.3, 0
    for _ in range(trials):
        try:
            expect.coins(lambda p, rng: rng.random((12, 40)) >= p, alpha=alpha, calls=12)
        except expect.Unmet:
            alarms += 1
    _, high = expect.binomial_interval(trials, alpha)
    assert alarms <= high, "right coins are refused too often"
    assert alarms >= 0.05 * trials, "the bounds are far wider than they need to be"


@pytest.mark.parametrize("name", [name for name in WRONG if name != "shape"])
def test_power(name: str):
    """Is each kind of wrong coin refused whatever the draw?"""
    draw, _ = WRONG[name]
    for _ in range(3):
        with pytest.raises(expect.Unmet):
            expect.coins(draw)
