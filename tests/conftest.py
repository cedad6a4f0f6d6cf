"""What several tests need: a copy of the project, and a browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from project import copied


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project as it would be committed, for tests that write in it."""
    return copied(tmp_path_factory.mktemp("course") / "dropout")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; without one the test is skipped, in CI it fails."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        said = "no Chromium was found: install one, on Debian with `apt-get install chromium`"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(said)
    return found
