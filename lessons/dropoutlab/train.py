"""Training small networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

Dropout = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Parameters = dict[str, np.ndarray]


@threadpool_limits.wrap(limits=1)  # products this small wait for each other's threads
def two_layer(
    X: np.ndarray,
    y: np.ndarray,
    dropout: Dropout,
    seed: int,
    *,
    hidden: int = 128,
    epochs: int = 30,
    batch: int = 64,
    rate: float = 0.1,
) -> Parameters:
    """Train softmax(W2 d(relu(W1 x + b1)) + b2) on the cross-entropy, in NumPy.

    X is (n, features), y (n,) holds the classes 0 … c-1; `dropout(h, rng)` acts on the
    hidden units as `h * factor`, and the same factor carries the gradient back. Stochastic
    gradient descent with momentum 0.9. Everything follows from `seed`.
    """
    rng = np.random.default_rng(seed)
    classes = int(y.max()) + 1
    shapes = {"W1": (hidden, X.shape[1]), "W2": (classes, hidden)}
    net = {k: rng.normal(0, np.sqrt(2 / s[1]), s) for k, s in shapes.items()}
    net |= {"b1": np.zeros(hidden), "b2": np.zeros(classes)}
    speed = {k: np.zeros_like(v) for k, v in net.items()}
    targets = np.eye(classes)[y]
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(X)), max(1, len(X) // batch)):
            h = np.maximum(X[rows] @ net["W1"].T + net["b1"], 0)
            factor = dropout(np.ones_like(h), rng)
            dropped = h * factor
            error = (softmax(dropped @ net["W2"].T + net["b2"]) - targets[rows]) / len(rows)
            back = (error @ net["W2"]) * factor * (h > 0)
            gradient = {
                "W1": back.T @ X[rows],
                "b1": back.sum(0),
                "W2": error.T @ dropped,
                "b2": error.sum(0),
            }
            for k in net:
                speed[k] = 0.9 * speed[k] - rate * gradient[k]
                net[k] = net[k] + speed[k]
    return net


def predict(net: Parameters, X: np.ndarray) -> np.ndarray:
    """The class probabilities (n, classes) of a `two_layer` network, nothing dropped."""
    h = np.maximum(X @ net["W1"].T + net["b1"], 0)
    return softmax(h @ net["W2"].T + net["b2"])


def softmax(z: np.ndarray) -> np.ndarray:
    """exp(z) / sum exp(z) over the last axis."""
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def log_loss(probabilities: np.ndarray, y: np.ndarray) -> float:
    """The mean of -log p(y) in nats."""
    return float(-np.mean(np.log(probabilities[np.arange(len(y)), y] + 1e-300)))


def error_rate(probabilities: np.ndarray, y: np.ndarray) -> float:
    """The fraction of rows whose most probable class is not y."""
    return float(np.mean(probabilities.argmax(-1) != y))
