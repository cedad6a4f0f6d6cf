"""Repeat a table of the paper by its own protocol: `python3 grader paper`.

Hyper-parameters are chosen on images held out from the training set; then all of the training
set trains, as often; then, once, the test images are looked at (paper, B.1). The work falls into
pieces: networks of one shape, trained at once. A finished piece is kept as JSON, and within one
the networks are saved every two minutes, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rich.table
import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from scipy import stats

from dropoutlab import data
from dropoutlab.reproduced import EDGES, RESULTS, found, packed, summary
from grader.errors import CourseError
from grader.paper import networks, tables
from grader.paper.networks import BATCH, Networks, Setting
from grader.paper.tables import Claim, Row, Scale, Table
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
Advance = Callable[[str, float], None]
"""Told what is being done, and how much was (in weights updated); `Advance` may raise."""


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


def pieces(phase: str, wanted: Iterable[tuple[Row, Setting, int]]) -> list[Piece]:
    """Gather networks by shape, at most `AT_ONCE` weights in each piece."""
    groups: dict[tuple[tuple[int, ...], int | None], list[Member]] = defaultdict(list)
    for row, setting, seed in wanted:
        groups[row.hidden, row.rows].append(Member(row.name, setting, seed))
    made = []
    for (hidden, rows), members in groups.items():
        most = max(1, AT_ONCE // weights((784, *hidden, 784)))
        for start in range(0, len(members), most):
            name = f"{phase}-{len(made)}"
            made.append(Piece(name, hidden, rows, tuple(members[start : start + most])))
    return made


def weights(sizes: tuple[int, ...]) -> int:
    """How many weights lie between layers of these sizes."""
    return sum(a * b for a, b in pairwise(sizes))


class Workshop:
    """Trains the pieces of one table, and keeps what is done."""

    def __init__(self, table: Table, source: Data, scale: Scale, device: str, advance: Advance):
        self.table, self.source, self.scale = tables.reduced(table, scale), source, scale
        self.device, self.advance = device, advance
        self.seconds = 0.0
        identity = repr((self.table, source.name, scale, device)).encode()
        code = Path(networks.__file__).read_bytes()  # other code makes other networks
        self.folder = WORK / hashlib.sha256(identity + code).hexdigest()[:16]
        order = np.random.default_rng(SEED).permutation(len(source.X))[: scale.pool]
        self.pool, self.held_out = order, order[-scale.held_out :]
        self.autoencoder = table.measure == "features"

    def choosing(self) -> list[Piece]:
        """The networks that choose: each candidate where there are several, on some seeds."""
        return pieces("choose", (
            (row, setting, seed)
            for row in self.table.rows if len(row.candidates) > 1
            for setting in row.candidates for seed in range(self.scale.trials)
        ))  # fmt: skip

    def choice(self) -> dict[str, list[tuple[Setting, float]]]:
        """For each row that chooses: its candidates with their mean validation error, best first.

        Trains on what is not held out; of what is held out, only the error is seen.
        """
        seen: dict[str, dict[Setting, list[float]]] = defaultdict(lambda: defaultdict(list))
        fit, judge = self.pool[: -self.scale.held_out], self.held_out
        for piece in self.choosing():
            found = self.piece(piece, fit, lambda nets: {"error": self._validation(nets, judge)})
            for member, error in zip(piece.members, found["error"], strict=True):
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
        found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        for piece in self.finals(best):
            done = self.piece(piece, self.pool, lambda nets: self._measured(nets, X, y))
            for k, member in enumerate(piece.members):
                for quantity, values in done.items():
                    found[member.row][quantity].append(values[k])
        return found

    def finals(self, best: dict[str, Setting]) -> list[Piece]:
        """The networks that are tested."""
        return pieces("final", (
            (row, best[row.name], seed)
            for row in self.table.rows for seed in range(self.scale.seeds)
        ))  # fmt: skip

    def _measured(self, nets: Networks, X: torch.Tensor, y: torch.Tensor) -> Json:
        if self.autoencoder:
            return features(nets, X)
        found: Json = {"error": nets.errors(X, y)}
        own = self.pool[:10_000]
        found["training error"] = nets.errors(
            self._tensor(self.source.X[own]), self._tensor(self.source.y[own])
        )
        if self.table.measure == "averages":
            found["averaged"] = averages(nets, X, y, self.scale.masks, self.scale.repeats)
        return found

    def work(self) -> float:
        """How much there is to do in all: weights times updates."""
        rows = {row.name: row for row in self.table.rows}
        shapes = [rows[member.row].hidden for p in self.choosing() for member in p.members]
        shapes += [row.hidden for row in self.table.rows for _ in range(self.scale.seeds)]
        return sum(self._load(shape) for shape in shapes) * self.scale.updates

    def _load(self, hidden: tuple[int, ...]) -> float:
        return weights((784, *hidden, 784 if self.autoencoder else 10))

    def piece(self, piece: Piece, images: np.ndarray, measure: Callable[[Networks], Json]) -> Json:
        """What was measured on a piece's networks, which are trained unless that is done."""
        path = self.folder / f"{piece.name}.json"
        load = self._load(piece.hidden) * len(piece.members)
        said = f"{self.table.name}: {piece.name}, {len(piece.members)} networks"
        if path.exists():
            self.advance(said, load * self.scale.updates)
            return self._timed(json.loads(path.read_text()))
        X, y = self._tensor(self.source.X[images]), self._tensor(self.source.y[images])
        sizes = (784, *piece.hidden, 784 if self.autoencoder else 10)
        name = f"{self.table.name} {piece.name}"
        seed = int(np.random.SeedSequence([SEED, *name.encode()]).generate_state(1)[0])
        settings = [member.setting for member in piece.members]
        nets = Networks(settings, sizes, self.scale.updates, seed, self.device)
        rows = nets.rows(len(X), min(piece.rows or len(X), len(X)))
        part = path.with_suffix(".pt")
        if part.exists():
            nets.restore(torch.load(part, map_location="cpu", weights_only=True))
            self.advance(said, load * nets.step)
        for steps in self._stretches(nets, X, None if self.autoencoder else y, rows, part):
            self.advance(said, load * steps)
        found = measure(nets) | {"seconds": nets.seconds}
        write(path, lambda to: to.write_text(json.dumps(found)))
        part.unlink(missing_ok=True)
        return self._timed(found)

    def _timed(self, found: Json) -> Json:
        self.seconds += found.pop("seconds")
        return found

    def _stretches(self, nets, X, y, rows, part: Path) -> Iterator[int]:
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


