"""What a class got wrong."""

from __future__ import annotations

import base64
import html
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dropoutlab import plot
from grader.authoring.lesson import Lesson
from grader.grading import spreadsheet
from grader.grading.page import BLANK, document
from grader.grading.result import Graded, Message, Row

MANY = 20
"""Learners of whom a share says something."""


def write_rows(results: list[Graded], file: Path) -> None:
    """Write every row as JSON: learner, lesson, exercise, check, points, max, outcome, message."""
    rows = [asdict(row) for graded in results for row in graded.rows]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Fault:
    """What went wrong in the same way for some learners, though with other numbers."""

    words: str
    """The hint, or how the check ended."""
    who: tuple[str, ...]
    """The learners, by name."""
    example: Message
    """What the check told one of them."""
    kind: str = "wrong"
    """wrong, stopped (timed out, killed, out of memory), or not written yet"""

    @property
    def learners(self) -> int:
        return len(self.who)


@dataclass(frozen=True)
class Exercise:
    """How a class did in one exercise."""

    name: str
    learners: int
    mean: float
    """Points on average."""
    max: float
    all_right: tuple[str, ...]
    """Who has every point."""
    faults: list[Fault]
    """What the first check that a learner failed said; the commonest first."""
    hardest: tuple[str, int]
    """The check that most learners failed, and how many."""

    @property
    def right(self) -> int:
        return len(self.all_right)

    def of(self, kind: str) -> int:
        """How many learners failed in this way."""
        return sum(fault.learners for fault in self.faults if fault.kind == kind)


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
    first = [next((row for row in rows if row.lost), None) for rows in learners]
    failed = Counter(row.check for rows in learners for row in rows if row.lost)
    return Exercise(
        name,
        learners=len(learners),
        mean=sum(row.points or 0 for rows in learners for row in rows) / len(learners),
        max=sum(row.max for row in learners[0]),
        all_right=tuple(
            rows[0].learner for rows, row in zip(learners, first, strict=True) if row is None
        ),
        faults=_faults([row for row in first if row is not None]),
        hardest=failed.most_common(1)[0] if failed else ("", 0),
    )


def _faults(rows: list[Row]) -> list[Fault]:
    """The commonest first."""
    same: dict[str, list[Row]] = {}
    for row in rows:
        same.setdefault(_words(row), []).append(row)
    faults = [
        Fault(words, tuple(row.learner for row in of), of[0].message or Message(), _kind(of[0]))
        for words, of in same.items()
    ]
    return sorted(faults, key=lambda fault: -fault.learners)


def _kind(row: Row) -> str:
    if row.outcome != "failed":
        return "stopped"
    return BLANK if _words(row) == BLANK else "wrong"


def _words(row: Row) -> str:
    """What a check said, without the numbers of one learner."""
    if row.outcome != "failed" or row.message is None:
        return row.outcome
    if row.message.found == BLANK:
        return BLANK
    return row.message.hint or row.message.found


def share(count: int, of: int) -> str:
    """So many of a class; a share only where it stands for many."""
    return f"{count} of {of}" + (f" ({100 * count / of:.0f} %)" if of >= MANY else "")


def named(who: tuple[str, ...], most: int) -> str:
    """Learners by name, as many as fit."""
    more = f" and {len(who) - most} more" if len(who) > most else ""
    return ", ".join(who[:most]) + more


def commonest(table: list[Exercise], most: int) -> list[tuple[Exercise, Fault]]:
    """Over all exercises, what went wrong for most learners; what is not written says little."""
    faults = [(exercise, fault) for exercise in table for fault in exercise.faults]
    faults = [(exercise, fault) for exercise, fault in faults if fault.kind != BLANK]
    return sorted(faults, key=lambda pair: -pair[1].learners)[:most]


