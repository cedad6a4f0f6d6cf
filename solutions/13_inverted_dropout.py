# %% [markdown]
# # 1.3 · Inverted dropout
#
# **Why does nobody rescale at test time any more?**
#
# *65 minutes. Before: {{bernoulli_masks}} and {{weight_scaling}}. After, you will be able to
# write the dropout that every framework ships, to say what its mean and its noise are and why, and
# to move weights and recipes from the paper's dropout to yours.*
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

from dropoutlab import check_probability, data, expect, explore, plot, survivors, train

# %% [markdown]
# ## What does forgetting cost?
#
# In {{weight_scaling}} a layer dropped units while it trained, and did nothing else. The weights
# behind it then had to be multiplied by $1-p$ before the network was used. That is *standard
# dropout*, and it works. But the network that is *used*, perhaps for years and in other people's
# code, must carry a number that only training ever needed. Suppose you hand yours to a colleague
# and forget to mention it.
#
# Below, networks with one and with three hidden layers learn handwritten digits with standard
# dropout at $p = 0.5$, five of each. After every epoch they are tested twice: with their weights
# scaled, and as they are. Look at two numbers: the error rate, and the *log loss*, the mean of
# $-\log$ of the probability that the network gives to the right class, in *nats*, the unit of the
# natural logarithm. (A network that is sure and wrong pays a high price. The outputs before the
# softmax are called *logits*.) **Commit yourself first. Take the network with one hidden layer at
# the end of its training: by how many percentage points does its error rate rise if nobody
# scales?**

# %% guess=true
my_guess = 30  # percentage points

# %% figure=true
# What forgetting the scaling costs, epoch by epoch: error rate and log loss (some 10 seconds).
guess = expect.guess(my_guess)
X, y, X_test, y_test = data.digits()
X, X_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
epochs, p = 60, 0.5


def standard(h, rng, p=0.5):
    return h * survivors(h, p, rng)


def scaled(net, factor):
    """The network with the weights behind each of its masks multiplied."""
    return {k: factor * a if k[0] == "W" and k != "W1" else a for k, a in net.items()}


def scores(net):
    probabilities = train.predict(net, X_test)
    wrong, loss = train.error_rate(probabilities, y_test), train.log_loss(probabilities, y_test)
    return 100 * wrong, loss


trained, cost, late = {}, {}, {}
for depth in (1, 3):
    trained[depth], tested = [], []
    for seed in range(5):
        tested.append([])

        def look(epoch, net, to=tested[-1]):
            to.append((scores(net), scores(scaled(net, 1 - p))))

        net = train.layered(X, y, standard, seed, hidden=(64,) * depth, epochs=epochs, look=look)
        trained[depth].append(net)
    tested = np.array(tested)  # seed, epoch, forgotten or scaled, measure
    cost[depth] = tested[:, :, 0] - tested[:, :, 1]
    late[depth] = plot.difference(tested[:, -10:, 1, 0].mean(1), tested[:, -20:-10, 1, 0].mean(1))

fig, axes = plot.figure(2, height=3)
units = (("error rate, points", ".1f", "points"), ("log loss, nats", ".2f", "nats"))
for ax, measure, (label, spec, unit) in zip(axes, (0, 1), units, strict=True):
    said = []
    for depth, color in ((1, plot.BLUE), (3, plot.ORANGE)):
        runs = cost[depth][:, :, measure]
        mean, error = runs.mean(0), plot.standard_error(runs)
        ax.plot(range(1, epochs + 1), mean, color=color, label=f"hidden layers: {depth}")
        ax.fill_between(range(1, epochs + 1), mean - error, mean + error, color=color, alpha=0.25)
        said.append(f"hidden layers: {depth}, {plot.difference(runs[:, -1]):{spec}} {unit}")
    ax.axhline(0, color=plot.INK, linewidth=0.8)
    ax.set(xscale="log", xlabel="epochs of training", ylabel=f"forgotten − scaled,\n{label}")
    ax.set_xticks([1, 2, 5, 10, 20, 60], ["1", "2", "5", "10", "20", "60"])
    ax.minorticks_off()
    ax.set_title("What forgetting costs at the end:\n" + "\n".join(said))
axes[0].plot(epochs, guess, "X", color=plot.BLUE, markeredgecolor=plot.INK, markersize=9, zorder=3)
axes[0].annotate("your guess (1 layer)  ", (epochs, guess), ha="right", va="center")
axes[1].legend(loc="center right", bbox_to_anchor=(1, 0.45))  # between the curves
first = [plot.difference(cost[depth][:, 0, 1]) for depth in (1, 3)]
last = {depth: [plot.difference(runs[:, -1, i]) for i in (0, 1)] for depth, runs in cost.items()}
plot.show(fig, "Forgotten minus scaled against the epochs of training, for one and three hidden "
               "layers: error rate and log loss. After one epoch the log loss differs by "
               f"{first[0]:.2f} nats with one hidden layer, and by {first[1]:.2f} with three. From "
               "epochs 41–50 to 51–60, the error rate of the scaled networks changes by "
               f"{late[1]:.1f} and {late[3]:.1f} points.",
          claims={"loss-shows-what-error-hides": last[1][1].sign > 0 and abs(last[1][0].mean) < 1,
                  "three-layers-show-both": last[3][0].sign > 0 and last[3][1].sign > 0,
                  "early-it-can-help": first[0].sign < 0 and first[1].sign < 0})

