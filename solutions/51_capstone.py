# %% [markdown]
# # 5.1 · Capstone
#
# **Does it help, and how would you know?**
#
# *90 minutes. Before: {{inverted_dropout}}, {{pytorch}} and {{overfitting}}; others of your
# choice. After, you will have regularised a problem of your own choice, shown by an ablation what
# each part does, and reported it so that others can believe you.*
#
# | symbol | meaning |
# | --- | --- |
# | $p$ | probability that a hidden unit is **dropped** in training |
# | training rows | what weights are fitted to |
# | validation rows | what settings are chosen by |
# | held-out rows | what is scored, once |
# | ablation | the same run with one part changed or taken out |
# | s.e. | standard error $s/\sqrt k$ of a mean over $k$ runs |

# %% setup=true
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import capstone, expect, explore, plot, train

torch.set_num_threads(1)  # products this small would only wait for each other's threads

# %% [markdown]
# Which dropout suits which layer, and at what rate, is in the table of {{today}}. Here you find out
# whether it helps on a problem of your choice.
#
# ## How a result lies
#
# Most wrong results in this field are no fraud. Somebody tries ten variants, takes the best one
# and reports the number that made it the best. Below, the ten variants are *the same network* with
# ten seeds, so there is little to find. Error rates are read on 60 rows, the best seed is taken,
# and is measured once more on 940 other rows; in twelve worlds.
#
# **Before you run the cell, guess: by how many points does the best of ten look better than the
# ten are on average?**

# %% guess=true
my_guess = 1  # percentage points by which the best of ten looks better than their mean

# %% figure=true
# Ten equal networks, and the best of them: on the rows that chose it, and on 940 others.
guess = expect.guess(my_guess)
worlds = [capstone.world("digits", seed) for seed in range(12)]
each = np.repeat(np.arange(12), 10)
ten = train.many(
    *(np.stack(part)[each] for part in zip(*((w.X, w.y) for w in worlds), strict=True)),
    [32], seeds=np.tile(np.arange(10), 12), rate=0.05, steps=200,
    watch={name: [np.stack([part(values) for values in own])[each]
                  for own in ([w.held_X for w in worlds], [w.held_y for w in worlds])]
           for name, part in (("few", lambda v: v[:60]), ("many", lambda v: v[60:]))})
few, many = (100 * ten.error[name][:, -1].reshape(12, 10) for name in ("few", "many"))
best = few.argmin(1)
runs = np.array([few.mean(1), few[range(12), best], many.mean(1), many[range(12), best]])

fig, (ax,) = plot.figure(1, height=2.3, width=7.5)
plot.bars(runs.mean(1), ["60 rows: mean of ten seeds", "60 rows: best of ten seeds",
                         "940 other rows: mean of ten", "940 other rows: that best seed"], ax,
          spread=plot.standard_error(runs, 1),
          colors=[plot.GREY, plot.ORANGE, plot.GREY, plot.BLUE])
ax.axvline(runs[0].mean() - guess, 0.5, color=plot.INK, linestyle="--")
looks, lasts = plot.difference(runs[0], runs[1]), plot.difference(runs[2], runs[3])
ax.set(xlabel="error rate, % (12 worlds ± s.e.; dashed: the best one, by your guess)",
       title=f"Gain of the best: {looks:.1f} points; on other rows {lasts:.1f}")
plot.show(fig, "Bars: the mean error of ten equal networks and that of the best one, on the 60 "
               "rows that chose it and on 940 other rows; a line marks your guess.")

# %% [markdown]
# Seeds differ a little, so a part of the gain remains; most of it was luck with 60 rows, and a
# table with the orange bar in it would be believed. The remedy is as old as the problem: three
# kinds of rows, each used for one thing; several seeds; the mean.
#
# ### One question from {{overfitting}}
#
# You report $k$ runs as mean ± s.e. To halve the s.e., how many runs do you need?
#
# ## Choose your problem
#
# All of them come as *worlds*: `capstone.world(problem, seed)` makes one copy, with `X`, `y` to
# learn from and `held_X`, `held_y` to be scored on. In each world **three in ten labels of `y` are
# wrong**, as with hurried annotators. A network that learns its rows by heart learns the faults
# too. The labels that score are right.
#
# The worlds of seeds 0 to 99 are yours. **You are graded in worlds whose seeds the check draws, and
# which it forgets.** Other rows, classes that swap names, columns mixed by a secret linear map:
# to know the data by heart is of no use, and what helps is what generalises.
#
# `"mnist"` and `"fashion-mnist"` need their files (`DROPOUT_DATA`). Where the grader has none, it
# takes glyphs in their place.

# %%
for name, words in capstone.PROBLEMS.items():
    there = "" if capstone.available(name) else " (not on this machine)"
    print(f"{name:16} {words}{there}")

images, numerals = capstone.sample("glyphs", 12, seed=0)
fig, axes = plot.figure(12, height=0.9)
for ax, row, numeral in zip(axes, images, numerals, strict=True):
    plot.image(row.reshape(14, 14), ax)
    ax.set_title(f"{numeral}", fontsize=9)
plot.show(fig, "Twelve glyphs and their classes, before a world mixes their columns.")

# %% [markdown]
# ## Exercise: `problem`

# %% exercise="problem"
problem = ...  # one of the names above, in quotation marks
if problem is ...:
    ### BEGIN SOLUTION
    problem = "digits"
    ### END SOLUTION

# %% check="problem" points=1
# The name is that of a problem.
with expect.case("problem"):
    expect.equal(problem, next((n for n in capstone.PROBLEMS if n == problem), "digits"),
                 hint="write one of the names in the list above, letter by letter.")

# %% [markdown]
# How badly does a network do that nothing regularises? `capstone.baseline` trains it: two hidden
# layers of 128 units, 600 steps. It is what you have to beat.

# %%
chosen = problem if capstone.available(problem) else "glyphs"
worlds = [capstone.world(chosen, seed) for seed in range(5)]
base = 100 * capstone.baseline(worlds, 0)
print(f"{chosen}: {worlds[0].X.shape[0]} rows with {worlds[0].X.shape[1]} columns, "
      f"{worlds[0].y.max() + 1} classes")
print(f"baseline: held-out error {base.mean():.1f} ± {plot.standard_error(base):.1f} % "
      f"(5 worlds ± s.e.); needed: {capstone.GAIN[chosen]} points less")

# %% [markdown]
# ## Exercise: `prepare`
#
# Held-out rows score, once. Choosing needs rows too, so part of your training rows becomes the
# *validation* rows. "First standardise, then split" is the usual leak: mean and deviation are
# fitted numbers like any weight, and those of all rows know something about rows that are to
# stand for the unknown. A small leak here; with feature selection or imputation a large one.

