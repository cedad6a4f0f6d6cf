"""Where things lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOLUTIONS = ROOT / "solutions"
LESSONS = ROOT / "lessons"
COURSE = ROOT / ".course"
"""What nbgrader keeps: source notebooks with answers, exchange, gradebook, submissions."""
