"""Small networks for comparing dropout's variants: all seeds train at once.

Every parameter has a leading axis of seeds, so that a layer of all networks is one batched
product. Network k begins from `seeds[k]` and sees its own order of the rows; the noise comes
from torch's own generator, or from whatever the functions that are passed in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from dropoutlab import data, stacked
from dropoutlab.stacked import adam, affine, batches, descend, dropped, falling, layers, seeded

SIDE = 14  # pixels along an image

Layer = Callable[[Tensor, Tensor, Tensor, int, float | None], Tensor]
"""layer(h, W, b, depth, time): the pre-activations of h (seeds, images, inputs).

W (seeds, outputs, inputs), b (seeds, outputs). `depth` is 0 where h is the images. `time` goes
from 0 to 1 in training, and is None in evaluation.
"""


@cache
def images(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """n glyphs of 14 × 14 pixels as rows (n, 196), float32 in [0, 1], and their classes (n,)."""
    large, labels = data.glyphs(n, seed)
    small = torch.as_tensor(data.halved(large), dtype=torch.float32)
    return small.flatten(1), torch.as_tensor(labels)


def start(sizes: Sequence[int], seeds: Iterable[int], gain: float = 2.0) -> list[Tensor]:
    """W, b, W, b, … of networks with these layer sizes, each from its seed; see `layers`."""
    parameters = stacked.side_by_side(layers(sizes, seeded(seed), gain) for seed in seeds)
    return [part.requires_grad_() for part in parameters]


def orders(n: int, size: int, steps: int, seeds: Iterable[int]) -> Tensor:
    """The rows of each step's batches (steps, seeds, size): each seed's own passes over n rows."""
    return torch.stack([batches(n, size, steps, seeded(seed)) for seed in seeds], 1)


def fit(
    parameters: Sequence[Tensor], loss: Callable[[int], Tensor], steps: int, rate: float = 0.002
) -> None:
    """Adam on loss(step); the rate falls to 0."""
    descend(loss, adam(parameters, rate), steps, schedule=falling(steps))


def plain(h: Tensor, W: Tensor, b: Tensor, depth: int, time: float | None) -> Tensor:
    """A layer without noise."""
    return affine(h, W, b)


def noisy(noise: Callable[[Tensor, int, float], Tensor]) -> Layer:
    """A layer whose inputs, if they are hidden units, go through noise(h, depth, time)."""

    def layer(h: Tensor, W: Tensor, b: Tensor, depth: int, time: float | None) -> Tensor:
        return affine(noise(h, depth, time) if depth and time is not None else h, W, b)

    return layer


@dataclass(frozen=True)
class Networks:
    """Networks of one architecture, one for each seed."""

    parameters: list[Tensor]
    """W, b, W, b, …, each with a leading axis of seeds."""
    layer: Layer
    activation: Callable[[Tensor], Tensor]

    def __call__(self, X: Tensor, time: float | None = None) -> Tensor:
        """The logits (seeds, images, classes) of X (seeds, images, pixels)."""
        pairs = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        for depth, (W, b) in enumerate(pairs):
            X = self.layer(X, W, b, depth, time)
            if depth < len(pairs) - 1:
                X = self.activation(X)
        return X

    def each(self, X: Tensor) -> Tensor:
        """X (images, pixels) handed to every network: (seeds, images, pixels)."""
        return X.expand(len(self.parameters[0]), *X.shape)

    @torch.no_grad()
    def error(self, X: Tensor, y: Tensor) -> Tensor:
        """Each network's error rate (seeds,), nothing dropped."""
        return (self(self.each(X)).argmax(-1) != y).float().mean(-1)


def classifiers(
    X: Tensor,
    y: Tensor,
    layer: Layer,
    *,
    hidden: Sequence[int] = (64, 64, 64),
    activation: Callable[[Tensor], Tensor] = torch.relu,
    gain: float = 2.0,
    seeds: Sequence[int] = range(5),
    steps: int = 600,
    batch: int = 50,
    rate: float = 0.002,
) -> Networks:
    """Networks trained on the rows X (n, pixels) of classes y (n,), on the cross-entropy."""
    sizes = [X.shape[1], *hidden, int(y.max()) + 1]
    nets = Networks(start(sizes, seeds, gain), layer, activation)
    order = orders(len(X), batch, steps, seeds)

    def loss(step: int) -> Tensor:
        logits = nets(X[order[step]], step / steps)
        return F.cross_entropy(logits.flatten(0, 1), y[order[step]].flatten()) * len(seeds)

    fit(nets.parameters, loss, steps, rate)
    return nets


