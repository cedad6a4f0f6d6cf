# %% [markdown]
# # 5.1 · Capstone
#
# **Does it help, and how would you know?**
#
# *{{minutes}} minutes. Before: {{pytorch}} and {{overfitting}}. After, you will be able to take a
# network apart and measure what each part is worth, to tune one on validation rows alone, and to
# report a gain that others can believe.*
#
# | symbol | meaning |
# | --- | --- |
# | $p$ | probability that a unit is **dropped** in training |
# | world | a copy of the problem: the same 1,797 digits split anew, other wrong labels |
# | validation rows | rows by which settings are chosen |
# | held-out rows | rows on which the result is scored, once |
# | s.e. | standard error $s/\sqrt k$ of a mean over $k$ worlds: new splits, not new digits |

# %% setup=true
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import capstone, expect, explore, plot, studies, train

torch.set_num_threads(1)  # products this small would only wait for each other's threads

# %% [markdown]
# ## How a result lies
#
# A wrong result need not be fraud. Somebody tries ten variants, takes the best, and reports the
# number that made it the best. Below, the ten variants are *the same network* with ten seeds, so
# there is little to find. Each is tested on 60 rows, and the best of them on 340 other rows. This
# is done in twelve worlds.
#
# **Guess: by how many points does the best of ten look better than the ten are on average?**

# %% guess=true
my_guess = 1  # percentage points by which the best of ten looks better than their mean

# %% figure=true
# Ten equal networks, and the best of them: on the rows that chose it, and on 340 others.
guess = expect.guess(my_guess)
several = [capstone.world(seed) for seed in range(12)]
each = np.repeat(np.arange(12), 10)
ten = train.many(
    *(np.stack([getattr(w, part) for w in several])[each] for part in ("X", "y")), [32],
    seeds=np.tile(np.arange(10), 12), rate=0.05, steps=200,
    watch={name: tuple(np.stack([getattr(w, part)[rows] for w in several])[each]
                       for part in ("X_val", "y_val"))
           for name, rows in (("few", slice(60)), ("many", slice(60, None)))})
few, many = (100 * ten.error[name][:, -1].reshape(12, 10) for name in ("few", "many"))
best = few.argmin(1)
bars = np.array([few.mean(1), few[range(12), best], many.mean(1), many[range(12), best]])
looks, lasts = plot.difference(bars[0], bars[1]), plot.difference(bars[2], bars[3])
shrinks = plot.difference(bars[0] - bars[1], bars[2] - bars[3])
fig, (ax,) = plot.figure(1, height=2.3, width=7.5)
plot.bars(bars.mean(1), ["60 rows: mean of ten seeds", "60 rows: best of ten seeds",
                         "340 other rows: mean of ten", "340 other rows: that best seed"], ax,
          spread=plot.standard_error(bars, 1),
          colors=[plot.GREY, plot.ORANGE, plot.GREY, plot.BLUE])
ax.axvline(bars[0].mean() - guess, 0.5, color=plot.INK, linestyle="--")
ax.set(xlabel="error rate, % (12 worlds ± s.e.; dashed: the best one, by your guess)",
       title=f"Gain of the best: {looks:.1f} points; on other rows {lasts:.1f}")
plot.show(fig, "The mean error of ten equal networks and that of the best one, on the 60 rows that "
               f"chose it and on 340 others. The best looks {looks:.1f} points better, and is "
               f"{lasts:.1f} better on other rows. You said {guess}.",
          claims={"the-best-of-ten-fools": shrinks.sign > 0 and lasts.mean < looks.mean / 2})

# %% [markdown]
# Most of the gain was luck with 60 rows, and luck does not carry over to other
# rows.{{claim:the-best-of-ten-fools}} Tuning is the same game: whoever compares ten settings picks
# a lucky one. So the rows that choose must not be the rows that score.
#
# ### One question from {{overfitting}}
#
# You report a mean over $k$ worlds with its standard error. To halve that, how many worlds do you
# need?
#
# <details><summary>Answer</summary>
#
# Four times as many, because it is $s/\sqrt k$.
# </details>
#
# ## The problem
#
# Handwritten digits, labelled in a hurry: 600 rows to learn from, and **three in ten of their
# labels are wrong**. A network that learns all of them by heart learns the faults too. Somebody
# careful labelled 400 more rows. These are the validation rows.
#
# `capstone.world(seed)` makes a copy of this problem, with other rows, other wrong labels, and
# columns mixed by a secret linear map. The worlds of seeds 0 to 99 are yours, but leave 40 to 55
# for the end. You are graded in worlds whose seeds nobody knows, on held-out rows that no cell of
# this notebook shows.

# %%
world = capstone.world(0)
print(f"to learn from: {world.X.shape[0]} rows of {world.X.shape[1]} columns, "
      f"{100 * np.mean(world.y != world.true_y):.0f} % of the labels wrong")
print(f"to choose by:  {len(world.y_val)} rows, all labels right")

# %% [markdown]
# ## Exercise: `ablation`
#
# Somebody hands you a network that works. Which of its parts are needed? An *ablation* takes out
# one part at a time, leaves all others in, and measures how far the error rises. Do it in several
# worlds, and subtract within each world: worlds differ by several points, which then cancel.

# %% exercise="ablation"
def ablation(error, whole, off, worlds):
    """How far the error rises when one part is taken out and all others stay.

    error : a function; error(world, **settings) gives the error of a network in that world
    whole : dict of the settings of the whole network
    off : dict; for each part to take out, the value of its setting that switches it off
    worlds : k >= 2 whole numbers
    Returns a dict: for each part of `off`, (mean, s.e.) of the rise over the worlds. The standard
    error is s / sqrt(k), where s has ddof=1. `whole` and `off` stay as they are.
    """
    ### BEGIN SOLUTION
    rises = {}
    complete = np.array([error(world, **whole) for world in worlds])
    for part, value in off.items():
        without = np.array([error(world, **whole | {part: value}) for world in worlds])
        rise = without - complete
        rises[part] = rise.mean(), rise.std(ddof=1) / np.sqrt(len(rise))
    return rises
    ### END SOLUTION

# %% [markdown] hint="ablation"
# Begin with the errors of the whole network, one for each world.

# %% [markdown] hint="ablation"
# For each part, change one setting of a *copy* of `whole`: `whole | {part: value}` makes one.
# `error(world, **settings)` hands over a dict as named arguments.

# %% [markdown] hint="ablation"
# A rise is the error without the part minus the error of the whole, world by world. Its mean and
# standard error are those of {{overfitting}}'s paired difference.

# %% check="ablation" points=2
# The mean rise for each part, with one part out and all others in.
rng = expect.rng()
worlds = [int(n) for n in rng.choice(1000, 5, replace=False)]
whole = {"rate": 0.3, "steps": 80, "p": 0.5, "decay": 0.1, "noise": 0.4, "start": 1.0}
off = {"p": 0.0, "steps": 600, "decay": 0.0, "noise": 0.0, "start": 1.0}
level = {world: rng.uniform(10, 30) for world in worlds}
part_of = {(world, name): rng.uniform(0.5, 1.5) for world in worlds for name in off}


def made_up(world, *, rate=0.1, steps=100, p=0.2, decay=0.05, noise=0.1, start=1.0):
    """The error of a network that nobody trained; its parts need one another, and noise hurts."""
    out = [size * part_of[world, name] * (value == off[name])
           for name, value, size in (("p", p, 4), ("steps", steps, 2), ("decay", decay, 1))]
    hurt = 5 * part_of[world, "noise"] * (noise > 0) + abs(start - 1)
    rise = (1 + 5 * abs(rate - 0.3)) * sum(out) + 3 * (sum(o > 0 for o in out) ** 2)
    return level[world] + hurt + rise


