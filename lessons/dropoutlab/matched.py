"""Networks trained under noise of several kinds, matched in variance; N of one kind at once.

A coin that drops with probability p multiplies what it keeps by 1 / (1 - p), so the multiplier has
variance p / (1 - p), its *odds*. Every other kind here has noise of that variance too. Network k
has its own training set, first weights, batches and noise, all from its seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from dropoutlab import stacked, variants
from dropoutlab.stacked import affine

RELU = ("none", "coin", "coin again", "two values", "Gaussian", "DropConnect", "standout")
SELU = ("SELU, none", "SELU, coin", "SELU, alpha")
KINDS = (*RELU, *SELU)
"""How a network's hidden units, or the weights that leave them, get noise; see `Networks`.

"coin" is dropout, and "coin again" the same with other masks: what chance alone gives. "two
values" multiplies by 1 + √odds or 1 - √odds, so below p = ½ nothing is ever 0. "DropConnect"
drops weights, "standout" has a probability for each unit and sample.
"""
NOISES = tuple(kind for kind in RELU if kind not in ("none", "coin again"))
"""Those that are compared with one another."""
ROWS, BATCH, STEPS = 500, 25, 800
HIDDEN = {False: (256,), True: (64, 64, 64, 64)}
"""The hidden layers of networks of ReLUs, and those of SELUs, which are made for depth."""
LEAST = -1.0507009873554805 * 1.6732632423543772
"""The least value of a SELU."""
EVERY = 50
"""After so many steps the noise of "standout" is brought to its variance again."""


# --- noise -------------------------------------------------------------------------------


def coin(x: Tensor, p: float, generator: Generator | None = None) -> Tensor:
    """Inverted dropout."""
    return x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p)


def two_values(x: Tensor, p: float, generator: Generator | None = None) -> Tensor:
    """Each entry times 1 + √odds or 1 - √odds, either with probability ½."""
    sign = 2 * (torch.rand(x.shape, generator=generator) >= 0.5).to(x.dtype) - 1
    return x * (1 + math.sqrt(p / (1 - p)) * sign)


class Functions(NamedTuple):
    """What makes the noise: the course's own, `own.MATCHED`, or a learner's."""

    gaussian: Callable[..., Tensor]
    connect: Callable[..., Tensor]
    alpha: Callable[..., Tensor]
    probability: Callable[..., Tensor]


def gentle(p: float) -> float:
    """The drop probability at which alpha dropout is as noisy as a coin at p.

    At mean 0 and variance 1 its noise, over the signal that is left, is (1 + α'²) times the odds.
    """
    odds = p / (1 - p) / (1 + LEAST**2)
    return odds / (1 + odds)


# --- data --------------------------------------------------------------------------------


@cache
def images() -> dict[str, tuple[Tensor, Tensor]]:
    """Printed digits of 14 × 14 pixels: "pool" to draw training sets from, "validation", "test"."""
    return {
        "pool": variants.images(3000, seed=0),
        "validation": variants.images(3000, seed=1),
        "test": variants.images(3000, seed=2),
    }


# --- networks ----------------------------------------------------------------------------


class Networks:
    """N networks of one kind (`KINDS`), whose noise has the variance of that of a coin at p.

    seeds : of the networks; rate : learning rates, one or one for each; hand : what makes the noise
    """

    def __init__(
        self,
        kind: str,
        p: float,
        *,
        seeds: Sequence[int],
        rate: Sequence[float] | float,
        hand: Functions,
    ):
        self.kind, self.p, self.hand, self.count = kind, p, hand, len(seeds)
        self.selu = kind.startswith("SELU")
        self.chances = stacked.Chances(np.asarray(seeds))
        sizes, gain = [variants.SIDE**2, *HIDDEN[self.selu], 10], 1.0 if self.selu else 2.0
        parameters = self.chances.drawn(lambda chance: chance.layers(sizes, gain))
        self.parameters = [w.requires_grad_() for w in parameters]
        self.rate = torch.as_tensor(np.broadcast_to(rate, (self.count,)).astype(np.float32))
        own = "noise again" if kind == "coin again" else "noise"
        self.sources = [stacked.Chance(int(seed)).stream(own) for seed in seeds]
        self.shift = np.zeros((len(sizes) - 2, self.count))
        """Standout's β, of each hidden layer and network."""

    def train(self, steps: int = STEPS) -> Networks:
        """Gradient descent with momentum 0.9 on the cross-entropy; the rate falls to 0."""
        X, y = images()["pool"]
        rows, order = self.chances.drawn(
            lambda chance: [chance.subset(len(X), ROWS), chance.batches(ROWS, BATCH, steps)]
        )

        def loss(step: int) -> Tensor:
            batch = rows.gather(1, order[:, step])
            z = self._forward(X[batch], step)
            return cross_entropy(z.flatten(0, 1), y[batch].flatten()) * self.count

        optimizer = stacked.SGD([{"params": self.parameters}], self.rate.reshape(-1, 1, 1), 0.9)
        stacked.descend(loss, optimizer, steps, schedule=stacked.falling(steps))
        return self

    @torch.no_grad()
    def measured(self, name: str) -> dict[str, np.ndarray]:
        """The "loss" in nats and the "error" rate of each network on "validation" or "test"."""
        X, y = images()[name]
        z, t = self._forward(X.expand(self.count, -1, -1)), y.expand(self.count, -1)
        loss = cross_entropy(z.mT, t, reduction="none").mean(1)
        return {"loss": loss.numpy(), "error": (z.argmax(-1) != t).float().mean(1).numpy()}

    def _forward(self, h: Tensor, step: int | None = None) -> Tensor:
        """The logits (N, rows, 10); a step of training has noise, evaluation (None) has none."""
        pairs = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        for depth, (W, b) in enumerate(pairs):
            before = h
            z = self._product(h, W, b, depth > 0 and step is not None)
            if depth == len(pairs) - 1:
                break
            if self.kind == "standout":
                z = z * self._gate(before.detach(), W.detach(), z.detach(), depth, step)
            h = torch.selu(z) if self.selu else z.relu()
        return z

    def _product(self, h: Tensor, W: Tensor, b: Tensor, noisy: bool) -> Tensor:
        """h Wᵀ + b, with noise on h or W where it is asked for."""
        kind = self.kind.removeprefix("SELU, ")
        if not noisy or kind in ("none", "standout"):
            return affine(h, W, b)
        if kind == "DropConnect":
            each = zip(h, W, b, self.sources, strict=True)
            return torch.stack([self.hand.connect(*own, self.p, g) for *own, g in each])
        makers: dict[str, tuple[Callable[..., Tensor], float]] = {
            "coin": (coin, self.p),
            "coin again": (coin, self.p),
            "two values": (two_values, self.p),
            "Gaussian": (self.hand.gaussian, self.p),
            "alpha": (self.hand.alpha, gentle(self.p)),
        }
        make, p = makers[kind]
        parts = zip(h, self.sources, strict=True)
        return affine(torch.stack([make(part, p, source) for part, source in parts]), W, b)

    def _gate(self, h: Tensor, W: Tensor, z: Tensor, depth: int, step: int | None) -> Tensor:
        """Standout's factors: coins in training, probabilities in evaluation."""
        if step is not None and step % EVERY == 0:
            self.shift[depth] = matching_shift(z, self.p)
        shift = self.shift[depth]
        keep = torch.stack([
            self.hand.probability(own, weights, 1.0, float(beta))
            for own, weights, beta in zip(h, W, shift, strict=True)
        ])  # fmt: skip
        if step is None:
            return keep
        u = torch.stack([torch.rand(keep.shape[1:], generator=g) for g in self.sources])
        return (u < keep).to(z.dtype)


def matching_shift(z: Tensor, p: float) -> np.ndarray:
    """The β (N,) at which standout of pre-activations z (N, rows, units) is as noisy as a coin.

    A unit that sends h = relu(z), kept with probability π, has noise of variance π (1 - π) h² and a
    mean of π h; the sum of the one is p / (1 - p) times the sum of the squares of the other.
    """
    h2, odds = z.relu().square(), p / (1 - p)
    low, high = torch.full((len(z), 1, 1), -30.0), torch.full((len(z), 1, 1), 30.0)
    for _ in range(30):
        middle = (low + high) / 2
        keep = torch.sigmoid(z + middle)
        noise = (keep * (1 - keep) * h2).sum((1, 2)) / (keep.square() * h2).sum((1, 2))
        loud = (noise > odds)[:, None, None]
        low, high = torch.where(loud, middle, low), torch.where(loud, high, middle)
    return middle.flatten().numpy()
