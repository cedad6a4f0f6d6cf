"""Start here: what dropout does to a network's two errors, to wrong labels, and to a drawing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dropoutlab import data, train
from dropoutlab.explore.explorer import Control, Explorer, choice

SEEN, THINNED, READY = 200, 25, 10
"""Images that a network learned from; thinned networks that vote; digits that need no drawing."""


def closing_gap(
    rates: np.ndarray,
    wrong: np.ndarray,
    errors: Mapping[str, np.ndarray],
    runs: train.Runs,
    given: np.ndarray,
) -> Explorer:
    """Explore the "train" and the "test" error in percent, (wrong, rates, runs); p, wrong labels.

    rates : the drop probabilities; wrong : the shares of wrong labels, in percent; both in order
    runs, given : the networks, in the order of the errors, and the labels that each was given
    """
    images, labels, new, true = data.digits()
    rows = train.seen(0, len(images), SEEN)  # by the first of the runs
    shape = errors["test"].shape

    def table() -> dict[str, np.ndarray]:
        layers = [
            [np.asarray(t, np.float32).reshape(*shape, *t.shape[1:])[:, :, 0] for t in layer]
            for layer in zip(runs.weights, runs.biases, strict=True)
        ]
        taught = given.reshape(*shape, -1)[:, 0, 0]  # by the share of wrong labels
        shown = rows[taught[1, rows] != labels[rows]]
        h = images[shown].reshape(len(shown), -1)
        for W, b in layers:
            h = np.maximum(h, 0) @ W.swapaxes(-1, -2) + b[:, :, None]
        small: dict[str, np.ndarray] = {}
        for k, (W, b) in enumerate(layers, 1):
            scale = np.abs(W).max((-2, -1), keepdims=True) / 127
            small |= {f"W{k}": np.rint(W / scale).astype(np.int8), f"b{k}": b, f"scale{k}": scale}
        ready = [new[true == digit][0] for digit in range(READY)]
        coins = np.random.default_rng(0).integers(256, size=(THINNED, len(layers[0][1][0, 0])))
        return small | {
            "ready": (16 * np.reshape(ready, (READY, -1))).astype(np.uint8),
            "coins": coins.astype(np.uint8),
            "train": errors["train"], "test": errors["test"], "images": images[shown],
            "digit": labels[shown], "taught": taught[:, shown], "says": h.argmax(-1),
        }  # fmt: skip

    p = choice("drop probability p", float(rates[1]), [round(float(rate), 3) for rate in rates])
    share = choice("wrong labels, %", int(wrong[1]), [int(of) for of in wrong])
    digit = Control("digit", list(range(READY + 1)), 4, [""] * (READY + 1), "hidden")
    return Explorer("closing_gap", table, p=p, share=share, digit=digit)