# %% exercise="prepare"
def prepare(X, y, rng, share=0.25):
    """Split rows at random, and standardise both parts by the training part.

    X : array (n, features), y : array (n,); left as they are
    rng : np.random.Generator, draws which rows validate
    share : round(share * n) rows validate, all others train
    Returns X_train, y_train, X_val, y_val. Columns of X_train have mean 0 and standard deviation 1
    (with n in it), X_val is shifted and scaled as they are; a column that is constant is 0.
    """
    ### BEGIN SOLUTION
    order = rng.permutation(len(X))
    validating, training = np.split(order, [round(share * len(X))])
    centre, deviation = X[training].mean(0), X[training].std(0)
    scaled = (X - centre) / np.where(deviation > 0, deviation, 1)
    return scaled[training], y[training], scaled[validating], y[validating]
    ### END SOLUTION

# %% [markdown] hint="prepare"
# One random order of the row numbers, cut in two, gives both parts: none is in both, none is lost.

# %% [markdown] hint="prepare"
# Index `X` and `y` with the same row numbers. Then compute a mean and a deviation for each column,
# of which rows?

# %% [markdown] hint="prepare"
# A constant column has deviation 0. `np.where(deviation > 0, …)` puts a 1 in its place before you
# divide.

# %% check="prepare" points=2
# Every row is in one part, by chance, and keeps its label.
draw = expect.rng()
table = draw.normal(size=(80, 3))
table[:, 0] = np.arange(80)
label = np.arange(80)  # tells which row it was
seed = int(draw.integers(2**31))
with expect.case("prepare(X, y, rng) of 80 rows"):
    got = prepare(table, label, np.random.default_rng(seed))
    expect.equal(len(got), 4, hint="return X_train, y_train, X_val, y_val.")
    expect.array(got[1], 60, hint="three quarters of the rows train. share is that of validation.")
    expect.array(got[3], 20, hint="round(share * n) rows validate: here 20.")
    expect.array(got[0], (60, 3), hint="X_train has a row for each entry of y_train.")
    expect.array(got[2], (20, 3), hint="X_val has a row for each entry of y_val.")
    expect.equal(np.intersect1d(got[1], got[3]).size, 0,
                 hint="rows are in both parts: validation then rewards learning by heart.")
    expect.equal(np.sort(np.concatenate([got[1], got[3]])), label,
                 hint="rows are missing or doubled. Each row belongs to one part, once.")
    for first in (0, 60):
        expect.varies([np.sort(got[3]), np.arange(first, first + 20)], chance=1e-18,
                      what="validation rows from anywhere",
                      hint="the rows are not shuffled. Files are often sorted by class.")
    expect.equal(np.argsort(got[0][:, 0]), np.argsort(got[1]),
                 hint="rows and labels are parted: use one order for X and y.")
with expect.case("prepare(X, y, rng) twice with the same rng"):
    draws = np.random.default_rng(seed)
    both = [np.sort(prepare(table, label, draws)[3]) for _ in range(2)]
    expect.varies(both, chance=1e-18, what="two different splits",
                  hint="each call makes the same split: a seed is set inside. Draw from rng.")
with expect.case("prepare(X, y, rng) with two generators of one seed"):
    expect.repeats(got[3], prepare(table, label, np.random.default_rng(seed))[3],
                   hint="the split does not come from rng.")

# %% check="prepare" points=2
# Mean and deviation are those of the training rows.
draw = expect.rng()
table = draw.normal(3, [0.1, 1, 5], size=(40, 3))
before = table.copy()
with expect.case("prepare(X, y, rng) of 40 rows, X_val"):
    got = prepare(table, np.arange(40), draw)
    expect.unchanged(table, before)
    own, other = before[got[1]], before[got[3]]
    ways = {"right": own, "all": before, "val": other}
    found = {name: (other - rows.mean(0)) / rows.std(0) for name, rows in ways.items()}
    expect.close(
        got[2], found["right"], rtol=1e-5, atol=1e-5,
        hint="subtract the training rows' means, divide by their deviations.",
        suspects=[
            (found["all"], "those are of all rows: validation rows leak. Split first."),
            (found["val"], "validation rows are scaled by their own numbers, not by the others'."),
            (other, "validation rows are not scaled. They need the same as the others."),
            (other - own.mean(0), "the deviation is missing. Divide by it."),
            ((other - own.mean(0)) / own.var(0), "that divides by the variance: take its root."),
            ((other - own.mean(0)) / own.std(), "one deviation serves all columns. Use axis 0."),
        ])
    expect.close(got[0], (own - own.mean(0)) / own.std(0), rtol=1e-5, atol=1e-5,
                 hint="X_train is to have mean 0 and standard deviation 1 in each column.")

# %% check="prepare" points=1
# A column that is constant comes out as 0.
table = expect.rng().normal(size=(40, 2))
table[:, 1] = 5
with expect.case("prepare(X, y, rng) of 40 rows, column 1 always 5, in X_train and X_val"):
    got = prepare(table, np.arange(40), expect.rng())
    expect.close(np.concatenate([got[0], got[2]])[:, 1], np.zeros(40), atol=1e-6,
                 hint="a constant column becomes 0.",
                 suspects=[(np.full(40, np.nan), "0 / 0 gives NaN. Where it is 0, divide by 1.")])

# %% mistakes="prepare"
{
    "share is that of validation": ("validating, training =", "training, validating ="),
    "rows are in both parts":
        ("centre,", "training = rng.permutation(order)[len(validating) :]\n    centre,"),
    "missing or doubled":
        ("centre,", "training = rng.choice(training, len(training))\n    centre,"),
    "not shuffled": ("rng.permutation(len(X))", "np.arange(len(X))"),
    "rows and labels are parted": ("order = rng", "X = rng.permutation(X)\n    order = rng"),
    "a seed is set inside": ("rng.permutation", "np.random.default_rng(0).permutation"),
    "does not come from rng": ("rng.permutation", "np.random.permutation"),
    "validation rows leak": ("X[training].mean(0), X[training].std(0)", "X.mean(0), X.std(0)"),
    "by their own numbers": (
        "scaled[validating]",
        "(X[validating] - X[validating].mean(0)) / np.maximum(X[validating].std(0), 1e-9)",
    ),
    "validation rows are not scaled": ("scaled[validating]", "X[validating]"),
    "the deviation is missing": (" / np.where(deviation > 0, deviation, 1)", ""),
    "divides by the variance": ("X[training].std(0)", "X[training].var(0)"),
    "one deviation serves all columns": ("X[training].std(0)", "X[training].std()"),
    "X_train is to have mean 0": ("return scaled[training]", "return X[training]"),
    "writes into its input": ("scaled = (X - centre)", "X -= centre\n    scaled = X"),
    "0 / 0 gives NaN": ("np.where(deviation > 0, deviation, 1)", "deviation"),
}

# %% correct="prepare"
def prepare(X, y, rng, share=0.25):
    validates = np.zeros(len(X), bool)
    validates[rng.choice(len(X), round(share * len(X)), replace=False)] = True
    own = X[~validates]
    span = own.std(axis=0)
    span[span == 0] = 1.0
    return ((own - own.mean(axis=0)) / span, y[~validates],
            (X[validates] - own.mean(axis=0)) / span, y[validates])

# %% [markdown]
# ## Exercise: `predict`
#
# The second classic: a score that was read in training mode. And its opposite, a `predict` that
# leaves the model in evaluation mode, so that the rest of the training runs without dropout.

