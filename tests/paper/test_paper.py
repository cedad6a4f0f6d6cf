"""The paper's tables again: the networks, the protocol, interruptions, and what is said."""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import nn
from torch.nn import functional as F

from dropoutlab import reproduced
from grader import cli
from grader.paper import comparison, experiment, measures, reproduction, tables, terminal
from grader.paper.networks import BATCH, MOMENTUM, TARGET, Network, Networks, Setting
from grader.paper.tables import Claim, Row, Scale

TINY = Scale(
    updates=24, seeds=2, trials=1, pool=1_000, held_out=300, shrink=64, widest=100, masks=3,
    repeats=2, candidates=2,
)  # fmt: skip


class Watched(experiment.Data):
    """Ten noisy patterns, in which a test image seen too early is a failure."""

    def __init__(self):
        rng = np.random.default_rng(0)
        patterns = rng.random((10, 784))
        y = rng.integers(10, size=1500)
        X = (patterns[y] + 2 * rng.standard_normal((1500, 784))).astype(np.float32)
        super().__init__("mnist", (X[:1200], y[:1200], X[1200:], y[1200:]))
        self.ready, self.asked = (lambda: True), 0

    def test(self):
        assert self.ready(), "the test images were asked for before the choice was made"
        self.asked += 1
        return super().test()


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "WORK", tmp_path / "work")
    monkeypatch.setattr(reproduction, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(experiment, "STRETCH", 1)
    return Watched()


def repeat(source, name="table10", scale=TINY, advance=lambda doing, done: None):
    return reproduction.reproduce(tables.TABLES[name], source, scale, "cpu", advance, "a test")


def numbers(result):
    """What must not depend on interruptions."""
    return [[row["setting"], row["tried"], row["error"]] for row in result["rows"]]


# The networks.


def test_networks_train_as_torch_would():
    """Do weights and biases come out as with torch.optim.SGD and renorm, each network's own?"""
    steps, n = 12, 40  # fewer rows than a batch: each step sees all of them
    X, y = torch.randn(n, 6), torch.randint(3, (n,))
    settings = [
        Setting(0.1, weight_decay=0.02, l1=0.01),
        Setting(0.3, max_norm=0.7),
        Setting(0.2, sparsity=0.5),
    ]
    nets = Networks(settings, (6, 8, 7, 3), steps, 5, "cpu")
    begin = [w.clone() for w in (*nets.weights, *nets.biases)]
    assert list(nets.passes(X, y, nets.rows(n, n))) == list(range(1, steps + 1))
    for k, setting in enumerate(settings):
        layers = [nn.Linear(*w[k].shape) for w in nets.weights]
        for layer, W, b in zip(layers, begin[:3], begin[3:], strict=True):
            layer.weight.data, layer.bias.data = W[k].T.clone(), b[k].clone()
        alone(layers, setting, X, y, steps)
        for layer, W, b in zip(layers, nets.weights, nets.biases, strict=True):
            torch.testing.assert_close(W[k].T, layer.weight, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(b[k], layer.bias, rtol=1e-4, atol=1e-5)


def alone(layers, setting, X, y, steps):
    """Train one network with torch's own optimiser."""
    weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
    groups = [{"params": weights, "weight_decay": setting.weight_decay}, {"params": biases}]
    optimiser = torch.optim.SGD(groups, lr=1.0, momentum=0.5)
    for step in range(steps):
        done = step / steps
        for group in optimiser.param_groups:
            group["lr"] = setting.rate * (1 - done)
            group["momentum"] = min(MOMENTUM[1], MOMENTUM[0] + 4.5 * done)
        h, penalty = X, 0.0
        for layer in layers[:-1]:
            h = layer(h).relu()
            penalty = penalty + setting.sparsity / 2 * (h.mean(0) - TARGET).square().sum()
        if done >= 0.75:
            penalty = penalty + setting.l1 * sum(w.abs().sum() for w in weights)
        optimiser.zero_grad()
        (F.cross_entropy(layers[-1](h), y) + penalty).backward()
        optimiser.step()
        if np.isfinite(setting.max_norm):
            for w in weights:
                w.data = torch.renorm(w.data, 2, 0, setting.max_norm)


def test_max_norm_holds_for_whom_it_is_asked():
    """Is each unit's incoming norm within its network's bound, in all layers, and no other's?"""
    X, y = torch.randn(300, 20), torch.randint(4, (300,))
    settings = [Setting(0.5, keep=0.5, max_norm=0.5), Setting(0.5, keep=0.5)]
    nets = Networks(settings, (20, 16, 4), 60, 1, "cpu")
    for _ in nets.passes(X, y, nets.rows(300, 300)):
        norms = [W.norm(dim=1) for W in nets.weights]
        assert all(norm[0].max() <= 0.5 * (1 + 1e-5) for norm in norms)
    assert all(norm[1].max() > 0.6 for norm in norms)


def test_noise_has_the_papers_mean_and_variance():
    """Are masks 0 or 1 with mean keep, is noise N(1, (1-keep)/keep), and the test their mean?"""
    keep, n = 0.8, 40_000
    settings = [Setting(1, keep_input=keep), Setting(1, keep_input=keep, gaussian=True)]
    nets = Networks(settings, (5, 5), 1, 3, "cpu")
    nets.weights[0].copy_(torch.eye(5).expand(2, 5, 5))
    thinned, _ = nets.forward(torch.ones(n, 5), dropping=True)
    scaled, _ = nets.forward(torch.ones(1, 5), dropping=False)
    assert set(thinned[0].unique().tolist()) == {0.0, 1.0}
    deviation = ((1 - keep) / keep) ** 0.5
    room = 7 / (5 * n) ** 0.5  # seven standard errors
    assert thinned[0].mean() == pytest.approx(keep, abs=room * 0.4)
    assert thinned[1].mean() == pytest.approx(1, abs=room * deviation)
    assert thinned[1].std() == pytest.approx(deviation, abs=room * deviation)
    assert scaled[:, 0, 0].tolist() == pytest.approx([keep, 1])


def test_each_network_sees_its_own_rows():
    """With fewer rows than there are, does each network keep to its own, in every pass?"""
    nets = Networks([Setting(0.1)] * 3, (4, 2), 10, 7, "cpu")
    rows = nets.rows(1000, 150)
    assert rows.shape == (3, 150) and all(len(own.unique()) == 150 for own in rows)
    assert not torch.equal(rows[0], rows[1])
    seen = []
    nets._update = lambda X, y: seen.append(X[..., 0].long())
    X = torch.arange(1000.0)[:, None].expand(-1, 4)
    next(nets.passes(X, torch.zeros(1000), rows))
    assert len(seen) == 1 and seen[0].shape == (3, BATCH)
    assert all(set(a.tolist()) <= set(b.tolist()) for a, b in zip(seen[0], rows, strict=True))


def test_a_network_alone_trains_as_one_of_many():
    """With bounds and weight decay, do its weights come out the same, but for bfloat16's digits?"""
    X, y = torch.randn(300, 20), torch.randint(4, (300,))
    for setting in (Setting(0.1, max_norm=0.7), Setting(0.1, weight_decay=0.05)):
        many = Networks([setting], (20, 16, 4), 40, 1, "cpu")
        alone = Network(setting, (20, 16, 4), 40, 1, BATCH)
        begin = [W.clone() for W in many.weights]
        for nets in (many, alone):
            for _ in nets.passes(X, y, nets.rows(300, 300)):
                pass
        for first, W, V in zip(begin, many.weights, alone.weights, strict=True):
            assert (W - V).norm() < 0.02 * (W - first).norm()


def test_the_masks_of_a_network_alone_keep_as_often_as_asked():
    """Is each entry kept with probability keep, a coin of its own, in each layer and call?"""
    nets = Network(Setting(1, keep=0.5, keep_input=0.8), (50, 50, 2), 1, 3, BATCH)
    coins = np.random.default_rng(3)
    for layer, keep in enumerate((0.8, 0.5)):
        masks = torch.stack([nets._masked(torch.ones(400, 50), layer, coins) for _ in range(5)])
        assert set(masks.unique().tolist()) == {0, 1}
        assert float(masks.mean()) == pytest.approx(keep, abs=5 * (keep * (1 - keep) / 1e5) ** 0.5)
        for axis in range(3):
            both = masks * masks.roll(1, axis)  # neighbours' coins, and those of another call
            assert float(both.mean()) == pytest.approx(keep**2, abs=0.012)


# The protocol.


def test_no_test_image_is_seen_before_the_choice(source):
    """Are the test images asked for once, when all that chooses is done?"""
    trial = experiment.Experiment(tables.TABLES["table10"], source, TINY, "cpu", lambda *_: None)
    names = [piece.name for piece in trial.choosing()]
    assert names
    source.ready = lambda: all((trial.folder / f"{name}.json").exists() for name in names)
    repeat(source)
    assert source.asked == 1


def test_what_is_held_out_chooses_and_then_trains(source, monkeypatch):
    """Do candidates train without the held-out images, and the last networks with all?"""
    trained = {}
    piece = experiment.Experiment.piece

    def noted(self, which, images, *of):
        trained.setdefault(which.name.split("-")[0], []).append((self, set(images.tolist())))
        return piece(self, which, images, *of)

    monkeypatch.setattr(experiment.Experiment, "piece", noted)
    result = repeat(source)
    for trial, images in trained["choose"]:
        assert not images & set(trial.held_out.tolist())
        assert len(images) == TINY.pool - TINY.held_out
    for trial, images in trained["final"]:
        assert images == set(trial.pool.tolist()) and set(trial.held_out.tolist()) < images
    for row in result["rows"]:
        errors = [tried["validation"] for tried in row["tried"]]
        assert len(errors) == 2 and errors == sorted(errors)
        chosen = {name: v for name, v in row["tried"][0].items() if name != "validation"}
        assert row["setting"] == chosen


def test_a_row_takes_over_what_another_chose():
    """Does Figure 9 vary the keep probability alone?"""
    table = tables.TABLES["figure9"]
    base = table.rows[0]
    trial = experiment.Experiment.__new__(experiment.Experiment)
    trial.table = table
    best = trial.settings({base.name: [(base.candidates[1], 1.0), (base.candidates[0], 2.0)]})
    assert len(best) == len(table.rows)
    for row in table.rows:
        assert replace(best[row.name], keep=0.5) == base.candidates[1]
    assert best["same n, keep 0.1"].keep == 0.1


# Interruptions.


@pytest.mark.parametrize("every, stop", [(0.0, 1), (0.0, 3), (0.0, 5), (1e9, 2), (1e9, 6)])
def test_going_on_gives_the_same_numbers(every, stop, source, tmp_path, monkeypatch):
    """After Ctrl-C at any moment, does the same command end with an unbroken run's numbers?"""
    whole = numbers(repeat(source))
    monkeypatch.setattr(experiment, "WORK", tmp_path / "other")
    monkeypatch.setattr(experiment, "EVERY", every)
    calls = itertools.count(1)

    def interrupt(doing, done):
        if next(calls) == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repeat(source, advance=interrupt)
    kept = list((tmp_path / "other").rglob("*.*"))
    assert bool(kept) == (every == 0.0 or stop > 4)
    assert numbers(repeat(source)) == whole


def test_time_that_is_over_leaves_networks_to_go_on_with(source, tmp_path, monkeypatch):
    """Where `advance` says so, are the networks saved at once, and is nothing of them lost?"""
    whole = numbers(repeat(source))
    monkeypatch.setattr(experiment, "WORK", tmp_path / "other")
    calls = itertools.count(1)

    def over(doing, done):
        if next(calls) == 5:
            raise experiment.Stopped

    with pytest.raises(experiment.Stopped):
        repeat(source, advance=over)
    assert list((tmp_path / "other").rglob("*.pt"))
    assert numbers(repeat(source)) == whole


def test_what_is_finished_is_not_trained_again(source, monkeypatch):
    """Is a second run made of the first one's pieces, and of its times?"""
    first = repeat(source)
    monkeypatch.setattr(Networks, "_update", lambda *_: pytest.fail("something was trained"))
    assert repeat(source) == first


ALONE = replace(TINY, alone=True, choosing=9, batch=50)


@pytest.mark.parametrize("stop", [1, 3, 9])
def test_networks_that_share_the_cores_go_on_where_they_were(stop, source, tmp_path, monkeypatch):
    """After Ctrl-C, do networks that train each by itself end with an unbroken run's numbers?"""
    whole = numbers(repeat(source, "recipe", ALONE))
    monkeypatch.setattr(experiment, "WORK", tmp_path / "other")
    monkeypatch.setattr(experiment, "EVERY", 0.0)
    calls = itertools.count(1)

    def interrupt(doing, done):
        if next(calls) == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repeat(source, "recipe", ALONE, advance=interrupt)
    assert list((tmp_path / "other").rglob("*.*"))
    again = repeat(source, "recipe", ALONE)
    assert numbers(again) == whole and again["batch"] == 50
    monkeypatch.setattr(experiment, "WORK", tmp_path / "elsewhere")  # on another machine
    monkeypatch.setattr(Network, "_update", lambda *_: pytest.fail("something was trained"))
    assert numbers(repeat(source, "recipe", ALONE)) == whole
    assert "after 9 updates" in again["reduced"]


def test_a_broken_save_is_not_read(source, tmp_path, monkeypatch):
    """If the disk fills up while networks are saved, does the next run begin that piece anew?"""
    whole = numbers(repeat(source))
    monkeypatch.setattr(experiment, "WORK", tmp_path / "other")
    monkeypatch.setattr(experiment, "EVERY", 0.0)

    def half(state, path):
        path.write_bytes(b"half of it")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(torch, "save", half)
        repeat(source)
    assert numbers(repeat(source)) == whole


# All tables, and what is said of them.


@pytest.mark.parametrize("name", tables.TABLES)
def test_each_table_runs_is_kept_and_shown(name, source):
    """At a tiny size, does each table come out with all its rows, as short JSON and in words?"""
    scale = replace(TINY, updates=6)
    done: list[float] = []
    result = repeat(source, name, scale, lambda doing, part: done.append(part))
    trial = experiment.Experiment(tables.TABLES[name], source, scale, "cpu", lambda *_: None)
    assert sum(done) == pytest.approx(trial.work())
    path = reproduction.keep(result)
    assert path.name == f"{name}-quick.json" and path.stat().st_size < 100_000
    again = json.loads(path.read_text(encoding="utf-8"))
    assert [row["name"] for row in again["rows"]] == [row["name"] for row in result["rows"]]
    assert all(len(row[again["quantity"]]) == scale.seeds for row in again["rows"])
    out = io.StringIO()
    terminal.show(again, path, Console(file=out, width=200))
    printed = out.getvalue()
    assert all(row["name"] in printed for row in again["rows"])
    assert "Reduced: 1,000 of 60,000 training images, 1/64 of the hidden units" in printed


def test_features_can_be_drawn_from_the_json():
    """Does what was packed come back, each feature up to its scale and 1/254?"""
    W = torch.randn(3, 784)
    images = reproduced.unpacked(reproduced.packed(W.numpy()))
    scaled = (W / W.abs().amax(1, keepdim=True)).reshape(3, 28, 28).numpy()
    assert np.abs(images - scaled).max() <= 1 / 254 + 1e-6


@pytest.mark.parametrize("table", tables.TABLES)
def test_a_result_of_each_table_is_kept(table):
    """Is it there, of this table's rows and claims, measured at the size that the command has?"""
    kept = reproduced.result(table)
    size = tables.EVENING if kept["scale"].get("alone") else tables.QUICK
    scale = tables.fitted(size, tables.TABLES[table])
    wanted = tables.reduced(tables.TABLES[table], scale)
    if kept["scale"]["shrink"] > 1 or size.alone:
        assert Scale(**kept["scale"]) == scale
        assert [row["name"] for row in kept["rows"]] == [row.name for row in wanted.rows]
    assert kept["seconds"] > 0 and kept["device"]
    figure = reproduced.drawn([kept])
    assert all(ax.get_title("left") for ax in figure.axes)
    assert all(claim["verdict"] for claim in kept["claims"])


def test_the_picture_shows_what_was_last_measured():
    """Was the README's picture drawn from these results? `python -m dropoutlab.reproduced` does."""
    with Image.open(reproduced.PICTURE) as picture:
        assert picture.text["Source"] == reproduced.source()


def test_averages_begin_with_one_mask_and_end_as_the_ensemble():
    """Is the error of k masks that of their mean probabilities, recounted by hand?"""
    nets = Networks([Setting(1.0, keep=0.5)] * 2, (6, 30, 4), 1, 0, "cpu")
    X, y = torch.randn(50, 6), torch.randint(4, (50,))
    begin = nets._chance.get_state()
    errors = np.array(measures.averages(nets, X, y, 3, 2))
    nets._chance.set_state(begin)
    assert errors.shape == (2, 2, 3)
    for repeat_ in range(2):
        drawn = [nets.forward(X, dropping=True)[0].softmax(2) for _ in range(3)]
        for k in range(3):
            mean = torch.stack(drawn[: k + 1]).mean(0)
            wrong = 100 * (mean.argmax(2) != y).float().mean(1)
            assert errors[:, repeat_, k] == pytest.approx(wrong.numpy(), abs=1e-3)


@pytest.mark.parametrize("reached, last, expected", [
    (49, 0.99, (50, "agrees", "agrees")),
    (9, 0.99, (10, "disagrees", "agrees")),
    (49, 0.5, (50, "agrees", "disagrees")),
    (None, 1.01, (None, "disagrees", "agrees")),
])  # fmt: skip
def test_where_averages_reach_weight_scaling(reached, last, expected):
    """Is the first k found at which masks' mean error is no larger than weight scaling's 1 %?"""
    curve = np.full(60, 1.2)
    if reached is not None:
        curve[reached] = 1.0
    curve[-1] = last
    drawn = np.stack([curve - 0.02, curve + 0.02])  # standard deviation 0.028
    row = {"error": [0.95, 1.05]}
    first, second = comparison.averaging([drawn.tolist()] * 2, row)
    assert (first["k"], first["verdict"], second["verdict"]) == expected
    assert row["averaged"] == pytest.approx(curve)
    assert str(expected[0] or "never") in reproduced.outcome(first)


@pytest.mark.parametrize("values, printed, spread, expected", [
    ([1.02, 1.08, 1.05], 1.05, None, "agrees"),
    ([1.02, 1.08, 1.05], 1.16, None, "agrees"),  # t = 4.30, s = 0.03: within 0.149
    ([1.02, 1.08, 1.05], 1.25, None, "lower here"),
    ([1.52, 1.58, 1.55], 1.25, None, "higher here"),
    ([1.02, 1.08, 1.05], 1.25, 0.04, "lower here"),
    ([1.02, 1.08, 1.05], 1.20, 0.04, "agrees"),
    ([1.05], 1.05, None, "undecided: one seed"),
    ([1.02, 1.08], None, None, "only drawn"),
])  # fmt: skip
def test_agreement_with_a_number(values, printed, spread, expected):
    """Does a number agree where chance explains the distance, and nothing where it may not?"""
    row = Row("a row", (1024,), (Setting(0.1),), printed, spread)
    assert comparison.agreement(values, row) == expected
    excused = comparison.agreement(values, row, "reduced")
    assert excused == ("only drawn" if printed is None else "reduced")


def test_only_the_papers_own_task_is_compared(source, monkeypatch):
    """Is a number compared with the paper's at its size and on its images, and nowhere else?"""
    full = replace(TINY, pool=tables.FULL.pool, shrink=1, widest=128, updates=1, candidates=1)
    monkeypatch.setattr(tables, "FULL", full)
    monkeypatch.setitem(tables.TABLES, "table10", replace(
        tables.TABLES["table10"],
        rows=tuple(replace(row, hidden=(128,)) for row in tables.TABLES["table10"].rows),
    ))  # fmt: skip
    agreement = {}
    for name, scale in (("mnist", full), ("fashion-mnist", full), ("mnist", TINY)):
        source.name = name
        rows = repeat(source, scale=scale)["rows"]
        agreement[name, scale.shrink] = {row["agrees"] for row in rows}
    assert agreement["mnist", 1] == {"higher here"}
    assert agreement["fashion-mnist", 1] == {"other images"}
    assert agreement["mnist", TINY.shrink] == {"reduced"}


@pytest.mark.parametrize("more, less, same, expected", [
    ([1.5, 1.6, 1.55], [1.0, 1.1, 1.05], 0, "agrees"),
    ([1.0, 1.1, 1.05], [1.5, 1.6, 1.55], 0, "disagrees"),
    ([1.0, 1.6, 1.3], [1.0, 1.5, 1.2], 0, "undecided"),
    ([1.0, 1.6, 1.3], [1.0, 1.5, 1.25], 1.1, "agrees"),
    ([1.5, 1.6, 1.55], [1.0, 1.1, 1.05], 1.1, "disagrees"),
    ([1.0, 2.6, 1.8], [1.0, 1.5, 1.2], 1.1, "undecided"),
    ([2.0, 2.0], [2.0, 2.0], 0, "undecided"),
    ([2.0], [1.0], 0, "undecided: one seed"),
])  # fmt: skip
def test_verdict_on_a_claim(more, less, same, expected):
    """Does a claim hold, fail or stay open as Welch's test, or the margin, has it?"""
    finding = comparison.verdict(Claim("one errs more", "a", "b", same=same), more, less)
    assert finding["verdict"] == expected
    assert reproduced.outcome(finding).endswith(f": {expected}.")


# Commands and their errors.


@pytest.mark.parametrize("arguments, words", [
    (["paper", "table10", "--device", "cuda"], ["no GPU", "--device", "--quick"]),
    (["paper", "table10", "--quick"], ["DROPOUT_DATA"]),
    (["gpu"], ["no GPU", "--rehearse"]),
])  # fmt: skip
def test_an_error_is_one_sentence_with_a_remedy(arguments, words, monkeypatch, capsys):
    """Without a GPU, or without data, does the command end with status 1 and say what to do?"""

    def missing():
        raise FileNotFoundError("it is missing: set DROPOUT_DATA to a folder that has it.")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setitem(experiment.LOADERS, "mnist", missing)
    assert cli.main(arguments) == 1
    message = capsys.readouterr().err
    assert all(word in message for word in words) and len(message.splitlines()) == 1


@pytest.mark.parametrize("arguments, word", [
    (["table3"], "table9"),
    (["table9", "--seeds", "0"], "--seeds"),
    (["table9", "--updates", "many"], "--updates"),
    (["table9", "--data", "cifar"], "fashion-mnist"),
])  # fmt: skip
def test_bad_words_name_the_good_ones(arguments, word, capsys):
    """Does a wrong argument end with status 2, naming what is expected?"""
    with pytest.raises(SystemExit) as ended:
        cli.main(["paper", *arguments])
    assert ended.value.code == 2 and word in capsys.readouterr().err


def test_all_repeats_every_table(monkeypatch):
    """Does `paper all` repeat each table, in their order?"""
    repeated = []
    monkeypatch.setattr(terminal, "command", lambda name, *options: repeated.append(name))
    assert cli.main(["paper", "all"]) == 0
    assert repeated == list(tables.TABLES)


def test_the_command_runs_and_ctrl_c_says_how_to_go_on(source, monkeypatch, capsys):
    """Does Ctrl-C leave a sentence, and the same command then finish and write its result?"""
    monkeypatch.setattr(terminal, "load", lambda name: source)
    monkeypatch.setitem(tables.SIZES, "quick", replace(TINY, updates=6))
    final = experiment.Experiment.final

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment.Experiment, "final", interrupted)
    assert cli.main(["paper", "table10", "--quick", "--device", "cpu"]) == 130
    assert "The same command goes on from here" in capsys.readouterr().err
    monkeypatch.setattr(experiment.Experiment, "final", final)
    assert cli.main(["paper", "table10", "--quick", "--device", "cpu", "--seeds", "3"]) == 0
    result = json.loads((reproduction.RESULTS / "table10-quick.json").read_text(encoding="utf-8"))
    assert result["command"].startswith("python3 grader paper table10 --data mnist")
    assert all(len(row["error"]) == 3 for row in result["rows"])
    assert "Bernoulli" in capsys.readouterr().out


@pytest.mark.parametrize(("longer", "told"), [(7.0, True), (0.4, False)])
def test_a_cpu_that_is_slow_in_bfloat16_is_told(source, monkeypatch, capsys, longer, told):
    """Who asks for an evening of training: does one learn first that here it takes days?"""
    monkeypatch.setattr(terminal, "load", lambda name: source)
    monkeypatch.setattr(terminal, "slower_in_bfloat16", lambda: longer)
    monkeypatch.setattr(terminal, "reproduce", lambda *_: {})
    monkeypatch.setattr(terminal, "keep", lambda *_: None)
    monkeypatch.setattr(terminal, "show", lambda *_: None)
    assert cli.main(["paper", "recipe", "--evening"]) == 0
    assert ("7 times as long" in capsys.readouterr().out) is told


def test_the_time_of_products_is_a_ratio():
    """Is a product in bfloat16 timed beside one in float32, and torch left as it was?"""
    before = torch.get_num_threads()
    assert 0.05 < terminal.slower_in_bfloat16() < 500
    assert torch.get_num_threads() == before
