# %% [markdown]
# # 2.2 · The ensemble
#
# **2ⁿ networks for the price of one?**
#
# *{{minutes}} minutes. Before: {{bernoulli_masks}} and {{weight_scaling}}. After, you will be able
# to say which average of thinned networks weight scaling is, and to measure what the members of an
# ensemble share.*
#
# | symbol | meaning |
# | --- | --- |
# | $h$, $m$ | hidden layer of $n$ units; mask, one of $2^n$ |
# | $P_m(c)$ | a thinned network's probability of class $c$: softmax of $W_2\,(m \odot h) + b_2$ |
# | $k$, $\rho$ | number of members of an ensemble, correlation of two |

# %% setup=true
from time import perf_counter

import numpy as np

from dropoutlab import check_probability, data, expect, explore, plot, reproduced, studies, train

# %% [markdown]
# ## Where we stand
#
# A layer of $n$ units has $2^n$ thinned networks. Srivastava et al. (2014) read the network with
# scaled weights as their *average*. Averages of many networks, *ensembles*, are hard to beat. Do
# you get $2^n$ networks for the price of one?
#
# Below, twenty networks learn digits with half of their 64 hidden units dropped, and eight
# without dropout. Then each is thinned by the same 128 masks, into 128 *halves*.

# %%
def thin(h, rng, p=0.5):
    return h * (rng.random(h.shape) >= p)


def hidden(net, X):
    return np.maximum(X @ net["W1"].T + net["b1"], 0)


@train.numpy_on_one_thread  # these products are small
def thinned(net, X, mask):
    """The class probabilities of the thinned network that `mask` leaves, or of each of several."""
    return train.softmax((mask * hidden(net, X)) @ net["W2"].T + net["b2"])


X, y, X_test, y_test = data.digits()
X, X_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
how = {"hidden": 64, "epochs": 60, "falling": True}  # the learning rate falls
nets = [train.two_layer(X, y, thin, seed, rate=0.4, **how) for seed in range(20)]
plain = [train.two_layer(X, y, lambda h, rng: h, seed, rate=0.1, **how) for seed in range(8)]
masks = thin(np.ones((128, 1, 64)), np.random.default_rng())

# %% [markdown]
# (The learning rates were chosen on two of the ten sheets of handwriting that the training digits
# come from.) Whole and scaled, the networks with dropout err on some 6.5 % of the test digits.
# **What is the error rate of their halves?**

# %% guess=true
my_guess = 30  # error rate in percent, of a network trained with dropout and then halved

# %% figure=true
# The error rates of 3584 halves, from networks trained with and without dropout.
guess = expect.guess(my_guess)
errors, right_class = [], []  # of each network: (128,), and (128, images)
for net in nets + plain:
    answers = thinned(net, X_test, masks)
    errors.append(100 * np.mean(answers.argmax(-1) != y_test, -1))
    right_class.append(answers[:, np.arange(len(y_test)), y_test])
errors, plain_errors = np.split(np.array(errors), [len(nets)])
right_class = np.array(right_class[: len(nets)])  # those with dropout
whole = np.array([thinned(net, X_test, 0.5) for net in nets])  # weight scaling
whole_errors = 100 * np.mean(whole.argmax(-1) != y_test, -1)

fig, (ax,) = plot.figure(1, height=2.6)
for found, color, name in ((plain_errors, plot.ORANGE, "halves, trained without dropout"),
                           (errors, plot.BLUE, "halves, trained with dropout")):
    count, edges = np.histogram(found, np.arange(3, 60, 0.5))
    ax.stairs(100 * count / found.size, edges, fill=True, color=color, alpha=0.7, label=name)
ax.vlines(whole_errors, 0, 2, color=plot.INK, linewidth=1, label="whole, with dropout, scaled")
ax.axvline(guess, color=plot.GREY, linestyle="--", label="your guess")
ax.set(xlabel="error rate on test digits, %", ylabel="halves, %", xlim=(0, max(60, 1.05 * guess)))
ax.legend()
each = errors.mean(1)
gap = plot.difference(plain_errors.mean(1), each[: len(plain)])  # the same seeds
lost = plot.difference(each, whole_errors)
oftener = gap.says(more="more", less="less", same="no more")
ax.set_title(f"You said {guess} %. Halves err on {each.mean():.1f} ± "
             f"{plot.standard_error(each):.1f} %, whole networks on {whole_errors.mean():.1f} %;\n"
             f"trained without dropout, halves err on {plain_errors.mean():.0f} %", fontsize=10)
plot.show(fig, "Histograms of the error rates of halves, trained with and without dropout, with "
          "lines at those of the whole networks with dropout, scaled. Without dropout, halves err "
          f"{oftener} often: {gap:.1f} points, over the eight seeds that both have. Halves less "
          f"whole networks: {lost:.1f} points.",
          claims={"fair-halves": gap.mean > 3 and gap.sign > 0 and each.mean() < 15,
                  "whole-beats-halves": lost.sign > 0})

# %% [markdown]
# The whole is better than its halves, as an average would be. But which average?
#
# ### One question from {{bernoulli_masks}}
#
# Ten units are dropped with $p=\frac12$. How many masks are there, and how likely is each?
#
# <details><summary>Answer</summary>
#
# $2^{10}$, each with probability $1/2^{10}$. So an average over masks is a plain mean.
# </details>
#
# ## Exercise: `all_masks`
#
# Two masks are easily forgotten: the one that keeps every unit, and the one that keeps none.

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
# `itertools.product` with `repeat=n` combines the digits 0 and 1 of all units in every way, and
# `np.array` makes a table of what it gives.

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
        expect.only(all_masks(n), (0, 1), hint="a mask holds zeros and ones.")
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
# ## Exercise: `subnetwork_outputs`
#
# Now run all thinned networks. A dropped unit sends *nothing*, not even
# $\operatorname{relu}(b_1)$, and survivors are not scaled.

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
tables["the softmax goes over the masks, not the classes: each row sums to 1."] = train.softmax(
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
                 hint="the rows, sorted here, must be those of the 16 networks, each once.",
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
                 suspects=[(right[::-1], "row k is not that of mask k: the order is reversed, "
                   "or 1 and 0 are exchanged.")])
for rows, hint in ((1, "a batch of one is a batch too: return (2ⁿ, 1, classes)."),
                   (2, "as many rows as inputs are a batch too. Ask x.ndim, not the length.")):
    with expect.case(f"subnetwork_outputs(W1, b1, W2, b2, batch) on a batch of {rows}, 2 inputs"):
        expect.equal(np.shape(subnetwork_outputs(W1, b1, W2, b2, batch[:rows])), (8, rows, 4),
                     hint=hint)


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
    "a batch of one is a batch": ("+ b2)", "+ b2).squeeze()"),
    "as many rows as inputs": ("    return", "    if len(x) == W1.shape[1] and x.ndim > 1:\n"
                               "        survivors = survivors[0]\n    return"),
}

