"""Sequences: units and words through time, under four ways to drop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from dropoutlab.explore.explorer import Explorer, again, grid

UNITS, WORDS, STEPS, DRAWS = 30, 5, 40, 3


def masks_over_time(
    locked_dropout: Callable, embedding_dropout: Callable, zoneout: Callable
) -> Explorer:
    """Explore four ways to drop 30 units through time; p, time steps, draw."""
    rates = grid("p", 0.2, 0.0, 0.9, 0.1)

    @torch.no_grad()
    def table() -> dict[str, np.ndarray]:
        ones, unit = torch.ones(STEPS, 1, UNITS), torch.ones(1, UNITS)
        ways: dict[str, list] = {
            "naive": [],
            "locked": [],
            "renewed": [],
            "shown": [],
            "tokens": [],
        }
        for p in map(float, rates.values):
            for draw in range(DRAWS):
                generator = torch.Generator().manual_seed(draw)
                ways["naive"].append(torch.rand(STEPS, UNITS, generator=generator) >= p)
                ways["locked"].append(locked_dropout(ones, p, generator)[:, 0] != 0)
                steps = [zoneout(0 * unit, unit, p, generator)[0] != 0 for _ in range(STEPS)]
                ways["renewed"].append(torch.stack(steps))
                tokens = torch.randint(WORDS, (STEPS,), generator=generator)
                words = embedding_dropout(torch.ones(WORDS, UNITS), tokens, p, generator)
                ways["shown"].append(words != 0)
                ways["tokens"].append(tokens)
        shape = (len(rates.values), DRAWS, STEPS, -1)
        return {
            name: torch.stack(made).numpy().astype(np.uint8).reshape(shape)
            for name, made in ways.items()
        }

    steps = grid("time steps", 20, 2, STEPS, 1)
    draw = again("Another draw", DRAWS)
    return Explorer("masks_over_time", table, p=rates, steps=steps, draw=draw)
