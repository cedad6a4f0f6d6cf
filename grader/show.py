"""Graded notebooks, on the terminal."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grader.grade import Result


def show(result: Result, console: Console) -> None:
    """Print a table of one notebook's exercises with each diagnosis, and the score."""
    table = Table(title=result.lesson, title_justify="left", title_style="bold", show_lines=True)
    table.add_column("exercise")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("what the checks said")
    for exercise, group in groupby(result.rows, key=lambda row: row.exercise):
        rows = list(group)
        by_hand = any(row.points is None for row in rows)
        points = "–" if by_hand else f"{sum(row.points or 0 for row in rows):g}"
        said: dict[str, str] = {}  # the same words about several cases once
        for row in rows:
            said.setdefault(row.said.partition("\n")[2] or row.said, row.said)
        most = f"{sum(row.most for row in rows):g}"
        table.add_row(
            exercise,
            f"{points} / {most}",
            escape("\n".join(filter(None, said.values())) or "right"),
        )
    console.print(table)
    for note in result.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    by_hand = sum(row.most for row in result.rows if row.points is None)
    waiting = f" ({by_hand:g} of them wait for a person)" if by_hand else ""
    console.print(f"[bold]score: {result.score:g} of {result.most:g}[/]{waiting}", highlight=False)
    console.print(f"report: {result.report}", highlight=False, soft_wrap=True)
