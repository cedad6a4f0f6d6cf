# %% [markdown]
# # 2.6 · Learned rates
#
# **Can a network find its own p?**
#
# *{{minutes}} minutes. Before: {{uncertainty}}. After, you will be able to send a gradient through
# a coin, to let a network learn how much to drop, to give each weight a noise of its own, and to
# say which control such a method needs.*
#
# | symbol | meaning |
# | --- | --- |
# | $p$ | probability that a unit is **dropped** |
# | $m$, $z$ | mask of 0 and 1 (1 keeps); a soft mask, between 0 and 1 |
# | $t$ | temperature: how soft |
# | $\sigma$, $\operatorname{logit}$ | $\sigma(a) = 1/(1+e^{-a})$; its inverse $\log\frac{p}{1-p}$ |
# | $\theta$, $\alpha$ | a weight's mean, and the variance of its noise relative to $\theta^2$ |
# | $H(p)$ | entropy of a coin, $-p\log p - (1-p)\log(1-p)$ |

# %% setup=true
import math

import numpy as np
import torch

from dropoutlab import expect, explore, forecasters, learned, plot

torch.set_num_threads(1)  # products this small wait for each other's threads

# %% [markdown]
# ## A knob that nobody has turned
#
# ### One question from {{uncertainty}}
#
# The band of MC dropout was hardly narrower with 3000 points than with 30. Why?
#
# <details><summary>Answer</summary>
#
# Its width is set by $p$, and $p$ was the same. Masks drop as many units after 3000 points.
# </details>
#
# So $p$ ought to follow the data. You could search for it, training once for each value in each
# layer. Or $p$ may be learned with the weights, by gradient descent, in one training. That needs
# two things: a gradient with respect to $p$, and a loss that does not simply choose $p=0$. We take
# them in turn.
#
# The first is harder than it looks. A mask is a comparison, `u >= p`. Move $p$ a little, and the
# mask nearly always stays as it was. Its derivative is 0, except at the jump, where there is none.
# Yet the *mean* loss over masks, $L(p) = \mathbb E_m[f(m)]$, is a smooth function of $p$.
#
# ## Exercise: `score_gradient`
#
# Here is a way that is always right on average. In $L(p)$, only the masks' probabilities depend on
# $p$:
#
# $$ \frac{dL}{dp} = \sum_m f(m)\,\frac{dP(m)}{dp} = \sum_m f(m)\,P(m)\,\frac{d \log P(m)}{dp}
# = \mathbb E_m\Bigl[f(m)\,\frac{d \log P(m)}{dp}\Bigr] . $$
#
# So draw masks, weight each loss with the slope of its log probability, and average. Here
# $\log P(m)$ is $\log p$ for each dropped unit and $\log(1-p)$ for each kept one.

# %% exercise="score_gradient"
def score_gradient(losses, masks, p):
    """The mean over k masks of loss · d log P(mask) / dp, an estimate of dL/dp.

    losses : (k,) tensor, f of each mask
    masks : (k, n) tensor of 0 and 1, each entry 0 with probability p
    p : probability of dropping, above 0 and below 1. Returns a number; losses and masks are left
    as they are.
    """
    ### BEGIN SOLUTION
    gone = (1 - masks).sum(1)
    kept = masks.sum(1)
    return (losses * (gone / p - kept / (1 - p))).mean()
    ### END SOLUTION

# %% [markdown] hint="score_gradient"
# How many units of each mask were dropped, and how many kept? Sum over the right axis.

# %% [markdown] hint="score_gradient"
# The derivative of $\log p$ is $1/p$. That of $\log(1-p)$ has a sign.

# %% [markdown] hint="score_gradient"
# Each mask has one slope and one loss: multiply the two. The mean comes last.

# %% check="score_gradient" points=2
# Against the formula, with the slope of log P by autograd.
rng, p = expect.rng(), 0.3
masks, losses = (rng.random((7, 5)) >= p).astype(float), rng.normal(size=7)
masks[0] = 1
for dtype in (torch.float64, torch.float32):
    given = torch.tensor(p, dtype=torch.float64, requires_grad=True)
    each = [torch.autograd.grad((torch.tensor(m) * torch.log(1 - given)
                                 + torch.tensor(1 - m) * torch.log(given)).sum(), given)[0]
            for m in masks]
    slope = np.array([float(s) for s in each])
    gone, kept = (1 - masks).sum(1), masks.sum(1)
    with expect.case("score_gradient(losses, masks, p=0.3) on 7 masks of 5 units, "
                     f"{str(dtype)[6:]}"):
        given = [torch.tensor(part, dtype=dtype) for part in (losses, masks)]
        before = [part.clone() for part in given]
        found = score_gradient(*given, p)
        for now, then in zip(given, before, strict=True):
            expect.unchanged(now, then)
        expect.close(found, (losses * slope).mean(), rtol=1e-5, atol=1e-5,
                     hint="the mean over masks of loss · (dropped / p - kept / (1 - p)).",
                     suspects=[
            ((losses * slope).sum(), "that is the sum over the masks. Take the mean."),
            (losses * slope, "that is one number per mask. Take the mean."),
            (slope.mean(), "the losses are missing: they weight the slopes."),
            (losses.mean() * slope.mean(), "two means are multiplied, or (k,) and (k, 1), which "
                                           "broadcast. Multiply mask by mask first."),
            (-(losses * slope).mean(), "the sign is wrong: where a unit is dropped, the slope is "
                                       "1 / p."),
            ((losses * (kept / p - gone / (1 - p))).mean(), "p is swapped: an entry is 0 with "
                                                            "probability p."),
            ((losses * (gone / p + kept / (1 - p))).mean(), "the derivative of log(1 - p) is "
                                                            "-1 / (1 - p)."),
            ((losses * (gone * np.log(p) + kept * np.log(1 - p))).mean(),
             "that is log P, not its derivative."),
            ((losses * slope).mean() / 5, "that is the mean over units too. Sum over units: a "
                                          "mask's log P is a sum."),
        ])

# %% mistakes="score_gradient"
{
    "sum over the masks": (".mean()", ".sum()"),
    "one number per mask": (".mean()", ""),
    "losses are missing": ("losses * (", "(0 * losses + 1) * ("),
    "two means are multiplied": ("(losses * (", "(losses.mean() * ("),
    "which broadcast": ("(1 - masks).sum(1)\n    kept = masks.sum(1)",
                        "(1 - masks).sum(1, True)\n    kept = masks.sum(1, True)"),
    "writes into its input": ("return (losses * (gone / p - kept / (1 - p)))",
                              "losses *= gone / p - kept / (1 - p)\n    return losses"),
    "sign is wrong": ("return (", "return -("),
    "p is swapped": ("gone / p - kept / (1 - p)", "kept / p - gone / (1 - p)"),
    "derivative of log(1 - p)": ("p - kept", "p + kept"),
    "not its derivative": ("gone / p - kept / (1 - p)",
                           "gone * math.log(p) + kept * math.log(1 - p)"),
    "mean over units too": ("(1 - masks).sum(1)\n    kept = masks.sum(1)",
                            "(1 - masks).mean(1)\n    kept = masks.mean(1)"),
}

# %% correct="score_gradient"
def score_gradient(losses, masks, p):
    total = 0.0
    for loss, mask in zip(losses, masks, strict=True):
        p_ = torch.tensor(float(p), requires_grad=True)
        log_p = torch.where(mask > 0, torch.log(1 - p_), torch.log(p_)).sum()
        log_p.backward()
        total = total + float(loss) * p_.grad
    return total / len(masks)

