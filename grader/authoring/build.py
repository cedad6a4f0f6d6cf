"""From `solutions/NN_topic.py` to nbgrader's source notebook, and from there to `lessons/`.

The source notebook is made here; all stripping, locking and checksums are nbgrader's own
`generate_assignment`. Equal texts give equal bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dropoutlab.expect import page
from grader import course
from grader.authoring import contents, record
from grader.authoring.checksum import checksum
from grader.authoring.lesson import GUESS, HIDE, SHOW, Cell, Lesson
from grader.authoring.reading import read_all
from grader.errors import LessonError
from grader.paths import COURSE, LESSONS, ROOT, SOLUTIONS, released

KEPT = COURSE / "kept"
"""Where a learner's notebook goes before a build writes over it."""
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}
"""Metadata of a cell that opens folded: for JupyterLab, and for Colab. VS Code reads none."""


def build(say: Callable[[str], None] = print, *, check: bool = False) -> list[str]:
    """Make every lesson's notebooks and the table of README.md; return the names of what changed.

    Only lessons are made whose text, or whose notebook, is not as the last build left it (see
    `record`). With `check` all are made anew, elsewhere, and nothing is written: the names are of
    what a build would change.
    """
    lessons = read_all(SOLUTIONS)
    if not lessons:
        raise LessonError(f"{SOLUTIONS} holds no lesson: a lesson is a file NN_topic.py.")
    overview = ROOT / "README.md"
    text = record.plain(overview).decode()
    listed = contents.with_table(text, lessons)
    stale = [overview.name] if listed != text else []
    strays = sorted({p.name for p in LESSONS.glob("[0-9][0-9]_*")} - {it.name for it in lessons})
    if check:
        with tempfile.TemporaryDirectory() as folder:
            fresh = generate(lessons, Path(folder)).items()
            changed = [n for n, made in fresh if record.plain(released(n)) != record.plain(made)]
        return [*changed, *stale, *strays]
    old = record.stale(ROOT)
    before = {name: record.plain(released(name)) for name in old}
    for name in old:
        if kept := keep(released(name)):
            say(f"{name}: a learner had worked here; that notebook is now {kept}.")
    for name in strays:
        say(f"lessons/{name} has no text file in solutions/: remove it, or write the file.")
    generate([lesson for lesson in lessons if lesson.name in old], ROOT)
    if stale:
        try:
            overview.write_text(listed, encoding="utf-8", newline="\n")
        except PermissionError:  # on a hub it is root's
            say(f"{overview} lists the lessons as they were: this account may not write there.")
    record.write(ROOT)
    changed = [name for name in old if record.plain(released(name)) != before[name]]
    return [*changed, *stale]


def generate(lessons: list[Lesson], root: Path) -> dict[str, Path]:
    """Write source notebooks below `root`, let nbgrader release them; return the releases."""
    made: dict[str, Path] = {}
    if not lessons:
        return made
    api = course.nbgrader(root)
    for lesson in lessons:
        source = root / ".course" / "source" / lesson.name / f"{lesson.name}.ipynb"
        source.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(source_notebook(lesson), source)
        made[lesson.name] = root / "lessons" / lesson.name / f"{lesson.name}.ipynb"
        with _others_stay(made[lesson.name]):
            result = api.generate_assignment(lesson.name)
            course.succeed(f"nbgrader generate_assignment {lesson.name}", result)
    return made


@contextlib.contextmanager
def _others_stay(notebook: Path) -> Iterator[None]:
    """Keep what lies beside a release: nbgrader removes the folder and makes it anew."""
    with tempfile.TemporaryDirectory() as aside:
        if notebook.parent.exists():
            shutil.copytree(notebook.parent, aside, dirs_exist_ok=True)
        try:
            yield
        finally:
            made = shutil.ignore_patterns(notebook.name)
            shutil.copytree(aside, notebook.parent, ignore=made, dirs_exist_ok=True)


def source_notebook(lesson: Lesson, *, guessed: bool = False) -> NotebookNode:
    """The instructor's notebook: every cell that is no mistake and no alternative.

    Guesses are left to the learner, or `guessed` as the author did.
    """
    taken: set[str] = set()
    cells = []
    marks = _marks(lesson)
    for cell in _pages_cells(lesson):
        new = new_markdown_cell if cell.markdown else new_code_cell
        metadata: dict[str, Any] = dict(FOLDED) if cell.folded else {}
        identity = _identity(cell, taken)
        if cell.kind in ("setup", "exercise", "check", "answer"):
            metadata["nbgrader"] = {
                "grade": cell.kind in ("check", "answer"),
                "grade_id": identity,
                "locked": cell.kind in ("setup", "check"),
                "schema_version": 3,
                "solution": cell.kind in ("exercise", "answer"),
                "task": False,
            }
            if cell.points:
                metadata["nbgrader"]["points"] = cell.points
        if not cell.markdown and cell.kind != "setup":
            metadata["tags"] = ["raises-exception"]  # "Run All" goes on to the next check
        source = page.titled(cell.source) if cell.folded else cell.source
        source = _hide(source) if cell.hidden else source
        if cell.kind == "guess" and not guessed:
            source = _asked(source)
        if cell.kind == "check":
            source += f"\n{next(marks)}"
        cells.append(new(source, id=identity, metadata=metadata))
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return new_notebook(
        cells=cells,
        metadata={"kernelspec": kernel, "language_info": {"name": "python"}, "title": lesson.title},
    )


