"""Schedules: at which step and in which layer is how much dropped, and how much noise is that?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dropoutlab.explore.explorer import Explorer, choice, grid
from dropoutlab.studies.schedules import KINDS

STEPS, SHOWN = 100, 25
"""Steps of a training run, and the equal stretches of them that are drawn, each by its middle."""
DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24)


def schedules(
    scheduled_rate: Callable[..., float], layer_rates: Callable[..., Sequence[float]]
) -> Explorer:
    """Explore the drop rate of each layer at each step, and the noise that it brings."""
    p = grid("p", 0.3, 0.1, 0.9, 0.05)
    steps = range(STEPS // SHOWN // 2, STEPS, STEPS // SHOWN)

    def table() -> dict[str, np.ndarray]:
        tops = [[rate for depth in DEPTHS for rate in layer_rates(q, depth)] for q in p.values]
        rates = [
            [[[scheduled_rate(t, STEPS, top, kind) for t in steps] for top in row] for row in tops]
            for kind in KINDS
        ]
        whole = np.round(10_000 * np.array(rates)).astype(np.int16)
        return {"rates": whole, "first": np.cumsum((0, *DEPTHS))}

    return Explorer(
        "schedules",
        table,
        kind=choice("schedule", "linear", list(KINDS)),
        p=p,
        depth=choice("layers", 12, DEPTHS),
    )
