"""Networks to break, ways to break them, two modalities, and a small diffusion model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dropoutlab import data, regularised, stacked

SIDE = 14  # pixels along a printed image
Set = tuple[np.ndarray, np.ndarray]
"""Images as rows, and their classes."""


@cache
def numerals(n: int, seed: int) -> Set:
    """n printed numerals as rows of 14 × 14 numbers, float32, and their classes."""
    images, labels = data.glyphs(n, seed)
    return data.halved(images).reshape(n, -1).astype(np.float32), labels


# --- networks ----------------------------------------------------------------------------


class Network(nn.Sequential):
    """A trained network, Linear, ReLU, …, Linear: it drops nothing, and gives logits."""

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor]):
        parts: list[nn.Module] = []
        for W, b in zip(weights, biases, strict=True):
            linear = nn.Linear(W.shape[1], W.shape[0])
            linear.weight, linear.bias = nn.Parameter(W.clone()), nn.Parameter(b.clone())
            parts += [linear, nn.ReLU()]
        super().__init__(*parts[:-1])
        self.requires_grad_(False)

    @property
    def weights(self) -> list[np.ndarray]:
        """A copy of the weights of each layer, (outputs, inputs)."""
        return [part.weight.numpy().copy() for part in self if isinstance(part, nn.Linear)]

    def classes(self, X: np.ndarray) -> np.ndarray:
        """The class of each row of X."""
        return self(torch.as_tensor(X, dtype=torch.float32)).argmax(-1).numpy()

    def classes_by(self, X: np.ndarray) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
        """A function of the weights of all layers: the class of each row of X under them."""
        biases = [part.bias for part in self if isinstance(part, nn.Linear)]
        images = torch.as_tensor(X, dtype=torch.float32)

        def classes(weights: Sequence[np.ndarray]) -> np.ndarray:
            h = images
            for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
                h = (h.relu() if layer else h) @ torch.as_tensor(W, dtype=h.dtype).T + b
            return h.argmax(-1).numpy()

        return classes


def networks(fitted: regularised.Fitted) -> list[Network]:
    """The trained networks, one by one."""
    return [
        Network([W[k] for W in fitted.weights], [b[k] for b in fitted.biases])
        for k in range(len(fitted.weights[0]))
    ]


# --- damage ------------------------------------------------------------------------------


def lost(X: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Each pixel is lost (0, paper) with probability `level`."""
    return X * (rng.random(X.shape) >= level)


