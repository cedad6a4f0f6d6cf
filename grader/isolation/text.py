"""Text that comes from a learner's process: of bounded length, and without codes that act."""

from __future__ import annotations

import io
import re

MESSAGE = 2_000
"""Characters of one field of a message, at most."""
CUT = " … (cut)"

_CODES = "\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_ACTS = re.compile(rf"[\r\x1b{_CODES}]")
_ACTS_IN_A_STREAM = re.compile(rf"\x1b(?!\[[0-9;]*m)|[{_CODES}]")


def plain(text: str, most: int = MESSAGE) -> str:
    """A text that any terminal, table or page can show: cut, and each control code a "�"."""
    return _ACTS.sub("�", _cut(text, most))


def printed(text: str, most: int) -> str:
    """What a cell printed: as `plain`, but colours and carriage returns stay."""
    return _ACTS_IN_A_STREAM.sub("�", _cut(text, most))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + CUT


class Printed(io.TextIOBase):
    """A stream that keeps the first characters written to it."""

    def __init__(self, room: int):
        self.room = room
        self.texts: list[str] = []

    def write(self, text: str) -> int:
        if self.room > 0:
            self.texts.append(text[: self.room])
            if len(text) > self.room:
                self.texts.append("\n… cut: this cell prints too much\n")
            self.room -= len(text)
        return len(text)

    def take(self) -> str:
        text = "".join(self.texts)
        self.texts.clear()
        return text
