"""A lesson as its learner leaves it: the notebook with answers, run from top to bottom.

Running all of them takes minutes of training, so each is kept in `.cache/site`, under a digest of
everything that it depends on.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib.metadata
import os
import platform
import re
import sys
import tempfile
from functools import cache
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from dropoutlab.expect.page import TITLE
from grader.authoring.build import source_notebook
from grader.authoring.lesson import Lesson
from grader.authoring.reading import read
from grader.files import write_whole
from grader.paths import LESSONS, ROOT

KEPT = ROOT / ".cache" / "site"
SECONDS = 600
"""How long one cell may take."""


def run(notebook: NotebookNode) -> NotebookNode:
    """Run a notebook where the lessons lie, in a kernel of its own; it is changed and returned.

    Its metadata have the results of training, see `trained`.
    """
    folder = {"metadata": {"path": str(LESSONS)}}
    with tempfile.TemporaryDirectory() as place:
        client = NotebookClient(notebook, timeout=SECONDS, resources=folder)
        client.execute(env={**os.environ, "DROPOUT_KEEP": place})
        notebook.metadata["trained"] = {
            path.name: base64.b64encode(path.read_bytes()).decode()
            for path in sorted(Path(place).iterdir())
        }
    return notebook


def trained(notebook: NotebookNode) -> dict[str, bytes]:
    """What functions that train returned while a notebook ran, see `dropoutlab.kept`."""
    return {
        name: base64.b64decode(text) for name, text in notebook.metadata.get("trained", {}).items()
    }


def answered(lesson: Lesson) -> NotebookNode:
    """The notebook before it is run: with the answers, and with guesses."""
    return source_notebook(lesson, guessed=True)


def kept(lesson: Lesson) -> Path:
    """Where the lesson's finished notebook is, or will be once it was run."""
    digest = hashlib.sha256(_packages() + content(lesson).encode())
    return KEPT / f"{lesson.name}-{digest.hexdigest()[:16]}.ipynb"


def content(lesson: Lesson) -> str:
    """A digest of what a run follows from on any machine: the lesson, `dropoutlab` and the data."""
    digest, notebook = hashlib.sha256(_files()), answered(lesson)
    for cell in notebook.cells:  # as it runs: how Colab folds it changes nothing
        cell.source = TITLE.sub("", cell.source, count=1)
        cell.metadata.pop("cellView", None)
    digest.update(nbformat.writes(notebook).encode())
    return digest.hexdigest()


def figures(lesson: Lesson) -> str:
    """A digest of what a lesson's figures follow from: its code, answers included, and the data.

    Of `dropoutlab` it holds the modules that it imports, directly or not, and the data that these
    name. What serves checks alone is not in it, nor what a browser draws with.
    """
    code = [source for name, source in code_of(lesson) if not name.startswith(ASIDE)]
    files = [path for path in imported("\n".join(code)) if not {*path.parts} & JUDGES]
    text = "\n".join(code) + "".join(path.read_text("utf-8") for path in files)
    return hashlib.sha256(_digest(files + data(text)) + repr(code).encode()).hexdigest()


@cache
def code_of(lesson: Lesson) -> list[tuple[str, str]]:
    """The name and the text of each cell of code, answers included, as it runs."""
    cells = (cell for cell in answered(lesson).cells if cell.cell_type == "code")
    return [(cell.id, TITLE.sub("", cell.source, count=1)) for cell in cells]


def data(text: str) -> list[Path]:
    """The files of data that a text names: studies, the folder of the paper's tables, or a file."""

    def named(path: Path) -> bool:
        folder = path.parent.name
        name = {"studies": path.stem, "datasets": path.name}.get(folder, folder)
        return f'"{name}"' in text

    return [path for path in _below("datasets") if named(path)]


def imported(source: str) -> list[Path]:
    """The modules of `dropoutlab` that a text of Python imports, directly or through one another.

    An explorer counts where it is named, as `explore.scaled`.
    """
    waiting, reached = {*_named(source)}, {LESSONS / "dropoutlab" / "__init__.py"}
    while waiting:
        path = module_file(waiting.pop())
        if path and path not in reached:
            reached.add(path)
            waiting |= _named(path.read_text(encoding="utf-8"))
    return sorted(reached)


@cache
def module_file(module: str) -> Path | None:
    """The file of a module below `dropoutlab`; None for a name that is none."""
    stem = LESSONS.joinpath(*module.split("."))
    return next(filter(Path.is_file, (stem.with_suffix(".py"), stem / "__init__.py")), None)


@cache
def _named(source: str) -> frozenset[str]:
    """The dotted names below `dropoutlab` that a text of Python imports or may mean."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"dropoutlab.{node.value.id}.{node.attr}")
    return frozenset(name for name in names if name.startswith("dropoutlab."))


def keep(lesson: Lesson, notebook: NotebookNode) -> None:
    """Keep a lesson's finished notebook in place of an older one; never half of it."""
    place = kept(lesson)
    write_whole(place, nbformat.writes(notebook) + "\n", private=True)
    for old in KEPT.glob(f"{lesson.name}-*.ipynb"):
        if old != place:
            old.unlink(missing_ok=True)


@cache
def _packages() -> bytes:
    """A digest of this Python and of the packages that lessons use."""
    digest = hashlib.sha256(platform.python_version().encode())
    wanted = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for line in wanted.partition("# building and grading")[0].splitlines():
        if name := re.match(r"[\w.-]+", line):
            try:
                digest.update(f"{name[0]} {importlib.metadata.version(name[0])}\n".encode())
            except importlib.metadata.PackageNotFoundError:
                continue  # not for this platform
    return digest.digest()


ASIDE = ("check_", "summary_")
"""How the names of cells begin that no figure follows from."""
JUDGES = {"expect", "probes.py", "bugs.py", "kept.py"}
"""What in dropoutlab serves checks alone, or a browser."""


@cache
def _files() -> bytes:
    """A digest of the files that every lesson reads."""
    return _digest(_below("lessons/dropoutlab") + _below("datasets"))


def _below(folder: str) -> list[Path]:
    """The files below a folder of the course, apart from what is written about them."""
    files = sorted(path for path in (ROOT / folder).rglob("*") if path.is_file())
    return [path for path in files if path.suffix not in (".pyc", ".md")]


def _digest(files: list[Path]) -> bytes:
    """A digest of these files, and of where they lie."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.digest()


def main(path: Path) -> None:
    """Run the lesson of a text file and keep it; an answer that fails its check ends this."""
    lesson = read(path)
    notebook = run(answered(lesson))
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                sys.exit(f"cell {cell.id}: {output.ename}: {output.evalue}")
    keep(lesson, notebook)


if __name__ == "__main__":  # python -m grader.authoring.finished solutions/13_inverted_dropout.py
    main(Path(sys.argv[1]))
