"""Networks that learn how much noise they want: a rate for each layer, or for each weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropoutlab import stacked, studies
from dropoutlab.forecasters import NOISE, Affine

TEMPERATURE = 0.1
Mask = Callable[[Tensor, tuple[int, ...], float, torch.Generator], Tensor]
"""The soft mask of (p, shape, temperature, generator)."""


class SoftDropout(nn.Module):
    """Inverted dropout by soft masks in training, at a rate of its own for each of N networks."""

    def __init__(self, p: Tensor, mask: Mask, seed: int):
        super().__init__()
        self.logit, self._mask = nn.Parameter(torch.logit(p)), mask
        self._source = stacked.seeded(seed)

    @property
    def rate(self) -> Tensor:
        """(N, 1, 1)"""
        return self.logit.sigmoid()

    def forward(self, h: Tensor) -> Tensor:
        if not self.training:
            return h
        p = self.rate
        return h * self._mask(p, tuple(h.shape), TEMPERATURE, self._source) / (1 - p)


def curves(
    x: Tensor,
    y: Tensor,
    *,
    seen: Sequence[int],
    start: Sequence[float],
    mask: Mask,
    learn: bool = True,
    steps: int = 1500,
    rate: float = 0.01,
    batch: int = 30,
    seed: int = 0,
) -> nn.Sequential:
    """N networks 1-64-64-1 that learn the first `seen` of their points, and how much to drop.

    Each ascends the evidence lower bound of dropout with a standard normal prior on the weights
    and noise of the true size:
        loss = (y - f)² / (2 NOISE²) + (1 / seen) Σ_layers (‖W‖² / (2 (1 - p)) - units · H(p)).
    Adam, at ten times the rate for logit p; both rates fall to 0.

    x, y (N, n, 1); start : p at the beginning, of both layers; learn : whether it may move
    """
    N, source = len(seen), stacked.seeded(seed)
    count = torch.tensor(seen)
    p = torch.tensor(start).reshape(N, 1, 1)
    parameters = stacked.side_by_side(stacked.layers((1, 64, 64, 1), source) for _ in range(N))
    first, second, last = (Affine(*parameters[k : k + 2]) for k in (0, 2, 4))
    masks = SoftDropout(p, mask, 1), SoftDropout(p.clone(), mask, 2)  # coins of their own
    net = nn.Sequential(first, nn.ReLU(), masks[0], second, nn.ReLU(), masks[1], last)

    def loss(step: int) -> Tensor:
        rows = (torch.rand(N, batch, generator=source) * count[:, None]).long()[..., None]
        misfit = (net(x.gather(1, rows)) - y.gather(1, rows)).square().mean((1, 2))
        price = first.weight.square().sum((1, 2)) / 2
        for layer, dropout in ((second, masks[0]), (last, masks[1])):
            q = dropout.rate[:, 0, 0]
            coin = torch.special.entr(q) + torch.special.entr(1 - q)
            price = price + layer.weight.square().sum((1, 2)) / (2 * (1 - q)) - 64 * coin
        return (misfit / (2 * NOISE**2) + price / count).sum()

    weights = [w for layer in (first, second, last) for w in layer.parameters()]
    logits = [dropout.logit for dropout in masks]
    groups = [{"params": weights, "lr": rate}]
    if learn:
        groups.append({"params": logits, "lr": 10 * rate})
    else:
        for logit in logits:
            logit.requires_grad_(False)
    optimizer = torch.optim.Adam(groups, fused=True)
    stacked.descend(loss, optimizer, steps, schedule=stacked.falling(steps))
    return net.eval()


def rates(net: nn.Sequential) -> Tensor:
    """The drop probability of each layer and network: (layers, N)."""
    return torch.stack([m.rate.detach().flatten() for m in net if isinstance(m, SoftDropout)])


# --- a noise for each weight -------------------------------------------------------------


class Sparse(NamedTuple):
    """N networks of one hidden layer, and what tells which weights are needed."""

    weights: list[Tensor]
    """W (N, outputs, inputs) of both layers."""
    biases: list[Tensor]
    log_alpha: list[Tensor]
    """Of each weight, where it has a noise of its own."""

    def error(self, X: Tensor, y: Tensor, weights: Sequence[Tensor] | None = None) -> Tensor:
        """The share of wrong answers of each network (N,), with these weights or its own."""
        return wrong(weights or self.weights, self.biases, X, y)


def logits(weights: Sequence[Tensor], biases: Sequence[Tensor], X: Tensor) -> Tensor:
    """The outputs (N, n, classes) of networks of one hidden layer."""
    h = X.expand(len(weights[0]), *X.shape[-2:])
    h = stacked.affine(h, weights[0], biases[0]).relu()
    return stacked.affine(h, weights[1], biases[1])


def wrong(weights: Sequence[Tensor], biases: Sequence[Tensor], X: Tensor, y: Tensor) -> Tensor:
    """The share of wrong answers of each network (N,)."""
    return (logits(weights, biases, X).argmax(-1) != y).double().mean(1)


def _begin(
    X: Tensor, seeds: Sequence[int], sizes: Sequence[int], batch: int, steps: int
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Weights and biases as they begin, and the rows of each step (N, steps, batch)."""
    chances = stacked.Chances(seeds)
    parameters = chances.drawn(lambda chance: chance.layers(sizes))
    rows = chances.drawn(lambda chance: [chance.batches(len(X), batch, steps)])[0]
    return parameters[::2], parameters[1::2], rows


