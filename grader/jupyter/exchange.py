"""nbgrader's exchange where learners share a machine: `collect` believes nothing it finds there.

All may write in the exchange's `inbound`, so a learner can leave anything there, under any name.
"""

from __future__ import annotations

import datetime
import itertools
import os
import pwd
import re
import secrets
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import ExchangeCollect
from nbgrader.utils import ignore_patterns

from grader.course import CHANGED, SECRET, STAMP
from grader.grading.folders import SHORT, owner, time_in
from grader.isolation.text import plain

OURS = {STAMP, SECRET, CHANGED}
TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{6})?)(?: UTC)?", re.ASCII)
"""When a submission was handed in, as nbgrader's Submit writes it."""
SLACK = datetime.timedelta(minutes=10)
"""How long after that time Submit may still be writing."""
DEEPEST = 8
"""Folders within one another that are copied of a submission, at most."""
MOST = 1_000
"""Files and folders that are copied, at most."""
LISTED = 20_000
"""Names of one folder that are read, at most."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Collect(ExchangeCollect):
    """Collect what learners handed in themselves.

    nbgrader only warns of a submission that another than its learner has put there, stops at a
    name that it cannot read, and follows links with the instructor's rights. Here nothing that
    lies in one folder ends the collecting of another.
    """

    src_records: list[dict[str, Any]]
    faults: list[str]
    """A sentence for each submission that could not be collected."""

    def init_src(self) -> None:
        """Find each learner's last submission; leave what is no submission of the one it names."""
        super().init_src()
        self.src_records = [record for record in self.src_records if record["username"]]

    def _path_to_record(self, path: str) -> dict[str, Any]:
        """Whose submission a folder is, and of when; nobody's, where that cannot be told."""
        name = os.path.basename(path)
        learner, _, time = [*name.rsplit("+", 3), "", "", ""][:3]
        try:
            written = TIME.fullmatch(time) if owner(Path(path)) == learner else None
            if written and os.access(path, os.R_OK | os.X_OK):
                when = datetime.datetime.fromisoformat(written[1])
                uid = pwd.getpwnam(learner).pw_uid
                return {"username": learner, "filename": name, "timestamp": when, "uid": uid}
        except ValueError:
            pass
        self.log.warning(
            "%s is left: it is no submission of the learner it names.", plain(path, 300)
        )
        return {"username": "", "filename": name, "timestamp": datetime.datetime.min}

    def copy_files(self) -> None:
        """Take each submission that is new; whatever goes wrong with one costs no other."""
        self.faults = []
        if not self.src_records:
            super().copy_files()  # it warns
        for record in self.src_records:
            learner, lesson = record["username"], self.coursedir.assignment_id
            try:
                self._take(record)
            except Exception as error:  # such as a folder that is renamed meanwhile
                why = plain(f"{type(error).__name__}: {error}", 300)
                self.faults.append(f"{learner}, {lesson}: not collected: {why}")
                self.log.warning("%s", self.faults[-1])

    def _take(self, record: dict[str, Any]) -> None:
        """Take a learner's submission in place of an earlier one, whole or not at all."""
        learner, lesson = record["username"], self.coursedir.assignment_id
        pattern = self.coursedir.submitted_directory
        place = Path(self.coursedir.format_path(pattern, learner, lesson))
        if place.is_dir():
            before, _ = time_in(place)
            newer = self.update and (before is None or record["timestamp"] > before)
            if not newer and not (self.before_duedate and record["timestamp"] != before):
                return
        self.log.info("Collecting submission: %s %s", learner, lesson)
        new, old = (place.with_name(f".{lesson}.{secrets.token_hex(4)}") for _ in range(2))
        try:
            self._copy(Path(self.inbound_path, record["filename"]), new, record)
            if place.is_dir():
                place.rename(old)
            new.rename(place)
        finally:
            for left in (new, old):
                shutil.rmtree(left, ignore_errors=True)

    def _copy(self, source: Path, new: Path, record: dict[str, Any]) -> None:
        """Copy the learner's own files; links and what else may lie there are left out.

        Each folder and file is opened in the one that was opened before, and looked at once it is
        open: a learner who swaps it for a link meanwhile gains nothing.
        """
        new.mkdir(parents=True)
        # nbgrader returns feedback to nobody without both, and stops at a time that is none.
        (new / STAMP).write_text(_written(record["timestamp"]), encoding="utf-8")
        room = _Room(record["uid"], self.coursedir.max_dir_size * 1000)
        top = os.open(source, FOLDER)
        try:
            if os.fstat(top).st_uid != room.uid:
                raise ExchangeError("the folder is another's now")
            secret = _read(SECRET, top, _Room(room.uid, SHORT)) or b""
            if not secret.isalnum():
                secret = secrets.token_hex(64).encode()
            (new / SECRET).write_bytes(secret)
            self._copy_folder(top, source, new, room)
            last = max(room.changed, os.fstat(top).st_ctime)
        finally:
            os.close(top)
        when = datetime.datetime.fromtimestamp(last, datetime.UTC).replace(tzinfo=None)
        if when - record["timestamp"] > SLACK:
            (new / STAMP).write_text(_written(when), encoding="utf-8")
            said = (
                f"handed in as of {record['timestamp']} UTC, but changed at {when} UTC: that counts"
            )
            (new / CHANGED).write_text(said, encoding="utf-8")
            self.log.warning("%s, %s: %s.", record["username"], self.coursedir.assignment_id, said)

    def _copy_folder(
        self, opened: int, place: Path, copy: Path, room: _Room, depth: int = 0
    ) -> None:
        """Copy what is in an open folder into the folder `copy`, as far as there is room."""
        ignored = ignore_patterns(
            self.coursedir.ignore, self.coursedir.include, self.coursedir.max_file_size, self.log
        )
        for name in _names(opened):
            if (not depth and name in OURS) or ignored(str(place), [name]):
                continue
            if room.entries == 0:
                self.log.warning("%s: the rest is left out.", plain(str(place), 300))
                break
            room.entries -= 1
            if (content := _read(name, opened, room)) is not None:
                room.bytes -= len(content)
                (copy / name).write_bytes(content)
            elif depth < DEEPEST and (folder := _folder(name, opened)) is not None:
                try:
                    (copy / name).mkdir()
                    self._copy_folder(folder, place / name, copy / name, room, depth + 1)
                finally:
                    os.close(folder)
            else:
                self.log.warning("%s is left out.", plain(str(place / name), 300))


