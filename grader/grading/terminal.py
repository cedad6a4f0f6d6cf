"""Graded notebooks, on the terminal."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from grader.grading import report
from grader.grading.page import BLANK, MARKS, waiting
from grader.grading.report import Exercise
from grader.grading.result import Graded, Message, Row

UNWRITTEN = (BLANK, "no answer was given")
FAULTS = {"wrong": "red", "stopped": "magenta", BLANK: "yellow"}
COLOURS = {"passed": "green", "partly": "yellow"}


def show(graded: Graded, title: str, page: str, console: Console) -> None:
    """Print each exercise of one notebook with its points and messages, totals, and the page."""
    console.print(f"\n[bold]{escape(title)}[/]\n", highlight=False)
    parts = {name: list(rows) for name, rows in groupby(graded.rows, key=lambda row: row.exercise)}
    width = max(map(len, parts), default=0)
    for name, rows in parts.items():
        colour, mark, words = state(rows)
        points = f"{given(rows)} / {sum(row.max for row in rows):g}"
        line = f"[{colour}]{mark}[/] {name:{width}}  {points:>8}  [{colour}]{words}[/]"
        console.print(line, highlight=False, soft_wrap=True)
        for message in [] if words == BLANK else messages(rows):
            console.print(Padding(_fields(message), (0, 0, 1, 4)))
    for note in graded.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    wait = sum(row.max for row in graded.rows if row.points is None)
    total = f"\n[bold]{graded.points:g} of {graded.max:g} points[/]"
    console.print(total + (f" · {waiting(wait)}" if wait else ""), highlight=False)
    console.print(f"page: {escape(page)}", highlight=False, soft_wrap=True)


def given(rows: list[Row]) -> str:
    return (
        "–" if any(row.points is None for row in rows) else f"{sum(r.points or 0 for r in rows):g}"
    )


def state(rows: list[Row]) -> tuple[str, str, str]:
    """A colour, a mark and words for how an exercise ended."""
    lost = [row for row in rows if row.lost]
    if any(row.points is None for row in rows):
        return "yellow", MARKS["open"], "waits for a person"
    if not lost:
        return "green", MARKS["passed"], "passed"
    if all(row.message is not None and row.message.found in UNWRITTEN for row in lost):
        return "yellow", MARKS["open"], BLANK
    others = Counter(row.outcome for row in lost if row.outcome != "failed")
    words = (
        others.most_common(1)[0][0] if others else "partly" if len(lost) < len(rows) else "failed"
    )
    return "red", MARKS["failed"], words


def messages(rows: list[Row]) -> list[Message]:
    """What the checks of an exercise said; the same about several cases once."""
    texts: dict[Message, Message] = {}
    for row in rows:
        if row.lost and row.message is not None:
            texts.setdefault(replace(row.message, case=""), row.message)
    return list(texts.values())


def _fields(message: Message) -> RenderableType:
    """A message as lines that stay aligned where they are wrapped."""
    if not message.case:
        return Text(message.found)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    named = {"expected": message.expected, "found": message.found, "hint": message.hint}
    for name, text in named.items():
        if text:
            table.add_row(name, Text(text, style="bold" if name == "hint" else ""))
    return Group(Text(message.case), Padding(table, (0, 0, 0, 2)))


def show_class(results: list[Graded], console: Console, most: int = 40) -> None:
    """Print a class: each learner's score where they are few, and how submissions ended."""
    for lesson, group in groupby(sorted(results, key=lambda g: g.lesson), lambda g: g.lesson):
        members = list(group)
        if len(members) <= most:
            table = Table("learner", "score", "outcome", "notes", title=lesson)
            for graded in members:
                colour = COLOURS.get(graded.outcome, "red")
                table.add_row(
                    escape(graded.learner),
                    f"{graded.points:g} of {graded.max:g}",
                    f"[{colour}]{graded.outcome}[/]",
                    escape("\n".join(graded.notes)),
                )
            console.print(table)
        ends = Counter(graded.outcome for graded in members).most_common()
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in ends)
        mean = sum(graded.points for graded in members) / len(members)
        score = f"mean {mean:.1f} of {members[0].max:g}"
        console.print(f"{lesson}: {len(members)} graded ({outcomes}), {score}", highlight=False)
        answers = sum(row.points is None for graded in members for row in graded.rows)
        if answers:
            words = "answer waits" if answers == 1 else "answers wait"
            console.print(f"{answers} {words} for a person, in Formgrader.", highlight=False)


