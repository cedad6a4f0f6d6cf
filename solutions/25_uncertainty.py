# %% [markdown]
# # 2.5 · Uncertainty
#
# **What does the network not know?**
#
# *90 minutes, with a good place for a break before "Which class, and how sure?". Before:
# {{pytorch}} and {{ensemble}}. After, you will be able to draw predictions from a dropout network,
# to turn them into a spread, a likelihood and an entropy, and to measure whether those numbers
# deserve belief.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$, $y$ | input and target |
# | $p$ | probability that a unit is **dropped** |
# | $\hat y_t$ | output of the $t$-th of $k$ passes, each with masks of its own |
# | $\tau$ | precision of the noise in $y$: one over its variance |
# | $H$ | entropy in nats, $H(q) = -\sum_c q_c \log q_c$ |
# | $\alpha$ | variance of multiplicative noise; for dropout $p/(1-p)$ |

# %% setup=true
import copy
import math
import sys
from contextlib import contextmanager, suppress

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from dropoutlab import data, expect, explore, plot

# %% [markdown]
# ## Where we stand
#
# A dropout network is put into evaluation and shown a picture. It answers with ten probabilities.
# They add up to 1 whatever the picture shows, so what does it say to something it has never seen?
#
# The next cell holds what this lesson trains: five networks side by side that read digits, and
# pictures of printed letters, as small as the digits.

# %%
torch.set_num_threads(1)  # products this small wait for each other's threads
seeds = 5


class Linear(nn.Module):
    """As `nn.Linear`, for several networks side by side: (networks, rows, features)."""

    def __init__(self, networks, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(networks, inputs, outputs) * (2 / inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(networks, 1, outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


epochs = (4, 15, 60)  # a copy is kept after each of these


def digit_networks(p):
    layers = [Linear(seeds, 64, 128), nn.ReLU(), nn.Dropout(p), Linear(seeds, 128, 128), nn.ReLU(),
              nn.Dropout(p), Linear(seeds, 128, 10)]
    networks, kept = nn.Sequential(*layers), []
    optimizer = torch.optim.Adam(networks.parameters(), lr=0.003, fused=True)
    for epoch in range(1, epochs[-1] + 1):
        order = torch.stack([torch.randperm(len(X_train)) for _ in range(seeds)])
        for rows in order.split(64, dim=1):
            optimizer.zero_grad()
            logits = networks(X_train[rows])
            F.cross_entropy(logits.flatten(0, 1), y_train[rows].flatten()).mul(seeds).backward()
            optimizer.step()
        if epoch in epochs:
            kept.append(copy.deepcopy(networks).eval())
    return kept


def shrunk(classes, seed):  # printed characters, cut and averaged to the digits' 8 × 8 pixels
    images, labels = data.glyphs(300, seed, classes)
    images = torch.as_tensor(images[:, None, 4:24, 4:24])
    return F.adaptive_avg_pool2d(images, 8).flatten(1), torch.as_tensor(labels)


X_train, y_train, X_test, y_test = (torch.as_tensor(values) for values in data.digits())
X_train, X_test = X_train.flatten(1).float(), X_test.flatten(1).float()
letters, _ = shrunk("ABCEFH", seed=1)
# %% [markdown]
# Now the networks learn handwritten digits at $p=0.5$, and are shown printed *letters*. **Before
# you run the figure, guess: for how many letters in a hundred is the network more than 90 % sure of
# some digit?**

# %% guess=true
my_guess = 5  # letters in a hundred that are called a digit with probability above 0.9

# %% figure=true
# Six letters and what the network calls them; how sure five networks are of letters and digits.
guess = expect.guess(my_guess)
stages = {p: digit_networks(p) for p in (0.0, 0.5)}
networks = {p: kept[-1] for p, kept in stages.items()}

with torch.no_grad():
    sure, verdict = networks[0.5](letters).softmax(-1).max(-1)
    sure_digits = networks[0.5](X_test).softmax(-1).amax(-1)
share = 100 * (sure > 0.9).double().mean(1)
fig, (left, right) = plot.figure(2, height=2.7)
first = sure[0].argsort(descending=True)[:300:25][:6]
plot.image(np.hstack(F.pad(letters[first].reshape(-1, 8, 8), (1, 1)).numpy()), left, largest=1)
left.set_xticks(np.arange(6) * 10 + 4.5, [f"{v}\n{s:.0%}" for v, s in
                                          zip(verdict[0, first], sure[0, first], strict=True)])
left.tick_params(length=0)
left.set_title("Letters, and what the network calls them")
bins = np.linspace(0.1, 1, 19)
for values, name, color in ((sure_digits, "digits", plot.GREY), (sure, "letters", plot.ORANGE)):
    right.hist(values.flatten().numpy(), bins, density=True, histtype="step", color=color,
               label=name, linewidth=2)
right.set(xlabel="probability of the chosen class", ylabel="density", yscale="log",
          title=f"Surer than 90 %: {share.mean():.0f} ± {plot.standard_error(share):.0f} of 100 "
                f"letters\n(5 networks ± s.e.; your guess: {guess})")
right.legend(loc="upper left")
plot.show(fig, "Six letters that are called digits, and how sure five networks are of letters.")

# %% [markdown]
# Every one of these answers is wrong, and many are given with hardly a doubt. A softmax says which
# digit is *likelier than the others*, not whether this is a digit at all.
#
# ### One question from {{ensemble}}
#
# A dropout network holds $2^n$ thinned networks. Weight scaling asks all of them at once and
# returns one answer. What is lost thereby, compared with asking a hundred of them one after the
# other?
#
# <details><summary>Answer</summary>
#
# Their *disagreement*. One answer cannot show whether a hundred networks said the same thing.
# </details>
#
# Gal and Ghahramani (2016) read the hundred answers as draws from an approximate posterior over
# networks. Then their mean is the prediction, and their scatter is what the network does not know.
# The recipe is one line: leave dropout *on* while you predict. The line has a trap, and the reading
# has limits; both are the matter of this lesson.
#
# ### A worked example: change something, and give it back
#
# `model.train()` would switch dropout on, and batch norm with it: each prediction would then depend
# on the other rows of its batch. So dropout must be switched on alone, for a while, and then be as
# it was. Python's tool for "for a while" is the context manager: what stands before `yield` is done
# on entering `with`, what stands in `finally` on leaving it, whatever happened in between.

# %%
@contextmanager
def frozen(layer):
    before = layer.weight.requires_grad
    try:
        layer.weight.requires_grad_(False)
        yield
    finally:
        layer.weight.requires_grad_(before)


layer = nn.Linear(2, 2)
try:
    with frozen(layer):
        print("inside:", layer.weight.requires_grad)
        raise KeyError("something breaks")
except KeyError:
    print("after: ", layer.weight.requires_grad)

# %% [markdown]
# ## Exercise: `enable_dropout`
#
# "Afterwards everything goes to `eval()`": only if it came from there. Each layer gets back the
# mode that it had.

# %% exercise="enable_dropout"
@contextmanager
def enable_dropout(model):
    """Inside `with enable_dropout(model):` each dropout layer is in training mode.

    Dropout layers, however deep in `model`, are torch's nn.Dropout, nn.Dropout1d, 2d and 3d,
    nn.AlphaDropout and nn.FeatureAlphaDropout. All other modules stay as they are. Afterwards each
    dropout layer has its own mode again, also when the body raises, and the error goes on.
    """
    ### BEGIN SOLUTION
    found = [m for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    modes = [m.training for m in found]
    try:
        for m in found:
            m.train()
        yield
    finally:
        for m, mode in zip(found, modes, strict=True):
            m.train(mode)
    ### END SOLUTION

# %% [markdown] hint="enable_dropout"
# Three parts: find the layers, remember their modes and switch them, give the modes back. Which of
# them stands before `yield`?

# %% [markdown] hint="enable_dropout"
# `model.modules()` visits everything however deep. A tuple of classes as the second argument of
# `isinstance`, or a look at `type(module).__name__`, tells a dropout layer.

# %% [markdown] hint="enable_dropout"
# A list of pairs (layer, mode) is all the memory it needs. `layer.train(mode)` sets a mode of your
# choice.

# %% [markdown]
# Look at your own: one new digit, 200 passes through one network.

# %% figure=true
# 200 passes of one network over a digit that is hard to read.
with torch.no_grad():
    probabilities = networks[0.5](X_test).softmax(-1)
    hard = int(probabilities[0].amax(-1).argmin())  # the digit of which it is least sure
    with enable_dropout(networks[0.5]):
        draws = torch.stack([networks[0.5](X_test[hard : hard + 1]).softmax(-1)[0, 0]
                             for _ in range(200)])

fig, (left, right) = plot.figure(2, height=2.6)
plot.image(X_test[hard].reshape(8, 8).numpy(), left)
left.set_title(f"A {y_test[hard]} that is hard to read")
spots = np.arange(10) + np.random.default_rng().uniform(-0.3, 0.3, (200, 10))
right.plot(spots, draws, ".", color=plot.SKY, markersize=2)
right.plot(range(10), draws.mean(0), "_", color=plot.BLUE, markersize=16, markeredgewidth=2)
right.plot(range(10), probabilities[0, hard], "x", color=plot.ORANGE)
right.set(xlabel="class", ylabel="probability", xticks=range(10),
          title="200 passes, their mean (–), evaluation (×)")
plot.show(fig, "The probabilities of ten classes in 200 passes of one hard digit.")

# %% check="enable_dropout" points=2
# Inside, dropout layers are in training mode however deep they lie, and all else is as it was.
deep = nn.Sequential(nn.ReLU(), nn.Dropout(0.3))
model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), deep, nn.Dropout(0.5))
for mode in (False, True):
    model.train(mode)
    with expect.case(f"with enable_dropout(model): after model.train({mode})", crash=[
        ("yield|context manager|iterator",
         "enable_dropout(model) gives no context manager. Where is its one `yield`?"),
    ]):
        with enable_dropout(model):
            dropouts = [deep[1].training, model[3].training]
            others = [m.training for m in (model, model[0], model[1], deep, deep[0])]
        expect.equal(dropouts, [True, True], hint="both dropout layers must be in training mode.",
                     suspects=[([False, False], "no dropout layer is switched to training mode."),
                               ([False, True], "a layer that lies deeper is missed. Visit "
                                               "model.modules(), not only the children.")])
        expect.equal(others, 5 * [mode], hint="a module that is no dropout changed its mode.",
                     suspects=[(5 * [True], "the whole network is put into training mode, batch "
                                            "norm too. Switch dropout layers only."),
                               (5 * [False], "the rest is put into evaluation. Leave it alone.")])

# %% check="enable_dropout" points=1
# Afterwards each layer has its own mode again.
model = nn.Sequential(nn.Dropout(0.1), nn.Linear(4, 4), nn.Dropout(0.2)).eval()
for first, second in ((False, False), (True, True), (True, False)):
    model[0].train(first)
    model[2].train(second)
    with expect.case(f"modes {first} and {second}, after `with enable_dropout(model):`", crash=[
        ("context manager", "enable_dropout(model) gives no context manager."),
    ]):
        with enable_dropout(model):
            pass
        expect.equal([model[0].training, model[2].training], [first, second],
                     hint="give each layer the mode that it had, not one mode to all.",
                     suspects=[([True, True], "the modes are not given back."),
                               ([False, False], "all go to evaluation. Give each its own mode.")])
model.eval()
with expect.case("one `with enable_dropout(model):` inside another"), enable_dropout(model):
    with enable_dropout(model):
        pass
    expect.equal([model[0].training, model[2].training], [True, True],
                 hint="leaving the inner `with` must not end the outer one.")

# %% check="enable_dropout" points=1
# Also when the body raises; and the error comes out.
model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.2)).eval()
with expect.case("with enable_dropout(model): a KeyError in the body", crash=[
    ("context manager", "enable_dropout(model) gives no context manager."),
]):
    inside, came_out = False, False
    try:
        with enable_dropout(model):
            inside = model[1].training
            raise KeyError("body")
    except KeyError:
        came_out = True
    expect.equal(inside, True, hint="inside, dropout must be in training mode.")
    expect.equal(model[1].training, False,
                 hint="the mode is not given back when the body raises. Use try and finally.")
    expect.equal(came_out, True, hint="the error is swallowed. Use finally, not except.")

