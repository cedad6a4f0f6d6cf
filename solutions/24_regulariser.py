# %% [markdown]
# # 2.4 · Dropout as a regulariser
#
# **Is dropout just L2?**
#
# *45 minutes. Before: {{weight_scaling}} and {{inverted_dropout}}. After, you will be able to say
# which penalty dropout adds to a linear and to a logistic model, to compute it without a single
# mask, and to name three places where "dropout is L2" is wrong.*
#
# | symbol | meaning |
# | --- | --- |
# | $X$, $y$ | inputs, $n$ rows of $d$ features, and targets |
# | $w$ | weights of a linear model, which predicts $Xw$ |
# | $p$ | probability that an input is **dropped** |
# | $m$ | mask of $X$'s shape: each entry 1 with probability $1-p$, else 0 |
# | $\sigma$ | $\sigma(z) = 1/(1+e^{-z})$ |

# %% setup=true
import numpy as np

from dropoutlab import check_probability, data, expect, explore, plot, train

# %% [markdown]
# ## Where we stand
#
# {{ensemble}} and {{coadaptation}} looked at dropout as an ensemble and as a cure for
# co-adaptation. A third tradition says: it is noise, noise is a penalty on the weights, and the
# penalty is L2. Today you compute that penalty.
#
# Begin with the smallest model there is: one input, one weight, $y = 2x$ plus a little noise.
# Its input goes through inverted dropout with $p = 0.5$ while the weight is trained.

# %%
def inverted(x, p, rng):
    return x * (rng.random(x.shape) >= p) / (1 - p)


