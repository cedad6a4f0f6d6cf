"""What Sphinx reads: a page for each lesson, and one for each README.

A lesson's page is its notebook as nbgrader releases it. From the finished one it takes what
demonstrations printed and drew, and nothing else; so an answer has no way on to the site.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

from dropoutlab.expect.page import unmarked
from grader import course
from grader.authoring import claims
from grader.authoring.build import source_notebook, worth
from grader.authoring.contents import by_part
from grader.authoring.lesson import HIDE, Lesson
from grader.paths import ROOT
from grader.website import lite
from grader.website.lite import needs
from grader.website.script import Script

GUIDE = {
    "README.md": "index",
    "lessons/README.md": "learn",
    "grader/README.md": "teach",
    "grader/hub/kubernetes/README.md": "kubernetes",
    "solutions/README.md": "write",
    "tests/README.md": "tests",
    "datasets/README.md": "data",
    ".github/CONTRIBUTING.md": "contribute",
    ".github/SECURITY.md": "security",
}
"""The texts of the repository that are pages too, in the order of the sidebar."""

REGISTER = "found"
FOUND = """# What the lessons found

Each finding, and what the figure that it rests on measured when this site was made. The figures
compute it anew in every run; tests run them all."""

READ = """
:::{{admonition}} You are reading
:class: reading

{work}
The figures come from a finished lesson; answers are not shown.
:::
"""
HERE = """<a class="work-here" href="{address}">Work here</a>

The lesson then runs in this browser, with nothing to install: write answers and have them checked.
What you write is kept in this browser only, until you download it. On your own machine, clone the
course, start `python3 grader lab` and open `{name}` ([how](learn.md)).
"""
ELSEWHERE = """This lesson needs {needs}, which a browser does not run. To work on it and have your
answers checked, clone the course ([how](learn.md)) and open `{name}`:

```
git clone {repository} dropout && cd dropout
python3 grader lab
```
"""
FENCED = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^()\s#]+)(#\S+)?\)")
WIDGET = "application/vnd.jupyter.widget-view+json"
STATES = "application/vnd.jupyter.widget-state+json"
UNREAD = ("layout", "tabbable", "tooltip")
"""What every widget has and no explorer's script reads."""
EXPLORER = """<div id="{name}" data-explorer="{name}">
<script type="application/json">{state}</script>
<noscript><figure class="dropoutlab-explorer"><div class="panels">{still}</div>
<figcaption>{says}</figcaption></figure></noscript>
</div>"""
MOVE = "In JupyterLab this picture answers to sliders and calls *your* functions."


def write(folder: Path, finished: dict[Lesson, NotebookNode]) -> None:
    """Write the pages of lessons and of the guide into a new folder."""
    folder.mkdir(parents=True)
    pages = GUIDE | {_path(lesson): lesson.name for lesson in finished}
    for lesson, notebook in finished.items():
        (folder / lesson.name).mkdir()
        nbformat.write(page(lesson, notebook, folder, pages), folder / f"{lesson.name}.ipynb")
    for path, name in GUIDE.items():
        text = linked((ROOT / path).read_text(encoding="utf-8"), path, pages, folder)
        if name == "index":
            text += sidebar(list(finished))
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{REGISTER}.md").write_text(register(finished), encoding="utf-8")


def register(finished: dict[Lesson, NotebookNode]) -> str:
    """The page that lists what the lessons found, each finding with what its figure measured."""
    parts = [FOUND]
    for lesson, notebook in finished.items():
        shown = claims.measured(notebook)
        rows = [
            f"- {sentence} ({'borne out' if shown[name].holds else '**not borne out**'})\n\n"
            f"  {escaped(shown[name].says)}"
            for name, sentence in lesson.claims.items()
        ]
        if rows:
            parts += [f"## [{lesson.title}]({lesson.name}.ipynb)", *rows]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Plain text as Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>$#|~])", r"\\\1", text)


