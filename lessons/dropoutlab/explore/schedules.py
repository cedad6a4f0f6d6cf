"""Schedules: at which step and in which layer is how much dropped, and how much noise is that?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider
from dropoutlab.studies.schedules import KINDS

STEPS, ALIKE = 100, 0.2


def schedules(
    scheduled_rate: Callable[..., float], layer_rates: Callable[..., Sequence[float]]
) -> Explorer:
    """Explore the drop rate of each layer at each step, and the noise that it brings."""
    kinds = list(KINDS)

    def draw(figure: Figure, kind: int, p: float, depth: int) -> str:
        name = kinds[kind]
        tops = np.array([float(rate) for rate in layer_rates(p, depth)])
        rates = np.array(
            [[float(scheduled_rate(t, STEPS, top, name)) for t in range(STEPS + 1)] for top in tops]
        )
        noise = rates / np.maximum(1 - rates, 1e-3)
        alike = ALIKE / (1 - ALIKE)

        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        figure.subplots_adjust(left=0.08, right=0.97, bottom=0.16, top=0.86, wspace=0.25)
        shown = left.imshow(
            rates, cmap="Blues", vmin=0, vmax=1, aspect="auto", origin="lower",
            extent=(0, STEPS, 0.5, depth + 0.5),
        )  # fmt: skip
        figure.colorbar(shown, ax=left, label="drop rate", ticks=(0, 0.5, 1))
        left.set(xlabel="step, % of all", ylabel="layer", yticks=sorted({1, depth}))
        left.set_title(f"{name.capitalize()}, last layer up to p = {p:.2f}")

        right.axhline(alike, color=plot.GREY, linestyle="--", label=f"constant {ALIKE}, everywhere")
        right.plot(range(STEPS + 1), noise[-1], color=plot.BLUE, label="last layer")
        right.axhline(noise[-1].mean(), color=plot.ORANGE, label="its mean over the steps")
        right.set(xlabel="step, % of all", ylim=(0, max(1.05 * noise.max(), 1.8 * alike)))
        right.set_ylabel("noise p / (1 − p)")
        right.set_title(f"Mean noise, last layer: {noise[-1].mean():.2f}")
        right.legend(fontsize=8)
        return (
            f"{name.capitalize()} at p = {p:.2f}: over all steps the last of {depth} layers has a "
            f"mean noise of {noise[-1].mean():.2f}, all layers together {noise.mean():.2f}; a "
            f"constant {ALIKE} has {alike:.2f}."
        )

    told = ", ".join(f"{k} {name}" for k, name in enumerate(kinds))
    return Explorer(
        draw,
        size=(9, 3.2),
        kind=slider(told, 1, 0, len(kinds) - 1, 1),
        p=slider("p", 0.3, 0.05, 0.95, 0.05),
        depth=slider("layers", 12, 1, 24, 1),
    )
