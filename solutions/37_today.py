# %% [markdown]
# # 3.7 · Dropout today
#
# **If the largest models are trained without dropout, where has it gone?**
#
# *{{minutes}} minutes. Before: {{images}} and {{transformers}}. After, you will be able to say when
# dropout is needed, to write adapters and patch dropout, and to steer a diffusion model by labels
# that were dropped in training.*
#
# | symbol | meaning |
# | --- | --- |
# | $p$ | probability that a thing is **dropped**: a unit, a branch, a label |
# | $W$; $A$, $B$ | frozen weights; the two small matrices that are trained beside them |
# | $r$, $\alpha$ | rank of $BA$; its weight is $\alpha/r$ |
# | $\varepsilon$, $\hat\varepsilon$ | noise added to a point; a network's estimate of it |
# | $w$ | guidance weight |

# %% setup=true
from time import process_time

import numpy as np
import torch

from dropoutlab import check_probability, expect, explore, plot, stacked, studies, today
from dropoutlab.studies import today as study

torch.set_num_threads(1)  # products this small would only wait for each other's threads
kept = studies.kept("today")  # measured beforehand


def dropped(x, p, generator=None):
    """Inverted dropout of a tensor, a coin for each entry."""
    keep = torch.rand(x.shape, generator=generator, dtype=x.dtype) >= p
    return x * keep / (1 - p)

# %% [markdown]
# ## One epoch, or many
#
# PaLM (Chowdhery et al. 2022) and OLMo (Groeneveld et al. 2024) were pretrained without dropout,
# and read nearly all of their text once. (T5 1.1 read its text several times, and was better
# without dropout too.)
#
# Is that the reason? Perceptrons with two hidden layers of 128 units see 64 000 images of printed
# characters. Some see 64 000 different images, once each. Others see 4000, or 250, again and again.
# All make 1000 updates. Dropout is on *always*, *early* (in the first 30 % of the updates), *late*
# (in the rest) or never (*none*). For each of these, $p$ (0.1 or 0.3) and one of four learning
# rates were chosen on validation images. **Guess: with 64 000 different images, by what percentage
# does dropout, always on, change the test log loss?** (Less than 0 is better.)

# %% guess=true
my_guess = -5  # percent of the test log loss without dropout

# %% figure=true
# Test log loss against the number of images, four kinds of dropout: takes some 10 seconds.
guess = expect.guess(my_guess)
sizes, kinds = study.ROWS, {"none": plot.GREY, "always": plot.BLUE, "early": plot.GREEN,
                            "late": plot.ORANGE}
tested = [kept[f"epochs {n}"]["tested"] for n in sizes]
runs = {kind: np.array([each[kind]["test loss"] for each in tested]) for kind in kinds}
change = {kind: [plot.difference(100 * own / none.mean(), 100 * none / none.mean())
                 for own, none in zip(runs[kind], runs["none"], strict=True)]
          for kind in kinds if kind != "none"}

few = 3  # networks of each kind, trained just now on 4000 images
X, y = today.printed(5000, 9)
again = {}
for kind in ("none", "always"):
    best = tested[1][kind]
    again[kind] = today.scheduled(
        X[:4000], y[:4000], seeds=range(few), rows=4000, p=[best["p"]] * few,
        spans=[today.SPANS[kind]] * few, rate=best["rate"],
        watch={"test": (X[4000:], y[4000:])})["test loss"]

fig, (left, right) = plot.figure(2, width=9, height=3.2)
for kind, color in kinds.items():
    left.errorbar(sizes, runs[kind].mean(1), plot.standard_error(runs[kind], 1), color=color,
                  marker="o", markersize=4, capsize=3, label=kind)
    if kind in again:
        left.plot(np.full(few, 4000), again[kind], "o", mfc="none", color=color, markersize=6)
left.set(yscale="log", ylabel="test log loss, nats")
left.set_yticks([0.1, 0.2, 0.5, 1], ["0.1", "0.2", "0.5", "1"])
scarce, gain, once = change["always"]
left.set_title(f"4000 images: always − none: {gain:.1f} %\n(circles: trained just now)")
for i, (kind, found) in enumerate(change.items()):
    right.errorbar(np.array(sizes) * 1.1 ** (i - 1), [d.mean for d in found],
                   [2.6 * d.error for d in found], color=kinds[kind], marker="o", markersize=4,
                   capsize=3, linewidth=1, label=f"{kind} − none")
right.axhline(0, color=plot.INK, linewidth=0.8)
right.plot(sizes[-1], guess, "X", color=plot.PINK, markersize=9, label="your guess")
right.set(ylabel="change of test log loss, %")
right.set_title(f"64 000 images, once each:\nalways − none: {once:.1f} %")
for ax in (left, right):
    ax.set(xscale="log", xlabel="different images (64 000 are seen)")
    ax.set_xticks(sizes, [f"{n}" if n < 1000 else f"{n // 1000}k" for n in sizes])
    ax.minorticks_off()
    ax.legend(fontsize=8)
soon = plot.difference(tested[-1]["early"]["train loss"], tested[-1]["none"]["train loss"])


def seeming(n, kind):
    """The change by `kind`, %, had there been but two learning rates to choose from."""
    least = [min(np.mean(cell["validation loss"]) for cell in kept[f"epochs {n}"]["tuning"]
                 if cell["kind"] == name and cell["rate"] in (0.001, 0.003))
             for name in (kind, "none")]
    return 100 * (least[0] / least[1] - 1)


fooled = seeming(250, "always"), seeming(64_000, "early")
plot.show(fig, "Test log loss against the number of different images, and its change by dropout "
               "with 95 % intervals, six networks each. Dropout, always on, changes it by "
               f"{scarce:.1f} % with 250 images, {gain:.1f} % with 4000 and {once:.1f} % with "
               f"64 000. There, early dropout changes the training loss by {soon:.4f} nats. With "
               f"two learning rates to choose from, dropout would have seemed to change the loss "
               f"by {fooled[0]:.0f} % with 250 images, and early dropout by {fooled[1]:.0f} % with "
               "64 000.",
          claims={"many-epochs-gain": gain.sign < 0,
                  "one-epoch-does-harm": once.sign > 0,
                  "a-fifth-rate-is-worse": all(
                      np.mean(cell["validation loss"]) > 1.1 * min(
                          np.mean(other["validation loss"])
                          for other in kept[f"epochs {sizes[-1]}"]["tuning"]
                          if other["kind"] == cell["kind"]) for cell in kept["edge"]),
                  "early-shows-no-gain": change["early"][-1].sign >= 0 and soon.sign >= 0,
                  "two-rates-fool": fooled[0] < scarce.mean - 3 and fooled[1] < -1})

# %% [markdown]
# With 4000 images, each seen 16 times, dropout helps. Where each is seen once, it does harm. In
# BERT and Pythia, pretrained for one epoch, each $p$ above 0 was worse, and so was early dropout
# (Liu, Bauer and Manning 2025). Where text must be repeated, dropout helps (Xue et al. 2023), as
# does much stronger weight decay (Kim et al. 2025).
#
# With 250 images each kind did best at the smallest of four rates, with 64 000 at the largest;
# smaller was not tried, larger (two kinds) was worse.{{claim:a-fifth-rate-is-worse}} With two
# learning rates to choose from, dropout would have seemed to gain 14 % on 250 images, and *early*
# 4 % in one epoch. Tuned alike, neither gain shows, but *early*'s interval reaches −4 %. (Liu et
# al. 2023 saw it help vision transformers in hundreds of epochs.)
#
# ### One question from {{sequences}}
#
# Masks on the input and output of an LSTM saved 0.06 to 0.08 bits. Would they, if it read each
# character once?
#
# <details><summary>Answer</summary>
#
# Hardly, by the figure above: the LSTM read 8000 characters some fifty times.
# </details>
#
# ## Few rows again: fine-tuning
#
# A pretrained model is then tuned on few examples, several times over. Often only *adapters* are
# trained (LoRA, Hu et al. 2022). The weights $W$ stay frozen, and a product of two small matrices
# is added, of rank $r$:
#
# $$ y = W x + \frac{\alpha}{r}\, B A \,\operatorname{dropout}(x) . $$
#
# $B$ begins at 0, so fine-tuning begins with the pretrained model.
#
# ## Exercise: `lora_linear`
#
# Only the adapter's input is dropped; the frozen path sees all of $x$. The setup cell has
# `dropped(x, p, generator)`.

