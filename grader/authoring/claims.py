"""The register of claims: what a lesson says it found, and the cell that computes it.

A figure declares its claims as it is shown, each with whether this run bears it out:

    plot.show(fig, "…", claims={"wide-nets-gain": gap.sign < 0})

A sentence of the story that rests on one ends in `{{claim:wide-nets-gain}}`, from which the build
makes a link to the heading above that figure. It refuses a claim that is declared and not told,
or told and not declared; tests read from the finished notebooks which ones held.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import quote

from nbformat import NotebookNode

from grader.authoring.lesson import Cell

MARK = re.compile(r"\s*\{\{claim:([\w-]+)\}\}")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
TITLE = re.compile(r"^#+ +(\S.*)$", re.MULTILINE)


class Measured(NamedTuple):
    """What one run showed of a claim."""

    holds: bool
    says: str
    """The figure's text, computed in that run: numbers, spread, seeds."""


def declared(cell: Cell) -> list[str]:
    """The names of the claims that a cell's `plot.show` declares."""
    if cell.kind not in ("demonstration", "figure") or "claims=" not in cell.source:
        return []
    return [
        str(key.value)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.keyword) and node.arg == "claims"
        if isinstance(node.value, ast.Dict)
        for key in node.value.keys
        if isinstance(key, ast.Constant)
    ]


def marks(cell: Cell) -> list[re.Match[str]]:
    """The marks that a story's sentences end in; elsewhere they are text."""
    return [*MARK.finditer(cell.source)] if cell.kind == "story" else []


def faults(cells: Iterable[Cell]) -> Iterator[tuple[int, str]]:
    """What is wrong with a lesson's claims, with the line of its text."""
    seen: dict[str, int] = {}
    mentioned: set[str] = set()
    for cell in cells:
        for name in declared(cell):
            if not NAME.fullmatch(name):
                yield cell.line, f"`{name}` is no claim's name: write words-with-hyphens."
            if name in seen:
                yield cell.line, f"the claim `{name}` stands in line {seen[name]} already."
            seen[name] = cell.line
        for mark in marks(cell):
            mentioned.add(name := mark[1])
            if name not in seen:
                line = cell.line + cell.source[: mark.start(1)].count("\n") + 1
                yield line, f'no figure above has `claims={{"{name}": …}}`.'
    for name, line in seen.items():
        if name not in mentioned:
            yield line, f"no sentence ends in `{{{{claim:{name}}}}}`: tell it, or measure it not."


def linked(cells: list[Cell], name: str) -> list[Cell]:
    """The cells, each mark of the story a link to the heading above its claim's figure.

    The link names the notebook, as JupyterLab finds no heading by a # alone.
    """
    places: dict[str, str] = {}
    heading = ""
    for cell in cells:
        if cell.markdown:
            titles = TITLE.findall(cell.source)
            heading = ([heading] + [t for t in titles if "$" not in t and "{{" not in t])[-1]
        places |= dict.fromkeys(declared(cell), heading)

    def link(mark: re.Match[str]) -> str:
        return f" [↑]({name}.ipynb#{fragment(places.get(mark[1], ''))})"

    return [
        replace(cell, source=MARK.sub(link, cell.source)) if cell.kind == "story" else cell
        for cell in cells
    ]


def fragment(heading: str) -> str:
    """What follows the # in an address that leads to a heading."""
    return quote(place(re.sub(r"[`*]", "", heading)), safe="-_.!~*',:?")


def place(heading: str) -> str:
    """The name of a heading's place on a page, as JupyterLab gives it."""
    return heading.replace(" ", "-")


SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[^\sa-z])|\n\s*\n|^ *[-*] +", re.MULTILINE)


def sentences(cells: Iterable[Cell]) -> dict[str, str]:
    """The sentence that each claim's mark ends."""
    found = {}
    for cell in cells:
        for mark in marks(cell):
            before = MARK.sub("", cell.source[: mark.start()])
            found[mark[1]] = " ".join(SENTENCES.split(before)[-1].split())
    return found


def measured(finished: NotebookNode) -> dict[str, Measured]:
    """What a finished notebook shows of each claim that its figures declare."""
    return {
        name: Measured(holds, output.metadata["image/png"]["alt"])
        for cell in finished.cells
        for output in cell.get("outputs", [])
        for name, holds in output.get("metadata", {}).get("claims", {}).items()
    }
