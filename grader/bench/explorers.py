"""How soon explorers answer, in Chromium: `python3 grader bench explorers`.

Each is shown with the reference's table, on a page without a kernel and in JupyterLab, and its
sliders are moved, or its units clicked. The time is that of the handler with the layout that
follows; what it has changed is painted in the next frame.
"""

from __future__ import annotations

import pickle
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from anywidget import AnyWidget
from playwright.sync_api import Browser, Page, sync_playwright

from grader import lab
from grader.authoring import trial
from grader.authoring.lesson import Lesson
from grader.errors import CourseError
from grader.website import explorers

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
HEAD = f"{'':22}{'':10}{'on a page':>16}{'in JupyterLab':>16}\n" + (
    f"{'explorer':22}{'table, kB':>10}{'p50, ms':>8}{'p95, ms':>8}{'p50, ms':>8}{'p95, ms':>8}"
)
TOKEN = "bench"
CELL = """import pickle, anywidget, traitlets
with open("{name}.pickle", "rb") as file:
    kept, script, style = pickle.load(file)
class Shown(anywidget.AnyWidget):
    _esm, _css = script, style
    locals().update((name, traitlets.Any(value).tag(sync=True)) for name, value in kept.items())
Shown()"""


@dataclass(frozen=True)
class Answer:
    """How an explorer answered: bytes of table, sorted milliseconds on a page and in JupyterLab."""

    name: str
    size: int
    page: list[float]
    lab: list[float]

    def __str__(self) -> str:
        times = [_share(took, share) for took in (self.page, self.lab) for share in (0.5, 0.95)]
        return f"{self.name:22}{self.size / 1000:10.1f}" + "".join(f"{ms:8.1f}" for ms in times)


def table(lessons: list[Lesson]) -> Iterator[str]:
    """A row for each explorer."""
    place = next(filter(None, map(shutil.which, BROWSERS)), None)
    if place is None:
        raise CourseError("Chromium is missing: install it with your system's package manager.")
    yield HEAD
    with (
        explorers.served() as (folder, address),
        _jupyterlab() as (notebooks, server),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        for lesson in filter(trial.shown, lessons):
            shown = explorers.made(lesson)
            explorer = getattr(shown, "picture", shown)  # 2.3's has Python's controls beside it
            on_page = _moved(browser, _on_page(explorer, folder, address))
            in_lab = _moved(browser, _in_lab(explorer, notebooks, server), run=True)
            size = sum(len(v) for v in explorers.state(explorer).values() if isinstance(v, bytes))
            yield str(Answer(explorer.script, size, on_page, in_lab))
        browser.close()


def _share(took: list[float], share: float) -> float:
    """The time that this share of moves kept within, in milliseconds."""
    return took[min(len(took) - 1, int(share * len(took)))]


def _moved(browser: Browser, address: str, *, run: bool = False) -> list[float]:
    """Move the explorer that is shown there, in a notebook once it has run."""
    page = browser.new_page()
    page.goto(address)
    if run:
        _run(page)
    page.wait_for_selector(".panels svg, .nets canvas")
    clicked = page.locator(".nets").count() > 0
    took = page.evaluate(explorers.CLICK if clicked else explorers.MOVE, explorers.MOVES)
    page.close()
    return took


def _run(page: Page) -> None:
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Control+Enter")


def _on_page(explorer: AnyWidget, folder: Path, address: str) -> str:
    name = f"{explorer.script}.html"
    (folder / name).write_text(explorers.page(explorer), encoding="utf-8")
    return f"{address}/{name}"


def _in_lab(explorer: AnyWidget, folder: Path, server: str) -> str:
    """The address of a notebook that shows it."""
    name = explorer.script
    kept = explorers.state(explorer), str(explorer._esm), str(explorer._css)
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(kept))
    cell = nbformat.v4.new_code_cell(CELL.format(name=name))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=kernel)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return f"{server}/lab/tree/{name}.ipynb?reset&token={TOKEN}"


@contextmanager
def _jupyterlab() -> Iterator[tuple[Path, str]]:
    """A folder for notebooks, and the address of a JupyterLab on it."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"http://localhost:{probe.getsockname()[1]}"
        probe.close()
        port = int(address.rpartition(":")[2])
        command = lab.command(instructor=False, port=port, ip="localhost", browser=False)
        server = subprocess.Popen(
            [f"--ServerApp.root_dir={name}" if "root_dir" in part else part for part in command],
            env={**lab.environment(instructor=False), "JUPYTER_TOKEN": TOKEN},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(server, f"{address}/api?token={TOKEN}")
            yield Path(name), address
        finally:
            server.terminate()
            server.wait()


def _wait(server: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.25)  # between two questions
    raise CourseError("JupyterLab did not start: `python3 grader lab` says why.")
