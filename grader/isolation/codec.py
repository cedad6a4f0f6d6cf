"""Arrays, tensors and states as JSON and bytes, and back, bit for bit.

Numbers are exact in both directions: floats by their shortest repr, arrays by their bytes.
Shapes and dtypes are checked before anything is allocated; what doesn't fit raises `Broken`.
"""

from __future__ import annotations

import contextlib
import math
import re
from typing import Any

import numpy as np
import torch

from grader.isolation.frames import Broken, Parts

DIGITS = 100_000
"""Hexadecimal digits of an int, at most."""
DIMENSIONS = 32
"""Axes of an array, at most."""
SIDE = 1 << 28
"""Entries along one axis of an array, at most."""

DTYPE = re.compile(r"[<>|](b1|[iu][1248]|f[248]|f16|c8|c16|c32|U\d{1,4})")
TENSORS = {
    name: getattr(torch, name)
    for name in (
        *("bool", "uint8", "int8", "int16", "int32", "int64"),
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    )
}
TYPES: dict[str, type] = {kind.__name__: kind for kind in (int, float, bool, complex, str)} | {
    f"numpy.{kind}": getattr(np, kind)
    for kind in (
        *("bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
}
NAMES = {kind: name for name, kind in TYPES.items()}


# --- writing ----------------------------------------------------------------------------


def array_bytes(array: np.ndarray) -> memoryview:
    """The bytes of an array, in C order."""
    whole = np.ascontiguousarray(array).view(np.ndarray).reshape(-1)
    return whole.view(np.uint8).data if whole.nbytes else memoryview(b"")


def encode_tensor(value: torch.Tensor) -> list[Any]:
    """A tensor's dtype, shape and bytes (NumPy has no bfloat16)."""
    plain = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
    if plain._is_zerotensor():
        plain = torch.zeros(plain.shape, dtype=plain.dtype)
    data = plain.reshape(-1).view(torch.uint8).numpy() if plain.numel() else np.empty(0, np.uint8)
    return [_name(value.dtype), list(value.shape), array_bytes(data)]


def encode_state(value: Any) -> list[Any]:
    """A state (of a generator, of an optimiser) by value: containers without identity."""
    if isinstance(value, dict):
        return ["dict", [[encode_state(k), encode_state(v)] for k, v in value.items()]]
    if isinstance(value, np.ndarray):
        return ["array", [value.dtype.str, list(value.shape), array_bytes(value)]]
    if isinstance(value, torch.Tensor):
        return ["tensor", encode_tensor(value)]
    if isinstance(value, list | tuple):
        return ["tuple" if isinstance(value, tuple) else "list", [encode_state(v) for v in value]]
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return ["int", hex(int(value))]
    return ["plain", value]


def has_bytes(value: Any) -> bool:
    """Whether an array or tensor is told by its bytes (and not objects, sparse, meta)."""
    if value.ndim > DIMENSIONS or max(value.shape, default=0) > SIDE:
        return False
    if isinstance(value, np.ndarray):
        return DTYPE.fullmatch(value.dtype.str) is not None
    return _name(value.dtype) in TENSORS and value.layout == torch.strided and not value.is_meta


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


# --- reading ----------------------------------------------------------------------------


class Received:
    """The bytes that came with a frame; each may be used about once."""

    def __init__(self, parts: Parts):
        self.parts, self.room = parts, 2 * sum(map(len, parts))

    def bytes(self, part: Any) -> memoryview:
        """The bytes for which `{"part": k}` stands."""
        data = self.parts[part["part"]]
        self.room -= len(data)
        if self.room < 0:
            raise Broken("it sent the same bytes again and again")
        return data

    def array(self, dtype: Any, shape: Any, part: Any) -> np.ndarray:
        """An array over the bytes of a part; copy it to keep or change it."""
        kind, data = decode_dtype(dtype), self.bytes(part)
        if math.prod(_shape(shape)) * kind.itemsize != len(data):
            raise Broken("it sent an array whose bytes do not fit its shape")
        return np.frombuffer(data, kind).reshape(shape) if len(data) else np.zeros(shape, kind)

    def tensor(self, dtype: Any, shape: Any, part: Any) -> torch.Tensor:
        """The inverse of `encode_tensor`."""
        kind, data = TENSORS[dtype], self.bytes(part)
        if math.prod(_shape(shape)) * kind.itemsize != len(data):
            raise Broken("it sent a tensor whose bytes do not fit its shape")
        if not len(data):
            return torch.empty(shape, dtype=kind)
        return torch.frombuffer(bytearray(data), dtype=kind).reshape(shape)

    def state(self, value: Any) -> Any:
        """The inverse of `encode_state`."""
        kind, data = value
        match kind:
            case "plain":
                return data
            case "int":
                return decode_int(data)
            case "list":
                return [self.state(v) for v in data]
            case "tuple":
                return tuple(self.state(v) for v in data)
            case "dict":
                return {self.state(k): self.state(v) for k, v in data}
            case "array":
                return self.array(*data).copy()
            case "tensor":
                return self.tensor(*data)
        raise Broken("it sent what is no data")


def decode_int(text: Any) -> int:
    """An int from its hexadecimal digits."""
    if type(text) is not str or len(text) > DIGITS + 3:
        raise Broken("it sent an int that is none, or too large")
    return int(text, 16)


def decode_dtype(text: Any) -> np.dtype:
    """A dtype of numbers or strings from NumPy's code for it."""
    kind = np.dtype(text) if type(text) is str and DTYPE.fullmatch(text) else None
    if kind is None or kind.itemsize == 0:
        raise Broken(f"it sent an array of dtype {text!r:.40}")
    return kind


def _shape(shape: Any) -> list[int]:
    if type(shape) is not list or len(shape) > DIMENSIONS:
        raise Broken("it sent an array of an impossible shape")
    if any(type(n) is not int or not 0 <= n <= SIDE for n in shape):
        raise Broken("it sent an array of an impossible shape")
    return shape


def strided(value: torch.Tensor, stride: list[int]) -> torch.Tensor:
    """The same values with these strides; as it is where elements would overlap."""
    once = [1 if step == 0 else n for n, step in zip(value.shape, stride, strict=True)]
    part = value[tuple(slice(n) for n in once)]
    with contextlib.suppress(RuntimeError):
        return torch.empty_strided(once, stride, dtype=value.dtype).copy_(part).expand(value.shape)
    return value