def descend(X, y, p, seed, steps=1500, rate=0.05):
    """Gradient descent with a fresh mask at each step: the mean of the last weights."""
    rng = np.random.default_rng(seed)
    w, kept = np.zeros(X.shape[1]), []
    for _ in range(steps):
        thinned = inverted(X, p, rng)
        w = w - rate * thinned.T @ (thinned @ w - y) / len(y)
        kept.append(w)
    return np.mean(kept[steps // 3 :], 0)

# %% [markdown]
# The mean of the input is kept, so you may expect the slope to be kept too; and you may expect a
# regulariser to matter less the more data there are. **Before you run the figure, guess: which
# slope is learnt from 3000 rows?**

# %% guess=true
my_guess = 2.0  # the slope that is learnt with dropout from 3000 rows

# %% figure=true
# The slope that is learnt with dropout, from 30, 300 and 3000 rows.
guess = expect.guess(my_guess)
sizes, slopes = (30, 300, 3000), []
for n in sizes:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=n)
        noisy = 2 * x + rng.normal(0, 0.5, n)
        slopes.append(descend(x[:, None], noisy, 0.5, seed)[0])
slopes = np.reshape(slopes, (3, 5))

fig, (left, right) = plot.figure(2, height=2.8)
left.plot(x[:300], noisy[:300], ".", color=plot.GREY, markersize=3)
ends = np.array([-3, 3])
for slope, name, color in (
    (guess, "your guess", plot.ORANGE),
    (slopes[-1].mean(), "learnt with dropout", plot.BLUE),
):
    left.plot(ends, slope * ends, color=color, label=f"{name}: {slope:.2f}")
left.set(xlabel="x", ylabel="y")
left.set_title(f"Learnt slope − 2: {plot.difference(slopes[-1], 2):.3f}")
left.legend(loc="upper left")
right.plot(np.repeat(sizes, 5), slopes.ravel(), "o", color=plot.BLUE, alpha=0.6)
right.axhline(guess, color=plot.ORANGE, linestyle="--")
right.set_xscale("log")
right.set_xticks(sizes, sizes)
right.set(xlabel="rows of data (5 runs each)", ylabel="slope", ylim=(0, 2.5))
gain = plot.difference(slopes[-1], slopes[0])
right.set_title(gain.says(
    more=f"More from 3000 rows than 30: {gain:.2f}",
    less=f"Less from 3000 rows than 30: {gain:.2f}",
    same=f"3000 rows − 30 rows: {gain:.2f}",
))
plot.show(fig, "Left, the data with two lines through them, your guess and the learnt one. Right, "
               "the learnt slopes against the number of rows, and your guess.")

# %% [markdown]
# The output's mean is right at every step, and still the weight comes out at half its size.
# Something pulls it to zero, as hard with 3000 rows as with 30. A fixed L2 penalty fades as data
# come in; this one grows with them.
#
# ### One question from {{inverted_dropout}}
#
# The output of inverted dropout, $m_j x_j/(1-p)$, has mean $x_j$. What was its variance? And
# how does $\mathbb E[(y-z)^2]$ depend on the mean and on the variance of a random $z$? These
# two answers are half of this lesson.
#
# ## Exercise: `monte_carlo_squared_loss`
#
# What is minimised, then, is not the loss of one thinned model but its mean over masks:
#
# $$ L(w) = \mathbb E_m \Bigl\| y - \frac{m \odot X}{1-p}\, w \Bigr\|^2 . $$
#
# First estimate it with $k$ masks. The tempting shortcut is to average the *outputs* of the
# $k$ thinned models and to take the loss of that average. It loses exactly what we are after.
#
# All losses of this lesson are **sums** over the $n$ rows, as in the papers, not means.

# %% exercise="monte_carlo_squared_loss"
def monte_carlo_squared_loss(w, X, y, p, k, rng):
    """The mean over k masks m of ||y - (m * X / (1 - p)) w||²: a number.

    ||·||² sums over the rows. Each mask is new and of X's whole shape; rng draws them all.

    w : (d,), X : (n, d), y : (n,), left as they are; k : number of masks, 1 or more
    p : probability of dropping, below 1
    """
    check_probability(p)
    ### BEGIN SOLUTION
    losses = []
    for _ in range(k):
        keep = rng.random(X.shape) >= p
        z = (X * keep / (1 - p)) @ w
        losses.append(np.sum((y - z) ** 2))
    return np.mean(losses)
    ### END SOLUTION

# %% [markdown] hint="monte_carlo_squared_loss"
# Write the loss of one mask first. What must be repeated $k$ times, and what is averaged?

# %% [markdown] hint="monte_carlo_squared_loss"
# The function `inverted`, above your guess, makes one thinned $X$.

# %% [markdown] hint="monte_carlo_squared_loss"
# A loop adds up $k$ losses, each a sum of squares over the rows. Only $k$ divides.

# %% [markdown]
# Your own losses, one mask each: the mean of this histogram is what training sees.

# %% figure=true
# The loss of 1000 thinned models with the true weights, and the loss without dropout.
rng = np.random.default_rng()
forty = rng.normal(size=(40, 6)) * [0.5, 1, 1, 1, 2, 2]
true_w = np.array([2.0, 1.0, -1.0, 0.0, 0.5, -0.5])
targets = forty @ true_w + rng.normal(0, 0.5, 40)
single = [monte_carlo_squared_loss(true_w, forty, targets, 0.3, 1, rng) for _ in range(1000)]

fig, (ax,) = plot.figure(1, height=2.4, width=6)
ax.hist(single, 40, color=plot.SKY)
ax.axvline(np.mean(single), color=plot.BLUE, label=f"their mean: {np.mean(single):.0f}")
bare = np.sum((targets - forty @ true_w) ** 2)
ax.axvline(bare, color=plot.ORANGE, label=f"loss without dropout: {bare:.0f}")
ax.set(xlabel="squared loss, sum over 40 rows", ylabel="masks", xlim=(0, 1.25 * max(single)))
gap = plot.difference(single, bare)
ax.set_title(gap.says(
    more=f"With the true weights, dropout adds {gap:.0f}",
    less=f"With the true weights, dropout takes away: {gap:.0f}",
    same=f"With the true weights, dropout adds nothing: {gap:.0f}",
))
ax.legend(loc="upper right")
plot.show(fig, "A histogram of your losses over masks, with two lines: their mean, and the loss "
               "without dropout.")

# %% check="monte_carlo_squared_loss" points=1
# With one mask, the loss is the sum over the rows of the squared errors of a thinned model.
y = np.array([0.7, 3.1])
masks = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
losses = {scale: np.sum((y - 2 * scale * masks) ** 2, 1) for scale in (1, 1.25, 0.8, 5)}
errors = y - 2.5 * masks
with expect.case("monte_carlo_squared_loss(w, X, y, p=0.2, k=1, rng), one feature, 40 times"):
    found = [
        monte_carlo_squared_loss(np.array([2.0]), np.ones((2, 1)), y.copy(), 0.2, 1, rng)
        for rng in [expect.rng()] for _ in range(40)
    ]
    wrong = (
        (losses[1][1:-1], "the survivors are not scaled. Divide them by 1 - p."),
        (losses[1][-1:], "nothing is dropped, and nothing scaled."),
        (losses[0.8], "the survivors are multiplied by 1 - p. Divide them by it."),
        (losses[5], "the survivors are divided by p. Divide them by 1 - p."),
        (losses[1.25] / 2, "that is the mean over the rows. Sum over them."),
        (np.sqrt(losses[1.25]), "that is a root: ||·||² is the sum of the squares itself."),
        (errors.sum(1), "the errors are not squared."),
        (abs(errors).sum(1), "the errors are not squared."),
    )
    expect.only(found, losses[1.25], rtol=1e-5,
                hint="the loss of one mask m is ||y - (m * X / (1 - p)) w||².",
                suspects=[(value, words) for values, words in wrong for value in values])

# %% check="monte_carlo_squared_loss" points=2
# The k losses of k masks are averaged, not the k outputs.
with expect.case("monte_carlo_squared_loss(w, X, y, p=0.5, k=3, rng) on 30 ones"):
    X = np.ones((30, 1))
    monte_carlo_squared_loss(np.ones(1), X, np.zeros(30), 0.5, 3, expect.rng())
    expect.unchanged(X, np.ones((30, 1)), hint="X is changed, and the second mask falls on what "
                     "the first one left. Make a new array for each mask.")
rng = expect.rng()
w, X, y = rng.normal(size=4), rng.normal(size=(7, 4)), rng.normal(size=7)
whole = np.sum((y - X @ w) ** 2)
with expect.case("monte_carlo_squared_loss(w, X, y, p=0, k=5, rng)"):
    loss = monte_carlo_squared_loss(w, X, y, 0.0, 5, expect.rng())
    expect.close(loss, whole, rtol=1e-5, hint="with nothing dropped it must be ||y - X w||².",
                 suspects=[
                     (np.sum(y**2), "everything is dropped at p = 0: p is swapped with 1 - p."),
                     (5 * whole, "the k losses are added up. Divide by k."),
                     (whole / 5, "one loss is divided by k. Add up k of them."),
                     (np.full(5, whole), "those are the k losses. Return their mean."),
                 ])
with expect.case("monte_carlo_squared_loss(w, X, y, p=0.2, k=2000, rng) on a single 1"):
    loss = monte_carlo_squared_loss(np.ones(1), np.ones((1, 1)), np.zeros(1), 0.2, 2000, rng)
    same = "one mask is used k times. Draw a new one each time."
    expect.mean([loss] * 2000, 1 / 0.8, of=(0, 1 / 0.8**2),  # the mean of 2000 coins, as often
                hint="a mask costs 0 with probability p, else 1 / (1 - p)².",
                suspects=[(0, same), (1 / 0.8**2, same),
                          (1, "the outputs are averaged before the loss. Average the losses.")])

# %% check="monte_carlo_squared_loss" points=2
# Every entry of X has a coin of its own, new for each mask and from rng alone.
X, w = 32.0 ** np.arange(4)[:, None] * np.ones(5), 2.0 ** np.arange(5)


def kept(p, rng):
    """The mask, read from the loss: row i adds 1024**i times the square of its five bits."""
    loss = monte_carlo_squared_loss(w.copy(), X.copy(), np.zeros(4), p, 1, rng)
    rows = np.rint(float(loss) * (1 - p) ** 2) // 1024 ** np.arange(4) % 1024
    mask = np.rint(np.sqrt(rows)).astype(int)[:, None] >> np.arange(5) & 1
    expect.close(loss, np.sum((mask * X / (1 - p) @ w) ** 2),
                 hint="with y = 0, that is ||(m * X / (1 - p)) w||² for no mask m.")
    return mask


with expect.case("monte_carlo_squared_loss(w, X, y, p=0, k=1, rng), y = 0, X of shape (4, 5)"):
    loss = monte_carlo_squared_loss(w.copy(), X.copy(), np.zeros(4), 0.0, 1, expect.rng())
    expect.close(loss, np.sum((X @ w) ** 2), hint="it must be one number, ||X w||².")
with expect.case("the masks in monte_carlo_squared_loss(w, X, y, p, k=1, rng), X of shape (4, 5)"):
    expect.coins(kept, axes=("row", "feature"), calls=200)

# %% mistakes="monte_carlo_squared_loss"
{
    "survivors are not scaled": (" / (1 - p)", ""),
    "nothing is dropped, and": ("X * keep / (1 - p)", "X"),
    "multiplied by 1 - p": ("/ (1 - p)", "* (1 - p)"),
    "survivors are divided by p": ("/ (1 - p)", "/ p"),
    "mean over the rows": ("np.sum((y", "np.mean((y"),
    "that is a root": ("np.sum((y - z) ** 2)", "np.linalg.norm(y - z)"),
    "errors are not squared": ("(y - z) ** 2", "abs(y - z)"),
    "falls on what the first one left": ("z = (X * keep / (1 - p))", "X *= keep / (1 - p); z = X"),
    "p is swapped with 1 - p": (">= p", "< p"),
    "k losses are added up": ("np.mean(losses)", "np.sum(losses)"),
    "one loss is divided by k": ("np.mean(losses)", "losses[-1] / k"),
    "Return their mean": ("np.mean(losses)", "np.array(losses)"),
    "used k times": (
        "range(k):\n        keep = rng.random(X.shape) >= p",
        "[rng.random(X.shape) >= p] * k:\n        keep = _",
    ),
    "averaged before the loss": (
        "losses.append(np.sum((y - z) ** 2))\n    return np.mean(losses)",
        "losses.append(z)\n    return np.sum((y - np.mean(losses, 0)) ** 2)",
    ),
    "every row has the same mask": ("rng.random(X.shape)", "rng.random(X.shape[1])"),
    "every feature has the same mask": ("rng.random(X.shape)", "rng.random((len(X), 1))"),
    "a seed is set inside": ("losses = []", "losses, rng = [], np.random.default_rng(0)"),
    "do not come from the given generator": ("rng.random(X.shape)", "np.random.random(X.shape)"),
}

# %% correct="monte_carlo_squared_loss"
def monte_carlo_squared_loss(w, X, y, p, k, rng):
    keep = rng.binomial(1, 1 - p, size=(k, *X.shape))
    errors = y[None] - np.einsum("kij,ij,j->ki", keep, X, w / (1 - p))
    return float((errors**2).sum() / k)

# %% [markdown]
# ## The same without a mask
#
# For any random $z$, $\mathbb E[(y-z)^2] = (y - \mathbb E z)^2 + \operatorname{Var} z$: the
# loss of the mean, plus the scatter. Here $z$ is the output of one row, a sum of $d$
# independent terms $w_j\,m_j x_j/(1-p)$. You know the mean and the variance of each term.
#
# ## Exercise: `marginal_squared_loss`
#
# Two answers to be wary of. "The penalty is $\|w\|^2$ times a constant": it is not, the inputs are
# in it. And "the factor is $p(1-p)$": that is the coin of {{weight_scaling}}, whose survivors were
# not scaled.

# %% exercise="marginal_squared_loss"
def marginal_squared_loss(w, X, y, p):
    """The mean over all masks m of ||y - (m * X / (1 - p)) w||², exactly: a number.

    ||·||² sums over the rows. No sampling and no list of masks: d may be 1000.

    w : (d,), X : (n, d), y : (n,), left as they are
    p : probability of dropping, below 1
    """
    check_probability(p)
    ### BEGIN SOLUTION
    penalty = np.sum(X**2, axis=0) @ w**2
    return np.sum((y - X @ w) ** 2) + p / (1 - p) * penalty
    ### END SOLUTION

# %% [markdown] hint="marginal_squared_loss"
# What is the mean of row $i$'s output over masks? That gives the first of two terms, and it
# holds no $p$.

# %% [markdown] hint="marginal_squared_loss"
# Variances of independent terms add up, and a factor in front of a term comes out squared.

# %% [markdown] hint="marginal_squared_loss"
# The second term is a double sum over rows and features. Sum over the rows first: that leaves
# one number for each feature, which says how much its weight costs.

# %% [markdown]
# Your estimate against your formula. The error of a mean of $k$ losses should be about
# $s/\sqrt k$, where $s$ is the standard deviation of one loss.

# %% figure=true
# The error of Monte Carlo estimates with 4 to 1024 masks.
rng = np.random.default_rng()
exact = marginal_squared_loss(true_w, forty, targets, 0.3)
spread = np.std(single) / exact
counts = np.array([4, 16, 64, 256, 1024])
errors = np.array([
    [monte_carlo_squared_loss(true_w, forty, targets, 0.3, k, rng) for _ in range(20)]
    for k in counts
]) / exact - 1
inside = np.mean(abs(errors) <= 2 * spread / np.sqrt(counts)[:, None])

fig, (ax,) = plot.figure(1, height=2.8, width=6)
ax.fill_between(counts, 200 * spread / np.sqrt(counts), -200 * spread / np.sqrt(counts),
                color=plot.PALE, label="± 2 standard errors")
ax.plot(np.repeat(counts, 20), 100 * errors.ravel(), ".", color=plot.BLUE, label="estimates")
ax.axhline(0, color=plot.ORANGE, label="your formula")
ax.set_xscale("log")
ax.set_xticks(counts, counts)
ax.set(xlabel="masks k (20 estimates each)", ylabel="estimate − formula, %")
ax.set_title(f"{100 * inside:.0f} % of the estimates lie within 2 standard errors")
ax.legend(loc="lower right")
plot.show(fig, "The errors of estimates from 4 to 1024 masks, and a band of two standard errors.")

# %% check="marginal_squared_loss" points=2
# The mean over all 16 masks of each row.
rng = expect.rng()
w, X, y = rng.normal(size=4), rng.normal(size=(7, 4)), rng.normal(size=7)
masks = np.arange(16)[:, None] >> np.arange(4) & 1
squares, base = (X**2).sum(0), np.sum((y - X @ w) ** 2)
for p in (0.3, 0.8):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    outputs = (masks[:, None] * X / (1 - p)) @ w
    odds = p / (1 - p)
    cost = squares @ w**2
    with expect.case(f"marginal_squared_loss(w, X, y, p={p})", crash=[
        ("matmul|broadcast", "shapes do not fit. X² summed over the rows has one number for "
         "each weight."),
    ]):
        expect.close(
            marginal_squared_loss(w.copy(), X.copy(), y.copy(), p),
            np.sum(chance @ (y - outputs) ** 2),
            rtol=1e-5,
            hint="it must be the exact mean of the loss over all masks.",
            suspects=[
                (base, "that is the loss without dropout. Outputs also scatter: add the variance."),
                (odds * cost, "that is the penalty alone. Add the loss of the mean output."),
                (base + odds * (w @ w), "that is plain L2. How large the inputs are matters."),
                (base + p * (1 - p) * cost, "p (1 - p) is the variance of an unscaled coin."),
                (base + cost / odds, "p and 1 - p are swapped in the penalty."),
                (base + p * cost, "the factor is p alone. What is the variance of m / (1 - p)?"),
                (base + cost / (1 - p), "1 / (1 - p) is E[m²] / (1 - p)². Subtract 1: variance."),
                (base + odds * (squares @ abs(w)), "the weights are not squared."),
                (base + odds * (squares @ w), "the weights are not squared."),
                (base + odds * (X.sum(0) @ w**2), "the inputs are not squared."),
                (base + odds * (X.sum(0) ** 2 @ w**2), "square each input before you add them up."),
                (base + odds * np.sum((X @ w) ** 2),
                 "the inputs of a row would fall together. Square each term, then add."),
                (base + odds * cost / 7, "the penalty is a mean over rows, the loss a sum."),
                ((base + odds * cost) / 7, "that is the mean over the rows. Sum over them."),
                (base + np.sqrt(odds) * cost, "a variance has the factor p / (1 - p), no root."),
                (np.sum((y - (1 - p) * X @ w) ** 2) + p * (1 - p) * cost,
                 "that is for survivors that are not scaled. Divide them by 1 - p."),
            ],
        )

# %% check="marginal_squared_loss" points=1
# With 1000 features, for which no list of masks would fit, and no input changed.
w, X, y = np.full(1000, 0.1), np.ones((5, 1000)), np.arange(5.0)
with expect.case("marginal_squared_loss(w, X, y, p=0.5), 1000 features, all inputs 1"):
    loss = marginal_squared_loss(w, X, y, 0.5)
    # Each row's output has mean 100, and 1000 terms of variance 0.01.
    expect.close(loss, np.sum((100 - np.arange(5)) ** 2) + 5 * 10, rtol=1e-5,
                 hint="the output of a row has mean 100 and variance 10.")
    for now, then in ((w, 0.1), (X, 1), (y, np.arange(5))):
        expect.unchanged(now, np.broadcast_to(then, now.shape))

# %% mistakes="marginal_squared_loss"
{
    "the loss without dropout": (" + p / (1 - p) * penalty", ""),
    "the penalty alone": ("np.sum((y - X @ w) ** 2) + ", ""),
    "plain L2": ("np.sum(X**2, axis=0) @ w**2", "w @ w"),
    "unscaled coin": ("p / (1 - p)", "p * (1 - p)"),
    "swapped": ("p / (1 - p)", "(1 - p) / p"),
    "the factor is p alone": ("p / (1 - p)", "p"),
    "Subtract 1": ("p / (1 - p)", "1 / (1 - p)"),
    "weights are not squared": ("w**2", "abs(w)"),
    "inputs are not squared": ("X**2", "X"),
    "before you add them up": ("X**2, axis=0)", "X, axis=0) ** 2"),
    "would fall together": ("np.sum(X**2, axis=0) @ w**2", "np.sum((X @ w) ** 2)"),
    "a mean over rows, the loss a sum": ("np.sum(X**2", "np.mean(X**2"),
    "Sum over them": (
        "np.sum((y - X @ w) ** 2) + p / (1 - p) * penalty",
        "(np.sum((y - X @ w) ** 2) + p / (1 - p) * penalty) / len(y)",
    ),
    "no root": ("p / (1 - p)", "np.sqrt(p / (1 - p))"),
    "survivors that are not scaled": ("penalty =", "X = X * (1 - p); penalty ="),
    "shapes do not fit": ("axis=0", "axis=1"),
    "exact mean": (
        "np.sum((y - X @ w) ** 2) + p / (1 - p) * penalty",
        "monte_carlo_squared_loss(w, X, y, p, 100, np.random.default_rng())",
    ),
    "writes into its input": (
        "return np.sum((y - X @ w) ** 2)", "y -= X @ w; return np.sum(y**2)",
    ),
}

# %% correct="marginal_squared_loss"
def marginal_squared_loss(w, X, y, p):
    gram = X.T @ X
    quadratic = gram + p / (1 - p) * np.diag(np.diag(gram))
    return float(y @ y - 2 * y @ X @ w + w @ quadratic @ w)

# %% [markdown]
# So for a linear model with squared loss the answer is exact:
#
# $$ L(w) = \|y - Xw\|^2 + \frac{p}{1-p} \sum_j w_j^2 \sum_i X_{ij}^2 . $$
#
# A penalty on squared weights, as in L2, but each weight has a price of its own: the sum of its
# feature's squares. It grows with every row, and so more data do not help. The paper of 2014
# derives this in §9.1, with a $p$ that keeps.
#
# ### Worked: one feature
#
# With one feature $L(w) = \sum_i (y_i - x_i w)^2 + \frac{p}{1-p} w^2 \sum_i x_i^2$. Its slope
# is zero where $w \sum x_i^2 \,\bigl(1 + \frac{p}{1-p}\bigr) = \sum x_i y_i$, that is, at
# $1-p$ times the least-squares weight. This is the halved slope of the first figure.
#
# ## Exercise: `dropout_ridge`
#
# With $d$ features the same step gives a system of linear equations. "All weights shrink to
# $1-p$ of themselves" is right only if features are uncorrelated. And adding a multiple of the
# *identity* to $X^\top X$ is the other ridge.

# %% exercise="dropout_ridge"
def dropout_ridge(X, y, p):
    """The weights (d,) that minimise `marginal_squared_loss(w, X, y, p)`.

    Where several do equally well, the shortest: a feature that is 0 in each row gets weight 0.

    X : (n, d), y : (n,)
    p : probability of dropping, below 1
    """
    check_probability(p)
    ### BEGIN SOLUTION
    gram = X.T @ X
    cost = p / (1 - p) * np.diag(np.diag(gram))
    return np.linalg.lstsq(gram + cost, X.T @ y, rcond=None)[0]
    ### END SOLUTION

# %% [markdown] hint="dropout_ridge"
# Without dropout the gradient vanishes where $X^\top X w = X^\top y$. What does the penalty
# add to the gradient of weight $j$?

# %% [markdown] hint="dropout_ridge"
# It adds a *diagonal* matrix to $X^\top X$. Its entries stand on the diagonal of $X^\top X$
# itself; `np.diag` takes them out, and puts them back.

# %% [markdown] hint="dropout_ridge"
# `np.linalg.solve` stops at a singular matrix, which one empty feature is enough for.
# `np.linalg.lstsq(A, b, rcond=None)[0]` gives the shortest of all solutions.

# %% [markdown]
# Your formula against gradient descent that drops inputs and knows no formula, on the data of
# the histogram above.

# %% figure=true
# Your weights, those of gradient descent with dropout, and those of least squares.
p = 0.3
yours = dropout_ridge(forty, targets, p)
runs = np.array([descend(forty, targets, p, seed, 6000, 0.03) for seed in range(5)])
plain = np.linalg.lstsq(forty, targets, rcond=None)[0]

fig, (ax,) = plot.figure(1, height=2.8, width=7)
features = np.arange(6)
ax.bar(features - 0.2, plain, 0.35, color=plot.PALE, label="least squares")
ax.bar(features + 0.2, yours, 0.35, color=plot.SKY, label="your dropout_ridge")
ax.errorbar(features + 0.2, runs.mean(0), 2 * plot.standard_error(runs), fmt="o", capsize=4,
            color=plot.INK, markersize=4, label="gradient descent with dropout, 5 runs ± 2 s.e.")
ax.axhline(0, color=plot.GREY, linewidth=0.8)
ax.set(xlabel="feature", ylabel="weight", ylim=(-1.6, 3.4))
ax.set_title(f"Yours and those of descent differ by {abs(runs.mean(0) - yours).max():.3f} at most")
ax.legend()
plot.show(fig, "Six weights: of least squares, of your formula, and of descent with dropout.")

# %% check="dropout_ridge" points=2
# Least squares on every thinned copy of every row, each counted with its probability.
rng = expect.rng()
X = rng.normal(size=(12, 4)) @ (np.eye(4) + 0.5) * [0.5, 1, 1, 2]
y = X @ rng.normal(size=4) + rng.normal(size=12)
masks = np.arange(16)[:, None] >> np.arange(4) & 1
gram, cross = X.T @ X, X.T @ y
price = np.diag(np.diag(gram))
for p in (0.3, 0.8, 0.0):
    root = np.sqrt(np.where(masks == 1, 1 - p, p).prod(1))[:, None]
    copies = (root[:, None] * masks[:, None] * X / (1 - p)).reshape(-1, 4)
    best = np.linalg.lstsq(copies, (root * y).ravel(), rcond=None)[0]
    plain = np.linalg.lstsq(X, y, rcond=None)[0]
    wrong = [] if p == 0 else [
        (best[:, None], "those are the weights as a column. Return them as (d,)."),
        (plain, "that is least squares without dropout."),
        ((1 - p) * plain, "all weights shrink alike: right only for uncorrelated features."),
        *[(np.linalg.solve(gram + extra, cross), words) for extra, words in (
            (p / (1 - p) * np.eye(4), "the identity makes plain ridge. Each feature has a price."),
            ((1 - p) / p * price, "p and 1 - p are swapped in the penalty."),
            (p * (1 - p) * price, "p (1 - p) is the variance of an unscaled coin."),
            (p * price, "the factor is p alone. What is the variance of m / (1 - p)?"),
            (p / (1 - p) * np.sqrt(price), "the price is a root: use the sum of squares itself."),
            (p / (1 - p) * price**2, "the price is squared twice."),
            (p / (1 - p) * price / 12, "the price is a mean over rows, and X.T @ X a sum."),
            (p / (2 - 2 * p) * price, "half the price: both terms of the gradient have a 2."),
            (p / (1 - p) * price - gram + price, "X.T @ X is missing off its diagonal."),
            (price / (1 - p), "X.T @ X counts with its diagonal twice. Add p / (1 - p) of it."),
            (p / (1 - p) * np.diag(gram), "the prices are added to every row. np.diag makes a "
             "diagonal matrix of them."),
        )],
    ]
    with expect.case(f"dropout_ridge(X, y, p={p})", crash=[
        ("broadcast", "shapes do not fit. What is added to X.T @ X is (d, d): one price for "
         "each feature."),
    ]):
        expect.close(dropout_ridge(X.copy(), y.copy(), p), best, rtol=1e-4, atol=1e-5,
                     suspects=wrong,
                     hint="the gradient of the loss does not vanish at these weights.")

# %% check="dropout_ridge" points=1
# A feature that is 0 in every row costs nothing and does nothing.
X, y = np.array([[1.0, 0.0, 1.0], [1.0, 0.0, -1.0]]), np.array([3.0, 1.0])
with expect.case("dropout_ridge(X, y, p=0.4), the second feature 0 in every row", crash=[
    ("Singular", "the matrix is singular. np.linalg.lstsq gives the shortest solution."),
]):
    expect.close(dropout_ridge(X, y, 0.4), np.array([1.2, 0, 0.6]), rtol=1e-4, atol=1e-6,
                 hint="the shortest solution has weight 0 there. The other two features are "
                      "uncorrelated: their weights are 1 - p of those of least squares.",
                 suspects=[(np.array([first, np.nan, last]), "there is 0 / 0: a feature without "
                            "inputs has no price to divide by.")
                           for first, last in ((1.2, 0.6), (np.nan, np.nan))])

# %% mistakes="dropout_ridge"
{
    "weights as a column": ("X.T @ y,", "X.T @ y[:, None],"),
    "without dropout": ("gram + cost", "gram"),
    "shrink alike": ("np.linalg.lstsq(gram + cost", "(1 - p) * np.linalg.lstsq(gram"),
    "plain ridge": ("np.diag(np.diag(gram))", "np.eye(len(gram))"),
    "swapped": ("p / (1 - p)", "(1 - p) / p"),
    "unscaled coin": ("p / (1 - p)", "p * (1 - p)"),
    "the factor is p alone": ("p / (1 - p)", "p"),
    "the price is a root": ("np.diag(gram)", "np.linalg.norm(X, axis=0)"),
    "squared twice": ("np.diag(gram)", "np.diag(gram) ** 2"),
    "a mean over rows": ("np.diag(gram)", "np.mean(X**2, axis=0)"),
    "half the price": ("p / (1 - p)", "p / (1 - p) / 2"),
    "off its diagonal": ("gram + cost", "np.diag(np.diag(gram)) + cost"),
    "diagonal twice": ("p / (1 - p)", "1 / (1 - p)"),
    "added to every row": ("np.diag(np.diag(gram))", "np.diag(gram)"),
    "shapes do not fit": ("np.diag(gram)", "np.sum(X**2, axis=1)"),
    "the matrix is singular": (
        "np.linalg.lstsq(gram + cost, X.T @ y, rcond=None)[0]",
        "np.linalg.solve(gram + cost, X.T @ y)",
    ),
    "no price to divide by": (
        "return np.linalg.lstsq(gram + cost, X.T @ y, rcond=None)[0]",
        "s = np.diag(gram) ** -0.5\n"
        "    return s * np.linalg.solve(s * (gram + cost) * s[:, None], s * (X.T @ y))",
    ),
}

# %% correct="dropout_ridge"
def dropout_ridge(X, y, p):
    below = np.diag(np.sqrt((X * X).sum(0) * p / (1 - p)))
    taller, target = np.vstack([X, below]), np.append(y, np.zeros(X.shape[1]))
    return np.linalg.pinv(taller) @ target

# %% [markdown]
# ## Is its own price for each feature worth having?
#
# Measure both ridges on the digits: ten linear models, one for each class, from 100 rows.
# Plain ridge gets the same prices on average: $\frac{p}{1-p}$ times the *mean* of the prices of
# all features. **Predict first**: which reads new digits better, and by how much? And which of the
# two curves moves if every pixel is given in a unit of its own, up to ten times larger or smaller?

# %% guess=true
my_guess = -2.0  # error rate of dropout_ridge minus that of plain L2, in percentage points

# %% figure=true
# Both ridges on the digits: pixels as they are, and each pixel in a unit of its own.
guess = expect.guess(my_guess)
X_all, y_all, X_test, y_test = data.digits()
X_all, X_test = X_all.reshape(-1, 64), X_test.reshape(-1, 64)


def mean_price_ridge(X, y, p):
    gram = X.T @ X
    return np.linalg.solve(gram + p / (1 - p) * np.trace(gram) / 64 * np.eye(64), X.T @ y)


rates = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8])
wrong = np.zeros((2, 2, len(rates), 10))
for seed in range(10):
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(X_all), 100, replace=False)
    classes = np.eye(10)[y_all[rows]] - 0.1
    for i, unit in enumerate((np.ones(64), 10 ** rng.uniform(-1, 1, 64))):
        for j, fit in enumerate((dropout_ridge, mean_price_ridge)):
            for r, p in enumerate(rates):
                W = np.column_stack([fit(X_all[rows] * unit, t, p) for t in classes.T])
                guessed = np.argmax(X_test * unit @ W, 1)
                wrong[i, j, r, seed] = 100 * np.mean(guessed != y_test)

