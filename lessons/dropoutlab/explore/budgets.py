"""Overfitting: what dropout changes, by width, number of images and number of steps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from dropoutlab import studies
from dropoutlab.explore.explorer import Explorer, choice
from dropoutlab.studies.overfitting import IMAGES, RATES, STEPS, WIDTHS


def budgets(
    paired_difference: Callable[..., tuple[float, float, float]],
    choose_rate: Callable[..., tuple[float, float]],
) -> Explorer:
    """Explore the test error against p in the lesson's study; training images and steps."""
    kept = studies.kept("overfitting")

    def table() -> dict[str, np.ndarray]:
        tests, gaps, chosen = [], [], []
        for images, steps, width in product(IMAGES, STEPS, WIDTHS):
            cell = kept[f"map {width} {images} {steps}"]
            seen = zip(cell["p"], cell["validation"], cell["test"], strict=True)
            test = np.array(cell["test"])
            tests.append(test)
            gaps.append([paired_difference(errors, test[0]) for errors in test[1:]])
            chosen.append(choose_rate({p: (shown, lambda new=new: new) for p, shown, new in seen}))
        shape = (len(IMAGES), len(STEPS), len(WIDTHS))
        arrays: dict[str, list] = {"test": tests, "gap": gaps, "chosen": chosen}
        found = {name: np.reshape(v, shape + np.shape(v)[1:]) for name, v in arrays.items()}
        return found | {"rates": np.array(RATES), "widths": np.array(WIDTHS)}

    images = choice("training images", 1000, IMAGES)
    return Explorer("budgets", table, images=images, steps=choice("training steps", 1500, STEPS))
