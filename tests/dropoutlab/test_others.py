"""Are the lessons' functions those of the libraries that nobody here wrote?

Torch, torchvision and Keras draw their masks in their own ways, so outputs are never compared,
only their distributions over many calls with the same input: the means and all covariances of
outputs and gradients, and the shares below each quartile. They show the kept fraction by
position, the sizes of blocks, what falls together in an image and across the batch, the scale
of the survivors, and whether the backward pass uses the mask of the forward pass.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from grader.authoring.reading import read
from grader.paths import ROOT, SOLUTIONS
from rehearsal import stage

pytestmark = [
    pytest.mark.slow(minutes=1),
    pytest.mark.xdist_group("others"),  # one process imports Keras
    pytest.mark.filterwarnings("ignore"),  # theirs
]

beside_others = pytest.mark.long("Keras and torchvision")
Function = Callable[[torch.Tensor], torch.Tensor]
WANTED = ROOT / "tests" / "dropoutlab" / "others.txt"
CALLS = 3000
FAR = 7.5
"""Standard errors. Two equal functions differ by more somewhere less than once in a million
tests: 20 000 normal numbers do with a chance of 1e-9."""


# ── the libraries ────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def others() -> Any:
    """Keras and torchvision's functions, installed into an environment beside the course's."""
    place = ROOT / ".course" / "others"
    place.parent.mkdir(exist_ok=True)
    with (place.parent / "others.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        packages = _installed(place)
    sys.path.append(str(packages))
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    try:
        import torchvision
    except RuntimeError:
        # A torchvision that was built for another torch than this one (with CUDA) lacks its
        # compiled operators, and describes two of them to torch all the same. Its dropout is
        # plain Python and needs none.
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor a, Tensor b, float c) -> Tensor")
        import torchvision
    yield SimpleNamespace(keras=keras, vision=torchvision)
    sys.path.remove(str(packages))


def _installed(place: Path) -> Path:
    """Fill the environment from others.txt; its folder of packages."""
    wanted, stamp = WANTED.read_text(encoding="utf-8"), place / "stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return _packages(place)
    venv.create(place, clear=True, with_pip=True)
    here = [folder for folder in sys.path if folder.endswith("-packages")]  # torch is in them
    (_packages(place) / "course.pth").write_text("\n".join(here), encoding="utf-8")
    command = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", WANTED]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            f"Keras and torchvision could not be installed: {done.stderr[-300:]}"
        )
    stamp.write_text(wanted, encoding="utf-8")
    return _packages(place)


def _packages(place: Path) -> Path:
    return next(place.glob("lib/python*/site-packages"))


@pytest.fixture(scope="module")
def ours() -> SimpleNamespace:
    """The functions of the solutions."""
    names: dict[str, Any] = {}
    for lesson in ("16_pytorch", "31_images", "32_sequences", "33_transformers", "34_noise"):
        names |= stage(read(SOLUTIONS / f"{lesson}.py"))
    return SimpleNamespace(**names)


# ── distributions ────────────────────────────────────────────────────────────────────────────


def draws(function: Function, x: torch.Tensor) -> np.ndarray:
    """`CALLS` times f(x) and the gradient of its sum, flat: (CALLS, 2 × entries of x)."""
    rows = []
    for _ in range(CALLS):
        leaf = x.clone().requires_grad_()
        out = function(leaf)
        out.sum().backward()
        rows.append(torch.cat([out.detach().flatten(), leaf.grad.flatten()]))
    return torch.stack(rows).double().numpy()


def distance(left: np.ndarray, right: np.ndarray) -> float:
    """How far apart two samples (calls, entries) are, in standard errors.

    The largest difference of an entry's mean, of a covariance, or of the share below a quartile;
    infinite where something constant differs.
    """
    both = np.concatenate([left, right])
    quartiles = np.quantile(both, [0.25, 0.5, 0.75], axis=0) + 1e-5  # float32 rounds
    measured = [_statistics(sample, both.mean(0), quartiles) for sample in (left, right)]
    gap, error = np.abs(measured[0][0] - measured[1][0]), np.hypot(measured[0][1], measured[1][1])
    rounding = 1e-5 * max(1.0, np.abs(both).max()) ** 2
    far = np.where(gap < rounding, 0, np.inf)
    return float(np.divide(gap, error, out=far, where=error > rounding / 10).max())


def _statistics(
    sample: np.ndarray, centre: np.ndarray, quartiles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means, second moments about the centre and shares below, with their standard errors."""
    n, off = len(sample), sample - centre
    shares = (sample <= quartiles[:, None]).mean(1)
    second = off.T @ off / n
    spread = ((off**2).T @ off**2 / n - second**2).clip(0)
    values = [off.mean(0), second.ravel(), shares.ravel()]
    variances = [off.var(0), spread.ravel(), (shares * (1 - shares)).ravel()]
    return np.concatenate(values), np.sqrt(np.concatenate(variances) / n)


