# %% [markdown]
# # 3.4 · Noise
#
# **Must the noise be a coin?**
#
# *{{minutes}} minutes. Before: {{inverted_dropout}} and {{pytorch}}. After, you will be able to
# write four other kinds of noise, to match them in variance, and to compare them fairly.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$, $y$ | input and output of a noisy layer, a row for each sample |
# | $p$, $q = 1-p$ | probability that an entry or a weight is **dropped**, or kept |
# | $m$ | mask, 1 where kept, else 0 |
# | $p/q$ | the **odds**: variance of the multiplier $m/q$ of inverted dropout |
# | $W$, $b$ | weights (out, in) and bias (out,) of a layer, as in `nn.Linear` |

# %% setup=true
import math
from statistics import NormalDist

import numpy as np
import torch
from torch.nn import functional as F

from dropoutlab import check_probability, expect, explore, matched, plot, reproduced, studies
from dropoutlab.studies import matched as study

# %% [markdown]
# ## A coin where it does not belong
#
# So far a coin decided whether something was multiplied by 0 or by $1/q$. Inverted dropout keeps
# the mean of what it multiplies, so it seems to fit everywhere. Try it in a *self-normalising*
# network (Klambauer et al. 2017). Its activation is
#
# $$ \operatorname{SELU}(x) = \lambda x \ \text{ if } x > 0, \qquad
#    \lambda\alpha\,(e^x - 1) \ \text{ otherwise,} $$
#
# with $\lambda \approx 1.05$ and $\alpha \approx 1.67$ chosen so that, layer after layer, outputs
# keep mean 0 and standard deviation 1 if the inputs have them. Below are random networks of 32 such
# layers, without dropout and with `F.dropout` at $p=0.1$ after each. **Guess: what is the standard
# deviation after 32 layers with dropout?**

# %% guess=true
my_guess = 0.7  # standard deviation of the activations after 32 layers with dropout

# %% figure=true
# Mean and standard deviation through 32 SELU layers, without dropout and with it.
guess = expect.guess(my_guess)
torch.set_num_threads(1)  # products this small wait for each other's threads


def through(drop, depth=32, width=256):
    """Mean and standard deviation after each of `depth` random SELU layers: (2, depth + 1)."""
    h = torch.randn(300, width)
    seen = [(h.mean(), h.std())]
    for _ in range(depth):
        h = drop(F.selu(h @ torch.randn(width, width) / width**0.5))
        seen.append((h.mean(), h.std()))
    return torch.tensor(seen).T


def draw_layers(drops, ax):
    """Mean (dotted) and standard deviation over depth, five random networks each."""
    ends, colors = {}, (plot.GREY, plot.ORANGE, plot.BLUE)
    for (name, drop), color in zip(drops.items(), colors, strict=False):
        runs = torch.stack([through(drop) for _ in range(5)]).numpy()
        ax.plot(runs[:, 1].T, color=color, linewidth=1)
        ax.plot(runs[:, 0].T, color=color, linewidth=1, linestyle=":")
        found = runs[:, 1, -1]
        ax.plot([], color=color,
                label=f"{name}: {found.mean():.2f} ± {plot.standard_error(found):.2f}")
        ends[name] = found
    ax.set(xlabel="SELU layer", ylabel="standard deviation, and mean (dotted)")
    ax.legend(loc="center right", bbox_to_anchor=(1, 0.4))
    return ends


drops = {"no dropout": lambda h: h, "dropout, p = 0.1": lambda h: F.dropout(h, 0.1)}
fig, (ax,) = plot.figure(1, width=6.5)
ends = draw_layers(drops, ax)
ax.plot(32, guess, "o", color=plot.INK)
ax.annotate("your guess ", (32, guess), ha="right", va="bottom")
gap = plot.difference(ends["dropout, p = 0.1"], ends["no dropout"])
ax.set_title(f"Dropout moves the standard deviation by {gap:.2f}")
plot.show(fig, "Mean and standard deviation over 32 SELU layers, without dropout and with it. "
               f"After 32 layers dropout has moved the standard deviation by {gap:.2f}.",
          claims={"coin-moves-the-balance": gap.mean - 3 * gap.error > 0.1})

# %% [markdown]
# A single call keeps the mean and adds variance. Through 32 layers the variance does not grow
# without bound: it settles at another value, and the mean leaves 0 too. So a noise has to fit the
# network that receives it.
#
# ### One question from {{weight_scaling}} and {{inverted_dropout}}
#
# A pre-activation $w^\top y$ sums $n$ inputs under inverted dropout. How large is its variance
# over masks, and which property of the coin decides it?
#
# <details><summary>Answer</summary>
#
# It is $\frac{p}{q} \sum_i w_i^2 x_i^2$. Only the variance of the multiplier $m/q$ matters, which
# is $p/q$. Any other multiplier with mean 1 and that variance gives the same mean and variance, and
# a sum over many inputs, none of which dominates, is nearly normal whatever the multipliers are.
# </details>
#
# Does it matter at all, then, that it is a coin? Here is dropout once more, written so that noise
# and input stand apart.

# %%
def coin(x, p, generator=None, training=True):
    check_probability(p)
    if p == 0 or not training:
        return x
    if p == 1:
        return x * 0
    noise = (torch.rand(x.shape, generator=generator) >= p) / (1 - p)
    return x * noise.to(x.dtype)


sent = coin(torch.ones(100_000), 0.3)
print(f"mean {sent.mean():.3f}, variance {sent.var():.3f}; odds {0.3 / 0.7:.3f}")

# %% [markdown]
# ## Exercise: `gaussian_dropout`
#
# Srivastava et al. (2014, §10) multiply by a normal number in place of the coin:
#
# $$ y = x \odot n, \qquad n_i \sim \mathcal N\bigl(1,\ p/q\bigr). $$

