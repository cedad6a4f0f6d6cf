"""The tables of Srivastava et al. (2014) in their own size, with as many updates as time allows.

The networks, their data and the protocol are the paper's (`grader.paper`). What is fewer than there
is told in the result: updates, and settings to choose from. How many updates each table gets
follows from how long one takes on this device; rates and momenta are scheduled over these.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch

from dropoutlab import data
from dropoutlab.reproduced import outcome, summary
from grader.gpu.record import REHEARSAL, Json
from grader.gpu.step import Step
from grader.paper import networks, tables
from grader.paper.experiment import Data, Experiment, Piece, Stopped, load, weights
from grader.paper.networks import Networks, Setting
from grader.paper.reproduction import keep, reproduce
from grader.paper.tables import Scale

CLOTHES = "table9, clothes"
"""Table 9's rows once more, on images that the paper had not: Fashion-MNIST."""
SHARES = {
    "table9": 8, "table10": 2, "figure11": 2, "figure10": 4, "table2": 5, "figure9": 4, CLOTHES: 3,
}  # fmt: skip
"""The tables in their order, and how the time is divided among them."""
SEEDS = {"table10": 10}
"""Networks of each kind where the paper says how many; elsewhere three."""
LEAST = 2_000
"""Updates below which a table is left out."""
SPARE = 0.8
"""The share of a table's time that is planned for; measuring takes some too."""
TINY = Scale(
    updates=4, seeds=2, trials=1, pool=1_000, held_out=300, shrink=64, widest=100, masks=2,
    repeats=2, candidates=2,
)  # fmt: skip


def measure(step: Step) -> None:
    """A part for each table, in turn, and first how long an update takes."""
    source = images(step.tiny)
    replayed = step.part("replayed", partial(compared, step, source)) if not step.tiny else None
    fast = replayed is not None and replayed["agree"]
    pace = step.part("pace", partial(paced, step, source, fast))
    if pace is None:
        return
    for position, name in enumerate(SHARES):
        rest = sum(list(SHARES.values())[position:])
        seconds = step.left * SHARES[name] / rest
        table = name.partition(",")[0]
        planned = step.part(f"{name}, updates", partial(plan, step, table, pace, seconds))
        if planned is None or (planned["updates"] < LEAST and not step.tiny):
            continue
        of = partial(images, step.tiny, clothes=name == CLOTHES)
        step.part(name, partial(repeat, step, of, table, planned["updates"], fast))


@cache
def images(tiny: bool, *, clothes: bool = False) -> Data:
    """MNIST or Fashion-MNIST; for the rehearsal images of their size that ship with the course."""
    if not tiny:
        return load("fashion-mnist" if clothes else "mnist")
    kinds = "ABCDEFGHIJ" if clothes else "0123456789"
    (X, y), (X_test, y_test) = data.glyphs(TINY.pool, 0, kinds), data.glyphs(100, 1, kinds)
    return Data("letters" if clothes else "glyphs", (X, y, X_test, y_test))


USUAL = Setting(0.1, keep=0.5, keep_input=0.8, weight_decay=1e-5, max_norm=2.0)
LARGE = 18, (784, 1024, 1024, 2048, 10)
"""The networks of table 9."""


def compared(step: Step, source: Data) -> Json:
    """Do networks whose updates are replayed come out as those whose updates are launched?"""
    errors = {}
    for replayed in (False, True):
        nets, X, y = _networks(step, source, 4, (784, 1024, 1024, 10), 300, replayed)
        for _ in nets.passes(X, y, nets.rows(len(X), len(X))):
            pass
        errors[replayed] = nets.errors(X[:10_000], y[:10_000])
    means = [sum(those) / len(those) for those in errors.values()]
    return {"launched": means[0], "replayed": means[1], "agree": abs(means[0] - means[1]) < 2}


def paced(step: Step, source: Data, replayed: bool) -> Json:
    """Seconds of an update: at least `launches`, and `weight` for each weight of its networks."""
    small, large = step.of(((1, (784, 64, 10)), LARGE), ((1, (784, 8, 10)), (2, (784, 64, 10))))
    updates = step.of(200, 2)
    launches, one = (_seconds(step, source, *shape, updates, replayed) for shape in (small, large))
    return {"launches": launches, "weight": one / large[0] / weights(large[1])}


