"""The battery that everything goes through which draws coins.

    with expect.case("inverted_dropout(x, p, rng) on 20 x 60 ones, 24 times for each p"):
        expect.coins(lambda p, rng: inverted_dropout(np.ones((20, 60)), p, rng))

A mask is many independent coins, each of which drops with probability p. From 24 masks at each of
four rates it is asked: is every entry's coin its own (or shared along the axes that `shared`
names, and no others)? Is each call's mask fresh, and the same again from the same seed? Is the
rate p? Do the numbers dropped, in the whole, by row, by column, scatter as the binomial's do? Are
neighbours, halves and mirror images independent?

Every bound is exact, from the binomial distribution or from that of a sum of independent scores,
and a right answer leaves any of them with probability `ALPHA` at most, all of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from dropoutlab.expect import binomial
from dropoutlab.expect.exact import only
from dropoutlab.expect.frame import Unmet, ask, rng
from dropoutlab.expect.random import ALPHA, binomial_interval
from dropoutlab.expect.words import numpy_of, require_numeric, rounding

Draw = Callable[[float, Any], Any]
Rate = Callable[[float], float]

NAMES = {1: ("entry",), 2: ("row", "column"), 3: ("sample", "row", "column"),
         4: ("sample", "channel", "row", "column")}  # fmt: skip
"""What the axes of an array are called where a check does not say."""

RATES: tuple[tuple[Rate, str], ...] = (
    (lambda p: 0.0, "nothing is dropped."),
    (lambda p: 1.0, "everything is dropped."),
    (lambda p: 1 - p, "p is swapped: it is the probability of dropping, not of keeping."),
    (lambda p: 0.5, "half are dropped, whatever p is."),
    (lambda p: round(p, 1), "p is rounded to one decimal."),
    (lambda p: np.ceil(10 * p) / 10, "p is rounded to one decimal."),
    (
        lambda p: 1 - (1 - p) ** 2,
        "too many are dropped: as many as by two masks, one after another.",
    ),
    (lambda p: p**2, "too few are dropped: as many as two masks agree to drop."),
)
"""Shares that known mistakes drop, and the words for each."""

BANDS = (
    (0.003, 0.004, 0.005), (0.11, 0.12, 0.13, 0.14), (0.46, 0.5, 0.53), (0.77, 0.78, 0.79)
)  # fmt: skip
"""Rates to choose from: a rare one, a small one, about a half, a large one."""
LEAST = 4000
"""How many coins are needed at each rate: with fewer, p = 0.1 in place of 0.13 would pass."""


def coins(
    draw: Draw,
    *,
    p: Sequence[float] | None = None,
    shared: int | Sequence[int] = (),
    axes: Sequence[str] = (),
    scale: Callable[[float], float] | None = None,
    source: Callable[[], Any] = rng,
    none: bool = False,
    calls: int = 24,
    suspects: Iterable[tuple[Rate, str]] = (),
    alpha: float = ALPHA,
) -> None:
    """`draw(p, generator)` gives an array whose zeros were dropped, each by a fair coin of its own.

    draw : calls the learner's function with ones (where `scale` is None, with any numbers but 0);
        anything that is not 0 survived. All calls at one p need `LEAST` coins together, as 24
        masks of 20 x 60 have
    p : the rates that are tried; if None, one of each of `BANDS`, so that nobody knows them
    shared : axes along which one coin serves (as for whole channels); along all others each
        entry has its own
    axes : what each axis is called in a hint ("sample", "unit")
    scale : what a survivor of 1 must be, as a function of p; None where the lesson asks itself
    source : makes a generator, `expect.rng` or `expect.generator`
    none : whether `draw(p, None)` is asked as well, which draws from the library's own generator
    suspects : further pairs (share dropped as a function of p, words), tried first
    alpha : the probability with which a right answer is refused, all questions together
    """
    p = [float(rng().choice(band)) for band in BANDS] if p is None else p
    shared = (shared,) if isinstance(shared, int) else tuple(shared)
    drawn = {}
    for rate in p:
        generator = source()
        drawn[rate] = [_mask(draw(rate, generator)) for _ in range(calls)]
    shape = _shape(drawn)
    names = tuple(axes) or NAMES.get(len(shape), tuple(f"axis {k}" for k in range(len(shape))))
    masks = {rate: np.stack(arrays) for rate, arrays in drawn.items()}
    _dropping(masks)
    if scale is not None:
        for rate in sorted(p, reverse=True):  # where scales differ most from one another
            _scaled(draw(rate, source()), rate, scale(rate), masks[rate])
    masks = _own(masks, names, {k % len(shape) for k in shared})
    if (count := min(mask.size for mask in masks.values())) < LEAST:
        found = f"{count} coins, in {calls} masks of shape {shape}"
        hint = "these masks are too small to be judged. Are they of x's whole shape?"
        raise Unmet(f"at least {LEAST} coins at each p", found, hint)
    _fresh(masks, draw, source)
    _repeated(draw, p, source)
    kept = [name for k, name in enumerate(names) if k not in {j % len(shape) for j in shared}]
    _independent(masks, ["call", *kept], [*suspects, *RATES], alpha / (2 if none else 1))
    if none:
        coins(
            lambda rate, _: draw(rate, None), p=p, shared=shared, axes=axes, calls=calls,
            source=_nothing, suspects=suspects, alpha=alpha / 2,
        )  # fmt: skip


def _nothing() -> None:
    """In place of a generator."""


def _mask(found: Any) -> np.ndarray:
    """What survived."""
    require_numeric(found, "an array of what was kept and dropped")
    return np.asarray(numpy_of(found)) != 0


def _shape(drawn: dict[float, list[np.ndarray]]) -> tuple[int, ...]:
    """The shape that all masks have."""
    shapes = [mask.shape for masks in drawn.values() for mask in masks]
    for shape in shapes:
        if shape != shapes[0] or not shape:
            expected = "masks of one shape at every call"
            raise Unmet(expected, f"shapes {shapes[0]} and {shape}", "return x's whole shape.")
    return shapes[0]


def _scaled(found: Any, p: float, scale: float, masks: np.ndarray) -> None:
    """A survivor of 1 is `scale`, in the precision of what was found."""
    tolerance = max(1e-9, 4 * rounding(found))
    swapped = abs(masks.mean() - p) < abs(masks.mean() - (1 - p))
    throughout = "p is taken for the probability of keeping throughout: p drops, and 1 - p keeps."
    known = [
        (1, "the survivors are not scaled. Divide them by 1 - p."),
        (1 / p, throughout if swapped else "the survivors are divided by p. Divide them by 1 - p."),
        (1 - p, "the survivors are multiplied by 1 - p. Divide them by it."),
        (p, "the survivors are multiplied by p. Divide them by 1 - p."),
        (scale**2, "the survivors are scaled twice."),
        (2, "a survivor is 2, as at p = 0.5: is p handed on?"),
    ]
    known = [(value, words) for value, words in known if not np.isclose(value, scale)]
    hint = f"at p = {p:g} a survivor of 1 must be {scale:.10g}."
    values = np.asarray(numpy_of(found), dtype=float)
    if np.ptp(values[values != 0] if values.any() else values) > 10 * tolerance * scale:
        known, hint = [], "survivors are multiplied by different numbers. Divide all by 1 - p."
    only(found, (0, scale), hint=hint, suspects=known, rtol=tolerance)


def _dropping(masks: dict[float, np.ndarray]) -> None:
    """Something is dropped, and something is kept."""
    for value, found in ((True, "nothing"), (False, "everything")):
        if all((mask == value).all() for mask in masks.values()):
            rates = ", ".join(f"{rate:g}" for rate in masks)
            raise Unmet(f"a share p dropped, p = {rates}", f"{found} is dropped, whatever p is",
                        f"{found} is dropped. Draw a coin for each entry.")  # fmt: skip


def _own(
    masks: dict[float, np.ndarray], names: Sequence[str], shared: set[int]
) -> dict[float, np.ndarray]:
    """The masks without their shared axes; every other axis has coins of its own."""
    for k in sorted(shared, reverse=True):
        for mask in masks.values():
            if (mask != mask.take([0], k + 1)).any():
                hint = f"each {names[k]} has a coin of its own, where one should serve them all."
                raise Unmet(f"the same coin for each {names[k]}", "some kept, some dropped", hint)
        masks = {rate: mask.take(0, k + 1) for rate, mask in masks.items()}
    left = [name for k, name in enumerate(names) if k not in shared]
    for count in range(len(left), 0, -1):
        for some in combinations(range(len(left)), count):
            if _constant(masks, some):
                where = " and every ".join(left[k] for k in some)
                whole = "one coin decides for the whole array"
                said = whole if count == len(left) > 1 else f"every {where} has the same mask"
                own = " and ".join(left)
                hint = f"{said}. Draw a coin for each {own}."
                raise Unmet(f"coins of its own for every {where}", said, hint)
    return masks


def _constant(masks: dict[float, np.ndarray], axes: Sequence[int]) -> bool:
    """Whether all masks are the same along these axes, which have more than one entry."""
    places = tuple(k + 1 for k in axes)
    if any(mask.shape[k] < 2 for mask in masks.values() for k in places):
        return False
    return all((mask.all(places) | ~mask.any(places)).all() for mask in masks.values())


def _fresh(masks: dict[float, np.ndarray], draw: Draw, source: Callable[[], Any]) -> None:
    """Two calls give two masks."""
    for rate, mask in masks.items():
        if not (mask == mask[:1]).all() or mask[0].all() or not mask[0].any():
            continue
        others = [_mask(draw(rate, source())) for _ in range(2)]
        if (others[0] == others[1]).all():
            hint = (
                "each call makes the same mask: a seed is set inside, a mask is kept, or no coin "
                "is drawn."
            )
        else:
            hint = (
                "each call with one generator makes the same mask: draw from it, not from a copy."
            )
        raise Unmet("another mask at each call", f"the same mask {len(mask)} times", hint)


def _repeated(draw: Draw, p: Sequence[float], source: Callable[[], Any]) -> None:
    """Two generators in one state, or torch's own put back into it, give the same masks."""
    first, second = ([_mask(draw(rate, twin)) for rate in p] for twin in _twins(source()))
    if any((a != b).any() for a, b in zip(first, second, strict=True)):
        own = source() is None
        whose = "torch's own generator" if own else "the given generator"
        raise Unmet(
            f"the same masks from {whose if own else 'two generators'} with the same seed",
            "different masks",
            f"the coins do not come from {whose} alone. Draw all of them from it.",
        )