# %% check="enable_dropout" points=1
# Every kind of dropout layer that torch has.
kinds = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
         nn.FeatureAlphaDropout)
model = nn.ModuleList([kind(0.5) for kind in kinds]).eval()
with expect.case("with enable_dropout(model): on six kinds of dropout", crash=[
    ("context manager", "enable_dropout(model) gives no context manager."),
]):
    with enable_dropout(model):
        modes = [layer.training for layer in model]
    expect.equal(modes, 6 * [True], hint="a kind of dropout layer is missed.")

# %% mistakes="enable_dropout"
{
    "batch norm too": (" if isinstance(m, nn.modules.dropout._DropoutNd)", ""),
    "no dropout layer is switched": ("m.train()", "m.training"),
    "lies deeper is missed": ("model.modules()", "model.children()"),
    "Leave it alone": ("    try:\n", "    model.eval()\n    try:\n"),
    "Where is its one `yield`": ("        yield\n", ""),
    "modes are not given back": ("m.train(mode)", "pass"),
    "all go to evaluation": ("m.train(mode)", "m.eval()"),
    "Use try and finally": ("finally:", "except ZeroDivisionError:\n        raise\n    else:"),
    "error is swallowed": ("finally:", "except Exception:\n        pass\n    finally:"),
    "a kind of dropout layer": ("nn.modules.dropout._DropoutNd", "nn.Dropout"),
}

# %% correct="enable_dropout"
class enable_dropout:
    def __init__(self, model):
        self.layers = [m for m in model.modules() if type(m).__name__.endswith(
            ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d"))]

    def __enter__(self):
        self.before = {}
        for m in self.layers:
            self.before[m] = m.training
            m.training = True
        return self

    def __exit__(self, *error):
        for m, mode in self.before.items():
            m.training = mode
        return False

# %% [markdown]
# ## Exercise: `mc_predict`
#
# Now the recipe itself: $k$ passes, their mean, and their variance,
#
# $$ \bar y = \frac1k \sum_t \hat y_t, \qquad v = \frac1k \sum_t (\hat y_t - \bar y)^2 . $$
#
# Unlike `enable_dropout` it is used on its own: whatever mode the model comes in, dropout is on,
# all else is in evaluation, and afterwards every mode is as it was.

# %% exercise="mc_predict"
def mc_predict(model, X, k):
    """Mean and variance over k passes of `model(X)`, dropout on and all else in evaluation.

    Each pass has masks of its own; the variance divides by k, entry by entry. No gradient is
    recorded, and each submodule's mode is given back, also when the model raises.

    model : nn.Module; X : its input; k : number of passes, 1 or more
    Returns (mean, variance), two tensors of the output's shape.
    """
    ### BEGIN SOLUTION
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with enable_dropout(model), torch.no_grad():
            passes = torch.stack([model(X) for _ in range(k)])
    finally:
        for module, mode in modes:
            module.training = mode
    return passes.mean(0), passes.var(0, correction=0)
    ### END SOLUTION

# %% [markdown] hint="mc_predict"
# `model.eval()` first, then your `enable_dropout`, then `torch.no_grad()`. What must be remembered
# before the first of them?

# %% [markdown] hint="mc_predict"
# `torch.stack` makes one tensor of $k$ outputs. Look up what `var` divides by if it is not told.

# %% [markdown] hint="mc_predict"
# `module.train(mode)` also sets everything below `module`. Set the attribute `training` of each
# module instead.

# %% [markdown]
# Your own band: networks of two hidden layers learn $\sin 4x$ from points with noise of standard
# deviation 0.1, at $p=0.1$, with no points between −0.4 and 0.4 and none beyond ±1.

# %% figure=true
# A regression through 30 points, and your band of two standard deviations.
sizes = torch.tensor([30, 300, 3000]).repeat_interleave(seeds)  # 15 networks: 3 sizes, 5 seeds
x = torch.rand(15, 3000, 1) * 1.2 - 0.6
x = x + 0.4 * x.sign()
target = torch.sin(4 * x) + 0.1 * torch.randn_like(x)
grid = torch.linspace(-2, 2, 81)[:, None]


def fit_curves(curves, penalty=lambda: 0.0, steps=1200):
    optimizer = torch.optim.Adam(curves.parameters(), lr=0.005, fused=True)
    for _ in range(steps):
        rows = (torch.rand(15, 30) * sizes[:, None]).long()[..., None]
        optimizer.zero_grad()
        error = curves(x.gather(1, rows)) - target.gather(1, rows)
        (50 * error.square().mean(1).sum() + penalty()).backward()  # 50 = tau / 2
        optimizer.step()
    return curves.eval()


def curve_networks(dropout):
    return nn.Sequential(Linear(15, 1, 64), nn.ReLU(), dropout(), Linear(15, 64, 64), nn.ReLU(),
                         dropout(), Linear(15, 64, 1))


curves = fit_curves(curve_networks(lambda: nn.Dropout(0.1)))
curve_mean, curve_variance = mc_predict(curves, grid, 100)

fig, (ax,) = plot.figure(1, height=2.8, width=7)
m, s, g = curve_mean[0, :, 0], curve_variance[0, :, 0].sqrt(), grid[:, 0]
ax.fill_between(g, m - 2 * s, m + 2 * s, color=plot.SKY, alpha=0.5, linewidth=0)
ax.plot(g, m, color=plot.BLUE, label="your mean ± 2 standard deviations")
ax.plot(g, torch.sin(4 * g), color=plot.GREY, linestyle="--", label="the truth")
ax.plot(x[0, :30, 0], target[0, :30, 0], ".", color=plot.INK)
far, near = s[g.abs() > 1.6].mean(), s[(g.abs() > 0.4) & (g.abs() < 1)].mean()
miss = (m - torch.sin(4 * g))[g.abs() > 1.6].abs().mean()
ax.set(xlabel="x", ylabel="y", ylim=(-4, 4))
ax.set_title(f"Standard deviation {near:.2f} where data lie; {far:.2f} beyond |x| = 1.6,\n"
             f"where the mean is off by {miss:.2f}")
ax.legend(loc="lower left")
plot.show(fig, "Data points, the true curve, and the mean of your passes with its band.")

# %% check="mc_predict" points=2
# On a bare dropout layer, mean and variance follow from how often each entry survived.
layer, k = nn.Dropout(0.5).eval(), 40
with expect.case("mc_predict(nn.Dropout(0.5).eval(), torch.ones(50), k=40), the mean", crash=[
    ("unpack", "return two things: the mean, the variance."),
]):
    mean, variance = mc_predict(layer, torch.ones(50), k)
    expect.tensor(mean, 50, hint="the mean has the output's shape.")
    expect.varies(mean, chance=0.13**49, what="entries with different means",
                  hint="all passes are alike: dropout is off, or one mask serves all entries.")
    expect.varies([variance, torch.zeros(50)], chance=1e-300, what="passes that differ",
                  hint="all passes have one and the same mask. Draw new ones in each.")
    counts = mean * k / 2
    expect.close(counts, counts.round(), atol=1e-4, hint="the mean is not one of 40 passes.")
    expect.mean(mean, 1, of=(0, 2), hint="the passes are added up, but not divided by k.")
with expect.case("mc_predict(nn.Dropout(0.5).eval(), torch.ones(50), k=40), the variance"):
    right = mean.double() * (2 - mean.double())
    expect.close(variance, right, rtol=1e-4, atol=1e-5, hint="average (pass - mean)² over passes.",
                 suspects=[((right * k / (k - 1)).float(), "it divides by k - 1. Divide by k."),
                           (right.sqrt().float(), "that is the standard deviation: square it."),
                           ((2 * mean).float(), "that is the mean square. Subtract the squared "
                                                "mean."),
                           ((right / k).float(), "that is the variance of the mean, not of a pass."
                            )])

# %% check="mc_predict" points=1
# Batch norm works as in evaluation, its statistics stay, and no gradient is recorded.
model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.0), nn.Linear(3, 2))
X = 5 + torch.randn(6, 3, generator=expect.generator())
for mode in (True, False):
    model.train(mode)
    with expect.case(f"mc_predict(model, X, k=3), a model with batch norm, train({mode})", crash=[
        ("unpack", "return two things: the mean, the variance."),
    ]):
        mean, variance = mc_predict(model, X.clone(), 3)
        expect.close(model[0].running_mean, torch.zeros(3),
                     hint="batch norm's statistics changed: it was in training mode.")
        scaled = X / math.sqrt(1 + model[0].eps)
        expect.close(mean, scaled @ model[2].weight.T + model[2].bias, rtol=1e-4, atol=1e-5,
                     hint="with nothing dropped the mean must be the output in evaluation.")
        expect.equal(mean.requires_grad, False, hint="a gradient is recorded. Use torch.no_grad().")

# %% check="mc_predict" points=1
# Afterwards each module has its own mode again, also after an error.
model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
X = torch.randn(4, 3, generator=expect.generator())
modes = [True, False, True]
for wrong in (False, True):
    for part, own in zip(model.modules(), modes, strict=True):
        part.training = own
    if wrong:
        what, hint = "X of a wrong shape", "when the model raises. Use try and finally."
    else:
        what, hint = "only the linear layer in evaluation", "to each module."
    with expect.case(f"the modes after mc_predict(model, X, k=2), {what}", crash=[
        ("unpack", "return two things: the mean, the variance."),
    ]):
        if wrong:
            with suppress(Exception):
                mc_predict(model, X[:, :2], 2)
        else:
            mean, variance = mc_predict(model, X, 2)
        expect.equal([m.training for m in model.modules()], modes,
                     hint=f"its own mode is not given back {hint}",
                     suspects=[([False] * 3, "all is left in evaluation.")] if not wrong else [])

