# %% [markdown]
# # 1.2 · Weight scaling
#
# **Train thin, test whole: what has to be mended?**
#
# *45 minutes. Before: {{bernoulli_masks}}. After, you will be able to train with the dropout of
# the 2014 paper and test without it, to say which of a network's numbers must be scaled and which
# must not, and to tell where scaling is exact and where it only comes close.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$ | what $n$ units send to the next layer |
# | $p$ | probability that a unit is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0, independently |
# | $w$, $W$ | weights of one unit of the next layer, of all its units (one a row) |
# | $z = w \cdot (m \odot x)$ | pre-activation: what that unit adds up under the mask |
# | $\odot$ | entry by entry |

# %% setup=true
import numpy as np
from scipy.stats import norm

from dropoutlab import check_probability, data, expect, explore, plot, train

# %% [markdown]
# ## Where we stand
#
# In {{bernoulli_masks}} you drew masks. Every step of training uses another one, so every step
# trains another *thinned network*. After training nobody wants a network that answers by chance,
# so all units are used: the network is tested *whole*. But the next layer has never seen it whole.
#
# Below, five networks learn handwritten digits while three of four hidden units are dropped
# ($p = 0.75$). Then look at what the output unit of the right digit receives from the hidden
# layer: from the thinned networks that it was trained on, and from the whole one.
# **Commit yourself first: how many times as much does the whole network send?**

# %% guess=true
my_guess = 1.5  # times as much

# %% figure=true
# What the output layer receives from thinned networks and from whole ones.
guess = expect.guess(my_guess)

def thin(h, rng, p=0.75):
    return h * rng.binomial(1, 1 - p, h.shape)


def hidden(net, X):
    return np.maximum(X @ net["W1"].T + net["b1"], 0)


X, y, X_test, y_test = data.digits()
X, X_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
nets = [train.two_layer(X, y, thin, seed) for seed in range(5)]

fig, (ax,) = plot.figure(1, height=2.7)
rng, means, bins = np.random.default_rng(), [], np.arange(-10, 80, 2)
for net in nets:
    h, w = hidden(net, X_test), net["W2"][y_test]  # the weights of the right digit's unit
    thinned, whole = (thin(h, rng) * w).sum(1), (h * w).sum(1)
    means.append((thinned.mean(), whole.mean()))
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
told = f"{ratio.mean():.2f} ± {plot.standard_error(ratio):.2f}"
ax.set_title(f"The whole network sends {told} times what the output layer is used to")
plot.show(fig, "Histograms, for five networks, of what thinned and whole ones send. "
               f"Whole ones send {told} times as much.")

# %% [markdown]
# Four times: one of four units was there in training, and all four are there now. (Five
# networks lie over one another; a stroke at the bottom is a network's mean.) The two heaps
# hardly overlap: the next layer is asked about sums that it has almost never seen.
#
# ### One question from {{bernoulli_masks}}
#
# The paper's remedy: "If a unit is retained with probability $p$ during training, the outgoing
# weights of that unit are multiplied by $p$ at test time." In this course's notation, by what
# are they multiplied? (Think of your answer, then unfold.)
#
# <details><summary>Answer</summary>
#
# By $1-p$. The paper's $p$ keeps, ours drops. Above, three of four units were dropped: the
# weights must become a quarter of what they were, not three quarters.
# </details>
#
# We write this in three steps: drop in training, scale the units at test time, then scale the
# weights instead.
#
# ## Exercise: `dropout_train`
#
# If you have used a framework, you expect it to *scale* the survivors in training. That is
# {{inverted_dropout}}. In the 2014 paper training only drops: a survivor is passed on as it is.
#
# `rng` is the only source of randomness: the same seed gives the same mask, and two calls in a
# row give two masks. Each entry has a coin of its own, in a batch too.

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
    return x * (rng.random(x.shape) >= p)
    ### END SOLUTION

# %% [markdown] hint="dropout_train"
# One number for each entry of `x`: 1 with probability $1-p$, else 0. Then multiply.

# %% [markdown] hint="dropout_train"
# float32 times whole numbers can become float64; float32 times True and False stays float32.
# A comparison gives True and False.

# %% [markdown] hint="dropout_train"
# `rng.random(x.shape)` has the shape that is needed. Which side of `p` survives?

# %% [markdown]
# Look at your own output before you check it: 30 units that all send 1, under 12 masks. A unit
# of the next layer with all its weights 1 adds up each row.

# %%
out = dropout_train(np.ones((12, 30)), 0.5, np.random.default_rng())
fig, (left, right) = plot.figure(2, height=2.9)
plot.mask(out, left)
left.set(xlabel="unit", ylabel="mask", aspect="auto", title="Twelve rows of your output")
right.barh(range(12), np.sum(out, axis=1), color=plot.BLUE)
right.axvline(30, color=plot.ORANGE)
right.annotate("whole ", (30, 0), ha="right", va="center", color=plot.ORANGE)
right.set(xlabel="sum of the row", yticks=[], xlim=(0, 32), ylim=(11.5, -0.5))
right.set_title(f"Sum of each row: the mean is {np.mean(np.sum(out, axis=1)):.1f}")
plot.show(fig, "Your masks of thirty units at p = 0.5, and the sum of what survives in each.")

