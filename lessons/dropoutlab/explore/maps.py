"""Images: what each kind of dropout takes from the same feature maps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from dropoutlab import data, plot
from dropoutlab.explore.explorer import Explorer, slider

IMAGES, MAPS, SIDE = 3, 3, 14
APART = MAPS * SIDE + 8  # from sheet to sheet, all in one axes
GONE = np.array(to_rgb("#F2B48A"))
Mask = Callable[..., torch.Tensor]


@cache
def _maps() -> np.ndarray:
    """The ink of three characters, and its edges down and across: (IMAGES, MAPS, SIDE, SIDE)."""
    large, _ = data.glyphs(IMAGES, seed=5, classes="ABE")
    ink = large.astype(float).reshape(IMAGES, SIDE, 2, SIDE, 2).mean((2, 4))
    maps = np.stack([ink, *(np.abs(np.gradient(ink, axis=axis)) for axis in (1, 2))], 1)
    return maps / maps.max((2, 3), keepdims=True)


def _readable(gone: np.ndarray) -> float:
    """The fraction of dropped pixels with a kept neighbour above, below, left or right."""
    wide = np.pad(gone, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=True)
    shut = wide[..., :-2, 1:-1] & wide[..., 2:, 1:-1] & wide[..., 1:-1, :-2] & wide[..., 1:-1, 2:]
    return float(1 - shut[gone].mean()) if gone.any() else 1.0


def maps(spatial_dropout: Mask, dropblock: Mask, drop_path: Mask, cutout: Mask) -> Explorer:
    """Explore five masks on the same maps; p, side of a block or square, another draw."""

    def draw(figure: Figure, p: float, b: int, draw: int) -> str:
        ones = torch.ones(IMAGES, MAPS, SIDE, SIDE)

        def source() -> torch.Generator:
            return torch.Generator().manual_seed(draw)

        out = {
            "Element": ones * (torch.rand(ones.shape, generator=source()) >= p),
            "Spatial": spatial_dropout(ones, p, source()),
            "DropBlock": dropblock(ones, p, b, source()),
            "Path": drop_path(ones, p, source()),
            "Cutout": cutout(ones, b, source()),
        }
        ax = figure.add_axes((0.01, 0.11, 0.98, 0.77))
        sheets = np.ones((IMAGES * SIDE, 5 * APART - 8, 3))
        beside = {}
        for k, (name, kept) in enumerate(out.items()):
            gone = np.asarray(kept) == 0
            ink = np.where(gone[..., None], GONE, 1 - 0.85 * _maps()[..., None])
            sheet = ink.transpose(0, 2, 1, 3, 4).reshape(IMAGES * SIDE, MAPS * SIDE, 3)
            sheets[:, k * APART : k * APART + MAPS * SIDE] = sheet
            middle = k * APART + MAPS * SIDE / 2 - 0.5
            ax.text(middle, -2, f"{name}: {gone.mean():.2f} gone", ha="center", va="bottom")
            beside[name] = f"{100 * _readable(gone):.0f} %"
            below = f"{beside[name]} beside a kept one" if gone.any() else "nothing is gone"
            ax.text(middle, IMAGES * SIDE + 1, below, ha="center", va="top", fontsize=9)
        ax.imshow(sheets, interpolation="nearest", aspect="equal")
        across = [k * APART + m * SIDE - 0.5 for k in range(5) for m in range(MAPS + 1)]
        ax.vlines(across, -0.5, IMAGES * SIDE - 0.5, color=plot.GREY, linewidth=0.6)
        for k in range(5):
            ax.hlines(SIDE * np.arange(IMAGES + 1) - 0.5, k * APART - 0.5,
                      k * APART + MAPS * SIDE - 0.5, color=plot.GREY, linewidth=0.6)  # fmt: skip
        ax.set_axis_off()
        return (
            f"Three images (rows) with three maps each, p = {p:.2f}, b = {b}. Of what is gone, "
            f"{beside['Element']} lies beside a kept pixel of its map in element dropout, "
            f"{beside['DropBlock']} in DropBlock, {beside['Cutout']} in cutout."
        )

    return Explorer(
        draw,
        size=(9.6, 2.3),
        p=slider("drop probability p", 0.3, 0.05, 0.9, 0.05),
        b=slider("side b of block and square", 3, 1, 14, 1),
        draw=slider("another draw", 0, 0, 20, 1),
    )
