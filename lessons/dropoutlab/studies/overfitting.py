"""When dropout helps: printed numerals, networks of two hidden layers, trained to the end.

All runs are of `regularised.fit` on glyphs of 14 × 14 pixels: momentum 0.9, batches of 64, and a
learning rate that falls to 0 in a straight line, where nothing else is said. Each seed learns
images of its own, and all settings of one seed are paired. Validation: 2000 images. Test: 4000.

first : what the first edition of the lesson ran. 20 000 images, 128 units a layer, 800 steps at a
    constant rate; p = 0, 0.1, 0.25, 0.5; seeds 0 to 4.
longer : the same for 4000 steps, as its author tried afterwards.
end : the same for 8000 steps, at a rate that falls.
fresh : 1860 steps on 119 040 images, each seen once; 64 units, at a rate that falls; p = 0, 0.1,
    0.25, 0.5; seeds 0 to 4. The lesson trains on 4000 images for as many steps.
map : errors at p = 0, 0.1, 0.25, 0.5 by width (8, 64), images (300, 1000, 4000) and steps
    (300, 1500, 3000); seeds 0 to 4. One learning rate, 0.05.
rates : a cell of the map at p = 0, 0.1 and each of `LEARNING` rates; seeds 0 to 2. At p = 0 the
    largest rate is the best.
ways : regularisers, 1000 images, 64 units, 1500 steps, learning rate 0.05. Each has the strength
    with the lowest validation error for seeds 100 and 101, and then seeds 0 to 5 are tested. Batch
    norm has no strength; of L2, max-norm and smoothing an end of the range was the best.
tuned : the same, with a learning rate of `OFFERED` chosen together with the strength.
when : dropout at the beginning or at the end of training only (Liu et al. 2023), 4000 images,
    8 units, 3000 steps, p = 0.1; seeds 0 to 5.

Run with `python -P -m dropoutlab.studies.overfitting`: some fifteen minutes of one core. Each
finished cell is kept at once, and a later run goes on from there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from dropoutlab import data, regularised, studies

RATES = (0.0, 0.1, 0.25, 0.5)
WIDTHS, IMAGES, STEPS = (8, 64), (300, 1000, 4000), (300, 1500, 3000)
LEARNING = (0.0125, 0.025, 0.05, 0.1, 0.2)
OFFERED = (0.05, 0.1, 0.2, 0.4)
SEARCHED = {(64, 1000): 1500}
"""Where the learning rate is searched: by units and images, the number of steps."""
FRESH = 119_040
TUNING, JUDGED = (100, 101), tuple(range(6))
WAYS: dict[str, list[dict[str, float]]] = {
    "none": [{}],
    "hidden dropout": [{"p": p} for p in (0.05, 0.1, 0.15, 0.2, 0.35)],
    "moved images": [{"moved": m} for m in (0.5, 0.9, 1.0)],
    "moved, dropout": [{"moved": m, "p": p} for m in (0.9, 1.0) for p in (0.05, 0.1)],
    "input dropout": [{"p_input": p} for p in (0.05, 0.1, 0.15, 0.25)],
    "input noise": [{"noise": s} for s in (0.05, 0.1, 0.15, 0.2, 0.3)],
    "label smoothing": [{"smoothing": e} for e in (0.05, 0.2)],
    "max-norm": [{"max_norm": c} for c in (0.75, 1.25, 2.0)],
    "L2": [{"weight_decay": w} for w in (0.0005, 0.002)],
    "batch norm": [{"batch_norm": 1}],
    "dropout, max-norm": [{"p": 0.2, "max_norm": c} for c in (1.25, 2.0)],
    "both dropouts": [{"p": 0.1, "p_input": 0.1}, {"p": 0.2, "p_input": 0.2}],
}
"""The regularisers that `ways` compares, each in the strengths that it tries."""

WHEN = {
    "never": (0.0, 0.0),
    "always": (0.0, 1.0),
    "early": (0.0, 0.2),
    "late": (0.8, 1.0),
}
"""The fractions of training between which `when` drops."""


Pools = dict[str, tuple[np.ndarray, np.ndarray]]
"""Images and labels of "train", "validation" and "test"."""


def numerals(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """n images as rows of 14 × 14 numbers, and their labels."""
    images, labels = data.glyphs(n, seed)
    return data.halved(images).reshape(n, -1), labels


def fresh() -> tuple[np.ndarray, np.ndarray]:
    """`FRESH` images of their own, and their labels."""
    parts = [numerals(FRESH // 24, 1000 + k) for k in range(24)]
    return np.concatenate([X.astype(np.float32) for X, _ in parts]), np.concatenate(
        [y for _, y in parts]
    )


def cells() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each cell's name and what `_measured` is told."""
    wide: dict[str, Any] = {"width": 128, "images": 20_000, "seeds": 5, "rates": RATES}
    yield "first", wide | {"steps": 800, "falling": False}
    yield "longer", wide | {"steps": 4000, "falling": False}
    yield "end", wide | {"steps": 8000}
    yield (
        "fresh",
        {"width": 64, "images": FRESH, "steps": FRESH // 64, "seeds": 5, "rates": RATES},
    )
    for steps, width, images in product(reversed(STEPS), WIDTHS, IMAGES):
        yield (
            f"map {width} {images} {steps}",
            {"width": width, "images": images, "steps": steps, "seeds": 5, "rates": RATES},
        )


def _measured(
    pools: Pools,
    *,
    width: int,
    images: int,
    steps: int,
    seeds: int,
    rates: Sequence[float],
    falling: bool = True,
) -> dict[str, Any]:
    """Errors in percent at each of `rates` (rates, seeds); at a constant rate also on the way."""
    p, seed = (a.ravel() for a in np.meshgrid(rates, range(seeds), indexing="ij"))
    runs = regularised.fit(
        *(fresh() if images == FRESH else pools["train"]), (width, width), seeds=seed, p=p,
        rows=images, steps=steps, falling=falling, every=steps if falling else steps // 8,
        watch={name: pools[name] for name in ("validation", "test")},
    )  # fmt: skip
    shape = len(rates), seeds, -1
    found = {name: errors.reshape(shape) for name, errors in runs.error.items()}
    kept = {"p": rates} | {name: _short(errors[..., -1]) for name, errors in found.items()}
    kept["loss"] = _short(runs.loss["test"].reshape(shape)[..., -1], 4)
    if not falling:
        kept["curves"] = _short(found["validation"])
        kept["looks"] = runs.steps.tolist()
    return kept


def _rates(pools: Pools, width: int, images: int) -> dict[str, Any]:
    """Errors in percent by p and learning rate, (p, learning rates, seeds)."""
    ps, seeds, steps = RATES[:2], range(3), SEARCHED[width, images]
    p, rate, seed = (a.ravel() for a in np.meshgrid(ps, LEARNING, seeds, indexing="ij"))
    runs = regularised.fit(
        *pools["train"], (width, width), seeds=seed, p=p, rate=rate, rows=images,
        steps=steps, watch={k: pools[k] for k in ("validation", "test")},
    )  # fmt: skip
    shape = len(ps), len(LEARNING), len(seeds)
    found = {k: _short(runs.error[k][:, -1].reshape(shape)) for k in ("validation", "test")}
    return {"p": ps, "rates": LEARNING} | found


def _ways(pools: Pools, name: str, rates: Sequence[float]) -> dict[str, Any]:
    """One regulariser: its strength and a learning rate chosen on validation, then tested."""

    def run(tries: Sequence[dict[str, float]], seeds: Sequence[int]) -> regularised.Fitted:
        keys = sorted(set().union(*tries) - {"batch_norm"})
        plain = regularised.PLAIN
        settings: dict[str, Any] = {
            k: np.repeat([t.get(k, plain[k]) for t in tries], len(seeds)) for k in keys
        }
        return regularised.fit(
            *pools["train"], (64, 64), seeds=np.tile(seeds, len(tries)), rows=1000, steps=1500,
            every=100, batch_norm="batch_norm" in tries[0],
            watch={k: pools[k] for k in ("validation", "test")}, **settings,
        )  # fmt: skip

    tries = [way | {"rate": rate} for way in WAYS[name] for rate in rates]
    tuned = run(tries, TUNING).error["validation"][:, -1].reshape(len(tries), -1).mean(1)
    chosen = tries[int(np.nanargmin(tuned))]
    runs = run([chosen], JUDGED)
    return {
        "chosen": chosen,
        "tuned": _short(tuned),
        "error": _short(runs.error["test"][:, -1]),
        "loss": _short(runs.loss["test"][:, -1], 4),
        "validation error": _short(runs.error["validation"]),
        "validation loss": _short(runs.loss["validation"], 4),
        "test error": _short(runs.error["test"]),
        "test loss": _short(runs.loss["test"], 4),
    }


def _when(pools: Pools, p: float) -> dict[str, Any]:
    """Train and test results of dropout at p during each part of training, (parts, seeds)."""
    begins, ends = np.repeat(list(WHEN.values()), len(JUDGED), axis=0).T
    runs = regularised.fit(
        *pools["train"], (8, 8), seeds=np.tile(JUDGED, len(WHEN)), rows=4000, steps=3000, p=p,
        begins=begins, ends=ends, watch={"test": pools["test"]},
    )  # fmt: skip
    shape = len(WHEN), len(JUDGED)
    return {
        "train loss": _short(runs.loss["train"][:, -1].reshape(shape), 4),
        "train error": _short(runs.error["train"][:, -1].reshape(shape)),
        "test error": _short(runs.error["test"][:, -1].reshape(shape)),
        "test loss": _short(runs.loss["test"][:, -1].reshape(shape), 4),
    }


def _short(values: np.ndarray, digits: int = 3) -> Any:
    """Nested lists of rounded numbers."""
    return np.asarray(values, float).round(digits).tolist()


def main() -> None:
    """Measure the cells that are missing."""
    pools: Pools = {"train": numerals(20_000, 3), "validation": numerals(2000, 1)}
    pools["test"] = numerals(4000, 2)
    work: list[tuple[str, Any]] = [
        *((name, lambda how=how: _measured(pools, **how)) for name, how in cells()),
        *(
            (f"rates {width} {images}", lambda where=(width, images): _rates(pools, *where))
            for width, images in SEARCHED
        ),
        *((f"ways {name}", lambda name=name: _ways(pools, name, [0.05])) for name in WAYS),
        *((f"tuned {name}", lambda name=name: _ways(pools, name, OFFERED)) for name in WAYS),
        ("when", lambda: _when(pools, 0.1)),
    ]
    for name, measure in work:
        found = studies.kept("overfitting")
        if name not in found:
            print(name, file=sys.stderr, flush=True)
            studies.keep("overfitting", found | {name: measure()})


if __name__ == "__main__":
    main()