def noise(X: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of standard deviation `level` on each pixel."""
    return X + level * rng.normal(size=X.shape)


def blur(X: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian blur of standard deviation `level`, in pixels."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(X.reshape(-1, SIDE, SIDE), (0, level, level)).reshape(X.shape)


def weight_noise(
    weights: Sequence[np.ndarray], level: float, rng: np.random.Generator
) -> list[np.ndarray]:
    """Gaussian noise on each weight: `level` times the root mean square of its layer."""
    return [W + level * np.sqrt(np.mean(W**2)) * rng.normal(size=W.shape) for W in weights]


def rounded(
    weights: Sequence[np.ndarray], bits: float, rng: np.random.Generator
) -> list[np.ndarray]:
    """Each weight is rounded to a number of so many bits, one step size for a layer."""
    steps = [np.abs(W).max() / (2 ** (bits - 1) - 1) for W in weights]
    return [step * np.round(W / step) for W, step in zip(weights, steps, strict=True)]


DAMAGES: dict[str, tuple[Callable[..., object], tuple[float, ...], str]] = {
    "lost pixels": (lost, (0, 0.1, 0.2, 0.3, 0.4, 0.5), "share of pixels"),
    "noise": (noise, (0, 0.1, 0.2, 0.3, 0.4, 0.5), "standard deviation"),
    "blur": (blur, (0, 0.6, 0.8, 1.0, 1.2, 1.4), "width, pixels"),
    "weight noise": (weight_noise, (0, 0.2, 0.4, 0.6, 0.8, 1.0), "of a layer's r.m.s."),
    "rounded weights": (rounded, (16, 6, 5, 4, 3, 2), "bits of a weight"),
}
"""Each damage with its levels, the first of which is none, and what they count."""
OF_WEIGHTS = ("weight noise", "rounded weights")
"""The damages that are done to weights, where others are done to images."""


# --- two modalities ----------------------------------------------------------------------

Pair = tuple[list[Tensor], Tensor]
"""Rows of each modality, and their classes."""


@cache
def pairs(part: str) -> Pair:
    """A printed numeral (n, 196) and a handwritten digit (n, 64) of the same class, and it (n,).

    "train" 1000 pairs, "validation" 287, and "test" 2040, where each of 510 digits stands beside
    four numerals. The digits of the test are from sheets of their own.
    """
    X, y, X_test, y_test = data.digits()
    digits, labels = {
        "train": (X[:1000], y[:1000]),
        "validation": (X[1000:], y[1000:]),
        "test": (np.tile(X_test, (4, 1, 1)), np.tile(y_test, 4)),
    }[part]
    images, of = numerals(4000, {"train": 11, "validation": 12, "test": 13}[part])
    order = np.argsort(of, kind="stable")
    first = np.searchsorted(of[order], np.arange(11))
    place = np.array([np.sum(labels[:i] == k) for i, k in enumerate(labels)])
    own = order[first[labels] + place % np.diff(first)[labels]]
    printed = torch.as_tensor(images[own])
    return [printed, torch.as_tensor(digits.reshape(len(labels), -1)).float()], torch.as_tensor(
        labels
    )


class Fused:
    """Networks that see two modalities side by side, one network for each seed."""

    def __init__(
        self,
        xs: Sequence[Tensor],
        y: Tensor,
        change: Callable[[list[Tensor]], Sequence[Tensor]],
        *,
        seeds: Sequence[int],
        p: float = 0.0,
        steps: int = 1200,
        batch: int = 50,
        rate: float = 0.002,
    ):
        """Train them on the rows xs of the classes y: Adam, the learning rate falling to 0.

        change : makes of a batch [(rows, features), …] what the networks see of it
        p : drop probability of the hidden units
        """
        sizes = [sum(x.shape[1] for x in xs), 64, 64, int(y.max()) + 1]
        chances = stacked.Chances(list(seeds))
        self.parameters = chances.drawn(lambda chance: chance.layers(sizes))
        (order,) = chances.drawn(lambda chance: [chance.batches(len(y), batch, steps)])
        for parameter in self.parameters:
            parameter.requires_grad_()
        N, drop = len(seeds), torch.full((len(seeds), 1, 1), p)

        def thinned(h: Tensor, layer: int) -> Tensor:
            (u,) = chances.drawn(lambda chance: [chance.uniform(layer, *h.shape[1:])])
            return stacked.dropped(h, u, drop)

        def loss(step: int) -> Tensor:
            rows = order[:, step].flatten()
            seen = torch.cat(list(change([x[rows] for x in xs])), -1)
            z = self._logits(seen.reshape(N, batch, -1), thinned if p else None)
            return cross_entropy(z.flatten(0, 1), y[rows], reduction="sum") / batch

        adam = stacked.adam(self.parameters, rate)
        stacked.descend(loss, adam, steps, schedule=stacked.falling(steps))

    def _logits(self, h: Tensor, thinned: Callable[[Tensor, int], Tensor] | None) -> Tensor:
        layers = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        for layer, (W, b) in enumerate(layers):
            if layer:
                h = h.relu()
                h = thinned(h, layer) if thinned else h
            h = stacked.affine(h, W, b)
        return h

    @torch.no_grad()
    def error(self, xs: Sequence[Tensor], y: Tensor) -> np.ndarray:
        """Each network's error rate in percent."""
        h = torch.cat(list(xs), -1).expand(len(self.parameters[0]), -1, -1)
        return 100 * (self._logits(h, None).argmax(-1) != y).float().mean(1).numpy()


# --- a generator -------------------------------------------------------------------------


class Diffusion:
    """Small diffusion models of images in [0, 1], one for each seed (Ho, Jain and Abbeel 2020).

    An image is mixed with noise, cos(πt/2) x + sin(πt/2) ε, and a ReLU network learns to give
    back x. Generated is from pure noise, in small steps from t = 1 to 0 (Song, Meng and Ermon
    2021).
    """

    def __init__(
        self,
        X: Tensor,
        p: Sequence[float],
        *,
        seed: int = 0,
        steps: int = 3000,
        batch: int = 64,
        hidden: int = 192,
        rate: float = 0.002,
    ):
        """Train N = len(p) models; X (N, n, pixels), p the drop probability of hidden units."""
        self.generator = stacked.seeded(seed)
        N, n, self.pixels = X.shape
        sizes = [self.pixels + 16, hidden, hidden, self.pixels]
        networks = (stacked.layers(sizes, self.generator) for _ in range(N))
        self.parameters = [part.requires_grad_() for part in stacked.side_by_side(networks)]
        drop, which = torch.tensor(p)[:, None, None], torch.arange(N)[:, None]

        def loss(step: int) -> Tensor:
            x = 2 * X[which, torch.randint(n, (N, batch), generator=self.generator)] - 1
            t = torch.rand(N, batch, 1, generator=self.generator)
            mixed = (t * torch.pi / 2).cos() * x + (t * torch.pi / 2).sin() * self._noise(x.shape)
            return (self._clean(mixed, t, drop) - x).square().mean((1, 2)).sum()

        adam = stacked.adam(self.parameters, rate)
        stacked.descend(loss, adam, steps, schedule=stacked.falling(steps))

    def _noise(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(tuple(shape), generator=self.generator)

    def _clean(self, mixed: Tensor, t: Tensor, drop: Tensor | None) -> Tensor:
        """What the networks take for x."""
        waves = t * torch.pi * torch.arange(1, 9)
        h = torch.cat([mixed, waves.cos(), waves.sin()], -1)
        layers = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        for layer, (W, b) in enumerate(layers):
            if layer:
                h = h.relu()
                if drop is not None and bool(drop.any()):
                    h = stacked.dropped(h, torch.rand(h.shape, generator=self.generator), drop)
            h = stacked.affine(h, W, b)
        return h

    @torch.no_grad()
    def images(self, count: int, steps: int = 40) -> Tensor:
        """`count` generated images of each model, (N, count, pixels)."""
        z = self._noise((len(self.parameters[0]), count, self.pixels))
        times = torch.linspace(1, 0, steps + 1)
        for now, then in pairwise(times):
            x = self._clean(z, now.expand(*z.shape[:2], 1), None)
            a, b = now * torch.pi / 2, then * torch.pi / 2
            noise = (z - a.cos() * x) / a.sin()
            z = b.cos() * x + b.sin() * noise
        return ((z + 1) / 2).clamp(0, 1)
