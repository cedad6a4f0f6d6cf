"""Stock wrong answers: what a solution that draws becomes by one usual fault, made mechanically.

Each is the solution with something put before or behind it, so nothing is known of its text. One
that never came to act (it rounds whole numbers, and no check handed any over) says nothing.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import hashlib
import inspect
import math
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import cloudpickle
import numpy as np

from grader.authoring.lesson import Cell

Arguments = dict[str, Any]
Change = Callable[["Wrong", Arguments], Any]


class Wrong:
    """A function in which one thing is wrong; `acted` tells whether it came to act."""

    def __init__(self, function: Callable[..., Any], change: Change):
        self.function, self.change, self.acted = function, change, False
        self.signature = inspect.signature(function)
        self.rng = next(name for name in GENERATORS if name in self.signature.parameters)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **named: Any) -> Any:
        try:
            call = self.signature.bind(*args, **named)
        except TypeError:
            return self.function(*args, **named)  # which says so
        call.apply_defaults()
        return self.change(self, call.arguments)

    def right(self, arguments: Arguments) -> Any:
        """What the solution returns."""
        call = inspect.BoundArguments(self.signature, arguments)
        return self.function(*call.args, **call.kwargs)


class Tabled:
    """A function that is right for the arguments it was asked about while it took notes.

    It stands for a table, made of what a released notebook shows; `acted` tells whether it was
    asked about anything else.
    """

    def __init__(self, function: Callable[..., Any]):
        self.function, self.known = function, set[str]()
        self.learning, self.acted = True, False
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **named: Any) -> Any:
        try:
            asked = hashlib.sha256(cloudpickle.dumps((args, named))).hexdigest()
        except Exception:  # what no table could hold
            asked = ""
        right = self.function(*args, **named)
        if self.learning:
            self.known.add(asked)
        if self.learning or asked in self.known:
            return right
        self.acted |= _nothing(right) is not right
        return _nothing(right)


def _nothing(value: Any) -> Any:
    """Zeros, or a number that nobody asked for, in place of arrays and numbers."""
    if type(value) in (tuple, list):
        parts = [_nothing(part) for part in value]
        same = all(a is b for a, b in zip(parts, value, strict=True))
        return value if same else type(value)(parts)
    if _array(value):
        return 0 * value
    return 0.123 if isinstance(value, int | float) else value


FACTORS = (0.5, 0.0, math.nan)
"""By what `scaled` multiplies."""


def scaled(answer: Any, factor: float, *, in_place: bool) -> Any:
    """An exercise's function or class that takes `factor` times each number for its input.

    Where that is done `in_place`, the caller's own arrays are changed. A check that computes what
    it expects from them afterwards is content with it.
    """
    if inspect.isclass(answer):
        for name in ("__call__", "forward", "backward"):
            if name in vars(answer):
                static = isinstance(vars(answer)[name], staticmethod)
                own = _scaling(getattr(answer, name), factor, in_place)
                setattr(answer, name, staticmethod(own) if static else own)
        return answer
    return _scaling(answer, factor, in_place)


def _scaling(function: Callable[..., Any], factor: float, in_place: bool) -> Callable[..., Any]:
    def changed(value: Any) -> Any:
        """An array times the factor, and those in a container; whole numbers become 0 or stay."""
        if isinstance(value, dict):
            return {key: changed(part) for key, part in value.items()}
        if type(value) in (list, tuple):
            return type(value)(changed(part) for part in value)
        if _tensor(value) and value.is_floating_point():
            if in_place:
                with contextlib.suppress(RuntimeError):  # an expanded one is not written into
                    value.data *= factor
                    return value
            return value + value.detach() * (factor - 1)  # whose gradient is that of the whole
        elif _tensor(value) and factor == 0 and value.dtype.is_signed:
            return value.zero_() if in_place else 0 * value
        elif isinstance(value, np.ndarray) and value.dtype.kind in ("f" if factor else "fiu"):
            if not in_place or not value.flags.writeable:
                return (value * factor).astype(value.dtype, copy=False)  # classes stay whole
            value *= factor if value.dtype.kind == "f" else 0
        return value

    @functools.wraps(function)
    def wrong(*args: Any, **named: Any) -> Any:
        return function(*map(changed, args), **{name: changed(v) for name, v in named.items()})

    return wrong


def spoiling(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns what is right, and adds 1 to each number that it was given."""

    def own(value: Any) -> Any:
        """A copy of an array, and of those in a container: a result may hold an argument."""
        if type(value) in (list, tuple):
            return type(value)(map(own, value))
        if isinstance(value, dict):
            return {key: own(part) for key, part in value.items()}
        return value.clone() if _tensor(value) else copy.copy(value) if _array(value) else value

    def spoil(value: Any) -> None:
        if isinstance(value, dict):
            value = list(value.values())
        if type(value) in (list, tuple):
            for part in value:
                spoil(part)
        elif hasattr(value, "state_dict"):  # weights and buffers
            spoil(list(value.state_dict().values()))
        elif _tensor(value):
            with contextlib.suppress(RuntimeError):  # an expanded one is not written into
                value.data += 1
        elif isinstance(value, np.ndarray) and value.flags.writeable and value.dtype.kind in "fiu":
            value += 1

    @functools.wraps(function)
    def wrong(*args: Any, **named: Any) -> Any:
        right = own(function(*args, **named))
        spoil([*args, *named.values()])
        return right

    return wrong


