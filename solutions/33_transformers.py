# %% [markdown]
# # 3.3 · Transformers
#
# **Dropout can sit in many places of a transformer. What does each drop, and does it help?**
#
# *75 minutes, with a good place for a break before "Two answers to one question". Before:
# {{pytorch}} and {{images}}. After, you will be able to write attention whose dropout ends with
# training, to drop heads and whole layers, to build a block with dropout where papers put it, and
# to say what each place did for a small transformer.*
#
# | symbol | meaning |
# | --- | --- |
# | $B, H, T, D$ | images in a batch, heads, tokens, channels of one head |
# | $q, k, v$ | queries, keys, values, each $(B, H, T, D)$ |
# | $A$ | attention weights $(B, H, T, T)$; row $i$ says whom token $i$ reads, and sums to 1 |
# | $p$ | probability that an entry, a head or a layer is **dropped** |

# %% setup=true
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import expect, explore, plot, readers

# %% [markdown]
# ## Where we stand
#
# A *transformer* reads a sequence of tokens. In each of its blocks every token looks at all others
# (attention), and then thinks for itself (a small MLP). Ours are tiny, and they read a handwritten
# digit of 8 × 8 pixels row by row: a row is a token.
#
# PyTorch does the attention in one fast call, and offers dropout with it:
# `F.scaled_dot_product_attention(q, k, v, dropout_p=0.2)`. Below, a network is written with that
# call, put into evaluation mode, and shown each test digit *twice*.
# **Before you run the cell, guess: how many digits in a hundred get two different answers?**

# %%
my_guess = 0  # digits in a hundred with two different answers

torch.set_num_threads(1)  # products this small wait for each other's threads
X, y, X_test, y_test = readers.digits()


class Mixing(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x, dropout_p=0.2)


mixing = Mixing().eval()
print("in evaluation, twice the same:", torch.equal(mixing(X_test), mixing(X_test)))


def as_written(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, dropout_p=0.2)


trained = readers.train([{"attention": 0.2}], range(5))
first, second = (trained.logits(X_test, attention=as_written)[0].argmax(-1) for _ in "ab")
differ = 100 * (first != second).double().mean(1).numpy()
errors = [trained.error(X_test, y_test, attention=as_written)[0], trained.error(X_test, y_test)[0]]

fig, (left, right) = plot.figure(2, height=2.2)
plot.bars([my_guess, differ.mean()], ["your guess", "measured"], left,
          spread=[0, plot.standard_error(differ)], colors=[plot.GREY, plot.ORANGE])
left.set(xlabel="digits in 100 with two answers", title="eval() does not reach the call")
plot.bars([e.mean() for e in errors], ["dropout left on", "dropout_p = 0"], right,
          spread=[plot.standard_error(e) for e in errors], colors=[plot.ORANGE, plot.BLUE])
right.set(xlabel="error rate, % (5 networks ± s.e.)", title="The error rate hides it")
plot.show(fig, "How many digits get two answers, and the error rate with dropout on and off.")

# %% [markdown]
# A function knows no mode. `eval()` sets a flag on *modules* ({{pytorch}}), and
# `F.scaled_dot_product_attention` is none: it drops whenever `dropout_p` is above 0. The
# documentation says so, and asks for `dropout_p=(self.p if self.training else 0.0)`. Whoever
# forgets it gets a model that contradicts itself, while the error rate moves little.
#
# ### One question from {{pytorch}}
#
# `nn.MultiheadAttention(dim, heads, dropout=0.2)` calls the same function (where it need not
# return the weights). Does it suffer too?
#
# <details><summary>Answer</summary>
#
# No. It is a module, has the flag, and sets the rate to 0 itself where `self.training` is false.
# </details>
#
# ### A worked example: attention without dropout
#
# Token $i$ compares its query with every key, and turns the comparisons into weights:
#
# $$ A = \operatorname{softmax}\!\left(\frac{q\,k^\top}{\sqrt D}\right), \qquad
#    \text{output} = A\,v. $$
#
# In a *causal* model token $i$ must not read what comes after it: those scores are set to
# $-\infty$, so their weights are exactly 0.

# %%
scores = torch.tensor([[0.2, 1.5, 0.3], [1.0, 0.1, 2.0], [0.5, 0.5, 0.5]])
later = torch.ones(3, 3, dtype=torch.bool).triu(1)
print("whom each token reads\n", scores.softmax(-1))
print("the same, causal\n", scores.masked_fill(later, -torch.inf).softmax(-1))

# %% [markdown]
# ## Exercise: `attention`
#
# Where does the mask go? "On the scores" is the common mistake: a score of 0 is not a weight of 0,
# as $e^0 = 1$. And "afterwards the rows must sum to 1 again": no. The *weights* are dropped and the
# survivors scaled by $1/(1-p)$, as in any inverted dropout; a row's sum is right on average only.
#
# $$ \text{output} = \frac{m \odot A}{1-p}\; v, \qquad m \sim \text{Bernoulli}(1-p)
#    \text{ for each entry of } A. $$

