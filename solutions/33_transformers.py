# %% [markdown]
# # 3.3 · Transformers
#
# **Dropout can sit in many places of a transformer. What does each drop, and does it help?**
#
# *{{minutes}} minutes. Before: {{pytorch}} and {{images}}. After, you will be able to write
# attention whose dropout ends with training, to drop heads and whole layers, to build a block with
# dropout in four places, and to say what each place did for a small transformer.*
#
# | symbol | meaning |
# | --- | --- |
# | $B, H, T, D$ | images in a batch, heads, tokens, channels of one head |
# | $q, k, v$ | queries, keys, values, each $(B, H, T, D)$ |
# | $A$ | attention weights $(B, H, T, T)$; row $i$ says whom token $i$ reads, and sums to 1 |
# | $p$ | probability that an entry, a head or a layer is **dropped** |

# %% setup=true
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import check_probability, expect, explore, plot, readers, studies
from dropoutlab.studies import transformers as study

torch.set_num_threads(1)  # products this small wait for each other's threads

# %% [markdown]
# ## Six places
#
# A *transformer* reads a sequence of tokens. In each *block* every token looks at all the others
# (attention), and then thinks for itself (a small network, the MLP). Both are *branches*: what they
# compute is added to a stream through all blocks. Ours read printed numerals cut into 16 patches; a
# patch is a token.
#
# PyTorch does the attention in one fast call, and offers dropout with it:
# `F.scaled_dot_product_attention(q, k, v, dropout_p=0.2)`. Below, three networks were trained with
# that call. Each is put into evaluation mode and shown every test image *twice*.
# **Guess: how many images in a hundred get two different answers?**

# %% guess=true
my_guess = 0  # images in a hundred with two different answers

# %% figure=true
# The places where dropout can sit; and images with two answers: takes some 20 seconds.
from dropoutlab import own as reference

guess = expect.guess(my_guess)
X_test, y_test = readers.numerals(3000, 3)


class Forgetful(reference.Block):
    """The study's block, but it hands on its rate whatever the mode."""

    def look(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v, dropout_p=0.2).transpose(1, 2).flatten(2)


@torch.no_grad()
def answers(net, block):
    """The classes that a network of such blocks gives in evaluation mode."""
    copy = readers.Reader(block, {}).eval()
    copy.load_state_dict(net.state_dict())
    return copy(X_test).argmax(-1)


trained = [study.trained({"attention": 0.2, "rate": 0.003}, seed) for seed in range(3)]
twice = [(answers(net, Forgetful), answers(net, Forgetful)) for net in trained]
differ = np.array([100 * float((a != b).float().mean()) for a, b in twice])
left_on = [100 * float((a != y_test).float().mean()) for a, _ in twice]
off = [100 * float((answers(net, reference.Block) != y_test).float().mean()) for net in trained]
costs = plot.difference(left_on, off)

fig, (left, middle, right) = plot.figure(3, width=10, height=3)
readers.scheme(left, "")
left.set_title("A block, and where\ndropout can sit", fontsize=10)
plot.bars([guess, differ.mean()], ["your\nguess", "measured"], middle,
          spread=[0, plot.standard_error(differ)], colors=[plot.GREY, plot.ORANGE])
middle.set(xlabel="images in 100 with two answers")
middle.set_title(f"{differ.mean():.1f} ± {plot.standard_error(differ):.1f} in 100\n"
                 "get two answers", fontsize=10)
plot.bars([np.mean(left_on), np.mean(off)], ["left on", "off"], right,
          spread=[plot.standard_error(e) for e in (left_on, off)],
          colors=[plot.ORANGE, plot.BLUE])
right.set(xlabel="test error, % (3 networks ± s.e.)")
right.set_title(f"Left on, it costs\n{costs:.1f} points", fontsize=10)
plot.show(fig, f"Of 100 images {differ.mean():.1f} get two answers, you guessed {guess}; the error "
               f"is {np.mean(left_on):.1f} % with the dropout left on and {np.mean(off):.1f} % "
               "without.",
          claims={"left-on-it-contradicts-itself": differ.min() > 2,
                  "the-error-hides-it": costs.mean < differ.mean() / 2})

# %% [markdown]
# A function has no mode. `eval()` sets a flag on *modules* ({{pytorch}}), and
# `F.scaled_dot_product_attention` is not one: it drops whenever `dropout_p` is above 0. The
# documentation says so, and asks for `dropout_p=(self.p if self.training else 0.0)`. Whoever
# forgets it gets a model that contradicts itself,{{claim:left-on-it-contradicts-itself}} while the
# error rate rises much less. {{claim:the-error-hides-it}}
#
# ### One question from {{pytorch}}
#
# `nn.MultiheadAttention(dim, heads, dropout=0.2)` calls the same function (where it need not return
# the weights). Does it have this problem too?
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
# as $e^0 = 1$. Nor are the rows normalised again afterwards. The *weights* are dropped and the
# survivors scaled by $1/(1-p)$, as in any inverted dropout; a row's sum is right on average only.
#
# $$ \text{output} = \frac{m \odot A}{1-p}\; v, \qquad m \sim \text{Bernoulli}(1-p)
#    \text{ for each entry of } A. $$

# %% exercise="attention"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    """softmax(q kᵀ / √D) v, the weights dropped with probability `p`, survivors / (1 - p).

    q, k, v : (B, H, T, D), left as they are; returns a tensor of that shape and dtype
    p : probability of dropping a weight, below 1
    generator : torch.Generator, or None for torch's own
    causal : token i reads the tokens 0 … i only: `later` is true where it must not
    In evaluation equal to F.scaled_dot_product_attention(q, k, v). Vaswani et al. 2017, eq. 1.
    """
    check_probability(p)
    later = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device).triu(1) & causal
    ### BEGIN SOLUTION
    A = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(later, -torch.inf).softmax(-1)
    if training:
        coins = torch.rand(A.shape, generator=generator, device=q.device)
        A = A * (coins >= p) / (1 - p)
    return A @ v
    ### END SOLUTION

# %% [markdown] hint="attention"
# Four steps in this order: scores, the causal mask, softmax, dropout. Then one product with `v`.

# %% [markdown] hint="attention"
# `k.mT` swaps the last two axes. The worked example sets the scores of later tokens. Softmax runs
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
    with expect.case(f"attention(q, k, v, p={p}, generator, training=False)"):
        out = attention(q, k, v, p, expect.generator(), training=False)
        for now, was in zip((q, k, v), before, strict=True):
            expect.unchanged(now, was)
        expect.tensor(out, (2, 3, 5, 4), torch.float64,
                      hint="return a tensor of q's shape and dtype.")
        expect.equal(attention(q, k, v, p, training=False), out,
                     hint="two calls differ. Dropout must end with training.")
        expect.close(
            out, right, rtol=1e-6, atol=1e-9,
            hint="nothing may be dropped here: the output is softmax(q kᵀ / √D) v.",
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
with expect.case("attention(1000 q, k, v, training=False)"):
    out = attention(1000 * q, k.clone(), v.clone(), training=False)
    expect.equal(bool(out.isfinite().all()), True,
                 hint="a large score overflows in exp. Take softmax, or subtract the largest.")
    expect.close(out, F.scaled_dot_product_attention(1000 * q, k, v), rtol=1e-6, atol=1e-9,
                 hint="for large scores the value is off. Is something clipped?")

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
                 "after the softmax.")
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
    gone = ratio == 0
    whole = bool((gone == gone[:, :, :1]).all())  # the same for every token that reads
    expect.close(out[..., 30], weights.sum(-1), rtol=1e-6, atol=1e-9,
                 hint="entries of v are dropped, for all tokens that read them. Drop the weights."
                 if whole else "a token's outputs are dropped one by one. Drop the weights, "
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
    later = out.triu(1).nan_to_num()
    expect.equal(later, torch.zeros_like(out), hint="in training a token reads later ones.")
    expect.only((out / plain)[plain > 0], (0, 1 / 0.6), rtol=1e-6,
                hint="in training too, a weight is 0 or that of the causal softmax over 1 - p.")

# %% check="attention" points=1
# The dtype stays, and the gradient passes the mask and the scale.
coarse = "the weights get another dtype than v has. A boolean mask keeps theirs."
for dtype in (torch.float32, torch.float64, torch.bfloat16):
    with expect.case(f"attention(q, k, v, p=0.5), {dtype}", crash=[("dtype|scalar type", coarse)]):
        q = torch.randn(2, 2, 3, 4, generator=expect.generator(), dtype=dtype)
        expect.tensor(attention(q, q, q, 0.5), (2, 2, 3, 4), dtype,
                      hint="the result has another dtype.")
lost = "q or k does not get the gradient of the dropped weights. Is something detached?"
with expect.case("attention(q, k, v, p=0.5).square().sum().backward(), v the identity",
                 crash=[("does not require grad", lost)]):
    q, k = torch.randn(2, 2, 2, 4, 4, generator=expect.generator(), dtype=torch.float64)
    ours, theirs = ([z.clone().requires_grad_() for z in (q, k)] for _ in range(2))
    v = (torch.eye(4).double() + 0 * q).requires_grad_()
    out = attention(*ours, v, 0.5)
    out.square().sum().backward()
    weights = (theirs[0] @ theirs[1].mT / 2).softmax(-1) * (out.detach() != 0) * 2
    weights.square().sum().backward()
    for mine, right in zip(ours, theirs, strict=True):
        expect.equal("none" if mine.grad is None else "there", "there", hint=lost)
        expect.close(mine.grad, right.grad, rtol=1e-6, atol=1e-9, hint=lost)
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
    "two calls differ": ("if training", "if training or generator is not None"),
    "q's shape and dtype": ("A = (q @ k.mT", "q, k, v = q.float(), k.float(), v.float()\n"
                            "    A = (q @ k.mT"),
    "evaluation scales too": (" / (1 - p)\n    return A @ v", "\n    return A @ v / (1 - p)"),
    "evaluation multiplies by 1 - p": ("return A @ v", "return A @ v * (1 if training else 1 - p)"),
    "writes into its input": ("q @ k.mT / q.shape[-1] ** 0.5",
                              "q.data.div_(q.shape[-1] ** 0.5) @ k.mT"),
    "`causal` does nothing": (".masked_fill(later, -torch.inf)", ""),
    "zeroed after softmax": (".masked_fill(later, -torch.inf).softmax(-1)",
                             ".softmax(-1).masked_fill(later, 0)"),
    "upside down": ("later, -torch.inf", "later.mT, -torch.inf"),
    "the scores of later tokens are 0": ("-torch.inf", "0"),
    "must read the tokens 0 … i": ("later, -torch.inf", "later.triu(2), -torch.inf"),
    "in training a token reads later ones":
        ("A = A * (", "A = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * ("),
    "that of the causal softmax": ("A = A * (coins >= p)",
        "A = A * (coins >= p) * (1 + causal * coins)"),
    "nothing is dropped": ("A = A * (coins >= p) / (1 - p)", "A * (coins >= p) / (1 - p)"),
    "A score of 0 is not a weight of 0": ("A * (coins >= p) / (1 - p)",
        "((q @ k.mT / q.shape[-1] ** 0.5) * (coins >= p) / (1 - p)).softmax(-1)"),
    "p is swapped": (">= p", "< p"),
    "no weight is left": (">= p", "> 1"),
    "not scaled": (" / (1 - p)", ""),
    "divided by p. Divide": ("/ (1 - p)", "/ p"),
    "multiplied by 1 - p. Divide": ("/ (1 - p)", "* (1 - p)"),
    "a surviving weight must be": ("/ (1 - p)", "/ (1 - p) ** 2"),
    "do not normalise again": ("A * (coins >= p) / (1 - p)",
                         "F.normalize(A * (coins >= p), p=1, dim=-1)"),
    "Drop the weights, before": ("A = A * (coins >= p) / (1 - p)", "return F.dropout(A @ v, p)"),
    "entries of v are dropped": (
        "A = A * (coins >= p)", "v = v * (torch.rand(v.shape, generator=generator) >= p)"),
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
    "than v has. A boolean mask": ("coins >= p)", "coins >= p).float()"),
    "overflows in exp": ("softmax(-1)", "exp()\n    A = A / A.sum(-1, keepdim=True)"),
    "Is something clipped": ("-torch.inf).softmax", "-torch.inf).clamp(max=80).softmax"),
    "Is something detached": (").masked_fill", ").detach().masked_fill"),
    "q or k does not get": ("k.mT", "k.detach().mT"),
    "v's gradient":
        ("A @ v", "A @ v.detach() + F.dropout(A.detach(), p, training) @ (v - v.detach())"),
}

# %% correct="attention"
def attention(q, k, v, p=0.0, generator=None, training=True, causal=False):
    A = torch.einsum("bhid,bhjd->bhij", q, k) * q.size(3) ** -0.5
    if causal:
        place = torch.arange(q.size(2))
        A = torch.where(place[:, None] >= place, A, torch.tensor(-1e30, dtype=A.dtype))
    A = (A - A.amax(-1, keepdim=True)).exp()
    A = A / A.sum(-1, keepdim=True)
    if training:
        A = A * torch.empty_like(A).bernoulli_(1 - p, generator=generator) / (1 - p)
    return torch.einsum("bhij,bhjd->bhid", A, v)

# %% [markdown]
# ## Whole heads
#
# Where a single weight is dropped, the head still reads the other tokens. Zhou et al. (2020) drop
# *whole heads*, so that a few cannot dominate. Here each head of each image has its own coin.
# They do not scale by $1/(1-p)$. With $k_b$ for the number of heads that image $b$ keeps,
#
# $$ y_{bh} = \frac{H}{k_b}\, m_{bh}\, x_{bh}, \qquad k_b = \sum_h m_{bh}. $$
#
# So a survivor's scale depends on the fate of the others: a lone survivor of four counts four
# times. Now and then an image keeps none, and $H/k_b$ is $4/0$. At $p=0.2$ and $H=4$ that is one
# image in 625, in each block: the loss would soon be `nan`.
#
# ## Exercise: `head_dropout`

# %% exercise="head_dropout"
def head_dropout(x, p, generator=None, training=True):
    """Zero each head of each image with probability `p`; scale the others by H / (heads kept).

    x : (B, H, T, D), left as it is; generator, training : as in `attention`; p may be 1
    The heads kept are counted image by image. An image that keeps none gives zeros.
    Returns a tensor of x's shape and dtype; x in evaluation. Zhou et al. 2020.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        return x
    keep = torch.rand(*x.shape[:2], 1, 1, generator=generator, device=x.device) >= p
    scale = x.shape[1] / keep.sum(1, keepdim=True).clamp(min=1)
    return x * (keep * scale).to(x.dtype)
    ### END SOLUTION

