# %% [markdown]
# # 1.4 · The backward pass
#
# **Would you notice a wrong gradient?**
#
# *75 minutes. Before: {{inverted_dropout}}. After, you will be able to write dropout's backward
# pass, to check any gradient against its definition even where a network is random, and to build
# a layer that remembers what it dropped.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$, $y$ | input and output of the layer |
# | $p$ | probability that a unit is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0, independently |
# | $L$ | loss: one number |
# | `dy`, `dx` | $\partial L/\partial y$ and $\partial L/\partial x$, of the shapes of $y$ and $x$ |
# | $W_1$, $W_2$ | weights into and out of a hidden layer |

# %% setup=true
import numpy as np

from dropoutlab import check_probability, data, expect, explore, plot, survivors, train

# %% [markdown]
# ## Where we stand
#
# {{inverted_dropout}} settled the forward pass: drop, scale the survivors, and every output has the
# right mean. But a network learns in the *backward* pass, and dropout takes part in that too. What
# happens if it goes wrong there?
#
# Below, small networks learn to read digits at $p = 0.5$. The forward pass is right in all six; the
# backward pass is right in the first. One of the others draws a fresh mask, one has no mask, and
# two have the wrong scale. In the last, for comparison, the hidden layer never learns at all.
#
# **Commit yourself first: what is the error rate with a fresh mask in the backward pass?** (Blind
# guessing would give 90 %.)

# %% guess=true
my_guess = 60  # error rate in percent, with a fresh mask in the backward pass

# %% figure=true
# Error rates of networks with six different backward passes.
guess = expect.guess(my_guess)


def gradients(net, X, T, kept, back):
    """Factors `kept` in the forward pass, factors `back` in the backward pass."""
    h = np.tanh(X @ net["W1"].T)
    sent = h * kept
    error = 2 * (sent @ net["W2"].T - T) / len(X)  # of the squared distance to the targets T
    arrived = error @ net["W2"] * back
    return {"W1": (arrived * (1 - h**2)).T @ X, "W2": error.T @ sent}


def factors(shape, rng, p=0.5):
    kept, fresh = (rng.random((2, *shape)) >= p) / (1 - p)
    return kept, {"same mask, same scale": kept, "a fresh mask": fresh, "no mask": np.ones(shape),
                  "same mask, unscaled": kept * (1 - p), "same mask, scaled twice": kept / (1 - p),
                  "W1 never learns": 0 * kept}


X, y, X_test, y_test = data.digits()
X, X_test, T = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1), np.eye(10)[y]

names = list(factors((1, 1), np.random.default_rng())[1])
error_rates = np.empty((len(names), 5))
for i, name in enumerate(names):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        net = {"W1": rng.normal(0, 1 / 8, (64, 64)), "W2": rng.normal(0, 1 / 8, (10, 64))}
        for _ in range(20):
            for rows in np.array_split(rng.permutation(len(X)), 20):
                kept, ways = factors((len(rows), 64), rng)
                step = gradients(net, X[rows], T[rows], kept, ways[name])
                net = {k: net[k] - 0.05 * step[k] for k in net}
        guessed = (np.tanh(X_test @ net["W1"].T) @ net["W2"].T).argmax(1)
        error_rates[i, seed] = 100 * np.mean(guessed != y_test)

COLORS = [plot.BLUE, *4 * [plot.ORANGE], plot.GREY]
fig, (ax,) = plot.figure(1, height=2.8)
spread = plot.standard_error(error_rates, 1)
plot.bars(error_rates.mean(1), names, ax, spread=spread, colors=COLORS)
ax.plot(guess, 1.5, "^", color=plot.INK, markersize=7)
ax.annotate("  your guess  ", (guess, 1.5), ha="right" if guess > 15 else "left", va="center")
costs = [plot.difference(runs, error_rates[0]) for runs in error_rates]
ax.set_yticks(range(len(names)), [names[0], *(f"{name} ({cost:.1f})" for name, cost in
                                               zip(names[1:], costs[1:], strict=True))])
ax.set(title=f"A fresh mask changes the error by {costs[1]:.1f} points",
       xlim=(0, max(guess, 20) * 1.2),
       xlabel="error rate, % (5 runs ± s.e.; in brackets: the change)")
plot.show(fig, "Error rates of six backward passes. A fresh mask changes the error by "
               f"{costs[1]:.1f} points, hidden weights that never learn by {costs[5]:.1f}.",
          claims={"wrong-passes-learn-too":
                  sum(cost.mean + 2.8 * cost.error < 2 for cost in costs[1:5]) >= 2})

# %% [markdown]
# You may have expected a ruined network. But the *output* layer's gradient is right in all six
# rows, and that layer copes even with hidden units that never learned (grey). So a network with a
# wrong gradient trains, and nobody looks. You will write a right backward pass, and a test that
# tells it from the wrong ones.
#
# ### One question from {{inverted_dropout}}
#
# At $p = 0.75$ one entry of the input is 3. What does inverted dropout send for it in training,
# and what in evaluation? (Answer, then unfold.)
#
# <details><summary>Answer</summary>
#
# In training 12 (with probability ¼) or 0; in evaluation 3.
# </details>
#
# Now let the 3 grow a little, to 3.01. By how much does the output grow in each of these cases?
# The output's growth divided by the input's is all that a backward pass needs.
#
# ### A worked example: ReLU
#
# A layer that treats each entry on its own has the simplest of chain rules:
#
# $$ \frac{\partial L}{\partial x_i} = \frac{\partial L}{\partial y_i}\,
# \frac{\partial y_i}{\partial x_i}. $$
#
# The gradient that arrives, `dy`, is multiplied by the layer's own slope. For a ReLU the slope is
# 1 where $x_i > 0$ and 0 elsewhere. The backward pass no longer sees $x$, so the forward pass
# leaves a *cache*: whatever the backward pass will need, and no more.

# %%
def relu_forward(x):
    return np.maximum(x, 0), x > 0  # the output, and the cache


def relu_backward(dy, cache):
    return dy * cache


sent, cache = relu_forward(np.array([-2.0, 3.0, 0.5]))
print("forward ", sent)
print("backward", relu_backward(np.array([10.0, 10.0, -4.0]), cache))

# %% [markdown]
# ## Exercise: `dropout_forward`
#
# This is the function of {{inverted_dropout}} with one addition: it leaves a cache. Copy yours,
# and decide what goes into the cache. (`survivors(x, p, rng)` draws the mask, if you like.)

