"""What crosses between the referee and the player: frames of JSON and raw bytes.

A frame is a JSON text and the bytes of the arrays that the text mentions. From the player
comes data only, never a pickle; lengths, depths, shapes and dtypes are checked before
anything is allocated, and what does not fit raises `Broken`.

Both ends keep a table of the mutable objects that have crossed (arrays, tensors, lists,
dicts, sets, generators, modules, optimisers). An object that crosses twice is the same
object there, and every frame first carries what has changed in the table since the last
one: so a change in place is seen on the other side, as it would be in one process. An
object of any other kind stays with its owner, and the other end gets a handle.

Numbers are exact in both directions: floats by their shortest repr, arrays by their bytes.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import pickle
import re
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import cloudpickle
import numpy as np
import torch

TEXT = 32 << 20
"""Bytes of JSON in a frame, at most."""
RAW = 128 << 20
"""Bytes of arrays in a frame, at most."""
PARTS = 100_000
"""Arrays in a frame, at most."""
DEPTH = 60
"""How deep containers may lie in one another."""
DIGITS = 100_000
"""Hexadecimal digits of an int, at most."""
DIMENSIONS = 32
"""Axes of an array, at most."""
SIDE = 1 << 28
"""Entries along one axis of an array, at most."""
OBJECTS = 20_000
"""Objects that may cross during one check."""

LENGTHS = struct.Struct("!II")
DTYPE = re.compile(r"[<>|](b1|[iu][1248]|f[248]|f16|c8|c16|c32|U\d{1,4})")
GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
TENSORS = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
        torch.float16, torch.bfloat16, torch.float32, torch.float64,
        torch.complex64, torch.complex128,
    )
}  # fmt: skip
TYPES: dict[str, type] = {kind.__name__: kind for kind in (int, float, bool, complex, str)} | {
    f"numpy.{kind}": getattr(np, kind)
    for kind in (
        "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", "complex64", "complex128",
    )
}  # fmt: skip
NAMES = {kind: name for name, kind in TYPES.items()}

Parts = list[memoryview]
HISTORY = object()
"""Stands in the table for a tensor that is gone, but whose history is still there."""


class Broken(Exception):
    """The other end broke the protocol: it ended, lied about a length, sent what is no data."""


class TooLate(Exception):
    """No frame came, or none could be sent, before the deadline."""


class Frames:
    """Frames over a socket, with limits and a deadline (of `time.monotonic`)."""

    def __init__(self, end: socket.socket, *, text: int = TEXT, raw: int = RAW):
        self.end, self.text, self.raw = end, text, raw
        self.deadline = math.inf

    def send(self, message: Any) -> None:
        """Send a JSON value in which memoryviews stand for bytes."""
        text, parts = flatten(message)
        head = text.encode()
        size = sum(map(len, parts))
        if len(head) > self.text or size > self.raw or len(parts) > PARTS:
            raise ValueError(f"{len(head):,} characters and {size:,} bytes are too many to send")
        lengths = struct.pack(f"!{len(parts)}Q", *map(len, parts))
        self._wait()
        try:
            self.end.sendall(LENGTHS.pack(len(head), len(parts)) + lengths + head)
            for part in parts:
                self.end.sendall(part)
        except TimeoutError:
            raise TooLate from None
        except OSError:
            raise Broken("it ended") from None

    def receive(self) -> tuple[Any, Parts]:
        """Receive one frame: the JSON value and the bytes. Raises Broken or TooLate."""
        text, count = LENGTHS.unpack(self._exactly(LENGTHS.size))
        if text > self.text or count > PARTS:
            raise Broken(f"it sent a frame of {text:,} characters and {count:,} arrays")
        lengths = struct.unpack(f"!{count}Q", self._exactly(8 * count))
        if sum(lengths) > self.raw:
            raise Broken(f"it sent a frame of {sum(lengths):,} bytes")
        try:
            message = json.loads(bytes(self._exactly(text)))
        except (ValueError, RecursionError):
            raise Broken("it sent what is no JSON") from None
        return message, [self._exactly(length) for length in lengths]

    def _exactly(self, size: int) -> memoryview:
        room, done = memoryview(bytearray(size)), 0
        while done < size:
            self._wait()
            try:
                count = self.end.recv_into(room[done:])
            except TimeoutError:
                raise TooLate from None
            except OSError:
                raise Broken("it ended") from None
            if count == 0:
                raise Broken("it ended")
            done += count
        return room

    def _wait(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TooLate
        self.end.settimeout(None if math.isinf(left) else left)


def flatten(message: Any) -> tuple[str, Parts]:
    """The JSON text of a message, and the bytes for which `{"part": k}` stands in it."""
    parts: Parts = []

    def part(value: memoryview) -> dict[str, int]:
        parts.append(value)
        return {"part": len(parts) - 1}

    return json.dumps(message, default=part, separators=(",", ":")), parts


class Table:
    """One end's mutable objects, and how they become JSON and bytes.

    `lend(object)` gives the JSON for an object that stays with its owner, `borrow(json)` the
    object for such JSON. `link(tensor, number)` joins a tensor to its history in the player.
    The referee counts its own objects 0, 2, 4, …, the player 1, 3, 5, …; the player alone
    takes pickles, and only of the referee.
    """

    def __init__(
        self,
        *,
        referee: bool,
        lend: Callable[[Any], Any],
        borrow: Callable[[list[Any]], Any],
        link: Callable[[torch.Tensor, int], torch.Tensor] | None = None,
    ):
        self.referee, self.lend, self.borrow, self.link = referee, lend, borrow, link
        self.clear()

    def clear(self) -> None:
        """Forget every object."""
        self.objects: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}
        self.known: dict[int, Any] = {}
        self.ended: list[int] = []
        self.next = 0 if self.referee else 1

    # --- writing ----------------------------------------------------------------------

    def write(self, value: Any) -> Any:
        """A value as JSON with memoryviews, and before it all that changed in the table.

        Where it raises, or `take_back` says that nothing was sent, it has not happened.
        """
        if self.referee:
            self._let_go()
        changed, ended = [], self.ended[:]
        del self.ended[: len(ended)]
        self._before = self.next, dict(self.known), ended
        try:
            for number, thing in list(self.objects.items()):
                state = None if thing is HISTORY else self._state(thing, 0)
                if state and _fixed(state) != self.known[number]:
                    changed.append([number, state])
                    self.known[number] = _fixed(self._state(thing, 0))
            body = self._encode(value, 0)
        except BaseException:
            self.take_back()
            raise
        return [changed, ended, body]

    def take_back(self) -> None:
        """Forget what the last `write` put into the table: the other end never saw it."""
        self.next, self.known, ended = self._before
        for number in [number for number in self.objects if number not in self.known]:
            del self.numbers[id(self.objects.pop(number))]
        self.ended[:0] = ended

    def _let_go(self) -> None:
        """Forget what no check can see any more: nothing but this table refers to it.

        A tensor with a history may be needed for its gradient when it is gone itself: the
        history says when it ends (`ended`).
        """
        for number in list(self.objects):
            if sys.getrefcount(self.objects[number]) > 2:
                continue
            thing = self.objects[number]
            del self.numbers[id(thing)]
            if isinstance(thing, torch.Tensor) and not thing.is_leaf and number % 2:
                self.objects[number] = HISTORY
            else:
                self.ended.append(number)
        for number in self.ended:
            self.objects.pop(number, None)
            self.known.pop(number, None)

    def _encode(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if value is None or kind in (bool, float, str):
            return value
        if kind is int:
            if abs(value) < 1 << 63:
                return value
            if value.bit_length() > 4 * DIGITS:
                raise ValueError(f"an int of more than {4 * DIGITS:,} bits")
            return ["int", hex(value)]
        if depth > DEPTH:
            raise ValueError(f"containers lie more than {DEPTH} deep in one another")
        number = self.numbers.get(id(value))
        if number is not None:
            return ["same", number]
        if isinstance(value, tuple):
            tag = "size" if kind is torch.Size else "tuple"
            return [tag, [self._encode(v, depth + 1) for v in tuple.__iter__(value)]]
        if isinstance(value, np.generic) and DTYPE.fullmatch(value.dtype.str):
            return ["scalar", value.dtype.str, _memory(np.asarray(value))]
        if isinstance(value, np.dtype) and DTYPE.fullmatch(value.str):
            return ["dtype", value.str]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if kind is bytes:
            return ["bytes", memoryview(value)]
        if kind is frozenset:
            return ["frozenset", [self._encode(v, depth + 1) for v in value]]
        if kind is slice:
            ends = value.start, value.stop, value.step
            return ["slice", *(self._encode(end, depth + 1) for end in ends)]
        if kind is range:
            return ["range", value.start, value.stop, value.step]
        if value is ...:
            return ["..."]
        if kind is type and value in NAMES:
            return ["type", NAMES[value]]
        if kind is torch.dtype:
            return ["torch.dtype", str(value).removeprefix("torch.")]
        if kind is torch.device:
            return ["device", str(value)]
        return self._new(value, depth)

    def _new(self, value: Any, depth: int) -> Any:
        """A mutable object that crosses for the first time, or a handle."""
        if isinstance(value, torch.nn.Module | torch.optim.Optimizer):
            return self._pickled(value, depth) if self.referee else self.lend(value)
        kinds = list | dict | set | np.ndarray | np.random.Generator | torch.Tensor
        if not isinstance(value, kinds | torch.Generator) or _untellable(value):
            return self.lend(value)
        number = self._keep(value)
        state = self._state(value, depth + 1)
        container = state[0] in ("list", "dict", "set")
        self.known[number] = _fixed(self._state(value, depth + 1) if container else state)
        return ["new", number, state]

    def _pickled(self, value: Any, depth: int) -> Any:
        """A module or optimiser of the referee's; its tensors are objects of the table."""
        number = self._keep(value)
        text = io.BytesIO()
        _Pickler(text, self, depth + 1).dump(value)
        state = self._state(value, depth)
        self.known[number] = _fixed(state)
        return ["new", number, ["pickle", memoryview(text.getvalue()), state]]

    def _keep(self, value: Any) -> int:
        if len(self.objects) >= OBJECTS:
            raise ValueError(f"more than {OBJECTS} objects")
        number, self.next = self.next, self.next + 2
        self.objects[number], self.numbers[id(value)] = value, number
        return number

    def _state(self, value: Any, depth: int) -> list[Any]:
        """All that can change in a mutable object."""
        deeper = depth + 1
        if isinstance(value, np.ndarray):
            flags = [bool(value.flags.writeable), bool(value.flags.fnc)]
            return ["array", value.dtype.str, list(value.shape), _memory(value), *flags]
        if isinstance(value, list):
            return ["list", [self._encode(v, deeper) for v in list.__iter__(value)]]
        if isinstance(value, dict):
            items = list(dict.items(value))
            return ["dict", [[self._encode(k, deeper), self._encode(v, deeper)] for k, v in items]]
        if isinstance(value, set):
            return ["set", [self._encode(v, deeper) for v in set.__iter__(value)]]
        if isinstance(value, np.random.Generator):
            bits = value.bit_generator
            seeds = bits.seed_seq
            tree = seeds.entropy, seeds.spawn_key, seeds.pool_size, seeds.n_children_spawned
            return ["rng", type(bits).__name__, _tell(bits.state), _tell(tree)]
        if isinstance(value, torch.Generator):
            return ["generator", _memory(value.get_state().numpy())]
        if isinstance(value, torch.Tensor):
            grad = value.grad if value.is_leaf else None
            return [
                "tensor", *_tensor(value), list(value.stride()), value.requires_grad,
                value.is_leaf, isinstance(value, torch.nn.Parameter),
                None if grad is None else _tensor(grad),
            ]  # fmt: skip
        if isinstance(value, torch.nn.Module):
            return ["module", [module.training for module in value.modules()]]
        return ["optimizer", _tell(value.state_dict())]

    # --- reading ----------------------------------------------------------------------

    def read(self, message: Any, parts: Parts) -> Any:
        """The value of a frame; the table's objects take over what changed. Raises Broken."""
        self._parts, self._room = parts, 2 * sum(map(len, parts))
        try:
            changed, ended, body = message
            for number in ended if not self.referee else ():
                self.numbers.pop(id(self.objects.pop(number, None)), None)
                self.known.pop(number, None)
            for number, state in changed:
                self._update(number, state, 0)
            return self._decode(body, 0)
        except Broken:
            raise
        except Exception as error:  # whatever strange data make the libraries raise
            raise Broken(f"it sent what is no data ({type(error).__name__})") from None

    def _decode(self, data: Any, depth: int) -> Any:
        kind = type(data)
        if data is None or kind in (bool, int, float):
            return data
        if kind is str:
            return data if data.isascii() else data.encode("utf-8", "replace").decode()
        if kind is not list or not data or depth > DEPTH:
            raise Broken("it sent what is no data")
        tag, *rest = data
        deeper = depth + 1
        match tag:
            case "int":
                return _int(rest[0])
            case "same":
                return self.objects[rest[0]]
            case "new":
                return self._create(*rest, deeper)
            case "tuple":
                return tuple(self._decode(v, deeper) for v in rest[0])
            case "size":
                return torch.Size(rest[0])
            case "frozenset":
                return frozenset(self._decode(v, deeper) for v in rest[0])
            case "scalar":
                return self._array(rest[0], [], rest[1])[()]
            case "complex":
                return complex(*rest)
            case "bytes":
                return bytes(self._bytes(rest[0]))
            case "slice":
                return slice(*(self._decode(v, deeper) for v in rest))
            case "range":
                return range(*rest)
            case "...":
                return ...
            case "type":
                return TYPES[rest[0]]
            case "dtype":
                return _dtype(rest[0])
            case "torch.dtype":
                return TENSORS[rest[0]]
            case "device":
                return torch.device(rest[0])
        return self.borrow(data)

    def _create(self, number: Any, state: list[Any], depth: int) -> Any:
        if type(number) is not int or number % 2 != self.referee or number in self.objects:
            raise Broken("it gave an object a number that is not its own")
        if len(self.objects) >= OBJECTS:
            raise Broken(f"it sent more than {OBJECTS} objects")
        tag, *rest = state
        if tag == "pickle":
            if self.referee:
                raise Broken("it sent a pickle")
            text, state = rest
            value = _Unpickler(io.BytesIO(bytes(self._bytes(text))), self, depth).load()
            tag, rest = state[0], state[1:]
        else:
            value = self._blank(tag, rest, number)
        self.objects[number], self.numbers[id(value)] = value, number
        if tag in ("array", "tensor"):
            self.known[number] = _fixed(self._state(value, depth))
        else:
            self._update(number, state, depth)
        return value

    def _blank(self, tag: str, rest: list[Any], number: int) -> Any:
        """A new object; containers are empty as yet, so that cycles can close."""
        match tag:
            case "list" | "dict" | "set":
                return {"list": list, "dict": dict, "set": set}[tag]()
            case "array":
                dtype, shape, part, writeable, fortran = rest
                value = self._array(dtype, shape, part).copy("F" if fortran else "C")
                value.flags.writeable = bool(writeable)
                return value
            case "rng":
                if rest[0] not in GENERATORS:
                    raise Broken("it sent an unknown generator")
                entropy, key, size, children = self._told(rest[2])
                seeds = np.random.SeedSequence(
                    entropy, spawn_key=key, pool_size=min(size, 64), n_children_spawned=children
                )
                return np.random.Generator(getattr(np.random, rest[0])(seeds))
            case "generator":
                return torch.Generator()
            case "tensor":
                dtype, shape, part, stride, requires, leaf, parameter, grad = rest
                value = self._torch(dtype, shape, part)
                if not self.referee and list(value.stride()) != stride:
                    value = _strided(value, stride)
                if parameter:
                    value = torch.nn.Parameter(value, bool(requires))
                elif requires:
                    value.requires_grad_()
                if grad is not None:
                    value.grad = self._torch(*grad)
                return self.link(value.detach(), number) if self.link and not leaf else value
        raise Broken("it sent an object of an unknown kind")

    def _update(self, number: Any, state: list[Any], depth: int) -> None:
        """Take over what the other end says of an object."""
        value, (tag, *rest) = self.objects[number], state
        kinds = {
            "list": list, "dict": dict, "set": set, "array": np.ndarray,
            "rng": np.random.Generator, "generator": torch.Generator, "tensor": torch.Tensor,
            "module": torch.nn.Module, "optimizer": torch.optim.Optimizer,
        }  # fmt: skip
        if tag not in kinds or not isinstance(value, kinds[tag]):
            raise Broken("an object changed its kind")
        deeper = depth + 1
        match tag:
            case "list":
                value[:] = [self._decode(v, deeper) for v in rest[0]]
            case "dict":
                items = [(self._decode(k, deeper), self._decode(v, deeper)) for k, v in rest[0]]
                value.clear()
                value.update(items)
            case "set":
                items = [self._decode(v, deeper) for v in rest[0]]
                value.clear()
                value.update(items)
            case "array":
                self._update_array(value, *rest)
            case "rng":
                self._update_rng(value, *rest)
            case "generator":
                state = bytearray(self._bytes(rest[0]))
                value.set_state(torch.frombuffer(state, dtype=torch.uint8))
            case "tensor":
                self._update_tensor(value, *rest)
            case "module":
                for module, training in zip(value.modules(), rest[0], strict=True):
                    module.training = bool(training)
            case "optimizer":
                value.load_state_dict(self._told(rest[0]))
        # What came in is what this end knows: only a later change goes back.
        self.known[number] = _fixed(self._state(value, depth))

    def _update_array(
        self, value: np.ndarray, dtype: Any, shape: Any, part: Any, writeable: Any, fortran: Any
    ) -> None:
        new = self._array(dtype, shape, part)
        if new.dtype != value.dtype or new.size != value.size:
            raise Broken("an array changed its size or dtype")
        if new.shape != value.shape:
            value.shape = new.shape
        if not value.flags.writeable:
            value.flags.writeable = True
        np.copyto(value, new)
        if not writeable:
            value.flags.writeable = False

    def _update_rng(self, value: np.random.Generator, kind: Any, state: Any, tree: Any) -> None:
        bits = value.bit_generator
        if kind != type(bits).__name__:
            raise Broken("a generator changed its kind")
        state, children = self._told(state), self._told(tree)[3]
        at = {"MT19937": ("pos", 624), "Philox": ("buffer_pos", 4)}.get(kind)
        if at and not 0 <= (state["state"] | state)[at[0]] <= at[1]:
            raise Broken("it sent an impossible generator")
        bits.state = state
        more = children - bits.seed_seq.n_children_spawned
        if 0 < more <= 10_000:
            bits.seed_seq.spawn(more)

    def _update_tensor(
        self, value: torch.Tensor, dtype: Any, shape: Any, part: Any, stride: Any, requires: Any,
        leaf: Any, parameter: Any, grad: Any,
    ) -> None:  # fmt: skip
        new = self._torch(dtype, shape, part)
        if new.dtype != value.dtype or new.shape != value.shape:
            raise Broken("a tensor changed its shape or dtype")
        value.data.copy_(new)  # past the history, as gradcheck's small steps are
        if value.is_leaf:
            if leaf and bool(requires) != value.requires_grad:
                value.requires_grad_(bool(requires))
            value.grad = None if grad is None else self._torch(*grad)

    def _bytes(self, part: Any) -> memoryview:
        data = self._parts[part["part"]]
        self._room -= len(data)
        if self._room < 0:
            raise Broken("it sent the same bytes again and again")
        return data

    def _array(self, dtype: Any, shape: Any, part: Any) -> np.ndarray:
        kind, data = _dtype(dtype), self._bytes(part)
        if math.prod(_shape(shape)) * kind.itemsize != len(data):
            raise Broken("it sent an array whose bytes do not fit its shape")
        return np.frombuffer(data, kind).reshape(shape) if len(data) else np.zeros(shape, kind)

    def _torch(self, dtype: Any, shape: Any, part: Any) -> torch.Tensor:
        kind, data = TENSORS[dtype], self._bytes(part)
        if math.prod(_shape(shape)) * kind.itemsize != len(data):
            raise Broken("it sent a tensor whose bytes do not fit its shape")
        if not len(data):
            return torch.empty(shape, dtype=kind)
        return torch.frombuffer(bytearray(data), dtype=kind).reshape(shape)

    def _told(self, value: Any) -> Any:
        """The inverse of `_tell`."""
        kind, data = value
        match kind:
            case "plain":
                return data
            case "int":
                return _int(data)
            case "list":
                return [self._told(v) for v in data]
            case "tuple":
                return tuple(self._told(v) for v in data)
            case "dict":
                return {self._told(k): self._told(v) for k, v in data}
            case "array":
                return self._array(*data).copy()
            case "tensor":
                return self._torch(*data)
        raise Broken("it sent what is no data")


