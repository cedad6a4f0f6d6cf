"""Where does dropout help a small transformer, and what does it make bearable?

Vision transformers of three blocks (`dropoutlab.readers`) learn 400 printed numerals, 600 steps of
20 images, Adam with a learning rate that falls to 0. Settings are chosen by the validation loss,
mean over two seeds. Networks begun from other seeds are then tested once, as a whole and without
each of their blocks and heads. Those of one seed share weights at the start and the order of the
images.

places   dropout in each place alone: first the learning rate is chosen, at p = 0.1, then p
shallow  no dropout, and one block less from the beginning
passes   R-Drop, its weight chosen, and what it is made of: two passes of each image without the
         divergence, and one pass in twice as many steps, which costs as much; all with the drop and
         learning rate that were best for dropout on the branches
long     no dropout in twice as many steps: had training ended?
cooled   without dropout, and with it on the embedding, the logits divided by one number that is
         chosen on validation images: a control for networks that are merely less sure

    python -P -m dropoutlab.studies.transformers

Each network is kept when it is trained, and a later run goes on there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from time import process_time
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from dropoutlab import readers, student, studies

NAME = "transformers"
PS, RATES = (0.1, 0.05, 0.2), (0.003, 0.008)
LOWER, HIGHER, EXTENDED = 0.0015, 0.4, ("residual", "mlp", "layers")
"""What is tried besides, but not chosen: a lower learning rate without dropout, and a higher p
where the highest of `PS` came out best."""
TUNING, TESTED = (100, 101), range(4)
ALPHAS = (1.0, 4.0)
Setting = dict[str, float]
"""How a network is trained: a drop probability for places, "rate", and, where it differs from the
usual, "steps" (how many times as many), "depth", "alpha" (two passes of each image)."""


def trained(setting: Setting, seed: int, **by: Any) -> readers.Reader:
    """A network of this setting and seed; `by` has somebody else's blocks, layer_drop or loss.

    blocks : see `readers.Blocks`; two : two(alpha) is the loss of two passes, see `agreeing`
    """
    own = studies.own()
    ours = {"blocks": own.Block, "layer_drop": own.layer_drop, "two": own.agreeing}
    how: dict[str, Any] = ours | by
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


def validated(setting: Setting, seed: int) -> float:
    """The validation loss, in nats."""
    return round(trained(setting, seed).judged(readers.numerals(2000, 2))[0], 4)


def tested(setting: Setting, seed: int) -> dict[str, Any]:
    """Losses in nats and errors in percent; those without one part on 1000 images, as "whole"."""
    net = trained(setting, seed)
    test, train = readers.numerals(3000, 3), readers.learned(seed)
    (loss, error), (fit, _) = net.judged(test), net.judged(train)
    found: dict[str, Any] = {"loss": loss, "error": error, "train": fit}
    some = (test[0][:1000], test[1][:1000])
    found |= {"whole": net.judged(some)[1], "block": without_a_block(net, some)}
    found["head"] = without_a_head(net, some)
    return {name: np.round(value, 4).tolist() for name, value in found.items()}


def cooled(setting: Setting, seed: int) -> dict[str, float]:
    """The test loss of a network whose logits are divided by one number, chosen on validation."""
    net = trained(setting, seed)
    (held, labels), (X, y) = readers.numerals(2000, 2), readers.numerals(3000, 3)
    heats = np.geomspace(0.7, 5, 80)
    with torch.no_grad():
        z, z_test = net(held), net(X)
    losses = [float(F.cross_entropy(z / heat, labels)) for heat in heats]
    heat = float(heats[int(np.argmin(losses))])
    return {"heat": round(heat, 3), "loss": round(float(F.cross_entropy(z_test / heat, y)), 4)}


def without_a_block(net: readers.Reader, images: Any) -> list[float]:
    """The error in percent without each block."""
    return [net.judged(images, without=[k])[1] for k in range(len(net.blocks))]


def without_a_head(net: readers.Reader, images: Any) -> list[float]:
    """The error in percent without each head of each block, in which `out` reads 0 for it."""
    errors = []
    block: Any
    for block in net.blocks:
        whole = block.out.weight.detach().clone()
        for columns in torch.arange(readers.DIM).chunk(readers.HEADS):
            with torch.no_grad():
                block.out.weight[:, columns] = 0
                errors.append(net.judged(images)[1])
                block.out.weight.copy_(whole)
    return errors


def tries(found: dict[str, Any], way: str) -> list[Setting]:
    """The settings of a way: in a place a middling p at each rate, then the others at the best.

    The ways that cost two passes take p and learning rate of dropout on the branches.
    """
    match way:
        case "R-Drop":
            return [best(found, "residual") | {"alpha": alpha} for alpha in ALPHAS]
        case "two passes":
            return [best(found, "residual") | {"alpha": 0.0}]
        case "twice the steps":
            return [best(found, "residual") | {"steps": 2.0}]
        case "none":
            return [{"rate": rate} for rate in RATES]
    begun = [{way: PS[0], "rate": rate} for rate in RATES]
    losses = [mean(found, way, setting) for setting in begun]
    if not np.isfinite(losses).all():
        return begun
    return begun + [{way: p, "rate": RATES[int(np.argmin(losses))]} for p in PS[1:]]


def mean(found: dict[str, Any], way: str, setting: Setting) -> float:
    """The mean validation loss of a setting; infinite where it is not known yet."""
    losses = found["tuned"].get(way, {}).get(json.dumps(setting), {})
    return float(np.mean(list(losses.values()))) if len(losses) == len(TUNING) else np.inf


PARTS = (
    ("none", *readers.PLACES),
    ("R-Drop", "two passes", "twice the steps"),
)
"""The ways, in the order in which they are measured."""
COOLED = ("none", "embedding")


def best(found: dict[str, Any], way: str) -> Setting:
    """The setting of a way with the lowest mean validation loss."""
    return min(tries(found, way), key=lambda setting: mean(found, way, setting))


def common(found: dict[str, Any], ways: Sequence[str]) -> list[str]:
    """The seeds of which networks of all these ways were tested."""
    each = [found["tested"][way]["runs"] for way in ways]
    return [seed for seed in each[0] if all(seed in runs for runs in each)]


def half(runs: np.ndarray) -> float:
    """Half the width of the mean's 95 % interval (Student's t)."""
    return float(student.reach(0.95, len(runs) - 1) * np.std(runs, ddof=1) / len(runs) ** 0.5)


def jobs(found: dict[str, Any]) -> Iterator[tuple[str, str, int, Setting]]:
    """What is to be trained: a name in `MEASURES`, way, seed, setting."""
    for part in PARTS:
        for way in part:
            for _ in range(2):  # some settings follow from others
                settings = tries(found, way)
                for setting in settings if len(settings) > 1 else []:
                    yield from (("tuned", way, seed, setting) for seed in TUNING)
        for seed in TESTED:
            for way in part:
                yield "tested", way, seed, best(found, way)
    base = best(found, "none")
    for seed in TESTED:
        for way in COOLED:
            yield "cooled", way, seed, best(found, way)
        yield "tested", "shallow", seed, base | {"depth": readers.DEPTH - 1}
    for seed in TESTED[:3]:
        yield "tested", "long", seed, base | {"steps": 2.0}
    extra = [("none", base | {"rate": LOWER})]
    extra += [(way, best(found, way) | {way: HIGHER}) for way in EXTENDED]
    for way, setting in extra:
        yield from (("tuned", way, seed, setting) for seed in TUNING)


MEASURES = {"tuned": validated, "tested": tested, "cooled": cooled}


def main() -> None:
    """Train the networks that are missing, and keep each at once."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {
        "minutes": 0.0,
        "tuned": {},
        "tested": {},
        "cooled": {},
    } | studies.kept(NAME)
    for what, way, seed, setting in jobs(found):
        if what == "tuned":
            cell = found[what].setdefault(way, {}).setdefault(json.dumps(setting), {})
        elif what == "cooled":
            cell = found[what].setdefault(way, {})
        else:
            cell = found[what].setdefault(way, {"setting": setting, "runs": {}})["runs"]
        if str(seed) in cell:
            continue
        began = process_time()
        measure: Callable[[Setting, int], Any] = MEASURES[what]
        cell[str(seed)] = measure(setting, seed)
        found["minutes"] = round(found["minutes"] + (process_time() - began) / 60, 2)
        studies.keep(NAME, found)
        print(what, way, setting, seed, cell[str(seed)], flush=True)


if __name__ == "__main__":
    main()
