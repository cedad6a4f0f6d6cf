"""How fast processors are at the moment: what else runs on a core's twin can halve that."""

from __future__ import annotations

import time

TASK = "sum(i * i for i in range(2_000_000))"
USUAL = 0.15
"""Seconds of processor time that the task takes where no neighbour shares caches and units."""


def slow() -> float:
    """How many times as long the task takes now; 1 where it is as fast as usual."""
    begin = time.process_time()
    eval(TASK)
    return max(1.0, (time.process_time() - begin) / USUAL)
