"""Answers to exercises that the course's own code needs as well.

Where a class is graded, no learner's process holds this module (`grader.isolation.confinement`), so
whoever needs something of it imports it where it is used: what a lesson's first cell imports has
to be there without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from dropoutlab import convnets, matched

# --- 3.1 ---------------------------------------------------------------------------------


def spatial_dropout(x: Tensor, p: float, generator: Generator | None = None) -> Tensor:
    """Each map of each image has a coin (Tompson et al. 2015)."""
    coins = torch.rand(*x.shape[:2], 1, 1, generator=generator)
    return x * (coins >= p) / (1 - p)


def dropblock(x: Tensor, p: float, size: int, generator: Generator | None = None) -> Tensor:
    """squares of side `size` are dropped, so often that each pixel is kept with probability 1 - p.

    After Ghiasi, Lin and Le (2018), but with squares that may hang over the border.
    """
    N, C, H, W = x.shape
    coins = torch.rand(N, C, H + size - 1, W + size - 1, generator=generator)
    falls = (coins < 1 - (1 - p) ** (1 / size**2)).float()
    return x * (F.max_pool2d(falls, size, stride=1) == 0) / (1 - p)


def drop_path(x: Tensor, p: float, generator: Generator | None = None) -> Tensor:
    """Each image's branch has a coin (Huang et al. 2016)."""
    coins = torch.rand(len(x), *[1] * (x.dim() - 1), generator=generator)
    return x * (coins >= p) / (1 - p)


def cutout(x: Tensor, size: int, generator: Generator | None = None) -> Tensor:
    """A square of side `size` is 0 in each image, its centre uniform (DeVries and Taylor 2017)."""
    inside = []
    for length in x.shape[2:]:
        centre = torch.randint(length, (len(x), 1), generator=generator)
        offset = torch.arange(length) - centre + size // 2
        inside.append((offset >= 0) & (offset < size))
    return x.masked_fill(inside[0][:, None, :, None] & inside[1][:, None, None, :], 0)


def probe_error(
    body: Callable[[Tensor], Tensor],
    k: int,
    seeds: Sequence[int],
    penalty: float = convnets.PENALTY,
) -> np.ndarray:
    """The test errors in percent of classifiers of body's features, k unseen images of a class."""
    X, y = convnets.unseen("test")
    errors = []
    with torch.no_grad():
        for seed in seeds:
            few, labels = convnets.labelled(k, seed)
            found = convnets.classifier(body(few), labels, penalty)(body(X))
            errors.append(100 * (found != y).double().mean().item())
    return np.array(errors)


IMAGES = convnets.Functions(spatial_dropout, dropblock, drop_path, cutout)


# --- 3.2 ---------------------------------------------------------------------------------


def locked(p: float) -> Callable[[Tensor], Tensor]:
    """Inverted dropout of (T, B, F) with one mask for all time steps."""
    return lambda x: x * F.dropout(torch.ones_like(x[:1]), p)


def words(p: float) -> Callable[[Tensor, Tensor], Tensor]:
    """A table's rows for tokens, with whole rows dropped."""
    return lambda table, tokens: (table * F.dropout(torch.ones(len(table), 1), p))[tokens]


def zoned(p: float) -> Callable[[Tensor, Tensor, bool], Tensor]:
    """The old value with probability p, else the new one."""
    return lambda old, new, on: (
        torch.where(torch.rand(new.shape) < p, old, new) if on else p * old + (1 - p) * new
    )


def stripes(width: int) -> Callable[[Tensor], Tensor]:
    """`width` neighbouring bands of each spectrogram (T, B, F) set to 0."""

    def heard(x: Tensor) -> Tensor:
        start = torch.randint(x.shape[2] - width + 1, (x.shape[1], 1))
        places = torch.arange(x.shape[2])
        return x.masked_fill((places >= start) & (places < start + width), 0)

    return heard


# --- 3.3 ---------------------------------------------------------------------------------


