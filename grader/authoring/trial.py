"""A lesson tried without a kernel: do its checks accept what is right, and bite where they should?

`python3 grader check 13` tries one lesson in seconds. Each finding is a line, with the line of
the lesson's text that it is about.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import linecache
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dropoutlab import expect
from grader.authoring.lesson import REGION, Cell, Lesson, is_question

Names = dict[str, Any]

SEEDS = 60
"""How many draws each answer is judged by; an answer whose checks draw nothing, by one."""


@dataclass(frozen=True, order=True)
class Finding:
    """What is wrong with a check or an answer, and at which line."""

    line: int
    text: str


def execute(source: str, names: Names, file: str) -> None:
    """Run a cell's text in `names`; tracebacks can quote its lines."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, file, "exec"), names)


def stage(lesson: Lesson, **replaced: str) -> Names:
    """The names after all setup and exercise cells, some exercises `replaced`.

    An exercise cell that raises binds nothing, as in a notebook that runs on.
    """
    names: Names = {"__name__": "__main__"}
    for cell in lesson.cells:
        if cell.kind == "setup":
            execute(cell.source, names, f"<{lesson.name} setup>")
        elif cell.kind == "exercise":
            with contextlib.suppress(NotImplementedError):
                source = replaced.get(cell.name, cell.source)
                execute(source, names, f"<{lesson.name} {cell.name}>")
    return names


def verdict(check: Cell, names: Names) -> expect.Unmet | None:
    """What a check says of these names; None where it is content."""
    try:
        execute(check.source, dict(names), f"<check of {check.name}, line {check.line}>")
    except expect.Unmet as unmet:
        return unmet
    return None


def stub(exercise: Cell) -> str:
    """An exercise's text as it is released."""


    def cleared(region: re.Match[str]) -> str:
        indent = region[0][: len(region[0]) - len(region[0].lstrip(" "))]
        return f'{indent}raise NotImplementedError("not written yet")'

    return REGION.sub(cleared, exercise.source)


def trial(lesson: Lesson, seeds: int = SEEDS, only: str = "") -> Iterator[Finding]:
    """What is found when each answer of a lesson (or of the exercise `only`) is judged."""
    reached: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a learner's kernel warns, and runs on
        for exercise in lesson.of("exercise"):
            if only in ("", exercise.name):
                yield from _exercise(lesson, exercise, seeds, reached)
                yield from _unreached(lesson, exercise.name, reached)


def _exercise(lesson: Lesson, exercise: Cell, seeds: int, reached: set[str]) -> Iterator[Finding]:
    name = exercise.name
    checks = lesson.of("check", name)
    for check in checks:
        unmet = verdict(check, stage(lesson, **{name: stub(exercise)}))
        if unmet is None or unmet.found != "not written yet":
            yield Finding(check.line, f"of the stub of `{name}` this check says: {_told(unmet)}")
    for answer in (exercise, *lesson.of("correct", name)):
        names = stage(lesson, **{name: answer.source})
        for check in checks:
            for seed, unmet in _draws(functools.partial(verdict, check, names), seeds):
                if unmet is not None:
                    what = "the solution" if answer is exercise else f"line {answer.line}"
                    text = f"refuses {what} of `{name}` (seed {seed}): {_told(unmet)}"
                    yield Finding(check.line, text)
                    break
    for mistake in lesson.of("mistake", name):
        yield from _mistake(lesson, mistake, checks, seeds, reached)
    if not is_question(exercise) and not lesson.of("correct", name):
        yield Finding(exercise.line, f'`{name}` has no correct="{name}", another right answer.')


def _mistake(
    lesson: Lesson, mistake: Cell, checks: list[Cell], seeds: int, reached: set[str]
) -> Iterator[Finding]:
    """A mistake is caught whatever the draw, and its own words are the first."""
    names = stage(lesson, **{mistake.name: mistake.source})

    def first() -> tuple[Cell, expect.Unmet] | None:
        judged = ((check, verdict(check, names)) for check in checks)
        return next(((check, unmet) for check, unmet in judged if unmet is not None), None)

    count, missed, others, hidden = 0, 0, "", False
    for _, caught in _draws(first, seeds):
        count += 1
        if caught is None:
            missed += 1
            continue
        check, unmet = caught
        reached.add(unmet.hint)
        hidden |= check.hidden
        if mistake.says not in str(unmet):
            others = others or _told(unmet)
    where = f"`{mistake.name}`, mistake {mistake.says!r}"
    if missed:
        yield Finding(mistake.line, f"{where}: every check accepts it, {missed} times of {count}.")
    if others:
        yield Finding(mistake.line, f"{where} is told instead: {others}")
    if hidden:
        yield Finding(mistake.line, f"{where}: only a hidden check notices it.")


def _draws(judge: Callable[[], Any], seeds: int) -> Iterator[tuple[int, Any]]:
    """Each seed with what was judged; one seed where nothing was drawn."""
    import torch

    for seed in range(seeds):
        np.random.seed(seed)  # for answers that draw from elsewhere
        torch.manual_seed(seed)
        with expect.seeded(seed) as drawn:
            yield seed, judge()
        if drawn() == 0:
            return


def _unreached(lesson: Lesson, name: str, reached: set[str]) -> Iterator[Finding]:
    """Hints that a check has for a known mistake, and that no mistake brings out."""
    for check in lesson.of("check", name):
        for node in ast.walk(ast.parse(check.source)):
            for row, hint in _suspects(node):
                if not any(hint in " ".join(words.split()) for words in reached):
                    text = f"no mistake of `{name}` brings out the hint {hint!r}."
                    yield Finding(check.line + row, text)


def _suspects(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Row and words of each `suspects=[(value, words), …]` or `crash=[(pattern, words), …]`."""
    if isinstance(node, ast.keyword) and node.arg in ("suspects", "crash"):
        for pair in ast.walk(node.value):
            match pair:
                case ast.Tuple(elts=[_, ast.Constant(value=str(words), lineno=row)]):
                    yield row, " ".join(words.split())


def _told(unmet: expect.Unmet | None) -> str:
    """A verdict in one line."""
    if unmet is None:
        return "nothing; it accepts it."
    return re.sub(r"\s+", " ", f"found {unmet.found}; hint: {unmet.hint}")
