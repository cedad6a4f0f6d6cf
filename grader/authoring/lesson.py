"""One lesson, read from its text file `solutions/NN_topic.py` (jupytext py:percent).

`read` gives a `Lesson` or raises `LessonError` with every fault that it found, each as
"file:line: sentence". What a cell is, its header says:

    # %% [markdown]                                 story
    # %%                                            demonstration
    # %% setup=true                                 imports that checks may use
    # %% exercise="name"                            what the learner writes
    # %% check="name" points=2 [hidden=true]        graded
    # %% mistake="name" says="words of its hint"    reaches no notebook
    # %% correct="name"                             reaches no notebook
    # %% [markdown] answer="name" points=1          prose, graded by a person

In Markdown, `{{topic}}` names another lesson: its number and title, as a link.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jupytext

from grader.authoring.names import bound, used
from grader.errors import LessonError

KEYS = {
    "story": set(),
    "demonstration": set(),
    "setup": {"setup"},
    "exercise": {"exercise"},
    "check": {"check", "points", "hidden"},
    "mistake": {"mistake", "says"},
    "correct": {"correct"},
    "answer": {"answer", "points"},
}
"""The kinds of cells and the keys that each may carry."""

FORMER = {
    "01_bernoulli_masks": "11_bernoulli_masks",
    "02_weight_scaling": "12_weight_scaling",
    "03_inverted_dropout": "13_inverted_dropout",
    "04_backward": "14_backward",
    "05_pytorch": "16_pytorch",
    "06_overfitting": "21_overfitting",
    "07_ensemble": "22_ensemble",
    "08_coadaptation": "23_coadaptation",
    "09_regulariser": "24_regulariser",
    "10_uncertainty": "25_uncertainty",
    "11_images": "31_images",
    "12_sequences": "32_sequences",
    "13_transformers": "33_transformers",
    "14_weights_and_noise": "34_noise",
    "15_gpu": "41_stateless_masks",
    "16_capstone": "51_capstone",
}
"""The names that lessons had in the first edition; notebooks handed in under them are graded."""

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
REGION = re.compile(rf"^[ \t]*{BEGIN}\n(.*?)^[ \t]*{END}$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Cell:
    """One cell: its kind, the exercise or answer it belongs to, its text and line."""

    kind: str
    name: str
    source: str
    line: int
    points: int = 0
    hidden: bool = False
    says: str = ""

    @property
    def markdown(self) -> bool:
        return self.kind in ("story", "answer")


@dataclass(frozen=True)
class Lesson:
    """A lesson's cells in order, and what belongs to each exercise."""

    path: Path
    title: str
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def former(self) -> str:
        """The name that the lesson had in the first edition; "" where it is new or the same."""
        return next((old for old, name in FORMER.items() if name == self.name), "")

    @property
    def question(self) -> str:
        """The question that opens it, in bold below the title; "" where there is none."""
        return _first(r"^\*\*(.+?)\*\*$", self.cells[0].source)

    @property
    def minutes(self) -> str:
        """How long it takes, as its first cell says; "" where that says nothing."""
        return _first(r"^\*(\d+) minutes", self.cells[0].source)

    def of(self, kind: str, name: str | None = None) -> list[Cell]:
        return [c for c in self.cells if c.kind == kind and name in (None, c.name)]

    @cached_property
    def exercises(self) -> list[str]:
        return [c.name for c in self.of("exercise")]

    @property
    def points(self) -> int:
        return sum(c.points for c in self.cells)


def _first(pattern: str, text: str) -> str:
    """The first group of a pattern's first match, on one line; "" where nothing matches."""
    match = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    return " ".join(match[1].split()) if match else ""


def is_question(cell: Cell) -> bool:
    """A graded question assigns an answer and defines no function and no class."""
    tree = ast.parse(cell.source)
    return not any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in tree.body)


