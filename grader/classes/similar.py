"""Pairs of answers that are alike beyond what the exercise forces: `python3 grader similar 13`.

Winnowing (Schleimer, Wilkerson & Aiken, "Winnowing: local algorithms for document fingerprinting",
SIGMOD 2003): of an answer's tokens every run of `RUN` is hashed, and of each `WINDOW` hashes that
follow one another the smallest is kept. Two texts that have `RUN + WINDOW - 1` tokens in common
share a fingerprint, wherever these stand. A learner's own names count as one token, and comments,
docstrings and the layout as none, so that renaming and moving hide nothing.

What is forced is left out: runs that the released text, the solution, its mistakes and the
lesson's other answers have too, and fingerprints that many of the class share. So the same short
right answer makes nobody alike. A list is a place to look, never a verdict.
"""

from __future__ import annotations

import builtins
import io
import keyword
import re
import tokenize
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from nbformat import NotebookNode
from rich.console import Console
from rich.markup import escape

from grader.authoring.lesson import Lesson
from grader.errors import CourseError
from grader.grading import memory, submission
from grader.grading.folders import ClassFolder
from grader.grading.worker import READING
from grader.isolation.alarm import Overrun, alarm
from grader.isolation.confinement import Limits
from grader.isolation.text import plain

RUN = 6
WINDOW = 4
LEAST = 4
"""Fingerprints that two answers share, at least, to be told."""
HALF = 0.5
"""The part of the shorter answer's own fingerprints that is shared, at least."""
MANY = 10
"""A fingerprint that more learners have is the class's, as in Moss; in a small class, fewer."""
LONGEST = 100_000
"""Characters of an answer that are compared, at most."""
KEPT = {*keyword.kwlist, *dir(builtins), "np", "torch", "nn", "F", "math", "plt"}
"""Names that are no learner's own."""
LAYOUT = {
    *(tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}
Tokens = list[tuple[str, int]]
"""Each with the line on which it stands."""
Prints = dict[int, int]
"""Fingerprints, each with the line on which it begins first."""


@dataclass(frozen=True)
class Alike:
    """Two answers to an exercise."""

    exercise: str
    shared: int
    of: int
    """The fingerprints of the one with fewer."""
    lines: tuple[tuple[str, ...], tuple[str, ...]]
    """Where they are alike, in each."""


@dataclass(frozen=True)
class Pair:
    """Two learners, and the answers in which they are alike."""

    learners: tuple[str, str]
    answers: tuple[Alike, ...]

    @property
    def shared(self) -> int:
        return sum(alike.shared for alike in self.answers)


@dataclass(frozen=True)
class Found:
    """What is alike in a class."""

    pairs: list[Pair]
    """The most alike first."""
    usual: tuple[float, float]
    """Fingerprints that pairs share in this class: half of all pairs at most, and 95 in 100."""


def handed_in(lesson: Lesson, place: Path, released: NotebookNode) -> dict[str, dict[str, str]]:
    """What each learner of a class has written, by exercise; who handed in no notebook is none."""
    folder, found = ClassFolder(place), {}
    for learner in folder.learners(lesson):
        text = folder.handed_in(lesson, learner).text
        try:
            with memory.no_more_than(Limits().memory), alarm.set(READING):
                notebook, _ = submission.parse(text or b"")
                rebuilt, _ = submission.rebuild(notebook, released, released)
        except (CourseError, Overrun, MemoryError):
            continue  # `autograde` says what is wrong with it
        found[learner] = written(rebuilt)
    return found


def written(notebook: NotebookNode) -> dict[str, str]:
    """The cells of a rebuilt notebook that a learner writes, by name; of each what is compared."""
    marks = [(cell.metadata.get("nbgrader", {}), cell.source) for cell in notebook.cells]
    return {mark["grade_id"]: source[:LONGEST] for mark, source in marks if mark.get("solution")}


def tokens(source: str, *, code: bool) -> Tokens:
    """The tokens of an answer: of code as far as it can be read, or the words of prose."""
    if not code:
        lines = enumerate(source.lower().splitlines())
        return [(word, n) for n, line in lines for word in re.findall(r"\w+", line)]
    found: Tokens = []
    before, alone = "", True
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in LAYOUT:
                alone = alone or token.type != tokenize.COMMENT
                continue
            text = token.string
            if token.type == tokenize.STRING:
                if alone:  # a docstring
                    continue
                text = '""'
            elif token.type == tokenize.NAME and text not in KEPT and before != ".":
                text = "name"
            found.append((text, token.start[0] - 1))
            before, alone = token.string, False
    except (tokenize.TokenError, SyntaxError):
        pass  # what comes after it cannot be told apart
    return found


def runs(of: Tokens) -> list[tuple[int, int]]:
    """The hash of every run of tokens, and the line on which it begins."""
    words = [text for text, _ in of]
    return [
        (zlib.crc32("\0".join(words[i : i + RUN]).encode("utf-8", "replace")), of[i][1])
        for i in range(len(words) - RUN + 1)
    ]


def winnowed(hashes: list[tuple[int, int]]) -> Prints:
    """The smallest of each window of hashes, the last of them where several are the smallest."""
    kept: Prints = {}
    for i in range(max(len(hashes) - WINDOW + 1, min(len(hashes), 1))):
        window = hashes[i : i + WINDOW]
        least = min(value for value, _ in window)
        line = next(line for value, line in reversed(window) if value == least)
        kept.setdefault(least, line)
    return kept


def forced(lesson: Lesson, released: dict[str, str]) -> dict[str, set[int]]:
    """For each exercise the runs that its own texts have: nobody is alike for them."""
    texts: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for cell in lesson.cells:
        if cell.kind in ("exercise", "answer", "mistake", "correct"):
            texts[cell.name].append((cell.source, cell.kind != "answer"))
    for name, source in released.items():
        if name in texts:
            texts[name].append((source, texts[name][0][1]))
    return {
        name: {value for source, code in of for value, _ in runs(tokens(source, code=code))}
        for name, of in texts.items()
    }


def similar(
    answers: dict[str, dict[str, str]], known: dict[str, set[int]], prose: Iterable[str] = ()
) -> Found:
    """Compare the answers of a class: for each learner their texts by exercise.

    `known` are the runs that each exercise forces; `prose` are exercises that ask for no code.
    """
    words = {*prose}
    alike: dict[tuple[str, str], list[Alike]] = defaultdict(list)
    often: dict[tuple[str, str], int] = defaultdict(int)
    for name in known:
        prints = {
            learner: {
                value: line
                for value, line in winnowed(
                    runs(tokens(texts[name], code=name not in words))
                ).items()
                if value not in known[name]
            }
            for learner, texts in answers.items()
            if name in texts
        }
        own = _rare(prints)
        for pair, values in _shared(own).items():
            often[pair] += len(values)
            of = min(len(own[learner]) for learner in pair)
            if len(values) >= LEAST and len(values) >= HALF * of:
                one, other = (_lines(answers[who][name], own[who], values) for who in pair)
                alike[pair].append(Alike(name, len(values), of, (one, other)))
    pairs = [Pair(pair, tuple(of)) for pair, of in alike.items()]
    pairs.sort(key=lambda pair: (-pair.shared, pair.learners))
    return Found(pairs, _usual(often, len(answers)))


def _rare(prints: dict[str, Prints]) -> dict[str, Prints]:
    """The fingerprints that few of a class have."""
    count: dict[int, int] = defaultdict(int)
    for of in prints.values():
        for value in of:
            count[value] += 1
    most = min(MANY, max(3, len(prints) // 4))
    return {
        learner: {value: line for value, line in of.items() if count[value] <= most}
        for learner, of in prints.items()
    }


def _shared(prints: dict[str, Prints]) -> dict[tuple[str, str], set[int]]:
    """By pair of learners, in order, the fingerprints that both have."""
    who: dict[int, list[str]] = defaultdict(list)
    for learner in sorted(prints):
        for value in prints[learner]:
            who[value].append(learner)
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for value, learners in who.items():
        for one, other in combinations(learners, 2):
            found[one, other].add(value)
    return found


def _lines(text: str, prints: Prints, values: set[int]) -> tuple[str, ...]:
    """The lines of an answer on which shared runs begin."""
    lines = text.splitlines()
    return tuple(lines[n].strip() for n in sorted({prints[value] for value in values}))


def _usual(often: dict[tuple[str, str], int], learners: int) -> tuple[float, float]:
    """What half of all pairs, and 95 of 100, share at most; most share nothing."""
    counts = sorted(often.values())
    zeros = learners * (learners - 1) // 2 - len(counts)
    if zeros + len(counts) < 2:
        return 0, 0

    def at(part: float) -> float:
        place = int(part * (zeros + len(counts) - 1)) - zeros
        return counts[place] if place >= 0 else 0

    return at(0.5), at(0.95)


def show(found: Found, compared: str, console: Console, most: int) -> None:
    """Print the pairs that are most alike, where, and what is usual in this class."""
    for pair in found.pairs[:most]:
        console.print(f"\n[bold]{escape(' and '.join(pair.learners))}[/]", highlight=False)
        for alike in pair.answers:
            console.print(f"  {alike.exercise}: {alike.shared} of {alike.of} passages")
            for learner, lines in zip(pair.learners, alike.lines, strict=True):
                shown = " ⏎ ".join(plain(line, 60) for line in lines[:4])
                console.print(f"    {escape(plain(learner, 30))}: {escape(shown)}", highlight=False)
    rest, pairs = len(found.pairs) - most, f"{len(found.pairs)} pairs"
    pairs = pairs.removesuffix("s") if len(found.pairs) == 1 else pairs
    more = f", {rest} more than are shown" if rest > 0 else ""
    usual = "half share {:g} passages at most, and 95 of 100 share {:g}".format(*found.usual)
    console.print(
        f"\n{compared}, {pairs} alike{more}. Of all pairs, {usual}. A place to look, no verdict: "
        "two may have learned together, or from one book."
    )
