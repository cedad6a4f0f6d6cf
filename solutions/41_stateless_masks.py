# %% [markdown]
# # 4.1 · Stateless masks
#
# **Where does the mask live?**
#
# *{{minutes}} minutes. Before: {{pytorch}}; {{transformers}} helps. After, you will be able to make
# any entry of a mask from a seed and a number, and to backpropagate through a mask that was never
# stored.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$, $y$ | input and output of the layer |
# | $p$ | probability that an entry is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0, independently |
# | word | a whole number of 32 bits, $0 \dots 2^{32}-1$ |
# | $\oplus$ | exclusive or, bit by bit (`^` in Python) |

# %% setup=true
import itertools
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from dropoutlab import check_probability, data, elsewhere, expect, explore, plot

# %% [markdown]
# ## The mask between forward and backward
#
# ### One question from {{pytorch}}
#
# `nn.Dropout` holds no weights and no mask. What does its backward pass need from its forward pass?
#
# <details><summary>Answer</summary>
#
# Which entries were kept: $dx = m \odot dy/(1-p)$. That does not say how $m$ is remembered.
# </details>
#
# Take one layer of a transformer: 8 texts of 1024 tokens, 1024 features, 16 heads. It drops
# attention weights ($8 \times 16 \times 1024 \times 1024$ of them) and, in two places, the
# $8 \times 1024 \times 1024$ activations that go back to the residual stream. Its weights take
# 48 MiB in float32.
# **Guess: how many MiB do its masks take on a GPU?**

# %% guess=true
my_guess = 60  # MiB for the masks of one transformer layer on a GPU

# %% figure=true
# Memory of one layer's masks, in five settings, beside its weights.
guess = expect.guess(my_guess)
torch.set_num_threads(1)  # products this small wait for each other's threads
dropped_in_a_layer = {"attention": (8, 16, 1024, 1024), "residual 1": (8, 1024, 1024),
                      "residual 2": (8, 1024, 1024)}
settings = {"CPU": "cpu", "GPU": "gpu", "compiled, on a CPU": "compiled",
            "GPU, flash attention": "flash", "a seed for each mask": "seeds"}
counts = elsewhere.mask_bytes_of_a_layer(dropped_in_a_layer)
counts["seeds"] = dict.fromkeys(dropped_in_a_layer, 8)
weights = 4 * 12 * 1024**2
totals = [sum(counts[name].values()) for name in settings.values()]

fig, (ax,) = plot.figure(1, height=2.6)
colors = [plot.ORANGE, plot.SKY, plot.SKY, plot.BLUE, plot.GREEN]
drawn = ax.barh(list(settings), totals, color=colors)
ax.bar_label(drawn, [f"{n / 2**20:.4g} MiB" if n > 2**10 else f"{n} bytes" for n in totals],
             padding=8, backgroundcolor="white")
ax.axvline(weights, color=plot.GREY, label="the layer's weights, 48 MiB")
ax.axvline(max(guess, 1e-6) * 2**20, color=plot.INK, linestyle="--", label="your guess")
ax.set(xscale="log", xlabel="bytes kept for backward, logarithmic", xlim=(1, 1e14))
ax.invert_yaxis()
ax.legend(loc="lower right", fontsize=8)
times = [total / weights for total in totals]
ax.set_title(f"The masks take {times[0]:.0f} times the memory of the weights on a CPU, "
             f"{times[1]:.2g} times on a GPU")
plot.show(fig, f"Bytes of one layer's masks in five settings: {totals}; of its weights: {weights}.",
          claims={"cpu-masks-twelve-times": round(times[0]) == 12,
                  "gpu-masks-a-quarter-of-that": totals[0] == 4 * totals[1],
                  "compiled-keeps-booleans": totals[2] == totals[1],
                  "flash-keeps-sixteen-bytes": counts["flash"]["attention"] == 16})

# %% [markdown]
# (No GPU was needed: PyTorch's *fake* tensors have a device and no memory. For `torch.compile` this
# works on a CPU only.) Our first edition gave the factor 12 without saying that it is a CPU's,
# which keeps a float32 for each entry. A GPU keeps a boolean, and so does `torch.compile`. **Flash
# attention** never writes the attention weights to memory. Writing their mask would undo that, so
# it keeps a seed and an offset, and remakes the mask.

# %%
from dropoutlab import gpu

gpu.say("kernels", gpu.memory)

# %% [markdown]
# ## Exercise: `mask_bytes`
#
# A `bool` takes a byte. One seed of 64 bits serves a whole mask.

