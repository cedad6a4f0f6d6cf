"""Classifiers with several hidden layers, whose units can be removed layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, DEPTH = 64, 3
"""Units of a hidden layer, and how many hidden layers there are."""


@dataclass(frozen=True)
class Classifier:
    """softmax(W4 relu(W3 relu(W2 relu(W1 x + b1) + b2) + b3) + b4)."""

    weights: list[np.ndarray]  # of each layer (outputs, inputs)
    biases: list[np.ndarray]  # (outputs,)

    def hidden(self, X: np.ndarray, layer: int) -> np.ndarray:
        """What hidden layer 1, 2 or 3 sends on: (images, units)."""
        for W, b in zip(self.weights[:layer], self.biases[:layer], strict=True):
            X = np.maximum(X @ W.T + b, 0)
        return X

    def logits(self, X: np.ndarray, layer: int) -> Callable[[np.ndarray], np.ndarray]:
        """A function of a mask of a layer's units: the logits (images, classes).

        The layers before it are passed once; then a mask costs a pass through those behind it.
        """
        H = self.hidden(X, layer).astype(np.float32)
        behind = [
            (W.T.astype(np.float32), b.astype(np.float32))
            for W, b in zip(self.weights[layer:], self.biases[layer:], strict=True)
        ]

        def of(mask: np.ndarray) -> np.ndarray:
            z = H * np.asarray(mask, np.float32)
            for k, (W, b) in enumerate(behind):
                z = (np.maximum(z, 0) if k else z) @ W + b
            return z

        return of

    def scores(
        self, X: np.ndarray, y: np.ndarray, layer: int
    ) -> Callable[[np.ndarray], tuple[float, float]]:
        """A function of a mask of a layer's units: the mean log loss, in nats, and the error rate.

        The layers before it are passed once; then a mask costs a pass through those behind it.
        """
        logits, rows = self.logits(X, layer), np.arange(len(y))

        def of(mask: np.ndarray) -> tuple[float, float]:
            z = logits(mask)
            z = z - z.max(1, keepdims=True)
            losses = np.log(np.exp(z).sum(1)) - z[rows, y]
            return float(losses.mean(dtype=float)), float((z.argmax(1) != y).mean())

        return of

    def loss(self, X: np.ndarray, y: np.ndarray, layer: int) -> Callable[[np.ndarray], float]:
        """loss(mask): the mean log loss, in nats, under a mask of a hidden layer's units."""
        of = self.scores(X, y, layer)
        return lambda mask: of(mask)[0]


def train(
    X: np.ndarray,
    y: np.ndarray,
    seeds: Sequence[int],
    *,
    p: Sequence[float],
    decay: Sequence[float],
    epochs: int = 100,
    batch: int = 60,
    rate: float = 0.001,
) -> list[Classifier]:
    """A network for each seed, with drop probability p of its hidden units and L2 `decay`.

    The penalty on the log loss is decay/2 times the sum of all squared weights. Adam, its rate
    falling to 0. Networks of one seed begin alike and see the same images in the same order.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from dropoutlab import stacked

    N, steps = len(seeds), epochs * (len(X) // batch)
    chances = stacked.Chances(seeds)
    sizes = [X.shape[1], *[WIDTH] * DEPTH, int(y.max()) + 1]
    parameters = chances.drawn(lambda chance: chance.layers(sizes))
    (order,) = chances.drawn(lambda chance: [chance.batches(len(X), batch, steps)])
    inputs, targets = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
    drop, penalty = torch.tensor(p)[:, None, None], torch.tensor(decay)[:, None, None]
    for parameter in parameters:
        parameter.requires_grad_()

    def uniform(layer: int) -> torch.Tensor:
        return chances.drawn(lambda chance: [chance.uniform(layer, batch, WIDTH)])[0]

    def loss(step: int) -> torch.Tensor:
        rows = order[:, step]
        h = inputs[rows]
        for k in range(DEPTH):
            h = torch.relu(stacked.affine(h, *parameters[2 * k : 2 * k + 2]))
            h = stacked.dropped(h, uniform(k + 1), drop)
        z = stacked.affine(h, *parameters[2 * DEPTH :])
        each = cross_entropy(z.flatten(0, 1), targets[rows].flatten(), reduction="sum") / batch
        return each + sum((penalty / 2 * W.square()).sum() for W in parameters[::2])

    adam = stacked.adam(parameters, rate)
    stacked.descend(loss, adam, steps, schedule=stacked.falling(steps))
    arrays = [part.detach().double().numpy() for part in parameters]
    return [Classifier([W[i] for W in arrays[::2]], [b[i] for b in arrays[1::2]]) for i in range(N)]