# %% check="dropout_train" points=1
# Some entries are dropped; the others are passed on as they are, in a new array like x.
for shape, dtype in (((40, 3, 50), np.float64), ((3000,), np.float32)):
    x = expect.rng().normal(size=shape[::-1]).astype(dtype).T
    before = x.copy()
    with expect.case(f"dropout_train(x, p=0.4, rng) on normal numbers {shape}, {x.dtype}"):
        out = dropout_train(x, 0.4, expect.rng())
        expect.unchanged(x, before)
        expect.array(out, shape, dtype, hint="return an array like x. (A boolean mask keeps the "
                     "dtype of what it multiplies.)")
        expect.varies((out == 0).ravel(), chance=0.6**3000, what="some dropped, some kept",
                      hint="all entries are kept, or all are dropped.")
        expect.only(
            out / before,
            (0, 1),
            rtol=1e-5,
            hint="an entry is neither 0 nor x as it was. Multiply x by a mask of zeros and ones.",
            suspects=[
                (1 / 0.6, "the survivors are divided by 1 - p. That is inverted dropout."),
                (0.6, "the survivors are multiplied by 1 - p. Scale in the test, not here."),
                (1 / 0.4, "the survivors are divided by p. Leave them as they are."),
            ],
        )

# %% check="dropout_train" points=2
# Every entry has a coin of its own, fresh at each call, and from rng alone.
with expect.case("dropout_train(x, p, rng) on 20 × 60 ones, 24 times for each of four p"):
    expect.coins(lambda p, rng: dropout_train(np.ones((20, 60)), p, rng))
with expect.case("dropout_train(x, p, rng) on 4 × 6 × 50 ones, 24 times for each of four p"):
    expect.coins(lambda p, rng: dropout_train(np.ones((4, 6, 50)), p, rng))

# %% mistakes="dropout_train"
{
    "That is inverted dropout": (">= p)", ">= p) / (1 - p)"),
    "Scale in the test": (">= p)", ">= p) * (1 - p)"),
    "divided by p. Leave": (">= p)", ">= p) / p"),
    "neither 0 nor x as it was": ("x * (rng", "1.0 * (rng"),
    "p is swapped": (">= p", "< p"),
    "all entries are kept, or all": (">= p", "> -p"),
    "every row has the same mask": ("rng.random(x.shape)", "rng.random(x.shape[-1:])"),
    "every column has the same mask":
        ("rng.random(x.shape)", "rng.random((len(x), *[1] * (x.ndim - 1)))"),
    "an exact number is dropped for each call and row":
        ("rng.random(x.shape) >= p",
         "rng.permuted(0 * x + np.arange(x.shape[-1]) / x.shape[-1], axis=-1) >= p"),
    "a seed is set inside": ("rng.random(x.shape)", "np.random.default_rng(0).random(x.shape)"),
    "do not come from the given generator": ("rng.random(x.shape)", "np.random.rand(*x.shape)"),
    "writes into its input": ("return x * (rng.random(x.shape) >= p)",
                              "x *= rng.random(x.shape) >= p\n    return x"),
    "keeps the dtype": ("(rng.random(x.shape) >= p)", "np.float64(rng.random(x.shape) >= p)"),
}

# %% correct="dropout_train"
def dropout_train(x, p, rng):
    y = x.copy()
    y[rng.choice([True, False], size=x.shape, p=[p, 1 - p])] = 0
    return y

# %% [markdown]
# ## Exercise: `dropout_test`
#
# "At test time too a network with dropout answers by chance." Not this one: nothing is drawn,
# every unit is there, and each sends what it sent *on average over masks*. What is the mean
# of $m_i x_i$?

