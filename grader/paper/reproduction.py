"""Repeat a table of the paper by its own protocol, and keep what came out."""

from __future__ import annotations

import datetime
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from dropoutlab.reproduced import RESULTS
from grader.files import write_whole
from grader.paper.comparison import agreement, averaging, verdict
from grader.paper.experiment import Advance, Data, Experiment
from grader.paper.networks import Setting
from grader.paper.tables import Scale, Table

Json = dict[str, Any]


def reproduce(
    table: Table,
    source: Data,
    scale: Scale,
    device: str,
    advance: Advance,
    command: str,
    work: Path | None = None,
    replayed: bool = False,
) -> Json:
    """Choose, train, test: the whole of one table, ready to be written.

    work : where what is half done lies; replayed : see `Networks`
    """
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
    shared = RESULTS / f"{table.name}-networks.json" if scale.alone else None
    experiment = Experiment(table, source, scale, device, advance, work, replayed, shared)
    try:
        choice = experiment.choice()
        best = experiment.settings(choice)
        measured = experiment.final(best)
    finally:
        experiment.share()
    other = "other images" if source.name != "mnist" else ""
    excuse = other if scale.comparable else "reduced"
    rows: list[Json] = [
        {
            "name": row.name,
            "paper": row.paper,
            "hidden": row.hidden,
            "images": min(row.rows or scale.pool, scale.pool),
            "setting": plain(best[row.name]),
            "tried": [plain(s) | {"validation": e} for s, e in choice.get(row.name, [])],
            **{name: _few(name, values) for name, values in measured[row.name].items()},
            "agrees": agreement(measured[row.name][table.quantity], row, excuse),
        }
        for row in experiment.table.rows
    ]
    claims = [
        verdict(claim, measured[claim.more][claim.of], measured[claim.less][claim.of])
        for claim in experiment.table.claims
    ]
    if table.measure == "averages":
        claims = averaging(rows[0].pop("averaged"), rows[0])
    return {
        "table": table.name,
        "title": table.title,
        "quantity": table.quantity,
        "data": source.name,
        "note": table.note,
        "reduced": scale.reduced(),
        "scale": asdict(scale),
        "batch": scale.batch,
        "rows": rows,
        "claims": claims,
        "seconds": experiment.seconds,
        "device": device_name(device),
        "products": "bfloat16" if scale.alone else "TF32" if device == "cuda" else "float32",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": command,
    }


def _few(name: str, values: list[Any]) -> list[Any]:
    """Of pictures the first is kept, of numbers all."""
    return values[:1] if name == "features" else values


def plain(setting: Setting) -> Json:
    """A setting as JSON holds it: what is not as usual."""
    usual = asdict(Setting(0.0))
    return {name: value for name, value in asdict(setting).items() if value != usual[name]}


def device_name(device: str) -> str:
    """The GPU's name, or the processor's."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {torch.get_num_threads()} threads"


def file_name(result: Json) -> str:
    """What a result's file is called: `table9.json`, `table9-fashion-mnist-quick.json` …"""
    parts = [result["table"]]
    parts += [result["data"]] if result["data"] != "mnist" else []
    parts += ["quick"] if result["reduced"] and result["scale"]["shrink"] > 1 else []
    return f"{'-'.join(parts)}.json"


def keep(result: Json, folder: Path | None = None) -> Path:
    """Write a result, a line for each row and claim, into `datasets/paper`; return its path."""
    path = (folder or RESULTS) / file_name(result)
    write_whole(path, _lines(result))
    return path


def _lines(result: Json) -> str:
    """JSON that is short and can be compared line by line."""

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    parts = []
    for name, value in result.items():
        many = isinstance(value, list) and value
        whole = "[\n  " + ",\n  ".join(map(text, value)) + "\n ]" if many else text(value)
        parts.append(f" {text(name)}: {whole}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
