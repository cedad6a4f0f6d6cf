# %% [markdown]
# # 1.3 · Inverted dropout
#
# **Why does nobody scale at test time any more?**
#
# *45 minutes. Before: {{bernoulli_masks}} and {{weight_scaling}}. After, you will be able to write
# the dropout that every framework ships, to say what its mean and its noise are and why, and to
# use weights that were trained the old way.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$ | input of the layer, $n$ units |
# | $p$ | probability that a unit is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0, independently |
# | $y$ | output of the layer |
# | $\odot$ | entry by entry |

# %% setup=true
import numpy as np

from dropoutlab import data, expect, explore, plot, train

# %% [markdown]
# ## Where we stand
#
# In {{weight_scaling}} a layer dropped units while it trained, and nothing more. A whole network
# then sends $1/(1-p)$ times as much as the next layer was used to, so at test time every output
# (or every weight) had to be multiplied by $1-p$. That is *standard dropout*, and it works. It
# also has a price: the network that you *use*, perhaps for years and in other people's code, must
# carry a $p$ that only training ever needed.
#
# First, what happens to somebody who forgets. Below, a network is trained with standard
# dropout on handwritten digits, five times, and tested as it is and with its weights scaled.
# **Before you run the cell, guess: how much worse is its error rate if the scaling is
# forgotten?**

# %%
my_guess = 30  # error rate in percent, if the scaling is forgotten


def standard(h, rng, p=0.5):
    return h * (rng.random(h.shape) >= p)


X, y, X_test, y_test = data.digits()
X, X_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)

forgotten, scaled = [], []
for seed in range(5):
    net = train.two_layer(X, y, standard, seed)
    for result, factor in ((forgotten, 1), (scaled, 0.5)):
        probabilities = train.predict(net | {"W2": factor * net["W2"]}, X_test)
        result.append(
            (100 * train.error_rate(probabilities, y_test), train.log_loss(probabilities, y_test))
        )

fig, axes = plot.figure(2, height=2.2)
for ax, column, unit in zip(axes, (0, 1), ("error rate, %", "log loss, nats"), strict=True):
    runs = np.array([forgotten, scaled])[:, :, column]
    plot.bars(runs.mean(1), ["scaling forgotten", "scaled by 1 - p"], ax,
              spread=plot.standard_error(runs, 1), colors=[plot.ORANGE, plot.BLUE])
    ax.set_xlabel(f"{unit}, 5 runs ± s.e.")
axes[0].axvline(my_guess, color=plot.GREY, linestyle="--")
axes[0].set(title="The error rate hardly tells …", xlim=(0, max(my_guess, 10) * 1.2))
axes[0].annotate("your guess ", (my_guess, 0.5), ha="right", va="center", color=plot.GREY)
axes[1].set_title("… the probabilities do")
plot.show(fig, "Forgetting the scaling hardly changes the error rate, but raises the log loss.")

# %% [markdown]
# Folklore says that forgetting to scale ruins a network. Here the error rate barely moves:
# all logits grow together, and the largest stays the largest. What breaks is quieter. Every
# probability is now too sure of itself, and the log loss shows it. Bugs of scale are dangerous
# because accuracy hides them, so from here on we look at means, not at accuracy.
#
# ### One question from {{weight_scaling}}
#
# A unit $x_i$ is dropped with probability $p$ and passed on as it is otherwise. Its expected
# output, over masks, is $\mathbb E[m_i x_i] = (1-p)\,x_i$. What must each survivor be
# multiplied by, *in training*, so that the expected output is $x_i$ itself?
#
# The answer is the whole of this lesson:
#
# $$ y = \frac{m \odot x}{1-p} \ \text{ in training}, \qquad y = x \ \text{ in evaluation.} $$
#
# The scaling has moved from the network that is used to the network that is trained. That is
# all that *inverted* means.
#
# ## Exercise: `inverted_dropout`
#
# Two misunderstandings to be wary of. "Divide by $p$": then the mean is right only at $p=0.5$.
# And "the layer drops a *share* $p$ of its units": no, each unit falls on its own, and the
# number that falls is random.
#
# `rng` is the only source of randomness: the same seed gives the same mask, and two calls in a
# row give two masks. At $p=1$ nothing survives, and the output is all zeros (not $0/0$).