# %% [markdown]
# ## Exercise: `concrete_mask`
#
# That gradient is right on average, and noisy: it never asks in which *direction* a mask should
# change. Gal, Hron and Kendall (2017) soften the coin instead, so that it has a derivative:
#
# $$ z = 1 - \sigma\Bigl(\frac1t \bigl[\operatorname{logit} p + \operatorname{logit} u\bigr]\Bigr),
# \quad u \sim U(0, 1) . $$
#
# $z$ is near 1 for a kept unit and near 0 for a dropped one. The lower the temperature $t$, the
# harder the coin, and $P(z < \frac12) = p$ at any $t$. (This *concrete* distribution is due to
# Maddison, Mnih and Teh, and to Jang, Gu and Poole, both 2017.)

# %% exercise="concrete_mask"
def concrete_mask(p, shape, temperature, generator):
    """A soft mask z = 1 - sigmoid((logit p + logit u) / temperature), u uniform in (0, 1).

    p : probability of dropping, above 0 and below 1: a number, or a tensor that broadcasts to
    `shape`. The mask has a gradient with respect to p.
    shape : of the mask; temperature : above 0
    generator : torch.Generator, or None for torch's own; the only source of randomness
    Returns a tensor of entries in [0, 1], of p's dtype where p is a tensor, else float32.
    """
    ### BEGIN SOLUTION
    p = torch.as_tensor(p)
    u = torch.rand(shape, generator=generator, dtype=p.dtype)
    return torch.sigmoid(-(torch.logit(p) + torch.logit(u)) / temperature)
    ### END SOLUTION

# %% [markdown] hint="concrete_mask"
# `torch.as_tensor(p)` makes a tensor of a number and leaves a tensor, with its gradient, as it is.
# `torch.tensor(p)` would cut the gradient off.

# %% [markdown] hint="concrete_mask"
# Uniform numbers of the mask's whole shape, from `generator`. `torch.logit` is there for both.

# %% [markdown] hint="concrete_mask"
# $1 - \sigma(a) = \sigma(-a)$, and the temperature divides the whole bracket.

# %% check="concrete_mask" points=2
# Whether z is below ½ is a coin for each entry, with probability p, from the generator alone.
def kept(p, generator):
    halves = [concrete_mask(q, (10, 60), 0.4, generator) for q in (p, torch.full((10, 1), p))]
    for z in halves:
        expect.tensor(z, (10, 60), hint="return a tensor of the given shape.")
    return torch.cat(halves) >= 0.5


with expect.case("concrete_mask(p, (10, 60), 0.4, generator), z >= ½, p a number in the first "
                 "10 rows, a tensor (10, 1) in 10 more", crash=[
    ("Boolean value of Tensor", "p may be a tensor: `0 < p < 1` then has no single truth value."),
]):
    expect.equal(bool(kept(0.3, expect.generator()).any()), True,
                 hint="every entry is below ½. Do p and u stand in the bracket as logits?")
    expect.coins(kept, source=expect.generator, none=True, suspects=[
        (lambda p: 1 - p, "a share 1 - p is below ½: 1 minus is missing, or p is swapped."),
        *[(lambda p, s=s: 1 / (1 + (1 / p - 1) ** s),
           "t divides one logit only. Put both into one bracket, and divide that.")
          for s in (0.4, 1 / 0.4)],
        (lambda p: 1 / (1 + (1 / p - 1) * ((1 + p) / (1 - p)) ** 0.4),
         "the mask is divided by 1 - p. Return z itself."),
    ])

# %% check="concrete_mask" points=1
# How soft the mask is, that is, how many entries lie below 0.1, follows from the temperature.
for p, t in ((0.2, 0.1), (0.3, 0.5)):
    with expect.case(f"concrete_mask({p}, (100, 200), {t}, generator), z < 0.1"):
        z = concrete_mask(p, (100, 200), t, expect.generator())
        expect.tensor(z, (100, 200), torch.float32,
                      hint="return a tensor of the given shape, float32 where p is a number.")
        expect.equal(bool(((z >= 0) & (z <= 1)).all()), True, hint="entries lie in [0, 1].")
        low = [1 - 1 / (1 + math.exp(-(s * math.log(9) - math.log(p / (1 - p)))))
               for s in (t, 1, 1 / t)]
        mild = (z < 0.99).all()  # else, as for u - p over t, it is no logit that t divides
        expect.mean((z < 0.1).double(), low[0], of=(0, 1),
                    hint="the softness is not that of t, which divides logit p + logit u.",
                    suspects=[(p, "the mask is hard, 0 or 1. A comparison has no gradient."),
                              (low[1], "the temperature is ignored. Divide the bracket by it."),
                              *[(low[2], "the temperature multiplies. Divide by it.")] * mild])
        expect.equal("many values" if len(z.unique()) > 4000 else "few values", "many values",
                     hint="z takes few values: u is drawn in a lower precision than float32.")

# %% check="concrete_mask" points=1
# The gradient with respect to p, which follows from z itself: dz/dp = -z (1 - z) / (t p (1 - p)).
for rate, shape, of in (([[[0.2]], [[0.6]]], (2, 5, 10), "(2, 1, 1)"), (0.4, (50,), "()")):
    p = torch.tensor(rate, dtype=torch.float64, requires_grad=True)
    with expect.case(f"concrete_mask(p, {shape}, 0.7, generator).sum(), p a tensor of shape {of}, "
                     "its gradient at p", crash=[
        ("does not require grad|grad_fn", "the mask has no gradient: p was copied, or compared."),
    ]):
        z = concrete_mask(p, shape, 0.7, expect.generator())
        expect.tensor(z, shape, torch.float64, hint="return the given shape, in p's dtype.")
        z.sum().backward()
        given = torch.tensor(rate, dtype=torch.float64)
        right = (-z * (1 - z) / (0.7 * given * (1 - given))).sum_to_size(given.shape)
        expect.close(p.grad, right, rtol=1e-3, hint="the gradient does not fit the formula.")
cold = torch.full((100, 1), 0.3, requires_grad=True)
with expect.case("concrete_mask(p, (100, 100), 0.02, generator), with its gradient"):
    z = concrete_mask(cold, (100, 100), 0.02, expect.generator())
    z.sum().backward()
    finite = "finite" if (z + cold.grad).isfinite().all() else "with nan or inf"
    expect.equal(finite, "finite", hint="e^x, or a power, overflows where the bracket is far "
                                        "from 0. torch.sigmoid does not.")