# %% exercise="predict"
def predict(model, X):
    """The class probabilities that a network gives each row, nothing dropped.

    model : torch module, (b, features) float32 -> logits (b, classes); keeps the mode it is in
    X : array (n, features) of floats
    Returns an array (n, classes); a row depends on its own row of X only.
    """
    ### BEGIN SOLUTION
    mode = model.training
    model.eval()
    with torch.inference_mode():
        probabilities = model(torch.as_tensor(X, dtype=torch.float32)).softmax(1).numpy()
    model.train(mode)
    return probabilities
    ### END SOLUTION

# %% [markdown] hint="predict"
# Four steps: note the mode, change it, compute, change it back.

# %% [markdown] hint="predict"
# No gradient is needed here, and a tensor with a history does not become an array.

# %% [markdown] hint="predict"
# Probabilities sum to 1 over the classes of a *row*: over which axis does the softmax go?

# %% check="predict" points=1
# Each row gets its probabilities, and nothing is dropped.
draw = expect.rng()
rows = draw.normal(1, 2, size=(30, 6))
net = nn.Sequential(nn.Linear(6, 50), nn.ReLU(), nn.Dropout(0.5), nn.Linear(50, 4))
for weight in net.parameters():
    weight.data.copy_(torch.tensor(draw.normal(0, 0.7, size=weight.shape)))
W, b, V, c = (weight.detach().double().numpy() for weight in net.parameters())
logits = {name: np.maximum(inputs @ W.T + b, 0) @ V.T + c
          for name, inputs in (("right", rows), ("moved", (rows - rows.mean(0)) / rows.std(0)))}
share = {name: train.softmax(z) for name, z in logits.items()}
with expect.case("predict(model, X) of 30 rows, model in training mode"):
    got = predict(net.train(), rows)
    expect.array(got, (30, 4), hint="return an array with a row of probabilities for each row.")
    expect.equal(predict(net.train(), rows), got,
                 hint="a second call gives others: units are dropped. Call model.eval() first.")
    expect.close(
        got, share["right"], rtol=1e-3, atol=1e-5,
        hint="take the softmax of the model's logits over the classes.",
        suspects=[
            (logits["right"], "those are logits. Take their softmax."),
            (train.softmax(logits["right"].T).T, "the softmax goes over the rows. Use axis 1."),
            (np.log(share["right"]), "those are log probabilities."),
            (1 / (1 + np.exp(-logits["right"])), "a sigmoid for each class does not sum to 1."),
            (share["moved"], "X is standardised by itself: a row depends on the others."),
        ])

# %% check="predict" points=1
# The model keeps the mode that it is in.
net, rows = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2)), np.ones((40, 3))
with expect.case("predict(model, X), model in training mode"):
    first = predict(net.train(), rows)
    expect.equal(predict(net.train(), rows), first,
                 hint="a second call gives others: units are dropped. Call model.eval() first.")
    expect.equal(net.training, True,
                 hint="the model is left in evaluation mode: training would go on undropped.")
with expect.case("predict(model, X), model in evaluation mode"):
    net.eval()
    predict(net, rows)
    expect.equal(net.training, False, hint="the model is left in training mode. Keep its mode.")

# %% mistakes="predict"
{
    "units are dropped": ("    model.eval()\n", ""),
    "those are logits": (".softmax(1)", ""),
    "goes over the rows": ("softmax(1)", "softmax(0)"),
    "log probabilities": ("softmax(1)", "log_softmax(1)"),
    "a sigmoid for each class": ("softmax(1)", "sigmoid()"),
    "row of probabilities for each row": ("softmax(1)", "argmax(1)"),
    "standardised by itself": ("mode =", "X = (X - X.mean(0)) / X.std(0)\n    mode ="),
    "left in evaluation mode": ("    model.train(mode)\n", ""),
    "left in training mode": ("model.train(mode)", "model.train()"),
}

# %% correct="predict"
def predict(model, X):
    mode, inputs = bool(model.training), torch.tensor(np.asarray(X, np.float32))
    model.train(False)
    logits = torch.cat([model(row[None]).detach() for row in inputs])
    model.train(mode)
    weight = np.exp(logits.numpy() - logits.numpy().max(1, keepdims=True))
    return weight / weight.sum(1, keepdims=True)

# %% [markdown]
# ## Exercise: `fit`
#
# Now yours alone. Anything that torch can do is allowed: placement and kind of dropout, weight
# decay, smoothing, early stopping (on rows that you set aside), another network. The **budget**:
# 60 000 parameters, and for a call twelve times as long as the baseline trains (twice as long is
# enough).
#
# Use your own worlds and your validation rows to choose. Choose with more than one seed: between
# two seeds of one setting the error differs by points. Nothing tells you the truth about `y`:
# three in ten are wrong in your validation rows too, and a perfect network errs on 30 % of them.
# The order of two settings survives that, in the mean.