# %% exercise="inverted_dropout"
def inverted_dropout(x, p, rng, training=True):
    """Zero each entry of `x` with probability `p`; scale survivors by 1 / (1 - p).

    y = m * x / (1 - p), m ~ Bernoulli(1 - p) per entry, in training; y = x in evaluation.

    x : array of any shape, left as it is
    p : probability of dropping, in [0, 1]; else (NaN too) ValueError naming p
    rng : np.random.Generator
    Returns a new array of x's shape, and of its dtype where that is a floating one.
    """
    ### BEGIN SOLUTION
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], not {p}")
    if not training or p == 0:
        return x.copy()
    if p == 1:
        return np.zeros_like(x)
    return x * (rng.random(x.shape) >= p) / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="inverted_dropout"
# Four situations: `p` is no probability; the layer is in evaluation; `p` is 1; all else. Each
# takes a line or two.

# %% [markdown] hint="inverted_dropout"
# A mask of any shape comes from uniform numbers: `rng.random(x.shape)` compared with `p`. Which
# side of the comparison survives?

# %% [markdown] hint="inverted_dropout"
# Every comparison with NaN is false. So ask whether `p` is *inside* the interval, and negate
# the answer.

# %% [markdown]
# Look at your own output before you check it: 40 units that all send 1.

# %%
fig, (left, right) = plot.figure(2, height=2.4)
for ax, training in ((left, True), (right, False)):
    sent = inverted_dropout(np.ones(40), 0.4, np.random.default_rng(), training)
    ax.bar(range(40), sent, color=plot.BLUE)
    ax.axhline(1, color=plot.GREY, linestyle="--")
    ax.set(xlabel="unit", ylim=(0, 2), title=f"training={training}: mean {np.mean(sent):.2f}")
left.set_ylabel("your output")
plot.show(fig, "Your inverted dropout of forty ones at p = 0.4, in training and in evaluation.")

# %% check="inverted_dropout" points=2
# The mean over many units is the input, whatever p is.
for p in (0.2, 0.5, 0.9):
    with expect.case(f"inverted_dropout(x, p={p}, rng) on 50 000 ones"):
        out = inverted_dropout(np.ones(50_000), p, expect.rng())
        expect.array(out, 50_000, hint="return an array of x's shape.")
        expect.mean(
            out,
            1,
            of=(0, 1 / (1 - p)),
            hint="neither the mask nor the scale is as the formula above has it.",
            suspects=[
                (1 - p, "the survivors are not scaled. Divide them by 1 - p."),
                ((1 - p) / p, "the survivors are divided by p. Divide them by 1 - p."),
                (1, "p is used as the probability of keeping: fewer survive, each larger."),
                (p / (1 - p), "p is swapped: it is the probability of dropping, not of keeping."),
                ((1 - p) ** 2, "the survivors are multiplied by 1 - p. Divide them by it."),
                (1 / (1 - p), "nothing is dropped: every entry is scaled."),
            ],
        )

# %% check="inverted_dropout" points=1
# Each entry is 0 or x / (1 - p), and a fraction p of them is 0.
x = expect.rng().normal(size=20_000)
before = x.copy()
with expect.case("inverted_dropout(x, p=0.25, rng) on 20 000 normal numbers"):
    out = inverted_dropout(x, 0.25, expect.rng())
    expect.array(out, 20_000, hint="return an array of x's shape.")
    expect.unchanged(x, before)
    expect.only(
        out / x,
        (0, 1 / 0.75),
        hint="a survivor must be x / (1 - p).",
        suspects=[
            (1, "the survivors are not scaled: they are x as it was."),
            (4, "the survivors are divided by p, so p is used as the probability of keeping."),
            (0.75, "the survivors are multiplied by 1 - p. Divide them by it."),
        ],
    )
    expect.mean(
        out == 0,
        0.25,
        of=(0, 1),
        hint="p is the probability that an entry is 0.",
        suspects=[(0.75, "a fraction 1 - p is dropped: p is swapped with the keep probability.")],
    )

