"""Explorers in Chromium: do they answer at once, to hand and key alike?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from _pytest.mark import ParameterSet
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

import pace
import ran
from curriculum import LESSONS, named
from dropoutlab.explore.explorer import Explorer
from grader.authoring.lesson import Lesson
from grader.paths import ROOT
from grader.website import explorers

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow(minutes=3),
    pytest.mark.xdist_group("explorers in a browser"),
]
SCRIPTED = list(filter(explorers.scripted, LESSONS))
KEPT = ROOT / ".artifacts" / "explorers"
VIEWS = {"day": ("light", 1000), "night": ("dark", 1000), "phone": ("light", 390)}
TURNS = dict(zip(SCRIPTED, itertools.cycle(VIEWS), strict=False))
"""In which view each is asked for by default."""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Path, str]]:
    with explorers.served() as place:
        yield place


CUT = """[...document.querySelectorAll(".panels svg")].flatMap((svg) =>
  [...svg.querySelectorAll("text")].filter((text) => {
    const inside = text.getBoundingClientRect(), around = svg.getBoundingClientRect();
    return inside.left < around.left - 1 || inside.right > around.right + 1;
  }).map((text) => text.textContent))"""
"""Words that reach beyond their panel, where they are cut off."""

LATER = "new Promise((done) => setTimeout(done, 300))"
"""Timers end in order: the one that writes the address, after 200 ms, is then over."""


def _opened(
    explorer: Any,
    place: tuple[Path, str],
    browser: Browser,
    theme: str,
    width: int,
    motion: Literal["reduce", "no-preference"] = "reduce",
) -> Page:
    folder, address = place
    name = f"{explorer.script}.html"
    (folder / name).write_text(explorers.page(explorer, theme), encoding="utf-8")
    page = browser.new_page(
        viewport={"width": width, "height": 700}, color_scheme=theme, reduced_motion=motion
    )
    page.goto(f"{address}/{name}")
    page.wait_for_selector(".panels svg, .nets canvas")
    return page


def _seen(page: Page) -> tuple[str, str]:
    """What is drawn, and what is said of it."""
    return page.locator(".panels").inner_html(), page.inner_text("figcaption")


def _barriers(page: Page) -> list[str]:
    """What axe finds that keeps somebody from using a page."""
    return [
        f"{violation['id']}: {violation['help']}"
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


def _cases() -> Iterator[ParameterSet]:
    """Each explorer in each view, of which one each is asked for where something has changed."""
    for lesson, view in itertools.product(SCRIPTED, VIEWS):
        marks = [pytest.mark.long("each explorer by day, night and on a phone")]
        if TURNS[lesson] == view:
            digest = ran.digest(ran.explorer(lesson), [Path(__file__)])
            marks = [ran.rests_on("explorers", lesson, digest)]
        yield pytest.param(lesson, view, id=f"{lesson.name}-{view}", marks=marks)


@cache
def _made(lesson: Lesson) -> Explorer:
    """A lesson's explorer, which no page changes: pages have no kernel."""
    return explorers.made(lesson)


