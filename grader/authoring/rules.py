"""What the text of a lesson must hold, beyond being Python."""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from dropoutlab import explore
from grader.authoring.lesson import BEGIN, END, GUESS, REGION, Cell, is_question
from grader.authoring.names import bound, used

Fault = tuple[int, str]
"""The line of a lesson's text, and a sentence that says what to do."""


DRAWN = {"unknown", "figure", "demonstration"}
"""Kinds of cells that may draw: where one is unread, no figure is said to be missing."""


def faults(cells: list[Cell], unread: Sequence[Cell] = ()) -> list[Fault]:
    """What is wrong with a lesson's cells, all of it at once.

    What could follow from a fault that was told of an `unread` cell is not told.
    """
    lost = {cell.kind for cell in unread}
    found = [*_of_titles(cells), *_of_opening(cells), *_of_crossing(cells), *_leaks(cells)]
    found += _of_draws(cells)
    if "unknown" not in lost:
        short = {cell.name for cell in unread}
        found += [*_of_exercises(cells, short), *_of_hints(cells, short)]
    if not lost & {"unknown", "setup", "exercise", "question"}:
        found += [*_of_names(cells), *_of_overwriting(cells)]
    if not lost & DRAWN:
        found += [*_of_guesses(cells), *_of_figures(cells)]
    return found


def _of_hints(cells: list[Cell], short: set[str]) -> list[Fault]:
    """Each exercise has three hints, right behind it; not counted where `short` of a cell."""
    faults = []
    for i, cell in enumerate(cells):
        if cell.kind == "hint" and cells[i - 1].kind not in ("exercise", "hint"):
            faults.append((cell.line, "a hint follows its exercise, or the hint before it."))
        if cell.kind == "hint" and cells[i - 1].name != cell.name:
            faults.append((cell.line, f"this hint of `{cell.name}` follows `{cells[i - 1].name}`."))
        if cell.kind == "exercise" and cell.name not in short and not is_question(cell):
            count = sum(c.kind == "hint" and c.name == cell.name for c in cells)
            if count != 3:
                faults.append((cell.line, f"`{cell.name}` has {count} hints: write three."))
    return faults


SENTENCE = re.compile(r"# \S.*[.?!:…]")


def _of_titles(cells: list[Cell]) -> list[Fault]:
    """A cell that opens folded begins with a comment, a sentence: all that is seen of it."""
    return [
        (cell.line + 1, "this cell opens folded: begin it with a comment that is a sentence.")
        for cell in cells
        if cell.folded and not SENTENCE.fullmatch(cell.source.partition("\n")[0])
    ]


def _of_guesses(cells: list[Cell]) -> list[Fault]:
    """A guess is one line, which the figure that answers it asks for."""
    faults = []
    for i, cell in enumerate(cells):
        if cell.kind == "guess" and not (line := GUESS.fullmatch(cell.source)):
            faults.append((cell.line + 1, "write one line: `my_guess = 30  # percent`."))
        elif cell.kind == "guess" and line:
            asked = f"expect.guess({line[1]}"
            figure = next((later.source for later in cells[i:] if asked in later.source), "")
            asked += ")" if re.match(r"[-.\d]", line[2]) else ", number=False)"
            if asked not in figure:
                faults.append((cell.line + 1, f"no figure below asks for `{asked}`."))
    return faults


def _of_opening(cells: list[Cell]) -> list[Fault]:
    """The first cell has what the table of lessons shows: a question, and the minutes."""
    if not cells:
        return []
    opening, faults = cells[0], []
    if not opening.question.endswith("?"):
        faults.append((opening.line + 1, "no question opens the lesson: write `**…?**`, in bold."))
    if not opening.minutes:
        fault = "the time that it takes is missing: write `*{{minutes}} minutes. Before: …*`."
        faults.append((opening.line + 1, fault))
    return faults


EXPLORER = re.compile(r"explore\.(\w+)\(")


def _no_explorer(runs: list[Cell], last: int) -> Fault:
    """What to say where no cell begins with an explorer's call; `last`: the last cell's line."""
    for cell in runs:
        if inside := EXPLORER.search(cell.source):
            line = cell.line + 1 + cell.source.count("\n", 0, inside.start())
            return line, f"`{inside[0]}…)` does not begin its cell: give it one of its own."
    remedy = "write `explore.NAME(function)` as a cell of its own"
    return last, f"no explorer: {remedy}. There are {', '.join(explore.names())}."