def alike(mine: Function, theirs: Function, x: torch.Tensor) -> None:
    assert distance(draws(mine, x), draws(theirs, x)) < FAR


def unlike(mine: Function, theirs: Function, x: torch.Tensor) -> None:
    """The comparison would have noticed."""
    assert distance(draws(mine, x), draws(theirs, x)) > FAR


def training(layer: Any) -> Function:
    """A layer of Keras in training mode."""
    return partial(layer, training=True)


def maps(n: int = 2, channels: int = 2, side: int = 5) -> torch.Tensor:
    return torch.rand(n, channels, side, side) + 0.5


# ── one to one ───────────────────────────────────────────────────────────────────────────────


@beside_others
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_modules(ours: Any, others: Any, p: float):
    """Is the lesson's module torch's and Keras's, and would rates that differ be noticed?"""
    x = maps(side=3)
    alike(ours.Dropout(p), torch.nn.Dropout(p), x)
    alike(ours.Dropout(p), training(others.keras.layers.Dropout(p)), x)
    unlike(ours.Dropout(p), torch.nn.Dropout(p + 0.05), x)


@beside_others
@pytest.mark.parametrize("noise_shape", [(2, 1, 4), (1, 3, 4), (2, 3, 1)])
def test_noise_shape(ours: Any, others: Any, noise_shape: tuple[int, ...]):
    x, mine = torch.rand(2, 3, 4) + 0.5, partial(ours.noise_shape_dropout, p=0.4)
    keras = others.keras.layers.Dropout(0.4, noise_shape=noise_shape)
    alike(partial(mine, noise_shape=noise_shape), training(keras), x)
    unlike(partial(mine, noise_shape=None), training(keras), x)


@beside_others
def test_the_cell_with_keras_runs(ours: Any, others: Any, capsys: pytest.CaptureFixture[str]):
    """Does the lesson's cell that only runs where Keras is find the two alike?"""
    cells = read(SOLUTIONS / "16_pytorch.py").of("demonstration")
    (cell,) = [cell for cell in cells if "import keras" in cell.source]
    exec(cell.source, vars(ours))
    keras, yours, untold = capsys.readouterr().out.splitlines()
    assert keras.endswith("shared in time: True") and yours.endswith("shared in time: True")
    assert untold.endswith("drops: False")


@beside_others
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_spatial_dropout(ours: Any, others: Any, p: float):
    x, mine = maps(), partial(ours.spatial_dropout, p=p)
    keras = others.keras.layers.SpatialDropout2D(p, data_format="channels_first")
    alike(mine, partial(F.dropout2d, p=p), x)
    alike(mine, training(keras), x)
    unlike(mine, partial(F.dropout, p=p), x)


@beside_others
@pytest.mark.parametrize("size", [1, 3])
def test_dropblock(ours: Any, others: Any, size: int):
    """Are its masks torchvision's inside a map, where no border is near?

    There a pixel of theirs stays if none of b² blocks starts, so the rates are matched in that.
    Theirs drops less at the border and divides by the share kept in the whole batch; ours keeps
    1 - p everywhere and divides by that, so only masks are compared.
    """
    p, side = 0.2, 7
    starts = p * side**2 / size**2 / (side - size + 1) ** 2
    inside = slice(size - 1, side - size + 1)

    def mask(function: Function) -> Function:
        return lambda x: x * (function(x.detach()) != 0)

    def cropped(function: Function) -> Function:
        return lambda x: mask(function)(x)[..., inside, inside]

    mine = partial(ours.dropblock, p=1 - (1 - starts) ** (size**2), block_size=size)
    theirs = partial(others.vision.ops.drop_block2d, p=p, block_size=size)
    x = maps(side=side)
    alike(cropped(mine), cropped(theirs), x)
    unlike(cropped(mine), cropped(partial(F.dropout, p=p + 0.2)), x)
    if size > 1:
        unlike(mask(mine), mask(theirs), x)  # the border