def noisy(
    X: Tensor,
    y: Tensor,
    price: Callable[[Tensor], Tensor],
    *,
    seeds: Sequence[int],
    rate: float = 0.003,
    steps: int = 800,
    batch: int = 64,
    hidden: int = 64,
) -> Sparse:
    """Variational dropout: w = θ (1 + √α ε), with a price (α) for each weight.

    Molchanov, Ashukha and Vetrov (2017): the noise of a layer's outputs is drawn, not that of its
    weights; log σ² = log α θ² is learned; the price is raised in the first half. Adam; the rate
    falls to 0.
    """
    weights, biases, order = _begin(X, seeds, (X.shape[1], hidden, 10), batch, steps)
    spread = [torch.full_like(w, -8.0) for w in weights]
    for w in (*weights, *biases, *spread):
        w.requires_grad_()
    source = stacked.seeded(seeds[0])

    def log_alpha(k: int) -> Tensor:
        return (spread[k] - 2 * torch.log(weights[k].abs() + 1e-8)).clamp(-10, 10)

    def loss(step: int) -> Tensor:
        rows = order[:, step]
        h, cost = X[rows], torch.zeros(())
        for k in (0, 1):
            mean = stacked.affine(h, weights[k], biases[k])
            variance = h.square() @ spread[k].exp().mT
            noise = torch.randn(mean.shape, generator=source)
            h = mean + (variance + 1e-8).sqrt() * noise
            h = h.relu() if k == 0 else h
            cost = cost + price(log_alpha(k)).sum()
        fit = F.cross_entropy(h.flatten(0, 1), y[rows].flatten(), reduction="sum") / batch
        return fit + min(1, 2 * step / steps) * cost / len(X)

    optimizer = stacked.adam([*weights, *biases, *spread], rate)
    stacked.descend(loss, optimizer, steps, schedule=stacked.falling(steps))
    return Sparse(
        [w.detach() for w in weights],
        [b.detach() for b in biases],
        [log_alpha(k).detach() for k in (0, 1)],
    )


def pruned(
    X: Tensor,
    y: Tensor,
    keep: Sequence[int],
    prune: Callable[[Tensor, int], Tensor] | None,
    *,
    seeds: Sequence[int],
    rate: float = 0.003,
    decay: float = 0.0,
    steps: int = 800,
    batch: int = 64,
    hidden: int = 64,
) -> Sparse:
    """Networks that lose weights while they train, until network i has keep[i] of them.

    Zhu and Gupta (2017): from a fifth of the steps to four fifths the number falls, fast at first;
    every 20 steps `prune(all weights of a network, how many stay)` says which become 0 for good.
    None prunes nothing. Adam; the rate falls to 0; decay is the λ of λ/2 ‖W‖² in the loss.
    """
    weights, biases, order = _begin(X, seeds, (X.shape[1], hidden, 10), batch, steps)
    for w in (*weights, *biases):
        w.requires_grad_()
    total = sum(w[0].numel() for w in weights)
    stays = [torch.ones_like(w) for w in weights]

    def loss(step: int) -> Tensor:
        rows = order[:, step]
        z = logits([w * m for w, m in zip(weights, stays, strict=True)], biases, X[rows])
        fit = F.cross_entropy(z.flatten(0, 1), y[rows].flatten(), reduction="sum") / batch
        return fit + decay / 2 * sum(w.square().sum() for w in weights)

    @torch.no_grad()
    def look(step: int) -> None:
        done = (step / steps - 0.2) / 0.6
        if prune is None or step % 20 or done <= 0:
            return
        for i, goal in enumerate(keep):
            count = round(goal + (total - goal) * max(0, 1 - done) ** 3)
            own = torch.cat([(w[i] * m[i]).flatten() for w, m in zip(weights, stays, strict=True)])
            left = prune(own, count) != 0
            parts = left.split([w[i].numel() for w in weights])
            for m, part in zip(stays, parts, strict=True):
                m[i] = part.reshape(m[i].shape)

    optimizer = stacked.adam([*weights, *biases], rate)
    stacked.descend(loss, optimizer, steps, schedule=stacked.falling(steps), look=look)
    kept = [(w * m).detach() for w, m in zip(weights, stays, strict=True)]
    return Sparse(kept, [b.detach() for b in biases], [])


def settings() -> dict[str, dict[str, float]]:
    """For each way to remove weights, what `dropoutlab.studies.sparsity` chose on validation."""
    tries, chosen = studies.kept("sparsity"), {}
    for kind in ("noisy", "plain", "pruned"):
        best = min(tries[kind].values(), key=lambda one: sum(one["loss"]))
        chosen[kind] = {k: best[k] for k in ("rate", "decay") if k in best}
    return chosen
