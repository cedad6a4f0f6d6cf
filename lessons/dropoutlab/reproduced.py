"""The tables of Srivastava et al. (2014) as `python3 grader paper` last repeated them, drawn.

Each is a JSON file in `datasets/paper`, written by that command. A table in full is drawn where
there is one; else the one at reduced size, which its caption says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import statistics
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from dropoutlab import plot
from dropoutlab.data import ROOT

RESULTS = ROOT / "datasets" / "paper"
PICTURE = RESULTS / "paper.png"
"""Two of them in a picture for a README: `.venv/bin/python -m dropoutlab.reproduced` draws it."""
PAIR = "recipe", "figure10"
"""Those two: what the recipe's parts are worth, and dropout by the number of images."""
EDGES = np.linspace(0, 10, 51)
"""Of the histograms of activations, as wide as those of the paper's Figure 8."""

Json = dict[str, Any]


def result(table: str) -> Json:
    """What was found of a table, such as "figure9": see `grader/paper/reproduction.py`."""
    paths = [RESULTS / f"{table}{kind}.json" for kind in ("", "-quick")]
    there = next((path for path in paths if path.exists()), None)
    if there is None:
        raise FileNotFoundError(f"{paths[1]} is missing: `python3 grader paper {table} --quick`.")
    return json.loads(there.read_text(encoding="utf-8"))


def show(*tables: str) -> None:
    """Draw tables side by side, and print each claim of the paper with what was found here."""
    results = [result(table) for table in tables]
    plot.show(drawn(results), " ".join(map(described, results)))
    for each in results:
        print(each["title"])
        for claim in each["claims"]:
            print(f"  the paper: {claim['says']}. {outcome(claim)}")
    for line in dict.fromkeys(map(caption, results)):
        print(line)


def drawn(results: list[Json]) -> Figure:
    """A figure with a panel for each result, two for figure 7."""
    panels = [panel for each in results for panel in DRAW[each["table"]]]
    fig, axes = plot.figure(len(panels), width=4.2 * len(panels), height=3.2)
    at = iter(axes)
    for each in results:
        for draw in DRAW[each["table"]]:
            draw(each, next(at))
    return fig


def described(result: Json) -> str:
    """A result in a sentence, for who cannot see it."""
    rows = [
        f"{row['name']} {statistics.mean(row[result['quantity']]):.3g}" for row in result["rows"]
    ]
    return f"{result['title']}; mean {result['quantity']}: {', '.join(rows)}. {score(result)} here."


def score(result: Json) -> str:
    """How many of the paper's claims hold here."""
    good = [claim["verdict"] for claim in result["claims"]].count("agrees")
    name = result["title"].partition(":")[0].partition(",")[0]
    return f"{name}: {good} of {len(result['claims'])} claims hold"


def caption(result: Json) -> str:
    """With what, and how far, it was repeated."""
    scale = result["scale"]
    seeds = f"{scale['seeds']} networks of each kind"
    return (
        f"{result['data'].upper()}, {scale['updates']:,} updates, {seeds}, on {result['device']}. "
        f"{result['reduced']}"
    ).strip()


def summary(values: list[float]) -> str:
    """Mean ± standard error."""
    mean = f"{statistics.mean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {plot.standard_error(values):.2f}"


def outcome(claim: Json) -> str:
    """How a claim of the paper fared here, with its numbers."""
    if "k" in claim:
        result = "never" if claim["k"] is None else f"from k = {claim['k']} on"
    else:
        result = f"the difference is {claim['difference']:.3g}"
        result += f" ± {claim['error']:.2g}" if "error" in claim else ""
    return f"Here {result}: {claim['verdict']}."


def packed(W: np.ndarray) -> str:
    """Weights (units, 784), each unit's over its largest magnitude, in steps of 1/127."""
    scaled = 127 * W / np.abs(W).max(1, keepdims=True).clip(1e-30)
    return base64.b64encode(zlib.compress(scaled.round().astype(np.int8).tobytes(), 9)).decode()


def unpacked(text: str) -> np.ndarray:
    """Features (units, 28, 28) in [-1, 1], as `packed` wrote them."""
    levels = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.int8)
    return levels.reshape(-1, 28, 28) / 127


# ── panels ───────────────────────────────────────────────────────────────────────────────────


def _beside(result: Json, ax: Axes) -> None:
    """The paper's errors and ours, as multiples of the last row's where ours are of few images."""
    rows, last = result["rows"], result["rows"][-1]
    smaller = result["scale"]["shrink"] > 1
    unit = (last["paper"], statistics.mean(last["error"])) if smaller else (1, 1)
    at = np.arange(len(rows))
    printed = [(row["paper"] / unit[0], y) for row, y in zip(rows, at, strict=True) if row["paper"]]
    ax.plot(*zip(*printed, strict=True), "D", color=plot.INK, mfc="none", label="paper")
    ours = np.array([row["error"] for row in rows]) / unit[1]
    ax.errorbar(ours.mean(1), at, xerr=plot.standard_error(ours, 1), fmt="o", color=plot.BLUE,
                capsize=3, label="here ± s.e.")  # fmt: skip
    ax.set_yticks(at, [row["name"] for row in rows])
    ax.invert_yaxis()
    ax.grid(axis="x", color=plot.PALE)
    ax.set(
        xlabel="test error, the last row's = 1" if smaller else "test error, %",
        title=score(result),
    )
    ax.legend(fontsize=9)


