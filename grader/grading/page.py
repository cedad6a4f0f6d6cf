"""The page that tells a learner what became of a notebook.

A table of all exercises comes first; below it stands each with the four lines of every failed
check beside the learner's code, and only what lost points is opened. The page is one file that
loads nothing: its policy lets no script run, no style but its own and no image but those it holds.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from grader.authoring.lesson import HIDE
from grader.grading import inert
from grader.grading.result import FIELDS, Message
from grader.grading.submission import LARGEST

BLANK = "not written yet"
"""What `dropoutlab.expect` finds where a learner has written nothing."""
NOTHING = "No response."
"""nbgrader's comment on an answer that is as it was released."""
NOTES = "notes_of_the_grader"
"""The cell in which the grader tells what a learner changed beside the answers."""
ROOM = 4 << 20
"""Characters of figures on a page, at most."""
LINES, LONGEST = 20, 4_000
"""Of what a cell printed: the last lines, and so many characters, at most."""
PYTHON, COLOURED = PythonLexer(), HtmlFormatter(nowrap=True)
MARKS = {"passed": "✓", "failed": "✗", "open": "○"}
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Grade:
    """What the gradebook holds of a graded cell."""

    points: float
    most: float
    waits: bool = False
    """Whether a person has to read it first."""


@dataclass(frozen=True)
class Grades:
    """What the gradebook holds of a notebook."""

    cells: dict[str, Grade]
    comments: dict[str, str] = field(default_factory=dict)
    penalty: float = 0
    attempt: str = ""
    """Which submission it is, where the syllabus limits them."""
    quiet: bool = False
    """Whether a failed check says no more than that it failed."""

    @property
    def points(self) -> float:
        return sum(grade.points for grade in self.cells.values()) - self.penalty

    @property
    def most(self) -> float:
        return sum(grade.most for grade in self.cells.values())


@dataclass
class Exercise:
    """An exercise or a prose answer, and all cells of a notebook that belong to it."""

    name: str
    grades: dict[str, Grade]
    comment: str = ""
    answered: bool = True
    own: list[NotebookNode] = field(default_factory=list)
    checks: list[NotebookNode] = field(default_factory=list)
    after: list[NotebookNode] = field(default_factory=list)
    """What follows up to the next exercise, for its figures."""

    @property
    def points(self) -> float:
        return sum(grade.points for grade in self.grades.values())

    @property
    def most(self) -> float:
        return sum(grade.most for grade in self.grades.values())

    @property
    def waits(self) -> bool:
        return any(grade.waits for grade in self.grades.values())

    @property
    def blank(self) -> bool:
        """Whether nothing was written: every check that gives no points found that."""
        if not self.answered and not self.points:
            return True
        said = [message(cell) for cell in self.checks if self.lost(cell)]
        return bool(said) and all(text is not None and text.found == BLANK for text in said)

    def lost(self, cell: NotebookNode) -> bool:
        """Whether a check gave less than all its points."""
        grade = self.grades.get(cell.metadata.nbgrader["grade_id"])
        return grade is not None and grade.points < grade.most

    @property
    def state(self) -> tuple[str, str]:
        """What it is, for the colour and in words."""
        if self.waits:
            return "open", "waits for a person"
        if self.points >= self.most:
            return "passed", "passed"
        if self.blank:
            return "open", BLANK
        return "failed", "partly" if self.points else "failed"


def exercises(notebook: NotebookNode, grades: Grades) -> list[Exercise]:
    """The exercises of a graded notebook, in its order."""
    found: dict[str, Exercise] = {}
    waiting: list[NotebookNode] = []
    last: Exercise | None = None
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader") or {}
        name = marks.get("grade_id", "")
        if marks.get("solution") or marks.get("grade"):
            of = name if marks.get("solution") else re.sub(r"^check_(.*)_\d+$", r"\1", name)
            exercise = found.setdefault(of, Exercise(of, {}))
            if marks.get("grade") and name in grades.cells:
                exercise.grades[name] = grades.cells[name]
            if marks.get("solution"):
                exercise.comment = grades.comments.get(name, "").strip()
                exercise.answered = exercise.comment != NOTHING
                exercise.own += [*waiting, cell]
                waiting, last = [], exercise
            else:
                exercise.checks.append(cell)
        elif cell.id.startswith("added_"):
            (last.own if last else waiting).append(cell)
        if last:
            last.after.append(cell)
    return [exercise for exercise in found.values() if exercise.grades]


