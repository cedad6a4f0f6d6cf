"""Find a Python that holds the course's packages, or make one in `.venv`, and go on in it.

Runs under any Python from 3.11 with nothing installed, so it imports the standard library only.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two first starts at once are left to luck
    fcntl = None  # type: ignore[assignment]

POSIX = os.name == "posix"
ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements.txt"
LISTS = {  # of what only some commands need, see `add`
    "tests": ROOT / "tests" / "requirements.txt",
    "hub": ROOT / "grader" / "hub" / "requirements.txt",
    "website": ROOT / "grader" / "website" / "requirements.txt",
    "cluster": ROOT / "grader" / "grading" / "cluster-requirements.txt",
    "postgresql": ROOT / "grader" / "grading" / "postgresql-requirements.txt",
}
BARE = {"gpu": ("torch", "triton", "numpy", "scipy", "matplotlib", "scikit-learn", "tqdm")}
"""Commands that a Python runs which holds these packages, of any version, and no others."""
VENV = ROOT / ".venv"
PYTHON = VENV / ("bin/python" if POSIX else "Scripts/python.exe")
STAMP = VENV / "course-stamp"
LOCK = ROOT / ".course" / "environment.lock"
FOLDERS = [ROOT, ROOT / "lessons"]  # they hold the packages `grader` and `dropoutlab`
# Of the file that puts both on the path of `.venv`. On a hub, lessons/ is the instructor's, and
# what root runs there (this command, pip, JupyterHub) must import nothing that they write.
LESSONS_LINE = (
    "import os, sys; p = os.path.join(os.path.dirname(sys.prefix), 'lessons'); "
    "sys.path += [p] if os.path.isdir(p) and (os.stat(p).st_uid == 0 or os.geteuid()) else []"
)
KIND = sys.implementation.cache_tag  # such as cpython-312: packages fit no other kind
GIGABYTES = 3  # of disk, measured with a CPU build of torch

AGAIN = "Run the same command again: it goes on from there."
# A configuration that installs for the user (`user = yes`) fails in every environment.
PIP = ["--disable-pip-version-check", "--no-user"]

# RECORD is the last file that an installation of pip writes: without it, pip is not whole.
PROBE = """
import os, sys, sysconfig
packages = sysconfig.get_path("purelib")
print(sys.implementation.cache_tag, packages, sep="\\n")
pip = [name for name in os.listdir(packages) if name.startswith("pip-")]
sys.exit(not any(os.path.exists(os.path.join(packages, name, "RECORD")) for name in pip))
"""


def start(arguments: list[str]) -> int:
    """Run the command `arguments` where the packages are; returns its exit status."""
    try:
        python = ready(*arguments[:1])
    except KeyboardInterrupt:
        say(f"\nStopped before the course was set up. {AGAIN}")
        return 130
    except OSError as error:
        say(
            f"The course cannot be set up in {ROOT}: {error.strerror or error}. Give it a folder "
            f"that you may write to, with {GIGABYTES} GB free, and run the same command again."
        )
        return 1

    # One mechanism for every Python, inherited by the kernels that JupyterLab starts; nothing
    # of ours is installed into a Python that is not ours.
    folders = FOLDERS[:1] if arguments[:1] == ["hub"] else FOLDERS  # root imports no lesson first
    path = [*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONSAFEPATH": "1",  # the folder where one stands may hold another `grader`
    }
    command = [str(python), "-m", "grader", *arguments]
    if POSIX:
        os.execve(command[0], command, variables)
    child = subprocess.Popen(command, env=variables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the child, which got it too
    return child.wait()


def add(*parts: str) -> None:
    """Install what only these parts of the course need, of `LISTS`, where it is missing.

    It goes into `.venv`; another Python belongs to somebody, who is told what to do. Ends the
    process where the packages cannot be had.
    """
    wanted = [LISTS[part] for part in parts]
    if all(map(satisfied, wanted)):
        return
    if os.path.realpath(sys.prefix) != os.path.realpath(VENV):
        pip = " ".join([sys.executable, "-m pip install", *(f"-r {file}" for file in wanted)])
        sys.exit(f"Packages for {', '.join(parts)} are missing in this Python: `{pip}`.")
    try:
        with alone():
            importlib.invalidate_caches()  # another start may have added them meanwhile
            names = [name for file in wanted for name in missing(file)]
            if not names:
                return
            say(f"Installing into .venv, for {', '.join(parts)}: {', '.join(names)}.")
            # With all that is there, so that everything stays within its bounds.
            kept = [file for file in LISTS.values() if file in wanted or satisfied(file)]
            lists = [word for file in (REQUIREMENTS, *kept) for word in ("-r", file)]
            if run(PYTHON, "-I", "-m", "pip", "install", *PIP, *lists):
                sys.exit(f"They could not all be installed; pip says why above.{room()} {AGAIN}")
    except KeyboardInterrupt:
        say(f"\nStopped before the packages were installed. {AGAIN}")
        sys.exit(130)
    importlib.invalidate_caches()


def ready(command: str = "") -> Path:
    """The Python that holds the packages: this one, or that of `.venv`, made where it is not."""
    if command in BARE and all(map(version, BARE[command])):
        return Path(sys.executable)
    ours = os.path.realpath(sys.prefix) == os.path.realpath(VENV)
    if not ours and satisfied():
        return Path(sys.executable)
    if not finished():
        with alone():
            if not finished():  # another start may have done it meanwhile
                install()
    return PYTHON


def satisfied(requirements: Path = REQUIREMENTS) -> bool:
    """Whether this Python holds everything that a file of requirements asks for."""
    return not any(missing(requirements))


def missing(requirements: Path) -> Iterator[str]:
    """What a file of requirements asks for and this Python does not hold, by name."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    needs = [line.partition("#")[0].strip() for line in lines]
    needs = [need for need in needs if need and not need.startswith("-")]  # no option of pip
    names = {need: re.split(r"[^\w.-]", need, maxsplit=1)[0] or need for need in needs}
    # First those that are not here at all, without `packaging`, which takes a while to be imported.
    absent = [need for need in needs if ";" not in need and not version(names[need])]
    yield from (names[need] for need in absent)
    yield from (names[need] for need in needs if need not in absent and not held(need))


