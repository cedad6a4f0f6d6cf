"""A class's folders, as nbgrader lays them out, and what learners have left in them."""

from __future__ import annotations

import datetime
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from grader.authoring.lesson import Lesson
from grader.course import CHANGED, SECRET, STAMP
from grader.errors import NOBODY, CourseError
from grader.files import write_whole
from grader.grading.result import Graded
from grader.grading.submission import LARGEST
from grader.isolation.text import plain

SHORT = 4_000
"""Bytes of what nbgrader writes beside a notebook, at most."""
MARK = re.compile(rb'"grade_id"\s*:\s*"(\w{1,100})"')
"""A cell's name, in the text of a notebook; within a string its quotes would be escaped."""


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
            raise Nobody(NOBODY.format(folder, lesson.name))
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
        timestamp, time = time_in(notebook.parent)
        if time and timestamp is None:
            remarks.append("timestamp.txt says no time, and nbgrader stops at it: delete that file")
        if changed := read_plain(notebook.with_name(CHANGED), SHORT)[0]:
            remarks.append(plain(changed.decode(errors="replace"), 200))
        secret = secret_in(notebook.parent)
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


def read_plain(path: Path, most: int = LARGEST) -> tuple[bytes | None, str]:
    """The bytes of a file, or None and why: it is missing, no plain file, or over `most` bytes."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None, f"{path.name} is missing."
    except OSError:
        return None, f"{path.name} is a link or cannot be read."
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode):
        os.close(fd)
        return None, f"{path.name} is no plain file."
    with open(fd, "rb") as file:
        text = file.read(most + 1) if about.st_size <= most else None
    if text is None or len(text) > most:
        return None, f"{path.name} has more than {most >> 20} MB."
    return text, ""


def notebook_in(
    folder: Path, name: str, exercises: list[str]
) -> tuple[bytes | None, str, list[str]]:
    """The text of a lesson's notebook in a folder, or None and why; and what is odd there.

    Where none has the lesson's name, the only one with its cells counts; no more of the others is
    read than one notebook may have.
    """
    notebook = folder / f"{name}.ipynb"
    odd = sorted(p.name for p in folder.iterdir() if not _is_ordinary(p))
    remarks = [f"not looked at: {plain(', '.join(odd), 200)}"] if odd else []
    text, fault = read_plain(notebook)
    if not os.path.lexists(notebook):
        others = sorted(p for p in folder.glob("*.ipynb") if _is_ordinary(p))
        own, room = [], LARGEST
        for path in others:
            there, _ = read_plain(path, room)
            room -= len(there or b"")
            own += [path] if is_of(exercises, there) else []
        names = plain(", ".join(p.name for p in own or others), 200)
        if len(own) == 1:
            text, fault = read_plain(own[0])
            remarks.append(f"{names} was graded: there is no {notebook.name}")
        elif others:
            fault = f"{fault} There is {names}: rename the one that counts."
    return text, fault, remarks


def is_of(exercises: list[str], text: bytes | None) -> bool:
    """Whether a notebook names most of a lesson's exercises; it is searched, and not taken apart.

    To parse it would take thirty times its size in memory, where somebody wants that.
    """
    wanted = {name.encode() for name in exercises}
    there = {match[1] for match in MARK.finditer(text or b"") if match[1] in wanted}
    return len(there) > len(wanted) / 2


def time_in(folder: Path) -> tuple[datetime.datetime | None, str]:
    """The time of handing in, None where it says none, and what nbgrader's timestamp.txt says."""
    from nbgrader.utils import parse_utc

    stamp = (read_plain(folder / STAMP, SHORT)[0] or b"")[:100]
    text = stamp.decode(errors="replace").strip()
    try:
        return parse_utc(text) if text else None, text
    except Exception:  # whatever such a text makes dateutil raise
        return None, text


def secret_in(folder: Path) -> str:
    """What nbgrader's Submit wrote beside a notebook, which only its learner knows; "" for none."""
    return (read_plain(folder / SECRET, SHORT)[0] or b"").decode("ascii", "ignore")


def owner(folder: Path) -> str:
    """The account whose folder it is; "" where it is a link or no folder, or no account's."""
    import pwd

    try:
        about = folder.lstat()
        return pwd.getpwuid(about.st_uid).pw_name if stat.S_ISDIR(about.st_mode) else ""
    except (OSError, KeyError):
        return ""


def _is_text(name: str) -> bool:
    """Whether a terminal and a gradebook can show it: no control codes, no broken Unicode."""
    return name.isprintable()


def _is_ordinary(path: Path) -> bool:
    """Whether it is a plain file or a folder, and no link to one."""
    mode = path.lstat().st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
