"""`python3 grader lab --no-browser` in a copy of the project, for tests in a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

TOKEN = "letmein"


class Server:
    """A JupyterLab that a command of the course has started."""

    def __init__(self, project: Path, *options: str):
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, str(project / "grader"), "lab", "--no-browser"]
        self.log = project / f"lab-{self.port}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), *options],
                env={**os.environ, "JUPYTER_TOKEN": TOKEN},
                stdout=log, stderr=subprocess.STDOUT, cwd=project,
            )  # fmt: skip

    def wait(self) -> None:
        """Return once the server answers; fail with its log if it does not."""
        for _ in range(120):
            try:
                urllib.request.urlopen(self.url("api"), timeout=5).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.5)  # between two questions, not in place of an answer
        pytest.fail(f"the server did not start:\n{self.log.read_text()}")

    def url(self, path: str) -> str:
        return f"http://localhost:{self.port}/{path}?token={TOKEN}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
