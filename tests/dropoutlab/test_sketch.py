"""The sheet of the first lesson: is what one draws on it read as scanned digits are?"""

from __future__ import annotations

import json

import numpy as np
import pytest

from curriculum import LESSONS
from dropoutlab import data
from grader.website.explorers import made
from grader.website.script import Script

Strokes = list[list[list[float]]]


def arc(x: float, y: float, across: float, down: float, start: int, end: int) -> list[list[float]]:
    """Points on an ellipse between two angles in degrees, clockwise from the right."""
    turn = np.radians(np.linspace(start, end, 2 + abs(end - start) // 15))
    return np.column_stack([x + across * np.cos(turn), y + down * np.sin(turn)]).tolist()


BELLY = arc(0.47, 0.66, 0.3, 0.27, -120, 140)
WRITTEN: list[tuple[int, Strokes]] = [
    (0, [arc(0.5, 0.5, 0.3, 0.45, -90, 270)]),
    (1, [[[0.5, 0.05], [0.5, 0.95]]]),
    (1, [[[0.35, 0.25], [0.55, 0.05], [0.55, 0.95]]]),
    (2, [[*arc(0.5, 0.3, 0.28, 0.25, 180, 400), [0.2, 0.95], [0.8, 0.95]]]),
    (3, [arc(0.45, 0.28, 0.28, 0.23, 200, 450) + arc(0.45, 0.72, 0.32, 0.23, -90, 160)]),
    (4, [[[0.6, 0.95], [0.6, 0.05], [0.15, 0.65], [0.85, 0.65]]]),
    (4, [[[0.3, 0.05], [0.2, 0.55], [0.8, 0.55]], [[0.65, 0.1], [0.6, 0.95]]]),
    (5, [[[0.75, 0.05], [0.3, 0.05], [0.27, 0.45], *BELLY]]),
    (5, [[[0.3, 0.05], [0.27, 0.45], *BELLY], [[0.3, 0.05], [0.75, 0.05]]]),
    (6, [[[0.65, 0.05], [0.4, 0.3], *arc(0.5, 0.68, 0.27, 0.26, 200, 560)]]),
    (7, [[[0.2, 0.05], [0.8, 0.05], [0.4, 0.95]]]),
    (7, [[[0.2, 0.05], [0.8, 0.05], [0.4, 0.95]], [[0.35, 0.5], [0.75, 0.5]]]),
    (8, [arc(0.5, 0.28, 0.22, 0.22, 90, 450) + arc(0.5, 0.73, 0.27, 0.23, -90, 270)]),
    (9, [[*arc(0.48, 0.32, 0.25, 0.25, 0, 360), [0.73, 0.32], [0.68, 0.95]]]),
]
"""Digits as pens write them: each a class, and strokes in the unit square, y down."""


def by_hand(rng: np.random.Generator, strokes: Strokes) -> Strokes:
    """The strokes turned, slanted, stretched and shaken as a hand would, of another size."""
    turn, slant, size = rng.normal(0, 0.08), rng.normal(0, 0.12), rng.uniform(0.5, 0.9)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    M = size * np.diag([rng.uniform(0.75, 1.1), 1]) @ np.array([[1, slant], [0, 1]]) @ turned
    moved = [(np.array(line) - 0.5) @ M.T + 0.5 for line in strokes]
    return [(line + rng.normal(0, 0.012, line.shape)).tolist() for line in moved]


@pytest.fixture(scope="module")
def script() -> Script:
    return Script(made(LESSONS[0]))


def cells(script: Script, drawings: list[Strokes]) -> np.ndarray:
    """What a network is shown of drawings: (drawings, 64)."""
    seen = script.evaluate(f"{json.dumps(drawings)}.map((strokes) => Array.from(cells(strokes)))")
    return np.array(seen)


def says(script: Script, images: np.ndarray, share: int, p: int) -> np.ndarray:
    """The class that the whole network of these places reads in each image."""
    shares = script.evaluate(
        f"{images.tolist()}.map((image) => read(table, {{share: {share}, p: {p}}}, image, 0).whole)"
    )
    return np.argmax(shares, 1)


@pytest.mark.slow
@pytest.mark.xdist_group("explorer 00_start_here")
def test_drawn_digits_are_read(script: Script):
    """With right labels and dropout, does the network read most digits that are drawn?"""
    rng = np.random.default_rng(1)
    drawn = [(digit, by_hand(rng, strokes)) for digit, strokes in WRITTEN for _ in range(6)]
    digits = np.array([digit for digit, _ in drawn])
    images = cells(script, [strokes for _, strokes in drawn])
    right = [(says(script, images, share, 4) == digits).mean() for share in (0, 1)]
    print("read at p = 0.4:", right)
    assert right[0] > 0.75, right
    assert right[1] > 0.35, right  # a fifth of its labels were wrong, and the hand is another


@pytest.mark.xdist_group("explorer 00_start_here")
def test_a_drawing_is_seen_as_the_data_are(script: Script):
    """Is it as high, as wide and as inked as scanned digits, wherever and how large it is drawn?"""
    images, _, _, _ = data.digits()
    drawings = [strokes for _, strokes in WRITTEN]
    seen = cells(script, drawings).reshape(-1, 8, 8)
    assert seen.max() <= 1 and (seen.sum(2) > 0).all(), "each fills all rows, as the data do"
    assert abs(seen.sum((1, 2)).mean() / images.sum((1, 2)).mean() - 1) < 0.15
    middle = (seen.sum(1) @ np.arange(8)) / seen.sum((1, 2))
    assert np.all(np.abs(middle - 3.57) < 0.6), middle  # the mean of the data's
    moved = [[(0.4 * np.array(line) + [0.5, 0.1]).tolist() for line in one] for one in drawings]
    assert np.allclose(cells(script, moved).reshape(-1, 8, 8), seen, atol=0.13)
    assert not cells(script, [[]]).any(), "an empty sheet"


@pytest.mark.xdist_group("explorer 00_start_here")
def test_the_page_reads_as_numpy_does(script: Script):
    """Do whole and thinned networks give the shares that their weights, as they travel, give?"""
    explorer = script.explorer
    arrays = {
        part["name"]: np.frombuffer(
            explorer.table, part["kind"], int(np.prod(part["shape"])), part["offset"]
        ).reshape(part["shape"])
        for part in explorer.arrays
    }
    image = data.digits()[2][17].ravel()
    for share, p in ((0, 5), (1, 3), (2, 9)):
        W1, W2 = (arrays[f"W{k}"][share, p] * arrays[f"scale{k}"][share, p] for k in (1, 2))
        h = np.maximum(W1 @ image + arrays["b1"][share, p], 0)
        for rate in (0.0, 0.5):
            kept = (arrays["coins"] >= 256 * rate) / (1 - rate)
            z = np.vstack([h, kept * h]) @ W2.T + arrays["b2"][share, p]
            shares = np.exp(z - z.max(1, keepdims=True))
            shares /= shares.sum(1, keepdims=True)
            found = script.evaluate(
                f"(({{whole, each}}) => [whole, ...each])"
                f"(read(table, {{share: {share}, p: {p}}}, {image.tolist()}, {rate}))"
            )
            assert np.allclose(found, shares, atol=1e-4)