def matched(p: float, rates: Callable[[float], Iterable[float]]) -> float:
    """The top rate t for which the mean of r / (1 - r) over r in rates(t) is p / (1 - p)."""
    low, high = 0.0, 1.0
    for _ in range(40):
        top = (low + high) / 2
        noise = [r / (1 - r) for r in rates(top)]
        low, high = (top, high) if sum(noise) / len(noise) < p / (1 - p) else (low, top)
    return low


class BatchNorm:
    """A layer with batch norm, and dropout before it: the product with W, dropout, batch norm.

    b is batch norm's shift; its scale is left out, the next layer's weights can play it. As in
    nn.BatchNorm1d training normalises by the batch's own mean and variance, and evaluation by
    running means of them (momentum 0.1). The last layer is not normalised; its inputs may be
    dropped, which is dropout behind the last batch norm.
    """

    def __init__(self, depth: int, before: float = 0.0, after: float = 0.0):
        """`depth` normalised layers; the drop rates before each batch norm and after the last."""
        self.depth, self.before, self.after = depth, before, after
        self.running: dict[int, tuple[Tensor, Tensor]] = {}
        """By layer: the running mean and variance (seeds, 1, units)."""
        self.seen: dict[int, tuple[Tensor, Tensor]] = {}
        """By layer: mean and variance (seeds, 1, units) of the last batch that batch norm met."""

    def __call__(self, h: Tensor, W: Tensor, b: Tensor, depth: int, time: float | None) -> Tensor:
        training = time is not None
        if depth == self.depth:
            return affine(F.dropout(h, self.after, training), W, b)
        z = F.dropout(h @ W.mT, self.before, training)
        var, mean = torch.var_mean(z, 1, keepdim=True)
        self.seen[depth] = mean.detach(), var.detach()
        if training:
            old = self.running.get(depth, (torch.zeros_like(mean), torch.ones_like(var)))
            now = self.seen[depth]
            self.running[depth] = 0.9 * old[0] + 0.1 * now[0], 0.9 * old[1] + 0.1 * now[1]
        else:
            mean, var = self.running[depth]
        return (z - mean) / (var + 1e-5).sqrt() + b[:, None]


# --- attacks, denoising, adversaries -----------------------------------------------------


def ascent(nets: Networks, X: Tensor, y: Tensor, goal: str) -> Tensor:
    """The signs (seeds, images, pixels) in which one step on the images raises the goal most.

    goal : "loss", the cross-entropy of y, as in FGSM (Goodfellow 2015); "margin", the largest
        logit of another class minus that of y, whose gradient does not fade where the softmax
        is sure; "random", coin flips, for comparison
    """
    if goal == "random":
        return torch.randn(len(nets.parameters[0]), *X.shape).sign()
    inputs = nets.each(X).clone().requires_grad_()
    logits = nets(inputs)
    own = F.one_hot(y, logits.shape[-1]).bool()
    if goal == "loss":
        raised = -logits.log_softmax(-1)[:, own].sum()
    else:
        raised = logits.masked_fill(own, -torch.inf).amax(-1).sum() - logits[:, own].sum()
    return torch.autograd.grad(raised, inputs)[0].sign()


def denoisers(
    X: Tensor,
    damage: Callable[[Tensor], Tensor],
    *,
    hidden: int = 128,
    seeds: Sequence[int] = range(5),
    steps: int = 800,
    batch: int = 50,
) -> Networks:
    """Autoencoders trained to give back x from damage(x), on the squared error (Vincent 2008)."""
    sizes = [X.shape[1], hidden, X.shape[1]]
    nets = Networks(start(sizes, seeds), plain, torch.relu)
    order = orders(len(X), batch, steps, seeds)

    def loss(step: int) -> Tensor:
        x = X[order[step]]
        return (nets(damage(x)) - x).square().sum() / batch

    fit(nets.parameters, loss, steps)
    return nets


def ring(*shape: int) -> Tensor:
    """Points (…, 2) of a mixture of eight normals of width 0.1 on a circle of radius 2."""
    angle = torch.randint(8, shape) * torch.pi / 4
    return 2 * torch.stack([angle.cos(), angle.sin()], -1) + 0.1 * torch.randn(*shape, 2)


def modes(points: Tensor) -> tuple[Tensor, Tensor]:
    """For points (nets, n, 2): how many of `ring`'s modes hold 2 % of them; the share near a mode.

    Near is within three widths of its centre.
    """
    angle = torch.arange(8) * torch.pi / 4
    centres = 2 * torch.stack([angle.cos(), angle.sin()], -1)
    near = (points[:, :, None] - centres).norm(dim=-1) < 0.3
    return (near.float().mean(1) > 0.02).sum(1), near.any(-1).float().mean(1)


