"""The marking guide stands beside a learner's prose in Formgrader, and on no other page."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbgrader.server_extensions.formgrader import handlers
from traitlets.config import PyFileConfigLoader

from curriculum import LESSONS
from grader.authoring.build import generate, source_notebook
from grader.authoring.lesson import Lesson
from grader.jupyter import guide
from grader.paths import ROOT


def prose(lesson: Lesson) -> list[str]:
    """The names of a lesson's exercises that a person marks."""
    return [cell.name for cell in lesson.of("answer")]


WRITTEN = [lesson for lesson in LESSONS if prose(lesson)]


@pytest.fixture
def formgrader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HTMLExporter:
    """What Formgrader draws pages with, in a course of its own."""
    monkeypatch.setenv("DROPOUT_COURSE", str(tmp_path))
    config = PyFileConfigLoader(str(ROOT / "grader" / "nbgrader_config.py")).load_config()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    return HTMLExporter(config=config)


@pytest.mark.parametrize("shown", [True, False])
def test_the_guide_stands_beneath_the_answer(shown: bool, formgrader: HTMLExporter, tmp_path: Path):
    """Does a submission's page show it after what was written, and another page not at all?"""
    lesson = WRITTEN[0]
    name, *others = prose(lesson)
    source = tmp_path / ".course" / "source" / lesson.name / f"{lesson.name}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(source_notebook(lesson), source)
    released = nbformat.read(generate([lesson], tmp_path / "made")[lesson.name], as_version=4)
    for cell in released.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == name:
            cell.source = "What I think of it."
    ids = {"assignment_id": lesson.name, "notebook_id": lesson.name}
    ids |= {"submission_id": "1"} if shown else {}
    names = dict.fromkeys(("base_url", "student", "last_name", "first_name", "notebook_path"), "")
    about = {**ids, **names, "index": 0, "total": 1}
    page, _ = formgrader.from_notebook_node(released, resources=about)
    assert page.count("alert-info guide") == (1 + len(others) if shown else 0)
    assert "BEGIN SOLUTION" not in page
    if shown:
        assert page.index("What I think of it.") < page.index("alert-info guide")


@pytest.mark.parametrize("lesson", WRITTEN, ids=lambda lesson: lesson.name)
def test_each_prose_answer_has_a_guide(lesson: Lesson, tmp_path: Path):
    """Is there one for each, that says for what points are given?"""
    nbformat.write(source_notebook(lesson), tmp_path / "source.ipynb")
    guides = guide.read(tmp_path / "source.ipynb")
    assert guides.keys() == set(prose(lesson))
    assert all("point" in text and "SOLUTION" not in text for text in guides.values())
    assert guide.read(tmp_path / "none.ipynb") == {}
