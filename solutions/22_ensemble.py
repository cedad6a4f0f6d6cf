# %% [markdown]
# # 2.2 · The ensemble
#
# **2ⁿ networks for the price of one?**
#
# *45 minutes. Before: {{bernoulli_masks}}, {{weight_scaling}} and {{pytorch}}. After, you will be
# able to run every thinned network of a small one, to say of which of their averages weight
# scaling is exact and of which not, and to tell with numbers how far dropout is like bagging and a
# random forest.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$ | input |
# | $h = \operatorname{relu}(W_1 x + b_1)$ | what the $n$ hidden units send |
# | $m$ | mask: one of $2^n$; at $p=\frac12$ all are equally likely |
# | $P_m(c)$ | a thinned network's probability of class $c$: softmax of $W_2\,(m \odot h) + b_2$ |
# | member | one network of an ensemble: here one thinned network |
# | $k$, $\rho$ | number of members, mean correlation of two of them |

# %% setup=true
from itertools import pairwise
from time import perf_counter

import numpy as np
import torch
from sklearn.datasets import make_moons
from sklearn.ensemble import RandomForestClassifier

from dropoutlab import check_probability, data, expect, explore, plot, reproduced, train

# %% [markdown]
# ## Where we stand
#
# $n$ units make $2^n$ thinned networks, and each step of training meets a few of them. The paper
# reads the scaled network as their *average*. Ensembles win competitions, and this one comes with
# a single training run: *$2^n$ networks for the price of one*, says the folklore.
#
# Below, thirty networks learn the digits, fifteen of them with half of their 128 hidden units
# dropped. Five of each kind are then thinned for good: 100 masks each, and each mask's network is
# tested by itself.

# %%
def thin(h, rng, p=0.5):
    return h * (rng.random(h.shape) >= p)


def hidden(net, X):
    return np.maximum(X @ net["W1"].T + net["b1"], 0)


def thinned(net, X, mask):
    """The class probabilities of the thinned network that `mask` leaves, or of each of several."""
    return train.softmax((mask * hidden(net, X)) @ net["W2"].T + net["b2"])


X, y, X_test, y_test = data.digits()
X, X_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
nets = [train.two_layer(X, y, thin, seed) for seed in range(15)]
plain = [train.two_layer(X, y, lambda h, rng: h, seed) for seed in range(15)]
whole = np.array([thinned(net, X_test, 0.5) for net in nets])  # weight scaling
rng = np.random.default_rng()
members, plain_members = (  # 5 networks, 100 masks, images, classes
    np.array([thinned(net, X_test, thin(np.ones((100, 1, 128)), rng)) for net in some])
    for some in (nets[:5], plain[:5])
)

# %% [markdown]
# Whole and scaled, a network that was trained with dropout errs on about 7 % of the test digits.
# **What is the error rate of one that has lost half of its hidden units?**

# %% guess=true
my_guess = 30  # error rate in percent, of a network trained with dropout and then thinned

# %% figure=true
# The error rates of a thousand thinned networks, half of them trained with dropout.
guess = expect.guess(my_guess)
errors, plain_errors = (100 * np.mean(m.argmax(-1) != y_test, -1) for m in (members, plain_members))
whole_errors = 100 * np.mean(whole[:5].argmax(-1) != y_test, -1)

fig, (ax,) = plot.figure(1, height=2.6)
for found, color, name in ((plain_errors, plot.ORANGE, "trained without dropout"),
                           (errors, plot.BLUE, "trained with dropout")):
    ax.stairs(*np.histogram(found, np.arange(4, 60, 0.5)), fill=True, color=color, alpha=0.7,
              label=f"500 thinned, {name}")
ax.vlines(whole_errors, 0, 12, color=plot.INK, label="the five whole, with dropout, scaled")
ax.axvline(guess, color=plot.GREY, linestyle="--", label="your guess")
ax.set(xlabel="error rate on test digits, %", ylabel="thinned networks",
       xlim=(0, max(60, 1.05 * guess)))
ax.legend()
halves, gap = errors.mean(1), plot.difference(plain_errors.mean(1), errors.mean(1))
ax.set_title(f"You said {guess} %: halves err on {halves.mean():.1f} ± "
             f"{plot.standard_error(halves):.1f} %, whole networks on {whole_errors.mean():.1f} %")
plot.show(fig, "Histograms of the error rates of thinned networks, trained with and without "
          "dropout, with lines at those of five whole networks and at your guess.")
beaten = 100 * np.mean(errors > whole_errors[:, None])
print(f"The whole network has fewer errors than {beaten:.0f} % of its halves.")
oftener = gap.says(more="more", less="less", same="equally")
print(f"Trained without dropout, halves err {oftener} often: {gap:.1f} points (five networks).")

# %% [markdown]
# Half a network errs on about 10 %, and on about 20 % if it was not trained for that: dropout has
# made every mask's network a fair classifier. And the whole is better than nearly all of its
# halves, as an average would be. But which average, how near to it, and is it worth $2^n$
# networks? We look at every one of them.
#
# ### One question from {{bernoulli_masks}}
#
# A layer of ten units is dropped with $p=\frac12$. How many thinned networks has it, and how
# likely is the one in which nothing survives?
#
# <details><summary>Answer</summary>
#
# $2^{10} = 1024$, each with probability $1/1024$: at $p=\frac12$, and only there, all masks are
# equally likely. So an average over masks is a plain mean over the $2^n$ networks.
# </details>
#
# ## Exercise: `all_masks`
#
# Two masks are easily forgotten: the one that keeps every unit and the one that keeps none. And
# order matters *within* a mask: `[0, 1, 1]` and `[1, 1, 0]` are different networks. The order
# *of* the masks does not matter.

# %% exercise="all_masks"
def all_masks(n):
    """Every mask of n units, each once, in any order.

    Returns an array of zeros and ones of shape (2ⁿ, n): one mask a row.
    """
    ### BEGIN SOLUTION
    k = np.arange(2**n)[:, None]
    return (k >> np.arange(n) & 1).astype(float)
    ### END SOLUTION

# %% [markdown] hint="all_masks"
# Counting from 0 to $2^n - 1$ in binary writes down every mask. Or ask `itertools`.

# %% [markdown] hint="all_masks"
# Bit $i$ of a whole number $k$ is `k // 2**i % 2`. NumPy does that for all $k$ (a column) and all
# $i$ (a row) at once.

# %% [markdown] hint="all_masks"
# `itertools.product` with `repeat=n` draws a digit for each unit, and `np.array`
# makes a table of what it gives.

# %%
fig, (ax,) = plot.figure(1, height=1.8)
plot.mask(np.transpose(all_masks(5)), ax)
ax.set(ylabel="unit", xlabel="mask")
ax.set_title("Your masks of five units, one a column")
plot.show(fig, "A table of small squares: the masks of five units, kept ones filled.")

# %% check="all_masks" points=1
# Each mask of five units is there: 32 rows of 5, in any order.
with expect.case("all_masks(6), called twice"):
    expect.only(all_masks(6), (0, 1), hint="a mask holds zeros and ones.")
    first, second = (np.unique(all_masks(6), axis=0) for _ in range(2))
    expect.equal(first, second, hint="the masks are drawn at random. List them all.")
with expect.case("all_masks(5)"):
    masks = np.asarray(all_masks(5))
    expect.equal(
        np.shape(masks)[-1:],
        (5,),
        hint="a row needs one column for each unit.",
        suspects=[
            ((32,), "rows and columns are exchanged: each mask is a row."),
            ((8,), "`unpackbits` makes 8 columns, whatever n is."),
        ],
    )
    kept = np.sum(masks, axis=-1)
    expect.equal(np.min(kept), 0, hint="the mask that drops every unit is missing.")
    expect.equal(np.max(kept), 5, hint="the mask that keeps every unit is missing.")
    expect.equal(
        len(masks),
        32,
        hint="each unit doubles the number of masks: there are 2ⁿ.",
        suspects=[(6, "that is one mask for each number of survivors. Which survive matters.")],
    )
    expect.equal(len(np.unique(masks, axis=0)), 32, hint="a mask occurs twice, another never.")

# %% check="all_masks" points=1
# Other numbers of units: as many rows, and no mask twice.
for n in (1, 3, 10, int(expect.rng().integers(7, 13))):
    with expect.case(f"all_masks({n})"):
        expect.equal(np.shape(all_masks(n)), (2**n, n), hint="return 2ⁿ rows of n.")
        expect.equal(len(np.unique(all_masks(n), axis=0)), 2**n, hint="a mask occurs twice.",
                     suspects=[(256, "a mask occurs twice: 8-bit integers end at 255.")])

