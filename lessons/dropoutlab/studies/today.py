"""What dropout does now, in four small measurements for the lesson *Dropout today*.

In each, the settings of every method are chosen by the validation loss of a few networks. Others,
with weights and training rows of their own, are then tested once with what was chosen.

"epochs"   multilayer perceptrons see 64 000 printed characters, all different or some of them many
           times; dropout never, always, early or late (`today.SPANS`)
"edge"     the same with all images once, at a larger learning rate than was offered
"lora"     a network of printed digits is fine-tuned on 50 handwritten ones, by adapters or whole
"experts"  the same task for a network with eight experts, the units inside the experts dropped with
           a rate of their own
"paths"    vision transformers of six blocks learn 300 printed digits; branches dropped with one
           rate, or with rates that rise from 0
"patches"  vision transformers learn 4000 printed digits from all patches or a quarter

About 20 minutes of one core: `python -P -m dropoutlab.studies.today`. Begun again, it goes on where
it stopped. The result is datasets/studies/today.json, values per seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from time import process_time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropoutlab import data, studies, today

ROWS = (250, 4000, 64_000)
"""Different images among the 64 000 that each perceptron sees."""
PS, RATES = (0.1, 0.3), (0.0003, 0.001, 0.003, 0.01)
LORA_PS, LORA_RATES, LORA_ROWS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6), (0.003, 0.01, 0.03), 50
WHOLE_RATES = (0.001, 0.003, 0.01)
EXPERT_PS, EXPERT_RATES = (0.0, 0.1, 0.2, 0.4, 0.6), (0.001, 0.003)
EXPERT_KINDS: dict[str, Callable[[float, float], bool]] = {
    "none": lambda p, inside: p == inside == 0,
    "equal": lambda p, inside: 0 < p == inside,
    "more inside": lambda p, inside: 0 < p < inside,
    "inside alone": lambda p, inside: 0 == p < inside,
    "less inside": lambda p, inside: inside < p,
}
"""Which drop rates, elsewhere and inside the experts, each kind may choose from."""
DEPTH, PATH_ROWS, PATH_STEPS, PATH_BATCH = 6, 300, 500, 16
PATHS = {
    "none": [[0.0] * DEPTH],
    "constant": [[p] * DEPTH for p in (0.1, 0.25)],
    "linear": [today.linear_rates(p, DEPTH) for p in (0.2, 0.5)],
}
VIT_RATES = (0.002, 0.004)
KEEP, PATCH_ROWS, PATCH_STEPS = (49, 12), 4000, 150
BATCH = 32


def values(found: today.Found) -> dict[str, list[float]]:
    """What was found, as it is kept."""
    return {name: [round(float(v), 5) for v in runs] for name, runs in found.items()}


def chosen(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings with the least mean validation loss."""
    return min(cells, key=lambda cell: np.mean(cell["validation loss"]))


@cache
def characters() -> dict[str, tuple[Tensor, Tensor]]:
    """Printed characters: to draw training sets from, validation, test."""
    sizes = {"train": (max(ROWS), 1), "validation": (2000, 2), "test": (4000, 3)}
    return {name: today.printed(*size) for name, size in sizes.items()}


def perceptrons(
    rows: int,
    kinds: Sequence[str],
    p: Sequence[float],
    seeds: Sequence[int],
    rate: float,
    name: str,
) -> dict[str, list[float]]:
    """What networks trained on `rows` different images do on the set of this name."""
    sets = characters()
    watch = {name: sets[name]}
    if rows == max(ROWS):
        images, labels = sets["train"]
        watch["train"] = images[:4000], labels[:4000]  # of those that one epoch sees once
    spans = [today.SPANS[kind] for kind in kinds]
    return values(
        today.scheduled(
            *sets["train"], seeds=seeds, rows=rows, p=p, spans=spans, rate=rate, watch=watch
        )
    )


def compared(rows: int, tuning: Sequence[int], rates: Sequence[float]) -> list[dict[str, Any]]:
    """The validation loss of each kind of dropout, p and learning rate."""
    pairs = [("none", 0.0), *product(("always", "early", "late"), PS)]
    cells: list[dict[str, Any]] = []
    for rate in rates:
        each = [(kind, p, seed) for kind, p in pairs for seed in tuning]
        kinds, p, seeds = map(list, zip(*each, strict=True))
        losses = perceptrons(rows, kinds, p, seeds, rate, "validation")["validation loss"]
        table = np.reshape(losses, (len(pairs), -1)).tolist()
        for (kind, level), own in zip(pairs, table, strict=True):
            cells.append({"kind": kind, "p": level, "rate": rate, "validation loss": own})
    return cells


