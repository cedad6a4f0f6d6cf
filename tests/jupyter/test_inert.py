"""What a learner wrote is shown in feedback and Formgrader, and cannot act."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown import markdown2html
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output, new_raw_cell

from curriculum import each_lesson
from grader import course
from grader.authoring.build import source_notebook
from grader.authoring.lesson import Lesson
from grader.grading.result import FIELDS
from grader.jupyter import inert


def tags(text: str) -> list[str]:
    """The tags of a page; `tbody`, which a browser adds by itself, is left out."""
    return [tag for tag in re.findall(r"</?[a-z][a-z0-9]*", text) if not tag.endswith("tbody")]


@each_lesson
def test_a_lesson_looks_as_it_is(lesson: Lesson):
    """Has the story of a lesson, made inert, the headings, tables and lists that it had?"""
    cells = [c.source for c in source_notebook(lesson).cells if c.cell_type == "markdown"]
    assert cells
    for source in cells:
        assert tags(inert.markdown(source)) == tags(markdown2html(source))


@pytest.mark.parametrize("source", [
    "<script>alert(1)</script>", "<iframe src='https://example.org'></iframe>",
    "<img src=x onerror=alert(1)>", "<a href='javascript:alert(1)'>here</a>",
    "<svg onload=alert(1)></svg>", "<form action='/'><button>go</button></form>",
    "[here](javascript:alert(1))", "<style>body { display: none }</style>",
])  # fmt: skip
def test_nothing_acts(source: str):
    """Is no script, handler, frame, form, style or javascript: address left as such?"""
    made = inert.markdown(f"before\n\n{source}\n\nafter")
    assert not re.search(r"<(script|iframe|svg|form|button|style)\b", made)
    assert not re.search(r"<[^>]*(\son\w+=|javascript:)", made)


SCRIPT = "<script>stolen()</script><img src=x onerror=stolen()>"
TYPES = [
    "text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png",
    "application/javascript", "application/vnd.jupyter.widget-view+json",
]  # fmt: skip


@pytest.fixture
def feedback(tmp_path: Path) -> HTMLExporter:
    """What makes feedback of a notebook, as the course configures it for nbgrader."""
    config = course.configuration(tmp_path)
    exporter = HTMLExporter(config=config)
    exporter.register_preprocessor(config.GenerateFeedback.preprocessors[2])
    return exporter


def page(feedback: HTMLExporter, cell: NotebookNode) -> str:
    return feedback.from_notebook_node(new_notebook(cells=[cell]))[0]


@pytest.mark.parametrize("kind", TYPES)
def test_no_output_acts(feedback: HTMLExporter, kind: str):
    """Is an output of a notebook that plain nbgrader has graded shown without its scripts?"""
    value = {"model_id": SCRIPT} if kind.endswith("json") else SCRIPT
    made = page(feedback, new_code_cell("1", outputs=[new_output("display_data", {kind: value})]))
    assert "<script>stolen" not in made and "<img src=x" not in made


def test_no_raw_cell_acts(feedback: HTMLExporter):
    """Is a raw cell left out, or shown as text?"""
    assert "<script>stolen" not in page(feedback, new_raw_cell(SCRIPT))


def failed(**fields: Any) -> NotebookNode:
    """A cell whose check says four lines, with these fields beside them."""
    lines = ["f(<b>x</b>)", "  expected: 1", "  found:    2", "  hint:     add."]
    error = new_output("error", ename="Unmet", evalue="", traceback=lines)
    return new_code_cell("1", metadata={FIELDS: fields}, outputs=[error])


def test_a_failed_check_is_shown_by_its_fields(feedback: HTMLExporter):
    """Are the four fields a list, and a learner's text in them nothing but text?"""
    fields = {"case": "f(<b>x</b>)", "expected": "1", "found": "2", "hint": "add."}
    made = page(feedback, failed(**fields))
    assert "<strong>f(&lt;b&gt;x&lt;/b&gt;)</strong>" in made
    assert re.findall(r"<dt>(\w+)</dt><dd>(.*?)</dd>", made) == list(fields.items())[1:]


@pytest.mark.parametrize("fields", [
    {}, {"case": "f(<b>x</b>)"}, {"case": 1, "expected": [], "found": {}, "hint": None},
    {"case": "f(<b>x</b>)", "expected": "1", "found": "1", "hint": "none."},
])  # fmt: skip
def test_fields_that_the_check_did_not_say_are_not_shown(feedback: HTMLExporter, fields: Any):
    """Is the text of a failed check shown where a learner has written other fields beside it?"""
    made = page(feedback, failed(**fields))
    assert "<dt>" not in made and "hint:     add." in made
