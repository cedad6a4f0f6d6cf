"""What a class got wrong, and its grades for a learning-management system."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from grader.judge import Judged


def write_rows(results: list[Judged], file: Path) -> None:
    """Write every row as JSON: learner, lesson, exercise, check, points, max, outcome, …"""
    rows = [asdict(row) for judged in results for row in judged.rows]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
