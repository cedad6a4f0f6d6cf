"""A copy of the project, and where tests leave what a person may look at."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

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
