"""What root does at the start of a hub, where others may have laid something in its way.

`daemon` and `nobody` stand for people who have an account on the machine.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grader import hub
from grader.errors import CourseError
from grader.hub import accounts, folders
from grader.paths import ROOT

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="the owners of files are root's to set"
)
TEACHER, STRANGER = "daemon", "nobody"
# What a command of an account's sees of whoever started it, from within root's terminal.
LOOK = "(: </dev/tty) 2>/dev/null && echo reaches the terminal; ls -l /proc/self/fd; env"
STARTED = """
import subprocess, sys
from grader.hub import accounts
subprocess.run(["sh", "-c", sys.argv[1]])
print("-- and as the account:", flush=True)
print(accounts.run("nobody", ["sh", "-c", sys.argv[1]]).stdout)
"""


def about(path: Path) -> tuple[str, int]:
    """Owner and mode of a file, of the link itself where it is one."""
    found = path.lstat()
    return pwd.getpwuid(found.st_uid).pw_name, found.st_mode & 0o7777


@pytest.fixture
def exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the exchange will be."""
    monkeypatch.setattr(hub, "EXCHANGE", tmp_path / "exchange")
    return tmp_path / "exchange"


def theirs(path: Path) -> None:
    """A folder of somebody else's, with something in it."""
    path.mkdir()
    (path / "kept").touch()
    os.chown(path, pwd.getpwnam(STRANGER).pw_uid, -1)


def test_nobody_enters_the_exchange_before_its_folders_are_there(
    exchange: Path, monkeypatch: pytest.MonkeyPatch
):
    """Is the exchange closed to all until the course's folders in it are the instructor's?"""
    seen = []
    mkdir = os.mkdir

    def watched(name: str, *args, **options) -> None:
        mkdir(name, *args, **options)
        seen.append((name, about(exchange)))

    monkeypatch.setattr(os, "mkdir", watched)
    hub._open_exchange(TEACHER)
    assert [name for name, _ in seen[1:]] == ["dropout", "inbound", "outbound", "feedback"]
    assert {found for _, found in seen} == {("root", 0o700)}
    assert about(exchange) == ("root", 0o1777)
    made = {path.name: about(path) for path in (exchange / "dropout").iterdir()}
    assert made == {
        "inbound": (TEACHER, 0o3733),
        "outbound": (TEACHER, 0o755),
        "feedback": (TEACHER, 0o711),
    }