# %% exercise="dropout_forward"
def dropout_forward(x, p, rng, training):
    """Inverted dropout: y = m * x / (1 - p) in training, y = x in evaluation.

    x : float array of any shape, left as it is
    p : probability of dropping
    rng : np.random.Generator, the only source of randomness
    Returns (y, cache): a new array of x's shape and dtype, and whatever
    `dropout_backward` needs (yours to choose). In training at p = 1 all of y is 0.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        p = 0
    kept = rng.random(x.shape) >= p
    scale = 1 / (1 - p) if p < 1 else 0.0
    return x * kept * scale, (kept, scale)
    ### END SOLUTION

# %% [markdown] hint="dropout_forward"
# In each situation (training, evaluation, $p=1$) the output is the input times something, entry
# by entry. What is that something?

# %% [markdown] hint="dropout_forward"
# A mask is drawn from `rng` once, and is needed twice: for the output, and in the cache.

# %% [markdown] hint="dropout_forward"
# Evaluation needs a cache as well: what must it hold, so that the backward pass need not ask
# whether the layer was training?

# %% check="dropout_forward" points=2
# y is what inverted dropout gives, in training, in evaluation and at p = 1, and comes with a cache.
two = [("back: unpack", "return two things: return y, cache.")]
x = expect.rng().normal(size=20_000).astype(np.float32)
before = x.copy()
with expect.case("y / x for y, cache = dropout_forward(x, 0.3, rng, True), x 20 000 normal numbers "
                 "in float32", crash=two):
    out, cache = dropout_forward(x, 0.3, expect.rng(), True)
    expect.unchanged(x, before)
    expect.array(out, 20_000, hint="the first of the pair is y, an array of x's shape.")
    expect.mean(out == 0, 0.3, of=(0, 1), hint="p is the probability that an entry is 0.",
                suspects=[(0.7, "p is taken for the probability of keeping: p drops.")])
    expect.only(
        out / x,
        (0, 1 / 0.7),
        rtol=1e-5,
        hint="a survivor must be x / (1 - p).",
        suspects=[
            (1, "the survivors are not scaled. Divide them by 1 - p."),
            (1 / 0.3, "the survivors are divided by p. Divide them by 1 - p."),
            (0.7, "the survivors are multiplied by 1 - p. Divide them by it."),
        ],
    )
    expect.array(out, 20_000, np.float32,
                 hint="the result has another dtype than x. A boolean mask keeps it.")
x = x[:150].reshape(5, 30)
for p, training in ((0.6, False), (1.0, False), (0.0, True)):
    with expect.case(f"dropout_forward(x, {p}, rng, {training}) on float32", crash=two):
        out, cache = dropout_forward(x.copy(), p, expect.rng(), training)
        expect.array(out, (5, 30), hint="the first of the pair is y, an array of x's shape.")
        expect.close(out, x, rtol=1e-6, hint="in evaluation, and at p = 0, nothing is dropped: y "
                     "is x.", suspects=[] if p in (0, 1) else [
                         (x / (1 - p), "evaluation scales too. Scale in training only."),
                         (x * (1 - p), "evaluation multiplies by 1 - p. Leave x as it is.")])
        expect.array(out, (5, 30), np.float32, hint="the result has another dtype than x.")
        expect.copied(dropout_forward, x, p, expect.rng(), training)
with expect.case("dropout_forward(x, 1.0, rng, True) on float32", crash=two):
    before = x.copy()
    out, cache = dropout_forward(x, 1.0, expect.rng(), True)
    expect.unchanged(x, before)
    expect.array(out, (5, 30), np.float32, hint="return zeros of x's shape and dtype at p = 1.")
    expect.close(out, 0 * x, hint="at p = 1 every entry is dropped: return zeros.",
                 suspects=[(np.nan * x, "0 / 0 gives NaN at p = 1. Return zeros there.")])

# %% check="dropout_forward" points=1
# Every entry has a coin of its own, fresh at each call, and from rng alone.
def sent(shape, p, rng):
    y, _ = dropout_forward(np.ones(shape), p, rng, True)
    return y


two = [("back: unpack", "return two things: return y, cache.")]
with expect.case("dropout_forward(x, p, rng, True) on 20 × 60 ones, 24 times for each of four p",
                 crash=two):
    expect.coins(lambda p, rng: sent((20, 60), p, rng), scale=lambda p: 1 / (1 - p))
with expect.case("dropout_forward(x, p, rng, True) on 4 × 6 × 50 ones, 24 times for four p",
                 crash=two):
    expect.coins(lambda p, rng: sent((4, 6, 50), p, rng))
with expect.case("dropout_forward(x, 0.999, rng, True) on 90 000 ones", crash=two):
    expect.only(sent(90_000, 0.999, expect.rng()), (0, 1 / (1 - 0.999)), rtol=1e-6,
                hint="a survivor must be x / (1 - p).")

# %% mistakes="dropout_forward"
{
    "return two things": (", (kept, scale)", ""),
    "not scaled": ("1 / (1 - p) if p < 1 else 0.0", "1.0"),
    "divided by p. Divide": ("1 / (1 - p) if p < 1 else 0.0", "1 / p if p else 1.0"),
    "multiplied by 1 - p. Divide": ("1 / (1 - p) if p < 1 else 0.0", "1 - p"),
    "taken for the probability of keeping": (">= p", "< p"),
    "writes into its input": ("return x * kept * scale", "x *= kept * scale\n    return x"),
    "every row has the same mask": ("rng.random(x.shape)", "rng.random(x.shape[-1:])"),
    "a seed is set inside": ("rng.random(x.shape)", "np.random.default_rng(0).random(x.shape)"),
    "do not come from the given generator": ("rng.random(x.shape)", "np.random.rand(*x.shape)"),
    "evaluation scales too": ("p = 0", "x, p = x / (1 - p), 0"),
    "evaluation multiplies by 1 - p": ("p = 0", "x, p = x * (1 - p), 0"),
    "and at p = 0, nothing is dropped": ("if not training", "if training is None"),
    "Return a copy": ("return x * kept * scale,", "return x * kept * scale if training else x,"),
    "another dtype": ("rng.random(x.shape) >= p", "1.0 * (rng.random(x.shape) >= p)"),
    "0 / 0 gives NaN": ("1 / (1 - p) if p < 1 else 0.0", "float(np.divide(1, 1 - p))"),
    "1.0, rng, True) on float32":
        ("return x", "x.__imul__(1 if p < 1 else 0)\n    return x if p == 1 else x"),
}

# %% correct="dropout_forward"
def dropout_forward(x, p, rng, training=True):
    if not training or p == 0:
        return x.copy(), None
    dropped = ~survivors(x, p, rng)
    return np.where(dropped, 0, x / (1 - p if p < 1 else 1)), {"dropped": dropped, "p": p}

# %% [markdown]
# ## Exercise: `dropout_backward`
#
# Remember the 3 that grew to 3.01: what is the slope of a survivor, and of a dropped entry?

# %% exercise="dropout_backward"
def dropout_backward(dy, cache):
    """The gradient that leaves the layer: dL/dx, entry by entry dL/dy * dy/dx.

    dy : dL/dy, array of y's shape, left as it is
    cache : what `dropout_forward` returned with this y; left as it is
    Returns dL/dx, a new array of the same shape, and of dy's dtype.
    """
    ### BEGIN SOLUTION
    kept, scale = cache
    return dy * kept * scale
    ### END SOLUTION

# %% [markdown] hint="dropout_backward"
# If the 3 grew to 3.01 and its unit was dropped, by how much did the output grow? If it
# survived? In evaluation?

# %% [markdown] hint="dropout_backward"
# Compare with `relu_backward`: there too the slope was all that the cache held.

# %% [markdown] hint="dropout_backward"
# If your cache cannot tell evaluation from training, mend `dropout_forward` first. You may
# change both as often as you like.

# %% [markdown]
# Look at your own gradient before you check it: where are the gaps on the left, and where on the
# right? How high are the bars?

# %%
rng = np.random.default_rng()
fig, (above, below) = plot.figure(2, width=9, height=2.4)
out, cache = dropout_forward(np.ones(40), 0.4, rng, True)
for ax, values, what in ((above, out, "your y, for x = 1"),
                         (below, dropout_backward(np.ones(40), cache), "your dx, for dy = 1")):
    ax.bar(range(40), values, color=plot.BLUE)
    ax.plot(np.flatnonzero(out == 0), np.zeros(np.sum(out == 0)), "x", color=plot.ORANGE,
            markersize=5, clip_on=False)
    ax.set(xlabel="unit (cross: dropped in the forward pass)", ylim=(0, 2), title=what)
above.set_ylabel("value")
plot.show(fig, "Forty outputs and forty gradients, with the dropped units marked in both.")

# %% setup=true
# What wrong backward passes give, and the words for each: the checks below use it.
def wrong_passes(dy, dx, kept, scale):
    """Pairs (a wrong gradient, its cause); dx was found, and dy * kept * scale is right."""
    another = (
        "another mask: was it drawn anew in the backward pass?" if np.any((dx != 0) & ~kept) else
        "some survivors get no gradient. Keep the mask itself, not the sign of x or y."
    )
    return [
        (dy, "the mask is missing: dropped entries get a gradient, and no scale is there."),
        (dy * scale, "the mask is missing: dropped entries get a gradient."),
        (dy * kept, "the mask is right; the scale 1 / (1 - p) is missing."),
        (dy * kept * scale**2, "scaled twice: the factor 1 / (1 - p) enters once."),
        (dy * kept / scale, "divided by the scale: the slope of a survivor is 1 / (1 - p)."),
        (dy * ~kept * scale, "the mask is turned over: the dropped entries get it all."),
        (dy * (dx != 0) * scale, another),
        (dy * (dx != 0), another),
    ]

# %% check="dropout_backward" points=2
# The gradient is dy times the slope of your own forward pass, entry by entry.
rng = expect.rng()
x, dy = rng.normal(size=(2, 6, 50))
with expect.case("dx = dropout_backward(dy, cache) after dropout_forward(x, 0.4, rng, True)"):
    out, cache = dropout_forward(x, 0.4, rng, True)
    slope, given = out / x, dy.copy()
    kept, scale = slope != 0, np.max(slope)
    expect.varies(kept.ravel(), chance=0.6**300, what="some entries dropped, some kept",
                  hint="dropout_forward drops nothing, or everything. Mend it first.")
    dx = dropout_backward(given, cache)
    expect.array(dx, (6, 50), hint="return an array of dy's shape.")
    expect.close(
        dx,
        dy * slope,
        hint="multiply dy by the slope of y: 1 / (1 - p) for survivors, 0 for dropped entries.",
        suspects=[(dy * out, "that is dy times the output y. The slope does not depend on x."),
                  *wrong_passes(dy, dx, kept, scale)],
    )
    expect.unchanged(given, dy)

# %% check="dropout_backward" points=1
# Each cache stands for its own call, and can be used again.
rng = expect.rng()
x, dy = rng.normal(size=(2, 100))
with expect.case("two calls of dropout_forward, p = 0.5 and 0.2, then dropout_backward with either "
                 "cache"):
    (first, cache_1), (second, cache_2) = (dropout_forward(x, p, rng, True) for p in (0.5, 0.2))
    expect.varies(first != 0, chance=0.5**99, what="some entries dropped, some kept",
                  hint="dropout_forward drops nothing, or everything. Mend it first.")
    on_first, on_second = dy * (first / x), dy * (second / x)
    dx = dropout_backward(dy.copy(), cache_1)
    expect.close(
        dx, on_first, hint="this is not the gradient of the first call.",
        suspects=[(on_second, "that is the mask of the latest call. Use the cache, no global."),
                  (on_first * 0.5 / 0.8, "the scale is that of the latest call. Keep it in the "
                                         "cache, beside the mask."),
                  (dy * first, "that is dy times the output y. The slope does not depend on x."),
                  *wrong_passes(dy, dx, first != 0, 2)],
    )
    expect.close(
        dropout_backward(dy.copy(), cache_2), on_second,
        hint="this is not the gradient of the second call.",
        suspects=[(on_first, "that is the mask of an earlier call. Use the cache that is given.")],
    )
    dropout_forward(x, 0.5, rng, False)
    expect.close(
        dropout_backward(dy.copy(), cache_1), on_first,
        hint="the second use of a cache gives another result: the first has changed it, or the "
             "call in evaluation that came between counts.",
    )

# %% check="dropout_backward" points=1
# In evaluation, and at p = 0, the gradient passes as it is.
rng = expect.rng()
with expect.case("dropout_backward(dy, cache) after dropout_forward(x, 0.5, rng, True)"):
    out, cache = dropout_forward(np.ones(200), 0.5, rng, True)
    expect.some(dropout_backward(np.ones(200), cache) == 0, "an entry without a gradient",
                hint="each gradient passes in training too. Mend forward or backward first.")
x, dy = rng.normal(size=(2, 200))
for p, training in ((0.4, False), (1.0, False), (0.0, True)):
    lost = []
    with expect.case(f"dropout_backward(dy, cache) after dropout_forward(x, {p}, rng, {training})",
                     crash=lost):
        out, cache = dropout_forward(x.copy(), p, rng, training)
        if cache is None:
            lost += [("NoneType", "the cache is None here. What must it hold for backward?")]
        dx = dropout_backward(dy.copy(), cache)
        expect.array(dx, 200, hint="return an array of dy's shape.")
        wrong = [] if p in (0, 1) else [
            (dy / (1 - p), "scaled in evaluation, where y is x and the slope is 1."),
            (dy * (1 - p), "scaled in evaluation, where y is x and the slope is 1."),
            (dy * (dx != 0) / (1 - p), "masked in evaluation, where nothing was dropped."),
            (dy * (dx != 0), "masked in evaluation, where nothing was dropped."),
        ]
        expect.close(dx, dy, hint="here y is x: the slope is 1.", suspects=wrong)
        expect.copied(dropout_backward, dy, cache)

# %% check="dropout_backward" points=1
# An entry that is 0 has a slope as well: the mask is not what is 0 in y.
dy = expect.rng().normal(size=200)
with expect.case("dropout_backward(dy, cache) after dropout_forward(x, 0.5, rng, True), x = 0"):
    like, _ = dropout_forward(np.ones(200), 0.5, np.random.default_rng(7), True)
    expect.varies(like, chance=0.5**199, what="some entries dropped, some kept",
                  hint="dropout_forward drops nothing, or everything. Mend it first.")
    out, cache = dropout_forward(np.zeros(200), 0.5, np.random.default_rng(7), True)
    dx, lost = dropout_backward(dy.copy(), cache), "and is lost where x is 0, as behind a ReLU."
    expect.close(
        dx, dy * like,
        hint="the slope does not depend on x: it is the one that x = 1 has under the same mask.",
        suspects=[
            (0 * dy, f"the mask is read off y or x, {lost} Keep the mask itself."),
            (np.nan * dy, f"the slope is computed as y / x, {lost} Keep the slope itself."),
            *wrong_passes(dy, dx, like != 0, 2),
        ],
    )

# %% check="dropout_backward" points=1
# At p = 1 no gradient passes.
dy = expect.rng().normal(size=50)
with expect.case("dropout_backward(dy, cache) after dropout_forward(x, 0.5, rng, True)"):
    out, cache = dropout_forward(np.ones(200), 0.5, expect.rng(), True)
    expect.some(dropout_backward(np.ones(200), cache) != 0, "an entry with a gradient",
                hint="no gradient passes at p = 0.5 either. Mend forward or backward first.")
with expect.case("dropout_backward(dy, cache) after dropout_forward(x, 1.0, rng, True)"):
    out, cache = dropout_forward(np.ones(50), 1.0, expect.rng(), True)
    expect.close(dropout_backward(dy.copy(), cache), 0 * dy, hint="at p = 1 y is 0 whatever x is.",
                 suspects=[(np.nan * dy, "0 / 0 gives NaN at p = 1. No gradient passes there.")])

# %% check="dropout_backward" points=1
# A gradient in float32 stays in float32.
for dtype in (np.float32, np.float64):
    with expect.case(f"dropout_backward(dy, cache) in float32, after x in {np.dtype(dtype)}"):
        out, cache = dropout_forward(np.ones(8, dtype), 0.5, expect.rng(), True)
        dx = dropout_backward(np.ones(8, np.float32), cache)
        expect.array(dx, 8, hint="return an array of dy's shape.")
        expect.array(dx, 8, np.float32,
                     hint="the gradient has another dtype than dy: a float64 array in the cache, "
                          "say mask / (1 - p), does that. Keep a boolean mask and the scale apart.")
        expect.close(dx, out, rtol=1e-5, hint="the gradient is wrong: mend that first.")

# %% check="dropout_backward" points=1 hidden=true
# At any rate and of any shape: the slope is what one step to the right adds to your output.
rng = expect.rng()
p, shape = float(rng.uniform(0.1, 0.9)), tuple(rng.integers(6, 9, size=3))
x, dy = rng.normal(size=(2, *shape))
with expect.case(f"dropout_backward(dy, cache) after dropout_forward(x, {p:.2f}, rng, True)"):
    out, cache = dropout_forward(x.copy(), p, np.random.default_rng(5), True)
    right, _ = dropout_forward(x + 1, p, np.random.default_rng(5), True)
    expect.varies(np.abs(right - out) > 0.5, chance=2 * 0.9**216,
                  what="some entries dropped, some kept",
                  hint="dropout_forward drops nothing, or everything. Mend it first.")
    dx = dropout_backward(dy.copy(), cache)
    expect.close(dx, dy * (right - out), rtol=1e-7, atol=1e-9,
                 suspects=wrong_passes(dy, dx, np.abs(right - out) > 0.5, 1 / (1 - p)),
                 hint="multiply dy by the slope of y: 1 / (1 - p) for survivors, else 0.")

# %% mistakes="dropout_backward"
{
    "the mask is missing: dropped entries get a gradient, and": ("dy * kept * scale", "1.0 * dy"),
    "the mask is missing: dropped entries get a gradient.": ("dy * kept *", "dy *"),
    "drawn anew": ("kept, scale = cache", "kept, scale = cache\n    "
                   "kept = np.random.default_rng().random(dy.shape) >= 1 - 1 / scale"),
    "the mask is right; the scale 1 / (1 - p) is missing": (" * scale", ""),
    "scaled twice": ("* scale", "* scale**2"),
    "divided by the scale": ("* scale", "/ scale"),
    "turned over": ("dy * kept", "dy * ~kept"),
    "writes into its input": ("return dy * kept * scale", "dy *= kept * scale\n    return dy"),
    "the first has changed it": ("return dy * kept * scale", "dx = dy * kept * scale\n    "
                                 "kept[:] = False\n    return dx"),
    "masked in evaluation": ("kept, scale = cache", "kept, scale = cache\n    if scale == 1:\n"
                             "        kept = np.random.default_rng().random(dy.shape) >= 0.4"),
    "scaled in evaluation": ("* scale", "* (scale if scale != 1 else 1 / 0.6)"),
    "0 / 0 gives NaN": ("dy * kept * scale", "dy * kept * scale / np.float64(kept.any())"),
    "another dtype": ("dy * kept", "dy * np.float64(kept)"),
}

# %% mistake="dropout_backward" says="Keep the mask itself"
def dropout_forward(x, p, rng, training):
    kept = rng.random(x.shape) >= (p if training else 0)
    scale = 1 / (1 - p) if training and p < 1 else 1.0
    return x * kept * scale, (x * kept, scale)

def dropout_backward(dy, cache):
    sent, scale = cache
    return dy * (sent != 0) * scale

# %% mistake="dropout_backward" says="some survivors get no gradient"
def dropout_forward(x, p, rng, training):
    kept = rng.random(x.shape) >= (p if training else 0)
    out = x * kept / (1 - p if training and p < 1 else 1)
    return out, (out > 0, 1 / (1 - p) if training and p < 1 else 1.0)

def dropout_backward(dy, cache):
    kept, scale = cache
    return dy * kept * scale

# %% mistake="dropout_backward" says="computed as y / x"
def dropout_forward(x, p, rng, training):
    kept = rng.random(x.shape) >= (p if training else 0)
    out = x * kept / (1 - p if training and p < 1 else 1)
    return out, (x.copy(), out)

def dropout_backward(dy, cache):
    x, out = cache
    return dy * (out / x)

# %% mistake="dropout_backward" says="times the output"
def dropout_forward(x, p, rng, training):
    kept = rng.random(x.shape) >= (p if training else 0)
    out = x * kept / (1 - p if training else 1)
    return out, out

def dropout_backward(dy, cache):
    return dy * cache

# %% mistake="dropout_backward" says="the mask of an earlier call"
seen = []

def dropout_backward(dy, cache):
    seen.append(cache)
    kept, scale = next(c for c in seen[-2:] if c[0].shape == dy.shape)
    return dy * kept * scale

# %% mistake="dropout_backward" says="the scale is that of the latest call"
latest = {}

def dropout_forward(x, p, rng, training):
    latest["keep"] = 1 - p if training and p < 1 else 1
    kept = rng.random(x.shape) >= (p if training else 0)
    return x * kept / latest["keep"], kept

def dropout_backward(dy, cache):
    return dy * cache / latest["keep"]

# %% mistake="dropout_backward" says="the cache is None here"
def dropout_forward(x, p, rng, training):
    if not training:
        return x.copy(), None
    kept, scale = survivors(x, p, rng), 1 / (1 - p) if p < 1 else 0.0
    return x * kept * scale, (kept, scale)

def dropout_backward(dy, cache):
    kept, scale = cache
    return dy * kept * scale

# %% mistake="dropout_backward" says="another dtype than dy"
def dropout_forward(x, p, rng, training):
    p = p if training else 0
    slope = survivors(x, p, rng).astype(x.dtype) / (1 - p if p < 1 else 1)
    return x * slope, slope

def dropout_backward(dy, cache):
    return dy * cache

# %% mistake="dropout_backward" says="the mask of the latest call"
latest = {}

def dropout_forward(x, p, rng, training):
    latest["kept"] = rng.random(x.shape) >= (p if training else 0)
    latest["scale"] = 1 / (1 - p) if training and p < 1 else 1.0
    return x * latest["kept"] * latest["scale"], None

def dropout_backward(dy, cache):
    return dy * latest["kept"] * latest["scale"]

# %% correct="dropout_backward"
def dropout_forward(x, p, rng, training):
    p = p if training else 0.0
    state = rng.bit_generator.state  # enough to draw the very same mask again
    return np.where(rng.random(x.shape) < p, 0, x / (1 - p if p < 1 else 1)), (state, p)

def dropout_backward(dy, cache):
    state, p = cache
    again = np.random.default_rng()
    again.bit_generator.state = state
    return dy * (again.random(dy.shape) >= p) / (1 - p if p < 1 else 1)

# %% [markdown]
# Two ideas are common here. *A dropped unit sends 0, so its gradient vanishes by itself.* It does
# not: `dy` says how the loss *would* change if $y_i$ did, and knows nothing of the mask. And *the
# backward pass can draw its own mask*: then units learn that sent nothing, and units that sent do
# not (the second bar of this lesson's first figure).
#
# ## Explore: which weights learn in one step
#
# A small network, with your two functions between its layers. Blue weights get a gradient. On the
# right, each column is the mask of one example.
#
# **Try**: with one example in the step, press a dropped unit, and look at the weights *to* it and
# *from* it. Then add examples: how many does it take at $p=0.5$ until every unit learns? How much
# still learns at $p = 0.9$?

# %%
explore.learning_weights(dropout_forward, dropout_backward)

# %% [markdown]
# ## How can you be sure?
#
# The checks above knew the right gradient. For your next network there may be no checks, but you
# always have the *definition* of a gradient: shift one entry a little, and see how the loss $f$
# changes. Shift it both ways (a *central difference*), and the error shrinks with $\epsilon^2$
# instead of $\epsilon$:
#
# $$ \frac{\partial f}{\partial x_i} \approx
# \frac{f(x + \epsilon\, e_i) - f(x - \epsilon\, e_i)}{2\,\epsilon}, $$
#
# where $e_i$ is 1 at entry $i$ and 0 elsewhere.
#
# ## Exercise: `numerical_gradient`

# %% exercise="numerical_gradient"
def numerical_gradient(f, x, eps=1e-5):
    """The gradient of `f` at `x` by central differences, one entry after the other.

    f : function of an array of x's shape; returns a number
    x : array of any shape and dtype (whole numbers, float32, …), left as it is
    Returns a new float64 array of x's shape; f is called with float64 too.
    """
    ### BEGIN SOLUTION
    x = np.array(x, dtype=float)
    gradient = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        middle = x[i]
        x[i] = middle + eps
        above = f(x)
        x[i] = middle - eps
        gradient[i] = (above - f(x)) / (2 * eps)
        x[i] = middle
    return gradient
    ### END SOLUTION

# %% [markdown] hint="numerical_gradient"
# Work on a copy of `x` in float64. Then the caller's array cannot come back changed.

# %% [markdown] hint="numerical_gradient"
# `for i in np.ndindex(x.shape)` walks over the entries of an array of any shape, and `x[i]` is
# one entry.

# %% [markdown] hint="numerical_gradient"
# Remember the entry's value before you shift it, and write that very value back afterwards.
# Adding and subtracting `eps` again would leave a rounding error.

# %% [markdown]
# How small should $\epsilon$ be? Next, your `numerical_gradient` is compared with your
# `dropout_backward`, for a loss computed from your layer's output. You may hear that this check
# fails with dropout, as the loss is random. So it is done twice: with a generator that runs on from
# call to call, and with one seed for all calls, which freezes the mask.
#
# Your function shifts by $10^{-5}$ unless it is told otherwise. **Commit yourself first: with the
# mask frozen, how many times as large is the error at $\epsilon = 10^{-10}$ as at $10^{-5}$?**
# (A number below 1 means that it is smaller.)

# %% guess=true
my_guess = 0.001  # the error at eps = 1e-10, as a multiple of that at 1e-5

# %% figure=true
# The error of your numerical gradient against eps, for five frozen masks and for running ones.
guess = expect.guess(my_guess)
rng, steps = np.random.default_rng(), 10.0 ** np.arange(-12, -0.4, 0.5)
fig, (ax,) = plot.figure(1, width=7.5, height=3.2)
frozen, running = np.empty((2, 5, len(steps)))
for seed in range(5):
    x = rng.normal(size=50)
    out, cache = dropout_forward(x, 0.4, np.random.default_rng(seed), True)
    exact = dropout_backward(3 * np.cos(3 * out), cache)
    for errors, generator in ((frozen, lambda seed=seed: np.random.default_rng(seed)),
                              (running, lambda: rng)):
        def loss(z, generator=generator):
            return np.sum(np.sin(3 * dropout_forward(z, 0.4, generator(), True)[0]))

        off = [np.linalg.norm(numerical_gradient(loss, x, eps) - exact) for eps in steps]
        errors[seed] = off / np.linalg.norm(exact)
ax.loglog(steps, frozen.T, color=plot.BLUE, alpha=0.5, marker=".")
ax.loglog(steps, running.T, color=plot.ORANGE, alpha=0.5)
usual, tiny, low, high = (np.abs(np.log10(steps) - k).argmin() for k in (-5, -10, -4, -2))
guessed = steps[tiny], max(guess, 1e-9) * frozen[:, usual].mean()
ax.plot(*guessed, "x", color=plot.INK, markersize=9, markeredgewidth=2, zorder=3)
ax.annotate("your guess", guessed, (steps[tiny], 1e2), ha="center",
            arrowprops={"arrowstyle": "-", "color": plot.INK, "linewidth": 0.8})
ax.annotate("a new mask in each call", (1e-5, 1e8), color=plot.ORANGE)
ax.annotate("mask frozen", (1e-6, 1e-3), color=plot.BLUE)
ax.annotate("rounding, ~ 1 / ε", (6e-10, 1e-5))
slope = np.log10(frozen[:, high].mean() / frozen[:, low].mean()) / 2  # over two decades
ax.annotate("truncation, ~ ε²" if abs(slope - 2) < 0.3 else
            f"~ ε^{slope:.1f} here; a central\ndifference has ~ ε²", (5e-4, 1e-8))
best = np.log10(steps[frozen.argmin(1)])
low, high = (f"{10**power:.0e}".replace("e-0", "e-") for power in (best.min(), best.max()))
about = f"at about ε = {low}" if low == high else f"between ε = {low} and {high}"
times = float(f"{np.mean(frozen[:, tiny] / frozen[:, usual]):.2g}")
told = (f"{about};\n"
        f"at 1e-10 it is {times:g} times that at 1e-5 (you said {guess:g});\n"
        f"with new masks it is never below {running.min():.1g}")
ax.set(xlabel="ε", ylabel="relative error")
ax.set_title(f"The error is least {told}")
plot.show(fig, f"Relative error against epsilon: with frozen masks it is least {told}.",
          claims={"smallest-eps-is-not-best": best.min() > np.log10(steps[0]) + 1})

# %% [markdown]
# Freeze the mask, and a random network can be checked. A smaller $\epsilon$ is not always a better
# one: to the left of the V's bottom, the rounding of $f$ is divided by an ever smaller number.

# %% setup=true
# What wrong differences give, and the words for each: the checks below use it.
def wrong_differences(right, second, eps=1e-5):
    """Pairs (a wrong result, its cause) for the gradient `right` and the second derivatives."""
    wide = "one-sided: it is {}. Shift to both sides."
    return [
        (right + second * eps / 2, wide.format("f(x + eps) - f(x)")),
        (right - second * eps / 2, wide.format("f(x) - f(x - eps)")),
        (right / 2 + second * eps / 4, "one-sided, and the points lie eps apart, not 2 * eps."),
        (2 * right, "divided by eps: the two points lie 2 * eps apart."),
        (2 * right * eps, "the difference is not divided by 2 * eps."),
        (-right, "the sign: f(x + eps) comes first, f(x - eps) is subtracted."),
        (np.full(right.shape, right.sum()), "all entries are shifted at once. Shift one by one."),
        (right.sum(), "one number: all entries are shifted at once. Shift one by one."),
    ]


wrong_shifts = [(0, "no entry is shifted alone where f looks. Shift one by one, and not in "
                    "x.ravel(), which may be a copy of x."),
                (2e-5, "an entry is shifted by 2 * eps, or two are shifted at once. Shift one by "
                       "eps, and undo it.")]

# %% check="numerical_gradient" points=2
# A quadratic, for which central differences are exact but for rounding.
rng = expect.rng()
c, at = rng.uniform(1, 2, size=(2, 5))
x = at.copy()
with expect.case("numerical_gradient(lambda z: np.sum(c * z**2), x) on five numbers"):
    found = numerical_gradient(lambda z: float(np.sum(c * z**2)), x)
    expect.close(
        found,
        2 * c * at,
        rtol=1e-7,
        hint="shift one entry by eps to either side; divide the difference by 2 * eps.",
        suspects=wrong_differences(2 * c * at, 2 * c),
    )
    expect.array(found, 5, float, hint="return a float64 array of x's shape.")

# %% check="numerical_gradient" points=1
# One entry is shifted at a time, and x is left as it was.
x = expect.rng().uniform(1, 2, size=6)
before = x.copy()
with expect.case("numerical_gradient(np.prod, x), and x afterwards"):
    found = numerical_gradient(lambda z: float(np.prod(z)), x)
    expect.close(x, before, rtol=0, atol=1e-9,
                 hint="x comes back shifted. Work on a copy, and undo each shift.")
    expect.unchanged(x, before, hint="x comes back changed by rounding. Put the old value back, "
                                     "or work on a copy.")
    left = [[np.prod(x[:i] + by) * np.prod(x[i + 1 :]) for i in range(6)] for by in (-1e-5, 1e-5)]
    still = "an entry is still shifted while the next one is tried. Undo each shift."
    expect.close(found, np.prod(x) / x, rtol=1e-7,
                 hint="shift one entry by eps to either side; divide the difference by 2 * eps.",
                 suspects=[*((np.array(wrong), still) for wrong in left),
                           *wrong_differences(np.prod(x) / x, 0 * x)])

# %% check="numerical_gradient" points=1
# It works for any shape, and uses the eps that is given, or 1e-5.
x, shifts = expect.rng().uniform(1, 2, size=(3, 2)).T, []  # in memory, column by column
with expect.case("numerical_gradient(f, x), and the places where it asks f"):
    numerical_gradient(lambda z: shifts.append(np.ptp(z - x.reshape(z.shape))) or 0.0, x.copy("K"))
    expect.close(max(shifts, default=0), 1e-5, rtol=1e-4, suspects=wrong_shifts,
                 hint="shift by eps, which is 1e-5 if it is not given.")
rows = np.repeat(3 * np.sum(x**2, axis=1, keepdims=True), 3, axis=1)
with expect.case("numerical_gradient(lambda z: np.sum(z**3), x) on 2 × 3 numbers"):
    found = numerical_gradient(
        lambda z: float(np.sum(z**3)) if z.shape == (2, 3) else np.nan, x.copy("K")
    )
    expect.array(found, (2, 3), hint="the gradient has x's shape.")
    expect.close(found, 3 * x**2, rtol=1e-7,
                 hint="shift one entry by eps to either side; divide the difference by 2 * eps.",
                 suspects=[(rows, "each row is shifted as a whole. Walk over single entries."),
                           (np.nan * x, "f is called with another shape than x's."),
                           *wrong_differences(3 * x**2, 6 * x)])
with expect.case("numerical_gradient(lambda z: np.sum(z**3), x, eps=0.1)"):
    found = numerical_gradient(lambda z: float(np.sum(z**3)), x.copy("K"), 0.1)
    expect.close(found, 3 * x**2 + 0.01, rtol=1e-7, hint="use the eps that is given.",
                 suspects=[(3 * x**2 + 1e-10, "eps is ignored: 1e-5 is written inside.")])

# %% check="numerical_gradient" points=1
# Whole numbers and float32 are shifted too.
x = expect.rng().integers(1, 9, size=4)
with expect.case("numerical_gradient(lambda z: np.sum(0.3 * z**2), x) on whole numbers"):
    found = numerical_gradient(lambda z: float(np.sum(0.3 * z**2)), x.copy())
    floats = numerical_gradient(lambda z: float(np.sum(0.3 * z**2)), x.astype(float))
    same = np.shape(floats) == x.shape and np.allclose(floats, 0.6 * x, rtol=1e-7, atol=0)
    whole = "an integer array cannot hold x + eps, nor a gradient. Use float arrays."
    expect.close(found, 0.6 * x, rtol=1e-7,
                 hint="the same numbers as floats come out right." if same else
                      "shift one entry by eps to either side; divide the difference by 2 * eps.",
                 suspects=[(0 * x, whole), (np.trunc(0.6 * x), whole),
                           (0.3 * (x**2 - (x - 1.0) ** 2) / 2e-5, whole),
                           *wrong_differences(0.6 * x, 0.6 + 0 * x)])
with expect.case("numerical_gradient(lambda z: np.sum(0.3 * z**2), x) on float32"):
    found = numerical_gradient(lambda z: float(np.sum(0.3 * z**2)), x.astype(np.float32))
    expect.close(found, 0.6 * x, rtol=1e-7,
                 hint="float32 cannot hold x + eps well enough. Work on a float64 copy.")

# %% check="numerical_gradient" points=1 hidden=true
# A random quadratic form of an array with three axes.
rng = expect.rng()
x, form = rng.normal(size=(2, 3, 2)), rng.normal(size=(12, 12))
with expect.case("numerical_gradient(f, x) of a quadratic form, x of shape (2, 3, 2)"):
    found = numerical_gradient(lambda z: float(z.ravel() @ form @ z.ravel()), x.copy())
    right = ((form + form.T) @ x.ravel()).reshape(2, 3, 2)
    expect.close(found, right, rtol=1e-6, atol=1e-7,
                 suspects=wrong_differences(right, 2 * np.diag(form).reshape(2, 3, 2)),
                 hint="each entry has its own shift, and is put back before the next.")

# %% mistakes="numerical_gradient"
{
    "one-sided: it is f(x + eps) - f(x)": ("""x[i] = middle - eps
        gradient[i] = (above - f(x)) / (2 * eps)
        x[i] = middle""", """x[i] = middle
        gradient[i] = (above - f(x)) / eps"""),
    "one-sided: it is f(x) - f(x - eps)": ("""x[i] = middle + eps
        above = f(x)
        x[i] = middle - eps
        gradient[i] = (above - f(x)) / (2 * eps)""", """above = f(x)
        x[i] = middle - eps
        gradient[i] = (above - f(x)) / eps"""),
    "one-sided, and the points lie eps apart": ("middle - eps", "middle"),
    "divided by eps": ("(2 * eps)", "eps"),
    "not divided": (" / (2 * eps)", ""),
    "the sign": ("above - f(x)", "f(x) - above"),
    "one number: all entries": ("gradient = np.empty(x.shape)",
                                "return (f(x + eps) - f(x - eps)) / (2 * eps)"),
    "at once. Shift one by one": ("""x[i] = middle + eps
        above = f(x)
        x[i] = middle - eps
        gradient[i] = (above - f(x))""", "gradient[i] = (f(x + eps) - f(x - eps))"),
    "still shifted while the next": ("        x[i] = middle\n", ""),
    "each row is shifted as a whole": ("""np.ndindex(x.shape):
        middle = x[i]""", """range(len(x)):
        middle = x[i].copy()"""),
    "1e-5 if it is not given": ("eps=1e-5", "eps=1e-8"),
    "which may be a copy of x": ("""np.ndindex(x.shape):
        middle = x[i]
        x[i] = middle + eps
        above = f(x)
        x[i] = middle - eps
        gradient[i] = (above - f(x)) / (2 * eps)
        x[i] = middle""", """range(x.size):
        flat = x.ravel()
        middle = flat[i]
        flat[i] = middle + eps
        above = f(x)
        flat[i] = middle - eps
        gradient.flat[i] = (above - f(x)) / (2 * eps)
        flat[i] = middle"""),
    "the same numbers as floats": ("np.array(x, dtype=float)", "np.array(x, dtype=float) + "
                                   "(np.asarray(x).dtype.kind == 'i')"),
    "eps is ignored": ("x = np.array", "eps = 1e-5\n    x = np.array"),
    "an integer array cannot hold": ("np.array(x, dtype=float)", "x.copy()"),
    "float32 cannot hold": ("np.array(x, dtype=float)", "x + 0.0"),
    "another shape than x's": ("above = f(x)", "above = f(x.ravel())"),
    "a float64 array of x's shape": ("return gradient", "return gradient.tolist()"),
}

# %% mistake="numerical_gradient" says="x comes back shifted"
def numerical_gradient(f, x, eps=1e-5):
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += eps
        above = f(x)
        x[i] -= 2 * eps
        gradient[i] = (above - f(x)) / (2 * eps)
    return gradient

# %% mistake="numerical_gradient" says="changed by rounding"
def numerical_gradient(f, x, eps=1e-5):
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += eps
        above = f(x)
        x[i] -= 2 * eps
        gradient[i] = (above - f(x)) / (2 * eps)
        x[i] += eps
    return gradient

# %% correct="numerical_gradient"
def numerical_gradient(f, x, eps=1e-5):
    units = np.eye(x.size).reshape(x.size, *x.shape)
    return np.array([f(x + eps * e) - f(x - eps * e) for e in units]).reshape(x.shape) / eps / 2

# %% [markdown]
# Now back to the six backward passes. Their error rates gave little away; here is what your
# function says of them.

# %% figure=true
# The six backward passes again: error rates, and how far your numerical gradient is from theirs.
off = np.empty((len(names), 5))
for seed in range(5):
    rng = np.random.default_rng(seed)
    net = {"W1": rng.normal(0, 1 / 8, (16, 64)), "W2": rng.normal(0, 1 / 4, (10, 16))}
    rows = rng.choice(len(X), 16, replace=False)
    kept, ways = factors((16, 16), rng)

    def loss(W1, net=net, rows=rows, kept=kept):
        sent = np.tanh(X[rows] @ W1.T) * kept
        return np.sum((sent @ net["W2"].T - T[rows]) ** 2) / len(rows)

    found = numerical_gradient(loss, net["W1"])
    for i, name in enumerate(names):
        own = gradients(net, X[rows], T[rows], kept, ways[name])["W1"]
        off[i, seed] = np.linalg.norm(own - found) / np.linalg.norm(found)

fig, axes = plot.figure(2, height=2.8)
plot.bars(error_rates.mean(1), names, axes[0], spread=plot.standard_error(error_rates, 1),
          colors=COLORS)
axes[0].set(xlabel="error rate, %, 5 runs ± s.e.", title="What training shows …")
plot.bars(off.mean(1), names, axes[1], spread=plot.standard_error(off, 1), colors=COLORS)
axes[1].set(xscale="log", xlim=(1e-13, 1e4), yticks=[], title="… and what your function shows",
            xlabel="relative error of W1's gradient")
told = (f"{off[0].max():.0e} at most for the right pass, {off[1:5].min():.2f} at least for the "
        "four wrong ones")
fig.suptitle(f"Relative error: {told}", x=0.01, ha="left", fontsize=11)
plot.show(fig, "Error rates of six backward passes, and the relative error of their gradients: "
               f"{told}.",
          claims={"gradients-tell-them-apart": off[0].max() < 1e-5 < 0.01 < off[1:5].min()})

# %% [markdown]
# ## A layer that remembers
#
# A network of many layers would have to carry many caches. So layers are objects: `forward`
# keeps the cache, `backward` uses it, and a switch says whether the layer trains.
#
# ## Exercise: `Dropout`

# %% exercise="Dropout"
class Dropout:
    """Inverted dropout as a layer, in training mode when it is made.

    p : probability of dropping
    rng : np.random.Generator, the only source of randomness
    forward(x) : a new mask at each call in training; x in evaluation
    backward(dy) : the gradient with respect to the x of this layer's latest forward
    train(), eval() : switch dropping on and off
    """

    def __init__(self, p, rng):
        check_probability(p)
        ### BEGIN SOLUTION
        self.p, self.rng, self.training = p, rng, True
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        out, self.cache = dropout_forward(x, self.p, self.rng, self.training)
        return out
        ### END SOLUTION

    def backward(self, dy):
        ### BEGIN SOLUTION
        return dropout_backward(dy, self.cache)
        ### END SOLUTION

    def train(self):
        ### BEGIN SOLUTION
        self.training = True
        ### END SOLUTION

    def eval(self):
        ### BEGIN SOLUTION
        self.training = False
        ### END SOLUTION

# %% [markdown] hint="Dropout"
# A line or three for each method. Your two functions do the work.

# %% [markdown] hint="Dropout"
# What must outlive a call belongs on `self`, and never on the class: two layers must not share
# a mask.

# %% [markdown] hint="Dropout"
# An attribute with the name of a method hides the method. `self.training` is free.

# %% [markdown]
# Look at your layer: six calls of `forward` on ones, each with `backward` after it. A pale square
# is 0. The two pictures should agree.

# %%
layer, sent, back = Dropout(0.4, np.random.default_rng()), [], []
for switch in (layer.train, layer.train, layer.eval, layer.eval, layer.train, layer.train):
    switch()
    sent.append(layer.forward(np.ones(24)))
    back.append(layer.backward(np.ones(24)))
fig, axes = plot.figure(2, height=1.6)
for ax, rows, title in zip(axes, (sent, back), ("your forward", "your backward"), strict=True):
    plot.mask(rows, ax).set_title(title)
    ax.set_xlabel("unit")
axes[0].set_yticks([1, 3, 5], ["train", "eval", "train"])
plot.show(fig, "Which units send and which get a gradient, in six calls, two of them in eval.")

# %% check="Dropout" points=1
# Forward and backward use one mask.
rng = expect.rng()
x, dy = rng.normal(size=(2, 6, 50))
lacks = [("back: no attribute '(train|eval|forward|backward)'", "the class lacks this method."),
         ("back: not callable",
          "an attribute hides the method of the same name. Rename the attribute."),
         ("back: 'tuple'", "forward returns y alone; the cache stays on self."),
         ("back: 'NoneType'", "forward returns nothing. Is there a `return`?")]
with expect.case("layer = Dropout(0.4, rng); layer.forward(x); layer.backward(dy)", crash=lacks):
    layer = Dropout(0.4, rng)
    before = x.copy()
    out = layer.forward(x)
    expect.unchanged(x, before)
    expect.equal(out.shape, (6, 50), hint="forward returns an array of x's shape.")
    expect.only(
        out / x, (0, 1 / 0.6), hint="a survivor must be x / (1 - p).",
        suspects=[(1, "the layer does not drop, or does not scale: it starts in training.")],
    )
    kept, before = out != 0, dy.copy()
    dx = layer.backward(dy)
    expect.unchanged(dy, before)
    expect.array(dx, (6, 50), hint="backward returns an array of dy's shape.")
    expect.close(
        dx, dy * kept / 0.6, hint="backward: dy times the mask and the scale of forward.",
        suspects=wrong_passes(dy, dx, kept, 1 / 0.6),
    )
with expect.case("layer = Dropout(0.5, rng); layer.forward(x); layer.backward(dy), where x is 0"):
    layer = Dropout(0.5, rng)
    layer.forward(np.zeros(2000))
    expect.mean(layer.backward(np.ones(2000)) != 0, 0.5, of=(0, 1),
                hint="where x is 0 the slope is lost. Keep the mask itself, as in your cache.")
with expect.case("layer = Dropout(1.0, rng); layer.forward(x); layer.backward(dy)"):
    layer = Dropout(1.0, rng)
    expect.close(layer.forward(x.copy()), 0 * x, hint="at p = 1 all of y is 0, and not 0 / 0.")
    expect.close(layer.backward(dy.copy()), 0 * dy, hint="at p = 1 no gradient passes.")

# %% check="Dropout" points=1
# Each forward draws a mask, and backward belongs to the latest one.
rng = expect.rng()
x, dy = rng.normal(size=(2, 200))
with expect.case("layer.forward(x) twice, then layer.backward(dy)"):
    layer = Dropout(0.5, rng)
    first, second = layer.forward(x), layer.forward(x)
    expect.array(second, 200, hint="forward returns an array of x's shape.")
    expect.varies(second != 0, chance=0.5**200, what="some entries dropped, some kept",
                  hint="all entries are kept, or all are dropped. A new layer is in training.")
    expect.varies([first, second], chance=0.5**200, what="two different masks",
                  hint="the mask is drawn once and kept. Draw a new one in each forward.")
    dx = layer.backward(dy.copy())
    expect.close(
        dx, 2 * dy * (second != 0),
        hint="use the mask of the latest forward.",
        suspects=[(2 * dy * (first != 0), "backward uses the mask of an earlier forward."),
                  *wrong_passes(dy, dx, second != 0, 2)],
    )
with expect.case("two layers that share rng: a.forward(x), b.forward(x), a.backward(dy)"):
    a, b = Dropout(0.5, rng), Dropout(0.5, rng)
    of_a, of_b = a.forward(x), b.forward(x)
    expect.varies([of_a, of_b], chance=0.5**200, what="two different masks",
                  hint="both layers have one mask: a seed is set inside. Draw from rng.")
    expect.close(
        a.backward(dy.copy()), 2 * dy * (of_a != 0), hint="each layer uses its own latest mask.",
        suspects=[(2 * dy * (of_b != 0), "that is the other layer's mask. Keep it on self.")],
    )

# %% check="Dropout" points=1
# eval() and train() switch, and backward follows.
rng = expect.rng()
x, dy = rng.normal(size=(2, 20, 20))
lacks = [("back: no attribute '(train|eval|forward|backward)'", "the class lacks this method."),
         ("back: not callable",
          "an attribute hides the method of the same name. Rename the attribute.")]
with expect.case("layer.forward(x); layer.eval(); layer.forward(x); layer.backward(dy)",
                 crash=lacks):
    layer = Dropout(0.4, rng)
    out = layer.forward(x)
    expect.array(out, (20, 20), hint="forward returns an array of x's shape.")
    kept = out != 0
    expect.varies(kept.ravel(), chance=0.6**400, what="some entries dropped, some kept",
                  hint="all entries are kept, or all are dropped. A new layer is in training.")
    layer.eval()
    out = layer.forward(x.copy())
    expect.array(out, (20, 20), hint="forward returns an array of x's shape.")
    expect.close(out, x, hint="in evaluation forward returns x.",
                 suspects=[(x * (out != 0) / 0.6, "eval() does not switch the dropping off.")])
    expect.close(
        layer.backward(dy.copy()), dy, hint="in evaluation backward returns dy.",
        suspects=[
            (dy * kept / 0.6, "backward still uses the mask of training: eval's forward left it."),
            (dy / 0.6, "backward scales in evaluation, where y is x."),
        ],
    )
with expect.case("layer.eval(); layer.train(); layer.forward(x)", crash=lacks):
    layer.train()
    out = layer.forward(x)
    expect.only(out / x, (0, 1 / 0.6), hint="after train() the layer drops and scales again.",
                suspects=[(1, "train() does not switch the dropping on again.")])
with expect.case("layer.train(); layer.forward(x); layer.eval(); layer.backward(dy)", crash=lacks):
    layer.train()
    slope = layer.forward(x) / x
    layer.eval()
    expect.close(layer.backward(dy), dy * slope, hint="backward belongs to the latest forward, in "
                 "whatever mode the layer is by now.")
with expect.case("the same layer; layer.backward(dy) a second time", crash=[
    ("NoneType|AttributeError|KeyError|IndexError",
     "the first backward has used up the cache. Keep it until the next forward."),
]):
    expect.close(layer.backward(dy), dy * slope,
                 hint="a second backward gives something else: the first has changed the cache.")
with expect.case("a new layer: layer.eval(); layer.forward(x); layer.backward(dy)",
                 crash=[("NoneType|AttributeError", "forward leaves no cache in evaluation.")]):
    layer = Dropout(0.4, rng)
    layer.eval()
    layer.forward(x)
    expect.close(layer.backward(dy), dy, hint="in evaluation backward returns dy.")
with expect.case("a new layer: layer.eval(), twice; layer.forward(x); layer.train(), twice",
                 crash=lacks):
    layer = Dropout(0.4, rng)
    layer.eval()
    layer.eval()
    expect.close(layer.forward(x), x, hint="after eval() the layer is in evaluation, whatever it "
                 "was before. Set the mode; do not flip it.")
    layer.train()
    layer.train()
    expect.only(layer.forward(x) / x, (0, 1 / 0.6), hint="after train() the layer is in training, "
                "whatever it was before. Set the mode; do not flip it.")

with expect.case("two layers, one in evaluation: a.eval(); b.forward(x)", crash=lacks):
    b, a = Dropout(0.4, rng), Dropout(0.8, rng)
    a.eval()
    out = b.forward(x)
    a.train()
    expect.only(out / x, (0, 1 / 0.6), hint="an entry of b's output is neither 0 nor x / (1 - p).",
                suspects=[(1, "a.eval() has switched b as well. Keep the mode on self."),
                          (1 / 0.2, "b drops with the p of a. Keep p on self.")])

# %% check="Dropout" points=1
# Every entry has a coin of its own, fresh at each forward, and from rng alone.
with expect.case("Dropout(p, rng).forward(x) on 20 × 60 ones, 24 times for each of four p"):
    expect.coins(lambda p, rng: Dropout(p, rng).forward(np.ones((20, 60))),
                 scale=lambda p: 1 / (1 - p))

# %% mistakes="Dropout"
{
    "used up the cache": ("return dropout_backward(dy, self.cache)",
        "cache, self.cache = self.cache, None\n        return dropout_backward(dy, cache)"),
    "does not drop, or does not scale": ("p, rng, True", "p, rng, False"),
    "the cache stays on self": ("out, self.cache = dropout_forward(x, self.p, self.rng, "
        "self.training)\n        return out", "return dropout_forward(x, self.p, self.rng, True)"),
    "the mask is missing: dropped": ("dropout_backward(dy, self.cache)", "dy / (1 - self.p)"),
    "the mask is right; the scale": ("self.cache)\n", "self.cache) * (1 - self.p)\n"),
    "drawn anew in the backward": ("dropout_backward(dy, self.cache)", "self.forward(dy)"),
    "where x is 0 the slope is lost": ("        return out", "        kept, scale = self.cache\n"
        "        self.cache = (kept & (x != 0)) | (not self.training), scale\n        return out"),
    "drawn once and kept": ("out, self.cache = dropout_forward(", """if hasattr(self, "cache"):
            return dropout_backward(x, self.cache)
        out, self.cache = dropout_forward("""),
    "the mask of an earlier forward": ("out, self.cache = dropout_forward(x, self.p, self.rng, "
        "self.training)", """out, cache = dropout_forward(x, self.p, self.rng, self.training)
        self.cache = getattr(self, "cache", cache)"""),
    "a seed is set inside": ("p, rng, True", "p, np.random.default_rng(0), True"),
    "Keep p on self": ("self.p, self.rng, self.training =", "Dropout.p, self.rng, self.training ="),
    "the other layer's mask": ("out, self.cache = dropout", "out, Dropout.cache = dropout"),
    "hides the method": ("self.p, self.rng, self.training = p, rng, True",
                         "self.p, self.rng, self.training, self.train = p, rng, True, True"),
    "lacks this method": ("def eval(self)", "def evaluate(self)"),
    "eval() does not switch": ("self.training = False", "self.trainng = False"),
    "still uses the mask of training": ("out, self.cache = dropout_forward(",
        """if not self.training:
            return x
        out, self.cache = dropout_forward("""),
    "in whatever mode the layer is by now": ("return dropout_backward(dy, self.cache)",
        "return dropout_backward(dy, self.cache) if self.training else dy.copy()"),
    "backward scales in evaluation": ("self.cache)\n",
                                      "self.cache) / (1 if self.training else 1 - self.p)\n"),
    "train() does not switch": ("self.training = True", "pass"),
    "do not flip it": ("self.training = False", "self.training = not self.training"),
    "leaves no cache in evaluation": ("out, self.cache = dropout_forward(x, self.p, self.rng, "
        "self.training)", """out, cache = dropout_forward(x, self.p, self.rng, self.training)
        self.cache = cache if self.training else (self.cache[0] | True, 1)"""),
    "do not come from the given generator": ("p, rng, True", "p, np.random.default_rng(), True"),
}

# %% mistake="Dropout" says="Keep the mode on self"
class Dropout:
    training = True

    def __init__(self, p, rng):
        self.p, self.rng = p, rng

    def forward(self, x):
        out, self.cache = dropout_forward(x, self.p, self.rng, self.training)
        return out

    def backward(self, dy):
        return dropout_backward(dy, self.cache)

    def train(self):
        Dropout.training = True

    def eval(self):
        Dropout.training = False

# %% correct="Dropout"
class Dropout:
    def __init__(self, p, rng):
        self.keep, self.rng = 1 - p, rng
        self.train()

    def train(self, mode=True):
        self._on = mode
        return self

    def eval(self):
        return self.train(False)

    def forward(self, x):
        self._slope = np.ones(x.shape)
        if self._on:
            self._slope = self.rng.binomial(1, self.keep, x.shape) / (self.keep or 1)
        return self._slope * x

    def backward(self, dy):
        return self._slope * dy

# %% [markdown]
# Three faults are easily made here: a mask that is drawn once and kept; an `eval()` that stops
# the dropping, but leaves the old mask for `backward`; and `self.train = True` in `__init__`, which
# hides the method of the same name.
#
# ## Does the gradient average out?
#
# {{inverted_dropout}} ended on a question: the output's mean is right; is its gradient's? For the
# *layer* it is: with `dy` given, the mean of `dy * m / (1 - p)` over masks is `dy`, as in
# evaluation. Now take a whole network that was trained with your layer at $p = 0.5$, and average
# the gradient of its weights over many masks. **What angle do you expect between this average and
# the gradient without dropout?**

# %% guess=true
my_guess = 0  # degrees between the average over masks and the whole network's gradient, p = 0.5

# %% figure=true
# Angles between gradients: of one mask, averaged over masks, and of the whole network.
guess = expect.guess(my_guess)


def gradient(net, rows, layer):
    """The gradient of a network's weights as one long vector; `layer` is your Dropout."""
    h = np.maximum(X[rows] @ net["W1"].T + net["b1"], 0)
    sent = layer.forward(h)
    error = (train.softmax(sent @ net["W2"].T + net["b2"]) - T[rows]) / len(rows)
    arrived = layer.backward(error @ net["W2"]) * (h > 0)
    return np.concatenate([(arrived.T @ X[rows]).ravel(), (error.T @ sent).ravel()])


def angle(a, b):
    return np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))


