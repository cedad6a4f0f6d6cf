# %% [markdown]
# # 3.4 · Noise on weights and units
#
# **Must the noise be a coin, on a unit, at one rate for ever?**
#
# *75 minutes, with a good place for a break after the explorer. Before: {{inverted_dropout}} and
# {{pytorch}}. After, you will be able to write the variants that change the noise itself, to
# compare them fairly, at equal variance, and to say what batch norm and self-normalising networks
# do with it.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$, $y$ | input and output of a noisy layer, a row for each sample |
# | $p$, $q = 1-p$ | probability that an entry or a weight is **dropped**, or kept |
# | $m$ | mask, 1 where kept, else 0 |
# | $p/q$ | the **odds**: variance of the multiplier $m/q$ of inverted dropout |
# | $W$, $b$ | weights (out, in) and bias (out,) of a layer, as in `nn.Linear` |
# | $t$, $T$ | step of training, and their number |

# %% setup=true
import math
from statistics import NormalDist

import numpy as np
import torch
from torch.nn import functional as F

from dropoutlab import check_probability, expect, explore, plot, reproduced, variants

# %% [markdown]
# ## Where we stand
#
# {{images}}, {{sequences}} and {{transformers}} chose *which* entries fall together; each time
# something was multiplied by 0 or by $1/q$. Today the noise itself changes: another distribution,
# another place, another rate.
#
# Inverted dropout keeps the mean, so it seems to fit everywhere. Try it in a *self-normalising*
# network: SELU layers, made so that mean 0 and standard deviation 1 come out of every layer if
# they go in. Below, random networks of 32 such layers, without dropout and with `F.dropout` at
# $p=0.1$ after each. **Commit yourself first: what standard deviation is left after 32 layers with
# dropout?**

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
        ax.plot([], color=color, label=name)
        ends[name] = runs[:, 1, -1]
    ax.set(xlabel="SELU layer", ylabel="standard deviation, and mean (dotted)")
    ax.legend()
    return ends


drops = {"no dropout": lambda h: h, "dropout, p = 0.1": lambda h: F.dropout(h, 0.1)}
fig, (ax,) = plot.figure(1, width=6.5)
ends = draw_layers(drops, ax)
ax.plot(32, guess, "o", color=plot.INK)
ax.annotate("your guess ", (32, guess), ha="right", va="bottom")
gap = plot.difference(ends["dropout, p = 0.1"], ends["no dropout"])
ax.set_title(f"Dropout moves the standard deviation by {gap:.2f}")
plot.show(fig, "Mean and standard deviation over 32 SELU layers, without dropout and with it. "
               f"After 32 layers dropout has moved the standard deviation by {gap:.2f}.")
for name, found in ends.items():
    print(f"{name}: after 32 layers {found.mean():.2f} ± {plot.standard_error(found):.2f}")

# %% [markdown]
# A single call keeps the mean and adds variance; 32 layers do not blow it up, but settle at
# another balance, near 1.26 instead of 1. So a noise has to fit the network that receives it, and
# one kind is not enough.
#
# ### One question from {{weight_scaling}} and {{inverted_dropout}}
#
# A pre-activation $w^\top y$ sums $n$ inputs under inverted dropout. How large is its variance
# over masks, and what does it need to know of the coin?
#
# <details><summary>Answer</summary>
#
# $\frac{p}{q} \sum_i w_i^2 x_i^2$. Of the coin it needs the variance of the multiplier $m/q$
# alone, which is $p/q$. Any other multiplier with mean 1 and that variance gives the same mean
# and variance; and a sum over many inputs is nearly normal whatever they are. Does the coin
# matter at all, then?
# </details>
#
# ### A worked example: dropout as a multiplier
#
# The coin, written so that noise and input stand apart.

# %%
def coin(x, p, generator=None, training=True):
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}, outside [0, 1]")
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
# Srivastava et al. (2014, §10) multiply by a normal number instead. Two misunderstandings. "Add
# the noise": then a unit that sends 0 becomes noisy, and a strong one hardly feels it. "$p/q$ is
# the standard deviation": it is the variance.

# %% exercise="gaussian_dropout"
def gaussian_dropout(x, p, generator=None, training=True):
    """y = x * n in training, each entry's n normal with mean 1 and variance p / (1 - p).

    Nothing is dropped: p is the rate of the coin that has this variance. In evaluation y = x.
    p : in [0, 1); at p = 1 the variance would be infinite
    generator : torch.Generator, or None for torch's own; the only source of randomness
    x : tensor of any shape and floating dtype, left as it is; y has its shape and dtype
    """
    if not 0 <= p < 1:
        raise ValueError(f"p must be in [0, 1), not {p}")
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
# Your multipliers beside those of the coin, for one unit and for a mean of 30:

# %%
fig, axes = plot.figure(2, width=9, height=2.8)
deviations = {}
for ax, many, edges in zip(axes, (1, 30), ((-2, 4), (-1 / 42, 83 / 42)), strict=True):
    for name, noisy, color in (("coin", coin, plot.ORANGE), ("yours", gaussian_dropout, plot.BLUE)):
        sent = noisy(torch.ones(50_000, many), 0.3).mean(1)
        deviations[name] = sent.std()
        ax.hist(sent.numpy(), 42, range=edges, density=True, color=color, alpha=0.6,
                label=f"{name}: variance {sent.var():.3f}")
    ax.set(xlabel=f"mean of {many} multipliers" if many > 1 else "multiplier of one unit",
           ylabel="density")
    ax.legend(loc="upper left")
spread = " and ".join(f"{deviation:.3f}" for deviation in deviations.values())
axes[0].set_title("One unit")
axes[1].set_title(f"Thirty units: standard deviations {spread}")
axes[1].set_ylim(0, 4.6)
plot.show(fig, "Histograms of the coin's multipliers and of yours, for one unit and for the mean "
               f"of thirty, where the standard deviations are {spread}.")

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

# %% check="gaussian_dropout" points=2
# Each entry has noise of its own, new at each call, from the generator alone.
with expect.case("which multipliers are among the lowest share p, 24 times for each of four p"):
    expect.coins(
        lambda p, generator: gaussian_dropout(torch.ones(20, 60), p, generator)
        >= 1 + math.sqrt(p / (1 - p)) * NormalDist().inv_cdf(p),
        source=expect.generator,
        none=True,
    )

# %% check="gaussian_dropout" points=1
# In evaluation y = x; the dtype stays.
x = torch.randn(20, 30, generator=expect.generator(), dtype=torch.float64)
with expect.case("gaussian_dropout(x, 0.4, training=False)"):
    expect.close(gaussian_dropout(x.clone(), 0.4, training=False), x,
                 hint="in evaluation the noise is still there. Return x.",
                 suspects=[(x * 0.6, "evaluation multiplies by 1 - p. Return x as it is."),
                           (x / 0.6, "evaluation scales too. Return x as it is.")])
for dtype in (torch.float32, torch.bfloat16, torch.float64):
    with expect.case(f"gaussian_dropout(x, 0.5), x of {dtype}"):
        expect.tensor(gaussian_dropout(torch.ones(9, dtype=dtype), 0.5), 9, dtype,
                      hint="the noise has another dtype and changes that of y. Draw it in x's.")

# %% check="gaussian_dropout" points=1
# The gradient of y is the noise.
with expect.case("out = gaussian_dropout(x, 0.4); out.sum().backward(); x.grad",
                 crash=[("does not require grad|grad_fn",
                         "the output has lost its history: .data, .detach() or no_grad().")]):
    before = 1 + torch.rand(50, generator=expect.generator(), dtype=torch.float64)
    x = before.clone().requires_grad_()
    out = gaussian_dropout(x, 0.4)
    out.sum().backward()
    expect.close(x.grad, out.detach() / before, hint="y = x n, so the gradient is the noise n.")