def _of_figures(cells: list[Cell]) -> list[Fault]:
    """There is a figure, and one explorer, of what the learner wrote above it, if anything."""
    last, faults = cells[-1].line if cells else 1, []
    runs = [c for c in cells if c.kind in ("demonstration", "figure")]
    if not any("plot.show(" in cell.source for cell in runs):
        faults.append((last, "no figure: end a cell with `plot.show(fig, what is seen)`."))
    explorers = [c for c in cells if c.kind == "demonstration" and EXPLORER.match(c.source)]
    if not explorers:
        faults.append(_no_explorer(runs, last))
    for cell in explorers[1:]:
        faults.append((cell.line, f"a second explorer: the first is in line {explorers[0].line}."))
    for cell in explorers:
        above = [c for c in cells if c.kind == "exercise" and c.line < cell.line]
        written = set().union(*(bound(c.source) for c in above))
        name = EXPLORER.match(cell.source)[1]  # type: ignore[index]
        if name not in explore.names():
            file = f"lessons/dropoutlab/explore/{name}.py"
            faults.append((cell.line + 1, f"no explorer is named `{name}`: write {file}."))
        elif not Path(explore.__file__).with_name(f"{name}.js").exists():
            drawn = f"no lessons/dropoutlab/explore/{name}.js: it draws what {name}.py measures."
            faults.append((cell.line + 1, drawn))
        if written and not used(cell.source) & written:
            fault = "hand the explorer a function that the learner wrote"
            remedy = f"name {' or '.join(f'`{n}`' for n in sorted(written))} in its call"
            faults.append((cell.line + 1, f"{fault}: {remedy}, in a lambda if need be."))
    return faults


def _of_overwriting(cells: list[Cell]) -> list[Fault]:
    """No check gives another value to a name that a later cell takes from the story."""
    faults: list[Fault] = []
    story: set[str] = set()
    overwritten: dict[str, int] = {}
    needs: dict[str, frozenset[str]] = {}  # what the story's functions and classes take from it
    for cell in cells:
        if cell.kind == "check":
            overwritten |= dict.fromkeys(bound(cell.source) & story, cell.line)
        elif cell.kind in ("setup", "demonstration", "figure", "guess"):
            asked = set(used(cell.source))
            while more := set().union(*(needs.get(name, set()) for name in asked)) - asked:
                asked |= more
            for name in sorted((asked - bound(cell.source)) & set(overwritten)):
                what = f"`{name}` is overwritten by the check in line {overwritten[name]}"
                faults.append((cell.line, f"{what}: give one of them another name."))
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    needs[node.name] = used(ast.unparse(node))
            story |= bound(cell.source)
            overwritten = {n: at for n, at in overwritten.items() if n not in bound(cell.source)}
    return faults


def _of_exercises(cells: list[Cell], short: set[str]) -> list[Fault]:
    """Each exercise has markers, checks and mistakes; each of those has its exercise.

    Of an exercise that is `short` of a cell, nothing is said to be missing.
    """
    faults = []
    exercises = {c.name: c for c in cells if c.kind == "exercise"}
    answers = [c for c in cells if c.kind == "answer"]
    count = Counter(c.name for c in cells if c.kind in ("exercise", "answer"))
    for cell in cells:
        if cell.kind in ("exercise", "answer") and count[cell.name] > 1:
            faults.append((cell.line, f"`{cell.name}` is the name of {count[cell.name]} cells."))
        if cell.kind in ("check", "mistake", "correct") and cell.name not in exercises:
            faults.append((cell.line, f'no exercise="{cell.name}" for this {cell.kind}.'))
        if cell.kind == "mistake" and cell.name in exercises:
            for name in sorted(bound(exercises[cell.name].source) - bound(cell.source)):
                faults.append((cell.line, f"this mistake defines no `{name}`."))
        if cell.kind == "mistake" and not cell.says.strip():
            faults.append((cell.line, 'this mistake has no diagnosis: add says="…".'))
        if cell.kind not in ("exercise", "answer") and ("SOLUTION" in cell.source):
            faults.append((cell.line, "solution markers stand outside an exercise."))
        asks = cell.name in exercises and is_question(exercises[cell.name])  # built, not written
        if cell.kind == "check" and "HIDDEN TESTS" in cell.source and not asks:
            faults.append((cell.line, "write hidden=true in the header, not nbgrader's markers."))
    for cell in [*exercises.values(), *answers]:
        marks = re.findall(r"(BEGIN|END) SOLUTION", cell.source)
        if not marks or marks != ["BEGIN", "END"] * len(REGION.findall(cell.source)):
            kind = f'{cell.kind}="{cell.name}"'
            faults.append((cell.line, f"{kind} needs its solution between `{BEGIN}` and `{END}`."))
    for name, cell in exercises.items():
        if name in short:
            continue
        if not any(c.kind == "check" and c.name == name for c in cells):
            faults.append((cell.line, f'exercise="{name}" has no check="{name}".'))
        if not is_question(cell):
            faults += _of_answers(cell, [c for c in cells if c.name == name])
    return faults


