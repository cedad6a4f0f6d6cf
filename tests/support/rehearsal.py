"""Run a lesson's cells here, without a kernel: quick enough to try every mistake."""

from __future__ import annotations

import contextlib
import io
import linecache
import re
from typing import Any

from dropoutlab import expect
from grader.authoring.lesson import Cell, Lesson

Names = dict[str, Any]

SECONDS = {  # they train many networks
    "21_overfitting": 180,
    "31_images": 180,
    "32_sequences": 120,
    "33_transformers": 90,
    "34_noise": 130,
    "51_capstone": 120,
}
"""Processor time, of all cores together, that a lesson may take; others 30."""


def execute(source: str, names: Names, file: str) -> None:
    """Run a cell's text in `names`; tracebacks can quote its lines."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, file, "exec"), names)


def stage(lesson: Lesson, **replaced: str) -> Names:
    """The names after all setup and exercise cells, some exercises `replaced`.

    An exercise cell that raises binds nothing, as in a notebook that runs on.
    """
    names: Names = {"__name__": "__main__"}
    for cell in lesson.cells:
        if cell.kind == "setup":
            execute(cell.source, names, f"<{lesson.name} setup>")
        elif cell.kind == "exercise":
            with contextlib.suppress(NotImplementedError):
                source = replaced.get(cell.name, cell.source)
                execute(source, names, f"<{lesson.name} {cell.name}>")
    return names


def verdict(check: Cell, names: Names) -> expect.Unmet | None:
    """What a check says of these names; None where it is content."""
    try:
        execute(check.source, dict(names), f"<check of {check.name}, line {check.line}>")
    except expect.Unmet as unmet:
        return unmet
    return None


def shown(lesson: Lesson) -> str:
    """The line of a lesson that shows its explorer."""
    cells = [c.source for c in lesson.of("demonstration") if re.match(r"explore\.", c.source)]
    assert len(cells) == 1, f"{lesson.name} has {len(cells)} explorers"
    return cells[0]
