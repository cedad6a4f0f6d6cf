"""A copy of the project, commands that heed Ctrl-C, and what tests leave to be looked at."""

from __future__ import annotations

import re
import shutil
import signal
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


def leave(course: Path, *names: str) -> None:
    """Leave only these lessons in a copy, so that it is built at once.

    Their references to the others become the others' topics.
    """
    for path in (course / "solutions").glob("[0-9][0-9]_*.py"):
        if path.stem in names:
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(r"\{\{(?!minutes\}\})(\w+)\}\}", r"\1", text), encoding="utf-8")
        else:
            path.unlink()
    for path in (course / "lessons").glob("[0-9][0-9]_*"):
        if path.name not in names:
            shutil.rmtree(path)


def heeds_interrupts() -> None:
    """Let the command that starts here be ended by Ctrl-C, as in a terminal (a `preexec_fn`).

    Tests that a shell runs in the background ignore it, and so would all that they start.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
