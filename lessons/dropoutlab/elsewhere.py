"""What PyTorch keeps for backward, and moves, on a GPU, told without one.

PyTorch's fake tensors have a device, a shape and a dtype, and no memory. They go through the same
operations as real ones would on that device.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

P = 0.1
"""The drop rate; what is kept does not depend on it."""

Step = tuple[str, list[torch.Tensor], list[torch.Tensor]]


class _Recorded(TorchDispatchMode):
    """The operations that are carried out: name, tensors in, tensors out."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [x for x in torch.utils._pytree.tree_leaves((args, kwargs)) if _is(x)]
        made = [x for x in torch.utils._pytree.tree_leaves(out) if _is(x)]
        self.steps.append((func.overloadpacket.__name__, given, made))
        return out


def _is(thing: Any) -> bool:
    return isinstance(thing, torch.Tensor)


def _bytes(tensors: Sequence[torch.Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


def _run(call: Callable[..., Any], device: str, shapes: Sequence[Sequence[int]]) -> list[Step]:
    """The operations of `call` on fake tensors of these shapes, float32, on a device."""
    with FakeTensorMode(), torch.no_grad():
        given = [torch.empty(tuple(shape), device=device) for shape in shapes]
        with _Recorded() as told:
            call(*given)
    return told.steps


def moved(call: Callable[..., Any], *shapes: Sequence[int]) -> list[tuple[str, int]]:
    """The operations of `call` on a GPU, and the bytes that each reads and writes."""
    steps = _run(call, "cuda", shapes)
    return [(name, _bytes(given) + _bytes(made)) for name, given, made in steps if made]


def mask_bytes_of_a_layer(shapes: Mapping[str, Sequence[int]]) -> dict[str, dict[str, int]]:
    """The bytes of each mask that backward needs: in what it is kept, then by the mask's name.

    "cpu" and "gpu": each operation as it comes. "compiled": by `torch.compile`, as it does by
    itself, on a CPU (without a GPU, autograd refuses a fake tensor that asks for gradients on one).
    "flash": flash attention on a GPU for the mask named "attention", (texts, heads, tokens,
    tokens), the others as they come.
    """
    flash = {"attention": _in_flash_attention(shapes["attention"])}
    gpu = {name: _on_a_gpu(shape) for name, shape in shapes.items()}
    return {
        "cpu": {name: _on_a_cpu(shape) for name, shape in shapes.items()},
        "gpu": gpu,
        "compiled": {name: _compiled(shape) for name, shape in shapes.items()},
        "flash": gpu | flash,
    }


def _on_a_cpu(shape: Sequence[int]) -> int:
    """What autograd saves for F.dropout on a CPU."""
    kept: list[torch.Tensor] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with FakeTensorMode():
        x = torch.empty(tuple(shape), requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            F.dropout(x, P)
    return _bytes(kept)


def _on_a_gpu(shape: Sequence[int]) -> int:
    """What `native_dropout` returns for backward beside its output."""
    steps = _run(partial(F.dropout, p=P), "cuda", [shape])
    return sum(_bytes(made[1:]) for name, _, made in steps if name == "native_dropout")


def _in_flash_attention(shape: Sequence[int]) -> int:
    """What flash attention returns for backward from which the mask is made: whole numbers."""
    texts, heads, tokens, _ = shape

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
        torch.ops.aten._scaled_dot_product_flash_attention(q.half(), k.half(), v.half(), P)

    *_, (_, _, made) = _run(attend, "cuda", [(texts, heads, tokens, 64)] * 3)
    numbers = [t for t in made if not t.is_floating_point() and t.device.type != "meta"]
    return _bytes([t for t in numbers if t.ndim])  # a number without axes is there for no use


def _compiled(shape: Sequence[int]) -> int:
    """What the forward graph of `torch.compile` hands to the backward graph for F.dropout."""
    handed: list[torch.Tensor] = []

    def look(graph: torch.fx.GraphModule) -> None:
        (output,) = (node for node in graph.graph.nodes if node.op == "output")
        handed.extend(node.meta["val"] for node in output.args[0][1:])

    with FakeTensorMode():
        graphs(partial(F.dropout, p=P), look)(torch.empty(tuple(shape), requires_grad=True))
    return _bytes([t for t in handed if _is(t)])


def graphs(
    function: Callable[..., Any],
    look: Callable[[torch.fx.GraphModule], object] = lambda graph: None,
    budget: float = 1.0,
) -> Callable[..., Any]:
    """`function` as the two graphs that `torch.compile` makes of it, run without a compiler.

    `look` is shown the forward graph. `budget` is PyTorch's `activation_memory_budget`: the share
    of what backward needs that may be kept; the rest is made again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch's, of PyTorch's own
        import torch._functorch.config as settings
        from torch._functorch._aot_autograd.utils import make_boxed_func
        from torch._functorch.aot_autograd import aot_function
        from torch._guards import detect_fake_mode
        from torch._inductor.compile_fx import partition_fn
        from torch._inductor.decomposition import select_decomp_table
        from torch._inductor.virtualized import V

    def forward(gm: Any, example_inputs: Any) -> Any:
        look(gm)
        return make_boxed_func(gm)

    def parted(joint: torch.fx.GraphModule, *args: Any, **kwargs: Any) -> Any:
        seen = [node.meta["val"] for node in joint.graph.nodes if "val" in node.meta]
        with V.set_fake_mode(detect_fake_mode(seen)):
            return partition_fn(joint, *args, **kwargs)

    def backward(gm: Any, example_inputs: Any) -> Any:
        return make_boxed_func(gm)

    made = aot_function(
        function, forward, backward, partition_fn=parted, decompositions=select_decomp_table()
    )

    def run(*args: Any) -> Any:
        with settings.patch(activation_memory_budget=budget):
            return made(*args)

    return run
