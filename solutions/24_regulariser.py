# %% [markdown]
# # 2.4 · Dropout as a regulariser
#
# **Is dropout just L2?**
#
# *{{minutes}} minutes. Before: {{weight_scaling}} and {{inverted_dropout}}. After, you will be able
# to compute the penalty that dropout puts on a model's weights.*
#
# | symbol | meaning |
# | --- | --- |
# | $p$ | probability that a unit is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0 |
# | $z$, $\mu$ | output $w \cdot x$ (before a sigmoid, the *logit*); $\mu = \sigma(z)$ |

# %% setup=true
import numpy as np

from dropoutlab import check_probability, expect, explore, penalised, plot, studies
from dropoutlab.penalised import expit
from dropoutlab.studies import regulariser as study

# %% [markdown]
# ## One weight
#
# Some say that dropout is just L2, a penalty on the weights. Begin with one weight and data
# $y = 2x$ plus noise. In training the input goes through inverted dropout with $p = 0.5$.

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
# **Guess: which slope is learned from 3000 rows?**

# %% guess=true
my_guess = 2.0  # the slope that is learned with dropout from 3000 rows

# %% figure=true
# The slope that is learned with dropout, from 30, 300 and 3000 rows.
guess = expect.guess(my_guess)
sizes, p = (30, 300, 3000), 0.5
lines = {}
for n in sizes:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 1))
        lines[n, seed] = x, 2 * x[:, 0] + rng.normal(0, 0.5, n)
slopes = np.array([[descend(*lines[n, seed], p, seed)[0] for seed in range(5)] for n in sizes])

fig, (left, right) = plot.figure(2, height=2.8)
left.plot(*(part[:300] for part in lines[3000, 4]), ".", color=plot.GREY, markersize=3)
ends = np.array([-3, 3])
for slope, name, color in (
    (guess, "your guess", plot.ORANGE),
    (slopes[-1].mean(), "learned with dropout", plot.BLUE),
):
    left.plot(ends, slope * ends, color=color, label=f"{name}: {slope:.2f}")
left.set(xlabel="x (300 of the 3000 rows)", ylabel="y")
found = plot.difference(slopes[-1])
left.set_title(f"From 3000 rows: slope {found.mean:.2f} ± {found.error:.2f}")
left.legend(loc="upper left")
right.plot(np.repeat(sizes, 5), slopes.ravel(), "o", color=plot.BLUE, alpha=0.6)
right.axhline(guess, color=plot.ORANGE, linestyle="--")
right.set_xscale("log")
right.set_xticks(sizes, sizes)
right.minorticks_off()
right.set(xlabel="rows of data (5 runs each)", ylabel="slope", ylim=(0, 2.5))
gain = plot.difference(slopes[-1], slopes[0])
right.set_title(f"Slope, 3000 rows − 30 rows: {gain:.2f}")
plot.show(fig, "Left, the data with two lines through them, your guess and the learned one, whose "
               f"slope is {found.mean:.2f}. Right, the learned slopes against the number of rows.",
          claims={"slope-halves": abs(found.mean - 1) < 0.05,
                  "dropout-does-not-fade": abs(gain.mean) < 0.3})

# %% [markdown]
# Something pulls the weight to half its size, as hard with
# 3000 rows as with 30.
#
# ### One question from {{inverted_dropout}}
#
# What are the mean and the variance of $m_j x_j/(1-p)$ over masks?
#
# <details><summary>Answer</summary>
#
# The mean is $x_j$, and the variance is $x_j^2\,p/(1-p)$.
# </details>
#
# ## Exercise: `monte_carlo_squared_loss`
#
# Training minimises the mean over masks of the loss of one thinned model,
#
# $$ L(w) = \mathbb E_m \Bigl\| y - \frac{m \odot X}{1-p}\, w \Bigr\|^2 . $$
#
# Estimate it with $k$ masks. Losses here are *sums* over the rows.

# %% exercise="monte_carlo_squared_loss"
def monte_carlo_squared_loss(w, X, y, p, k, rng):
    """The mean over k masks m of ||y - (m * X / (1 - p)) w||²: a number.

    ||·||² sums over the rows. Each mask is new and of X's whole shape; rng draws them all.

    w : (d,), X : (n, d), y : (n,), left as they are; k : number of masks, 1 or more
    p : probability of dropping, below 1
    """
    check_probability(p)
    ### BEGIN SOLUTION
    total = 0
    for _ in range(k):
        z = (X * (rng.random(X.shape) >= p) / (1 - p)) @ w
        total += np.sum((y - z) ** 2)
    return total / k
    ### END SOLUTION

# %% [markdown] hint="monte_carlo_squared_loss"
# Write the loss of one mask first. What must be repeated $k$ times, and what is averaged?

# %% [markdown] hint="monte_carlo_squared_loss"
# The function `inverted`, above your guess, makes one thinned $X$.

# %% [markdown] hint="monte_carlo_squared_loss"
# A loop adds up $k$ losses, each a sum of squares over the rows. Only $k$ divides.

