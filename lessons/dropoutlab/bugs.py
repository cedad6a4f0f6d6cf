"""What is wrong with dropout in a network: the tool that a lesson builds, for everyday use.

In a test-suite, where `build` makes your network:

    import torch
    from dropoutlab.bugs import find_dropout_bugs

    def test_dropout_is_used_as_it_should_be():
        assert find_dropout_bugs(build(), torch.rand(4, 1, 8, 8)) == {}

On the command line, `python -m dropoutlab.bugs package.module:function` looks at what the function
returns, a network or (network, *inputs). Its exit status is 0 where nothing was found, 1 where a
bug was, and 2 where the network could not be looked at.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import importlib
import inspect
import random
import re
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

EVALUATION = "on in evaluation"
OUTPUT = "after the output layer"
CERTAIN = "p is 0 or 1"
UNEQUAL = "unequal p"


def find_dropout_bugs(
    model: nn.Module, /, *inputs: Any, runs: int = 10, **named: Any
) -> dict[str, list[str]]:
    """The bugs found in `model`, each with the names of the modules in which it shows.

    "on in evaluation"
        after model.eval() a function of torch's drops, or `runs` runs of model(*inputs, **named)
        differ; named is where they first do. Normal noise is taken for sampling that is meant.
    "after the output layer"
        what a linear layer or a convolution made is dropped and returned: nothing but a softmax,
        a constant or a new shape comes in between. A network that keeps the shape
        (batch, length, features) of an input is taken for a block, which has no output layer.
    "p is 0 or 1"
        of dropout that is called. A 0 is no bug where it is a setting: in a block (a class inside
        the network), of a name like head_drop, or in several roles; while none of its role drops.
    "unequal p"
        dropout of one role differs in p. A role is a module's name up to its numbers, the kind of
        dropout, and the kind of the latest weights (linear, conv2d, …) before it. Three rates or
        more that rise or fall from call to call are a schedule, and no bug; nor are rates at which
        whole samples drop.

    Dropout is a call of torch's functions for it, and a layer that behaves so: in evaluation it
    gives its input, in training zeros and a multiple of it. A healthy network gives {}. Network,
    inputs and random generators are left as they were, also where this raises.

    Raises what model(*inputs, **named) raises; ValueError for fewer than two runs, and for lazy
    layers that have no weights yet.
    """
    if runs < 2:
        raise ValueError(f"runs must be 2 or more, not {runs}: one run differs from nothing")
    if any(nn.parameter.is_lazy(weight) for weight in model.parameters()):
        raise ValueError("lazy layers have no weights yet: call the model once before")
    layers: dict[int, Rate] = {}
    with _Kept(model, inputs, named) as kept:
        model.eval()
        first = _Run(model, *_copied(inputs, named), layers)
        for module, args, kwargs in first.identities.values():
            if rate := _behaviour(module, args, kwargs):
                layers[id(module)] = rate
        on = first.on[:1]
        for _ in range(runs - 1):
            kept.restore()
            model.eval()
            run = _Run(model, *_copied(inputs, named), layers)
            on = on or _apart(first, run)
    bugs = {
        EVALUATION: on,
        OUTPUT: run.last,
        CERTAIN: _certain(run.drops),
        UNEQUAL: _unequal(run.drops),
    }
    return {bug: list(dict.fromkeys(names)) for bug, names in bugs.items() if names}


class Rate(NamedTuple):
    """How something drops: with p, None where unknown; and whole samples, or parts of them."""

    p: float | None
    samples: bool = False


@dataclasses.dataclass(eq=False)
class Drop:
    """A call of dropout in the module `name`."""

    name: str
    rate: Rate
    role: tuple[Any, ...]  # shared with its like
    setting: bool  # a block's, or with a name of its own: it may be told not to drop


class Flow(NamedTuple):
    """What is known of a tensor; of one from elsewhere, that it may depend on the inputs."""

    data: bool = True  # it depends on the inputs
    drops: frozenset[Drop] = frozenset()  # and on these calls of dropout
    output: frozenset[Drop] | None = None  # an output layer's, if not None: dropped by these
    latest: tuple[int, str] = (0, "")  # weights that it went through: how many before, which


@dataclasses.dataclass(eq=False)
class Call:
    """A call of a module."""

    name: str
    module: nn.Module
    drops: int = 0  # it calls dropout so often, its submodules not counted
    noise: bool = False  # it calls what samples, its submodules not counted


PRODUCTS = {"linear", "bilinear", "matmul", "rmatmul", "mm", "bmm", "addmm", "baddbmm", "einsum"}
PRODUCTS |= {f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)}
WEIGHTS = PRODUCTS | {"embedding", "embedding_bag", "multi_head_attention_forward"}
WEIGHTS |= {f"{kind}{cell}" for kind in ("lstm", "gru", "rnn_tanh", "rnn_relu")
            for cell in ("", "_cell")}  # fmt: skip
DROPOUT = {"dropout", "dropout1d", "dropout2d", "dropout3d"}
DROPOUT |= {"alpha_dropout", "feature_dropout", "feature_alpha_dropout"}
NOISE = {"argsort", "randn", "randn_like", "normal", "log_normal", "exponential", "gumbel_softmax"}
NOISE |= {"multinomial", "poisson", "randint", "randint_like", "randperm"}
KEEPS = {  # what an output layer made stays an output
    "softmax", "log_softmax", "sigmoid", "logsigmoid", "exp", "log", "add", "radd", "sub", "rsub",
    "mul", "rmul", "div", "rdiv", "neg", "mean", "sum", "max", "argmax", "topk", "view",
    "view_as", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "t", "get", "transpose",
    "permute", "movedim", "getitem", "select", "narrow", "chunk", "split", "unbind", "expand",
    "contiguous", "clone", "detach", "to", "type", "float", "double", "half", "bfloat16",
}  # fmt: skip


class _Run(TorchFunctionMode):
    """One run of the model: the calls of its modules, and what becomes of what is dropped."""

    def __init__(self, model: nn.Module, inputs: Any, named: Any, layers: dict[int, Rate]):
        super().__init__()
        self.model, self.layers = model, layers  # by id: dropout that calls no function for it
        self.names = {id(module): name for name, module in model.named_modules()}
        whole = Call(type(model).__name__, model)
        self.stack = [whole]
        self.steps: list[tuple[Call, bool, list[torch.Tensor]]] = [(whole, False, [])]
        self.identities: dict[int, tuple[nn.Module, Any, Any]] = {}  # each with its arguments
        self.on: list[str] = []  # where something was dropped
        self.drops: list[Drop] = []
        self.followed: frozenset[Drop] = frozenset()  # weights follow on these
        self.weighed = 0  # calls of functions of weights
        self.flows = WeakTensorKeyDictionary()
        for weight in (*model.parameters(), *model.buffers()):
            self.flows[weight] = Flow(data=False)
        hooks = []
        for module in model.modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue  # it takes no hooks
            hooks += [
                module.register_forward_pre_hook(self.begin, with_kwargs=True, prepend=True),
                module.register_forward_hook(self.end, with_kwargs=True),
            ]
        try:
            with self, _eagerly():
                made = model(*inputs, **named)
        finally:
            for hook in hooks:
                hook.remove()
        self.steps.append((whole, True, _copies(made)))
        blocks = {x.shape for x in _tensors((inputs, named)) if x.dim() == 3}
        ends = [self.flow(x).output or () for x in _tensors(made) if x.shape not in blocks]
        last = {drop for end in ends for drop in end if drop.rate.p != 0} - self.followed
        self.last = [drop.name for drop in self.drops if drop in last]

    def begin(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        call = Call(self.names[id(module)] or type(module).__name__, module)
        self.stack.append(call)
        self.steps.append((call, False, _copies((args, kwargs))))

    def end(self, module: nn.Module, args: Any, kwargs: Any, made: Any) -> Any:
        while (call := self.stack.pop()).module is not module:
            pass  # that one raised, and the model went on
        self.steps.append((call, True, _copies(made)))
        given = _tensors((args, kwargs))
        if len(given) != 1 or not isinstance(made, torch.Tensor) or call.drops:
            return None
        if rate := self.layers.get(id(module)):
            return self.dropped(call, type(module), rate, given[0], made)
        own = not type(module).__module__.startswith("torch.") and not any(module.children())
        if own and made.is_floating_point() and _same(_copies(made), _copies(given)):
            self.identities.setdefault(id(module), (module, args, kwargs))
        return None

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "").strip("_")
        given = _tensors((args, kwargs))
        flows = [self.flow(x) for x in given]
        made = function(*args, **kwargs)
        call = self.stack[-1]
        call.noise |= name in NOISE
        p, on = _p_and_mode(function, name, args, kwargs)
        if p > 0 and on:
            self.on.append(call.name)
        if name in DROPOUT:
            return self.dropped(call, name, Rate(p), given[0], made)
        data = [flow for flow in flows if flow.data]
        drops = frozenset[Drop]().union(*(flow.drops for flow in flows))
        latest = max((flow.latest for flow in flows), default=(0, ""))
        output = data[0].output if len(data) == 1 and name in KEEPS else None
        if name in WEIGHTS and 0 < len(data) < len(flows):
            self.followed |= drops
            self.weighed += 1
            output, latest = frozenset() if name in PRODUCTS else None, (self.weighed, name)
        for x in _tensors(args[0] if name == "setitem" else made):
            self.flows[x] = Flow(bool(data), drops, output, latest)
        return made

    def flow(self, x: torch.Tensor) -> Flow:
        flow: Flow = self.flows.get(x, Flow())
        return flow

    def dropped(
        self, call: Call, kind: Any, rate: Rate, given: torch.Tensor, made: torch.Tensor
    ) -> torch.Tensor:
        """Note a call of dropout, and give back what it made."""
        flow = self.flow(given)
        *parents, _ = self.names[id(call.module)].split(".")
        paths = [".".join(parents[: i + 1]) for i in range(len(parents))]
        plain = all(type(self.model.get_submodule(path)) is nn.Sequential for path in paths)
        layer = not [*call.module.children(), *call.module.parameters()]
        role = re.sub(r"\d+", "#", call.name), call.drops, kind, flow.data, flow.latest[1]
        drop = Drop(call.name, rate, role, not (plain and layer) or "_drop" in call.name)
        call.drops += 1
        self.drops.append(drop)
        if made is given:
            made = made.view_as(made)  # another name: the input itself is not dropped
        output = None if flow.output is None else flow.output | {drop}
        self.flows[made] = flow._replace(drops=flow.drops | {drop}, output=output)
        return made


def _eagerly() -> AbstractContextManager[Any]:
    """Nothing is compiled: torch.compile hides the calls."""
    used = "torch._dynamo" in sys.modules  # to import it takes longer than all else
    return torch.compiler.set_stance("force_eager") if used else nullcontext()


def _p_and_mode(function: Any, name: str, args: Any, kwargs: Any) -> tuple[float, bool]:
    """The p of a call of torch's, and whether it drops; 0 and False of one without dropout."""
    values = dict(zip(("input", "p", "training"), args, strict=False)) | kwargs
    if name in DROPOUT:
        training = values.get("training", values.get("train", "alpha" not in name))
        return float(values.get("p", 0.5)), bool(training)
    if name == "scaled_dot_product_attention":
        return kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0), True
    if name == "multi_head_attention_forward":
        values = inspect.signature(function).bind(*args, **kwargs).arguments
        return values["dropout_p"], values.get("training", True)
    return 0.0, False


