"""The page that tells a learner what became of a notebook: what it says, and that it is inert."""

from __future__ import annotations

import html.parser
import re
from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
    new_raw_cell,
)

from grader.grading.page import Grade, Grades, page
from grader.grading.result import FIELDS

LINES = ["double(<b>3</b>)", "  expected: 6", "  found:    5", "  hint:     times two."]
SCRIPT = "<script>stolen()</script><img src=x onerror=stolen()>"
PNG = "iVBORw0KGgo="


def answer(name: str, source: str, outputs: Any = (), **more: Any) -> NotebookNode:
    marks = {"grade_id": name, "solution": True, "grade": False, **more}
    new = new_markdown_cell if marks["grade"] else new_code_cell
    cell = new(source, id=name, metadata={"nbgrader": marks})
    if outputs:
        cell.outputs = list(outputs)
    return cell


def check(name: str, source: str, outputs: Any = (), **metadata: Any) -> NotebookNode:
    marks = {"grade_id": name, "solution": False, "grade": True}
    metadata = {"nbgrader": marks, **metadata}
    return new_code_cell(source, id=name, metadata=metadata, outputs=list(outputs))


def failed(lines: list[str] = LINES, name: str = "Unmet") -> NotebookNode:
    return new_output("error", ename=name, evalue=" ".join(lines), traceback=lines)


def figure(alt: Any) -> NotebookNode:
    return new_output("display_data", {"image/png": PNG}, metadata={"image/png": {"alt": alt}})


def made(*cells: NotebookNode, address: str = "", comments: Any = (), **points: Any) -> str:
    """The page of some cells; `points` are those that a cell has got of two, None if it waits."""
    marks = {name: Grade(p or 0, 2, waits=p is None) for name, p in points.items()}
    return page(new_notebook(cells=list(cells)), "00_x", Grades(marks, dict(comments)), address)


class Parts(html.parser.HTMLParser):
    """Which exercises stand open, all attributes, and whether tags are nested as they must be."""

    def __init__(self, text: str):
        super().__init__()
        self.open: dict[str, bool] = {}
        self.attributes: list[tuple[str, str]] = []
        self.inside: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        assert not self.inside

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.tags.add(tag)
        self.attributes += given.items()
        if tag not in ("meta", "img", "br", "hr"):
            self.inside.append(tag)
        if tag == "details" and "id" in given:
            self.open[given["id"]] = "open" in given

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag


CLASS = (
    answer("right", "def right(): pass"),
    check("check_right_1", "# It is right.\nassert right()"),
    answer("wrong", "def wrong(): pass"),
    check("check_wrong_1", "# It is `wrong`.\nassert wrong()", [failed()]),
    check("check_wrong_2", "# Another.\nassert wrong()"),
    answer("blank", "raise NotImplementedError"),
    check(
        "check_blank_1", "# One.", [failed(["f", "  expected: 1", "  found:    not written yet"])]
    ),
    answer("why", "because $x$", grade=True),
)
POINTS = {
    "check_right_1": 2,
    "check_wrong_1": 0,
    "check_wrong_2": 2,
    "check_blank_1": 0,
    "why": None,
}


def test_what_lost_points_is_open_and_nothing_else():
    """Stands open what failed, and is folded what passed, is not written or waits?"""
    parts = Parts(made(*CLASS, **POINTS))
    assert parts.open == {"right": False, "wrong": True, "blank": False, "why": False}


def test_points_and_states_are_told():
    """Has the table each exercise by name, its points and its state, and are all added up?"""
    text = made(*CLASS, **POINTS)
    assert "<strong>4</strong> of 10 points" in text and "2 points wait for a person." in text
    table = re.sub(r"<[^>]+>", " ", re.search(r"<tbody>(.*?)</tbody>", text)[1]).split()
    words = "right 2 / 2 ✓ passed wrong 2 / 4 ✗ partly blank 0 / 2 ○ not written yet"
    assert table == [*words.split(), *["why", "–", "/", "2", "○", "waits", "for", "a", "person"]]


def test_each_check_is_told_by_its_sentence():
    """Is a check's first line its title, with names as code, and the mark right?"""
    text = made(*CLASS, **POINTS)
    assert "It is <code>wrong</code>." in text
    assert re.search(r"✗</span><div>It is <code>wrong", text)
    assert re.search(r"✓</span><div>Another", text)


FIELDS_OF = dict(
    zip(
        ("case", "expected", "found", "hint"),
        ("double(<b>3</b>)", "6", "5", "times two."),
        strict=True,
    )
)


@pytest.mark.parametrize("fields", [FIELDS_OF, {}, {"case": "f"},
    {"case": 1, "expected": [], "found": {}, "hint": None}, FIELDS_OF | {"found": "6"},
])  # fmt: skip
def test_a_failed_check_is_shown_by_its_fields(fields: Any):
    """Are the four lines a list, from the fields or the text, and never what it did not say?"""
    told = check("check_double_1", "# One.", [failed()], **{FIELDS: fields})
    text = made(answer("double", ""), told, check_double_1=0)
    assert "<code>double(&lt;b&gt;3&lt;/b&gt;)</code>" in text
    assert re.findall(r"<dt>(\w+)</dt><dd[^>]*>(.*?)</dd>", text) == [*FIELDS_OF.items()][1:]


def test_the_same_is_said_once():
    """Is a diagnosis that two checks share written once, and the second case named?"""
    other = failed(["double(4)", *LINES[1:]])
    checks = [check(f"check_f_{k}", "", [said]) for k, said in enumerate([failed(), other])]
    text = made(answer("f", ""), *checks, check_f_0=0, check_f_1=0)
    assert text.count("times two.") == 1
    assert "<code>double(4)</code></p>The same as above." in text