# %% [markdown] hint="head_dropout"
# How many coins are tossed for a batch of $B$ images with $H$ heads? And how many scales are there?

# %% [markdown] hint="head_dropout"
# A mask of shape $(B, H)$ cannot be multiplied with $(B, H, T, D)$: broadcasting aligns axes from
# the right. Two more axes of length 1, at its end, make it fit.

# %% [markdown] hint="head_dropout"
# `keep.sum(1, keepdim=True)` counts by image. `clamp(min=1)` keeps 0 out of the denominator: where
# nothing is kept, the mask is 0 anyway.

# %%
sent = head_dropout(torch.ones(12, 4, 8, 8), 0.4)
fig, (ax,) = plot.figure(1, width=7, height=2.2)
plot.image(sent.permute(1, 2, 0, 3)[:, 0].reshape(4, -1).numpy(), ax, largest=4)
ax.set_yticks(range(4), range(4))
ax.set_xticks(range(4, 97, 8), [f"{v:.2g}" for v in sent[:, :, 0, 0].max(1).values.tolist()])
ax.set(aspect="auto", ylabel="head", xlabel="12 images, 8 channels each, and the survivors' scale",
       title=f"Your heads at p = 0.4: mean {sent.mean():.2f}")
plot.show(fig, "Which heads of twelve images survive your head dropout, and their scale.")

# %% check="head_dropout" points=2
# A head falls as a whole; the others are multiplied by H over the number that their image keeps.
x = torch.randn(60, 6, 3, 2, generator=expect.generator(), dtype=torch.float64)
before = x.clone()
with expect.case("head_dropout(x, p=0.41, generator) on 60 images of 6 heads"):
    out = head_dropout(x, 0.41, expect.generator())
    expect.tensor(out, (60, 6, 3, 2), hint="return a tensor of x's shape.")
    expect.unchanged(x, before)
    expect.equal(bool(out.isnan().any()), False,
                 hint="where an image keeps no head, that is 0 / 0. Keep 0 out of the denominator.")
    fell = (out == 0).double().mean((2, 3))
    expect.only(fell, (0, 1), hint="a head falls in parts. Toss one coin for each image and head, "
                                   "and add two axes of length 1 at the end.")
    kept = 1 - fell
    expect.equal(bool(kept.any()), True, hint="no head is left.")
    expect.equal(bool(kept.all()), False, hint="nothing is dropped.")
    expect.equal(bool((kept == kept[:, :1]).all()), False,
                 hint="all heads of an image fall together. Toss a coin for each.")
    count = kept.sum(1, keepdim=True).clamp(min=1)
    expect.close(
        (out / x).mean((2, 3)), 6 * kept / count, rtol=1e-5, atol=1e-9,
        hint="a surviving head must be x times H / (heads that its image keeps).",
        suspects=[
            (kept, "the surviving heads are not scaled. Multiply them by H / (heads kept)."),
            (kept / 0.59, "the scale is 1 / (1 - p). Here it is H over the number kept."),
            (kept / 0.41, "the scale is 1 / p. Here it is H over the number kept."),
            (kept / count, "H is missing: that is 1 over the number kept."),
            (count * kept / 6, "the scale is upside down: H goes above, the number kept below."),
            (kept * 360 / kept.sum(), "the heads kept are counted over the whole batch. Count them "
                                      "image by image."),
        ],
    )
x = torch.randn(600, 3, 1, 1, generator=expect.generator(), dtype=torch.float64)
with expect.case("head_dropout(x, p=0.8, generator) on 600 images of 3 heads, of which half keep "
                 "none"):
    coins = expect.generator()  # few images a call: who draws again until all keep one, ends
    out = torch.cat([head_dropout(part.clone(), 0.8, coins) for part in x.split(4)])
    expect.equal(bool(out.isnan().any()), False,
                 hint="where an image keeps no head, that is 0 / 0. Keep 0 out of the denominator.")
    count = (out != 0).sum((1, 2, 3))
    none, one, two, three = (int((count == k).sum()) for k in range(4))
    expect.equal(one > two < three, False,
                 hint="an image that keeps no head comes out as it was. It should give zeros.")
    expect.equal(one > two > 0 == none, False,
                 hint="each image keeps a head. Toss each coin by itself: all heads may fall.")

# %% check="head_dropout" points=2
# Each head of each image has a coin of its own, from the generator.
with expect.case("head_dropout(x, p, generator) on ones (60, 4, 2, 3), 24 times for four p"):
    expect.coins(
        lambda p, generator: torch.nan_to_num(head_dropout(torch.ones(60, 4, 2, 3), p, generator)),
        shared=(2, 3),
        axes=("image", "head", "token", "channel"),
        source=expect.generator,
        none=True,
    )

# %% check="head_dropout" points=1
# An image that keeps no head gives zeros.
with expect.case("head_dropout(x, p=0.5) on ones (60, 4, 1, 1)"):
    expect.some(head_dropout(torch.ones(60, 4, 1, 1), 0.5) > 0, "a head that is kept",
                hint="images that keep a head give zeros too. Mend that first.")
with expect.case("head_dropout(x, p=1.0) on x of shape (3, 4, 2, 2)"):
    x = torch.randn(3, 4, 2, 2, generator=expect.generator())
    expect.close(head_dropout(x, 1.0), 0 * x, hint="where no head is left, nothing is sent.",
                 suspects=[(0 * x + float("nan"), "that is 0 / 0. Keep 0 out of the denominator.")])

# %% check="head_dropout" points=1
# In evaluation x comes out as it is.
with expect.case("head_dropout(x, p=0.6) on ones (60, 4, 1, 1), in training"):
    expect.some(head_dropout(torch.ones(60, 4, 1, 1), 0.6) == 0, "a dropped head",
                hint="nothing is dropped in training either. Mend that first.")
x = torch.randn(5, 4, 3, 2, generator=expect.generator())
with expect.case("head_dropout(x, p=0.6, generator, training=False)"):
    expect.close(head_dropout(x.clone(), 0.6, expect.generator(), training=False), x, rtol=1e-6,
                 hint="in evaluation return x.",
                 suspects=[(x / 0.4, "evaluation scales too. Scale in training only."),
                           (x * 0.4, "evaluation multiplies by 1 - p. Return x.")])