def read(path: Path) -> Lesson:
    """Read and check a lesson's text file; raise LessonError with all its faults."""
    text = path.read_text(encoding="utf-8")
    notebook = jupytext.reads(text, fmt="py:percent")
    lines = [i for i, line in enumerate(text.splitlines(), 1) if re.match(r"#\s*%%(\s|$)", line)]
    if len(lines) != len(notebook.cells):
        raise LessonError(f"{path.name}:1: text stands before the first `# %%` line.")

    faults: list[tuple[int, str]] = []
    cells = [_cell(c, line, faults) for c, line in zip(notebook.cells, lines, strict=True)]
    cells = [_with_references(cell, path.parent, faults) for cell in cells]
    title = re.match(r"# +(\S.*)", cells[0].source) if cells and cells[0].kind == "story" else None
    if title is None:
        faults.append((1, "the title is missing: begin the first markdown cell with `# Title`."))
    elif (told := re.match(r"\d(\.\d)?(?= · )", title[1])) and told[0] != number(path.stem):
        own = number(path.stem)
        fault = f"the title's number is {told[0]}, and the file's {own}: write `# {own} · Title`."
        faults.append((cells[0].line + 1, fault))
    if not faults:
        faults = [*_faults_of_exercises(cells), *_faults_of_names(cells)]
    if not faults:
        faults = [*_faults_of_crossing(cells), *_leaks(cells)]
    if faults or title is None:
        sentences = (f"{path.name}:{line}: {fault}" for line, fault in sorted(faults))
        raise LessonError("\n".join(sentences))
    return Lesson(path, title[1].strip(), tuple(cells))


def number(name: str) -> str:
    """How a lesson is counted, part and place: "1.3" for 13_inverted_dropout, "0" for 00."""
    return name[0] if name.startswith("00") else f"{name[0]}.{name[1]}"


def _with_references(cell: Cell, folder: Path, faults: list[tuple[int, str]]) -> Cell:
    """The cell with `{{topic}}` written out: that lesson's number and title, as a link."""
    if not cell.markdown or "{{" not in cell.source:
        return cell

    def link(reference: re.Match[str]) -> str:
        path = next(folder.glob(f"[0-9][0-9]_{reference[1]}.py"), None)
        if path is None:
            line = cell.line + cell.source[: reference.start()].count("\n") + 1
            faults.append((line, f"no lesson's topic is `{reference[1]}`: see the files' names."))
            return reference[0]
        return f"[{_heading(path)}](../{path.stem}/{path.stem}.ipynb)"

    return replace(cell, source=re.sub(r"\{\{(\w+)\}\}", link, cell.source))


