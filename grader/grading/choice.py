"""Which lessons, and which notebooks of one's own, a command's words mean.

A wrong word is told at once: what reads lessons is imported when all words are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from grader.authoring.lesson import FORMER, lesson_files
from grader.errors import OF_A_LEARNER, CourseError
from grader.paths import PACKED, SOLUTIONS, released

if TYPE_CHECKING:
    from grader.authoring.lesson import Lesson
    from grader.grading.packed import Packed


def chosen(words: list[str], say: Callable[[str], None] = print) -> list[Lesson]:
    """The lessons that are meant: "13", "13_inverted_dropout", several, "1" for a part, or "all".

    A name of the first edition, or a number that only it had, means the lesson of today.
    """
    return [_read(name) for name in names(words, say)]


def names(words: list[str], say: Callable[[str], None] = lambda line: None) -> list[str]:
    """The names of the lessons that are meant, of which none is read."""
    return [*dict.fromkeys(name for name, _ in _choices(words, say))]


def one(word: str) -> Lesson:
    """The one lesson that is meant; CourseError where several are."""
    meant = names([word])
    if len(meant) > 1:
        raise CourseError(f"{word!r} means {len(meant)} lessons: name one of {', '.join(meant)}.")
    return chosen([word])[0]


def own_notebooks(
    words: list[str], say: Callable[[str], None] = print
) -> Iterator[tuple[Lesson | Packed, Path]]:
    """The same as `chosen`, each lesson with the learner's notebook, once all words are known.

    By its name of the first edition, that is the notebook of then where there is one. In a
    learner's repository, "all" are those in which an answer is written.
    """
    if PACKED.is_dir():
        return _packed(names(words, say), begun=words == ["all"])
    notebooks = {}
    for name, former in _choices(words, say):
        old = released(former)
        notebooks[old if former and old.is_file() else released(name)] = name
    return ((_read(name), notebook) for notebook, name in notebooks.items())


def _packed(names: list[str], begun: bool) -> Iterator[tuple[Packed, Path]]:
    from grader.grading.packed import Packed

    for name in names:
        lesson, notebook = Packed.read(PACKED / name), released(name)
        if not begun or lesson.begun(notebook):
            yield lesson, notebook


def _read(name: str) -> Lesson:
    if not SOLUTIONS.is_dir():
        raise CourseError(OF_A_LEARNER)
    from grader.authoring.reading import read

    return read(SOLUTIONS / f"{name}.py")


def _choices(words: list[str], say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Each lesson's name, and its name of the first edition where it was called by that."""
    packed = PACKED.glob("[0-9][0-9]_*")
    known = sorted(path.stem for path in (*lesson_files(SOLUTIONS), *packed))
    for word in words:
        wanted = Path(word.rstrip("/")).stem
        today = [name for name in known if wanted in ("all", name, name[:2], name[0])]
        former = [old for old in FORMER if wanted in (old, old[:2]) and FORMER[old] in known]
        if not today and not former:
            raise CourseError(f"no lesson is called {wanted!r}. There are: {', '.join(known)}.")
        yield from ((name, "") for name in today)
        for old in [] if today else former:
            say(f"{old} of the first edition is {FORMER[old]} now.")
            yield FORMER[old], old