# %% mistakes="concrete_mask"
{
    "1 minus is missing": ("sigmoid(-", "sigmoid("),
    "one coin decides": ("torch.logit(u)", "0 * u"),
    "a row and": ("torch.rand(shape, generator=generator, dtype=p.dtype)",
                               "torch.rand(shape[-1:], generator=generator).expand(shape)"),
    "a seed is set inside": ("generator=generator", "generator=torch.Generator().manual_seed(0)"),
    "do not come from the given": ("torch.rand(shape, generator=generator, dtype=p.dtype)",
                                   "torch.rand(shape)"),
    "come from the given generator": ("torch.rand(shape, generator=generator, dtype=p.dtype)",
                                      "(torch.rand_like(p.expand(shape)) if p.dim() else\n"
                                      "         torch.rand(shape, generator=generator))"),
    "a column and": (
        "rand(shape, generator=generator, dtype=p.dtype)",
        "rand(p.shape or shape, generator=generator, dtype=p.dtype).expand(shape)"),
    "overflows where the bracket": (
        "torch.sigmoid(-(torch.logit(p) + torch.logit(u)) / temperature)",
        "1 / (1 + (p / (1 - p) * u / (1 - u)) ** (1 / temperature))"),
    "given shape": ("rand(shape,", "rand(p.shape,"),
    "in a lower precision": ("dtype=p.dtype)", "dtype=torch.float16).to(p.dtype)"),
    "float32 where p is a number": ("torch.as_tensor(p)", "torch.as_tensor(p).double()"),
    "in p's dtype": (") / temperature)", ") / temperature).float()"),
    "p a tensor of shape ()": ("torch.as_tensor(p)",
                               "p if torch.is_tensor(p) and p.dim() else torch.tensor(float(p))"),
    "the mask is hard": ("torch.sigmoid(-(torch.logit(p) + torch.logit(u)) / temperature)",
                         "(u >= p).float()"),
    "temperature is ignored": (" / temperature", ""),
    "temperature multiplies": ("/ temperature", "* temperature"),
    "t divides one logit only": ("(torch.logit(p) + torch.logit(u)) / temperature",
                                 "(torch.logit(p) + torch.logit(u) / temperature)"),
    "the mask is divided by 1 - p": ("/ temperature)", "/ temperature) / (1 - p)"),
    "in the bracket as logits": ("-(torch.logit(p) + torch.logit(u))", "-(p + u)"),
    "divides logit p + logit u": ("-(torch.logit(p) + torch.logit(u))", "(u - p)"),
    "p was copied": ("torch.as_tensor(p)", "torch.as_tensor(p).detach()"),
    "no single truth value": ("p = torch", "assert 0 < p < 1\n    p = torch"),
}

# %% correct="concrete_mask"
def concrete_mask(p, shape, temperature, generator):
    p = p if isinstance(p, torch.Tensor) else torch.tensor(float(p))
    u = torch.empty(shape, dtype=p.dtype).uniform_(generator=generator)
    odds = torch.log(p + 1e-12) - torch.log(1 - p + 1e-12)
    coin = torch.log(u + 1e-12) - torch.log(1 - u + 1e-12)
    return 1 - torch.sigmoid((odds + coin) / temperature)

# %% [markdown]
# A soft mask is not a mask. Its gradient belongs to another loss, which only comes near to the
# right one as $t$ falls. So one estimate is right on average, and the other is biased. The lower
# the temperature, the smaller its bias and the larger its spread. Compare yours on a loss of eight
# units, $f(m) = (\sum_i a_i m_i - b)^2$, whose exact slope is found from all 256 masks. **Guess: at
# $t=0.1$, how many times as many draws does `score_gradient` need for an estimate with the same
# spread?**

# %% guess=true
my_guess = 10  # times as many draws

# %% figure=true
# Mean and spread of your two estimates of a slope, against the temperature.
guess = expect.guess(my_guess)
source = torch.Generator().manual_seed(3)
a, b, p, draws, repeats = torch.rand(8, generator=source) + 0.5, 3.0, 0.3, 20, 400


def toy(masks):
    return ((masks * a).sum(-1) - b).square()


every = (torch.arange(256)[:, None] >> torch.arange(8)) & 1
at = torch.tensor(p, dtype=torch.float64, requires_grad=True)
chances = torch.where(every == 1, 1 - at, at).prod(1)
exact_slope = float(torch.autograd.grad((chances * toy(every)).sum(), at)[0])

masks = (torch.rand(repeats, draws, 8) >= p).float()
scored = np.array([float(score_gradient(toy(m), m, p)) for m in masks])
found = toy(masks)
others = (found.sum(1, keepdim=True) - found) / (draws - 1)  # the mean loss of the other masks
eased = np.array([float(score_gradient(f, m, p)) for f, m in zip(found - others, masks,
                                                                 strict=True)])
temperatures, soft = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0), []
for t in temperatures:
    leaf = torch.full((repeats, 1, 1), p, requires_grad=True)
    z = concrete_mask(leaf, (repeats, draws, 8), t, None)
    toy(z).mean(1).sum().backward()
    soft.append(leaf.grad.flatten().numpy())
soft = np.array(soft)
ratio, rest = scored.var() / soft[2].var(), eased.var() / soft[2].var()
bias = plot.difference(soft[2], exact_slope)

fig, (left, right) = plot.figure(2, height=2.8)
left.axhspan(*(scored.mean() + np.array([-1, 1]) * scored.std()), color=plot.PALE,
             label="score gradient ± its spread")
left.axhspan(*(eased.mean() + np.array([-1, 1]) * eased.std()), color=plot.SKY, alpha=0.4,
             label="with a baseline")
left.axhline(exact_slope, color=plot.INK, linestyle="--", label="exact")
left.errorbar(temperatures, soft.mean(1), soft.std(1), color=plot.BLUE, marker="o", capsize=3,
              label="soft mask ± its spread")
left.set(xscale="log", xlabel="temperature t", ylabel="slope of the loss at p = 0.3",
         ylim=(exact_slope - 30, exact_slope + 15),
         title=f"Draws for the same spread at t = 0.1:\n{ratio:.1f} times as many (you: {guess}), "
                f"{rest:.1f} with a baseline;\nsoft mask's bias {bias:.2f}, "
                f"slope {exact_slope:.1f}".replace("-", "−"))
left.title.set_fontsize(10)
left.legend(fontsize=9, loc="lower right")
for t, color in ((0.05, plot.SKY), (0.1, plot.BLUE), (1.0, plot.ORANGE)):
    z = concrete_mask(0.3, (5000,), t, None)
    right.hist(z, np.linspace(0, 1, 31), color=color, density=True, histtype="step", linewidth=2,
               label=f"t = {t}")
right.set(xlabel="z", ylabel="density", yscale="log",
          title="Entries of your masks, p = 0.3")
right.title.set_fontsize(10)
right.legend(fontsize=9)
plot.show(fig, "Estimates of a slope against the temperature, and histograms of your soft mask. At "
               f"t = 0.1 the score gradient's variance is {ratio:.1f} times the soft mask's, and "
               f"{rest:.1f} times with a baseline.",
          claims={"score-is-right": all(abs(gap.mean) < 4 * gap.error for gap in (
              plot.difference(scored, exact_slope), plot.difference(eased, exact_slope))),
                  "score-is-noisier": ratio > 1.3,
                  "baseline-helps": bool(rest < min(0.75 * ratio, 1.6)),
                  "cold-masks-are-noisy": bool(soft[0].var() > 2 * soft[2].var()),
                  "soft-bias-is-small": abs(bias.mean) + 3 * bias.error < 0.2 * abs(exact_slope)})

# %% [markdown]
# So a soft mask's gradient has little noise (large $t$) or little bias (small $t$). The score
# gradient, known as REINFORCE (Williams 1992), has a cheap cure for its noise, a *baseline*:
# subtract from each loss the mean loss of the *other* masks (Kool, van Hoof and Welling 2019). It
# stays right on average.
#
# ## Explore: a soft mask
#
# Left: entries of your masks. Right: estimates of such a slope, each dot from one or more of your
# masks, and their mean at each temperature.
#
# **Try**: at which temperatures is the mean plainly off the exact slope (dashed)? What does a low
# temperature cost?

