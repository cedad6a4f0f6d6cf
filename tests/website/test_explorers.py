"""Explorers that the browser draws, in Chromium: do they answer at once, to hand and key alike?"""

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


def _opened(explorer, place: tuple[Path, str], browser: Browser, theme: str, width: int) -> Page:
    folder, address = place
    name = f"{explorer.script}.html"
    (folder / name).write_text(explorers.page(explorer, theme), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=theme)
    page.goto(f"{address}/{name}")
    page.wait_for_selector(".panels svg")
    return page


def _processor(page: Page) -> float:
    """Milliseconds of the page's own thread for a move, whatever else the machine does."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    session.send("Performance.enable")

    def spent() -> float:
        metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        return (
            metrics["ScriptDuration"] + metrics["LayoutDuration"] + metrics["RecalcStyleDuration"]
        )

    before = spent()
    moves = len(page.evaluate(explorers.MOVE, explorers.MOVES))
    return 1000 * (spent() - before) / moves


def _seen(page: Page) -> tuple[str, str]:
    """What is drawn, and what is said of it."""
    return page.locator(".panels").inner_html(), page.inner_text("figcaption")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_an_explorer_answers_at_once(lesson: Lesson, browser: Browser, place: tuple[Path, str]):
    """Is each move drawn within a frame, by mouse and key, in either theme, on desk and phone?"""
    explorer = explorers.made(lesson)
    if explorer is None:
        return  # `test_explore` asks of those that the kernel draws
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
        seen: set[tuple[str, str]] = set()
        for button in page.locator("button").all():
            button.press("Enter")
            seen.add(
                (page.locator(".panels").inner_html(), page.locator("figcaption").inner_text())
            )
        if view == "day":
            assert _processor(page) < 8, "milliseconds; a frame has 16"
        assert len(seen) > 1, "buttons lead to one view alone"
        assert not faults
        page.close()


def test_a_view_can_be_linked(browser: Browser, place: tuple[Path, str]):
    """Does the address keep what a control was moved to, and lead there again?"""
    explorer = next(filter(None, map(explorers.made, LESSONS)))
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
