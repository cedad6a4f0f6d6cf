# %% [markdown]
# # 3.2 · Sequences
#
# **What does a mask do to a network that remembers?**
#
# *{{minutes}} minutes. Before: {{pytorch}}. After, you will be able to drop units, words and
# updates in a recurrent network and bands in a spectrogram, and to say where a new mask at each
# step does harm.*
#
# | symbol | meaning |
# | --- | --- |
# | $x_t$, $h_t$, $c_t$ | input, state and cell of an LSTM at time step $t$ |
# | $T$, $B$, $F$ | time steps, batch, features: the axes of a sequence, in this order |
# | $H$ | size of $h_t$ and of $c_t$ |
# | $p$ | probability that something is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0 |

# %% setup=true
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import characters, check_probability, expect, explore, plot, studies
from dropoutlab.studies import sequences as study

torch.set_num_threads(1)  # products this small wait for each other's threads

# %% [markdown]
# ## Thirty coins in a row
#
# A recurrent network passes its state from one time step to the next. Take 1000 units that do
# nothing but remember. At each step, what they hold goes through inverted dropout with $p=0.1$.
# **Guess: if each step draws a new mask, how many of the 1000 units still hold anything after 30
# steps?**

# %% guess=true
my_guess = 500  # of 1000 units, after 30 steps with a new mask at each

# %% figure=true
# How many of 1000 units still hold something, with a new mask at each step and with one for all.
guess = expect.guess(my_guess)
h, alive = torch.ones(1000), [1000]
for _ in range(30):
    h = F.dropout(h, 0.1)
    alive.append(int((h != 0).sum()))
kept = int((torch.rand(1000) >= 0.1).sum())  # one mask: a unit that it keeps is kept at all steps
fig, (ax,) = plot.figure(1, width=6.5, height=2.8)
ax.plot(alive, color=plot.ORANGE)
ax.annotate("a new mask at each step", (8, alive[8]), xytext=(6, 6), textcoords="offset points",
            color=plot.ORANGE)
ax.plot([0, 1, 30], [1000, kept, kept], color=plot.BLUE)
ax.annotate("one mask for all steps", (12, kept), xytext=(0, 5), textcoords="offset points",
            color=plot.BLUE)
ax.plot(30, guess, "x", color=plot.INK, clip_on=False)
ax.annotate("your guess", (30, guess), xytext=(-8, 0), textcoords="offset points",
            ha="right", va="top" if guess > 500 else "center")
ax.set(xlabel="time step", ylabel="units that hold something", xlim=(0, 30), ylim=(0, 1080))
ax.set_title(f"After 30 new masks {alive[-1]} of 1000 are left, after one mask {kept}")
plot.show(fig, "How many of 1000 units hold something, step by step: with new masks "
               f"{alive[-1]} are left in the end, with one mask {kept}.",
          claims={"new-masks-erase": alive[-1] < 100 and kept > 800})

# %% [markdown]
# A unit survives $t$ new masks with probability $(1-p)^t$: 0.9 after one step and 0.04 after
# thirty. Gal and Ghahramani (2016), who read a mask as one draw of the weights, use *one* at all
# time steps. Does that matter in a real network?
#
# ### One question from {{pytorch}}
#
# `x` has shape (T, B, F), and `m` has shape (B, F). Which axis of `x * m` shares a mask?
#
# <details><summary>Answer</summary>
#
# The first. Shapes are compared from the right, so `m` is repeated over the axis that it lacks:
# time.
# </details>
#
# ## Exercise: `locked_dropout`
#
# The mask is locked in *time* only. Each sequence of the batch has a mask of its own, and each call
# draws new ones.

# %% exercise="locked_dropout"
def locked_dropout(x, p, generator=None, training=True):
    """Inverted dropout of sequences: m * x / (1 - p), with the same m at all time steps.

    x : tensor (T, B, F), floating, left as it is; m has an entry for each of the (B, F)
    p : probability of dropping, below 1 in training
    generator : torch.Generator, or None for torch's own
    Returns a tensor of x's shape and dtype; x in evaluation.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        return x.clone()
    coins = torch.rand(x.shape[1:], generator=generator, device=x.device)
    return x * (coins >= p) / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="locked_dropout"
# All but the shape of the mask is as in {{pytorch}}.

# %% [markdown] hint="locked_dropout"
# Which axis must the mask lack? `x.shape[1:]` leaves out the first.

# %% [markdown] hint="locked_dropout"
# A product of (T, B, F) with (B, F) repeats the second over the first axis by itself.

# %% check="locked_dropout" points=3
# One mask at all time steps; each sequence and each feature has a coin of its own.
with expect.case("locked_dropout(x, p, generator) on ones (3, 20, 60), 24 times for four p"):
    expect.coins(
        lambda p, generator: locked_dropout(torch.ones(3, 20, 60), p, generator),
        shared=0,
        axes=("time step", "sequence", "feature"),
        scale=lambda p: 1 / (1 - p),
        source=expect.generator,
        none=True,
    )

# %% check="locked_dropout" points=1
# In evaluation x comes back unchanged, and x itself is left alone.
x = torch.randn(4, 5, 6, generator=expect.generator())
before = x.clone()
for p in (0.6, 1.0):
    with expect.case(f"locked_dropout(x, p={p}, training=False)"):
        scaled = [(x / (1 - p), "evaluation scales too. Scale in training only."),
                  (x * (1 - p), "evaluation multiplies by 1 - p. Return x.")] if p < 1 else []
        expect.close(locked_dropout(x, p, None, False), x, hint="in evaluation return x.",
                     suspects=scaled)
with expect.case("x after locked_dropout(x, p=0.5)"):
    locked_dropout(x, 0.5)
    expect.unchanged(x, before)
with expect.case("locked_dropout(x, p=0.5), x 0 at the first step only"):
    out = locked_dropout(torch.cat([0 * x[:1], x[1:]]), 0.5, expect.generator())[1:]
    expect.equal(bool((out != 0).any()), True, hint="the mask is read off x, where a 0 need not "
                                                    "be dropped. Keep the coins apart from x.")
    expect.only(out / x[1:], (0, 2), rtol=1e-5, hint="what is kept is x / (1 - p).")

# %% check="locked_dropout" points=1
# The dtype stays, and a coarse one does not change the rate.
for dtype in (torch.float32, torch.float64, torch.bfloat16):
    with expect.case(f"locked_dropout(x, p=0.5) on ones, {dtype}"):
        expect.tensor(locked_dropout(torch.ones(2, 3, 4, dtype=dtype), 0.5), (2, 3, 4), dtype,
                      hint="the result has another dtype. A boolean mask keeps it.")
with expect.case("locked_dropout(x, p=0.01, generator) on 400 000 ones, torch.bfloat16"):
    x = torch.ones(1, 1000, 400, dtype=torch.bfloat16)
    expect.mean(locked_dropout(x, 0.01, expect.generator()) == 0, 0.01, of=(0, 1),
                hint="another share is dropped. If check 1 passes, the coins are bfloat16. "
                     "Draw in float32.")

# %% check="locked_dropout" points=1
# The gradient goes through the mask and the scale.
with expect.case("locked_dropout(x, p=0.5).sum().backward(); x.grad", crash=[
    ("does not require grad", "the result has no gradient: work with x itself, in torch."),
]):
    x = torch.ones(3, 4, 50, dtype=torch.float64, requires_grad=True)
    out = locked_dropout(x, 0.5)
    out.sum().backward()
    expect.close(x.grad, out.detach(), hint="the gradient is not the mask with its scale.")
    expect.some(out == 0, "a dropped entry", hint="nothing is dropped. Mend that first.")

# %% mistakes="locked_dropout"
{
    "each time step has a coin of its own": ("x.shape[1:]", "x.shape"),
    "every sequence has the same mask": ("x.shape[1:]", "x.shape[2:]"),
    "every feature has the same mask": ("x.shape[1:]", "(x.shape[1], 1)"),
    "not scaled": (" / (1 - p)", ""),
    "divided by p. Divide": ("/ (1 - p)", "/ p"),
    "multiplied by 1 - p. Divide": ("/ (1 - p)", "* (1 - p)"),
    "p is swapped": (">= p", "< p"),
    "taken for the probability of keeping throughout": (">= p) / (1 - p)", "< p) / p"),
    "an exact number is dropped for each call and sequence":
        ("coins >= p", "coins.argsort(-1) >= round(p * x.shape[-1])"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("coins =", "generator = generator or torch.Generator()\n    coins ="),
    "evaluation scales too": ("x.clone()", "x / (1 - p)"),
    "evaluation multiplies by 1 - p": ("x.clone()", "x * (1 - p)"),
    "in evaluation return x": ("if not training", "if p == 0"),
    "the mask is read off x": ("(coins >= p)", "(x[0] * (coins >= p) != 0)"),
    "writes into its input": ("return x * (coins >= p) / (1 - p)",
                              "x.data *= (coins >= p) / (1 - p)\n    return 1 * x"),
    "another dtype": ("(coins >= p)", "(coins >= p).float()"),
    "Draw in float32": ("device=x.device", "dtype=x.dtype, device=x.device"),
    "the result has no gradient": ("return x *", "return x.detach() *"),
    "not the mask with its scale": ("return x *", "return x - x.detach() + x.detach() *"),
}

# %% correct="locked_dropout"
def locked_dropout(x, p, generator=None, training=True):
    mask = torch.ones_like(x[:1])
    if training:
        mask = torch.empty(mask.shape).bernoulli_(1 - p, generator=generator).to(x) / (1 - p)
    return mask * x

# %% [markdown]
# ## Whole words
#
# A text enters a network as numbers, its *tokens*. Each token picks a row of a table, its
# *embedding*. Gal and Ghahramani drop whole rows: a word is there or it is not, wherever it occurs.
# Like Merity et al. (2018), use one mask for the whole batch.
#
# With a coin for each *place* in the text, a word that is dropped on one line could still be read
# on the next.
#
# ## Exercise: `embedding_dropout`

# %% exercise="embedding_dropout"
def embedding_dropout(weight, tokens, p, generator=None, training=True):
    """The rows weight[tokens], with whole words dropped: m[v] * weight[v] / (1 - p) for word v.

    weight : tensor (V, D), one row for each word, left as it is
    tokens : integer tensor of any shape, each entry in 0 … V - 1
    p : probability that a word is dropped, below 1
    generator : torch.Generator, or None for torch's own
    Returns a tensor (*tokens.shape, D) of weight's dtype; weight[tokens] in evaluation.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        return weight[tokens]
    kept = torch.rand(len(weight), 1, generator=generator, device=weight.device) >= p
    return (kept * weight / (1 - p))[tokens]
    ### END SOLUTION

