"""What a learner wrote is shown, and cannot act.

Scripts, event handlers, forms, frames and styles are left out, in Formgrader
(`nbgrader_config.py` puts `markdown` in nbconvert's place) and on the page that tells a learner
what became of a notebook. That page also draws mathematics, as MathML, which needs no script.
"""

from __future__ import annotations

import contextlib
import html
import re
import unicodedata
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import bleach
from latex2mathml.converter import convert_to_element
from nbconvert.filters.markdown import markdown2html
from nbconvert.filters.markdown_mistune import (
    InvalidNotebook,
    IPythonRenderer,
    MarkdownWithMath,
)
from nbconvert.preprocessors.sanitize import ALLOWED_ATTRIBUTES, ALLOWED_TAGS
from nbformat import NotebookNode

from grader.grading.submission import ATTACHED as ROOM
from grader.grading.submission import IMAGES

TAGS = {
    *ALLOWED_TAGS, "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "div", "span", "img",
    "del", "s", "sub", "sup", "kbd", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td",
    "figure", "figcaption", "details", "summary",
}  # fmt: skip
"""What Markdown makes, and what the lessons write themselves; anything else is shown as text."""
EVERYWHERE = ["id", "class", "title", "align", "lang"]
SIZES = ["alt", "width", "height"]
PROTOCOLS = ["http", "https", "mailto", "data"]
MATHML = {
    "math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub",
    "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle",
    "mpadded", "mphantom", "menclose", "mmultiscripts", "mprescripts", "none",
}  # fmt: skip
SETTINGS = {
    "display", "displaystyle", "scriptlevel", "mathvariant", "stretchy", "fence", "separator",
    "form", "lspace", "rspace", "minsize", "maxsize", "movablelimits", "accent", "accentunder",
    "linethickness", "width", "height", "depth", "columnalign", "rowspacing", "columnspacing",
}  # fmt: skip
ATTACHED = re.compile(r"attachment:([^\s)>\"']+)")
BASE64 = re.compile(r"[A-Za-z0-9+/\s]+=*\s*")
PLACE = "\ue000{}\ue001"
"""Where a formula stands until the rest is clean."""
IMAGE = "data:image/png;aside,{}"
"""Where an attached image does: to look through millions of characters takes long."""


def markdown(source: str) -> str:
    """Markdown as HTML that holds no script, whatever HTML it held."""
    try:
        page = markdown2html(source)
    except InvalidNotebook:  # an image that is not attached
        page = f"<pre>{html.escape(source)}</pre>"
    return _clean(page, EVERYWHERE, ["src", *SIZES])


def prose(cell: NotebookNode, room: list[int] | None = None) -> str:
    """A text with its images and formulas, such that it looks like no other part of a page.

    room : characters of images that the page may still take
    """
    renderer = _Renderer(escape=False, exclude_anchor_links=True)
    images: list[str] = []
    source = re.sub("[\ue000\ue001]", "", _with_images(cell, images))
    try:
        page = MarkdownWithMath(renderer=renderer).render(source)
    except InvalidNotebook:
        page = f"<pre>{html.escape(source)}</pre>"
    page = _clean(page, ["title", "align", "lang"], _held)
    page = re.sub(PLACE.format(r"(\d+)"), lambda match: renderer.formulas[int(match[1])], page)
    left = [ROOM] if room is None else room

    def image(match: re.Match[str]) -> str:
        address = images[int(match[1])] if int(match[1]) < len(images) else ""
        left[0] -= len(address)
        return address if left[0] >= 0 else "missing"

    return re.sub(f'(?<=src="){IMAGE.format(r"([0-9]{1,6})")}(?=")', image, page)


def formula(tex: str, display: str = "inline") -> str:
    """A formula as MathML, or its own text where it cannot be read."""
    try:
        root = convert_to_element(tex, display=display)
        for element in root.iter():
            if element.tag not in MATHML:
                raise ValueError(element.tag)
            element.attrib = {k: v for k, v in element.attrib.items() if k in SETTINGS}
            element.text = html.unescape(element.text or "")  # it writes signs as entities
            if variant := element.attrib.pop("mathvariant", ""):
                element.text = _letter(element.text, variant.upper())
        return ElementTree.tostring(root, encoding="unicode", method="html")
    except Exception:  # whatever broken TeX makes the converter raise
        return f"<code>{html.escape(tex)}</code>"


def _letter(text: str, variant: str) -> str:
    """A letter in another alphabet, which Unicode has and browsers do not make themselves."""
    case = "CAPITAL" if text.isupper() else "SMALL"
    for kind in ("MATHEMATICAL ", ""):  # some were there before the others came
        with contextlib.suppress(KeyError):
            return unicodedata.lookup(f"{kind}{variant} {case} {text.upper()}")
    return text


def picture(data: Any) -> str:
    """The address of the first image among what an output or an attachment holds; "" for none."""
    for kind in IMAGES if isinstance(data, dict) else ():
        if isinstance(text := data.get(kind), str) and BASE64.fullmatch(text):
            return f"data:{kind};base64,{''.join(text.split())}"
    return ""


class _Renderer(IPythonRenderer):
    """Sets formulas aside as MathML."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.formulas: list[str] = []

    def _aside(self, tex: str, display: str) -> str:
        self.formulas.append(formula(tex, display))
        return PLACE.format(len(self.formulas) - 1)

    def inline_math(self, body: str) -> str:
        return self._aside(body, "inline")

    def block_math(self, body: str) -> str:
        return self._aside(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return self._aside(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")


def _held(_: str, name: str, value: str) -> bool:
    """Whether an image's attribute loads nothing."""
    return name in SIZES or (name == "src" and value.startswith("data:image/"))


def _clean(page: str, everywhere: list[str], image: Any) -> str:
    allowed = dict(ALLOWED_ATTRIBUTES) if isinstance(ALLOWED_ATTRIBUTES, dict) else {}
    allowed |= {"*": everywhere, "img": image, "a": ["href"]}
    return bleach.clean(page, tags=TAGS, attributes=allowed, protocols=PROTOCOLS)


def _with_images(cell: NotebookNode, images: list[str]) -> str:
    """A text with the places of its attached images, which become `images`; others are missing."""
    attached: Any = cell.get("attachments")
    attached = attached if isinstance(attached, dict) else {}
    places: dict[str, str] = {}
    for name, kinds in attached.items():
        if address := picture(kinds):
            places[name] = IMAGE.format(len(images))
            images.append(address)

    def image(match: re.Match[str]) -> str:
        return places.get(unquote(match[1])) or f"missing-{match[1]}"

    return ATTACHED.sub(image, cell.source)
