"""The finder of dropout bugs, on networks that no lesson shows."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab.bugs import CERTAIN, EVALUATION, OUTPUT, UNEQUAL, find_dropout_bugs


class Residual(nn.Module):
    """A block with dropout on its branch."""

    def __init__(self, p: float):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.drop = nn.Dropout2d(p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.drop(self.conv(self.norm(x)).relu())


class Careless(nn.Module):
    """Calls dropout without saying whether it trains."""

    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Sequential(nn.Linear(6, 6), nn.ReLU()), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(F.dropout(self.inner(x), 0.5))


class Rows(nn.Module):
    """Two inputs, a dictionary out, and a recurrent layer with dropout of its own."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(6, 5, num_layers=2, dropout=0.3, batch_first=True)
        self.drop, self.out = nn.Dropout(0.3), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor, scale: float) -> dict[str, torch.Tensor]:
        return {"logits": self.out(self.drop(self.rnn(x)[0][:, -1])) * scale}


def convolutional(p: float, q: float) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), Residual(p), Residual(q), nn.Flatten(),
                         nn.Dropout(0.5), nn.Linear(144, 3))  # fmt: skip


@pytest.mark.parametrize("model, inputs", [
    (convolutional(0.1, 0.1), (torch.rand(5, 1, 8, 8),)),
    (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (torch.rand(3, 4, 8),)),
    (Rows(), (torch.rand(3, 4, 6), 2.0)),
    (nn.Sequential(nn.Linear(6, 3)), (torch.rand(2, 6),)),
], ids=["residual", "transformer", "recurrent", "without dropout"])  # fmt: skip
def test_a_healthy_network_gets_no_report(model: nn.Module, inputs: tuple):
    """Is nothing said of networks in which nothing is wrong?"""
    bugs = find_dropout_bugs(model, *inputs)
    if "Transformer" in type(model).__name__:
        # Its last layer is dropped before it is added to the input: right inside a network.
        assert bugs.pop(OUTPUT) == ["dropout2"]
    assert bugs == {}


@pytest.mark.parametrize("model, expected", [
    (nn.Sequential(nn.Linear(6, 6), Careless()), {EVALUATION: ["1"]}),
    (nn.Sequential(nn.Dropout(0.2), nn.Linear(6, 3), nn.Dropout(0.2)), {OUTPUT: ["2"]}),
    (nn.Sequential(nn.Dropout(0.0), nn.Linear(6, 6), nn.Dropout(1.0), nn.Linear(6, 3)),
     {CERTAIN: ["0", "2"]}),
    (nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Linear(6, 6), nn.Dropout(0.3),
                   nn.Linear(6, 3)), {UNEQUAL: ["1", "3"]}),
    (nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.0), nn.Linear(6, 6), nn.Dropout(0.3)),
     {OUTPUT: ["3"], CERTAIN: ["1"], UNEQUAL: ["1", "3"]}),
])  # fmt: skip
def test_each_bug_is_named_with_its_place(model: nn.Module, expected: dict):
    """Is each bug found, alone or with others, and the module in which it shows?"""
    assert find_dropout_bugs(model, torch.rand(20, 6)) == expected


def test_unequal_blocks_are_found():
    """Are two blocks of one kind with two rates named by their full names?"""
    bugs = find_dropout_bugs(convolutional(0.1, 0.2), torch.rand(5, 1, 8, 8))
    assert bugs == {UNEQUAL: ["1.drop", "2.drop"]}


def test_the_model_is_left_as_it_is():
    """Are modes, weights, running statistics and hooks as before, also where the model raises?"""
    model = convolutional(0.1, 0.1)
    model[1].eval()
    before = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    find_dropout_bugs(model, torch.rand(5, 1, 8, 8))
    with pytest.raises(RuntimeError):
        find_dropout_bugs(model, torch.rand(5, 2, 8, 8))
    assert all(torch.equal(a, b) for a, b in
               zip(before[0].values(), model.state_dict().values(), strict=True))  # fmt: skip
    assert [m.training for m in model.modules()] == before[1]
    assert not any(m._forward_hooks for m in model.modules())


def test_one_run_is_refused():
    """Does one run, which can differ from nothing, get a sentence?"""
    with pytest.raises(ValueError, match="runs must be 2 or more"):
        find_dropout_bugs(nn.Linear(2, 2), torch.rand(1, 2), runs=1)
