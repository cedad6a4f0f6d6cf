"""Is dropout its penalty, its noise, or both? After Wei, Kakade and Ma (2020).

ReLU networks with one hidden layer of 64 units learn 200 handwritten digits in six ways
(`penalised.KINDS`). For each way, the drop probability and the learning rate are chosen by the
validation loss of four networks. Then twelve others, with training sets and weights of their own,
are tested once with what was chosen. The digits of all sheets are shuffled, once: 900 to draw
training sets from, 400 for validation, 497 for the test.

About ten minutes of one core: `python -P -m dropoutlab.studies.regulariser`. Begun again, it goes
on where it stopped. The result is datasets/studies/regulariser.json.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

from dropoutlab import data, penalised, studies
from dropoutlab.kept import kept as brought

RATES, PS = (0.008, 0.02), (0.2, 0.4, 0.6, 0.8)
TUNING, TESTED = range(4), range(100, 112)
ROWS, HIDDEN, BATCH, STEPS = 200, 64, 20, 2000


def digits() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Images (n, 64) and labels: those to draw training sets from, validation, test."""
    X, y, X_test, y_test = data.digits()
    X, y = np.concatenate([X, X_test]).reshape(-1, 64), np.concatenate([y, y_test])
    order = np.split(np.random.default_rng(0).permutation(len(X)), [900, 1300])
    return tuple((X[rows], y[rows]) for rows in order)


@brought
def measured(
    kind: str,
    seeds: list[int],
    p: list[float],
    rate: list[float],
    watch: dict[str, tuple[np.ndarray, np.ndarray]],
    steps: int = STEPS,
) -> dict[str, list[float]]:
    """What came of N networks, each trained on `ROWS` rows that its seed draws."""
    X, y = digits()[0]
    rows = np.array([np.random.default_rng(seed).permutation(len(X))[:ROWS] for seed in seeds])
    found = penalised.networks(
        kind, X[rows], y[rows], seeds=seeds, p=p, rate=rate, watch=watch,
        hidden=HIDDEN, batch=BATCH, steps=steps,
    )  # fmt: skip
    return {name: [round(float(value), 5) for value in values] for name, values in found.items()}


def main() -> None:
    """Measure what is missing, and keep each part at once."""
    import torch

    torch.set_num_threads(1)
    _, validation, test = digits()
    kept: dict[str, Any] = {"minutes": 0, "tuning": {}, "tested": {}}
    kept |= studies.kept("regulariser")
    for kind in penalised.KINDS:
        for stage in ("tuning", "tested"):
            if kind in kept[stage]:
                continue
            began = perf_counter()
            if stage == "tuning":
                ps = PS if kind != "nothing" else (0.0,)
                grid = [(p, rate) for p in ps for rate in RATES]
                each = [(seed, *pair) for pair in grid for seed in TUNING]
                seeds, p, rate = map(list, zip(*each, strict=True))
                found = measured(kind, seeds, p, rate, {"validation": validation})
                runs = np.reshape(found["validation loss"], (len(grid), -1))
                table = [
                    {"p": p, "rate": rate, "validation loss": losses}
                    for (p, rate), losses in zip(grid, runs.tolist(), strict=True)
                ]
                kept[stage][kind] = table
            else:
                best = min(kept["tuning"][kind], key=lambda cell: np.mean(cell["validation loss"]))
                n = len(TESTED)
                found = measured(kind, list(TESTED), [best["p"]] * n, [best["rate"]] * n,
                                 {"test": test})  # fmt: skip
                kept[stage][kind] = {"p": best["p"], "rate": best["rate"], **found}
            kept["minutes"] = round(kept["minutes"] + (perf_counter() - began) / 60, 1)
            studies.keep("regulariser", kept)
            print(kind, stage, f"{perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
