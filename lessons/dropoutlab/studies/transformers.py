"""Where does dropout help a small transformer, and what does it make bearable?

Vision transformers of three blocks (`dropoutlab.readers`) learn 400 printed numerals, 600 steps of
20 images, Adam with a learning rate that falls to 0. For each way to train the learning rate is
chosen first, at a middling strength, and then the strength, by the validation loss, mean over two
seeds. Networks begun from other seeds are then tested once.
Those of one seed share weights at the start and the order of the images. Every network is tested
as a whole, and without each of its blocks and heads.

"places"  dropout in each place alone, at three drop probabilities and two learning rates
"long"    no dropout and the branches' at twice the steps, to see whether training had ended
"passes"  R-Drop beside what it is made of: two passes of each image without the divergence, and one
          pass in twice as many steps, which costs as much
"pruning" LayerDrop at three drop probabilities, chosen by the validation loss without one block;
          beside it networks that had one block less from the beginning

    python -P -m dropoutlab.studies.transformers

Each network is kept when it is trained, and a later run goes on there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from time import process_time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropoutlab import readers, studies

NAME = "transformers"
PS, RATES = (0.1, 0.05, 0.2), (0.003, 0.008)
TUNING, TESTED = (100, 101), range(6)
ALPHAS, PRUNING_PS = (1.0, 4.0), (0.2, 0.1, 0.4)
Setting = dict[str, float]
"""How a network is trained: a drop probability for places, "rate", and, where it differs from the
usual, "steps" (how many times as many), "depth", "alpha" (two passes of each image)."""


class Block(nn.Module):
    """The lesson's block, with torch's own attention: as the lesson asserts, the same function."""

    def __init__(
        self,
        dim: int,
        heads: int,
        p_attention: float,
        p_residual: float,
        p_mlp: float = 0.0,
        p_heads: float = 0.0,
    ):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.weights, self.whole, self.heads = p_attention, p_heads, heads
        self.branch, self.inside = nn.Dropout(p_residual), nn.Dropout(p_mlp)

    def look(self, x: Tensor) -> Tensor:
        """What the heads send, side by side (B, T, dim)."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        rate = self.weights if self.training else 0.0
        sent = F.scaled_dot_product_attention(q, k, v, dropout_p=rate)
        if self.training and self.whole:
            runs = torch.rand(*sent.shape[:2], 1, 1).ge(self.whole).to(sent.dtype)
            sent = sent * runs / runs.mean(1, keepdim=True).clamp(min=1e-9)
        return sent.transpose(1, 2).flatten(2)

    def forward(self, x: Tensor) -> Tensor:
        """The stream x (B, T, dim) with what both branches add."""
        x = x + self.branch(self.out(self.look(self.norm_1(x))))
        return x + self.branch(self.narrow(self.inside(F.gelu(self.wide(self.norm_2(x))))))


def layer_drop(
    layers: list[nn.Module], x: Tensor, p: float, generator: Any = None, training: bool = True
) -> Tensor:
    """x through the layers, each skipped with probability p while training."""
    runs = torch.rand(len(layers), generator=generator) >= (p if training else 0.0)
    for layer, run in zip(layers, runs.tolist(), strict=True):
        x = layer(x) if run else x
    return x


def agreeing(alpha: float) -> Any:
    """R-Drop's loss of two passes."""

    def loss(first: Tensor, second: Tensor, y: Tensor) -> Tensor:
        P, Q = F.log_softmax(first, 1), F.log_softmax(second, 1)
        apart = F.kl_div(Q, P, reduction="batchmean", log_target=True)
        apart = apart + F.kl_div(P, Q, reduction="batchmean", log_target=True)
        return F.cross_entropy(first, y) + F.cross_entropy(second, y) + alpha / 2 * apart

    return loss


def trained(setting: Setting, seed: int, **by: Any) -> readers.Reader:
    """A network of this setting and seed; `by` has somebody else's blocks, layer_drop or loss.

    blocks : see `readers.Blocks`; two : two(alpha) is the loss of two passes, see `agreeing`
    """
    how = {"blocks": Block, "layer_drop": layer_drop, "two": agreeing} | by
    two = how["two"](setting["alpha"]) if "alpha" in setting else None
    return readers.trained(
        how["blocks"],
        seed,
        {place: setting.get(place, 0.0) for place in readers.PLACES},
        rate=setting["rate"],
        layer_drop=how["layer_drop"],
        two=two,
        depth=int(setting.get("depth", readers.DEPTH)),
        steps=int(readers.STEPS * setting.get("steps", 1)),
    )


def validated(way: str, setting: Setting, seed: int) -> float:
    """The validation loss, in nats; for "pruning" the mean of those without one block."""
    net, images = trained(setting, seed), readers.numerals(2000, 2)
    cuts = [[k] for k in range(len(net.blocks))] if way == "pruning" else [[]]
    return round(float(np.mean([net.judged(images, without=cut)[0] for cut in cuts])), 4)


