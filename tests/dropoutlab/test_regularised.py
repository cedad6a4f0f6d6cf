"""Many networks with a regulariser each: does every setting do what it says?"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from dropoutlab import regularised, studies
from dropoutlab.studies import overfitting


@cache
def numerals() -> tuple[np.ndarray, np.ndarray]:
    return overfitting.numerals(120, 0)


def fit(seeds: list[int], **how: Any) -> regularised.Fitted:
    return regularised.fit(*numerals(), (12, 12), seeds=seeds, steps=12, **how)


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.allclose(v, w, atol=1e-5) for v, w in zip(a, b, strict=True))


def test_a_network_comes_out_as_it_would_alone():
    """Does a network depend on which others train beside it?"""
    together = fit([3, 4, 5], p=[0.1, 0.5, 0.0], rows=[50, 60, 120], every=5)
    alone = fit([4], p=0.5, rows=60, every=5)
    assert same([w[1:2] for w in together.weights], alone.weights)
    assert np.allclose(together.loss["train"][1, -1], alone.loss["train"][0, -1], atol=0.05)
    assert together.steps.tolist() == [0, 5, 10, 12]


@pytest.mark.parametrize(
    "setting",
    [{"p": 0.3}, {"p_input": 0.3}, {"weight_decay": 0.1}, {"max_norm": 0.5}, {"smoothing": 0.3},
     {"noise": 0.3}, {"moved": 1.0}, {"rate": 0.01}, {"batch_norm": True}, {"falling": False}],
    ids=lambda setting: next(iter(setting)),
)  # fmt: skip
def test_each_setting_acts(setting: dict[str, Any]):
    """Does a network with this setting come out otherwise than one of its seed without it?"""
    assert not same(fit([1], **setting).weights, fit([1]).weights)


def test_the_bound_holds():
    """Are a hidden unit's incoming weights no longer than max_norm at the end?"""
    first, second, _ = fit([1, 2], max_norm=[0.5, np.inf]).weights
    assert max(first[0].norm(dim=1).max(), second[0].norm(dim=1).max()) < 0.5001
    assert first[1].norm(dim=1).max() > 0.6


@pytest.mark.parametrize("part", [{"begins": 1.0}, {"ends": 0.0}], ids=["begins", "ends"])
def test_dropout_outside_its_part_of_training_does_nothing(part: dict[str, float]):
    """Is a network that never drops the one without dropout?"""
    assert same(fit([1], p=0.5, **part).weights, fit([1]).weights)


def test_batch_norm_evaluates_without_a_batch():
    """Does a network with batch norm judge each image by itself?"""
    how = {"batch_norm": True, "every": 12}
    X, Y = numerals()
    whole = fit([1], watch={"new": (X, Y)}, **how).loss["new"][0, -1]
    halves = fit([1], watch={"a": (X[:60], Y[:60]), "b": (X[60:], Y[60:])}, **how).loss
    assert np.isclose(whole, (halves["a"][0, -1] + halves["b"][0, -1]) / 2, atol=1e-4)


def test_images_are_moved_by_a_pixel():
    """Is the middle of the nine moves the image, and another one the image a pixel lower?"""
    image = torch.arange(196.0)[None]
    nine = regularised.moves(image)
    assert torch.equal(nine[4], image)
    assert torch.equal(nine[1].reshape(14, 14)[1:], image.reshape(14, 14)[:-1])


def test_weights_are_averaged_over_the_end():
    """Are the weights the mean over the last steps, and looked at once more?"""
    one, two = fit([1], averaged=1 / 12), fit([1], averaged=2 / 12)
    assert same(one.weights, fit([1]).weights)
    assert one.steps.tolist() == [0, 12, 12]
    assert np.allclose(one.loss["train"][:, 1], one.loss["train"][:, 2])
    short = regularised.fit(*numerals(), (12, 12), seeds=[1], steps=11, falling=False)
    last, mean = (fit([1], falling=False, averaged=part).weights for part in (1 / 12, 2 / 12))
    assert same(mean, [(a + b) / 2 for a, b in zip(short.weights, last, strict=True)])
    assert not same(two.weights, one.weights)


def test_an_unknown_setting_is_refused():
    """Is a misspelt setting named, rather than ignored?"""
    with pytest.raises(TypeError, match="weight_decy"):
        fit([1], weight_decy=0.1)


def test_the_study_is_whole():
    """Is there a result for every cell of the study, with all of its seeds and rates?"""
    kept = studies.kept("overfitting")
    for name, how in overfitting.cells():
        assert np.shape(kept[name]["test"]) == (len(how["rates"]), how["seeds"]), name
    for way in overfitting.WAYS:
        for found in (kept[f"ways {way}"], kept[f"tuned {way}"]):
            assert len(found["error"]) == len(overfitting.JUDGED)
