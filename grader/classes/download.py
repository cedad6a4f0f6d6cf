"""The files in which a class has handed in: what Moodle and Canvas give out, or clones.

Who handed a file in is told by its path alone:

    Ada Lovelace_12345_assignsubmission_file/lesson.ipynb     Moodle, a folder for each learner
    Ada Lovelace_12345_assignsubmission_file_lesson.ipynb     Moodle, without folders
    lovelaceada_67_89_lesson.ipynb                            Canvas: learner 67, upload 89
    lovelaceada_LATE_67_89_lesson.ipynb                       Canvas, after the due date
    dropout-ada/lessons/13_inverted_dropout/lesson.ipynb      git, a folder of clones

Moodle numbers participants anew in each assignment, and has no `_` in a name before the number
(`mod/assign/classes/downloader.php`). Canvas knows a learner by one number in all courses, and
keeps the `_` of a display name (`lib/content_zipper.rb`). Learners chose the names of files and
wrote what is in them: no path is ever written to, and no file is read to its end.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import functools
import io
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbgrader.utils import parse_utc

from grader.errors import CourseError
from grader.grading.submission import LARGEST
from grader.grading.syllabus import utc
from grader.isolation.text import plain

MOST = 100_000
"""Files of a download, at most."""
MOODLE = re.compile(
    r"(?P<name>[^_]+)_(?P<number>[0-9]{1,20})_assignsubmission_(?P<kind>[a-z]+)_?(?P<file>.*)"
)
CANVAS = re.compile(
    r"(?:(?!(?:late_)?anon_)(?P<name>.*?)_)?(?:(?P<late>late)_)?(?P<number>[0-9]{1,20}|anon_[^\W_]+)_"
    r"(?:(?P<upload>[0-9]{1,20})_(?P<file>.+)|(?P<text>text|link)\.html)",
    re.IGNORECASE,
)
SECOND = re.compile(r"(?:^|_)[0-9]{1,20}_[0-9]{1,20}_.")
"""In a file's name: what may be the learner's number, after a display name that goes on so far."""
DATE = re.compile(r"(?<![0-9])20[0-9]{2}_(?:0?[1-9]|1[012])_(?:0?[1-9]|[12][0-9]|3[01])(?!_?[0-9])")
ASIDE = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"}
"""What computers put beside files."""


class Unread(Exception):
    """Why a file is not read, in a few words."""


@dataclass(frozen=True)
class Upload:
    """A file that a learner handed in."""

    name: str
    """The learner's, as the system writes it."""
    number: str
    """By which the system knows the learner."""
    late: bool
    upload: int
    """Canvas counts uploads; 0 in Moodle."""
    file: str
    """What the learner called it."""
    read: Callable[[], bytes]
    """Raises Unread."""

    @property
    def is_notebook(self) -> bool:
        return self.file.lower().endswith(".ipynb")


@dataclass(frozen=True)
class Participant:
    """Whom a row of Moodle's grading worksheet describes."""

    name: str
    email: str
    handed_in: datetime.datetime | None


@contextlib.contextmanager
def opened(source: Path, origin: str, lesson: str) -> Iterator[tuple[list[Upload], list[str]]]:
    """The uploads in a download, and a sentence for each path that is none of `origin`'s."""
    if origin == "git":
        yield _in_clones(source, lesson), []
        return
    with contextlib.ExitStack() as stack:
        uploads, odd = [], []
        for path, read in _files(source, stack):
            parts = [part for part in path.split("/") if part not in ("", ".")]
            if not parts or ASIDE & {*parts} or parts[-1].startswith("._"):
                continue
            if fault := _astray(path):
                odd.append(f"{plain(path, 100)} was left out: {fault}.")
                continue
            upload = (_of_moodle if origin == "moodle" else _of_canvas)(parts, read)
            if upload is None:
                said = f"{plain(path, 100)} was left out: {origin.capitalize()} names no file so."
                odd.append(said)
            elif origin == "canvas" and SECOND.search(DATE.sub("", upload.file)):
                odd.append(
                    f"{plain(path, 100)} was left out: a second number in its name may be the "
                    "learner's. If Canvas says it is by the first, take the second out of the name."
                )
            else:
                uploads.append(upload)
        yield _of_one_name(uploads, odd), odd


def _of_one_name(uploads: list[Upload], odd: list[str]) -> list[Upload]:
    """The uploads of which a number means one person; a sentence in `odd` for each other number."""
    names: dict[str, set[str]] = {}
    for upload in uploads:
        names.setdefault(upload.number, set()).add(upload.name)
    for number, two in names.items():
        if len(two) > 1:
            who = plain(" and ".join(sorted(two)), 200)
            odd.append(f"What {number} handed in was left out: the number is that of {who}.")
    return [upload for upload in uploads if len(names[upload.number]) == 1]


