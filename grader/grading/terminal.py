"""Graded notebooks, on the terminal."""

from __future__ import annotations

from collections import Counter
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

from grader.grading.judge import Judged
from grader.grading.report import Exercise

COLOURS = {"passed": "green", "partly": "yellow"}


def show(judged: Judged, report: Path, console: Console) -> None:
    """Print a table of one notebook's exercises with each diagnosis, and the score."""
    table = Table(title=judged.lesson, title_justify="left", title_style="bold", show_lines=True)
    table.add_column("exercise")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("what the checks said")
    for exercise, group in groupby(judged.rows, key=lambda row: row.exercise):
        rows = list(group)
        by_hand = any(row.points is None for row in rows)
        points = "–" if by_hand else f"{sum(row.points or 0 for row in rows):g}"
        said: dict[str, str] = {}  # the same words about several cases once
        for row in rows:
            words = "read by a person" if row.points is None else row.diagnosis
            said.setdefault(words.partition("\n")[2] or words, words)
        most = f"{sum(row.max for row in rows):g}"
        table.add_row(
            exercise,
            f"{points} / {most}",
            escape("\n".join(filter(None, said.values())) or "right"),
        )
    console.print(table)
    for note in judged.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    by_hand = sum(row.max for row in judged.rows if row.points is None)
    waiting = f" ({by_hand:g} of them wait for a person)" if by_hand else ""
    score = f"[bold]score: {judged.points:g} of {judged.max:g}[/]"
    console.print(f"{score}{waiting}", highlight=False)
    console.print(f"report: {escape(str(report))}", highlight=False, soft_wrap=True)


def show_class(results: list[Judged], console: Console, most: int = 40) -> None:
    """Print a class: each learner's score where they are few, and how submissions ended."""
    for lesson, group in groupby(sorted(results, key=lambda j: j.lesson), lambda j: j.lesson):
        graded = list(group)
        if len(graded) <= most:
            table = Table("learner", "score", "outcome", "notes", title=lesson)
            for judged in graded:
                colour = COLOURS.get(judged.outcome, "red")
                table.add_row(
                    escape(judged.learner),
                    f"{judged.points:g} of {judged.max:g}",
                    f"[{colour}]{judged.outcome}[/]",
                    escape("\n".join(judged.notes)),
                )
            console.print(table)
        ends = Counter(judged.outcome for judged in graded).most_common()
        said = ", ".join(f"{count} {outcome}" for outcome, count in ends)
        mean = sum(judged.points for judged in graded) / len(graded)
        line = f"{lesson}: {len(graded)} graded ({said}), mean {mean:.1f} of {graded[0].max:g}"
        console.print(line, highlight=False)
        waiting = sum(row.points is None for judged in graded for row in judged.rows)
        if waiting:
            console.print(f"{waiting} answers wait for a person, in Formgrader.", highlight=False)


def show_report(lesson: str, found: list[Exercise], console: Console, most: int = 5) -> None:
    """Print what a class got wrong: for each exercise the commonest diagnoses."""
    table = Table(title=lesson, title_justify="left", title_style="bold", show_lines=True)
    table.add_column("exercise")
    table.add_column("right", justify="right")
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("what the checks said first, and to how many")
    for exercise in found:
        lines = [
            f"{100 * count / exercise.learners:.0f} % {words}"
            for words, count in exercise.said[:most]
        ]
        if more := exercise.said[most:]:
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
            TextColumn("{task.fields[said]}"),
            console=console,
        )
        self.task: TaskID | None = None

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def begin(self, lesson: str, total: int, known: list[Judged]) -> None:
        self.shares = [judged.points / judged.max for judged in known if judged.max]
        self.now: list[str] = []
        if known:
            self.bar.console.print(f"{lesson}: {len(known)} were graded before", highlight=False)
        self.task = self.bar.add_task(lesson, total=total, said="")

    def running(self, learner: str) -> None:
        self.now.append(learner)
        self._tell()

    def graded(self, judged: Judged) -> None:
        self.shares.append(judged.points / judged.max if judged.max else 0)
        if judged.learner in self.now:
            self.now.remove(judged.learner)
        self.bar.advance(self.task)
        self._tell()

    def feedback(self, total: int) -> None:
        self.bar.update(self.task, said=self._mean())
        if total:
            self.task = self.bar.add_task("  feedback", total=total, said="")

    def advance(self, fault: str) -> None:
        self.bar.advance(self.task)
        if fault:
            self.bar.console.print(escape(fault), style="red")

    def _mean(self) -> str:
        share = sum(self.shares) / len(self.shares) if self.shares else 0
        return f"mean {share:.0%}"

    def _tell(self) -> None:
        names = ", ".join(escape(name[:20]) for name in self.now[:3])
        self.bar.update(self.task, said=f"{self._mean()} · {names}")