# %%
explore.soft_coin(concrete_mask)

# %% [markdown]
# ## What rewards dropping
#
# The training loss alone would choose $p=0$, since noise never helps to fit. What rewards
# dropping is the other half of the ELBO in {{uncertainty}}, the divergence from the prior. For a
# standard normal prior on the weights $W$ behind a layer of $n_\text{units}$ it comes out, up to a
# constant and approximately, as
#
# $$ \mathrm{KL} \approx \sum_{\text{layers}} \Bigl(\frac{\|W\|^2}{2(1-p)}
# - n_\text{units}\,H(p)\Bigr), \qquad
# \text{loss} = \overline{-\log P(y \mid x, w)} + \frac{1}{n}\,\mathrm{KL} , $$
#
# where the bar is a mean over the $n$ training points and $H(p)$ is the entropy of a coin.
# The entropy pays for each uncertain coin. Look at what divides the KL. **Guess: which way does
# the learned $p$ go as $n$ grows?** The regressions of {{uncertainty}} show it, with your mask.
# Each network is trained twice, from $p = 0.05$ and from 0.5. As a control, others have a fixed $p$
# (0, 0.02, 0.05, 0.1 or 0.2), and the best of these is chosen on validation points.

# %% guess=true
my_guess = "down"  # "up", "down" or "stays"

# %% figure=true
# Learned rates, their band, the likelihood beside the best fixed rate: takes half a minute or so.
guess = expect.guess(my_guess, number=False)
sizes, starts, fixed = (30, 300, 3000), (0.05, 0.5), (0.0, 0.02, 0.05, 0.1, 0.2)
runs = 5
x, y = forecasters.curve(3000, range(runs))


def trained(values, learn):
    """Networks for each value of p, size and run."""
    kinds = [(p, n, s) for p in values for n in sizes for s in range(runs)]
    p, seen, own = (list(column) for column in zip(*kinds, strict=True))
    return learned.curves(x[own], y[own], seen=seen, start=p, mask=concrete_mask, learn=learn,
                          steps=2000)


def judged(net, new_x, new_y, k=50):
    """Spread, and log likelihood, of k passes on the points (runs, n, 1): (values, sizes, runs)."""
    count = len(net[0].weight) // (3 * runs)
    with torch.no_grad():
        passes = torch.stack([net.train()(new_x.repeat(3 * count, 1, 1)) for _ in range(k)])
    net.eval()
    density = torch.distributions.Normal(passes, forecasters.NOISE).log_prob(
        new_y.repeat(3 * count, 1, 1))
    likely = (density.logsumexp(0) - math.log(k)).mean((1, 2))
    return [v.reshape(count, 3, runs).numpy() for v in (passes.std(0).mean((1, 2)), likely)]


nets = trained(starts, True), trained(fixed, False)
rates = learned.rates(nets[0]).reshape(2, 2, 3, runs).numpy()  # layer, start, size, run
validation, test = (forecasters.curve(300, range(at, at + runs)) for at in (100, 200))
tuned = judged(nets[1], *validation)[1].mean(2).argmax(0)  # for each size the best fixed p
(width, likely), (fixed_width, fixed_likely) = (judged(net, *test) for net in nets)
best = fixed_likely[tuned, range(3)]
fig, axes = plot.figure(3, width=10, height=3)
for layer, color in ((0, plot.BLUE), (1, plot.GREEN)):
    for start, mark in ((0, "-"), (1, ":")):
        each = rates[layer, start]
        axes[0].errorbar(sizes, each.mean(1), plot.standard_error(each, 1), color=color, capsize=3,
                         linestyle=mark, marker="o",
                         label=f"layer {layer + 1}, from {starts[start]}")
change = plot.difference(rates[:, :, 2].mean((0, 1)), rates[:, :, 0].mean((0, 1)))
from_where = plot.difference(rates[:, 1, 1:].mean((0, 1)), rates[:, 0, 1:].mean((0, 1)))
axes[0].set(ylabel="learned p", ylim=(0, None),
            title=f"p at 3000 − at 30 points:\n{change:.2f} (your guess: {guess})")
left_over = {}
for name, each, color in (("p = 0.1", fixed_width[3], plot.GREY),
                          ("learned, from 0.05", width[0], plot.BLUE),
                          ("learned, from 0.5", width[1], plot.SKY)):
    left_over[name] = 100 * each[2] / each[0]
    axes[1].errorbar(sizes, each.mean(1), plot.standard_error(each, 1), color=color, marker="o",
                     capsize=3, label=name)
told = ", ".join(f"{each.mean():.0f} ± {plot.standard_error(each):.0f}"
                 for each in left_over.values())
axes[1].set(ylabel="standard deviation", ylim=(0, 0.17),
            title=f"Band width left at 3000, %:\n{told}")
axes[2].axhline(0, color=plot.INK, linewidth=0.8)
gains = []
for start, mark in ((0, "-"), (1, ":")):
    gains.append([plot.difference(likely[start, k], best[k]) for k in range(3)])
    axes[2].errorbar(sizes, [g.mean for g in gains[-1]], [g.error for g in gains[-1]], capsize=3,
                     color=plot.BLUE, linestyle=mark, marker="o", label=f"from {starts[start]}")
told = ", ".join(f"{fixed[i]:g}" for i in tuned)
axes[2].set(ylabel="log likelihood, nats:\nlearned − best fixed p",
            title=f"Best fixed p: {told}\n(for 30, 300, 3000 points)")
for ax in axes:
    ax.set(xscale="log", xlabel=f"training points ({runs} runs ± s.e.)")
    ax.legend(fontsize=9)
narrows = [plot.difference(left_over[f"learned, from {start}"], left_over["p = 0.1"])
           for start in starts]
plot.show(fig, "Learned rates, the standard deviation of the passes, and the log likelihood of new "
               "points beside the best fixed rate, against training points. Started at 0.5, not "
               f"0.05, p ends {from_where:.3f} apart, from 300 points on; at 3000 points the "
               f"likelihood differs from the best fixed rate's by {gains[0][2]:.3f} and "
               f"{gains[1][2]:.3f}.",
          claims={"learned-rate-falls": change.sign < 0,
                  "learned-band-narrows": all(n.sign < 0 for n in narrows),
                  "start-matters": from_where.sign > 0,
                  "search-does-as-well": all(
                      g.mean + 2 * g.error < 0.05 for of in gains for g in of)})

# %% [markdown]
# As data come in, $p$ and the band shrink, since the entropy pays once, and the fit counts for each
# of the $n$ points. But from 300 points on, where $p$ ends after 2000 steps depends on its start:
# near 0 from 0.05, and above that from 0.5 (dotted). So the width of the band still depends on
# where $p$ began. (Do not take such a $p$ for the one that the data call for.) The right panel
# compares with the plain search: above 0, learning $p$ predicted new points better than the best
# fixed $p$. The gain stayed below 0.05 nats; from 0.5, with 30 points, learning did worse.
#
# ## Exercise: `variational_kl`
#
# The last step gives every *weight* a noise of its own: $w = \theta\,(1 +
# \sqrt\alpha\,\varepsilon)$ with $\varepsilon$ standard normal. The variance $\alpha$ of this
# factor is that of an inverted mask with $p/(1-p) = \alpha$, so $p = \alpha/(1+\alpha)$. (Such
# noise is called Gaussian dropout: {{noise}}.) Kingma, Salimans and Welling (2015) chose a
# log-uniform prior, $P(w) \propto 1/|w|$, under which the divergence depends on $\alpha$ alone. It
# has no closed form. Molchanov, Ashukha and Vetrov (2017, eq. 14) fitted one:
#
# $$ \mathrm{KL} \approx k_1 - k_1\,\sigma(k_2 + k_3 \log\alpha) + \tfrac12 \log(1 + \alpha^{-1}),
# $$
#
# with $k_1 = 0.63576$, $k_2 = 1.87320$, $k_3 = 1.48695$. It falls to 0 for $\alpha \to \infty$: a
# weight that is all noise costs nothing, and may be removed.

