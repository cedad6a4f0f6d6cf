"""Explorers, one for each lesson: `explore.NAME(function)` is the function NAME of NAME.py here.

An explorer is imported when it is first asked for: widgets, and in some torch, take seconds.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any


def names() -> list[str]:
    """The explorers that there are."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return [f.stem for f in files if f"\ndef {f.stem}(" in f.read_text(encoding="utf-8")]


def __getattr__(name: str) -> Any:
    """The explorer of this name, from the module of this name, whose place it takes here."""
    if name.startswith("_") or name not in names():
        raise AttributeError(f"there is no explorer {name}: dropoutlab/explore/{name}.py makes one")
    globals()[name] = explorer = getattr(import_module(f"{__name__}.{name}"), name)
    return explorer


def __dir__() -> list[str]:
    return names()
