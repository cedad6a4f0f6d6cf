"""What Srivastava et al. (2014) report on MNIST, and what must be trained to repeat it.

N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov: "Dropout: a simple way
to prevent neural networks from overfitting", JMLR 15 (2014) 1929-1958. Hyper-parameters that
the paper does not name (rates, decay constants) are candidates: a validation set chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

from grader.paper.networks import BATCH, Setting


@dataclass(frozen=True)
class Row:
    """One number of the paper, or one point of a figure."""

    name: str
    hidden: tuple[int, ...]
    candidates: tuple[Setting, ...]
    paper: float | None = None
    """Test error in percent; None where the paper only draws it."""
    spread: float | None = None
    """What the paper prints after ±."""
    rows: int | None = None
    """How many training images it sees; None: all."""
    like: str = ""
    """The row whose chosen rate and bounds it takes over, where the paper varies one thing."""
    varied: tuple[tuple[str, Any], ...] = ()
    """What it changes in the setting of that row."""


@dataclass(frozen=True)
class Claim:
    """What the paper says of two rows: `more` has more of something than `less`."""

    says: str
    more: str
    less: str
    of: str = "error"
    same: float = 0.0
    """Where the paper says that they hardly differ: by at most this factor, which is ours."""


@dataclass(frozen=True)
class Table:
    """A table or figure of the paper."""

    name: str
    title: str
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    quantity: str = "error"
    """What `show` prints of each row: "error" (in percent), or a quantity of its `measure`."""
    measure: str = ""
    """What else is measured on the trained networks: "averages" or "features"."""
    note: str = ""
    """What the paper leaves open and is settled here."""
    large: int = 1
    """Its hidden units are divided by this too, where they are reduced at all."""


@dataclass(frozen=True)
class Scale:
    """How much of it is done."""

    updates: int
    seeds: int
    trials: int
    """Seeds of each candidate when hyper-parameters are chosen."""
    pool: int
    """Training images, the held-out ones included."""
    held_out: int
    shrink: int
    """Hidden units are divided by this …"""
    widest: int
    """… and then no layer has more."""
    masks: int
    """Figure 11: the largest number of thinned networks that are averaged."""
    repeats: int
    """Figure 11: how often each average is taken."""
    candidates: int | None = None
    """How many settings each row chooses from, the likeliest; None: all."""
    batch: int = BATCH
    """Images of an update."""
    choosing: int | None = None
    """Updates of the networks that choose a setting; None: as many as of those that are tested."""
    alone: bool = False
    """Each network trains alone, on a core of a CPU: see `networks.Network`."""

    def reduced(self) -> str:
        """How this differs from the paper, in a sentence; "" where it does not."""
        parts = []
        if self.pool < FULL.pool:
            parts.append(f"{self.pool:,} of {FULL.pool:,} training images")
        if self.shrink > 1:
            parts.append(f"1/{self.shrink} of the hidden units, at most {self.widest:,} a layer")
        if self.updates < FULL.updates:
            parts.append(f"{self.updates:,} of {FULL.updates:,} updates")
        if self.batch != FULL.batch:
            parts.append(f"batches of {self.batch:,}")
        if self.candidates:
            parts.append(f"{self.candidates} settings to choose from")
        if self.choosing:
            parts.append(f"these after {self.choosing:,} updates")
        return "Reduced: " + ", ".join(parts) + "." if parts else ""

    @property
    def comparable(self) -> bool:
        """Whether the networks and their data are the paper's, so that numbers can be compared."""
        return self.pool == FULL.pool and self.shrink == 1


FULL = Scale(1_000_000, 10, 2, 60_000, 10_000, 1, 8_192, 128, 8)
"""Paper, B.1: 10 000 of the 60 000 held out, 1 million updates; table 10: 10 seeds."""
QUICK = Scale(800, 3, 1, 1_000, 250, 4, 1_280, 64, 2, candidates=2)
"""With few images small networks overfit within 800 updates, as the paper's in a million."""
EVENING = Scale(
    18_000, 3, 1, 60_000, 10_000, 1, 8_192, 64, 2, candidates=4, batch=200, choosing=2_500,
    alone=True,
)  # fmt: skip
"""The paper's networks and images on a CPU: 60 passes through all of them, and 10 to choose."""
SIZES = {"full": FULL, "quick": QUICK, "evening": EVENING}


def fitted(scale: Scale, table: Table) -> Scale:
    """The scale for this table: a large one is reduced further, where it is reduced."""
    return replace(scale, shrink=scale.shrink * (table.large if scale.shrink > 1 else 1))


