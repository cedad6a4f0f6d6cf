"""The networks of the lesson *Dropout today* and of its study, each small, many at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dropoutlab import data, stacked

Sets = Mapping[str, tuple[Tensor, Tensor]]
"""Inputs and labels, by name."""
Found = dict[str, np.ndarray]
"""Of each watched set, "NAME loss" (nats) and "NAME error" (percent), a number per network."""


def printed(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """`n` printed characters of 20 kinds, no two alike: flat images of 14 × 14, and labels."""
    images, labels = data.glyphs(n, seed, "0123456789ABCDEFGHIJ")
    return torch.as_tensor(data.halved(images)).flatten(1).float(), torch.as_tensor(labels)


def judged(logits: Callable[[Tensor], Tensor], watch: Sets) -> Found:
    """Log loss and error of networks whose `logits(X)` are (N, n, classes)."""
    found = {}
    with torch.no_grad():
        for name, (X, y) in watch.items():
            z = logits(X)
            every = y.expand(len(z), -1)
            loss = F.cross_entropy(z.mT, every, reduction="none").mean(1)
            found[f"{name} loss"] = loss.numpy()
            found[f"{name} error"] = 100 * (z.argmax(-1) != every).double().mean(1).numpy()
    return found


def warmed(steps: int) -> Callable[[int], float]:
    """The schedule of this module: up in the first twentieth of the steps, then down to 0."""
    return lambda step: min(1.0, 20 * (step + 1) / steps, 1 - step / steps)


# --- one epoch or many ---------------------------------------------------------------------

WIDTH, STEPS, BATCH = 128, 1000, 64
"""Units of each of two hidden layers; every network sees 1000 batches of 64 images."""
SPANS = {"none": (0.0, 0.0), "always": (0.0, 1.0), "early": (0.0, 0.3), "late": (0.3, 1.0)}
"""The part of training in which each kind of dropout is on."""


def scheduled(
    X: Tensor,
    y: Tensor,
    *,
    seeds: Sequence[int],
    rows: int,
    p: Sequence[float],
    spans: Sequence[tuple[float, float]],
    rate: float,
    watch: Sets,
    steps: int = STEPS,
) -> Found:
    """Train ReLU networks on `rows` of the images, the hidden units dropped in a part of training.

    X : (total, 196); y : (total,); network i drops with p[i] from spans[i][0] to spans[i][1] of
    the steps. Adam, its learning rate by `warmed`. Every network sees as many images, whatever
    `rows` is: rows = steps * BATCH is one epoch.
    """
    chances = stacked.Chances(seeds)
    sizes = [X.shape[1], WIDTH, WIDTH, int(y.max()) + 1]
    weights = chances.drawn(lambda chance: chance.layers(sizes))
    (order,) = chances.drawn(
        lambda chance: [chance.subset(len(X), rows)[chance.batches(rows, BATCH, steps)]]
    )
    first, last = (torch.tensor(ends) for ends in zip(*spans, strict=True))
    level = torch.tensor(p)
    for weight in weights:
        weight.requires_grad_()

    def logits(h: Tensor, now: Tensor | None = None) -> Tensor:
        h = h.expand(len(level), *h.shape[-2:])
        for k in (0, 2):
            h = torch.relu(stacked.affine(h, *weights[k : k + 2]))
            if now is not None and bool(now.any()):
                (u,) = chances.drawn(lambda c, k=k: [c.uniform(k, BATCH, WIDTH)])  # type: ignore[misc]
                h = stacked.dropped(h, u, now[:, None, None])
        return stacked.affine(h, *weights[4:])

    def loss(step: int) -> Tensor:
        at, seen = step / steps, order[:, step]
        now = torch.where((first <= at) & (at < last), level, 0.0)
        z = logits(X[seen], now)
        return F.cross_entropy(z.flatten(0, 1), y[seen].flatten(), reduction="sum") / BATCH

    stacked.descend(loss, stacked.adam(weights, rate), steps, schedule=warmed(steps))
    return judged(logits, watch)


# --- a small vision transformer --------------------------------------------------------------

DIM, HEADS = 32, 4
PatchDropout = Callable[[Tensor, int, torch.Generator], Tensor]


def patches(images: Tensor, side: int) -> Tensor:
    """Images (n, h, w) as patches (n, tokens, side²), row by row."""
    cut = images.unfold(1, side, side).unfold(2, side, side)
    return cut.flatten(3).flatten(1, 2)


def linear_rates(p: float, depth: int) -> list[float]:
    """Drop rates that rise from 0 in the first block to p in the last."""
    return [p * k / (depth - 1) for k in range(depth)]


class Vits:
    """Vision transformers side by side: patches, a class token, pre-norm blocks.

    A block adds its attention and then its MLP to the stream. Each of these branches is dropped for
    a whole image with the rate of its network and block, (N, depth).
    """

    def __init__(self, seeds: Sequence[int], tokens: int, pixels: int, depth: int):
        self.depth, self.count = depth, len(seeds)
        self.chances = stacked.Chances(seeds)
        shapes = {"embed": (pixels, DIM), "read": (DIM, 10)}
        for k in range(depth):
            shapes |= {f"qkv {k}": (DIM, 3 * DIM), f"out {k}": (DIM, DIM)}
            shapes |= {f"wide {k}": (DIM, 2 * DIM), f"narrow {k}": (2 * DIM, DIM)}

        def begin(chance: stacked.Chance) -> list[Tensor]:
            own = [chance.layers(shape, 1.0)[0].mT.contiguous() for shape in shapes.values()]
            source = chance.stream("tokens")
            return [*own, *(0.3 * torch.randn(n, DIM, generator=source) for n in (1, tokens))]

        drawn = self.chances.drawn(begin)
        names = [*shapes, "class", "position"]
        self.weights = dict(zip(names, drawn, strict=True))
        for name, (_, outputs) in shapes.items():
            self.weights[name + " bias"] = torch.zeros(self.count, 1, outputs)
        for weight in self.weights.values():
            weight.requires_grad_()

    def linear(self, x: Tensor, name: str) -> Tensor:
        """A layer of all networks: x (N, …, inputs)."""
        y = torch.baddbmm(self.weights[name + " bias"], x.flatten(1, -2), self.weights[name])
        return y.unflatten(1, x.shape[1:-1])

    def logits(
        self,
        X: Tensor,
        rates: Tensor | None = None,
        thin: Callable[[Tensor], Tensor] | None = None,
        source: torch.Generator | None = None,
    ) -> Tensor:
        """(N, n, 10) for patches (n, tokens, pixels), or (N, n, …); `thin` acts on (N n, …)."""
        x = X.expand(self.count, *X.shape[-3:])
        n = x.shape[1]
        x = self.linear(x, "embed") + self.weights["position"][:, None]
        x = torch.cat([self.weights["class"][:, None].expand(-1, n, -1, -1), x], 2)
        if thin is not None:
            x = thin(x.flatten(0, 1)).unflatten(0, (self.count, n))

        def added(branch: Tensor, k: int) -> Tensor:
            if rates is None or not bool(rates[:, k].any()):
                return branch
            u = torch.rand(self.count, n, 1, 1, generator=source)
            return branch * stacked.dropped(torch.ones_like(u), u, rates[:, k, None, None, None])

        for k in range(self.depth):
            parts = self.linear(F.layer_norm(x, (DIM,)), f"qkv {k}").unflatten(-1, (3, HEADS, -1))
            q, key, v = parts.flatten(0, 1).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(q, key, v)
            mixed = mixed.transpose(1, 2).flatten(2).unflatten(0, (self.count, n))
            x = x + added(self.linear(mixed, f"out {k}"), k)
            hidden = F.gelu(self.linear(F.layer_norm(x, (DIM,)), f"wide {k}"))
            x = x + added(self.linear(hidden, f"narrow {k}"), k)
        return self.linear(F.layer_norm(x[:, :, 0], (DIM,)), "read")


def vits(
    X: Tensor,
    y: Tensor,
    *,
    seeds: Sequence[int],
    rows: int,
    depth: int,
    rate: float,
    steps: int,
    batch: int,
    watch: Sets,
    rates: Sequence[Sequence[float]] | None = None,
    keep: int | None = None,
    patch_dropout: PatchDropout | None = None,
) -> Found:
    """Train vision transformers on `rows` of the images, cut into patches (total, tokens, pixels).

    rates : of each network and block, the drop rate of its two branches
    keep : how many patches patch_dropout(x, keep, generator) leaves of each image in training
    """
    nets = Vits(seeds, X.shape[1], X.shape[2], depth)
    (order,) = nets.chances.drawn(
        lambda chance: [chance.subset(len(X), rows)[chance.batches(rows, batch, steps)]]
    )
    source = stacked.seeded(seeds[0])
    levels = None if rates is None else torch.tensor(rates)
    thin = None
    if patch_dropout is not None and keep is not None:

        def thin(x: Tensor) -> Tensor:
            return patch_dropout(x, keep, source)

    def loss(step: int) -> Tensor:
        seen = order[:, step]
        z = nets.logits(X[seen], levels, thin, source)
        return F.cross_entropy(z.flatten(0, 1), y[seen].flatten(), reduction="sum") / batch

    optimizer = stacked.adam(nets.weights.values(), rate)
    stacked.descend(loss, optimizer, steps, schedule=warmed(steps), clip=1)
    return judged(nets.logits, watch)


# --- fine-tuning --------------------------------------------------------------------------------

RANK, ALPHA, TUNED = 4, 8.0, 300
"""Of the adapters; and the steps of fine-tuning, each on all rows."""
Layers = list[tuple[Tensor, Tensor]]
LoraLinear = Callable[..., Tensor]


@cache
def printed_small() -> tuple[Tensor, Tensor]:
    """6000 printed digits as the handwritten ones are stored: 8 × 8, flat."""
    images, labels = data.glyphs(6000, 0)
    inner = images[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean((2, 4))
    return torch.as_tensor(inner).flatten(1).float(), torch.as_tensor(labels)


@cache
def written() -> Sets:
    """Handwritten digits, shuffled once: "train" to draw from (900), "validation" (400), "test"."""
    X, y, X_test, y_test = data.digits()
    whole, labels = np.concatenate([X, X_test]).reshape(-1, 64), np.concatenate([y, y_test])
    parts = np.split(np.random.default_rng(0).permutation(len(whole)), [900, 1300])
    return {
        name: (torch.tensor(whole[part]).float(), torch.tensor(labels[part]))
        for name, part in zip(("train", "validation", "test"), parts, strict=True)
    }


@cache
def pretrained(steps: int = 1500) -> Layers:
    """A ReLU network, 64 – 128 – 128 – 10, that has learned the printed digits."""
    X, y = printed_small()
    chance = stacked.Chance(0)
    weights = chance.layers([64, WIDTH, WIDTH, 10])
    order = chance.batches(len(X), BATCH, steps)
    for weight in weights:
        weight.requires_grad_()

    def loss(step: int) -> Tensor:
        return F.cross_entropy(forward(_pairs(weights), X[order[step]]), y[order[step]])

    stacked.descend(loss, stacked.adam(weights, 0.002), steps, schedule=warmed(steps))
    return _pairs([weight.detach() for weight in weights])


def _pairs(weights: list[Tensor]) -> Layers:
    return list(zip(weights[::2], weights[1::2], strict=True))


def forward(
    layers: Layers, x: Tensor, linear: Callable[[int, Tensor], Tensor] | None = None
) -> Tensor:
    """Logits; `linear(k, x)` is layer k without its bias, x Wᵀ if None."""
    for k, (W, b) in enumerate(layers):
        x = torch.relu(x) if k else x
        x = (x @ W.mT if linear is None else linear(k, x)) + b
    return x


def adapters(layers: Layers, chance: stacked.Chance) -> list[Tensor]:
    """A, B, A, B, … before fine-tuning: A (r, inputs) random, B (outputs, r) zero."""
    source, found = chance.stream("adapters"), []
    for W, _ in layers:
        A = torch.randn(RANK, W.shape[1], generator=source) / W.shape[1] ** 0.5
        found += [A, torch.zeros(len(W), RANK)]
    return found


def fine_tuned(
    lora_linear: LoraLinear, *, seed: int, p: float, rate: float, rows: int, watch: Sets
) -> Found:
    """Fine-tune the pretrained network's adapters on `rows` written digits, by `lora_linear`."""
    chance, layers = stacked.Chance(seed), pretrained()
    own = chance.subset(900, rows)
    X, y = (part[own] for part in written()["train"])
    weights, source = adapters(layers, chance), chance.stream("dropout")
    for weight in weights:
        weight.requires_grad_()

    def logits(x: Tensor, training: bool = False) -> Tensor:
        def linear(k: int, h: Tensor) -> Tensor:
            A, B = weights[2 * k : 2 * k + 2]
            return lora_linear(h, layers[k][0], A, B, ALPHA, p, source, training)

        return forward(layers, x, linear)

    def loss(step: int) -> Tensor:
        return F.cross_entropy(logits(X, True), y)

    stacked.descend(loss, stacked.adam(weights, rate), TUNED, schedule=warmed(TUNED))
    return judged(lambda x: logits(x)[None], watch)