# %% check="monte_carlo_squared_loss" points=1
# With one mask, the loss is the sum over the rows of the squared errors of a thinned model.
y = expect.rng().uniform(0.5, 3.5, 2)
masks = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
losses = {scale: np.sum((y - 2 * scale * masks) ** 2, 1) for scale in (1, 1.25, 0.8, 5)}
errors = y - 2.5 * masks
with expect.case("monte_carlo_squared_loss(w, X, y, p=0.2, k=1, rng), one feature, 40 times"):
    found = [
        monte_carlo_squared_loss(np.array([2.0]), np.ones((2, 1)), y.copy(), 0.2, 1, rng)
        for rng in [expect.rng()] for _ in range(40)
    ]
    bare = "nothing is dropped, and nothing scaled."
    if np.ptp(found):
        bare = "where both inputs are kept, they are not scaled. Divide by 1 - p all the same."
    wrong = (
        (losses[1][1:-1], "the survivors are not scaled. Divide them by 1 - p."),
        (losses[1][-1:], bare),
        (losses[0.8], "the survivors are multiplied by 1 - p. Divide them by it."),
        (losses[5], "the survivors are divided by p. Divide them by 1 - p."),
        (losses[1.25] / 2, "that is a half, or the mean over the rows. Take the whole sum."),
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
    w, X, y = np.ones(1), np.ones((30, 1)), np.zeros(30)
    monte_carlo_squared_loss(w, X, y, 0.5, 3, expect.rng())
    expect.unchanged(X, np.ones((30, 1)), hint="X is changed, and the second mask falls on what "
                     "the first one left. Make a new array for each mask.")
    expect.unchanged(w, np.ones(1))
    expect.unchanged(y, np.zeros(30))
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
    same = ("it is as if all 2000 masks {} the 1. Toss a coin for each entry, anew in each of k "
            "masks.")
    expect.mean([loss] * 2000, 1 / 0.8, of=(0, 1 / 0.8**2),  # the mean of 2000 coins, as often
                hint="a mask costs 0 with probability p, else 1 / (1 - p)².",
                suspects=[(0, same.format("dropped")), (1 / 0.8**2, same.format("kept")),
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
                 hint="with y = 0, no mask m gives this loss: ||(m * X / (1 - p)) w||².")
    return mask


with expect.case("monte_carlo_squared_loss(w, X, y, p=0, k=1, rng), y = 0, X of shape (4, 5)"):
    loss = monte_carlo_squared_loss(w.copy(), X.copy(), np.zeros(4), 0.0, 1, expect.rng())
    expect.close(loss, np.sum((X @ w) ** 2), hint="it must be one number, ||X w||².")
with expect.case("the masks in monte_carlo_squared_loss(w, X, y, p, k=1, rng), X of shape (4, 5)"):
    expect.coins(kept, axes=("row", "feature"), calls=200)
rng = expect.rng()
with expect.case("monte_carlo_squared_loss(w, X, y, p=0.5, k=2, rng) on a single 1, 60 times"):
    pairs = [monte_carlo_squared_loss(np.ones(1), np.ones((1, 1)), np.zeros(1), 0.5, 2, rng)
             for _ in range(60)]
    expect.varies(pairs, chance=1e-18, what="pairs of masks of which both, one or none keeps the 1",
                  hint="in every call the 1 survives in the same number of masks. Draw each mask "
                       "anew.")

# %% mistakes="monte_carlo_squared_loss"
{
    "survivors are not scaled": (" / (1 - p)", ""),
    "nothing is dropped, and": ("(X * (rng.random(X.shape) >= p) / (1 - p))", "X"),
    "multiplied by 1 - p": ("/ (1 - p)", "* (1 - p)"),
    "survivors are divided by p": ("/ (1 - p)", "/ p"),
    "mean over the rows": ("np.sum((y", "np.mean((y"),
    "that is a root": ("np.sum((y - z) ** 2)", "np.linalg.norm(y - z)"),
    "errors are not squared": ("(y - z) ** 2", "abs(y - z)"),
    "falls on what the first one left":
        ("z = (X * (rng.random(X.shape) >= p) / (1 - p))",
         "X *= (rng.random(X.shape) >= p) / (1 - p); z = X"),
    "p is swapped with 1 - p": (">= p", "< p"),
    "k losses are added up": ("total / k", "total"),
    "one loss is divided by k": ("total +=", "total ="),
    "Return their mean": ("return total / k", "return np.full(k, total / k)"),
    "Toss a coin for each entry": (
        "rng.random(X.shape) >= p",
        "rng.permutation(X.size).reshape(X.shape) >= round(p * X.size)",
    ),
    "as if all 2000 masks": (
        "range(k):\n        z = (X * (rng.random(X.shape) >= p)",
        "[rng.random(X.shape) >= p] * k:\n        z = (X * _",
    ),
    "writes into its input": ("total = 0", "total = 0\n    y -= 1\n    y = y + 1"),
    "survives in the same number": (
        "for _ in range(k):\n        z = (X * (rng.random(X.shape) >= p)",
        "for i in range(k):\n        u = 1 - u if i % 2 else rng.random(X.shape)\n"
        "        z = (X * (u >= p)",
    ),
    "averaged before the loss": (
        "total += np.sum((y - z) ** 2)\n    return total / k",
        "total += z\n    return np.sum((y - total / k) ** 2)",
    ),
    "every row has the same mask": ("rng.random(X.shape)", "rng.random(X.shape[1])"),
    "every feature has the same mask": ("rng.random(X.shape)", "rng.random((len(X), 1))"),
    "a seed is set inside": ("total = 0", "total, rng = 0, np.random.default_rng(0)"),
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
# For any random $z$, $\mathbb E[(y-z)^2] = (y - \mathbb E z)^2 + \operatorname{Var} z$. Here $z$ is
# the output of one row, a sum of $d$ independent terms $w_j\,m_j x_j/(1-p)$.
#
# ## Exercise: `marginal_squared_loss`

# %% exercise="marginal_squared_loss"
def gaussian_moments(w, X, p):
    """The mean and the variance over masks m of each row's output (m * X / (1 - p)) w.

    w : (d,), X : (n, d), left as they are
    p : probability of dropping, below 1
    Returns two arrays (n,).
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return X @ w, p / (1 - p) * (X**2 @ w**2)
    ### END SOLUTION


def marginal_squared_loss(w, X, y, p):
    """The mean over all masks m of ||y - (m * X / (1 - p)) w||², exactly: a number.

    ||·||² sums over the rows. No sampling and no list of masks: d may be 1000.

    w, X, p : as above; y : (n,), left as it is
    """
    ### BEGIN SOLUTION
    mean, variance = gaussian_moments(w, X, p)
    return np.sum((y - mean) ** 2) + np.sum(variance)
    ### END SOLUTION

# %% [markdown] hint="marginal_squared_loss"
# What is the mean of one term $w_j\,m_j x_j/(1-p)$ over masks? The mean of a sum is the sum of the
# means, and holds no $p$.

# %% [markdown] hint="marginal_squared_loss"
# Variances of independent terms add up, and a factor in front of a term comes out squared.

# %% [markdown] hint="marginal_squared_loss"
# Both moments are products of a matrix and a vector: one of $X$ and $w$, one of their squares. The
# loss sums $(y_i - \text{mean}_i)^2 + \text{variance}_i$ over the rows.

# %% check="marginal_squared_loss" points=2
# Mean and variance of each row, over all 32 masks of 5 inputs.
rng = expect.rng()
w, X = rng.normal(size=5), rng.normal(size=(6, 5))
masks = np.arange(32)[:, None] >> np.arange(5) & 1
terms = X * w
for p in (0.3, float(rng.uniform(0.6, 0.85))):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    z = (masks[:, None] * X / (1 - p)) @ w
    centre = chance @ z
    scatter = chance @ (z - centre) ** 2
    with expect.case(f"gaussian_moments(w, X, p={p:.2f}), six rows: the means", crash=[
        ("unpack", "return two things: the means, the variances."),
        ("matmul|dot|align", "shapes do not fit: X @ w has one number for each row."),
    ]):
        given = w.copy(), X.copy()
        mean, variance = gaussian_moments(*given, p)
        for now, then in zip(given, (w, X), strict=True):
            expect.unchanged(now, then)
        expect.close(mean, centre, rtol=1e-5, atol=1e-6,
                     hint="average each row's output over all masks.",
                     suspects=[
                         ((1 - p) * centre, "that is for survivors that are not scaled."),
                         (centre / (1 - p), "that is the output with nothing dropped and all "
                                            "scaled."),
                         (scatter, "mean and variance are swapped."),
                         (terms, "those are the d terms of each row. Add them up."),
                         (np.sum(terms), "that is one number for all rows. Give one for each."),
                     ])
    with expect.case(f"gaussian_moments(w, X, p={p:.2f}), six rows: the variances"):
        expect.close(variance, scatter, rtol=1e-5,
                     hint="average (z - mean)² over all masks, for each row.",
                     suspects=[
                         (np.sqrt(scatter), "that is the standard deviation: square it."),
                         ((1 - p) ** 2 * scatter, "p (1 - p) is the variance of an unscaled coin."),
                         (((1 - p) / p) ** 2 * scatter, "p and 1 - p are swapped."),
                         ((1 - p) * scatter, "the factor is p alone. What is the variance of "
                                             "m / (1 - p)?"),
                         (scatter / p, "those are mean squares. Subtract the squared mean: the "
                                        "factor is p / (1 - p)."),
                         (p / (1 - p) * (X @ w) ** 2, "the inputs of a row would be dropped "
                                                      "together. Square each term, then add."),
                         (p / (1 - p) * (X @ w), "the terms are not squared."),
                         (p / (1 - p) * (X**2 @ w), "the weights are not squared."),
                         (p / (1 - p) * (X @ w**2), "the inputs are not squared."),
                         (np.full(6, p / (1 - p) * (w @ w)), "the inputs are missing: that is "
                                                             "plain L2."),
                         (p / (1 - p) * (w @ w), "the inputs are missing: that is plain L2."),
                         (np.sum(scatter), "that is one number for all rows. Give one for each."),
                         (scatter / 5, "that is a mean over features. Variances add up."),
                     ])

# %% check="marginal_squared_loss" points=2
# The loss is the mean over all 16 masks of each row.
rng = expect.rng()
w, X, y = rng.normal(size=4), rng.normal(size=(7, 4)), rng.normal(size=7)
masks = np.arange(16)[:, None] >> np.arange(4) & 1
base = np.sum((y - X @ w) ** 2)
for p in (0.3, 0.8):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    outputs = (masks[:, None] * X / (1 - p)) @ w
    right = np.sum(chance @ (y - outputs) ** 2)
    with expect.case(f"marginal_squared_loss(w, X, y, p={p})"):
        expect.close(
            marginal_squared_loss(w.copy(), X.copy(), y.copy(), p),
            right,
            rtol=1e-5,
            hint="it must be the exact mean of the loss over all masks.",
            suspects=[
                (base, "that is the loss without dropout. Outputs also scatter: add the variance."),
                (right - base, "that is the penalty alone. Add the loss of the mean output."),
                (base + (right - base) / 7, "the penalty is a mean over rows, the loss a sum."),
                (right / 7, "that is the mean over the rows. Sum over them."),
                (base + np.sum(np.sqrt(chance @ (outputs - X @ w) ** 2)),
                 "the standard deviations are added. The formula has the variance."),
                (base / 7 + right - base, "the loss is a mean over rows, the penalty a sum."),
            ],
        )

# %% check="marginal_squared_loss" points=1
# With 1000 features, for which no list of masks would fit, and no input changed.
rng = expect.rng()
w, X, y = np.full(1000, 0.1), np.full((5, 1000), -1.0), rng.normal(size=5)
target = y.copy()
with expect.case("marginal_squared_loss(w, X, y, p=0.5), 1000 features, all inputs -1"):
    loss = marginal_squared_loss(w, X, y, 0.5)
    # Each row's output has mean -100, and 1000 terms of variance 0.01.
    expect.close(loss, np.sum((100 + target) ** 2) + 5 * 10, rtol=1e-5,
                 hint="the output of a row has mean -100 and variance 10.")
    for now, then in ((w, 0.1), (X, -1), (y, target)):
        expect.unchanged(now, np.broadcast_to(then, now.shape))

# %% mistakes="marginal_squared_loss"
{
    "return two things": (", p / (1 - p) * (X**2 @ w**2)", ""),
    "survivors that are not scaled": ("X @ w, p / (1", "X @ w * (1 - p), p * (1"),
    "all scaled": ("X @ w, p", "X @ w / (1 - p), p"),
    "mean and variance are swapped": ("return X @ w, p / (1 - p) * (X**2 @ w**2)",
                                      "return p / (1 - p) * (X**2 @ w**2), X @ w"),
    "the function writes into its input": (
        "p / (1 - p) * (X**2 @ w**2)", "p / (1 - p) * (np.multiply(X, X, out=X) @ w**2)"),
    "d terms of each row": ("X @ w, p", "X * w, p"),
    "one number for all rows": ("X @ w, p", "np.sum(X @ w), p"),
    "shapes do not fit": ("X @ w, p", "w @ X, p"),
    "standard deviation: square": ("p / (1 - p) * (X**2 @ w**2)",
                                   "np.sqrt(p / (1 - p) * (X**2 @ w**2))"),
    "unscaled coin": ("p / (1 - p)", "p * (1 - p)"),
    "p and 1 - p are swapped": ("p / (1 - p)", "(1 - p) / p"),
    "the factor is p alone": ("p / (1 - p)", "p"),
    "Subtract the squared mean": ("p / (1 - p)", "1 / (1 - p)"),
    "be dropped together": ("X**2 @ w**2", "(X @ w) ** 2"),
    "terms are not squared": ("X**2 @ w**2", "X @ w"),
    "weights are not squared": ("w**2", "w"),
    "inputs are not squared": ("X**2", "X"),
    "plain L2": ("(X**2 @ w**2)", "(w @ w)"),
    "a mean over features": ("(X**2 @ w**2)", "np.mean((X * w) ** 2, axis=1)"),
    "the loss without dropout": (" + np.sum(variance)", ""),
    "the penalty alone": ("np.sum((y - mean) ** 2) + ", ""),
    "the penalty is a mean over rows": ("np.sum(variance)", "np.mean(variance)"),
    "Sum over them": ("np.sum((y - mean) ** 2) + np.sum(variance)",
                      "np.mean((y - mean) ** 2 + variance)"),
    "standard deviations are added": ("np.sum(variance)", "np.sum(np.sqrt(variance))"),
    "the loss is a mean over rows": ("np.sum((y", "np.mean((y"),
    "exact mean": ("np.sum((y - mean) ** 2) + np.sum(variance)",
                   "monte_carlo_squared_loss(w, X, y, p, 100, np.random.default_rng())"),
    "writes into its input": ("return np.sum((y - mean)", "y -= mean; return np.sum((y)"),
}

# %% correct="marginal_squared_loss"
def gaussian_moments(w, X, p):
    terms = np.asarray(X) * w
    second = (terms**2).sum(-1) / (1 - p)
    return list(terms.sum(-1)), second - (terms**2).sum(-1)


def marginal_squared_loss(w, X, y, p):
    gram = X.T @ X
    quadratic = gram + p / (1 - p) * np.diag(np.diag(gram))
    return float(y @ y - 2 * y @ X @ w + w @ quadratic @ w)

# %% [markdown]
# So for a linear model with squared loss the answer is exact:
#
# $$ L(w) = \|y - Xw\|^2 + \frac{p}{1-p} \sum_j w_j^2 \sum_i X_{ij}^2 . $$
#
# This is L2, where each weight has a price of its own: the sum of its feature's squares. With one
# feature the minimum lies where $w \sum x_i^2 \,\bigl(1 + \frac{p}{1-p}\bigr) = \sum x_i y_i$, at
# $1-p$ times the least-squares weight.
#
# ## Exercise: `dropout_ridge`

# %% exercise="dropout_ridge"
def dropout_ridge(X, y, p):
    """The weights (d,) that minimise `marginal_squared_loss(w, X, y, p)`.

    X : (n, d), no column all zeros; y : (n,); left as they are
    p : probability of dropping, below 1
    """
    check_probability(p)
    ### BEGIN SOLUTION
    gram = X.T @ X
    cost = p / (1 - p) * np.diag(np.diag(gram))
    return np.linalg.solve(gram + cost, X.T @ y)
    ### END SOLUTION

# %% [markdown] hint="dropout_ridge"
# Without dropout the gradient vanishes where $X^\top X w = X^\top y$. What does the penalty
# add to the gradient of weight $j$?

# %% [markdown] hint="dropout_ridge"
# It adds a *diagonal* matrix to $X^\top X$. Its entries stand on the diagonal of $X^\top X$
# itself; `np.diag` takes them out, and puts them back.

# %% [markdown] hint="dropout_ridge"
# `np.linalg.solve(A, b)` gives the $w$ with $A w = b$. Adding a multiple of the identity gives
# ridge regression: least squares with plain L2.

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
            *[(size * p / (1 - p) * np.eye(4), "the identity makes plain ridge. Each feature has "
               "a price.") for size in (1, 12, np.trace(gram), np.trace(gram) / 4)],
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
        given = X.copy(), y.copy()
        expect.close(dropout_ridge(*given, p), best, rtol=1e-4, atol=1e-5, suspects=wrong,
                     hint="the gradient of the loss does not vanish at these weights.")
        for now, then in zip(given, (X, y), strict=True):
            expect.unchanged(now, then)

# %% mistakes="dropout_ridge"
{
    "weights as a column": ("X.T @ y)", "X.T @ y[:, None])"),
    "without dropout": ("gram + cost", "gram"),
    "shrink alike": ("np.linalg.solve(gram + cost", "(1 - p) * np.linalg.solve(gram"),
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
}

# %% correct="dropout_ridge"
def dropout_ridge(X, y, p):
    below = np.diag(np.sqrt((X * X).sum(0) * p / (1 - p)))
    taller, target = np.vstack([X, below]), np.append(y, np.zeros(X.shape[1]))
    return np.linalg.pinv(taller) @ target

# %% [markdown]
# ## What fades with data?
#
# Three penalties halve the slope at 30 rows: dropout, weight decay on the mean loss,
# $\frac1n\sum_i (y_i - x_i w)^2 + \lambda w^2$ with $\lambda = 1$, and the same on the sum, with
# $\lambda = 30$. **Guess the slope that the second gives from 3000 rows.**

# %% guess=true
my_guess = 2.0  # the slope with weight decay on the mean loss, from 3000 rows

# %% figure=true
# The slope against the rows of data: your dropout_ridge, and L2 on the mean and on the sum.
guess = expect.guess(my_guess)


def plain_ridge(x, y, strength):
    """The minimum of sum (y - x w)² + strength w²."""
    return x[:, 0] @ y / (np.sum(x**2) + strength)


many = {n: [] for n in (30, 100, 300, 1000, 3000)}
for n, runs in many.items():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 1))
        noisy = 2 * x[:, 0] + rng.normal(0, 0.5, n)
        runs.append([float(np.squeeze(dropout_ridge(x, noisy, 0.5))),
                     plain_ridge(x, noisy, n), plain_ridge(x, noisy, 30)])
rows, learned = list(many), np.array(list(many.values()))  # rows, seed, way
names = "dropout (yours)", "L2 on the mean loss", "L2 on the sum"
fig, (ax,) = plot.figure(1, width=8, height=3.3)
said, grown = [], []
for way, (name, color, marker) in enumerate(
    zip(names, (plot.BLUE, plot.GREEN, plot.ORANGE), "os^", strict=True)
):
    runs = learned[:, :, way]
    ax.errorbar(np.array(rows) * 1.06 ** (way - 1), runs.mean(1), runs.std(1, ddof=1), color=color,
                marker=marker, capsize=2, label=name)
    grown.append(plot.difference(runs[-1], runs[0]))
    said.append(f"{name}: {grown[-1]:.2f}")
ax.plot(sizes, slopes.mean(1), "x", zorder=3, color=plot.INK,
        label="descent with masks (first figure)")
ax.plot(3000, guess, "X", color=plot.GREY, markersize=9, label="your guess")
ax.set_xscale("log")
ax.set_xticks(rows, rows)
ax.minorticks_off()
ax.set(xlabel="rows of data (20 data sets ± standard deviation)", ylabel="slope", ylim=(0, 2.4))
ax.set_title("Slope, 3000 rows − 30 rows:\n" + "\n".join(said))
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plot.show(fig, "The slope against the rows of data in three ways. From 30 to 3000 rows it changes "
               f"by: {'; '.join(said)}.",
          claims={"decay-on-the-mean-does-not-fade": abs(grown[1].mean) < 0.2,
                  "decay-on-the-sum-fades": grown[2].mean > 0.6})

# %% [markdown]
# A penalty fades where the loss grows with the rows and the penalty does not: L2 on a sum.
# Dropout's penalty is itself a sum over rows. Divided by $n$, it is weight decay on the mean loss,
# with a strength for each feature: $\frac{p}{1-p}$ times its mean square. So dropout does not see a
# feature's unit.
#
# ## Logistic regression: rare and confident features
#
# The log loss of a row of class $y$, 0 or 1, is $A(z) - y z$ with $A(z) = \log(1+e^z)$. Noise
# leaves $yz$ unchanged on average, so with $\tilde z$, the logit of the thinned row, the penalty
# $\mathbb E[A(\tilde z)] - A(z)$ **contains no label**. Wager, Wang and Liang (2013) replace $A$ by
# its parabola at $z$. What is left is half the curvature $\mu(1-\mu)$, with
# $\mu = \sigma(z) = 1/(1+e^{-z})$, times the variance of $\tilde z$. Over all rows:
#
# $$ \frac12\,\frac{p}{1-p} \sum_j w_j^2\, F_j, \qquad F_j = \sum_i \mu_i (1-\mu_i)\, x_{ij}^2 . $$
#
# $F_j$ stands on the diagonal of the *Fisher information*: how much the data tell about weight $j$.
#
# ## Exercise: `logistic_penalty`
#
# `expit` is $\sigma$.

# %% exercise="logistic_penalty"
def fisher_diagonal(w, X):
    """Σ_i μ_i (1 - μ_i) x_ij² for each feature j, with μ_i = σ(w · x_i): an array (d,).

    w : (d,), X : (n, d), left as they are
    """
    ### BEGIN SOLUTION
    mu = expit(X @ w)
    return (mu * (1 - mu)) @ X**2
    ### END SOLUTION


def logistic_penalty(w, X, p):
    """What dropout on the inputs adds to the log loss, to second order: a number.

    p / (1 - p) / 2 times the sum of w_j² F_j (Wager, Wang and Liang 2013).

    p : probability of dropping, below 1
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return p / (1 - p) / 2 * fisher_diagonal(w, X) @ w**2
    ### END SOLUTION

# %% [markdown] hint="logistic_penalty"
# $\mu$ is one number for each row: `expit` of the row's logit.

# %% [markdown] hint="logistic_penalty"
# Multiply each *row* of the matrix $x_{ij}^2$ by that row's curvature. Then add up the rows.

# %% [markdown] hint="logistic_penalty"
# A vector with one number for each row, times a matrix (`v @ M`), is a weighted sum of its rows.

# %% check="logistic_penalty" points=2
# The Fisher information is the curvature of the whole log loss, by finite differences.
rng = expect.rng()
w, X = rng.normal(size=4), rng.normal(size=(9, 4)) * [0.5, 1, 1, 2]
h = 1e-3
there, back = (np.logaddexp(0, X @ (w[:, None] + s * h * np.eye(4))).sum(0) for s in (1, -1))
curved = (there - 2 * np.logaddexp(0, X @ w).sum() + back) / h**2
mu = 1 / (1 + np.exp(-(X @ w)))
bend = mu * (1 - mu)
with expect.case("fisher_diagonal(w, X), nine rows, four features", crash=[
    ("broadcast|matmul|align", "shapes do not fit. The curvature is one number for each row, and "
     "what comes out has one for each feature."),
]):
    given = w.copy(), X.copy()
    found = fisher_diagonal(*given)
    for now, then in zip(given, (w, X), strict=True):
        expect.unchanged(now, then)
    expect.close(
        found, curved, rtol=2e-5, atol=1e-6,
        hint="sum μ (1 - μ) x² over the rows, for each feature.",
        suspects=[
            (mu @ X**2, "the curvature is μ (1 - μ), not μ."),
            ((X**2).sum(0), "the curvature is missing: those are the prices of the squared loss."),
            ((X**2).sum(0) / 4, "1 / 4 is the curvature at a logit of 0. It depends on the row."),
            (bend**2 @ X**2, "the curvature is squared."),
            (bend @ X, "the inputs are not squared."),
            ((bend @ X) ** 2, "square each input before you add them up."),
            (curved / 9, "that is the mean over the rows. Sum over them."),
            (X.T @ (bend[:, None] * X), "that is the whole matrix. Only its diagonal is wanted."),
            (curved.sum(), "that is a sum over features too. Give one number for each."),
            (X**2 @ np.ones(4) * bend, "those are numbers for each row. Sum over the rows."),
            (bend * (X**2 @ w**2), "those are numbers for each row. Sum over the rows."),
        ],
    )

# %% check="logistic_penalty" points=2
# Half the curvature times the variance, over all 16 masks.
rng = expect.rng()
w, X = rng.normal(size=4), rng.normal(size=(7, 4))
masks = np.arange(16)[:, None] >> np.arange(4) & 1
z = X @ w
bend = 1 / (2 + np.exp(z) + np.exp(-z))
prices = bend @ X**2
for p in (0.3, 0.8):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    scatter = chance @ ((masks[:, None] * X / (1 - p)) @ w - z) ** 2
    half = p / (1 - p) / 2
    right = np.sum(bend * scatter) / 2
    with expect.case(f"logistic_penalty(w, X, p={p})"):
        given = w.copy(), X.copy()
        found = logistic_penalty(*given, p)
        for now, then in zip(given, (w, X), strict=True):
            expect.unchanged(now, then)
        expect.close(
            found,
            right,
            rtol=2e-5,
            hint="half of p / (1 - p) times the sum of w² F over the features.",
            suspects=[
                (2 * right, "the half is missing: a parabola is A + A'' (z̃ - z)² / 2."),
                (half * prices @ abs(w), "the weights are not squared."),
                (half * prices @ w, "the weights are not squared."),
                (half * prices.sum(), "the weights are missing: that sums the prices."),
                (half * prices.sum() * (w @ w), "price and square are summed apart. Multiply "
                                                "feature by feature, then sum."),
                (half * prices * w**2, "those are the terms. Add them up."),
                (half * prices**2 @ w**2, "the price is squared."),
                (half * w @ w, "the prices are missing: that is plain L2."),
                (p * (1 - p) / 2 * prices @ w**2, "p (1 - p) is the variance of an unscaled coin."),
                ((1 - p) / p / 2 * prices @ w**2, "p and 1 - p are swapped."),
                (p / 2 * prices @ w**2, "the factor is p alone."),
                (right / 7, "that is the mean over the rows. Sum over them."),
            ],
        )

# %% mistakes="logistic_penalty"
{
    "not μ.": ("(mu * (1 - mu))", "mu"),
    "writes into its input": ("@ X**2", "@ np.multiply(X, X, out=X)"),
    "function writes into its input": (
        "return p / (1 - p) / 2 * fisher_diagonal(w, X) @ w**2",
        "prices = fisher_diagonal(w, X)\n    w *= w\n    return p / (1 - p) / 2 * prices @ w",
    ),
    "the curvature is missing": ("mu = expit(X @ w)\n    return (mu * (1 - mu)) @ X**2",
                                 "return np.sum(X**2, axis=0)"),
    "curvature at a logit of 0": ("expit(X @ w)", "expit(0 * X @ w)"),
    "the curvature is squared": ("(mu * (1 - mu))", "(mu * (1 - mu)) ** 2"),
    "inputs are not squared": ("X**2", "X"),
    "before you add them up": ("(mu * (1 - mu)) @ X**2", "((mu * (1 - mu)) @ X) ** 2"),
    "mean over the rows": ("(mu * (1 - mu)) @ X**2", "(mu * (1 - mu)) @ X**2 / len(X)"),
    "the whole matrix": ("(mu * (1 - mu)) @ X**2", "X.T * (mu * (1 - mu)) @ X"),
    "a sum over features too": ("(mu * (1 - mu)) @ X**2", "np.sum((mu * (1 - mu)) @ X**2)"),
    "numbers for each row": ("(mu * (1 - mu)) @ X**2", "mu * (1 - mu) * np.sum(X**2, axis=1)"),
    "shapes do not fit": ("(mu * (1 - mu)) @ X**2", "X**2 @ (mu * (1 - mu))"),
    "the half is missing": ("p / (1 - p) / 2", "p / (1 - p)"),
    "weights are not squared": ("w**2", "abs(w)"),
    "the weights are missing": (" @ w**2", " @ np.ones(len(w))"),
    "summed apart": ("fisher_diagonal(w, X) @ w**2", "np.sum(fisher_diagonal(w, X)) * (w @ w)"),
    "those are the terms": ("(w, X) @ w**2", "(w, X) * w**2"),
    "the price is squared": ("(w, X) @ w**2", "(w, X) ** 2 @ w**2"),
    "plain L2": ("fisher_diagonal(w, X) @ w**2", "w @ w"),
    "unscaled coin": ("p / (1 - p)", "p * (1 - p)"),
    "swapped": ("p / (1 - p)", "(1 - p) / p"),
    "the factor is p alone": ("p / (1 - p)", "p"),
}

# %% correct="logistic_penalty"
def fisher_diagonal(w, X):
    z = np.einsum("nd,d->n", X, w)
    slope = 1 / np.cosh(z / 2) ** 2 / 4
    return np.einsum("n,nd,nd->d", slope, X, X)


def logistic_penalty(w, X, p):
    rows = gaussian_moments(w, np.asarray(X), p)
    return sum(v * expit(z) * expit(-z) / 2 for z, v in zip(*rows, strict=True))

# %% [markdown]
# One row has two inputs of 1, and the second weight is 3. Let the first weight grow from 0 to 6:
# plain L2 grows from 9 to 45. **What does dropout's penalty do at $p = 0.5$?**

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
grid = np.linspace(-8, 8, 81)
pair = np.ones((1, 2))
curve = [exact_penalty(np.array([a, 3]), pair, 0.5) for a in grid]
left.plot(grid, curve, color=plot.INK, label="exact")
left.plot(grid, [logistic_penalty(np.array([a, 3]), pair, 0.5) for a in grid], color=plot.BLUE,
          label="your approximation")
start, end = (exact_penalty(np.array([a, 3]), pair, 0.5) for a in (0, 6))
left.plot([0, 6], [start, factor * start], "o--", color=plot.ORANGE,
          label=f"your guess: × {factor:.3g}")
left.set(xlabel="first weight (the second is 3)", ylabel="penalty, nats", ylim=(0, None))
left.set_title(f"Exact, w₁ from 0 to 6: × {end / start:.2f} (L2: × 5)")
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
    right.errorbar(rates, np.mean(ratios, 0), np.std(ratios, 0, ddof=1), marker="o", markersize=4,
                   capsize=2, color=color, label=f"|w| = {length}")
    worst[length] = np.abs(np.mean(ratios, 0) - 1)
right.axhline(1, color=plot.GREY, linestyle="--")
right.set(xlabel="p (6 draws ± s.d.)", ylabel="approximation / exact", ylim=(0, 3))
small, large = (100 * max(off[i] for off in worst.values()) for i in (1, -1))
right.set_title(f"Off by at most {small:.0f} % at p = 0.1,\n{large:.0f} % at p = 0.9", fontsize=10)
right.legend(loc="upper left")
plot.show(fig, "Left, the exact penalty, your approximation and your guess against one weight: "
               f"from 0 to 6 the exact one changes by a factor of {end / start:.2f}. Right, "
               "approximation divided by exact penalty, against p.",
          claims={"penalty-falls": bool(end < 0.8 * start)})

# %% [markdown]
# Beside a large $w_jx_j$ of the same sign, **the penalty falls as a weight grows**: the row becomes
# *confident*. In your approximation $\mu(1-\mu)$ goes to 0. The exact penalty falls only to about
# $\frac14\log 2$, as one mask in four drops both inputs. And where a feature is *rare*, few rows
# pay for its weight. So rare, confident features are cheap: Wager, Wang and Liang see in this why
# dropout does well on text.
#
# Test it in two worlds, with 50 rare words and 50 features present in every row. In the first, the
# words tell the class; in the second, the others do. Logistic regression learns from 150 rows with
# L2, with dropout (30 masks a row), and with the second-order penalty at a fixed curvature of
# $\frac14$, which sees rarity only; 1000 validation rows choose each strength. **Guess: in the
# first world, what is dropout's error rate minus that of L2, in percentage points?**

# %% guess=true
my_guess = 0  # percentage points, dropout minus L2

# %% figure=true
# Prices of words and other features, and error rates in two worlds: takes some 20 seconds.
guess = expect.guess(my_guess)
worlds, errors, prices = ("words tell", "words are noise"), {}, []
for world in worlds:
    for seed in range(8):
        rates, inputs, w = penalised.compared(seed, world == worlds[0])
        for kind, rate in rates.items():
            errors.setdefault((world, kind), []).append(100 * rate)
        if world == worlds[0]:
            prices.append([(inputs**2).sum(0), np.asarray(fisher_diagonal(w, inputs), float)])
prices = np.array(prices)  # seed, sum of squares or price, feature
words = np.arange(prices.shape[2]) < penalised.WORDS

fig, (left, right) = plot.figure(2, width=9, height=3.2)
for part, name, color in ((words, "word", plot.BLUE), (~words, "other feature", plot.ORANGE)):
    left.plot(prices[:4, 0, part].ravel(), np.maximum(prices[:4, 1, part], 1e-3).ravel(), ".",
              color=color, markersize=3, alpha=0.6, label=name)
ends = np.array([1, 300])
left.plot(ends, ends / 4, "--", color=plot.GREY, label="curvature ¼ in every row")
rarity, price = 100 * (prices[:, :, words].mean(2) / prices[:, :, ~words].mean(2)).T
left.set(xscale="log", yscale="log", xlabel="sum of the feature's squares, 150 rows",
         ylabel="its price $F_j$ (yours), p = 0.5", ylim=(5e-4, 1e3))
left.set_yticks([1e-3, 1e-1, 10], ["≤ 0.001", "0.1", "10"])
left.set_title(f"A word costs {price.mean():.1f} % of another feature;\n"
               f"by rarity alone {rarity.mean():.1f} %", fontsize=10)
left.legend(loc="upper left", fontsize=8, handlelength=1)
gains, places = {}, []
for row, (world, kind) in enumerate(
    (world, kind) for world in worlds for kind in ("dropout", "fixed curvature")
):
    runs = np.subtract(errors[world, kind], errors[world, "L2"])
    gain = gains[world, kind] = plot.difference(runs)
    color = plot.BLUE if kind == "dropout" else plot.GREEN
    right.plot(runs, np.full(len(runs), row), ".", color=color, alpha=0.4)
    right.errorbar(gain.mean, row, xerr=gain.error, marker="o", color=color, capsize=3)
    places.append(f"{world}:\n{kind}")
right.axvline(0, color=plot.INK, linewidth=0.8)
right.plot(guess, 0, "X", color=plot.GREY, markersize=9, label="your guess")
right.set_yticks(range(4), places, fontsize=9)
right.set(xlabel="error − that with L2, points (8 data sets ± s.e.)", ylim=(3.4, -0.4))
told = [gains[world, "dropout"] for world in worlds]
more = [plot.difference(errors[world, "dropout"], errors[world, "fixed curvature"])
        for world in worlds]
right.set_title(f"Dropout − L2: {told[0]:.1f} and {told[1]:.1f} points;\n"
                f"dropout − fixed curvature: {more[0]:.1f} and {more[1]:.1f}", fontsize=9)
right.legend(loc="lower left", fontsize=8)
plot.show(fig, "Left, the price of each feature against the sum of its squares. Right, error rates "
               f"minus those of L2: dropout {told[0]:.1f} points where words tell the class, "
               f"{told[1]:.1f} where they are noise. Dropout minus a fixed curvature: "
               f"{more[0]:.1f} and {more[1]:.1f}.",
          claims={"dropout-helps-where-rare-words-tell": told[0].sign < 0,
                  "dropout-hurts-where-they-are-noise": told[1].sign > 0,
                  "rarity-does-as-well": bool(
                      abs(more[0].mean) + 2.4 * more[0].error < -0.4 * told[0].mean),
                  "rarity-alone-loses-less": more[1].sign > 0})

# %% [markdown]
# A fixed curvature is L2 on features divided by their root mean square. It did as well as dropout
# or better, so here confidence helped nowhere. Making rare features cheap pays only if they matter.
#
# ## Explore: contours
#
# Left, your `dropout_ridge` and L2; right, your `logistic_penalty`, dotted where L2 is constant.
# **Try**: give the second feature another unit. Which path moves? Make it rare. What becomes cheap?

# %%
explore.penalty(dropout_ridge, logistic_penalty)

# %% [markdown]
# ## Dropout without drawing
#
# *Fast dropout* (Wang and Manning 2013) puts a normal distribution with your two moments in place
# of the masks, and averages $\sigma$ over it. That integral has no closed form. Compute it
# numerically, or with MacKay's (1992) trick: for the normal distribution function $\Phi$,
#
# $$ \mathbb E[\Phi(a z)] = \Phi\!\left(
# \frac{a\,\mathrm{mean}}{\sqrt{1 + a^2\,\mathrm{var}}} \right), $$
#
# and $\sigma(z) \approx \Phi(a z)$ for $a = \sqrt{\pi/8}$.
#
# ## Exercise: `expected_sigmoid`

# %% exercise="expected_sigmoid"
def expected_sigmoid(mean, var):
    """E[σ(z)] for a normal z with this mean and variance, to within 0.02.

    mean, var : arrays of one shape, left as they are; means from -10 to 10, variances from 0 to 30
    Returns an array of that shape.
    """
    ### BEGIN SOLUTION
    return expit(mean / np.sqrt(1 + np.pi / 8 * var))
    ### END SOLUTION

# %% [markdown] hint="expected_sigmoid"
# The result is $\sigma$ of something: of the mean, drawn towards 0. A larger variance draws it
# further.

# %% [markdown] hint="expected_sigmoid"
# $\Phi(a\,t) \approx \sigma(t)$. Compare $\Phi(a\,t)$ with the right-hand side of the formula
# above: which $t$ is that?

# %% [markdown] hint="expected_sigmoid"
# What is $a^2$? (Or numerically: an average of $\sigma$ at many points of a fine grid, each with
# its normal density as weight.)

# %% check="expected_sigmoid" points=2
# Within 0.02 of the integral, for means from -10 to 10 and variances up to 30.
grid = np.linspace(-8, 8, 2001)
density = np.exp(-(grid**2) / 2) / np.sum(np.exp(-(grid**2) / 2))


def integral(mean, var):
    """E[σ(z)] on a fine grid; in the logistic function nothing overflows at these logits."""
    return 1 / (1 + np.exp(-(mean[:, None] + np.sqrt(var)[:, None] * grid))) @ density


rng = expect.rng()
mean, var = (a.ravel() for a in np.meshgrid([-8.0, -3, -1, 0.5, 2, 5], [0.0, 0.2, 1, 4, 12, 28]))
mean, var = mean + rng.uniform(-0.3, 0.3, 36), var + rng.uniform(0, 0.1, 36) * (var > 0)
a2, root = np.pi / 8, np.sqrt(1 + np.pi / 8 * var)
with expect.case("expected_sigmoid(mean, var) for 36 pairs of a mean and a variance"):
    right = integral(mean, var)
    given = mean.copy(), var.copy()
    found = expected_sigmoid(*given)
    for now, then in zip(given, (mean, var), strict=True):
        expect.unchanged(now, then)
    expect.close(
        found, right, rtol=0, atol=0.02 + 1e-6,
        hint="average σ over the normal distribution, to within 0.02, for each entry.",
        suspects=[
            (mean / root, "that is the logit. Send it through σ."),
            (integral(mean, 0 * var), "the variance is left out: that is σ of the mean logit."),
            (integral(mean, var**2), "var is squared already. Do not square it again."),
            (integral(mean, np.sqrt(var)),
             "a standard deviation stands where the variance belongs. Use var itself."),
            (1 - right, "the sign of the logit is swapped."),
            *[(1 / (1 + np.exp(-at)), words) for at, words in (
                (mean / np.sqrt(1 + var / a2), "8 / π stands where π / 8 belongs."),
                (mean / root**2, "the root is missing."),
                (mean / np.sqrt(1 + np.sqrt(a2) * var), "a is squared in the formula."),
                (mean / np.sqrt(1 + var), "π / 8 is missing: σ is flatter than Φ."),
                (mean * root, "the logit must shrink: divide by the root."),
                (np.sqrt(a2) * mean / root,
                 "σ is taken at a·t, the argument of Φ. The argument of σ is t, without the a."),
                (2 * mean / root, "the logit is doubled. (With tanh: σ(z) = (1 + tanh(z/2)) / 2.)"),
            )],
        ],
    )

# %% check="expected_sigmoid" points=1
# Entry by entry, whatever the shape.
rng = expect.rng()
mean, var = rng.uniform(-4, 4, (3, 2)), rng.uniform(0, 9, (3, 2))
grid = np.linspace(-8, 8, 2001)
weights = np.exp(-(grid**2) / 2) / np.sum(np.exp(-(grid**2) / 2))
right = [[np.sum(weights / (1 + np.exp(-m - np.sqrt(v) * grid))) for m, v in zip(*row, strict=True)]
         for row in zip(mean, var, strict=True)]
with expect.case("expected_sigmoid(mean, var) on arrays (3, 2)"):
    whole = np.asarray(expected_sigmoid(mean.copy(), var.copy()))
    expect.array(whole, (3, 2), hint="return an array of the shape of mean and var.")
    expect.close(whole, np.array(right), rtol=0, atol=0.02 + 1e-6,
                 hint="off by over 0.02. If the check above passes, an entry depends on others.")

# %% mistakes="expected_sigmoid"
{
    "Send it through σ": ("expit(mean / np.sqrt(1 + np.pi / 8 * var))",
                          "mean / np.sqrt(1 + np.pi / 8 * var)"),
    "the variance is left out": ("mean / np.sqrt(1 + np.pi / 8 * var)", "mean"),
    "8 / π stands": ("np.pi / 8", "8 / np.pi"),
    "the root is missing": ("np.sqrt(1 + np.pi / 8 * var)", "(1 + np.pi / 8 * var)"),
    "Do not square it again": ("* var", "* var**2"),
    "Use var itself": ("* var", "* np.sqrt(var)"),
    "a is squared": ("np.pi / 8", "np.sqrt(np.pi / 8)"),
    "flatter than Φ": ("np.pi / 8 * var", "var"),
    "divide by the root": ("mean /", "mean *"),
    "σ is t, without the a": ("mean /", "np.sqrt(np.pi / 8) * mean /"),
    "the logit is doubled": ("mean /", "2 * mean /"),
    "writes into its input": ("np.pi / 8 * var", "np.multiply(var, np.pi / 8, out=var)"),
    "the sign of the logit": ("mean /", "-mean /"),
    "for each entry": ("expit(mean /", "expit(np.mean(mean) + 0 * mean /"),
}

# %% correct="expected_sigmoid"
def expected_sigmoid(mean, var):
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    z = np.asarray(mean)[..., None] + np.sqrt(np.asarray(var))[..., None] * nodes
    return expit(z) @ (weights / weights.sum())

# %% correct="expected_sigmoid"
def expected_sigmoid(mean, var):
    from scipy.special import ndtr

    return ndtr(np.float32(mean / np.sqrt(8 / np.pi + var)))

# %% correct="expected_sigmoid"
def expected_sigmoid(mean, var):
    draws = np.random.default_rng(1).normal(size=40_000)
    found = [np.mean(expit(m + np.sqrt(v) * draws))
             for m, v in zip(mean.flat, var.flat, strict=True)]
    return np.reshape(found, np.shape(mean))

# %%
def probability_errors(p, draws=200):
    """|probability - truth| with 10 inputs, mean over draws: without the variance, and yours."""
    rng, masks = np.random.default_rng(0), all_masks(10)
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    X, W = rng.normal(size=(draws, 10)), rng.normal(size=(draws, 10))
    truth = [chance @ expit((masks * x / (1 - p)) @ w) for x, w in zip(X, W, strict=True)]
    moments = [gaussian_moments(w, x[None], p) for x, w in zip(X, W, strict=True)]
    mean, var = np.array(moments, float)[:, :, 0].T
    return [np.mean(np.abs(found - truth)) for found in (expit(mean), expected_sigmoid(mean, var))]


print("   p   σ(mean) is off by   your expected_sigmoid by")
for p in (0.1, 0.3, 0.5, 0.7):
    print("{:4}   {:17.3f}   {:24.3f}".format(p, *probability_errors(p)))

# %% [markdown]
# Without the variance, the probabilities are off several times as much.
#
# ## Hidden units: a product of two weights
#
# Now drop *hidden* units. In the linear network $z = U\,\frac{m \odot (Vx)}{1-p}$, unit $j$ has
# incoming weights $v_j$ and outgoing weights $u_j$. The loss gains the variance of the
# outputs.
#
# ## Exercise: `product_penalty`

# %% exercise="product_penalty"
def product_penalty(V, U, X, p):
    """What dropout on the hidden units of U V x adds to the squared loss, exactly: a number.

    The loss sums the squares over the outputs and over the rows. Each row has its own mask.

    V : (hidden, d), U : (outputs, hidden), X : (n, d), left as they are
    p : probability of dropping a hidden unit, below 1
    """
    check_probability(p)
    ### BEGIN SOLUTION
    hidden = X @ V.T
    return p / (1 - p) * np.sum(U**2, axis=0) @ np.sum(hidden**2, axis=0)
    ### END SOLUTION

# %% [markdown] hint="product_penalty"
# The hidden layer is $h = Vx$. Output $k$ is a sum of terms $u_{kj}\,m_j h_j/(1-p)$. What is its
# variance?

# %% [markdown] hint="product_penalty"
# Sum that variance over the outputs: what belongs to unit $j$ is $h_j^2$ times
# $\sum_k u_{kj}^2 = \lVert u_j\rVert^2$. Then sum over the rows.

# %% [markdown] hint="product_penalty"
# Two vectors with one number for each hidden unit: a sum of squares over the rows of $h$, and one
# over the rows of $U$. The penalty is their inner product, times a factor.

# %% check="product_penalty" points=2
# The scatter of the outputs over all 16 masks of 4 hidden units.
rng = expect.rng()
V, U, X = rng.normal(size=(4, 3)), rng.normal(size=(2, 4)), rng.normal(size=(6, 3))
masks = np.arange(16)[:, None] >> np.arange(4) & 1
h = X @ V.T
out, into = (U**2).sum(0), (h**2).sum(0)
for p in (0.3, float(rng.uniform(0.6, 0.85))):
    chance = np.where(masks == 1, 1 - p, p).prod(1)
    z = (masks[:, None] * h / (1 - p)) @ U.T
    right = chance @ np.sum((z - h @ U.T) ** 2, (1, 2))
    odds = p / (1 - p)
    with expect.case(f"product_penalty(V, U, X, p={p:.2f}), six rows, V (4, 3), U (2, 4)", crash=[
        ("matmul|broadcast|align|mismatch",
         "shapes do not fit. Both factors have one number for each of the four hidden units."),
    ]):
        given = V.copy(), U.copy(), X.copy()
        found = product_penalty(*given, p)
        for now, then in zip(given, (V, U, X), strict=True):
            expect.unchanged(now, then)
        expect.close(
            found,
            right,
            rtol=1e-5,
            hint="sum over outputs and rows the variance that the masks give.",
            suspects=[
                (odds * out @ (V**2).sum(1), "the inputs are missing: what is charged is what unit "
                                             "j sends, v_j · x."),
                (odds * out.sum() * into.sum(), "both factors are summed over the units first. "
                                                "Multiply unit by unit, then sum."),
                (odds * np.sum((h @ U.T) ** 2), "the units would be dropped together. Square each "
                                                "term, then add."),
                (odds * ((U**2).sum() + (V**2).sum()), "that is weight decay, a sum. Here each "
                                                       "unit has a product."),
                (odds * into.sum(), "the outgoing weights are missing."),
                (odds * U.sum(0) ** 2 @ into, "square each weight before you add them up."),
                (odds * out @ h.sum(0) ** 2, "square what a unit sends before you sum over rows."),
                (odds * out @ (X**2 @ V.T**2).sum(0), "the inputs of a unit are not dropped "
                                                      "independently: square what the unit sends."),
                (odds * np.sqrt(out) @ np.sqrt(into), "the norms are not squared."),
                (p * (1 - p) * out @ into, "p (1 - p) is the variance of an unscaled coin."),
                (out @ into / odds, "p and 1 - p are swapped."),
                (p * out @ into, "the factor is p alone. What is the variance of m / (1 - p)?"),
                (out @ into / (1 - p), "that is E[m²] / (1 - p)². Subtract 1 to get the variance."),
                (right / 6, "that is the mean over the rows. Sum over them."),
                (right / 12, "that is the mean over rows and outputs. Sum over both."),
                (6 * odds * out @ (V**2).sum(1), "right only for uncorrelated inputs of mean "
                                                 "square 1. Square what unit j sends, v_j · x."),
                (right / 2, "that is half of it, or a mean over the outputs. Sum over them."),
            ],
        )

# %% mistakes="product_penalty"
{
    "the inputs are missing": ("hidden = X @ V.T", "hidden = V.T"),
    "summed over the units first": ("np.sum(U**2, axis=0) @ np.sum(hidden**2, axis=0)",
                                    "np.sum(U**2) * np.sum(hidden**2)"),
    "be dropped together": ("np.sum(U**2, axis=0) @ np.sum(hidden**2, axis=0)",
                                      "np.sum((hidden @ U.T) ** 2)"),
    "that is weight decay": ("np.sum(U**2, axis=0) @ np.sum(hidden**2, axis=0)",
                             "(np.sum(U**2) + np.sum(V**2))"),
    "outgoing weights are missing": ("np.sum(U**2, axis=0) @ np.sum(hidden**2, axis=0)",
                                     "np.sum(hidden**2)"),
    "square each weight": ("np.sum(U**2, axis=0)", "np.sum(U, axis=0) ** 2"),
    "before you sum over rows": ("np.sum(hidden**2, axis=0)", "np.sum(hidden, axis=0) ** 2"),
    "not dropped independently": ("np.sum(hidden**2, axis=0)", "np.sum(X**2 @ V.T**2, axis=0)"),
    "norms are not squared": ("np.sum(U**2, axis=0) @ np.sum(hidden**2, axis=0)",
                              "np.sum(np.linalg.norm(U, axis=0) * np.linalg.norm(hidden, axis=0))"),
    "unscaled coin": ("p / (1 - p)", "p * (1 - p)"),
    "swapped": ("p / (1 - p)", "(1 - p) / p"),
    "the factor is p alone": ("p / (1 - p)", "p"),
    "Subtract 1": ("p / (1 - p)", "1 / (1 - p)"),
    "mean over the rows": ("np.sum(hidden", "np.mean(hidden"),
    "mean over rows and outputs": ("np.sum(U**2, axis=0) @ np.sum(hidden**2, axis=0)",
                                   "np.mean(hidden**2 @ U.T**2)"),
    "only for uncorrelated inputs": ("np.sum(hidden**2, axis=0)",
                                     "np.sum(V**2, axis=1) * len(X)"),
    "a mean over the outputs": ("np.sum(U**2", "np.mean(U**2"),
    "shapes do not fit": ("np.sum(U**2, axis=0)", "np.sum(U**2, axis=1)"),
}

# %% correct="product_penalty"
def product_penalty(V, U, X, p):
    total = 0.0
    for row in X:
        for j, sent in enumerate(V @ row):
            total += p / (1 - p) * sent**2 * sum(u**2 for u in U[:, j])
    return total

# %% [markdown]
# For uncorrelated inputs of mean square 1 this is
# $n\frac{p}{1-p}\sum_j \lVert u_j\rVert^2\lVert v_j\rVert^2$. Many $U$ and $V$ have the same
# product $UV$: which are cheapest? Networks whose 8 hidden units begin with weights of very
# different size learn a linear map without a penalty, with weight decay, and with masks at $p=0.5$.
# **Guess: after training with masks, what is the ratio of the largest
# $\lVert u_j\rVert\lVert v_j\rVert$ to the smallest?**

# %% guess=true
my_guess = 3  # the largest product divided by the smallest, with dropout

# %% figure=true
# The products of the norms, sorted, after training, and the price of each network.
guess = expect.guess(my_guess)


def linear_network(seed, p, decay=0.0, hidden=8, n=100, steps=3000, rate=0.02):
    """Trained with masks on the hidden units, the rate falling to 0: weights, inputs."""
    rng = np.random.default_rng(seed)
    X = np.linalg.qr(rng.normal(size=(n, 6)))[0] * np.sqrt(n)
    Y = X @ rng.normal(0, 0.7, (6, 5)) + rng.normal(0, 0.3, (n, 5))
    size = np.exp(rng.normal(0, 0.7, (hidden, 1)))
    V, U = 0.3 * size * rng.normal(size=(hidden, 6)), 0.3 * rng.normal(size=(5, hidden))
    for step in range(steps):
        h = X @ V.T
        factor = inverted(np.ones_like(h), p, rng) if p else 1.0
        error = (h * factor) @ U.T - Y
        at_U, at_V = error.T @ (h * factor) / n, (error @ U * factor).T @ X / n
        now = rate * (1 - step / steps)
        U, V = U - now * (at_U + decay * U), V - now * (at_V + decay * V)
    return (V, U), X


ways = {"no penalty": (0.0, 0.0, plot.GREY), "weight decay 0.5": (0.0, 0.5, plot.GREEN),
        "dropout, p = 0.5": (0.5, 0.0, plot.BLUE)}
unequal, dear = {}, {}
fig, (left, right) = plot.figure(2, width=9, height=3)
for name, (p, decay, color) in ways.items():
    unequal[name], dear[name] = [], []
    for seed in range(5):
        (V, U), X = linear_network(seed, p, decay)
        products = np.linalg.norm(V, axis=1) * np.linalg.norm(U, axis=0)
        unequal[name].append(products.max() / max(products.min(), 1e-3))
        least = len(X) * np.linalg.norm(U @ V, "nuc") ** 2 / len(V)
        dear[name].append(float(product_penalty(V, U, X, 0.5)) / least)
        left.plot(range(1, 9), np.sort(products)[::-1], color=color, alpha=0.5,
                  label=name if seed == 0 else None)
left.set(xlabel="hidden unit, sorted", ylabel="‖u‖ ‖v‖ (5 networks each)", ylim=(0, None))
ratio = {name: plot.difference(np.log(runs)) for name, runs in unequal.items()}
equal = max(unequal["dropout, p = 0.5"])
left.set_title(f"Largest / smallest with dropout: {np.exp(ratio['dropout, p = 0.5'].mean):.2f}"
               f"\n(at most {equal:.2f})")
left.legend(loc="upper right", fontsize=8)
for row, (name, (*_, color)) in enumerate(ways.items()):
    right.plot(unequal[name], np.full(5, row), "o", color=color, alpha=0.6)
right.plot(guess, 2, "X", color=plot.ORANGE, markersize=9, label="your guess")
right.set_xscale("log")
right.set_xticks([1, 2, 5, 10, 100], ["1", "2", "5", "10", "100"])
right.minorticks_off()
right.set_yticks(range(3), ways)
right.set(xlabel="largest / smallest product", ylim=(2.5, -0.5))
paid = {name: np.mean(runs) for name, runs in dear.items()}
right.set_title("Your penalty / the least for this UV: " + ", ".join(
    f"{short} {value:.3f}" for short, value in zip(
        ("\nnone", "decay", "dropout"), paid.values(), strict=True)), fontsize=10)
right.legend(loc="upper right", fontsize=8)
plot.show(fig, "Left, the products of the norms for 8 hidden units, sorted. Right, largest product "
               f"divided by smallest; with dropout it is at most {equal:.2f}.",
          claims={"products-equalise": bool(equal < 1.3 and min(unequal["no penalty"]) > 1.5),
                  "decay-does-not-equalise": bool(min(unequal["weight decay 0.5"]) > 1.5)})

# %% [markdown]
# Mianjy, Arora and Vidal (2018) prove it: for such inputs every cheapest way has equal products.
#
# ## The penalty without the mask
#
# A network with dropout on its one hidden ReLU layer learns digits. Behind the mask stands a
# softmax, whose second-order penalty is built like that of logistic regression. Train with this
# penalty and no mask: is it still dropout? Dropout changes the *mean* of a gradient (the penalty)
# and adds *noise*. We separate them as Wei, Kakade and Ma (2020) did:
#
# - *penalty*: the plain loss plus the second-order penalty, no mask;
# - *noise*: plain training, plus (loss under one mask − under another) / √2, of mean 0;
# - *penalty and noise*: both;
# - *many masks*: the mean loss under eight, so the exact penalty and less noise.
#
# Each has its $p$, and one of two learning rates, chosen on validation digits. **Guess: what share
# of dropout's gain in test log loss does the penalty alone bring?**

# %% guess=true
my_guess = 50  # percent of dropout's gain

# %% figure=true
# Test loss and error of five ways to train, minus those of plain training.
guess = expect.guess(my_guess)
kept = studies.kept("regulariser")
tested = kept["tested"]
few, again = 2, {}
_, _, test_digits = study.digits()
for kind in ("nothing", "dropout", "penalty"):  # a small piece, live
    cell = tested[kind]
    again[kind] = study.measured(kind, list(study.TESTED)[:few], [cell["p"]] * few,
                                 [cell["rate"]] * few, {"test": test_digits})

fig, axes = plot.figure(2, width=9, height=4)
gains = {}
ways = [kind for kind in penalised.KINDS if kind != "nothing" and kind in tested]
for ax, measure, factor, label in (
    (axes[0], "test loss", 1, "test log loss − that with nothing, nats (95 %)"),
    (axes[1], "test error", 100, "test error − that with nothing, points (95 %)"),
):
    for row, kind in enumerate(ways):
        runs = factor * np.subtract(tested[kind][measure], tested["nothing"][measure])
        gain = gains[kind, measure] = plot.difference(runs)
        color = plot.ORANGE if kind == "dropout" else plot.BLUE
        ax.plot(runs, np.full(len(runs), row), ".", color=color, alpha=0.35)
        ax.errorbar(gain.mean, row, xerr=2.2 * gain.error, marker="o", color=color, capsize=3)
        if kind in again:
            live = factor * np.subtract(again[kind][measure], again["nothing"][measure])
            ax.plot(live, np.full(few, row + 0.25), "o", mfc="none", color=plot.INK, markersize=5,
                    label="trained just now" if kind == "dropout" else None)
    ax.axvline(0, color=plot.INK, linewidth=0.8)
    ax.set_xlabel(label)
    ax.set_yticks(range(len(ways)), [
        f"{kind}\np = {tested[kind]['p']:g}, rate {tested[kind]['rate']:g}" for kind in ways
    ] if ax is axes[0] else [""] * len(ways), fontsize=8)
    ax.set_ylim(len(ways) - 0.5, -0.5)
shares = {kind: gains[kind, "test loss"].mean / gains["dropout", "test loss"].mean
          for kind in ways if kind != "dropout"}
axes[0].plot(guess / 100 * gains["dropout", "test loss"].mean, ways.index("penalty"), "X",
             color=plot.GREY, markersize=9, label="your guess")
told = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in shares.items())
told = told.replace("penalty and noise", "both").replace("-", "−")
axes[0].legend(loc="lower right", fontsize=8)
axes[0].set_title(f"Of dropout's gain in log loss ({gains['dropout', 'test loss']:.3f}):\n{told}",
                  fontsize=9)
axes[1].set_title(f"Error: dropout {gains['dropout', 'test error']:.1f} points,\n"
                  f"penalty {gains['penalty', 'test error']:.1f}", fontsize=9)
gained = {kind: np.subtract(tested[kind]["test loss"], tested["nothing"]["test loss"])
          for kind in ways}
least = 0.25 * gains["dropout", "test loss"].mean
fewer = plot.difference(tested["many masks"]["test loss"], tested["dropout"]["test loss"])
rest = plot.difference(tested["penalty"]["test loss"], tested["dropout"]["test loss"])
apart = max(np.max(np.abs(np.subtract(again[k]["test loss"], tested[k]["test loss"][:few])))
            for k in again)
plot.show(fig, "Test log loss and error rate minus those of plainly trained networks, twelve "
               f"networks each, with 95 % intervals. Of dropout's gain in log loss: {told}. "
               f"Penalty minus dropout: {rest:.3f} nats. The networks trained just now differ from "
               f"the kept ones by {apart:.1g} nats at most.",
          claims={
              "penalty-brings-most": plot.difference(
                  gained["penalty"], 0.5 * gained["dropout"]).sign < 0,
              "noise-brings-no-gain": gains["noise", "test loss"].sign >= 0,
              "less-noise-is-as-good": bool(abs(fewer.mean) + 2.2 * fewer.error < -least),
          })

# %% [markdown]
# With an eighth of the noise's variance, dropout's gain is whole, so the noise is hardly needed
# here. Alone it brings no gain. In Wei, Kakade and Ma's language models, the noise mattered too.
#
# ## Two questions
#
# Put one of the strings in place of each `...`.

# %% question="shrink" points=1
# With one feature and squared loss, least squares gives the weight 4. With p = 0.25 on the input
# and as many rows as you like, training ends at:
#
# - [ ] 4
# - [x] 3
# - [ ] 1
#
# Hint: by what factor did one feature's weight shrink? p is the probability of dropping.

# %% question="unit_answer" points=1
# A length is given in millimetres instead of metres. Which linear model's predictions change?
# One trained with:
#
# - [x] plain L2
# - [ ] dropout
# - [ ] both
#
# Hint: which of the two paths moved in the explorer when a feature changed its unit?

# %% [markdown]
# ## In your own words
#
# A colleague wants to replace dropout by weight decay, "since they are the same". Say in three to
# six sentences for which model they are right, what they must take care of there, and for which
# model they are wrong, with a measurement of this lesson. (In a class, your instructor grades
# this.)

# %% [markdown] answer="just_l2" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: right, exactly, for dropout on the inputs of a linear model with
# squared loss, if each weight is charged p / (1 - p) times its feature's sum of squares (or, on a
# mean loss, its mean square; or each feature is first divided by its root mean square). One point:
# a wrong case with its evidence. Logistic regression: the penalty falls while a weight grows that
# agrees with another, and rare features are cheap, which changed the error rate in both worlds. Two
# layers: the products of the norms came out equal with dropout, and not with weight decay. A ReLU
# network: the figure of the five ways.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Linear model, squared loss: averaged over masks, dropout is L2, exactly; each weight's price is
#   its feature's sum of squares. At $p=\frac12$ it halves a slope.{{claim:slope-halves}} It does
#   not fade with data.{{claim:dropout-does-not-fade}} Nor does weight decay on a mean
#   loss.{{claim:decay-on-the-mean-does-not-fade}} L2 on a sum does.{{claim:decay-on-the-sum-fades}}
# - Logistic regression: the penalty needs no labels. It can fall as a weight
#   grows.{{claim:penalty-falls}} Dropout beat L2 on raw features where rare features told the
#   class,{{claim:dropout-helps-where-rare-words-tell}} and lost where they were
#   noise.{{claim:dropout-hurts-where-they-are-noise}} L2 on scaled features did as
#   well,{{claim:rarity-does-as-well}} and lost less.{{claim:rarity-alone-loses-less}}
# - Two linear layers: dropout made the products of the norms nearly
#   equal.{{claim:products-equalise}} Weight decay did not.{{claim:decay-does-not-equalise}}
# - A small ReLU network: the penalty alone brought most of dropout's gain in log
#   loss,{{claim:penalty-brings-most}} the noise alone none.{{claim:noise-brings-no-gain}} An eighth
#   of its variance did as well.{{claim:less-noise-is-as-good}}
#
# **Read.** Srivastava et al. 2014, §9.1. Baldi and Sadowski, NIPS 2013. Wang and Manning, ICML
# 2013. MacKay, Neural Computation 4(5), 1992. Wager et al. (arXiv:1307.1493). Helmbold and Long,
# JMLR 2015. Mianjy et al. (arXiv:1806.09777). Wei et al. (arXiv:2002.12915). Clara, Langer and
# Schmidt-Hieber, JMLR 2024 (arXiv:2306.10529): only *averaged* steps reach the ridge solution.
#
# **Stretch.** Does the logistic penalty gain from unlabelled rows?
#
# **Still open.** What if you kept dropping in use, and read the outputs' variance as uncertainty?
# {{uncertainty}}.
