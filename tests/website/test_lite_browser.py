"""Lessons in the browser as a learner meets them: in Chromium, with nothing of ours running.

What is measured, seconds to the first check and megabytes, lies in `.artifacts/lite.json`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Playwright,
    expect,
    sync_playwright,
)
from rich.console import Console

import judge
import wasm
from curriculum import LESSONS
from grader import environment
from grader.authoring import finished, trial
from grader.authoring.lesson import Lesson
from grader.paths import ROOT
from grader.website import finish, lite
from grader.website.lite import needs
from project import ARTIFACTS

pytestmark = [
    pytest.mark.long("lessons in a browser's own Python"),
    pytest.mark.xdist_group("lite"),
]
ABLE = [lesson for lesson in LESSONS if not needs.missing(lesson)]
each_able = pytest.mark.parametrize("lesson", ABLE, ids=lambda lesson: lesson.name)

DIFFERS = {
    "15_training": {"mlp_loss_and_gradients correct 1": "it uses PyTorch's autograd"},
    "24_regulariser": {"expected_sigmoid correct 2": "it uses SciPy"},
}
"""Answers that are judged otherwise than natively, and why."""
WAIT = 5 * 60_000
"""Milliseconds after which a page is given up."""
SEED = 20_261


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lessons that a browser runs, and what Pyodide needs for it."""
    environment.add("website")
    finish([lesson for lesson in ABLE if not finished.kept(lesson).exists()], Console())
    ran = {x: nbformat.read(finished.kept(x), as_version=4) for x in ABLE}
    trained = {lesson: finished.trained(notebook) for lesson, notebook in ran.items()}
    place = tmp_path_factory.mktemp("lite")
    lite.build(
        trained | {x: {} for x in LESSONS if x not in ABLE},
        place / "made" / lite.FOLDER,
        pyodide=wasm.pyodide(place / "brought"),
        self_hosted=True,
    )
    return place / "made"


def _jobs(lesson: Lesson) -> judge.Job:
    """Every right answer and every mistake of a lesson, and its checks, hidden ones too."""
    answers: list[tuple[str, str, list[str]]] = []
    counts: dict[tuple[str, str], int] = {}
    for answer in trial.answers(lesson):
        if answer.kind in ("solution", "correct", "mistake"):
            own = answer.exercise.name
            counts[own, answer.kind] = counts.get((own, answer.kind), 0) + 1
            label = f"{own} {answer.kind} {counts[own, answer.kind]}"
            cells = [
                answer.source if cell.kind == "exercise" and cell.name == own else cell.source
                for cell in lesson.cells
                if cell.kind in ("setup", "exercise")
            ]
            answers.append((label, own, cells))
    checks = [(cell.name, cell.source) for cell in lesson.of("check")]
    return {"checks": checks, "answers": answers, "seed": SEED}


def test_answers_are_judged_as_natively(site: Path, tmp_path: Path):
    """Is every right answer accepted, and every mistake told in its words by the same check?"""
    jobs = {lesson.name: _jobs(lesson) for lesson in ABLE}
    there = wasm.judged(jobs, site / lite.FOLDER, tmp_path)
    counted = {}
    for name, job in jobs.items():
        here = judge.verdicts(job)
        assert there[name].keys() == here.keys()
        differing = {label for label in here if here[label] != there[name][label]}
        assert differing == DIFFERS.get(name, {}).keys(), {
            label: (here[label], there[name][label]) for label in differing
        }
        right = [label for label in here if " mistake " not in label]
        wrong = [label for label in here if " mistake " in label]
        assert not any(here[label] for label in right)
        assert all(here[label] for label in wrong)
        counted[name] = {
            "right": f"{len([x for x in right if not there[name][x]])} of {len(right)}",
            "wrong, in the same words": f"{len(set(wrong) - differing)} of {len(wrong)}",
        }
    _note(counted)


# --- in Chromium -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    yield browser
    browser.close()


@dataclass
class Served:
    """A server of the site: its address, the bytes that it sent, and whether it still answers."""

    url: str = ""
    sent: int = 0
    up: bool = True
    foreign: list[str] = field(default_factory=list)
    instead: dict[str, bytes] = field(default_factory=dict)
    """What it sends in place of files, by their paths."""

    def watched(self, context: BrowserContext) -> None:
        """Note what a browser asks of others."""
        own = (self.url, "data:", "blob:")
        context.on(
            "request", lambda r: None if r.url.startswith(own) else self.foreign.append(r.url)
        )


