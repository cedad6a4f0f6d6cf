"""Images: what each kind of dropout takes from the same feature maps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from dropoutlab import data
from dropoutlab.explore.explorer import Explorer, again, grid

IMAGES, MAPS, SIDE, DRAWS = 2, 3, 14, 3
Mask = Callable[..., torch.Tensor]


@cache
def _maps() -> np.ndarray:
    """The ink of two characters, and its edges down and across: (IMAGES, MAPS, SIDE, SIDE)."""
    large, _ = data.glyphs(IMAGES, seed=5, classes="AB")
    ink = large.astype(float).reshape(IMAGES, SIDE, 2, SIDE, 2).mean((2, 4))
    maps = np.stack([ink, *(np.abs(np.gradient(ink, axis=axis)) for axis in (1, 2))], 1)
    return maps / maps.max((2, 3), keepdims=True)


def maps(spatial_dropout: Mask, dropblock: Mask, drop_path: Mask, cutout: Mask) -> Explorer:
    """Explore five masks on the same maps; p, side of a block or square, another draw."""
    rates, sides = grid("drop probability p", 0.3, 0.1, 0.9, 0.1), grid("side b", 3, 1, 9, 1)

    def table() -> dict[str, np.ndarray]:
        ones = torch.ones(IMAGES, MAPS, SIDE, SIDE)
        made: dict[str, list] = {
            "element": [],
            "spatial": [],
            "path": [],
            "block": [],
            "square": [],
        }
        for draw in range(DRAWS):
            for p in map(float, rates.values):
                first, *others = (torch.Generator().manual_seed(draw) for _ in range(3))
                made["element"].append(torch.rand(ones.shape, generator=first) >= p)
                made["spatial"].append(spatial_dropout(ones, p, others[0]) != 0)
                made["path"].append(drop_path(ones, p, others[1]) != 0)
                for b in sides.values:
                    made["block"].append(
                        dropblock(ones, p, b, torch.Generator().manual_seed(draw)) != 0
                    )
            for b in sides.values:
                made["square"].append(cutout(ones, b, torch.Generator().manual_seed(draw)) != 0)
        shapes: dict[str, tuple[int, ...]] = {
            "block": (DRAWS, len(rates.values), len(sides.values), -1),
            "square": (DRAWS, len(sides.values), -1),
        }
        plain = (DRAWS, len(rates.values), -1)
        kept = {
            name: torch.stack(masks).numpy().reshape(shapes.get(name, plain))
            for name, masks in made.items()
        }
        return kept | {"ink": np.round(255 * _maps()).astype(np.uint8).ravel()}

    return Explorer("maps", table, p=rates, b=sides, draw=again("Another draw", DRAWS))