# %% [markdown] hint="embedding_dropout"
# Without dropout the answer is `weight[tokens]`. Which of `weight` and `tokens` has one row for
# each word?

# %% [markdown] hint="embedding_dropout"
# Drop rows of the table, and look the tokens up in what is left.

# %% [markdown] hint="embedding_dropout"
# A mask of shape (V, 1) meets a table of shape (V, D): one coin for each row.

# %% check="embedding_dropout" points=1
# What is left of a word is weight / (1 - p), and of a dropped one zeros.
table = torch.ones(4001, 1, dtype=torch.float64)
table[0] = 7
with expect.case("embedding_dropout(weight, tokens, p=0.3) on 4000 words whose vector is 1"):
    out = embedding_dropout(table, torch.arange(1, 4001), 0.3, expect.generator())
    expect.tensor(out, (4000, 1), torch.float64, hint="return a row for each token, of weight's "
                  "dtype.")
    expect.only(out, (0, 1 / 0.7), rtol=1e-6, hint="what is left of a word is weight / (1 - p).",
                suspects=[(1, "the survivors are not scaled. Divide them by 1 - p."),
                          (7, "a dropped word becomes word 0. Its vector should be zeros."),
                          (7 / 0.7, "a dropped word becomes word 0. Its vector should be zeros.")])

# %% check="embedding_dropout" points=3
# Whole words are dropped, the same ones everywhere, each by a coin of its own.
places = torch.rand(3, 2, 200, generator=expect.generator()).argsort(-1)  # six texts of all words
order = places.argsort(-1)[..., None].expand(3, 2, 200, 4)  # where each word stands in its text
with expect.case("embedding_dropout(weight, tokens, p, generator), 200 words at 6 places each"):
    expect.coins(
        lambda p, generator: embedding_dropout(
            torch.ones(200, 4), places.clone(), p, generator).gather(2, order),
        shared=(0, 1, 3),
        axes=("sequence", "place", "word", "feature"),
        scale=lambda p: 1 / (1 - p),
        source=expect.generator,
        none=True,
    )
with expect.case("embedding_dropout(weight, tokens, 0.5, generator), three equal texts"):
    places = torch.arange(200)[:, None].repeat(1, 3)
    out = embedding_dropout(torch.ones(200, 4), places, 0.5, expect.generator())
    expect.equal(out, out[:, :1].expand(200, 3, 4),
                 hint="each text has a mask of its own. One mask serves the whole batch.")

# %% check="embedding_dropout" points=1
# In evaluation each row comes as it is, and the table is left alone.
table = torch.randn(30, 4, generator=expect.generator())
before, places = table.clone(), torch.arange(30).view(5, 6)
with expect.case("weight after embedding_dropout(weight, tokens, p=0.5)"):
    embedding_dropout(table, torch.arange(30), 0.5)
    expect.unchanged(table, before, hint="the table itself loses its words. Work on a new one.")
with expect.case("embedding_dropout(weight, tokens, p=0.5, training=False)"):
    expect.close(embedding_dropout(table, places, 0.5, None, False), table[places],
                 hint="in evaluation each row comes as it is.",
                 suspects=[(2 * table[places], "evaluation scales too. Scale in training only.")])

# %% check="embedding_dropout" points=1
# The gradient reaches the words that are left; tokens of any shape work.
with expect.case("embedding_dropout(weight, tokens, 0.5).sum().backward(); weight.grad", crash=[
    ("does not require grad", "the result has no gradient: work with weight itself, in torch."),
]):
    table = torch.ones(40, 3, dtype=torch.float64, requires_grad=True)
    out = embedding_dropout(table, torch.arange(40), 0.5)
    expect.varies(out.detach()[:, 0], chance=2 * 0.5**40, what="some words dropped, some kept",
                  hint="all words are kept, or all are dropped.")
    out.sum().backward()
    expect.close(table.grad, out.detach(), hint="the gradient is not the mask with its scale.")
with expect.case("embedding_dropout(weight, tokens, 0.5) of a single token"):
    expect.tensor(embedding_dropout(torch.ones(9, 3), torch.tensor(4), 0.5), (3,), torch.float32,
                  hint="tokens of any shape must work, and weight's dtype stays.")
with expect.case("embedding_dropout(weight, tokens, p=0.01) on a million words, torch.bfloat16"):
    out = embedding_dropout(torch.ones(10**6, 1, dtype=torch.bfloat16), torch.arange(10**6), 0.01,
                            expect.generator())
    expect.tensor(out, (10**6, 1), torch.bfloat16, hint="return weight's dtype.")
    expect.mean(out == 0, 0.01, of=(0, 1),
                hint="another share is dropped. If check 1 passes, the coins are bfloat16. "
                     "Draw in float32.")

