"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: Path, text: str | bytes, *, private: bool = False) -> None:
    """Put a file in place of an older one, in a folder that is made where there is none.

    private : whether it is for its owner's eyes alone
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new, mode = path.with_name(f".{path.name}.{secrets.token_hex(4)}"), 0o600 if private else 0o666
    try:
        with open(new, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(text if isinstance(text, bytes) else text.encode("utf-8"))
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