# %% exercise="variational_kl"
def variational_kl(log_alpha):
    """KL = k1 - k1 σ(k2 + k3 log α) + ½ log(1 + 1/α), entry by entry, in nats.

    k1, k2, k3 = 0.63576, 1.87320, 1.48695 (Molchanov, Ashukha and Vetrov 2017, eq. 14).

    log_alpha : floating tensor, natural logarithms; any finite value, also ±1000
    Returns a tensor of its shape, with a gradient.
    """
    ### BEGIN SOLUTION
    weight = torch.sigmoid(-1.87320 - 1.48695 * log_alpha)
    return 0.63576 * weight + 0.5 * torch.nn.functional.softplus(-log_alpha)
    ### END SOLUTION

# %% [markdown] hint="variational_kl"
# At $\alpha \to \infty$ the first two terms must cancel. Does your $\sigma$ go to 1 there?

# %% [markdown] hint="variational_kl"
# $1/\alpha = e^{-\log\alpha}$, and $e^{1000}$ is infinite.

# %% [markdown] hint="variational_kl"
# `torch.nn.functional.softplus(a)` is $\log(1 + e^a)$ and never overflows. With which $a$?

# %% check="variational_kl" points=1
# Against the formula.
log_alpha = np.linspace(-9, 6, 7) + expect.rng().uniform(-1, 1, size=7)
bell = 1 / (1 + np.exp(-(1.87320 + 1.48695 * log_alpha)))
tail = 0.5 * np.log1p(np.exp(-log_alpha))
right = 0.63576 - 0.63576 * bell + tail
with expect.case("variational_kl(log_alpha) on 7 numbers between -10 and 7"):
    found = variational_kl(torch.tensor(log_alpha))
    expect.close(found, right, rtol=1e-5, atol=1e-5,
                 hint="compare each term with the formula.", suspects=[
        (-right, "the sign is wrong: that is -KL."),
        (right - 0.63576, "the constant k1 is missing, so it does not end at 0."),
        (0.63576 * bell - tail, "that is -KL without its constant."),
        (0.63576 - 0.63576 * bell + 0.5 * np.log1p(np.exp(log_alpha)),
         "you have ½ log(1 + α) where ½ log(1 + 1/α) belongs."),
        (0.63576 - 0.63576 * bell + 2 * tail, "the factor ½ is missing."),
        (right.sum(), "that is one number for all. Return one for each entry."),
        (right.mean(), "that is one number for all. Return one for each entry."),
    ])

# %% check="variational_kl" points=1
# Very small and very large alpha stay finite, with a finite gradient.
ends = torch.tensor([[-1000.0], [1000.0]], requires_grad=True)
with expect.case("variational_kl(log_alpha) at [[-1000], [1000]], and its gradient", crash=[
    ("does not require grad", "the result has no gradient. Compute it with torch, from log_alpha."),
]):
    found = variational_kl(ends)
    right = np.array([[500.63576], [0]])
    expect.close(found, right, rtol=1e-5, atol=1e-5, hint="at -1000 it is k1 + 500, at 1000, 0.",
                 suspects=[([[math.inf], [0]], "exp(1000) overflows. Use softplus."),
                           ([500.63576, 0], "the shape is lost. Return that of log_alpha.")])
    found.sum().backward()
    expect.close(ends.grad, [[-0.5], [0]], rtol=1e-5, atol=1e-5, hint="the gradient is not right.",
                 suspects=[([[math.nan], [0]], "exp(1000) overflows in the backward pass. Use "
                                               "softplus, and torch.sigmoid.")])

# %% mistakes="variational_kl"
{
    "that is -KL.": ("0.63576 * weight + 0.5 *", "-0.63576 * weight - 0.5 *"),
    "constant k1 is missing": ("* weight", "* (weight - 1)"),
    "-KL without its constant": ("* weight +", "* (1 - weight) -"),
    "you have ½ log(1 + α)": ("softplus(-log_alpha)", "softplus(log_alpha)"),
    "compare each term": ("softplus(-log_alpha)", "softplus(-log_alpha, threshold=3)"),
    "the result has no gradient": ("weight =", "log_alpha = log_alpha.detach()\n    weight ="),
    "factor ½ is missing": ("0.5 * torch", "torch"),
    "one number for all": (
        "0.63576 * weight + 0.5 * torch.nn.functional.softplus(-log_alpha)",
        "(0.63576 * weight + 0.5 * torch.nn.functional.softplus(-log_alpha)).sum()",
    ),
    "overflows. Use": ("torch.nn.functional.softplus(-log_alpha)",
                       "torch.log1p(torch.exp(-log_alpha))"),
    "the shape is lost": ("weight =", "log_alpha = log_alpha.flatten()\n    weight ="),
    "and torch.sigmoid": ("torch.sigmoid(-1.87320 - 1.48695 * log_alpha)",
                          "1 - 1 / (1 + torch.exp(-1.87320 - 1.48695 * log_alpha))"),
    "in the backward pass": (
        "torch.nn.functional.softplus(-log_alpha)",
        "torch.where(log_alpha < -50, -log_alpha, torch.log1p(torch.exp(-log_alpha)))",
    ),
}


# %% correct="variational_kl"
def variational_kl(log_alpha):
    k1, k2, k3 = 0.63576, 1.87320, 1.48695
    half_log = torch.logaddexp(torch.zeros_like(log_alpha), -log_alpha) / 2
    return k1 + half_log - k1 / (1 + torch.exp(-(k2 + k3 * log_alpha).clamp(-80, 80)))

# %% [markdown]
# **The caveat.** $1/|w|$ is no probability: its integral is infinite, at 0 and at infinity. Such a
# prior is called *improper*. Hron,
# Matthews and Ghahramani (2018) show what follows. Where the likelihood is not 0 at $w=0$, Bayes'
# rule gives no posterior at all. One can see it happen. Cut the prior off at $|w| = \epsilon$, and
# let $\epsilon$ shrink.

# %% figure=true
# Your formula beside the divergence by integration; and a posterior as its prior's cut shrinks.
log_alpha = torch.linspace(-8, 8, 65, dtype=torch.float64)
sd = torch.exp(log_alpha / 2)[:, None]
# E log|w / theta| over w / theta ~ N(1, alpha), in the variable r = log|w / theta|
r = torch.linspace(-40, 12, 20_001, dtype=torch.float64)
density = sum(torch.exp(r - (sign * r.exp() - 1).square() / (2 * sd**2)) for sign in (1, -1))
by_integral = torch.trapezoid(density * r, r) / (sd[:, 0] * math.sqrt(2 * math.pi))
by_integral = by_integral - 0.5 * log_alpha + 0.5 * (np.euler_gamma + math.log(2))
own = variational_kl(log_alpha)

