"""The convolutional networks of the lesson on images: do they do what they say?"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dropoutlab import convnets, own, stacked
from grader.authoring.reading import read
from grader.paths import SOLUTIONS
from rehearsal import stage


@pytest.fixture(scope="module")
def ours() -> SimpleNamespace:
    """The functions of the solutions."""
    return SimpleNamespace(**stage(read(SOLUTIONS / "31_images.py")))


@pytest.mark.parametrize("name", ["spatial_dropout", "dropblock", "drop_path"])
def test_the_study_uses_what_learners_write(ours: SimpleNamespace, name: str):
    """From one seed, does the fast function give exactly what the solution gives?"""
    x = torch.rand(5, 4, 7, 7, generator=stacked.seeded(1))
    how = (0.3, 3) if name == "dropblock" else (0.3,)
    mine, theirs = (getattr(of, name)(x, *how, stacked.seeded(2)) for of in (ours, own))
    assert torch.equal(mine, theirs)


def test_a_probe_is_what_learners_write(ours: SimpleNamespace):
    """Does the study probe a body as the solution does?"""
    body = convnets.Network(0).features
    found = [of.probe_error(body, 2, range(2)) for of in (ours, own)]
    assert found[0] == pytest.approx(found[1])


def test_a_seed_decides_the_first_weights_alone():
    """Do networks of one seed begin alike, and does making one leave torch's generator alone?"""
    before = torch.get_rng_state()
    first, second, other = (convnets.Network(seed).conv.weight for seed in (0, 0, 1))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_what_is_dropped_together_is_louder():
    """Is nothing silent, and is a map of one coin louder than a map of coins?"""
    net, X = convnets.Network(0).requires_grad_(False), torch.rand(50, 1, 14, 14)
    assert convnets.loudness(net, "element", 0.0, X) == 0
    heard = [
        convnets.loudness(net, kind, 0.2, X, hand=own.IMAGES) for kind in ("element", "spatial")
    ]
    assert 0 < heard[0] < heard[1]


def test_as_loud_finds_the_rate():
    """Does it find points of a curve again, and lie between its neighbours elsewhere?"""
    ps, curve = (0.1, 0.2, 0.4), (1.0, 3.0, 10.0)
    assert convnets.as_loud(ps, curve, 3.0) == pytest.approx(0.2)
    assert 0.2 < convnets.as_loud(ps, curve, 5.0) < 0.4


def test_neighbours_of_a_smooth_map_are_correlated():
    """Is white noise uncorrelated, and a constant map wholly correlated?"""
    white = torch.randn(400, 3, 7, 7, generator=stacked.seeded(0))
    assert abs(convnets.correlation(white)) < 0.05
    flat = white[..., :1, :1].expand(-1, -1, 7, 7)
    assert convnets.correlation(flat) == pytest.approx(1, abs=1e-4)


def test_few_labels_are_a_few_of_each_class():
    _, labels = convnets.labelled(2, 0)
    assert np.array_equal(np.bincount(labels), [2] * len(convnets.OTHERS))