def runs(**settings):
    return np.array([made_up(world, **settings) for world in worlds])


full = runs(**whole)
rises = {name: runs(**whole | {name: value}) - full for name, value in off.items()}
right = np.array([rise.mean() for rise in rises.values()])
chain, now = [], dict(whole)
for name, value in off.items():
    now = now | {name: value}
    chain.append(runs(**now).mean())
alone = np.array([runs(**whole | off | {name: whole[name]}).mean() for name in off])
bare = np.array([runs(**{name: value}).mean() for name, value in off.items()])
with expect.case(f"ablation(error, {whole}, {off}, {worlds}), the means", crash=[
    ("positional argument", "settings go by their names: error(world, **settings)."),
    ("multiple values", "a setting is handed over twice. `whole | {part: value}` has it once."),
]):
    given = dict(whole), dict(off), list(worlds)
    found = ablation(made_up, *given)
    expect.equal(given == (whole, off, worlds), True,
                 hint="the call changes whole, off or worlds. Change a copy.")
    expect.equal(isinstance(found, dict) and set(found) == set(off), True,
                 hint="return a dict with an entry for each part of `off`, and no other.")
    expect.equal(all(np.shape(found[name]) == (2,) for name in off), True,
                 hint="each entry is a pair: mean, standard error.")
    expect.close(
        [found[name][0] for name in off], right, rtol=1e-5,
        hint="the mean over worlds of the error without the part minus that of the whole.",
        suspects=[
            (-right, "the sign is the other way round: without a needed part the error rises."),
            (right + full.mean(), "that is the error without it. Subtract that of the whole."),
            (np.array(chain) - full.mean(), "parts stay out. Put each back before the next one."),
            (np.diff([full.mean(), *chain]), "parts stay out. Put each back before the next one."),
            (runs(**whole | off).mean() - alone, "that adds each part to a network without any. "
             "Take it out of the whole."),
            (np.full(len(off), runs(**whole | off).mean() - full.mean()),
             "all parts are out at once. Take out one."),
            (alone - full.mean(), "that leaves one part in. Take one out."),
            (bare - full.mean(), "the settings of the other parts are not handed over. Change one "
             "setting of a copy of `whole`."),
            ([np.median(rise) for rise in rises.values()], "that is the median. Take the mean."),
            ([rise.max() for rise in rises.values()], "that is one world. Take the mean of all."),
            ([rise[0] for rise in rises.values()], "that is one world. Take the mean of all."),
            ([(rise / full).mean() for rise in rises.values()],
             "that is the relative rise. Don't divide."),
            (0 * right, "nothing is switched off. A setting left out takes its default: give it "
             "the value in `off`."),
            ([rise.std(ddof=1) / np.sqrt(5) for rise in rises.values()],
             "that is the standard error. The mean comes first."),
            (right.clip(0), "a rise below 0 is returned as 0. A network may do better without."),
            (abs(right), "a rise below 0 loses its sign. Subtract, and take no absolute value."),
        ])

# %% check="ablation" points=1
# The standard error of the rises, world by world.
rng = expect.rng()
worlds = [int(n) for n in rng.choice(1000, 6, replace=False)]
levels, rises = rng.uniform(10, 30, 6), rng.uniform(1, 3, 6) * [1, -1, 1, 1, -1, 1]
others = dict(zip(worlds, rng.uniform(1, 9, 6), strict=True))
table = {(world, p): level + rise * (p == 0.0)
         for world, level, rise in zip(worlds, levels, rises, strict=True) for p in (0.0, 0.5)}
with expect.case("ablation(error, {'q': 1, 'p': 0.5}, {'q': 0, 'p': 0.0}, "
                 f"{worlds}), the standard errors"):
    found = ablation(lambda world, *, p, q: table[world, p] + others[world] * (q == 0),
                     {"q": 1, "p": 0.5}, {"q": 0, "p": 0.0}, list(worlds))
    before, after = (np.array([table[world, p] for world in worlds]) for p in (0.5, 0.0))
    rise = after - before
    k, s = 6, rise.std(ddof=1)
    expect.close(
        found["p"][1], s / np.sqrt(k), rtol=1e-5, hint="the s.e. is s / sqrt(k) of the rises.",
        suspects=[
            (np.hypot(before.std(ddof=1), after.std(ddof=1)) / np.sqrt(k),
             "the pairs are torn apart. Take the spread of the differences."),
            (after.std(ddof=1) / np.sqrt(k), "that is the spread of one side only."),
            (before.std(ddof=1) / np.sqrt(k), "that is the spread of one side only."),
            (s, "that is the standard deviation. Divide it by sqrt(k)."),
            (rise.std(), "that is the standard deviation. Divide it by sqrt(k)."),
            (rise.std() / np.sqrt(k), "s has k in it. From k worlds it has k - 1: ddof=1."),
            (s / k, "s is divided by k. Divide by its square root."),
            (s**2 / k, "that is the square of the standard error."),
            (s / np.sqrt(k - 1), "s already has k - 1 in it. Divide by sqrt(k)."),
            (abs(rise).std(ddof=1) / np.sqrt(k),
             "a rise below 0 loses its sign. Subtract, and take no absolute value."),
            (np.std([*others.values(), *rise], ddof=1) / np.sqrt(k),
             "the rises of the part before count too. Begin anew for each part."),
            (np.add(rise, [*others.values()]).std(ddof=1) / np.sqrt(k),
             "the other part is out too. Take out one."),
        ])

# %% mistakes="ablation"
{
    "changes whole, off or worlds": (
        "**whole | {part: value})", "**(whole.update({part: value}) or whole))"),
    "the other way round": ("without - complete", "complete - without"),
    "Subtract that of the whole": ("without - complete", "without"),
    "parts stay out": (
        "without = np.array([error(world, **whole | {part: value})",
        "whole = whole | {part: value}\n        without = np.array([error(world, **whole)"),
    "all parts are out at once": ("{part: value})", "off)"),
    "the other part is out too": (
        "without =", "whole = whole if len(off) > 2 else whole | off\n        without ="),
    "is handed over twice": ("**whole | {part: value})", "**whole, **{part: value})"),
    "adds each part to a network without any": (
        "without = np.array([error(world, **whole | {part: value}) for world in worlds])",
        "without = np.array([error(world, **whole | off) for world in worlds])\n"
        "        complete = np.array([error(world, **whole | off | {part: whole[part]})"
        " for world in worlds])"),
    "leaves one part in": ("{part: value})", "{k: v for k, v in off.items() if k != part})"),
    "are not handed over": ("**whole | {part: value}", "**{part: value}"),
    "Change one setting of a copy": (
        "rises = {}", "rises, whole = {}, {part: whole[part] for part in off}"),
    "loses its sign": ("without - complete", "abs(without - complete)"),
    "is returned as 0": ("rise.mean()", "max(rise.mean(), 0.0)"),
    "each part of `off`, and no other": (
        "off.items():\n", "off.items():\n        if whole[part] == value:\n"
        "            continue\n"),
    "the median": ("rise.mean()", "np.median(rise)"),
    "that is one world": ("rise.mean()", "rise[0]"),
    "nothing is switched off": (
        "whole | {part: value})", "{k: v for k, v in whole.items() if k != part})"),
    "The mean comes first": (
        "rise.mean(), rise.std(ddof=1) / np.sqrt(len(rise))",
        "rise.std(ddof=1) / np.sqrt(len(rise)), rise.mean()"),
    "the relative rise": ("without - complete", "without / complete - 1"),
    "each entry is a pair": (
        "rise.mean(), rise.std(ddof=1) / np.sqrt(len(rise))", "rise.mean()"),
    "an entry for each part": (
        "rises = {}", 'rises = {"whole": (0.0, 0.0)}'),
    "of the part before count too": (
        "rise = without - complete\n        rises[part] = rise.mean(), rise.std(ddof=1)",
        "rise = without - complete\n        every = [*locals().get('every', []), *rise]\n"
        "        rises[part] = rise.mean(), np.std(every, ddof=1)"),
    "go by their names": ("**whole | {part: value})", "*(whole | {part: value}).values())"),
    "the pairs are torn apart": (
        "rise.std(ddof=1)", "np.hypot(without.std(ddof=1), complete.std(ddof=1))"),
    "one side only": ("rise.std", "without.std"),
    "that is the standard deviation": (" / np.sqrt(len(rise))", ""),
    "s has k in it": ("ddof=1", ""),
    "divided by k": ("np.sqrt(len(rise))", "len(rise)"),
    "square of the standard error": (
        "rise.std(ddof=1) / np.sqrt(len(rise))", "rise.var(ddof=1) / len(rise)"),
    "already has k - 1": ("np.sqrt(len(rise))", "np.sqrt(len(rise) - 1)"),
}