def epochs(rows: int, tuning: Sequence[int], tested: Sequence[int]) -> dict[str, Any]:
    """Dropout never, always, early, late, with `rows` different images."""
    cells, found, n = compared(rows, tuning, RATES), {}, len(tested)
    for kind in today.SPANS:
        best = chosen([cell for cell in cells if cell["kind"] == kind])
        runs = perceptrons(rows, [kind] * n, [best["p"]] * n, tested, best["rate"], "test")
        found[kind] = {"p": best["p"], "rate": best["rate"], **runs}
    return {"tuning": cells, "tested": found}


def edge(tuning: Sequence[int]) -> list[dict[str, Any]]:
    """Validation losses with all images once, at a learning rate above those that were offered."""
    n, rate = len(tuning), 0.03
    return [
        {"kind": kind, "p": p, "rate": rate, "validation loss": perceptrons(
            max(ROWS), [kind] * n, [p] * n, tuning, rate, "validation")["validation loss"]}
        for kind, p in (("none", 0.0), ("always", 0.1))
    ]  # fmt: skip


def lora(tuning: Sequence[int], tested: Sequence[int]) -> dict[str, Any]:
    """Fine-tuning by adapters or whole, without dropout and with the best p above 0."""
    sets = today.written()
    layers = today.pretrained()
    before = today.judged(lambda x: today.forward(layers, x)[None], {"test": sets["test"]})
    kept: dict[str, Any] = {"before": values(before)}
    for whole, rates in ((False, LORA_RATES), (True, WHOLE_RATES)):
        cells = []
        for rate in rates:
            each = list(product(LORA_PS, tuning))
            p, seeds = map(list, zip(*each, strict=True))
            runs = today.many_fine_tuned(
                seeds=seeds, p=p, rate=rate, rows=LORA_ROWS, whole=whole,
                watch={"validation": sets["validation"]},
            )  # fmt: skip
            losses = values(runs)["validation loss"]
            for level, own in zip(LORA_PS, np.reshape(losses, (len(LORA_PS), -1)), strict=True):
                cells.append({"p": level, "rate": rate, "validation loss": own.tolist()})
        found: dict[str, Any] = {}
        for name, some in (("without", {0.0}), ("with", set(LORA_PS) - {0.0})):
            best = chosen([cell for cell in cells if cell["p"] in some])
            runs = today.many_fine_tuned(
                seeds=tested, p=[best["p"]] * len(tested), rate=best["rate"], rows=LORA_ROWS,
                whole=whole, watch={"test": sets["test"]},
            )  # fmt: skip
            found[name] = {"p": best["p"], "rate": best["rate"], **values(runs)}
        kept["whole" if whole else "lora"] = {"tuning": cells, "tested": found}
    return kept


def experts(tuning: Sequence[int], tested: Sequence[int]) -> dict[str, Any]:
    """Fine-tuning of a network with experts, each kind with its own drop rates and learning rate.

    p : the drop rate elsewhere; inside : of the hidden units of an expert
    """
    sets = today.written()

    def run(pairs: list[tuple[float, float]], seeds: Sequence[int], rate: float, name: str):  # type: ignore[no-untyped-def]
        each = [(*pair, seed) for pair in pairs for seed in seeds]
        p, inside, every = map(list, zip(*each, strict=True))
        return values(today.experts_tuned(
            seeds=every, p=p, inside=inside, rate=rate, rows=LORA_ROWS, watch={name: sets[name]},
        ))  # fmt: skip

    pairs, cells, found = list(product(EXPERT_PS, EXPERT_PS)), [], {}
    for rate in EXPERT_RATES:
        losses = run(pairs, tuning, rate, "validation")["validation loss"]
        table = np.reshape(losses, (len(pairs), -1)).tolist()
        for (p, inside), own in zip(pairs, table, strict=True):
            cells.append({"p": p, "inside": inside, "rate": rate, "validation loss": own})
    for kind, may in EXPERT_KINDS.items():
        best = chosen([cell for cell in cells if may(cell["p"], cell["inside"])])
        pair = best["p"], best["inside"]
        found[kind] = {k: best[k] for k in ("p", "inside", "rate")}
        found[kind] |= run([pair], tested, best["rate"], "test")
    before = today.judged(lambda x: today.mixed(today.pretrained_experts(), x[None])[0],
                          {"test": sets["test"]})  # fmt: skip
    return {"before": values(before), "tuning": cells, "tested": found}