# %% mistakes="all_masks"
{
    "drawn at random": ("np.arange(2**n)[:, None]", "np.random.randint(0, 2**n, (2**n, 1))"),
    "holds zeros and ones": (".astype(float)", " * 2 - 1"),
    "rows and columns are exchanged": (".astype(float)", ".T"),
    "makes 8 columns": ("k >> np.arange(n) & 1", "np.unpackbits(k.astype(np.uint8), axis=1)"),
    "drops every unit is missing": ("(2**n)", "(1, 2**n)"),
    "keeps every unit is missing": ("2**n", "2**n - 1"),
    "each number of survivors": ("k >> np.arange(n) & 1", "k[: n + 1] > np.arange(n)"),
    "doubles the number of masks": ("2**n", "2**n + 1"),
    "occurs twice, another": (">> np.arange(n)", ">> np.arange(n) // 2"),
    "2ⁿ rows of n": (">> np.arange(n)", ">> np.arange(5)"),
    "8-bit integers": ("k >>", "k.astype(np.uint8) >>"),
}

# %% correct="all_masks"
def all_masks(n):
    from itertools import product
    return list(product([True, False], repeat=n))

# %% [markdown]
# ## Every thinned network at once
#
# In the first cell, `thinned(net, X, mask)` ran one thinned network. Now run all of them.
#
# ## Exercise: `subnetwork_outputs`
#
# A dropped unit sends *nothing*. Two ways to get that wrong: to mask the weights into the unit but
# not its bias, so that it still sends $\operatorname{relu}(b_1)$; and to scale the survivors. We
# want the bare thinned networks, as the 2014 paper trains them.

# %% exercise="subnetwork_outputs"
def subnetwork_outputs(W1, b1, W2, b2, x):
    """The class probabilities of every thinned network: softmax(W2 (m * relu(W1 x + b1)) + b2).

    W1 : (n, inputs), b1 : (n,), W2 : (classes, n), b2 : (classes,); survivors are not scaled
    x : (inputs,), or (batch, inputs)
    Returns (2ⁿ, classes), or (2ⁿ, batch, classes): row k for the mask `all_masks(n)[k]`.
    """
    ### BEGIN SOLUTION
    h = np.maximum(x @ W1.T + b1, 0)
    survivors = h[..., None, :] * all_masks(len(b1))  # (…, 2ⁿ, n)
    return train.softmax(np.moveaxis(survivors, -2, 0) @ W2.T + b2)
    ### END SOLUTION

# %% [markdown] hint="subnetwork_outputs"
# The hidden layer is the same for all masks: compute it once, for one input or for a batch:
# `x @ W1.T + b1` does both.

# %% [markdown] hint="subnetwork_outputs"
# A loop over the rows of `all_masks(n)` and `np.array` of what it collects is fine. So is
# broadcasting: give `h` a new axis for the masks.

# %% [markdown] hint="subnetwork_outputs"
# `train.softmax` takes the softmax over the last axis. Which axis should be the last, and which
# the first?

# %% [markdown]
# Below, a network of six hidden units has learnt to tell two half moons apart, dropping half of
# them. On the left, the boundaries of its 64 thinned networks, by your function. On the right,
# what all of them cost: larger networks, one input, your function's time.

# %%
points, kinds = make_moons(200, noise=0.2)
points -= points.mean(0)
small = train.two_layer(points, kinds, thin, 0, hidden=6, epochs=200, rate=0.05)
small = small["W1"], small["b1"], small["W2"], small["b2"]

along, up = np.meshgrid(np.linspace(-2, 2, 50), np.linspace(-1.3, 1.3, 50))
fields = subnetwork_outputs(*small, np.column_stack([along.ravel(), up.ravel()]))[..., 1]

rng = np.random.default_rng()
sizes, seconds = range(2, 17), []
for n in sizes:
    wide = rng.normal(size=(n, 64)), rng.normal(size=n), rng.normal(size=(10, n)), np.zeros(10)
    start = perf_counter()
    subnetwork_outputs(*wide, X_test[0])
    seconds.append(perf_counter() - start)

fig, (left, right) = plot.figure(2, height=3)
left.scatter(*points.T, s=8, c=np.where(kinds, plot.ORANGE, plot.BLUE))
for field in fields:
    if field.min() < 0.5 < field.max():  # some networks see one class only
        left.contour(along, up, field.reshape(50, 50), [0.5], colors=plot.INK, linewidths=0.5)
left.set(xlabel="first input", ylabel="second input")
disagree = 100 * np.mean((fields > 0.5).any(0) & (fields < 0.5).any(0))
left.set_title(f"{len(fields)} networks differ on {disagree:.0f} % of this area")
right.semilogy(sizes, seconds, "o-")
right.set(xlabel="hidden units n", ylabel="time for all 2ⁿ, s", xticks=sizes[::2])
right.set_title(f"n = 16: {seconds[-1]:.2g} s; n = 128: "
                f"10$^{{{np.log10(seconds[-1] * 2.0**112 / 3.15e7):.0f}}}$ years")
plot.show(fig, "Left: the boundaries of all thinned networks between two moons. Right: the time "
          "that all of them take, against the number of hidden units.")

# %% check="subnetwork_outputs" points=2
# One input: the 16 networks of four hidden units, in whatever order.
rng = expect.rng()
W1 = rng.uniform(0.5, 1.5, (4, 3)) * np.array([[1], [-1], [1], [1]])  # the ReLU stops one unit
b1, x = np.array([0.5, -0.4, 0.8, 0.3]), rng.uniform(0.5, 1, 3)
W2, b2 = rng.normal(size=(5, 4)), rng.normal(size=5)
z, masks = W1 @ x + b1, np.array(list(np.ndindex(2, 2, 2, 2)), dtype=float)
h = np.maximum(z, 0)
sent = {
    "right": masks * h + 0,
    "the ReLU is missing.": masks * z,
    "the survivors are scaled. A bare thinned network scales nothing.": 2 * masks * h,
    "a dropped unit still sends its bias. Mask what the unit sends.": np.maximum(
        masks * (W1 @ x) + b1, 0
    ),
    "b1 is missing.": masks * np.maximum(W1 @ x, 0),
}
logits = {words: rows @ W2.T + b2 for words, rows in sent.items()}
logits["b2 is missing."] = sent["right"] @ W2.T
logits["the weights are halved: that is weight scaling, on top of the masks."] = (
    sent["right"] @ W2.T / 2 + b2
)
tables = {words: train.softmax(rows) for words, rows in logits.items()}
tables["these are the logits: the softmax is missing."] = logits["right"]
tables["the softmax goes over the masks. Over the classes: each row sums to 1."] = train.softmax(
    logits["right"].T
).T
tables = {words: table[np.argsort(table[:, 0])] for words, table in tables.items()}
right = tables.pop("right")
with expect.case("subnetwork_outputs(W1, b1, W2, b2, x), 3 inputs, 4 hidden units, 5 classes"):
    before = [value.copy() for value in (W1, b1, W2, b2, x)]
    out = subnetwork_outputs(W1, b1, W2, b2, x)
    for value, old in zip((W1, b1, W2, b2, x), before, strict=True):
        expect.unchanged(value, old)
    expect.equal(
        np.shape(out),
        (16, 5),
        hint="return a row for each mask and a column for each class.",
        suspects=[
            ((8, 5), "the inputs are masked. Mask the hidden units."),
            ((5, 16), "rows and columns are exchanged: a row for each mask."),
            ((5,), "that is one answer. Return the answers of all 16 networks."),
            ((4, 5), "that is one network for each unit. There are 2ⁿ."),
        ],
    )
    out = np.asarray(out)
    expect.close(out[np.argsort(out[:, 0])], right, rtol=1e-5, atol=1e-7,
                 hint="the rows, sorted here, are not those of the 16 networks, each once.",
                 suspects=[(table, words) for words, table in tables.items()])

