"""What all tests share: the tiers, a copy of the project, and a browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import ran
from grader.tiers import LEAVES_OUT
from project import copied

LEFT_OUT = pytest.StashKey[list[str]]()
"""For each test that the tier leaves out, what it needs, or ""."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=LEAVES_OUT, default="all", help="see tests/README.md")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(ran.Passing())


@pytest.hookimpl(tryfirst=True)  # before `-k` leaves out any, as they are counted
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the tier does not have, and begin with what takes longest."""
    kept, left_out = [], []
    for item in items:
        marks = [item.get_closest_marker(name) for name in LEAVES_OUT[config.option.tier]]
        same = [key[0] for key in ran.keys(item) if ran.same(key)]
        if any(marks):
            long = item.get_closest_marker("long")
            left_out.append(long.args[0] if long else "")
        elif same and config.option.tier != "all":
            left_out.append(f"{same[0]} that have not changed since they passed")
        else:
            kept.append(item)
    ran.count(kept)
    config.stash[LEFT_OUT] = left_out
    items[:] = sorted(kept, key=_minutes, reverse=True)


def _minutes(item: pytest.Item) -> float:
    """About how long a test takes, or the group of tests that it belongs to."""
    mark = item.get_closest_marker("slow")
    return mark.kwargs.get("minutes", 0.1) if mark else 0


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take from a worker of pytest-xdist what it has left out; all leave out the same."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left out"] = session.config.stash.get(LEFT_OUT, [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was left out, so that nothing looks green that was not run."""
    if left_out := config.stash.get(LEFT_OUT, []):
        needs = ", ".join(sorted({*left_out} - {""}))
        rest = "python3 grader test --all"
        if config.option.tier == "quick":
            rest = f"python3 grader test` or `{rest}"
        terminalreporter.line(f"left out: {len(left_out)} tests ({needs}); run `{rest}`")


@pytest.fixture
def tier(pytestconfig: pytest.Config) -> str:
    """The tier, for a test that asks the more often the larger it is."""
    return pytestconfig.option.tier


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project as it would be committed, for tests that write in it."""
    return copied(tmp_path_factory.mktemp("course") / "dropout")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; without one the test is skipped, in CI it fails."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing = "no Chromium was found: install one, on Debian with `apt-get install chromium`"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return path
