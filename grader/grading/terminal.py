"""Graded notebooks, on the terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from grader.grading.report import Exercise
from grader.grading.result import Graded, Message, Row

COLOURS = {"passed": "green", "partly": "yellow"}


def show(graded: Graded, report: Path, console: Console) -> None:
    """Print a table of one notebook's exercises with each message, and the score."""
    table = Table(title=graded.lesson, title_justify="left", title_style="bold", show_lines=True)
    table.add_column("exercise")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("what the checks said")
    for exercise, group in groupby(graded.rows, key=lambda row: row.exercise):
        rows = list(group)
        by_hand = any(row.points is None for row in rows)
        points = "–" if by_hand else f"{sum(row.points or 0 for row in rows):g}"
        most = f"{sum(row.max for row in rows):g}"
        table.add_row(exercise, f"{points} / {most}", escape(_messages(rows)))
    console.print(table)
    for note in graded.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    unread = sum(row.max for row in graded.rows if row.points is None)
    waiting = f" ({unread:g} of them wait for a person)" if unread else ""
    score = f"[bold]score: {graded.points:g} of {graded.max:g}[/]"
    console.print(f"{score}{waiting}", highlight=False)
    console.print(f"report: {escape(str(report))}", highlight=False, soft_wrap=True)


def _messages(rows: list[Row]) -> str:
    """What the checks of an exercise said; the same about several cases once."""
    texts: dict[Message, str] = {}
    for row in rows:
        if row.points is None:
            texts[Message()] = "read by a person"
        elif row.message is not None:
            texts.setdefault(replace(row.message, case=""), row.message.text)
    return "\n".join(texts.values()) or "right"


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
        waiting = sum(row.points is None for graded in members for row in graded.rows)
        if waiting:
            console.print(f"{waiting} answers wait for a person, in Formgrader.", highlight=False)


def show_report(lesson: str, exercises: list[Exercise], console: Console, most: int = 5) -> None:
    """Print what a class got wrong: for each exercise the commonest diagnoses."""
    table = Table(title=lesson, title_justify="left", title_style="bold", show_lines=True)
    table.add_column("exercise")
    table.add_column("right", justify="right")
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("what the checks said first, and to how many")
    for exercise in exercises:
        lines = [
            f"{100 * fault.learners / exercise.learners:.0f} % {fault.words}"
            for fault in exercise.faults[:most]
        ]
        if more := exercise.faults[most:]:
            lines.append(f"… and {len(more)} more")
        check, count = exercise.hardest
        if count:
            lines.append(f"hardest check: {check}, failed by {count}")
        table.add_row(
            exercise.name,
            f"{100 * exercise.right / exercise.learners:.0f} %",
            f"{exercise.mean:.1f} / {exercise.max:g}",
            escape("\n".join(lines)),
        )
    console.print(table)


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