# %% exercise="lora_linear"
def lora_linear(x, W, A, B, alpha, p, generator=None, training=True):
    """x Wᵀ + alpha / r · dropout(x) Aᵀ Bᵀ, in evaluation without the dropout.

    x : (…, inputs), W : (outputs, inputs), A : (r, inputs), B : (outputs, r), left as they are
    p : probability of dropping an entry of x on its way to A, below 1
    generator : torch.Generator, or None for torch's own
    Returns a tensor (…, outputs), whose gradient reaches A and B, and x by both paths.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    seen = dropped(x, p, generator) if training else x
    return x @ W.T + alpha / len(A) * (seen @ A.T @ B.T)
    ### END SOLUTION

# %% [markdown] hint="lora_linear"
# Write the answer for evaluation first: two products, and a sum.

# %% [markdown] hint="lora_linear"
# The rank $r$ is the number of rows of $A$.

# %% [markdown] hint="lora_linear"
# In training, $x$ occurs twice: whole in `x @ W.T`, and dropped in front of `A.T`.

# %% check="lora_linear" points=1
# In evaluation: one matrix, W + alpha / r · B A, does the same.
rng = expect.rng()
for rows, (o, i, r) in (((7,), (3, 5, 2)), ((2, 4), (6, 8, 3))):
    x, W, A, B = (torch.tensor(rng.normal(size=s)) for s in ((*rows, i), (o, i), (r, i), (o, r)))
    alpha = float(rng.uniform(3, 9))
    plain, extra = x @ W.T, x @ (B @ A).T
    with expect.case(f"lora_linear(x {(*rows, i)}, W {(o, i)}, A {(r, i)}, B {(o, r)}, …, "
                     "training=False)", crash=[
        ("mat1 and mat2|shapes|size of tensor", "shapes do not fit: transpose each matrix, and A "
                                                "comes before B."),
        ("Expected size for first", "x may have more than two axes. x @ W.T takes any number."),
    ]):
        given = [part.clone() for part in (x, W, A, B)]
        found = lora_linear(*given, alpha, 0.4, expect.generator(), training=False)
        for part, before in zip(given, (x, W, A, B), strict=True):
            expect.unchanged(part, before)
        expect.tensor(found, (*rows, o), torch.float64, hint="a row of outputs for each row of x.")
        expect.close(found, plain + alpha / r * extra, rtol=1e-6, atol=1e-8,
                     hint="x Wᵀ + alpha / r · x Aᵀ Bᵀ, with nothing dropped.", suspects=[
            (plain, "the adapter is missing."),
            (alpha / r * extra, "the frozen path x Wᵀ is missing."),
            (plain + extra, "the factor alpha / r is missing."),
            (plain + alpha * extra, "alpha is not divided by r."),
            (plain + alpha * r * extra, "alpha is multiplied by r. Divide."),
            (plain + r / alpha * extra, "that is r / alpha. Turn it round."),
            (plain + alpha / r**0.5 * extra, "alpha is divided by the root of r. Divide by r."),
            (plain + alpha / i * extra, "r is the number of A's rows, not of its columns."),
            (plain + alpha / o * extra, "r is the number of B's columns, not of its rows."),
            (plain + alpha / r * 0.6 * extra, "evaluation multiplies by 1 - p. Take x as it is."),
            (plain + alpha / r / 0.6 * extra, "evaluation divides by 1 - p. Take x as it is."),
            (alpha / r * (plain + extra), "only the adapter is multiplied by alpha / r."),
        ])
    with expect.case("the same, in training with p=0"):
        found = lora_linear(x.clone(), W.clone(), A.clone(), B.clone(), alpha, 0.0)
        expect.close(found, plain + alpha / r * extra, rtol=1e-6, atol=1e-8,
                     hint="at p = 0 nothing is dropped: it is what evaluation gives.",
                     suspects=[(plain, "at p = 0 the adapter is missing.")])

# %% check="lora_linear" points=1
# In training, the frozen path sees all of x.
rng = expect.rng()
x, W = (torch.tensor(rng.normal(size=s)) for s in ((30, 8), (8, 8)))
with expect.case("lora_linear(x, W, A, B = 0, alpha, p=0.5, generator)"):
    given = x.clone().requires_grad_()
    A, B = torch.ones(2, 8).double().requires_grad_(), torch.zeros(8, 2).double().requires_grad_()
    found = lora_linear(given, W, A, B, 4.0, 0.5, expect.generator())
    expect.unchanged(given, x)
    expect.equal(found.requires_grad, True,
                 hint="no gradient reaches A and B: they would never learn.")
    expect.close(found.detach(), x @ W.T, rtol=1e-6, atol=1e-8,
                 hint="x Wᵀ is wanted where B is 0. Is the frozen path dropped too?", suspects=[
        (2 * x @ W.T, "only the adapter is multiplied by alpha / r."),
        (0 * x, "the frozen path x Wᵀ is missing."),
    ])
    found.sum().backward()
    slope = torch.zeros_like(x) if given.grad is None else given.grad
    expect.close(slope, W.sum(0).expand(30, 8), rtol=1e-6, atol=1e-8,
                 hint="the gradient of x is not that of x Wᵀ, where B is 0.",
                 suspects=[(0 * x, "no gradient passes x Wᵀ: layers before would not learn. W is "
                                   "frozen, and x is not.")])
ones, (A, B) = torch.ones_like(x).requires_grad_(), torch.eye(8).double().expand(2, 8, 8).clone()
with expect.case("the gradients of lora_linear(x, 0, A, B, 8, p=0.5, generator).sum(), x of ones, "
                 "A and B unit matrices"):
    parts = {"A": A.requires_grad_(), "B": B.requires_grad_(), "x": ones}
    lora_linear(ones, 0 * W, A, B, 8.0, 0.5, expect.generator()).sum().backward()
    for name, part in parts.items():
        expect.equal(part.grad is not None and bool(part.grad.any()), True,
                     hint=f"no gradient passes the adapter to {name}.")

# %% check="lora_linear" points=2
# The adapter's input has a coin for each entry, from the generator alone; survivors are scaled.
one, none = torch.eye(60), torch.zeros(60, 60)
with expect.case("lora_linear(ones (20, 60), 0, A, B, …) with A and B unit matrices"):
    expect.coins(lambda p, g: lora_linear(torch.ones(20, 60), none, one, one, 60.0, p, g),
                 source=expect.generator, none=True, scale=lambda p: 1 / (1 - p))
with expect.case("lora_linear(ones (2000, 3), 0, A = (1, 2, 4), B = 1, alpha=1, p=0.5, generator)"):
    found = lora_linear(torch.ones(2000, 3), torch.zeros(1, 3), torch.tensor([[1.0, 2, 4]]),
                        torch.ones(1, 1), 1.0, 0.5, expect.generator())
    expect.tensor(found, (2000, 1), hint="one output for each row of x.")
    sums = sorted({round(float(v) / 2) for v in found.flatten()})
    expect.equal(len(sums), 8, hint="the mask falls behind A, all or nothing. Drop x, before A.")

# %% mistakes="lora_linear"
{
    "Is the frozen path dropped too": ("return x @", "return seen @"),
    "takes any number": ("x @ W.T + alpha / len(A) * (seen @ A.T @ B.T)",
                         "(W @ x.T + alpha / len(A) * (B @ (A @ seen.T))).T"),
    "the adapter is missing": ("alpha / len(A) * (", "0 * ("),
    "the frozen path x Wᵀ is missing": ("return x @ W.T +", "return"),
    "the factor alpha / r is missing": ("alpha / len(A) * (", "("),
    "not divided by r": ("alpha / len(A)", "alpha"),
    "multiplied by r": ("alpha / len(A)", "alpha * len(A)"),
    "number of A's rows": ("len(A)", "A.shape[1]"),
    "number of B's columns": ("len(A)", "len(B)"),
    "multiplies by 1 - p": ("else x", "else x * (1 - p)"),
    "evaluation divides by 1 - p": ("else x", "else x / (1 - p)"),
    "at p = 0 the adapter is missing": ("    seen =", "    if p == 0:\n        return x @ W.T\n"
                                                      "    seen ="),
    "shapes do not fit": ("seen @ A.T @ B.T", "seen @ B.T @ A.T"),
    "root of r": ("alpha / len(A)", "alpha / len(A) ** 0.5"),
    "writes into its input": ("return x @ W.T + alpha / len(A) * (seen @ A.T @ B.T)",
                              "W += alpha / len(A) * B @ A\n    return x @ W.T"),
    "no gradient passes x Wᵀ": ("return x @ W.T", "return x.detach() @ W.T"),
    "passes the adapter to x": ("dropped(x, p", "dropped(x.detach(), p"),
    "passes the adapter to A": ("seen @ A.T", "seen @ A.detach().T"),
    "passes the adapter to": ("(seen @ A.T @ B.T)", "(seen @ A.T @ B.T).detach()"),
    "no gradient reaches": ("return x @ W.T + alpha / len(A) * (seen @ A.T @ B.T)",
                            "return (x @ W.T + alpha / len(A) * (seen @ A.T @ B.T)).detach()"),
    "r / alpha": ("alpha / len(A)", "len(A) / alpha"),
    "only the adapter is multiplied": ("x @ W.T + alpha / len(A) * (seen",
                                       "alpha / len(A) * (x @ W.T + seen"),
    "with nothing dropped": (" if training else x", ""),
    "nothing is dropped, whatever": ("dropped(x, p, generator) if training else x", "x"),
    "all or nothing": ("(seen @ A.T @ B.T)",
                       "((dropped(x @ A.T, p, generator) if training else x @ A.T) @ B.T)"),
    "survivors are not scaled": ("dropped(x, p, generator) if",
                                 "dropped(x, p, generator) * (1 - p) if"),
    "a seed is set inside": ("dropped(x, p, generator)",
                             "dropped(x, p, torch.Generator().manual_seed(0))"),
    "do not come from the given": ("dropped(x, p, generator)", "dropped(x, p)"),
}

# %% correct="lora_linear"
def lora_linear(x, W, A, B, alpha, p, generator=None, training=True):
    branch = x
    if training:
        keep = torch.empty(x.shape).uniform_(generator=generator).ge(p).to(x.dtype)
        branch = x * keep / (1 - p)
    delta = torch.einsum("...i,ri,or->...o", branch, A, B)
    return torch.nn.functional.linear(x, W) + delta.mul(alpha).div(A.shape[0])

# %% [markdown]
# A network has learned *printed* digits, and meets *handwritten* ones: 50 of them to be fine-tuned
# on, 300 steps. Networks are tuned by adapters of rank 4 or whole, without dropout and with the $p$
# of five (0.05 to 0.6) that does best on validation digits, each at its own learning rate. A third
# network is a *mixture of experts*: a router sends each row to one of eight small networks. Fedus
# et al. (2022) fine-tune with $p=0.4$ inside the experts and 0.1 elsewhere.

# %% figure=true
# Test loss after fine-tuning, by your adapters and of all weights, with and without dropout.
found = kept["lora"]
before = found["before"]["test error"][0]
six = range(100, 106)
mine = {name: np.array([
    today.fine_tuned(lora_linear, seed=seed, p=how["p"], rate=how["rate"], rows=study.LORA_ROWS,
                     watch={"test": today.written()["test"]})["test loss"][0] for seed in six])
    for name, how in found["lora"]["tested"].items()}
ways, experts = {"lora": "adapters", "whole": "all weights"}, kept["experts"]["tested"]
fig, (left, right) = plot.figure(2, width=9, height=3.6)
gains, errors = {}, {}
for row, (way, name) in enumerate(ways.items()):
    own = found[way]["tested"]
    for k, (kind, color) in enumerate((("without", plot.GREY), ("with", plot.BLUE))):
        losses, at = own[kind]["test loss"], row + 0.3 * k - 0.15
        errors[name, kind] = np.mean(own[kind]["test error"])
        left.plot(losses, np.full(len(losses), at), ".", color=color, alpha=0.4)
        left.plot(np.mean(losses), at, "o", color=color,
                  label=f"{kind} dropout" if way == "lora" else None)
        if way == "lora":
            left.plot(mine[kind], np.full(len(six), at - 0.1), "o", mfc="none", color=plot.INK,
                      markersize=5, label="yours" if k else None)
    gains[way] = plot.difference(own["with"]["test loss"], own["without"]["test loss"])
    right.errorbar(gains[way].mean, row, xerr=2.1 * gains[way].error, marker="o", color=plot.BLUE,
                   capsize=3)
moe = {kind: plot.difference(experts[kind]["test loss"], experts[other]["test loss"])
       for kind, other in (("equal", "none"), ("more inside", "equal"))}
for row, gap in enumerate(moe.values(), start=2):
    right.errorbar(gap.mean, row, xerr=2.2 * gap.error, marker="o", color=plot.ORANGE, capsize=3)
rates = [tuple(experts[kind][k] for k in ("p", "inside")) for kind in moe]
left.set_yticks((0, 1), ways.values())
right.set_yticks(range(4), [
    *(f"{name}\np = {found[way]['tested']['with']['p']:g}" for way, name in ways.items()),
    f"experts, p = {rates[0][0]:g}\n− none",
    f"{rates[1][1]:g} inside, {rates[1][0]:g} outside\n− p = {rates[0][0]:g}"])
left.set(xlabel="test log loss, nats", ylim=(1.5, -0.6))
left.set_title("Error, %: before {:.0f}; adapters {:.1f} → {:.1f},\nall weights {:.1f} → {:.1f}"
               .format(before, *errors.values()), fontsize=10)
left.legend(fontsize=8, loc="lower right")
right.axvline(0, color=plot.INK, linewidth=0.8)
right.set(xlabel="change of test log loss, nats (95 %)", ylim=(3.6, -0.6))
right.set_title(f"Adapters {gains['lora']:.2f}, all weights {gains['whole']:.2f},\n"
                f"experts {moe['equal']:.2f}, more inside {moe['more inside']:.3f}", fontsize=9)
usual = [next(c["validation loss"] for c in found["lora"]["tuning"]
              if (c["p"], c["rate"]) == (p, found["lora"]["tested"]["without"]["rate"]))
         for p in (0.05, 0.0)]
usual = plot.difference(*usual)
alone = plot.difference(experts["inside alone"]["test loss"], experts["none"]["test loss"])
same = np.subtract(mine["without"], found["lora"]["tested"]["without"]["test loss"][:6])
plot.show(fig, "Test log loss after fine-tuning on 50 digits. Dropout changes it by "
               f"{gains['lora']:.2f} nats with adapters, by {gains['whole']:.2f} with all weights. "
               f"At p = 0.05 adapters gain {usual:.3f} nats (six runs, validation digits). "
               "Without dropout, your adapters and those of the study differ by "
               f"{np.abs(same).max():.1g} nats at most. With experts dropout changes the loss by "
               f"{moe['equal']:.2f}, inside them alone by {alone:.2f}, and more of it inside them "
               f"than elsewhere by another {moe['more inside']:.3f} (12 runs).",
          claims={"adapters-gain": gains["lora"].sign < 0,
                  "all-weights-gain": gains["whole"].sign < 0,
                  "experts-gain": moe["equal"].sign < 0,
                  "inside-alone": alone.sign >= 0,
                  "more-inside-gains-nothing": moe["more inside"].sign >= 0})

# %% [markdown]
# Fifty digits, seen 300 times: dropout helps much. (Early stopping was not tried.)
# Adapters are small, and overfit too. They want a large $p$; 0.6 was the largest on offer. Many
# recipes say 0.05, with no clear gain here. A network of experts gains too,{{claim:experts-gain}}
# but not clearly by dropping inside them, alone{{claim:inside-alone}} or more than
# elsewhere.{{claim:more-inside-gains-nothing}}
#
# ## Vision transformers: paths and patches
#
# Images are still seen hundreds of times. DeiT (Touvron et al. 2021) and ConvNeXt (Liu et al. 2022)
# drop *paths* ({{images}}): the branch of a block, a coin for each image. The drop rate rises in a
# straight line, from 0 in the first block to $p$ in the last, 0.1 for DeiT and 0.1 to 0.5 for
# ConvNeXt.
#
# One may also drop *input*. A vision transformer cuts an image into patches, each a token. Leave
# some out, and training gets cheaper (PatchDropout, Liu et al. 2023; FLIP, Li et al. 2023). Nothing
# is zeroed: the sequence gets shorter. Nor is anything scaled, as attention takes means.
#
# ## Exercise: `patch_dropout`

# %% exercise="patch_dropout"
def patch_dropout(x, keep, generator=None):
    """The class token, and `keep` patches of each image, chosen at random.

    x : (images, 1 + patches, features), left as it is; x[:, 0] is the class token, which stays
        first. Positions have been added: the order of the patches does not matter.
    keep : how many patches stay, exactly; each set of so many is equally likely, and each image
        has a set of its own
    generator : torch.Generator, or None for torch's own
    Returns a new tensor (images, 1 + keep, features); the gradient passes.
    """
    ### BEGIN SOLUTION
    images, tokens, _ = x.shape
    order = torch.randn(images, tokens - 1, generator=generator).argsort(1) + 1
    first = torch.zeros(images, 1, dtype=torch.long)
    chosen = torch.cat([first, order[:, :keep]], 1)
    return x[torch.arange(images)[:, None], chosen]
    ### END SOLUTION

# %% [markdown] hint="patch_dropout"
# To choose 3 of 10 at random, put the ten in a random order, and take the first 3.

# %% [markdown] hint="patch_dropout"
# Random numbers (images, patches), sorted in each row: `argsort(1)` gives an order for each image.
# Patches are counted from 1 in x.

# %% [markdown] hint="patch_dropout"
# `x[rows, columns]` with `rows` (images, 1) and `columns` (images, 1 + keep) picks the tokens. So
# does `torch.take_along_dim`.

# %% check="patch_dropout" points=1
# What comes back: the class token, and `keep` different patches of the same image, as they were.
for images, patches, keep in ((5, 9, 4), (3, 6, 5), (4, 7, 1), (3, 4, 4)):
    x = torch.arange(images * (patches + 1) * 2.0).reshape(images, patches + 1, 2).double() + 1
    with expect.case(f"patch_dropout(x, {keep}) on {images} images of {patches} patches", crash=[
        ("index .* out of bounds", "patches are counted from 1 in x, as 0 is the class token."),
    ]):
        given = x.clone()
        found = patch_dropout(given, keep, expect.generator())
        expect.unchanged(given, x)
        if tuple(found.shape) == (images, patches + 1, 2) and keep < patches:
            expect.tensor(found, (images, keep + 1, 2),
                          hint="the sequence is as long as before. Leave tokens out.")
        expect.tensor(found, (images, keep + 1, 2), torch.float64,
                      hint="the class token and keep patches of each image.")
        expect.close(found[:, 0], x[:, 0], hint="the class token stays, first and as it is.")
        expect.equal(bool((found != 0).all()), True,
                     hint="patches are zeroed, or filled up with zeros. Exactly `keep` must stay.")
        place = (found[:, 1:, 0] - x[:, :1, 0]) / 2
        expect.equal(bool((place == place.round()).all()), True,
                     hint="tokens changed. Leave them as they are, with no factor.")
        expect.equal(bool(((place >= 0) & (place <= patches)).all()), True,
                     hint="a patch of another image.")
        expect.equal(bool((place > 0).all()), True,
                     hint="the class token comes twice. Patches are counted from 1.")
        expect.equal([len(set(row)) for row in place.tolist()], [keep] * images,
                     hint="a patch comes twice. Choose without putting back.")
        expect.close(found[:, 1:, 1] - found[:, 1:, 0], torch.ones(images, keep).double(),
                     hint="features of different patches are mixed.")
        expect.copied(patch_dropout, x.clone(), keep, expect.generator())
with expect.case("patch_dropout(x, 2).sum().backward(), x of 3 images of 4 patches", crash=[
    ("require.? grad", "no gradient reaches x: nothing in front would learn. Is x detached, or "
                       "turned into NumPy?"),
]):
    x = torch.ones(3, 5, 2, requires_grad=True)
    patch_dropout(x, 2).sum().backward()
    expect.close(x.grad.sum((1, 2)), torch.full((3,), 6.0), hint="the gradient is 1 where a token "
                 "stays, else 0.")

# %% check="patch_dropout" points=2
# Each patch is equally likely, alone and with its neighbour, and each image has a set of its own.
def stayed(images, patches, keep, generator):
    """For each image and patch, whether it stayed."""
    x = torch.arange(patches + 1.0).expand(images, -1)[..., None].clone()
    found = patch_dropout(x, keep, generator)
    expect.tensor(found, (images, keep + 1, 1), hint="the class token and keep patches.")
    places = found[:, 1:, 0].long().tolist()
    expect.equal(all(len(set(row) - {0}) == keep for row in places), True,
                 hint="not `keep` different patches: see the check above.")
    return np.array([[t in row for t in range(1, patches + 1)] for row in map(set, places)])


images, patches, keep = 1500, 8, 3
with expect.case(f"patch_dropout(x, {keep}) on {images} images of {patches} patches: which stay"):
    masks = stayed(images, patches, keep, expect.generator())
    expect.equal(bool((masks == masks[:1]).all()), False,
                 hint="all images lose the same patches. Choose for each image.")
    low, high = expect.binomial_interval(images, keep / patches, 1e-10)
    counts = masks.sum(0)
    expect.equal(bool(((low <= counts) & (counts <= high)).all()), True,
                 hint="some patches stay more often than others. All are equally likely.")
    both = (masks[:, :-1] & masks[:, 1:]).sum(0)
    low, high = expect.binomial_interval(images, keep * (keep - 1) / patches / (patches - 1), 1e-10)
    expect.equal(bool(((low <= both) & (both <= high)).all()), True,
                 hint="neighbours stay together too often or too seldom. Each set of patches is "
                 "equally likely.")
    chances = 1 / 56, 10 / 56  # of 56 sets of 3 patches: the same one, and one that shares none
    (low, high), apart = (expect.binomial_interval(images // 2, c, 1e-10) for c in chances)
    for one, other in ((masks[::2], masks[1::2]), (masks[:750], masks[750:])):
        expect.equal(bool(low <= (one == other).all(1).sum() <= high), True,
                     hint="some images lose the same patches. Choose for each image.")
        expect.equal(bool(apart[0] <= (~(one & other).any(1)).sum() <= apart[1]), True,
                     hint="two images keep the same patches too seldom or too often. Choose for "
                          "each image by itself.")
with expect.case("patch_dropout(x, 10, generator) on 40 images of 20 patches, twice"):
    g = expect.generator()
    expect.varies([stayed(40, 20, 10, g) for _ in range(2)], chance=1e-12,
                  what="two different choices",
                  hint="each call makes the same choice: a seed is set inside.")
    seed = int(expect.rng().integers(2**31))
    expect.repeats(*(stayed(40, 20, 10, torch.Generator().manual_seed(seed)) for _ in range(2)),
                   hint="the choice does not come from the given generator alone.")
with expect.case("patch_dropout(x, 10) on 40 images of 20 patches, without a generator, twice"):
    state = expect.ask("rng_state")
    first = stayed(40, 20, 10, None)
    expect.varies([first, stayed(40, 20, 10, None)], chance=1e-12, what="two different choices",
                  hint="each call makes the same choice: the generator for None is a new one.")
    expect.ask("set_rng_state", state)
    expect.repeats(first, stayed(40, 20, 10, None),
                   hint="where generator is None, the choice does not come from torch's own.")

# %% mistakes="patch_dropout"
{
    "no gradient reaches x": ("return x[", "return x.detach()["),
    "the gradient is 1 where": ("return x[", "return (2 * x - x.detach())["),
    "some patches stay more often": (
        "torch.randn(images, tokens - 1, generator=generator).argsort(1) + 1",
        "torch.randn(images, tokens - 1, generator=generator).add("
        "torch.arange(tokens - 1) / tokens).argsort(1) + 1"),
    "all images lose the same patches": (
        "torch.randn(images, tokens - 1, generator=generator).argsort(1) + 1",
        "torch.randperm(tokens - 1, generator=generator).expand(images, -1) + 1"),
    "some images lose the same": (
        "torch.randn(images, tokens - 1, generator=generator).argsort(1) + 1",
        "torch.randn(-(-images // 2), tokens - 1, generator=generator).argsort(1)"
        ".repeat_interleave(2, 0)[:images] + 1"),
    "a patch comes twice": (
        "torch.randn(images, tokens - 1, generator=generator).argsort(1) + 1",
        "torch.randint(1, tokens, (images, tokens - 1), generator=generator)"),
    "the class token comes twice": (".argsort(1) + 1", ".argsort(1)"),
    "out of": ("tokens - 1, generator=generator)", "tokens, generator=generator)"),
    "the class token and keep patches": ("torch.cat([first, order[:, :keep]], 1)",
                                         "order[:, :keep]"),
    "stays, first and as it is": ("[first, order[:, :keep]]", "[order[:, :keep], first]"),
    "with no factor": ("return x[torch.arange(images)[:, None], chosen]",
                       "scale = (tokens - 1) / keep\n"
                       "    rest = x[torch.arange(images)[:, None], chosen[:, 1:]]\n"
                       "    return torch.cat([x[:, :1], rest * scale], 1)"),
    "as long as before": (
        "return x[torch.arange(images)[:, None], chosen]",
        "mask = torch.zeros(images, tokens, 1, dtype=x.dtype)\n"
        "    mask[torch.arange(images)[:, None], chosen] = 1\n"
        "    return x * mask"),
    "neighbours stay together": (
        "torch.randn(images, tokens - 1, generator=generator).argsort(1) + 1",
        "(torch.randint(tokens - 1, (images, 1), generator=generator) + torch.arange(tokens - 1))"
        " % (tokens - 1) + 1"),
    "a seed is set inside": ("generator=generator",
                             "generator=torch.Generator().manual_seed(0)"),
    "does not come from the given": ("tokens - 1, generator=generator)", "tokens - 1)"),
    "two images keep the same patches": (
        "torch.randn(images, tokens - 1, generator=generator)",
        "torch.randn(-(-images // 2), tokens - 1, generator=generator).repeat_interleave(2, 0)"
        "[:images].mul(torch.tensor([1, -1]).repeat(images)[:images, None])"),
    "the generator for None": ("generator=generator)", "generator=generator or torch.Generator())"),
    "does not come from torch's own": (
        "images, tokens, _ = x.shape", "images, tokens, _ = x.shape\n    if generator is None:\n"
        "        generator = torch.Generator()\n        generator.seed()"),
}

# %% correct="patch_dropout"
def patch_dropout(x, keep, generator=None):
    weights = torch.ones(x.shape[0], x.shape[1] - 1)
    if keep == x.shape[1] - 1:
        return x.clone()
    chosen = torch.multinomial(weights, keep, replacement=False, generator=generator)
    rest = x[:, 1:].gather(1, chosen[..., None].expand(-1, -1, x.shape[2]))
    return torch.cat((x[:, :1], rest), dim=1)

# %% [markdown]
# Small vision transformers learn printed digits. For paths: six blocks, 300 images of 16 patches,
# each image seen 27 times. For patches: two blocks and 4000 images of 49 patches. In testing
# every patch is there. **Guess: trained with 12 of the 49 patches, for as many steps, how many
# points more test error?**

# %% guess=true
my_guess = 5  # percentage points

# %% figure=true
# Drop path with the same p and with a rising one, and your patch dropout: error and time.
guess = expect.guess(my_guess)
trees = kept["paths"]["tested"]
fig, axes = plot.figure(3, width=10.5, height=3)
gained = {}
for row, kind in enumerate(("constant", "linear")):
    own = np.subtract(trees[kind]["test loss"], trees["none"]["test loss"])
    gained[kind] = plot.difference(own)
    axes[0].plot(own, np.full(len(own), row), ".", color=plot.BLUE, alpha=0.4)
    axes[0].errorbar(gained[kind].mean, row, xerr=2.8 * gained[kind].error, marker="o",
                     color=plot.BLUE, capsize=3)
rising = plot.difference(trees["linear"]["test loss"], trees["constant"]["test loss"])
worse = plot.difference(trees["constant"]["test error"], trees["none"]["test error"])
milder = plot.difference(trees["linear"]["test error"], trees["constant"]["test error"])
axes[0].axvline(0, color=plot.INK, linewidth=0.8)
axes[0].set_yticks((0, 1), [f"p = {trees['constant']['p']:g}\neverywhere",
                            f"p from 0\nto {trees['linear']['p']:g}"])
axes[0].set(xlabel="test log loss − that with none", ylim=(1.5, -0.5),
            title=f"Everywhere − none: {gained['constant']:.2f} nats,\n{worse:.1f} points of error")

X, y = study.large(300, 8)
spent = {}
for keep in (49, 24, 12) * 4:  # milliseconds of a step, with your function: the least of four
    began = process_time()
    today.vits(X, y, seeds=[0], rows=300, depth=2, rate=0.002, steps=5, batch=study.BATCH,
               watch={}, keep=keep, patch_dropout=patch_dropout)
    spent[keep] = min(spent.get(keep, np.inf), 1000 * (process_time() - began) / 5)
X, y = study.large(study.PATCH_ROWS, 1)
least = study.KEEP[-1]
live = today.vits(X, y, seeds=[100, 101], rows=study.PATCH_ROWS, depth=2,
                  rate=kept["patches"][str(least)]["rate"], steps=study.PATCH_STEPS,
                  batch=study.BATCH, keep=least, patch_dropout=patch_dropout,
                  watch={"test": study.large(2000, 3)})["test error"]
errors = {kind: np.array([kept["patches"][str(keep)][kind]["test error"] for keep in study.KEEP])
          for kind in ("steps", "work")}
for kind, color, name in (("steps", plot.BLUE, "as many steps"),
                          ("work", plot.GREEN, "as many patches in all")):
    axes[1].errorbar(study.KEEP, errors[kind].mean(1), plot.standard_error(errors[kind], 1),
                     color=color, marker="o", capsize=3, label=name)
axes[1].plot(np.full(2, least), live, "o", mfc="none", color=plot.INK, label="yours")
axes[1].plot(least, errors["steps"][0].mean() + guess, "X", color=plot.PINK, markersize=9,
             label="your guess")
dearer, even = (plot.difference(errors[kind][-1], errors[kind][0]) for kind in ("steps", "work"))
axes[1].set(xlabel="patches kept of 49", ylabel="test error, %", ylim=(0, None),
            title=f"12 patches − 49 patches, same steps:\n{dearer:.1f} points")
axes[1].legend(fontsize=8)
axes[2].plot(list(spent), list(spent.values()), "o-", color=plot.BLUE)
share = spent[12] / spent[49]
longer = study.PATCH_STEPS * 49 // 12 / study.PATCH_STEPS * share
axes[2].set(xlabel="patches kept of 49", ylabel="a training step, ms",
            ylim=(0, 1.1 * max(spent.values())))
axes[2].set_title(f"12 patches: a step takes {100 * share:.0f} % of the time,\nas many patches in "
                  f"all {longer:.1f} times the time", fontsize=10)
for ax in axes[1:]:
    ax.set_xticks(list(spent))
plot.show(fig, "Left, the change of test log loss by drop path, with 95 % intervals, five "
               "networks each. Middle, test error by patches kept, five networks each. Right, the "
               f"time of a step. Rising p less the same p: {rising:.2f} nats, {milder:.1f} points "
               f"of error. With as many steps, a quarter of the patches costs {dearer:.1f} points "
               f"of error; with as many patches in all, {even:.1f}, in {longer:.1f} times the "
               "time.",
          claims={"drop-path-lowers-the-loss": gained["constant"].sign < 0,
                  "drop-path-raises-the-error": worse.sign > 0,
                  "rising-p-errs-less": milder.sign < 0,
                  "as-many-patches-take-longer": longer > 1.1,
                  "fewer-patches-cheaper": spent[12] < 0.7 * spent[49],
                  "fewer-patches-cost-error": dearer.sign > 0,
                  "as-many-patches-as-good": bool(even.mean + 2.8 * even.error < 5)})

# %% [markdown]
# With one $p$ throughout, drop path lowered the log loss and raised the error. Perhaps 27
# passes are too few where a quarter of the branches is missing: DeiT takes 300. With rising $p$ we
# saw no gain, and the error rose less.{{claim:rising-p-errs-less}}
#
# With a quarter of the patches a step takes more than a quarter of the time. After as many steps,
# 150, the error was far higher. After as many patches we could tell no difference, but it took
# longer.
#
# ## Dropping the label
#
# Most diffusion models that draw what you ask for are trained this way. Such a model learns to
# find the noise in $x = \cos\phi\; x_0 + \sin\phi\;\varepsilon$, where $x_0$ is an image and $\phi$
# an angle between 0 and $90°$. It is told the label (or the text) of $x_0$. To draw an image, begin
# with pure noise, and take away, step by step, the noise that the network finds.
#
# Ho and Salimans (2022) drop the label now and then in training, with $p = 0.1$ say. In its place
# comes one more label, which means *unknown*. So one network learns two estimates,
# $\hat\varepsilon(x, \text{label})$ and $\hat\varepsilon(x)$.
#
# ## Exercise: `drop_condition`

# %% exercise="drop_condition"
def drop_condition(labels, p, null, generator=None):
    """Replace each label by `null` with probability p, and keep it otherwise.

    labels : integer tensor of any shape, left as it is
    null : an integer, the label that means "unknown"
    generator : torch.Generator, or None for torch's own
    Returns a new tensor of labels' shape and dtype.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    lost = torch.rand(labels.shape, generator=generator) < p
    return labels.masked_fill(lost, null)
    ### END SOLUTION

