"""What it takes to grade one submission: plain data, which may travel to another machine."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

from grader.isolation.confinement import Limits


@dataclass(frozen=True)
class Task:
    """One submission of a lesson, and how to grade it."""

    learner: str
    lesson: str
    released: str
    """The released notebook."""
    source: str
    """The instructor's notebook, with answers and hidden checks."""
    text: bytes | None
    """The submitted file; None where there is none that can be read."""
    _: KW_ONLY
    fault: str = ""
    """Why it cannot be read."""
    former: str = ""
    """The lesson's name in the first edition, where it was handed in under that."""
    limits: Limits = field(default_factory=Limits)
    turn: float = 0
    """Seconds that it may take for now; 0 where that is all of its time."""
    hidden: tuple[str, ...] = ()
    """Folders that no player may see, beside this project's own."""
    isolation: str = "sandbox"
    """Or "uid", or "none"."""
