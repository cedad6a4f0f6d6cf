"""nbgrader's own commands, with what the course puts in their place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.apps import NbGraderAPI

from classroom import FULL_POINTS, LESSON, RIGHT, notebook
from grader import course, lab
from grader.authoring.build import released, source_notebook

pytestmark = pytest.mark.slow


def assigned(root: Path) -> NbGraderAPI:
    """nbgrader on a course of this lesson alone."""
    api = course.nbgrader(root)
    source = root / ".course" / "source" / LESSON.name / f"{LESSON.name}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(source_notebook(LESSON), source)
    course.succeed("generate", api.generate_assignment(LESSON.name))
    return api


def submitted(root: Path, learner: str, text: str) -> Path:
    """Hand a notebook in for a learner."""
    path = root / ".course" / "submitted" / learner / LESSON.name / f"{LESSON.name}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_one_bad_submission_harms_no_other(tmp_path: Path):
    """Does nbgrader grade a class in which one notebook is broken and one kills its kernel?"""
    api = assigned(tmp_path)
    text = released(LESSON.name).read_text(encoding="utf-8")
    killer = RIGHT | {"scale": "import os\nos._exit(1)"}
    files = {
        "ann": json.dumps(notebook(text, RIGHT)),
        "ben": "this is not JSON",
        "eve": json.dumps(notebook(text, killer)),
        "zoe": json.dumps(notebook(text, RIGHT)),
    }
    paths = {learner: submitted(tmp_path, learner, files[learner]) for learner in files}
    api.autograde(LESSON.name, "*")
    with api.gradebook as book:
        scores = {who: book.find_submission(LESSON.name, who).score for who in files}
    assert scores == {"ann": FULL_POINTS, "ben": 0, "eve": 0, "zoe": FULL_POINTS}
    assert paths["ben"].read_text() == files["ben"], "a submission was lost"


def test_an_instructors_formgrader_runs_answers_in_the_sandbox(tmp_path: Path):
    """Does *Autograde* there give a learner's code its points, and nothing of the machine?"""
    api = assigned(tmp_path)
    trace = tmp_path / "trace"
    writes = f"import pathlib\ntry:\n    pathlib.Path({str(trace)!r}).touch()\nexcept OSError:\n"
    answers = RIGHT | {"scale": f"{writes}    pass\n{RIGHT['scale']}"}
    text = released(LESSON.name).read_text(encoding="utf-8")
    submitted(tmp_path, "eve", json.dumps(notebook(text, answers)))
    subprocess.run(  # what Formgrader's button does, in the environment that it has
        [sys.executable, "-m", "nbgrader", "autograde", LESSON.name, "--create"],
        env=lab.environment(instructor=True) | {"DROPOUT_COURSE": str(tmp_path)},
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    with api.gradebook as book:
        assert book.find_submission(LESSON.name, "eve").score == FULL_POINTS
    assert not trace.exists(), "the answer wrote beside the gradebook"