# --- what is measured --------------------------------------------------------------------


@torch.no_grad()
def reconstruction(nets: Networks, X: torch.Tensor) -> list[float]:
    """Of each autoencoder the mean squared error of a pixel, nothing dropped."""
    squares = sum((nets.forward(x, dropping=False)[0] - x).square().sum((1, 2))
                  for x in X.split(1000))  # fmt: skip
    return (squares / X.numel()).tolist()


@torch.no_grad()
def averages(
    nets: Networks, X: torch.Tensor, y: torch.Tensor, masks: int, repeats: int
) -> list[list[list[float]]]:
    """For each network and repeat: the test error (percent) when k = 1 … `masks` thinned
    networks' probabilities are averaged (§7.5). Each image draws its own masks."""
    wrong = torch.zeros(repeats, masks, nets.count, device=X.device)
    for repeat in range(repeats):
        for x, t in zip(X.split(1000), y.split(1000), strict=True):
            total = torch.zeros((), device=X.device)
            for k in range(masks):
                total = total + nets.forward(x, dropping=True)[0].softmax(2)
                wrong[repeat, k] += (total.argmax(2) != t).sum(1)
    return (100 * wrong.double() / len(y)).permute(2, 0, 1).tolist()


@torch.no_grad()
def features(nets: Networks, X: torch.Tensor) -> Json:
    """Figures 7 and 8 in numbers, one for each autoencoder: what its units learnt and do.

    A feature is what a unit draws, its outgoing weights w.

    activation : mean activation of a unit on test images; laid : times ‖w‖, which cannot be
        changed by scaling the two layers against one another
    silent : share of activations that are 0
    pixels : (Σ w²)² / Σ w⁴, its mean over the units: over how many pixels a feature spreads
    histograms of the units' means and of all activations, `EDGES` apart; 25 features, packed
    """
    H = torch.cat([nets.forward(x, dropping=False)[1][0] for x in X.split(1000)], 1)
    means = H.mean(1)
    W = nets.weights[1]
    spread = W.square().sum(2).square() / W.pow(4).sum(2).clamp_min(1e-30)
    return {
        "reconstruction": reconstruction(nets, X),
        "activation": means.mean(1).tolist(),
        "laid": (means * W.norm(dim=2)).mean(1).tolist(),
        "silent": (H == 0).float().mean((1, 2)).tolist(),
        "pixels": spread.mean(1).tolist(),
        "histogram of units": [_counts(unit) for unit in means],
        "histogram of activations": [_counts(each) for each in H],
        "features": [packed(own[:25].cpu().numpy()) for own in W],
    }


def _counts(values: torch.Tensor) -> list[int]:
    return np.histogram(values.cpu().numpy(), EDGES)[0].tolist()


# --- what is said of it ------------------------------------------------------------------