@dataclass
class _Room:
    """What may still be copied of a submission."""

    uid: int
    """Whose files."""
    bytes: int
    entries: int = MOST
    changed: float = 0
    """When one of them was changed last, which no learner can set."""


def _written(when: datetime.datetime) -> str:
    """A time in UTC as nbgrader's Submit writes it."""
    return f"{when.isoformat(' ', 'microseconds')} UTC"


def _names(opened: int) -> list[str]:
    """What is in an open folder: notebooks first, folders last."""
    with os.scandir(opened) as entries:
        found = [
            (entry.is_dir(follow_symlinks=False), not entry.name.endswith(".ipynb"), entry.name)
            for entry in itertools.islice(entries, LISTED)
        ]
    return [name for *_, name in sorted(found)]


def _folder(name: str, within: int) -> int | None:
    """A folder in an open one, opened; None for anything else."""
    try:
        return os.open(name, FOLDER, dir_fd=within)
    except OSError:
        return None


def _read(name: str, within: int, room: _Room) -> bytes | None:
    """What a plain file in an open folder holds, of the one owner; None where there is no room."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=within)
    except OSError:
        return None
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != room.uid or about.st_size > room.bytes:
        os.close(file)
        return None
    room.changed = max(room.changed, about.st_ctime)
    with open(file, "rb") as content:
        return content.read(about.st_size)
