"""Kernels: which entries share a coin, by the two numbers that make a group's address."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider

TEXTS, TOKENS, FEATURES = 3, 8, 12


def groups(grouped_dropout: Callable[..., torch.Tensor]) -> Explorer:
    """Explore which of three texts' entries share a coin; `shared`, `inner`, p, the seed."""
    ones = torch.ones(TEXTS, TOKENS, FEATURES)

    def draw(figure: Figure, shared: int, inner: int, p: float, seed: int) -> str:
        sent = np.asarray(grouped_dropout(ones, shared, inner, p, seed))
        number = np.arange(ones.numel())
        group = (number // (shared * inner) * inner + number % inner).reshape(sent.shape)
        mates = group == group[0, 0, 0]  # of the first entry

        axes = figure.subplots(1, TEXTS, sharey=True)
        figure.subplots_adjust(left=0.07, right=0.99, bottom=0.14, top=0.86, wspace=0.06)
        for text, ax in enumerate(axes):
            plot.mask(sent[text], ax)
            ax.set(title=f"text {text}", xlabel="feature", aspect="auto")
            for token, feature in np.argwhere(mates[text]):
                ax.plot(feature + 0.5, token + 0.5, ".", color=plot.ORANGE, markersize=7)
        axes[0].set_ylabel("token")
        count, dropped = len(np.unique(group)), int((sent == 0).sum())
        return (
            f"With shared = {shared} and inner = {inner} there are {count} coins for "
            f"{ones.numel()} entries; {int(mates.sum())} of them have the coin of the first one "
            f"(orange dots), and {dropped} are dropped at p = {p:.2f}."
        )

    return Explorer(
        draw,
        size=(9, 3.2),
        shared=slider("shared", 2, 1, TOKENS * FEATURES, 1),
        inner=slider("inner", 3, 1, TOKENS * FEATURES, 1),
        p=slider("drop probability p", 0.5, 0.05, 0.95, 0.05),
        seed=slider("seed", 7, 0, 100, 1),
    )