LEVEL = 0.05
"""A difference that chance alone makes less often than this is one."""


def agreement(values: list[float], row: Row, excuse: str = "") -> str:
    """Does the paper's number lie where another run, or mean of runs, is to be expected?

    A number without ± is taken for one run more: it agrees within t·s·√(1 + 1/n) of our mean,
    t the 97.5 % quantile of Student's distribution. One with ± s' within t·√(s²/n + s'²).
    `excuse` says why the two cannot be compared.
    """
    n = len(values)
    if row.paper is None:
        return "only drawn"
    if excuse:
        return excuse
    if n < 2:
        return "undecided: one seed"
    s = statistics.stdev(values)
    room = s**2 * (1 + 1 / n) if row.spread is None else s**2 / n + row.spread**2
    apart = statistics.mean(values) - row.paper
    if abs(apart) <= stats.t.ppf(1 - LEVEL / 2, n - 1) * room**0.5:
        return "agrees"
    return "higher here" if apart > 0 else "lower here"


def verdict(claim: Claim, more: list[float], less: list[float]) -> Json:
    """Do our networks say what the paper says? Welch's t-test at the level of 5 %."""
    means = [statistics.mean(values) for values in (more, less)]
    found = {"says": claim.says, "difference": means[0] - means[1]}
    if min(len(more), len(less)) < 2:
        return found | {"verdict": "undecided: one seed"}
    spreads = [statistics.stdev(values) for values in (more, less)]
    found["error"] = sum(
        s**2 / len(v) for s, v in zip(spreads, (more, less), strict=True)
    ) ** 0.5  # fmt: skip
    by_chance = found["error"] == 0 or stats.ttest_ind_from_stats(
        means[0], spreads[0], len(more), means[1], spreads[1], len(less), equal_var=False
    ).pvalue >= LEVEL  # fmt: skip
    if claim.same and max(means) <= claim.same * min(means):
        return found | {"verdict": "agrees"}
    if by_chance:
        return found | {"verdict": "undecided"}
    agrees = not claim.same and means[0] > means[1]
    return found | {"verdict": "agrees" if agrees else "disagrees"}


def averaging(averaged: list[list[list[float]]], row: Json) -> list[Json]:
    """Figure 11: from which k on is Monte Carlo as good as weight scaling, and then how far?

    averaged : (networks, repeats, k) test errors; their mean and standard deviation over the
        repeats go into `row`, whose "error" is that of weight scaling, (networks,)
    """
    curves = np.array(averaged)
    mean, spread = curves.mean((0, 1)), curves.std(1, ddof=1).mean(0)
    target = statistics.mean(row["error"])
    row |= {"averaged": mean.round(4).tolist(), "spread": spread.round(4).tolist()}
    reached = np.flatnonzero(mean <= target)
    k = int(reached[0]) + 1 if len(reached) else None
    near = k is not None and 25 <= k <= 100
    apart = float(mean[-1] - target)
    return [
        {"says": "Monte Carlo is as good as weight scaling from about k = 50 on (25 to 100)",
         "k": k, "verdict": "agrees" if near else "disagrees"},
        {"says": f"with k = {len(mean)} the two differ by less than a standard deviation",
         "difference": apart, "error": float(spread[-1]),
         "verdict": "agrees" if abs(apart) < spread[-1] else "disagrees"},
    ]  # fmt: skip


def reproduce(
    table: Table, source: Data, scale: Scale, device: str, advance: Advance, command: str
) -> Json:
    """Choose, train, test: the whole of one table, ready to be written."""
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
    shop = Workshop(table, source, scale, device, advance)
    choice = shop.choice()
    best = shop.settings(choice)
    found = shop.final(best)
    other = "other images" if source.name != "mnist" else ""
    excuse = other if scale.comparable else "reduced"
    rows = [
        {
            "name": row.name,
            "paper": row.paper,
            "hidden": row.hidden,
            "images": min(row.rows or scale.pool, scale.pool),
            "setting": plain(best[row.name]),
            "tried": [plain(s) | {"validation": e} for s, e in choice.get(row.name, [])],
            **{name: _few(name, values) for name, values in found[row.name].items()},
            "agrees": agreement(found[row.name][table.quantity], row, excuse),
        }
        for row in shop.table.rows
    ]
    claims = [
        verdict(claim, found[claim.more][claim.of], found[claim.less][claim.of])
        for claim in shop.table.claims
    ]
    if table.measure == "averages":
        claims = averaging(rows[0].pop("averaged"), rows[0])
    return {
        "table": table.name,
        "title": table.title,
        "quantity": table.quantity,
        "data": source.name,
        "note": table.note,
        "reduced": scale.reduced(),
        "scale": asdict(scale),
        "batch": BATCH,
        "rows": rows,
        "claims": claims,
        "seconds": shop.seconds,
        "device": device_name(device),
        "products": "TF32" if device == "cuda" else "float32",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": command,
    }


