"""Stand-ins for a notebook's packages, on a machine that has none.

Lessons draw and show explorers; their kernels and checks do neither, and only import what does.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

PACKAGES = {"IPython": ["display"], "ipywidgets": [], "anywidget": [], "traitlets": []}
"""Each with those of its modules that are imported by name."""


class Nothing:
    """A class, a decorator, a value: whatever is asked of it is it again."""

    def __init__(self, *args: Any, **named: Any):
        pass

    def __call__(self, *args: Any, **named: Any) -> Nothing:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing


def stand_in() -> None:
    """Put a stand-in in the place of each package that is missing."""
    for package, modules in PACKAGES.items():
        if package not in sys.modules and importlib.util.find_spec(package) is None:
            for name in (package, *(f"{package}.{module}" for module in modules)):
                sys.modules[name] = _Module(name)