# %% correct="subnetwork_outputs"
def subnetwork_outputs(W1, b1, W2, b2, x):
    sends = np.clip(np.inner(x, W1) + b1, 0, None)
    rows = [np.inner(sends * mask, W2) + b2 for mask in np.array(all_masks(len(W1)), float)]
    return np.stack([np.exp(z) / np.exp(z).sum(-1, keepdims=True) for z in rows])

# %% [markdown]
# How long does it take to ask them all?

# %%
rng = np.random.default_rng()
wide = rng.normal(size=(15, 64)), rng.normal(size=15), rng.normal(size=(10, 15)), np.zeros(10)
start = perf_counter()
subnetwork_outputs(*wide, X_test[0])
seconds = perf_counter() - start
print(f"All 2^15 networks of 15 units, on one image: {seconds:.2g} seconds.")
print(f"All 2^64 networks of 64 units: {seconds * 2.0 ** 49 / 3.15e7:,.0f} years.")

# %% [markdown]
# ## Exercise: `geometric_mean`
#
# Two members say $(0.9, 0.1)$ and $(0.5, 0.5)$ of two classes. Their *arithmetic* mean,
# `probs.mean(0)`, is $(0.7, 0.3)$. Their *geometric* mean multiplies and takes a root,
# $\sqrt{0.9 \cdot 0.5} = 0.67$ and $\sqrt{0.1 \cdot 0.5} = 0.22$, and is then *normalised* to the
# sum 1: $(0.75, 0.25)$.
#
# The product of a thousand probabilities of 0.4 is $10^{-398}$, too small for a float. Average
# *logarithms* instead. A member that gives a class probability 0 rules it out.

