"""The first start, played with a project of three tiny files, real environments and a real pip.

Requirements stand in a folder of wheels beside them, so nothing here needs the network.
"""

import ast
import errno
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = "--no-index\n--find-links wheels\n\ncourse_pebble==1.0  # a wheel of ours\n"

CLI = """
import importlib.util, json, os, sys
import dropoutlab

def main(argv):
    print(json.dumps({
        "argv": argv,
        "cwd": os.getcwd(),
        "prefix": sys.prefix,
        "grader": __file__,
        "dropoutlab": dropoutlab.__file__,
        "pebble": importlib.util.find_spec("course_pebble") is not None,
        "PYTHONPATH": os.environ["PYTHONPATH"].split(os.pathsep),
        "PYTHONSAFEPATH": os.environ.get("PYTHONSAFEPATH"),
    }))
    return len(argv)
"""

posix = pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX")


def wheel(project: Path, name: str) -> None:
    """Put a wheel of one empty module among the wheels of the project."""
    info = f"{name}-1.0.dist-info"
    (project / "wheels").mkdir(exist_ok=True)
    with zipfile.ZipFile(project / "wheels" / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")


def plant(project: Path) -> Path:
    """Make a project whose `grader` starts as the course's does."""
    (project / "grader").mkdir(parents=True)
    for name in ("__main__.py", "environment.py"):
        shutil.copy(ROOT / "grader" / name, project / "grader")
    (project / "grader" / "__init__.py").touch()
    (project / "grader" / "cli.py").write_text(CLI)
    (project / "lessons" / "dropoutlab").mkdir(parents=True)
    (project / "lessons" / "dropoutlab" / "__init__.py").touch()
    (project / "requirements.txt").write_text(REQUIREMENTS)
    wheel(project, "course_pebble")
    return project


def run(
    *command, python=sys.executable, cwd: Path | None = None, **variables: str
) -> CompletedProcess:
    """Run with Python, untouched by the settings of Python and pip around the tests."""
    kept = {key: it for key, it in os.environ.items() if not key.startswith(("PYTHON", "PIP_"))}
    return subprocess.run(
        [python, *command],
        cwd=cwd,
        env={**kept, "PIP_CONFIG_FILE": os.devnull, "PYTHONUTF8": "1", **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=600,  # lest it hang
    )


def begin(project: Path, *arguments: str, **options) -> CompletedProcess:
    """Do as `python3 grader …` does."""
    return run(project / "grader", *arguments, **options)


def environment_of(project: Path) -> ModuleType:
    """The module `environment` of a project, in this process."""
    spec = importlib.util.spec_from_file_location("environment", project / "grader/environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def packages(project: Path) -> Path:
    """The folder of packages in the environment of a project."""
    return next((project / ".venv").glob("[Ll]ib/**/pip/__main__.py")).parent.parent


def replace_pip(project: Path, code: str) -> None:
    """Let `python -m pip` in the environment of a project run `code` instead."""
    pip = packages(project) / "pip"
    vendored = pip.resolve() / "_vendor"  # holds `packaging`, which reads requirements
    pip.unlink()  # a link, see `project`
    pip.mkdir()
    (pip / "_vendor").symlink_to(vendored)
    (pip / "__main__.py").write_text(code)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> SimpleNamespace:
    """A project in an awkward folder, and what its first start did."""
    project = plant(tmp_path_factory.mktemp("first") / "el niño's course")
    return SimpleNamespace(project=project, start=begin(project, "lab", "--port=1"))


@pytest.fixture
def project(first, tmp_path) -> Path:
    """A copy of that project, with an environment that believes it was made here."""
    project = tmp_path / "el niño's course"
    original = packages(first.project)
    large = {"pip", "setuptools", "pkg_resources"}
    shutil.copytree(
        first.project,
        project,
        symlinks=True,
        ignore=lambda folder, names: large.intersection(names if original.samefile(folder) else ()),
    )
    (project / original.relative_to(first.project) / "pip").symlink_to(original / "pip")
    stamp = project / ".venv" / "course-stamp"
    stamp.write_bytes(stamp.read_bytes().replace(os.fsencode(first.project), os.fsencode(project)))
    return project


def test_first_start_makes_the_environment_and_runs_the_command(first):
    """Is the command run in a new `.venv`, with its arguments, and its status passed on?"""
    assert first.start.returncode == 2, first.start.stderr
    assert "First start" in first.start.stderr
    told = json.loads(first.start.stdout)  # what pip says is not in the command's output
    assert told["argv"] == ["lab", "--port=1"]
    assert told["prefix"] == str(first.project / ".venv")
    assert told["pebble"]


def test_environment_serves_without_the_grader(first, tmp_path):
    """Do the course's packages import in `.venv/bin/python`, wherever it is called?"""
    python = environment_of(first.project).PYTHON
    code = "import dropoutlab, grader; print(dropoutlab.__file__, grader.__file__, sep='\\n')"
    folders = subprocess.check_output(
        [python, "-I", "-X", "utf8", "-c", code], cwd=tmp_path, encoding="utf-8"
    )
    assert [Path(file).parent for file in folders.splitlines()] == [
        first.project / "lessons" / "dropoutlab",
        first.project / "grader",
    ]
    paths = packages(first.project) / "dropout_from_scratch.pth"
    assert paths.read_bytes().isascii()  # else older Pythons read it by the locale


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="of root's path")
@pytest.mark.parametrize("owner", [0, 12345])
def test_root_imports_no_lesson_of_another_account(project, owner):
    """Where lessons/ is an instructor's, as on a hub, is nothing in it found by root's Python?"""
    python = environment_of(project).PYTHON
    (project / "lessons" / "brotli.py").touch()  # a package that JupyterHub would take if it could
    os.chown(project / "lessons", owner, owner)
    code = (
        "import importlib.util as u; print(*[bool(u.find_spec(n)) for n in ('brotli', 'grader')])"
    )
    found = subprocess.check_output([python, "-I", "-c", code], cwd="/", encoding="utf-8")
    assert found.split() == [str(owner == 0), "True"]
    assert begin(project).returncode == 0  # the environment serves as before


@posix
def test_the_lock_follows_no_link(project, tmp_path):
    """Does setting up refuse a link in place of its lock, and make nothing where it leads?"""
    lock = project / ".course" / "environment.lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    (project / ".venv" / "course-stamp").unlink()
    refused = begin(project)
    assert refused.returncode == 1 and "cannot be set up" in refused.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_second_start_goes_straight_on(project):
    """Is a finished environment used without pip, and without a word?"""
    replace_pip(project, "raise SystemExit('pip was called')")
    again = begin(project)
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(again.stdout)["pebble"]


def test_failed_pip_is_continued(project):
    """Does a failed installation end in one sentence, and the next start go on from there?"""
    (project / "requirements.txt").write_text(REQUIREMENTS + "course_boulder\n")
    mark = project / ".venv" / "mark"
    mark.touch()
    failed = begin(project)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "Traceback" not in failed.stderr
    assert "Run the same command again" in failed.stderr.splitlines()[-1]

    # back to what was installed before: the half-done change must not pass for finished
    (project / "requirements.txt").write_text(REQUIREMENTS)
    replace_pip(project, "raise SystemExit('pip was called')")
    assert "pip was called" in begin(project).stderr
    assert mark.exists()


def test_changed_requirements_are_installed(project):
    """Does pip run again, in the same environment, when requirements.txt has changed?"""
    wheel(project, "course_boulder")
    (project / "requirements.txt").write_text(REQUIREMENTS + "course_boulder\n")
    mark = project / ".venv" / "mark"
    mark.touch()
    assert begin(project).returncode == 0
    assert (packages(project) / "course_boulder.py").exists()
    assert mark.exists()


def need(project: Path, environment: ModuleType, part: str, text: str) -> None:
    """Let a part of a project need packages of its own."""
    file = project / environment.LISTS[part].relative_to(project)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def added(project: Path, *parts: str, before: str = "", after: str = "") -> CompletedProcess:
    """Run `environment.add` in the environment of a project."""
    code = f"{before}\nfrom grader import environment; environment.add(*{parts})\n{after}"
    return run("-c", code, python=environment_of(project).PYTHON, cwd=project)


@pytest.fixture
def boulder(project) -> Path:
    """A project whose hub needs a wheel that is there, and whose tests need what is in place."""
    environment = environment_of(project)
    wheel(project, "course_boulder")
    for part in environment.LISTS:
        need(project, environment, part, "course_pebble\n")
    need(project, environment, "hub", "course_pebble\ncourse_boulder==1.0  # for the hub\n")
    return project


def test_packages_of_one_command_are_added(boulder):
    """Are they named, installed, importable at once, and not installed again?"""
    first = added(boulder, "tests", "hub", after="import course_boulder")
    assert first.returncode == 0, first.stderr
    told = "Installing into .venv, for tests, hub: course_boulder."
    assert told in first.stderr.splitlines()
    replace_pip(boulder, "raise SystemExit('pip was called')")  # nor is any network needed
    second = added(boulder, "tests", "hub", after="import course_boulder")
    assert (second.returncode, second.stderr) == (0, "")
    assert begin(boulder).stderr == ""  # what was added does not unsettle the rest


def test_what_was_added_outlives_a_change_of_the_requirements(boulder):
    """Does the environment keep what a command has added when it is brought in line?"""
    assert added(boulder, "hub").returncode == 0
    (boulder / "requirements.txt").write_text(REQUIREMENTS + "# changed\n")
    assert "in line" in begin(boulder).stderr
    assert added(boulder, "hub").stderr == ""


def test_another_python_is_told_what_to_add(boulder):
    """Is a Python that is not ours left as it is, and its owner told the whole command?"""
    environment = environment_of(boulder)
    with pytest.raises(SystemExit, match="for website, hub are missing") as told:
        environment.add("website", "hub")
    files = [environment.LISTS[part] for part in ("website", "hub")]
    pip = f"`{sys.executable} -m pip install {' '.join(f'-r {file}' for file in files)}`"
    assert pip in str(told.value)


def test_an_addition_respects_all_lists_that_are_in_place(boulder):
    """Does pip read them together, so that what is added breaks no bound of another?"""
    assert added(boulder, "hub").returncode == 0
    wheel(boulder, "course_cliff")
    need(boulder, environment_of(boulder), "cluster", "course_cliff\n")
    need(boulder, environment_of(boulder), "website", "course_missing\n")
    replace_pip(boulder, "import sys; print(*sys.argv[1:], sep='\\n'); sys.exit(1)")
    failed = added(boulder, "cluster")
    assert failed.returncode == 1
    listed = {Path(line).parent.name for line in failed.stderr.splitlines() if ".txt" in line}
    assert {"hub", "tests", "grading", boulder.name} <= listed
    assert "website" not in listed  # not in place
    assert "Run the same command again" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr


@posix
def test_an_interrupted_addition_is_one_sentence_and_goes_on(boulder):
    """Does Ctrl-C end it quietly, and does the next run of the command install what is missing?"""
    handled = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    pip = packages(boulder) / "pip"
    original = pip.readlink()
    replace_pip(boulder, "import os, signal; os.kill(os.getppid(), signal.SIGINT)")
    stopped = added(boulder, "hub", before=handled)
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-1].startswith("Stopped before the packages were installed")
    assert "Traceback" not in stopped.stderr

    shutil.rmtree(pip)
    pip.symlink_to(original)
    again = added(boulder, "hub", after="import course_boulder")
    assert again.returncode == 0, again.stderr


def test_pip_installs_though_configured_for_the_user(project):
    """Does `user = yes` in somebody's pip configuration leave the installation whole?"""
    (project / "requirements.txt").write_text(REQUIREMENTS + "# changed\n")
    assert begin(project, PIP_USER="1").returncode == 0


def no_interpreter(environment):
    environment.PYTHON.unlink()


def dangling_interpreter(environment):
    environment.PYTHON.unlink()
    environment.PYTHON.symlink_to(environment.ROOT / "uninstalled")


def half_made(environment):
    next(packages(environment.ROOT).glob("pip-*/RECORD")).unlink()
    environment.STAMP.unlink()


def moved(environment):
    environment.STAMP.write_bytes(b"/elsewhere\n")


def another_python(environment):
    environment.KIND = "cpython-99"
    environment.STAMP.write_bytes(os.fsencode(f"{environment.ROOT}\n"))


@pytest.mark.parametrize(
    "damage", [no_interpreter, dangling_interpreter, half_made, moved, another_python]
)
def test_which_environments_are_made_again(project, monkeypatch, damage):
    """Is an environment that cannot be gone on with noticed?"""
    environment = environment_of(project)

    def make():
        raise InterruptedError("made again")

    monkeypatch.setattr(environment, "make", make)
    assert environment.ready() == environment.PYTHON  # undamaged, it is used as it is
    damage(environment)
    with pytest.raises(InterruptedError, match="made again"):
        environment.ready()


def test_broken_environment_is_made_again(project):
    """Does a start with a broken environment end with a sound one and the command?"""
    dangling_interpreter(environment_of(project))
    mark = project / ".venv" / "mark"
    mark.touch()
    mended = begin(project)
    assert mended.returncode == 0, mended.stderr
    assert "broken; it is made again" in mended.stderr
    assert json.loads(mended.stdout)["pebble"]
    assert not mark.exists()


def test_an_environment_of_elsewhere_is_not_emptied(tmp_path, monkeypatch):
    """Where .venv is a link: is the link given up, and what it points to left as it is?"""
    environment = environment_of(plant(tmp_path / "course"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "mark").touch()
    environment.VENV.symlink_to(other)
    monkeypatch.setattr(environment, "run", lambda *_: 0)
    environment.make()
    assert not environment.VENV.is_symlink() and (other / "mark").exists()


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_python_without_ensurepip(tmp_path, monkeypatch, module):
    """Does a Python that cannot make environments say what to install, and make nothing?"""
    environment = environment_of(plant(tmp_path / "course"))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit, match=r"sudo apt install python3\.\d+-venv"):
        environment.ready()
    assert not environment.VENV.exists()


def test_satisfied_python_is_used_as_it_is(tmp_path):
    """Is no environment made where this Python holds the packages, and are ours found in it?"""
    project = plant(tmp_path / "course")
    (project / "requirements.txt").write_text("--no-index\npytest>=7  # this one\n")
    start = begin(project, "lab", PYTHONPATH="kept")
    assert (start.returncode, start.stderr) == (1, "")
    told = json.loads(start.stdout)
    assert told["prefix"] == sys.prefix
    assert Path(told["dropoutlab"]).is_relative_to(project)
    assert told["PYTHONPATH"] == [str(project), str(project / "lessons"), "kept"]  # for kernels
    assert not (project / ".venv").exists()


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ("pytest", True),
        ("pytest >= 7, < 1000", True),
        ("", True),
        ("course_boulder; python_version < '3'", True),
        ("course_boulder; python_version > '3'", False),
        ("course_boulder[rough]>=1", False),
        ("pytest < 1", False),
        ("course_boulder", False),
        ("./wheels/course_boulder-1.0-py3-none-any.whl", False),
    ],
)
def test_satisfied(tmp_path, line, holds):
    """Is a requirement read as pip reads it, and doubt settled by making an environment?"""
    environment = environment_of(plant(tmp_path / "course"))
    environment.REQUIREMENTS.write_text(f"# a comment\n{line}\n")
    assert environment.satisfied() is holds


