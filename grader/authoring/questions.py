"""A graded question: a text and its options, from which stub and check are made.

    # %% question="survivor" points=1
    # At p = 0.75, by how much is a survivor multiplied?
    #
    # - [ ] 0.25
    # - [ ] 1.33
    # - [x] 4
    #
    # Hint: how many of four units survive?

The right option is marked; no released notebook tells which it was.
"""

from __future__ import annotations

import re

from dropoutlab import expect
from grader.authoring.lesson import BEGIN, END, Cell
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
    digest = expect.digest(name, right[0])
    check = (
        f"# {text}\nwith expect.case({name!r}):\n"
        f"    expect.choice({name}, {name!r}, {options!r}, answer={digest!r},\n"
        f"                  hint={hint!r})"
    )
    return [
        Cell("exercise", name, stub, question.line),
        Cell("check", name, check, question.line, points=question.points),
    ]
