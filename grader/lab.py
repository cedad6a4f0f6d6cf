"""JupyterLab on the lessons, with nbgrader's buttons."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from grader.paths import COURSE, LESSONS, ROOT

JUPYTER = Path(__file__).resolve().parent / "jupyter"
WORKSPACE = "default-37a8.jupyterlab-workspace"
"""JupyterLab's name for the file of the workspace that it opens."""


def command(*, instructor: bool, port: int, ip: str, browser: bool) -> list[str]:
    """The command that starts JupyterLab: on lessons/, for an instructor on the whole course."""
    options: dict[str, object] = {
        "ServerApp.root_dir": ROOT if instructor else LESSONS,
        "ServerApp.ip": ip,
        "ServerApp.port": port,
        "ServerApp.open_browser": browser,
        "ServerApp.allow_root": hasattr(os, "geteuid") and os.geteuid() == 0,
        "LabApp.workspaces_dir": _workspaces(instructor),
    }
    if os.name == "posix":
        # Without this a server that has no terminal itself opens login shells, and in those
        # /etc/profile sets PATH anew.
        shell = [os.environ.get("SHELL") or "sh"]
        options["ServerApp.terminado_settings"] = {"shell_command": shell}
    settings = [f"--{key}={value}" for key, value in options.items()]
    return [sys.executable, "-m", "jupyterlab", *settings]


def environment(*, instructor: bool) -> dict[str, str]:
    """The environment for it: our configuration, who may see what, and `grade` in terminals."""
    shared = instructor and os.environ.get("DROPOUT_EXCHANGE")  # all may write there
    machine = str(JUPYTER / "machine") if shared else ""
    others = os.environ.get("JUPYTER_CONFIG_PATH", "")
    paths = [str(_role(instructor)), machine, str(JUPYTER.parent), others]
    return {
        **os.environ,
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths)),
        "PATH": os.pathsep.join([str(JUPYTER / "bin"), os.environ.get("PATH", os.defpath)]),
        "DROPOUT_PYTHON": sys.executable,
    }


def start(*, instructor: bool, port: int, ip: str, browser: bool) -> int:
    """Become JupyterLab (on Windows: run it); return its exit status."""
    (COURSE / "exchange").mkdir(parents=True, exist_ok=True)
    lay_out(instructor=instructor)
    trust(LESSONS)
    argv = command(instructor=instructor, port=port, ip=ip, browser=browser)
    if os.name == "posix":
        os.execve(argv[0], argv, environment(instructor=instructor))
    import subprocess

    return subprocess.call(argv, env=environment(instructor=instructor))


def lay_out(*, instructor: bool) -> None:
    """Give JupyterLab its first layout: lesson 00 and its contents, or Formgrader.

    From then on the file is JupyterLab's, which keeps there what was open and opens it again.
    """
    workspace = _workspaces(instructor) / WORKSPACE
    if not workspace.exists():
        workspace.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_role(instructor) / "workspace.json", workspace)


def trust(lessons: Path) -> None:
    """Sign the notebooks that hold no output, as released ones do, so that they open as trusted.

    What they will show is made by their reader, as in a notebook of one's own; an output that
    came with a file stays untrusted.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in lessons.glob("*/*.ipynb"):
        try:
            notebook = nbformat.read(path, as_version=4)
        except Exception:
            continue  # JupyterLab says what is wrong with it
        if not any(cell.get("outputs") for cell in notebook.cells):
            notary.sign(notebook)


def _role(instructor: bool) -> Path:
    return JUPYTER / ("instructor" if instructor else "learner")


def _workspaces(instructor: bool) -> Path:
    return COURSE / "lab" / _role(instructor).name
