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

from dropoutlab import data, expect, explore, plot, reproduced, train

# %% [markdown]
# ## Where we stand
#
# $n$ units make $2^n$ thinned networks, and each step of training meets a few of them. The paper
# reads the scaled network as their *average*. Ensembles win competitions, and this one comes with
# a single training run: *$2^n$ networks for the price of one*, says the folklore.
#
# Below, thirty networks learn the digits, fifteen of them with half of their 128 hidden units
# dropped. Five of each kind are then thinned for good: 100 masks each, and each mask's network is
# tested by itself. **Before you run the cell, guess: what is the error rate of a network that was
# trained with dropout and has lost half of its hidden units?** (Whole and scaled, it is about 7 %.)

# %%
my_guess = 30  # error rate in percent, of one thinned network


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
errors, plain_errors = (100 * np.mean(m.argmax(-1) != y_test, -1) for m in (members, plain_members))
whole_errors = 100 * np.mean(whole[:5].argmax(-1) != y_test, -1)

fig, (ax,) = plot.figure(1, height=2.6)
for found, color, name in ((plain_errors, plot.ORANGE, "trained without dropout"),
                           (errors, plot.BLUE, "trained with dropout")):
    ax.stairs(*np.histogram(found, np.arange(4, 60, 0.5)), fill=True, color=color, alpha=0.7,
              label=f"500 thinned, {name}")
ax.vlines(whole_errors, 0, 12, color=plot.INK, label="the five whole, with dropout, scaled")
ax.axvline(my_guess, color=plot.GREY, linestyle="--", label="your guess")
ax.set(xlabel="error rate on test digits, %", ylabel="thinned networks", xlim=(0, 60))
ax.legend()
ax.set_title(f"Trained with dropout, half a network errs on {errors.mean():.0f} %, "
             f"trained without on {plain_errors.mean():.0f} %")
