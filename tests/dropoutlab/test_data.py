"""The data: is it what the README says, and does its absence or damage say what to do?"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from dropoutlab import data


def accuracy(
    X_train: np.ndarray, y_train: np.ndarray, X_test: np.ndarray, y_test: np.ndarray
) -> float:
    """The share that logistic regression on the pixels gets right."""
    with threadpool_limits(1):  # so small a fit is slower on many threads
        model = LogisticRegression(max_iter=500).fit(X_train.reshape(len(X_train), -1), y_train)
        return model.score(X_test.reshape(len(X_test), -1), y_test)


# The digits that ship.


def test_digits_are_the_published_ones() -> None:
    """Are they scikit-learn's digits, in order, scaled to [0, 1] and split after line 1287?"""
    X_train, y_train, X_test, y_test = data.digits()
    published = load_digits()
    assert X_train.shape == (1287, 8, 8) and X_test.shape == (510, 8, 8)
    assert X_train.dtype == X_test.dtype == np.float64
    assert y_train.dtype == y_test.dtype == np.int64
    assert np.array_equal(np.concatenate([X_train, X_test]) * 16, published.images)
    assert np.array_equal(np.concatenate([y_train, y_test]), published.target)


def test_digits_split_falls_between_two_sheets() -> None:
    """Does the form's sequence of labels begin again at the first test image?"""
    _, y_train, _, y_test = data.digits()
    assert np.array_equal(y_test[:100], y_train[:100])  # a sheet from its first line on
    assert np.array_equal(y_train[-4:], y_test[-4:])  # and up to its last


def test_new_sheets_are_harder_than_a_random_split() -> None:
    """Does a random split flatter a classifier, as the README says?

    Logistic regression is right on 91.4 % of the new sheets; over 20 random splits on
    94.3 to 98.4 % (mean 96.4).
    """
    X_train, y_train, X_test, y_test = data.digits()
    X, y = np.concatenate([X_train, X_test]), np.concatenate([y_train, y_test])
    by_chance = []
    for seed in range(5):
        X_a, X_b, y_a, y_b = train_test_split(X, y, test_size=510, random_state=seed)
        by_chance.append(accuracy(X_a, y_a, X_b, y_b))
    assert accuracy(X_train, y_train, X_test, y_test) + 0.03 < np.mean(by_chance)