# %% exercise="fit"
def fit(X, y, seed, p=0.5):
    """Train a network on these rows, and on nothing else.

    X : array (n, features) float32; y : array (n,) of classes 0 … c-1, all of which occur
    seed : decides everything that is random; the same seed gives the same network
    p : drop probability of your hidden layers; with p = 0 nothing at all is dropped.
        Its default is your choice. What you drop elsewhere may depend on p.
    Returns a torch module, (b, features) float32 -> logits (b, c).
    """
    ### BEGIN SOLUTION
    with torch.random.fork_rng(devices=[]):  # torch's own generator is left as it was
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Dropout(0.6 * p),
            *(nn.Linear(X.shape[1], 128), nn.ReLU(), nn.Dropout(p)),
            *(nn.Linear(128, 128), nn.ReLU(), nn.Dropout(p)),
            nn.Linear(128, int(y.max()) + 1),
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.02)
        inputs, targets = torch.as_tensor(X, dtype=torch.float32), torch.as_tensor(y)
        for _ in range(600):
            rows = torch.randint(len(inputs), (64,))
            loss = F.cross_entropy(model(inputs[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()
    ### END SOLUTION

# %% [markdown] hint="fit"
# Begin with {{overfitting}}: two hidden layers, `nn.Dropout(p)` behind each, some hundreds of
# steps on batches of 64. Does it beat the baseline? By how much, over five worlds?

# %% [markdown] hint="fit"
# Look at the error on the *given* labels of the training rows. If it is far below 30 %, the
# network learns the wrong ones by heart, and needs more of what you have, or something else as
# well: weight decay, dropout of the inputs, fewer steps.

# %% [markdown] hint="fit"
# One call of `torch.manual_seed` decides initial weights, batches and masks at once. Inside the
# context manager `torch.random.fork_rng` it leaves the generator of everybody else alone.

# %% [markdown]
# Your network against the baseline, in your own five worlds.

# %%
def error(model, X, y):
    return 100 * train.error_rate(predict(model, X), y)


models = [fit(world.X, world.y, seed) for seed, world in enumerate(worlds)]
pairs = list(zip(models, worlds, strict=True))
scores = {
    "baseline, held-out rows": base,
    "yours, held-out rows": [error(m, w.held_X, w.held_y) for m, w in pairs],
    "yours, training rows as given": [error(m, w.X, w.y) for m, w in pairs],
    "yours, training rows in truth": [error(m, w.X, w.true_y) for m, w in pairs],
}
table = np.array(list(scores.values()))
fig, (ax,) = plot.figure(1, height=2.3, width=7.5)
plot.bars(table.mean(1), list(scores), ax, spread=plot.standard_error(table, 1),
          colors=[plot.ORANGE, plot.BLUE, plot.GREY, plot.GREY])
ax.axvline(30, color=plot.INK, linestyle="--")
gap = plot.difference(scores["yours, held-out rows"], base)
ax.set(xlabel=f"{chosen}: error rate, % (5 worlds ± s.e.; dashed: share of wrong labels)",
       title=f"Yours − baseline on held-out rows: {gap:.1f} points")
plot.show(fig, "Error of the baseline and of your network on held-out and on training rows.")

# %% [markdown]
# The last two bars are the point. A network that fits all given labels has learnt the faults; a
# good one disagrees with them, and is right. (You may look at `true_y` here. `fit` may not.)

# %% check="fit" points=1
# A module within the budget, that follows from its seed, and drops by p.
tried = capstone.world("digits", int(np.random.default_rng().integers(2**40)))
X_given, y_given = tried.X[:200].copy(), tried.y[:200].copy()
y_given[:10] = np.arange(10)
kept = X_given.copy(), y_given.copy()
some = torch.tensor(tried.held_X[:20])
with expect.case("fit(X, y, seed=1) of 200 rows"):
    began = perf_counter()
    net = fit(X_given, y_given, 1)
    lasted = perf_counter() - began
    began = perf_counter()
    capstone.baseline([tried], 0)  # what is busy slows both
    allowed = 12 * (perf_counter() - began)
    expect.equal(expect.ask("is_module", net), True, hint="return a torch module, an nn.Module.")
    for now, before in zip((X_given, y_given), kept, strict=True):
        expect.unchanged(now, before, hint="fit writes into X or y. Make a new array.")
    count = sum(weight.numel() for weight in net.parameters())
    if count > 60_000:
        raise expect.Unmet("at most 60 000 parameters", f"{count}",
                           "the network is over the budget. Make its layers narrower.")
    if lasted > allowed:
        raise expect.Unmet(f"at most {allowed:.1f} s, twelve baselines", f"{lasted:.1f} s",
                           "the call is over the budget. Take fewer steps.")
    first = predict(net, tried.held_X)
    expect.array(first, (len(tried.held_X), 10),
                 hint="the module returns a logit for each of the classes.")
with expect.case("fit(X, y, seed=1) again, and fit(X, y, seed=2)"):
    expect.close(predict(fit(X_given, y_given, 1), tried.held_X), first, rtol=1e-3, atol=1e-4,
                 hint="the same seed gives another network. Draw all that is random from seed.")
    expect.varies([first, predict(fit(X_given, y_given, 2), tried.held_X)], chance=1e-12,
                  what="another network for another seed",
                  hint="every seed gives one network: the seed is fixed inside.")
with expect.case("fit(X, y, seed=1, p=0.0)"):
    plain = fit(X_given, y_given, 1, 0.0)
    expect.varies([first, predict(plain, tried.held_X)], chance=1e-12,
                  what="another network than with the default p",
                  hint="p does nothing. Use it as the drop probability.")
    plain.train()
    twice = [plain(some).detach() for _ in range(2)]
    expect.close(twice[0], twice[1], rtol=1e-5, atol=1e-5,
                 hint="something is still dropped at p = 0: no ablation could take it out.")
    expect.varies(twice[0], chance=1e-12, what="another output for another row",
                  hint="everything is dropped at p = 0: p is taken for the probability of keeping.")
with expect.case("the module of fit(X, y, seed=1, p=0.6) in training mode, called twice"):
    dropping = fit(X_given, y_given, 1, 0.6).train()
    expect.varies([dropping(some).detach() for _ in range(2)], chance=1e-12,
                  what="two different outputs",
                  hint="nothing is dropped in training mode. Put dropout into the module.")

# %% check="fit" points=4
# On rows that nobody has seen, it beats the network that nothing regularises.
asked = problem if capstone.available(problem) else "glyphs"
secret = np.random.SeedSequence().generate_state(capstone.WORLDS.get(asked, 8))  # nobody's seed
drawn = [capstone.world(asked, 1000 + int(number)) for number in secret]
need = capstone.GAIN[asked]
with expect.case(f"fit(X, y, seed), held-out error in {len(drawn)} secret worlds of {asked}"):
    wrong = []
    for number, world in enumerate(drawn):
        net = fit(world.X, world.y, number)
        pair = [predict(net, inputs) for inputs in (world.X, world.held_X)]
        for part, inputs in zip(pair, (world.X, world.held_X), strict=True):
            expect.array(part, (len(inputs), int(world.held_y.max()) + 1),
                         hint="predict gives a row of probabilities for each row of X.")
        wrong.append([train.error_rate(pair[0], world.y), train.error_rate(pair[1], world.held_y)])
    given, held = 100 * np.mean(wrong, axis=0)
    bar = 100 * capstone.baseline(drawn, int(secret[0]) % 1000).mean()
    chance = 100 * (1 - np.bincount(drawn[0].held_y).max() / len(drawn[0].held_y))
    if held > bar - need:
        hint = "hardly better than no regularisation. Combine two means, or give one more strength."
        if held > 0.8 * chance:
            hint = "it does not learn: it errs nearly as often as one who guesses."
        elif given < 15:
            hint = f"it learns wrong labels by heart: on those given it errs in {given:.0f} % only."
        raise expect.Unmet(f"at most {bar - need:.1f} % ({bar:.1f} % of the baseline, less {need})",
                           f"{held:.1f} %", hint)

# %% check="fit" points=2
# A control: from labels that say nothing, nothing can be learnt.
asked = problem if capstone.available(problem) else "glyphs"
secret = np.random.SeedSequence().generate_state(6)
with expect.case(f"fit(X, y, seed) with labels that say nothing, six worlds of {asked}"):
    wrong = []
    for number in map(int, secret[: 6 if asked == "medical" else 3]):
        world = capstone.world(asked, 1000 + number)
        fit(world.X.copy(), world.y.copy(), 1)  # the same rows, with labels that say something
        net = fit(world.X.copy(), capstone.unlearnable(world, number), 1)
        wrong.append(train.error_rate(predict(net, world.held_X), world.held_y))
    least = 0.4 * (1 - 1 / (int(world.held_y.max()) + 1))
    if np.mean(wrong) < least:
        raise expect.Unmet(f"an error of at least {100 * least:.0f} % (it can only guess)",
                           f"{100 * np.mean(wrong):.0f} %",
                           "it knows what these labels cannot tell it: from an earlier call, or "
                           "from data that fit was not given.")

# %% mistakes="fit"
{
    "return a torch module": ("return model.eval()", "return lambda inputs: model.eval()(inputs)"),
    "fit writes into X or y": ("manual_seed(seed)", "manual_seed(seed)\n        X -= X.mean(0)"),
    "over the budget. Make its layers narrower":
        ("*(nn.Linear(128, 128),", "*(nn.Linear(128, 300), nn.Linear(300, 128),"),
    "same seed gives another network": (
        "with torch.random.fork_rng(devices=[]):  # torch's own generator is left as it was\n"
        "        torch.manual_seed(seed)",
        "if True:",
    ),
    "the seed is fixed inside": ("manual_seed(seed)", "manual_seed(42)"),
    "p does nothing": ("model = nn.Seq", "p = 0.5\n        model = nn.Seq"),
    "still dropped at p = 0": ("nn.Dropout(0.6 * p)", "nn.Dropout(0.2)"),
    "everything is dropped at p = 0":
        ("nn.Dropout(p)),\n            nn", "nn.Dropout(1 - p)),\n            nn"),
    "nothing is dropped in training mode": (
        "return model.eval()",
        "return nn.Sequential(*[part for part in model if not isinstance(part, nn.Dropout)])",
    ),
    "it does not learn": ("range(600)", "range(3)"),
    "learns wrong labels by heart": (
        ", weight_decay=0.02)",
        ")\n        for part in model[::3]:\n            part.p /= 20",
    ),
    "it knows what these labels cannot tell it": (
        "return model.eval()",
        'return vars(fit).setdefault(f"{X.tobytes()} {seed} {p}", model.eval())',
    ),
}

# %% correct="fit"
class Net(nn.Module):
    def __init__(self, inputs, classes, p):
        super().__init__()
        self.p, self.first, self.last = p, nn.Linear(inputs, 96), nn.Linear(96, classes)

    def forward(self, x):
        h = F.gelu(self.first(F.dropout(x, self.p / 2, self.training)))
        return self.last(F.dropout(h, self.p, self.training))


def fit(X, y, seed, p=0.5):
    torch.manual_seed(seed)
    X, y = torch.tensor(X), torch.tensor(y)
    model = Net(X.shape[1], int(y.max()) + 1, p)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, weight_decay=1.0)
    for rows in (rows for _ in range(40) for rows in torch.randperm(len(X)).split(50)):
        optimizer.zero_grad()
        F.cross_entropy(model(X[rows]), y[rows], label_smoothing=0.1).backward()
        optimizer.step()
    return model

# %% [markdown]
# The third check is a *control*, and worth having in every project: the same rows with labels that
# carry no information. Whatever scores above chance there has learnt from something that it should
# not have: a cache, a leaked column, a test row.
#
# ## Exercise: `ablation`
#
# The table of a report: for each rate a mean and a standard error, over seeds that change the
# split *and* the network. `fit` is an argument, so that the same function serves for any network.

# %% exercise="ablation"
def ablation(fit, X, y, rates, seeds):
    """Validation error for each drop rate: its mean over the seeds, and the standard error.

    fit : as yours; fit(X_train, y_train, seed, p) -> module
    rates : r drop probabilities; seeds : k >= 2 whole numbers, the same for all rates
    For each rate and seed: split with prepare(X, y, np.random.default_rng(seed)), fit on the
    training part, error rate of predict on the validation part.
    Returns an array (r, 2): mean, and s / sqrt(k) with k - 1 in s.
    """
    ### BEGIN SOLUTION
    errors = np.empty((len(rates), len(seeds)))
    for j, seed in enumerate(seeds):
        X_train, y_train, X_val, y_val = prepare(X, y, np.random.default_rng(seed))
        for i, p in enumerate(rates):
            guess = predict(fit(X_train, y_train, seed, p), X_val).argmax(1)
            errors[i, j] = np.mean(guess != y_val)
    return np.stack([errors.mean(1), errors.std(1, ddof=1) / np.sqrt(len(seeds))], 1)
    ### END SOLUTION

# %% [markdown] hint="ablation"
# First fill a table of errors, a row for each rate and a column for each seed.

# %% [markdown] hint="ablation"
# The split depends on the seed alone. So all rates meet the same rows, and their difference is not
# one of rows.

# %% [markdown] hint="ablation"
# `predict(...)` gives probabilities; their `.argmax(1)` are classes to compare with `y_val`. The
# standard error is $s/\sqrt k$, as in `paired_difference` of {{overfitting}}.

# %% check="ablation" points=3
# The right rows, the right runs, the mean and its standard error.
draw = expect.rng()
table, label = draw.normal(size=(120, 5)), draw.integers(3, size=120)
seeds = [int(number) for number in draw.choice(1000, 4, replace=False)]
calls, nets = [], {}


def quick(inputs, targets, seed, p):
    """A network that is drawn, not trained; notes what it was given."""
    made = nn.Sequential(nn.Dropout(0.5), nn.Linear(inputs.shape[1], 3))
    noise = np.random.default_rng([int(seed), int(1000 * p)])
    made[1].weight.data.copy_(torch.tensor(noise.normal(size=(3, 5))))
    calls.append((float(p), int(seed), len(inputs)))
    nets[float(p), int(seed)] = made[1].weight.detach().double().numpy(), made[1].bias.detach()
    return made


def errors_of(seed_of, part):
    """Errors (rates, seeds) of the networks on a part of the split that seed_of tells."""
    found = np.empty((3, 4))
    for j, own_seed in enumerate(seeds):
        split = prepare(table, label, np.random.default_rng(seed_of(own_seed)))
        inputs, targets = split[2:] if part == "validation" else split[:2]
        for i, p in enumerate((0.0, 0.25, 0.5)):
            W, b = nets[p, own_seed]
            found[i, j] = np.mean((inputs @ W.T + b.numpy()).argmax(1) != targets)
    return found


with expect.case(f"ablation(fit, X, y, [0.0, 0.25, 0.5], {seeds}) of 120 rows"):
    got = ablation(quick, table.copy(), label.copy(), [0.0, 0.25, 0.5], seeds)
    pairs = [(p, seed) for p in (0.0, 0.25, 0.5) for seed in seeds]
    expect.equal(np.array(sorted((p, float(s)) for p, s, _ in calls)),
                 np.array(sorted((p, float(s)) for p, s in pairs)),
                 hint="call fit(X_train, y_train, seed, p) once for each rate with each seed.",
                 suspects=[(np.array(sorted((p, float(j)) for p in (0.0, 0.25, 0.5)
                                            for j in range(4))),
                            "the seeds are counted, not used. Hand on the seeds themselves.")])
    expect.equal(np.array([n for _, _, n in calls]), np.full(12, 90),
                 hint="fit gets the training part, three quarters of the rows.",
                 suspects=[(np.full(12, 120), "fit sees all rows, those that validate too.")])
    expect.array(got, (3, 2), hint="return one row for each rate: mean, standard error.")
    right = errors_of(lambda seed: seed, "validation")
    k, deviation = 4, right.std(1, ddof=1)
    expect.close(
        got[:, 0], right.mean(1), rtol=1e-6,
        hint="the first column is the mean error rate on the validation rows, over the seeds.",
        suspects=[
            (right.min(1), "that is the best seed. Report the mean over all of them."),
            (1 - right.mean(1), "that is the share of right answers. Give the error rate."),
            (100 * right.mean(1), "those are percent. Give the share of errors, 0 to 1."),
            (errors_of(lambda seed: seed, "training").mean(1),
             "that is the error on the training rows."),
            (np.median(right, 1), "that is the median. Take the mean."),
            (errors_of(lambda seed: 0, "validation").mean(1),
             "one split serves all seeds. Split by seed."),
        ])
    expect.close(
        got[:, 1], deviation / np.sqrt(k), rtol=1e-6,
        hint="the second column is s / sqrt(k) over the seeds.",
        suspects=[
            (deviation, "that is the standard deviation. Divide it by sqrt(k)."),
            (right.std(1), "that is the standard deviation. Divide it by sqrt(k)."),
            (right.std(1) / np.sqrt(k), "s has k in it. From k runs it has k - 1: ddof=1."),
            (deviation / k, "s is divided by k. Divide by its square root."),
            (deviation**2 / k, "that is the square of the standard error."),
        ])

# %% check="ablation" points=2
# One row of your own network's table, measured once more.
asked = problem if capstone.available(problem) else "glyphs"
entropy = np.random.default_rng()
hidden_world = capstone.world(asked, 1000 + int(entropy.integers(2**40)))
row, three = int(entropy.integers(2)), [int(n) for n in entropy.choice(1000, 3, replace=False)]
rate = (0.0, 0.5)[row]
with expect.case(f"ablation(fit, X, y, [0.0, 0.5], {three}), the row p = {rate}, measured again"):
    given = hidden_world.X.copy(), hidden_world.y.copy()
    got = ablation(fit, *given, [0.0, 0.5], three)
    expect.array(got, (2, 2), hint="return one row for each rate: mean, standard error.")
    again = []
    for number in three:
        split = prepare(hidden_world.X, hidden_world.y, np.random.default_rng(number))
        net = fit(split[0], split[1], number, rate)
        again.append(train.error_rate(predict(net, split[2]), split[3]))
    expect.close(got[row], [np.mean(again), np.std(again, ddof=1) / 3**0.5], rtol=1e-6,
                 hint="this row cannot be reproduced: it does not come from prepare, fit and "
                 "predict as they are.")

# %% mistakes="ablation"
{
    "seeds are counted": ("enumerate(seeds)", "enumerate(range(len(seeds)))"),
    "those that validate too": ("fit(X_train, y_train,", "fit(X, y,"),
    "once for each rate with each seed": ("y_train, seed, p)", "y_train, seeds[0], p)"),
    "return one row for each rate": ("np.sqrt(len(seeds))], 1)", "np.sqrt(len(seeds))])"),
    "that is the best seed": ("errors.mean(1)", "errors.min(1)"),
    "share of right answers": ("guess != y_val", "guess == y_val"),
    "those are percent": ("np.mean(guess", "100 * np.mean(guess"),
    "error on the training rows":
        ("for i, p", "X_val, y_val = X_train, y_train\n        for i, p"),
    "that is the median": ("errors.mean(1)", "np.median(errors, 1)"),
    "one split serves all seeds": ("default_rng(seed)", "default_rng(0)"),
    "that is the standard deviation": (" / np.sqrt(len(seeds))", ""),
    "s has k in it": (", ddof=1", ""),
    "s is divided by k": ("np.sqrt(len(seeds))", "len(seeds)"),
    "square of the standard error":
        ("errors.std(1, ddof=1) / np.sqrt(len(seeds))", "errors.var(1, ddof=1) / len(seeds)"),
    "cannot be reproduced": ("y_train, seed, p)", "y_train, seed + (len(X) > 200), p)"),
}

# %% correct="ablation"
def ablation(fit, X, y, rates, seeds):
    def one(p, seed):
        own_X, own_y, X_val, y_val = prepare(X, y, np.random.default_rng(seed))
        return train.error_rate(predict(fit(own_X, own_y, seed, p), X_val), y_val)

    lines = []
    for p in rates:
        runs = [one(p, seed) for seed in seeds]
        average = sum(runs) / len(runs)
        variance = sum((run - average) ** 2 for run in runs) / (len(runs) - 1)
        lines.append((average, (variance / len(runs)) ** 0.5))
    return np.array(lines)

# %% [markdown]
# Your ablation: the network with all of its dropout, with less, with more, and without.

# %%
rates, seeds = [0.0, 0.25, 0.5, 0.7], range(4)
table = 100 * ablation(fit, worlds[0].X, worlds[0].y, rates, seeds)
fig, (ax,) = plot.figure(1, height=2.8, width=6)
ax.errorbar(rates, table[:, 0], table[:, 1], color=plot.BLUE, marker="o", capsize=3)
ax.set(xlabel="drop probability p", ylabel="validation error, %", xticks=rates,
       title="Your ablation: what p alone does, all else equal")
ax.annotate("4 seeds ± s.e.; 30 % of the labels are wrong", (0.98, 0.94), xycoords="axes fraction",
            ha="right", color=plot.GREY)
plot.show(fig, "Validation error against the drop probability, with standard errors.")
for p, (average, spread) in zip(rates, table, strict=True):
    print(f"p = {p:.2f}: {average:.1f} ± {spread:.1f} %")

# %% [markdown]
# ## Exercise: `honest_gain`
#
# Last, the number of your abstract. Choose a rate by validation, then open the held-out rows
# *once*, with **fresh** seeds: those that chose have luck in them, as in the first figure. And
# subtract within each seed: what the seed does to both runs alike cancels out.

# %% exercise="honest_gain"
def honest_gain(error, rates, seeds, fresh):
    """The rate that validation chooses, and what it gains over p = 0 on held-out rows.

    error : callable (p, seed, part) -> error of that run; part is "validation" or "test"
    rates : drop probabilities; seeds : those to choose with; fresh : k >= 2 others, to measure with
    The rate has the lowest mean validation error (the first of equals). A seed's gain is its test
    error at p = 0 minus that at the chosen rate. No other test error is asked for.
    Returns (rate, mean gain, standard error of the gains, k - 1 in s).
    """
    ### BEGIN SOLUTION
    means = [np.mean([error(p, seed, "validation") for seed in seeds]) for p in rates]
    rate = rates[int(np.argmin(means))]
    before, after = (np.array([error(p, seed, "test") for seed in fresh]) for p in (0.0, rate))
    gains = before - after
    return rate, gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains))
    ### END SOLUTION