# %% mistakes="mc_predict"
{
    "return two things": (", passes.var(0, correction=0)", ""),
    "one and the same mask": ("[model(X) for _ in range(k)]", "[model(X)] * k"),
    "dropout is off": ("enable_dropout(model), ", ""),
    "divides by k - 1": (", correction=0", ""),
    "standard deviation: square it": ("passes.var", "passes.std"),
    "that is the mean square": ("passes.var(0, correction=0)", "passes.square().mean(0)"),
    "variance of the mean": ("correction=0)", "correction=0) / k"),
    "added up": ("passes.mean(0)", "passes.sum(0)"),
    "not one of 40 passes": ("range(k)", "range(100)"),
    "statistics changed": ("model.eval()", "model.train()"),
    "gradient is recorded": (", torch.no_grad()", ""),
    "left in evaluation": ("module.training = mode", "module.eval()"),
    "to each module": ("module.training = mode", "model.train(modes[0][1])"),
    "when the model raises": ("finally:", "except ZeroDivisionError:\n        raise\n    else:"),
}

# %% correct="mc_predict"
def mc_predict(model, X, k):
    was_training = [module for module in model.modules() if module.training]
    total = squares = 0
    try:
        model.eval()
        for module in model.modules():
            if isinstance(module, (nn.Dropout, nn.AlphaDropout)):
                module.train()
        for _ in range(k):
            out = model(X).detach().double()
            total, squares = total + out, squares + out**2
    finally:
        model.eval()
        for module in was_training:
            module.training = True
    average = total / k
    return average.float(), (squares / k - average**2).clamp(min=0).float()

# %% [markdown]
# ### Does it know more when it has seen more?
#
# What a network does not know, it may learn from data. So if the band shows what it does not know,
# it should shrink as data come in. The networks above had 30, 300 and 3000 points. **Predict first:
# with a hundred times the data, how wide is the band where data lie, in percent of what it was?**

# %% guess=true
my_guess = 50  # width with 3000 points, in percent of the width with 30

# %% figure=true
# Spread and error against the number of training points, at three places.
guess = expect.guess(my_guess)


def by_place(values):
    """Averages where data lie, in the gap, and far outside: (places, sizes, seeds)."""
    at = grid[:, 0].abs()
    places = ((at > 0.4) & (at < 1), at < 0.3, at > 1.6)
    return torch.stack([values[:, place, 0].mean(1) for place in places]).reshape(3, 3, seeds)


truth = torch.sin(4 * grid)
width, off = by_place(curve_variance.sqrt()).numpy(), by_place((curve_mean - truth).abs()).numpy()
left_of = plot.difference(100 * width[0, 2] / width[0, 0])

fig, axes = plot.figure(2, height=2.9)
names = ("between data points", "in the gap", "far outside")
for ax, runs, what in ((axes[0], width, "standard deviation"), (axes[1], off, "error of the mean")):
    for place, (name, color) in enumerate(zip(names, (plot.BLUE, plot.GREEN, plot.ORANGE),
                                              strict=True)):
        ax.errorbar((30, 300, 3000), runs[place].mean(1), plot.standard_error(runs[place], 1),
                    color=color, marker="o", capsize=3, label=name)
    ax.set(xscale="log", yscale="log", xlabel="training points (5 networks ± s.e.)", ylabel=what,
           ylim=(0.01, 10))
axes[0].plot(3000, guess / 100 * width[0, 0].mean(), "x", color=plot.INK, markersize=8)
axes[0].set_title(f"Between data {left_of.mean:.0f} ± {left_of.error:.0f} % left (×: your guess)")
times = plot.difference(off[2, 2] / width[2, 2])
axes[1].set_title(f"Far outside: {times.mean:.1f} ± {times.error:.1f} × the spread")
axes[0].legend(loc="upper left")
plot.show(fig, "The standard deviation, and the error of the mean, against training points.")

# %% [markdown]
# "The passes disagree where the network lacks data" is half true. The band is wider in
# the gap and wider still outside. But at a fixed $p$ it hardly shrinks with a hundred times the
# data: masks go on dropping units, however much has been learned (Osband 2016 says it is *risk*,
# not uncertainty). And far outside the truth lies many standard deviations away. The size of the
# band is set by $p$, and nobody has fitted $p$. We come back to that.
#
# ## Exercise: `predictive_log_likelihood`
#
# Is a band good? One number tells: the density that the prediction gave to what then happened. Each
# pass predicts a Gaussian around $\hat y_t$ with precision $\tau$; the prediction is their mixture:
#
# $$ \mathrm{LL} = \frac1n \sum_i \log \frac1k \sum_{t=1}^k \mathcal N(y_i;\, \hat y_{ti},\, 1/\tau)
# $$
#
# Not the log likelihood of the mean prediction, and not the mean of the log likelihoods: the
# logarithm stands *between* the two means.

# %% exercise="predictive_log_likelihood"
def predictive_log_likelihood(samples, y, tau):
    """The mean over i of log (1/k) Σ_t N(y_i; samples_ti, 1/tau), a number in nats.

    samples : (k, n) predictions; y : (n,) targets; tau : precision of the noise, one over its
    variance, above 0
    Finite also where all samples are far from y.
    """
    ### BEGIN SOLUTION
    logs = 0.5 * math.log(tau / (2 * math.pi)) - 0.5 * tau * (y - samples) ** 2
    return (torch.logsumexp(logs, 0) - math.log(len(samples))).mean()
    ### END SOLUTION

# %% [markdown] hint="predictive_log_likelihood"
# Write the logarithm of one Gaussian density, for all $k \times n$ pairs at once. With precision
# $\tau$ it has three terms.

# %% [markdown] hint="predictive_log_likelihood"
# A density of $e^{-5000}$ is 0 to the computer, and its logarithm $-\infty$. `torch.logsumexp` adds
# numbers that are given by their logarithms, and never leaves them.

# %% [markdown] hint="predictive_log_likelihood"
# The log of a *mean* over $k$ is the log of a sum, less something. Then average over $i$.

# %% [markdown]
# Your likelihood of new points, at each assumed noise $1/\sqrt\tau$: one pass in evaluation, and
# 100 draws.

# %% figure=true
# The likelihood of new points against the assumed noise, for one evaluation and for 100 draws.
new_x = torch.rand(15, 400, 1) * 1.2 - 0.6
new_x = new_x + 0.4 * new_x.sign()
new_y = torch.sin(4 * new_x) + 0.1 * torch.randn_like(new_x)
with torch.no_grad():
    one = curves(new_x)[None]
    with enable_dropout(curves):
        many = torch.stack([curves(new_x) for _ in range(100)])

noises = np.geomspace(0.03, 0.4, 20)
fig, (ax,) = plot.figure(1, height=2.7, width=6)
fitting = []
for samples, name, color in ((one, "evaluation", plot.ORANGE), (many, "100 draws", plot.BLUE)):
    lls = np.array([[float(predictive_log_likelihood(samples[:, i, :, 0], new_y[i, :, 0], s**-2))
                     for s in noises] for i in range(5, 10)])  # the five networks of 300 points
    best = lls.mean(0).argmax()
    fitting.append(noises[lls.argmax(1)])
    ax.fill_between(noises, *(lls.mean(0) + [[-1], [1]] * plot.standard_error(lls)), color=color,
                    alpha=0.3, linewidth=0)
    ax.plot(noises, lls.mean(0), color=color,
            label=f"{name}: best {lls.mean(0)[best]:.2f} at {noises[best]:.2f}")
ax.axvline(0.1, color=plot.GREY, linestyle="--")
ax.annotate(" true noise", (0.1, 0.95), color=plot.GREY)
gap = plot.difference(fitting[1], fitting[0])
ax.set(xscale="log", ylim=(-1, 1.1), xlabel="assumed noise, 1/√τ (5 networks ± s.e.)",
       ylabel="log likelihood, nats",
       title=f"Best noise with draws − without: {gap:.3f}")
ax.set_xticks([0.03, 0.1, 0.3], ["0.03", "0.1", "0.3"])
ax.minorticks_off()
ax.legend(loc="lower right")
plot.show(fig, "Log likelihood against assumed noise, for one evaluation and for 100 draws.")

# %% check="predictive_log_likelihood" points=2
# Against the formula, pair by pair.
rng = expect.rng()
samples, y, tau = rng.normal(size=(6, 9)), rng.normal(size=9), 1.7
density = np.sqrt(tau / (2 * np.pi)) * np.exp(-tau / 2 * (y - samples) ** 2)
log = np.log(density)
mixture = np.log(density.mean(0))
middle = 0.5 * np.log(tau / 2 / np.pi) - tau / 2 * (y - samples.mean(0)) ** 2
by_variance = -0.5 * np.log(2 * np.pi * tau) - (y - samples) ** 2 / 2 / tau
by_sd = -np.log(tau) - 0.5 * np.log(2 * np.pi) - (y - samples) ** 2 / 2 / tau**2
double = 0.5 * np.log(tau / 2 / np.pi) - tau * (y - samples) ** 2
with expect.case("predictive_log_likelihood(samples, y, tau=1.7) on 6 samples of 9 targets"):
    found = predictive_log_likelihood(torch.tensor(samples), torch.tensor(y), tau)
    expect.close(found, mixture.mean(), rtol=1e-5, atol=1e-5,
                 hint="compare each term with the formula.", suspects=[
        (mixture.sum(), "that is the sum over the targets. Average over them."),
        (mixture, "that is one number per target. Average over them."),
        (-mixture.mean(), "the sign is turned: a likelihood is better when larger."),
        (log.mean(), "the logarithm is taken before the mean over samples. Take it after."),
        (middle.mean(), "that is the likelihood of the mean prediction. Mix the densities."),
        (mixture.mean() + np.log(6), "the samples are added up. Their mean has log k less."),
        (np.log(np.exp(by_variance).mean(0)).mean(), "tau is used as a variance. It is one over."),
        (np.log(np.exp(by_sd).mean(0)).mean(), "tau is used as a standard deviation."),
        (np.log(np.exp(double).mean(0)).mean(), "the ½ in the exponent is missing."),
        (mixture.mean() - np.log(tau) / 2, "the term ½ log tau is missing."),
        (mixture.mean() + np.log(2 * np.pi) / 2, "the term -½ log 2π is missing."),
        (mixture.mean() - np.log(tau / 2 / np.pi) / 2, "the Gaussian's normalisation is missing."),
        (density.mean(), "that is a density. Where is its logarithm?"),
    ])