# %% [markdown]
# (Bands and numbers after ±: standard errors over five networks.) Many expect a ruined network.
# With one hidden layer, look at the error rate at the end of training and then at the log loss.
# Every output receives twice the sum that it was trained on, and only its bias does not double. So
# all logits grow nearly alike, and the largest usually stays the largest. What breaks is less
# visible: the network is too sure of its answers, and only the log loss shows it.
#
# The deeper network is another matter. Its sums double at three layers, one after the other. Its
# biases don't, so they weigh less and less from layer to layer. The order of the logits may change
# as well, and the title says what that costs. How much accuracy hides depends on the network, and
# on how long it was trained.
#
# Now look at the first epochs, where the curves of the log loss lie *below* zero: by this measure
# forgetting helps there, whatever the error rate does. A network that has hardly learned is not
# sure enough of itself, and the wrong factor happens to make it surer. So a test score can mislead
# you about a scaling. The exercises therefore compare means.
#
# ### One question from {{weight_scaling}}
#
# There you scaled one of a network's four arrays. Which one, and by what factor if three hidden
# units in four were dropped? (Think of your answer, then unfold.)
#
# <details><summary>Answer</summary>
#
# $W_2$, the weights that lead *out* of the hidden units, by $1-p = \frac14$.
# </details>
#
# ## Exercise: `inverted_dropout`
#
# Move the scaling from the network that you use to the network that you train:
#
# $$ y = \frac{m \odot x}{1-p} \ \text{ in training}, \qquad y = x \ \text{ in evaluation.} $$
#
# That is all *inverted* means. As before, every entry has a coin of its own (`survivors(x, p, rng)`
# draws them, or you do), and `rng` is the only source of randomness. At $p=1$ nothing survives, and
# the output is zero.

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
    keep = survivors(x, p, rng)
    return x * keep / (1 - p) if p < 1 else np.zeros_like(x)
    ### END SOLUTION

# %% [markdown] hint="inverted_dropout"
# Two situations: the layer is in training, or it is not. Each takes a line or two.