class _Pickler(cloudpickle.Pickler):
    """Pickles what the referee owns; arrays, tensors and generators go through the table.

    A module whose class the check itself defines goes with its class.
    """

    def __init__(self, file: io.BytesIO, table: Table, depth: int):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.table, self.depth = table, depth

    def persistent_id(self, value: Any) -> Any:
        kinds = torch.Tensor | torch.Generator | np.random.Generator | np.ndarray
        if not isinstance(value, kinds):
            return None
        text, parts = flatten(self.table._encode(value, self.depth))
        return text, [bytes(part) for part in parts]


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, table: Table, depth: int):
        super().__init__(file)
        self.table, self.depth = table, depth

    def persistent_load(self, pid: Any) -> Any:
        text, parts = pid
        with self._reading([memoryview(part) for part in parts]):
            return self.table._decode(json.loads(text), self.depth)

    @contextlib.contextmanager
    def _reading(self, parts: Parts) -> Iterator[None]:
        outer = self.table._parts, self.table._room
        self.table._parts, self.table._room = parts, 2 * sum(map(len, parts))
        try:
            yield
        finally:
            self.table._parts, self.table._room = outer


def _fixed(state: Any) -> tuple[str, list[bytes]]:
    """A state that later changes cannot touch, to compare with."""
    text, parts = flatten(state)
    return text, [bytes(part) for part in parts]