def _behaviour(module: nn.Module, args: Any, kwargs: Any) -> Rate | None:
    """How a layer that gives its input in evaluation drops ones in training; None if it doesn't."""

    def ones(value: Any) -> Any:
        return torch.ones_like(value) if isinstance(value, torch.Tensor) else value

    @torch.no_grad()
    def of_ones() -> torch.Tensor | None:
        try:
            made = module(*map(ones, args), **{key: ones(kwargs[key]) for key in kwargs})
        except Exception:  # a layer of dropout takes ones
            return None
        return made if isinstance(made, torch.Tensor) else None

    still = of_ones()
    if still is None or not (still == 1).all():
        return None
    module.train()
    factors: set[float] = set()
    some = entries = False  # are there zeros; are they in parts of samples
    for n in range(200):
        if n >= 20 and some and factors:
            break
        if (made := of_ones()) is None or made.shape != still.shape:
            return None
        values = made[made != 0].unique().tolist()
        if len(values) > 1 or min(values, default=1) < 0:
            return None
        factors.update(round(value, 4) for value in values)
        zero = (made == 0).reshape(len(made), -1) if made.dim() else (made == 0).reshape(1, 1)
        some |= bool(zero.any())
        entries |= bool((zero.any(1) != zero.all(1)).any()) or zero.shape[1] == 1
    if not some:
        off = "Dropout" in type(module).__name__ and getattr(module, "p", None) == 0
        return Rate(0.0) if off else None
    if not factors:
        return Rate(1.0, not entries)
    factor = factors.pop()
    known = not factors and factor > 1  # survivors are divided by 1 - p
    return Rate(round(1 - 1 / factor, 3) if known else None, not entries)


