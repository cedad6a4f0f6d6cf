"""What has passed is asked again by default only where what it rests on has changed.

`tests/ran/WHAT/NAME` holds the digest of what the tests of one kind rest on for a lesson, or for
the class on a hub, from when all of them last passed. Such a test is marked with `rests_on`;
`conftest` notes what passes.
"""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from dropoutlab.explore.explorer import HERE as EXPLORE
from grader.authoring import finished
from grader.authoring.lesson import Lesson
from grader.paths import ROOT, released

FOLDER = ROOT / "tests" / "ran"
ASIDE = {"checksum", "contents", "mutants", "mutation", "record", "sitting", "skeleton"}
"""The modules of `grader/authoring` that have no part in judging an answer."""
PACKAGES = ("numpy", "torch", "matplotlib", "scipy", "ipython", "triton")
"""What judges answers, and what they are written with."""
RESTS_ON = "rests on"
"""The property of a test's report that holds its keys."""
Key = tuple[str, str, str]
"""What is asked, of which lesson or class, and the digest of what it rests on."""
APART = {"bench", "gpu", "paper", "website"}
"""The folders of `grader/` that no hub uses."""


def rests_on(what: str, lesson: Lesson, digest: str) -> pytest.MarkDecorator:
    """The mark of a test that `what` ("notebooks", "checks") of a lesson consists of."""
    return pytest.mark.rests_on(what, lesson.name, digest)


def rests_on_hub(lessons: Sequence[Lesson], tests: Iterable[Path]) -> pytest.MarkDecorator:
    """The mark of a test of a class on a hub, which works on these lessons."""
    packages = "jupyterhub", "jupyterlab", "nbgrader", "playwright"
    text = "\n".join([*map(grading, lessons), *map(_installed, packages)])
    used = [released(lesson.name) for lesson in lessons] + [ROOT / "requirements.txt"]
    for path in sorted((ROOT / "grader").rglob("*")):
        within = {*path.relative_to(ROOT / "grader").parts}
        if path.is_file() and not within & (APART | {"__pycache__"}) and path.suffix != ".md":
            used.append(path)
    return pytest.mark.rests_on("hubs", "class", digest(text, [*used, *tests]))


def keys(item: pytest.Item) -> Iterator[Key]:
    """What a test belongs to."""
    return (mark.args for mark in item.iter_markers("rests_on"))


def same(key: Key) -> bool:
    """Whether all rests on what it rested on when it last passed."""
    what, name, digest = key
    file = FOLDER / what / name
    return file.exists() and file.read_text(encoding="utf-8").strip() == digest


def count(items: list[pytest.Item]) -> None:
    """Let each report of a test say what it belongs to, and how many tests of the tier do."""
    needed = Counter(key for item in items for key in keys(item))
    for item in items:
        item.user_properties.append((RESTS_ON, [(*key, needed[key]) for key in keys(item)]))


class Passing:
    """A plugin that notes a key when as many tests have passed as it has, and none has failed.

    Not where tests were chosen by name, or asked less, or old packages were tried.
    """

    def __init__(self) -> None:
        self.passed: Counter[Key] = Counter()
        self.needed: dict[Key, int] = {}
        self.failed: set[Key] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for what, name, digest, needed in dict(report.user_properties).get(RESTS_ON, []):
            key = what, name, digest
            self.needed[key] = needed
            if report.failed:
                self.failed.add(key)
            elif report.when == "call" and report.passed:
                self.passed[key] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        config = session.config
        chosen = any("::" in argument for argument in config.args)
        chosen |= getattr(config.option, "lf", False)  # of what is not collected nothing is counted
        strict = "error" in config.getini("filterwarnings")
        if chosen or not strict or config.option.tier == "quick":
            return
        for key, needed in self.needed.items():
            if self.passed[key] >= needed and key not in self.failed:
                what, name, digest = key
                (FOLDER / what).mkdir(parents=True, exist_ok=True)
                (FOLDER / what / name).write_text(f"{digest}\n", encoding="utf-8")


# --- digests -----------------------------------------------------------------------------

figures = cache(finished.figures)


def files(*paths: Path) -> Iterator[Path]:
    """These files, and those of Python below these folders."""
    for path in paths:
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def digest(text: str, paths: Iterable[Path]) -> str:
    """A digest of a text and of what stands in files."""
    parts = [text.encode(), *(path.read_bytes() for path in paths)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def explorer(lesson: Lesson) -> str:
    """A digest of all that an explorer's page is made of."""
    code = "\n".join(source for _, source in finished.code_of(lesson))
    own = [path.with_suffix(".js") for path in finished.imported(code)]
    common = [path for path in EXPLORE.glob("*.js") if not path.with_suffix(".py").exists()]
    common += EXPLORE.glob("*.css")  # a page has them all
    website = ROOT / "grader" / "website"
    page = [website / name for name in ("explorers.py", "explorers.js", "pages.py", "script.py")]
    page.append(ROOT / "grader" / "authoring" / "trial.py")  # with which `explorers.py` makes one
    return digest(figures(lesson), [*filter(Path.exists, own), *sorted(common), *page])


@cache
def judging(lesson: Lesson) -> str:
    """A digest of all that decides how answers to a lesson are judged in the tests' own process."""
    judges = finished.imported("from dropoutlab import expect, probes, bugs, kept")
    by = files(ROOT / "grader" / "authoring", ROOT / "tests" / "support" / "rehearsal.py")
    by = (path for path in by if path.stem not in ASIDE)
    machine = platform.system(), platform.machine(), platform.python_version()
    text = "\n".join([figures(lesson), *machine, *map(_installed, PACKAGES)])
    return digest(text, [lesson.path, *_asked(lesson), *judges, *by])


def _installed(name: str) -> str:
    """A package and its version; Triton is not made for every system."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def grading(lesson: Lesson) -> str:
    """A digest of what decides how the sandbox grades a lesson."""
    return digest(
        judging(lesson), files(ROOT / "grader" / "isolation", ROOT / "grader" / "grading")
    )


def _asked(lesson: Lesson) -> list[Path]:
    """The modules that a lesson's checks import."""
    return finished.imported("\n".join(cell.source for cell in lesson.of("check")))
