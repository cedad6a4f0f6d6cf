"""Without namespaces, `--isolation uid`: what does another account stop, and what does it not?

It needs root, a course and a Python that other accounts can read. The course is copied to where
they can; where this test's own Python lies in a closed folder, the system's stands in for it, with
this one's packages.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

import classroom
from attacked import ATTACKS, HONEST, SECRET, Graded, attacked, name_of
from attacks import CODE
from classroom import LESSON
from grader.errors import Unavailable
from grader.isolation import account
from grader.paths import ROOT
from project import copied

pytestmark = [
    pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root"),
    pytest.mark.slow(minutes=2),
    pytest.mark.xdist_group("account"),
]


@pytest.fixture(scope="module")
def course() -> Iterator[Path]:
    """A copy of the course in a folder that all accounts may enter."""
    with tempfile.TemporaryDirectory(prefix="dropout-test-") as folder:
        Path(folder).chmod(0o755)
        yield copied(Path(folder) / "course")


@pytest.fixture(scope="module")
def python(course: Path) -> str:
    """A Python that all accounts can read."""
    packages = sysconfig.get_path("purelib")
    needed = [sys.base_prefix, sys.prefix, packages]
    if not any(map(closed, needed)):
        return sys.executable
    system = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    if not os.path.exists(system) or closed(packages):
        pytest.skip("no Python here that other accounts can read")
    place = course.parent / "python"
    subprocess.run([system, "-m", "venv", "--without-pip", place], check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    path = place / "lib" / version / "site-packages" / "others.pth"
    path.write_text(os.path.realpath(packages) + "\n", encoding="utf-8")
    return str(place / "bin" / "python")


def closed(path: str) -> bool:
    """Whether other accounts cannot get at a folder."""
    real = Path(os.path.realpath(path))
    return any(not folder.stat().st_mode & 0o001 for folder in (real, *real.parents))


def grade(course: Path, python: str) -> Callable[..., list[dict]]:
    """The command that grades a class in the copy, under other accounts."""

    def rows(place: Path, *options: str) -> list[dict]:
        file, before = place / "rows.json", (ROOT / "solutions").stat().st_mode
        # -P: else the folder where the tests were started would come before the copy.
        command = [python, "-P", "-c", classroom.RUN, "autograde", "00", "--course", str(place)]
        env = {**os.environ, "PYTHONPATH": f"{course}:{course / 'lessons'}"}
        words = ["--isolation", "uid", "--json", str(file), *options]
        done = subprocess.run(
            [*command, *words], env=env, cwd=course, capture_output=True, text=True
        )
        assert (ROOT / "solutions").stat().st_mode == before, "the tests' own course was closed"
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(file.read_text(encoding="utf-8"))

    return rows


@pytest.fixture(scope="module")
def bare(course: Path) -> Path:
    """Another copy, whose players go without Landlock, as on a kernel that has none."""
    own = copied(course.parent / "bare")
    file = own / Path(account.__file__).relative_to(ROOT)
    text = file.read_text(encoding="utf-8")
    assert "    if landlocked():" in text
    file.write_text(text.replace("    if landlocked():", "    if False:"), encoding="utf-8")
    return own


@pytest.fixture(
    scope="module",
    params=["course", pytest.param("bare", marks=pytest.mark.long("a second class of attacks"))],
)
def graded(request: pytest.FixtureRequest, course: Path, python: str) -> Graded:
    """The class of attackers, graded under other accounts, with and without Landlock."""
    own = request.getfixturevalue(request.param)
    place = course.parent / f"class-{request.param}"
    place.mkdir()
    return attacked(place, grade(own, python), own)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_earns_nothing(graded: Graded, attack: str):
    """Is the score 0, in every row?"""
    rows = [row for row in graded.rows if row["learner"] == name_of(attack)]
    assert rows and not any(row["points"] for row in rows), rows


@pytest.mark.parametrize("learner", HONEST)
def test_class_mates_keep_their_scores(graded: Graded, learner: str):
    """Do honest learners among attackers get exactly what their answers are worth?"""
    points = [row["points"] or 0 for row in graded.rows if row["learner"] == learner]
    assert sum(points) == HONEST[learner][1]


def test_nothing_is_written_reached_or_left(graded: Graded):
    """Are files as they were, nobody through the door, and no process left?"""
    assert graded.changed == graded.reached == graded.left == []
    assert not [*graded.place.rglob("OWNED")]
    assert not [*Path(tempfile.gettempdir()).glob("dropout-player-*")]


@pytest.mark.parametrize("attack", CODE)
def test_nothing_leaks(graded: Graded, attack: str):
    """Does what an attack shows hold no secret, no answer and no check?"""
    path = graded.place / "autograded" / name_of(attack) / LESSON.name / f"{LESSON.name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    shown = json.dumps([c.get("outputs", []) for c in notebook.cells if c.id == "scale"])
    hidden = [SECRET, "Marking guide", "divided by factor", "expect.close(", "return factor * x"]
    assert not [words for words in hidden if words in shown]
    # To "everybody" the kernel says yes also where it may tell nobody: class-mates are looked at.
    assert "REACHED" not in shown and "KILLED" not in shown.replace("KILLED -1\\n", "")


def test_each_report_says_that_less_is_promised(graded: Graded):
    """Is it in every learner's page, and in the notes of the graded notebook?"""
    for learner in HONEST:
        for kind, suffix in (("feedback", "html"), ("autograded", "ipynb")):
            file = graded.place / kind / learner / LESSON.name / f"{LESSON.name}.{suffix}"
            assert "promises less than the sandbox" in file.read_text(encoding="utf-8"), file


