"""The networks of the lesson on dropout today: do they do what they say?"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dropoutlab import stacked, today
from dropoutlab.studies import today as study


def guided(cond: torch.Tensor, uncond: torch.Tensor, w: float) -> torch.Tensor:
    return w * cond + (1 - w) * uncond


@pytest.mark.parametrize("label", [2, today.NULL])
@pytest.mark.parametrize("angle", [0.3, 1.2])
def test_the_exact_noise_is_the_slope_of_the_density(label: int, angle: float):
    """Is it minus sin(angle) times the gradient of log p(x), known or unknown class?"""
    x = torch.randn(20, 2, generator=stacked.seeded(0), dtype=torch.float64).requires_grad_()
    c, s = math.cos(angle), math.sin(angle)
    off = x[:, None] - c * torch.tensor(today.CENTRES)
    logs = -off.square().sum(-1) / (2 * (c**2 * today.SPREAD**2 + s**2))
    logs = logs.logsumexp(1) if label == today.NULL else logs[:, label]
    (slope,) = torch.autograd.grad(logs.sum(), x)
    found = today.exact_noise(x.detach(), angle, torch.full((20,), label))
    assert torch.allclose(found, -s * slope, atol=1e-5)


def test_unguided_points_are_those_of_the_data():
    """Do the exact noise and w = 1 give back the classes' means and widths?"""
    labels = torch.arange(4000) % today.CLASSES
    start = torch.randn(1, 4000, 2, generator=stacked.seeded(0))
    points = today.sampled(today.exact_noise, guided, 1.0, labels, start, steps=100)
    assert today.scatter(points, labels) == pytest.approx(today.SPREAD, rel=0.04)
    means = np.array([points[0, labels == k].mean(0) for k in range(today.CLASSES)])
    assert np.abs(means - today.CENTRES).max() < 0.12


def test_both_adapters_are_the_same():
    """Does the course's fast copy learn what a lora_linear written plainly does?"""

    def lora_linear(x, W, A, B, alpha, p, generator, training):  # type: ignore[no-untyped-def]
        return x @ W.T + alpha / len(A) * (x @ A.T @ B.T)

    how = {"rate": 0.01, "rows": 30, "watch": {"test": today.written()["test"]}}
    one = today.fine_tuned(lora_linear, seed=3, p=0.0, **how)  # type: ignore[arg-type]
    many = today.many_fine_tuned(seeds=[2, 3], p=[0.0, 0.0], whole=False, **how)  # type: ignore[arg-type]
    assert one["test loss"][0] == pytest.approx(many["test loss"][1], rel=1e-3)


def test_patches_stay_whole():
    """Does the study's patch dropout keep the class token and different patches, as they were?"""
    x = torch.arange(30.0).reshape(3, 10, 1)
    found = study.some_patches(x, 4, stacked.seeded(0))[..., 0]
    assert found.shape == (3, 5) and (found[:, 0] == x[:, 0, 0]).all()
    for own, image in zip(found.tolist(), x[..., 0].tolist(), strict=True):
        assert len(set(own)) == 5 and set(own) <= set(image)


def test_patches_are_cut_row_by_row():
    """Is a patch a square of the image?"""
    image = torch.arange(36.0).reshape(1, 6, 6)
    found = today.patches(image, 3)
    assert found.shape == (1, 4, 9)
    assert found[0, 1].tolist() == image[0, :3, 3:].flatten().tolist()


def test_rates_rise_from_zero():
    """Does the linear rule begin at 0 and end at p?"""
    assert today.linear_rates(0.5, 6) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
