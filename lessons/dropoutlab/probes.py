"""Questions that only the process can answer in which the learner's code runs.

A check asks them with `expect.ask("name", …)`: in a notebook that is a plain call, and when
a class is graded it is carried out where the learner's objects are. What comes back is data
like any other: it is compared with what is right, and never believed to be a verdict.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any


def deepcopy(thing: Any) -> Any:
    """A deep copy."""
    return copy.deepcopy(thing)


def is_module(thing: Any) -> bool:
    """Whether this is a torch module."""
    import torch

    return isinstance(thing, torch.nn.Module)


def saved_bytes(call: Callable[..., Any], *args: Any) -> int:
    """Bytes of the tensors that `call(*args)` saves for its backward pass, arguments left out."""
    import torch

    given = {x.untyped_storage().data_ptr() for x in args if isinstance(x, torch.Tensor)}
    saved: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in given:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = call(*args)
    del result
    return sum(saved.values())


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


def kept_bytes(call: Callable[..., Any], *args: Any) -> int:
    """`saved_bytes`, and the bytes of what a Function of one's own keeps as attributes of ctx."""
    context = getattr(call(*args).grad_fn, "__dict__", {})  # PyTorch's own have none
    own = sum(getattr(value, "nbytes", 0) for value in context.values())
    return saved_bytes(call, *args) + int(own)


def shares_memory(call: Callable[..., Any], *args: Any) -> bool:
    """Whether what `call(*args)` returns holds the memory of an argument, so that both change."""
    import numpy as np

    def array(thing: Any) -> Any:
        return thing.detach().numpy() if hasattr(thing, "detach") else np.asarray(thing)

    result = array(call(*args))
    given = [array(x) for x in args if hasattr(x, "shape")]
    return any(np.shares_memory(result, one) for one in given)