# %% exercise="geometric_mean"
def geometric_mean(probs):
    """The members' normalised geometric mean: (product over members of P(c))^(1/members) / Z.

    Z makes the classes sum to 1.

    probs : (members, classes), or (members, batch, classes), left as it is; zeros are allowed
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


# %% check="geometric_mean" points=1
# Two members, three classes: the root of the product, normalised.
probs = expect.rng().dirichlet(np.ones(3), 2)
roots = np.sqrt(probs[0] * probs[1])
with expect.case("geometric_mean(probs) of shape (2, 3)"):
    given = probs.copy()
    found = geometric_mean(given)
    expect.unchanged(given, probs)
    expect.close(
        found,
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
             "that is a square root. With k members it is the k-th root."),
        ],
    )
    expect.equal(np.shape(geometric_mean(probs[:, :1])), (1, 4),
                 hint="a batch of one is a batch too: return (1, classes).")


# %% check="geometric_mean" points=1
# Many thousand members: the product is too small for a float, its root is not.
probs = expect.rng().dirichlet(np.ones(3), 20_000)
logs = sum(np.log(member) for member in probs) / 20_000
with expect.case("geometric_mean(probs) of 20 000 members"):
    expect.close(
        geometric_mean(probs),
        np.exp(logs) / np.exp(logs).sum(),
        rtol=1e-4,
        hint="the mean of 20 000 logarithms, exponentiated and normalised.",
        suspects=[(np.full(3, np.nan), "the product underflows to 0, and 0 / 0 is NaN. Average "
                   "logarithms instead.")],
    )


# %% check="geometric_mean" points=1
# A probability of 0 is a veto, against one other member and against 999.
probs = np.array([[0.8, 0.2, 0.0], [0.2, 0.2, 0.6]])
with expect.case("geometric_mean([[0.8, 0.2, 0], [0.2, 0.2, 0.6]])"):
    given = probs.copy()
    found = geometric_mean(given)
    expect.unchanged(given, probs, hint="the function writes into its input, at the zeros.")
    expect.close(
        found,
        np.array([2 / 3, 1 / 3, 0]),
        rtol=1e-5,
        hint="one factor is 0, so the product is 0: not NaN, and not some small number either.",
        suspects=[(np.array([0.4, 0.2, 0.6]) / 1.2, "zeros are left out of the mean. A zero rules "
                   "the class out.")],
    )
probs = np.array([[[0.8, 0.2, 0.0], [0.5, 0.2, 0.3]], [[0.2, 0.2, 0.6], [0.5, 0.2, 0.3]]])
with expect.case("geometric_mean(probs), a batch of two inputs, one with a zero"):
    expect.close(geometric_mean(probs.copy()), [[2 / 3, 1 / 3, 0], [0.5, 0.2, 0.3]], rtol=1e-5,
                 hint="a zero rules a class out for its own input only.")
probs = np.array([[0.0, 0.5, 0.5]] + 999 * [[0.98, 0.01, 0.01]])
with expect.case("geometric_mean(probs), 999 members for a class, and one that gives it 0"):
    expect.close(geometric_mean(probs), np.array([0, 0.5, 0.5]), rtol=1e-5,
                 hint="one factor is 0, so the product of all thousand is 0. A tiny number in its "
                 "place isn't tiny any more after the thousandth root.")


# %% mistakes="geometric_mean"
{
    "not normalised": ("train.softmax", "np.exp"),
    "writes into its input": ("np.log(probs)", "np.log(probs, out=probs)"),
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
    "for its own input only": (
        "train.softmax(logs)",
        "train.softmax(np.where((probs == 0).any(tuple(range(probs.ndim - 1))), -np.inf, logs))"),
    "at the zeros": ("train.softmax(logs)",
                     "probs.__setitem__(probs == 0, 1) or train.softmax(logs)"),
    "a batch of one is a batch": ("train.softmax(logs)", "train.softmax(logs).squeeze()"),
}


# %% correct="geometric_mean"
def geometric_mean(probs):
    roots = np.prod(np.asarray(probs) ** (1 / len(probs)), axis=0)
    return roots / roots.sum(axis=-1, keepdims=True)


# %% [markdown]
# ## One run instead of 2ⁿ
#
# $\log P_m(c)$ is a logit, an entry of $W_2\,(m \odot h) + b_2$, less a number that is the same for
# all classes, which normalising removes. So averaging logarithms averages logits. These are
# *linear* in $m$, whose mean is $1-p$. Hence the normalised geometric mean of all $2^n$ networks,
# weighted by their masks' probabilities, is one network:
#
# $$ \operatorname{softmax}\bigl((1-p)\,W_2\,h + b_2\bigr). $$
#
# This is weight scaling. The argument is from Hinton et al. (2012), the theory from Baldi and
# Sadowski (2013). It holds if only a softmax layer follows the mask.
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
for p in (0.2, 0.7, 0):
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
        expect.unchanged(W2, before)
        expect.close(out, train.softmax(W2 @ h - p * W2 @ h + b2),
                     rtol=1e-5, hint="softmax of (1 - p) W2 h + b2.", suspects=suspects)


# %% check="weight_scaled" points=1
# At any p it is the geometric mean of all 1024 networks of ten hidden units, up to rounding.
rng = expect.rng()
W1, b1, batch = rng.normal(size=(10, 4)), rng.normal(size=10), rng.normal(size=(3, 4))
W2, b2 = rng.normal(size=(5, 10)), rng.normal(size=5)
h = np.maximum(batch @ W1.T + b1, 0)
for p in (0.5, float(rng.uniform(0.1, 0.9))):
    logs = 0
    for mask in np.ndindex((2,) * 10):
        weight = p ** (10 - sum(mask)) * (1 - p) ** sum(mask)
        logs = logs + weight * np.log(train.softmax(mask * h @ W2.T + b2))
    together = np.exp((1 - p) * h @ W2.T + b2)
    call = "batch" if p == 0.5 else f"batch, p={p:.2f}"
    with expect.case(f"weight_scaled(W1, b1, W2, b2, {call}), 3 inputs, against all masks"):
        out = weight_scaled(W1, b1, W2, b2, batch, *[p] * (p != 0.5))
        expect.close(out, train.softmax(logs), rtol=1e-5,
                     hint="softmax of (1 - p) W2 h + b2, for each input of the batch; p is 0.5 "
                          "unless given.",
                     suspects=[(together / together.sum(), "normalised over the whole batch. Each "
                                "input sums to 1.")])
        expect.equal(np.shape(weight_scaled(W1, b1, W2, b2, batch[:1])), (1, 5),
                     hint="a batch of one is a batch too: return (1, classes).")

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
    "whatever p is": ("(1 - p)", "(1 - (p or 0.5))"),
    "a batch of one is a batch": ("+ b2)", "+ b2).squeeze()"),
}


# %% correct="weight_scaled"
def weight_scaled(W1, b1, W2, b2, x, p=0.5):
    z = np.einsum("...i,ci->...c", np.clip(np.dot(x, W1.T) + b1, 0, None), W2 - p * W2) + b2
    return np.exp(z) / np.exp(z).sum(axis=-1)[..., None]


# %% [markdown]
# ## Where it is exact, and where not
#
# Now compare your functions on random networks with one hidden layer, and on networks with up to
# three, trained with dropout on two interleaved half-circles of points. There a ReLU follows all
# masks but the last. The distance of two answers is half the sum of $|P(c) - Q(c)|$. **With three
# hidden layers, how far is weight scaling from the geometric mean?**

# %% guess=true
my_guess = 10  # distance in percentage points, three hidden layers

# %% figure=true
# Weight scaling against both means: with more units, and with more hidden layers.
guess = expect.guess(my_guess)


def forward(net, h, drop):
    """The class probabilities of a network of any depth, `drop` behind each hidden layer."""
    last = len(net) // 2
    for k in range(1, last):
        h = drop(np.maximum(h @ net[f"W{k}"].T + net[f"b{k}"], 0))
    return train.softmax(h @ net[f"W{last}"].T + net[f"b{last}"])


def every_mask(h):  # (…, 4) becomes (16, …, 4): a new axis for each layer's masks
    return np.stack([h * mask for mask in np.array(all_masks(4), float)])


def distance(P, Q):
    return 100 * np.abs(P - Q).sum(-1).mean() / 2  # percentage points


points, kinds = data.moons(200, np.random.default_rng())
MEANS = {"arithmetic": lambda probs: probs.mean(0), "geometric": geometric_mean}
COLORS = {"arithmetic": plot.GREEN, "geometric": plot.PINK}
units, depths, rng = range(2, 15, 2), (1, 2, 3), np.random.default_rng()
wide = {name: np.empty((len(units), 5)) for name in MEANS}
deep = {name: np.empty((len(depths), 20)) for name in MEANS}
for i, n in enumerate(units):
    for j in range(5):
        parameters = [rng.normal(size=s) for s in ((n, 8), (n,), (10, n), (10,), (2, 8))]
        outputs, scaled = subnetwork_outputs(*parameters), weight_scaled(*parameters)
        for name, mean in MEANS.items():
            wide[name][i, j] = distance(mean(np.asarray(outputs)), scaled)
for i, depth in enumerate(depths):
    for j in range(20):
        net = train.layered(points, kinds, thin, j, hidden=(4,) * depth, epochs=120, rate=0.1,
                            falling=True)
        outputs = forward(net, points[:20], every_mask).reshape(-1, 20, 2)
        scaled = forward(net, points[:20], lambda h: h / 2)
        for name, mean in MEANS.items():
            deep[name][i, j] = distance(mean(outputs), scaled)

fig, (left, right) = plot.figure(2, height=2.9, width=9)
for name, color in COLORS.items():
    for ax, runs, x in ((left, wide[name], units), (right, deep[name], depths)):
        ax.plot(x, np.maximum(runs, 1e-15), ".", color=color, alpha=0.35, markersize=4)
        ax.plot(x, runs.mean(1), "o-", color=color, label=f"{name} mean")
right.plot(3, guess, "X", color=plot.GREY, markersize=9, label="your guess")
left.set(xlabel="hidden units, one layer", yscale="log", ylim=(1e-16, 300))
right.set(xlabel="hidden layers of four units", ylim=(0, max(15, 1.1 * guess)))
largest = {name: wide[name].max() for name in MEANS}
left.set_title(f"One layer: geometric at most {largest['geometric']:.0e} points off")
told = {name: f"{deep[name][2].mean():.1f} ± {plot.standard_error(deep[name][2]):.1f}"
        for name in MEANS}
right.set_title(f"Three: geometric {told['geometric']}, arithmetic {told['arithmetic']}")
left.set_ylabel("distance to weight scaling, points")
left.set_xticks(units)
right.set_xticks(depths)
right.legend(loc="upper left")
nearer = [plot.difference(deep["arithmetic"][i], deep["geometric"][i]) for i in (1, 2)]
off = plot.difference(deep["geometric"][2])
plot.show(fig, "The distance of both means to weight scaling against the "
          "number of hidden units in one layer and against the number of hidden layers. With three "
          f"hidden layers the geometric mean is {told['geometric']} points off, the arithmetic "
          f"mean {told['arithmetic']} (20 networks ± s.e.).",
          claims={"exact-geometric": bool(largest["geometric"] < 1e-10 < largest["arithmetic"]),
                  "deep-approximate": off.sign > 0 and all(gap.sign > 0 for gap in nearer)
                  and deep["geometric"][1:].mean() < 5})

# %% [markdown]
# With one hidden layer, weight scaling *is* the normalised geometric mean, up to rounding. With
# more layers it is an approximation, since $\mathbb E[\operatorname{relu}(z)] \ne
# \operatorname{relu}(\mathbb E[z])$. In neither case is it the arithmetic mean. Warde-Farley et al.
# (2014) compared error rates in small ReLU networks: weight scaling against the exact geometric
# mean, and that against the arithmetic mean. In both pairs the two were much the same.
#
# ## How many are enough?
#
# The arithmetic mean of all $2^{64}$ networks is out of reach, but that of $k$ random ones is not:

# %%
def monte_carlo_average(predict, k):
    """The mean of k answers; `predict()` draws a fresh mask at every call."""
    return np.mean([predict() for _ in range(k)], axis=0)


# %% [markdown]
# **How many halves must you average for an error rate within half a percentage point of the scaled
# network's?**

# %% guess=true
my_guess = 1000  # halves in the average

# %% figure=true
# The average of k halves, and weight scaling: by how much the first is worse.
guess = expect.guess(my_guess)
counts = (1, 2, 5, 10, 20, 50, 100)
rng = np.random.default_rng()


@train.numpy_on_one_thread
def averages(net):
    """The averages of a network's halves, (len(counts), images, classes)."""
    h = hidden(net, X_test)

    def half():
        return train.softmax(thin(h, rng) @ net["W2"].T + net["b2"])

    return np.array([monte_carlo_average(half, k) for k in counts])