def _marks(lesson: Lesson) -> Iterator[str]:
    """The last line of each check, from which a kernel knows what it is worth."""
    done: Counter[str] = Counter()
    for check in lesson.of("check"):
        done[check.name] += 1
        checks = len(lesson.of("check", check.name))
        total = sum(worth(lesson, check.name))
        number = done[check.name]
        yield page.mark(check.name, number, checks, check.points, total, check.hidden)


def worth(lesson: Lesson, name: str) -> tuple[int, int]:
    """The points of an exercise or answer: of checks that a learner can run, and of the rest."""
    cells = [cell for cell in lesson.cells if cell.name == name]
    seen = sum(cell.points for cell in cells if cell.kind == "check" and not cell.hidden)
    return seen, sum(cell.points for cell in cells) - seen


def _summary(lesson: Lesson) -> Cell:
    """The last cell: a table of the learner's points, and where to go on."""
    names = [cell.name for cell in lesson.cells if cell.kind in ("exercise", "answer")]
    rows = "".join(f'    "{name}": {worth(lesson, name)},\n' for name in names)
    source = (
        f'# Your points, and where to go on.\nexpect.summary("{lesson.name[:2]}", {{\n{rows}}})'
    )
    return Cell("summary", "", source, 0)


def _pages_cells(lesson: Lesson) -> Iterator[Cell]:
    """The cells of the page: mistakes and other answers left out, an exercise's hints in one."""
    shown = [cell for cell in lesson.cells if cell.kind not in ("mistake", "correct")]
    if lesson.points:
        shown.append(_summary(lesson))
    for (kind, _), group in groupby(shown, key=lambda cell: (cell.kind, cell.name)):
        if kind != "hint":
            yield from group
            continue
        hints = list(group)
        texts = (
            f"<details><summary>Hint {k}</summary>\n\n{hint.source}\n</details>"
            for k, hint in enumerate(hints, start=1)
        )
        yield replace(hints[0], source="\n".join(texts))


def _identity(cell: Cell, taken: set[str]) -> str:
    """A cell's id: by name where it has one, else by what it says, so that it stays."""
    if cell.kind in ("exercise", "answer"):
        stem = cell.name
    elif cell.kind == "hint":
        stem = f"hints_{cell.name}_{_digest(cell.source)}"
    elif cell.kind == "check":
        stem = f"check_{cell.name}"
    else:
        shown = _asked(cell.source) if cell.kind == "guess" else cell.source
        stem = f"{cell.kind}_{_digest(shown)}"
    identity, k = (f"{stem}_1", 1) if cell.kind == "check" else (stem, 1)
    while identity in taken:
        k += 1
        identity = f"{stem}_{k}"
    taken.add(identity)
    return identity


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def _asked(source: str) -> str:
    """A guess as it is released."""
    return GUESS.sub(r"\1 = ...\3", source)


def _hide(source: str) -> str:
    """Put a hidden check between nbgrader's markers, its opening comment left to be read."""
    lines = source.splitlines()
    body = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "\n".join([*lines[:body], HIDE, *lines[body:], SHOW])


def keep(notebook: Path) -> Path | None:
    """Copy a notebook that a learner has worked in to `.course/kept`; say where."""
    if not notebook.exists() or not touched(notebook):
        return None
    stamp = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(notebook.stat().st_mtime))
    KEPT.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy2(notebook, KEPT / f"{notebook.stem}-{stamp}.ipynb"))


def touched(notebook: Path) -> bool:
    """Whether a released notebook was run or written in."""
    try:
        nb = nbformat.read(notebook, as_version=4)
    except Exception:
        return True  # unreadable: keep it
    for cell in nb.cells:
        released = cell.metadata.get("nbgrader", {}).get("checksum")
        if released is None:  # a story or a demonstration: its id tells what it said
            same = _digest(page.unmarked(cell.source)) in cell.get("id", "")
        else:
            same = released == checksum(cell)
        if cell.get("outputs") or not same:
            return True
    return False
