"""Autoencoders with one hidden layer, trained many at once with and without dropout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from dropoutlab import data

UNITS, SIDE = 64, 14  # hidden units; pixels along an image
Loss = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Autoencoder:
    """x̂ = Wᵀ h + b with h = relu(V x + a)."""

    V: np.ndarray  # (units, pixels): what a unit looks for
    a: np.ndarray  # (units,)
    W: np.ndarray  # (units, pixels): what a unit draws, its feature
    b: np.ndarray  # (pixels,)

    def hidden(self, X: np.ndarray) -> np.ndarray:
        """The activations (images, units)."""
        return np.maximum(X @ self.V.T + self.a, 0)

    def output(self, H: np.ndarray) -> np.ndarray:
        """The images (images, pixels) that activations draw."""
        return H @ self.W + self.b

    def loss(self, X: np.ndarray) -> Loss:
        """loss(mask): squared error per image of X, summed over pixels, under a mask of units.

        The output is linear in the mask m, so the error is a quadratic, c - 2 g·m + m·Q m.
        Its coefficients are computed once; then a mask costs microseconds, not a pass of X.
        """
        c, g, Q = self.quadratic(X)
        return lambda mask: float(c + mask @ (Q @ mask - 2 * g))

    def quadratic(self, X: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """c, g and Q of `loss`: Q[i, j] = mean(h_i h_j) w_i·w_j over the images of X."""
        H, rest = self.hidden(X), X - self.b
        c = float((rest**2).sum(1).mean())
        g = (H * (rest @ self.W.T)).mean(0)
        return c, g, H.T @ H / len(X) * (self.W @ self.W.T)


@cache
def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1200 training images, 500 test images, the test images' labels; 14 × 14 pixels, flat."""

    def small(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        large, labels = data.glyphs(n, seed)
        return data.halved(large.astype(float)).reshape(n, -1), labels

    return small(1200, seed=0)[0], *small(500, seed=1)


@cache
def trained(
    p: float = 0.5, runs: int = 5, seed: int = 0, epochs: int = 60, batch: int = 60
) -> tuple[list[Autoencoder], list[Autoencoder]]:
    """`runs` networks trained without dropout, and as many with rate `p` on the hidden units.

    All train at once, as one batched product, on the same images in the same order, each from
    its own start and with its own masks of inverted dropout: Adam, rate 0.002 falling to 0.
    A few seconds on a CPU. The same call gives the same networks again without training.
    """
    import torch

    from dropoutlab.stacked import adam, descend

    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator(device).manual_seed(seed)
    X = torch.tensor(images()[0], dtype=torch.float32, device=device)
    centre = X.mean(0)
    X = X - centre
    nets, pixels = 2 * runs, X.shape[1]
    keep = 1 - torch.tensor([0.0, p], device=device).repeat_interleave(runs)[:, None, None]

    def start(*shape: int) -> torch.Tensor:
        return 0.01 * torch.randn(shape, generator=generator, device=device)

    V, a = start(nets * UNITS, pixels), torch.zeros(nets * UNITS, device=device)
    W, b = start(nets, UNITS, pixels), torch.zeros(nets, 1, pixels, device=device)
    parameters = [part.requires_grad_() for part in (V, a, W, b)]

    def passes() -> Iterator[torch.Tensor]:
        while True:
            yield from X[torch.randperm(len(X), generator=generator, device=device)].split(batch)

    batches, in_a_pass = passes(), -(-len(X) // batch)

    def loss(step: int) -> torch.Tensor:
        x = next(batches)
        h = torch.relu(x @ V.T + a).view(len(x), nets, UNITS).transpose(0, 1)
        mask = torch.rand(h.shape, generator=generator, device=device) < keep
        return (torch.baddbmm(b, h * mask / keep, W) - x).square().sum() / len(x)

    def schedule(step: int) -> float:
        return 1 - step // in_a_pass / epochs

    descend(loss, adam(parameters, 0.002), epochs * in_a_pass, schedule=schedule)

    looks, begins, draws, shift, mean = (
        part.detach().cpu().double().numpy() for part in (*parameters, centre)
    )
    looks, begins = looks.reshape(draws.shape), begins.reshape(nets, UNITS)
    trained = [
        Autoencoder(looks[r], begins[r] - looks[r] @ mean, draws[r], shift[r, 0] + mean)
        for r in range(nets)
    ]
    return trained[:runs], trained[runs:]
