"""What takes long to make and follows from what is there, kept in a file until that changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from grader.files import write_whole

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
        write_whole(place, json.dumps({"digest": digest, "made": made}), private=True)
    return made