excess = np.empty((2, len(nets), len(counts)))  # Monte Carlo less weight scaling
halves = []  # each network's average at the largest k
for i, (net, scaled) in enumerate(zip(nets, whole, strict=True)):
    found = averages(net)
    for of, measure in enumerate((train.error_rate, train.log_loss)):
        excess[of, i] = [measure(some, y_test) - measure(scaled, y_test) for some in found]
    halves.append(found[-1])
excess[0] *= 100

fig, axes = plot.figure(2, height=2.8)
for ax, runs, label in zip(axes, excess, ("error rate, points", "log loss, nats"), strict=True):
    ax.errorbar(counts, runs.mean(0), plot.standard_error(runs), fmt="o-", capsize=2)
    ax.axhline(0, color=plot.INK, linestyle="--")
    ax.set(xlabel="halves averaged, k", ylabel=f"excess {label}", xscale="log",
           xlim=(0.8, max(guess, 100) * 1.5))
axes[0].axvline(guess, color=plot.GREY, linestyle=":")
axes[0].annotate("your guess ", (guess, 1), ha="right", color=plot.GREY)
more = dict(zip(counts, excess[0].mean(0), strict=True))
near = np.flatnonzero(excess[0].mean(0) > 0.5)
met = [*counts, "more than 100"][near.max(initial=-1) + 1]
late, loss_late = [plot.difference(runs[:, -1]) for runs in excess]
axes[0].set_title(f"You said {guess}. Within half a point from\nk = {met} on; at k = 100 "
                  f"{late:.2f} points", fontsize=10)
halves = np.array(halves)
each_digit = np.log(whole / halves)[:, np.arange(len(y_test)), y_test].mean(0)
axes[1].set_title(f"At k = 100: {loss_late:.3f} nats over networks\n"
                  f"(over digits ± {plot.standard_error(each_digit):.3f})", fontsize=10)
plot.show(fig, "By how much the average of k halves exceeds weight scaling in error rate and log "
          f"loss, against k, with standard errors over twenty networks. From k = {met} on, the "
          "mean error rate is within half a point.",
          claims={"tens-of-halves": bool(more[20] < 0.5 < more[2]),
                  "no-fewer-errors": bool(late.mean - 2.1 * late.error > -0.3),  # 95 % interval
                  "lower-loss": loss_late.sign < 0})

# %% [markdown]
# Srivastava et al. (2014, Figure 11) needed about 50 on MNIST. Here is that figure, repeated:

# %%
reproduced.show("figure11")

# %% [markdown]
# Up to a hundred halves, the average's error rate comes down to that of the scaled network and no
# further. The log loss goes below the dashed line: that line is the geometric mean of all halves,
# and the curve tends to their arithmetic mean, which is less sure. Being sure and wrong costs a lot
# of log loss. (± is over networks. They are all tested on the same 510 digits; the standard error
# over digits is larger, as the title says.)
#
# ## How much do they share?
#
# If each answer of $k$ members has variance $\sigma^2$, and any two of them correlation $\rho$,
# their mean has variance (Hastie et al. 2009, eq. 15.1)
#
# $$ \rho\,\sigma^2 + \frac{1-\rho}{k}\,\sigma^2. $$
#
# For very many members $\rho\,\sigma^2$ is left, as much as $1/\rho$ independent members would
# leave. The first edition of this lesson took each half's probability of the right class and
# correlated two halves over the test images. That gave 0.8: all halves together would be worth 1.25
# independent ones. (Here the same measure gives less.)
#
# Test it. On a given image, the halves of *one* network vary. **How much of this variance is left
# in the mean of 64?** If $\rho$ were 0.8, it would be 80 %.

# %% guess=true
my_guess = 80  # percent of the variance of one half's answer

