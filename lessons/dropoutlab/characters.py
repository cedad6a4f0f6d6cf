"""Two tasks for LSTMs, learned by many at once under different dropout.

`learn` has them read a text, and `recall` has them remember one symbol.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from dropoutlab.data import ROOT
from dropoutlab.stacked import adam, descend

SHA256 = {
    "course": "bfd1afa61ae6e2767b00365cda0383fa03c49639c004dc374135a699e18f97e6",
    "tinyshakespeare": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
}


def text(name: str = "course") -> str:
    """Prose of this course ("course", ships) or "tinyshakespeare" (`DROPOUT_DATA`).

    Raises FileNotFoundError if it is not there, ValueError if it is damaged.
    """
    if name == "course":
        path, remedy = ROOT / "datasets" / "course.txt", "git restore datasets/course.txt"
        remedy = f"bring it back with `{remedy}`"
    else:
        folder = ROOT / Path(os.environ.get("DROPOUT_DATA") or ".cache").expanduser()
        path = folder / name / "input.txt"
        remedy = "bring the file, and name the folder above it in DROPOUT_DATA"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: {remedy}.")
    content = path.read_bytes().replace(b"\r\n", b"\n")
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise ValueError(f"{path} is damaged (its content has another SHA-256): {remedy}.")
    return content.decode()


@cache
def numbered(name: str = "course", most: int = 16_000, test: int = 6_000) -> tuple:
    """The text as numbers: `train, test, alphabet`; int64 arrays, and the characters in order.

    The text is cut after `most` characters of training; `test` characters from its end test.
    """
    whole = text(name)
    alphabet = "".join(sorted(set(whole)))
    codes = np.searchsorted(list(alphabet), list(whole))
    return codes[: min(most, len(codes) - test)], codes[-test:], alphabet


Way = Mapping[str, Callable]
"""How a net drops: for each place the function that does it; {} for none.

"input", "recurrent", "cell" and "output" name a mask's place: on x_t, on h_{t-1} as the gates
see it, on c_{t-1}, on h_t as the readout sees it. The function gets ones of shape (steps, batch,
units) and returns a factor for each. "update" names a function of c_{t-1}, of the new c_t and of
whether the net is in training, which says what the cell then holds.
"""


class LSTMs:
    """LSTMs side by side, `seeds` of each way; those of one seed begin alike.

    x_t is the symbol's row of E; with a factor m for each place of `Way`
        (i, f, g, o) = (x_t m) U + (h_{t-1} m) V + b,  c_t = σ(f) (c_{t-1} m) + σ(i) tanh(g),
        h_t = σ(o) tanh(c_t),  logits = (h_t m) W + a.
    """

    def __init__(self, ways: list[Way], symbols: int, units: int, seeds: int, forget: float):
        self.ways, self.units, self.seeds = ways, units, seeds
        shapes = {
            "E": (symbols, units, 1.0),
            "U": (units, 4 * units, units**-0.5),
            "V": (units, 4 * units, units**-0.5),
            "b": (1, 4 * units, 0.0),
            "W": (units, symbols, units**-0.5),
            "a": (1, symbols, 0.0),
        }
        self.weights = {
            name: (scale * torch.randn(seeds, rows, columns)).repeat(len(ways), 1, 1)
            for name, (rows, columns, scale) in shapes.items()
        }
        self.weights["b"][:, :, units : 2 * units] = forget  # begin by remembering
        for weight in self.weights.values():
            weight.requires_grad_()

    def factor(self, place: str, steps: int, batch: int) -> torch.Tensor | None:
        """The factors of each net at a place, (nets, steps, batch, units); None if all are 1."""
        if not any(place in way for way in self.ways):
            return None
        shape = steps, self.seeds * batch, self.units
        ones = torch.ones(shape)
        every = torch.stack([way[place](ones) if place in way else ones for way in self.ways])
        every = every.view(-1, steps, self.seeds, batch, self.units).transpose(1, 2)
        return every.flatten(0, 1)

    def logits(self, tokens: torch.Tensor, training: bool) -> torch.Tensor:
        """tokens (steps, batch), the same for all nets; returns (nets, steps, batch, symbols)."""
        w, (steps, batch), units = self.weights, tokens.shape, self.units
        nets = len(self.ways) * self.seeds
        places = ("input", "recurrent", "cell", "output")
        masks = {place: self.factor(place, steps, batch) if training else None for place in places}
        if masks["input"] is not None:
            x = w["E"][:, tokens] * masks["input"]
            gates = torch.baddbmm(w["b"], x.flatten(1, 2), w["U"])
        else:  # one product for each symbol, not for each token
            gates = torch.baddbmm(w["b"], w["E"], w["U"])[:, tokens].flatten(1, 2)
        h = c = torch.zeros(nets, batch, units)
        seen = []
        for t, gate in enumerate(gates.view(nets, steps, batch, 4 * units).unbind(1)):
            heard = h if masks["recurrent"] is None else h * masks["recurrent"][:, t]
            gate = torch.baddbmm(gate, heard, w["V"])
            i, f, o = gate[..., : 3 * units].sigmoid().chunk(3, -1)
            held = c if masks["cell"] is None else c * masks["cell"][:, t]
            c = self.updated(c, f * held + i * gate[..., 3 * units :].tanh(), training)
            h = o * c.tanh()
            seen.append(h)
        h = torch.stack(seen, 1)
        if masks["output"] is not None:
            h = h * masks["output"]
        return torch.baddbmm(w["a"], h.flatten(1, 2), w["W"]).view(nets, steps, batch, -1)

    def updated(self, old: torch.Tensor, new: torch.Tensor, training: bool) -> torch.Tensor:
        """The cells (nets, batch, units) after each way's own "update"."""
        if not any("update" in way for way in self.ways):
            return new
        parts = zip(self.ways, old.split(self.seeds), new.split(self.seeds), strict=True)
        return torch.cat(
            [way["update"](a, b, training) if "update" in way else b for way, a, b in parts]
        )

    def train(
        self,
        batch: Callable[[], tuple[torch.Tensor, torch.Tensor]],
        updates: int,
        look: Callable[[], None],
        looks: int,
        schedule: Callable[[int], float] | None = None,
    ) -> None:
        """Adam on the cross-entropy of the last len(targets) outputs of each batch.

        batch() gives tokens (steps, batch) and targets (…, batch); look() is called at `looks`
        moments, evenly, the last of them at the end. Each net's gradient is clipped to length 1.
        """

        def loss(step: int) -> torch.Tensor:
            tokens, targets = batch()
            return losses(self.logits(tokens, True)[:, -len(targets) :], targets).sum()

        def sometimes(step: int) -> None:
            if step and step * looks % updates == 0:
                look()

        optimizer = adam(self.weights.values(), 0.01)
        descend(loss, optimizer, updates, schedule=schedule, clip=1, look=sometimes)


def losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy of each net, in nats: (nets,)."""
    flat = logits.flatten(1, 2)
    every = targets.flatten().expand(len(flat), -1)
    return F.cross_entropy(flat.transpose(1, 2), every, reduction="none").mean(1)


def bits(readers: LSTMs, codes: np.ndarray, rows: int = 24) -> np.ndarray:
    """Bits per character of each net on a text, cut into `rows` that are read side by side."""
    table = torch.as_tensor(codes[: len(codes) // rows * rows].reshape(rows, -1).T.copy())
    with torch.no_grad():
        return losses(readers.logits(table[:-1], False), table[1:]).numpy() / np.log(2)


def learn(
    ways: list[Way],
    seeds: int = 3,
    *,
    name: str = "course",
    most: int = 16_000,
    updates: int = 1500,
    looks: int = 5,
) -> Mapping[str, np.ndarray]:
    """Train `seeds` nets of each way on a text; bits per character at `looks` moments.

    48 units, 16 pieces of 40 characters for each update, Adam whose rate falls to 0 in the second
    half. Returns "train" and "test", arrays (ways, seeds, looks), measured with nothing dropped;
    what is random comes from torch's own generator.
    """
    length, batch = 40, 16
    train, test, alphabet = numbered(name, most)
    readers = LSTMs(ways, len(alphabet), 48, seeds, forget=1)
    codes = torch.as_tensor(train)
    seen: dict[str, list[np.ndarray]] = {"train": [], "test": []}

    def pieces() -> tuple[torch.Tensor, torch.Tensor]:
        starts = torch.randint(len(codes) - length, (batch,))
        table = codes[starts + torch.arange(length + 1)[:, None]]
        return table[:-1], table[1:]

    def look() -> None:
        seen["train"].append(bits(readers, train[: len(test)]))
        seen["test"].append(bits(readers, test))

    readers.train(pieces, updates, look, looks, lambda step: min(1, 2 - 2 * step / updates))
    return {k: np.array(v).T.reshape(len(ways), seeds, looks) for k, v in seen.items()}


def recall(
    ways: list[Way], seeds: int = 5, *, steps: int = 30, updates: int = 300, looks: int = 15
) -> np.ndarray:
    """Train nets to name, after `steps` time steps, the first of them: one symbol of 8.

    All the other steps bring the same blank. 32 units that begin with a forget gate of σ(3), 32
    sequences for each update, Adam. Returns the share named right with nothing dropped, (ways,
    seeds, looks).
    """
    readers = LSTMs(ways, 9, 32, seeds, forget=3)
    every = torch.full((steps, 8), 8)
    every[0] = torch.arange(8)
    seen: list[np.ndarray] = []

    def sequences() -> tuple[torch.Tensor, torch.Tensor]:
        tokens = torch.full((steps, 32), 8)
        tokens[0] = torch.randint(8, (32,))
        return tokens, tokens[:1]

    @torch.no_grad()
    def look() -> None:
        named = readers.logits(every, False)[:, -1].argmax(-1)
        seen.append((named == every[0]).double().mean(1).numpy())

    readers.train(sequences, updates, look, looks)
    return np.array(seen).T.reshape(len(ways), seeds, looks)