def _twins(generator: Any) -> Iterator[Any]:
    """Two generators in one state, the second made when the first was used."""
    if generator is None:
        state = ask("rng_state")
        yield None
        ask("set_rng_state", state)
        yield None
    elif isinstance(generator, np.random.Generator):
        seed = int(generator.integers(2**63 - 1))
        yield from (np.random.default_rng(seed), np.random.default_rng(seed))
    else:
        seed = generator.initial_seed()
        yield from (type(generator)(generator.device).manual_seed(seed) for _ in range(2))


class Finding(NamedTuple):
    """One question's answer that is out of bounds; the least `order` is told."""

    order: float
    expected: str
    found: str
    hint: str


def _independent(
    masks: dict[float, np.ndarray],
    names: Sequence[str],
    suspects: Sequence[tuple[Rate, str]],
    alpha: float,
) -> None:
    """The rate is p, and the coins are independent along every axis, that of the calls too."""
    first = next(iter(masks.values()))
    groups = [some for k in range(1, first.ndim) for some in combinations(range(first.ndim), k)]
    pairs = [*_pairs(first.shape, names)]
    places = [some for some in groups if 0 in some]
    each = alpha / (len(masks) * (1 + len(groups) + len(pairs) + len(places)))
    for some in groups:
        _inexact(masks, some, names, each)
    findings = _rates(masks, suspects, each)
    for p, mask in masks.items():
        share = float(1 - mask.mean()) if findings else p  # shared coins make the rate scatter too
        findings += _agreements(mask, p, share, pairs, each)
        for some in groups:
            findings += _scatter(mask, p, share, some, names, each)
        for some in places:
            findings += _extremes(mask, p, share, some, names, each)
    if findings:
        worst = min(findings, key=lambda finding: finding.order)
        raise Unmet(worst.expected, worst.found, worst.hint)