fig, axes = plot.figure(2, height=2.8)
kinds = "Pixels as they are", "Each in its own unit"
for ax, runs, kind in zip(axes, wrong, kinds, strict=True):
    best = [result[result.mean(1).argmin()] for result in runs]  # each at the p that suits it
    gap = plot.difference(*best)
    says = gap.says(more="L2 is better", less="dropout is better", same="no difference seen")
    ax.set_title(f"{kind}: {says}\n({gap:.1f} points, each at its best p)")
    for result, name, color in zip(runs, ("dropout_ridge", "plain L2"),
                                   (plot.BLUE, plot.ORANGE), strict=True):
        ax.errorbar(rates, result.mean(1), plot.standard_error(result, 1), marker="o",
                    markersize=4, capsize=2, color=color, label=name)
    ax.set_xscale("log")
    ax.set_xticks([0.01, 0.1, 0.8], ["0.01", "0.1", "0.8"])
    ax.set(xlabel="p", ylim=(10, 50))
axes[0].plot(rates, wrong[0, 1].mean(1) + guess, "--", color=plot.GREY,
             label=f"your guess of dropout_ridge: {guess:+.1f}")
axes[0].set_ylabel("error rate, %, 10 runs ± s.e.")
axes[0].legend(loc="upper left")
plot.show(fig, "Error rates of both ridges against p, for raw pixels and for pixels in units of "
               "their own.")

