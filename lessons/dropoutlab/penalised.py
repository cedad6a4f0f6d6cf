"""Models trained with dropout, with its penalty, and with its noise, each without the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dropoutlab.kept import kept
from dropoutlab.train import numpy_on_one_thread

if TYPE_CHECKING:
    from torch import Tensor

    from dropoutlab import stacked

KINDS = ("nothing", "dropout", "penalty", "noise", "penalty and noise", "many masks")
"""What a network is trained with, see `network_loss`."""
MASKS = 8
"""How many masks the kind "many masks" averages in each step."""


def hidden_penalty(h: Tensor, z: Tensor, W: Tensor, p: Tensor) -> Tensor:
    """What dropout on h adds to the cross-entropy of z = W h + b, to second order: (N, rows).

    Half the variance that the masks give z, in the metric of the curvature diag(q) - q qᵀ, where
    q = softmax(z): p / (1 - p) / 2 Σ_j h_j² (Σ_c q_c W_cj² - (Σ_c q_c W_cj)²).

    h (N, rows, units), z (N, rows, classes), W (N, classes, units), p (N, 1, 1)
    """
    q = z.softmax(-1)
    spread = q @ W.square() - (q @ W).square()
    return (p / (1 - p))[..., 0] / 2 * (h.square() * spread).sum(-1)


def network_loss(
    kind: str, h: Tensor, W: Tensor, b: Tensor, t: Tensor, p: Tensor, chances: stacked.Chances
) -> Tensor:
    """The loss of N networks (N,) whose hidden layer h (N, rows, units) is trained as `kind` says.

    "nothing": the plain loss. "dropout": the loss under one mask. "many masks": the mean over
    `MASKS`, whose noise is smaller. "penalty": the plain loss and `hidden_penalty`, no mask.
    "noise": the plain loss plus (the loss under one mask - that under another) / √2. Its gradient
    has the mean of "nothing" and the covariance that a mask gives the gradient of "dropout".
    "penalty and noise": both of these.
    """

    import torch
    from torch.nn.functional import cross_entropy

    from dropoutlab import stacked

    def loss(h: Tensor) -> Tensor:
        z = stacked.affine(h, W, b)
        return cross_entropy(z.flatten(0, 1), t.flatten(), reduction="none").view(t.shape).mean(1)

    def masked(number: int) -> Tensor:
        (u,) = chances.drawn(lambda chance: [chance.uniform(number, *h.shape[1:])])
        return loss(stacked.dropped(h, u, p))

    if kind == "dropout":
        return masked(1)
    if kind == "many masks":
        return torch.stack([masked(number) for number in range(1, MASKS + 1)]).mean(0)
    total = loss(h)
    if "penalty" in kind:
        total = total + hidden_penalty(h, stacked.affine(h, W, b), W, p).mean(1)
    if "noise" in kind:
        total = total + (masked(1) - masked(2)) / 2**0.5
    return total


def networks(
    kind: str,
    X: np.ndarray,
    y: np.ndarray,
    *,
    seeds: Sequence[int],
    p: Sequence[float] | float,
    rate: Sequence[float] | float,
    watch: dict[str, tuple[np.ndarray, np.ndarray]],
    hidden: int = 128,
    batch: int = 32,
    steps: int = 3000,
) -> dict[str, np.ndarray]:
    """Train N = len(seeds) ReLU networks with one hidden layer; how well they do at the end.

    Gradient descent with momentum 0.9, whose rate falls in a straight line to 0. Networks of one
    seed begin with the same weights and see the same batches.

    X : (N, rows, features), y : (N, rows), each network's own training set
    p, rate : drop probability of the hidden units, learning rate; one, or one for each network
    watch : named sets (X, y), shared by all; "train" is each network's own
    Returns, for each set, its "NAME loss" in nats and "NAME error", both (N,).
    """
    import torch
    from torch.nn.functional import cross_entropy

    from dropoutlab import stacked

    N = len(seeds)
    inputs, labels = torch.as_tensor(X, dtype=torch.float32), torch.as_tensor(y).long()
    drop, pace = (
        torch.as_tensor(np.broadcast_to(one, (N,)).astype(np.float32)).reshape(N, 1, 1)
        for one in (p, rate)
    )
    chances = stacked.Chances(np.asarray(seeds))
    classes = int(labels.max()) + 1
    parameters = chances.drawn(lambda chance: chance.layers([inputs.shape[2], hidden, classes]))
    W1, b1, W2, b2 = (parameter.requires_grad_() for parameter in parameters)
    (order,) = chances.drawn(lambda chance: [chance.batches(inputs.shape[1], batch, steps)])
    network = torch.arange(N)[:, None]

    def loss(step: int) -> Tensor:
        rows = order[:, step]
        h = stacked.affine(inputs[network, rows], W1, b1).relu()
        return network_loss(kind, h, W2, b2, labels[network, rows], drop, chances).sum()

    optimizer = stacked.SGD([{"params": parameters}], pace, 0.9)
    stacked.descend(loss, optimizer, steps, schedule=stacked.falling(steps))

    found = {}
    with torch.no_grad():
        for name, (images, targets) in {"train": (inputs, labels), **watch}.items():
            pixels = torch.as_tensor(images, dtype=torch.float32).expand(N, -1, -1)
            t = torch.as_tensor(targets).long().expand(N, -1)
            z = stacked.affine(stacked.affine(pixels, W1, b1).relu(), W2, b2)
            found[f"{name} loss"] = cross_entropy(z.mT, t, reduction="none").mean(1).numpy()
            found[f"{name} error"] = (z.argmax(-1) != t).float().mean(1).numpy()
    return found


# --- logistic regression -----------------------------------------------------------------


def expit(z: np.ndarray) -> np.ndarray:
    """σ(z) = 1 / (1 + e⁻ᶻ), entry by entry, for z however large."""
    with np.errstate(over="ignore"):  # of a z far below 0: 1 / inf is 0
        return 1 / (1 + np.exp(-np.asarray(z, float)))


Sample = tuple[np.ndarray, np.ndarray]
STRENGTHS = {
    "L2": tuple(np.geomspace(0.1, 300, 8)),
    "fixed curvature": (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9),
    "dropout": (0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95),
}
"""For each way of `logistic`, what validation chooses from: λ, or p."""
WORDS, DENSE = 50, 50


def words(rng: np.random.Generator, *, telling: bool) -> list[Sample]:
    """Rows with rare words and with features that are always present, and classes 0 and 1.

    The `WORDS` words belong to five topics. Half of the rows have a topic, and each of its ten
    words is 1 there with probability one half; all else is 0. The `DENSE` other features are
    normal. Where the words tell, each adds 0.5 to the log odds of its topic's class; the other
    features are noise. Else the words are noise, and the others tell. Returns training, validation
    and test sets, X (n, features) and y (n,), n = 150, 1000 and 3000.
    """
    true = np.zeros(WORDS + DENSE)
    if telling:
        true[:WORDS] = 0.5 * np.repeat(rng.permutation([-1, -1, 1, 1, rng.choice([-1, 1])]), 10)
    else:
        true[WORDS:] = rng.normal(0, 0.3, DENSE)
    sets = []
    for n in (150, 1000, 3000):
        topic = np.where(rng.random(n) < 0.5, rng.integers(5, size=n), -1)
        present = np.repeat(topic[:, None] == np.arange(5), 10, axis=1)
        present &= rng.random((n, WORDS)) < 0.5
        X = np.concatenate([present, rng.normal(size=(n, DENSE))], 1)
        sets.append((X, (rng.random(n) < expit(X @ true)).astype(float)))
    return sets


def logistic(X: np.ndarray, y: np.ndarray, kind: str, strength: float) -> np.ndarray:
    """The weights that minimise the log loss, summed over rows, in one of three ways.

    "L2": with λ / 2 ‖w‖² added, λ the `strength`. "dropout": the mean loss over 30 masks of each
    row's inputs, with p the `strength`. "fixed curvature": with p / (1 - p) / 8 Σ_j w_j² Σ_i x_ij²
    added, the second-order penalty of dropout if the curvature were 1 / 4 in every row.
    """
    from scipy.optimize import minimize
    from scipy.special import expit  # faster

    rows, t, copies, price = X, y, 1, np.zeros(X.shape[1])
    if kind == "dropout":
        rng, copies = np.random.default_rng(0), 30
        rows = np.concatenate(
            [X * (rng.random(X.shape) >= strength) / (1 - strength) for _ in range(copies)]
        )
        t = np.tile(y, copies)
    elif kind == "L2":
        price = np.full(X.shape[1], strength)
    else:
        price = strength / (1 - strength) / 4 * (X**2).sum(0)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = rows @ w
        value = np.sum(np.logaddexp(0, z) - t * z) / copies + price @ w**2 / 2
        return value, (expit(z) - t) @ rows / copies + price * w

    def curvature(w: np.ndarray) -> np.ndarray:
        q = expit(rows @ w)
        scaled = rows * np.sqrt(q * (1 - q) / copies)[:, None]
        return scaled.T @ scaled + np.diag(price)

    start = np.zeros(X.shape[1])
    return minimize(loss, start, jac=True, hess=curvature, method="Newton-CG").x


@kept
@numpy_on_one_thread
def compared(seed: int, telling: bool) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """The three ways on the sets that `words` draws with this seed.

    Returns for each way its error rate on the test set, at the strength of lowest validation
    error; the training inputs; and the weights that dropout gives them with p = 0.5.
    """
    train, validation, test = words(np.random.default_rng(seed), telling=telling)

    def wrong(w: np.ndarray, of: Sample) -> float:
        return float(np.mean((of[0] @ w > 0) != of[1]))

    errors = {}
    for kind, strengths in STRENGTHS.items():
        fits = [logistic(*train, kind, strength) for strength in strengths]
        errors[kind] = wrong(min(fits, key=lambda w: wrong(w, validation)), test)
    return errors, train[0], logistic(*train, "dropout", 0.5)