# %% [markdown] hint="honest_gain"
# Two halves that share one number: the chosen rate. In the first half `part` is always
# `"validation"`, in the second always `"test"`.

# %% [markdown] hint="honest_gain"
# `np.argmin` of the means gives the place of the rate, and the first of equals.

# %% [markdown] hint="honest_gain"
# One gain for each fresh seed comes first; mean and spread are then of these *differences*.

# %% check="honest_gain" points=3
# Chosen by the mean on validation rows, measured on test rows with fresh seeds, in pairs.
draw = expect.rng()
rates, seeds, fresh = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [3, 5, 8], [21, 34, 55, 89]
levels = np.array([  # validation by seed, and test; by validation the last is best, in the mean
    [0.12, 0.90, 0.12, 0.31],  # the best without seed 5
    [0.33, 0.33, 0.33, 0.10],  # the best on test rows
    [0.50, 0.20, 0.08, 0.25],  # the best without seed 3
    [0.60, 0.01, 0.60, 0.29],  # one lucky run
    [0.08, 0.20, 0.50, 0.27],  # the best without seed 8
    [0.14, 0.20, 0.30, 0.20],
])
luck = {seed: draw.uniform(0.1, 0.13) for seed in seeds + fresh}
tilt = {(p, seed): draw.uniform(-0.01, 0.01) for p in rates for seed in seeds + fresh}
calls = []