# %% exercise="gaussian_dropout"
def gaussian_dropout(x, p, generator=None, training=True):
    """y = x * n in training, each entry's n normal with mean 1 and variance p / (1 - p).

    Nothing is dropped: p is the drop probability of a coin of this variance. In evaluation y = x.

    x : tensor of any shape and floating dtype, left as it is; y has its shape and dtype
    p : below 1, as at 1 the variance would be infinite
    generator : torch.Generator, or None for torch's own; the only source of randomness
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        return x
    noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    return x * (1 + math.sqrt(p / (1 - p)) * noise)
    ### END SOLUTION

# %% [markdown] hint="gaussian_dropout"
# Go through `coin`, line by line. Which lines stay, and which case goes?

# %% [markdown] hint="gaussian_dropout"
# `torch.randn` has mean 0 and variance 1. How do you make mean 1 and variance $p/q$ of it?

# %% [markdown] hint="gaussian_dropout"
# `torch.randn(x.shape, generator=…, dtype=x.dtype)`: float32 noise would make a bfloat16 input
# float32.

# %% [markdown]
# Your multipliers beside those of the coin, for one unit and for a weighted sum over thirty:

# %%
fig, axes = plot.figure(2, width=9, height=2.8)
apart = {}
for ax, many, edges in zip(axes, (1, 30), ((-2, 4), (-2.5, 2.5)), strict=True):
    weights = torch.rand(many) if many > 1 else torch.ones(1)
    sums = {}
    for name, noisy, color in (("coin", coin, plot.ORANGE), ("yours", gaussian_dropout, plot.BLUE)):
        noise = noisy(torch.ones(50_000, many), 0.3)
        sums[name] = noise[:, 0] if many == 1 else (noise - 1) @ (weights / weights.norm())
        ax.hist(sums[name].numpy(), 42, range=edges, density=True, color=color, alpha=0.6,
                label=f"{name}: variance {sums[name].var():.3f}")
    at = np.linspace(*edges, 300)
    shares = [np.searchsorted(np.sort(s.numpy()), at) / len(s) for s in sums.values()]
    apart[many] = np.abs(np.subtract(*shares)).max()
    ax.set(xlabel="multiplier of one unit" if many == 1 else "noise in a sum of 30 inputs",
           ylabel="density")
    ax.legend(loc="upper left", fontsize=8)
    words = f"{many} unit" + "s" * (many > 1)
    ax.set_title(f"{words}: largest gap of the distributions {apart[many]:.2f}")
axes[1].set_ylim(0, 1.05)
plot.show(fig, "Histograms of the coin's multipliers and of yours, for one unit and for a sum over "
               f"thirty. Their distribution functions differ by at most {apart[1]:.2f} and "
               f"{apart[30]:.2f}.",
          claims={"sums-hide-the-coin": bool(apart[30] < 0.05 and apart[1] > 0.2)})

# %% check="gaussian_dropout" points=2
# Multipliers with mean 1 and variance p / (1 - p), a new one for each entry.
with expect.case("gaussian_dropout(x, 0.3, generator) on 400 rows of 500 threes"):
    x = torch.full((400, 500), 3.0, dtype=torch.float64)
    out = gaussian_dropout(x, 0.3, expect.generator())
    expect.tensor(out, (400, 500), torch.float64, hint="return a tensor of x's shape and dtype.")
    expect.unchanged(x, torch.full((400, 500), 3.0),
                     hint="the function writes into its input. Mind `*=` and `mul_`.")
    noise, odds = out / 3, 0.3 / 0.7
    expect.equal(bool((noise != 1).any()), True,
                 hint="training changes nothing: the noise belongs where `training` is true.")
    expect.varies(noise.flatten()[:1000], chance=0.0, what="entries with different noise",
                  hint="one number multiplies everything. Draw noise of x's whole shape.")
    expect.varies(noise, chance=0.0, what="rows with different noise",
                  hint="one row of noise serves the whole batch. Draw noise of x's whole shape.")
    expect.varies(noise.T, chance=0.0, what="columns with different noise",
                  hint="all units of a sample share their noise. Draw noise of x's whole shape.")
    expect.close(
        float(noise.var()),
        odds,
        rtol=0.03,
        hint="the multiplier's variance must be p / (1 - p).",
        suspects=[
            (odds**2, "p / (1 - p) is taken as the standard deviation: take its square root."),
            (1 / odds, "(1 - p) / p is the odds of keeping: p drops."),
            (0.3 * 0.7, "p (1 - p) is the variance of an unscaled coin. Here it is p / (1 - p)."),
            (0.3, "the variance is p. Take p / (1 - p)."),
            (0.3**2, "the standard deviation is p. Take the root of p / (1 - p)."),
            (odds / 9, "the noise is added to x. Multiply x by it."),
            (0.3831, "negative multipliers are cut off. Normal numbers have no bound: keep them."),
            (odds / 0.49, "the noise is divided by 1 - p as well. Its mean is 1 without that."),
            (1, "the noise has variance 1. Multiply it by a standard deviation."),
        ],
    )
    expect.close(float(noise.mean()), 1, rtol=0, atol=0.013, hint="the mean of the noise is 1.",
                 suspects=[(0, "the noise has mean 0: x itself is lost. Add 1 to it."),
                           (0.7, "the mean is 1 - p. A multiplier with mean 1 keeps that of x."),
                           (1 / 0.7, "nothing is scaled by 1 / (1 - p) here: the mean is 1.")])
    expect.mean((noise - 1).abs() > math.sqrt(odds), 0.317311, of=(0, 1),
                hint="these multipliers are not normal.",
                suspects=[(0.3, "that is a coin. Draw normal numbers."),
                          (0.42265, "these numbers are uniform. Draw normal ones: randn.")])
with expect.case("gaussian_dropout(x, 0.3, generator) of three entries, eight times: a sum"):
    source = expect.generator()
    sums = [gaussian_dropout(torch.ones(3), 0.3, source).sum().item() for _ in range(8)]
    expect.varies([round(total, 3) for total in sums], chance=1e-20, what="different sums",
                  hint="the noise of three entries has the same sum in each call. Is the noise "
                       "centred, or a seed set inside?")

# %% check="gaussian_dropout" points=2
# Each entry has noise of its own, new at each call, from the generator alone.
with expect.case("which multipliers are among the lowest share p, 24 times for each of four p"):
    expect.coins(
        lambda p, generator: gaussian_dropout(torch.ones(20, 60), p, generator)
        >= 1 + math.sqrt(p / (1 - p)) * NormalDist().inv_cdf(p),
        source=expect.generator,
        none=True,
        suspects=[
            (lambda p, wrong=wrong: NormalDist().cdf(
                math.sqrt(p / (1 - p)) / wrong(p) * NormalDist().inv_cdf(p)),
             "the variance is not p / (1 - p) at each p.")
            for wrong in (lambda p: p / (1 - p), lambda p: p, math.sqrt, lambda p: 1,
                          lambda p: math.sqrt(p / 0.7))  # right in the check above
        ],
    )

# %% check="gaussian_dropout" points=1
# In evaluation, and at p = 0, y = x; the dtype stays.
x = torch.randn(20, 30, generator=expect.generator(), dtype=torch.float64)
with expect.case("gaussian_dropout(x, 0.4), in training"):
    expect.some(gaussian_dropout(x.clone(), 0.4) != x, "an entry with noise",
                hint="there is no noise in training either. Mend that first.")
with expect.case("gaussian_dropout(x, 0.4, training=False)"):
    expect.close(gaussian_dropout(x.clone(), 0.4, training=False), x,
                 hint="in evaluation the noise is still there. Return x.",
                 suspects=[(x * 0.6, "evaluation multiplies by 1 - p. Return x as it is."),
                           (x / 0.6, "evaluation scales too. Return x as it is.")])
with expect.case("gaussian_dropout(x, 0)", crash=[
    ("division by zero", "p may be 0, so nothing can be divided by p. Divide by 1 - p alone."),
]):
    expect.close(gaussian_dropout(x.clone(), 0), x, rtol=1e-6,
                 hint="at p = 0 the noise has variance 0, and y = x. Is something divided by p?")
for dtype in (torch.float32, torch.bfloat16, torch.float64):
    with expect.case(f"gaussian_dropout(x, 0.5), x of {dtype}"):
        expect.tensor(gaussian_dropout(torch.ones(9, dtype=dtype), 0.5), 9, dtype,
                      hint="y does not have x's shape and dtype. Draw the noise in both.")

# %% check="gaussian_dropout" points=1
# The gradient of y is the noise.
with expect.case("out = gaussian_dropout(x, 0.4); out.sum().backward(); x.grad",
                 crash=[("does not require grad|grad_fn",
                         "the output has lost its history: .data, .detach() or no_grad().")]):
    before = 1 + torch.rand(50, generator=expect.generator(), dtype=torch.float64)
    x = before.clone().requires_grad_()
    out = gaussian_dropout(x, 0.4)
    out.sum().backward()
    expect.equal(bool((out != before).all()), True, hint="no noise is there: mend that first.")
    expect.close(x.grad, out.detach() / before, hint="y = x n, so the gradient is the noise n.")

# %% mistakes="gaussian_dropout"
{
    "taken as the standard deviation": ("math.sqrt(p / (1 - p))", "p / (1 - p)"),
    "odds of keeping": ("p / (1 - p)", "(1 - p) / p"),
    "unscaled coin": ("p / (1 - p)", "p * (1 - p)"),
    "the variance is p": ("p / (1 - p)", "p"),
    "is not p / (1 - p) at each p": ("p / (1 - p)", "p / 0.7"),
    "the standard deviation is p": ("math.sqrt(p / (1 - p))", "p"),
    "the noise is added to x": ("x * (1 + math.sqrt(p / (1 - p)) * noise)",
                                "x + math.sqrt(p / (1 - p)) * noise"),
    "negative multipliers are cut off": ("* noise)", "* noise).clamp(min=0)"),
    "the noise has variance 1": ("math.sqrt(p / (1 - p)) * noise", "noise"),
    "x itself is lost": ("1 + math", "math"),
    "the mean is 1 - p": ("1 + math", "1 - p + math"),
    "nothing is scaled by 1 / (1 - p)": ("1 + math", "1 / (1 - p) + math"),
    "divided by 1 - p as well": ("* noise)", "* noise) / (1 - p)"),
    "that is a coin": ("(1 + math.sqrt(p / (1 - p)) * noise)",
                       "((torch.rand(x.shape, generator=generator) >= p) / (1 - p))"),
    "these numbers are uniform":
        ("* noise)", "* (torch.rand(x.shape, generator=generator) - 0.5) * 12**0.5)"),
    "Is the noise centred": ("* noise)", "* (noise - noise.mean()))"),
    "one row of noise serves": ("(x.shape, ", "(x.shape[-1:], "),
    "units of a sample share": ("(x.shape, ", "((len(x), *[1] * (x.dim() - 1)), "),
    "one number multiplies everything": ("(x.shape, ", "((1,), "),
    "are drawn as opposites":
        ("* noise)", "* torch.cat([noise[: len(x) // 2], -noise[: (len(x) + 1) // 2]]))"),
    "training changes nothing": ("if not training", "if training"),
    "the noise is still there": ("if not training", "if training is None"),
    "evaluation multiplies by 1 - p": ("return x\n", "return x * (1 - p)\n"),
    "evaluation scales too": ("return x\n", "return x / (1 - p)\n"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("noise =", "generator = generator or torch.Generator()\n    noise ="),
    "writes into its input": ("x * (1", "x.mul_(1"),
    "not have x's shape and dtype": ("dtype=x.dtype", "dtype=torch.float64"),
    "Is the noise centred, or": (
        "* noise)", "* (noise - noise.mean()) / (noise.std() if x.numel() > 1 else 1))"),
    "lost its history": ("x * (1", "x.detach() * (1"),
    "p may be 0": ("math.sqrt(p / (1 - p)) * noise", "noise / math.sqrt((1 - p) / p)"),
    "Is something divided by p": (
        "math.sqrt(p / (1 - p)) * noise", "torch.tensor(p / (1 - p)).sqrt() * noise * p / (\n"
        "        torch.tensor(float(p)))"),
}

# %% correct="gaussian_dropout"
def gaussian_dropout(x, p, generator=None, training=True):
    if not training:
        return x.clone()
    noise = torch.empty_like(x).normal_(1.0, (p / (1 - p)) ** 0.5, generator=generator)
    return torch.mul(x, noise)

# %% [markdown]
# ## Exercise: `dropconnect_linear`
#
# DropConnect (Wan et al. 2013) drops weights in place of units, so units lose *different* inputs.
# The paper draws each element of the mask "independently for each example": a mask has three axes,
# one of them for the sample. (The authors also mask biases, and they draw samples when they test.
# We leave $b$ alone, scale as inverted dropout does, and test with $W$.)

# %% exercise="dropconnect_linear"
def dropconnect_linear(x, W, b, p, generator=None, training=True):
    """y[n, j] = sum over i of m[n, j, i] W[j, i] x[n, i] / (1 - p) + b[j]; m drawn in training.

    Every weight of every sample has a coin of its own and is dropped with probability p; b is
    neither dropped nor scaled. In evaluation y = x Wᵀ + b.
    p : probability of dropping, below 1
    x : (N, in); W : (out, in); b : (out,); all left as they are. Returns a tensor (N, out).
    generator : torch.Generator, or None for torch's own; the only source of randomness
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        return x @ W.T + b
    coins = torch.rand(len(x), *W.shape, generator=generator, device=x.device)
    thinned = W * (coins >= p) / (1 - p)
    return torch.einsum("nji,ni->nj", thinned, x) + b
    ### END SOLUTION