# %% check="predictive_log_likelihood" points=1
# Samples far away give a small likelihood, not minus infinity.
far = 100 + torch.rand(3, 4, generator=expect.generator(), dtype=torch.float64)
with expect.case("predictive_log_likelihood(samples, y, tau=4), samples near 100, y = 0"):
    found = predictive_log_likelihood(far.clone(), torch.zeros(4, dtype=torch.float64), 4.0)
    largest = -2 * far.square().min(0).values
    right = largest + (-2 * far.square() - largest).exp().sum(0).log() - math.log(3)
    expect.close(found, right.mean() + 0.5 * math.log(4 / 2 / math.pi), rtol=1e-5,
                 hint="compare each term with the formula.",
                 suspects=[(-math.inf, "the densities round to 0. Use torch.logsumexp.")])

# %% mistakes="predictive_log_likelihood"
{
    "sum over the targets": (").mean()", ").sum()"),
    "one number per target": (").mean()", ")"),
    "sign is turned": ("return (", "return -("),
    "before the mean over samples": (
        "(torch.logsumexp(logs, 0) - math.log(len(samples)))", "logs",
    ),
    "likelihood of the mean prediction": (
        "logs =", "samples = samples.mean(0, keepdim=True)\n    logs =",
    ),
    "samples are added up": (" - math.log(len(samples))", ""),
    "as a variance": ("logs =", "tau = 1 / tau\n    logs ="),
    "as a standard deviation": ("logs =", "tau = 1 / tau**2\n    logs ="),
    "½ in the exponent": ("- 0.5 * tau", "- tau"),
    "½ log tau is missing": ("math.log(tau / (2", "math.log(1 / (2"),
    "-½ log 2π is missing": ("tau / (2 * math.pi)", "tau"),
    "normalisation is missing": ("0.5 * math.log(tau / (2 * math.pi)) -", "-"),
    "that is a density": ("(torch.logsumexp(logs, 0) - math.log(len(samples)))", "logs.exp()"),
    "Use torch.logsumexp": ("torch.logsumexp(logs, 0)", "logs.exp().sum(0).log()"),
}

# %% correct="predictive_log_likelihood"
def predictive_log_likelihood(samples, y, tau):
    k, n = samples.shape
    total = 0.0
    for i in range(n):
        exponents = -tau / 2 * (samples[:, i] - y[i]) ** 2
        top = exponents.max()
        total += top + torch.log(torch.exp(exponents - top).sum() / k)
    return total / n - math.log(2 * math.pi / tau) / 2

# %% [markdown]
# ### Do the published numbers come out?
#
# With exactly these two functions Gal and Ghahramani (2016, Table 1) compared MC dropout with other
# methods on regression sets. Where you have the data (set `DROPOUT_DATA`), the cell below trains
# their network, one hidden layer of 50 units, with their settings, and puts both numbers side by
# side, split by split. `diff` is the mean of the differences over splits; it agrees if it is within
# two of its standard errors. Five splits take three to five minutes on one core; without the data
# the cell says what is missing.

# %%
splits = 5  # of 20; all 20 take two to three times as long

settings = {  # dropout rate, prior length scale, tau: those of the 2016 runs
    "yacht": (0.01, 0.1, 0.541869562034), "energy": (0.05, 0.01, 0.427114830213),
    "concrete": (0.01, 0.01, 0.0557319157756), "wine-quality-red": (0.05, 0.01, 2.95833720839),
    "kin8nm": (0.05, 0.01, 192.482910156), "power-plant": (0.005, 0.01, 0.0871109017617),
}
try:
    published = {name: data.uci_published(name) for name in settings}
    regression = {name: data.uci(name) for name in settings}
except FileNotFoundError as missing:
    print(f"The table is left out: {missing}")
    regression = {}


def uniform(layer):  # the starting weights of Keras, 2016
    bound = math.sqrt(6 / sum(layer.weight.shape[1:]))
    nn.init.uniform_(layer.weight, -bound, bound)
    return layer


def measure(rows, targets, train, test, p, length, tau, bar):
    """RMSE and log likelihood of MC dropout for each split, all trained side by side."""
    k, n = len(train), len(train[0])
    center, scale = (f(targets[train], axis=1)[:, None] for f in (np.mean, np.std))
    middle, spread = (f(rows[train], axis=1)[:, None] for f in (np.mean, np.std))
    spread[spread == 0] = 1
    x_train, x_test = (torch.as_tensor((rows[i] - middle) / spread).float() for i in (train, test))
    y_train = torch.as_tensor((targets[train] - center) / scale).float()[..., None]
    first, second = uniform(Linear(k, rows.shape[1], 50)), uniform(Linear(k, 50, 1))
    net = nn.Sequential(nn.Dropout(p), first, nn.ReLU(), nn.Dropout(p), second)
    decay = length**2 * (1 - p) / (2 * n * tau)
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    for _ in range(400):
        for batch in torch.randperm(n).split(32):
            optimizer.zero_grad()
            loss = (net(x_train[:, batch]) - y_train[:, batch]).square().mean(1).sum()
            loss = loss + decay * (first.weight.square().sum() + second.weight.square().sum())
            loss.backward()
            optimizer.step()
        bar.update()
    with enable_dropout(net.eval()), torch.no_grad():
        passes = torch.stack([net(x_test)[..., 0] for _ in range(2000)]).double()
    passes = passes * torch.tensor(scale) + torch.tensor(center)
    y_new = torch.tensor(targets[test])
    rmse = (passes.mean(0) - y_new).square().mean(1).sqrt().numpy()
    return rmse, np.array([float(predictive_log_likelihood(passes[:, i], y_new[i], tau))
                           for i in range(k)])


table = []
with tqdm(total=400 * len(regression), file=sys.stdout, disable=not regression) as bar:
    for name, (rows, targets, train, test) in regression.items():
        bar.set_description(name)
        own = measure(rows, targets, train[:splits], test[:splits], *settings[name], bar)
        for what, ours, theirs in zip(("RMSE", "LL"), own, published[name], strict=True):
            theirs = theirs[:splits]
            gap, error = np.mean(ours - theirs), plot.standard_error(ours - theirs)
            table.append(f"{name:17}{what:5}{theirs.mean():9.3f}{ours.mean():9.3f}"
                         f"{gap:+9.4f} ± {error:.4f}  {'yes' if abs(gap) <= 2 * error else 'NO'}")
if table:
    print(f"{'':22}published measured     diff ± s.e.  agree", *table, sep="\n")

# %% [markdown]
# In our runs of all 20 splits concrete, wine, kin8nm and power plant agreed in all eight numbers.
# Yacht and energy, run four times, agreed in three runs; in one (with 500 passes for 2000) three of
# their four numbers were off by 2.4 to 3.2 standard errors, one for the worse, two for the better.
# With five splits a "NO" among twelve rows is to be expected even where nothing is wrong: so few
# differences give only a rough standard error.
#
# One setting decided it. The authors' code of 2016 has a batch of 32, their later code 128; with
# 128 and the same 400 epochs, yacht came out at 2.43, where 1.11 is published. That network had
# simply not finished training.
#
# What the table does *not* say: that MC dropout's likelihood is good because its bands are. $\tau$
# was tuned on the same data, and it alone explains most of each number.
#
# ## Explore: a regression and its functions
#
# Each thin line is one pass: masks drawn once, for all $x$. Band and mean come from your
# `mc_predict`, the lines through your `enable_dropout`.
#
# **Try**: which way does the band go when $p$ grows, and does it go so everywhere? Widen the gap:
# does the band in it tell that the data are gone? How few passes still give a band that you would
# show to somebody? (Click a slider, then use the arrow keys.)

# %%
explore.sampled_functions(enable_dropout, mc_predict)

# %% [markdown]
# *A good place for a break.*
#
# ## Which class, and how sure?
#
# For classes the samples are probabilities, $q_t$, and their mean is $\bar q$. Its entropy
# $H(\bar q)$ says how unsure the prediction is. It mixes two things: "a 4 or a 9, nobody could
# tell", where every pass says fifty-fifty, and "the passes contradict each other". Houlsby et al.
# (2011) split them:
#
# $$ \underbrace{H(\bar q)}_{\text{predictive entropy}} = \underbrace{\frac1k \sum_t H(q_t)}
# _{\text{unsure in each pass}} + \underbrace{I}_{\text{disagreement}} $$
#
# ## Exercise: `predictive_entropy`

# %% exercise="predictive_entropy"
def predictive_entropy(probs):
    """The entropy of the mean prediction, H(q̄) with q̄ = (1/k) Σ_t q_t, in nats.

    probs : (k, n, c), the probabilities of c classes for n inputs in k passes
    Returns (n,); a class of probability 0 adds 0.
    """
    ### BEGIN SOLUTION
    return torch.special.entr(probs.mean(0)).sum(-1)
    ### END SOLUTION

# %% [markdown] hint="predictive_entropy"
# Two steps, and their order matters: which comes first, the mean or the entropy?

# %% [markdown] hint="predictive_entropy"
# Over which of the three axes is the mean, and over which the sum?

# %% [markdown] hint="predictive_entropy"
# $0 \cdot \log 0$ is NaN to the computer and 0 to us. `torch.special.entr` and `torch.xlogy` know
# that.

# %% check="predictive_entropy" points=1
# Against the formula.
probs = expect.rng().dirichlet(np.ones(4), size=(5, 3))
single = -(probs * np.log(probs)).sum(-1)
middle = probs.mean(0)
right = -(middle * np.log(middle)).sum(-1)
with expect.case("predictive_entropy(probs) of 5 passes, 3 inputs, 4 classes"):
    found = predictive_entropy(torch.tensor(probs))
    expect.close(found, right, rtol=1e-5, atol=1e-5,
                 hint="average over the passes, then -Σ q log q over classes.", suspects=[
        (single.mean(0), "that is the mean of the entropies. Average the probabilities first."),
        (single, "that is the entropy of each pass. Average the probabilities first."),
        (right / np.log(2), "that is in bits. Use the natural logarithm."),
        (-right, "the sign is turned: an entropy is never negative."),
        (right.mean(), "that is one number for all. Return one for each input."),
        (right.sum(), "that is one number for all. Return one for each input."),
        (-np.log(middle.max(-1)), "that is -log of the largest probability, not the entropy."),
        (right / np.log(4), "that is divided by its largest value. Return nats."),
    ])

# %% check="predictive_entropy" points=1
# A class of probability 0 adds 0.
with expect.case("predictive_entropy(probs), two passes sure of two classes"):
    found = predictive_entropy(torch.tensor([[[1.0, 0, 0]], [[0, 1.0, 0]]]))
    expect.close(found, [math.log(2)], rtol=1e-4,
                 hint="the mean prediction is (½, ½, 0), of entropy log 2.",
                 suspects=[([math.nan], "0 log 0 gives NaN. It must count as 0.")])

