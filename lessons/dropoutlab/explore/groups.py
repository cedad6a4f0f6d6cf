"""Kernels: which entries share a coin, by the two numbers that make a group's address."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from dropoutlab.explore.explorer import Explorer, again, choice

TEXTS, TOKENS, FEATURES = 3, 8, 12
SHARED, INNER = (1, 2, 3, 5, 8, 12, 24, 96), (1, 2, 3, 6, 12, 96)
RATES, SEEDS = (0.25, 0.5, 0.75), (7, 8)


def groups(grouped_dropout: Callable[..., torch.Tensor]) -> Explorer:
    """Explore which of three texts' entries share a coin; `shared`, `inner`, p, the seed."""

    def table() -> dict[str, np.ndarray]:
        ones = torch.ones(TEXTS, TOKENS, FEATURES)
        sent = [
            np.asarray(grouped_dropout(ones, shared, inner, p, seed)) != 0
            for shared in SHARED
            for inner in INNER
            for p in RATES
            for seed in SEEDS
        ]
        return {"kept": np.reshape(sent, (len(SHARED), len(INNER), len(RATES), len(SEEDS), -1))}

    return Explorer(
        "groups",
        table,
        shared=choice("shared", 2, SHARED),
        inner=choice("inner", 3, INNER),
        p=choice("drop probability p", 0.5, RATES),
        draw=again("Another seed", len(SEEDS)),
    )