def show_report(title: str, exercises: list[Exercise], console: Console, most: int = 5) -> None:
    """Print what a class got wrong: for each exercise the commonest diagnoses, and to whom."""
    console.print(f"\n[bold]{escape(title)}[/]", highlight=False)
    for exercise in exercises:
        right = report.share(exercise.right, exercise.learners)
        mean = f"mean {exercise.mean:.1f} of {exercise.max:g}"
        console.print(
            f"\n[bold]{exercise.name}[/]: {right} right, {mean}", highlight=False, soft_wrap=True
        )
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for fault in exercise.faults[:most]:
            colour = FAULTS[fault.kind]
            who = Text(report.named(fault.who, 5), style="dim")
            count = Text(report.share(fault.learners, exercise.learners), style=colour)
            table.add_row(count, Group(Text(fault.words), who))
        if more := exercise.faults[most:]:
            table.add_row("", Text(f"… and {len(more)} more", style="dim"))
        console.print(Padding(table, (0, 0, 0, 2)))
        check, count_failed = exercise.hardest
        if count_failed:
            console.print(f"  hardest check: {check}, failed by {count_failed}", highlight=False)


class Bar:
    """A progress bar: who is graded now, scores so far, time left."""

    def __init__(self, console: Console):
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
            console=console,
        )
        self.task = TaskID(0)  # of the lesson that `begin` names

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def begin(self, lesson: str, total: int, known: list[Graded]) -> None:
        self.shares = [graded.points / graded.max for graded in known if graded.max]
        self.now: list[str] = []
        self.waiting: list[str] = []
        if known:
            self.bar.console.print(f"{lesson}: {len(known)} were graded before", highlight=False)
        self.task = self.bar.add_task(lesson, total=total, state="")

    def running(self, learner: str) -> None:
        self.now.append(learner)
        self._tell()

    def aside(self, learner: str) -> None:
        self.now.remove(learner)
        self.waiting.append(learner)
        self._tell()

    def graded(self, graded: Graded) -> None:
        self.shares.append(graded.points / graded.max if graded.max else 0)
        for names in (self.now, self.waiting):
            if graded.learner in names:
                names.remove(graded.learner)
        self.bar.advance(self.task)
        self._tell()

    def feedback(self, total: int) -> None:
        self.bar.update(self.task, state=self._mean())
        if total:
            self.task = self.bar.add_task("  feedback", total=total, state="")

    def advance(self, fault: str) -> None:
        self.bar.advance(self.task)
        if fault:
            self.bar.console.print(escape(fault), style="red")

    def _mean(self) -> str:
        share = sum(self.shares) / len(self.shares) if self.shares else 0
        return f"mean {share:.0%}"

    def _tell(self) -> None:
        names = ", ".join(escape(name[:20]) for name in (self.now or self.waiting)[:3])
        aside = f" · {len(self.waiting)} take long: last" if self.waiting else ""
        self.bar.update(self.task, state=f"{self._mean()} · {names}{aside}")


class Lines:
    """A line for each notebook, with the time: what a watch tells."""

    def __init__(self, console: Console):
        self.console = console

    def begin(self, lesson: str, total: int, known: list[Graded]) -> None:
        self._tell(f"waiting for {lesson}; Ctrl-C ends it")

    def running(self, learner: str) -> None: ...

    def feedback(self, total: int) -> None: ...

    def aside(self, learner: str) -> None:
        self._tell(f"{learner} takes long, and goes on when nobody else waits")

    def graded(self, graded: Graded) -> None:
        points = f"{graded.points:g} of {graded.max:g}"
        notes = "".join(f"; {note}" for note in graded.notes)
        self._tell(f"{graded.learner}, {graded.lesson}: {points}, {graded.outcome}{notes}")

    def advance(self, fault: str) -> None:
        if fault:
            self._tell(fault)

    def _tell(self, text: str) -> None:
        self.console.print(f"{time.strftime('%H:%M:%S')}  {escape(text)}", highlight=False)