# %% mistakes="predictive_entropy"
{
    "mean of the entropies": ("probs.mean(0)).sum(-1)", "probs).sum(-1).mean(0)"),
    "entropy of each pass": ("probs.mean(0)", "probs"),
    "in bits": (".sum(-1)", ".sum(-1) / math.log(2)"),
    "sign is turned": ("return ", "return -"),
    "one number for all": (".sum(-1)", ".sum()"),
    "log of the largest": ("torch.special.entr(probs.mean(0)).sum(-1)",
                           "-probs.mean(0).amax(-1).log()"),
    "divided by its largest value": (".sum(-1)", ".sum(-1) / math.log(probs.shape[-1])"),
    "0 log 0 gives NaN": ("torch.special.entr(probs.mean(0))",
                          "(-probs.mean(0) * probs.mean(0).log())"),
}

# %% correct="predictive_entropy"
def predictive_entropy(probs):
    q = sum(probs) / len(probs)
    return torch.where(q > 0, -q * torch.log(q.clamp(min=1e-300)), 0.0).sum(dim=1)

# %% [markdown]
# ## Exercise: `mutual_information`
#
# "Disagreement is the variance of the probabilities" would do as a rough measure. The part that
# makes the sum above exact is this one.

# %% exercise="mutual_information"
def mutual_information(probs):
    """I = H(q̄) - (1/k) Σ_t H(q_t): how much the passes disagree, in nats.

    probs : (k, n, c), the probabilities of c classes for n inputs in k passes
    Returns (n,); 0 where all passes say the same.
    """
    ### BEGIN SOLUTION
    return predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)
    ### END SOLUTION

# %% [markdown] hint="mutual_information"
# You have one of the two terms already.

# %% [markdown] hint="mutual_information"
# The other takes the entropy of each pass first and the mean over passes last.

# %% [markdown] hint="mutual_information"
# Here too a probability may be 0.

# %% [markdown]
# Your two measures on six inputs of two classes, from ten passes each: dots are the passes.

# %% figure=true
# Six inputs, ten passes each: the passes, and your two measures of them.
passes = torch.linspace(-1, 1, 10)[:, None] * torch.tensor([0.02, 0.2, 0.02, 0.2, 0.49, 0.02])
first_class = passes + torch.tensor([0.5, 0.5, 0.9, 0.75, 0.5, 0.97])
two = torch.stack([first_class, 1 - first_class], -1)

fig, (left, right) = plot.figure(2, height=2.4)
left.plot(np.arange(6), first_class.T, ".", color=plot.SKY)
left.set(xlabel="input", ylabel="probability of class 1", ylim=(0, 1), title="Ten passes")
total, between = (np.asarray(f(two)) for f in (predictive_entropy, mutual_information))
right.bar(np.arange(6), total, color=plot.PALE, label="unsure in each pass")
right.bar(np.arange(6), between, color=plot.BLUE, label="disagreement")
right.set(xlabel="input", ylabel="nats", ylim=(0, 1.1), title="Entropy, and your part of it")
right.legend(loc="upper center", ncols=2, columnspacing=1)
plot.show(fig, "Passes of six inputs; predictive entropy with the mutual information as a part.")

# %% check="mutual_information" points=1
# Against the formula.
probs = expect.rng().dirichlet(np.ones(4), size=(5, 3))
inside = -(probs * np.log(probs)).sum(-1).mean(0)
middle = probs.mean(0)
total = -(middle * np.log(middle)).sum(-1)
with expect.case("mutual_information(probs) of 5 passes, 3 inputs, 4 classes"):
    expect.close(mutual_information(torch.tensor(probs)), total - inside, rtol=1e-4, atol=1e-5,
                 hint="subtract the mean entropy of the passes from the entropy of the mean.",
                 suspects=[
        (inside - total, "the difference is turned round. Disagreement is never negative."),
        (total, "that is the whole entropy. Subtract the mean entropy of the passes."),
        (inside, "that is the mean entropy of the passes, the part that is no disagreement."),
        (probs.var(0).sum(-1), "that is a variance of probabilities, not a difference of entropies."
         ),
        (probs.var(0).mean(-1), "that is a variance of probabilities, not a difference of "
                                "entropies."),
        (probs.var(0, ddof=1).sum(-1), "that is a variance of probabilities, not a difference of "
                                       "entropies."),
        ((total - inside).mean(), "that is one number for all. Return one for each input."),
        ((total - inside).sum(), "that is one number for all. Return one for each input."),
        ((total - inside) / np.log(2), "that is in bits. Use the natural logarithm."),
    ])

# %% check="mutual_information" points=1
# It is 0 when all passes agree, and log 2 when two sure passes contradict each other.
sure = torch.tensor([[[1.0, 0], [0.5, 0.5]], [[0, 1.0], [0.5, 0.5]]])
with expect.case("mutual_information(probs): two sure passes that differ; two unsure alike"):
    expect.close(mutual_information(sure), [math.log(2), 0], rtol=1e-4, atol=1e-5,
                 hint="the first input's passes contradict each other, the second's agree.",
                 suspects=[([math.nan, 0], "0 log 0 gives NaN. It must count as 0.")])

# %% mistakes="mutual_information"
{
    "turned round": ("predictive_entropy(probs) -", "-predictive_entropy(probs) +"),
    "the whole entropy": (" - torch.special.entr(probs).sum(-1).mean(0)", ""),
    "no disagreement": ("predictive_entropy(probs) - ", ""),
    "variance of probabilities": (
        "predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)",
        "probs.var(0).sum(-1)",
    ),
    "one number for all": (
        "predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)",
        "(predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)).mean()",
    ),
    "in bits": (
        "predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)",
        "(predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)) / math.log(2)",
    ),
    "gives NaN": ("torch.special.entr(probs)", "(-probs * probs.log())"),
}

# %% correct="mutual_information"
def mutual_information(probs):
    q = probs.mean(0, keepdim=True)
    ratio = torch.where(probs > 0, probs / q, 1)  # the mean divergence of a pass from the mean
    return torch.einsum("knc,knc->n", probs, torch.log(ratio)) / len(probs)

# %% [markdown]
# ### Digits, letters, printed digits
#
# Back to the letters. A score that tells a letter from a digit is measured by its AUROC: the
# probability that a letter scores higher than a digit, 0.5 for a coin. To know whether it is the
# *letter* that is noticed, and not merely print, printed digits are asked too. Five scores: the
# entropy without dropout; that of a dropout network in evaluation; your two from 50 passes; and,
# with no dropout at all, that of four networks together. **Predict first: what AUROC has the
# entropy of 50 passes, letters against handwritten digits?**

# %% guess=true
my_guess = 0.99  # AUROC of letters against digits, predictive entropy of 50 passes

# %% figure=true
# Five scores: how well each tells letters from handwritten digits, and from printed ones.
guess = expect.guess(my_guess)
printed, printed_labels = shrunk("123456", seed=2)


def passes_of(nets, rows, k=50):
    with enable_dropout(nets), torch.no_grad():
        return torch.stack([nets(rows).softmax(-1) for _ in range(k)])


def auroc(low, high):
    return float((high[:, None] > low).double().mean() + (high[:, None] == low).double().mean() / 2)


inputs = (X_test, printed, letters)
alone = [passes_of(networks[0.0], rows, 1) for rows in inputs]
with torch.no_grad():
    evaluated = [networks[0.5](rows).softmax(-1)[None] for rows in inputs]
drawn = [passes_of(networks[0.5], rows) for rows in inputs]
scores = {}
for name, measure_of, sets in (
    ("entropy, no dropout", predictive_entropy, alone),
    ("entropy, evaluation", predictive_entropy, evaluated),
    ("entropy, 50 passes", predictive_entropy, drawn),
    ("disagreement, 50 passes", mutual_information, drawn),
):
    scores[name] = [[measure_of(q[:, s]) for q in sets] for s in range(seeds)]
# Five networks without dropout, four of them in turn, so that there is a spread.
scores["entropy, 4 networks"] = [
    [predictive_entropy(torch.cat([q[0, :s], q[0, s + 1 :]])) for q in alone] for s in range(seeds)
]

found = np.array([[(auroc(d, a), auroc(b, a)) for d, b, a in runs] for runs in scores.values()])
fig, axes = plot.figure(2, height=2.6)
colors = [plot.GREY, plot.ORANGE, plot.BLUE, plot.SKY, plot.GREEN]
for ax, column, title in (
    (axes[0], 0, f"Letters against handwriting …\n(your guess for 50 passes: {guess})"),
    (axes[1], 1, "… and against printed digits"),
):
    runs = found[:, :, column]
    plot.bars(runs.mean(1), list(scores), ax, spread=plot.standard_error(runs, 1), colors=colors)
    ax.set(xlim=(0.5, 1.1), xticks=[0.5, 0.75, 1], title=title,
           xlabel="AUROC, 5 runs ± s.e.")
axes[0].axvline(guess, color=plot.INK, linestyle="--", linewidth=1)
axes[1].set_yticks([])
plot.show(fig, "AUROC of five scores, letters against handwritten and against printed digits.")
gain = found[2, :, 0] - found[1, :, 0]
wrong = (evaluated[1][0].argmax(-1) != printed_labels + 1).double().mean(1) * 100
print(f"50 passes less one evaluation: {gain.mean():+.3f} ± {plot.standard_error(gain):.3f}")
print(f"printed digits misread: {wrong.mean():.0f} ± {plot.standard_error(wrong):.0f} %")

# %% [markdown]
# Three things at once. Fifty passes tell letters from handwriting better than one evaluation does,
# but only by about 0.02. Four networks without dropout do as well. And against *printed* digits
# every entropy is not far from a coin: what had been noticed was mostly the print. Disagreement
# does better there, though not well. (More than half of the printed digits are misread, so some
# doubt is due.) "MC dropout detects the unknown" is too much said. It notices that an input is
# *unusual*, and one forward pass notices nearly as much.
#
# ## Exercise: `calibration_error`
#
# A forecaster is *calibrated* if it rains on 7 of 10 days for which 70 % was announced. Guo et al.
# (2017) put the inputs into bins by confidence (the largest probability) and compare, bin by bin,
# the mean confidence with the share that was right:
#
# $$ \mathrm{ECE} = \sum_{b} \frac{n_b}{n} \,\bigl| \mathrm{acc}_b - \mathrm{conf}_b \bigr| . $$
#
# "Then I can take confidence minus accuracy over all inputs": too sure here and too timid there
# would cancel.