# %% correct="ablation"
def ablation(error, whole, off, worlds):
    table = {}
    for part in off:
        settings = dict(whole)
        settings[part] = off[part]
        steps = [error(w, **settings) - error(w, **whole) for w in worlds]
        k = len(steps)
        mean = sum(steps) / k
        variance = sum((step - mean) ** 2 for step in steps) / (k - 1)
        table[part] = [mean, (variance / k) ** 0.5]
    return table

# %% [markdown]
# Now take two networks apart, both with 128 hidden units and no dropout. A has weight decay. B has
# none, but begins with smaller weights and learns at a lower rate. Both stop after the number of
# steps that is best on validation rows. Taking the stop out means training for 600 steps. **Guess:
# by how many points does A's error rise then?**

# %% guess=true
my_stop = 5  # points by which the error rises if training goes on

# %% figure=true
# What the stop is worth in two networks, by your ablation: takes half a minute or so.
guess = expect.guess(my_stop)


def plain(world, **settings):
    """The validation error of a network without dropout in one world, in percent."""
    return capstone.plain([world], **settings)[0]


own = range(20, 30)
found = {"with weight decay": ablation(plain, dict(capstone.DECAYED),
                                       {"steps": 600, "weight_decay": 0.0}, own),
         "without": ablation(plain, dict(capstone.TUNED), {"steps": 600, "start": 1.0}, own)}
stop, alone = (plot.Difference(*found[name]["steps"], runs=len(own)) for name in found)
decay = plot.Difference(*found["with weight decay"]["weight_decay"], runs=len(own))
small = plot.Difference(*found["without"]["start"], runs=len(own))
fig, (ax,) = plot.figure(1, height=2.4, width=7.5)
rises = {"A: weight decay out": decay, "A: stop out": stop, "B: stop out": alone,
         "B: small initial weights out": small}
ax.errorbar([r.mean for r in rises.values()], range(4), xerr=[r.error for r in rises.values()],
            fmt="o", color=plot.BLUE, capsize=4)
ax.axvline(0, color=plot.INK, linewidth=1)
ax.axvline(guess, color=plot.INK, linestyle="--")
ax.set(yticks=range(4), yticklabels=list(rises), ylim=(3.5, -0.5),
       xlabel="rise of the validation error, points (10 worlds ± s.e.; dashed: your guess)",
       title=f"The stop is worth {stop:.1f} points in A, and {alone:.1f} in B")
told = "; ".join(f"{name} {rise:.1f}" for name, rise in rises.items())
bare = studies.kept("capstone")["tries"]["large start: rate 0.05"]  # A without its weight decay
plot.show(fig, f"What your ablation gives for two networks, in points: {told}. You said {guess}.",
          claims={"a-part-depends-on-the-others":
                  alone.mean > 3 * (abs(stop.mean) + 2 * stop.error),
                  "a-without-decay-needs-the-stop":
                  (round(bare["error"]), round(bare["at the end"])) == (17, 26),
                  "initial-weights-are-a-part": small.sign > 0})

# %% [markdown]
# What a part is worth depends on what else is there.{{claim:a-part-depends-on-the-others}} Beside
# weight decay the stop does little. In B, which has none, it is worth many points. (B's initial
# weights and rate differ too. But without weight decay A's error is 17 % if stopped in time, 26 %
# after 480 steps, in eight other worlds.){{claim:a-without-decay-needs-the-stop}} So an ablation
# doesn't say "the stop is useless". It says that *this* network hardly needs it.
#
# ## A baseline that had its chance
#
# Dropout will be compared with a network that has neither dropout nor weight decay. This lesson's
# first edition took one with 600 steps at a learning rate that nobody had tuned. So ours is B.
# Its learning rate, its number of steps and the size of its initial weights are tuned on validation
# rows, in worlds that are used for nothing else.

# %%
worlds = list(range(16))
tuned = capstone.plain(worlds)
print(f"baseline: validation error {tuned.mean():.1f} ± {plot.standard_error(tuned):.1f} % "
      f"(worlds 0 to 15, ± s.e.)")

# %% [markdown]
# ## What the check will ask
#
# Beat it by **half a point**, as a mean over sixteen secret worlds. Why half a point? Each curve
# shows the gains of one kind of network when sixteen worlds are drawn from forty, with replacement.
# (All are tuned. In each world the baseline is the mean of three trainings, as in the check.)

# %% figure=true
# How often chance passes the check, and how often a regularised network fails it.
tested = {way: np.array(errors) for way, errors in studies.kept("capstone")["tested"].items()}
base = np.array([tested["nothing"], *(tested[f"nothing, again {k}"] for k in (1, 2, 3))])
rng = np.random.default_rng(0)
draws = rng.integers(0, 40, (100_000, capstone.WORLDS))
one = rng.integers(0, 4, (100_000, capstone.WORLDS))  # of four equal baselines, the one to test
fig, (ax,) = plot.figure(1, height=2.4, width=7.5)
wide, passes = {}, {}
for way, label, color in (("nothing", "the baseline, trained anew", plot.GREY),
                          ("weight decay", "weight decay", plot.GREEN),
                          ("dropout", "dropout", plot.BLUE)):
    if way == "nothing":  # against the mean of the other three
        gains = ((base.sum(0) - base) / 3 - base)[one, draws].mean(1)
    else:
        gains = (base[1:].mean(0) - tested[way])[draws].mean(1)
        wide[way] = plot.difference(base[1:].mean(0), tested[way])
    passes[way] = np.mean(gains >= capstone.NEEDED)
    ax.hist(gains, np.arange(-1, 2.5, 0.05), density=True, histtype="step", color=color,
            linewidth=2, label=f"{label}: {100 * passes[way]:.3g} % pass")
even = np.mean(gains - wide["dropout"].mean >= capstone.NEEDED)  # were dropout no better
ax.axvline(capstone.NEEDED, color=plot.INK, linestyle="--")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
ax.set(xlabel="points of error below the baseline (mean of 16 worlds)", yticks=[],
       title=f"Needed: {capstone.NEEDED:g} points; dropout gains {wide['dropout']:.1f}.\n"
             f"If it gained nothing, it would pass in {100 * even:.2g} % of the draws")
