"""What has passed is asked again by default only where what it rests on has changed."""

from __future__ import annotations

from pathlib import Path

import pytest


class Record:
    """A folder with a file for each thing that passed: the digest of all that it rests on."""

    def __init__(self, folder: Path, what: str):
        self.folder, self.what = folder, what

    def marks(self, name: str, digest: str) -> list[pytest.MarkDecorator]:
        """For `--all` alone, where it is as it was when it last passed."""
        file = self.folder / name
        same = file.exists() and file.read_text().strip() == digest
        return [pytest.mark.long(f"{self.what} that have not changed since they ran")] * same

    def note(self, name: str, digest: str) -> None:
        """It has passed. (Commit the file.)"""
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_text(f"{digest}\n")
