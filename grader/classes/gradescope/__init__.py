"""What runs on Gradescope: each check of a submission as a row of results.json.

As the documentation has it (https://gradescope-autograders.readthedocs.io/en/latest/specs/): rows
have a name, a score and an output, and `visibility` says when learners see them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grader.errors import Unavailable
from grader.grading.own import Grading
from grader.grading.packed import Packed
from grader.grading.result import Graded
from grader.isolation.text import plain
from grader.paths import PACKED

SETTINGS = "settings.json"
NO_SANDBOX = """\
Not graded: there is no sandbox here ({}). Your instructor can pack the lesson again with
--isolation uid, which runs your code under another account."""


def results(lesson: Packed, graded: Graded, visibility: str) -> dict[str, Any]:
    """A graded submission as Gradescope takes it. What a person has to read is no row.

    Its text is seen at once, so it counts only what the rows that are seen at once say too.
    """
    checks = [row for row in graded.rows if row.check.startswith("check_")]
    seen = [row for row in checks if row.check not in lesson.hidden]
    points, most = sum(row.points or 0 for row in seen), sum(row.max for row in seen)
    waiting = graded.max - sum(row.max for row in checks)
    lines = [f"{points:g} of {most:g} points for code."]
    if hidden := sum(row.max for row in checks) - most:
        lines.append(f"Hidden checks, worth {hidden:g}, are not in this sum.")
    if waiting:
        lines.append(f"Your prose, worth {waiting:g}, waits for a person.")
    lines += graded.notes
    rows = []
    for row in checks:
        says = lesson.says(row.check)
        result = {
            "name": f"{row.exercise}: {says}" if says else row.check,
            "score": row.points or 0,
            "max_score": row.max,
            "status": "failed" if row.lost else "passed",
            "output": row.message.text if row.message else "",
            "visibility": visibility if row.check in lesson.hidden else "visible",
        }
        rows.append(result)
    return {
        "output": "\n".join(plain(line) for line in lines),
        "execution_time": round(graded.seconds),
        "tests": rows,
    }


def run(submission: Path) -> dict[str, Any]:
    """Grade the notebook in a folder; for where this fails, run_autograder has left a result."""
    from grader.grading.folders import notebook_in

    settings = json.loads((PACKED / SETTINGS).read_text(encoding="utf-8"))
    lesson = Packed.read(PACKED / settings["lesson"])
    text, fault, remarks = notebook_in(submission, lesson.name, lesson.exercises)
    try:
        with Grading(isolation=settings["isolation"]) as grading:
            graded = grading.grade(lesson, text, fault)
    except Unavailable as error:
        print(error)
        return {"score": 0, "output": NO_SANDBOX.format(error)}
    made = results(lesson, graded, settings["visibility"])
    made["output"] = "\n".join([made["output"], *remarks])
    return made
