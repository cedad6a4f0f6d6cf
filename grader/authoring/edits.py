"""Mistakes written as edits of the right answer.

    # %% mistakes="inverted_dropout"
    {"not scaled": (" / (1 - p)", ""), "p is swapped": (">= p", "< p")}

Each key is what the mistake's hint must hold; its value is the old text and the new one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from grader.authoring.lesson import BEGIN, END, REGION, Cell
from grader.authoring.names import bound
from grader.authoring.rules import Fault

MARKER = re.compile(rf"^[ \t]*({BEGIN}|{END})\n?", re.MULTILINE)
FORM = 'write {"words of its hint": ("old text", "new text"), …}'


def mistakes(cell: Cell, exercise: Cell | None, faults: list[Fault]) -> Iterator[Cell]:
    """The mistakes of a `mistakes` cell, each with the whole text of its wrong answer."""
    if exercise is None:
        faults.append((cell.line, f'no exercise="{cell.name}" for these mistakes.'))
        return
    for line, words, old, new in _entries(cell, faults):
        wrong, fault = edited(exercise.source, old, new)
        if fault:
            faults.append((line, f"{words!r}: {fault}"))
        else:
            yield Cell("mistake", cell.name, MARKER.sub("", wrong), line, says=words)


def edited(source: str, old: str, new: str) -> tuple[str, str]:
    """An exercise's text with one edit in its solution, and why it cannot be made ("" if it can).

    The old text stands exactly once in the solution, or, where it is not there at all, exactly
    once in the cell (in the signature, say).
    """
    solutions = [(match.start(1), match[1]) for match in REGION.finditer(source)]
    inside = sum(text.count(old) for _, text in solutions)
    if not old or old == new:
        return source, "the edit changes nothing."
    if inside > 1 or (inside == 0 and source.count(old) != 1):
        times = inside or source.count(old)
        remedy = "write a longer piece of it" if times else "copy it from the solution"
        return source, f"{old!r} stands {times} times in the solution: {remedy}."
    at = next((start + text.index(old) for start, text in solutions if old in text), None)
    at = source.index(old) if at is None else at
    wrong = source[:at] + new + source[at + len(old) :]
    try:
        ast.parse(wrong)
    except SyntaxError as error:
        return source, f"with {new!r} the answer is not Python: {error.msg}."
    if lost := sorted(bound(source) - bound(wrong)):
        return source, f"with {new!r} the answer no longer defines `{lost[0]}`."
    return wrong, ""


def _entries(cell: Cell, faults: list[Fault]) -> Iterator[tuple[int, str, str, str]]:
    """The line, the words, the old and the new text of each mistake."""
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:
        return  # told already
    match body:
        case [ast.Expr(ast.Dict(keys, values))]:
            pass
        case _:
            faults.append((cell.line, f"these mistakes are no dict: {FORM}."))
            return
    for key, value in zip(keys, values, strict=True):
        line = cell.line + (value if key is None else key).lineno
        try:
            words, edit = ast.literal_eval(key) if key else None, ast.literal_eval(value)
        except ValueError:
            words = edit = None
        match words, edit:
            case str(), (str(old), str(new)):
                yield line, words, old, new
            case _:
                faults.append((line, f"this is no edit: {FORM}."))
