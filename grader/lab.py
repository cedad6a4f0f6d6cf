"""JupyterLab on the lessons, with nbgrader's buttons."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from grader.paths import COURSE, LESSONS, ROOT

HERE = Path(__file__).resolve().parent


def command(*, instructor: bool, port: int, ip: str, browser: bool) -> list[str]:
    """The command that starts JupyterLab: on lessons/, for an instructor on the whole course."""
    options = {
        "ServerApp.root_dir": ROOT if instructor else LESSONS,
        "ServerApp.ip": ip,
        "ServerApp.port": port,
        "ServerApp.open_browser": browser,
        "ServerApp.allow_root": hasattr(os, "geteuid") and os.geteuid() == 0,
    }
    settings = [f"--{key}={value}" for key, value in options.items()]
    return [sys.executable, "-m", "jupyterlab", *settings]


def environment(*, instructor: bool) -> dict[str, str]:
    """The environment for it: nbgrader's configuration, and who may see what."""
    role = HERE / "jupyter" / ("instructor" if instructor else "learner")
    paths = [str(role), str(HERE), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths))}


def start(*, instructor: bool, port: int, ip: str, browser: bool) -> int:
    """Become JupyterLab (on Windows: run it); return its exit status."""
    (COURSE / "exchange").mkdir(parents=True, exist_ok=True)
    argv = command(instructor=instructor, port=port, ip=ip, browser=browser)
    if os.name == "posix":
        os.execve(argv[0], argv, environment(instructor=instructor))
    import subprocess

    return subprocess.call(argv, env=environment(instructor=instructor))
