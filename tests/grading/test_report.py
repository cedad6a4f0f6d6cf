"""What a class got wrong: is it counted rightly, and can learning-management systems read it?"""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console

from grader import course
from grader.authoring.reading import read
from grader.classes.export import export
from grader.grading import report, spreadsheet, terminal
from grader.grading.assignment import assign
from grader.grading.gradebook import Writer, opened
from grader.grading.result import Graded, Message, Row
from grader.paths import SOLUTIONS

LESSON = read(SOLUTIONS / "00_start_here.py")
SWAPPED = Message("double(x)", "mean 1", "mean {}", "p is swapped.")
BLANK = Message("double(x)", "an answer", "not written yet", "write it.")


def graded(
    learner: str, first: float, message: Message | None = None, outcome: str = "failed"
) -> Graded:
    """One learner: an exercise of two checks (2 and 1 points) and a prose answer."""

    def row(check: str, points: float | None, most: float) -> Row:
        end = "by hand" if points is None else "passed" if points == most else outcome
        about = message if end == outcome else None
        return Row(learner, LESSON.name, check[:-2], check, points, most, end, about)

    rows = (row("double_1", first, 2), row("double_2", 1, 1), row("why_1", None, 3))
    return Graded(learner, LESSON.name, "partly", rows, (), (), "", 0.1, 0.1)


def swapped(mean: float) -> Message:
    return replace(SWAPPED, found=f"mean {mean}")


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


CLASS = [
    graded("ada", 2),
    graded("bo", 0, swapped(0.4)),
    graded("cy", 0, swapped(0.6)),
    graded("di", 0, BLANK),
    graded("ed", 0, Message(found="this check did not end in 5 s"), "timed out"),
]


def test_messages_are_counted_by_their_hints():
    """Is the same mistake one line whatever its numbers, and prose left out?"""
    (double,) = report.exercises(CLASS)
    assert (double.name, double.learners, double.right, double.max) == ("double", 5, 1, 3)
    assert double.mean == pytest.approx((3 + 1 + 1 + 1 + 1) / 5)
    assert double.all_right == ("ada",)
    assert double.faults[0] == report.Fault("p is swapped.", ("bo", "cy"), swapped(0.4))
    others = {(fault.words, fault.who, fault.kind) for fault in double.faults[1:]}
    assert others == {("not written yet", ("di",), "not written yet"),
                      ("timed out", ("ed",), "stopped")}  # fmt: skip
    assert double.hardest == ("double_1", 4)


def test_shares_add_up(tmp_path: Path):
    """Do the lines of the table count every learner once?"""
    report.write_csv(report.exercises(CLASS), tmp_path / "r.csv")
    rows = list(csv.DictReader(lines(tmp_path / "r.csv")))
    assert sum(int(row["learners"]) for row in rows) == len(CLASS)
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-2)
    fields = {name: rows[1][name] for name in ("case", "expected", "found", "hint")}
    assert fields == asdict(swapped(0.4)), "no example of what the check said"


def test_the_page_shows_and_never_acts(tmp_path: Path):
    """Does the page hold the chart and the words, and is a learner's text escaped?"""
    evil = graded("eve", 0, Message("f(x)", "2", "1", "<script>alert(1)</script>"))
    report.write_html(LESSON, report.exercises([*CLASS, evil]), tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "p is swapped." in page and "data:image/png;base64," in page
    assert "2 of 6" in page and " %" not in page.partition("</style>")[2] and "bo, cy" in page
    assert "<script" not in page and "&lt;script&gt;" in page


def test_a_thousand_learners_are_told_in_few_lines(tmp_path: Path):
    """Is a large class told by shares, few names on the terminal, and lists that are folded?"""
    many = [graded(f"l{k:03}", 0, swapped(k)) for k in range(700)]
    many += [graded(f"r{k:03}", 2) for k in range(300)]
    table, out = report.exercises(many), io.StringIO()
    terminal.show_report("0 · x", table, Console(file=out, width=80))
    assert "700 of 1000 (70 %)" in out.getvalue() and "and 695 more" in out.getvalue()
    assert len(out.getvalue().splitlines()) < 20
    report.write_html(LESSON, table, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "l699" in page and "<details open" not in page
    assert page.index("l699") > page.index("<details")


def test_the_terminal_names_learners_and_how_they_ended():
    """Is each diagnosis told with who got it, a deadline apart from what is wrong?"""
    out = io.StringIO()
    terminal.show_report("0 · x", report.exercises(CLASS), Console(file=out, width=80))
    words = " ".join(out.getvalue().split())
    assert "double: 1 of 5 right" in words and " %" not in words
    assert "2 of 5 p is swapped. bo, cy" in words and "1 of 5 timed out ed" in words


@pytest.fixture
def gradebook(tmp_path: Path):
    """Two learners, one graded by hand, one whose name a spreadsheet would compute."""
    config = course.folder(tmp_path)
    assign(LESSON, tmp_path, config)
    with opened(tmp_path) as writer:
        book = writer.gradebook
        book.add_student("ada", first_name="Ada", last_name="Lovelace", lms_user_id="17")
        book.add_student("=1+1")
        for learner in ("ada", "=1+1"):
            submission = book.add_submission(LESSON.name, learner)
            for grade in submission.notebooks[0].grades:
                grade.auto_score, grade.manual_score = 0, (1 if learner == "ada" else None)
        book.db.commit()
        yield writer


def test_canvas_reads_the_grades(gradebook: Writer, tmp_path: Path):
    """Has the file Canvas's columns, the points possible, and what persons gave?"""
    assert export(gradebook, [LESSON], "canvas", tmp_path / "c.csv") == 2
    head, most, formula, ada = csv.reader(lines(tmp_path / "c.csv"))
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", LESSON.name]
    assert most[0].strip() == "Points Possible" and float(most[-1]) == LESSON.points
    cells = len([c for c in LESSON.cells if c.points])
    assert ada == ["Lovelace, Ada", "17", "", "ada", "", str(cells)]
    assert formula[3] == "'=1+1"


@pytest.mark.parametrize("name", [
    "Eve;=cmd|' /C calc'!A0;", 'Eve;"=1+1"', "Eve; +1", "Eve\t@x", "Eve\n-1+1", " =1+1",
    "\t=1", "\r",
])  # fmt: skip
def test_no_program_computes_a_cell(name: str, tmp_path: Path):
    """Does no cell begin as a formula does, at whatever sign a program splits the lines?"""
    spreadsheet.write(tmp_path / "s.csv", [["bo", name, "-"]])
    text = (tmp_path / "s.csv").read_text(encoding="utf-8")
    for sign in ",;\t":
        for cell in (cell for row in csv.reader(io.StringIO(text), delimiter=sign) for cell in row):
            assert cell in ("-", "") or cell.strip(' \r\n\t"')[:1] not in {*"=+-@"}, (sign, cell)


def test_moodle_reads_the_grades(gradebook: Writer, tmp_path: Path):
    """Has the file usernames and a column for each lesson?"""
    export(gradebook, [LESSON], "moodle", tmp_path / "m.csv")
    head, _, ada = csv.reader(lines(tmp_path / "m.csv"))
    assert head[:4] == ["username", "firstname", "lastname", "email"]
    assert ada[:3] == ["ada", "Ada", "Lovelace"] and float(ada[4]) > 0