def test_old_python_is_told():
    """Does an old Python say which one is needed, instead of a syntax error?"""
    main = ROOT / "grader" / "__main__.py"
    ast.parse(main.read_text(encoding="utf-8"), feature_version=(3, 6))
    code = "import runpy, sys; sys.version_info = (3, 8, 18); runpy.run_path(sys.argv[1], None,"
    told = run("-c", code + "'__main__')", main, "lab")
    assert told.returncode == 1
    assert told.stderr.startswith("The course needs Python 3.11 or newer and this is 3.8. ")


def test_any_folder_will_do(project, tmp_path):
    """Does the command run where one stands, even beside another package `grader`?"""
    (tmp_path / "grader").mkdir()
    (tmp_path / "grader" / "__init__.py").write_text("raise RuntimeError('the wrong grader')")
    start = run(Path(project.name, "grader"), cwd=tmp_path)
    assert start.returncode == 0, start.stderr
    told = json.loads(start.stdout)
    assert told["cwd"] == str(tmp_path)
    assert Path(told["grader"]).is_relative_to(project)
    assert told["PYTHONSAFEPATH"] is None  # kernels still see the folder of their notebook


def test_status_is_passed_on_where_nothing_can_be_replaced(project, monkeypatch, capfd):
    """Does a system without `exec` run the command as a child and return its status?"""
    environment = environment_of(project)
    monkeypatch.setattr(environment, "POSIX", False)
    monkeypatch.setattr(environment.signal, "signal", lambda *_: None)
    assert environment.start(["1", "2", "3"]) == 3
    assert json.loads(capfd.readouterr().out)["argv"] == ["1", "2", "3"]


