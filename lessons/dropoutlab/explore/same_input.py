"""Dropout in PyTorch: one image sent often through a network, in training and in evaluation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from dropoutlab import data, plot
from dropoutlab.explore.explorer import Explorer, slider

SIZES = [64, 64, 10]
EPOCHS, BATCH = 12, 64


def same_input(mlp: Callable[..., nn.Module]) -> Explorer:
    """Explore what one image's runs say in either mode; p of the hidden units, image, runs."""
    X, y, X_test, y_test = data.digits()
    images, labels = X_test[:60], y_test[:60]

    @cache
    def trained() -> tuple[torch.Tensor, ...]:
        """The weights of the learner's network after a short training."""
        inputs, targets = torch.as_tensor(X).flatten(1).float(), torch.as_tensor(y)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        with torch.random.fork_rng(), torch.enable_grad():
            torch.manual_seed(5)
            model = mlp(SIZES, 0.0, 0.5)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
            for _ in range(EPOCHS):
                for rows in torch.randperm(len(inputs)).split(BATCH):
                    optimizer.zero_grad()
                    F.cross_entropy(model(inputs[rows]), targets[rows]).backward()
                    optimizer.step()
        torch.set_num_threads(threads)
        return tuple(weight.detach().clone() for weight in model.parameters())

    @torch.no_grad()
    def draw(figure: Figure, p: float, image: int, runs: int) -> str:
        weights = trained()
        model = mlp(SIZES, 0.0, p)
        for own, weight in zip(model.parameters(), weights, strict=True):
            own.copy_(weight)
        same = torch.as_tensor(images[image]).flatten().float().expand(runs, -1)
        with torch.random.fork_rng():
            torch.manual_seed(1000 * image + runs)
            told = {
                "training": model.train()(same).softmax(1).numpy(),
                "evaluation": model.eval()(same).softmax(1).numpy(),
            }
        label = int(labels[image])

        axes = figure.subplots(1, 3, width_ratios=(3, 7, 7))
        figure.subplots_adjust(left=0.02, right=0.98, bottom=0.17, top=0.88, wspace=0.22)
        plot.image(images[image], axes[0]).set_title(f"A test image: {label}")
        scatter = np.random.default_rng(0).uniform(-0.3, 0.3, told["training"].shape)
        places = np.arange(10) + scatter
        for ax, (mode, color) in zip(
            axes[1:], (("training", plot.ORANGE), ("evaluation", plot.BLUE)), strict=True
        ):
            probabilities = told[mode]
            right = np.mean(probabilities.argmax(1) == label)
            ax.plot(
                places.ravel(), probabilities.ravel(), "o", color=color, markersize=3, alpha=0.5
            )
            ax.plot(range(10), probabilities.mean(0), "_", color=plot.INK, markersize=16,
                    markeredgewidth=2)  # fmt: skip
            ax.set(ylim=(-0.03, 1.03), xlabel="class", xticks=range(10), yticks=(0, 0.5, 1))
            ax.set_title(f"{mode}: right in {100 * right:.0f} % of the runs")
        axes[1].set_ylabel("probability")
        axes[2].set_yticklabels([])
        ours, whole = told["training"][:, label], told["evaluation"][:, label]
        mean, spread = ours.mean(), ours.std()
        return (
            f"At p = {p:.1f} the probability of a {label} in {runs} runs (dots; dash: their mean) "
            f"is {mean:.2f} ± {spread:.2f} in training mode, and {whole.mean():.2f} ± "
            f"{whole.std():.2f} in evaluation mode."
        )

    return Explorer(
        draw,
        size=(9.5, 3),
        p=slider("p of the hidden units", 0.5, 0.0, 0.9, 0.1),
        image=slider("test image", 56, 0, len(images) - 1, 1),
        runs=slider("runs", 60, 10, 200, 10),
    )
