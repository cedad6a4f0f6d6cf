"""nbgrader's exchange where learners share a machine: `collect` believes nothing it finds there.

All may write in the exchange's `inbound`, so a learner can leave anything there, under any name.
"""

from __future__ import annotations

import os
import pwd
import secrets
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import ExchangeCollect
from nbgrader.utils import ignore_patterns

from grader.course import SECRET, STAMP

NEEDED = {STAMP, SECRET}


class Collect(ExchangeCollect):
    """Collect what learners handed in themselves.

    nbgrader only warns of a submission that another than its learner has put there, stops at a
    name that it cannot read, and follows links with the instructor's rights.
    """

    src_records: list[dict[str, Any]]

    def init_src(self) -> None:
        """Find each learner's last submission; leave what is no submission of the one it names."""
        super().init_src()
        self.src_records = [record for record in self.src_records if record["username"]]

    def _path_to_record(self, path: str) -> dict[str, Any]:
        try:
            record = super()._path_to_record(path)
            about = os.lstat(path)
            owner = pwd.getpwuid(about.st_uid).pw_name
            opens = stat.S_ISDIR(about.st_mode) and os.access(path, os.R_OK | os.X_OK)
        except (ExchangeError, OSError, ValueError, OverflowError, KeyError):
            record, owner, opens = {"username": "", "filename": path}, None, False
        if record["username"] != owner or not opens:
            self.log.warning("%s is left: it is no submission of the learner it names.", path)
            return {"username": "", "filename": path, "timestamp": datetime.min}
        return record

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """Copy the learner's own files; links and what else may lie there are left out.

        Each file is opened in the folder that was walked, and looked at once it is open: a
        learner who swaps it for a link meanwhile gains nothing.
        """
        room = self.coursedir.max_dir_size * 1000
        ignored = ignore_patterns(
            self.coursedir.ignore, self.coursedir.include, self.coursedir.max_file_size, self.log
        )
        owner = os.lstat(src).st_uid
        for place, folders, names, opened in os.fwalk(src, follow_symlinks=False):
            copy = Path(dest, os.path.relpath(place, src))
            copy.mkdir(parents=True)
            leave = {*ignored(place, folders + names), *(NEEDED & {*folders})}
            folders[:] = [name for name in folders if name not in leave]
            for name in names:
                content = None if name in leave else _read(name, opened, owner, room)
                if content is None:
                    self.log.warning("%s is left out.", Path(place, name))
                    continue
                room -= len(content)
                (copy / name).write_bytes(content)

        # Without both, nbgrader returns feedback to nobody.
        Path(dest, STAMP).write_text(Path(src).name.rsplit("+", 3)[2], encoding="utf-8")
        secret = Path(dest, SECRET)
        if not secret.exists() or not secret.read_bytes().isalnum():
            secret.write_text(secrets.token_hex(64), encoding="utf-8")


def _read(name: str, folder: int, owner: int, room: int) -> bytes | None:
    """What a plain file of `owner` holds; None for anything else, or over `room` bytes."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    with open(file, "rb") as content:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != owner or about.st_size > room:
            return None
        return content.read(about.st_size)
