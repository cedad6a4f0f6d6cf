"""What a learner wrote is shown in feedback and Formgrader, and cannot act."""

from __future__ import annotations

import re

import pytest
from nbconvert.filters.markdown import markdown2html

from curriculum import each_lesson
from grader.authoring.build import source_notebook
from grader.authoring.lesson import Lesson
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
