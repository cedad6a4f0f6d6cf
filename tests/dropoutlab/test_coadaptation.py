"""The explorer of co-adaptation, driven from Python as its sliders drive it."""

from __future__ import annotations

import io
import re
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from curriculum import named
from dropoutlab import plot
from grader.website.explorers import made

if TYPE_CHECKING:  # at run time the module would take the function's place in the package
    from dropoutlab.explore.coadaptation import Coadaptation

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("explorer 23_coadaptation")]


@pytest.fixture(scope="module")
def explorer() -> Coadaptation:
    """Networks train for it, so one serves all tests, which leave it as it was."""
    return made(named("coadaptation"))


def _seen(explorer: Coadaptation) -> tuple[bytes, str]:
    return explorer.picture.png, explorer.picture.says


def test_every_control_redraws(explorer: Coadaptation):
    """Does each control, from one end to the other, change the picture, and back again?"""
    first = _seen(explorer)
    for name, control in explorer.controls.items():
        start, seen = control.value, set()
        for value in (control.min, (control.min + control.max) // 2, control.max):
            control.value = value
            png, says = _seen(explorer)
            assert says.endswith("."), says
            image = Image.open(io.BytesIO(png))
            image.load()
            assert image.width > explorer.picture.width
            seen.add(png)
        assert len(seen) == 3, f"{name} does not change the picture"
        control.value = start
        assert _seen(explorer) == first, name


def _plain(explorer: Coadaptation) -> bytes:
    """Six plain images in a figure of the same size, which is known work for matplotlib."""
    figure = Figure(figsize=(explorer.picture.width / 96, 4.1))
    for axes in figure.subplots(2, 3).flat:
        axes.imshow(np.eye(300))
    return plot.png(figure, dpi=115)


def test_a_still_picture_is_drawn_at_once(explorer: Coadaptation):
    """Does a redraw ask for as little of the processor as plain images do, within twice?"""
    drawn, plain = [], []
    for value in range(10):
        explorer.controls["digit"].value = value
        times = [time.process_time()]  # whatever else the machine does
        for draw in (_seen, _plain):
            assert draw(explorer)
            times.append(time.process_time())
        drawn.append(times[1] - times[0])
        plain.append(times[2] - times[1])
    explorer.controls["digit"].value = 3
    assert statistics.median(drawn) < 2 * statistics.median(plain)


def test_an_explorer_leaves_a_picture(explorer: Coadaptation):
    """Is there a still picture beside the live one, with its words, where no widget is shown?"""
    data, more = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/png"].startswith(b"\x89PNG")
    assert more["image/png"]["alt"].endswith(".")


def test_the_game_can_be_played(explorer: Coadaptation):
    """Is each digit readable whole, and not at the end; does care outlast chance, as is said?"""
    networks = explorer.picture
    networks.playing = True
    for digit, lasts in enumerate(networks.lasts):
        networks.digit = digit
        assert networks.says.count("Still readable.") == len(networks.names)
        for which, (mean, sd, most, drawing) in enumerate(lasts):
            assert 0 < sd < mean < most < drawing <= networks.units
            assert f"with 0 of the {drawing} units gone" in networks.says
            networks.removed = [[*range(networks.units)] if k == which else [] for k in range(3)]
            (lost,) = re.findall(r"No longer readable\. .*?missed least", networks.says)
            assert f"lasts for {mean:.1f} ± {sd:.1f} of them" in lost and f"for {most} if" in lost
            assert f"with {drawing} of the {drawing} units gone" in networks.says
        networks.removed = [[] for _ in networks.names]
    networks.playing, networks.digit = False, 3


def test_silent_units_cost_nothing_and_count_nothing(explorer: Coadaptation):
    """Is an image drawn as before without all units that are silent on it, and none counted?"""
    networks = explorer.picture
    networks.playing = True
    for digit, x in enumerate(networks._examples):
        networks.digit = digit
        whole, silent = networks.says, []
        for side in networks._sides:
            drawing = side.drawing_units(x)
            silent.append(sorted({*range(networks.units)} - {*drawing.tolist()}))
            assert (side.net.hidden(x[None])[0, silent[-1]] == 0).all()
            assert (side.net.hidden(x[None])[0, drawing] > 0).all()
        networks.removed = silent
        assert len(silent[1]) > 20, "with dropout, every second unit is silent"
        assert networks.says == whole
        networks.removed = [[] for _ in networks.names]
    networks.playing, networks.digit = False, 3


def test_an_image_that_is_lost_stays_lost(explorer: Coadaptation):
    """Does a unit put back help no longer, until all that draw the image are there again?"""
    networks = explorer.picture
    networks.playing = True
    every = [*range(networks.units)]
    drawing = networks._sides[0].drawing_units(networks._examples[networks.digit]).tolist()
    for removed, ends in (
        (drawing[-1:], "Still readable."),
        (every, "is missed least."),
        (drawing[-1:], "Restore all units to begin again."),
        ([], "Still readable."),
        (drawing[-1:], "Still readable."),
    ):
        networks.removed = [removed, [], []]
        first = networks.says.split(" With dropout: ")[0]
        assert first.endswith(ends), first
    networks.removed, networks.playing = [[], [], []], False


def test_random_orders_are_as_long_as_is_said(explorer: Coadaptation):
    """Does removing one unit after the other, drawn anew each time, last as long on average?"""
    networks, rng = explorer.picture, np.random.default_rng(0)
    networks.playing = True
    which = networks.names.index("With dropout")
    mean, sd, *_ = networks.lasts[networks.digit][which]
    drawing = networks._sides[which].drawing_units(networks._examples[networks.digit])
    counts = []
    for _ in range(40):
        order, gone = rng.permutation(drawing).tolist(), 0
        networks.removed = [[], [], []]
        while networks.says.count("Still readable.") == len(networks.names):
            gone += 1
            networks.removed = [order[:gone] if k == which else [] for k in range(3)]
        counts.append(gone - 1)
    networks.removed, networks.playing = [[], [], []], False
    assert abs(np.mean(counts) - mean) < 5 * sd / 40**0.5
