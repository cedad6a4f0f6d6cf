"""Answers judged by their checks with no kernel and no grader: here, or in a browser's Python.

It uses `dropoutlab` and the standard library alone. A job is plain data, so that both can read it.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import warnings
from typing import Any

from dropoutlab import expect

Job = dict[str, Any]
"""checks: [exercise, cell], …; answers: [label, exercise, [cells before the checks]], …; seed."""


def verdicts(job: Job) -> dict[str, str]:
    """For each answer, what the first check of its exercise says that refuses it; else ""."""
    return {label: _verdict(exercise, cells, job) for label, exercise, cells in job["answers"]}


def _verdict(exercise: str, cells: list[str], job: Job) -> str:
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        for i, source in enumerate(cells):
            _run(source, names, f"<{exercise} {i}>")
    except Exception as error:
        return f"the cell stops: {type(error).__name__}: {error}"
    for name, check in job["checks"]:
        if name != exercise:
            continue
        try:
            with expect.seeded(job["seed"]):
                _run(check, dict(names), f"<check of {name}>")
        except expect.Unmet as unmet:
            return f"{_title(check)} … {unmet.hint}"
        except Exception as error:
            return f"{_title(check)} … {type(error).__name__}: {error}"
    return ""


def _title(check: str) -> str:
    return check.partition("\n")[0].lstrip("# ")


def _run(source: str, names: dict[str, Any], file: str) -> None:
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(source, file, "exec"), names)


def main(path: str) -> None:
    """Judge the jobs of a file, and print what was found as JSON, a line for each lesson."""
    with open(path, encoding="utf-8") as file:
        jobs = json.load(file)
    for name, job in jobs.items():
        print("found", json.dumps([name, verdicts(job)]), flush=True)
