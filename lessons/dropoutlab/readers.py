"""Small vision transformers that read printed numerals, built of somebody's blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor, nn
from torch.nn import functional as F

from dropoutlab import data, plot, stacked, today

PLACES = ("embedding", "attention", "heads", "residual", "mlp", "layers")
TOKENS, PIXELS, DIM, HEADS, DEPTH, CLASSES = 16, 9, 24, 4, 3, 10
ROWS, STEPS, BATCH = 400, 600, 20

Images = tuple[Tensor, Tensor]
"""Images as patches, (n, 16, 9) float32, and their classes (n,)."""
Blocks = Callable[..., nn.Module]
"""Blocks(dim, heads, p_attention, p_residual, p_mlp, p_heads): a block, (B, T, dim) to the same."""
LayerDrop = Callable[..., Tensor]
"""layer_drop(layers, x, p, training=…) sends x through the layers, some of them skipped."""


@cache
def numerals(n: int, seed: int) -> Images:
    """`n` printed numerals at half their size: of 14 × 14 pixels the inner 12 × 12, as 16 patches
    of 3 × 3. A patch is a token. Seeds 1, 2 and 3 are for training, validation and test."""
    images, labels = data.glyphs(n, seed)
    inner = torch.as_tensor(data.halved(images)).float()[:, 1:13, 1:13]
    return today.patches(inner, 3), torch.as_tensor(labels)


def learned(seed: int, rows: int = ROWS) -> Images:
    """The images from which networks of a seed learn."""
    X, y = numerals(8 * ROWS, 1)
    own = stacked.Chance(seed).subset(len(X), rows)
    return X[own], y[own]


class Reader(nn.Module):
    """embedding + position, then the blocks one after another, norm, mean over tokens, classes.

    blocks : see `Blocks`; rates : the drop probability of each place of `PLACES`, else 0
    layer_drop : see `LayerDrop`; needed where rates["layers"] is above 0
    """

    def __init__(
        self,
        blocks: Blocks,
        rates: Mapping[str, float],
        layer_drop: LayerDrop | None = None,
        depth: int = DEPTH,
    ):
        super().__init__()
        p = dict.fromkeys(PLACES, 0.0) | dict(rates)
        self.embed, self.read = nn.Linear(PIXELS, DIM), nn.Linear(DIM, CLASSES)
        self.position = nn.Parameter(torch.zeros(TOKENS, DIM))
        self.blocks = nn.ModuleList(
            blocks(DIM, HEADS, p["attention"], p["residual"], p["mlp"], p["heads"])
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(DIM)
        self.p_embedding, self.p_layers, self.layer_drop = p["embedding"], p["layers"], layer_drop

    def forward(self, X: Tensor, without: Sequence[int] = ()) -> Tensor:
        """Logits (n, 10) of patches (n, 16, 9), where asked without some of the blocks."""
        x = F.dropout(self.embed(X) + self.position, self.p_embedding, self.training)
        layers = [block for k, block in enumerate(self.blocks) if k not in without]
        if self.p_layers and self.layer_drop is not None:
            x = self.layer_drop(layers, x, self.p_layers, training=self.training)
        else:
            for layer in layers:
                x = layer(x)
        return self.read(self.norm(x).mean(1))

    @torch.no_grad()
    def judged(self, images: Images, without: Sequence[int] = ()) -> tuple[float, float]:
        """The log loss in nats and the error rate in percent, in evaluation mode."""
        X, y = images
        z = self.eval()(X, without)
        return float(F.cross_entropy(z, y)), 100 * float((z.argmax(-1) != y).float().mean())


def begin(reader: Reader, chance: stacked.Chance) -> None:
    """Weights before training, which follow from the seed and a weight's name alone."""
    with torch.no_grad():
        for name, w in reader.named_parameters():
            if w.dim() == 2:
                noise = torch.randn(w.shape, generator=chance.stream(name))
                w.copy_(noise * (0.3 if name == "position" else w.shape[1] ** -0.5))
            elif name.endswith("bias"):
                w.zero_()


def trained(
    blocks: Blocks,
    seed: int,
    rates: Mapping[str, float],
    *,
    rate: float,
    layer_drop: LayerDrop | None = None,
    two: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    depth: int = DEPTH,
    steps: int = STEPS,
    rows: int = ROWS,
) -> Reader:
    """A reader that has learned `rows` numerals with Adam and dropout at these rates.

    rate : the learning rate's peak, see `today.warmed`
    two : the loss two(logits_1, logits_2, y) of two passes of each batch; if None, the
        cross-entropy of one

    Readers of one seed begin with the same weights and see the same images in the same order.
    torch's own generator draws the masks, and is as before afterwards.
    """
    chance = stacked.Chance(seed)
    X, y = learned(seed, rows)
    order = chance.batches(rows, BATCH, steps)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = Reader(blocks, rates, layer_drop, depth)
        begin(reader, chance)
        reader.train()

        def loss(step: int) -> Tensor:
            images, labels = X[order[step]], y[order[step]]
            if two is None:
                return F.cross_entropy(reader(images), labels)
            return two(reader(images), reader(images), labels)

        adam = stacked.adam(reader.parameters(), rate, betas=(0.9, 0.99))
        falls = today.warmed(steps)
        for step in range(steps):
            for group in adam.param_groups:
                group["lr"] = rate * falls(step)
            stacked.update(adam, loss(step))
    return reader.eval()


def scheme(ax: Axes, where: str) -> None:
    """The way through a block from below, the place that drops in orange; "" for none."""
    ax.set(xlim=(0, 10), ylim=(0, 11), xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_visible(False)
    ax.set_title("One of three blocks")
    frame = plot.ORANGE if where == "layers" else plot.PALE
    ax.add_patch(Rectangle((0.3, 2.1), 9.4, 8.2, fill=False, edgecolor=frame, linewidth=2))
    ax.plot([1.3, 1.3], [1.6, 10.9], color=plot.INK, linewidth=1.5)  # the stream
    for low, high in ((2.5, 7.0), (7.4, 9.8)):  # branches leave the stream and come back
        ax.plot([1.3, 5.8, 5.8, 1.3], [low, low, high, high], color=plot.GREY, linewidth=1)
        ax.plot(1.3, high, "o", color="white", markeredgecolor=plot.INK, markersize=9)
        ax.plot(1.3, high, "+", color=plot.INK, markersize=6)
    boxes = (
        (0.8, "embedding + position", "embedding"),
        (2.1, "whole block", "layers"),
        (3.7, "attention weights", "attention"),
        (5.4, "heads", "heads"),
        (7.0, "what it adds", "residual"),
        (8.5, "MLP, inside", "mlp"),
        (9.8, "what it adds", "residual"),
    )
    for y, text, place in boxes:
        on = place == where
        ax.text(
            {"embedding": 0.9, "layers": 7.9}.get(place, 5.8), y, text, va="center", fontsize=9,
            ha="left" if place == "embedding" else "center", color="white" if on else plot.INK,
            bbox={"facecolor": plot.ORANGE if on else plot.PALE, "edgecolor": "none", "pad": 3},
        )  # fmt: skip
