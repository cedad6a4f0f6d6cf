"""Explorers: a picture that answers to sliders at once.

An explorer holds no logic. It is a pure function `draw(figure, **values) -> str`, which
draws the values and returns a sentence that says what is seen, and one control for each
value. The sentence stands below the picture and is its alternative text. Setting a
control's value from Python redraws, as moving it in the browser does.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import anywidget
import ipywidgets as widgets
import traitlets
from matplotlib.figure import Figure

from dropoutlab import expect, plot


def source(name: str) -> str:
    """JavaScript or CSS for the browser, from the file of this name beside this one."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


class Picture(anywidget.AnyWidget):
    """A PNG image with a sentence, shown without flicker."""

    png = traitlets.Bytes().tag(sync=True)
    says = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)

    _esm = source("explorer.js")
    _css = source("explorer.css")


class Still(widgets.VBox):
    """Controls above a picture; where no widget can be shown, the picture as it is now."""

    picture: anywidget.AnyWidget
    """It has `png`, `says` and `width`, as `Picture` has."""

    def _repr_mimebundle_(self, **how: object) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**how)
        shown, more = bundle if isinstance(bundle, tuple) else (bundle, {})
        still = {"image/png": {"alt": self.picture.says, "width": self.picture.width}}
        return shown | {"image/png": self.picture.png}, more | still | plot.GROUND


class Explorer(Still):
    """Controls above the picture that `draw(figure, **values)` makes of their values.

    `controls` names each value's widget; `size` is the picture's, in inches.
    """

    def __init__(
        self,
        draw: Callable[..., str],
        /,
        *,
        size: tuple[float, float] = (8, 3),
        **controls: widgets.ValueWidget,
    ):
        self._draw, self._size = draw, size
        self.controls = controls
        self.picture = Picture(width=round(size[0] * 96))
        for control in controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()
        # Old figures are garbage in cycles. Looking for them among all that torch and the kernel
        # hold takes a few tenths of a second, in which a slider stands still; so leave that out.
        gc.collect()
        gc.freeze()
        super().__init__([*controls.values(), self.picture])

    def _redraw(self, _change: object = None) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        figure = Figure(figsize=self._size)  # a new one costs less than clearing the old one
        try:
            says = self._draw(figure, **values)
        except Exception as error:  # the learner's function runs here
            says = f"Your function stopped with {type(error).__name__}: {error}"
            if expect.unwritten(error):
                says = "Not written yet: write the exercise above, run its cell, then this one."
        with self.picture.hold_sync():
            self.picture.says, self.picture.png = says, plot.png(figure, dpi=115)


def slider(label: str, value: float, low: float, high: float, step: float) -> widgets.ValueWidget:
    """A slider that acts while it moves; whole numbers where `value` is an int."""
    kind = widgets.IntSlider if isinstance(value, int) else widgets.FloatSlider
    return kind(
        value=value, min=low, max=high, step=step, description=label, continuous_update=True,
        style={"description_width": "14em"}, layout={"width": "36em"},
    )  # fmt: skip
