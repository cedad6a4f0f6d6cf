"""A graded question: a text and its options, from which stub and check are made.

    # %% question="survivor" points=1
    # At p = 0.75, by how much is a survivor multiplied?
    #
    # - [ ] 0.25
    # - [ ] 1.33
    # - [x] 4
    #
    # Hint: how many of four units survive?

The right option is marked. What tells it stays in the hidden part of the check.
"""

from __future__ import annotations

import re

from grader.authoring.lesson import BEGIN, END, HIDE, SHOW, Cell
from grader.authoring.rules import Fault

OPTION = re.compile(r"- \[([ x])\] (\S.*)")
FORM = "write its text, a line `- [ ] …` for each option (`- [x] …` for the right one), `Hint: …`"


def cells(question: Cell, faults: list[Fault]) -> list[Cell]:
    """The exercise and the check of a question."""
    lines = [re.sub(r"^# ?", "", line) for line in question.source.splitlines()]
    marked = [match.groups() for line in lines if (match := OPTION.fullmatch(line))]
    first = next((i for i, line in enumerate(lines) if OPTION.fullmatch(line)), len(lines))
    text = " ".join(" ".join(lines[:first]).split())
    told = " ".join(" ".join(line for line in lines[first:] if not OPTION.fullmatch(line)).split())
    options = tuple(option for _, option in marked)
    right = [option for mark, option in marked if mark == "x"]
    if any(line and not line.startswith("#") for line in question.source.splitlines()):
        faults.append((question.line, f"a question holds comments only: {FORM}."))
        return []
    if not text or len(right) != 1 or len(set(options)) != len(marked) or len(marked) < 2:
        faults.append((question.line, f"this question has not one right option: {FORM}."))
        return []
    if not told.startswith("Hint: "):
        faults.append((question.line, f"this question has no hint: {FORM}."))
        return []
    name, hint = question.name, told.removeprefix("Hint: ")
    asked = "\n".join(f"# {line}".rstrip() for line in lines[:first]).rstrip("# \n")
    choices = "\n".join(f'# - "{option}"' for option in options)
    stub = (
        f"{asked}\n{choices}\n{name} = ...\nif {name} is ...:\n"
        f"    {BEGIN}\n    {name} = {right[0]!r}\n    {END}"
    )
    check = (
        f"# {text}\nwith expect.case({name!r}):\n"
        f"    expect.choice({name}, {name!r}, {options!r})\n"
        f"    {HIDE}\n    expect.right({name}, {right[0]!r}, hint={hint!r})\n    {SHOW}"
    )
    return [
        Cell("exercise", name, stub, question.line),
        Cell("check", name, check, question.line, points=question.points),
    ]