# One weight, whose data say 1 ± ½: the posterior's mass at |w| < 0.01, prior cut off at epsilon.
log_w = np.linspace(np.log(0.01), np.log(10), 4001)
likelihood = sum(np.exp(-2 * (sign * np.exp(log_w) - 1) ** 2) for sign in (1, -1))
beyond = torch.trapezoid(*map(torch.as_tensor, (likelihood, log_w))).item()
cuts = np.array([2, 4, 8, 16, 32, 64, 128, 256])
near_zero = 2 * np.exp(-2) * (cuts - 2) * np.log(10)
share = near_zero / (near_zero + beyond)
fig, (left, right) = plot.figure(2, height=2.6)
left.plot(log_alpha, by_integral, color=plot.SKY, linewidth=5, label="integral")
left.plot(log_alpha, own, color=plot.INK, linestyle="--", label="your formula")
left.set(xlabel="log α", ylabel="KL, nats",
         title=f"They differ by at most {(own - by_integral).abs().max():.3f} nats")
left.legend()
right.plot(cuts, 100 * share, "o-", color=plot.ORANGE, clip_on=False)
right.set(xscale="log", xlabel="the prior is cut off at 10 to the power of minus …", ylim=(0, 100),
          ylabel="posterior mass at |w| < 0.01, %",
          title=f"A weight that data put at 1 ± ½:\nin the end {100 * share[-1]:.0f} % below 0.01")
right.set_xticks(cuts, cuts)
right.minorticks_off()
plot.show(fig, "The divergence by integration and by your formula; and the posterior's mass near 0 "
               f"against the cut of the prior: {100 * share[-1]:.0f} % in the end.",
          claims={"formula-fits-integral": bool((own - by_integral).abs().max() < 0.02),
                  "log-uniform-eats-the-data": bool(share[-1] > 0.9)})

# %% [markdown]
# The finer the cut, the surer the posterior that the weight is 0, whatever the data say, though
# slowly (the axis is logarithmic). Training with this penalty may work, but the loss bounds no
# evidence, and Bayes' rule does not explain why weights vanish. So it needs a control.
#
# ## Exercise: `magnitude_prune`
#
# The plainest way to remove weights is to remove the smallest.

# %% exercise="magnitude_prune"
def magnitude_prune(weights, keep):
    """A copy of `weights` in which all but the `keep` entries of largest magnitude are 0.

    weights : tensor of any shape, also a transposed one, left as it is; keep : how many stay,
    0 … all. Where magnitudes tie, `keep` stay all the same.
    """
    ### BEGIN SOLUTION
    places = weights.abs().flatten().topk(keep).indices
    new = torch.zeros_like(weights).flatten()
    new[places] = weights.flatten()[places]
    return new.reshape(weights.shape)
    ### END SOLUTION

# %% [markdown] hint="magnitude_prune"
# Which entries stay is a question about magnitudes; what they hold is not.

# %% [markdown] hint="magnitude_prune"
# `flatten()` makes one row of all entries. `topk` and `argsort` give places.

# %% [markdown] hint="magnitude_prune"
# Begin with zeros, and copy the entries that stay. A threshold would keep too many where
# magnitudes tie.

# %% check="magnitude_prune" points=2
# The largest magnitudes stay as they are, whatever their sign, in a new tensor.
for shape, keep, dtype in (((4, 5), 7, torch.float64), ((30,), 1, torch.float32),
                           ((2, 3, 4), 24, torch.float64)):
    x = torch.tensor(expect.rng().normal(0.3, size=shape), dtype=dtype)
    x = -x.flatten()[x.abs().argmax()].sign() * x  # so that the largest is negative
    flat = x.flatten().numpy()
    order = np.argsort(-np.abs(flat))
    right, smallest, signed, ones, off = (np.zeros(flat.size) for _ in range(5))
    right[order[:keep]], ones[order[:keep]] = flat[order[:keep]], 1
    smallest[order[-keep:]] = flat[order[-keep:]]
    by_sign = np.argsort(-flat)[:keep]
    signed[by_sign] = flat[by_sign]
    from_mean = np.argsort(-np.abs(flat - flat.mean()))[:keep]
    off[from_mean] = flat[from_mean]
    less = np.where(ones > 0, 0, flat)
    others = np.zeros(flat.size)
    others[order[: flat.size - keep]] = flat[order[: flat.size - keep]]
    none = ("all are 0. Was a copy written into, as `flatten()` may give one?" if keep < flat.size
            else "`keep` may be all: then nothing becomes 0. Does an index wrap to -1?")
    lies = ", the last axis not the last in memory" if x.dim() > 1 else ""
    with expect.case(f"magnitude_prune(weights, {keep}) on normal numbers {shape}{lies}", crash=[
        ("view size is not compatible", "`view` cannot flatten such a tensor. `flatten` can."),
        ("out of (bounds|range)", "`keep` may be all: no index may run past the end then."
         if keep == flat.size else "an index runs past the end. `keep` is how many stay, not a "
         "share of them."),
    ]):
        given = x.mT.contiguous().mT if x.dim() > 1 else x.clone()
        found = magnitude_prune(given, keep)
        expect.unchanged(given, x)
        expect.tensor(found, shape, dtype, hint="return a tensor like weights.")
        expect.copied(magnitude_prune, x.clone(), keep)
        expect.close(found, right.reshape(shape), hint="the largest magnitudes stay as they are.",
                     suspects=[
            (0 * right.reshape(shape), none),
            (less.reshape(shape), "the wrong ones became 0: those are the largest."),
            (others.reshape(shape), "`keep` became 0, and the others stay. Keep that many."),
            (off.reshape(shape), "the mean is subtracted first. Magnitude is the distance from 0."),
            (signed.reshape(shape), "the most positive stay. It is the magnitude that counts."),
            (smallest.reshape(shape), "the smallest stay. Keep the largest."),
            (ones.reshape(shape), "that is the mask. Return the weights where it is 1."),
            (np.abs(right).reshape(shape), "the signs are lost."),
        ])

# %% check="magnitude_prune" points=1
# Exactly `keep` stay where magnitudes tie; 0 keeps none.
out_of_range = ("out of (bounds|range)",
                "`keep` may be 0 or all, and zeros are weights too: no index may run past the end.")
for keep in (3, 10, 0):
    x = torch.tensor([0.5, -0.5] * 6)
    with expect.case(f"magnitude_prune(weights, {keep}), twelve weights of ½ and -½",
                     crash=[out_of_range]):
        found = magnitude_prune(x.clone(), keep)
        ties = [(12, "a threshold keeps all that tie. Choose places instead."),
                (0, "a threshold drops all that tie. Choose places instead.")]
        expect.equal(int((found != 0).sum()), keep, hint="that many must stay, no more, no fewer.",
                     suspects=ties if keep else [(12, "none may stay. The slice [-0:] holds all.")])

for keep, words in ((8, "six are not 0, and all of them stay."), (4, "the four largest stay.")):
    x = expect.rng().permutation([0.0] * 6 + [1, -2, 3, -4, 5, -6])
    with expect.case(f"magnitude_prune(weights, {keep}), twelve weights, six of them 0 already",
                     crash=[out_of_range]):
        expect.close(magnitude_prune(torch.tensor(x), keep), np.where(abs(x) > 6 - keep, x, 0),
                     hint=words + " Zeros are weights too, the smallest.",
                     suspects=[(np.where(abs(x) > 6 - keep, abs(x), 0), "the signs are lost.")])

