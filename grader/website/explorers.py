"""How soon explorers answer, in Chromium: `python3 grader bench explorers`.

Each is put on a page of its own with the reference's table, and its sliders are moved. The time is
that of the handler with the layout that follows; what it has changed is painted in the next frame.
"""

from __future__ import annotations

import base64
import functools
import http.server
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from dropoutlab.explore.explorer import HERE as EXPLORE
from dropoutlab.explore.explorer import Explorer
from grader.authoring import trial
from grader.authoring.lesson import Lesson
from grader.authoring.rules import EXPLORER
from grader.errors import CourseError
from grader.website import HERE
from grader.website.pages import hosted

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MOVES = 60
MOVE = """(moves) => {
  const panels = document.querySelector(".panels"), took = [];
  for (const slider of document.querySelectorAll("input[type=range]"))
    for (let i = 1; i <= moves; i++) {
      slider.value = i % (Number(slider.max) + 1);
      const start = performance.now();
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      panels.getBoundingClientRect();
      took.push(performance.now() - start);
    }
  return took.sort((a, b) => a - b);
}"""
PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{name}</title>
<link rel="stylesheet" href="explore/kit.css"><style>
body {{ margin: 8px; font-family: system-ui, sans-serif; background: {ground}; }}</style></head>
<body><main>{host}</main><script type="module" src="explorers.js"></script></body></html>"""


@dataclass(frozen=True)
class Answer:
    """How an explorer answered: its name, bytes of table, sorted milliseconds, seconds to make."""

    name: str
    size: int
    took: list[float]
    made: float

    def at(self, share: float) -> float:
        """The time that this share of moves kept within, in milliseconds."""
        return self.took[min(len(self.took) - 1, int(share * len(self.took)))]

    def __str__(self) -> str:
        times = f"{self.at(0.5):8.1f}{self.at(0.95):8.1f}"
        return f"{self.name:22}{self.size / 1000:10.1f}{times}{self.made:8.1f}"


HEAD = f"{'explorer':22}{'table, kB':>10}{'p50, ms':>8}{'p95, ms':>8}{'made, s':>8}"


def scripted(lesson: Lesson) -> str | None:
    """The name of a lesson's explorer that is a table and a script; 2.3's is more than that."""
    cell = trial.shown(lesson)
    named = EXPLORER.match(cell.source) if cell else None
    return named[1] if named and named[1] != "coadaptation" else None


def made(lesson: Lesson) -> Explorer:
    """A lesson's explorer with the reference answers."""
    cell = trial.shown(lesson)
    if cell is None:
        raise ValueError(f"{lesson.name} shows no explorer")
    return eval(cell.source, trial.ready(lesson))


def page(explorer: Explorer, theme: str = "light") -> str:
    """A page with this explorer alone."""
    names = ("script", "controls", "at", "arrays", "trouble")
    state = {name: getattr(explorer, name) for name in names}
    state["bytes"] = {"table": base64.b64encode(explorer.table).decode()}
    ground = {"light": "#fff", "dark": "#161616"}[theme]
    return PAGE.format(theme=theme, name=explorer.script, host=hosted(state), ground=ground)


@contextmanager
def served() -> Iterator[tuple[Path, str]]:
    """A folder for pages, with the scripts beside them, and the address where it is served."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(EXPLORE, folder / "explore", ignore=shutil.ignore_patterns("*.py*"))
        shutil.copy(HERE / "explorers.js", folder)

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

        handler = functools.partial(Quiet, directory=name)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield folder, f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


def answer(lesson: Lesson, browser: Browser, folder: Path, address: str) -> Answer:
    """Move the sliders of a lesson's explorer."""
    start = time.monotonic()
    explorer = made(lesson)
    seconds = time.monotonic() - start
    (folder / f"{explorer.script}.html").write_text(page(explorer), encoding="utf-8")
    sheet = browser.new_page()
    sheet.goto(f"{address}/{explorer.script}.html")
    sheet.wait_for_selector(".panels svg")
    took = sheet.evaluate(MOVE, MOVES)
    sheet.close()
    return Answer(explorer.script, len(explorer.table), took, seconds)


def table(lessons: list[Lesson]) -> Iterator[str]:
    """A row for each explorer."""
    place = next(filter(None, map(shutil.which, BROWSERS)), None)
    if place is None:
        raise CourseError("Chromium is missing: install it with your system's package manager.")
    yield HEAD
    with served() as (folder, address), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        for lesson in filter(scripted, lessons):
            yield str(answer(lesson, browser, folder, address))
        browser.close()