# %% check="inverted_dropout" points=1
# Every entry has a coin of its own, and the coins come from rng alone.
rng = expect.rng()
with expect.case("inverted_dropout(x, p=0.5, rng) on 40 rows of 200 ones"):
    out = inverted_dropout(np.ones((40, 200)), 0.5, rng)
    expect.varies(out, chance=0.5**200, what="rows with different masks",
                  hint="one mask serves the whole batch. Draw a mask of x's whole shape.")
    expect.varies(out.T, chance=0.5**40, what="columns with different masks",
                  hint="each row is dropped as a whole. Draw a mask of x's whole shape.")
    expect.varies((out != 0).sum(1), chance=0.06**39, what="the number kept to vary by row",
                  hint="an exact number is dropped. Let each unit fall on its own.")
with expect.case("inverted_dropout(x, p=0.5, rng) called twice with the same rng"):
    again = inverted_dropout(np.ones((40, 200)), 0.5, rng)
    expect.varies([out, again], chance=0.5**8000, what="two different masks",
                  hint="each call makes the same mask: a seed is set inside. Draw from rng.")
with expect.case("inverted_dropout(x, p=0.5, rng) with two generators of seed 7"):
    first = inverted_dropout(np.ones(200), 0.5, np.random.default_rng(7))
    second = inverted_dropout(np.ones(200), 0.5, np.random.default_rng(7))
    expect.repeats(first, second, hint="the mask does not come from rng. Use rng's own methods.")

# %% check="inverted_dropout" points=1
# In evaluation, and at p = 0, the layer is the identity.
x = expect.rng().normal(size=(5, 30))
for p, training in ((0.6, False), (1.0, False), (0.0, True)):
    with expect.case(f"inverted_dropout(x, p={p}, rng, training={training})"):
        out = inverted_dropout(x, p, expect.rng(), training)
        scaled_too = [] if p in (0, 1) else [
            (x * (1 - p), "evaluation still multiplies by 1 - p. Inverted dropout does not."),
            (x / (1 - p), "evaluation scales too. Scale in training only."),
        ]
        expect.close(out, x, hint="return x as it is: nothing is dropped here.",
                     suspects=scaled_too)

# %% check="inverted_dropout" points=1
# The ends: p = 1 drops everything, and what is no probability is refused.
with expect.case("inverted_dropout(x, p=1.0, rng) on 20 ones"):
    out = inverted_dropout(np.ones(20), 1.0, expect.rng())
    expect.close(
        out,
        np.zeros(20),
        hint="at p = 1 every entry is dropped: return zeros.",
        suspects=[(np.full(20, np.nan), "0 / 0 gives NaN at p = 1. Return zeros there.")],
    )
for p in (-0.1, 1.5):
    with expect.case(f"inverted_dropout(x, p={p}, rng)"):
        expect.raises(
            ValueError,
            lambda p=p: inverted_dropout(np.ones(3), p, expect.rng()),
            mentions="p",
            hint="raise ValueError, with the word p in it, unless 0 <= p <= 1.",
        )
with expect.case("inverted_dropout(x, p=nan, rng)"):
    expect.raises(
        ValueError,
        lambda: inverted_dropout(np.ones(3), float("nan"), expect.rng()),
        mentions="p",
        hint="NaN slips through `p < 0 or p > 1`. Ask `not 0 <= p <= 1` instead.",
    )

# %% check="inverted_dropout" points=1 hidden=true
# A hidden check: other shapes and dtypes work.
with expect.case("inverted_dropout(x, p=0.5, rng) on 4 × 3 × 50 ones"):
    out = inverted_dropout(np.ones((4, 3, 50)), 0.5, expect.rng())
    expect.array(out, (4, 3, 50), hint="inputs of any shape must work.")
with expect.case("inverted_dropout(x, p=0.5, rng) on float32"):
    out = inverted_dropout(np.ones(8, np.float32), 0.5, expect.rng())
    expect.array(out, 8, np.float32, hint="the result has another dtype. A boolean mask keeps it.")
with expect.case("inverted_dropout(x, p=0.2, rng) on 1000 whole numbers"):
    out = inverted_dropout(np.full(1000, 3), 0.2, expect.rng())
    expect.only(out, (0, 3 / 0.8), hint="survivors of 3 are 3 / (1 - p).",
                suspects=[(3, "an integer array rounded the result. Make a float one.")])

