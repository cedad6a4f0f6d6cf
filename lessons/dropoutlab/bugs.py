"""What is wrong with dropout in a network: the tool that a lesson builds, for everyday use."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

EVALUATION = "on in evaluation"
OUTPUT = "after the output layer"
CERTAIN = "p is 0 or 1"
UNEQUAL = "unequal p"


def find_dropout_bugs(model: nn.Module, *inputs: Any, runs: int = 10) -> dict[str, list[str]]:
    """The bugs found in `model`, each with the names of the modules in which it shows.

    "on in evaluation"
        in evaluation mode, `runs` runs of model(*inputs) differ; named is where they first do
    "after the output layer"
        a dropout layer is called after the last layer with weights
    "p is 0 or 1"
        of a dropout layer that is called
    "unequal p"
        dropout layers of one class that are called after layers with weights of one class (the
        latest before them; or before any) differ in p

    A dropout layer has "Dropout" in the name of its class; a layer with weights has a parameter
    of two axes or more, and no submodules. A healthy network gives {}. The model is left as it
    is: a copy runs, on `inputs` that model(*inputs) accepts.

    Raises what model(*inputs) raises, and ValueError for fewer than two runs.
    """
    if runs < 2:
        raise ValueError(f"runs must be 2 or more, not {runs}: one run differs from nothing")
    twin = copy.deepcopy(model).eval()
    bugs: dict[str, list[str]] = {}
    first = list(_calls(twin, inputs))
    for _ in range(runs - 1):
        where = _apart(first, list(_calls(twin, inputs)))
        if where is not None:
            bugs[EVALUATION] = [where]
            break

    rates: dict[tuple[type | None, type], dict[str, float]] = {}
    latest, final = None, []
    for name, module, _, _ in first:
        if "Dropout" in type(module).__name__:
            p: Any = module.p
            rates.setdefault((latest, type(module)), {})[name] = p
            final.append(name)
        elif not any(module.children()) and any(w.dim() > 1 for w in module.parameters()):
            latest, final = type(module), []
    if latest is not None and final:
        bugs[OUTPUT] = _once(final)
    certain = [name for group in rates.values() for name, p in group.items() if p in (0, 1)]
    if certain:
        bugs[CERTAIN] = _once(certain)
    unequal = [name for group in rates.values() if len(set(group.values())) > 1 for name in group]
    if unequal:
        bugs[UNEQUAL] = _once(unequal)
    return bugs


Call = tuple[str, nn.Module, list[torch.Tensor], list[torch.Tensor]]


def _calls(model: nn.Module, inputs: tuple[Any, ...]) -> Iterator[Call]:
    """Each call of a module in the order in which they end: name, module, tensors in and out."""
    calls: list[Call] = []

    def note(module: nn.Module, given: Any, made: Any) -> None:
        calls.append((names[module], module, _tensors(given), _tensors(made)))

    names = {module: name or type(module).__name__ for name, module in model.named_modules()}
    hooks = [module.register_forward_hook(note) for module in names]
    try:
        with torch.inference_mode():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    yield from calls


def _tensors(value: Any) -> list[torch.Tensor]:
    """Copies of the tensors in a tensor, or in tuples, lists and dictionaries of such."""
    if isinstance(value, torch.Tensor):
        return [value.clone()]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for item in value for t in _tensors(item)] if isinstance(value, list | tuple) else []


def _apart(first: list[Call], other: list[Call]) -> str | None:
    """The first module that made something else of the same input; None where none did."""
    if [call[0] for call in first] != [call[0] for call in other]:
        return first[-1][0]  # other modules were called: only the whole is to blame
    for a, b in zip(first, other, strict=True):
        if not _same(a[3], b[3]) and _same(a[2], b[2]):
            return a[0]
    return None if _same(first[-1][3], other[-1][3]) else first[-1][0]


def _same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(
        x.shape == y.shape and torch.allclose(x, y, rtol=0, atol=0, equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )


def _once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
