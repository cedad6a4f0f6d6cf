"""The sandbox, looked at from within: what can a player do, and what can it not?"""

from __future__ import annotations

import ctypes
import os
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.errors import Unavailable
from grader.isolation import confinement
from grader.isolation.outputs import run_cell
from grader.isolation.referee import Players, Session
from grader.paths import ROOT

WHICH = list(confinement.AUDIT).index(platform.machine())


@pytest.fixture(scope="module")
def players() -> Iterator[Players]:
    players = Players(ROOT, [ROOT], confinement.Limits(check=20, disk=1 << 20))
    yield players
    players.close()


@pytest.fixture
def run(players: Players) -> Iterator[Callable[[str], str]]:
    """Run a cell in a new player; what it printed, or the error that it ended with."""
    session = Session(players)

    def run(source: str) -> str:
        outputs = run_cell(source, session)
        return "".join(o.get("text", o.get("evalue", "")) for o in outputs)

    yield run
    session.close()


@pytest.mark.parametrize("name", confinement.REFUSED)
def test_a_refused_call_is_not_permitted(run: Callable[[str], str], name: str):
    """Does the kernel answer "not permitted" to this system call?"""
    number = confinement.REFUSED[name][WHICH]
    if number is None:
        return  # this architecture has no such call
    said = run(
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"print(libc.syscall({number}, 0, 0, 0, 0, 0, 0), ctypes.get_errno())"
    )
    assert said.split() == ["-1", "1"], said


def test_processes_are_refused_and_threads_are_not(run: Callable[[str], str]):
    """Are clone and clone3 refused for a process, and a thread made?"""
    said = run(
        "import ctypes, threading\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"print(libc.syscall({confinement.CLONE[WHICH]}, 17, 0, 0, 0, 0), ctypes.get_errno())\n"
        f"print(libc.syscall({confinement.CLONE3[WHICH]}, 0, 0), ctypes.get_errno())\n"
        "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()"
    )
    assert said.split() == ["-1", "1", "-1", "38", "thread"]


def test_torch_knows_its_processor(run: Callable[[str], str]):
    """Does half precision work, for which torch looks into /proc, which a player has not?"""
    said = run("import torch\nprint((torch.ones(2, dtype=torch.float16) / 2).tolist())")
    assert said.strip() == "[0.5, 0.5]"


def test_only_home_can_be_written(run: Callable[[str], str]):
    """Is the home folder writable up to its size, and nothing else?"""
    assert run("open('a', 'w').write('x' * 1000); print(len(open('a').read()))") == "1000\n"
    assert "No space" in run("open('b', 'wb').write(bytes(10**7))") or "too large" in run(
        "open('b', 'wb').write(bytes(10**7))"
    )
    said = run(
        "import os\n"
        "for folder, *_ in os.walk('/'):\n"
        f"    if not folder.startswith(('{confinement.HOME}', '/dev/')) and folder != '/tmp':\n"
        "        try:\n            open(folder + '/x', 'w'); print('WRITTEN', folder)\n"
        "        except OSError: pass\n"
        "    if folder.count('/') > 4: _[0].clear()"
    )
    assert "WRITTEN" not in said


def test_a_player_sees_no_course(run: Callable[[str], str]):
    """Is nothing of the course visible but dropoutlab, datasets and Python?"""
    said = run(f"import os; print(sorted(os.listdir({str(ROOT)!r})))")
    assert set(re.findall(r"'([^']+)'", said)) <= {".venv", "datasets", "lessons"}
    said = run(f"import os; print(os.listdir({str(ROOT / 'lessons')!r}))")
    assert said == "['dropoutlab']\n"


def test_a_player_is_nobody(run: Callable[[str], str]):
    """Is a player process 1 of its own, without rights, and cut off?"""
    said = run(
        "import os, ctypes, resource\n"
        "print(os.getpid(), os.getuid(), os.getgroups(), os.listdir('.'))\n"
        "print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))\n"  # PR_GET_NO_NEW_PRIVS
        "print(resource.getrlimit(resource.RLIMIT_NPROC))"
    )
    pid, uid = said.split()[:2]
    assert (pid, uid) == ("1", "1000") and said.splitlines()[1] == "1"


def test_each_player_begins_afresh(players: Players):
    """Does a player see nothing of what another one wrote, patched or left?"""
    for _ in range(2):
        session = Session(players)
        outputs = run_cell(
            "import os, numpy\nprint(os.listdir('.'), hasattr(numpy, 'left'))\n"
            "open('left', 'w').close(); numpy.left = True",
            session,
        )
        assert outputs[0].text == "[] False\n"
        session.close()


def test_a_course_that_is_reached_by_links_can_be_graded(tmp_path: Path):
    """Do players start where the course's folder is a link?"""
    link = tmp_path / "course"
    os.symlink(ROOT, link)
    seen = confinement.visible(link)
    assert str(link / "lessons" / "dropoutlab") in seen
    assert any(os.path.samefile(path, ROOT / "lessons" / "dropoutlab") for path in seen)


def test_what_must_be_hidden_and_seen_is_refused():
    """Is a folder refused that lies in what players read, with the remedy?"""
    with pytest.raises(Unavailable, match="move it elsewhere"):
        Players(ROOT, [ROOT / "datasets" / "class"], confinement.Limits())


def test_the_filter_is_for_this_machine():
    """Do the numbers of the system calls belong to this machine? (getpid, as a probe)"""
    getpid = {"x86_64": 39, "aarch64": 172}[platform.machine()]
    assert ctypes.CDLL(None).syscall(getpid) == os.getpid()