# %% check="subnetwork_outputs" points=1
# A batch: one more axis in the middle; row k belongs to mask k.
rng = expect.rng()
W1, b1, batch = rng.normal(size=(3, 2)), rng.normal(size=3), rng.normal(size=(6, 2))
W2, b2 = rng.normal(size=(4, 3)), rng.normal(size=4)
b1 -= np.min(batch @ W1.T + b1) - 1  # every unit sends something
masks = np.asarray(all_masks(3))
right = np.array([train.softmax((batch @ W1.T + b1) * mask @ W2.T + b2) for mask in masks])
with expect.case("subnetwork_outputs(W1, b1, W2, b2, batch) on a batch of 6"):
    out = subnetwork_outputs(W1, b1, W2, b2, batch)
    expect.equal(
        np.shape(out),
        (8, 6, 4),
        hint="return (2ⁿ, batch, classes).",
        suspects=[
            ((6, 8, 4), "the batch comes first. Let the masks come first."),
            ((48, 4), "masks and batch share an axis. Give each its own."),
        ],
    )
    expect.close(out, right, rtol=1e-5, atol=1e-7,
                 hint="row k must hold what the network of `all_masks(n)[k]` says of the batch.",
                 suspects=[(right[::-1], "row k is not that of mask k: the order is reversed.")])

# %% mistakes="subnetwork_outputs"
{
    "the ReLU is missing": ("np.maximum(x @ W1.T + b1, 0)", "x @ W1.T + b1"),
    "survivors are scaled": ("h[..., None, :]", "2 * h[..., None, :]"),
    "still sends its bias": ("h[..., None, :] * all_masks(len(b1))",
        "np.maximum((x @ W1.T)[..., None, :] * all_masks(len(b1)) + b1, 0)"),
    "b1 is missing": (" + b1", ""), "b2 is missing": (" + b2", ""),
    "weights are halved": ("W2.T", "W2.T / 2"), "softmax is missing": ("train.softmax", ""),
    "goes over the masks": ("train.softmax", "(lambda z: np.exp(z) / np.exp(z).sum(0))"),
    "the inputs are masked": ("h[..., None, :] * all_masks(len(b1))",
        "np.maximum(x[..., None, :] * all_masks(x.shape[-1]) @ W1.T + b1, 0)"),
    "one answer": ("np.moveaxis(survivors, -2, 0)", "survivors.mean(-2)"),
    "one network for each unit": ("all_masks(len(b1))", "(1 - np.eye(len(b1)))"),
    "rows and columns": ("+ b2)", "+ b2).T"),
    "the batch comes first": ("np.moveaxis(survivors, -2, 0)", "survivors"),
    "share an axis": ("survivors, -2, 0)", "survivors, -2, 0).reshape(-1, len(b1))"),
    "order is reversed": ("len(b1))", "len(b1))[::-1]"),
    "writes into its input": ("return", "W2 += 0.5\n    return"),
}

# %% correct="subnetwork_outputs"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = torch.relu(torch.from_numpy(x @ W1.T + b1))
    masks = torch.tensor(np.array(all_masks(len(W1)), dtype=float))
    z = torch.einsum("ki,...i,ci->k...c", masks, h, torch.from_numpy(W2))
    return torch.softmax(z + torch.from_numpy(b2), -1)

# %% [markdown]
# ## Two averages
#
# "The average prediction" is not one thing. Two members say $(0.9, 0.1)$ and $(0.5, 0.5)$ of two
# classes. The *arithmetic* mean is $(0.7, 0.3)$. The *geometric* mean multiplies and takes a root,
# $\sqrt{0.9 \cdot 0.5} = 0.67$ and $\sqrt{0.1 \cdot 0.5} = 0.22$. That does not sum to 1, so it
# is *normalised*: $(0.75, 0.25)$. Neither is a vote, which counts only the likeliest classes.
#
# ## Exercise: `arithmetic_mean`

# %% exercise="arithmetic_mean"
def arithmetic_mean(probs):
    """The mean of the members' probabilities: sum over members of P(c), divided by their number.

    probs : (members, classes), or (members, batch, classes)
    Returns (classes,), or (batch, classes).
    """
    ### BEGIN SOLUTION
    return np.mean(probs, axis=0)
    ### END SOLUTION

# %% [markdown] hint="arithmetic_mean"
# One line is enough. Which axis holds the members?

# %% [markdown] hint="arithmetic_mean"
# Averaged over classes, everybody's answer would be 1 / (number of classes).

# %% [markdown] hint="arithmetic_mean"
# Write down the shape that you have and the shape that you want. One axis goes away.

# %% check="arithmetic_mean" points=1
# One probability for each class, averaged over the members, with a batch and without.
for shape in ((7,), (7, 4)):
    probs = expect.rng().dirichlet(np.ones(3), shape)
    votes = np.eye(3)[probs.argmax(-1)]
    logs, before = np.log(probs).mean(0), probs.copy()
    with expect.case(f"arithmetic_mean(probs) of shape {probs.shape}"):
        out = arithmetic_mean(probs)
        expect.unchanged(probs, before)
        expect.close(
            out,
            probs.sum(0) / 7,
            rtol=1e-5,
            hint="add the members' probabilities, class by class; divide by their number.",
            suspects=[
                (probs.mean(-1), "averaged over the classes. Average over the members, axis 0."),
                (probs.mean(-2), "averaged over the batch. Average over the members, axis 0."),
                (probs.mean(), "one number for everything. Average over axis 0 only."),
                (probs.sum(0), "that is the sum: divide by the number of members."),
                (votes.mean(0), "that counts votes. Average the probabilities."),
                (np.median(probs, axis=0), "that is the median."),
                (train.softmax(logs), "that is the geometric mean, the next exercise."),
                (probs.argmax(-1).mean(0), "that averages the numbers of the classes."),
            ],
        )

# %% mistakes="arithmetic_mean"
{
    "averaged over the classes": ("axis=0", "axis=-1"),
    "averaged over the batch": ("axis=0", "axis=-2"),
    "one number for everything": (", axis=0", ""), "that is the sum": ("np.mean", "np.sum"),
    "counts votes": ("probs", "np.eye(probs.shape[-1])[probs.argmax(-1)]"),
    "the median": ("np.mean", "np.median"),
    "that is the geometric mean": (
        "np.mean(probs, axis=0)", "train.softmax(np.log(probs).mean(0))"),
    "numbers of the classes": ("probs", "probs.argmax(-1)"),
    "writes into its input": ("return", "probs /= probs.sum(0)\n    return"),
}

# %% correct="arithmetic_mean"
def arithmetic_mean(probs):
    return sum(member / len(probs) for member in probs)

# %% [markdown]
# ## Exercise: `geometric_mean`
#
# A thousand members, each with $P(c) = 0.4$: the product is $10^{-398}$, which a float cannot
# hold, and $0/0$ is not the geometric mean. Averaging *logarithms* is the same mean without the
# tiny product. A member that gives a class probability 0 rules it out, however sure the others
# are. (In an arithmetic mean it is outvoted.)

# %% exercise="geometric_mean"
def geometric_mean(probs):
    """The members' normalised geometric mean: (product over members of P(c))^(1/members) / Z.

    Z makes the classes sum to 1.

    probs : (members, classes), or (members, batch, classes); zeros are allowed
    Returns (classes,), or (batch, classes).
    """
    ### BEGIN SOLUTION
    with np.errstate(divide="ignore"):  # log 0 is -inf, and its exponential 0
        logs = np.log(probs).mean(axis=0)
    return train.softmax(logs)
    ### END SOLUTION

# %% [markdown] hint="geometric_mean"
# $\left(\prod_m P_m\right)^{1/k} = \exp\!\left(\frac1k \sum_m \log P_m\right)$.

# %% [markdown] hint="geometric_mean"
# Exponentiate and divide by the sum over classes: you have a function that does both.

# %% [markdown] hint="geometric_mean"
# NumPy's `log(0)` is `-inf` with a warning (`np.errstate` silences it), and `exp(-inf)` is 0, as
# it should be.

# %% [markdown]
# Your two means of the 64 networks above, along a line from one moon to the other. Far out, which
# one is surer? (The flat thin line is the network in which no unit survives.)

# %%
line = np.column_stack([np.full(200, 0.1), np.linspace(-2.5, 2.5, 200)])
along_line = subnetwork_outputs(*small, line)
fig, (ax,) = plot.figure(1, height=2.8)
ax.plot(line[:, 1], along_line[..., 1].T, color=plot.GREY, linewidth=0.4, alpha=0.6)
for mean, name, color in ((arithmetic_mean, "arithmetic", plot.GREEN),
                          (geometric_mean, "geometric", plot.PINK)):
    ax.plot(line[:, 1], mean(along_line)[:, 1], color=color, linewidth=2.5, label=f"{name} mean")