LOOK = """
import os, sys
def tried(call):
    try:
        call()
    except OSError as error:
        return type(error).__name__
    return "allowed"
print("uid", os.getresuid(), "groups", os.getgroups())
for name in ({closed}):
    print(name, tried(lambda: os.listdir(name) if os.path.isdir(name) else open(name).read()))
print("home", tried(lambda: open("mine", "w").write("x")))
print("fork", tried(os.fork), "root", tried(lambda: os.setuid(0)))
written = tried(lambda: open("/tmp/dropout-elsewhere", "w"))
print("elsewhere", written, tried(lambda: os.listdir("/proc")))
"""


@pytest.mark.parametrize(
    ("which", "elsewhere"), [("course", "PermissionError"), ("bare", "allowed")]
)
def test_a_player_is_nobody(
    which: str, elsewhere: str, python: str, request: pytest.FixtureRequest
):
    """Is it without rights and groups, before closed doors, and does Landlock keep it at home?"""
    course = request.getfixturevalue(which)
    closed = [course / "solutions", course / "grader", course / "lessons/dropoutlab/bugs.py"]
    names = ", ".join(repr(str(path)) for path in closed)
    script = f"""
from pathlib import Path
from grader.isolation.confinement import Limits
from grader.isolation.forks import Players
from grader.isolation.outputs import run_cell
from grader.isolation.session import Session
root = Path({str(course)!r})
players = Players(root, hidden=[root], limits=Limits(), isolation="uid")
session = Session(players)
for output in run_cell({LOOK.format(closed=names)!r}, session):
    print(output.get("text", output.get("evalue")))
session.close(); players.close()
"""
    env = {**os.environ, "PYTHONPATH": f"{course}:{course / 'lessons'}"}
    done = subprocess.run([python, "-P", "-c", script], env=env, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    number = int(lines[0].split("(")[1].split(",")[0])
    assert lines[0] == f"uid ({number}, {number}, {number}) groups []"
    assert account.FIRST <= number < account.FIRST + account.SPAN
    assert [line.split()[-1] for line in lines[1:4]] == ["PermissionError"] * 3
    assert lines[4] == "home allowed" and lines[5] == "fork PermissionError root PermissionError"
    Path("/tmp/dropout-elsewhere").unlink(missing_ok=True)
    assert lines[6] == f"elsewhere {elsewhere} {elsewhere}"


DEEP = """
import os
at = os.open(".", os.O_RDONLY)
for _ in range(3000):
    os.mkdir("d", dir_fd=at)
    inner = os.open("d", os.O_RDONLY, dir_fd=at)
    os.close(at)
    at = inner
print(os.getcwd())
"""


def test_a_home_however_deep_is_removed(python: str, course: Path):
    """Is it gone with its player, and can the next player be started?"""
    script = f"""
import os
from pathlib import Path
from grader.isolation.confinement import Limits
from grader.isolation.forks import Players
from grader.isolation.outputs import run_cell
from grader.isolation.session import Session
root = Path({str(course)!r})
players = Players(root, hidden=[root], limits=Limits(), isolation="uid")
session = Session(players)
(output,) = run_cell({DEEP!r}, session)
session.close()
Session(players).close()
print(os.path.exists(output["text"].strip()), output["text"])
players.close()
"""
    env = {**os.environ, "PYTHONPATH": f"{course}:{course / 'lessons'}"}
    done = subprocess.run([python, "-P", "-c", script], env=env, capture_output=True, text=True)
    assert done.stdout.startswith("False /"), done.stdout + done.stderr


def test_without_root_it_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Does nothing run where this process cannot become another account?"""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match="needs root"):
        account.prepare(tmp_path, [])


def test_what_cannot_be_closed_is_refused(monkeypatch: pytest.MonkeyPatch, course: Path):
    """Does nothing run where another account could read the answers?"""
    small = course.parent / "small"
    (small / "lessons" / "dropoutlab").mkdir(parents=True)
    (small / "solutions").mkdir()
    monkeypatch.setattr(account, "seen", lambda root: [])
    account.prepare(small, [small])
    assert (small / "solutions").stat().st_mode & 0o077 == 0
    (small / "solutions").chmod(0o755)
    monkeypatch.setattr(os, "chmod", lambda *_: None)  # as where the disk does not heed it
    with pytest.raises(Unavailable, match="cannot be closed"):
        account.prepare(small, [small])
