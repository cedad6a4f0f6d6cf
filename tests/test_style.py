"""Is the code laid out as one person would, and do its types fit?"""

from __future__ import annotations

import subprocess
import sys

import pytest

from grader.paths import ROOT

COMMANDS = {
    "lint": ["ruff", "check", "."],
    "layout": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
}


@pytest.mark.parametrize("what", COMMANDS)
def test_style(what: str):
    """Does the tool, with the settings of pyproject.toml, find nothing?"""
    command = [sys.executable, "-m", *COMMANDS[what]]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    said = f"{checked.stdout[-6000:]}{checked.stderr[-2000:]}"
    if checked.returncode:
        remedy = " (`.venv/bin/python -m ruff format` mends it)" if what == "layout" else ""
        pytest.fail(f"{what}{remedy}:\n{said}", pytrace=False)