ax.set(xlabel="second input", ylabel="probability of one moon", xlim=(-2.5, 2.5))
ax.legend(loc="upper right")
ax.set_title(f"At the ends: arithmetic {arithmetic_mean(along_line)[0, 1]:.2f} and "
             f"{arithmetic_mean(along_line)[-1, 1]:.2f}, geometric "
             f"{geometric_mean(along_line)[0, 1]:.3f} and {geometric_mean(along_line)[-1, 1]:.3f}")
plot.show(fig, "The probability of one moon along a line: 64 thin curves and their two means.")

# %% check="geometric_mean" points=1
# Two members, three classes: the root of the product, normalised.
probs = expect.rng().dirichlet(np.ones(3), 2)
roots = np.sqrt(probs[0] * probs[1])
with expect.case("geometric_mean(probs) of shape (2, 3)"):
    expect.close(
        geometric_mean(probs),
        roots / roots.sum(),
        rtol=1e-5,
        hint="the root of the product of the two members, divided by its sum over classes.",
        suspects=[
            (roots, "not normalised: the classes do not sum to 1."),
            (probs[0] * probs[1], "that is the product: take the root, then normalise."),
            (roots**2 / (roots**2).sum(), "the product without the root. It is too sure."),
            (np.log(probs).mean(0), "that is the mean of the logarithms: go back with `exp`."),
            (np.exp(np.log(probs).mean(-1)), "taken over the classes. Take it over the members."),
            (probs.prod(-1) ** (1 / 3), "taken over the classes. Take it over the members."),
            (probs.mean(0), "that is the arithmetic mean."),
            (train.softmax(probs.mean(0)), "a softmax of probabilities. Average their logarithms."),
        ],
    )

# %% check="geometric_mean" points=1
# Three members and a batch of five: a cube root, normalised input by input.
probs = expect.rng().dirichlet(np.ones(4), (3, 5))
product = probs[0] * probs[1] * probs[2]
roots = np.cbrt(product)
with expect.case("geometric_mean(probs) of shape (3, 5, 4)"):
    expect.close(
        geometric_mean(probs),
        roots / roots.sum(-1, keepdims=True),
        rtol=1e-5,
        hint="each input of the batch has its own probabilities, which sum to 1.",
        suspects=[
            (roots / roots.sum(), "normalised over the whole batch. Each input sums to 1."),
            (roots / roots.sum(0), "normalised over the batch, not over the classes."),
            (product**0.5 / (product**0.5).sum(-1, keepdims=True),
             "that is a square root: of three members it is the cube root, of k the k-th."),
        ],
    )

# %% check="geometric_mean" points=1
# Many thousand members: the product is too small for a float, its root is not.
probs = expect.rng().dirichlet(np.ones(3), 20_000)
logs = sum(np.log(member) for member in probs) / 20_000
with expect.case("geometric_mean(probs) of 20 000 members"):
    expect.close(
        geometric_mean(probs),
        np.exp(logs) / np.exp(logs).sum(),
        rtol=1e-5,
        hint="the mean of 20 000 logarithms, exponentiated and normalised.",
        suspects=[(np.full(3, np.nan), "the product underflows to 0, and 0 / 0 is NaN. Average "
                   "logarithms instead.")],
    )

# %% check="geometric_mean" points=1
# A probability of 0 is a veto, against one other member and against 999.
probs = np.array([[0.8, 0.2, 0.0], [0.2, 0.2, 0.6]])
with expect.case("geometric_mean([[0.8, 0.2, 0], [0.2, 0.2, 0.6]])"):
    expect.close(
        geometric_mean(probs),
        np.array([2 / 3, 1 / 3, 0]),
        rtol=1e-5,
        hint="one factor is 0, so the product is 0: not NaN, and not some small number either.",
        suspects=[(np.array([0.4, 0.2, 0.6]) / 1.2, "zeros are left out of the mean. A zero rules "
                   "the class out.")],
    )
probs = np.array([[0.0, 0.5, 0.5]] + 999 * [[0.98, 0.01, 0.01]])
with expect.case("geometric_mean(probs), 999 members for a class, and one that gives it 0"):
    expect.close(geometric_mean(probs), np.array([0, 0.5, 0.5]), rtol=1e-5,
                 hint="one factor is 0, so the product of all thousand is 0. A tiny number in its "
                 "place isn't tiny any more after the thousandth root.")

# %% mistakes="geometric_mean"
{
    "not normalised": ("train.softmax", "np.exp"),
    "that is the product": ("train.softmax(logs)", "np.prod(probs, axis=0)"),
    "without the root": (".mean(axis=0)", ".sum(axis=0)"),
    "mean of the logarithms": ("train.softmax", ""),
    "taken over the classes": ("train.softmax(logs)", "np.exp(np.log(probs).mean(-1))"),
    "arithmetic mean": ("train.softmax(logs)", "probs.mean(0)"),
    "softmax of probabilities": ("np.log(probs)", "probs"),
    "over the whole batch": ("train.softmax(logs)", "np.exp(logs) / np.exp(logs).sum()"),
    "over the batch, not": ("train.softmax(logs)", "np.exp(logs) / np.exp(logs).sum(0)"),
    "is a square root": (".mean(axis=0)", ".sum(axis=0) / 2"),
    "underflows": ("np.log(probs).mean(axis=0)", "np.log(np.prod(probs, 0) ** (1 / len(probs)))"),
    "not some small number": ("np.log(probs)", "np.log(probs + 1e-9)"),
    "zeros are left out": ("np.log(probs).mean(axis=0)", "np.log(probs).mean(0, where=probs > 0)"),
    "after the thousandth root": ("np.log(probs)", "np.log(probs + 1e-300)"),
}

# %% correct="geometric_mean"
def geometric_mean(probs):
    roots = np.prod(np.asarray(probs) ** (1 / len(probs)), axis=0)
    return roots / roots.sum(axis=-1, keepdims=True)

# %% [markdown]
# ## One run instead of 2ⁿ
#
# $\log P_m(c)$ is the logit $z_c = b_2 + W_2\,(m \odot h)$ less a number that is the same for all
# classes. Averaging logarithms therefore averages logits, and the normalisation takes care of the
# rest. A logit is *linear* in $m$, and over all masks $m$ has mean $1-p$. So the normalised
# geometric mean of all $2^n$ networks (each weighted by its mask's probability, unless
# $p=\frac12$) is a network, run once:
#
# $$ \operatorname{softmax}\bigl((1-p)\,W_2\,h + b_2\bigr). $$
#
# That is weight scaling, and it is Hinton's argument of 2012. It asks only that nothing but a
# softmax layer follows the mask. What lies before, the ReLU too, does not matter.
#
# ## Exercise: `weight_scaled`

