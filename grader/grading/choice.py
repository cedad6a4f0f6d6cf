"""Which lessons, and which notebooks of one's own, a command's words mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from grader.authoring.build import released
from grader.authoring.lesson import Lesson, read_all
from grader.errors import CourseError
from grader.paths import SOLUTIONS


def chosen(names: list[str], say: Callable[[str], None] = print) -> list[Lesson]:
    """The lessons that are meant: "13", "13_inverted_dropout", several, or "all".

    A name of the first edition, or a number that only it had, means the lesson of today.
    """
    return list(dict.fromkeys(lesson for lesson, _ in _choices(names, say)))


def own_notebooks(
    names: list[str], say: Callable[[str], None] = print
) -> list[tuple[Lesson, Path]]:
    """The same, each lesson with the learner's notebook.

    By its name of the first edition, that is the notebook of then where there is one.
    """
    pairs = []
    for lesson, former in _choices(names, say):
        notebook = released(lesson.former) if former else released(lesson.name)
        if former and not notebook.is_file():
            notebook = released(lesson.name)
        pairs.append((lesson, notebook))
    return list(dict.fromkeys(pairs))


def _choices(names: list[str], say: Callable[[str], None]) -> Iterator[tuple[Lesson, bool]]:
    """Each lesson, and whether it was called by its name of the first edition."""
    lessons = read_all(SOLUTIONS)
    for word in names:
        name = Path(word.rstrip("/")).stem
        today = [x for x in lessons if name in ("all", x.name, x.name[:2])]
        former = [x for x in lessons if x.former and name in (x.former, x.former[:2])]
        if not today and not former:
            known = ", ".join(lesson.name for lesson in lessons)
            raise CourseError(f"no lesson is called {name!r}. There are: {known}.")
        for lesson in [] if today else former:
            say(f"{lesson.former} of the first edition is {lesson.name} now.")
        yield from ((lesson, not today) for lesson in today or former)
