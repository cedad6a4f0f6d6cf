"""What lets lessons do without packages that a browser lacks: is it as right as they are?"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, stdtrit

from dropoutlab import kept, oracle, penalised, student


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 10, 29, 30, 999])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_student_is_scipys(freedom: int, level: float):
    """Does an interval reach as far as SciPy says, for odd and even degrees of freedom?"""
    assert student.reach(level, freedom) == pytest.approx(
        stdtrit(freedom, (1 + level) / 2), rel=1e-12
    )


def test_expit_is_scipys():
    """Is the sigmoid of any number SciPy's, without a warning (which fails a test)?"""
    z = np.array([[-1e4, -745, -30, -1], [0, 1e-9, 40, 1e4]])
    np.testing.assert_allclose(penalised.expit(z), expit(z), rtol=1e-14)


def test_the_oracle_is_torchs():
    """Are loss and gradient by complex steps those of torch, for large logits too?"""
    rng = np.random.default_rng(0)
    for scale in (1, 1e4):
        W, x, y = scale * rng.normal(size=(4, 6)), rng.normal(size=(5, 6)), rng.integers(4, size=5)
        leaf = torch.tensor(W, requires_grad=True)
        loss = torch.nn.functional.cross_entropy(
            torch.relu(torch.tensor(x)) @ leaf.T, torch.tensor(y)
        )
        loss.backward()

        def mine(W: np.ndarray, x: np.ndarray = x, y: np.ndarray = y) -> np.ndarray:
            return oracle.cross_entropy(oracle.relu(x) @ W.swapaxes(-1, -2), y)

        assert mine(W) == pytest.approx(loss.item(), rel=1e-12)
        np.testing.assert_allclose(oracle.gradient(mine, W), leaf.grad, rtol=1e-9, atol=1e-12)


def test_what_was_trained_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Is a call's result kept when asked for, and given to the same call alone, untrained?"""
    calls = []

    @kept.kept
    def train(X: np.ndarray, rates: list[float], *, steps: int = 3) -> dict[str, torch.Tensor]:
        calls.append(steps)
        return {"W": torch.full((2,), float(steps))}

    X = np.arange(6)
    assert train(X, [0.5])["W"].tolist() == [3, 3]
    monkeypatch.setenv("DROPOUT_KEEP", str(tmp_path))
    train(X, [0.5])
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.delenv("DROPOUT_KEEP")
    (result,) = tmp_path.iterdir()
    (tmp_path / "kept.json").write_text(json.dumps({result.name: "a-file"}), encoding="utf-8")
    monkeypatch.setattr(kept, "INDEX", tmp_path / "kept.json")
    asked = {"static/kept/a-file": result.read_bytes()}
    monkeypatch.setattr(kept, "fetched", asked.__getitem__)
    again = train(X.astype(np.int32), np.array([0.5]), steps=3)  # as a browser counts
    assert isinstance(again["W"], np.ndarray)
    assert again["W"].tolist() == [3, 3]
    assert calls == [3, 3]
    train(X, [0.25])
    assert calls == [3, 3, 3]


def test_what_a_kept_call_calls_is_not_kept_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Is one file written for a call, whatever else it calls, also after one that failed?"""

    @kept.kept
    def images(n: int) -> list[int]:
        return [1 // n] * n

    @kept.kept
    def train(n: int) -> int:
        return len(images(n))

    monkeypatch.setenv("DROPOUT_KEEP", str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        train(0)
    train(3)
    assert len(list(tmp_path.iterdir())) == 1
    images(3)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_call_that_was_not_kept_says_so():
    """Where a package is missing: is it told which, and that the lesson's own call was kept?"""

    @kept.kept
    def train(steps: int) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    with pytest.raises(RuntimeError, match="`train` needs torch, which a browser does not have"):
        train(3)