# %% mistakes="gaussian_dropout"
{
    "taken as the standard deviation": ("math.sqrt(p / (1 - p))", "p / (1 - p)"),
    "odds of keeping": ("p / (1 - p)", "(1 - p) / p"),
    "unscaled coin": ("p / (1 - p)", "p * (1 - p)"),
    "the variance is p": ("p / (1 - p)", "p"),
    "the standard deviation is p": ("math.sqrt(p / (1 - p))", "p"),
    "the noise is added to x": ("x * (1 + math.sqrt(p / (1 - p)) * noise)",
                                "x + math.sqrt(p / (1 - p)) * noise"),
    "the noise has variance 1": ("math.sqrt(p / (1 - p)) * noise", "noise"),
    "x itself is lost": ("1 + math", "math"),
    "the mean is 1 - p": ("1 + math", "1 - p + math"),
    "nothing is scaled by 1 / (1 - p)": ("1 + math", "1 / (1 - p) + math"),
    "divided by 1 - p as well": ("* noise)", "* noise) / (1 - p)"),
    "that is a coin": ("(1 + math.sqrt(p / (1 - p)) * noise)",
                       "((torch.rand(x.shape, generator=generator) >= p) / (1 - p))"),
    "these numbers are uniform":
        ("* noise)", "* (torch.rand(x.shape, generator=generator) - 0.5) * 12**0.5)"),
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
    "has another dtype": ("dtype=x.dtype", "dtype=torch.float64"),
    "lost its history": ("x * (1", "x.detach() * (1"),
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
# DropConnect (Wan et al. 2013) drops weights, not units: every unit loses *other* inputs. The
# misunderstanding is to mask $W$ once for the whole batch: that is cheap, but all samples then
# share the noise. The paper draws each element of the mask "independently for each example", so a
# mask has three axes. (It also masks biases, and samples when testing. We leave $b$ alone, scale as
# inverted dropout does, and test with $W$.)

# %% exercise="dropconnect_linear"
def dropconnect_linear(x, W, b, p, generator=None, training=True):
    """y[n, j] = sum over i of m[n, j, i] W[j, i] x[n, i] / (1 - p) + b[j]; m drawn in training.

    Every weight of every sample is dropped with probability p on its own; b is neither dropped
    nor scaled. In evaluation y = x Wᵀ + b.
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
plot.show(fig, "Masks of a layer of 8 units with 12 inputs: scattered squares, other ones in each "
               "of three samples.")

# %% check="dropconnect_linear" points=2
# One input of 1, weights of 2, biases of 10: the output shows the coin of each weight.
with expect.case("dropconnect_linear(x, W, b, 0.3, generator): x = (1, 0, 0), W = 2, b = 10",
                 crash=[("size|shape|mat1|dimension|broadcast",
                         "W is (out, in) and the mask (N, out, in): follow the shapes.")]):
    x, W = torch.eye(3).double()[[0] * 3000], torch.full((5, 3), 2.0).double()
    b = torch.full((5,), 10.0).double()
    out = dropconnect_linear(x, W, b, 0.3, expect.generator())
    expect.tensor(out, (3000, 5), torch.float64, hint="return a tensor (N, out).")
    expect.unchanged(W, torch.full((5, 3), 2.0), hint="the weights are changed. Mind `*=`.")
    expect.equal(bool((out == 12).all()), False,
                 hint="training drops nothing: the mask belongs where `training` is true.")
    expect.equal(bool((out < 9).all()), False, hint="b is missing. Add it to the product.")
    expect.only(
        out,
        (10, 10 + 2 / 0.7),
        hint="a weight that stays is W / (1 - p); b comes after that.",
        suspects=[
            (12, "the weights that stay are not scaled. Divide them by 1 - p."),
            (10 + 2 / 0.3, "the weights are divided by p. Divide them by 1 - p."),
            (2 / 0.7, "b falls too. Mask W alone."),
            (10 / 0.7, "b is scaled too. Scale W alone."),
            (0, "whole outputs fall. Mask the weights before they are summed."),
        ],
    )

# %% check="dropconnect_linear" points=2
# Weights 1, 2, 4, 8: the sum tells which stayed. Each weight of each sample has its own coin.


def stayed(p, generator):
    """Whether each of 4 weights of 15 units stayed, for each of 20 samples: (20, 15, 4)."""
    x, W = torch.ones(20, 4).double(), (2.0 ** torch.arange(4)).double().repeat(15, 1)
    code = (1 - p) * dropconnect_linear(x, W, torch.zeros(15).double(), p, generator).detach()
    expect.close(code, code.round(), atol=1e-4, rtol=0, hint="this is no sum of some of the "
                 "weights, each divided by 1 - p.")
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
                 hint="in evaluation weights still fall. Use all of W.",
                 suspects=[(F.linear(x, W / 2, b), "evaluation multiplies W by 1 - p. The "
                                                   "scale belongs in training alone."),
                           (F.linear(x, W * 2, b), "evaluation scales W. Use it as it is.")])

# %% check="dropconnect_linear" points=1
# Gradients pass through the weights that stayed.
draw = expect.generator()
x, W, b = (torch.randn(s, generator=draw, dtype=torch.float64) for s in ((7, 4), (6, 4), (6,)))
with expect.case("out = dropconnect_linear(x, W, b, 0.4); out.sum().backward()",
                 crash=[("does not require grad|grad_fn|NoneType",
                         "the output has lost its history: .data, .detach() or no_grad().")]):
    given = [each.clone().requires_grad_() for each in (x, W, b)]
    out = dropconnect_linear(*given, 0.4)
    out.sum().backward()
    product = (out.detach() - b).sum()
    expect.close((given[1].grad * W).sum(), product, rtol=1e-6, atol=1e-6,
                 hint="the gradient of W passes the weights that stayed, scaled.")
    expect.close((given[0].grad * x).sum(), product, rtol=1e-6, atol=1e-6,
                 hint="the gradient of x goes through the same mask.")

# %% mistakes="dropconnect_linear"
{
    "every sample has the same mask": ("torch.rand(len(x), *W", "torch.rand(1, *W"),
    "every unit has the same mask": ("*W.shape,", "1, W.shape[1],"),
    "every input has the same mask": ("*W.shape,", "len(W), 1,"),
    "whole outputs fall": ('torch.einsum("nji,ni->nj", thinned, x) + b',
                           "F.dropout(x @ W.T + b, p)"),
    "training drops nothing": ("if not training", "if training"),
    "the weights that stay are not scaled": (" / (1 - p)", ""),
    "the weights are divided by p": ("/ (1 - p)", "/ p"),
    "p is swapped": (">= p", "< p"),
    "b is scaled too": ("thinned, x) + b", "thinned, x) + b / (1 - p)"),
    "b falls too": ("thinned, x) + b", "thinned, x) + b * coins[:, :, 0].round()"),
    "b is missing": ("thinned, x) + b", "thinned, x)"),
    "an exact number is dropped for each call and sample":
        ("coins >= p", "coins.flatten(1).argsort(1).argsort(1).view_as(coins) >= p * W.numel()"),
    "the weights are changed": ("thinned = W", "W.mul_(coins[0] >= p)\n    thinned = W"),
    "weights still fall": ("if not training", "if training is None"),
    "multiplies W by 1 - p": ("return x @ W.T + b", "return x @ ((1 - p) * W).T + b"),
    "evaluation scales W": ("return x @ W.T + b", "return x @ W.T / (1 - p) + b"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("coins =", "generator = generator or torch.Generator()\n    coins ="),
    "follow the shapes": ('torch.einsum("nji,ni->nj", thinned, x)', "x @ thinned"),
    "lost its history": ("thinned, x)", "thinned.detach(), x.detach())"),
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
# What does a SELU layer need? Its activations come from $\lambda$ times: $x$ where $x>0$,
# $\alpha(e^x-1)$ elsewhere, so they cannot fall below $\alpha' = -\lambda\alpha \approx -1.7581$.
# Klambauer et al. (2017) let a dropped unit send that: "off" is $\alpha'$, not 0. Mean and
# variance then change, and an affine map brings them back:
#
# $$ y = a\,\bigl(m\,x + (1-m)\,\alpha'\bigr) + b_0, \qquad
#    a = \bigl(q + \alpha'^2 q\,(1-q)\bigr)^{-1/2}, \qquad b_0 = -a\,(1-q)\,\alpha' . $$
#
# The misunderstandings: a factor $1/q$ (no: $a$ does that work), and to map only the units that
# stay (no: what is dropped becomes $a\alpha' + b_0$).

# %% exercise="alpha_dropout"
def alpha_dropout(x, p, generator=None, training=True):
    """y = a (m x + (1 - m) α') + b in training, α' = -λα, the least value of SELU.

    λ = 1.0507009873554805, α = 1.6732632423543772, and with q = 1 - p
    a = (q + α'² q (1 - q))^(-1/2), b = -a (1 - q) α': where x has mean 0 and variance 1, so has y.
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
               f"deviation after 32 layers by {gap:.2f}.")
for name, found in ends.items():
    print(f"{name}: after 32 layers {found.mean():.2f} ± {plot.standard_error(found):.2f}")

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
            (0.5 - 0.2 * low, "a is missing: the variance moves."),
            (0.5 * swapped - 0.8 * swapped * low, "p and q are swapped in a and b: q keeps."),
            (0.5 * root - 0.2 * root * low, "a is 1 over that root: mind the exponent -1/2."),
            (0.5 * a**2 - 0.2 * a**2 * low, "a lacks the root: mind the exponent -1/2."),
            (0.5 * alone + 0.2 * alone * 1.6732632423543772, "λ is missing: α' = -λα."),
        ],
    )

