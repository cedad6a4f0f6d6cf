"""Tiny transformers that read a digit row by row, trained many at once; dropout in five places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from dropoutlab import data, stacked
from dropoutlab.stacked import Chance

PLACES = ("embedding", "attention", "heads", "residual", "layers")
ROWS, PIXELS, DIM, HEADS, LAYERS, CLASSES = 8, 8, 24, 4, 3, 10
STEPS, BATCH, RATE = 400, 16, 0.008
Weights = Mapping[str, torch.Tensor]


@cache
def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The digits as tensors, images (n, 8, 8) float32: a row of pixels is a token."""
    X, y, X_test, y_test = (torch.as_tensor(values) for values in data.digits())
    return X.float(), y, X_test.float(), y_test


@dataclass(frozen=True)
class Readers:
    """The networks of S settings and K seeds: every weight has a leading axis N = S K."""

    weights: Weights
    settings: int
    seeds: int

    @torch.no_grad()
    def logits(
        self,
        X: torch.Tensor,
        *,
        attention: Callable[..., torch.Tensor] = F.scaled_dot_product_attention,
        without_layer: int | None = None,
        without_head: tuple[int, int] | None = None,
    ) -> torch.Tensor:
        """(S, K, n, 10) in evaluation, where asked without one layer or one head (layer, head)."""
        logits = forward(
            self.weights,
            X,
            attention=attention,
            without_layer=without_layer,
            without_head=without_head,
        )
        return logits.reshape(self.settings, self.seeds, *logits.shape[1:])

    def error(self, X: torch.Tensor, y: torch.Tensor, **more: Any) -> np.ndarray:
        """(S, K): the error rate in percent; `more` as in `logits`."""
        wrong = self.logits(X, **more).argmax(-1) != y
        return 100 * wrong.double().mean(-1).numpy()

    def loss(self, X: torch.Tensor, y: torch.Tensor, **more: Any) -> np.ndarray:
        """(S, K): the log loss in nats; `more` as in `logits`."""
        logs = self.logits(X, **more).log_softmax(-1)
        return -logs[..., torch.arange(len(y)), y].double().mean(-1).numpy()


def forward(
    weights: Weights,
    X: torch.Tensor,
    rates: Mapping[str, torch.Tensor] | None = None,
    *,
    attention: Callable[..., torch.Tensor] = F.scaled_dot_product_attention,
    head_dropout: Callable[..., torch.Tensor] | None = None,
    without_layer: int | None = None,
    without_head: tuple[int, int] | None = None,
) -> torch.Tensor:
    """Logits (N, n, 10) of N networks for images (n, 8, 8), or (N, n, 8, 8).

    Each block adds its attention and then its MLP to the stream, both behind a layer norm.
    `rates` holds the drop probability of each place for each network, (N,); None: evaluation.
    """
    N = len(weights["embed"])
    X = X.expand(N, *X.shape[-3:])
    n = X.shape[1]

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        flat = x.reshape(N, -1, x.shape[-1])
        y = torch.baddbmm(weights[name + " bias"], flat, weights[name])
        return y.reshape(*x.shape[:-1], -1)

    def drop(x: torch.Tensor, place: str) -> torch.Tensor:
        if rates is None or not bool(rates[place].any()):
            return x
        p = rates[place].reshape(N, 1, 1, 1)
        return stacked.dropped(x, torch.rand(x.shape), p)

    def grouped(
        call: Callable[..., torch.Tensor], rate: torch.Tensor, *heads: torch.Tensor
    ) -> torch.Tensor:
        """`call(*heads, p)` for all networks of one p at once: (N, n, H, T, d) to the same."""
        distinct, which = torch.unique(rate, return_inverse=True)
        parts, order = [], []
        for i, p in enumerate(distinct.tolist()):
            rows = (which == i).nonzero()[:, 0]
            own = [x[rows] if len(distinct) > 1 else x for x in heads]
            made = call(*(x.flatten(0, 1) for x in own), round(p, 6))
            parts.append(made.reshape(len(rows), *heads[0].shape[1:]))
            order.append(rows)
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts)[torch.cat(order).argsort()]

    stream = linear(X, "embed") + weights["position"][:, None]
    stream = drop(stream, "embedding")
    for layer in range(LAYERS):
        if layer == without_layer:
            continue
        before = stream
        qkv = linear(F.layer_norm(stream, (DIM,)), f"qkv {layer}")
        q, k, v = qkv.reshape(N, n, ROWS, 3, HEADS, -1).permute(3, 0, 1, 4, 2, 5)
        if rates is None:
            mixed = attention(*(x.flatten(0, 1) for x in (q, k, v))).reshape(q.shape)
        else:
            mixed = grouped(attention, rates["attention"], q, k, v)
            if head_dropout is not None and bool(rates["heads"].any()):
                mixed = grouped(head_dropout, rates["heads"], mixed)
        if without_head is not None and without_head[0] == layer:
            mixed = mixed.clone()
            mixed[:, :, without_head[1]] = 0
        mixed = mixed.transpose(2, 3).reshape(N, n, ROWS, DIM)
        stream = stream + drop(linear(mixed, f"out {layer}"), "residual")
        hidden = F.gelu(linear(F.layer_norm(stream, (DIM,)), f"wide {layer}"))
        stream = stream + drop(linear(hidden, f"narrow {layer}"), "residual")
        if rates is not None and bool(rates["layers"].any()):
            runs = torch.rand(N).ge(rates["layers"]).reshape(N, 1, 1, 1)
            stream = torch.where(runs, stream, before)
    return linear(F.layer_norm(stream, (DIM,)).mean(2), "read")