def held(need: str) -> bool:
    """Whether this Python holds one requirement; in doubt, it does not."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        try:
            from pip._vendor.packaging.requirements import Requirement  # type: ignore[assignment]
        except ImportError:
            return False
    try:
        asked = Requirement(need)
        if asked.marker and not asked.marker.evaluate():
            return True
        there = version(asked.name)
        return bool(there) and asked.specifier.contains(there, prereleases=True)
    except ValueError:
        return False


def version(package: str) -> str:
    """The version of a package in this Python; empty where there is none."""
    try:
        return str(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return ""


def finished() -> bool:
    """Whether `.venv` works and was filled from the requirements as they are now."""
    environment = look()
    return environment is not None and stamped() == stamp(environment[0])


def look() -> list[str] | None:
    """The kind of Python in `.venv` and its folder of packages; None where it does not work."""
    try:
        probe = subprocess.run(
            [PYTHON, "-I", "-X", "utf8", "-c", PROBE],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except OSError:
        return None
    return None if probe.returncode else probe.stdout.splitlines()


def stamp(kind: str) -> bytes:
    """What marks a finished `.venv`: where it is, the kind of its Python, what was put in and how.

    What `add` puts in has no part in it: each command asks for that anew.
    """
    recipe = hashlib.sha256(REQUIREMENTS.read_bytes() + Path(__file__).read_bytes())
    return os.fsencode(f"{ROOT}\n{kind}\n{recipe.hexdigest()}\n")


def stamped() -> bytes:
    """The stamp of `.venv`: its first line alone while unfinished, empty where there is none."""
    return STAMP.read_bytes() if STAMP.exists() else b""


def install() -> None:
    """Fill `.venv` from requirements.txt; make it first where there is none to go on with."""
    environment = look()
    place = os.fsencode(f"{ROOT}\n")
    moved = not (stamped() or place).startswith(place)  # its scripts call the Python of old
    if environment is None or environment[0] != KIND or moved:
        make()
        environment = look()
        if environment is None:
            sys.exit(
                "The environment just made does not work. Start the course with another Python."
            )
    else:
        say("Bringing .venv in line with requirements.txt.")
    kind, packages = environment

    finish = stamp(kind)  # of the requirements before pip reads them, so that no edit is missed
    STAMP.write_bytes(place)
    # For `.venv/bin/jupyter` and the like by hand. Relative, because site.py of Python 3.12 and
    # older reads the file in the encoding of the locale.
    lines = f"{os.path.relpath(ROOT, packages)}\n{LESSONS_LINE}\n"
    Path(packages, "dropout_from_scratch.pth").write_text(lines, encoding="utf-8")
    if run(PYTHON, "-I", "-m", "pip", "install", *PIP, "-r", REQUIREMENTS):
        sys.exit(f"The packages could not all be installed; pip says why above.{room()} {AGAIN}")
    STAMP.write_bytes(finish)


def make() -> None:
    """Make `.venv` with this Python, empty but for pip."""
    if None in map(importlib.util.find_spec, ["venv", "ensurepip"]):
        sys.exit(
            "This Python cannot make a virtual environment. On Debian and Ubuntu, "
            f"`sudo apt install python3.{sys.version_info[1]}-venv` adds what it lacks; "
            "elsewhere take another Python from 3.11. Then run the same command again."
        )
    if VENV.is_symlink():  # `venv --clear` would empty what it points to
        say(f"The link .venv is removed; {os.readlink(VENV)}, made for elsewhere, stays as it is.")
        VENV.unlink()
    elif VENV.exists():
        say("The environment in .venv is unfinished, moved or broken; it is made again.")
    say(
        "First start: the course's packages are installed into .venv. This takes some minutes "
        f"and {GIGABYTES} GB of disk (more with a CUDA build of torch), and happens only once."
    )
    if run(sys.executable, "-I", "-m", "venv", "--clear", VENV):
        sys.exit(f"The environment .venv could not be made; see above.{room()} {AGAIN}")


def run(*command: str | Path) -> int:
    """Run a step of the installation and return its status.

    What it prints goes to stderr: stdout is the command's own. It holds the lock as well, so
    that a step which outlives us is waited for.
    """
    step = subprocess.Popen(command, stdout=sys.stderr, close_fds=False)
    try:
        return step.wait()
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired):
            step.wait(timeout=10)  # the same Ctrl-C has reached it, and it tidies up
        step.kill()
        raise


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let one start at a time in here; the lock of a killed one is released by the system."""
    LOCK.parent.mkdir(exist_ok=True)
    with open(LOCK, "a", opener=no_link) as file:
        if fcntl:
            os.set_inheritable(file.fileno(), True)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("Another start is setting up the course; waiting for it.")
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                pass  # a file system without locks
        yield


def no_link(path: str, flags: int) -> int:
    """Open a file; root does so in .course, where on a hub the instructor could lay a link."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o644)


def room() -> str:
    """A sentence about each disk of the installation that is short of space."""
    text = ""
    for folder in dict.fromkeys([str(ROOT), tempfile.gettempdir()]):
        free = shutil.disk_usage(folder).free / 1e9
        if free < GIGABYTES:
            text += f" Only {free:.1f} GB of disk are free in {folder}; {GIGABYTES} are needed."
    return text


def say(text: str) -> None:
    """Tell the reader, on stderr and at once."""
    print(text, file=sys.stderr, flush=True)
