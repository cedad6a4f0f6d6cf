"""Small networks for comparing dropout's variants: all seeds train at once.

Every parameter has a leading axis of seeds, so that a layer of all networks is one batched
product. Network k begins from `seeds[k]` and sees its own order of the rows; the noise comes
from torch's own generator, or from whatever the functions that are passed in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from dropoutlab import data, stacked
from dropoutlab.stacked import adam, affine, batches, descend, falling, layers, seeded

SIDE = 14  # pixels along an image

Layer = Callable[[Tensor, Tensor, Tensor, int, float | None], Tensor]
"""layer(h, W, b, depth, time): the pre-activations of h (seeds, images, inputs).

W (seeds, outputs, inputs), b (seeds, outputs). `depth` is 0 where h is the images. `time` goes
from 0 to 1 in training, and is None in evaluation.
"""


@cache
def images(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """n glyphs of 14 × 14 pixels as rows (n, 196), float32 in [0, 1], and their classes (n,)."""
    large, labels = data.glyphs(n, seed)
    small = torch.as_tensor(data.halved(large), dtype=torch.float32)
    return small.flatten(1), torch.as_tensor(labels)


def start(sizes: Sequence[int], seeds: Iterable[int], gain: float = 2.0) -> list[Tensor]:
    """W, b, W, b, … of networks with these layer sizes, each from its seed; see `layers`."""
    parameters = stacked.side_by_side(layers(sizes, seeded(seed), gain) for seed in seeds)
    return [part.requires_grad_() for part in parameters]


def orders(n: int, size: int, steps: int, seeds: Iterable[int]) -> Tensor:
    """The rows of each step's batches (steps, seeds, size): each seed's own passes over n rows."""
    return torch.stack([batches(n, size, steps, seeded(seed)) for seed in seeds], 1)


def fit(
    parameters: Sequence[Tensor], loss: Callable[[int], Tensor], steps: int, rate: float = 0.002
) -> None:
    """Adam on loss(step); the rate falls to 0."""
    descend(loss, adam(parameters, rate), steps, schedule=falling(steps))


def plain(h: Tensor, W: Tensor, b: Tensor, depth: int, time: float | None) -> Tensor:
    """A layer without noise."""
    return affine(h, W, b)


def noisy(noise: Callable[[Tensor, int, float], Tensor]) -> Layer:
    """A layer whose inputs, if they are hidden units, go through noise(h, depth, time)."""

    def layer(h: Tensor, W: Tensor, b: Tensor, depth: int, time: float | None) -> Tensor:
        return affine(noise(h, depth, time) if depth and time is not None else h, W, b)

    return layer


@dataclass(frozen=True)
class Networks:
    """Networks of one architecture, one for each seed."""

    parameters: list[Tensor]
    """W, b, W, b, …, each with a leading axis of seeds."""
    layer: Layer
    activation: Callable[[Tensor], Tensor]

    def __call__(self, X: Tensor, time: float | None = None) -> Tensor:
        """The logits (seeds, images, classes) of X (seeds, images, pixels)."""
        pairs = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        for depth, (W, b) in enumerate(pairs):
            X = self.layer(X, W, b, depth, time)
            if depth < len(pairs) - 1:
                X = self.activation(X)
        return X

    def each(self, X: Tensor) -> Tensor:
        """X (images, pixels) handed to every network: (seeds, images, pixels)."""
        return X.expand(len(self.parameters[0]), *X.shape)

    @torch.no_grad()
    def error(self, X: Tensor, y: Tensor) -> Tensor:
        """Each network's error rate (seeds,), nothing dropped."""
        return (self(self.each(X)).argmax(-1) != y).float().mean(-1)


def classifiers(
    X: Tensor,
    y: Tensor,
    layer: Layer,
    *,
    hidden: Sequence[int] = (64, 64, 64),
    activation: Callable[[Tensor], Tensor] = torch.relu,
    gain: float = 2.0,
    seeds: Sequence[int] = range(5),
    steps: int = 600,
    batch: int = 50,
    rate: float = 0.002,
) -> Networks:
    """Networks trained on the rows X (n, pixels) of classes y (n,), on the cross-entropy."""
    sizes = [X.shape[1], *hidden, int(y.max()) + 1]
    nets = Networks(start(sizes, seeds, gain), layer, activation)
    order = orders(len(X), batch, steps, seeds)

    def loss(step: int) -> Tensor:
        logits = nets(X[order[step]], step / steps)
        return F.cross_entropy(logits.flatten(0, 1), y[order[step]].flatten()) * len(seeds)

    fit(nets.parameters, loss, steps, rate)
    return nets


def matched(p: float, rates: Callable[[float], Iterable[float]]) -> float:
    """The top rate t for which the mean of r / (1 - r) over r in rates(t) is p / (1 - p)."""
    low, high = 0.0, 1.0
    for _ in range(40):
        top = (low + high) / 2
        noise = [r / (1 - r) for r in rates(top)]
        low, high = (top, high) if sum(noise) / len(noise) < p / (1 - p) else (low, top)
    return low


class BatchNorm:
    """A layer with batch norm, and dropout before it: the product with W, dropout, batch norm.

    b is batch norm's shift; its scale is left out, the next layer's weights can play it. As in
    nn.BatchNorm1d training normalises by the batch's own mean and variance, and evaluation by
    running means of them (momentum 0.1). The last layer is not normalised; its inputs may be
    dropped, which is dropout behind the last batch norm.
    """

    def __init__(self, depth: int, before: float = 0.0, after: float = 0.0):
        """`depth` normalised layers; the drop rates before each batch norm and after the last."""
        self.depth, self.before, self.after = depth, before, after
        self.running: dict[int, tuple[Tensor, Tensor]] = {}
        """By layer: the running mean and variance (seeds, 1, units)."""
        self.seen: dict[int, tuple[Tensor, Tensor]] = {}
        """By layer: mean and variance (seeds, 1, units) of the last batch that batch norm met."""

    def __call__(self, h: Tensor, W: Tensor, b: Tensor, depth: int, time: float | None) -> Tensor:
        training = time is not None
        if depth == self.depth:
            return affine(F.dropout(h, self.after, training), W, b)
        z = F.dropout(h @ W.mT, self.before, training)
        var, mean = torch.var_mean(z, 1, keepdim=True)
        self.seen[depth] = mean.detach(), var.detach()
        if training:
            old = self.running.get(depth, (torch.zeros_like(mean), torch.ones_like(var)))
            now = self.seen[depth]
            self.running[depth] = 0.9 * old[0] + 0.1 * now[0], 0.9 * old[1] + 0.1 * now[1]
        else:
            mean, var = self.running[depth]
        return (z - mean) / (var + 1e-5).sqrt() + b[:, None]
