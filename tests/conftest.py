"""What several tests need: a copy of the project, and a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from grader.paths import ROOT

ARTIFACTS = ROOT / ".artifacts"


def copied(place: Path) -> Path:
    """A copy of the project in `place`, as it would be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    return place


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
