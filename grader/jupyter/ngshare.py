"""nbgrader's exchange in pods: `collect` takes from ngshare only what can be a file.

A learner's server says under which paths its files are kept, so these may be anything.
"""

from __future__ import annotations

import base64
from pathlib import Path, PurePosixPath

from ngshare_exchange import ExchangeCollect


class Collect(ExchangeCollect):
    """Collect all that fits; ngshare's own ends with the first file that cannot be written."""

    def do_copy(self, src: list[dict[str, str]], dest: str) -> None:
        """Write the files of one submission, and leave out what has no place among them.

        The last is the time of handing in, which ngshare adds: it is written first, and nothing
        is written over.
        """
        room = self.coursedir.max_dir_size * 1000
        place = Path(dest)
        place.mkdir(parents=True)
        for file in reversed(src):
            path = PurePosixPath(file["path"])
            try:
                if path.is_absolute() or ".." in path.parts:
                    raise ValueError("it leads out of the submission")
                content = base64.b64decode(file["content"])
                if len(content) > room:
                    raise ValueError("it is too large")
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                with open(place / path, "xb") as written:
                    written.write(content)
                room -= len(content)
            except (OSError, ValueError) as error:
                self.log.warning("%r of %s is left out: %s", file["path"], dest, error)