def many_fine_tuned(
    *, seeds: Sequence[int], p: Sequence[float], rate: float, rows: int, whole: bool, watch: Sets
) -> Found:
    """As `fine_tuned`, many at once; `whole` trains all weights, p then on every layer's input."""
    chances, layers, levels = stacked.Chances(seeds), pretrained(), torch.tensor(p)[:, None, None]
    X, y = written()["train"]
    (own,) = chances.drawn(lambda chance: [chance.subset(900, rows)])
    if whole:
        weights = [w.expand(len(p), *w.shape).clone() for pair in layers for w in pair]
    else:
        weights = chances.drawn(lambda chance: adapters(layers, chance))
    for weight in weights:
        weight.requires_grad_()

    def logits(x: Tensor, training: bool = False) -> Tensor:
        x = x.expand(len(p), *x.shape[-2:])
        for k, (W, b) in enumerate(layers):
            x = torch.relu(x) if k else x
            thin = x
            if training and bool(levels.any()):
                (u,) = chances.drawn(lambda c, k=k, x=x: [c.uniform(k, *x.shape[1:])])  # type: ignore[misc]
                thin = stacked.dropped(x, u, levels)
            first, second = weights[2 * k : 2 * k + 2]
            if whole:
                x = stacked.affine(thin, first, second)
            else:
                x = x @ W.mT + b + ALPHA / RANK * (thin @ first.mT @ second.mT)
        return x

    def loss(step: int) -> Tensor:
        z = logits(X[own], True)
        return F.cross_entropy(z.flatten(0, 1), y[own].flatten(), reduction="sum") / rows

    stacked.descend(loss, stacked.adam(weights, rate), TUNED, schedule=warmed(TUNED))
    return judged(logits, watch)