# %% [markdown]
# Two answers. Pixels share one unit, and a price for each of them is no gain here: plain L2 does
# a little better. Where units are arbitrary, dropout does not see them, and plain L2 suffers.
# Dropout on the inputs of a linear model *is* L2, after each feature has
# been divided by its root mean square.
#
# ## Logistic regression: a price that depends on the answer
#
# For the log loss there is no exact formula. Write the loss of a row as $A(z) - y z$ with
# $A(z) = \log(1+e^z)$. The noise leaves $yz$ unchanged on average, so the penalty is
# $\mathbb E[A(\tilde z)] - A(z)$ and **does not contain the label**. Wager, Wang and Liang
# (2013) replace $A$ by its parabola at $z = w \cdot x$: half its curvature times the variance of
# $\tilde z$. The curvature is $A''(z) = \sigma(z)\,(1-\sigma(z))$.
#
# ## Exercise: `logistic_penalty`

# %% exercise="logistic_penalty"
def logistic_penalty(w, X, p):
    """Sum over rows of half the curvature of log(1 + exp z) at z = w · x times z's variance.

    The quadratic approximation of what dropout on the inputs adds to the log loss
    (Wager, Wang and Liang 2013): a number.

    w : (d,), X : (n, d); scores w · x of 1000 are possible
    p : probability of dropping, below 1
    """
    check_probability(p)
    ### BEGIN SOLUTION
    mu = (1 + np.tanh(X @ w / 2)) / 2
    return p / (1 - p) / 2 * np.sum(mu * (1 - mu) * (X**2 @ w**2))
    ### END SOLUTION

