"""Training many networks to the end of a schedule, each with a regulariser of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from dropoutlab import stacked

Setting = float | Sequence[float] | np.ndarray
SIDE = 14
"""Pixels along an image's side, where images are moved."""

PLAIN: dict[str, float] = {
    "rate": 0.05,
    "p": 0.0,
    "p_input": 0.0,
    "begins": 0.0,
    "ends": 1.0,
    "weight_decay": 0.0,
    "max_norm": np.inf,
    "smoothing": 0.0,
    "noise": 0.0,
    "moved": 0.0,
}
"""What `fit` takes for a setting that isn't given."""


@dataclass(frozen=True)
class Fitted:
    """What `fit` saw of its N networks at R moments of their training, nothing dropped."""

    steps: np.ndarray
    """(R,) the numbers of steps after which it looked."""
    loss: dict[str, np.ndarray]
    """For "train" and each watched set (N, R): the mean log loss in nats."""
    error: dict[str, np.ndarray]
    """For each of these sets (N, R): the error rate in percent."""
    weights: list[Tensor]
    """For each layer (N, outputs, inputs), as they are at the end."""
    biases: list[Tensor]
    """For each layer (N, outputs)."""


def fit(
    X: np.ndarray,
    y: np.ndarray,
    hidden: Sequence[int] = (64, 64),
    *,
    seeds: Sequence[int] | np.ndarray,
    steps: int,
    falling: bool = True,
    rows: Setting | None = None,
    batch: int = 64,
    every: int | None = None,
    batch_norm: bool = False,
    averaged: float = 0.0,
    watch: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    **settings: Setting,
) -> Fitted:
    """Train N = len(seeds) ReLU networks on the cross-entropy, momentum 0.9, cores shared.

    Networks of equal seeds are paired: they share initial weights, rows, order and coins.

    X : (total, features); y : (total,) classes 0 … c-1
    falling : the learning rate falls to 0 in a straight line; else it stays
    rows : how many rows each network learns, a subset drawn by its seed (all, where None)
    every : look every so many steps, and at the end
    batch_norm : normalise over the batch in front of each ReLU
    averaged : the fraction of training, at its end, over whose steps the weights are averaged. One
        more look, at these means, is then the last one. Not with `batch_norm`.

    A setting is one number, or one for each network:

    rate : learning rate
    p, p_input : drop probability of hidden units and of inputs (inverted dropout)
    begins, ends : the fractions of training between which anything is dropped
    weight_decay : λ of λ/2 ‖W‖², no biases
    max_norm : largest Euclidean norm of a hidden unit's incoming weights
    smoothing : a target is 1-ε for its class, and ε/c is added for each of the c classes
    noise : standard deviation of Gaussian noise added to each input
    moved : probability that an image is moved by -1, 0 or 1 pixel each way
    """
    N = len(seeds)
    total = len(X)
    unknown = set(settings) - set(PLAIN)
    if unknown:
        raise TypeError(f"no setting is called {', '.join(sorted(unknown))}")
    given = PLAIN | settings | {"seeds": seeds, "rows": total if rows is None else rows}
    all_of = {name: np.broadcast_to(np.asarray(v), (N,)) for name, v in given.items()}
    sizes = [X.shape[1], *hidden, int(np.max(y)) + 1]

    def train(share: np.ndarray) -> Fitted:
        own = {name: values[share] for name, values in all_of.items()}
        return _train(
            X, y, sizes, own, steps, falling, batch, every or steps, batch_norm, averaged,
            dict(watch or {}),
        )  # fmt: skip

    return _joined(stacked.shared(train, N))


def moves(images: Tensor) -> Tensor:
    """Images (n, SIDE²) moved by -1, 0 or 1 pixel each way: (9, n, SIDE²); paper comes in."""
    wide = torch.nn.functional.pad(images.reshape(-1, SIDE, SIDE), (1, 1, 1, 1))
    return torch.stack(
        [
            wide[:, i : i + SIDE, j : j + SIDE].reshape(len(images), -1)
            for i in range(3)
            for j in range(3)
        ]
    )


def _joined(parts: Sequence[Fitted]) -> Fitted:
    """The networks of all shares as one."""
    return Fitted(
        parts[0].steps,
        {k: np.concatenate([part.loss[k] for part in parts]) for k in parts[0].loss},
        {k: np.concatenate([part.error[k] for part in parts]) for k in parts[0].error},
        [torch.cat(layer) for layer in zip(*[part.weights for part in parts], strict=True)],
        [torch.cat(layer) for layer in zip(*[part.biases for part in parts], strict=True)],
    )


