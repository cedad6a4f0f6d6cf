"""nbgrader's own commands, with what the course puts in their place."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from classroom import FULL_POINTS, LESSON, RIGHT, notebook
from grader import course
from grader.authoring.build import released, source_notebook


@pytest.mark.slow
def test_one_bad_submission_harms_no_other(tmp_path: Path):
    """Does nbgrader grade a class in which one notebook is broken and one kills its kernel?"""
    api = course.nbgrader(tmp_path)
    folder, name = tmp_path / ".course", f"{LESSON.name}.ipynb"
    source = folder / "source" / LESSON.name / name
    source.parent.mkdir(parents=True)
    nbformat.write(source_notebook(LESSON), source)
    course.succeed("generate", api.generate_assignment(LESSON.name))
    text = released(LESSON.name).read_text(encoding="utf-8")
    killer = RIGHT | {"scale": "import os\nos._exit(1)"}
    files = {
        "ann": json.dumps(notebook(text, RIGHT)),
        "ben": "this is not JSON",
        "eve": json.dumps(notebook(text, killer)),
        "zoe": json.dumps(notebook(text, RIGHT)),
    }
    paths = {learner: folder / "submitted" / learner / LESSON.name / name for learner in files}
    for learner, path in paths.items():
        path.parent.mkdir(parents=True)
        path.write_text(files[learner])
    api.autograde(LESSON.name, "*")
    with api.gradebook as book:
        scores = {who: book.find_submission(LESSON.name, who).score for who in files}
    assert scores == {"ann": FULL_POINTS, "ben": 0, "eve": 0, "zoe": FULL_POINTS}
    assert paths["ben"].read_text() == files["ben"], "a submission was lost"