def message(cell: NotebookNode) -> Message | None:
    """What a check said that failed.

    In a notebook that plain nbgrader has graded a learner may have written the fields. So they
    count only beside an output that says the same.
    """
    outputs = cell.get("outputs", [])
    for output in outputs:
        if output.output_type != "error":
            continue
        said = ESCAPES.sub("", "\n".join(output.get("traceback", []))).strip()
        match cell.metadata.get(FIELDS):
            case {"case": str(c), "expected": str(e), "found": str(f), "hint": str(h)}:
                fields = Message(c, e, f, h)
                if fields.text.split() == said.split():
                    return fields
        if (told := Message.read(said)) is not None:
            return told
        name, value = output.get("ename", ""), str(output.get("evalue", ""))[:LONGEST]
        return Message(found=value if name == "Stopped" else f"{name}: {value}".strip(": "))
    noise = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stderr")
    if noise:
        return Message(found=f"the cell wrote to stderr, which counts as a failure: {noise[:300]}")
    return None


def page(notebook: NotebookNode, lesson: str, grades: Grades, address: str = "") -> str:
    """The page; `address` is where JupyterLab shows the notebook, if it does."""
    title = html.escape(str(notebook.metadata.get("title", lesson)))
    parts = exercises(notebook, grades)
    open_ = sum(g.most for part in parts for g in part.grades.values() if g.waits)
    room, attached = [ROOM], [LARGEST]
    body = [
        f"<h1>{title}</h1>",
        f"<p class='score'><strong>{grades.points:g}</strong> of {grades.most:g} points</p>",
        *([f"<p class='aside'>{html.escape(grades.attempt)}</p>"] if grades.attempt else []),
        *([f"<p class='aside'>{waiting(open_)}.</p>"] if open_ else []),
        *([f"<p class='aside'>{grades.penalty:g} points were taken off, as it came late.</p>"]
          if grades.penalty else []),
        *([f"<p class='aside'>{_link(address, 'Open the notebook')}</p>"] if address else []),
        *(f"<div class='notes'>{inert.prose(cell)}</div>"
          for cell in notebook.cells if cell.id == NOTES),
        _table(parts),
        *(_section(part, room, attached, address, grades.quiet) for part in parts),
    ]  # fmt: skip
    return document(f"{title} · {html.escape(lesson)}", body)


def document(title: str, body: list[str]) -> str:
    """A whole page of our look, which loads nothing and runs nothing."""
    style, policy = _style()
    return "\n".join([
        "<!doctype html>",
        "<html lang='en'><head><meta charset='utf-8'>",
        f"<meta http-equiv='Content-Security-Policy' content=\"{policy}\">",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{title}</title>",
        f"<style>{style}</style></head><body><main>",
        *body,
        "</main></body></html>\n",
    ])  # fmt: skip


def waiting(points: float) -> str:
    """How many points nobody has given or taken yet."""
    return f"{points:g} {'point waits' if points == 1 else 'points wait'} for a person"


