"""Robustness: an image under attack, and three networks that read it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dropoutlab import plot, robust
from dropoutlab.explore.explorer import Explorer, slider
from dropoutlab.studies import robustness

WAYS = ("none", "hidden dropout", "input noise")
NAMES = ("trained plainly", "with hidden dropout", "with input noise")
EPSILONS = np.linspace(0, 0.2, 11)
SHOWN, ASKED = 40, 200
"""Images to choose from, and those whose errors are counted."""


def attack(fgsm: Callable[..., Tensor]) -> Explorer:
    """Explore one image and its reading under `fgsm`; epsilon, the image, the network."""
    X, y = robust.numerals(2000, 2)
    images, labels = torch.as_tensor(X[:ASKED]), torch.as_tensor(y[:ASKED])

    @cache
    def network(way: int) -> robust.Network:
        return robustness.trained(WAYS[way], (0,), rate=0.1)[0]

    @cache
    def errors(way: int) -> list[float]:
        """Errors in percent at each of `EPSILONS`."""
        net = network(way)
        moved = [fgsm(net, images, labels, float(e)) for e in EPSILONS]
        return [100 * float((net(x).argmax(-1) != labels).float().mean()) for x in moved]

    def draw(figure: Figure, epsilon: float, image: int, way: int) -> str:
        net, label = network(way), int(labels[image])
        own = images[image : image + 1]
        moved = fgsm(net, own, labels[image : image + 1], epsilon).detach()
        chances = net(torch.cat([own, moved])).softmax(-1).numpy()
        read = [int(row.argmax()) for row in chances]

        left, middle, bars, right = figure.subplots(1, 4, width_ratios=(1.2, 1.2, 1.4, 2))
        figure.subplots_adjust(left=0.02, right=0.98, bottom=0.19, top=0.86, wspace=0.25)
        for ax, x, said in ((left, own, "As it is"), (middle, moved, f"Moved by {epsilon:.2f}")):
            plot.image(x.numpy().reshape(robust.SIDE, robust.SIDE), ax, largest=1)
            ax.set_title(said)
        left.set_xlabel(f"a {label}, read as {read[0]}")
        middle.set_xlabel(f"read as {read[1]}")
        bars.bar(np.arange(10) - 0.2, chances[0], 0.4, color=plot.SKY, label="as it is")
        bars.bar(np.arange(10) + 0.2, chances[1], 0.4, color=plot.ORANGE, label="moved")
        bars.set(xticks=range(10), xlabel="class", ylim=(0, 1), yticks=(0, 0.5, 1))
        bars.set_title("Probabilities")
        for k, color in enumerate((plot.GREY, plot.BLUE, plot.GREEN)):
            right.plot(EPSILONS, errors(k), color=color, linewidth=3 if k == way else 1)
            right.annotate(WAYS[k], (0.98, 0.3 - 0.11 * k), xycoords="axes fraction", ha="right",
                           color=color, weight="bold" if k == way else "normal")  # fmt: skip
        right.axvline(epsilon, color=plot.INK, linestyle=":")
        right.set(xlabel="ε", ylim=(0, 100), title=f"Errors of {ASKED} images, %")
        return (
            f"The network {NAMES[way]} reads this {label} as {read[0]} "
            f"({chances[0].max():.0%}), and moved by {epsilon:.2f} as {read[1]} "
            f"({chances[1].max():.0%}); there it misreads "
            f"{np.interp(epsilon, EPSILONS, errors(way)):.0f} % of {ASKED} images."
        )

    return Explorer(
        draw,
        size=(9.6, 2.9),
        epsilon=slider("ε", 0.06, 0.0, 0.2, 0.01),
        image=slider("image", 0, 0, SHOWN - 1, 1),
        way=slider("network: plain, dropout, noise", 1, 0, 2, 1),
    )
