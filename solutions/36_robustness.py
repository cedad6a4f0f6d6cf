# %% [markdown]
# # 3.6 · Robustness
#
# **Is a network trained with dropout harder to break? By which kinds of damage?**
#
# *{{minutes}} minutes. Before: {{overfitting}} and {{coadaptation}}. After, you will be able to
# measure what damage does to a network, to compare two networks fairly under it, to attack one,
# and to train for an input that may be missing.*
#
# | symbol | meaning |
# | --- | --- |
# | $p$ | probability that a unit, a pixel or a modality is **dropped** |
# | $x$, $y$ | an image, with pixels from 0 (paper) to 1 (ink), and its class |
# | $L$ | log loss of the network on $x$ and $y$ |
# | $\varepsilon$ | the largest change of a pixel that an attack may make |

# %% setup=true
from itertools import product

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import check_probability, expect, explore, plot, robust, studies
from dropoutlab.studies import robustness as study

torch.set_num_threads(1)  # products this small wait for each other's threads

# %% [markdown]
# ## Ways to break a network
#
# In use, things go wrong that no training image showed. A sensor loses pixels. A lens is out of
# focus. A small chip stores each weight in four bits. A network with dropout has learned to do
# without some of its units, so it is often called robust. Robust to what?
#
# We take five kinds of damage, three to images, two to weights:
#
# - *lost pixels*: each pixel becomes 0 with some probability;
# - *noise*: Gaussian noise on each pixel;
# - *blur*: each pixel becomes a weighted mean of its neighbours;
# - *weight noise*: Gaussian noise on each weight, relative to the root mean square (r.m.s.) of its
#   layer;
# - *rounded weights*: each weight becomes one of $2^b-1$ equally spaced numbers, for $b$ bits.

# %%
X_test, y_test = robust.numerals(2000, 2)
for name, (_, levels, unit) in robust.DAMAGES.items():
    print(f"{name:16} {unit:19} {', '.join(f'{level:g}' for level in levels)}")

# %% figure=true
# Six test images, and the same under three kinds of damage.
some, rng = X_test[:6], np.random.default_rng(0)
rows = [some, robust.lost(some, 0.3, rng), robust.noise(some, 0.3, rng),
        robust.blur(some, 1.0, rng)]
fig, (ax,) = plot.figure(1, width=5, height=3)
sheet = np.reshape(rows, (4, 6, 14, 14)).swapaxes(1, 2).reshape(56, 84)
plot.image(sheet.clip(0, 1), ax, largest=1)
ax.set_yticks(14 * np.arange(4) + 7,
              ["as they are", "30 % lost", "noise of 0.3", "blur of 1 pixel"])
ax.tick_params(length=0)
plot.show(fig, "Six printed numerals, and the same with 30 % of their pixels lost, with Gaussian "
               "noise of standard deviation 0.3, and blurred by one pixel.")

# %% [markdown]
# ### One question from {{coadaptation}}
#
# There, a network with dropout was much less hurt when hidden units were removed. What was
# needed before this could be credited to dropout?
#
# <details><summary>Answer</summary>
#
# A control of the same error. In the autoencoder, L2 at equal error was nearly as robust.
# </details>
#
# ## Exercise: `damage_curve`
#
# Measure the error rate at each level of some damage. One draw of random damage can be lucky, so
# average over several. The same function serves images and weights: for weights, `X` is a list of
# weight matrices, and `predict` computes the classes of fixed images under them.

# %% exercise="damage_curve"
def damage_curve(predict, X, y, damage, levels, draws, rng):
    """The error rate on damaged X at each level, as a mean over `draws` draws of the damage.

    predict : a function; predict(X) gives the classes (n,)
    X : what is damaged, images or a list of weight matrices; y : (n,), the right classes
    damage : a function; damage(X, level, rng) gives a new, damaged copy of X
    levels : a sequence of numbers; draws : 1 or more; rng : np.random.Generator; pass it on
    Returns an array with a number in [0, 1] for each level.
    """
    ### BEGIN SOLUTION
    curve = []
    for level in levels:
        guesses = [predict(damage(X, level, rng)) for _ in range(draws)]
        curve.append(np.mean([guess != y for guess in guesses]))
    return np.array(curve)
    ### END SOLUTION

# %% [markdown] hint="damage_curve"
# Write it for one level and one draw first: damage, predict, compare with `y`.

# %% [markdown] hint="damage_curve"
# `predicted != y` is an array of True and False. Its mean is the share of errors.

# %% [markdown] hint="damage_curve"
# Two loops, over levels and over draws. Each draw begins with the undamaged `X`, and passes `rng`
# on unchanged.

# %% check="damage_curve" points=2
# The mean over draws of the share of wrong classes, at each level.
rng = expect.rng()
X, levels, met, seen, moved = rng.normal(size=(400, 3)), [0.5, 3.0, 0.1], [], {}, {}
whole = X.copy()


def classes(X):
    return np.floor(3 * np.abs(np.asarray(X)[:, 0])).astype(int) % 4


y = np.where(rng.random(400) < 0.1, 3 - classes(X), classes(X))


def shaken(X, level, rng):
    """Noise that grows with the level; the second draw is the worst, the fourth the best."""
    met.append(bool(np.array_equal(X, whole)))
    draws = seen.setdefault(float(level), [])
    size = 0.1 * level * {1: 4, 3: 0.2}.get(len(draws), 1)
    copy = np.asarray(X) + size * expect.rng().normal(size=(400, 3))
    draws.append(float(np.mean(classes(copy) != y)))
    moved.setdefault(float(level), []).append(float(np.mean(classes(copy) != classes(whole))))
    return copy


with expect.case("damage_curve(predict, X, y, damage, [0.5, 3.0, 0.1], 6, rng), 400 rows"):
    found = damage_curve(classes, X.copy(), y.copy(), shaken, levels[:], 6, expect.rng())
    expect.equal(bool(met), True, hint="`damage` was never called.")
    expect.equal(all(met), True,
                 hint="what is damaged is damaged again. Begin each draw with the whole X.")
    expect.equal(set(seen) <= set(levels), True,
                 hint="`damage` gets the level itself, one of `levels`.")
    expect.equal(len(seen), 3, hint="not every level is tried. Does `return` stand in the loop?")
    counts = [len(seen[level]) for level in levels]
    one_each = "each draw needs damage of its own: call `damage` `draws` times a level."
    many = "`damage` is called too often: `draws` times a level is enough."
    expect.equal(counts, [6, 6, 6], hint=many if min(counts) >= 6 else one_each)
    every, changed = (np.array([kept[level] for level in levels]) for kept in (seen, moved))
    right, sofar = every.mean(1), np.cumsum(every.mean(1))
    unhurt = float(np.mean(classes(whole) != y))
    expect.close(found, right, rtol=1e-5, hint="the mean over draws of the share of errors.",
                 suspects=[
        (1 - right, "that is the share of right answers. Return the share of errors."),
        (np.full(3, unhurt), "the damaged copy is never read: hand it to `predict`."),
        (every.sum(1), "the draws are added up. Divide by their number."),
        (400 * right, "errors are counted. Divide by the number of rows."),
        (400 * every.sum(1), "errors are counted. Divide by the number of rows."),
        (100 * right, "those are percents. Return a share, between 0 and 1."),
        (every[:, 0], "that is the first draw. Take the mean of all."),
        (every[:, -1], "that is the last draw. Take the mean of all."),
        (every.min(1), "that is the best draw. Take the mean of all."),
        (every.max(1), "that is the worst draw. Take the mean of all."),
        (np.median(every, 1), "that is the median draw. Take the mean of all."),
        (sofar, "the levels before count too. Begin anew at each level."),
        (sofar / [1, 2, 3], "the levels before count too. Begin anew at each level."),
        (changed.mean(1), "guesses are compared with those without damage. Compare with y."),
        (right - unhurt, "that is the rise of the error. Return the error itself."),
        (right.mean(), "that is a mean over levels too. Return one number for each."),
        (every, "that is one number for each draw. Take the mean over draws."),
        (np.sort(right), "the levels are sorted. Leave them in their order."),
    ])

# %% check="damage_curve" points=1
# The damage comes from rng, and goes on from draw to draw and from call to call.
def drawn(rng):
    took = []
    damage_curve(lambda X: X, np.zeros(3), np.zeros(3),
                 lambda X, level, rng: took.append(float(rng.random())) or np.zeros(3),
                 [0.1, 0.2], 4, rng)
    return took


rng = expect.rng()
with expect.case("damage_curve(…, [0.1, 0.2], draws=4, rng), and the numbers damage draws"):
    first = drawn(rng)
    expect.equal(len(first), 8, hint="`damage` draws another number of times than `draws` at each "
                 "level. Is the number of draws, or of levels, written into the function?")
    expect.equal(len(set(first)), 8, hint="damage repeats itself: a generator is made or seeded "
                 "anew in the loop. Hand on `rng` itself.")
with expect.case("the same, called again with the same rng"):
    expect.varies([first, drawn(rng)], chance=0.0, what="other numbers than at first",
                  hint="each call draws the same: a seed is set inside, or rng is copied.")
with expect.case("the same with two generators of seed 5"):
    expect.repeats(*(drawn(np.random.default_rng(5)) for _ in range(2)),
                   hint="the numbers do not come from rng.")

# %% check="damage_curve" points=1
# What is damaged may be a list of two weight matrices.
rng = expect.rng()
weights, images = [rng.normal(size=(5, 6)), rng.normal(size=(3, 5))], rng.normal(size=(30, 6))
labels = rng.integers(0, 3, 30)


def by(weights):
    first, second = weights
    return (np.maximum(images @ first.T, 0) @ second.T).argmax(1)


