"""Many ReLU networks at once, trained as Srivastava et al. (2014) train them.

The gradient descent is that of `dropoutlab.stacked`. As in the paper, and unlike
`dropoutlab.train.many`, nothing is scaled up in training: what a unit passes on is multiplied by
its keep probability at test time (their section 4), so bounds and learning rates mean what they
mean there. `keep` is the paper's p.

Unlike there, too, the networks of a piece draw their numbers from one generator, on the device:
a million updates of networks this size take hours on a GPU, and a generator for each network
would cost a launch for each network and layer. And training can be interrupted, saved, and
resumed between two passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dropoutlab.stacked import SGD, update

BATCH = 100
MOMENTUM = 0.5, 0.95
"""At first and after a tenth of the updates. Paper, B.1: "a final momentum of 0.95"."""
TARGET = 0.1
"""The mean activation that sparsity asks for."""
OUTPUT = 0.1
"""What the output layer begins with, in He's standard deviations. With 1 an autoencoder begins
with outputs so wrong that the first updates silence its units for good."""
LATE = 0.75
"""L1 sets in after this share of the updates: "applied towards the end of training"."""


@dataclass(frozen=True)
class Setting:
    """What one network is trained with."""

    rate: float
    keep: float = 1.0
    """Probability that a hidden unit survives; for Gaussian noise σ² = (1 - keep) / keep."""
    keep_input: float = 1.0
    gaussian: bool = False
    weight_decay: float = 0.0
    """λ of λ/2 Σ w²"""
    l1: float = 0.0
    """λ of λ Σ |w|"""
    sparsity: float = 0.0
    """β of β/2 Σ_units (mean activation - TARGET)²: the gradient β (mean - TARGET) is what the
    authors' code gives ReLUs as KL sparsity, whose divisor mean (1 - mean) needs a mean < 1."""
    max_norm: float = np.inf
    """Largest Euclidean norm of each unit's incoming weights, in all layers (B.1)."""