# %% check="alpha_dropout" points=2
# Each entry falls by a coin of its own, new at each call, from the generator alone.
with expect.case("alpha_dropout(x, p, generator) on 20 × 60 halves, 24 times for each of four p"):
    expect.coins(lambda p, generator: alpha_dropout(torch.full((20, 60), 0.5), p, generator) > 0,
                 source=expect.generator, none=True)

# %% check="alpha_dropout" points=1
# Mean 0 and variance 1, as they come in, in one call and through SELU layers.
draw = expect.generator()
for p in (0.05, 0.3, 0.7):
    with expect.case(f"alpha_dropout(x, {p}) on 100 000 normal numbers"):
        x = torch.randn(100_000, generator=draw, dtype=torch.float64)
        out = alpha_dropout(x, p, draw)
        expect.close(float(out.mean()), 0, atol=0.025, hint="the mean must stay 0.")
        expect.close(float(out.var()), 1, atol=0.05, hint="the variance must stay 1.")
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
                 hint="in evaluation there is still noise. Return x.",
                 suspects=[(a * x - 0.4 * a * low, "evaluation still maps by a and b. Return x.")])
for dtype in (torch.float32, torch.bfloat16):
    with expect.case(f"alpha_dropout(x, 0.5), x of {dtype}"):
        expect.tensor(alpha_dropout(torch.ones(9, dtype=dtype), 0.5), 9, dtype,
                      hint="y has another dtype than x. Let numbers and booleans meet x alone.")

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
    "there is still noise": ("if not training", "if training is None"),
    "x's shape and dtype": ("(kept, x, least)", "(kept, x.float(), least)"),
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
# How noisy is that? On inputs with mean 0 and variance 1 the noise of inverted dropout has
# variance $p/q$. Alpha dropout throws units to $\alpha'$, farther than to 0; against the signal
# that is left, its noise has variance $(1+\alpha'^2)\,p/q \approx 4.1\,p/q$. So a comparison at the
# same $p$ is not fair: **match the variance**. Alpha dropout at $p = 0.196$ is as noisy as a coin
# at 0.5, and its authors' rates of 0.05 and 0.1 are not as mild as they look.
#
# ## Explore: four noises of one variance
#
# Two units sum the same inputs with the same weights. On the left, the noise in the first of them:
# a coin on inputs, and *your* three functions, all with variance $p/q$. On the right, the noise
# in both units: on inputs, and on weights.
#
# **Try**: with two inputs, which noises can you tell apart? From how many on can't you? Then look
# right: what never becomes alike, however many inputs there are?

# %%
explore.noise(gaussian_dropout, dropconnect_linear, alpha_dropout)

# %% [markdown]
# Matched in variance, the noises differ in a single unit's shape, and sums wash that out. What
# stays is what units *share*: noise on inputs reaches all units that read them, noise on weights
# is every unit's own.
#
# ## Exercise: `standout_probability`
#
# So far a rate came from outside. In *standout* (Ba and Frey 2013) a second network, laid over the
# first, decides from the same inputs how likely each unit is **kept**. Training it along gave
# nearly the weights of the first network again, so two numbers are enough:
# $\sigma(\alpha\,W x + \beta)$. The misunderstanding is the direction: a unit with a *large*
# pre-activation is to stay, so this is a probability of keeping, for once.

# %% exercise="standout_probability"
def standout_probability(x, W, alpha, beta):
    """The probability that a unit is kept, sigmoid(α Wx + β), for each sample and unit.

    x : (N, in); W : (out, in); alpha, beta : numbers. Returns a tensor (N, out) in [0, 1].
    """
    ### BEGIN SOLUTION
    return torch.sigmoid(alpha * (x @ W.T) + beta)
    ### END SOLUTION

# %% [markdown] hint="standout_probability"
# The pre-activations of a batch are `x @ W.T`, of shape (N, out).

# %% [markdown] hint="standout_probability"
# $\alpha$ stretches them, then $\beta$ shifts them.

# %% [markdown] hint="standout_probability"
# `1 / (1 + exp(-z))` written so, or as `exp(z) / (1 + exp(z))`, overflows on one side. Torch has
# the function.

# %% [markdown]
# Random units, one dot each: what they would send without dropout, and your probability.

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
x, W = (torch.randn(s, generator=draw, dtype=torch.float64) for s in ((7, 4), (5, 4)))
z = F.linear(x, W)
with expect.case("standout_probability(x, W, alpha=2, beta=0.5), x (7, 4), W (5, 4)",
                 crash=[("size|shape|mat1|dimension", "W is (out, in): x meets it transposed.")]):
    found = standout_probability(x, W, 2.0, 0.5)
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
    expect.close(standout_probability(x, W, 1, 0), torch.tensor([[0.0], [0.5], [1.0]]).expand(3, 2),
                 hint="exp overflows at large numbers. Use torch.sigmoid.")
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
    "relu comes first": ("(x @ W.T)", "(x @ W.T).relu()"),
    "x meets it transposed": ("W.T", "W"),
    "rows and columns are exchanged": ("x @ W.T", "W @ x.T"),
    "added to each weight": ("alpha * (x @ W.T) + beta", "x @ (alpha * W + beta).T"),
    "exp overflows": ("torch.sigmoid(alpha * (x @ W.T) + beta)",
                      "(e := torch.exp(alpha * (x @ W.T) + beta)) / (1 + e)"),
}

# %% correct="standout_probability"
def standout_probability(x, W, alpha, beta):
    z = alpha * torch.einsum("ni,ji->nj", x, W) + beta
    return 0.5 * (1 + torch.tanh(z / 2))

# %% [markdown]
# ## Exercise: `scheduled_rate`
#
# Must the rate stand still? Morerio et al. (2017) start without dropout and let it come in, as a
# *curriculum*: first the easy task, then the hard one. With $\theta$ for keeping they write
# $\theta(t) = (1-\bar\theta)\,e^{-\gamma t} + \bar\theta$, with $\gamma = 10/T$. Two traps:
# $\theta$ keeps, and the curve starts at $\theta = 1$, which is *no* dropout.

