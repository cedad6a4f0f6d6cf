"""Frames of JSON and raw bytes over a socket, with limits and deadlines.

A frame is a JSON text and the bytes of the arrays that the text mentions. Lengths are checked
before anything is allocated; what doesn't fit raises `Broken`.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from typing import Any

TEXT = 32 << 20
"""Bytes of JSON in a frame, at most."""
RAW = 128 << 20
"""Bytes of arrays in a frame, at most."""
PARTS = 100_000
"""Arrays in a frame, at most."""
LENGTHS = struct.Struct("!II")

Parts = list[memoryview]


class Broken(Exception):
    """The other end broke the protocol: it ended, lied about a length, sent what is no data."""


class TooLate(Exception):
    """No frame came, or none could be sent, before the deadline."""


class Frames:
    """Frames over a socket, with limits and a deadline (of `time.monotonic`)."""

    def __init__(
        self, end: socket.socket, *, text: int = TEXT, raw: int = RAW, budget: float = math.inf
    ):
        self.end, self.text, self.raw = end, text, raw
        self.budget = budget
        """Bytes that may still come."""
        self.deadline = math.inf

    def send(self, message: Any) -> None:
        """Send a JSON value in which memoryviews stand for bytes."""
        text, parts = flatten(message)
        head = text.encode()
        size = sum(map(len, parts))
        if len(head) > self.text or size > self.raw or len(parts) > PARTS:
            raise ValueError(f"{len(head):,} characters and {size:,} bytes are too many to send")
        lengths = struct.pack(f"!{len(parts)}Q", *map(len, parts))
        self._wait()
        try:
            self.end.sendall(LENGTHS.pack(len(head), len(parts)) + lengths + head)
            for part in parts:
                self.end.sendall(part)
        except TimeoutError:
            raise TooLate from None
        except OSError:
            raise Broken("it ended") from None

    def receive(self) -> tuple[Any, Parts]:
        """Receive one frame: the JSON value and the bytes. Raises Broken or TooLate."""
        text, count = LENGTHS.unpack(self._exactly(LENGTHS.size))
        if text > self.text or count > PARTS:
            raise Broken(f"it sent a frame of {text:,} characters and {count:,} arrays")
        lengths = struct.unpack(f"!{count}Q", self._exactly(8 * count))
        if sum(lengths) > self.raw:
            raise Broken(f"it sent a frame of {sum(lengths):,} bytes")
        try:
            message = json.loads(bytes(self._exactly(text)))
        except (ValueError, RecursionError):
            raise Broken("it sent what is no JSON") from None
        return message, [self._exactly(length) for length in lengths]

    def _exactly(self, size: int) -> memoryview:
        self.budget -= size
        if self.budget < 0:
            raise Broken("it has sent more than it may, all in all")
        room, done = memoryview(bytearray(size)), 0
        while done < size:
            self._wait()
            try:
                count = self.end.recv_into(room[done:])
            except TimeoutError:
                raise TooLate from None
            except OSError:
                raise Broken("it ended") from None
            if count == 0:
                raise Broken("it ended")
            done += count
        return room

    def _wait(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TooLate
        self.end.settimeout(None if math.isinf(left) else left)


def flatten(message: Any) -> tuple[str, Parts]:
    """The JSON text of a message, and the bytes for which `{"part": k}` stands in it."""
    parts: Parts = []

    def part(value: memoryview) -> dict[str, int]:
        parts.append(value)
        return {"part": len(parts) - 1}

    return json.dumps(message, default=part, separators=(",", ":")), parts