def generators(
    rates: Sequence[float],
    *,
    seeds: Sequence[int] = range(8),
    hidden: int = 48,
    steps: int = 1000,
    batch: int = 64,
    rate: float = 0.003,
) -> Tensor:
    """1000 points (rates, seeds, 1000, 2) of generators trained on `ring` (Goodfellow 2014).

    rates : the drop probability of the discriminator's hidden units, in its own steps and in
        those of the generator
    """
    p = torch.tensor(rates).repeat_interleave(len(seeds))[:, None, None]
    N, every = len(p), list(seeds) * len(rates)

    def layer(h: Tensor, W: Tensor, b: Tensor, depth: int, time: float | None) -> Tensor:
        return affine(dropped(h, torch.rand_like(h), p) if depth else h, W, b)

    leaky = torch.nn.LeakyReLU(0.2)
    G = Networks(start([2, hidden, hidden, 2], every), plain, leaky)
    D = Networks(start([2, hidden, hidden, 1], [s + 1000 for s in every]), layer, leaky)
    g, d = (adam(net.parameters, rate, betas=(0.5, 0.99)) for net in (G, D))
    for _ in range(steps):
        real, fake = ring(N, batch), G(torch.randn(N, batch, 2)).detach()
        logits = D(torch.cat([real, fake], 1))
        logits = torch.cat([-logits[:, :batch], logits[:, batch:]], 1)
        stacked.update(d, 2 * F.softplus(logits).mean((1, 2)).sum())
        stacked.update(g, F.softplus(-D(G(torch.randn(N, batch, 2)))).mean((1, 2)).sum())
    with torch.no_grad():
        return G(torch.randn(N, 1000, 2)).reshape(len(rates), len(seeds), 1000, 2)


# --- the frontier ------------------------------------------------------------------------


MOMENTS = ("exp_avg", "exp_avg_sq")  # what Adam remembers of a parameter


def populations(
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    *,
    groups: int = 5,
    members: int = 6,
    hidden: Sequence[int] = (64, 64),
    widest: float = 0.6,
    steps: int = 1000,
    batch: int = 25,
    every: int = 50,
    rate: float = 0.002,
) -> tuple[Tensor, Networks]:
    """Drop rates that are learnt while the networks train (Jaderberg 2017).

    Each group begins with `members` copies of one network and rates drawn from 0 … `widest`.
    After `every` steps the member with the largest validation loss becomes a copy of the one
    with the smallest, its rate moved by a normal number of deviation 0.1. Returns the rates
    (moments, groups, members), and the best network of each group.
    """
    N = groups * members
    p = torch.rand(groups, members) * widest

    def layer(h: Tensor, W: Tensor, b: Tensor, depth: int, time: float | None) -> Tensor:
        if depth and time is not None:
            own = p.reshape(N, 1, 1)
            h = dropped(h, torch.rand_like(h), own)
        return affine(h, W, b)

    def losses(X: Tensor, y: Tensor, time: float | None) -> Tensor:
        logits = nets(X, time).flatten(0, 1)
        each = F.cross_entropy(logits, y.flatten(), reduction="none")
        return each.reshape(groups, members, -1).mean(-1)

    @torch.no_grad()
    def judged() -> Tensor:
        X, y = validation
        return losses(nets.each(X), y.expand(N, -1), None)

    X, y = train
    sizes = [X.shape[1], *hidden, int(y.max()) + 1]
    alike = [group for group in range(groups) for _ in range(members)]
    nets = Networks(start(sizes, alike), layer, torch.relu)
    order = orders(len(X), batch, steps, alike)
    optimizer = adam(nets.parameters, rate)
    history = [p]

    def loss(step: int) -> Tensor:
        return losses(X[order[step]], y[order[step]], step / steps).sum()

    @torch.no_grad()
    def replace(step: int) -> None:
        nonlocal p
        if step % every or not 0 < step < steps:
            return
        judgement, group = judged(), torch.arange(groups)
        best, worst = judgement.argmin(1), judgement.argmax(1)
        p = p.clone()
        p[group, worst] = (p[group, best] + 0.1 * torch.randn(groups)).clamp(0, 0.8)
        best, worst = (members * group + k for k in (best, worst))
        for part in nets.parameters:
            for values in (part, *(optimizer.state[part][k] for k in MOMENTS)):
                values[worst] = values[best]
        history.append(p)

    descend(loss, optimizer, steps, schedule=falling(steps), look=replace)
    best = judged().argmin(1) + members * torch.arange(groups)
    chosen = [part.detach()[best] for part in nets.parameters]
    return torch.stack(history), Networks(chosen, plain, torch.relu)