bare = "hand X to `damage` as it is: it may be a list of arrays."
with expect.case("damage_curve(predict, [W1, W2], y, damage, [1.0, -1.0, 1.0], 2, rng)",
                 crash=[("inhomogeneous|broadcast|shape|attribute|index", bare)]):
    found = damage_curve(by, [W.copy() for W in weights], labels.copy(),
                         lambda X, level, rng: [level * W for W in X], [1.0, -1.0, 1.0], 2,
                         expect.rng())
    right = np.array([np.mean(by([s * W for W in weights]) != labels) for s in (1, -1, 1)])
    expect.close(found, right, rtol=1e-5, hint="the mean over draws of the share of errors.",
                 suspects=[(15 * right, "X may be weights: divide by len(y)."),
                           (right[:2], "a level given twice has two numbers in the result.")])

# %% mistakes="damage_curve"
{
    "damaged again": (
        "guesses = [predict(damage(X, level, rng)) for _ in range(draws)]",
        "guesses = []\n        for _ in range(draws):\n"
        "            X = damage(X, level, rng)\n            guesses.append(predict(X))"),
    "gets the level itself": ("for level in levels", "for level in range(len(levels))"),
    "damage of its own": ("[predict(damage(X, level, rng)) for _ in range(draws)]",
                          "[predict(damage(X, level, rng))] * draws"),
    "share of right answers": ("guess != y", "guess == y"),
    "is never read": ("predict(damage(X, level, rng))",
                      "(damage(X, level, rng), predict(X))[1]"),
    "are added up": ("np.mean([guess != y for guess in guesses])",
                     "np.sum([np.mean(guess != y) for guess in guesses])"),
    "one number for each draw": ("np.mean([guess != y for guess in guesses])",
                                 "[np.mean(guess != y) for guess in guesses]"),
    "errors are counted": ("np.mean([", "np.sum(["),
    "those are percents": ("np.mean([", "100 * np.mean(["),
    "called too often": ("curve = []", "curve, _ = [], damage(X, levels[0], rng)"),
    "another number of times": ("range(draws)", "range(6)"),
    "divide by len(y)": ("np.mean([guess != y for guess in guesses])",
                         "np.sum([guess != y for guess in guesses]) / (draws * len(X))"),
    "the first draw": ("for guess in guesses", "for guess in guesses[:1]"),
    "the best draw": ("np.mean([guess != y for guess in guesses])",
                      "min(np.mean(guess != y) for guess in guesses)"),
    "the last draw": ("for guess in guesses", "for guess in guesses[-1:]"),
    "the worst draw": ("np.mean([guess != y for guess in guesses])",
                       "max(np.mean(guess != y) for guess in guesses)"),
    "the median draw": ("np.mean([guess != y for guess in guesses])",
                        "np.median([np.mean(guess != y) for guess in guesses])"),
    "levels before count too": (
        "for level in levels:\n        guesses = [", "guesses = []\n    for level in levels:\n"
        "        guesses += ["),
    "compared with those without damage": ("guess != y", "guess != predict(X)"),
    "not every level is tried": (
        "curve.append(np.mean([guess != y for guess in guesses]))",
        "curve.append(np.mean([guess != y for guess in guesses]))\n        break"),
    "rise of the error": ("np.array(curve)", "np.array(curve) - np.mean(predict(X) != y)"),
    "mean over levels too": ("np.array(curve)", "np.mean(curve)"),
    "levels are sorted": ("np.array(curve)", "np.sort(curve)"),
    "damage repeats itself": ("damage(X, level, rng)",
                              "damage(X, level, np.random.default_rng(0))"),
    "a seed is set inside": ("curve = []", "curve, rng = [], np.random.default_rng(0)"),
    "do not come from rng": ("curve = []", "curve, rng = [], np.random.default_rng()"),
    "hand X to `damage` as it is": ("curve = []", "curve, X = [], np.asarray(X)"),
    "a level given twice": ("for level in levels", "for level in dict.fromkeys(levels)"),
}

# %% correct="damage_curve"
def damage_curve(predict, X, y, damage, levels, draws, rng):
    wrong = np.zeros((draws, len(levels)))
    for d in range(draws):
        for k, level in enumerate(levels):
            copy = damage(X, level, rng)
            wrong[d, k] = sum(a != b for a, b in zip(predict(copy), y, strict=True)) / len(y)
    return wrong.mean(axis=0).astype(np.float32)

# %% [markdown]
# Below, *your* function measures ten networks: five trained plainly on 1000 printed numerals, and
# five with dropout on their hidden units, at the same learning rate. The $p$ is the one with the
# lowest error on validation images.

# %% figure=true
# Your damage curves of five networks without dropout and five with: takes some 15 seconds.
SEEDS = tuple(range(5))
colors = {"none": plot.GREY, "hidden dropout": plot.BLUE, "input noise": plot.GREEN}
nets = {way: study.trained(way, SEEDS, rate=0.1) for way in colors}


def curve(net, name, seed):
    """Your curve of one network, in percent, on the test images."""
    damage, levels, _ = robust.DAMAGES[name]
    rng = np.random.default_rng(seed)
    if name in robust.OF_WEIGHTS:
        predict, damaged = net.classes_by(X_test), net.weights
    else:
        predict, damaged = net.classes, X_test
    return 100 * np.asarray(damage_curve(predict, damaged, y_test, damage, levels, 2, rng))


raw = {way: {name: np.array([curve(net, name, seed) for seed, net in enumerate(nets[way])])
             for name in robust.DAMAGES} for way in ("none", "hidden dropout")}
fig, axes = plot.figure(5, width=11, height=2.9)
lower, under = [], {}
for ax, (name, (_, levels, unit)) in zip(axes, robust.DAMAGES.items(), strict=True):
    for way in raw:
        runs = raw[way][name]
        ax.errorbar(range(6), runs.mean(0), plot.standard_error(runs), color=colors[way],
                    capsize=2, label="without dropout" if way == "none" else "with dropout")
    ax.set_xticks(range(6), ["none", *(f"{level:g}" for level in levels[1:])], fontsize=8)
    gap = raw["hidden dropout"][name] - raw["none"][name]
    lower.append(gap[:, 0])
    under[name] = plot.difference(gap[:, 1:].mean(1))
    ax.set(xlabel=unit, ylim=(0, 90))
    ax.set_title(f"{name}:\n{under[name]:.1f}", fontsize=10)
axes[0].set_ylabel("test error, %")
axes[0].legend(loc="upper left", fontsize=8)
lower = plot.difference(np.mean(lower, 0))
plot.show(fig, "Error against the level of five kinds of damage, without dropout and with it. In "
               "each title, what dropout adds, in points, mean over the levels of damage: "
               f"{'; '.join(f'{name} {gap:.1f}' for name, gap in under.items())}. "
               f"Undamaged: {lower:.1f}.",
          claims={"dropout-looks-robust": lower.sign < 0
                  and sum(gap.sign < 0 for gap in under.values()) >= 3})

# %% [markdown]
# (Titles: points that dropout adds, mean over levels, ± one standard error.) At this learning rate
# there are fewer errors with dropout under most damage,{{claim:dropout-looks-robust}} but also
# on *undamaged* images. Is this robustness, or just a better network?
#
# ## At equal clean error
#
# A fair control has the same *clean error* (on undamaged images), reached without dropout. More
# data do that. Below, the grey lines are plain networks with 1000 to 5000 images. A method
# *protects* if its point lies below the lines: then it has fewer errors under damage than a plain
# network of equal clean error. (Taori et al. 2020 call this distance *effective robustness*.) There
# are two lines, because the learning rate matters too: 0.1, as most methods have it, and 0.2, where
# plain networks do best on validation images.
#
# Besides hidden dropout there are, each with the strength and the learning rate that do best on
# validation images:
#
# - *input dropout*: the pixels are dropped, by inverted dropout;
# - *input noise*: Gaussian noise is added to the pixels;
# - *L2* on all weights;
# - *moved images*: images are moved by up to one pixel each way.
#
# **Guess: how many points does *input* dropout add under lost pixels, at equal clean error?**

# %% guess=true
my_guess = -2.0  # points of test error; negative: input dropout saves errors

# %% figure=true
# Error under damage against the undamaged error: five ways to train, and plain networks.
guess = expect.guess(my_guess)
kept = studies.kept("robustness")
ways = [way for way in study.WAYS if way != "none"]
dots = dict(zip(ways, (plot.BLUE, plot.SKY, plot.GREEN, plot.PINK, plot.ORANGE), strict=True))
gaps = {(way, name): [plot.difference(study.beyond(kept, way, name, rate)) for rate in study.RATES]
        for way in ways for name in (*robust.DAMAGES, "FGSM", "ten steps")}
fig, axes = plot.figure(5, width=11, height=3.8)
for ax, name in zip(axes, robust.DAMAGES, strict=True):
    for rate, style in zip(study.RATES, ("-", "--"), strict=True):
        cells = [kept["plain"][f"{rate:g} {n}"] for n in study.SIZES]
        x, y = (np.array([np.mean(of(cell)) for cell in cells]) for of in (
            lambda cell: cell["clean"], lambda cell, name=name: study.damaged(cell, name)))
        ax.plot(x, y, style, color=plot.GREY, marker=".", label=f"plain, learning rate {rate:g}")
        if name == "lost pixels" and rate == 0.1:
            at = np.mean(kept["tested"]["input dropout"]["clean"])
            ax.plot(at, np.interp(at, x[::-1], y[::-1]) + guess, "X", color=plot.INK, markersize=8,
                    label="your guess")
    for way, color in dots.items():
        cell = kept["tested"][way]
        clean, hurt = np.array(cell["clean"]), study.damaged(cell, name)
        ax.errorbar(clean.mean(), hurt.mean(), plot.standard_error(hurt),
                    plot.standard_error(clean), color=color, marker="o", capsize=2, label=way)
    ax.plot(raw["hidden dropout"][name][:, 0], raw["hidden dropout"][name][:, 1:].mean(1), "o",
            mfc="none", color=plot.INK, markersize=4, label="hidden dropout, yours")
    ax.set(xlabel="undamaged, %")
    ax.set_title(f"{name}\n" + ", ".join(f"{gap:.1f}" for gap in gaps["hidden dropout", name]),
                 fontsize=9)
