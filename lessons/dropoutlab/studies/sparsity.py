"""Which learning rate and weight decay suit each way to remove weights.

Networks of one hidden layer of 64 units learn eight sheets of the digits, three for each try. The
log loss on two more sheets, after the removal, chooses. What removes weights by magnitude ends
with as many weights as variational dropout leaves. About a minute of one core.

    python -P -m dropoutlab.studies.sparsity
"""

from __future__ import annotations

import time
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dropoutlab import forecasters, learned, studies

SEEDS, STEPS = (0, 1, 2), 800
RATES, DECAYS = (0.003, 0.01, 0.03), (0.0, 0.0003, 0.001)


def price(log_alpha: Tensor) -> Tensor:
    """The divergence of Molchanov, Ashukha and Vetrov (2017, eq. 14)."""
    bell = 0.63576 * torch.sigmoid(1.87320 + 1.48695 * log_alpha)
    return 0.63576 - bell + 0.5 * torch.logaddexp(-log_alpha, torch.zeros(()))


def largest(weights: Tensor, keep: int) -> Tensor:
    """The weights of largest magnitude, and 0 for all others."""
    least = weights.abs().sort(descending=True).values[max(keep - 1, 0)]
    return torch.where(weights.abs() >= least, weights, 0)


def judged(net: learned.Sparse, weights: list[Tensor]) -> list[float]:
    """The validation loss of each network, in nats."""
    _, (X, y), _ = forecasters.digits()
    z = learned.logits(weights, net.biases, X)
    each = F.cross_entropy(z.flatten(0, 1), y.repeat(len(z)), reduction="none")
    return [round(float(v), 5) for v in each.reshape(len(z), -1).mean(1)]


def main() -> None:
    torch.set_num_threads(1)
    kept = studies.kept("sparsity")
    train, _, _ = forecasters.digits()

    def keep(kind: str, how: dict[str, Any], make: Any) -> None:
        name = ", ".join(f"{k} {v:g}" for k, v in how.items())
        if name not in kept.setdefault(kind, {}):
            begun = time.process_time()
            kept[kind][name] = how | make(seeds=SEEDS, steps=STEPS, **how)
            kept["seconds"] = round(kept.get("seconds", 0) + time.process_time() - begun, 1)
            studies.keep("sparsity", kept)
            print(kind, name, kept[kind][name], kept["seconds"], flush=True)

    def noisy(**how: Any) -> dict[str, Any]:
        net = learned.noisy(*train, price, **how)
        needed = [a <= 3 for a in net.log_alpha]
        counts = sum(m.sum((1, 2)) for m in needed)
        cut = [w * m for w, m in zip(net.weights, needed, strict=True)]
        return {"loss": judged(net, cut), "kept": [int(n) for n in torch.as_tensor(counts)]}

    def best(kind: str) -> dict[str, Any]:
        return min(kept[kind].values(), key=lambda one: sum(one["loss"]))

    for rate in RATES:
        keep("noisy", {"rate": rate}, noisy)
    goal = best("noisy")["kept"]

    def plain(**how: Any) -> dict[str, Any]:
        net = learned.pruned(*train, goal, None, **how)
        sizes = [w[0].numel() for w in net.weights]
        cut = [torch.zeros_like(w) for w in net.weights]
        for i, count in enumerate(goal):
            left = largest(torch.cat([w[i].flatten() for w in net.weights]), count).split(sizes)
            for w, part in zip(cut, left, strict=True):
                w[i] = part.reshape(w[i].shape)
        return {"loss": judged(net, cut)}

    def pruned(**how: Any) -> dict[str, Any]:
        net = learned.pruned(*train, goal, largest, **how)
        return {"loss": judged(net, net.weights)}

    for (rate, decay), (kind, make) in product(
        product(RATES, DECAYS), {"plain": plain, "pruned": pruned}.items()
    ):
        keep(kind, {"rate": rate, "decay": decay}, make)


if __name__ == "__main__":
    main()