# %% [markdown] hint="drop_condition"
# A coin for each label, of the labels' shape. Uniform numbers are floats, whatever labels are.

# %% [markdown] hint="drop_condition"
# A label is replaced where its uniform number is below p.

# %% [markdown] hint="drop_condition"
# `torch.where` and `masked_fill` take a mask of True and False. Nothing is multiplied.

# %% check="drop_condition" points=2
# Each label has a coin of its own, from the generator alone.
with expect.case("drop_condition(labels, p, null, generator) on (20, 60) labels", crash=[
    ("not implemented for 'Long'", "coins like labels would be integers. Draw floats: "
                                   "torch.rand(labels.shape, …)."),
    ("must match|expand", "the coins do not line up with labels. Draw them of labels.shape."),
]):
    expect.only(drop_condition(torch.ones(20, 60, dtype=torch.long), 0.8, 7, expect.generator()),
                (1, 7), hint="a dropped label must be null, and no other may change.")
    found = drop_condition(torch.arange(40).repeat(30), 0.5, 40, expect.generator())
    lost = (found == 40).view(30, 40)
    expect.some((lost != lost[:1]) | (not lost.any()) | lost.all(),
                "equal labels, one dropped and one kept",
                hint="equal labels share a coin. Each place has its own.")
    expect.coins(lambda p, g: drop_condition(torch.ones(20, 60, dtype=torch.long), p, 7, g) == 1,
                 source=expect.generator, none=True)