plot.show(fig, "Error rates of thinned networks: low and close together only with dropout.")
beaten = 100 * np.mean(errors > whole_errors[:, None])
print(f"The whole network has fewer errors than {beaten:.0f} % of its halves.")

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

    Returns an array of 0.0 and 1.0, float64, of shape (2ⁿ, n): one mask a row.
    """
    ### BEGIN SOLUTION
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(float)
    ### END SOLUTION

# %% [markdown] hint="all_masks"
# Counting from 0 to $2^n - 1$ in binary writes down every mask. Or ask `itertools`.

# %% [markdown] hint="all_masks"
# Bit $i$ of a whole number $k$ is `k // 2**i % 2`. NumPy does that for all $k$ (a column) and all
# $i$ (a row) at once.

# %% [markdown] hint="all_masks"
# `itertools.product` with `repeat=n` draws a digit for each unit. Mind the dtype of the array
# that you make of it.

# %%
fig, (ax,) = plot.figure(1, height=1.8)
plot.mask(all_masks(5).T, ax)
ax.set(ylabel="unit", xlabel="mask")
ax.set_title("Your masks of five units, one a column")
plot.show(fig, "A table of small squares: the masks of five units, kept ones filled.")

# %% check="all_masks" points=1
# Each mask of four units is there: 16 rows of 4, in any order.
with expect.case("all_masks(6), called twice"):
    expect.equal(all_masks(6), all_masks(6), hint="the masks are drawn at random. List them all.")
with expect.case("all_masks(4)"):
    masks = all_masks(4)
    expect.only(masks, (0, 1), hint="a mask holds zeros and ones.")
    expect.equal(
        np.shape(masks)[-1:],
        (4,),
        hint="a row needs one column for each unit.",
        suspects=[
            ((16,), "rows and columns are exchanged: each mask is a row."),
            ((8,), "`unpackbits` makes 8 columns, whatever n is."),
        ],
    )
    kept = np.sum(masks, axis=-1)
    expect.equal(np.min(kept), 0, hint="the mask that drops every unit is missing.")
    expect.equal(np.max(kept), 4, hint="the mask that keeps every unit is missing.")
    expect.equal(
        len(masks),
        16,
        hint="each unit doubles the number of masks: there are 2ⁿ.",
        suspects=[(5, "that is one mask for each number of survivors. Which survive matters.")],
    )
    expect.array(masks, (16, 4), hint="return one NumPy array.")

# %% check="all_masks" points=1
# No mask occurs twice.
for n in (1, 3, 10):
    with expect.case(f"all_masks({n}), rows that differ"):
        masks = np.asarray(all_masks(n), dtype=float)
        numbers = masks @ 2.0 ** np.arange(n)  # each mask read as a binary number
        expect.equal(len(np.unique(numbers)), 2**n, hint="a mask occurs twice, another never.",
                     suspects=[(256, "a mask occurs twice: 8-bit integers end at 255.")])

# %% check="all_masks" points=1 hidden=true
# A hidden check: masks are floats, as `bernoulli_mask` made them, for one unit and for ten.
for n in (1, 10):
    with expect.case(f"all_masks({n}).dtype"):
        expect.array(all_masks(n), (2**n, n), np.float64, hint="make it an array of floats.")

# %% mistake="all_masks" says="drawn at random"
def all_masks(n):
    return (np.random.random((2**n, n)) >= 0.5).astype(float)

# %% mistake="all_masks" says="holds zeros and ones"
def all_masks(n):
    return 2.0 * (np.arange(2**n)[:, None] // 2 ** np.arange(n) % 2) - 1

# %% mistake="all_masks" says="rows and columns are exchanged"
def all_masks(n):
    return np.stack([np.arange(2**n) // 2**i % 2 for i in range(n)]).astype(float)

# %% mistake="all_masks" says="makes 8 columns"
def all_masks(n):
    return np.unpackbits(np.arange(2**n, dtype=np.uint8)[:, None], axis=1).astype(float)

# %% mistake="all_masks" says="drops every unit is missing"
def all_masks(n):
    return (np.arange(1, 2**n)[:, None] // 2 ** np.arange(n) % 2).astype(float)

# %% mistake="all_masks" says="keeps every unit is missing"
def all_masks(n):
    return (np.arange(2**n - 1)[:, None] // 2 ** np.arange(n) % 2).astype(float)

# %% mistake="all_masks" says="each number of survivors"
def all_masks(n):
    from itertools import combinations_with_replacement
    return np.array(list(combinations_with_replacement([0.0, 1.0], n)))

# %% mistake="all_masks" says="doubles the number of masks"
def all_masks(n):
    return (np.arange(n * n + 1)[:, None] // 2 ** np.arange(n) % 2).astype(float)

# %% mistake="all_masks" says="return one NumPy array"
def all_masks(n):
    from itertools import product
    return list(product([0.0, 1.0], repeat=n))

# %% mistake="all_masks" says="8-bit integers"
def all_masks(n):
    k = np.arange(2**n).astype(np.uint8)[:, None]
    return np.stack([(k[:, 0] >> i) & 1 if i < 8 else 0 * k[:, 0] for i in range(n)], 1) * 1.0

# %% mistake="all_masks" says="occurs twice, another"
def all_masks(n):
    half = (np.arange(2 ** (n - 1))[:, None] // 2 ** np.arange(n) % 2).astype(float)
    return np.concatenate([half, 1 - half]) if n > 3 and n < 5 else np.concatenate([half, half])

# %% mistake="all_masks" says="array of floats"
def all_masks(n):
    return np.arange(2**n)[:, None] >> np.arange(n) & 1

# %% correct="all_masks"
def all_masks(n):
    from itertools import product
    return np.array(list(product([1.0, 0.0], repeat=n)))

# %% correct="all_masks"
def all_masks(n):
    masks = np.zeros((1, 0))
    for _ in range(n):
        masks = np.block([[masks, np.zeros((len(masks), 1))], [masks, np.ones((len(masks), 1))]])
    return masks

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
left.set_title("64 thinned networks disagree")
right.semilogy(sizes, seconds, "o-")
right.set(xlabel="hidden units n", ylabel="time for all 2ⁿ, s", xticks=sizes[::2])
right.set_title(f"n = 16: {seconds[-1]:.2g} s; n = 128: "
                f"10$^{{{np.log10(seconds[-1] * 2.0**112 / 3.15e7):.0f}}}$ years")
plot.show(fig, "Left: many boundaries between two moons. Right: time doubles with each unit.")

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
    out = subnetwork_outputs(W1, b1, W2, b2, x)
    expect.equal(
        np.shape(out),
        (16, 5),
        hint="return a row for each mask and a column for each class.",
        suspects=[
            ((8, 5), "the inputs are masked. Mask the hidden units."),
            ((32, 5), "the classes are masked. Mask the hidden units."),
            ((5, 16), "rows and columns are exchanged: a row for each mask."),
            ((5,), "that is one answer. Return the answers of all 16 networks."),
            ((4, 5), "that is one network for each unit. There are 2ⁿ."),
        ],
    )
    expect.array(out, (16, 5), hint="return one NumPy array.")
    expect.close(out[np.argsort(out[:, 0])], right, hint="some rows, sorted here, are not those "
                 "of a thinned network.",
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
    expect.close(out, right, hint="row k must be the network of row k of `all_masks(n)`.",
                 suspects=[(right[::-1], "row k is not that of mask k: the order is reversed.")])

# %% check="subnetwork_outputs" points=1 hidden=true
# A hidden check: large logits do not overflow, and the parameters are left alone.
rng = expect.rng()
parameters = [rng.normal(size=shape) for shape in ((3, 2), (3,), (2, 3), (2,), (2,))]
before = [value.copy() for value in parameters]
with expect.case("subnetwork_outputs(W1, b1, W2, b2, x), and its arguments afterwards"):
    subnetwork_outputs(*parameters)
    for value, old in zip(parameters, before, strict=True):
        expect.unchanged(value, old)
with expect.case("subnetwork_outputs(W1, b1, W2, b2, x) with logits of 0 and 2000"):
    out = subnetwork_outputs(np.ones((1, 1)), np.zeros(1), np.array([[0.0], [2000.0]]),
                             np.zeros(2), np.ones(1))
    expect.close(np.sort(out[:, 1]), np.array([0.5, 1.0]), hint="a logit of 2000 is valid: take "
                 "`train.softmax`, or subtract the largest logit before `exp`.")

# %% mistake="subnetwork_outputs" says="the ReLU is missing"
def subnetwork_outputs(W1, b1, W2, b2, x):
    return np.array([train.softmax((x @ W1.T + b1) * m @ W2.T + b2) for m in all_masks(len(b1))])

# %% mistake="subnetwork_outputs" says="survivors are scaled"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = 2 * np.maximum(x @ W1.T + b1, 0)
    return np.array([train.softmax(h * m @ W2.T + b2) for m in all_masks(len(b1))])

# %% mistake="subnetwork_outputs" says="still sends its bias"
def subnetwork_outputs(W1, b1, W2, b2, x):
    hs = [np.maximum(x @ (m[:, None] * W1).T + b1, 0) for m in all_masks(len(b1))]
    return train.softmax(np.array(hs) @ W2.T + b2)

# %% mistake="subnetwork_outputs" says="b1 is missing"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T, 0)
    return np.array([train.softmax(h * m @ W2.T + b2) for m in all_masks(len(b1))])

# %% mistake="subnetwork_outputs" says="b2 is missing"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    return np.array([train.softmax(h * m @ W2.T) for m in all_masks(len(b1))])

# %% mistake="subnetwork_outputs" says="weights are halved"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    return np.array([train.softmax(h * m @ (W2 / 2).T + b2) for m in all_masks(len(b1))])

# %% mistake="subnetwork_outputs" says="softmax is missing"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    return np.array([h * m @ W2.T + b2 for m in all_masks(len(b1))])

# %% mistake="subnetwork_outputs" says="goes over the masks"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    e = np.exp(np.array([h * m @ W2.T + b2 for m in all_masks(len(b1))]))
    return e / e.sum(0)

# %% mistake="subnetwork_outputs" says="the inputs are masked"
def subnetwork_outputs(W1, b1, W2, b2, x):
    masks = all_masks(x.shape[-1])
    return np.array([train.softmax(np.maximum(m * x @ W1.T + b1, 0) @ W2.T + b2) for m in masks])

# %% mistake="subnetwork_outputs" says="one answer"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    return np.mean([train.softmax(h * m @ W2.T + b2) for m in all_masks(len(b1))], 0)

# %% mistake="subnetwork_outputs" says="one network for each unit"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    return np.array([train.softmax(h * m @ W2.T + b2) for m in 1 - np.eye(len(b1))])

# %% mistake="subnetwork_outputs" says="rows and columns"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    return np.array([train.softmax(h * m @ W2.T + b2) for m in all_masks(len(b1))]).T

# %% mistake="subnetwork_outputs" says="the batch comes first"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    return train.softmax(h[..., None, :] * all_masks(len(b1)) @ W2.T + b2)

# %% mistake="subnetwork_outputs" says="share an axis"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0).reshape(-1, len(b1))
    return np.concatenate([train.softmax(h * m @ W2.T + b2) for m in all_masks(len(b1))])

# %% mistake="subnetwork_outputs" says="order is reversed"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    return np.array([train.softmax(h * (1 - m) @ W2.T + b2) for m in all_masks(len(b1))])

# %% mistake="subnetwork_outputs" says="writes into its input"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    out = np.array([train.softmax(h * m @ W2.T + b2) for m in all_masks(len(b1))])
    W2 *= 0.5
    return out

# %% mistake="subnetwork_outputs" says="subtract the largest"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.maximum(x @ W1.T + b1, 0)
    e = np.exp(np.array([h * m @ W2.T + b2 for m in all_masks(len(b1))]))
    return e / e.sum(-1, keepdims=True)

# %% correct="subnetwork_outputs"
def subnetwork_outputs(W1, b1, W2, b2, x):
    thinned = []
    for mask in all_masks(W1.shape[0]):
        z = np.maximum(x @ W1.T + b1, 0) @ (W2 * mask).T + b2
        e = np.exp(z - np.max(z, axis=-1, keepdims=True))
        thinned.append(e / np.sum(e, axis=-1, keepdims=True))
    return np.stack(thinned)

# %% correct="subnetwork_outputs"
def subnetwork_outputs(W1, b1, W2, b2, x):
    h = np.where(x @ W1.T + b1 > 0, x @ W1.T + b1, 0)
    return train.softmax(np.einsum("ki,...i,ci->k...c", all_masks(len(W1)), h, W2) + b2)

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

# %% mistake="arithmetic_mean" says="averaged over the classes"
def arithmetic_mean(probs):
    return np.mean(probs, axis=-1)

# %% mistake="arithmetic_mean" says="averaged over the batch"
def arithmetic_mean(probs):
    return np.mean(probs, axis=-2)

# %% mistake="arithmetic_mean" says="one number for everything"
def arithmetic_mean(probs):
    return np.mean(probs)

# %% mistake="arithmetic_mean" says="that is the sum"
def arithmetic_mean(probs):
    return sum(probs)

# %% mistake="arithmetic_mean" says="counts votes"
def arithmetic_mean(probs):
    return np.eye(probs.shape[-1])[np.argmax(probs, axis=-1)].mean(0)

# %% mistake="arithmetic_mean" says="the median"
def arithmetic_mean(probs):
    return np.median(probs, axis=0)

# %% mistake="arithmetic_mean" says="that is the geometric mean"
def arithmetic_mean(probs):
    return train.softmax(np.log(probs).mean(0))  # the mean of the logits, made probabilities

# %% mistake="arithmetic_mean" says="numbers of the classes"
def arithmetic_mean(probs):
    return probs.argmax(-1).mean(0)

# %% mistake="arithmetic_mean" says="writes into its input"
def arithmetic_mean(probs):
    total = probs[0]
    for member in probs[1:]:
        total += member
    return total / len(probs)

# %% correct="arithmetic_mean"
def arithmetic_mean(probs):
    total = 0
    for member in probs:
        total = total + member
    return total / len(probs)

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
    Returns (classes,), or (batch, classes); ValueError naming probs where the members rule out
    every class.
    """
    ### BEGIN SOLUTION
    with np.errstate(divide="ignore"):  # log 0 is -inf, and its exponential 0
        logs = np.log(probs).mean(axis=0)
    if not np.isfinite(logs).any(axis=-1).all():
        raise ValueError("probs rules out every class, each by some member")
    return train.softmax(logs)
    ### END SOLUTION