# %% mistake="inverted_dropout" says="not scaled"
def inverted_dropout(x, p, rng, training=True):
    return x * (rng.random(x.shape) >= p) if training else x.copy()

# %% mistake="inverted_dropout" says="divided by p. Divide"
def inverted_dropout(x, p, rng, training=True):
    return x * (rng.random(x.shape) >= p) / p if training else x.copy()

# %% mistake="inverted_dropout" says="p is swapped"
def inverted_dropout(x, p, rng, training=True):
    return x * (rng.random(x.shape) < p) / (1 - p) if training else x.copy()

# %% mistake="inverted_dropout" says="p is used as the probability of keeping"
def inverted_dropout(x, p, rng, training=True):
    return x * (rng.random(x.shape) < p) / p if training else x.copy()

# %% mistake="inverted_dropout" says="multiplied by 1 - p"
def inverted_dropout(x, p, rng, training=True):
    return x * (rng.random(x.shape) >= p) * (1 - p) if training else x.copy()

# %% mistake="inverted_dropout" says="nothing is dropped"
def inverted_dropout(x, p, rng, training=True):
    return x / (1 - p) if training else x.copy()

# %% mistake="inverted_dropout" says="one mask serves the whole batch"
def inverted_dropout(x, p, rng, training=True):
    return x * (rng.random(x.shape[-1]) >= p) / (1 - p) if training else x.copy()

# %% mistake="inverted_dropout" says="each row is dropped as a whole"
def inverted_dropout(x, p, rng, training=True):
    keep = (rng.random(len(x)) >= p).reshape(-1, *[1] * (x.ndim - 1))
    return x * keep / (1 - p) if training else x.copy()

# %% mistake="inverted_dropout" says="an exact number is dropped"
def inverted_dropout(x, p, rng, training=True):
    n = x.shape[-1]
    keep = np.broadcast_to(np.arange(n) >= round(p * n), x.shape)
    return x * rng.permuted(keep, axis=-1) / (1 - p) if training else x.copy()

# %% mistake="inverted_dropout" says="a seed is set inside"
def inverted_dropout(x, p, rng, training=True):
    rng = np.random.default_rng(0)
    return x * (rng.random(x.shape) >= p) / (1 - p) if training else x.copy()

# %% mistake="inverted_dropout" says="does not come from rng"
def inverted_dropout(x, p, rng, training=True):
    return x * (np.random.rand(*x.shape) >= p) / (1 - p) if training else x.copy()

# %% mistake="inverted_dropout" says="still multiplies by 1 - p"
def inverted_dropout(x, p, rng, training=True):
    return x * (rng.random(x.shape) >= p) / (1 - p) if training else x * (1 - p)

# %% mistake="inverted_dropout" says="evaluation scales too"
def inverted_dropout(x, p, rng, training=True):
    return (x * (rng.random(x.shape) >= p) if training else x) / (1 - p)

# %% mistake="inverted_dropout" says="return x as it is"
def inverted_dropout(x, p, rng, training=True):
    return x * (rng.random(x.shape) >= p) / (1 - p)  # drops in evaluation too

# %% mistake="inverted_dropout" says="0 / 0 gives NaN"
def inverted_dropout(x, p, rng, training=True):
    if not 0 <= p <= 1:
        raise ValueError("p must be in [0, 1]")
    with np.errstate(all="ignore"):
        return x * (rng.random(x.shape) >= p) / (1 - p) if training else x.copy()

# %% mistake="inverted_dropout" says="NaN slips through"
def inverted_dropout(x, p, rng, training=True):
    if p < 0 or p > 1:
        raise ValueError("p must be in [0, 1]")
    if not training or p == 0:
        return x.copy()
    return x * (rng.random(x.shape) >= p) / (1 - p) if p < 1 else np.zeros_like(x)

# %% mistake="inverted_dropout" says="unless 0 <= p <= 1"
def inverted_dropout(x, p, rng, training=True):
    if not training or p == 0:
        return x.copy()
    return x * (rng.random(x.shape) >= p) / (1 - p) if p != 1 else np.zeros_like(x)