told = "; ".join(f"{way} {100 * share:.3g} %" for way, share in passes.items())
told += f"; dropout, if it gained nothing, {100 * even:.2g} %"
plot.show(fig, "Gains over the tuned baseline when 16 of forty worlds are drawn, and the share "
               f"that passes: {told}.",
          claims={"chance-does-not-pass": passes["nothing"] < 1e-3,
                  "no-better-passes-more-often": 10 * passes["nothing"] < even < 0.06,
                  "tuned-dropout-passes": passes["dropout"] > 0.85})

# %% [markdown]
# Trained anew, the baseline passes less than once in a thousand
# times;{{claim:chance-does-not-pass}} another network, no better than it, does so more
# often.{{claim:no-better-passes-more-often}} Tuned dropout usually passes.
# {{claim:tuned-dropout-passes}}
#
# ## Exercise: `fit`
#
# Anything that PyTorch can do is allowed: where you drop and how much, weight decay, label
# smoothing, a stop, another network. The budget is 60,000 parameters and, for each call, about
# fifteen times the time of 600 steps of the baseline. You should need less than half.
#
# Tune on validation rows of your own worlds, with several worlds for each setting. The cell below
# `fit` shows the errors on them and on the training rows. Only the check reads held-out rows, and
# it trains the baseline in the same worlds.

# %% exercise="fit"
def fit(X, y, seed, p=0.5):
    """Train a network on these rows, and on nothing else.

    X : array (n, features) float32; y : array (n,) of classes 0 … c-1, all of which occur; both
        are left as they are
    seed : decides everything that is random; the same seed gives the same network
    p : drop probability of your hidden layers; with p = 0 nothing at all is dropped.
        Its default is yours to choose, and may be 0. What you drop elsewhere may depend on p.
    Returns a torch module, (b, features) float32 -> logits (b, c), with its weights as parameters.
        In training mode it drops, and holds no other noise. In evaluation mode a row's logits
        depend on this row alone.
    """
    ### BEGIN SOLUTION
    with torch.random.fork_rng(devices=[]):  # torch's own generator is left as it was
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Dropout(0.6 * p),
            *(nn.Linear(X.shape[1], 128), nn.ReLU(), nn.Dropout(p)),
            nn.Linear(128, int(y.max()) + 1),
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, 500)
        inputs, targets = torch.as_tensor(X, dtype=torch.float32), torch.as_tensor(y)
        for _ in range(500):
            rows = torch.randint(len(inputs), (64,))
            loss = F.cross_entropy(model(inputs[rows]), targets[rows], label_smoothing=0.4)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            falling.step()
    return model.eval()
    ### END SOLUTION

# %% [markdown] hint="fit"
# Begin with the network of {{overfitting}}: a hidden layer of 128 units, `nn.Dropout(p)` behind it,
# some hundreds of steps on batches of 64. Does it beat the baseline on your validation rows?

# %% [markdown] hint="fit"
# Look at the error on the *given* labels of the training rows. If it is far below 30 %, the
# network learns wrong labels by heart: try label smoothing, weight decay, dropout of the inputs.
# Near 30 %, try a lower learning rate with more steps, or one that falls.

# %% [markdown] hint="fit"
# One call of `torch.manual_seed` decides initial weights, batches and masks at once. Inside the
# context manager `torch.random.fork_rng` it leaves everybody else's generator alone.

# %%
# Your network beside the baseline, on the rows that you may choose by: takes some 10 seconds.
own_worlds = [capstone.world(seed) for seed in worlds]
models = [fit(w.X.copy(), w.y.copy(), seed) for seed, w in enumerate(own_worlds)]
pairs = list(zip(models, own_worlds, strict=True))
scores = {
    "baseline, validation rows": tuned,
    "yours, validation rows": [capstone.error(m, w.X_val, w.y_val) for m, w in pairs],
    "yours, training rows as given": [capstone.error(m, w.X, w.y) for m, w in pairs],
    "yours, training rows in truth": [capstone.error(m, w.X, w.true_y) for m, w in pairs],
}
table = np.array(list(scores.values()))
gap = plot.difference(scores["yours, validation rows"], tuned)
fig, (ax,) = plot.figure(1, height=2.3, width=7.5)
plot.bars(table.mean(1), list(scores), ax, spread=plot.standard_error(table, 1),
          colors=[plot.ORANGE, plot.BLUE, plot.GREY, plot.GREY])
ax.axvline(30, color=plot.INK, linestyle="--")
ax.set(xlim=(0, max(36, 1.2 * table.mean(1).max())),
       xlabel="error rate, % (16 worlds ± s.e.; dashed: share of wrong labels)",
       title=f"Yours − baseline on validation rows: {gap:.1f} points")
plot.show(fig, "The error of the baseline and of your network on validation and on training rows. "
               f"Yours − baseline: {gap:.1f} points.")

# %% [markdown]
# Compare the last two bars. A network that fits all given labels has learned the faults. A good one
# disagrees with nearly a third of the labels, mostly rightly. (You may look at `true_y` here. `fit`
# may not.)

# %% check="fit" points=2
# A module within the budget, that follows from its seed, and drops by p.
secret = int(expect.rng().integers(10**6, 2**40))
tried = capstone.world(secret)
X_given, y_given = tried.X[:200].copy(), tried.y[:200].copy()
y_given[:10] = np.arange(10)
kept = X_given.copy(), y_given.copy()
some = torch.tensor(tried.X_val[:20])


def logits_of(net):
    """What a network says of 20 rows in evaluation mode."""
    net.eval()
    return net(some).detach().numpy()


with expect.case("fit(X, y, seed=1) of 200 rows", crash=[
    ("more than 1 value per channel", "a row alone has no logits in evaluation mode: they may "
                                      "depend on its own columns only."),
]):
    began = expect.ask("processor_seconds")
    net = fit(X_given, y_given, 1)
    lasted = expect.ask("processor_seconds") - began
    expect.equal(expect.ask("is_module", net), True, hint="return a torch module, an nn.Module.")
    allowed = capstone.BUDGET * capstone.yardstick()
    if lasted > allowed:
        raise expect.Unmet(f"at most {allowed:.1f} s of processor time", f"{lasted:.1f} s",
                           "the call is over the budget. Take fewer steps.")
    for now, before in zip((X_given, y_given), kept, strict=True):
        expect.unchanged(now, before, hint="fit writes into X or y. Make a new array.")
    count = sum(weight.numel() for weight in net.parameters())
    expect.equal(count > 0, True, hint="the module has no parameters. Several networks belong in "
                                       "an nn.ModuleList, which .train() and .eval() reach.")
    if count > capstone.PARAMETERS:
        raise expect.Unmet(f"at most {capstone.PARAMETERS:,} parameters", f"{count:,}",
                           "the network is over the budget. Make its layers narrower.")
    first = logits_of(net)
    expect.array(first, (20, 10), hint="the module returns a logit for each of the classes.")
    shares = bool((first >= 0).all() and abs(first.sum(1) - 1).max() < 1e-4)
    expect.equal(shares, False, hint="the module returns probabilities. Return logits: leave out "
                                     "the softmax at its end.")
    expect.close(logits_of(net), first, rtol=1e-3, atol=1e-3,
                 hint="two calls differ in evaluation mode. Dropout must end with training.")
    alone = np.concatenate([net(row[None]).detach().numpy() for row in some[:5]])
    expect.close(alone, first[:5], rtol=1e-3, atol=1e-3,
                 hint="a row alone gets other logits than among others, in evaluation mode. It may "
                 "depend on its own columns only.")
