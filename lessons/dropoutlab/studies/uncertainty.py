"""How well digits are forecast when they are turned or speckled, by six ways to ask.

Networks of two hidden layers of 64 units read the handwritten digits. Tuning: for each drop
probability, learning rate and weight decay, three networks learn eight sheets, and the log loss on
two more, asked once in evaluation, chooses. Measuring: fifty networks without dropout and fifty
with it, ten times five of new seeds, learn all ten sheets. The same networks are asked in several
ways about the four test sheets, as they are, turned, and with noise. Then ten networks at each drop
probability, with the error that a perfect forecaster of the same confidence would have. About two
minutes of one core.

    python -P -m dropoutlab.studies.uncertainty
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropoutlab import forecasters, studies

DROPS = (0.0, 0.1, 0.25, 0.5)
RATES, DECAYS, STEPS = (0.05, 0.15), (0.0, 0.001, 0.003, 0.01), 600
TURNS, NOISES = (0, 5, 10, 15, 20, 30), (0.0, 0.15, 0.3, 0.45)
MEMBERS, RUNS, PASSES = 5, 10, 50


def loss(q: Tensor, y: Tensor) -> np.ndarray:
    """The log loss in nats of forecasts (…, n, classes)."""
    hit = q.gather(-1, y.expand(q.shape[:-1])[..., None])[..., 0]
    return (-hit.clamp_min(1e-12).log()).mean(-1).numpy()


def binned(q: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """For forecasts (runs, n, classes): by how much ten bins are off, and confidence - accuracy."""
    top, chosen = (a.numpy() for a in q.double().max(-1))
    surplus = (chosen == y.numpy()) - top
    place = np.minimum(np.ceil(top * 10) - 1, 9).astype(int)
    off = [
        np.abs(np.bincount(b, s, 10)).sum() / len(s) for b, s in zip(place, surplus, strict=True)
    ]
    return np.array(off), -surplus.mean(-1)


def measures(q: Tensor, y: Tensor) -> dict[str, list[float]]:
    """Error rate, log loss, calibration error and confidence - accuracy of each run."""
    error = (q.argmax(-1) != y).double().mean(-1).numpy()
    found = (error, loss(q, y), *binned(q, y))
    names = ("error", "loss", "calibration", "surplus")
    return {k: [round(float(v), 5) for v in a] for k, a in zip(names, found, strict=True)}


def perfect(q: Tensor, draws: int = 200) -> dict[str, list[float]]:
    """The calibration error where classes fall as forecast, for each run: mean and 97.5 %."""
    drawn = torch.stack([torch.multinomial(run, draws, replacement=True) for run in q.double()])
    off = np.array(
        [[binned(run[None], y)[0][0] for y in ys.T] for run, ys in zip(q, drawn, strict=True)]
    )
    return {
        "mean": [round(float(v), 5) for v in off.mean(1)],
        "high": [round(float(v), 5) for v in np.quantile(off, 0.975, axis=1)],
    }


@torch.no_grad()
def asked(net: torch.nn.Module, X: Tensor, passes: int = 0) -> Tensor:
    """Probabilities (passes, networks, n, classes), dropout on; with none, one of evaluation."""
    net.train(passes > 0)
    drawn = torch.stack([net(X).softmax(-1) for _ in range(max(1, passes))])
    net.eval()
    return drawn


def tuned(p: float) -> dict[str, Any]:
    """For each try at this p: validation loss of each of three networks, asked in two ways."""
    train, (X, y), _ = forecasters.digits()
    tries = [(rate, decay) for rate in RATES for decay in DECAYS]
    rate, decay = np.repeat(tries, 3, axis=0).T
    parameters = forecasters.train(
        *train, seeds=[0, 1, 2] * len(tries), p=p, rate=rate, decay=decay, steps=STEPS
    )
    net = forecasters.network(parameters, p)
    one = asked(net, X)[0].unflatten(0, (len(tries), 3))
    many = asked(net, X, PASSES).mean(0).unflatten(0, (len(tries), 3)) if p else one
    found = [
        {
            "rate": r,
            "decay": d,
            "steps": STEPS,
            "one": [round(float(v), 5) for v in loss(a, y)],
            "passes": [round(float(v), 5) for v in loss(b, y)],
            "members": round(float(loss(a.mean(0), y)), 5),
        }
        for (r, d), a, b in zip(tries, one, many, strict=True)
    ]
    return {"tries": found}


def best(tuning: dict[str, Any], way: str, drops: tuple[float, ...]) -> dict[str, Any]:
    """The setting of the lowest mean validation loss, asked in this way, among these p."""
    tries = [{"p": p} | t for p in drops for t in tuning[str(p)]["tries"]]
    chosen = min(tries, key=lambda t: np.mean(t[way]))
    return {k: chosen[k] for k in ("p", "rate", "decay", "steps")} | {
        "validation loss": round(float(np.mean(chosen[way])), 5)
    }


def trained(setting: dict[str, Any], seeds: range) -> torch.nn.Module:
    """Networks of these seeds that learned all ten training sheets."""
    (X, y), (X_more, y_more), _ = forecasters.digits()
    how = {k: setting[k] for k in ("p", "rate", "decay", "steps")}
    X, y = torch.cat([X, X_more]), torch.cat([y, y_more])
    return forecasters.network(forecasters.train(X, y, seeds=seeds, **how), setting["p"])


def forecasts(nets: dict[str, torch.nn.Module], X: Tensor) -> dict[str, Tensor]:
    """The probabilities (runs, n, classes) of each way to ask."""
    passes = asked(first(nets["dropout"]), X, PASSES)
    once = {name: asked(net, X)[0].unflatten(0, (RUNS, MEMBERS)) for name, net in nets.items()}
    return {
        "no dropout": once["no dropout"][:, 0],
        "evaluation": once["dropout"][:, 0],
        "5 passes": passes[:MEMBERS].mean(0),
        "50 passes": passes.mean(0),
        "5 networks": once["dropout"].mean(1),
        "5 networks, no dropout": once["no dropout"].mean(1),
    }


def first(net: torch.nn.Module) -> torch.nn.Module:
    """The first of each five networks."""
    rate = next(m.p for m in net.modules() if isinstance(m, torch.nn.Dropout))
    return forecasters.network([w.data[::MEMBERS] for w in net.parameters()], rate)


def shifted(kind: str, level: float, X: Tensor) -> Tensor:
    """The test digits, turned by `level` degrees or with noise of that standard deviation."""
    if kind == "turn":
        return forecasters.turned(X, level)
    return forecasters.speckled(X, level, seed=1)


def main() -> None:
    torch.set_num_threads(1)
    kept = studies.kept("uncertainty")

    def keep(part: str, name: str, make: Any) -> None:
        if name not in kept.setdefault(part, {}):
            begun = time.process_time()
            kept[part][name] = make()
            kept["seconds"] = round(kept.get("seconds", 0) + time.process_time() - begun, 1)
            studies.keep("uncertainty", kept)
            print(part, name, kept["seconds"], flush=True)

    for p in DROPS:
        keep("tuning", str(p), lambda p=p: tuned(p))
    for name, drops in {"no dropout": DROPS[:1], "dropout": DROPS[1:]}.items():
        keep("chosen", name, lambda drops=drops: best(kept["tuning"], "one", drops))
    for p in DROPS:
        keep("chosen at p", str(p), lambda p=p: best(kept["tuning"], "one", (p,)))

    made: dict[str, torch.nn.Module] = {}

    def nets() -> dict[str, torch.nn.Module]:
        if not made:
            made.update({name: trained(how, range(100, 150)) for name, how in chosen.items()})
        return made

    chosen = kept["chosen"]
    _, _, (X, y) = forecasters.digits()
    levels = [("turn", v) for v in TURNS] + [("noise", v) for v in NOISES]
    for kind, level in levels:

        def measured(kind: str = kind, level: float = level) -> dict[str, Any]:
            torch.manual_seed(0)
            found = forecasts(nets(), shifted(kind, level, X))
            return {name: measures(q, y) for name, q in found.items()}

        keep(kind, str(level), measured)

    for p in DROPS:

        def swept(p: float = p) -> dict[str, Any]:
            torch.manual_seed(0)
            net = trained(kept["chosen at p"][str(p)], range(200, 200 + RUNS))
            ways = {"evaluation": asked(net, X)[0], "50 passes": asked(net, X, PASSES).mean(0)}
            return {name: measures(q, y) | {"perfect": perfect(q)} for name, q in ways.items()}

        keep("sweep", str(p), swept)


if __name__ == "__main__":
    main()