axes[0].set_ylabel("test error under damage, %")
fig.suptitle("What hidden dropout adds, beyond plain networks of equal clean error at learning "
             "rates 0.1 and 0.2, in points", x=0.01, ha="left", fontsize=11)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)

# A larger p, where some plain networks err as much: at p = 0.3 those at 0.1 alone.
larger = {(p, name, rate): gap for p, name, rate in product(
    study.STRONGER, robust.DAMAGES, study.RATES)
    if np.isfinite((gap := plot.difference(study.beyond(kept, f"{p}", name, rate))).mean)}
tuned = {name: plot.difference(*(study.damaged(kept["tested"][way], name)
                                 for way in ("hidden dropout", "none"))) for name in robust.DAMAGES}
lead = [plot.difference(study.beyond(kept, first, name, 0.1) - study.beyond(kept, way, name, 0.1))
        for name, first in (("lost pixels", "input dropout"), ("noise", "input noise"))
        for way in ways if way != first]
told = "; ".join(f"{name} " + " and ".join(f"{gap:.1f}" for gap in gaps["hidden dropout", name])
                 for name in robust.DAMAGES)
beaten = gaps["hidden dropout", "weight noise"][1]
input_saves = " and ".join(f"{gap:.1f}" for gap in gaps["input dropout", "lost pixels"])
rounding = " and ".join(f"{larger[0.2, 'rounded weights', rate]:.1f}" for rate in study.RATES)
plot.show(fig, "Error under five kinds of damage, mean over levels, against the undamaged error: "
               "plain networks as two lines, five methods as points. What hidden dropout adds to "
               f"either line, as in the titles: {told}. Input dropout under lost pixels: "
               f"{input_saves}. Hidden dropout at p = 0.2 under rounded weights: {rounding}.",
          claims={
              "tuned-alike-pixels-remain": tuned["lost pixels"].sign < 0
              and all(gap.sign >= 0 for name, gap in tuned.items() if name != "lost pixels"),
              "each-leads-at-what-it-saw": all(gap.sign < 0 for gap in lead),
              "input-dropout-protects-from-lost-pixels":
                  all(gap.mean < -3 for gap in gaps["input dropout", "lost pixels"]),
              "but-not-from-noise":
                  all(abs(gap.mean) < 2 for gap in gaps["input dropout", "noise"]),
              "input-noise-protects-from-noise":
                  all(gap.mean < -2.5 for gap in gaps["input noise", "noise"]),
              "hidden-dropout-barely-protects-images":
                  all(abs(gap.mean) + 2.57 * gap.error < 2 for name in ("lost pixels", "noise")
                      for gap in gaps["hidden dropout", name]),
              "a-learning-rate-does-as-much":
                  gaps["hidden dropout", "weight noise"][0].sign < 0
                  and beaten.sign >= 0 and beaten.mean - 2.57 * beaten.error > -1,
              "input-dropout-pays-under-weight-noise":
                  all(gap.sign > 0 for way in ("input dropout", "input noise")
                      for gap in gaps[way, "weight noise"]),
              "moved-images-are-less-robust":
                  min(ways, key=lambda way: np.mean(kept["tested"][way]["clean"])) == "moved images"
                  and all(gaps["moved images", name][0].sign > 0  # at 0.2 no plain one is as good
                          for name in robust.DAMAGES),
              "l2-does-more-for-weights": all(plot.difference(
                  study.beyond(kept, "L2", "weight noise", rate)
                  - study.beyond(kept, "hidden dropout", "weight noise", rate)).sign < 0
                  for rate in study.RATES),
              "a-larger-p-does-no-more-for-pixels": {p for p, *_ in larger} == {0.2, 0.3} and all(
                  abs(gap.mean) + 2.57 * gap.error < 2 for (_, name, _), gap in larger.items()
                  if name in ("lost pixels", "noise")),
              "a-larger-p-protects-from-rounding":
                  all(larger[0.2, "rounded weights", rate].sign < 0 for rate in study.RATES),
              "a-large-p-costs-under-blur": larger[0.3, "blur", 0.1].sign > 0
              and 4 < larger[0.3, "blur", 0.1].mean < 9,
          })

# %% [markdown]
# (± one standard error over six networks; `dropoutlab/studies/robustness.py`.)
#
# Beside plain networks at *their* best learning rate, hidden dropout has clearly fewer errors under
# lost pixels alone.{{claim:tuned-alike-pixels-remain}}
#
# Of the five methods, input dropout protects best from lost pixels, and input noise from
# noise.{{claim:each-leads-at-what-it-saw}} Input dropout saves some six points under lost
# pixels,{{claim:input-dropout-protects-from-lost-pixels}} and next to nothing under
# noise.{{claim:but-not-from-noise}} Input noise saves about five under
# noise.{{claim:input-noise-protects-from-noise}} Hidden dropout changes the error on noisy or
# incomplete images by less than two points.{{claim:hidden-dropout-barely-protects-images}} Under
# weight noise it beats plain networks of its own learning rate, but not those at twice the
# rate.{{claim:a-learning-rate-does-as-much}} L2 does more.{{claim:l2-does-more-for-weights}} The
# $p$ chosen was only 0.1. With 0.2 or 0.3, little changes under lost pixels and
# noise.{{claim:a-larger-p-does-no-more-for-pixels}} But 0.2 saves two points under rounding, beside
# either line,{{claim:a-larger-p-protects-from-rounding}} and 0.3 adds six under
# blur.{{claim:a-large-p-costs-under-blur}}
#
# Input dropout and input noise make networks more sensitive to weight
# noise.{{claim:input-dropout-pays-under-weight-noise}} Of the five, moved images give the lowest
# clean error, and yet, beside plain networks at rate 0.1, they lose under all five kinds of
# damage.{{claim:moved-images-are-less-robust}}
#
# ## A change with a direction
#
# All damage so far was blind. An attacker looks at the network first. The *fast gradient sign
# method*, FGSM (Goodfellow, Shlens and Szegedy 2015), lets each pixel change by at most
# $\varepsilon$. To first order, the loss then rises most if every pixel moves by the whole
# $\varepsilon$, up or down as its gradient points:
#
# $$ x' = \operatorname{clip}\Bigl(x + \varepsilon \operatorname{sign}
# \frac{\partial L}{\partial x},\; 0,\; 1\Bigr) . $$
#
# ## Exercise: `fgsm`

# %% exercise="fgsm"
def fgsm(model, X, y, epsilon):
    """Each pixel of X moved by epsilon in the direction that raises the loss, then kept in [0, 1].

    clip(X + epsilon · sign(∂loss/∂X)), where the loss is the cross-entropy of the logits model(X).

    model : a function of images that gives logits (n, classes), left as it is
    X : float tensor (n, pixels) in [0, 1], left as it is; y : (n,) the right classes
    Returns a new tensor, which remembers no gradient.
    """
    ### BEGIN SOLUTION
    moving = X.detach().clone().requires_grad_()
    loss = F.cross_entropy(model(moving), y)
    (slope,) = torch.autograd.grad(loss, moving)
    return (X + epsilon * slope.sign()).clamp(0, 1).detach()
    ### END SOLUTION

# %% [markdown] hint="fgsm"
# In training the gradient is taken with respect to the weights. Here the weights stay, and the
# *images* need a gradient: `requires_grad_()` on a copy of them.

# %% [markdown] hint="fgsm"
# `F.cross_entropy(logits, y)`, then `torch.autograd.grad(loss, images)`, which returns a tuple of
# one. (`loss.backward()` would also leave gradients at the weights.)

# %% [markdown] hint="fgsm"
# Only the sign of the gradient counts. Add it, since the loss is to rise. `clamp(0, 1)` comes last.

