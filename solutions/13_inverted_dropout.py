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

from dropoutlab import check_probability, data, expect, explore, plot, train

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
# **Commit yourself first: by how many percentage points does its error rate rise if the scaling
# is forgotten?**

# %% guess=true
my_guess = 30  # percentage points

# %% figure=true
# What forgetting the scaling costs: error rate and log loss of five networks.
guess = expect.guess(my_guess)


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

runs = np.array([forgotten, scaled])  # scheme, seed, measure
costs = [plot.difference(*runs[:, :, measure]) for measure in (0, 1)]
fig, axes = plot.figure(2, height=2.2)
for ax, measure, unit in zip(axes, (0, 1), ("error rate, %", "log loss, nats"), strict=True):
    of_unit = runs[:, :, measure]
    plot.bars(of_unit.mean(1), ["scaling forgotten", "scaled by 1 - p"], ax,
              spread=plot.standard_error(of_unit, 1), colors=[plot.ORANGE, plot.BLUE])
    ax.set_xlabel(f"{unit}, 5 runs ± s.e.")
right = runs[1, :, 0].mean() + guess
axes[0].axvline(right, color=plot.GREY, linestyle="--")
axes[0].set(title=f"Forgetting: {costs[0]:.1f} points", xlim=(0, max(right, 10) * 1.2))
axes[0].annotate("your guess ", (right, 0.5), ha="right", va="center", color=plot.GREY)
axes[1].set_title(f"… and {costs[1]:.2f} nats")
plot.show(fig, f"Error rate and log loss with the scaling forgotten and applied. Forgetting adds "
               f"{costs[0]:.1f} points of error and {costs[1]:.2f} nats.")

# %% [markdown]
# Most people expect a ruined network. Look at the error rate, then at the log loss. All logits
# grow together, and the largest stays the largest. What breaks is quieter: every probability is
# now too sure of itself, and only the log loss shows it. Bugs of scale are dangerous
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

    x : float array of any shape, left as it is
    p : probability of dropping
    rng : np.random.Generator
    Returns a new array of x's shape and dtype.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        return x.copy()
    keep = rng.random(x.shape) >= p
    return x * keep / (1 - p) if p < 1 else np.zeros_like(x)
    ### END SOLUTION

# %% [markdown] hint="inverted_dropout"
# Two situations: the layer is in training, or it is not. Each takes a line or two.

# %% [markdown] hint="inverted_dropout"
# A mask of any shape comes from uniform numbers: `rng.random(x.shape)` compared with `p`. Which
# side of the comparison survives?

# %% [markdown] hint="inverted_dropout"
# What does your formula give at $p=1$, where nothing survives and $1-p$ is 0?

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
# A share p is dropped, and the mean over many units is still the input.
for p in (0.2, 0.5, 0.9):
    with expect.case(f"inverted_dropout(x, p={p}, rng) on 50 000 ones"):
        out = inverted_dropout(np.ones(50_000), p, expect.rng())
        expect.array(out, 50_000, hint="return an array of x's shape.")
        expect.mean(out == 0, p, of=(0, 1), hint="p is the probability that an entry is 0.",
                    suspects=[(0, "nothing is dropped."),
                              (1 - p, "p is taken for the probability of keeping: p drops.")])
        expect.mean(
            out,
            1,
            of=(0, 1 / (1 - p)),
            hint="the scale of the survivors is not as the formula above has it.",
            suspects=[
                (1 - p, "the survivors are not scaled. Divide them by 1 - p."),
                ((1 - p) / p, "the survivors are divided by p. Divide them by 1 - p."),
                ((1 - p) ** 2, "the survivors are multiplied by 1 - p. Divide them by it."),
            ],
        )

# %% check="inverted_dropout" points=2
# Every entry has a coin of its own, fresh at each call, and from rng alone.
with expect.case("inverted_dropout(x, p, rng) on 20 × 60 ones, 24 times for each of four p"):
    expect.coins(lambda p, rng: inverted_dropout(np.ones((20, 60)), p, rng),
                 scale=lambda p: 1 / (1 - p))
with expect.case("inverted_dropout(x, p, rng) on 4 × 6 × 50 ones, 24 times for each of four p"):
    expect.coins(lambda p, rng: inverted_dropout(np.ones((4, 6, 50)), p, rng))

# %% check="inverted_dropout" points=1
# Each entry becomes 0 or x / (1 - p), in a new array of the same shape and dtype.
for p, shape, dtype in ((0.25, (4, 3, 500), np.float64), (0.999, (90_000,), np.float32)):
    x = expect.rng().normal(size=shape[::-1]).astype(dtype).T
    before = x.copy()
    with expect.case(f"inverted_dropout(x, p={p}, rng) on normal numbers {shape}, {x.dtype}"):
        out = inverted_dropout(x, p, expect.rng())
        expect.unchanged(x, before)
        expect.array(out, shape, dtype, hint="return an array like x. (A boolean mask keeps the "
                     "dtype of what it multiplies.)")
        expect.only(out / before, (0, 1 / (1 - p)), rtol=1e-5, hint="a survivor is x / (1 - p).")

