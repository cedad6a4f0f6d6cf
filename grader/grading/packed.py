"""A lesson that is graded where its text is not: on Gradescope, or in a learner's repository."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from grader.errors import CourseError

HIDDEN = re.compile(r"^# \w+, check \d+ of \d+, hidden: ", re.MULTILINE)
"""The last line of a hidden check, which a released notebook has too."""
MARK = re.compile(r"^# \w+, check \d+ of \d+.*$")
RELEASED, SOURCE = "released.ipynb", "source.ipynb"


@dataclass(frozen=True)
class Packed:
    """What it takes to grade a lesson: its notebooks."""

    name: str
    released: str
    source: str = ""
    """With answers and hidden checks; "" in a learner's hands, where those are not graded."""
    former: str = ""

    @classmethod
    def read(cls, folder: Path) -> Packed:
        """The lesson that `write` has left."""
        try:
            released = (folder / RELEASED).read_text(encoding="utf-8")
        except OSError:
            raise CourseError(f"{folder} holds no lesson: pack it again.") from None
        whole = folder / SOURCE
        source = whole.read_text(encoding="utf-8") if whole.exists() else ""
        return cls(folder.name, released, source)

    def write(self, folder: Path) -> None:
        """Leave it in a folder of its name."""
        from grader.files import write_whole

        write_whole(folder / self.name / RELEASED, self.released)
        if self.source:
            write_whole(folder / self.name / SOURCE, self.source)

    @cached_property
    def notebook(self) -> dict[str, Any]:
        """The released notebook."""
        read: dict[str, Any] = json.loads(self.released)
        return read

    @property
    def title(self) -> str:
        return str(self.notebook["metadata"].get("title", self.name))

    @cached_property
    def texts(self) -> dict[str, str]:
        """The released text of each cell that is graded or written, by its name."""
        return {
            cell["metadata"]["nbgrader"]["grade_id"]: "".join(cell["source"])
            for cell in self.notebook["cells"]
            if "nbgrader" in cell["metadata"]
        }

    @property
    def exercises(self) -> list[str]:
        """What a learner writes in code."""
        marks = [
            cell["metadata"].get("nbgrader", {})
            for cell in self.notebook["cells"]
            if cell["cell_type"] == "code"
        ]
        return [mark["grade_id"] for mark in marks if mark.get("solution")]

    @property
    def hidden(self) -> frozenset[str]:
        """The checks that learners cannot run."""
        return frozenset(name for name, text in self.texts.items() if HIDDEN.search(text))

    @property
    def left_out(self) -> frozenset[str]:
        """The checks that cannot be graded here: hidden ones, and those of questions."""
        asked = {name for name, text in self.texts.items() if "    expect.choice(" in text}
        return frozenset() if self.source else self.hidden | asked

    def begun(self, notebook: Path) -> bool:
        """Whether a learner has written an answer; in doubt, they have."""
        try:
            cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
            there = [(cell["metadata"].get("nbgrader", {}), cell["source"]) for cell in cells]
            return any(
                "".join(source) != self.texts.get(marks["grade_id"])
                for marks, source in there
                if marks.get("solution")
            )
        except Exception:  # whatever a broken file makes the reader raise: the grader tells
            return True

    def says(self, check: str) -> str:
        """What a check asks, in the words of its opening comment."""
        lines = []
        for line in self.texts.get(check, "").splitlines():
            if not line.startswith("#") or MARK.match(line):
                break
            lines.append(line.lstrip("# "))
        return " ".join(lines)