# %% [markdown] hint="geometric_mean"
# $\left(\prod_m P_m\right)^{1/k} = \exp\!\left(\frac1k \sum_m \log P_m\right)$.

# %% [markdown] hint="geometric_mean"
# Exponentiate and divide by the sum over classes: you have a function that does both.

# %% [markdown] hint="geometric_mean"
# NumPy's `log(0)` is `-inf` with a warning (`np.errstate` silences it), and `exp(-inf)` is 0, as
# it should be. Only where *all* classes are `-inf` is nothing left.

# %% [markdown]
# Your two means of the 64 networks above, along a line from one moon to the other. Far out, the
# geometric mean is the surer one. (The flat thin line is the network in which no unit survives.)

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
plot.show(fig, "64 thin curves and their two means: the geometric mean is closer to 0 and 1.")

# %% check="geometric_mean" points=1
# Two members, three classes: the root of the product, normalised.
probs = expect.rng().dirichlet(np.ones(3), 2)
roots = np.sqrt(probs[0] * probs[1])
with expect.case("geometric_mean(probs) of shape (2, 3)"):
    expect.close(
        geometric_mean(probs),
        roots / roots.sum(),
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
# A batch is normalised input by input.
probs = expect.rng().dirichlet(np.ones(3), (2, 4))
roots = np.sqrt(probs[0] * probs[1])
with expect.case("geometric_mean(probs) of shape (2, 4, 3)"):
    expect.close(
        geometric_mean(probs),
        roots / roots.sum(-1, keepdims=True),
        hint="each input of the batch has its own probabilities, which sum to 1.",
        suspects=[
            (roots / roots.sum(), "normalised over the whole batch. Each input sums to 1."),
            (roots / roots.sum(0), "normalised over the batch, not over the classes."),
        ],
    )

# %% check="geometric_mean" points=1
# Thousands of members: the product is too small for a float, its root is not.
probs = expect.rng().dirichlet(np.ones(3), 5000)
logs = sum(np.log(member) for member in probs) / 5000
with expect.case("geometric_mean(probs) of 5000 members"):
    expect.close(
        geometric_mean(probs),
        np.exp(logs) / np.exp(logs).sum(),
        hint="the mean of 5000 logarithms, exponentiated and normalised.",
        suspects=[(np.full(3, np.nan), "the product underflows to 0, and 0 / 0 is NaN. Average "
                   "logarithms instead.")],
    )

# %% check="geometric_mean" points=1
# A probability of 0 is a veto, and vetoes against every class are an error.
probs = np.array([[0.8, 0.2, 0.0], [0.2, 0.2, 0.6]])
with expect.case("geometric_mean([[0.8, 0.2, 0], [0.2, 0.2, 0.6]])"):
    expect.close(
        geometric_mean(probs),
        np.array([2 / 3, 1 / 3, 0]),
        hint="one factor is 0, so the product is 0: not NaN, and not some small number either.",
        suspects=[(np.array([0.4, 0.2, 0.6]) / 1.2, "zeros are left out of the mean. A zero rules "
                   "the class out.")],
    )
with expect.case("geometric_mean([[1, 0], [0, 1]])"):
    expect.raises(ValueError, lambda: geometric_mean(np.eye(2)), mentions="probs",
                  hint="no class is left: raise ValueError, with the word probs in it.")

# %% mistake="geometric_mean" says="not normalised"
def geometric_mean(probs):
    return np.exp(np.log(probs).mean(0))

# %% mistake="geometric_mean" says="that is the product"
def geometric_mean(probs):
    return np.prod(probs, axis=0)

# %% mistake="geometric_mean" says="without the root"
def geometric_mean(probs):
    product = np.prod(probs, axis=0)
    return product / product.sum(-1, keepdims=True)

# %% mistake="geometric_mean" says="mean of the logarithms"
def geometric_mean(probs):
    return np.log(probs).mean(0)

# %% mistake="geometric_mean" says="taken over the classes"
def geometric_mean(probs):
    return np.exp(np.log(probs).mean(-1))

# %% mistake="geometric_mean" says="arithmetic mean"
def geometric_mean(probs):
    return np.mean(probs, axis=0)

# %% mistake="geometric_mean" says="softmax of probabilities"
def geometric_mean(probs):
    return train.softmax(np.mean(probs, axis=0))

# %% mistake="geometric_mean" says="over the whole batch"
def geometric_mean(probs):
    g = np.exp(np.log(probs).mean(0))
    return g / g.sum()

# %% mistake="geometric_mean" says="over the batch, not"
def geometric_mean(probs):
    g = np.exp(np.log(probs).mean(0))
    return g / g.sum(0)

# %% mistake="geometric_mean" says="underflows"
def geometric_mean(probs):
    g = np.prod(probs, axis=0) ** (1 / len(probs))
    return g / g.sum(-1, keepdims=True)

# %% mistake="geometric_mean" says="not some small number"
def geometric_mean(probs):
    return train.softmax(np.log(probs + 1e-9 * (probs == 0)).mean(0))

# %% mistake="geometric_mean" says="zeros are left out"
def geometric_mean(probs):
    logs = np.log(np.where(probs > 0, probs, 1)).sum(0) / (probs > 0).sum(0)
    return np.exp(logs) / np.exp(logs).sum(-1, keepdims=True)

# %% mistake="geometric_mean" says="no class is left"
def geometric_mean(probs):
    return train.softmax(np.log(probs).mean(0))

# %% correct="geometric_mean"
def geometric_mean(probs):
    roots = np.prod(np.asarray(probs) ** (1 / len(probs)), axis=0)
    total = roots.sum(axis=-1, keepdims=True)
    if np.any(total == 0):
        raise ValueError("probs leaves no class")
    return roots / total

# %% correct="geometric_mean"
def geometric_mean(probs):
    from scipy.stats import gmean
    with np.errstate(all="ignore"):
        mean = gmean(probs, axis=0)
    if not (mean.sum(-1) > 0).all():
        raise ValueError("probs: each class is ruled out")
    return mean / mean.sum(-1)[..., None]

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
    p : probability of dropping a hidden unit, in [0, 1]; else (NaN too) ValueError naming p
    Returns (classes,), or (batch, classes).
    """
    ### BEGIN SOLUTION
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], not {p}")
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
        before = W2.copy()
        out = weight_scaled(W1, b1, W2, b2, x, p)
        expect.unchanged(W2, before)
        expect.close(out, train.softmax(W2 @ h - p * W2 @ h + b2),
                     hint="softmax of (1 - p) W2 h + b2.", suspects=suspects)

# %% check="weight_scaled" points=1
# At p = 1/2 it is the geometric mean of all 1024 networks of ten hidden units, to 1e-12.
rng = expect.rng()
W1, b1, batch = rng.normal(size=(10, 4)), rng.normal(size=10), rng.normal(size=(3, 4))
W2, b2 = rng.normal(size=(5, 10)), rng.normal(size=5)
h, logs = np.maximum(batch @ W1.T + b1, 0), 0
for mask in np.ndindex((2,) * 10):
    logs = logs + np.log(train.softmax(mask * h @ W2.T + b2)) / 1024
with expect.case("weight_scaled(W1, b1, W2, b2, batch) on a batch of 3, against all masks"):
    expect.close(weight_scaled(W1, b1, W2, b2, batch), train.softmax(logs), rtol=0, atol=1e-12,
                 hint="a batch has one row of probabilities for each input, and p is 0.5 unless "
                 "given.")

# %% check="weight_scaled" points=1
# The ends, and what is no probability.
rng = expect.rng()
parameters = [rng.normal(size=shape) for shape in ((3, 2), (3,), (4, 3), (4,), (2,))]
with expect.case("weight_scaled(W1, b1, W2, b2, x, p=1.0)"):
    expect.close(weight_scaled(*parameters, 1.0), train.softmax(parameters[3]),
                 hint="at p = 1 only the biases b2 answer.")
for p in (-0.1, 1.5):
    with expect.case(f"weight_scaled(W1, b1, W2, b2, x, p={p})"):
        expect.raises(ValueError, lambda p=p: weight_scaled(*parameters, p), mentions="p",
                      hint="raise ValueError, with the word p in it, unless 0 <= p <= 1.")
with expect.case("weight_scaled(W1, b1, W2, b2, x, p=nan)"):
    expect.raises(ValueError, lambda: weight_scaled(*parameters, float("nan")), mentions="p",
                  hint="NaN slips through `p < 0 or p > 1`. Ask `not 0 <= p <= 1` instead.")

# %% mistake="weight_scaled" says="multiplied by p"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return train.softmax(p * np.maximum(x @ W1.T + b1, 0) @ W2.T + b2)

# %% mistake="weight_scaled" says="b2 is scaled too"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return train.softmax((1 - p) * (np.maximum(x @ W1.T + b1, 0) @ W2.T + b2))

# %% mistake="weight_scaled" says="W1 is scaled"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return train.softmax(np.maximum((1 - p) * x @ W1.T + b1, 0) @ W2.T + b2)

# %% mistake="weight_scaled" says="both layers are scaled"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return train.softmax((1 - p) * np.maximum((1 - p) * x @ W1.T + b1, 0) @ W2.T + b2)

# %% mistake="weight_scaled" says="scaled twice"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return train.softmax(np.maximum((1 - p) * (x @ W1.T + b1), 0) @ ((1 - p) * W2).T + b2)

# %% mistake="weight_scaled" says="nothing is scaled"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return train.softmax(np.maximum(x @ W1.T + b1, 0) @ W2.T + b2)

# %% mistake="weight_scaled" says="divided by 1 - p"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return train.softmax(np.maximum(x @ W1.T + b1, 0) / (1 - p) @ W2.T + b2)

# %% mistake="weight_scaled" says="p is ignored"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return geometric_mean(subnetwork_outputs(W1, b1, W2, b2, x))

# %% mistake="weight_scaled" says="softmax is missing"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return (1 - p) * np.maximum(x @ W1.T + b1, 0) @ W2.T + b2

# %% mistake="weight_scaled" says="probabilities are scaled"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return (1 - p) * train.softmax(np.maximum(x @ W1.T + b1, 0) @ W2.T + b2)

# %% mistake="weight_scaled" says="the ReLU is missing"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return train.softmax((1 - p) * (x @ W1.T + b1) @ W2.T + b2)

# %% mistake="weight_scaled" says="writes into its input"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    W2 *= 1 - p
    return train.softmax(np.maximum(x @ W1.T + b1, 0) @ W2.T + b2)

# %% mistake="weight_scaled" says="one row of probabilities for each input"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    e = np.exp((1 - p) * np.maximum(x @ W1.T + b1, 0) @ W2.T + b2)
    return e / e.sum()

# %% mistake="weight_scaled" says="unless 0 <= p <= 1"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    return train.softmax(np.maximum(x @ W1.T + b1, 0) @ ((1 - p) * W2).T + b2)

# %% mistake="weight_scaled" says="NaN slips through"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    if p < 0 or p > 1:
        raise ValueError("p must be in [0, 1]")
    return train.softmax(np.maximum(x @ W1.T + b1, 0) @ ((1 - p) * W2).T + b2)

# %% correct="weight_scaled"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    if not (p >= 0 and p <= 1):
        raise ValueError("p is no probability")
    z = np.einsum("...i,ci->...c", np.clip(np.dot(x, W1.T) + b1, 0, None), W2 * (1.0 - p)) + b2
    e = np.exp(z - z.max(axis=-1)[..., None])
    return e / e.sum(axis=-1)[..., None]

# %% [markdown]
# ## Where it is exact, and where not
#
# On the left, random networks with one hidden layer, 2 to 16 units: your weight scaling against
# your two means over all masks. On the right, networks with up to four hidden layers of four
# units, twenty of each depth, *trained* with dropout on the moons: now a ReLU follows all masks
# but the last, and the argument breaks. The distance between two answers is half the sum of
# $|P(c) - Q(c)|$.
#
# **Predict first**: with four layers, is weight scaling off by more than with two?

# %%
WIDTH, NETS = 4, 20  # units in each hidden layer; networks trained at once


def deep_logits(layers, h, drop):
    *before, (W, b) = layers
    for V, c in before:
        h = drop(torch.relu(h @ V.mT + c))
    return h @ W.mT + b


def half_dropped(h):
    return h * (torch.rand(h.shape) >= 0.5)


def every_mask(h):  # each row of h becomes 2⁴ rows
    return (h[:, None] * torch.from_numpy(all_masks(WIDTH))[:, None]).flatten(1, 2)


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

fig, axes = plot.figure(2, height=2.9)
for (name, pair), color in zip(gaps.items(), (plot.GREEN, plot.PINK), strict=True):
    for ax, runs, x in zip(axes, pair, (range(2, 17, 2), range(1, 5)), strict=True):
        runs = np.array([run.ravel() for run in runs])
        ax.plot(x, np.maximum(runs, 1e-17), ".", color=color, alpha=0.35, markersize=4)
        ax.plot(x, runs.mean(1), "o-", color=color, label=f"{name} mean")
for ax, name, title in zip(
    axes, ("hidden units, one layer", "hidden layers of four units"),
    ("One hidden layer: exact for one mean", "Deeper: exact for none"), strict=True,
):
    ax.set(xlabel=name, yscale="log", ylim=(1e-18, 3), title=title)
axes[0].set_ylabel("distance to weight scaling")
axes[0].set_xticks(range(2, 17, 2))
axes[1].set_xticks(range(1, 5))
axes[0].legend(loc="center right")
plot.show(fig, "Distance of two means to weight scaling: 1e-16 for one, 0.01 to 0.1 elsewhere.")
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
    k : how often to call it, at least 1; else ValueError naming k
    Returns an array of the shape that `predict` gives.
    """
    ### BEGIN SOLUTION
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return sum(predict() for _ in range(k)) / k
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
        expect.close(out, sum(draws[i] for i in range(k)) / k, suspects=suspects,
                     hint="call predict k times and average what it gives, entry by entry.")
        expect.equal(len(list(rest)), 12 - k, hint="call predict k times, not more: on a large "
                     "network each call counts.")

# %% check="monte_carlo_average" points=1 hidden=true
# A hidden check: an average of no networks is refused.
for k in (0, -3):
    with expect.case(f"monte_carlo_average(predict, {k})"):
        expect.raises(ValueError, lambda k=k: monte_carlo_average(lambda: np.ones(2) / 2, k),
                      mentions="k", hint="raise ValueError, with the word k in it, if k < 1.")

# %% mistake="monte_carlo_average" says="called once"
def monte_carlo_average(predict, k):
    prediction = predict()
    return sum(prediction for _ in range(k)) / k

# %% mistake="monte_carlo_average" says="that is the sum"
def monte_carlo_average(predict, k):
    return sum(predict() for _ in range(k))

# %% mistake="monte_carlo_average" says="divided by k - 1"
def monte_carlo_average(predict, k):
    return sum(predict() for _ in range(k)) / max(k - 1, 1)

# %% mistake="monte_carlo_average" says="k + 1 times"
def monte_carlo_average(predict, k):
    return np.mean([predict() for _ in range(k + 1)], axis=0)

# %% mistake="monte_carlo_average" says="k - 1 times"
def monte_carlo_average(predict, k):
    return np.mean([predict() for _ in range(1, k)], axis=0)

# %% mistake="monte_carlo_average" says="one call is missing"
def monte_carlo_average(predict, k):
    total = 0
    for _ in range(1, k):
        total = total + predict()
    return total / k

# %% mistake="monte_carlo_average" says="thrown away"
def monte_carlo_average(predict, k):
    total = np.zeros(np.shape(predict()))
    for _ in range(k):
        total += predict()
    return total / k

# %% mistake="monte_carlo_average" says="only the last"
def monte_carlo_average(predict, k):
    for _ in range(k):
        average = predict()
    return average

# %% mistake="monte_carlo_average" says="counts votes"
def monte_carlo_average(predict, k):
    probs = np.array([predict() for _ in range(k)])
    return np.eye(probs.shape[-1])[probs.argmax(-1)].mean(0)

# %% mistake="monte_carlo_average" says="the median"
def monte_carlo_average(predict, k):
    return np.median([predict() for _ in range(k)], axis=0)

# %% mistake="monte_carlo_average" says="geometric mean"
def monte_carlo_average(predict, k):
    return geometric_mean(np.array([predict() for _ in range(k)]))

# %% mistake="monte_carlo_average" says="one number for everything"
def monte_carlo_average(predict, k):
    return np.mean([predict() for _ in range(k)])

# %% mistake="monte_carlo_average" says="k times, not more"
def monte_carlo_average(predict, k):
    probs = [predict() for _ in range(2 * k)]
    return np.mean(probs[:k], axis=0)

# %% mistake="monte_carlo_average" says="if k < 1"
def monte_carlo_average(predict, k):
    return sum(predict() for _ in range(k)) / k if k else 0.5

# %% correct="monte_carlo_average"
def monte_carlo_average(predict, k):
    if not k >= 1:
        raise ValueError("k counts networks: 1 or more")
    return arithmetic_mean(np.stack([predict() for _ in range(k)]))

# %% correct="monte_carlo_average"
def monte_carlo_average(predict, k):
    if k <= 0:
        raise ValueError("k is too small")
    average = predict()
    for i in range(2, k + 1):
        average = average + (predict() - average) / i
    return average

# %% [markdown]
# How many thinned networks must be asked until their average is as good as one run of the scaled
# network? On MNIST the paper found about 50 (its Figure 11). Here, the fifteen networks of the
# first cell on the digits; each point compares both on the same network.
#
# **Predict first**: the $k$ at which Monte Carlo meets weight scaling.

# %%
my_k = 1000

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
    ax.axvline(my_k, color=plot.GREY, linestyle=":")
    ax.set(xlabel="thinned networks averaged, k", xscale="log", xlim=(0.8, max(my_k, 200) * 1.5))
    ax.set_ylabel(f"excess {name}, {unit}")
    worse = np.flatnonzero(runs.mean(0) > 2 * plot.standard_error(runs))
    met = [*counts, "more"][worse.max(initial=-1) + 1]
    ax.set_title(f"{name.capitalize()}: from k = {met} on within 2 s.e.")
axes[0].annotate("your guess ", (my_k, 1), ha="right", color=plot.GREY)
plot.show(fig, "Both curves fall to zero, the level of weight scaling, at k of about 20 to 50.")

# %% [markdown]
# Some 20 to 50 thinned networks are as good as one run of the scaled one, within two standard
# errors over our fifteen networks (at times 10, as the masks fall); the paper's 50 is of that
# size. Single networks differ: for some 5 masks do, others are still behind at 200. The excess log
# loss falls about as $1/k$: ten times the masks, a tenth of it. "Monte Carlo is the true average,
# so it must be better than the shortcut" is folklore: 200 times the work moved neither curve below
# zero by more than a standard error or so. ({{uncertainty}} wants the samples for their *scatter*.)
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
    Returns a number; ValueError naming predictions for fewer than two members, or for one whose
    predictions are all the same.
    """
    ### BEGIN SOLUTION
    members = len(predictions)
    if members < 2 or np.any(np.ptp(predictions, axis=1) == 0):
        raise ValueError("predictions needs two members or more, none of them constant")
    total = np.corrcoef(predictions).sum()
    return (total - members) / (members * (members - 1))
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
        hint="the mean of Pearson's correlation over the six pairs of different members.",
        suspects=[
            ((2 * sum(single) + 4) / 16, "each member's correlation with itself is averaged in."),
            ((sum(single) + 4) / 10, "the diagonal is averaged in: each member with itself."),
            (sum(single), "that is the sum over pairs: divide by their number."),
            (2 * sum(single) / 16, "the diagonal is left out of the sum, but not of the count."),
            (sum(single) / 16, "divided by all 16 entries. There are 6 pairs."),
            (np.abs(single).mean(), "the sign is lost: members may contradict each other."),
            (np.mean([centred[i] @ centred[j] / 59 for i, j in pairs]),
             "that is the covariance: divide by both standard deviations."),
            (np.mean([centred[i] @ centred[j] / 60 for i, j in pairs]),
             "that is the covariance: divide by both standard deviations."),
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
# What has no correlation is refused.
predictions = expect.rng().normal(size=(3, 20))
with expect.case("member_correlation(predictions) of one member"):
    expect.raises(ValueError, lambda: member_correlation(predictions[:1]), mentions="predictions",
                  hint="one member makes no pair: raise ValueError, naming predictions in it.")
predictions[1] = 0.5
with expect.case("member_correlation(predictions), a member says 0.5 of every example"):
    expect.raises(ValueError, lambda: member_correlation(predictions), mentions="predictions",
                  hint="a constant has no correlation (0 / 0): raise ValueError, with the word "
                  "predictions in it.")

# %% mistake="member_correlation" says="itself is averaged in"
def member_correlation(predictions):
    return np.corrcoef(predictions).mean()

# %% mistake="member_correlation" says="the diagonal is averaged in"
def member_correlation(predictions):
    return np.corrcoef(predictions)[np.triu_indices(len(predictions))].mean()

# %% mistake="member_correlation" says="the sum over pairs"
def member_correlation(predictions):
    return np.triu(np.corrcoef(predictions), 1).sum()

# %% mistake="member_correlation" says="but not of the count"
def member_correlation(predictions):
    return (np.corrcoef(predictions) - np.eye(len(predictions))).mean()

# %% mistake="member_correlation" says="divided by all 16"
def member_correlation(predictions):
    return np.triu(np.corrcoef(predictions), 1).mean()

# %% mistake="member_correlation" says="the sign is lost"
def member_correlation(predictions):
    return np.abs(np.corrcoef(predictions)[np.triu_indices(len(predictions), 1)]).mean()

# %% mistake="member_correlation" says="that is the covariance"
def member_correlation(predictions):
    return np.cov(predictions)[np.triu_indices(len(predictions), 1)].mean()

# %% mistake="member_correlation" says="that is a cosine"
def member_correlation(predictions):
    unit = predictions / np.linalg.norm(predictions, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(predictions), 1)].mean()

# %% mistake="member_correlation" says="writes into its input"
def member_correlation(predictions):
    predictions -= predictions.mean(1, keepdims=True)
    predictions /= np.linalg.norm(predictions, axis=1, keepdims=True)
    return (predictions @ predictions.T)[np.triu_indices(len(predictions), 1)].mean()

# %% mistake="member_correlation" says="examples are correlated"
def member_correlation(predictions):
    C = np.corrcoef(predictions, rowvar=False)
    return C[np.triu_indices(len(C), 1)].mean()

# %% mistake="member_correlation" says="that is the matrix"
def member_correlation(predictions):
    return np.corrcoef(predictions)

# %% mistake="member_correlation" says="compared with the average"
def member_correlation(predictions):
    return np.mean([np.corrcoef(row, predictions.mean(0))[0, 1] for row in predictions])

# %% mistake="member_correlation" says="correlations are squared"
def member_correlation(predictions):
    return (np.corrcoef(predictions)[np.triu_indices(len(predictions), 1)] ** 2).mean()

# %% mistake="member_correlation" says="one member makes no pair"
def member_correlation(predictions):
    C = np.corrcoef(np.atleast_2d(predictions))
    return np.atleast_2d(C)[np.triu_indices(len(predictions), 1)].sum() / max(
        len(predictions) * (len(predictions) - 1) / 2, 1)

# %% mistake="member_correlation" says="a constant has no correlation"
def member_correlation(predictions):
    if len(predictions) < 2:
        raise ValueError("predictions of two members or more, please")
    return np.corrcoef(predictions)[np.triu_indices(len(predictions), 1)].mean()

# %% correct="member_correlation"
def member_correlation(predictions):
    from itertools import combinations
    if len(predictions) < 2:
        raise ValueError("predictions: a single member has no pair")
    if min(row.std() for row in predictions) == 0:
        raise ValueError("one row of predictions is constant")
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in combinations(predictions, 2)])

# %% correct="member_correlation"
def member_correlation(predictions):
    if len(predictions) < 2 or (predictions == predictions[:, :1]).all(1).any():
        raise ValueError("in predictions every member needs a partner and a scatter")
    z = predictions - predictions.mean(1, keepdims=True)
    z /= np.sqrt((z**2).mean(1, keepdims=True))
    k = len(z)
    return float(((z.sum(0) ** 2).mean() - k) / (k * k - k))

# %% [markdown]
# Now the comparison. "Thinned networks share their weights, so they are nearly copies of each
# other; independently trained networks differ, and so do the trees of a forest." Six kinds of
# ensembles, five of each: 100 thinned networks of one that was trained with dropout, and of one
# that was not; 100 trees of a forest; and three whole networks from different starting weights,
# trained with dropout, without, and without on bootstrap samples (bagging).
#
# **Predict first**: in which of the six are two members most alike, and in which least?

# %%
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
plot.bars(alike.mean(1), list(ensembles), left, spread=plot.standard_error(alike, 1))
left.set(xlabel="correlation of two members (5 ± s.e.)", xlim=(0, 1.2))
left.set_title("How alike the members are …")
right.hlines(range(6), together.mean(1), alone.mean(1), color=plot.GREY, zorder=1)
for runs, color, name in ((alone, plot.ORANGE, "a member"), (together, plot.BLUE, "their average")):
    right.errorbar(runs.mean(1), range(6), xerr=plot.standard_error(runs, 1), fmt="o", color=color,
                   capsize=2, label=name)
right.set(xlabel="error rate on test digits, % (5 ± s.e.)", yticks=[], ylim=(5.6, -0.6))
right.legend(loc="upper right")
right.set_title("… and how much their average gains")
plot.show(fig, "Correlation, and error rates of members and of their averages, for six ensembles.")
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
