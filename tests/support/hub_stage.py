"""A stage for `python3 grader hub`: a machine of its own, as far as accounts and files go.

The hub runs as root in a mount and a process namespace. There /etc is a copy, /home is the
stage's own and the course lies in /srv/dropout: the machine's accounts and files are never
touched. The network is the machine's, so a browser reaches the hub.
"""

from __future__ import annotations

import csv
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

import curriculum
import ran
from grader import environment, hub
from grader.paths import ROOT
from project import copied, heeds_interrupts, leave

COURSE = Path("/srv/dropout")
"""Where the course lies on the stage."""
TEACHER = "teacher"
LESSONS = ("00_start_here", "11_bernoulli_masks")
SUPPORT = ("classroom", "hub_stage", "lab_server", "project")
RESTS_ON = ran.rests_on_hub(
    [lesson for lesson in curriculum.LESSONS if lesson.name in LESSONS],
    [ROOT / "tests" / "conftest.py", *sorted((ROOT / "tests" / "hub").glob("*.py")),
     *(ROOT / "tests" / "support" / f"{name}.py" for name in SUPPORT)],
)  # fmt: skip
"""The mark of all tests of a class on a hub."""
MOUNTS = """
set -e
[ -e {place}/etc ] || cp -a /etc {place}/etc
mkdir -p {place}/home
mount --bind {place}/etc /etc
mount --bind {place}/home /home
mount -t tmpfs -o mode=755 none /srv
mkdir /srv/dropout
mount --bind {place}/course /srv/dropout
"""
UNCOVER = """
mkdir -p {kept}
mount --bind {folder} {kept}
"""
COVER = """
mount -t tmpfs -o mode=755 none {closed}
"""
BIND = """
mkdir -p {folder}
mount --bind {kept} {folder}
"""
HIDDEN = [
    *("setpriv", "--pdeathsig", "KILL"),  # a stage does not outlive its test
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork"),
    *("--mount-proc", "--kill-child"),
]


def possible() -> None:
    """Skip the test where no stage can be made; in CI, fail."""
    tried = subprocess.run([*HIDDEN, "true"], capture_output=True, text=True)
    if tried.returncode or shutil.which("useradd") is None:
        said = f"a stage for the hub needs root, namespaces and useradd: {tried.stderr.strip()}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(said)


class Stage:
    """A hub with `TEACHER` and some learners; a context manager that ends all of it."""

    def __init__(self, place: Path, learners: list[str], *options: str):
        """The course on the stage has the first two lessons, so that it is built at once."""
        possible()
        environment.add("hub")
        hub.install_proxy()
        self.place, self.learners, self.options = place, learners, options
        self.teacher = TEACHER
        self.course = copied(place / "course")
        leave(self.course, *LESSONS)
        shutil.copytree(hub.PROXY, self.course / ".hub" / "proxy", symlinks=True)
        self.enrol(*learners)
        self.log = place / "hub.log"
        self.port = _free()
        self.url = f"http://127.0.0.1:{self.port}"
        (place / "stage.sh").write_text(_script(place), encoding="utf-8")

    def __enter__(self) -> Stage:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # and with it everything in its namespace
        self.process.wait(timeout=30)

    def enrol(self, *learners: str) -> None:
        """Write the list of learners that the next start reads."""
        (self.course / "learners.txt").write_text("\n".join(learners) + "\n", encoding="utf-8")

    def command(self) -> list[str]:
        """What starts the hub, on the stage."""
        return [
            sys.executable, str(COURSE / "grader"), "hub", "--port", str(self.port),
            "--learners", str(COURSE / "learners.txt"), "--instructor", self.teacher, *self.options,
        ]  # fmt: skip

    def start(self) -> None:
        """Start the hub and return when it shows the sign-in page."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*HIDDEN, "sh", str(self.place / "stage.sh"), *self.command()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd="/", start_new_session=True, preexec_fn=heeds_interrupts,
            )  # fmt: skip
        for _ in range(1800):
            try:
                if requests.get(f"{self.url}/hub/login", timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)  # between two questions, not in place of an answer
        self.__exit__()
        pytest.fail(f"the hub did not start:\n{self.log.read_text()}")

    def interrupt(self) -> int:
        """Press Ctrl-C; the exit status of the hub."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=60)

    def run(self, name: str, *command: str, **options) -> subprocess.CompletedProcess[str]:
        """Run a command on the stage as this account, in its home."""
        first = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        enter = ["nsenter", "--target", first.split()[0], "--mount", "--pid"]
        return subprocess.run(
            [*enter, "runuser", "--login", name, "--command", shlex.join(command)],
            capture_output=True, text=True, timeout=300, **options,
        )  # fmt: skip

    def password(self, name: str) -> str:
        """The first password of an account."""
        with (self.course / ".hub/state/passwords.csv").open(newline="") as file:
            return dict(csv.reader(file))[name]

    def sign_in(self, name: str) -> User:
        """A session in which this user has signed in; their server is not started yet."""
        user = User(self, name)
        user.get("/hub/login")
        answer = user.post("/hub/login", {"username": name, "password": self.password(name)})
        assert answer.ok, f"{name} cannot sign in: {answer.status_code} {answer.text[-500:]}"
        return user


