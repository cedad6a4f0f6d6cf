"""Frontier: twelve units carry bits, each in some copies; how many bits survive dropout."""

from __future__ import annotations

import numpy as np

from dropoutlab.explore.explorer import Explorer, again, choice, grid
from dropoutlab.frontier import survives

UNITS, DRAWS, ROWS = 12, 5, 400


def copies() -> Explorer:
    """Explore the bits that twelve units keep; p, copies of each bit, other draws."""
    p = grid("drop probability p", 0.5, 0.05, 0.95, 0.05)

    def table() -> dict[str, np.ndarray]:
        places = np.random.default_rng(0).random((DRAWS, ROWS, UNITS))
        kept = [survives(rate, np.arange(1, UNITS + 1)) for rate in p.values]
        return {"kept": np.array(kept), "places": (places * 2**16).astype(np.uint16)}

    k = choice("copies of each bit", 3, [k for k in range(1, UNITS + 1) if UNITS % k == 0])
    return Explorer("copies", table, p=p, k=k, draw=again("Other draws", DRAWS))