# %% [markdown] hint="logistic_penalty"
# In the squared loss each row added its variance. Here each row adds half its variance too, but
# weighted by its own curvature. So do not sum over the rows too early.

# %% [markdown] hint="logistic_penalty"
# One number for each row: $\sigma(z_i)$, from `X @ w`. Another: $\sum_j x_{ij}^2 w_j^2$, from a
# product of the same shape.

# %% [markdown] hint="logistic_penalty"
# `np.exp(1000)` is infinite. $\sigma(z) = \frac12\bigl(1 + \tanh\frac z2\bigr)$ never overflows.

# %% [markdown]
# One row with two inputs of 1. The second weight is 3. Let the first one grow from 0 to 6: plain
# L2 goes from 9 to 45, five times as much. **What does dropout's penalty do?**

# %% guess=true
my_factor = 5  # the penalty at w1 = 6 divided by the penalty at w1 = 0

# %% figure=true
# The penalty of one row as its first weight grows; and how good the approximation is.
factor = expect.guess(my_factor)


def all_masks(n):
    return np.arange(2**n)[:, None] >> np.arange(n) & 1


def exact_penalty(w, X, p):
    """E[A(z of a mask)] - A(z), summed over the rows, from all masks."""
    masks = all_masks(len(w))
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    thinned = (masks[:, None] * X / (1 - p)) @ w
    return np.sum(chance @ np.logaddexp(0, thinned) - np.logaddexp(0, X @ w))


fig, (left, right) = plot.figure(2, height=3)
grid = np.linspace(-8, 8, 161)
pair = np.ones((1, 2))
curve = [exact_penalty(np.array([a, 3]), pair, 0.5) for a in grid]
left.plot(grid, curve, color=plot.INK, label="exact")
left.plot(grid, [logistic_penalty(np.array([a, 3]), pair, 0.5) for a in grid], color=plot.BLUE,
          label="your approximation")
start, end = (exact_penalty(np.array([a, 3]), pair, 0.5) for a in (0, 6))
left.plot([0, 6], [start, factor * start], "o--", color=plot.ORANGE,
          label=f"your guess: × {factor:.3g}")
left.set(xlabel="first weight (the second is 3)", ylabel="penalty, nats", ylim=(0, None))
left.set_title(f"From w₁ = 0 to w₁ = 6: × {end / start:.2f} (L2: × 5)")
left.legend(loc="upper right", fontsize=8)

rates = np.array([0.05, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9])
worst = {}
for length, color in ((0.3, plot.GREEN), (1, plot.BLUE), (3, plot.PINK)):
    ratios = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rows, w = rng.normal(size=(30, 8)), rng.normal(size=8)
        w *= length / np.linalg.norm(w)
        ratios.append([logistic_penalty(w, rows, p) / exact_penalty(w, rows, p) for p in rates])
    right.errorbar(rates, np.mean(ratios, 0), np.std(ratios, 0), marker="o", markersize=4,
                   capsize=2, color=color, label=f"|w| = {length}")
    worst[length] = np.abs(np.mean(ratios, 0) - 1)
right.axhline(1, color=plot.GREY, linestyle="--")
right.set(xlabel="p (6 draws ± s.d.)", ylabel="approximation / exact", ylim=(0, 3))
small, large = (100 * max(off[i] for off in worst.values()) for i in (1, -1))
right.set_title(f"Off by {small:.0f} % at p = 0.1, {large:.0f} % at p = 0.9")
right.legend(loc="upper left")
plot.show(fig, "Left, the exact penalty, your approximation and your guess against one weight. "
               "Right, approximation divided by exact penalty, against p.")

# %% check="logistic_penalty" points=2
# Half the curvature, by finite differences, times the variance over all 16 masks.
rng = expect.rng()
w, X = rng.normal(size=4), rng.normal(size=(7, 4))
masks = np.arange(16)[:, None] >> np.arange(4) & 1
z, h = X @ w, 1e-3
bend = (np.logaddexp(0, z + h) - 2 * np.logaddexp(0, z) + np.logaddexp(0, z - h)) / h**2
mu = 1 / (1 + np.exp(-z))
each = X**2 @ w**2
for p in (0.3, 0.8):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    scatter = chance @ ((masks[:, None] * X / (1 - p)) @ w - z) ** 2
    half = p / (1 - p) / 2
    right = np.sum(bend * scatter) / 2
    with expect.case(f"logistic_penalty(w, X, p={p})", crash=[
        ("broadcast", "shapes do not fit. Curvature and variance are one number for each row."),
    ]):
        expect.close(
            logistic_penalty(w.copy(), X.copy(), p),
            right,
            rtol=2e-5,
            hint="half of σ(z)(1 - σ(z)) times the variance of z, summed over the rows.",
            suspects=[
                (2 * right, "the half is missing: a parabola is A + A'' (z̃ - z)² / 2."),
                (half * np.sum(mu * each), "the curvature is σ(z) (1 - σ(z)), not σ(z)."),
                (half * np.sum(each), "the curvature is missing: that is the squared loss's."),
                (half * np.sum((mu * (1 - mu)) ** 2 * each), "the curvature is squared."),
                (half * np.sum(mu * (1 - mu)) * (w @ w), "the inputs are missing: plain L2."),
                (half * np.sum(mu * (1 - mu) * (X @ w) ** 2),
                 "the inputs of a row would fall together. Square each term, then add."),
                (half * np.sum(mu * (1 - mu) * (X**2 @ abs(w))), "the weights are not squared."),
                (half * np.sum(mu * (1 - mu) * (X**2 @ w)), "the weights are not squared."),
                (half * np.sum(mu * (1 - mu) * (X @ w**2)), "the inputs are not squared."),
                (p * (1 - p) / 2 * np.sum(mu * (1 - mu) * each),
                 "p (1 - p) is the variance of an unscaled coin."),
                ((1 - p) / p / 2 * np.sum(mu * (1 - mu) * each), "p and 1 - p are swapped."),
                (half * np.sum(each / (2 * np.cosh(z)) ** 2),
                 "half the score goes into tanh: σ(z) = (1 + tanh(z / 2)) / 2."),
                (right / 7, "that is the mean over the rows. Sum over them."),
            ],
        )

