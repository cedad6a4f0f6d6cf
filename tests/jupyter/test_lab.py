"""`python3 grader lab`: what JupyterLab opens on, its terminals, and how lessons look in it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image, ImageColor
from playwright.sync_api import Browser, Page, Response, expect
from tornado.websocket import websocket_connect
from traitlets.config import Config, PyFileConfigLoader
from traitlets.config.loader import ConfigFileNotFound

from curriculum import named
from dropoutlab import plot
from grader import lab
from grader.paths import LESSONS, ROOT
from lab_server import Server, run, select

MINUTE = 60_000


def in_browser(test: Callable) -> Callable:
    """Mark a test that drives JupyterLab in Chromium."""
    for mark in (pytest.mark.browser, pytest.mark.slow(minutes=1), pytest.mark.xdist_group("lab")):
        test = mark(test)
    return test


LESSON = named("inverted_dropout").name
STYLES = {
    "JupyterLab": (
        ROOT / "grader/jupyter/labextensions/dropout/static/style.css",
        '<body data-jp-theme-light="false"><div class="jp-RenderedImage">'
        '<img class="jp-needs-light-background" src="{}"></div>',
    ),
    "the site": (
        ROOT / "grader/website/style.css",
        '<html data-theme="dark"><body class="bd-content"><div class="cell_output">'
        '<a class="image-reference"><img src="{}"></a></div>',
    ),
}
"""Each stylesheet with a page that has a figure in a dark theme."""


def test_a_layout_is_given_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Is there a first layout for each role, and is one that JupyterLab has kept left alone?"""
    monkeypatch.setattr(lab, "COURSE", tmp_path)
    for instructor in (False, True):
        lab.lay_out(instructor=instructor)
        (option,) = (
            word
            for word in lab.command(instructor=instructor, port=1, ip="localhost", browser=False)
            if "workspaces_dir" in word
        )
        workspace = Path(option.partition("=")[2]) / lab.WORKSPACE
        (widget,) = json.loads(workspace.read_text())["data"]["layout-restorer:data"]["main"][
            "dock"
        ]["widgets"]
        assert ("formgrader" in widget) == instructor
        workspace.write_text("kept")
        lab.lay_out(instructor=instructor)
        assert workspace.read_text() == "kept"


def test_only_a_notebook_without_output_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Does an output that came with a file stay untrusted, and does a broken file stop nothing?"""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    lessons, notebooks = tmp_path / "lessons", {}
    shown = new_output("display_data", {"text/html": "<script>1</script>"})
    for name, outputs in (("clean", []), ("foreign", [shown])):
        notebooks[name] = new_notebook(cells=[new_code_cell("1", outputs=outputs)])
        (lessons / name).mkdir(parents=True)
        nbformat.write(notebooks[name], lessons / name / "a.ipynb")
    (lessons / "clean" / "broken.ipynb").write_text("{")
    (lessons / "clean" / "other.ipynb").write_text("[]")
    lab.trust(lessons)
    notary = NotebookNotary()
    assert {name: notary.check_signature(it) for name, it in notebooks.items()} == {
        "clean": True,
        "foreign": False,
    }


@pytest.mark.skipif(os.name != "posix", reason="cmd.exe is not here")
def test_grade_is_found_from_any_folder(tmp_path: Path):
    """Is `grade 13` the course's command, also where the course has a space in its path?"""
    course = tmp_path / "a course"
    shutil.copytree(ROOT / "grader/jupyter/bin", course / "grader/jupyter/bin")
    (course / "grader/__main__.py").write_text("import sys; print(sys.argv[1:])")
    path = lab.environment(instructor=False)["PATH"].split(os.pathsep)
    assert path[0] == str(ROOT / "grader/jupyter/bin")
    for python in ({"DROPOUT_PYTHON": sys.executable}, {}):
        told = subprocess.run(
            ["grade", "13", "--unsafe"], cwd=tmp_path, capture_output=True, text=True,
            env={"PATH": f"{course}/grader/jupyter/bin:{os.environ['PATH']}", **python},
        )  # fmt: skip
        assert told.stdout.strip() == "['grade', '13', '--unsafe']", told.stderr