# %% exercise="scheduled_rate"
def scheduled_rate(step, total, p, kind):
    """The rate of dropping at a step of training, 0 <= step <= total.

    kind : "constant": p throughout; "linear": from 0 at step 0 to p at step `total`;
        "curriculum": 1 - θ(step), θ(t) = (1 - θ̄) exp(-γ t) + θ̄, θ̄ = 1 - p, γ = 10 / total
    Another kind: ValueError naming kind.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if kind == "constant":
        return p
    if kind == "linear":
        return p * step / total
    if kind == "curriculum":
        return p * (1 - math.exp(-10 * step / total))
    raise ValueError(f"kind {kind!r} is unknown")
    ### END SOLUTION

# %% [markdown] hint="scheduled_rate"
# What is $1 - \theta(t)$ if $\bar\theta = 1-p$? It simplifies.

# %% [markdown] hint="scheduled_rate"
# $1-\theta(t) = p\,(1 - e^{-\gamma t})$.

# %% [markdown] hint="scheduled_rate"
# Three `if`s that return, and a `raise` for what is left.

# %%
fig, (ax,) = plot.figure(1, width=6, height=2.6)
steps = range(0, 1001, 10)
for kind in ("constant", "linear", "curriculum"):
    ax.plot(steps, [scheduled_rate(step, 1000, 0.5, kind) for step in steps], label=kind)
ax.set(xlabel="step", ylabel="rate", ylim=(0, 0.55))
ax.legend()
told = f"The curriculum is at {scheduled_rate(100, 1000, 0.5, 'curriculum') / 0.5:.0%} of p"
ax.set_title(f"{told} in 100 of 1000 steps")
plot.show(fig, f"Three rates over 1000 steps. {told} after 100 of them.")

# %% check="scheduled_rate" points=1
# The curriculum: both ends, between them, and never falling.
with expect.case("scheduled_rate(200, 1000, 0.4, 'curriculum')"):
    found, e = scheduled_rate(200, 1000, 0.4, "curriculum"), math.exp(-2)
    expect.close(found, 0.4 * (1 - e), hint="1 - θ(t), which is p (1 - exp(-10 t / T)).", suspects=[
        (1 - 0.4 * (1 - e), "that is θ, the probability of keeping. Return 1 - θ."),
        (0.4 * e, "the rate falls from p to 0. It starts at 0 and comes in."),
        (0.6 * (1 - e), "p is put for θ̄. θ̄ keeps: θ̄ = 1 - p."),
        (0.6 * e + 0.4, "p is put for θ̄, and θ is returned. θ̄ = 1 - p; return 1 - θ."),
        (1 - e, "p is missing: the curve ends at 1."),
        (0.4 * (1 - math.exp(-0.2)), "γ is 1 / T. It is 10 / T."),
        (0.4, "the rate is p already: γ is 10 / total, not 10, and multiplies the step."),
        (0.08, "that is the straight line."),
    ])
with expect.case("scheduled_rate(step, 1000, p, 'curriculum') for a random step and p"):
    step, p = int(expect.rng().integers(20, 400)), expect.rng().random()
    expect.close(float(scheduled_rate(step, 1000, p, "curriculum")),
                 p - p * math.exp(-step / 100), rtol=1e-6,
                 hint="1 - θ(t), which is p (1 - exp(-10 t / T)).")
with expect.case("scheduled_rate(step, 50, 0.7, 'curriculum') for step 0 to 50"):
    rates = [float(scheduled_rate(step, 50, 0.7, "curriculum")) for step in range(51)]
    expect.close(rates[0], 0, hint="at step 0 nothing is dropped.")
    expect.close(rates[-1], 0.7 * (1 - math.exp(-10)), hint="it ends at p (1 - exp(-10)).")
    rising = all(rates[i] < rates[i + 1] for i in range(50))
    expect.equal(rising, True, hint="it rises at each step.")

# %% check="scheduled_rate" points=1
# The straight line and the constant.
with expect.case("scheduled_rate(step, 40, 0.6, 'linear') for steps 0, 10 and 40"):
    rates = torch.tensor([float(scheduled_rate(s, 40, 0.6, "linear")) for s in (0, 10, 40)])
    right = torch.tensor([0, 0.15, 0.6])
    expect.close(rates, right, rtol=1e-6, hint="p · step / total.", suspects=[
        (torch.tensor([0.6, 0.45, 0.0]), "the line falls. It starts at 0."),
        (torch.tensor([1, 0.85, 0.4]), "the line is of the probability to keep."),
        (torch.tensor([0, 0, 0.6]), "step // total is 0 until the end. Use /."),
        (torch.tensor([0, 0.25, 1]), "the line ends at 1. Multiply by p."),
        (torch.tensor([0, 6.0, 24]), "the line is not divided by total."),
    ])
with expect.case("scheduled_rate(step, 40, 0.6, 'constant') for steps 0, 10 and 40"):
    rates = torch.tensor([float(scheduled_rate(s, 40, 0.6, "constant")) for s in (0, 10, 40)])
    expect.close(rates, torch.full((3,), 0.6), rtol=1e-6, hint="p at every step.",
                 suspects=[(torch.full((3,), 0.4), "constant returns 1 - p. It drops: p.")])
with expect.case("scheduled_rate(step, 1000, p, kind) for a random step and p, both kinds"):
    step, p = int(expect.rng().integers(20, 400)), expect.rng().random()
    found = [float(scheduled_rate(step, 1000, p, kind)) for kind in ("linear", "constant")]
    expect.close(torch.tensor(found), torch.tensor([step / 1000 * p, p]), rtol=1e-5,
                 hint="p · step / total, and p.")

# %% check="scheduled_rate" points=1
# An unknown kind is refused.
with expect.case("scheduled_rate(1, 10, 0.5, 'Linear')"):
    expect.raises(ValueError, lambda: scheduled_rate(1, 10, 0.5, "Linear"),
                  mentions=("kind", "Linear"),
                  hint="a kind that is not known must not pass in silence.")

# %% mistakes="scheduled_rate"
{
    "Return 1 - θ.": ("p * (1 - math.exp(-10 * step / total))",
                      "p * math.exp(-10 * step / total) + 1 - p"),
    "falls from p to 0": ("(1 - math.exp(-10 * step / total))", "math.exp(-10 * step / total)"),
    "p is put for θ̄. θ̄ keeps": ("p * (1 - math", "(1 - p) * (1 - math"),
    "and θ is returned": ("p * (1 - math.exp(-10 * step / total))",
                          "(1 - p) * math.exp(-10 * step / total) + p"),
    "γ is 1 / T": ("-10 * step", "-step"),
    "the rate is p already": ("-10 * step / total", "-10 * step"),
    "p is missing": ("p * (1 - math", "(1 - math"),
    "that is the straight line": ("p * (1 - math.exp(-10 * step / total))", "p * (step / total)"),
    "it rises at each step": ("(1 - math.exp(-10 * step / total))",
                              "(1 - math.exp(-10 * max(step, step and 2) / total))"),
    "the line falls": ("p * step / total", "p * (1 - step / total)"),
    "of the probability to keep": ("p * step / total", "1 - p * step / total"),
    "step // total": ("p * step / total", "p * (step // total)"),
    "the line ends at 1": ("p * step / total", "step / total"),
    "not divided by total": ("p * step / total", "p * step"),
    "constant returns 1 - p": ("return p\n", "return 1 - p\n"),
    "must not pass in silence": ('raise ValueError(f"kind {kind!r} is unknown")', "return p"),
}

# %% correct="scheduled_rate"
def scheduled_rate(step, total, p, kind):
    share = {
        "constant": lambda t: 1.0,
        "linear": lambda t: t,
        "curriculum": lambda t: -math.expm1(-10 * t),
    }
    if kind not in share:
        raise ValueError("no such kind")
    return p * share[kind](step / total)

# %% [markdown]
# ## Exercise: `layer_rates`
#
# And must it be the same in all layers? Stochastic depth (Huang et al. 2016) drops block $l$ of
# $L$ at the rate $\frac{l}{L}\,p$: early blocks, on which everything rests, are nearly safe. The
# last one has rate $p$; the first has $p/L$, **not** 0, as blocks are counted from 1 (layer 0 is
# the input).

# %% exercise="layer_rates"
def layer_rates(p, depth):
    """The drop rate l / depth · p of each of the layers l = 1, …, depth, as a list."""
    check_probability(p)
    ### BEGIN SOLUTION
    return [p * layer / depth for layer in range(1, depth + 1)]
    ### END SOLUTION

# %% [markdown] hint="layer_rates"
# With 4 layers and $p = 0.8$: 0.2, 0.4, 0.6, 0.8.

# %% [markdown] hint="layer_rates"
# `range(depth)` starts at 0 and ends at depth − 1. Which range do you need?

# %% [markdown] hint="layer_rates"
# A list comprehension, or `torch.linspace` with the right first value.

# %% check="layer_rates" points=1
# Four layers and one.
with expect.case("layer_rates(0.6, 4)"):
    found, right = layer_rates(0.6, 4), torch.tensor([0.15, 0.3, 0.45, 0.6])
    expect.equal(len(found), 4, hint="one rate for each layer.",
                 suspects=[(5, "the input is no layer: start at l = 1.")])
    expect.close(
        torch.tensor([float(rate) for rate in found]),
        right,
        rtol=1e-6,
        hint="layer l has rate l / depth · p.",
        suspects=[
            (torch.tensor([0, 0.15, 0.3, 0.45]), "layers are counted from 0. Count from 1."),
            (torch.tensor([0, 0.2, 0.4, 0.6]), "the first rate is 0: that divides by depth - 1."),
            (right.flip(0), "the rates fall. Late layers drop most."),
            (torch.full((4,), 0.6), "all layers have rate p."),
            (torch.full((4,), 0.15), "p is shared out: it is the last rate."),
            (1 - right, "these are survival probabilities: 1 - rate."),
            (1 - 0.4 * right / 0.6, "the rates fall from 1 to p: p is the last layer's rate of "
                                    "dropping, and the first is nearly safe."),
            (0.4 * right / 0.6, "p is taken for the probability to survive."),
        ],
    )
with expect.case("layer_rates(p, depth) for a random p and depth"):
    p, depth = expect.rng().random(), int(expect.rng().integers(5, 30))
    expect.close(torch.tensor([float(rate) for rate in layer_rates(p, depth)]),
                 p / depth * torch.arange(1, depth + 1), rtol=1e-5,
                 hint="layer l has rate l / depth · p.")
with expect.case("layer_rates(0.3, 1)"):
    expect.close(float(layer_rates(0.3, 1)[0]), 0.3, hint="a single layer has rate p.")

# %% mistakes="layer_rates"
{
    "counted from 0": ("range(1, depth + 1)", "range(depth)"),
    "divides by depth - 1": ("p * layer / depth for layer in range(1, depth + 1)",
                             "p * layer / max(depth - 1, 1) for layer in range(depth)"),
    "the rates fall. Late": ("range(1, depth + 1)", "range(depth, 0, -1)"),
    "survival probabilities": ("[p * layer", "[1 - p * layer"),
    "all layers have rate p": ("p * layer / depth", "p"),
    "the input is no layer": ("range(1, depth + 1)", "range(depth + 1)"),
    "p is shared out": ("p * layer / depth", "p / depth"),
    "the rates fall from 1 to p": ("p * layer / depth", "1 - layer / depth * (1 - p)"),
    "taken for the probability to survive": ("p * layer", "(1 - p) * layer"),
}

# %% correct="layer_rates"
def layer_rates(p, depth):
    return torch.linspace(p / depth, p, depth, dtype=torch.float64).tolist()

# %% [markdown]
# ## Exercise: `variance_shift`
#
# "Dropout and batch norm both regularise, so use both." In training, batch norm learns the
# variance of what it gets, noise included. In evaluation the noise is gone, and it divides by a
# standard deviation that nobody has any more (Li et al. 2018, *variance shift*).
#
# A unit has mean $c$ and variance $v$. Dropout multiplies it by $m/q$, and
# $\mathrm{E}\,[(m/q)^2] = 1/q$, so
#
# $$ \mathrm{variance\ in\ training} = \frac{v + c^2}{q} - c^2, \qquad
#    \mathrm{variance\ in\ evaluation} = v . $$
#
# Their ratio is $1/q$ for mean 0, and **larger** for any other: a unit that always sends 1 has no
# variance at all, until a coin gives it some.

# %% exercise="variance_shift"
def variance_shift(p, mean=0.0, variance=1.0):
    """Variance in training / variance in evaluation of a unit behind inverted dropout.

    p : in [0, 1); at p = 1 the ratio is infinite
    mean, variance : of the unit before dropout, numbers or tensors of one shape; variance > 0
    """
    if not 0 <= p < 1:
        raise ValueError(f"p must be in [0, 1), not {p}")
    ### BEGIN SOLUTION
    return ((variance + mean**2) / (1 - p) - mean**2) / variance
    ### END SOLUTION

# %% [markdown] hint="variance_shift"
# Both variances stand above. Which goes over which?

# %% [markdown] hint="variance_shift"
# $\mathrm{variance} = \mathrm{E}\,[y^2] - (\mathrm{E}\,y)^2$: the square of the mean is taken
# away at the end, once, and without $q$.

# %% [markdown] hint="variance_shift"
# At mean 0 and variance 1 it must come out as $1/q$.

# %% check="variance_shift" points=1
# Mean 0: the ratio is 1 / (1 - p) whatever the variance.
with expect.case("variance_shift(0.2)"):
    expect.close(variance_shift(0.2), 1.25, hint="1 / (1 - p) at mean 0.", suspects=[
        (0.8, "that is evaluation over training. Turn it over."),
        (5, "that is 1 / p. p drops."),
        (0.25, "that is the noise alone. The signal's own variance adds to it."),
        (1.25**2, "1 / (1 - p) is squared: E[(m/q)²] is q · (1/q)²."),
        (0.8**2, "that is (1 - p)²: the scale 1 / (1 - p) of inverted dropout is missing."),
        (1.25**0.5, "that is the ratio of standard deviations."),
        (1, "the mean was kept, the variance is not."),
    ])
with expect.case("variance_shift(0.5, 0.0, 3.0)"):
    expect.close(variance_shift(0.5, 0.0, 3.0), 2, hint="at mean 0 the variance cancels.",
                 suspects=[(6, "divide by the variance in evaluation.")])

# %% check="variance_shift" points=1
# Another mean, and many units at once.
with expect.case("variance_shift(0.5, mean=2.0, variance=0.5)"):
    found = variance_shift(0.5, 2.0, 0.5)
    expect.close(found, 10, hint="((v + c²) / (1 - p) - c²) / v.", suspects=[
        (2, "the mean plays no part. It does: a constant unit becomes noisy."),
        (18, "that is the mean square. Take the square of the mean away."),
        (6, "c is not squared."),
        (5, "divide by the variance in evaluation."),
    ])
with expect.case("variance_shift(0.3, mean, variance) for four units"):
    draw = expect.generator()
    c, v = (torch.randn(4, generator=draw).double() for _ in range(2))
    v = v**2 + 0.1
    found = variance_shift(0.3, c.clone(), v.clone())
    expect.close(found, ((v + c**2) / 0.7 - c**2) / v, rtol=1e-6,
                 hint="mean and variance may be tensors.")

# %% mistakes="variance_shift"
{
    "evaluation over training": ("((variance + mean**2) / (1 - p) - mean**2) / variance",
                                 "variance / ((variance + mean**2) / (1 - p) - mean**2)"),
    "that is 1 / p": ("/ (1 - p)", "/ p"),
    "the noise alone": ("((variance + mean**2) / (1 - p) - mean**2)",
                        "p / (1 - p) * (variance + mean**2)"),
    "is squared": ("/ (1 - p)", "/ (1 - p) ** 2"),
    "that is (1 - p)²": ("/ (1 - p)", "* (1 - p) ** 2"),
    "ratio of standard deviations": ("mean**2) / variance", "mean**2) ** 0.5 / variance**0.5"),
    "the mean was kept": (" / (1 - p)", ""),
    "the mean plays no part": ("((variance + mean**2) / (1 - p) - mean**2) / variance",
                               "1 / (1 - p)"),
    "that is the mean square": (" - mean**2", ""),
    "c is not squared": ("((variance + mean**2) / (1 - p) - mean**2)",
                         "((variance + mean) / (1 - p) - mean)"),
    "divide by the variance in evaluation": (" / variance", ""),
}

# %% correct="variance_shift"
def variance_shift(p, mean=0.0, variance=1.0):
    noise = p / (1 - p) * (variance + mean * mean)
    return 1 + noise / variance

# %% [markdown]
# Measure it. Below, networks of six layers of 64 units, each followed by batch norm, learn 1000
# small printed digits, five networks each: without dropout, with dropout directly before every
# batch norm, and with dropout moved behind the last one. Dotted: your `variance_shift` with every
# unit's own mean and variance. Hollow bars: the same networks, batch norm's statistics estimated
# anew with dropout off. What that saves is the price of the *shift*; the rest is the noise's.

# %% figure=true
# The ratio of variances by layer, and the error with old and with new statistics.
X, y = variants.images(1000, seed=0)
X_test, y_test = variants.images(2000, seed=2)
settings = {
    "no dropout": {},
    "p = 0.1 before each": {"before": 0.1},
    "p = 0.3 before each": {"before": 0.3},
    "p = 0.3 behind the last": {"after": 0.3},
}
ratios, predicted, before, after = {}, {}, [], []
for name, how in settings.items():
    norm = variants.BatchNorm(6, **how)
    nets = variants.classifiers(X, y, norm, hidden=(64,) * 6, batch=50, steps=600)
    before.append(100 * nets.error(X_test, y_test).numpy())
    nets.error(X, y)
    whole = dict(norm.seen)  # by layer: mean and variance in evaluation
    with torch.no_grad():
        nets(nets.each(X), time=1.0)  # … and in training
    ratios[name] = [(norm.seen[k][1] / whole[k][1]).mean(-1).flatten() for k in range(6)]
    predicted[name] = [variance_shift(norm.before, *whole[k]).mean().item() for k in range(6)]
    norm.running = whole  # batch norm's statistics as evaluation needs them
    for _ in range(6):  # the layers above then meet other values: once for each of them
        nets.error(X, y)
        norm.running = dict(norm.seen)
    after.append(100 * nets.error(X_test, y_test).numpy())

fig, (left, right) = plot.figure(2, width=9, height=3.4)
colors = (plot.INK, plot.SKY, plot.ORANGE, plot.GREEN)
for (name, found), color in zip(ratios.items(), colors, strict=True):
    runs = torch.stack(found).numpy()
    left.errorbar(range(1, 7), runs.mean(1), plot.standard_error(runs, 1), color=color,
                  marker="o", markersize=4, capsize=2, label=name)
    if "each" in name:
        left.plot(range(1, 7), predicted[name], ":", color=color)
first, last = (ratios["p = 0.3 before each"][k].mean().item() for k in (0, 5))
left.set(xlabel="layer", ylabel="variance, training / evaluation", ylim=(0.8, 4.6),
         title=f"p = 0.3: from {first:.1f} in layer 1 to {last:.1f} in layer 6")
left.legend(fontsize=8, ncols=2, loc="upper left")
for shift, (runs, label) in enumerate(((before, "running statistics"), (after, "re-estimated"))):
    runs = np.array(runs)
    drawn = right.bar(np.arange(4) + 0.4 * shift - 0.2, runs.mean(1), 0.38, capsize=3,
                      yerr=plot.standard_error(runs, 1), label=label, ecolor=plot.INK,
                      color=[color if shift == 0 else "white" for color in colors],
                      edgecolor=colors, linewidth=1.5)
    right.bar_label(drawn, fmt="%.0f", padding=2)
right.set(xticks=range(4), ylabel="error rate on new images, %", ylim=(0, 60),
          xticklabels=["none", "0.1\nbefore\neach", "0.3\nbefore\neach", "0.3\nbehind\nthe last"],
          title="New statistics change the error by\n"
                + ", ".join(f"{plot.difference(after[k], before[k]):.1f}" for k in (1, 2)))
plot.show(fig, "Left: variance ratio by layer for four nets. Right: their errors, before and after "
          "the statistics of batch norm are estimated anew; the title has p = 0.1, then 0.3.")

# %% [markdown]
# In the first layer your formula is exact; further up the ratio is larger, since a layer that meets
# too small a signal in evaluation hands it on. Moving dropout behind the last batch norm brings the
# ratio to 1. And the error? At $p=0.3$ the shift costs several points, and the noise itself far
# more. But at $p=0.1$ new statistics save no more than without any dropout, a quarter of a point,
# and these networks are the *best* of the four; moved dropout is hardly better than none. Li et
# al. found harm in large image networks. Measure both prices before you move it.
#
# ## All variants, one table
#
# One task: the same images, two hidden layers of 128 units, five seeds. Every noise stands on
# hidden units, or on the weights that leave them, and has variance $p/q = 1/3$ on average over
# steps and layers (standout begins there, and then goes where it likes). Only the last row has
# alpha dropout at the *rate* 0.25, at four times the noise. **Commit yourself first: how many
# points lie between the best and the worst of the seven noises in ReLU networks?** (About half a
# minute.)

# %% guess=true
my_spread = 3.0  # points of error between the best and the worst of the seven noises

# %% figure=true
# Twelve kinds of noise at one variance: the errors of five networks each.
guess = expect.guess(my_spread)
P, STEPS = 0.25, 1000  # the noise of a factor has variance P / (1 - P) = 1/3 in every row


def bernoulli(rate):
    """Dropout of the hidden units, with probability rate(depth, time)."""
    return variants.noisy(lambda h, depth, time: F.dropout(h, rate(depth, time)))


def connected(h, W, b, depth, time):
    """DropConnect on the weights that leave hidden units."""
    if depth == 0 or time is None:
        return variants.affine(h, W, b)
    return torch.stack([dropconnect_linear(*own, P) for own in zip(h, W, b, strict=True)])


def standout(h, W, b, depth, time):
    """Each hidden unit is kept with a probability of its own, 1 - P on average at the start."""
    z = variants.affine(h, W, b)
    if depth == 2:
        return z
    beta = math.log((1 - P) / P)
    keep = torch.stack([standout_probability(*own, 1.0, beta)
                        for own in zip(h.detach(), W.detach(), strict=True)])
    return z * (keep if time is None else torch.rand_like(keep) < keep)


def schedule(kind):
    """The top rate whose schedule has the mean noise of P, and dropout with this schedule."""
    top = variants.matched(
        P, lambda top: [scheduled_rate(step, STEPS, top, kind) for step in range(STEPS)])
    return top, bernoulli(
        lambda depth, time: scheduled_rate(round(STEPS * time), STEPS, top, kind))


relu, selu = {}, {"activation": torch.selu, "gain": 1.0}
rising, linear = schedule("linear")
saturating, curriculum = schedule("curriculum")
deep = variants.matched(P, lambda top: layer_rates(top, 2))
least = 1.0507009873554805 * 1.6732632423543772  # alpha dropout's noise: p / q · (1 + least²)
gentle = 1 / (1 + (1 - P) / P * (1 + least**2))
rows = {
    "no noise": (variants.plain, relu),
    "Bernoulli": (bernoulli(lambda depth, time: P), relu),
    "Gaussian": (variants.noisy(lambda h, depth, time: gaussian_dropout(h, P)), relu),
    "DropConnect": (connected, relu),
    "standout": (standout, relu),
    f"linear, 0 to {rising:.2f}": (linear, relu),
    f"curriculum, 0 to {saturating:.2f}": (curriculum, relu),
    f"layers {deep / 2:.2f} and {deep:.2f}": (
        bernoulli(lambda depth, time: layer_rates(deep, 2)[depth - 1]), relu),
    "SELU, no noise": (variants.plain, selu),
    "SELU, Bernoulli": (bernoulli(lambda depth, time: P), selu),
    f"SELU, alpha, p = {gentle:.2f}": (
        variants.noisy(lambda h, depth, time: alpha_dropout(h, gentle)), selu),
    f"SELU, alpha, p = {P}": (variants.noisy(lambda h, depth, time: alpha_dropout(h, P)), selu),
}
trained = {
    name: variants.classifiers(X, y, layer, hidden=(128, 128), batch=25, steps=STEPS, **how)
    for name, (layer, how) in rows.items()
}
errors = np.array([100 * nets.error(X_test, y_test).numpy() for nets in trained.values()])

fig, (ax,) = plot.figure(1, width=7.5, height=4.2)
place = np.arange(len(rows))[:, None]
color = [plot.INK, *[plot.BLUE] * 7, plot.INK, *[plot.GREEN] * 2, plot.ORANGE]
ax.scatter(errors, place + 0 * errors, s=10, color=plot.GREY, alpha=0.6)
ax.errorbar(errors.mean(1), place[:, 0], xerr=plot.standard_error(errors, 1), fmt="none",
            ecolor=plot.INK, capsize=4)
ax.scatter(errors.mean(1), place[:, 0], s=36, color=color, zorder=3)
for row, runs in enumerate(errors):
    ax.text(19, row, f"{runs.mean():.1f} ± {plot.standard_error(runs):.2f}", va="center")
best = errors[1:8].mean(1).min()
ax.axvspan(best, best + guess, ymin=4 / 12, ymax=11 / 12, color=plot.PALE, zorder=-1)
ax.annotate("your guess", (best + guess, 6.9), ha="right", color=plot.GREY)
noisy = errors[1:8].mean(1)
typical = plot.standard_error(errors[1:8], 1).mean()
told = f"Best to worst of seven noises: {np.ptp(noisy):.1f} points (each ± {typical:.1f})"
for row, last in ((0, 7.4), (8, 11.4)):
    ax.plot([errors[row].mean()] * 2, [row, last], ":", color=plot.GREY, zorder=0)
ax.set(yticks=place[:, 0], yticklabels=list(rows), ylim=(11.6, -0.6), xlim=(12, 20.2),
       xlabel="error rate on 2000 new images, % (5 networks each, mean ± s.e.)",
       title=told)
plot.show(fig, f"Error rates of twelve variants, those with one noise variance beside those "
               f"without noise. {told}")

# %% [markdown]
# In ReLU networks each of the seven noises takes about a point of error away, and they differ from
# one another by little more than their standard errors. (In our runs DropConnect came out last, or
# last but one, by some tenths of a point: a hint at most.) What mattered was that noise was there.
# Each variant's own best rate might part them; at *this* noise there is no ranking.
#
# In SELU networks a coin takes half a point away, alpha dropout of the same variance about two, and
# at the same *rate*, with four times the noise, less than that. (That all SELU rows lie above the
# others says that two layers need no self-normalising.)
#
# The paper saw Gaussian noise ahead of the coin, 0.95 ± 0.04 % against 1.08 ± 0.04 % on MNIST (its
# Table 10). As `python3 grader paper table10` last measured it:

# %%
reproduced.show("table10")

# %% [markdown]
# ## Does dropout protect?
#
# "A network that bears noise bears attacks." An attacker's change is no noise: FGSM (Goodfellow,
# Shlens and Szegedy 2015) moves every pixel by ε in the direction that raises the loss most. A
# network may only *seem* sturdy, where a sure softmax leaves no gradient to follow; so the middle
# figure attacks the margin between logits.

# %%
sizes = [0, 0.01, 0.02, 0.04, 0.06]
some, labels = X_test[:1000], y_test[:1000]
fig, axes = plot.figure(3, width=9, height=3)
told = []
for ax, (goal, what) in zip(axes, {
    "loss": "FGSM", "margin": "On the margin", "random": "Random signs",
}.items(), strict=True):
    under_attack = {}
    for name, color in (("no noise", plot.ORANGE), ("Bernoulli", plot.BLUE),
                        ("Gaussian", plot.GREEN)):
        nets = trained[name]
        signs = variants.ascent(nets, some, labels, goal)
        wrong = np.array([
            [100 * (logits.argmax(-1) != labels).float().mean() for logits in
             nets((some + size * signs).clamp(0, 1)).detach()] for size in sizes])
        under_attack[name] = wrong[1:].mean(0)
        ax.errorbar(sizes, wrong.mean(1), plot.standard_error(wrong, 1), color=color,
                    marker="o", markersize=4, capsize=2, label=name)
    gap = plot.difference(under_attack["Bernoulli"], under_attack["no noise"])
    told.append(f"{what}: dropout {gap:.1f} points")
    ax.set(xlabel="change of each pixel, ε", ylim=(0, 100), title=told[-1])
axes[0].set_ylabel("error rate, %")
axes[0].legend(loc="lower right")
plot.show(fig, "Error against the size of the attack, by the loss's gradient, the margin's, and "
          f"random signs. Bernoulli dropout against no noise, mean over ε: {'; '.join(told)}.")

# %% [markdown]
# Six or seven points less at ε = 0.02, also for the second attack: a real effect, and no defence.
# At ε = 0.06, six hundredths of the way from white to black, nine images in ten are misread either
# way. Random signs of the same size do little: directions hurt, and dropout has never met them.
#
# ## Noise as a task
#
# Dropout on *inputs*, without the factor $1/q$, is the masking noise of the denoising autoencoder
# (Vincent et al. 2008), which is to give back the whole image. Five autoencoders each, trained with
# 0, 25 and 50 % of pixels lost, and tried on this damage and on another.

# %%
def punched(p):
    """Masking noise: each pixel is lost with probability p, the others stay as they are."""
    return lambda x: x * (torch.rand_like(x) >= p)


def blurred(deviation):
    """Gaussian noise on each pixel."""
    return lambda x: x + deviation * torch.randn_like(x)


learnt, tried = (0.0, 0.25, 0.5), (0.0, 0.25, 0.5, 0.7)
coders = {p: variants.denoisers(X, punched(p)) for p in learnt}
clean, found = X_test[:500], {punched: {}, blurred: {}}
fig, axes = plot.figure(2, width=9, height=3.2)
for ax, (damage, levels, label) in zip(axes, (
    (punched, tried, "share of pixels lost"),
    (blurred, (0, 0.1, 0.2, 0.3, 0.4), "standard deviation of Gaussian noise"),
), strict=True):
    for (p, nets), color in zip(coders.items(), (plot.INK, plot.SKY, plot.BLUE), strict=True):
        runs = np.array([
            (nets(damage(level)(nets.each(clean))) - clean).detach().square().mean((1, 2)).sqrt()
            for level in levels])
        found[damage][p] = runs.mean(1)
        ax.errorbar(levels, runs.mean(1), plot.standard_error(runs, 1), color=color, marker="o",
                    markersize=4, capsize=2, label=f"learnt with {p:.0%} lost")
    nothing = [(damage(level)(clean) - clean).square().mean().sqrt() for level in levels]
    ax.plot(levels, nothing, "--", color=plot.GREY, label="the damaged image itself")
    ax.set(xlabel=label, ylim=(0, 0.35))
best = [min(learnt, key=lambda p: found[punched][p][i]) for i in range(len(tried))]
told = ", ".join(f"at {level:.0%} lost {p:.0%}" for level, p in zip(tried, best, strict=True))
axes[0].set(ylabel="r.m.s. error of a pixel", title="Masking noise, as in training")
axes[1].set_title("Gaussian noise, not met in training")
axes[0].legend(fontsize=8)
plot.show(fig, "Reconstruction error against damage, for three autoencoders. Best of them is, "
          f"{told} in training.")

# %% [markdown]
# Each is best near the damage that it was trained on. The one trained with half the pixels lost
# pays on whole images, where it makes twice the error, and against Gaussian noise it has no
# advantage at the levels tried: "robust" always needs "to what".
#
# And a generative adversarial network? Dropout in the discriminator is often advised, to keep the
# generator from collapsing onto a few modes. A small test: points on a ring of eight modes.

# %%
rates = (0.0, 0.1, 0.5)
points = variants.generators(rates)
fig, axes = plot.figure(4, width=9.5, height=3.1)
real = variants.ring(1000)
covered, good = ([part.float().numpy() for part in parts]
                 for parts in zip(*map(variants.modes, points), strict=True))
names = ["Data: eight modes", "No dropout"]
for p, modes in zip(rates[1:], covered[1:], strict=True):
    names.append(f"p = {p}: " + plot.difference(modes, covered[0]).says(
        more="finds more modes", less="finds fewer modes", same="no clear change"))
for ax, own, name in zip(axes, (real, *points[:, 0]), names, strict=True):
    ax.scatter(*own.T, s=2, color=plot.GREY if own is real else plot.BLUE)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], title=name)
for ax, modes, near in zip(axes[1:], covered, good, strict=True):
    ax.set_xlabel(f"{modes.mean():.1f} ± {plot.standard_error(modes):.1f} modes\n"
                  f"{near.mean():.0%} ± {plot.standard_error(near):.0%} near one")
plot.show(fig, "Points from generators trained against discriminators with dropout of 0, 0.1, 0.5. "
          f"{'; '.join(names[2:])}.")

# %% [markdown]
# Shown is the first of eight pairs of networks. At $p=0.5$ the generator finds far fewer modes in
# the same 1000 steps: the judge that it must please is a noisy one. Between 0 and 0.1 eight
# pairs do not decide: run the cell again, and see. And eight points on a circle are not images.
#
# ## Frontier
#
# **Learned rates.** A rate has no gradient through a coin. *Concrete dropout* (Gal, Hron and
# Kendall 2017) softens the coin until it has one, and adds a term that rewards noise: the training
# loss alone would choose none. Below, evolution instead (population-based training, Jaderberg et
# al. 2017): five populations of six networks, each network with a rate of its own; every 50 steps
# the worst on validation data becomes a copy of the best, its rate moved a little.

# %%
validation = variants.images(1000, seed=1)
history, found = variants.populations((X, y), validation)
fixed = {}
for p in (0.0, 0.1, 0.2, 0.3):
    layer = variants.noisy(lambda h, depth, time, p=p: F.dropout(h, p))
    nets = variants.classifiers(X, y, layer, hidden=(64, 64), batch=25, steps=1000)
    fixed[p] = 100 * nets.error(X_test, y_test).numpy()
own = 100 * found.error(X_test, y_test).numpy()

fig, (left, right) = plot.figure(2, width=9, height=3)
course = history.mean((1, 2))
lowest = int(course.argmin())
told = (f"{course[0]:.2f} at first, {course[lowest]:.2f} at step {50 * lowest},\n"
        f"{course[-1]:.2f} at the end")
left.plot(50 * np.arange(len(history)), history.mean(2), color=plot.SKY, linewidth=1)
left.plot(50 * np.arange(len(history)), course, color=plot.BLUE, linewidth=3)
left.set(xlabel="step", ylabel="drop rate, mean of a population", ylim=(0, 0.45),
         title=f"Mean rate {told}")
runs = [*fixed.values(), own]
gap = plot.difference(own, min(fixed.values(), key=np.mean))
plot.bars([r.mean() for r in runs], [*[f"p = {p:g}" for p in fixed], "learnt"], right,
          spread=[plot.standard_error(r) for r in runs], colors=[*[plot.GREY] * 4, plot.BLUE])
right.set(xlabel="error rate on new images, % (5 ± s.e.)",
          title=f"Learnt − best fixed: {gap:.1f} points")
plot.show(fig, f"Left: the mean drop rate of five populations, {told}. Right: error rates of four "
          f"fixed rates and of the learnt one, which differs from the best by {gap:.1f} points.")

# %% [markdown]
# Noise is thrown out while the network has yet to learn, and some comes back at the end: a
# curriculum that nobody asked for. It ends as good as the best fixed rate, for the price of six
# networks.
#
# **Spikes.** An integrate-and-fire neuron answers with a number of spikes. {{sequences}}'s question
# returns: a new mask at each step, or one for all? Lee et al. (2020, Algorithm 1) keep one mask
# for all time steps of an input. Below, both, at $p=0.5$.

# %%
fig, (left, right) = plot.figure(2, width=9, height=2.8)
runs, noise = {}, {}
for name, p, held, color in (("none", 0.0, True, plot.INK), ("single spikes", 0.5, False, plot.SKY),
                             ("whole neurons", 0.5, True, plot.BLUE)):
    nets = variants.Spiking(p, held).train(X, y)
    with torch.no_grad():
        logits = nets(X_test.expand(5, -1, -1))
        runs[name] = 100 * (logits.argmax(-1) != y_test).float().mean(-1).numpy()
        if p:
            some = X_test[:200].expand(5, -1, -1)
            counts = nets.counts(some)
            spread = torch.stack([nets.counts(some, training=True) for _ in range(20)]).var(0)
            noise[name] = [(spread[counts == k] / k**2).mean() for k in range(1, 8)]
            left.plot(range(1, 8), noise[name], "o", color=color, label=name)
k = np.arange(1, 8)
left.plot(k, 1 / k, ":", color=plot.GREY, label="p / (1 - p) / spikes")
left.plot(k, 0 * k + 1, "--", color=plot.GREY, label="p / (1 - p)")
left.set(xlabel="spikes of a neuron in 8 steps", ylabel="relative variance of its count",
         ylim=(0, 1.5), title="Noise at 7 spikes, by noise at 1:\n" + ", ".join(
             f"{name} {own[-1] / own[0]:.2f}" for name, own in noise.items()))
left.legend(fontsize=8, ncols=2)
plot.bars([r.mean() for r in runs.values()], list(runs), right, colors=plot.BLUE,
          spread=[plot.standard_error(r) for r in runs.values()])
gaps = ",\n".join(f"{name} {plot.difference(runs[name], runs['none']):.1f}" for name in noise)
right.set(xlabel="error rate on new images, % (5 ± s.e.)", title=f"Points more than none:\n{gaps}")
plot.show(fig, "Left: noise in a neuron's spike count when spikes or neurons are dropped. Right: "
          f"the error rates of spiking networks; points more than without dropout: {gaps}.")

# %% [markdown]
# A neuron that fires $k$ spikes averages over $k$ coins: its noise is $p/q/k$; dropped as a whole,
# $p/q$. "Rate 0.5" without saying of what means little here. In 500 steps neither helped.
#
# **Circuits.** In a quantum neural network parameters are angles of gates, and dropout leaves
# gates out (Scala et al. 2023). Simulated, not run on hardware: three qubits, 24 gates, ten noisy
# points of a curve. And is there weight scaling, all angles times $q$?

# %%
rates = (0.0, 0.1, 0.3)
whole, scaled = (part.numpy() for part in variants.circuits(rates))
fig, (left, right) = plot.figure(2, width=9, height=2.6)
told = []
for ax, runs, what in ((left, whole - whole[0], "Leaving out gates"),
                       (right, scaled - whole, "Weight scaling")):
    signs = [plot.difference(run).sign for run in runs[1:]]
    told.append(f"{what} helps at {signs.count(-1)} of 2 rates, harms at {signs.count(1)}")
    ax.axvline(0, color=plot.GREY, linewidth=1)
    ax.scatter(runs[1:], np.arange(2)[:, None] + 0 * runs[1:], s=10, color=plot.GREY, alpha=0.6)
    ax.errorbar(runs[1:].mean(1), range(2), xerr=plot.standard_error(runs[1:], 1), fmt="o",
                color=plot.BLUE, capsize=4)
    ax.set(yticks=range(2), yticklabels=["p = 0.1", "p = 0.3"], ylim=(1.5, -0.5), title=told[-1])
left.set_xlabel("test error − that without dropout, 100 circuits ± s.e.")
right.set_xlabel("test error with angles · (1 − p) − as they are")
plot.show(fig, "Paired differences of test error of simulated circuits with and without dropped "
          f"gates, and with and without scaled angles. {'. '.join(told)}.")

# %% [markdown]
# Scala et al. report less overfitting; a hundred small circuits show no clear help. Clear is the
# right figure: an output made of sines and cosines is not linear in the angles, so scaling them is
# worse than leaving them as they are.

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="uncorrelated" points=1
# Two units read the same 100 inputs with the same weights. Their noise is uncorrelated with:
#
# - [ ] dropout on the inputs
# - [ ] Gaussian noise on the inputs
# - [x] DropConnect
#
# Hint: look at the right side of the explorer.

# %% question="alpha_answer" points=1
# To compare alpha dropout fairly with dropout at p = 0.5, its rate must be:
#
# - [x] smaller
# - [ ] the same
# - [ ] larger
#
# Hint: how far does it throw a unit, compared with a throw to 0?

# %% question="batch_norm" points=1
# Dropout stands directly before batch norm. In evaluation batch norm divides by a variance that
# is:
#
# - [ ] too small
# - [x] too large
# - [ ] right
#
# Hint: is variance_shift above or below 1?

# %% [markdown]
# ## In your own words
#
# A paper reports: "DropThing at rate 0.5 beats dropout at rate 0.5 by 0.3 points (one run each), so
# its noise is the better one." DropThing has three times the noise variance of a coin at the same
# rate. What has the comparison shown, what has it not, and how would you repeat it? Answer in three
# to six sentences. (In a class, your instructor grades this.)

# %% [markdown] answer="fair_comparison" points=3
# ### BEGIN SOLUTION
# *Marking guide.* One point: strength and kind are confounded; equal rate is not equal noise, so
# dropout at a higher rate might do as well. One point: a repeat matches the variance (coin with
# odds three times as large, 0.75), or better tunes each one's rate on validation data with the
# same budget. One point: several seeds with their spread, the same seeds for both (paired); 0.3
# points of one run each lie within what seeds do (a number from the table earns this too).
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - A noise is first a mean and a variance. Matched in variance, seven noises took about the same
#   point of error away in ReLU networks; at the same *rate* they may differ fourfold in strength.
# - It must fit its surroundings: alpha dropout kept SELU's mean 0 and variance 1 over 32 layers,
#   where ordinary dropout at $p=0.1$ moved the standard deviation to about 1.26.
# - Variance shift is real, grows with depth, and vanishes behind the last batch norm. It cost
#   error at $p=0.3$, none at $p=0.1$.
# - Dropout is no defence: it made FGSM a little less harmful.
#
# **Read.** Wan et al., *Regularization of neural networks using DropConnect*, ICML 2013. Srivastava
# et al., JMLR 15 (2014), §10. Klambauer et al., *Self-normalizing neural networks*, NIPS 2017.
# Ba and Frey, *Adaptive dropout for training deep neural networks*, NIPS 2013. Morerio et al.,
# *Curriculum dropout*, ICCV 2017. Huang et al., *Deep networks with stochastic depth*, ECCV 2016.
# Li et al., *Understanding the disharmony between dropout and batch normalization by variance
# shift*, CVPR 2019 (arXiv 2018). For the frontier: Gal, Hron and Kendall, *Concrete dropout*, NIPS
# 2017; Lee et al., Frontiers in Neuroscience 14:119 (2020); Scala et al., *A general approach to
# dropout in quantum neural networks*, arXiv:2310.04120 (2023).
#
# **Stretch.** When testing, Wan et al. draw pre-activations from a normal distribution with
# DropConnect's mean and variance, and average what comes out. Compare it with testing on $W$, for
# few and for many inputs.
#
# **Still open.** A mask of weights for each sample is large: 64 samples and a layer of 4096 × 4096
# ask for a billion coins. Must a mask be stored at all? {{stateless_masks}}.