# %% check="head_dropout" points=1
# The dtype stays, a coarse one does not change the rate, and the gradient passes mask and scale.
for dtype in (torch.float32, torch.float64, torch.bfloat16):
    with expect.case(f"head_dropout(x, p=0.5) on ones, {dtype}"):
        expect.tensor(head_dropout(torch.ones(2, 3, 4, 5, dtype=dtype), 0.5), (2, 3, 4, 5), dtype,
                      hint="the result has another dtype. Bring the scale to x's.")
with expect.case("head_dropout(x, p=0.01, generator) on 400 000 heads, torch.bfloat16"):
    x = torch.ones(1000, 400, 1, 1, dtype=torch.bfloat16)
    expect.mean(head_dropout(x, 0.01, expect.generator()) == 0, 0.01, of=(0, 1),
                hint="another share is dropped. If check 2 passes, the coins are bfloat16. "
                     "Draw in float32.")
with expect.case("head_dropout(x, p=0.5).sum().backward(); x.grad, 200 images of 2 heads", crash=[
    ("does not require grad", "the result has no gradient: work with x itself, in torch."),
]):
    x = torch.ones(200, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    out = head_dropout(x, 0.5)
    out.sum().backward()
    expect.equal(bool(x.grad.isnan().any()), False,
                 hint="an image that keeps no head gets nan for a gradient, though it sends zeros. "
                      "Keep 0 out of the denominator, not nan out of the result.")
    expect.close(x.grad, out.detach(), hint="the gradient is not the mask with its scale.")

# %% mistakes="head_dropout"
{
    "falls in parts": ("*x.shape[:2], 1, 1,", "x.shape,"),
    "not scaled": ("(keep * scale)", "keep"),
    "the scale is 1 / (1 - p)": ("(keep * scale)", "(keep / (1 - p) if p < 1 else 0 * keep)"),
    "the scale is 1 / p": ("(keep * scale)", "(keep / p)"),
    "H is missing": ("x.shape[1] /", "1 /"),
    "upside down": ("(keep * scale)", "(keep / scale)"),
    "over the whole batch": ("x.shape[1] / keep.sum(1, keepdim=True)", "keep.numel() / keep.sum()"),
    "a surviving head must be": ("x.shape[1] /", "x.shape[2] /"),
    "p is swapped": (">= p", "< p"),
    "no head is left": (">= p", "> 1"),
    "nothing is dropped": (">= p", ">= 0"),
    "0 / 0": (".clamp(min=1)", ""),
    "comes out as it was": ("    scale =", "    keep = keep | ~keep.any(1, keepdim=True)\n"
                                           "    scale ="),
    "each image keeps a head": ("    scale =", "    first = torch.arange(x.shape[1]) == 0\n"
        "    keep = keep | first[:, None, None] & ~keep.any(1, keepdim=True)\n    scale ="),
    "writes into its input": ("return x * (keep * scale).to(x.dtype)",
                              "x.data *= (keep * scale).to(x.dtype)\n    return 1 * x"),
    "every image has the same mask": ("*x.shape[:2], 1, 1,", "1, x.shape[1], 1, 1,"),
    "fall together": ("*x.shape[:2], 1, 1,", "len(x), 1, 1, 1,"),
    "an exact number is dropped for each call and image":
        (" >= p", ".argsort(1) >= round(p * x.shape[1])"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("keep =", "generator = generator or torch.Generator()\n    keep ="),
    "in evaluation return x": ("if not training", "if p == 0"),
    "evaluation scales too": ("return x\n", "return x / (1 - p)\n"),
    "evaluation multiplies by 1 - p": ("return x\n", "return x * (1 - p)\n"),
    "another dtype": (".to(x.dtype)", ""),
    "Draw in float32": ("device=x.device", "dtype=x.dtype, device=x.device"),
    "not the mask with its scale": ("return x *", "return x - x.detach() + x.detach() *"),
    "the result has no gradient": ("return x *", "return x.detach() *"),
}

# %% mistake="head_dropout" says="not nan out of the result"
def head_dropout(x, p, generator=None, training=True):
    if not training:
        return x
    keep = (torch.rand(*x.shape[:2], 1, 1, generator=generator) >= p).to(x.dtype)
    return torch.nan_to_num(x * keep * x.shape[1] / keep.sum(1, keepdim=True))

# %% correct="head_dropout"
def head_dropout(x, p, generator=None, training=True):
    share = 1.0 - p if training else 1.0
    mask = torch.empty(x.size(0), x.size(1)).bernoulli_(share, generator=generator)
    share = mask.mean(1, keepdim=True)
    mask = torch.where(share > 0, mask / share, 0.0).to(x.dtype)
    return torch.einsum("bhtd,bh->bhtd", x, mask)

# %% [markdown]
# ## A block with four places
#
# Vaswani et al. (2017) drop the output of each *branch* before it is added to the stream (they call
# it residual dropout). PyTorch's `nn.TransformerEncoderLayer` also drops attention weights, and the
# inside of the MLP, between its activation and its second layer. Yours has these and the heads:
#
# $$ x \leftarrow x + \operatorname{drop}(\text{attention}(\text{norm}_1(x))), \qquad
#    x \leftarrow x + \operatorname{drop}(\text{mlp}(\text{norm}_2(x))). $$
#
# ## Exercise: `Block`
#
# "Dropout at the end of the block" is not the same: `drop(x + …)` would tear holes in the stream
# that all later layers read. Drop only what a branch *adds*. Write the rest of `forward`, with
# your two functions, and mind what the opening of this lesson showed.

# %% exercise="Block"
class Block(nn.Module):
    """A transformer block: attention and an MLP, each after a layer norm, added to the stream.

    dim : channels, a multiple of heads; x : (B, T, dim), and so is the output
    p_attention : drop probability of attention weights
    p_residual : of the entries of what a branch adds, before it is added
    p_mlp : of the entries inside the MLP, narrow(gelu(wide(·))), after gelu
    p_heads : of whole heads, after the attention and before `out`
    Others load weights into the modules, so they keep their names.
    """

    def __init__(self, dim, heads, p_attention, p_residual, p_mlp=0.0, p_heads=0.0):
        super().__init__()
        for p in (p_attention, p_residual, p_mlp, p_heads):
            check_probability(p)
        self.heads, self.p_attention, self.p_residual = heads, p_attention, p_residual
        self.p_mlp, self.p_heads = p_mlp, p_heads
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def split(self, z):
        """The heads of z: (B, T, dim) to (B, heads, T, D)."""
        return z.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def merge(self, z):
        """The heads side by side again: (B, heads, T, D) to (B, T, dim)."""
        return z.transpose(1, 2).flatten(2)

    def forward(self, x):
        q, k, v = map(self.split, self.qkv(self.norm_1(x)).chunk(3, -1))
        ### BEGIN SOLUTION
        sent = attention(q, k, v, self.p_attention, training=self.training)
        sent = head_dropout(sent, self.p_heads, training=self.training)
        x = x + F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)
        hidden = F.dropout(F.gelu(self.wide(self.norm_2(x))), self.p_mlp, self.training)
        return x + F.dropout(self.narrow(hidden), self.p_residual, self.training)
        ### END SOLUTION

# %% [markdown] hint="Block"
# Write it without dropout first: `x + out(merge(…))`, and to that `narrow(gelu(wide(norm_2(·))))`.

# %% [markdown] hint="Block"
# Two of the four places are your functions. For the other two there is `F.dropout(z, p, training)`.

# %% [markdown] hint="Block"
# All four calls have one argument in common, without which `eval()` would reach none of them.

# %% [markdown]
# Look at yours: how far training mode moves the output.

# %%
x = torch.randn(1, 16, 24)
fig, axes = plot.figure(4, width=10, height=2.4)
for ax, place in zip(axes, ("attention", "heads", "mlp", "residual"), strict=True):
    block = Block(24, 4, **{"p_attention": 0.0, "p_residual": 0.0, f"p_{place}": 0.5})
    with torch.no_grad():
        change = (block.train()(x) - block.eval()(x)).abs()[0]
    plot.image(change.numpy(), ax, largest=0.6)
    ax.set(aspect="auto", xlabel="channel", title=f"p_{place} = 0.5:\nby {change.mean():.2f}")
axes[0].set_ylabel("token")
plot.show(fig, "How far training mode moves your block's output, for dropout in each place.")

# %% check="Block" points=2
# In evaluation it is torch's own nn.TransformerEncoderLayer, with the norm first.
block = Block(12, 3, 0.4, 0.4, 0.4, 0.4)
theirs = nn.TransformerEncoderLayer(12, 3, 48, 0.0, "gelu", batch_first=True, norm_first=True)
names = {"self_attn.in_proj_": "qkv.", "self_attn.out_proj.": "out.", "linear1.": "wide.",
         "linear2.": "narrow.", "norm1.": "norm_1.", "norm2.": "norm_2."}
gone = "keep the modules that __init__ makes, under their names."
with expect.case("block.state_dict() of block = Block(12, 3, 0.4, 0.4, 0.4, 0.4)",
                 crash=[("KeyError", gone)]):
    state = block.state_dict()
    for norm in ("norm_1", "norm_2"):  # else one could stand for the other
        for part, least in (("weight", 0.5), ("bias", -0.5)):
            state[f"{norm}.{part}"] = least + torch.rand(12, generator=expect.generator())
    block.load_state_dict(state)
    own = {a + w: state[b + w] for a, b in names.items() for w in ("weight", "bias")}
theirs.load_state_dict(own)
x = torch.randn(4, 5, 12, generator=expect.generator())
before = x.clone()


def thought(z, norm=theirs.norm2, bent=F.gelu):
    return theirs.linear2(bent(theirs.linear1(norm(z))))


def attended(h):
    return theirs.self_attn(h, h, h, need_weights=False)[0]


with expect.case("block.eval(); block(x)", crash=[
    ("generator=bool", "self.training stands where `generator` belongs. Write training=…"),
]):
    block.eval()
    out = block(x)
    expect.unchanged(x, before)
    expect.tensor(out, (4, 5, 12), hint="return a tensor of x's shape.")
    expect.close(block(x.clone()), out, rtol=1e-5, atol=1e-6,
                 hint="in evaluation two calls differ: dropout is on. Hand self.training on.")
    h = theirs.norm1(x)
    added, thirds = attended(h), F.linear(h, own["self_attn.in_proj_weight"],
                                          own["self_attn.in_proj_bias"]).chunk(3, -1)
    parts = [z.unflatten(2, (3, 4)).transpose(1, 2) for z in thirds]
    bare = F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
    other, plain = attended(theirs.norm2(x)), nn.LayerNorm(12)
    blank = attended(plain(x))
    expect.close(
        out, theirs(x), rtol=1e-4, atol=1e-5,
        hint="x + out(merge(attention)), and to that narrow(gelu(wide(norm_2(·)))).",
        suspects=[
            (thought(added), "the stream is lost: add each branch to x."),
            (added + thought(added), "the attention is not added to x."),
            (thought(x + added), "the MLP's output is not added to the stream."),
            (x + added, "the MLP is missing."),
            (x + thought(x), "the attention is missing."),
            (x + added + thought(x), "the MLP reads the stream as it was before the attention."),
            (x + added + thought(x + added, norm=nn.Identity()),
             "the MLP reads the stream without norm_2."),
            (x + added + thought(x + added, bent=nn.Identity()),
             "between wide and narrow, gelu is missing."),
            (x + added + thought(x + added, bent=F.relu), "that is relu. Take gelu."),
            (x + bare + thought(x + bare), "the heads' outputs do not go through `out`."),
            (x + added + thought(x + added, norm=theirs.norm1),
             "norm_1 serves both branches. The MLP has norm_2."),
            (x + other + thought(x + other),
             "norm_2 serves both branches. The attention has norm_1."),
            (x + other + thought(x + other, norm=theirs.norm1),
             "the norms are swapped: norm_1 is the attention's."),
            (x + blank + thought(x + blank, norm=plain),
             "the norms' weights are not used. Call norm_1 and norm_2."),
        ],
    )
lost = "does not get its whole gradient. Is something detached, or under torch.no_grad()?"
with expect.case("block(x).square().sum().backward(); the gradients of weights and of x",
                 crash=[("does not require grad", f"x {lost}")]):
    ours, given = (x.clone().requires_grad_() for _ in range(2))
    block(ours).square().sum().backward()
    theirs(given).square().sum().backward()
    for their, name in names.items():
        slope, right = (net.get_parameter(part + "weight").grad
                        for net, part in ((block, name), (theirs, their)))
        expect.close(0 * right if slope is None else slope, right, rtol=1e-3, atol=1e-3,
                     hint=f"{name}weight {lost}")
    expect.close(ours.grad, given.grad, rtol=1e-3, atol=1e-3,
                 hint=f"x {lost}")

# %% setup=true
# For the checks below: a block whose weights are all 0, but for those that are named.
def weighted(block, weights):
    """The block with these weights, by name; it may have other names for them besides."""
    zeros = {name: 0 * value for name, value in block.state_dict().items()}
    block.load_state_dict(zeros)
    block.load_state_dict({name: zeros[name] + w for name, w in weights.items()}, strict=False)
    return block


# %% check="Block" points=1
# p_residual drops what a branch adds, entry by entry, and scales the rest.
def with_one_branch(silent, p):
    """A block in training whose other branch adds nothing."""
    block = Block(16, 2, 0.0, p).double()
    state = block.state_dict()
    ends = (f"{silent}.weight", f"{silent}.bias")
    block.load_state_dict({name: 0 * state[name] for name in ends}, strict=False)
    return block


x = torch.randn(20, 6, 16, generator=expect.generator(), dtype=torch.float64)
for branch, silent in (("attention", "narrow"), ("MLP", "out")):
    with expect.case(f"Block(16, 2, 0.0, 0.3), in which only the {branch} adds something",
                     crash=[("KeyError", "keep the modules that __init__ makes, under their "
                                         "names.")]):
        block = with_one_branch(silent, 0.3)
        block.eval()
        added = block(x.clone()) - x
        block.train()
        out = block(x.clone())
        expect.equal(int((out == 0).sum()), 0,
                     hint="the sum is dropped, not the branch: the stream itself is torn.")
        ratio = ((out - x) / added).round(decimals=4)
        falls, few = (ratio == 0).any(), len(ratio.unique()) < 4
        expect.only(
            ratio, (0, 1 / 0.7), rtol=1e-3,
            hint="each entry of what a branch adds is either dropped or divided by 1 - p.",
            suspects=[] if not few else [
                (1, "what survives is not scaled. Divide it by 1 - p." if falls
                    else f"nothing is dropped in the branch of the {branch}."),
                (1 / 0.3, "what survives is divided by p. Divide it by 1 - p.")],
        )

# %% check="Block" points=1
# Every entry of both branches has a coin of its own, which falls with probability p_residual.
def added_by_branches(p):
    """What falls in each branch: the attention's adds 1 everywhere, the MLP's 2."""
    block = Block(16, 2, 0.0, p)
    both = weighted(block, {"out.bias": 1.0, "narrow.bias": 2.0})(torch.zeros(8, 8, 16)).detach()
    both = (3 * both / both.max().clamp(min=1e-9)).round()  # whatever the scale
    return torch.stack([both % 2, both // 2])


with expect.case("Block(16, 2, 0.0, p_residual) whose branches add 1 and 2, 24 times for four p",
                 crash=[("KeyError", "keep the modules that __init__ makes, under their names.")]):
    expect.coins(
        lambda p, _: added_by_branches(p),
        axes=("branch", "image", "token", "channel"),
        source=lambda: None,
    )

# %% check="Block" points=1
# p_attention drops attention weights, each with a coin of its own.
def weights_of(p):
    """Attention weights times 8: tokens alike as queries and keys, and different as values."""
    block = weighted(Block(16, 2, p, 0.0).double(), {
        "norm_1.weight": (15 / 256 + 1e-5) ** 0.5, "norm_1.bias": 1 / 16,  # leaves e_j as it is
        "qkv.weight": torch.cat([torch.zeros(32, 16), torch.eye(16)[:8].repeat(2, 1)]),
        "out.weight": torch.eye(16),
    })
    x = torch.eye(16).double()[:8].expand(16, 8, 16)
    heard = (block(x.clone()) - x).detach()
    return (8 * heard * (heard.abs() > 1e-3)).unflatten(2, (2, 8)).transpose(1, 2)


with expect.case("Block(16, 2, 0.5, 0.0)(x) twice, in training mode",
                 crash=[("KeyError", "keep the modules that __init__ makes, under their names.")]):
    expect.close(weights_of(0.0), torch.ones(16, 2, 8, 8), rtol=1e-6,
                 hint="at p_attention = 0 the attention weights are wrong: see the first check.")
    twice = [weights_of(0.5), weights_of(0.5)]
    expect.equal(bool((twice[0] == 0).any()), True,
                 hint="no attention weight is dropped in training. Is p_attention handed on?")
    expect.varies(twice, chance=0.5**384, what="different masks",
                  hint="each call drops the same attention weights. Set no seed in `forward`.")
with expect.case("Block(16, 2, p_attention, 0.0): its attention weights, 24 times for four p"):
    expect.coins(
        lambda p, _: weights_of(p),
        axes=("image", "head", "token that reads", "token that is read"),
        source=lambda: None,
    )
    expect.only(weights_of(0.3), (0, 1 / 0.7), rtol=1e-6,
                hint="an attention weight is dropped, or divided by 1 - p_attention.")

# %% check="Block" points=1
# p_heads drops whole heads, between the attention and `out`.
def heads_of(p):
    """What four heads send, which is 1 in every channel: (images, tokens, heads, channels)."""
    mixed = torch.eye(16).reshape(4, 4, 16).transpose(0, 1).reshape(16, 16)  # `out` mixes heads
    block = weighted(Block(16, 4, 0.0, 0.0, 0.0, p),
                     {"qkv.bias": 1.0 * (torch.arange(48) >= 32), "out.weight": mixed})
    return block(torch.zeros(60, 2, 16)).detach().unflatten(2, (4, 4)).transpose(2, 3)


with expect.case("Block(16, 4, 0.0, 0.0, p_heads=0.5)(x) twice, in training mode",
                 crash=[("KeyError", "keep the modules that __init__ makes, under their names.")]):
    twice = [heads_of(0.5), heads_of(0.5)]
    expect.equal(bool((twice[0] == 0).any()), True,
                 hint="no head is dropped in training. Is p_heads handed to head_dropout?")
    expect.varies(twice, chance=0.5**200, what="different masks",
                  hint="each call drops the same heads. Set no seed in `forward`.")
with expect.case("Block(16, 4, 0.0, 0.0, p_heads=p): which heads fall, 24 times for four p"):
    expect.coins(
        lambda p, _: heads_of(p),
        shared=(1, 3),
        axes=("image", "token", "head", "channel"),
        source=lambda: None,
    )
    expect.only(heads_of(0.5).mean(2), (0, 1), rtol=1e-5,
                hint="the heads that stay are not multiplied by H / (heads kept). Take your own "
                     "head_dropout.")

# %% check="Block" points=1
# p_mlp drops the entries inside the MLP, after gelu.
def inside(p, less=0):
    """Sixteen entries inside the MLP, all 1 before dropout; or `less` of their neighbours."""
    narrow = torch.zeros(16, 64)
    narrow[:, ::4] = torch.eye(16) / F.gelu(torch.tensor(1.0))
    narrow[:, 1::4] = -less * narrow[:, ::4]
    block = weighted(Block(16, 2, 0.0, 0.0, p), {"wide.bias": 1.0, "narrow.weight": narrow})
    return block(torch.zeros(8, 8, 16)).detach()


with expect.case("Block(16, 2, 0.0, 0.0, p_mlp=0.3), whose MLP sends 1 in each of 64 entries",
                 crash=[("KeyError", "keep the modules that __init__ makes, under their names.")]):
    lone = F.gelu(torch.tensor([1.0, 1 / 0.7]))
    expect.only(inside(0.3), (0, 1 / 0.7), rtol=1e-4,
                hint="inside the MLP an entry is dropped, or divided by 1 - p.",
                suspects=[(1, "nothing is dropped inside the MLP, or not scaled. Is p_mlp used?"),
                          (float(lone[1] / lone[0]), "that is dropped before gelu. Drop after it."),
                          (1 / 0.3, "what survives is divided by p. Divide it by 1 - p.")])
    expect.equal(bool((inside(0.3, less=1).abs() > 0.1).any()), True,
                 hint="the output of `narrow` is dropped. Drop what it reads, after gelu.")
with expect.case("Block(16, 2, 0.0, 0.0, p_mlp): 16 entries inside the MLP, 24 times for four p"):
    expect.coins(
        lambda p, _: inside(p),
        axes=("image", "token", "entry"),
        source=lambda: None,
    )


class Unrecorded(nn.Module):
    """Calls a block under torch.no_grad()."""

    def forward(self, both):
        block, x = both
        with torch.no_grad():
            return block(x)


x = torch.randn(20, 6, 16, generator=expect.generator())
quiet = expect.ask("nested", Unrecorded())  # there, where the block is
for place in ("attention", "residual", "mlp", "heads"):
    with expect.case(f"Block(16, 2, p_{place}=0.5)(x) in training mode, under torch.no_grad()"):
        block = Block(16, 2, **{"p_attention": 0.0, "p_residual": 0.0, f"p_{place}": 0.5})
        whole = block.eval()(x.clone())
        block.train()
        here, there = (bool(((out - whole).abs() > 1e-5).any())
                       for out in (block(x.clone()), quiet((block, x.clone()))))
        expect.equal(here and not there, False,
                     hint="under no_grad nothing is dropped. Ask self.training only.")

# %% mistakes="Block"
{
    "dropout is on. Hand self.training on": ("self.p_attention, training=self.training",
                                             "self.p_attention"),
    "two calls differ": ("self.p_mlp, self.training", "self.p_mlp"),
    "stands where `generator` belongs": ("self.p_attention, training=", "self.p_attention, "),
    "the stream is lost":
        ("x = x + F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)\n"
         "        hidden = F.dropout(F.gelu(self.wide(self.norm_2(x))), self.p_mlp, "
         "self.training)\n        return x +",
         "x = F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)\n"
         "        hidden = F.dropout(F.gelu(self.wide(self.norm_2(x))), self.p_mlp, "
         "self.training)\n        return"),
    "attention is not added to x": ("x = x + F", "x = F"),
    "MLP's output is not added": ("return x + F", "return F"),
    "the MLP reads the stream as it was":
        ("x = x + F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)\n"
         "        hidden = F.dropout(F.gelu(self.wide(self.norm_2(x))), self.p_mlp, "
         "self.training)\n        return x",
         "hidden = F.dropout(F.gelu(self.wide(self.norm_2(x))), self.p_mlp, self.training)\n"
         "        x = x + F.dropout(self.out(self.merge(sent)), self.p_residual, "
         "self.training)\n        return x"),
    "the MLP is missing": ("return x + F.dropout(self.narrow(hidden), self.p_residual, "
                           "self.training)", "return x"),
    "the attention is missing":
        ("x = x + F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)", "pass"),
    "without norm_2": ("self.norm_2(x)", "x"),
    "gelu is missing": ("F.gelu(self.wide(self.norm_2(x)))", "self.wide(self.norm_2(x))"),
    "that is relu": ("F.gelu", "F.relu"),
    "do not go through `out`": ("self.out(self.merge(sent))", "self.merge(sent)"),
    "norm_1 serves both": ("norm_2(x)", "norm_1(x)"),
    "norm_2 serves both": ("sent = attention(",
        "q, k, v = map(self.split, self.qkv(self.norm_2(x)).chunk(3, -1))\n"
        "        sent = attention("),
    "the norms are swapped": (
        "sent = attention(q, k, v, self.p_attention, training=self.training)\n"
        "        sent = head_dropout(sent, self.p_heads, training=self.training)\n"
        "        x = x + F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)\n"
        "        hidden = F.dropout(F.gelu(self.wide(self.norm_2(x)))",
        "q, k, v = map(self.split, self.qkv(self.norm_2(x)).chunk(3, -1))\n"
        "        sent = attention(q, k, v, self.p_attention, training=self.training)\n"
        "        sent = head_dropout(sent, self.p_heads, training=self.training)\n"
        "        x = x + F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)\n"
        "        hidden = F.dropout(F.gelu(self.wide(self.norm_1(x)))"),
    "the norms' weights are not used": ("sent = attention(",
        "for norm in (self.norm_1, self.norm_2):\n"
        "            norm.forward = lambda z: F.layer_norm(z, z.shape[-1:])\n"
        "        q, k, v = map(self.split, self.qkv(self.norm_1(x)).chunk(3, -1))\n"
        "        sent = attention("),
    "writes into its input": ("x = x + F", "x += F"),
    "qkv.weight does not get": (
        "sent = attention(q, k, v, self.p_attention, training=self.training)\n",
        "with torch.no_grad():\n"
        "            sent = attention(q, k, v, self.p_attention, training=self.training)\n"),
    "Is something detached": (
        "F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)",
        "F.dropout(self.out(self.merge(sent)), self.p_residual, self.training).detach()"),
    "does not get its whole gradient": ("self.norm_2(x)", "self.norm_2(x.detach())"),
    "x does not get its whole gradient": ("x = x + F", "x = x.detach() + F"),
    "the sum is dropped":
        ("x + F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)",
         "F.dropout(x + self.out(self.merge(sent)), self.p_residual, self.training)"),
    "nothing is dropped in the branch of the MLP":
        ("F.dropout(self.narrow(hidden), self.p_residual, self.training)", "self.narrow(hidden)"),
    "nothing is dropped in the branch of the attention":
        ("F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)",
         "self.out(self.merge(sent))"),
    "what survives is not scaled": (
        "F.dropout(self.narrow(hidden), self.p_residual, self.training)",
        "self.narrow(hidden) * (torch.rand_like(x) >= self.p_residual * self.training)"),
    "is either dropped or divided": ("self.norm_2(x)",
        "F.dropout(self.norm_2(x), self.p_residual, self.training)"),
    "what survives is divided by p": (
        "F.dropout(self.narrow(hidden), self.p_residual, self.training)",
        "(F.dropout(self.narrow(hidden), 1 - self.p_residual) if self.training else "
        "self.narrow(hidden))"),
    "every branch has the same mask":
        ("x = x + F.dropout(self.out(self.merge(sent)), self.p_residual, self.training)\n",
         "mask = F.dropout(torch.ones_like(x), self.p_residual, self.training)\n"
         "        x = x + mask * self.out(self.merge(sent))\n"
         "        return x + mask * self.narrow(F.dropout(F.gelu(self.wide(self.norm_2(x))), "
         "self.p_mlp, self.training))\n"),
    "Is p_attention handed on": ("self.p_attention, ", ""),
    "every token that reads has the same mask":
        ("attention(q, k, v, self.p_attention, training=self.training)",
         "attention(q, k, F.dropout(v, self.p_attention, self.training))"),
    "Is p_heads handed": ("self.p_heads", "0.0"),
    "each channel has a coin of its own": (
        "head_dropout(sent, self.p_heads, training=self.training)",
        "F.dropout(sent, self.p_heads, self.training)"),
    "Take your own head_dropout": (
        "head_dropout(sent, self.p_heads, training=self.training)",
        "F.dropout2d(sent, self.p_heads, self.training)"),
    "an attention weight is dropped, or divided": (
        "attention(q, k, v, self.p_attention, training=self.training)",
        "attention(q, k, v, self.p_attention, training=self.training) * (1 - self.p_attention)"
        " ** self.training"),
    "every token that is read has the same mask": (
        "self.p_attention, training=self.training)\n"
        "        sent = head_dropout(sent, self.p_heads,",
        "self.p_heads, training=self.training)\n"
        "        sent = head_dropout(sent, self.p_attention,"),
    "where one should serve them all": (
        "sent = head_dropout(sent, self.p_heads, training=self.training)\n"
        "        x = x + F.dropout(self.out(self.merge(sent)),",
        "sent = self.split(self.out(self.merge(sent)))\n"
        "        sent = head_dropout(sent, self.p_heads, training=self.training)\n"
        "        x = x + F.dropout(self.merge(sent),"),
    "drops the same attention weights": (
        "sent = attention(q, k, v, self.p_attention, training=self.training)",
        "coins = torch.Generator().manual_seed(0)\n"
        "        sent = attention(q, k, v, self.p_attention, coins, self.training)"),
    "drops the same heads": (
        "sent = head_dropout(sent, self.p_heads, training=self.training)",
        "coins = torch.Generator().manual_seed(0)\n"
        "        sent = head_dropout(sent, self.p_heads, coins, self.training)"),
    "the output of `narrow` is dropped": (
        "hidden = F.dropout(F.gelu(self.wide(self.norm_2(x))), self.p_mlp, self.training)\n"
        "        return x + F.dropout(self.narrow(hidden),",
        "hidden = F.gelu(self.wide(self.norm_2(x)))\n"
        "        hidden = F.dropout(self.narrow(hidden), self.p_mlp, self.training)\n"
        "        return x + F.dropout(hidden,"),
    "Is p_mlp used": ("self.p_mlp", "0.0"),
    "dropped before gelu": (
        "F.dropout(F.gelu(self.wide(self.norm_2(x))), self.p_mlp, self.training)",
        "F.gelu(F.dropout(self.wide(self.norm_2(x)), self.p_mlp, self.training))"),
    "Ask self.training only": (
        "self.p_mlp, self.training", "self.p_mlp, self.training and torch.is_grad_enabled()"),
    "an entry is dropped, or divided": ("self.narrow(hidden)",
        "self.narrow(F.dropout(hidden, self.p_mlp, self.training))"),
}

# %% mistake="Block" says="keep the modules"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual, p_mlp=0.0, p_heads=0.0):
        super().__init__()
        self.attend = nn.MultiheadAttention(dim, heads, p_attention, batch_first=True)
        self.drop, self.inside = nn.Dropout(p_residual), nn.Dropout(p_mlp)
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        h = self.norm_1(x)
        x = x + self.drop(self.attend(h, h, h)[0])
        return x + self.drop(self.narrow(self.inside(F.gelu(self.wide(self.norm_2(x))))))

# %% correct="Block"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual, p_mlp=0.0, p_heads=0.0):
        super().__init__()
        self.heads, self.p, self.p_heads = heads, p_attention, p_heads
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.branch = nn.Dropout(p_residual)
        self.mlp = nn.Sequential(  # the same modules under a second name
            self.norm_2, self.wide, nn.GELU(), nn.Dropout(p_mlp), self.narrow, self.branch)

    def forward(self, x):
        parts = self.qkv(self.norm_1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        sent = attention(*parts, self.p, training=self.training)
        sent = head_dropout(sent, self.p_heads, training=self.training)
        x = x + self.branch(self.out(sent.transpose(1, 2).flatten(2)))
        return x + self.mlp(x)

# %% correct="Block"
class Block(nn.Module):
    def __init__(self, dim, heads, p_attention, p_residual, p_mlp=0.0, p_heads=0.0):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.drop, self.inside = nn.Dropout(p_residual), nn.Dropout(p_mlp)
        self.p, self.p_heads, self.heads = p_attention, p_heads, heads

    def look(self, x):
        q, k, v = (z.unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for z in self.qkv(x).chunk(3, dim=2))
        rate = self.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=rate)
        return self.out(head_dropout(mixed, self.p_heads, None, self.training)
                        .transpose(1, 2).flatten(2))

    def forward(self, x):
        x = x + self.drop(self.look(self.norm_1(x)))
        thought = torch.nn.Sequential(self.norm_2, self.wide, nn.GELU(), self.inside, self.narrow)
        return x + self.drop(thought(x))

# %% [markdown]
# ## Which place helps?
#
# The study trained transformers of three blocks on 400 numerals, with dropout in one place at a
# time. For each place the learning rate and $p$ were chosen on validation images; networks with new
# seeds were then tested once. Without dropout the training images are learned by heart, so there is
# something to regularise.
#
# Such a network is also far too sure of itself, and the log loss punishes that. The control: the
# logits are divided by one number, a temperature chosen on validation images (*softened*). That
# changes no answer, only how sure it is.
#
# **Guess: which place lowers the test loss most?** (*Residual* is what a branch adds, *layers* are
# whole blocks.) Networks of *your* `Block` are trained with dropout in that place.

# %% guess=true
my_guess = "attention"  # "attention", "embedding", "heads", "residual", "mlp" or "layers"

# %% figure=true
# Test loss and error with dropout in each place, minus none; and yours: takes some 10 seconds.
guess = expect.guess(my_guess, number=False)
kept = studies.kept("transformers")
test = readers.numerals(3000, 3)
seeds = study.common(kept, ("none", *readers.PLACES))  # those of which all were tested


def runs(way, what):
    """What each tested network of a way came to."""
    return np.array([kept["tested"][way]["runs"][seed][what] for seed in seeds])


chosen = study.best(kept, guess)
yours = [study.trained(chosen, int(seed), blocks=Block) for seed in seeds[:2]]
same = readers.Reader(reference.Block, {}).eval()
same.load_state_dict(yours[0].state_dict(), strict=False)  # yours may have other names besides
torch.testing.assert_close(same(test[0]), yours[0](test[0]))  # the study's block is yours
live = np.array([net.judged(test) for net in yours])

fig, axes = plot.figure(2, width=9.5, height=3.6)
gaps, none = {}, {what: runs("none", what) for what in ("loss", "error")}
for ax, what, unit, column in zip(axes, ("loss", "error"), ("nats", "points"), (0, 1), strict=True):
    rows = {place: runs(place, what) for place in readers.PLACES}
    if what == "loss":
        for way in study.COOLED:
            cells = kept["cooled"][way]
            rows[f"{way}, softened"] = np.array([cells[seed]["loss"] for seed in seeds])
    for row, (name, values) in enumerate(rows.items()):
        difference = (values - none[what])[np.isfinite(values)]
        gaps[name, what] = plot.difference(difference)
        color = plot.GREEN if "softened" in name else plot.ORANGE if name == guess else plot.BLUE
        ax.plot(difference, np.full(len(difference), row), ".", color=color, alpha=0.4)
        ax.errorbar(difference.mean(), row, xerr=study.half(difference), fmt="o", color=color,
                    capsize=3)
        if name == guess:
            ax.plot(live[:, column] - none[what][:2], np.full(2, row + 0.3), "o", mfc="none",
                    color=plot.INK, label="just now, yours")
            ax.legend(fontsize=8, frameon=True)
    ax.axvline(0, color=plot.INK, linewidth=1)
    ax.set(xlabel=f"test {what} − none, {unit} ({len(seeds)} runs, 95 %)", ylim=(7.5, -0.5))
rates = [f"{place}, p = {study.best(kept, place)[place]:g}" for place in readers.PLACES]
axes[0].set_yticks(range(8), [*rates, *(f"{way}, softened" for way in study.COOLED)])
axes[1].set_yticks(range(6), [])
axes[0].set_title(f"{guess}, your guess: {gaps[guess, 'loss']:.2f} nats\n(none: "
                  f"{none['loss'].mean():.2f})", fontsize=10)
axes[1].set_title(f"{gaps[guess, 'error']:.1f} points\n(none: {none['error'].mean():.1f} %)",
                  fontsize=10)
both = [seed for seed in seeds if seed in kept["cooled"]["none"]]
noisy, plain = (np.array([kept["cooled"][way][seed]["loss"] for seed in both])
                for way in ("embedding", "none"))
# On validation images: what half the learning rate does without dropout, and the MLP's dropout.
bare = study.mean(kept, "none", study.best(kept, "none"))
lower = study.mean(kept, "none", {"rate": study.LOWER}) - bare
by_mlp = study.mean(kept, "mlp", study.best(kept, "mlp")) - bare
long = [kept["tested"]["long"]["runs"][seed] for seed in study.common(kept, ("none", "long"))]
longer = [np.mean([run[what] for run in long]) - none[what][: len(long)].mean()
          for what in ("loss", "error")]
plot.show(fig, "Test loss and error with dropout in each place, minus none: "
               + "; ".join(f"{place} {gaps[place, 'loss']:.2f} nats and "
                           f"{gaps[place, 'error']:.1f} points" for place in readers.PLACES)
               + f". Softened: none {gaps['none, softened', 'loss']:.2f} nats, embedding "
               f"{gaps['embedding, softened', 'loss']:.2f}.",
          claims={
              "every-place-lowers-the-loss": all((runs(place, "loss") < none["loss"]).all()
                                                 for place in readers.PLACES),
              "the-embedding-lowers-it-more": all(
                  plot.difference(runs("embedding", "loss"), runs(place, "loss")).sign < 0
                  for place in ("attention", "residual", "mlp")),
              "no-place-surely-saves-errors": all(gaps[place, "error"].sign >= 0
                                                  for place in readers.PLACES),
              "one-number-saves-half": gaps["none, softened", "loss"].mean
                  < 0.5 * gaps["embedding", "loss"].mean,
              "the-baseline-was-not-at-its-best": bool(lower < 0.5 * by_mlp < 0),
              "softened-too-dropout-is-ahead": plot.difference(noisy, plain).sign < 0})
print(f"Without dropout the training loss is {runs('none', 'train').mean():.3f} nats; twice the "
      f"steps change the test loss by {longer[0]:+.2f} nats and the error by {longer[1]:+.1f} "
      "points.")
higher = [f"{place} {study.mean(kept, place, {place: study.HIGHER, 'rate': chosen['rate']}):.2f} "
          f"({study.mean(kept, place, chosen):.2f} at p = {chosen[place]:g})"
          for place in study.EXTENDED for chosen in [study.best(kept, place)]]
print(f"Without dropout half the learning rate changes the validation loss by {lower:+.2f} nats; "
      f"dropout inside the MLP, by {by_mlp:+.2f}.")
print(f"At p = {study.HIGHER} the validation loss is: {', '.join(higher)}.")

# %% [markdown]
# In each place dropout lowered the *loss* of all four
# networks,{{claim:every-place-lowers-the-loss}} on the embedding by more than on attention weights,
# on branches or inside the MLP.{{claim:the-embedding-lowers-it-more}} Whether any place saves
# *errors*, four seeds cannot tell.{{claim:no-place-surely-saves-errors}} Much of the gain is
# a network that is less sure of itself: one number on the logits, without dropout, saves on average
# more than half as much as dropout on the embedding.{{claim:one-number-saves-half}} But not all:
# with both softened, dropout is still ahead.{{claim:softened-too-dropout-is-ahead}} And
# without dropout, half the learning rate, tried afterwards on two networks, does more than half of
# what dropout inside the MLP does.{{claim:the-baseline-was-not-at-its-best}}
#
# An earlier edition found no place that helped, and blamed too few steps. But it had one $p$ and
# one learning rate for all places, and test images by other writers. This finding, too, is one of
# small networks and 400 images: most large language models are pretrained without dropout
# ({{today}}).

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
# nothing is scaled, neither in training nor in evaluation.

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
# A layer that runs replaces `x` by its output. For one that is skipped there is nothing to do.

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
    x = torch.full((3, 2), 3.0, dtype=torch.float64)
    out = [layer_drop([lambda x: x + 1], x, 0.5) for _ in range(60)]
    for one in out:
        expect.tensor(one, (3, 2), torch.float64, hint="return x as the last layer left it.")
    expect.only(
        torch.cat(out), (3, 4), hint="either the layer runs, or x is handed on.",
        suspects=[
            (0, "a skipped layer gives zeros, which wipes the stream out. Hand on x."),
            (8, "the layer's output is scaled by 1 / (1 - p). Leave it as it is."),
            (5, "what the layer adds is scaled by 1 / (1 - p). Leave it as it is."),
        ],
    )
    expect.equal(all(len(one.unique()) == 1 for one in out), True,
                 hint="in one call parts of x skip the layer, and others do not. Toss one coin for "
                      "each layer and call.")
    expect.varies(out, chance=0.5**59, what="calls that skip the layer and calls that do not",
                  hint="the only layer always runs, or never does. Toss a coin for it in each "
                       "call: it may be skipped, even if no other layer runs.")

# %% check="layer_drop" points=2
# Each layer has a coin of its own, in each call.
turn = torch.eye(10)
layers = [lambda x, k=k: x + turn[k] for k in range(10)]
with expect.case("layer_drop(layers, x, p=0.0) with 10 layers that each add to x"):
    expect.close(layer_drop(layers, torch.zeros(10), 0.0), torch.ones(10),
                 hint="at p = 0 all layers run, each on what the one before it has left.",
                 suspects=[(torch.zeros(10), "no layer changes x. Is p swapped? It is the "
                                             "probability of skipping. Or is layer(x) lost?")])
with expect.case("layer_drop(layers, x, p=0.3) with 10 layers, 30 times: which of them run?"):
    ran = torch.stack([layer_drop(layers, torch.zeros(10), 0.3) for _ in range(30)])
    expect.equal(len(layers), 10, hint="layers are taken out of the list that was given. Leave it.")
    expect.equal(bool((ran[:, 1:] > ran[:, :-1]).any() or (ran[:, :1] == ran).all()), True,
                 hint="after the first skipped layer none runs. Skip one, and go on.")
with expect.case("layer_drop(layers, x, p, generator) with 10 layers, 440 times for two p"):
    expect.coins(
        lambda p, generator: layer_drop(layers, torch.zeros(10), p, generator),
        p=(0.13, 0.77),
        axes=("layer",),
        source=expect.generator,
        none=True,
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
                     hint="a layer is called, and its output is thrown away or scaled.")
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
    "parts of x skip the layer": (
        "if not training or torch.rand((), generator=generator) >= p:\n            x = layer(x)",
        "coins = torch.rand(len(x), *[1] * (x.dim() - 1), generator=generator)\n"
        "        x = torch.where(coins >= p * training, layer(x), x)"),
    "gives zeros": ("x = layer(x)", "x = layer(x)\n        else:\n            x = 0 * x"),
    "the layer's output is scaled": ("x = layer(x)", "x = layer(x) / (1 - p if training else 1)"),
    "what the layer adds is scaled":
        ("x = layer(x)", "x = x + (layer(x) - x) / (1 - p if training else 1)"),
    "as the last layer left it": ("return x", "return x.float()"),
    "either the layer runs": ("x = layer(x)", "x = x + layer(x)"),
    "always runs, or never does": ("for layer in", "generator = generator or torch.Generator()\n"
                                             "    for layer in"),
    "every layer has the same mask":
        ("    for layer in layers:\n        if not training or torch.rand((), generator=generator)",
         "    coin = torch.rand((), generator=generator)\n"
         "    for layer in layers:\n        if not training or coin"),
    "Skip one, and go on": ("x = layer(x)", "x = layer(x)\n        else:\n            break"),
    "Is p swapped": (">= p", "< p"),
    "in order": ("in layers", "in reversed(layers)"),
    "an exact number is dropped at each call":
        ("    for layer in layers:\n        if not training or torch.rand((), generator=generator)",
         "    n = len(layers)\n"
         "    coins = torch.randperm(n, generator=generator) / n if n > 1 else torch.rand(1)\n"
         "    for layer, coin in zip(layers, coins):\n"
         "        if not training or coin"),
    "do not come from the given generator": ("generator=generator", ""),
    "do not come from torch's own generator": (
        "torch.rand((), generator=generator)",
        "(np.random.random() if generator is None else torch.rand((), generator=generator))"),
    "thrown away": ("if not training or torch.rand((), generator=generator) >= p:\n            "
                    "x = layer(x)",
                    "runs = not training or torch.rand((), generator=generator) >= p\n        "
                    "x = torch.where(torch.as_tensor(runs), layer(x), x)"),
    "every layer runs here": ("not training or ", ""),
    "taken out of the list": ("    for layer in layers:", "    if training:\n"
        "        for layer in list(layers):\n"
        "            if torch.rand((), generator=generator) < p:\n"
        "                layers.remove(layer)\n"
        "    for layer in layers:\n        x = layer(x)\n    return x\n"
        "    for layer in layers:"),
}

# %% mistake="layer_drop" says="even if no other layer runs"
def layer_drop(layers, x, p, generator=None, training=True):
    coins = torch.rand(len(layers), generator=generator)
    coins[coins.argmax()] = 1  # one of them runs at least
    for layer, coin in zip(layers, coins, strict=True):
        if not training or coin >= p:
            x = layer(x)
    return x

# %% mistake="layer_drop" says="on what the one before it has left"
def layer_drop(layers, x, p, generator=None, training=True):
    out = x
    for layer in layers:
        if not training or torch.rand((), generator=generator) >= p:
            out = layer(x)
    return out

# %% correct="layer_drop"
def layer_drop(layers, x, p, generator=None, training=True):
    keep = torch.full((len(layers),), 1.0 - p if training else 1.0)
    runs = keep.bernoulli(generator=generator).tolist()
    for layer in [layer for layer, run in zip(layers, runs, strict=True) if run]:
        x = layer(x)
    return x

# %% [markdown]
# What is LayerDrop for? Fan et al. train with it *so that* layers can be taken out afterwards,
# without training again. So take them out, from networks trained with *your* function too. The
# control is a network that had two blocks from the beginning: it costs as much to run.
# **Guess: by how many points, on average over the three blocks, does the error rise when a network
# trained without dropout loses one?**

# %% guess=true
my_guess = 50  # points of error more without one of three blocks, trained without dropout

# %% figure=true
# What the loss of one block, or of one head, costs: takes some 10 seconds.
guess = expect.guess(my_guess)
ways = ("none", "residual", "mlp", "heads", "layers")
seeds = study.common(kept, (*ways, "shallow"))
names = ["none", *(f"{way}, p = {study.best(kept, way)[way]:g}" for way in ways[1:4]),
         f"layers, p = {study.best(kept, 'layers')['layers']:g}"]
yours = [study.trained(study.best(kept, "layers"), int(seed), blocks=Block, layer_drop=layer_drop)
         for seed in seeds[:2]]
some = tuple(part[:1000] for part in test)
live = [(net.judged(some)[1], np.mean(study.without_a_block(net, some))) for net in yours]

fig, axes = plot.figure(2, width=9.5, height=3.2)
harm, spared = {}, {}
for ax, part in zip(axes, ("block", "head"), strict=True):
    for row, way in enumerate(ways):
        whole, less = runs(way, "whole"), runs(way, part).mean(1)
        harm[way, part] = plot.difference(less, whole)
        for values, color, words in ((whole, plot.BLUE, "whole"),
                                     (less, plot.ORANGE, f"without one {part}")):
            ax.plot(values, np.full(len(seeds), row), ".", color=color, alpha=0.4)
            ax.plot(values.mean(), row, "o", color=color, label=None if row else words)
        plain = runs("none", part).mean(1) - runs("none", "whole")
        spared[way, part] = plot.difference(plain, less - whole)
    ax.set(ylim=(4.6, -0.6), xlabel=f"test error, % ({len(seeds)} runs)")
    best = "layers" if part == "block" else "heads"
    ax.set_title(f"Without one {part} (mean over all):\nnone {harm['none', part]:.1f}, "
                 f"{'LayerDrop' if part == 'block' else 'heads'} {harm[best, part]:.1f}",
                 fontsize=10)
shallow = runs("shallow", "whole")
axes[0].axvline(shallow.mean(), color=plot.GREEN, linestyle="--",
                label="two blocks from the start")
axes[0].plot(runs("none", "whole").mean() + guess, 0, "X", color=plot.GREY, label="your guess")
axes[0].plot([less for _, less in live], [4.3] * len(live), "o", mfc="none", color=plot.INK,
             label="just now, yours")
axes[0].legend(fontsize=8, frameon=True)
axes[0].set_yticks(range(5), names)
axes[1].set_yticks(range(5), [])
beside = plot.difference(runs("layers", "block").mean(1), shallow)
last = plot.difference(runs("layers", "block")[:, -1], shallow)
ordinary = [way for way in ("none", *readers.PLACES) if way != "layers"]
plot.show(fig, "Test error of whole networks and without one block or head. Points that it costs: "
               + "; ".join(f"{name} {harm[way, 'block']:.1f} and {harm[way, 'head']:.1f}"
                           for name, way in zip(names, ways, strict=True))
               + f". LayerDrop without a block, minus two blocks from the start: {beside:.1f}.",
          claims={
              "an-ordinary-network-misses-a-block":
                  all((runs(way, "block").mean(1) - runs(way, "whole")).mean() > 20
                      for way in ordinary),
              "layer-drop-makes-it-bearable":
                  spared["layers", "block"].sign > 0 and spared["layers", "block"].mean > 15,
              "a-shallow-network-is-better": beside.sign > 0,
              "but-not-without-the-last": last.sign == 0 and plot.difference(
                  runs("layers", "block")[:, 0], runs("layers", "block")[:, -1]).sign > 0,
              "head-dropout-spares-heads": spared["heads", "head"].sign > 0})
print(f"LayerDrop, one block taken out, minus two blocks from the start: {beside:.1f} points; the "
      f"last block taken out: {last:.1f}")

# %% [markdown]
# A block taken out of an ordinary network is, on average, a disaster, whatever else was dropped
# while it learned.{{claim:an-ordinary-network-misses-a-block}} After LayerDrop it costs far
# less.{{claim:layer-drop-makes-it-bearable}} On average a network with two blocks from the start is
# better still.{{claim:a-shallow-network-is-better}} But it is the *first* block that is missed:
# without the last, four seeds show no difference.{{claim:but-not-without-the-last}} (Fan et al.
# found pruned deep models ahead of small ones trained from scratch.) After dropout of heads, a
# missing head costs less.{{claim:head-dropout-spares-heads}}
#
# ## Two answers to one question
#
# Send one image twice through a network in training mode: two masks, two answers. Liang et al.
# (2021) do this on purpose, and penalise the difference. With $P_1$ and $P_2$ the two softmax
# outputs, and each term averaged over the batch, *R-Drop* minimises
#
# $$ -\log P_1(y) - \log P_2(y) + \frac{\alpha}{2}\Big(\mathrm{KL}(P_1 \| P_2)
#    + \mathrm{KL}(P_2 \| P_1)\Big), \qquad
#    \mathrm{KL}(P \| Q) = \sum_c P_c\,(\log P_c - \log Q_c). $$
#
# ## Exercise: `r_drop_loss`
#
# Softmax followed by `log` breaks as soon as a probability underflows to 0. (`F.kl_div` wants
# *logarithms* first, and its default mean is over all entries.)

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
    expect.close(out, one + other, rtol=1e-4,
                 hint="without the KL part: the two cross-entropies, added.",
                 suspects=[((one + other) / 2, "the two cross-entropies are averaged. Add them."),
                           (one, "only the first pass is compared with y."),
                           (F.cross_entropy(a.softmax(-1), labels)
                            + F.cross_entropy(b.softmax(-1), labels),
                            "softmax is taken twice. F.cross_entropy wants logits."),
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
down = ((a.softmax(0) - b.softmax(0)) * (a.log_softmax(0) - b.log_softmax(0))).sum(-1).mean()
for alpha in (1.0, 3.0):
    with expect.case(f"r_drop_loss(logits_1, logits_2, y, alpha={alpha}), without its alpha = 0"):
        expect.close(
            r_drop_loss(a, b, labels, alpha) - r_drop_loss(a, b, labels, 0.0), alpha * right,
            rtol=1e-4, hint="the KL part is alpha / 2 times the sum of both divergences.",
            suspects=[
                *((alpha * forth * c, "only KL(P1 ‖ P2) is there: add the other, then halve both.")
                  for c in (1, 0.5)),
                *((alpha * back * c, "only KL(P2 ‖ P1) is there: add the other, then halve both.")
                  for c in (1, 0.5)),
                (2 * alpha * right, "the factor 1/2 of the KL part is missing."),
                (alpha * right / 5, "the KL part is averaged over classes. Sum over classes, "
                                    "average over the batch."),
                (alpha * right * 7, "the KL part is summed over the batch."),
                (-alpha * right, "the KL part has the wrong sign."),
                (0 * right, "the KL part is missing."),
                (alpha / 2 * down, "softmax runs over the examples. Take it over the classes."),
                (alpha / 2 * no_logs, "F.kl_div wants logarithms as its first argument."),
                (alpha / 10 * no_logs, "F.kl_div wants logarithms as its first argument, and its "
                                       "default mean is over all entries."),
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
with expect.case("r_drop_loss(a, b, y, 2.0).backward(); a.grad and b.grad", crash=[
    ("does not require grad", "the loss has no gradient. What cuts it off: .item(), .detach()?"),
]):
    a.requires_grad_()
    b.requires_grad_()
    r_drop_loss(a, b, labels, 2.0).backward()
    for z, g in zip((a, b), want, strict=True):
        expect.equal("none" if z.grad is None else "there", "there",
                     hint="one of the passes gets no gradient.")
        expect.close(z.grad, g, rtol=1e-3, atol=1e-5,
                     hint="the gradient is not the loss's. Is a probability detached? Gradients "
                          "flow through both factors.")

# %% mistakes="r_drop_loss"
{
    "averaged. Add them": ("return both +", "return both / 2 +"),
    "only the first pass": (" + F.nll_loss(log_2, y)", ""),
    "a sum over the batch, not a mean": ("return both +", "return len(y) * both +"),
    "the two cross-entropies, added": ("nll_loss(log_2, y)", "nll_loss(log_2.exp(), y)"),
    "softmax is taken twice": ("return both", "return F.cross_entropy(logits_1.softmax(-1), y)"
                               " + F.cross_entropy(logits_2.softmax(-1), y)"),
    "softmax runs over the examples":
        ("(log_1.exp() - log_2.exp()) * (log_1 - log_2)",
         "(logits_1.softmax(0) - logits_2.softmax(0)) * "
         "(logits_1.log_softmax(0) - logits_2.log_softmax(0))"),
    "its default mean is over all entries":
        ("divergence.sum(-1).mean()",
         "(F.kl_div(log_1.exp(), log_2.exp()) + F.kl_div(log_2.exp(), log_1.exp()))"),
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
    "or something clipped":
        ("logits_2.log_softmax(-1)", "(logits_2.softmax(-1) + 1e-8).log()"),
    "added inside a logarithm":
        ("logits_2.log_softmax(-1)", "(logits_2.softmax(-1) + 1e-30).log()"),
    "gets no gradient": ("logits_2.log_softmax", "logits_2.detach().log_softmax"),
    "Is a probability detached": ("log_2.exp())", "log_2.exp()).detach()"),
}

# %% mistake="r_drop_loss" says="the loss has no gradient"
def r_drop_loss(logits_1, logits_2, y, alpha):
    log_1, log_2 = logits_1.log_softmax(-1), logits_2.log_softmax(-1)
    both = F.nll_loss(log_1, y) + F.nll_loss(log_2, y)
    divergence = (log_1.exp() - log_2.exp()) * (log_1 - log_2)
    return torch.tensor((both + alpha / 2 * divergence.sum(-1).mean()).item())

# %% correct="r_drop_loss"
def r_drop_loss(logits_1, logits_2, y, alpha):
    P, Q = F.log_softmax(logits_1, 1), F.log_softmax(logits_2, 1)
    forth = F.kl_div(Q, P, reduction="batchmean", log_target=True)
    back = F.kl_div(P, Q, reduction="batchmean", log_target=True)
    told = F.cross_entropy(torch.cat([logits_1, logits_2]), torch.cat([y, y]), reduction="sum")
    return told / len(y) + alpha * (forth + back) / 2

# %% [markdown]
# Does agreement help? R-Drop costs two passes of each image, so a fair comparison pays for two
# passes as well: two passes *without* the divergence, and one pass in twice as many steps. All drop
# on the branches, at the $p$ and learning rate that were best there with one pass; only $\alpha$
# was chosen anew, on validation images: the larger of two.

# %% figure=true
# R-Drop, two passes without it, and twice the steps, minus one pass: takes some 10 seconds.
ways = ("residual", "twice the steps", "two passes", "R-Drop")
seeds = study.common(kept, ways)
yours = [study.trained(study.best(kept, "R-Drop"), int(seed), blocks=Block,
                       two=lambda alpha: lambda *three: r_drop_loss(*three, alpha))
         for seed in seeds[:1]]
live = np.array([net.judged(test) for net in yours])
fig, axes = plot.figure(2, width=9.5, height=2.8)
beside = {}
for ax, what, unit, column in zip(axes, ("loss", "error"), ("nats", "points"), (0, 1), strict=True):
    for row, way in enumerate(ways[1:]):
        difference = runs(way, what) - runs("residual", what)
        beside[way, what] = plot.difference(runs("R-Drop", what), runs(way, what))
        ax.plot(difference, np.full(len(seeds), row), ".", color=plot.BLUE, alpha=0.4)
        ax.errorbar(difference.mean(), row, fmt="o", color=plot.BLUE, capsize=3,
                    xerr=study.half(difference))
    ax.plot(live[:, column] - runs("residual", what)[:1], [2.25], "o", mfc="none",
            color=plot.INK, label="just now, yours")
    ax.axvline(0, color=plot.INK, linewidth=1)
    ax.set(xlabel=f"test {what} − one pass, {unit} ({len(seeds)} runs, 95 %)", ylim=(2.6, -0.5))
    ax.set_title(f"R-Drop − two passes: {beside['two passes', what]:.2f} {unit};\n"
                 f"− twice the steps: {beside['twice the steps', what]:.2f}", fontsize=10)
axes[0].legend(fontsize=8, loc="lower right", frameon=True)
settings = [study.best(kept, way) for way in ways[1:]]
axes[0].set_yticks(range(3), [f"{way}, p = {s['residual']:g}" + (f"\nα = {s['alpha']:g}"
                              if s.get("alpha") else "")
                              for way, s in zip(ways[1:], settings, strict=True)])
axes[1].set_yticks(range(3), [])
plot.show(fig, "Test loss and error of three ways to spend twice the compute, minus one pass. "
               "R-Drop " + "; ".join(f"minus {way} {beside[way, 'loss']:.2f} nats and "
                           f"{beside[way, 'error']:.1f} points" for way in ways[1:3]),
          claims={
              "the-loss-is-undecided": beside["two passes", "loss"].sign == 0,
              "the-divergence-saves-no-errors": -0.5 < beside["two passes", "error"].mean
                  - study.half(runs("R-Drop", "error") - runs("two passes", "error")),
              "more-steps-save-errors": all(
                  plot.difference(runs(way, "error"), runs("twice the steps", "error")).sign > 0
                  for way in ways if way != "twice the steps")
                  and max(ways, key=lambda way: runs(way, "loss").mean()) == "twice the steps"})

# %% [markdown]
# Beside two plain passes, four seeds cannot tell whether the divergence lowers the
# loss;{{claim:the-loss-is-undecided}} it saves no errors.{{claim:the-divergence-saves-no-errors}}
# Spent on twice the steps, the same compute gives the fewest errors, and the highest
# loss.{{claim:more-steps-save-errors}} Liang et al. report gains on translation and language, most
# of all when large pretrained models are tuned, vision transformers among them.
#
# ## Explore: where dropout sits, and what each place does
#
# On the left the place that drops, in orange. In the middle the mask. On the right what 30 passes
# make of an image: dots are passes, a cross is evaluation.
#
# **Try**: at $p=0.2$, which place scatters the answers most, and which least? Is the order the same
# for other images, and at $p=0.6$?

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

# %% question="same_heads" points=1
# All four heads of an image send the same vector. By your head_dropout their sum:
#
# - [x] stays as it is, unless all four fall
# - [ ] is right on average, and scatters as under inverted dropout
# - [ ] falls by p
#
# Hint: k heads survive, and each is multiplied by 4 / k.

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
# - `F.scaled_dot_product_attention` drops whenever `dropout_p` is above 0, also after `eval()`.
#   {{claim:left-on-it-contradicts-itself}} The error rate hides much of it:
#   {{claim:the-error-hides-it}} send an input twice.
# - Tuned for each place, dropout lowered the test loss of all four networks.
#   {{claim:every-place-lowers-the-loss}} Fewer errors were not certain,
#   {{claim:no-place-surely-saves-errors}} and on average one number on the logits did more than
#   half as much as dropout on the embedding. {{claim:one-number-saves-half}}
# - Taking out a block is, on average, a disaster, {{claim:an-ordinary-network-misses-a-block}} and
#   a smaller one after LayerDrop. {{claim:layer-drop-makes-it-bearable}} Two blocks from the start
#   did better, {{claim:a-shallow-network-is-better}} but not visibly where the last was taken out.
#   {{claim:but-not-without-the-last}}
# - R-Drop's divergence saved no errors; {{claim:the-divergence-saves-no-errors}} twice the steps,
#   which cost as much, did. {{claim:more-steps-save-errors}}
#
# **Read.** Vaswani et al., *Attention is all you need* (NeurIPS 2017), §5.4: dropout on each
# branch before it is added, and on the sum of embeddings and positions. Zhou, Ge, Wei, Zhou and Xu,
# *Scheduled DropHead* (Findings of EMNLP 2020). Fan, Grave and Joulin, *Reducing transformer depth
# on demand with structured dropout* (ICLR 2020). Liang et al., *R-Drop* (NeurIPS 2021). Elhoushi et
# al., *LayerSkip* (ACL 2024): layers dropped, so that a language model may stop early. Gromov et
# al., *The unreasonable ineffectiveness of the deeper layers* (ICLR 2025): without LayerDrop.
#
# **Stretch.** Write `attention` so that it normalises each row again after dropping. Is its mean
# over masks still the output of evaluation?
#
# **Still open.** Must the noise be zeros at all? That is {{noise}}.