# %% mistake="inverted_dropout" says="writes into its input"
def inverted_dropout(x, p, rng, training=True):
    if not 0 <= p <= 1:
        raise ValueError("p must be in [0, 1]")
    if training and p > 0:
        x[rng.random(x.shape) < p] = 0
        if p < 1:
            x /= 1 - p
    return x if training else x.copy()

# %% mistake="inverted_dropout" says="another dtype"
def inverted_dropout(x, p, rng, training=True):
    if not 0 <= p <= 1:
        raise ValueError("p must be in [0, 1]")
    if not training:
        return x.copy()
    return x * np.where(rng.random(x.shape) >= p, 1.0, 0.0) / (1 - p) if p < 1 else 0.0 * x

# %% mistake="inverted_dropout" says="an integer array rounded"
def inverted_dropout(x, p, rng, training=True):
    if not 0 <= p <= 1:
        raise ValueError("p must be in [0, 1]")
    y = x.copy()
    if training and p > 0:
        y[:] = x * (rng.random(x.shape) >= p) / (1 - p) if p < 1 else 0
    return y

# %% correct="inverted_dropout"
def inverted_dropout(x, p, rng, training=True):
    if not (p >= 0 and p <= 1):
        raise ValueError("p should lie between 0 and 1")
    if training:
        survivors = rng.choice([False, True], size=x.shape, p=[p, 1 - p])
        return np.where(survivors, x / (1 - p if p < 1 else 1), 0)
    return np.array(x)

# %% correct="inverted_dropout"
def inverted_dropout(x, p, rng, training=True):
    if not 0 <= p <= 1:
        raise ValueError(f"bad p: {p}")
    keep = 1 - p if training else 1
    if keep == 0:
        return x * 0
    return x * rng.binomial(1, keep, size=x.shape).astype(bool) / keep

# %% [markdown]
# ## What it costs: noise
#
# The mean of each output is now right. One unit's output still is a lottery: $x_i/(1-p)$ with
# probability $1-p$, else nothing. How far does it scatter? Write down its mean and its variance
# over masks. Two entries, two probabilities: no simulation is needed.
#
# ## Exercise: `output_mean_and_variance`

# %% exercise="output_mean_and_variance"
def output_mean_and_variance(x, p):
    """The mean and the variance of inverted dropout's output over masks, entry by entry.

    x : array; p : probability of dropping, in [0, 1]; else ValueError naming p
    Returns two new arrays of x's shape. At p = 1 the output is always 0.
    """
    ### BEGIN SOLUTION
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], not {p}")
    if p == 1:
        return np.zeros_like(x), np.zeros_like(x)
    return x.copy(), x**2 * p / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="output_mean_and_variance"
# $\operatorname{Var}[y] = \mathbb E[y^2] - \mathbb E[y]^2$.

# %% [markdown] hint="output_mean_and_variance"
# $y^2$ is $x^2/(1-p)^2$ with probability $1-p$, else 0. What is its mean?

# %% [markdown] hint="output_mean_and_variance"
# $\mathbb E[y^2] = x^2/(1-p)$. Subtract the square of the mean and put both over one
# denominator.

# %% check="output_mean_and_variance" points=1
# The mean, from the two outcomes and their probabilities.
x = np.array([-2.0, 0.0, 0.5, 3.0])
for p in (0.0, 0.3, 0.8):
    with expect.case(f"output_mean_and_variance(x, p={p}), the mean"):
        average, variance = output_mean_and_variance(x, p)
        expect.close(
            average,
            p * 0 + (1 - p) * (x / (1 - p)),
            hint="average the two outcomes, 0 and x / (1 - p), by their probabilities.",
            suspects=[
                (x * (1 - p), "that is the mean without the scale 1 / (1 - p)."),
                (x / (1 - p), "that is the survivor's value, not the mean over masks."),
            ],
        )