with expect.case("fit(X, y, seed=1) again, and fit(X, y, seed=2)"):
    expect.close(logits_of(fit(kept[0].copy(), kept[1].copy(), 1)), first, rtol=1e-3, atol=1e-3,
                 hint="the same seed gives another network. Draw all that is random from seed.")
    expect.varies([first, logits_of(fit(kept[0].copy(), kept[1].copy(), 2))], chance=1e-12,
                  what="another network for another seed",
                  hint="every seed gives one network: `seed` is not used.")
with expect.case("fit(X[:, :50], y % 4, seed=1, p=0.0) and fit(X[:, :50], y % 4, seed=1, p=0.6)",
                 crash=[("mat1 and mat2", "X may have any number of columns, here 50.")]):
    some = some[:, :50]
    net, dropping = (fit(kept[0][:, :50].copy(), kept[1] % 4, 1, p) for p in (0.0, 0.6))
    expect.array(logits_of(net), (20, 4), hint="there are four classes here: return a logit for "
                                               "each class that occurs in y.")
    expect.varies([logits_of(net), logits_of(dropping)], chance=1e-12, what="two networks",
                  hint="p does nothing. Use it as the drop probability, and leave the module in "
                       "training mode while it learns.")
    net.train()
    twice = [net(some).detach().numpy() for _ in range(2)]
    expect.close(twice[0], twice[1], rtol=1e-4, atol=1e-4,
                 hint="something is still dropped at p = 0: no ablation could take it out. (Other "
                      "noise belongs in the loop of fit, not in the module.)")
    expect.varies(twice[0], chance=1e-12, what="another output for another row",
                  hint="everything is dropped at p = 0: p is taken for the probability of keeping.")
with expect.case("the module of fit(X[:, :50], y % 4, seed=1, p=0.6) in training mode, twice"):
    dropping.train()
    expect.varies([dropping(some).detach().numpy() for _ in range(2)], chance=1e-12,
                  what="two different outputs",
                  hint="nothing is dropped in training mode. Put dropout into the module.")

# %% check="fit" points=4
# On held-out rows of sixteen secret worlds, it beats the tuned baseline by half a point.
# (This takes some 10 seconds.)
secret = [int(seed) for seed in expect.rng().integers(10**6, 2**40, capstone.WORLDS)]
bar = np.mean([capstone.plain(secret, test=True, repeat=k) for k in range(capstone.REPEATS)])
nets, given = [], []
with expect.case(f"fit(X, y, seed), held-out error in {len(secret)} secret worlds"):
    for number, seed in enumerate(secret):
        rows = capstone.world(seed)
        nets.append(fit(rows.X.copy(), rows.y.copy(), number))
        given.append(capstone.error(nets[-1], rows.X, rows.y))
    held = np.mean([capstone.error(net, *capstone.held_out(seed))
                    for net, seed in zip(nets, secret, strict=True)])
    if not held <= bar - capstone.NEEDED:
        hint = "hardly better than the tuned baseline, or worse. Try label smoothing, or a lower " \
               "learning rate with more steps, or one that falls."
        if held > 60:
            hint = "it doesn't learn: it errs nearly as often as one who guesses. Train on X and y."
        elif np.mean(given) < 12:
            hint = "it learns wrong labels by heart: it disagrees with only " \
                   f"{np.mean(given):.0f} % of those given."
        raise expect.Unmet(f"at most {bar - capstone.NEEDED:.1f} % (the baseline's {bar:.1f} %, "
                           f"less {capstone.NEEDED:g})", f"{held:.1f} %", hint)

# %% check="fit" points=1
# A control: from labels that say nothing, nothing can be learned.
secret = int(expect.rng().integers(10**6, 2**40))
with expect.case("fit(X, y, seed=1) with labels that say nothing"):
    rows, nothing = capstone.world(secret), capstone.unlearnable(secret)
    fit(rows.X.copy(), rows.y.copy(), 1)  # the same rows, with labels that say something
    net = fit(rows.X.copy(), nothing, 1)
    held = capstone.error(net, *capstone.held_out(secret))
    if not held >= 60:
        raise expect.Unmet("an error of at least 60 % (it can only guess)", f"{held:.0f} %",
                           "it knows what these labels cannot tell it: from an earlier call, or "
                           "from data that fit was not given.")

# %% mistakes="fit"
{
    "return a torch module": ("return model.eval()", "return lambda inputs: model.eval()(inputs)"),
    "fit writes into X or y": ("manual_seed(seed)", "manual_seed(seed)\n        X -= X.mean(0)"),
    "the module has no parameters": (
        "return model.eval()",
        "model.eval()\n    return type('Mean', (nn.Module,), "
        "{'nets': [model], 'forward': lambda self, x: self.nets[0](x)})()"),
    "over the budget. Make its layers narrower":
        ("*(nn.Linear(X.shape[1], 128),",
         "*(nn.Linear(X.shape[1], 1000), nn.ReLU(), nn.Linear(1000, 128),"),
    "over the budget. Take fewer steps":
        ("loss.backward()", "sum(float(model(inputs).sum()) for _ in range(60))\n"
         "            loss.backward()"),
    "depend on its own columns only":
        ("model = nn.Sequential(", "class Centred(nn.Module):\n"
         "            def forward(self, rows):\n"
         "                return rows - rows.mean(0)\n\n"
         "        model = nn.Sequential(\n            Centred(),"),
    "a row alone has no logits": (
        "nn.ReLU()", "nn.BatchNorm1d(128, track_running_stats=False), nn.ReLU()"),
    "same seed gives another network": (
        "with torch.random.fork_rng(devices=[]):  # torch's own generator is left as it was\n"
        "        torch.manual_seed(seed)",
        "if True:",
    ),
    "`seed` is not used": ("manual_seed(seed)", "manual_seed(42)"),
    "returns probabilities": ("return model.eval()",
                              "return nn.Sequential(model, nn.Softmax(-1)).eval()"),
    "four classes": ("int(y.max()) + 1", "10"),
    "here 50": ("nn.Linear(X.shape[1], 128)", "nn.Linear(58, 128)"),
    "p does nothing": ("model = nn.Seq", "p = 0.5\n        model = nn.Seq"),
    "leave the module in training mode": ("for _ in range(500)",
                                          "model.eval()\n        for _ in range(500)"),
    "two calls differ in evaluation mode": (
        "*(nn.Linear(X.shape[1], 128), nn.ReLU(), nn.Dropout(p))",
        "nn.Linear(X.shape[1], 128), nn.ReLU(),\n            "
        "type('On', (nn.Module,), {'forward': lambda self, x: F.dropout(x, p)})()"),
    "still dropped at p = 0": ("nn.Dropout(0.6 * p)", "nn.Dropout(0.2)"),
    "everything is dropped at p = 0":
        ("nn.Dropout(p)),\n            nn", "nn.Dropout(1 - p)),\n            nn"),
    "nothing is dropped in training mode": (
        "return model.eval()",
        "return nn.Sequential(*[part for part in model if not isinstance(part, nn.Dropout)])",
    ),
    "it doesn't learn: it errs": ("range(500)", "range(3)"),
    "learns wrong labels by heart": (
        "lr=0.05, momentum=0.9)",
        "lr=0.2, momentum=0.9)\n        for part in model[::3]:\n            part.p /= 20",
    ),
    "hardly better than the tuned baseline": (
        "momentum=0.9)", "momentum=0.9)\n        for part in model[::3]:\n            part.p /= 20"
    ),
    "it knows what these labels cannot tell it": (
        "return model.eval()",
        'return vars(fit).setdefault(f"{X.tobytes()} {seed} {p}", model.eval())',
    ),
}

