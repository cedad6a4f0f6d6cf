"""A cell run in a player, and what it showed as a notebook holds it."""

from __future__ import annotations

import base64
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from grader.isolation.session import Session
from grader.isolation.text import plain, printed

MOST = 200
"""Outputs of one cell, at most."""
LINES = 100
"""Lines of a traceback, at most."""
ROOM = {"image": 24 << 20, "text": 4 << 20}
"""Bytes of images and characters of text that one submission may show, at most."""
TEXT = 400_000
"""Characters of one text, at most."""
LARGEST = 4 << 20
"""Bytes of an image, at most."""
PNG = b"\x89PNG\r\n\x1a\n"


def run_cell(source: str, session: Session) -> list[NotebookNode]:
    """Run a cell in the player; its outputs as a notebook holds them."""
    with session.bounded():
        try:
            shown = session.request("run", source)
        except (Exception, SystemExit) as error:  # IPython failed, or was interrupted between cells
            shown = (("error", type(error).__name__, str(error), ()),)
    if type(shown) is not tuple:
        raise session.broken("it sent what are no outputs")
    outputs = [output for output in map(_output, shown[:MOST]) if output is not None]
    errors = [output for output in outputs if output.output_type == "error"]
    outputs = [o for o in outputs if o.output_type != "error" or o is errors[0]]
    outputs = [output for output in outputs if _has_room(output, session.shown)]
    if session.interrupted:
        sentence = f"this cell did not end in {session.limits.check:g} s"
        outputs = [o for o in outputs if o.output_type != "error"] + [stopped(sentence)]
    return outputs


def stopped(sentence: str) -> NotebookNode:
    """The output of a cell that did not end by itself."""
    return new_output("error", ename="Stopped", evalue=sentence, traceback=[sentence])


def _has_room(output: NotebookNode, shown: dict[str, int]) -> bool:
    """Whether there is room for one more output; an error always has some for its sentence."""
    image = output.get("data", {}).get("image/png")
    what, size = ("text", len(str(output))) if image is None else ("image", len(image))
    shown[what] = shown.get(what, 0) + size
    room = shown[what] <= ROOM[what]
    if output.output_type == "error" and not room:
        output.traceback = [f"{output.ename}: {output.evalue}"]
    return room or output.output_type == "error"


def _output(shown: Any) -> NotebookNode | None:
    """One output, from what the player sent; None for anything else. It is never active."""
    match shown:
        case ("stream", ("stdout" | "stderr") as name, str(text)):
            return new_output("stream", name=name, text=printed(text, TEXT))
        case ("text", str(text)):
            return new_output("display_data", {"text/plain": printed(text, TEXT)})
        case ("png", (bytes() | str()) as image):
            try:
                data = image if isinstance(image, bytes) else base64.b64decode(image, validate=True)
            except ValueError:
                return None
            if data.startswith(PNG) and len(data) <= LARGEST:
                text = base64.b64encode(data).decode()
                return new_output("display_data", {"image/png": text})
        case ("error", str(name), str(value), tuple(trace)):
            name, value = plain(name, 100), plain(value)
            lines = [plain(line) for line in trace[:LINES] if type(line) is str]
            lines = lines or [f"{name}: {value}"]
            return new_output("error", ename=name, evalue=value, traceback=lines)
    return None
