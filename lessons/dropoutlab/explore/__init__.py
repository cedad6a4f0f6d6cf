"""Explorers: one for each lesson, made of `Explorer`, a picture that answers to sliders.

An explorer is imported when it is first asked for: some need torch, which takes seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dropoutlab.explore.explorer import Explorer, Picture, slider

__all__ = [
    "Explorer",
    "Picture",
    "coadaptation",
    "enough_seeds",
    "learning_curves",
    "learning_weights",
    "maps",
    "masks_over_time",
    "members",
    "noise",
    "penalty",
    "philox",
    "places",
    "preactivation",
    "same_input",
    "sampled_functions",
    "scaled",
    "scaling",
    "slider",
    "thinned_digit",
]


def __getattr__(name: str) -> Any:
    """The explorer of this name, from the module of this name, whose place it takes here."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = explorer = getattr(import_module(f"{__name__}.{name}"), name)
    return explorer


def __dir__() -> list[str]:
    return __all__
