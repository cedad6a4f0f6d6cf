"""What a class got wrong."""

from __future__ import annotations

import base64
import html
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from matplotlib.figure import Figure

from dropoutlab import plot
from grader.authoring.lesson import Lesson
from grader.grading import spreadsheet
from grader.grading.result import Graded, Message, Row

BLANK = "not written yet"
"""What `dropoutlab.expect` finds where a learner has written nothing."""


def write_rows(results: list[Graded], file: Path) -> None:
    """Write every row as JSON: learner, lesson, exercise, check, points, max, outcome, message."""
    rows = [asdict(row) for graded in results for row in graded.rows]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Fault:
    """What went wrong in the same way for some learners, though with other numbers."""

    words: str
    """The hint, or how the check ended."""
    learners: int
    example: Message
    """What the check told one of them."""


@dataclass(frozen=True)
class Exercise:
    """How a class did in one exercise."""

    name: str
    learners: int
    mean: float
    """Points on average."""
    max: float
    right: int
    """Learners with every point."""
    faults: list[Fault]
    """What the first check that a learner failed said; the commonest first."""
    hardest: tuple[str, int]
    """The check that most learners failed, and how many."""


def exercises(results: list[Graded]) -> list[Exercise]:
    """How a class did in each automatically graded exercise, in the lesson's order."""
    return [_exercise(name, rows) for name, rows in _by_exercise(results)]


def _by_exercise(results: list[Graded]) -> Iterator[tuple[str, list[list[Row]]]]:
    """Each exercise with its rows, a list for each learner."""
    names = dict.fromkeys(row.exercise for graded in results for row in graded.rows)
    for name in names:
        rows = [[row for row in graded.rows if row.exercise == name] for graded in results]
        if all(row.points is not None for learner in rows for row in learner):
            yield name, rows


def _exercise(name: str, learners: list[list[Row]]) -> Exercise:
    first = [next((r for r in rows if r.points < r.max), None) for rows in learners]
    failed = Counter(row.check for rows in learners for row in rows if row.points < row.max)
    return Exercise(
        name,
        learners=len(learners),
        mean=sum(row.points for rows in learners for row in rows) / len(learners),
        max=sum(row.max for row in learners[0]),
        right=first.count(None),
        faults=_faults([row for row in first if row is not None]),
        hardest=failed.most_common(1)[0] if failed else ("", 0),
    )


def _faults(rows: list[Row]) -> list[Fault]:
    count = Counter(map(_words, rows))
    examples = {_words(row): row.message or Message() for row in reversed(rows)}
    return [Fault(words, learners, examples[words]) for words, learners in count.most_common()]


def _words(row: Row) -> str:
    """What a check said, without the numbers of one learner."""
    if row.outcome != "failed" or row.message is None:
        return row.outcome
    if row.message.found == BLANK:
        return BLANK
    return row.message.hint or row.message.found


def write_html(lesson: Lesson, table: list[Exercise], file: Path) -> None:
    """Write the report as one HTML page with a chart."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>{html.escape(lesson.title)}: what the class got wrong</title>",
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;"
        "padding:0 1rem;color:#222}img{max-width:100%}table{border-collapse:collapse;width:100%}"
        "td,th{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #ddd}"
        "td:first-child{text-align:right;width:4rem;white-space:nowrap}</style>",
        f"<h1>{html.escape(lesson.title)}</h1>",
        f"<p>{table[0].learners if table else 0} learners. The first thing that the checks of "
        "each exercise said, and to how many learners.</p>",
        f"<img alt='{html.escape(_alternative(table))}' src='data:image/png;base64,"
        f"{base64.b64encode(plot.png(_chart(table))).decode()}'>",
    ]
    for exercise in table:
        parts.append(f"<h2><code>{html.escape(exercise.name)}</code></h2>")
        check, count = exercise.hardest
        hardest = f" Hardest check: <code>{html.escape(check)}</code>, failed by {count}."
        parts.append(
            f"<p>{exercise.right} of {exercise.learners} have all points; mean "
            f"{exercise.mean:.1f} of {exercise.max:g}.{hardest if count else ''}</p><table>"
        )
        for fault in exercise.faults:
            share = 100 * fault.learners / exercise.learners
            parts.append(f"<tr><td>{share:.0f} %</td><td>{html.escape(fault.words)}</td></tr>")
        parts.append("</table>")
    file.write_text("\n".join(parts) + "</html>\n", encoding="utf-8")


def _chart(table: list[Exercise]) -> Figure:
    """Bars from 0 to all learners: right, not written, wrong."""
    fig, (ax,) = plot.figure(1, height=0.8 + 0.35 * len(table))
    for place, exercise in enumerate(reversed(table)):
        blank = sum(fault.learners for fault in exercise.faults if fault.words == BLANK)
        wrong = exercise.learners - exercise.right - blank
        left = 0.0
        parts = ((exercise.right, plot.BLUE), (wrong, plot.ORANGE), (blank, plot.PALE))
        for count, colour in parts:
            share = 100 * count / exercise.learners
            ax.barh(place, share, left=left, color=colour, height=0.7)
            left += share
    ax.set_yticks(range(len(table)), [exercise.name for exercise in reversed(table)])
    ax.set(xlim=(0, 100), xlabel="learners, % (blue: right, orange: wrong, grey: not written)")
    ax.set_title(_finding(table))
    return fig


def _finding(table: list[Exercise]) -> str:
    hard = min(table, key=lambda exercise: exercise.right / exercise.learners, default=None)
    if hard is None:
        return "nothing is graded"
    return f"`{hard.name}` was the hardest: {hard.right} of {hard.learners} have it right"


def _alternative(table: list[Exercise]) -> str:
    return "; ".join(f"{e.name}: {e.right} of {e.learners} right" for e in table)


def write_csv(table: list[Exercise], file: Path) -> None:
    """Write for each exercise what was right and wrong, with the message of one learner."""
    rows = [["exercise", "fault", "learners", "share", "case", "expected", "found", "hint"]]
    for exercise in table:
        for fault in [Fault("right", exercise.right, Message()), *exercise.faults]:
            share = f"{fault.learners / exercise.learners:.3f}"
            example = astuple(fault.example)
            rows.append([exercise.name, fault.words, str(fault.learners), share, *example])
    spreadsheet.write(file, rows)