rates, rng, angles = (0.1, 0.3, 0.5, 0.7), np.random.default_rng(), []
for seed in range(5):
    net = train.two_layer(X, y, lambda h, rng: Dropout(0.5, rng).forward(h), seed, hidden=64)
    rows = rng.choice(len(X), 64, replace=False)
    for p in rates:
        layer = Dropout(p, rng)
        one = gradient(net, rows, layer)
        half, other = (gradient(net, np.repeat(rows, 150), layer) for _ in "ab")
        layer.eval()
        whole = gradient(net, rows, layer)
        angles.append([angle(one, whole), angle(half + other, whole), angle(half, other)])
angles = np.reshape(angles, (5, len(rates), 3))

fig, (ax,) = plot.figure(1, width=7.5, height=3)
for k, (name, color) in enumerate((("one mask", plot.ORANGE), ("average of 300 masks", plot.BLUE),
                                   ("between two averages of 150", plot.GREY))):
    ax.errorbar(rates, angles[:, :, k].mean(0), plot.standard_error(angles[:, :, k]), color=color,
                marker="o", capsize=3)
    ax.annotate(name, (0.72, angles[:, -1, k].mean()), color=color, va="center")
ax.plot(0.5, guess, "x", color=plot.INK, markersize=9, markeredgewidth=2, clip_on=False,
        zorder=3)
