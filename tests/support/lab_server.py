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
from playwright.sync_api import Locator, expect

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


def run(cell: Locator, milliseconds: int) -> None:
    """Run a code cell that prints or draws something, folded or not, and wait for that."""
    output = cell.locator(".jp-OutputArea-child:not([data-old])")
    cell.evaluate("c => c.querySelectorAll('.jp-OutputArea-child').forEach(o => o.dataset.old = 1)")
    select(cell)
    cell.page.keyboard.press("Control+Enter")
    expect(output).not_to_have_count(0, timeout=milliseconds)


def select(cell: Locator) -> None:
    """Select a cell by its edge: a click into a folded one, or left of it, would open it."""
    cell.click(position={"x": 2, "y": 2}, force=True)
