"""Small convolutional networks that read printed characters, with noise at a place of their maps.

A network is a convolution of stride 2, which gives maps of 7 × 7 pixels, two residual blocks
h + f(h), a pooling, and a linear classifier. Networks of one seed share their first weights, their
training images and the order of these; what differs is what is done to maps or images in training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from dropoutlab import data, stacked

KINDS = "0123456789ABCDEFGHIJ"
"""The characters that networks learn."""
OTHERS = "KLMNPQRSTUVWXYZ"
"""Characters that no network has seen, for the transfer of features."""
CHANNELS, BLOCKS = 16, 2
ROWS, BATCH, STEPS, RATE = 400, 25, 480, 0.012

Set = tuple[Tensor, Tensor]
"""Images (n, 1, 14, 14), and their classes (n,)."""
Change = Callable[[Tensor], Tensor]
"""Of maps (n, channels, height, width), or of what a branch gives."""
Noise = Mapping[str, Change]
"""What is done in training, by place: "after blocks" or "branches"."""
QUIET: Noise = {}


# --- noise -------------------------------------------------------------------------------


def element_dropout(x: Tensor, p: float, generator: Generator | None = None) -> Tensor:
    """Each entry of each map has a coin of its own."""
    return x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p)


class Functions(NamedTuple):
    """What makes the noise: the course's own, `own.IMAGES`, or a learner's."""

    spatial_dropout: Callable[..., Tensor]
    dropblock: Callable[..., Tensor]
    drop_path: Callable[..., Tensor]
    cutout: Callable[..., Tensor]


BLOCK = 3
"""The side of DropBlock's squares."""
MAPS = ("element", "spatial", "DropBlock", "path")
"""Kinds of dropout, after blocks or on branches; "element" has a coin for each entry."""


def _given(hand: Functions | None) -> Functions:
    if hand is None:
        raise ValueError("this noise is made by functions: give them as `hand`")
    return hand


def noise(kind: str, p: float, generator: Generator, hand: Functions | None = None) -> Noise:
    """The noise of a kind at p, and its place; `hand` makes every kind but "element"."""
    if kind == "element":
        return {"after blocks": lambda h: element_dropout(h, p, generator)}
    by = _given(hand)
    makers: dict[str, Change] = {
        "spatial": lambda h: by.spatial_dropout(h, p, generator),
        "DropBlock": lambda h: by.dropblock(h, p, BLOCK, generator),
        "path": lambda h: by.drop_path(h, p, generator),
    }
    return {"branches" if kind == "path" else "after blocks": makers[kind]}


# --- images ------------------------------------------------------------------------------


@cache
def characters(n: int, seed: int, classes: str = KINDS) -> Set:
    """n printed characters, float32 in [0, 1], and their classes, each as often as the others."""
    images, labels = data.glyphs(n, seed, classes)
    return torch.as_tensor(data.halved(images)[:, None]), torch.as_tensor(labels)


def held(name: str) -> Set:
    """2000 images for "validation", or for the "test", of the characters that networks learn."""
    return characters(2000, {"validation": 18, "test": 19}[name])


def labelled(k: int, seed: int) -> Set:
    """k images of each of the characters that no network has seen."""
    return characters(k * len(OTHERS), 10_000 + seed, OTHERS)


def unseen(name: str) -> Set:
    """1500 other images of those, for "validation" or for the "test"."""
    return characters(1500, {"validation": 28, "test": 29}[name], OTHERS)


# --- networks ----------------------------------------------------------------------------


class Network(nn.Module):
    """A network with the first weights of a seed."""

    def __init__(self, seed: int):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.conv = nn.Conv2d(1, CHANNELS, 4, stride=2, padding=1)
            self.branches = nn.ModuleList(
                nn.Sequential(
                    nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.ReLU(),
                    nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
                )
                for _ in range(BLOCKS)
            )  # fmt: skip
            self.classifier = nn.Linear(CHANNELS * 9, len(KINDS))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def maps(self, x: Tensor, noise: Noise = QUIET) -> list[Tensor]:
        """The maps (n, 16, 7, 7) after the first convolution and after each block."""
        seen = [self.conv(x).relu()]
        for branch in self.branches:
            out = branch(seen[-1])
            h = (seen[-1] + (noise["branches"](out) if "branches" in noise else out)).relu()
            seen.append(noise["after blocks"](h) if "after blocks" in noise else h)
        return seen

    def features(self, x: Tensor, noise: Noise = QUIET) -> Tensor:
        """The last maps, pooled to 3 × 3 by means: (n, 144)."""
        return F.avg_pool2d(self.maps(x, noise)[-1], 2).flatten(1)

    def forward(self, x: Tensor, noise: Noise = QUIET) -> Tensor:
        """The logits (n, classes)."""
        return self.classifier(self.features(x, noise))

    @torch.no_grad()
    def error(self, X: Tensor, y: Tensor) -> float:
        """The error rate in percent, nothing dropped."""
        return 100 * (self(X).argmax(1) != y).float().mean().item()


