"""Leaning and backing up in a classifier, layer by layer: without dropout, with it, and with L2.

Twenty networks 196-64-64-64-10, five of each kind, on 4800 images of printed digits, 25 epochs.
Of dropout there are two kinds: p = 0.5, and the p of `GENTLE` that has the lowest log loss on 500
other images. The λ of L2 is the one at which the log loss on these images equals that with dropout
at p = 0.5, between the two nearest of `DECAYS`. Each setting is chosen with two networks.

Measured on 500 test images for each hidden layer: all 64 units and 2016 pairs, and 60 random sets
of each size; both in the log loss and in the *margin*, the right class's logit less the mean of the
others. In the last hidden layer the margin is linear in the mask, so nothing interacts there.
Four minutes of one core.

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
from dropoutlab.kept import kept

SEEDS, P, COUNTS, TRIALS = range(5), 0.5, range(0, layers.WIDTH + 1, 4), 60
DECAYS = 0.003, 0.01, 0.02, 0.03, 0.045
GENTLE = 0.05, 0.1, 0.2
KINDS = "without dropout", "with dropout", "with L2"
HELPED = "with less dropout"
"""The kind whose p helps; the lesson draws it beside the others."""


@cache
def data() -> tuple[np.ndarray, np.ndarray]:
    """The 4800 training images and their labels; test and validation are `autoencoder.images`."""
    return autoencoder.images(4800, 0)


@kept
def trained(
    kinds: list[str], seeds: list[int], decay: float, gentle: float = 0.0
) -> list[layers.Classifier]:
    """A network of each kind and seed, as in the study."""
    of = {"with dropout": P, HELPED: gentle}
    p = [of.get(kind, 0.0) for kind in kinds]
    penalty = [decay if kind == "with L2" else 0.0 for kind in kinds]
    return layers.train(*data(), seeds, p=p, decay=penalty, epochs=25, rate=0.004)


def validated(kind: str, decay: float = 0.0, gentle: float = 0.0) -> float:
    """The mean validation log loss of two networks."""
    X, y = autoencoder.images(500, 2)
    nets = trained([kind] * 2, [0, 1], decay, gentle)
    return float(np.mean([net.loss(X, y, 1)(np.ones(layers.WIDTH)) for net in nets]))


def matched() -> dict[str, Any]:
    """The λ of L2 whose validation log loss equals that of dropout, and what it comes from."""
    goal = validated("with dropout")
    losses = [validated("with L2", decay) for decay in DECAYS]
    decay = float(np.exp(np.interp(goal, losses, np.log(DECAYS))))  # losses rise with λ
    return {"decay": decay, "dropout": goal, "decays": DECAYS, "losses": losses}


def helpful() -> dict[str, Any]:
    """The p of `GENTLE` with the lowest validation log loss, and what it comes from."""
    losses = [validated(HELPED, gentle=p) for p in (0.0, *GENTLE)]
    return {"p": GENTLE[int(np.argmin(losses[1:]))], "tried": [0.0, *GENTLE], "losses": losses}


def measured(net: layers.Classifier, layer: int) -> dict[str, Any]:
    """What single units, pairs and random sets of a layer are worth, in nats and in margin."""
    X, y = autoencoder.images(500, 1)
    n, logits, rng = layers.WIDTH, net.logits(X, layer), np.random.default_rng(layer)
    rows = np.arange(len(y))

    def scores(mask: np.ndarray) -> np.ndarray:
        """The log loss, the error rate, and the mean margin with its sign changed."""
        z = logits(mask)
        right = z[rows, y]
        others = (z.sum(1) - right) / (z.shape[1] - 1)
        top = z.max(1)
        losses = np.log(np.exp(z - top[:, None]).sum(1)) + top - right
        parts = losses, z.argmax(1) != y, others - right
        return np.array([part.mean(dtype=float) for part in parts])

    off = 1 - np.eye(n)
    whole = scores(np.ones(n))
    effects = np.array([scores(mask) for mask in off]) - whole
    pairs = np.array(
        [
            scores(off[i] * off[j]) - whole - effects[i] - effects[j]
            for i in range(n)
            for j in range(i)
        ]
    )
    curve = [
        np.mean([scores(rng.permutation(n) >= k) for _ in range(TRIALS)], axis=0) for k in COUNTS
    ]
    found: dict[str, Any] = {"error": whole[1], "errors": [c[1] for c in curve]}
    for k, name in ((0, ""), (2, "margin ")):
        found |= {
            f"{name}loss": whole[k],
            f"{name}effect": effects[:, k].mean(),
            f"{name}pair": pairs[:, k].mean(),
            f"{name}leaning": -2 * np.minimum(pairs[:, k], 0).sum(),
            f"{name}backing": 2 * np.maximum(pairs[:, k], 0).sum(),
            f"{name}losses": [c[k] for c in curve],
        }
    return found


def main() -> None:
    """Measure what is not yet in the result."""
    import torch

    torch.set_flush_denormal(True)  # L2 makes weights so small that they would be slow
    found: dict[str, Any] = {"counts": list(COUNTS)} | studies.kept("coadaptation")

    def keep() -> None:
        short = json.loads(json.dumps(found), parse_float=lambda text: float(f"{float(text):.6g}"))
        studies.keep("coadaptation", short)

    for name, choose in (("matched", matched), ("helpful", helpful)):
        if name not in found:
            found[name] = choose()
            keep()
    for kind in (*KINDS, HELPED):
        if kind in found:
            continue
        settings = found["matched"]["decay"], found["helpful"]["p"]
        nets = trained([kind] * len(SEEDS), list(SEEDS), *settings)
        found[kind] = {
            f"layer {layer}": [measured(net, layer) for net in nets]
            for layer in range(1, layers.DEPTH + 1)
        }
        keep()


if __name__ == "__main__":
    main()