# %% exercise="attention"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    """softmax(q kᵀ / √D) v, the weights dropped with probability `p`, survivors / (1 - p).

    q, k, v : (B, H, T, D), left as they are; returns a tensor of that shape and dtype
    p : probability of dropping a weight, in [0, 1]; else (NaN too) ValueError naming p
    generator : torch.Generator, or None for torch's own
    causal : token i reads the tokens 0 … i only
    In evaluation, and at p = 0, equal to F.scaled_dot_product_attention(q, k, v).
    Vaswani et al. 2017, equation 1.
    """
    ### BEGIN SOLUTION
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], not {p}")
    scores = q @ k.mT / q.shape[-1] ** 0.5
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    A = scores.softmax(-1)
    if training and p > 0:
        coins = torch.rand(A.shape, generator=generator, device=q.device)
        A = A * (coins >= p) / (1 - p) if p < 1 else A * 0
    return A @ v
    ### END SOLUTION

# %% [markdown] hint="attention"
# Four steps in this order: scores, the causal mask, softmax, dropout. Then one product with `v`.

# %% [markdown] hint="attention"
# `k.mT` swaps the last two axes. The worked example has the mask of later tokens. Softmax runs
# over the last axis: over the tokens that are read.

# %% [markdown] hint="attention"
# The coins have the shape of the weights, $(B, H, T, T)$. Only p = 1 needs a line of its own.

# %% [markdown]
# Look at your own. With the identity matrix for `v`, the output *is* the matrix of weights.

# %%
tokens = torch.randn(1, 1, 8, 8)
fig, axes = plot.figure(3, height=2.7)
for ax, (words, more) in zip(axes, {"evaluation": {"training": False}, "training, p = 0.3": {},
                                    "causal, p = 0.3": {"causal": True}}.items(), strict=True):
    weights = attention(tokens, tokens, torch.eye(8)[None, None], 0.3, **more)[0, 0]
    plot.image(weights.numpy(), ax, largest=1)
    sums = weights.sum(1)
    ax.set(xlabel="token that is read", title=f"{words}:\nrows sum to {sums.min():.2f} … "
                                              f"{sums.max():.2f}")
axes[0].set_ylabel("token that reads")
plot.show(fig, "Your attention weights in evaluation, under dropout, and causal under dropout.")

# %% check="attention" points=2
# Without dropout it is torch's own attention, causal or not.
rng = expect.generator()
q, k, v = torch.randn(3, 2, 3, 5, 4, generator=rng, dtype=torch.float64)
weights = (q @ k.mT / 2).softmax(-1)
full = torch.ones(5, 5, dtype=torch.float64)
for p, training in ((0.0, True), (0.4, False)):
    with expect.case(f"attention(q, k, v, p={p}, training={training})"):
        out = attention(q, k, v, p, training=training)
        expect.tensor(out, (2, 3, 5, 4), hint="return a tensor of q's shape.")
        expect.close(
            out, F.scaled_dot_product_attention(q, k, v), rtol=1e-6, atol=1e-9,
            hint="nothing is dropped here: softmax(q kᵀ / √D) v. Does dropout end with training?",
            suspects=[
                ((q @ k.mT).softmax(-1) @ v, "the scores are not divided by √D."),
                ((q @ k.mT / 4).softmax(-1) @ v, "the scores are divided by D, not by its root."),
                ((q @ k.mT / 5**0.5).softmax(-1) @ v,
                 "the root is that of the number of tokens. D is the last axis of q."),
                ((q @ k.mT / 2).softmax(-2) @ v,
                 "softmax runs over the tokens that read. Each row must sum to 1."),
                (weights @ v / 0.6, "evaluation scales too. Scale in training only."),
                (weights @ v * 0.6, "evaluation multiplies by 1 - p. Leave the weights alone."),
            ],
        )
    with expect.case(f"attention(q, k, v, p={p}, training={training}, causal=True)"):
        out = attention(q, k, v, p, training=training, causal=True)
        expect.close(
            out, F.scaled_dot_product_attention(q, k, v, is_causal=True), rtol=1e-6, atol=1e-9,
            hint="token i must read the tokens 0 … i.",
            suspects=[
                (weights @ v, "`causal` does nothing: each token still reads all."),
                ((weights * full.tril()) @ v,
                 "the weights of later tokens are zeroed after softmax, so rows sum to less than "
                 "1. Set their scores to minus infinity before it."),
                (F.scaled_dot_product_attention(q, k, v, attn_mask=full.triu() > 0),
                 "the mask is upside down: tokens read the later ones."),
            ],
        )

# %% check="attention" points=2
# The weights are what is dropped: each is 0 or w / (1 - p).
rng = expect.generator()
q, k = torch.randn(2, 6, 4, 30, 30, generator=rng, dtype=torch.float64)
v = torch.eye(30, dtype=torch.float64).expand(6, 4, 30, 30)
plain = (q @ k.mT / 30**0.5).softmax(-1)
with expect.case("attention(q, k, v, p=0.3) with v the identity, so that the weights come out"):
    out = attention(q, k, v, 0.3, expect.generator())
    fell, moved = out == 0, abs(out - plain) > 1e-6
    expect.varies([moved, moved & False], chance=0.7**21_600, what="weights that changed",
                  hint="nothing is dropped.")
    if fell.any():
        expect.varies(fell, chance=0.58**18_000, what="images with different masks",
                      hint="one mask serves the whole batch. Draw one of the shape (B, H, T, T).")
        expect.varies(fell.transpose(0, 1), chance=0.58**16_200, what="heads with different masks",
                      hint="all heads share a mask. Draw one of the shape (B, H, T, T).")
        expect.varies(fell.permute(2, 0, 1, 3), chance=0.58**20_000, what="rows that differ",
                      hint="a token is hidden from all readers: that drops values or keys. Drop "
                           "each weight alone.")
        expect.varies(fell.permute(3, 0, 1, 2), chance=0.58**20_000, what="columns that differ",
                      hint="a token reads all or nothing: that drops outputs. Drop each weight "
                           "alone.")
    expect.mean(
        out == 0, 0.3, of=(0, 1),
        hint="p is the probability that a weight is 0.",
        suspects=[
            (0, "no weight is 0. Are the scores dropped? A score of 0 is not a weight of 0: drop "
                "behind the softmax."),
            (0.7, "a fraction 1 - p is dropped: p is swapped with the keep probability."),
        ],
    )
    kept = out != 0
    ratio = out[kept] / plain[kept]
    known = [(1, "the surviving weights are not scaled. Divide them by 1 - p."),
             (1 / 0.3, "the survivors are divided by p. Divide them by 1 - p."),
             (0.7, "the survivors are multiplied by 1 - p. Divide them by it.")]
    rows = out.sum(-1)
    if abs(rows - 1).max() < 1e-9:
        known = [(ratio[0].item(), "each row sums to 1: the weights are normalised again. Divide "
                                   "the survivors by 1 - p, whatever the row's sum.")]
    expect.only(ratio, (1 / 0.7,), hint="a surviving weight must be w / (1 - p).", suspects=known,
                rtol=1e-6)

# %% check="attention" points=1
# Each call draws anew, and the coins are the generator's.
q = torch.zeros(20, 8, 16, 16)
v = torch.eye(16).expand(20, 8, 16, 16)
with expect.case("attention(q, k, v, p=0.5) with equal scores, twice"):
    first, second = attention(q, q, v, 0.5), attention(q, q, v, 0.5)
    expect.varies([first, second], chance=0.5**40_960, what="two different masks",
                  hint="each call makes the same mask: a seed is set inside.")
with expect.case("attention(q, k, v, 0.5, generator) with two generators of seed 7"):
    first, second = (attention(q, q, v, 0.5, torch.Generator().manual_seed(7)) for _ in "ab")
    expect.repeats(first, second, hint="the mask does not come from generator. Hand it on.")

# %% check="attention" points=1
# A causal mask stays causal under dropout.
rng = expect.generator()
q, k, v = torch.randn(3, 4, 2, 12, 12, generator=rng, dtype=torch.float64)
k_changed, v_changed = k.clone(), v.clone()
k_changed[:, :, 6:] += 3
v_changed[:, :, 6:] -= 5
with expect.case("attention(q, k, v, p=0.4, causal=True): are there any NaN?"):
    out = attention(q, k, v, 0.4, torch.Generator().manual_seed(3), causal=True)
    expect.equal(int(out.isnan().sum()), 0,
                 hint="-inf times 0 is NaN: the causal scores are dropped. Drop the weights.")
with expect.case("the same seed, with tokens 6 … 11 changed: the outputs of tokens 0 … 5"):
    again = attention(q, k_changed, v_changed, 0.4, torch.Generator().manual_seed(3), causal=True)
    expect.close(again[:, :, :6], out[:, :, :6], rtol=1e-9,
                 hint="token i must not read later tokens, in training either.")

# %% check="attention" points=1
# The ends, and what is no probability.
q = torch.randn(2, 2, 3, 4, generator=expect.generator())
before = q.clone()
with expect.case("attention(q, k, v, p=1.0)"):
    out = attention(q, q, q, 1.0)
    expect.unchanged(q, before)
    expect.close(out, torch.zeros(2, 2, 3, 4), hint="at p = 1 every weight falls.",
                 suspects=[(torch.full((2, 2, 3, 4), float("nan")),
                            "0 / 0 gives NaN at p = 1. Return zeros there.")])
for p in (-0.1, 1.5, float("nan")):
    with expect.case(f"attention(q, k, v, p={p})"):
        expect.raises(ValueError, lambda p=p: attention(q, q, q, p), mentions="p",
                      hint="raise ValueError, with the word p in it, unless 0 <= p <= 1.")

# %% check="attention" points=1 hidden=true
# A hidden check: float32, gradients.
q = torch.randn(2, 2, 3, 4, generator=expect.generator(), requires_grad=True)
with expect.case("attention(q, k, v, p=0.5).sum().backward()"):
    out = attention(q, q, q, 0.5)
    expect.tensor(out, (2, 2, 3, 4), torch.float32, hint="the result has another dtype.")
    out.sum().backward()
    expect.equal("none" if q.grad is None else "there", "there",
                 hint="the output has lost its history: .data, .detach() or no_grad().")

# %% mistake="attention" says="not divided by √D"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    A = (q @ k.mT).softmax(-1)
    return F.dropout(A, p, training) @ v

# %% mistake="attention" says="divided by D, not by its root"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    A = (q @ k.mT / q.shape[-1]).softmax(-1)
    return F.dropout(A, p, training) @ v

# %% mistake="attention" says="number of tokens"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    A = (q @ k.mT / q.shape[-2] ** 0.5).softmax(-1)
    return F.dropout(A, p, training) @ v

# %% mistake="attention" says="softmax runs over the tokens that read"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-2)
    return F.dropout(A, p, training) @ v

# %% mistake="attention" says="Does dropout end with training?"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    return F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=causal)

# %% mistake="attention" says="evaluation scales too"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    if causal:
        later = torch.ones(A.shape[-2:], dtype=torch.bool).triu(1)
        A = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(later, -torch.inf).softmax(-1)
    if training:
        A = A * (torch.rand(A.shape, generator=generator) >= p)
    return A @ v / (1 - p)

# %% mistake="attention" says="`causal` does nothing"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    if training:
        A = A * (torch.rand(A.shape, generator=generator) >= p) / (1 - p)
    return A @ v

# %% mistake="attention" says="zeroed after softmax"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    if causal:
        A = A.tril()
    return F.dropout(A, p, training) @ v

# %% mistake="attention" says="upside down"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    if causal:
        earlier = torch.ones(scores.shape[-2:], dtype=torch.bool).tril(-1)
        scores = scores.masked_fill(earlier, -torch.inf)
    return F.dropout(scores.softmax(-1), p, training) @ v

# %% mistake="attention" says="nothing is dropped"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal)

# %% mistake="attention" says="A score of 0 is not a weight of 0"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    if training and p:
        scores = scores * (torch.rand(scores.shape, generator=generator) >= p) / (1 - p)
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    return scores.softmax(-1) @ v

# %% mistake="attention" says="p is swapped"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    if not training or p == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return A * (torch.rand(A.shape, generator=generator) < p) / (1 - p) @ v

# %% mistake="attention" says="not scaled"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    if not training or p == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return A * (torch.rand(A.shape, generator=generator) >= p) @ v

# %% mistake="attention" says="normalised again"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    if not training or p == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    A = A * (torch.rand(A.shape, generator=generator) >= p)
    return A / A.sum(-1, keepdim=True) @ v

# %% mistake="attention" says="one mask serves the whole batch"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    if not training or p == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return A * (torch.rand(A.shape[1:], generator=generator) >= p) / (1 - p) @ v

# %% mistake="attention" says="all heads share a mask"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    if not training or p == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    coins = torch.rand(A.shape[0], 1, *A.shape[2:], generator=generator)
    return A * (coins >= p) / (1 - p) @ v

# %% mistake="attention" says="hidden from all readers"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    if not training or p == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    coins = torch.rand(*A.shape[:2], 1, A.shape[3], generator=generator)
    return A * (coins >= p) / (1 - p) @ v

# %% mistake="attention" says="reads all or nothing"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    if not training or p == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    coins = torch.rand(*A.shape[:3], 1, generator=generator)
    return A * (coins >= p) / (1 - p) @ v

# %% mistake="attention" says="does not come from generator"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    return F.scaled_dot_product_attention(q, k, v, dropout_p=p if training else 0.0,
                                          is_causal=causal)

# %% mistake="attention" says="-inf times 0 is NaN"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    A = scores.softmax(-1)
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        A = scores.masked_fill(later, -torch.inf)
        if training and p:
            A = A * (torch.rand(A.shape, generator=generator) >= p) / (1 - p)
        return A.softmax(-1) @ v
    if training and p:
        A = A * (torch.rand(A.shape, generator=generator) >= p) / (1 - p)
    return A @ v

# %% mistake="attention" says="token i must not read later tokens"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    if not training or p == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return A * (torch.rand(A.shape, generator=generator) >= p) / (1 - p) @ v

# %% mistake="attention" says="0 / 0 gives NaN"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores).triu(1) > 0, -torch.inf)
    A = scores.softmax(-1)
    if training:
        A = A * (torch.rand(A.shape, generator=generator) >= p) / torch.tensor(1 - p, dtype=q.dtype)
    return A @ v

# %% mistake="attention" says="raise ValueError"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores).triu(1) > 0, -torch.inf)
    A = scores.softmax(-1)
    if training and p:
        A = A * (torch.rand(A.shape, generator=generator) >= p) / (1 - p if p < 1 else 1)
    return A @ v

# %% correct="attention"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    if not (p >= 0 and p <= 1):
        raise ValueError(f"p = {p} is no probability")
    T = q.size(2)
    A = torch.einsum("bhid,bhjd->bhij", q, k) * q.size(3) ** -0.5
    if causal:
        place = torch.arange(T)
        A = torch.where(place[:, None] >= place, A, torch.tensor(-1e30, dtype=A.dtype))
    A = A.exp().div(A.exp().sum(-1, keepdim=True))
    if training:
        mask = torch.empty_like(A).bernoulli_(1 - p, generator=generator)
        A = A * mask / max(1 - p, 1e-9)
    return torch.einsum("bhij,bhjd->bhid", A, v)

# %% [markdown]
# ## Whole heads
#
# Where a single weight falls, the head still reads the other tokens. Zhou et al. (2020) drop *whole
# heads*, as spatial dropout drops whole channels ({{images}}), so that no few heads dominate. (They
# multiply the survivors by $H$ over the number kept. We stay with $1/(1-p)$, as everywhere.)
#
# ## Exercise: `head_dropout`
#
# "Head 2 is switched off for this batch": no. Each image draws for itself, and each of its heads
# has a coin of its own. What falls together are the $T \times D$ numbers of one head.

# %% exercise="head_dropout"
def head_dropout(x, p, generator=None, training=True):
    """Zero each head of each image with probability `p`; scale the surviving heads by 1 / (1 - p).

    x : (B, H, T, D), left as it is; p, generator, training : as in `attention`
    Returns a tensor of x's shape and dtype; in evaluation x itself.
    """
    ### BEGIN SOLUTION
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], not {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    coins = torch.rand(*x.shape[:2], 1, 1, generator=generator, device=x.device)
    return x * (coins >= p) / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="head_dropout"
# How many coins are tossed for a batch of $B$ images with $H$ heads?

# %% [markdown] hint="head_dropout"
# A mask of shape $(B, H)$ cannot be multiplied with $(B, H, T, D)$: broadcasting aligns axes from
# the right.

# %% [markdown] hint="head_dropout"
# Two more axes of length 1, at the end of the mask, make it fit.

# %%
sent = head_dropout(torch.ones(12, 4, 8, 8), 0.4)
fig, (ax,) = plot.figure(1, width=7, height=2.0)
plot.mask(sent.permute(1, 2, 0, 3)[:, 0].reshape(4, -1).numpy(), ax)
ax.set_yticks([0.5, 1.5, 2.5, 3.5], range(4))
ax.set(aspect="auto", ylabel="head", xlabel="12 images, 8 channels each",
       title=f"Your heads at p = 0.4: mean {sent.mean():.2f}")
ax.set_xticks(range(0, 97, 8), [])
plot.show(fig, "Which heads of twelve images survive your head dropout.")

# %% check="head_dropout" points=2
# A head survives as a whole, scaled, or falls as a whole.
x = torch.randn(60, 40, 2, 2, generator=expect.generator(), dtype=torch.float64)
before = x.clone()
with expect.case("head_dropout(x, p=0.3, generator) on 60 images of 40 heads"):
    out = head_dropout(x, 0.3, expect.generator())
    expect.tensor(out, (60, 40, 2, 2), hint="return a tensor of x's shape.")
    expect.unchanged(x, before)
    kept = (out / x != 0).double().mean((2, 3))
    expect.only(kept, (0, 1), hint="a head falls in parts. Toss one coin for each image and head, "
                                   "with two axes of length 1 behind.")
    expect.only(
        out / x, (0, 1 / 0.7), hint="a surviving head must be x / (1 - p).",
        suspects=[
            (1, "the surviving heads are not scaled. Divide them by 1 - p."),
            (1 / 0.3, "the survivors are divided by p. Divide them by 1 - p."),
            (0.7, "the survivors are multiplied by 1 - p. Divide them by it."),
            *((40 / n, "the scale is H over the number kept. Divide by 1 - p, as everywhere here.")
              for n in kept.sum(1).unique().tolist() if 0 < n < 40),
        ],
    )
    if kept.any() and not kept.all():
        expect.varies(kept, chance=0.58**2360, what="images that lose different heads",
                      hint="the same heads fall in all images. Each image tosses its own coins.")
        expect.varies(kept.T, chance=0.58**2340, what="heads with coins of their own",
                      hint="an image loses all its heads or none. Each head has its own coin.")
    expect.mean(kept == 0, 0.3, of=(0, 1), hint="p is the probability that a head falls.",
                suspects=[(0.7, "a fraction 1 - p is dropped: p is swapped."),
                          (0, "nothing is dropped: every head is scaled.")])

# %% check="head_dropout" points=1
# Each image and each head has a coin of its own, from the generator.
ones = torch.ones(100, 40, 2, 2)
with expect.case("head_dropout(x, p=0.5) on 100 images of 40 heads"):
    out = head_dropout(ones, 0.5)
    expect.varies(out, chance=0.5**3960, what="images that lose different heads",
                  hint="the same heads fall in all images. Each image tosses its own coins.")
    expect.varies(out.transpose(0, 1), chance=0.5**3900, what="heads with coins of their own",
                  hint="an image loses all its heads or none. Each head has its own coin.")
    expect.varies((out[:, :, 0, 0] != 0).sum(1), chance=1e-80, what="the number kept to vary",
                  hint="an exact number of heads falls. Let each fall on its own.")
with expect.case("head_dropout(x, p=0.5, generator) with two generators of seed 7"):
    first, second = (head_dropout(ones, 0.5, torch.Generator().manual_seed(7)) for _ in "ab")
    expect.repeats(first, second, hint="the coins do not come from generator. Hand it on.")

# %% check="head_dropout" points=1
# Evaluation, the ends, and what is no probability.
x = torch.randn(5, 4, 3, 2, generator=expect.generator())
for p, training in ((0.6, False), (0.0, True)):
    with expect.case(f"head_dropout(x, p={p}, training={training})"):
        expect.close(head_dropout(x, p, training=training), x, rtol=1e-6,
                     hint="nothing is dropped here: return x.",
                     suspects=[(x / 0.4, "evaluation scales too. Scale in training only.")])
with expect.case("head_dropout(x, p=1.0)"):
    expect.close(head_dropout(x, 1.0), 0 * x, hint="at p = 1 every head falls.",
                 suspects=[(0 * x + float("nan"), "0 / 0 gives NaN at p = 1. Return zeros.")])
for p in (-0.1, 1.5, float("nan")):
    with expect.case(f"head_dropout(x, p={p})"):
        expect.raises(ValueError, lambda p=p: head_dropout(x, p), mentions="p",
                      hint="raise ValueError, with the word p in it, unless 0 <= p <= 1.")

# %% mistake="head_dropout" says="falls in parts"
def head_dropout(x, p, generator=None, training=True):
    return x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p)

# %% mistake="head_dropout" says="not scaled"
def head_dropout(x, p, generator=None, training=True):
    return x * (torch.rand(*x.shape[:2], 1, 1, generator=generator) >= p)

# %% mistake="head_dropout" says="divided by p. Divide"
def head_dropout(x, p, generator=None, training=True):
    return x * (torch.rand(*x.shape[:2], 1, 1, generator=generator) >= p) / p

# %% mistake="head_dropout" says="over the number kept"
def head_dropout(x, p, generator=None, training=True):
    kept = torch.rand(*x.shape[:2], 1, 1, generator=generator) >= p
    return x * kept * x.shape[1] / kept.sum(1, keepdim=True).clamp(min=1)

# %% mistake="head_dropout" says="p is swapped"
def head_dropout(x, p, generator=None, training=True):
    return x * (torch.rand(*x.shape[:2], 1, 1, generator=generator) < p) / (1 - p)

# %% mistake="head_dropout" says="nothing is dropped: every head"
def head_dropout(x, p, generator=None, training=True):
    return x / (1 - p) if training else x

# %% mistake="head_dropout" says="writes into its input"
def head_dropout(x, p, generator=None, training=True):
    x *= torch.rand(*x.shape[:2], 1, 1, generator=generator) >= p
    return x / (1 - p)

# %% mistake="head_dropout" says="the same heads fall in all images"
def head_dropout(x, p, generator=None, training=True):
    return x * (torch.rand(1, x.shape[1], 1, 1, generator=generator) >= p) / (1 - p)

# %% mistake="head_dropout" says="all its heads or none"
def head_dropout(x, p, generator=None, training=True):
    return x * (torch.rand(len(x), 1, 1, 1, generator=generator) >= p) / (1 - p)

# %% mistake="head_dropout" says="do not come from generator"
def head_dropout(x, p, generator=None, training=True):
    return x * (torch.rand(*x.shape[:2], 1, 1) >= p) / (1 - p)

# %% mistake="head_dropout" says="return x."
def head_dropout(x, p, generator=None, training=True):
    return x * (torch.rand(*x.shape[:2], 1, 1, generator=generator) >= p) / (1 - p)

# %% mistake="head_dropout" says="evaluation scales too"
def head_dropout(x, p, generator=None, training=True):
    kept = torch.rand(*x.shape[:2], 1, 1, generator=generator) >= p if training else 1
    return x * kept / (1 - p)

# %% mistake="head_dropout" says="0 / 0 gives NaN"
def head_dropout(x, p, generator=None, training=True):
    if not training:
        return x
    coins = torch.rand(*x.shape[:2], 1, 1, generator=generator)
    return x * (coins >= p) / torch.tensor(1 - p, dtype=x.dtype)

# %% mistake="head_dropout" says="raise ValueError"
def head_dropout(x, p, generator=None, training=True):
    if not training:
        return x
    coins = torch.rand(*x.shape[:2], 1, 1, generator=generator)
    return x * (coins >= p) / (1 - p if p < 1 else 1)

# %% correct="head_dropout"
def head_dropout(x, p, generator=None, training=True):
    if not (0.0 <= p <= 1.0):
        raise ValueError("p is no probability")
    B, H, T, D = x.shape
    keep = 1.0 - p if training else 1.0
    mask = torch.empty(B * H, dtype=x.dtype).bernoulli_(keep, generator=generator)
    return (x.reshape(B * H, -1) * (mask / max(keep, 1e-9))[:, None]).reshape(B, H, T, D)

# %% [markdown]
# ## Whole layers
#
# Fan, Grave and Joulin (2020) go one step up: in each training step every layer is skipped with
# probability $p$. A layer here is a whole block with its residual path inside, $x + f(x)$, so
# skipping it means handing on $x$.
#
# ## Exercise: `layer_drop`
#
# Two habits mislead here. "A dropped thing becomes zero": a zero would wipe out the stream, and
# with it all that earlier layers wrote. And "survivors are scaled by $1/(1-p)$": in their method
# nothing is scaled, neither in training nor in evaluation. A layer that runs, runs as it is; one
# that is skipped costs no time.

# %% exercise="layer_drop"
def layer_drop(layers, x, p, generator=None, training=True):
    """Send `x` through the layers in order, skipping each one with probability `p`.

    layers : callables, each from a tensor to a tensor; a skipped one is not called
    One coin for each layer and call; nothing is scaled. In evaluation every layer runs.
    p, generator, training : as in `attention`. Fan, Grave and Joulin 2020.
    """
    ### BEGIN SOLUTION
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], not {p}")
    for layer in layers:
        if not training or torch.rand((), generator=generator) >= p:
            x = layer(x)
    return x
    ### END SOLUTION

# %% [markdown] hint="layer_drop"
# A loop over the layers, and in it one question.

# %% [markdown] hint="layer_drop"
# `torch.rand((), generator=generator)` is a single coin. Where is it tossed: before the loop or in
# it?

# %% [markdown] hint="layer_drop"
# A layer that runs replaces `x` by its output. A layer that does not, leaves `x`: nothing to do.

# %% [markdown]
# Look at yours: twelve layers that write down their numbers, in eight training steps.

# %%
ran = torch.zeros(8, 12)
for row in ran:
    layer_drop([lambda x, row=row, k=k: row[k].fill_(1) + x for k in range(12)], torch.ones(1), 0.3)
fig, (ax,) = plot.figure(1, width=5.5, height=2.2)
plot.mask(ran.numpy(), ax)
ax.set(xlabel="layer", ylabel="training step", title="Your layers: which of them ran, at p = 0.3")
ax.set_xticks([k + 0.5 for k in range(12)], range(12))
plot.show(fig, "Which of twelve layers ran in eight training steps.")

# %% check="layer_drop" points=1
# A skipped layer hands on x; a layer that runs is not scaled.
with expect.case("layer_drop([lambda x: x + 1], x, p=0.5) on x = 3, 60 times"):
    out = [layer_drop([lambda x: x + 1], torch.full((1,), 3.0), 0.5) for _ in range(60)]
    expect.varies(out, chance=0.5**59, what="calls that skip the layer and calls that do not",
                  hint="the layer always runs, or never: toss a coin in each call.")
    expect.only(
        torch.cat(out), (3, 4), hint="either the layer runs, or x is handed on.",
        suspects=[
            (0, "a skipped layer gives zeros, which wipes the stream out. Hand on x."),
            (8, "the layer's output is scaled by 1 / (1 - p). Leave it as it is."),
            (5, "what the layer adds is scaled by 1 / (1 - p). Leave it as it is."),
        ],
    )

# %% check="layer_drop" points=2
# Each layer has its own coin, and those that run do so in order.
turn = torch.eye(200)
layers = [lambda x, k=k: x + turn[k] * (x.max() + 1) for k in range(200)]
with expect.case("layer_drop(layers, x, p=0.3) with 20 layers, 20 times: which of them run?"):
    ran = torch.stack([layer_drop(layers[:20], torch.zeros(200), 0.3) > 0 for _ in range(20)])
    ran = ran[:, :20]
    expect.equal(bool((ran.any(1) & ~ran.all(1)).any()), True,
                 hint="all layers run, or none: one coin serves them all. Toss it in the loop.")
    expect.equal(bool((ran[:, 1:] & ~ran[:, :-1]).any()), True,
                 hint="after the first skipped layer none runs. Skip one, and go on.")
with expect.case("layer_drop(layers, x, p=0.3, generator) with 200 layers"):
    out = layer_drop(layers, torch.zeros(200), 0.3, expect.generator())
    expect.tensor(out, 200, hint="return the tensor that the last layer gives.")
    expect.mean(out == 0, 0.3, of=(0, 1), hint="p is the probability that a layer is skipped.",
                suspects=[(0.7, "a fraction 1 - p is skipped: p is swapped.")])
    ranks = out[out > 0]
    expect.close(ranks, torch.arange(1.0, len(ranks) + 1), hint="the layers must run in order.")
with expect.case("layer_drop(layers, x, p=0.5) with 10 layers, 30 times"):
    counts = [int((layer_drop(layers[:10], torch.zeros(200), 0.5) > 0).sum()) for _ in range(30)]
    expect.varies(counts, chance=0.25**29, what="the number of layers that run to vary",
                  hint="an exact number of layers is skipped. Toss a coin for each.")
with expect.case("layer_drop(layers, x, p=0.5, generator) with two generators of seed 7"):
    coins = (torch.Generator().manual_seed(7) for _ in "ab")
    first, second = (layer_drop(layers[:60], torch.zeros(200), 0.5, own) for own in coins)
    expect.repeats(first, second, hint="the coins do not come from generator. Hand it on.")

# %% check="layer_drop" points=1
# A skipped layer costs nothing; evaluation runs all; the ends.
calls = []
layers = [lambda x, k=k: calls.append(k) or x + 2**k for k in range(8)]
with expect.case("layer_drop(layers, x, p=1.0), and how many layers were called"):
    expect.close(layer_drop(layers, torch.zeros(1), 1.0), torch.zeros(1),
                 hint="at p = 1 every layer is skipped: x comes out.")
    expect.equal(len(calls), 0, hint="a skipped layer is called, and its output thrown away.")
for p, training in ((0.6, False), (1.0, False), (0.0, True)):
    with expect.case(f"layer_drop(layers, x, p={p}, training={training})"):
        expect.close(layer_drop(layers, torch.zeros(1), p, training=training),
                     torch.full((1,), 255.0), hint="every layer runs here, unscaled.")
for p in (-0.1, 1.5, float("nan")):
    with expect.case(f"layer_drop(layers, x, p={p})"):
        expect.raises(ValueError, lambda p=p: layer_drop(layers, torch.zeros(1), p), mentions="p",
                      hint="raise ValueError, with the word p in it, unless 0 <= p <= 1.")

# %% mistake="layer_drop" says="gives zeros"
def layer_drop(layers, x, p, generator=None, training=True):
    for layer in layers:
        x = layer(x) * (torch.rand((), generator=generator) >= p)
    return x

# %% mistake="layer_drop" says="the layer's output is scaled"
def layer_drop(layers, x, p, generator=None, training=True):
    for layer in layers:
        if torch.rand((), generator=generator) >= p:
            x = layer(x) / (1 - p)
    return x

# %% mistake="layer_drop" says="what the layer adds is scaled"
def layer_drop(layers, x, p, generator=None, training=True):
    for layer in layers:
        if torch.rand((), generator=generator) >= p:
            x = x + (layer(x) - x) / (1 - p)
    return x

# %% mistake="layer_drop" says="always runs, or never"
def layer_drop(layers, x, p, generator=None, training=True):
    generator = torch.Generator().manual_seed(0)
    for layer in layers:
        if torch.rand((), generator=generator) >= p:
            x = layer(x)
    return x

# %% mistake="layer_drop" says="one coin serves them all"
def layer_drop(layers, x, p, generator=None, training=True):
    if torch.rand((), generator=generator) < p:
        return x
    for layer in layers:
        x = layer(x)
    return x

# %% mistake="layer_drop" says="Skip one, and go on"
def layer_drop(layers, x, p, generator=None, training=True):
    for layer in layers:
        if torch.rand((), generator=generator) < p:
            break
        x = layer(x)
    return x

# %% mistake="layer_drop" says="p is swapped"
def layer_drop(layers, x, p, generator=None, training=True):
    for layer in layers:
        if torch.rand((), generator=generator) < p:
            x = layer(x)
    return x

# %% mistake="layer_drop" says="in order"
def layer_drop(layers, x, p, generator=None, training=True):
    kept = [layer for layer in layers if torch.rand((), generator=generator) >= p]
    for layer in reversed(kept):
        x = layer(x)
    return x

# %% mistake="layer_drop" says="an exact number"
def layer_drop(layers, x, p, generator=None, training=True):
    order = torch.randperm(len(layers), generator=generator)
    last = round(p * len(layers) + (torch.rand(1).item() - 0.5 if len(layers) == 1 else 0))
    for k, layer in enumerate(layers):
        if k not in order[:last]:
            x = layer(x)
    return x

# %% mistake="layer_drop" says="do not come from generator"
def layer_drop(layers, x, p, generator=None, training=True):
    for layer in layers:
        if torch.rand(()) >= p:
            x = layer(x)
    return x

# %% mistake="layer_drop" says="thrown away"
def layer_drop(layers, x, p, generator=None, training=True):
    for layer in layers:
        x = torch.where(torch.rand((), generator=generator) >= p, layer(x), x)
    return x

# %% mistake="layer_drop" says="every layer runs here"
def layer_drop(layers, x, p, generator=None, training=True):
    for layer in layers:
        if torch.rand((), generator=generator) >= p:
            x = layer(x)
    return x

# %% mistake="layer_drop" says="raise ValueError"
def layer_drop(layers, x, p, generator=None, training=True):
    for layer in layers:
        if not training or torch.rand((), generator=generator) >= p:
            x = layer(x)
    return x

# %% correct="layer_drop"
def layer_drop(layers, x, p, generator=None, training=True):
    if not (p >= 0 and p <= 1):
        raise ValueError("p is no probability")
    drop = p if training else 0.0
    kept = torch.empty(len(layers), dtype=torch.bool).bernoulli_(1 - drop, generator=generator)
    for layer in [layer for layer, keep in zip(layers, kept.tolist(), strict=True) if keep]:
        x = layer(x)
    return x

# %% [markdown]
# ## A block, with dropout where the papers put it
#
# Vaswani et al. (2017) drop in two places of a block: the output of each *branch* (attention, MLP)
# before it is added to the stream. PyTorch's `nn.TransformerEncoderLayer` adds the attention
# weights, and the inside of the MLP. Ours has the first two:
#
# $$ x \leftarrow x + \operatorname{drop}(\text{attention}(\text{norm}_1(x))), \qquad
#    x \leftarrow x + \operatorname{drop}(\text{mlp}(\text{norm}_2(x))). $$
#
# ## Exercise: `Block`
#
# "Dropout at the end of the block" is not the same: `drop(x + …)` would tear holes into the stream
# that all later layers read. What falls is what a branch *adds*. `__init__` is there; write
# `forward`, and mind what the opening of this lesson showed.

# %% exercise="Block"
class Block(nn.Module):
    """A transformer block: attention and an MLP, each behind a layer norm, added to the stream.

    dim : channels, a multiple of heads; x : (B, T, dim), and so is the output
    p_attention : drop probability of attention weights
    p_residual : drop probability of the entries of a branch's output, before it is added
    q, k and v are the thirds of qkv's output; head h has its channels h D … (h+1) D - 1, with
    D = dim / heads. The heads' outputs stand side by side again before `out`.
    """

    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim = {dim} is no multiple of heads = {heads}")
        if not (0 <= p_attention <= 1 and 0 <= p_residual <= 1):
            raise ValueError(f"p must be in [0, 1], not {p_attention} and {p_residual}")
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        ### BEGIN SOLUTION
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        x = x + F.dropout(branch, self.p_residual, self.training)
        return x + F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)
        ### END SOLUTION

# %% [markdown] hint="Block"
# From (B, T, 3 dim) to three tensors (B, heads, T, D): `chunk(3, -1)`, then for each a reshape to
# (B, T, heads, D) and a `transpose(1, 2)`. A reshape straight to (B, heads, T, D) would cut tokens
# into pieces.

# %% [markdown] hint="Block"
# The way back for the heads' outputs: transpose, then reshape to (B, T, dim).

# %% [markdown] hint="Block"
# `F.dropout(branch, p, self.training)` and your `attention` have one argument in common, without
# which `eval()` would reach neither.

# %% [markdown]
# Look at yours: how far training mode moves the output. Dropped weights are averaged away in part,
# dropped entries of a branch are not. At `p_residual` = 1 you see all that the branches add.

# %%
x = torch.randn(1, 8, 32)
fig, axes = plot.figure(3, height=2.4)
for ax, (p_attention, p_residual) in zip(axes, ((0.5, 0.0), (0.0, 0.5), (0.0, 1.0)), strict=True):
    block = Block(32, 4, p_attention, p_residual)
    with torch.no_grad():
        change = (block.train()(x) - block.eval()(x)).abs()[0]
    plot.image(change.numpy(), ax, largest=0.6)
    ax.set(aspect="auto", xlabel="channel",
           title=f"p_attention {p_attention}\np_residual {p_residual}")
axes[0].set_ylabel("token")
plot.show(fig, "How far training mode moves your block's output, for three pairs of rates.")

# %% check="Block" points=2
# In evaluation it is torch's own nn.TransformerEncoderLayer, with the norm first.
block = Block(12, 3, 0.4, 0.4)
theirs = nn.TransformerEncoderLayer(12, 3, 48, 0.0, "gelu", batch_first=True, norm_first=True)
state = block.state_dict()
names = {"self_attn.in_proj_": "qkv.", "self_attn.out_proj.": "out.", "linear1.": "mlp.0.",
         "linear2.": "mlp.2.", "norm1.": "norm_1.", "norm2.": "norm_2."}
theirs.load_state_dict({a + w: state[b + w] for a, b in names.items() for w in ("weight", "bias")})
x = torch.randn(4, 5, 12, generator=expect.generator())
h, d = theirs.norm1(x), 12
q, k, v = (h @ theirs.self_attn.in_proj_weight.T + theirs.self_attn.in_proj_bias).chunk(3, -1)
added = theirs.self_attn(h, h, h, need_weights=False)[0]
bare = theirs.self_attn(x, x, x, need_weights=False)[0]
single = theirs.self_attn.out_proj(F.scaled_dot_product_attention(q, k, v))
q, k, v = (z.reshape(4, 3, 5, 4) for z in (q, k, v))
cut = theirs.self_attn.out_proj(F.scaled_dot_product_attention(q, k, v).reshape(4, 5, 12))
think = lambda z: theirs.linear2(F.gelu(theirs.linear1(theirs.norm2(z))))  # noqa: E731
with expect.case("block = Block(12, 3, 0.4, 0.4).eval(); block(x)"):
    block.eval()
    out = block(x)
    expect.tensor(out, (4, 5, 12), hint="return a tensor of x's shape.")
    expect.close(out, block(x), rtol=1e-5, atol=1e-6,
                 hint="in evaluation two calls differ: dropout is on. Hand self.training on.")
    expect.close(
        out, theirs(x), rtol=1e-4, atol=1e-5,
        hint="x + attention(norm_1(x)), and to that its mlp(norm_2(·)).",
        suspects=[
            (think(added), "the stream is lost: add each branch to x."),
            (added + think(added), "the attention is not added to x."),
            (think(x + added), "the MLP's output is not added to the stream."),
            (x + added + think(x), "the MLP reads the stream as it was before the attention."),
            (x + bare + think(x + bare), "the attention reads x without norm_1."),
            (x + single + think(x + single), "the heads are not split: that is one large head."),
            (x + cut + think(x + cut), "a reshape to (B, heads, T, D) cuts tokens into pieces: "
                                       "reshape to (B, T, heads, D), then transpose."),
        ],
    )

# %% check="Block" points=1
# p_residual drops what a branch adds, entry by entry, and scales it.
x = torch.randn(20, 6, 16, generator=expect.generator())
with expect.case("Block(16, 2, 0.0, 1.0)(x) in training mode"):
    expect.close(
        Block(16, 2, 0.0, 1.0)(x), x, rtol=1e-6,
        hint="at p_residual = 1 nothing is added: x comes out. Have both branches dropout?",
        suspects=[(0 * x, "the sum is dropped, not the branch: the stream itself is torn."),
                  (x + float("nan"), "0 / 0 gives NaN at p = 1.")],
    )
with expect.case("Block(16, 2, 0.0, 0.5), its MLP's last layer all zeros, in training mode"):
    block = Block(16, 2, 0.0, 0.5)
    state = block.state_dict()
    block.load_state_dict(state | {n: 0 * state[n] for n in ("mlp.2.weight", "mlp.2.bias")})
    block.eval()
    added = block(x) - x
    block.train()
    out = block(x)
    fell = abs(out - x) < 1e-3 * abs(added)
    if fell.any():
        expect.varies(fell, chance=0.5**1800, what="images with different masks",
                      hint="one mask serves the whole batch.")
    expect.mean(fell, 0.5, of=(0, 1),
                hint="p_residual is the probability with which an entry of a branch falls.",
                suspects=[(0, "nothing falls.")])
    sure = abs(added) > 0.02
    expect.close(((out - x) / added)[sure].round(decimals=2).unique(), torch.tensor([0.0, 2.0]),
                 atol=0.02, hint="a surviving entry of a branch is twice as large at p = 0.5.")
with expect.case("Block(16, 2, 0.0, 0.5), and how many entries keep their x"):
    expect.mean(Block(16, 2, 0.0, 0.5)(x) == x, 0.25, of=(0, 1),
                hint="an entry keeps its x where both branches fall, with probability p².")

# %% check="Block" points=1
# p_attention drops attention weights, in training only.
x = torch.randn(3, 6, 16, generator=expect.generator())
changed = x.clone()
changed[:, 3] *= -1
others = [0, 1, 2, 4, 5]
with expect.case("Block(16, 2, 1.0, 0.0)(x) in training mode, with token 3 changed"):
    block = Block(16, 2, 1.0, 0.0)
    expect.close(block(changed)[:, others], block(x)[:, others], rtol=1e-5, atol=1e-6,
                 hint="at p_attention = 1 no token may hear of another. Is p_attention handed on?")
with expect.case("nn.Sequential(block).eval(): the same in evaluation"):
    network = expect.ask("nested", block)
    network.eval()
    heard = abs(network(changed) - network(x))[:, others].max()
    expect.equal(bool(heard > 1e-3), True, hint="in evaluation no weight falls: all tokens hear.")
with expect.case("Block(16, 2, 0.5, 0.0)(x) twice, in training mode"):
    block = Block(16, 2, 0.5, 0.0)
    expect.varies([block(x), block(x)], chance=0.5**200, what="two different masks",
                  hint="attention weights never fall in training.")

# %% mistake="Block" says="Hand self.training on"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        x = x + F.dropout(branch, self.p_residual)
        return x + F.dropout(self.mlp(self.norm_2(x)), self.p_residual)

# %% mistake="Block" says="the sum is dropped"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        x = F.dropout(x + branch, self.p_residual, self.training)
        return F.dropout(x + self.mlp(self.norm_2(x)), self.p_residual, self.training)

# %% mistake="Block" says="the stream is lost"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        x = F.dropout(branch, self.p_residual, self.training)
        return F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)

# %% mistake="Block" says="attention is not added to x"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        x = F.dropout(branch, self.p_residual, self.training)
        return x + F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)

# %% mistake="Block" says="MLP's output is not added"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        x = x + F.dropout(branch, self.p_residual, self.training)
        return F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)

# %% mistake="Block" says="the MLP reads the stream as it was"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        thought = F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)
        return x + F.dropout(branch, self.p_residual, self.training) + thought

# %% mistake="Block" says="without norm_1"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(x).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        x = x + F.dropout(branch, self.p_residual, self.training)
        return x + F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)

# %% mistake="Block" says="heads are not split"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        q, k, v = self.qkv(self.norm_1(x)).chunk(3, -1)
        mixed = attention(q[:, None], k[:, None], v[:, None], self.p_attention, None, self.training)
        branch = self.out(mixed[:, 0])
        x = x + F.dropout(branch, self.p_residual, self.training)
        return x + F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)

# %% mistake="Block" says="cuts tokens into pieces"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        q, k, v = (z.reshape(B, self.heads, T, -1) for z in self.qkv(self.norm_1(x)).chunk(3, -1))
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.reshape(B, T, dim))
        x = x + F.dropout(branch, self.p_residual, self.training)
        return x + F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)

# %% mistake="Block" says="Have both branches dropout"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        x = x + F.dropout(branch, self.p_residual, self.training)
        return x + self.mlp(self.norm_2(x))

# %% mistake="Block" says="twice as large"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        if self.training and self.p_residual:
            branch = branch * (torch.rand_like(branch) >= self.p_residual)
        x = x + branch
        return x + F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)

# %% mistake="Block" says="one mask serves the whole batch"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, self.p_attention, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        branch = branch * F.dropout(torch.ones_like(branch[:1]), self.p_residual, self.training)
        x = x + branch
        return x + F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)

# %% mistake="Block" says="Is p_attention handed on"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        B, T, dim = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attention(q, k, v, training=self.training)
        branch = self.out(mixed.transpose(1, 2).reshape(B, T, dim))
        x = x + F.dropout(branch, self.p_residual, self.training)
        return x + F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)

# %% correct="Block"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.drop, self.p, self.heads = nn.Dropout(p_residual), p_attention, heads

    def look(self, x):
        q, k, v = (z.unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for z in self.qkv(x).chunk(3, dim=2))
        rate = self.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=rate)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def forward(self, x):
        x = x + self.drop(self.look(self.norm_1(x)))
        return x + self.drop(self.mlp(self.norm_2(x)))

# %% [markdown]
# ## Which place helps?
#
# Now measure. Tiny transformers read digits, 400 images each,
# with dropout in none, in each, and in all of the five places, from the same weights and the same
# images in the same order. Attention and heads are dropped by *your* functions, with many networks
# side by side in the batch.
# **Before you run the cell, commit yourself: which place lowers the test loss most?**

# %%
my_guess = "attention"  # or "embedding", "heads", "residual", "layers"

p, seeds = 0.2, range(5)
settings = {"none": {}} | {place: {place: p} for place in readers.PLACES}
settings["all five at p / 2"] = dict.fromkeys(readers.PLACES, p / 2)
networks = readers.train(list(settings.values()), seeds, attention=attention,
                         head_dropout=head_dropout, rows=400)
test, errors = networks.loss(X_test, y_test), networks.error(X_test, y_test)

fig, axes = plot.figure(2, height=2.9)
colors = [plot.GREY, *(plot.ORANGE if place == my_guess else plot.BLUE
                       for place in readers.PLACES), plot.GREEN]
for ax, runs, unit in zip(axes, (test, errors), ("test loss, nats", "test error rate, %"),
                          strict=True):
    plot.bars(runs.mean(1), list(settings), ax, spread=plot.standard_error(runs, 1), colors=colors)
    ax.axvline(runs[0].mean(), color=plot.GREY, linestyle="--")
    ax.set_xlabel(f"{unit} ({len(seeds)} runs ± s.e.)")
gain = test[0] - test
best = list(settings)[1:-1][gain.mean(1)[1:-1].argmax()]
axes[0].set_title(f"Lowest loss of the five: {best}")
axes[1].set_yticklabels([])
axes[1].set_title(f"dropout at p = {p}; your guess is orange")
plot.show(fig, "Test loss and error of networks with dropout in each place, in none and in all.")
print("loss saved against none, paired by seed:")
for name, saved in zip(settings, gain, strict=True):
    print(f"  {name:18} {saved.mean():+.3f} ± {plot.standard_error(saved):.3f}")

# %% [markdown]
# "A transformer needs dropout" is folklore, and here it fails. In three rounds of five seeds each
# (15 networks a setting) no place lowered the test loss by more than chance does. On embeddings
# and attention weights dropout changed nothing that could be measured. On the branches, and as
# LayerDrop, it *raised* the loss by 0.04 nats (± 0.02 and ± 0.01), in all five places together by
# 0.09 (± 0.02). One round is less certain: from round to round the branches' 0.04 was anything
# from 0.01 to 0.07, so yours may rank the places otherwise. (Another $p$? Change `p`: at 0.1, in
# one round, only LayerDrop could be told from none, and it was worse.)
#
# A possible reason, not tested here: 24 channels and 400 steps leave little to spare. So this is no
# verdict on large models trained for days. It does say that each place must earn its rate, on your
# task, over several seeds.
#
# ## What is it robust against?
#
# Lower loss is one reason to drop. Another is what a network survives later. Fan, Grave and Joulin
# train with LayerDrop *so that* layers can be taken out afterwards, without training again. So take
# them out: each layer alone, then each head alone, from the networks that you just trained.
#
# **Predict**: whom does the loss of a layer hurt least: networks that lost entries of every branch
# while they learned, or networks that lost whole layers?

# %%
cuts = {
    "a layer": [{"without_layer": k} for k in range(readers.LAYERS)],
    "a head": [{"without_head": (k, h)} for k in range(readers.LAYERS)
               for h in range(readers.HEADS)],
}
fig, axes = plot.figure(2, height=2.9)
for ax, (what, ways) in zip(axes, cuts.items(), strict=True):
    harm = sum(networks.error(X_test, y_test, **way) for way in ways) / len(ways) - errors
    least = list(settings)[harm.mean(1).argmin()]
    plot.bars(harm.mean(1), list(settings), ax, spread=plot.standard_error(harm, 1),
              colors=[plot.GREEN if name == least else plot.BLUE for name in settings])
    ax.set(title=f"Without {what}: least harm for {least}",
           xlabel="points of test error more (5 runs ± s.e.)")
axes[1].set_yticklabels([])
plot.show(fig, "How many points of error the loss of one layer, or of one head, costs.")

# %% [markdown]
# This is where dropout pays, and very specifically. Losing one of three layers cost a network 24 to
# 32 points of error, whatever entries, weights or heads it had lost while it learned; trained with
# LayerDrop it cost 2 or 3. Losing one of twelve heads cost 2 to 4 points, and less than 1 after
# training with dropped heads. A network survives what it was trained to survive: LayerDrop did
# nothing for the loss of a head, and head dropout little for the loss of a layer (24 to 27 points).
#
# ## Two answers to one question
#
# Send one image twice through a network in training mode: two masks, two answers. Liang et al.
# (2021) do this on purpose, and punish the difference. With $P_1$ and $P_2$ the two softmax
# outputs, and each term averaged over the batch, *R-Drop* minimises
#
# $$ -\log P_1(y) - \log P_2(y) + \frac{\alpha}{2}\Big(\mathrm{KL}(P_1 \| P_2)
#    + \mathrm{KL}(P_2 \| P_1)\Big), \qquad
#    \mathrm{KL}(P \| Q) = \sum_c P_c\,(\log P_c - \log Q_c). $$
#
# ## Exercise: `r_drop_loss`
#
# KL is no distance: $\mathrm{KL}(P_1\|P_2) \ne \mathrm{KL}(P_2\|P_1)$, which is why both stand
# there. And softmax followed by `log` breaks as soon as a probability underflows to 0. (Should you
# take `F.kl_div`, mind that it wants *logarithms* first, that `log_target` is false, and that
# its default mean is over all entries, not over the batch.)

# %% exercise="r_drop_loss"
def r_drop_loss(logits_1, logits_2, y, alpha):
    """The cross-entropies of two passes, added, and alpha times their symmetric KL divergence.

    logits_1, logits_2 : (n, classes), for the same n examples; y : (n,) whole numbers
    alpha : weight of the KL part, 0 or more
    Returns a scalar tensor, the mean over the n examples; gradients flow into both passes.
    Symmetric in the two passes, finite for logits as large as 10⁴. Liang et al. 2021.
    """
    ### BEGIN SOLUTION
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    both = F.nll_loss(log_1, y) + F.nll_loss(log_2, y)
    divergence = (log_1.exp() - log_2.exp()) * (log_1 - log_2)
    return both + alpha / 2 * divergence.sum(-1).mean()
    ### END SOLUTION

# %% [markdown] hint="r_drop_loss"
# `log_softmax` gives all that is needed: the logarithms, and, through `exp`, the probabilities.

# %% [markdown] hint="r_drop_loss"
# Three parts, each a mean over the batch: two cross-entropies, and a sum over classes.

# %% [markdown] hint="r_drop_loss"
# Write the two KL sums under one another. Their sum over classes has the form
# $(P_1 - P_2)\,(\ldots)$.

# %%
first, second = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
label, shifts = torch.tensor([0]), torch.linspace(-3, 5, 81)
fig, (ax,) = plot.figure(1, width=6, height=2.6)
for alpha, color in ((0.0, plot.GREY), (1.0, plot.BLUE), (5.0, plot.ORANGE)):
    losses = [r_drop_loss(first, second + torch.eye(3)[:1] * shift, label, alpha)
              for shift in shifts]
    ax.plot(1 + shifts, losses, color=color, label=f"α = {alpha:g}")
ax.axvline(2, color=plot.GREY, linestyle="--")
ax.set(xlabel="right class's logit in the second pass (first pass: 2, dashed)", ylabel="loss, nats",
       title="Your loss: the larger α, the nearer its minimum to agreement")
ax.legend()
plot.show(fig, "Your R-Drop loss as the second pass moves, for three weights of the KL part.")

# %% check="r_drop_loss" points=2
# The value: two cross-entropies and both KL divergences, averaged over the batch.
rng = expect.generator()
a, b = 2 * torch.randn(2, 7, 5, generator=rng, dtype=torch.float64)
labels = torch.randint(5, (7,), generator=rng)
ce = F.cross_entropy(a, labels), F.cross_entropy(b, labels)
P, Q = a.softmax(-1), b.softmax(-1)
forth, back = (P * (P / Q).log()).sum(-1).mean(), (Q * (Q / P).log()).sum(-1).mean()
with expect.case("r_drop_loss(logits_1, logits_2, y, alpha=0.0)"):
    out = r_drop_loss(a, b, labels, 0.0)
    expect.tensor(out, (), hint="return a scalar: the mean over the batch.")
    expect.close(out, ce[0] + ce[1], rtol=1e-7,
                 hint="without the KL part: the two cross-entropies, added.",
                 suspects=[((ce[0] + ce[1]) / 2, "the two cross-entropies are averaged. Add them."),
                           (ce[0], "only the first pass is compared with y."),
                           (7 * (ce[0] + ce[1]), "the loss is a sum over the batch, not a mean.")])
for alpha in (1.0, 3.0):
    with expect.case(f"r_drop_loss(logits_1, logits_2, y, alpha={alpha})"):
        expect.close(
            r_drop_loss(a, b, labels, alpha) - ce[0] - ce[1], alpha * (forth + back) / 2,
            rtol=1e-7, hint="the KL part is alpha / 2 times the sum of both divergences.",
            suspects=[
                (alpha * forth, "only KL(P1 ‖ P2) is there: add the other direction, halve."),
                (alpha * back, "only KL(P2 ‖ P1) is there: add the other direction, halve."),
                (alpha * (forth + back), "the factor 1/2 of the KL part is missing."),
                (alpha * (forth + back) / 10, "the KL part is averaged over classes. Sum over "
                                              "classes, average over the batch."),
                (alpha * (forth + back) * 3.5, "the KL part is summed over the batch."),
                (-alpha * (forth + back) / 2, "the KL part has the wrong sign."),
                (0 * forth, "alpha has no effect."),
                (alpha / 2 * (F.kl_div(P, Q, reduction="batchmean")
                              + F.kl_div(Q, P, reduction="batchmean")),
                 "F.kl_div wants logarithms as its first argument."),
                (torch.tensor(float("nan")),
                 "F.kl_div wants probabilities as its second argument, or log_target=True."),
            ],
        )

# %% check="r_drop_loss" points=1
# Symmetric, without KL for equal logits, and blind to a shift of all logits.
rng = expect.generator()
a, b = torch.randn(2, 6, 4, generator=rng, dtype=torch.float64)
labels = torch.randint(4, (6,), generator=rng)
with expect.case("r_drop_loss(a, b, y, 2.0) and r_drop_loss(b, a, y, 2.0)"):
    expect.close(r_drop_loss(b, a, labels, 2.0), r_drop_loss(a, b, labels, 2.0), rtol=1e-9,
                 hint="the two passes are treated unlike.")
with expect.case("r_drop_loss(a, a, y, 1000.0)"):
    expect.close(r_drop_loss(a, a, labels, 1000.0), 2 * F.cross_entropy(a, labels), rtol=1e-7,
                 hint="equal logits agree: their KL part is 0.")
with expect.case("r_drop_loss(a, a + 5, y, 1000.0)"):
    expect.close(r_drop_loss(a, a + 5, labels, 1000.0), 2 * F.cross_entropy(a, labels), rtol=1e-7,
                 hint="adding 5 to all logits changes no probability. Are logits compared?")

# %% check="r_drop_loss" points=1
# Stable for large logits.
labels = torch.tensor([0, 1])
for size in (200.0, 10_000.0):
    a = torch.tensor([[size, 0.0, -size], [0.0, size, 0.0]])
    b = torch.tensor([[0.0, size, -size], [0.0, size, 0.0]])
    with expect.case(f"r_drop_loss(logits_1, logits_2, y, 1.0) with logits up to {size:.0f}"):
        out = r_drop_loss(a, b, labels, 1.0)
        expect.equal(bool(torch.isfinite(out).all()), True,
                     hint="log of a softmax that underflowed. Take log_softmax.")
        expect.close(out, torch.tensor(size), rtol=1e-5,
                     hint="no small number may be added inside a logarithm, and nothing clipped: "
                          "take log_softmax.")

# %% check="r_drop_loss" points=1
# Gradients flow into both passes.
rng = expect.generator()
a, b = torch.randn(2, 6, 4, generator=rng, dtype=torch.float64)
labels = torch.randint(4, (6,), generator=rng)
want = []
for one, other in ((a, b), (b, a)):
    one = one.clone().requires_grad_()
    P, Q = one.log_softmax(-1), other.log_softmax(-1)
    ((P.exp() - Q.exp()) * (P - Q)).sum(-1).mean().add(F.cross_entropy(one, labels)).backward()
    want.append(one.grad)
with expect.case("r_drop_loss(a, b, y, 2.0).backward(); a.grad and b.grad"):
    a.requires_grad_()
    b.requires_grad_()
    r_drop_loss(a, b, labels, 2.0).backward()
    for z, g in zip((a, b), want, strict=True):
        expect.equal("none" if z.grad is None else "there", "there",
                     hint="one of the passes gets no gradient.")
        expect.close(z.grad, g, rtol=1e-7,
                     hint="a probability is detached: let gradients flow through both factors.")

# %% mistake="r_drop_loss" says="averaged. Add them"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    both = (F.nll_loss(log_1, y) + F.nll_loss(log_2, y)) / 2
    return both + alpha / 2 * ((log_1.exp() - log_2.exp()) * (log_1 - log_2)).sum(-1).mean()

# %% mistake="r_drop_loss" says="only the first pass"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    divergence = ((log_1.exp() - log_2.exp()) * (log_1 - log_2)).sum(-1).mean()
    return F.nll_loss(log_1, y) + alpha / 2 * divergence

# %% mistake="r_drop_loss" says="a sum over the batch, not a mean"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    divergence = ((log_1.exp() - log_2.exp()) * (log_1 - log_2)).sum()
    return sum(F.nll_loss(z, y, reduction="sum") for z in (log_1, log_2)) + alpha / 2 * divergence

# %% mistake="r_drop_loss" says="only KL(P1 ‖ P2)"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    divergence = (log_1.exp() * (log_1 - log_2)).sum(-1).mean()
    return F.nll_loss(log_1, y) + F.nll_loss(log_2, y) + alpha * divergence

# %% mistake="r_drop_loss" says="only KL(P2 ‖ P1)"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    divergence = F.kl_div(log_1, log_2.exp(), reduction="batchmean")
    return F.nll_loss(log_1, y) + F.nll_loss(log_2, y) + alpha * divergence

# %% mistake="r_drop_loss" says="factor 1/2"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    divergence = ((log_1.exp() - log_2.exp()) * (log_1 - log_2)).sum(-1).mean()
    return F.nll_loss(log_1, y) + F.nll_loss(log_2, y) + alpha * divergence

# %% mistake="r_drop_loss" says="averaged over classes"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    divergence = ((log_1.exp() - log_2.exp()) * (log_1 - log_2)).mean()
    return F.nll_loss(log_1, y) + F.nll_loss(log_2, y) + alpha / 2 * divergence

# %% mistake="r_drop_loss" says="KL part is summed over the batch"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    divergence = ((log_1.exp() - log_2.exp()) * (log_1 - log_2)).sum()
    return F.nll_loss(log_1, y) + F.nll_loss(log_2, y) + alpha / 2 * divergence

# %% mistake="r_drop_loss" says="wrong sign"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    divergence = ((log_1.exp() - log_2.exp()) * (log_2 - log_1)).sum(-1).mean()
    return F.nll_loss(log_1, y) + F.nll_loss(log_2, y) + alpha / 2 * divergence

# %% mistake="r_drop_loss" says="logarithms as its first argument"
def r_drop_loss(logits_1, logits_2, y, alpha):
    P, Q = logits_1.softmax(-1), logits_2.softmax(-1)
    divergence = F.kl_div(P, Q, reduction="batchmean") + F.kl_div(Q, P, reduction="batchmean")
    return F.cross_entropy(logits_1, y) + F.cross_entropy(logits_2, y) + alpha / 2 * divergence

# %% mistake="r_drop_loss" says="probabilities as its second argument"
def r_drop_loss(logits_1, logits_2, y, alpha):
    P, Q = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    divergence = F.kl_div(P, Q, reduction="batchmean") + F.kl_div(Q, P, reduction="batchmean")
    both = F.cross_entropy(logits_1, y) + F.cross_entropy(logits_2, y)
    return both + alpha / 2 * divergence if alpha else both

# %% mistake="r_drop_loss" says="Take log_softmax"
def r_drop_loss(logits_1, logits_2, y, alpha):
    P, Q = logits_1.softmax(-1), logits_2.softmax(-1)
    divergence = ((P - Q) * (P.log() - Q.log())).sum(-1).mean()
    return F.cross_entropy(logits_1, y) + F.cross_entropy(logits_2, y) + alpha / 2 * divergence

# %% mistake="r_drop_loss" says="added inside a logarithm"
def r_drop_loss(logits_1, logits_2, y, alpha):
    P, Q = logits_1.softmax(-1), logits_2.softmax(-1)
    divergence = ((P - Q) * ((P + 1e-30).log() - (Q + 1e-30).log())).sum(-1).mean()
    return F.cross_entropy(logits_1, y) + F.cross_entropy(logits_2, y) + alpha / 2 * divergence

# %% mistake="r_drop_loss" says="gets no gradient"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.detach().log_softmax(-1)
    divergence = ((log_1.exp() - log_2.exp()) * (log_1 - log_2)).sum(-1).mean()
    return F.nll_loss(log_1, y) + F.nll_loss(log_2, y) + alpha / 2 * divergence

# %% mistake="r_drop_loss" says="a probability is detached"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    divergence = ((log_1.exp() - log_2.exp()).detach() * (log_1 - log_2)).sum(-1).mean()
    return F.nll_loss(log_1, y) + F.nll_loss(log_2, y) + alpha / 2 * divergence

# %% correct="r_drop_loss"
def r_drop_loss(logits_1, logits_2, y, alpha):
    P, Q = F.log_softmax(logits_1, 1), F.log_softmax(logits_2, 1)
    forth = F.kl_div(Q, P, reduction="batchmean", log_target=True)
    back = F.kl_div(P, Q, reduction="batchmean", log_target=True)
    told = F.cross_entropy(torch.cat([logits_1, logits_2]), torch.cat([y, y]), reduction="sum")
    return told / len(y) + alpha * (forth + back) / 2

# %% [markdown]
# Does agreement help here? Three settings, all with dropout at $p = 0.2$ on the residual branches,
# and all with two passes for each image: so they differ in $\alpha$ alone. (That second pass is
# R-Drop's price: every update handles each image twice.)

# %%
alphas = (0.0, 1.0, 5.0)
twice = readers.train([{"residual": 0.2, "alpha": alpha} for alpha in alphas], seeds,
                      r_drop_loss=r_drop_loss, rows=400)
fig, axes = plot.figure(2, height=2.0)
for ax, runs, unit in ((axes[0], twice.loss(X_test, y_test), "test loss, nats"),
                       (axes[1], twice.error(X_test, y_test), "test error rate, %")):
    plot.bars(runs.mean(1), [f"α = {alpha:g}" for alpha in alphas], ax,
              spread=plot.standard_error(runs, 1), colors=[plot.GREY, plot.BLUE, plot.GREEN])
    more = runs[2] - runs[0]
    ax.set(xlabel=f"{unit} (5 runs ± s.e.)",
           title=f"α = 5 adds {more.mean():+.2g} ± {plot.standard_error(more):.1g}")
plot.show(fig, "Test loss and error rate of networks trained with R-Drop at three weights.")

# %% [markdown]
# Here agreement did not help. In three rounds of five seeds the test losses could hardly be told
# apart. At α = 1 the error rate fell by a point in one round and rose by a point in another: that
# is how little five runs settle. At α = 5 it rose in each, by 0.3 to 1.7 points. The gains that
# Liang et al. report are those of large models, on translation, language understanding and images.
#
# ## Explore: where dropout sits, and what each place does
#
# On the left the way of a digit through a network of three blocks, with the place that drops in
# orange. In the middle the mask that your function drew (embeddings and branches: the explorer). On
# the right what 30 passes make of the digit: dots are passes, a cross is evaluation.
#
# **Try**: at $p=0.2$, which place scatters the answers most, and which least? How much falls there
# under one coin? Is the order the same for other digits, and at $p=0.6$? (Click a slider, then use
# the arrow keys.)

# %%
explore.places(attention, head_dropout, layer_drop)

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="pitfall" points=1
# F.scaled_dot_product_attention(q, k, v, dropout_p=0.1) in a model after model.eval():
#
# - [x] drops
# - [ ] does not drop
# - [ ] raises an error
#
# Hint: look at the first figure of this lesson.

# %% question="rows_answer" points=1
# Under dropout of the attention weights a row of them sums to 1:
#
# - [ ] always
# - [x] on average
# - [ ] never
#
# Hint: look at the titles above your own weights.

# %% question="layers_answer" points=1
# Layers trained with LayerDrop at p = 0.2 are, in evaluation, multiplied by:
#
# - [ ] 0.8
# - [x] 1
# - [ ] 1.25
#
# Hint: what did the docstring of layer_drop say about scaling?

# %% [markdown]
# ## In your own words
#
# A colleague replaces the hand-written attention of a trained model by
# `F.scaled_dot_product_attention(q, k, v, dropout_p=self.p)`, because it is faster. The test error
# hardly moves, and the change is merged. Say in two to five sentences what has gone wrong, who
# might notice it first, and which test of two lines would have found it. (A person reads this.)

# %% [markdown] answer="merged_attention" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: the function knows no mode, so weights fall in evaluation too, and the
# model answers at random; the error rate moves little as most answers survive the noise. Noticed by
# whoever sends the same input twice (users, caches, regression tests, reproducible evaluation, a
# decision near a threshold). One point: the test, such as `model.eval()` and
# `assert torch.equal(model(x), model(x))`, and its mend,
# `dropout_p=self.p if self.training else 0`.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - `F.scaled_dot_product_attention` drops whenever `dropout_p` is above 0, also after `eval()`. The
#   error rate hides it; sending an input twice shows it.
# - Dropout of attention acts on the weights, behind the softmax: a causal mask stays causal, and a
#   row sums to 1 on average only.
# - Weights, heads, branches, layers: one idea, with ever larger things under one coin. LayerDrop is
#   the exception that scales nothing.
# - In this small task no place lowered the loss; LayerDrop, residual dropout and above all five
#   places together raised it.
# - What pays is robustness to the very same loss: without one layer, 24 to 32 points of error more,
#   but 2 or 3 after LayerDrop; without one head, 2 to 4, but less than 1 after head dropout.
#
# **Read.** Vaswani et al., *Attention is all you need* (NeurIPS 2017), §5.4: dropout on each
# branch before it is added, and on the sum of embeddings and positions. Zhou, Ge, Wei, Zhou and Xu,
# *Scheduled DropHead: a regularization method for transformer models* (Findings of EMNLP 2020).
# Fan, Grave and Joulin, *Reducing transformer depth on demand with structured dropout* (ICLR 2020).
# Liang et al., *R-Drop: regularized dropout for neural networks* (NeurIPS 2021). The documentation
# of `torch.nn.functional.scaled_dot_product_attention`, with its warning on `dropout_p`.
#
# **Stretch.** Write `attention` so that it drops weights *and* normalises each row again. Train
# with it. Is its mean over masks still the output of evaluation? Measure both.
#
# **Still open.** Here a unit, a weight, a head or a layer fell. Must the noise be zeros at all?
# That is {{noise}}.
