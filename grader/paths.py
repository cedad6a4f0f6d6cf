"""Where things lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOLUTIONS = ROOT / "solutions"
LESSONS = ROOT / "lessons"
COURSE = ROOT / ".course"
"""What nbgrader keeps: source notebooks with answers, exchange, gradebook, submissions."""
PACKED = ROOT / "packed"
"""In a learner's repository: the lessons as they were released, in place of solutions/."""


def released(name: str) -> Path:
    """The learner's notebook of a lesson."""
    return LESSONS / name / f"{name}.ipynb"
