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

from textwrap import shorten

from dropoutlab.expect.question import parsed
from grader.authoring.lesson import BEGIN, END, HIDE, SHOW, Cell
from grader.authoring.rules import Fault

TITLE = 88
"""Characters of the question that a folded check shows in its one line."""
FORM = "write its text, a line `- [ ] …` for each option (`- [x] …` for the right one), `Hint: …`"


def cells(question: Cell, faults: list[Fault]) -> list[Cell]:
    """The exercise and the check of a question."""
    asked = parsed(question.source)
    text = " ".join(" ".join(asked.text).split())
    if any(line and not line.startswith("#") for line in question.source.splitlines()):
        faults.append((question.line, f"a question holds comments only: {FORM}."))
        return []
    different = set(asked.options)
    if not text or len(asked.right) != 1 or not 2 <= len(asked.options) == len(different):
        faults.append((question.line, f"this question has not one right option: {FORM}."))
        return []
    if not asked.hint:
        faults.append((question.line, f"this question has no hint: {FORM}."))
        return []
    name, (right,) = question.name, asked.right
    words = "\n".join(f"# {line}".rstrip() for line in asked.text).rstrip("# \n")
    choices = "\n".join(f'# - "{option}"' for option in asked.options)
    stub = (
        f"{words}\n{choices}\n{name} = ...\nif {name} is ...:\n"
        f"    {BEGIN}\n    {name} = {right!r}\n    {END}"
    )
    check = (
        f"# {shorten(text, TITLE, placeholder=' …')}\nwith expect.case({name!r}):\n"
        f"    expect.choice({name}, {name!r}, {asked.options!r})\n"
        f"    {HIDE}\n    expect.right({name}, {right!r}, hint={asked.hint!r})\n    {SHOW}"
    )
    return [
        Cell("exercise", name, stub, question.line),
        Cell("check", name, check, question.line, points=question.points),
    ]