def _rates(result: Json, ax: Axes) -> None:
    """Figure 9: the error by the rate, in this course's convention."""
    for kind, color in (("same n", plot.BLUE), ("same keep·n", plot.ORANGE)):
        rows = [row for row in result["rows"] if row["name"].startswith(f"{kind},")]
        points = sorted((1 - float(row["name"].split()[-1]), row["error"]) for row in rows)
        x, errors = zip(*points, strict=True)
        _line(ax, x, errors, color, kind.replace("keep", "(1 - p)"))
    ax.set(xlabel="drop probability p, hidden layers", ylabel="test error, %", yscale="log",
           title=score(result))  # fmt: skip
    _plain(ax.yaxis)
    ax.legend(fontsize=9)


def _sizes(result: Json, ax: Axes) -> None:
    """Figure 10: the error by the number of training images."""
    for kind, color in (("no dropout", plot.ORANGE), ("dropout", plot.BLUE)):
        rows = [row for row in result["rows"] if row["name"].startswith(f"{kind},")]
        points = sorted((row["images"], row["error"]) for row in rows)
        x, errors = zip(*points, strict=True)
        _line(ax, x, errors, color, kind)
    ax.set(xlabel="training images", ylabel="test error, %", xscale="log", yscale="log",
           title=score(result))  # fmt: skip
    _plain(ax.xaxis)
    _plain(ax.yaxis)
    ax.legend(fontsize=9)


def _line(ax: Axes, x: tuple, values: tuple, color: str, label: str) -> None:
    runs = np.array(values)
    ax.errorbar(
        x, runs.mean(1), plot.standard_error(runs, 1), fmt="o-", color=color, capsize=2, label=label
    )


def _plain(axis: Axis) -> None:
    """Ticks of a logarithmic axis at 1, 2, 5, 10 …, written so."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def _averages(result: Json, ax: Axes) -> None:
    """Figure 11: the error of k thinned networks' mean, and of weight scaling."""
    (row,) = result["rows"]
    mean, spread = np.array(row["averaged"]), np.array(row["spread"])
    k = 1 + np.arange(len(mean))
    ax.plot(k, mean, color=plot.BLUE, label="mean of k thinned networks ± s.d.")
    ax.fill_between(k, mean - spread, mean + spread, color=plot.BLUE, alpha=0.2, linewidth=0)
    ax.axhline(np.mean(row["error"]), color=plot.INK, linestyle="--", label="weight scaling")
    ax.set(xlabel="k", ylabel="test error, %", xscale="log", title=score(result))
    _plain(ax.xaxis)
    ax.legend(fontsize=9)


def _features(result: Json, ax: Axes) -> None:
    """Figure 7: 25 features without dropout, and 25 with."""
    rows = {row["name"]: unpacked(row["features"][0]) for row in result["rows"]}
    sheets = [
        images.reshape(5, 5, 28, 28).swapaxes(1, 2).reshape(140, 140)
        for images in (rows["no dropout"], rows["dropout"])
    ]
    ax.imshow(np.hstack([sheets[0], np.zeros((140, 10)), sheets[1]]), cmap="RdGy", vmin=-1, vmax=1)
    ax.set(xticks=(70, 220), yticks=[])
    ax.set_xticklabels(["without dropout", "with"])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(score(result))


def _activations(result: Json, ax: Axes) -> None:
    """Figure 8: all activations on test images."""
    for row, color in zip(result["rows"][::-1], (plot.ORANGE, plot.BLUE), strict=True):
        counts = np.array(row["histogram of activations"], float)
        shares = 100 * counts.mean(0) / counts.sum(1).mean()
        ax.stairs(shares, EDGES, color=color, linewidth=1.6, label=row["name"])
    ax.set(xlabel="activation", ylabel="share, %", yscale="log", ylim=(0.01, 100), xlim=(0, 6),
           title="Activations of all units")  # fmt: skip
    ax.legend(fontsize=9)


DRAW: dict[str, list[Callable[[Json, Axes], None]]] = {
    "table9": [_beside], "recipe": [_beside], "table2": [_beside], "table10": [_beside],
    "figure9": [_rates],
    "figure10": [_sizes], "figure11": [_averages], "figure7": [_features, _activations],
}  # fmt: skip


# ── the README's picture ─────────────────────────────────────────────────────────────────────


def source() -> str:
    """What the picture was drawn from, as a checksum."""
    texts = [json.dumps(result(table), sort_keys=True) for table in PAIR]
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def main() -> None:
    fig = drawn([result(table) for table in PAIR])
    fig.savefig(PICTURE, dpi=110, metadata={"Source": source()})


if __name__ == "__main__":
    main()
