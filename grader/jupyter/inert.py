"""What a learner wrote or printed is shown in feedback, and cannot act.

`nbgrader_config.py` puts both in nbconvert's place: the filter that turns Markdown into HTML,
and a preprocessor for outputs. Scripts, event handlers, forms and frames are left out.
"""

from __future__ import annotations

from typing import Any

import bleach
from nbconvert.filters.markdown import markdown2html
from nbconvert.preprocessors.sanitize import ALLOWED_ATTRIBUTES, ALLOWED_TAGS, SanitizeHTML
from nbformat import NotebookNode

TAGS = {
    *ALLOWED_TAGS, "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "div", "span", "img",
    "del", "s", "sub", "sup", "kbd", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td",
    "figure", "figcaption", "details", "summary",
}  # fmt: skip
"""What Markdown makes, and what the lessons write themselves; anything else is shown as text."""
EVERYWHERE = ["id", "class", "title", "align", "lang"]
PROTOCOLS = ["http", "https", "mailto", "data"]


def markdown(source: str) -> str:
    """Markdown as HTML that holds no script, whatever HTML it held."""
    allowed = dict(ALLOWED_ATTRIBUTES) if isinstance(ALLOWED_ATTRIBUTES, dict) else {}
    allowed |= {"*": EVERYWHERE, "img": ["src", "alt", "width", "height"], "a": ["href"]}
    return bleach.clean(markdown2html(source), tags=TAGS, attributes=allowed, protocols=PROTOCOLS)


class InertOutputs(SanitizeHTML):
    """Clean the HTML of outputs; leave out outputs that are programs."""

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> Any:
        if cell.cell_type == "code":
            cell.outputs = self.sanitize_code_outputs(cell.outputs)
        return cell, resources