def write_html(lesson: Lesson, table: list[Exercise], file: Path, told: Iterable[str] = ()) -> None:
    """Write the report as one HTML page with a chart and what else is told; lists are folded."""
    learners = table[0].learners if table else 0
    title = f"{html.escape(lesson.title)}: what the class got wrong"
    image = base64.b64encode(plot.png(_chart(table))).decode()
    body = [
        f"<h1>{title}</h1>",
        f"<p>{learners} learner{'' if learners == 1 else 's'}. For each exercise, the first thing "
        "that its checks said, and to whom.</p>",
        *(f"<p>{html.escape(line)}</p>" for line in told),
        f"<figure><img alt='{html.escape(_alternative(table), quote=True)}' "
        f"src='data:image/png;base64,{image}'></figure>",
        "<h3>The commonest</h3><ul class='commonest'>",
        *(
            f"<li><strong>{share(fault.learners, learners)}</strong> {_words_html(fault)} "
            f"<a href='#{exercise.name}'><code>{exercise.name}</code></a></li>"
            for exercise, fault in commonest(table, 5)
        ),
        "</ul>",
        *map(_section, table),
    ]
    file.write_text(document(title, body), encoding="utf-8")


def _section(exercise: Exercise) -> str:
    """One exercise: its faults, the commonest first, each with who made it and one example."""
    kind = "passed" if not exercise.faults else "failed"
    check, count = exercise.hardest
    hardest = f" Hardest check: <code>{html.escape(check)}</code>, failed by {count}."
    faults = "".join(_fault(fault, exercise.learners) for fault in exercise.faults)
    everyone = _who("every point", exercise.all_right)
    return (
        f"<details class='exercise is-{kind}' id='{html.escape(exercise.name)}'><summary>"
        f"<span class='points'>mean {exercise.mean:.1f} / {exercise.max:g}</span>"
        f"<h2><code>{html.escape(exercise.name)}</code></h2> "
        f"{share(exercise.right, exercise.learners)} right</summary><div class='list'>"
        f"<p class='aside'>{hardest if count else ''}</p>{faults}{everyone}</div></details>"
    )


def _fault(fault: Fault, of: int) -> str:
    example = fault.example.text if fault.example.case else ""
    shown = f"<pre>{html.escape(example)}</pre>" if example else ""
    mark = {"wrong": "failed", "stopped": "open"}.get(fault.kind, "aside")
    words = f"<strong class='{mark}'>{share(fault.learners, of)}</strong> {_words_html(fault)}"
    return f"<div><p>{words}</p>{_who('who', fault.who)}{shown}</div>"


def _who(label: str, who: tuple[str, ...]) -> str:
    if not who:
        return ""
    names = html.escape(", ".join(who))
    return f"<details><summary>{label}: {len(who)}</summary><p>{names}</p></details>"


def _words_html(fault: Fault) -> str:
    return html.escape(fault.words)


def _chart(table: list[Exercise]) -> Figure:
    """Bars from 0 to all learners: right, not written, wrong."""
    fig, (ax,) = plot.figure(1, height=0.8 + 0.35 * len(table))
    for place, exercise in enumerate(reversed(table)):
        parts = (
            (exercise.right, plot.BLUE),
            (exercise.of("wrong"), plot.ORANGE),
            (exercise.of("stopped"), plot.PINK),
            (exercise.of(BLANK), plot.PALE),
        )
        left = 0
        for count, colour in parts:
            ax.barh(place, count, left=left, color=colour, height=0.7)
            left += count
    ax.set_yticks(range(len(table)), [exercise.name for exercise in reversed(table)])
    ax.set(xlim=(0, table[0].learners if table else 1))
    ax.set_xlabel("learners (blue: right, orange: wrong, pink: stopped, grey: not written)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
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
    rows = [["exercise", "fault", "learners", "share", "case", "expected", "found", "hint", "who"]]
    for exercise in table:
        for fault in [Fault("right", exercise.all_right, Message()), *exercise.faults]:
            part = f"{fault.learners / exercise.learners:.3f}"
            said, who = astuple(fault.example), ", ".join(fault.who)
            rows.append([exercise.name, fault.words, str(fault.learners), part, *said, who])
    spreadsheet.write(file, rows)