# %% exercise="mask_bytes"
def mask_bytes(shape, kind):
    """How many bytes it takes to remember a mask of this shape between forward and backward.

    kind : "float32" four bytes an entry; "bool" one; "bit" eight entries in a byte, the last byte
        filled up; "seed" one 64-bit number for the whole mask; "seed and offset" two of them
    Returns an int.
    """
    ### BEGIN SOLUTION
    n = math.prod(shape)
    whole = {"seed": 8, "seed and offset": 16}
    return {"float32": 4 * n, "bool": n, "bit": (n + 7) // 8, **whole}[kind]
    ### END SOLUTION

# %% [markdown] hint="mask_bytes"
# `math.prod(shape)` is the number of entries. For an empty shape it is 1, and so it should be.

# %% [markdown] hint="mask_bytes"
# 9 entries need 2 bytes of bits. Which whole number must be added before `// 8` rounds down?

# %% [markdown] hint="mask_bytes"
# In which of the five does the shape play no part?

# %%
for kind, name in (("float32", "cpu"), ("bool", "gpu"), ("bit", ""), ("seed and offset", "flash")):
    shape = dropped_in_a_layer["attention"]
    kept = f"PyTorch keeps {counts[name]['attention']:>11,}" if name else "nobody does this"
    print(f"{kind:>16}: you say {mask_bytes(shape, kind):>11,} bytes; {kept}")

# %% check="mask_bytes" points=1
# A float32 takes four bytes, a bool one.
for shape in ((4, 6), (3, 3), (1,), (2, 3, 5), tuple(expect.rng().integers(2, 40, 3).tolist()),
              (), (8, 16, 4096, 4097)):
    n = math.prod(shape)
    with expect.case(f"mask_bytes({shape}, 'float32')"):
        expect.equal(mask_bytes(shape, "float32"), 4 * n, hint="count the entries, then bytes.",
                     suspects=[(4 * ((n + 2**31) % 2**32 - 2**31),  # wraps for the last shape alone
                                "the product wraps at 32 bits. Take math.prod."),
                               (n, "a float32 takes four bytes."),
                               (32 * n, "that is in bits. Count bytes."),
                               (8 * n, "that is a float64's eight bytes.")])
    with expect.case(f"mask_bytes({shape}, 'bool')"):
        expect.equal(mask_bytes(shape, "bool"), n, hint="count the entries, then bytes.",
                     suspects=[(math.ceil(n / 8), "a bool takes a byte, not a bit."),
                               (8 * n, "that is in bits. Count bytes."),
                               (4 * n, "a bool takes one byte.")])

# %% check="mask_bytes" points=1
# Eight bits share a byte; one seed serves the whole mask.
for shape in ((5, 8), (3, 3), (1,), (2, 3, 5), tuple(expect.rng().integers(2, 40, 3).tolist()),
              (), (0, 4), (8, 16, 4096, 4097)):
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
    with expect.case(f"mask_bytes({shape}, 'seed and offset')"):
        expect.equal(mask_bytes(shape, "seed and offset"), 16,
                     hint="count the bytes of two 64-bit numbers.",
                     suspects=[(8, "the offset is a second number of 64 bits."),
                               (8 + 8 * n, "one offset serves the whole mask.")])

# %% mistakes="mask_bytes"
{
    "a float32 takes four bytes": ("4 * n", "n"),
    "in bits. Count bytes": ("4 * n", "32 * n"),
    "a float64's eight bytes": ("4 * n", "8 * n"),
    "a bool takes a byte": ('"bool": n', '"bool": (n + 7) // 8'),
    "a bool takes one byte": ('"bool": n', '"bool": 4 * n'),
    "count the entries, then bytes": ("math.prod(shape)", "len(shape)"),
    "the product wraps at 32 bits": ("math.prod(shape)", "int(np.prod(shape, dtype=np.int32))"),
    "the last byte counts too": ("(n + 7) // 8", "n // 8"),
    "no other is needed": ("(n + 7) // 8", "n // 8 + 1"),
    "Eight of them share a byte": ("(n + 7) // 8", "n"),
    "no other is": ("(n + 7) // 8", "max(1, (n + 7) // 8)"),
    "no part of a byte": ("(n + 7) // 8", "n / 8"),
    "the bits of all entries fill": ("(n + 7) // 8", "(n + 7) // 8 * len(shape)"),
    "one seed serves the whole mask": ('"seed": 8', '"seed": 8 * n'),
    "64 bits are 8 bytes": ('"seed": 8', '"seed": 64'),
    "a seed has 64 bits": ('"seed": 8', '"seed": 4'),
    "the bytes of one 64-bit number": ('"seed": 8', '"seed": 1'),
    "the offset is a second number": ("16", "8"),
    "one offset serves": ("16", "8 + 8 * n"),
    "the bytes of two 64-bit numbers": ("16", "128"),
}

# %% correct="mask_bytes"
def mask_bytes(shape, kind):
    if kind.startswith("seed"):
        return 8 * len(kind.split(" and "))
    bits = {"float32": 32, "bool": 8, "bit": 1}[kind]
    return math.ceil(bits * torch.Size(shape).numel() / 8)

# %% [markdown]
# ## Random numbers that have an address
#
# An ordinary generator holds a *state* that each draw advances. Entry number one million comes
# after 999,999 others, and a thousand threads would have to queue.
#
# A **counter-based** generator has no state. It is a function: key and counter in, random words
# out. The key is the seed, and the counter is the number of the entry, its address. Entry one
# million costs as much as entry 0.
#
# *Philox* (Salmon and others, 2011) is such a function, and PyTorch uses it on GPUs. Its main tool
# is a product of two words, which has an upper and a lower word.

# %%
def upper_and_lower(a, b):
    product = a * b
    return product >> 32, product & 0xFFFFFFFF  # a shift, and the last 32 bits


print([f"{word:08x}" for word in upper_and_lower(0xD2511F53, 0x00000002)])
print([f"{word:08x}" for word in upper_and_lower(0xD2511F53, 0x80000002)])

# %% [markdown]
# The uppermost bit of the input was flipped. In the lower word (the second) one bit changes, in the
# upper 15 do. So Philox crosses the two over, ten times. With key $k$, fixed numbers $M$, $W$,
# and hi, lo for the upper and lower word, one round turns $c_0, c_1, c_2, c_3$ into
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
# It must give the published words, to the bit. Python's numbers grow without end and PyTorch's have
# 64 bits, so cut off what leaves a word.

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
# How well does it mix? Flip one bit of the counter, and count the output bits that change. With
# fair coins half of them would. **Guess: after how many rounds is it half?**

# %% guess=true
my_rounds = 6  # rounds until one flipped bit changes half of the output

# %% figure=true
# The share of output bits that change with one bit of the counter, after each round.
guess = expect.guess(my_rounds)
rng = torch.Generator().manual_seed(41)
words = torch.randint(2**32, (4, 200), generator=rng)
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
far = [rounds for rounds, gap in enumerate(gaps) if abs(gap.mean) > 4 * gap.error]
first = far[-1] + 1
told = f"Half of the bits change from round {first} on" if first < 11 else "No round changes half"

fig, (ax,) = plot.figure(1, height=2.5, width=6.5)
ax.axhline(50, color=plot.GREY, linestyle="--")
ax.errorbar(range(11), 100 * shares.mean(1), 100 * shares.std(1), color=plot.BLUE, capsize=3)
ax.plot(guess, 50, "X", color=plot.ORANGE, markersize=9, label="your guess")
ax.set(xlabel="rounds", ylabel="bits changed, % ± s.d.", ylim=(-2, 62), title=told)
ax.legend(loc="lower right")
plot.show(fig, f"Share of output bits that change with one input bit, by round (200 counters, mean "
               f"± standard deviation). {told}.",
          claims={"few-rounds-mix": 3 <= first <= 6})

# %% [markdown]
# Philox's authors report that seven rounds pass the hardest tests that they tried, and recommend
# ten.

# %% check="philox_4x32" points=1
# A published known answer: counter and key are digits of pi.
with expect.case("philox_4x32 on the digits of pi, 10 rounds",
                 crash=[("NoneType", "the function returns nothing. Is there a `return`?")]):
    out = philox_4x32((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0))
    expect.equal(len(out), 4, hint="return four words.")
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
        expect.equal(out, right, hint="one of the published known answers does not come out."
                     if rounds else "after 0 rounds the words are those of the counter.",
                     suspects=[] if rounds == 10 else
                     [(philox_4x32((words,) * 4, (words,) * 2), "rounds is ignored.")])
with expect.case("philox_4x32((0x66E58325, 0, 0x92835199, 0), (0, 0), rounds=1)"):
    expect.equal(philox_4x32((0x66E58325, 0, 0x92835199, 0), (0, 0), 1),
                 (0x75ADE647, ones, 0x5488E0C9, ones),
                 hint="here the lower words of both products are all ones. Is there a / on the "
                      "way, which rounds up? Use >>.")

# %% check="philox_4x32" points=1
# Tensors: each entry as its words alone, and the tensors left as they were.
words = torch.randint(2**32, (6, 40), generator=expect.generator())
before = words.clone()
one_number = [("ambiguous|scalar|int\\(\\)|only one element",
               "a tensor is treated as one number. Use +, *, ^, & and >> only.")]
with expect.case("philox_4x32 on int64 tensors of 40 words", crash=one_number):
    out = philox_4x32(tuple(words[:4]), tuple(words[4:]))
    expect.equal(len(out), 4, hint="return four words.")
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
        expect.some(list(alone) != words[:4, column].tolist(), "other words than the counter's",
                    hint="the counter comes back as it was. Mend check 1 first.")
with expect.case("philox_4x32 on a counter of tensors (5, 8), with two ints as key", crash=[
    *one_number, ("'int'|'Tensor'|not int|be Tensor|expected Tensor",
                  "tensors and ints are mixed here, which +, *, ^, & and >> allow."),
]):
    counter, key = before[:4].reshape(4, 5, 8), before[4:, 0].tolist()
    out = philox_4x32(tuple(counter.clone()), tuple(key))
    expect.equal([tuple(word.shape) for word in out], [(5, 8)] * 4,
                 hint="return tensors of the counter's shape.")
    expect.equal([int(word[2, 3]) for word in out],
                 list(philox_4x32(tuple(counter[:, 2, 3].tolist()), tuple(key))),
                 hint="where the key is of ints, an entry gives other words than its ints alone.")

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
                     hint="these are not the words of the definition. If the known answers come "
                          "out all the same, is something fixed?")

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
    "Is there a / on the way": (
        "(b >> 32 & 0xFFFFFFFF) ^", "(int(b / 2**32) if isinstance(b, int) else "
        "b >> 32 & 0xFFFFFFFF) ^"),
    "go through one round on paper": ("^ c1 ^ k0", "^ c1 ^ k1"),
    "rounds is ignored": ("range(rounds)", "range(10)"),
    "published known answers": ("range(rounds)", "range(rounds if rounds == 10 else rounds + 1)"),
    "treated as one number": ("= counter", "= map(int, counter)"),
    "changed in place": ("c0, c1 = (b >> 32 & 0xFFFFFFFF) ^ c1 ^ k0",
                         "c1 ^= k0\n        c0, c1 = (b >> 32 & 0xFFFFFFFF) ^ c1"),
    "return four words": ("return c0, c1, c2, c3", "return c0, c1, c2"),
    "tensors and ints are mixed": (
        "k0, k1 = key", "k0, k1 = key if isinstance(c0, int) else torch.stack(tuple(key))"),
    "return tensors of the counter's shape": (
        "= counter", "= (c if isinstance(c, int) else c.flatten() for c in counter)"),
    "where the key is of ints": (
        "k0, k1 = key", "k0, k1 = key\n    if isinstance(k0, int) and not isinstance(c0, int):\n"
                        "        k0, k1 = k1, k0"),
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
# ## A mask with an address for each entry
#
# A word becomes a number in $[0, 1)$, its *coin*, and the entry is kept where the coin is at least
# $p$. Do not divide the word by $2^{32}$. Float32 has no number between $1 - 2^{-24}$ and 1, so the
# largest words would become exactly 1 and survive at $p=1$. The upper 24 bits fit.
#
# Entries are numbered row by row, from an offset $o$ on. With this counter and key,
# Philox's first word makes the coin:
#
# | | first word | second | third | fourth |
# | --- | --- | --- | --- | --- |
# | counter | lower 32 bits of $o+i$ | upper 32 bits | 0 | 0 |
# | key | lower 32 bits of the seed | upper 32 bits | | |
#
# The number needs both words: 8 texts of 8192 tokens and 16 heads have $2^{33}$ attention weights.
# A signed 32-bit number ends at $2^{31}-1$, and $-2^{31}$ comes next.
#
# ## Exercise: `seeded_mask`
#
# Any *part* of a mask can be made alone: the offset says where it begins.

