"""Start here: what dropout does to a wide network's two errors, and to labels that are wrong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dropoutlab import data, train
from dropoutlab.explore.explorer import Explorer, choice

SEEN = 200


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
    images, labels, _, _ = data.digits()
    rows = train.seen(0, len(images), SEEN)  # by the first of the runs
    shape = errors["test"].shape

    def table() -> dict[str, np.ndarray]:
        taught = given.reshape(*shape, -1)[:, 0, 0]  # by the share of wrong labels
        shown = rows[taught[1, rows] != labels[rows]]
        layers = zip(runs.weights, runs.biases, strict=True)
        h = images[shown].reshape(len(shown), -1)
        for W, b in layers:
            first = (np.asarray(t).reshape(*shape, *t.shape[1:])[:, :, 0] for t in (W, b))
            own, shift = first
            h = np.maximum(h, 0) @ own.swapaxes(-1, -2) + shift[:, :, None]
        return {
            "train": errors["train"], "test": errors["test"], "images": images[shown],
            "digit": labels[shown], "taught": taught[:, shown], "says": h.argmax(-1),
        }  # fmt: skip

    p = choice("drop probability p", float(rates[1]), [round(float(rate), 3) for rate in rates])
    share = choice("wrong labels, %", int(wrong[1]), [int(of) for of in wrong])
    return Explorer("closing_gap", table, p=p, share=share)