@pytest.mark.parametrize("damage", ["absent", "cut short", "not a gzip file", "one pixel changed"])
def test_damaged_digits_say_how_to_mend_them(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Does every kind of damage end in one sentence with the file's name and the remedy?"""
    packed = (data.ROOT / "datasets/digits.csv.gz").read_bytes()
    monkeypatch.setattr(data, "ROOT", tmp_path)
    path = tmp_path / "datasets/digits.csv.gz"
    path.parent.mkdir()
    if damage == "cut short":
        path.write_bytes(packed[:-1000])
    elif damage == "not a gzip file":
        path.write_bytes(b"<html>Please log in.</html>")
    elif damage == "one pixel changed":
        path.write_bytes(gzip.compress(b"1" + gzip.decompress(packed)[1:]))
    with pytest.raises(FileNotFoundError if damage == "absent" else ValueError) as caught:
        data.digits()
    is_one_sentence(caught.value, str(path), "git restore datasets/digits.csv.gz")


def is_one_sentence(error: Exception, *mentions: str) -> None:
    text = str(error)
    assert text.endswith(".") and ". " not in text and "\n" not in text, text
    for words in mentions:
        assert words in text


def test_readme_holds_every_checksum() -> None:
    """Do the README's table and the code agree on each digest?"""
    readme = (data.ROOT / "datasets/README.md").read_text(encoding="utf-8")
    assert f"| `digits.csv.gz` | `{data.SHA256['digits']}` |" in readme
    for name in data.URLS:
        for file, sha256 in zip(data.FILES, data.SHA256[name], strict=True):
            assert f"| `{name}/{file}` | `{sha256}` |" in readme


# The glyphs that are drawn.


def test_glyphs_shapes_and_ranges() -> None:
    """Are images float32 in [0, 1] by steps of 1/255, with white paper and full ink?"""
    images, labels = data.glyphs(200, seed=0)
    assert images.shape == (200, 28, 28) and images.dtype == np.float32
    assert labels.shape == (200,) and labels.dtype == np.int64
    assert images.min() == 0 and images.max() == 1
    assert np.array_equal(images, np.round(images * 255).astype(np.float32) / np.float32(255))


def test_glyphs_repeat_whatever_ran_before() -> None:
    """Do global generators, matplotlib's settings, or a new process leave the images alone?"""

    def digest() -> str:
        images, labels = data.glyphs(1200, seed=3, classes="aQ7")  # more than one batch
        return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()

    first = digest()
    data._distances.cache_clear()
    state = random.getstate(), np.random.get_state()[1].tolist()
    settings = {"font.family": "serif", "font.size": 30, "path.simplify": False}
    with matplotlib.rc_context(settings):
        assert digest() == first
    assert (random.getstate(), np.random.get_state()[1].tolist()) == state  # nor do we touch them
    program = (
        "import hashlib, random, numpy; random.seed(1); numpy.random.seed(1)\n"
        "from dropoutlab import data\n"
        "images, labels = data.glyphs(1200, seed=3, classes='aQ7')\n"
        "print(hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert other.stdout.strip() == first, other.stderr


def test_glyphs_all_differ() -> None:
    """Is no image drawn twice, and no noise, within a seed or in two seeds?"""
    images = np.concatenate([data.glyphs(2000, seed)[0] for seed in (0, 1)])
    assert len(np.unique(images.reshape(4000, -1), axis=0)) == 4000
    assert len(np.unique(images[:, 0], axis=0)) == 4000  # the top row is mere noise


def test_half_of_the_paper_is_speckled() -> None:
    """Is the noise on empty paper as likely up as down (and down is cut off at white)?"""
    images, _ = data.glyphs(1000, seed=0)
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert 0.45 < np.mean(corners > 0) < 0.55  # 4000 coins: six standard deviations


def test_glyphs_stand_upright() -> None:
    """Is the ink of an F up and left of the middle, as in no mirror and not on its head?"""
    images, _ = data.glyphs(300, seed=0, classes="F")
    ink = images.mean(0) - images.mean(0).min()
    assert ink[:14].sum() > 1.1 * ink[14:].sum()
    assert ink[:, :14].sum() > 1.1 * ink[:, 14:].sum()


@pytest.mark.parametrize(("n", "classes"), [(103, "0123456789"), (5, "ABCDEFGH"), (60, "xyz")])
def test_glyphs_are_balanced_and_shuffled(n: int, classes: str) -> None:
    """Do the classes' counts differ by one at most, and not in the order of the classes?"""
    _, labels = data.glyphs(n, seed=0, classes=classes)
    counts = np.bincount(labels, minlength=len(classes))
    assert counts.max() - counts.min() <= 1 and counts.sum() == n
    assert not np.array_equal(labels, np.arange(n) % len(classes))


def test_label_k_is_the_character_classes_k() -> None:
    """Is the thin "I" the class with least ink, wherever it stands in `classes`?"""
    for classes in ("IMW", "MIW", "MWI"):
        images, labels = data.glyphs(300, seed=0, classes=classes)
        ink = [images[labels == k].mean() for k in range(3)]
        assert classes[np.argmin(ink)] == "I"


def test_every_font_draws_every_numeral_within_the_frame() -> None:
    """Is no outline empty, cut off, or without the hole that it should have?"""
    for character in "0123456789ABCDEFGHIJ":
        inside = data._distances(character) > 0
        assert np.all(inside.mean((1, 2)) > 0.02)
        assert not inside[:, [0, -1]].any() and not inside[:, :, [0, -1]].any()
        centre = inside[:, inside.shape[1] // 2, inside.shape[2] // 2]
        if character in "0D":  # DejaVu Sans Mono has a dotted zero
            hollow = [font for font, ink in zip(data.FONTS, centre, strict=True) if not ink]
            assert len(hollow) >= len(data.FONTS) - 4 * (character == "0")
        if character == "I":
            assert centre.all()


def test_glyphs_are_legible_but_not_trivial() -> None:
    """Does logistic regression read most of new glyphs, and fail on some?

    Over 20 pairs of seeds it was right on 79.1 to 82.7 % (mean 80.7, standard deviation 1.0).
    """
    assert 0.74 < accuracy(*data.glyphs(1000, seed=0), *data.glyphs(1000, seed=1)) < 0.88


@pytest.mark.parametrize("classes", ["", "AA", "é", "A B"])
def test_glyphs_refuse_classes_that_no_font_has(classes: str) -> None:
    """Does a class that is empty, double or not in all fonts end in one sentence?"""
    with pytest.raises(ValueError) as caught:
        data.glyphs(10, seed=0, classes=classes)
    is_one_sentence(caught.value, repr(classes))


# MNIST and Fashion-MNIST: from a folder, from the cache, from the network.


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """An MNIST of 6 + 4 images, an empty project, and a server on this computer."""
    rng = np.random.default_rng(0)
    arrays = [
        values.astype(np.uint8)
        for n in (6, 4)
        for values in (rng.integers(0, 256, (n, 28, 28)), rng.integers(0, 10, n))
    ]
    contents = [
        bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
        for array in arrays
    ]
    packed = dict(zip(data.FILES, map(gzip.compress, contents), strict=True))
    sent = SimpleNamespace(requests=[], bodies=dict(packed), keep=None)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/mnist/")
            sent.requests.append(name)
            if name not in sent.bodies:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(sent.bodies[name])))
            self.end_headers()
            self.wfile.write(sent.bodies[name][: sent.keep])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    monkeypatch.setattr(data, "ROOT", tmp_path / "project")
    monkeypatch.setitem(
        data.SHA256, "mnist", [hashlib.sha256(content).hexdigest() for content in contents]
    )
    monkeypatch.delenv("DROPOUT_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setitem(data.URLS, "mnist", f"http://127.0.0.1:{server.server_port}/mnist")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield SimpleNamespace(arrays=arrays, packed=packed, sent=sent, tmp=tmp_path)
        server.shutdown()
        thread.join()


def put(small: SimpleNamespace, folder: Path) -> None:
    (folder / "mnist").mkdir(parents=True)
    for file, packed in small.packed.items():
        (folder / "mnist" / file).write_bytes(packed)


def is_small(split: data.Split, small: SimpleNamespace) -> bool:
    X_train, y_train, X_test, y_test = split
    assert X_train.dtype == X_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    scaled = [X_train * 255, y_train, X_test * 255, y_test]
    return all(np.allclose(a, b) for a, b in zip(scaled, small.arrays, strict=True))


def test_download_fills_the_cache_once(
    small: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    """Is each file asked for once, shown on stdout alone, and kept whole under its own name?"""
    assert is_small(data.mnist(), small)
    assert small.sent.requests == list(data.FILES)
    assert is_small(data.mnist(), small)
    assert small.sent.requests == list(data.FILES)
    kept = {path.name: path.read_bytes() for path in (data.ROOT / ".cache/mnist").iterdir()}
    assert kept == small.packed
    out, err = capfd.readouterr()
    assert data.FILES[0] in out and "100%" in out and err == ""


@pytest.mark.parametrize("relative", [False, True])
def test_the_given_folder_comes_first(
    relative: bool, small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is `DROPOUT_DATA` read before cache and network, a relative path from the project?"""
    given = small.tmp / "given"
    put(small, given)
    monkeypatch.setenv("DROPOUT_DATA", "../given" if relative else str(given))
    put(small, data.ROOT / ".cache")
    for path in (data.ROOT / ".cache/mnist").iterdir():
        path.write_bytes(b"would be refused if it were read")
    assert is_small(data.mnist(), small)
    assert small.sent.requests == []


def test_the_cache_comes_before_the_network(
    small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is a file that `DROPOUT_DATA` lacks taken from the cache, and downloaded if that lacks it?"""
    monkeypatch.setenv("DROPOUT_DATA", str(small.tmp / "empty"))
    put(small, data.ROOT / ".cache")
    (data.ROOT / ".cache/mnist" / data.FILES[2]).unlink()
    assert is_small(data.mnist(), small)
    assert small.sent.requests == [data.FILES[2]]


def test_content_counts_not_its_compression(small: SimpleNamespace) -> None:
    """Does a mirror's other compression of the same content pass?"""
    for file, packed in small.packed.items():
        small.sent.bodies[file] = gzip.compress(gzip.decompress(packed), compresslevel=1, mtime=7)
    assert small.sent.bodies != small.packed
    assert is_small(data.mnist(), small)


@pytest.mark.parametrize("where", ["given", "project/.cache"])
def test_a_damaged_file_is_named_and_can_be_removed(
    where: str, small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Does the sentence name the damaged file, and does its remedy work?"""
    monkeypatch.setenv("DROPOUT_DATA", str(small.tmp / "given"))
    put(small, small.tmp / where)
    damaged = small.tmp / where / "mnist" / data.FILES[1]
    damaged.write_bytes(small.packed[data.FILES[3]])
    with pytest.raises(ValueError) as caught:
        data.mnist()
    is_one_sentence(caught.value, str(damaged), "remove it")
    damaged.unlink()
    assert is_small(data.mnist(), small)
    assert small.sent.requests == [data.FILES[1]]


@pytest.mark.parametrize("fault", ["cut short", "another page"])
def test_a_bad_download_leaves_nothing(fault: str, small: SimpleNamespace) -> None:
    """After a broken transfer or a log-in page, is the cache empty and the next call good?"""
    if fault == "cut short":
        small.sent.keep = 100
    else:
        small.sent.bodies[data.FILES[0]] = b"<html>Please log in.</html>"
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        data.mnist()
    is_one_sentence(caught.value, f"{data.URLS['mnist']}/{data.FILES[0]}")
    assert not (data.ROOT / ".cache").exists()
    small.sent.keep = None
    small.sent.bodies = small.packed
    assert is_small(data.mnist(), small)


def test_an_interrupted_save_is_not_read(
    small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk fills up while a file is written, does the next call start that file anew?"""

    def half(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(Path, "write_bytes", half)
        data.mnist()
    assert not (data.ROOT / ".cache/mnist" / data.FILES[0]).exists()
    assert is_small(data.mnist(), small)


@pytest.mark.parametrize("fault", ["no network", "no such file"])
def test_no_data_says_what_to_do(
    fault: str, small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be had, does one sentence name the file, the cause and two ways out?"""
    if fault == "no network":
        monkeypatch.setitem(data.URLS, "mnist", "http://127.0.0.1:1/mnist")  # nobody listens
    else:
        small.sent.bodies = {}
    monkeypatch.setenv("DROPOUT_DATA", str(small.tmp / "given"))
    with pytest.raises(FileNotFoundError) as caught:
        data.mnist()
    cause = "refused" if fault == "no network" else "404"
    wanted = str(small.tmp / "given" / "mnist" / data.FILES[0])
    is_one_sentence(
        caught.value, wanted, cause, "connect to the network", "DROPOUT_DATA", "datasets/README.md"
    )


# The regression sets of Gal & Ghahramani (2016), from a folder only.


@pytest.fixture
def yachts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A set "yacht" of 30 rows: 2 features, the target and a column that is unused."""
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(30, 4)), rng.random(20), rng.normal(size=20)]
    names = ["data/data.txt", *(f"results_2016/results/test_{n}.txt" for n in ("MC_rmse", "ll"))]
    files = [tmp_path / "given/uci/yacht" / name for name in names]
    for file, array in zip(files, values, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(file, array)
    digests = tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    monkeypatch.setitem(data.UCI, "yacht", (2, digests))
    (tmp_path / "project").mkdir()
    monkeypatch.setattr(data, "ROOT", tmp_path / "project")
    monkeypatch.setenv("DROPOUT_DATA", "../given")  # a relative path counts from the project
    return SimpleNamespace(values=values, files=files)


def test_uci_columns_and_published_numbers(yachts: SimpleNamespace) -> None:
    """Are features, target and both results what the files hold, and no other column?"""
    X, y, _, _ = data.uci("yacht")
    assert np.array_equal(X, yachts.values[0][:, :2]) and np.array_equal(y, yachts.values[0][:, 2])
    rmse, log_likelihood = data.uci_published("yacht")
    assert np.array_equal(rmse, yachts.values[1])
    assert np.array_equal(log_likelihood, yachts.values[2])


def test_uci_splits_are_the_published_ones(yachts: SimpleNamespace) -> None:
    """Are the splits those of the authors' loop, each row in train or test, 90 and 10 %?"""
    state = np.random.get_state()[1].tolist()
    _, _, train, test = data.uci("yacht")
    assert np.random.get_state()[1].tolist() == state  # no global generator is touched
    assert train.shape == (20, 27) and test.shape == (20, 3)
    theirs = np.random.RandomState(1)
    for rows in np.concatenate([train, test], 1):
        assert np.array_equal(rows, theirs.choice(range(30), 30, replace=False))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_uci_absence_and_damage_end_in_one_sentence(which: int, yachts: SimpleNamespace) -> None:
    """Does the sentence name the file, and say where to get it?"""
    load = data.uci if which == 0 else data.uci_published
    file = yachts.files[which]
    file.write_text("1 2 3 4\n")
    with pytest.raises(ValueError, match="damaged") as caught:
        load("yacht")
    is_one_sentence(caught.value, file.name, data.UCI_HOME)
    file.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load("yacht")
    is_one_sentence(caught.value, file.name, data.UCI_HOME, "DROPOUT_DATA")


def test_uci_refuses_a_name_that_it_does_not_know() -> None:
    """Does a wrong name end in one sentence that lists the right ones?"""
    with pytest.raises(ValueError) as caught:
        data.uci("boston")
    is_one_sentence(caught.value, "'boston'", *data.UCI)


@pytest.mark.skipif("DROPOUT_DATA" not in os.environ, reason="DROPOUT_DATA is not set")
@pytest.mark.parametrize("name", data.UCI)
def test_the_real_regression_sets(name: str) -> None:
    """Are the splits those of the index files that lie beside the data?"""
    X, y, _, test = data.uci(name)
    assert X.shape == (len(y), data.UCI[name][0])
    folder = data.ROOT / os.environ["DROPOUT_DATA"] / "uci" / name / "data"
    for i, rows in enumerate(test):
        assert np.array_equal(rows, np.loadtxt(folder / f"index_test_{i}.txt"))
    assert all(result.shape == (20,) for result in data.uci_published(name))


@pytest.mark.skipif("DROPOUT_DATA" not in os.environ, reason="DROPOUT_DATA is not set")
@pytest.mark.parametrize(("load", "mean"), [(data.mnist, 0.1307), (data.fashion_mnist, 0.2860)])
def test_the_real_sets(load, mean: float) -> None:
    """Are they 60 000 and 10 000 images of ten classes, with the published mean ink?"""
    X_train, y_train, X_test, y_test = load()
    assert X_train.shape == (60_000, 28, 28) and X_test.shape == (10_000, 28, 28)
    assert set(y_train) == set(y_test) == set(range(10))
    assert X_train.mean(dtype=np.float64) == pytest.approx(mean, abs=5e-5)
    assert X_train.min() == 0 and X_train.max() == 1
