"""What takes long to make and follows from what is there, kept in a file until that changes."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def kept(place: Path, digest: str, make: Callable[[], Json]) -> Json:
    """What `make` gives, from `place` where it was kept there under the same digest.

    Where the file is missing, of another digest or nobody's, it is made anew; where it cannot be
    written, it is made each time.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(place.read_text(encoding="utf-8"))
        if found["digest"] == digest:
            return found["made"]
    made = make()
    with suppress(OSError):
        write(place, json.dumps({"digest": digest, "made": made}))
    return made


def write(place: Path, text: str) -> None:
    """Put a file in place of an older one: whole or not at all, and for its owner's eyes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=place.parent)  # 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