class User(requests.Session):
    """A user's session over HTTP: paths such as /hub/home or, of their server, `own`.

    It answers for XSRF as a page in a browser does. A path is taken as it is given, so that an
    attacker's session may ask for anything.
    """

    def __init__(self, stage: Stage, name: str):
        super().__init__()
        self.stage, self.name = stage, name

    def request(self, method: str, url: str, *args, **options) -> requests.Response:
        """As in requests; a path is one of the hub's address."""
        if url.startswith("/"):
            headers = dict(options.pop("headers", None) or {})
            if token := self._xsrf(url):
                headers.setdefault("X-XSRFToken", token)
            options["headers"] = headers
            url = self.stage.url + url
        options.setdefault("timeout", 120)
        return super().request(method, url, *args, **options)

    def _xsrf(self, path: str) -> str | None:
        """The token that was set for the part of the site where the path is."""
        fitting = [c for c in self.cookies if c.name == "_xsrf" and path.startswith(c.path)]
        return max(fitting, key=lambda c: len(c.path)).value if fitting else None

    def own(self, path: str) -> str:
        """A path of this user's own server: `own("api/contents")`."""
        return f"/user/{self.name}/{path}"

    def start(self) -> None:
        """Start this user's server, wait for it and sign in to it."""
        server = f"/hub/api/users/{self.name}/server"
        started = self.post(server)
        begun = started.status_code in (201, 202) or "already running" in started.text
        assert begun, started.text  # signing in, too, starts it
        with self.get(f"{server}/progress", stream=True, timeout=300) as events:
            said = [line for line in events.iter_lines(decode_unicode=True) if line]
        assert '"ready": true' in said[-1], said
        opened = self.get(self.own("lab"))
        assert opened.ok, opened.text


def _free() -> int:
    """A port that is free together with the two that the hub takes besides."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        others = [socket.socket() for _ in range(2)]
        try:
            for other, far in zip(others, (1, 81), strict=True):
                other.bind(("127.0.0.1", port + far))
            return port
        except (OSError, OverflowError):
            continue
        finally:
            for other in others:
                other.close()


def _script(place: Path) -> str:
    """The shell script that sets the stage and runs the command that it is given.

    Where this Python lies in a folder that only root may enter, such as /root, that folder is
    covered by an open one in which nothing but the Python is left.
    """
    needed = list(dict.fromkeys(map(os.path.realpath, (sys.base_prefix, sys.prefix))))
    closed = {folder: _closed(Path(folder)) for folder in needed}
    kept = {
        folder: {"folder": shlex.quote(folder), "kept": shlex.quote(f"{place}/kept{number}")}
        for number, folder in enumerate(needed)
        if closed[folder]
    }
    lines = [MOUNTS.format(place=shlex.quote(str(place)))]
    lines += [UNCOVER.format(**names) for names in kept.values()]
    lines += [COVER.format(closed=shlex.quote(str(one))) for one in {*closed.values()} - {None}]
    lines += [BIND.format(**names) for names in kept.values()]
    return "".join([*lines, 'set +e\n"$@"\nexit $?\n'])


def _closed(folder: Path) -> Path | None:
    """The outermost folder on the way that others may not enter."""
    for parent in reversed([folder, *folder.parents]):
        if not parent.stat().st_mode & 0o001:
            return parent
    return None
