"""How many lines a lesson's author wrote, of which kind, and how many of its code a page shows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from grader.authoring.lesson import lesson_files

KINDS = {
    "story": ("story", "hint", "answer", "question", "guess"),
    "code": ("setup", "demonstration", "figure"),
    "exercise": ("exercise",),
    "check": ("check",),
    "mistake": ("mistake", "mistakes", "correct"),
}
"""The columns of the table, and the kinds of cells that each counts."""


def table(root: Path) -> Iterator[str]:
    """A row for each lesson of a course: authored lines by kind, and a page's lines of code."""
    kinds = "".join(f"{kind:>10}" for kind in KINDS)
    yield f"{'lesson':24}{'authored':>10}{kinds}{'share':>8}{'page':>8}{'open':>8}"
    total: Counter[str] = Counter()
    for path in lesson_files(root / "solutions"):
        counts = authored(path.read_text(encoding="utf-8"))
        counts["page"], counts["open"] = page(root / "lessons" / path.stem / f"{path.stem}.ipynb")
        total += counts
        yield _row(path.stem, counts)
    yield _row("all", total)


def _row(name: str, counts: Counter[str]) -> str:
    lines = sum(counts[kind] for kind in KINDS)
    kinds = "".join(f"{counts[kind]:10}" for kind in KINDS)
    share = f"{100 * counts['mistake'] / max(lines, 1):7.1f}%"
    return f"{name:24}{lines:10}{kinds}{share}{counts['page']:8}{counts['open']:8}"


def authored(text: str) -> Counter[str]:
    """The lines of a lesson's text by column of the table, its cells' headers included."""
    columns = {kind: column for column, kinds in KINDS.items() for kind in kinds}
    counts: Counter[str] = Counter()
    kind = "story"
    for line in text.splitlines():
        if header := re.match(r"# %%(.*)", line):
            keys = re.findall(r"(\w+)=", header[1])
            plain = "story" if "[markdown]" in header[1] else "demonstration"
            kind = next((key for key in keys if key in columns), plain)
        counts[columns[kind]] += 1
    return counts


def page(notebook: Path) -> tuple[int, int]:
    """The lines of a notebook's code cells, and those that are open when it is opened.

    Of a folded cell that is its first line.
    """
    if not notebook.exists():
        return 0, 0
    lines = unfolded = 0
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            own = len("".join(cell["source"]).splitlines())
            folded = cell["metadata"].get("jupyter", {}).get("source_hidden", False)
            lines, unfolded = lines + own, unfolded + (1 if folded else own)
    return lines, unfolded