# %% check="drop_condition" points=1
# A dropped label becomes null, and every other stays as it is.
rng = expect.rng()
for null, dtype, shape in ((10, torch.int64, (6, 50)), (-1, torch.int32, (300,))):
    labels = torch.tensor(rng.integers(0, 10, shape)).to(dtype)
    with expect.case(f"drop_condition(labels, p=0.4, null={null}) on 300 labels 0 to 9"):
        given = labels.clone()
        found = drop_condition(given, 0.4, null, expect.generator())
        expect.unchanged(given, labels)
        expect.tensor(found, shape, dtype, hint="return a tensor like labels.")
        expect.equal(bool((found[found != labels] == null).all()), True,
                     hint="a dropped label must be null, and no other may change.")
        expect.some(found != labels, "a dropped label", hint="no label is dropped.")
    with expect.case(f"drop_condition(labels, p=0, null={null}) on 300 labels 0 to 9"):
        expect.equal(drop_condition(labels.clone(), 0.0, null), labels,
                     hint="at p = 0 every label stays. Is 0 taken for a mark? It is a label too.")
        expect.copied(drop_condition, labels.clone(), 0.0, null)

# %% mistakes="drop_condition"
{
    "p is swapped": (" < p", " >= p"),
    "equal labels share a coin": ("torch.rand(labels.shape, generator=generator)",
                                  "torch.rand(50, generator=generator)[labels]"),
    "do not line up with labels": ("rand(labels.shape,", "rand(len(labels),"),
    "one coin decides": ("torch.rand(labels.shape, generator=generator)",
                         "torch.rand(1, generator=generator).expand(labels.shape)"),
    "every row has the same mask": ("torch.rand(labels.shape, generator=generator)",
                                    "torch.rand(labels.shape[-1], generator=generator)"
                                    ".expand(labels.shape)"),
    "a dropped label must be null": ("labels.masked_fill(lost, null)", "labels * ~lost"),
    "no other may change": ("labels.masked_fill(lost, null)",
                            "torch.where(lost, null, labels / (1 - p)).to(labels.dtype)"),
    "It is a label too": ("labels.masked_fill(lost, null)",
                          "(labels * ~lost).masked_fill(labels * ~lost == 0, null)"),
    "or a view of it": ("    return labels.mask", "    if p == 0:\n        return labels\n"
                        "    return labels.mask"),
    "nothing is dropped": ("masked_fill(lost, null)", "masked_fill(lost & ~lost, null)"),
    "writes into its input": ("masked_fill(", "masked_fill_("),
    "coins like labels would be integers": ("torch.rand(labels.shape, generator=generator)",
                                            "torch.rand_like(labels)"),
    "no label is dropped": ("masked_fill(lost, null)",
                            "masked_fill(lost & (labels == 1) & (labels.dim() > 1), null)"),
    "a tensor like labels": ("labels.masked_fill(lost, null)",
                             "torch.where(lost, float(null), labels.double())"),
    "a seed is set inside": ("generator=generator",
                             "generator=torch.Generator().manual_seed(0)"),
    "do not come from the given": ("torch.rand(labels.shape, generator=generator)",
                                   "torch.rand(labels.shape)"),
}

