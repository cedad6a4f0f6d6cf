"""What a lesson imports that a browser lacks: which lessons run there, and why others don't."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from grader.authoring.finished import module_file
from grader.authoring.lesson import Lesson

ABSENT = {"torch": "PyTorch", "scipy": "SciPy", "sklearn": "scikit-learn", "triton": "Triton"}
"""Packages that lessons import and the site does not bring, with the names that readers know."""
RELEASED = ("setup", "demonstration", "guess", "figure", "check")


def missing(lesson: Lesson) -> list[str]:
    """What a lesson needs and a browser lacks, by name; [] where it runs in one.

    A function of `dropoutlab` that imports PyTorch when it is called is not counted: what it gives
    to the lesson is brought along (see `dropoutlab.kept`).
    """
    cells = [cell for cell in lesson.cells if cell.kind in RELEASED]
    found: set[str] = set()
    for cell in cells:
        found |= _imported(ast.parse(cell.source), everywhere=True)
    return [name for package, name in ABSENT.items() if package in found]


def _imported(tree: ast.AST, *, everywhere: bool) -> set[str]:
    """The packages that a text imports, itself or through `dropoutlab`."""
    packages: set[str] = set()
    for module in _modules(tree, everywhere):
        packages |= _through(module) if module.startswith("dropoutlab") else {module.split(".")[0]}
    return packages


def _modules(tree: ast.AST, everywhere: bool) -> Iterator[str]:
    """The modules that are imported, or that `from` may import, or that name an explorer."""
    for node in ast.walk(tree) if everywhere else _at_import(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Attribute(value=ast.Name(id="explore"), attr=name):
                yield f"dropoutlab.explore.{name}"


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements that run when a module is imported: not those in its functions."""
    for node in ast.iter_child_nodes(tree):
        typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not typing and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from _at_import(node)


@cache
def _through(module: str) -> frozenset[str]:
    """The packages outside that importing a module of `dropoutlab` imports."""
    seen: set[str] = set()
    waiting, found = {module}, set()
    while waiting:
        if (name := waiting.pop()) in seen:
            continue
        seen.add(name)
        if not name.startswith("dropoutlab"):
            found.add(name.split(".")[0])
        else:
            waiting |= _at_once(name)
    return frozenset(found)


@cache
def _at_once(name: str) -> frozenset[str]:
    """What a module of `dropoutlab` imports when it is imported; nothing for a name in one."""
    file = module_file(name)
    tree = ast.parse(file.read_text(encoding="utf-8") if file else "")
    return frozenset(_modules(tree, everywhere=False))