# %% exercise="calibration_error"
def calibration_error(probs, y, bins=10):
    """The expected calibration error: Σ_b n_b / n |accuracy - mean confidence| over bins b.

    The confidence of an input is its largest probability; bin b holds confidences above b / bins
    and up to (b + 1) / bins, for b = 0 … bins - 1. Empty bins add nothing.

    probs : (n, c) probabilities; y : (n,) classes. Returns a number.
    """
    ### BEGIN SOLUTION
    confidence, chosen = probs.max(-1)
    error = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        surplus = (chosen == y)[inside].double() - confidence[inside].double()
        error += surplus.sum().abs() / len(y)
    return error
    ### END SOLUTION

# %% [markdown] hint="calibration_error"
# `probs.max(-1)` gives two things at once: the confidence and the class that was chosen.

# %% [markdown] hint="calibration_error"
# A loop over the bins; in each, a mask of the inputs that fall into it. What happens to a mean over
# no inputs?

# %% [markdown] hint="calibration_error"
# $\frac{n_b}{n} |\mathrm{acc}_b - \mathrm{conf}_b|$ needs no mean at all: it is the absolute value
# of a sum, over $n$.

# %% check="calibration_error" points=2
# Against the formula, on forecasts that are wrong in various ways.
rng = expect.rng()
probs = rng.dirichlet(np.full(3, 0.5), size=400)
twentieths = 20 * probs.max(1)
probs = probs[abs(twentieths - twentieths.round()) > 0.01][:80]  # none on the edge of a bin
confidence = probs.max(1)
hit = rng.random(80) < np.where(confidence < 0.65, 0.95, 0.15)  # too timid, then too sure
y = (probs.argmax(1) + ~hit) % 3
right = {}
for bins in (10, 4, 1):
    place = np.ceil(confidence * bins)
    held = [place == b for b in range(1, bins + 1) if (place == b).any()]
    gaps = np.array([hit[b].mean() - confidence[b].mean() for b in held])
    share = np.array([b.mean() for b in held])
    centers = np.array([(place[b][0] - 0.5) / bins for b in held])
    means = np.array([hit[b].mean() for b in held])
    right[bins] = share @ abs(gaps)
    with expect.case(f"calibration_error(probs, y, bins={bins}) on 80 forecasts"):
        found = calibration_error(torch.tensor(probs), torch.tensor(y), bins)
        expect.close(found, right[bins], rtol=1e-5, atol=1e-6,
                     hint="compare each bin with the formula.", suspects=[
            (math.nan, "the mean of an empty bin is NaN. Such a bin adds nothing."),
            (abs(gaps).mean(), "the bins are averaged evenly. Weight each by its inputs."),
            (abs(gaps).sum() / bins, "the bins are averaged evenly. Weight each by its inputs."),
            (abs(gaps).sum(), "the bins are added up. Weight each by its share of inputs."),
            (abs(gaps).max(), "that is the largest gap. Sum over the bins by their shares."),
            (share @ abs(means - centers), "the middle of the bin is taken for its confidence."),
            (share @ gaps, "the sign is kept, so bins cancel. Take each bin's absolute value."),
            (abs(share @ gaps), "the absolute value comes last. Take it in each bin."),
            (np.abs(hit - confidence).mean(), "each input is compared alone. Average within bins."),
            (share @ gaps**2, "the gaps are squared. Take absolute values."),
            (np.sqrt(share @ gaps**2), "the gaps are squared. Take absolute values."),
            (100 * right[bins], "that is in percent. Return a fraction."),
            (right.get(10), "bins is ignored."),
        ])

# %% check="calibration_error" points=1
# A confidence of exactly 1 is in the last bin.
probs = torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1], [0.75, 0.25]])
with expect.case("calibration_error(probs, y): four confidences of 1, half of them right; a 0.75"):
    found = calibration_error(probs, torch.tensor([0, 1, 1, 0, 1]))
    expect.close(found, 0.55, rtol=1e-5, hint="that is 4/5 · |½ - 1| + 1/5 · |0 - 0.75|.",
                 suspects=[(0.15, "a confidence of exactly 1 falls out. It is in the last bin.")])

# %% mistakes="calibration_error"
{
    "mean of an empty bin": (
        "surplus.sum().abs() / len(y)", "surplus.mean().abs() * inside.double().mean()",
    ),
    "averaged evenly": (
        "surplus.sum().abs() / len(y)", "surplus.sum().abs() / max(len(surplus), 1) / bins",
    ),
    "added up": ("surplus.sum().abs() / len(y)", "surplus.sum().abs() / max(len(surplus), 1)"),
    "the largest gap": (
        "error += surplus.sum().abs() / len(y)",
        "error = max(error, surplus.sum().abs() / max(len(surplus), 1))",
    ),
    "taken for its confidence": ("confidence[inside].double()", "(b + 0.5) / bins"),
    "sign is kept": (".abs()", ""),
    "absolute value comes last": ("error = 0.0", "error, bins = 0.0, 1"),
    "each input is compared alone": ("surplus.sum().abs()", "surplus.abs().sum()"),
    "gaps are squared": (
        "surplus.sum().abs() / len(y)", "surplus.sum() ** 2 / max(len(surplus), 1) / len(y)",
    ),
    "in percent": ("/ len(y)", "/ len(y) * 100"),
    "bins is ignored": ("error = 0.0", "error, bins = 0.0, 10"),
    "It is in the last bin": (
        "> b / bins) & (confidence <=", ">= b / bins) & (confidence <",
    ),
}


# %% correct="calibration_error"
def calibration_error(probs, y, bins=10):
    q, targets = np.asarray(probs, dtype=float), np.asarray(y)
    top = q.max(1)
    edges = np.arange(bins + 1) / bins
    place = np.searchsorted(edges, top, side="left") - 1
    surplus = (q.argmax(1) == targets) - top
    return float(np.abs(np.bincount(place, surplus, minlength=bins)).sum() / len(top))

# %% [markdown]
# Now the digits again, after 4, 15 and 60 epochs of training: a network without dropout, and one at
# $p=0.5$ asked in two ways. **Predict first: are 50 passes better calibrated than one evaluation?**

# %% guess=true
my_guess = "always"  # "always", "never" or "it depends on the epochs"

# %% figure=true
# Calibration and log loss after 4, 15 and 60 epochs, for three ways to ask.
guess = expect.guess(my_guess)
names = ("no dropout", "one evaluation", "50 passes")
figures = np.empty((2, 3, 3, seeds))  # calibration error and log loss, forecasts, epochs, seeds
for stage in range(3):
    with torch.no_grad():
        forecasts = [stages[p][stage](X_test).softmax(-1) for p in (0.0, 0.5)]
    forecasts.append(passes_of(stages[0.5][stage], X_test).mean(0))
    for i, q in enumerate(forecasts):
        for s in range(seeds):
            figures[0, i, stage, s] = 100 * float(calibration_error(q[s], y_test))
            figures[1, i, stage, s] = F.nll_loss(q[s].log(), y_test)

fig, axes = plot.figure(3, height=2.9)
axes[0].plot([0, 1], [0, 1], color=plot.PALE)
colors = (plot.GREY, plot.ORANGE, plot.BLUE)
for name, q, runs, color in zip(names, forecasts, figures.swapaxes(0, 1), colors, strict=True):
    sureness, chosen = q.max(-1)
    place, right_ones = (sureness * 10).ceil(), (chosen == y_test).double()
    held = [b for b in range(1, 11) if (place == b).sum() >= 40]
    axes[0].plot([sureness[place == b].mean() for b in held],
                 [right_ones[place == b].mean() for b in held], "o-", color=color)
    for ax, values in zip(axes[1:], runs, strict=True):
        ax.errorbar(epochs, values.mean(1), plot.standard_error(values, 1), marker="o", capsize=3,
                    color=color, label=name)
axes[0].set(xlabel="confidence", ylabel="share that was right", xlim=(0.2, 1), ylim=(0.2, 1.02),
            title=f"{epochs[-1]} epochs: below is too sure")
for ax, values, what, digits in ((axes[1], figures[0], "calibration error, %", ".1f"),
                                 (axes[2], figures[1], "log loss, nats", ".2f")):
    first, last = (format(plot.difference(values[2, at], values[1, at]), digits) for at in (0, -1))
    ax.set(ylabel=what, title=f"50 passes − one\nfirst {first}\nlast {last}")
for ax in axes[1:]:
    ax.set(xscale="log", xlabel="epochs (5 networks ± s.e.)", ylim=(0, None))
    ax.set_xticks(epochs, epochs)
    ax.minorticks_off()
axes[1].legend()
plot.show(fig, "Reliability at the end; calibration error and log loss against training epochs.")
for stage, count in enumerate(epochs):
    said = [f"{name} {e.mean():.1f} ± {plot.standard_error(e):.1f}"
            for name, e in zip(names, figures[0, :, stage], strict=True)]
    print(f"calibration error, %, after {count:2} epochs: {', '.join(said)}")
print(f"are 50 passes better calibrated than one evaluation? Your guess: {guess}")

# %% [markdown]
# "MC dropout calibrates" is half true. Early on a dropout network is unsure of itself, rightly;
# averaging passes makes it *more* timid, and its calibration error several times as large. After
# 60 epochs one evaluation has become too sure, with or without dropout in training, and there the
# passes help, in log loss too. Passes do not calibrate; they *soften*. Whether that is good depends
# on how sure the network was before, so it must be measured on new data, each time.
#
# ## Learned rates: `concrete_mask`
#
# So $p$ should follow the data. Gradient descent could find it, if only a mask had a derivative
# with respect to $p$: a comparison, `u >= p`, has none. Gal, Hron and Kendall (2017) soften the
# coin:
#
# $$ z = 1 - \sigma\Bigl(\frac1t \bigl[\operatorname{logit} p + \operatorname{logit} u\bigr]\Bigr),
# \quad u \sim U(0, 1), \quad \operatorname{logit} p = \log \frac{p}{1-p} . $$
#
# $z$ is near 1 for a kept unit and near 0 for a dropped one. The lower the temperature $t$, the
# harder the coin; $P(z < \frac12) = p$ at any $t$.

# %% exercise="concrete_mask"
def concrete_mask(p, shape, temperature, generator):
    """A soft mask z = 1 - sigmoid((logit p + logit u) / temperature), u uniform in (0, 1).

    p : probability of dropping, above 0 and below 1: a number, or a tensor that broadcasts to
    `shape`. The mask has a gradient with respect to p.
    shape : of the mask; temperature : above 0
    generator : torch.Generator, or None for torch's own; the only source of randomness
    Returns a tensor of entries in [0, 1], of p's dtype where p is a tensor, else float32.
    """
    ### BEGIN SOLUTION
    p = torch.as_tensor(p)
    u = torch.rand(shape, generator=generator, dtype=p.dtype)
    return torch.sigmoid(-(torch.logit(p) + torch.logit(u)) / temperature)
    ### END SOLUTION