def _apart(first: _Run, other: _Run) -> list[str]:
    """The first module that made something else of the same input, if there is one."""
    alike: list[tuple[Call, bool]] = []  # the calls under way: were they given the same
    for (call, ends, a), (call_b, ends_b, b) in zip(first.steps, other.steps, strict=False):
        if (call.name, ends) != (call_b.name, ends_b):
            return [alike[-1][0].name]  # it calls other modules
        if not ends:
            alike.append((call, _same(a, b)))
            continue
        while (begun := alike.pop())[0] is not call:
            pass
        if begun[1] and not _same(a, b):
            meant = call.noise and "drop" not in type(call.module).__name__.lower()
            return [] if meant else [call.name]
    return []


def _certain(drops: list[Drop]) -> list[str]:
    rates = _rates(drops)
    off = [drop for drop in drops if drop.rate.p == 0]
    one_role = len({drop.role[0] for drop in off}) == 1
    slips = [d for d in off if any(rates[d.role]) or (one_role and not d.setting)]
    return [drop.name for drop in drops if drop.rate.p == 1 or drop in slips]


def _unequal(drops: list[Drop]) -> list[str]:
    rates = _rates(drops)
    return [drop.name for drop in drops if not drop.rate.samples and _differ(rates[drop.role])]


def _rates(drops: list[Drop]) -> dict[tuple[Any, ...], list[float]]:
    """The known rates of each role, in the order of the calls."""
    rates: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for drop in drops:
        rates[drop.role] += [drop.rate.p] if drop.rate.p is not None else []
    return rates