def _rates(
    masks: dict[float, np.ndarray], suspects: Sequence[tuple[Rate, str]], alpha: float
) -> list[Finding]:
    """What is wrong with the share dropped. A suspect is named if it fits at every p."""
    dropped = {rate: (mask.size, int((~mask).sum())) for rate, mask in masks.items()}

    def fits(share: Rate) -> bool:
        bounds = ((k, binomial_interval(n, share(rate), 1e-6)) for rate, (n, k) in dropped.items())
        return all(low <= k <= high for k, (low, high) in bounds)

    for rate, (n, k) in dropped.items():
        low, high = binomial_interval(n, rate, alpha)
        if not low <= k <= high:
            known = next((words for share, words in suspects if fits(share)), "")
            hint = known or "p is the probability with which an entry is dropped."
            width = max(high / n - rate, rate - low / n)
            expected = f"at p = {rate:g} a share {rate:.3f} ± {width:.3f} dropped"
            return [Finding(-1 if known else 3, expected, f"a share {k / n:.3f}", hint)]
    return []


def _a(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


Halves = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _pairs(shape: Sequence[int], names: Sequence[str]) -> Iterator[tuple[str, Halves]]:
    """Pairs of coins, each coin in one pair at most: their name, and how to get both halves."""
    for k, n in enumerate(shape):
        half, odd = n // 2, 2 * ((n - 1) // 2)
        halves = {
            f"{_a(names[k])} and the next": (range(0, 2 * half, 2), range(1, 2 * half, 2)),
            f"{_a(names[k])} and the one after it": (range(1, odd, 2), range(2, odd + 1, 2)),
            f"{_a(names[k])} and the one half the array away": (
                range(half),
                range(half, 2 * half),
            ),
            f"{_a(names[k])} and its mirror image": (range(half), range(n - 1, n - 1 - half, -1)),
        }
        for name, (first, second) in list(halves.items())[: 4 if n > 2 else n - 1]:
            yield name, partial(_along, axis=k, first=first, second=second)
    if len(shape) > 2:
        yield "an entry and its mirror image", _mirrored
    for j, k in combinations(range(1, len(shape)), 2):
        if shape[j] == shape[k] > 1:
            name = f"an entry and the one across the diagonal ({names[j]}, {names[k]})"
            yield name, partial(_transposed, axes=(j, k))


def _along(
    mask: np.ndarray, axis: int, first: Sequence[int], second: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    return mask.take(first, axis), mask.take(second, axis)


def _mirrored(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = mask.reshape(len(mask), -1)
    half = flat.shape[1] // 2
    return flat[:, :half], flat[:, ::-1][:, :half]


def _transposed(mask: np.ndarray, axes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    upper = np.triu_indices(mask.shape[axes[0]], 1)
    return np.moveaxis(mask, axes, (0, 1))[upper], np.moveaxis(mask, axes, (1, 0))[upper]


def _agreements(
    mask: np.ndarray, p: float, share: float, pairs: Iterable[tuple[str, Halves]], alpha: float
) -> Iterator[Finding]:
    """Two independent coins agree with probability p² + (1 - p)², p the share dropped."""
    chance = share**2 + (1 - share) ** 2
    for name, halves in pairs:
        first, second = halves(mask)
        n, k = first.size, int((first == second).sum())
        low, high = binomial_interval(n, chance, alpha)
        if low <= k <= high:
            continue
        strength = min(abs(k / n - chance) / (1 - chance), 1)
        strong = strength > 0.4  # more than a fixed number would bring
        width = max(high / n - chance, chance - low / n)
        if k > high:
            hint = f"{name} share a coin. Each needs its own."
        else:
            hint = f"{name} are drawn as opposites (from u and 1 - u). Draw each independently."
        yield Finding(
            1 - strength if strong else 6,  # where coins are shared in blocks, other pairs follow
            f"at p = {p:g}, {name} alike in {chance:.3f} ± {width:.3f} of the pairs",
            f"alike in {k / n:.3f}",
            hint,
        )


def _inexact(
    masks: dict[float, np.ndarray], axes: Sequence[int], names: Sequence[str], alpha: float
) -> None:
    """The same number, that nearest to n p, is not dropped of n every time and at every p."""
    told: list[tuple[str, str]] = []
    for p, mask in masks.items():
        counts = (~mask).sum(axes)
        n, m, count = mask.size // counts.size, counts.size, int(counts.flat[0])
        same = 0 not in axes and bool((counts == count).all()) and abs(count - n * p) < 1
        if not same:
            return
        if count in (0, n) or _likeliest(n, p) ** (m - 1) > alpha:
            continue  # right coins may do that
        told.append((_number_dropped(n, p, axes, names), f"{count} dropped every time"))
    if told:
        hint = f"an exact number is dropped {_each(axes, names)}. Let each coin fall on its own."
        raise Unmet(*told[0], hint)


@lru_cache(1000)
def _likeliest(n: int, p: float) -> float:
    """The probability of the likeliest count of B(n, p)."""
    likeliest = int((n + 1) * p)
    return float(binomial.probabilities(range(likeliest, likeliest + 1), n, p)[0])


def _each(axes: Sequence[int], names: Sequence[str]) -> str:
    """For what the numbers along `axes` are counted."""
    others = [name for k, name in enumerate(names) if k not in axes]
    return "at each call" if others == ["call"] else f"for each {' and '.join(others)}"


def _number_dropped(n: int, p: float, axes: Sequence[int], names: Sequence[str]) -> str:
    deviation = (n * p * (1 - p)) ** 0.5
    each = _each(axes, names)
    return f"the number dropped {each}, of {n} at p = {p:g}, to scatter by {deviation:.2f}"


def _scatter(
    mask: np.ndarray, p: float, share: float, axes: Sequence[int], names: Sequence[str],
    alpha: float,
) -> Iterator[Finding]:  # fmt: skip
    """Numbers dropped along some axes scatter as those of B(n, p) do."""
    counts = (~mask).sum(axes)
    n, m = mask.size // counts.size, counts.size
    if n < 2 or m < 2 or share in (0, 1):
        return
    scores, chances = _scores(n, share, m)
    total = int(scores[counts].sum())
    if _usual(total, chances, m):
        return
    low, high = _bounds(n, share, m, alpha)
    if low <= total <= high:
        return
    found = f"scatter {np.sqrt(np.mean((counts - n * share) ** 2)):.2f}"
    expected, each = _number_dropped(n, p, axes, names), _each(axes, names)
    if total < low:
        hint = f"the number dropped hardly varies {each}. Let each coin fall on its own."
        yield Finding(5 if 0 in axes else 4, expected, found, hint)
    elif tuple(axes) == (0,) and _lasting(mask):
        places = " and ".join(names[1:])
        hint = f"some places ({places}) are dropped more often than others. Treat all alike."
        yield Finding(1, expected, found, hint)
    else:
        hint = f"the number dropped {each} varies too much: coins are shared. Draw each anew."
        yield Finding(2, expected, found, hint)


def _extremes(
    mask: np.ndarray, p: float, share: float, axes: Sequence[int], names: Sequence[str],
    alpha: float,
) -> Iterator[Finding]:  # fmt: skip
    """No place is dropped more or less often, over all calls, than any of B(n, p) would be."""
    counts = (~mask).sum(axes)
    n = mask.size // counts.size
    low, high = binomial_interval(n, share, alpha / counts.size)
    if low <= counts.min() and counts.max() <= high:
        return
    seldom = low > counts.min()
    index = np.unravel_index(counts.argmin() if seldom else counts.argmax(), counts.shape)
    left = [name for k, name in enumerate(names) if k not in axes]
    place = ", ".join(f"{name} {i}" for name, i in zip(left, index, strict=True))
    yield Finding(
        1,
        f"at p = {p:g}, {place} dropped {low} to {high} times of {n}",
        f"dropped {counts[index]} times",
        f"{place} is dropped too {'seldom' if seldom else 'often'}. Treat all alike.",
    )


def _lasting(mask: np.ndarray) -> bool:
    """Whether the places that were dropped often in half of the calls were in the others too."""
    half = len(mask) // 2
    first, second = mask[:half].mean(0).ravel(), mask[half:].mean(0).ravel()
    return bool(np.ptp(first) and np.ptp(second) and np.corrcoef(first, second)[0, 1] > 0.3)


STEPS = 2**17
"""Length of the distribution whose tails `_bounds` sums; more would be finer and slower."""


@lru_cache(1000)
def _scores(n: int, p: float, m: int) -> tuple[np.ndarray, np.ndarray]:
    """A score for each count k of B(n, p), and the chance of each score from 0 on.

    The score is (k - n p)² / (n p (1 - p)), at most 40, in whole steps, so that the distribution
    of a sum of m scores is a convolution of finite ones.
    """
    k = np.arange(n + 1)
    steps = max(1, min(64, (STEPS - 1) // (40 * m)))
    scores = np.rint(np.minimum((k - n * p) ** 2 / (n * p * (1 - p)), 40) * steps).astype(int)
    return scores, np.bincount(scores, binomial.probabilities(range(n + 1), n, p))


def _usual(total: int, chances: np.ndarray, m: int) -> bool:
    """Whether a sum of m scores is so near its mean that no bound has to be computed.

    Within two deviations, and no quarter of the mean below it: there every tail is far larger than
    `ALPHA`. (A half is too much: where n p = 1/2, no score is much lower than half of the mean.)
    """
    score = np.arange(len(chances))
    mean = m * (chances @ score)
    deviation = np.sqrt(m * (chances @ (score - mean / m) ** 2))
    return bool(mean - min(2 * deviation, mean / 4) <= total <= mean + 2 * deviation)


@lru_cache(1000)
def _bounds(n: int, p: float, m: int, alpha: float) -> tuple[int, int]:
    """Exact bounds, at level alpha, for the sum of the scores of m independent counts.

    By the fast Fourier transform, whose error, of 1e-13 for few counts and more for many, only
    widens them.
    """
    _, chances = _scores(n, p, m)
    length = (len(chances) - 1) * m + 1
    size = 1 << (length - 1).bit_length()
    distribution = np.fft.irfft(_power(np.fft.rfft(chances, size), m), size)[:length].clip(0)
    below = np.cumsum(distribution)
    above = np.cumsum(distribution[::-1])[::-1]
    low = int(np.searchsorted(below, alpha / 2))  # P(sum < low) <= alpha / 2
    return low, length - 1 - int(np.searchsorted(above[::-1], alpha / 2))


def _power(base: np.ndarray, m: int) -> np.ndarray:
    """`base ** m` by squaring: NumPy takes a logarithm of each number, ten times as long."""
    power = np.ones_like(base)
    while m:
        if m % 2:
            power = power * base
        base, m = base * base, m // 2
    return power
