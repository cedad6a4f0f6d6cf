# %% [markdown]
# # 1.2 · Weight scaling
#
# **A network is trained with units missing and used with all of them. What has to change?**
#
# *75 minutes. Before: {{bernoulli_masks}}. After, you will be able to train with the dropout of
# the 2014 paper, to say which of a network's numbers must be scaled before it is used and which
# must not, and to tell where scaling is exact and where it is not.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$ | what $n$ units send to the next layer |
# | $p$ | probability that a unit is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0, independently |
# | $w$, $W$ | weights of one unit of the next layer; of all its units, one row each |
# | $z = w \cdot (m \odot x)$ | pre-activation: what that unit adds up under the mask |
# | $\odot$ | entry by entry |

# %% setup=true
from statistics import NormalDist

import numpy as np

from dropoutlab import check_probability, data, expect, explore, plot, survivors, train

# %% [markdown]
# ## Thin in training, whole in use
#
# In {{bernoulli_masks}} you drew masks. Dropout draws a new one for every example, so every
# example trains a different *thinned network*. In use, the answer should not depend on coins. So
# all units are used: the network is *whole*. But the next layer has never
# heard from all of them at once.
#
# Below, five networks learn handwritten digits while three of every four hidden units are dropped
# ($p = 0.75$). Consider the output unit of the right digit. In training it received a sum over the
# hidden units that were left; now it receives the sum over all of them.
# **Commit yourself first: how many times as large is the second sum, on average?**

# %% guess=true
my_guess = 1.5  # times as large

# %% figure=true
# What the output layer receives from thinned networks and from whole ones.
guess = expect.guess(my_guess)


def thin(h, rng, p=0.75):
    return h * survivors(h, p, rng)


def hidden(net, X):
    return np.maximum(X @ net["W1"].T + net["b1"], 0)


X, y, X_test, y_test = data.digits()
X, X_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
nets = [train.two_layer(X, y, thin, seed) for seed in range(5)]

fig, (ax,) = plot.figure(1, height=2.8)
rng, means, beyond, bins = np.random.default_rng(), [], [], np.arange(-10, 80, 2)
for net in nets:
    h, w = hidden(net, X_test), net["W2"][y_test]  # the weights of the right digit's unit
    thinned, whole = (thin(h, rng) * w).sum(1), (h * w).sum(1)
    means.append((thinned.mean(), whole.mean()))
    beyond.append(100 * np.mean(whole > np.quantile(thinned, 0.99)))
    for z, color in ((thinned, plot.GREY), (whole, plot.ORANGE)):
        ax.stairs(*np.histogram(z, bins), fill=True, color=color, alpha=0.25)
        ax.axvline(z.mean(), ymax=0.06, color=color)
means = np.array(means)
ratio, guessed = means[:, 1] / means[:, 0], guess * means[:, 0].mean()
ax.annotate("thinned networks  ", (0, 90), ha="right", color=plot.GREY)
ax.annotate("the whole network", (45, 45), color=plot.ORANGE)
ax.axvline(guessed, color=plot.INK, linestyle="--")
ax.annotate(" your guess", (guessed, 132))
ax.set(xlabel="sent to the right digit's unit, w · h", ylabel="test digits", xlim=(-20, 80),
       ylim=(0, 145))
told = (f"The whole network sends {ratio.mean():.2f} ± {plot.standard_error(ratio):.2f} times as "
        f"much;\n{np.mean(beyond):.1f} ± {plot.standard_error(beyond):.1f} % of its sums are "
        "larger than 99 % of the thinned networks' sums")
ax.set_title(told)
plot.show(fig, "Histograms, for five networks, of what thinned and whole ones send. " + told,
          claims={"whole-sends-more": abs(ratio.mean() / 4 - 1) < 0.1})

# %% [markdown]
# (The five networks are drawn over one another, and a tick at the bottom marks each mean. Numbers
# after ± are standard errors over networks.) In a thinned network about one hidden unit in four
# was there, and now all of them are. The output layer receives sums that it has hardly ever seen.
#
# ### One question from {{bernoulli_masks}}
#
# The paper's remedy: "If a unit is retained with probability $p$ during training, the outgoing
# weights of that unit are multiplied by $p$ at test time." What are they multiplied by in this
# course's notation? (Think of your answer, then unfold.)
#
# <details><summary>Answer</summary>
#
# By the probability of keeping, $1-p$ here. The paper's $p$ is not ours.
# </details>
#
# You will build this remedy in three steps: drop units in training, scale the weights behind them,
# and find out which of a network's arrays those are.
#
# ## Exercise: `dropout_train`
#
# In the 2014 paper, training drops units and does nothing else: a survivor is passed on as it is.
# (Frameworks do more. That is {{inverted_dropout}}.)
#
# You have written both parts, the mask and the product, in {{bernoulli_masks}}; now they share a
# line. From now on you may use the course's function: `survivors(x, p, rng)` returns a mask of the
# shape of `x`: True with probability $1-p$, else False, with a coin for each entry. Use it or draw
# your own; all randomness comes from `rng`.