# %% check="inverted_dropout" points=1
# In evaluation, and at p = 0, the output is a copy of x.
x = expect.rng().normal(size=(5, 30)).astype(np.float32)
for p, training in ((0.6, False), (1.0, False), (0.0, True)):
    with expect.case(f"inverted_dropout(x, p={p}, rng, training={training}) on float32"):
        out = inverted_dropout(x.copy(), p, expect.rng(), training)
        expect.array(out, (5, 30), np.float32, hint="return an array of x's shape and dtype.")
        scaled_too = [] if p in (0, 1) else [
            (x * (1 - p), "evaluation still multiplies by 1 - p. Inverted dropout does not."),
            (x / (1 - p), "evaluation scales too. Scale in training only."),
        ]
        expect.close(out, x, rtol=1e-6, hint="return what x holds: nothing is dropped here.",
                     suspects=scaled_too)
        expect.copied(inverted_dropout, x, p, expect.rng(), training)

# %% check="inverted_dropout" points=1
# At p = 1 everything is dropped: the output is 0, not 0 / 0.
with expect.case("inverted_dropout(x, p=1.0, rng) on 20 ones, float32"):
    out = inverted_dropout(np.ones(20, np.float32), 1.0, expect.rng())
    expect.array(out, 20, np.float32, hint="return an array of x's shape and dtype.")
    expect.close(out, np.zeros(20), hint="at p = 1 every entry is dropped: return zeros.",
                 suspects=[(np.full(20, np.nan), "0 / 0 gives NaN at p = 1. Return zeros there.")])

# %% mistakes="inverted_dropout"
{
    "not scaled": (" / (1 - p) if", " if"),
    "divided by p. Divide": ("keep / (1 - p)", "keep / p"),
    "taken for the probability of keeping": (">= p", "< p"),
    "multiplied by 1 - p": ("keep / (1 - p)", "keep * (1 - p)"),
    "nothing is dropped.": ("x * keep /", "x /"),
    "every row has the same mask": ("rng.random(x.shape)", "rng.random(x.shape[-1:])"),
    "every column has the same mask":
        ("rng.random(x.shape)", "rng.random((len(x), *[1] * (x.ndim - 1)))"),
    "an exact number is dropped for each call and row":
        ("rng.random(x.shape) >= p",
         "rng.permuted(0 * x + np.arange(x.shape[-1]) / x.shape[-1], axis=-1) >= p"),
    "a seed is set inside": ("rng.random(x.shape)", "np.random.default_rng(0).random(x.shape)"),
    "do not come from the given generator": ("rng.random(x.shape)", "np.random.rand(*x.shape)"),
    "still multiplies by 1 - p": ("x.copy()", "x * (1 - p)"),
    "evaluation scales too": ("x.copy()", "x / (1 - p)"),
    "nothing is dropped here": ("if not training", "if p == 0"),
    "returns its input itself": ("x.copy()", "x"),
    "writes into its input": ("return x * keep /", "x *= keep\n    return x /"),
    "keeps the dtype": ("rng.random(x.shape) >= p", "(rng.random(x.shape) >= p) * 1.0"),
    "0 / 0 gives NaN": (" if p < 1 else np.zeros_like(x)", ""),
    "a survivor is x / (1 - p)": ("x * keep / (1 - p) if", "keep / (1 - p) if"),
}

# %% correct="inverted_dropout"
def inverted_dropout(x, p, rng, training=True):
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

    x : array; p : probability of dropping
    Returns two arrays of x's shape. At p = 1 the output is always 0.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if p == 1:
        return np.zeros_like(x), np.zeros_like(x)
    return x, x**2 * p / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="output_mean_and_variance"
# $\operatorname{Var}[y] = \mathbb E[y^2] - \mathbb E[y]^2$.

# %% [markdown] hint="output_mean_and_variance"
# $y^2$ is $x^2/(1-p)^2$ with probability $1-p$, else 0. What is its mean?

# %% [markdown] hint="output_mean_and_variance"
# $\mathbb E[y^2] = x^2/(1-p)$. Subtract the square of the mean and put both over one
# denominator.

# %% check="output_mean_and_variance" points=2
# Mean and variance agree with those of the two outcomes and their probabilities.
x = np.array([-2.0, 0.0, 0.5, 3.0])
for p in (0.0, 0.3, round(0.7 + 0.2 * expect.rng().random(), 3)):
    with expect.case(f"output_mean_and_variance(x, p={p}), the mean"):
        average, variance = output_mean_and_variance(x.copy(), p)
        spread = p * (0 - x) ** 2 + (1 - p) * (x / (1 - p) - x) ** 2
        expect.close(
            average,
            p * 0 + (1 - p) * (x / (1 - p)),
            hint="average the two outcomes, 0 and x / (1 - p), by their probabilities.",
            suspects=[
                (x * (1 - p), "that is the mean without the scale 1 / (1 - p)."),
                (x / (1 - p), "that is the survivor's value, not the mean over masks."),
                (spread, "that is the variance. Return the mean first."),
            ],
        )
    with expect.case(f"output_mean_and_variance(x, p={p}), the variance"):
        expect.close(
            variance,
            spread,
            hint="average the squared distance from x over both outcomes.",
            suspects=[
                (x**2 * p * (1 - p), "that is the variance without the scale 1 / (1 - p)."),
                (np.abs(x) * np.sqrt(p / (1 - p)), "that is the standard deviation: square it."),
                (x * p / (1 - p), "the variance goes with the square of x."),
                (x**2 / (1 - p), "that is E[y²]. Subtract the square of the mean."),
            ],
        )

