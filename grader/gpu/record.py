"""What was measured on a GPU: one file, to which each part is added as soon as it is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.files import write_whole
from grader.paths import ROOT

KEPT = ROOT / "datasets" / "gpu.json"
REHEARSAL = ROOT / ".cache" / "gpu" / "rehearsal"
DIED = 70
"""The status of a process whose GPU answers nothing more."""

Json = dict[str, Any]


def read(path: Path) -> dict[str, Json]:
    """By step: where and when it was measured, its `parts`, and what was `left out` and why."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


class Record:
    """The record of one step. Parts that another device, or other versions, gave are forgotten.

    about : "device", "versions" and "date"
    """

    def __init__(self, path: Path, step: str, about: Mapping[str, Any]):
        self.path, self.step = path, step
        kept = read(path).get(step, {})
        same = all(kept.get(name) == about[name] for name in ("device", "versions"))
        self.parts: dict[str, Json] = kept["parts"] if same else {}
        self.left_out: dict[str, str] = kept["left out"] if same else {}
        self._about = dict(about)

    def keep(self, part: str, found: Json) -> None:
        """Write what was found of a part."""
        self.parts[part] = found
        self.left_out.pop(part, None)
        self._write()

    def leave(self, part: str, why: str) -> None:
        """Write why a part is missing."""
        self.left_out[part] = why
        self._write()

    def _write(self) -> None:
        own = self._about | {"parts": self.parts, "left out": self.left_out}
        text = json.dumps(read(self.path) | {self.step: own}, indent=1, ensure_ascii=False)
        write_whole(self.path, text + "\n")