# %% correct="drop_condition"
def drop_condition(labels, p, null, generator=None):
    coins = torch.bernoulli(torch.full(labels.shape, 1.0 - p), generator=generator)
    new = labels.clone()
    new[coins == 0] = null
    return new

# %% [markdown]
# ## Exercise: `guided`
#
# In sampling, the network is asked for both. Guidance goes from the second towards the first, and
# further:
#
# $$ \hat\varepsilon(x) + w\,\bigl[\hat\varepsilon(x, \text{label}) - \hat\varepsilon(x)\bigr] . $$
#
# With $w=0$ the label is ignored, with $w=1$ the model is used as it was trained, and image
# generators use 2 to 10. (Ho and Salimans write $w$ for our $w - 1$.)

# %% exercise="guided"
def guided(cond, uncond, w):
    """From `uncond` (w = 0) to `cond` (w = 1) and beyond, in a straight line.

    cond, uncond : tensors of one shape, left as they are; w : a number
    """
    ### BEGIN SOLUTION
    return uncond + w * (cond - uncond)
    ### END SOLUTION

# %% [markdown] hint="guided"
# Put in $w=0$ and $w=1$: what must come out?

# %% [markdown] hint="guided"
# The difference points from `uncond` to `cond`.

# %% [markdown] hint="guided"
# Begin at `uncond`, and go $w$ times the difference.