# %% exercise="seeded_mask"
def uniform_from_uint32(x):
    """The upper 24 bits of each word as a multiple of 2^-24 in [0, 1).

    x : int64 tensor of words 0 ... 2^32 - 1, left as it is
    Returns a float32 tensor of x's shape, on x's device.
    """
    ### BEGIN SOLUTION
    return (x >> 8).float() * 2.0**-24
    ### END SOLUTION


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
# A shift by 8 drops the lower 8 bits of a word. `.float()` makes float32, and a product with a
# power of two rounds nothing.

# %% [markdown] hint="seeded_mask"
# `torch.arange(n, device=device)` numbers the entries. Add the offset before you split the numbers
# into words, and give the mask its shape at the very end.

# %% [markdown] hint="seeded_mask"
# Lower word: `& 0xFFFFFFFF`. Upper word: `>> 32`.

# %% figure=true
# Your mask of eight rows, in one piece and in four parts, the last part made first.
whole = seeded_mask((8, 40), 0.3, seed=2014)
parts = [seeded_mask((2, 40), 0.3, seed=2014, offset=80 * part) for part in (3, 2, 1, 0)]
same = torch.equal(whole, torch.cat(parts[::-1]))
told = "the same" if same else "another mask"
fig, (left, right) = plot.figure(2, height=1.5)
for ax, kept, title in ((left, whole, "Made in one piece"),
                        (right, torch.cat(parts[::-1]), f"Made in four, last first: {told}")):
    plot.mask(kept.numpy(), ax)
    ax.set(xlabel="entry of the row", title=title)
left.set_ylabel("row")
plot.show(fig, f"Your mask of eight rows, made in one piece and in four: {told}.",
          claims={"the-same-in-parts": same})

# %% check="seeded_mask" points=1
# A coin is the upper 24 bits of its word, in float32, and never 1.
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
with expect.case("uniform_from_uint32(x) on 30 × 1000 random words"):
    x = torch.randint(2**32, (30, 1000), generator=expect.generator())
    out = uniform_from_uint32(x.clone())
    expect.tensor(out, (30, 1000), torch.float32, hint="return a coin for each word, in x's shape.")
    expect.close(out, x.double() / 2**32, rtol=0, atol=2**-24,
                 hint="each coin is its word / 2^32, to 24 bits.")

# %% check="seeded_mask" points=2
# Entry i has the counter i and the key of the seed; it is kept where its coin is >= p.
seed = 5 + 8 * 2**32
numbers = torch.arange(300)
nothing = torch.zeros(300, dtype=torch.int64)


def coins(counter, key, word=0):
    return uniform_from_uint32(philox_4x32(counter, key)[word])


first = numbers, nothing, nothing, nothing
for p in (0.25, 0.5):
    with expect.case(f"seeded_mask((300,), {p}, seed=5 + 8 · 2³²)"):
        found = seeded_mask((300,), p, seed)
        expect.tensor(found, 300, torch.bool, hint="return a boolean tensor of this shape.")
        expect.equal(
            found,
            coins(first, (5, 8)) >= p,
            hint="this is not the mask of this seed: counter (i, 0, 0, 0), key (5, 8), word 0.",
            suspects=[
                (coins(first, (5, 8)) < p,
                 "kept and dropped are swapped: True stands for kept."),
                (coins(first, (5, 8)) < 1 - p,
                 "kept where the coin is < 1 - p: those are other entries than where it is >= p."),
                (coins(first, (5, 8)) >= 1 - p, "p is taken for the probability of keeping."),
                (coins(first, (5, 8), 1) >= p, "that is the second word. Use the first."),
                (coins(first, (5, 8), 3) >= p, "that is the last word. Use the first."),
                (coins(first, (5, 0)) >= p, "the upper word of the seed is lost."),
                (coins(first, (8, 5)) >= p,
                 "the words of the key are swapped: the lower one comes first."),
                (coins((nothing, nothing, nothing, numbers), (5, 8)) >= p,
                 "the number of the entry is the *first* word of the counter."),
                (coins((nothing, numbers, nothing, nothing), (5, 8)) >= p,
                 "the number of the entry is the *first* word of the counter."),
            ],
        )

coin = coins(first, (5, 8))
odd = int((coin * 2**24 % 2).argmax())  # the last bit is 1, if there are 24
for p in (float(coin[odd]), float(torch.nextafter(coin[odd], torch.ones(())))):
    with expect.case(f"seeded_mask((300,), {p!r}, seed=5 + 8 · 2³²); entry {odd} has the coin "
                     f"{float(coin[odd])!r}"):
        expect.equal(seeded_mask((300,), p, seed), coin >= p,
                     hint="a coin that is p is kept, and one that is smaller by a hair is not: "
                          ">= p, with all 24 bits and no others.")

# %% check="seeded_mask" points=1
# Row by row, and in parts.
with expect.case("seeded_mask((6, 50), 0.5, 11) against seeded_mask((300,), 0.5, 11)"):
    line = seeded_mask((300,), 0.5, 11)
    expect.varies(line, chance=0.5**299, what="some entries kept, some dropped",
                  hint="every entry is kept, or none.")
    table = seeded_mask((6, 50), 0.5, 11)
    expect.tensor(table, (6, 50), torch.bool, hint="return a mask of the given shape.")
    expect.equal(table, line.reshape(6, 50), hint="number the entries row by row.",
                 suspects=[(line[:50].expand(6, 50), "each row is numbered from 0 again."),
                           (line.reshape(50, 6).T, "the entries are numbered by columns.")])
with expect.case("seeded_mask((2, 50), 0.5, 11, offset=200), rows 4 and 5 of the whole"):
    part = seeded_mask((2, 50), 0.5, 11, 200)
    expect.equal(part, table[4:], hint="an offset of 200 skips the first 200 entries.",
                 suspects=[(table[:2], "the offset is ignored.")])
with expect.case("seeded_mask((2, 3, 50), 0.5, 11) against seeded_mask((300,), 0.5, 11)"):
    expect.equal(seeded_mask((2, 3, 50), 0.5, 11), line.reshape(2, 3, 50),
                 hint="number the entries row by row, along the last axis first.")

# %% check="seeded_mask" points=1
# Billions of entries on, the number of an entry still has both its words.
nothing = torch.zeros(200, dtype=torch.int64)
far = ((2**50 + 2**31 - 100, "2⁵⁰ + 2³¹ - 100"), (2**31 - 100, "2³¹ - 100"),
       (2**32 - 100, "2³² - 100"))  # first the one that no memory holds
