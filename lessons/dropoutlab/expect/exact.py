"""Properties that hold or do not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dropoutlab.expect.frame import Unmet, ask, learners_line, message_of, unwritten
from dropoutlab.expect.words import (
    agree,
    describe,
    differing,
    digits_until,
    dtype_name,
    is_short,
    number,
    numpy_of,
    require_numeric,
    told_apart,
)

Suspects = Iterable[tuple[Any, str]]


def array(found: Any, shape: int | tuple[int, ...], dtype: Any = None, *, hint: str) -> None:
    """`found` is a NumPy array of this shape and, where given, this dtype."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    expected = f"an array of shape {shape}" + ("" if dtype is None else f", {np.dtype(dtype)}")
    require_numeric(found, expected, hint=_one_of(found, hint))
    if not isinstance(found, np.ndarray):
        raise Unmet(expected, describe(found), _one_of(found, hint))
    if found.shape != shape or (dtype is not None and found.dtype != np.dtype(dtype)):
        raise Unmet(expected, f"an array of shape {found.shape}, {found.dtype}", hint)


def tensor(found: Any, shape: int | tuple[int, ...], dtype: Any = None, *, hint: str) -> None:
    """`found` is a torch tensor of this shape and, where given, this dtype (torch.float32, …)."""
    import torch

    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    expected = f"a tensor of shape {shape}" + ("" if dtype is None else f", {dtype_name(dtype)}")
    if not isinstance(found, torch.Tensor):
        require_numeric(found, expected, hint=_one_of(found, hint))
        raise Unmet(expected, describe(found), _one_of(found, hint))
    if tuple(found.shape) != shape or (dtype is not None and found.dtype != dtype):
        raise Unmet(expected, describe(found, 0), hint)


def equal(found: Any, expected: Any, *, hint: str, suspects: Suspects = ()) -> None:
    """`found` is exactly `expected` (a number, string, array, or None)."""
    close(found, expected, rtol=0, atol=0, hint=hint, suspects=suspects)


def close(
    found: Any,
    expected: Any,
    *,
    hint: str,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    suspects: Suspects = (),
) -> None:
    """Each entry: |found - expected| <= atol + rtol * |expected|, and the shapes agree."""
    if expected is not None:
        kinds = "biufcU" if isinstance(expected, str) else "biufc"
        require_numeric(found, describe(expected), kinds)
    found, expected = _number(numpy_of(found)), _number(numpy_of(expected))
    if isinstance(expected, float | np.ndarray | np.floating) and _nan(expected):
        hint = "the function writes NaN into its input. Return a new array instead."
        raise Unmet("numbers to compare with", "NaN among what the check holds", hint)
    if agree(found, expected, rtol, atol):
        return
    wide = max(rtol, 1e-9), max(atol, 1e-12)
    if isinstance(expected, np.ndarray) and expected.ndim:
        hint = _several(found, hint)
    elif isinstance(expected, int | float | np.number):
        hint = _among(found, expected, wide, hint)
    hint = _digits(found, expected, rtol) or hint
    fits = [(_apart(found, wrong), words) for wrong, words in suspects
            if agree(found, wrong, *wide)]  # fmt: skip
    if fits:  # the nearest; of those that are as near but for rounding, the first
        near = min(fits)[0] + wide[1] / 10 + wide[0] / 10 * _apart(found, 0)
        hint = next(words for far, words in fits if far <= near)
    if np.ndim(found) and np.shape(found) == np.shape(expected):
        a, b = np.asarray(found), np.asarray(expected)
        if is_short(a) and is_short(b):
            raise Unmet(*told_apart(b, a), hint)
        off = differing(a, b, rtol, atol)
        at = tuple(int(i) for i in np.argwhere(off)[0])
        place = f"entry {at[0] if len(at) == 1 else at}"
        others = f" ({off.sum()} of {off.size} entries differ)"
        right, wrong = told_apart(b[at], a[at])
        raise Unmet(f"{place} = {right}", f"{place} = {wrong}{others}", hint)
    raise Unmet(*told_apart(expected, found), hint)


def _number(value: Any) -> Any:
    """The number in an array of shape (); all else as it is."""
    return value[()] if isinstance(value, np.ndarray) and not value.ndim else value


def _apart(found: Any, wrong: Any) -> float:
    """How far what was found is from what a mistake gives and it agrees with: the nearest is it."""
    a, b = (np.asarray(numpy_of(value)) for value in (found, wrong))
    if a.dtype.kind not in "biufc" or b.dtype.kind not in "biufc":
        return 0.0
    with np.errstate(invalid="ignore"):  # an infinity, less the same
        far = np.abs(a.astype(complex) - b.astype(complex))
    return float(far[np.isfinite(far)].max(initial=0))


def _nan(expected: Any) -> bool:
    """Whether what a check expects is no number: its own arrays were changed."""
    kind = np.asarray(expected).dtype.kind
    return kind in "fc" and bool(np.isnan(expected).any())


