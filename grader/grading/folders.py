"""A class's folders, as nbgrader lays them out, and what learners have left in them."""

from __future__ import annotations

import datetime
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from grader.authoring.lesson import Lesson
from grader.course import SECRET, STAMP
from grader.errors import CourseError
from grader.files import write_whole
from grader.grading.result import Graded
from grader.grading.submission import LARGEST
from grader.isolation.text import plain


class Nobody(CourseError):
    """No submission of a lesson is there, or none of those that were asked for."""


@dataclass(frozen=True)
class HandedIn:
    """What lies in a learner's folder of a lesson."""

    learner: str
    name: str
    """The lesson's name, or the one that it had in the first edition."""
    text: bytes | None
    fault: str
    """Why there is no text."""
    timestamp: datetime.datetime | None
    secret: str
    """Where nbgrader's exchange puts the feedback; "" for what did not come through it."""
    remarks: tuple[str, ...]
    """What the instructor should know of the folder."""


@dataclass(frozen=True)
class ClassFolder:
    """The folder of a class: submitted/, autograded/, feedback/, source/ and release/ are in it."""

    place: Path

    def notebook(self, step: str, lesson: str, learner: str = "") -> Path:
        """The notebook of a lesson in `step`, one of the folders; it need not be there."""
        return self.place / step / learner / lesson / f"{lesson}.ipynb"

    def page(self, lesson: str, learner: str) -> Path:
        """The page of feedback."""
        return self.notebook("feedback", lesson, learner).with_suffix(".html")

    def learners(self, lesson: Lesson, only: tuple[str, ...] = ()) -> list[str]:
        """Who has handed in; `only` these, where some are named. CourseError where nobody has."""
        folder = self.place / "submitted"
        there = sorted(
            path.name
            for path in (folder.iterdir() if folder.is_dir() else ())
            if not path.is_symlink() and self._name_of_submission(lesson, path.name)
        )
        missing = [name for name in only if name not in there]
        if missing:
            raise (Nobody if len(missing) == len(only) else CourseError)(
                f"no submission of {lesson.name} by {', '.join(missing)} in {folder}."
            )
        if not there:
            raise Nobody(
                f"nobody has handed in {lesson.name}: {folder}/ID/{lesson.name}/ is where "
                "`nbgrader collect` puts submissions."
            )
        odd = [name for name in only or there if not _is_text(name)]
        if odd:
            raise CourseError(
                f"{odd[0]!a} in {folder} is no name that a gradebook can hold: rename it."
            )
        return sorted(set(only)) or there

    def _name_of_submission(self, lesson: Lesson, learner: str) -> str:
        """Under which name a learner has handed in, today's before the former; "" for none."""
        for name in filter(None, (lesson.name, lesson.former)):
            folder = self.notebook("submitted", name, learner).parent
            if folder.is_dir() and not folder.is_symlink():
                return name
        return ""

    def handed_in(self, lesson: Lesson, learner: str) -> HandedIn:
        """Read a submission; links are not followed."""
        name = self._name_of_submission(lesson, learner)
        notebook = self.notebook("submitted", name, learner)
        text, fault, remarks = notebook_in(notebook.parent, name, lesson.exercises)
        stamp = (read_plain(notebook.with_name(STAMP))[0] or b"")[:100]
        time = stamp.decode(errors="replace").strip()
        timestamp = _parsed(time)
        if time and timestamp is None:
            remarks.append("timestamp.txt says no time, and nbgrader stops at it: delete that file")
        secret = (read_plain(notebook.with_name(SECRET))[0] or b"").decode("ascii", "ignore")
        return HandedIn(learner, name, text, fault, timestamp, secret, tuple(remarks))

    def leave(self, graded: Graded, handed_in: HandedIn) -> None:
        """Write a graded notebook, and beside it what nbgrader keeps there; feedback is old now."""
        self.page(graded.lesson, graded.learner).unlink(missing_ok=True)
        path = self.notebook("autograded", graded.lesson, graded.learner)
        write_whole(path, graded.notebook)
        stamp = path.with_name(STAMP)  # by which nbgrader grades again what is newer
        if handed_in.timestamp is None:
            stamp.unlink(missing_ok=True)
        else:
            write_whole(stamp, f"{handed_in.timestamp} UTC")
        if handed_in.secret:
            write_whole(path.with_name(SECRET), handed_in.secret)


def read_plain(path: Path) -> tuple[bytes | None, str]:
    """The bytes of a file, or None and why: it is missing, no plain file, or too large."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None, f"{path.name} is missing."
    except OSError:
        return None, f"{path.name} is a link or cannot be read."
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None, f"{path.name} is no plain file."
    with open(fd, "rb") as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        return None, f"{path.name} has more than {LARGEST >> 20} MB."
    return text, ""


def notebook_in(
    folder: Path, name: str, exercises: list[str]
) -> tuple[bytes | None, str, list[str]]:
    """The text of a lesson's notebook in a folder, or None and why; and what is odd there.

    Where none has the lesson's name, the only one with its cells counts.
    """
    notebook = folder / f"{name}.ipynb"
    odd = sorted(p.name for p in folder.iterdir() if not _is_ordinary(p))
    remarks = [f"not looked at: {plain(', '.join(odd), 200)}"] if odd else []
    text, fault = read_plain(notebook)
    if not os.path.lexists(notebook):
        others = sorted(p for p in folder.glob("*.ipynb") if _is_ordinary(p))
        own = [p for p in others if is_of(exercises, read_plain(p)[0])]
        names = plain(", ".join(p.name for p in own or others), 200)
        if len(own) == 1:
            text, fault = read_plain(own[0])
            remarks.append(f"{names} was graded: there is no {notebook.name}")
        elif others:
            fault = f"{fault} There is {names}: rename the one that counts."
    return text, fault, remarks


def is_of(exercises: list[str], text: bytes | None, most: int = LARGEST // 8) -> bool:
    """Whether a notebook, of no unusual size, holds most of a lesson's exercises."""
    if text is None or len(text) > most:
        return False
    try:
        cells = json.loads(text)["cells"]
        there = {cell["metadata"]["nbgrader"]["grade_id"] for cell in cells
                 if "nbgrader" in cell["metadata"]}  # fmt: skip
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return len({*exercises} & there) > len({*exercises}) / 2


def _parsed(time: str) -> datetime.datetime | None:
    """The time of handing in, from nbgrader's timestamp.txt; None where it says none."""
    from nbgrader.utils import parse_utc

    try:
        return parse_utc(time) if time else None
    except Exception:  # whatever such a text makes dateutil raise
        return None


def _is_text(name: str) -> bool:
    """Whether a terminal and a gradebook can show it: no control codes, no broken Unicode."""
    return name.isprintable()


def _is_ordinary(path: Path) -> bool:
    """Whether it is a plain file or a folder, and no link to one."""
    mode = path.lstat().st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