for offset, told in far:
    number = offset + torch.arange(200)
    wrapped = number.to(torch.int32).long()


    def coins_at(lower, upper):
        words = philox_4x32((lower & 0xFFFFFFFF, upper, nothing, nothing), (11, 0))
        return uniform_from_uint32(words[0]) >= 0.5


    with expect.case(f"seeded_mask((200,), 0.5, 11, offset={told})",
                     crash=[("memory|alloc|bytes", "the entries before the offset are made too. "
                                                   "Number those of this part alone.")]):
        mask = seeded_mask((200,), 0.5, 11, offset)
        expect.varies(mask, chance=0.5**199, what="some entries kept, some dropped",
                      hint="every entry is kept, or none.")
        expect.equal(
            mask, coins_at(number, number >> 32),
            hint="split i + offset into its lower 32 bits and what lies above them.",
            suspects=[(coins_at(number, nothing + (offset >> 32)), "the upper word is that of the "
                       "offset. Add i first: then it is that of each entry."),
                      (coins_at(number, nothing),
                       "the upper word of the number is lost: beyond 2^32 the mask repeats."),
                      (coins_at(wrapped, wrapped >> 32),
                       "the numbers have 32 bits: after 2^31 - 1 comes -2^31. Count in int64."),
                      (coins_at(wrapped, wrapped >> 32 & 0xFFFFFFFF),
                       "the numbers have 32 bits: after 2^31 - 1 comes -2^31. Count in int64.")],
        )

# %% check="seeded_mask" points=1
# The mask lies on the device that is asked for, even on "meta", which has no memory.
with expect.case('seeded_mask((2, 3), 0.5, 7, 0, device="meta").device', crash=[
    ("meta|device|NumPy", "somewhere the numbers leave the device. Make them there, and keep to "
                          "operations of torch, in philox_4x32 too."),
]):
    expect.equal(expect.ask("device_of", seeded_mask, (2, 3), 0.5, 7, 0, "meta"), "meta",
                 hint="the mask is elsewhere: hand the device to torch.arange.")

# %% check="seeded_mask" points=1
# Fair coins: at the rate p, independent, others for each seed.
with expect.case("torch's own generator before and after seeded_mask((20, 30), 0.5, seed)"):
    state = expect.ask("rng_state")
    seeded_mask((20, 30), 0.5, int(expect.rng().integers(2**62)))
    expect.equal(bool((np.asarray(expect.ask("rng_state")) == np.asarray(state)).all()), True,
                 hint="torch's own generator was seeded or drawn from. No generator is needed.")
with expect.case("seeded_mask((300,), 0.5, seed=2⁶³ - 6)"):
    line = torch.arange(300)
    words = philox_4x32((line, 0 * line, 0 * line, 0 * line), (2**32 - 6, 2**31 - 1))
    expect.equal(seeded_mask((300,), 0.5, 2**63 - 6), uniform_from_uint32(words[0]) >= 0.5,
                 hint="of a large seed, bits are lost, or rounded by a /. All 63 count: & and >>.")
with expect.case("seeded_mask((20, 30), p, seed) with 24 seeds for each of four p"):
    expect.coins(lambda p, rng: seeded_mask((20, 30), p, int(rng.integers(2**63))))

# %% mistakes="seeded_mask"
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
    "kept and dropped are swapped": (">= p", "< p"),
    "kept where the coin is < 1 - p": (">= p", "< 1 - p"),
    "p is taken for the probability of keeping": (">= p", ">= 1 - p"),
    "that is the last word": ("word, *_", "*_, word"),
    "that is the second word": ("word, *_", "_, word, *_"),
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
    "the entries before the offset are made too": (
        "offset + torch.arange(math.prod(shape), device=device)",
        "torch.arange(offset + math.prod(shape), device=device)[offset:]"),
    "the mask is elsewhere": (", device=device)\n", ")\n"),
    "somewhere the numbers leave the device": (
        "counter = i", "i = torch.as_tensor(i.numpy())\n    counter = i"),
    "the upper word of the number is lost": ("i >> 32", "0 * i"),
    "after 2^31 - 1 comes -2^31": ("counter = i", "i = i.to(torch.int32).long()\n    counter = i"),
    "the upper word is that of the offset": ("i >> 32", "0 * i + (offset >> 32)"),
    "its lower 32 bits": ("i >> 32", "i >> 31"),
    "what lies above them": ("i & 0xFFFFFFFF", "i"),
    ">= p, with all 24 bits": (">= p)", "> p)"),
    "with all 24 bits and no others": (
        "(uniform_from_uint32(word) >= p)", "(word >> 16 >= p * 2**16)"),
    "along the last axis first": (".reshape(shape)",
        ".reshape(shape if len(shape) < 3 else shape[::-1])"
        ".permute(*range(len(shape))[:: 1 if len(shape) < 3 else -1])"),
    "bits are lost, or rounded by a /": ("seed >> 32))", "int(seed / 2**32)))"),
    "was seeded or drawn from": ("word, *_", "torch.manual_seed(seed)\n    word, *_"),
}

# %% correct="seeded_mask"
def uniform_from_uint32(x):
    return torch.div(x, 256, rounding_mode="floor") / 16777216


