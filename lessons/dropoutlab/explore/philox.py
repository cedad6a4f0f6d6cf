"""Stateless masks: a counter in, a mask out, and what one flipped bit changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider

ROWS, COLUMNS = 10, 40
COLOURS = ListedColormap([plot.PALE, plot.BLUE, "#F6C9A8", plot.ORANGE])
"""0 and 1 as they were, and 0 and 1 that have changed."""


def philox(
    philox_4x32: Callable[..., tuple], uniform_from_uint32: Callable[..., object]
) -> Explorer:
    """Explore Philox: the first counter, the bit to flip (128 of the counter, 64 of the key)."""

    def draw(figure: Figure, rounds: int, bit: int, p: float, counter: int) -> str:
        number = counter + torch.arange(ROWS * COLUMNS)
        before: list[Any] = [number, *(torch.zeros_like(number) for _ in range(3)), 2014, 7]
        after = list(before)
        after[bit // 32] = after[bit // 32] ^ (1 << bit % 32)
        words: list[np.ndarray] = []
        coins: list[np.ndarray] = []
        for six in (before, after):
            out = [torch.as_tensor(w) + 0 * number for w in philox_4x32(six[:4], six[4:], rounds)]
            words.append(np.array([int(word[0]) for word in out]))
            coins.append(np.asarray(uniform_from_uint32(out[0])) >= p)
        bits = [word[:, None] >> np.arange(31, -1, -1) & 1 for word in words]
        kept = [coin.reshape(ROWS, COLUMNS) for coin in coins]

        upper, lower = figure.subplots(2, 1, height_ratios=(4, ROWS))
        figure.subplots_adjust(left=0.1, right=0.98, bottom=0.03, top=0.91, hspace=0.3)
        changed = []
        for ax, (old, new) in zip((upper, lower), (bits, kept), strict=True):
            ax.pcolormesh(new + 2 * (old != new), cmap=COLOURS, vmin=0, vmax=3,
                          edgecolors="white", linewidth=1)  # fmt: skip
            ax.invert_yaxis()
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            changed.append(int((old != new).sum()))
        where = f"bit {bit % 32} of counter word {bit // 32}"
        if bit >= 128:
            where = f"bit {bit % 32} of key word {bit // 32 - 4}"
        upper.set_yticks(np.arange(4) + 0.5, [f"word {k}" for k in range(4)])
        upper.set_title(f"128 bits from counter {counter}: {changed[0]} change with {where}")
        lower.set_title(f"Mask from {ROWS * COLUMNS} counters: {changed[1]} entries change")
        return (
            f"After {rounds} round{'s' * (rounds != 1)}, flipping {where} changes {changed[0]} of "
            f"128 bits and {changed[1]} of {ROWS * COLUMNS} entries of the mask; coins would "
            f"change 64, and {2 * p * (1 - p) * ROWS * COLUMNS:.0f} at p = {p:.2f}."
        )

    return Explorer(
        draw,
        size=(9, 4.4),
        rounds=slider("rounds", 3, 0, 10, 1),
        bit=slider("bit to flip (0 to 191)", 0, 0, 191, 1),
        p=slider("drop probability p", 0.5, 0.05, 0.95, 0.05),
        counter=slider("first counter", 0, 0, 1000, 1),
    )