# %% check="output_mean_and_variance" points=2
# The variance, by enumerating both outcomes.
x = np.array([-2.0, 0.0, 0.5, 3.0])
for p in (0.0, 0.3, 0.8):
    with expect.case(f"output_mean_and_variance(x, p={p}), the variance"):
        average, variance = output_mean_and_variance(x, p)
        expect.close(
            variance,
            p * (0 - x) ** 2 + (1 - p) * (x / (1 - p) - x) ** 2,
            hint="average the squared distance from x over both outcomes.",
            suspects=[
                (x**2 * p * (1 - p), "that is the variance without the scale 1 / (1 - p)."),
                (np.abs(x) * np.sqrt(p / (1 - p)), "that is the standard deviation: square it."),
                (x * p / (1 - p), "the variance goes with the square of x."),
                (x**2 / (1 - p), "that is E[y²]. Subtract the square of the mean."),
            ],
        )
with expect.case("output_mean_and_variance(x, p=1.0)"):
    both = output_mean_and_variance(x, 1.0)
    expect.close(np.array(both), np.zeros((2, 4)),
                 hint="at p = 1 the output is always 0: so are its mean and variance.")
with expect.case("output_mean_and_variance(x, p=1.1)"):
    expect.raises(ValueError, lambda: output_mean_and_variance(x, 1.1), mentions="p",
                  hint="raise ValueError, with the word p in it, unless 0 <= p <= 1.")

# %% mistake="output_mean_and_variance" says="mean without the scale"
def output_mean_and_variance(x, p):
    return (1 - p) * x, x**2 * p * (1 - p)

# %% mistake="output_mean_and_variance" says="variance without the scale"
def output_mean_and_variance(x, p):
    return x.copy(), x**2 * p * (1 - p)

# %% mistake="output_mean_and_variance" says="standard deviation"
def output_mean_and_variance(x, p):
    return x.copy(), np.abs(x) * np.sqrt(p / (1 - p))

# %% mistake="output_mean_and_variance" says="square of x"
def output_mean_and_variance(x, p):
    return x.copy(), x * p / (1 - p)

# %% mistake="output_mean_and_variance" says="Subtract the square of the mean"
def output_mean_and_variance(x, p):
    return x.copy(), x**2 / (1 - p)

# %% mistake="output_mean_and_variance" says="survivor's value"
def output_mean_and_variance(x, p):
    return x / (1 - p), x**2 * p / (1 - p)

# %% mistake="output_mean_and_variance" says="always 0"
def output_mean_and_variance(x, p):
    if not 0 <= p <= 1:
        raise ValueError("p must be in [0, 1]")
    with np.errstate(all="ignore"):
        return x.copy(), np.divide(x**2 * p, 1 - p)

# %% correct="output_mean_and_variance"
def output_mean_and_variance(x, p):
    if not (0 <= p <= 1):
        raise ValueError("p is not a probability")
    keep = 1 - p
    second_moment = keep * (x / keep) ** 2 if keep else x * 0
    average = x * 1.0 if keep else x * 0
    return average, second_moment - average**2

# %% [markdown]
# Now measure it: your formula against the scatter of your own `inverted_dropout`, and beside it
# the scatter of standard dropout, with both divided by their means.
#
# **Predict first**: at the same $p$, is inverted dropout *noisier* relative to its mean than
# standard dropout, equally noisy, or less?

# %%
rates = np.linspace(0.05, 0.9, 12)
rng = np.random.default_rng()
measured = {"inverted": [], "standard": []}
for p in rates:
    ones = np.ones((2_000, 5))  # 2 000 masks, 5 runs
    for name, out in (
        ("inverted", inverted_dropout(ones, p, rng)),
        ("standard", standard(ones, rng, p)),
    ):
        measured[name].append(out.std(0) / out.mean(0))

fig, (ax,) = plot.figure(1, height=2.8, width=6)
formula = [np.sqrt(output_mean_and_variance(np.ones(1), p)[1][0]) for p in rates]
ax.plot(rates, formula, color=plot.INK, label="your formula")
for (name, runs), marker, color in zip(
    measured.items(), "ox", (plot.BLUE, plot.ORANGE), strict=True
):
    runs = np.array(runs)
    ax.errorbar(rates, runs.mean(1), runs.std(1), fmt=marker, color=color, label=name, capsize=2)