@cache
def _style() -> tuple[str, str]:
    """The page's own style, and the policy that allows it and images within the page alone."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return style, f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"


def _table(parts: list[Exercise]) -> str:
    rows = "".join(
        f"<tr><td><a href='#{part.name}'><code>{part.name}</code></a></td>"
        f"<td>{_points(part)}</td><td>{_state(part)}</td></tr>"
        for part in parts
    )
    head = "<tr><th>exercise</th><th>points</th><th>state</th></tr>"
    return f"<table class='all'><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _points(part: Exercise) -> str:
    return f"{'–' if part.waits and not part.points else format(part.points, 'g')} / {part.most:g}"


def _state(part: Exercise) -> str:
    kind, words = part.state
    return f"<span class='{kind}'>{MARKS[kind]} {words}</span>"


def _link(address: str, words: str) -> str:
    return f"<a href='{html.escape(address, quote=True)}' target='_top'>{words}</a>"


def _section(
    part: Exercise, room: list[int], attached: list[int], address: str, quiet: bool
) -> str:
    """One exercise: what was said about it, and the learner's own beside it.

    JupyterLab shows the cell that an address ends with, and the top where no cell has this id.
    """
    kind, _ = part.state
    comment = part.comment if part.answered else ""
    opened = " open" if kind == "failed" or comment else ""
    name = part.name
    checks = "".join(_checks(part, quiet))
    said = [_comment(comment), f"<ul class='checks'>{checks}</ul>" if checks else ""]
    wrote = "What you wrote"
    title = _link(f"{address}#cell-id={part.name}", wrote) if address else wrote
    own = [f"<h3>{title}</h3>", *(_own(cell, attached) for cell in part.own), *_figures(part, room)]
    return (
        f"<details class='exercise is-{kind}' id='{name}'{opened}><summary>"
        f"<span class='points'>{_points(part)}</span><h2><code>{name}</code></h2> {_state(part)}"
        f"</summary><div class='pair'><div>{''.join(said)}</div><div>{''.join(own)}</div></div>"
        "</details>"
    )


def _comment(comment: str) -> str:
    if not comment:
        return ""
    text = inert.prose(NotebookNode(source=comment))
    return f"<div class='comment prose'><h3>Comment</h3>{text}</div>"


def _checks(part: Exercise, quiet: bool) -> Iterator[str]:
    """A line for each check, with what it said below it; the same about another case once.

    quiet : whether what it said is left out
    """
    before: set[tuple[str, str, str]] = set()
    for cell in part.checks:
        name = cell.metadata.nbgrader["grade_id"]
        grade = part.grades.get(name)
        lost = part.lost(cell)
        kind = "failed" if lost else "passed"
        mark = f"<span class='mark {kind}'>{MARKS[kind]}</span>"
        worth = f" <span class='aside'>({grade.points:g} / {grade.most:g})</span>" if grade else ""
        told = message(cell) if lost and not quiet else None
        below = ""
        if told is not None:
            fields = told.expected, told.found, told.hint
            below = _told(told, again=fields in before)
            before.add(fields)
        yield f"<li id='{html.escape(name)}'>{mark}<div>{_title(cell)}{worth}{below}</div></li>"


def _title(cell: NotebookNode) -> str:
    """The sentence with which a check begins; of a hidden one no word is shown."""
    first = cell.source.partition(HIDE)[0].lstrip().partition("\n")[0]
    return _words(first[2:]) if first.startswith("# ") else "A check that is not shown"


def _words(text: str) -> str:
    """A sentence, with its names as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _told(told: Message, *, again: bool) -> str:
    """The lines of a failed check."""
    if not told.case:
        return f"<div class='said'>{_words(told.found)}</div>"
    case = f"<p><code>{html.escape(told.case)}</code></p>"
    if again:
        return f"<div class='said'>{case}The same as above.</div>"
    fields = {"expected": told.expected, "found": told.found, "hint": told.hint}
    rows = "".join(
        f"<dt>{name}</dt><dd class='{name}'>{_words(text)}</dd>"
        for name, text in fields.items()
        if text
    )
    return f"<div class='said'>{case}<dl>{rows}</dl></div>"


def _own(cell: NotebookNode, attached: list[int]) -> str:
    """What a learner wrote in a cell, and what it printed."""
    if cell.cell_type == "markdown":
        return f"<div class='prose'>{inert.prose(cell, attached)}</div>"
    if cell.cell_type != "code":
        return ""
    code = highlight(cell.source, PYTHON, COLOURED)
    return f"<pre><code>{code}</code></pre>" + "".join(_printed(cell))


def _printed(cell: NotebookNode) -> Iterator[str]:
    for output in cell.get("outputs", []):
        kind: Any = output.output_type
        if kind == "stream":
            text = output.text
        elif kind == "error":
            if output.get("ename") == "NotImplementedError":
                continue  # which says that nothing is written yet
            text = "\n".join(output.get("traceback", [])) or output.get("evalue", "")
        else:
            text = output.get("data", {}).get("text/plain", "")
            if inert.picture(output.get("data")):
                continue  # it is among the figures
        text = ESCAPES.sub("", text if isinstance(text, str) else "".join(text))[-LONGEST:]
        if text.strip():
            colour = " class='failed'" if kind == "error" else ""
            last = "\n".join(text.splitlines()[-LINES:])
            yield f"<pre{colour}>{html.escape(last)}</pre>"


def _alternative(output: NotebookNode) -> str:
    """What a figure shows, in words, where it says so."""
    match output.get("metadata"):
        case {"image/png": {"alt": str(text)}}:
            return text[:LONGEST]
    return ""


def _figures(part: Exercise, room: list[int]) -> list[str]:
    """The figures from this exercise to the next, as far as there is room on the page."""
    figures, left = [], 0
    for cell in part.after:
        for output in cell.get("outputs", []):
            address = inert.picture(output.get("data"))
            if not address:
                continue
            room[0] -= len(address)
            if room[0] < 0:
                left += 1
                continue
            alt = html.escape(_alternative(output) or f"A figure after {part.name}", quote=True)
            figures.append(f"<figure><img alt='{alt}' src='{address}'></figure>")
    if not figures and not left:
        return []
    count = len(figures) + left
    words = f"{count} figure{'' if count == 1 else 's'}"
    more = f"<p class='aside'>{left} more are in the notebook.</p>" if left else ""
    return [f"<details class='figures'><summary>{words}</summary>", *figures, more, "</details>"]
