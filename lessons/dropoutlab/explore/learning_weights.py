"""The backward pass: which weights of a small two-layer network get a gradient under a mask."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from dropoutlab import plot, train
from dropoutlab.explore.explorer import Explorer, slider

FEATURES, HIDDEN, CLASSES, IMAGES = 6, 8, 3, 16


def learning_weights(
    dropout_forward: Callable[..., tuple], dropout_backward: Callable[..., np.ndarray]
) -> Explorer:
    """Explore the gradients of one training step; p, examples in the step, another draw."""
    rng = np.random.default_rng(4)
    W1 = rng.normal(0, 0.6, (HIDDEN, FEATURES))
    b1 = rng.normal(0.3, 0.3, HIDDEN)
    W2 = rng.normal(0, 0.6, (CLASSES, HIDDEN))
    X, y = rng.normal(size=(IMAGES, FEATURES)), rng.integers(CLASSES, size=IMAGES)

    def draw(figure: Figure, p: float, examples: int, draw: int) -> str:
        h = np.maximum(X[:examples] @ W1.T + b1, 0)
        sent, cache = dropout_forward(h, p, np.random.default_rng(draw), True)
        error = train.softmax(sent @ W2.T) - np.eye(CLASSES)[y[:examples]]
        at_h = dropout_backward(error @ W2, cache) * (h > 0)
        first, second = np.abs(at_h.T @ X[:examples]), np.abs(error.T @ sent)
        off, silent = (h == 0).all(0), (first == 0).all(1)

        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        figure.subplots_adjust(left=0.02, right=0.98, bottom=0.17, top=0.89, wspace=0.06)
        places = {
            n: np.linspace(1, -1, n) * (1 if n == HIDDEN else 0.75)
            for n in (FEATURES, HIDDEN, CLASSES)
        }
        ends = [((0, a), (1, b)) for b in places[HIDDEN] for a in places[FEATURES]]
        ends += [((1, a), (2, b)) for b in places[CLASSES] for a in places[HIDDEN]]
        size = np.concatenate(
            [first.ravel() / (first.max() or 1), second.ravel() / (second.max() or 1)]
        )
        order = np.argsort(size)  # the ones that learn lie on top
        colors = np.where(size == 0, plot.PALE, plot.BLUE)
        left.add_collection(
            LineCollection(
                [ends[i] for i in order],
                colors=colors[order],
                linewidths=np.where(size == 0, 0.8, 0.5 + 2.5 * size)[order],
            )
        )
        left.scatter(np.repeat([0, 2], [FEATURES, CLASSES]),
                     np.concatenate([places[FEATURES], places[CLASSES]]),
                     s=70, color="white", edgecolor=plot.GREY, zorder=3)  # fmt: skip
        fill = np.where(off, plot.ORANGE, np.where(silent, plot.PALE, plot.BLUE))
        left.scatter(np.ones(HIDDEN), places[HIDDEN], s=110, c=fill, edgecolor="white", zorder=3)
        left.set(xlim=(-0.15, 2.15), ylim=(-1.15, 1.15), yticks=[], xticks=[0, 1, 2])
        left.set_xticklabels(["inputs", "hidden units", "classes"])
        left.tick_params(length=0)
        for side in left.spines.values():
            side.set_visible(False)
        left.set_title("Blue weights learn in this step")

        right.barh(places[HIDDEN], np.sqrt((first**2).sum(1)), height=0.2, color=plot.BLUE)
        longest = right.get_xlim()[1]
        for place, why in zip(places[HIDDEN], np.where(off, 2, silent), strict=True):
            if why:
                word, color = (("dropped", plot.GREY), ("ReLU off", plot.ORANGE))[int(why) - 1]
                right.text(0.02 * longest, place, word, color=color, va="center")
        right.set(ylim=(-1.15, 1.15), yticks=[], xlabel="length of the gradient of W1's row")
        right.set_title("What each hidden unit learns")

        learning, dropped = int(np.count_nonzero(size)), int((silent & ~off).sum())
        return (
            f"At p = {p:.1f}, with {examples} example{'s' * (examples > 1)} in the step, "
            f"{learning} of {size.size} weights learn. Hidden units that learn nothing: "
            f"{off.sum()} with the ReLU off throughout, {dropped} dropped whenever it was on."
        )

    return Explorer(
        draw,
        size=(9, 3.2),
        p=slider("drop probability p", 0.5, 0.0, 0.9, 0.1),
        examples=slider("examples in the step", 1, 1, IMAGES, 1),
        draw=slider("draw number", 0, 0, 20, 1),
    )
