"""Which lesson, and which notebook, do the words of a command mean?"""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.authoring.lesson import FORMER
from grader.errors import CourseError
from grader.grading import choice
from grader.paths import SOLUTIONS

ALL = sorted(path.stem for path in SOLUTIONS.glob("[0-9][0-9]_*.py"))
OLD, NEW = "03_inverted_dropout", "13_inverted_dropout"


@pytest.fixture
def lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which learners' notebooks would lie."""
    monkeypatch.setattr("grader.paths.LESSONS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("words", "names"), [
    (["00"], ["00_start_here"]),
    (["00_start_here"], ["00_start_here"]),
    (["00", "lessons/00_start_here/"], ["00_start_here"]),
    (["all"], ALL),
    (["0"], ["00_start_here"]),
    (["1"], [name for name in ALL if name[0] == "1"]),
    (["13", "lessons/11_bernoulli_masks/11_bernoulli_masks.ipynb"], [NEW, "11_bernoulli_masks"]),
])  # fmt: skip
def test_a_number_a_name_or_all(words: list[str], names: list[str]):
    """Do a number, a full name, a path, several of them, and "all" pick what they say?"""
    assert [lesson.name for lesson in choice.chosen(words, pytest.fail)] == names


@pytest.mark.parametrize("old", FORMER)
def test_a_name_of_the_first_edition_means_the_lesson_of_today(old: str):
    """Is a lesson found by its former name, and is that said in one line?"""
    lines: list[str] = []
    (lesson,) = choice.chosen([old], lines.append)
    assert lesson.name == FORMER[old]
    assert lines == [f"{old} of the first edition is {lesson.name} now."]


@pytest.mark.parametrize("old", FORMER)
def test_a_number_means_the_lesson_that_has_it_today(old: str):
    """Does a number pick the lesson of today, and one that none has today that of then?"""
    (lesson,) = choice.chosen([old[:2]], lambda line: None)
    today = [name for name in ALL if name[:2] == old[:2]]
    assert [lesson.name] == (today or [FORMER[old]])


def test_an_unknown_lesson_is_refused_by_name():
    """Does a lesson that does not exist give a sentence that lists those that do?"""
    with pytest.raises(CourseError, match=r"'99'.*00_start_here"):
        choice.chosen(["99"])


@pytest.mark.parametrize(("word", "there", "expected"), [
    (OLD, OLD, OLD), ("03", OLD, OLD), (OLD, "", NEW), ("03", "", NEW), ("13", OLD, NEW),
])  # fmt: skip
def test_the_notebook_of_the_first_edition_is_meant_where_it_is_there(
    lessons: Path, word: str, there: str, expected: str
):
    """By its former name or number: the notebook of then, else today's; by today's, today's?"""
    if there:
        (lessons / there).mkdir()
        (lessons / there / f"{there}.ipynb").write_text("{}")
    ((lesson, notebook),) = choice.own_notebooks([word], lambda line: None)
    assert lesson.name == NEW
    assert notebook == lessons / expected / f"{expected}.ipynb"


def test_one_lesson_is_asked_for_where_several_are_meant():
    """Is a part refused by its lessons' names where a command takes one lesson?"""
    assert choice.one("13").name == NEW
    with pytest.raises(CourseError, match=rf"'1' means .* name one of .*{NEW}"):
        choice.one("1")