@pytest.fixture(scope="module")
def server(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A learner's JupyterLab, which knows nothing of who has worked on this machine before."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_DATA_DIR", "JUPYTERLAB_SETTINGS_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        server = Server(project)
    server.wait()
    yield server
    server.stop()


def _open(page: Page, server: Server, lesson: str) -> None:
    page.goto(server.url(f"lab/tree/{lesson}/{lesson}.ipynb") + "&reset")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # in the status bar


@pytest.mark.slow(minutes=0.5)
@pytest.mark.xdist_group("lab")
def test_a_terminal_grades_wherever_it_opens(server: Server):
    """Does a terminal that is opened beside a lesson find `grade`?"""
    opened = urllib.request.Request(
        server.url("api/terminals"), json.dumps({"cwd": LESSON}).encode(), method="POST"
    )
    with urllib.request.urlopen(opened, timeout=60) as answer:
        name = json.load(answer)["name"]

    async def said() -> str:
        url = server.url(f"terminals/websocket/{name}").replace("http", "ws", 1)
        terminal, text = await websocket_connect(url), ""
        await terminal.write_message(json.dumps(["stdin", "pwd; grade --help\r"]))
        async with asyncio.timeout(60):
            while "--unsafe" not in text:
                kind, *what = json.loads(await terminal.read_message())
                text += what[0] if kind == "stdout" else ""
        terminal.close()
        return text

    with ThreadPoolExecutor(1) as pool:  # Playwright has a loop of its own in this thread
        text = pool.submit(asyncio.run, said()).result()
    assert f"lessons/{LESSON}" in text
    assert "usage: python3 grader grade" in text


def _kept_as_current(response: Response) -> bool:
    """Has the server written that the lesson is what one works on?"""
    request = response.request
    if request.method != "PUT" or "/api/workspaces/" not in request.url:
        return False
    assert response.ok
    layout = json.loads(request.post_data or "")["data"].get("layout-restorer:data", {})
    return LESSON in layout.get("main", {}).get("current", "")


@in_browser
def test_it_opens_on_the_first_lesson_and_then_where_one_was(server: Server, page: Page):
    """Is lesson 00 shown with its contents, and the next time what was open last?"""
    page.goto(server.url("lab"))
    tab = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    expect(tab.locator("h1").first).to_contain_text("Start here")
    expect(page.locator("#table-of-contents")).to_contain_text("Exercise: scale")
    with page.expect_response(_kept_as_current):
        page.goto(server.url(f"lab/tree/{LESSON}/{LESSON}.ipynb"))
        expect(tab.locator("h1").first).to_contain_text("Inverted dropout")
    page.goto(server.url("lab"))
    expect(tab.locator("h1").first).to_contain_text("Inverted dropout")
    expect(page.locator("#table-of-contents")).to_contain_text("Old weights")


@in_browser
def test_an_untouched_notebook_opens_saved_and_trusted(project: Path, server: Server, page: Page):
    """Has a lesson that was only opened nothing to save, and one that was written in has?"""
    path = project / "lessons" / LESSON / f"{LESSON}.ipynb"
    before = path.read_bytes()
    _open(page, server, LESSON)
    trust = page.locator(".jp-StatusItem-trust")
    expect(trust).to_have_attribute("title", re.compile("^Notebook trusted"))
    unsaved = page.locator(".jp-mod-dirty")
    page.wait_for_timeout(2000)  # long after the kernel has told its version
    assert unsaved.count() == 0
    assert path.read_bytes() == before
    page.locator(".dropout-exercise .cm-content").first.press("Control+End")
    page.keyboard.type("  # mine")
    expect(unsaved).not_to_have_count(0)


@in_browser
def test_an_address_leads_to_an_exercise(server: Server, page: Page):
    """In a second tab too: is the cell in sight that the link of a report ends with?"""
    name = named("inverted_dropout").exercises[-1]
    address = server.url(f"lab/tree/{LESSON}/{LESSON}.ipynb") + f"#cell-id={name}"
    page.goto(address)
    with page.expect_popup() as second:
        page.evaluate("address => window.open(address)", address)
    for tab in (page, second.value):
        expect(tab.locator(".dropout-exercise", has_text=name).first).to_be_in_viewport()


@in_browser
def test_a_folded_cell_stays_in_its_frame(server: Server, page: Page):
    """In a narrow window: is the line that a folded cell shows no wider than the cell?"""
    page.set_viewport_size({"width": 1000, "height": 800})
    _open(page, server, LESSON)
    lines = page.locator(".jp-PlaceholderText")
    lines.first.wait_for()
    beyond = """all => all.map(line => line.getBoundingClientRect().right -
                               line.closest(".jp-Cell").getBoundingClientRect().right)"""
    assert max(lines.evaluate_all(beyond)) < 0


@in_browser
def test_exercises_are_marked(server: Server, page: Page):
    """Do the cells that the learner writes have the bar, and no others?"""
    _open(page, server, LESSON)
    notebook = nbformat.read(LESSONS / LESSON / f"{LESSON}.ipynb", as_version=4)
    own = [bool(it.metadata.get("nbgrader", {}).get("solution")) for it in notebook.cells]
    panel = page.locator(".jp-WindowedPanel-outer").first
    exercise = page.locator(".dropout-exercise").first
    while not exercise.count():  # cells come when they are scrolled to
        below = panel.evaluate("e => (e.scrollBy(0, 300), e.scrollHeight - e.scrollTop > 400)")
        assert below, "no cell of the whole notebook is marked"
        page.wait_for_function("() => new Promise(requestAnimationFrame)")
    marks = (
        "all => all.map(e => [+e.dataset.windowedListIndex,"
        " e.classList.contains('dropout-exercise')])"
    )
    drawn = dict(page.locator(".jp-Notebook .jp-Cell").evaluate_all(marks))
    assert len(drawn) > 3 and drawn == {i: own[i] for i in drawn}
    bar = page.locator(".dropout-exercise .jp-InputArea-editor").first
    width = "e => getComputedStyle(e).borderLeftWidth"
    assert bar.evaluate(width) == "4px"
    page.locator(".dropout-exercise .cm-content").first.click()
    expect(page.locator(".jp-Notebook.jp-mod-editMode")).to_have_count(1)
    assert bar.evaluate(width) == "4px", "gone while it is edited"
    plain = page.locator(".jp-Cell:not(.dropout-exercise) .jp-InputArea-editor").first
    assert plain.evaluate(width) != "4px"


@in_browser
def test_a_figure_follows_the_theme(server: Server, page: Page):
    """Is a figure's ground the page's in either theme, and has it its alternative text?"""
    _open(page, server, "00_start_here")
    imports, figure = page.locator(".jp-CodeCell").all()[:2]
    select(imports)
    page.keyboard.press("Control+Enter")
    run(figure, MINUTE)
    picture = figure.locator(".jp-RenderedImage img")
    expect(picture).to_have_attribute("alt", re.compile("A handwritten digit"))
    for theme, ground in (("true", 0xFF), ("false", 0x11)):
        page.evaluate("theme => { document.body.dataset.jpThemeLight = theme; }", theme)
        pixels = np.array(Image.open(io.BytesIO(picture.screenshot())).convert("RGB"), int)
        assert np.abs(pixels[2, 2] - ground).max() <= 2, theme


@in_browser
@pytest.mark.parametrize("where", STYLES)
def test_colours_are_told_apart_in_a_dark_theme(browser: Browser, where: str):
    """Has text in a figure a contrast of 4.5 with its ground, and a line one of 3?"""
    style, page_with = STYLES[where]
    colors = [plot.INK, plot.GREY, plot.BLUE, plot.ORANGE, plot.GREEN, plot.PINK, plot.SKY, "white"]
    swatches = Image.new("RGB", (20 * len(colors), 20))
    for i, color in enumerate(colors):
        swatches.paste(color, (20 * i, 0, 20 * i + 20, 20))
    swatches.save(file := io.BytesIO(), "PNG")
    source = f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
    page = browser.new_page()
    page.set_content(page_with.format(source))
    page.add_style_tag(path=style)
    shot = Image.open(io.BytesIO(page.locator("img").screenshot())).convert("RGB")
    page.close()
    *drawn, ground = (_luminance(shot.getpixel((20 * i + 10, 10))) for i in range(len(colors)))
    assert ground < 0.01
    contrasts = [(ink + 0.05) / (ground + 0.05) for ink in drawn]
    assert min(contrasts[:2]) >= 4.5
    assert min(contrasts) >= 3


def test_text_in_figures_is_read_on_white():
    """Have the colours in which figures write a contrast of 4.5 with white paper?"""
    for color in (plot.INK, plot.GREY):
        assert 1.05 / (_luminance(ImageColor.getrgb(color)) + 0.05) >= 4.5


def _luminance(color: tuple[int, ...]) -> float:
    """The relative luminance of an sRGB colour, as WCAG 2 defines it."""
    c = np.array(color) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("exchange", "instructor", "checked"), [
    ("", True, False), ("/srv/exchange", True, True), ("/srv/exchange", False, False),
])  # fmt: skip
def test_from_a_shared_exchange_accounts_are_checked(
    exchange: str, instructor: bool, checked: bool, monkeypatch: pytest.MonkeyPatch
):
    """Does an instructor collect with our check of accounts where all may write, and only there?"""
    monkeypatch.setenv("DROPOUT_EXCHANGE", exchange)
    monkeypatch.delenv("JUPYTER_CONFIG_PATH", raising=False)
    paths = lab.environment(instructor=instructor)["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    loaded = Config()
    for path in reversed(paths):
        with contextlib.suppress(ConfigFileNotFound):
            loaded.merge(PyFileConfigLoader("nbgrader_config.py", path=path).load_config())
    assert ("collect" in loaded.ExchangeFactory) is checked