@pytest.mark.parametrize("name", ["", "dropout", "dropout/inbound", "dropout/feedback"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_link_is_not_followed(exchange: Path, tmp_path: Path, name: str, kind: str):
    """Is a link in place of any folder refused, with a remedy, and its target left as it is?"""
    hub._open_exchange(TEACHER)
    aim, place = tmp_path / "aim", exchange / name
    aim.mkdir(mode=0o750)
    place.rename(tmp_path / "moved")
    place.symlink_to(aim) if kind == "link" else place.touch()
    with pytest.raises(CourseError, match=f"{place} is a link or a file .*`rm {place}`"):
        hub._open_exchange(TEACHER)
    assert about(aim) == ("root", 0o750) and not list(aim.iterdir())


@pytest.mark.parametrize("name", ["", "dropout", "dropout/inbound", "dropout/outbound"])
def test_a_strangers_folder_is_not_taken(exchange: Path, tmp_path: Path, name: str):
    """Is a folder that somebody else has made first refused, and does the remedy help?"""
    hub._open_exchange(TEACHER)
    place = exchange / name
    place.rename(tmp_path / "moved")
    theirs(place)
    with pytest.raises(CourseError, match=f"{place} belongs to {STRANGER}") as refused:
        hub._open_exchange(TEACHER)
    assert about(place)[0] == STRANGER
    subprocess.run(["sh", "-c", str(refused.value).split("`")[1]], check=True)
    hub._open_exchange(TEACHER)
    assert (place / "kept").exists()


def test_a_folder_is_not_swapped_on_the_way(tmp_path: Path):
    """Does root make a folder where it has looked, though the one around it is a link by now?"""
    aim, course = tmp_path / "aim", tmp_path / "dropout"
    aim.mkdir()
    with folders.opened(course, 0o755, TEACHER) as inside:
        course.rename(tmp_path / "moved")
        course.symlink_to(aim)
        with folders.opened(course / "inbound", 0o3733, TEACHER, inside):
            pass
    assert not list(aim.iterdir())
    assert about(tmp_path / "moved" / "inbound") == (TEACHER, 0o3733)


@pytest.mark.parametrize("name", ["", "requirements.txt", "grader", "grader/hub/code.py"])
@pytest.mark.parametrize("how", ["owner", "mode"])
def test_what_root_runs_is_roots_alone(tmp_path: Path, name: str, how: str):
    """Is a course refused in which another may write what root runs, and does the remedy help?"""
    course = tmp_path / "the course"
    (course / "grader" / "hub").mkdir(parents=True)
    for file in ("grader/hub/code.py", "requirements.txt"):
        (course / file).touch()
    for folder in ("lessons", ".hub/exchange/dropout/inbound/anna"):
        (course / folder).mkdir(parents=True)
        os.chown(course / folder, pwd.getpwnam(STRANGER).pw_uid, -1)
    folders.only_roots(course)
    if how == "owner":
        os.chown(course / name, pwd.getpwnam(STRANGER).pw_uid, -1)
    else:
        (course / name).chmod(0o777)
    with pytest.raises(CourseError, match="Root runs") as refused:
        folders.only_roots(course)
    subprocess.run(["sh", "-c", str(refused.value).split("`")[1]], check=True)
    folders.only_roots(course)
    assert about(course / "lessons")[0] == STRANGER, "they are left as they are"
    assert about(course / ".hub/exchange/dropout/inbound/anna")[0] == STRANGER


@pytest.mark.parametrize(("owner", "mode", "refused"), [
    (TEACHER, 0o755, True), (TEACHER, 0o1777, True), ("root", 0o777, True), ("root", 0o1777, False),
])  # fmt: skip
def test_no_folder_above_the_course_is_anothers(
    tmp_path: Path, owner: str, mode: int, refused: bool
):
    """Is a course refused that somebody could move away, to put their own in its place?"""
    above = tmp_path / "home"
    course = above / "ada" / "course"
    (course / "grader").mkdir(parents=True)
    os.chown(above, pwd.getpwnam(owner).pw_uid, -1)
    above.chmod(mode)
    if refused:
        with pytest.raises(CourseError, match=f"whoever may write to {above} can put another"):
            folders.only_roots(course)
    else:
        folders.only_roots(course)


def linked(place: Path, aim: Path) -> None:
    (place / "link").symlink_to(aim)


def linked_folder(place: Path, aim: Path) -> None:
    (place / "link").symlink_to(aim.parent)


def second_name(place: Path, aim: Path) -> None:
    (place / "name").hardlink_to(aim)


@pytest.mark.parametrize("lay", [linked, linked_folder, second_name])
def test_only_what_lies_in_a_folder_is_given(tmp_path: Path, lay: Callable[[Path, Path], None]):
    """Does a file elsewhere stay root's, though a link or a second name leads there?"""
    place, aim = tmp_path / "lessons", tmp_path / "elsewhere" / "secret"
    (place / "deep").mkdir(parents=True)
    (place / "deep" / "file").touch()
    aim.parent.mkdir()
    aim.touch()
    lay(place / "deep", aim)
    if lay is second_name:
        with pytest.raises(CourseError, match="name has another name elsewhere"):
            accounts.give(place, TEACHER)
    else:
        accounts.give(place, TEACHER)
        assert about(place / "deep" / "file")[0] == TEACHER
    assert about(place)[0] == about(place / "deep")[0] == TEACHER
    assert about(aim)[0] == about(aim.parent)[0] == "root"


def test_an_account_gets_nothing_of_roots(tmp_path: Path):
    """Is a command that runs as an account without root's terminal and environment?"""
    control, terminal = os.openpty()
    around = {**os.environ, "PYTHONPATH": str(ROOT), "SECRET": "of root's"}
    started = subprocess.Popen(
        [sys.executable, "-c", STARTED, LOOK],
        env=around, preexec_fn=lambda: os.login_tty(terminal),
    )  # fmt: skip
    os.close(terminal)
    printed = b""
    try:
        while part := os.read(control, 4096):
            printed += part
    except OSError:  # so Linux says that the terminal is left
        pass
    assert started.wait(timeout=60) == 0
    os.close(control)
    own, account = printed.decode().split("-- and as the account:")
    assert "reaches the terminal" in own and "SECRET" in own and "/dev/pts/" in own
    assert "PYTHONNOUSERSITE" in account, printed
    assert not any(word in account for word in ("reaches", "SECRET", "/dev/pts/", "PYTHONPATH"))