# %% exercise="dropout_train"
def dropout_train(x, p, rng):
    """Zero each entry of `x` with probability `p`, and pass the others on as they are.

    y = m * x, m ~ Bernoulli(1 - p) per entry.

    x : float array of any shape, left as it is
    p : probability of dropping
    rng : np.random.Generator
    Returns a new array of x's shape and dtype.
    Source: Srivastava et al. 2014, section 4.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return x * survivors(x, p, rng)
    ### END SOLUTION

# %% [markdown] hint="dropout_train"
# The formula in the docstring has a mask and a product, and nothing else.

# %% [markdown] hint="dropout_train"
# In a product True counts as 1 and False as 0, and float32 stays float32.

# %% [markdown] hint="dropout_train"
# `survivors` takes the three things that you were given, in the same order.

# %% [markdown]
# Look at your own output before you check it: 30 units that all send 1, under 12 masks. A unit
# of the next layer whose weights are all 1 adds up each row.

# %%
out = dropout_train(np.ones((12, 30)), 0.5, np.random.default_rng())
fig, (left, right) = plot.figure(2, height=2.9)
plot.mask(out, left)
left.set(xlabel="unit", ylabel="mask", aspect="auto", title="Twelve rows of your output")
left.set_ylim(12, -1)  # level with the bars
right.barh(range(12), np.sum(out, axis=1), color=plot.BLUE)
right.axvline(30, color=plot.ORANGE)
right.annotate("whole ", (30, -1), ha="right", va="center", color=plot.ORANGE)
longest = 1.07 * max(30, np.max(np.sum(out, axis=1)))
right.set(xlabel="sum of the row", yticks=[], xlim=(0, longest), ylim=(11.5, -1.5))
right.set_title(f"Sum of each row: the mean is {np.mean(np.sum(out, axis=1)):.1f}")
plot.show(fig, "Your masks of thirty units at p = 0.5, and the sum of what survives in each.")

# %% check="dropout_train" points=1
# Some entries are dropped; the others are passed on as they are, in a new array like x.
for shape, dtype in (((40, 3, 50), np.float64), ((3000,), np.float32)):
    x = (expect.rng().choice([-1, 1], shape[::-1]) * expect.rng().uniform(2, 3, shape[::-1])).T
    x = x.astype(dtype)  # numbers whose inverses are no scale that a suspect has
    before = x.copy()
    with expect.case("y / x for y = dropout_train(x, p=0.4, rng), x random numbers "
                     f"{shape}, {x.dtype}"):
        out = dropout_train(x, 0.4, expect.rng())
        expect.unchanged(x, before)
        expect.array(out, shape, dtype, hint="return an array like x. (A boolean mask keeps the "
                     "dtype of what it multiplies.)")
        expect.varies((out == 0).ravel(), chance=0.6**3000, what="some dropped, some kept",
                      hint="all entries are kept, or all are dropped.")
        expect.varies(out[before < 0] == 0, chance=0.6**900, what="some negative ones dropped",
                      hint="the sign decides what is dropped. Let a coin decide, for each entry.")
        expect.only(
            out / before,
            (0, 1),
            rtol=1e-5,
            hint="an entry is neither 0 nor x as it was. Multiply x by a mask of zeros and ones.",
            suspects=[
                (1 / 0.6, "the survivors are divided by 1 - p. That is inverted dropout. "
                          "Here, pass them on as they are."),
                (0.6, "the survivors are multiplied by 1 - p. Scale when the network is "
                      "used, not here."),
                (1 / 0.4, "the survivors are divided by p. Leave them as they are."),
            ],
        )
    for p in (0.0, 1.0):
        with expect.case(f"dropout_train(x, p={p}, rng), x random numbers {shape}, {x.dtype}"):
            out = dropout_train(x, p, expect.rng())
            expect.array(out, shape, dtype, hint="return an array like x, at either end of p too.")
            expect.close(out, x * (p == 0), hint="p = 0 keeps every entry, and p = 1 drops it.",
                         suspects=[] if p else [
                             (0 * x, "p is swapped: it is the probability of dropping.")])
with expect.case("dropout_train(x, p=0.0, rng)"):
    expect.copied(dropout_train, x, 0.0, expect.rng())

# %% check="dropout_train" points=2
# Every entry has a coin of its own, fresh at each call, and from rng alone.
with expect.case("dropout_train(x, p, rng) on 20 × 60 ones, 24 times for each of four p"):
    expect.coins(lambda p, rng: dropout_train(np.ones((20, 60)), p, rng))
with expect.case("dropout_train(x, p, rng) on 4 × 6 × 50 ones, 24 times for each of four p"):
    expect.coins(lambda p, rng: dropout_train(np.ones((4, 6, 50)), p, rng))

# %% mistakes="dropout_train"
{
    "y / x for y = dropout_train": ("p, rng)", "p, rng) / (1 - p / 2)"),
    "That is inverted dropout": ("p, rng)", "p, rng) / (1 - p)"),
    "Scale when the network is": ("p, rng)", "p, rng) * (1 - p)"),
    "divided by p. Leave": ("p, rng)", "p, rng) / p"),
    "neither 0 nor x as it was": ("x * survivors", "1.0 * survivors"),
    "p is swapped": ("* survivors", "* ~survivors"),
    "and p = 1 drops it": ("return x *", "return x.copy() if p == 1 else x *"),
    "all entries are kept, or all": ("x, p, rng", "x, 0, rng"),
    "the sign decides what is dropped": ("x * survivors", "np.maximum(x, 0) * survivors"),
    "returns its input itself": ("return x *", "return x if p == 0 else x *"),
    "every row has the same mask": ("survivors(x,", "survivors(x[(0,) * (x.ndim - 1)],"),
    "every column has the same mask":
        ("survivors(x,", "survivors(x[(slice(None), *[slice(1)] * (x.ndim - 1))],"),
    "an exact number is dropped for each call and row":
        ("survivors(x, p, rng)",
         "(rng.permuted(0 * x + np.arange(x.shape[-1]) / x.shape[-1], axis=-1) >= p)"),
    "a seed is set inside": ("rng)", "np.random.default_rng(0))"),
    "do not come from the given generator": ("rng)", "np.random)"),
    "writes into its input": ("return x * survivors(x, p, rng)",
                              "x *= survivors(x, p, rng)\n    return x"),
    "keeps the dtype": ("survivors(x, p, rng)", "np.float64(survivors(x, p, rng))"),
}

# %% correct="dropout_train"
def dropout_train(x, p, rng):
    y = x.copy()
    y[rng.choice([True, False], size=x.shape, p=[p, 1 - p])] = 0
    return y

# %% [markdown]
# ## Exercise: `scaled_weights`
#
# The whole network, which has no mask, should send what the thinned ones sent *on average*. The
# paper does this once, after training, by scaling the weights that lead out of the dropped units.

# %% exercise="scaled_weights"
def scaled_weights(W, p):
    """The weights to use: `scaled_weights(W, p) @ x` is the mean of W @ (m * x) over masks m.

    W : (outputs, inputs), left as it is; its inputs were dropped in training
    p : probability of dropping in training
    Returns a new array of W's shape and dtype.
    Source: Srivastava et al. 2014, section 4.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return (1 - p) * W
    ### END SOLUTION