# %% check="logistic_penalty" points=1
# Confident rows: a score of 1000 has no curvature left, and gives no NaN.
X = np.array([[1000.0, 0.0], [0.0, -1000.0], [0.0, 1.0]])
with expect.case("logistic_penalty(w, X, p=0.5) with scores 1000, -1000 and 1", crash=[
    ("Overflow", "exp(1000) is too large for a number. Use tanh or expit."),
]):
    both, alone = (logistic_penalty(np.ones(2), rows, 0.5) for rows in (X.copy(), X[2:].copy()))
    expect.close(both, alone, rtol=1e-5, hint="rows with scores of ±1000 must add nothing.",
                 suspects=[(np.nan, "exp(1000) is infinite, and inf / inf is NaN. Use tanh or "
                            "expit.")])
    expect.close(alone, np.exp(1) / (1 + np.exp(1)) ** 2 / 2, rtol=1e-5,
                 hint="for the row of score 1 alone, it is half of σ(1) (1 - σ(1)).")

# %% mistakes="logistic_penalty"
{
    "the half is missing": ("p / (1 - p) / 2", "p / (1 - p)"),
    "not σ(z)": ("mu * (1 - mu)", "mu"),
    "the curvature is missing": ("mu * (1 - mu) * ", ""),
    "the curvature is squared": ("mu * (1 - mu)", "(mu * (1 - mu)) ** 2"),
    "plain L2": ("(X**2 @ w**2)", "(w @ w)"),
    "would fall together": ("X**2 @ w**2", "(X @ w) ** 2"),
    "weights are not squared": ("w**2", "abs(w)"),
    "inputs are not squared": ("X**2", "X"),
    "unscaled coin": ("p / (1 - p)", "p * (1 - p)"),
    "swapped": ("p / (1 - p)", "(1 - p) / p"),
    "half the score goes into tanh": ("X @ w / 2)", "X @ w)"),
    "mean over the rows": ("np.sum(mu", "np.mean(mu"),
    "one number for each row": ("X**2 @ w**2", "np.sum(X**2, axis=0) * w**2"),
    "inf / inf": ("(1 + np.tanh(X @ w / 2)) / 2", "np.exp(X @ w) / (1 + np.exp(X @ w))"),
    "too large for a number": (
        "(1 + np.tanh(X @ w / 2)) / 2",
        "np.array([1 / (1 + __import__('math').exp(-row @ w)) for row in X])",
    ),
}

# %% correct="logistic_penalty"
def logistic_penalty(w, X, p):
    from scipy.special import expit

    total = 0.0
    for row in X:
        variance = sum((a * b) ** 2 for a, b in zip(row, w, strict=True)) * p / (1 - p)
        total += expit(row @ w) * expit(-row @ w) * variance / 2
    return total

# %% [markdown]
# No L2 does this: where the two inputs agree, **the penalty falls while a weight grows**, and
# stays low.
# It is dear to be undecided, since there a flipped coin changes the answer. A row that several
# inputs vote for is almost free. Helmbold and Long (2015) prove that the exact penalty need be
# neither monotone in a weight nor convex.
#
# The approximation has this shape and not its size. On these data it was off by a fifth or so
# at most for $p \le 0.5$; at $p = 0.9$ and $|w| \ge 1$ it is twice the truth and more. And it
# forgives confident rows altogether, where the exact penalty keeps a rest: all inputs may fall.
#
# ## Explore: contours
#
# On the left the weights that your `dropout_ridge` gives as $p$ grows (blue) and those of plain
# L2 as its strength grows (orange), from the same least squares. The ellipse is where your
# penalty is as large as at the blue point; the dotted circle is the same for L2. On the right
# your `logistic_penalty`.
#
# **Try**: leave the second feature's factor at 1 and move the correlation: do the paths ever
# part? Now move the factor. Last, set the correlation to 0.9: on the right, in which direction
# may the weights grow almost for free, and why in that one?

# %%
explore.penalty(marginal_squared_loss, dropout_ridge, logistic_penalty)

# %% [markdown]
# ## Dropout without drawing
#
# If mean and variance of a score are all that matters, why draw masks? Wang and Manning (2013)
# put a normal distribution with these two moments in place of the masks and average $\sigma$ over
# it: *fast dropout*. The first step you can write from memory.
#
# ## Exercise: `gaussian_moments`