class Block(nn.Module):
    """The lesson's block, with torch's own attention: as the lesson asserts, the same function."""

    def __init__(
        self,
        dim: int,
        heads: int,
        p_attention: float,
        p_residual: float,
        p_mlp: float = 0.0,
        p_heads: float = 0.0,
    ):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.weights, self.whole, self.heads = p_attention, p_heads, heads
        self.branch, self.inside = nn.Dropout(p_residual), nn.Dropout(p_mlp)

    def look(self, x: Tensor) -> Tensor:
        """What the heads send, side by side (B, T, dim)."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        rate = self.weights if self.training else 0.0
        sent = F.scaled_dot_product_attention(q, k, v, dropout_p=rate)
        if self.training and self.whole:
            runs = torch.rand(*sent.shape[:2], 1, 1).ge(self.whole).to(sent.dtype)
            sent = sent * runs / runs.mean(1, keepdim=True).clamp(min=1e-9)
        return sent.transpose(1, 2).flatten(2)

    def forward(self, x: Tensor) -> Tensor:
        """The stream x (B, T, dim) with what both branches add."""
        x = x + self.branch(self.out(self.look(self.norm_1(x))))
        return x + self.branch(self.narrow(self.inside(F.gelu(self.wide(self.norm_2(x))))))


def layer_drop(
    layers: list[nn.Module], x: Tensor, p: float, generator: Any = None, training: bool = True
) -> Tensor:
    """x through the layers, each skipped with probability p while training."""
    runs = torch.rand(len(layers), generator=generator) >= (p if training else 0.0)
    for layer, run in zip(layers, runs.tolist(), strict=True):
        x = layer(x) if run else x
    return x


def agreeing(alpha: float) -> Any:
    """R-Drop's loss of two passes."""

    def loss(first: Tensor, second: Tensor, y: Tensor) -> Tensor:
        P, Q = F.log_softmax(first, 1), F.log_softmax(second, 1)
        apart = F.kl_div(Q, P, reduction="batchmean", log_target=True)
        apart = apart + F.kl_div(P, Q, reduction="batchmean", log_target=True)
        return F.cross_entropy(first, y) + F.cross_entropy(second, y) + alpha / 2 * apart

    return loss


# --- 3.4 ---------------------------------------------------------------------------------


def gaussian(x: Tensor, p: float, generator: Generator | None = None) -> Tensor:
    """Each entry times a normal number of mean 1 and variance p / (1 - p)."""
    noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x * (1 + math.sqrt(p / (1 - p)) * noise)


def connect(x: Tensor, W: Tensor, b: Tensor, p: float, generator: Generator | None) -> Tensor:
    """x Wᵀ + b, each weight of each sample dropped with probability p."""
    coins = torch.rand(len(x), *W.shape, generator=generator)
    return torch.einsum("nji,ni->nj", W * (coins >= p) / (1 - p), x) + b


def alpha(x: Tensor, p: float, generator: Generator | None = None) -> Tensor:
    """Alpha dropout (Klambauer et al. 2017)."""
    a = (1 - p + matched.LEAST**2 * p * (1 - p)) ** -0.5
    kept = torch.rand(x.shape, generator=generator) >= p
    return a * torch.where(kept, x, matched.LEAST) - a * p * matched.LEAST


def standout(x: Tensor, W: Tensor, scale: float, shift: float) -> Tensor:
    """Standout's probability that a unit is kept, with two numbers (Ba and Frey 2013)."""
    return torch.sigmoid(scale * F.linear(x, W) + shift)


MATCHED = matched.Functions(gaussian, connect, alpha, standout)


# --- 4.1 ---------------------------------------------------------------------------------


WORD = 0xFFFFFFFF
"""The largest word, and the mask that cuts a number down to one."""


def philox_4x32(counter: Sequence[Any], key: Sequence[Any], rounds: int = 10) -> tuple[Any, ...]:
    """Philox-4x32 (Salmon et al. 2011): four words, of ints or int64 tensors."""
    a, b, c, d = counter
    for n in range(rounds):
        k = (key[0] + n * 0x9E3779B9) & WORD, (key[1] + n * 0xBB67AE85) & WORD
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b = ((second >> 32) & WORD) ^ b ^ k[0], second & WORD
        c, d = ((first >> 32) & WORD) ^ d ^ k[1], first & WORD
    return a, b, c, d


def uniform_from_uint32(x: torch.Tensor) -> torch.Tensor:
    """The upper 24 bits of each word as a multiple of 2^-24 in [0, 1), float32."""
    return (x >> 8).float() / 2**24
