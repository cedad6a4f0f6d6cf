"""Autoencoders with one hidden layer, trained many at once, with dropout and with its controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from dropoutlab import data
from dropoutlab.kept import kept

UNITS, SIDE = 64, 14  # hidden units; pixels along an image
Loss = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Kind:
    """How a network is trained: how many units it has, and what is done against overfitting."""

    units: int = UNITS
    p: float = 0.0
    """Drop probability of the hidden units (inverted dropout)."""
    decay: float = 0.0
    """λ of the penalty λ (‖V‖² + ‖W‖²) on an image's squared error: L2."""


KINDS: Mapping[str, Kind] = {
    "without dropout": Kind(),
    "with dropout": Kind(p=0.5),
    "with L2": Kind(decay=0.066),
    "fewer units": Kind(units=16),
}
"""The last two are controls: their λ and their number of units were chosen so that, whole, they
redraw other images (`images(seed=2)`) as badly as the network with dropout does."""


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

    def ink(self, X: np.ndarray) -> np.ndarray:
        """Each unit's ink (units,): ‖h_i w_i‖², averaged over the images of X."""
        return (self.hidden(X) ** 2).mean(0) * (self.W**2).sum(1)

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
@kept
def images(n: int = 500, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """`n` images and their labels; 14 × 14 pixels, flat. Seed 0 trains, 1 tests, 2 chooses."""
    large, labels = data.glyphs(n, seed)
    return data.halved(large.astype(float)).reshape(n, -1), labels


@kept
def blank() -> np.ndarray:
    """The mean of the images that the networks learn from, (pixels,)."""
    return images(1200, 0)[0].mean(0)


@cache
@kept
def trained(runs: int = 5, seed: int = 0) -> dict[str, list[Autoencoder]]:
    """`runs` networks of each of `KINDS`. A few seconds on a CPU, once."""
    nets: dict[str, list[Autoencoder]] = {}
    for units in {kind.units for kind in KINDS.values()}:
        names = [name for name, kind in KINDS.items() if kind.units == units]
        side_by_side = train([KINDS[name] for name in names for _ in range(runs)], seed)
        nets |= {name: side_by_side[k * runs : (k + 1) * runs] for k, name in enumerate(names)}
    return {name: nets[name] for name in KINDS}


def train(
    kinds: list[Kind], seed: int = 0, epochs: int = 60, batch: int = 60, rate: float = 0.006
) -> list[Autoencoder]:
    """A network of each kind, all of as many units, at once: as one batched product.

    They see the same 1200 images in the same order; each has its own start and its own masks.
    Adam, its rate falling to 0.
    """
    import torch

    from dropoutlab.stacked import adam, descend

    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator(device).manual_seed(seed)
    X = torch.tensor(images(1200, 0)[0], dtype=torch.float32, device=device)
    centre = X.mean(0)
    X = X - centre
    nets, units, pixels = len(kinds), kinds[0].units, X.shape[1]

    def each(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, device=device)[:, None, None]

    keep, decay = each([1 - kind.p for kind in kinds]), each([kind.decay for kind in kinds])

    def start(*shape: int) -> torch.Tensor:
        return 0.01 * torch.randn(shape, generator=generator, device=device)

    V, a = start(nets * units, pixels), torch.zeros(nets * units, device=device)
    W, b = start(nets, units, pixels), torch.zeros(nets, 1, pixels, device=device)
    parameters = [part.requires_grad_() for part in (V, a, W, b)]

    def passes() -> Iterator[torch.Tensor]:
        while True:
            yield from X[torch.randperm(len(X), generator=generator, device=device)].split(batch)

    batches, in_a_pass = passes(), -(-len(X) // batch)

    def loss(step: int) -> torch.Tensor:
        x = next(batches)
        h = torch.relu(x @ V.T + a).view(len(x), nets, units).transpose(0, 1)
        mask = torch.rand(h.shape, generator=generator, device=device) < keep
        errors = (torch.baddbmm(b, h * mask / keep, W) - x).square().sum() / len(x)
        lengths = V.view(W.shape).square() + W.square()
        return errors + (decay * lengths).sum()

    def schedule(step: int) -> float:
        return 1 - step // in_a_pass / epochs

    descend(loss, adam(parameters, rate), epochs * in_a_pass, schedule=schedule)

    looks, begins, draws, shift, mean = (
        part.detach().cpu().double().numpy() for part in (*parameters, centre)
    )
    looks, begins = looks.reshape(draws.shape), begins.reshape(nets, units)
    return [
        Autoencoder(looks[r], begins[r] - looks[r] @ mean, draws[r], shift[r, 0] + mean)
        for r in range(nets)
    ]


def noise(W: np.ndarray, rng: np.random.Generator, smooth: bool = True) -> np.ndarray:
    """Random features (units, pixels), of as many units as the features W.

    smooth : blurred until neighbouring pixels are as alike as in W, and then faded, pixel by
        pixel, so that they spread over the image as W does; else plain normal numbers
    """
    plain = rng.normal(size=W.shape)
    if not smooth:
        return plain
    widths = np.linspace(0.3, 2, 35)
    alike = [_neighbours(_blurred(plain, width)) for width in widths]  # grows with the width
    width = float(np.interp(_neighbours(W), alike, widths))
    return _blurred(plain, width) * np.sqrt((W**2).mean(0))


def _blurred(W: np.ndarray, width: float) -> np.ndarray:
    """Features after a Gaussian blur of this standard deviation, in pixels."""
    along = np.arange(SIDE)
    blur = np.exp(-((along[:, None] - along) ** 2) / (2 * width**2))
    return (blur @ W.reshape(-1, SIDE, SIDE) @ blur).reshape(W.shape)


def _neighbours(W: np.ndarray) -> float:
    """How much alike neighbouring pixels are: the mean of their products over that of squares."""
    F = W.reshape(-1, SIDE, SIDE)
    pairs = (F[:, 1:] * F[:, :-1]).sum() + (F[:, :, 1:] * F[:, :, :-1]).sum()
    return float(pairs / 2 / (F**2).sum())