@posix
def test_ctrl_c_is_one_sentence(project):
    """Does Ctrl-C during the installation end quietly, with status 130?"""
    (project / "requirements.txt").write_text(REQUIREMENTS + "# changed\n")
    replace_pip(project, "import os, signal; os.kill(os.getppid(), signal.SIGINT)")
    code = "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    stopped = run("-c", code + "runpy.run_path(sys.argv[1], None, '__main__')", project / "grader")
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-1].startswith("Stopped before the course was set up.")
    assert "Traceback" not in stopped.stderr


@posix
def test_two_starts_at_once(project):
    """Does a start wait for one that is under way, and then use what that one made?"""
    import fcntl

    environment = environment_of(project)
    done = environment.STAMP.read_bytes()
    environment.STAMP.unlink()
    replace_pip(project, "raise SystemExit('pip was called')")
    with environment.LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen(
            [sys.executable, project / "grader"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert "waiting" in second.stderr.readline()
        environment.STAMP.write_bytes(done)
    output, errors = second.communicate(timeout=600)
    assert (second.returncode, errors) == (0, "")
    assert json.loads(output)["pebble"]


@posix
def test_lock_is_held_until_pip_ends(project):
    """Does the lock outlive a killed start for as long as its pip goes on, and no longer?"""
    import fcntl

    (project / "requirements.txt").write_text(REQUIREMENTS + "# changed\n")
    replace_pip(
        project,
        "import os, signal, sys\n"
        "os.kill(os.getppid(), signal.SIGKILL)\n"
        "print('going on', file=sys.stderr, flush=True)\n"
        "sys.stdin.read()\n",
    )
    killed = subprocess.Popen(
        [sys.executable, project / "grader"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert any(line == "going on\n" for line in killed.stderr)
    with environment_of(project).LOCK.open("a") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        killed.communicate()  # closes its stdin: pip ends
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_full_disk_is_one_sentence(tmp_path, monkeypatch, capsys):
    """Does a disk that takes no more end in a sentence that says where and how much is needed?"""
    environment = environment_of(plant(tmp_path / "course"))

    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(environment, "alone", full)
    monkeypatch.setattr(os, "execve", pytest.fail)  # lest it replace the tests
    assert environment.start(["lab"]) == 1
    told = capsys.readouterr().err
    assert "No space left on device" in told
    assert str(environment.ROOT) in told
    assert f"{environment.GIGABYTES} GB" in told


def test_little_room_is_told(tmp_path, monkeypatch):
    """Is a disk too small for the packages named when an installation has failed?"""
    environment = environment_of(plant(tmp_path / "course"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0.3e9))
    assert f"Only 0.3 GB of disk are free in {environment.ROOT}; 3 are needed" in environment.room()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50e9))
    assert environment.room() == ""
