"""Tasks for recurrent networks, learned by many at once under different dropout.

`read` has them read a text, `recall` has them remember one symbol, and `listen` has
them tell words of made tones apart. `alone` trains one network whose layer is somebody else's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import nn
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
whether the net is in training, which says what the cell then holds. "table" names a function of a
net's table E and of the tokens, which looks the tokens up in what is left of the table.
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
        w, (steps, batch) = self.weights, tokens.shape
        nets = len(self.ways) * self.seeds
        places = ("input", "recurrent", "cell", "output")
        masks = {place: self.factor(place, steps, batch) if training else None for place in places}
        rows = self.looked_up(tokens) if training else None
        if masks["input"] is not None or rows is not None:
            x = w["E"][:, tokens] if rows is None else rows
            x = x if masks["input"] is None else x * masks["input"]
            gates = torch.baddbmm(w["b"], x.flatten(1, 2), w["U"])
        else:  # one product for each symbol, not for each token
            gates = torch.baddbmm(w["b"], w["E"], w["U"])[:, tokens].flatten(1, 2)
        h = self.through(gates.view(nets, steps, batch, -1), masks, training)
        if masks["output"] is not None:
            h = h * masks["output"]
        return torch.baddbmm(w["a"], h.flatten(1, 2), w["W"]).view(nets, steps, batch, -1)

    def looked_up(self, tokens: torch.Tensor) -> torch.Tensor | None:
        """The rows of the tokens (nets, steps, batch, units) where a way has a "table"."""
        if not any("table" in way for way in self.ways):
            return None
        each = [way.get("table", _rows) for way in self.ways for _ in range(self.seeds)]
        return torch.stack([f(E, tokens) for f, E in zip(each, self.weights["E"], strict=True)])

    def through(
        self, gates: torch.Tensor, masks: Mapping[str, torch.Tensor | None], training: bool
    ) -> torch.Tensor:
        """All h_t, (nets, steps, batch, units), from what the gates get of x_t."""
        w, units = self.weights, self.units
        h = c = torch.zeros(len(gates), gates.shape[2], units)
        seen = []
        for t, gate in enumerate(gates.unbind(1)):
            heard = h if masks["recurrent"] is None else h * masks["recurrent"][:, t]
            gate = torch.baddbmm(gate, heard, w["V"])
            i, f, o = gate[..., : 3 * units].sigmoid().chunk(3, -1)
            held = c if masks["cell"] is None else c * masks["cell"][:, t]
            c = self.updated(c, f * held + i * gate[..., 3 * units :].tanh(), training)
            h = o * c.tanh()
            seen.append(h)
        return torch.stack(seen, 1)

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
        rate: float = 0.01,
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

        optimizer = adam(self.weights.values(), rate)
        descend(loss, optimizer, updates, schedule=schedule, clip=1, look=sometimes)


class RNNs(LSTMs):
    """Networks whose only state is h: h_t = tanh((x_t m) U + (h_{t-1} m) V + b).

    V begins orthogonal. "update" is a function of h_{t-1}, of the new h_t and of the training flag.
    """

    def __init__(self, ways: list[Way], symbols: int, units: int, seeds: int):
        super().__init__(ways, symbols, units, seeds, forget=0)
        for name, columns in (("U", units), ("V", units), ("b", units)):
            self.weights[name] = self.weights[name].detach()[..., :columns].clone()
        first = torch.linalg.qr(self.weights["V"][:seeds])[0]
        self.weights["V"] = first.repeat(len(ways), 1, 1)
        for weight in self.weights.values():
            weight.requires_grad_()

    def through(
        self, gates: torch.Tensor, masks: Mapping[str, torch.Tensor | None], training: bool
    ) -> torch.Tensor:
        h = torch.zeros(len(gates), gates.shape[2], self.units)
        seen = []
        for t, gate in enumerate(gates.unbind(1)):
            heard = h if masks["recurrent"] is None else h * masks["recurrent"][:, t]
            h = self.updated(h, torch.baddbmm(gate, heard, self.weights["V"]).tanh(), training)
            seen.append(h)
        return torch.stack(seen, 1)


def _rows(table: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    return table[tokens]


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


LENGTH, BATCH, UNITS = 32, 16, 32
"""Of `read`: characters of a piece, pieces of a batch, units of a network."""


def divided(most: int = 8_000, each: int = 4_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The course's text as numbers: training, validation and test; these two are its end."""
    codes, test, _ = numbered("course", 10**9, each)
    return codes[:most], codes[-each:], test


