"""A lesson on trial, and what tests of notebooks know of it."""

from __future__ import annotations

from typing import Any

from grader.authoring.lesson import Lesson
from grader.authoring.rules import EXPLORER
from grader.authoring.trial import execute, stage, verdict

__all__ = ["SECONDS", "TRAINED", "execute", "ready", "shown", "stage", "verdict"]

SECONDS = {  # they train many networks
    "21_overfitting": 180,
    "24_regulariser": 60,
    "26_learned_rates": 90,
    "31_images": 180,
    "32_sequences": 120,
    "33_transformers": 90,
    "34_noise": 130,
    "37_today": 90,
    "51_capstone": 120,
}
"""Processor time, of all cores together, that a lesson may take; others 30."""
TRAINED = {"fit", "ablation"}
"""Exercises whose checks train networks."""


def ready(lesson: Lesson, **answers: str) -> dict[str, Any]:
    """The names that its explorer draws with: of the cells above, where it opens the lesson."""
    names = stage(lesson, **answers)
    above = lesson.cells[: next(i for i, c in enumerate(lesson.cells) if c.source == shown(lesson))]
    if not any(cell.kind == "exercise" for cell in above):
        for cell in above:
            if cell.kind in ("demonstration", "figure", "guess"):
                execute(cell.source, names, f"<{lesson.name} line {cell.line}>")
    return names


def shown(lesson: Lesson) -> str:
    """The line of a lesson that shows its explorer."""
    return next(c.source for c in lesson.of("demonstration") if EXPLORER.match(c.source))