def _differ(rates: list[float]) -> bool:
    ordered = rates in (sorted(rates), sorted(rates, reverse=True))
    return len(set(rates)) > 1 and not (len(set(rates)) > 2 and ordered)


def _leaves(value: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """The tensors, arrays and numbers in a value: in collections, dataclasses and objects too."""
    seen = set() if seen is None else seen
    if isinstance(value, torch.Tensor | np.ndarray | np.number | int | float | complex):
        yield value
    elif isinstance(value, str | bytes | type | nn.Module) or id(value) in seen:
        return
    else:
        seen.add(id(value))
        if isinstance(value, Mapping):
            items = list(value.values())
        elif isinstance(value, list | tuple | set | frozenset | deque):
            items = list(value)
        elif dataclasses.is_dataclass(value):
            items = [getattr(value, field.name) for field in dataclasses.fields(value)]
        else:
            items = list(getattr(value, "__dict__", {}).values())
        for item in items:
            yield from _leaves(item, seen)


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in _leaves(value) if isinstance(leaf, torch.Tensor)]


def _copies(value: Any) -> list[torch.Tensor]:
    """Copies of what can be compared, as plain tensors."""
    copies = []
    with torch._C.DisableTorchFunction():  # a run shall not see it
        for leaf in _leaves(value):
            if not isinstance(leaf, torch.Tensor):
                leaf = np.array(leaf, order="C")
                if leaf.dtype.kind not in "biufc":
                    continue
            x = torch.as_tensor(leaf)
            if torch._C._functorch.is_functorch_wrapped_tensor(x):
                continue  # it lives within torch.func alone
            for part in x.detach().unbind() if x.is_nested else [x.detach()]:
                part = part.dequantize() if part.is_quantized else part
                copies.append(part.to_dense() if part.layout != torch.strided else part.clone())
    return copies


def _copied(inputs: Any, named: Any) -> tuple[Any, Any]:
    """The inputs with other tensors in them, which the network may change."""
    memo: dict[int, Any] = {
        id(x): x.detach().clone().requires_grad_(x.requires_grad) for x in _tensors((inputs, named))
    }
    try:
        return copy.deepcopy((inputs, named), memo)
    except Exception:  # there is something in them that has no copy
        return inputs, named