@pytest.mark.parametrize(("lesson", "view"), list(_cases()))
def test_an_explorer_answers_at_once(
    lesson: Lesson, view: str, browser: Browser, place: tuple[Path, str]
):
    """Is each move drawn within a frame, by mouse and key, in either theme, on desk and phone?"""
    explorer, (theme, width) = _made(lesson), VIEWS[view]
    page = _opened(explorer, place, browser, theme, width)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    KEPT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=KEPT / f"{explorer.script}-{view}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert _barriers(page) == []
    for control in page.locator(".controls input").all():
        before = _seen(page)
        control.press("ArrowLeft")
        assert _seen(page) != before, control.input_value()
        assert page.evaluate(CUT) == []
    seen: set[tuple[str, str]] = set()
    for button in page.locator("button").all():
        button.press("Enter")
        seen.add(_seen(page))
        assert page.evaluate(CUT) == []
    frame = 16  # milliseconds
    moved = pace.in_page(page, lambda: len(page.evaluate(explorers.MOVE, explorers.MOVES // 3)))
    assert moved < frame
    assert len(seen) > 1, "buttons lead to one view alone"
    assert not faults
    there = _seen(page)
    page.evaluate(LATER)
    page.reload()
    page.wait_for_selector(".panels svg")
    same = _seen(page) == there  # parts that were left alone are as if drawn anew
    assert same, "a view that was moved to differs from the same view opened by its address"
    page.close()


def test_a_view_can_be_linked(browser: Browser, place: tuple[Path, str]):
    """Does the address keep what a control was moved to, and lead there again?"""
    explorer = _made(SCRIPTED[0])
    page = _opened(explorer, place, browser, "light", 1000)
    page.locator(".controls input").first.press("ArrowRight")
    page.wait_for_url(f"**/*#{explorer.script}:*")
    address, says = page.url, page.locator("figcaption").inner_text()
    page.close()
    again = browser.new_page()
    again.goto(address)
    again.wait_for_selector(".panels svg")
    assert again.locator("figcaption").inner_text() == says
    first = explorer.controls[0]
    again.evaluate(f"location.hash = '{explorer.script}:{first['name']}={first['values'][0]}'")
    again.wait_for_function(f"document.querySelector('figcaption').textContent !== {says!r}")
    assert again.locator(".controls input").first.input_value() == "0"
    again.close()


TRAINING = next(lesson for lesson in LESSONS if explorers.scripted(lesson) == "training")
FINISHED = """document.querySelector("figcaption")?.textContent.startsWith("After 1500 of 1500")"""
WATCHED = """() => {
  window.took = [], window.told = [];
  const frame = window.requestAnimationFrame;
  window.requestAnimationFrame = (run) => frame((now) => {
    const start = performance.now();
    run(now);
    took.push(performance.now() - start);
  });
  document.addEventListener("DOMContentLoaded", () => new MutationObserver((all) => {
    if (all.some(({ target }) => target.closest?.("figcaption"))) told.push(performance.now());
  }).observe(document.body, { childList: true, subtree: true }));
}"""
"""How long each frame's work takes, and when a new sentence is there."""
SOON = "new Promise((done) => setTimeout(done, 500))"


def test_networks_train_in_the_page(browser: Browser, place: tuple[Path, str]):
    """Do they train by themselves to the end, a frame at a time, without a word too often?"""
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    context.add_init_script(f"({WATCHED})()")
    page = context.new_page()
    folder, address = place
    (folder / "training.html").write_text(explorers.page(_made(TRAINING)), encoding="utf-8")
    page.goto(f"{address}/training.html")
    page.wait_for_function(FINISHED)
    took, told = page.evaluate("[took, told]")
    assert len(took) >= 1500 / 6 and sorted(took)[len(took) // 2] < 16, "milliseconds a frame"
    pauses = [b - a for a, b in itertools.pairwise(told)]
    assert all(pause > 900 for pause in pauses[1:-1]), pauses  # the last is said at once
    ended = _seen(page)
    page.get_by_role("button", name="Restart").press("Enter")
    page.wait_for_function(f"!{FINISHED}")
    page.wait_for_function(FINISHED)
    assert _seen(page) == ended, "the same settings give other curves"
    context.close()


def test_training_waits(browser: Browser, place: tuple[Path, str]):
    """Does it wait for the button where less motion is wanted, pause, and stop out of sight?"""
    page = _opened(_made(TRAINING), place, browser, "light", 1000)
    begun = _seen(page)
    page.evaluate(SOON)
    assert _seen(page) == begun
    page.get_by_role("button", name="Train").press("Enter")
    page.evaluate(SOON)
    page.get_by_role("button", name="Pause").press("Enter")
    paused = _seen(page)
    page.evaluate(SOON)
    assert _seen(page) == paused != begun
    page.get_by_role("button", name="Train").press("Enter")
    page.evaluate("document.querySelector('main').style.marginTop = '3000px'")
    page.evaluate(SOON)
    hidden = _seen(page)
    page.evaluate(SOON)
    assert _seen(page) == hidden
    page.evaluate("document.querySelector('main').style.marginTop = 0")
    page.wait_for_function(FINISHED)
    page.close()


SHEET = next(lesson for lesson in LESSONS if explorers.scripted(lesson) == "closing_gap")
SEEN = "document.querySelectorAll('.panels svg')[%d].innerHTML"


def test_a_digit_can_be_drawn(browser: Browser, place: tuple[Path, str]):
    """Is a stroke by mouse, finger or keys read at once, kept when p moves, and cleared?"""
    page = _opened(_made(SHEET), place, browser, "light", 390)
    sheet, ready = page.locator("[data-pad]"), page.evaluate(SEEN % 0)
    box = sheet.bounding_box()
    assert box

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    page.mouse.move(*at(0.5, 0.1))
    page.mouse.down()
    page.mouse.move(*at(0.5, 0.9), steps=8)
    page.mouse.up()
    stroke, read = page.evaluate(SEEN % 0), page.evaluate(SEEN % 1)
    assert stroke != ready
    page.locator(".controls input").first.press("ArrowRight")
    assert page.evaluate(SEEN % 0) == stroke and page.evaluate(SEEN % 1) != read
    page.get_by_role("button", name="Clear the sheet").press("Enter")
    assert "The sheet is empty." in page.inner_text("figcaption")
    empty = page.evaluate(SEEN % 0)
    sheet.focus()
    for key in ("ArrowUp", " ", "ArrowDown", "ArrowDown", " ", "ArrowLeft"):
        page.keyboard.press(key)
    keyed = page.evaluate(SEEN % 0)
    assert keyed != empty and "The network reads" in page.inner_text("figcaption")
    assert sheet.evaluate("(pad) => pad === document.activeElement")
    assert sheet.evaluate("(pad) => getComputedStyle(pad).touchAction") == "none"
    page.get_by_role("button", name="A ready 3").press("Enter")
    assert page.evaluate(SEEN % 0) == ready, "a ready digit is as it was"
    page.close()


@pytest.mark.parametrize("view", [
    pytest.param(view, marks=[] if view == "phone" else [
        pytest.mark.long("each explorer by day, night and on a phone")])
    for view in VIEWS
])  # fmt: skip
def test_networks_lose_units_at_once(view: str, browser: Browser, place: tuple[Path, str]):
    """Does 2.3's remove what is clicked, and say of it what Python says, within a frame?"""
    networks, (theme, width) = explorers.made(named("coadaptation")).picture, VIEWS[view]
    page = _opened(networks, place, browser, theme, width)
    page.screenshot(path=KEPT / f"coadaptation-{view}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert _barriers(page) == []
    grids, across = page.locator(".nets canvas[role=application]"), round(networks.units**0.5)
    assert networks.removed == [[], [], []]
    game = page.get_by_role("button", name="Play")

    def agree() -> None:
        assert page.inner_text("figcaption").split() == networks.says.split()

    agree()
    for which, unit in ((0, 14), (2, 3), (0, 35), (1, 50), (0, 14), (2, 60)):
        box = grids.nth(which).bounding_box()
        assert box
        side = box["width"] / across
        place_in = {"x": (unit % across + 0.5) * side, "y": (unit // across + 0.5) * side}
        grids.nth(which).click(position=place_in)
        removed = [set(units) for units in networks.removed]
        if not removed[which]:  # the first to go stays in focus
            networks.focus = [unit if k == which else f for k, f in enumerate(networks.focus)]
        removed[which] ^= {unit}
        networks.removed = [sorted(units) for units in removed]
        agree()
    grids.nth(1).press("ArrowRight")
    grids.nth(1).press("Space")
    networks.removed = [networks.removed[0], [50, 51], networks.removed[2]]
    agree()
    game.press("Enter")
    networks.playing, networks.removed = True, [[], [], []]
    agree()
    moved = pace.in_page(page, lambda: len(page.evaluate(explorers.CLICK, explorers.MOVES // 3)))
    assert moved < 16  # milliseconds, a frame
    page.close()