def read(
    ways: list[Way], seeds: int, rate: float, *, start: int, updates: int = 800, looks: int = 8
) -> dict[str, np.ndarray]:
    """Train `seeds` nets of each way on the text: bits per character, arrays (ways, seeds).

    `start` seeds all that is random. Adam at `rate`, which falls to 0 in the second half. A net is
    taken from that one of its `looks` at which it was best on the validation text: "validation" and
    "test" are its bits there, "stopped" is the number of updates until then, "last" its test bits
    after all updates.
    """
    torch.manual_seed(start)
    readers = LSTMs(ways, len(numbered()[2]), UNITS, seeds, forget=1)
    _, validation, test = divided()
    seen: list[list[np.ndarray]] = []

    def look() -> None:
        seen.append([bits(readers, text, 60) for text in (validation, test)])

    readers.train(pieces(), updates, look, looks, late_fall(updates), rate)
    return _best(np.array(seen), updates, (len(ways), seeds))


def _best(seen: np.ndarray, updates: int, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """What `read` returns, from (looks, 2, nets)."""
    best = seen[:, 0].argmin(0)
    validation, test = np.take_along_axis(seen, best[None, None], 0)[0]
    stopped = (best + 1) * updates // len(seen)
    found = {"validation": validation, "test": test, "stopped": stopped, "last": seen[-1, 1]}
    return {name: values.reshape(shape) for name, values in found.items()}


def pieces() -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
    """What draws a batch of pieces of the training text, and what follows each character."""
    codes = torch.as_tensor(divided()[0])

    def draw() -> tuple[torch.Tensor, torch.Tensor]:
        starts = torch.randint(len(codes) - LENGTH, (BATCH,))
        table = codes[starts + torch.arange(LENGTH + 1)[:, None]]
        return table[:-1], table[1:]

    return draw


def late_fall(updates: int) -> Callable[[int], float]:
    """The schedule that is 1, and falls to 0 in the second half."""
    return lambda step: min(1, 2 - 2 * step / updates)


class Alone(nn.Module):
    """Network `net` of `networks`, with a layer in place of the recurrence: symbols in, logits out.

    layer : like nn.LSTM(units, units); it gets the weights of that network's recurrence.
    """

    def __init__(self, networks: LSTMs, net: int, layer: nn.Module):
        super().__init__()
        w = {name: weight[net].detach().clone() for name, weight in networks.weights.items()}
        turned = [0, 1, 3, 2]  # their gates come in the order i, f, g, o and ours in i, f, o, g
        U, V, b = (w[name].T.reshape(4, networks.units, -1)[turned].flatten(0, 1) for name in "UVb")
        layer.load_state_dict(
            {
                "weight_ih_l0": U,
                "weight_hh_l0": V,
                "bias_ih_l0": b[:, 0],
                "bias_hh_l0": torch.zeros_like(b[:, 0]),
            }
        )
        self.layer = layer
        self.E, self.W, self.a = (nn.Parameter(w[name]) for name in ("E", "W", "a"))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """tokens (steps, batch) → logits (steps, batch, symbols)."""
        return self.layer(self.E[tokens])[0] @ self.W + self.a

    def learn(
        self,
        batch: Callable[[], tuple[torch.Tensor, torch.Tensor]],
        updates: int,
        rate: float,
        schedule: Callable[[int], float],
        look: Callable[[], None],
        looks: int,
    ) -> None:
        """As `LSTMs.train`, for one network."""
        optimizer = torch.optim.Adam(self.parameters(), lr=rate)
        for step in range(updates):
            optimizer.param_groups[0]["lr"] = rate * schedule(step)
            tokens, targets = batch()
            self.train()
            scores = self(tokens)[-len(targets) :]
            F.cross_entropy(scores.flatten(0, 1), targets.flatten()).backward()
            nn.utils.clip_grad_norm_(self.parameters(), 1)
            optimizer.step()
            optimizer.zero_grad()
            if (step + 1) * looks % updates == 0:
                self.eval()
                with torch.no_grad():
                    look()


STEPS = 30
"""Of `recall`: time steps from the symbol to the question."""


def _symbols() -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of `recall`: 32 sequences, and the symbol of each."""
    tokens = torch.full((STEPS, 32), 8)
    tokens[0] = torch.randint(8, (32,))
    return tokens, tokens[:1]


def _every() -> torch.Tensor:
    """The eight sequences that there are, (STEPS, 8)."""
    every = torch.full((STEPS, 8), 8)
    every[0] = torch.arange(8)
    return every


def recall(
    ways: list[Way],
    seeds: int = 5,
    *,
    rate: float = 0.01,
    start: int | None = None,
    kind: str = "LSTM",
    schedule: Callable[[int], float] | None = None,
    updates: int = 300,
    looks: int = 10,
) -> np.ndarray:
    """Train nets to name, after `STEPS` time steps, the first of them: one symbol of 8.

    All the other steps bring the same blank. 32 units, 32 sequences for each update, Adam. An LSTM
    begins with a forget gate of σ(3), an "RNN" with a blank a tenth as strong as a symbol. `start`
    seeds all that is random. Returns the share named right with nothing dropped, (ways, seeds,
    looks).
    """
    if start is not None:
        torch.manual_seed(start)
    nets = LSTMs(ways, 9, 32, seeds, forget=3) if kind == "LSTM" else RNNs(ways, 9, 32, seeds)
    if kind != "LSTM":
        nets.weights["E"].data[:, 8] *= 0.1
    every, seen = _every(), []

    @torch.no_grad()
    def look() -> None:
        named = nets.logits(every, False)[:, -1].argmax(-1)
        seen.append((named == every[0]).double().mean(1).numpy())

    nets.train(_symbols, updates, look, looks, schedule, rate)
    return np.array(seen).T.reshape(len(ways), seeds, looks)


def recall_alone(
    layer: nn.Module,
    rate: float,
    *,
    start: int,
    seed: int = 0,
    seeds: int = 5,
    updates: int = 300,
    looks: int = 10,
) -> np.ndarray:
    """Train one net with this layer (32 → 32) as `recall` does: the share named right, (looks,).

    It begins as the `seed`-th net of each way in `recall(ways, seeds, start=start)` does.
    """
    torch.manual_seed(start)
    net = Alone(LSTMs([{}], 9, 32, seeds, forget=3), seed, layer)
    torch.manual_seed(start + 1 + seed)
    every, seen = _every(), []

    def look() -> None:
        seen.append((net(every)[-1].argmax(-1) == every[0]).double().mean())

    net.learn(_symbols, updates, rate, lambda step: 1, look, looks)
    return np.array(seen)


BANDS, FRAMES = 24, 24
"""Of the spectrograms of `tones`."""
TUNES = np.array([(a, b, (a + b) % 3) for a in range(3) for b in range(3)]) - 1
"""How the three tones of each of nine words move: -1 down, 0 not, 1 up. Any two of them tell it."""


def tones(n: int, seed: int, smooth: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """`n` words of made tones, spoken by anybody: spectrograms (FRAMES, n, BANDS), words (n,).

    A word is three tones at once, low, middle and high, each of which rises, falls or stays. The
    speaker shifts them all, each tone has a loudness of its own, and there is noise, independent
    from point to point or, of the same variance, `smooth`. Of mean 0.
    """
    rng = np.random.default_rng(seed)
    words = rng.integers(9, size=n)
    time = np.linspace(-1, 1, FRAMES)[:, None, None]
    shift = rng.normal(0, 0.8, (n, 1)) + rng.normal(0, 0.4, (n, 3))
    path = np.array([4, 12, 20]) - 0.5 + shift + 2.5 * TUNES[words] * time
    loud = np.exp(rng.normal(0, 0.35, (n, 3)))
    apart = path[..., None] - np.arange(BANDS)
    x = (loud[..., None] * np.exp(-(apart**2) / 2)).sum(2)
    noise = rng.normal(0, 1, x.shape)
    if smooth:
        noise = gaussian_filter(noise, (1.5, 0, 1.5), mode="wrap")
        noise /= noise.std()
    return torch.tensor(x - x.mean() + 0.6 * noise, dtype=torch.float32), torch.as_tensor(words)


class Listeners(LSTMs):
    """LSTMs side by side that hear spectrograms and name words, by the mean of all h_t.

    Of a `Way` they have "heard" alone: a function of a spectrogram (FRAMES, batch, BANDS), which
    returns what is left of it in training.
    """

    def __init__(self, ways: list[Way], units: int, seeds: int):
        super().__init__(ways, BANDS, units, seeds, forget=1)
        with torch.no_grad():
            self.weights["E"] *= BANDS**-0.5
        for name in "Wa":
            self.weights[name] = self.weights[name].detach()[..., :9].clone().requires_grad_()

    def logits(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        """x (seeds, FRAMES, batch, BANDS) → (nets, 1, batch, 9)."""
        w = self.weights
        if training:
            left = [
                way["heard"](each) if "heard" in way else each for way in self.ways for each in x
            ]
            x = torch.stack(left)
        else:
            x = x.repeat(len(self.ways), 1, 1, 1)
        gates = torch.baddbmm(w["b"], x.flatten(1, 2) @ w["E"], w["U"])
        h = self.through(gates.view(*x.shape[:3], -1), {"recurrent": None, "cell": None}, training)
        return torch.baddbmm(w["a"], h.mean(1), w["W"])[:, None]


def listen(
    ways: list[Way],
    seeds: Sequence[int],
    rate: float,
    *,
    smooth: bool = False,
    words: int = 90,
    updates: int = 500,
    looks: int = 5,
) -> dict[str, np.ndarray]:
    """Train a net of each way and seed to name words: error rates, arrays (ways, seeds).

    Each seed has `words` spectrograms of its own to learn from, 16 for each update, and 32 units;
    Adam at `rate`, which falls to 0 in the second half. A net is taken from that one of its `looks`
    at which its validation loss was least; "validation" is that loss (nats), and "test" the error
    rate there on new words.
    """
    torch.manual_seed(seeds[0])
    x, y = (
        torch.stack(part) for part in zip(*(tones(words, s, smooth) for s in seeds), strict=True)
    )
    nets = Listeners(ways, 32, len(seeds))
    (valid, named), (new, told) = tones(300, 10**6, smooth), tones(600, 10**6 + 1, smooth)
    seen = []

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.randint(words, (16,))
        return x[:, :, rows], y[:, None, rows]

    @torch.no_grad()
    def look() -> None:
        guessed, answered = (
            nets.logits(part.expand(len(seeds), -1, -1, -1), False) for part in (valid, new)
        )
        wrong = (answered[:, 0].argmax(-1) != told).double().mean(1)
        seen.append(torch.stack([losses(guessed, named[None]), wrong]).numpy())

    def loss(step: int) -> torch.Tensor:
        heard, right = batch()
        scores = nets.logits(heard, True)[:, 0]
        return F.cross_entropy(scores.flatten(0, 1), right.repeat(len(ways), 1, 1).flatten(),
                               reduction="sum") / 16  # fmt: skip

    def sometimes(step: int) -> None:
        if step and step * looks % updates == 0:
            look()

    descend(loss, adam(nets.weights.values(), rate), updates, schedule=late_fall(updates), clip=1,
            look=sometimes)  # fmt: skip
    every = np.array(seen)
    best = np.take_along_axis(every, every[:, 0].argmin(0)[None, None], 0)[0]
    shape = len(ways), len(seeds)
    return {"validation": best[0].reshape(shape), "test": best[1].reshape(shape)}
