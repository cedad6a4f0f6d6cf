"""Explorers on pages of their own, with the reference's tables: to look at and to time."""

from __future__ import annotations

import base64
import functools
import http.server
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anywidget import AnyWidget

from dropoutlab.explore.explorer import HERE as EXPLORE
from grader.authoring import trial
from grader.authoring.lesson import Lesson
from grader.authoring.rules import EXPLORER
from grader.website import HERE
from grader.website.pages import UNREAD, hosted

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
CLICK = """async (moves) => {
  const took = [];
  for (const grid of document.querySelectorAll(".nets canvas[role=application]"))
    for (let i = 0; i < moves; i++) {
      const { left, top, width, height } = grid.getBoundingClientRect();
      const [x, y] = [(i * 0.37) % 1, (i * 0.71) % 1];
      const start = performance.now();
      grid.dispatchEvent(new PointerEvent("pointerdown",
        { clientX: left + x * width, clientY: top + y * height, bubbles: true }));
      await null;  // it draws once after all that a click changes
      grid.getBoundingClientRect();
      took.push(performance.now() - start);
    }
  return took.sort((a, b) => a - b);
}"""
"""How 2.3's is moved, whose units are clicked."""
PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{name}</title>
<link rel="stylesheet" href="explore/kit.css">
<link rel="stylesheet" href="explore/coadaptation.css"><style>
body {{ margin: 8px; font-family: system-ui, sans-serif; background: {ground};
  color: {ink}; }}</style></head>
<body><main>{host}</main><script type="module" src="explorers.js"></script></body></html>"""


def scripted(lesson: Lesson) -> str | None:
    """The name of a lesson's explorer that is a table and a script; 2.3's is more than that."""
    cell = trial.shown(lesson)
    named = EXPLORER.match(cell.source) if cell else None
    return named[1] if named and named[1] != "coadaptation" else None


def made(lesson: Lesson) -> Any:
    """A lesson's explorer with the reference answers."""
    cell = trial.shown(lesson)
    if cell is None:
        raise ValueError(f"{lesson.name} shows no explorer")
    return eval(cell.source, trial.ready(lesson))


def state(explorer: AnyWidget) -> dict[str, Any]:
    """What an explorer's script reads: the values that a kernel and the browser share."""
    return {k: getattr(explorer, k) for k in explorer.keys if k[0] != "_" and k not in UNREAD}


def page(explorer: AnyWidget, theme: str = "light") -> str:
    """A page with this explorer alone."""
    values = state(explorer)
    data = {k: values.pop(k) for k in list(values) if isinstance(values[k], bytes)}
    values["bytes"] = {k: base64.b64encode(v).decode() for k, v in data.items()}
    ground, ink = {"light": ("#fff", "#111"), "dark": ("#161616", "#ddd")}[theme]
    name = values["script"]
    host = hosted(values)
    return PAGE.format(theme=theme, name=name, host=host, ground=ground, ink=ink)


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