def run_of(p, seed, part):
    """The error of one run, made up."""
    *by_seed, test = levels[rates.index(p)]
    validation = by_seed[seeds.index(seed)] if seed in seeds else np.mean(by_seed)
    return (test if part == "test" else validation) + luck[seed] + tilt[p, seed]


def error_of(p, seed, part):
    calls.append((float(p), int(seed), part))
    return run_of(p, seed, part)


with expect.case(f"honest_gain(error, {rates}, {seeds}, {fresh})"):
    got = honest_gain(error_of, rates, seeds, fresh)
    expect.equal(len(got), 3, hint="return the rate, the mean gain and its standard error.")
    opened = {(p, seed) for p, seed, part in calls if part == "test"}
    expect.close(
        got[0], 0.5,
        hint="the rate is that of the lowest mean validation error, over all rates and seeds.",
        suspects=[(0.1, "the test rows chose the rate: their error is then no estimate."),
                  (0.3, "one lucky run chose the rate. Compare means over the seeds.")])
    expect.equal(len({p for p, _ in opened} - {0.0, 0.5}), 0,
                 hint="test errors of other rates were looked at. Open the test rows for two.")
    expect.equal(len({seed for _, seed in opened} & set(seeds)), 0,
                 hint="the seeds that chose measure too: their luck is in it. Take the fresh ones.")
    before, after = (np.array([run_of(p, s, "test") for s in fresh]) for p in (0.0, 0.5))
    gains = before - after
    expect.close(
        got[1], gains.mean(), hint="the gain is the mean of test error at 0 minus at the rate.",
        suspects=[(-gains.mean(), "the sign is the other way round: a gain is an error less."),
                  (gains.max(), "that is the best seed. Report the mean over the seeds."),
                  *((np.mean([run_of(0.0, s, "validation") - run_of(0.5, s, "validation")
                              for s in some]),
                     "that is the gain on validation rows, which chose the rate.")
                    for some in (seeds, fresh)),
                  ((gains / before).mean(), "that is the relative gain. Do not divide.")])
    k, deviation = 4, gains.std(ddof=1)
    apart = np.sqrt(before.var(ddof=1) / k + after.var(ddof=1) / k)
    expect.close(
        got[2], deviation / np.sqrt(k), hint="that is not s / sqrt(k) of the seeds' gains.",
        suspects=[(apart, "the pairs are torn apart. Take the spread of the differences."),
                  (deviation, "that is the standard deviation. Divide it by sqrt(k)."),
                  (gains.std(), "that is the standard deviation. Divide it by sqrt(k)."),
                  (gains.std() / np.sqrt(k), "s has k in it. From k gains it has k - 1: ddof=1."),
                  (after.std(ddof=1) / np.sqrt(k), "that is the spread of one side only.")])