@pytest.mark.parametrize(("outputs", "words"), [
    ([failed(["\x1b[31mTraceback\x1b[0m: line 3"], "ValueError")], "ValueError: \x1b[31m"),
    ([new_output("error", ename="Stopped", evalue="this check did not end in 5 s")], "did not end"),
    ([new_output("stream", name="stderr", text="noise")], "wrote to stderr"),
])  # fmt: skip
def test_other_ends_are_told_in_a_sentence(outputs: Any, words: str):
    """Is an error, a deadline or a noise told where a check gave no points for it?"""
    text = made(answer("f", ""), check("check_f_1", "# One.", outputs), check_f_1=0)
    said = re.search(r"<div class='said'>(.*?)</div>", text)[1]
    assert (words.split(":")[0] in said and "line 3" in said) or words in said


def test_a_hidden_check_is_not_shown():
    """Is no word of a hidden check there, in its title or elsewhere?"""
    hidden = "### BEGIN HIDDEN TESTS\n# secret\nassert f(3) == 9\n### END HIDDEN TESTS"
    text = made(answer("f", ""), check("check_f_1", hidden, [failed()]), check_f_1=0)
    assert "A check that is not shown" in text and "secret" not in text and "f(3)" not in text


@pytest.mark.parametrize("comment", ["Well *done*.", SCRIPT])
def test_a_persons_comment_is_shown(comment: str):
    """Is what a person wrote there and its exercise open, and does it not act?"""
    text = made(answer("why", "x", grade=True), why=2, comments={"why": comment})
    assert Parts(text).open == {"why": True} and "<h3>Comment</h3>" in text
    assert "<em>done</em>" in text or "<script" not in text


def test_no_response_is_no_comment():
    """Is an empty answer said to be that, and folded?"""
    text = made(answer("why", "", grade=True), why=0, comments={"why": "No response."})
    assert Parts(text).open == {"why": False}
    assert "No response" not in text and "not written yet" in text


KINDS = ["text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png", "text/plain",
         "application/javascript", "application/vnd.jupyter.widget-view+json"]  # fmt: skip
STATED = "default-src 'none'; img-src data:; style-src 'sha256-"


@pytest.mark.parametrize("cells", [
    *([answer("f", "pass", [new_output("display_data", {kind: SCRIPT})])] for kind in KINDS),
    [answer("f", SCRIPT)], [answer("f", SCRIPT, grade=True)],
    [answer("f", "", [new_output("stream", text=SCRIPT)])],
    [answer("f", "", [failed([SCRIPT])])],
    [answer("f", ""), new_raw_cell(SCRIPT, id="added_0")],
    [answer("f", ""), new_markdown_cell(SCRIPT, id="added_0")],
    [answer("f", ""), check("check_f_2", f"# {SCRIPT}", [failed([SCRIPT, *LINES[1:]])])],
    [answer("f", "", [figure(f"'>{SCRIPT}")])], [answer("f", "", [figure(5)])],
    [answer("f", "![mine](https://example.org/a.png) <img src='//example.org/a'>", grade=True)],
])  # fmt: skip
def test_nothing_acts_and_nothing_is_loaded(cells: list[NotebookNode]):
    """Is the page whole, of its own tags alone, with no address but within it?"""
    text = made(*cells, check("check_f_1", ""), f=0, check_f_1=2, check_f_2=0)
    parts = Parts(text)
    assert STATED in text and text.rstrip().endswith("</html>")
    assert parts.open.keys() == {"f"}, "it shows nothing"
    assert not parts.tags & {"script", "iframe", "svg", "form", "link", "object", "embed"}
    for key, value in parts.attributes:
        assert not key.startswith("on") and key != "style"
        assert key not in ("src", "href") or value.startswith(("data:image/", "#"))


def test_figures_are_kept_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch):
    """Are a learner's figures on the page, with the words that tell them, and no flood of them?"""
    shown = figure("a line")
    plot = new_code_cell("plot", id="demo", outputs=[shown])
    cells = [answer("f", "", [shown]), plot, check("check_f_1", "")]
    assert (
        made(*cells, check_f_1=2).count(f"<img alt='a line' src='data:image/png;base64,{PNG}'>")
        == 2
    )
    monkeypatch.setattr("grader.grading.page.ROOM", 50)
    text = made(*cells, check_f_1=2)
    assert text.count("<img") == 1 and "1 more are in the notebook" in text


def test_it_leads_into_the_notebook_where_that_is_shown():
    """Is there a link to where JupyterLab shows the notebook, else none?"""
    where = "http://localhost:8888/lab/tree/00_x.ipynb"
    shown = made(*CLASS, address=where, **POINTS)
    cells = re.findall(rf"href='{re.escape(where)}#cell-id=(\w+)'", shown)
    assert f"href='{where}'" in shown
    assert cells == re.findall(r"<details [^>]*id='(\w+)'", shown) != []
    assert "the notebook</a>" not in made(*CLASS, **POINTS)


def test_points_taken_off_are_told():
    """Is the score what the gradebook counts for who was late?"""
    grades = Grades({"why": Grade(2, 2)}, {}, penalty=0.5)
    text = page(new_notebook(cells=[answer("why", "x", grade=True)]), "00_x", grades)
    assert "<strong>1.5</strong> of 2" in text and "0.5 points were taken off" in text