def _digits(found: Any, expected: Any, rtol: float) -> str:
    """What to say of numbers that are right to float32's digits, where more were asked for."""
    if not 0 < rtol <= 1e-9 or np.shape(found) != np.shape(expected) or not np.size(expected):
        return ""
    a, b = np.asarray(found), np.asarray(expected)
    if a.dtype.kind != "f" or b.dtype.kind != "f" or not np.isfinite(b).all():
        return ""
    if not agree(a, b, 0, 1e-6 * float(np.abs(b).max())):
        return ""
    if a.dtype != np.float64:
        return f"right to the digits that {a.dtype} holds. Compute in the dtype of the input."
    return (
        "right to some six digits. Is something float32 on the way, or a finite difference, or a "
        "small number added?"
    )


def _several(found: Any, hint: str) -> str:
    """What to say where a tuple of arrays came back in place of one."""
    if _arrays(found):
        return f"{len(found)} things come back, where one array is wanted. Return it alone."
    return hint


def _among(found: Any, right: Any, wide: tuple[float, float], hint: str) -> str:
    """What to say where the number that is wanted stands in an array or a tuple."""
    if isinstance(found, np.ndarray) and found.size == 1 and agree(found.item(), right, *wide):
        return "the number is right, but stands in an array. Return it alone."
    if isinstance(found, tuple) and len(found) > 1:
        return f"{len(found)} things come back, where one number is wanted. Return it alone."
    return hint


def _one_of(found: Any, hint: str) -> str:
    """The same where this may be one of several results, as the cache of a forward pass is."""
    if _arrays(found):
        return f"{len(found)} things stand where one array is wanted: {hint}"
    return hint


def _arrays(found: Any) -> bool:
    """Whether this is a tuple in which there are arrays."""
    return isinstance(found, tuple) and any(
        isinstance(part, list) or getattr(part, "ndim", 0) for part in found
    )


def only(
    found: Any, allowed: Sequence[float], *, hint: str, suspects: Suspects = (), rtol: float = 1e-9
) -> None:
    """Each entry of `found` is one of the `allowed` numbers.

    A suspect is a number that a known mistake puts among the entries.
    """
    expected = "only the values " + " and ".join(number(v) for v in allowed)
    require_numeric(found, expected, "biuf")
    values = np.asarray(numpy_of(found), dtype=float).ravel()
    strange = values[~np.isclose(values[:, None], allowed, rtol=rtol, atol=1e-12).any(axis=1)]
    if strange.size == 0:
        return
    for wrong, words in suspects:
        if np.isclose(strange, wrong, rtol=max(rtol, 1e-9), atol=1e-12, equal_nan=True).any():
            raise Unmet(expected, f"the value {number(wrong)}", words)
    digits = digits_until(lambda d: number(strange[0], d) not in [number(v, d) for v in allowed])
    raise Unmet(expected, f"the value {number(strange[0], digits)}", hint)


def some(found: Any, what: str, *, hint: str) -> None:
    """At least one entry of `found` is true, as `what` says.

    For what must be seen before the rest of a check says anything: that something is dropped in
    training, where it asks for what is not dropped outside.
    """
    if not np.any(numpy_of(found)):
        raise Unmet(what, "none", hint)


def unchanged(now: Any, before: Any, *, hint: str = "") -> None:
    """`now` still holds what it held: the call did not change its input in place."""
    expected = "the input as it was before the call"
    require_numeric(now, expected)
    if not agree(now, before, 0, 0):
        raise Unmet(
            expected,
            "the input changed",
            hint or "the function writes into its input. Return a new array instead.",
        )


def copied(call: Callable[..., Any], *args: Any) -> None:
    """What `call(*args)` returns is a new array: to change it changes no argument."""
    if ask("shares_memory", call, *args):
        hint = "the function returns its input itself, or a view of it. Return a copy."
        raise Unmet("a new array", "the memory of the input", hint)


def raises(
    kind: type[Exception],
    call: Callable[[], Any],
    *,
    mentions: str | Sequence[str],
    hint: str,
) -> None:
    """`call()` raises `kind` with `mentions`, or one of them, as a word of its message.

    `hint` is said where nothing is raised. Another error, or a message without the word, has words
    of its own.
    """
    words = (mentions,) if isinstance(mentions, str) else tuple(mentions)
    expected = f"{kind.__name__} with {words[0]!r} in its message"
    try:
        result = call()
    except kind as error:
        if unwritten(error):
            raise
        if any(re.search(rf"\b{re.escape(word)}\b", str(error)) for word in words):
            return
        found, hint = message_of(error), f"its message must have the word {words[0]!r}."
    except Exception as error:
        if unwritten(error):
            raise
        found = message_of(error) + learners_line(error)
        if isinstance(error, NameError | AttributeError):
            hint = "the function fails there, before it raises an error of its own."
        else:
            hint = f"that is {_one(type(error))}. Raise {_one(kind)} instead."
    else:
        found = f"no error; it returned {describe(result)}"
    raise Unmet(expected, found, hint)


def _one(kind: type[BaseException]) -> str:
    """The name of an error with its article."""
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"
