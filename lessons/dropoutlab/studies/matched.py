"""Is one noise better than another of the same variance, each tuned as well as the others?

Networks learn 500 printed digits of 14 × 14 pixels in each of the ways of `matched.KINDS`: with one
hidden layer of 256 ReLUs, or with four of 64 SELUs. For each way, the strength of the noise (as the
p of a coin with its variance) and the learning rate are chosen by the mean validation error of two
networks, on 3000 other images. Then ten others, with training sets, weights, batches and noise of
their own, are tested once with what was chosen, on 3000 images that nothing was chosen by. Those of
ReLUs are tested with what was chosen for the coin, too ("matched").

About three minutes of one core: `python -P -m dropoutlab.studies.matched`. Begun again, it goes on
where it stopped. The result is datasets/studies/matched.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import process_time
from typing import Any

import numpy as np
import torch

from dropoutlab import matched, studies

PS = (0.1, 0.25, 0.4, 0.55)
RATES = {False: (0.06, 0.12, 0.25), True: (0.012, 0.025, 0.05)}
"""Of networks of ReLUs, and of SELUs; without noise, also twice the largest."""
TUNING, TESTED = range(2), range(100, 110)


def measured(
    kind: str, p: float, rate: Sequence[float] | float, seeds: Sequence[int], on: str
) -> dict[str, list[float]]:
    """The loss and the error of networks trained now, on "validation" or "test"."""
    nets = matched.Networks(kind, p, seeds=seeds, rate=rate, hand=studies.own().MATCHED)
    found = nets.train().measured(on)
    return {name: [round(float(value), 5) for value in values] for name, values in found.items()}


def tuned(kind: str) -> list[dict[str, Any]]:
    """What came of each strength and learning rate."""
    table = []
    rates: list[float] = [*RATES[kind.startswith("SELU")]]
    if "none" in kind:
        rates.append(2 * rates[-1])
    for p in PS if "none" not in kind else (0.0,):
        seeds, rate = [*TUNING] * len(rates), np.repeat(rates, len(TUNING)).tolist()
        found = measured(kind, p, rate, seeds, "validation")
        for k, own in enumerate(rates):
            part = slice(k * len(TUNING), (k + 1) * len(TUNING))
            table.append({"p": p, "rate": own} | {name: v[part] for name, v in found.items()})
    return table


def main() -> None:
    """Measure what is missing, and keep each part at once."""
    torch.set_num_threads(1)
    kept: dict[str, Any] = {"minutes": 0, "tuning": {}, "tested": {}, "matched": {}}
    kept |= studies.kept("matched")
    for kind in matched.KINDS:
        for stage in ("tuning", "tested", "matched"):
            if kind in kept[stage] or (stage == "matched" and kind not in matched.NOISES):
                continue
            began = process_time()
            if kind == "coin again":  # as the coin was tuned
                kept["tuning"][kind] = kept["tuning"]["coin"]
            if stage == "tuning":
                kept[stage][kind] = kept[stage].get(kind) or tuned(kind)
            elif stage == "matched":
                coin, own = (
                    {n: kept["tested"][k][n] for n in ("p", "rate")} for k in ("coin", kind)
                )
                found = kept["tested"][kind]
                if own != coin:
                    found = coin | measured(kind, seeds=TESTED, on="test", **coin)
                kept[stage][kind] = found
            else:
                best = min(kept["tuning"][kind], key=lambda cell: np.mean(cell["error"]))
                how = {name: best[name] for name in ("p", "rate")}
                kept[stage][kind] = how | measured(kind, seeds=TESTED, on="test", **how)
            kept["minutes"] = round(kept["minutes"] + (process_time() - began) / 60, 2)
            studies.keep("matched", kept)
            print(kind, stage, f"{process_time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
