"""Transformers: six places for dropout in a transformer, and what each does to its answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch.nn import functional as F

from dropoutlab import plot, readers
from dropoutlab.explore.explorer import Explorer, slider
from dropoutlab.studies import transformers as study

PASSES = 30
NAMES = {
    "embedding": "embedding + position",
    "attention": "attention weights",
    "heads": "heads",
    "residual": "branch before “+”",
    "mlp": "inside the MLP",
    "layers": "whole block",
}
COINS = {
    "embedding": "a coin for each token and channel",
    "attention": "a coin for each pair of tokens, in each head",
    "heads": "a coin for each head of each block",
    "residual": "a coin for each token, channel and branch",
    "mlp": "a coin for each token and entry inside the MLP",
    "layers": "a coin for each block",
}


@cache
def trained() -> readers.Reader:
    """A network that was trained without dropout."""
    with torch.enable_grad():  # it is first asked for while a picture is drawn, without gradients
        return study.trained({"rate": 0.003, "steps": 0.6}, 0)


def places(attention: Callable, head_dropout: Callable, layer_drop: Callable) -> Explorer:
    """Explore dropout in each place of a small transformer; the place, p, and the image."""
    X_test, y_test = (values[:60] for values in readers.numerals(3000, 3))

    def passes(image: torch.Tensor, rates: dict[str, float], count: int) -> tuple:
        """`count` answers (count, 10) of one set of masks each, and the first pass's masks."""
        reader = trained()
        seen: dict[str, torch.Tensor] = {}

        def drop(x: torch.Tensor, place: str) -> torch.Tensor:
            kept = torch.rand(x.shape) >= rates[place]
            seen.setdefault(place, kept[0])
            return x * kept / (1 - rates[place])

        def through(block: study.Block, x: torch.Tensor) -> torch.Tensor:
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
                return through(reader.blocks[i], x)  # type: ignore[arg-type]

            x = drop(reader.embed(image.expand(count, -1, -1)) + reader.position, "embedding")
            chain = [lambda x, i=i: layer(i, x) for i in range(readers.DEPTH)]
            x = layer_drop(chain, x, rates["layers"])
            seen.setdefault("layers", ran)
            return reader.read(reader.norm(x).mean(1)).softmax(-1)

        if rates["layers"] == 0:
            return run(count), seen
        return torch.cat([run(1) for _ in range(count)]), seen  # a coin counts for a whole call

    @torch.no_grad()
    def draw(figure: Figure, place: int, p: float, image: int) -> str:
        where = readers.PLACES[place]
        shown, label = X_test[image], int(y_test[image])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(image)  # the same values give the same picture
            told, seen = passes(shown, dict.fromkeys(readers.PLACES, 0.0) | {where: p}, PASSES)
            sure, _ = passes(shown, dict.fromkeys(readers.PLACES, 0.0), 1)
        told, sure = told.numpy(), sure[0].numpy()

        left, middle, right = figure.subplots(1, 3, width_ratios=(3, 5, 5))
        figure.subplots_adjust(left=0.01, right=0.985, bottom=0.15, top=0.88, wspace=0.2)
        readers.scheme(left, where)
        show_mask(middle, where, seen)
        scatter = np.random.default_rng(0).uniform(-0.3, 0.3, told.shape)
        right.plot((np.arange(10) + scatter).ravel(), told.ravel(), "o", color=plot.ORANGE,
                   markersize=3, alpha=0.5)  # fmt: skip
        right.plot(range(10), sure, "x", color=plot.INK)
        right.set(
            ylim=(-0.03, 1.03),
            xlabel="class",
            ylabel="probability",
            xticks=range(10),
            yticks=(0, 0.5, 1),
        )
        right.set_title(f"{PASSES} answers to a {label}, evaluation ×")
        same = np.mean(told.argmax(1) == sure.argmax())
        spread = told[:, sure.argmax()].std()
        name = NAMES[where]
        return (
            f"{name[0].upper()}{name[1:]}, p = {p:g}: {COINS[where]}. {same:.0%} of {PASSES} "
            f"passes answer as evaluation does, {sure.argmax()}; its probability is "
            f"{sure.max():.2f} in evaluation, ± {spread:.2f} (s.d.) over the passes."
        )

    return Explorer(
        draw,
        size=(9.5, 3.2),
        place=slider("place, along the way", 1, 0, len(readers.PLACES) - 1, 1),
        p=slider("drop probability p", 0.2, 0.0, 0.9, 0.1),
        image=slider("test image", 8, 0, len(X_test) - 1, 1),
    )


def show_mask(ax: Axes, where: str, seen: dict[str, torch.Tensor]) -> None:
    """What fell in the first pass: entries, weights, heads or blocks."""
    if where == "attention":
        weights = np.hstack(list(np.pad(seen[where].numpy(), ((0, 0), (0, 0), (0, 1)))))[:, :-1]
        tiles = weights.reshape(readers.TOKENS, -1)
        half = (readers.TOKENS + 1) * (readers.HEADS // 2)
        tiles = np.vstack([tiles[:, : half - 1], np.zeros((1, half - 1)), tiles[:, half:]])
        plot.image(tiles, ax, largest=max(1.0, float(tiles.max())))
        ax.axhline(readers.TOKENS, color=plot.PALE, linewidth=6)
        ax.axvline(readers.TOKENS, color=plot.PALE, linewidth=6)
        fell = tiles == 0
        fell[readers.TOKENS], fell[:, readers.TOKENS] = False, False
        rows, columns = fell.nonzero()
        ax.plot(columns, rows, "x", color=plot.ORANGE, markersize=4)
        ax.set(
            title="Your weights, 4 heads; dropped ×",
            xlabel="token that is read",
            ylabel="token that reads",
        )
        return
    if where == "heads":
        grid = seen[where].transpose(0, 1).flatten(1).numpy()
        words, across = "Your heads' outputs", "channel, head by head"
    elif where == "layers":
        grid, words, across = seen[where][None].numpy(), "Your blocks that ran", "block"
    else:
        grid, words, across = seen[where].numpy(), "What survived", "channel"
    plot.mask(grid, ax).set(title=words, xlabel=across, aspect="auto")
    ax.set_ylabel("" if where == "layers" else "token")
