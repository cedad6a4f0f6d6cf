"""The lessons as a learner meets them: a real JupyterLab in headless Chromium."""

from __future__ import annotations

import base64
import itertools
import re
import statistics
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

import pace
import rehearsal
from curriculum import LESSONS, named
from grader.authoring.build import generate, source_notebook
from grader.authoring.lesson import Cell, Lesson
from grader.paths import SOLUTIONS
from lab_server import Server
from project import ARTIFACTS
from rehearsal import SECONDS, shown

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow(minutes=1.5),
    pytest.mark.xdist_group("browser"),
]
MINUTE = 60_000
OFTEN = {"13_inverted_dropout"}
"""What is walked through in every run of the tests."""
VALIDATED = {"13_inverted_dropout", "33_transformers"}
"""Lessons in which Validate is pressed; it runs the notebook once more."""
WALKS = [
    pytest.param(lesson, id=lesson.name, marks=[] if lesson.name in OFTEN else [
        pytest.mark.long("a walk through each lesson in a browser"),
        pytest.mark.slow(minutes=5), pytest.mark.xdist_group(f"walks {number % 2}")])
    for number, lesson in enumerate(LESSONS) if lesson.points
]  # fmt: skip


@pytest.fixture(scope="module")
def lab(project: Path) -> Iterator[Server]:
    """A learner's JupyterLab."""
    server = Server(project)
    server.wait()
    yield server
    server.stop()


