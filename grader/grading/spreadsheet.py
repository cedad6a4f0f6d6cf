"""A table in a file that a spreadsheet program may open."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

ACTS = re.compile(r"^(?=[\t\r])|(?:^|[;\t\r\n])[\s\"]*(?=[=+@-])")
"""Where a formula may begin: in a cell, and where a program splits at other signs than commas."""


def write(file: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV of which no cell is taken for a formula, whatever a learner called it."""
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([_inert(value) for value in row] for row in rows)


class AsItIs(str):
    """A text that an instructor wrote, and that stays as it is."""


def _inert(value: object) -> str:
    text = str(value)
    return text if text == "-" or isinstance(value, AsItIs) else ACTS.sub(r"\g<0>'", text)