def sidebar(lessons: list[Lesson]) -> str:
    """The lists of pages: the lessons of each part, then the guide."""
    lists = {part: [x.name for x in members] for part, members in by_part(lessons).items()}
    lists["Guide"] = [*list(GUIDE.values())[1:], REGISTER]
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{chr(10).join(names)}\n```\n"
        for caption, names in lists.items()
    )


def linked(text: str, path: str, pages: dict[str, str], folder: Path) -> str:
    """A text of the repository, at `path`, with its links leading to pages of the site.

    `pages` has the name of the page that is made of a file. A picture is copied into `folder`.
    Of a link to another file of the repository its text alone is left.
    """

    def link(match: re.Match[str]) -> str:
        picture, words, target, place = match.groups("")
        file = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if "://" in target or not (ROOT / file).exists():
            return match[0]
        if picture:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)
            return f"![{words}]({file})"
        if file in pages:
            ending = ".md" if file in GUIDE else ".ipynb"
            return f"[{words}]({pages[file]}{ending}{place})"
        return words

    parts = FENCED.split(text)
    parts[::2] = [LINK.sub(link, part) for part in parts[::2]]
    return "".join(parts)


def _path(lesson: Lesson) -> str:
    return f"lessons/{lesson.name}/{lesson.name}.ipynb"


def page(
    lesson: Lesson, finished: NotebookNode, folder: Path, pages: dict[str, str]
) -> NotebookNode:
    """A lesson's page; its figures are written into a folder of its name in `folder`.

    `pages` has the name of the page that is made of a file.
    """
    notebook = cleared(lesson)
    outputs = {cell.id: cell.get("outputs", []) for cell in finished.cells}
    widgets = finished.metadata.get("widgets", {}).get(STATES, {}).get("state", {})
    hidden = {cell.id for cell in finished.cells if HIDE in cell.source}
    cells = []
    for cell in notebook.cells:
        role, folded = cell.metadata.get("nbgrader", {}), "jupyter" in cell.metadata
        cell.metadata = NotebookNode(tags=["exercise"] if role.get("solution") else [])
        if role.get("grade") and not role.get("solution"):
            cell = new_markdown_cell(_check(cell.source, role["points"], cell.id in hidden))
        elif cell.id.startswith("summary_"):
            cell = new_markdown_cell(_points(lesson))
        elif cell.cell_type == "code" and not role.get("solution"):
            drawn = enumerate(outputs[cell.id], 1)
            place = f"{lesson.name}/{cell.id}"
            cell.outputs = [
                _explorer(output, widgets) or _output(output, f"{place}-{i}.png", folder)
                for i, output in drawn
            ]
            if folded:
                _fold(cell)
        cells.append(cell)
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, _path(lesson), pages, folder)
    cells[0].source += READ.format(work=_work(lesson))
    notebook.cells = cells
    return notebook


def _work(lesson: Lesson) -> str:
    """How to work on a lesson: with a button, where a browser runs it."""
    if missing := needs.missing(lesson):
        words = " and ".join(missing)
        return ELSEWHERE.format(needs=words, name=lesson.name, repository=lite.REPOSITORY)
    return HERE.format(address=lite.address(lesson), name=lesson.name)


def cleared(lesson: Lesson) -> NotebookNode:
    """A lesson without answers and hidden checks, by nbgrader's own hand.

    Not the file in lessons/: a learner may have answered there.
    """
    notebook, config = source_notebook(lesson), course.configuration(ROOT)
    for step in (ClearSolutions, ClearHiddenTests):
        notebook, _ = step(config=config).preprocess(notebook, {})
    return notebook


def _fold(cell: NotebookNode) -> None:
    """Fold a figure's code below its first line, a comment that is a sentence."""
    first, _, cell.source = unmarked(cell.source).partition("\n")
    said = first.lstrip("# ").replace("`", "")
    cell.metadata.tags.append("hide-input")
    cell.metadata.mystnb = {"code_prompt_show": said, "code_prompt_hide": said}


def _check(source: str, points: int, hidden: bool) -> str:
    """A graded cell, folded; its opening comment says what it asks."""
    lines = unmarked(source).splitlines()
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


def _points(lesson: Lesson) -> str:
    """What each exercise is worth, in place of the table of a learner's own points."""
    names = [cell.name for cell in lesson.cells if cell.kind in ("exercise", "answer")]
    rows = [f"| `{name}` | {sum(worth(lesson, name))} |" for name in names]
    head = [f"**{lesson.points} points**", "", "| exercise | points |", "| --- | ---: |"]
    return "\n".join([*head, *rows])


def _explorer(output: NotebookNode, widgets: Mapping[str, Any]) -> NotebookNode | None:
    """An explorer that the browser draws, with its state; and a still of it, for no scripts."""
    data = output.get("data", {})
    shown = widgets.get(
        data.get("application/vnd.jupyter.widget-view+json", {}).get("model_id"), {}
    )
    inner = [c.removeprefix("IPY_MODEL_") for c in shown.get("state", {}).get("children", [])]
    kept = next((w for w in (shown, *map(widgets.get, inner)) if w and w.state.get("script")), None)
    if kept is None:
        return None
    state = {k: v for k, v in kept.state.items() if k[0] != "_" and k not in UNREAD}
    state["bytes"] = {buffer["path"][0]: buffer["data"] for buffer in kept.buffers}
    if "image/png" in data:
        says = output.metadata["image/png"]["alt"]
        picture = data["image/png"].replace("\n", "")
        still = f'<img src="data:image/png;base64,{picture}" alt="{html.escape(says)}">'
        return new_output("display_data", {"text/html": hosted(state, still, says)})
    view = SimpleNamespace(**state, table=base64.b64decode(state["bytes"]["table"]))
    panels, says = Script(view).drawn(finished=True)
    return new_output("display_data", {"text/html": hosted(state, "".join(panels), says)})


def hosted(state: dict[str, Any], still: str = "", says: str = "") -> str:
    """The place of an explorer on a page: its state, which `explorers.js` reads, and a still."""
    text = json.dumps(state).replace("</", "<\\/")
    return EXPLORER.format(name=state["script"], state=text, still=still, says=html.escape(says))


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
    if WIDGET in output.data:
        says = f"{escaped(about['alt'])}\n\n{MOVE}"
        drawing = f":::{{figure}} {picture}\n{options}\n\n{says}\n:::"
    return new_output("display_data", {"text/markdown": drawing})