def _planted(lesson: Lesson) -> Cell:
    """The first mistake of a lesson with which its explorer still draws."""
    for mistake in lesson.of("mistake"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a mistake may divide by zero
            names = rehearsal.ready(lesson, **{mistake.name: mistake.source})
            if not eval(shown(lesson).source, names).trouble:
                return mistake
    raise AssertionError(f"every mistake of {lesson.name} stops its explorer")


def _work(path: Path, lesson: Lesson) -> Cell:
    """Write right answers into a released notebook, but for one planted mistake, returned.

    Where a lesson trains for minutes, its demonstrations are taken out: they run elsewhere.
    """
    answers = {c.name: c.source for c in lesson.cells if c.kind in ("exercise", "answer")}
    slow = {c.source for c in lesson.of("demonstration") if lesson.name in SECONDS} - {
        shown(lesson).source
    }
    planted = _planted(lesson)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = (answers | {planted.name: planted.source}).get(cell.id, cell.source)
        if cell.source in slow:
            cell.source = "pass"
    nbformat.write(notebook, path)
    return planted


def _open(page: Page, server: Server, path: str) -> None:
    page.goto(server.url(f"lab/tree/{path}") + "&reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # in the status bar


def _run_all(page: Page) -> None:
    """Run → Run All Cells, and wait until the last cell that can run has run."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator("#jp-mainmenu-run").get_by_text("Run All Cells", exact=True).click()
    page.wait_for_function(
        """() => {
          const code = [...document.querySelectorAll(".jp-CodeCell .jp-InputArea-prompt")];
          return code.length && code.every(p => /\\[\\d+\\]/.test(p.textContent));
        }""",
        timeout=3 * MINUTE,
    )
    idle = page.get_by_text("Python 3 (ipykernel) | Idle")
    idle.wait_for(timeout=3 * MINUTE)  # folded cells have no number


@pytest.mark.parametrize("lesson", WALKS)
def test_a_learner_works_through_a_lesson(project: Path, lab: Server, page: Page, lesson: Lesson):
    """Open, run all, read a planted mistake's hint, use the explorer by keyboard, validate?"""
    planted = _work(project / "lessons" / lesson.name / f"{lesson.name}.ipynb", lesson)
    _open(page, lab, f"{lesson.name}/{lesson.name}.ipynb")
    _run_all(page)
    hint = page.locator(".jp-OutputArea-output", has_text=planted.says).first
    expect(hint).to_be_visible()
    hint.scroll_into_view_if_needed()
    _shoot(page, f"{lesson.name}-hint")

    _tell(f"{lesson.name}: from key to repaint", _move_slider(page, times=20))
    _shoot(page, f"{lesson.name}-explorer")
    if page.locator(UNITS).count():
        clicks: list[float] = []

        def click() -> int:
            clicks.extend(_click_units(page, times=20))
            return 20

        taken = pace.in_page(page, click, rounds=2)
        _tell(f"{lesson.name}: from click to repaint, {taken:.0f} ms of the page", clicks)
        _shoot(page, f"{lesson.name}-clicked")
        assert taken < 100  # milliseconds, what a hand does not notice
    if lesson.name not in VALIDATED:
        return

    page.get_by_role("button", name="Validate").first.click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text(planted.says, timeout=3 * MINUTE)
    _shoot(page, f"{lesson.name}-validate")


def _move_slider(page: Page, times: int) -> list[float]:
    """Press an arrow key on the first slider; the milliseconds until each repaint."""
    picture = page.locator(".dropoutlab-explorer .panels, .dropoutlab-networks canvas").first
    handle = page.locator(".dropoutlab-explorer input, .widget-slider .noUi-handle").first
    caption = page.locator(":is(.dropoutlab-explorer, .dropoutlab-networks) figcaption").first
    picture.scroll_into_view_if_needed()
    before = caption.inner_text()
    passed = []
    for step in range(times):
        key = "ArrowRight" if step % 4 < 2 else "ArrowLeft"
        picture.evaluate(TIMER, "keydown")
        handle.press(key)
        passed.append(page.evaluate("() => window.repainted"))
        if step == 0:
            assert caption.inner_text() != before, "the sentence below the picture did not change"
    return passed


UNITS = ".dropoutlab-networks [role=application]"  # a canvas of units that can be clicked
TIMER = """(image, event) => { window.repainted = new Promise((done, fail) => {
  setTimeout(() => fail(new Error("the picture did not answer")), 30_000);
  const start = {};
  window.addEventListener(event, () => start.at = performance.now(),
                          { once: true, capture: true });
  const seen = () => requestAnimationFrame(() => done(performance.now() - start.at));
  image.addEventListener("load", seen, { once: true });
  new MutationObserver((_, watch) => { watch.disconnect(); seen(); })
    .observe(image, { childList: true, subtree: true });
}); }"""
"""Milliseconds from the next `event` to the frame in which a picture is painted again."""


def _click_units(page: Page, times: int) -> list[float]:
    """Restore all units, then remove some in the first network: the milliseconds of each click.

    Then put one back by keyboard.
    """
    units, caption = (
        page.locator(UNITS).first,
        page.locator(".dropoutlab-networks figcaption").first,
    )
    page.get_by_role("button", name="Restore all units").click()
    expect(caption).to_contain_text("0 of 64 units removed")
    box, passed = units.bounding_box(), []
    for unit in range(times):
        units.evaluate(TIMER, "pointerdown")
        row, column = divmod(unit, 8)
        side = box["width"] / 8
        units.click(position={"x": (column + 0.5) * side, "y": (row + 0.5) * side})
        passed.append(page.evaluate("() => window.repainted"))
        assert f"{unit + 1} of 64 units removed" in caption.inner_text()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    expect(caption).to_contain_text(f"{times - 1} of 64 units removed")
    expect(caption).to_contain_text("Unit 0 costs")  # the first to go stays in focus
    return passed


STATIC = """async ({ code, packed, state }) => {
  const { default: widget } = await import("data:text/javascript;base64," + code);
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)), heard = [];
  Object.assign(state, { packed: new DataView(bytes.buffer) });
  window.model = {
    get: (name) => state[name],
    set: (name, value) => {
      state[name] = value;
      for (const [events, hear] of heard) if (events.split(" ").includes("change:" + name)) hear();
    },
    on: (events, hear) => heard.push([events, hear]), save_changes() {}, off() {},
  };
  widget.render({ model, el: document.querySelector("main") });
}"""
"""Show a widget in a page that has no kernel."""


def test_the_browser_finds_what_python_finds(browser: Browser):
    """Do JavaScript's sentence and Python's agree, whatever is removed, and without a kernel?"""
    lesson = named("coadaptation")
    networks = eval(shown(lesson).source, rehearsal.stage(lesson)).picture
    page = browser.new_page()
    page.set_content("<main></main>")
    names = ("names", "removed", "focus", "step", "situations", "sentences", "digit", "units",
             "side", "trouble", "playing", "readable", "lasts")  # fmt: skip
    page.evaluate(STATIC, {
        "code": base64.b64encode(networks._esm.encode()).decode(),
        "packed": base64.b64encode(networks.packed).decode(),
        "state": {name: getattr(networks, name) for name in names},
    })  # fmt: skip
    rng = np.random.default_rng(0)
    for count, networks.playing in itertools.product((0, 1, 8, 40, 64), (False, True)):
        units = [rng.permutation(networks.units) for _ in networks.names]
        networks.removed = [sorted(some[:count].tolist()) for some in units]
        networks.focus = [int(rng.choice(some)) for some in units]
        page.evaluate(
            "state => Object.entries(state).forEach(([name, value]) => model.set(name, value))",
            {name: getattr(networks, name) for name in ("removed", "focus", "playing")},
        )
        caption = " ".join(page.locator("figcaption").inner_text().split())
        words, numbers = re.compile(r"[^-+\d.]+"), re.compile(r"[-+]?\d+\.?\d*")
        assert words.findall(caption) == words.findall(networks.says)
        found, expected = (
            [float(number) for number in numbers.findall(text)] for text in (caption, networks.says)
        )
        assert found == pytest.approx(expected, abs=0.011)  # a last digit may be rounded apart
    page.get_by_role("button", name="Stop playing").click()
    page.get_by_role("button", name="Play").click()
    page.locator(UNITS).first.focus()
    networks.removed, networks.playing = [[] for _ in networks.names], True
    drawing = [lasts[-1] for lasts in networks.lasts[networks.digit]]
    units = networks._sides[0].drawing_units(networks._examples[networks.digit]).tolist()
    said, numbers = page.locator("figcaption"), page.locator(".numbers").first
    page.keyboard.press("Space")
    expect(said).to_contain_text(f"with 1 of the {drawing[0]} units gone")
    expect(numbers).to_contain_text(f"gone: 1/{drawing[0]}")
    expect(numbers).to_contain_text(f"best: 1/{drawing[0]}")
    for gone, ends in (
        (units, "missed least."),
        (units[-1:], "Restore all units to begin again."),  # lost, it stays lost
        ([], "Still readable."),
        (units[-1:], "Still readable."),
    ):
        networks.removed = [gone, [], []]
        page.evaluate("removed => model.set('removed', removed)", networks.removed)
        expect(said.locator("div").first).to_have_text(networks.says.split(" With dropout: ")[0])
        assert said.locator("div").first.inner_text().endswith(ends)
    expect(numbers).to_contain_text(f"best: 1/{drawing[0]}")
    page.get_by_role("button", name="Stop playing").click()
    expect(page.locator("figcaption")).to_contain_text("0 of 64 units removed")
    page.close()


def test_a_stub_says_that_it_is_not_written_yet(project: Path, page: Page, lab: Server):
    """Does a lesson as released run to its end, each check saying what to do?"""
    lesson = named("inverted_dropout")
    released = nbformat.read(
        SOLUTIONS.parent / "lessons" / lesson.name / f"{lesson.name}.ipynb", as_version=4
    )
    nbformat.write(released, project / "lessons" / "as_released.ipynb")
    _open(page, lab, "as_released.ipynb")
    _run_all(page)
    errors = page.locator(".jp-OutputArea-output", has_text="not written yet")
    last = errors.nth(len([c for c in lesson.of("check") if not c.hidden]) - 1)
    expect(last).to_be_attached(timeout=MINUTE)
    expect(page.locator(".dropoutlab-explorer .trouble")).to_contain_text("Not written yet")


def test_a_finding_leads_to_its_figure(page: Page, lab: Server):
    """Does the link behind a finding scroll to the heading above the figure that measured it?"""
    name = named("bernoulli_masks").name
    _open(page, lab, f"{name}/{name}.ipynb")
    figure = page.get_by_role("heading", name="Exercise: kept_mean_and_std")
    expect(figure).not_to_be_in_viewport()
    page.get_by_role("link", name="↑").nth(1).click()
    expect(figure).to_be_in_viewport()


def test_a_learner_sees_assignments_and_no_formgrader(page: Page, lab: Server):
    """Has the menu an Assignment List, and no Formgrader?"""
    page.goto(lab.url("lab") + "&reset")
    page.get_by_role("menuitem", name="Nbgrader", exact=True).click()
    expect(page.get_by_text("Assignment List", exact=True).first).to_be_visible()
    expect(page.get_by_text("Formgrader", exact=True)).to_have_count(0)
    page.get_by_text("Assignment List", exact=True).first.click()
    expect(page.get_by_text("Released assignments")).to_be_visible()
    _shoot(page, "assignment-list")


def test_formgrader_lists_the_lessons(project: Path, browser: Browser, tier: str):
    """Does `lab --instructor` open on Formgrader, with every lesson that was built?"""
    if tier == "all":
        command = [sys.executable, str(project / "grader"), "build"]
        subprocess.run(command, cwd=project, check=True)
    else:  # the same but for the releases, which take longest: of one lesson only
        generate(LESSONS[:1], project)
        for lesson in LESSONS[1:]:
            source = project / ".course" / "source" / lesson.name / f"{lesson.name}.ipynb"
            source.parent.mkdir()
            nbformat.write(source_notebook(lesson), source)
    server = Server(project, "--instructor")
    server.wait()
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(MINUTE)
        page.goto(server.url("lab"))
        frame = page.frame_locator("iframe")
        for lesson in LESSONS:
            expect(frame.get_by_text(lesson.name, exact=True)).to_be_visible()
        _shoot(page, "formgrader")
        page.close()
    finally:
        server.stop()


def _tell(what: str, milliseconds: list[float]) -> None:
    """Print and keep the median and the 95th percentile of 20 times."""
    p50, p95 = statistics.median(milliseconds), sorted(milliseconds)[-2]
    line = f"{what} p50 {p50:.0f} ms, p95 {p95:.0f} ms"
    print(line)
    with open(_shots() / "repaint.txt", "a") as out:
        out.write(f"{line}\n")


def _shoot(page: Page, name: str) -> None:
    """Keep a screenshot, once what was scrolled into view is painted."""
    painted = "() => new Promise(done => requestIdleCallback(() => requestAnimationFrame(done)))"
    page.evaluate(painted)
    page.screenshot(path=_shots() / f"{name}.png")


def _shots() -> Path:
    folder = ARTIFACTS / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