# %% check="guided" points=1
# Values at several weights.
rng = expect.rng()
for w in (float(rng.uniform(1.5, 6)), 0.0, 1.0, 0.25):
    cond, uncond = (torch.tensor(rng.normal(size=(3, 4))) for _ in range(2))
    with expect.case(f"guided(cond, uncond, w={w:.2f}) on random tensors (3, 4)"):
        a, b = cond.clone(), uncond.clone()
        found = guided(a, b, w)
        expect.unchanged(a, cond)
        expect.unchanged(b, uncond)
        expect.close(found, uncond + (cond - uncond) * w, rtol=1e-6, atol=1e-9,
                     hint="uncond at w = 0, cond at w = 1, and a straight line through both.",
                     suspects=[
            ((1 + w) * cond - w * uncond, "that is the paper's w, which is ours minus 1."),
            (cond + w * (uncond - cond), "cond and uncond are swapped."),
            (w * (cond - uncond), "the difference alone. Add it to uncond."),
            (uncond + w * cond, "the difference is missing: cond - uncond is multiplied by w."),
            (w * cond, "that is w · cond: uncond is missing, or cancels for want of brackets."),
            (uncond - w * (cond - uncond), "the sign of the step is wrong."),
        ])

# %% mistakes="guided"
{
    "the paper's w": ("uncond + w * (cond - uncond)", "cond + w * (cond - uncond)"),
    "cond and uncond are swapped": ("uncond + w * (cond - uncond)",
                                    "cond + w * (uncond - cond)"),
    "uncond is missing": ("uncond + w * (cond - uncond)", "w * cond"),
    "cancels for want of brackets": ("(cond - uncond)", "cond - uncond"),
    "the difference alone": ("uncond + w * (cond - uncond)", "w * (cond - uncond)"),
    "the difference is missing": ("(cond - uncond)", "cond"),
    "the sign of the step": ("uncond + w", "uncond - w"),
    "writes into its input": ("uncond + w * (cond - uncond)",
                              "uncond.add_(w * (cond - uncond))"),
}