# %% check="fgsm" points=2
# One step along the sign of the loss's gradient, on a linear model, where the gradient is known.
for dtype in (torch.float64, torch.float32):
    source = expect.generator()
    model = nn.Linear(8, 4).to(dtype)
    with torch.no_grad():
        model.weight.mul_(8)  # so that softmax of softmax has other signs
        model.weight[:, 1] = -model.weight[:, 0]  # so that no image has one sign alone
    model.weight.grad = kept = torch.randn(4, 8, generator=source).to(dtype)
    kept = kept.clone()
    X = (0.3 + 0.4 * torch.rand(24, 8, generator=source)).to(dtype)
    y = torch.arange(24) % 4
    chance = model(X).softmax(-1).detach()
    W, hot = model.weight.detach().clone(), F.one_hot(y, 4)
    slope = ((chance - hot) @ W / 24).to(dtype)
    second = nn.Linear(8, 4).to(dtype)  # its gradients are smaller: a sum has the first's signs
    second.eval().weight.requires_grad_(False)
    its = ((second(X).softmax(-1).detach() - hot) @ second.weight.detach() / 24).to(dtype)
    x, g, e = X.double().numpy(), slope.double().numpy(), 0.2
    twice = chance.softmax(-1) - hot  # through a second softmax
    others = {"softmax": chance * (twice - (twice * chance).sum(-1, keepdim=True)),
              "own": chance - F.one_hot(chance.argmax(-1), 4), "one": -hot.to(dtype)}
    others = {name: x + e * np.sign((part @ W).double().numpy()) for name, part in others.items()}
    halfway = [X + e / 2 * first.sign() for first in (slope, its)]
    again = [h + e / 2 * ((net(h).softmax(-1) - hot) @ net.weight).sign()
             for h, net in zip(halfway, (model, second), strict=True)]
    several = "the gradient is asked anew on the way. Take one step of epsilon."
    before = X.clone()
    with expect.case(f"fgsm(nn.Linear(8, 4), X, y, {e}), X in [0.3, 0.7], {str(dtype)[6:]}",
                     crash=[("does not require grad|grad_fn|not have been used in the graph",
                             "the loss does not know the images: ask for their gradient with "
                             "requires_grad_() before the model reads them.")]):
        found = fgsm(model, X, y, e)
        expect.tensor(found, (24, 8), dtype, hint="return a tensor of X's shape and dtype.")
        expect.unchanged(X, before)
        expect.unchanged(model.weight, W, hint="the model's weights have changed. Only the images "
                                               "move.")
        expect.close(found, x + e * np.sign(g), rtol=1e-5, atol=1e-6,
                     hint="X + epsilon · sign of the gradient of the cross-entropy.",
                     suspects=[
            (x - e * np.sign(g), "the loss falls: that helps the network. Add the sign."),
            (x, "nothing is moved."),
            (x + e * g, "the gradient itself is added. Take its sign."),
            (x + 24 * e * g, "the gradient itself is added. Take its sign."),
            (x + e * g / np.abs(g).max(),
             "the gradient is scaled to length 1. Take the sign of each pixel."),
            (x + e * g / np.linalg.norm(g, axis=1, keepdims=True),
             "the gradient is scaled to length 1. Take the sign of each pixel."),
            (x + e * g / np.linalg.norm(g), "the gradient is scaled to length 1. Take the sign "
                                            "of each pixel."),
            (x + np.sign(g), "epsilon is missing."),
            (np.clip(x + np.sign(g), 0, 1), "epsilon is missing."),
            (e * np.sign(g), "that is the change. Add it to X."),
            (np.clip(e * np.sign(g), 0, 1), "that is the change. Add it to X."),
            (x + e * np.sign(slope.sum(0).numpy()),
             "one change serves all images. Each has a gradient of its own."),
            (x + e * np.sign(g.sum(1, keepdims=True)),
             "one sign serves a whole image. Each pixel has its own."),
            (others["softmax"], "softmax is taken twice: cross_entropy wants the logits."),
            (others["own"], "that is the loss of the class that the model sees. Take y."),
            (others["one"], "only the right class's logit counts here. Take the cross-entropy."),
            (x + e * np.maximum(np.sign(g), 0), "the change is clipped. Clip the result."),
            (x + e, "every pixel is made darker. Use the gradient's sign."),
            (again[0].detach(), several),
        ])
    with expect.case("fgsm of the same X and another nn.Linear(8, 4)"):
        expect.close(fgsm(second, X, y, e), X + e * its.sign(), rtol=1e-5, atol=1e-6,
                     hint="X + epsilon · sign of the gradient of this model's cross-entropy.",
                     suspects=[
            (again[1].detach(), several),
            (X + e * (slope + its).sign(),
             "the gradient of the call before is still at X, and adds up. Work on a copy of X."),
        ])
        expect.equal(X.requires_grad or X.grad is not None, False,
                     hint="X itself now asks for a gradient, or holds one. Work on a copy of X.")
        expect.equal(second.training, False,
                     hint="the model is left in training mode. Leave it in the mode it was in.")
        expect.equal(second.weight.requires_grad, False,
                     hint="a weight that was frozen learns again. Leave requires_grad as it is.")
    with expect.case("the first nn.Linear(8, 4) after that, in training mode before"):
        expect.equal(model.training, True,
                     hint="the model is left in evaluation mode. Leave it in the mode it was in.")
        expect.equal(all(w.requires_grad for w in model.parameters()), True,
                     hint="the model's weights learn no more: requires_grad is off.")
        now = model.weight.grad
        expect.equal(now is not None and bool((now != 0).any()), True,
                     hint="the gradients that the model's weights held are gone. Leave them.")
        expect.equal(now, kept, hint="the model's weights hold other gradients than before. Take "
                                     "torch.autograd.grad, for the images alone.")
        expect.equal("none" if model.bias.grad is None else "some", "none",
                     hint="the model's bias has a gradient, which it had not. Take "
                          "torch.autograd.grad, for the images alone.")

# %% check="fgsm" points=1
# The result stays an image: nothing below 0 or above 1.
model, source = nn.Linear(30, 4), expect.generator()
with torch.no_grad():
    model.weight[:, 7] = 0  # a pixel that the network does not look at
X = torch.rand(20, 30, generator=source).round()
y = torch.randint(4, (20,), generator=source)
slope = (model(X).softmax(-1).detach() - F.one_hot(y, 4)) @ model.weight.detach()
for e in (1.25, 0.25):
    moved = X + e * slope.sign()
    blind = (torch.where(slope == 0, X + s, moved).clamp(0, 1) for s in (e, -e, 1))
    half = X + e / 2 * slope.sign()
    anew = (model(half).softmax(-1).detach() - F.one_hot(y, 4)) @ model.weight.detach()
    with expect.case(f"fgsm(nn.Linear(30, 4), X, y, {e}), black and white pixels"):
        found = fgsm(model, X.clone(), y, e)
        expect.equal(bool(found.isnan().any()), False,
                     hint="0 / 0 is nan where the gradient is 0. The sign of 0 is 0.")
        expect.close(found, moved.clamp(0, 1), rtol=1e-5, atol=1e-6,
                     hint="add epsilon · sign, 0 for a gradient of 0; then clip to [0, 1].",
                     suspects=[
            (moved, "some pixels are below 0 or above 1. Clip the result."),
            (moved.clamp(-1, 1), "pixels lie between 0 and 1, not between -1 and 1."),
            (moved.clamp(min=0), "some pixels are above 1. Clip on both sides."),
            (moved.clamp(max=1), "some pixels are below 0. Clip on both sides."),
            ((half + e / 2 * anew.sign()).clamp(0, 1),
             "the gradient is asked anew on the way. Take one step of epsilon."),
            *((x, "a pixel whose gradient is 0 moves. Leave it: the sign of 0 is 0.")
              for x in blind),
        ])

# %% check="fgsm" points=1
# It works on a deep network: no pixel's sign disagrees with a finite difference of the loss.
model = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 3)).double()
X = 0.4 + 0.2 * torch.rand(4, 6, generator=expect.generator(), dtype=torch.float64)
y, h = torch.tensor([0, 1, 2, 1]), 1e-4
shift = h * torch.eye(24, dtype=torch.float64).reshape(24, 4, 6)
with torch.no_grad():
    there, back = ([float(F.cross_entropy(model(X + s * d), y, reduction="sum")) for d in shift]
                   for s in (1, -1))
slope = (np.array(there) - np.array(back)).reshape(4, 6) / (2 * h)
with expect.case("fgsm(model, X, y, 0.1), a network of two layers", crash=[
    ("weight", "the model may be any network: let autograd find the gradient."),
]):
    found = fgsm(model, X.clone(), y, 0.1)
    expect.equal(found.requires_grad, False,
                 hint="the result remembers how it was made. Detach it.")
    sure = np.abs(slope) > 1e-5
    change = np.asarray(found.detach()) - X.numpy()
    expect.close(change[sure], 0.1 * np.sign(slope[sure]), rtol=1e-4,
                 hint="some pixels move the wrong way.")
plain = expect.ask("nested", model).forward  # a bound method
with expect.case("fgsm(f, X, y, 0.1), f a function that is no nn.Module", crash=[
    ("has no attribute|subscriptable",
     "the model may be a plain function: ask it for logits, and for nothing else."),
]):
    change = np.asarray(fgsm(plain, X.clone(), y, 0.1)) - X.numpy()
    expect.close(change[sure], 0.1 * np.sign(slope[sure]), rtol=1e-4,
                 hint="some pixels move the wrong way.")

