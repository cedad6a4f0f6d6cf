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

from dropoutlab import check_probability, expect, explore, plot, readers

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

# %% guess=true
my_guess = 0  # digits in a hundred with two different answers

# %% figure=true
# Digits with two answers in evaluation mode, and the error rate with `dropout_p` at 0.2 and at 0.
guess = expect.guess(my_guess)
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
plot.bars([guess, differ.mean()], ["your guess", "measured"], left,
          spread=[0, plot.standard_error(differ)], colors=[plot.GREY, plot.ORANGE])
left.set(xlabel="digits in 100 with two answers",
         title=f"{differ.mean():.1f} ± {plot.standard_error(differ):.1f} of 100 get two answers")
plot.bars([e.mean() for e in errors], ["dropout_p = 0.2", "dropout_p = 0"], right,
          spread=[plot.standard_error(e) for e in errors], colors=[plot.ORANGE, plot.BLUE])
right.set(xlabel="error rate, % (5 networks ± s.e.)",
          title=f"Left on, it costs {plot.difference(*errors):.1f} points")
plot.show(fig, f"Of 100 digits {differ.mean():.1f} get two answers, you guessed {guess}; the error "
               f"rate is {errors[0].mean():.1f} % with dropout_p = 0.2, {errors[1].mean():.1f} % "
               "with 0.")

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
    p : probability of dropping a weight
    generator : torch.Generator, or None for torch's own
    causal : token i reads the tokens 0 … i only
    In evaluation equal to F.scaled_dot_product_attention(q, k, v). Vaswani et al. 2017, eq. 1.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    scores = q @ k.mT / q.shape[-1] ** 0.5
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    A = scores.softmax(-1)
    if training:
        coins = torch.rand(A.shape, generator=generator, device=q.device)
        A = A * (coins >= p) / (1 - p)
    return A @ v
    ### END SOLUTION

# %% [markdown] hint="attention"
# Four steps in this order: scores, the causal mask, softmax, dropout. Then one product with `v`.

# %% [markdown] hint="attention"
# `k.mT` swaps the last two axes. The worked example has the mask of later tokens. Softmax runs
# over the last axis: over the tokens that are read.

# %% [markdown] hint="attention"
# The coins have the shape of the weights, $(B, H, T, T)$: `A.shape`.

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
# In evaluation it is torch's own attention.
q, k, v = torch.randn(3, 2, 3, 5, 4, generator=expect.generator(), dtype=torch.float64)
before = [z.clone() for z in (q, k, v)]
products, right = q @ k.mT, F.scaled_dot_product_attention(q, k, v)
for p in (0.0, 0.4):
    with expect.case(f"attention(q, k, v, p={p}, training=False)"):
        out = attention(q, k, v, p, training=False)
        for now, was in zip((q, k, v), before, strict=True):
            expect.unchanged(now, was)
        expect.tensor(out, (2, 3, 5, 4), hint="return a tensor of q's shape.")
        expect.equal(attention(q, k, v, p, training=False), out,
                     hint="two calls differ. Dropout must end with training.")
        expect.close(
            out, right, rtol=1e-6, atol=1e-9,
            hint="nothing may fall here: the output is softmax(q kᵀ / √D) v.",
            suspects=[
                (products.softmax(-1) @ v, "the scores are not divided by √D."),
                ((products / 4).softmax(-1) @ v, "the scores are divided by D, not by its root."),
                ((products / 5**0.5).softmax(-1) @ v,
                 "the root is that of the number of tokens. D is the last axis of q."),
                ((products / 2).softmax(-2) @ v,
                 "softmax runs over the tokens that read. Each row must sum to 1."),
            ] + ([
                (right / 0.6, "evaluation scales too. Scale in training only."),
                (right * 0.6, "evaluation multiplies by 1 - p. Leave the weights alone."),
            ] if p else []),
        )

# %% check="attention" points=2
# The weights are what is dropped: each is 0 or w / (1 - p).
q, k = torch.randn(2, 2, 4, 30, 31, generator=expect.generator(), dtype=torch.float64)
v = torch.cat([torch.eye(30), torch.ones(30, 1)], 1).double().expand(2, 4, 30, 31)
plain = (q @ k.mT / 31**0.5).softmax(-1)
with expect.case("attention(q, k, v, p=0.3): v is the identity, so that the weights come out"):
    out = attention(q, k, v, 0.3, expect.generator())
    expect.tensor(out, (2, 4, 30, 31), hint="return a tensor of q's shape.")
    weights = out[..., :30]
    ratio = weights / plain
    if abs(ratio - 1).max() < 1e-9:
        words = "nothing is dropped."
    elif not (ratio == 0).any():
        words = ("no weight is 0. Are the scores dropped? A score of 0 is not a weight of 0: drop "
                 "behind the softmax.")
    elif abs(weights.sum(-1) - 1).max() < 1e-9:
        words = ("each row sums to 1. Divide the survivors by 1 - p, whatever the row's sum, and "
                 "do not normalise again.")
    else:
        words = ""
    expect.only(ratio, (0, 1 / 0.7), hint=words or "a surviving weight must be w / (1 - p).",
                rtol=1e-6, suspects=[] if words else [
                    (1, "the surviving weights are not scaled. Divide them by 1 - p."),
                    (1 / 0.3, "the survivors are divided by p. Divide them by 1 - p."),
                    (0.7, "the survivors are multiplied by 1 - p. Divide them by it.")])
    expect.equal(bool((ratio != 0).any()), True, hint="no weight is left.")
    expect.close(out[..., 30], weights.sum(-1), rtol=1e-6, atol=1e-9,
                 hint="a token's outputs fall one by one, so they are dropped. Drop the weights, "
                      "before the product with v.")

