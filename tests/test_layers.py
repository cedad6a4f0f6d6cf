"""Does each part build on what lies below it, and on nothing above?"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from grader.paths import LESSONS, ROOT

LAYERS = [
    {"errors", "paths", "files"},
    {"kept"},
    {"environment", "course"},
    {"authoring"},
    {"isolation"},
    {"grading"},
    {"jupyter"},
    {"hub", "website", "paper", "classes"},
    {"gpu"},
    {"lab", "submit", "demo", "oldest", "tiers"},
    {"bench"},
    {"options", "cli"},
    {"__main__"},
]
"""Folders and modules of grader/, from the ground up; none imports from a layer above its own."""
CONFIGURATION = {"__init__", "jupyter_lab_config", "nbgrader_config"}
"""Jupyter's programs read them; they import nothing of ours."""


def part(module: str) -> str:
    """The folder or module of grader/ in which a module lies: grading for grader.grading.judge."""
    return module.split(".")[1] if "." in module else "__init__"


def modules(package: Path) -> dict[str, ast.Module]:
    """The modules of a package by their full names, each as its tree."""
    files = sorted(package.rglob("*.py"))
    parts = {file: file.relative_to(package.parent).with_suffix("").parts for file in files}
    return {
        ".".join(names[:-1] if names[-1] == "__init__" else names): ast.parse(
            file.read_text(encoding="utf-8"), str(file)
        )
        for file, names in parts.items()
    }


def imported(tree: ast.AST) -> Iterator[str]:
    """What a module imports anywhere, with full names, by `import_module("…")` too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written with their full names"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            constants = (arg.value for arg in node.args if isinstance(arg, ast.Constant))
            yield from (name for name in constants if isinstance(name, str))


def within(package: dict[str, ast.Module], names: Iterator[str]) -> set[str]:
    """Those of the imported names that are modules of a package, or stand in one."""
    candidates = {name if name in package else name.rpartition(".")[0] for name in names}
    return candidates & package.keys()


@pytest.fixture(scope="module")
def grader() -> dict[str, ast.Module]:
    return modules(ROOT / "grader")


@pytest.fixture(scope="module")
def dropoutlab() -> dict[str, ast.Module]:
    return modules(LESSONS / "dropoutlab")


def test_every_part_has_its_layer(grader: dict[str, ast.Module]):
    """Does the list name each folder and module of grader/?"""
    there = {part(module) for module in grader} - CONFIGURATION
    assert there <= set().union(*LAYERS)


def test_nothing_imports_upwards(grader: dict[str, ast.Module]):
    """Does each module import from its own layer and those below only?"""
    layer = {name: i for i, names in enumerate(LAYERS) for name in names}
    height = {module: layer.get(part(module), -1) for module in grader}
    above = {
        f"{module} imports {name}"
        for module, tree in grader.items()
        for name in within(grader, imported(tree))
        if height[name] > height[module]
    }
    assert not above


@pytest.mark.parametrize("name", ["grader", "dropoutlab"])
def test_no_modules_import_each_other(name: str, request: pytest.FixtureRequest):
    """Does no module need itself, also where it imports another within a function only?"""
    package = request.getfixturevalue(name)
    graph = {module: within(package, imported(tree)) - {module} for module, tree in package.items()}
    _assert_no_circle(graph)


def test_no_parts_import_each_other(grader: dict[str, ast.Module]):
    """Can each folder of grader/ be read by itself, after those that it builds on?"""
    graph: dict[str, set[str]] = {}
    for module, tree in grader.items():
        others = {part(name) for name in within(grader, imported(tree))} - {part(module)}
        graph.setdefault(part(module), set()).update(others)
    _assert_no_circle(graph)


def _assert_no_circle(graph: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" is imported by ".join(error.args[1]))


def test_lessons_do_not_need_the_grader(
    grader: dict[str, ast.Module], dropoutlab: dict[str, ast.Module]
):
    """Does `dropoutlab` import nothing of grader/, so that lessons run without it?"""
    assert not {name for tree in dropoutlab.values() for name in within(grader, imported(tree))}


@pytest.mark.parametrize("folder", ["grader", "tests/support"])
def test_no_module_hides_one_of_the_standard_library(folder: str):
    """Is the standard library found from where Python looks for modules first?"""
    names = {path.stem for path in (ROOT / folder).iterdir()}
    assert not names & sys.stdlib_module_names


def test_an_import_is_noticed_wherever_it_stands():
    """Does the parser see imports in functions, conditions and classes?"""
    tree = ast.parse(
        "import a.b\n"
        "from c import d\n"
        "if TYPE_CHECKING:\n    import e\n"
        "try:\n    import f\nexcept ImportError:\n    f = None\n"
        "def g():\n    from h import i\n"
        "class J:\n    import k\n"
        "import_module('l.m')\n"
        "n = importlib.import_module('o').p\n"
    )
    assert {*imported(tree)} == {"a.b", "c.d", "e", "f", "h.i", "k", "l.m", "o"}
