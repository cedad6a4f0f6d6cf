"""The backward pass: which weights of a small two-layer network get a gradient under a mask."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dropoutlab import train
from dropoutlab.explore.explorer import Control, Explorer, again, choice, grid

FEATURES, HIDDEN, CLASSES, DRAWS = 6, 8, 3, 6


def learning_weights(
    dropout_forward: Callable[..., tuple], dropout_backward: Callable[..., np.ndarray]
) -> Explorer:
    """Explore the gradients of one training step; p, its examples, another draw, a unit."""
    rng = np.random.default_rng(4)
    W1 = rng.normal(0, 0.6, (HIDDEN, FEATURES))
    b1 = rng.normal(1, 0.3, HIDDEN)
    W2 = rng.normal(0, 0.6, (CLASSES, HIDDEN))
    X, y = rng.normal(size=(16, FEATURES)), rng.integers(CLASSES, size=16)
    p = grid("drop probability p", 0.5, 0.0, 0.9, 0.1)
    examples = choice("examples", 2, [1, 2, 3, 4, 6, 8, 12, 16])

    def table() -> dict[str, np.ndarray]:
        shape = (len(p.values), len(examples.values), DRAWS)
        weights = np.empty((*shape, HIDDEN, FEATURES + CLASSES), np.uint8)
        state = np.zeros((*shape, HIDDEN, 16), np.uint8)
        for place in np.ndindex(shape):
            rate, n = float(p.values[place[0]]), int(examples.values[place[1]])
            z = X[:n] @ W1.T + b1
            shown = np.where(z > 0, z, 1)  # not the ReLU's 0, so that the mask is seen there too
            out, cache = dropout_forward(shown, rate, np.random.default_rng(place[2] + 4), True)
            sent = out * (z > 0)
            error = train.softmax(sent @ W2.T) - np.eye(CLASSES)[y[:n]]
            at_h = dropout_backward(error @ W2, cache) * (z > 0)
            both = np.abs(at_h.T @ X[:n]), np.abs(error.T @ sent).T
            sizes = [np.ceil(250 * part / (part.max() or 1)) for part in both]  # 0 stays 0 alone
            weights[place] = np.hstack(sizes)
            state[place][:, :n] = np.where(out == 0, 1, 2 * (z > 0)).T  # 0: ReLU off, 1: dropped
        return {"weights": weights, "state": state}

    names = ["no unit", *(f"unit {j}" for j in range(1, HIDDEN + 1))]
    unit = Control("unit", list(range(HIDDEN + 1)), 0, names, "hidden")
    draw = again("Another draw", DRAWS)
    return Explorer("learning_weights", table, p=p, examples=examples, draw=draw, unit=unit)
