"""Graded notebooks as Markdown, as a git host shows it beside a push."""

from __future__ import annotations

import html
import re
from itertools import groupby
from pathlib import Path

from grader.grading.page import MARKS, waiting
from grader.grading.result import Graded
from grader.grading.terminal import given, messages, state

ROOM = 900_000
"""Characters that are added, at most; GitHub takes a summary of 1 MiB."""


def add(results: list[tuple[str, Graded]], file: Path) -> None:
    """Add a table for each lesson, by its title, to what a file holds."""
    text = "\n".join(_lesson(title, graded) for title, graded in results)
    if not results:
        text = "No exercise is written yet. Write one, commit and push.\n"
    if len(text) > ROOM:
        text = text[:ROOM] + "\n… cut\n"
    with file.open("a", encoding="utf-8") as out:
        out.write(text)


def _lesson(title: str, graded: Graded) -> str:
    lines = [f"### {_plain(title)}: {graded.points:g} of {graded.max:g} points", ""]
    lines += ["| | exercise | points | |", "| --- | --- | ---: | --- |"]
    said = []
    for name, group in groupby(graded.rows, key=lambda row: row.exercise):
        rows = list(group)
        _, mark, words = state(rows)
        most = sum(row.max for row in rows)
        lines.append(f"| {mark} | `{name}` | {given(rows)} / {most:g} | {words} |")
        if mark == MARKS["failed"]:
            said += [message.text for message in messages(rows)]
    wait = sum(row.max for row in graded.rows if row.points is None)
    lines += ["", *([f"{waiting(wait)}."] if wait else [])]
    lines += [f"- {_plain(note)}" for note in graded.notes]
    if said:
        lines += ["", "<details open><summary>What the checks said</summary>", ""]
        lines += [_fenced(text) for text in said]
        lines += ["</details>"]
    return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    """A text that is no Markdown and no HTML, whatever a learner has put into it."""
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", html.escape(text, quote=False))


def _fenced(text: str) -> str:
    """A text as it is: its fence is longer than any that it holds."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"