class Spiking:
    """196 pixels as constant currents into 128 leaky integrate-and-fire neurons, then 10 logits.

    v ← 0.9 v + W x + b; above 1 a neuron spikes and loses 1. The logits are linear in the
    numbers of spikes in 8 steps. The gradient of a spike is that of sigmoid(4 (v - 1)), a
    surrogate (Neftci 2019).
    """

    TIMES = 8

    def __init__(self, p: float, held: bool, seeds: Sequence[int] = range(5)):
        """p : the drop rate; held : one mask of neurons for all steps, else one of spikes each."""
        self.p, self.held = p, held
        self.parameters = start([SIDE * SIDE, 128, 10], seeds)

    def counts(self, X: Tensor, training: bool = False) -> Tensor:
        """The numbers of spikes (seeds, images, neurons), thinned and scaled in training."""
        W, b, _, _ = self.parameters
        current = affine(X, W, b)
        v = torch.zeros_like(current)
        factor, total = torch.ones_like(v), torch.zeros_like(v)
        for time in range(self.TIMES):
            v = 0.9 * v + current
            soft = torch.sigmoid(4 * (v - 1))
            spike = soft + ((v > 1).float() - soft).detach()
            v = v - spike.detach()
            if training and (time == 0 or not self.held):
                factor = (torch.rand_like(v) >= self.p) / (1 - self.p)
            total = total + spike * factor
        return total

    def __call__(self, X: Tensor, training: bool = False) -> Tensor:
        """The logits (seeds, images, 10) of X (seeds, images, pixels)."""
        _, _, V, c = self.parameters
        return affine(self.counts(X, training) / self.TIMES, V, c)

    def train(self, X: Tensor, y: Tensor, steps: int = 500, batch: int = 25) -> Spiking:
        """Train on the cross-entropy; the networks themselves."""
        S = len(self.parameters[0])
        order = orders(len(X), batch, steps, range(S))

        def loss(step: int) -> Tensor:
            logits = self(X[order[step]], self.p > 0)
            return S * F.cross_entropy(logits.flatten(0, 1), y[order[step]].flatten())

        fit(self.parameters, loss, steps)
        return self


def circuit(angles: Tensor, x: Tensor) -> Tensor:
    """⟨Z⟩ of the first of three simulated qubits, (circuits, points), for numbers x of that shape.

    angles : (circuits, layers, 6). A layer turns each qubit by x plus an angle about Y, then
    entangles each pair by a ZZ rotation. A gate whose angle is 0 does nothing: it is dropped.
    """
    bits = (torch.arange(8)[:, None] >> torch.arange(3)) & 1
    Z = (1 - 2 * bits).float()
    ZZ = Z * Z.roll(-1, 1)
    state = torch.zeros(*x.shape, 8, dtype=torch.complex64)
    state[..., 0] = 1
    for layer in angles.unbind(1):
        for qubit in range(3):
            half = (x + layer[:, qubit, None]) / 2
            cos, sin = half.cos()[..., None, None], half.sin()[..., None, None]
            pairs = state.reshape(*x.shape, 2 ** (2 - qubit), 2, 2**qubit)
            down, up = pairs.unbind(-2)
            turned = torch.stack([cos * down - sin * up, sin * down + cos * up], -2)
            state = turned.reshape(state.shape)
        phase = layer[:, 3:] @ ZZ.T / 2
        state = state * torch.exp(-1j * phase)[:, None]
    return (state.abs() ** 2) @ Z[:, 0]


def circuits(
    rates: Sequence[float], *, seeds: int = 100, layers: int = 4, points: int = 10, steps: int = 300
) -> tuple[Tensor, Tensor]:
    """Squared test errors (rates, seeds) of circuits fitted to a few noisy points of a curve.

    In each step of training each gate is left out with probability p. The second tensor holds
    the errors with all angles multiplied by 1 - p, the first those with the angles as they are.
    """

    def curve(x: Tensor) -> Tensor:
        return 0.8 * torch.sin(x) * torch.cos(x / 2)

    def stacked(part: Tensor) -> Tensor:
        return part.repeat(len(rates), *[1] * (part.ndim - 1))

    x = stacked((2 * torch.rand(seeds, points) - 1) * 2.8)
    y = curve(x) + stacked(0.2 * torch.randn(seeds, points))
    angles = stacked(0.5 * torch.randn(seeds, layers, 6)).requires_grad_()
    p = torch.tensor(rates).repeat_interleave(seeds)[:, None, None]

    def loss(step: int) -> Tensor:
        kept = torch.rand_like(angles) >= p
        return (circuit(angles * kept, x) - y).square().mean(1).sum()

    fit([angles], loss, steps, rate=0.05)
    grid = torch.linspace(-2.8, 2.8, 60).expand(len(x), -1)
    with torch.no_grad():
        whole, scaled = (
            (circuit(own, grid) - curve(grid)).square().mean(1).reshape(len(rates), seeds)
            for own in (angles, angles * (1 - p))
        )
    return whole, scaled
