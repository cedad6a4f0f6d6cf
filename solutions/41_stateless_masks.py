# %% [markdown]
# # 4.1 · Dropout on a GPU
#
# **Where does the mask live?**
#
# *90 minutes, with a good place for a break before "Two ways to be parallel". Before: {{pytorch}};
# {{transformers}} helps. After, you will be able to make any entry of a mask from a seed and a
# number, to go back through a mask that was never stored, and to write the kernel that does so.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$, $y$ | input and output of the layer |
# | $p$ | probability that an entry is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0, independently |
# | word | a whole number of 32 bits, $0 \dots 2^{32}-1$ |
# | $\oplus$ | exclusive or, bit by bit (`^` in Python) |

# %% setup=true
import math
import time
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from dropoutlab import check_probability, expect, explore, gpu, plot
from dropoutlab.gpu import tl, triton

# %% [markdown]
# ## Where we stand
#
# The backward pass through dropout needs the mask of the forward pass, so something must stay in
# memory between the two. In {{pytorch}} you measured how much: on the CPU, PyTorch keeps four bytes
# for each entry.
#
# Now take one layer of a transformer: 8 texts of 1024 tokens, 1024 features wide, 16 heads. It
# drops attention weights ($8 \times 16 \times 1024 \times 1024$ of them) and twice the
# $8 \times 1024 \times 1024$ activations that go back to the residual stream.
# **Before you run the cell, guess: how many MiB do the layer's masks take? (Its weights take 48.)**

# %% guess=true
my_guess = 60  # MiB for the masks of one transformer layer

# %% figure=true
# Memory of one layer's weights and of its masks.
guess = expect.guess(my_guess)
torch.set_num_threads(1)  # products this small wait for each other's threads
dropped_in_a_layer = [(8, 16, 1024, 1024), (8, 1024, 1024), (8, 1024, 1024)]
entries = sum(math.prod(shape) for shape in dropped_in_a_layer)

probe = torch.ones(10_000, requires_grad=True)
bytes_per_entry = expect.ask("saved_bytes", nn.Dropout(0.1), probe) / probe.numel()
mebibytes = [4 * 12 * 1024**2 / 2**20, bytes_per_entry * entries / 2**20]

fig, (ax,) = plot.figure(1, height=1.7)
plot.bars(mebibytes, ["the layer's weights", "its masks, nn.Dropout"], ax,
          colors=[plot.GREY, plot.ORANGE])
ax.vlines(guess, 0.55, 1.45, color=plot.INK, linestyle="--")
ax.set(xlabel="MiB, float32 on the CPU (dashed: your guess)",
       xlim=(0, 1.2 * max(*mebibytes, guess)),
       title=f"The masks take {mebibytes[1] / mebibytes[0]:.0f} times the memory of the weights")
plot.show(fig, "Memory of one transformer layer's weights and of its dropout masks.")

# %% [markdown]
# Weights are stored once. Masks are stored for every text of the batch, every layer and, in
# attention, every *pair* of tokens. And all of it says one bit per entry: kept or not.
#
# ### One question from {{pytorch}}
#
# `nn.Dropout` holds no weights and no mask. What is it, then, that its backward pass needs from
# its forward pass? (Think of your answer, then unfold.)
#
# <details><summary>Answer</summary>
#
# Which entries were kept. $p$ is known anyway, and neither $x$ nor $y$ is needed:
# $dx = m \odot dy/(1-p)$. It does not say how $m$ must be remembered.
# </details>
#
# ## Exercise: `mask_bytes`
#
# Four ways to remember a mask. "A `bool` is a bit": no, it takes a byte. And "a seed for each
# entry": no, one of 64 bits serves the whole mask, if every entry can be made from it again.

