"""Drawing: the course's palette and style, and pictures that two lessons or more draw.

The first figure sets matplotlib's style. Colours are those of Okabe and Ito (2008), which survive
colour blindness. Figures have a white ground and say so; in a dark theme the browser
turns their lightness round and leaves the hues, or keeps the ground.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from IPython.display import Image, display

from dropoutlab import student

if TYPE_CHECKING:  # a lesson's first check need not wait for matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PINK, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
INK, GREY, PALE = "#222222", "#707070", "#E6E6E6"
KEPT, DROPPED = BLUE, PALE
"""The colours of a kept and of a dropped unit, in every figure."""
GROUND = {"needs_background": "light"}
"""Metadata of an output, for JupyterLab: its picture is made for a light ground."""


@functools.cache
def style() -> None:
    """Set matplotlib's style, once."""
    import matplotlib
    from cycler import cycler

    matplotlib.rcParams.update(
        {
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.titley": 1.03,  # looking for a free place takes as long as drawing the axes
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GREY,
            "axes.labelcolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PINK, SKY]),
            "legend.frameon": False,
            "figure.facecolor": "white",
            "axes.facecolor": "white",
            "image.interpolation": "nearest",
        }
    )


def figure(columns: int = 1, *, width: float = 8, height: float = 3) -> tuple[Figure, list[Axes]]:
    """A figure (inches) and its axes from left to right, in the course's style."""
    from matplotlib.figure import Figure

    style()
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, list(fig.subplots(1, columns, squeeze=False)[0])


def png(fig: Figure, dpi: int = 144) -> bytes:
    """The figure as a PNG image."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    return buffer.getvalue()


def fit(fig: Figure) -> None:
    """Make words smaller that would reach beyond a side of the figure, where they are cut off."""
    from matplotlib.artist import Artist
    from matplotlib.text import Text

    fig.draw_without_rendering()
    for text in filter(Artist.get_visible, fig.findobj(Text)):
        for _ in range(8):  # to half the size
            box = text.get_window_extent()
            if fig.bbox.x0 <= box.x0 and box.x1 <= fig.bbox.x1:
                break
            text.set_fontsize(0.92 * float(text.get_fontsize()))


def show(fig: Figure, says: str, claims: Mapping[str, bool] | None = None) -> None:
    """Display a figure below the cell; `says` tells what it shows, for who cannot see it.

    `claims` has, for each finding that the lesson takes from the figure, whether this run bears it
    out: the output's metadata keep it, and a finding that is not there now is named.
    """
    width, says = round(fig.get_size_inches()[0] * 96), " ".join(says.split())
    held = {name: bool(holds) for name, holds in (claims or {}).items()}
    metadata = GROUND | ({"claims": held} if held else {})
    fit(fig)
    display(Image(png(fig), format="png", width=width, alt=says), metadata=metadata)
    for name in (name for name, holds in held.items() if not holds):
        print(f"Not in this run: “{name.replace('-', ' ')}”, which the text below says.")


def mask(values: np.ndarray, ax: Axes) -> Axes:
    """A mask or its rows as small squares: kept ones filled, dropped ones pale."""
    from matplotlib.colors import ListedColormap

    grid = np.atleast_2d(np.asarray(values) != 0)
    ax.pcolormesh(
        grid, cmap=ListedColormap([DROPPED, KEPT]), vmin=0, vmax=1, edgecolors="white", linewidth=1
    )
    ax.invert_yaxis()
    ax.set(xticks=[], yticks=[], aspect="equal" if max(grid.shape) <= 40 else "auto")
    for side in ax.spines.values():
        side.set_visible(False)
    return ax


def image(values: np.ndarray, ax: Axes, *, largest: float | None = None) -> Axes:
    """A grey image in a thin frame, zero white and `largest` (its own maximum) black."""
    ax.imshow(values, cmap="gray_r", vmin=0, vmax=largest or float(np.max(values)) or 1.0)
    ax.set(xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set(visible=True, color=PALE)
    return ax


def bars(
    values: Sequence[float],
    labels: Sequence[str],
    ax: Axes,
    *,
    spread: Sequence[float] | None = None,
    colors: str | Sequence[str] = BLUE,
) -> Axes:
    """Horizontal bars, the first on top, each with its number and, where given, its spread."""
    rows = range(len(values))
    drawn = ax.barh(rows, values, xerr=spread, color=colors, ecolor=INK, capsize=3)
    ax.bar_label(drawn, fmt="%.3g", padding=4)
    ax.set_yticks(rows, labels)
    ax.set_xlim(0, 1.2 * max(values))
    ax.invert_yaxis()
    return ax


def standard_error(runs: np.ndarray | Sequence[float], axis: int = 0) -> np.ndarray:
    """s / sqrt(k) over k runs along `axis`."""
    runs = np.asarray(runs)
    return runs.std(axis, ddof=1) / np.sqrt(runs.shape[axis])


class Difference(NamedTuple):
    """What was measured of a difference: the mean over runs, and its standard error."""

    mean: float
    error: float
    runs: int

    @property
    def sign(self) -> int:
        """+1 or -1 where 0 is outside the mean's 95 % interval (Student's t), else 0."""
        far = student.reach(0.95, self.runs - 1) if self.runs > 1 else np.inf
        return int(np.sign(self.mean)) if abs(self.mean) > far * self.error else 0

    def __format__(self, spec: str) -> str:
        spec = spec or ".2g"
        mean = f"{self.mean:+{spec}}"
        mean = mean if float(mean) else f"{0.0:{spec}}"  # no "-0.0"
        return f"{mean} ± {self.error:{spec}}".replace("-", "−", 1)

    def says(self, *, more: str, less: str, same: str) -> str:
        """The sentence that holds: for a mean above 0, below 0, or too near to 0 to tell."""
        return {1: more, -1: less, 0: same}[self.sign]


def difference(first: Sequence[float], second: Sequence[float] | float = 0) -> Difference:
    """The paired difference `first` - `second` over runs: mean ± standard error.

    Run k of both has what both share (seed, data); a title says what it came to:

        gap = plot.difference(forgotten, scaled)
        title = gap.says(more=f"Forgetting costs {gap:.1f} points", less=…, same=…)
    """
    runs = np.asarray(first, float) - np.asarray(second, float)
    return Difference(float(runs.mean()), float(standard_error(runs)), runs.size)