# %% check="attention" points=2
# Each weight has a coin of its own, from the generator.
equal, seen = torch.zeros(3, 2, 8, 8).double(), torch.eye(8).double().expand(3, 2, 8, 8)
with expect.case("attention(q, k, v, p, generator) with 3 × 2 × 8 × 8 equal weights, 24 times"):
    expect.coins(
        lambda p, generator: attention(equal, equal, seen, p, generator),
        axes=("image", "head", "token that reads", "token that is read"),
        source=expect.generator,
        none=True,
    )

# %% check="attention" points=1
# A causal token reads the tokens up to itself, with dropout too.
q, k, v = torch.randn(3, 2, 3, 5, 4, generator=expect.generator(), dtype=torch.float64)
weights = (q @ k.mT / 2).softmax(-1)
full = torch.ones(5, 5, dtype=torch.float64)
with expect.case("attention(q, k, v, training=False, causal=True)"):
    expect.close(
        attention(q.clone(), k.clone(), v.clone(), training=False, causal=True),
        F.scaled_dot_product_attention(q, k, v, is_causal=True),
        rtol=1e-6, atol=1e-9, hint="token i must read the tokens 0 … i.",
        suspects=[
            (weights @ v, "`causal` does nothing: each token still reads all."),
            ((weights * full.tril()) @ v,
             "the weights of later tokens are zeroed after softmax, so rows sum to less than 1. "
             "Set their scores to minus infinity before it."),
            (F.scaled_dot_product_attention(q, k, v, attn_mask=full.triu() > 0),
             "the mask is upside down: tokens read the later ones."),
            ((q @ k.mT / 2 * full.tril()).softmax(-1) @ v,
             "the scores of later tokens are 0, so they are still read. Set them to -torch.inf."),
        ],
    )
q, k = torch.randn(2, 2, 3, 20, 20, generator=expect.generator(), dtype=torch.float64)
plain = (q @ k.mT / 20**0.5).masked_fill(torch.ones(20, 20).triu(1) > 0, -torch.inf).softmax(-1)
with expect.case("attention(q, k, v, p=0.4, causal=True) with v the identity"):
    out = attention(q, k, torch.eye(20).double().expand(2, 3, 20, 20), 0.4, causal=True)
    expect.equal(out.triu(1), 0 * out, hint="in training a token reads later ones.")
    expect.only((out / plain)[plain > 0], (0, 1 / 0.6), rtol=1e-6,
                hint="in training too, a weight is 0 or that of the causal softmax over 1 - p.")

# %% check="attention" points=1
# The dtype stays, and the gradient passes the mask and the scale.
coarse = "the weights get another dtype than v has. A boolean mask keeps theirs."
for dtype in (torch.float32, torch.float64):
    with expect.case(f"attention(q, k, v, p=0.5), {dtype}", crash=[("dtype|scalar type", coarse)]):
        q = torch.randn(2, 2, 3, 4, generator=expect.generator(), dtype=dtype)
        expect.tensor(attention(q, q, q, 0.5), (2, 2, 3, 4), dtype,
                      hint="the result has another dtype.")
lost = "q does not get its gradient. Is something detached?"
with expect.case("attention(q, k, v, p=0.5).square().sum().backward(), v the identity",
                 crash=[("does not require grad", lost)]):
    q, k = torch.randn(2, 2, 2, 4, 4, generator=expect.generator(), dtype=torch.float64)
    ours, theirs, v = (z.clone().requires_grad_() for z in (q, q, torch.eye(4).double() + 0 * q))
    out = attention(ours, k, v, 0.5)
    out.square().sum().backward()
    weights = (theirs @ k.mT / 2).softmax(-1) * (out.detach() != 0) * 2
    weights.square().sum().backward()
    expect.equal("none" if ours.grad is None else "there", "there", hint=lost)
    expect.close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-9, hint=lost)
    expect.close(v.grad, (2 * weights.mT @ weights).detach(), rtol=1e-6, atol=1e-9,
                 hint="v's gradient is not that of the dropped and scaled weights.")

