"""Many networks trained at once: is each the one that it would be alone?"""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import expect, stacked, survivors, train

ROWS, FEATURES, CLASSES, STEPS, BATCH = 50, 6, 3, 12, 8
SETTINGS = {
    "p": [0.0, 0.5, 0.3, 0.8, 0.5],
    "p_input": [0.0, 0.2, 0.0, 0.1, 0.2],
    "rate": [0.02, 0.01, 0.04, 0.02, 0.01],
    "momentum": [0.9, 0.0, 0.5, 0.9, 0.9],
    "weight_decay": [0.0, 0.1, 0.0, 0.01, 0.0],
    "max_norm": [np.inf, np.inf, 1.0, 0.5, np.inf],
    "smoothing": [0.0, 0.1, 0.0, 0.2, 0.0],
    "rows": [50, 50, 20, 3, 50],
}
SEEDS = [0, 1, 2, 1, 1]


def same(a: torch.Tensor, b: torch.Tensor) -> None:
    """Equal up to what a few steps make of float32's rounding."""
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(ROWS, FEATURES)), np.arange(ROWS) % CLASSES


def one(X, y, hidden, seed, p, p_input, rate, momentum, weight_decay, max_norm, smoothing, rows):
    """Train one network in torch's everyday way, with the same weights, batches and masks."""
    chance = stacked.Chance(seed)
    classify = y.dtype.kind == "i"
    sizes = [X.shape[1], *hidden, CLASSES if classify else 1]
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    start = chance.layers(sizes)
    for layer, W, b in zip(layers, start[::2], start[1::2], strict=True):
        layer.weight.data, layer.bias.data = W, b
    groups = [
        {"params": [layer.weight for layer in layers], "weight_decay": weight_decay},
        {"params": [layer.bias for layer in layers]},
    ]
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=momentum)
    X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
    own = chance.subset(ROWS, rows)
    for batch in chance.batches(rows, BATCH, STEPS):
        h = X[own[batch]]
        for i, layer in enumerate(layers):
            drop = p if i else p_input
            h = layer(h * (chance.uniform(i, *h.shape) >= drop) / (1 - drop))
            h = h.relu() if i < len(hidden) else h
        if classify:
            loss = F.cross_entropy(h, y[own[batch]], label_smoothing=smoothing)
        else:
            loss = F.mse_loss(h[:, 0], y[own[batch]].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for layer in layers[:-1]:
            layer.weight.data = torch.renorm(layer.weight.data, 2, 0, max_norm)
    return layers


@pytest.mark.parametrize("hidden", [(7,), (9, 5)])
@pytest.mark.parametrize("kind", ["classes", "regression"])
def test_together_as_one_after_another(sample, hidden, kind):
    """Do networks of different settings, trained at once, get the weights of single training?"""
    X, y = sample
    y = y if kind == "classes" else X @ np.arange(FEATURES) / 5
    runs = train.many(X, y, hidden, seeds=SEEDS, steps=STEPS, batch=BATCH, **SETTINGS)
    for k, seed in enumerate(SEEDS):
        layers = one(X, y, hidden, seed, **{name: value[k] for name, value in SETTINGS.items()})
        for layer, W, b in zip(layers, runs.weights, runs.biases, strict=True):
            same(W[k], layer.weight.data)
            same(b[k], layer.bias.data)


def test_company_changes_nothing(sample):
    """Does a network come out the same alone and among others, on one core and on two?"""
    X, y = sample
    setting = {"p": 0.5, "steps": STEPS, "batch": BATCH, "every": 4}
    inputs = [0, 0.2, 0]
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            runs = train.many(
                X, y, [8], seeds=[4, 5, 4], p_input=inputs, watch={"all": (X, y)}, **setting
            )
            assert torch.get_num_threads() == threads
            for k, seed in enumerate((4, 5, 4)):
                alone = train.many(
                    X, y, [8], seeds=[seed], p_input=inputs[k], watch={"all": (X, y)}, **setting
                )
                np.testing.assert_allclose(runs.loss["all"][k], alone.loss["all"][0], rtol=1e-4)
                same(runs.weights[0][k], alone.weights[0][0])
    finally:
        torch.set_num_threads(before)


def test_what_is_watched(sample):
    """Are loss and error those of the final weights, nothing dropped and nothing smoothed?"""
    X, y = sample
    watch = {"all": (X, y), "own": None}
    runs = train.many(X, y, [8], seeds=[0, 1], p=0.5, smoothing=0.2, steps=5, every=2, watch=watch)
    assert runs.steps.tolist() == [0, 2, 4, 5]
    for k in range(2):
        h = torch.tensor(X, dtype=torch.float32)
        for i, (W, b) in enumerate(zip(runs.weights, runs.biases, strict=True)):
            h = h @ W[k].T + b[k]
            h = h if i else h.relu()
        loss = F.cross_entropy(h, torch.tensor(y)).item()
        assert runs.loss["all"][k, -1] == pytest.approx(loss, rel=1e-5)
        assert runs.error["all"][k, -1] == pytest.approx((h.argmax(1).numpy() != y).mean())
    assert runs.loss["own"] == pytest.approx(runs.loss["all"], rel=1e-5)


def test_data_of_their_own(sample):
    """Does a network with data of its own come out as with shared data that are the same?"""
    X, y = sample
    both = train.many(np.stack([X, 2 * X]), np.stack([y, y]), [8], seeds=[3, 3], steps=STEPS)
    for k, own in enumerate((X, 2 * X)):
        alone = train.many(own, y, [8], seeds=[3], steps=STEPS)
        same(both.weights[1][k], alone.weights[1][0])


def test_variants_replace_rows(sample):
    """Does augment=1 train on the variants alone, 0 never, and a half on both?"""
    X, y = sample
    shown = {"seeds": [2, 2, 2], "steps": STEPS, "batch": BATCH}
    runs = train.many(X, y, [8], augment=[0, 0.5, 1], variants=np.stack([2 * X] * 3), **shown)
    for k, own in ((0, X), (2, 2 * X)):
        alone = train.many(own, y, [8], **shown)
        same(runs.weights[0][k], alone.weights[0][0])
    assert not torch.allclose(runs.weights[0][1], runs.weights[0][0], atol=1e-3)
    assert not torch.allclose(runs.weights[0][1], runs.weights[0][2], atol=1e-3)


def test_passes_show_every_row_equally_often():
    """Do batches go through shuffled passes, and is a small subset part of a larger one?"""
    rows = stacked.Chance(0).batches(10, 4, 5).flatten()
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()
    assert stacked.Chance(1).subset(50, 5).tolist() == stacked.Chance(1).subset(50, 20)[:5].tolist()


def test_training_keeps_to_one_thread():
    """Does training, which a second process would slow tenfold, leave torch as it was?"""
    before, seen = torch.get_num_threads(), []
    w = torch.zeros(1, requires_grad=True)
    try:
        torch.set_num_threads(2)
        stacked.descend(
            lambda step: w.square().sum(),
            stacked.adam([w], 0.1),
            1,
            look=lambda _: seen.append(torch.get_num_threads()),
        )
        assert seen == [1, 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_interruption_ends_all_workers(monkeypatch):
    """When the caller is interrupted, does a worker stop at its next update?"""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    finished = []

    def work(share: np.ndarray) -> None:
        if share[0] == 0:
            raise KeyboardInterrupt
        w = torch.zeros(1, requires_grad=True)
        stacked.descend(lambda step: w.square().sum(), stacked.adam([w], 0.1), 20_000)
        finished.append(share)

    with pytest.raises(KeyboardInterrupt):
        stacked.shared(work, 2)
    assert not finished


def test_each_gradient_is_clipped_on_its_own():
    """Is a long gradient cut to the given length, in its direction, and a short one left?"""
    w = torch.zeros(2, 3, requires_grad=True)
    slopes = torch.tensor([[3.0, 0.0, 4.0], [0.3, 0.0, 0.4]])
    optimizer = torch.optim.SGD([w], lr=1.0)
    stacked.update(optimizer, (w * slopes).sum(), clip=1)
    same(w.detach(), -torch.tensor([[0.6, 0.0, 0.8], [0.3, 0.0, 0.4]]))


def test_layers_in_numpy_go_where_torch_sends_them(sample):
    """Is a step of `layered` momentum and torch's gradient, dropout and all?"""
    X, y = sample
    seen = []

    def dropout(h, rng):  # the same units in every step, so that the order of rows is no matter
        return h * (np.arange(h.shape[1]) > 0) * 2.0

    train.layered(
        X, y, dropout, 0, hidden=(5, 4), epochs=3, batch=ROWS, rate=0.1,
        look=lambda epoch, net: seen.append((epoch, dict(net))),
    )  # fmt: skip
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    before, net, after = (weights for _, weights in seen)
    parameters = {name: torch.tensor(value, requires_grad=True) for name, value in net.items()}
    h = torch.tensor(X)
    for k in (1, 2, 3):
        h = F.linear(h, parameters[f"W{k}"], parameters[f"b{k}"])
        if k < 3:
            h = h.relu() * (torch.arange(h.shape[1]) > 0) * 2.0
    F.cross_entropy(h, torch.tensor(y)).backward()
    for name, parameter in parameters.items():
        step = 0.9 * (net[name] - before[name]) - 0.1 * parameter.grad.numpy()
        np.testing.assert_allclose(after[name] - net[name], step, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(train.predict(net, X), _alone(net, X))


def _alone(net, X):
    """`predict` in torch."""
    h = torch.tensor(X)
    for k in (1, 2, 3):
        h = F.linear(h, torch.tensor(net[f"W{k}"]), torch.tensor(net[f"b{k}"]))
        h = h.relu() if k < 3 else h.softmax(-1)
    return h.numpy()


def test_survivors_are_coins():
    """Has each entry of an array a coin of its own, from the generator that is given?"""
    expect.coins(lambda p, rng: survivors(np.ones((20, 60)), p, rng))
    with pytest.raises(ValueError, match="p must be a probability"):
        survivors(np.ones(3), 1.5, expect.rng())
