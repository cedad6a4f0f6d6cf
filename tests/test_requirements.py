"""Do the lists of requirements name what is imported, each in its part, and nothing besides?"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from grader import environment
from grader.paths import ROOT

OURS = {"grader", "dropoutlab", "environment"} | {
    path.stem for path in (ROOT / "tests" / "support").glob("*.py")
}
ELSEWHERE = {
    "google": "Colab's own, and imported only there",
    "js": "Pyodide's, and imported only in a browser",
    "ngshare_exchange": "installed by the Dockerfile of Kubernetes",
    "pip": "part of every environment",
}
OTHERS = ROOT / "tests" / "dropoutlab" / "others.txt"
KUBERNETES = ROOT / "grader" / "hub" / "kubernetes" / "requirements.txt"
LISTS = {"course": environment.REQUIREMENTS, **environment.LISTS, "others": OTHERS}


def part(file: str) -> str:
    """The part of the course, by the name of its list, to which a file belongs."""
    if file.startswith("tests/"):
        return "tests"
    if file == "grader/oldest.py":
        return "tests"
    if file == "grader/grading/cluster.py":
        return "cluster"
    if file == "grader/bench/explorers.py":
        return "website"
    folder = re.match(r"grader/(hub|website)/", file)
    return folder[1] if folder else "course"


def distribution(name: str) -> str:
    """A name of a package on the index, as all its spellings are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(tree: ast.AST) -> Iterator[str]:
    """The top names of what a module or a cell imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


@cache
def imports() -> dict[str, set[str]]:
    """By part: the packages from elsewhere that its files and the lessons' cells import."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    packages: dict[str, set[str]] = {}
    for file in filter(Path.exists, (ROOT / name for name in listed.stdout.splitlines())):
        names = {*imported(ast.parse(file.read_text(encoding="utf-8"), str(file)))}
        names -= sys.stdlib_module_names | OURS | ELSEWHERE.keys()
        packages.setdefault(part(file.relative_to(ROOT).as_posix()), set()).update(names)
    return packages


@cache
def distributions() -> dict[str, set[str]]:
    """By module: the packages on the index that install it, as far as they are here."""
    known = importlib.metadata.packages_distributions()
    return {module: {*map(distribution, names)} for module, names in known.items()}


def requirements(file: Path) -> dict[str, str]:
    """The packages of a list, each with its comment."""
    lines = file.read_text(encoding="utf-8").splitlines()
    parts = [line.partition("#") for line in lines if line and not line.startswith("#")]
    return {
        distribution(re.match(r"[\w.-]+", need)[0]): comment.strip() for need, _, comment in parts
    }


@pytest.mark.parametrize("name", ["course", "tests", "hub", "website", "cluster"])
def test_what_is_imported_is_listed(name: str):
    """Is every package that a part imports in its own list, or in that of the whole course?"""
    # The tests are of all parts; `packaging` is looked for in pip where it is missing.
    lists = LISTS.values() if name == "tests" else [LISTS["course"], LISTS[name]]
    there = {package for file in lists for package in requirements(file)}
    modules = imports()[name] - ({"packaging"} if name == "course" else set())
    missing = {
        module
        for module in modules
        if not distributions().get(module, {distribution(module)}) & there
    }
    assert not missing


@pytest.mark.parametrize("name", LISTS)
def test_what_is_listed_is_imported_or_explained(name: str):
    """Is every package of a list imported by its part, or told in its line what it is for?"""
    modules = imports().get("tests" if name == "others" else name, set())
    used = {each for module in modules for each in distributions().get(module, {module})}
    unused = {
        package
        for package, comment in requirements(LISTS[name]).items()
        if package not in used and not comment
    }
    assert not unused


@pytest.mark.parametrize("name", [*environment.LISTS])
def test_a_part_repeats_nothing_of_the_course(name: str):
    """Does a list name a package of the course again only to say why it needs another version?"""
    there = requirements(LISTS[name])
    assert all(there[package] for package in there.keys() & requirements(LISTS["course"]).keys())


def test_every_list_is_known():
    """Is each list of the tree one that some command or image installs?"""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*requirements.txt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = {ROOT / name for name in listed.stdout.splitlines()}
    known = {environment.REQUIREMENTS, *environment.LISTS.values(), KUBERNETES}
    assert files == known | {ROOT / ".binder" / "requirements.txt"}
