"""Folders that root makes where others may write: no link is followed, no stranger's is taken."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from grader.errors import CourseError


@contextlib.contextmanager
def opened(
    place: Path, mode: int | None = None, owner: str = "root", inside: int | None = None
) -> Iterator[int]:
    """The descriptor of a folder, which is made where it is missing; it becomes the owner's.

    `inside` is the descriptor of the folder around it: whoever swaps one of them for a link
    meanwhile gains nothing. A link is refused, and a folder of anybody but root and the owner.
    """
    name = str(place) if inside is None else place.name
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=inside)
    try:
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=inside)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        raise CourseError(
            f"{place} is a link or a file where a folder of the course's should be. Look who put "
            f"it there (`ls -l {place}`), remove it (`rm {place}`), and start again."
        ) from None
    try:
        account = pwd.getpwnam(owner)
        if (found := os.fstat(folder).st_uid) not in (0, account.pw_uid):
            raise CourseError(_strangers(place, found, owner))
        os.fchown(folder, account.pw_uid, account.pw_gid)
        if mode is not None:
            os.fchmod(folder, mode)
        yield folder
    finally:
        os.close(folder)


def only_roots(course: Path) -> None:
    """Refuse a course of which others than root may write what root runs, or put another there."""
    for above in course.resolve().parents:
        if _open(above) and (above.stat().st_uid != 0 or not above.stat().st_mode & stat.S_ISVTX):
            raise CourseError(
                f"Root runs what lies in {course}, and whoever may write to {above} can put "
                "another folder in its place: move it to where root alone may write, such as /srv."
            )
    the_class = {"lessons", "solutions", ".course", ".hub"}  # the start settles whose these are
    tops = {path for path in course.iterdir() if path.name not in the_class}
    faulty = {path for path in tops if _open(path)}
    if any(map(_open, (course / "grader").rglob("*"))):
        faulty.add(course / "grader")
    place = shlex.quote(str(course))
    orders = [f"chown root: {place} && chmod go-w {place}"] if _open(course) else []
    if faulty:
        names = " ".join(sorted(map(shlex.quote, map(str, faulty))))
        orders.append(f"chown -hR root: {names} && chmod -R go-w {names}")
    if orders:
        raise CourseError(
            f"Root runs what lies in {course}, and others may write there: "
            f"`{' && '.join(orders)}`. Then start again."
        )


def _open(path: Path) -> bool:
    """Whether anybody but root may write to a file; that of a link does not matter."""
    about = path.lstat()
    if stat.S_ISLNK(about.st_mode):
        return about.st_uid != 0
    writable = about.st_mode & (0o002 if about.st_gid == 0 else 0o022)
    return about.st_uid != 0 or bool(writable)


def _strangers(place: Path, uid: int, owner: str) -> str:
    try:
        found = pwd.getpwuid(uid).pw_name
    except KeyError:
        found = str(uid)
    return (
        f"{place} belongs to {found}, who is not {owner}. If {found} taught before, hand it over: "
        f"`chown -hR --from={found} {owner} {place}`. Otherwise look into it and move it away. "
        "Then start again."
    )
