"""Leaning and backing up in a classifier, layer by layer: without dropout, with it, and with L2.

Fifteen networks 196-64-64-64-10, five of each kind, on 4800 images of printed digits, 25 epochs.
The λ of L2 is the one at which the log loss on 500 other images equals that with dropout, between
the two nearest of `DECAYS` (two networks each). Measured on 500 test images for each hidden layer:
all 64 units and 2016 pairs, and 60 random sets of each size. 5 minutes of one core.

    python -P -m dropoutlab.studies.coadaptation

Finished parts are kept in datasets/studies/coadaptation.json as they come; a run that was stopped
goes on where it was.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np

from dropoutlab import autoencoder, layers, studies

SEEDS, P, COUNTS, TRIALS = range(5), 0.5, range(0, layers.WIDTH + 1, 4), 60
DECAYS = 0.003, 0.01, 0.02, 0.03, 0.045
KINDS = "without dropout", "with dropout", "with L2"


@cache
def data() -> tuple[np.ndarray, np.ndarray]:
    """The 4800 training images and their labels; test and validation are `autoencoder.images`."""
    return autoencoder.images(4800, 0)


def trained(kinds: list[str], seeds: list[int], decay: float) -> list[layers.Classifier]:
    """A network of each kind and seed, as in the study."""
    p = [P if kind == "with dropout" else 0.0 for kind in kinds]
    penalty = [decay if kind == "with L2" else 0.0 for kind in kinds]
    return layers.train(*data(), seeds, p=p, decay=penalty, epochs=25, rate=0.004)


def matched() -> dict[str, Any]:
    """The λ of L2 whose validation log loss equals that of dropout, and what it comes from."""
    X, y = autoencoder.images(500, 2)
    whole, tried = np.ones(layers.WIDTH), []
    for decay in (None, *DECAYS):
        kind = "with dropout" if decay is None else "with L2"
        nets = trained([kind] * 2, [0, 1], decay or 0.0)
        tried.append(float(np.mean([net.loss(X, y, 1)(whole) for net in nets])))
    goal, losses = tried[0], tried[1:]
    decay = float(np.exp(np.interp(goal, losses, np.log(DECAYS))))  # losses rise with λ
    return {"decay": decay, "dropout": goal, "decays": DECAYS, "losses": losses}


def measured(net: layers.Classifier, layer: int) -> dict[str, Any]:
    """What single units, pairs and random sets of a layer are worth, in nats of log loss."""
    X, y = autoencoder.images(500, 1)
    n, scores, rng = layers.WIDTH, net.scores(X, y, layer), np.random.default_rng(layer)
    off = 1 - np.eye(n)
    whole, wrong = scores(np.ones(n))
    effects = np.array([scores(mask)[0] for mask in off]) - whole
    pairs = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            pairs[i, j] = scores(off[i] * off[j])[0] - whole - effects[i] - effects[j]
    curve = [
        np.mean([scores(rng.permutation(n) >= k) for _ in range(TRIALS)], axis=0) for k in COUNTS
    ]
    return {
        "loss": whole,
        "error": wrong,
        "effect": effects.mean(),
        "pair": 2 * pairs.sum() / (n * (n - 1)),
        "leaning": -2 * pairs[pairs < 0].sum(),
        "backing": 2 * pairs[pairs > 0].sum(),
        "losses": [c[0] for c in curve],
        "errors": [c[1] for c in curve],
    }


def main() -> None:
    """Measure what is not yet in the result."""
    found: dict[str, Any] = {"counts": list(COUNTS)} | studies.kept("coadaptation")

    def keep() -> None:
        short = json.loads(json.dumps(found), parse_float=lambda text: float(f"{float(text):.6g}"))
        studies.keep("coadaptation", short)

    if "matched" not in found:
        found["matched"] = matched()
        keep()
    for kind in KINDS:
        if kind in found:
            continue
        nets = trained([kind] * len(SEEDS), list(SEEDS), found["matched"]["decay"])
        found[kind] = {
            f"layer {layer}": [measured(net, layer) for net in nets]
            for layer in range(1, layers.DEPTH + 1)
        }
        keep()


if __name__ == "__main__":
    main()
