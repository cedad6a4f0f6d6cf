"""A lesson tried without a kernel: do its checks accept what is right, and bite where they should?

`python3 grader check 13` tries one lesson in seconds, an answer on each core. Each finding is a
line, with the line of the lesson's text that it is about.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import io
import linecache
import math
import multiprocessing
import random
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

from dropoutlab import expect
from grader.authoring import stock
from grader.authoring.lesson import REGION, Cell, Lesson, is_question
from grader.authoring.rules import EXPLORER

Names = dict[str, Any]

UNWRITTEN = 'NotImplementedError("not written yet")'
SEEDS, SECONDS = 60, 20
"""How many draws each answer is judged by, unless they take more seconds of processor time; a check
that draws nothing judges it once."""


@dataclass(frozen=True, order=True)
class Finding:
    """What is wrong with a check or an answer, and at which line."""

    line: int
    text: str


def execute(source: str, names: Names, file: str) -> None:
    """Run a cell's text in `names`; tracebacks can quote its lines."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(_compiled(source, file), names)


_compiled = functools.lru_cache(1000)(functools.partial(compile, mode="exec"))


def stage(lesson: Lesson, **replaced: str) -> Names:
    """The names after all setup and exercise cells, some exercises `replaced`.

    An exercise cell that raises binds nothing, as in a notebook that runs on.
    """
    names: Names = {"__name__": "__main__"}
    for cell in lesson.cells:
        if cell.kind == "setup":
            execute(cell.source, names, f"<{lesson.name} setup>")
        elif cell.kind == "exercise":
            with contextlib.suppress(NotImplementedError):
                source = replaced.get(cell.name, cell.source)
                execute(source, names, f"<{lesson.name} {cell.name}>")
    return names


def verdict(check: Cell, names: Names) -> expect.Unmet | None:
    """What a check says of these names; None where it is content."""
    try:
        execute(check.source, dict(names), f"<check of {check.name}, line {check.line}>")
    except expect.Unmet as unmet:
        return unmet
    return None


def stub(exercise: Cell) -> str:
    """An exercise's text as it is released."""
    return REGION.sub(
        lambda region: region[0][: region[0].index("#")] + f"raise {UNWRITTEN}", exercise.source
    )


@dataclass(frozen=True)
class Answer:
    """One answer to an exercise: a stub, a right one, a mistake, or a stock wrong answer."""

    kind: str
    exercise: Cell
    source: str
    line: int
    says: str = ""
    """Of a mistake, words of its diagnosis; of a stock wrong answer, its name in `stock`."""


def answers(lesson: Lesson, only: str = "") -> list[Answer]:
    """Every answer that a lesson is tried with, or those to the exercise `only`."""
    found = []
    for exercise in lesson.of("exercise", only or None):
        name, line, source = exercise.name, exercise.line, exercise.source
        found.append(Answer("stub", exercise, stub(exercise), line))
        found.append(Answer("solution", exercise, source, line))
        found += [
            Answer(cell.kind, exercise, cell.source, cell.line, cell.says)
            for kind in ("correct", "mistake")
            for cell in lesson.of(kind, name)
        ]
        if not is_question(exercise):
            found.append(Answer("scaled", exercise, source, line))
        if stock.applies(exercise):
            found += [Answer("stock", exercise, source, line, says) for says in stock.CHANGES]
    return found


