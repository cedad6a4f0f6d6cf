"""Finding dropout's bugs: what a network answers after it was saved, in either mode, and loaded."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider

Served = Callable[[Tensor], Tensor]
ASKED = 40


def serving(export_for_serving: Callable[[nn.Module, Tensor], Served]) -> Explorer:
    """Explore what a saved network answers; the way of saving, p, and eval() after loading."""
    x = torch.linspace(-1, 1, 16)[None]

    def network(p: float) -> nn.Module:
        return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Dropout(p), nn.Linear(64, 1))

    @cache
    def trained(p: float) -> dict[str, Tensor]:
        torch.manual_seed(3)
        return network(p).state_dict()

    def copied(model: nn.Module, p: float) -> nn.Module:
        loaded = network(p)
        loaded.load_state_dict(model.state_dict())
        return loaded

    def stored(model: nn.Module) -> Any:
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        return torch.load(file, weights_only=False)

    ways: dict[str, Callable[[nn.Module, float], Any]] = {
        "your export_for_serving": lambda model, p: export_for_serving(model, x),
        "state_dict": copied,
        "torch.save(network)": lambda model, p: stored(model),
        "torch.export": lambda model, p: torch.export.export(model, (x,)).module(),
        "torch.jit.trace": lambda model, p: torch.jit.trace(model, x, check_trace=False),
        "torch.jit.script": lambda model, p: torch.jit.script(model),
    }

    @cache
    def answers(way: str, p: float, training: bool) -> tuple[list[float], float]:
        """What the loaded network answers, and what the network itself does in evaluation mode."""
        with torch.random.fork_rng(), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # trace and script are deprecated
            model = network(p)
            model.load_state_dict(trained(p))
            whole = model.eval()(x).item()
            loaded = ways[way](model.train(training), p)
            torch.manual_seed(7)
            return [float(loaded(x)) for _ in range(ASKED)], whole

    def draw(figure: Figure, way: int, p: float, shown: int) -> str:
        name = list(ways)[way]
        axes = figure.subplots(1, 2, sharey=True)
        figure.subplots_adjust(left=0.09, right=0.98, bottom=0.18, top=0.88, wspace=0.08)
        dropped, told = answers("torch.jit.trace", p, True)[0], []
        for ax, training in zip(axes, (True, False), strict=True):
            mode = "training" if training else "evaluation"
            given, whole = answers(name, p, training)
            given = given[:shown]
            same = len({*given}) == 1
            ax.axhline(whole, color=plot.INK, linewidth=1)
            ax.plot(given, "o", color=plot.BLUE if same else plot.ORANGE, markersize=5)
            spread = 0.1 + max(abs(answer - whole) for answer in dropped)
            ax.set(xlabel="call", xlim=(-1, ASKED), ylim=(whole - spread, whole + spread))
            ax.set_title(f"{name}, saved in {mode} mode")
            different = len({*given})
            plural = "answer" if different == 1 else "answers"
            told.append(f"saved in {mode} mode it gives {different} different {plural}")
        axes[0].set_ylabel("answer to the same input")
        return f"{name} at p = {p:.1f}: {' and '.join(told)} in {shown} calls."

    return Explorer(
        draw,
        size=(9, 3),
        way=slider("way of saving", 0, 0, len(ways) - 1, 1),
        p=slider("p", 0.5, 0.0, 0.9, 0.1),
        shown=slider("calls", ASKED // 2, 2, ASKED, 1),
    )
