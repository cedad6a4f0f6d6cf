"""What a learner wrote is shown in feedback and Formgrader, and cannot act."""

from __future__ import annotations

import re
import time

import pytest
from nbconvert.filters.markdown import markdown2html
from nbformat.v4 import new_markdown_cell

from curriculum import each_lesson
from grader.authoring.build import source_notebook
from grader.authoring.lesson import Lesson
from grader.grading import inert


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


@pytest.mark.parametrize("source", [
    "<div class='said' id='scale' style='color: red'>7 / 7</div>", "<p name=scale>here</p>",
])  # fmt: skip
def test_prose_looks_like_no_other_part_of_the_page(source: str):
    """Can a learner's text not take the classes and ids by which the page shows points?"""
    assert not re.search("class=|id=|style=|name=", inert.prose(new_markdown_cell(source)))


@pytest.mark.parametrize(("tex", "holds"), [
    (r"\frac{x}{1-p}", "<mfrac>"), (r"m \odot x", "<mo>⊙</mo>"), (r"\mathbb E[y]", "<mi>𝔼</mi>"),
    ("a < b", "<mo>&lt;</mo>"), (r"\text{<script>x()</script>}", "&lt;script&gt;"),
    (r"\frac{", "<code>\\frac{</code>"), (r"\text{&lt;script&gt;}", "&lt;script&gt;"),
])  # fmt: skip
def test_mathematics_is_drawn_without_a_script(tex: str, holds: str):
    """Is a formula MathML, what cannot be read its own text, and neither of them active?"""
    made = inert.prose(new_markdown_cell(f"so ${tex}$ holds"))
    assert holds in made and "<script" not in made
    assert ("<math" in made) == ("<code>" not in made)


def test_a_formula_leads_nowhere():
    """Is an address within a formula left out?"""
    made = inert.prose(new_markdown_cell(r"$\href{javascript:alert(1)}{x}$"))
    assert "<mi>x</mi>" in made and "javascript" not in made


def test_places_of_formulas_cannot_be_taken():
    """Are the characters that stand for a formula nothing in a learner's text?"""
    assert inert.prose(new_markdown_cell("\ue0000\ue001 and $x$")).count("<math") == 1


def test_images_are_shown_and_bounded():
    """Does a large photo take no time, and one that is shown without end no room?"""
    photo = "A" * 6_000_000
    cell = new_markdown_cell("![mine](attachment:a%20b)", attachments={"a b": {"image/png": photo}})
    began = time.process_time()
    assert f'src="data:image/png;base64,{photo}" alt="mine"' in inert.prose(cell)
    assert time.process_time() - began < 2
    cell.source *= 1000
    made = inert.prose(cell, [2 * len(photo)])
    assert made.count(photo) == 1 and made.count('src="missing"') == 999
    assert "aside,7" in inert.prose(new_markdown_cell('`src="data:image/png;aside,7"`'))
