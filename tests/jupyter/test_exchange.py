"""Where all may write in nbgrader's exchange: does a folder of one learner's cost another's?"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from classroom import LESSON
from gradebooks import prepared
from grader import course
from grader.grading import watch
from grader.grading.autograde import Options
from grader.grading.folders import ClassFolder
from grader.jupyter import exchange

NAME = f"{LESSON.name}.ipynb"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A class with such an exchange; whoever a folder names has an account, and owns it."""
    place = prepared(tmp_path / "class", assigned=True)
    monkeypatch.setenv("DROPOUT_EXCHANGE", str(place / "exchange"))
    monkeypatch.setattr(exchange, "owner", lambda path: path.name.rsplit("+", 3)[0])
    account = SimpleNamespace(pw_uid=os.getuid())
    monkeypatch.setattr(exchange, "pwd", SimpleNamespace(getpwnam=lambda _: account))
    return place


def at(seconds: float) -> str:
    """A time from now on, as nbgrader's Submit writes it."""
    time = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return f"{time:%Y-%m-%d %H:%M:%S.%f} UTC"


def left(place: Path, learner: str, when: str | None = None, text: str = "{}") -> Path:
    """A folder in the exchange, as nbgrader's Submit leaves it."""
    when = at(0) if when is None else when
    folder = place / "exchange" / "dropout" / "inbound" / f"{learner}+{LESSON.name}+{when}+x"
    folder.mkdir(parents=True)
    for name, content in ((NAME, text), (course.STAMP, when), (course.SECRET, "secret")):
        (folder / name).write_bytes(os.fsencode(content))
    return folder


def collected(place: Path) -> tuple[dict[str, set[str]], list[str]]:
    """What lies in submitted/ by learner, after a class was collected, and what went wrong."""
    api = course.nbgrader(place, watch._configuration(Options(place)))
    with course.exchange(api, "Collect", LESSON.name) as taker:
        taker.update = True
        taker.start()
    folders = [*(place / "submitted").iterdir()]
    assert all([path.name for path in folder.iterdir()] == [LESSON.name] for folder in folders)
    there = {f.name: {p.name for p in (f / LESSON.name).iterdir()} for f in folders}
    return there, taker.faults


WHOLE = {NAME, course.STAMP, course.SECRET}


@pytest.mark.parametrize("when", [
    "9" * 30 + "h", "2026-01-03 00:00:00 \udcff", "2026-13-01 00:00:00 UTC", "soon", "", "\n",
    "2026-01-03 00:00:00 localtime", "2026-01-03 00:00:00 -99999999999",
])  # fmt: skip
def test_a_time_that_is_none_costs_nobody(when: str, place: Path):
    """Is it left with the folder that it names, and are all others collected, eve's own too?"""
    left(place, "bob")
    left(place, "eve")
    left(place, "eve", when)
    assert collected(place) == ({"bob": WHOLE, "eve": WHOLE}, [])


def test_a_time_in_anothers_name_is_not_read(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Is the owner asked before anything else of what a folder says?"""
    left(place, "bob")
    monkeypatch.setattr(exchange, "owner", lambda path: "eve")
    monkeypatch.setattr(exchange, "TIME", None)
    taker = exchange.Collect()
    assert taker._path_to_record(f"bob+{LESSON.name}+{at(0)}+x")["username"] == ""


def test_what_goes_wrong_with_one_costs_no_other(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Where a folder is renamed as it is copied, does its learner keep what was there before?"""
    left(place, "bob")
    first = left(place, "eve")
    assert collected(place)[0].keys() == {"bob", "eve"}
    first.rename(first.with_name(f"eve+{LESSON.name}+{at(60)}+x"))
    left(place, "zoe")
    copy = exchange.Collect._copy

    def gone(self: exchange.Collect, source: Path, *rest: object) -> None:
        if source.name.startswith("eve"):
            source.rename(source.with_name("gone"))
        copy(self, source, *rest)

    monkeypatch.setattr(exchange.Collect, "_copy", gone)
    there, (fault,) = collected(place)
    assert there == dict.fromkeys(("bob", "eve", "zoe"), WHOLE)
    assert fault.startswith(f"eve, {LESSON.name}: not collected: FileNotFoundError")


def deep(folder: Path) -> None:
    """1,100 folders within one another: more than Python may call functions."""
    opened = os.open(folder, os.O_RDONLY)
    for _ in range(1_100):
        os.mkdir("d", dir_fd=opened)
        within = os.open("d", os.O_RDONLY, dir_fd=opened)
        os.close(opened)
        opened = within
    os.close(opened)


def many(folder: Path) -> None:
    for k in range(exchange.MOST + 10):
        (folder / f"{k}").touch()


def undecodable(folder: Path) -> None:
    (folder / "a\udcff.txt").touch()


@pytest.mark.parametrize("fill", [deep, many, undecodable])
def test_odd_folders_are_copied_as_far_as_there_is_room(
    fill: Callable[[Path], None], place: Path, request: pytest.FixtureRequest
):
    """Is the notebook taken in any case, and a bounded number of files and folders?"""
    folder = left(place, "eve")
    fill(folder)
    left(place, "zoe")
    try:
        there, faults = collected(place)
    finally:
        os.system(f"rm -rf '{folder}'")  # Python cannot
    assert there["eve"] >= WHOLE and there["zoe"] == WHOLE and not faults
    copied = [*(place / "submitted" / "eve" / LESSON.name).rglob("*")]
    assert len(copied) <= exchange.MOST + 3
    assert max(len(path.parts) for path in copied) <= len(folder.parts) + exchange.DEEPEST


def test_the_time_is_never_the_learners_own_text(place: Path):
    """Does timestamp.txt say what the folder's name says, and is one that cannot be read mended?"""
    when = at(0)
    (left(place, "eve", when) / course.STAMP).write_text("9" * 30 + "h", encoding="utf-8")
    stamp = ClassFolder(place).notebook("submitted", LESSON.name, "eve").with_name(course.STAMP)
    collected(place)
    assert stamp.read_text(encoding="utf-8") == when
    stamp.write_text("9" * 30 + "h", encoding="utf-8")
    collected(place)
    assert stamp.read_text(encoding="utf-8") == when


@pytest.mark.parametrize("earlier", ["an hour ago", "0001-01-01 00:00:00 UTC"])
def test_who_says_an_earlier_time_is_believed_no_more_than_the_disk(earlier: str, place: Path):
    """Does the time of the last change count, once, and is it told with the submission?"""
    when = at(-3600) if earlier == "an hour ago" else earlier
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
    left(place, "eve", when)
    assert collected(place) == ({"eve": WHOLE | {course.CHANGED}}, [])
    handed_in = ClassFolder(place).handed_in(LESSON, "eve")
    assert handed_in.timestamp and handed_in.timestamp >= now
    assert "but changed at" in handed_in.remarks[-1]
    notebook = ClassFolder(place).notebook("submitted", LESSON.name, "eve")
    notebook.write_text("kept")
    collected(place)
    assert notebook.read_text() == "kept", "what is there already is not collected anew"
    left(place, "eve", at(60))
    assert collected(place) == ({"eve": WHOLE}, [])
