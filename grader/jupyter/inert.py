"""What a learner wrote or printed is shown in feedback, and cannot act.

`nbgrader_config.py` puts these in nbconvert's place: the filter that turns Markdown into HTML,
and a preprocessor for outputs. Scripts, event handlers, forms and frames are left out. What a
failed check says is shown by its fields.
"""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import unquote

import bleach
from nbconvert.filters.markdown import markdown2html
from nbconvert.filters.markdown_mistune import InvalidNotebook
from nbconvert.preprocessors.sanitize import ALLOWED_ATTRIBUTES, ALLOWED_TAGS, SanitizeHTML
from nbformat import NotebookNode
from nbformat.v4 import new_output
from traitlets import Bool

from grader.grading.result import FIELDS, Message
from grader.grading.submission import IMAGES

TAGS = {
    *ALLOWED_TAGS, "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "div", "span", "img",
    "del", "s", "sub", "sup", "kbd", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td",
    "figure", "figcaption", "details", "summary",
}  # fmt: skip
"""What Markdown makes, and what the lessons write themselves; anything else is shown as text."""
EVERYWHERE = ["id", "class", "title", "align", "lang"]
GRID = "display: grid; grid-template-columns: max-content auto; gap: 0 1em"
PROTOCOLS = ["http", "https", "mailto", "data"]
ATTACHED = re.compile(r"attachment:([^\s)>\"']+)")
BASE64 = re.compile(r"[A-Za-z0-9+/\s]+=*\s*")


def markdown(source: str) -> str:
    """Markdown as HTML that holds no script, whatever HTML it held."""
    allowed = dict(ALLOWED_ATTRIBUTES) if isinstance(ALLOWED_ATTRIBUTES, dict) else {}
    allowed |= {"*": EVERYWHERE, "img": ["src", "alt", "width", "height"], "a": ["href"]}
    try:
        page = markdown2html(source)
    except InvalidNotebook:  # an image that is not attached
        page = f"<pre>{html.escape(source)}</pre>"
    return bleach.clean(page, tags=TAGS, attributes=allowed, protocols=PROTOCOLS)


class InertOutputs(SanitizeHTML):
    """Clean the HTML of outputs; leave out outputs that are programs."""

    enabled = Bool(True).tag(config=True)

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> Any:
        if cell.cell_type == "markdown":
            cell.source = _with_images(cell)
        if cell.cell_type == "code":
            message, outputs = _message(cell), self.sanitize_code_outputs(cell.outputs)
            left = [output for output in outputs if output.get("data") != {}]
            cell.outputs = [_by_fields(message, output) for output in left]
        return cell, resources


def _with_images(cell: NotebookNode) -> str:
    """A text with its attached images in place; what is not attached is named as missing."""
    attached: Any = cell.get("attachments")
    attached = attached if isinstance(attached, dict) else {}

    def image(match: re.Match[str]) -> str:
        kinds = attached.get(unquote(match[1]))
        for kind in IMAGES if isinstance(kinds, dict) else ():
            if isinstance(data := kinds.get(kind), str) and BASE64.fullmatch(data):
                return f"data:{kind};base64,{''.join(data.split())}"
        return f"missing-{match[1]}"

    return ATTACHED.sub(image, cell.source)


def _message(cell: NotebookNode) -> Message | None:
    """What the check of a cell said, where the grader has left its fields."""
    match cell.metadata.get(FIELDS):
        case {"case": str(case), "expected": str(expected), "found": str(found), "hint": str(hint)}:
            return Message(case, expected, found, hint)
    return None


def _by_fields(message: Message | None, output: NotebookNode) -> NotebookNode:
    """The error of a failed check as a list of its fields; any other output as it is.

    In a notebook that plain nbgrader has graded a learner may have written the fields. So they
    are shown only in place of an output that says the same.
    """
    error = output.get("traceback", [])
    if message is None or message.text.split() != "\n".join(error).split():
        return output
    rows = {"expected": message.expected, "found": message.found, "hint": message.hint}
    terms = "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in rows.items())
    page = f"<p><strong>{html.escape(message.case)}</strong></p><dl style='{GRID}'>{terms}</dl>"
    return new_output("display_data", {"text/html": page})