def tested(setting: Setting, seed: int) -> dict[str, Any]:
    """Losses in nats and errors in percent; those without one part on 1000 images, as "whole"."""
    net = trained(setting, seed)
    test, train = readers.numerals(3000, 3), readers.learned(seed)
    (loss, error), (fit, _) = net.judged(test), net.judged(train)
    found: dict[str, Any] = {"loss": loss, "error": error, "train": fit}
    some = tuple(part[:1000] for part in test)
    found |= {"whole": net.judged(some)[1], "block": without_a_block(net, some)}
    found["head"] = without_a_head(net, some)
    return {name: np.round(value, 4).tolist() for name, value in found.items()}


def without_a_block(net: readers.Reader, images: Any) -> list[float]:
    """The error in percent without each block."""
    return [net.judged(images, without=[k])[1] for k in range(len(net.blocks))]


def without_a_head(net: readers.Reader, images: Any) -> list[float]:
    """The error in percent without each head of each block, in which `out` reads 0 for it."""
    errors = []
    for block in net.blocks:
        whole = block.out.weight.detach().clone()
        for columns in torch.arange(readers.DIM).chunk(readers.HEADS):
            with torch.no_grad():
                block.out.weight[:, columns] = 0
                errors.append(net.judged(images)[1])
                block.out.weight.copy_(whole)
    return errors


def strengths(way: str) -> list[Setting]:
    """The strengths from which a way's is chosen; the first is that at which its rate is."""
    match way:
        case "none":
            return [{}]
        case "R-Drop":
            return [{"residual": p, "alpha": a} for p in PS for a in ALPHAS]
        case "two passes":
            return [{"residual": p, "alpha": 0.0} for p in PS]
        case "twice the steps":
            return [{"residual": p, "steps": 2.0} for p in PS]
        case "pruning":
            return [{"layers": p} for p in PRUNING_PS]
        case _:
            return [{way: p} for p in PS]


def tries(found: dict[str, Any], way: str, rates: Sequence[float] = RATES) -> list[Setting]:
    """The settings of a way: the first strength at each rate, then the others at the best."""
    first, *others = strengths(way)
    begun = [first | {"rate": rate} for rate in rates]
    losses = [mean(found, way, setting) for setting in begun]
    if not np.isfinite(losses).all():
        return begun
    return begun + [other | {"rate": rates[int(np.argmin(losses))]} for other in others]


def mean(found: dict[str, Any], way: str, setting: Setting) -> float:
    """The mean validation loss of a setting; infinite where it is not known yet."""
    losses = found["tuned"].get(way, {}).get(json.dumps(setting), {})
    return float(np.mean(list(losses.values()))) if len(losses) == len(TUNING) else np.inf


PARTS = {
    "places": ("none", *readers.PLACES),
    "pruning": ("pruning",),
    "passes": ("R-Drop", "two passes", "twice the steps"),
}


def best(found: dict[str, Any], way: str) -> Setting:
    """The setting of a way with the lowest mean validation loss."""
    return min(tries(found, way), key=lambda setting: mean(found, way, setting))


def common(found: dict[str, Any], ways: Sequence[str]) -> list[str]:
    """The seeds of which networks of all these ways were tested."""
    each = [found["tested"][way]["runs"] for way in ways]
    return [seed for seed in each[0] if all(seed in runs for runs in each)]


def half(runs: np.ndarray) -> float:
    """Half the width of the mean's 95 % interval (Student's t)."""
    from scipy.special import stdtrit

    return float(stdtrit(len(runs) - 1, 0.975) * np.std(runs, ddof=1) / len(runs) ** 0.5)


def jobs(found: dict[str, Any]) -> Iterator[tuple[str, str, int, Setting]]:
    """What is to be trained: "tuned" or "tested", way, seed, setting."""
    for part in PARTS.values():
        for way in part:
            for _ in range(2):  # the strengths follow from the rate
                for setting in tries(found, way):
                    yield from (("tuned", way, seed, setting) for seed in TUNING)
        for seed in TESTED:
            for way in part:
                yield "tested", way, seed, best(found, way)
            if part is PARTS["places"]:
                base = best(found, "none")
                yield "tested", "one block less", seed, base | {"depth": readers.DEPTH - 1}
                yield "tested", "none, long", seed, base | {"steps": 2.0}


def main() -> None:
    """Train the networks that are missing, and keep each at once."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {"minutes": 0.0, "tuned": {}, "tested": {}} | studies.kept(NAME)
    for what, way, seed, setting in jobs(found):
        if what == "tuned":
            cell = found[what].setdefault(way, {}).setdefault(json.dumps(setting), {})
        else:
            cell = found[what].setdefault(way, {"setting": setting, "runs": {}})["runs"]
        if str(seed) in cell:
            continue
        began = process_time()
        tuning = what == "tuned"
        cell[str(seed)] = validated(way, setting, seed) if tuning else tested(setting, seed)
        found["minutes"] = round(found["minutes"] + (process_time() - began) / 60, 2)
        studies.keep(NAME, found)
        print(what, way, setting, seed, cell[str(seed)], flush=True)


if __name__ == "__main__":
    main()
