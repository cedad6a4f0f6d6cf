"""A lesson and its cells, as `reading` gives them."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

FORMER = {
    "01_bernoulli_masks": "11_bernoulli_masks",
    "02_weight_scaling": "12_weight_scaling",
    "03_inverted_dropout": "13_inverted_dropout",
    "04_backward": "14_backward",
    "05_pytorch": "16_pytorch",
    "06_overfitting": "21_overfitting",
    "07_ensemble": "22_ensemble",
    "08_coadaptation": "23_coadaptation",
    "09_regulariser": "24_regulariser",
    "10_uncertainty": "25_uncertainty",
    "11_images": "31_images",
    "12_sequences": "32_sequences",
    "13_transformers": "33_transformers",
    "14_weights_and_noise": "34_noise",
    "15_gpu": "41_stateless_masks",
    "16_capstone": "51_capstone",
}
"""The names that lessons had in the first edition; notebooks handed in under them are graded."""

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
HIDE, SHOW = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
REGION = re.compile(rf"^[ \t]*{BEGIN}\n(.*?)^[ \t]*{END}$", re.MULTILINE | re.DOTALL)


HEADING = re.compile(r"^# # +(\S.*)$", re.MULTILINE)
"""The line of a lesson's text that holds its title."""

GUESS = re.compile(r"(my_\w+) = (\S.*?)(  # \S.*)")
"""The one line of a guess: a name, the author's own guess, and what it is a guess of."""


@dataclass(frozen=True)
class Cell:
    """One cell: its kind, the exercise or answer it belongs to, its text and line."""

    kind: str
    name: str
    source: str
    line: int
    points: int = 0
    hidden: bool = False
    says: str = ""

    @property
    def markdown(self) -> bool:
        return self.kind in ("story", "answer", "hint")

    @property
    def folded(self) -> bool:
        """Whether a page shows its first line alone: what is not meant to be read first.

        Of the setup cells that is what serves checks, and begins with a comment.
        """
        aside = self.kind == "setup" and self.source.startswith("# ")
        return aside or self.kind in ("check", "figure", "summary")

    @property
    def question(self) -> str:
        """The first question in bold on lines of its own; "" where there is none."""
        return _first(r"^\*\*(.+?)\*\*$", self.source)

    @property
    def minutes(self) -> str:
        """The minutes that it names as a lesson's first cell does; "" where it names none."""
        return _first(r"^\*(\d+) minutes", self.source)


@dataclass(frozen=True)
class Lesson:
    """A lesson's cells in order, and what belongs to each exercise."""

    path: Path
    title: str
    cells: tuple[Cell, ...]
    claims: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The sentence of each finding that its figures bear out, by the name that they give it."""

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def former(self) -> str:
        """The name that the lesson had in the first edition; "" where it is new or the same."""
        return next((old for old, name in FORMER.items() if name == self.name), "")

    @property
    def question(self) -> str:
        """The question that opens it."""
        return self.cells[0].question

    @property
    def minutes(self) -> str:
        """How long it takes."""
        return self.cells[0].minutes

    def of(self, kind: str, name: str | None = None) -> list[Cell]:
        return [c for c in self.cells if c.kind == kind and name in (None, c.name)]

    @cached_property
    def exercises(self) -> list[str]:
        return [c.name for c in self.of("exercise")]

    @property
    def points(self) -> int:
        return sum(c.points for c in self.cells)


def _first(pattern: str, text: str) -> str:
    """The first group of a pattern's first match, on one line; "" where nothing matches."""
    match = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    return " ".join(match[1].split()) if match else ""


def is_question(cell: Cell) -> bool:
    """A graded question assigns an answer and defines no function and no class."""
    tree = ast.parse(cell.source)
    return not any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in tree.body)


def lesson_files(folder: Path) -> list[Path]:
    """The texts of the lessons in a folder, in their order."""
    return sorted(folder.glob("[0-9][0-9]_*.py"))


def number(name: str) -> str:
    """How a lesson is counted, part and place: "1.3" for 13_inverted_dropout, "0" for 00."""
    return name[0] if name.startswith("00") else f"{name[0]}.{name[1]}"
