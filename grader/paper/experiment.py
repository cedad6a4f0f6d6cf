"""Train the networks of one table by the paper's protocol, and keep what is done.

Hyper-parameters are chosen on images held out from the training set; then all of the training
set trains, as often; then, once, the test images are looked at (paper, B.1). The work falls into
pieces: networks of one shape, trained at once. A finished piece is kept as JSON, and within one
the networks are saved every two minutes, so that training resumes where it was stopped.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dropoutlab import data, stacked
from grader.errors import CourseError
from grader.files import write_whole
from grader.paper import networks, tables
from grader.paper.measures import averages, features, reconstruction
from grader.paper.networks import Network, Networks, Setting
from grader.paper.tables import Row, Scale, Table
from grader.paths import ROOT

WORK = ROOT / ".cache" / "paper"
SEED = 2014
EVERY = 120.0
"""Seconds between two saves within a piece."""
STRETCH = 100
"""Updates at least between two looks at the clock."""
AT_ONCE = 500_000_000
"""Weights of a piece at most: about 10 GB, with what their training needs."""
LOADERS = {"mnist": data.mnist, "fashion-mnist": data.fashion_mnist}

Json = dict[str, Any]
Measure = Callable[[Networks], Json]
Advance = Callable[[str, float], None]
"""Told what is being done, and how much was (in weights updated). It may raise `Stopped`."""


class Stopped(Exception):
    """The time is over: the networks are saved, and the same call goes on from there."""


class Data:
    """The images. Those that test are handed out when they are asked for, and not before."""

    def __init__(self, name: str, split: data.Split):
        X, y, *self._sealed = split
        self.name, self.X, self.y = name, X.reshape(len(X), -1), y

    def test(self) -> tuple[np.ndarray, np.ndarray]:
        X, y = self._sealed
        return X.reshape(len(X), -1), y


def load(name: str) -> Data:
    """MNIST or Fashion-MNIST, or a CourseError that says how to get it."""
    try:
        return Data(name, LOADERS[name]())
    except (FileNotFoundError, ValueError) as error:
        raise CourseError(str(error)) from None


@dataclass(frozen=True)
class Member:
    """One network that is to be trained: for which row, with what, the how-manieth of its kind."""

    row: str
    setting: Setting
    seed: int


@dataclass(frozen=True)
class Piece:
    """Networks of one shape on equally many images: they train at once."""

    name: str
    hidden: tuple[int, ...]
    rows: int | None
    members: tuple[Member, ...]


def pieces(phase: str, wanted: Iterable[tuple[Row, Setting, int]], alone: bool) -> list[Piece]:
    """Gather networks by shape, at most `AT_ONCE` weights in each piece; or each by itself."""
    groups: dict[tuple[tuple[int, ...], int | None], list[Member]] = defaultdict(list)
    for row, setting, seed in wanted:
        groups[row.hidden, row.rows].append(Member(row.name, setting, seed))
    made: list[Piece] = []
    for (hidden, rows), members in groups.items():
        most = 1 if alone else max(1, AT_ONCE // weights((784, *hidden, 784)))
        for start in range(0, len(members), most):
            name = f"{phase}-{len(made)}"
            made.append(Piece(name, hidden, rows, tuple(members[start : start + most])))
    return made


def weights(sizes: tuple[int, ...]) -> int:
    """How many weights lie between layers of these sizes."""
    return sum(a * b for a, b in pairwise(sizes))


class Experiment:
    """Trains the pieces of one table, and keeps what is done."""

    def __init__(
        self,
        table: Table,
        source: Data,
        scale: Scale,
        device: str,
        advance: Advance,
        work: Path | None = None,
        replayed: bool = False,
        shared: Path | None = None,
    ):
        self.replayed = replayed
        self.table, self.source, self.scale = tables.reduced(table, scale), source, scale
        self.device, self.advance = device, advance
        self.seconds, self._ended = 0.0, threading.Event()
        # A network alone follows from its number: more seeds are more networks.
        of = replace(scale, seeds=0) if scale.alone else scale
        identity = repr((self.table, source.name, of, device)).encode()
        for code in (networks, stacked.SGD, stacked.update):  # other code makes other networks
            identity += inspect.getsource(code).encode()
        self.folder = (work or WORK) / hashlib.sha256(identity).hexdigest()[:16]
        self._shared = shared
        if shared and shared.exists():
            kept = json.loads(shared.read_text(encoding="utf-8"))
            for name, measured in kept["pieces"].items() if kept["of"] == self.folder.name else ():
                if not (path := self.folder / name).exists():
                    write_whole(path, json.dumps(measured))
        order = np.random.default_rng(SEED).permutation(len(source.X))[: scale.pool]
        self.pool, self.held_out = order, order[-scale.held_out :]
        self.autoencoder = table.measure == "features"

    def share(self) -> None:
        """Write what each finished network measured into `shared`, for another machine to go on."""
        if self._shared and (paths := sorted(self.folder.glob("*.json"))):
            measured = {path.name: json.loads(path.read_text()) for path in paths}
            lines = [f"  {json.dumps(name)}: {json.dumps(made)}" for name, made in measured.items()]
            text = f'{{"of": "{self.folder.name}", "pieces": {{\n' + ",\n".join(lines) + "\n}}\n"
            write_whole(self._shared, text)

    def choosing(self) -> list[Piece]:
        """The networks that choose: each candidate where there are several, on some seeds."""
        return pieces("choose", (
            (row, setting, seed)
            for row in self.table.rows if len(row.candidates) > 1
            for setting in row.candidates for seed in range(self.scale.trials)
        ), self.scale.alone)  # fmt: skip

    def choice(self) -> dict[str, list[tuple[Setting, float]]]:
        """For each row that chooses: its candidates with their mean validation error, best first.

        Trains on what is not held out; of what is held out, only the error is seen.
        """
        seen: dict[str, dict[Setting, list[float]]] = defaultdict(lambda: defaultdict(list))
        fit, judge = self.pool[: -self.scale.held_out], self.held_out
        updates = self.scale.choosing or self.scale.updates
        for piece, measured in self._all(
            self.choosing(), fit, updates, lambda nets: {"error": self._validation(nets, judge)}
        ):
            for member, error in zip(piece.members, measured["error"], strict=True):
                seen[member.row][member.setting].append(error)
        return {
            row: sorted(
                ((setting, statistics.mean(errors)) for setting, errors in tried.items()),
                key=lambda pair: pair[1],
            )
            for row, tried in seen.items()
        }

    def _validation(self, nets: Networks, rows: np.ndarray) -> list[float]:
        X, y = self._tensor(self.source.X[rows]), self._tensor(self.source.y[rows])
        return reconstruction(nets, X) if self.autoencoder else nets.errors(X, y)

    def settings(self, choice: dict[str, list[tuple[Setting, float]]]) -> dict[str, Setting]:
        """What each row is trained with at last."""
        best = {row: tried[0][0] for row, tried in choice.items()}
        for row in self.table.rows:
            if len(row.candidates) == 1:
                best[row.name] = row.candidates[0]
        for row in self.table.rows:
            if row.like:
                best[row.name] = replace(best[row.like], **dict(row.varied))
        return best

    def final(self, best: dict[str, Setting]) -> dict[str, dict[str, list[Any]]]:
        """Train each row's networks on all images, then test them: quantities by row."""
        X, y = map(self._tensor, self.source.test())
        quantities: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        for piece, measured in self._all(
            self.finals(best), self.pool, self.scale.updates,
            lambda nets: self._measured(nets, X, y),
        ):  # fmt: skip
            for k, member in enumerate(piece.members):
                for quantity, values in measured.items():
                    quantities[member.row][quantity].append(values[k])
        return quantities

    def finals(self, best: dict[str, Setting]) -> list[Piece]:
        """The networks that are tested."""
        return pieces("final", (
            (row, best[row.name], seed)
            for seed in range(self.scale.seeds) for row in self.table.rows
        ), self.scale.alone)  # fmt: skip

    def _measured(self, nets: Networks, X: torch.Tensor, y: torch.Tensor) -> Json:
        if self.autoencoder:
            return features(nets, X)
        measured: Json = {"error": nets.errors(X, y)}
        own = self.pool[:10_000]
        measured["training error"] = nets.errors(
            self._tensor(self.source.X[own]), self._tensor(self.source.y[own])
        )
        if self.table.measure == "averages":
            measured["averaged"] = averages(nets, X, y, self.scale.masks, self.scale.repeats)
        return measured

    def work(self) -> float:
        """How much there is to do in all: weights times updates."""
        rows = {row.name: row for row in self.table.rows}
        choosing = [rows[member.row].hidden for p in self.choosing() for member in p.members]
        final = [row.hidden for row in self.table.rows for _ in range(self.scale.seeds)]
        return sum(
            updates * sum(map(self._load, shapes))
            for shapes, updates in (
                (choosing, self.scale.choosing or self.scale.updates), (final, self.scale.updates)
            )
        )  # fmt: skip

    def _load(self, hidden: tuple[int, ...]) -> float:
        return weights((784, *hidden, 784 if self.autoencoder else 10))

    def _all(
        self, pieces: list[Piece], images: np.ndarray, updates: int, measure: Measure
    ) -> Iterator[tuple[Piece, Json]]:
        """Each piece with what was measured on it, in order; networks alone share the cores."""

        def alone(piece: Piece) -> Json:
            torch.set_num_threads(1)  # of this worker
            return self.piece(piece, images, updates, measure)

        if not self.scale.alone:
            for piece in pieces:
                yield piece, self._timed(self.piece(piece, images, updates, measure))
            return
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            try:
                for piece, measured in zip(pieces, pool.map(alone, pieces), strict=True):
                    yield piece, self._timed(measured)
            except BaseException:
                self._ended.set()
                pool.shutdown(cancel_futures=True)
                raise

    def piece(self, piece: Piece, images: np.ndarray, updates: int, measure: Measure) -> Json:
        """What was measured on a piece's networks, which are trained unless that is done."""
        path = self.folder / f"{piece.name}.json"
        load = self._load(piece.hidden) * len(piece.members)
        doing = f"{self.table.name}: {piece.name}, {len(piece.members)} networks"
        if path.exists():
            self.advance(doing, load * updates)
            return json.loads(path.read_text())
        X, y = self._tensor(self.source.X[images]), self._tensor(self.source.y[images])
        sizes = (784, *piece.hidden, 784 if self.autoencoder else 10)
        name = f"{self.table.name} {piece.name}"
        seed = int(np.random.SeedSequence([SEED, *name.encode()]).generate_state(1)[0])
        settings = [member.setting for member in piece.members]
        batch = self.scale.batch
        nets = (
            Network(settings[0], sizes, updates, seed, batch) if self.scale.alone
            else Networks(settings, sizes, updates, seed, self.device, self.replayed, batch)
        )  # fmt: skip
        rows = nets.rows(len(X), min(piece.rows or len(X), len(X)))
        part = path.with_suffix(".pt")
        if part.exists():
            nets.restore(torch.load(part, map_location="cpu", weights_only=True))
            self.advance(doing, load * nets.step)
        for steps in self._stretches(nets, X, None if self.autoencoder else y, rows, part):
            try:
                if self._ended.is_set():
                    raise Stopped
                self.advance(doing, load * steps)
            except Stopped:
                write(part, lambda to: torch.save(nets.state(), to))
                raise
        measured = measure(nets) | {"seconds": nets.seconds}
        write_whole(path, json.dumps(measured))
        part.unlink(missing_ok=True)
        return measured

    def _timed(self, measured: Json) -> Json:
        self.seconds += measured.pop("seconds")
        return measured

    def _stretches(
        self,
        nets: Networks,
        X: torch.Tensor,
        y: torch.Tensor | None,
        rows: torch.Tensor,
        part: Path,
    ) -> Iterator[int]:
        """Train; yield now and then how many updates were made since; save more seldom."""
        started, saved, before = time.monotonic(), time.monotonic(), nets.step
        for step in nets.passes(X, y, rows):
            if step - before < STRETCH and step < nets.steps:
                continue
            if self.device == "cuda":
                torch.cuda.synchronize()
            nets.seconds += time.monotonic() - started
            if time.monotonic() - saved >= EVERY:
                write(part, lambda to: torch.save(nets.state(), to))
                saved = time.monotonic()
            started, done, before = time.monotonic(), step - before, step
            yield done

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array).to(self.device)


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Have a file saved under another name first, so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    save(part)
    part.replace(path)
