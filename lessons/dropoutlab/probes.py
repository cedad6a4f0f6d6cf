"""Questions that only the process can answer in which the learner's code runs.

A check asks them with `expect.ask("name", …)`: in a notebook that is a plain call, and when
a class is graded it is carried out where the learner's objects are. What comes back is data
like any other: it is compared with what is right, and never believed to be a verdict.
"""

from __future__ import annotations

import builtins
import copy
import gc
import pickle
import time
from collections.abc import Callable
from types import FunctionType
from typing import Any
from unittest import mock

MANY = 20
"""So many numbers in a list are a mask and no setting."""


def deepcopy(thing: Any) -> Any:
    """A deep copy."""
    return copy.deepcopy(thing)


def is_module(thing: Any) -> bool:
    """Whether this is a torch module."""
    import torch

    return isinstance(thing, torch.nn.Module)


def processor_seconds() -> float:
    """The processor time of this process so far: how busy the machine is matters little to it."""
    return time.process_time()


def in_a_new_process(call: Callable[..., Any], *args: Any) -> Any:
    """What `call(*args)` returns where text has another `hash`, as in each new process."""

    def salted(thing: Any) -> int:
        parts = thing if isinstance(thing, tuple) else (thing,)
        return plain((thing, 1) if any(isinstance(part, str) for part in parts) else thing)

    plain = builtins.hash
    with mock.patch.object(builtins, "hash", salted):
        return call(*args)


def without_gradients(call: Callable[..., Any], *args: Any) -> Any:
    """What `call(*args)` returns under `torch.no_grad()`."""
    import torch

    with torch.no_grad():
        return call(*args)


def records_gradients() -> bool:
    """Whether torch records gradients, as it does unless somebody has switched that off."""
    import torch

    return torch.is_grad_enabled()


def saved_bytes(call: Callable[..., Any], *args: Any) -> int:
    """Bytes of the arrays that `call(*args)` keeps, each counted once.

    Those saved for its backward pass (arguments and result among them), the attributes of ctx and
    class in Functions of one's own, and, where `call` is a module, its attributes; weights and
    buffers are none of these. A list of `MANY` numbers or more counts as an array, and what a
    function has around it counts too. So does each other tensor, wherever it is kept (in a global
    dict, say, or a cache), that the call has made and that is there after it, but for its result.
    """
    import torch

    kept: dict[int, int] = {}
    noted: list[Any] = []

    def note(thing: Any) -> Any:
        if isinstance(thing, torch.Tensor):
            kept[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
        elif isinstance(thing, dict | list | set | tuple):
            inside(thing, [*(thing.values() if isinstance(thing, dict) else thing)])
        elif isinstance(thing, FunctionType):
            around = [cell.cell_contents for cell in thing.__closure__ or ()]
            inside(thing, [*around, *(thing.__defaults__ or ())])
        elif hasattr(thing, "nbytes"):  # a NumPy array
            kept[id(thing)] = int(thing.nbytes)
        return thing

    def inside(thing: Any, parts: list[Any]) -> None:
        if any(thing is known for known in noted):
            return
        noted.append(thing)
        if len(parts) >= MANY and all(isinstance(part, int | float) for part in parts):
            kept[id(thing)] = 8 * len(parts)
        else:
            for part in parts:
                note(part)

    def living() -> dict[int, torch.Tensor]:
        kinds = torch.Tensor, torch.nn.Parameter  # a compiler's stand-ins have no memory
        return {id(thing): thing for thing in gc.get_objects() if type(thing) in kinds}

    before = living()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = call(*args)

    def others() -> list[torch.Tensor]:
        return [
            one
            for known, one in living().items()
            if known not in before
            and one is not result
            and one._base is None
            and one.untyped_storage().data_ptr() not in kept
        ]

    if others():
        gc.collect()  # what goes with a cycle is not kept
        for one in others():
            note(one)
    todo, seen = [getattr(result, "grad_fn", None)], set()
    while todo:
        if (node := todo.pop()) is not None and node not in seen:
            seen.add(node)
            note(getattr(node, "__dict__", {}))  # PyTorch's own have none
            note([*vars(getattr(node, "_forward_cls", object)).values()])
            todo += [before for before, _ in node.next_functions]
    for module in call.modules() if isinstance(call, torch.nn.Module) else ():
        own = vars(module).keys() - vars(torch.nn.Module()).keys()
        note([vars(module)[name] for name in own])
    return sum(kept.values())


def device_of(call: Callable[..., Any], *args: Any) -> str:
    """The device of the tensor that `call(*args)` returns."""
    return str(call(*args).device)


def devices_on_meta(call: Callable[..., Any], *args: Any) -> str:
    """The devices of y = call(x, *args) and of x's gradient, for an x on "meta".

    That device has no memory, and is there on every machine. What must read an entry, as indexing
    by a mask does, cannot run there, and is taken for right.
    """
    import torch

    x = torch.ones(6, device="meta", requires_grad=True)
    try:
        y = call(x, *args)
        y.sum().backward()
    except (NotImplementedError, RuntimeError) as error:
        if "called on meta tensors" in str(error) or "data-independent" in str(error):
            return "meta and meta"
        raise
    return f"{y.device} and {x.grad.device if x.grad is not None else None}"


def far_block(kernel: Any, *args: Any) -> Any:
    """Where a block of a dropout kernel stores: `interpreter.far_block`, of the same arguments."""
    from dropoutlab import interpreter

    return interpreter.far_block(kernel, *args)


def nested(module: Any) -> Any:
    """A torch module inside two containers, as a layer is inside a network."""
    import torch

    return torch.nn.Sequential(torch.nn.Sequential(module))


def restored(module: Any) -> Any:
    """A torch module whose state went through a pickle, as `torch.save` sends it."""
    kind: Any = type(module)
    twin = kind.__new__(kind)
    twin.__dict__.update(pickle.loads(pickle.dumps(module.__dict__)))
    return twin


def rng_state() -> Any:
    """The state of torch's own generator."""
    import torch

    return torch.get_rng_state()


def set_rng_state(state: Any) -> None:
    """Put torch's own generator back into a state, so that it draws the same again."""
    import torch

    torch.set_rng_state(state)


def shares_memory(call: Callable[..., Any], *args: Any) -> bool:
    """Whether what `call(*args)` returns holds the memory of an argument, so that both change.

    Of a tuple, the first result is looked at.
    """
    import numpy as np

    def array(thing: Any) -> Any:
        return thing.detach().numpy() if hasattr(thing, "detach") else np.asarray(thing)

    result = call(*args)
    result = array(result[0] if isinstance(result, tuple) else result)
    given = [array(x) for x in args if hasattr(x, "shape")]
    return any(np.shares_memory(result, one) for one in given)


def stands_alone(served: Any) -> bool:
    """Whether this was exported, traced or scripted: a torch module without classes but torch's."""
    import torch

    kinds = (torch.jit.ScriptModule, torch.fx.GraphModule, torch.export.UnflattenedModule)
    return isinstance(served, kinds) and all(
        type(part).__module__.startswith("torch.") for part in served.modules()
    )