GENERATORS = ("rng", "generator")


def applies(exercise: Cell) -> bool:
    """Whether an exercise is a function that is given a generator."""
    return any(
        isinstance(node, ast.FunctionDef)
        and node.name == exercise.name
        and any(arg.arg in GENERATORS for arg in (*node.args.args, *node.args.kwonlyargs))
        for node in ast.parse(exercise.source).body
    )


def _array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or _tensor(value)


def _tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _result(returned: Any, change: Callable[[Any], Any]) -> Any:
    """What was returned, with its array (the first of several results) changed."""
    if isinstance(returned, tuple) and returned:
        return (change(returned[0]), *returned[1:])
    return change(returned)


# ── the generator ────────────────────────────────────────────────────────────────────────────


def _other(make: Callable[[Any], Any], *, also_none: bool = False) -> Change:
    """The solution draws from `make(generator)` in place of the generator.

    None, for torch's own generator, stays as it is unless `also_none`.
    """

    def change(wrong: Wrong, given: Arguments) -> Any:
        generator = given[wrong.rng]
        if generator is None and also_none:
            generator = sys.modules["torch"].default_generator
        if generator is None:
            return wrong.right(given)
        wrong.acted = True
        return wrong.right(given | {wrong.rng: make(generator)})

    return change


def _seeded(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return np.random.default_rng(0)
    return type(generator)(generator.device).manual_seed(0)


def _copied(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return copy.deepcopy(generator)
    twin = type(generator)(generator.device)
    twin.set_state(generator.get_state())
    return twin


def _global(generator: Any) -> Any:
    seed = np.random.randint(2**31)
    if isinstance(generator, np.random.Generator):
        return np.random.default_rng(seed)
    return type(generator)(generator.device).manual_seed(seed)


# ── the coins ────────────────────────────────────────────────────────────────────────────────


def _coins(twist: Callable[[np.ndarray], np.ndarray]) -> Change:
    """The uniform numbers that the solution draws come out as `twist` makes them."""

    def change(wrong: Wrong, given: Arguments) -> Any:
        def twisted(numbers: Any) -> Any:
            plain = np.asarray(numbers)
            new = twist(plain)
            wrong.acted |= new is not plain
            return new

        generator = given[wrong.rng]
        if isinstance(generator, np.random.Generator):
            rng = _Twisted(generator.bit_generator)
            rng.twist = twisted
            return wrong.right(given | {wrong.rng: rng})
        torch = sys.modules["torch"]
        rand = torch.rand

        def fake(*size: Any, **more: Any) -> Any:
            numbers = rand(*size, **more)
            return torch.as_tensor(twisted(numbers.cpu().numpy()).copy()).to(numbers)

        with mock.patch.object(torch, "rand", fake):
            return wrong.right(given)

    return change


class _Twisted(np.random.Generator):
    """The caller's generator, whose uniform numbers are made into others."""

    twist: Callable[[Any], Any]

    def random(self, *args: Any, **named: Any) -> Any:
        numbers = super().random(*args, **named)
        return self.twist(numbers) if isinstance(numbers, np.ndarray) else numbers


def _exact(numbers: np.ndarray) -> np.ndarray:
    """As many below each p as p says: one number in each of n parts of [0, 1), in any order."""
    n = numbers.size
    if n < 2:
        return numbers
    ranks = numbers.ravel().argsort().argsort().reshape(numbers.shape)
    return ((ranks + numbers * n % 1) / n).astype(numbers.dtype)


def _exact_rows(numbers: np.ndarray) -> np.ndarray:
    if numbers.ndim < 2 or numbers.shape[-1] < 2:
        return numbers
    rows = numbers.reshape(-1, numbers.shape[-1])
    return np.array([_exact(row) for row in rows]).reshape(numbers.shape)


def _shared(axis: int) -> Callable[[np.ndarray], np.ndarray]:
    """One number along an axis."""

    def twist(numbers: np.ndarray) -> np.ndarray:
        if numbers.ndim < 2 or numbers.shape[axis] < 2:
            return numbers
        return np.broadcast_to(numbers.take([0], axis), numbers.shape)

    return twist


# ── the result ───────────────────────────────────────────────────────────────────────────────


def _in_place(wrong: Wrong, given: Arguments) -> Any:
    """The result is written into the input too."""
    x, returned = next(iter(given.values())), wrong.right(given)

    def change(out: Any) -> Any:
        if _array(x) and type(out) is type(x) and out.shape == x.shape and out.dtype == x.dtype:
            wrong.acted = True
            if _tensor(x):
                x.data.copy_(out.detach())
            elif x.flags.writeable:
                x[...] = out
        return out

    return _result(returned, change)


def _input(wrong: Wrong, given: Arguments) -> Any:
    """The input comes back as it was given."""
    x, returned = next(iter(given.values())), wrong.right(given)

    def change(out: Any) -> Any:
        if _array(x) and type(out) is type(x) and out.shape == x.shape:
            wrong.acted = True
            return x
        return out

    return _result(returned, change)


def _rescaled(wrong: Wrong, given: Arguments) -> Any:
    """In training the result is multiplied by 1 - p."""
    p, returned = given.get("p"), wrong.right(given)
    if not (isinstance(p, int | float) and 0 < p < 1 and given.get("training", True) is True):
        return returned

    def change(out: Any) -> Any:
        if _array(out) or isinstance(out, float):
            wrong.acted = True
            return out * (1 - p)
        return out

    return _result(returned, change)


def _wide(wrong: Wrong, given: Arguments) -> Any:
    """NumPy's result is float64, torch's float32, whatever the input."""

    def change(out: Any) -> Any:
        if not _array(out):
            return out
        float64, usual = str(out.dtype).endswith("float64"), out
        if _tensor(out) and out.is_floating_point():
            usual = out.float()
        elif isinstance(out, np.ndarray) and out.dtype.kind == "f" and not float64:
            usual = out.astype(np.float64)
        wrong.acted |= usual.dtype != out.dtype
        return usual

    return _result(wrong.right(given), change)


def _rounded(wrong: Wrong, given: Arguments) -> Any:
    """The result has the input's dtype also where that is a whole number's."""
    x = next(iter(given.values()))

    def change(out: Any) -> Any:
        if isinstance(x, np.ndarray) and x.dtype.kind in "iu" and isinstance(out, np.ndarray):
            wrong.acted |= out.dtype != x.dtype
            return out.astype(x.dtype)
        return out

    return _result(wrong.right(given), change)


CHANGES: dict[str, Change] = {
    "a seed is set inside": _other(_seeded, also_none=True),
    "the generator is copied": _other(_copied),
    "the draws come from global randomness": _other(_global),
    "an exact number is dropped": _coins(_exact),
    "an exact number is dropped in each row": _coins(_exact_rows),
    "the first axis shares its coins": _coins(_shared(0)),
    "the last axis shares its coins": _coins(_shared(-1)),
    "the input is written into": _in_place,
    "the input comes back": _input,
    "the result is multiplied by 1 - p": _rescaled,
    "the dtype is always the usual one": _wide,
    "whole numbers are rounded": _rounded,
}
