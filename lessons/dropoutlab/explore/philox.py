"""Stateless masks: a counter in, a mask out, and what one flipped bit changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dropoutlab.explore.explorer import Explorer, choice, grid

ROWS, COLUMNS, ROUNDS = 8, 40, 10
BITS = tuple(range(0, 192, 4))
"""The bits that can be flipped: 128 are the counter's, 64 the key's."""


def philox(
    philox_4x32: Callable[..., tuple], uniform_from_uint32: Callable[..., object]
) -> Explorer:
    """Explore Philox: how many rounds, and which bit of counter or key is flipped."""

    def table() -> dict[str, np.ndarray]:
        number = torch.arange(ROWS * COLUMNS)
        plain: list[Any] = [number, *(torch.zeros_like(number) for _ in range(3)), 2014, 7]
        words, coins = [], []
        for rounds in range(ROUNDS + 1):
            for bit in (None, *BITS):  # first as it is
                six = list(plain)
                if bit is not None:
                    six[bit // 32] = six[bit // 32] ^ (1 << bit % 32)
                made = philox_4x32(six[:4], six[4:], rounds)
                out = [torch.as_tensor(word) + 0 * number for word in made]
                words.append([[int(out[k][0]) >> 16, int(out[k][0]) & 0xFFFF] for k in range(4)])
                coins.append(65536 * np.asarray(uniform_from_uint32(out[0]), dtype=float))
        shape = (ROUNDS + 1, 1 + len(BITS), -1)
        return {
            "words": np.array(words, np.uint16).reshape(shape),
            "coins": np.floor(coins).clip(0, 65535).astype(np.uint16).reshape(shape),
        }

    return Explorer(
        "philox",
        table,
        rounds=grid("rounds", 3, 0, ROUNDS, 1),
        bit=choice("bit to flip", 4, BITS),
        p=grid("drop probability p", 0.5, 0.05, 0.95, 0.05),
    )
