"""Lessons that are kept as they were read: is each what reading it again would give?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dropoutlab import explore
from grader.authoring import reading, record
from grader.authoring.lesson import Lesson
from grader.paths import SOLUTIONS


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lesson in a course of its own, and nothing kept of it yet."""
    for path in SOLUTIONS.glob("[0-9][0-9]_*.py"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(reading, "SOLUTIONS", tmp_path)
    monkeypatch.setattr(reading, "KEPT", tmp_path / "kept")
    return tmp_path / "13_inverted_dropout.py"


ANEW = reading._read


def _is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    read = []

    def noted(path: Path) -> Lesson:
        read.append(path)
        return ANEW(path)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "_read", noted)
        assert reading.read(path) == ANEW(path)
    return bool(read)


def test_a_lesson_comes_back_as_it_was_read(lesson: Path, monkeypatch: pytest.MonkeyPatch):
    """Is it read once, and then the same in all that it has?"""
    assert _is_read_again(lesson, monkeypatch)
    assert not _is_read_again(lesson, monkeypatch)
    assert reading.read(lesson).claims == ANEW(lesson).claims != {}
    (place,) = reading.KEPT.iterdir()
    assert place.stat().st_mode & 0o077 == 0, "others can read the answers"


@pytest.mark.parametrize("change", ["its text", "another's title", "explorers", "who reads"])
def test_what_it_follows_from_counts(change: str, lesson: Path, monkeypatch: pytest.MonkeyPatch):
    """Is it read again once something has changed that it follows from?"""
    reading.read(lesson)
    if change == "its text":
        lesson.write_text(lesson.read_text(encoding="utf-8") + "\n# %%\nlast = 1\n", "utf-8")
    elif change == "another's title":
        other = lesson.with_name("14_backward.py")
        text = other.read_text(encoding="utf-8")
        other.write_text(text.replace("# # 1.4 · ", "# # 1.4 · Another ", 1), "utf-8")
    elif change == "explorers":
        names = [*explore.names(), "another"]
        monkeypatch.setattr(explore, "names", lambda: names)
    else:
        monkeypatch.setattr(record, "makers", lambda: "changed")
    assert _is_read_again(lesson, monkeypatch)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"digest": "another"})])
def test_what_is_no_lesson_is_read_again(text: str, lesson: Path, monkeypatch: pytest.MonkeyPatch):
    """Does a file that somebody else has written, or half of one, do no harm?"""
    reading.KEPT.mkdir()
    (reading.KEPT / f"{lesson.stem}.json").write_text(text)
    assert _is_read_again(lesson, monkeypatch)
    assert not _is_read_again(lesson, monkeypatch)


def test_a_folder_that_cannot_be_written_does_no_harm(
    lesson: Path, monkeypatch: pytest.MonkeyPatch
):
    """Is a lesson read where nothing can be kept?"""
    reading.KEPT.write_text("a file in the folder's place")
    assert _is_read_again(lesson, monkeypatch)
    assert _is_read_again(lesson, monkeypatch)