def _few(name: str, values: list[Any]) -> list[Any]:
    """Of pictures the first is kept, of numbers all."""
    return values[:1] if name == "features" else values


def plain(setting: Setting) -> Json:
    """A setting as JSON holds it: what is not as usual."""
    usual = asdict(Setting(0.0))
    return {name: value for name, value in asdict(setting).items() if value != usual[name]}


def device_name(device: str) -> str:
    """The GPU's name, or the processor's."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {torch.get_num_threads()} threads"


def result_path(result: Json) -> Path:
    """Where a result lies: `datasets/paper/table9.json`, `table9-fashion-mnist-quick.json` …"""
    parts = [result["table"]]
    parts += [result["data"]] if result["data"] != "mnist" else []
    parts += ["quick"] if result["reduced"] and result["scale"]["shrink"] > 1 else []
    return RESULTS / f"{'-'.join(parts)}.json"


def keep(result: Json) -> Path:
    """Write a result, a line for each row and claim; return its path."""
    path = result_path(result)
    write(path, lambda to: to.write_text(_lines(result), encoding="utf-8"))
    return path


def _lines(result: Json) -> str:
    """JSON that is short and can be compared line by line."""

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    parts = []
    for name, value in result.items():
        many = isinstance(value, list) and value
        whole = "[\n  " + ",\n  ".join(map(text, value)) + "\n ]" if many else text(value)
        parts.append(f" {text(name)}: {whole}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def show(result: Json, path: Path, console: Console) -> None:
    """Print paper | here, what agrees, and how it was found."""
    error = result["quantity"] == "error"
    unit = "test error, %" if error else f"mean {result['quantity']}"
    drawn = rich.table.Table(title=result["title"], title_justify="left", title_style="bold")
    drawn.add_column("")
    for column in ("paper", "here", "seeds"):
        drawn.add_column(f"{column}, {unit}" if column == "here" else column, justify="right")
    drawn.add_column("")
    for row in result["rows"]:
        values = row[result["quantity"]]
        said = "–" if row["paper"] is None else f"{row['paper']:.2f}"
        drawn.add_row(row["name"], said, summary(values), str(len(values)), row["agrees"])
    console.print(drawn)
    for claim in result["claims"]:
        console.print(f"paper: {claim['says']}. {found(claim)}", highlight=False, soft_wrap=True)
    scale = result["scale"]
    console.print(
        f"{result['data']}, {scale['updates']:,} updates of {result['batch']} images, "
        f"{result['seconds']:.0f} s of training on {result['device']}.", highlight=False,
        soft_wrap=True,
    )  # fmt: skip
    for line in filter(None, (result["reduced"], result["note"], f"written: {path}")):
        console.print(line, highlight=False, soft_wrap=True)


def command(
    name: str, data_name: str, device: str | None, quick: bool, seeds: int | None,
    updates: int | None,
) -> None:  # fmt: skip
    """Repeat one table with a bar on the terminal; print what came out, and write it."""
    device = chosen(device)
    scale = tables.QUICK if quick else tables.FULL
    scale = replace(scale, seeds=seeds or scale.seeds, updates=updates or scale.updates)
    table, source = tables.TABLES[name], load(data_name)
    scale = tables.fitted(scale, table)
    console = Console()
    if device == "cpu" and scale.comparable and scale.updates > 10_000:
        console.print("On a CPU this takes days; it can be stopped and gone on with. "
                      "`--quick` takes minutes.", highlight=False)  # fmt: skip
    words = [name, f"--data {data_name}", f"--device {device}", *["--quick"] * quick]
    words += [f"--seeds {scale.seeds}", f"--updates {scale.updates}"]
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console) as bar:
        work = Workshop(table, source, scale, device, lambda *_: None).work()
        task = bar.add_task(name, total=work)

        def advance(said: str, done: float) -> None:
            bar.update(task, description=said, advance=done)

        try:
            result = reproduce(
                table, source, scale, device, advance, f"python3 grader paper {' '.join(words)}"
            )
        except torch.cuda.OutOfMemoryError:
            raise CourseError(
                "the GPU's memory is too small for so many networks at once: ask for fewer with "
                "--seeds, or close what else runs on it."
            ) from None
    show(result, keep(result), console)


def chosen(device: str | None) -> str:
    """The device to run on; a GPU only where there is one."""
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise CourseError(
            "no GPU is found here: leave --device away to run on the CPU (with --quick in minutes)."
        )
    return device or ("cuda" if there else "cpu")