# %% correct="guided"
def guided(cond, uncond, w):
    return torch.lerp(uncond, cond, float(w))

# %% [markdown]
# Eight Gaussians on a ring are eight classes; neighbours overlap. Small networks learn the noise,
# with labels dropped by your function. The exact noise is known here, and serves as a control. A
# drawn point is *at home* if the nearest middle is that of its own class. **Guess: with $w=2$, how
# wide is a class of drawn points, in percent of its width in the data?**

# %% guess=true
my_guess = 100  # percent of the standard deviation of the data

# %% figure=true
# Points drawn with your guidance: what becomes of a class, against w: takes some 15 seconds.
guess = expect.guess(my_guess)
losing, seeds = (0.1, 0.0), range(5)
nets = today.Denoisers(drop_condition, losing, seeds)
labels = torch.arange(1600) % today.CLASSES
start = torch.randn(1600, 2, generator=stacked.seeded(1))
source = stacked.seeded(2)
truth = today.ring(labels.expand(5, -1), source)
weights = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
every = {name: [] for name in ("exact", *losing)}
for w in weights:
    exact = today.sampled(today.exact_noise, guided, float(w), labels, start[None])
    drawn = today.sampled(nets.noise, guided, float(w), labels, start.expand(10, -1, -1))
    for name, points in zip(every, (exact, drawn[:5], drawn[5:]), strict=True):
        off = (points - exact).square().sum(-1).mean(-1).sqrt().numpy()
        middle = torch.stack([points[:, labels == k].mean(1).norm(dim=-1) for k in range(8)])
        every[name].append([today.at_home(points, labels), today.scatter(points, labels),
                            middle.mean(0).numpy(), off])
every = {name: np.array(found) for name, found in every.items()}  # (weights, measures, networks)
two, six = (int(np.argmax(weights == w)) for w in (2, 6))
width = 100 * every[0.1][two, 1] / today.SPREAD
home = plot.difference(every[0.1][two, 0], every[0.1][weights == 1][0, 0])
fig, axes = plot.figure(3, width=10.5, height=3)
real = [today.at_home(truth, labels).mean(), today.SPREAD, today.RADIUS]
for k, (ax, name) in enumerate(zip(axes, ("at home, %", "standard deviation of a class",
                                          "distance of its middle from 0"), strict=True)):
    for who, color, said in ((0.1, plot.BLUE, "10 % of labels dropped"),
                             (0.0, plot.ORANGE, "none dropped"),
                             ("exact", plot.GREY, "exact noise")):
        own = every[who][:, k]
        error = plot.standard_error(own, 1) if who != "exact" else None
        ax.errorbar(weights, own.mean(1), error, color=color, marker="o", markersize=4, capsize=3,
                    linestyle="--" if who == "exact" else "-", label=said)
    ax.axhline(real[k], color=plot.INK, linewidth=0.8, linestyle=":")
    ax.set(xlabel="guidance weight w (dotted: the data)", ylabel=name)
axes[1].plot(2, guess / 100 * today.SPREAD, "X", color=plot.PINK, markersize=9, label="your guess")
far = every[0.1][two, 2]
axes[0].set_title(f"At home, w = 2 − w = 1:\n{home:.1f} points")
axes[0].legend(fontsize=8, loc="lower right")
axes[1].set_title(f"Width at w = 2: {width.mean():.0f} ± {plot.standard_error(width):.0f} %\n"
                  "of the data's")
axes[2].set_title(f"Middle at w = 2: {far.mean():.2f} ± {plot.standard_error(far):.2f}\n"
                  f"(data: {today.RADIUS})")
axes[0].set_ylim(0, 105)
axes[1].set_ylim(0, 1.5)
axes[2].set_ylim(0, 4)
axes[1].legend(*zip(*[pair for pair in zip(*axes[1].get_legend_handles_labels(), strict=True)
                      if pair[1] == "your guess"], strict=True), fontsize=8, loc="upper left")
