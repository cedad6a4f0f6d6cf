"""Repeat a table of the paper by its own protocol: `python3 grader paper`."""

from __future__ import annotations

import datetime
import json
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import rich.table
import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from dropoutlab.reproduced import RESULTS, outcome, summary
from grader.errors import CourseError
from grader.paper import tables
from grader.paper.comparison import agreement, averaging, verdict
from grader.paper.experiment import Advance, Data, Experiment, load, write
from grader.paper.networks import BATCH, Setting
from grader.paper.tables import Scale, Table

Json = dict[str, Any]


def reproduce(
    table: Table, source: Data, scale: Scale, device: str, advance: Advance, command: str
) -> Json:
    """Choose, train, test: the whole of one table, ready to be written."""
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
    experiment = Experiment(table, source, scale, device, advance)
    choice = experiment.choice()
    best = experiment.settings(choice)
    measured = experiment.final(best)
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
        "batch": BATCH,
        "rows": rows,
        "claims": claims,
        "seconds": experiment.seconds,
        "device": device_name(device),
        "products": "TF32" if device == "cuda" else "float32",
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


def result_path(result: Json) -> Path:
    """Where a result lies: `datasets/paper/table9.json`, `table9-fashion-mnist-quick.json` …"""
    parts = [result["table"]]
    parts += [result["data"]] if result["data"] != "mnist" else []
    parts += ["quick"] if result["reduced"] and result["scale"]["shrink"] > 1 else []
    return RESULTS / f"{'-'.join(parts)}.json"


def keep(result: Json) -> Path:
    """Write a result, a line for each row and claim; return its path."""
    path = result_path(result)
    write(path, lambda to: to.write_text(_lines(result), encoding="utf-8"))
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


def show(result: Json, path: Path, console: Console) -> None:
    """Print paper | here, what agrees, and how it was found."""
    error = result["quantity"] == "error"
    unit = "test error, %" if error else f"mean {result['quantity']}"
    drawn = rich.table.Table(title=result["title"], title_justify="left", title_style="bold")
    drawn.add_column("")
    for column in ("paper", "here", "seeds"):
        drawn.add_column(f"{column}, {unit}" if column == "here" else column, justify="right")
    drawn.add_column("")
    for row in result["rows"]:
        values = row[result["quantity"]]
        paper = "–" if row["paper"] is None else f"{row['paper']:.2f}"
        drawn.add_row(row["name"], paper, summary(values), str(len(values)), row["agrees"])
    console.print(drawn)
    for claim in result["claims"]:
        console.print(f"paper: {claim['says']}. {outcome(claim)}", highlight=False, soft_wrap=True)
    scale = result["scale"]
    console.print(
        f"{result['data']}, {scale['updates']:,} updates of {result['batch']} images, "
        f"{result['seconds']:.0f} s of training on {result['device']}.",
        highlight=False,
        soft_wrap=True,
    )
    for line in filter(None, (result["reduced"], result["note"], f"written: {path}")):
        console.print(line, highlight=False, soft_wrap=True)


def command(
    name: str, data_name: str, device: str | None, quick: bool, seeds: int | None,
    updates: int | None,
) -> None:  # fmt: skip
    """Repeat one table with a bar on the terminal; print what came out, and write it."""
    device = chosen(device)
    scale = tables.QUICK if quick else tables.FULL
    scale = replace(scale, seeds=seeds or scale.seeds, updates=updates or scale.updates)
    table, source = tables.TABLES[name], load(data_name)
    scale = tables.fitted(scale, table)
    console = Console()
    if device == "cpu" and scale.comparable and scale.updates > 10_000:
        console.print(
            "On a CPU this takes days; it can be stopped and gone on with. "
            "`--quick` takes minutes.",
            highlight=False,
        )
    words = [name, f"--data {data_name}", f"--device {device}", *["--quick"] * quick]
    words += [f"--seeds {scale.seeds}", f"--updates {scale.updates}"]
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console) as bar:
        work = Experiment(table, source, scale, device, lambda *_: None).work()
        task = bar.add_task(name, total=work)

        def advance(doing: str, done: float) -> None:
            bar.update(task, description=doing, advance=done)

        try:
            result = reproduce(
                table, source, scale, device, advance, f"python3 grader paper {' '.join(words)}"
            )
        except torch.cuda.OutOfMemoryError:
            raise CourseError(
                "the GPU's memory is too small for so many networks at once: ask for fewer with "
                "--seeds, or close what else runs on it."
            ) from None
    show(result, keep(result), console)


def chosen(device: str | None) -> str:
    """The device to run on; a GPU only where there is one."""
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise CourseError(
            "no GPU is found here: leave --device away to run on the CPU (with --quick in minutes)."
        )
    return device or ("cuda" if there else "cpu")