# %% mistake="fit" says="nearly as often as one who guesses"
def fit(X, y, seed, p=0.5):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mine, c = capstone.world(0), int(y.max()) + 1  # another world, in place of X and y
        given, n = torch.tensor(mine.X)[:, : X.shape[1]], X.shape[1]
        model = nn.Sequential(nn.Linear(n, 64), nn.ReLU(), nn.Dropout(p), nn.Linear(64, c))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(100):
            loss = F.cross_entropy(model(given), torch.tensor(mine.y) % c)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()

# %% correct="fit"
class Net(nn.Module):
    def __init__(self, inputs, classes, p):
        super().__init__()
        self.p, self.first, self.last = p, nn.Linear(inputs, 96), nn.Linear(96, classes)

    def forward(self, x):
        h = F.gelu(self.first(F.dropout(x, 0.6 * self.p, self.training)))
        return self.last(F.dropout(h, self.p, self.training))


def fit(X, y, seed, p=0.5):
    torch.manual_seed(seed)
    X, y = torch.tensor(X), torch.tensor(y)
    model = Net(X.shape[1], int(y.max()) + 1, p)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1)
    for epoch in range(40):
        optimizer.param_groups[0]["lr"] = 0.003 * (1 - epoch / 40)
        for rows in torch.randperm(len(X)).split(50):
            optimizer.zero_grad()
            F.cross_entropy(model(X[rows]), y[rows], label_smoothing=0.3).backward()
            optimizer.step()
    return model

# %% [markdown]
# The third check is a control, and worth having in every project: the same rows, with labels that
# carry no information. Whatever does well there has learned from something that it should not have:
# a cache, a leaked column, a test row.
#
# ## Exercise: `honest_gain`
#
# Last, the number for your abstract. Choose a rate in some worlds, then measure it in **fresh**
# ones, which took no part in the choice. Subtract within each world.

# %% exercise="honest_gain"
def honest_gain(error, rates, worlds, fresh):
    """The rate that some worlds choose, and what it gains over p = 0 in fresh ones.

    error : a function; error(world, p) gives the error of your network in that world
    rates : drop probabilities
    worlds : those to choose with; fresh : k >= 2 others, to measure with
    The rate has the lowest mean error in `worlds` (the first of equals). A fresh world's gain is
    its error at p = 0 minus that at the chosen rate. Nothing else is asked of fresh worlds.
    Returns (rate, mean gain, standard error of the gains s / sqrt(k), where s has ddof=1).
    """
    ### BEGIN SOLUTION
    means = [np.mean([error(world, p) for world in worlds]) for p in rates]
    rate = rates[int(np.argmin(means))]
    gains = np.array([error(world, 0.0) - error(world, rate) for world in fresh])
    return rate, gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains))
    ### END SOLUTION

# %% [markdown] hint="honest_gain"
# There are two halves, which share one number: the chosen rate. The first half uses `worlds` only,
# the second `fresh` only.

# %% [markdown] hint="honest_gain"
# `np.argmin` of the means gives the place of the rate, and the first of equals.

# %% [markdown] hint="honest_gain"
# One gain for each fresh world comes first. Mean and spread are then of these *differences*.

# %% check="honest_gain" points=3
# Chosen by the mean over worlds, measured in fresh worlds, in pairs.
draw = expect.rng()
rates, worlds, fresh = [0.1, 0.0, 0.2, 0.3, 0.4, 0.5], [3, 5, 8], [21, 34, 55, 89]
levels = np.array([  # in the three worlds, and in fresh ones; the last is best, in the mean
    [33, 33, 33, 10],  # the best in fresh worlds
    [12, 120, 12, 31],  # the best without world 5, and the worst with it
    [50, 20, 8, 25],  # the best without world 3
    [60, 1, 60, 29],  # one lucky run
    [8, 20, 50, 27],  # the best without world 8
    [14, 20, 30, 20],
])
luck = {world: draw.uniform(10, 13) for world in worlds + fresh}
tilt = {(world, p): draw.uniform(-1, 1) for world in worlds + fresh for p in rates}
calls = []


def run_of(world, p):
    """The error of one run, made up."""
    *by_world, new = levels[rates.index(p)]
    own = by_world[worlds.index(world)] if world in worlds else new
    return own + luck[world] + tilt[world, p]


def error_of(world, p):
    calls.append((int(world), float(p)))
    return run_of(int(world), float(p))


with expect.case(f"honest_gain(error, {rates}, {worlds}, {fresh})"):
    got = honest_gain(error_of, list(rates), list(worlds), list(fresh))
    expect.equal(len(got), 3, hint="return the rate, the mean gain and its standard error.")
    opened = {p for world, p in calls if world in fresh}
    expect.close(
        got[0], 0.5, hint="the rate is that of the lowest mean error, over all rates and worlds.",
        suspects=[(0.1, "the fresh worlds chose the rate: their error is then no estimate."),
                  (0.3, "one lucky run chose the rate. Compare means over the worlds.")])
    expect.equal(len(opened - {0.0, 0.5}), 0,
                 hint="fresh errors of other rates were looked at. Ask for those at 0 and at the "
                      "chosen rate alone.")
    before, after = (np.array([run_of(w, p) for w in fresh]) for p in (0.0, 0.5))
    gains = before - after
    expect.close(
        got[1], gains.mean(), rtol=1e-5,
        hint="the gain is the mean of the error at 0 minus that at the rate.",
        suspects=[(-gains.mean(), "the sign is the other way round: a gain is a fall in error."),
                  (gains.max(), "that is the best world. Report the mean over the worlds."),
                  (np.mean([run_of(w, 0.0) - run_of(w, 0.5) for w in worlds]),
                   "the worlds that chose measure too: their luck is in it. Take the fresh ones."),
                  (np.mean([run_of(w, 0.0) - run_of(w, 0.5) for w in worlds + fresh]),
                   "the worlds that chose measure too: their luck is in it. Take the fresh ones."),
                  ((gains / before).mean(), "that is the relative gain. Don't divide.")])
    k, deviation = 4, gains.std(ddof=1)
    apart = np.sqrt(before.var(ddof=1) / k + after.var(ddof=1) / k)
    expect.close(
        got[2], deviation / np.sqrt(k), rtol=1e-5,
        hint="that is not s / sqrt(k) of the worlds' gains.",
        suspects=[(apart, "the pairs are torn apart. Take the spread of the differences."),
                  (deviation, "that is the standard deviation. Divide it by sqrt(k)."),
                  (gains.std(), "that is the standard deviation. Divide it by sqrt(k)."),
                  (gains.std() / np.sqrt(k), "s has k in it. From k gains it has k - 1: ddof=1."),
                  (deviation / np.sqrt(len(worlds)), "k counts the fresh worlds."),
                  (after.std(ddof=1) / np.sqrt(k), "that is the spread of one side only.")])

# %% check="honest_gain" points=1
# Of equal rates the first is chosen, and p = 0 can be.
def error_for(means):
    """An error with these means over worlds 1 and 2, which differ at p = 0."""
    return lambda world, p: means[p] + (p == 0) * {1: -3, 2: 3}.get(world, 0)