lost, kept_all = (every[p][two, 3] for p in losing)
astray = plot.difference(every[0.1][six, 3], every[0.1][weights == 1][0, 3])
plot.show(fig, "Share of drawn points at home, standard deviation of a class, and distance of its "
               "middle from the centre of the ring, against the guidance weight. At w = 2, points "
               f"lie {lost.mean():.2f} from those of the exact noise where labels were dropped in "
               f"training, and {kept_all.mean():.2f} where none were; at w = 6, "
               f"{every[0.1][six, 3].mean():.2f} where labels were dropped.",
          claims={"guidance-brings-home": home.sign > 0,
                  "guidance-narrows": bool(width.mean() < 80
                                           and every["exact"][two, 1] < 0.8 * today.SPREAD),
                  "guidance-moves-the-middle": bool(
                      min(far.mean(), every["exact"][two, 2]) > 1.1 * today.RADIUS),
                  "no-dropped-labels-no-guidance": plot.difference(kept_all, lost).sign > 0,
                  "large-weights-go-astray": astray.sign > 0})

# %% [markdown]
# Nearly every point comes home, at a price. Classes get narrower than in the data, and move
# outwards, away from the others. The exact noise does the same, so it is no fault of the networks:
# with $w>1$ the points are no sample of a class (Chidambaram et al. 2024). Large weights also
# multiply a network's errors. And without dropped labels *unknown* was never learned, and guidance
# overshoots.
#
# ## Explore: guidance
#
# Each colour is a class; its circles have one and two standard deviations of the data. Left the
# networks that your `drop_condition` trained, right the exact noise, both under your `guided`.
#
# **Try**: after 30 steps, slide $w$ from 0 to 8. Then set $w = 4$ and go back: at which step is it
# decided where a point will end? With $w = 2$, how few labels must be dropped for the left side to
# look like the right?

# %%
explore.guidance(drop_condition, guided)

# %% [markdown]
# ## Which dropout where
#
# Where no lesson is named, the course has not measured it.
#
# | what is dropped | usual $p$, by whom | measured in |
# | --- | --- | --- |
# | hidden units | 0.5 (Hinton et al. 2012) | {{overfitting}} |
# | transformer, many epochs | 0.1 (Vaswani et al. 2017; Devlin et al. 2019) | {{transformers}} |
# | units, one epoch | 0 (PaLM, OLMo) | here |
# | units, fine-tuning | 0.1 (PaLM) | here |
# | input of an adapter | 0 is the default of peft, 0.05 and 0.1 are common | here |
# | inside experts, in fine-tuning | 0.4, and 0.1 elsewhere (Fedus et al. 2022) | here |
# | heads; layers | by a schedule (Zhou et al. 2020); 0.2 (Fan et al. 2020) | {{transformers}} |
# | residual branches | 0 rising to 0.1–0.5 (DeiT, ConvNeXt) | here, {{images}} |
# | patches | ½ to ¾ (FLIP; He et al. 2022, as the task) | here |
# | words, as the task | 0.15 (Devlin et al. 2019); 0 to 1 (LLaDA, Nie et al. 2025) | |
# | words read by an LSTM | 0.1 (Merity et al. 2018) | {{sequences}} |
# | its input, output | 0.5 (Zaremba et al. 2014) | {{sequences}} |
# | maps and blocks of a convolution | 0.1, blocks of 7 × 7 (Ghiasi et al. 2018) | {{images}} |
# | squares of an image | ¼ to ⅝ of its side (DeVries and Taylor 2017) | {{images}} |
# | labels, texts | 0.1 or 0.2 (Ho and Salimans 2022) | here |
# | weights | 0.5 (Wan et al. 2013) | {{noise}} |
# | SELU units | 0.05–0.1 (Klambauer et al. 2017) | {{noise}} |
# | before batch norm | none; behind the last one (Li et al. 2019) | {{schedules_and_norms}} |
# | units, in evaluation too | 0.005–0.1 (Gal and Ghahramani 2016) | {{uncertainty}} |
# | an output | never | |
#
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="once" points=1
# A model reads 10¹² tokens once, then is fine-tuned on 2000 examples, five times over. On the
# evidence of this lesson, first try dropout in:
#
# - [ ] the pretraining
# - [x] the fine-tuning
# - [ ] both
#
# Hint: where does it see the same example again?

# %% question="their_weight" points=1
# A paper reports w = 0.5 and writes (1 + w) cond − w uncond. The w of your `guided` is then:
#
# - [ ] 0.5
# - [x] 1.5
# - [ ] 2
#
# Hint: write their formula as uncond plus a multiple of the difference.

# %% question="no_scale" points=1
# Half of the patches are left out in training. The class token takes a weighted mean of tokens, so
# the tokens that stay must be:
#
# - [ ] doubled
# - [ ] halved
# - [x] left as they are
#
# Hint: does a mean of 24 numbers tend to be smaller than one of 49?

# %% [markdown]
# ## In your own words
#
# "Dropout is dead: no large model uses it." Answer in three to six sentences. Say when that holds
# and why, name two places where a large model does drop something in training and what for, and
# give a measurement of this lesson for one of them. (In a class, your instructor grades this.)

# %% [markdown] answer="dropout_dead" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: it holds for units in pretraining of one epoch, because nothing is
# seen twice, so there is nothing to overfit (the first figure: a gain with 4000 images, none with
# 64 000). One point: two places, with their purposes, one of them with a measurement: dropped
# labels, so that a network can be guided (without them the points go astray); dropped paths
# in vision transformers, against overfitting in many epochs; dropped patches, to save time;
# dropout in fine-tuning on few rows or in experts. An honest "no gain here" counts.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Dropout gains with 4000 images, each seen 16 times.{{claim:many-epochs-gain}} Where
#   each is seen once, it does harm,{{claim:one-epoch-does-harm}} and early dropout shows no
#   gain.{{claim:early-shows-no-gain}} With two learning rates, dropout on 250
#   images and early dropout would have seemed to gain.{{claim:two-rates-fool}}
# - Fine-tuning on few rows gains from it, with adapters{{claim:adapters-gain}} and with all
#   weights.{{claim:all-weights-gain}}
# - In a short training, constant drop path lowered the log loss of vision
#   transformers{{claim:drop-path-lowers-the-loss}} and raised their
#   error.{{claim:drop-path-raises-the-error}} With a quarter of the patches a step is
#   cheaper,{{claim:fewer-patches-cheaper}} and as many steps (150) end with more
#   error;{{claim:fewer-patches-cost-error}} as many patches in all do
#   not,{{claim:as-many-patches-as-good}} but take longer.{{claim:as-many-patches-take-longer}}
# - With $w = 2$ guidance brings points home,{{claim:guidance-brings-home}} narrows a
#   class{{claim:guidance-narrows}} and moves it.{{claim:guidance-moves-the-middle}} Where no label
#   was dropped it overshoots.{{claim:no-dropped-labels-no-guidance}} Large weights multiply a
#   network's errors.{{claim:large-weights-go-astray}}
#
# **Read.** PaLM: JMLR 2023. OLMo: ACL 2024. Liu, Bauer and Manning: ACL Findings 2025
# (arXiv:2505.24788). Xue et al.: NeurIPS 2023 (arXiv:2305.13230). Kim et al.: arXiv:2509.14786. Liu
# et al., *Dropout reduces underfitting*, ICML 2023. Hu et al., *LoRA*, ICLR 2022. Huang et al.,
# *Deep networks with stochastic depth*, ECCV 2016. DeiT: ICML 2021. ConvNeXt: CVPR 2022.
# PatchDropout: WACV 2023. FLIP: CVPR 2023. Fedus et al., *Switch transformers*, JMLR 2022. Ho and
# Salimans, *Classifier-free diffusion guidance*, arXiv:2207.12598. Chidambaram et al., *What does
# guidance do?*, arXiv:2409.13074. Kynkäänniemi et al., *Applying guidance in a limited interval*,
# NeurIPS 2024.
#
# **Stretch.** In a copy of `today.path`, set `w` to 1 for the first and last third of the steps,
# as Kynkäänniemi et al. do. Is a class's middle nearer to the data's, with as many points at home?
#
# **Still open.** Where does the mask live, and what does it cost? {{stateless_masks}}.