# %% mistakes="attention"
{
    "not divided by √D": (" / q.shape[-1] ** 0.5", ""),
    "divided by D, not by its root": (" ** 0.5", ""),
    "number of tokens": ("q.shape[-1] **", "q.shape[-2] **"),
    "softmax runs over the tokens that read": ("softmax(-1)", "softmax(-2)"),
    "softmax(q kᵀ / √D) v": ("q @ k.mT", "k @ q.mT"),
    "Dropout must end with training": ("if training", "if p > 0"),
    "evaluation scales too": (" / (1 - p)\n    return A @ v", "\n    return A @ v / (1 - p)"),
    "evaluation multiplies by 1 - p": ("return A @ v", "return A @ v * (1 if training else 1 - p)"),
    "writes into its input": ("q @ k.mT / q.shape[-1] ** 0.5",
                              "q.data.div_(q.shape[-1] ** 0.5) @ k.mT"),
    "`causal` does nothing": ("scores = scores.mask", "scores.mask"),
    "zeroed after softmax":
        ("scores = scores.masked_fill(later, -torch.inf)\n    A = scores.softmax(-1)",
         "pass\n    A = scores.softmax(-1).tril() if causal else scores.softmax(-1)"),
    "upside down": ("triu(1)", "tril(-1)"),
    "the scores of later tokens are 0": ("-torch.inf", "0"),
    "must read the tokens 0 … i": ("triu(1)", "triu(2)"),
    "in training a token reads later ones":
        ("A = A * (", "A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * ("),
    "that of the causal softmax": ("A = A * (coins >= p)",
        "A = A * (coins >= p) * (1 + causal * coins)"),
    "nothing is dropped": ("A = A * (coins >= p) / (1 - p)", "A * (coins >= p) / (1 - p)"),
    "A score of 0 is not a weight of 0": ("A * (coins >= p) / (1 - p)",
                                          "(scores * (coins >= p) / (1 - p)).softmax(-1)"),
    "p is swapped": (">= p", "< p"),
    "no weight is left": (">= p", "> 1"),
    "not scaled": (" / (1 - p)", ""),
    "divided by p. Divide": ("/ (1 - p)", "/ p"),
    "multiplied by 1 - p. Divide": ("/ (1 - p)", "* (1 - p)"),
    "a surviving weight must be": ("/ (1 - p)", "/ (1 - p) ** 2"),
    "do not normalise again": ("A * (coins >= p) / (1 - p)",
                         "F.normalize(A * (coins >= p), p=1, dim=-1)"),
    "Drop the weights, before": ("A = A * (coins >= p) / (1 - p)", "return F.dropout(A @ v, p)"),
    "every image has the same mask": ("rand(A.shape", "rand(A.shape[1:]"),
    "every head has the same mask": ("rand(A.shape", "rand(A[:, :1].shape"),
    "every token that reads has the same mask": ("rand(A.shape", "rand(A[:, :, :1].shape"),
    "every token that is read has the same mask": ("rand(A.shape", "rand(A[..., :1].shape"),
    "an exact number is dropped for each call and image and head and token that reads":
        ("coins >= p", "coins.argsort(-1) >= round(p * A.shape[-1])"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("coins =", "generator = generator or torch.Generator()\n"
                                        "        coins ="),
    "the result has another dtype": ("return A @ v", "return (A @ v).double()"),
    "A boolean mask keeps theirs": ("coins >= p)", "coins >= p).double()"),
    "Is something detached": ("scores.softmax", "scores.detach().softmax"),
    "v's gradient":
        ("A @ v", "A @ v.detach() + F.dropout(A.detach(), p, training) @ (v - v.detach())"),
}

# %% correct="attention"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    A = torch.einsum("bhid,bhjd->bhij", q, k) * q.size(3) ** -0.5
    if causal:
        place = torch.arange(q.size(2))
        A = torch.where(place[:, None] >= place, A, torch.tensor(-1e30, dtype=A.dtype))
    A = A.exp().div(A.exp().sum(-1, keepdim=True))
    if training:
        A = A * torch.empty_like(A).bernoulli_(1 - p, generator=generator) / (1 - p)
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
    Returns a tensor of x's shape and dtype; x in evaluation.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        return x
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

# %% check="head_dropout" points=1
# A head falls as a whole, or comes through as x / (1 - p).
x = torch.randn(60, 40, 3, 2, generator=expect.generator(), dtype=torch.float64)
before = x.clone()
with expect.case("head_dropout(x, p=0.3, generator) on 60 images of 40 heads"):
    out = head_dropout(x, 0.3, expect.generator())
    expect.tensor(out, (60, 40, 3, 2), hint="return a tensor of x's shape.")
    expect.unchanged(x, before)
    fell = (out == 0).double().mean((2, 3))
    expect.only(fell, (0, 1), hint="a head falls in parts. Toss one coin for each image and head, "
                                   "with two axes of length 1 behind.")
    expect.equal(bool((fell == 0).any()), True, hint="no head is left.")
    left = (1 - fell).sum(1).unique().tolist()
    expect.only(
        out / x, (0, 1 / 0.7), rtol=1e-6, hint="a surviving head must be x / (1 - p).",
        suspects=[
            (1, "the surviving heads are not scaled. Divide them by 1 - p."),
            (1 / 0.3, "the survivors are divided by p. Divide them by 1 - p."),
            (0.7, "the survivors are multiplied by 1 - p. Divide them by it."),
            *((40 / n, "the scale is H over the number kept. Divide by 1 - p, as everywhere here.")
              for n in left if 0 < n < 40),
        ],
    )

# %% check="head_dropout" points=2
# Each head of each image has a coin of its own, from the generator.
with expect.case("head_dropout(x, p, generator) on ones (60, 4, 2, 3), 24 times for four p"):
    expect.coins(
        lambda p, generator: head_dropout(torch.ones(60, 4, 2, 3), p, generator),
        shared=(2, 3),
        axes=("image", "head", "token", "channel"),
        source=expect.generator,
        none=True,
    )

# %% check="head_dropout" points=1
# In evaluation x comes out as it is.
x = torch.randn(5, 4, 3, 2, generator=expect.generator())
with expect.case("head_dropout(x, p=0.6, training=False)"):
    expect.close(head_dropout(x.clone(), 0.6, training=False), x, rtol=1e-6,
                 hint="in evaluation return x.",
                 suspects=[(x / 0.4, "evaluation scales too. Scale in training only."),
                           (x * 0.4, "evaluation multiplies by 1 - p. Return x.")])

# %% check="head_dropout" points=1
# The dtype stays, a coarse one does not change the rate, and the gradient passes mask and scale.
for dtype in (torch.float32, torch.float64, torch.bfloat16):
    with expect.case(f"head_dropout(x, p=0.5) on ones, {dtype}"):
        expect.tensor(head_dropout(torch.ones(2, 3, 4, 5, dtype=dtype), 0.5), (2, 3, 4, 5), dtype,
                      hint="the result has another dtype. A boolean mask keeps it.")
with expect.case("head_dropout(x, p=0.01, generator) on a million heads, torch.bfloat16"):
    x = torch.ones(1000, 1000, 1, 1, dtype=torch.bfloat16)
    expect.mean(head_dropout(x, 0.01, expect.generator()) == 0, 0.01, of=(0, 1),
                hint="another share falls. Are the coins bfloat16, of 8 bits? Draw in float32.")
with expect.case("head_dropout(x, p=0.5).sum().backward(); x.grad"):
    x = torch.ones(6, 5, 2, 2, dtype=torch.float64, requires_grad=True)
    out = head_dropout(x, 0.5)
    out.sum().backward()
    expect.close(x.grad, out.detach(), hint="the gradient is not the mask with its scale.")

# %% mistakes="head_dropout"
{
    "falls in parts": ("*x.shape[:2], 1, 1,", "x.shape,"),
    "not scaled": (" / (1 - p)", ""),
    "divided by p. Divide": ("/ (1 - p)", "/ p"),
    "multiplied by 1 - p. Divide": ("/ (1 - p)", "* (1 - p)"),
    "over the number kept": ("/ (1 - p)",
                             "* x.shape[1] / (coins >= p).sum(1, keepdim=True).clamp(min=1)"),
    "a surviving head must be": ("/ (1 - p)", "/ (1 - p) ** 2"),
    "p is swapped": (">= p", "< p"),
    "no head is left": (">= p", "> 1"),
    "nothing is dropped": ("(coins >= p)", "(coins >= 0)"),
    "writes into its input": ("return x * (coins >= p) / (1 - p)",
                              "x.data *= (coins >= p) / (1 - p)\n    return 1 * x"),
    "every image has the same mask": ("*x.shape[:2], 1, 1,", "1, x.shape[1], 1, 1,"),
    "every head has the same mask": ("*x.shape[:2], 1, 1,", "len(x), 1, 1, 1,"),
    "an exact number is dropped for each call and image":
        ("coins >= p", "coins.argsort(1) >= round(p * x.shape[1])"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("coins =", "generator = generator or torch.Generator()\n    coins ="),
    "in evaluation return x": ("if not training", "if p == 0"),
    "evaluation scales too": ("return x\n", "return x / (1 - p)\n"),
    "evaluation multiplies by 1 - p": ("return x\n", "return x * (1 - p)\n"),
    "another dtype": ("(coins >= p)", "(coins >= p).float()"),
    "Draw in float32": ("device=x.device", "dtype=x.dtype, device=x.device"),
    "not the mask with its scale": ("return x *", "return x - x.detach() + x.detach() *"),
}

# %% correct="head_dropout"
def head_dropout(x, p, generator=None, training=True):
    B, H, T, D = x.shape
    keep = 1.0 - p if training else 1.0
    mask = torch.empty(B * H).bernoulli_(keep, generator=generator).to(x.dtype)
    return (x.reshape(B * H, -1) * (mask / keep)[:, None]).reshape(B, H, T, D)

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
    check_probability(p)
    ### BEGIN SOLUTION
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
    x = torch.full((1,), 3.0, dtype=torch.float64)
    out = [layer_drop([lambda x: x + 1], x, 0.5) for _ in range(60)]
    for one in out:
        expect.tensor(one, 1, torch.float64, hint="return x as the last layer left it.")
    expect.only(
        torch.cat(out), (3, 4), hint="either the layer runs, or x is handed on.",
        suspects=[
            (0, "a skipped layer gives zeros, which wipes the stream out. Hand on x."),
            (8, "the layer's output is scaled by 1 / (1 - p). Leave it as it is."),
            (5, "what the layer adds is scaled by 1 / (1 - p). Leave it as it is."),
        ],
    )
    expect.varies(out, chance=0.5**59, what="calls that skip the layer and calls that do not",
                  hint="the layer always runs, or never: toss a coin in each call.")

# %% check="layer_drop" points=2
# Each layer has a coin of its own, in each call.
turn = torch.eye(10)
layers = [lambda x, k=k: x + turn[k] for k in range(10)]
with expect.case("layer_drop(layers, x, p=0.3) with 10 layers, 30 times: which of them run?"):
    ran = torch.stack([layer_drop(layers, torch.zeros(10), 0.3) for _ in range(30)])
    expect.equal(bool((ran[:, 1:] > ran[:, :-1]).any() or (ran[:, :1] == ran).all()), True,
                 hint="after the first skipped layer none runs. Skip one, and go on.")
with expect.case("layer_drop(layers, x, p, generator) with 10 layers, 440 times for two p"):
    expect.coins(
        lambda p, generator: layer_drop(layers, torch.zeros(10), p, generator),
        p=(0.13, 0.77),
        axes=("layer",),
        source=expect.generator,
        calls=440,
    )

# %% check="layer_drop" points=1
# The layers that run do so in order, and those that are skipped are not called.
calls = []
layers = [lambda x, k=k: calls.append(k) or torch.stack([x[0] + 1, 3 * x[1] + k])
          for k in range(8)]
with expect.case("layer_drop(layers, x, p), p = 0 and then 0.5 twenty times: who is called?"):
    for p in (0.0, *20 * [0.5]):
        calls.clear()
        out = layer_drop(layers, torch.zeros(2, dtype=torch.float64), p)
        expect.equal(len(calls), round(float(out[0])),
                     hint="a layer is called, and its output thrown away.")
        value = 0
        for k in sorted(calls) if p else range(8):
            value = 3 * value + k
        expect.close(out[1], float(value), hint="at p = 0 all layers run, and always in order.")

# %% check="layer_drop" points=1
# In evaluation every layer runs, whatever p is.
layers = [lambda x, k=k: x + 2**k for k in range(8)]
for p in (0.6, 1.0):
    with expect.case(f"layer_drop(layers, x, p={p}, training=False)"):
        expect.close(layer_drop(layers, torch.zeros(1), p, training=False),
                     torch.full((1,), 255.0), rtol=1e-5, hint="every layer runs here, unscaled.")

# %% mistakes="layer_drop"
{
    "gives zeros": ("x = layer(x)", "x = layer(x)\n        else:\n            x = 0 * x"),
    "the layer's output is scaled": ("x = layer(x)", "x = layer(x) / (1 - p if training else 1)"),
    "what the layer adds is scaled":
        ("x = layer(x)", "x = x + (layer(x) - x) / (1 - p if training else 1)"),
    "as the last layer left it": ("return x", "return x.float()"),
    "either the layer runs": ("x = layer(x)", "x = x + layer(x)"),
    "always runs, or never": ("for layer in", "generator = generator or torch.Generator()\n"
                                             "    for layer in"),
    "every layer has the same mask":
        ("    for layer in layers:\n        if not training or torch.rand((), generator=generator)",
         "    coin = torch.rand((), generator=generator)\n"
         "    for layer in layers:\n        if not training or coin"),
    "Skip one, and go on": ("x = layer(x)", "x = layer(x)\n        else:\n            break"),
    "p is swapped": (">= p", "< p"),
    "in order": ("in layers", "in reversed(layers)"),
    "an exact number is dropped at each call":
        ("    for layer in layers:\n        if not training or torch.rand((), generator=generator)",
         "    n = len(layers)\n"
         "    coins = torch.randperm(n, generator=generator) / n if n > 1 else torch.rand(1)\n"
         "    for layer, coin in zip(layers, coins):\n"
         "        if not training or coin"),
    "do not come from the given generator": ("generator=generator", ""),
    "thrown away": ("if not training or torch.rand((), generator=generator) >= p:\n            "
                    "x = layer(x)",
                    "runs = not training or torch.rand((), generator=generator) >= p\n        "
                    "x = torch.where(torch.as_tensor(runs), layer(x), x)"),
    "every layer runs here": ("not training or ", ""),
}

# %% correct="layer_drop"
def layer_drop(layers, x, p, generator=None, training=True):
    keep = torch.full((len(layers),), 1.0 - p if training else 1.0)
    runs = keep.bernoulli(generator=generator).tolist()
    for layer in [layer for layer, run in zip(layers, runs, strict=True) if run]:
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
    The modules qkv, out, mlp, norm_1 and norm_2 keep their names: others load their weights.
    """

    def __init__(self, dim, heads, p_attention, p_residual):
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim = {dim} is no multiple of heads = {heads}")
        check_probability(p_attention, "p_attention")
        check_probability(p_residual, "p_residual")
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
# The heads' outputs go back the same way: transpose, then reshape to (B, T, dim).

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
names = {"self_attn.in_proj_": "qkv.", "self_attn.out_proj.": "out.", "linear1.": "mlp.0.",
         "linear2.": "mlp.2.", "norm1.": "norm_1.", "norm2.": "norm_2."}
with expect.case("block.state_dict() of block = Block(12, 3, 0.4, 0.4)",
                 crash=[("KeyError", "keep the modules that __init__ makes, under their names.")]):
    state = block.state_dict()
    own = {a + w: state[b + w] for a, b in names.items() for w in ("weight", "bias")}
theirs.load_state_dict(own)
x = torch.randn(4, 5, 12, generator=expect.generator())


def thought(z, norm=theirs.norm2):
    return theirs.linear2(F.gelu(theirs.linear1(norm(z))))


def attended(h, heads=3, cut=False, swapped=True):
    """What attention adds, from its input, with as many heads, put together well or badly."""
    thirds = F.linear(h, theirs.self_attn.in_proj_weight, theirs.self_attn.in_proj_bias)
    parts = thirds.chunk(3, -1)
    if cut:
        q, k, v = (z.reshape(4, heads, 5, -1) for z in parts)
    else:
        q, k, v = (z.reshape(4, 5, heads, -1).transpose(1, 2) for z in parts)
    mixed = F.scaled_dot_product_attention(q, k, v)
    return theirs.self_attn.out_proj((mixed.transpose(1, 2) if swapped else mixed).reshape(h.shape))


with expect.case("block.eval(); block(x)"):
    block.eval()
    out = block(x.clone())
    expect.tensor(out, (4, 5, 12), hint="return a tensor of x's shape.")
    expect.close(block(x.clone()), out, rtol=1e-5, atol=1e-6,
                 hint="in evaluation two calls differ: dropout is on. Hand self.training on.")
    h = theirs.norm1(x)
    added, bare, single = attended(h), attended(x), attended(h, heads=1)
    cut, piecewise, unswapped = (attended(h, cut=c, swapped=s)
                                 for c, s in ((True, False), (True, True), (False, False)))
    pieces = ("a reshape to (B, heads, T, D) cuts tokens into pieces: reshape to (B, T, heads, D), "
              "then transpose.")
    expect.close(
        out, theirs(x), rtol=1e-4, atol=1e-5,
        hint="x + attention(norm_1(x)), and to that its mlp(norm_2(·)). Which q, k, v has a head?",
        suspects=[
            (thought(added), "the stream is lost: add each branch to x."),
            (added + thought(added), "the attention is not added to x."),
            (thought(x + added), "the MLP's output is not added to the stream."),
            (x + added + thought(x), "the MLP reads the stream as it was before the attention."),
            (x + bare + thought(x + bare), "the attention reads x without norm_1."),
            (x + added + thought(x + added, norm=nn.Identity()),
             "the MLP reads the stream without norm_2."),
            (x + single + thought(x + single), "the heads are not split: that is one large head."),
            (x + cut + thought(x + cut), pieces),
            (x + piecewise + thought(x + piecewise), pieces),
            (x + unswapped + thought(x + unswapped),
             "the heads' outputs do not stand side by side: transpose before you reshape them."),
        ],
    )

# %% check="Block" points=1
# p_residual drops what a branch adds, entry by entry, and scales the rest.
def with_one_branch(silent, p):
    """A block in training whose other branch adds nothing."""
    block = Block(16, 2, 0.0, p).double()
    state = block.state_dict()
    block.load_state_dict(state | {f"{silent}.{w}": 0 * state[f"{silent}.{w}"]
                                   for w in ("weight", "bias")})
    return block


x = torch.randn(20, 6, 16, generator=expect.generator(), dtype=torch.float64)
for branch, silent in (("attention", "mlp.2"), ("MLP", "out")):
    with expect.case(f"Block(16, 2, 0.0, 0.3), in which only the {branch} adds something",
                     crash=[("KeyError", "keep the modules that __init__ makes, under their "
                                         "names.")]):
        block = with_one_branch(silent, 0.3)
        block.eval()
        added = block(x) - x
        block.train()
        out = block(x)
        expect.equal(int((out == 0).sum()), 0,
                     hint="the sum is dropped, not the branch: the stream itself is torn.")
        ratio = ((out - x) / added).round(decimals=4)
        falls, few = (ratio == 0).any(), len(ratio.unique()) < 4
        expect.only(
            ratio, (0, 1 / 0.7), rtol=1e-3,
            hint="what a branch adds either falls, entry by entry, or is divided by 1 - p.",
            suspects=[] if not few else [
                (1, "what survives is not scaled. Divide it by 1 - p." if falls
                    else f"nothing falls in the branch of the {branch}."),
                (1 / 0.3, "what survives is divided by p. Divide it by 1 - p.")],
        )

# %% check="Block" points=1
# Every entry of both branches has a coin of its own, which falls with probability p_residual.
def added_by_branches(p):
    """What falls in each branch: the attention's adds 1 everywhere, the MLP's 2."""
    block = Block(16, 2, 0.0, p)
    ends = {"out": 1.0, "mlp.2": 2.0}
    state = block.state_dict()
    block.load_state_dict(state | {f"{name}.weight": 0 * state[f"{name}.weight"] for name in ends}
                          | {f"{name}.bias": torch.full((16,), value)
                             for name, value in ends.items()})
    both = block(torch.zeros(8, 8, 16)).detach()
    both = (3 * both / both.max().clamp(min=1e-9)).round()  # whatever the scale
    return torch.stack([both % 2, both // 2]).flatten(1, 2)


with expect.case("Block(16, 2, 0.0, p_residual) whose branches add 1 and 2, 24 times for four p",
                 crash=[("KeyError", "keep the modules that __init__ makes, under their names.")]):
    expect.coins(
        lambda p, _: added_by_branches(p),
        axes=("branch", "token", "channel"),
        source=lambda: None,
    )

# %% check="Block" points=1
# p_attention drops attention weights, each with a coin of its own.
def weights_of(p):
    """Attention weights times 8: tokens alike as queries and keys, and different as values."""
    block = Block(16, 2, p, 0.0).double()
    state = {name: 0 * value for name, value in block.state_dict().items()}
    ones = torch.ones(16, dtype=torch.float64)  # norm_1 is to leave e_j as it is
    state |= {"norm_1.weight": (15 / 256 + 1e-5) ** 0.5 * ones, "norm_1.bias": ones / 16}
    state["qkv.weight"][32:] = torch.eye(16)[:8].repeat(2, 1)
    state["out.weight"] = torch.eye(16)
    block.load_state_dict(state)
    x = torch.eye(16).double()[:8].expand(16, 8, 16)
    heard = (block(x.clone()) - x).detach()
    return (8 * heard * (heard.abs() > 1e-3)).reshape(-1, 16)


with expect.case("Block(16, 2, 0.5, 0.0)(x) twice, in training mode",
                 crash=[("KeyError", "keep the modules that __init__ makes, under their names.")]):
    expect.varies([weights_of(0.5), weights_of(0.5)], chance=0.5**384, what="different masks",
                  hint="attention weights never fall in training. Is p_attention handed on?")
with expect.case("Block(16, 2, p_attention, 0.0): its attention weights, 24 times for four p"):
    expect.coins(
        lambda p, _: weights_of(p),
        axes=("token that reads", "weight"),
        scale=lambda p: 1 / (1 - p),
        source=lambda: None,
    )

# %% mistakes="Block"
{
    "Hand self.training on": (", training=self.training", ""),
    "dropout is on": ("F.dropout(branch, self.p_residual, self.training)",
                      "F.dropout(branch, self.p_residual)"),
    "the stream is lost":
        ("x = x + F.dropout(branch, self.p_residual, self.training)\n        return x + F",
         "x = F.dropout(branch, self.p_residual, self.training)\n        return F"),
    "attention is not added to x": ("x = x + F", "x = F"),
    "MLP's output is not added": ("return x + F", "return F"),
    "the MLP reads the stream as it was":
        ("x = x + F.dropout(branch, self.p_residual, self.training)\n        return x + F",
         "return x + F.dropout(branch, self.p_residual, self.training) + F"),
    "without norm_1": ("self.norm_1(x)", "x"),
    "without norm_2": ("self.norm_2(x)", "x"),
    "heads are not split": ("3, self.heads, -1", "3, 1, -1"),
    "cuts tokens into pieces":
        (".reshape(B, T, 3, self.heads, -1)\n        q, k, v = qkv.permute(2, 0, 3, 1, 4)",
         "\n        q, k, v = (z.reshape(B, self.heads, T, -1) for z in qkv.chunk(3, -1))"),
    "do not stand side by side": ("mixed.transpose(1, 2)", "mixed"),
    "Which q, k, v has a head": ("T, 3, self.heads, -1)", "T, self.heads, 3, -1).transpose(2, 3)"),
    "the sum is dropped": ("x + F.dropout(branch, self.p_residual, self.training)",
                           "F.dropout(x + branch, self.p_residual, self.training)"),
    "nothing falls in the branch of the MLP":
        ("F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)",
         "self.mlp(self.norm_2(x))"),
    "nothing falls in the branch of the attention":
        ("F.dropout(branch, self.p_residual, self.training)", "branch"),
    "what survives is not scaled": ("F.dropout(branch, self.p_residual, self.training)",
        "branch * (torch.rand_like(branch) >= self.p_residual * self.training)"),
    "either falls, entry by entry": ("self.norm_1(x)",
        "F.dropout(self.norm_1(x), self.p_residual, self.training)"),
    "what survives is divided by p": ("F.dropout(branch, self.p_residual, self.training)",
        "(F.dropout(branch, 1 - self.p_residual) if self.training else branch)"),
    "the one half the array away share a coin":
        ("F.dropout(branch, self.p_residual, self.training)",
         "branch * F.dropout(torch.ones_like(branch[:1]), self.p_residual, self.training)"),
    "every branch has the same mask":
        ("x = x + F.dropout(branch, self.p_residual, self.training)\n"
         "        return x + F.dropout(self.mlp(self.norm_2(x)), self.p_residual, self.training)",
         "mask = F.dropout(torch.ones_like(x), self.p_residual, self.training)\n"
         "        x = x + mask * branch\n        return x + mask * self.mlp(self.norm_2(x))"),
    "Is p_attention handed on": ("self.p_attention, ", ""),
    "token that reads and the next share a coin":
        ("mixed = attention(q, k, v, self.p_attention, training=self.training)",
         "mixed = attention(q, k, F.dropout(v, self.p_attention, self.training))"),
    "keep the modules": ("nn.Sequential(", "nn.Sequential(nn.Dropout(p_residual), "),
}

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

# %% guess=true
my_guess = "attention"  # or "embedding", "heads", "residual", "layers"

# %% figure=true
# Test loss and error rate with dropout in each of five places, in none and in all.
guess = expect.guess(my_guess)
p, seeds = 0.2, range(5)
settings = {"none": {}} | {place: {place: p} for place in readers.PLACES}
settings["all five at p / 2"] = dict.fromkeys(readers.PLACES, p / 2)
networks = readers.train(list(settings.values()), seeds, attention=attention,
                         head_dropout=head_dropout, rows=400)
test, errors = networks.loss(X_test, y_test), networks.error(X_test, y_test)
saved = {name: plot.difference(test[0], runs) for name, runs in zip(settings, test, strict=True)}

fig, axes = plot.figure(2, height=2.9)
colors = [plot.GREY, *(plot.ORANGE if place == guess else plot.BLUE
                       for place in readers.PLACES), plot.GREEN]
for ax, runs, unit in zip(axes, (test, errors), ("test loss, nats", "test error rate, %"),
                          strict=True):
    plot.bars(runs.mean(1), list(settings), ax, spread=plot.standard_error(runs, 1), colors=colors)
    ax.axvline(runs[0].mean(), color=plot.GREY, linestyle="--")
    ax.set_xlabel(f"{unit} ({len(seeds)} runs ± s.e.)")
axes[0].set_title(f"Saved by {guess}, your guess:\n{saved[guess]:.3f} nats" if guess in saved
                  else "Your guess is none of the five places")
axes[1].set_yticklabels([])
axes[1].set_title(f"Dropout at p = {p};\nyour guess is orange")
plot.show(fig, "Test loss with dropout in each place, in none and in all: " + ", ".join(
    f"{name} {runs.mean():.3f}" for name, runs in zip(settings, test, strict=True)) + " nats.")
print("loss saved against none, in nats, paired by seed:")
for name in list(settings)[1:]:
    print(f"  {name:18} {saved[name]:.3f}")

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
# **Guess**: by how many points does the error rate rise when a network without dropout loses one of
# its three layers?

# %% guess=true
my_guess = 50  # points of error more without one of three layers, trained without dropout

# %% figure=true
# What the loss of one layer, or of one head, costs networks that learned with each kind of dropout.
guess = expect.guess(my_guess)
cuts = {
    "a layer": ("layers", [{"without_layer": k} for k in range(readers.LAYERS)]),
    "a head": ("heads", [{"without_head": (k, h)} for k in range(readers.LAYERS)
                         for h in range(readers.HEADS)]),
}
fig, axes = plot.figure(2, height=2.9)
costs, named = {}, list(settings)
for ax, (what, (place, ways)) in zip(axes, cuts.items(), strict=True):
    harm = sum(networks.error(X_test, y_test, **way) for way in ways) / len(ways) - errors
    costs[what] = harm
    plot.bars(harm.mean(1), named, ax, spread=plot.standard_error(harm, 1),
              colors=[plot.GREEN if name == place else plot.BLUE for name in named])
    spared = plot.difference(harm[0], harm[named.index(place)])
    ax.set(title=f"Without {what}:\ndropping {place} spares {spared:.1f}",
           xlabel="points of test error more (5 runs ± s.e.)")
axes[0].plot(guess, 0, "x", color=plot.INK, clip_on=False)
axes[0].set_xlim(0, max(axes[0].get_xlim()[1], 1.1 * guess))
axes[1].set_yticklabels([])
plot.show(fig, "Points of error that a lost layer costs, and a lost head: " + "; ".join(
    f"{name} {layer.mean():.1f} and {head.mean():.1f}"
    for name, layer, head in zip(named, *costs.values(), strict=True)) + ".")
print(f"without a layer, trained without dropout: {plot.difference(costs['a layer'][0]):.1f} points"
      f"; your guess, the cross: {guess}")

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
       title="Your loss as the second pass moves")
ax.legend()
plot.show(fig, "Your R-Drop loss as the second pass moves, for three weights of the KL part.")

# %% check="r_drop_loss" points=1
# Without the KL part: two cross-entropies, added, each a mean over the batch.
second_argument = "F.kl_div wants probabilities as its second argument, or log_target=True."
a, b = 2 * torch.randn(2, 7, 5, generator=expect.generator(), dtype=torch.float64)
labels = torch.randint(5, (7,), generator=expect.generator())
one, other = F.cross_entropy(a, labels), F.cross_entropy(b, labels)
apart = ((a.softmax(-1) - b.softmax(-1)) * (a.log_softmax(-1) - b.log_softmax(-1))).sum(-1).mean()
with expect.case("r_drop_loss(logits_1, logits_2, y, alpha=0.0)"):
    out = r_drop_loss(a, b, labels, 0.0)
    expect.tensor(out, (), hint="return a scalar: the mean over the batch.")
    expect.close(out, one + other, rtol=1e-6,
                 hint="without the KL part: the two cross-entropies, added.",
                 suspects=[((one + other) / 2, "the two cross-entropies are averaged. Add them."),
                           (one, "only the first pass is compared with y."),
                           (7 * (one + other), "the loss is a sum over the batch, not a mean."),
                           *((one + other + c * apart, "alpha has no effect on the KL part.")
                             for c in (0.5, 1)),
                           (torch.tensor(float("nan")), second_argument)])

# %% check="r_drop_loss" points=2
# The KL part: alpha / 2 times both divergences, averaged over the batch.
a, b = 2 * torch.randn(2, 7, 5, generator=expect.generator(), dtype=torch.float64)
labels = torch.randint(5, (7,), generator=expect.generator())
P, Q = a.softmax(-1), b.softmax(-1)
forth, back = (P * (P / Q).log()).sum(-1).mean(), (Q * (Q / P).log()).sum(-1).mean()
right = (forth + back) / 2
no_logs = F.kl_div(P, Q, reduction="batchmean") + F.kl_div(Q, P, reduction="batchmean")
for alpha in (1.0, 3.0):
    with expect.case(f"r_drop_loss(logits_1, logits_2, y, alpha={alpha}), without its alpha = 0"):
        expect.close(
            r_drop_loss(a, b, labels, alpha) - r_drop_loss(a, b, labels, 0.0), alpha * right,
            rtol=1e-6, hint="the KL part is alpha / 2 times the sum of both divergences.",
            suspects=[
                *((alpha * forth * c, "only KL(P1 ‖ P2) is there: add the other direction, halve.")
                  for c in (1, 0.5)),
                *((alpha * back * c, "only KL(P2 ‖ P1) is there: add the other direction, halve.")
                  for c in (1, 0.5)),
                (2 * alpha * right, "the factor 1/2 of the KL part is missing."),
                (alpha * right / 5, "the KL part is averaged over classes. Sum over classes, "
                                    "average over the batch."),
                (alpha * right * 7, "the KL part is summed over the batch."),
                (-alpha * right, "the KL part has the wrong sign."),
                (0 * right, "the KL part is missing."),
                (alpha / 2 * no_logs, "F.kl_div wants logarithms as its first argument."),
            ],
        )

# %% check="r_drop_loss" points=1
# Stable for large logits.
labels = torch.tensor([0, 1])
for size in (200.0, 10_000.0):
    a = torch.tensor([[size, 0.0, -size], [0.0, size, 0.0]])
    b = torch.tensor([[0.0, size, -size], [0.0, size, 0.0]])
    with expect.case(f"r_drop_loss(logits_1, logits_2, y, 1.0) with logits up to {size:.0f}"):
        out = r_drop_loss(a, b, labels, 1.0)
        expect.equal(bool(torch.isfinite(out).all()), True,
                     hint="a probability underflowed to 0. Take log_softmax.")
        expect.close(out, torch.tensor(size), rtol=1e-5,
                     hint="for large logits the value is off. Is a small number added inside a "
                          "logarithm, or something clipped? log_softmax needs neither.")

# %% check="r_drop_loss" points=1
# Gradients flow into both passes.
a, b = torch.randn(2, 6, 4, generator=expect.generator(), dtype=torch.float64)
labels = torch.randint(4, (6,), generator=expect.generator())
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
        expect.close(z.grad, g, rtol=1e-6, atol=1e-9,
                     hint="the gradient is not the loss's. Is a probability detached? Gradients "
                          "flow through both factors.")

# %% mistakes="r_drop_loss"
{
    "averaged. Add them": ("return both +", "return both / 2 +"),
    "only the first pass": (" + F.nll_loss(log_2, y)", ""),
    "a sum over the batch, not a mean": ("return both +", "return len(y) * both +"),
    "the two cross-entropies, added": ("nll_loss(log_2, y)", "nll_loss(log_2.exp(), y)"),
    "return a scalar": (".sum(-1).mean()", ".sum(-1)"),
    "probabilities as its second argument":
        ("(log_1.exp() - log_2.exp()) * (log_1 - log_2)",
         'F.kl_div(log_1, log_2, reduction="none") + F.kl_div(log_2, log_1, reduction="none")'),
    "only KL(P1 ‖ P2)": ("(log_1.exp() - log_2.exp())", "log_1.exp()"),
    "only KL(P2 ‖ P1)": ("(log_1.exp() - log_2.exp())", "-2 * log_2.exp()"),
    "factor 1/2": ("alpha / 2", "alpha"),
    "averaged over classes": (".sum(-1).mean()", ".mean()"),
    "KL part is summed over the batch": (".sum(-1).mean()", ".sum()"),
    "wrong sign": ("both + alpha", "both - alpha"),
    "alpha has no effect": ("alpha / 2 * ", "1 / 2 * "),
    "the KL part is missing": (" + alpha / 2 * divergence.sum(-1).mean()", ""),
    "alpha / 2 times the sum": ("log_1 - log_2)", "logits_1 - logits_2) ** 2"),
    "logarithms as its first argument":
        ("(log_1.exp() - log_2.exp()) * (log_1 - log_2)",
         'F.kl_div(log_1.exp(), log_2.exp(), reduction="none") + '
         'F.kl_div(log_2.exp(), log_1.exp(), reduction="none")'),
    "Take log_softmax": ("logits_2.log_softmax(-1)", "logits_2.softmax(-1).log()"),
    "added inside a logarithm":
        ("logits_2.log_softmax(-1)", "(logits_2.softmax(-1) + 1e-30).log()"),
    "gets no gradient": ("logits_2.log_softmax", "logits_2.detach().log_softmax"),
    "Is a probability detached": ("log_2.exp())", "log_2.exp()).detach()"),
}

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

# %% figure=true
# Test loss and error rate of networks trained with R-Drop, at three weights of its KL part.
alphas = (0.0, 1.0, 5.0)
twice = readers.train([{"residual": 0.2, "alpha": alpha} for alpha in alphas], seeds,
                      r_drop_loss=r_drop_loss, rows=400)
fig, axes = plot.figure(2, height=2.0)
for ax, runs, unit in ((axes[0], twice.loss(X_test, y_test), "test loss, nats"),
                       (axes[1], twice.error(X_test, y_test), "test error rate, %")):
    plot.bars(runs.mean(1), [f"α = {alpha:g}" for alpha in alphas], ax,
              spread=plot.standard_error(runs, 1), colors=[plot.GREY, plot.BLUE, plot.GREEN])
    ax.set(xlabel=f"{unit} (5 runs ± s.e.)",
           title=f"α = 5 against α = 0: {plot.difference(runs[2], runs[0]):.2f}")
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
# might notice it first, and which test of two lines would have found it. (In a class, your
# instructor grades this.)

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
