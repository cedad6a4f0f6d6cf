"""Training: how far a hidden unit's weights go in the steps that give them no gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dropoutlab.explore.explorer import Explorer, again, choice

FEATURES, HIDDEN, CLASSES, STEPS, DRAWS = 6, 10, 3, 30, 3


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
    p = choice("drop probability p", 0.5, [0.2, 0.35, 0.5, 0.65, 0.8])
    keep = choice("memory", 0.9, [0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98])

    def trained(way: Callable, rate: float, draw: int) -> tuple[np.ndarray, ...]:
        """How far one unit moves in each step, which steps are idle, and what of all rows."""
        moved, still, all_still = [], [], []

        def recorded(gradients: dict) -> dict:
            changes = way(gradients)
            idle = (np.asarray(gradients["W1"]) == 0).all(1)
            moved.append(np.linalg.norm(changes["W1"][0]))
            still.append(idle[0])
            all_still.append(idle.mean())
            return changes

        idle, others = dropped_motion(recorded, params, X, y, rate, np.random.default_rng(draw))
        return np.array(moved), np.array(still), np.array([idle / others, np.mean(all_still)])

    def table() -> dict[str, np.ndarray]:
        found = []
        for rate in map(float, p.values):
            plain = [trained(sgd(0.02), rate, draw) for draw in range(DRAWS)]
            for memory in map(float, keep.values):
                slow = 0.02 * (1 - memory)  # in the long run as far as SGD goes
                for draw in range(DRAWS):
                    found += [plain[draw], trained(momentum(slow, memory), rate, draw)]
                    found.append(trained(adam(0.01, memory), rate, draw))
        shape = (len(p.values), len(keep.values), DRAWS, 3, -1)
        moved, still, shares = (np.reshape(part, shape) for part in zip(*found, strict=True))
        return {"moved": moved, "still": still, "shares": shares}

    draw = again("Another draw", DRAWS)
    return Explorer("coasting", table, p=p, keep=keep, draw=draw)
