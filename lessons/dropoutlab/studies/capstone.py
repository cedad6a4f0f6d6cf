"""What dropout adds to a baseline that had the same chance: digits, three in ten labels wrong.

Networks 58-128-10 in worlds of `capstone`, 600 rows each. For each way all its settings are chosen
together, learning rate and number of steps among them, by the mean error on the validation rows of
the worlds `TUNING`. What is chosen is tested once, on the held-out rows of the worlds `TESTED`, and
pairs with the other ways in each world (same rows, same initial weights, same batches).

tries : what was tried, with the best number of steps, the validation error there and at the end
chosen : per way, the settings with the lowest validation error, and how many were tried
with : per way, the settings that were tested
tested : per way, the held-out error in each of the worlds `TESTED`; "first edition" has two hidden
    layers and the rate and steps of the lesson's first edition, which nobody tuned, and "first
    edition, stopped" the number of steps that is best on validation rows;
    "large start" is a baseline that begins with He's weights, else tuned; "nothing" the baseline;
    "dropout, hurried" is the best at a rate of 0.05 and within 480 steps;
    "nothing, again k" is the tuned baseline once more, with other initial weights and batches

Run with `python -P -m dropoutlab.studies.capstone`: some ten minutes of one core. Each finished
part is kept at once, and a later run goes on from there.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch

from dropoutlab import capstone, studies, train

TUNING, TESTED = tuple(range(100, 108)), tuple(range(200, 240))
STEPS, LONGER, EVERY = 480, 960, 20
"""Steps of a training; the longer one where a regulariser and a low rate slow it down."""
DROPPED: list[dict[str, float]] = [
    {"p": p, "p_input": q} for p, q in ((0.3, 0.2), (0.5, 0.2), (0.5, 0.4), (0.7, 0.4))
]
WAYS: dict[str, list[dict[str, Any]]] = {
    "large start": [{"rate": rate} for rate in (0.002, 0.005, 0.01, 0.02, 0.05)],
    "nothing": [{"rate": rate, "start": 0.41} for rate in (0.005, 0.01, 0.02)]
    + [{"rate": rate, "start": 0.2} for rate in (0.01, 0.02)],
    "weight decay": [
        {"rate": rate, "weight_decay": w} for rate in (0.02, 0.05) for w in (0.02, 0.03, 0.05, 0.1)
    ]
    + [{"rate": 0.01, "weight_decay": 0.03}, {"rate": 0.02, "weight_decay": 0.03, "start": 0.41}],
    "dropout": [{"rate": rate} | drop for rate in (0.05, 0.1) for drop in DROPPED]
    + [{"rate": 0.02, "p": p, "p_input": q} for p, q in ((0.5, 0.4), (0.7, 0.4), (0.5, 0.6))]
    + [{"rate": 0.02, "p": 0.5, "p_input": 0.4, "start": 0.41}],
    "both": [
        {"rate": 0.05, "weight_decay": w, "p": p, "p_input": q}
        for w in (0.005, 0.01, 0.02, 0.03)
        for p, q in ((0.2, 0.1), (0.5, 0.3))
    ]
    + [
        {"rate": 0.02, "weight_decay": w, "p": p, "p_input": q}
        for w, p, q in ((0.02, 0.2, 0.1), (0.03, 0.2, 0.1), (0.02, 0.5, 0.3))
    ],
}
"""The ways to train, each in the settings that are tried; the number of steps is tuned besides."""


def watched(seeds: tuple[int, ...], settings: dict[str, Any], steps: int) -> train.Runs:
    """Networks in the worlds of these seeds, watched on validation rows."""
    worlds = [capstone.world(seed) for seed in seeds]
    X, y, X_val, y_val = (
        np.stack([getattr(w, part) for w in worlds]) for part in ("X", "y", "X_val", "y_val")
    )
    how: dict[str, Any] = {"hidden": capstone.HIDDEN} | settings
    watch = {"validation": (X_val, y_val)}
    return train.many(X, y, seeds=seeds, steps=steps, every=EVERY, watch=watch, **how)


def tried(settings: dict[str, Any]) -> dict[str, Any]:
    """These settings at the number of steps with the lowest mean validation error."""
    slow = len(settings.keys() - {"start"}) > 1 and settings["rate"] <= (
        0.02 if "p" in settings else 0.01
    )
    runs = watched(TUNING, settings, LONGER if slow else STEPS)
    errors = 100 * runs.error["validation"].mean(0)
    best = 1 + int(errors[1:].argmin())
    return {
        "settings": settings | {"steps": int(runs.steps[best])},
        "error": round(float(errors[best]), 2),
        "at the end": round(float(errors[-1]), 2),
    }


def tested(settings: dict[str, Any], repeat: int = 0) -> list[float]:
    """Held-out errors in the worlds `TESTED`."""
    how = {"start": 1.0} | settings
    errors = capstone.plain(list(TESTED), test=True, repeat=repeat, **how)
    return errors.astype(float).round(2).tolist()


def main() -> None:
    """Measure the parts that are missing."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {"tries": {}, "chosen": {}, "with": {}, "tested": {}}
    found |= studies.kept("capstone")

    def keep(what: str) -> None:
        print(what, file=sys.stderr, flush=True)
        studies.keep("capstone", found)

    for way, tries in WAYS.items():
        for settings in tries:
            name = f"{way}: " + ", ".join(f"{k} {v:g}" for k, v in settings.items())
            if name not in found["tries"]:
                found["tries"][name] = tried(settings)
                keep(name)
        own = [t for name, t in found["tries"].items() if name.startswith(f"{way}: ")]
        found["chosen"][way] = min(own, key=lambda t: t["error"]) | {"tries": len(own)}
    for way in WAYS:
        chosen = found["chosen"][way]["settings"]
        if found["with"].get(way) != chosen:
            found["tested"][way], found["with"][way] = tested(chosen), chosen
            keep(f"tested {way}")
    soon = [
        found["tries"][name] for name in found["tries"] if name.startswith("dropout: rate 0.05")
    ]
    hurried = min(soon, key=lambda t: t["error"])
    first = {"rate": 0.05, "start": 1.0, "hidden": [128, 128]}
    if "first edition" not in found["tries"]:
        found["tries"]["first edition"] = tried(first)
        keep("first edition")
    for name, settings, repeat in (
        ("first edition", first | {"steps": 600}, 0),
        ("first edition, stopped", found["tries"]["first edition"]["settings"], 0),
        ("dropout, hurried", hurried["settings"], 0),
        *((f"nothing, again {k}", found["chosen"]["nothing"]["settings"], k) for k in (1, 2, 3)),
    ):
        if name not in found["tested"]:
            found["tested"][name] = tested(settings, repeat)
            keep(f"tested {name}")


if __name__ == "__main__":
    main()