def trial(
    lesson: Lesson,
    seeds: int = SEEDS,
    only: str = "",
    *,
    processes: int = 1,
    seconds: float = math.inf,
    say: Callable[[int, int, int], None] = lambda done, of, draws: None,
) -> Iterator[Finding]:
    """What is found when each answer of a lesson (or of the exercise `only`) is judged.

    An answer that takes more `seconds` of processor time is judged by fewer draws, two at least.
    `say(done, of, draws)` hears of each answer, and how many draws it had where they were fewer.
    """
    all_of_it = answers(lesson, only)
    judge = functools.partial(judged, lesson, seeds, seconds)
    reached: dict[str, set[str]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stage(lesson)  # what it imports is imported once, before processes are forked
    with _mapped(processes) as over:
        for done, (answer, (findings, hints, draws)) in enumerate(
            zip(all_of_it, over(judge, all_of_it), strict=True), start=1
        ):
            say(done, len(all_of_it), draws)
            reached.setdefault(answer.exercise.name, set()).update(hints)
            yield from findings
    for name, hints in reached.items():
        yield from _unreached(lesson, name, hints)


@contextlib.contextmanager
def _mapped(processes: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A `map` over so many processes, where they can be forked; each computes in one thread."""
    torch = sys.modules.get("torch")
    if processes < 2 or sys.platform != "linux" or (torch and torch.cuda.is_initialized()):
        yield map
        return
    if torch:
        torch.set_num_threads(1)  # threads that wait for one another take longer than one
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        try:
            yield pool.map
        finally:
            pool.shutdown(cancel_futures=True)


def judged(
    lesson: Lesson, seeds: int, seconds: float, answer: Answer
) -> tuple[list[Finding], set[str], int]:
    """What is found of one answer, the hints that it brought out, and its draws if too few."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a learner's kernel warns, and runs on
        names = stage(lesson, **{answer.exercise.name: answer.source})
        bench = Bench(names, lesson.of("check", answer.exercise.name), seeds, seconds)
        if answer.kind == "stub":
            return list(_stub(bench)), set(), 0
        if answer.kind in ("solution", "correct"):
            return list(_right(answer, bench)), set(), bench.few
        if answer.kind == "scaled":
            found = [*_following(lesson, answer, seeds), *_tabled(lesson, answer)]
            return [*found, *_spoiling(lesson, answer)], set(), 0
        wrong = None
        if answer.kind == "stock":
            name, change = answer.exercise.name, stock.CHANGES[answer.says]
            names[name] = wrong = stock.Wrong(names[name], change)
        count = _wrong(answer, bench)
    if wrong is not None and not wrong.acted:
        return [], set(), 0
    return list(count.findings(answer)), count.hints, bench.few


class Bench:
    """The names that an answer gave, and its checks; a check that draws nothing is run once."""

    def __init__(self, names: Names, checks: list[Cell], seeds: int, seconds: float = math.inf):
        self.names, self.checks, self.seeds, self.seconds = names, checks, seeds, seconds
        self.few = 0
        """How many draws there were, where time allowed no more."""
        self._settled: dict[int, expect.Unmet | None] = {}
        self._drew = False

    def verdict(self, check: Cell, seed: int) -> expect.Unmet | None:
        """What the check says for this seed."""
        if check.line not in self._settled:
            with _randomness(seed) as drew:
                unmet = verdict(check, self.names)
            if drew():
                self._drew = True
                return unmet
            self._settled[check.line] = unmet
        return self._settled[check.line]

    def first(self, seed: int) -> tuple[Cell, expect.Unmet] | None:
        """The first check that is not content, and what it says."""
        told = ((check, self.verdict(check, seed)) for check in self.checks)
        return next(((check, unmet) for check, unmet in told if unmet is not None), None)

    def draws(self) -> Iterator[int]:
        """As many seeds as wanted; one where no check draws anything for it."""
        began = time.process_time()
        for seed in range(self.seeds):
            if seed >= 2 and time.process_time() - began > self.seconds:
                self.few = seed
                return
            self._drew = False
            yield seed
            if not self._drew:
                return


@contextlib.contextmanager
def _randomness(seed: int) -> Iterator[Callable[[], bool]]:
    """Seed all that an answer may draw from; yields a function that tells if it drew inside."""
    torch = sys.modules.get("torch")
    random.seed(seed)
    np.random.seed(seed)
    if torch:
        torch.default_generator.manual_seed(seed)  # torch.manual_seed takes far longer
    made = np.random.default_rng
    fresh: list[None] = []

    def default_rng(seed: Any = None) -> np.random.Generator:
        if seed is None:
            fresh.append(seed)
        return made(seed)

    def state() -> tuple[Any, ...]:
        numpys: Any = np.random.get_state()
        own = torch.default_generator.get_state().numpy().tobytes() if torch else b""
        return random.getstate(), numpys[1].tobytes(), numpys[2], own

    before = state()
    with expect.seeded(seed) as drawn, mock.patch.object(np.random, "default_rng", default_rng):
        yield lambda: bool(drawn() or fresh or state() != before)


def shown(lesson: Lesson) -> Cell | None:
    """The cell of a lesson that shows its explorer."""
    cells = lesson.of("demonstration")
    return next((cell for cell in cells if EXPLORER.match(cell.source)), None)


def ready(lesson: Lesson, **answers: str) -> Names:
    """The names that its explorer draws with: of the cells above, where it opens the lesson."""
    names, explorer = stage(lesson, **answers), shown(lesson)
    above = lesson.cells[: lesson.cells.index(explorer)] if explorer else []
    if not any(cell.kind == "exercise" for cell in above):
        for cell in above:
            if cell.kind in ("demonstration", "figure", "guess"):
                execute(cell.source, names, f"<{lesson.name} line {cell.line}>")
    return names


def explored(lesson: Lesson) -> Iterator[Finding]:
    """A lesson's explorer is made of the reference answers without a warning."""
    cell = shown(lesson)
    if cell is None:
        return
    names = ready(lesson)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            explorer = eval(cell.source, names)
        except Exception as error:
            yield Finding(cell.line, f"the explorer stops with {type(error).__name__}: {error}")
            return
    if explorer.trouble:
        yield Finding(cell.line, f"the explorer: {explorer.trouble}")


def _stub(bench: Bench) -> Iterator[Finding]:
    """A stub is not written yet, and each check says so."""
    for check in bench.checks:
        unmet = bench.verdict(check, 0)
        if unmet is None or unmet.found != "not written yet":
            told = f"of the stub of `{check.name}` this check says: {_told(unmet)}"
            yield Finding(check.line, told)


def _following(lesson: Lesson, answer: Answer, seeds: int) -> Iterator[Finding]:
    """No check expects what an answer has made of the check's own arrays."""
    name = answer.exercise.name
    checks = lesson.of("check", name)
    passed: dict[tuple[float, bool], dict[int, int]] = {}
    for factor in stock.FACTORS:
        for shared in (False, True):
            names = stage(lesson, **{name: answer.source})
            names[name] = stock.scaled(names[name], factor, in_place=shared)
            bench = Bench(names, checks, seeds)
            passed[factor, shared] = {
                check.line: sum(bench.verdict(check, seed) is None for seed in range(min(seeds, 3)))
                for check in checks
            }
    for check in checks:
        for factor in stock.FACTORS:
            if passed[factor, True][check.line] > passed[factor, False][check.line]:
                text = f"`{name}`: what this check expects follows what an answer writes into its"
                text = f"{text} input ({factor:g} times what was there)"
                yield Finding(check.line, f"{text}. Hand out copies, or expect before the call.")
                break


def _tabled(lesson: Lesson, answer: Answer) -> Iterator[Finding]:
    """No table of what a notebook shows passes every check."""
    name, checks = answer.exercise.name, lesson.of("check", answer.exercise.name)
    names = stage(lesson, **{name: answer.source})
    if inspect.isclass(names[name]):
        return
    names[name] = table = stock.Tabled(names[name])
    bench = Bench(names, checks, 1)
    for check in checks:
        if not check.hidden:
            bench.verdict(check, 0)
    table.learning, passed = False, True
    for check in checks:
        with _randomness(1):
            passed &= verdict(check, names) is None
    if passed and (table.acted or not bench._drew):
        text = f"`{name}`: a table of what the checks ask passes them all"
        yield Finding(answer.line, f"{text}. Try random numbers too, or hide a check.")


def _spoiling(lesson: Lesson, answer: Answer) -> Iterator[Finding]:
    """What a docstring says is left as it is, no answer may write into."""
    name, checks = answer.exercise.name, lesson.of("check", answer.exercise.name)
    names = stage(lesson, **{name: answer.source})
    if inspect.isclass(names[name]) or "left as" not in (names[name].__doc__ or ""):
        return
    names[name] = stock.spoiling(names[name])
    if Bench(names, checks, 1).first(0) is None:
        text = f"`{name}`: its docstring says what is left as it is, and an answer that writes"
        yield Finding(answer.line, f"{text} into all that it is given passes. Ask `unchanged`.")


def _right(answer: Answer, bench: Bench) -> Iterator[Finding]:
    """A right answer is accepted by each check, whatever the draw."""
    what = "the solution" if answer.kind == "solution" else f"line {answer.line}"
    for check in bench.checks:
        for seed in bench.draws():
            unmet = bench.verdict(check, seed)
            if unmet is not None:
                text = f"refuses {what} of `{check.name}` (seed {seed}): {_told(unmet)}"
                yield Finding(check.line, text)
                break


@dataclass
class Count:
    """What the checks said of a wrong answer over its draws."""

    draws: int = 0
    missed: int = 0
    others: str = ""
    hidden: bool = False
    hints: set[str] = field(default_factory=set)

    def findings(self, answer: Answer) -> Iterator[Finding]:
        """A wrong answer is caught whatever the draw, and a mistake's own words come first."""
        where = f"`{answer.exercise.name}`, mistake {answer.says!r}"
        missed = f"every check accepts it, {self.missed} times of {self.draws}."
        if answer.kind == "stock":
            where = f"`{answer.exercise.name}`, stock wrong answer {answer.says!r}"
            missed = f"it passes, {self.missed} times of {self.draws}."
        if self.missed:
            yield Finding(answer.line, f"{where}: {missed}")
        if self.others and answer.kind == "mistake":
            yield Finding(answer.line, f"{where} is told instead: {self.others}")
        if self.hidden:
            text = f"{where}: only a hidden check notices it"
            yield Finding(answer.line, f"{text}. Learners lose points unseen: ask a visible one.")


def _wrong(answer: Answer, bench: Bench) -> Count:
    count = Count()
    for seed in bench.draws():
        count.draws += 1
        caught = bench.first(seed)
        if caught is None:
            count.missed += 1
            continue
        check, unmet = caught
        count.hints.add(unmet.hint)
        count.hidden |= check.hidden
        if answer.says not in str(unmet):
            count.others = count.others or _told(unmet)
    return count


def _unreached(lesson: Lesson, name: str, reached: set[str]) -> Iterator[Finding]:
    """Hints that a check has for a known mistake, and that no mistake brings out."""
    for check in lesson.of("check", name):
        for node in ast.walk(ast.parse(check.source)):
            for row, hint in _suspects(node):
                if not any(hint in " ".join(words.split()) for words in reached):
                    text = f"no mistake of `{name}` brings out the hint {hint!r}."
                    yield Finding(check.line + row, text)


def _suspects(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Row and words of each `suspects=[(value, words), …]` or `crash=[(pattern, words), …]`."""
    if isinstance(node, ast.keyword) and node.arg in ("suspects", "crash"):
        for pair in ast.walk(node.value):
            match pair:
                case ast.Tuple(elts=[_, ast.Constant(value=str(words), lineno=row)]):
                    yield row, " ".join(words.split())


def _told(unmet: expect.Unmet | None) -> str:
    """A verdict in one line."""
    if unmet is None:
        return "nothing; it accepts it."
    return re.sub(r"\s+", " ", f"found {unmet.found}; hint: {unmet.hint}")