@cache
def _heading(path: Path) -> str:
    """The title of a lesson's text file."""
    title = re.search(r"^# # +(\S.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return title[1].strip() if title else path.stem


def read_all(folder: Path) -> list[Lesson]:
    """Read every lesson of a folder, in order; raise LessonError with all faults of all."""
    lessons, faults = [], []
    for path in sorted(folder.glob("[0-9][0-9]_*.py")):
        try:
            lessons.append(read(path))
        except LessonError as error:
            faults.append(str(error))
    if faults:
        raise LessonError("\n".join(faults))
    return lessons


def _cell(raw: Any, line: int, faults: list[tuple[int, str]]) -> Cell:
    """Turn a jupytext cell into a Cell; note what its header has wrong."""
    keys = {k: v for k, v in raw.metadata.items() if not k.startswith("lines_to_")}  # jupytext's
    unread = keys.pop("incorrectly_encoded_metadata", None)  # jupytext's too
    if unread is not None:
        faults.append((line, f'`{unread}` cannot be read: write key="text", key=1 or key=true.'))
        keys = {}
    markdown = raw.cell_type == "markdown"
    first = next((k for k in KEYS if k in keys), "story" if markdown else "demonstration")
    for key in keys.keys() - KEYS[first]:
        known = any(key in allowed for allowed in KEYS.values())
        fault = f"does not belong in a {first} cell" if known else "is not a key of a lesson"
        faults.append((line, f"`{key}` {fault}: remove it."))
    if markdown != (first in ("story", "answer")):
        wanted = "a code" if markdown else "a [markdown]"
        faults.append((line, f"`{first}` needs {wanted} cell."))
    name = keys.get(first, "") if first not in ("story", "demonstration", "setup") else ""
    if first in ("exercise", "answer") and not re.fullmatch(r"\w{1,50}", str(name), re.ASCII):
        faults.append((line, f"`{name}` is no name: write letters, digits and _."))
    for key in ("setup", "hidden"):
        if keys.get(key, True) is not True:
            faults.append((line, f"write `{key}=true`, or leave `{key}` out."))
    points = keys.get("points", 0)
    if "points" in KEYS[first] and (type(points) is not int or points < 1):
        faults.append((line, f'`{first}="{name}"` needs points: write points=1, 2, ….'))
        points = 0
    if not raw.source.strip():
        faults.append((line, "the cell is empty: remove it."))
    if not markdown:
        try:
            ast.parse(raw.source)
        except SyntaxError as error:
            faults.append((line + (error.lineno or 0), f"this is not Python: {error.msg}."))
    return Cell(
        kind=first,
        name=str(name),
        source=raw.source,
        line=line,
        points=points,
        hidden=keys.get("hidden", False),
        says=str(keys.get("says", "")),
    )


def _faults_of_exercises(cells: list[Cell]) -> list[tuple[int, str]]:
    """Each exercise has markers, checks and mistakes; each of those has its exercise."""
    faults = []
    exercises = {c.name: c for c in cells if c.kind == "exercise"}
    answers = [c for c in cells if c.kind == "answer"]
    count = Counter(c.name for c in cells if c.kind in ("exercise", "answer"))
    for cell in cells:
        if cell.kind in ("exercise", "answer") and count[cell.name] > 1:
            faults.append((cell.line, f"`{cell.name}` is the name of {count[cell.name]} cells."))
        if cell.kind in ("check", "mistake", "correct") and cell.name not in exercises:
            faults.append((cell.line, f'no exercise="{cell.name}" for this {cell.kind}.'))
        if cell.kind == "mistake" and not cell.says.strip():
            faults.append((cell.line, 'this mistake has no diagnosis: add says="…".'))
        if cell.kind not in ("exercise", "answer") and ("SOLUTION" in cell.source):
            faults.append((cell.line, "solution markers stand outside an exercise."))
        if cell.kind == "check" and "HIDDEN TESTS" in cell.source:
            faults.append((cell.line, "write hidden=true in the header, not nbgrader's markers."))
    for cell in [*exercises.values(), *answers]:
        marks = re.findall(r"(BEGIN|END) SOLUTION", cell.source)
        if not marks or marks != ["BEGIN", "END"] * len(REGION.findall(cell.source)):
            kind = f'{cell.kind}="{cell.name}"'
            faults.append((cell.line, f"{kind} needs its solution between `{BEGIN}` and `{END}`."))
    for name, cell in exercises.items():
        if not any(c.kind == "check" and c.name == name for c in cells):
            faults.append((cell.line, f'exercise="{name}" has no check="{name}".'))
        mistaken = any(c.kind == "mistake" and c.name == name for c in cells)
        if not mistaken and not is_question(cell):
            faults.append((cell.line, f'exercise="{name}" has no mistake="{name}".'))
    return faults


def _faults_of_names(cells: list[Cell]) -> list[tuple[int, str]]:
    """A check uses builtins, names that `setup` cells bind, exercise names and its own."""
    allowed = set(dir(builtins))
    for cell in cells:
        if cell.kind in ("setup", "exercise"):
            allowed |= bound(cell.source)
    faults = []
    for cell in cells:
        if cell.kind == "check":
            for name in sorted(used(cell.source) - allowed):
                lines = enumerate(cell.source.splitlines(), 1)
                where = next((i for i, text in lines if re.search(rf"\b{name}\b", text)), 0)
                rule = "a check uses names of setup cells, exercises and its own only"
                faults.append((cell.line + where, f"`{name}` is none of them: {rule}."))
    return faults


CANNOT_CROSS = {
    ast.Name: {"inspect", "gc", "get_ipython", "globals", "locals", "vars", "exec", "eval"},
    ast.Attribute: {
        "shares_memory",
        "may_share_memory",
        "__code__",
        "__globals__",
        "__closure__",
        "__dict__",
        "__class__",
    },
}
"""Names by which a check would look into a process that is another one when grading."""


def _faults_of_crossing(cells: list[Cell]) -> list[tuple[int, str]]:
    """A check asks nothing that only the learner's own process could tell."""
    exercises = set().union(*(bound(c.source) for c in cells if c.kind == "exercise"))
    faults = []
    for cell in cells:
        if cell.kind != "check":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            question = _cannot_cross(node, exercises)
            if question:
                fault = f"{question}, which cannot cross to the grader's own process."
                faults.append((cell.line + getattr(node, "lineno", 0), fault))
    return faults


def _cannot_cross(node: ast.AST, exercises: set[str]) -> str:
    """What a part of a check asks that cannot cross; "" where it asks nothing such."""
    name = getattr(node, "attr", getattr(node, "id", ""))
    if name in CANNOT_CROSS.get(type(node), ()):
        return f"`{name}` looks into the learner's process"
    match node:
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass" as function)):
            kinds = {n.id for n in ast.walk(node.args[-1]) if isinstance(n, ast.Name)}
            if kinds & exercises:
                return f"`{function}` asks for the learner's own class"
    return ""


def _leaks(cells: list[Cell]) -> list[tuple[int, str]]:
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
                    fault = f"this line of the solution of `{name}` would be released."
                    faults.append((cell.line + i, fault))
    return faults


def _squeeze(line: str) -> str:
    """A line without white space."""
    return "".join(line.split())
