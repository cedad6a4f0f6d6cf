"""Do the checks of each exercise notice every small edit of its solution?"""

from __future__ import annotations

from pathlib import Path

import pytest

from curriculum import LESSONS, each_lesson
from grader.authoring import mutants, mutation
from grader.authoring.lesson import Cell, Lesson
from project import ARTIFACTS

EDITS = {
    "a + b": ["a", "b", "a - b"],
    "a >= 0.5": ["a > 0.5", "a < 0.5", "a >= 0.55"],
    "not a": ["a"],
    "a if b else c": ["a", "c"],
    "a and b": ["a or b", "b", "a"],
    "a[1:]": ["a", "a[:]", "a[2:]", "a[0:]"],
    "1 - p": ["1", "p", "1 + p", "2 - p", "0 - p"],
    "a * p": ["a", "p", "a / p", "a * (1 - p)"],
    "0 <= p": ["0 < p", "0 > p", "1 <= p", "-1 <= p"],
    "a.mean(0)": ["a", "a.sum(0)", "a.mean()", "a.mean(1)", "a.mean(-1)"],
    "np.max(a, axis=b)": ["a", "np.min(a, axis=b)", "np.max(a)"],
    "a.copy()": ["a"],
    "f(a, b)": ["a", "f(a)", "f(b, a)"],
    "a.T": ["a"],
    "a, b": ["(b, a)"],
    "[a for a in b]": ["[a for a in [*b][1:]]", "[a for a in [*b][:-1]]"],
    'a == "é"': ['a != "é"', 'a == ""'],
    "True": ["False"],
    'f"{a}"': [],
    "a": [],
}


@pytest.mark.parametrize("expression", EDITS)
def test_an_expression_has_its_edits(expression: str):
    """Is each edit of an expression made, in place and once?"""
    made = mutants.of(_lesson(), _exercise(f"return {expression}"))
    whole = [mutant.source.splitlines()[3].removeprefix("    return ") for mutant in made]
    assert sorted(whole) == sorted(["    return", *EDITS[expression]])


BLOCKS = {
    "if a:\n    b()\nreturn c": ["if a: … -> pass", "if a: -> if True:", "return c -> return"],
    "if a:\n    b()\nelse:\n    c()": [
        "if a: -> if True:", "if a: -> if False:", "b() -> pass", "c() -> pass",
    ],
    "if a:\n    raise ValueError(1 + 1)": ["if a: … -> pass"],
    "with a, b():\n    c()": [
        "with a, b(): -> with b():", "with a, b(): -> with a:", "c() -> pass",
    ],
    "while a:\n    b += c": [
        "while a: … -> pass", "while a: -> while False:",
        "b += c -> pass", "b += c -> b = c", "b += c -> b -= c",
    ],
    "for a in b:\n    c()": [
        "for a in b: … -> pass", "c() -> pass",
        "for a in b: -> for a in [*b][1:]:", "for a in b: -> for a in [*b][:-1]:",
    ],
    "a()\nb()\na()": ["a() -> pass", "b() -> pass", "a() -> pass (number 2)"],
}  # fmt: skip


@pytest.mark.parametrize("block", BLOCKS)
def test_a_statement_has_its_edits(block: str):
    """Is each edit of statements made, and told by what stands once in the solution?"""
    made = mutants.of(_lesson(), _exercise(block))
    assert sorted(mutant.edit for mutant in made) == sorted(BLOCKS[block])


CHECK = """
with expect.case("first(n)"):
    expect.equal(len(first(3)), 3, hint="")
"""
ENDLESS = {
    "runs": ("while len(found) < n:\n    found += [0]", "found += [0] -> pass"),
    "grows": ("while n > 0:\n    found += [[0] * 2**20]\n    n -= 1", "n -= 1 -> pass"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_mutant_that_never_ends_is_cut(kind: str, monkeypatch):
    """Is it noticed, and an edit that the check does not ask about let pass?"""
    monkeypatch.setattr(mutation, "SECONDS", 1)
    monkeypatch.setattr(mutation, "GIGABYTES", 0.25)
    loop, edit = ENDLESS[kind]
    exercise = _exercise(f"found = []\n{loop}\nreturn found")
    lesson = _lesson(exercise, Cell("check", "first", CHECK, 20, points=1))
    noticed = {mutant.edit: told for mutant, told in mutation.outcomes(lesson)}
    assert noticed[edit]
    assert not noticed["[0] -> [1]"]


@pytest.mark.long("every mutant of every solution")
@pytest.mark.slow(minutes=10)
@each_lesson
def test_every_mutant_is_noticed(lesson: Lesson):
    """Is each mutant noticed but those that nobody could see, and is no other listed?"""
    outcomes = list(mutation.outcomes(lesson))
    survivors = {(m.exercise, m.edit): m for m, noticed in outcomes if not noticed}
    known = mutation.known(lesson.name)
    score = f"{len(outcomes) - len(survivors)} of {len(outcomes)} mutants noticed"
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"mutants-{lesson.name}.txt").write_text(f"{score}\n", encoding="utf-8")
    new = [f"{lesson.path.name}:{survivors[key].line}: {': '.join(key)}"
           for key in survivors.keys() - known.keys()]  # fmt: skip
    assert not new, "\n".join([f"{score}; no check notices:", *sorted(new)])
    stale = [": ".join(key) for key in known.keys() - survivors.keys()]
    assert not stale, "\n".join(["listed, and noticed or not made any more:", *sorted(stale)])


@pytest.mark.slow
def test_each_listed_edit_is_made():
    """Is each a mutant of its exercise, so that the reason belongs to something?"""
    lessons = {lesson.name: lesson for lesson in LESSONS}
    for name in mutation.listed():
        listed = mutation.known(name)
        assert all(reason for reason in listed.values())
        made = {(m.exercise, m.edit) for cell in lessons[name].of("exercise")
                for m in mutants.of(lessons[name], cell)}  # fmt: skip
        assert listed.keys() - made == set(), name


def _exercise(solution: str) -> Cell:
    """An exercise `first` with a solution."""
    body = "".join(f"    {line}\n" for line in solution.splitlines())
    text = f'def first(n):\n    """Do it."""\n    ### BEGIN SOLUTION\n{body}    ### END SOLUTION'
    return Cell("exercise", "first", text, 1)


def _lesson(*cells: Cell) -> Lesson:
    """A lesson of a setup cell and others."""
    setup = Cell("setup", "", "import numpy as np\nfrom dropoutlab import expect", 0)
    return Lesson(Path("98_lesson.py"), "A lesson", (setup, *cells))
