"""Which lessons, and which notebooks of one's own, a command's words mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from grader.authoring.build import released
from grader.authoring.lesson import FORMER, Lesson, read
from grader.errors import CourseError
from grader.paths import SOLUTIONS


def chosen(words: list[str], say: Callable[[str], None] = print) -> list[Lesson]:
    """The lessons that are meant: "13", "13_inverted_dropout", several, or "all".

    A name of the first edition, or a number that only it had, means the lesson of today.
    """
    names = dict.fromkeys(name for name, _ in _choices(words, say))
    return [_read(name) for name in names]


def own_notebooks(
    words: list[str], say: Callable[[str], None] = print
) -> list[tuple[Lesson, Path]]:
    """The same, each lesson with the learner's notebook.

    By its name of the first edition, that is the notebook of then where there is one.
    """
    notebooks = {}
    for name, former in _choices(words, say):
        old = released(former)
        notebooks[old if former and old.is_file() else released(name)] = name
    return [(_read(name), notebook) for notebook, name in notebooks.items()]


def _read(name: str) -> Lesson:
    return read(SOLUTIONS / f"{name}.py")


def _choices(words: list[str], say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Each lesson's name, and its name of the first edition where it was called by that."""
    known = sorted(path.stem for path in SOLUTIONS.glob("[0-9][0-9]_*.py"))
    for word in words:
        wanted = Path(word.rstrip("/")).stem
        today = [name for name in known if wanted in ("all", name, name[:2])]
        former = [old for old in FORMER if wanted in (old, old[:2]) and FORMER[old] in known]
        if not today and not former:
            raise CourseError(f"no lesson is called {wanted!r}. There are: {', '.join(known)}.")
        yield from ((name, "") for name in today)
        for old in [] if today else former:
            say(f"{old} of the first edition is {FORMER[old]} now.")
            yield FORMER[old], old
