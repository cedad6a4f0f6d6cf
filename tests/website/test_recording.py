"""The README's moving picture: can it be made again, from a real JupyterLab?

The test records `lesson.gif` into the artifacts. Where it looks better than the one in
`.github/`, copy it there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from grader.authoring.build import released
from grader.authoring.reading import read
from grader.paths import ROOT, SOLUTIONS
from lab_server import Server, run
from project import ARTIFACTS

LESSON = read(SOLUTIONS / "11_bernoulli_masks.py")
WRONG = "return (rng.random(shape) < p).astype(float)"
HINT = "p is swapped: it is the probability of dropping, not of keeping."
TITLE = "Each unit has its own coin, flipped anew at each call with rng"
"""How the check that says so begins."""
SIZE = {"width": 860, "height": 600}
MINUTE = 60_000
LARGEST = 1_500_000
"""Bytes that a reader of the README is asked to load."""
PAINTED = "() => new Promise(done => requestIdleCallback(() => requestAnimationFrame(done)))"

pytestmark = pytest.mark.slow


class Recording:
    """Frames of a page, each with the time for which it is shown."""

    def __init__(self, page: Page):
        self.page = page
        self.frames: list[Image.Image] = []
        self.times: list[int] = []

    def shoot(self, milliseconds: int) -> None:
        """Keep what the page shows now, once it is painted."""
        self.page.evaluate(PAINTED)
        self.frames.append(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))
        self.times.append(milliseconds)

    def type(self, text: str) -> None:
        """Type a text, three letters to a frame."""
        for part in re.findall(r".{1,3}", text):
            self.page.keyboard.insert_text(part)  # no brackets are added to it
            self.shoot(90)

    def write(self, path: Path) -> None:
        """Write the frames as a GIF in the colours that all of them share."""
        sheet = Image.new("RGB", (SIZE["width"], SIZE["height"] * len(self.frames)))
        for i, frame in enumerate(self.frames):
            sheet.paste(frame, (0, i * SIZE["height"]))
        palette = sheet.quantize(256)
        first, *rest = (f.quantize(palette=palette, dither=Image.Dither.NONE) for f in self.frames)
        first.save(path, save_all=True, append_images=rest, duration=self.times, loop=0)


@pytest.fixture
def page(
    project: Path, chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Page]:
    """The lesson in JupyterLab, with nothing beside it, and in nobody's own settings."""
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", str(tmp_path))
    server = Server(project)
    server.wait()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(MINUTE)
        page.goto(server.url(f"doc/tree/{LESSON.name}/{LESSON.name}.ipynb") + "&reset")
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        yield page
        browser.close()
    server.stop()


@pytest.mark.browser
@pytest.mark.long("the README's moving picture")
def test_the_moving_picture_can_be_made_again(page: Page):
    """A wrong answer, its hint, the right answer, the explorer: is all of it seen to happen?"""
    recording = Recording(page)
    _run(_cell(page, "import numpy as np"))
    exercise = _cell(page, "def bernoulli_mask")
    exercise.scroll_into_view_if_needed()
    stub = exercise.locator(".cm-line", has_text="raise NotImplementedError")
    stub.click()
    page.keyboard.press("Home")
    recording.shoot(1500)
    page.keyboard.press("Shift+End")
    page.keyboard.press("Delete")
    recording.type(WRONG)
    recording.shoot(600)
    _run(exercise)
    figure = _cell(page, "masks = bernoulli_mask(")
    _run(figure)
    expect(figure.locator("img")).to_be_visible()
    _show(figure)
    recording.shoot(2500)

    check = _cell(page, f"# {TITLE}")
    run(check, MINUTE)
    output = check.locator(".jp-OutputArea-output")
    expect(output).to_contain_text(HINT)
    _show(output)
    recording.shoot(4500)

    _show(exercise := _cell(page, "def bernoulli_mask"))
    exercise.locator(".cm-line", has_text="astype").click()
    page.keyboard.press("Home")
    for _ in range(WRONG.index("<")):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Delete")
    recording.shoot(700)
    page.keyboard.insert_text(">=")
    recording.shoot(1200)
    _run(exercise)
    run(_cell(page, f"# {TITLE}"), MINUTE)
    expect(output.first).to_contain_text(f"✓ {TITLE}")
    expect(output.first).to_contain_text(re.compile(r"\d of \d points"))
    _show(output.last)
    recording.shoot(2200)

    explorer = _cell(page, "explore.")
    _run(explorer)
    handle = explorer.locator(".noUi-handle").first
    handle.focus()
    caption = explorer.locator("figcaption")
    expect(caption).to_contain_text("of 64 units")
    _show(explorer)
    recording.shoot(1200)
    for key in [*["ArrowRight"] * 7, *["ArrowLeft"] * 14]:
        before = caption.inner_text()
        page.keyboard.press(key)
        expect(caption).not_to_have_text(before)
        recording.shoot(220)
    recording.shoot(2000)

    ARTIFACTS.mkdir(exist_ok=True)
    recording.write(ARTIFACTS / "lesson.gif")
    assert (ARTIFACTS / "lesson.gif").stat().st_size < LARGEST


def _cell(page: Page, text: str) -> Locator:
    """The code cell with a text: it is there once it was scrolled to."""
    cell = page.locator(".jp-CodeCell", has_text=text).first
    panel = page.locator(".jp-WindowedPanel-outer").first
    below = panel.evaluate("e => e.scrollHeight") if not cell.count() else 0
    for place in range(0, below, 300):
        panel.evaluate("(e, place) => e.scrollTo(0, place)", place)
        page.evaluate(PAINTED)
        if cell.count():
            break
    return cell


def _run(cell: Locator) -> None:
    """Run a cell, and wait until it has run."""
    prompt = cell.locator(".jp-InputPrompt").first
    before = prompt.inner_text()
    cell.locator(".cm-line").first.click()
    cell.page.keyboard.press("Control+Enter")
    expect(prompt).not_to_have_text(before)
    expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=MINUTE)


def _show(part: Locator) -> None:
    """Scroll a part of the page into the middle of the window."""
    part.evaluate("it => it.scrollIntoView({ block: 'center' })")


def test_the_picture_is_of_this_course():
    """Does the README show a GIF that moves, is small, and tells what the lesson would say?"""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    alt, path = re.search(r"!\[([^\]]+)\]\((\S+\.gif)\)", readme).groups()
    with Image.open(ROOT / path) as picture:
        assert picture.n_frames > 20
    assert (ROOT / path).stat().st_size < LARGEST
    assert LESSON.title.partition(" · ")[2] in alt
    assert any(WRONG in mistake.source for mistake in LESSON.of("mistake"))
    assert HINT.partition(":")[0] in released(LESSON.name).read_text(encoding="utf-8")