# %% check="output_mean_and_variance" points=1
# At p = 1 the output is always 0.
with expect.case("output_mean_and_variance(x, p=1.0)"):
    both = output_mean_and_variance(np.array([-2.0, 0.0, 0.5, 3.0]), 1.0)
    expect.close(np.array(both), np.zeros((2, 4)),
                 hint="at p = 1 the output is always 0: so are its mean and variance.")

# %% mistakes="output_mean_and_variance"
{
    "mean without the scale": ("return x,", "return (1 - p) * x,"),
    "survivor's value": ("return x,", "return x / (1 - p),"),
    "Return the mean first": ("x, x**2 * p / (1 - p)", "x**2 * p / (1 - p), x"),
    "variance without the scale": ("p / (1 - p)", "p * (1 - p)"),
    "standard deviation": ("x**2 * p / (1 - p)", "np.abs(x) * np.sqrt(p / (1 - p))"),
    "square of x": ("x**2 *", "x *"),
    "Subtract the square of the mean": ("x**2 * p /", "x**2 /"),
    "always 0": ("p == 1", "p > 1"),
}

# %% correct="output_mean_and_variance"
def output_mean_and_variance(x, p):
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

# %% guess=true
my_guess = "more"  # "more", "equal" or "less" noise than standard dropout, relative to the mean

# %% figure=true
# The noise of both kinds of dropout, relative to the mean, against p.
guess = expect.guess(my_guess)
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
ratio = np.mean(np.array(measured["inverted"]) / np.array(measured["standard"]), axis=0)
excess = plot.difference(ratio, 1)
told = f"{1 + excess.mean:.3f} ± {excess.error:.3f}"
ax.set_title(f"Inverted dropout is {told} times as noisy (you said: {guess})")
ax.legend()
plot.show(fig, "Standard deviation over mean against p, for both kinds of dropout and by your "
               f"formula. The ratio of the two kinds, averaged over p, is {told}.")

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

    W : (outputs, inputs); p : probability of dropping
    Returns a new array V with V @ x = W @ ((1 - p) * x) for every x.
    """
    check_probability(p)
    ### BEGIN SOLUTION
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
        V = weights_for_inverted(W.copy(), p)
        expect.array(V, (3, 8), hint="return a matrix of W's shape.")
        wrong = [] if p in (0, 1) else [
            (W @ x, "the weights are as they were. Shrink them."),
            (W @ x / (1 - p), "the weights grow. Multiply by 1 - p; do not divide."),
            (W @ x * p, "the weights are multiplied by p. Multiply by 1 - p."),
        ]
        expect.close(V @ x, W @ (x - p * x), rtol=1e-7, hint="scale W as x was scaled.",
                     suspects=wrong)

# %% check="weights_for_inverted" points=1
# The old weights are left alone.
W = expect.rng().normal(size=(2, 5))
before = W.copy()
with expect.case("weights_for_inverted(W, p=0.3), and W afterwards"):
    weights_for_inverted(W, 0.3)
    expect.unchanged(W, before)
    expect.copied(weights_for_inverted, W, 0.0)

# %% mistakes="weights_for_inverted"
{
    "as they were": ("(1 - p) * W", "W.copy()"),
    "the weights grow": ("(1 - p) * W", "W / (1 - p)"),
    "multiplied by p": ("(1 - p) * W", "p * W"),
    "writes into its input": ("return (1 - p) * W", "W *= 1 - p\n    return W"),
    "returns its input itself": ("(1 - p) * W", "(1 - p) * W if p else W"),
}

# %% correct="weights_for_inverted"
def weights_for_inverted(W, p):
    return W @ np.diag(np.full(W.shape[1], 1 - p))

# %% [markdown]
# Does it work on the digits? Train with standard dropout, convert with *your* function, and
# train a second network with *your* `inverted_dropout`.

# %% figure=true
# Log loss of old weights, converted weights, and weights trained with inverted dropout.
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
gap = plot.difference(losses[1], losses[2])
ax.set_title(gap.says(same="Converted weights do as well as inverted dropout",
                      more="Converted weights do worse than inverted dropout",
                      less="Converted weights do better than inverted dropout")
             + f": {gap:.3f} nats")
plot.show(fig, "Log loss of three networks: scaling forgotten, converted, and inverted dropout. "
               f"Converted minus inverted: {gap:.3f} nats.")

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
