"""Measurements that take longer than a lesson, each a module that is run once:

    python -P -m dropoutlab.studies.NAME

Its result lies in datasets/studies/NAME.json, from which lessons draw. Each part is kept when it is
finished, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

from dropoutlab.data import ROOT

FOLDER = ROOT / "datasets" / "studies"


def own() -> ModuleType:
    """`dropoutlab.own`, which is not there where a class is graded."""
    from dropoutlab import own

    return own


def kept(name: str) -> dict[str, Any]:
    """What a study has measured so far; {} where it has not begun."""
    file = FOLDER / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def keep(name: str, found: dict[str, Any]) -> None:
    """Write what a study has measured, a line for each part; whole or not at all."""
    lines = [f"{json.dumps(part)}: {json.dumps(found[part])}" for part in found]
    FOLDER.mkdir(exist_ok=True)
    half = FOLDER / f"{name}.part"
    half.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    half.replace(FOLDER / f"{name}.json")