# %% exercise="weight_scaled"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    """The class probabilities of the whole network, its weights behind the mask scaled by 1 - p.

    W1 : (n, inputs), b1 : (n,), W2 : (classes, n), b2 : (classes,); no mask, run once
    x : (inputs,), or (batch, inputs)
    p : probability of dropping a hidden unit
    Returns (classes,), or (batch, classes).
    """
    check_probability(p)
    ### BEGIN SOLUTION
    h = np.maximum(x @ W1.T + b1, 0)
    return train.softmax((1 - p) * h @ W2.T + b2)
    ### END SOLUTION

# %% [markdown] hint="weight_scaled"
# The mask stands between the hidden layer and $W_2$. What stands there on average?

# %% [markdown] hint="weight_scaled"
# {{weight_scaling}}: are biases dropped? Then are they scaled?

# %% [markdown] hint="weight_scaled"
# The network is that of `subnetwork_outputs`, with one number in place of the mask.

# %% check="weight_scaled" points=2
# Scaled is what the mask acts on, and nothing else.
rng = expect.rng()
W1 = rng.uniform(0.5, 1.5, (4, 3)) * np.array([[1], [-1], [1], [1]])  # the ReLU stops one unit
b1, x = np.array([0.5, -0.4, 0.8, 0.3]), rng.uniform(0.5, 1, 3)
W2, b2 = rng.normal(size=(3, 4)), np.array([2.0, -1.0, 0.5])
z = W1 @ x + b1
h = np.maximum(z, 0)
with expect.case("weight_scaled(W1, b1, W2, b2, x), called 20 times"):
    before = W2.copy()
    calls = [weight_scaled(W1, b1, W2, b2, x) for _ in range(20)]
    expect.unchanged(W2, before)
    expect.close(calls, 20 * calls[:1], hint="the calls differ: draw no mask. The whole network "
                 "answers.")
for p in (0.2, 0.7):
    q = 1 - p
    wrong = {
        "multiplied by p. Multiply by 1 - p.": p * W2 @ h + b2,
        "b2 is scaled too. A bias is never dropped.": q * (W2 @ h + b2),
        "W1 is scaled. The mask is behind it: scale W2.": W2 @ np.maximum(q * W1 @ x + b1, 0) + b2,
        "both layers are scaled. Scale W2 only.": q * W2 @ np.maximum(q * W1 @ x + b1, 0) + b2,
        "scaled twice, before and behind the ReLU.": q * W2 @ np.maximum(q * z, 0) + b2,
        "nothing is scaled.": W2 @ h + b2,
        "divided by 1 - p. That is for training, in inverted dropout.": W2 @ h / q + b2,
        "p is ignored: the weights are halved, whatever p is.": W2 @ h / 2 + b2,
        "the ReLU is missing.": q * W2 @ z + b2,
        "b1 is missing.": q * W2 @ np.maximum(W1 @ x, 0) + b2,
        "b2 is missing.": q * W2 @ h,
    }
    suspects = [(train.softmax(logits), words) for words, logits in wrong.items()]
    suspects += [
        (q * W2 @ h + b2, "these are the logits: the softmax is missing."),
        (q * train.softmax(W2 @ h + b2), "the probabilities are scaled. Scale the weights."),
    ]
    with expect.case(f"weight_scaled(W1, b1, W2, b2, x, p={p})"):
        out = weight_scaled(W1, b1, W2, b2, x, p)
        expect.close(out, train.softmax(W2 @ h - p * W2 @ h + b2),
                     rtol=1e-5, hint="softmax of (1 - p) W2 h + b2.", suspects=suspects)

# %% check="weight_scaled" points=1
# At p = 1/2 it is the geometric mean of all 1024 networks of ten hidden units, up to rounding.
rng = expect.rng()
W1, b1, batch = rng.normal(size=(10, 4)), rng.normal(size=10), rng.normal(size=(3, 4))
W2, b2 = rng.normal(size=(5, 10)), rng.normal(size=5)
h, logs = np.maximum(batch @ W1.T + b1, 0), 0
for mask in np.ndindex((2,) * 10):
    logs = logs + np.log(train.softmax(mask * h @ W2.T + b2)) / 1024
together = np.exp(h @ W2.T / 2 + b2)
with expect.case("weight_scaled(W1, b1, W2, b2, batch) on a batch of 3, against all masks"):
    expect.close(weight_scaled(W1, b1, W2, b2, batch), train.softmax(logs), rtol=1e-5,
                 hint="a batch has a row of probabilities for each input, and p is 0.5 unless "
                 "given.",
                 suspects=[(together / together.sum(), "normalised over the whole batch. Each "
                            "input sums to 1.")])

# %% mistakes="weight_scaled"
{
    "draw no mask": ("(1 - p) * h", "(np.random.random(h.shape) >= p) * h"),
    "multiplied by p": ("(1 - p)", "p"),
    "b2 is scaled too": ("h @ W2.T + b2", "(h @ W2.T + b2)"),
    "W1 is scaled": ("(x @ W1.T + b1, 0)\n    return train.softmax((1 - p) * h",
                     "((1 - p) * x @ W1.T + b1, 0)\n    return train.softmax(h"),
    "both layers are scaled": ("x @", "(1 - p) * x @"),
    "scaled twice": ("x @ W1.T + b1", "(1 - p) * (x @ W1.T + b1)"),
    "nothing is scaled": ("(1 - p) * h", "h"),
    "divided by 1 - p": ("(1 - p) * h", "1 / (1 - p) * h"), "p is ignored": ("(1 - p)", "0.5"),
    "softmax is missing": ("train.softmax", ""),
    "probabilities are scaled": ("train.softmax((1 - p) * h", "(1 - p) * train.softmax(h"),
    "the ReLU is missing": ("np.maximum(x @ W1.T + b1, 0)", "x @ W1.T + b1"),
    "b1 is missing": (" + b1", ""), "b2 is missing": (" + b2", ""),
    "writes into its input": ("return", "W2 *= 1 - p\n    return"),
    "over the whole batch": ("train.softmax", "(lambda z: np.exp(z) / np.exp(z).sum())"),
    "p is 0.5 unless given": ("p=0.5", "p=0"),
}

# %% correct="weight_scaled"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    z = np.einsum("...i,ci->...c", np.clip(np.dot(x, W1.T) + b1, 0, None), W2 - p * W2) + b2
    return np.exp(z) / np.exp(z).sum(axis=-1)[..., None]

# %% [markdown]
# ## Where it is exact, and where not
#
# On the left, random networks with one hidden layer, 2 to 16 units: your weight scaling against
# your two means over all masks. On the right, networks with up to four hidden layers of four
# units, twenty of each depth, *trained* with dropout on the moons: now a ReLU follows all masks
# but the last, and the argument breaks. The distance between two answers is half the sum of
# $|P(c) - Q(c)|$.
#
# **Predict first**: with four hidden layers, how far is weight scaling off the geometric mean,
# compared with two?

# %% guess=true
my_guess = "as far"  # "further", "less" or "as far" off with four hidden layers as with two

# %% figure=true
# Weight scaling against both means: with more units, and with more hidden layers.
guess = expect.guess(my_guess)
WIDTH, NETS = 4, 20  # units in each hidden layer; networks trained at once
masks = torch.tensor(np.array(all_masks(WIDTH), dtype=float))


def deep_logits(layers, h, drop):
    *before, (W, b) = layers
    for V, c in before:
        h = drop(torch.relu(h @ V.mT + c))
    return h @ W.mT + b


def half_dropped(h):
    return h * (torch.rand(h.shape) >= 0.5)


def every_mask(h):  # each row of h becomes 2⁴ rows
    return (h[:, None] * masks[:, None]).flatten(1, 2)


def trained_deep(depth, inputs, classes):
    """NETS networks with `depth` hidden layers, trained with half of their units dropped."""
    layers = [
        (torch.randn(NETS, o, i).double() * (2 / i) ** 0.5, torch.zeros(NETS, 1, o).double())
        for i, o in pairwise([2] + depth * [WIDTH] + [2])
    ]
    numbers = [number.requires_grad_() for layer in layers for number in layer]
    optimizer = torch.optim.Adam(numbers, lr=0.03)
    for _ in range(150):
        z = deep_logits(layers, inputs, half_dropped)
        loss = torch.nn.functional.cross_entropy(z.flatten(0, 1), classes.repeat(NETS))
        optimizer.zero_grad()
        (NETS * loss).backward()
        optimizer.step()
    return [(W.detach(), b.detach()) for W, b in layers]


def distance(P, Q):
    return np.abs(P - Q).sum(-1).mean(-1) / 2


MEANS = {"arithmetic": arithmetic_mean, "geometric": geometric_mean}
gaps = {name: ([], []) for name in MEANS}
rng = np.random.default_rng()
for n in range(2, 17, 2):
    runs = []
    for _ in range(5):
        parameters = [rng.normal(size=s) for s in ((n, 8), (n,), (10, n), (10,), (2, 8))]
        outputs, scaled = subnetwork_outputs(*parameters), weight_scaled(*parameters)
        runs.append([distance(mean(outputs), scaled) for mean in MEANS.values()])
    for name, values in zip(MEANS, np.transpose(runs), strict=True):
        gaps[name][0].append(values)
inputs, classes = torch.from_numpy(points), torch.from_numpy(kinds)
some = inputs[:2]
for depth in range(1, 5):
    layers = trained_deep(depth, inputs, classes)
    outputs = torch.softmax(deep_logits(layers, some, every_mask), -1).numpy()
    outputs = np.moveaxis(outputs.reshape(NETS, -1, len(some), 2), 1, 0)  # the masks first
    scaled = torch.softmax(deep_logits(layers, some, lambda h: h / 2), -1).numpy()
    for name, mean in MEANS.items():
        gaps[name][1].append(distance(mean(outputs), scaled))

exact = {name: all(run.max() < 1e-12 for run in values[0]) for name, values in gaps.items()}
deeper = plot.difference(gaps["geometric"][1][3], gaps["geometric"][1][1])
growth = deeper.says(more="further", less="less", same="as far, within its 95 % interval")

fig, axes = plot.figure(2, height=2.9, width=9)
for (name, pair), color in zip(gaps.items(), (plot.GREEN, plot.PINK), strict=True):
    for ax, runs, x in zip(axes, pair, (range(2, 17, 2), range(1, 5)), strict=True):
        runs = np.array([run.ravel() for run in runs])
        ax.plot(x, np.maximum(runs, 1e-17), ".", color=color, alpha=0.35, markersize=4)
        ax.plot(x, runs.mean(1), "o-", color=color, label=f"{name} mean")
for ax, name in zip(axes, ("hidden units, one layer", "hidden layers of four units"), strict=True):
    ax.set(xlabel=name, yscale="log", ylim=(1e-18, 3))
axes[0].set_title("One layer: " + ", ".join(
    f"{name} {'equal' if equal else 'not'}" for name, equal in exact.items()))
axes[1].set_title(f"Four layers less two: {deeper:.3f}")
axes[0].set_ylabel("distance to weight scaling")
axes[0].set_xticks(range(2, 17, 2))
axes[1].set_xticks(range(1, 5))
axes[0].legend(loc="center right")
plot.show(fig, "The distance of both means to weight scaling, on a logarithmic axis: against the "
          "number of hidden units in one layer, and against the number of hidden layers.")
print(f"You said: {guess}. Four hidden layers are off {growth}.")
for depth in range(2, 5):
    means = (f"{name} {v[1][depth - 1].mean():.3f} ± {plot.standard_error(v[1][depth - 1]):.3f}"
             for name, v in gaps.items())
    print(f"{depth} hidden layers, distance (20 networks ± s.e.):", ", ".join(means))

# %% [markdown]
# With one hidden layer, weight scaling *is* the normalised geometric mean: they differ by rounding,
# by less than $10^{-12}$, whatever the weights. It is not the arithmetic mean. From two layers on
# it is neither, since $\mathbb E[\operatorname{relu}(z)] \ne \operatorname{relu}(\mathbb E[z])$.
# But it stays several times nearer to the geometric mean than to the arithmetic one, and the gap
# grows slowly with depth. Twenty networks scatter widely; sixty of each depth gave us 0.007 for
# two layers, 0.015 for three and 0.023 for four, each $\pm\,0.005$ or less. (A point near
# $10^{-15}$ is a network whose upper units stay on, or off, under every mask: there a ReLU is
# linear, and the argument holds.)

# %% [markdown]
# ## Ask some of them
#
# The arithmetic mean of all $2^{128}$ networks is out of reach, but the mean of $k$ random ones is
# not. That is Monte Carlo model averaging: draw a mask, run, repeat, average.
#
# ## Exercise: `monte_carlo_average`
#
# `predict()` draws a fresh mask at every call. One call, used $k$ times, is one network's opinion.

# %% exercise="monte_carlo_average"
def monte_carlo_average(predict, k):
    """The arithmetic mean of k predictions, each of a thinned network drawn anew.

    predict : function without arguments; each call gives an array, of another random network
    k : how often to call it, at least 1
    Returns an array of the shape that `predict` gives.
    """
    ### BEGIN SOLUTION
    answers = [predict() for _ in range(k)]
    return np.mean(answers, axis=0)
    ### END SOLUTION

# %% [markdown] hint="monte_carlo_average"
# You have a function for the arithmetic mean already. What does it need?

# %% [markdown] hint="monte_carlo_average"
# A list with `predict()` in it, $k$ times, not $k$ times the same array.

# %% [markdown] hint="monte_carlo_average"
# `range(k)` gives exactly $k$ calls, also for $k = 1$.

# %% check="monte_carlo_average" points=1
# Exactly k calls of predict, and their mean.
draws = expect.rng().dirichlet(np.ones(3), (12, 4))
for k in (5, 1):
    rest = iter(draws)
    votes = np.eye(3)[draws[:k].argmax(-1)].mean(0)
    suspects = [] if k == 1 else [
        (draws[0], "predict is called once. Each network needs a call of its own."),
        (draws[:k].sum(0), "that is the sum: divide by k."),
        (draws[:k].sum(0) / (k - 1), "divided by k - 1. A mean divides by k."),
        (draws[: k + 1].mean(0), "predict is called k + 1 times."),
        (draws[: k - 1].mean(0), "predict is called k - 1 times."),
        (draws[: k - 1].sum(0) / k, "k - 1 predictions, divided by k: one call is missing."),
        (draws[1 : k + 1].mean(0), "the first prediction is thrown away."),
        (draws[k - 1], "only the last prediction is returned."),
        (votes, "that counts votes. Average the probabilities."),
        (np.median(draws[:k], axis=0), "that is the median."),
        (train.softmax(np.log(draws[:k]).mean(0)), "that is the geometric mean."),
        (draws[:k].mean(), "one number for everything. Average over the calls only."),
    ]
    with expect.case(f"monte_carlo_average(predict, {k})"):
        out = monte_carlo_average(lambda rest=rest: next(rest).copy(), k)
        expect.close(out, sum(draws[i] for i in range(k)) / k, rtol=1e-5, suspects=suspects,
                     hint="call predict k times and average what it gives, entry by entry.")
        expect.equal(len(list(rest)), 12 - k, hint="call predict k times, not more: on a large "
                     "network each call counts.")

# %% check="monte_carlo_average" points=1
# Random networks repeat: what is drawn three times counts three times.
rng = expect.rng()
kinds = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])  # what three networks say
drawn = [0, 0, 0, *rng.choice(3, 36, p=[0.7, 0.2, 0.1]), 1, 2]
rest = iter(5 * drawn)
with expect.case(f"monte_carlo_average(predict, {len(drawn)}), predict draws one of 3 networks",
                 crash=[("StopIteration", "predict is called more than 5 k times. Don't wait for "
                         "k different networks.")]):
    out = monte_carlo_average(lambda: kinds[next(rest)].copy(), len(drawn))
    expect.close(out, np.bincount(drawn) / len(drawn) @ kinds, rtol=1e-5,
                 hint="average all k predictions, whether they differ or not.",
                 suspects=[(kinds.mean(0), "each network counts once. Count it as often as it was "
                            "drawn.")])

# %% mistakes="monte_carlo_average"
{
    "called once": ("[predict() for _ in range(k)]", "k * [predict()]"),
    "that is the sum": ("np.mean", "np.sum"),
    "divided by k - 1": ("np.mean(answers, axis=0)", "sum(answers) / (k - 1)"),
    "k + 1 times": ("range(k)", "range(k + 1)"), "k - 1 times": ("range(k)", "range(k - 1)"),
    "one call is missing": ("np.mean(answers, axis=0)", "sum(answers[:-1]) / k"),
    "thrown away": ("answers =", "predict()\n    answers ="),
    "only the last": ("np.mean(answers, axis=0)", "answers[-1]"),
    "counts votes": ("[predict()", "[np.eye(3)[predict().argmax(-1)]"),
    "the median": ("np.mean", "np.median"),
    "geometric mean": ("np.mean(answers, axis=0)", "geometric_mean(answers)"),
    "one number for everything": (", axis=0", ""),
    "k times, not more": ("range(k)]", "range(2 * k)][:k]"),
    "wait for k different": ("range(k)]", """range(k)]
    while len(np.unique(answers, axis=0)) < k:
        answers.append(predict())"""),
    "each network counts once": ("np.mean(answers", "np.mean(np.unique(answers, axis=0)"),
}

# %% correct="monte_carlo_average"
def monte_carlo_average(predict, k):
    average = predict()
    for i in range(2, k + 1):
        average = average + (predict() - average) / i
    return average

# %% [markdown]
# How many thinned networks must be asked until their average is as good as one run of the scaled
# network? Here, the fifteen networks of the first cell on the digits; each point compares both on
# the same network.
#
# **Predict first**: the $k$ at which Monte Carlo meets weight scaling.

# %% guess=true
my_guess = 1000  # thinned networks in the average

# %% figure=true
# The average of k thinned networks, and weight scaling: by how much the first is worse.
guess = expect.guess(my_guess)
counts = (1, 2, 5, 10, 20, 50, 100, 200)
rng = np.random.default_rng()
excess = np.empty((2, len(nets), len(counts)))  # Monte Carlo less weight scaling
for i, (net, scaled) in enumerate(zip(nets, whole, strict=True)):
    h = hidden(net, X_test)
    for j, k in enumerate(counts):
        average = monte_carlo_average(
            lambda net=net, h=h: train.softmax(thin(h, rng) @ net["W2"].T + net["b2"]), k
        )
        excess[0, i, j] = 100 * (
            train.error_rate(average, y_test) - train.error_rate(scaled, y_test)
        )
        excess[1, i, j] = train.log_loss(average, y_test) - train.log_loss(scaled, y_test)

fig, axes = plot.figure(2, height=2.8)
for ax, runs, name, unit in zip(
    axes, excess, ("error rate", "log loss"), ("% points", "nats"), strict=True
):
    ax.errorbar(counts, runs.mean(0), plot.standard_error(runs), fmt="o-", capsize=2)
    ax.axhline(0, color=plot.INK, linestyle="--")
    ax.axvline(guess, color=plot.GREY, linestyle=":")
    ax.set(xlabel="thinned networks averaged, k", xscale="log", xlim=(0.8, max(guess, 200) * 1.5))
    ax.set_ylabel(f"excess {name}, {unit}")
    worse = np.flatnonzero(runs.mean(0) > 2 * plot.standard_error(runs))
    met = [*counts, "more"][worse.max(initial=-1) + 1]
    ax.set_title(f"{name.capitalize()}: from k = {met} on within 2 s.e.")
axes[0].annotate("your guess ", (guess, 1), ha="right", color=plot.GREY)
plot.show(fig, "By how much the average of k thinned networks exceeds weight scaling in error rate "
          "and log loss, against k, with standard errors over fifteen networks and your guess.")

# %% [markdown]
# Some 20 to 50 thinned networks are as good as one run of the scaled one, within two standard
# errors over our fifteen networks (at times 10, as the masks fall); the paper found about 50 on
# MNIST (its Figure 11). Single networks differ: for some 5 masks do, others are still behind at
# 200. The excess log loss falls about as $1/k$: ten times the masks, a tenth of it. "Monte Carlo
# is the true average, so it must be better than the shortcut" is folklore: 200 times the work
# moved neither curve below zero by more than a standard error or so. ({{uncertainty}} wants the
# samples for their *scatter*.)
#
# The paper's figure again, on MNIST, as `python3 grader paper figure11` last measured it:

# %%
reproduced.show("figure11")

# %% [markdown]
# ## How alike are the members?
#
# An ensemble gains by disagreement. If the answers of $k$ members, taken over many examples, have
# the same variance $\sigma^2$ and each two of them correlation $\rho$, their mean has variance
#
# $$ \rho\,\sigma^2 + \frac{1-\rho}{k}\,\sigma^2, $$
#
# so however many members there are, the share $\rho$ stays. With $\rho = 0.8$, $2^{128}$ members
# are worth no more than $1/\rho = 1.25$ uncorrelated ones.
#
# ## Exercise: `member_correlation`
#
# A row of `predictions` is one member's number for every example: below, the probability that it
# gives to the right class. (Its error is 1 less that, and errors correlate just as much.) The
# misunderstanding: every member agrees with *itself*, and those ones on the diagonal of the matrix
# of correlations must not be averaged in.

# %% exercise="member_correlation"
def member_correlation(predictions):
    """The mean of Pearson's correlation over all pairs of different members.

    predictions : (members, examples)
    Returns a number.
    """
    ### BEGIN SOLUTION
    k = len(predictions)
    C = np.corrcoef(predictions)
    return (C.sum() - np.trace(C)) / (k * (k - 1))
    ### END SOLUTION

# %% [markdown] hint="member_correlation"
# `np.corrcoef` gives the correlations of all *rows* with each other, as a matrix.

# %% [markdown] hint="member_correlation"
# Of $k \times k$ entries, how many belong to different members? What do the others hold?

# %% [markdown] hint="member_correlation"
# Take the sum of the matrix and subtract the diagonal; or `np.triu_indices`, with an offset that
# leaves the diagonal out.

# %% check="member_correlation" points=2
# Four members, one of which contradicts the others: the mean over six pairs.
rng = expect.rng()
shared = rng.normal(size=60)
predictions = np.array([3.0, 1.0, 2.0, -1.0])[:, None] * shared + rng.normal(size=(4, 60)) + 5
centred = predictions - predictions.mean(1, keepdims=True)
pairs = [(i, j) for i in range(4) for j in range(i)]
sizes = np.sqrt((centred**2).sum(1))
single = np.array([centred[i] @ centred[j] / (sizes[i] * sizes[j]) for i, j in pairs])
lengths = np.sqrt((predictions**2).sum(1))
average = predictions.mean(0)
examples = np.corrcoef(predictions.T)
with expect.case("member_correlation(predictions) of 4 members on 60 examples"):
    before = predictions.copy()
    out = member_correlation(predictions)
    expect.unchanged(predictions, before)
    expect.close(
        out,
        sum(single) / 6,
        rtol=1e-5,
        hint="the mean of Pearson's correlation over the six pairs of different members.",
        suspects=[
            ((2 * sum(single) + 4) / 16, "each member's correlation with itself is averaged in."),
            ((sum(single) + 4) / 10, "each member's correlation with itself is averaged in."),
            (sum(single), "that is the sum over pairs: divide by their number."),
            (2 * sum(single) / 16, "the diagonal is left out of the sum, but not of the count."),
            (sum(single) / 16, "divided by all 16 entries. There are 6 pairs."),
            (np.abs(single).mean(), "the sign is lost: members may contradict each other."),
            *[(np.mean([centred[i] @ centred[j] / n for i, j in pairs]),
               "that is the covariance: divide by both standard deviations.") for n in (59, 60)],
            (np.mean([predictions[i] @ predictions[j] / (lengths[i] * lengths[j])
                      for i, j in pairs]), "the mean is not subtracted: that is a cosine."),
            ((examples.sum() - 60) / (60 * 59), "examples are correlated. Correlate members."),
            (np.corrcoef(predictions), "that is the matrix: average it into one number."),
            (np.mean([np.corrcoef(row, average)[0, 1] for row in predictions]),
             "each member is compared with the average. Compare two members."),
            (np.mean(single**2), "the correlations are squared."),
        ],
    )

# %% check="member_correlation" points=1
# Any number of members: with it, the variance of their mean is ρ + (1 - ρ) / k.
for k in (2, 9):
    z = expect.rng().normal(size=(k, 40))
    z = (z - z.mean(1, keepdims=True)) / z.std(1, keepdims=True)  # variance 1, and mean 0
    with expect.case(f"member_correlation(predictions) of {k} members on 40 examples"):
        rho = (k * z.mean(0).var() - 1) / (k - 1)
        expect.close(member_correlation(z), rho, rtol=1e-5, atol=1e-6,
                     hint=f"take each pair of the {k} members, and average over all these pairs.")

# %% mistakes="member_correlation"
{
    "itself is averaged in": ("(C.sum() - np.trace(C)) / (k * (k - 1))", "C.mean()"),
    "the sum over pairs": ("(k * (k - 1))", "2"),
    "but not of the count": ("(k * (k - 1))", "k**2"),
    "divided by all 16": ("(k * (k - 1))", "k**2 / 2"),
    "the sign is lost": ("C.sum()", "np.abs(C).sum()"),
    "that is the covariance": ("corrcoef", "cov"),
    "that is a cosine": ("np.corrcoef(predictions)",
        "(lambda u: u @ u.T)((predictions.T / (predictions**2).sum(1) ** 0.5).T)"),
    "writes into its input": ("C = np", "predictions -= 1\n    C = np"),
    "examples are correlated": ("k = len", "predictions = predictions.T\n    k = len"),
    "that is the matrix": ("(C.sum() - np.trace(C)) / (k * (k - 1))", "C"),
    "compared with the average": ("(C.sum() - np.trace(C)) / (k * (k - 1))",
        "np.mean([np.corrcoef(row, predictions.mean(0))[0, 1] for row in predictions])"),
    "correlations are squared": ("C.sum()", "(C**2).sum()"),
    "average over all these": ("(k * (k - 1))", "12"),
}

# %% correct="member_correlation"
def member_correlation(predictions):
    from itertools import combinations
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in combinations(predictions, 2)])

# %% [markdown]
# Now the comparison. "Thinned networks share their weights, so they are nearly copies of each
# other; independently trained networks differ, and so do the trees of a forest." Six kinds of
# ensembles, five of each: 100 thinned networks of one that was trained with dropout, and of one
# that was not; 100 trees of a forest; and three whole networks from different starting weights,
# trained with dropout, without, and without on bootstrap samples (bagging).
#
# **Predict first**: in which of the six are two members most alike? Their names are "3 networks,
# plain", "3 networks, dropout", "3 networks, bagged", "100 thinned, dropout", "100 thinned, plain"
# and "100 trees of a forest".

# %% guess=true
my_guess = "100 thinned, dropout"  # the ensemble whose members are most alike

# %% figure=true
# Six kinds of ensembles: how alike their members are, and what their average gains.
guess = expect.guess(my_guess)
rng = np.random.default_rng()
bagged = []
for seed in range(15):
    sample = rng.choice(len(X), len(X))
    bagged.append(train.two_layer(X[sample], y[sample], lambda h, rng: h, seed))
forests = [RandomForestClassifier(100).fit(X, y) for _ in range(5)]
ensembles = {
    "3 networks, plain": np.array([train.predict(net, X_test) for net in plain]),
    "3 networks, dropout": whole,
    "3 networks, bagged": np.array([train.predict(net, X_test) for net in bagged]),
    "100 thinned, dropout": members,
    "100 thinned, plain": plain_members,
    "100 trees of a forest": np.array([[t.predict_proba(X_test) for t in f] for f in forests]),
}
of_right_class = (..., np.arange(len(y_test)), y_test)
alike, alone, together = [], [], []
for runs in ensembles.values():
    runs = runs.reshape(5, -1, len(y_test), 10)
    alike.append([member_correlation(run[of_right_class]) for run in runs])
    alone.append([100 * np.mean(run.argmax(-1) != y_test) for run in runs])
    together.append([100 * train.error_rate(arithmetic_mean(run), y_test) for run in runs])
alike, alone, together = np.array(alike), np.array(alone), np.array(together)

fig, (left, right) = plot.figure(2, height=3, width=9)
plot.bars(alike.mean(1), list(ensembles), left, spread=plot.standard_error(alike, 1),
          colors=[plot.SKY if name == guess else plot.BLUE for name in ensembles])
left.set(xlabel="correlation of two members (5 ± s.e.); your guess in light blue", xlim=(0, 1.2))
left.set_title("How alike the members are …")
right.hlines(range(6), together.mean(1), alone.mean(1), color=plot.GREY, zorder=1)
for runs, color, name in ((alone, plot.ORANGE, "a member"), (together, plot.BLUE, "their average")):
    right.errorbar(runs.mean(1), range(6), xerr=plot.standard_error(runs, 1), fmt="o", color=color,
                   capsize=2, label=name)
right.set(xlabel="error rate on test digits, % (5 ± s.e.)", yticks=[], ylim=(5.6, -0.6))
right.legend(loc="upper right")
right.set_title("… and how much their average gains")
plot.show(fig, "Correlation, and error rates of members and of their averages, for six ensembles.")
first, second = np.argsort(-alike.mean(1))[:2]
lead = plot.difference(alike[first], alike[second])
print(f"You said: {guess}. Most alike are the members of: {[*ensembles][first]}; the next, "
      f"{[*ensembles][second]}, have {lead.says(more='less', less='more', same='as much, nearly')} "
      f"(difference {lead:.3f}).")
for name, a, b, c in zip(ensembles, alike, alone, together, strict=True):
    print(f"{name:22} ρ {a.mean():.3f}   a member {b.mean():5.2f} %   average {c.mean():.2f} %")

# %% [markdown]
# Thinned networks are not near copies. Two of them, which share every weight that both kept, have
# $\rho \approx 0.8$; two networks trained separately, which share none, have $0.96$. Training from
# another start finds nearly the same answers; a mask disagrees more. Nor does dropout train for
# disagreement: it *raises* $\rho$ from 0.45 to 0.8, and each half gets better by it.
#
# A low $\rho$ is no virtue by itself either. The forest has the least and the trees err on 29 %;
# averaging brings them to 8 %. Halves go from 10 % to 7 %, or without dropout in training from
# 21 % to 7 %. But 7 % is what the whole network reaches in one run, and what three separate ones
# reach together. On these digits the ensemble of halves beats a half, and nothing else. Whether
# dropout makes a *whole* network better is a question of the data and of the network's size: here
# the gain is 0.2 points (7.1 to 6.9 %); {{overfitting}} has more.

# %% [markdown]
# ## Explore: switch units off
#
# The moons and six hidden units. On the left one of the 64 thinned networks; on the right the
# means of some, by your functions, with the scaled network's boundary dashed.
#
# **Try**: each step of the first slider switches one unit on or off. Which unit does this network
# need most? How many members must be averaged before the boundary keeps still? Average all 64:
# both means have the dashed boundary, or nearly, but the sentence below tells which one has the
# scaled network's probabilities, in every network. (Click a slider, then use the arrow keys.)

# %%
explore.members(all_masks, subnetwork_outputs, arithmetic_mean, geometric_mean, weight_scaled)

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="exact" points=1
# Mask, then one softmax layer. Weight scaling equals, for any weights, all thinned networks':
#
# - [ ] arithmetic mean
# - [x] geometric mean
# - [ ] majority vote
#
# Hint: of what is the logarithm linear in the mask?

# %% question="veto" points=1
# One of 64 members gives the right class probability 0, the others 0.99. Their normalised
# geometric mean gives it:
#
# - [x] 0
# - [ ] 0.97
# - [ ] 0.99
#
# Hint: what is the product of the 64 numbers?

# %% question="floor" points=1
# Members of equal variance have correlation 0.5. Averaging endlessly many of them leaves, of one
# member's variance:
#
# - [ ] nothing
# - [ ] a quarter
# - [x] a half
#
# Hint: let k grow in the formula of the variance.

# %% [markdown]
# ## In your own words
#
# A colleague writes: "Dropout is bagging with $2^n$ networks, for the price of one." Say in three
# to six sentences what of this holds and what does not, with numbers that you measured. (A person
# reads this.)

# %% [markdown] answer="price_of_one" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point for what holds, with a number: one run of training makes every
# thinned network a fair classifier (a half errs on about 10 %, and on 20 % without dropout in
# training); the scaled network is exactly the normalised geometric mean of all of them before one
# softmax layer, or as good as 20 to 50 of them averaged. One point for what does not, with a
# number or a reason: the members share weights, and none is trained to the end on a sample of its
# own (30 epochs on 1287 digits draw 38 610 of 2¹²⁸ masks); their correlation is 0.8, so that all
# together are worth 1.25 uncorrelated ones; scaling is not the arithmetic mean that bagging takes,
# and in deeper networks no exact mean at all; the average is no better than the whole network, or
# than three that were trained separately. "Thinned networks are more alike than separately trained
# ones" contradicts the measurement and loses that point.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - With only a softmax layer behind the mask, weight scaling is the normalised geometric mean of
#   all $2^n$ thinned networks. With more it is 0.01 to 0.02 off, and 0.1 off the arithmetic mean.
# - Averaging 20 to 50 random members does as well as one scaled run; more do hardly better.
# - Dropout makes every half a fair classifier (10 % errors against 20 %), and the halves more
#   alike ($\rho$ 0.8 against 0.45), but less alike than separately trained networks (0.96).
#
# **Read.** Hinton, Srivastava, Krizhevsky, Sutskever and Salakhutdinov, *Improving neural networks
# by preventing co-adaptation of feature detectors*, arXiv:1207.0580 (2012): the geometric mean.
# Srivastava et al., JMLR 15 (2014), §7.5 and Figure 11: Monte Carlo against weight scaling.
# Warde-Farley, Goodfellow, Courville and Bengio, *An empirical analysis of dropout in piecewise
# linear networks*, arXiv:1312.6197 (ICLR 2014): all masks of small deep networks, both means, and
# ensembles whose members share nothing.
#
# **Stretch.** At $p = 0.2$ the masks are not equally likely. Weigh each one's logarithm by its
# probability $p^{\text{dropped}} (1-p)^{\text{kept}}$: is the normalised mean again
# `weight_scaled(..., p=0.2)`? And is it still, if you drop inputs too?
#
# **Still open.** The halves work, each by itself. Do units then lean on each other less? That is
# {{coadaptation}}.
