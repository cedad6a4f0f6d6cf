"""The site as its readers meet it: in Chromium, on a phone and on a desk, by day and by night.

What is built: four lessons that are cheap to run, which `test_notebooks.py` has kept or which are
run here, and with `--all` every other one that is kept. None is trained for this.
"""

from __future__ import annotations

import functools
import html
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from rich.console import Console

from curriculum import LESSONS, ON_SITE
from grader import environment
from grader.authoring import claims, finished
from grader.authoring.build import released
from grader.authoring.contents import by_part
from grader.authoring.lesson import REGION, Lesson
from grader.authoring.skeleton import new
from grader.errors import CourseError
from grader.paths import ROOT
from project import ARTIFACTS, heeds_interrupts, leave

pytestmark = [pytest.mark.slow(minutes=2), pytest.mark.xdist_group("site")]

STRAIGHT = str.maketrans("’‘“”", "''\"\"")
"""From quotes as printers set them to those of a keyboard."""


@dataclass
class Site:
    """A site in a folder, and the lessons on it."""

    folder: Path
    lessons: list[Lesson]

    @property
    def pages(self) -> list[Path]:
        return sorted(self.folder.glob("*.html"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Site:
    """The site of the lessons that are cheap to run or, in the largest tier, were run."""
    environment.add("website")
    from grader.website import build

    every = pytestconfig.option.tier == "all"
    lessons = [x for x in LESSONS if x.name in ON_SITE or (every and finished.kept(x).exists())]
    folder = tmp_path_factory.mktemp("site") / "made"
    before = time.monotonic()
    build(lessons, folder, Console())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{len(lessons)} of {len(LESSONS)} lessons on the site, {size / 1e6:.1f} MB, "
          f"made in {time.monotonic() - before:.0f} s")  # fmt: skip
    return Site(folder, lessons)


def test_answers_are_not_on_it(site: Site):
    """Is no line of an answer, a mistake or a hidden check in any file of the site?"""
    given = "\n".join(_squeezed(_source(released(lesson.name))) for lesson in LESSONS)
    open_lines = set(given.splitlines())
    texts = {path: _text(path) for path in site.folder.rglob("*") if path.suffix in TEXTS}
    assert len(texts) > len(site.lessons)
    found, asked = [], 0
    for lesson in LESSONS:
        secret = [region for cell in lesson.cells for region in REGION.findall(cell.source)]
        secret += [c.source for c in lesson.cells if c.hidden or c.kind in ("mistake", "correct")]
        lines = set(_squeezed("\n".join(secret)).splitlines()) - open_lines
        long = [line for line in lines if len(line) >= 20 and line not in given]
        page = texts.get(site.folder / f"{lesson.name}.html", "")
        found += [(lesson.name, line) for line in lines & set(page.splitlines())]
        found += [(path.name, line) for line in long for path, t in texts.items() if line in t]
        asked += len(lines)
    assert asked > 1000
    assert not found


def test_an_answer_would_be_found(site: Site, tmp_path: Path):
    """Does the question above have teeth: is an answer found on a page that shows it?"""
    answer = REGION.findall(LESSONS[3].of("exercise")[0].source)[0]
    page = (site.folder / f"{LESSONS[3].name}.html").read_text(encoding="utf-8")
    shown = tmp_path / "shown.html"
    shown.write_text(page + f"<pre><span>{html.escape(answer)}</span></pre>", encoding="utf-8")
    assert set(_squeezed(answer).splitlines()) <= set(_text(shown).splitlines())


TEXTS = {".html", ".js", ".json", ".txt", ".md", ".ipynb", ".py", ".inv", ".css"}


def _text(path: Path) -> str:
    """What a file says, line by line and without white space; of a page, without its tags."""
    text = path.read_bytes().decode("utf-8", errors="replace")
    return _squeezed(
        html.unescape(re.sub(r"<[^>]*>", "", text)) if path.suffix == ".html" else text
    )


def _squeezed(text: str) -> str:
    """The lines of a text without white space, comments and empty ones."""
    lines = (re.sub(r"\s+", "", line.partition("#")[0]) for line in text.splitlines())
    return "\n".join(filter(None, lines))


def _source(notebook: Path) -> str:
    return "\n".join(cell.source for cell in nbformat.read(notebook, as_version=4).cells)


class _Elements(HTMLParser):
    """The start tags of a page, with their attributes."""

    def __init__(self, page: Path):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_every_figure_is_there_and_says_what_it_shows(site: Site):
    """Does each figure of the finished lessons, explorers too, stand on a page with its words?"""
    for lesson in site.lessons:
        notebook = nbformat.read(finished.kept(lesson), as_version=4)
        expected = [
            output.metadata["image/png"]["alt"]
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        images = _Elements(site.folder / f"{lesson.name}.html").found
        shown = [about["alt"] for tag, about in images if tag == "img" and "src" in about]
        logo = [words for words in shown if words not in expected]
        assert [words for words in shown if words in expected] == expected
        assert set(logo) <= {"", None}, "a figure that says nothing"
        assert any("explore." in cell.source for cell in notebook.cells)
        page = (site.folder / f"{lesson.name}.html").read_text(encoding="utf-8")
        assert "answers to sliders" in page or "data-explorer=" in page


def test_figures_open_folded(site: Site):
    """Is the code of each figure folded below its sentence, so that it tells no finding first?"""
    for lesson in site.lessons:
        page = (site.folder / f"{lesson.name}.html").read_text(encoding="utf-8")
        folds = r'<details class="[^"]*hide[^"]*">\s*<summary[^>]*>\s*<p[^>]*>([^<]*)'
        titles = re.findall(folds, page)
        folded = [c for c in lesson.cells if c.folded and c.kind in ("setup", "figure")]
        said = [c.source.partition("\n")[0].lstrip("# ").replace("`", "") for c in folded]
        assert [html.unescape(title) for title in titles] == said
        assert not re.search(r"#@title|# \w+, check \d+ of", page), "what is for front ends alone"


def test_every_link_leads_somewhere(site: Site):
    """Is each file and each place in a page that a page refers to on the site?"""
    places = {
        page: {about["id"] for _, about in _Elements(page).found if "id" in about}
        for page in site.pages
    }
    count = 0
    for page in site.pages:
        for tag, about in _Elements(page).found:
            link = about.get("href") or about.get("src") or ""
            if link.startswith("data:"):
                continue  # it is there already
            if re.match(r"(https?:|mailto:)", link):
                assert tag == "a", f"{page.name} loads {link} from another host"
                continue
            path, _, fragment = link.partition("#")
            target = (page.parent / path.partition("?")[0]).resolve() if path else page
            assert target.exists(), f"{page.name}: {link}"
            if fragment and target in places:
                assert fragment in places[target], f"{page.name}: {link}"
            count += bool(link)
    assert count > 100


def test_the_guide_is_on_it(site: Site):
    """Has each README its page, with its pictures, and does the sidebar list all by part?"""
    from grader.website.pages import GUIDE

    start = (site.folder / "index.html").read_text(encoding="utf-8")
    captions = re.findall(r'class="caption-text">([^<]+)<', start)
    assert captions == [*by_part(site.lessons), "Guide"]
    for source, name in GUIDE.items():
        title = (ROOT / source).read_text(encoding="utf-8").partition("\n")[0].strip("# ")
        text = (site.folder / f"{name}.html").read_text(encoding="utf-8")
        assert title in re.sub(r"<[^>]*>", "", text)
    pictures = [about["src"] for tag, about in _Elements(site.folder / "index.html").found
                if tag == "img" and str(about.get("src")).endswith(".gif")]  # fmt: skip
    assert len(pictures) == 1


def test_each_finding_is_listed_with_what_was_measured(site: Site):
    """Has the register every claim of these lessons, with its figure's text?"""
    page = (site.folder / "found.html").read_text(encoding="utf-8")
    told = " ".join(html.unescape(re.sub(r"<[^>]*>", "", page)).split())
    told = told.translate(STRAIGHT)  # Sphinx sets them as printers do
    for lesson in site.lessons:
        shown = claims.measured(nbformat.read(finished.kept(lesson), as_version=4))
        assert shown.keys() == lesson.claims.keys()
        for claim in shown.values():
            assert " ".join(claim.says.split()).translate(STRAIGHT) in told
    assert "Of 64 fair coins, exactly half come up heads" in told


def test_lessons_that_run_in_a_browser_are_there(site: Site):
    """Has each of them, and no other, its button; and is it there as it is released?"""
    from grader.website import lite
    from grader.website.lite import needs

    able = [lesson for lesson in site.lessons if not needs.missing(lesson)]
    assert {"00_start_here", "11_bernoulli_masks", "13_inverted_dropout"} <= {x.name for x in able}
    assert able != site.lessons
    for lesson in site.lessons:
        page = (site.folder / f"{lesson.name}.html").read_text(encoding="utf-8")
        assert (f'class="work-here" href="{lite.address(lesson)}"' in page) == (lesson in able)
        file = site.folder / lite.FOLDER / "files" / lesson.name / f"{lesson.name}.ipynb"
        if lesson in able:
            assert _source(file) == _source(released(lesson.name))
        else:
            assert "which a browser does not run" in page
            assert "git clone https" in re.sub(r"<[^>]*>", "", page)
            assert "git clone" in _source(file)
    config = (site.folder / lite.FOLDER / "jupyter-lite.json").read_text(encoding="utf-8")
    assert '"pyodideUrl": "https://cdn.jsdelivr.net/pyodide/' in config
    page = site.folder / lite.FOLDER / "notebooks" / "index.html"
    early = re.findall(r'prefetch" href="([^"]+)"', page.read_text(encoding="utf-8"))
    own = [link for link in early if "://" not in link]
    assert 0 < len(own) < len(early) and all((page.parent / link).exists() for link in own)


def test_a_folder_with_other_things_is_left_alone(site: Site, tmp_path: Path):
    """Does it refuse, in one sentence, to write where something else lies?"""
    from grader.website import build

    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CourseError, match="something else than a site: name another folder"):
        build(site.lessons, tmp_path, Console())
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_lesson_that_changed_is_run_again():
    """Is a kept run not taken for a lesson that says something else, but for new mistakes?"""
    lesson = LESSONS[0]
    story, *rest = lesson.cells
    changed = replace(lesson, cells=(replace(story, source=story.source + "\n\nMore."), *rest))
    mistake = replace(lesson.of("mistake")[0], source="pass")
    assert finished.kept(changed) != finished.kept(lesson)
    assert finished.kept(replace(lesson, cells=(*lesson.cells, mistake))) == finished.kept(lesson)


def test_a_stopped_run_goes_on(project: Path):
    """After Ctrl-C: is what was run kept, and no process left behind?"""
    environment.add("website")
    leave(project)
    new("98_seconds", project / "solutions")
    begun = project / "begun"
    with new("99_minutes", project / "solutions").open("a", encoding="utf-8") as text:
        text.write(
            f"\n# %%\nopen({str(begun)!r}, 'w').close()\nfor _ in range(10**10):\n    pass\n"
        )
    run = subprocess.Popen(
        [sys.executable, "-m", "grader", "site", "--to", str(project / ".site")],
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(project), str(project / "lessons")])},
        start_new_session=True, preexec_fn=heeds_interrupts,
    )  # fmt: skip
    kept = project / ".cache" / "site"
    while not (begun.exists() and list(kept.glob("98*.ipynb"))):
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.1)  # between two questions
    started = _descendants(run.pid)
    assert len(started) >= 2, "the other lesson and its kernel"
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=600)[0]
    assert run.returncode == 130
    assert "The same command goes on from here" in said
    assert [path.name[:2] for path in kept.iterdir()] == ["98"]
    until = time.monotonic() + 30
    while left := [pid for pid in started if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < until, f"still there: {left}"
        time.sleep(0.1)


def _descendants(pid: int) -> list[int]:
    """The processes that any thread of a process started, and those that they started."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    own = [int(child) for child in " ".join(lists).split()]
    return own + [below for child in own for below in _descendants(child)]


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site.folder))
    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1280, "height": 900}}


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the size and in the colours that the test asks for."""
    size, scheme = getattr(request, "param", ("desk", "light"))
    page = browser.new_page(viewport=SIZES[size], color_scheme=scheme)
    page.set_default_timeout(120_000)
    yield page
    page.close()


VIEWS = [("phone", "dark"), ("desk", "light"), ("phone", "light"), ("desk", "dark")]
"""Two for every run of the tests, each page being read by axe-core in one of them; and the rest."""
each_view = pytest.mark.parametrize(
    ("page", "view"),
    [
        pytest.param(view, view, id="-".join(view), marks=[] if number < 2 else [
            pytest.mark.long("each page, each theme")])
        for number, view in enumerate(VIEWS)
    ],
    indirect=["page"],
)  # fmt: skip


@pytest.mark.browser
@each_view
def test_the_pages_can_be_read(
    site: Site, address: str, page: Page, view: tuple[str, str], tier: str
):
    """Quiet, from this host alone, no wider than the screen, and nothing serious for axe-core?"""
    turn = VIEWS.index(view)
    faults: list[str] = []
    heard: list[str] = []
    page.on("console", lambda m: heard.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("requestfailed", lambda asked: heard.append(f"failed: {asked.url}"))
    page.on("request", lambda asked: heard.append(asked.url) if _foreign(asked.url, address) else 0)
    names = [path.name for path in site.pages]
    if turn >= 2:  # axe-core takes seconds for a page: here only some
        names = [n for n in names if n.removesuffix(".html") in ON_SITE or not n[:2].isdigit()]
    asked = names if tier == "all" else names[turn::2]
    ran = 0
    for name in names:
        heard.clear()  # what axe-core asked for itself: a style sheet, at an address of its own
        _open(page, address + name)
        faults += [f"{name}: {said}" for said in heard]
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > page.viewport_size["width"]:
            faults.append(f"{name} is {width} pixels wide")
        if page.locator("mjx-merror").count():
            faults.append(f"{name}: a formula that MathJax cannot read")
        if name not in asked:
            continue
        page.evaluate("document.querySelectorAll('details').forEach(it => it.open = true)")
        response = Axe().run(page, options={"resultTypes": ["violations"]}).response
        ran += len(response["passes"])
        faults += [
            f"{name}: {rule['id']} ({rule['impact']}): {node['html'][:200]}"
            for rule in response["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]
    assert not faults
    assert ran > 10 * len(asked)


def _foreign(url: str, address: str) -> bool:
    """Whether a page asks another host for something."""
    return not url.startswith((address, "data:"))


def _open(page: Page, url: str) -> None:
    """Open a page and wait until its formulas are set."""
    page.goto(url)
    page.evaluate("window.MathJax?.startup?.promise.then(() => null)")


@pytest.mark.browser
def test_a_word_is_found(site: Site, address: str, page: Page):
    """Does the search, opened and used by keyboard, lead to the lesson that has the word?"""
    _open(page, address + "index.html")
    page.keyboard.press("Control+K")
    page.keyboard.type("bernoulli")
    page.keyboard.press("Enter")
    found = page.locator("#search-results a", has_text="1.1 · Bernoulli masks").first
    expect(found).to_be_visible()
    found.click()
    expect(page.locator("h1")).to_contain_text("Bernoulli masks")


@pytest.mark.browser
@pytest.mark.parametrize("page", [(size, "light") for size in SIZES], indirect=True)
def test_the_keyboard_reaches_everything(address: str, page: Page):
    """Is the skip link first, and every visible control then reached, with its focus to be seen?"""
    _open(page, address + "00_start_here.html")
    page.locator(".dropoutlab-explorer .panels svg").first.wait_for()  # which brings controls
    wanted = page.evaluate(CONTROLS)
    reached, unseen = set(), []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Skip to main content"
    expect(page.get_by_text("Skip to main content")).to_be_in_viewport()
    for _ in range(2 * wanted):
        page.keyboard.press("Tab")
        state = page.evaluate(FOCUSED)
        if state is None:
            break
        reached.add(state["number"])
        if not state["seen"]:
            unseen.append(state["says"])
    assert wanted > 10
    assert not set(range(wanted)) - reached
    assert not unseen


CONTROLS = """() => {
  const can = "a[href], button, summary, input, select, [tabindex='0']";
  const all = [...document.querySelectorAll(can)]
    .filter(it => it.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .filter(it => !it.closest("#pst-skip-link"));
  all.forEach((it, number) => it.dataset.number = number);
  return all.length;
}"""
FOCUSED = """() => {
  const it = document.activeElement;
  if (it === document.body) return null;
  const style = getComputedStyle(it);
  return { number: Number(it.dataset.number ?? -1), says: it.outerHTML.slice(0, 120),
           seen: style.outlineStyle !== "none" || style.boxShadow !== "none" };
}"""


@pytest.mark.browser
@each_view
def test_screens_are_kept_to_be_looked_at(address: str, page: Page, view: tuple[str, str]):
    """Are there pictures of the first screens, in which a page's title stands?"""
    ARTIFACTS.mkdir(exist_ok=True)
    for name in ("13_inverted_dropout", "index", "teach"):
        _open(page, address + f"{name}.html")
        expect(page.locator("h1")).to_be_in_viewport()
        path = ARTIFACTS / f"site-{name}-{'-'.join(view)}.png"
        page.screenshot(path=path, full_page=True)