# %% mistakes="embedding_dropout"
{
    "the result has no gradient": ("kept * weight", "kept * weight.detach()"),
    "each feature has a coin of its own": ("len(weight), 1,", "*weight.shape,"),
    "each place has a coin of its own":
        ("kept * weight / (1 - p))[tokens]", "weight / (1 - p))[tokens] * "
         "(torch.rand(tokens.shape, generator=generator) >= p)[..., None]"),
    "every word has the same mask": ("len(weight), 1,", "1, 1,"),
    "not scaled": (" / (1 - p)", ""),
    "what is left of a word": (" / (1 - p)", " / p"),
    "becomes word 0": ("(kept * weight / (1 - p))[tokens]",
                       "(weight / (1 - p))[tokens * kept[tokens][..., 0]]"),
    "p is swapped": (">= p", "< p"),
    "an exact number is dropped at each call":
        ("torch.rand(len(weight), 1, generator=generator, device=weight.device) >= p",
         "(torch.randperm(len(weight), generator=generator) >= p * len(weight))[:, None]"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("kept = ", "generator = generator or torch.Generator()\n    kept = "),
    "the table itself loses its words": ("return (kept * weight",
                                         "weight.data *= kept\n    return (kept * weight"),
    "each row comes as it is": ("if not training", "if p == 0"),
    "evaluation scales too": ("return weight[tokens]", "return weight[tokens] / (1 - p)"),
    "not the mask with its scale": ("kept * weight / (1 - p)",
                                    "kept * weight.detach() / (1 - p) + 0 * weight"),
    "tokens of any shape": (")[tokens]", ")[torch.atleast_1d(tokens)]"),
}

# %% mistake="embedding_dropout" says="each text has a mask of its own"
def embedding_dropout(weight, tokens, p, generator=None, training=True):
    if not training:
        return weight[tokens]
    texts = tokens.shape[1] if tokens.dim() == 2 else 1
    kept = torch.rand(len(weight), texts, generator=generator) >= p
    return weight[tokens] * kept[tokens, torch.arange(texts)][..., None] / (1 - p)

# %% mistake="embedding_dropout" says="each place has a coin of its own, where one"
def embedding_dropout(weight, tokens, p, generator=None, training=True):
    if not training:
        return weight[tokens]
    kept = torch.rand(tokens.shape[-1:], generator=generator) >= p  # the place's, not the word's
    return weight[tokens] * kept[..., None] / (1 - p)

# %% correct="embedding_dropout"
def embedding_dropout(weight, tokens, p, generator=None, training=True):
    if not training:
        return F.embedding(tokens, weight)
    occurring, back = tokens.unique(return_inverse=True)
    kept = torch.full((len(occurring),), 1.0 - p).bernoulli(generator=generator) > 0
    rows = weight[occurring] / (1 - p)
    return torch.where(kept[:, None], rows, torch.zeros_like(rows))[back]

# %% [markdown]
# ## A network that remembers
#
# An LSTM has two states. At each step four *gates* read $x_t$ and $h_{t-1}$. The *cell* keeps a
# share $\sigma(f)$ (a sigmoid) of its value and adds something new:
#
# $$ (i, f, g, o) = U x_t + V h_{t-1} + b, \qquad
#    c_t = \sigma(f)\, c_{t-1} + \sigma(i) \tanh(g), \qquad h_t = \sigma(o) \tanh(c_t). $$
#
# Here is `nn.LSTM` with its time steps written out. It inherits the parameters and their names
# (`weight_ih_l0` is $U$, `weight_hh_l0` is $V$, and $b$ is the sum of two), so either can load the
# other's weights.

# %% setup=true
class PlainLSTM(nn.LSTM):
    """`nn.LSTM(input_size, hidden_size)`, whose time steps you can reach."""

    def step(self, x_t, h, c):
        """One time step: x_t (B, F), h and c (B, H); returns the new h and c."""
        gates = F.linear(x_t, self.weight_ih_l0, self.bias_ih_l0)
        gates = gates + F.linear(h, self.weight_hh_l0, self.bias_hh_l0)
        i, f, g, o = gates.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def begin(self, x, state=None):
        """The first h and c, each (B, H): those of `state`, (1, B, H) each, or zeros."""
        zeros = x.new_zeros(1, x.shape[1], self.hidden_size)
        return tuple(each[0] for each in state or (zeros, zeros))

    def forward(self, x, state=None):
        """x (T, B, F); state (h, c), each (1, B, H), or None for zeros.

        Returns all h_t, (T, B, H), and the last state (h, c), each (1, B, H).
        """
        (h, c), outputs = self.begin(x, state), []
        for x_t in x:
            h, c = self.step(x_t, h, c)
            outputs.append(h)
        return torch.stack(outputs), (h[None], c[None])

# %%
theirs, ours = nn.LSTM(5, 8), PlainLSTM(5, 8)
ours.load_state_dict(theirs.state_dict())
x = torch.randn(20, 3, 5)
print("largest difference:", (theirs(x)[0] - ours(x)[0]).abs().max().item())

# %% [markdown]
# ## Exercise: `VariationalLSTM`
#
# Gal and Ghahramani mask what the gates *read*: $m_x \odot x_t$ and $m_h \odot h_{t-1}$, with the
# same $m_x$ and $m_h$ at all steps of a sequence. The output of the layer and the cell are not
# masked.

# %% exercise="VariationalLSTM"
class VariationalLSTM(PlainLSTM):
    """An LSTM whose gates read m_x * x_t / (1 - p) and m_h * h_{t-1} / (1 - p) in training.

    m_x (B, F) and m_h (B, H) are drawn anew in each call and hold for all its time steps; all
    four gates share these two. In evaluation, and at p = 0, it is nn.LSTM.

    p : probability of dropping
    Parameters, input and what it returns are those of PlainLSTM; the coins are torch's own.
    """

    def __init__(self, input_size, hidden_size, p):
        check_probability(p)
        ### BEGIN SOLUTION
        super().__init__(input_size, hidden_size)
        self.p = p
        ### END SOLUTION

    def forward(self, x, state=None):
        ### BEGIN SOLUTION
        h, c = self.begin(x, state)
        m_x = F.dropout(torch.ones_like(x[0]), self.p, self.training)
        m_h = F.dropout(torch.ones_like(h), self.p, self.training)
        every = []
        for x_t in x * m_x:
            h, c = self.step(x_t, m_h * h, c)
            every.append(h)
        return torch.stack(every), (h[None], c[None])
        ### END SOLUTION

# %% [markdown] hint="VariationalLSTM"
# `__init__` hands two sizes to `super().__init__` and keeps p. `forward` begins as that of
# `PlainLSTM` does, with two masks drawn before the loop.

# %% [markdown] hint="VariationalLSTM"
# `F.dropout(ones, self.p, self.training)` of a tensor of ones is a mask with its scale already in
# it, and all ones in evaluation. Which shapes do the two have?

# %% [markdown] hint="VariationalLSTM"
# Inside the loop only the *arguments* of `self.step` change: two products. What `step` returns
# goes on untouched.

# %% [markdown]
# To see what the layer remembers, set its weights by hand. Each unit now copies what the gates read
# of its own $h_{t-1}$, and all units begin at ½. A unit that is dropped once has lost its memory.

# %%
def pure_memory(layer):
    """Let each unit copy what is read of its own h: i and o open, f closed, g = h_{t-1}."""
    n = layer.hidden_size
    state = {name: torch.zeros_like(v) for name, v in layer.state_dict().items()}
    state["bias_ih_l0"] = torch.tensor([50.0, -50, 0, 50]).repeat_interleave(n)
    state["weight_hh_l0"][2 * n : 3 * n] = torch.eye(n)
    layer.load_state_dict(state)
    return layer


class NewMasks(PlainLSTM):
    def step(self, x_t, h, c):
        return super().step(x_t, F.dropout(h, 0.1), c)


start = torch.full((1, 1, 30), 0.5), torch.zeros(1, 1, 30)
fig, axes = plot.figure(2, height=3.6)
for ax, layer, title in ((axes[0], NewMasks(1, 30), "New masks on h"),
                         (axes[1], VariationalLSTM(1, 30, 0.1), "Your VariationalLSTM")):
    with torch.no_grad():
        out, _ = pure_memory(layer)(torch.zeros(30, 1, 1), start)
    holds = out[:, 0].T > 1e-6  # a closed gate is open by 1e-22
    plot.mask(holds.numpy(), ax)
    ax.set(xlabel="time step 1 to 30", ylabel="unit",
           title=f"{title}: {int(holds[:, -1].sum())} of 30 left")
plot.show(fig, "Which of 30 units hold something at each of 30 steps, with new masks and yours.")

# %% check="VariationalLSTM" points=2
# With p = 0, and in evaluation, it is nn.LSTM: outputs, states, gradients.
gen = expect.generator()
known = nn.LSTM(5, 8).double()
x = torch.randn(12, 4, 5, generator=gen, dtype=torch.float64)
begin = tuple(torch.randn(1, 4, 8, generator=gen, dtype=torch.float64) for _ in range(2))
weights = dict(known.state_dict())
for p, training in ((0.0, True), (0.4, False)):
    off = "" if training else "in evaluation nothing is dropped, nothing scaled: "
    for words, given in (("", (x,)), (", state", (x, begin))):
        with expect.case(f"VariationalLSTM(5, 8, p={p}), training={training}, on (x{words})",
                         crash=[("state_dict", "the layer has other parameters or buffers than "
                                               "PlainLSTM. Masks are no part of its state: draw "
                                               "them in forward."),
                                ("size|match|shape", "m_x has F entries and m_h has H, while a "
                                                     "state that is given is (1, B, H).")]):
            layer = VariationalLSTM(5, 8, p).double().train(training)
            layer.load_state_dict(weights)
            out, (h, c) = layer(x.clone(), *(tuple(s.clone() for s in pair) for pair in given[1:]))
            right, (right_h, right_c) = known(*given)
            expect.close(out, right.detach(), rtol=1e-6, atol=1e-6,
                         hint=off + "the outputs should be those of nn.LSTM.")
            expect.close(h, right_h.detach(), rtol=1e-6, atol=1e-6,
                         hint="the last h should be that of nn.LSTM, of shape (1, B, H).")
            expect.close(c, right_c.detach(), rtol=1e-6, atol=1e-6,
                         hint="the last c should be that of nn.LSTM, of shape (1, B, H).")
for p in (0.0, 1e-12):
    with expect.case(f"out.sum().backward() with p = {p:g}, in training: the gradient of x, h, c",
                     crash=[("in-?place", "x or h is changed in place, and h_t is an output. "
                                          "Write m_x * x_t and m_h * h, which are new.")]):
        ours, theirs = ([each.clone().requires_grad_() for each in (x, *begin)] for _ in range(2))
        layer = VariationalLSTM(5, 8, p).double()
        layer.load_state_dict(weights)
        layer(ours[0], tuple(ours[1:]))[0].sum().backward()
        known(theirs[0], tuple(theirs[1:]))[0].sum().backward()
        for mine, right in zip(ours, theirs, strict=True):
            expect.equal(mine.grad is None, False, hint="no gradient comes. Is something detached?")
            expect.close(mine.grad, right.grad, rtol=1e-6, atol=1e-6,
                         hint="the gradient is lost on its way. Is something detached?")

# %% check="VariationalLSTM" points=1
# In training the cell and the output are not masked: masks act on what the gates read.
n = 50
with expect.case("VariationalLSTM(50, 50, p=0.4) whose gates only keep: c stays 1"):
    layer = VariationalLSTM(n, n, 0.4).double()
    state = {name: torch.zeros_like(v) for name, v in nn.LSTM(n, n).double().state_dict().items()}
    state["bias_ih_l0"] = torch.tensor([-50.0, 50, 0, 50]).repeat_interleave(n).double()
    layer.load_state_dict(state)
    x = torch.zeros(6, 30, n, dtype=torch.float64)
    begin = (x[:1], x[:1] + 1)
    out, (h, c) = layer(x, begin)
    expect.close(c, x[:1] + 1, rtol=1e-6,
                 hint="the cell is masked, or a gate is. Only what the gates read may be.")
    expect.close(out, (x + 1).tanh(), rtol=1e-6,
                 hint="h_t itself is masked, so the output is. Mask only what the gates read.")

# %% check="VariationalLSTM" points=2
# The gates read x through one mask for all time steps, scaled, the same for all four of them.


def listening(p, n):
    """A layer whose g reads x as it is, and whose i opens if it reads any of x."""
    layer = VariationalLSTM(n, n, p).double()
    state = {name: torch.zeros_like(v) for name, v in nn.LSTM(n, n).double().state_dict().items()}
    state["bias_ih_l0"] = torch.tensor([-50.0, -50, 0, 50]).repeat_interleave(n).double()
    state["weight_ih_l0"][2 * n : 3 * n] = torch.eye(n)
    state["weight_ih_l0"][:n] = 200 * torch.eye(n)
    layer.load_state_dict(state)
    return layer


with expect.case("VariationalLSTM(50, 50, p=0.3) whose gates read only x, which is ½"):
    layer, x = listening(0.3, 50), torch.full((8, 40, 50), 0.5, dtype=torch.float64)
    out = layer(x)[0].detach()
    heard, found = out.atanh().atanh(), (out.abs() > 1e-9).double()
    expect.equal(bool(heard.isfinite().all()), True,
                 hint="h_t itself is masked and scaled. Mask only what the gates read.")
    expect.equal(found, found[:1].expand(8, 40, 50),
                 hint="the mask on x changes from one time step to the next, or the outputs are "
                      "masked in place. Draw it before the loop, and change nothing in place.")
    expect.varies(found.ravel(), chance=1e-300, what="some of x read, some not",
                  hint="x is not masked.")
    expect.only(heard * found, (0, 0.5 / 0.7), rtol=1e-6,
                hint="the gates should read m_x * x_t / (1 - p).",
                suspects=[(0.5, "what is read is not scaled. Divide it by 1 - p.")])
    again = layer(x)[0].detach()
    expect.varies([found[0], (again[0].abs() > 1e-9).double()], chance=1e-300,
                  what="new masks in a new call",
                  hint="the masks are drawn once and kept. Draw them at each call.")
with expect.case("VariationalLSTM(60, 60, p) whose gates read only x, 24 times for four p"):
    expect.coins(
        lambda p, _: listening(p, 60)(torch.full((1, 20, 60), 0.5).double())[0][0].detach() > 1e-9,
        axes=("sequence", "feature"),
        source=lambda: None,
        suspects=[(lambda p: 1 - (1 - p) ** 2,
                   "each gate has masks of its own. All four should share m_x and m_h.")],
    )

# %% check="VariationalLSTM" points=2
# The gates read h through one mask: a unit keeps its memory or loses it at once.
def remembering(p, n):
    """A layer whose g reads h as it is, and whose i opens if it reads any of h."""
    layer = VariationalLSTM(n, n, p).double()
    state = {name: torch.zeros_like(v) for name, v in nn.LSTM(n, n).double().state_dict().items()}
    state["bias_ih_l0"] = torch.tensor([-50.0, -50, 0, 50]).repeat_interleave(n).double()
    state["weight_hh_l0"][2 * n : 3 * n] = torch.eye(n)
    state["weight_hh_l0"][:n] = 400 * torch.eye(n)
    layer.load_state_dict(state)
    return layer


with expect.case("VariationalLSTM(50, 50, p=0.3) whose gates read only h, which begins at ½"):
    layer, x = remembering(0.3, 50), torch.zeros(8, 40, 50, dtype=torch.float64)
    out = layer(x, (x[:1] + 0.5, x[:1]))[0].detach()
    alive = (out.abs() > 1e-9).double()
    heard = out[0].atanh().atanh()
    expect.varies([alive[0], torch.ones(40, 50).double()], chance=1e-300, what="h with a mask",
                  hint="h is not masked, or not from the first step on. Mask what the gates read.")
    expect.equal(alive, alive[:1].expand(8, 40, 50),
                 hint="the mask on h changes from step to step, and wears the memory down. Draw "
                      "it before the loop.")
    expect.only(heard * alive[0], (0, 0.5 / 0.7), rtol=1e-6,
                hint="the gates should read m_h * h / (1 - p).",
                suspects=[(0.5, "what is read of h is not scaled. Divide it by 1 - p.")])
    before, after = out[:-1][alive[1:] > 0], out[1:][alive[1:] > 0]
    expect.only(after.atanh().atanh() / before, (1 / 0.7,), rtol=1e-6,
                hint="at each later step too, the gates should read m_h * h / (1 - p).",
                suspects=[(1, "only the first h is masked. Mask what the gates read at each step, "
                              "in the loop.")])
    again = layer(x, (x[:1] + 0.5, x[:1]))[0].detach()
    expect.varies([alive[0], (again[0].abs() > 1e-9).double()], chance=1e-300,
                  what="new masks in a new call",
                  hint="the masks are drawn once and kept. Draw them at each call.")
with expect.case("VariationalLSTM(60, 60, p) whose gates read only h, 24 times for four p"):
    x = torch.zeros(1, 20, 60, dtype=torch.float64)
    expect.coins(
        lambda p, _: remembering(p, 60)(x, (x + 0.5, x))[0][0].detach() > 1e-9,
        axes=("sequence", "unit"),
        source=lambda: None,
        suspects=[(lambda p: 1 - (1 - p) ** 2,
                   "each gate has masks of its own. All four should share m_x and m_h.")],
    )

# %% check="VariationalLSTM" points=1
# x and h have masks of their own, each of its own size.
n = 60
with expect.case("VariationalLSTM(60, 60, p=0.4): half of the units read x, half read h"):
    layer = VariationalLSTM(n, n, 0.4).double()
    state = {name: torch.zeros_like(v) for name, v in nn.LSTM(n, n).double().state_dict().items()}
    state["bias_ih_l0"] = torch.tensor([50.0, -50, 0, 50]).repeat_interleave(n).double()
    state["weight_ih_l0"][2 * n : 2 * n + 30, :30] = torch.eye(30)
    state["weight_hh_l0"][2 * n + 30 : 3 * n, :30] = torch.eye(30)
    layer.load_state_dict(state)
    x = torch.full((1, 40, n), 0.5, dtype=torch.float64)
    heard = (layer(x.clone(), (x.clone(), 0 * x))[0][0].detach().abs() > 1e-9).double()
    expect.varies([heard[:, :30], heard[:, 30:]], chance=1e-300, what="two different masks",
                  hint="one mask serves x and h. Draw m_x and m_h.")
with expect.case("VariationalLSTM(60, 60, p=0.4): each unit reads two entries of x, each ½"):
    state["weight_hh_l0"] *= 0
    state["weight_ih_l0"][2 * n : 3 * n] = torch.eye(n) + torch.eye(n).roll(1, 1)
    layer.load_state_dict(state)
    heard = layer(x)[0][0].detach().atanh().atanh().round(decimals=6)
    expect.equal(bool(heard.isfinite().all()), True,
                 hint="h_t itself is masked and scaled. Mask only what the gates read.")
    expect.only(heard, (0, 0.5 / 0.6, 1 / 0.6), rtol=1e-5, hint="two entries read at ½ / (1 - p).")
    expect.equal(len(heard.unique()), 3, hint="what a gate adds up is masked as a whole. Mask what "
                                              "it reads, entry by entry.")
with expect.case("VariationalLSTM(3, 7, p=0.5) on x of shape (4, 2, 3)"):
    out, (h, c) = VariationalLSTM(3, 7, 0.5)(torch.ones(4, 2, 3))
    expect.tensor(out, (4, 2, 7), torch.float32, hint="return all h_t, of shape (T, B, H).")
    expect.close(h[0], out[-1].detach(), rtol=1e-6, hint="the last h is the last output.")
with expect.case("VariationalLSTM(3, 7, p=0.5), called in training and then in evaluation"):
    layer, known, x = VariationalLSTM(3, 7, 0.5), nn.LSTM(3, 7), torch.ones(4, 2, 3)
    known.load_state_dict(layer.state_dict())
    layer(x.clone())
    expect.close(layer.eval()(x.clone())[0], known(x)[0].detach(), rtol=1e-4, atol=1e-5,
                 hint="after a call in training, evaluation still drops. Are that call's masks "
                      "kept, and used again?")

# %% mistakes="VariationalLSTM"
{
    "the mask on x changes": ("x * m_x", "F.dropout(x, self.p, self.training)"),
    "wears the memory down": ("m_h * h, c)", "F.dropout(h, self.p, self.training), c)"),
    "h is not masked": ("m_h * h", "h"),
    "x is not masked": ("x * m_x", "x"),
    "h_t itself is masked": ("every.append(h)", "h = m_h * h\n            every.append(h)"),
    "the cell is masked": ("m_h * h, c)", "m_h * h, m_h * c)"),
    "every sequence has the same mask": ("torch.ones_like(x[0])", "torch.ones_like(x[0, :1])"),
    "drawn once and kept": ("in x * m_x", 'in x * self.__dict__.setdefault("m_x", m_x)'),
    "in evaluation nothing is dropped, nothing scaled":
        ("ones_like(h), self.p, self.training", "ones_like(h), self.p"),
    "what is read is not scaled": ("x * m_x", "x * (m_x != 0)"),
    "what is read of h is not scaled": ("m_h * h", "(m_h != 0) * h"),
    "should be those of nn.LSTM": ("self.begin(x, state)", "self.begin(x)"),
    "m_x has F entries": ("torch.ones_like(h)", "torch.ones_like(x[0])"),
    "one mask serves x and h": ("m_h = F.dropout(torch.ones_like(h), self.p, self.training)",
        "m_h = m_x if m_x.shape == h.shape else F.dropout(0 * h + 1, self.p, self.training)"),
    "Is something detached?": ("in x * m_x", "in x.detach() * m_x + 0 * x"),
}

# %% mistake="VariationalLSTM" says="is changed in place"
class VariationalLSTM(PlainLSTM):
    def __init__(self, input_size, hidden_size, p):
        super().__init__(input_size, hidden_size)
        self.drop = nn.Dropout(p)

    def forward(self, x, state=None):
        h, c = self.begin(x, state)
        m_x, m_h = (self.drop(torch.ones_like(like)) for like in (x[0], h))
        every = []
        for x_t in x:
            h *= m_h
            h, c = self.step(m_x * x_t, h, c)
            every.append(h)
        return torch.stack(every), (h[None], c[None])

# %% mistake="VariationalLSTM" says="only the first h is masked"
class VariationalLSTM(PlainLSTM):
    def __init__(self, input_size, hidden_size, p):
        super().__init__(input_size, hidden_size)
        self.p = p

    def forward(self, x, state=None):
        h, c = self.begin(x, state)
        x = x * F.dropout(torch.ones_like(x[0]), self.p, self.training)
        h = F.dropout(h, self.p, self.training)
        return super().forward(x, (h[None], c[None]))


# %% mistake="VariationalLSTM" says="evaluation still drops"
class VariationalLSTM(PlainLSTM):
    def __init__(self, input_size, hidden_size, p):
        super().__init__(input_size, hidden_size)
        self.p, self.m_x, self.m_h = p, 1.0, 1.0

    def step(self, x_t, h, c):
        return super().step(self.m_x * x_t, self.m_h * h, c)

    def forward(self, x, state=None):
        if self.training:
            self.m_x = F.dropout(torch.ones_like(x[0]), self.p)
            self.m_h = F.dropout(x.new_ones(x.shape[1], self.hidden_size), self.p)
        return super().forward(x, state)


# %% mistake="VariationalLSTM" says="Masks are no part of its state"
class VariationalLSTM(PlainLSTM):
    def __init__(self, input_size, hidden_size, p):
        super().__init__(input_size, hidden_size)
        self.register_buffer("m_x", F.dropout(torch.ones(input_size), p))
        self.register_buffer("m_h", F.dropout(torch.ones(hidden_size), p))

    def step(self, x_t, h, c):
        return super().step(self.m_x * x_t, self.m_h * h, c)

# %% mistake="VariationalLSTM" says="each gate has masks of its own"
class VariationalLSTM(PlainLSTM):
    def __init__(self, input_size, hidden_size, p):
        super().__init__(input_size, hidden_size)
        self.p = p

    def forward(self, x, state=None):
        self.masks = [F.dropout(x.new_ones(x.shape[1], 4, 1, size), self.p, self.training)
                      for size in (self.input_size, self.hidden_size)]
        return super().forward(x, state)

    def step(self, x_t, h, c):
        W, V = (w.view(4, -1, w.shape[1]) for w in (self.weight_ih_l0, self.weight_hh_l0))
        m_x, m_h = self.masks
        gates = ((W * m_x) @ x_t[:, None, :, None] + (V * m_h) @ h[:, None, :, None])[..., 0]
        gates = gates + (self.bias_ih_l0 + self.bias_hh_l0).view(4, -1)
        i, f, g, o = gates.unbind(1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

# %% correct="VariationalLSTM"
class VariationalLSTM(nn.Module):
    def __init__(self, input_size, hidden_size, p):
        super().__init__()
        for name, value in nn.LSTM(input_size, hidden_size).named_parameters():
            self.register_parameter(name, nn.Parameter(value.detach().clone()))
        self.drop, self.size = nn.Dropout(p), hidden_size

    def forward(self, x, state=None):
        batch = x.shape[1]
        heard = self.drop(torch.ones(1, batch, x.shape[2], dtype=x.dtype)) * x
        gates = heard @ self.weight_ih_l0.T + self.bias_ih_l0 + self.bias_hh_l0
        zeros = torch.zeros(1, batch, self.size, dtype=x.dtype)
        h, c = state or (zeros, zeros)
        mask, every = self.drop(zeros + 1), []
        for gate in gates.split(1):
            i, f, g, o = (gate + (mask * h) @ self.weight_hh_l0.T).split(self.size, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            every.append(h)
        return torch.cat(every), (h, c)

# %% [markdown]
# ## Fresh or locked: does it matter?
#
# Now LSTMs of 32 units learn to predict the next character of this course's text, from 8000
# characters. *In and out* drops the LSTM's input and output; *x and h* drops what the gates read.
# With locked masks the latter is your `VariationalLSTM`. *Whole characters* is your
# `embedding_dropout`. For each way, $p$ and learning rate were chosen on validation text, as was
# the moment to stop. Then five new networks each were tested once (`dropoutlab.studies.sequences`).
#
# All were trained side by side, by a fast copy of your class. Does it do the same?

# %%
torch.manual_seed(0)
ways = study.text_ways(0.2)
fast = characters.LSTMs([ways["variational, x and h"]], 60, characters.UNITS, 1, forget=1)
with torch.no_grad():
    for name in "UVW":
        fast.weights[name] *= 3  # so that masks matter
yours = characters.Alone(fast, 0, VariationalLSTM(characters.UNITS, characters.UNITS, 0.2))
tokens = torch.randint(60, (33, 16))
with torch.no_grad():
    apart = (fast.logits(tokens, False)[0] - yours.eval()(tokens)).abs().max().item()
    yours.train()
    loss = [[F.cross_entropy(net(tokens[:-1]).flatten(0, 1), tokens[1:].flatten()).item()
             for _ in range(100)] for net in (yours, lambda part: fast.logits(part, True)[0])]
print(f"evaluation: logits differ by {apart:.1g} at most")
print(f"100 training losses, yours − the copy's: {plot.difference(*loss):.3f} nats")

# %% [markdown]
# **Guess: how many bits per character do locked masks save, compared with fresh ones, on the
# LSTM's input and output?**

# %% guess=true
my_guess = 0.1  # bits per character saved by locking the masks on input and output

# %% figure=true
# Test bits per character of six ways to drop, five networks each, and locked minus fresh.
guess = expect.guess(my_guess)
tested = studies.kept("sequences")["text"]
fig, (left, right) = plot.figure(2, width=9.5, height=3)
for row, (way, cell) in enumerate(tested.items()):
    bits = cell["test"]
    color = plot.GREY if not row else plot.ORANGE if "fresh" in way else plot.BLUE
    left.plot(bits, [row] * len(bits), ".", color=color, alpha=0.4)
    left.errorbar(sum(bits) / len(bits), row, xerr=plot.standard_error(bits), marker="o",
                  color=color, capsize=3)
left.set_yticks(range(len(tested)), [
    f"{way}: p = {cell['p']:g}" if row else way for row, (way, cell) in enumerate(tested.items())])
left.set(xlabel="test bits per character (five networks, mean ± s.e.)", ylim=(5.6, -0.5))
gains = {way: plot.difference(cell["test"], tested["no dropout"]["test"])
         for way, cell in tested.items()}
pairs = {"in and out": ("locked, in and out", "fresh, in and out"),
         "x and h": ("variational, x and h", "fresh, x and h")}
small = {way: min(sum(cell["validation"]) / 2 for cell in cells if cell["rate"] == 0.005)
         for way, cells in studies.kept("sequences")["text tuning"].items()}
locking = {}
for row, (place, (lock, free)) in enumerate(pairs.items()):
    runs = [a - b for a, b in zip(tested[lock]["test"], tested[free]["test"], strict=True)]
    gap = locking[place] = plot.difference(runs)
    right.plot(runs, [row] * len(runs), ".", color=plot.BLUE, alpha=0.4)
    right.errorbar(gap.mean, row, xerr=2.78 * gap.error, marker="o", color=plot.BLUE, capsize=3)
right.plot(-guess, 0.25, "X", color=plot.ORANGE, markersize=9, label="your guess")
right.axvline(0, color=plot.INK, linewidth=0.8)
right.legend(loc="upper left", fontsize=8, frameon=True)
right.set_yticks(range(2), pairs)
right.set(xlabel="locked − fresh, bits (95 % interval)", ylim=(1.6, -0.6))
left.set_title("Saved against no dropout: in and out "
               f"{-gains['locked, in and out'].mean:.2f},\nx and h "
               f"{-gains['variational, x and h'].mean:.2f}, characters "
               f"{-gains['whole characters'].mean:.2f} bits", fontsize=10)
right.set_title("Locked − fresh: in and out\n"
                f"{locking['in and out']:.3f}, x and h {locking['x and h']:.3f}", fontsize=10)
plot.show(fig, "Test bits per character of six ways to drop, and the paired differences of locked "
               f"and fresh masks: {locking['in and out']:.3f} on input and output, "
               f"{locking['x and h']:.3f} on x and h.",
          claims={
              "masks-save-bits": all(gains[way].sign < 0 for way in pairs["in and out"]),
              "no-difference-shown": all(gap.sign == 0 for gap in locking.values()),
              "elsewhere-nothing-shown": all(
                  gains[way].sign == 0 for way in gains if "in and out" not in way),
              "a-small-rate-hides-it": small["no dropout"] - min(small.values()) < 0.02,
              "still-improving": all(n == 800 for cell in tested.values() for n in cell["stopped"]),
          })

# %% [markdown]
# Masks on input and output save 0.06 to 0.08 bits.{{claim:masks-save-bits}} Whole characters, and
# *x and h*, save nothing that five networks could show,{{claim:elsewhere-nothing-shown}} nor could
# they tell locked masks from fresh ones.{{claim:no-difference-shown}} (For in and out, that
# interval is wider than the gain.) This is after 800 updates, 51 passes, every network best at the
# end:{{claim:still-improving}} longer training may change it. At the smaller of our two
# learning rates, no way saved more than 0.02 bits on validation
# text.{{claim:a-small-rate-hides-it}}
#
# ## Where is the memory?
#
# In the first figure the masks stood where everything was stored. An LSTM stores it in the cell
# $c_t$, which none of these masks touches. So it should matter *where* a mask is.
#
# ## Exercise: `zoneout`
#
# Krueger et al. (2017) set no unit to zero. With probability $p$ a unit keeps its *old value* for a
# step. Nothing is lost, so nothing is scaled. In evaluation each unit takes the mean of the two
# values, weighted by how often each occurs.

# %% exercise="zoneout"
def zoneout(h_old, h_new, p, generator=None, training=True):
    """m * h_old + (1 - m) * h_new, m ~ Bernoulli(p) per entry; in evaluation m is p.

    h_old, h_new : tensors of one shape and floating dtype, left as they are
    p : probability of keeping the old value
    generator : torch.Generator, or None for torch's own
    Returns a tensor of their shape and dtype.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    if not training:
        return p * h_old + (1 - p) * h_new
    kept = torch.rand(h_new.shape, generator=generator, device=h_new.device) < p
    return torch.where(kept, h_old, h_new)
    ### END SOLUTION

# %% [markdown] hint="zoneout"
# In training each entry is either the old or the new one, as it is.

# %% [markdown] hint="zoneout"
# `torch.where(condition, a, b)` picks entry by entry.

# %% [markdown] hint="zoneout"
# Which of the two occurs with probability p? In evaluation that one has the weight p.

# %% check="zoneout" points=1
# Each entry is the old or the new one, as it is.
old = torch.full((100, 90), 2.0, dtype=torch.float64)
new = torch.full((100, 90), 5.0, dtype=torch.float64)
with expect.case("zoneout(h_old, h_new, p=0.2) with h_old = 2 and h_new = 5 everywhere"):
    out = zoneout(old, new, 0.2, expect.generator())
    expect.tensor(out, (100, 90), torch.float64, hint="return a tensor like h_new.")
    expect.only(out, (2, 5), hint="each entry is the old or the new one.",
                suspects=[(6.25, "the new values are scaled. Zoneout scales nothing."),
                          (2.5, "the old values are scaled. Zoneout scales nothing."),
                          (5.75, "the change is scaled by 1 / (1 - p). Zoneout scales nothing."),
                          (0, "a unit is set to zero. It should keep its old value."),
                          (4.4, "that is the mean, as in evaluation. In training draw a mask.")])
    expect.varies(out.ravel(), chance=0.8**9000, what="some old entries, some new",
                  hint="all entries are old, or all are new. Draw a mask.")
    expect.unchanged(old, torch.full((100, 90), 2.0))
    expect.unchanged(new, torch.full((100, 90), 5.0))

# %% check="zoneout" points=2
# An entry stays old with probability p, by a coin of its own.
with expect.case("zoneout(h_old, h_new, p, generator), 0 old, 1 new, 24 times for four p"):
    old, new = torch.zeros(20, 60), torch.ones(20, 60)
    expect.coins(lambda p, generator: zoneout(old.clone(), new.clone(), p, generator),
                 source=expect.generator, none=True,
                 suspects=[(lambda p: 1 - p, "p is swapped: the old value stays with "
                                             "probability p.")])

# %% check="zoneout" points=1
# Evaluation is the mean over masks.
a, b = (torch.randn(20, 30, generator=expect.generator(), dtype=torch.float64) for _ in range(2))
with expect.case("zoneout(h_old, h_new, p=0.2, training=False)"):
    given = a.clone(), b.clone()
    found = zoneout(*given, 0.2, None, False)
    for now, then in zip(given, (a, b), strict=True):
        expect.unchanged(now, then)
    expect.close(found, 0.2 * a + 0.8 * b,
                 hint="evaluation is p * h_old + (1 - p) * h_new.",
                 suspects=[(b, "evaluation takes the new value alone: but in training the old one "
                               "stays with probability p. Take the mean of both."),
                           (0.8 * a + 0.2 * b, "the weights are swapped: p belongs to h_old."),
                           (0.8 * b, "the share of h_old is missing.")])
with expect.case("zoneout(h_old, h_new, 0.5).sum().backward(): gradients of h_old and h_new",
                 crash=[("does not require grad|grad_fn", "the result has lost its history.")]):
    given = [part.clone().requires_grad_() for part in (a, b)]
    zoneout(*given, 0.5, expect.generator()).sum().backward()
    expect.equal([part.grad is None for part in given], [False, False],
                 hint="no gradient reaches h_old or h_new. Does one coin decide for all entries, "
                      "or does .detach() or .data cut one off?")
    expect.close(given[0].grad + given[1].grad, torch.ones(20, 30), rtol=1e-6,
                 hint="an entry's gradient goes to the value that it took.")

# %% check="zoneout" points=1
# The dtype stays, and a coarse one does not change the rate.
old, new = torch.zeros(2, 10**6, dtype=torch.bfloat16)
new += 1
with expect.case("zoneout(h_old, h_new, 0.01, generator) on a million zeros, ones, bfloat16"):
    out = zoneout(old, new, 0.01, expect.generator())
    expect.tensor(out, 10**6, torch.bfloat16,
                  hint="the result has another dtype. Choose with a boolean mask, in torch.where.")
    expect.mean(out == 0, 0.01, of=(0, 1),
                hint="another share stays old. If check 2 passes, the coins are bfloat16. "
                     "Draw in float32.")

# %% mistakes="zoneout"
{
    "the change is scaled": ("torch.where(kept, h_old, h_new)",
                             "h_old + ~kept * (h_new - h_old) / (1 - p)"),
    "has another dtype": ("torch.where(kept, h_old, h_new)",
                          "kept.float() * h_old + (~kept).float() * h_new"),
    "Draw in float32": ("device=h_new.device", "dtype=h_new.dtype, device=h_new.device"),
    "p is swapped": ("< p", ">= p"),
    "the new values are scaled": ("h_old, h_new)\n", "h_old, h_new / (1 - p))\n"),
    "the old values are scaled": ("(kept, h_old", "(kept, h_old / (1 - p)"),
    "set to zero": ("(kept, h_old", "(kept, 0 * h_old"),
    "as in evaluation": ("if not training", "if p > 0"),
    "all are new": ("< p", "< 0"),
    "every row has the same mask": ("h_new.shape", "h_new.shape[-1:]"),
    "every column has the same mask": ("h_new.shape", "(len(h_new), 1)"),
    "an exact number is dropped for each call and row":
        ("device=h_new.device) < p", "device=h_new.device).argsort(-1) < round(60 * p)"),
    "evaluation takes the new value alone": ("p * h_old + (1 - p) * h_new", "h_new"),
    "the weights are swapped": ("p * h_old + (1 - p) * h_new", "(1 - p) * h_old + p * h_new"),
    "the share of h_old is missing": ("p * h_old + (1", "(1"),
    "evaluation is p * h_old": ("if not training", "if training is None"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("kept = ", "generator = generator or torch.Generator()\n    kept = "),
    "writes into its input": ("return torch.where(kept, h_old, h_new)",
                              "h_new[kept] = h_old[kept]\n    return h_new"),
    "the function writes into its input": ("return p * h_old + (1 - p) * h_new",
                                           "return h_new.mul_(1 - p).add_(h_old, alpha=p)"),
    "data cut one off": ("torch.where(kept, h_old,", "torch.where(kept, h_old.detach(),"),
    "the result has lost its history": ("return torch.where(kept, h_old, h_new)",
                                        "return torch.where(kept, h_old, h_new).detach()"),
}

# %% correct="zoneout"
def zoneout(h_old, h_new, p, generator=None, training=True):
    keep = torch.full_like(h_new, p)
    keep = keep.bernoulli(generator=generator) if training else keep
    return keep * h_old + (1 - keep) * h_new

# %% [markdown]
# ## A task that needs memory
#
# An LSTM of 32 units reads one of eight symbols, then 29 blanks, and must name the symbol. Guessing
# is right 12.5 % of the time. Five networks each learn it with $p=0.2$ in seven ways, at the best
# of three learning rates. *Locked on x and h* is your class, trained as you wrote it; *locked on c*
# and zoneout use your functions. *Unscaled* leaves out the $1/(1-p)$. On the right is a network
# whose *only* state is $h$: $h_t = \tanh(U x_t + V h_{t-1} + b)$. **Guess: which of the masks keeps
# the LSTM from learning this?**

# %% guess=true
my_guess = "fresh on h"  # "fresh on h", "locked on x and h", "fresh on c" or "locked on c"

# %% figure=true
# Recall over 30 steps, of LSTMs and of networks whose only state is h: takes half a minute or so.
guess = expect.guess(my_guess, number=False)
found = studies.kept("sequences")
table = found["LSTM recall"]


def locked(x):
    return locked_dropout(x, 0.2)


ways = study.recall_ways(0.2) | {
    "locked on c": {"cell": locked},
    "locked on c, unscaled": {"cell": lambda x: 0.8 * locked(x)},
    "zoneout on c": {"update": lambda old, new, on: zoneout(old, new, 0.2, None, on)},
}
yours = "locked on x and h"  # in networks of your class
best = {way: float(max(table[way], key=lambda rate: sum(table[way][rate]))) for way in ways}
right = {}
for rate in sorted(set(best.values())):
    those = [way for way in ways if best[way] == rate and way != yours]
    runs = characters.recall([ways[way] for way in those], 5, rate=rate, start=study.START,
                            updates=240)
    right |= dict(zip(those, 100 * runs[:, :, -1], strict=True))
right[yours] = 100 * torch.tensor([
    characters.recall_alone(VariationalLSTM(32, 32, 0.2), best[yours], start=study.START,
                            seed=seed, seeds=5, updates=240)[-1]
    for seed in range(5)]).numpy()
right = {way: right[way] for way in ways}
fig, axes = plot.figure(2, height=3, width=9.5)
plot.bars([runs.mean() for runs in right.values()],
          [f"(your guess) {way}" if way == guess else way for way in ways], axes[0],
          spread=[plot.standard_error(runs) for runs in right.values()],
          colors=[plot.GREY if way == "no dropout" else plot.ORANGE if "fresh" in way
                  else plot.GREEN if "zone" in way else plot.BLUE for way in ways])
only_h, own = found["RNN"], {}
for row, (way, cells) in enumerate(only_h.items()):
    own[way] = max(cells, key=lambda rate: sum(found["RNN recall"][way][rate]))
    for shift, rate, color in ((-0.14, "0.003", plot.SKY), (0.14, own[way], plot.BLUE)):
        runs = cells[rate]
        axes[1].errorbar(sum(runs) / len(runs), row + shift, xerr=plot.standard_error(runs),
                         marker="o", color=color, capsize=3, label=None if row else (
                             "learning rate 0.003" if shift < 0 else "its own learning rate"))
axes[1].set_yticks(range(len(only_h)), [f"{way} ({own[way]})" for way in only_h])
axes[1].set_ylim(len(only_h) - 0.5, -0.5)
axes[1].legend(loc="lower left", fontsize=8)
for ax, n in zip(axes, (5, 8), strict=True):
    ax.axvline(12.5, color=plot.INK, linewidth=0.8, linestyle=":")
    ax.set(xlabel=f"named right, %, {n} runs ± s.e. (dots: guessing)", xlim=(0, 118),
           xticks=(0, 25, 50, 75, 100))
lost = [way for way, runs in right.items() if runs.mean() < 25]
together = plot.difference(only_h["fresh on h"]["0.003"], only_h["locked on h"]["0.003"])
apart = plot.difference(only_h["fresh on h"][own["fresh on h"]],
                        only_h["locked on h"][own["locked on h"]])
axes[0].set_title(f"LSTM. Below 25 %: {', '.join(lost) or 'none'}", fontsize=10)
axes[1].set_title(f"Only h, fresh − locked: {together:.0f} points\n"
                  f"at 0.003, {apart:.0f} at learning rates of their own", fontsize=10)
plot.show(fig, "Symbols named right over 30 steps, LSTM: " + ", ".join(
    f"{way} {runs.mean():.0f} %" for way, runs in right.items()) + ". Only h, fresh minus locked: "
    f"{together:.0f} points at 0.003, {apart:.0f} at their own learning rates.",
          claims={
              "fresh-on-h-does-no-harm": bool(right["fresh on h"].mean() > 90),
              "fresh-on-c-erases": bool(right["fresh on c"].mean() < 30),
              "repeated-scale-harms": bool(
                  right["locked on c, unscaled"].mean() - right["locked on c"].mean() > 5),
              "zoneout-does-no-harm": bool(right["zoneout on c"].mean() > 90),
              "only-h-needs-one-mask": together.sign < 0,
              "own-rates-hide-it": apart.sign == 0,
          })

# %% [markdown]
# Masks on $h$ do no harm to the LSTM. On the *cell*, a new mask at each step is fatal: $0.8^{29} =
# 0.15\,\%$ of the units survive 29 blanks. One mask erases nothing further, but multiplies by
# $1/(1-p)$ at *each* step, by $1.25^{29} = 646$; unscaled it is harmless, as is zoneout.
# Keep new masks and repeated scales off the path that carries the memory.
#
# Where $h$ is the only state, locked masks are far ahead at the learning rate
# 0.003.{{claim:only-h-needs-one-mask}} With a learning rate for each, the gap is half as large and
# may be chance.{{claim:own-rates-hide-it}}
#
# ## Explore: masks over time
#
# Your three functions. Strong colour: kept at every step so far. Pale: kept now, but not always
# before. Grey: dropped. In the third picture, pale green keeps its old value; in the last, each
# colour is a word.
#
# **Try**: with a new mask at each step, at which $p$ does none of 30 units get through 20 steps?

# %%
explore.masks_over_time(locked_dropout, embedding_dropout, zoneout)

# %% [markdown]
# ## Stripes
#
# Speech is a sequence too. A *spectrogram* shows how loud each band of frequencies is at each time
# step. One dropped point might be guessed from its neighbours.
# SpecAugment (Park et al. 2019) drops *stripes* of random width: neighbouring bands at all time
# steps, or neighbouring time steps in all bands. They are set to 0, the mean of a normalised
# spectrogram, and nothing is scaled.
#
# ## Exercise: `stripes`

# %% exercise="stripes"
def stripes(x, width, generator=None, training=True):
    """A stripe of `width` neighbouring bands of each spectrogram set to 0, at all time steps.

    Each spectrogram has a stripe of its own. It lies inside, and each place where it fits is
    equally likely. Nothing is scaled.

    x : tensor (T, B, F), floating, left as it is; F bands
    width : bands in a stripe, 1 … F
    generator : torch.Generator, or None for torch's own
    Returns a tensor of x's shape and dtype; x in evaluation.
    """
    ### BEGIN SOLUTION
    if not training:
        return x.clone()
    start = torch.randint(x.shape[2] - width + 1, (x.shape[1], 1), generator=generator)
    band = torch.arange(x.shape[2])
    return x.masked_fill((start <= band) & (band < start + width), 0)
    ### END SOLUTION

# %% [markdown] hint="stripes"
# Draw one number for each spectrogram: the first band of its stripe. What is the largest that it
# can be?

# %% [markdown] hint="stripes"
# `torch.randint(n, (B, 1), generator=generator)` draws from 0 … n - 1. Of F bands, a stripe of
# `width` can begin at F - width + 1 places.

# %% [markdown] hint="stripes"
# Compare the starts (B, 1) with `torch.arange(F)`: a mask (B, F), which `x.masked_fill` repeats
# over time.

# %%
spoken, _ = characters.tones(3, 7)
shown = [spoken, stripes(spoken, 6), stripes(spoken.transpose(0, 2), 6).transpose(0, 2)]
fig, axes = plot.figure(9, width=9.5, height=1.9)
for k, ax in enumerate(axes):
    ax.imshow(shown[k // 3][:, k % 3].T.numpy(), origin="lower", cmap="gray_r", vmin=-0.5, vmax=1.5)
    ax.set(xticks=[], yticks=[])
    if k % 3 == 0:
        ax.set(title=("three words", "your stripes", "on transposed x")[k // 3],
               xlabel="time step", ylabel="band" if k == 0 else "")
plot.show(fig, "Spectrograms of three words of synthetic tones, the same with your stripes across "
               "the bands, and with stripes across the time steps.")

# %% check="stripes" points=2
# In each spectrogram `width` neighbouring bands are 0 at all time steps; the rest is as it was.
x = torch.rand(5, 40, 12, generator=expect.generator(), dtype=torch.float64) + 0.5
for width in (4, 1, 12):
    with expect.case(f"stripes(x, {width}), 40 spectrograms of 12 bands, 5 time steps", crash=[
        ("random_", "a stripe of F bands has one place to begin: draw from F - width + 1."),
        ("shape|size|broadcast", "a mask of shape (B, F) goes with x of shape (T, B, F)."),
    ]):
        out = stripes(x.clone(), width)
        expect.tensor(out, (5, 40, 12), torch.float64, hint="return a tensor like x.")
        gone = out == 0
        count = gone.double().sum(2)
        expect.equal(width < 12 and gone.all(2).any().item(), False,
                     hint="whole time steps are 0. A stripe is some bands, at all time steps.")
        expect.equal(gone.double(), gone[:1].double().expand(5, 40, 12),
                     hint="the stripe changes from one time step to the next.")
        known = [(torch.zeros(40), "no band is 0."),
                 (torch.full((40,), 12.0 - width), "the stripe stays and the rest is dropped.")]
        if float(count.max()) == width + 1:
            known.append((count[0], "the stripe is a band too wide."))
        known.append((torch.full((40,), width - 1.0), "the stripe is a band too narrow."))
        narrow = count[0] < width
        if narrow.any() and (gone[0, :, 0] | gone[0, :, -1])[narrow].all():
            known.append((count[0], "a stripe hangs over the end. It must lie inside."))
        expect.equal(count[0], torch.full((40,), float(width)),
                     hint="in each spectrogram `width` bands must be 0.", suspects=known)
        edges = (gone[0, :, 1:] != gone[0, :, :-1]).sum(1)
        expect.equal((edges > 2).any().item(), False, hint="the bands of a stripe are not "
                                                           "neighbours.")
        both = gone[0, :, 0] & gone[0, :, -1]
        expect.equal((both & (width < 12)).any().item(), False,
                     hint="a stripe goes on at the other end. It must lie inside.")
        kept = torch.where(gone, torch.zeros_like(x), x)
        expect.close(out, kept, hint="what is not dropped should be as it was.",
                     suspects=[(kept * 12 / max(12 - width, 1), "the rest is scaled. Stripes scale "
                                                                "nothing.")])

# %% check="stripes" points=2
# Each spectrogram has a stripe of its own, and each place where it fits is equally likely.
with expect.case("stripes(x, 3, generator) on 6000 spectrograms of 7 bands: where it begins"):
    source = expect.generator()
    out = stripes(torch.ones(1, 6000, 7), 3, source)[0]
    expect.equal(bool(((out == 0).sum(1) == 3).all()), True,
                 hint="in each spectrogram 3 bands must be 0. The check above tells more.")
    start = (out == 0).double().argmax(1)
    expect.varies(start, chance=1e-300, what="stripes at different places",
                  hint="all spectrograms have the same stripe. Draw a start for each.")
    expect.equal(sorted(set(start.tolist())), [0, 1, 2, 3, 4],
                 hint="not every place occurs. There are F - width + 1 of them.")
    for place in range(5):
        expect.mean(start == place, 1 / 5, of=(0, 1),
                    hint="each of the F - width + 1 places should be equally likely.")
    for far in (1, 3000):
        expect.mean(start[far:] == start[:-far], 1 / 5, of=(0, 1), hint="of two spectrograms "
                    f"{far} apart, one's place tells the other's. Draw each by itself.")
    again = stripes(torch.ones(1, 6000, 7), 3, source)[0]
    expect.varies([out, again], chance=1e-300, what="a new draw in a new call",
                  hint="two calls drop the same. Is a seed set inside?")
with expect.case("stripes(x, 3, generator), twice with generators of one seed"):
    seed = int(expect.rng().integers(10**6))
    one, two = (stripes(torch.ones(1, 6000, 7), 3, torch.Generator().manual_seed(seed))
                for _ in range(2))
    expect.repeats(one, two, hint="the numbers do not come from the given generator.")
with expect.case("stripes(x, 3) twice, torch's own generator in the same state"):
    state = expect.ask("rng_state")
    one = stripes(torch.ones(1, 6000, 7), 3)
    expect.ask("set_rng_state", state)
    expect.repeats(one, stripes(torch.ones(1, 6000, 7), 3),
                   hint="without a generator they do not come from torch's own.")
with expect.case("stripes(x, 3), twice without a generator"):
    expect.varies([stripes(torch.ones(1, 6000, 7), 3) for _ in range(2)], chance=1e-300,
                  what="a new draw in a new call",
                  hint="two calls drop the same. Is a seed set inside?")

# %% check="stripes" points=1
# In evaluation x comes back, and x itself is left alone.
x = torch.randn(4, 5, 8, generator=expect.generator())
before = x.clone()
with expect.case("stripes(x, 3, training=False)"):
    expect.close(stripes(x, 3, None, False), before, hint="in evaluation return x.")
with expect.case("x after stripes(x, 3)"):
    out = stripes(x, 3)
    expect.unchanged(x, before)
    expect.some(out == 0, "a dropped entry",
                hint="nothing is dropped in training either. Mend that first.")
with expect.case("stripes(x, 3) of bfloat16 numbers that ask for a gradient"):
    out = stripes(x.bfloat16().requires_grad_(), 3)
    expect.tensor(out, (4, 5, 8), torch.bfloat16, hint="the mask's dtype became the result's.")
    expect.equal(out.requires_grad, True, hint="the result has lost its history: .detach()?")

# %% mistakes="stripes"
{
    "changes from one time step": ("(x.shape[1], 1)", "(x.shape[0], x.shape[1], 1)"),
    "have the same stripe": ("(x.shape[1], 1)", "(1, 1)"),
    "one place to begin": ("- width + 1, (", "- width, ("),
    "a stripe hangs over the end": ("x.shape[2] - width + 1,", "x.shape[2],"),
    "a mask of shape (B, F)": ("(x.shape[1], 1)", "(x.shape[1],)"),
    "equally likely": ("start = torch.randint(x.shape[2] - width + 1, (x.shape[1], 1), "
                       "generator=generator)",
                       "start = (torch.rand(x.shape[1], 1, generator=generator)\n"
                       "             * (x.shape[2] - width)).round()"),
    "a band too wide": ("< start", "<= start"),
    "a band too narrow": ("start <= band", "start < band"),
    "not every place occurs": ("- width + 1, (", "- width + (width == x.shape[2]), ("),
    "goes on at the other end": (
        "x.shape[2] - width + 1, (x.shape[1], 1), generator=generator)",
        "x.shape[2], (x.shape[1], 1), generator=generator)\n"
        "    return x * ((torch.arange(x.shape[2]) - start) % x.shape[2] >= width)"),
    "stays and the rest": ("((start <= band) & (band < start + width), 0)",
                           "(~((start <= band) & (band < start + width)), 0)"),
    "not neighbours": ("(start <= band) & (band < start + width)",
                       "torch.rand(x.shape[1:]).argsort(1) < width"),
    "no band is 0": ("not training", "generator is None"),
    "rest is scaled": ("start + width), 0)",
                       "start + width), 0) * x.shape[2] / max(x.shape[2] - width, 1)"),
    "do not come from the given": (", generator=generator)", ")"),
    "do not come from torch's own": (
        "start = torch.randint(x.shape[2] - width + 1, (x.shape[1], 1), generator=generator)",
        "import numpy as np\n    start = torch.randint(\n        x.shape[2] - width + 1, "
        "(x.shape[1], 1), generator=generator or\n"
        "        torch.Generator().manual_seed(int(np.random.default_rng().integers(9**9))))"),
    "spectrograms 1 apart": ("(x.shape[1], 1), generator=generator)",
                             "(-(-x.shape[1] // 2), 1), generator=generator)\n"
                             "    start = start.repeat_interleave(2, 0)[: x.shape[1]]"),
    "spectrograms 3000 apart": ("(x.shape[1], 1), generator=generator)",
                                "(-(-x.shape[1] // 2), 1), generator=generator)\n"
                                "    start = start.repeat(2, 1)[: x.shape[1]]"),
    "dtype became the result": ("return x.masked_fill((start <= band) & (band < start + width), 0)",
                          "return x * (~((start <= band) & (band < start + width))).float()"),
    "has lost its history": ("return x.masked_fill(", "return x.detach().masked_fill("),
    "Is a seed set inside": ("generator=generator)", "generator=torch.Generator().manual_seed(1))"),
    "writes into its input": ("x.masked_fill(", "x.masked_fill_("),
    "in evaluation return x": ("not training", "width == 0"),
}

# %% mistake="stripes" says="whole time steps are 0"
def stripes(x, width, generator=None, training=True):
    width = min(width, len(x))
    start = torch.randint(len(x) - width + 1, (1, x.shape[1], 1), generator=generator)
    step = torch.arange(len(x))[:, None, None]
    return x.masked_fill((start <= step) & (step < start + width), 0)

# %% correct="stripes"
def stripes(x, width, generator=None, training=True):
    out = x * 1
    for b in range(x.shape[1]) if training else ():
        first = torch.randint(0, x.shape[2] - width + 1, (), generator=generator).item()
        out[:, b, first : first + width] = 0
    return out

# %% [markdown]
# Now the measurement. A synthetic word is three tones at once, each of which rises, stays or falls;
# any two of them tell which of nine words it is. LSTMs learn from 90 noisy words. *Single points*
# is ordinary dropout of the spectrogram. Strength and learning rate were chosen on validation
# words.
# **Guess: how many points lower is the test error with stripes than with single points?**

# %% guess=true
my_guess = 3  # percentage points by which stripes do better; below 0 if they do worse

# %% figure=true
# Test error of four ways to drop parts of a spectrogram, and your stripes, trained now.
guess = expect.guess(my_guess)
kept = studies.kept("sequences")["speech"]
tested = {way: [100 * error for error in cell["test"]] for way, cell in kept.items()}
fig, (ax,) = plot.figure(1, width=8, height=2.8)
for row, (way, runs) in enumerate(tested.items()):
    color = plot.GREY if not row else plot.ORANGE if way == "single points" else plot.BLUE
    ax.plot(runs, [row] * len(runs), ".", color=color, alpha=0.4)
    ax.errorbar(sum(runs) / len(runs), row, xerr=plot.standard_error(runs), marker="o",
                color=color, capsize=3)
width = study.WIDTHS[kept["stripes"]["k"]]
again = characters.listen([{"heard": lambda x: stripes(x, width)}], list(study.SPEECH_SEEDS)[:2],
                          kept["stripes"]["rate"])
ax.plot(100 * again["test"][0], [2.3] * 2, "D", color=plot.INK, mfc="none", markersize=5,
        label="the first two again, with your stripes")
points = sum(tested["single points"]) / len(tested["single points"])
ax.plot(points - guess, 1.7, "X", color=plot.ORANGE, markersize=9, label="stripes by your guess")
names = {"single points": f"single points, p = {study.POINTS[kept['single points']['k']]:g}"} | {
    way: f"{way}, width {study.WIDTHS[kept[way]['k']]}" for way in tested if "stripes" in way}
ax.set_yticks(range(4), [names.get(way, way) for way in tested])
ax.set(xlabel="test error, % (eight networks, mean ± s.e.)", ylim=(3.6, -0.6))
gains = {way: plot.difference(runs, tested["no dropout"]) for way, runs in tested.items()}
beyond = {way: plot.difference(tested[way], tested["single points"]) for way in tested}
ax.set_title(f"Stripes − no dropout: {gains['stripes']:.1f} points.\nStripes − single points: "
             f"{beyond['stripes']:.1f}, both ways − single points: "
             f"{beyond['stripes, both ways']:.1f}", fontsize=10)
ax.legend(loc="lower right", fontsize=8, frameon=True)
plot.show(fig, "Test error of eight networks each. Against no dropout: single points "
               f"{gains['single points']:.1f}, stripes {gains['stripes']:.1f}, both ways "
               f"{gains['stripes, both ways']:.1f} points.",
          claims={"stripes-help": gains["stripes"].sign < 0,
                  "single-points-do-better": beyond["stripes"].sign > 0})

# %% [markdown]
# Stripes help here,{{claim:stripes-help}} and ordinary dropout helps
# more,{{claim:single-points-do-better}} perhaps because our noise is independent from point to
# point. (The best width and $p$ lie at the edge of those tried.) On real speech, SpecAugment
# reduced the errors greatly (Park et al. 2019).
#
# ## Two questions
#
# Put one of the strings in place of each `...`.

# %% question="memory" points=1
# Fresh masks on h left the LSTM's memory of 30 steps intact, because it was stored in:
#
# - [x] c, which those masks do not touch
# - [ ] h, scaled by 1 / (1 - p)
# - [ ] the weights
#
# Hint: in the LSTM's formula, what is passed on without going through a gate's input?

# %% question="edge" points=1
# With your stripes of width 6 on 24 bands, which band is dropped least often?
#
# - [x] the lowest and the highest, equally rarely
# - [ ] one in the middle
# - [ ] none: all are dropped equally often
#
# Hint: how many places of the stripe cover the lowest band?

# %% [markdown]
# ## In your own words
#
# A colleague has replaced `F.dropout` on the inputs of an LSTM by locked dropout, sees no gain on
# a language model, and concludes: "Locked masks are a myth." Say in three to six sentences what
# the measurement shows and what it does not, and name one network or place in which you expect a
# difference, with the reason and a number. (In a class, your instructor grades this.)

# %% [markdown] answer="locked_myth" points=3
# ### BEGIN SOLUTION
# *Marking guide.* One point: the finding itself is right and agrees with this lesson (0.02 ± 0.02
# bits between locked and fresh masks on input and output), but holds for that place, size and text.
# One point: the reason: those masks are not on the path that carries the memory; in an LSTM that is
# the cell. One point: a place where it matters, with a number: fresh masks on the cell (recall
# stayed near guessing, 12.5 %), or on h in a network that has no other state (at learning rate
# 0.003, 41 ± 15 points worse than locked); a unit survives T steps with probability (1 - p)^T, 0.1
# % at p = 0.2 and T = 30. Accept other sound examples, such as the repeated scale of a locked mask
# on the cell.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - A unit survives $T$ new masks with probability $(1-p)^T$, and one mask with probability $1-p$.
#   {{claim:new-masks-erase}}
# - A character LSTM with few data gained from masks on its input and output,
#   {{claim:masks-save-bits}} not visibly from masks elsewhere. {{claim:elsewhere-nothing-shown}}
#   Fresh and locked masks could not be told apart. {{claim:no-difference-shown}} All networks
#   were best at the end. {{claim:still-improving}}
# - In a task that is all memory, the *place* decided. Masks on the $h$ that gates read did no
#   harm. {{claim:fresh-on-h-does-no-harm}} Fresh masks on the cell were
#   fatal. {{claim:fresh-on-c-erases}} A scale that is repeated at each step did
#   harm. {{claim:repeated-scale-harms}} Zoneout did none. {{claim:zoneout-does-no-harm}}
# - Where $h$ is the only state, fresh masks did worse than locked ones at one learning
#   rate. {{claim:only-h-needs-one-mask}} With a learning rate for each, eight networks did not show
#   it. {{claim:own-rates-hide-it}}
# - Stripes reduced the error on synthetic tones. {{claim:stripes-help}} Dropping single points
#   did better there. {{claim:single-points-do-better}}
#
# **Read.** Gal and Ghahramani, *A theoretically grounded application of dropout in recurrent neural
# networks*, NIPS 2016 (arXiv:1512.05287). Krueger et al., *Zoneout: regularizing RNNs by randomly
# preserving hidden activations*, ICLR 2017 (arXiv:1606.01305). Merity, Keskar and Socher,
# *Regularizing and optimizing LSTM language models*, ICLR 2018 (arXiv:1708.02182). Park et al.,
# *SpecAugment: a simple data augmentation method for automatic speech recognition*, Interspeech
# 2019 (arXiv:1904.08779).
#
# **Stretch.** Do stripes catch up where the noise is as smooth as the tones? Tune both with
# `characters.listen(…, smooth=True)`.
#
# **Still open.** A transformer has no state. What is there to drop? {{transformers}}.