# %% [markdown] hint="scaled_weights"
# An input sends either 0 or $x_i$. Weigh each with its probability: what does it send on average?

# %% [markdown] hint="scaled_weights"
# A matrix product is linear: where in $W\,(c\,x)$ may the number $c$ stand?

# %% [markdown] hint="scaled_weights"
# At $p = 0.75$ an input is there one time in four. Do your weights shrink or grow?

# %% check="scaled_weights" points=1
# Scaled weights on x agree with the mean over all 256 masks of 8 inputs, and W is left alone.
rng = expect.rng()
W, x = rng.normal(size=(6, 8)), rng.normal(size=8)
before = W.copy()
masks = np.arange(256)[:, None] >> np.arange(8) & 1
for p in (0.2, 0.75, 0.0, 1.0):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    with expect.case(f"scaled_weights(W, p={p}) @ x"):
        V = scaled_weights(W, p)
        expect.unchanged(W, before)
        expect.array(V, (6, 8), hint="return a matrix of W's shape.")
        wrong = [] if p in (0, 1) else [
            (W @ x, "the weights are as they were. Shrink them."),
            (W @ x / (1 - p), "the weights grow. Multiply by 1 - p; do not divide."),
            (W @ x * p, "the weights are multiplied by p. Multiply by 1 - p."),
            (W @ x * np.sqrt(1 - p), "the root of 1 - p would keep a mean square, not the mean."),
        ]
        expect.close(V @ x, chance @ (masks * x @ W.T), rtol=1e-7, atol=1e-9, suspects=wrong,
                     hint="that is not the mean over masks. One factor fits all weights: which?")
with expect.case("scaled_weights(W, p=0.0)"):
    expect.copied(scaled_weights, W, 0.0)
with expect.case("scaled_weights(W, p=0.5) on float32"):
    expect.array(scaled_weights(np.ones((2, 4), np.float32), 0.5), (2, 4), np.float32,
                 hint="the result's dtype differs from W's.")

# %% mistakes="scaled_weights"
{
    "as they were": ("(1 - p) * W", "W.copy()"),
    "the weights grow": ("(1 - p) * W", "W / (1 - p)"),
    "multiplied by p": ("(1 - p) * W", "p * W"),
    "would keep a mean square": ("(1 - p) * W", "np.sqrt(1 - p) * W"),
    "One factor fits all": ("(1 - p) * W", "dropout_train(W, p, np.random.default_rng())"),
    "writes into its input": ("return (1 - p) * W", "W *= 1 - p\n    return W"),
    "Return a copy": ("(1 - p) * W", "(1 - p) * W if p else W"),
    "dtype differs from W": ("(1 - p) * W", "np.full(W.shape, 1 - p) * W"),
}

# %% correct="scaled_weights"
def scaled_weights(W, p):
    return W @ np.diag(np.full(W.shape[1], 1 - p, W.dtype))

# %% [markdown]
# ## Exercise: `scaled_network`
#
# A network has more arrays than one $W$. Ask of each: does it multiply something that was dropped?
# Here the hidden units were. Think of the weights that lead *into* a dropped unit, of those that
# lead *out* of it, and of the biases.

