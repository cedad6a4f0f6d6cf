"""What crosses between referee and player: does it arrive as what it is, and nothing else?"""

from __future__ import annotations

import contextlib
import json
import math
import re
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fuzz import fuzzed
from grader.isolation.confinement import Limits
from grader.isolation.forks import Players
from grader.isolation.frames import Broken, Frames, TooLate, flatten
from grader.isolation.outputs import run_cell
from grader.isolation.session import Gone, Session
from grader.isolation.table import Table
from grader.paths import ROOT

LEARNER = """
import builtins, numpy as np, torch
from torch import nn

def same(*things): return things if len(things) > 1 else things[0]
def twins(a, b): return a is b
def change(x): x[0] = 7; return None
def draw(rng): return rng.random(3)
def spawn(rng): return [child.random() for child in rng.spawn(2)]
def flip(generator): return torch.rand(3, generator=generator)
def apply(f, x): return f(x)
def fail(kind, text): raise getattr(builtins, kind, Own)(text)
def kind(x): return type(x).__name__
def cube(x): return x ** 3
def layout(x): return (x.flags.f_contiguous, x.flags.writeable)
class Own(Exception): pass
class Liar:
    def __eq__(self, other): return True
    def __getattr__(self, name): return 1.0
class Box:
    def __init__(self, value): self.value, self.items = value, {"a": 1}
    def __getitem__(self, key): return self.items[key]
    def __setitem__(self, key, value): self.items[key] = value
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __contains__(self, key): return key in self.items
    def __enter__(self): self.value = "in"; return self
    def __exit__(self, *error): self.value = "out"
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, 3.0]))
    def forward(self, x): return x * self.weight
def step(model, optimizer, X):
    optimizer.zero_grad()
    loss = (model.eval()(X) ** 2).mean()
    loss.backward()
    optimizer.step()
    return loss.item()
def set_rate(layer, p):
    layer.p = p
"""
NAMES = re.findall(r"^(?:def|class) (\w+)", LEARNER, re.MULTILINE)


@pytest.fixture(scope="module")
def players() -> Iterator[Players]:
    players = Players(ROOT, hidden=[ROOT], limits=Limits(check=20))
    yield players
    players.close()


class Learner:
    """The names of a learner's process."""

    def __init__(self, session: Session):
        self.session = session
        self.__dict__ |= dict(session.request("names", tuple(NAMES)))


@pytest.fixture
def learner(players: Players) -> Iterator[Learner]:
    session = Session(players)
    assert run_cell(LEARNER, session) == []
    with session.timed(60):
        yield Learner(session)
    session.close()