@beside_others
def test_drop_path(ours: Any, others: Any):
    x, mine = maps(n=3, side=2), partial(ours.drop_path, p=0.3)
    alike(mine, partial(others.vision.ops.stochastic_depth, p=0.3, mode="row"), x)
    unlike(mine, partial(others.vision.ops.stochastic_depth, p=0.3, mode="batch"), x)


@beside_others
def test_locked_dropout(ours: Any, others: Any):
    x, mine = torch.rand(4, 2, 3) + 0.5, partial(ours.locked_dropout, p=0.4)
    locked = others.keras.layers.Dropout(0.4, noise_shape=(1, None, None))
    alike(mine, training(locked), x)
    unlike(mine, partial(F.dropout, p=0.4), x)


@beside_others
@pytest.mark.parametrize("every_gate", [False, True])
def test_variational_lstm(ours: Any, others: Any, every_gate: bool):
    """Does it drop what Keras's LSTM does, with the same weights?

    Keras draws a mask for each gate (Gal and Ghahramani call that untied), ours one for all four
    (tied). Where one gate alone hears x and h the two are the same thing, else they are not.
    """
    size, hidden, p = 3, 4, 0.4
    mine = ours.VariationalLSTM(size, hidden, p)
    weights = {name.split("_l0")[0]: w.detach() for name, w in mine.state_dict().items()}
    for name in ("weight_ih", "weight_hh"):
        weights[name] *= 3  # so that masks matter
        if not every_gate:  # rows: input, forget, cell and output gate
            weights[name][: 2 * hidden] = weights[name][3 * hidden :] = 0

    def keras(dropout: float, recurrent: float) -> Function:
        layer = others.keras.layers.LSTM(
            hidden, return_sequences=True, dropout=dropout, recurrent_dropout=recurrent
        )
        layer.build((None, None, size))
        bias = weights["bias_ih"] + weights["bias_hh"]
        layer.set_weights([weights["weight_ih"].T, weights["weight_hh"].T, bias])
        return lambda x: layer(x.transpose(0, 1), training=True).transpose(0, 1)

    x = torch.rand(3, 2, size) + 0.5
    (unlike if every_gate else alike)(lambda x: mine(x)[0], keras(p, p), x)
    unlike(lambda x: mine(x)[0], keras(p, 0), x)


def test_attention(ours: Any):
    """Is it torch's, with the same dropout of weights?"""
    q, k, x = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4)
    alike(
        lambda v: ours.attention(q, k, v, 0.3),
        lambda v: F.scaled_dot_product_attention(q, k, v, dropout_p=0.3),
        x,
    )
    unlike(
        lambda v: ours.attention(q, k, v, 0.3),
        lambda v: F.dropout(F.scaled_dot_product_attention(q, k, v), 0.3),
        x,
    )


@beside_others
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_gaussian_dropout(ours: Any, others: Any, p: float):
    x, mine = maps(side=3), partial(ours.gaussian_dropout, p=p)
    alike(mine, training(others.keras.layers.GaussianDropout(p)), x)
    unlike(mine, partial(F.dropout, p=p), x)  # the same two moments, so the gradients show it


@beside_others
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_alpha_dropout(ours: Any, others: Any, p: float):
    x, mine = maps(side=3), partial(ours.alpha_dropout, p=p)
    alike(mine, partial(F.alpha_dropout, p=p, training=True), x)
    alike(mine, training(others.keras.layers.AlphaDropout(p)), x)
    unlike(mine, partial(F.dropout, p=p), x)
    # whole channels: with one pixel each they are the same thing, with more they are not
    whole = partial(F.feature_alpha_dropout, p=p, training=True)
    alike(mine, whole, maps(side=1))
    unlike(mine, whole, x)