# %% exercise="gaussian_moments"
def gaussian_moments(w, x, p):
    """The mean and the variance over masks of z = w · (m * x / (1 - p)).

    w : (d,); x : (d,) or (rows, d), each row with its own masks
    p : probability of dropping, below 1
    Returns two numbers, or two arrays (rows,).
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return x @ w, p / (1 - p) * (x**2 @ w**2)
    ### END SOLUTION

# %% [markdown] hint="gaussian_moments"
# Both have been in your loss all along: one inside the square, one in the penalty.

# %% [markdown] hint="gaussian_moments"
# For one row the mean is $\sum_j w_j x_j$, and each of its terms scatters by itself.

# %% [markdown] hint="gaussian_moments"
# `w @ x` needs a single row. In which order does the product take one row or many?

# %% check="gaussian_moments" points=1
# Mean and variance over all 32 masks of 5 inputs.
rng = expect.rng()
w, x = rng.normal(size=5), rng.normal(size=5)
masks = np.arange(32)[:, None] >> np.arange(5) & 1
for p in (0.3, 0.8):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    z = masks * x / (1 - p) @ w
    centre, scatter = chance @ z, chance @ (z - chance @ z) ** 2
    sent = w @ x
    with expect.case(f"gaussian_moments(w, x, p={p}), the mean", crash=[
        ("unpack", "return two things: the mean, the variance."),
    ]):
        mean, var = gaussian_moments(w.copy(), x.copy(), p)
        expect.close(mean, centre, rtol=1e-5, atol=1e-6, hint="average z over all masks.",
                     suspects=[
                         ((1 - p) * sent, "that is for survivors that are not scaled."),
                         (sent / (1 - p), "that is z with nothing dropped and all scaled."),
                         (scatter, "mean and variance are swapped."),
                         (w * x, "those are the d terms. Add them up."),
                     ])
    with expect.case(f"gaussian_moments(w, x, p={p}), the variance"):
        expect.close(var, scatter, rtol=1e-5, hint="average (z - mean)² over all masks.",
                     suspects=[
                         (np.sqrt(scatter), "that is the standard deviation: square it."),
                         ((1 - p) ** 2 * scatter, "p (1 - p) is the variance of an unscaled coin."),
                         (((1 - p) / p) ** 2 * scatter, "p and 1 - p are swapped."),
                         (p / (1 - p) * sent**2, "square each term first, then add them up."),
                         (p / (1 - p) * sent, "the terms are not squared."),
                         (p / (1 - p) * (w @ w), "the inputs are missing."),
                         (scatter / p, "that is 1 / (1 - p), from E[m²]. Subtract the mean's."),
                     ])

# %% check="gaussian_moments" points=1
# Many rows at once.
rng = expect.rng()
w, x = rng.normal(size=3), rng.normal(size=(4, 3))
with expect.case("gaussian_moments(w, x, p=0.5) with 4 rows", crash=[
    ("unpack", "return two things: the mean, the variance."),
    ("matmul|dot|align", "w @ x needs one row. x @ w takes one or many."),
]):
    mean, var = gaussian_moments(w.copy(), x.copy(), 0.5)
    expect.close(mean, (x * w).sum(1), rtol=1e-5, atol=1e-6, hint="one mean for each row.")
    expect.close(var, ((x * w) ** 2).sum(1), rtol=1e-5, hint="one variance for each row.")

# %% mistakes="gaussian_moments"
{
    "return two things": (", p / (1 - p) * (x**2 @ w**2)", ""),
    "survivors that are not scaled": ("x @ w, p / (1", "x @ w * (1 - p), p * (1"),
    "all scaled": ("x @ w,", "x @ w / (1 - p),"),
    "mean and variance are swapped": ("return x @ w, p / (1 - p) * (x**2 @ w**2)",
                                      "return p / (1 - p) * (x**2 @ w**2), x @ w"),
    "Add them up.": ("x @ w,", "x * w,"),
    "standard deviation": ("p / (1 - p) * (x**2 @ w**2)", "np.sqrt(p / (1 - p) * (x**2 @ w**2))"),
    "unscaled coin": ("p / (1 - p)", "p * (1 - p)"),
    "p and 1 - p are swapped": ("p / (1 - p)", "(1 - p) / p"),
    "square each term first": ("x**2 @ w**2", "(x @ w) ** 2"),
    "not squared": ("x**2 @ w**2", "x @ w"),
    "inputs are missing": ("x**2 @ w**2", "w @ w"),
    "Subtract the mean's": ("p / (1 - p)", "1 / (1 - p)"),
    "takes one or many": ("x @ w,", "w @ x,"),
    "one mean for each row": ("x @ w,", "np.sum(x * w),"),
    "one variance for each row": ("(x**2 @ w**2)", "np.sum((x * w) ** 2)"),
}

# %% correct="gaussian_moments"
def gaussian_moments(w, x, p):
    terms = np.asarray(x) * w
    second = (terms**2).sum(-1) / (1 - p)
    return terms.sum(-1), second - (terms**2).sum(-1)

# %% [markdown]
# The second step is an integral, $\mathbb E[\sigma(z)]$ for a normal $z$, and it has no closed
# form. For the normal distribution function $\Phi$ it has one:
#
# $$ \mathbb E[\Phi(a z)] = \Phi\!\left(
# \frac{a\,\mathrm{mean}}{\sqrt{1 + a^2\,\mathrm{var}}} \right). $$
#
# And $\sigma(z) \approx \Phi(a z)$ for $a = \sqrt{\pi/8}$, which makes both equally steep at 0.
# Use the second fact to go over to $\Phi$, the first to average, and the second to come back
# to $\sigma$. (The trick is MacKay's, 1992.)
#
# ## Exercise: `expected_sigmoid`
#
# It is tempting to leave the variance out: the mean score gives the mean probability. That is
# what a network does in evaluation, and it is too sure of itself.

# %% exercise="expected_sigmoid"
def expected_sigmoid(mean, var):
    """E[σ(z)] for a normal z with this mean and variance, to within 0.02 everywhere.

    mean, var : numbers or arrays of one shape, var >= 0; means of 1000 are possible
    Returns a number or an array of that shape.
    """
    ### BEGIN SOLUTION
    z = mean / np.sqrt(1 + np.pi / 8 * var)
    return (1 + np.tanh(z / 2)) / 2
    ### END SOLUTION

# %% [markdown] hint="expected_sigmoid"
# The result is $\sigma$ of something: of the mean, drawn towards 0. A larger variance draws it
# further.

# %% [markdown] hint="expected_sigmoid"
# $\Phi(a\,t) \approx \sigma(t)$. Find $t$ in the right-hand side of the formula above: the $a$
# in its numerator goes.

# %% [markdown] hint="expected_sigmoid"
# What is $a^2$? As before, $\tanh$ keeps $\sigma$ from overflowing.

# %% [markdown]
# Your two functions together against the truth, from all masks of $n$ inputs: how far is the
# probability off, and how far without the variance?

# %% figure=true
# The error of a probability without the variance, and with your two functions.
def probability_errors(n, p, draws=60):
    """|probability - truth|, mean over draws: without the variance, and deterministic."""
    rng = np.random.default_rng()
    masks = all_masks(n)
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    errors = []
    for _ in range(draws):
        x, w = rng.normal(size=n), rng.normal(0, 3 / np.sqrt(n), n)
        truth = chance @ (1 + np.tanh((masks * x / (1 - p)) @ w / 2)) / 2
        mean, var = gaussian_moments(w, x, p)
        errors.append([expected_sigmoid(mean, 0) - truth, expected_sigmoid(mean, var) - truth])
    return np.abs(errors)


fig, (left, right) = plot.figure(2, height=2.8)
fig, (left, right) = plot.figure(2, height=2.8)
for ax, values, results in (
    (left, rates, [probability_errors(10, p) for p in rates]),
    (right, range(1, 11), [probability_errors(n, 0.5) for n in range(1, 11)]),
):
    names = (0, "σ(mean)", plot.ORANGE), (1, "your expected_sigmoid", plot.BLUE)
    for column, name, color in names:
        runs = np.array(results)[:, :, column]
        ax.errorbar(values, runs.mean(1), plot.standard_error(runs, 1), marker="o", markersize=4,
                    capsize=2, color=color, label=name)
    ax.set(yscale="log", ylim=(0.001, 1))
    ax.set_title(f"Error of σ(mean) − yours: {plot.difference(*np.mean(results, 0).T):.3f}")
left.set(xlabel="p, with 10 inputs", ylabel="mean error of the probability")
right.set(xlabel="inputs n, at p = 0.5 (60 draws ± s.e.)")
right.legend(loc="lower left")
plot.show(fig, "The mean errors of two probabilities, σ(mean) and yours, against p and against n.")

# %% check="expected_sigmoid" points=2
# Against the integral, for means from -6 to 4 and variances up to 30.
grid = np.linspace(-8, 8, 1001)
density = np.exp(-(grid**2) / 2) / np.sum(np.exp(-(grid**2) / 2))
shift = expect.rng().uniform(-0.2, 0.2, size=(2, 6))  # so that no table will do
mean = np.array([-6.0, -3.0, -1.0, 0.5, 2.0, 4.0]) + shift[0]
var = np.array([30, 4, 0.5, 30, 0.5, 4]) + shift[1]
score = mean[:, None] + np.sqrt(var)[:, None] * grid
integral = 1 / (1 + np.exp(-score)) @ density
shrunk = mean / np.sqrt(1 + np.pi / 8 * var)
with expect.case("expected_sigmoid(mean, var) for 6 means and 6 variances"):
    expect.close(
        expected_sigmoid(mean, var),
        integral,
        rtol=0,
        atol=0.02,
        hint="average σ over the normal distribution, to within 0.02, for each entry.",
        suspects=[(shrunk, "that is the score. Send it through σ.")] + [
            (1 / (1 + np.exp(-at)), words)
            for at, words in (
                (mean, "the variance is left out: that is σ of the mean score."),
                (mean / np.sqrt(1 + 8 / np.pi * var), "8 / π stands where π / 8 belongs."),
                (mean / (1 + np.pi / 8 * var), "the root is missing."),
                (mean / np.sqrt(1 + np.pi / 8 * var**2), "var is squared already. Do not again."),
                (mean / np.sqrt(1 + np.pi / 8 * np.sqrt(var)), "that is σ's root: var is wanted."),
                (mean / np.sqrt(1 + np.sqrt(np.pi / 8) * var), "a is squared in the formula."),
                (mean / np.sqrt(1 + var), "π / 8 is missing: σ is flatter than Φ."),
                (mean * np.sqrt(1 + np.pi / 8 * var), "the score must shrink: divide by the root."),
                (mean / np.sqrt(np.pi / 8 * var), "the 1 below the root is missing."),
                (np.sqrt(np.pi / 8) * shrunk,
                 "that is a t, the argument of Φ. Without a it is that of σ."),
                (2 * shrunk, "half the score goes into tanh: σ(z) = (1 + tanh(z / 2)) / 2."),
            )
        ],
    )

# %% check="expected_sigmoid" points=1
# At the extremes: no variance, a huge variance, huge scores.
with expect.case("expected_sigmoid(mean, 0.0) for means -2, 0 and 3"):
    found = [expected_sigmoid(mean, 0.0) for mean in (-2.0, 0.0, 3.0)]
    expect.close(found, 1 / (1 + np.exp([2.0, 0.0, -3.0])), rtol=0, atol=0.02,
                 hint="without variance it is σ(mean).")
with expect.case("expected_sigmoid(2.0, 1e9)"):
    expect.close(expected_sigmoid(2.0, 1e9), 0.5, rtol=0, atol=0.02,
                 hint="with so much noise both signs are equally likely.")
with expect.case("expected_sigmoid(mean, var) for means of ±1000 and variances of 1", crash=[
    ("Overflow", "exp(1000) is too large for a number. Use tanh or expit."),
]):
    large = "exp(1000) is infinite. Use tanh or expit."
    expect.close(expected_sigmoid(np.array([-1000.0, 1000.0]), np.ones(2)), np.array([0.0, 1.0]),
                 rtol=0, atol=0.02, hint="a huge score is certain.",
                 suspects=[(np.array([0, np.nan]), large), (np.array([np.nan, 1]), large)])

# %% mistakes="expected_sigmoid"
{
    "Send it through σ": ("(1 + np.tanh(z / 2)) / 2", "z"),
    "the variance is left out": ("mean / np.sqrt(1 + np.pi / 8 * var)", "mean"),
    "8 / π stands": ("np.pi / 8", "8 / np.pi"),
    "the root is missing": ("np.sqrt(1 + np.pi / 8 * var)", "(1 + np.pi / 8 * var)"),
    "Do not again": ("* var", "* var**2"),
    "σ's root": ("* var", "* np.sqrt(var)"),
    "a is squared": ("np.pi / 8", "np.sqrt(np.pi / 8)"),
    "flatter than Φ": ("np.pi / 8 * var", "var"),
    "divide by the root": ("mean /", "mean *"),
    "the 1 below the root": ("1 + np.pi", "np.pi"),
    "Without a it is that of σ": ("mean /", "np.sqrt(np.pi / 8) * mean /"),
    "half the score goes into tanh": ("np.tanh(z / 2)", "np.tanh(z)"),
    "for each entry": ("z = mean", "mean, var = np.mean(mean), np.mean(var)\n    z = mean"),
    "exp(1000) is infinite": ("(1 + np.tanh(z / 2)) / 2", "np.exp(z) / (1 + np.exp(z))"),
    "too large for a number": (
        "(1 + np.tanh(z / 2)) / 2",
        "np.vectorize(lambda s: 1 / (1 + __import__('math').exp(-s)))(z)",
    ),
}

# %% correct="expected_sigmoid"
def expected_sigmoid(mean, var):
    from scipy.special import expit

    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    z = np.asarray(mean)[..., None] + np.sqrt(np.asarray(var))[..., None] * nodes
    return expit(z) @ (weights / weights.sum())

# %% [markdown]
# Two numbers stand for 1024 masks. The remaining error has two sources: $\sigma$ is not quite
# $\Phi$ (at most 0.02), and a few scaled coins are not quite normal. The second is worse at
# large $p$, where hardly anything survives and what survives is scaled by much.
#
# ## And in a network?
#
# With the squared loss, dropout on *hidden* units charges the output weights $v_j$ in the same
# way: $v_j^2$ times $\sum_i h_{ij}^2$. But now $h_{ij}$ is learnt too. Halve the outputs of a
# ReLU unit and double its outgoing weights: the network computes the same and pays the same.
# Plain L2 would charge another price.
#
# **Predict**: L2 shortens weights. Does dropout, in a network trained on the digits?

# %% guess=true
my_guess = 0.7  # length of the first layer's weights with p = 0.8, divided by that with p = 0

# %% figure=true
# Lengths of the weights, their price, and how many hidden units are active, against p.
guess = expect.guess(my_guess)
rates = (0.0, 0.2, 0.5, 0.8)
found = np.zeros((4, len(rates), 4))
for i, p in enumerate(rates):
    for seed in range(4):
        net = train.two_layer(X_all, y_all, lambda h, rng, p=p: inverted(h, p, rng), seed)
        hidden = np.maximum(X_all @ net["W1"].T + net["b1"], 0)
        price = np.mean(hidden**2 @ (net["W2"] ** 2).sum(0))
        lengths = [np.linalg.norm(net[name]) for name in ("W1", "W2")]
        found[:, i, seed] = *lengths, price, 100 * np.mean(hidden > 0)

fig, (left, middle, right) = plot.figure(3, width=9, height=2.6)
for ax, runs, name, color in zip(
    (left, left, middle, right), found, ("first layer", "second layer", "", ""),
    (plot.BLUE, plot.GREEN, plot.ORANGE, plot.ORANGE), strict=True,
):
    ax.errorbar(rates, runs.mean(1), plot.standard_error(runs, 1), marker="o", markersize=4,
                capsize=2, color=color, label=name)
    ax.set(xlabel="p (4 runs ± s.e.)", xticks=rates)
first = found[0]
left.plot(0.8, guess * first[0].mean(), "x", color=plot.INK, label="your guess")
left.set(ylabel="length of all weights", ylim=(0, None))
grown, price, active = (plot.difference(runs[-1] / runs[0], 1) for runs in found[[0, 2, 3]])
left.set_title(grown.says(more="Longer weights", less="Shorter weights", same="As long"))
left.legend(loc="lower left", fontsize=8, title=f"first layer, p = 0.8: × {1 + grown.mean:.2f}")
middle.set(ylabel="Σ v² h² per row", ylim=(0, None))
middle.set_title(f"Price at p = 0.8: × {1 + price.mean:.2f} ± {price.error:.2f}")
right.set(ylabel="active hidden units, %", ylim=(0, 100))
right.set_title(f"Active: × {1 + active.mean:.2f} ± {active.error:.2f}")
plot.show(fig, "Against p: the length of each layer's weights, and your guess; the price; the "
               "active hidden units.")

# %% [markdown]
# After the same 30 epochs the weights are *longer* with dropout than without. What is smaller,
# by more than half, is the price itself (without its factor $p/(1-p)$), and the network brings it
# down on the side of $h$: at large $p$ few hidden units are active for any one digit. "Dropout
# shrinks the weights" is a sentence about linear models.
#
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="shrink" points=1
# One feature, squared loss, least squares gives weight 4. With p = 0.25 on the input and as many
# rows as you like, training ends at:
#
# - [ ] 4
# - [x] 3
# - [ ] 1
#
# Hint: the worked example says which share of the weight is left. p drops.

# %% question="unit_answer" points=1
# A length is given in millimetres in place of metres. The predictions change of a linear model
# trained with:
#
# - [x] plain L2
# - [ ] dropout
# - [ ] both
#
# Hint: which of two curves moved when pixels changed units?

# %% question="without" points=1
# Dropout's penalty on logistic regression can be computed without:
#
# - [x] the labels
# - [ ] the inputs
# - [ ] the weights
#
# Hint: what does `logistic_penalty` take?

# %% [markdown]
# ## In your own words
#
# A colleague wants to replace the dropout of a model by weight decay, "since they are the same".
# Say in three to six sentences for which model they are right, what they must still take care
# of there, and name one model for which they are wrong, with a measurement of this lesson as
# evidence. (A person reads this.)

# %% [markdown] answer="just_l2" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: right, exactly, for dropout on the inputs of a linear model with
# squared loss, if each weight is charged p / (1 - p) times its feature's sum of squares (or each
# feature is first divided by its root mean square), a price that grows with the number of rows.
# One point: a wrong case with its evidence. Logistic regression: the penalty falls while a
# weight grows that agrees with another, or is 1.5 to 3 times off at large p. A network: its
# weights came out longer with dropout than without.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Linear model, squared loss: dropout **is** L2, exactly, with the price
#   $\frac{p}{1-p}\sum_i X_{ij}^2$ for each weight. It ignores units and does not fade with data.
#   On pixels, which share a unit, plain L2 was a little better.
# - Logistic regression: the penalty needs no labels, spares what is agreed, and is no L2. Its
#   quadratic approximation is good for small $p$ and fails for large.
# - Mean and variance of a score stand for all its masks: at $p=0.5$ the probability was off by
#   one to three hundredths on average, in place of about ten.
# - In a network the weights grew with dropout. What shrank is weight times signal.
#
# **Read.** Wager, Wang and Liang, *Dropout training as adaptive regularization*, NIPS 2013.
# Wang and Manning, *Fast dropout training*, ICML 2013; its integral of $\sigma$ is from MacKay,
# *The evidence framework applied to classification networks*, Neural Computation 4 (1992).
# Helmbold and Long, *On the inductive bias of dropout*, JMLR 16 (2015). Srivastava et al., JMLR
# 15 (2014), §9.1.
#
# **Stretch.** The penalty of logistic regression needs no labels, so it can be computed on
# unlabelled rows as well, where there are often many more. Wager, Wang and Liang do that. Try it
# on two digits with 20 labelled rows: does it help, over ten draws of those rows?
#
# **Still open.** Training averages over masks, and evaluation forgets the variance. What if
# you kept the masks when you *use* the network, and took the variance for doubt? {{uncertainty}}.
