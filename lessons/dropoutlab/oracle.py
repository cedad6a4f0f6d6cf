"""What checks of a network compare with, found by other means than a learner's: by complex steps.

A function that is made of sums, products and exponentials takes complex numbers as well, and
f(x + ih) = f(x) + ih f'(x) + O(h²). So the imaginary part, divided by h, is the derivative, and as
nothing is subtracted, h may be so small that it is exact to the last digits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEP = 1e-30


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0), of complex numbers by their real part."""
    return np.where(x.real > 0, x, 0)


def cross_entropy(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mean over rows of -log softmax(z) at the class y, (…,) for logits (…, rows, classes)."""
    z = z - z.real.max(-1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(-1, keepdims=True))
    return -np.take_along_axis(logs, np.broadcast_to(y[:, None], (*z.shape[:-1], 1)), -1).mean(
        (-2, -1)
    )


def gradient(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """The derivative of f with respect to each entry of x.

    f : takes arrays (many, *x.shape), and gives a number for each of the many
    """
    steps = np.eye(x.size).reshape(x.size, *x.shape) * STEP
    return (f(x + 1j * steps).imag / STEP).reshape(x.shape)