# %% figure=true
# The variance of the mean of k halves, image by image; and two correlations.
guess = expect.guess(my_guess)
blocks = (1, 2, 4, 8, 16, 32, 64)
fixed, redrawn = [], []  # variance over masks, and over networks and masks; (blocks, networks or 1)
for k in blocks:
    means = right_class.reshape(20, 128 // k, k, -1).mean(2)  # network, block, image
    fixed.append(means.var(1, ddof=1).mean(1))
    redrawn.append(means.var(0, ddof=1).mean())
fixed, redrawn = np.array(fixed), np.array(redrawn)
several = [right_class.reshape(20 // k, k, 128, -1).mean(1).var(0, ddof=1).mean()
           for k in (1, 2, 4, 5, 10)]
left_over = 100 * fixed[-1] / fixed[0]
pairs = np.corrcoef(right_class[:, :50].reshape(1000, -1))
network = np.arange(1000) // 50
own = (network[:, None] == network) & ~np.eye(1000, dtype=bool)
alike = pairs[own].mean(), pairs[network[:, None] != network].mean()
spread = right_class.mean((0, 1)).var() / right_class.var((0, 1, 2))

fig, (left, right) = plot.figure(2, height=3, width=9)
left.plot(blocks, 100 * fixed.mean(1) / fixed[0].mean(), "o", color=plot.BLUE,
          label="of one network")
left.plot(blocks, 100 * redrawn / redrawn[0], "s-", color=plot.ORANGE,
          label="of one network, a new one each time")
left.plot((1, 2, 4, 5, 10), 100 * np.array(several) / several[0], "-", color=plot.SKY,
          label="of k different networks")
left.plot(blocks, 100 * (alike[0] + (1 - alike[0]) / np.array(blocks)), ":", color=plot.INK,
          label=f"if ρ were {alike[0]:.2f}")
left.plot(64, guess, "X", color=plot.GREY, markersize=9, label="your guess")
left.set(xscale="log", yscale="log", xlabel="halves averaged, k", ylim=(0.8, 140))
left.set_ylabel("variance of their mean,\n% of one half's")
left.set_xticks(blocks, map(str, blocks))
left.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
left.minorticks_off()
left.legend(fontsize=8, loc="lower left", handlelength=1.5)
left.set_title(f"64 halves of one network: {left_over.mean():.1f} % left")
plot.bars(alike, ["of the same\nnetwork", "of different\nnetworks"], right,
          colors=[plot.BLUE, plot.SKY])
right.set(xlabel="correlation of two halves, over images", xlim=(0, 1.1))
right.set_title(f"The control: {alike[1]:.2f} for different networks")
plot.show(fig, "Left: the variance of the mean of k halves against k, on logarithmic axes. Of one "
          f"network: {left_over.mean():.2f} ± {plot.standard_error(left_over):.2f} % is left at "
          f"k = 64; where the network is redrawn too, {100 * redrawn[-1] / redrawn[0]:.0f} %. "
          f"Right: over images, two halves of one network have correlation {alike[0]:.2f}, of "
          f"different networks {alike[1]:.2f}.",
          claims={"no-floor": bool(left_over.mean() < 3),
                  "image-correlation-misleads": bool(alike[1] > 0.8 * alike[0]),
                  "network-floor": bool(redrawn[-1] > 3 * redrawn[0] / 64)})
print(f"{100 * spread:.0f} % of the variance over images and halves is the images' own.")

# %% [markdown]
# Masks are independent, so on a given image their variance falls as $1/k$, without a floor. The
# control shows what fooled us: halves of *different* networks, which share no weights, are
# correlated nearly as much. They share the image, easy or hard. Write the answer of half $m$ of
# network $i$ on image $x$ as
#
# $$ a_{im}(x) = \mu(x) + u_i(x) + e_{im}(x): $$
#
# the mean of all halves of all networks, what this network adds, and what the mask adds. No average
# removes $\mu$, and none should. The formula is about what changes when the ensemble is drawn anew:
#
# $$ \sigma^2 = \operatorname{Var} u + \operatorname{Var} e, \qquad
# \rho = \operatorname{Var} u\,/\,\sigma^2. $$
#
# ## Exercise: `member_correlation`
#
# So subtract $\mu(x)$ and correlate *residuals*. One bias remains: a mean over $N$ networks
# contains each one's own $u_i/N$, which gives different networks a small negative correlation. It
# lowers both numbers by the same covariance, and the formula
#
# $$ \rho = \frac{\text{same} - \text{different}}{1 - \text{different}} $$
#
# takes it out.

# %% exercise="member_correlation"
def member_correlation(answers):
    """How much two halves have in common beyond the image: of one network, and of different ones.

    The residual of an answer is its difference from the mean of all halves of all networks on the
    same image. Two halves' residuals are correlated (Pearson) over the images.

    answers : (networks, halves, images)
    Returns two numbers, means over pairs: of two halves of the same network (never a half with
    itself), and of two halves of different networks.
    """
    ### BEGIN SOLUTION
    residuals = (answers - answers.mean((0, 1))).reshape(-1, answers.shape[-1])
    C = np.corrcoef(residuals)
    network = np.arange(len(C)) // answers.shape[1]
    same = network[:, None] == network
    return C[same & ~np.eye(len(C), dtype=bool)].mean(), C[~same].mean()
    ### END SOLUTION

# %% [markdown] hint="member_correlation"
# One mean for each image, over both other axes: `answers.mean((0, 1))`. Then a row for each half,
# and `np.corrcoef` gives the correlations of all *rows* as a matrix.

# %% [markdown] hint="member_correlation"
# Number the rows by their network, as in `[0, 0, 0, 1, 1, 1, …]`. Comparing this list as a column
# with itself as a row tells where in the matrix both halves are of the same network.

# %% [markdown] hint="member_correlation"
# The diagonal of the matrix holds each half's correlation with itself, 1. `~np.eye(n, dtype=bool)`
# is True everywhere else, and `C[where].mean()` is the mean over some of the entries.

# %% check="member_correlation" points=2
# Three networks, four halves of each, 50 images: both means.
rng = expect.rng()
shape = 3, 4, 50
answers = 3 * rng.normal(size=50) + rng.normal(size=(3, 1, 50)) + rng.normal(size=shape)
answers *= rng.uniform(0.5, 2, size=(3, 4, 1))


def correlations(a):
    """The mean correlation of rows of the same first index, and of different ones; and more."""
    c = a - a.mean(-1, keepdims=True)
    c = c / np.sqrt((c**2).sum(-1, keepdims=True))
    inside = np.array([c[i] @ c[i].T for i in range(len(c))])
    m = a.shape[1]
    same = [inside[i][j, k] for i in range(len(c)) for j in range(m) for k in range(j)]
    other = [c[i] @ c[j].T for i in range(len(c)) for j in range(i)]
    return float(np.mean(same)), float(np.mean(other)), float(inside.mean()), c


centred = answers - sum(answers[i, j] for i in range(3) for j in range(4)) / 12
same, other, with_itself, unit = correlations(centred)
raw = correlations(answers)
inner = correlations(answers - answers.mean(1, keepdims=True))
by_half = correlations(answers - answers.mean(0))
swapped = correlations(centred.swapaxes(0, 1))
rows = centred.reshape(12, 50)
covariance = np.cov(rows)
everything = (np.corrcoef(rows).sum() - 12) / 132
far = np.kron(np.eye(3), np.ones((4, 4))) == 0
block = 1.0 - far - np.eye(12)
with expect.case("member_correlation(answers), 3 networks, 4 halves of each, 50 images",
                 crash=[("unpack|subscriptable|not iterable", "return two numbers.")]):
    before = answers.copy()
    first, second = member_correlation(answers)
    expect.unchanged(answers, before)
    expect.close(
        first, same, rtol=1e-5, atol=1e-6,
        hint="same network: the mean over pairs of different halves, of all three networks.",
        suspects=[
            (other, "the two numbers are swapped: the same network comes first."),
            (raw[0], "the images' own part is still in it. Subtract each image's mean."),
            (with_itself, "each half's correlation with itself is averaged in."),
            (inner[0], "each network's own mean is subtracted, and with it what its halves share."),
            (by_half[0], "the mean is over networks only: take it over halves too."),
            (swapped[0], "networks and halves are exchanged."),
            (swapped[1], "networks and halves are exchanged."),
            (everything, "that is the mean over all pairs, of the same network or not."),
            ((covariance * block).sum() / 36, "that is the covariance: a correlation is wanted."),
            (float(np.abs(np.corrcoef(rows)[block > 0]).mean()), "the signs are lost."),
            ((same - other) / (1 - other), "that is ρ already. Return the two numbers."),
        ],
    )
    expect.close(
        second, other, rtol=1e-5, atol=1e-6,
        hint="different networks: the mean over all pairs of halves whose networks differ.",
        suspects=[
            (raw[1], "the images' own part is still in it. Subtract each image's mean."),
            (everything, "that is the mean over all pairs, of the same network or not."),
            (float(np.abs(np.corrcoef(rows))[far].mean()), "the signs are lost."),
            ((12 + 36 * same + 96 * other) / 144, "that is the mean of the whole matrix."),
            (float(np.mean([unit[i, k] @ unit[j, k] for i in range(3) for j in range(i)
                            for k in range(4)])),
             "only halves of the same number are paired. Pair every half with every other."),
        ],
    )

# %% check="member_correlation" points=1
# Other numbers of networks, halves and images; and halves that share nothing.
rng = expect.rng()
for shape in ((2, 2, 30), (6, 3, 40), (2, 5, 25)):
    answers = rng.normal(size=shape[2]) + rng.normal(size=shape)
    centred = answers - answers.mean(axis=(0, 1))
    pairs = {True: [], False: []}
    for i, j in np.ndindex(shape[:2]):
        for k, n in np.ndindex(shape[:2]):
            if (i, j) < (k, n):
                r = np.corrcoef(centred[i, j], centred[k, n])[0, 1]
                pairs[i == k].append(float(r))
    with expect.case(f"member_correlation(answers), answers of shape {shape}", crash=[
        ("unpack|subscriptable|not iterable", "return two numbers."),
        ("out of bounds", "take the numbers of networks and halves from answers.shape."),
    ]):
        first, second = member_correlation(answers.copy())
        expect.close(first, float(np.mean(pairs[True])), rtol=1e-5, atol=1e-6,
                     hint="the first number is no mean over pairs of one network's halves. Are all "
                          "sizes taken from answers.shape?")
        expect.close(second, float(np.mean(pairs[False])), rtol=1e-5, atol=1e-6,
                     hint="the second number is no mean over pairs of different networks. Are all "
                          "sizes taken from answers.shape?")

# %% mistakes="member_correlation"
{
    "return two numbers": (", C[~same].mean()", ""),
    "the two numbers are swapped": (
        "C[same & ~np.eye(len(C), dtype=bool)].mean(), C[~same].mean()",
        "C[~same].mean(), C[same & ~np.eye(len(C), dtype=bool)].mean()"),
    "own part is still in it": (" - answers.mean((0, 1))", ""),
    "with itself is averaged in": (" & ~np.eye(len(C), dtype=bool)", ""),
    "each network's own mean": ("answers.mean((0, 1))", "answers.mean(1, keepdims=True)"),
    "over networks only": ("answers.mean((0, 1))", "answers.mean(0)"),
    "are exchanged": ("    residuals =", "    answers = answers.swapaxes(0, 1)\n    residuals ="),
    "the mean over all pairs": ("C[same & ~", "C[~"),
    "that is the covariance": ("corrcoef", "cov"),
    "the signs are lost": ("= np.corrcoef(residuals)", "= np.abs(np.corrcoef(residuals))"),
    "that is ρ already": (
        "    return C[same & ~np.eye(len(C), dtype=bool)].mean(), C[~same].mean()",
        "    s, d = C[same & ~np.eye(len(C), dtype=bool)].mean(), C[~same].mean()\n"
        "    return (s - d) / (1 - d), d"),
    "the mean of the whole matrix": ("C[~same].mean()", "C.mean()"),
    "halves of the same number": ("C[~same]",
        "C[~same & (np.subtract.outer(np.arange(len(C)), np.arange(len(C)))"
        " % answers.shape[1] == 0)]"),
    "writes into its input": ("residuals = (answers - answers.mean((0, 1)))",
        "answers -= answers.mean((0, 1))\n    residuals = answers"),
    "sizes taken from answers.shape": ("// answers.shape[1]", "// 4"),
}

# %% correct="member_correlation"
def member_correlation(answers):
    from itertools import combinations
    networks, halves, _ = answers.shape
    rows = {(i, j): answers[i, j] - sum(a for net in answers for a in net) / (networks * halves)
            for i in range(networks) for j in range(halves)}
    found = {True: [], False: []}
    for (a, u), (b, v) in combinations(rows.items(), 2):
        found[a[0] == b[0]].append(np.corrcoef(u, v)[0, 1])
    return np.mean(found[True]), np.mean(found[False])

# %% [markdown]
# ## Shared images
#
# Now draw the training images anew too. Axis 0 of what your function gets is then one of eight sets
# of 160 digits, and axis 1 a member trained on it: a half of one network, a whole network from
# another start, a *bagged* one, trained on a bootstrap sample (as many images, drawn with
# replacement; Breiman 1996), or a tree of a random forest (Breiman 2001).

# %% figure=true
# Four ensembles: what their average keeps and what it removes, and what it gains.
rng = np.random.default_rng()
sets = np.array_split(np.random.default_rng(0).permutation(len(X)), 8)
how = {"hidden": 64, "epochs": 150, "falling": True}
some_masks = thin(np.ones((24, 1, 64)), rng)
kinds_of = {"halves of one network": [], "whole networks": [], "bagged networks": [],
            "trees of a forest": []}
for g, rows in enumerate(sets):
    samples = [rows] * 3 + [rng.choice(rows, len(rows)) for _ in range(3)]
    with_dropout = train.two_layer(X[rows], y[rows], thin, g, rate=0.4, **how)
    without = [train.two_layer(X[sample], y[sample], lambda h, rng: h, 10 * g + i, rate=0.1,
                               **how)
               for i, sample in enumerate(samples)]
    alone = [thinned(net, X_test, 1) for net in without]
    for members, found in zip(kinds_of.values(), (
        thinned(with_dropout, X_test, some_masks), alone[:3], alone[3:],
        train.forest(X[rows], y[rows], X_test, trees=50, seed=g),
    ), strict=True):
        members.append(np.array(found))


def shared(answers):
    """ρ of members (sets, members, images), and its jackknife standard error over the sets."""
    def rho(some):
        same, different = member_correlation(some)
        return (same - different) / (1 - different)

    without_one = [rho(np.delete(answers, i, 0)) for i in range(len(answers))]
    return rho(answers), np.std(without_one) * np.sqrt(len(answers) - 1)


rhos, stays, goes, single, mean_of = [], [], [], [], []
for members in kinds_of.values():
    members = np.array(members)  # set, member, image, class
    of_right = members[..., np.arange(len(y_test)), y_test]
    rhos.append(shared(of_right))
    goes.append(of_right.var(1, ddof=1).mean())
    stays.append(goes[-1] * rhos[-1][0] / (1 - rhos[-1][0]))
    single.append(100 * np.mean(members.argmax(-1) != y_test, (1, 2)))
    mean_of.append(100 * np.mean(members.mean(1).argmax(-1) != y_test, 1))

fig, (left, right) = plot.figure(2, height=3, width=9)
left.barh(range(4), stays, color=plot.BLUE, label="ρσ², stays")
left.barh(range(4), goes, left=stays, color=plot.PALE, label="(1 − ρ)σ², averaged away")
for i, (rho, error) in enumerate(rhos):
    left.text(stays[i] + goes[i] + 0.003, i, f"ρ = {rho:.2f} ± {error:.1g}", va="center")
left.set_yticks(range(4), [f"{len(of[0])} {name}" for name, of in kinds_of.items()])
left.set(xlabel="variance of a member's answer on an image", ylim=(3.6, -0.6),
         xlim=(0, 1.9 * max(np.add(stays, goes))))
left.legend(loc="center right", bbox_to_anchor=(1.02, 0.5), fontsize=9, handlelength=1)
least, most = (pick(range(4), key=lambda i: rhos[i][0]) for pick in (min, max))
left.set_title(f"Most in common: {[*kinds_of][most]},\nleast: {[*kinds_of][least]}", fontsize=10)
right.hlines(range(4), [m.mean() for m in mean_of], [s.mean() for s in single], color=plot.GREY,
             zorder=1)
for runs, color, name in ((single, plot.ORANGE, "one"), (mean_of, plot.BLUE, "their average")):
    right.errorbar([r.mean() for r in runs], range(4), fmt="o", color=color, capsize=2,
                   xerr=[plot.standard_error(r) for r in runs], label=name)
right.set(xlabel="error rate on test digits, % (8 sets ± s.e.)", yticks=[], ylim=(3.6, -0.6))
right.legend(loc="center right")
right.set_title(f"One tree errs on {single[3].mean():.0f} %,\n"
                f"a forest on {mean_of[3].mean():.0f} %", fontsize=10)
together = right_class[:, :20]  # the first cell's networks, one set of images for all
same, different = member_correlation(together)
rho, error = shared(together)
told = "; ".join(f"{name}: ρ {r:.2f} ± {e:.2f}, one {s.mean():.1f} %, average {m.mean():.1f} %"
                 for name, (r, e), s, m in zip(kinds_of, rhos, single, mean_of, strict=True))
plot.show(fig, f"Variance that stays and that averages away, and error rates. {told}.",
          claims={"trees-share-least": all(rhos[3][0] + 0.05 < of for of, _ in rhos[:3]),
                  "whole-share-most": bool(rhos[1][0] > max(rhos[i][0] for i in (0, 2, 3)) + 0.1),
                  "shared-weights": bool(rho > 3 * error)})
print("Halves of the first cell's networks, which all learned the same images: same network "
      f"{same:.3f}, different {different:.3f}.\nSo ρ = {rho:.3f} ± {error:.3f}, and 1/ρ is "
      f"{1 / rho:.1f}.")

# %% [markdown]
# Single trees are poor and disagree; only their average is good. Whole networks agree, so averaging
# them hardly helps. But $\rho$ is a *share* of the members' own variance. What stays is about as
# large for halves as for whole networks (blue). Their shares differ because masks add variance that
# averages away. Nor were both trained alike: only the halves' network had dropout.
#
# And $\rho$ depends on what is drawn anew: in the line below the figure, all networks learned the
# same images. There, averaging all halves of one network does as much as averaging $1/\rho$ halves
# of different networks.
#
# ## What would the price buy?
#
# You can spend eight times as much: average eight networks, a *deep ensemble* (Lakshminarayanan et
# al. 2017); or train one eight times as wide; or use one with eight masks. **Which has the lowest
# log loss?**

# %% guess=true
my_guess = "masks"  # "networks", "wider" or "masks"

# %% figure=true
# Error rate and log loss for the price of one, two, four and eight networks.
guess = expect.guess(my_guess, number=False)
study = studies.kept("ensemble")
ways = {"thinned networks": ("thinned, of one", plot.ORANGE),
        "networks, dropout": ("networks, dropout", plot.BLUE),
        "networks, plain": ("networks, plain", plot.GREY),
        "one wider network": ("one wider network, dropout", plot.GREEN)}
found = {way: np.array([of[way] for of in study["rounds"].values()]) for way in ways}

fig, axes = plot.figure(3, height=3.4, width=11)
for ax, of, label in ((axes[0], 0, "error rate, %"), (axes[1], 1, "log loss, nats")):
    for way, (name, color) in ways.items():
        runs = found[way][..., of]
        ax.errorbar(study["counts"], runs.mean(0), plot.standard_error(runs), fmt="o-",
                    color=color, capsize=2, label=name)
    ax.axhline(found["networks, dropout"][:, 0, of].mean(), color=plot.INK, linestyle="--",
               linewidth=1, label="one scaled network")
    ax.set(xscale="log", xlabel="networks trained (orange: runs of one)", ylabel=label)
    ax.set_xticks(study["counts"], map(str, study["counts"]))
    ax.minorticks_off()
axes[1].legend(fontsize=7.5, handlelength=1, labelspacing=0.3)
one = found["networks, dropout"][:, 0]
names = {"masks": "thinned networks", "networks": "networks, dropout",
         "wider": "one wider network"}
gains = {short: [plot.difference(one[:, of], found[way][:, -1, of]) for of in (0, 1)]
         for short, way in names.items()}
first, second = sorted(gains, key=lambda short: -gains[short][1].mean)[:2]
lead = plot.difference(*(found[names[short]][:, -1, 1] for short in (second, first)))
best = first if lead.sign > 0 else f"{first} or {second}"
axes[0].set_title(f"Gain, points: eight networks {gains['networks'][0]:.2f},\na wider one "
                  f"{gains['wider'][0]:.2f}, masks {gains['masks'][0]:.2f}", fontsize=9)
axes[1].set_title(f"You said {guess}; lowest: {best}\n(gain of eight networks "
                  f"{gains['networks'][1]:.3f} nats)", fontsize=9)


def best_temperature(probabilities):
    """The log loss at the best temperature: half of the digits chooses it for the other half."""
    temperatures, logs = np.geomspace(0.5, 4, 40), np.log(probabilities + 1e-300)
    each = -np.array([np.log(train.softmax(logs / T)[np.arange(len(y_test)), y_test] + 1e-300)
                      for T in temperatures])
    losses = []
    for _ in range(10):
        parts = np.array_split(rng.permutation(len(y_test)), 2)
        losses += [each[each[:, a].mean(1).argmin(), b].mean() for a, b in (parts, parts[::-1])]
    return np.mean(losses)


grouped = np.array_split(whole, 4)  # this lesson's own networks: four ensembles of five
members = {"one, scaled": whole, "100 halves\nof one": halves,
           "5 networks": [group.mean(0) for group in grouped]}
tempered = {way: np.array([[train.log_loss(answers, y_test), best_temperature(answers)]
                           for answers in found]) for way, found in members.items()}
for row, (way, color) in enumerate(zip(tempered, (plot.INK, plot.ORANGE, plot.BLUE), strict=True)):
    for k, fill in ((0, "white"), (1, color)):
        runs = tempered[way][:, k]
        axes[2].errorbar(runs.mean(), row, xerr=plot.standard_error(runs), fmt="o", capsize=2,
                         color=color, markerfacecolor=fill)
axes[2].set(xlabel="log loss, nats (hollow: as it is;\nfilled: at its best temperature)",
            ylim=(2.5, -0.5))
axes[2].set_yticks(range(3), list(tempered))
scaled_one, of_halves, of_five = tempered.values()
alone = plot.difference(*scaled_one.T)
more = [plot.difference(scaled_one[:, 1], of_halves[:, 1]),
        plot.difference([part[:, 1].mean() for part in np.array_split(scaled_one, 4)],
                        of_five[:, 1])]
axes[2].set_title(f"Temperature alone gains {alone:.3f};\nbeyond it, halves {more[0]:.3f},\n"
                  f"networks {more[1]:.3f}", fontsize=9)
wider = [plot.difference(*(found[way][:, -1, of] for way in ("one wider network",
                                                            "networks, dropout")))
         for of in (0, 1)]
by_masks = gains["masks"][0]
told = "; ".join(f"{short}: {wrong:.2f} points and {loss:.3f} nats"
                 for short, (wrong, loss) in gains.items())
plot.show(fig, "Error rate and log loss against the price, for four ways to spend it. Gain over "
          f"one scaled network at the price of eight, {len(one)} rounds ± s.e.: {told}. Log "
          "loss as it is and at the best temperature: " + "; ".join(
              "{}: {:.3f}, {:.3f}".format(" ".join(way.split()), *runs.mean(0))
              for way, runs in tempered.items()) + ".",
          claims={"eight-halves-err-more": by_masks.sign < 0,
                  "temperature-gains-more":
                  plot.difference(scaled_one[:, 1], of_halves[:, 0]).sign < 0,
                  "halves-gain-no-more": bool(more[0].mean + 2.1 * more[0].error < 0.01),
                  "networks-gain-more": more[1].sign > 0 and gains["networks"][1].sign > 0,
                  "wider-errs-least": wider[0].sign < 0 < wider[1].sign})
print(f"Measured once in {study['seconds'] / 60:.0f} minutes by dropoutlab.studies.ensemble, "
      "each way with a learning rate of its own, chosen on two training sheets.")

# %% [markdown]
# Eight masks lower the log loss a little. A hundred lower it almost as much as eight trained
# networks do, and a run costs far less than training. What masks did not lower is the error rate.
# There one wide network does best, but eight networks have a lower log loss. (In error rate all
# gains are less than a point, a few of 510 digits.)
#
# But the log loss also asks how *sure* an answer is. Ashukha et al. (2020) compare it at each way's
# best *temperature* $T$, with probabilities softmax$(\log P / T)$: one half of the test digits
# chose $T$ for the other (right panel; the wide network was not tried). That alone helps one scaled
# network more than a hundred halves do, at the price of some labelled digits. Beyond it, halves
# gain nothing, but several networks still gain.
#
# ## Explore: choose the units
#
# Press a unit to drop it. In the middle, the network without the units that you dropped; on the
# right, the average of random thinned networks (up to 16 boundaries in grey), and the scaled
# network (dashed).
#
# **Try**: how many members does it take before the boundary stops moving? With all $2^6$ thinned
# networks, which mean agrees with the scaled network?

# %%
explore.members(all_masks, subnetwork_outputs, geometric_mean, weight_scaled)

# %% [markdown]
# ## Two questions
#
# Put one of the strings in place of each `...`.

# %% question="exact" points=1
# A mask is followed by one softmax layer. Whatever the weights, weight scaling then equals this
# mean of all thinned networks:
#
# - [ ] arithmetic mean
# - [x] geometric mean
# - [ ] majority vote
#
# Hint: of what is the logarithm linear in the mask?


# %% question="floor" points=1
# Over test images, two halves of one network have correlation 0.8, halves of different networks
# 0.78. How much of the variance that masks cause stays in the mean of very many masks?
#
# - [ ] 80 %
# - [ ] 2 %
# - [x] none
#
# Hint: the network and the image are given. Are two masks drawn independently?

# %% [markdown]
# ## In your own words
#
# "Dropout is bagging with $2^n$ networks, for the price of one." Say in three to six sentences what
# of this holds and what does not, with numbers that you measured. (In a class, your instructor
# grades this.)

# %% [markdown] answer="price_of_one" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point for what holds, with a number: one run of training makes every half a
# fair classifier (about 10 % errors, against 35 % without dropout in training); the scaled network
# is exactly the normalised geometric mean of all of them before one softmax layer, or errs as
# little as some tens of them averaged; on a given image the masks' variance falls as 1/k, without a
# floor. One point for what does not, with a number or a reason: the members share weights, so what
# their network adds stays (ρ is about 0.1 with the training images fixed, so that all halves are
# worth some ten halves of different networks; about 0.35 to 0.4 with images drawn anew); none is
# trained to the end on a sample of its own; scaling is not the arithmetic mean that bagging takes,
# and in deeper networks no exact mean; masks lower no error rate, be
# it eight or a hundred, and of the log loss they lower no more than the right temperature of one
# scaled network does, while several trained networks keep a gain at their best temperature. ("Eight
# networks have a lower log loss, and masks have not" earns no point: a hundred halves have.)
#
# Two statements are both true and lose nothing: "halves of one network are more alike than halves
# of different networks" (residuals, 0.1 against 0), and "whole networks agree more than halves do"
# (no mask adds noise to them). "They correlate at 0.6 to 0.8 over the images, so they are worth
# less than two" is the old mistake; as the reason for what does not hold it earns no point.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Halves of networks trained with dropout are fair classifiers {{claim:fair-halves}}, though worse
#   than the whole {{claim:whole-beats-halves}}.
# - If only a softmax layer follows the mask, weight scaling is the normalised geometric mean of all
#   thinned networks {{claim:exact-geometric}}. In our deeper networks it is near that mean, and
#   further from the arithmetic one {{claim:deep-approximate}}.
# - The average of twenty halves errs about as little as one scaled run {{claim:tens-of-halves}},
#   that of a hundred no less {{claim:no-fewer-errors}}, with a lower log loss {{claim:lower-loss}}.
# - On a given image, the variance due to masks averages away {{claim:no-floor}}; that between
#   networks stays {{claim:network-floor}}.
# - Correlations over images mostly measure the images {{claim:image-correlation-misleads}}. In
#   residuals, halves of one network are a little alike {{claim:shared-weights}}.
# - As a share of their own variance, trees have least in common {{claim:trees-share-least}}, and
#   whole networks, trained without dropout, most {{claim:whole-share-most}}.
# - Averaged, eight halves err more than one scaled run {{claim:eight-halves-err-more}}. What a
#   hundred gain in log loss, the right temperature gains too {{claim:temperature-gains-more}}, and
#   beyond it halves gain nothing {{claim:halves-gain-no-more}}. Several networks still gain
#   {{claim:networks-gain-more}}.
# - One network eight times as wide errs less on these 510 digits than eight networks, but has a
#   higher log loss, with no temperature fitted {{claim:wider-errs-least}}.
#
# **Read.** Hinton et al., arXiv:1207.0580. Baldi and Sadowski, *Understanding dropout*, NIPS 2013.
# Warde-Farley et al., arXiv:1312.6197. Breiman, *Random forests*, Machine Learning 45 (2001).
# Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning* (2009), §15.4.1, which
# warns of our mistake. Lakshminarayanan et al., arXiv:1612.01474. Ashukha et al., *Pitfalls of
# in-domain uncertainty estimation and ensembling in deep learning*, arXiv:2002.06470 (2020). Abe et
# al., *Deep ensembles work, but are they necessary?*, arXiv:2202.06985 (2022), on wider networks.
#
# **Stretch.** Breiman's bound on a forest's error uses a correlation over examples. Why is it right
# there?
#
# **Still open.** Each half works alone. Do units then lean on each other less? {{coadaptation}}.
