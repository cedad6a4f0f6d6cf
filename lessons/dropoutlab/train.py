"""Training small networks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:  # torch is imported where it is used: the NumPy lessons do without
    import torch

T = TypeVar("T")
Dropout = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Parameters = dict[str, np.ndarray]


@threadpool_limits.wrap(limits=1)  # products this small wait for each other's threads
def two_layer(
    X: np.ndarray,
    y: np.ndarray,
    dropout: Dropout,
    seed: int,
    *,
    hidden: int = 128,
    epochs: int = 30,
    batch: int = 64,
    rate: float = 0.1,
) -> Parameters:
    """Train softmax(W2 d(relu(W1 x + b1)) + b2) on the cross-entropy, in NumPy.

    X is (n, features), y (n,) holds the classes 0 … c-1; `dropout(h, rng)` acts on the
    hidden units as `h * factor`, and the same factor carries the gradient back. Stochastic
    gradient descent with momentum 0.9. Everything follows from `seed`.
    """
    rng = np.random.default_rng(seed)
    classes = int(y.max()) + 1
    shapes = {"W1": (hidden, X.shape[1]), "W2": (classes, hidden)}
    net = {k: rng.normal(0, np.sqrt(2 / s[1]), s) for k, s in shapes.items()}
    net |= {"b1": np.zeros(hidden), "b2": np.zeros(classes)}
    speed = {k: np.zeros_like(v) for k, v in net.items()}
    targets = np.eye(classes)[y]
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(X)), max(1, len(X) // batch)):
            h = np.maximum(X[rows] @ net["W1"].T + net["b1"], 0)
            factor = dropout(np.ones_like(h), rng)
            dropped = h * factor
            error = (softmax(dropped @ net["W2"].T + net["b2"]) - targets[rows]) / len(rows)
            back = (error @ net["W2"]) * factor * (h > 0)
            gradient = {
                "W1": back.T @ X[rows],
                "b1": back.sum(0),
                "W2": error.T @ dropped,
                "b2": error.sum(0),
            }
            for k in net:
                speed[k] = 0.9 * speed[k] - rate * gradient[k]
                net[k] = net[k] + speed[k]
    return net


def predict(net: Parameters, X: np.ndarray) -> np.ndarray:
    """The class probabilities (n, classes) of a `two_layer` network, nothing dropped."""
    h = np.maximum(X @ net["W1"].T + net["b1"], 0)
    return softmax(h @ net["W2"].T + net["b2"])


def softmax(z: np.ndarray) -> np.ndarray:
    """exp(z) / sum exp(z) over the last axis."""
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def log_loss(probabilities: np.ndarray, y: np.ndarray) -> float:
    """The mean of -log p(y) in nats."""
    return float(-np.mean(np.log(probabilities[np.arange(len(y)), y] + 1e-300)))


def error_rate(probabilities: np.ndarray, y: np.ndarray) -> float:
    """The fraction of rows whose most probable class is not y."""
    return float(np.mean(probabilities.argmax(-1) != y))


# --- many networks at once ---------------------------------------------------------------


@dataclass(frozen=True)
class Runs:
    """What `many` saw of its N networks at R moments of their training."""

    steps: np.ndarray
    """(R,) the numbers of steps after which it looked."""
    loss: dict[str, np.ndarray]
    """For each watched set (N, R): the mean loss, nothing dropped and nothing smoothed."""
    error: dict[str, np.ndarray]
    """For each watched set (N, R): the error rate, or the root mean square error."""
    weights: list[torch.Tensor]
    """For each layer (N, outputs, inputs), as they are at the end."""
    biases: list[torch.Tensor]
    """For each layer (N, outputs)."""


class Chance:
    """All that chance decides for the network of one seed, each in a stream of its own.

    Two networks of one seed begin with the same weights, see the same rows in the same order
    and compare their drop probabilities with the same uniform numbers, whatever else differs:
    what then differs between them is due to their settings.
    """

    def __init__(self, seed: int, device: str = "cpu"):
        self._seed, self._device = seed, device
        self._streams: dict[str, torch.Generator] = {}

    def _stream(self, name: str, device: str = "cpu") -> torch.Generator:
        """The generator of this name, made at the first call."""
        import torch

        if name not in self._streams:
            entropy = np.random.SeedSequence([self._seed, *name.encode()])
            state = int(entropy.generate_state(1, np.uint64)[0]) >> 1
            self._streams[name] = torch.Generator(device).manual_seed(state)
        return self._streams[name]

    def weights(self, outputs: int, inputs: int) -> torch.Tensor:
        """The next layer's initial weights (outputs, inputs): normal, variance 2 / inputs (He)."""
        import torch

        return torch.randn(outputs, inputs, generator=self._stream("weights")) * (2 / inputs) ** 0.5

    def rows(self, n: int, size: int, steps: int) -> torch.Tensor:
        """The rows of each step's batch, (steps, size): a subset of n of them, pass by pass.

        Passes are shuffled anew and follow one another without a gap, so a batch may end one
        pass and begin the next.
        """
        import torch

        stream = self._stream("rows")
        passes = [torch.randperm(n, generator=stream) for _ in range(-(-steps * size // n))]
        return torch.cat(passes)[: steps * size].reshape(steps, size)

    def subset(self, total: int, n: int) -> torch.Tensor:
        """n of `total` rows; a smaller n gives a part of a larger one's."""
        import torch

        return torch.randperm(total, generator=self._stream("subset"))[:n]

    def variants(self, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """For each row of a batch one of `count` variants, and a uniform number: both (size,)."""
        import torch

        stream = self._stream("variants")
        which = torch.randint(count, (size,), generator=stream)
        return which, torch.rand(size, generator=stream)

    def uniform(self, layer: int, size: int, units: int) -> torch.Tensor:
        """The uniform numbers (size, units) of a layer's next mask: where >= p a unit survives.

        Layer 0 is the input.
        """
        import torch

        stream = self._stream(f"layer {layer}", self._device)
        return torch.rand(size, units, generator=stream, device=self._device)


Setting = float | Sequence[float] | np.ndarray


def many(
    X: np.ndarray,
    y: np.ndarray,
    hidden: Sequence[int] = (128, 128),
    *,
    seeds: Sequence[int],
    p: Setting = 0.0,
    p_input: Setting = 0.0,
    rate: Setting = 0.1,
    momentum: Setting = 0.9,
    weight_decay: Setting = 0.0,
    max_norm: Setting = np.inf,
    smoothing: Setting = 0.0,
    augment: Setting = 0.0,
    variants: np.ndarray | None = None,
    rows: Setting | None = None,
    batch: int = 64,
    steps: int = 600,
    every: int | None = None,
    watch: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> Runs:
    """Train N = len(seeds) ReLU networks at once: every parameter has a leading axis N.

    A layer of all networks is one batched product, (N, batch, inputs) by (N, inputs, outputs),
    so a step costs one call where N networks one after another cost N. Each network comes out
    as it would alone, up to rounding. Stochastic gradient descent with momentum, as in
    torch.optim.SGD, on the cross-entropy where y holds whole numbers (classes 0 … c-1), on the
    squared error where it holds floats (c = 1).

    X : (total, features), or (N, total, features) where each network has data of its own
    y : (total,), or (N, total)
    hidden : units of each hidden layer
    seeds : the seed of each network, see `Chance`; equal seeds give paired networks

    A setting is one number, or one for each network:

    p, p_input : drop probability of the hidden units and of the inputs (inverted dropout)
    rate, momentum : of the gradient descent
    weight_decay : λ of λ/2 · ‖W‖², all weights, no biases
    max_norm : largest Euclidean norm of a hidden unit's incoming weights, kept after each step
    smoothing : ε; a target is 1-ε for its class, and ε/c is added for each of the c classes
    augment : probability with which a row is replaced by one of its `variants`
    rows : how many rows the network may see, a subset drawn by its seed (all, where None)

    variants : (k, total, features), changed copies of a shared X
    every : look at the `watch`ed sets, named (X, y), every so many steps, and at the end;
        "train" is always among them: up to 512 of the rows that the network may see
    device : "cpu", where each core trains a share of the networks, or "cuda"
    progress : show a bar
    """
    import torch

    N = len(seeds)
    settings = {
        "seeds": seeds, "p": p, "p_input": p_input, "rate": rate, "momentum": momentum,
        "weight_decay": weight_decay, "max_norm": max_norm, "smoothing": smoothing,
        "augment": augment, "rows": np.shape(X)[-2] if rows is None else rows,
    }  # fmt: skip
    settings = {name: np.broadcast_to(value, (N,)) for name, value in settings.items()}
    classify = np.issubdtype(np.asarray(y).dtype, np.integer)
    sizes = [np.shape(X)[-1], *hidden, int(np.max(y)) + 1 if classify else 1]
    sets = {"train": (X, y)} | dict(watch or {})

    def train(share: np.ndarray) -> Runs:
        def own(array: np.ndarray, shared: int) -> np.ndarray:
            return array if np.ndim(array) == shared else np.asarray(array)[share]

        return _train(
            {name: (own(inputs, 2), own(targets, 1)) for name, (inputs, targets) in sets.items()},
            sizes, classify, {name: values[share] for name, values in settings.items()}, variants,
            batch, steps, every or steps, device, progress and share[0] == 0,
        )  # fmt: skip

    parts = shared(train, N) if device == "cpu" else [train(np.arange(N))]
    return Runs(
        parts[0].steps,
        *({k: np.concatenate([getattr(r, what)[k] for r in parts]) for k in sets}
          for what in ("loss", "error")),
        *([torch.cat(layer) for layer in zip(*(getattr(r, what) for r in parts), strict=True)]
          for what in ("weights", "biases")),
    )  # fmt: skip


def shared(work: Callable[[np.ndarray], T], count: int) -> list[T]:
    """work(share) for the numbers 0 … count - 1, split among as many threads as cores."""
    import torch

    def alone(share: np.ndarray) -> T:
        torch.set_num_threads(1)  # of this worker: products this small wait for each other's
        return work(share)

    workers, before = min(os.cpu_count() or 1, count), torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(alone, np.array_split(np.arange(count), workers)))
    finally:
        torch.set_num_threads(before)


def _train(
    sets: Mapping[str, tuple[np.ndarray, np.ndarray]],
    sizes: Sequence[int],
    classify: bool,
    settings: Mapping[str, np.ndarray],
    variants: np.ndarray | None,
    batch: int,
    steps: int,
    every: int,
    device: str,
    progress: bool,
) -> Runs:
    """One worker's share of `many`."""
    import torch
    from torch.nn.functional import log_softmax
    from tqdm import trange

    X, y = sets["train"]
    seeds, N = settings["seeds"], len(settings["seeds"])
    setting = {
        name: torch.as_tensor(values.astype(np.float32)).to(device).reshape(N, 1, 1)
        for name, values in settings.items()
    }
    X, y = _stacked(X, y, N, device)
    total = X.shape[1]
    network = torch.arange(N, device=device)[:, None]

    # What chance decides, drawn once for all networks of a seed.
    distinct, which = np.unique(np.asarray(seeds), return_inverse=True)
    which = torch.as_tensor(which, device=device)
    chances = [Chance(int(seed), device) for seed in distinct]
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [
        torch.stack([chance.weights(*shape) for chance in chances]).to(device)[which]
        for shape in shapes
    ]
    biases = [torch.zeros(N, out, device=device) for out, _ in shapes]
    parameters = [*weights, *biases]
    speeds = [torch.zeros_like(parameter) for parameter in parameters]
    seen = _batches(seeds, settings["rows"], total, batch, steps)
    shown = torch.stack([own[torch.arange(min(total, 512)) % len(own)] for own, _ in seen])
    shown = shown.to(device)
    order = torch.stack([own[turns] for own, turns in seen], 1).to(device)  # (steps, N, batch)
    changed = None if variants is None else torch.as_tensor(variants, dtype=X.dtype).to(device)

    watched = {name: _stacked(*pair, N, device) for name, pair in sets.items() if name != "train"}
    watched = {"train": (X[network, shown], y[network, shown])} | watched
    moments = sorted({*range(0, steps + 1, every), steps})
    losses, errors = {name: [] for name in watched}, {name: [] for name in watched}

    def forward(h: torch.Tensor, training: bool) -> torch.Tensor:
        for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
            drop = setting["p" if layer else "p_input"]
            if training and bool(dropping[min(layer, 1)]):
                u = torch.stack([c.uniform(layer, *h.shape[1:]) for c in chances])[which]
                h = h * u.ge_(drop).mul_(torch.where(drop < 1, 1 / (1 - drop), 0))
            h = torch.baddbmm(b[:, None], h, W.mT)
            if layer < len(weights) - 1:
                h = h.relu_()
        return h

    def judge(z: torch.Tensor, t: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
        """The loss of each example, (N, examples)."""
        if not classify:
            return (z[..., 0] - t) ** 2
        logs = log_softmax(z, -1)
        right = logs.gather(-1, t[..., None])[..., 0]
        return -(1 - smooth) * right - smooth * logs.mean(-1)

    def look() -> None:
        with torch.no_grad():
            for name, (inputs, t) in watched.items():
                z = forward(inputs, False)
                loss = judge(z, t, torch.zeros((), device=device)).mean(1)
                error = (z.argmax(-1) != t).float().mean(1) if classify else loss.sqrt()
                losses[name].append(loss.cpu().numpy())
                errors[name].append(error.cpu().numpy())

    dropping = [bool((setting[name] > 0).any()) for name in ("p_input", "p")]
    decaying = bool((setting["weight_decay"] != 0).any())
    bounded = bool(torch.isfinite(setting["max_norm"]).any())
    for step in trange(steps + 1, disable=not progress, file=sys.stdout):
        if step in moments:
            look()
        if step == steps:
            break
        i = order[step]
        inputs, t = X[network, i], y[network, i]
        if changed is not None:
            drawn = [c.variants(len(changed), batch) for c in chances]
            k, u = (torch.stack(part).to(device)[which] for part in zip(*drawn, strict=True))
            inputs = torch.where(u[..., None] < setting["augment"], changed[k, i], inputs)
        for parameter in parameters:
            parameter.requires_grad_(True)
        loss = judge(forward(inputs, True), t, setting["smoothing"][..., 0]).mean(1).sum()
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for j, (w, v, g) in enumerate(zip(parameters, speeds, gradients, strict=True)):
                s = {k: x if w.dim() == 3 else x[..., 0] for k, x in setting.items()}
                if decaying and w.dim() == 3:
                    g = torch.addcmul(g, s["weight_decay"], w)
                v.mul_(s["momentum"]).add_(g)
                w.addcmul_(s["rate"], v, value=-1)
                if bounded and j < len(weights) - 1:
                    w.mul_(
                        (s["max_norm"] / w.norm(dim=2, keepdim=True).clamp_min(1e-12)).clamp_max(1)
                    )
    return Runs(
        np.array(moments),
        {name: np.stack(values, 1) for name, values in losses.items()},
        {name: np.stack(values, 1) for name, values in errors.items()},
        [w.detach() for w in weights],
        [b.detach() for b in biases],
    )


def _stacked(X, y, N: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """X as (N, n, features) and y as (N, n); what all networks share takes no memory twice."""
    import torch

    X = torch.as_tensor(np.asarray(X, np.float32)).to(device)
    y = torch.as_tensor(np.asarray(y)).to(device)
    y = y.float() if y.is_floating_point() else y.long()
    return X.expand(N, *X.shape[-2:]), y.expand(N, y.shape[-1])


def _batches(seeds, rows, total, batch, steps) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """For each network its rows (n,), and which of them each step's batch holds (steps, batch)."""
    made = {}
    pairs = [(int(seed), int(n)) for seed, n in zip(seeds, rows, strict=True)]
    for seed, n in set(pairs):
        chance = Chance(seed)
        made[seed, n] = chance.subset(total, n), chance.rows(n, batch, steps)
    return [made[pair] for pair in pairs]