# %% exercise="scaled_network"
def scaled_network(W1, b1, W2, b2, p):
    """Make a network that was trained with its hidden units dropped ready for use.

    In training: h = relu(W1 @ x + b1), output = W2 @ (m * h) + b2.
    In use: the same h, and output = W2 @ h + b2 with the arrays returned; this output must be
    the mean of the outputs in training over all masks m.

    W1 : (hidden, inputs), b1 : (hidden,), W2 : (outputs, hidden), b2 : (outputs,)
    p : probability of dropping in training
    Returns four arrays in this order. Those given are left as they are.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return W1, b1, scaled_weights(W2, p), b2
    ### END SOLUTION

# %% [markdown] hint="scaled_network"
# Follow the signal: $x$, then `W1` and `b1`, then the mask, then `W2`, then `b2`. What stands
# directly behind the mask?

# %% [markdown] hint="scaled_network"
# What does an output unit get under a mask that drops every hidden unit?

# %% [markdown] hint="scaled_network"
# You have already written the function that scales the weights behind a mask.

# %% [markdown]
# Back to the digits. For four choices of what to scale, the next figure compares the ten outputs
# in use with their mean over *your* masks (both averaged over the test digits). "By chance" is how
# far a mean over 100 masks is off by luck alone. (It takes about five seconds.)

# %% figure=true
# How far the outputs in use are from their mean over masks, for four ways of scaling.
p = 0.75
choices = {"nothing": [], "all four arrays": [], "W2 and b2": [], "yours": [], "by chance": []}
for net in nets:
    arrays = [net[name] for name in ("W1", "b1", "W2", "b2")]
    h = hidden(net, X_test)
    rng = np.random.default_rng()
    masked, again = (np.mean([dropout_train(h, p, rng) @ arrays[2].T for _ in range(100)], axis=0)
                     for _ in range(2))
    scaled = [(1 - p) * a for a in arrays]
    tried = (arrays, scaled, [*arrays[:2], *scaled[2:]], scaled_network(*arrays, p))
    for result, (W1, b1, W2, b2) in zip(choices.values(), tried, strict=False):
        used = np.maximum(X_test @ W1.T + b1, 0) @ W2.T + b2
        off = (used - masked - arrays[3]).mean(0)  # for each class, over the test digits
        result.append(np.abs(off).mean())
    # two means over 100 masks differ by √2 times what one is off
    choices["by chance"].append(np.abs((again - masked).mean(0)).mean() / np.sqrt(2))

fig, (ax,) = plot.figure(1, height=2.2)
runs = np.array(list(choices.values()))
plot.bars(runs.mean(1), list(choices), ax, spread=plot.standard_error(runs, 1),
          colors=[plot.ORANGE, plot.PINK, plot.SKY, plot.BLUE, plot.GREY])
ax.set_xlabel("distance of the outputs from their mean over masks (5 networks ± standard error)")
nothing, _, both, mine, luck = runs.mean(1)
told = (f"Yours lies {mine:.3f} ± {plot.standard_error(runs[3]):.3f} from the mean over masks, "
        f"{mine / luck:.1f} times as far as by chance;\n"
        f"W2 and b2 scaled: {both / luck:.1f} times as far; nothing scaled: {nothing / luck:.1f}")
ax.set_title(told)
plot.show(fig, "Distance of the outputs from their mean over masks, for four ways of scaling. "
               + told.replace("\n", " ") + ".")

# %% check="scaled_network" points=2
# Each output at test time is its mean over all 64 masks of 6 hidden units.
rng = expect.rng()
W1, x, b1 = rng.uniform(0.1, 1, (6, 4)), rng.uniform(0.5, 1.5, 4), rng.uniform(0.1, 1, 6)
W2, b2 = rng.normal(size=(3, 6)), rng.normal(size=3)
masks = np.arange(64)[:, None] >> np.arange(6) & 1
for p in (0.25, 0.8):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    h, keep = W1 @ x + b1, 1 - p  # all positive here, so that the ReLU lets them pass
    h_less = keep * W1 @ x + b1
    with expect.case(f"scaled_network(W1, b1, W2, b2, p={p})", crash=[
        ("back: unpack", "return four arrays: W1, b1, W2, b2, ready for use."),
    ]):
        V1, c1, V2, c2 = scaled_network(W1.copy(), b1.copy(), W2.copy(), b2.copy(), p)
        expect.close(
            V2 @ np.maximum(V1 @ x + c1, 0) + c2,
            chance @ (masks * h @ W2.T + b2),
            rtol=1e-7,
            atol=1e-9,
            hint="the outputs are not the mean over masks. What stands behind the mask?",
            suspects=[
                (W2 @ h + b2, "nothing is scaled."),
                (keep * W2 @ h + keep * b2, "b2 is scaled too. It was there under every mask."),
                (W2 @ h_less + b2, "W1 leads into the dropped units. Scale what leads out."),
                (keep * W2 @ h_less + b2, "W1 is scaled as well. Only W2 stands behind a mask."),
                (keep**2 * W2 @ h + keep * b2, "all four arrays are scaled. One is enough."),
                (keep * W2 @ (W1 @ x + keep * b1) + keep * b2,
                 "the biases are scaled too. They were there under every mask."),
                (W2 @ h / keep + b2, "W2 grows. Multiply it by 1 - p."),
                (p * W2 @ h + b2, "W2 is multiplied by p. Multiply it by 1 - p."),
            ],
        )

# %% check="scaled_network" points=1
# The hidden units stay as they are, and so does the network that is given.
rng = expect.rng()
W1, b1, W2, b2 = (rng.normal(size=s) for s in ((5, 3), 5, (2, 5), 2))
before = [a.copy() for a in (W1, b1, W2, b2)]
with expect.case("scaled_network(W1, b1, W2, b2, p=0.3), and the arrays afterwards", crash=[
    ("back: unpack", "return four arrays: W1, b1, W2, b2, ready for use."),
]):
    V1, c1, V2, c2 = scaled_network(W1, b1, W2, b2, 0.3)
    for now, then in zip((W1, b1, W2, b2), before, strict=True):
        expect.unchanged(now, then)
    for array, was in ((V1, W1), (c1, b1)):
        expect.close(array, was, hint="W1 and b1 come before the mask: leave them. Where a "
                                      "ReLU hides the difference, a sigmoid would not.")

# %% mistakes="scaled_network"
{
    "nothing is scaled": ("scaled_weights(W2, p)", "W2"),
    "b2 is scaled too": (", b2", ", (1 - p) * b2"),
    "Scale what leads out": ("W1, b1, scaled_weights(W2, p)", "scaled_weights(W1, p), b1, W2"),
    "the biases are scaled too": ("return W1, b1, scaled_weights(W2, p), b2", "for b in (b1, b2):\n"
                                  "        b *= 1 - p\n    return W1, b1, (1 - p) * W2, b2"),
    "W1 is scaled as well": ("W1, b1,", "(1 - p) * W1, b1,"),
    "all four arrays": ("W1, b1, scaled_weights(W2, p), b2",
                        "tuple((1 - p) * a for a in (W1, b1, W2, b2))"),
    "W2 is multiplied by p": ("scaled_weights(W2, p)", "p * W2"),
    "W2 grows": ("scaled_weights(W2, p)", "W2 / (1 - p)"),
    "a sigmoid would not": ("W1, b1, scaled_weights(W2, p)", "(1 - p) * W1, (1 - p) * b1, W2"),
    "return four arrays": ("W1, b1, scaled", "scaled"),
    "writes into its input": ("return W1, b1, scaled_weights(W2, p), b2",
                              "W2 *= 1 - p\n    return W1, b1, W2, b2"),
}

# %% correct="scaled_network"
def scaled_network(W1, b1, W2, b2, p):
    return [W1.copy(), b1.copy(), W2 - p * W2, b2.copy()]

# %% [markdown]
# It is tempting to scale `b2` as well, as it belongs to the same layer. But a bias is added under
# every mask; nothing about it was ever dropped.
#
# ## One unit, under every mask
#
# In what sense does the scaled network do what the thinned ones did? Take one unit of the next
# layer with two inputs, $w_1 x_1 = 3$ and $w_2 x_2 = -1$, at $p = \frac14$. There are four masks:
#
# | mask | $z$ | probability |
# | --- | --- | --- |
# | (1, 1) | 2 | 9/16 |
# | (1, 0) | 3 | 3/16 |
# | (0, 1) | −1 | 3/16 |
# | (0, 0) | 0 | 1/16 |
#
# The mean of $z$ over masks is $2 \cdot \frac{9}{16} + 3 \cdot \frac{3}{16} - \frac{3}{16} = 1.5$.
# With 1000 inputs there are more masks than atoms in the universe, so you need a formula. For the
# mean you have one already: $w$ is one row of the $W$ that `scaled_weights` scales. Write it down
# here; the variance, which comes next, is new. The checks compare both with the sum over all masks,
# for a unit that has few.
#
# ## Exercise: `preactivation_mean`

# %% exercise="preactivation_mean"
def preactivation_mean(w, x, p):
    """The mean of z = w · (m * x) over all masks m, exactly: a number.

    w, x : (n,), left as they are; n may be 1000, so no list of masks
    p : probability of dropping
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return (1 - p) * np.dot(w, x)
    ### END SOLUTION

