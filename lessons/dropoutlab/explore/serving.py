"""Finding dropout's bugs: what a network answers after it was saved, in either mode, and loaded."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dropoutlab.explore.explorer import Explorer, again, choice, grid

Served = Callable[[Tensor], Tensor]
ASKED, DRAWS = 20, 4


def serving(export_for_serving: Callable[[nn.Module, Tensor], Served]) -> Explorer:
    """Explore what a saved network answers, for six ways of saving; p, calls, others."""
    x = torch.linspace(-1, 1, 16)[None]

    def network(p: float) -> nn.Module:
        return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Dropout(p), nn.Linear(64, 1))

    def copied(model: nn.Module, p: float) -> nn.Module:
        loaded = network(p)
        loaded.load_state_dict(model.state_dict())
        return loaded

    def stored(model: nn.Module, p: float) -> Any:
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        return torch.load(file, weights_only=False)

    ways: list[Callable[[nn.Module, float], Any]] = [  # in the order of WAYS in serving.js
        lambda model, p: export_for_serving(model, x),
        copied,
        stored,
        lambda model, p: torch.export.export(model, (x,)).module(),
        lambda model, p: torch.jit.trace(model, x, check_trace=False),
        lambda model, p: torch.jit.script(model),
    ]
    p = choice("drop probability p", 0.5, [0, 0.02, 0.05, 0.1, 0.3, 0.5, 0.9])

    def table() -> dict[str, np.ndarray]:
        answers = np.empty((len(p.values), 2, len(ways), DRAWS * ASKED))
        whole = []
        with torch.random.fork_rng(), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # trace and script are deprecated
            torch.manual_seed(3)
            weights = network(0).state_dict()
            for i, rate in enumerate(p.values):
                model = network(float(rate))
                model.load_state_dict(weights)
                whole.append(model.eval()(x).item())
                for mode, way in np.ndindex(2, len(ways)):  # saved in training, in evaluation
                    loaded = ways[way](model.train(mode == 0), float(rate))
                    torch.manual_seed(7)
                    answers[i, mode, way] = [float(loaded(x)) for _ in range(DRAWS * ASKED)]
        return {"answers": answers, "whole": np.array(whole)}

    calls = grid("calls", 10, 1, ASKED, 1)
    return Explorer("serving", table, p=p, calls=calls, draw=again("Ask again", DRAWS))
