"""Robustness: an image under attack, and three networks that read it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dropoutlab import robust
from dropoutlab.explore.explorer import Explorer, choice, grid
from dropoutlab.studies import robustness

WAYS = ("none", "hidden dropout", "input noise")
SHOWN, ASKED = 12, 200
"""Images to choose from, and those whose errors are counted."""


def attack(fgsm: Callable[..., Tensor]) -> Explorer:
    """Explore one image and its reading under `fgsm`; epsilon, the image, the network."""
    epsilon = grid("ε", 0.06, 0.0, 0.2, 0.01)

    def table() -> dict[str, np.ndarray]:
        X, y = (torch.as_tensor(part[:ASKED]) for part in robust.numerals(2000, 2))
        images, chances, errors = [], [], []
        for way in WAYS:
            net = robustness.trained(way, (0,), rate=0.1)[0]
            for e in epsilon.values:
                moved = fgsm(net, X, y, float(e)).detach()
                said = net(moved).detach()
                images.append(255 * moved[:SHOWN].clamp(0, 1).numpy())
                chances.append(said[:SHOWN].softmax(-1).numpy())
                errors.append(100 * float((said.argmax(-1) != y).float().mean()))
        shape = (len(WAYS), len(epsilon.values))
        return {
            "images": np.round(images).astype(np.uint8).reshape(*shape, SHOWN, -1),
            "chances": np.reshape(chances, (*shape, SHOWN, 10)),
            "errors": np.reshape(errors, shape),
            "labels": y[:SHOWN].numpy(),
        }

    image = grid("image", 2, 0, SHOWN - 1, 1)
    way = choice("trained with", "hidden dropout", WAYS)
    return Explorer("attack", table, epsilon=epsilon, image=image, way=way)