# %% exercise="mask_bytes"
def mask_bytes(shape, kind):
    """How many bytes it takes to remember a mask of this shape between forward and backward.

    kind : "float32" four bytes an entry; "bool" one; "bit" eight entries in a byte, the last byte
        filled up; "seed" one 64-bit number for the whole mask
    Returns an int.
    """
    ### BEGIN SOLUTION
    n = math.prod(shape)
    return {"float32": 4 * n, "bool": n, "bit": (n + 7) // 8, "seed": 8}[kind]
    ### END SOLUTION

# %% [markdown] hint="mask_bytes"
# `math.prod(shape)` is the number of entries. For an empty shape it is 1, and so it should be.

# %% [markdown] hint="mask_bytes"
# 9 entries need 2 bytes of bits. Which whole number must be added before `// 8` rounds down?

# %% [markdown] hint="mask_bytes"
# In which of the four does the shape play no part?

# %%
kinds = ["float32", "bool", "bit", "seed"]
costs = [sum(mask_bytes(shape, kind) for shape in dropped_in_a_layer) for kind in kinds]
fig, (ax,) = plot.figure(1, height=2.0)
drawn = ax.barh(kinds, costs, color=[plot.ORANGE, plot.SKY, plot.BLUE, plot.GREEN])
ax.bar_label(drawn, [f"{c / 2**20:.3g} MiB" if c > 2**10 else f"{c} bytes" for c in costs],
             padding=4)
ax.set(xscale="log", xlabel="bytes, logarithmic", xlim=(1, 2e11),
       title="One layer's three masks, remembered in four ways")
ax.invert_yaxis()
plot.show(fig, "Bytes for the masks of a transformer layer as floats, bools, bits and seeds.")

# %% check="mask_bytes" points=1
# A float32 takes four bytes, a bool one.
for shape in ((4, 6), (3, 3), (1,), (2, 3, 5), tuple(expect.rng().integers(2, 40, 3).tolist())):
    n = math.prod(shape)
    with expect.case(f"mask_bytes({shape}, 'float32')"):
        expect.equal(mask_bytes(shape, "float32"), 4 * n, hint="count the entries, then bytes.",
                     suspects=[(n, "a float32 takes four bytes."),
                               (32 * n, "that is in bits. Count bytes."),
                               (8 * n, "that is a float64's eight bytes.")])
    with expect.case(f"mask_bytes({shape}, 'bool')"):
        expect.equal(mask_bytes(shape, "bool"), n, hint="count the entries, then bytes.",
                     suspects=[(math.ceil(n / 8), "a bool takes a byte, not a bit."),
                               (8 * n, "that is in bits. Count bytes."),
                               (4 * n, "a bool takes one byte.")])

# %% check="mask_bytes" points=1
# Eight bits share a byte; one seed serves the whole mask.
for shape in ((5, 8), (3, 3), (1,), (2, 3, 5), tuple(expect.rng().integers(2, 40, 3).tolist())):
    n = math.prod(shape)
    with expect.case(f"mask_bytes({shape}, 'bit')"):
        expect.equal(mask_bytes(shape, "bit"), math.ceil(n / 8),
                     hint="count the bytes that the bits of all entries fill.",
                     suspects=[(n // 8, "the last byte counts too, if it is not full: round up."),
                               (n // 8 + 1, "where the bits fill their bytes, no other is needed."),
                               (n, "that is in bits. Eight of them share a byte."),
                               (n / 8, "no part of a byte can be had alone: round up.")])
    with expect.case(f"mask_bytes({shape}, 'seed')"):
        expect.equal(mask_bytes(shape, "seed"), 8, hint="count the bytes of one 64-bit number.",
                     suspects=[(8 * n, "one seed serves the whole mask."),
                               (64, "64 bits are 8 bytes."), (4, "a seed has 64 bits.")])

# %% mistakes="mask_bytes"
{
    "a float32 takes four bytes": ("4 * n", "n"),
    "in bits. Count bytes": ("4 * n", "32 * n"),
    "a float64's eight bytes": ("4 * n", "8 * n"),
    "a bool takes a byte": ('"bool": n', '"bool": (n + 7) // 8'),
    "a bool takes one byte": ('"bool": n', '"bool": 4 * n'),
    "count the entries, then bytes": ("math.prod(shape)", "len(shape)"),
    "the last byte counts too": ("(n + 7) // 8", "n // 8"),
    "no other is needed": ("(n + 7) // 8", "n // 8 + 1"),
    "Eight of them share a byte": ("(n + 7) // 8", "n"),
    "no part of a byte": ("(n + 7) // 8", "n / 8"),
    "the bits of all entries fill": ("(n + 7) // 8", "(n + 7) // 8 * shape[0]"),
    "one seed serves the whole mask": ('"seed": 8', '"seed": 8 * n'),
    "64 bits are 8 bytes": ('"seed": 8', '"seed": 64'),
    "a seed has 64 bits": ('"seed": 8', '"seed": 4'),
    "the bytes of one 64-bit number": ('"seed": 8', '"seed": 1'),
}

# %% correct="mask_bytes"
def mask_bytes(shape, kind):
    bits = {"float32": 32, "bool": 8, "bit": 1, "seed": 0}[kind]
    return 8 if kind == "seed" else math.ceil(bits * torch.Size(shape).numel() / 8)

# %% [markdown]
# ## Random numbers that have an address
#
# Eight bytes, if every entry can be made again. With an ordinary generator that is awkward: it
# holds a *state* that each draw moves on, so entry number one million comes after 999 999 others,
# and a thousand threads that want to draw at once would have to queue.
#
# A **counter-based** generator has no state at all. It is a function: key and counter in, random
# words out. The key is the seed; the counter is the number of the entry, its address. Entry one
# million costs as much as entry 0, in any order, on any thread, on any device.
#
# *Philox* (Salmon, Moraes, Dror and Shaw, 2011) is such a function, and the one that PyTorch uses
# on GPUs. Its only tool is a product of two words, which has 64 bits: an upper word and a lower
# one. A worked example:

# %%
def upper_and_lower(a, b):
    product = a * b
    return product >> 32, product & 0xFFFFFFFF  # a shift, and the last 32 bits


print([f"{word:08x}" for word in upper_and_lower(0xD2511F53, 0x00000002)])
print([f"{word:08x}" for word in upper_and_lower(0xD2511F53, 0x80000002)])

# %% [markdown]
# One bit of the input was flipped, the uppermost. In the lower word (the second) one bit changes;
# in the upper word 15 do. Philox takes both words, crosses them over, and does so ten times. One
# round turns $c_0, c_1, c_2, c_3$ into
#
# $$ c_0' = \operatorname{hi}(M_1 c_2) \oplus c_1 \oplus k_0, \quad
#    c_1' = \operatorname{lo}(M_1 c_2), \quad
#    c_2' = \operatorname{hi}(M_0 c_0) \oplus c_3 \oplus k_1, \quad
#    c_3' = \operatorname{lo}(M_0 c_0), $$
#
# and *between* two rounds the key moves on: $k_0 + W_0$ and $k_1 + W_1$, modulo $2^{32}$.
#
# ## Exercise: `philox_4x32`
#
# Two misunderstandings. "Random functions cannot be tested for exact values": this one must give
# the published ones, to the bit. And "words are 32 bits because I think of them so": Python's
# numbers grow without end and PyTorch's have 64 bits, so what leaves a word must be cut off.

# %% exercise="philox_4x32"
def philox_4x32(counter, key, rounds=10):
    """Philox-4x32 (Salmon et al. 2011): four random words from a counter and a key.

    counter : four words; key : two words; each an int, or an int64 tensor, of 0 ... 2^32 - 1.
        Tensors hold one word for each entry; they are left as they are.
    Returns a tuple of four words, ints or tensors as they came in; after 0 rounds the counter.
    """
    m0, m1 = 0xD2511F53, 0xCD9E8D57
    w0, w1 = 0x9E3779B9, 0xBB67AE85
    ### BEGIN SOLUTION
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        a, b = m0 * c0, m1 * c2
        c0, c1 = (b >> 32 & 0xFFFFFFFF) ^ c1 ^ k0, b & 0xFFFFFFFF
        c2, c3 = (a >> 32 & 0xFFFFFFFF) ^ c3 ^ k1, a & 0xFFFFFFFF
        k0, k1 = k0 + w0 & 0xFFFFFFFF, k1 + w1 & 0xFFFFFFFF
    return c0, c1, c2, c3
    ### END SOLUTION

# %% [markdown] hint="philox_4x32"
# Compute both products first, from the words as they were, and only then write new words.

# %% [markdown] hint="philox_4x32"
# `& 0xFFFFFFFF` keeps the lower word of anything. In an int64 tensor a large product shows up as
# a negative number; its bits are right, so cut after the shift as well.

# %% [markdown] hint="philox_4x32"
# `+`, `*`, `^`, `&` and `>>` do the same for ints and for tensors: no case distinction is needed.

# %% [markdown]
# How well does it mix? Flip one bit of the counter, and count which share of the 128 bits that
# come out has changed. Coins would change one half. 200 counters, each with another bit flipped.

# %% figure=true
# The share of output bits that change with one bit of the counter, after each round.
words = torch.randint(2**32, (4, 200))
flipped = words.clone()
for number in range(200):
    flipped[number % 128 // 32, number] ^= 1 << number % 32
shares = []
for rounds in range(11):
    before, after = (torch.stack(philox_4x32(tuple(c), (1, 2), rounds)) for c in (words, flipped))
    bits = (before ^ after) >> torch.arange(32)[:, None, None] & 1
    shares.append(bits.double().mean((0, 1)).numpy())
shares = np.array(shares)
gaps = [plot.difference(100 * share, 50) for share in shares]
even = [rounds for rounds, gap in enumerate(gaps) if abs(gap.mean) < 2 * gap.error + 0.5]
told = f"Half of the bits change from round {even[0]} on" if even else "No round changes half"

fig, (ax,) = plot.figure(1, height=2.5, width=6.5)
ax.axhline(50, color=plot.GREY, linestyle="--")
ax.errorbar(range(11), 100 * shares.mean(1), 100 * shares.std(1), color=plot.BLUE, capsize=3)
ax.set(xlabel="rounds", ylabel="bits changed, %", ylim=(-2, 62),
       title=told)
plot.show(fig, f"Share of output bits that change with one input bit, by round. {told}.")

# %% [markdown]
# So few rounds mix well to the eye. Statistical tests see more: the authors report that seven
# rounds pass the hardest collection they tried, and recommend ten to be on the safe side.

# %% check="philox_4x32" points=1
# A published known answer: counter and key are digits of pi.
with expect.case("philox_4x32 on the digits of pi, 10 rounds",
                 crash=[("NoneType", "the function returns nothing. Is there a `return`?")]):
    out = philox_4x32((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0))
    expect.equal(
        [word >> 32 for word in out], [0, 0, 0, 0],
        hint="a word has grown beyond 32 bits: keep the lower ones of words and of keys.",
    )
    expect.equal(
        out,
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        hint="go through one round on paper: which word goes where?",
        suspects=[
            ((0x912C6411, 0x36CDC769, 0x1FCFCF92, 0xD0FBE0FB),
             "the key moves on before the first round. It does so between two rounds."),
            ((0x55E0EDAC, 0xB947A5FA, 0x50E9E28B, 0xF5CAEFFA), "the key never moves on."),
            ((0x8808A1C8, 0x2A6FDDD3, 0x8F05386A, 0x819296EF),
             "the multipliers are swapped: m0 goes with word 0, m1 with word 2."),
            ((0x8DDB7433, 0x6C9B1D6F, 0x13A6CF22, 0x53531540),
             "upper and lower words are swapped."),
            ((0xA0E0A37F, 0x02431BA2, 0x46B0A88F, 0x4951D945),
             "the products do not cross over: that of word 2 makes the new words 0 and 1."),
            ((0xADE5F7E7, 0xFD5537FB, 0xCADA76F3, 0x12FB988F), "the key is not mixed in."),
            ((0x3EB49FBB, 0x7F0BD1E6, 0xC4392C8D, 0xA3C1B987), "that is after 9 rounds."),
            ((0x068D24B3, 0xA70A26E0, 0xF3B3A8DC, 0xDBF273EB), "that is after 11 rounds."),
            ((0xAB4E03DB, 0x818A91C3, 0xBF7263FB, 0xDB0DC501),
             "the new word 0 is used where the old one belongs. Compute both products first."),
        ],
    )

# %% check="philox_4x32" points=1
# The other known answers, and other numbers of rounds.
ones = 0xFFFFFFFF
for words, rounds, right in (
    (0, 10, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (ones, 10, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (0, 7, (0x5F6FB709, 0x0D893F64, 0x4F121F81, 0x4F730A48)),
    (ones, 7, (0x5207DDC2, 0x45165E59, 0x4D8EE751, 0x8C52F662)),
    (ones, 0, (ones, ones, ones, ones)),
):
    with expect.case(f"philox_4x32, all words {words:x}, rounds={rounds}"):
        out = philox_4x32((words,) * 4, (words,) * 2, rounds)
        expect.equal(out, right, hint="one of the published known answers does not come out.",
                     suspects=[] if rounds == 10 else
                     [(philox_4x32((words,) * 4, (words,) * 2), "rounds is ignored.")])

# %% check="philox_4x32" points=1
# Tensors: each entry as its words alone, and the tensors left as they were.
words = torch.randint(2**32, (6, 40), generator=expect.generator())
before = words.clone()
with expect.case("philox_4x32 on int64 tensors of 40 words",
                 crash=[("ambiguous|scalar|int\\(\\)|only one element",
                         "a tensor is treated as one number. Use +, *, ^, & and >> only.")]):
    out = philox_4x32(tuple(words[:4]), tuple(words[4:]))
    expect.unchanged(words, before, hint="the tensors are changed in place. Mind `^=` and `+=`.")
    for word in out:
        expect.tensor(word, 40, torch.int64, hint="return four int64 tensors of their shape.")
        expect.equal(int(((word < 0) | (word >= 2**32)).sum()), 0,
                     hint="a word is negative or too large: >> carries the sign of a large "
                          "product on. Cut with & after the shift.")
    for column in (0, 17, 39):
        alone = philox_4x32(tuple(words[:4, column].tolist()), tuple(words[4:, column].tolist()))
        expect.equal([int(word[column]) for word in out], list(alone),
                     hint="an entry of the tensors gives other words than the same ints do.")

# %% check="philox_4x32" points=1 hidden=true
# Random words, against the definition written with Python's integers.
def rounds_of(c, k, rounds):
    for _ in range(rounds):
        upper, lower = zip(divmod(0xD2511F53 * c[0], 2**32), divmod(0xCD9E8D57 * c[2], 2**32),
                           strict=True)
        c = upper[1] ^ c[1] ^ k[0], lower[1], upper[0] ^ c[3] ^ k[1], lower[0]
        k = (k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32
    return c


for rounds in (1, 4, 10):
    with expect.case(f"philox_4x32 on random words, rounds={rounds}"):
        words = tuple(int(word) for word in expect.rng().integers(2**32, size=6))
        expect.equal([int(word) for word in philox_4x32(words[:4], words[4:], rounds)],
                     list(rounds_of(words[:4], words[4:], rounds)),
                     hint="the known answers come out, and these do not: is something fixed?")

# %% mistakes="philox_4x32"
{
    "the function returns nothing": ("    return c0, c1, c2, c3\n", ""),
    "grown beyond 32 bits": ("k0 + w0 & 0xFFFFFFFF, k1 + w1 & 0xFFFFFFFF", "k0 + w0, k1 + w1"),
    "before the first round": ("= key", "= (key[0] + w0) % 2**32, (key[1] + w1) % 2**32"),
    "the key never moves on": ("k0 + w0 & 0xFFFFFFFF, k1 + w1 & 0xFFFFFFFF", "key"),
    "the multipliers are swapped": ("m0 * c0, m1 * c2", "m1 * c0, m0 * c2"),
    "upper and lower words are swapped": ("m0 * c0, m1 * c2",
        "(w >> 32 & 0xFFFFFFFF | (w & 0xFFFFFFFF) << 32 for w in (m0 * c0, m1 * c2))"),
    "the products do not cross over": ("m0 * c0, m1 * c2", "m1 * c2, m0 * c0"),
    "the key is not mixed in": ("a, b = m0", "k0 = k1 = 0\n        a, b = m0"),
    "that is after 9 rounds": ("range(rounds)", "range(rounds - 1)"),
    "that is after 11 rounds": ("range(rounds)", "range(rounds + 1)"),
    "the new word 0 is used": ("c2, c3 = (a >>", "a = m0 * c0\n        c2, c3 = (a >>"),
    "go through one round on paper": ("^ c1 ^ k0", "^ c1 ^ k1"),
    "rounds is ignored": ("range(rounds)", "range(10)"),
    "published known answers": ("range(rounds)", "range(rounds if rounds == 10 else rounds + 1)"),
    "treated as one number": ("= counter", "= map(int, counter)"),
    "changed in place": ("c0, c1 = (b >> 32 & 0xFFFFFFFF) ^ c1 ^ k0",
                         "c1 ^= k0\n        c0, c1 = (b >> 32 & 0xFFFFFFFF) ^ c1"),
    "four int64 tensors": ("return c0, c1, c2, c3", """if not isinstance(c0, int):
        return torch.stack((c0, c1, c2, c3)).double()
    return c0, c1, c2, c3"""),
    "carries the sign": ("(b >> 32 & 0xFFFFFFFF)", "(b >> 32)"),
    "other words than the same ints":
        ("= key", "= [k if isinstance(k, int) else k[0] for k in key]"),
}

# %% correct="philox_4x32"
def philox_4x32(counter, key, rounds=10):
    low = 2**32 - 1
    words, (k0, k1) = list(counter), key
    for n in range(rounds):
        products = [0xD2511F53 * words[0], 0xCD9E8D57 * words[2]]
        (hi0, lo0), (hi1, lo1) = ((w // 2**32 & low, w & low) for w in products)
        words = [hi1 ^ words[1] ^ (k0 + n * 0x9E3779B9 & low), lo1,
                 hi0 ^ words[3] ^ (k1 + n * 0xBB67AE85 & low), lo0]
    return tuple(words)

# %% [markdown]
# ## From words to coins
#
# A word becomes a number in $[0, 1)$, and that one is compared with $p$. "So divide by $2^{32}$":
# in float32 there is no number between $1 - 2^{-24}$ and 1, so the largest words are rounded to
# exactly 1. A coin of 1 survives at $p=1$, where nothing must. Use the upper 24 bits only: float32
# holds every multiple of $2^{-24}$ below 1.
#
# ## Exercise: `uniform_from_uint32`

# %% exercise="uniform_from_uint32"
def uniform_from_uint32(x):
    """The upper 24 bits of each word as a multiple of 2^-24 in [0, 1).

    x : int64 tensor of words 0 ... 2^32 - 1, left as it is
    Returns a float32 tensor of x's shape, on x's device.
    """
    ### BEGIN SOLUTION
    return (x >> 8).float() * 2.0**-24
    ### END SOLUTION

# %% [markdown] hint="uniform_from_uint32"
# Which 8 bits are too many? A shift to the right drops them.

# %% [markdown] hint="uniform_from_uint32"
# What is left is a whole number below $2^{24}$. Such numbers fit into float32 exactly.

# %% [markdown] hint="uniform_from_uint32"
# `.float()` makes float32. A product with a power of two rounds nothing.

# %%
last = 2**32 - 1 - torch.arange(0, 400)
fig, (ax,) = plot.figure(1, height=2.4, width=6.5)
divided, yours = last.float() / 2**32, uniform_from_uint32(last)
ax.plot(last - 2**32, (divided - 1) * 2**24, color=plot.ORANGE, label="word / 2³²")
ax.plot(last - 2**32, (yours - 1) * 2**24, color=plot.BLUE, label="yours")
ax.set(xlabel="word − 2³²", ylabel="(coin − 1) · 2²⁴",
       title=f"Of the last 400 words, {int((divided == 1).sum())} divided become exactly 1")
ax.set_yticks([-2, -1, 0])
ax.legend()
plot.show(fig, "Coins of the 400 largest words. Exactly 1 become, divided in float32, "
          f"{int((divided == 1).sum())} of them; of yours {int((yours == 1).sum())}.")

# %% check="uniform_from_uint32" points=1
# Words at the ends and between.
x = torch.tensor([0, 255, 256, 2**31, 3 * 2**30 + 77, 2**32 - 256, 2**32 - 1])
before = x.clone()
with expect.case("uniform_from_uint32(x) on 7 words from 0 to 2^32 - 1"):
    out = uniform_from_uint32(x)
    expect.unchanged(x, before)
    expect.tensor(out, 7, torch.float32, hint="return float32: .float(), and no float64 after it.")
    expect.equal(
        out,
        torch.tensor([0, 0, 2.0**-24, 0.5, 0.75, 1 - 2.0**-24, 1 - 2.0**-24]),
        hint="drop the last 8 bits, then take what is left in units of 2^-24.",
        suspects=[
            (x.float() / 2**32, "the whole word is divided by 2^32 or 2^32 - 1, and the largest "
                                "become 1. Use the upper 24 bits."),
            ((x & 0xFFFFFF).float() * 2**-24, "those are the lower 24 bits."),
            ((x >> 8).float() / 2**32, "24 bits divided by 2^32: everything is below 2^-8."),
            ((x >> 9).float() * 2**-23, "those are 23 bits. 24 fit."),
            ((x >> 8).float() / (2**24 - 1), "divide by 2^24, so that 1 is never reached."),
        ],
    )

# %% check="uniform_from_uint32" points=1
# A table of random words.
with expect.case("uniform_from_uint32(x) on 30 × 1000 random words"):
    x = torch.randint(2**32, (30, 1000), generator=expect.generator())
    out = uniform_from_uint32(x.clone())
    expect.tensor(out, (30, 1000), torch.float32, hint="return a coin for each word, in x's shape.")
    expect.close(out, x.double() / 2**32, rtol=0, atol=2**-24,
                 hint="each coin is its word / 2^32, to 24 bits.")

# %% mistakes="uniform_from_uint32"
{
    "the largest become 1": ("(x >> 8).float() * 2.0**-24", "x.float() / 2**32"),
    "the lower 24 bits": ("x >> 8", "x & 0xFFFFFF"),
    "below 2^-8": ("2.0**-24", "2.0**-32"),
    "those are 23 bits": ("(x >> 8).float() * 2.0**-24", "(x >> 9).float() * 2.0**-23"),
    "so that 1 is never reached": ("* 2.0**-24", "/ (2**24 - 1)"),
    "no float64 after it": (".float()", ".double()"),
    "writes into its input": ("return (x >> 8)", "x >>= 8\n    return x"),
    "drop the last 8 bits": ("(x >> 8).float() * 2.0**-24", "torch.rand(x.shape)"),
    "in x's shape": ("(x >> 8)", "(x >> 8).flatten()"),
}

# %% correct="uniform_from_uint32"
def uniform_from_uint32(x):
    return torch.div(x, 256, rounding_mode="floor") / 16777216

# %% [markdown]
# ## A mask with an address for each entry
#
# Now put the pieces together. The entries are numbered row by row, entry $i$ of the mask has the
# counter $o + i$ with an offset $o$, and the first of its four words is its coin:
#
# | | first word | second | third | fourth |
# | --- | --- | --- | --- | --- |
# | counter | lower 32 bits of $o+i$ | upper 32 bits | 0 | 0 |
# | key | lower 32 bits of the seed | upper 32 bits | | |
#
# That is also what Triton's `tl.randint(seed, o + i)` gives. (It throws three words away.
# A faster kernel uses all four; ours stays simple.)
#
# ## Exercise: `seeded_mask`
#
# "The same seed gives the same mask": with an ordinary generator only on one kind of device, and
# only if nobody draws in between. Here it must hold everywhere, and for any *part* of a mask too:
# the offset says where the part begins.

# %% exercise="seeded_mask"
def seeded_mask(shape, p, seed, offset=0, device=None):
    """True where an entry is kept: where its coin, from philox_4x32 as above, is >= p.

    shape : tuple; p : probability of dropping, in [0, 1]
    seed : int, 0 ... 2^63 - 1; offset : int >= 0, the number of the first entry
    Returns a boolean tensor on the device, the same on any; no generator is used or moved.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    i = offset + torch.arange(math.prod(shape), device=device)
    counter = i & 0xFFFFFFFF, i >> 32, 0 * i, 0 * i
    word, *_ = philox_4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))
    return (uniform_from_uint32(word) >= p).reshape(shape)
    ### END SOLUTION

# %% [markdown] hint="seeded_mask"
# `torch.arange(n, device=device)` numbers the entries. Give the mask its shape at the very end.

# %% [markdown] hint="seeded_mask"
# Lower word: `& 0xFFFFFFFF`. Upper word: `>> 32`. For numbers and tensors alike.

# %% [markdown] hint="seeded_mask"
# Add the offset to the *numbers of the entries*, before they are split into words.

# %% [markdown]
# Look at it: one mask of 8 rows, and below it the same mask made in four parts, the last part
# first, as four devices might do it.

# %%
whole = seeded_mask((8, 40), 0.3, seed=2014)
parts = [seeded_mask((2, 40), 0.3, seed=2014, offset=80 * part) for part in (3, 2, 1, 0)]
told = "the same" if torch.equal(whole, torch.cat(parts[::-1])) else "another mask"
fig, (left, right) = plot.figure(2, height=1.5)
for ax, kept, title in ((left, whole, "Made in one piece"),
                        (right, torch.cat(parts[::-1]), f"Made in four, last first: {told}")):
    plot.mask(kept.numpy(), ax)
    ax.set(xlabel="entry of the row", title=title)
left.set_ylabel("row")
plot.show(fig, f"Your mask of eight rows, made in one piece and in four: {told}.")

# %% check="seeded_mask" points=2
# Entry i has the counter i and the key of the seed; it is kept where its coin is >= p.
seed = 5 + 8 * 2**32
numbers = torch.arange(300)
nothing = torch.zeros(300, dtype=torch.int64)
words = philox_4x32((numbers, nothing, nothing, nothing), (5, 8))
for p in (0.25, 0.5):
    coins = uniform_from_uint32(words[0])
    with expect.case(f"seeded_mask((300,), {p}, seed=5 + 8 · 2³²)"):
        found = seeded_mask((300,), p, seed)
        expect.tensor(found, 300, torch.bool, hint="return a boolean tensor of this shape.")
        expect.equal(
            found,
            coins >= p,
            hint="this is not the mask of this seed: counter (i, 0, 0, 0), key (5, 8), word 0.",
            suspects=[
                (coins < p, "kept and dropped are swapped: True stands for kept."),
                (uniform_from_uint32(words[3]) >= p, "that is the last word. Use the first."),
                *[(uniform_from_uint32(philox_4x32(counter, key)[0]) >= p, said)
                  for counter, key, said in (
                    ((numbers, nothing, nothing, nothing), (5, 0),
                     "the upper word of the seed is lost."),
                    ((numbers, nothing, nothing, nothing), (8, 5),
                     "the words of the key are swapped: the lower one comes first."),
                    ((nothing, nothing, nothing, numbers), (5, 8),
                     "the number of the entry is the *first* word of the counter."),
                    ((nothing, numbers, nothing, nothing), (5, 8),
                     "the number of the entry is the *first* word of the counter."),
                )],
            ],
        )

# %% check="seeded_mask" points=1
# Row by row, and in parts.
with expect.case("seeded_mask((6, 50), 0.5, 11) against seeded_mask((300,), 0.5, 11)"):
    line = seeded_mask((300,), 0.5, 11)
    table = seeded_mask((6, 50), 0.5, 11)
    expect.tensor(table, (6, 50), torch.bool, hint="return a mask of the given shape.")
    expect.equal(table, line.reshape(6, 50), hint="number the entries row by row.",
                 suspects=[(line[:50].expand(6, 50), "each row is numbered from 0 again."),
                           (line.reshape(50, 6).T, "the entries are numbered by columns.")])
with expect.case("seeded_mask((2, 50), 0.5, 11, offset=200), rows 4 and 5 of the whole"):
    part = seeded_mask((2, 50), 0.5, 11, 200)
    expect.equal(part, table[4:], hint="an offset of 200 skips the first 200 entries.",
                 suspects=[(table[:2], "the offset is ignored.")])

# %% check="seeded_mask" points=1
# Billions of entries on, the number of an entry still has both its words.
nothing = torch.zeros(200, dtype=torch.int64)
far = (2**31 - 100, "2³¹ - 100"), (2**32 - 100, "2³² - 100"), (5 * 2**32, "5 · 2³²")
for offset, told in far:
    number = offset + torch.arange(200)
    lower, upper = number & 0xFFFFFFFF, number >> 32
    words = philox_4x32((lower, upper, nothing, nothing), (11, 0))
    lost = philox_4x32((lower, nothing, nothing, nothing), (11, 0))
    with expect.case(f"seeded_mask((200,), 0.5, 11, offset={told})"):
        expect.equal(
            seeded_mask((200,), 0.5, 11, offset), uniform_from_uint32(words[0]) >= 0.5,
            hint="split i + offset into its lower 32 bits and what lies above them.",
            suspects=[(uniform_from_uint32(lost[0]) >= 0.5,
                       "the upper word of the number is lost: beyond 2^32 the mask repeats.")],
        )

# %% check="seeded_mask" points=1
# Fair coins: at the rate p, independent, others for each seed.
with expect.case("seeded_mask((20, 30), p, seed) with 24 seeds for each of four p"):
    expect.coins(lambda p, rng: seeded_mask((20, 30), p, int(rng.integers(2**63))))

# %% mistakes="seeded_mask"
{
    "kept and dropped are swapped": (">= p", "< p"),
    "that is the last word": ("word, *_", "*_, word"),
    "the upper word of the seed is lost": ("seed >> 32", "0"),
    "the words of the key are swapped": ("seed & 0xFFFFFFFF, seed >> 32",
                                         "seed >> 32, seed & 0xFFFFFFFF"),
    "the *first* word of the counter": ("i & 0xFFFFFFFF, i >> 32, 0 * i, 0 * i",
                                        "0 * i, 0 * i, i >> 32, i & 0xFFFFFFFF"),
    "not the mask of this seed": ("philox_4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))",
        "torch.randint(2**32, (4, *i.shape), generator=torch.Generator().manual_seed(seed))"),
    "return a boolean tensor": (" >= p)", " >= p).float()"),
    "of the given shape": (".reshape(shape)", ""),
    "each row is numbered from 0": ("device=device)\n", "device=device) % shape[-1]\n"),
    "numbered by columns": (".reshape(shape)",
                            ".reshape(shape[::-1]).permute(*range(len(shape))[::-1])"),
    "number the entries row by row": ("offset + torch.arange(math.prod(shape), device=device)",
        "offset + torch.cartesian_prod(*map(torch.arange, shape)).reshape(-1, len(shape)).sum(1)"),
    "the offset is ignored": ("offset + torch", "torch"),
    "skips the first 200 entries": ("offset + torch", "offset * shape[-1] + torch"),
    "the upper word of the number is lost": ("i >> 32", "0 * i"),
    "its lower 32 bits": ("i >> 32", "i >> 31"),
    "what lies above them": ("i & 0xFFFFFFFF", "i"),
    "with which an entry is dropped": (">= p", ">= round(4 * p) / 4"),
}

# %% correct="seeded_mask"
def seeded_mask(shape, p, seed, offset=0, device=None):
    numbers = torch.arange(offset, offset + torch.Size(shape).numel(), device=device).view(shape)
    high, low = divmod(seed, 2**32)
    zero = torch.zeros_like(numbers)
    coin = philox_4x32((numbers % 2**32, numbers // 2**32, zero, zero), (low, high))[0]
    return ~(uniform_from_uint32(coin) < p)

# %% [markdown]
# ## Explore: a counter in, a mask out
#
# Your own functions make 128 bits from one counter and, below, a mask from 400 counters in a row.
# One bit of the input is flipped; what changes is orange, and pale orange where it becomes 0.
#
# **Try**: at which number of rounds does the flipped bit first reach every word of the output? With
# 1 round, find a bit whose flip leaves the mask as it was. Flip a bit of the key at 10 rounds: how
# many entries of the mask change at $p = 0.5$, how many at $p = 0.1$, and why not half of them
# there? (Click a slider, then use the arrow keys.)

# %%
explore.philox(philox_4x32, uniform_from_uint32)

# %% [markdown]
# ## A layer that keeps eight bytes
#
# ## Exercise: `SeededDropout`
#
# Forward makes the mask from the seed; backward makes it once more. "Computing it twice must cost
# more than storing it": not where a kernel waits for memory rather than for arithmetic, as is
# usual on a GPU. There, what is never written and never read is what counts.
#
# "Nothing is saved, as I did not call `save_for_backward`": a tensor that is an attribute of `ctx`
# is kept just as well.

# %% exercise="SeededDropout"
class SeededDropout(torch.autograd.Function):
    """y = m * x / (1 - p), dx = m * dy / (1 - p), m = seeded_mask(x.shape, p, seed).

    Called as `SeededDropout.apply(x, p, seed)`, in training only.
    x : tensor of any shape and floating dtype, left as it is
    p : probability of dropping, in [0, 1]; at 1, y is 0
    seed : int, 0 ... 2^63 - 1
    Keeps no tensor between forward and backward; can be differentiated twice.
    """

    @staticmethod
    def forward(ctx, x, p, seed):
        check_probability(p)
        ### BEGIN SOLUTION
        ctx.seed, ctx.p = seed, p
        kept = seeded_mask(x.shape, p, seed, device=x.device)
        return x * kept * (1 / (1 - p) if p < 1 else 0.0)
        ### END SOLUTION

    @staticmethod
    def backward(ctx, dy):
        ### BEGIN SOLUTION
        kept = seeded_mask(dy.shape, ctx.p, ctx.seed, device=dy.device)
        return dy * kept * (1 / (1 - ctx.p) if ctx.p < 1 else 0.0), None, None
        ### END SOLUTION

# %% [markdown] hint="SeededDropout"
# Numbers may be attributes of `ctx`. Which two does backward need? Is $x$'s shape a third?

# %% [markdown] hint="SeededDropout"
# `dy` has the shape of $y$, and its device.

# %% [markdown] hint="SeededDropout"
# The two halves differ in one name only. `backward` returns three things.

# %% [markdown]
# What does each layer keep, and does the gradient stay right where a framework runs the forward
# pass *again*? **Activation checkpointing** does: it throws away what lies inside a block, and
# recomputes it in the backward pass. If the second run draws another mask, the gradient belongs to
# a network that was never run. `checkpoint` therefore puts the state of PyTorch's own generators
# back, unless it is told not to. **Predict first**: for which of these four is the gradient wrong?
#
# - (a) `F.dropout`
# - (b) `F.dropout`, and `checkpoint` is told not to put the state back
# - (c) a layer that draws from a generator of its own
# - (d) your `SeededDropout`, and the state is not put back

# %% guess=true
my_guess = "b"  # the letters of those whose gradient is wrong

# %% figure=true
# How many entries of a gradient have another mask than the output, for the four.
guess = expect.guess(my_guess)
own = torch.Generator()


def with_own_generator(x):
    return 2 * x * (torch.rand(x.shape, generator=own) >= 0.5)


ways = {
    "(a) F.dropout": (lambda x: F.dropout(x, 0.5), True),
    "(b) F.dropout, state not put back": (lambda x: F.dropout(x, 0.5), False),
    "(c) a generator of one's own": (with_own_generator, True),
    "(d) your SeededDropout, state not put back":
        (lambda x: SeededDropout.apply(x, 0.5, 7), False),
}
wrong = []
for layer, restore in ways.values():
    runs = []
    for _ in range(10):
        x = torch.ones(2000, requires_grad=True)
        y = checkpoint(lambda x, layer=layer: layer(x).sin(), x, use_reentrant=False,
                       preserve_rng_state=restore)
        y.sum().backward()
        runs.append(100 * ((x.grad != 0) != (y != 0)).double().mean().item())
    wrong.append(runs)
wrong = np.array(wrong)
letters = ", ".join("abcd"[k] for k in range(4) if plot.difference(wrong[k]).sign > 0)
told = f"The gradient is wrong for {letters or 'none'} (your guess: {guess})"

fig, (ax,) = plot.figure(1, height=2.2)
plot.bars(wrong.mean(1), list(ways), ax, spread=plot.standard_error(wrong, 1),
          colors=[plot.GREY, plot.ORANGE, plot.ORANGE, plot.BLUE])
ax.set(xlabel="entries whose gradient has the mask of another run, % (10 runs ± s.e.)",
       title=told)
plot.show(fig, f"Share of gradients with another mask than the output, for four layers. {told}.")

# %% [markdown]
# No error, no warning, and half of the gradient's entries are wrong. Most surprising is the third
# row: `checkpoint` puts back the state of PyTorch's *own* generators, and knows nothing of the one
# that you made and passed around, as this course does. A seed has no state that could be lost.
#
# And what is kept? Two layers, measured with `saved_tensors_hooks` as in {{pytorch}}, the
# attributes of `ctx` included.

# %%
x = torch.ones(10_000, requires_grad=True)
layers = {"nn.Dropout": nn.Dropout(0.5),
          "your SeededDropout": lambda x: SeededDropout.apply(x, 0.5, 7)}
for name, layer in layers.items():
    print(f"{name}: {expect.ask('saved_bytes', layer, x) / len(x):g} bytes for each entry")
for name, layer in layers.items():
    start = time.perf_counter()
    for _ in range(20):
        layer(x).sum().backward()
    print(f"{name}: {(time.perf_counter() - start) / 20 / len(x) * 1e9:.0f} ns for each entry")

# %% [markdown]
# There is a price: written as a hundred separate tensor operations, on a CPU, this layer
# takes several times as long as PyTorch's, which keeps its mask. In *one* kernel all of that
# arithmetic happens in registers, between reading $x$ and writing $y$. That is what the last two
# exercises are for.

# %% check="SeededDropout" points=1
# Forward: the mask is that of the seed, survivors are scaled, x is left alone.
x = torch.randn(40, 50, generator=expect.generator(), dtype=torch.float64)
before = x.clone()
with expect.case("SeededDropout.apply(x, 0.25, 9) on 40 × 50 normal numbers"):
    kept = seeded_mask((40, 50), 0.25, 9)
    out = SeededDropout.apply(x, 0.25, 9)
    expect.unchanged(x, before)
    expect.tensor(out, (40, 50), torch.float64, hint="return a tensor of x's shape and dtype.")
    expect.close(out, x * kept / 0.75, hint="y = m * x / (1 - p), with the mask of the seed.",
                 suspects=[(x * kept, "the survivors are not scaled. Divide them by 1 - p."),
                           (x * kept / 0.25, "the survivors are divided by p."),
                           (x * ~kept / 0.75, "kept and dropped are swapped: True means kept."),
                           (x * seeded_mask((40, 50), 0.25, 0) / 0.75, "the seed is ignored.")])

# %% check="SeededDropout" points=2
# Backward: the same mask and scale, also where x is 0, and when several masks are in one graph.
x = torch.randn(600, generator=expect.generator(), dtype=torch.float64, requires_grad=True)
dy = torch.randn(600, generator=expect.generator(), dtype=torch.float64)
count = [("number of gradients", "backward returns one gradient for each argument of forward: "
                                 "three, and None for p and for seed.")]
with expect.case("out = SeededDropout.apply(x, 0.25, 9); out.backward(dy); x.grad", crash=count):
    kept = seeded_mask((600,), 0.25, 9)
    SeededDropout.apply(x, 0.25, 9).backward(dy.clone())
    expect.close(
        0 * dy if x.grad is None else x.grad, dy * kept / 0.75,
        hint="dy times the mask and the scale of forward.",
        suspects=[(0 * dy, "x gets no gradient."),
                  (dy, "mask and scale are missing in backward."),
                  (dy / 0.75, "the mask is missing in backward."),
                  (dy * kept, "the scale is missing in backward."),
                  (dy * kept / 0.75**2, "the scale enters twice."),
                  (dy * seeded_mask((600,), 0.25, 10) / 0.75,
                   "backward makes the mask of another seed.")],
    )
with expect.case("the same for x = 0, as behind a ReLU", crash=count):
    zeros = torch.zeros(600, dtype=torch.float64, requires_grad=True)
    SeededDropout.apply(zeros, 0.25, 9).backward(dy.clone())
    expect.close(zeros.grad, dy * kept / 0.75,
                 hint="the mask is read off x or y, where a 0 looks dropped. Make it anew.")
with expect.case("two layers, seeds 9 and 10, in one graph; backward after both", crash=count):
    x.grad = None
    first = SeededDropout.apply(x, 0.25, 9)
    SeededDropout.apply(first, 0.5, 10).backward(dy.clone())
    expect.close(x.grad, dy * kept * seeded_mask((600,), 0.5, 10) / 0.375,
                 hint="of two layers in a graph, one goes back with another seed or p than its "
                      "own: keep both on ctx.")

# %% check="SeededDropout" points=1
# What is kept: nothing.
with expect.case("bytes that SeededDropout.apply(x, 0.5, 7) keeps for 1000 entries"):
    x = torch.randn(1000, generator=expect.generator(), requires_grad=True)
    size = expect.ask("saved_bytes", SeededDropout.apply, x, 0.5, 7)
    expect.equal(
        int(size), 0, hint="a tensor is kept, saved or as an attribute of ctx.",
        suspects=[(1000, "one byte per entry: the mask is kept. Make it anew in backward."),
                  (4000, "four bytes per entry: x, y or a float mask is kept. Nothing is needed."),
                  (8000, "eight bytes per entry: the coins or their words are kept.")],
    )

# %% check="SeededDropout" points=1
# Both derivatives agree with finite differences.
with expect.case("torch.autograd.gradcheck and gradgradcheck of SeededDropout",
                 crash=[(".", "the gradient is not that of forward, or backward cannot be "
                              "differentiated (.data, .detach(), NumPy).")]):
    x = torch.randn(4, generator=expect.generator(), dtype=torch.float64, requires_grad=True)
    pair = x[:2].detach().requires_grad_()
    layer = lambda x: SeededDropout.apply(x, 0.5, 12)  # noqa: E731
    torch.autograd.gradcheck(layer, (x,))  # raises where it finds a difference
    torch.autograd.gradgradcheck(layer, (pair,))

# %% check="SeededDropout" points=1
# At p = 1 nothing is left, and nothing is divided by 0.
with expect.case("out = SeededDropout.apply(x, 1.0, 7); out.sum().backward(); x.grad"):
    x = torch.ones(9, requires_grad=True)
    out = SeededDropout.apply(x, 1.0, 7)
    out.sum().backward()
    expect.close(torch.stack([out.detach(), x.grad]), torch.zeros(2, 9),
                 hint="at p = 1 everything is dropped, on both ways. 1 / (1 - p) is not needed.")

# %% check="SeededDropout" points=1
# Any dtype and layout: the mask stays that of the seed.
for dtype in (torch.float16, torch.bfloat16, torch.float32):
    with expect.case(f"SeededDropout.apply(x, 0.5, 7) on 100 ones, {dtype}"):
        x = torch.ones(100, dtype=dtype, requires_grad=True)
        out = SeededDropout.apply(x, 0.5, 7)
        expect.tensor(out, 100, dtype, hint="the result has another dtype than x.")
        expect.equal(out, 2.0 * seeded_mask((100,), 0.5, 7),
                     hint="a survivor of 1 becomes 2, in any dtype, and the mask is that of 7.")
        out.sum().backward()
        expect.equal(x.grad, out.detach(), hint="of ones, y and dx are alike.")
with expect.case("SeededDropout.apply(x.t(), 0.5, 7) on a transposed matrix"):
    x = torch.randn(30, 20, generator=expect.generator()).t()
    expect.close(SeededDropout.apply(x, 0.5, 7), 2 * x * seeded_mask((20, 30), 0.5, 7), rtol=1e-5,
                 hint="the mask goes by the entry's place in x, not in memory.")

# %% mistakes="SeededDropout"
{
    "the survivors are not scaled": (" * (1 / (1 - p) if p < 1 else 0.0)", ""),
    "the survivors are divided by p": ("1 / (1 - p)", "1 / p"),
    "kept and dropped are swapped": ("x * kept", "x * ~kept"),
    "the seed is ignored": ("x.shape, p, seed", "x.shape, p, 0"),
    "with the mask of the seed": ("x.shape, p, seed", "x.shape, p, seed + 1"),
    "of x's shape and dtype": ("return x *", "return x.float() *"),
    "another dtype than x": ("return x *", "return x * torch.ones(1) *"),
    "writes into its input": ("return x * kept", "return x.mul_(kept)"),
    "mask and scale are missing": ("dy * kept * (1 / (1 - ctx.p) if ctx.p < 1 else 0.0)", "dy"),
    "x gets no gradient": ("dy * kept * (1 / (1 - ctx.p) if ctx.p < 1 else 0.0)", "None"),
    "the mask is missing in backward": ("dy * kept", "dy"),
    "the scale is missing in backward": (" * (1 / (1 - ctx.p) if ctx.p < 1 else 0.0)", ""),
    "the scale enters twice": ("1 / (1 - ctx.p)", "1 / (1 - ctx.p) ** 2"),
    "another seed": ("= seed, p", "= seed + 1, p"),
    "the mask and the scale of forward": ("dy.shape, ctx.p", "dy.shape, 1 - ctx.p"),
    "keep both on ctx": ("ctx.seed, ctx.p =", "type(ctx).seed, type(ctx).p ="),
    "one gradient for each argument": (", None, None", ""),
    "one byte per entry": ("kept = seeded_mask(x", "ctx.kept = kept = seeded_mask(x"),
    "four bytes per entry": ("ctx.seed, ctx.p = seed, p", "ctx.seed, ctx.p, ctx.x = seed, p, x"),
    "eight bytes per entry": ("ctx.seed, ctx.p = seed, p",
                              "ctx.seed, ctx.p, ctx.i = seed, p, torch.arange(x.numel())"),
    "a tensor is kept": ("ctx.seed, ctx.p = seed, p",
                         "ctx.seed, ctx.p, ctx.x, ctx.gate = seed, p, x, x > 0"),
    "cannot be differentiated": ("dy * kept", "dy.detach() * kept"),
    "everything is dropped, on both ways": ("1 / (1 - p) if p < 1 else 0.0",
                                            "1 / (1 - p) if p < 1 else math.inf"),
    "in any dtype": ("x.shape, p, seed,", "x.shape, p, seed + (x.dtype == torch.float16),"),
    "y and dx are alike": ("dy.shape, ctx.p, ctx.seed,",
                           "dy.shape, ctx.p, ctx.seed + (dy.dtype == torch.float16),"),
    "not in memory": ("x * kept", "x * kept.as_strided(x.shape, x.stride())"),
}

# %% mistake="SeededDropout" says="the mask is read off x or y"
class SeededDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p = p
        y = x * seeded_mask(x.shape, p, seed) / (1 - p)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        return dy * (ctx.saved_tensors[0] != 0) / (1 - ctx.p), None, None

# %% correct="SeededDropout"
class SeededDropout(torch.autograd.Function):
    @staticmethod
    def apply_mask(values, p, seed):
        dropped = ~seeded_mask(tuple(values.shape), p, seed, 0, values.device)
        return (values / ((1 - p) or 1)).masked_fill(dropped, 0)

    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.settings = p, seed
        return SeededDropout.apply_mask(x, p, seed)

    @staticmethod
    def backward(ctx, dy):
        return SeededDropout.apply_mask(dy, *ctx.settings), None, None

# %% [markdown]
# ### In the company of other tools
#
# Two more tools rewrite what runs between forward and backward. **Mixed precision** (`autocast`)
# runs products in bfloat16, so your layer gets another dtype. **`torch.compile`** with
# `fullgraph=True` insists that a whole function, forward and backward, becomes one graph, with no
# way back to Python in between. (The backend `aot_eager` captures both graphs and runs them as
# they are; the default one needs a C++ compiler.)

# %%
linear = nn.Linear(50, 60)


def network(x, seed):
    return SeededDropout.apply(linear(x), 0.5, seed).square().sum()


def gradient(function, seed):
    linear.weight.grad = None
    function(torch.ones(8, 50), seed).backward()
    return linear.weight.grad.clone()


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of torch's own code
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    for seed in (7, 8, 9):
        apart = (gradient(compiled, seed) - gradient(network, seed)).abs().max()
        print(f"compiled, seed {seed}: gradients differ by at most {apart:.1g}")
with torch.autocast("cpu", torch.bfloat16):
    middle = linear(torch.ones(8, 50))
    sent = SeededDropout.apply(middle, 0.5, 7)
same = torch.equal(sent != 0, seeded_mask((8, 60), 0.5, 7) & (middle != 0))
print(f"under autocast: {sent.dtype}, the mask of the seed: {same}")

# %% [markdown]
# ## Two ways to be parallel
#
# Who picks the seed? One process counts: a new seed in each step, for each layer. With several
# processes (*ranks*) it depends on what they share out.
#
# - **Data parallel**: each rank has the whole network and *other examples*. Their masks must
#   differ, or examples on different ranks are thinned alike.
# - **Tensor parallel**: the ranks share out the *weights*, and each holds a copy of the same
#   residual stream. Dropout there must use the *same* mask on every rank, or the copies drift
#   apart, and what the ranks add up no longer belongs together. (Inside attention each rank has
#   heads of its own; there it is as for data. Megatron-LM keeps two generators for this reason.)
#
# ## Exercise: `rank_seed`
#
# "`seed + rank` is different on each rank": yes, in one step. But rank 1 in step 5 then has the
# seed of rank 0 in step 6. A seed has 64 bits: there is room for both numbers.

# %% exercise="rank_seed"
def rank_seed(seed, rank, parallel):
    """The seed that a rank uses for dropout on whole activations.

    seed : int, 0 ... 2^32 - 1, the same on every rank (say, the number of the step)
    rank : int, 0 ... 2^31 - 1
    parallel : "data" another seed for each pair (seed, rank); "tensor" the same on every rank, but
        another for each seed
    Returns an int, 0 ... 2^63 - 1, the same whenever it is asked for.
    """
    if parallel not in ("data", "tensor"):
        raise ValueError(f'parallel must be "data" or "tensor", not {parallel!r}')
    ### BEGIN SOLUTION
    return seed + (rank << 32 if parallel == "data" else 0)
    ### END SOLUTION

# %% [markdown] hint="rank_seed"
# Two numbers must be read off one. How do you write hours and minutes as one number?

# %% [markdown] hint="rank_seed"
# `seed` fills 32 bits at most. Where is there room for `rank`?

# %% [markdown] hint="rank_seed"
# In tensor parallel, which of the two numbers must play no part?

# %% figure=true
# How many of the masks of 100 steps are different ones, for two ways to make the seed.
steps, ranks = 100, [1, 2, 4, 8, 16, 32, 64]
distinct = {
    "seed + rank": [len({s + r for s in range(steps) for r in range(k)}) for k in ranks],
    "yours": [len({rank_seed(s, r, "data") for s in range(steps) for r in range(k)})
              for k in ranks],
}
fig, (ax,) = plot.figure(1, height=2.5, width=6.5)
for (name, counts), color in zip(distinct.items(), (plot.ORANGE, plot.BLUE), strict=True):
    ax.plot(ranks, [100 * c / (steps * k) for c, k in zip(counts, ranks, strict=True)], "o-",
            color=color, label=name)
ax.set(xlabel="ranks, data parallel", ylabel="different masks, %", ylim=(0, 108))
ax.set_xscale("log", base=2)
ax.set_xticks(ranks, ranks)
summed, own = (100 * counts[-1] / (steps * 64) for counts in distinct.values())
told = f"64 ranks, 100 steps: {summed:.0f} % of seed + rank's masks differ, {own:.0f} % of yours"
ax.set_title(told)
ax.legend(loc="center right")
plot.show(fig, f"Share of different masks against the number of ranks. {told}.")

# %% check="rank_seed" points=1
# Data parallel: every pair has a seed of its own, in range.
some = [int(k) for k in expect.rng().integers(2000, 60_000, size=2)]  # which nobody knows
all_seeds = [0, 1, 2, 3, 31, 1000, some[0], 2**16, 2**31, 2**32 - 2, 2**32 - 1]
all_ranks = [0, 1, 2, 3, 31, 32, some[1], 2**16, 2**31 - 1]
with expect.case("rank_seed(seed, rank, 'data') for 11 seeds and 9 ranks"):
    found = [rank_seed(s, r, "data") for s in all_seeds for r in all_ranks]
    expect.equal(rank_seed(0, 1, "data") == rank_seed(0, 0, "data"), False,
                 hint="ranks 0 and 1 have the same seed: their masks are alike.")
    expect.equal(rank_seed(5, 1, "data") == rank_seed(6, 0, "data"), False,
                 hint="rank 1 in step 5 has the seed of rank 0 in step 6: the sum of two numbers "
                      "does not tell them apart.")
    expect.equal(len({rank_seed(s, 3, "data") for s in all_seeds}), 11,
                 hint="one rank has the same seed in two steps.")
    expect.equal(max(found) > 2**40, True,
                 hint="all seeds are below 2^40, too few for 2^63 pairs: leave 32 bits for seed.")
    expect.equal(len(set(found)), 99,
                 hint="two of these 99 pairs have the same seed.")
    expect.equal([s for s in found if not 0 <= s < 2**63], [],
                 hint="a seed lies outside 0 ... 2^63 - 1.")
    expect.equal([rank_seed(s, r, "data") for s in all_seeds for r in all_ranks], found,
                 hint="asked twice, it gives two seeds: a rank could not make its mask again.")
base, step, rank = (int(rank_seed(*pair, "data")) for pair in ((0, 0), (1, 0), (0, 1)))
common = max(1, math.gcd(step - base, rank - base))
s, r = (rank - base) // common, (step - base) // common  # where a sum of multiples meets itself
if 0 < s < 2**32 and 0 < r < 2**31:
    with expect.case(f"rank_seed({s}, 0, 'data') and rank_seed(0, {r}, 'data')"):
        expect.equal(rank_seed(s, 0, "data") == rank_seed(0, r, "data"), False,
                     hint="these two pairs have the same seed: multiply one of the numbers by more "
                          "than the other can reach.")

# %% check="rank_seed" points=1
# Tensor parallel: the same on every rank, another in each step.
some = [int(k) for k in expect.rng().integers(2000, 60_000, size=2)]
all_ranks = [0, 1, 2, 3, 31, 32, some[0], 2**16, 2**31 - 1]
steps_seen = [0, 1, 2, some[1], 2**31, 2**32 - 1]
with expect.case("rank_seed(seed, rank, 'tensor') for 6 seeds and 9 ranks"):
    found = [[rank_seed(s, r, "tensor") for r in all_ranks] for s in steps_seen]
    expect.equal(max(len(set(seeds)) for seeds in found), 1,
                 hint="ranks that hold copies of the same activations need one mask.")
    expect.equal(len({seeds[0] for seeds in found}), 6, hint="in two steps the seed is the same.")
    expect.equal([seeds[0] for seeds in found if not 0 <= seeds[0] < 2**63], [],
                 hint="a seed lies outside 0 ... 2^63 - 1.")

# %% mistakes="rank_seed"
{
    "their masks are alike": ('parallel == "data"', 'parallel == "tensor"'),
    "does not tell them apart": ("rank << 32", "rank"),
    "one rank has the same seed in two steps": ("seed + (rank << 32", "(rank << 32"),
    "these 99 pairs": ("rank << 32", "rank << 16"),
    "too few for 2^63 pairs": ('seed + (rank << 32 if parallel == "data" else 0)',
                               'hash((seed, rank if parallel == "data" else 0)) % 2**32'),
    "these two pairs have the same seed": ("rank << 32", "1_000_003 * rank"),
    "outside 0 ... 2^63 - 1": ("rank << 32", "rank << 33"),
    "asked twice": ("rank << 32", "int(np.random.default_rng().integers(2**30)) << 32"),
    "need one mask": ('rank << 32 if parallel == "data" else 0', "rank << 32"),
    "in two steps the seed is the same":
        ("return seed + (", 'return (seed if parallel == "data" else 0) + ('),
}

# %% correct="rank_seed"
def rank_seed(seed, rank, parallel):
    if parallel == "tensor":
        rank = 0
    return (seed << 31) | rank

# %% [markdown]
# ## One kernel
#
# A GPU runs thousands of copies of one small program, the **kernel**, each on a block of entries.
# In eager PyTorch each operation is a kernel of its own that reads its input from memory and
# writes its output back; a *fused* kernel reads once and writes once. **Triton** lets you write
# kernels in Python. Without a GPU its interpreter runs them on the CPU, slowly, block after block,
# with the same results; the course starts it where no GPU is found.
#
# *Triton comes for Linux only. On another system read on, write the kernels if you like, and run
# them on a Linux machine; here their checks say so and do not count.*
#
# A worked example. Each copy finds its entries by its own number, the `program_id`. The last block
# reaches beyond the end, so loads and stores take a `mask` of the entries that exist.

# %%
expect.needs("triton")


@triton.jit
def double_kernel(x, y, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    tl.store(y + i, 2 * tl.load(x + i, mask=inside), mask=inside)


numbers = torch.arange(10.0, device=gpu.DEVICE)
doubled = torch.empty_like(numbers)
double_kernel[(3,)](numbers, doubled, 10, BLOCK=4)  # 3 copies, of 4 entries each
print(doubled)

# %% [markdown]
# And Triton has Philox built in: `tl.randint(seed, i)` gives the first word for each entry of `i`.
# Is it yours?

# %%
expect.needs("triton")


@triton.jit
def words_kernel(out, seed, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    for_each = tl.randint4x(seed, i)
    tl.store(out + i, for_each[0].to(tl.int64), mask=i < n)
    tl.store(out + n + i, for_each[1].to(tl.int64), mask=i < n)


found = torch.empty(2, 1000, dtype=torch.int64, device=gpu.DEVICE)
words_kernel[(4,)](found, 5 + 8 * 2**32, 1000, BLOCK=256)
number = torch.arange(1000)
own = philox_4x32((number, 0 * number, 0 * number, 0 * number), (5, 8))
equal = (found.cpu() & 0xFFFFFFFF == torch.stack(own[:2])).double().mean()
print(f"{100 * equal:g} % of 2000 words agree with your philox_4x32")

# %% [markdown]
# ## Exercise: `dropout_kernel`
#
# The kernel goes both ways: backward is the same kernel with $dy$ in place of $x$. Two
# misunderstandings. "Each block draws its own random numbers": then the mask depends on the size
# of the blocks, and a machine that chooses another size gets another mask. Use the number of the
# *entry*. And "the dtype of $x$ will do for the arithmetic": in bfloat16 a scale of $1/(1-p)$ has
# three digits. Load, convert to `tl.float32`, compute, and let the store convert back.
#
# The index line, the launch and the `autograd.Function` are given.

# %% setup=true
# For the checks: the mask that a kernel must have.
def kept_by(sent, p, word):
    """Which entries are kept at these words: by the coins of seeded_mask or, where `sent` comes
    nearer to it, by those of tl.rand, which makes 31 bits of a word or of its complement."""
    low = torch.where(word < 2**31, word, 2**32 - 1 - word)
    coins = (word >> 8).float() * 2.0**-24, low.float() * 4.6566127342e-10
    masks = [(coin >= p).reshape(sent.shape) for coin in coins]
    return min(masks, key=lambda mask: int((mask != (sent != 0)).sum()))

# %% exercise="dropout_kernel"
@triton.jit
def dropout_kernel(x, y, n, p, scale, seed, BLOCK: tl.constexpr):
    """y[i] = x[i] * scale where entry i of seeded_mask((n,), p, seed) is kept, else 0; i < n.

    x, y : pointers to n entries in a row, float32, float16 or bfloat16
    The coin of entry i is (word >> 8) * 2^-24, the word tl.randint(seed, i) as an unsigned number:
    `.to(tl.uint32, bitcast=True)`. (Triton's own coin of that word, tl.rand(seed, i), will do too;
    the mask is then another one than seeded_mask's.) Computes in float32.
    """
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ### BEGIN SOLUTION
    exists = i < n
    word = tl.randint(seed, i).to(tl.uint32, bitcast=True)
    kept = (word >> 8) * (1 / 16777216) >= p
    values = tl.load(x + i, mask=exists).to(tl.float32)
    tl.store(y + i, tl.where(kept, values * scale, 0.0), mask=exists)
    ### END SOLUTION


def dropout_triton(x, p, seed, block=1024):
    """Launch `dropout_kernel` on as many blocks as x fills; a new tensor where x is."""
    check_probability(p)
    home, x, n = x.device, x.contiguous().to(gpu.DEVICE), x.numel()
    scale = 1 / (1 - p) if p < 1 else 0.0
    with gpu.guarded(x, block, reads=[x]) as y:
        dropout_kernel[(triton.cdiv(n, block),)](x, y, n, p, scale, seed, BLOCK=block)
    return y.to(home)


class TritonDropout(torch.autograd.Function):
    """Dropout by `dropout_kernel`, forward and backward: TritonDropout.apply(x, p, seed)."""

    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p, ctx.seed = p, seed
        return dropout_triton(x, p, seed)

    @staticmethod
    def backward(ctx, dy):
        return dropout_triton(dy, ctx.p, ctx.seed), None, None

# %% [markdown] hint="dropout_kernel"
# Five steps: which entries exist; the word of each; whether it is kept; the values, loaded; the
# result, stored.

# %% [markdown] hint="dropout_kernel"
# `tl.where(kept, a, b)` chooses entry by entry. $2^{24}$ is 16777216.

# %% [markdown] hint="dropout_kernel"
# Both the load and the store need `mask=`. What lies beyond the end belongs to somebody else.

# %%
expect.needs("triton")
x = torch.ones(8, 40, device=gpu.DEVICE)
by_kernel = [dropout_triton(x, 0.3, 2014, block) for block in (64, 256)]
fig, (left, right) = plot.figure(2, height=1.5)
for ax, sent, title in ((left, by_kernel[0], "Your kernel, blocks of 64"),
                        (right, by_kernel[1], "Blocks of 256")):
    plot.mask(sent.cpu().numpy(), ax)
    ax.set(xlabel="entry of the row", title=title)
left.set_ylabel("row")
plot.show(fig, "The mask that your kernel makes in blocks of 64 and of 256.")
print("the mask of seeded_mask:", torch.equal(by_kernel[0].cpu() != 0, whole))

# %% check="dropout_kernel" points=2
# The mask is made of the entries' own words, survivors are scaled, x is left alone.
expect.needs("triton")
x = torch.randn(700, generator=expect.generator())
before, number = x.clone(), torch.arange(700)
word = philox_4x32((number, 0 * number, 0 * number, 0 * number), (9, 0))[0]
signed = (word - (word >= 2**31) * 2**32 >> 8) * 2.0**-24
with expect.case("dropout_triton(x, 0.25, 9, block=256) on 700 normal numbers, float32"):
    out = dropout_triton(x, 0.25, 9, 256)
    expect.unchanged(x, before, hint="the kernel writes into x. Store into y.")
    kept = kept_by(out, 0.25, word)
    block = torch.cat([kept_by(out[:256], 0.25, word[:256])] * 3)[:700]
    expect.close(
        out, x * kept / 0.75, rtol=1e-5,
        hint="entry i is x[i] * scale where the coin of word tl.randint(seed, i) is >= p, else 0.",
        suspects=[(x * kept, "the survivors are not scaled."),
                  (x / 0.75, "nothing is dropped."),
                  (x * ~seeded_mask((700,), 0.25, 9) / 0.75, "kept and dropped are swapped."),
                  (torch.where(seeded_mask((700,), 0.25, 9), x / 0.75, x),
                   "what is dropped must be 0."),
                  (torch.full((700,), 77.0), "the kernel stores nothing."),
                  (x * (signed >= 0.25) / 0.75, "the words are signed, and half of the coins "
                                                "negative: bitcast them to tl.uint32."),
                  (x * block / 0.75, "every block has the mask of the first: number the entries "
                                     "by i, and not within the block.")],
    )

# %% check="dropout_kernel" points=1
# Any length, and the same mask whatever the size of the blocks.
expect.needs("triton")
number = torch.arange(1100)
word = philox_4x32((number, 0 * number, 0 * number, 0 * number), (3, 0))[0]
with expect.case("dropout_triton(x, 0.5, 3) on 1100 ones"):
    out = dropout_triton(torch.ones(1100), 0.5, 3)
    kept = kept_by(out, 0.5, word)
    expect.equal(out, 2.0 * kept, hint="a survivor of 1 becomes 2, what is dropped 0.")
for n, block in ((1, 256), (255, 256), (256, 256), (257, 256), (300, 64), (300, 1024), (0, 64)):
    with expect.case(f"dropout_triton(x, 0.5, 3, block={block}) on {n} ones"):
        expect.equal(dropout_triton(torch.ones(n), 0.5, 3, block), 2.0 * kept[:n],
                     hint="the first n entries of 1100 were others: the mask depends on the length "
                          "or on the block. The word of an entry goes by i alone.")

# %% check="dropout_kernel" points=1
# Other dtypes are computed in float32, the coins too; any layout in memory.
expect.needs("triton")
narrow = [("bf16", "compute in float32: convert what is loaded with .to(tl.float32).")]
with expect.case("dropout_triton(x, 0.1, 9) on 20 000 ones, float32"):
    kept = dropout_triton(torch.ones(20_000), 0.1, 9) != 0
for dtype, rtol in ((torch.float16, 2**-11), (torch.bfloat16, 2**-7)):  # the interpreter cuts off
    with expect.case(f"dropout_triton(x, 0.1, 9) on 20 000 numbers, {dtype}", crash=narrow):
        x = (1 + torch.rand(20_000, generator=expect.generator())).to(dtype)
        out = dropout_triton(x, 0.1, 9)
        expect.tensor(out, 20_000, dtype, hint="the store converts to y's dtype.")
        expect.equal(int(((out != 0) != kept).sum()), 0,
                     hint="the mask is another than that of float32: compare the coins with p in "
                          "float32, whatever dtype x has.")
        expect.close(out, x.float() * kept * (1 / 0.9), rtol=1.01 * rtol,
                     hint="a kept entry is x * scale, rounded once: is all of it computed in "
                          "float32?")
with expect.case("dropout_triton(x.t(), 0.1, 9) on a transposed matrix"):
    x = torch.randn(20, 15, generator=expect.generator()).t()
    expect.close(dropout_triton(x, 0.1, 9), x * kept[:300].reshape(15, 20) / 0.9, rtol=1e-5,
                 hint="the mask goes by the entry's place in x.")

# %% check="dropout_kernel" points=1
# All 64 bits of the seed count, forward and backward.
expect.needs("triton")
number = torch.arange(300)
word, half = (philox_4x32((number, 0 * number, 0 * number, 0 * number), key)[0]
              for key in ((5, 8), (5, 0)))
with expect.case("dropout_triton(x, 0.5, 5 + 8 · 2³²) on 300 ones"):
    out = dropout_triton(torch.ones(300), 0.5, 5 + 8 * 2**32)
    expect.equal(out, 2.0 * kept_by(out, 0.5, word),
                 hint="this is not the mask of this seed.",
                 suspects=[(2.0 * kept_by(out, 0.5, half),
                            "half of the seed is lost: hand it on as it is.")])
with expect.case("out = TritonDropout.apply(x, 0.25, 5 + 8 · 2³²); out.backward(dy); x.grad"):
    x = torch.zeros(300, requires_grad=True)
    dy = torch.randn(300, generator=expect.generator())
    TritonDropout.apply(x, 0.25, 5 + 8 * 2**32).backward(dy)
    expect.close(x.grad, dy * kept_by(x.grad, 0.25, word) / 0.75, rtol=1e-5,
                 hint="backward is the same kernel on dy, with the same mask.")

# %% mistakes="dropout_kernel"
{
    "the survivors are not scaled": ("values * scale", "values"),
    "nothing is dropped": ("tl.where(kept, values * scale, 0.0)", "values * scale"),
    "kept and dropped are swapped": (">= p", "< p"),
    "what is dropped must be 0": ("scale, 0.0)", "scale, values)"),
    "the kernel stores nothing": ("0.0), mask=exists)", "0.0), mask=i < 0)"),
    "the words are signed": ("tl.randint(seed, i).to(tl.uint32, bitcast=True)",
                             "tl.randint(seed, i).to(tl.int32, bitcast=True)"),
    "the mask of the first": ("tl.randint(seed, i)", "tl.randint(seed, tl.arange(0, BLOCK))"),
    "is >= p, else 0": ("tl.randint(seed, i)", "tl.randint(seed, n - i)"),
    "writes into x": ("tl.store(y + i", "tl.store(x + i"),
    "needs a mask where it stores": ("0.0), mask=exists)", "0.0))"),
    "needs a mask where it loads": ("tl.load(x + i, mask=exists)", "tl.load(x + i)"),
    "compare the coins with p in": ("(word >> 8) * (1 / 16777216) >=",
        "((word >> 8) * (1 / 16777216)).to(x.dtype.element_ty).to(tl.float32) >="),
    "is all of it computed in float32": ("mask=exists).to(tl.float32)", "mask=exists)"),
    "half of the seed is lost": ("tl.randint(seed, i)", "tl.randint(seed.to(tl.uint32), i)"),
}

# %% correct="dropout_kernel"
@triton.jit
def dropout_kernel(x, y, n, p, scale, seed, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + i, mask=i < n, other=0.0).to(tl.float32) * scale
    value = value * (tl.rand(seed, i) >= p)
    tl.store(y + i, value.to(y.dtype.element_ty), mask=i < n)


def dropout_triton(x, p, seed, block=1024):
    home, x, n = x.device, x.contiguous().to(gpu.DEVICE), x.numel()
    with gpu.guarded(x, block, reads=[x]) as y:
        scale = 1 / (1 - p) if p < 1 else 0.0
        dropout_kernel[(triton.cdiv(n, block),)](x, y, n, p, scale, seed, BLOCK=block)
    return y.to(home)


class TritonDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p, ctx.seed = p, seed
        return dropout_triton(x, p, seed)

    @staticmethod
    def backward(ctx, dy):
        return dropout_triton(dy, ctx.p, ctx.seed), None, None

# %% [markdown]
# ## Three layers in one
#
# In a transformer a bias is added before dropout and the residual stream behind it:
# $z = r + m \odot (x + b)/(1-p)$. As three separate operations this moves seven times the size of
# $x$, and the mask: read $x$, write the sum; read it, write what is left of it, and the mask; read
# that and $r$, write $z$. In one kernel it is three times: $x$ and $r$ are read, $z$ is written.
#
# ## Exercise: `bias_dropout_residual_kernel`
#
# This time you write the kernel's body alone, and the backward pass. "The residual is dropped with
# the rest": then nothing of the stream would get past this layer. And "the gradient needs a kernel
# of its own": which of your functions gives $dx$ already? The bias is one row for all rows of $x$,
# so the gradients of all rows add up in it.

# %% exercise="bias_dropout_residual_kernel"
@triton.jit
def bias_dropout_residual_kernel(
    x, bias, residual, z, n, columns, p, scale, seed, BLOCK: tl.constexpr
):
    """z[i] = residual[i] + m[i] * (x[i] + bias[i % columns]) * scale, i < n, in float32.

    x, residual, z : pointers to n entries, row by row; bias : pointer to `columns` entries
    m[i] is 1 where dropout_kernel keeps entry i, else 0.
    """
    ### BEGIN SOLUTION
    at = tl.arange(0, BLOCK) + BLOCK * tl.program_id(0)
    there = at < n
    kept = (tl.randint(seed, at).to(tl.uint32, bitcast=True) >> 8) * (1 / 16777216) >= p
    total = tl.load(x + at, mask=there).to(tl.float32)
    total += tl.load(bias + at % columns, mask=there).to(tl.float32)
    passing = tl.load(residual + at, mask=there).to(tl.float32)
    tl.store(z + at, passing + tl.where(kept, total * scale, 0.0), mask=there)
    ### END SOLUTION


class BiasDropoutResidual(torch.autograd.Function):
    """z by the kernel: BiasDropoutResidual.apply(x, bias, residual, p, seed, block)."""

    @staticmethod
    def forward(ctx, x, bias, residual, p, seed, block=1024):
        check_probability(p)
        ctx.p, ctx.seed = p, seed
        home, n, scale = x.device, x.numel(), 1 / (1 - p) if p < 1 else 0.0
        x, bias, residual = (t.contiguous().to(gpu.DEVICE) for t in (x, bias, residual))
        with gpu.guarded(x, block, reads=[x, bias, residual]) as z:
            bias_dropout_residual_kernel[(triton.cdiv(n, block),)](
                x, bias, residual, z, n, len(bias), p, scale, seed, BLOCK=block
            )
        return z.to(home)

    @staticmethod
    def backward(ctx, dz):
        # returns the gradients of x, bias and residual, then None for p, seed and block
        ### BEGIN SOLUTION
        dx = dropout_triton(dz, ctx.p, ctx.seed)
        return dx, dx.flatten(0, -2).sum(0), dz, None, None, None
        ### END SOLUTION

# %% [markdown] hint="bias_dropout_residual_kernel"
# Begin as `dropout_kernel` does. There are three loads instead of one; the bias is loaded at the
# entry's column.

# %% [markdown] hint="bias_dropout_residual_kernel"
# Write the derivative of $z_i$ with respect to $x_i$, to $b_{i \bmod c}$ and to $r_i$. Two of the
# three are alike.

# %% [markdown] hint="bias_dropout_residual_kernel"
# $dx$ is dropout of $dz$, with the mask and the scale of forward. `flatten(0, -2)` makes a matrix
# of rows of whatever has rows; $dz$ itself goes on to the residual.

# %% figure=true
# What the residual stream gains over 40 seeds, at three rates.
expect.needs("triton")
rows, bias, stream = (torch.randn(*s, device=gpu.DEVICE) for s in ((6, 50), (50,), (6, 50)))
given, runs = (rows + bias).flatten().cpu().numpy(), {}
for p in (0.0, 0.5, 0.9):
    sent = [BiasDropoutResidual.apply(rows, bias, stream, p, seed) for seed in range(40)]
    runs[p] = (torch.stack(sent) - stream).flatten(1).cpu().numpy()
fig, (ax,) = plot.figure(1, height=2.8, width=6)
for (p, gains), color in zip(runs.items(), (plot.INK, plot.BLUE, plot.ORANGE), strict=True):
    ax.plot(given, gains.mean(0), ".", color=color, label=f"p = {p:g}")
slopes = runs[0.9] @ given / (given @ given)  # one for each seed
told = f"{slopes.mean():.2f} ± {plot.standard_error(slopes):.2f} times x + b"
ax.set(xlabel="x + b", ylabel="mean of z − r, 40 seeds",
       title=f"At p = 0.9 the stream gains {told}")
ax.legend()
plot.show(fig, f"Mean of z minus the residual against x + b, three rates. At p = 0.9 it is {told}.")

# %% check="bias_dropout_residual_kernel" points=2
# Forward: bias, dropout and residual, in this order.
expect.needs("triton")
x, residual = torch.randn(2, 9, 60, generator=expect.generator())
bias = torch.randn(60, generator=expect.generator())
copies = torch.cat([x, residual, bias[None]])
number = torch.arange(540)
word = philox_4x32((number, 0 * number, 0 * number, 0 * number), (9, 0))[0]
with expect.case("BiasDropoutResidual.apply(x, bias, residual, 0.25, 9) on 9 rows of 60"):
    out = BiasDropoutResidual.apply(x, bias, residual, 0.25, 9)
    expect.unchanged(torch.cat([x, residual, bias[None]]), copies,
                     hint="the kernel writes into an input. Store into z.")
    expect.tensor(out, (9, 60), torch.float32, hint="the launch returns a tensor like x.")
    sent = BiasDropoutResidual.apply(torch.ones(9, 60), 0 * bias, 0 * residual, 0.25, 9)
    kept, yours = kept_by(sent, 0.25, word), sent != 0
    swapped = ~kept_by(sent == 0, 0.25, word)
    expect.close(
        out, residual + (x + bias) * kept / 0.75, rtol=1e-5, atol=1e-5,
        hint="z = residual + m * (x + bias) * scale; column i % columns of the bias.",
        suspects=[(residual, "the residual alone comes out."),
                  (residual + x + bias, "nothing is dropped."),
                  (residual + x * yours / 0.75 + bias, "the bias is added behind dropout."),
                  ((residual + x + bias) * yours / 0.75, "the residual is dropped with the rest."),
                  (residual + (x + bias) * yours, "the survivors are not scaled."),
                  ((x + bias) * yours / 0.75, "the residual is missing."),
                  (residual + x * yours / 0.75, "the bias is missing."),
                  (residual + (x + bias) * swapped / 0.75, "kept and dropped are swapped."),
                  (torch.where(yours, residual + (x + bias) / 0.75, 0),
                   "where an entry is dropped, the residual must still pass.")],
    )

# %% check="bias_dropout_residual_kernel" points=2
# Backward: the gradients of x, bias and residual, with the mask of forward.
expect.needs("triton")
inputs = [torch.randn(*s, generator=expect.generator()) for s in ((9, 60), (60,), (9, 60))]
x, bias, residual = (t.requires_grad_() for t in inputs)
dz = torch.randn(9, 60, generator=expect.generator())
with expect.case("out.backward(dz), then x.grad, bias.grad and residual.grad",
                 crash=[("number of gradients", "backward returns six things: three gradients, "
                                                "and None for p, seed and block.")]):
    kept = BiasDropoutResidual.apply(torch.ones(9, 60), 0 * bias, 0 * residual, 0.25, 9) != 0
    dx = dz * kept / 0.75
    BiasDropoutResidual.apply(x, bias, residual, 0.25, 9).backward(dz)
    expect.close(x.grad, dx, rtol=1e-5, atol=1e-6,
                 hint="dx = m * dz / (1 - p), and m is the mask of forward.",
                 suspects=[(dz, "mask and scale are missing in dx."),
                           (dz / 0.75, "the mask is missing in dx."),
                           (dx * 0.75, "the scale is missing in dx.")])
    expect.close(residual.grad, dz, rtol=1e-5, atol=1e-6,
                 hint="the residual passes undropped, and so does its gradient.",
                 suspects=[(dx, "the residual's gradient is dropped. It is dz itself.")])
    expect.close(bias.grad, dx.sum(0), rtol=1e-4, atol=1e-5,
                 hint="the bias gets the sum of dx over all rows.",
                 suspects=[(dz.sum(0), "the bias is dropped with x: sum dx, not dz."),
                           (dx.mean(0), "sum the rows, do not average them.")])

# %% check="bias_dropout_residual_kernel" points=1
# Any number of rows and columns, and any size of the blocks.
expect.needs("triton")
number = torch.arange(300)
word = philox_4x32((number, 0 * number, 0 * number, 0 * number), (3, 0))[0]
for rows, columns, block in ((1, 1, 64), (7, 37, 1024), (7, 37, 64), (2, 128, 256)):
    with expect.case(f"BiasDropoutResidual.apply, {rows} × {columns}, blocks of {block}"):
        x = torch.randn(rows, columns, generator=expect.generator())
        bias = torch.randn(columns, generator=expect.generator())
        out = BiasDropoutResidual.apply(x, bias, 2 * x, 0.5, 3, block)
        kept = kept_by(out - 2 * x, 0.5, word[: x.numel()])
        expect.close(out, 2 * x + 2 * (x + bias) * kept, rtol=1e-5, atol=1e-5,
                     hint="number the entries by block and place in it, and go by that number "
                          "everywhere: in loads, coins and store.")

# %% check="bias_dropout_residual_kernel" points=1
# The bias gets the sum over all dimensions but the last.
expect.needs("triton")
with expect.case("x of shape (2, 5, 16): bias.grad"):
    x = torch.ones(2, 5, 16)
    bias = torch.zeros(16, requires_grad=True)
    out = BiasDropoutResidual.apply(x, bias, x, 0.5, 3)
    out.sum().backward()
    expect.close(bias.grad, (2.0 * (out.detach() != 1)).sum((0, 1)), rtol=1e-5,
                 hint="sum dx over all dimensions but the last.")

# %% check="bias_dropout_residual_kernel" points=1
# In float16 and bfloat16 the sum is rounded once, by the store.
expect.needs("triton")
number = torch.arange(200)
word = philox_4x32((number, 0 * number, 0 * number, 0 * number), (9, 0))[0]
for dtype, tolerance in ((torch.float16, 2**-10), (torch.bfloat16, 2**-7)):
    with expect.case(f"BiasDropoutResidual.apply on 4 × 50 numbers, {dtype}"):
        x, r = torch.randn(2, 4, 50, generator=expect.generator()).to(dtype)
        bias = torch.randn(50, generator=expect.generator()).to(dtype)
        out = BiasDropoutResidual.apply(x, bias, r, 0.1, 9)
        expect.tensor(out, (4, 50), dtype, hint="the store converts to z's dtype.")
        kept = kept_by(out - r, 0.1, word)
        right = r.float() + (x.float() + bias.float()) * kept / 0.9
        expect.close(out, right, rtol=tolerance, atol=1e-6,
                     hint="z is rounded once, by the store: are the three loads converted to "
                          "tl.float32, and the sum computed in it?")

# %% mistakes="bias_dropout_residual_kernel"
{
    "the bias is added behind dropout": (
        """total += tl.load(bias + at % columns, mask=there).to(tl.float32)
    passing =""", """passing = tl.load(bias + at % columns, mask=there).to(tl.float32)
    passing +="""),
    "the residual is dropped with the rest": ("passing + tl.where(kept, total * scale, 0.0)",
                                              "tl.where(kept, (passing + total) * scale, 0.0)"),
    "the survivors are not scaled": ("total * scale", "total"),
    "the residual alone comes out": ("passing + tl.where(kept, total * scale, 0.0)", "passing"),
    "nothing is dropped": ("tl.where(kept, total * scale, 0.0)", "total"),
    "the residual is missing": ("passing + tl.where", "tl.where"),
    "the bias is missing": ("    total += tl.load(bias", "    tl.load(bias"),
    "kept and dropped are swapped": (">= p", "< p"),
    "the residual must still pass": ("passing + tl.where(kept, total * scale, 0.0)",
                                     "tl.where(kept, passing + total * scale, 0.0)"),
    "column i % columns of the bias": ("at % columns", "at // columns"),
    "the kernel writes into an input": ("tl.store(z + at", "tl.store(x + at"),
    "needs a mask where it loads": ("tl.load(residual + at, mask=there)", "tl.load(residual + at)"),
    "needs a mask where it stores": ("0.0), mask=there)", "0.0))"),
    "go by that number": ("tl.randint(seed, at)", "tl.randint(seed, tl.arange(0, BLOCK))"),
    "the three loads converted": (""".to(tl.float32)
    total += tl.load(bias + at % columns, mask=there).to(tl.float32)""", """
    total += tl.load(bias + at % columns, mask=there)"""),
    "returns six things": ("dz, None, None, None", "dz"),
    "mask and scale are missing in dx": ("dropout_triton(dz, ctx.p, ctx.seed)", "dz"),
    "the mask is missing in dx": ("dropout_triton(dz, ctx.p, ctx.seed)", "dz / (1 - ctx.p)"),
    "the scale is missing in dx": ("= dropout_triton", "= (1 - ctx.p) * dropout_triton"),
    "m is the mask of forward": ("(dz, ctx.p, ctx.seed)", "(dz, ctx.p, ctx.seed + 1)"),
    "the residual's gradient is dropped": ("sum(0), dz", "sum(0), dx"),
    "and so does its gradient": ("sum(0), dz", "sum(0), dz + dx"),
    "sum dx, not dz": ("dx.flatten", "dz.flatten"),
    "do not average them": (".sum(0)", ".mean(0)"),
    "the sum of dx over all rows": (".sum(0)", "[0]"),
    "all dimensions but the last": ("dx.flatten(0, -2)", "dx.flatten(0, -2)[: len(dx)]"),
}

# %% correct="bias_dropout_residual_kernel"
@triton.jit
def bias_dropout_residual_kernel(
    x, bias, residual, z, n, columns, p, scale, seed, BLOCK: tl.constexpr
):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    factor = tl.where(tl.rand(seed, i) >= p, scale, 0.0)
    total = tl.load(x + i, mask=i < n, other=0.0).to(tl.float32) + tl.load(bias + i % columns)
    tl.store(z + i, total * factor + tl.load(residual + i, mask=i < n), mask=i < n)


class BiasDropoutResidual(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, bias, residual, p, seed, block=1024):
        ctx.p, ctx.seed, scale = p, seed, 1 / (1 - p) if p < 1 else 0.0
        x, bias, residual = (t.contiguous().to(gpu.DEVICE) for t in (x, bias, residual))
        with gpu.guarded(x, block, reads=[x, bias, residual]) as z:
            bias_dropout_residual_kernel[(triton.cdiv(x.numel(), block),)](
                x, bias, residual, z, x.numel(), len(bias), p, scale, seed, BLOCK=block
            )
        ctx.kept = (z - residual) != 0
        return z

    @staticmethod
    def backward(ctx, dz):
        slope = torch.where(ctx.kept, dz / ((1 - ctx.p) or 1), 0)
        return slope, slope.sum(tuple(range(dz.dim() - 1))), dz, None, None, None

# %% [markdown]
# Triton's interpreter says nothing about speed, and so nothing was timed here. What can be counted
# without a clock is the traffic, and it has fallen from seven times the size of $x$ to three.
#
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="block_answer" points=1
# Forward ran with blocks of 256 entries, backward runs with blocks of 1024. Your kernel's mask:
#
# - [x] is the same
# - [ ] is another one
# - [ ] is the same up to entry 256
#
# Hint: what does the word of an entry depend on?

# %% question="checkpoint_answer" points=1
# A layer draws from a torch.Generator of its own, inside checkpoint(). Its gradient is:
#
# - [ ] right
# - [ ] right with preserve_rng_state=True
# - [x] that of another mask
#
# Hint: look at the figure: whose state is put back?

# %% question="tensor" points=1
# Four tensor-parallel ranks hold copies of the residual stream. For dropout on it they use:
#
# - [x] one seed
# - [ ] seed + rank
# - [ ] four independent seeds
#
# Hint: what becomes of copies with different masks?

# %% [markdown]
# ## In your own words
#
# A colleague adds activation checkpointing to a network with dropout layers that draw from a
# generator of their own. Memory falls as hoped, no error comes, and training still makes progress,
# only worse than before. Say in two to five sentences what has happened to the gradients, why
# nothing failed, and name one mend and one measurement that would have shown the fault. (A person
# reads this.)

# %% [markdown] answer="checkpointed_masks" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: the block runs a second time in the backward pass and draws a new
# mask, because only the state of PyTorch's own generators is put back; so the gradient belongs to
# another thinned network than the one whose loss was computed. It has the right shape and a
# plausible size, so nothing fails. One point: a mend (PyTorch's own generator, the generator's
# state put back by hand, or a mask made from a seed), and a measurement (compare the gradient with
# that of the run without checkpointing for the same masks; or see where the gradient is 0 and the
# output is not).
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - The masks of one transformer layer, kept as floats, took 12 times the memory of its weights; as
#   seeds they take 24 bytes.
# - Philox turns the number of an entry into its coin: the same mask in parts, in any order, for
#   any block, in PyTorch and in Triton, forward and backward.
# - A word divided by $2^{32}$ in float32 can be exactly 1; 24 bits cannot.
# - Under checkpointing a generator of one's own gives half of the gradient's entries the wrong
#   mask (at $p=0.5$), with no error. A seed does not.
# - `seed + rank` repeats its masks from step to step. Copies of one tensor need one seed.
#
# **Read.** Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC 2011:
# Philox, and why ten rounds. The Triton tutorial *Low-memory dropout*, whose kernel saves a seed.
# Korthikanti, Casper, Lym, McAfee, Andersch, Shoeybi and Catanzaro, *Reducing activation
# recomputation in large transformer models*, MLSys 2023: what a layer keeps, masks included. The
# documentation of `torch.utils.checkpoint`, on `preserve_rng_state`.
#
# **Stretch.** Philox gives four words and your kernel uses one. Let a block of `BLOCK` counters
# make `4 * BLOCK` coins with `tl.randint4x`; how must `seeded_mask` number its entries then? And a
# CUDA graph replays a launch with the numbers of its recording: where must the seed lie, so that
# each replay drops other entries?
#
# **Still open.** You have built every part, from the coin to the kernel. What is left is a problem
# of your own. That is {{capstone}}.
