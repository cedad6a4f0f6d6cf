"""The table of objects that have crossed between the referee and the player.

Both ends keep a table of the mutable objects that have crossed (arrays, tensors, lists,
dicts, sets, generators, modules, optimisers). An object that crosses twice is the same
object there, and every frame first carries what has changed in the table since the last
one: so a change in place is seen on the other side, as it would be in one process. An
object of any other kind stays with its owner, and the other end gets a handle.

From the player comes data only, never a pickle. What doesn't fit raises `Broken`.
"""

from __future__ import annotations

import io
import json
import pickle
import sys
from collections.abc import Callable
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch.nn.modules.dropout import _DropoutNd

from grader.isolation import codec
from grader.isolation.codec import Received
from grader.isolation.frames import Broken, Parts, flatten
from grader.isolation.glance import CONTAINERS, Glance

DEPTH = 60
"""How deep containers may lie in one another."""
OBJECTS = 20_000
"""Objects that may cross during one check."""
ENTRIES = 10_000
"""Entries of a set or a dict, at most: their hashes may all collide."""
GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
KINDS: dict[str, type] = {
    "list": list,
    "dict": dict,
    "set": set,
    "array": np.ndarray,
    "rng": np.random.Generator,
    "generator": torch.Generator,
    "tensor": torch.Tensor,
    "module": torch.nn.Module,
    "optimizer": torch.optim.Optimizer,
}
"""The mutable objects of the table, by their tags."""
HISTORY = object()
"""Stands in the table for a tensor that is gone, but whose history is still there."""


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
        self.watched: dict[int, tuple[str, Glance | None]] = {}
        """A glance at an object, and the text of `known` at that time."""
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
                if thing is not HISTORY and (state := self._changed(number, thing)):
                    changed.append([number, state])
                    self.known[number] = _snapshot(self._state(thing, 0))
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
            if isinstance(thing, CONTAINERS):
                if not self._unchanged(number, thing):
                    continue  # to look closer is to give numbers to what may be new in it
            elif self._changed(number, thing):
                continue  # the check changed it and let go of it: the other end must hear of that
            del self.numbers[id(thing)]
            if isinstance(thing, torch.Tensor) and not thing.is_leaf and number % 2:
                self.objects[number] = HISTORY
            else:
                self.ended.append(number)
        for number in self.ended:
            thing = self.objects.pop(number, HISTORY)
            if self.numbers.get(id(thing)) == number:
                del self.numbers[id(thing)]
            self.known.pop(number, None)
            self.watched.pop(number, None)

    def _changed(self, number: int, thing: Any) -> list[Any] | None:
        """The state of an object, where it is no longer the one that the other end knows."""
        if self._unchanged(number, thing):
            return None
        state = self._state(thing, 0)
        if _snapshot(state) != self.known[number]:
            return state
        self.watched[number] = self.known[number][0], Glance.of(thing)
        return None

    def _unchanged(self, number: int, thing: Any) -> bool:
        """Whether a glance is enough to see that an object is as the other end knows it."""
        text, parts = self.known[number]
        known, glance = self.watched.get(number, ("", None))
        return glance is not None and known is text and glance.holds(thing, parts)

    def _encode(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if value is None or kind in (bool, float, str):
            return value
        if kind is int:
            if abs(value) < 1 << 63:
                return value
            if value.bit_length() > 4 * codec.DIGITS:
                raise ValueError(f"an int of more than {4 * codec.DIGITS:,} bits")
            return ["int", hex(value)]
        if depth > DEPTH:
            raise ValueError(f"containers lie more than {DEPTH} deep in one another")
        number = self.numbers.get(id(value))
        if number is not None:
            return ["same", number]
        if isinstance(value, tuple):
            tag = "size" if kind is torch.Size else "tuple"
            return [tag, [self._encode(v, depth + 1) for v in tuple.__iter__(value)]]
        if isinstance(value, np.generic) and codec.DTYPE.fullmatch(value.dtype.str):
            return ["scalar", value.dtype.str, codec.array_bytes(np.asarray(value))]
        if isinstance(value, np.dtype) and codec.DTYPE.fullmatch(value.str):
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
        if kind is type and value in codec.NAMES:
            return ["type", codec.NAMES[value]]
        if kind is torch.dtype:
            return ["torch.dtype", str(value).removeprefix("torch.")]
        if kind is torch.device:
            return ["device", str(value)]
        return self._new(value, depth)

    def _new(self, value: Any, depth: int) -> Any:
        """A mutable object that crosses for the first time, or a handle."""
        if isinstance(value, torch.nn.Module | torch.optim.Optimizer):
            return self._pickled(value, depth) if self.referee else self.lend(value)
        raw = isinstance(value, np.ndarray | torch.Tensor)
        kept = list | dict | set | np.random.Generator | torch.Generator
        if not (codec.has_bytes(value) if raw else isinstance(value, kept)):
            return self.lend(value)
        number = self._keep(value)
        state = self._state(value, depth + 1)
        container = state[0] in ("list", "dict", "set")
        self.known[number] = _snapshot(self._state(value, depth + 1) if container else state)
        return ["new", number, state]

    def _pickled(self, value: Any, depth: int) -> Any:
        """A module or optimiser of the referee's; its tensors are objects of the table."""
        number = self._keep(value)
        text = io.BytesIO()
        _Pickler(text, self, depth + 1).dump(value)
        state = self._state(value, depth)
        self.known[number] = _snapshot(state)
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
            return ["array", value.dtype.str, list(value.shape), codec.array_bytes(value), *flags]
        if isinstance(value, list):
            return ["list", [self._encode(v, deeper) for v in list.__iter__(value)]]
        if isinstance(value, dict):
            items = list(dict.items(value))
            return ["dict", [[self._encode(k, deeper), self._encode(v, deeper)] for k, v in items]]
        if isinstance(value, set):
            return ["set", [self._encode(v, deeper) for v in set.__iter__(value)]]
        if isinstance(value, np.random.Generator):
            bits = value.bit_generator
            seeds = _seeds(bits)
            tree = seeds.entropy, seeds.spawn_key, seeds.pool_size, seeds.n_children_spawned
            state = codec.encode_state(bits.state)
            return ["rng", type(bits).__name__, state, codec.encode_state(tree)]
        if isinstance(value, torch.Generator):
            return ["generator", codec.array_bytes(value.get_state().numpy())]
        if isinstance(value, torch.Tensor):
            grad = value.grad if value.is_leaf else None
            kind = [value.requires_grad, value.is_leaf, isinstance(value, torch.nn.Parameter)]
            last = None if grad is None else codec.encode_tensor(grad)
            return ["tensor", *codec.encode_tensor(value), list(value.stride()), *kind, last]
        if isinstance(value, torch.nn.Module):
            return ["module", [[module.training, _rate(module)] for module in value.modules()]]
        return ["optimizer", codec.encode_state(value.state_dict())]

    # --- reading ----------------------------------------------------------------------

    def read(self, message: Any, parts: Parts) -> Any:
        """The value of a frame; the table's objects take over what changed. Raises Broken."""
        self.received = Received(parts)
        try:
            changed, ended, body = message
            for number in ended if not self.referee else ():
                self.numbers.pop(id(self.objects.pop(number, None)), None)
                self.known.pop(number, None)
                self.watched.pop(number, None)
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
                return codec.decode_int(rest[0])
            case "same":
                return self.objects[rest[0]]
            case "new":
                number, state = rest
                return self._create(number, state, deeper)
            case "tuple":
                return tuple(self._decode(v, deeper) for v in rest[0])
            case "size":
                return torch.Size(rest[0])
            case "frozenset":
                return frozenset(self._decode(v, deeper) for v in _few(rest[0]))
            case "scalar":
                return self.received.array(rest[0], [], rest[1])[()]
            case "complex":
                return complex(*rest)
            case "bytes":
                return bytes(self.received.bytes(rest[0]))
            case "slice":
                return slice(*(self._decode(v, deeper) for v in rest))
            case "range":
                return range(*rest)
            case "...":
                return ...
            case "type":
                return codec.TYPES[rest[0]]
            case "dtype":
                return codec.decode_dtype(rest[0])
            case "torch.dtype":
                return codec.TENSORS[rest[0]]
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
            value = _Unpickler(io.BytesIO(bytes(self.received.bytes(text))), self, depth).load()
            tag, rest = state[0], state[1:]
        else:
            value = self._blank(tag, rest, number)
        self.objects[number], self.numbers[id(value)] = value, number
        if tag in ("array", "tensor"):
            self.known[number] = _snapshot(self._state(value, depth))
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
                array = self.received.array(dtype, shape, part).copy("F" if fortran else "C")
                array.flags.writeable = bool(writeable)
                return array
            case "rng":
                if rest[0] not in GENERATORS:
                    raise Broken("it sent an unknown generator")
                entropy, key, size, children = self.received.state(rest[2])
                seeds = np.random.SeedSequence(
                    entropy, spawn_key=key, pool_size=min(size, 64), n_children_spawned=children
                )
                return np.random.Generator(getattr(np.random, rest[0])(seeds))
            case "generator":
                return torch.Generator()
            case "tensor":
                dtype, shape, part, stride, requires, leaf, parameter, grad = rest
                value = self.received.tensor(dtype, shape, part)
                if not self.referee and list(value.stride()) != stride:
                    value = codec.strided(value, stride)
                if parameter:
                    value = torch.nn.Parameter(value, bool(requires))
                elif requires:
                    value.requires_grad_()
                if grad is not None:
                    value.grad = self.received.tensor(*grad)
                return self.link(value.detach(), number) if self.link and not leaf else value
        raise Broken("it sent an object of an unknown kind")

    def _update(self, number: Any, state: list[Any], depth: int) -> None:
        """Take over what the other end says of an object."""
        value: Any = self.objects[number]
        tag, *rest = state
        kind: Any = KINDS.get(tag, ())
        if not isinstance(value, kind):
            raise Broken("an object changed its kind")
        deeper = depth + 1
        match tag:
            case "list":
                value[:] = [self._decode(v, deeper) for v in rest[0]]
            case "dict":
                pairs = _few(rest[0])
                items = [(self._decode(k, deeper), self._decode(v, deeper)) for k, v in pairs]
                value.clear()
                value.update(items)
            case "set":
                items = [self._decode(v, deeper) for v in _few(rest[0])]
                value.clear()
                value.update(items)
            case "array":
                self._update_array(value, *rest)
            case "rng":
                self._update_rng(value, *rest)
            case "generator":
                data = bytearray(self.received.bytes(rest[0]))
                value.set_state(torch.frombuffer(data, dtype=torch.uint8))
            case "tensor":
                self._update_tensor(value, *rest)
            case "module":
                for module, (training, rate) in zip(value.modules(), rest[0], strict=True):
                    module.training = bool(training)
                    if isinstance(module, _DropoutNd) and rate is not None:
                        if not 0 <= rate <= 1:
                            raise Broken("a drop probability is no number from 0 to 1")
                        module.p = float(rate)
            case "optimizer":
                value.load_state_dict(self.received.state(rest[0]))
        # What came in is what this end knows: only a later change goes back.
        self.known[number] = _snapshot(self._state(value, depth))

    def _update_array(self, value: np.ndarray, *state: Any) -> None:
        dtype, shape, part, writeable, _fortran = state
        new = self.received.array(dtype, shape, part)
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
        state, children = self.received.state(state), self.received.state(tree)[3]
        at = {"MT19937": ("pos", 624), "Philox": ("buffer_pos", 4)}.get(kind)
        if at and not 0 <= (state["state"] | state)[at[0]] <= at[1]:
            raise Broken("it sent an impossible generator")
        bits.state = state
        more = children - _seeds(bits).n_children_spawned
        if 0 < more <= 10_000:
            _seeds(bits).spawn(more)

    def _update_tensor(self, value: torch.Tensor, *state: Any) -> None:
        dtype, shape, part, _stride, requires, leaf, _parameter, grad = state
        new = self.received.tensor(dtype, shape, part)
        if new.dtype != value.dtype or new.shape != value.shape:
            raise Broken("a tensor changed its shape or dtype")
        try:
            value.data.copy_(new)  # past the history, as gradcheck's small steps are
        except RuntimeError:  # expanded: entries share memory here, and no longer do there
            value.data = new
        if value.is_leaf:
            if leaf and bool(requires) != value.requires_grad:
                value.requires_grad_(bool(requires))
            value.grad = None if grad is None else self.received.tensor(*grad)


def _few(entries: Any) -> list[Any]:
    """The entries of a set or a dict."""
    if type(entries) is not list or len(entries) > ENTRIES:
        raise Broken(f"it sent a set or a dict of more than {ENTRIES:,} entries")
    return entries


def _rate(module: torch.nn.Module) -> float | None:
    """The p of one of torch's dropout layers, if it is a number from 0 to 1."""
    p: object = module.p if isinstance(module, _DropoutNd) else None
    return float(p) if isinstance(p, int | float) and 0 <= p <= 1 else None


def _seeds(bits: np.random.BitGenerator) -> np.random.SeedSequence:
    """From what a generator was seeded: it counts what was spawned."""
    seeds = bits.seed_seq
    if not isinstance(seeds, np.random.SeedSequence):
        raise TypeError(f"a generator seeded by a {type(seeds).__name__} cannot cross")
    return seeds


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
        outer = self.table.received
        self.table.received = Received([memoryview(part) for part in parts])
        try:
            return self.table._decode(json.loads(text), self.depth)
        finally:
            self.table.received = outer


def _snapshot(state: Any) -> tuple[str, list[bytes]]:
    """A state that later changes cannot touch, to compare with."""
    text, parts = flatten(state)
    return text, [bytes(part) for part in parts]