# %% [markdown] hint="inverted_dropout"
# In training, begin with what standard dropout does. The formula has one operation more.

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
                    suspects=[(0, "no entry is dropped in training, which is the default. Does "
                                  "each have a coin, or do all share one?"),
                              (1, "every entry is dropped. Does each have a coin, or do all share "
                                  "one?"),
                              (1 - p, "p is taken for the probability of keeping: p drops.")])
        expect.mean(
            out,
            1,
            of=(0, 1 / (1 - p)),
            hint="the survivors are not scaled as in the formula above.",
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
    with expect.case(f"y / x for y = inverted_dropout(x, p={p}, rng), x normal numbers {shape}, "
                     f"{x.dtype}"):
        out = inverted_dropout(x, p, expect.rng())
        expect.unchanged(x, before)
        expect.array(out, shape, dtype, hint="return an array like x. (A boolean mask keeps the "
                     "dtype of what it multiplies.)")
        expect.varies((out == 0).ravel(), chance=0.75**6000, what="some dropped, some kept",
                      hint="all entries are kept, or all are dropped.")
        expect.only(out / before, (0, 1 / (1 - p)), rtol=1e-5, hint="a survivor is x / (1 - p).")
        expect.varies(out[before < 0] == 0, chance=0.999**40_000, what="some negative ones dropped",
                      hint="the sign decides what is dropped. Let a coin decide, for each entry.")

# %% check="inverted_dropout" points=1
# In evaluation, and at p = 0, the output is a copy of x.
with expect.case("inverted_dropout(x, p=0.6, rng) on 200 ones, in training"):
    out = inverted_dropout(np.ones(200), 0.6, expect.rng())
    expect.some(out == 0, "a dropped entry",
                hint="nothing is dropped in training either. Mend that first.")
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
with expect.case("inverted_dropout(x, p=0.5, rng) on 200 ones"):
    expect.some(inverted_dropout(np.ones(200), 0.5, expect.rng()) != 0, "an entry that is kept",
                hint="everything is dropped at p = 0.5 too. Mend that first.")
with expect.case("inverted_dropout(x, p=1.0, rng) on 50 000 ones, float32"):
    x = np.ones(50_000, np.float32)
    out = inverted_dropout(x, 1.0, expect.rng())
    expect.array(out, 50_000, np.float32, hint="return an array of x's shape and dtype.")
    expect.close(out, np.zeros(50_000), hint="at p = 1 every entry is dropped: return zeros.",
                 suspects=[(np.full(50_000, np.nan),
                            "0 / 0 gives NaN at p = 1. Return zeros there.")])
    expect.unchanged(x, np.ones(50_000))

# %% mistakes="inverted_dropout"
{
    "not scaled": (" / (1 - p) if", " if"),
    "divided by p. Divide": ("keep / (1 - p)", "keep / p"),
    "taken for the probability of keeping": ("survivors(", "~survivors("),
    "multiplied by 1 - p": ("keep / (1 - p)", "keep * (1 - p)"),
    "no entry is dropped": ("x * keep /", "x /"),
    "which is the default": ("if not training", "if training"),
    "every entry is dropped": ("x * keep /", "x * 0 /"),
    "p=1.0, rng) on 50 000 ones": ("np.zeros_like(x)", "np.multiply(x, 0, out=x)"),
    "at p = 1 every entry is dropped": ("keep = ", "p = min(p, 0.999)\n    keep = "),
    "every row has the same mask": ("survivors(x,", "survivors(x[(0,) * (x.ndim - 1)],"),
    "every column has the same mask":
        ("survivors(x,", "survivors(x[(slice(None), *[slice(1)] * (x.ndim - 1))],"),
    "an exact number is dropped for each call and row":
        ("survivors(x, p, rng)",
         "rng.permuted(0 * x + np.arange(x.shape[-1]) / x.shape[-1], axis=-1) >= p"),
    "a seed is set inside": ("p, rng)\n", "p, np.random.default_rng(0))\n"),
    "do not come from the given generator": ("p, rng)\n", "p, np.random)\n"),
    "still multiplies by 1 - p": ("x.copy()", "x * (1 - p)"),
    "evaluation scales too": ("x.copy()", "x / (1 - p)"),
    "nothing is dropped here": ("if not training", "if p == 0"),
    "returns its input itself": ("x.copy()", "x"),
    "writes into its input": ("return x * keep /", "x *= keep\n    return x /"),
    "keeps the dtype": ("survivors(x, p, rng)", "survivors(x, p, rng) * 1.0"),
    "0 / 0 gives NaN": (" if p < 1 else np.zeros_like(x)", ""),
    "the sign decides what is dropped": ("return x * keep", "return np.maximum(x, 0) * keep"),
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
# Each output now has the right mean. A single output still depends on its coin: it is
# $x_i/(1-p)$ with probability $1-p$, else 0. How much does it vary? Work out its mean and its
# variance over masks. There are two outcomes with two probabilities, so no simulation is needed.
#
# ## Exercise: `output_mean_and_variance`

# %% exercise="output_mean_and_variance"
def output_mean_and_variance(x, p):
    """The mean and the variance of inverted dropout's output over masks, entry by entry.

    x : array, left as it is; p : probability of dropping
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
x = np.array([[-2.0, 0.0], [0.5, 3.0]])
for p in (0.3, round(0.7 + 0.2 * expect.rng().random(), 3), 0.0):
    with expect.case(f"output_mean_and_variance(x, p={p}), the mean"):
        given = x.copy()
        average, variance = output_mean_and_variance(given, p)
        expect.unchanged(given, x)
        spread = p * (0 - x) ** 2 + (1 - p) * (x / (1 - p) - x) ** 2
        expect.close(
            average,
            p * 0 + (1 - p) * (x / (1 - p)),
            hint="average the two outcomes, 0 and x / (1 - p), by their probabilities.",
            suspects=[
                (x * (1 - p), "that is the mean without the scale 1 / (1 - p)."),
                (x / (1 - p), "that is the survivor's value, not the mean over masks."),
                *([] if p == 0 else [
                    (spread, "that is the variance. Return the mean first."),
                    (x * p, "p is swapped, and the scale 1 / (1 - p) is missing."),
                ]),
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
    x = np.array([[-2.0, 0.0], [0.5, 3.0]])
    given = x.copy()
    both = output_mean_and_variance(given, 1.0)
    expect.close(np.array(both), np.zeros((2, 2, 2)),
                 hint="at p = 1 the output is always 0: so are its mean and variance.")
    expect.unchanged(given, x)

# %% mistakes="output_mean_and_variance"
{
    "mean without the scale": ("return x,", "return (1 - p) * x,"),
    "survivor's value": ("return x,", "return x / (1 - p),"),
    "p is swapped": ("x, x**2 * p / (1 - p)", "p * x, x**2 * p * (1 - p)"),
    "the two outcomes": ("p == 1", "p in (0, 1)"),
    "Return the mean first": ("x, x**2 * p / (1 - p)", "x**2 * p / (1 - p), x"),
    "variance without the scale": ("p / (1 - p)", "p * (1 - p)"),
    "standard deviation": ("x**2 * p / (1 - p)", "np.abs(x) * np.sqrt(p / (1 - p))"),
    "square of x": ("x**2 *", "x *"),
    "Subtract the square of the mean": ("x**2 * p /", "x**2 /"),
    "writes into its input": ("x, x**2 * p", "x.copy(), np.square(x, out=x) * p"),
    "always 0": ("p == 1", "p > 1"),
}

# %% correct="output_mean_and_variance"
def output_mean_and_variance(x, p):
    keep = 1 - p
    second_moment = keep * (x / keep) ** 2 if keep else x * 0
    average = x * 1.0 if keep else x * 0
    return average, second_moment - average**2

# %% [markdown]
# The next figure compares your formula with the noise of your own `inverted_dropout`, and with
# that of standard dropout. All are divided by their means.
#
# **Predict first**: at the same $p$, is inverted dropout *noisier* relative to its mean than
# standard dropout, equally noisy, or less?

# %% guess=true
my_guess = "more"  # "more", "equal" or "less" noise than standard dropout, relative to the mean

# %% figure=true
# The noise of both kinds of dropout, relative to the mean, against p.
guess = expect.guess(my_guess, number=False)
rates = np.linspace(0.05, 0.9, 12)
rng = np.random.default_rng()
measured = {"inverted": [], "standard": []}
for p in rates:
    ones = np.ones((4_000, 20))  # 4 000 masks, 20 runs
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
    spread = runs.std(1, ddof=1)  # over the runs
    ax.errorbar(rates, runs.mean(1), spread, fmt=marker, color=color, label=name, capsize=2)
ax.set(xlabel="drop probability p", ylabel="standard deviation / mean")
ratio = np.mean(np.array(measured["inverted"]) / np.array(measured["standard"]), axis=0)
excess = plot.difference(ratio, 1)
told = f"{1 + excess.mean:.3f} ± {excess.error:.3f}"
ax.set_title(f"Noise, inverted over standard: {told}; in theory exactly 1 (you said: {guess})")
ax.legend()
plot.show(fig, "Standard deviation over mean against p, for both kinds of dropout and by your "
               f"formula. The ratio of the two kinds, averaged over p, is {told}.",
          claims={"relative-noise-is-the-same": abs(excess.mean) < 0.05})

# %% [markdown]
# Inverted dropout makes activations larger in training, which sounds like more noise. But it
# multiplies noise and signal alike: the standard deviation is $\sqrt{p/(1-p)}$ times the mean for
# both. At $p = 0.5$ noise and signal are equal; at $p = 0.9$ the noise is three times the signal.
#
# ## Old weights
#
# You receive a network that was trained by the recipe of 2014. Each layer has its own rate: a fifth
# of the inputs were dropped, and half of every hidden layer. Whoever uses it is expected to scale,
# and your code doesn't. Or the other way round: your network is to run in old code, which always
# multiplies by $1-p$. Convert the weights once, so that nobody has to remember.
#
# Two networks are the same if they give the same outputs *in training*, under every mask; then
# they also agree in use. Standard dropout computes $W (m \odot x) + b$. Inverted dropout computes
# $V (m \odot x) / (1-p) + b$ with weights $V$ of its own.
#
# ## Exercise: `convert_scheme`

# %% exercise="convert_scheme"
def convert_scheme(layers, rates, to):
    """Convert a network trained under one scheme so that it can be used under the other.

    layers : list of pairs (W, b), from first to last; W is (outputs, inputs)
    rates : for each layer the probability, below 1, with which its inputs were dropped
    to : the scheme you want. "inverted": `layers` come from standard dropout; "standard": from
        inverted
    Returns a new list of pairs (W, b), which computes under every mask what `layers` computed.
    The arrays that are given are left as they are.
    """
    ### BEGIN SOLUTION
    power = {"inverted": 1, "standard": -1}[to]
    return [(W * (1 - p) ** power, b) for (W, b), p in zip(layers, rates, strict=True)]
    ### END SOLUTION

# %% [markdown] hint="convert_scheme"
# Set the two formulas equal: what is $V$, if $W(m \odot x) = V(m \odot x)/(1-p)$?

# %% [markdown] hint="convert_scheme"
# For the other direction, solve the same equation for $W$. In neither does the bias appear.

# %% [markdown] hint="convert_scheme"
# `zip(layers, rates)` goes through both together: the first rate belongs to what enters the first
# layer.

# %% check="convert_scheme" points=2
# To inverted dropout: the converted network computes the same under each of 128 masks.
rng = expect.rng()
layers = [(rng.uniform(0.1, 1, (4, 3)), rng.uniform(0.1, 1, 4)),  # so that the ReLU lets all pass
          (rng.normal(size=(2, 4)), rng.normal(size=2))]
rates = [0.2, 0.6]
masks = np.arange(128)[:, None] >> np.arange(7) & 1
x = rng.uniform(0.5, 1.5, 3)


def outputs(of, factors):
    (W1, b1), (W2, b2) = of
    h = np.maximum(masks[:, :3] * x * factors[0] @ W1.T + b1, 0)
    return masks[:, 3:] * h * factors[1] @ W2.T + b2


def times(first, second, *, biases=(1, 1)):
    (W1, b1), (W2, b2) = layers
    return outputs([(first * W1, biases[0] * b1), (second * W2, biases[1] * b2)], inverted)


inverted = [1 / (1 - p) for p in rates]
a, b = (1 - p for p in rates)
with expect.case("convert_scheme(layers, [0.2, 0.6], 'inverted'): its outputs in training",
                 crash=[("back: unpack", "return a list of pairs (W, b), a pair for each layer.")]):
    new = convert_scheme([(W.copy(), c.copy()) for W, c in layers], rates, "inverted")
    (W1, b1), (W2, b2) = new
    expect.array(W1, (4, 3), hint="return a list of pairs (W, b), with the shapes of those given.")
    expect.array(b2, 2, hint="return a list of pairs (W, b), with the shapes of those given.")
    expect.close(
        outputs(new, inverted),
        outputs(layers, (1, 1)),
        rtol=1e-7,
        atol=1e-9,
        hint="under the same masks the two networks compute something else. Solve "
             "W (m * x) = V (m * x) / (1 - p) for V, in every layer.",
        suspects=[
            (times(1, 1), "the weights are as they were: they must shrink by 1 - p."),
            (times(1 / a, 1 / b), "the weights grow. Here W (m * x) = V (m * x) / (1 - p): "
                                  "multiply by 1 - p."),
            (times(1 - a, 1 - b), "the weights are multiplied by p. Multiply by 1 - p."),
            (times(b, a), "the rates are in the wrong order: the first is for what enters the "
                          "first layer."),
            (times(a, a), "one layer's rate is used for every layer. Go through layers and rates "
                          "together."),
            (times(b, b), "one layer's rate is used for every layer. Go through layers and rates "
                          "together."),
            (times(b, 1), "each rate belongs to the layer whose *inputs* were dropped, not to the "
                          "layer before."),
            (times(1, b), "the first layer is left out: its inputs were dropped too."),
            (times(a, 1), "the last layer is left out: its inputs were dropped too."),
            (times(a, b, biases=(a, b)), "the biases are scaled too. They were there under every "
                                         "mask."),
            (times(a, a * b), "earlier layers' rates are multiplied in. Scale each layer by its "
                              "own rate, not by those before."),
        ],
    )

# %% check="convert_scheme" points=1
# To standard dropout: each layer computes under a mask what it computed.
rng = expect.rng()
layers = [(rng.normal(size=s), rng.normal(size=s[0])) for s in ((4, 3), (5, 4), (2, 5))]
rates = [0.2, 0.4, float(rng.uniform(0.6, 0.9))]
with expect.case("convert_scheme(layers, rates, 'standard') of three layers: each layer's output",
                 crash=[("back: unpack", "return a list of pairs (W, b), a pair for each layer.")]):
    new = convert_scheme([(V.copy(), b.copy()) for V, b in layers], rates, "standard")
    for (V, b), (W, c), p in zip(layers, new, rates, strict=True):
        sent = rng.uniform(0.5, 1.5, V.shape[1]) * (np.arange(V.shape[1]) > 0)  # m * x
        others = [(V @ sent / (1 - q) + b, "this layer grows by another layer's rate. Go through "
                                           "layers and rates together.") for q in rates if q != p]
        expect.close(W @ sent + c, V @ sent / (1 - p) + b, rtol=1e-7, atol=1e-9, suspects=[
            (V @ sent + b, "this layer's weights stay as they were. They must grow."),
            ((1 - p) * V @ sent + b, "this layer's weights shrink. To 'standard' they grow: solve "
                                     "W (m * x) = V (m * x) / (1 - p) for W."),
            ((V @ sent + b) / (1 - p), "the biases grow as well. No mask acts on them."),
            (V @ sent / p + b, "the weights are divided by p. Divide by 1 - p."),
            *others,
        ], hint="W (m * x) + b is not V (m * x) / (1 - p) + b.")
with expect.case("the number of pairs in convert_scheme(layers, [0.0, 0.4, 0.0], 'standard')"):
    new = convert_scheme([(V.copy(), b.copy()) for V, b in layers], [0.0, 0.4, 0.0], "standard")
    expect.equal(len(list(new)), 3, hint="return a pair for each layer, also where the rate is 0.")

# %% check="convert_scheme" points=1
# The network that was given is left alone.
rng = expect.rng()
layers = [(rng.normal(size=s), rng.normal(size=s[0])) for s in ((2, 3), (1, 2))]
before = [(W.copy(), b.copy()) for W, b in layers]
for to in ("inverted", "standard"):
    with expect.case(f"convert_scheme(layers, [0.3, 0.4], {to!r}), and layers afterwards"):
        new = convert_scheme(layers, [0.3, 0.4], to)
        for (W, b), (V, c) in zip(layers, before, strict=True):
            for now, then in ((W, V), (b, c)):
                expect.unchanged(now, then, hint="`layers` is written into. Return a new list of "
                                                 "new arrays.")
        same = [np.allclose(W, V) for (W, _), (V, _) in zip(new, before, strict=True)]
        expect.some(not any(same), "other weights in each layer",
                    hint="the weights that come back are as they were. Mend that first.")

# %% mistakes="convert_scheme"
{
    "the weights are as they were": ('"inverted": 1', '"inverted": 0'),
    "the weights grow": ('"inverted": 1, "standard": -1', '"inverted": -1, "standard": 1'),
    "multiplied by p": ("(1 - p)", "p"),
    "in the wrong order": ("(layers, rates", "(layers, rates[::-1]"),
    "whose *inputs* were dropped": ("(layers, rates", "(layers, [*rates[1:], 0]"),
    "the first layer is left out": ("(layers, rates", "(layers, [0, *rates[1:]]"),
    "the last layer is left out": ("(layers, rates", "(layers, [*rates[:-1], 0]"),
    "not by those before": ("(layers, rates", "(layers, 1 - np.cumprod(1 - np.array(rates))"),
    "Solve W": ("W * (1 - p) ** power", "np.sqrt(1 - p) ** power * W"),
    "one layer's rate is used for every layer":
        ("(layers, rates", "(layers, rates[:1] * len(layers)"),
    "this layer grows by another layer's rate": ("zip(layers, rates, strict=True)",
        "zip(layers, rates if power > 0 else rates[:1] * 3, strict=True)"),
    "the weights are divided by p": ("(1 - p) ** power", "(1 - p if power > 0 else p) ** power"),
    "To 'standard' they grow": ('"standard": -1', '"standard": 1'),
    "They must grow": ('"standard": -1', '"standard": 0'),
    "biases are scaled too": ("power, b)", "power, (1 - p) ** power * b)"),
    "No mask acts on them": ("power, b)", "power, b if power > 0 else b / (1 - p))"),
    "return a list of pairs": ("(W * (1 - p) ** power, b)", "W * (1 - p) ** power"),
    "(m * x) / (1 - p) + b": ("1, \"standard\": -1", "1, \"standard\": -2"),
    "Return a new list of new arrays": ("W * (1 - p) ** power", "W.__imul__((1 - p) ** power)"),
    "'standard'), and layers afterwards":
        ("W * (1 - p) ** power", "W * (1 - p) if power > 0 else W.__itruediv__(1 - p)"),
    "also where the rate is 0": ("strict=True)", "strict=True) if p"),
}

# %% correct="convert_scheme"
def convert_scheme(layers, rates, to):
    new = []
    for i in range(len(layers)):
        W, b = layers[i]
        keep = 1 - rates[i]
        new.append([W * keep if to == "inverted" else W / keep, np.array(b)])
    return new

# %% [markdown]
# Does this solve the colleague's problem? Take the networks with three hidden layers from the first
# figure, at the end of training, as they are and as *you* convert them. Their pixels were never
# dropped.

# %% figure=true
# Log loss of the old networks with three hidden layers, as they came and converted by you.
found = {"as they came": [], "converted by you": []}
for net in trained[3]:
    layers = [(net[f"W{k}"], net[f"b{k}"]) for k in (1, 2, 3, 4)]
    converted = {}
    for k, (W, b) in enumerate(convert_scheme(layers, [0, 0.5, 0.5, 0.5], "inverted"), 1):
        converted |= {f"W{k}": W, f"b{k}": b}
    for runs, one in zip(found.values(), (net, converted), strict=True):
        runs.append(scores(one)[1])

losses = np.array(list(found.values()))
fig, (ax,) = plot.figure(1, height=1.7)
plot.bars(losses.mean(1), list(found), ax, spread=plot.standard_error(losses, 1),
          colors=[plot.ORANGE, plot.BLUE])
ax.set_xlabel("log loss on test digits, nats (5 networks ± standard error)")
gap = plot.difference(losses[1], losses[0])
told = gap.says(more="Converting makes the log loss worse", less="Converting lowers the log loss",
                same="Converting does not change the log loss") + f": {gap:.2f} nats"
ax.set_title(told)
plot.show(fig, f"Log loss of five networks as they came and converted. {told}.")

# %% [markdown]
# ## An old recipe
#
# Training recipes have to be converted too. Appendix A of the 2014 paper says how to train with
# dropout (here, as always, $p$ is the probability of dropping):
#
# | | without dropout | with dropout |
# | --- | --- | --- |
# | units of a layer | $n$ | at least $n/(1-p)$ |
# | learning rate | the best one | 10 to 100 times as high |
# | momentum (share of the previous step that is added to this one) | 0.9 | 0.95 to 0.99 |
# | norm of a hidden unit's incoming weights | free | bounded, typically by 3 to 4 |
#
# Dropout, it explains, makes the gradients so noisy that many cancel one another; larger steps make
# up for that, and the bound on the norm lets them be large. But those are steps of *standard*
# dropout. Which learning rate takes the same steps in your scheme?
#
# Take a layer behind a mask, once with weights $W$ and standard dropout, once with $V = (1-p)\,W$
# and inverted dropout. They compute the same $z$. Each now takes a step against its own gradient,
# $W - \eta\,\partial L/\partial W$ and $V - \eta'\,\partial L/\partial V$. For which $\eta'$ do
# they still compute the same $z$ afterwards? All that you need to know of gradients: in
# $z = A\,u$, $\partial L/\partial A = (\partial L/\partial z)\,u^\top$.
#
# ## Exercise: `matched_rate`

# %% exercise="matched_rate"
def matched_rate(rate, p):
    """The learning rate at which inverted dropout takes the steps of standard dropout at `rate`.

    For the weights behind a mask: if V = (1 - p) * W before a step of gradient descent under some
    mask, where W learns with `rate`, then V = (1 - p) * W after it too.

    rate : learning rate of W, in a layer with standard dropout
    p : probability of dropping, below 1
    Returns a number.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return rate * (1 - p) ** 2
    ### END SOLUTION

# %% [markdown] hint="matched_rate"
# $z = W (m \odot x)$ and $z = V (m \odot x)/(1-p)$ are the same $z$, so $\partial L/\partial z$ is
# the same too. By what factor do $\partial L/\partial V$ and $\partial L/\partial W$ differ?

# %% [markdown] hint="matched_rate"
# If $W$ moves by some $\Delta$, by how much must $V$ move to remain $(1-p)\,W$?

# %% [markdown] hint="matched_rate"
# Put both into $\eta'\,\partial L/\partial V = (1-p)\,\eta\,\partial L/\partial W$, and solve for
# $\eta'$.

# %% check="matched_rate" points=2
# After a step with your rate the two layers still compute the same.
rng = expect.rng()
W, x, target = rng.normal(size=(3, 6)), rng.normal(size=6), rng.normal(size=3)
mask = np.array([1, 0, 1, 1, 0, 1])
some = float(rng.uniform(0.01, 1)), float(rng.uniform(0.6, 0.9))
for rate, p in ((0.1, 0.5), (0.4, 0.2), some):
    V = (1 - p) * W
    of_W = np.outer(W @ (mask * x) - target, mask * x)  # of L = |z - target|² / 2
    of_V = np.outer(V @ (mask * x) / (1 - p) - target, mask * x / (1 - p))
    needed = np.sum((1 - p) * rate * of_W * of_V) / np.sum(of_V**2)
    with expect.case(f"matched_rate({rate:.3g}, p={p:.3g})"):
        known = [] if p == 0.5 else [
            (rate * p, "p is swapped: the probability of keeping is 1 - p."),
            (rate * p**2, "p is swapped: the probability of keeping is 1 - p."),
        ]
        expect.close(
            matched_rate(rate, p),
            needed,
            rtol=1e-7,
            hint="with this rate V is no longer (1 - p) W after one step.",
            suspects=[
                (rate, "the rate is as it was, but V's gradient differs from W's."),
                (rate * (1 - p), "one factor is missing: V's gradient differs from W's, and so "
                                 "does the distance that V must move."),
                (rate / (1 - p), "the step would grow. V's gradient is the larger one already, "
                                 "and V's entries are smaller."),
                (rate / (1 - p) ** 2, "that is the opposite conversion: the standard rate that "
                                      "takes the steps of inverted dropout."),
                *known,
            ],
        )

# %% mistakes="matched_rate"
{
    "the rate is as it was": (" * (1 - p) ** 2", ""),
    "one factor is missing": (" ** 2", ""),
    "the step would grow": ("* (1 - p) ** 2", "/ (1 - p)"),
    "opposite conversion": ("* (1 - p) ** 2", "/ (1 - p) ** 2"),
    "p is swapped": ("(1 - p) ** 2", "p**2"),
    "no longer (1 - p) W": ("** 2", "** 3"),
}

# %% correct="matched_rate"
def matched_rate(rate, p):
    keep = 1 - p
    gradient, movement = 1 / keep, keep
    return rate * movement / gradient

# %% [markdown]
# Two factors of $1-p$ meet: the entries of $V$ are smaller, and its gradient is larger. So the
# same learning rate is a larger step in your scheme. This concerns the weights *behind* the mask.
# Those in front of it keep their rate, since the gradient that reaches them is the same.
#
# Does the paper's advice hold here? The next figure trains a network with one hidden layer of 64
# units, without dropout and with both schemes at $p = 0.5$, at five learning rates. Each run of 30
# epochs is scored by the lowest log loss that it reaches on the test digits (they serve as
# validation data here), so a run that overfits later is not penalised for it. **Commit yourself:
# how many times as high is the best learning rate with *standard* dropout as without dropout?**

# %% guess=true
my_guess = 10  # times as high

# %% figure=true
# The lowest log loss against the learning rate, for three kinds of network: takes some 20 seconds.
guess = expect.guess(my_guess)
p, rates = 0.5, 0.02 * 2.5 ** np.arange(5)
kinds = {
    "no dropout": (lambda h, rng: h, 1, plot.GREY),
    "standard": (lambda h, rng: standard(h, rng, p), 1 - p, plot.ORANGE),
    "inverted": (lambda h, rng: inverted_dropout(h, p, rng), 1, plot.BLUE),
}


def lowest(dropout, factor, rate, seed):
    """The lowest test log loss after any epoch."""
    seen = []
    train.two_layer(X, y, dropout, seed, hidden=64, rate=rate,
                    look=lambda epoch, net: seen.append(scores(scaled(net, factor))[1]))
    return min(seen)


def bottom(losses):
    """log2 of the rate at the bottom of the parabola through the best point and its neighbours."""
    i = int(np.clip(np.argmin(losses), 1, len(losses) - 2))
    a, b, _ = np.polyfit(np.log2(rates[i - 1 : i + 2]), losses[i - 1 : i + 2], 2)
    if a <= 0:  # no valley: the best is at an end
        return np.log2(rates[np.argmin(losses)])
    return np.clip(-b / (2 * a), *np.log2(rates[[0, -1]]))


fig, (ax,) = plot.figure(1, height=3, width=8)
best = {}
for kind, (dropout, factor, color) in kinds.items():
    runs = np.array([[lowest(dropout, factor, rate, seed) for rate in rates] for seed in range(4)])
    best[kind] = np.array([bottom(losses) for losses in runs])
    highest = runs.mean(0).max()
    beyond = f" (up to {highest:.2f})" if highest > 0.52 else ""
    ax.errorbar(rates, runs.mean(0), plot.standard_error(runs), fmt="o-", color=color, capsize=2,
                label=kind + beyond)
without = 2 ** best["no dropout"].mean()
ax.axvline(guess * without, color=plot.ORANGE, linestyle="--", linewidth=0.8)
side = "right" if guess * without > 0.13 else "left"
ax.annotate(" your guess × best rate \n without dropout ", (guess * without, 0.14), ha=side,
            color=plot.ORANGE)


def times(first, second):
    """How many times as high the best rate of the first is, and one standard error around it."""
    gap = plot.difference(best[first], best[second])
    low, middle, high = 2 ** (gap.mean + gap.error * np.arange(-1, 2))
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


told = (f"Best rate with standard dropout: {times('standard', 'no dropout')} times that without;\n"
        f"with inverted: {times('inverted', 'no dropout')}; "
        f"standard over inverted: {times('standard', 'inverted')}")
ax.set(xscale="log", xlabel="learning rate (momentum 0.9)", ylim=(0.13, 0.52))
ax.set_ylabel("lowest log loss in 30 epochs,\nnats (4 networks ± s.e.)")
ax.set_xticks(rates, [f"{rate:.2g}" for rate in rates])
ax.minorticks_off()
ax.set_title(told)
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plot.show(fig, "The lowest log loss against the learning rate, without dropout and with both "
               f"schemes. {told}.")
ends = [np.isin(found, np.log2(rates[[0, -1]])).sum() for found in best.values()]
if sum(ends):
    print("Best at an end of the range of rates, where a better one may lie outside: "
          + ", ".join(f"{kind} {n} of 4" for kind, n in zip(best, ends, strict=True)))

# %% [markdown]
# (A best rate is the bottom of a parabola through the lowest point and its neighbours, so it may
# lie between those tried. In brackets: one standard error down and up, over four networks. With
# more than 30 epochs, lower rates may do better.) Compare the first number with the paper's 10 to
# 100. The paper used other networks and other data, and where a curve has a flat bottom, its best
# rate is not a sharp number. If only the weights in front of the mask mattered, the last number
# would be 1. If only those behind it did, and training had started from $V = (1-p)\,W$, it would be
# 4 at $p=0.5$, as you have shown. (Here both kinds start alike.)
#
# Standard dropout's factor (the first number) is inverted dropout's (the second) times what the
# scheme alone changes (the third). So take no factor from a recipe, and tune the rate of every
# network that you compare. {{overfitting}} does so in earnest, with the width and the bound on the
# norm.

# %% [markdown]
# ## Explore: what each scaling bug does to the mean
#
# On the left is your own `inverted_dropout` on 30 units. On the right is the mean of a signal that
# goes through several dropout layers in a row (each unit receives the mean of the layer before), in
# training divided by evaluation. But for chance, a correct scheme stays at 1 however deep it is.
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
# At test time, the activations of a network with inverted dropout are:
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
# Hint: p is the probability of dropping. How many of four units survive at p = 0.75?

# %% question="forgotten_answer" points=1
# A classifier with one hidden layer was trained to the end with standard dropout. Its scaling is
# then forgotten. Which measure shows the mistake clearly?
#
# - [ ] error rate
# - [x] log loss
# - [ ] the order of the classes
#
# Hint: look at the blue curves of this lesson's first figure.

# %% [markdown]
# ## In your own words
#
# In both schemes, the layer's output in use is its mean in training. Say in two to five sentences
# why every framework scales in training, and name one situation in which a team that mixes the two
# schemes would be hurt without seeing it in the accuracy. (In a class, your instructor grades
# this.)

# %% [markdown] answer="why_scale" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: the network that is used needs no p and no extra step, so that the
# deployed code, export formats and later changes of p cannot get it wrong. One point: a concrete
# mix, such as standard-dropout weights loaded into a framework with inverted dropout, in a network
# with one dropped layer: all logits grow by nearly 1 / (1 - p), the order of classes stays, and
# confidence, log loss, thresholds or calibrated decisions are off. Also right: a test early in
# training, where the wrong factor lowers the log loss.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - With survivors scaled by $1/(1-p)$ in training, the mean of every output is its input, and in
#   evaluation the layer passes its input on unchanged.
# - The variance is $x^2 p/(1-p)$; the standard deviation, relative to the mean, is the same as
#   without scaling.{{claim:relative-noise-is-the-same}}
# - In a network with one hidden layer, the error rate hardly shows that scaling was forgotten; the
#   log loss does.{{claim:loss-shows-what-error-hides}} In our networks with three, both did.
#   {{claim:three-layers-show-both}} Early in training it can even lower the log loss.
#   {{claim:early-it-can-help}}
# - Multiply weights behind a mask that were trained with standard dropout by $1-p$ to use them with
#   inverted dropout. Multiply their learning rate by $(1-p)^2$ to take the same steps.
#
# **Read.** Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov,
# *Dropout: a simple way to prevent neural networks from overfitting*, JMLR 15 (2014): §10 says that
# scaling by $1/p$ in training (their $p$ is the probability of keeping) is equivalent to scaling by
# $p$ at test time, if learning rates and initial weights are scaled to match; appendix A is the
# recipe. The documentation of `torch.nn.Dropout`: its formula is yours.
#
# **Stretch.** `matched_rate` holds for plain gradient descent. What must become of momentum, of the
# strength of weight decay, of the bound on the norm, and of the learning rate and the ε of Adam,
# which divides each gradient by its own size (Kingma and Ba, *Adam*, arXiv:1412.6980, §2.1)? Train
# both layers under the same masks: $V$ must stay $(1-p)\,W$ to rounding.
#
# **Still open.** The output's mean is right. Is its *gradient*? That is {{backward}}.
