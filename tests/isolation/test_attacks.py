"""Nothing that a learner hands in earns what it does not deserve, or harms anybody.

One class, graded once by the real command with the sandbox on: three honest learners, and one
learner for each attack of `attacks.py`.
"""

from __future__ import annotations

import ast
import json
import re

import nbformat
import pytest

import classroom
from attacked import ATTACKS, HONEST, SECRET, Graded, attacked, name_of
from attacks import CODE, NOTEBOOKS
from classroom import LESSON

ENDS = {  # how an attack must end, where one end alone is right
    "endless loop": "timed out",
    "endless loop inside": "timed out",
    "endless loop deaf to Ctrl-C": "timed out",
    "sleep": "timed out",
    "waiting in C": "timed out",
    "wire: replies after time-out": "timed out",
    "os._exit": "killed",
    "os._exit inside the function": "killed",
    "exit in IPython": "killed",
    "abort": "killed",
    "segmentation fault": "killed",
    "wire: a huge length": "killed",
    "wire: a pickle": "killed",
    "wire: objects": "killed",
    "wire: thousands of handles": "killed",
    "NumPy memory bomb": "out of memory",
    "checks that say pass": "tampered",
    "more points": "tampered",
    "grade: false": "tampered",
    "an empty file": "malformed",
    "no JSON": "malformed",
    "deep JSON": "malformed",
    "sixty megabytes": "malformed",
    "nothing": "malformed",
    "a pipe": "malformed",
    "a folder": "malformed",
    "a link to the solution": "malformed",
    "a link to a class-mate": "malformed",
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    return attacked(tmp_path_factory.mktemp("class"), classroom.rows)


def rows_of(graded: Graded, learner: str) -> list[dict]:
    return [row for row in graded.rows if row["learner"] == learner]


pytestmark = [pytest.mark.slow(minutes=2), pytest.mark.xdist_group("attacks")]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_earns_nothing(graded: Graded, attack: str):
    """Is the score 0, in every row, and the end what it was?"""
    rows = rows_of(graded, name_of(attack))
    assert rows, "no row"
    assert [row["points"] or 0 for row in rows] == [0] * len(rows)
    assert sum(row["max"] for row in rows) == LESSON.points
    assert graded.ends[name_of(attack)] != "passed"
    if attack in ENDS:
        assert graded.ends[name_of(attack)] == ENDS[attack], rows
    assert not {row["outcome"] for row in rows} & {"passed"}


@pytest.mark.parametrize("learner", HONEST)
def test_class_mates_keep_their_scores(graded: Graded, learner: str):
    """Do honest learners among attackers get exactly what their answers are worth?"""
    assert sum(row["points"] or 0 for row in rows_of(graded, learner)) == HONEST[learner][1]


def test_nothing_outside_is_written(graded: Graded):
    """Are submissions, source, solutions and lessons as they were?"""
    assert graded.changed == []
    assert not list(graded.place.rglob("OWNED"))


def test_nobody_comes_through_the_door(graded: Graded):
    """Has no learner's code reached a server on this machine?"""
    assert graded.reached == []


def test_no_process_is_left(graded: Graded):
    """Is every process gone when the command has ended?"""
    assert graded.left == []


@pytest.mark.parametrize("attack", CODE)
def test_nothing_leaks(graded: Graded, attack: str):
    """Does what an attack shows hold no secret, no answer and no check?"""
    path = graded.place / "autograded" / name_of(attack) / LESSON.name / f"{LESSON.name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    texts = [json.dumps(c.get("outputs", [])) for c in notebook.cells if c.id == "scale"]
    shown = "".join(texts)
    hidden = [SECRET, "Marking guide", "divided by factor", "expect.close(", "return factor * x"]
    assert not [words for words in hidden if words in shown]
    assert "REACHED" not in shown and "KILLED" not in shown
    made = re.search(r"made (\d+)", shown)
    assert made is None or made[1] == "0"


@pytest.mark.parametrize("attack", [*CODE, *NOTEBOOKS])
def test_feedback_is_inert_and_small(graded: Graded, attack: str):
    """Is feedback written whose scripts are the page's own, and is it no flood?"""
    page = graded.place / "feedback" / name_of(attack) / LESSON.name / f"{LESSON.name}.html"
    text = page.read_text(encoding="utf-8")
    assert len(text) < 5_000_000
    for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL):
        assert "OWNED" not in script
    assert not re.search(r"<img[^>]*onerror", text)


def test_every_cell_of_an_attack_is_python():
    """Is each attack a text that would run, and not one that fails for a slip of ours?"""
    for attack, code in CODE.items():
        try:
            ast.parse(code)
        except SyntaxError as error:
            pytest.fail(f"{attack}: {error}")