def _networks(
    step: Step, source: Data, count: int, sizes: tuple[int, ...], updates: int, replayed: bool
) -> tuple[Networks, torch.Tensor, torch.Tensor]:
    """So many networks, and the training images."""
    if step.device == "cuda":
        torch.set_float32_matmul_precision("high")
    X, y = (torch.as_tensor(part).to(step.device) for part in (source.X, source.y))
    return Networks([USUAL] * count, sizes, updates, 0, step.device, replayed), X, y


def _seconds(
    step: Step, source: Data, count: int, sizes: tuple[int, ...], updates: int, replayed: bool
) -> float:
    """Seconds of one update, after as many uncounted ones."""
    nets, X, y = _networks(step, source, count, sizes, 2 * updates, replayed)
    passes = nets.passes(X, y, nets.rows(len(X), networks.BATCH * updates))
    times = []
    for _ in passes:
        if step.device == "cuda":
            torch.cuda.synchronize()
        times.append(time.monotonic())
    return (times[1] - times[0]) / updates


def plan(step: Step, name: str, pace: Json, seconds: float) -> Json:
    """As many updates as fit into these seconds, in whole thousands, at most the paper's."""
    if step.tiny:
        return {"updates": TINY.updates}
    experiment = Experiment(
        tables.TABLES[name], Data(name, (np.empty((60_000, 784), bool),) * 4),
        scaled(name, 1), step.device, lambda *_: None,
    )  # fmt: skip
    best = {row.name: row.candidates[0] if row.candidates else Setting(0.1)
            for row in experiment.table.rows}  # fmt: skip
    one = sum(_update(piece, pace) for piece in (*experiment.choosing(), *experiment.finals(best)))
    updates = min(tables.FULL.updates, int(SPARE * seconds / one) // 1000 * 1000)
    step.say(f"{name}: {1000 * one:.2f} ms for an update of all; {updates:,} in {seconds:.0f} s")
    return {"updates": updates, "milliseconds": 1000 * one}


def _update(piece: Piece, pace: Json) -> float:
    """The seconds that an update of a piece takes, as far as can be foreseen."""
    load = len(piece.members) * weights((784, *piece.hidden, 10))
    return max(pace["launches"], pace["weight"] * load)


def scaled(name: str, updates: int) -> Scale:
    """The paper's size, with fewer updates and settings to choose from."""
    seeds = SEEDS.get(name, 3)
    return replace(tables.FULL, updates=updates, seeds=seeds, trials=1, candidates=2)


def repeat(step: Step, of: Callable[[], Data], name: str, updates: int, replayed: bool) -> Json:
    """Repeat a table on the images `of` gives, keep its result, and return what to tell of it."""
    said = time.monotonic()

    def advance(doing: str, done: float) -> None:
        nonlocal said
        if step.left < 5 and not step.tiny:
            raise Stopped("the time was over; the networks are saved, and the next run goes on")
        if time.monotonic() - said > 15:
            said = time.monotonic()
            step.say(doing)

    scale = TINY if step.tiny else scaled(name, updates)
    folder = REHEARSAL / "paper" if step.tiny else None
    result = reproduce(
        tables.TABLES[name], of(), scale, step.device, advance, "python3 grader gpu",
        folder and folder / "work", replayed,
    )  # fmt: skip
    keep(result, folder)
    rows = [
        {"name": row["name"], "paper": row["paper"], "here": summary(row[result["quantity"]]),
         "agrees": row["agrees"]}
        for row in result["rows"]
    ]  # fmt: skip
    claims = [f"{claim['says']}. {outcome(claim)}" for claim in result["claims"]]
    return {"updates": scale.updates, "training": result["seconds"], "rows": rows, "claims": claims}


def told(parts: Json) -> Iterator[tuple[str, str]]:
    """Paper | here, for each row; and each claim."""
    for name, found in parts.items():
        if "rows" not in found:
            continue
        yield name, f"{found['updates']:,} updates in {found['training']:.0f} s of training"
        for row in found["rows"]:
            paper = "–" if row["paper"] is None else f"{row['paper']:.2f}"
            yield f"{name}, {row['name']}", f"paper {paper}, here {row['here']}: {row['agrees']}"
        for claim in found["claims"]:
            yield f"{name}, claim", claim
