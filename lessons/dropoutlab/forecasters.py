"""Many networks that read digits side by side, for questions about how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropoutlab import data, stacked

HIDDEN = (64, 64)
HELD_OUT = 257
"""Training digits that serve for validation: the last two of the ten sheets."""

Split = tuple[Tensor, Tensor]
"""Images (n, 64) in [0, 1], and their digits."""


def digits() -> tuple[Split, Split, Split]:
    """The handwritten digits as (training, validation, test), each from other sheets."""
    images, labels, unseen, test = map(torch.as_tensor, data.digits())
    X, X_test = images.flatten(1).float(), unseen.flatten(1).float()
    return (
        (X[:-HELD_OUT], labels[:-HELD_OUT]),
        (X[-HELD_OUT:], labels[-HELD_OUT:]),
        (X_test, test),
    )


def turned(X: Tensor, degrees: float) -> Tensor:
    """Images (n, 64) turned about their middle, what comes in from outside being paper."""
    from scipy.ndimage import rotate

    images = X.reshape(-1, 8, 8).numpy()
    new = rotate(images, degrees, axes=(2, 1), reshape=False, order=1) if degrees else images
    return torch.as_tensor(new).clamp(0, 1).reshape(len(X), -1)


def speckled(X: Tensor, deviation: float, seed: int) -> Tensor:
    """Images with normal noise of this standard deviation on each pixel, clipped to [0, 1]."""
    noise = torch.randn(X.shape, generator=stacked.seeded(seed))
    return (X + deviation * noise).clamp(0, 1)


def letters(n: int, seed: int, classes: str = "ABCEFH") -> tuple[Tensor, Tensor]:
    """`n` printed characters, cut and averaged to the digits' 8 × 8 pixels, and their classes."""
    images, labels = data.glyphs(n, seed, classes)
    cut = torch.as_tensor(images[:, None, 4:24, 4:24])
    return F.adaptive_avg_pool2d(cut, 8).flatten(1), torch.as_tensor(labels)


class Affine(nn.Module):
    """As `nn.Linear`, for N networks side by side: rows (N, n, inputs) or (n, inputs)."""

    def __init__(self, W: Tensor, b: Tensor):
        super().__init__()
        self.weight, self.bias = nn.Parameter(W), nn.Parameter(b)

    def forward(self, x: Tensor) -> Tensor:
        return stacked.affine(x.expand(len(self.weight), *x.shape[-2:]), self.weight, self.bias)


def network(parameters: Sequence[Tensor], p: float = 0.0) -> nn.Sequential:
    """Affine layers of W, b, W, b, … with a ReLU and dropout after each but the last."""
    layers: list[nn.Module] = []
    for W, b in zip(parameters[::2], parameters[1::2], strict=True):
        layers += [Affine(W, b), nn.ReLU(), nn.Dropout(p)]
    return nn.Sequential(*layers[:-2]).eval()


def _coins(chance: stacked.Chance, layer: int, size: int, units: int) -> list[Tensor]:
    return [chance.uniform(layer, size, units)]


def train(
    X: Tensor,
    y: Tensor,
    *,
    seeds: Sequence[int],
    p: float | Sequence[float] | np.ndarray = 0.0,
    rate: float | Sequence[float] | np.ndarray = 0.1,
    decay: float | Sequence[float] | np.ndarray = 0.0,
    steps: int = 1200,
    batch: int = 64,
    hidden: Sequence[int] = HIDDEN,
) -> list[Tensor]:
    """W, b, … of N = len(seeds) networks that learn to tell the classes: each W (N, out, in).

    Momentum of 0.9, and a learning rate that falls to 0 in a straight line. A setting is a
    number, or one for each network. Networks of one seed are paired: see `stacked.Chance`.

    p : drop probability of the hidden units; decay : λ of λ/2 ‖W‖²
    """
    N = len(seeds)
    rates, drop, decays = (
        torch.as_tensor(np.broadcast_to(np.asarray(v, np.float32), (N,)).copy()).reshape(N, 1, 1)
        for v in (rate, p, decay)
    )
    chances = stacked.Chances(seeds)
    sizes = [X.shape[-1], *hidden, int(y.max()) + 1]
    parameters = chances.drawn(lambda chance: chance.layers(sizes))
    order = chances.drawn(lambda chance: [chance.batches(len(X), batch, steps)])[0]
    for w in parameters:
        w.requires_grad_()
    last = len(sizes) - 2

    def loss(step: int) -> Tensor:
        rows = order[:, step]
        h = X[rows]
        for k in range(last + 1):
            h = stacked.affine(h, parameters[2 * k], parameters[2 * k + 1])
            if k < last:
                (u,) = chances.drawn(partial(_coins, layer=k + 1, size=batch, units=hidden[k]))
                h = stacked.dropped(h.relu(), u, drop)
        return F.cross_entropy(h.flatten(0, 1), y[rows].flatten(), reduction="sum") / batch

    optimizer = stacked.SGD(
        [{"params": parameters[::2], "weight_decay": decays}, {"params": parameters[1::2]}],
        rates,
        0.9,
    )
    stacked.descend(loss, optimizer, steps, schedule=stacked.falling(steps))
    return [w.detach() for w in parameters]