# %% [markdown] hint="concrete_mask"
# `torch.as_tensor(p)` makes a tensor of a number and leaves a tensor, with its gradient, as it is.
# `torch.tensor(p)` would cut the gradient off.

# %% [markdown] hint="concrete_mask"
# Uniform numbers of the mask's whole shape, from `generator`. `torch.logit` is there for both.

# %% [markdown] hint="concrete_mask"
# $1 - \sigma(a) = \sigma(-a)$, and the temperature divides the whole bracket.

# %% [markdown]
# Your masks at four temperatures, $p=0.3$.

# %% figure=true
# Histograms of your soft mask at four temperatures.
fig, axes = plot.figure(4, height=2.1)
for ax, temperature in zip(axes, (0.05, 0.1, 0.5, 2.0), strict=True):
    z = concrete_mask(0.3, (5000,), temperature, None)
    ax.hist(z, np.linspace(0, 1, 31), color=plot.BLUE, density=True)
    below = (z < 0.5).double().mean()
    ax.set(xlabel="z", yticks=[], title=f"t = {temperature}: {below:.0%} below ½")
    ax.title.set_size(10)
axes[0].set_ylabel("density")
plot.show(fig, "Histograms of your soft mask at four temperatures.")

# %% check="concrete_mask" points=2
# Whether z is below ½ is a coin for each entry, with probability p, from the generator alone.
def kept(p, generator):
    z = concrete_mask(p, (20, 60), 0.4, generator)
    expect.tensor(z, (20, 60), hint="return a tensor of the given shape.")
    return z >= 0.5


with expect.case("concrete_mask(p, (20, 60), 0.4, generator), z >= ½, 24 times for each p"):
    expect.coins(kept, source=expect.generator, none=True, suspects=[
        (lambda p: 1 - p, "a share 1 - p is below ½: 1 minus is missing, or p is swapped."),
    ])

# %% check="concrete_mask" points=1
# How soft the mask is, that is, how many entries lie below 0.1, follows from the temperature.
for p, t in ((0.2, 0.1), (0.3, 0.5)):
    with expect.case(f"concrete_mask({p}, (100, 200), {t}, generator), z < 0.1"):
        z = concrete_mask(p, (100, 200), t, expect.generator())
        expect.tensor(z, (100, 200), hint="return a tensor of the given shape.")
        expect.equal(bool(((z >= 0) & (z <= 1)).all()), True, hint="entries lie in [0, 1].")
        low = [1 - 1 / (1 + math.exp(-(s * math.log(9) - math.log(p / (1 - p)))))
               for s in (t, 1, 1 / t)]
        expect.mean((z < 0.1).double(), low[0], of=(0, 1), hint="the softness is not that of t.",
                    suspects=[(p, "the mask is hard, 0 or 1. A comparison has no gradient."),
                              (low[1], "the temperature is ignored. Divide the bracket by it."),
                              (low[2], "the temperature multiplies. Divide by it.")])

# %% check="concrete_mask" points=1
# The gradient with respect to p, which follows from z itself: dz/dp = -z (1 - z) / (t p (1 - p)).
p = torch.tensor([[0.2], [0.6]], dtype=torch.float64, requires_grad=True)
with expect.case("concrete_mask(p, (2, 50), 0.7, generator).sum(), its gradient at p", crash=[
    ("Boolean value of Tensor", "p may be a tensor of many entries: a comparison asks each."),
    ("does not require grad|grad_fn", "the mask has no gradient: p was copied, or compared."),
]):
    z = concrete_mask(p, (2, 50), 0.7, expect.generator())
    expect.tensor(z, (2, 50), torch.float64, hint="return a tensor of the given shape.")
    z.sum().backward()
    given = torch.tensor([[0.2], [0.6]])
    right = (-z * (1 - z)).sum(1, keepdim=True) / (0.7 * given * (1 - given))
    expect.close(p.grad, right, rtol=1e-3, hint="the gradient does not fit the formula.")

# %% mistakes="concrete_mask"
{
    "1 minus is missing": ("sigmoid(-", "sigmoid("),
    "one coin decides": ("torch.logit(u)", "0 * u"),
    "every row has the same": ("torch.rand(shape, generator=generator, dtype=p.dtype)",
                               "torch.rand(shape[-1:], generator=generator).expand(shape)"),
    "a seed is set inside": ("generator=generator", "generator=torch.Generator().manual_seed(0)"),
    "do not come from the given": ("torch.rand(shape, generator=generator, dtype=p.dtype)",
                                   "torch.rand(shape)"),
    "given shape": ("rand(shape,", "rand(p.shape,"),
    "the mask is hard": ("torch.sigmoid(-(torch.logit(p) + torch.logit(u)) / temperature)",
                         "(u >= p).double()"),
    "temperature is ignored": (" / temperature", ""),
    "temperature multiplies": ("/ temperature", "* temperature"),
    "p was copied": ("torch.as_tensor(p)", "torch.as_tensor(p).detach()"),
    "a comparison asks each": ("p = torch", "assert 0 < p < 1\n    p = torch"),
}

# %% correct="concrete_mask"
def concrete_mask(p, shape, temperature, generator):
    p = p if isinstance(p, torch.Tensor) else torch.tensor(float(p))
    u = torch.empty(shape, dtype=p.dtype).uniform_(generator=generator)
    odds = torch.log(p + 1e-12) - torch.log(1 - p + 1e-12)
    coin = torch.log(u + 1e-12) - torch.log(1 - u + 1e-12)
    return 1 - torch.sigmoid((odds + coin) / temperature)

# %% [markdown]
# The training loss would choose $p=0$: dropping never helps to fit. What speaks for dropping is the
# prior. In the variational reading of dropout it enters as the entropy of the coin, once per unit,
# against a likelihood that grows with the number of data (the prior on the weights is weak here,
# and left out):
#
# $$ \text{loss} = \tfrac\tau2 \,\overline{(y - \hat y)^2} - \tfrac1n \sum_{\text{layers}} 64\, H(p)
# .
# $$
#
# **Predict first: which way does the learned $p$ go as $n$ grows?** The same 15 regressions as
# before show it, with your mask.

# %% guess=true
my_guess = "down"  # "up", "down" or "stays"

# %% figure=true
# Learned rates against the number of training points, and the band with them.
guess = expect.guess(my_guess)


class LearnedDropout(nn.Module):
    """Dropout in training and evaluation alike, at a rate that is learned."""

    def __init__(self):
        super().__init__()
        self.logit = nn.Parameter(torch.full((15, 1, 1), -2.0))

    def rate(self):
        return self.logit.sigmoid()

    def forward(self, h):
        return h * concrete_mask(self.rate(), h.shape, 0.1, None) / (1 - self.rate())


learned = curve_networks(LearnedDropout)


def coin_entropy():
    bonus = 0
    for layer in (learned[2], learned[5]):
        p = layer.rate()
        bonus = bonus - 64 * (torch.special.entr(p) + torch.special.entr(1 - p))
    return (bonus / sizes[:, None, None]).sum()


fit_curves(learned, coin_entropy, steps=900)
learned_mean, learned_variance = mc_predict(learned, grid, 100)
rates = torch.stack([learned[i].rate().flatten() for i in (2, 5)]).detach().reshape(2, 3, seeds)
spread = {"p = 0.1": width[0], "p learned": by_place(learned_variance.sqrt())[0].numpy()}

fig, (left, right) = plot.figure(2, height=2.7)
for layer, color in ((0, plot.BLUE), (1, plot.GREEN)):
    runs = rates[layer].numpy()
    left.errorbar((30, 300, 3000), runs.mean(1), plot.standard_error(runs, 1), marker="o",
                  color=color, capsize=3, label=f"hidden layer {layer + 1}")
for (name, runs), color in zip(spread.items(), (plot.GREY, plot.BLUE), strict=True):
    right.errorbar((30, 300, 3000), runs.mean(1), plot.standard_error(runs, 1), marker="o",
                   color=color, capsize=3, label=name)
for ax in (left, right):
    ax.set(xscale="log", xlabel="training points (5 networks ± s.e.)", ylim=(0, None))
    ax.legend()
change = plot.difference(rates[:, 2].mean(0).numpy(), rates[:, 0].mean(0).numpy())
left.set(ylabel="learned p", title=f"p at 3000 − at 30 points: {change:.2f}\n(guess: {guess})")
shrunk_to = plot.difference(100 * spread["p learned"][2] / spread["p learned"][0])
right.set(ylabel="standard deviation", title="Where data lie, p learned: "
          f"{shrunk_to.mean:.0f} ± {shrunk_to.error:.0f} %\nof the band is left")
plot.show(fig, "Learned rates, and the standard deviation where data lie, against training points.")

# %% [markdown]
# Now the band knows how much has been seen, at least up to 300 points; beyond that, these short
# runs show no more narrowing. A learned rate replaces a knob by a prior, and the prior is a choice
# too.
#
# ## Exercise: `variational_kl`
#
# The last step gives every *weight* a noise of its own: $w = \theta\,(1 +
# \sqrt\alpha\,\varepsilon)$ with $\varepsilon$ normal. That is Gaussian dropout with $p =
# \alpha/(1+\alpha)$. Under a log-uniform prior the price of knowing a weight, a Kullback–Leibler
# divergence, depends on $\alpha$ alone. It has no closed form; Molchanov, Ashukha and Vetrov (2017,
# eq. 14) fitted one:
#
# $$ \mathrm{KL} \approx k_1 - k_1\,\sigma(k_2 + k_3 \log\alpha) + \tfrac12 \log(1 + \alpha^{-1}),
# $$
#
# with $k_1 = 0.63576$, $k_2 = 1.87320$, $k_3 = 1.48695$. It is 0 for $\alpha \to \infty$: a weight
# that is all noise costs nothing, and may be removed.

# %% exercise="variational_kl"
def variational_kl(log_alpha):
    """KL = k1 - k1 σ(k2 + k3 log α) + ½ log(1 + 1/α), entry by entry, in nats.

    k1, k2, k3 = 0.63576, 1.87320, 1.48695 (Molchanov, Ashukha and Vetrov 2017, eq. 14).

    log_alpha : floating tensor, natural logarithms; any finite value, also ±1000
    Returns a tensor of its shape, with a gradient.
    """
    ### BEGIN SOLUTION
    weight = torch.sigmoid(-1.87320 - 1.48695 * log_alpha)
    return 0.63576 * weight + 0.5 * F.softplus(-log_alpha)
    ### END SOLUTION

# %% [markdown] hint="variational_kl"
# Write down the formula term by term; `torch.sigmoid` is $\sigma$.

# %% [markdown] hint="variational_kl"
# $1/\alpha = e^{-\log\alpha}$, and $e^{1000}$ is infinite.

# %% [markdown] hint="variational_kl"
# `F.softplus(a)` is $\log(1 + e^a)$ and never overflows. With which $a$?

