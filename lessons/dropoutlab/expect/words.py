"""Words for what was found, and when two values count as the same."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from dropoutlab.expect.frame import Unmet


def is_tensor(value: Any) -> bool:
    """Whether this is a torch tensor (torch is imported only where a lesson does so)."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def numpy_of(value: Any) -> Any:
    """A torch tensor as an array (in float64 where it is a floating one); all else as it is."""
    if isinstance(value, tuple | list):
        return type(value)(map(numpy_of, value)) if any(map(is_tensor, value)) else value
    if not is_tensor(value):
        return value
    plain = value.detach().cpu()
    return (plain.double() if plain.is_floating_point() else plain).numpy()


def rounding(value: Any) -> float:
    """How far, relatively, a number may be off for being stored in this dtype."""
    if is_tensor(value):
        torch = sys.modules["torch"]
        return float(torch.finfo(value.dtype).eps) if value.is_floating_point() else 1e-9
    kind = np.asarray(value).dtype
    return max(1e-9, float(np.finfo(kind).eps)) if kind.kind == "f" else 1e-9


def dtype_name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def require_numeric(
    found: Any,
    expected: str,
    kinds: str = "biufc",
    *,
    hint: str = "return a NumPy array or a number.",
) -> None:
    """Refuse what is no number and no array of numbers, of NumPy's `kinds`, in words."""
    if found is None:
        raise Unmet(expected, "None", "the function returns nothing. Is there a `return`?")
    if found is ...:
        raise Unmet(expected, "not written yet", "put your answer in place of the dots.")
    if isinstance(found, tuple | list):
        for entry in found:
            require_numeric(entry, expected, kinds, hint=hint)
        with contextlib.suppress(ValueError):  # rows of different lengths
            np.shape(found)
            return
    if is_tensor(found):
        found = numpy_of(found)
    plain = type(found) in (bool, float, complex, str) or isinstance(found, np.ndarray | np.generic)
    if type(found) is not int and not (plain and np.asarray(found).dtype.kind in kinds):
        raise Unmet(expected, describe(found), hint)


def agree(found: Any, expected: Any, rtol: float, atol: float) -> bool:
    """Whether two values agree, NaN with NaN, shape for shape, and never by `__eq__` alone."""
    found, expected = numpy_of(found), numpy_of(expected)
    if isinstance(expected, str) or expected is None or isinstance(found, str):
        return type(found) is type(expected) and found == expected
    if type(found) is type(expected) is int and rtol == atol == 0:
        return found == expected  # of any size
    try:
        a, b = np.asarray(found), np.asarray(expected)
        if a.dtype.kind not in "biufc" or a.shape != b.shape:
            return False
        return not differing(a, b, rtol, atol).any()
    except (TypeError, ValueError):
        return False


def differing(a: np.ndarray, b: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    """Where two arrays of one shape differ; `isclose` would round large integers."""
    if rtol == atol == 0:
        return (a != b) & ~((a != a) & (b != b))
    return ~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)


def describe(value: Any, digits: int = 4) -> str:
    """Say in a few words what a value is."""
    if isinstance(value, str):
        return repr(value)
    if value is None or isinstance(value, int | float | complex | np.number | np.bool_):
        return number(value, digits)
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return f"{number(value[()], digits)} (an array of shape ())"
        if is_short(value):
            entries = np.array2string(
                value, separator=", ", formatter={"all": lambda entry: number(entry, digits)}
            )
            return f"{' '.join(entries.split())}"
        return f"an array of shape {value.shape}, {value.dtype}"
    if is_tensor(value):
        if value.ndim and (value.numel() > 8 or digits == 0):
            return f"a tensor of shape {tuple(value.shape)}, {dtype_name(value.dtype)}"
        return f"a tensor {describe(numpy_of(value), digits or 4)}, {dtype_name(value.dtype)}"
    if isinstance(value, tuple) and len(value) <= 4:
        return "(" + ", ".join(describe(entry, digits) for entry in value) + ")"
    if isinstance(value, list | tuple | dict | set):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an object of type {type(value).__name__}"


def is_short(value: np.ndarray) -> bool:
    """Whether all entries of an array can be said in a line."""
    return value.size <= 8 and value.dtype.kind in "biuf"


def told_apart(first: Any, second: Any) -> tuple[str, str]:
    """Two values in words, with as many digits as tell them apart."""
    digits = digits_until(lambda d: describe(first, d) != describe(second, d))
    return describe(first, digits), describe(second, digits)


def digits_until(differ: Callable[[int], bool]) -> int:
    """The number of digits, 4 or as many more as it takes, with which two texts differ."""
    return next((digits for digits in (4, 7, 10, 13) if differ(digits)), 17)


def number(value: Any, digits: int = 4) -> str:
    """A number in so many digits; a zero has no sign."""
    return f"{value + 0:.{digits}g}" if isinstance(value, float | np.floating) else str(value)