# --- fine-tuning a mixture of experts -------------------------------------------------------------

EXPERTS, INNER = 8, 32
"""Experts side by side, and the hidden units of each."""
BALANCE = 0.1
"""The weight of the loss that shares the rows among the experts (Fedus et al. 2022)."""
Thin = Callable[[Tensor, int], Tensor]


def mixed(weights: Sequence[Tensor], x: Tensor, thin: Thin | None = None) -> tuple[Tensor, Tensor]:
    """Logits (N, n, 10) of networks with experts, and their balance losses (N,).

    x (N, n, 64) → ReLU layer h → h + gate · expert(h) → logits. A router sends each row to the one
    expert with the highest probability, its gate; an expert is a ReLU layer and a linear one.
    thin(h, k) drops units: k = 0 of x, 1 of h on its way to the experts, 2 inside them, 3 of what
    is read out.
    """
    keep: Thin = thin or (lambda h, k: h)
    W, b, router, into, into_b, out, out_b, V, c = weights
    h = torch.relu(stacked.affine(keep(x, 0), W, b))
    seen = keep(h, 1)
    chances = (seen @ router.mT).softmax(-1)
    gate, which = chances.max(-1)
    own = F.one_hot(which, EXPERTS).to(h.dtype)  # (N, n, experts)
    inner = torch.einsum("nri,neui->nreu", seen, into) + into_b[:, None]
    inner = keep(torch.relu((inner * own[..., None]).sum(2)), 2)
    each = torch.einsum("nru,neou->nreo", inner, out) + out_b[:, None]
    h = h + gate[..., None] * (each * own[..., None]).sum(2)
    balance = EXPERTS * (own.mean(1) * chances.mean(1)).sum(-1)
    return stacked.affine(keep(h, 3), V, c), balance


