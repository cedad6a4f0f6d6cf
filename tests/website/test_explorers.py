"""Explorers in Chromium: do they answer at once, to hand and key alike?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from curriculum import LESSONS
from grader.authoring.lesson import Lesson
from grader.paths import ROOT
from grader.website import explorers

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("explorers in a browser")]
SCRIPTED = list(filter(explorers.scripted, LESSONS))
KEPT = ROOT / ".artifacts" / "explorers"
VIEWS = {"day": ("light", 1000), "night": ("dark", 1000), "phone": ("light", 390)}


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


def _opened(explorer, place: tuple[Path, str], browser: Browser, theme: str, width: int) -> Page:
    folder, address = place
    name = f"{explorer.script}.html"
    (folder / name).write_text(explorers.page(explorer, theme), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=theme)
    page.goto(f"{address}/{name}")
    page.wait_for_selector(".panels svg")
    return page


def _processor(page: Page) -> float:
    """Milliseconds of the page's own thread for a move: the best of three rounds, as a busy machine
    makes each slower."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    session.send("Performance.enable")

    def spent() -> float:
        metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        return (
            metrics["ScriptDuration"] + metrics["LayoutDuration"] + metrics["RecalcStyleDuration"]
        )

    rounds = []
    for _ in range(3):
        before = spent()
        moves = len(page.evaluate(explorers.MOVE, explorers.MOVES // 3))
        rounds.append(1000 * (spent() - before) / moves)
    return min(rounds)


def _seen(page: Page) -> tuple[str, str]:
    """What is drawn, and what is said of it."""
    return page.locator(".panels").inner_html(), page.inner_text("figcaption")


@pytest.mark.parametrize("lesson", SCRIPTED, ids=lambda lesson: lesson.name)
def test_an_explorer_answers_at_once(lesson: Lesson, browser: Browser, place: tuple[Path, str]):
    """Is each move drawn within a frame, by mouse and key, in either theme, on desk and phone?"""
    explorer = explorers.made(lesson)
    KEPT.mkdir(parents=True, exist_ok=True)
    for view, (theme, width) in VIEWS.items():
        page = _opened(explorer, place, browser, theme, width)
        faults: list[str] = []
        page.on("pageerror", lambda error, faults=faults: faults.append(str(error)))
        page.screenshot(path=KEPT / f"{explorer.script}-{view}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        serious = [
            f"{violation['id']}: {violation['help']}"
            for violation in Axe().run(page).response["violations"]
            if violation["impact"] in ("serious", "critical")
        ]
        assert not serious, (view, serious)
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
        if view == "day":
            assert _processor(page) < 8, "milliseconds; a frame has 16"
        assert len(seen) > 1, "buttons lead to one view alone"
        assert not faults
        moved = _seen(page)
        page.evaluate(LATER)
        page.reload()
        page.wait_for_selector(".panels svg")
        same = _seen(page) == moved  # parts that were left alone are as if drawn anew
        assert same, "a view that was moved to differs from the same view opened by its address"
        page.close()


def test_a_view_can_be_linked(browser: Browser, place: tuple[Path, str]):
    """Does the address keep what a control was moved to, and lead there again?"""
    explorer = explorers.made(SCRIPTED[0])
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