for zero, right in ((8.0, (0.6, 3.0, 0.0)), (4.0, (0.0, 0.0, 0.0))):
    means = {0.3: 9.0, 0.0: zero, 0.6: 5.0, 0.1: 5.0}
    with expect.case(f"honest_gain(error, [0.3, 0.0, 0.6, 0.1], [1, 2], [3, 4]), means {means}"):
        found = honest_gain(error_for(means), list(means), [1, 2], [3, 4])
        expect.equal(found[0], right[0], hint="the rate is the one with the lowest mean.",
                     suspects=[(0.1, "of equal rates the last is chosen. Take the first."),
                               (0.6, "p = 0 has the lowest mean, and may be chosen as well.")])
        expect.close(list(found[1:]), right[1:], rtol=1e-5,
                     hint="the gain or its standard error is wrong.")
asked = []


def harmed(world, p):
    """An error that is lowest at p = 0, and at 0.2 in all but one fresh world."""
    asked.append((int(world), float(p)))
    return 5 + 15 * (p > 0) * p + (p == 0) * {4: 4, 5: -1}.get(int(world), 0)


with expect.case("honest_gain(error, [0.4, 0.2], [1, 2], [3, 4, 5]), where p = 0 would err less"):
    found = honest_gain(harmed, [0.4, 0.2], [1, 2], [3, 4, 5])
    tried = any(p == 0 for world, p in asked if world in (1, 2))
    expect.close(found[0], 0.2, hint="the rate is the one with the lowest mean.", suspects=[
        (0, "p = 0 was chosen, which is not one of `rates`. Choose among them." if tried else
            "a rate that harms is returned as 0. Return it, and its gain below 0."),
    ])
    zeros = [world for world, p in asked if world not in (1, 2) and p == 0]
    expect.equal(len(zeros) > 0, True, hint="the error at p = 0 is not asked for in fresh worlds, "
                                            "where 0 is not one of `rates`. Gains are measured "
                                            "from it.")
    gains = np.array([-3.0, 1.0, -4.0])
    expect.close(found[1], gains.mean(), rtol=1e-5,
                 hint="the gain is the mean of the error at 0 minus that at the rate.", suspects=[
        (0, "a gain below 0 is returned as 0. Return it as it is."),
        (2, "a gain below 0 loses its sign. Take no absolute value."),
        (abs(gains).mean(), "a gain below 0 loses its sign. Take no absolute value."),
    ])
    expect.close(found[2], gains.std(ddof=1) / 3**0.5, rtol=1e-5,
                 hint="that is not s / sqrt(k) of the worlds' gains.")

# %% mistakes="honest_gain"
{
    "the last is chosen": ("int(np.argmin(means))", "-1 - int(np.argmin(means[::-1]))"),
    "Gains are measured from it": ("error(world, 0.0) - error", "error(world, min(rates)) - error"),
    "may be chosen as well": ("means =", "rates = [p for p in rates if p > 0]\n    means ="),
    "which is not one of `rates`":
        ("means =", "rates = [0.0, *[p for p in rates if p]]\n    means ="),
    "a rate that harms is returned as 0": (
        "return rate", "if gains.mean() <= 0:\n        return 0.0, 0.0, 0.0\n    return rate"),
    "a gain below 0 is returned as 0": ("gains.mean()", "max(gains.mean(), 0.0)"),
    "a gain below 0 loses its sign": ("gains.mean()", "abs(gains.mean())"),
    "loses its sign. Take": ("error(world, 0.0) - error(world, rate)",
                             "abs(error(world, 0.0) - error(world, rate))"),
    "Ask for those at 0 and": ("error(world, 0.0)", "error(world, rates[0])"),
    "the fresh worlds chose the rate": ("for world in worlds]", "for world in fresh]"),
    "one lucky run": ("np.mean([error", "np.min([error"),
    "is that of the lowest mean": ("argmin", "argmax"),
    "over all rates": ("for p in rates]", "for p in rates[:-1]]"),
    "over all rates and worlds": ("for world in worlds", "for world in worlds[1:]"),
    "lowest mean error": ("for world in worlds", "for world in worlds[:-1]"),
    "fresh errors of other rates":
        ("gains =", "table = [error(w, p) for p in rates for w in fresh]\n    gains ="),
    "the worlds that chose measure too": ("for world in fresh", "for world in worlds"),
    "their luck is in it": ("for world in fresh", "for world in [*worlds, *fresh]"),
    "the other way round":
        ("error(world, 0.0) - error(world, rate)", "error(world, rate) - error(world, 0.0)"),
    "that is the best world": ("gains.mean()", "gains.max()"),
    "relative gain":
        ("error(world, 0.0) - error(world, rate)", "1 - error(world, rate) / error(world, 0.0)"),
    "the pairs are torn apart":
        ("return rate", "sides = np.array([[error(w, p) for w in fresh] for p in (0.0, rate)])\n"
         "    return rate, gains.mean(), np.sqrt(sides.var(1, ddof=1).sum() / len(fresh))\n"
         "    return rate"),
    "that is the standard deviation": (" / np.sqrt(len(gains))", ""),
    "s has k in it": ("ddof=1", ""),
    "k counts the fresh worlds": ("np.sqrt(len(gains))", "np.sqrt(len(worlds))"),
    "one side only":
        ("gains.std", "np.array([error(w, rate) for w in fresh]).std"),
}

# %% correct="honest_gain"
def honest_gain(error, rates, worlds, fresh):
    best, lowest = None, float("inf")
    for p in rates:
        total = sum(error(world, p) for world in worlds)
        if total < lowest:
            best, lowest = p, total
    with_it = np.array([error(world, best) for world in fresh])
    gains = np.array([error(world, 0) for world in fresh]) - with_it
    return best, float(np.mean(gains)), float(np.sqrt(np.var(gains, ddof=1) / gains.size))

# %% correct="honest_gain"
def honest_gain(error, rates, worlds, fresh):
    means = torch.tensor([[error(w, p) for w in worlds] for p in rates]).mean(1)
    rate = rates[int(means.argmin())]
    gains = torch.tensor([[error(w, 0.0), error(w, rate)] for w in fresh]).diff(dim=1).neg()
    return rate, gains.mean().item(), gains.std().item() / len(gains) ** 0.5


# %% [markdown]
# Now with your own network, in worlds that you have not used so far. **Guess: how many points does
# dropout gain you, with all else left in place?**

# %% guess=true
my_gain = 3  # percentage points of error that dropout takes away, all else left in place

# %% figure=true
# What dropout gains your network, and it over three tuned baselines: takes some 10 seconds.
guess = expect.guess(my_gain)


def yours(world, p):
    """The validation error of your network in one world, in percent."""
    rows = capstone.world(world)
    return capstone.error(fit(rows.X, rows.y, world, p), rows.X_val, rows.y_val)


rate, gain, spread = honest_gain(yours, [0.0, 0.25, 0.5], range(40, 43), range(50, 56))
found = plot.Difference(gain, spread, runs=6)
over = {name: plot.difference(tested[way], tested["dropout"]) for name, way in (
    ("the first edition's baseline", "first edition"),
    ("the same, stopped in time", "first edition, stopped"),
    ("rate and steps tuned", "large start"),
    ("initial weights too", "nothing"),
    ("tuned weight decay", "weight decay"))}
bare = [tested[way] for way in ("first edition", "first edition, stopped", "large start",
                                "nothing")]