def _of_answers(exercise: Cell, cells: list[Cell]) -> Iterator[Fault]:
    """An exercise has three mistakes, each with its own diagnosis, and another right answer."""
    name, said = exercise.name, set()
    for cell in cells:
        if cell.kind == "mistake" and cell.says in said:
            yield cell.line, f"{cell.says!r} is said twice: give each mistake its own words."
        if cell.kind == "mistake":
            said.add(cell.says)
    if len(said) < 3:
        count = f"{len(said)} different mistakes" if said else "no mistakes"
        yield exercise.line, f'exercise="{name}" has {count}: write three.'
    if not any(cell.kind == "correct" for cell in cells):
        yield exercise.line, f'exercise="{name}" has no correct="{name}", another right answer.'


def _of_names(cells: list[Cell]) -> list[Fault]:
    """A check uses builtins, names that `setup` cells bind, exercise names and its own."""
    allowed = set(dir(builtins))
    for cell in cells:
        if cell.kind in ("setup", "exercise"):
            allowed |= bound(cell.source)
    faults = []
    for cell in cells:
        if cell.kind == "check":
            for name in sorted(used(cell.source) - allowed):
                where = next(
                    (i for i, text in enumerate(cell.source.splitlines(), 1)
                     if re.search(rf"\b{name}\b", text)), 0,
                )  # fmt: skip
                said = "a check uses names of setup cells, exercises and its own only"
                faults.append((cell.line + where, f"`{name}` is none of them: {said}."))
    return faults


CANNOT_CROSS = {
    ast.Name: {"inspect", "gc", "get_ipython", "globals", "locals", "vars", "exec", "eval"},
    ast.Attribute: {"shares_memory", "may_share_memory", "__code__", "__globals__",
                    "__closure__", "__dict__", "__class__"},
}  # fmt: skip
"""Names by which a check would look into a process that is another one when grading."""


def _of_crossing(cells: list[Cell]) -> list[Fault]:
    """A check asks nothing that only the learner's own process could tell."""
    exercises = set().union(*(bound(c.source) for c in cells if c.kind == "exercise"))
    faults = []
    for cell in cells:
        if cell.kind != "check":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            said = _cannot_cross(node, exercises)
            if said:
                line = cell.line + getattr(node, "lineno", 0)
                faults.append((line, f"{said}, which cannot cross to the grader's own process."))
    return faults


def _cannot_cross(node: ast.AST, exercises: set[str]) -> str:
    """What a part of a check asks that cannot cross; "" where it asks nothing such."""
    name = getattr(node, "attr", getattr(node, "id", ""))
    if name in CANNOT_CROSS.get(type(node), ()):
        return f"`{name}` looks into the learner's process"
    match node:
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass" as asks), args=[*_, kinds]):
            if exercises & {n.id for n in ast.walk(kinds) if isinstance(n, ast.Name)}:
                return f"`{asks}` asks for the learner's own class"
    return ""


def _of_draws(cells: list[Cell]) -> Iterator[Fault]:
    """A check draws nothing that cannot be drawn again."""
    for cell in cells:
        for node in ast.walk(ast.parse(cell.source)) if cell.kind == "check" else ():
            match node:
                case ast.Call(
                    func=ast.Attribute(value=source, attr=name), args=seed, keywords=more
                ):
                    drawn = f"{ast.unparse(source)}.{name}"
                    fresh = name == "default_rng" and not seed + more
                    if fresh or (re.fullmatch(r"(np|numpy)\.random\.[a-z_]+", drawn)
                                 and name not in ("default_rng", "seed")):  # fmt: skip
                        said = f"`{drawn}` draws otherwise each time"
                        remedy = "draw from `expect.rng()`, so that a failure can be repeated"
                        yield cell.line + node.lineno, f"{said}: {remedy}."


def _leaks(cells: list[Cell]) -> list[Fault]:
    """No line of a solution, of 20 characters or more, stands in what is released."""
    solutions = {
        _squeeze(line.partition("#")[0]): cell.name
        for cell in cells
        if cell.kind in ("exercise", "answer")
        for region in REGION.findall(cell.source)
        for line in region.splitlines()
        if len(_squeeze(line.partition("#")[0])) >= 20
    }
    faults = []
    for cell in cells:
        if cell.kind in ("mistake", "correct") or cell.hidden:
            continue
        rest = REGION.sub(lambda region: "\n" * region[0].count("\n"), cell.source)
        for i, line in enumerate(map(_squeeze, rest.splitlines()), 1):
            for solution, name in solutions.items():
                if solution in line:
                    said = f"this line of the solution of `{name}` would be released"
                    remedy = "write it another way here, or hide the check (hidden=true)"
                    faults.append((cell.line + i, f"{said}: {remedy}."))
    return faults


def _squeeze(line: str) -> str:
    """A line without white space."""
    return "".join(line.split())
