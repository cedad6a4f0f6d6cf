"""What the price of several networks buys: thinned networks, an ensemble, or a wider network.

All learn the handwritten digits for 60 epochs, the learning rate falling in a straight line.
Tuning: each kind of network learns eight of the ten training sheets at five learning rates, three
seeds each, and the log loss on the other two sheets chooses. Then twenty rounds, each of its own
seeds: eight networks of 64 hidden units without dropout, eight with p = 0.5, and one with p = 0.5
of twice, four and eight times the width. They learn all ten sheets and are tested once, on four
others by which nothing was chosen. A round's thinned networks all come from its first network with
dropout.

    python -P -m dropoutlab.studies.ensemble

About three minutes of one core. Begun again, it goes on where it stopped. The result is
datasets/studies/ensemble.json.
"""

from __future__ import annotations

from time import process_time
from typing import Any

import numpy as np

from dropoutlab import data, studies, train

WIDTH, EPOCHS, ROUNDS, COUNTS = 64, 60, 20, (1, 2, 4, 8)
RATES = (0.05, 0.1, 0.2, 0.4, 0.8)
KINDS = {
    "plain": (0.0, WIDTH),
    "dropout": (0.5, WIDTH),
    **{f"{n} times as wide": (0.5, n * WIDTH) for n in COUNTS[1:]},
}
"""Drop probability and hidden units of each kind of network."""


def drop(h: np.ndarray, rng: np.random.Generator, p: float) -> np.ndarray:
    """Standard dropout: survivors are not scaled."""
    return h * (rng.random(h.shape) >= p) if p else h


def answers(net: train.Parameters, X: np.ndarray, factor: np.ndarray | float) -> np.ndarray:
    """The class probabilities where the hidden layer is multiplied by a mask, or by 1 - p."""
    h = np.maximum(X @ net["W1"].T + net["b1"], 0)
    return train.softmax((h * factor) @ net["W2"].T + net["b2"])


def network(kind: str, X: np.ndarray, y: np.ndarray, seed: int, rate: float) -> train.Parameters:
    """A trained network of this kind."""
    p, hidden = KINDS[kind]
    return train.two_layer(
        X, y, lambda h, rng: drop(h, rng, p), seed,
        hidden=hidden, epochs=EPOCHS, rate=rate, falling=True,
    )  # fmt: skip


def tuned(kind: str, X: np.ndarray, y: np.ndarray) -> list[list[float]]:
    """The validation log loss for each rate and seed."""
    ((X, held_X), (y, held_y)) = np.split(X, [1030]), np.split(y, [1030])
    keep = 1 - KINDS[kind][0]
    return [
        [
            round(train.log_loss(answers(network(kind, X, y, s, rate), held_X, keep), held_y), 5)
            for s in range(3)
        ]
        for rate in RATES
    ]


def tested(first: int, rates: dict[str, float], sets: data.Split) -> dict[str, list[list[float]]]:
    """A round: for each way, error rate in percent and log loss by the number it pays for."""
    X, y, X_test, y_test = sets

    def scores(probabilities: np.ndarray) -> list[float]:
        wrong, loss = (of(probabilities, y_test) for of in (train.error_rate, train.log_loss))
        return [round(100 * wrong, 4), round(loss, 5)]

    runs = {}
    for kind in ("plain", "dropout"):
        nets = [network(kind, X, y, first + i, rates[kind]) for i in range(max(COUNTS))]
        all_of = np.array([answers(net, X_test, 1 - KINDS[kind][0]) for net in nets])
        runs[f"networks, {kind}"] = [scores(all_of[:n].mean(0)) for n in COUNTS]
    rng = np.random.default_rng(first)
    masks = rng.random((max(COUNTS), 1, WIDTH)) >= 0.5
    thinned = answers(nets[0], X_test, masks)
    runs["thinned networks"] = [scores(thinned[:n].mean(0)) for n in COUNTS]
    wide = [answers(network(k, X, y, first, rates[k]), X_test, 0.5) for k in [*KINDS][2:]]
    runs["one wider network"] = [scores(one) for one in (all_of[0], *wide)]
    return runs


def main() -> None:
    """Measure what is missing, and keep each part at once."""
    X, y, X_test, y_test = data.digits()
    sets = X.reshape(len(X), -1), y, X_test.reshape(len(X_test), -1), y_test
    empty = {"seconds": 0, "counts": COUNTS, "rates": RATES, "tuning": {}, "rounds": {}}
    kept: dict[str, Any] = empty | studies.kept("ensemble")
    started = process_time()

    def keep() -> None:
        nonlocal started
        kept["seconds"] = round(kept["seconds"] + process_time() - started)
        started = process_time()
        studies.keep("ensemble", kept)

    for kind in KINDS:
        if kind not in kept["tuning"]:
            kept["tuning"][kind] = tuned(kind, *sets[:2])
            keep()
    rates = {
        kind: RATES[int(np.mean(losses, 1).argmin())] for kind, losses in kept["tuning"].items()
    }
    for i in range(ROUNDS):
        if str(i) not in kept["rounds"]:
            kept["rounds"][str(i)] = tested(100 * (i + 1), rates, sets)
            keep()


if __name__ == "__main__":
    main()
