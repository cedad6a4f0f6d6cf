"""Weight scaling: a pre-activation over masks against the scaled and the unscaled value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dropoutlab.explore.explorer import Explorer, again, choice, grid

MASKS, BINS, DRAWS = 1000, 48, 3


def preactivation(
    dropout_train: Callable[..., np.ndarray],
    preactivation_mean: Callable[..., float],
    preactivation_variance: Callable[..., float],
) -> Explorer:
    """Explore z = w · (m * x) over masks, and behind a ReLU; p, inputs, signs, another draw."""
    p = grid("drop probability p", 0.5, 0.1, 0.9, 0.1)
    n = choice("number of inputs", 8, [1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128])
    against = grid("negative weights, %", 30, 0, 50, 10)

    def table() -> dict[str, np.ndarray]:
        shape = (len(p.values), len(n.values), len(against.values), DRAWS)
        bars, said = np.zeros((*shape, BINS + 2), np.uint16), np.empty((*shape, 9))
        for i, j, k, draw in np.ndindex(shape):
            rng = np.random.default_rng(draw)
            inputs, rate = int(n.values[j]), float(p.values[i])
            x = rng.uniform(0.5, 1.5, inputs)
            back = rng.permutation(inputs) < round(float(against.values[k]) / 100 * inputs)
            w = np.where(back, -1, 1) * rng.uniform(0.5, 1.5, inputs) / np.sqrt(inputs)
            z = dropout_train(np.tile(x, (MASKS, 1)), rate, rng) @ w
            width = np.ptp(z) / BINS or 1
            place = np.ceil(z / width - 1e-9).astype(int) - 1  # no bar on both sides of 0
            found = np.bincount(place - place.min(), minlength=BINS + 2)
            bars[i, j, k, draw] = found[: BINS + 2]
            sent = np.maximum(z, 0)
            mean, variance = preactivation_mean(w, x, rate), preactivation_variance(w, x, rate)
            said[i, j, k, draw] = (
                width * place.min(), width, z.mean(), z.std(), sent.mean(), sent.std(),
                mean, variance, w @ x,
            )  # fmt: skip
        return {"bars": bars, "said": said}

    draw = again("Another draw", DRAWS)
    return Explorer("preactivation", table, p=p, n=n, against=against, draw=draw)