# %% mistakes="fgsm"
{
    "the loss falls": ("X + epsilon", "X - epsilon"),
    "nothing is moved": ("X + epsilon * slope.sign()", "X + 0 * slope"),
    "gradient itself is added": ("slope.sign()", "slope"),
    "scaled to length 1": ("slope.sign()", "slope / slope.norm()"),
    "epsilon is missing": ("epsilon * slope", "slope"),
    "that is the change": ("X + epsilon", "epsilon"),
    "one change serves all": ("slope.sign()", "slope.sum(0).sign()"),
    "one sign serves a whole image": ("slope.sign()", "slope.sum(1, keepdim=True).sign()"),
    "softmax is taken twice": ("model(moving), y", "model(moving).softmax(-1), y"),
    "class that the model sees": ("model(moving), y", "model(moving), model(moving).argmax(-1)"),
    "only the right class's logit": ("F.cross_entropy(", "F.nll_loss("),
    "the result remembers": ("return (X + epsilon * slope.sign()).clamp(0, 1).detach()",
                             "return (moving + epsilon * slope.sign()).clamp(0, 1)"),
    "whose gradient is 0 moves": ("slope.sign()", "torch.where(slope > 0, 1.0, -1.0)"),
    "made darker": ("slope.sign()", "slope.sign().abs()"),
    "does not know the images": ("X.detach().clone().requires_grad_()", "X.detach().clone()"),
    "writes into its input": ("return (X +", "return (X.add_(0.1) +"),
    "weights have changed": ("return (X +", "torch.optim.SGD(model.parameters(), 0.1).zero_grad()\n"
                       "    F.cross_entropy(model(X), y).backward()\n"
                       "    torch.optim.SGD(model.parameters(), 0.1).step()\n    return (X +"),
    "below 0 or above 1": (".clamp(0, 1)", ""),
    "some pixels are above 1": ("clamp(0, 1)", "clamp(min=0)"),
    "some pixels are below 0. Clip": ("clamp(0, 1)", "clamp(max=1)"),
    "asked anew on the way": (
        "(slope,) = torch.autograd.grad(loss, moving)\n    return (X + epsilon * slope.sign())",
        "(slope,) = torch.autograd.grad(loss, moving)\n"
        "    moving = (X + epsilon / 2 * slope.sign()).requires_grad_()\n"
        "    loss = F.cross_entropy(model(moving), y)\n"
        "    (slope,) = torch.autograd.grad(loss, moving)\n"
        "    return (moving + epsilon / 2 * slope.sign())"),
    "left in evaluation mode": ("model(moving)", "model.eval()(moving)"),
    "left in training mode": ("model(moving)", "getattr(model, 'train', lambda: model)()(moving)"),
    "0 / 0 is nan": ("slope.sign()", "slope / slope.abs()"),
    "the model's weights learn no more": ("model(moving)", "model.requires_grad_(False)(moving)"),
    "learns again": ("    (slope,)", "    getattr(model, 'requires_grad_', bool)(True)\n"
                     "    (slope,)"),
    "held are gone": ("(slope,) = torch.autograd.grad(loss, moving)",
                      "model.zero_grad()\n    loss.backward()\n    slope = moving.grad\n"
                      "    model.zero_grad()"),
    "other gradients than before": ("(slope,) = torch.autograd.grad(loss, moving)",
                                "loss.backward()\n    slope = moving.grad"),
    "which it had not": ("(slope,) = torch.autograd.grad(loss, moving)",
        "loss.backward(inputs=[moving, model.bias])\n    slope = moving.grad"),
    "may be a plain function": ("model(moving)", "model.train(model.training)(moving)"),
    "asks for a gradient": ("X.detach().clone().requires_grad_()", "X.requires_grad_()"),
    "between -1 and 1": ("clamp(0, 1)", "clamp(-1, 1)"),
    "the change is clipped": ("(X + epsilon * slope.sign()).clamp(0, 1)",
                              "(X + (epsilon * slope.sign()).clamp(0, 1))"),
}

# %% mistake="fgsm" says="adds up"
def fgsm(model, X, y, epsilon):
    X.requires_grad_()
    F.cross_entropy(model(X), y).backward()
    return (X + epsilon * X.grad.sign()).clamp(0, 1).detach()

# %% mistake="fgsm" says="any network"
def fgsm(model, X, y, epsilon):
    with torch.no_grad():
        slope = (model(X).softmax(-1) - F.one_hot(y, model.weight.shape[0])) @ model.weight
    return (X + epsilon * slope.sign()).clamp(0, 1)

# %% correct="fgsm"
def fgsm(model, X, y, epsilon):
    images = torch.tensor(X.tolist(), dtype=X.dtype, requires_grad=True)
    logs = model(images).log_softmax(-1)
    (-logs[torch.arange(len(y)), y].sum()).backward(inputs=[images])
    with torch.no_grad():
        return torch.minimum(torch.maximum(images + epsilon * torch.sign(images.grad),
                                           torch.zeros(())), torch.ones(()))

# %% [markdown]
# A change of $\varepsilon = 0.03$ is three hundredths of the way from white to black. **Guess: what
# share of test images does a network with hidden dropout then misread?**

# %% guess=true
my_guess = 15  # percent of test images, at ε = 0.03

# %% figure=true
# Error under your attack, in one step and in ten, and the difference from equal clean error.
guess = expect.guess(my_guess)
images, labels = torch.as_tensor(X_test[:500]), torch.as_tensor(y_test[:500])
signs = torch.as_tensor(np.random.default_rng(1).choice([-1.0, 1.0], images.shape)).float()


def climbed(net, epsilon):
    """Ten of your steps, each of a quarter of epsilon, brought back to within epsilon."""
    x = images
    for _ in range(10):
        x = images + (fgsm(net, x, labels, epsilon / 4) - images).clamp(-epsilon, epsilon)
    return x


def misread(net, x):
    return 100 * float((net(x).argmax(-1) != labels).float().mean())


attacks = {"your FGSM": (lambda net, e: fgsm(net, images, labels, e), "-"),
           "ten steps": (climbed, "--"),
           "random signs": (lambda net, e: (images + e * signs).clamp(0, 1), ":")}
fig, (left, right) = plot.figure(2, width=10, height=3.4)
hit, names = {}, {"none": "plain"} | {way: way for way in ways}
for way, color in colors.items():
    for name, (attack, line) in attacks.items():
        runs = np.array([[misread(net, attack(net, e)) for e in study.EPSILONS]
                         for net in nets[way]])
        hit[way, name] = runs
        left.errorbar(study.EPSILONS, runs.mean(0), plot.standard_error(runs), color=color,
                      linestyle=line, capsize=2, label=names[way] if line == "-" else None)
left.plot([], color=plot.INK, label="your FGSM")
left.plot([], color=plot.INK, linestyle="--", label="ten steps of it")
left.plot([], color=plot.INK, linestyle=":", label="random signs")
left.plot(0.03, guess, "X", color=plot.PINK, markersize=9, label="your guess")
at = list(study.EPSILONS).index(0.03)
fell = hit["hidden dropout", "your FGSM"][:, at]
left.set(xlabel="ε", ylabel="test error, %", ylim=(0, 100))
left.set_title(f"ε = 0.03, hidden dropout: {fell.mean():.1f} ± {plot.standard_error(fell):.1f} %")
left.legend(fontsize=7.5, loc="upper left", borderpad=0, labelspacing=0.2)
for row, way in enumerate(ways):
    for k, rate in enumerate(study.RATES):
        gap = gaps[way, "ten steps"][k]
        right.errorbar(gap.mean, row + 0.3 * k - 0.15, xerr=2.57 * gap.error, capsize=3,
                       marker="os"[k], color=dots[way], mfc=dots[way] if k == 0 else "white",
                       label=f"learning rate {rate:g}" if row == 0 else None)
right.axvline(0, color=plot.INK, linewidth=0.8)
right.set_yticks(range(len(ways)), ways)
right.set(ylim=(len(ways) - 0.5, -0.5),
          xlabel="points added by ten steps, at equal clean error (95 %)")
right.set_title("Hidden dropout: " + ", ".join(
    f"{gap:.1f}" for gap in gaps["hidden dropout", "ten steps"]))
right.legend(fontsize=8, title="beyond plain networks at", loc="upper left", bbox_to_anchor=(1, 1))
beaten = gaps["hidden dropout", "ten steps"][1]
gap_random = plot.difference(fell, hit["hidden dropout", "random signs"][:, at])
plot.show(fig, "Left, error against ε under your attack, ten steps of it, and random signs, for "
               "three ways to train, ± one standard error. Right, the difference from plain "
               "networks of equal clean error, with 95 % intervals, where there are such networks. "
               f"At ε = 0.03 a network with hidden dropout misreads {fell.mean():.0f} %.",
          claims={
              "directions-hurt": gap_random.mean > 15,
              "dropout-is-no-defence": bool(fell.mean() > 30)
              and gaps["hidden dropout", "ten steps"][0].sign < 0
              and beaten.sign >= 0 and beaten.mean - 2.57 * beaten.error > -1,
              "input-dropout-makes-it-worse":
                  all(gap.sign > 0 for gap in gaps["input dropout", "ten steps"]),
              "input-noise-does-help":
                  all(gap.mean < -3 for attack in ("FGSM", "ten steps")
                      for gap in gaps["input noise", attack]),
              "l2-helps-against-ten": all(gap.sign < 0 for gap in gaps["L2", "ten steps"])
              and gaps["L2", "FGSM"][1].sign > 0,
          })

# %% [markdown]
# Random signs of the same size do little: what hurts is the direction of the
# attack.{{claim:directions-hurt}} Hidden dropout is no defence: it has fewer errors than plain
# networks trained at 0.1, but no fewer than those trained at 0.2.{{claim:dropout-is-no-defence}}
# Input dropout errs more than either.{{claim:input-dropout-makes-it-worse}} Our first edition gave
# dropout six or seven points under FGSM: it had compared at one learning rate, and at unequal clean
# error. Input noise does help here, against one step and ten of
# $\varepsilon/4$.{{claim:input-noise-does-help}} L2 helps against ten; against one it has more
# errors than plain networks trained at 0.2.{{claim:l2-helps-against-ten}} (The usual defence is to
# train on attacked images: Madry et al. 2018.)
#
# ## Explore: an image under attack
#
# *Your* `fgsm` moves one image.
#
# **Try**: for images 0 to 9, find the smallest $\varepsilon$ at which each network misreads. Which
# holds longest? Do the three networks take it for the same class?

# %%
explore.attack(fgsm)

# %% [markdown]
# ## A whole modality is missing
#
# Some networks see several **modalities**: sound and picture, text and table. In use one of them
# may be missing. Here each input is a pair of the same class: a printed numeral and a handwritten
# digit. A missing one is given as zeros.
#
# *Modality dropout* (Neverova et al. 2016) makes this happen in training. One coin decides for a
# whole modality of a row. There is no factor $1/(1-p)$: the network should meet in training exactly
# what it meets in use. So this is a second *task*, to classify with a modality missing, rather than
# noise.
#
# ## Exercise: `modality_dropout`

