"""Small models of what is tried with dropout far from the usual network.

Information that survives erasure, a PAC-Bayes bound, populations that learn their own drop
probability, spiking neurons, simulated quantum circuits, and adversarial generators. In each, many
models stand side by side, as in `stacked`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dropoutlab import data, stacked
from dropoutlab.stacked import adam, affine, descend, dropped, falling
from dropoutlab.variants import SIDE, Networks, fit, orders, plain, start

# --- information -------------------------------------------------------------------------


def survives(p: Any, copies: Any) -> Any:
    """The share of a bit that is kept by so many copies, each dropped with probability p."""
    return 1 - p**copies


def codes(
    p: float,
    *,
    bits: int = 4,
    units: int = 8,
    noise: float = 0.3,
    seeds: Sequence[int] = range(5),
    steps: int = 1500,
    batch: int = 128,
) -> tuple[Tensor, Tensor]:
    """Bits (N,) that N trained codes carry through `units` units that are dropped; their weights.

    A linear map makes tanh units of random bits of ±1; each gets normal noise and is then dropped
    with probability p. A network of one hidden layer reads the bits from what is left. Counted are
    Σ (1 - its cross-entropy in bits), which are at most the information that is left. The weights
    that make the units are (N, units, bits).
    """
    N = len(seeds)
    source = stacked.seeded(seeds[0])
    encoder, decoder = (
        start([bits, units], seeds),
        start([units, 64, bits], [s + 50 for s in seeds]),
    )

    def nats(rows: int) -> Tensor:
        sent = 2 * torch.randint(2, (N, rows, bits), generator=source).float() - 1
        code = affine(sent, *encoder).tanh()
        code = code + noise * torch.randn(code.shape, generator=source)
        code = dropped(code, torch.rand(code.shape, generator=source), torch.tensor(p))
        read = affine(affine(code, *decoder[:2]).relu(), *decoder[2:])
        return F.softplus(-sent * read).sum(-1)

    fit([*encoder, *decoder], lambda step: nats(batch).mean(1).sum(), steps, rate=0.01)
    with torch.no_grad():
        return bits - nats(20_000).mean(1) / math.log(2), encoder[0].detach()


HAMMING = torch.tensor([
    [1, 0, 0, 0, 0, 1, 1, 1],
    [0, 1, 0, 0, 1, 0, 1, 1],
    [0, 0, 1, 0, 1, 1, 0, 1],
    [0, 0, 0, 1, 1, 1, 1, 0],
])  # fmt: skip
"""The extended Hamming code: four bits, then the parity of three of them, each time others."""


def parity(p: float) -> float:
    """Bits of 4 that `HAMMING` keeps on average, if each of its eight units is dropped with p.

    A set of units keeps as many bits as its columns have rank, counted modulo 2.
    """
    total = 0.0
    for mask in range(256):
        kept = [j for j in range(8) if mask >> j & 1]
        columns = [sum(int(HAMMING[i, j]) << i for i in range(4)) for j in kept]
        rank = 0
        while columns:
            pivot = columns.pop()
            if pivot:
                rank += 1
                low = pivot & -pivot
                columns = [c ^ pivot if c & low else c for c in columns]
        total += rank * (1 - p) ** len(kept) * p ** (8 - len(kept))
    return total


# --- a bound -----------------------------------------------------------------------------


def twins(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Printed threes and eights of 14 × 14 pixels, the mean of each row taken away: X, y of ±1."""
    large, labels = data.glyphs(n, seed, classes="38")
    X = torch.as_tensor(data.halved(large), dtype=torch.float32).flatten(1)
    return X - X.mean(1, keepdim=True), torch.as_tensor(2.0 * labels - 1).float()


def gibbs(theta: Tensor, masks: Tensor, X: Tensor, y: Tensor) -> Tensor:
    """The error rate (N,) of linear classifiers whose weights are drawn, mean over masks.

    theta (N, d), masks (k, d): the weights are masks * (theta + normal noise), so the score of a
    row is normal, and its chance of a wrong sign is Φ(-y (m θ)·x / ‖m x‖).
    """
    far = X.square() @ masks.T  # (n, k)
    score = torch.einsum("rd,kd,nd->nrk", X, masks, theta)
    return torch.special.ndtr(-y[:, None] * score / (far + 1e-9).sqrt()).mean((1, 2))


def fitted(
    X: Tensor, y: Tensor, p: float, *, steps: int = 300, masks: int = 4, seed: int = 0
) -> Tensor:
    """The θ (1, d) of low error plus divergence / rows under dropout of the weights."""
    source = stacked.seeded(seed)
    theta = (0.01 * torch.randn(1, X.shape[1], generator=source)).requires_grad_()

    def loss(step: int) -> Tensor:
        drawn = (torch.rand(masks, X.shape[1], generator=source) >= p).float()
        return gibbs(theta, drawn, X, y).sum() + divergence(theta, p).sum() / len(X)

    fit([theta], loss, steps, rate=0.2)
    return theta.detach()


def divergence(theta: Tensor, p: float) -> Tensor:
    """KL (N,) of the drawn weights from the same with θ = 0 (McAllester 2013): q ‖θ‖² / 2."""
    return (1 - p) / 2 * theta.square().sum(-1)


def bound(error: float, kl: float, n: int, sure: float = 0.95) -> float:
    """The error rate that is not exceeded, with probability `sure` over training sets of n rows.

    The largest b with n · kl(error ‖ b) <= kl + log(2 √n / (1 - sure)) (Maurer 2004).
    """
    budget = (kl + math.log(2 * math.sqrt(n) / (1 - sure))) / n
    low, high = error, 1.0
    for _ in range(50):
        b = (low + high) / 2
        costs = sum(
            a * math.log(a / max(c, 1e-12)) for a, c in ((error, b), (1 - error, 1 - b)) if a > 0
        )
        low, high = (b, high) if costs <= budget else (low, b)
    return low


# --- adversaries -------------------------------------------------------------------------


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


# --- populations -------------------------------------------------------------------------

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


# --- spikes ------------------------------------------------------------------------------


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


# --- circuits ----------------------------------------------------------------------------


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