# %% [markdown] hint="dropconnect_linear"
# How many coins does a batch of $N$ samples need for a matrix (out, in)?

# %% [markdown] hint="dropconnect_linear"
# `W * mask` broadcasts (out, in) over (N, out, in). Scale there, before $b$ is added.

# %% [markdown] hint="dropconnect_linear"
# Each sample has a matrix of its own now: `torch.einsum("nji,ni->nj", …)`, or `@` with
# `x[:, :, None]`.

# %% [markdown]
# With inputs and weights of 1 and no bias, one input at a time shows your mask. Three samples:

# %%
columns = []
for i in range(12):  # the same seed, so the same masks, for each input
    only_i, again = torch.eye(12)[[i] * 3], torch.Generator().manual_seed(3)
    columns.append(dropconnect_linear(only_i, torch.ones(8, 12), torch.zeros(8), 0.4, again))
masks = torch.stack(columns, -1)
fig, axes = plot.figure(3, width=8, height=2.1)
for sample, ax in enumerate(axes):
    plot.mask(masks[sample].numpy(), ax)
    ax.set(xlabel="input", ylabel="unit" if sample == 0 else "", title=f"Sample {sample}")
alike = "the same" if (masks == masks[:1]).all() else "different ones"
plot.show(fig, f"Masks of a layer of 8 units with 12 inputs: scattered squares, {alike} in "
               "each of three samples.")

# %% check="dropconnect_linear" points=2
# One input of 1, weights of 2, biases of 10: the output shows the coin of each weight.
with expect.case("dropconnect_linear(x, W, b, 0.3, generator): x = (1, 0, 0), W = 2, b = 10",
                 crash=[("size|shape|mat1|dimension|broadcast",
                         "W is (out, in) and the mask (N, out, in): follow the shapes.")]):
    x, W = torch.eye(3).double()[[0] * 200], torch.full((70, 3), 2.0).double()
    b = torch.full((70,), 10.0).double()
    out = dropconnect_linear(x, W, b, 0.3, expect.generator())
    expect.tensor(out, (200, 70), torch.float64, hint="return a tensor (N, out).")
    # Of so many weights a mask written into W itself drops some: all stay with chance 0.7²¹⁰.
    expect.unchanged(W, torch.full((70, 3), 2.0), hint="the weights are changed. Mind `*=`.")
    expect.unchanged(x, torch.eye(3).double()[[0] * 200], hint="x is changed. Mind `*=` and `/=`.")
    expect.unchanged(b, torch.full((70,), 10.0), hint="b is changed. Mind `*=` and `+=`.")
    expect.equal(bool((out == 12).all()), False,
                 hint="training drops nothing: the mask belongs where `training` is true.")
    expect.equal(bool((out < 9).all()), False, hint="b is missing. Add it to the product.")
    expect.only(
        out,
        (10, 10 + 2 / 0.7),
        rtol=1e-6,
        hint="a weight that stays is W / (1 - p); b comes after that.",
        suspects=[
            (13, "the scale counts the weights that stay. Divide by 1 - p, whatever their number."),
            (12, "the weights that stay are not scaled. Divide them by 1 - p."),
            (10 + 2 / 0.3, "the weights are divided by p. Divide them by 1 - p."),
            (2 / 0.7, "b is dropped too. Mask W alone."),
            (10 / 0.7, "b is scaled too. Scale W alone."),
            (0, "whole outputs are dropped. Mask the weights before they are summed."),
        ],
    )
with expect.case("dropconnect_linear(x, W, b, 0.3), one sample, and one unit"):
    one = torch.ones(1, 4).double()
    expect.tensor(dropconnect_linear(one, one.clone(), one[0, :1], 0.3), (1, 1), torch.float64,
                  hint="return a tensor (N, out), though N and out are 1. Does squeeze() take more "
                       "than one axis away?")

# %% check="dropconnect_linear" points=2
# Weights 1, 2, 4, 8: the sum tells which stayed. Each weight of each sample has its own coin.


def stayed(p, generator):
    """Whether each of 4 weights of 15 units stayed, for each of 20 samples: (20, 15, 4)."""
    x, W = torch.ones(20, 4).double(), (2.0 ** torch.arange(4)).double().repeat(15, 1)
    code = (1 - p) * dropconnect_linear(x, W, torch.zeros(15).double(), p, generator).detach()
    expect.close(code, code.round(), atol=1e-4, rtol=0, hint="the output is not a sum of some of "
                 "the weights, each divided by 1 - p.")
    return (code.round().long()[..., None] >> torch.arange(4)) & 1


with expect.case("dropconnect_linear(x, W, 0, p, generator), 24 times for each of four p"):
    expect.coins(stayed, axes=("sample", "unit", "input"), source=expect.generator, none=True)

# %% check="dropconnect_linear" points=1
# In evaluation all of W is used, as it is.
draw = expect.generator()
x, W, b = (torch.randn(s, generator=draw, dtype=torch.float64) for s in ((7, 20), (30, 20), (30,)))
with expect.case("dropconnect_linear(x, W, b, 0.5, training=False)"):
    out = dropconnect_linear(x.clone(), W.clone(), b.clone(), 0.5, training=False)
    expect.close(out, F.linear(x, W, b),
                 hint="in evaluation weights are still dropped. Use all of W.",
                 suspects=[(F.linear(x, W / 2, b), "evaluation multiplies W by 1 - p. The "
                                                   "scale belongs in training alone."),
                           (F.linear(x, W * 2, b), "evaluation scales W. Use it as it is."),
                           (F.linear(x, W), "evaluation leaves b out. Add it.")])