# %% mistakes="honest_gain"
{
    "the test rows chose the rate": ('seed, "validation")', 'seed, "test")'),
    "one lucky run": ("np.mean([error", "np.min([error"),
    "over all rates": ("for p in rates]", "for p in rates[:-1]]"),
    "over all rates and seeds": ("for seed in seeds", "for seed in seeds[1:]"),
    "lowest mean validation error": ("for seed in seeds", "for seed in seeds[:-1]"),
    "test errors of other rates":
        ("gains =", 'table = [error(p, s, "test") for p in rates for s in fresh]\n    gains ='),
    "the seeds that chose measure too": ("for seed in fresh", "for seed in seeds"),
    "the other way round": ("before - after", "after - before"),
    "that is the best seed": ("gains.mean()", "gains.max()"),
    "on validation rows": ('"test"', '"validation"'),
    "relative gain": ("before - after", "1 - after / before"),
    "the pairs are torn apart":
        ("gains.std(ddof=1)", "np.hypot(before.std(ddof=1), after.std(ddof=1))"),
    "that is the standard deviation": (" / np.sqrt(len(gains))", ""),
    "s has k in it": ("ddof=1", ""),
    "one side only": ("gains.std", "after.std"),
}

# %% correct="honest_gain"
def honest_gain(error, rates, seeds, fresh):
    best, lowest = None, float("inf")
    for p in rates:
        total = sum(error(p, seed, "validation") for seed in seeds)
        if total < lowest:
            best, lowest = p, total
    with_it = np.array([error(best, seed, "test") for seed in fresh])
    gains = np.array([error(0, seed, "test") for seed in fresh]) - with_it
    return best, float(np.mean(gains)), float(np.sqrt(np.var(gains, ddof=1) / gains.size))

# %% [markdown]
# Now with your own network, in a world that you have not used so far. To choose, it is fitted to
# three quarters of the rows; to be measured, to all of them. **Predict first**: how many points
# does dropout alone gain you, everything else left in place?

# %% guess=true
my_guess = 5  # percentage points of error that dropout takes away, all else equal

# %% figure=true
# What dropout alone gains you on held-out rows.
guess = expect.guess(my_guess)
new = capstone.world(chosen, 99)


def run(p, seed, part):
    """The error in percent of one run: on validation rows, or fitted to all rows and scored."""
    if part == "test":
        return error(fit(new.X, new.y, seed, p), new.held_X, new.held_y)
    X_train, y_train, X_val, y_val = prepare(new.X, new.y, np.random.default_rng(seed))
    return error(fit(X_train, y_train, seed, p), X_val, y_val)


rate, gain, spread = honest_gain(run, [0.0, 0.25, 0.5], range(2), range(100, 104))
fig, (ax,) = plot.figure(1, height=1.5, width=6.5)
ax.errorbar([gain], [0], xerr=[spread], color=plot.BLUE, marker="o", capsize=4)
ax.axvline(0, color=plot.INK)
ax.axvline(guess, color=plot.GREY, linestyle="--")
found = plot.Difference(gain, spread, runs=4)
title = found.says(more=f"dropout gains {gain:.1f} ± {spread:.1f} points",
                   less=f"dropout costs {-gain:.1f} ± {spread:.1f} points",
                   same=f"no clear gain by dropout: {found:.1f} points")
ax.set(yticks=[], ylim=(-1, 1), title=f"{chosen}: {title}",
       xlabel=f"points gained by p = {rate:g} over p = 0 (4 seeds ± s.e.; dashed: your guess)")
plot.show(fig, "The gain of dropout on held-out rows with its standard error, and your guess.")

