"""The sandbox, looked at from within: what can a player do, and what can it not?"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.errors import Unavailable
from grader.isolation import confinement
from grader.isolation.forks import Players
from grader.isolation.outputs import run_cell
from grader.isolation.session import Session
from grader.paths import ROOT


@pytest.fixture(scope="module")
def players() -> Iterator[Players]:
    players = Players(ROOT, hidden=[ROOT], limits=confinement.Limits(check=20, disk=1 << 20))
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


NEEDED = {
    "threads": """
        import concurrent.futures, threading, time
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda n: (time.sleep(0.01), n)[1], range(8))) == list(range(8))
        timer = threading.Timer(0.01, lambda: None); timer.start(); timer.join()
    """,
    "torch in threads": """
        import torch
        torch.set_num_threads(2)
        x = torch.randn(600, 600, requires_grad=True)
        (x @ x).relu().sum().backward()
        assert torch.get_num_threads() == 2 and x.grad.isfinite().all()
    """,
    "torch's DataLoader": """
        import torch
        data = torch.utils.data.TensorDataset(torch.arange(10.0))
        assert len(list(torch.utils.data.DataLoader(data, batch_size=5, shuffle=True))) == 2
    """,
    "half precision, for which torch looks into /proc, which a player has not": """
        import torch
        assert (torch.ones(2, dtype=torch.float16) / 2).tolist() == [0.5, 0.5]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert (torch.ones(8, 8) @ torch.ones(8, 8))[0, 0] == 8
    """,
    "a figure in a file": """
        import os, matplotlib.pyplot as plt
        fig, ax = plt.subplots(); ax.plot([1, 2], label="p"); ax.legend(); fig.savefig("figure.png")
        assert os.path.getsize("figure.png") > 1000; plt.close(fig)
    """,
    "numbers in files": """
        import io, numpy as np, torch
        np.save("a.npy", np.arange(3)); np.savez_compressed("b", x=np.arange(3))
        assert np.load("a.npy", mmap_mode="r")[2] == np.load("b.npz")["x"][2] == 2
        torch.save({"w": torch.ones(2)}, "w.pt")
        assert torch.load("w.pt")["w"].sum() == torch.load("w.pt", mmap=True)["w"].sum() == 2
    """,
    "files and folders": """
        import gzip, os, pathlib, shutil, tarfile, tempfile, zipfile
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "text"); path.write_text("dropout"); path.chmod(0o600)
            shutil.copy2(path, path.with_suffix(".copy")); shutil.copytree(folder, "tree")
            shutil.make_archive("made", "zip", "tree"); shutil.move("tree", "moved")
            with tarfile.open("made.tar.gz", "w:gz") as tar: tar.add("moved")
            with tarfile.open("made.tar.gz") as tar: tar.extractall("out", filter="data")
        assert zipfile.ZipFile("made.zip").read("text") == b"dropout"
        with tempfile.NamedTemporaryFile() as file: file.write(b"x"); os.fsync(file.fileno())
        os.rename("moved", "again"); os.utime("again"); shutil.rmtree("again")
    """,
    "a database in memory": """
        import sqlite3
        with sqlite3.connect("file.db") as on_disk: on_disk.execute("create table t (x)")
        assert sqlite3.connect(":memory:").execute("select 1 + 1").fetchone() == (2,)
    """,
    "time and signals": """
        import os, platform, random, select, signal, time, uuid
        rung = []; signal.signal(signal.SIGALRM, lambda *a: rung.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(0.05); assert rung
        r, w = os.pipe(); os.write(w, b"x"); assert select.select([r], [], [], 1)[0]
        platform.platform(), uuid.uuid4(), random.SystemRandom().random(), os.urandom(8)
        time.process_time(), time.thread_time(), os.times(), os.cpu_count()
    """,
    "memory that is mapped": """
        import gc, mmap, resource
        room = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS); room[:4] = b"drop"
        room.madvise(mmap.MADV_DONTNEED); room.close()
        resource.getrusage(resource.RUSAGE_SELF); gc.collect()
    """,
    "an event loop": """
        import asyncio
        async def three():
            await asyncio.sleep(0.01)
            return await asyncio.get_running_loop().run_in_executor(None, lambda: 3)
        assert asyncio.run(three()) == 3
    """,
    "models and optimisers": """
        import scipy.optimize, sklearn.linear_model, numpy as np
        assert abs(scipy.optimize.brentq(lambda x: x * x - 2, 0, 2) ** 2 - 2) < 1e-9
        x = np.arange(20.0)[:, None]
        assert sklearn.linear_model.Ridge().fit(x, x[:, 0]).score(x, x[:, 0]) > 0.9
    """,
}


@pytest.mark.parametrize("name", NEEDED)
def test_what_lessons_need_runs(run: Callable[[str], str], name: str):
    """Does this work in a player?"""
    assert run(textwrap.dedent(NEEDED[name]) + "\nprint('works')").splitlines()[-1:] == ["works"]


FORBIDDEN = {
    "fork": "import os; os.fork()",
    "subprocess": "import subprocess; subprocess.run(['true'])",
    "exec": "import os; os.execv('/bin/true', ['true'])",
    "posix_spawn": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "multiprocessing": "import multiprocessing as m; m.Process(target=print).start()",
    "socket": "import socket; socket.socket()",
    "a pair of sockets": "import socket; socket.socketpair()",
    "memory that is shared": "import mmap; mmap.mmap(-1, 4096)",
    "a file in memory": "import os; os.memfd_create('x')",
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_refused_says_so(run: Callable[[str], str], name: str):
    """Does a learner read "Operation not permitted"?"""
    assert "[Errno 1] Operation not permitted" in run(FORBIDDEN[name])


def test_only_home_can_be_written(run: Callable[[str], str]):
    """Is the home folder writable up to its size, and nothing else?"""
    assert run("open('a', 'w').write('x' * 1000); print(len(open('a').read()))") == "1000\n"
    assert "No space" in run("open('b', 'wb').write(bytes(10**7))") or "too large" in run(
        "open('b', 'wb').write(bytes(10**7))"
    )
    output = run(
        "import os\n"
        "for folder, *_ in os.walk('/'):\n"
        f"    if not folder.startswith(('{confinement.HOME}', '/dev/')) and folder != '/tmp':\n"
        "        try:\n            open(folder + '/x', 'w'); print('WRITTEN', folder)\n"
        "        except OSError: pass\n"
        "    if folder.count('/') > 4: _[0].clear()"
    )
    assert "WRITTEN" not in output


def test_a_player_sees_no_course(run: Callable[[str], str]):
    """Is nothing of the course visible but dropoutlab, datasets and Python?"""
    output = run(f"import os; print(sorted(os.listdir({str(ROOT)!r})))")
    assert set(re.findall(r"'([^']+)'", output)) <= {".venv", "datasets", "lessons"}
    output = run(f"import os; print(os.listdir({str(ROOT / 'lessons')!r}))")
    assert output == "['dropoutlab']\n"


def test_a_player_is_nobody(run: Callable[[str], str]):
    """Is a player process 1 of its own, without rights, and behind a filter of system calls?"""
    output = run(
        "import os, ctypes, resource\n"
        "print(os.getpid(), os.getuid(), os.getgroups(), os.listdir('.'))\n"
        "libc = ctypes.CDLL(None)\n"
        "print(libc.prctl(39, 0, 0, 0, 0), libc.prctl(21))\n"  # no new privileges, a filter
        "print(resource.getrlimit(resource.RLIMIT_NPROC))"
    )
    pid, uid = output.split()[:2]
    assert (pid, uid) == ("1", "1000") and output.splitlines()[1] == "1 2"


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
    assert str(link / "datasets") in seen
    assert any(os.path.samefile(path, ROOT / "datasets") for path in seen)


def test_what_must_be_hidden_and_seen_is_refused():
    """Is a folder refused that lies in what players read, with the remedy?"""
    with pytest.raises(Unavailable, match="move it elsewhere"):
        Players(ROOT, hidden=[ROOT / "datasets" / "class"], limits=confinement.Limits())