@pytest.fixture
def served(site: Path) -> Iterator[Served]:
    state = Served()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            if not state.up:
                self.close_connection = True
                return
            path = self.path.partition("?")[0]
            if path not in state.instead:
                super().do_GET()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(state.instead[path])

        def copyfile(self, source: Any, outputfile: Any) -> None:
            state.sent += os.fstat(source.fileno()).st_size
            super().copyfile(source, outputfile)

    handler = functools.partial(Handler, directory=str(site))
    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        state.url = f"http://localhost:{server.server_port}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield state
        server.shutdown()


def _opened(lesson: Lesson, served: Served, context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(served.url + lite.address(lesson))
    page.locator(".jp-CodeCell").first.wait_for()
    return page


def _cell(page: Page, identity: str) -> Locator:
    """A notebook's code cell by its id."""
    notebook = json.loads(
        page.evaluate(
            "async path => (await fetch(path)).text()", "../files/" + page.url.partition("path=")[2]
        )
    )
    ids = [cell["id"] for cell in notebook["cells"]]
    cells = page.locator(".jp-Notebook .jp-Cell")
    expect(cells).to_have_count(len(ids), timeout=WAIT)  # JupyterLab adds the lower ones later
    return cells.nth(ids.index(identity))


def _run(cell: Locator) -> None:
    """Run a cell: selected by its edge, since a click into a folded one would open it."""
    cell.click(position={"x": 2, "y": 2})
    cell.page.keyboard.press("Control+Enter")


def _first_check(page: Page, lesson: Lesson) -> None:
    """Run the first cell and the first check, and wait for what it says."""
    _run(page.locator(".jp-CodeCell").first)
    exercise = lesson.of("exercise")[0].name
    check = _cell(page, f"check_{exercise}_1")
    _run(check)
    expect(check.locator(".jp-OutputArea-output").first).to_contain_text("expected:", timeout=WAIT)


@pytest.mark.browser
@each_able
def test_the_first_check(
    lesson: Lesson, served: Served, playwright: Playwright, chromium: str, tmp_path: Path
):
    """How soon does the first check answer, in a new browser and in one that knows the site?

    In a window that is not private: the cache of one that is does not hold the largest files.
    """
    context = playwright.chromium.launch_persistent_context(
        tmp_path, executable_path=chromium, args=["--no-sandbox"]
    )
    served.watched(context)
    took = {}
    for kind in ("cold", "warm"):
        began, before = time.monotonic(), served.sent
        page = _opened(lesson, served, context)
        _first_check(page, lesson)
        took[f"seconds, {kind}"] = round(time.monotonic() - began, 1)
        took[f"MB, {kind}"] = round((served.sent - before) / 1e6, 1)
        page.close(run_before_unload=False)
    context.close()
    _note({lesson.name: took})
    assert not served.foreign, "what the site was to bring was asked of others"


def _note(found: dict[str, dict[str, object]]) -> None:
    """Keep what was measured, lesson by lesson."""
    ARTIFACTS.mkdir(exist_ok=True)
    place = ARTIFACTS / "lite.json"
    kept = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    for name, more in found.items():
        kept.setdefault(name, {}).update(more)
    place.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")


@pytest.mark.browser
@each_able
def test_a_lesson_with_its_answers(lesson: Lesson, site: Path, served: Served, browser: Browser):
    """Run from top to bottom with the answers: does each check pass, and the explorer draw?"""
    context = browser.new_context()
    served.watched(context)
    answers = {cell.id: cell.source for cell in finished.answered(lesson).cells}
    path = f"files/{lesson.name}/{lesson.name}.ipynb"
    notebook = nbformat.read(site / lite.FOLDER / path, as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution") or "my_guess = ..." in cell.source:
            cell.source = answers[cell.id]
    served.instead[f"/{lite.FOLDER}/{path}"] = nbformat.writes(notebook).encode()
    page = _opened(lesson, served, context)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    cells = len(notebook.cells)
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(cells, timeout=WAIT)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    summary = page.locator(".jp-CodeCell").last
    expect(summary).to_contain_text("Every check that runs here passes", timeout=WAIT)
    assert page.locator(".dropoutlab-explorer .panels svg, .dropoutlab-networks canvas").count()
    wanted = sum(cell.points for cell in lesson.of("check") if not cell.hidden)
    asked = sum(cell.points for cell in lesson.of("check") if "expect.choice" in cell.source)
    expect(summary).to_contain_text(f"{wanted - asked} of {lesson.points} points")
    page.screenshot(path=ARTIFACTS / f"lite-{lesson.name}.png")
    context.close()
    assert not faults
    assert not served.foreign


WRONG = "    return x + factor"
RIGHT = "    return factor * x"


@pytest.mark.browser
def test_work_is_kept_and_leaves_as_a_notebook(
    served: Served, browser: Browser, tmp_path: Path, project: Path
):
    """Write, be told what is wrong, mend it, close, come back, download: graded as any other?"""
    lesson = next(x for x in ABLE if x.name.startswith("00"))
    context = browser.new_context(accept_downloads=True)
    served.watched(context)
    page = _opened(lesson, served, context)
    exercise, check = _cell(page, "scale"), _cell(page, "check_scale_1")
    _run(page.locator(".jp-CodeCell").first)
    _write(exercise, WRONG)
    _run(check)
    expect(check).to_contain_text("factor is added. Multiply by it.", timeout=WAIT)
    expect(page.locator(".dropout-here")).to_be_visible(timeout=WAIT)
    _write(exercise, RIGHT)
    _run(check)
    expect(check).to_contain_text("✓ Every entry is multiplied.", timeout=WAIT)
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-NotebookCheckpoint, #jp-title")).not_to_have_count(0)

    warned = []
    page.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
    page.close(run_before_unload=True)  # the browser asks, and is told to go on
    expect_closed(page)
    assert warned == ["beforeunload"]

    page = _opened(lesson, served, context)
    exercise, check = _cell(page, "scale"), _cell(page, "check_scale_1")
    expect(exercise).to_contain_text("return factor * x", timeout=WAIT)
    _run(page.locator(".jp-CodeCell").first)
    _run(exercise)
    _run(check)
    expect(check.locator(".jp-OutputArea-output").last).to_contain_text("of 2 points", timeout=WAIT)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    file = tmp_path / f"{lesson.name}.ipynb"
    download.value.save_as(file)
    context.close()
    assert not served.foreign

    place = project / "lessons" / lesson.name / f"{lesson.name}.ipynb"
    shutil.copyfile(file, place)
    said = subprocess.run(
        [sys.executable, "-P", "-m", "grader", "grade", "00", "--unsafe"],
        cwd=project, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{project}:{project / 'lessons'}"},
    )  # fmt: skip
    assert re.search(r"scale\W+2\W+(of|/)\W*2", said.stdout), said.stdout + said.stderr


@pytest.mark.browser
def test_a_lesson_runs_in_flight_mode(served: Served, browser: Browser):
    """After one visit, with no network: does the page open, and the first check answer?"""
    lesson = next(x for x in ABLE if x.name.startswith("13"))
    context = browser.new_context()
    page = _opened(lesson, served, context)
    _first_check(page, lesson)
    page.wait_for_function("document.documentElement.dataset.kept", timeout=WAIT)
    page.close(run_before_unload=False)
    served.up = False
    page = _opened(lesson, served, context)
    _first_check(page, lesson)
    context.close()


def expect_closed(page: Page) -> None:
    """Wait until a page is gone."""
    if not page.is_closed():
        page.wait_for_event("close")


def _write(exercise: Locator, line: str) -> None:
    """Put a line in place of the last of an exercise, and run it."""
    last = exercise.locator(".cm-line").last
    last.click()
    page = exercise.page
    page.keyboard.press("End")
    page.keyboard.press("Shift+Home")
    page.keyboard.press("Shift+Home")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(line.strip() if last.inner_text().startswith(" ") else line)
    page.keyboard.press("Control+Enter")


@pytest.mark.browser
def test_screens_of_lessons_are_kept_to_be_looked_at(served: Served, browser: Browser):
    """On a desk and on a phone: is the first screen no wider than it, with the line that warns?"""
    ARTIFACTS.mkdir(exist_ok=True)
    sizes = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1280, "height": 900}}
    for size, view in sizes.items():
        context = browser.new_context(viewport=view)
        page = _opened(ABLE[0], served, context)
        expect(page.locator(".dropout-here")).to_be_in_viewport(timeout=WAIT)
        expect(page.locator(".jp-Notebook h1").first).to_be_in_viewport(timeout=WAIT)
        assert page.evaluate("document.documentElement.scrollWidth") <= view["width"]
        page.screenshot(path=ARTIFACTS / f"lite-{size}.png")
        context.close()


def test_the_lock_is_pyodides(tmp_path: Path):
    """Is what is committed of Pyodide's lock as Pyodide publishes it, for the kernel's version?"""
    environment.add("website")
    from jupyterlite_pyodide_kernel.constants import PYODIDE_VERSION

    from grader.website.lite.pyodide import LOCK, VERSION

    assert PYODIDE_VERSION == VERSION
    wasm.run("npm", "install", "--silent", "--prefix", tmp_path, f"pyodide@{VERSION}")
    published = tmp_path / "node_modules" / "pyodide" / "pyodide-lock.json"
    whole = json.loads(published.read_text(encoding="utf-8"))
    own = json.loads(LOCK.read_text(encoding="utf-8"))
    assert own["info"] == whole["info"]
    assert own["packages"].items() <= whole["packages"].items()
    assert (ROOT / "grader" / "website" / "lite").is_dir()
