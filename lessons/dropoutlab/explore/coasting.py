"""Training: where a hidden unit's weights go in the steps that give them no gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from dropoutlab import plot
from dropoutlab.explore.explorer import Explorer, slider

FEATURES, HIDDEN, CLASSES, STEPS = 6, 12, 3, 40


def coasting(
    dropped_motion: Callable[..., tuple],
    sgd: Callable[..., Callable],
    momentum: Callable[..., Callable],
    adam: Callable[..., Callable],
) -> Explorer:
    """Explore the motion of one unit under three optimisers; p, their memory, another draw."""
    rng = np.random.default_rng(1)
    params = {
        "W1": rng.normal(0, 0.3, (HIDDEN, FEATURES)),
        "b1": np.full(HIDDEN, 2.0),  # the ReLUs are on, so no gradient means dropped
        "W2": rng.normal(0, 0.5, (CLASSES, HIDDEN)),
        "b2": np.zeros(CLASSES),
    }
    X = rng.normal(size=(STEPS, FEATURES))
    y = (X[:, :CLASSES] @ rng.normal(size=(CLASSES, CLASSES))).argmax(1)

    def draw(figure: Figure, p: float, keep: float, draw: int) -> str:
        slow = 0.02 * (1 - keep)  # in the long run as far as SGD goes
        ways = {"Adam": adam(0.01, keep), "momentum": momentum(slow, keep), "SGD": sgd(0.02)}
        shares, silent, axes = {}, [], figure.subplots(len(ways), 1, sharex=True)
        figure.subplots_adjust(left=0.17, right=0.98, bottom=0.15, top=0.9, hspace=0.2)
        for ax, (name, way) in zip(axes, ways.items(), strict=True):
            seen: list[tuple[np.ndarray, np.ndarray]] = []

            def recorded(gradients: dict, way: Callable = way, seen: list = seen) -> dict:
                changes = way(gradients)
                silent.append((gradients["W1"] == 0).all(1).mean())
                seen.append((np.array(gradients["W1"]), np.array(changes["W1"])))
                return changes

            idle, others = dropped_motion(recorded, params, X, y, p, np.random.default_rng(draw))
            shares[name] = float(idle) / float(others)
            still = np.array([not gradient[0].any() for gradient, _ in seen])
            path = np.cumsum([change[0] for _, change in seen], axis=0)
            away = np.concatenate([[0], np.linalg.norm(path, axis=1)])
            ax.plot(away, color=plot.GREY, linewidth=1)
            for step in range(len(still)):
                color = plot.ORANGE if still[step] else plot.BLUE
                ax.plot([step, step + 1], away[step : step + 2], color=color, linewidth=2.5)
            ax.set(ylabel=name, yticks=[], ylim=(0, 1.15 * max(away.max(), 1e-9)))
            ax.yaxis.label.set(rotation=0, ha="right", va="center")
            ax.text(0.02, 0.8, f"idle rows move {100 * shares[name]:.0f} % as far as others",
                    transform=ax.transAxes)  # fmt: skip
        axes[-1].set_xlabel("step (orange: the unit gets no gradient)")
        axes[0].set_title("One unit's weights: distance from where they began")
        told = ", ".join(f"{100 * share:.0f} % under {name}" for name, share in shares.items())
        return (
            f"At p = {p:.1f} and memory {keep:.2f}, {100 * np.mean(silent):.0f} % of the rows have "
            f"no gradient. Their motion, compared with that of the others: {told}."
        )

    return Explorer(
        draw,
        size=(8, 3.6),
        p=slider("drop probability p", 0.5, 0.2, 0.8, 0.1),
        keep=slider("memory of momentum and Adam", 0.9, 0.0, 0.98, 0.02),
        draw=slider("another draw", 0, 0, 20, 1),
    )