# %% [markdown] hint="preactivation_mean"
# The mean of a sum is the sum of the means.

# %% [markdown] hint="preactivation_mean"
# In $w_i m_i x_i$ only $m_i$ is random. What is its mean?

# %% [markdown] hint="preactivation_mean"
# In the table above $w \cdot x$ is 2 and $p$ is ¼. What takes 2 to 1.5?

# %% check="preactivation_mean" points=1
# The mean over all 128 masks of 7 inputs.
rng = expect.rng()
w, x = rng.normal(size=7), rng.normal(size=7)
masks = np.arange(128)[:, None] >> np.arange(7) & 1
for p in (0.3, 0.8, 0.0, 1.0):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    with expect.case(f"preactivation_mean(w, x, p={p})"):
        wrong = [] if p in (0, 1) else [
            (w @ x, "that is z without any mask."),
            (p * (w @ x), "w · x is multiplied by p, the chance of a 0. What is the mean of "
                            "a mask?"),
            ((1 - p) * w * x, "those are the n terms. Add them up."),
            ((1 - p) * np.mean(w * x), "a unit adds its inputs up; it does not average them."),
            (w @ x / (1 - p), "w · x is divided by 1 - p. The thinned unit gets less, not more."),
        ]
        given = w.copy(), x.copy()
        found = preactivation_mean(*given, p)
        for now, before in zip(given, (w, x), strict=True):
            expect.unchanged(now, before)
        expect.close(found, chance @ (masks * x @ w), rtol=1e-7, atol=1e-9, suspects=wrong,
                     hint="add the means of the terms: E[c m] = c E[m], with c = w_i x_i.")
w, x = rng.normal(size=(2, 1000))
w *= -np.sign(w @ x)  # a negative mean
for n in (20, 24):  # before a list of 2**1000 masks fills the memory
    with expect.case(f"preactivation_mean(w, x, p=0.3) of {n} inputs, and its time"):
        began = expect.ask("processor_seconds")
        preactivation_mean(w[:n].copy(), x[:n].copy(), 0.3)
        lasted = expect.ask("processor_seconds") - began
        if lasted > 0.1:
            raise expect.Unmet("at most 0.1 s of processor time", f"{lasted:.2f} s",
                               "it takes long. Does it list the masks? 1000 inputs have 2**1000 "
                               "masks, and no list of them fits. Go term by term.")
with expect.case("preactivation_mean(w, x, p=0.3) of 1000 inputs"):
    expect.close(preactivation_mean(w, x, 0.3), float(0.7 * w @ x), atol=1e-9,
                 hint="with 1000 inputs it is wrong. Is a 7 written where len(w) belongs?")

# %% mistakes="preactivation_mean"
{
    "1000 inputs have 2**1000 masks": ("(1 - p) * np.dot(w, x)", "float(sum("
        "(masks * x @ w) * np.where(masks, 1 - p, p).prod(1) for masks in "
        "[np.arange(2 ** len(w))[:, None] >> np.arange(len(w)) & 1]).sum())"),
    "without any mask": ("(1 - p) * np", "np"),
    "mean of a mask": ("(1 - p)", "p"),
    "Add them up": ("np.dot(w, x)", "w * x"),
    "does not average them": ("np.dot(w, x)", "np.mean(w * x)"),
    "gets less, not more": ("(1 - p) * np.dot(w, x)", "np.dot(w, x) / (1 - p)"),
    "writes into its input": ("np.dot(w, x)", "np.sum(np.multiply(w, x, out=w))"),
    "add the means of the terms": ("(1 - p) * np.dot(w, x)",
        "np.dot(w, dropout_train(np.tile(x, (999, 1)), p, np.random.default_rng()).mean(0))"),
}

# %% correct="preactivation_mean"
def preactivation_mean(w, x, p):
    return sum(a * b - p * a * b for a, b in zip(w, x, strict=True))

# %% [markdown]
# So scaled weights give a linear unit the *mean* over all masks exactly, whatever the weights and
# however many inputs there are. That is all they give. In training $z$ varied around this mean;
# in use it is fixed. By how much did it vary?
#
# ## Exercise: `preactivation_variance`
#
# In the table above the variance of $z$ is 1.875. Try your formula on it first.