def _same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(map(_close, a, b))


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Are they equal, but for the rounding of sums in another order, as on a GPU?"""
    if (a.shape, a.dtype, a.device) != (b.shape, b.dtype, b.device):
        return False
    if torch.equal(a, b) or not (a.is_floating_point() or a.is_complex()):
        return torch.equal(a, b)
    if a.is_complex():
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    digits = torch.finfo(a.dtype).eps ** 0.5
    a, b = a.double(), b.double()
    sizes = a[a.isfinite() & (a != 0)].abs()
    usual = sizes.median().item() if len(sizes) else 0.0
    return torch.allclose(a, b, rtol=digits, atol=digits * usual, equal_nan=True)


class _Kept:
    """Puts back what runs change: attributes, tensors and their gradients, random generators."""

    def __init__(self, *values: Any):
        self.seen: dict[int, Any] = {}
        self.undo: list[Callable[[], Any]] = []
        self.generators: list[Callable[[], Any]] = []
        for value in values:
            self.keep(value)

    def __enter__(self) -> _Kept:
        self.generators += [
            partial(torch.set_rng_state, torch.get_rng_state()),
            partial(random.setstate, random.getstate()),
            partial(np.random.set_state, np.random.get_state()),
        ]
        if torch.cuda.is_initialized():
            states = torch.cuda.get_rng_state_all()
            self.generators.append(partial(torch.cuda.set_rng_state_all, states))
        return self

    def __exit__(self, *error: object) -> None:
        self.restore()
        for put_back in self.generators:
            put_back()

    def restore(self) -> None:
        """Put back all but the generators: another run draws other numbers."""
        for put_back in self.undo:
            put_back()

    def keep(self, value: Any) -> None:
        if id(value) in self.seen:
            return
        self.seen[id(value)] = value
        if isinstance(value, torch.Tensor):
            if value.layout == torch.strided and not value.is_nested:
                self.keep_tensor(value)
        elif isinstance(value, nn.Module):
            self.keep(vars(value))
        elif isinstance(value, torch.Generator):
            self.generators.append(partial(value.set_state, value.get_state()))
        elif isinstance(value, np.random.Generator):
            bits = value.bit_generator
            self.generators.append(partial(setattr, bits, "state", bits.state))
        elif type(value) in (dict, OrderedDict, defaultdict, list, set, deque):
            before = value.copy()
            add = value.extend if isinstance(value, list | deque) else value.update
            self.undo.append(lambda: (value.clear(), add(before)))
            for item in before.values() if isinstance(before, dict) else before:
                self.keep(item)
        elif isinstance(value, tuple | Mapping):
            for item in value.values() if isinstance(value, Mapping) else value:
                self.keep(item)
        elif dataclasses.is_dataclass(value):
            self.keep(getattr(value, "__dict__", None))

    def keep_tensor(self, value: torch.Tensor) -> None:
        data, before, needed = value.data, value.data.clone(), value.requires_grad
        grad = value.grad if value.is_leaf else None
        self.keep(grad)

        def put_back() -> None:
            if value.data_ptr() != data.data_ptr() or value.shape != data.shape:
                value.data = data
            if not torch.equal(data, before):
                data.copy_(before)
            if value.is_leaf:
                value.requires_grad_(needed)
                value.grad = grad

        self.undo.append(put_back)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m dropoutlab.bugs", description="Find the dropout bugs of a network."
    )
    parser.add_argument(
        "network",
        metavar="module:function",
        help="a function without arguments that returns the network, or (network, *inputs)",
    )
    place = parser.parse_args().network
    module, _, function = place.partition(":")
    if not module or not function:
        parser.error(f"{place!r} is not module:function, as in my.networks:build")
    try:
        step = f"{module} could not be imported"
        found = importlib.import_module(module)
        step = f"{module} has no {function}"
        build = getattr(found, function)
        step = f"{place} raised"
        made = build()
        model, *inputs = made if isinstance(made, tuple | list) else (made,)
        if not isinstance(model, nn.Module):
            parser.error(f"{place} returned {type(model).__name__}, not a network")
        step = "the network could not be looked at"
        bugs = find_dropout_bugs(model, *inputs)
    except Exception as error:
        parser.error(f"{step}: {type(error).__name__}: {error}")
    for bug, names in bugs.items():
        for name in names:
            print(f"{name}: {bug}")
    if not bugs:
        print("no dropout bug found")
    return 1 if bugs else 0


if __name__ == "__main__":
    sys.exit(main())
