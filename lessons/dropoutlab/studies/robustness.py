"""What breaks a network: five ways to train against damage, at equal clean error.

Networks 196-64-64-10 learn 1000 printed numerals of 14 × 14 pixels (`regularised.fit`, 1500 steps,
the learning rate falling to 0). "none" is trained plainly. For each way the strength and the
learning rate with the lowest validation error are chosen, with two seeds of their own. Each is
offered two rates; `rates` has its validation error, at the chosen strength, with a smaller and a
larger one too (by which none gains more than 0.2 points).

The control is plain networks that get more images, at two learning rates: by these their error
falls, damaged or not, and a way is compared where the clean test error is equal (`beyond`). Six
seeds of each are tested once. Those of one seed share weights at the start, the test images and
their damage.

tuned : per way, what was tried, its validation errors, what was chosen
tested : per way, for each seed the clean test error, the errors under each damage by level
    (`robust.DAMAGES`), under FGSM, ten small steps of it and random signs by ε
plain : the same of plain networks, by learning rate and number of images
stronger : the same of hidden dropout with a larger p than the chosen one, by p
rates : validation errors of each way by learning rate (`WIDER`), two seeds
senses : the drop probability for two modalities, chosen on validation pairs; see `senses`
generators : diffusion models of n images at p; see `generators`. Those of "400 0.0 equal" see each
    image as often as those of 50 do: eight times as many steps

Run with `python -P -m dropoutlab.studies.robustness`: some twelve minutes of one core. Each
finished part is kept at once, and a later run goes on from there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from dropoutlab import regularised, robust, studies

WAYS: dict[str, list[dict[str, float]]] = {
    "none": [{}],
    "hidden dropout": [{"p": p} for p in (0.05, 0.1, 0.2)],
    "input dropout": [{"p_input": p} for p in (0.05, 0.1, 0.2)],
    "input noise": [{"noise": s} for s in (0.08, 0.15, 0.25)],
    "L2": [{"weight_decay": w} for w in (0.001, 0.003, 0.01)],
    "moved images": [{"moved": m} for m in (0.3, 0.5, 0.8)],
}
"""The ways to train, each in the strengths that are tried."""
RATES = (0.1, 0.2)
WIDER = (0.05, 0.1, 0.2, 0.3)
STRONGER = (0.2, 0.3)
"""Drop probabilities of hidden units that were not chosen, and are tested all the same."""
ROWS, STEPS, HIDDEN = 1000, 1500, (64, 64)
SIZES = (1000, 1500, 2200, 3300, 5000)
TUNING, TESTED = (100, 101), range(6)
EPSILONS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.06)
ATTACKED = 500
"""Test images that are attacked."""
PS = (0.15, 0.3, 0.5, 0.7)
"""Drop probabilities that are tried for two modalities."""
IMAGES, GENERATOR_PS, GENERATOR_STEPS = (50, 400), (0.0, 0.1, 0.3), 3000
"""Training images of a generator, its drop probabilities, and its steps."""


def fit(tries: Sequence[dict[str, float]], seeds: Sequence[int], **how: Any) -> regularised.Fitted:
    """Networks of each of `tries`, with every seed."""
    keys = sorted(set().union(*tries))
    settings: dict[str, Any] = {
        k: np.repeat([t.get(k, regularised.PLAIN.get(k, ROWS)) for t in tries], len(seeds))
        for k in keys
    }
    rows = settings.pop("rows", ROWS)
    X, y = robust.numerals(8000, 3)
    return regularised.fit(
        X, y, HIDDEN, seeds=np.tile(seeds, len(tries)), rows=rows,
        steps=STEPS, **settings, **how,
    )  # fmt: skip


@cache
def trained(way: str, seeds: tuple[int, ...], rate: float | None = None) -> list[robust.Network]:
    """Networks of a way as the study chose it, or at another learning rate."""
    settings = studies.kept("robustness")["tested"][way]["settings"]
    return robust.networks(fit([settings | ({"rate": rate} if rate else {})], seeds))


def _validated(tries: Sequence[dict[str, float]], seeds: Sequence[int]) -> np.ndarray:
    """Validation errors (tries, seeds) at the end."""
    runs = fit(tries, seeds, watch={"validation": robust.numerals(2000, 1)})
    return runs.error["validation"][:, -1].reshape(len(tries), len(seeds))


def tuned(way: str) -> dict[str, Any]:
    """The strength and the learning rate with the lowest validation error."""
    tries = [{"rate": rate} | strength for strength in WAYS[way] for rate in RATES]
    errors = _validated(tries, TUNING).mean(1)
    return {
        "chosen": tries[int(errors.argmin())],
        "tries": tries,
        "errors": short(errors),
        "lowest": float(errors.min().round(3)),
    }


def wider(settings: dict[str, float]) -> list[float]:
    """The validation error with these settings at each learning rate of `WIDER`."""
    return short(_validated([settings | {"rate": rate} for rate in WIDER], TUNING).mean(1))


def beyond(found: dict[str, Any], way: str, damage: str, rate: float) -> np.ndarray:
    """What a way adds to the error under damage, beyond a plain network of equal clean error.

    Points of error of each seed, mean over the levels above 0. The plain networks at this learning
    rate draw a line, through their mean clean and damaged errors at each of `SIZES`. A network is
    compared with the line at its own clean error, and pairs with the plain ones of its seed. NaN
    where the mean clean error of the way lies beyond the line's ends; a single network there is
    compared with the last piece of the line, which goes on straight.
    """
    cells = [found["plain"][f"{rate:g} {n}"] for n in SIZES]
    clean = np.array([cell["clean"] for cell in cells])
    hurt = np.array([damaged(cell, damage) for cell in cells])
    order = np.argsort(clean.mean(1))
    x, y = clean.mean(1)[order], hurt.mean(1)[order]
    slopes = np.diff(y) / np.diff(x)

    def line(errors: np.ndarray) -> np.ndarray:
        piece = np.searchsorted(x[1:-1], errors)
        return y[piece] + slopes[piece] * (errors - x[piece])

    cell = found["tested"].get(way) or found["stronger"][way]
    own_clean = np.array(cell["clean"])
    if not x[0] <= own_clean.mean() <= x[-1]:
        return np.full(len(own_clean), np.nan)
    return damaged(cell, damage) - line(own_clean) - (hurt - line(clean)).mean(0)


def damaged(cell: dict[str, Any], damage: str) -> np.ndarray:
    """The error of each seed under damage, mean over the levels above 0."""
    return np.array(cell[damage])[:, 1:].mean(1)


def tested(settings: dict[str, float]) -> dict[str, Any]:
    """Networks of the seeds `TESTED`, and what damage does to them."""
    nets = robust.networks(fit([settings], TESTED))
    X, y = robust.numerals(2000, 2)
    found: dict[str, Any] = {"settings": settings}
    found["clean"] = short([100 * np.mean(net.classes(X) != y) for net in nets])
    for name, (damage, levels, _) in robust.DAMAGES.items():
        rows = []
        for seed, net in zip(TESTED, nets, strict=True):
            rng = np.random.default_rng(seed)
            whole = name not in robust.OF_WEIGHTS
            draws = 1 if whole or name == "rounded weights" else 5
            at = []
            for level in levels:
                wrong = []
                for _ in range(draws):
                    if whole:
                        classes = net.classes(damage(X, level, rng))  # type: ignore[arg-type]
                    else:
                        classes = net.classes_by(X)(damage(net.weights, level, rng))  # type: ignore[arg-type]
                    wrong.append(100 * np.mean(classes != y))
                at.append(np.mean(wrong))
            rows.append(at)
        found[name] = short(rows)
    images, labels = torch.as_tensor(X[:ATTACKED]), torch.as_tensor(y[:ATTACKED])
    signs = torch.as_tensor(np.random.default_rng(0).choice([-1.0, 1.0], images.shape)).float()
    found["FGSM"] = short([[_wrong(net, _steps(net, images, labels, e, 1), labels)
                            for e in EPSILONS] for net in nets])  # fmt: skip
    found["ten steps"] = short([[_wrong(net, _steps(net, images, labels, e, 10), labels)
                                 for e in EPSILONS] for net in nets])  # fmt: skip
    found["random signs"] = short([[_wrong(net, (images + e * signs).clamp(0, 1), labels)
                                    for e in EPSILONS] for net in nets])  # fmt: skip
    return found


def _steps(
    net: robust.Network, X: torch.Tensor, y: torch.Tensor, epsilon: float, count: int
) -> torch.Tensor:
    """Images moved up the loss, in one step or in several, by epsilon at most in each pixel."""
    size = epsilon if count == 1 else 2.5 * epsilon / count
    now = X
    for _ in range(count):
        now = now.detach().requires_grad_()
        (slope,) = torch.autograd.grad(cross_entropy(net(now), y), now)
        now = (X + (now + size * slope.sign() - X).clamp(-epsilon, epsilon)).clamp(0, 1)
    return now.detach()


def _wrong(net: robust.Network, X: torch.Tensor, y: torch.Tensor) -> float:
    return 100 * float((net(X).argmax(-1) != y).float().mean())


def senses(kind: str) -> dict[str, Any]:
    """The p at which two-modality networks err least on validation pairs, over three conditions.

    Both are there, or the printed numeral alone, or the handwritten digit alone.
    """
    xs, y = robust.pairs("train")
    held, labels = robust.pairs("validation")
    generator = torch.Generator().manual_seed(0)

    def change(p: float) -> Callable[[list[torch.Tensor]], list[torch.Tensor]]:
        def dropped(xs: list[torch.Tensor]) -> list[torch.Tensor]:
            if kind == "modality dropout":
                return [x * (torch.rand(len(x), 1, generator=generator) >= p) for x in xs]
            if kind == "input dropout":
                return [x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p) for x in xs]
            return xs

        return dropped

    errors = []
    for p in PS:
        nets = robust.Fused(
            xs, y, change(p), seeds=range(100, 103), p=p if kind == "hidden dropout" else 0.0
        )
        errors.append([nets.error(seen, labels).mean() for seen in conditions(held)])
    means = np.mean(errors, 1)
    return {"tried": PS, "errors": short(errors), "p": PS[int(means.argmin())]}


def conditions(xs: list[torch.Tensor]) -> list[list[torch.Tensor]]:
    """Both modalities, the first alone, the second alone; what is missing is 0."""
    first, second = xs
    return [[first, second], [first, 0 * second], [0 * first, second]]


def generators(n: int, p: float, *, steps: int = GENERATOR_STEPS) -> dict[str, Any]:
    """Five diffusion models of n images each, and where 200 images of each lie.

    train, held : mean distance to the nearest of the n training images, and of n others
    copies : the share, in percent, that is nearer to a training image than to any of those others
    null : the same share of 200 images that are in neither set
    spread : mean distance between two generated images, relative to that of two real ones
    """
    X, _ = robust.numerals(8000, 3)
    sets = np.split(X[: 10 * n].reshape(10, n, -1), 2)
    models = robust.Diffusion(torch.as_tensor(sets[0]), [p] * 5, seed=n, steps=steps)
    made, fresh = models.images(200).numpy(), robust.numerals(2000, 2)[0][:1000].reshape(5, 200, -1)
    found: dict[str, list[float]] = {k: [] for k in ("train", "held", "copies", "null", "spread")}
    for own, others, images, real in zip(*sets, made, fresh, strict=True):
        near, far = (_nearest(images, those) for those in (own, others))
        found["train"].append(float(near.mean()))
        found["held"].append(float(far.mean()))
        found["copies"].append(100 * float(np.mean(near < far)))
        found["spread"].append(_apart(images) / _apart(real))
        new = _nearest(real, own) < _nearest(real, others)
        found["null"].append(100 * float(np.mean(new)))
    return {name: short(values) for name, values in found.items()}


def _nearest(images: np.ndarray, among: np.ndarray) -> np.ndarray:
    return np.array([np.sqrt(((among - image) ** 2).sum(1).min()) for image in images])


def _apart(images: np.ndarray) -> float:
    """The mean distance between one image and the next."""
    return float(np.linalg.norm(images[1:] - images[:-1], axis=1).mean())


def short(values: Any, digits: int = 3) -> Any:
    """Nested lists of rounded numbers."""
    return np.asarray(values, float).round(digits).tolist()


def main() -> None:
    """Measure the parts that are missing."""
    torch.set_num_threads(1)
    parts = ("tuned", "plain", "tested", "stronger", "rates", "senses", "generators")
    found: dict[str, Any] = {part: {} for part in parts}
    found |= studies.kept("robustness")

    def keep(what: str) -> None:
        print(what, file=sys.stderr, flush=True)
        studies.keep("robustness", found)

    for way in WAYS:
        if way not in found["tuned"]:
            found["tuned"][way] = tuned(way)
            keep(f"tuned {way}")
    for way in WAYS:
        if way not in found["tested"]:
            found["tested"][way] = tested(found["tuned"][way]["chosen"])
            keep(f"tested {way}")
    for rate, n in product(RATES, SIZES):
        if f"{rate:g} {n}" not in found["plain"]:
            found["plain"][f"{rate:g} {n}"] = tested({"rate": rate, "rows": n})
            keep(f"plain {rate:g} {n}")
    for p in STRONGER:
        if f"{p}" not in found["stronger"]:
            found["stronger"][f"{p}"] = tested({"rate": 0.1, "p": p})
            keep(f"stronger {p}")
    for way in WAYS:
        if way not in found["rates"]:
            found["rates"][way] = wider(found["tuned"][way]["chosen"])
            keep(f"rates {way}")
    for kind in ("modality dropout", "input dropout", "hidden dropout"):
        if kind not in found["senses"]:
            found["senses"][kind] = senses(kind)
            keep(f"senses {kind}")
    for n, p in product(IMAGES, GENERATOR_PS):
        if f"{n} {p}" not in found["generators"]:
            found["generators"][f"{n} {p}"] = generators(n, p)
            keep(f"generators {n} {p}")
    few, many = IMAGES
    if (equal := f"{many} 0.0 equal") not in found["generators"]:
        found["generators"][equal] = generators(many, 0.0, steps=GENERATOR_STEPS * many // few)
        keep(f"generators {equal}")


if __name__ == "__main__":
    main()