# %% exercise="preactivation_variance"
def preactivation_variance(w, x, p):
    """The variance of z = w · (m * x) over all masks m, exactly: a number.

    w, x : (n,), left as they are; n may be 1000, so no list of masks
    p : probability of dropping
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return p * (1 - p) * np.sum((w * x) ** 2)
    ### END SOLUTION

# %% [markdown] hint="preactivation_variance"
# The entries of a mask are independent, and variances of independent terms add up.

# %% [markdown] hint="preactivation_variance"
# $\operatorname{Var}[c\,m_i] = c^2 \operatorname{Var}[m_i]$. What is $c$ here, and what is the
# variance of a coin that shows 1 with probability $1-p$?

# %% [markdown] hint="preactivation_variance"
# Try it on a unit with $w_i x_i = 1$ everywhere: $z$ is then the number kept, whose standard
# deviation you found in {{bernoulli_masks}}.

# %% check="preactivation_variance" points=2
# The variance over all 128 masks of 7 inputs.
rng = expect.rng()
w, x = rng.normal(size=7), rng.normal(size=7)
masks = np.arange(128)[:, None] >> np.arange(7) & 1
for p in (0.3, 0.8, 0.0, 1.0):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    z = masks * x @ w
    variance = chance @ (z - chance @ z) ** 2
    each = w * x
    with expect.case(f"preactivation_variance(w, x, p={p})"):
        wrong = [] if p in (0, 1) else [
            (p * (1 - p) * each.sum() ** 2,
             "that is the square of the sum: all inputs would be dropped together. Square each."),
            (p * (1 - p) * each.sum(), "the variance of c m goes with the square of c."),
            (np.sqrt(variance), "that is the standard deviation: square it."),
            ((1 - p) * (each @ each), "(1 - p) is the mean of m². Subtract the square of "
                                      "m's mean."),
            ((1 - p) ** 2 * (each @ each), "a coin's variance is p (1 - p), not (1 - p)²."),
            (p * (each @ each), "a coin's variance is p (1 - p), not p."),
            (p * (1 - p) * (w @ w), "the inputs x are missing: c is w times x."),
            (p * (1 - p) * (x @ x), "the weights w are missing: c is w times x."),
            (p * (1 - p) * (each @ each) / 7, "variances add up; they are not averaged."),
            (p * (1 - p) * each**2, "those are the n variances. Add them up."),
            (p / (1 - p) * (each @ each), "that is for survivors scaled by 1 / (1 - p)."),
        ]
        given = w.copy(), x.copy()
        found = preactivation_variance(*given, p)
        for now, before in zip(given, (w, x), strict=True):
            expect.unchanged(now, before)
        expect.close(found, variance, rtol=1e-7, atol=1e-9,
                     hint="add the variances of the terms: Var[c m] = c² Var[m], with c = w_i x_i.",
                     suspects=wrong)
w, x = rng.normal(size=(2, 1000))
for n in (20, 24):  # before a list of 2**1000 masks fills the memory
    with expect.case(f"preactivation_variance(w, x, p=0.3) of {n} inputs, and its time"):
        began = expect.ask("processor_seconds")
        preactivation_variance(w[:n].copy(), x[:n].copy(), 0.3)
        lasted = expect.ask("processor_seconds") - began
        if lasted > 0.1:
            raise expect.Unmet("at most 0.1 s of processor time", f"{lasted:.2f} s",
                               "it takes long. Does it list the masks? 1000 inputs have 2**1000 "
                               "masks, and no list of them fits. Go term by term.")
with expect.case("preactivation_variance(w, x, p=0.3) of 1000 inputs"):
    expect.close(preactivation_variance(w, x, 0.3), float(0.21 * (w**2 @ x**2)),
                 hint="with 1000 inputs it is wrong. Is a 7 written where len(w) belongs?")

# %% mistakes="preactivation_variance"
{
    "square of the sum": ("np.sum((w * x) ** 2)", "np.sum(w * x) ** 2"),
    "goes with the square of c": ("(w * x) ** 2", "w * x"),
    "standard deviation": ("p * (1 - p) * np.sum((w * x) ** 2)",
                           "(p * (1 - p) * np.sum((w * x) ** 2)) ** 0.5"),
    "is the mean of m²": ("p * (1 - p)", "(1 - p)"),
    "a coin's variance": ("p * (1 - p)", "(1 - p) ** 2"),
    "not p.": ("p * (1 - p)", "p"),
    "inputs x are missing": ("(w * x) ** 2", "w**2"),
    "weights w are missing": ("(w * x) ** 2", "x**2"),
    "1000 inputs have 2**1000 masks": ("p * (1 - p) * np.sum((w * x) ** 2)", "float(sum("
        "(masks * x @ w - (1 - p) * (w @ x)) ** 2 @ np.where(masks, 1 - p, p).prod(1) for masks in "
        "[np.arange(2 ** len(w))[:, None] >> np.arange(len(w)) & 1]))"),
    "not averaged": ("np.sum", "np.mean"),
    "the n variances": ("np.sum((w * x) ** 2)", "(w * x) ** 2"),
    "writes into its input": ("(w * x) ** 2", "np.multiply(w, x, out=w) ** 2"),
    "that is for survivors scaled by": ("p * (1 - p)", "p / (1 - p)"),
    "add the variances of the terms": ("p * (1 - p) * np.sum((w * x) ** 2)",
        "np.var(dropout_train(np.tile(x, (999, 1)), p, np.random.default_rng()) @ w)"),
}

# %% correct="preactivation_variance"
def preactivation_variance(w, x, p):
    keep, a = 1 - p, w * x
    squares = a @ a
    mean_square = keep * squares + keep**2 * (a.sum() ** 2 - squares)
    return mean_square - (keep * a.sum()) ** 2

# %% [markdown]
# Was your first formula $p(1-p)\,(w\cdot x)^2$? It would be right if all inputs were dropped
# together. Each is dropped on its own, so a positive and a negative term cancel in the sum, but
# not in the variance.
#
# Now look at the whole distribution. Your `dropout_train` draws $z$ at $p = 0.5$; the dark curve is
# the normal distribution with *your* mean and variance. Two panels show random units; the third
# shows the correct digit's output unit in one of the trained networks (trained at $p = 0.75$), with
# its 128 hidden units as inputs.
# Each title gives the largest gap between the cumulative distribution function of $z$ and the
# normal one (the Kolmogorov–Smirnov distance): 0 means exactly normal, and it cannot exceed 1. (For
# scale: one fair coin, with its two values, is 0.34 away.)
#
# **Commit yourself first: how large is that gap with 12 inputs?**

# %% guess=true
my_guess = 0.3  # the largest gap to the normal distribution function, with 12 inputs

# %% figure=true
# The distribution of z over masks beside your normal curve, for 3, 12 and 128 inputs.
guess = expect.guess(my_guess)
rng, p = np.random.default_rng(), 0.5


def sample(w, x, p, rng, masks=4000):
    return dropout_train(np.tile(x, (masks, 1)), p, rng) @ w


def distance_to_normal(z, w, x, p):
    z = np.sort(z)
    curve = NormalDist(preactivation_mean(w, x, p), preactivation_variance(w, x, p) ** 0.5)
    normal = np.array([curve.cdf(at) for at in z])
    steps = np.searchsorted(z, z, side="right") / len(z), np.searchsorted(z, z) / len(z)
    return max(np.abs(normal - step).max() for step in steps)


fig, axes = plot.figure(3, height=2.8)
distances = {}
for ax, n in zip(axes, (3, 12, 128), strict=True):
    far, on = [], []
    for _ in range(20):
        if n < 128:
            w, x = rng.uniform(-1, 1, n), rng.uniform(0.5, 1.5, n)
        else:
            net, k = nets[rng.integers(5)], rng.integers(len(X_test))
            w, x = net["W2"][y_test[k]], hidden(net, X_test[k])
        z = sample(w, x, p, rng)
        far.append(distance_to_normal(z, w, x, p))
        on.append(np.count_nonzero(x))
    distances[n] = np.mean(far)
    mean, spread = preactivation_mean(w, x, p), preactivation_variance(w, x, p) ** 0.5
    grid = mean + spread * np.linspace(-3.5, 3.5, 101)
    ax.stairs(*np.histogram(z, 40, density=True), fill=True, color=plot.SKY)
    ax.plot(grid, [NormalDist(mean, spread).pdf(at) for at in grid], color=plot.INK)
    ax.set(xlabel="pre-activation z", yticks=[])
    named = f"{n} inputs" if n < 128 else f"trained, {np.mean(on):.0f} of 128 inputs ≠ 0"
    said = f" (you: {guess})" if n == 12 else ""
    ax.set_title(f"{named}:\noff by {np.mean(far):.3f} ± {np.std(far, ddof=1):.3f}{said}")
axes[0].set_ylabel("density over masks")
plot.show(fig, "Histograms of z over masks for 3, 12 and 128 inputs, each with your normal curve.",
          claims={"many-alike-are-normal": distances[12] < min(0.1, distances[3] / 2)})

# %% [markdown]
# (Mean ± standard deviation over 20 units. Only 4 000 masks were drawn, so even a normal $z$ would
# show a gap of about 0.014: $0.87/\sqrt{4000}$, from the mean of Kolmogorov's distribution.) Three
# inputs give eight values (two may share a bar) with gaps between them; more inputs make a bell.
# That is the central limit theorem: many independent terms, none much larger than the rest.
# {{regulariser}} uses this normal curve to train without drawing a mask.
#
# So the next layer saw a mean *and* a variance in training, and one factor cannot give back both.
# What this does to a layer that normalises by the variance it saw in training is a question for
# {{schedules_and_norms}}.
#
# ## Behind a ReLU
#
# So far the next unit was linear. Most units are not: they send $\operatorname{relu}(z)$. The
# scaled unit sends $\operatorname{relu}(\mathbb E[z])$, and the thinned ones send
# $\mathbb E[\operatorname{relu}(z)]$ on average. Are the two still equal?
#
# The next figure measures by how many percent the scaled unit sends less than that average, the
# *share missed*, at $p=0.5$ and against its number of inputs. There are three kinds of units: some
# with mostly positive weights, whose inputs pull $z$ mostly one way; some with as many negative
# weights as positive, whose inputs pull both ways; and the 128 hidden units of networks that
# learned the digits with half of the *pixels* dropped. **Commit yourself: with 256 inputs that
# pull both ways, what share is missed?**

# %% guess=true
my_guess = 0  # percent

# %% figure=true
# What a scaled unit misses behind a ReLU, against the number of its inputs.
guess = expect.guess(my_guess)
p, rng = 0.5, np.random.default_rng()


def missed(thinned, scaled):
    return 100 * (1 - np.maximum(scaled, 0).mean() / np.maximum(thinned, 0).mean())


counts = 2 ** np.arange(1, 9)
kinds = {"inputs pull both ways": (0, plot.ORANGE), "mostly one way": (1, plot.BLUE)}
fig, (ax,) = plot.figure(1, height=3.2, width=7)
for kind, (push, color) in kinds.items():
    share = np.empty((10, len(counts)))
    for run in range(10):
        for j, n in enumerate(counts):
            w = rng.normal(push, 1, (100, n)) / np.sqrt(n)  # 100 units
            x = np.abs(rng.normal(size=(100, n)))
            z = [(w * dropout_train(x, p, rng)).sum(1) for _ in range(100)]
            scaled = [preactivation_mean(w[i], x[i], p) for i in range(100)]
            share[run, j] = missed(np.array(z), np.array(scaled))
    ax.errorbar(counts, share.mean(0), share.std(0, ddof=1), fmt="o-", color=color, capsize=2)
    ax.annotate(f"  {kind}", (256, share[:, -1].mean()), color=color, va="center")
    if push == 0:
        both_ways = share

share = []
for seed in range(5):  # thirty thinned copies of each digit: each step sees a new mask
    copies = dropout_train(np.tile(X, (30, 1)), p, rng)
    net = train.two_layer(copies, np.tile(y, 30), lambda h, rng: h, seed, epochs=1)
    z = [dropout_train(X_test, p, rng) @ net["W1"].T + net["b1"] for _ in range(50)]
    share.append(missed(np.array(z), X_test @ scaled_weights(net["W1"], p).T + net["b1"]))
ax.errorbar(64, np.mean(share), np.std(share, ddof=1), fmt="D", color=plot.INK, capsize=3,
            markersize=8, markeredgecolor="white", zorder=3)
ax.annotate(f"networks trained on digits: {np.mean(share):.0f} %", (64, np.mean(share) + 1),
            (40, 40), ha="center", arrowprops={"arrowstyle": "-", "color": plot.INK})
ax.plot(256, guess, "x", color=plot.GREY, markersize=9, markeredgewidth=2, zorder=4)
ax.annotate("your guess", (256, guess), (0, 9), textcoords="offset points", ha="center",
            color=plot.GREY)
ax.set_xscale("log", base=2)
ax.set(xlabel="number of inputs n", ylabel="missed by the scaled unit, %", xticks=counts,
       xticklabels=counts, xlim=(1.7, 1500), ylim=(-4, max(45, guess + 8)))
few, many, learned = (f"{np.mean(runs):.1f} ± {plot.standard_error(runs):.1f} %"
                      for runs in (both_ways[:, 3], both_ways[:, -1], share))
told = (f"With 256 inputs that pull both ways, {many} is missed (with 16: {few});\n"
        f"in networks trained on digits, {learned}")
ax.set_title(told)
plot.show(fig, "Share missed behind a ReLU against the number of inputs, for three kinds of units. "
               + told.replace("\n", " ") + ".",
          claims={"behind-relu-some-is-missed": plot.difference(share).sign > 0,
                  "more-inputs-do-not-help": abs(1 - both_ways[:, -1].mean()
                                                 / both_ways[:, 3].mean()) < 0.25})

# %% [markdown]
# (Bars: standard deviation over ten runs, or five networks. After ± in the title: standard error.)
# Under a mask that makes $z$ negative, the thinned unit sends 0, not a negative number that could
# cancel a positive one. So the average of the thinned units is never below what the scaled unit
# sends: a ReLU is convex, and this is Jensen's inequality.
#
# What counts is how large the mean of $z$ is beside its standard deviation. Where the inputs pull
# one way, the mean outgrows it as $n$ grows. Then hardly any mask takes $z$ below zero, the ReLU
# acts as a straight line, and scaling comes ever closer to exact. Where they pull both ways, the
# mean and the standard deviation stay comparable at every $n$, and more inputs alone don't help.
#
# The paper calls weight scaling "a very simple approximate averaging method" that "works well in
# practice". For a linear unit it is exact, and you have just seen it fail one ReLU further on. How
# well it works for the probabilities of a whole network, and for which networks it *is* exact, is
# the subject of {{ensemble}}.
#
# ## Explore: all masks against one number
#
# On the left is the distribution of $z$ over 1000 of your masks, with your normal curve and the two
# candidates for use, scaled and unscaled; a ReLU turns the grey part into 0. On the right is what
# is left of each behind it.
#
# **Try**: drag $p$. How many inputs does it take before the histogram fills your curve? With no
# negative weights, how do *thinned, mean* and *scaled* on the right compare, and with half of them
# negative? (Click a slider, then use the arrow keys.)

# %%
explore.preactivation(dropout_train, preactivation_mean, preactivation_variance)

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="bias" points=1
# Hidden units were dropped with p = 0.2. When the network is used, the next layer's biases are:
#
# - [ ] multiplied by 0.8
# - [ ] multiplied by 0.2
# - [x] left as they are
#
# Hint: under which masks is a bias missing?

# %% question="relu" points=1
# Behind a ReLU a scaled unit sends … than the thinned ones do on average:
#
# - [x] never more
# - [ ] never less
# - [ ] sometimes more, sometimes less
#
# Hint: the share missed is positive in the figure. Which of the two sends more?

# %% question="normal_answer" points=1
# Three units have terms w x as listed below, at p = 0.5. Which pre-activation is farthest from
# normal over masks: that of 50 equal terms, of 500 equal terms, or of 500 terms of which one is
# a hundred times as large as the others?
#
# - [ ] 50 equal
# - [ ] 500 equal
# - [x] one heavy
#
# Hint: imagine the histogram: which one has a gap?

# %% [markdown]
# ## In your own words
#
# A colleague writes: "Weight scaling gives exactly the average of all thinned networks." Say in
# two to five sentences which part of this is exact, which is not, and how large a difference you
# measured. (In a class, your instructor grades this.)

# %% [markdown] answer="what_is_exact" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: exact is the mean of the pre-activation, that is of a linear unit
# (or of a network without nonlinearity behind the mask), for any weights and any n; the scatter
# is not kept. One point: behind a ReLU the scaled unit sends too little, with a number from the
# lesson (their figure's share for networks trained on digits, about 28 % at p = 0.5) or with the
# reason (masks with negative z send 0; convexity, Jensen).
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - When a network that was trained with dropout is used whole, the next layer receives about
#   $1/(1-p)$ times as much as in training.{{claim:whole-sends-more}} Multiplying the weights behind
#   the mask by $1-p$ corrects this.
# - Over masks $z$ has mean $(1-p)\,w\cdot x$ and variance $p(1-p)\sum_i (w_i x_i)^2$, and with a
#   dozen inputs, none far above the rest, it is nearly normal.{{claim:many-alike-are-normal}}
#   Scaling gives the mean, not the variance.
# - Behind a ReLU, scaling is not exact: the scaled unit never sends more than the thinned ones
#   do on average, and in networks trained on digits it sends clearly less.
#   {{claim:behind-relu-some-is-missed}} More inputs alone do not help.
#   {{claim:more-inputs-do-not-help}}
#
# **Read.** Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov,
# *Dropout: a simple way to prevent neural networks from overfitting*, JMLR 15 (2014): the
# introduction with Figure 2, and §4. Hinton et al., *Improving neural networks by preventing
# co-adaptation of feature detectors* (2012), call the scaled network the "mean network".
#
# **Stretch.** With many inputs that pull both ways, the share missed tends to
# $1 - \sqrt{1-p}$, which is 29 % at $p = 0.5$. Can you derive it? (Over units *and* masks $z$ is
# normal around 0; compare two standard deviations.) Then replace the ReLU by a sigmoid: where is
# the scaled unit too high, and where too low?
#
# **Still open.** Whoever uses the network must remember to scale, with the right $p$. Could
# training do it? That is {{inverted_dropout}}.