@cache
def pretrained_experts(steps: int = 1500) -> list[Tensor]:
    """The weights of a network with experts that has learned the printed digits, N = 1."""
    X, y = printed_small()
    chance = stacked.Chance(0)
    ends = [chance.layers([64, WIDTH]), chance.layers([WIDTH, 10])]
    router = chance.layers([WIDTH, EXPERTS], 0.01)[0]
    every = stacked.side_by_side(chance.layers([WIDTH, INNER, WIDTH]) for _ in range(EXPERTS))
    weights = [w[None].clone() for w in (*ends[0], router, *every, *ends[1])]
    order = chance.batches(len(X), BATCH, steps)
    for weight in weights:
        weight.requires_grad_()

    def loss(step: int) -> Tensor:
        z, balance = mixed(weights, X[order[step]][None])
        return F.cross_entropy(z[0], y[order[step]]) + BALANCE * balance[0]

    stacked.descend(loss, stacked.adam(weights, 0.002), steps, schedule=warmed(steps))
    return [weight.detach() for weight in weights]


def experts_tuned(
    *,
    seeds: Sequence[int],
    p: Sequence[float],
    inside: Sequence[float],
    rate: float,
    rows: int,
    watch: Sets,
) -> Found:
    """Fine-tune all weights of the network with experts on `rows` written digits.

    p : of each network the drop rate of every layer's input, but for the units inside the experts,
        whose rate is `inside`
    """
    chances = stacked.Chances(seeds)
    levels = [torch.tensor(inside if k == 2 else p)[:, None, None] for k in range(4)]
    X, y = written()["train"]
    (own,) = chances.drawn(lambda chance: [chance.subset(900, rows)])
    weights = [w.expand(len(p), *w.shape[1:]).clone() for w in pretrained_experts()]
    for weight in weights:
        weight.requires_grad_()

    def thin(h: Tensor, k: int) -> Tensor:
        if not bool(levels[k].any()):
            return h
        (u,) = chances.drawn(lambda c: [c.uniform(k, *h.shape[1:])])
        return stacked.dropped(h, u, levels[k])

    def loss(step: int) -> Tensor:
        z, balance = mixed(weights, X[own], thin)
        wrong = F.cross_entropy(z.flatten(0, 1), y[own].flatten(), reduction="sum") / rows
        return wrong + BALANCE * balance.sum()

    stacked.descend(loss, stacked.adam(weights, rate), TUNED, schedule=warmed(TUNED))
    return judged(lambda x: mixed(weights, x.expand(len(p), *x.shape))[0], watch)