given = [plot.difference(bare[k], bare[k + 1]) for k in range(3)]
left_over = over["initial weights too"]
beside = plot.difference(tested["weight decay"], tested["both"])
chosen = studies.kept("capstone")["chosen"]
hurried = plot.difference(tested["dropout, hurried"], tested["weight decay"])
fig, (left, right) = plot.figure(2, height=2.9, width=10)
left.errorbar([gain], [0], xerr=[spread], color=plot.BLUE, marker="o", capsize=4)
left.axvline(0, color=plot.INK, linewidth=1)
left.axvline(guess, color=plot.GREY, linestyle="--")
left.set(yticks=[], ylim=(-1, 1), title=f"Yours: p = {rate:g} gains {found:.1f} points",
         xlabel="points (6 fresh worlds ± s.e.; dashed: your guess)")
right.errorbar([g.mean for g in over.values()], range(len(over)),
               xerr=[2 * g.error for g in over.values()], color=plot.BLUE, fmt="o", capsize=4)
right.axvline(0, color=plot.INK, linewidth=1)
shown = [f"over {name}:\n{g:.1f}" for name, g in over.items()]
right.set(yticks=range(len(over)), ylim=(len(over) - 0.5, -0.5), yticklabels=shown,
          xlabel="points (40 worlds ± 2 s.e.)", title="Ours: what dropout gains")
told = "; ".join(f"over {name} {g:.1f}" for name, g in over.items())
plot.show(fig, f"Left, p = {rate:g} gains your network {found:.1f} points over p = 0 in fresh "
               f"worlds. Right, what dropout gains on held-out rows: {told}. What it adds to tuned "
               f"weight decay: {beside:.1f}. Hurried, it errs {hurried:.1f} points more than that.",
          claims={"each-tuning-shrinks-it": all(gap.sign > 0 for gap in given),
                  "a-small-gain-remains": left_over.sign > 0 and left_over.mean < 2,
                  "the-baseline-had-fewer-tries":
                  [chosen[way]["tries"] for way in ("nothing", "dropout")] == [5, 12],
                  "weight-decay-does-it-too": abs(over["tuned weight decay"].mean)
                                              + 2 * over["tuned weight decay"].error < 0.5,
                  "dropout-adds-little-to-it": beside.mean + 2 * beside.error < 0.5,
                  "hurried-dropout-loses": round(hurried.mean) == 2 and hurried.sign > 0})

# %% [markdown]
# Read the right side from the top. Over the baseline that nobody tuned, dropout gains many points.
# (The first two baselines have two hidden layers, the rest one.) Whenever the baseline is given
# something dropout had, the gain shrinks.{{claim:each-tuning-shrinks-it}} We believed that we had
# reached the bottom when rate and steps were tuned. Then a plain PyTorch network beat our baseline:
# `nn.Linear` begins with smaller weights than ours did. A small gain
# remains.{{claim:a-small-gain-remains}} (It may shrink yet: dropout had twelve settings, this
# baseline five.){{claim:the-baseline-had-fewer-tries}} Weight decay, tuned without dropout, does as
# well, to within half a point,{{claim:weight-decay-does-it-too}} and dropout adds less than that to
# it.{{claim:dropout-adds-little-to-it}}
#
# Dropout needs its chance too. Held to a learning rate of 0.05 and 480 steps, it lost by two points
# to weight decay, which had a lower rate and more steps.{{claim:hurried-dropout-loses}} It did well
# at a lower rate, with more steps or smaller initial weights.
#
# If your $p$ gained much on the left, your other parts were probably chosen with dropout beside
# them. Taking it out leaves a network that nobody tuned.
#
# ## Explore: how many worlds until you see it?
#
# One small network, 24 worlds, dropout at $p$ against none. On the left each world's gain and their
# mean ± 2 s.e., by *your* `honest_gain`; on the right how the s.e. shrinks as worlds are added.
#
# **Try**: at which number of worlds does the interval leave zero for good, at a small $p$ and at a
# large one? Where do the first two or three worlds tell another story than all 24?

# %%
explore.enough_worlds(honest_gain)

# %% [markdown]
# ## Two questions

# %% question="part" points=1
# Without dropout a network's error rises by 0.1 ± 0.2 points. This shows that:
#
# - [ ] dropout doesn't work on this problem
# - [x] this network, with its other parts in place, hardly needs dropout
# - [ ] the network was trained wrongly
#
# Hint: what did the stop do beside weight decay, and what did it do alone?

# %% question="tuning" points=1
# You tune your method over twenty settings and run the baseline as its paper has it. Your gain is:
#
# - [x] the method's and the tuning's together
# - [ ] the method's alone, because both saw the same rows
# - [ ] too small, because tuning costs rows
#
# Hint: what would the baseline gain from twenty settings?

# %% [markdown]
# ## Your report
#
# Half a page, for a colleague who has to decide whether to do as you did. (In a class, your
# instructor grades this by these criteria, 10 points.)
#
# 1. **Baseline** (2): what it is, and that it had the same chance: same rows, its settings tuned.
# 2. **Protocol** (2): which rows trained, chose and scored, and how many settings were tried, in
#    how many worlds.
# 3. **Result** (3): a table with mean ± standard error and the number of worlds, paired gains, and
#    an ablation of at least two parts (add a cell).
# 4. **Reading** (2): what the ablation says and what it doesn't; a cause only where measured.
# 5. **Limits** (1): what did not work, what was not tried, where this should not be used.

# %% [markdown] answer="report" points=10
# ### BEGIN SOLUTION
# *Marking guide.* The five criteria. Full points for one that is met with numbers or in so many
# words, half where it must be guessed, none where it is missing. A negative result, honestly
# measured, earns all points. A gain without spread, or in worlds that chose it, earns none for
# protocol and at most one for the result. A gain of dropout over p = 0 is read well if it says that
# the other settings were (or weren't) tuned for p = 0 too. Numbers are to be those that the
# notebook's own cells print; where they aren't, ask. Read the code of `fit` as well: it is to use X
# and y alone (no files, no loaders of `dropoutlab` or scikit-learn, nothing kept between calls),
# which no check can prove.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - The best of ten equal networks looked better than it was.{{claim:the-best-of-ten-fools}}
# - What a part is worth depends on what else is there.{{claim:a-part-depends-on-the-others}} Even
#   the size of the initial weights is a part.{{claim:initial-weights-are-a-part}}
# - With each part of the baseline that we tuned, dropout's gain
#   shrank.{{claim:each-tuning-shrinks-it}} A small one is left.{{claim:a-small-gain-remains}} Tuned
#   weight decay does as well.{{claim:weight-decay-does-it-too}} Our first edition said "on digits
#   dropout does it all". Its rivals were not tuned.
#
# No check can prove that `fit` uses nothing but `X` and `y`. A person reads your code.
#
# **Read.** Bouthillier et al., *Accounting for variance in machine learning benchmarks*, MLSys 2021
# (arXiv:2103.03098). Kadra et al., *Well-tuned simple nets excel on tabular datasets*, NeurIPS 2021
# (arXiv:2106.11189): thirteen regularisers, dropout among them, tuned together. Kapoor and
# Narayanan, *Leakage and the reproducibility crisis in machine-learning-based science*, Patterns 4
# (2023). Kang et al., *Unleashing the potential of regularization strategies in learning with noisy
# labels*, 2023 (arXiv:2307.05025). Herrmann et al., *Why we must rethink empirical
# research in machine learning*, ICML 2024 (arXiv:2405.02200). Zhang et al., *Understanding deep
# learning requires rethinking generalization*, ICLR 2017: labels that say nothing.
#
# **Stretch.** Your own data: `ablation` and `honest_gain` take any `error`. Does dropout add to
# weight decay there?
#
# **Still open.** Whatever you do next.