# %% exercise="modality_dropout"
def modality_dropout(xs, p, generator=None, training=True):
    """Set each modality of each row to 0 with probability p, in training; else change nothing.

    All features of one modality of one row share a coin. What is kept is not scaled.

    xs : list of tensors, modality k of shape (rows, features of k), left as they are
    generator : torch.Generator, or None for torch's own; the only source of randomness
    Returns a list of tensors of the same shapes and dtypes; gradients pass.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        return list(xs)
    kept = torch.rand(len(xs), len(xs[0]), 1, generator=generator) >= p
    return [x * keep for x, keep in zip(xs, kept, strict=True)]
    ### END SOLUTION

# %% [markdown] hint="modality_dropout"
# How many coins are needed for two modalities and 50 rows?

# %% [markdown] hint="modality_dropout"
# A mask of shape (rows, 1) times a tensor (rows, features) drops whole rows of it.

# %% [markdown] hint="modality_dropout"
# Each modality has a mask of its own: a row may lose its image and keep its sound. Multiply by the
# mask alone.

# %% check="modality_dropout" points=2
# A modality of a row is there, as it was, or gone, as a whole.
sizes = (7, 1, 4)
dtypes = (torch.float64, torch.float32, torch.float16)
xs = [1 + torch.rand(300, k, generator=expect.generator(), dtype=dtype)
      for k, dtype in zip(sizes, dtypes, strict=True)]
before = [x.clone() for x in xs]
with expect.case("modality_dropout(xs, 0.4, generator), 300 rows of 7, 1 and 4 features", crash=[
    ("to unpack", "xs, or a part of it, is unpacked into a fixed number of names. Loop over xs."),
]):
    out = modality_dropout(xs, 0.4, expect.generator())
    expect.equal(len(out), 3, hint="return a list with one tensor for each modality.")
    for now, x, old in zip(out, xs, before, strict=True):
        expect.tensor(now, x.shape, x.dtype, hint="keep each modality's shape and dtype.")
        expect.unchanged(x, old)
    ratios = np.concatenate([(now / x).numpy() for now, x in zip(out, xs, strict=True)], 1)
    expect.only(ratios, (0, 1), rtol=1e-6, hint="a feature is 0, or as it was.", suspects=[
        (1 / 0.6, "what is kept is divided by 1 - p. A missing modality has no such factor."),
        (0.6, "what is kept is multiplied by 1 - p. Leave it as it is."),
        (1 / 0.4, "what is kept is divided by p. Leave it as it is."),
    ])
    more = [modality_dropout(xs, 0.4, expect.generator())[0] for _ in range(30)]
    expect.equal(all(bool(x.all()) for x in more), False, hint="nothing is dropped.")
    first = ratios[:, :7]
    expect.equal(bool((first == first[:, :1]).all()), True,
                 hint="features are dropped one by one. A modality of a row shares one coin.")
lost = "the gradient does not pass to a modality. Is it detached?"
with expect.case("modality_dropout([x], 0.4)[0].sum().backward(); x.grad",
                 crash=[("does not require grad", lost),
                        ("inplace|in-place", "numbers are written over that torch needs for "
                                             "the gradient. Multiply by a mask.")]):
    x = torch.ones(300, 2, requires_grad=True)
    out = modality_dropout([x], 0.4)[0]
    out.sum().backward()
    expect.close(torch.zeros(300, 2) if x.grad is None else x.grad, out.detach(), hint=lost)

# %% check="modality_dropout" points=2
# Each modality of each row has a coin of its own, fresh at each call and from the generator alone.
xs = [torch.ones(60, 2) for _ in range(8)]


def kept(p, generator):
    out = modality_dropout([x.clone() for x in xs], p, generator)
    return torch.stack([x[:, 0] for x in out], 1)


with expect.case("modality_dropout(xs, 0.5, generator), 8 modalities of 60 rows, 20 times"):
    fell = torch.stack([kept(0.5, expect.generator()) for _ in range(20)]) == 0
    ever = fell.flatten(0, 1).any(0)
    expect.equal(bool(ever.any() and not ever.all()), False,
                 hint="some modalities are dropped, others never. Draw coins for each.")
    again = [bool((fell[:, k:, one] == fell[:, :-k, other]).all())
             for k, one, other in product((1, 2), range(8), range(8)) if one != other]
    expect.equal(any(again) and bool((fell != fell[:, :1]).any()), False,
                 hint="a modality uses another's coins, shifted by some rows. Draw its own.")
with expect.case("modality_dropout(xs, p, generator), 8 modalities of 60 rows, 60 times a p"):
    expect.coins(kept, axes=("row", "modality"), source=expect.generator, none=True, calls=60)

# %% check="modality_dropout" points=1
# Outside training nothing is changed.
with expect.case("modality_dropout([x], 0.5), in training, on 200 rows of ones"):
    expect.some(modality_dropout([torch.ones(200, 2)], 0.5)[0] == 0, "a row without its modality",
                hint="nothing is dropped in training either. Mend that first.")
xs = [torch.randn(9, k, generator=expect.generator()) for k in (3, 5)]
with expect.case("modality_dropout(xs, 0.5, training=False)"):
    out = modality_dropout([x.clone() for x in xs], 0.5, training=False)
    expect.equal(len(out), 2, hint="return a list with one tensor for each modality.")
    for now, x in zip(out, xs, strict=True):
        expect.close(now, x, rtol=1e-6, hint="outside training, return the modalities as they are.",
                     suspects=[(0.5 * x, "what is there is multiplied by 1 - p. Leave it.")])

# %% mistakes="modality_dropout"
{
    "into a fixed number of names": ("return [x * keep for",
                                 "one, other = xs\n    return [x * keep for"),
    "Multiply by a mask": ("[x * keep for x, keep in zip(xs, kept, strict=True)]",
                           "[[row.mul_(coin) for row, coin in zip(y, keep)] and y for y, keep in "
                           "zip([x.clone() for x in xs], kept, strict=True)]"),
    "divided by 1 - p": ("x * keep for", "x * keep / (1 - p) for"),
    "multiplied by 1 - p": ("x * keep for", "x * keep * (1 - p) for"),
    "divided by p": ("x * keep for", "x * keep / p for"),
    "dropped one by one": ("[x * keep for x, keep in zip(xs, kept, strict=True)]",
                           "[x * (torch.rand(x.shape, generator=generator) >= p) for x in xs]"),
    "p is swapped": (">= p", "< p"),
    "every row has the same": ("len(xs[0]), 1,", "1, 1,"),
    "every modality has the same": ("torch.rand(len(xs), len(xs[0]), 1, generator=generator) >= p",
                                    "(torch.rand(1, len(xs[0]), 1, generator=generator) >= p)"
                                    ".expand(len(xs), -1, -1)"),
    "a seed is set inside": ("generator=generator", "generator=torch.Generator().manual_seed(1)"),
    "do not come from the given": (", generator=generator", ""),
    "return the modalities as they are": ("if not training", "if training is None"),
    "nothing is dropped": ("if not training", "if training"),
    "what is there is multiplied": ("list(xs)", "[x * (1 - p) for x in xs]"),
    "modality's shape and dtype": ("x * keep for", "x * keep.float() for"),
    "Is it detached": ("x * keep for", "x.detach() * keep for"),
    "others never": ("return [x * keep for x, keep in zip(xs, kept, strict=True)]",
                     "return [xs[0] * kept[0], *xs[1:]]"),
    "shifted by some rows": ("torch.rand(len(xs), len(xs[0]), 1, generator=generator) >= p",
        "torch.rand(len(xs) * len(xs[0]), 1, generator=generator) >= p\n"
        "    kept = torch.stack([kept[: len(xs[0])].roll(k, 0) if k < 2 else "
        "kept[k * len(xs[0]) : (k + 1) * len(xs[0])] for k in range(len(xs))])"),
    "keep each modality's shape and dtype": ("x * keep for", "x * keep.double() for"),
    "one tensor for each modality": ("[x * keep for x, keep in zip(xs, kept, strict=True)]",
                                     "torch.cat([x * k for x, k in zip(xs, kept)], 1)"),
    "writes into its input": ("x * keep for", "x.mul_(keep) for"),
}

# %% correct="modality_dropout"
def modality_dropout(xs, p, generator=None, training=True):
    out = []
    for x in xs:
        gone = torch.empty(len(x)).uniform_(generator=generator) < p
        out.append(x.clone())
        if training:
            out[-1][gone] = 0
    return out

# %% [markdown]
# Now train with it. Controls: nothing dropped; dropout on the hidden units; dropout of single
# pixels of both images. Each has the $p$ with the lowest error on validation pairs, over three
# conditions: both modalities, the printed one alone, the handwritten one alone. Beside them stand
# networks trained on one modality alone. **Guess: a network was trained on pairs, with nothing
# dropped. The handwritten digit is missing. What is its error?**

# %% guess=true
my_guess = 10  # percent of test pairs, with the printed numeral alone

# %% figure=true
# Test error with both modalities and with one missing, five ways to train: takes some 15 seconds.
guess = expect.guess(my_guess)
xs, y_pairs = robust.pairs("train")
held, held_y = robust.pairs("test")
chosen = {kind: cell["p"] for kind, cell in studies.kept("robustness")["senses"].items()}
source = torch.Generator().manual_seed(0)
p_pixel, p_whole = chosen["input dropout"], chosen["modality dropout"]
kinds = {
    "nothing": (lambda xs: xs, 0.0),
    "hidden dropout": (lambda xs: xs, chosen["hidden dropout"]),
    "pixel dropout": (lambda xs: [F.dropout(x, p_pixel) for x in xs], 0.0),
    "modality dropout": (lambda xs: modality_dropout(xs, p_whole, source), 0.0),
    "trained on this alone": None,
}
errors = {}
with torch.random.fork_rng():
    torch.manual_seed(0)
    for kind, how in kinds.items():
        if how:
            trained = robust.Fused(xs, y_pairs, how[0], p=how[1], seeds=SEEDS)
            errors[kind] = [trained.error(seen, held_y) for seen in study.conditions(held)]
    errors["trained on this alone"] = [np.full(5, np.nan)]
    for seen, asked in zip(study.conditions(xs)[1:], study.conditions(held)[1:], strict=True):
        trained = robust.Fused(seen, y_pairs, lambda xs: xs, seeds=SEEDS)
        errors["trained on this alone"].append(trained.error(asked, held_y))
fig, axes = plot.figure(3, width=10, height=3)
titles = "Both there", "Printed numeral alone", "Handwritten digit alone"
against = []
for k, ax in enumerate(axes):
    for row, kind in enumerate(kinds):
        runs = errors[kind][k]
        color = plot.BLUE if kind == "modality dropout" else plot.GREY
        if not np.isnan(runs).any():
            ax.barh(row, runs.mean(), xerr=plot.standard_error(runs), color=color, ecolor=plot.INK,
                    capsize=3)
            ax.annotate(f" {runs.mean():.1f}", (runs.mean() + plot.standard_error(runs), row),
                        va="center")
    ax.set_yticks(range(5), kinds if k == 0 else [""] * 5)
    ax.set(ylim=(4.6, -0.6), xlabel="test error, % (5 networks ± s.e.)")
    ax.margins(x=0.15)
    against.append(plot.difference(errors["modality dropout"][k], errors["nothing"][k]))
    ax.set_title(f"{titles[k]}: {against[-1]:.1f}", fontsize=10)
axes[1].plot(guess, 0, "X", color=plot.ORANGE, markersize=9, label="your guess")
axes[1].legend(fontsize=8, loc="lower right")
fig.suptitle("What modality dropout adds to the error with nothing dropped, in points", x=0.01,
             ha="left", fontsize=11)
told = "; ".join(f"{title}: {gap:.1f}" for title, gap in zip(titles, against, strict=True))


def beside(kind, other):
    """By how many points the first kind is worse, for each modality alone."""
    return [plot.difference(errors[kind][k], errors[other][k]) for k in (1, 2)]


plot.show(fig, "Test error of five ways to train on pairs, with both modalities and with one "
               f"missing. Modality dropout minus nothing dropped: {told}.",
          claims={
              "worse-than-alone":
                  all(gap.sign > 0 for gap in beside("nothing", "trained on this alone")),
              "modality-dropout-bridges-it": all(gap.sign < 0 for gap in against[1:])
              and all(gap.mean < 3 for gap in beside("modality dropout", "trained on this alone")),
              "single-pixels-do-not":
                  all(gap.sign > 0 for kind in ("pixel dropout", "hidden dropout")
                      for gap in beside(kind, "modality dropout")),
              "here-it-even-helps": against[0].sign < 0,
          })

# %% [markdown]
# Given only one modality, a network trained on complete pairs does worse than one trained on that
# modality alone.{{claim:worse-than-alone}} Modality dropout brings a single network near both such
# networks.{{claim:modality-dropout-bridges-it}} Dropping single pixels or hidden units does
# not.{{claim:single-pixels-do-not}} With both there, it even saves errors
# here.{{claim:here-it-even-helps}} That need not be so: in speech with video, Dai et al. (2024)
# found more errors on complete inputs.
#
# The same idea, asking for parts of the input that were dropped, has other names in other fields. A
# *denoising autoencoder* redraws an image from a part of its pixels (Vincent et al. 2008). A
# *recommender* hides half of what a user liked, and learns to name it (Liang et al. 2018). *Masked
# autoencoders* hide three quarters of the patches (He et al. 2022).
#
# ## Does a generator copy?
#
# A network that makes images may reproduce images that it was trained on (Carlini et al. 2023).
# Does dropout prevent it? A small distance to the training images proves nothing by itself: images
# that look alike are near each other. The null is the distance of *new* images.
#
# ## Exercise: `nearest_distance`

# %% exercise="nearest_distance"
def nearest_distance(images, training):
    """The Euclidean distance of each image to the training image that is nearest to it.

    images : (n, pixels), training : (m, pixels), arrays, left as they are
    Returns an array (n,).
    """
    ### BEGIN SOLUTION
    return np.array([np.linalg.norm(training - image, axis=1).min() for image in images])
    ### END SOLUTION

# %% [markdown] hint="nearest_distance"
# Begin with one image. Subtract it from all training images at once: NumPy repeats it.

# %% [markdown] hint="nearest_distance"
# `np.linalg.norm(differences, axis=1)` gives $m$ distances. Which one is wanted?

# %% [markdown] hint="nearest_distance"
# Go through the images, and keep the smallest distance of each.

# %% check="nearest_distance" points=2
# Against all n × m distances.
negative = "rounding takes squares below 0, whose root is nan. Make them 0 before."
for dtype in (np.float64, np.float32):
    rng = expect.rng()
    images, training = (rng.random((n, 12)).astype(dtype) for n in (7, 9))
    images[2], images[5] = training[4], training[5]
    table = np.array([[np.sqrt(np.sum((a - b) ** 2.0)) for b in training] for a in images], float)
    right = table.min(1)
    with expect.case(f"nearest_distance(images, training), 7 and 9 images of 12 pixels, "
                     f"{np.dtype(dtype)}"):
        given = images.copy(), training.copy()
        found = nearest_distance(*given)
        expect.equal(found is not None and bool(np.isnan(found).any()), False, hint=negative)
        expect.unchanged(given[0], images)
        expect.unchanged(given[1], training)
        expect.close(found, right, rtol=1e-4, atol=2e-3,
                     hint="for each image, the smallest of its 9 distances.", suspects=[
            (right**2, "those are squares. Take the root."),
            ((table**2).sum(1) ** 0.5,
             "that is the norm of all differences at once. Take one for each training image."),
            (np.sort(table, 1)[:, 1], "that is the second nearest. Take the nearest."),
            (np.array([row[row > 0].min() for row in table]),
             "a distance of 0 is left out. An image that was copied has it."),
            (np.where(np.eye(7, 9) > 0, np.inf, table).min(1),
             "image i is not compared with training image i. These are other images: do."),
            (table.mean(1), "that is the mean distance. Take the smallest."),
            (table.max(1), "that is the farthest. Take the nearest."),
            (table.min(0), "that is one number for each training image. Ask for each image."),
            (table.min(), "that is the smallest of all. Give one number for each image."),
            (right.mean(), "that is the mean. Give one number for each image."),
            (table.argmin(1), "that is which image is nearest. Return how far it is."),
            (right / 12**0.5, "that is the mean over the pixels. Sum over them."),
            (np.abs(images[:, None] - training).sum(2).min(1),
             "absolute values are summed. Square, sum, then take the root."),
            (np.linalg.norm(images - training.mean(0), axis=1),
             "that is the distance to the mean image. Ask each training image."),
            (table, "those are all distances. Keep the smallest of each row."),
        ])
    copied = rng.random((60, 100)).astype(dtype)
    with expect.case(f"nearest_distance(images, training), 60 images that are all copied, "
                     f"{np.dtype(dtype)}"):
        found = nearest_distance(copied[::-1].copy(), copied.copy())
        expect.equal(found is not None and bool(np.isnan(found).any()), False, hint=negative)
        expect.close(found, np.zeros(60), atol=2e-2, hint="a copied image has a distance of 0.")

# %% mistakes="nearest_distance"
{
    "those are squares": ("axis=1).min()", "axis=1).min() ** 2"),
    "norm of all differences": ("training - image, axis=1).min()", "training - image)"),
    "the second nearest": (
        "np.linalg.norm(training - image, axis=1).min()",
        "sorted(np.linalg.norm(training - image, axis=1))[1]"),
    "a distance of 0 is left out": (
        "training - image, axis=1).min()", "training[(training != image).any(1)] - image, "
        "axis=1).min()"),
    "writes into its input": ("return np.array(", "images *= 1 + 1e-3\n    return np.array("),
    "mean distance": (".min()", ".mean()"),
    "the farthest": (".min()", ".max()"),
    "for each training image": ("training - image, axis=1).min() for image in images",
                                "images - image, axis=1).min() for image in training"),
    "smallest of all": ("return np.array(", "return np.min("),
    "that is the mean. Give": ("return np.array(", "return np.mean("),
    "which image is nearest": (".min()", ".argmin()"),
    "mean over the pixels. Sum": ("axis=1).min()", "axis=1).min() / len(image) ** 0.5"),
    "absolute values are summed": ("np.linalg.norm(training - image, axis=1)",
                                   "np.abs(training - image).sum(1)"),
    "distance to the mean image": ("training - image, axis=1", "training.mean(0, keepdims=True) "
                                   "- image, axis=1"),
    "those are all distances": (".min()", ""),
    "not compared with training image i": (
        "np.linalg.norm(training - image, axis=1).min() for image in images",
        "np.linalg.norm(np.delete(training, i, 0) - image, axis=1).min() "
        "for i, image in enumerate(images)"),
    "whose root is nan": (
        "np.linalg.norm(training - image, axis=1).min()",
        "np.sqrt((training**2).sum(1) + (image**2).sum() - 2 * (training @ image)).min()"),
}

# %% correct="nearest_distance"
def nearest_distance(images, training):
    squares = (images**2).sum(1)[:, None] + (training**2).sum(1) - 2 * images @ training.T
    return np.sqrt(np.maximum(squares, 0)).min(axis=1)

# %% [markdown]
# A *diffusion model* learns to take noise out of images, and then turns pure noise into an image,
# in many small steps. Below, one is trained on 50 numerals without dropout, and one with it.
# **Guess: what share of the first model's images is nearer to a training image than to any of 50
# others that it never saw?** Chance would be 50 %.

# %% guess=true
my_guess = 60  # percent of generated images

# %% figure=true
# Generated images above their nearest training image, your distances, and what dropout changes.
guess = expect.guess(my_guess)
X_all = robust.numerals(8000, 3)[0]
own, others = X_all[:50], X_all[250:300]
both = robust.Diffusion(torch.as_tensor(own).expand(2, -1, -1), [0.0, 0.3], steps=2000)
made = dict(zip(("p = 0", "p = 0.3"), both.images(200).numpy(), strict=True))
sets = made | {"new images": X_test[:200]}
near = {name: np.asarray(nearest_distance(some, own)) for name, some in sets.items()}
far = {name: np.asarray(nearest_distance(some, others)) for name, some in sets.items()}
cells = {key: {k: np.array(v) for k, v in cell.items()}
         for key, cell in studies.kept("robustness")["generators"].items()}

fig, (left, middle, right) = plot.figure(3, width=11, height=3.2)
rows = []
for some in made.values():
    nearest = [own[np.argmin(np.sum((own - image) ** 2, 1))] for image in some[:8]]
    rows += [some[:8], nearest]
sheet = np.reshape(rows, (4, 8, 14, 14)).swapaxes(1, 2).reshape(56, 112)
plot.image(sheet, left, largest=1)
left.set_yticks(14 * np.arange(4) + 7, ["p = 0", "nearest", "p = 0.3", "nearest"])
left.tick_params(length=0)
left.set_title("Generated now")
for (name, distances), color in zip(near.items(), (plot.ORANGE, plot.BLUE, plot.GREY), strict=True):
    middle.hist(distances, np.linspace(0, 5, 41), histtype="step", linewidth=2, color=color,
                label=name)
middle.set(xlabel="your distance to the nearest of 50 training images", ylabel="of 200 images")
middle.legend(fontsize=8)
middle.set_title("Nearer to a training image, %:\n" + ", ".join(
    f"{name}: {100 * np.mean(near[name] < far[name]):.0f}" for name in sets), fontsize=10)
for n, color in zip(study.IMAGES, (plot.BLUE, plot.GREEN), strict=True):
    x, y = (np.array([cells[f"{n} {p}"][what] for p in study.GENERATOR_PS])
            for what in ("spread", "copies"))
    right.errorbar(x.mean(1), y.mean(1), plot.standard_error(y, 1), plot.standard_error(x, 1),
                   marker="o", capsize=2, color=color, label=f"{n} training images")
    for p, at in zip(study.GENERATOR_PS, np.stack([x.mean(1), y.mean(1)], 1), strict=True):
        right.annotate(f"p = {p:g}", at, xytext=(4, -11), textcoords="offset points", fontsize=8,
                       color=color)
null = np.concatenate([cell["null"] for cell in cells.values()])
right.axhline(null.mean(), color=plot.GREY, linestyle="--", label="new images")
copies, spread = (cells["50 0.0"][what] for what in ("copies", "spread"))
right.axhline(guess, color=plot.PINK, linestyle=":", label="your guess, p = 0, 50")
less = plot.difference(cells["50 0.3"]["copies"], copies)
narrow = plot.difference(cells["50 0.3"]["spread"], spread)
data = plot.difference(cells["400 0.0"]["copies"], copies)
wide = plot.difference(cells["400 0.0"]["spread"], spread)
equal = cells["400 0.0 equal"]  # eight times as many steps
often = plot.difference(equal["copies"], copies)
apart = plot.difference(equal["spread"], spread)
right.plot(equal["spread"].mean(), equal["copies"].mean(), "s", color=plot.GREEN,
           label="400, each seen as often")
right.set(xlabel="how far apart generated images are\n(1: as real ones)", xlim=(0, 1),
          ylabel="nearer to a training image, %", ylim=(40, 134), yticks=(40, 60, 80, 100))
right.set_title(f"50 images: {copies.mean():.0f} ± {plot.standard_error(copies):.0f} %;"
                f"\np = 0.3 adds {less:.0f}", fontsize=10)
right.legend(fontsize=7, loc="upper left", labelspacing=0.2)
plot.show(fig, "Generated images and their nearest training images; distances; and the share of "
               "generated images that are nearer to a training image than to any of as many "
               f"others, five generators each. From 50 images, {copies.mean():.0f} %; p = 0.3 adds "
               f"{less:.0f} points, and {narrow:.2f} to how far apart they are; 400 images in "
               "place of 50 "
               f"add {data:.0f} points, and {wide:.2f}; where each is seen as often, {often:.0f} "
               "points.",
          claims={
              "a-small-generator-copies": bool(copies.min() > max(85, null.max())),
              "dropout-copies-less": less.sign < 0,
              "but-its-images-are-alike": narrow.sign < 0 and narrow.mean < -0.15,
              "data-copies-less": data.sign < 0 and wide.mean - 2.78 * wide.error > -0.1,
              "seen-as-often-too": often.sign < 0 and often.mean < -15
              and apart.mean - 2.78 * apart.error > -0.1,
          })

# %% [markdown]
# From 50 images, nearly all generated images are nearer to a training image than to a new
# one.{{claim:a-small-generator-copies}} At $p = 0.3$ fewer are.{{claim:dropout-copies-less}} But
# look: they are all alike.{{claim:but-its-images-are-alike}} A generator that always draws the mean
# image copies nothing either. More training images help without that
# price,{{claim:data-copies-less}} also if each is seen as often.{{claim:seen-as-often-too}}
#
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="fair" points=1
# With noise of 0.2, network A makes 20 % errors and B makes 25 %. Undamaged, A makes 6 % and B
# makes 10 %. This shows that A is:
#
# - [ ] more robust to noise
# - [ ] less robust to noise
# - [x] better under noise, and whether it is more robust remains open
#
# Hint: what error under noise would a plain network have that makes 6 % errors undamaged?

# %% question="unscaled" points=1
# Modality dropout does not divide what is kept by 1 - p, because:
#
# - [ ] the mean over coins does not matter in a ReLU network
# - [x] in use, what is there arrives as it is, beside zeros for what is missing
# - [ ] a modality has too few features
#
# Hint: what does the network see in use when one modality is missing?

# %% question="copying" points=1
# A generator's images lie, on average, 2.1 from the nearest training image. To say whether it
# copies, you need:
#
# - [ ] more generated images
# - [x] the same distance for images that were not trained on
# - [ ] the distance between two training images that are farthest apart
#
# Hint: what would this number be for a generator that copies nothing?

# %% [markdown]
# ## In your own words
#
# A supplier writes: "Our classifier was trained with dropout, so it is robust: with 30 % of the
# pixels lost it makes a third fewer errors than the old one." Say in three to six sentences what
# this shows, which control is missing, and against what you would expect dropout to protect and
# against what not. Use two measurements of this lesson. (In a class, your instructor grades this.)

# %% [markdown] answer="supplier" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: fewer errors under damage may be fewer errors altogether. Missing is a
# control of equal clean error, such as a network without dropout and with more images, and the
# spread over several networks. One point: a case where dropout protected and one where it did not,
# each with a measurement beside its control.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - At one learning rate, dropout has fewer errors under most damage.{{claim:dropout-looks-robust}}
#   Beside plain networks at their best rate, this remains clear under lost pixels
#   only.{{claim:tuned-alike-pixels-remain}} At equal clean error, hidden dropout hardly protects
#   from lost pixels or noise,{{claim:hidden-dropout-barely-protects-images}} but at $p = 0.2$ it
#   does from rounding.{{claim:a-larger-p-protects-from-rounding}} Against weight noise it protects
#   no better than a larger learning rate.{{claim:a-learning-rate-does-as-much}}
# - Input dropout protects best from lost pixels,{{claim:input-dropout-protects-from-lost-pixels}}
#   not noise;{{claim:but-not-from-noise}} input noise from
#   noise,{{claim:input-noise-protects-from-noise}} and here also from
#   attacks.{{claim:input-noise-does-help}} Dropout is no defence.{{claim:dropout-is-no-defence}}
# - A network copes with a missing modality if it met that in
#   training.{{claim:modality-dropout-bridges-it}}
# - A generator trained on few images stays near them.{{claim:a-small-generator-copies}} Dropout at
#   $p = 0.3$ makes it copy less,{{claim:dropout-copies-less}} and vary
#   less.{{claim:but-its-images-are-alike}}
#
# **Read.** Taori et al., *Measuring robustness to natural distribution shifts in image
# classification*, NeurIPS 2020 (arXiv:2007.00644). Hendrycks and
# Dietterich, *Benchmarking neural network robustness to common corruptions and perturbations*, ICLR
# 2019 (arXiv:1903.12261). Goodfellow, Shlens and Szegedy, *Explaining and harnessing adversarial
# examples*, ICLR 2015 (arXiv:1412.6572). Madry et al., *Towards deep learning models resistant to
# adversarial attacks*, ICLR 2018 (arXiv:1706.06083). Vincent et
# al., *Extracting and composing robust features with denoising autoencoders*, ICML 2008. Neverova
# et al., *ModDrop*, IEEE TPAMI 38 (2016; arXiv:1501.00102). Dai et al., *A study of dropout-induced
# modality bias*, CVPR 2024 (arXiv:2403.04245). Liang et al., *Variational
# autoencoders for collaborative filtering*, WWW 2018 (arXiv:1802.05814). He et al., *Masked
# autoencoders are scalable vision learners*, CVPR 2022 (arXiv:2111.06377). Carlini et al.,
# *Extracting training data from diffusion models*, USENIX Security 2023 (arXiv:2301.13188). Meehan,
# Chaudhuri and Dasgupta, *A non-parametric test to detect data-copying in generative models*,
# AISTATS 2020 (arXiv:2004.05675). Bonnaire et al., *Why diffusion models don't memorize*, NeurIPS
# 2025 (arXiv:2505.17638).
#
# **Stretch.** Train on the images that your `fgsm` makes in each step (Goodfellow et al. 2015).
# What does it cost on clean images, and does it help against lost pixels?
#
# **Still open.** What is dropout used for in the networks of today? That is {{today}}.