def _in_clones(source: Path, lesson: str) -> list[Upload]:
    """The notebooks of a lesson in a folder of repositories; their links lead nowhere."""
    found = []
    for path in sorted(source.glob(f"*/lessons/{lesson}/*.ipynb")):
        inner = path.relative_to(source)
        name = _text(inner.parts[0])
        there = (source / part for part in (inner, *inner.parents[:-1]))
        if name.isprintable() and not any(part.is_symlink() for part in there):
            read = functools.partial(_read_file, path)
            found.append(Upload(name, "", False, 0, path.name, read))
    return found


def worksheet(file: Path, zone: datetime.tzinfo | None = None) -> dict[str, Participant]:
    """Moodle's grading worksheet: each participant by the number of this assignment."""
    return {
        row["Identifier"].rpartition(" ")[2]: Participant(
            _text(row.get("Full name") or ""),
            (row.get("Email address") or "").strip().lower(),
            _time(row.get("Last modified (submission)") or "", zone),
        )
        for row in sheet(file)[1]
    }


def sheet(file: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and rows of a grading worksheet as it was downloaded, in English."""
    csv.field_size_limit(LARGEST)  # a column may hold what a learner typed into Moodle
    try:
        table = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig")))
        columns, rows = list(table.fieldnames or []), list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"{file} cannot be read as a CSV: {error}") from None
    if not {"Identifier", "Grade"} <= {*columns}:
        raise CourseError(
            f"{file} has no columns Identifier and Grade: it is Moodle's grading worksheet "
            "(View all submissions → Download grading worksheet), with Moodle set to English."
        )
    return columns, [{key: row.get(key) or "" for key in columns} for row in rows]


def _files(source: Path, stack: contextlib.ExitStack) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The path of each file in a ZIP or a folder, and what reads it."""
    if source.is_dir():
        yield from _in_folder(source)
        return
    try:
        archive = stack.enter_context(zipfile.ZipFile(source))
    except (OSError, zipfile.BadZipFile) as error:
        raise CourseError(f"{source} is no ZIP that can be read: {error}") from None
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MOST:
        raise CourseError(f"{source} has more than {MOST:,} files: it is no class's download.")
    for member in members:
        yield _text(_name(member)), functools.partial(_read_member, archive, member)


def _in_folder(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    count = 0
    for folder, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if (count := count + 1) > MOST:
                raise CourseError(f"{source} has more than {MOST:,} files: it is no download.")
            yield _text(path.relative_to(source).as_posix()), functools.partial(_read_file, path)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """What a member holds. The size in a ZIP's list may be a lie, so the reading is bounded too."""
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Unread("is a link")
    if member.flag_bits & 1:
        raise Unread("is encrypted")
    if member.file_size > LARGEST:
        raise Unread(f"has more than {LARGEST >> 20} MB")
    try:
        with archive.open(member) as file:
            return _bounded(file.read(LARGEST + 1))
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise Unread("is damaged in the ZIP") from None


def _read_file(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        raise Unread("is a link or cannot be read") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Unread("is no plain file")
    with open(fd, "rb") as file:
        return _bounded(file.read(LARGEST + 1))


def _bounded(text: bytes) -> bytes:
    if len(text) > LARGEST:
        raise Unread(f"has more than {LARGEST >> 20} MB")
    return text


def _name(member: zipfile.ZipInfo) -> str:
    """A member's path. Without the flag for UTF-8, Python takes it for the PC's old encoding."""
    if not member.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            return member.filename.encode("cp437").decode("utf-8")
    return member.filename


def _text(name: str) -> str:
    """A name with its accents in one piece; a Mac's files have them in two."""
    return unicodedata.normalize("NFC", name)


def _astray(path: str) -> str:
    """Why a path is not to be trusted; "" where it is."""
    if not path.isprintable():
        return "its name has signs that no name has"
    if path.startswith("/") or "\\" in path or re.match(r"[A-Za-z]:", path):
        return "its path leads out of the download"
    if ".." in path.split("/"):
        return "its path leads out of the download"
    return ""


def _of_moodle(parts: list[str], read: Callable[[], bytes]) -> Upload | None:
    for place, part in enumerate(parts):
        if match := MOODLE.fullmatch(part):
            last = place == len(parts) - 1
            file = match["file"] if last else "/".join(parts[place + 1 :])
            return Upload(match["name"].strip(), match["number"], False, 0, file, read)
    return None


def _of_canvas(parts: list[str], read: Callable[[], bytes]) -> Upload | None:
    match = CANVAS.fullmatch(parts[-1])
    if match is None:
        return None
    file = match["file"] or f"{match['text']}.html"
    upload, late = int(match["upload"] or 0), match["late"] is not None
    return Upload(match["name"] or "", match["number"], late, upload, file, read)


def _time(text: str, zone: datetime.tzinfo | None) -> datetime.datetime | None:
    """When, as Moodle writes it ("Friday, 4 September 2026, 9:00 PM"): it names no zone."""
    with contextlib.suppress(Exception):  # whatever such a text makes dateutil raise
        return utc(parse_utc(text), zone)
    return None