def _train(
    X: np.ndarray,
    y: np.ndarray,
    sizes: Sequence[int],
    settings: Mapping[str, np.ndarray],
    steps: int,
    falling: bool,
    batch: int,
    every: int,
    batch_norm: bool,
    averaged: float,
    watch: dict[str, tuple[np.ndarray, np.ndarray]],
) -> Fitted:
    """One worker's share of `fit`."""
    N = len(settings["seeds"])
    setting = {
        name: torch.as_tensor(values.astype(np.float32)).reshape(N, 1, 1)
        for name, values in settings.items()
    }
    images, labels = _pair(X, y)
    chances = stacked.Chances(settings["seeds"])
    parameters = chances.drawn(lambda chance: chance.layers(sizes))
    weights, biases = parameters[::2], parameters[1::2]
    gains = [torch.ones_like(b) for b in biases[:-1]] if batch_norm else []
    centres = [(torch.zeros_like(g), torch.ones_like(g)) for g in gains]

    own, order = _rows(settings["seeds"], settings["rows"], len(X), batch, steps)
    most = min(1000, max(map(len, own)))
    seen = torch.stack([some[torch.arange(most) % len(some)] for some in own])
    watched = {name: _pair(*pair) for name, pair in watch.items()}
    moments = sorted({*range(0, steps + 1, every), steps})
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {k: [] for k in ("train", *watch)}
    on = {name: bool((setting[name] > 0).any()) for name in ("p", "p_input", "noise", "moved")}
    nine = moves(images) if on["moved"] else None
    means = [torch.zeros_like(w) for w in parameters] if averaged else []
    begin = round((1 - averaged) * steps)

    def thinned(h: Tensor, layer: int, done: float) -> Tensor:
        (u,) = chances.drawn(lambda chance: [chance.uniform(layer, *h.shape[1:])])
        during = (setting["begins"] <= done) & (done < setting["ends"])
        return stacked.dropped(h, u, setting["p" if layer else "p_input"] * during)

    def forward(h: Tensor, done: float | None = None) -> Tensor:
        """Logits; `done` is the fraction of training that is over, or None in evaluation."""
        for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
            if done is not None and on["p" if layer else "p_input"]:
                h = thinned(h, layer, done)
            h = stacked.affine(h, W, b)
            if layer == len(weights) - 1:
                return h
            if gains:
                mean, variance = centres[layer]
                if done is not None:
                    variance, mean = torch.var_mean(h, 1, correction=0)
                    for kept, now in zip(centres[layer], (mean, variance), strict=True):
                        kept.lerp_(now.detach(), 0.1)
                h = (h - mean[:, None]) * (gains[layer] / (variance + 1e-5).sqrt())[:, None]
                h = h + b[:, None]
            h = h.relu_()
        raise AssertionError("a network has a last layer")

    def loss(step: int) -> Tensor:
        i = order[step]
        if nine is None:
            h = images[i]
        else:
            k, u = chances.drawn(lambda chance: chance.variants(9, batch))
            h = torch.where(u[..., None] < setting["moved"], nine[k, i], images[i])
        if on["noise"]:
            (e,) = chances.drawn(
                lambda chance: [torch.randn(batch, sizes[0], generator=chance.stream("noise"))]
            )
            h = h + setting["noise"] * e
        logs = log_softmax(forward(h, step / steps), -1)
        right = logs.gather(-1, labels[i][..., None])[..., 0]
        smooth = setting["smoothing"][..., 0]
        return -((1 - smooth) * right + smooth * logs.mean(-1)).mean(1).sum()

    @torch.no_grad()
    def look(step: int) -> None:
        if step > begin:
            for mean, w in zip(means, parameters, strict=False):
                mean.lerp_(w, 1 / (step - begin))
        if step in moments:
            measure()

    @torch.no_grad()
    def measure() -> None:
        for name in found:
            if name == "train":
                h, t = images[seen], labels[seen]
            else:
                h, t = (part.expand(N, *part.shape) for part in watched[name])
            logs = log_softmax(forward(h), -1)
            nats = -logs.gather(-1, t[..., None])[..., 0].mean(1)
            wrong = (logs.argmax(-1) != t).float().mean(1)
            found[name].append((nats.numpy(), 100 * wrong.numpy()))

    for parameter in (*parameters, *gains):
        parameter.requires_grad_()
    decay, bound = setting["weight_decay"], setting["max_norm"]
    optimizer = stacked.SGD(
        [
            {"params": weights[:-1], "weight_decay": decay, "max_norm": bound},
            {"params": weights[-1:], "weight_decay": decay},
            {"params": [*biases, *gains]},
        ],
        setting["rate"],
        0.9,
    )
    schedule = stacked.falling(steps) if falling else None
    stacked.descend(loss, optimizer, steps, schedule=schedule, look=look)
    if means:
        for w, mean in zip(parameters, means, strict=True):
            w.data = mean
        measure()
        moments.append(steps)
    return Fitted(
        np.array(moments),
        {name: np.stack([nats for nats, _ in looks], 1) for name, looks in found.items()},
        {name: np.stack([wrong for _, wrong in looks], 1) for name, looks in found.items()},
        [w.detach() for w in weights],
        [b.detach() for b in biases],
    )


def _pair(X: np.ndarray, y: np.ndarray) -> tuple[Tensor, Tensor]:
    """Images and labels as tensors."""
    return torch.as_tensor(np.asarray(X, np.float32)), torch.as_tensor(np.asarray(y)).long()


def _rows(
    seeds: np.ndarray, rows: np.ndarray, total: int, batch: int, steps: int
) -> tuple[list[Tensor], Tensor]:
    """The rows that each network learns, and those of each batch (steps, N, batch)."""
    made: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    pairs = [(int(seed), int(n)) for seed, n in zip(seeds, rows, strict=True)]
    for seed, n in set(pairs):
        chance = stacked.Chance(seed)
        own = chance.subset(total, n)
        made[seed, n] = own, own[chance.batches(n, batch, steps)]
    return [made[pair][0] for pair in pairs], torch.stack([made[pair][1] for pair in pairs], 1)