# %% exercise="dropout_test"
def dropout_test(x, p):
    """What `dropout_train` sends on average over masks: E[m * x], with nothing drawn.

    x : float array of any shape, left as it is
    p : probability of dropping in training
    Returns a new array of x's shape and dtype.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return (1 - p) * x
    ### END SOLUTION

# %% [markdown] hint="dropout_test"
# Two outcomes: a unit sends 0 or $x_i$. Weigh each with its probability.

# %% [markdown] hint="dropout_test"
# At $p = 0.75$ a unit is there once in four times. On average it sends … of $x_i$.

# %% [markdown] hint="dropout_test"
# One line. There is no `rng` because none is needed.

# %% [markdown]
# Your two functions against each other: the dots are the mean of 400 of your thinned outputs,
# the blue bars what you send at test time.

# %%
sent = np.random.default_rng().gamma(2, size=24)
draws = dropout_train(np.tile(sent, (400, 1)), 0.75, np.random.default_rng())
fig, (ax,) = plot.figure(1, height=2.5)
ax.bar(range(24), sent, color=plot.PALE, label="x, all units there")
ax.bar(range(24), dropout_test(sent, 0.75), color=plot.BLUE, label="dropout_test(x, 0.75)")
ax.errorbar(range(24), draws.mean(0), draws.std(0, ddof=1) / 20, fmt="o", color=plot.INK,
            markersize=4, label="mean of dropout_train ± standard error")
ax.set(xlabel="unit", ylabel="sent", ylim=(0, 1.35 * sent.max()))
off = plot.difference(draws.mean(0), dropout_test(sent, 0.75))
ax.set_title(f"Mean of your training outputs minus your test output: {off:.2f}")
ax.legend(ncols=3, loc="upper left", fontsize=9)
plot.show(fig, "Bars of your test-time output, and the mean of your outputs in training as dots. "
               f"They differ by {off:.2f} over 24 units.")

# %% check="dropout_test" points=1
# Nothing is drawn, and nothing is written into x.
x = expect.rng().normal(size=(5, 100))
before = x.copy()
with expect.case("dropout_test(x, p=0.25), twice"):
    first = dropout_test(x, 0.25)
    expect.array(first, (5, 100), hint="return an array of x's shape.")
    expect.unchanged(x, before)
    expect.equal(dropout_test(x, 0.25), first,
                 hint="two calls differ: something is drawn. Give the mean itself instead.")

# %% check="dropout_test" points=1
# Each unit sends its mean over masks.
x = expect.rng().normal(size=6)
for p in (0.25, 0.9, 0.0, 1.0):
    with expect.case(f"dropout_test(x, p={p})"):
        wrong = [] if p in (0, 1) else [
            (x, "nothing is scaled, and the next layer gets too much. Multiply by 1 - p."),
            (p * x, "x is multiplied by p: that is the mean of what is lost, not of what is sent."),
            (x / (1 - p), "x is divided by 1 - p, and grows. The whole layer must send less."),
            (np.sqrt(1 - p) * x, "the root of 1 - p would keep the mean square, not the mean."),
        ]
        expect.close(dropout_test(x.copy(), p), x - p * x, suspects=wrong,
                     hint="average 0 and x by their probabilities.")
with expect.case("dropout_test(x, p=0.5) on float32"):
    expect.array(dropout_test(np.ones((2, 4), np.float32), 0.5), (2, 4), np.float32,
                 hint="the result has another dtype than x.")

# %% mistakes="dropout_test"
{
    "nothing is scaled": ("(1 - p) * x", "x.copy()"),
    "the mean of what is lost": ("(1 - p) * x", "p * x"),
    "The whole layer must send less": ("(1 - p) * x", "x / (1 - p)"),
    "would keep the mean square": ("(1 - p) * x", "np.sqrt(1 - p) * x"),
    "something is drawn": ("(1 - p) * x", "dropout_train(x, p, np.random.default_rng())"),
    "writes into its input": ("return (1 - p) * x", "x *= 1 - p\n    return x"),
    "another dtype": ("(1 - p) * x", "np.full(x.shape, 1 - p) * x"),
}

# %% correct="dropout_test"
def dropout_test(x, p):
    return x - p * x

# %% [markdown]
# ## Exercise: `scaled_weights`
#
# Scaling the units costs a multiplication at every use. The paper does it once, in the weights
# that lead out of them.

# %% exercise="scaled_weights"
def scaled_weights(W, p):
    """The weights for testing: `scaled_weights(W, p) @ x` is `W @ dropout_test(x, p)`.

    W : (outputs, inputs), its inputs dropped in training, left as it is
    p : probability of dropping in training
    Returns a new array of W's shape and dtype.
    Source: Srivastava et al. 2014, section 4, where p keeps: W_test = p W.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return (1 - p) * W
    ### END SOLUTION

# %% [markdown] hint="scaled_weights"
# A matrix product is linear: where in $W\,(c\,x)$ may the number $c$ stand?

# %% [markdown] hint="scaled_weights"
# Write $W\,x$ with your own $c$ for $p = 0.75$. Does the result shrink or grow?

# %% [markdown] hint="scaled_weights"
# The function has the body of the last one, with another letter.

# %% check="scaled_weights" points=1
# Scaled weights on x agree with W on scaled x, and W is left alone.
rng = expect.rng()
W, x = rng.normal(size=(3, 8)), rng.normal(size=8)
before = W.copy()
for p in (0.2, 0.75, 0.0, 1.0):
    with expect.case(f"scaled_weights(W, p={p}) @ x"):
        V = scaled_weights(W, p)
        expect.unchanged(W, before)
        expect.array(V, (3, 8), hint="return a matrix of W's shape.")
        wrong = [] if p in (0, 1) else [
            (W @ x, "the weights are as they were. Shrink them."),
            (W @ x / (1 - p), "the weights grow. Multiply by 1 - p; do not divide."),
            (W @ x * p, "the weights are multiplied by p. Multiply by 1 - p."),
        ]
        expect.close(V @ x, W @ (x - p * x), rtol=1e-7, atol=1e-9, suspects=wrong,
                     hint="scale W as dropout_test scales x, every weight alike.")
