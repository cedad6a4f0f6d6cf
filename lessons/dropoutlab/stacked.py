"""Training many networks at once: the one place that does it.

N independent networks stand side by side: every parameter has a leading axis N, so a layer of
all of them is one batched product, and a step of training costs one call where N networks one
after another cost N. The modules that use this say what a network is; here is what they share:
what chance decides (`Chance`, `batches`, `layers`), dropout with a rate for each network
(`dropped`), gradient descent (`SGD`, `adam`, `descend`), and the cores (`shared`).

A loss is the sum of the networks' own losses. They share no parameter, so each gets its own
gradient.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm import trange

T = TypeVar("T")

# --- what chance decides -----------------------------------------------------------------


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU, begun from this seed."""
    return torch.Generator().manual_seed(int(seed))


def layers(sizes: Sequence[int], generator: torch.Generator, gain: float = 2.0) -> list[Tensor]:
    """W, b, W, b, … of one network with these layer sizes, before training.

    W (outputs, inputs) is normal with variance gain / inputs (2 is He's), b (outputs,) is 0.
    """
    parameters = []
    for inputs, outputs in pairwise(sizes):
        W = torch.randn(outputs, inputs, generator=generator) * (gain / inputs) ** 0.5
        parameters += [W, torch.zeros(outputs)]
    return parameters