# --- guidance on a ring ---------------------------------------------------------------------------

CLASSES, RADIUS, SPREAD = 8, 1.4, 0.4
NULL = CLASSES
"""The label that stands for a lost one."""
CENTRES = RADIUS * np.array([[math.sin(a), math.cos(a)] for a in np.arange(8) * math.pi / 4])
"""The middle of each class: eight Gaussians on a ring, of standard deviation SPREAD."""
HIGHEST = 0.485 * math.pi
"""The angle at which sampling begins: there, points are nearly pure noise."""
Noise = Callable[[Tensor, float, Tensor], Tensor]
"""noise(x, angle, labels): what is taken for the noise in x, (…, 2)."""
Guided = Callable[[Tensor, Tensor, float], Tensor]


def ring(labels: Tensor, source: torch.Generator) -> Tensor:
    """A point of each label's Gaussian, (…, 2)."""
    centre = torch.tensor(CENTRES).float()[labels]
    return centre + SPREAD * torch.randn(centre.shape, generator=source)


def exact_noise(x: Tensor, angle: float, labels: Tensor) -> Tensor:
    """The mean of the noise ε, given x = cos(angle) point + sin(angle) ε and the label.

    For the label NULL the class is unknown, and each class counts by its probability given x.
    """
    c, s = math.cos(angle), math.sin(angle)
    variance = c**2 * SPREAD**2 + s**2
    off = x[..., None, :] - c * torch.tensor(CENTRES).float()  # from every class
    known = F.one_hot(labels.clamp(max=CLASSES - 1), CLASSES).float()
    unknown = (-off.square().sum(-1) / (2 * variance)).softmax(-1)
    share = torch.where((labels == NULL)[..., None], unknown, known)
    return s / variance * (share[..., None] * off).sum(-2)


