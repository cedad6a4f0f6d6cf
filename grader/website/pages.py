"""What Sphinx reads: a page for each lesson, and the start page from README.md.

A lesson's page is its notebook as nbgrader releases it. From the finished one it takes what
demonstrations printed and drew, and nothing else; so an answer has no way on to the site.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

from grader import course
from grader.authoring.build import source_notebook
from grader.authoring.lesson import Lesson
from grader.paths import ROOT

SECTIONS = ("The lessons", "Start", "Work and hand in")
"""The parts of README.md on the start page, in this order."""

READ = """
:::{{admonition}} You are reading
:class: reading

To work on this lesson, and be checked, start `python3 grader lab` and open `{name}`. Figures are
those of a finished lesson; answers are not shown.
:::
"""
LINK = re.compile(r"\[([^\]]+)\]\(\.\./(\w+)/\2\.ipynb\)")
MOVE = "In JupyterLab this picture answers to sliders and calls *your* functions."


def write(folder: Path, finished: dict[Lesson, NotebookNode]) -> None:
    """Write the pages of lessons and a start page into a new folder."""
    folder.mkdir(parents=True)
    built = frozenset(lesson.name for lesson in finished)
    for lesson, notebook in finished.items():
        (folder / lesson.name).mkdir()
        nbformat.write(page(lesson, notebook, folder, built), folder / f"{lesson.name}.ipynb")
    (folder / "index.md").write_text(start(list(finished)), encoding="utf-8")
    shutil.copytree(ROOT / ".github", folder / ".github")


def start(lessons: list[Lesson]) -> str:
    """The start page: README.md's opening and those of its sections that a learner reads."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    opening, *rest = re.split(r"^## ", text, flags=re.MULTILINE)
    sections = {part.partition("\n")[0]: f"## {part}" for part in rest}
    names = {lesson.name[:2]: lesson.name for lesson in lessons}

    def link(row: re.Match) -> str:
        number, title = row.groups()
        return f"| {number} | [{title}]({names[number]}.ipynb) |" if number in names else row[0]

    body = opening + "".join(sections[name] for name in SECTIONS if name in sections)
    body = re.sub(r"^\| (\d\d) \| ([^|]+?) \|", link, body, flags=re.MULTILINE)
    toc = "\n".join(lesson.name for lesson in lessons)
    return f"{body}\n```{{toctree}}\n:hidden:\n\n{toc}\n```\n"


def page(
    lesson: Lesson, finished: NotebookNode, folder: Path, built: frozenset[str] = frozenset()
) -> NotebookNode:
    """A lesson's page; its figures are written into a folder of its name in `folder`.

    `built` are the names of the lessons that have pages.
    """
    notebook = cleared(lesson)
    outputs = {cell.id: cell.get("outputs", []) for cell in finished.cells}
    hidden = {cell.id for cell in finished.cells if "### BEGIN HIDDEN" in cell.source}
    cells = []
    for cell in notebook.cells:
        role = cell.metadata.get("nbgrader", {})
        cell.metadata = NotebookNode(tags=["exercise"] if role.get("solution") else [])
        if role.get("grade") and not role.get("solution"):
            cell = new_markdown_cell(_check(cell.source, role["points"], cell.id in hidden))
        elif cell.cell_type == "code" and not role.get("solution"):
            drawn = enumerate(outputs[cell.id], 1)
            place = f"{lesson.name}/{cell.id}"
            cell.outputs = [_output(output, f"{place}-{i}.png", folder) for i, output in drawn]
        cells.append(cell)
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(lambda link: _linked(link, built), cell.source)
    cells[0].source += READ.format(name=lesson.name)
    notebook.cells = cells
    return notebook


def _linked(link: re.Match[str], built: frozenset[str]) -> str:
    """A link to another lesson's notebook as one to its page; its title where there is none."""
    title, name = link.groups()
    return f"[{title}]({name}.ipynb)" if name in built else title


def cleared(lesson: Lesson) -> NotebookNode:
    """A lesson without answers and hidden checks, by nbgrader's own hand.

    Not the file in lessons/: a learner may have answered there.
    """
    notebook, config = source_notebook(lesson), course.configuration(ROOT)
    for step in (ClearSolutions, ClearHiddenTests):
        notebook, _ = step(config=config).preprocess(notebook, {})
    return notebook


def _check(source: str, points: int, hidden: bool) -> str:
    """A graded cell, folded; its opening comment says what it asks."""
    lines = source.splitlines()
    body = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    asks = " ".join(line.lstrip("# ") for line in lines[:body])
    worth = f"{points} point{'s' if points > 1 else ''}"
    asks = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(asks))
    if hidden:
        return f'<div class="check"><p>{asks} <em>({worth})</em></p></div>'
    code = "\n".join(lines[body:])
    asks = asks or "The answer"
    return (
        f'<details class="check"><summary><span>Check, {worth}.</span> {asks}</summary>\n\n'
        f"```python\n{code}\n```\n\n</details>"
    )


def _output(output: NotebookNode, picture: str, folder: Path) -> NotebookNode:
    """What a demonstration printed, or its figure as MyST with the alternative text.

    `dark-light` keeps the theme from dimming it at night.
    """
    if output.output_type == "stream":
        return output
    if "image/png" not in output.data:
        return new_output("display_data", {"text/plain": output.data["text/plain"]})
    (folder / picture).write_bytes(base64.b64decode(output.data["image/png"]))
    about = output.metadata["image/png"]
    alt = json.dumps(about["alt"], ensure_ascii=False)
    options = f":alt: {alt}\n:width: {about['width']}px\n:class: dark-light"
    drawing = f":::{{image}} {picture}\n{options}\n:::"
    if "application/vnd.jupyter.widget-view+json" in output.data:
        says = re.sub(r"([\\`*_{}\[\]<>$#|~])", r"\\\1", about["alt"])
        drawing = f":::{{figure}} {picture}\n{options}\n\n{says}\n\n{MOVE}\n:::"
    return new_output("display_data", {"text/markdown": drawing})