def train(
    seed: int,
    kind: str = "none",
    strength: float = 0.0,
    rate: float = RATE,
    *,
    steps: int = STEPS,
    hand: Functions | None = None,
) -> Network:
    """A network trained with Adam, its learning rate up to `rate` and down again (one cycle).

    kind : "none", one of `MAPS` (at p = strength) or "cutout" (a square of that side); "element
        again" has other masks
    """
    net, (X, y) = Network(seed), characters(ROWS, 100 + seed)
    if not steps:
        return net.eval().requires_grad_(False)
    order = stacked.batches(ROWS, BATCH, steps, stacked.Chance(seed).stream("rows"))
    source = stacked.Chance(seed).stream(f"noise {'again' if 'again' in kind else ''}")
    kind = kind.replace(" again", "")
    at = QUIET
    if kind not in ("none", "cutout"):
        at = noise(kind, strength, source, hand)
    adam = torch.optim.Adam(net.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps)
    for batch in order:
        x = X[batch]
        if kind == "cutout":
            x = _given(hand).cutout(x, int(strength), source)
        F.cross_entropy(net(x, at), y[batch]).backward()
        adam.step()
        schedule.step()
        adam.zero_grad()
    return net.eval().requires_grad_(False)


# --- transfer ----------------------------------------------------------------------------

PENALTY = 100.0


def classifier(
    features: Tensor, labels: Tensor, penalty: float = PENALTY
) -> Callable[[Tensor], Tensor]:
    """A linear classifier of these rows: a function of features (n, size) that gives classes (n,).

    Least squares on one column of 0 and 1 for each class, with a penalty on the weights; the
    features are first shifted to mean 0 and divided by one number, so that their mean square is 1.
    """
    mean = features.mean(0)
    centred = features - mean
    size = centred.square().mean().sqrt()
    A, Y = (centred / size).double(), F.one_hot(labels).double()
    square = A.T @ A + penalty * torch.eye(A.shape[1], dtype=A.dtype)
    W = torch.linalg.solve(square, A.T @ (Y - Y.mean(0)))
    return lambda x: (((x - mean) / size).double() @ W + Y.mean(0)).argmax(1)


# --- measures ----------------------------------------------------------------------------


@torch.no_grad()
def loudness(
    net: Network, kind: str, p: float, X: Tensor, *, masks: int = 16, hand: Functions | None = None
) -> float:
    """How loud noise is in the logits: their variance over masks, relative to that over images.

    Of each logit minus the mean over the classes, which no prediction depends on; both variances
    are means over classes, the first over images too.
    """
    at = noise(kind, p, stacked.seeded(0), hand)
    z = torch.stack([net(X, at) for _ in range(masks)])
    z, quiet = z - z.mean(-1, keepdim=True), net(X)
    quiet = quiet - quiet.mean(-1, keepdim=True)
    return (z.var(0).mean() / quiet.var(0).mean()).item()


def as_loud(ps: Sequence[float], curve: Sequence[float], wanted: float) -> float:
    """The p at which a rising curve of loudness over ps is as wanted, between points by powers."""
    return float(np.exp(np.interp(np.log(wanted), np.log(curve), np.log(ps))))


@torch.no_grad()
def correlation(h: Tensor, step: int = 1) -> float:
    """The mean correlation, over images, of two pixels of a map that are `step` apart."""
    found = []
    for maps in (h, h.mT):  # along rows, along columns
        a, b = (part - part.mean(0) for part in (maps[..., step:], maps[..., :-step]))
        scale = (a.square().mean(0) * b.square().mean(0)).sqrt()
        found.append(((a * b).mean(0) / scale)[scale > 1e-6])  # some pixels never say anything
    return torch.cat(found).mean().item()