class Denoisers:
    """Networks side by side that learn the noise, for p in `lost` and each seed.

    Each sees x, the angle and a label; drop_condition(labels, p, NULL, generator) loses labels.
    """

    def __init__(
        self,
        drop_condition: Callable[..., Tensor],
        lost: Sequence[float],
        seeds: Sequence[int] = (0,),
        *,
        steps: int = 1500,
        batch: int = 256,
        width: int = 64,
    ):
        pairs = [(p, seed) for p in lost for seed in seeds]
        self.chances = stacked.Chances([seed for _, seed in pairs])
        self.weights = self.chances.drawn(
            lambda chance: chance.layers([2 + 4 + NULL + 1, width, width, width, 2])
        )
        for weight in self.weights:
            weight.requires_grad_()

        def drawn(chance: stacked.Chance) -> list[Tensor]:
            source = chance.stream("points")
            labels = torch.randint(CLASSES, (batch,), generator=source)
            angle = HIGHEST * torch.rand(batch, generator=source)
            return [labels, ring(labels, source), angle, torch.randn(batch, 2, generator=source)]

        sources = [stacked.seeded(seed) for _, seed in pairs]

        def loss(step: int) -> Tensor:
            labels, point, angle, noise = self.chances.drawn(drawn)
            told = torch.stack(
                [
                    drop_condition(own, p, NULL, source)
                    for own, (p, _), source in zip(labels, pairs, sources, strict=True)
                ]
            )
            x = angle.cos()[..., None] * point + angle.sin()[..., None] * noise
            return (self.guess(x, angle, told) - noise).square().mean((1, 2)).sum()

        stacked.descend(loss, stacked.adam(self.weights, 0.004), steps, schedule=warmed(steps))

    def guess(self, x: Tensor, angle: Tensor, labels: Tensor) -> Tensor:
        """The noise in x (N, n, 2), with the angle and the label of each: (N, n)."""
        waves = [(k * angle).cos() for k in (1, 2)] + [(k * angle).sin() for k in (1, 2)]
        h = torch.cat([x, torch.stack(waves, -1), F.one_hot(labels, NULL + 1).float()], -1)
        for k in range(0, len(self.weights), 2):
            h = stacked.affine(F.silu(h) if k else h, *self.weights[k : k + 2])
        return h

    def noise(self, x: Tensor, angle: float, labels: Tensor) -> Tensor:
        """As `exact_noise`, of all networks: x (N, n, 2), labels (n,) or (N, n)."""
        labels = labels.expand(x.shape[:-1])
        with torch.no_grad():
            return self.guess(x, torch.full(labels.shape, angle), labels)


def path(
    noise: Noise, guided: Guided, w: float, labels: Tensor, start: Tensor, *, steps: int = 30
) -> Iterator[Tensor]:
    """Pure noise `start` (…, n, 2), then the points after each step, under guidance w.

    Each step asks twice for the noise, with the label of `labels` (n,) and without, and follows
    what guided(cond, uncond, w) makes of the two (DDIM, Song et al. 2021).
    """
    x, nobody = start, torch.full_like(labels, NULL)
    yield x
    for now, then in pairwise(np.linspace(HIGHEST, 0, steps + 1)):
        cond, uncond = noise(x, float(now), labels), noise(x, float(now), nobody)
        found = guided(cond, uncond, w)
        point = (x - math.sin(now) * found) / math.cos(now)
        x = math.cos(then) * point + math.sin(then) * found
        yield x


def sampled(
    noise: Noise, guided: Guided, w: float, labels: Tensor, start: Tensor, *, steps: int = 30
) -> Tensor:
    """Points (…, n, 2) of the classes `labels`: the end of the `path` from `start`."""
    *_, last = path(noise, guided, w, labels, start, steps=steps)
    return last


def at_home(points: Tensor, labels: Tensor) -> np.ndarray:
    """The percentage of points (…, n, 2) that lie nearest to their own class."""
    off = points[..., None, :] - torch.tensor(CENTRES).float()
    own = off.square().sum(-1).argmin(-1) == labels
    return 100 * own.double().mean(-1).numpy()


def scatter(points: Tensor, labels: Tensor) -> np.ndarray:
    """The standard deviation of points (…, n, 2) within a class, the mean over classes."""
    parts = [points[..., labels == k, :].var(-2).mean(-1) for k in range(CLASSES)]
    return torch.stack(parts).mean(0).sqrt().numpy()