# %% [markdown]
# One world, one problem, four seeds: that is what this number stands for. The spread is that of
# seeds; another world may differ by more, which is why the check takes five or eight.
#
# ## Explore: how many seeds until you see it?
#
# One small network on digits, 24 seeds, dropout at $p$ against none, trained when the cell runs. On
# the left each seed's gain and their mean ± 2 s.e., by *your* `honest_gain`; on the right how the
# s.e. shrinks as seeds are added. The dashed line is the mean gain of all 24.
#
# **Try**: at which number of seeds does the interval leave zero for good, at a small $p$ and at a
# large one? Where do the first two or three seeds tell another story than all 24? (Click a slider,
# then use the arrow keys.)

# %%
explore.enough_seeds(honest_gain)

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="runs_answer" points=1
# To halve the standard error of a mean you need … runs:
#
# - [ ] twice as many
# - [x] four times as many
# - [ ] ten times as many
#
# Hint: the s.e. is s / sqrt(k): how large must k become?

# %% question="control" points=1
# A network trained on labels that say nothing scores far above chance on held-out rows:
#
# - [ ] it generalises well
# - [ ] the seed was lucky
# - [x] held-out labels reached it
#
# Hint: what could it have learnt from labels that say nothing?

# %% question="scale" points=1
# Mean and deviation for standardising are computed from:
#
# - [x] the training rows
# - [ ] all rows
# - [ ] each part's own rows
#
# Hint: read the story of `prepare` once more.

# %% [markdown]
# ## Your report
#
# One page, for a colleague who has to decide whether to do as you did. (In a class, your instructor
# grades this by these criteria, 10 points.)
#
# 1. **Question and problem** (1): what is predicted, rows, columns, classes, what is wrong with the
#    labels.
# 2. **Baseline** (2): what it is, and that it was given the same chance: same rows, same budget,
#    and its own settings tried.
# 3. **Protocol** (2): which rows trained, chose and scored; how many settings were tried, with how
#    many seeds; that held-out rows were opened once.
# 4. **Result** (2): a table with mean ± standard error and the number of runs in each row, paired
#    gains, one row without dropout and at least one other part taken out.
# 5. **Reading** (2): what the ablation says, and what it does not; a cause only where something
#    was measured for it.
# 6. **Limits** (1): what did not work, what was not tried, where the result should not be used.

# %% [markdown] answer="report" points=10
# ### BEGIN SOLUTION
# *Marking guide.* The six criteria above. Full points for a criterion that is met with numbers or
# in so many words, half where it must be guessed, none where it is missing. A negative result,
# honestly measured, earns all points; a gain without spread, or chosen on held-out rows, earns none
# for protocol and at most one for the result. Numbers are to be those that the notebook's own cells
# print; where they are not, ask. Read the code of `fit` as well: it is to use X and y alone (no
# files, no loaders of `dropoutlab.data` or scikit-learn, nothing kept between calls), which no
# check can prove.
#
# *A worked example.* **Question.** Numerals from 58 mixed columns, ten classes, 600 rows, three in
# ten labels wrong. **Baseline.** Two layers of 128 ReLU units, 600 steps, nothing regularised: 24.1
# ± 0.6 % held-out error (mean ± s.e. of ten worlds, one seed in each). Its number of steps was not
# tuned, which is in its disfavour: after 50 steps it errs on 17.8 ± 0.7 %. **Protocol.** Some
# twenty settings of p, input dropout and weight decay were compared in six to eight *other* worlds
# (seeds from 100 and from 1000 on), by their held-out rows; the ten worlds reported (3000 to 3009)
# chose nothing. **Result.** p = 0.5 with input dropout 0.3 and weight decay 0.02:
# 10.8 ± 0.7 % (paired gain 13.3 ± 0.4 points). Without dropout: 17.1 ± 0.7 %. Without weight decay:
# 10.7 ± 0.5 %. **Reading.** Here dropout does it, and weight decay adds nothing to it. The network
# errs on 32.6 ± 0.2 % of the given labels: it disagrees with the wrong ones; without dropout it
# errs on 23.6 ± 0.4 %, so it has learnt a part of them. Why dropout prevents that was not measured.
# **Limits.** One kind of wrong labels (even over classes), one width, one optimiser. Stopping the
# baseline after 50 steps does about half as much for a twelfth of the time; a stop chosen by
# validation was not tried.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - The best of ten equal networks looked better by about six points on the 60 rows that chose it,
#   and was better by one or two on others.
# - Where three labels in ten are wrong, regularising pays; by how much, and which part does it,
#   differs from problem to problem. The worked example in ten worlds of each (held-out error, %,
#   mean ± s.e.):
#
#   | | baseline | dropout and weight decay | weight decay alone | dropout alone |
#   | --- | --- | --- | --- | --- |
#   | digits | 24.1 ± 0.6 | 10.8 ± 0.7 | 17.1 ± 0.7 | 10.7 ± 0.5 |
#   | medical | 29.7 ± 1.3 | 11.1 ± 1.7 | 22.4 ± 2.1 | 13.5 ± 2.2 |
#   | recommendations | 35.4 ± 0.7 | 24.4 ± 1.3 | 37.6 ± 1.3 | 27.8 ± 1.0 |
#   | characters | 33.2 ± 0.8 | 26.9 ± 0.9 | 31.3 ± 1.0 | 28.8 ± 0.5 |
#   | glyphs | 34.9 ± 0.4 | 29.1 ± 0.8 | 34.1 ± 0.7 | 33.6 ± 0.5 |
#   | MNIST | 31.3 ± 0.7 | 20.1 ± 0.6 | 25.4 ± 0.5 | 23.1 ± 0.8 |
#   | Fashion-MNIST | 37.8 ± 0.8 | 30.0 ± 0.7 | 28.6 ± 0.9 | 32.4 ± 0.8 |
#
#   On digits dropout does it all; on glyphs it takes both; on Fashion-MNIST weight decay alone is
#   no worse than with dropout.
#
# - A score is worth what its protocol is worth: rows to train, to choose and to score; seeds; the
#   mean with its standard error; a control.
#
# What the checks here cannot do: a program cannot prove that `fit` uses nothing but `X` and `y`. In
# a secret world, remembered tables of the fixed sets (digits, medical, MNIST) are useless; somebody
# who works out the secret mixing from rows that he knows could still look labels up. It is more
# work than this lesson, and a person reads your code.
#
# **Read.** Bouthillier and others, *Accounting for variance in machine learning benchmarks*, MLSys
# 2021: which sources of chance move a benchmark, and by how much. Melis, Dyer and Blunsom, *On the
# state of the art of evaluation in neural language models*, ICLR 2018: well-tuned old models with
# dropout overtake newer ones. Zhang, Bengio, Hardt, Recht and Vinyals, *Understanding deep learning
# requires rethinking generalization*, ICLR 2017: networks that learn random labels by heart, our
# control.
#
# **Stretch.** Give the *baseline* a fair chance: choose its number of steps by validation. How much
# of your gain is left?
#
# **Still open.** Whatever you do next.