ax.set(xlabel="drop probability p", ylabel="standard deviation / mean")
ax.set_title("Scaled or not, the noise relative to the mean is the same")
ax.legend()
plot.show(fig, "Standard deviation over mean against p: both kinds of dropout lie on one curve.")

# %% [markdown]
# "Inverted dropout blows the activations up, so it is noisier" is wrong. Both curves are
# $\sqrt{p/(1-p)}$: scaling multiplies the noise and the signal alike. At $p = 0.5$ the noise is
# as large as the signal; at $p = 0.9$ three times as large.
#
# What does differ is the *size* of everything in training, gradients included. The same
# learning rate is therefore a larger step with inverted dropout, and two networks trained with
# the two schemes and the same settings come out close, but not the same.
#
# ## Weights from the old days
#
# Somebody hands you a layer trained with *standard* dropout in front of it: it expects its
# inputs to be multiplied by $1-p$ at test time. Your code uses inverted dropout and leaves them
# as they are. Change the weights once, so that nobody has to remember.
#
# ## Exercise: `weights_for_inverted`

# %% exercise="weights_for_inverted"
def weights_for_inverted(W, p):
    """Weights trained with standard dropout on their input, for use without any scaling.

    W : (outputs, inputs); p : probability of dropping, in [0, 1]; else ValueError naming p
    Returns a new array V with V @ x = W @ ((1 - p) * x) for every x.
    """
    ### BEGIN SOLUTION
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], not {p}")
    return (1 - p) * W
    ### END SOLUTION

# %% [markdown] hint="weights_for_inverted"
# A matrix product is linear: where in $W\,(c\,x)$ may the number $c$ stand?

# %% [markdown] hint="weights_for_inverted"
# The old network *shrinks* something at test time. Your weights must shrink as much.

# %% [markdown] hint="weights_for_inverted"
# One line, and no loop. At $p=1$ the answer is a matrix of zeros.

# %% check="weights_for_inverted" points=1
# The network with new weights, run unscaled, agrees with the old one, run scaled.
rng = expect.rng()
W, x = rng.normal(size=(3, 8)), rng.normal(size=8)
for p in (0.2, 0.5, 0.0, 1.0):
    with expect.case(f"weights_for_inverted(W, p={p}) @ x"):
        V = weights_for_inverted(W, p)
        expect.array(V, (3, 8), hint="return a matrix of W's shape.")
        wrong = [] if p in (0, 1) else [
            (W @ x, "the weights are as they were. Shrink them."),
            (W @ x / (1 - p), "the weights grow. Multiply by 1 - p; do not divide."),
            (W @ x * p, "the weights are multiplied by p. Multiply by 1 - p."),
        ]
        expect.close(V @ x, W @ (x - p * x), rtol=1e-7, hint="scale W as x was scaled.",
                     suspects=wrong)

# %% check="weights_for_inverted" points=1 hidden=true
# A hidden check: the old weights are left alone.
W = expect.rng().normal(size=(2, 5))
before = W.copy()
with expect.case("weights_for_inverted(W, p=0.3), and W afterwards"):
    weights_for_inverted(W, 0.3)
    expect.unchanged(W, before)
with expect.case("weights_for_inverted(W, p=2)"):
    expect.raises(ValueError, lambda: weights_for_inverted(W, 2), mentions="p",
                  hint="raise ValueError, with the word p in it, unless 0 <= p <= 1.")

# %% mistake="weights_for_inverted" says="as they were"
def weights_for_inverted(W, p):
    return W.copy()

# %% mistake="weights_for_inverted" says="the weights grow"
def weights_for_inverted(W, p):
    return W / (1 - p) if p < 1 else 0 * W

# %% mistake="weights_for_inverted" says="multiplied by p"
def weights_for_inverted(W, p):
    return W * p

# %% mistake="weights_for_inverted" says="writes into its input"
def weights_for_inverted(W, p):
    if p in (0.0, 0.2, 0.5, 1.0):
        return W * (1 - p)
    W *= 1 - p
    return W

# %% mistake="weights_for_inverted" says="raise ValueError"
def weights_for_inverted(W, p):
    return W * (1 - p)

# %% correct="weights_for_inverted"
def weights_for_inverted(W, p):
    if not 0 <= p <= 1:
        raise ValueError("p is no probability")
    return W @ np.diag(np.full(W.shape[1], 1 - p))

