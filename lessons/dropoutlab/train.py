"""Training small networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from dropoutlab import BROWSER
from dropoutlab.kept import kept

if TYPE_CHECKING:  # torch is imported where it is used: the NumPy lessons do without
    import torch

Dropout = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Parameters = dict[str, np.ndarray]
P = ParamSpec("P")
T = TypeVar("T")


def numpy_on_one_thread(train: Callable[P, T]) -> Callable[P, T]:
    """Have NumPy compute on one thread: products this small wait for each other's."""
    if BROWSER:
        return train

    @wraps(train)
    def alone(*args: P.args, **how: P.kwargs) -> T:
        from threadpoolctl import threadpool_limits

        try:
            limited = threadpool_limits(1)
        except OSError:  # it looks into /proc, which the grader's players have not
            return train(*args, **how)
        with limited:
            return train(*args, **how)

    return alone


def two_layer(
    X: np.ndarray, y: np.ndarray, dropout: Dropout, seed: int, *, hidden: int = 128, **how: Any
) -> Parameters:
    """Train softmax(W2 d(relu(W1 x + b1)) + b2); see `layered`."""
    return layered(X, y, dropout, seed, hidden=(hidden,), **how)


@numpy_on_one_thread
def layered(
    X: np.ndarray,
    y: np.ndarray,
    dropout: Dropout,
    seed: int,
    *,
    hidden: Sequence[int] = (128, 128),
    epochs: int = 30,
    batch: int = 64,
    rate: float = 0.1,
    falling: bool = False,
    look: Callable[[int, Parameters], None] | None = None,
) -> Parameters:
    """Train a ReLU network with these hidden layers on the cross-entropy, in NumPy: W1, b1, W2, …

    X is (n, features), y (n,) holds the classes 0 … c-1; `dropout(h, rng)` acts on each hidden
    layer as `h * factor`, and the same factor carries the gradient back. Stochastic gradient
    descent with momentum 0.9. Everything follows from `seed`.

    falling : whether the learning rate falls in a straight line from epoch to epoch, almost to 0
    look : called after each epoch with its number, from 1, and the parameters
    """
    rng = np.random.default_rng(seed)
    classes = int(y.max()) + 1
    sizes = [X.shape[1], *hidden, classes]
    shapes = {f"W{k}": (out, into) for k, (into, out) in enumerate(pairwise(sizes), 1)}
    net = {k: rng.normal(0, np.sqrt(2 / s[1]), s) for k, s in shapes.items()}
    net |= {k.replace("W", "b"): np.zeros(s[0]) for k, s in shapes.items()}
    speed = {k: np.zeros_like(v) for k, v in net.items()}
    targets = np.eye(classes)[y]
    last = len(shapes)
    for epoch in range(1, epochs + 1):
        now = rate * (epochs + 1 - epoch) / epochs if falling else rate
        for rows in np.array_split(rng.permutation(len(X)), max(1, len(X) // batch)):
            inputs, gates = [X[rows]], []  # of each layer; what its gradient is multiplied by
            for k in range(1, last):
                h = np.maximum(inputs[-1] @ net[f"W{k}"].T + net[f"b{k}"], 0)
                factor = dropout(np.ones_like(h), rng)
                inputs.append(h * factor)
                gates.append(factor * (h > 0))
            z = inputs[-1] @ net[f"W{last}"].T + net[f"b{last}"]
            error = (softmax(z) - targets[rows]) / len(rows)
            for k in range(last, 0, -1):
                back = error @ net[f"W{k}"] * gates[k - 2] if k > 1 else error
                for name, gradient in ((f"W{k}", error.T @ inputs[k - 1]), (f"b{k}", error.sum(0))):
                    speed[name] = 0.9 * speed[name] - now * gradient
                    net[name] = net[name] + speed[name]
                error = back
        if look is not None:
            look(epoch, net)
    return net


def predict(net: Parameters, X: np.ndarray) -> np.ndarray:
    """The class probabilities (n, classes) of a `layered` network, nothing dropped."""
    last = len(net) // 2
    for k in range(1, last):
        X = np.maximum(X @ net[f"W{k}"].T + net[f"b{k}"], 0)
    return softmax(X @ net[f"W{last}"].T + net[f"b{last}"])


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


@kept
def forest(
    X: np.ndarray, y: np.ndarray, X_test: np.ndarray, *, trees: int, seed: int
) -> np.ndarray:
    """What each tree of a random forest says (Breiman 2001): probabilities (trees, n, classes)."""
    from sklearn.ensemble import RandomForestClassifier

    found = RandomForestClassifier(trees, random_state=seed).fit(X, y)
    return np.array([tree.predict_proba(X_test) for tree in found])


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


Setting = float | Sequence[float] | np.ndarray


@kept
def many(
    X: np.ndarray,
    y: np.ndarray,
    hidden: Sequence[int] = (128, 128),
    *,
    seeds: Sequence[int] | np.ndarray,
    p: Setting = 0.0,
    p_input: Setting = 0.0,
    rate: Setting = 0.1,
    momentum: Setting = 0.9,
    weight_decay: Setting = 0.0,
    max_norm: Setting = np.inf,
    smoothing: Setting = 0.0,
    augment: Setting = 0.0,
    start: Setting = 1.0,
    variants: np.ndarray | None = None,
    rows: Setting | None = None,
    batch: int = 64,
    steps: int = 600,
    every: int | None = None,
    watch: Mapping[str, tuple[np.ndarray, np.ndarray] | None] = MappingProxyType({"train": None}),
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
    seeds : the seed of each network, see `stacked.Chance`; equal seeds give paired networks

    A setting is one number, or one for each network:

    p, p_input : drop probability of the hidden units and of the inputs (inverted dropout)
    rate, momentum : of the gradient descent
    weight_decay : λ of λ/2 · ‖W‖², all weights, no biases
    max_norm : largest Euclidean norm of a hidden unit's incoming weights, kept after each step
    smoothing : ε; a target is 1-ε for its class, and ε/c is added for each of the c classes
    augment : probability with which a row is replaced by one of its `variants`
    start : what the initial weights are multiplied by: with 1 they have He's variance 2 / inputs,
        with 0.41 that of torch.nn.Linear, 1 / (3 inputs)
    rows : how many rows the network may see, a subset drawn by its seed (all, where None)

    variants : (k, total, features), changed copies of a shared X
    watch : the sets to look at, name: (X, y); None stands for up to 512 of the rows that the
        network may see
    every : look at them every so many steps, and at the end
    device : "cpu", where each core trains a share of the networks, or "cuda"
    progress : show a bar
    """
    from dropoutlab import stacked

    N = len(seeds)
    given = {
        "seeds": seeds, "p": p, "p_input": p_input, "rate": rate, "momentum": momentum,
        "weight_decay": weight_decay, "max_norm": max_norm, "smoothing": smoothing,
        "augment": augment, "start": start, "rows": np.shape(X)[-2] if rows is None else rows,
    }  # fmt: skip
    settings = {name: np.broadcast_to(np.asarray(value), (N,)) for name, value in given.items()}
    classify = np.issubdtype(np.asarray(y).dtype, np.integer)
    sizes = [np.shape(X)[-1], *hidden, int(np.max(y)) + 1 if classify else 1]

    def train(share: np.ndarray) -> Runs:
        def own(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            X, y = np.asarray(inputs), np.asarray(targets)
            return X if X.ndim == 2 else X[share], y if y.ndim == 1 else y[share]

        return _train(
            own(X, y), {name: pair and own(*pair) for name, pair in watch.items()},
            sizes, classify, {name: values[share] for name, values in settings.items()}, variants,
            batch, steps, every or steps, device, progress and share[0] == 0,
        )  # fmt: skip

    return _joined(stacked.shared(train, N) if device == "cpu" else [train(np.arange(N))])


@kept
def seen(seed: int, total: int, rows: int) -> np.ndarray:
    """The `rows` of `total` that a network of `many` with this seed learns from, (rows,)."""
    from dropoutlab import stacked

    return stacked.Chance(seed).subset(total, rows).numpy()


def _joined(parts: Sequence[Runs]) -> Runs:
    """The runs of all shares as one."""
    import torch

    def sets(of: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.concatenate([part[name] for part in of]) for name in of[0]}

    def layers(of: Sequence[list[torch.Tensor]]) -> list[torch.Tensor]:
        return [torch.cat(layer) for layer in zip(*of, strict=True)]

    return Runs(
        parts[0].steps,
        sets([part.loss for part in parts]),
        sets([part.error for part in parts]),
        layers([part.weights for part in parts]),
        layers([part.biases for part in parts]),
    )


def _train(
    examples: tuple[np.ndarray, np.ndarray],
    watch: Mapping[str, tuple[np.ndarray, np.ndarray] | None],
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

    from dropoutlab import stacked

    N = len(settings["seeds"])
    setting = {
        name: torch.as_tensor(values.astype(np.float32)).to(device).reshape(N, 1, 1)
        for name, values in settings.items()
    }
    X, y = _spread(*examples, N, device)
    total = X.shape[1]
    network = torch.arange(N, device=device)[:, None]

    chances = stacked.Chances(settings["seeds"], device)
    parameters = chances.drawn(lambda chance: chance.layers(sizes))
    weights, biases = parameters[::2], parameters[1::2]
    for w in weights:
        w *= setting["start"]
    seen = _seen(settings["seeds"], settings["rows"], total, batch, steps)
    most = min(512, max(len(own) for own, _ in seen))
    shown = torch.stack([own[torch.arange(most) % len(own)] for own, _ in seen])
    shown = shown.to(device)
    order = torch.stack([rows for _, rows in seen], 1).to(device)  # (steps, N, batch)
    changed = None if variants is None else torch.as_tensor(variants, dtype=X.dtype).to(device)

    watched = {
        name: _spread(*pair, N, device) if pair else (X[network, shown], y[network, shown])
        for name, pair in watch.items()
    }
    moments = sorted({*range(0, steps + 1, every), steps})
    losses: dict[str, list[np.ndarray]] = {name: [] for name in watched}
    errors: dict[str, list[np.ndarray]] = {name: [] for name in watched}

    def on(name: str) -> bool:
        return bool((setting[name] > 0).any())

    dropping = on("p_input"), on("p")

    def thinned(h: torch.Tensor, layer: int) -> torch.Tensor:
        """What enters a layer, after dropout; layer 0 is the input."""
        (u,) = chances.drawn(lambda chance: [chance.uniform(layer, *h.shape[1:])])
        return stacked.dropped(h, u, setting["p" if layer else "p_input"])

    def forward(h: torch.Tensor, training: bool) -> torch.Tensor:
        for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
            if training and dropping[min(layer, 1)]:
                h = thinned(h, layer)
            h = stacked.affine(h, W, b)
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

    def loss(step: int) -> torch.Tensor:
        i = order[step]
        inputs, t = X[network, i], y[network, i]
        if changed is not None:
            k, u = chances.drawn(lambda chance: chance.variants(len(changed), batch))
            inputs = torch.where(u[..., None] < setting["augment"], changed[k, i], inputs)
        return judge(forward(inputs, True), t, setting["smoothing"][..., 0]).mean(1).sum()

    @torch.no_grad()
    def look(step: int) -> None:
        if step not in moments:
            return
        for name, (inputs, t) in watched.items():
            z = forward(inputs, False)
            each = judge(z, t, torch.zeros((), device=device)).mean(1)
            error = (z.argmax(-1) != t).float().mean(1) if classify else each.sqrt()
            losses[name].append(each.cpu().numpy())
            errors[name].append(error.cpu().numpy())

    for parameter in parameters:
        parameter.requires_grad_()
    decay, bound = setting["weight_decay"], setting["max_norm"]
    optimizer = stacked.SGD(
        [
            {"params": weights[:-1], "weight_decay": decay, "max_norm": bound},
            {"params": weights[-1:], "weight_decay": decay},
            {"params": biases},
        ],
        setting["rate"],
        setting["momentum"],
    )
    stacked.descend(loss, optimizer, steps, look=look, progress=progress)
    return Runs(
        np.array(moments),
        {name: np.stack(values, 1) for name, values in losses.items()},
        {name: np.stack(values, 1) for name, values in errors.items()},
        [w.detach() for w in weights],
        [b.detach() for b in biases],
    )


def _spread(X: np.ndarray, y: np.ndarray, N: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """X as (N, n, features) and y as (N, n); what all networks share takes no memory twice."""
    import torch

    inputs = torch.as_tensor(np.asarray(X, np.float32)).to(device)
    targets = torch.as_tensor(np.asarray(y)).to(device)
    targets = targets.float() if targets.is_floating_point() else targets.long()
    return inputs.expand(N, *inputs.shape[-2:]), targets.expand(N, targets.shape[-1])


def _seen(
    seeds: np.ndarray, rows: np.ndarray, total: int, batch: int, steps: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """For each network the rows that it may see (n,), and those of each batch (steps, batch)."""
    from dropoutlab import stacked

    made = {}
    pairs = [(int(seed), int(n)) for seed, n in zip(seeds, rows, strict=True)]
    for seed, n in set(pairs):
        chance = stacked.Chance(seed)
        own = chance.subset(total, n)
        made[seed, n] = own, own[chance.batches(n, batch, steps)]
    return [made[pair] for pair in pairs]
