"""Dropout in PyTorch: one image sent often through a network, in training and in evaluation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import data
from dropoutlab.explore.explorer import Control, Explorer, again, grid

SIZES, EPOCHS, BATCH, RUNS = [64, 64, 10], 12, 64, 40
PICKED = [199, 100, 60, 40, 30, 24, 19, 15, 12, 9, 5, 1]
"""Of 200 test images in the order of confidence: from the surest to the least sure."""


def same_input(mlp: Callable[..., nn.Module]) -> Explorer:
    """Explore what one image's runs say in either mode; p of the hidden units, image, run."""
    X, y, X_test, y_test = data.digits()
    p = grid("drop probability p", 0.5, 0.0, 0.9, 0.1)
    tests, labels = torch.as_tensor(X_test[:200]).flatten(1).float(), y_test[:200]

    def trained() -> nn.Module:
        """The learner's network after a short training."""
        inputs, targets = torch.as_tensor(X).flatten(1).float(), torch.as_tensor(y)
        model = mlp(SIZES, 0.0, 0.5)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        with torch.enable_grad():
            for _ in range(EPOCHS):
                for rows in torch.randperm(len(inputs)).split(BATCH):
                    optimizer.zero_grad()
                    F.cross_entropy(model(inputs[rows]), targets[rows]).backward()
                    optimizer.step()
        return model

    @torch.no_grad()
    def told() -> dict[str, np.ndarray]:
        torch.manual_seed(5)
        model, found = trained().eval(), []
        sure = model(tests).softmax(1).numpy()[np.arange(len(labels)), labels]
        picked = np.argsort(sure)[PICKED]
        many = tests[picked].repeat_interleave(RUNS, 0)
        for rate in p.values:
            fresh = mlp(SIZES, 0.0, rate)
            for own, weight in zip(fresh.parameters(), model.parameters(), strict=True):
                own.copy_(weight)
            found += [fresh.train()(many).softmax(1).numpy(), fresh.eval()(many).softmax(1).numpy()]
        says = np.reshape(found, (len(p.values), 2, len(picked), RUNS, 10))
        return {
            "says": np.rint(255 * says).astype(np.uint8), "first": says.argmax(-1).astype(np.uint8),
            "images": X_test[picked], "labels": labels[picked],
        }  # fmt: skip

    def table() -> dict[str, np.ndarray]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.random.fork_rng():
                return told()
        finally:
            torch.set_num_threads(threads)

    words = [f"test image {i + 1}" for i in range(len(PICKED))]
    image = Control("image", list(range(len(PICKED))), 7, words, "hidden")
    return Explorer("same_input", table, p=p, run=again("Ask again", RUNS), image=image)