# %% [markdown]
# Your formula beside the truth, found by numerical integration.

# %% figure=true
# Your formula and the divergence by integration.
log_alpha = torch.linspace(-8, 8, 65, dtype=torch.float64)
sd = torch.exp(log_alpha / 2)[:, None]
# E log|w / theta| over w / theta ~ N(1, alpha), in the variable r = log|w / theta|
r = torch.linspace(-40, 12, 52_001, dtype=torch.float64)
density = sum(torch.exp(r - (sign * r.exp() - 1).square() / (2 * sd**2)) for sign in (1, -1))
exact = torch.trapezoid(density * r, r) / (sd[:, 0] * math.sqrt(2 * math.pi)) - 0.5 * log_alpha
exact = exact + 0.5 * (np.euler_gamma + math.log(2))  # so that it is 0 for alpha without end
own = variational_kl(log_alpha)

fig, (left, right) = plot.figure(2, height=2.5)
left.plot(log_alpha, exact, color=plot.SKY, linewidth=5, label="integral")
left.plot(log_alpha, own, color=plot.INK, linestyle="--", label="your formula")
left.set(xlabel="log α", ylabel="KL, nats", title="Divergence")
left.legend()
right.plot(log_alpha, own - exact, color=plot.ORANGE)
right.set(xlabel="log α", ylabel="difference, nats",
          title=f"They differ by at most {(own - exact).abs().max():.3f} nats")
plot.show(fig, "The divergence by integration and by your formula, and their difference.")

# %% check="variational_kl" points=1
# Against the formula.
log_alpha = np.sort(expect.rng().uniform(-3, 3, size=7))
bell = 1 / (1 + np.exp(-(1.87320 + 1.48695 * log_alpha)))
tail = 0.5 * np.log1p(np.exp(-log_alpha))
right = 0.63576 - 0.63576 * bell + tail
with expect.case("variational_kl(log_alpha) on 7 numbers between -3 and 3"):
    found = variational_kl(torch.tensor(log_alpha))
    expect.close(found, right, rtol=1e-5, atol=1e-5,
                 hint="compare each term with the formula.", suspects=[
        (-right, "the sign is turned: that is -KL."),
        (right - 0.63576, "the constant k1 is missing, so it does not end at 0."),
        (0.63576 * bell - tail, "that is -KL without its constant."),
        (0.63576 - 0.63576 * bell + 0.5 * np.log1p(np.exp(log_alpha)),
         "½ log(1 + α) is there for ½ log(1 + 1/α)."),
        (0.63576 - 0.63576 * bell + 2 * tail, "the factor ½ is missing."),
        (right.sum(), "that is one number for all. Return one for each entry."),
        (right.mean(), "that is one number for all. Return one for each entry."),
    ])

# %% check="variational_kl" points=1
# Very small and very large alpha stay finite, with a finite gradient.
ends = torch.tensor([-1000.0, 1000.0], requires_grad=True)
with expect.case("variational_kl(log_alpha) at -1000 and 1000, and its gradient"):
    found = variational_kl(ends)
    expect.close(found, [500.63576, 0], rtol=1e-5, atol=1e-5, hint="the ends are not right.",
                 suspects=[([math.inf, 0], "exp(1000) overflows. Use F.softplus.")])
    found.sum().backward()
    expect.close(ends.grad, [-0.5, 0], rtol=1e-5, atol=1e-5, hint="the gradient is not right.",
                 suspects=[([math.nan, 0], "exp(1000) overflows in the backward pass. Use "
                                           "F.softplus.")])

# %% mistakes="variational_kl"
{
    "that is -KL.": ("0.63576 * weight + 0.5 *", "-0.63576 * weight - 0.5 *"),
    "constant k1 is missing": ("* weight", "* (weight - 1)"),
    "-KL without its constant": ("* weight +", "* (1 - weight) -"),
    "½ log(1 + α) is there": ("F.softplus(-log_alpha)", "F.softplus(log_alpha)"),
    "factor ½ is missing": ("0.5 * F", "F"),
    "one number for all": ("0.63576 * weight + 0.5 * F.softplus(-log_alpha)",
                           "(0.63576 * weight + 0.5 * F.softplus(-log_alpha)).sum()"),
    "overflows. Use": ("F.softplus(-log_alpha)", "torch.log1p(torch.exp(-log_alpha))"),
    "in the backward pass": (
        "F.softplus(-log_alpha)",
        "torch.where(log_alpha < -50, -log_alpha, torch.log1p(torch.exp(-log_alpha)))",
    ),
}


# %% correct="variational_kl"
def variational_kl(log_alpha):
    k1, k2, k3 = 0.63576, 1.87320, 1.48695
    half_log = torch.logaddexp(torch.zeros_like(log_alpha), -log_alpha) / 2
    return k1 + half_log - k1 / (1 + torch.exp(-(k2 + k3 * log_alpha).clamp(-80, 80)))

# %% [markdown]
# What does it do on the digits? A single layer, 640 weights, each with its own $\alpha$; the price
# is your `variational_kl`, summed over the weights and divided by the number of images. Afterwards
# all weights with $\log\alpha > 3$ ($p$ above 0.95) are set to 0. **Predict first: how many of the
# 640 are left?**

# %% guess=true
my_guess = 500  # weights of 640 that are left

# %% figure=true
# How many of 640 weights are left, and which pixels they belong to.
guess = expect.guess(my_guess)
theta = nn.Parameter(0.01 * torch.randn(seeds, 64, 10))
log_variance = nn.Parameter(torch.full((seeds, 64, 10), -8.0))
bias = nn.Parameter(torch.zeros(seeds, 1, 10))
optimizer = torch.optim.Adam([theta, log_variance, bias], lr=0.01, fused=True)


def noise_ratio():
    return (log_variance - 2 * torch.log(theta.abs() + 1e-8)).clamp(-10, 10)


for epoch in range(100):
    for rows in torch.stack([torch.randperm(len(X_train)) for _ in range(seeds)]).split(128, 1):
        optimizer.zero_grad()
        batch = X_train[rows]
        noise = (batch.square() @ log_variance.exp() + 1e-8).sqrt()
        logits = batch @ theta + bias
        logits = logits + noise * torch.randn_like(noise)  # the noise of a sum of noisy weights
        loss = F.cross_entropy(logits.flatten(0, 1), y_train[rows].flatten()) * seeds
        warm = min(1, epoch / 50)  # the price is raised slowly
        (loss + warm * variational_kl(noise_ratio()).sum() / len(X_train)).backward()
        optimizer.step()

with torch.no_grad():
    kept = noise_ratio() <= 3
    left_over = kept.sum((1, 2)).double()
    rates_of = [100 * ((X_test @ w + bias).argmax(-1) != y_test).double().mean(1)
                for w in (theta, theta * kept)]
fig, axes = plot.figure(5, height=2.4)
for ax, digit in zip(axes, (0, 1, 3, 4, 7), strict=True):
    plot.image(kept[0, :, digit].reshape(8, 8).numpy(), ax, largest=1)
    ax.set_xlabel(f"for a {digit}")
said = [f"{r.mean():.3g} ± {plot.standard_error(r):.1f}" for r in (left_over, *rates_of)]
fig.suptitle(f"{said[0]} of 640 weights are left (your guess: {guess});\n"
             f"error rate {said[1]} % before, {said[2]} % after", x=0.01, ha="left", fontsize=11)
plot.show(fig, "The pixels whose weights are left, for five digits.")

# %% [markdown]
# About three weights in five turn out to be noise, and removing them changes the error rate by less
# than its own spread. (Learning with so much noise has a price of its own: logistic regression
# without it errs on 8.6 % of these digits.) Dropout has become a way to make a network *smaller*.
#
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="agree" points=1
# Every one of 100 passes gives 0.5 to a 4 and 0.5 to a 9. Their mutual information is:
#
# - [x] 0
# - [ ] 0.5
# - [ ] log 2
#
# Hint: do the passes contradict each other?

# %% question="data_answer" points=1
# At a fixed p, a hundred times the data made the band between data points:
#
# - [ ] ten times narrower
# - [ ] about half as wide
# - [x] hardly narrower
#
# Hint: look at the figure with 30, 300 and 3000 points.

# %% question="timid" points=1
# A model is right on 95 % of the inputs of which it says 80 %. It is:
#
# - [ ] too sure
# - [x] too timid
# - [ ] calibrated
#
# Hint: does it claim more than it keeps, or less?

# %% [markdown]
# ## In your own words
#
# A clinic wants a network that reads scans to "pass on to a doctor what it is unsure of", with MC
# dropout. Say in three to six sentences what you would measure before you agreed, on which data,
# and one kind of case that you expect to slip through. (A person reads this.)

# %% [markdown] answer="trust_the_band" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: measurements that would show it, on held-out data like the clinic's
# (and on other scanners or patients): calibration, error rate among the cases that are *not* passed
# on, against one evaluation and against an ensemble, over several seeds. One point: a case that
# slips through and why: an input unlike all training data that every thinned network reads alike
# (the letters), a band whose size is set by p and not by the data, or the far-outside error.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Dropout left on at prediction turns one answer into a sample; batch norm must stay in
#   evaluation.
# - At a fixed $p$ the spread is larger away from data, but hardly shrinks as data come in, and far
#   outside it is much too small. Its size is set by $p$.
# - The published numbers on six regression sets come out, nearly all within two standard errors,
#   once the batch size is right.
# - On digits, 50 passes tell letters from handwriting a little better than one evaluation, and as
#   well as four networks without dropout. They soften every prediction: that spoils the calibration
#   of a network that is timid, and mends that of one that is too sure.
# - A learned rate falls as data come in; a noise per weight shows which weights are not needed.
#
# **Read.** Gal and Ghahramani, *Dropout as a Bayesian approximation: representing model uncertainty
# in deep learning*, ICML 2016. Guo, Pleiss, Sun and Weinberger, *On calibration of modern neural
# networks*, ICML 2017. Gal, Hron and Kendall, *Concrete dropout*, NIPS 2017. Molchanov, Ashukha and
# Vetrov, *Variational dropout sparsifies deep neural networks*, ICML 2017. Against: Osband, *Risk
# versus uncertainty in deep learning*, NIPS workshop 2016; and Foong, Burt, Li and Turner, *On the
# expressiveness of approximate inference in Bayesian neural networks*, NeurIPS 2020, who prove that
# with one hidden layer MC dropout cannot both fit the data surely and be unsure between two
# clusters of them.
#
# **Stretch.** Divide the logits by a temperature that you fit on a held-out part of the training
# digits (Guo et al.). Does one evaluation then beat 50 passes, in calibration error and log loss?
#
# **Still open.** All masks so far drop entries one by one. What should fall together in an image?
# That is {{images}}.