with expect.case("scaled_weights(W, p=0.5) on float32"):
    expect.array(scaled_weights(np.ones((2, 4), np.float32), 0.5), (2, 4), np.float32,
                 hint="the result has another dtype than W.")

# %% mistakes="scaled_weights"
{
    "as they were": ("(1 - p) * W", "W.copy()"),
    "the weights grow": ("(1 - p) * W", "W / (1 - p)"),
    "multiplied by p": ("(1 - p) * W", "p * W"),
    "every weight alike": ("(1 - p) * W", "dropout_train(W, p, np.random.default_rng())"),
    "writes into its input": ("return (1 - p) * W", "W *= 1 - p\n    return W"),
    "another dtype": ("(1 - p) * W", "np.full(W.shape, 1 - p) * W"),
}

# %% correct="scaled_weights"
def scaled_weights(W, p):
    return W @ np.diag(np.full(W.shape[1], 1 - p, W.dtype))

# %% [markdown]
# ## Exercise: `scaled_network`
#
# A network has more numbers than the one $W$. "Scale everything by $1-p$" is what people try.
# Ask of each array: does it multiply something that was dropped? Think of three traps: the
# weights that lead *into* a dropped unit, those that lead *out* of it, and the biases, which
# were added at every step, mask or no mask.

# %% exercise="scaled_network"
def scaled_network(W1, b1, W2, b2, p):
    """The arrays for testing of a network whose hidden units were dropped in training.

    In training: h = relu(W1 @ x + b1), output = W2 @ (m * h) + b2.
    To be used as: h = relu(W1 @ x + b1), the same h, and output = W2 @ h + b2, which is then
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
# One array changes. You have written the function that changes it.

# %% [markdown]
# On the digits, with your function and your masks: how far are the ten outputs at test time
# from their mean over masks (both averaged over the test digits), if this or that is scaled? Each
# bar is one choice, over the five networks from above.

# %% figure=true
# How far the test outputs are from their mean over masks, for four ways of scaling.
p = 0.75
choices = {"nothing": [], "all four arrays": [], "W2 and b2": [], "yours": []}
for net in nets:
    arrays = [net[name] for name in ("W1", "b1", "W2", "b2")]
    h = hidden(net, X_test)
    rng = np.random.default_rng()
    masked = np.mean([dropout_train(h, p, rng) @ arrays[2].T for _ in range(100)], axis=0)
    scaled = [(1 - p) * a for a in arrays]
    tried = (arrays, scaled, [*arrays[:2], *scaled[2:]], scaled_network(*arrays, p))
    for result, (W1, b1, W2, b2) in zip(choices.values(), tried, strict=True):
        at_test = np.maximum(X_test @ W1.T + b1, 0) @ W2.T + b2
        off = (at_test - masked - arrays[3]).mean(0)  # for each class, over the test digits
        result.append(np.abs(off).mean())

fig, (ax,) = plot.figure(1, height=2.2)
mean = [np.mean(r) for r in choices.values()]
error = [np.std(r, ddof=1) / np.sqrt(5) for r in choices.values()]
bars = ax.barh(list(choices), mean, xerr=error, ecolor=plot.INK, capsize=3,
               color=[plot.ORANGE, plot.PINK, plot.SKY, plot.BLUE])
ax.bar_label(bars, fmt="%.2f", padding=3)
ax.invert_yaxis()
ax.set_xlabel("distance of the outputs from their mean over masks (5 networks ± standard error)")
ax.set_xlim(0, 1.2 * max(mean) + max(error))
least = list(choices)[int(np.argmin(mean))]
ax.set_title(f"Closest to the mean over masks: {least}")
plot.show(fig, "Distance of test outputs from the mean over masks, for four ways of scaling; the "
               f"closest is {least!r}.")

# %% check="scaled_network" points=2
# Each output at test time is its mean over all 64 masks of 6 hidden units.
rng = expect.rng()
W1, x, b1 = rng.uniform(0.1, 1, (6, 4)), rng.uniform(0.5, 1.5, 4), rng.uniform(0.1, 1, 6)
W2, b2 = rng.normal(size=(3, 6)), rng.normal(size=3)
before = W2.copy()
masks = np.arange(64)[:, None] >> np.arange(6) & 1
for p in (0.25, 0.8):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    h, keep = W1 @ x + b1, 1 - p  # all positive here, so that the ReLU lets them pass
    h_less = keep * W1 @ x + b1
    with expect.case(f"scaled_network(W1, b1, W2, b2, p={p})", crash=[
        ("unpack", "return four arrays: W1, b1, W2, b2, as they are to be used for testing."),
    ]):
        V1, c1, V2, c2 = scaled_network(W1, b1, W2, b2, p)
        expect.unchanged(W2, before)
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
                (W2 @ h / keep + b2, "W2 grows. Multiply it by 1 - p."),
            ],
        )

# %% check="scaled_network" points=1
# The hidden units stay as they are, and so does the network that is given.
rng = expect.rng()
W1, b1, W2, b2 = (rng.normal(size=s) for s in ((5, 3), 5, (2, 5), 2))
before = [a.copy() for a in (W1, b1, W2, b2)]
with expect.case("scaled_network(W1, b1, W2, b2, p=0.3), and the arrays afterwards"):
    V1, c1, V2, c2 = scaled_network(W1, b1, W2, b2, 0.3)
    for now, then in zip((W1, b1, W2, b2), before, strict=True):
        expect.unchanged(now, then)
    for array, was in ((V1, W1), (c1, b1)):
        expect.close(array, was, hint="W1 and b1 come before the mask: leave them. A ReLU hides "
                                      "the difference here, a sigmoid would not.")

# %% mistakes="scaled_network"
{
    "nothing is scaled": ("scaled_weights(W2, p)", "W2"),
    "b2 is scaled too": (", b2", ", (1 - p) * b2"),
    "Scale what leads out": ("W1, b1, scaled_weights(W2, p)", "scaled_weights(W1, p), b1, W2"),
    "W1 is scaled as well": ("W1, b1,", "(1 - p) * W1, b1,"),
    "all four arrays": ("W1, b1, scaled_weights(W2, p), b2",
                        "tuple((1 - p) * a for a in (W1, b1, W2, b2))"),
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
# ## One unit of the next layer, under every mask
#
# "Scaled by $1-p$ the whole network does what the thinned ones did." In what sense? Look at one
# unit of the next layer and at *all* masks. With three inputs there are eight, and the mean of
# $z$ can be added up by hand: each mask's $z$, times its probability.

# %%
w, x, p = np.array([1.5, -1.0, 0.5]), np.array([1.0, 1.0, 3.0]), 0.25
masks = np.arange(8)[:, None] >> np.arange(3) & 1  # the eight numbers from 0 to 7, in bits
chance = np.where(masks == 1, 1 - p, p).prod(1)
z = masks * x @ w

fig, (left, right) = plot.figure(2, height=2.8)
plot.mask(masks, left)
left.set(xlabel="input", title="Eight masks …", aspect="auto")
left.set_yticks(np.arange(8) + 0.5, [f"probability {c:.3f}" for c in chance])
left.tick_params(length=0)
right.barh(range(8), z, color=plot.BLUE)
right.axvline(chance @ z, color=plot.INK, linestyle="--")
right.set(xlabel="pre-activation z", yticks=[], ylim=(7.5, -0.5))
right.set_title(f"… and their mean, {chance @ z:.3f} (w · x is {w @ x:.1f})")
plot.show(fig, "The pre-activation under each of eight masks, and its mean over them.")

# %% [markdown]
# A unit with 1000 inputs has more masks than there are atoms in the universe. So you need a
# formula, and the checks compare it with the sum over all masks where they are few.
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
# In the figure above $w \cdot x$ is 2 and $p$ is 0.25. What takes 2 to 1.5?

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
            (p * (w @ x), "w · x is multiplied by p, which drops. What is the mean of a mask?"),
            ((1 - p) * w * x, "those are the n terms. Add them up."),
            ((1 - p) * np.mean(w * x), "a unit adds its inputs up; it does not average them."),
            (w @ x / (1 - p), "w · x is divided by 1 - p. The thinned unit gets less, not more."),
        ]
        found = preactivation_mean(w.copy(), x.copy(), p)
        expect.close(found, chance @ (masks * x @ w), rtol=1e-7, atol=1e-9, suspects=wrong,
                     hint="average w · (m * x) exactly, over all masks. The result is one number.")

# %% mistakes="preactivation_mean"
{
    "without any mask": ("(1 - p) * np", "np"),
    "mean of a mask": ("(1 - p)", "p"),
    "Add them up": ("np.dot(w, x)", "w * x"),
    "does not average them": ("np.dot(w, x)", "np.mean(w * x)"),
    "gets less, not more": ("(1 - p) * np.dot(w, x)", "np.dot(w, x) / (1 - p)"),
    "exactly, over all masks": ("(1 - p) * np.dot(w, x)",
        "np.dot(w, dropout_train(np.tile(x, (999, 1)), p, np.random.default_rng()).mean(0))"),
}

# %% correct="preactivation_mean"
def preactivation_mean(w, x, p):
    return sum(a * b - p * a * b for a, b in zip(w, x, strict=True))

# %% [markdown]
# So a linear unit gets the *mean* over all masks right, to the last digit, for any weights and
# any number of inputs. It gets nothing else. In training $z$ scattered around that mean; at
# test time it stands still. By how much did it scatter?
#
# ## Exercise: `preactivation_variance`
#
# The tempting answer is $p(1-p)\,(w\cdot x)^2$. It would be right if all inputs fell together.
# They fall one by one, so those that pull up and those that pull down do not cancel in the
# scatter as they do in the sum.

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
# Try it on a unit with $w_i x_i = 1$ everywhere: $z$ is then the number kept, and
# {{bernoulli_masks}} knows its standard deviation.

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
             "that is the square of the sum: all inputs would fall together. Square each first."),
            (p * (1 - p) * each.sum(), "the variance of c m goes with the square of c."),
            (np.sqrt(variance), "that is the standard deviation: square it."),
            ((1 - p) * (each @ each), "(1 - p) is the mean of m². Subtract its mean, squared."),
            ((1 - p) ** 2 * (each @ each), "a coin's variance is p (1 - p), not (1 - p)²."),
            (p * (1 - p) * (w @ w), "the inputs x are missing: c is w times x."),
            (p * (1 - p) * (x @ x), "the weights w are missing: c is w times x."),
            (p * (1 - p) * (each @ each) / 7, "variances add up; they are not averaged."),
            (p * (1 - p) * each**2, "those are the n variances. Add them up."),
            (p / (1 - p) * (each @ each), "that is for survivors scaled by 1 / (1 - p)."),
        ]
        expect.close(preactivation_variance(w, x, p), variance, rtol=1e-7, atol=1e-9,
                     hint="average (z - mean)² exactly, over all masks. The result is one number.",
                     suspects=wrong)

# %% mistakes="preactivation_variance"
{
    "square of the sum": ("np.sum((w * x) ** 2)", "np.sum(w * x) ** 2"),
    "goes with the square of c": ("(w * x) ** 2", "w * x"),
    "standard deviation": ("p * (1 - p) * np.sum((w * x) ** 2)",
                           "(p * (1 - p) * np.sum((w * x) ** 2)) ** 0.5"),
    "is the mean of m²": ("p * (1 - p)", "(1 - p)"),
    "a coin's variance": ("p * (1 - p)", "(1 - p) ** 2"),
    "inputs x are missing": ("(w * x) ** 2", "w**2"),
    "weights w are missing": ("(w * x) ** 2", "x**2"),
    "not averaged": ("np.sum", "np.mean"),
    "the n variances": ("np.sum((w * x) ** 2)", "(w * x) ** 2"),
    "that is for survivors scaled by": ("p * (1 - p)", "p / (1 - p)"),
    "exactly, over all masks": ("p * (1 - p) * np.sum((w * x) ** 2)",
        "np.var(dropout_train(np.tile(x, (999, 1)), p, np.random.default_rng()) @ w)"),
}

# %% correct="preactivation_variance"
def preactivation_variance(w, x, p):
    keep, a = 1 - p, w * x
    squares = a @ a
    mean_square = keep * squares + keep**2 * (a.sum() ** 2 - squares)
    return mean_square - (keep * a.sum()) ** 2

# %% [markdown]
# Now see the whole distribution. Your `dropout_train` draws $z$; the dark curve is a normal
# distribution with *your* mean and variance. Two random units, and one from a trained network:
# the right digit's output unit, with 128 hidden units as inputs. Each title gives the largest gap
# between z's distribution function and the normal one (mean ± standard deviation over 20 units).
# About 0.01 of it comes from drawing only 4 000 masks.
#
# **Commit yourself first: how large is that gap with 12 inputs?** (0 is normal, 1 as far as can
# be.)

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
    normal = norm.cdf(z, preactivation_mean(w, x, p), preactivation_variance(w, x, p) ** 0.5)
    steps = np.searchsorted(z, z, side="right") / len(z), np.searchsorted(z, z) / len(z)
    return max(np.abs(normal - step).max() for step in steps)


fig, axes = plot.figure(3, height=2.8)
for ax, n in zip(axes, (3, 12, 128), strict=True):
    far = []
    for _ in range(20):
        if n < 128:
            w, x = rng.uniform(-1, 1, n), rng.uniform(0.5, 1.5, n)
        else:
            net, k = nets[rng.integers(5)], rng.integers(len(X_test))
            w, x = net["W2"][y_test[k]], hidden(net, X_test[k])
        z = sample(w, x, p, rng)
        far.append(distance_to_normal(z, w, x, p))
    mean, spread = preactivation_mean(w, x, p), preactivation_variance(w, x, p) ** 0.5
    grid = mean + spread * np.linspace(-3.5, 3.5, 101)
    ax.stairs(*np.histogram(z, 40, density=True), fill=True, color=plot.SKY)
    ax.plot(grid, norm.pdf(grid, mean, spread), color=plot.INK)
    ax.set(xlabel="pre-activation z", yticks=[])
    named = f"{n} inputs" if n < 128 else "128 inputs, trained"
    said = f" (you: {guess})" if n == 12 else ""
    ax.set_title(f"{named}:\noff by {np.mean(far):.2f} ± {np.std(far, ddof=1):.2f}{said}")
axes[0].set_ylabel("density over masks")
plot.show(fig, "Histograms of z over masks for 3, 12 and 128 inputs, each with your normal curve.")

# %% [markdown]
# Three inputs give eight values, with gaps between them. A dozen come close to a bell, and the
# trained unit closer still. That is the central limit theorem: many independent terms, none much
# larger than the rest. (Where one is, two lumps stay, however many inputs there are.)
# {{regulariser}} will use the bell to train without drawing a mask.
#
# So in training the output layer saw a mean *and* a scatter. Scaling gives the mean back.
# **Predict**: is the signal then as large as it was in training? (Size is the root of the mean
# square, over the ten outputs and 150 test digits.)

# %% guess=true
my_guess = 100  # percent of the size in training that is left once the mean is right

# %% figure=true
# The size of what the output layer receives: thinned, whole, and whole but scaled.
guess = expect.guess(my_guess)
p = 0.75
size = {"thinned, measured": [], "thinned, your formulas": [], "whole": [], "whole, scaled": []}
for net in nets:
    h, W = hidden(net, X_test[:150]), net["W2"]
    rng = np.random.default_rng()
    draws = np.array([dropout_train(h, p, rng) @ W.T for _ in range(100)])
    moments = [preactivation_mean(w, x, p) ** 2 + preactivation_variance(w, x, p)
               for w in W for x in h]
    squares = draws**2, moments, (h @ W.T) ** 2, (h @ scaled_weights(W, p).T) ** 2
    for result, square in zip(size.values(), squares, strict=True):
        result.append(np.sqrt(np.mean(square)))

fig, (ax,) = plot.figure(1, height=2.2)
mean = [np.mean(r) for r in size.values()]
error = [np.std(r, ddof=1) / np.sqrt(5) for r in size.values()]
bars = ax.barh(list(size), mean, xerr=error, ecolor=plot.INK, capsize=3,
               color=[plot.GREY, plot.GREY, plot.ORANGE, plot.BLUE])
ax.bar_label(bars, fmt="%.2f", padding=3)
ax.invert_yaxis()
ax.set_xlabel("size of w · h, root mean square (5 networks ± standard error)")
ax.set_xlim(0, 1.2 * max(mean))
left = 100 * np.array(size["whole, scaled"]) / np.array(size["thinned, measured"])
told = f"{left.mean():.0f} ± {plot.standard_error(left):.0f} %"
ax.set_title(f"Scaled, {told} of the size in training is left (you said {guess} %)")
plot.show(fig, "Root mean square of what the output layer receives, thinned, whole and scaled: "
               f"{told} is left.")

# %% [markdown]
# Not quite: about a seventh is missing at $p = 0.75$. The size in training is
# $\sqrt{\text{mean}^2 + \text{variance}}$, and the scatter is gone. One factor cannot give
# both back. What that does to a layer that normalises by the variance it saw in training is a
# question for {{noise}}.
#
# ## Behind a ReLU
#
# Up to here the next unit was linear. Real units bend: $\operatorname{relu}(z)$. "Weight scaling
# averages all thinned networks exactly" is what one hears. The scaled unit sends
# $\operatorname{relu}(\mathbb E[z])$; the average of the thinned ones is
# $\mathbb E[\operatorname{relu}(z)]$. These are not the same: under a mask that makes $z$
# negative the thinned unit sends 0, not a negative number that could cancel.
#
# How much does the scaled unit miss, at $p=0.5$, depending on the number of its inputs? Three kinds
# of units: some whose inputs pull mostly one way, some whose inputs pull both ways, and the 128
# hidden units of networks trained on the digits with half of the *pixels* dropped.
# **Commit yourself**: with 256 inputs that pull both ways, what share is missed?

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
fig, (ax,) = plot.figure(1, height=3.1, width=7)
for kind, (push, color) in kinds.items():
    share = np.empty((5, len(counts)))
    for run in range(5):
        for j, n in enumerate(counts):
            w = rng.normal(push, 1, (100, n)) / np.sqrt(n)  # 100 units
            x = np.abs(rng.normal(size=(100, n)))
            z = [(w * dropout_train(x, p, rng)).sum(1) for _ in range(100)]
            scaled = [preactivation_mean(w[i], x[i], p) for i in range(100)]
            share[run, j] = missed(np.array(z), np.array(scaled))
    ax.errorbar(counts, share.mean(0), share.std(0, ddof=1), fmt="o-", color=color, capsize=2)
    ax.annotate(f"  {kind}", (256, share[:, -1].mean()), color=color, va="center")
    if push == 0:
        both_ways = share[:, -1]

share = []
for seed in range(5):  # thirty thinned copies of each digit: each step sees a new mask
    copies = dropout_train(np.tile(X, (30, 1)), p, rng)
    net = train.two_layer(copies, np.tile(y, 30), lambda h, rng: h, seed, epochs=1)
    z = [dropout_train(X_test, p, rng) @ net["W1"].T + net["b1"] for _ in range(50)]
    share.append(missed(np.array(z), X_test @ scaled_weights(net["W1"], p).T + net["b1"]))
ax.errorbar(64, np.mean(share), np.std(share, ddof=1), fmt="D", color=plot.INK, capsize=3,
            markersize=8, markeredgecolor="white", zorder=3)
ax.annotate(f"trained on digits: {np.mean(share):.0f} %", (64, np.mean(share) + 1), (40, 40),
            ha="center", arrowprops={"arrowstyle": "-", "color": plot.INK})
ax.plot(256, guess, "x", color=plot.GREY, markersize=9, markeredgewidth=2, zorder=4)
ax.annotate("your guess", (256, guess), (0, 9), textcoords="offset points", ha="center",
            color=plot.GREY)
ax.set_xscale("log", base=2)
ax.set(xlabel="number of inputs n", ylabel="missed by the scaled unit, %", xticks=counts,
       xticklabels=counts, xlim=(1.7, 1500), ylim=(-4, max(45, guess + 8)))
told = f"{both_ways.mean():.0f} ± {plot.standard_error(both_ways):.0f} %"
ax.set_title(f"Missed with 256 inputs that pull both ways: {told}")
plot.show(fig, "Share missed behind a ReLU against the number of inputs, for three kinds of units. "
               f"With 256 inputs that pull both ways it is {told}.")

# %% [markdown]
# (Bars: standard deviation over five runs.) The folklore fails for trained units too: at
# $p = 0.5$ the scaled ReLU sends about 28 % less than the thinned ones do on average. And more
# inputs do not help by themselves. What counts is how large the mean of $z$ is beside its scatter.
# Inputs that pull one way make the mean outgrow the scatter; then no mask takes $z$ below zero,
# the ReLU is a straight line, and scaling is exact. Inputs that pull both ways keep the two
# alike at every $n$. The scaled unit never sends more: a ReLU is convex, and Jensen's inequality
# gives the difference its sign.
#
# The paper does not claim otherwise. It calls weight scaling "a very simple approximate averaging
# method" that "works well in practice". How well, for whole networks and their probabilities, and
# for which network it *is* exact, {{ensemble}} measures.
#
# ## Explore: all masks against one number
#
# On the left the distribution of $z$ over 1000 of your masks, your normal curve, and the two
# candidates for test time. On the right what is left of each behind a ReLU.
#
# **Try**: from how many inputs on does the histogram fill your curve? Let no input pull back: what
# becomes of the two blue bars on the right? (The luck of 1000 masks leaves them a hair apart.) Let
# half of the inputs pull back and change the draw: can you find a scaled unit that is silent while
# its thinned ones are not? (Click a slider, then use the arrow keys.)

# %%
explore.preactivation(dropout_train, preactivation_mean, preactivation_variance)

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="bias" points=1
# Hidden units were dropped with p = 0.2. At test time the biases of the next layer are:
#
# - [ ] multiplied by 0.8
# - [ ] multiplied by 0.2
# - [x] left as they are
#
# Hint: under which masks is a bias missing?

# %% question="relu" points=1
# Behind a ReLU a scaled unit sends … than its thinned ones do on average:
#
# - [x] never more
# - [ ] never less
# - [ ] sometimes more, sometimes less
#
# Hint: look at the sign in the figure of the ReLU.

# %% question="normal_answer" points=1
# Whose pre-activation is farthest from normal over masks at p = 0.5? Terms w x of a unit: "50
# equal", "500 equal" or "one heavy" (500, one of them a hundred times the others):
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
# two to five sentences what of this is exact, what is not, and what you measured of the
# difference. (A person reads this.)

# %% [markdown] answer="what_is_exact" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: exact is the mean of the pre-activation, that is of a linear unit
# (or of a network without nonlinearity behind the mask), for any weights and any n; the scatter
# is not kept. One point: behind a ReLU the scaled unit sends too little, with a number from the
# lesson (about 28 % at p = 0.5 on trained units, independent of n where inputs pull both ways)
# or with the reason (masks with negative z send 0; convexity, Jensen).
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - A network trained thin and used whole sends $1/(1-p)$ times what the next layer is used to.
#   Multiplying the weights behind the mask by $1-p$ mends it. No bias is scaled.
# - Over masks $z$ has mean $(1-p)\,w\cdot x$ and variance $p(1-p)\sum_i (w_i x_i)^2$, and is
#   nearly normal where many inputs share the sum. Scaling gives the mean, not the scatter.
# - Behind a ReLU scaling only comes close: it never sends more than the average of the thinned
#   units, and on the digits at $p=0.5$ about 28 % less. More inputs alone do not help.
#
# **Read.** Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov,
# *Dropout: a simple way to prevent neural networks from overfitting*, JMLR 15 (2014): the
# introduction with Figure 2, and §4. Hinton et al., *Improving neural networks by preventing
# co-adaptation of feature detectors* (2012), calls the scaled network the "mean network".
#
# **Stretch.** With many inputs that pull both ways the share missed tends to
# $1 - \sqrt{1-p}$: 29 % at $p = 0.5$. Can you derive it? (Over units *and* masks $z$ is normal
# around 0; compare two standard deviations.) Then replace the ReLU by a sigmoid: where is the
# scaled unit too high, and where too low?
#
# **Still open.** Whoever uses the network must remember to scale, with the right $p$. Could
# training do it? That is {{inverted_dropout}}.