class Networks:
    """N networks of one shape, each with its own setting, and where their training stands.

    settings : one for each network
    sizes : units of each layer, inputs and outputs included
    steps : updates in all; the learning rate falls to 0 in a straight line
    seed : the networks follow from it, from their number and from the device's kind
    replayed : on a GPU, record an update once and replay it: see `Replay`
    batch : images of an update

    weights (N, inputs, outputs) and biases (N, outputs) are lists, an entry for each layer.
    """

    def __init__(
        self,
        settings: Sequence[Setting],
        sizes: Sequence[int],
        steps: int,
        seed: int,
        device: str,
        replayed: bool = False,
        batch: int = BATCH,
    ):
        self.count, self.steps, self.device = len(settings), steps, device
        self.batch = batch
        self._replayed = replayed
        self.step, self.seconds = 0, 0.0
        self._settings = {
            name: torch.tensor([float(getattr(s, name)) for s in settings], device=device).reshape(
                -1, 1, 1
            )
            for name in Setting.__dataclass_fields__
        }
        self._on = {name: bool((value > 0).any()) for name, value in self._settings.items()}
        self._thins = [bool((self._keep(layer) < 1).any()) for layer in (0, 1)]
        self._start = torch.Generator().manual_seed(seed)
        self._chance = torch.Generator(device).manual_seed(seed + 1)
        self.weights, self.biases = [], []
        for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
            W = torch.randn(self.count, inputs, outputs, generator=self._start).to(device)
            scale = (2 / inputs / self._keep(layer)).sqrt_()  # He, of the units that are kept
            if layer == len(sizes) - 2:
                scale *= OUTPUT
            self.weights.append(W.mul_(scale))
            self.biases.append(torch.zeros(self.count, outputs, device=device))
        bounds = {name: self._settings[name] for name in ("weight_decay", "max_norm")}
        self._now = self._settings["rate"].clone(), torch.zeros((), device=device)
        self._optimizer = SGD(
            [{"params": self.weights, "inputs": 1} | bounds, {"params": self.biases}], *self._now
        )

    def _keep(self, layer: int) -> Tensor:
        """The keep probability (N, 1, 1) of what enters a layer; layer 0 is the input."""
        return self._settings["keep" if layer else "keep_input"]

    def rows(self, total: int, count: int) -> Tensor:
        """For each network `count` of `total` training rows, (N, count); all of them in order."""
        if count == total:
            return torch.arange(total).expand(self.count, -1).to(self.device)
        draws = torch.rand(self.count, total, generator=self._start)
        return draws.argsort(1)[:, :count].to(self.device)

    def passes(self, X: Tensor, y: Tensor | None, rows: Tensor) -> Iterator[int]:
        """Train; after each shuffled pass through `rows`, yield the number of updates made.

        X is (total, features). y (total,) holds classes; where it is None the networks learn to
        give their input back. Between two passes, and only there, `state` is whole.
        """
        count = rows.shape[1]
        size = min(self.batch, count)
        for parameter in (*self.weights, *self.biases):
            parameter.requires_grad_()
        replay = Replay(self._update, self._chance) if self._replayed else None
        while self.step < self.steps:
            draws = torch.rand(rows.shape, generator=self._chance, device=self.device)
            order = rows.gather(1, draws.argsort(1))[:, : count // size * size]
            for batch in order.split(size, 1)[: self.steps - self.step]:
                given = [X[batch]] if y is None else [X[batch], y[batch]]
                self._schedule()
                if replay:
                    replay(given, self._late)
                else:
                    self._update(*given)
                self.step += 1
            yield self.step

    def _schedule(self) -> None:
        """Set the rates and the momentum of the next update, in place."""
        done, (rate, momentum) = self.step / self.steps, self._now
        rate.copy_(self._settings["rate"] * (1 - done))
        momentum.fill_(MOMENTUM[0] + (MOMENTUM[1] - MOMENTUM[0]) * min(1, 10 * done))

    @property
    def _late(self) -> bool:
        """Whether L1 has set in."""
        return self._on["l1"] and self.step / self.steps >= LATE

    def _update(self, X: Tensor, y: Tensor | None = None) -> None:
        """One step of gradient descent with momentum; then every norm is brought into bounds."""
        z, hidden = self.forward(X, dropping=True)
        if y is None:
            loss = (z - X).square().sum() / 2 / X.shape[1]
        else:
            loss = F.cross_entropy(z.flatten(0, 1), y.flatten(), reduction="sum") / y.shape[1]
        if self._on["sparsity"]:
            excess = torch.stack([(h.mean(1) - TARGET).square().sum(1) for h in hidden]).sum(0)
            loss = loss + (self._settings["sparsity"].flatten() * excess).sum() / 2
        if self._late:
            loss = loss + sum((self._settings["l1"] * w.abs()).sum() for w in self.weights)
        update(self._optimizer, loss)

    def forward(self, h: Tensor, dropping: bool) -> tuple[Tensor, list[Tensor]]:
        """Outputs (N, rows, outputs), and each hidden layer's activations (N, rows, units).

        h : (N, rows, features), or (rows, features) for all networks
        dropping : thin the networks by new masks; else scale by the keep probability
        """
        hidden: list[Tensor] = []
        h = h.expand(self.count, *h.shape[-2:])
        for layer, (W, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            if layer:
                h = h.relu_()
                hidden.append(h)
            h = torch.baddbmm(b[:, None], self._thinned(h, layer, dropping), W)
        return h, hidden

    def _thinned(self, h: Tensor, layer: int, dropping: bool) -> Tensor:
        """h times a mask of 0 and 1, or 1 + σ ε; at test time times its mean (their §4, §10)."""
        keep, gaussian = self._keep(layer), self._settings["gaussian"] > 0
        if not self._thins[min(layer, 1)]:
            return h
        if not dropping:
            return h * torch.where(gaussian, 1, keep)
        shape, source, device = h.shape, self._chance, self.device
        factor = (torch.rand(shape, generator=source, device=device) < keep).to(h.dtype)
        if self._on["gaussian"]:
            noise = torch.randn(shape, generator=source, device=device)
            noise = noise.mul_(((1 - keep) / keep).sqrt()).add_(1)
            factor = torch.where(gaussian, noise, factor)
        return h * factor

    @torch.no_grad()
    def errors(self, X: Tensor, y: Tensor) -> list[float]:
        """Each network's test error in percent, weights scaled."""
        wrong = torch.zeros(self.count, device=self.device)
        for inputs, t in zip(X.split(1000), y.split(1000), strict=True):
            wrong += (self.forward(inputs, dropping=False)[0].argmax(2) != t).sum(1)
        return (100 * wrong.double() / len(y)).tolist()

    def _tensors(self) -> list[Tensor]:
        """What training changes: the parameters, and the speed of each."""
        parameters = [*self.weights, *self.biases]
        return parameters + [self._optimizer.state[w]["speed"] for w in parameters]

    def state(self) -> dict[str, Any]:
        """All that training needs to resume from here, on the CPU."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "chance": self._chance.get_state(),
            "tensors": [tensor.detach().cpu() for tensor in self._tensors()],
        }

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Resume from `state`."""
        self.step, self.seconds = state["step"], state["seconds"]
        self._chance.set_state(state["chance"])
        for tensor, saved in zip(self._tensors(), state["tensors"], strict=True):
            tensor.copy_(saved)


class Network(Networks):
    """One classifier on one core of a CPU, trained as `Networks` are, several times as fast.

    What differs: products are taken in bfloat16 and summed up in float32, masks are cut from
    random bytes (so that a unit is kept with probability keep to 1/131072), and each matrix lies
    in memory so that a unit's incoming weights are neighbours. Only bounds, weight decay and
    Bernoulli masks are known to it.
    """

    def __init__(self, setting: Setting, sizes: Sequence[int], steps: int, seed: int, batch: int):
        if setting.gaussian or setting.l1 or setting.sparsity:
            raise ValueError(f"a network alone knows no Gaussian noise, L1 or sparsity: {setting}")
        super().__init__([setting], sizes, steps, seed, "cpu", batch=batch)
        self.setting = setting
        self._seed = seed
        self._matrices = [w[0].mT.contiguous().requires_grad_() for w in self.weights]
        self._offsets = [b[0].requires_grad_() for b in self.biases]
        self.weights = [w.detach().mT[None] for w in self._matrices]
        self.biases = [b.detach()[None] for b in self._offsets]
        groups: list[dict[str, Any]] = [
            {"params": self._matrices, "weight_decay": setting.weight_decay},
            {"params": self._offsets},
        ]
        self._fused = torch.optim.SGD(groups, lr=1.0, fused=True)
        for parameter in (*self._matrices, *self._offsets):
            self._fused.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    def _schedule(self) -> None:
        super()._schedule()
        for group in self._fused.param_groups:
            group["lr"], group["momentum"] = map(float, self._now)

    def _update(self, X: Tensor, y: Tensor | None = None) -> None:
        if y is None:
            raise ValueError("a network alone is a classifier: give its classes, y")
        coins = np.random.Generator(np.random.SFC64([self._seed, self.step]))
        with torch.autocast("cpu", torch.bfloat16):
            h = X[0]
            for layer, (W, b) in enumerate(zip(self._matrices, self._offsets, strict=True)):
                h = F.linear(self._masked(h.relu_() if layer else h, layer, coins), W, b)
        self._fused.zero_grad()
        F.cross_entropy(h.float(), y[0]).backward()
        self._fused.step()
        if np.isfinite(self.setting.max_norm):
            with torch.no_grad():
                for W in self._matrices:
                    norms = W.norm(dim=1, keepdim=True).clamp_min_(1e-12)
                    W.mul_((self.setting.max_norm / norms).clamp_max_(1))

    def _masked(self, h: Tensor, layer: int, coins: np.random.Generator) -> Tensor:
        """h times a new mask of 0 and 1."""
        keep, n = self.setting.keep if layer else self.setting.keep_input, h.numel()
        if keep == 1:
            return h
        if keep == 0.5:  # a bit decides, else two bytes
            mask = np.unpackbits(np.frombuffer(coins.bytes(-(-n // 8)), np.uint8), count=n)
        else:
            below = np.frombuffer(coins.bytes(2 * n), np.uint16) < round(keep * 2**16)
            mask = below.view(np.uint8)
        return h * torch.from_numpy(mask).view(h.shape)

    def _tensors(self) -> list[Tensor]:
        parameters = [*self._matrices, *self._offsets]
        return parameters + [self._fused.state[w]["momentum_buffer"] for w in parameters]


class Replay:
    """An update that a GPU records once and then replays: one launch in place of a hundred.

    update : changes the networks by what it is given; what else it reads changes in place
    generator : that from which it draws
    """

    WARM = 3
    """Updates before it is recorded, which find places in memory and choose algorithms."""

    def __init__(self, update: Callable[..., None], generator: torch.Generator):
        self._do, self._generator = update, generator
        self._stream = torch.cuda.Stream()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._given: list[Tensor] = []
        self._kind, self._warm = False, self.WARM

    def __call__(self, given: list[Tensor], kind: bool) -> None:
        """One update; one of another `kind` than the last is recorded anew."""
        if kind != self._kind:
            self._graph, self._kind, self._warm = None, kind, self.WARM
        if self._warm:
            self._warm -= 1
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._do(*given)
            torch.cuda.current_stream().wait_stream(self._stream)
            return
        if self._graph is None:
            self._given = [tensor.clone() for tensor in given]
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self._generator)
            with torch.cuda.graph(graph, stream=self._stream):
                self._do(*self._given)
            self._graph = graph
        for place, tensor in zip(self._given, given, strict=True):
            place.copy_(tensor)
        self._graph.replay()
