"""PyTorch modules with which checks ask."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AlwaysDropout(nn.Module):
    """Dropout for Monte-Carlo predictions: it drops in evaluation mode too."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, True)


def passing_on(net: nn.Module, mixing: int | None = None) -> nn.Module:
    """`net` in training mode, with unit matrices as weights: what a unit sends is one output.

    All biases are 0 but the last, which is -1/2: an output that is exactly 0 was dropped, or cut
    off by a ReLU, after the last layer. Each unit of layer number `mixing` gets the mean of all
    that it is sent instead, so that what was dropped before it doesn't show.
    """
    with torch.no_grad():
        *_, last = weights = list(net.parameters())
        matrices = [w for w in weights if w.dim() == 2]
        for w in weights:
            w.copy_(torch.eye(*w.shape) if w.dim() == 2 else torch.zeros(len(w)))
        if mixing is not None:
            matrices[mixing].fill_(1 / matrices[mixing].shape[1])
        last.fill_(-0.5)
    return net.train()  # while `weights` holds them: a grader sends them to the learner's process