# %% check="dropconnect_linear" points=1
# Gradients pass through the weights that stayed.
draw = expect.generator()
x, W, b = (torch.randn(s, generator=draw, dtype=torch.float64) for s in ((7, 4), (6, 4), (6,)))
with expect.case("out = dropconnect_linear(x, W, b, 0.4); out.sum().backward()",
                 crash=[("does not require grad|grad_fn",
                         "the output has lost its history: .data, .detach() or no_grad().")]):
    given = [each.clone().requires_grad_() for each in (x, W, b)]
    out = dropconnect_linear(*given, 0.4)
    out.sum().backward()
    expect.equal([each.grad is None for each in given], 3 * [False],
                 hint="x, W or b has lost its history: .data or .detach() has cut it off.")
    product = (out.detach() - b).sum()
    expect.close((given[1].grad * W).sum(), product, rtol=1e-6, atol=1e-6,
                 hint="the gradient of W passes the weights that stayed, scaled.")
    expect.close((given[0].grad * x).sum(), product, rtol=1e-6, atol=1e-6,
                 hint="the gradient of x goes through the same mask.")
    expect.close(given[2].grad, torch.full((6,), 7.0), rtol=1e-6,
                 hint="b is added once for each sample, so its gradient is their number.")

# %% mistakes="dropconnect_linear"
{
    "every sample has the same mask": ("torch.rand(len(x), *W", "torch.rand(1, *W"),
    "every unit has the same mask": ("*W.shape,", "1, W.shape[1],"),
    "every input has the same mask": ("*W.shape,", "len(W), 1,"),
    "whole outputs are dropped": ('torch.einsum("nji,ni->nj", thinned, x) + b',
                           "F.dropout(x @ W.T + b, p)"),
    "training drops nothing": ("if not training", "if training"),
    "the weights that stay are not scaled": (" / (1 - p)", ""),
    "the weights are divided by p": ("/ (1 - p)", "/ p"),
    "counts the weights that stay": (
        "W * (coins >= p) / (1 - p)",
        "W * (coins >= p) / (coins >= p).double().mean(2, keepdim=True).clamp(0.01)"),
    "p is swapped": (">= p", "< p"),
    "b is scaled too": ("thinned, x) + b", "thinned, x) + b / (1 - p)"),
    "b is dropped too": ("thinned, x) + b", "thinned, x) + b * coins[:, :, 0].round()"),
    "b is missing": ("thinned, x) + b", "thinned, x)"),
    "an exact number is dropped for each call and sample":
        ("coins >= p", "coins.flatten(1).argsort(1).argsort(1).view_as(coins) >= p * W.numel()"),
    "x is changed": ("(1 - p)\n", "(1 - p)\n    x *= 1.0 + p\n"),
    "b is changed": ("(1 - p)\n", "(1 - p)\n    b += 1 / len(x)\n"),
    "the weights are changed": ("thinned = W", "W.mul_(coins[0] >= p)\n    thinned = W"),
    "weights are still dropped": ("if not training", "if training is None"),
    "multiplies W by 1 - p": ("return x @ W.T + b", "return x @ ((1 - p) * W).T + b"),
    "evaluation leaves b out": ("return x @ W.T + b", "return x @ W.T"),
    "evaluation scales W": ("return x @ W.T + b", "return x @ W.T / (1 - p) + b"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("coins =", "generator = generator or torch.Generator()\n    coins ="),
    "follow the shapes": ('torch.einsum("nji,ni->nj", thinned, x)', "x @ thinned"),
    "the output has lost": ('torch.einsum("nji,ni->nj", thinned, x) + b',
                            '(torch.einsum("nji,ni->nj", thinned, x) + b).detach()'),
    "W or b has lost": ("thinned, x) + b", "thinned, x) + b.detach()"),
    "gradient is their number": ("thinned, x) + b", "thinned, x) + 2 * b - b.detach()"),
    "Does squeeze() take": ('torch.einsum("nji,ni->nj", thinned, x)',
                            "(thinned @ x[:, :, None]).squeeze()"),
}

# %% correct="dropconnect_linear"
def dropconnect_linear(x, W, b, p, generator=None, training=True):
    keep = torch.ones(len(x), *W.shape, dtype=W.dtype)
    if training:
        keep = keep.bernoulli_(1 - p, generator=generator) / (1 - p)
    return ((W * keep) @ x[:, :, None]).squeeze(2) + b

# %% [markdown]
# ## Exercise: `alpha_dropout`
#
# Which noise does a SELU layer need? Its outputs are never below $\alpha' = -\lambda\alpha \approx
# -1.7581$. Klambauer et al. (2017) let a dropped unit send this value, which is "off" for a SELU,
# in place of 0. That moves mean and variance, and an affine map of all entries, kept or dropped,
# brings them back. There is no factor $1/q$:
#
# $$ y = a\,\bigl(m\,x + (1-m)\,\alpha'\bigr) + b_0, \qquad
#    a = \bigl(q + \alpha'^2 q\,(1-q)\bigr)^{-1/2}, \qquad b_0 = -a\,(1-q)\,\alpha' . $$

# %% exercise="alpha_dropout"
def alpha_dropout(x, p, generator=None, training=True):
    """y = a (m x + (1 - m) α') + b in training, α' = -λα, the least value of SELU.

    λ = 1.0507009873554805, α = 1.6732632423543772, and with q = 1 - p
    a = (q + α'² q (1 - q))^(-1/2), b = -a (1 - q) α'. Where x has mean 0 and variance 1, so has y.

    In evaluation y = x.
    p : probability of dropping, below 1
    x : tensor of any shape and floating dtype, left as it is; y has its shape and dtype
    generator : torch.Generator, or None for torch's own; the only source of randomness
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        return x
    least = -1.0507009873554805 * 1.6732632423543772
    a = (1 - p + least**2 * p * (1 - p)) ** -0.5
    kept = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return a * torch.where(kept, x, least) - a * p * least
    ### END SOLUTION

# %% [markdown] hint="alpha_dropout"
# $q$ keeps and $p$ drops: with $p$, the formulas hold $1-p$ and $p$.

# %% [markdown] hint="alpha_dropout"
# First the mixture of $x$ and $\alpha'$ (`torch.where`), then one affine map for all entries.

# %% [markdown] hint="alpha_dropout"
# `a` and `b` are plain numbers, the same for all entries.

# %% [markdown]
# The first figure again, with your function in it:

# %%
drops["your alpha_dropout, p = 0.1"] = lambda h: alpha_dropout(h, 0.1)
fig, (ax,) = plot.figure(1, width=6.5)
ends = draw_layers(drops, ax)
gap = plot.difference(ends["your alpha_dropout, p = 0.1"], ends["no dropout"])
ax.set_title(f"Alpha dropout moves the standard deviation by {gap:.2f}")
plot.show(fig, "As in the first figure, with your alpha dropout, which moves the standard "
               f"deviation after 32 layers by {gap:.2f}.",
          claims={"alpha-keeps-the-balance": abs(gap.mean) < 0.08})

# %% check="alpha_dropout" points=2
# A single input, 0.5, shows both values that may come out.
with expect.case("alpha_dropout(x, 0.2, generator) on 100 rows of 200 halves"):
    x = torch.full((100, 200), 0.5, dtype=torch.float64)
    out = alpha_dropout(x, 0.2, expect.generator())
    expect.tensor(out, (100, 200), torch.float64, hint="return a tensor of x's shape and dtype.")
    expect.unchanged(x, torch.full((100, 200), 0.5),
                     hint="the function writes into its input. Mind `x[~kept] = …`.")
    low = -1.0507009873554805 * 1.6732632423543772
    a, swapped = (0.8 + low**2 * 0.16) ** -0.5, (0.2 + low**2 * 0.16) ** -0.5

    root, alone = (0.8 + low**2 * 0.16) ** 0.5, (0.8 + 1.6732632423543772**2 * 0.16) ** -0.5
    expect.equal(bool((out != x).any()), True,
                 hint="training changes nothing: the noise belongs where `training` is true.")
    expect.only(
        out,
        (0.5 * a - 0.2 * a * low, a * low - 0.2 * a * low),
        rtol=1e-4,
        hint="two values may come out: a x + b, and a α' + b.",
        suspects=[
            (low, "the affine map is missing: y = a (…) + b, also for what is dropped."),
            (0.625, "that is ordinary dropout: no 1 / (1 - p) here, and dropped is α', not 0."),
            (-0.2 * a * low, "what is dropped becomes 0 first. It must become α'."),
            (0.0, "what is dropped comes out as 0. It must be a α' + b."),
            (-a * low + 0.2 * a * low, "α' is negative: α' = -λα."),
            (0.5 * a + 0.2 * a * low, "b has the wrong sign: b = -a (1 - q) α', and α' < 0."),
            (-0.8 * a * low + 0.5 * a, "b holds q where 1 - q belongs. q keeps, p drops."),
            (0.5 * a, "b is missing: the mean moves."),
            (0.5 * a - 0.2 * low, "b lacks the factor a: b = -a (1 - q) α'."),
            ((0.5 * a - 0.2 * a * low) / 0.8, "the result is divided by q as well. a and b scale."),
            (0.5 - 0.2 * low, "a is missing: the variance moves."),
            (0.5 * swapped - 0.8 * swapped * low, "p and q are swapped in a and b: q keeps."),
            (0.5 * root - 0.2 * root * low, "a is 1 over that root: mind the exponent -1/2."),
            (0.5 * a**2 - 0.2 * a**2 * low, "a lacks the root: mind the exponent -1/2."),
            (0.5 * alone + 0.2 * alone * 1.6732632423543772, "λ is missing: α' = -λα."),
        ],
    )

# %% check="alpha_dropout" points=2
# Each entry has a coin of its own, new at each call, from the generator alone.
with expect.case("alpha_dropout(x, p, generator) on 20 × 60 halves, 24 times for each of four p"):
    expect.coins(lambda p, generator: alpha_dropout(torch.full((20, 60), 0.5), p, generator) > 0,
                 source=expect.generator, none=True)

# %% check="alpha_dropout" points=1
# Mean 0 and variance 1, as they come in, in one call and through SELU layers.
draw = expect.generator()
for p in (0.05, 0.3, 0.7):
    with expect.case(f"alpha_dropout(x, {p}) on 100 000 normal numbers"):
        x = torch.randn(100_000, generator=draw, dtype=torch.float64)
        out = alpha_dropout(x.clone(), p, draw)
        expect.close(float(out.mean()), 0, atol=0.025, hint="the mean must stay 0.")
        expect.close(float(out.var()), 1, atol=0.05, hint="the variance must stay 1.")
        expect.some(out != x, "an entry that is changed",
                    hint="nothing is dropped. Mend that first.")
with expect.case("six SELU layers with alpha_dropout(h, 0.1)"):
    h = torch.randn(200, 200, generator=draw)
    for _ in range(6):
        h = F.selu(h @ torch.randn(200, 200, generator=draw) / 200**0.5)
        h = alpha_dropout(h, 0.1, draw)
    expect.close(float(h.mean()), 0, atol=0.25, hint="the mean moves from layer to layer.")
    expect.close(float(h.var()), 1, atol=0.5, hint="the variance moves from layer to layer.")

# %% check="alpha_dropout" points=1
# In evaluation y = x; the dtype stays.
x = torch.randn(20, 30, generator=expect.generator(), dtype=torch.float64)
with expect.case("alpha_dropout(x, 0.4, training=False)"):
    low = -1.7580993408473766
    a = (0.6 + low**2 * 0.24) ** -0.5
    expect.close(alpha_dropout(x.clone(), 0.4, training=False), x,
                 hint="in evaluation y is x itself: no noise, and nothing else.",
                 suspects=[(a * x - 0.4 * a * low, "evaluation still maps by a and b. Return x.")])
for dtype in (torch.float32, torch.bfloat16):
    with expect.case(f"alpha_dropout(x, 0.5), x of {dtype}"):
        expect.tensor(alpha_dropout(torch.ones(9, dtype=dtype), 0.5), 9, dtype,
                      hint="y has another dtype than x. Let numbers and booleans meet x alone.")
with expect.case("alpha_dropout(x, 0.01, generator) on a million halves, torch.bfloat16"):
    fine = torch.full((10**6,), 0.5, dtype=torch.bfloat16)
    expect.mean(alpha_dropout(fine, 0.01, expect.generator()) < 0, 0.01, of=(0, 1),
                hint="the share dropped is not p. Are the coins bfloat16? Draw them in float32.")

# %% check="alpha_dropout" points=1
# The gradient is a where an entry stayed, else 0.
with expect.case("out = alpha_dropout(x, 0.4); out.sum().backward(); x.grad",
                 crash=[("does not require grad|grad_fn",
                         "the output has lost its history: .data, .detach() or no_grad().")]):
    x = torch.randn(50, generator=expect.generator(), dtype=torch.float64).requires_grad_()
    alpha_dropout(x, 0.4).sum().backward()
    expect.only(x.grad, (0, (0.6 + 1.7580993408473766**2 * 0.24) ** -0.5), rtol=1e-4,
                hint="the gradient is a where an entry stayed, else 0.")

# %% mistakes="alpha_dropout"
{
    "that is ordinary dropout": ("a * torch.where(kept, x, least) - a * p * least",
                                 "x * kept / (1 - p)"),
    "the affine map is missing": ("a * torch.where(kept, x, least) - a * p * least",
                                  "torch.where(kept, x, least)"),
    "becomes 0 first": ("torch.where(kept, x, least)", "(x * kept)"),
    "comes out as 0": ("a * torch.where(kept, x, least) - a * p * least",
                       "kept * (a * x - a * p * least)"),
    "b has the wrong sign": ("- a * p", "+ a * p"),
    "b holds q": ("a * p * least", "a * (1 - p) * least"),
    "b is missing": (" - a * p * least", ""),
    "b lacks the factor a": ("- a * p", "- p"),
    "is divided by q as well": ("return a * torch.where(kept, x, least) - a * p * least",
                                "return (a * torch.where(kept, x, least) - a * p * least) / "
                                "(1 - p)"),
    "a is missing": ("a = (1 - p + least**2 * p * (1 - p)) ** -0.5", "a = 1"),
    "swapped in a and b": ("""a = (1 - p + least**2 * p * (1 - p)) ** -0.5
    kept = torch.rand(x.shape, generator=generator, device=x.device) >= p""",
        """a = (p + least**2 * p * (1 - p)) ** -0.5
    kept, p = torch.rand(x.shape, generator=generator) >= p, 1 - p"""),
    "a lacks the root": ("** -0.5", "** -1"),
    "a is 1 over that root": ("** -0.5", "** 0.5"),
    "α' is negative": ("least = -1", "least = 1"),
    "λ is missing": ("-1.0507009873554805 * 1", "-1"),
    "training changes nothing": ("if not training", "if training"),
    "p is swapped": (">= p", "< p"),
    "every row has the same mask": ("(x.shape, ", "(x.shape[1:], "),
    "writes into its input": ("return a * torch.where(kept, x, least)",
                              "x[~kept] = least\n    return a * x"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("kept = ", "generator = generator or torch.Generator()\n    kept = "),
    "still maps by a and b": ("return x\n", """return ((x + p * 1.7580993408473766)
                * (1 - p + 1.7580993408473766**2 * p * (1 - p)) ** -0.5)
"""),
    "no noise, and nothing else": ("if not training", "if training is None"),
    "x's shape and dtype": ("(kept, x, least)", "(kept, x.float(), least)"),
    "Draw them in float32": ("device=x.device", "dtype=x.dtype, device=x.device"),
    "lost its history": ("(kept, x, least)", "(kept, x.detach(), least)"),
}

# %% correct="alpha_dropout"
def alpha_dropout(x, p, generator=None, training=True):
    if not training:
        return x.clone()
    q, low = 1 - p, -1.7581
    a = 1 / math.sqrt(q * (1 + low**2 * (1 - q)))
    m = torch.empty_like(x).bernoulli_(q, generator=generator)
    return (a * (x * m + low * (1 - m)) - a * (1 - q) * low).to(x.dtype)

# %% [markdown]
# How noisy is alpha dropout? On inputs with mean 0 and variance 1 the noise of inverted dropout has
# variance $p/q$. Alpha dropout moves a unit to $\alpha'$, usually farther away than 0. Its noise,
# beside the signal that is left, has variance $(1+\alpha'^2)\,p/q \approx 4.1\,p/q$. So alpha
# dropout at $p = 0.196$ is as noisy as a coin at 0.5, and comparing the two at the same $p$ is not
# fair: **match the variance**.
#
# ## Explore: four noises of one variance
#
# Two units sum the same inputs with the same weights. On the left is the noise in the first of
# them: a coin on inputs, and *your* three functions, all with variance $p/q$. On the right is the
# noise in both units, made on inputs and made on weights.
#
# **Try**: begin with two inputs and add more. From how many on can you not tell the four on the
# left apart? And on the right, which noise do the two units never share?

# %%
explore.noise(gaussian_dropout, dropconnect_linear, alpha_dropout)

# %% [markdown]
# A sum washes out the shape of the noise. What remains is what units *share*: noise on inputs
# reaches all units that read them, while noise on weights is each unit's own.
#
# ## Exercise: `standout_probability`
#
# So far $p$ came from outside. In *standout* (Ba and Frey 2013) a second network, laid over the
# first, decides from the same inputs how likely each unit is **kept**. The authors found that when
# both are trained, its weights come to resemble those of the first. So two numbers are enough:
# $\sigma(\alpha\,W x + \beta)$ with $\sigma(z) = 1/(1+e^{-z})$. (This $\alpha$ has nothing to do
# with the SELU's.) A unit with a large pre-activation is likely to stay.

# %% exercise="standout_probability"
def standout_probability(x, W, alpha, beta):
    """The probability that a unit is kept, sigmoid(α Wx + β), for each sample and unit.

    x : (N, in); W : (out, in), both left as they are; alpha, beta : numbers
    Returns a tensor (N, out) in [0, 1], without NaN however large α Wx is.
    """
    ### BEGIN SOLUTION
    return torch.sigmoid(alpha * (x @ W.T) + beta)
    ### END SOLUTION

# %% [markdown] hint="standout_probability"
# The pre-activations of a batch are `x @ W.T`, of shape (N, out).

# %% [markdown] hint="standout_probability"
# $\alpha$ stretches them, then $\beta$ shifts them.

# %% [markdown] hint="standout_probability"
# Torch has $\sigma$. Written as `exp(z) / (1 + exp(z))` it is inf / inf, so NaN, at large $z$.

# %% [markdown]
# Random units, one dot each: their pre-activation, and your probability.

# %%
fig, (ax,) = plot.figure(1, width=6.5, height=2.8)
inputs, weights = torch.randn(40, 30), torch.randn(6, 30) / 30**0.5
for alpha, beta, color in ((0, 0, plot.GREY), (1, 0, plot.BLUE), (3, 0, plot.GREEN),
                           (1, 2, plot.ORANGE)):
    chances = standout_probability(inputs, weights, alpha, beta)
    ax.scatter((inputs @ weights.T).flatten(), chances.flatten(), 6, color=color,
               label=f"α = {alpha}, β = {beta}")
ax.set(xlabel="pre-activation", ylabel="kept with probability", ylim=(0, 1))
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
ax.set_title("Your probability for four pairs α, β")
plot.show(fig, "Your keep probability over pre-activation for four pairs α, β.")

# %% check="standout_probability" points=1
# Against the definition, entry by entry.
draw = expect.generator()
x, W = (1 - 2 * torch.rand(s, generator=draw, dtype=torch.float64) for s in ((7, 4), (5, 4)))
z, given = F.linear(x, W), (x.clone(), W.clone())  # small: nothing is near 0 or 1
with expect.case("standout_probability(x, W, alpha=2, beta=0.5), x (7, 4), W (5, 4)",
                 crash=[("size|shape|mat1|dimension", "W is (out, in): transpose it.")]):
    found = standout_probability(*given, 2.0, 0.5)
    expect.unchanged(given[0], x)
    expect.unchanged(given[1], W, hint="the weights are changed. Mind `*=`.")
    expect.some((found != 0) & (found != 1), "a number between 0 and 1",
                hint="only 0 and 1 come back, as from coins. Return the probability.")
    expect.close(
        found,
        1 / (1 + torch.exp(-2 * z - 0.5)),
        rtol=1e-6,
        hint="sigmoid(α Wx + β), of shape (N, out).",
        suspects=[
            (1 / (1 + torch.exp(2 * z + 0.5)), "that is the probability of dropping. Large "
                                               "pre-activations are to be kept."),
            (1 / (1 + torch.exp(-2 * (z + 0.5))), "β is multiplied by α. Add it after that."),
            (2 / (1 + torch.exp(-z)) + 0.5, "α and β belong inside the sigmoid."),
            (1 / (1 + torch.exp(-z)), "α and β are not used."),
            (1 / (1 + torch.exp(-0.5 * z - 2)), "α and β are exchanged."),
            (2 * z + 0.5, "the sigmoid is missing: these are no probabilities."),
            ((2 * z + 0.5).clamp(0, 1), "the values are cut off at 0 and 1. Take the sigmoid."),
            ((2 * z + 0.5).softmax(1), "softmax lets units compete. Each has its own sigmoid."),
            (1 / (1 + torch.exp(-2 * z.relu() - 0.5)), "relu comes first. Take Wx itself."),
            ((1 / (1 + torch.exp(-2 * z - 0.5))).T, "rows and columns are exchanged: (N, out)."),
            (1 / (1 + torch.exp(-F.linear(x, 2 * W + 0.5))), "β is added to each weight. Add it "
                                                             "to α Wx."),
        ],
    )

# %% check="standout_probability" points=1
# Far out it is 0 or 1, and never NaN; a half everywhere for α = β = 0.
with expect.case("standout_probability(x, W, 1, 0) at pre-activations -2000, 0 and 2000"):
    x, W = torch.tensor([[-2000.0], [0.0], [2000.0]]), torch.ones(2, 1)
    found = standout_probability(x, W, 1, 0)
    expect.close(found, torch.tensor([[0.0], [0.5], [1.0]]).expand(3, 2),
                 hint="exp overflows at large numbers. Use torch.sigmoid."
                      if torch.as_tensor(found).isnan().any() else
                      "the sigmoid is 0 at -2000, ½ at 0 and 1 at 2000. Is something clipped?")
with expect.case("standout_probability(x, W, 0, 0)"):
    expect.close(standout_probability(x, W, 0, 0), torch.full((3, 2), 0.5),
                 hint="α = β = 0 is dropout with p = 1/2.")
    expect.unchanged(x, torch.tensor([[-2000.0], [0.0], [2000.0]]))

# %% mistakes="standout_probability"
{
    "probability of dropping": ("torch.sigmoid(", "1 - torch.sigmoid("),
    "β is multiplied by α": ("(x @ W.T) + beta", "(x @ W.T + beta)"),
    "belong inside the sigmoid": ("torch.sigmoid(alpha * (x @ W.T) + beta)",
                                  "alpha * torch.sigmoid(x @ W.T) + beta"),
    "α and β are not used": ("alpha * (x @ W.T) + beta", "x @ W.T"),
    "α and β are exchanged": ("alpha * (x @ W.T) + beta", "beta * (x @ W.T) + alpha"),
    "the sigmoid is missing": ("torch.sigmoid(alpha * (x @ W.T) + beta)",
                               "alpha * (x @ W.T) + beta"),
    "cut off at 0 and 1": ("torch.sigmoid(alpha * (x @ W.T) + beta)",
                           "(alpha * (x @ W.T) + beta).clip(0, 1)"),
    "softmax lets units compete": ("torch.sigmoid(alpha * (x @ W.T) + beta)",
                                   "(alpha * (x @ W.T) + beta).softmax(1)"),
    "as from coins": ("torch.sigmoid(alpha * (x @ W.T) + beta)",
                         "torch.bernoulli(torch.sigmoid(alpha * (x @ W.T) + beta))"),
    "relu comes first": ("(x @ W.T)", "(x @ W.T).relu()"),
    "transpose it": ("W.T", "W"),
    "rows and columns are exchanged": ("x @ W.T", "W @ x.T"),
    "added to each weight": ("alpha * (x @ W.T) + beta", "x @ (alpha * W + beta).T"),
    "the weights are changed": ("return torch.sigmoid(alpha * (x @ W.T)",
                                "W *= alpha\n    return torch.sigmoid((x @ W.T)"),
    "Is something clipped": ("+ beta)", "+ beta).clamp(1e-6, 1 - 1e-6)"),
    "exp overflows": ("torch.sigmoid(alpha * (x @ W.T) + beta)",
                      "(e := torch.exp(alpha * (x @ W.T) + beta)) / (1 + e)"),
}

# %% correct="standout_probability"
def standout_probability(x, W, alpha, beta):
    z = alpha * torch.einsum("ni,ji->nj", x, W) + beta
    return 0.5 * (1 + torch.tanh(z / 2))

# %% [markdown]
# ## Is one noise better?
#
# Now compare them. Networks with a hidden layer of 256 units learn 500 printed digits under noise
# on those units, or on the weights that leave them. Matched in variance are the coin, your Gaussian
# noise and DropConnect, your standout (its $\beta$ is set anew every 50 steps; in evaluation it
# multiplies each unit by its probability), and a noise of *two values*, $1\pm\sqrt{p/q}$, each half
# of the time. Beside them stand a control without noise and a null, *coin again*: the coin with
# other masks. A difference no larger than the null's shows nothing.
#
# First all have the variance and the learning rate that are best for the coin. Then both are chosen
# for each kind, by the validation error of two networks. (Two choose roughly: where settings lie
# close, it is chance which of them wins.) Ten others, with training sets of their own, are tested
# once each way. (Measured in about three minutes by `dropoutlab/studies/matched.py`.) Two networks
# of each kind are trained again now, with *your* functions. **Guess: how many points of error lie
# between the best and the worst of the five noises, when each is tuned?**

# %% guess=true
my_spread = 2.0  # points of test error between the best and the worst of five noises

# %% figure=true
# Error against the variance of the noise, and each kind beside the coin: takes some 20 seconds.
guess = expect.guess(my_spread)
kept = studies.kept("matched")
tuning, tested, equal = kept["tuning"], kept["tested"], kept["matched"]
hand = matched.Functions(gaussian_dropout, dropconnect_linear, alpha_dropout, standout_probability)
few, again = 2, {}
for kind in matched.KINDS:
    nets = matched.Networks(kind, tested[kind]["p"], seeds=study.TESTED[:few],
                            rate=tested[kind]["rate"], hand=hand)
    again[kind] = 100 * nets.train().measured("test")["error"]
errors = {kind: 100 * np.array(tested[kind]["error"]) for kind in matched.KINDS}
table = np.array([errors[kind] for kind in matched.NOISES])
spread = np.ptp(table.mean(1))
rng = np.random.default_rng(0)  # if the kind made no difference, its names could be shuffled
chance = [np.ptp(rng.permuted(table, axis=0).mean(1)) for _ in range(2000)]
likely = np.mean(np.array(chance) >= spread)

colors = dict(zip(matched.RELU, (plot.INK, plot.ORANGE, plot.GREY, plot.PINK, plot.GREEN, plot.BLUE,
                                 plot.SKY), strict=True))
fig, (left, right) = plot.figure(2, width=9.5, height=4)
rate = tested["coin"]["rate"]
for kind in matched.NOISES:
    runs = [(cell["p"] / (1 - cell["p"]), 100 * np.mean(cell["error"])) for cell in tuning[kind]
            if cell["rate"] == rate]
    left.plot(*zip(*runs, strict=True), "o-", color=colors[kind], markersize=4, label=kind)
plain = next(cell["error"] for cell in tuning["none"] if cell["rate"] == rate)
left.axhline(100 * np.mean(plain), color=plot.INK, linestyle="--", linewidth=1, label="none")
left.set(xscale="log", xlabel="variance of the noise, p / (1 - p)",
         ylabel="validation error, % (2 networks each)")
left.set_xticks([p / (1 - p) for p in study.PS], [f"{p / (1 - p):.2g}" for p in study.PS])
left.minorticks_off()
left.legend(fontsize=8)
left.set_title(f"Matched in variance, all at learning rate {rate:g}", fontsize=10)
order = [kind for kind in matched.RELU if kind != "coin"]
gaps = {kind: plot.difference(errors[kind], errors["coin"]) for kind in order}
alike = {kind: plot.difference(100 * np.array(equal[kind]["error"]), errors["coin"])
         for kind in matched.NOISES if kind != "coin"}
for row, kind in enumerate(order):
    runs = errors[kind] - errors["coin"]
    right.plot(runs, np.full(len(runs), row), ".", color=colors[kind], alpha=0.4)
    right.plot(again[kind] - again["coin"], np.full(few, row + 0.3), "o", mfc="none",
               color=plot.INK, markersize=5, label="tuned, trained just now" if row == 0 else None)
    right.errorbar(gaps[kind].mean, row, xerr=2.26 * gaps[kind].error, marker="o", capsize=3,
                   color=colors[kind], label="tuned (95 %)" if row == 0 else None)
    if kind in alike:
        right.errorbar(alike[kind].mean, row - 0.3, xerr=2.26 * alike[kind].error, marker="s",
                       capsize=3, color=colors[kind], mfc="white",
                       label="at the coin's setting" if kind == matched.NOISES[1] else None)
right.axvline(0, color=plot.ORANGE, linewidth=1)
names = [f"{kind}\np = {tested[kind]['p']:g}: {errors[kind].mean():.1f} %" for kind in order]
right.set_yticks(range(len(order)), names, fontsize=8)
right.set(ylim=(len(order) + 0.9, -0.6), xlabel="test error − that of the coin, points")
right.legend(loc="lower right", fontsize=8)
right.set_title(f"Tuned, best to worst: {spread:.1f} points (chance: {np.mean(chance):.1f}; you: "
                f"{guess}).\nAt the coin's setting, standout − coin: {alike['standout']:.1f}",
                fontsize=9)
told, same = (", ".join(f"{kind} {gap:.2f}" for kind, gap in found.items())
              for found in (gaps, alike))
apart = max(np.abs(again[kind] - errors[kind][:few]).max() for kind in matched.RELU)
scores = {kind: np.sort([100 * np.mean(cell["error"]) for cell in tuning[kind]])
          for kind in matched.NOISES}
lead = {kind: found[1] - found[0] for kind, found in scores.items()}
chosen_by = np.median([100 * np.std(cell["error"], ddof=1) for kind in matched.NOISES
                       for cell in tuning[kind]])  # the standard error of one such lead, too
close = [kind for kind in lead if lead[kind] < 2 * chosen_by]
plot.show(fig, "Left, validation error against the variance of the noise, for five kinds. Right, "
               f"test errors minus those of the coin, ten networks each, tuned: {told}; at the "
               f"coin's setting: {same}. Tuned, best to worst {spread:.1f} points; shuffled names "
               f"give {np.mean(chance):.1f}, and as much in {likely:.0%} of shuffles. In "
               "validation the best setting led the next one by "
               f"{', '.join(f'{kind} {lead[kind]:.1f}' for kind in lead)} points, and chance alone "
               f"moves such a lead by {chosen_by:.1f}. The networks trained just now differ from "
               f"the kept ones by {apart:.1f} points at most.",
          claims={
              "noise-helps": all(plot.difference(errors["none"], errors[kind]).sign > 0
                                 for kind in matched.NOISES),
              "the-variance-decides": all(
                  alike[kind].sign == 0
                  and abs(alike[kind].mean) + 2.26 * alike[kind].error < gaps["none"].mean / 2
                  for kind in ("two values", "Gaussian")),
              "shuffled-names-lie-as-far-apart": bool(likely > 0.05 and spread < 0.75),
              "dropconnect-errs-a-little-more": alike["DropConnect"].sign > 0
              and alike["DropConnect"].mean < gaps["none"].mean / 2,
              "standout-differs": alike["standout"].sign > 0,
              "tuned-standout-is-one-of-them": all(
                  plot.difference(errors["standout"], errors[kind]).sign == 0
                  for kind in matched.NOISES if kind != "standout"),
              "two-networks-choose-roughly": len(close) >= 3,
              "tuned-kinds-matter-less": all(
                  abs(gaps[kind].mean) + 2.26 * gaps[kind].error < gaps["none"].mean
                  for kind in alike),
          })

# %% [markdown]
# Tuned, noise reduces the error by 0.7 to 1.2 points. The best and the worst kind lie half a point
# apart, and shuffling their names gives nearly as much.{{claim:shuffled-names-lie-as-far-apart}} At
# one variance, the coin, two values and normal numbers cannot be told apart: they differ by less
# than half of what noise gains, so it hardly matters here whether anything is 0. DropConnect is a
# third of a point worse than the coin;{{claim:dropconnect-errs-a-little-more}} the null, where only
# the masks differ, moved by half as much. Standout is worse at the coin's setting. (But it is more
# than noise: each unit has a probability of its own, which multiplies it in evaluation.) With
# weaker noise and a larger learning rate, both chosen on validation data, it cannot be told from
# the others.{{claim:tuned-standout-is-one-of-them}} So a comparison at one setting would have
# misjudged it. But don't read the chosen $p$ as a property of a kind: for most of them the next
# best setting was as good, as far as two networks can tell.
#
# Our first edition found no difference between the kinds. Its networks were not tuned, and it had
# no null.
#
# ## And in SELU networks?
#
# Networks with four hidden layers of 64 SELUs, as SELUs are made for depth: without noise, with a
# coin, and with your `alpha_dropout`, each tuned like the others. **Before you look: is the noise
# that fits the layer the better one?**

# %% figure=true
# Test errors of SELU networks with a coin and with alpha dropout.
coin_gain, alpha_gain, fit = (
    plot.difference(errors[f"SELU, {one}"], errors[f"SELU, {other}"])
    for one, other in (("coin", "none"), ("alpha", "none"), ("alpha", "coin")))
fig, (ax,) = plot.figure(1, width=7, height=2.6)
for row, kind in enumerate(matched.SELU):
    runs = errors[kind]
    ax.plot(runs, np.full(len(runs), row), ".", color=plot.GREY, alpha=0.6)
    ax.plot(again[kind], np.full(few, row + 0.25), "o", mfc="none", color=plot.INK, markersize=5,
            label="trained just now" if row == 0 else None)
    ax.errorbar(runs.mean(), row, xerr=plot.standard_error(runs), marker="o", capsize=3,
                color=plot.GREEN if row else plot.INK)
ax.set_yticks(range(3), [
    f"{kind[6:]}, p = {tested[kind]['p']:g}: {errors[kind].mean():.1f} ± "
    f"{plot.standard_error(errors[kind]):.1f} %" for kind in matched.SELU])
ax.set(ylim=(2.6, -0.6), xlabel="test error, % (10 networks, mean ± s.e.)",
       title=f"Coin − none {coin_gain:.1f} points, alpha − none {alpha_gain:.1f},\n"
             f"alpha − coin {fit:.1f}")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
chosen = ", ".join(f"{kind}: {tested[kind]['p']:g}" for kind in matched.SELU[1:])
rate = tested["SELU, coin"]["rate"]
coin_rate, alpha_rate = (min(100 * np.mean(cell["error"]) for cell in tuning[kind]
                             if cell["rate"] == rate) for kind in matched.SELU[1:])
plot.show(fig, f"Test errors of SELU networks, ten each. Coin minus none {coin_gain:.1f} points, "
               f"alpha minus none {alpha_gain:.1f}, alpha minus coin {fit:.1f}. Chosen: {chosen}, "
               f"as the p of a coin. In validation at the coin's rate, {rate:g}, the best coin has "
               f"{coin_rate:.1f} %, the best alpha {alpha_rate:.1f} % (two networks each).",
          claims={"alpha-suits-selu": alpha_gain.sign < 0 and fit.sign < 0,
                  "the-coins-gain-is-unclear": coin_gain.sign == 0,
                  "alpha-leads-at-the-coins-rate": bool(coin_rate - alpha_rate > 0.5)})

# %% [markdown]
# Here the kind does matter. As tuned, alpha dropout has 1.5 points less error than the coin, whose
# own gain over no noise ten networks cannot show.{{claim:the-coins-gain-is-unclear}} (Each $p$ is
# that of an equally noisy coin; alpha dropout's own is smaller.) For the coin, validation chose the
# weakest that was offered. A weaker one was not tried. It might beat both that coin and no noise,
# but each of these is at least 1.5 points worse than alpha dropout. Alpha dropout got
# the largest learning rate. That is not all of its lead: in validation it also did better at the
# coin's rate.{{claim:alpha-leads-at-the-coins-rate}} Our first edition saw the same without tuning.
#
# In the 2014 paper Gaussian noise came out ahead of the coin on MNIST, with 0.95 ± 0.04 % against
# 1.08 ± 0.04 % (its Table 10). What `python3 grader paper table10` last measured, in a far shorter
# run (see its last line):

# %%
reproduced.show("table10")

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="uncorrelated" points=1
# Two units read the same 100 inputs with the same weights. Which noise is uncorrelated between the
# two?
#
# - [ ] dropout on the inputs
# - [ ] Gaussian noise on the inputs
# - [x] DropConnect
#
# Hint: look at the right side of the explorer.

# %% question="uniform_noise" points=1
# A layer multiplies each unit by a uniform number between 0 and 2, whose variance is 1/3. A coin is
# as noisy at p =
#
# - [x] 0.25
# - [ ] 0.33
# - [ ] 0.5
#
# Hint: for which p is p / (1 - p) that variance?

# %% question="alpha_answer" points=1
# To be as noisy as dropout at p = 0.5, alpha dropout needs a drop probability that is:
#
# - [x] smaller
# - [ ] the same
# - [ ] larger
#
# Hint: how far is a dropped unit moved, compared with a move to 0?

# %% [markdown]
# ## In your own words
#
# A paper reports: "DropThing with $p=0.5$ beats dropout with $p=0.5$ by 0.3 points (one run each),
# so its noise is the better one." DropThing has three times the variance of a coin with that $p$.
# What has the comparison shown, what has it not, and how would you repeat it? Answer in three to
# six sentences. (In a class, your instructor grades this.)

# %% [markdown] answer="fair_comparison" points=3
# ### BEGIN SOLUTION
# *Marking guide.* One point: strength and kind are confounded; equal p is not equal noise, so
# dropout with a larger p might do as well. One point: a repeat matches the variance (a coin whose
# odds are three times as large, p = 0.75), or better, chooses the strength of each on validation
# data with the same budget. One point: several seeds with their spread, the same seeds for both
# (paired), beside a null such as the coin with other masks; 0.3 points of one run each lie within
# what seeds do (a number from this lesson earns this too).
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - A noise must fit its network. Thirty-two SELU layers with a coin settle at another standard
#   deviation.{{claim:coin-moves-the-balance}} With alpha dropout they keep
#   theirs.{{claim:alpha-keeps-the-balance}}
# - In a sum over thirty inputs, a normal multiplier can hardly be told from a
#   coin.{{claim:sums-hide-the-coin}}
# - Each of the five noises reduces the error of ReLU networks.{{claim:noise-helps}} At one variance
#   a coin, two values and normal numbers cannot be told apart.{{claim:the-variance-decides}}
# - Standout does worse than the coin at the coin's setting.{{claim:standout-differs}} When each
#   noise is tuned, the other four differ from the coin by less than noise
#   gains.{{claim:tuned-kinds-matter-less}} Two networks for each setting choose only
#   roughly.{{claim:two-networks-choose-roughly}}
# - In SELU networks alpha dropout beats a coin.{{claim:alpha-suits-selu}}
#
# **Read.** Srivastava et al., *Dropout*, JMLR 15 (2014), §10. Wan et al., *Regularization of
# neural networks using DropConnect*, ICML 2013. Ba and Frey, *Adaptive dropout for training deep
# neural networks*, NIPS 2013. Klambauer et al., *Self-normalizing neural networks*, NIPS 2017
# (arXiv:1706.02515).
#
# **Stretch.** When they test, Wan et al. draw pre-activations from a normal distribution with
# DropConnect's mean and variance, and average what comes out. Compare that with testing on $W$, for
# few and for many inputs.
#
# **Still open.** Must $p$ be the same at all times and in all layers, and what does batch norm make
# of the noise? That is {{schedules_and_norms}}.
