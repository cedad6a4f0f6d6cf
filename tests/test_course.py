"""The course as nbgrader sees it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nbgrader.api
import pytest
from nbgrader.dbutil import write_alembic_ini

from grader import course
from grader.grading.gradebook import Writer


def test_a_gradebook_has_nbgraders_schema(tmp_path: Path):
    """Is the version that we look up the one that nbgrader's own program says?"""
    write_alembic_ini(str(tmp_path / "alembic.ini"))
    said = subprocess.run(
        ["alembic", "-c", "alembic.ini", "heads"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert said.split()[0] == course.schema()


def test_a_gradebook_is_made_without_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Does a new gradebook start no program, and does it hold the version of its schema?"""
    monkeypatch.setattr(nbgrader.api.sp, "check_output", None)
    with Writer(f"sqlite:///{tmp_path / 'gradebook.db'}", "dropout") as writer:
        found = writer.gradebook.engine.raw_connection().execute("SELECT * FROM alembic_version")
        assert found.fetchall() == [(course.schema(),)]