def train(
    settings: Sequence[Mapping[str, float]],
    seeds: Sequence[int],
    *,
    attention: Callable[..., torch.Tensor] | None = None,
    head_dropout: Callable[..., torch.Tensor] | None = None,
    r_drop_loss: Callable[..., torch.Tensor] | None = None,
    rows: int | None = None,
    steps: int = STEPS,
) -> Readers:
    """Train a network for each setting and seed, all at once, with Adam.

    A setting gives places their drop probability, others 0. `attention(q, k, v, p)` and
    `head_dropout(x, p)` are called with the networks of one p together; torch's attention where
    None. With `r_drop_loss`, each image is sent twice, and a setting's "alpha" counts.
    Networks of one seed begin with the same weights and see the same images.

    rows : how many training images the networks see, a subset drawn by the seed; None: all
    """
    pairs = [(setting, seed) for setting in settings for seed in seeds]

    def work(share: np.ndarray) -> Weights:
        first, last = share[0] * len(seeds), (share[-1] + 1) * len(seeds)
        return _train(pairs[first:last], attention, head_dropout, r_drop_loss, rows, steps)

    parts = stacked.shared(work, len(settings))
    weights = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return Readers(weights, len(settings), len(seeds))


def _train(
    pairs: Sequence[tuple[Mapping[str, float], int]],
    attention: Callable[..., torch.Tensor] | None,
    head_dropout: Callable[..., torch.Tensor] | None,
    r_drop_loss: Callable[..., torch.Tensor] | None,
    rows: int | None,
    steps: int,
) -> Weights:
    """One worker's share of `train`."""

    def torchs_attention(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, p: float
    ) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, dropout_p=p)

    def batches(chance: Chance) -> list[torch.Tensor]:
        own = chance.subset(len(X), rows or len(X))
        return [own[chance.batches(len(own), BATCH, steps)]]

    X, y = digits()[:2]
    chances = stacked.Chances([seed for _, seed in pairs])
    names = _begin(Chance(0))
    weights = dict(zip(names, chances.drawn(lambda c: _begin(c).values()), strict=True))
    for weight in weights.values():
        weight.requires_grad_()
    order = chances.drawn(batches)[0].transpose(0, 1)  # (steps, N, batch)
    rates = {place: torch.tensor([float(s.get(place, 0)) for s, _ in pairs]) for place in PLACES}
    alphas = [s.get("alpha", 0.0) for s, _ in pairs]

    def loss(step: int) -> torch.Tensor:
        images, labels = X[order[step]], y[order[step]]
        if r_drop_loss is not None:
            images = torch.cat([images, images], 1)
        logits = forward(
            weights,
            images,
            rates,
            attention=attention or torchs_attention,
            head_dropout=head_dropout,
        )
        if r_drop_loss is None:
            return F.cross_entropy(logits.flatten(0, 1), labels.flatten()) * len(pairs)
        first, second = logits.chunk(2, 1)
        return torch.stack([*map(r_drop_loss, first, second, labels, alphas)]).sum()

    def schedule(step: int) -> float:
        return min(1, (step + 1) / 30, 1.02 - step / steps)

    stacked.descend(loss, stacked.adam(weights.values(), RATE), steps, schedule=schedule)
    return {name: weight.detach() for name, weight in weights.items()}


def _begin(chance: Chance) -> Weights:
    """The weights of one network before training; biases are (1, outputs)."""
    shapes = {"embed": (PIXELS, DIM), "position": (ROWS, DIM)}
    for i in range(LAYERS):
        shapes |= {f"qkv {i}": (DIM, 3 * DIM), f"out {i}": (DIM, DIM)}
        shapes |= {f"wide {i}": (DIM, 4 * DIM), f"narrow {i}": (4 * DIM, DIM)}
    shapes["read"] = (DIM, CLASSES)
    weights = {}
    for name, (inputs, outputs) in shapes.items():
        weights[name] = chance.layers((inputs, outputs))[0].T.contiguous() * 0.5**0.5
        if name != "position":
            weights[name + " bias"] = torch.zeros(1, outputs)
    return weights