for _ in range(6):
    x = expect.rng().permutation([0.5, 1, 3, 2, -2, 2, -2, -3, 1, 0.5])
    with expect.case("magnitude_prune(weights, 4), ten weights, of which four of ±2 tie"):
        found = magnitude_prune(torch.tensor(x), 4)
        there = np.sort(np.abs(np.asarray(found)))
        expect.equal(there.tolist(), [0.0] * 6 + [2, 2, 3, 3], hint="only those that tie with the "
                     "last place may give way: a larger one is gone, or a smaller one stays.")
        expect.close(found, np.where(np.asarray(found) != 0, x, 0),
                     hint="what stays, stays in its place.")

x = 1 + 1e-5 * expect.rng().permutation(20)
off = np.argsort(-np.abs(x - x.mean()))[:6]
with expect.case("magnitude_prune(weights, 6), twenty weights from 1 to 1.00019"):
    expect.close(magnitude_prune(torch.tensor(x), 6), np.where(x > 1 + 13.5e-5, x, 0), rtol=1e-7,
                 hint="magnitudes that differ a little were confused: rank them as they are.",
                 suspects=[(np.where(np.isin(np.arange(20), off), x, 0), "the mean is subtracted "
                            "first. Magnitude is the distance from 0.")])

# %% mistakes="magnitude_prune"
{
    "most positive stay": (".abs()", ""),
    "the mean is subtracted first": ("weights.abs()", "(weights - weights.mean()).abs()"),
    "rank them as they are": ("weights.abs()", "(10_000 * weights.abs()).int()"),
    "Does an index wrap": (
        "    places =",
        "    if keep == weights.numel():\n        return 0 * weights\n    places ="),
    "may run past the end then": (
        "    places = weights.abs().flatten().topk(keep).indices",
        "    f = weights.abs().flatten()\n"
        "    places = (f > f.sort(descending=True).values[keep]).nonzero().flatten()"),
    "a smaller one stays": ("    places = weights.abs().flatten().topk(keep).indices",
        "    f = weights.abs().flatten()\n"
        "    last = f.sort(descending=True).values[keep] if keep < len(f) else -1\n"
        "    m = f > last\n"
        "    for i in range(len(f)):\n        m[i] = m[i] or int(m.sum()) < keep\n"
        "    places = m.nonzero().flatten()"),
    "Zeros are weights too": (
        "    places =", "    keep = max(keep - int((weights == 0).sum()), 0)\n    places ="),
    "smallest stay": ("topk(keep)", "topk(keep, largest=False)"),
    "not a share of them": ("topk(keep)", "topk(int(keep * weights.numel()))"),
    "and the others stay": ("topk(keep)", "topk(weights.numel() - keep)"),
    "the wrong ones became 0": (
        "torch.zeros_like(weights).flatten()\n    new[places] = weights.flatten()[places]",
        "weights.clone().flatten()\n    new[places] = 0"),
    "that is the mask": ("= weights.flatten()[places]", "= 1"),
    "signs are lost": ("= weights.flatten()[places]", "= weights.abs().flatten()[places]"),
    "cannot flatten such a tensor": ("weights.abs().flatten()", "weights.view(-1).abs()"),
    "Was a copy written into": (
        "torch.zeros_like(weights).flatten()\n    new[places] = weights.flatten()[places]",
        "torch.zeros_like(weights)\n    new.flatten()[places] = weights.flatten()[places]"),
    "writes into its input": ("    places =", "    weights *= 1 + 1e-9\n    places ="),
    "returns its input itself": ("    places =", "    if keep == weights.numel():\n"
                                 "        return weights\n    places ="),
    "(30,), float64": ("return new.reshape(weights.shape)",
                       "return new.double().reshape(weights.shape)"),
    "The slice [-0:] holds all": ("topk(keep).indices", "argsort()[-keep:]"),
    "a tensor like weights": ("new.reshape(weights.shape)", "new"),
    "keeps all that tie": (
        "    places =", "    if 0 < keep < weights.numel():\n"
        "        least = weights.abs().flatten().sort(descending=True).values[keep - 1]\n"
        "        return weights * (weights.abs() >= least)\n    places ="),
    "drops all that tie": (
        "    places =", "    if keep < weights.numel():\n"
        "        most = weights.abs().flatten().sort(descending=True).values[keep]\n"
        "        return weights * (weights.abs() > most)\n    places ="),
}

# %% correct="magnitude_prune"
def magnitude_prune(weights, keep):
    values = weights.detach().numpy()
    order = np.argsort(np.abs(values), axis=None)[::-1][:keep]
    mask = np.zeros(values.size, dtype=values.dtype)
    mask[order] = 1
    return torch.from_numpy(values * mask.reshape(values.shape))

# %% [markdown]
# ## Is it the Bayesian noise that finds the weights?
#
# Networks of 64 hidden units learn the digits, 4736 weights each. In five of them each weight has
# its noise and pays your `variational_kl`. At the end weights with $\log\alpha > 3$ ($p$ above
# 0.95) are removed. Three controls end with *as many weights*, run by run, after as many steps. One
# trains plainly and is pruned once, at the end; one little by little while it trains, by your
# `magnitude_prune` (Zhu and Gupta 2017). The null removes weights at random, with those settings.
# Validation digits chose learning rates (always the largest of three) and, for pruning only, weight
# decay (`dropoutlab.studies.sparsity`). **Guess: how many of the 4736 are left?**

# %% guess=true
my_guess = 2000  # weights of 4736 that are left

# %% figure=true
# Error after pruning: variational dropout, magnitude pruning, and random pruning.
guess = expect.guess(my_guess)
(X_train, y_train), (X_more, y_more), (X_test, y_test) = forecasters.digits()
X_train, y_train = torch.cat([X_train, X_more]), torch.cat([y_train, y_more])
seeds, how = range(10, 15), learned.settings()
noisy = learned.noisy(X_train, y_train, variational_kl, seeds=seeds, **how["noisy"])
alphas = [torch.cat([a[i].flatten() for a in noisy.log_alpha]) for i in range(5)]
keep = [int((a <= 3).sum()) for a in alphas]


def at_random(weights, count):
    alive = torch.nonzero(weights).flatten()
    new = torch.zeros_like(weights)
    chosen = alive[torch.randperm(len(alive))[:count]]
    new[chosen] = weights[chosen]
    return new


def cut(nets, ranks, counts):
    """Test error, %, of each network with as many weights as `counts`, those of highest rank."""
    chosen = [torch.zeros_like(w) for w in nets.weights]
    for i, count in enumerate(counts):
        left = torch.zeros_like(ranks[i])
        left[ranks[i].topk(count).indices] = 1
        parts = left.split([w[i].numel() for w in nets.weights])
        for mask, part in zip(chosen, parts, strict=True):
            mask[i] = part.reshape(mask[i].shape)
    kept = [w * m for w, m in zip(nets.weights, chosen, strict=True)]
    return 100 * nets.error(X_test, y_test, kept).numpy()


def sizes_of(nets):
    return [torch.cat([w[i].flatten() for w in nets.weights]).abs() for i in range(5)]


plain = learned.pruned(X_train, y_train, keep, None, seeds=seeds, **how["plain"])
little = learned.pruned(X_train, y_train, keep, magnitude_prune, seeds=seeds, **how["pruned"])
null = learned.pruned(X_train, y_train, keep, at_random, seeds=seeds, **how["pruned"])
whole = 100 * plain.error(X_test, y_test).numpy()
errors = {"variational dropout": cut(noisy, [-a for a in alphas], keep),
          "magnitude, once": cut(plain, sizes_of(plain), keep),
          "magnitude, little by little": 100 * little.error(X_test, y_test).numpy(),
          "random, little by little": 100 * null.error(X_test, y_test).numpy()}