def seeded_mask(shape, p, seed, offset=0, device=None):
    numbers = torch.arange(offset, offset + torch.Size(shape).numel(), device=device).view(shape)
    high, low = divmod(seed, 2**32)
    zero = torch.zeros_like(numbers)
    coin = philox_4x32((numbers % 2**32, numbers // 2**32, zero, zero), (low, high))[0]
    return ~(uniform_from_uint32(coin) < p)

# %% [markdown]
# ## Explore: a counter in, a mask out
#
# 128 bits from one counter and, below, a mask from 320 counters in a row. What one flipped bit of
# the input changes is orange, and pale orange where it becomes 0.
#
# **Try**: after how many rounds does the flipped bit reach every word of the output? Flip a bit of
# the key at 10 rounds: how many entries of the mask change at $p = 0.5$, and how many at $p = 0.1$?

# %%
explore.philox(philox_4x32, uniform_from_uint32)

# %% [markdown]
# ## A layer that keeps eight bytes
#
# ## Exercise: `SeededDropout`
#
# Forward makes the mask from the seed, and backward makes it once more. Backward may itself be
# differentiated, for a penalty on a gradient, say. So it must consist of operations that autograd
# can follow, or refuse: with `@torch.autograd.function.once_differentiable` below `@staticmethod`,
# `.backward()` raises an error.

# %% exercise="SeededDropout"
class SeededDropout(torch.autograd.Function):
    """y = m * x / (1 - p), dx = m * dy / (1 - p), m = seeded_mask(x.shape, p, seed).

    Called as `SeededDropout.apply(x, p, seed)`, in training only.
    x : tensor of any shape and floating dtype, left as it is
    p : probability of dropping, in [0, 1]; at 1, y is 0
    seed : int, 0 ... 2^63 - 1
    Keeps no tensor between forward and backward. A second derivative is right, or refused.
    """

    @staticmethod
    def forward(ctx, x, p, seed):
        check_probability(p)
        scale = 1 / (1 - p) if p < 1 else 0.0
        ### BEGIN SOLUTION
        ctx.seed, ctx.p, ctx.scale = seed, p, scale
        return x * seeded_mask(x.shape, p, seed, device=x.device) * scale
        ### END SOLUTION

    @staticmethod
    def backward(ctx, dy):
        ### BEGIN SOLUTION
        kept = seeded_mask(dy.shape, ctx.p, ctx.seed, device=dy.device)
        return dy * kept * ctx.scale, None, None
        ### END SOLUTION

# %% [markdown] hint="SeededDropout"
# Numbers may be attributes of `ctx`. Which does backward need? Is $x$'s shape one of them?

# %% [markdown] hint="SeededDropout"
# `dy` has the shape of $y$, and its device.

# %% [markdown] hint="SeededDropout"
# The two products differ in one name only, and `backward` returns two more things. Which gradients
# do $p$ and the seed get?

# %%
x = torch.ones(10_000, requires_grad=True)
layers = {"nn.Dropout": nn.Dropout(0.5),
          "your SeededDropout": lambda x: SeededDropout.apply(x, 0.5, 7)}
for name, layer in layers.items():
    print(f"{name}: {expect.ask('saved_bytes', layer, x) / len(x):g} bytes for each entry, CPU")

# %% [markdown]
# **Activation checkpointing** throws away what lies inside a block, and runs the block again in the
# backward pass. If the second run draws another mask, the gradient belongs to a network that was
# never run. `checkpoint` therefore puts the state of PyTorch's own generators back, unless it is
# told not to. **Predict**: for which of these is the gradient wrong?
#
# - (a) `F.dropout`
# - (b) `F.dropout`, and `checkpoint` is told not to put the state back
# - (c) a layer that draws from a generator of its own
# - (d) your `SeededDropout`, and the state is not put back
# - (e) `F.dropout`, compiled by `torch.compile`, asked to keep nothing and compute everything again
#   (`activation_memory_budget = 0`)

# %% guess=true
my_letters = "b"  # the letters of those whose gradient is wrong

# %% figure=true
# How many entries of a gradient have another mask than the output, for the five.
guess = expect.guess(my_letters, number=False)
own = torch.Generator()


def with_own_generator(x):
    return 2 * x * (torch.rand(x.shape, generator=own) >= 0.5)


ways = {
    "(a) F.dropout": (lambda x: F.dropout(x, 0.5), True),
    "(b) F.dropout, state not put back": (lambda x: F.dropout(x, 0.5), False),
    "(c) a generator of one's own": (with_own_generator, True),
    "(d) your SeededDropout, state not put back":
        (lambda x: SeededDropout.apply(x, 0.5, 7), False),
    "(e) torch.compile, keeping nothing": (lambda x: F.dropout(x, 0.5), None),
}
wrong = []
for layer, restore in ways.values():
    runs, compiled = [], elsewhere.graphs(lambda x, layer=layer: layer(x).sin(), budget=0.0)
    for _ in range(10):
        x = torch.ones(2000, requires_grad=True)
        y = compiled(x) if restore is None else checkpoint(
            lambda x, layer=layer: layer(x).sin(), x, use_reentrant=False,
            preserve_rng_state=restore)
        y.sum().backward()
        runs.append(100 * ((x.grad != 0) != (y != 0)).double().mean().item())
    wrong.append(runs)
wrong = np.array(wrong)
letters = ", ".join("abcde"[k] for k in range(5) if plot.difference(wrong[k]).sign > 0)
told = f"The gradient is wrong for {letters or 'none'} (your guess: {guess})"

fig, (ax,) = plot.figure(1, height=2.5)
plot.bars(wrong.mean(1), list(ways), ax, spread=plot.standard_error(wrong, 1),
          colors=[plot.GREY, plot.ORANGE, plot.ORANGE, plot.BLUE, plot.ORANGE])
ax.set(xlabel="entries whose gradient has another mask, % (10 runs ± s.e.)",
       title=told)
plot.show(fig, f"Share of gradients with another mask than the output, for five layers. {told}.",
          claims={"own-generator-is-wrong": letters.startswith("b, c")
                  and abs(wrong[2].mean() - 50) < 3,
                  "compiled-to-recompute-is-wrong": abs(wrong[4].mean() - 50) < 3,
                  "a-seed-is-right": not wrong[3].any()})

# %% [markdown]
# No error, no warning. `checkpoint` knows nothing of a generator that you made. And `torch.compile`
# of PyTorch 2.13 draws anew when it computes again (PyTorch's issue 190758; the cell runs the two
# graphs that it makes).
#
# Would you notice in training? The next cell trains networks whose two hidden layers are
# checkpointed, with a generator of their own and with your `SeededDropout`.

# %% figure=true
# Networks trained through checkpoints, own generators against seeds: takes some 10 seconds.
X, y, X_test, y_test = (torch.as_tensor(part) for part in data.digits())
X, X_test = X.flatten(1).float(), X_test.flatten(1).float()
X, X_valid, y, y_valid = X[:400], X[400:800], y[:400], y[400:800]


def trained(mask, rate, checkpointed=True, networks=5, steps=250):
    """Validation and test errors in %, (2, networks), of networks trained side by side, p = 0.5."""
    rng = torch.Generator().manual_seed(41)
    sizes = (64, 64, 64, 10)
    W = [(torch.randn(networks, a, b, generator=rng) * (2 / a) ** 0.5).requires_grad_()
         for a, b in itertools.pairwise(sizes)]
    optimizer = torch.optim.SGD(W, lr=rate, momentum=0.9)
    fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for step in range(steps):
        rows = torch.randint(len(X), (networks, 50), generator=rng)
        h = X[rows]
        for k in (0, 1):
            drop = mask(2 * step + k)
            block = lambda h, w, drop=drop: drop((h @ w).relu())  # noqa: E731
            h = checkpoint(block, h, W[k], use_reentrant=False) if checkpointed else block(h, W[k])
        optimizer.zero_grad()
        losses = F.cross_entropy((h @ W[2]).transpose(1, 2), y[rows], reduction="none")
        losses.mean(1).sum().backward()
        optimizer.step()
        fall.step()
    with torch.no_grad():
        out = [((part @ W[0]).relu() @ W[1]).relu() @ W[2] for part in (X_valid, X_test)]
    return np.array([[100 * (o.argmax(1) != right).double().mean().item() for o in part]
                     for part, right in zip(out, (y_valid, y_test), strict=True)])


def seeded(seed):
    return lambda h: SeededDropout.apply(h, 0.5, seed)


def stateful(seed):
    own = torch.Generator().manual_seed(seed)
    return lambda h: 2 * h * (torch.rand(h.shape, generator=own) >= 0.5)


rates = (0.005, 0.02, 0.05)
runs = {"a seed": [trained(seeded, rate) for rate in rates],
        "a generator of one's own": [trained(stateful, rate) for rate in rates]}
fig, (ax,) = plot.figure(1, height=2.6, width=6.5)
chosen = []
for (name, found), color in zip(runs.items(), (plot.BLUE, plot.ORANGE), strict=True):
    test = np.array([errors[1] for errors in found])
    best = min(range(3), key=lambda k, found=found: found[k][0].mean())
    chosen.append(test[best])
    ax.errorbar(rates, test.mean(1), plot.standard_error(test, 1), fmt="o-", color=color, capsize=3,
                label=f"{name} (chosen: {rates[best]:g})")
gap = plot.difference(chosen[1], chosen[0])
slow = plot.difference(runs["a generator of one's own"][0][1], runs["a seed"][0][1])
ax.set(xscale="log", xlabel="learning rate", ylim=(0, None),
       ylabel="test error, % (5 networks ± s.e.)",
       title=f"Own generator − seed: {gap:.1f} points at the chosen rates,\n{slow:.1f} at 0.005")
ax.set_xticks(rates, rates)
ax.minorticks_off()
ax.legend(loc="lower left", fontsize=8)
same = np.abs(trained(seeded, 0.05, steps=20) - trained(seeded, 0.05, False, steps=20)).max()
plot.show(fig, "Test error of networks trained through checkpoints, by learning rate. A generator "
               f"of one's own minus seeds: {gap:.1f} points at rates chosen on validation images, "
               f"{slow:.1f} at 0.005.",
          claims={"wrong-masks-train-worse": gap.sign > 0 and all(
                      plot.difference(wrong[1], right[1]).sign > 0
                      for right, wrong in list(zip(*runs.values(), strict=True))[1:]),
                  "too-slow-to-show": slow.mean < 0,
                  "checkpoint-and-seed-agree": bool(same < 0.3)})

# %% [markdown]
# With wrong masks networks learn, but do worse at 0.02, at 0.05, and at rates chosen on validation
# images. At 0.005, too small for both, they did better on average.

# %% check="SeededDropout" points=1
# Forward: the mask is that of the seed, survivors are scaled, x is left alone.
x = torch.randn(40, 50, generator=expect.generator(), dtype=torch.float64)
before = x.clone()
with expect.case("SeededDropout.apply(x, 0.25, 9) on 40 × 50 normal numbers"):
    kept = seeded_mask((40, 50), 0.25, 9)
    expect.varies(kept.ravel(), chance=0.75**1999, what="some entries kept, some dropped",
                  hint="seeded_mask keeps all, or nothing. Mend it first.")
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
count = [("number of gradients|different than None",
          "backward returns one gradient for each argument of forward: three, and None for p and "
          "for seed.")]
with expect.case("out = SeededDropout.apply(x, 0.25, 9); out.backward(dy); x.grad", crash=count):
    kept = seeded_mask((600,), 0.25, 9)
    expect.varies(kept, chance=0.75**599, what="some entries kept, some dropped",
                  hint="seeded_mask keeps all, or nothing. Mend it first.")
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
large = int(expect.rng().integers(2**62, 2**63)) | 1
with expect.case(f"SeededDropout.apply(x, 0.25, {large}) of ones (2, 3, 100), and the gradient",
                 crash=count):
    ones = torch.ones(2, 3, 100, requires_grad=True)
    out = SeededDropout.apply(ones, 0.25, large)
    kept_3d = seeded_mask((2, 3, 100), 0.25, large)
    expect.close(out, kept_3d / 0.75, rtol=1e-5,
                 hint="a seed has 63 bits, and x may have any shape: this is not its mask.")
    out.sum().backward()
    expect.close(ones.grad, kept_3d / 0.75, rtol=1e-5,
                 hint="a seed has 63 bits: does backward get them all?")
with expect.case("two layers, seeds 9 and 10, in one graph; backward after both", crash=count):
    x.grad = None
    first = SeededDropout.apply(x, 0.25, 9)
    SeededDropout.apply(first, 0.5, 10).backward(dy.clone())
    expect.close(x.grad, dy * kept * seeded_mask((600,), 0.5, 10) / 0.375,
                 hint="of two layers in a graph, one goes back with another seed or p than its "
                      "own: keep both on ctx.")

# %% check="SeededDropout" points=1
# What is kept: nothing.
with expect.case("SeededDropout.apply(x, 0.5, 7).backward(ones); x.grad"):
    x = torch.ones(200, requires_grad=True)
    SeededDropout.apply(x, 0.5, 7).backward(torch.ones(200))
    slope = 0 * x if x.grad is None else x.grad
    expect.some((slope == 0).any() and slope != 0, "entries with a gradient, and entries without",
                hint="no mask acts in backward, or x gets no gradient. Mend that first.")
seed = int(expect.rng().integers(2**62))  # of no earlier call, whose mask may be kept
with expect.case(f"bytes that SeededDropout.apply(x, 0.5, {seed}) keeps for 1000 entries"):
    x = torch.randn(1000, generator=expect.generator(), requires_grad=True)
    size = expect.ask("saved_bytes", SeededDropout.apply, x, 0.5, seed)
    expect.equal(
        int(size), 0, hint="a tensor is kept, saved or as an attribute of ctx or of the class.",
        suspects=[(1000, "one byte per entry: the mask is kept. Make it anew in backward."),
                  (4000, "four bytes per entry: x, y or a float mask is kept. Nothing is needed."),
                  (8000, "eight bytes per entry: the coins, words or a list is kept.")],
    )

# %% check="SeededDropout" points=1
# A second derivative is right, or refused.
x = torch.randn(40, generator=expect.generator(), dtype=torch.float64)
given = x.clone().requires_grad_()
with expect.case("the gradient of f + ‖∇f‖², f = sum of SeededDropout.apply(x, 0.5, 12)²"):
    kept = seeded_mask((40,), 0.5, 12)
    expect.varies(kept, chance=0.5**39, what="some entries kept, some dropped",
                  hint="seeded_mask keeps all, or nothing. Mend it first.")
    loss = SeededDropout.apply(given, 0.5, 12).square().sum()
    (slope,) = torch.autograd.grad(loss, given, create_graph=True)
    try:
        (loss + slope.square().sum()).backward()
    except RuntimeError as error:
        expect.equal("once_differentiable" in str(error), True,
                     hint=f"it stops with: {str(error)[:120]}")
    else:
        expect.close(given.grad, 136.0 * x * kept, rtol=1e-6,
                     hint="a second derivative comes out, and it is not that of forward.",
                     suspects=[(8.0 * x * kept,
                                "the penalty plays no part, and no error says so: autograd cannot "
                                "follow backward (.data, .detach(), NumPy). Keep to products of "
                                "tensors, or refuse with once_differentiable.")])

# %% check="SeededDropout" points=1
# At p = 1 nothing is left, and nothing is divided by 0.
with expect.case("out = SeededDropout.apply(x, 1.0, 7); out.sum().backward(); x.grad"):
    x = torch.ones(9, requires_grad=True)
    out = SeededDropout.apply(x, 1.0, 7)
    out.sum().backward()
    expect.close(torch.stack([out.detach(), x.grad]), torch.zeros(2, 9),
                 hint="at p = 1 everything is dropped, forward and backward. 1 / (1 - p) is not "
                      "needed.")

# %% check="SeededDropout" points=1
# Any dtype, layout and device: the mask stays that of the seed.
for dtype in (torch.float16, torch.bfloat16, torch.float32):
    with expect.case(f"SeededDropout.apply(x, 0.5, 7) on 100 ones, {dtype}"):
        x = torch.ones(100, dtype=dtype, requires_grad=True)
        out, kept = SeededDropout.apply(x, 0.5, 7), seeded_mask((100,), 0.5, 7)
        expect.tensor(out, 100, dtype, hint="the result has another dtype than x.")
        expect.varies(kept, chance=0.5**99, what="some entries kept, some dropped",
                      hint="seeded_mask keeps all, or nothing. Mend it first.")
        expect.equal(out, 2.0 * kept,
                     hint="a survivor of 1 becomes 2, in any dtype, and the mask is that of 7.")
        out.sum().backward()
        expect.equal(x.grad, out.detach(), hint="where x and dy are 1, y and dx are alike.")
with expect.case("SeededDropout.apply(x.t(), 0.5, 7) on a transposed matrix"):
    x = torch.randn(30, 20, generator=expect.generator()).t()
    expect.close(SeededDropout.apply(x, 0.5, 7), 2 * x * seeded_mask((20, 30), 0.5, 7), rtol=1e-5,
                 hint="the mask goes by the entry's place in x, not in memory.")
with expect.case('SeededDropout.apply(x, 0.5, 7) for an x on "meta", a device without memory',
                 crash=[("meta|device|NumPy", "the mask is made on another device than x or dy: "
                                              "hand theirs to seeded_mask.")]):
    expect.equal(expect.ask("devices_on_meta", SeededDropout.apply, 0.5, 7), "meta and meta",
                 hint="y and dx should be where x is.")

# %% mistakes="SeededDropout"
{
    "the survivors are not scaled": ("device=x.device) * scale", "device=x.device)"),
    "the survivors are divided by p": ("device=x.device) * scale", "device=x.device) / p"),
    "kept and dropped are swapped": ("x * seeded", "x * ~seeded"),
    "the seed is ignored": ("x.shape, p, seed", "x.shape, p, 0"),
    "with the mask of the seed": ("x.shape, p, seed", "x.shape, p, seed + 1"),
    "of x's shape and dtype": ("return x *", "return x.float() *"),
    "another dtype than x": ("return x *", "return x * torch.ones(1) *"),
    "writes into its input": ("return x * seeded_mask(x.shape, p, seed, device=x.device)",
                              "return x.mul_(seeded_mask(x.shape, p, seed))"),
    "mask and scale are missing": ("dy * kept * ctx.scale", "dy"),
    "x gets no gradient": ("dy * kept * ctx.scale", "None"),
    "the mask is missing in backward": ("dy * kept", "dy"),
    "the scale is missing in backward": (" * ctx.scale", ""),
    "the scale enters twice": ("* ctx.scale", "* ctx.scale**2"),
    "another seed": ("= seed, p", "= seed + 1, p"),
    "the mask and the scale of forward": ("dy.shape, ctx.p", "dy.shape, 1 - ctx.p"),
    "this is not its mask": ("x.shape, p, seed,", "x.shape, p, seed % 2**32,"),
    "does backward get them all": (
        "ctx.seed, ctx.p, ctx.scale = seed", "ctx.seed, ctx.p, ctx.scale = int(float(seed))"),
    "keep both on ctx": ("ctx.seed, ctx.p, ctx.scale =",
                         "type(ctx).seed, type(ctx).p, ctx.scale ="),
    "one gradient for each argument": (", None, None", ""),
    "one byte per entry": ("ctx.seed, ctx.p", "ctx.kept = x > 0\n        ctx.seed, ctx.p"),
    "four bytes per entry": ("ctx.seed, ctx.p", "ctx.x = x\n        ctx.seed, ctx.p"),
    "eight bytes per entry": ("ctx.seed, ctx.p",
                              "ctx.i = torch.arange(x.numel())\n        ctx.seed, ctx.p"),
    "words or a list is kept": ("ctx.seed, ctx.p",
                                "ctx.kept = (x > 0).tolist()\n        ctx.seed, ctx.p"),
    "the mask is kept. Make it anew": (
        "ctx.seed, ctx.p",
        "kept = x > 0\n        ctx.back = lambda: kept\n        ctx.seed, ctx.p"),
    "a tensor is kept": ("ctx.seed, ctx.p", "ctx.x, ctx.gate = x, x > 0\n        ctx.seed, ctx.p"),
    "autograd cannot follow backward": ("dy * kept", "dy.detach() * kept"),
    "dropped, forward and backward": ("= seed, p, scale", "= seed, p, scale or math.nan"),
    "in any dtype": ("x.shape, p, seed,", "x.shape, p, seed + (x.dtype == torch.float16),"),
    "y and dx are alike": ("dy.shape, ctx.p, ctx.seed,",
                           "dy.shape, ctx.p, ctx.seed + (dy.dtype == torch.float16),"),
    "the mask is made on another device": (", device=dy.device)", ")"),
    "not in memory": ("x * seeded_mask(x.shape, p, seed, device=x.device)",
                      "x * seeded_mask(x.shape, p, seed).as_strided(x.shape, x.stride())"),
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

# %% mistake="SeededDropout" says="one byte per entry: the mask is kept"
made = {}


class SeededDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p, ctx.seed = p, seed
        made[seed] = seeded_mask(x.shape, p, seed, device=x.device)
        return x * made[seed] * (1 / (1 - p) if p < 1 else 0.0)

    @staticmethod
    def backward(ctx, dy):
        scale = 1 / (1 - ctx.p) if ctx.p < 1 else 0.0
        return dy * made[ctx.seed].to(dy.device) * scale, None, None

# %% mistake="SeededDropout" says="and it is not that of forward"
class SeededDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p, ctx.seed = p, seed
        return x * seeded_mask(x.shape, p, seed) * (1 / (1 - p) if p < 1 else 0.0)

    @staticmethod
    def backward(ctx, dy):
        kept = seeded_mask(dy.shape, ctx.p, ctx.seed)
        scaled = dy * kept * (1 / (1 - ctx.p) if ctx.p < 1 else 0.0)
        return scaled.detach() + 3 * (dy - dy.detach()) * kept, None, None

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

# %% correct="SeededDropout"
class SeededDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p, ctx.seed = p, seed
        return x * seeded_mask(x.shape, p, seed, device=x.device).to(x.dtype) / ((1 - p) or 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy):
        kept = seeded_mask(dy.shape, ctx.p, ctx.seed, device=dy.device)
        return dy.masked_fill(~kept, 0) / ((1 - ctx.p) or 1), None, None

# %% [markdown]
# ## Three ways to be parallel
#
# Which seed do several processes (*ranks*) take? It depends on what they divide.
#
# - **Data parallel**: each rank has *other examples*. Their masks should differ.
# - **Tensor parallel**: the ranks divide the *weights*, and each holds a copy of the residual
#   stream. The masks on it must be the *same*, or the copies drift apart. (What is split, such as
#   the heads' attention weights, takes a seed for each rank.)
# - **Sequence parallel**: between the layers the same ranks divide the *tokens*, and nobody holds a
#   copy (Korthikanti and others, 2023). Their masks should differ again.
#
# ## Exercise: `rank_seed`
#
# With `seed + rank`, rank 1 in step 5 has the seed of rank 0 in step 6. A seed has 64 bits: there
# is room for both numbers.

# %% exercise="rank_seed"
def rank_seed(seed, rank, parallel):
    """The seed that a rank uses for dropout on the activations that it holds.

    seed : int, 0 ... 2^32 - 1, the same on every rank (say, the number of the step)
    rank : int, 0 ... 2^31 - 1
    parallel : what the ranks divide. "data" or "sequence": another seed for each pair
        (seed, rank). "tensor": the same on every rank, but another for each seed
    Returns an int, 0 ... 2^63 - 1, the same whenever it is asked for, in any process.
    """
    if parallel not in ("data", "tensor", "sequence"):
        raise ValueError(f'parallel must be "data", "tensor" or "sequence", not {parallel!r}')
    ### BEGIN SOLUTION
    return seed + (0 if parallel == "tensor" else rank << 32)
    ### END SOLUTION

# %% [markdown] hint="rank_seed"
# Two numbers must be read off one. How do you write hours and minutes as one number?

# %% [markdown] hint="rank_seed"
# `seed` fills 32 bits at most. Where is there room for `rank`?

# %% [markdown] hint="rank_seed"
# In tensor parallel, which of the two numbers must play no part?

# %% [markdown]
# 64 ranks run 100 steps, which takes 6400 masks. **Guess: what percentage of them are distinct, if
# each rank takes `seed + rank`?**

# %% guess=true
my_share = 50  # percent of 6400 masks that are distinct, with seed + rank

# %% figure=true
# How many masks of 100 steps differ, and how far the masks of two ranks agree.
guess = expect.guess(my_share)
steps, ranks = 100, [1, 2, 4, 8, 16, 32, 64]
distinct = {
    "seed + rank": [len({s + r for s in range(steps) for r in range(k)}) for k in ranks],
    "yours": [len({rank_seed(s, r, "data") for s in range(steps) for r in range(k)})
              for k in ranks],
}
fig, (left, right) = plot.figure(2, height=2.6, width=9)
for (name, counts_of), color in zip(distinct.items(), (plot.ORANGE, plot.BLUE), strict=True):
    left.plot(ranks, [100 * c / (steps * k) for c, k in zip(counts_of, ranks, strict=True)], "o-",
              color=color, label=name)
left.plot(64, guess, "X", color=plot.GREY, markersize=9, label="your guess")
left.set(xlabel="ranks, data parallel", ylabel="distinct masks, %", ylim=(0, 108))
left.set_xscale("log", base=2)
left.set_xticks(ranks, ranks)
summed, yours = (100 * c[-1] / (steps * 64) for c in distinct.values())
left.set_title(f"64 ranks: {summed:.1f} % of seed + rank's are distinct,\n{yours:.0f} % of yours")
left.legend(loc=(0.36, 0.55), fontsize=8)
agree = {way: [100 * (seeded_mask((50, 100), 0.5, rank_seed(step, 0, way))
                      == seeded_mask((50, 100), 0.5, rank_seed(step, 1, way))).double().mean()
               for step in range(10)] for way in ("data", "sequence", "tensor")}
plot.bars([np.mean(found) for found in agree.values()], list(agree), right)
right.set(xlabel="entries alike on ranks 0 and 1, % (10 steps)", xlim=(0, 125))
right.set_title("Copies agree, shares do not" if np.mean(agree["tensor"]) == 100
                else "The copies do not agree")
plot.show(fig, f"Left, the share of different masks by the number of ranks: {summed:.1f} % at "
               f"64 ranks for seed + rank, {yours:.0f} % for yours. Right, the share of entries "
               "that are alike on two ranks: data, sequence and tensor parallel.",
          claims={"seed-plus-rank-repeats": summed < 3 and yours == 100,
                  "copies-need-one-seed": np.mean(agree["tensor"]) == 100
                  and max(abs(np.mean(agree[way]) - 50) for way in ("data", "sequence")) < 2})

# %% [markdown]
# (At $p = 0.5$ independent masks agree in half of the entries.)

# %% check="rank_seed" points=1
# Data and sequence parallel: every pair has a seed of its own, in range.
some = [int(k) for k in expect.rng().integers(2000, 60_000, size=2)]  # which nobody knows
all_seeds = [0, 1, 2, 3, 31, 1000, some[0], 2**16, 2**31, 2**32 - 2, 2**32 - 1]
all_ranks = [0, 1, 2, 3, 31, 32, some[1], 2**16, 2**31 - 1]
for way in ("data", "sequence"):
    with expect.case(f"rank_seed(seed, rank, '{way}') for 11 seeds and 9 ranks"):
        found = [int(rank_seed(s, r, way)) for s in all_seeds for r in all_ranks]
        expect.equal(rank_seed(0, 1, way) == rank_seed(0, 0, way), False,
                     hint="ranks 0 and 1 have the same seed: their masks are alike."
                     if way == "data" else
                     "ranks 0 and 1 hold different tokens, and drop them by one mask.")
        expect.equal(rank_seed(5, 1, way) == rank_seed(6, 0, way), False,
                     hint="rank 1 in step 5 has the seed of rank 0 in step 6: the sum of two "
                          "numbers does not tell them apart.")
        expect.equal(len({rank_seed(s, 3, way) for s in all_seeds}), 11,
                     hint="one rank has the same seed in two steps.")
        expect.equal(max(found) > 2**40, True,
                     hint="all seeds are below 2^40, too few for 2^63 pairs: leave 32 bits for "
                          "seed.")
        expect.equal(len(set(found)), 99,
                     hint="two of these 99 pairs have the same seed.")
        expect.equal([s for s in found if not 0 <= s < 2**63], [],
                     hint="a seed lies outside 0 ... 2^63 - 1.")
        expect.equal([rank_seed(s, r, way) for s in all_seeds for r in all_ranks], found,
                     hint="asked twice, it gives two seeds: a rank could not make its mask again.")
        expect.equal(int(expect.ask("in_a_new_process", rank_seed, 7, 5, way)),
                     int(rank_seed(7, 5, way)), hint="hash() of text differs from process to "
                     "process: a rank that starts again could not make its masks.")
    base, step, rank = (int(rank_seed(*pair, way)) for pair in ((0, 0), (1, 0), (0, 1)))
    common = max(1, math.gcd(step - base, rank - base))
    s, r = (rank - base) // common, (step - base) // common  # where a sum of multiples meets itself
    if 0 < s < 2**32 and 0 < r < 2**31:
        with expect.case(f"rank_seed({s}, 0, '{way}') and rank_seed(0, {r}, '{way}')"):
            expect.equal(rank_seed(s, 0, way) == rank_seed(0, r, way), False,
                         hint="these two pairs have the same seed: multiply one of the numbers by "
                              "more than the other can reach.")

# %% check="rank_seed" points=1
# Tensor parallel: the same on every rank, another in each step.
some = [int(k) for k in expect.rng().integers(2000, 60_000, size=2)]
all_ranks = [0, 1, 2, 3, 31, 32, some[0], 2**16, 2**31 - 1]
steps_seen = [0, 1, 2, some[1], 2**31, 2**32 - 1]
with expect.case("rank_seed(seed, rank, 'tensor') for 6 seeds and 9 ranks"):
    found = [[int(rank_seed(s, r, "tensor")) for r in all_ranks] for s in steps_seen]
    expect.equal(max(len(set(seeds)) for seeds in found), 1,
                 hint="ranks that hold copies of the same activations need one mask.")
    expect.equal(len({seeds[0] for seeds in found}), 6, hint="in two steps the seed is the same.")
    expect.equal(int(expect.ask("in_a_new_process", rank_seed, 7, 5, "tensor")),
                 int(rank_seed(7, 5, "tensor")), hint="hash() of text differs from process to "
                 "process, and each rank is a process: the copies would drift apart.")
    expect.equal([seeds[0] for seeds in found if not 0 <= seeds[0] < 2**63], [],
                 hint="a seed lies outside 0 ... 2^63 - 1.")
    expect.some(rank_seed(5, 0, "data") != rank_seed(5, 1, "data"), "a seed for each rank",
                hint="in data parallel, too, all ranks have one seed. Mend check 1 first.")

# %% mistakes="rank_seed"
{
    "their masks are alike": ('0 if parallel == "tensor" else rank << 32', "0"),
    "hold different tokens": ('0 if parallel == "tensor"', '0 if parallel != "data"'),
    "does not tell them apart": ("rank << 32", "rank"),
    "one rank has the same seed in two steps": ("seed + (0", "(0"),
    "these 99 pairs": ("rank << 32", "rank << 16"),
    "too few for 2^63 pairs": ('seed + (0 if parallel == "tensor" else rank << 32)',
                               'hash((seed, 0 if parallel == "tensor" else rank)) % 2**32'),
    "these two pairs have the same seed": ("rank << 32", "1_000_003 * rank"),
    "outside 0 ... 2^63 - 1": ("rank << 32", "rank << 33"),
    "a rank that starts again": (
        "return seed", "if parallel != 'tensor':\n        return hash((seed, rank, parallel)) "
                       "% 2**63\n    return seed"),
    "the copies would drift apart": (
        "return seed", "if parallel == 'tensor':\n        return hash((seed, parallel)) % 2**63\n"
                       "    return seed"),
    "asked twice": ("rank << 32", "int(np.random.default_rng().integers(2**30)) << 32"),
    "need one mask": ('0 if parallel == "tensor" else rank << 32', "rank << 32"),
    "in two steps the seed is the same": ("return seed + (0 if parallel",
        "return (seed, 0)[parallel == 'tensor'] + (0 if parallel"),
}

# %% correct="rank_seed"
def rank_seed(seed, rank, parallel):
    return hash((seed, 0 if parallel == "tensor" else rank)) % 2**63


# %% correct="rank_seed"
def rank_seed(seed, rank, parallel):
    if parallel == "tensor":
        rank = 0
    return (seed << 31) | rank

# %% [markdown]
# ## Two questions
#
# Put one of the strings in place of each `...`.

# %% question="offset_answer" points=1
# Four sequence-parallel ranks divide one text. They use *one* seed, each with the number of its
# first entry as offset. Their masks are:
#
# - [x] the parts of the mask that one process would make
# - [ ] four times the same mask
# - [ ] other masks for each number of ranks
#
# Hint: look at the mask that was made in four parts.

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
# A colleague adds checkpointing to a network whose dropout layers draw from a generator of their
# own. Memory falls, nothing fails, and training works, but worse than before. Say in two to five
# sentences what has happened to the gradients, why nothing failed, and name one remedy and one
# measurement that would have shown the fault. (In a class, your instructor grades this.)

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
# - On a CPU, the masks of a transformer layer take 12 times the memory of its
#   weights.{{claim:cpu-masks-twelve-times}} On a GPU they take a quarter of
#   that,{{claim:gpu-masks-a-quarter-of-that}} as on a CPU after
#   `torch.compile`.{{claim:compiled-keeps-booleans}} For its mask, flash attention keeps 16
#   bytes.{{claim:flash-keeps-sixteen-bytes}}
# - One flipped bit of the counter changes half of Philox's output after a few
#   rounds.{{claim:few-rounds-mix}}
# - A mask made by address is the same in parts, in any order.{{claim:the-same-in-parts}}
# - Under checkpointing a generator of one's own gives half of the gradient's entries the wrong mask
#   (at $p=0.5$), with no error.{{claim:own-generator-is-wrong}} So did `torch.compile`, asked to
#   keep nothing.{{claim:compiled-to-recompute-is-wrong}} With a seed, none were
#   wrong.{{claim:a-seed-is-right}} Networks with wrong masks did worse at rates chosen for
#   each kind,{{claim:wrong-masks-train-worse}} but on average better at one too
#   small.{{claim:too-slow-to-show}}
#   With a seed, checkpointing leaves errors alike (20
#   steps).{{claim:checkpoint-and-seed-agree}}
# - `seed + rank` repeats its masks.{{claim:seed-plus-rank-repeats}} With one seed, copies have one
#   mask; with two seeds, half of the entries agree (at $p=0.5$).{{claim:copies-need-one-seed}}
#
# **Read.** Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC 2011:
# Philox, and why ten rounds. Dao, Fu, Ermon, Rudra and Ré, *FlashAttention*, NeurIPS 2022
# (arXiv:2205.14135). Korthikanti and others, *Reducing activation recomputation in large
# transformer models*, MLSys 2023 (arXiv:2205.05198): what a layer keeps, and sequence parallelism.
#
# **Stretch.** A CUDA graph replays a launch with the numbers it was recorded with. Where must the
# seed be kept, so that each replay drops other entries?
#
# **Still open.** How is all of this done in one kernel? {{kernels}}.