def batches(n: int, size: int, steps: int, generator: torch.Generator) -> Tensor:
    """The rows of each step's batch, (steps, size): numbers below n, pass by pass.

    Passes are shuffled anew and follow one another without a gap, so a batch may end one pass
    and begin the next.
    """
    passes = [torch.randperm(n, generator=generator) for _ in range(-(-steps * size // n))]
    return torch.cat(passes)[: steps * size].reshape(steps, size)


def side_by_side(networks: Iterable[Iterable[Tensor]]) -> list[Tensor]:
    """The tensors of N networks, each with those of the others: with a leading axis N."""
    return [torch.stack(part) for part in zip(*networks, strict=True)]


class Chance:
    """All that chance decides for the network of one seed, each in a stream of its own.

    Two networks of one seed begin with the same weights, see the same rows in the same order
    and compare their drop probabilities with the same uniform numbers, whatever else differs:
    what then differs between them is due to their settings. Nor does a network depend on which
    others train beside it.
    """

    def __init__(self, seed: int, device: str = "cpu"):
        self._seed, self._device = seed, device
        self._streams: dict[str, torch.Generator] = {}

    def stream(self, name: str, device: str = "cpu") -> torch.Generator:
        """The generator of this name, made at the first call."""
        if name not in self._streams:
            entropy = np.random.SeedSequence([self._seed, *name.encode()])
            state = int(entropy.generate_state(1, np.uint64)[0]) >> 1
            self._streams[name] = torch.Generator(device).manual_seed(state)
        return self._streams[name]

    def layers(self, sizes: Sequence[int], gain: float = 2.0) -> list[Tensor]:
        """The next layers, W, b, W, b, …, before training; see the function of this name."""
        return layers(sizes, self.stream("weights"), gain)

    def subset(self, total: int, n: int) -> Tensor:
        """n of `total` rows; a smaller n gives a part of a larger one's."""
        return torch.randperm(total, generator=self.stream("subset"))[:n]

    def batches(self, n: int, size: int, steps: int) -> Tensor:
        """The rows of each step's batch, (steps, size); see the function of this name."""
        return batches(n, size, steps, self.stream("rows"))

    def variants(self, count: int, size: int) -> tuple[Tensor, Tensor]:
        """For each row of a batch one of `count` variants, and a uniform number: both (size,)."""
        stream = self.stream("variants")
        which = torch.randint(count, (size,), generator=stream)
        return which, torch.rand(size, generator=stream)

    def uniform(self, layer: int, size: int, units: int) -> Tensor:
        """The uniform numbers (size, units) of a layer's next mask: where >= p a unit survives.

        Layer 0 is the input.
        """
        stream = self.stream(f"layer {layer}", self._device)
        return torch.rand(size, units, generator=stream, device=self._device)


class Chances:
    """What chance decides for N networks, drawn once for all those of one seed."""

    def __init__(self, seeds: Sequence[int] | np.ndarray, device: str = "cpu"):
        distinct, which = np.unique(np.asarray(seeds), return_inverse=True)
        self._distinct = [Chance(int(seed), device) for seed in distinct]
        self._which = torch.as_tensor(which, device=device)

    def drawn(self, draw: Callable[[Chance], Iterable[Tensor]]) -> list[Tensor]:
        """The tensors draw(chance) of each network, side by side: (N, …), on the device."""
        parts = side_by_side(draw(chance) for chance in self._distinct)
        return [part.to(self._which.device)[self._which] for part in parts]


# --- layers of all networks --------------------------------------------------------------


def affine(h: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """h Wᵀ + b of each network: h (N, rows, inputs), W (N, outputs, inputs), b (N, outputs)."""
    return torch.baddbmm(b[:, None], h, W.mT)


def dropped(h: Tensor, u: Tensor, p: Tensor) -> Tensor:
    """Inverted dropout: h / (1 - p) where the uniform number u is >= p, else 0.

    u has the shape of h and is overwritten; p is spread over both, a number for each network.
    """
    return h * u.ge_(p).mul_(torch.where(p < 1, 1 / (1 - p), 0))


# --- gradient descent --------------------------------------------------------------------


class SGD(torch.optim.Optimizer):
    """torch.optim.SGD with momentum, where each network has settings of its own.

    A setting is a number, or a tensor (N, 1, 1) of one for each network: `lr`, `momentum`,
    `weight_decay` (λ of λ/2 ‖w‖²) and `max_norm`, the largest Euclidean norm of a unit's
    incoming weights, kept after each step. `inputs` is the axis along which these lie.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: Tensor, momentum: Tensor | float):
        usual = {"weight_decay": 0.0, "max_norm": torch.inf, "inputs": 2}
        super().__init__(groups, usual | {"lr": lr, "momentum": momentum})
        for group in self.param_groups:
            group["decays"] = bool(torch.as_tensor(group["weight_decay"]).any())
            group["bounded"] = bool(torch.as_tensor(group["max_norm"]).isfinite().any())
            for w in group["params"]:
                self.state[w]["speed"] = torch.zeros_like(w)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """v ← momentum v + gradient + weight_decay w, then w ← w - lr v, brought into bounds."""
        for group in self.param_groups:
            for w in group["params"]:
                v, gradient = self.state[w]["speed"], w.grad
                if group["decays"]:
                    gradient.addcmul_(_fitted(group["weight_decay"], w), w)
                v.mul_(_fitted(group["momentum"], w)).add_(gradient)
                w.addcmul_(_fitted(group["lr"], w), v, value=-1)
                if group["bounded"]:
                    norms = w.norm(dim=group["inputs"], keepdim=True).clamp_min_(1e-12)
                    w.mul_((group["max_norm"] / norms).clamp_max_(1))


def _fitted(setting: Any, w: Tensor) -> Any:
    """A setting (N, 1, 1) as it is spread over a parameter that may lack an axis."""
    if isinstance(setting, Tensor) and setting.dim() > w.dim():
        return setting[..., 0]
    return setting


def adam(
    parameters: Iterable[Tensor], lr: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.Adam:
    """Adam (Kingma and Ba 2015) on parameters of all networks."""
    return torch.optim.Adam(list(parameters), lr=lr, betas=betas, fused=True)


def update(optimizer: torch.optim.Optimizer, loss: Tensor, clip: float | None = None) -> None:
    """One step down the gradient of `loss`; with `clip`, each network's is at most that long."""
    parameters = [w for group in optimizer.param_groups for w in group["params"]]
    loss.backward(inputs=parameters)
    if clip is not None:
        gradients = [w.grad for w in parameters if w.grad is not None]
        length = torch.stack([g.square().flatten(1).sum(1) for g in gradients]).sum(0).sqrt()
        for g in gradients:
            g *= (clip / length).clamp(max=1).reshape(-1, *[1] * (g.dim() - 1))
    optimizer.step()
    optimizer.zero_grad()  # they take as much memory as the weights


def falling(steps: int) -> Callable[[int], float]:
    """The schedule that falls from 1 to 0 in a straight line."""
    return lambda step: 1 - step / steps


def descend(
    loss: Callable[[int], Tensor],
    optimizer: torch.optim.Optimizer,
    steps: int,
    *,
    schedule: Callable[[int], float] | None = None,
    clip: float | None = None,
    look: Callable[[int], None] | None = None,
    progress: bool = False,
) -> None:
    """Train: an update on loss(0), loss(1), …, as many as `steps`, on one thread of a CPU.

    schedule : what the learning rate is multiplied by in each step
    clip : the largest Euclidean norm of each network's gradient
    look : called with the number of updates made, 0 … steps
    progress : show a bar
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    ended = getattr(_worker, "ended", None)
    with on_one_thread():
        if look is not None:
            look(0)
        for step in trange(steps, disable=not progress, file=sys.stdout):
            if ended is not None and ended.is_set():
                raise CancelledError
            if schedule is not None:
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * schedule(step)
            update(optimizer, loss(step), clip)
            if look is not None:
                look(step + 1)


# --- cores -------------------------------------------------------------------------------


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Have torch compute on one thread for a while.

    Products this small gain nothing from more, and where something else uses the cores, the
    threads wait for one another: ten times as long.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_worker = threading.local()
"""Of a thread that `shared` started: `ended`, an Event that is set when it shall stop."""


def shared(work: Callable[[np.ndarray], T], count: int) -> list[T]:
    """work(share) for the numbers 0 … count - 1, split among as many threads as cores.

    Where the caller is interrupted, they end at their next update.
    """
    ended = threading.Event()

    def alone(share: np.ndarray) -> T:
        _worker.ended = ended
        torch.set_num_threads(1)  # of this worker
        return work(share)

    workers = min(os.cpu_count() or 1, count)
    with on_one_thread(), ThreadPoolExecutor(workers) as pool:
        try:
            return list(pool.map(alone, np.array_split(np.arange(count), workers)))
        except BaseException:
            ended.set()
            raise
