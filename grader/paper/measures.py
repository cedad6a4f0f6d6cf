"""What is measured on trained networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dropoutlab.reproduced import EDGES, packed
from grader.paper.networks import Networks

Json = dict[str, Any]


@torch.no_grad()
def reconstruction(nets: Networks, X: torch.Tensor) -> list[float]:
    """Of each autoencoder the mean squared error of a pixel, nothing dropped."""
    squares = sum(
        (nets.forward(x, dropping=False)[0] - x).square().sum((1, 2)) for x in X.split(1000)
    )
    return (squares / X.numel()).tolist()


@torch.no_grad()
def averages(
    nets: Networks, X: torch.Tensor, y: torch.Tensor, masks: int, repeats: int
) -> list[list[list[float]]]:
    """For each network and repeat: the test error (percent) when k = 1 … `masks` thinned
    networks' probabilities are averaged (§7.5). Each image draws its own masks."""
    wrong = torch.zeros(repeats, masks, nets.count, device=X.device)
    for repeat in range(repeats):
        for x, t in zip(X.split(1000), y.split(1000), strict=True):
            total = torch.zeros((), device=X.device)
            for k in range(masks):
                total = total + nets.forward(x, dropping=True)[0].softmax(2)
                wrong[repeat, k] += (total.argmax(2) != t).sum(1)
    return (100 * wrong.double() / len(y)).permute(2, 0, 1).tolist()


@torch.no_grad()
def features(nets: Networks, X: torch.Tensor) -> Json:
    """Figures 7 and 8 in numbers, one for each autoencoder: what its units learnt and do.

    A feature is what a unit draws, its outgoing weights w.

    activation : mean activation of a unit on test images; laid : times ‖w‖, which cannot be
        changed by scaling the two layers against one another
    silent : share of activations that are 0
    pixels : (Σ w²)² / Σ w⁴, its mean over the units: over how many pixels a feature spreads
    histograms of the units' means and of all activations, `EDGES` apart; 25 features, packed
    """
    H = torch.cat([nets.forward(x, dropping=False)[1][0] for x in X.split(1000)], 1)
    means = H.mean(1)
    W = nets.weights[1]
    spread = W.square().sum(2).square() / W.pow(4).sum(2).clamp_min(1e-30)
    return {
        "reconstruction": reconstruction(nets, X),
        "activation": means.mean(1).tolist(),
        "laid": (means * W.norm(dim=2)).mean(1).tolist(),
        "silent": (H == 0).float().mean((1, 2)).tolist(),
        "pixels": spread.mean(1).tolist(),
        "histogram of units": [_counts(unit) for unit in means],
        "histogram of activations": [_counts(each) for each in H],
        "features": [packed(own[:25].cpu().numpy()) for own in W],
    }


def _counts(values: torch.Tensor) -> list[int]:
    return np.histogram(values.cpu().numpy(), EDGES)[0].tolist()
