"""Transformers: six places for dropout in a transformer, and what each does to its answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from dropoutlab import readers
from dropoutlab.explore.explorer import Explorer, choice, grid
from dropoutlab.studies import transformers as study

PASSES, IMAGES, CELLS = 30, 4, 1536
"""Answers to an image; images to choose from; the most entries that a mask has."""
NAMES = {
    "embedding": "embedding + position",
    "attention": "attention weights",
    "heads": "heads",
    "residual": "branch before “+”",
    "mlp": "inside the MLP",
    "layers": "whole block",
}


@cache
def trained() -> readers.Reader:
    """A network that was trained without dropout."""
    with torch.enable_grad():  # it is first asked for where nothing else needs gradients
        return study.trained({"rate": 0.003, "steps": 0.6}, 0)


def places(attention: Callable, head_dropout: Callable, layer_drop: Callable) -> Explorer:
    """Explore dropout in each place of a small transformer; the place, p, and the image."""
    X_test, y_test = (values[:IMAGES] for values in readers.numerals(3000, 3))
    rates = grid("drop probability p", 0.2, 0.0, 0.9, 0.1)

    def passes(image: torch.Tensor, rates: dict[str, float], count: int) -> tuple:
        """`count` answers (count, 10) of one set of masks each, and the first pass's masks."""
        reader = trained()
        seen: dict[str, torch.Tensor] = {}

        def drop(x: torch.Tensor, place: str) -> torch.Tensor:
            kept = torch.rand(x.shape) >= rates[place]
            seen.setdefault(place, kept[0])
            return x * kept / (1 - rates[place])

        def through(block: Any, x: torch.Tensor) -> torch.Tensor:
            qkv = block.qkv(block.norm_1(x)).unflatten(2, (3, readers.HEADS, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            if "attention" not in seen:  # the identity brings the weights out
                eye = torch.eye(readers.TOKENS).expand(1, readers.HEADS, -1, -1)
                state = torch.get_rng_state()
                seen["attention"] = attention(q[:1], k[:1], eye, rates["attention"])[0]
                torch.set_rng_state(state)
            mixed = head_dropout(attention(q, k, v, rates["attention"]), rates["heads"])
            seen.setdefault("heads", mixed[0])
            x = x + drop(block.out(mixed.transpose(1, 2).flatten(2)), "residual")
            hidden = drop(F.gelu(block.wide(block.norm_2(x))), "mlp")
            return x + drop(block.narrow(hidden), "residual")

        def run(count: int) -> torch.Tensor:
            ran = torch.zeros(readers.DEPTH)

            def layer(i: int, x: torch.Tensor) -> torch.Tensor:
                ran[i] = 1
                return through(reader.blocks[i], x)

            x = drop(reader.embed(image.expand(count, -1, -1)) + reader.position, "embedding")
            chain = [lambda x, i=i: layer(i, x) for i in range(readers.DEPTH)]
            x = layer_drop(chain, x, rates["layers"])
            seen.setdefault("layers", ran)
            return reader.read(reader.norm(x).mean(1)).softmax(-1)

        if rates["layers"] == 0:
            return run(count), seen
        return torch.cat([run(1) for _ in range(count)]), seen  # a coin counts for a whole call

    @torch.no_grad()
    def table() -> dict[str, np.ndarray]:
        none = dict.fromkeys(readers.PLACES, 0.0)
        masks = np.zeros((len(NAMES), len(rates.values), IMAGES, CELLS), np.uint8)
        answers = np.zeros((len(NAMES), len(rates.values), IMAGES, PASSES, 10), np.uint8)
        with torch.random.fork_rng(devices=[]):
            for place in np.ndindex(masks.shape[:3]):
                torch.manual_seed(place[2])
                where, p = readers.PLACES[place[0]], float(rates.values[place[1]])
                told, seen = passes(X_test[place[2]], none | {where: p}, PASSES)
                answers[place] = np.round(255 * told.numpy())
                shown = seen[where].float().flatten().abs()
                scale = 255 if where == "attention" else 1e9
                masks[place][: len(shown)] = np.ceil((scale * shown).clamp(0, 255).numpy())
            sure = [passes(image, none, 1)[0][0].numpy() for image in X_test]
        return {
            "masks": masks,
            "answers": answers,
            "sure": np.array(sure),
            "labels": y_test.numpy(),
        }

    return Explorer(
        "places",
        table,
        place=choice("place", NAMES["attention"], list(NAMES.values())),
        p=rates,
        image=grid("test image", 2, 0, IMAGES - 1, 1),
    )