ax.annotate("your guess  ", (0.5, guess), ha="right", va="bottom")
ax.set(xlabel="drop probability p", ylabel="angle, degrees", xlim=(0.05, 1), ylim=(0, 90),
       xticks=rates)
away, apart = (plot.difference(angles[:, rates.index(0.5), k]) for k in (1, 2))
told = (f"{away.mean:.0f} ± {away.error:.0f}° off the whole network's gradient;\n"
        f"two averages of 150 masks are {apart.mean:.0f} ± {apart.error:.0f}° apart")
ax.set_title(f"p = 0.5: the average of 300 masks is {told}")
plot.show(fig, "Angles between gradients against p. At p = 0.5 the average over 300 masks is "
               f"{told}.",
          claims={"average-is-not-the-whole": plot.difference(
              angles[:, rates.index(0.5), 1], angles[:, rates.index(0.5), 2]).sign > 0})

# %% [markdown]
# The grey line shows noise: the angle between two averages of 150 masks. An average of 300 is about
# half that angle from what infinitely many masks would give. Where the blue line is well above, the
# gap is not noise, and more masks will not close it. Dropout follows the gradient of the thinned
# networks' *average* loss, without bias, and that loss is not the whole network's: see
# {{regulariser}}.
#
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="dropped_answer" points=1
# The step sees four images, and a hidden unit is dropped for three of them. The gradients of its
# weights, those to it and those from it, come from:
#
# - [ ] no image
# - [x] one image
# - [ ] four images
#
# Hint: for an image where the unit was dropped, what did it send, and what gradient came back?