# --- a curve through points --------------------------------------------------------------

NOISE = 0.1
"""Standard deviation of the noise in the curve's points."""


def curve(n: int, seeds: Sequence[int]) -> Split:
    """x and y (networks, n, 1): sin 4x with noise, x between 0.4 and 1 on either side of 0."""
    points = []
    for seed in seeds:
        source = stacked.seeded(seed)
        unit = 2 * torch.rand(n, 1, generator=source) - 1
        x = unit.sign() * (0.4 + 0.6 * unit.abs())
        points.append((x, torch.sin(4 * x) + NOISE * torch.randn(n, 1, generator=source)))
    x, y = stacked.side_by_side(points)
    return x, y


def fit_curves(
    x: Tensor,
    y: Tensor,
    *,
    seen: Sequence[int],
    p: Sequence[float],
    steps: int = 1500,
    rate: float = 0.01,
    batch: int = 30,
    seed: int = 0,
) -> list[Tensor]:
    """W, b, … of N networks 1-64-64-1 that learn the first `seen` of their points (N, n, 1).

    Each ascends the evidence lower bound of dropout (for p = 0, the posterior's logarithm), with a
    standard normal prior on the weights and noise of the true size. Adam; the rate falls to 0.
    """
    N, source = len(seen), stacked.seeded(seed)
    count = torch.tensor(seen)
    drop = torch.tensor(p).reshape(N, 1, 1)
    networks = [stacked.layers((1, 64, 64, 1), source) for _ in range(N)]
    parameters = stacked.side_by_side(networks)
    for w in parameters:
        w.requires_grad_()

    def loss(step: int) -> Tensor:
        rows = (torch.rand(N, batch, generator=source) * count[:, None]).long()[..., None]
        h = x.gather(1, rows)
        for k in (0, 2, 4):
            h = stacked.affine(h, parameters[k], parameters[k + 1])
            if k < 4:
                h = stacked.dropped(h.relu(), torch.rand(h.shape, generator=source), drop)
        misfit = (h - y.gather(1, rows)).square().mean((1, 2)) / (2 * NOISE**2)
        size = [w.square().sum((1, 2)) / 2 for w in parameters[::2]]
        prior = size[0] + (size[1] + size[2]) / (1 - drop[:, 0, 0])
        return (misfit + prior / count).sum()

    optimizer = stacked.adam(parameters, rate)
    stacked.descend(loss, optimizer, steps, schedule=stacked.falling(steps))
    return [w.detach() for w in parameters]


def exact_band(x: Tensor, y: Tensor, grid: Tensor, features: int = 200) -> Split:
    """Mean and standard deviation at `grid` of the exact posterior, given the points (n, 1).

    The model is one layer of random ReLU units and a standard normal prior on its output weights:
    the posterior of these is normal, and has a closed form.
    """
    source = stacked.seeded(0)
    sign = torch.randint(0, 2, (features,), generator=source) * 2 - 1
    bend = 4 * torch.rand(features, generator=source) - 2

    def seen_by(at: Tensor) -> Tensor:
        return 8 * (sign * (at - bend)).relu().double() / features**0.5

    phi = seen_by(x)
    precision = phi.T @ phi / NOISE**2 + torch.eye(features, dtype=torch.float64)
    mean = torch.linalg.solve(precision, phi.T @ y.double() / NOISE**2)
    at = seen_by(grid)
    variance = (at * torch.linalg.solve(precision, at.T).T).sum(1, keepdim=True)
    return (at @ mean).float(), variance.sqrt().float()
