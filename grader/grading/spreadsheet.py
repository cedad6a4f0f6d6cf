"""A table in a file that a spreadsheet program may open."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path


def write(file: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV of which no cell is taken for a formula, whatever a learner called it."""
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([_inert(str(value)) for value in row] for row in rows)


def _inert(text: str) -> str:
    acts = text[:1] in ("=", "+", "-", "@", "\t", "\r") and text != "-"
    return f"'{text}" if acts else text