# %% question="frozen_mask" points=1
# You compare a dropout network's gradient with central differences. For that, dropout must be …
#
# - [ ] switched off
# - [x] on, with one mask in all calls
# - [ ] on, with a new mask in each call
#
# Hint: with which did your figure find a small error? And what is tested with dropout off?

# %% question="average" points=1
# Averaged over masks, the gradient of a step is that of:
#
# - [ ] the whole network's loss
# - [x] the thinned networks' mean loss
# - [ ] no loss
#
# Hint: the average of gradients is the gradient of which average?

# %% [markdown]
# ## In your own words
#
# A colleague has left dropout out of the backward pass of a network with one hidden layer: "Dropped
# units send zeros, so their gradients vanish by themselves. And it trains, doesn't it?" Answer in
# two to five sentences: which of the gradients of `W1`, `b1`, `W2`, `b2` are right nevertheless,
# which are wrong and how, and how can your colleague find out? (In a class, your instructor grades
# this.)

# %% [markdown] answer="mask_on_the_way_back" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: those of W2 and b2 are right, since W2's uses what was sent (zero for
# dropped units); those of W1 and b1 are wrong, since dropped units get a gradient although they
# had no part in the loss, and survivors lack the factor 1 / (1 - p). One point: training well
# proves little (first figure); compare with central differences while the mask is frozen by a
# seed, in float64, or with autograd under the same mask.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - The backward pass is `dy` times the same mask and the same scale; in evaluation it is `dy`.
# - A network with a wrong backward pass may learn about as well as one with the right one (here in
#   20 epochs), so a good error rate proves little.{{claim:wrong-passes-learn-too}} Comparing
#   gradients tells them apart.{{claim:gradients-tell-them-apart}}
# - Freeze the mask, and central differences check the gradient of a random network. The best
#   $\epsilon$ is not the smallest.{{claim:smallest-eps-is-not-best}}
# - Averaged over masks, the gradient of our trained networks was not that of the whole network.
#   {{claim:average-is-not-the-whole}}
#
# **Read.** Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, *Dropout: a simple way to
# prevent neural networks from overfitting*, JMLR 15 (2014), §5.1: "Any training case which does
# not use a parameter contributes a gradient of zero for that parameter." The documentation of
# `torch.autograd.gradcheck`: your `numerical_gradient`, for tensors.
#
# **Stretch.** Check a gradient $g$ with only two calls of $f$: shift $x$ along one random direction
# $v$, and compare with $g \cdot v$. What could this test miss?
#
# **Still open.** A unit that is dropped gets no gradient in this step. Does it stand still? And
# what does all this cost? That is {{training}}.
