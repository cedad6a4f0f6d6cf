"""What the last build was made from, and what it made: where both are the same, nothing is to do.

The record lies in `.course/built.json`: for each lesson a digest of all that its notebook follows
from, and one of the notebook's bytes. So a lesson that has not changed is neither read nor built.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from functools import cache
from pathlib import Path

from grader.authoring.lesson import HEADING, lesson_files

GRADER = Path(__file__).resolve().parent.parent
CODE = (
    *sorted(Path(__file__).parent.glob("*.py")),
    GRADER / "course.py",
    GRADER / "nbgrader_config.py",
    *sorted((GRADER.parent / "lessons" / "dropoutlab" / "expect").glob("*.py")),  # marks, digests
)
"""The files that a notebook follows from, besides its own text."""
PACKAGES = ("jupytext", "nbconvert", "nbformat", "nbgrader")


def stale(root: Path) -> list[str]:
    """The lessons whose text or released notebook is not as the last build left it."""
    known, now = _known(root), _now(root)
    return [name for name in now if name != README and now[name] != known.get(name)]


def unchanged(root: Path) -> bool:
    """Whether a build would make nothing, and would have nothing to say."""
    released = {path.name for path in (root / "lessons").glob("[0-9][0-9]_*")}
    now = _now(root)
    return len(now) > 1 and now == _known(root) and released <= now.keys()


def write(root: Path) -> None:
    """Note that everything is as a build leaves it."""
    place = root / ".course" / "built.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(_now(root), indent=0), encoding="utf-8")


def plain(path: Path) -> bytes:
    """What a file holds, with the line ends that git keeps; nothing where there is none."""
    return path.read_bytes().replace(b"\r\n", b"\n") if path.exists() else b""


README = "README.md"


def _known(root: Path) -> dict[str, str]:
    """What the last build noted; nothing where that cannot be read, or the gradebook is new."""
    course = root / ".course"
    try:
        known = json.loads((course / "built.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and (course / "gradebook.db").exists() else {}


def _now(root: Path) -> dict[str, str]:
    """For each lesson, and for README.md, a digest of what it is made from and of what is there."""
    texts = {path.stem: plain(path).decode() for path in lesson_files(root / "solutions")}
    titles, digests = headings(texts), {README: digest(plain(root / README))}
    for name, text in texts.items():
        made = (root / folder / name / f"{name}.ipynb" for folder in ("lessons", ".course/source"))
        digests[name] = digest(*source(text, titles), makers(), *map(plain, made))
    return digests


def headings(texts: dict[str, str]) -> dict[str, str]:
    """The name and the title of each lesson, by its topic."""
    return {name[3:]: f"{name} {title(text)}" for name, text in texts.items()}


def title(text: str) -> str:
    """The title in a lesson's text; "" where it has none."""
    return found[1].strip() if (found := HEADING.search(text)) else ""


def source(text: str, titles: dict[str, str]) -> list[str]:
    """What a notebook follows from in solutions/: its text, and the titles of those it names."""
    return [text, *(titles.get(topic, "") for topic in re.findall(r"\{\{(\w+)\}\}", text))]


@cache
def makers() -> str:
    """A digest of the code and of the packages that read lessons and make notebooks."""
    return digest(*map(importlib.metadata.version, PACKAGES), *map(plain, CODE))


def digest(*parts: str | bytes) -> str:
    """One digest of several parts, wherever one ends and the next begins."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(b"%d:%b" % (len(data), data))
    return whole.hexdigest()[:32]
