"""What do masks do to networks that remember, when each way to drop has been tuned?

Three tasks of `dropoutlab.characters`. For each way to drop, learning rate and drop rate (or width)
are those with the best mean validation over two networks; others, begun from other seeds, are then
tested once.

recall   LSTMs of 32 units, and networks whose only state is h, name a symbol after 30 steps, at a
         drop rate of 0.2; only the learning rate is chosen, and the lesson trains what it shows.
text     LSTMs of 32 units read 8000 characters, 800 updates.
speech   LSTMs of 32 units name words of made tones, learned from 90, 500 updates, in noise that is
         independent from point to point.

In text and speech each network is taken from the look at which it was best on validation data.
Takes about ten minutes of one core.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dropoutlab import characters, studies

NAME = "sequences"
TEXT_RATES, PS = (0.005, 0.015), (0.1, 0.2, 0.4)
RECALL_RATES, RECALL_P = (0.003, 0.01, 0.03), 0.2
SPEECH_RATES, POINTS, WIDTHS = (0.004, 0.012), (0.1, 0.25, 0.5), (3, 6, 9)
TUNING, TESTED, START = 2, 5, 100
SPEECH_SEEDS = range(100, 108)


def fresh(p: float) -> Callable[[Tensor], Tensor]:
    """Inverted dropout, with a new mask at each time step."""
    return lambda x: F.dropout(x, p)


def crossed(width: int) -> Callable[[Tensor], Tensor]:
    """The same, and as many neighbouring time steps too."""
    band = studies.own().stripes(width)
    return lambda x: band(band(x).transpose(0, 2)).transpose(0, 2)


def text_ways(p: float) -> dict[str, characters.Way]:
    """The ways to drop while reading, each with `p` wherever it drops."""
    words, locked = studies.own().words(p), studies.own().locked(p)
    return {
        "no dropout": {},
        "whole characters": {"table": words},
        "fresh, in and out": {"input": fresh(p), "output": fresh(p)},
        "locked, in and out": {"input": locked, "output": locked},
        "fresh, x and h": {"input": fresh(p), "recurrent": fresh(p)},
        "variational, x and h": {"input": locked, "recurrent": locked},
    }


def recall_ways(p: float) -> dict[str, characters.Way]:
    """The ways to drop while remembering; of the variational LSTM the part on h."""
    lock = studies.own().locked(p)
    return {
        "no dropout": {},
        "fresh on h": {"recurrent": fresh(p)},
        "locked on x and h": {"input": lock, "recurrent": lock},
        "fresh on c": {"cell": fresh(p)},
        "locked on c": {"cell": lock},
        "locked on c, unscaled": {"cell": lambda x: (1 - p) * lock(x)},
        "zoneout on c": {"update": studies.own().zoned(p)},
    }


def rnn_ways(p: float) -> dict[str, characters.Way]:
    """The ways to drop where h is the only state."""
    return {
        "no dropout": {},
        "fresh on h": {"recurrent": fresh(p)},
        "locked on h": {"recurrent": studies.own().locked(p)},
    }


def speech_ways(k: int) -> dict[str, characters.Way]:
    """The ways to drop while listening, of the k-th strength."""
    return {
        "no dropout": {},
        "single points": {"heard": fresh(POINTS[k])},
        "stripes": {"heard": studies.own().stripes(WIDTHS[k])},
        "stripes, both ways": {"heard": crossed(WIDTHS[k])},
    }


def _plain(found: dict[str, np.ndarray], row: int) -> dict[str, list[float]]:
    return {name: [round(float(v), 4) for v in values[row]] for name, values in found.items()}


def _text() -> dict[str, Any]:
    cells = [(way, p) for way in text_ways(0.0) for p in (PS if way != "no dropout" else (0.0,))]
    tuned: dict[str, list[dict[str, Any]]] = {way: [] for way, _ in cells}
    for rate in TEXT_RATES:
        found = characters.read([text_ways(p)[way] for way, p in cells], TUNING, rate, start=1)
        for k, (way, p) in enumerate(cells):
            bits = _plain(found, k)["validation"]
            tuned[way].append({"p": p, "rate": rate, "validation": bits})
    return tuned


def _text_tested(tuned: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    best = {way: min(table, key=lambda cell: np.mean(cell["validation"]))
            for way, table in tuned.items()}  # fmt: skip
    tested: dict[str, Any] = {}
    for rate in TEXT_RATES:
        ways = [way for way in best if best[way]["rate"] == rate]
        if ways:
            chosen = [text_ways(best[way]["p"])[way] for way in ways]
            found = characters.read(chosen, TESTED, rate, start=START)
            for k, way in enumerate(ways):
                tested[way] = {"p": best[way]["p"], "rate": rate} | _plain(found, k)
    return {way: tested[way] for way in best}


def _recall(kind: str) -> dict[str, Any]:
    ways = (recall_ways if kind == "LSTM" else rnn_ways)(RECALL_P)
    found: dict[str, Any] = {way: {} for way in ways}
    updates = 300 if kind == "LSTM" else 500
    for rate in RECALL_RATES:
        ends = characters.recall(
            list(ways.values()), 3, rate=rate, start=1, kind=kind, updates=updates, looks=10
        )
        for way, curves in zip(ways, ends, strict=True):
            found[way][str(rate)] = np.round(curves.mean(1), 3).tolist()
    return found


def _only_h() -> dict[str, Any]:
    """Percent named right by eight networks whose only state is h, at two learning rates."""
    ways, updates = rnn_ways(RECALL_P), 500
    found: dict[str, Any] = {way: {} for way in ways}
    for rate in RECALL_RATES[:2]:
        fall = characters.late_fall(updates)
        ends = characters.recall(
            list(ways.values()), 8, rate=rate, start=START, kind="RNN", updates=updates,
            schedule=fall, looks=1,
        )  # fmt: skip
        for way, curves in zip(ways, ends, strict=True):
            found[way][str(rate)] = (100 * curves[:, -1]).tolist()
    return found


def _speech() -> dict[str, Any]:
    cells = [
        (way, k) for way in speech_ways(0) for k in (range(3) if way != "no dropout" else (0,))
    ]
    tuned: dict[str, list[dict[str, Any]]] = {way: [] for way, _ in cells}
    for rate in SPEECH_RATES:
        found = characters.listen([speech_ways(k)[way] for way, k in cells], range(TUNING), rate)
        for row, (way, k) in enumerate(cells):
            loss = _plain(found, row)["validation"]
            tuned[way].append({"k": k, "rate": rate, "validation": loss})
    return tuned


def _speech_tested(tuned: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    best = {way: min(table, key=lambda cell: np.mean(cell["validation"]))
            for way, table in tuned.items()}  # fmt: skip
    tested: dict[str, Any] = {}
    for way, cell in best.items():
        found = characters.listen([speech_ways(cell["k"])[way]], SPEECH_SEEDS, cell["rate"])
        tested[way] = {"k": cell["k"], "rate": cell["rate"]} | _plain(found, 0)
    return tested


def main() -> None:
    """Measure what is missing, and keep each part at once."""
    torch.set_num_threads(1)
    kept: dict[str, Any] = studies.kept(NAME) or {"minutes": 0}
    parts: dict[str, Callable[[], Any]] = {
        "speech tuning": _speech,
        "speech": lambda: _speech_tested(kept["speech tuning"]),
        "RNN recall": lambda: _recall("RNN"),
        "LSTM recall": lambda: _recall("LSTM"),
        "text tuning": _text,
        "text": lambda: _text_tested(kept["text tuning"]),
        "RNN": _only_h,
    }
    for name, part in parts.items():
        if name not in kept:
            began = process_time()
            kept[name] = part()
            kept["minutes"] = round(kept["minutes"] + (process_time() - began) / 60, 1)
            studies.keep(NAME, kept)
            print(name, f"{process_time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