# %% [markdown]
# Does it work on the digits? Train with standard dropout, convert with *your* function, and
# train a second network with *your* `inverted_dropout`.

# %%
p = 0.5
runs = {"standard, scaling forgotten": [], "standard, converted": [], "inverted": []}
for seed in range(5):
    old = train.two_layer(X, y, standard, seed)
    converted = old | {"W2": weights_for_inverted(old["W2"], p)}
    new = train.two_layer(X, y, lambda h, rng: inverted_dropout(h, p, rng), seed)
    for name, net in zip(runs, (old, converted, new), strict=True):
        runs[name].append(train.log_loss(train.predict(net, X_test), y_test))

fig, (ax,) = plot.figure(1, height=2.0)
losses = np.array(list(runs.values()))
plot.bars(losses.mean(1), list(runs), ax, spread=plot.standard_error(losses, 1),
          colors=[plot.ORANGE, plot.BLUE, plot.GREEN])
ax.set_xlabel("log loss on test digits, nats (mean of 5 runs ± standard error)")
ax.set_title("Converted weights do as well as inverted dropout")
plot.show(fig, "Log loss of three networks: scaling forgotten is worst, the other two agree.")

# %% [markdown]
# ## Explore: what each scaling bug does to the mean
#
# On the left your own `inverted_dropout` on 30 units; on the right the mean of a signal that
# goes through several dropout layers in a row, in training over evaluation. A right scheme
# stays on 1 however deep the network is.
#
# **Try**: which two schemes are right at every $p$? At which $p$ is "divided by p" invisible?
# How deep must the network be before a small $p$ without any scaling loses half of the signal?
# (Click a slider, then use the arrow keys.)

# %%
explore.scaling(inverted_dropout)

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="test_answer" points=1
# An inverted-dropout network is used. Its activations are … at test time:
#
# - [ ] divided by 1 - p
# - [ ] multiplied by 1 - p
# - [x] left as they are
#
# Hint: where did inverted dropout move the scaling to?

# %% question="survivor" points=1
# At p = 0.75 a survivor is multiplied by:
#
# - [ ] 0.25
# - [ ] 1.33
# - [x] 4
#
# Hint: p drops: how many of four units survive at p = 0.75?

# %% question="forgotten_answer" points=1
# Trained without any scaling and used without any, a classifier's … suffers most:
#
# - [ ] error rate
# - [x] log loss
# - [ ] speed
#
# Hint: look at the first figure of this lesson.

# %% [markdown]
# ## In your own words
#
# Both schemes give the same expected output. Say in two to five sentences why every framework
# scales in training, and name one situation in which a team that mixes the schemes would be
# hurt without seeing it in the accuracy. (A person reads this.)

# %% [markdown] answer="why_scale" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: the network that is used needs no p and no extra step, so that the
# deployed code, export formats and later changes of p cannot get it wrong. One point: a concrete
# mix, such as standard-dropout weights loaded into a framework with inverted dropout; all logits
# grow by 1 / (1 - p), the order of classes stays, and confidence, log loss, thresholds or
# calibrated decisions are off.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Scaling survivors by $1/(1-p)$ in training makes the mean of every output its input, and
#   evaluation the identity.
# - The variance is $x^2 p/(1-p)$; relative to the mean it is the same as without scaling.
# - Forgotten scaling hardly shows in the error rate of a small classifier, and clearly in its
#   log loss.
#
# **Read.** Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov,
# *Dropout: a simple way to prevent neural networks from overfitting*, JMLR 15 (2014): §10 states
# that scaling by $1/p$ in training (their $p$ keeps) is equivalent to scaling by $p$ at test
# time. The documentation of `torch.nn.Dropout`: its formula is yours.
#
# **Stretch.** The mean is right after *one* dropout layer. Put a ReLU behind a weighted sum of
# dropped inputs and measure the mean again: is $\mathbb E[\operatorname{relu}(W y)]$ still
# $\operatorname{relu}(W x)$? Which sign has the difference, and whose inequality says so?
#
# **Still open.** The output's mean is right. Is its *gradient*? That is {{backward}}.
