"""Repeat a table of the paper, and tell it on the terminal: `python3 grader paper`."""

from __future__ import annotations

import time
from dataclasses import replace
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

from dropoutlab.reproduced import outcome, summary
from grader.errors import CourseError
from grader.paper import tables
from grader.paper.experiment import Experiment, load
from grader.paper.reproduction import keep, reproduce

Json = dict[str, Any]


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
    name: str, data_name: str, device: str | None, size: str, seeds: int | None,
    updates: int | None,
) -> None:  # fmt: skip
    """Repeat one table with a bar on the terminal; print what came out, and write it."""
    scale = tables.SIZES[size]
    if scale.alone and device == "cuda":
        raise CourseError(f"--{size} is for a CPU: leave --device away, or --{size}.")
    device = "cpu" if scale.alone else chosen(device)
    scale = replace(scale, seeds=seeds or scale.seeds, updates=updates or scale.updates)
    table, source = tables.TABLES[name], load(data_name)
    scale = tables.fitted(scale, table)
    console = Console()
    if device == "cpu" and scale.comparable and not scale.alone and scale.updates > 10_000:
        console.print(
            "On a CPU this takes days; it can be stopped and gone on with. "
            "`--evening` takes hours, `--quick` minutes.",
            highlight=False,
        )
    if scale.alone and (longer := slower_in_bfloat16()) > 2:
        console.print(
            f"In bfloat16 a layer takes this CPU {longer:.0f} times as long as in float32. "
            "An evening's work takes days here; it can be stopped and gone on with.",
            highlight=False,
        )
    words = [name, f"--data {data_name}", f"--device {device}", *[f"--{size}"] * (size != "full")]
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


def slower_in_bfloat16() -> float:
    """How many times as long a layer takes here in bfloat16 as in float32, forward and backward.

    Less than one on a CPU with instructions for it (AMX, AVX-512); many times as long elsewhere.
    """
    seconds, before = [], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for dtype in (torch.float32, torch.bfloat16):
            x, W = (torch.ones(n, 1024, dtype=dtype, requires_grad=True) for n in (200, 1024))
            tries = []
            for _ in range(3):  # the first one chooses how
                began = time.thread_time()
                torch.nn.functional.linear(x, W).sum().backward()
                tries.append(time.thread_time() - began)
            seconds.append(min(tries))
    finally:
        torch.set_num_threads(before)
    return seconds[1] / seconds[0]
