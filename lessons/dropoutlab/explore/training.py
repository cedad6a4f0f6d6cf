"""Overfitting: pairs of small networks that train in the page, and what twenty such pairs show."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from dropoutlab import studies
from dropoutlab.explore.explorer import Explorer, again, choice
from dropoutlab.studies.moons import RATES, SEEDS, SIZES, WIDTHS

TYPICAL = 17
"""The pair whose difference is nearest the mean of all, where the explorer begins."""


def training(
    paired_difference: Callable[..., tuple[float, float, float]],
    choose_rate: Callable[..., tuple[float, float]],
) -> Explorer:
    """Explore training with and without dropout; points, hidden units, p, and another pair."""
    kept = studies.kept("moons")
    rates = RATES[1:]

    def table() -> dict[str, np.ndarray]:
        pairs, gaps, chosen = [], [], []
        for size, width in product(SIZES, WIDTHS):
            cell = kept[f"{width} {size}"]
            plain, *tests = map(np.array, cell["test"])
            pairs.append([errors - plain for errors in tests])
            gaps.append([paired_difference(errors.copy(), plain.copy()) for errors in tests])
            seen = zip(RATES, cell["validation"], cell["test"], strict=True)
            chosen.append(
                choose_rate({p: (shown, lambda new=new: new) for p, shown, new in seen})[0]
            )
        arrays: dict[str, list] = {"pairs": pairs, "gaps": gaps, "chosen": chosen}
        shape = (len(SIZES), len(WIDTHS))
        found = {name: np.reshape(v, shape + np.shape(v)[1:]) for name, v in arrays.items()}
        return found | {"rates": np.array(rates)}

    points, width = choice("training examples", 40, SIZES), choice("hidden units", 64, WIDTHS)
    p = choice("drop probability p", 0.5, rates)
    pair = again("Another pair", SEEDS, TYPICAL)
    return Explorer("training", table, points=points, width=width, p=p, pair=pair)