VALUES = [
    0, -1, 2**53 + 1, -(2**200), True, None, ..., 0.1, -0.0, math.inf, 1e-320, 3 + 4j, "", "ü\n\0",
    b"\x00\xff", (1, (2.0, "x")), [1, [2], {"a": (3,)}], {1: "a", (2, 3): [4]}, {1, 2},
    frozenset({3}), slice(1, None, 2), range(3, 9, 2), float, np.float32, np.dtype("int16"),
    torch.bfloat16, np.float32(0.5), np.int8(-3), np.bool_(True), np.str_("x"),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_come_back_as_they_were(learner: Learner, value: Any):
    """Is a value the same, and of the same type, after both ways?"""
    back = learner.same(value)
    assert type(back) is type(value) and repr(back) == repr(value)


def test_nan_is_nan(learner: Learner):
    """Does NaN cross as NaN?"""
    assert math.isnan(learner.same(math.nan))


ARRAYS = [
    np.arange(6.0).reshape(2, 3), np.array(3.5), np.empty((0, 4)), np.array([True, False]),
    np.arange(5, dtype=np.int8)[::2], np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.array([1 + 2j]), np.array(["ab", "c"]), np.array([math.nan, -0.0], np.float16),
]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_come_back_bit_for_bit(learner: Learner, array: np.ndarray):
    """Are dtype, shape and every bit those of the array that was sent?"""
    back = learner.same(array)
    assert back is array  # an object that was sent is the object that comes back
    copy = learner.apply(lambda x: x.copy(), array)
    assert (copy.dtype, copy.shape, copy.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert learner.layout(array)[0] == array.flags.f_contiguous or array.ndim < 2


@pytest.mark.parametrize(
    "name", ["float64", "float32", "float16", "bfloat16", "int64", "bool", "complex64"]
)
def test_tensors_cross_in_every_dtype(learner: Learner, name: str):
    """Does a tensor made there arrive with its dtype and values?"""
    dtype = getattr(torch, name)
    x = torch.tensor([[1, 0], [1, 1]]).to(dtype)
    back = learner.apply(lambda t: t.clone(), x.T)  # not contiguous
    assert back.dtype == dtype and torch.equal(back, x.T)


def test_what_a_call_changes_is_changed_here(learner: Learner):
    """Are changes in place seen, in arrays, lists and tensors, nested ones too?"""
    for x in (np.zeros(3), [0, 0], torch.zeros(2), [[0], 1]):
        learner.change(x)
        assert x[0] == 7
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    assert learner.layout(frozen)[1] is False
    with pytest.raises(ValueError):
        learner.change(frozen)


def test_an_object_sent_twice_is_one_object(learner: Learner):
    """Is identity kept, in the arguments of a call and from call to call?"""
    x, y = np.zeros(2), np.zeros(2)
    assert learner.twins(x, x) and not learner.twins(x, y)
    assert learner.same([x, x])[0] is x
    knot: list[Any] = [1]
    knot.append(knot)
    assert learner.same(knot)[1] is knot


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_the_state_of_a_generator_comes_back(learner: Learner, kind: str):
    """Has the generator advanced here as it did there, its children counted too?"""
    here, twin = (np.random.Generator(getattr(np.random, kind)(5)) for _ in "ab")
    assert np.array_equal(learner.draw(here), twin.random(3))
    assert np.array_equal(here.random(3), twin.random(3))
    assert learner.spawn(here) == [child.random() for child in twin.spawn(2)]
    assert learner.spawn(here) == [child.random() for child in twin.spawn(2)]


def test_a_torch_generator_advances_too(learner: Learner):
    """Is torch's generator after a call where it would be in one process?"""
    here, twin = (torch.Generator().manual_seed(3) for _ in "ab")
    assert torch.equal(learner.flip(here), torch.rand(3, generator=twin))
    assert torch.equal(torch.rand(3, generator=here), torch.rand(3, generator=twin))


def test_callables_go_both_ways(learner: Learner):
    """Are a check's function called here, a learner's there, and one inside the other?"""
    assert learner.apply(lambda x: x + 1, 2) == 3
    assert learner.apply(learner.cube, 3) == 27
    assert learner.apply(lambda x: learner.apply(lambda y: 2 * y, x) + 1, 5) == 11

    def wrong(x: int) -> None:
        raise KeyError("from the check")

    with pytest.raises(KeyError, match="from the check"):
        learner.apply(wrong, 1)


@pytest.mark.parametrize("kind", [ValueError, KeyError, NotImplementedError, ZeroDivisionError])
def test_an_exception_is_of_its_class_and_says_its_words(learner: Learner, kind: type):
    """Do class, message and the learner's line come over?"""
    with pytest.raises(kind) as caught:
        learner.fail(kind.__name__, "p is wrong")
    assert str(caught.value).strip("'") == "p is wrong"
    assert "in fail" in caught.value.where
    with pytest.raises(Exception, match="mine") as caught:
        learner.fail("own", "mine")
    assert type(caught.value).__name__ == "Own"


def test_objects_stay_there_and_are_used_from_here(learner: Learner):
    """Do attributes, indices, length, iteration, membership and `with` work on a handle?"""
    box = learner.Box([1, 2])
    assert box.value == [1, 2]
    box.value = "new"
    box["b"] = 2
    assert (box.value, box["b"], len(box), list(box), "b" in box) == ("new", 2, 2, ["a", "b"], True)
    with box as inside:
        assert inside.value == "in"
    assert box.value == "out"
    with pytest.raises(KeyError):
        box["none"]


def test_what_a_check_changes_and_lets_go_of_is_changed_there(learner: Learner):
    """Do parameters that a check fills, and then keeps no name for, arrive filled?"""
    layer = learner.Layer()
    with torch.no_grad():
        next(iter(layer.parameters())).fill_(3.0)
    assert float(next(iter(layer.parameters())).detach().flatten()[0]) == 3.0


def test_a_container_that_is_changed_and_let_go_of_is_changed_there(learner: Learner):
    """Does what a check puts into a list or dict, and then keeps no name for, arrive?"""
    box = learner.Box([1, [2]])
    box.value.append(torch.ones(2))
    box.value[1].append(3)
    box.items.pop("a")
    assert box.value[:2] == [1, [2, 3]] and torch.equal(box.value[2], torch.ones(2))
    assert dict(box.items) == {}


def test_what_is_let_go_of_is_forgotten(learner: Learner):
    """Does the table stay as small as what a check holds, however much crosses?"""
    table, kept = learner.session.table, [torch.ones(3)]
    for _ in range(40):
        state = learner.Layer().state_dict()
        assert torch.equal(state["weight"], torch.tensor([2.0, 3.0]))
        learner.same({"a": [np.zeros(3), kept]})
    assert len(table.objects) < 20
    assert learner.same(kept) is kept and learner.same(kept[0]) is kept[0]


def test_what_one_check_switches_off_is_on_for_the_next(players: Players):
    """Do gradients that a call switches off for good stay off in its own check only?"""
    session = Session(players)
    run_cell("import torch\ndef off(): torch.set_grad_enabled(False)", session)
    run_cell("def on(): return torch.is_grad_enabled()", session)
    (_, off), (_, on) = session.request("names", ("off", "on"))
    off()
    assert not on()
    session.forget()
    ((_, on),) = session.request("names", ("on",))
    assert on()
    run_cell("off()", session)  # a cell is another matter: so it is in a kernel
    session.forget()
    ((_, on),) = session.request("names", ("on",))
    assert not on()
    session.close()


def test_no_number_outlives_its_object(learner: Learner):
    """Has every object that this end knows by its number a place in the table, and no other?"""
    table, layer = learner.session.table, learner.Layer()

    def whole() -> bool:
        return all(id(table.objects.get(n)) == place for place, n in table.numbers.items())

    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            out = layer(torch.ones(2))  # a result with a history over there
            layer(torch.ones(2))
        assert whole()
        held = [out]
        learner.same(held)
        held.append(torch.ones(3))  # new in a list that crossed before
        del held, out
        assert float(learner.same(torch.ones(2)).sum()) == 2 and whole()


def test_a_liar_arrives_as_what_it_is(learner: Learner):
    """Is an object that says yes to everything no array, and equal to nothing?"""
    liar = learner.Liar()
    assert (
        not isinstance(liar, np.ndarray | float) and liar != 1.0 and type(liar).__name__ == "Liar"
    )


def test_gradients_flow_through(learner: Learner):
    """Do gradients reach inputs here and parameters there, once and twice differentiated?"""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    layer = learner.Layer()
    layer(x).sum().backward()
    assert torch.equal(x.grad, torch.tensor([2.0, 3.0]))
    assert torch.equal(layer.weight.grad, torch.tensor([1.0, 2.0]))
    z = torch.tensor([1.5, -2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(learner.cube, (z,), fast_mode=True)
    (first,) = torch.autograd.grad(learner.cube(z).sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), z)
    assert torch.allclose(second, 6 * z)


def test_gradients_flow_through_a_chain_once(learner: Learner):
    """Where one answer is made from another, does each gradient, inner ones too, arrive once?"""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    layer = learner.Layer()
    middle = learner.cube(x)
    last = layer(middle)
    last.sum().backward(retain_graph=True)
    assert torch.equal(x.grad, torch.tensor([2.0, 3.0]) * 3 * torch.tensor([1.0, 4.0]))
    assert torch.equal(layer.weight.grad, torch.tensor([1.0, 8.0]))
    (inner,) = torch.autograd.grad(last.sum(), middle)
    assert torch.equal(inner, torch.tensor([2.0, 3.0]))


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.SGD])
def test_modules_and_optimisers_share_parameters(learner: Learner, make: Callable[..., Any]):
    """Are parameters, flags and the optimiser's state here what they became there?"""
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    twin = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    twin.load_state_dict(model.state_dict())
    X = torch.randn(4, 3)
    mine, other = make(model.parameters(), lr=0.1), make(twin.parameters(), lr=0.1)
    for _ in range(3):
        learner.step(model, mine, X)
        other.zero_grad()
        (twin.eval()(X) ** 2).mean().backward()
        other.step()
    assert torch.allclose(model[0].weight, twin[0].weight)
    assert not model.training and not model[1].training
    assert str(mine.state_dict()["state"].keys()) == str(other.state_dict()["state"].keys())


def test_a_drop_probability_that_was_changed_comes_back(learner: Learner):
    """Has a dropout layer here the p that it got there, and the old one if that is no number?"""
    layer = nn.Sequential(nn.Dropout(0.5))[0]
    learner.set_rate(layer, 0.25)
    assert layer.p == 0.25
    learner.set_rate(layer, "all")
    assert layer.p == 0.25


def test_what_cannot_cross_says_so(learner: Learner):
    """Is an object that cannot be sent refused in words, with the player still there?"""
    with pytest.raises(TypeError, match="cannot cross"):
        learner.same(object())
    assert learner.same(1) == 1


# --- fuzzing ------------------------------------------------------------------------------------

FUZZ = fuzzed(max_examples=200)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(max_size=20),
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def no_handles(data: Any) -> Any:
    raise Broken("no handles here")


def tables() -> tuple[Table, Table]:
    return tuple(Table(referee=r, lend=no_handles, borrow=no_handles) for r in (True, False))


def over(message: Any) -> tuple[Any, list[memoryview]]:
    """A message as the other end receives it."""
    text, parts = flatten(message)
    return json.loads(text), [memoryview(bytes(part)) for part in parts]


@FUZZ
@given(DATA)
def test_any_value_comes_through(value: Any):
    """Is any nested value, sent there and back, what it was?"""
    referee, player = tables()
    there = player.read(*over(referee.write((value,))))
    back = referee.read(*over(player.write((there[0],))))
    assert back == (value,) and repr(there) == repr((value,))


def _resized(storage: torch.Tensor) -> None:
    storage.data = torch.ones(2, 3)


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "an entry": (lambda: torch.zeros(2, 3), lambda x: x[1].fill_(1)),
    "an entry, past autograd": (
        lambda: torch.zeros(2, requires_grad=True),
        lambda x: x.data[0].add_(1),
    ),
    "an entry of what shares memory": (lambda: torch.zeros(2, 3), lambda x: x.numpy().fill(1)),
    "other memory": (lambda: torch.zeros(2, 3), _resized),
    "a shape": (lambda: torch.zeros(2, 3), lambda x: x.resize_(3, 2)),
    "strides": (lambda: torch.zeros(2, 3), lambda x: x.t_()),
    "wanting a gradient": (lambda: torch.zeros(2, 3), lambda x: x.requires_grad_()),
    "a gradient": (lambda: torch.zeros(2, requires_grad=True), lambda x: x.sum().backward()),
    "a number": (lambda: torch.tensor(0.0), lambda x: x.fill_(1)),
    "a view's memory": (lambda: torch.zeros(4, 4)[:, 1], lambda x: x.fill_(1)),
    "low precision": (lambda: torch.zeros(3, dtype=torch.bfloat16), lambda x: x.fill_(1)),
    "an array's entry": (lambda: np.zeros((2, 3)), lambda x: x.fill(1)),
    "an array's NaN": (lambda: np.zeros(3), lambda x: x.fill(np.nan)),
    "an array's sign": (lambda: np.zeros(3), lambda x: np.negative(x, out=x)),
    "an array's shape": (lambda: np.zeros((2, 3)), lambda x: setattr(x, "shape", (3, 2))),
    "leave to write": (lambda: np.zeros(3), lambda x: x.setflags(write=False)),
    "a list": (lambda: [1, [2]], lambda x: x[1].append(3)),
    "a generator": (lambda: np.random.default_rng(), lambda x: x.random()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_place_is_told(change: str):
    """Is an object told once, nothing more while it stays, and each later change of it once?"""
    make, alter = CHANGES[change]
    table, _ = tables()
    thing = make()

    def told() -> int:
        return len(table.write(None)[0])

    table.write(thing)
    assert [told() for _ in range(3)] == [0, 0, 0]
    alter(thing)
    assert told() == 1
    assert [told() for _ in range(3)] == [0, 0, 0]


TAGS = ["list", "dict", "new", "same", "array", "tensor", "rng", "pickle", "int", "tuple"]
WORDS = st.sampled_from([*TAGS, "<f8", "|O", "float32", "PCG64", "player", "referee"])
SCALARS = st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=4)
MESSAGES = st.recursive(
    SCALARS | WORDS | st.just({"part": 0}),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=30,
)


@FUZZ
@given(MESSAGES)
def test_no_message_does_harm(message: Any):
    """Is any JSON whatever either a value or Broken, for the referee?"""
    referee, _ = tables()
    with contextlib.suppress(Broken):
        referee.read(message, [memoryview(bytes(16))])
    assert len(referee.objects) < 40


@FUZZ
@given(st.binary(max_size=200), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_no_bytes_do_harm(tail: bytes, length: int, count: int):
    """Are any bytes on the socket a frame, Broken or TooLate, and no memory taken for a lie?"""
    here, there = socket.socketpair()
    with here, there:
        there.sendall(struct.pack("!II", length, count) + tail)
        there.close()
        with contextlib.suppress(Broken, TooLate):
            Frames(here, text=1 << 16, raw=1 << 16).receive()


def test_a_player_that_ends_is_told(players: Players):
    """Is a process that ends in a call Gone, in words, and the next player fine?"""
    session = Session(players)
    run_cell("import os\ndef leave(): os._exit(3)", session)
    (_, leave) = session.request("names", ("leave",))[0]
    with pytest.raises(Gone, match="stopped here"):
        leave()
    session.close()
    session = Session(players)
    assert run_cell("print(1)", session)[0].text == "1\n"
    session.close()


@pytest.mark.parametrize("second", ["ValueError", "KeyError"])
def test_of_errors_the_first_is_shown(
    second: str, players: Players, monkeypatch: pytest.MonkeyPatch
):
    """Is one error of a cell shown, though a player sends two, and though they are the same?"""
    sent = [("error", name, "no", ()) for name in ("ValueError", second)]
    session = Session(players)
    monkeypatch.setattr(session, "request", lambda *_: tuple(sent))
    assert [output.ename for output in run_cell("", session)] == ["ValueError"]
    monkeypatch.undo()
    session.close()