def reduced(table: Table, scale: Scale) -> Table:
    """The table at this scale: smaller networks, and no row with more images than there are."""
    rows = tuple(
        replace(
            row,
            hidden=tuple(min(units // scale.shrink, scale.widest) for units in row.hidden),
            candidates=row.candidates[: scale.candidates],
        )
        for row in table.rows
        if (row.rows or 0) <= scale.pool
    )
    names = {row.name for row in rows}
    claims = tuple(claim for claim in table.claims if {claim.more, claim.less} <= names)
    return replace(table, rows=rows, claims=claims)


def grid(**choices: Any) -> tuple[Setting, ...]:
    """A setting for each combination, the last name's values taking turns fastest.

    A value that is no tuple is the same in all. The likeliest values stand first.
    """
    lists = [value if isinstance(value, tuple) else (value,) for value in choices.values()]
    return tuple(Setting(**dict(zip(choices, values, strict=True))) for values in product(*lists))


PLAIN = {"rate": (0.1, 0.02)}
"""Learning rates to choose from without dropout …"""
THINNED = {"rate": (0.2, 0.05)}
"""… and with: a thinned network's gradients are smaller, as nothing is scaled up."""
DROPOUT = {"keep": 0.5, "keep_input": 0.8}
"""B.1: "p = 0.5 in all hidden layers and p = 0.8 in the input layer"."""
DEEP = (1024, 1024, 2048)


def _best_is_last(rows: tuple[Row, ...]) -> tuple[Claim, ...]:
    """What table 9 says of those of its rows that are there: the last one errs least."""
    best = rows[-1].name
    return (
        *(Claim(f"{r.name} errs more than {best}", r.name, best) for r in rows[:-1] if r.paper),
        Claim("L2 errs more than max-norm", "L2", "max-norm"),
        Claim("dropout helps L2", "L2", "dropout + L2"),
    )


def _table9() -> Table:
    rows = (
        Row("L2", DEEP, grid(weight_decay=(1e-4, 1e-5, 1e-3), **PLAIN), 1.62),
        Row("L2 + L1, late", DEEP, grid(weight_decay=1e-4, l1=(1e-5, 1e-6, 1e-4), **PLAIN), 1.60),
        Row(
            "L2 + KL sparsity",
            DEEP,
            grid(weight_decay=1e-4, sparsity=(1e-2, 1e-3, 1e-1), **PLAIN),
            1.55,
        ),
        Row("max-norm", DEEP, grid(max_norm=(2.0, 1.0, 3.0), **PLAIN), 1.35),
        Row(
            "dropout + L2", DEEP, grid(weight_decay=(1e-5, 1e-6, 1e-4), **THINNED, **DROPOUT), 1.25
        ),
        Row("dropout + max-norm", DEEP, grid(max_norm=(2.0, 3.0, 4.0), **THINNED, **DROPOUT), 1.05),
    )
    return Table(
        "table9",
        "Table 9: regularisers on one network, 784-1024-1024-2048-10",
        rows,
        _best_is_last(rows),
        note="KL sparsity is the square that the authors' code gives ReLUs; L1 sets in after three "
        "quarters of the updates.",
    )


def _recipe() -> Table:
    """What each part of the recipe is worth, by rows of table 9 and two that it has not."""
    hidden = {"keep": 0.5, "rate": (0.2, 0.5)}
    whole = hidden | {"keep_input": 0.8}
    rows = (
        Row("none", DEEP, grid(rate=(0.1, 0.02, 0.05, 0.2))),
        Row("L2", DEEP, grid(weight_decay=(1e-4, 1e-5), **PLAIN), 1.62),
        Row("max-norm", DEEP, grid(max_norm=(2.0, 3.0), **PLAIN), 1.35),
        Row("hidden dropout + max-norm", DEEP, grid(max_norm=(2.0, 3.0), **hidden)),
        Row("dropout + L2", DEEP, grid(weight_decay=(1e-5, 1e-6), **whole), 1.25),
        Row("dropout + max-norm", DEEP, grid(max_norm=(2.0, 3.0), **whole), 1.05),
    )
    return Table(
        "recipe",
        "Table 9 in its essentials: what each part of the recipe is worth, 784-1024-1024-2048-10",
        rows,
        _best_is_last(rows),
        note="Rows without a number are ours: nothing at all, and dropout in hidden layers only.",
    )


def _table2() -> Table:
    bound = grid(max_norm=2.0, **THINNED, **DROPOUT)
    free, bounded, wide = names = (
        "3×1024, dropout",
        "3×1024, dropout + max-norm",
        "2×8192, dropout + max-norm",
    )
    rows = (
        Row(free, (1024,) * 3, grid(**THINNED, **DROPOUT), 1.25),
        Row(bounded, (1024,) * 3, bound, 1.06),
        Row(wide, (8192,) * 2, bound, 0.95),
    )
    claims = tuple(
        Claim(f"{more} errs more than {less}", more, less) for more, less in pairwise(names)
    )
    return Table("table2", "Table 2, rows with ReLUs and dropout", rows, claims)


def _figure9() -> Table:
    """§7.3: (a) 784-2048-2048-2048-10; (b) keep·n = 256, 256, 512. No dropout at the input."""
    base, tune = "same n, keep 0.5", grid(max_norm=2.0, keep=0.5, **THINNED)
    rows = []
    for keep in (0.5, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0):
        printed = 2.7 if keep == 0.1 else None
        name = f"same n, keep {keep}"
        rows.append(Row(name, (2048,) * 3, tune if name == base else (), printed,
                        like="" if name == base else base, varied=(("keep", keep),)))  # fmt: skip
    for keep in (0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0):
        hidden = tuple(round(kept / keep) for kept in (256, 256, 512))
        printed = 1.7 if keep == 0.1 else None
        rows.append(Row(f"same keep·n, keep {keep}", hidden, (), printed, like=base,
                        varied=(("keep", keep),)))  # fmt: skip
    claims = (
        Claim("keep 0.1 underfits", "same n, keep 0.1", base),
        Claim("it is flat from 0.4 …", "same n, keep 0.4", base, same=1.1),
        Claim("… to 0.8", "same n, keep 0.8", base, same=1.1),
        Claim("without dropout it errs more", "same n, keep 1.0", base),
        Claim("at keep 0.1 more units help", "same n, keep 0.1", "same keep·n, keep 0.1"),
    )
    return Table("figure9", "Figure 9: the keep probability", tuple(rows), claims,
                 note="The paper gives the error at keep 0.1; the rest it draws.",
                 large=2)  # fmt: skip


def _figure10() -> Table:
    """§7.4: 784-1024-1024-2048-10, keep 0.5 and 0.8, or none dropped."""
    sizes = (50_000, 10_000, 5_000, 1_000, 500, 100)
    rows = []
    for kind, rates, keeps in (("dropout", THINNED, DROPOUT), ("no dropout", PLAIN, {})):
        tune = grid(max_norm=(2.0, 3.0), **rates, **keeps)
        base = f"{kind}, 1,000 images"
        for n in sizes:
            name = f"{kind}, {n:,} images"
            rows.append(Row(name, DEEP, tune if name == base else (), rows=n,
                            like="" if name == base else base))  # fmt: skip

    def pair(n: int, says: str, same: float = 0.0) -> Claim:
        return Claim(says, f"no dropout, {n:,} images", f"dropout, {n:,} images", same=same)

    claims = (
        pair(100, "with 100 images dropout gives nothing", same=1.1),
        pair(500, "with 500 images dropout gives nothing", same=1.1),
        *(pair(n, f"with {n:,} images dropout helps") for n in sizes[3::-1]),
    )
    return Table("figure10", "Figure 10: the size of the training set", tuple(rows), claims,
                 note="The paper draws these; max-norm is used in both kinds here.")  # fmt: skip


def _figure11() -> Table:
    row = Row("3×1024, dropout + max-norm", (1024,) * 3, grid(max_norm=2.0, **THINNED, **DROPOUT))
    return Table(
        "figure11",
        "Figure 11: Monte Carlo against weight scaling",
        (row,),
        (),
        measure="averages",
        note="The paper does not name the network; it is the one of table 2 here.",
    )


def _table10() -> Table:
    """§10.2. Gaussian noise has mean 1, so its rates and bounds are those of scaled weights:
    keep² and keep times as large."""
    tuned = {
        "Bernoulli": grid(max_norm=(2.0, 3.0), **THINNED, **DROPOUT),
        "Gaussian": grid(max_norm=(1.0, 1.5), rate=(0.05, 0.0125), gaussian=True, **DROPOUT),
    }
    rows = tuple(
        Row(name, (1024,) * 2, tuned[name], paper, 0.04)
        for name, paper in (("Bernoulli", 1.08), ("Gaussian", 0.95))
    )
    claims = (Claim("Bernoulli noise errs more than Gaussian", "Bernoulli", "Gaussian"),)
    title = "Table 10: Bernoulli and Gaussian noise, 2 layers of 1024"
    return Table("table10", title, rows, claims)


def _figure7() -> Table:
    tune = [grid(rate=(0.008, 0.002), keep=keep) for keep in (0.5, 1.0)]
    rows = (Row("dropout", (256,), tune[0]), Row("no dropout", (256,), tune[1]))
    claims = (
        Claim("mean activation is smaller with dropout (2.0 and 0.7)", "no dropout", "dropout",
              "activation"),
        Claim("more activations are 0 with dropout", "dropout", "no dropout", "silent"),
        Claim("a feature covers fewer pixels with dropout", "no dropout", "dropout", "pixels"),
        Claim("both give their input back about equally well", "dropout", "no dropout",
              "reconstruction", same=1.5),
    )  # fmt: skip
    return Table(
        "figure7", "Figures 7 and 8: features and sparsity, 256 units", rows, claims,
        "activation", "features",
        "Output and loss are not named in the paper: linear and squared here.",
    )  # fmt: skip


MAKERS: tuple[Callable[[], Table], ...] = (
    _table9, _recipe, _table2, _figure7, _figure9, _figure10, _figure11, _table10,
)  # fmt: skip
TABLES = {table.name: table for table in (make() for make in MAKERS)}