def _memory(array: np.ndarray) -> memoryview:
    """The bytes of an array, in C order."""
    whole = np.ascontiguousarray(array).view(np.ndarray).reshape(-1)
    return memoryview(whole.view(np.uint8)) if whole.nbytes else memoryview(b"")


def _tensor(value: torch.Tensor) -> list[Any]:
    """A tensor's dtype, shape and bytes (NumPy has no bfloat16)."""
    plain = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
    if plain._is_zerotensor():
        plain = torch.zeros(plain.shape, dtype=plain.dtype)
    data = plain.reshape(-1).view(torch.uint8).numpy() if plain.numel() else np.empty(0, np.uint8)
    return [str(value.dtype).removeprefix("torch."), list(value.shape), _memory(data)]


def _strided(value: torch.Tensor, stride: list[int]) -> torch.Tensor:
    """The same values with these strides; as it is where elements would overlap."""
    once = [1 if step == 0 else n for n, step in zip(value.shape, stride, strict=True)]
    part = value[tuple(slice(n) for n in once)]
    with contextlib.suppress(RuntimeError):
        return torch.empty_strided(once, stride, dtype=value.dtype).copy_(part).expand(value.shape)
    return value


def _untellable(value: Any) -> bool:
    """Whether an array or tensor cannot be told in bytes (objects, sparse, meta)."""
    if isinstance(value, np.ndarray | torch.Tensor) and (
        value.ndim > DIMENSIONS or max(value.shape, default=0) > SIDE
    ):
        return True
    if isinstance(value, np.ndarray):
        return not DTYPE.fullmatch(value.dtype.str)
    if isinstance(value, torch.Tensor):
        name = str(value.dtype).removeprefix("torch.")
        return name not in TENSORS or value.layout != torch.strided or value.is_meta
    return False


def _int(text: Any) -> int:
    if type(text) is not str or len(text) > DIGITS + 3:
        raise Broken("it sent an int that is none, or too large")
    return int(text, 16)


def _dtype(text: Any) -> np.dtype:
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


def _tell(value: Any) -> list[Any]:
    """A state (of a generator, of an optimiser) by value: containers without identity."""
    if isinstance(value, dict):
        return ["dict", [[_tell(k), _tell(v)] for k, v in value.items()]]
    if isinstance(value, np.ndarray):
        return ["array", [value.dtype.str, list(value.shape), _memory(value)]]
    if isinstance(value, torch.Tensor):
        return ["tensor", _tensor(value)]
    if isinstance(value, list | tuple):
        return ["tuple" if isinstance(value, tuple) else "list", [_tell(v) for v in value]]
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return ["int", hex(int(value))]
    return ["plain", value]