@cache
def small(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """`n` printed digits, the middle at half the size, 12 × 12, in 16 patches of 3 × 3."""
    images, labels = data.glyphs(n, seed)
    inner = torch.as_tensor(data.halved(images)).float()[:, 1:13, 1:13]
    return today.patches(inner, 3), torch.as_tensor(labels)


def paths(tuning: Sequence[int], tested: Sequence[int]) -> dict[str, Any]:
    """Drop path with one rate, or with rates that rise, each chosen by itself."""
    X, y = small(PATH_ROWS * 8, 1)
    how: dict[str, Any] = {
        "rows": PATH_ROWS,
        "depth": DEPTH,
        "steps": PATH_STEPS,
        "batch": PATH_BATCH,
    }
    cells: list[dict[str, Any]] = []
    for kind, settings in PATHS.items():
        for rate in VIT_RATES:
            each = list(product(settings, tuning))
            rates, seeds = map(list, zip(*each, strict=True))
            losses = values(today.vits(X, y, seeds=seeds, rates=rates, rate=rate,
                                       watch={"validation": small(2000, 2)}, **how))  # fmt: skip
            table = np.reshape(losses["validation loss"], (len(settings), -1)).tolist()
            for own, each_loss in zip(settings, table, strict=True):
                cells.append({"kind": kind, "p": own[-1], "rates": own, "rate": rate,
                              "validation loss": each_loss})  # fmt: skip
    found: dict[str, Any] = {}
    for kind in PATHS:
        best = chosen([cell for cell in cells if cell["kind"] == kind])
        runs = today.vits(X, y, seeds=tested, rates=[best["rates"]] * len(tested),
                          rate=best["rate"], watch={"test": small(4000, 3)}, **how)  # fmt: skip
        found[kind] = {"p": best["p"], "rate": best["rate"], **values(runs)}
    return {
        "tuning": [{k: v for k, v in c.items() if k != "rates"} for c in cells],
        "tested": found,
    }


def some_patches(x: Tensor, keep: int, source: torch.Generator) -> Tensor:
    """The first token, and `keep` of the others: each image has its own."""
    scores = torch.rand(x.shape[:2], generator=source)
    scores[:, 0] = 2
    order = scores.topk(keep + 1, 1).indices
    return x.take_along_dim(order[..., None], 1)


@cache
def large(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """`n` printed digits in 49 patches of 4 × 4."""
    images, labels = data.glyphs(n, seed)
    return today.patches(torch.as_tensor(images).float(), 4), torch.as_tensor(labels)


def patches(tuning: Sequence[int], tested: Sequence[int]) -> dict[str, Any]:
    """Fewer patches: with as many steps, and with as many patches seen in all."""
    X, y = large(PATCH_ROWS, 1)

    def run(keep: int, steps: int, seeds: Sequence[int], rate: float, name: str) -> today.Found:
        more = {"validation": (2000, 2), "test": (4000, 3)}[name]
        return today.vits(
            X, y, seeds=seeds, rows=PATCH_ROWS, depth=2, rate=rate, steps=steps, batch=BATCH,
            keep=keep, patch_dropout=some_patches if keep < KEEP[0] else None,
            watch={name: large(*more)},
        )  # fmt: skip

    found: dict[str, Any] = {}
    for keep in KEEP:
        cells = [
            {"rate": rate, **values(run(keep, PATCH_STEPS, tuning, rate, "validation"))}
            for rate in VIT_RATES
        ]
        best = chosen(cells)
        own = {"tuning": cells, "rate": best["rate"]}
        for name, steps in (("steps", PATCH_STEPS), ("work", PATCH_STEPS * KEEP[0] // keep)):
            if name == "work" and keep == KEEP[0]:
                own[name] = own["steps"]
                continue
            own[name] = values(run(keep, steps, tested, best["rate"], "test"))
        found[str(keep)] = own
    return found


def main() -> None:
    """Measure what is missing, and keep each part at once."""
    torch.set_num_threads(1)
    kept: dict[str, Any] = {"minutes": 0} | studies.kept("today")
    parts: dict[str, Callable[[], Any]] = {
        "lora": lambda: lora(range(6), range(100, 120)),
        "experts": lambda: experts(range(3), range(100, 112)),
        **{f"epochs {n}": lambda n=n: epochs(n, range(2), range(100, 106)) for n in ROWS},  # type: ignore[misc]
        "edge": lambda: edge(range(2)),
        "patches": lambda: patches(range(2), range(100, 105)),
        "paths": lambda: paths(range(2), range(100, 105)),
    }
    for name, part in parts.items():
        if name in kept:
            continue
        began = process_time()
        kept[name] = part()
        kept["minutes"] = round(kept["minutes"] + (process_time() - began) / 60, 1)
        studies.keep("today", kept)
        print(name, f"{process_time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