counts = np.unique(np.geomspace(60, 4736, 16).astype(int))
lines = {"variational dropout, by α": (noisy, [-a for a in alphas], plot.BLUE, "-"),
         "variational dropout, by |θ|": (noisy, sizes_of(noisy), plot.BLUE, ":"),
         "plain, by magnitude": (plain, sizes_of(plain), plot.GREEN, "-")}
fig, (left, right) = plot.figure(2, width=9.5, height=3)
for name, (nets, ranks, color, style) in lines.items():
    runs = np.array([cut(nets, ranks, [int(count)] * 5) for count in counts])
    left.errorbar(counts, runs.mean(1), plot.standard_error(runs, 1), color=color, linestyle=style,
                  label=name)
left.axvline(np.mean(keep), color=plot.INK, linewidth=0.8)
left.set(xscale="log", xlabel="weights left of 4736, none retrained", ylabel="test error, %",
         ylim=(0, 40), title=f"log α ≤ 3: {np.mean(keep):.0f} ± {plot.standard_error(keep):.0f} "
                             f"are left\n(your guess: {guess})")
left.legend(fontsize=8, loc="upper right")
table = np.array(list(errors.values()))
plot.bars(table.mean(1), list(errors), right, spread=plot.standard_error(table, 1),
          colors=[plot.BLUE, plot.GREEN, plot.GREEN, plot.GREY])
right.axvline(whole.mean(), color=plot.INK, linestyle="--", linewidth=1)
gap = plot.difference(errors["magnitude, little by little"], errors["variational dropout"])
costs = [plot.difference(errors[name], whole) for name in
         ("variational dropout", "magnitude, little by little")]
luck, once = (plot.difference(errors[name], errors["variational dropout"])
              for name in ("random, little by little", "magnitude, once"))
right.set_xlabel("test error, % (5 runs ± s.e.; dashed: all weights)")
right.set_title(f"Variational − all weights: {costs[0]:.1f} points;\n"
                f"magnitude − variational: {gap:.1f}", fontsize=9)
plot.show(fig, "Test error against the weights left, and at equal numbers of weights. Pruning by "
               f"magnitude, little by little, less variational dropout: {gap:.1f} points.",
          claims={"most-weights-can-go": bool(np.mean(keep) < 4736 / 5)
                  and max(lost.mean for lost in costs) < 4,
                  "magnitude-does-as-well": gap.mean + 3 * gap.error < 1,
                  "random-is-worse": luck.sign > 0 and once.sign > 0})

# %% [markdown]
# Most weights can go, for a few points of error at most. But that takes neither a prior nor noise:
# pruning by magnitude *while the network trains* does at most a point worse. Chance does
# badly, and so does pruning once: as the only control it would have made variational dropout look
# good. Gale, Elsen and Hooker (2019) found magnitude pruning as
# good on large networks.
#
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="reward" points=1
# With ten times the data, the reward for an uncertain coin, relative to the fit of all data points
# together, becomes:
#
# - [ ] ten times as large
# - [x] a tenth
# - [ ] the same
#
# Hint: by what is KL divided in the loss?

# %% question="unbiased" points=1
# Which of your two gradients is right on average, whatever the loss?
#
# - [x] score_gradient
# - [ ] the soft mask's at t = 0.1
# - [ ] both
#
# Hint: which of them asks the loss about masks that do not exist?

# %% question="prior_zero" points=1
# The prior is 1/|w| and a weight's likelihood at w = 0 is above 0. Its posterior:
#
# - [ ] is normal
# - [ ] is the likelihood
# - [x] does not exist
#
# Hint: look at the right side of the figure, and let the cut shrink for ever.

# %% [markdown]
# ## In your own words
#
# A paper says: "Our Bayesian method finds that 90 % of the weights are not needed." Say in three to
# six sentences which control and which null you would ask for, what must be equal in them, and what
# the word *Bayesian* rests on here. (In a class, your instructor grades this.)

# %% [markdown] answer="sparse_claim" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: pruning by magnitude (tuned alike, as many weights, as many steps,
# gradually or with retraining) as the control, random pruning as the null, over several seeds, on
# unseen data. One point: the prior is improper, so there is no posterior and no evidence that the
# loss would bound under it (a proper one has since been given: Kharitonov et al. 2018, which a
# learner need not know); that weights vanish is a property of the loss, not a finding of Bayes'
# rule.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - The score gradient is right on average {{claim:score-is-right}} and noisier than that of a soft
#   mask at $t=0.1$; {{claim:score-is-noisier}} a baseline makes it nearly as quiet.
#   {{claim:baseline-helps}}
#   There a soft mask's bias is less than a fifth of the slope; {{claim:soft-bias-is-small}} at
#   $t = 0.02$ its noise is much larger. {{claim:cold-masks-are-noisy}}
# - With the entropy of its coins as a reward, a network learns its own $p$, which falls as data
#   come in. {{claim:learned-rate-falls}} The band then narrows more than at a fixed $p$.
#   {{claim:learned-band-narrows}} But after 2000 steps the start of $p$ still matters.
#   {{claim:start-matters}} A search over fixed $p$ predicted as well, to within 0.05 nats.
#   {{claim:search-does-as-well}}
# - The fitted formula of the divergence is close to the integral. {{claim:formula-fits-integral}}
#   Its prior is improper: as its cut near 0 shrinks, the posterior forgets the data.
#   {{claim:log-uniform-eats-the-data}}
# - More than four in five weights could go, for a few points of error at most.
#   {{claim:most-weights-can-go}} Pruning as many by magnitude during training did at most a point
#   worse than variational dropout. {{claim:magnitude-does-as-well}} Chance did worse, as did
#   pruning once at the end. {{claim:random-is-worse}}
#
# **Read.** Gal, Hron and Kendall, *Concrete dropout*, NIPS 2017 (arXiv:1705.07832). Maddison, Mnih
# and Teh, *The concrete distribution*, and Jang, Gu and Poole, *Categorical reparameterization with
# Gumbel-softmax*, ICLR 2017. Kingma, Salimans and Welling, *Variational dropout and the local
# reparameterization trick*, NIPS 2015. Molchanov, Ashukha and Vetrov, *Variational dropout
# sparsifies deep neural networks*, ICML 2017 (arXiv:1701.05369). Against: Hron, Matthews and
# Ghahramani, *Variational Bayesian dropout: pitfalls and fixes*, ICML 2018 (arXiv:1807.01969);
# Gale, Elsen and Hooker, *The state of sparsity in deep neural networks*, 2019 (arXiv:1902.09574),
# where magnitude pruning does as well on large networks too; Kharitonov, Molchanov and Vetrov, 2018
# (arXiv:1811.00596), who answer with a proper prior. Zhu and Gupta, *To prune, or not to
# prune*, 2017 (arXiv:1710.01878). Boluki et al., *Learnable Bernoulli dropout*, 2020
# (arXiv:2002.05155).
#
# **Stretch.** Why is the score gradient with a baseline still right on average? And train the
# curves for 4000 steps: do the two starts come nearer?
#
# **Still open.** All masks so far drop entries one by one. What should be dropped together in an
# image? That is {{images}}.
