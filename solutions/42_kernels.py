# %% [markdown]
# # 4.2 · Kernels
#
# **What does dropout cost a GPU?**
#
# *{{minutes}} minutes. Before: {{stateless_masks}}; {{images}}, {{sequences}} and {{transformers}}
# help. After, you will be able to write a kernel that makes its mask where it needs it, to count
# what it moves, and to estimate when random numbers cost more than memory.*
#
# | symbol | meaning |
# | --- | --- |
# | $p$ | probability that an entry is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0 |
# | $x$, $b$, $r$ | what a sublayer sends, its bias, and the residual stream |
# | counter, word | what goes into Philox, and each of the four numbers of 32 bits that come out |

# %% setup=true
import math

import numpy as np
import torch
from torch.nn import functional as F

from dropoutlab import check_probability, data, elsewhere, expect, explore, gpu, plot, stateless
from dropoutlab.gpu import four_words, tl, triton

# %% [markdown]
# ## What is moved
#
# A GPU runs thousands of copies of one small program, the **kernel**, each on a block of entries.
# PyTorch by itself runs a kernel for each operation. Each reads its input from memory and writes
# its output back, and for simple arithmetic that is what takes the time.
#
# Each sublayer of a transformer ends in $z = r + \operatorname{dropout}(x + b)$: three
# operations. A kernel that does all three in one must move $x$, $r$ and $z$, three times the size
# of $x$. **Guess: how many times the size of $x$ do the three operations move, in float32?**

# %% guess=true
my_traffic = 4  # times the size of x

# %% figure=true
# What three operations move on a GPU, beside the least that is possible.
guess = expect.guess(my_traffic)
torch.set_num_threads(1)
shape = (8, 1024, 1024)
size = 4 * math.prod(shape)
steps = elsewhere.moved(lambda x, b, r: r + F.dropout(x + b, 0.1), shape, shape[-1:], shape)
moved = [n / size for _, n in steps]
fig, (ax,) = plot.figure(1, height=1.9)
left = 0.0
for name, (_, n), color in zip(("x + b", "dropout", "r + …"), steps,
                               (plot.SKY, plot.ORANGE, plot.BLUE), strict=True):
    ax.barh(["three operations"], [n / size], left=left, color=color,
            label=f"{name}: {n / size:.3g}")
    left += n / size
ax.barh(["the least"], [3], color=plot.GREY)
ax.axvline(guess, color=plot.INK, linestyle="--", label="your guess")
ax.set(xlabel="bytes read and written / bytes of x (float32)", xlim=(0, 1.4 * max(left, guess)),
       title=f"Three operations move {left:.3g} times the size of x")
ax.invert_yaxis()
ax.legend(loc="lower right", fontsize=8)
plot.show(fig, f"Bytes that bias, dropout and residual move as three operations: {left:.3g} times "
               "the size of x, against 3 in one kernel.",
          claims={"three-operations-move-seven": 7 <= left <= 7.5})

# %% [markdown]
# (PyTorch's fake tensors were sent through the operations of a GPU, as in {{stateless_masks}}. The
# quarter is the mask, a byte an entry.)
#
# ### One question from {{stateless_masks}}
#
# What decides the coin of an entry of `seeded_mask`, and what does not?
#
# <details><summary>Answer</summary>
#
# The seed and the number of the entry. Not the order in which entries are made, not the other
# entries, not the device.
# </details>
#
# ## One kernel
#
# **Triton** lets you write kernels in Python. Without a GPU its interpreter runs them on the CPU,
# slowly, block after block. (Where it stores bfloat16, it cuts digits off instead of
# rounding.) The course starts it where no GPU is found.
#
# *Triton comes for Linux only. On another system read on, write the kernels if you like, and run
# them on a Linux machine; here their checks say so and do not count.*
#
# Each copy finds its entries by its own number, the `program_id`. The last block reaches beyond the
# end of the tensor. What lies there belongs to somebody else, so loads and stores take a `mask` of
# the entries that exist.

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
# Triton has Philox built in: `tl.randint4x(seed, c)` gives the four words of each counter in `c`,
# and `tl.randint(seed, c)` the first of them. Are they those of {{stateless_masks}}?

# %%
expect.needs("triton")


@triton.jit
def words_kernel(out, seed, n, BLOCK: tl.constexpr):
    c = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    words = tl.randint4x(seed, c)
    tl.store(out + c, words[0].to(tl.int64), mask=c < n)
    tl.store(out + n + c, words[1].to(tl.int64), mask=c < n)


found = torch.empty(2, 1000, dtype=torch.int64, device=gpu.DEVICE)
words_kernel[(4,)](found, 5 + 8 * 2**32, 1000, BLOCK=256)
own = stateless.words(torch.arange(1000), 5 + 8 * 2**32)[:, :2].T
equal = (found.cpu() & 0xFFFFFFFF == own).double().mean()
print(f"{100 * equal:g} % of 2000 words agree with philox_4x32")

# %% [markdown]
# A coin for each entry from `tl.randint(seed, i)` throws three words of four away. It is a quarter
# of the work to let a counter serve four neighbours: entry $i$ gets word $i \bmod 4$ of counter
# $\lfloor i/4 \rfloor$. `four_words(seed, c)`, of `dropoutlab.gpu`, puts the words of a block of
# counters in a row in this order, four times as many numbers as `c` holds.
#
# ## Exercise: `dropout_kernel`
#
# Block $k$ has `BLOCK` counters and four times as many entries. Three things go wrong easily:
#
# - A block that draws "its own" random numbers makes a mask that depends on the size of the blocks.
#   Go by the numbers of the *entries* and *counters* in the whole tensor.
# - `tl.program_id(0)` has 32 bits, and a product with it wraps at $2^{31}$. `.to(tl.int64)` first.
# - In bfloat16 a scale of $1/(1-p)$ has three digits. Load, convert to `tl.float32`, compute, and
#   let the store convert back.
#
# Backward is dropout of $dy$ with the mask of forward. PyTorch cannot look into a kernel, so what a
# kernel returns is a constant to autograd. That is why forward stands in an `autograd.Function`,
# and why backward must not simply launch the kernel: a second derivative would miss this part, with
# no error. Call a Function there as well (which one does dropout of $dy$?), or refuse with
# `@torch.autograd.function.once_differentiable` below `@staticmethod`.

# %% exercise="dropout_kernel"
@triton.jit
def dropout_kernel(x, y, n, p, scale, seed, BLOCK: tl.constexpr):
    """y[i] = x[i] * scale where entry i is kept, else 0; i < n. 4 * BLOCK entries for each block.

    x, y : pointers to n entries in a row, float32, float16 or bfloat16; n may be more than 2^31
    Entry i is kept where its coin is >= p. The coin is (word >> 8) * 2^-24, with word i % 4 of
    counter i // 4. Computes in float32.
    """
    ### BEGIN SOLUTION
    block = tl.program_id(0).to(tl.int64)
    i = block * (4 * BLOCK) + tl.arange(0, 4 * BLOCK)
    coin = (four_words(seed, block * BLOCK + tl.arange(0, BLOCK)) >> 8) * (1 / 16777216)
    value = tl.load(x + i, mask=i < n).to(tl.float32)
    tl.store(y + i, tl.where(coin >= p, value * scale, 0.0), mask=i < n)
    ### END SOLUTION


def dropout_triton(x, p, seed, block=gpu.BLOCK):
    """Launch `dropout_kernel` on as many blocks as x fills; a new tensor where x is."""
    check_probability(p)
    home, x, n = x.device, x.contiguous().to(gpu.DEVICE), x.numel()
    scale = 1 / (1 - p) if p < 1 else 0.0
    with gpu.guarded(x, 4 * block, reads=[x]) as y:
        dropout_kernel[(triton.cdiv(n, 4 * block),)](x, y, n, p, scale, seed, BLOCK=block)
    return y.to(home)


class TritonDropout(torch.autograd.Function):
    """Dropout by `dropout_kernel`, forward and backward: TritonDropout.apply(x, p, seed).

    A second derivative is right, or `.backward()` refuses it.
    """

    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p, ctx.seed = p, seed
        return dropout_triton(x, p, seed)

    @staticmethod
    def backward(ctx, dy):
        ### BEGIN SOLUTION
        return TritonDropout.apply(dy, ctx.p, ctx.seed), None, None
        ### END SOLUTION

# %% [markdown] hint="dropout_kernel"
# Five lines: the block's number; its entries; their coins; the values, loaded; the result, stored.

# %% [markdown] hint="dropout_kernel"
# Block $k$ has the entries from $4 k \cdot$ `BLOCK` on, and the counters from $k \cdot$ `BLOCK` on.
# `tl.where(kept, a, b)` chooses entry by entry. $2^{24}$ is 16777216.

# %% [markdown] hint="dropout_kernel"
# Both the load and the store need `mask=i < n`. In backward, `TritonDropout.apply` does dropout of
# any tensor, $dy$ too.

# %% figure=true
# The mask that your kernel makes in blocks of two sizes.
expect.needs("triton")
x = torch.ones(8, 40, device=gpu.DEVICE)
by_kernel = [dropout_triton(x, 0.3, 2014, block) for block in (16, 64)]
same = torch.equal(*by_kernel)
fig, (left, right) = plot.figure(2, height=1.5)
for ax, sent, title in ((left, by_kernel[0], "Your kernel, blocks of 16 counters"),
                        (right, by_kernel[1],
                         f"Blocks of 64: {'the same' if same else 'another mask'}")):
    plot.mask(sent.cpu().numpy(), ax)
    ax.set(xlabel="entry of the row", title=title)
left.set_ylabel("row")
plot.show(fig, "The mask that your kernel makes in blocks of 16 and of 64 counters: "
               f"{'the same' if same else 'another'}.", claims={"blocks-do-not-matter": same})

# %% [markdown]
# How wrong is a second derivative that misses a part? Take $L = f + \lVert\nabla_x f\rVert^2$ with
# $f = \sum_i \operatorname{dropout}(x)_i^2$, a penalty on a gradient, and one wrong kernel Function
# beside yours: its backward launches the kernel and nothing else. **Guess: what percentage of
# the right gradient of $L$ does the wrong one give?**

# %% guess=true
my_percent = 50  # norm of the wrong gradient, in % of the right one's

# %% figure=true
# The norm of a gradient that needs a second derivative, by three implementations.
expect.needs("triton")
guess = expect.guess(my_percent)


class Careless(torch.autograd.Function):
    """Dropout whose backward launches a kernel, which autograd cannot look into."""

    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p, ctx.seed = p, seed
        return dropout_triton(x, p, seed)

    @staticmethod
    def backward(ctx, dy):
        return dropout_triton(dy, ctx.p, ctx.seed), None, None


class Refusing(Careless):
    """The same, and refused."""

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy):
        return dropout_triton(dy, ctx.p, ctx.seed), None, None


def norm(dropout, x, by_backward=True):
    """The norm of the gradient of f + ‖∇f‖²; None where it is refused."""
    x = x.detach().requires_grad_()
    f = dropout(x).square().sum()
    (slope,) = torch.autograd.grad(f, x, create_graph=True)
    whole = f + slope.square().sum()
    try:
        if not by_backward:
            return torch.autograd.grad(whole, x)[0].norm().item()
        whole.backward()
    except RuntimeError:
        return None
    return x.grad.norm().item()


x = torch.randn(400, generator=torch.Generator().manual_seed(42))
kept = dropout_triton(torch.ones(400), 0.5, 7) != 0
ways = {"PyTorch's operations": lambda x: 2 * x * kept,
        "a kernel in backward": lambda x: Careless.apply(x, 0.5, 7),
        "once_differentiable, .backward()": lambda x: Refusing.apply(x, 0.5, 7),
        "once_differentiable, autograd.grad": lambda x: Refusing.apply(x, 0.5, 7),
        "yours": lambda x: TritonDropout.apply(x, 0.5, 7)}
norms = [norm(way, x, "autograd.grad" not in name) for name, way in ways.items()]
fig, (ax,) = plot.figure(1, height=2.6)
colors = [plot.GREY, *3 * [plot.ORANGE], plot.BLUE]
drawn = ax.barh(list(ways), [n or 0 for n in norms], color=colors)
ax.bar_label(drawn, ["refused, with an error" if n is None else f"{n:.0f}" for n in norms],
             padding=4)
ax.invert_yaxis()
ax.axvline(guess / 100 * norms[0], color=plot.INK, linestyle="--", zorder=0)
share = 100 * norms[1] / norms[0]
ax.set(xlabel="norm of the gradient of f + ‖∇f‖² (dashed: your guess)",
       xlim=(0, 1.2 * max(norms[0], guess / 100 * norms[0])),
       title=f"A kernel in backward gives {share:.0f} % of the gradient, and no error")
plot.show(fig, f"Norms of a gradient: {norms[0]:.0f} by PyTorch, {norms[1]:.0f} by a kernel in "
               f"backward, {'refused' if norms[4] is None else f'{norms[4]:.0f}'} by yours.",
          claims={"silently-too-small": share < 20,
                  "refused-by-backward-alone": norms[2] is None and norms[3] == norms[1],
                  "right-or-refused": norms[4] is None or abs(norms[4] / norms[0] - 1) < 1e-3})

# %% [markdown]
# The penalty is missing from that gradient, and training would only look as if it did nothing.
# The first edition of this course made this mistake. The decorator refuses in `.backward()` alone;
# `torch.autograd.grad(…, x)` never reaches the node that raises the error. So a backward that
# autograd can follow is the better way.
#
# Now train with your kernel: networks on 400 digits, each step with a seed of its own, against
# `nn.Dropout` and none.

# %% figure=true
# Networks trained with your kernel, PyTorch's dropout and none: takes half a minute or so.
expect.needs("triton")
X, y, X_test, y_test = (torch.as_tensor(part) for part in data.digits())
X, y, X_test = X.flatten(1).float()[:400], y[:400], X_test.flatten(1).float()


def trained(dropout, networks=10, steps=250):
    """The test errors, in %, and log losses of networks of 128 hidden units, side by side."""
    rng = torch.Generator().manual_seed(42)
    W, V = ((torch.randn(networks, a, b, generator=rng) * (2 / a) ** 0.5).requires_grad_()
            for a, b in ((64, 128), (128, 10)))
    optimizer = torch.optim.SGD([W, V], lr=0.1, momentum=0.9)
    fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for step in range(steps):
        rows = torch.randint(len(X), (networks, 50), generator=rng)
        h = dropout((X[rows] @ W).relu(), step)
        optimizer.zero_grad()
        losses = F.cross_entropy((h @ V).transpose(1, 2), y[rows], reduction="none")
        losses.mean(1).sum().backward()
        optimizer.step()
        fall.step()
    with torch.no_grad():
        out = (X_test @ W).relu() @ V
    return np.array([[100 * (o.argmax(1) != y_test).double().mean().item(),
                      F.cross_entropy(o, y_test).item()] for o in out])


layers = {"your kernel": lambda h, seed: TritonDropout.apply(h, 0.5, seed),
          "nn.Dropout": lambda h, seed: F.dropout(h, 0.5),
          "none": lambda h, seed: h}
with torch.random.fork_rng():
    torch.manual_seed(42)
    runs = {name: trained(layer) for name, layer in layers.items()}
fig, axes = plot.figure(2, height=2.2, width=9)
apart, gains = [], []
for ax, k, unit in ((axes[0], 0, "test error, %"), (axes[1], 1, "test log loss, nats")):
    for row, (found, color) in enumerate(zip(runs.values(), (plot.BLUE, plot.SKY, plot.GREY),
                                             strict=True)):
        ax.plot(found[:, k], np.full(10, row), "o", color=color, alpha=0.6)
    apart.append(plot.difference(runs["your kernel"][:, k], runs["nn.Dropout"][:, k]))
    gains.append(plot.difference(runs["your kernel"][:, k], runs["none"][:, k]))
    ax.set_yticks(range(3), runs if k == 0 else [""] * 3)
    ax.set(xlabel=f"{unit} (10 networks each)", ylim=(2.5, -0.5),
           title=f"Yours − nn.Dropout: {apart[-1]:.2g}\nYours − none: {gains[-1]:.2g}")
plot.show(fig, "Test errors and log losses of networks trained without dropout, with nn.Dropout "
               f"and with your kernel. Yours minus nn.Dropout: {apart[0]:.2f} points, "
               f"{apart[1]:.3f} nats.",
          claims={"the-kernel-trains-like-dropout":
                  bool(abs(apart[1].mean) + 2 * apart[1].error < abs(gains[1].mean) / 2)
                  and gains[1].sign < 0,
                  "error-does-not-tell": gains[0].sign == 0})

# %% check="dropout_kernel" points=2
# The mask is made of the entries' own words, survivors are scaled, x is left alone.
expect.needs("triton")
x = torch.randn(1700, generator=expect.generator())
before, number = x.clone(), torch.arange(1700)
with expect.case("dropout_triton(x, 0.25, 9, block=128) on 1700 normal numbers, float32"):
    out = dropout_triton(x, 0.25, 9, 128)
    expect.unchanged(x, before, hint="the kernel writes into x. Store into y.")
    expect.tensor(out, 1700, torch.float32, hint="the launch returns a tensor like x.")
    kept = stateless.nearest(out != 0, number, 0.25, 9)
    inside = stateless.nearest(out != 0, number % 512, 0.25, 9)
    early = stateless.nearest(out != 0, number % 128 + number // 512 * 128, 0.25, 9)
    late = stateless.nearest(out != 0, number // 4, 0.25, 9)
    quarter = number // 512 * 512 + number % 128 * 4 + number % 512 // 128
    quarters = stateless.nearest(out != 0, quarter, 0.25, 9)
    below = stateless.coins(number, 9)["four"] < 0.75
    swapped = ~stateless.nearest(out == 0, number, 0.25, 9)
    signed = stateless.words(number // 4, 9).gather(1, (number % 4)[:, None])[:, 0]
    signed = (signed - (signed >= 2**31) * 2**32 >> 8) * 2.0**-24 >= 0.25
    expect.close(
        out, x * kept / 0.75, rtol=1e-5,
        hint="entry i is x[i] * scale where the coin of word i % 4 of counter i // 4 is >= p, "
             "else 0.",
        suspects=[(x * kept, "the survivors are not scaled."),
                  (x / 0.75, "nothing is dropped."),
                  (x * swapped / 0.75, "kept and dropped are swapped."),
                  (torch.where(kept, x / 0.75, x), "what is dropped must be 0."),
                  (torch.full((1700,), 77.0), "the kernel stores nothing."),
                  (x * signed / 0.75, "the words are signed, and half of the coins negative: do "
                                      "not convert them to int32."),
                  (x * late / 0.75, "four neighbours have one coin: a counter has four words."),
                  (x * quarters / 0.75, "each word serves a quarter of the block. Four neighbours "
                                        "share a counter: put its words in a row, as four_words "
                                        "does."),
                  (x * below / 0.75, "kept where the coin is < 1 - p: those are other entries than "
                                     "where it is >= p."),
                  (x * early / 0.75, "blocks share counters: block k has BLOCK counters of its "
                                     "own, and 4 * BLOCK entries."),
                  (x * inside / 0.75, "every block has the mask of the first: number counters and "
                                      "entries through the whole tensor, also in tl.rand.")],
    )

coin = stateless.coins(number, 9)["four"]
odd = int((coin * 2**24 % 2 == 1).nonzero()[0])
for p in (float(coin[odd]), float(torch.nextafter(coin[odd], torch.ones(())))):
    with expect.case(f"dropout_triton(x, {p!r}, 9) on 1700 ones; entry {odd} has the coin "
                     f"{float(coin[odd])!r}"):
        kept = dropout_triton(torch.ones(1700), p, 9) != 0
        expect.equal(kept, stateless.nearest(kept, number, p, 9),
                     hint="a coin that is p is kept, and one that is smaller by a hair is not: "
                          ">= p, with all 24 bits.")

# %% check="dropout_kernel" points=1
# Any length, and the same mask whatever the size of the blocks.
expect.needs("triton")
with expect.case("dropout_triton(x, 0.5, 3) on 4400 ones"):
    out = dropout_triton(torch.ones(4400), 0.5, 3)
    kept = stateless.nearest(out != 0, torch.arange(4400), 0.5, 3)
    expect.equal(out, 2.0 * kept, hint="a survivor of 1 becomes 2, what is dropped 0.")
for n, block in ((1, 64), (255, 64), (256, 64), (257, 64), (300, 16), (4100, 256), (0, 64)):
    with expect.case(f"dropout_triton(x, 0.5, 3, block={block}) on {n} ones"):
        expect.equal(dropout_triton(torch.ones(n), 0.5, 3, block), 2.0 * kept[:n],
                     hint="the first n entries of 4400 had another mask: it depends on the length "
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

# %% setup=true
# For the checks: what a kernel stores far out, and with which coins.
def far_out(name, kernel, shape, dropped, kept, *more):
    """Check two far blocks of ones, where a dropped entry gives dropped, others dropped + kept."""
    for block, told in ((2**21, "2²¹"), (2**24 + 2**21, "2²⁴ + 2²¹")):  # more counters than 2^32
        with expect.case(f"block {told} of {name}, BLOCK=256, and 700 entries from 1024 · ({told}) "
                         "on"):
            entry = 1024 * block
            found = expect.ask("far_block", kernel, block, entry + 700, shape, 0.5, 9, 256, *more)
            if found is None:
                continue  # a GPU cannot be asked without 2^31 entries
            where, what = (torch.as_tensor(part) for part in found)
            number = entry + torch.arange(700)
            expect.equal(where[:1].tolist(), [entry],
                         hint="block k begins elsewhere than at entry 4 * BLOCK * k.",
                         suspects=[([-(2**31)], "at entry -2³¹: the product with program_id wraps. "
                                                "Convert program_id to tl.int64 first.")])
            expect.equal(where, number, hint="it stores other entries than the 700 that "
                                             "exist: is there a mask where it stores?")
            coins, wrapped = (stateless.nearest(what != dropped, at, 0.5, 9)
                              for at in (number, number % 2**34))
            expect.equal(what != dropped, coins,
                         hint="the counters are not those of these entries.",
                         suspects=[(wrapped, "the counters wrap at 32 bits. Make them from the "
                                             "program_id in tl.int64.")])
            expect.equal(what.float(), dropped + kept * coins,
                         hint="the mask is right, and what the kernel makes of it is not.")

# %% check="dropout_kernel" points=1
# Beyond entry 2³¹ the addresses are still right.
expect.needs("triton")
far_out("dropout_kernel", dropout_kernel, (), 0.0, 2.0)

# %% check="dropout_kernel" points=1
# One counter serves four entries.
expect.needs("triton")
with expect.case("the words behind dropout_triton(x, 0.5, 9) on 600 ones"):
    kept = dropout_triton(torch.ones(600), 0.5, 9) != 0
    allowed = stateless.coins(torch.arange(600), 9)
    fours = [allowed[name] >= 0.5 for name in ("four", "four, tl.rand")]
    ones = [allowed[name] >= 0.5 for name in ("one", "one, tl.rand")]
    expect.equal(kept, min(fours, key=lambda mask: int((mask != kept).sum())),
                 hint="entry i has word i % 4 of counter i // 4.",
                 suspects=[(mask, "a right mask, but with a counter for each entry, as tl.rand("
                                  "seed, i) has it: four times the work. Use four_words.")
                           for mask in ones])

# %% check="dropout_kernel" points=1
# All 64 bits of the seed count, forward and backward.
expect.needs("triton")
seed, number = 5 + 8 * 2**32, torch.arange(300)
with expect.case("dropout_triton(x, 0.5, 5 + 8 · 2³²) on 300 ones"):
    out = dropout_triton(torch.ones(300), 0.5, seed)
    expect.equal(out != 0, stateless.nearest(out != 0, number, 0.5, seed),
                 hint="this is not the mask of this seed.",
                 suspects=[(stateless.nearest(out != 0, number, 0.5, 5),
                            "half of the seed is lost: hand it on as it is.")])
with expect.case("out = TritonDropout.apply(x, 0.25, 5 + 8 · 2³²); out.backward(dy); x.grad",
                 crash=[("number of gradients|different than None",
                         "backward returns three things: dx, and None for p and for seed.")]):
    x = torch.zeros(300, requires_grad=True)
    dy = torch.randn(300, generator=expect.generator())
    TritonDropout.apply(x, 0.25, seed).backward(dy)
    kept = dropout_triton(torch.ones(300), 0.25, seed) != 0
    expect.close(0 * dy if x.grad is None else x.grad, dy * kept / 0.75, rtol=1e-5,
                 hint="backward is dropout of dy, with the mask of forward.",
                 suspects=[(0 * dy, "x gets no gradient."), (dy, "mask and scale are missing."),
                           (dy * kept / 0.5625, "the scale enters twice."),
                           (dy * kept, "the scale is missing.")])

# %% check="dropout_kernel" points=1
# A second derivative is right, or refused.
expect.needs("triton")
x = torch.randn(40, generator=expect.generator())
with expect.case("the gradient of f + ‖∇f‖², f = sum of TritonDropout.apply(x, 0.5, 12)²"):
    kept = dropout_triton(torch.ones(40), 0.5, 12) != 0
    given = x.clone().requires_grad_()
    f = TritonDropout.apply(given, 0.5, 12).square().sum()
    (slope,) = torch.autograd.grad(f, given, create_graph=True)
    try:
        (f + slope.square().sum()).backward()
    except RuntimeError as error:
        expect.equal("once_differentiable" in str(error), True,
                     hint=f"it stops with: {str(error)[:120]}")
    else:
        expect.close(given.grad, 136.0 * x * kept, rtol=1e-4, atol=1e-4,
                     hint="a second derivative comes out, and it is not that of forward.",
                     suspects=[(8.0 * x * kept, "to autograd the kernel in backward is a constant, "
                                                "and no error tells you. Call a Function "
                                                "there, or refuse with once_differentiable.")])

# %% mistakes="dropout_kernel"
{
    "the survivors are not scaled": ("value * scale", "value"),
    "nothing is dropped": ("tl.where(coin >= p, value * scale, 0.0)", "value * scale"),
    "kept and dropped are swapped": (">= p", "< p"),
    "with all 24 bits": (">> 8) * (1 / 16777216)", ">> 12) * (1 / 1048576)"),
    ">= p, with all": (">= p", "> p"),
    "what is dropped must be 0": ("scale, 0.0)", "scale, value)"),
    "the kernel stores nothing": ("0.0), mask=i < n)", "0.0), mask=i < 0)"),
    "the words are signed": ("tl.arange(0, BLOCK)) >> 8)",
                             "tl.arange(0, BLOCK)).to(tl.int32, bitcast=True) >> 8)"),
    "four neighbours have one coin": (
        "four_words(seed, block * BLOCK + tl.arange(0, BLOCK))", "tl.randint(seed, i // 4)"),
    "every block has the mask of the first": ("four_words(seed, block * BLOCK + ",
                                              "four_words(seed, "),
    "each word serves a quarter of the block": ("tl.arange(0, 4 * BLOCK)\n",
        "tl.arange(0, 4 * BLOCK) // 4 + tl.arange(0, 4 * BLOCK) % 4 * BLOCK\n"),
    "kept where the coin is < 1 - p": ("coin >= p", "coin < 1 - p"),
    "is >= p, else 0": ("four_words(seed, block", "four_words(seed + 1, block"),
    "the kernel writes into x": ("tl.store(y + i", "tl.store(x + i"),
    "needs a mask where it stores": ("0.0), mask=i < n)", "0.0))"),
    "needs a mask where it loads": ("tl.load(x + i, mask=i < n)", "tl.load(x + i)"),
    "compare the coins with p in": ("* (1 / 16777216)",
                                    "* (1 / 16777216)\n    coin = coin.to(x.dtype.element_ty)"
                                    ".to(tl.float32)"),
    "is all of it computed in float32": ("mask=i < n).to(tl.float32)", "mask=i < n)"),
    "half of the seed is lost": ("four_words(seed, block", "four_words(seed.to(tl.uint32), block"),
    "the product with program_id wraps": (".to(tl.int64)", ""),
    "the counters wrap at 32 bits": ("four_words(seed, block", "four_words(seed, tl.program_id(0)"),
    "with a counter for each entry": (
        "four_words(seed, block * BLOCK + tl.arange(0, BLOCK))", "tl.randint(seed, i)"),
    "no error tells": ("return TritonDropout.apply(dy", "return dropout_triton(dy"),
    "mask and scale are missing": ("TritonDropout.apply(dy, ctx.p, ctx.seed)", "dy"),
    "x gets no gradient": ("TritonDropout.apply(dy, ctx.p, ctx.seed)", "None"),
    "with the mask of forward": ("(dy, ctx.p, ctx.seed)", "(dy, ctx.p, ctx.seed + 1)"),
    "the scale enters twice": ("ctx.seed), None", "ctx.seed) / (1 - ctx.p), None"),
    "the scale is missing": ("ctx.seed), None", "ctx.seed) * (1 - ctx.p), None"),
    "backward returns three things": (", None, None", ""),
}

# %% mistake="dropout_kernel" says="blocks share counters"
@triton.jit
def dropout_kernel(x, y, n, p, scale, seed, BLOCK: tl.constexpr):
    block = tl.program_id(0).to(tl.int64)
    i = block * (4 * BLOCK) + tl.arange(0, 4 * BLOCK)
    counter = block * BLOCK + tl.arange(0, 4 * BLOCK) % BLOCK
    value = tl.load(x + i, mask=i < n).to(tl.float32)
    kept = (tl.randint(seed, counter) >> 8) * (1 / 16777216) >= p
    tl.store(y + i, tl.where(kept, value * scale, 0.0), mask=i < n)


def dropout_triton(x, p, seed, block=gpu.BLOCK):
    scale = 1 / (1 - p) if p < 1 else 0.0
    home, x, n = x.device, x.contiguous().to(gpu.DEVICE), x.numel()
    with gpu.guarded(x, 4 * block, reads=[x]) as y:
        dropout_kernel[(triton.cdiv(n, 4 * block),)](x, y, n, p, scale, seed, BLOCK=block)
    return y.to(home)


class TritonDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p, ctx.seed = p, seed
        return dropout_triton(x, p, seed)

    @staticmethod
    def backward(ctx, dy):
        return TritonDropout.apply(dy, ctx.p, ctx.seed), None, None

# %% correct="dropout_kernel"
@triton.jit
def dropout_kernel(x, y, n, p, scale, seed, BLOCK: tl.constexpr):
    counter = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    coins = tl.rand4x(seed, counter)
    for k in tl.static_range(4):
        i = 4 * counter + k
        value = tl.load(x + i, mask=i < n, other=0.0).to(tl.float32) * scale
        tl.store(y + i, (value * (coins[k] >= p)).to(y.dtype.element_ty), mask=i < n)


def dropout_triton(x, p, seed, block=gpu.BLOCK):
    scale = 1 / (1 - p) if p < 1 else 0.0
    home, x, n = x.device, x.contiguous().to(gpu.DEVICE), x.numel()
    with gpu.guarded(x, 4 * block, reads=[x]) as y:
        dropout_kernel[(triton.cdiv(n, 4 * block),)](x, y, n, p, scale, seed, BLOCK=block)
    return y.to(home)


class TritonDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p, ctx.seed = p, seed
        return dropout_triton(x, p, seed)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy):
        return dropout_triton(dy, ctx.p, ctx.seed), None, None

# %% [markdown]
# ## Three operations in one
#
# Now $z = r + m \odot (x + b)/(1-p)$ in one kernel.
#
# ## Exercise: `bias_dropout_residual_kernel`
#
# Write the kernel's body and the backward pass. The residual is not dropped: otherwise nothing of
# the stream would get past this layer where $m$ is 0. The bias is one row for all rows of $x$, so
# the gradients of all rows add up in it. Which of your Functions gives $dx$ already?

# %% exercise="bias_dropout_residual_kernel"
@triton.jit
def bias_dropout_residual_kernel(
    x, bias, residual, z, n, columns, p, scale, seed, BLOCK: tl.constexpr
):
    """z[i] = residual[i] + m[i] * (x[i] + bias[i % columns]) * scale, i < n, in float32.

    x, residual, z : pointers to n entries, row by row; bias : pointer to `columns` entries
    m[i] is 1 where dropout_kernel keeps entry i, else 0. 4 * BLOCK entries for each block; n may
    be more than 2^31.
    """
    ### BEGIN SOLUTION
    k = tl.program_id(0).to(tl.int64)
    at = k * (4 * BLOCK) + tl.arange(0, 4 * BLOCK)
    kept = (four_words(seed, k * BLOCK + tl.arange(0, BLOCK)) >> 8) * (1 / 16777216) >= p
    total = tl.load(x + at, mask=at < n).to(tl.float32)
    total += tl.load(bias + at % columns, mask=at < n).to(tl.float32)
    passing = tl.load(residual + at, mask=at < n).to(tl.float32)
    tl.store(z + at, passing + tl.where(kept, total * scale, 0.0), mask=at < n)
    ### END SOLUTION


class BiasDropoutResidual(torch.autograd.Function):
    """z by the kernel: BiasDropoutResidual.apply(x, bias, residual, p, seed, block).

    A second derivative is right, or `.backward()` refuses it.
    """

    @staticmethod
    def forward(ctx, x, bias, residual, p, seed, block=gpu.BLOCK):
        check_probability(p)
        ctx.p, ctx.seed = p, seed
        home, n, scale = x.device, x.numel(), 1 / (1 - p) if p < 1 else 0.0
        x, bias, residual = (t.contiguous().to(gpu.DEVICE) for t in (x, bias, residual))
        with gpu.guarded(x, 4 * block, reads=[x, bias, residual]) as z:
            bias_dropout_residual_kernel[(triton.cdiv(n, 4 * block),)](
                x, bias, residual, z, n, len(bias), p, scale, seed, BLOCK=block
            )
        return z.to(home)

    @staticmethod
    def backward(ctx, dz):
        # returns the gradients of x, bias and residual, then None for p, seed and block
        ### BEGIN SOLUTION
        dx = TritonDropout.apply(dz, ctx.p, ctx.seed)
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
# What your kernel moves, counted in the interpreter, and what the residual stream gains.
expect.needs("triton")
rng = torch.Generator().manual_seed(42)
rows, bias, stream = (torch.randn(*s, generator=rng) for s in ((6, 50), (50,), (6, 50)))
fig, (left, right) = plot.figure(2, height=2.6, width=9, )
one = None
if gpu.INTERPRETED:
    with gpu.counted() as told:
        given = torch.ones(64, 512)
        BiasDropoutResidual.apply(given, torch.zeros(512), given, 0.1, 7)
    one = (told.loaded + told.stored) / (4 * 64 * 512)
    without = one - 1  # the bias is loaded for each entry, from a cache
plot.bars([sum(moved), without if one else 3], ["three operations", "one kernel"], left,
          colors=[plot.GREY, plot.BLUE])
left.set(xlabel="bytes moved / bytes of x, without the bias")
left.set_title(f"One kernel: {without:.3g} instead of {sum(moved):.3g}" if one
               else "One kernel: 3 (not counted on a GPU)")
given, gains = (rows + bias).flatten().numpy(), {}
for p, color in ((0.0, plot.INK), (0.5, plot.BLUE), (0.9, plot.ORANGE)):
    sent = [BiasDropoutResidual.apply(rows, bias, stream, p, seed) for seed in range(40)]
    gains[p] = (torch.stack(sent) - stream).flatten(1).numpy()
    right.plot(given, gains[p].mean(0), ".", color=color, label=f"p = {p:g}")
slopes = gains[0.9] @ given / (given @ given)  # one for each seed
gap = plot.difference(slopes, 1)
right.set(xlabel="x + b", ylabel="mean of z − r, 40 seeds",
          title=f"Slope at p = 0.9: {slopes.mean():.2f} ± {gap.error:.2f} (1 if unbiased)")
right.legend()
plot.show(fig, f"Left, bytes moved by three operations, {sum(moved):.3g} times x's size, and by "
               f"your kernel, {without if one else 3:.3g}. Right, the mean of z minus the residual "
               f"against x + b; at p = 0.9 its slope is {slopes.mean():.2f} ± {gap.error:.2f}.",
          claims={"one-kernel-moves-three": not one or abs(without - 3) < 0.01})

# %% check="bias_dropout_residual_kernel" points=2
# Forward: bias, dropout and residual, in this order.
expect.needs("triton")
x, residual = torch.randn(2, 9, 60, generator=expect.generator())
bias = torch.randn(60, generator=expect.generator())
copies = torch.cat([x, residual, bias[None]])
number = torch.arange(540)


def allowed(kept):
    return stateless.nearest(kept.flatten(), number, 0.25, 9).reshape(9, 60)


with expect.case("BiasDropoutResidual.apply(x, bias, residual, 0.25, 9) on 9 rows of 60"):
    out = BiasDropoutResidual.apply(x, bias, residual, 0.25, 9)
    expect.unchanged(torch.cat([x, residual, bias[None]]), copies,
                     hint="the kernel writes into an input. Store into z.")
    expect.tensor(out, (9, 60), torch.float32, hint="the launch returns a tensor like x.")
    sent = BiasDropoutResidual.apply(torch.ones(9, 60), 0 * bias, 0 * residual, 0.25, 9)
    kept, yours = allowed(sent != 0), sent != 0
    swapped = ~allowed(sent == 0)
    expect.close(
        out, residual + (x + bias) * kept / 0.75, rtol=1e-5, atol=1e-5,
        hint="z = residual + m * (x + bias) * scale; column i % columns of the bias.",
        suspects=[(residual, "the residual alone comes out."),
                  (residual + x + bias, "nothing is dropped."),
                  (residual + x * yours / 0.75 + bias, "the bias is added behind dropout."),
                  (residual + (x / 0.75 + bias) * yours, "the bias is dropped and not scaled."),
                  ((residual + (x + bias) * yours) / 0.75, "the residual is scaled too."),
                  ((residual + x + bias) * yours / 0.75, "the residual is dropped with the rest."),
                  (residual + (x + bias) * yours, "the survivors are not scaled."),
                  ((x + bias) * yours / 0.75, "the residual is missing."),
                  (residual + x * yours / 0.75, "the bias is missing."),
                  (residual + (x + bias) * swapped / 0.75, "kept and dropped are swapped."),
                  (torch.where(yours, residual + (x + bias) / 0.75, 0),
                   "where an entry is dropped, the residual must still pass.")],
    )

coin = stateless.coins(number, 9)["four"]
odd = int((coin * 2**24 % 2 == 1).nonzero()[0])
for p in (float(coin[odd]), float(torch.nextafter(coin[odd], torch.ones(())))):
    with expect.case(f"BiasDropoutResidual.apply(x, 0, 0, {p!r}, 9) on 9 rows of 60 ones; entry "
                     f"{odd} has the coin {float(coin[odd])!r}"):
        sent = BiasDropoutResidual.apply(torch.ones(9, 60), 0 * bias, 0 * residual, p, 9) != 0
        expect.equal(sent.flatten(), stateless.nearest(sent.flatten(), number, p, 9),
                     hint="a coin that is p is kept, and one that is smaller by a hair is not: "
                          ">= p, with all 24 bits.")

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
    for given, name in ((x, "x"), (bias, "the bias"), (residual, "the residual")):
        expect.equal(given.grad is None, False, hint=f"{name} gets no gradient.")
    words = stateless.coins(torch.arange(540), 9)
    fours, ones = ([words[name + way] >= 0.25 for way in ("", ", tl.rand")]
                   for name in ("four", "one"))
    expect.equal(kept.flatten(), min(fours, key=lambda mask: int((mask != kept.flatten()).sum())),
                 hint="m is not the mask of dropout_kernel: word i % 4 of counter i // 4.",
                 suspects=[(mask, "a counter for each entry: that is another mask than that of "
                                  "dropout_kernel. Use four_words.") for mask in ones])
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
with expect.case("x of shape (2, 5, 16), blocks of 64 counters: bias.grad",
                 crash=[("number of gradients", "backward returns six things: the block's None is "
                                                "missing.")]):
    x = torch.ones(2, 5, 16)
    bias = torch.zeros(16, requires_grad=True)
    out = BiasDropoutResidual.apply(x, bias, x, 0.5, 3, 64)
    out.sum().backward()
    expect.close(bias.grad, (2.0 * (out.detach() != 1)).sum((0, 1)), rtol=1e-5,
                 hint="sum dx over all dimensions but the last.")

# %% check="bias_dropout_residual_kernel" points=1
# A second derivative is right, or refused.
expect.needs("triton")
draw, names = expect.generator(), ("x", "bias", "residual")
given = [torch.randn(*size, generator=draw) for size in ((3, 16), (16,), (3, 16))]


def slopes(call, of=names):
    """The gradients of f + Σ ‖∇f‖², f = ‖call(x, bias, residual)‖², with ∇f by those in `of`."""
    leaves = [part.clone().requires_grad_() for part in given]
    f = call(*leaves).square().sum()
    found = torch.autograd.grad(f, leaves, create_graph=True)
    (f + sum(part.square().sum() for name, part in zip(names, found, strict=True)
             if name in of)).backward()
    return [leaf.grad for leaf in leaves]


with expect.case("the gradients of f + ‖∇f‖², f = sum of BiasDropoutResidual.apply(x, bias, "
                 "residual, 0.5, 3)²"):
    kept = BiasDropoutResidual.apply(torch.ones(3, 16), 0 * given[1], 0 * given[2], 0.5, 3) != 0
    right = slopes(lambda x, b, r: r + 2 * kept * (x + b))
    once = slopes(lambda x, b, r: r + 2 * kept * (x + b), of=("residual",))
    try:
        found = slopes(lambda x, b, r: BiasDropoutResidual.apply(x, b, r, 0.5, 3))
    except RuntimeError as error:
        expect.equal("once_differentiable" in str(error), True,
                     hint=f"it stops with: {str(error)[:120]}")
    else:
        for k, name in enumerate(names):
            expect.close(found[k], right[k], rtol=1e-4, atol=1e-4,
                         hint=f"a second derivative comes out, but not that of forward ({name}): "
                              "all three gradients must follow from dz, and be differentiable.",
                         suspects=[(once[k], "to autograd the kernel in backward is a constant, "
                                             "and no error tells you. Call a Function "
                                             "there.")])

# %% check="bias_dropout_residual_kernel" points=1
# Any number of rows and columns, any size of the blocks; the sum is rounded once, by the store.
expect.needs("triton")
for rows, columns, block in ((1, 1, 16), (7, 37, 256), (7, 37, 16), (2, 128, 64)):
    with expect.case(f"BiasDropoutResidual.apply, {rows} × {columns}, blocks of {block} counters"):
        x = torch.randn(rows, columns, generator=expect.generator())
        bias = torch.randn(columns, generator=expect.generator())
        out = BiasDropoutResidual.apply(x, bias, 2 * x, 0.5, 3, block)
        kept = stateless.nearest((out != 2 * x).flatten(), torch.arange(x.numel()), 0.5, 3)
        expect.close(out, 2 * x + 2 * (x + bias) * kept.reshape(x.shape), rtol=1e-5, atol=1e-5,
                     hint="number the entries by block and place in it, and go by that number "
                          "everywhere: in loads, coins and store.")
for dtype, tolerance in ((torch.float16, 2**-10), (torch.bfloat16, 2**-7)):
    with expect.case(f"BiasDropoutResidual.apply on 4 × 50 numbers, {dtype}"):
        x, r = torch.randn(2, 4, 50, generator=expect.generator()).to(dtype)
        bias = torch.randn(50, generator=expect.generator()).to(dtype)
        out = BiasDropoutResidual.apply(x, bias, r, 0.1, 9)
        expect.tensor(out, (4, 50), dtype, hint="the store converts to z's dtype.")
        kept = stateless.nearest((out != r).flatten(), torch.arange(200), 0.1, 9).reshape(4, 50)
        right = r.float() + (x.float() + bias.float()) * kept / 0.9
        expect.close(out, right, rtol=tolerance, atol=1e-6,
                     hint="z is rounded once, by the store: are the three loads converted to "
                          "tl.float32, and the sum computed in it?")

# %% check="bias_dropout_residual_kernel" points=1
# Beyond entry 2³¹ the addresses are still right.
expect.needs("triton")
far_out("bias_dropout_residual_kernel", bias_dropout_residual_kernel, (1000,), 1.0, 4.0, 2)

# %% mistakes="bias_dropout_residual_kernel"
{
    "the product with program_id wraps": (".to(tl.int64)", ""),
    "the bias gets no gradient": ("dx.flatten(0, -2).sum(0)", "None"),
    "the bias is added behind dropout": (
        """total += tl.load(bias + at % columns, mask=at < n).to(tl.float32)
    passing =""", """passing = tl.load(bias + at % columns, mask=at < n).to(tl.float32)
    passing +="""),
    "the bias is dropped and not scaled": (
        "tl.load(bias + at % columns, mask=at < n).to(tl.float32)",
        "tl.load(bias + at % columns, mask=at < n).to(tl.float32) / scale"),
    "the residual is scaled too": ("passing + tl.where(kept, total * scale, 0.0)",
                                   "(passing + tl.where(kept, total, 0.0)) * scale"),
    "the residual is dropped with the rest": ("passing + tl.where(kept, total * scale, 0.0)",
                                              "tl.where(kept, (passing + total) * scale, 0.0)"),
    "the survivors are not scaled": ("total * scale", "total"),
    "the residual alone comes out": ("passing + tl.where(kept, total * scale, 0.0)", "passing"),
    "nothing is dropped": ("tl.where(kept, total * scale, 0.0)", "total"),
    "the residual is missing": ("passing + tl.where", "tl.where"),
    "the bias is missing": ("    total += tl.load(bias", "    tl.load(bias"),
    "kept and dropped are swapped": (">= p", "< p"),
    ">= p, with all 24 bits": (">= p", "> p"),
    "the residual must still pass": ("passing + tl.where(kept, total * scale, 0.0)",
                                     "tl.where(kept, passing + total * scale, 0.0)"),
    "column i % columns of the bias": ("at % columns", "at // columns"),
    "the kernel writes into an input": ("tl.store(z + at", "tl.store(x + at"),
    "needs a mask where it loads": ("tl.load(residual + at, mask=at < n)",
                                    "tl.load(residual + at)"),
    "needs a mask where it stores": ("0.0), mask=at < n)", "0.0))"),
    "go by that number": ("four_words(seed, k * BLOCK + ", "four_words(seed, "),
    "the three loads converted": (""".to(tl.float32)
    total += tl.load(bias + at % columns, mask=at < n).to(tl.float32)""", """
    total += tl.load(bias + at % columns, mask=at < n)"""),
    "returns six things": ("dz, None, None, None", "dz"),
    "the block's None is missing": ("dz, None, None, None", "dz, None, None"),
    "Use four_words": ("four_words(seed, k * BLOCK + tl.arange(0, BLOCK))", "tl.randint(seed, at)"),
    "the counters wrap at 32 bits": ("four_words(seed, k", "four_words(seed, tl.program_id(0)"),
    "mask and scale are missing in dx": ("TritonDropout.apply(dz, ctx.p, ctx.seed)", "dz"),
    "the mask is missing in dx": ("TritonDropout.apply(dz, ctx.p, ctx.seed)", "dz / (1 - ctx.p)"),
    "the scale is missing in dx": ("= TritonDropout", "= (1 - ctx.p) * TritonDropout"),
    "m is the mask of forward": ("(dz, ctx.p, ctx.seed)", "(dz, ctx.p, ctx.seed + 1)"),
    "the residual's gradient is dropped": ("sum(0), dz", "sum(0), dx"),
    "and so does its gradient": ("sum(0), dz", "sum(0), dz + dx"),
    "sum dx, not dz": ("dx.flatten", "dz.flatten"),
    "do not average them": (".sum(0)", ".mean(0)"),
    "the sum of dx over all rows": (".sum(0)", "[0]"),
    "all dimensions but the last": ("dx.flatten(0, -2)", "dx.flatten(0, -2)[: len(dx)]"),
    "no error tells": ("TritonDropout.apply(dz, ctx.p", "dropout_triton(dz, ctx.p"),
    "all three gradients must follow": ("dx.flatten(0, -2)",
                                        "dropout_triton(dz, ctx.p, ctx.seed).flatten(0, -2)"),
    "must follow from dz": ("sum(0), dz", "sum(0), dz.detach()"),
}

# %% correct="bias_dropout_residual_kernel"
@triton.jit
def bias_dropout_residual_kernel(
    x, bias, residual, z, n, columns, p, scale, seed, BLOCK: tl.constexpr
):
    i = 4 * BLOCK * tl.program_id(0).to(tl.int64) + tl.arange(0, 4 * BLOCK)
    counter = BLOCK * tl.program_id(0).to(tl.int64) + tl.arange(0, BLOCK)
    coin = (four_words(seed, counter) >> 8) * 2.0**-24
    total = tl.load(x + i, mask=i < n, other=0.0).to(tl.float32) + tl.load(bias + i % columns)
    stays = tl.load(residual + i, mask=i < n)
    tl.store(z + i, total * tl.where(coin >= p, scale, 0.0) + stays, mask=i < n)


class BiasDropoutResidual(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, bias, residual, p, seed, block=gpu.BLOCK):
        ctx.p, ctx.seed, scale = p, seed, 1 / (1 - p) if p < 1 else 0.0
        x, bias, residual = (t.contiguous().to(gpu.DEVICE) for t in (x, bias, residual))
        with gpu.guarded(x, 4 * block, reads=[x, bias, residual]) as z:
            bias_dropout_residual_kernel[(triton.cdiv(x.numel(), 4 * block),)](
                x, bias, residual, z, x.numel(), len(bias), p, scale, seed, BLOCK=block
            )
        ctx.kept = (z - residual) != 0
        return z

    @staticmethod
    def backward(ctx, dz):
        slope = torch.where(ctx.kept, dz / ((1 - ctx.p) or 1), 0)
        return slope, slope.sum(tuple(range(dz.dim() - 1))), dz, None, None, None

# %% [markdown]
# ## One kernel for every shape
#
# {{images}} drops whole maps and branches, {{sequences}} uses one mask for all tokens, and
# {{transformers}} drops heads. In a kernel that is a change of one line: the coin's address is that
# of a *group* of entries, and not the entry's own. Two numbers name the groups. Read the entries of
# $x$ as a table of (outer, shared, inner), row by row. What differs only in the middle index shares
# a coin:
#
# $$ \text{group} = \Bigl\lfloor \frac{i}{\text{shared}\cdot\text{inner}} \Bigr\rfloor \cdot
#    \text{inner} + i \bmod \text{inner} . $$
#
# ## Exercise: `grouped_dropout_kernel`
#
# Here a counter serves one group, so `tl.rand(seed, group)`, Triton's coin of the first word, is
# right. Then write `sharing`: which two numbers give which kind of dropout?

# %% exercise="grouped_dropout_kernel"
@triton.jit
def grouped_dropout_kernel(x, y, n, shared, inner, p, scale, seed, BLOCK: tl.constexpr):
    """y[i] = x[i] * scale where the group of entry i is kept, else 0; i < n, in float32.

    The group is i // (shared * inner) * inner + i % inner. It is kept where its coin is >= p: the
    one of tl.rand(seed, group), or (word >> 8) * 2^-24 of tl.randint(seed, group).
    BLOCK entries for each block; n may be more than 2^31, and so may shared * inner, which wraps
    in 32 bits: divide by one, then by the other.
    """
    ### BEGIN SOLUTION
    entry = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    group = entry // inner // shared * inner + entry % inner
    given = tl.load(x + entry, mask=entry < n).to(tl.float32)
    sent = tl.where(tl.rand(seed, group) >= p, given * scale, 0.0)
    tl.store(y + entry, sent, mask=entry < n)
    ### END SOLUTION


def sharing(shape, kind):
    """(shared, inner), so that entries of a contiguous tensor of this shape share coins.

    kind : "spatial", shape (N, C, H, W): a coin for each image and channel; "locked", shape
        (B, T, F): for each text and feature, shared by its tokens; "head", shape (B, H, T, D):
        for each text and head; "path", any shape: for each index of the first axis
    """
    ### BEGIN SOLUTION
    if kind == "locked":
        return shape[1], shape[2]
    return math.prod(shape[1 if kind == "path" else 2 :]), 1
    ### END SOLUTION


def grouped_dropout(x, shared, inner, p, seed, block=gpu.BLOCK):
    """Launch `grouped_dropout_kernel`; a new tensor where x is."""
    check_probability(p)
    home, x, n = x.device, x.contiguous().to(gpu.DEVICE), x.numel()
    scale = 1 / (1 - p) if p < 1 else 0.0
    with gpu.guarded(x, block, reads=[x]) as y:
        grouped_dropout_kernel[(triton.cdiv(n, block),)](
            x, y, n, shared, inner, p, scale, seed, BLOCK=block
        )
    return y.to(home)


class GroupedDropout(torch.autograd.Function):
    """GroupedDropout.apply(x, shared, inner, p, seed): right to any order of derivative."""

    @staticmethod
    def forward(ctx, x, *settings):
        ctx.settings = settings
        return grouped_dropout(x, *settings)

    @staticmethod
    def backward(ctx, dy):
        return GroupedDropout.apply(dy, *ctx.settings), None, None, None, None

# %% [markdown] hint="grouped_dropout_kernel"
# It is `dropout_kernel` with `BLOCK` entries, whose coin goes by `group` in place of the entry.
# Load and store still go by the entry.

# %% [markdown] hint="grouped_dropout_kernel"
# In (N, C, H, W) neighbours in memory are pixels of one channel. How many follow each other, and is
# there an axis behind them that must not share?

# %% [markdown] hint="grouped_dropout_kernel"
# In (B, T, F) the shared axis is the middle one: its length is `shared`, and what lies behind it is
# `inner`. Where nothing lies behind, `inner` is 1.

# %% figure=true
# Four kinds of dropout from your one kernel.
expect.needs("triton")
tensors = {"spatial": (2, 4, 5, 5), "locked": (2, 8, 12), "head": (2, 4, 6, 4), "path": (6, 4, 4)}
fig, axes = plot.figure(4, height=2.0, width=9.5)
right = []
for ax, (kind, shape) in zip(axes, tensors.items(), strict=True):
    shared, inner = sharing(shape, kind)
    sent = grouped_dropout(torch.ones(shape), shared, inner, 0.5, 6).numpy()
    axis = {"spatial": (2, 3), "locked": (1,), "head": (2, 3), "path": (1, 2)}[kind]
    right.append(bool((sent == sent.max(axis, keepdims=True)).all()))
    rows = sent.reshape(-1, shape[-1]) if kind == "locked" else sent.reshape(
        -1, math.prod(shape[2:]) if kind != "path" else math.prod(shape[1:]))
    plot.mask(rows, ax)
    ax.set(title=f"{kind}: {shared}, {inner}", aspect="auto")
axes[0].set(ylabel="image and channel", xlabel="pixel")
axes[1].set(ylabel="text and token", xlabel="feature")
axes[2].set(ylabel="text and head", xlabel="token and feature")
axes[3].set(ylabel="example", xlabel="all of it")
plot.show(fig, "Masks of your kernel for spatial, locked, head and path dropout; the titles give "
               "shared and inner.", claims={"one-kernel-four-kinds": all(right)})

# %% [markdown]
# ## Explore: who shares a coin?
#
# Three texts of 8 tokens with 12 features. Orange dots mark the entries that share the coin of the
# first one.
#
# **Try**: find locked dropout (one coin for each text and feature), a coin for each token, and a
# coin for each text. Then find the two numbers that drop a feature in *all* texts at once. What do
# `shared = 5` and `inner = 1` do at the end of a row?

# %%
explore.groups(grouped_dropout)

# %% check="grouped_dropout_kernel" points=2
# The coin is that of the group; load and store go by the entry.
expect.needs("triton")
number = torch.arange(600)
for shared, inner in ((10, 12), (25, 1), (1, 1), (7, 5)):
    with expect.case(f"grouped_dropout(x, {shared}, {inner}, 0.25, 9, block=64) on 600 numbers"):
        x = torch.randn(600, generator=expect.generator())
        before = x.clone()
        out = grouped_dropout(x, shared, inner, 0.25, 9, 64)
        expect.unchanged(x, before, hint="the kernel writes into x. Store into y.")


        def masked(group, out=out):
            return stateless.nearest(out != 0, group, 0.25, 9)


        group = number // (shared * inner) * inner + number % inner
        kept = masked(group)
        block = number % 64
        expect.close(
            out, x * kept / 0.75, rtol=1e-5,
            hint="entry i is x[i] * scale where the coin of its group is >= p, else 0.",
            suspects=[(x * kept, "the survivors are not scaled."),
                      (x / 0.75, "nothing is dropped."),
                      (x * ~stateless.nearest(out == 0, group, 0.25, 9) / 0.75,
                       "kept and dropped are swapped."),
                      (x * masked(number) / 0.75,
                       "every entry has a coin of its own: the address is the group's."),
                      (x * masked(number // shared) / 0.75,
                       "that is i // shared, which holds only where inner is 1."),
                      (x * masked(number // (shared * inner)) / 0.75,
                       "all of inner shares the coin too: + i % inner is missing."),
                      (x * masked(number % inner) / 0.75,
                       "all of outer shares the coin too: the quotient is missing."),
                      (x * masked(number // (shared * inner) + number % inner) / 0.75,
                       "groups of two rows coincide: multiply the quotient by inner."),
                      (x * masked(block // (shared * inner) * inner + block % inner) / 0.75,
                       "every block has the mask of the first: number the entries through the "
                       "whole tensor.")],
        )

for name in ("one", "one, tl.rand"):
    coin = stateless.coins(number, 9)[name]
    odd = int((coin * 2**24 % 2 == 1).nonzero()[0])
    for p in (float(coin[odd]), float(torch.nextafter(coin[odd], torch.ones(())))):
        with expect.case(f"grouped_dropout(x, 1, 1, {p!r}, 9) on 600 ones; group {odd} has the "
                         f"coin {float(coin[odd])!r}"):
            kept = grouped_dropout(torch.ones(600), 1, 1, p, 9) != 0
            expect.equal(kept, stateless.nearest(kept, number, p, 9),
                         hint="a coin that is p is kept, and one that is smaller by a hair is not: "
                              ">= p, in float32.")

# %% check="grouped_dropout_kernel" points=1
# Each kind of dropout gets its two numbers.
rng = expect.rng()
for _ in range(3):
    a, b, c, d = (int(k) for k in rng.choice(np.arange(2, 10), 4, replace=False))
    for kind, shape, right in (("spatial", (a, b, c, d), (c * d, 1)), ("locked", (a, b, c), (b, c)),
                               ("head", (a, b, c, d), (c * d, 1)), ("path", (a, b), (b, 1)),
                               ("path", (a,), (1, 1)),
                               ("path", (a, b, c, d), (b * c * d, 1))):
        with expect.case(f"sharing({shape}, {kind!r})"):
            found = tuple(sharing(shape, kind))
            expect.equal(found, right, hint="which entries share a coin, and what lies behind them "
                                            "in memory?",
                         suspects=[(right[::-1], "the two numbers are swapped: shared is first."),
                                   ((right[0], shape[-1]), "what lies behind the shared entries is "
                                                           "nothing, so inner is 1."),
                                   ((1, right[0]), "then nothing is shared: shared is 1."),
                                   ((math.prod(shape[1:]), 1),
                                    "one coin serves the whole example. That is path dropout."),
                                   ((math.prod(shape[2:]), 1),
                                    "then the second axis has coins of its own.")])

# %% check="grouped_dropout_kernel" points=1
# Whole tensors, in any dtype: what shares a coin is kept or dropped together.
expect.needs("triton")
narrow = ("in float32 it is right: convert what is loaded with .to(tl.float32), and compute in "
          "that.")
for kind, shape, coins in (
    ("spatial", (3, 4, 5, 6), (3, 4, 1, 1)), ("locked", (3, 7, 8), (3, 1, 8)),
    ("head", (2, 3, 5, 4), (2, 3, 1, 1)), ("path", (9, 4, 5), (9, 1, 1)),
):
    for dtype, rtol in ((torch.float32, 1e-5), (torch.bfloat16, 2**-7)):
        with expect.case(f"grouped_dropout(x, *sharing({shape}, {kind!r}), 0.5, 11), {dtype}",
                         crash=[("bf16", narrow)]):
            x = (1 + torch.rand(shape, generator=expect.generator())).to(dtype)
            out = grouped_dropout(x, *sharing(shape, kind), 0.5, 11)
            count = math.prod(coins)
            along = [k for k in range(len(shape)) if coins[k] == 1]
            kept = (out != 0).float().amax(along, keepdim=True) > 0
            right = stateless.nearest(kept.flatten(), torch.arange(count), 0.5, 11).reshape(coins)
            expect.close(out, 2 * x.float() * right, rtol=rtol,
                         hint="entries that share a coin do not go together."
                         if dtype == torch.float32 else narrow)

# %% check="grouped_dropout_kernel" points=1
# Beyond entry 2³¹ the addresses are still right.
expect.needs("triton")
with expect.case("block 2²⁷ + 2²³ of grouped_dropout_kernel, BLOCK=256, on 2³⁵ + 2³¹ + 100 ones"):
    settings = 2**27 + 2**23, 2**35 + 2**31 + 100, (8, 4), 0.5, 9, 256  # more groups than 2³²
    found = expect.ask("far_block", grouped_dropout_kernel, *settings)
    if found is not None:
        where, what = (torch.as_tensor(part) for part in found)
        number = 2**35 + 2**31 + torch.arange(100)
        expect.equal(where[:1].tolist(), number[:1].tolist(),
                     hint="it begins elsewhere than at entry 2³⁵ + 2³¹.",
                     suspects=[([-(2**31)], "at entry -2³¹: the product with program_id wraps. "
                                            "Convert program_id to tl.int64 first.")])
        expect.equal(where, number, hint="it stores other entries than the 100 that exist: is "
                                         "there a mask where it stores?")
        kept = stateless.nearest(what != 0, number // 32 * 4 + number % 4, 0.5, 9)
        expect.equal(what.float(), 2.0 * kept, hint="the groups are not those of these entries.")
with expect.case("block 2²⁵ of grouped_dropout_kernel, BLOCK=256, shared = 2²⁰ and inner = 2¹²"):
    settings = 2**25, 2**33 + 100, (2**20, 2**12), 0.5, 9, 256
    found = expect.ask("far_block", grouped_dropout_kernel, *settings)
    if found is not None:
        kept = torch.as_tensor(found[1]) != 0
        right = stateless.nearest(kept, 2 * 2**12 + torch.arange(100), 0.5, 9)
        expect.equal(kept, right, hint="the groups are wrong. Does shared * inner wrap in 32 bits? "
                                       "Divide by inner, then by shared.")

# %% mistakes="grouped_dropout_kernel"
{
    "the survivors are not scaled": ("given * scale", "given"),
    "nothing is dropped": ("tl.where(tl.rand(seed, group) >= p, given * scale, 0.0)",
                           "given * scale"),
    "kept and dropped are swapped": (">= p", "< p"),
    ">= p, in float32": (">= p", "> p"),
    "smaller by a hair": ("tl.rand(seed, group)", "tl.rand(seed, group).to(tl.float16)"),
    "every entry has a coin of its own": ("tl.rand(seed, group)", "tl.rand(seed, entry)"),
    "which holds only where inner is 1": (
        "entry // inner // shared * inner + entry % inner", "entry // shared"),
    "+ i % inner is missing": ("entry // inner // shared * inner + entry % inner",
                               "entry // inner // shared"),
    "the quotient is missing": ("entry // inner // shared * inner + ", ""),
    "multiply the quotient by inner": ("// shared * inner", "// shared"),
    "Does shared * inner wrap": ("entry // inner // shared", "entry // (shared * inner)"),
    "the mask of the first": ("group = entry // inner // shared * inner + entry % inner",
        "entry0 = tl.arange(0, BLOCK)\n"
        "    group = entry0 // (shared * inner) * inner + entry0 % inner"),
    "coin of its group is >= p": ("tl.rand(seed, group)", "tl.rand(seed + 1, group)"),
    "the kernel writes into x": ("tl.store(y + entry", "tl.store(x + entry"),
    "needs a mask where it stores": ("tl.store(y + entry, sent, mask=entry < n)",
                                     "tl.store(y + entry, sent)"),
    "needs a mask where it loads": ("tl.load(x + entry, mask=entry < n)", "tl.load(x + entry)"),
    "in float32 it is right": (".to(tl.float32)", ""),
    "the product with program_id wraps": (".to(tl.int64)", ""),
    "the groups are not those": ("tl.rand(seed, group)", "tl.rand(seed, group.to(tl.int32))"),
    "the two numbers are swapped": ("shape[1], shape[2]", "shape[2], shape[1]"),
    "so inner is 1": ("2 :]), 1", "2 :]), shape[-1]"),
    "That is path dropout": ("1 if kind == \"path\" else 2", "1"),
    "the second axis has coins": ("1 if kind == \"path\" else 2", "2"),
    "then nothing is shared": ("return shape[1], shape[2]", "return 1, shape[1]"),
    "what lies behind them": ("return shape[1], shape[2]", "return shape[1], 1"),
}

# %% correct="grouped_dropout_kernel"
@triton.jit
def grouped_dropout_kernel(x, y, n, shared, inner, p, scale, seed, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    outer, column = i // inner // shared, i % inner
    kept = (tl.randint(seed, outer * inner + column) >> 8) * (1 / 16777216) >= p
    value = tl.load(x + i, mask=i < n, other=0.0).to(tl.float32) * tl.where(kept, scale, 0.0)
    tl.store(y + i, value.to(y.dtype.element_ty), mask=i < n)


def sharing(shape, kind):
    match kind:
        case "spatial" | "head":
            return shape[2] * shape[3], 1
        case "locked":
            return shape[1], shape[2]
        case _:
            return int(np.prod(shape)) // shape[0], 1


def grouped_dropout(x, shared, inner, p, seed, block=gpu.BLOCK):
    home, x, n = x.device, x.contiguous().to(gpu.DEVICE), x.numel()
    scale = 1 / (1 - p) if p < 1 else 0.0
    with gpu.guarded(x, block, reads=[x]) as y:
        grouped_dropout_kernel[(triton.cdiv(n, block),)](
            x, y, n, shared, inner, p, scale, seed, BLOCK=block
        )
    return y.to(home)

# %% [markdown]
# ## Memory or random numbers?
#
# Is memory always what a kernel waits for? Philox takes two products in each of ten rounds, each
# with its upper and its lower word: 20 multiplications for a counter where one instruction gives
# both words, 40 where each word takes its own. For an H100, NVIDIA states $3.35 \cdot 10^{12}$
# bytes a second, and 64 multiplications of words per clock on each of 132 multiprocessors: at 1.98
# GHz $16.7 \cdot 10^{12}$ a second, five for each byte. `grouped_dropout(x, 1, 1, p, seed)` gives
# each entry a counter of its own.
# **Guess: by these numbers, which takes longer in bfloat16, "memory" or "random numbers"?**

# %% guess=true
my_limit = "memory"  # "memory" or "random numbers": what a counter for each entry waits for

# %% figure=true
# What each kernel moves and draws for an entry in bfloat16, and the time that either would take.
expect.needs("triton")
guess = expect.guess(my_limit, number=False)
BYTES, FLOPS = 3.35e12, 989e12  # of an H100 in a second, as NVIDIA states them
MULTIPLICATIONS = 64 * 132 * 1.98e9
n = 2**16 if gpu.INTERPRETED else 2**26
x, r = (torch.ones(n // 512, 512, dtype=torch.bfloat16, device=gpu.DEVICE) for _ in range(2))
b = torch.zeros(512, dtype=torch.bfloat16, device=gpu.DEVICE)
kernels = {
    "a counter for each entry": (lambda: grouped_dropout(x, 1, 1, 0.1, 7), 4, 1),
    "your dropout_kernel": (lambda: dropout_triton(x, 0.1, 7), 4, 1 / 4),
    "with bias and residual": (lambda: BiasDropoutResidual.apply(x, b, r, 0.1, 7), 6, 1 / 4),
}  # with the bytes and counters for each entry, where a GPU cannot count them
memory, drawing = {}, {}
for name, (call, moves, draws) in kernels.items():
    if gpu.INTERPRETED:
        with gpu.counted() as told:
            call()
        moves, draws = (told.loaded + told.stored) / n, told.counters / n
        moves -= 2 * ("bias" in name)  # the bias comes from a cache
    memory[name], drawing[name] = 1e12 * moves / BYTES, 1e12 * 20 * draws / MULTIPLICATIONS
name = "flash attention, 64 features a head"
memory[name], drawing[name] = 1e12 * 4 * 64 / FLOPS, 1e12 * 5 / MULTIPLICATIONS

fig, (ax,) = plot.figure(1, height=3.0, width=9)
rows = np.arange(len(memory))
ax.barh(rows - 0.2, list(memory.values()), 0.36, color=plot.SKY,
        label="memory (flash attention: matrix products)")
few = np.array(list(drawing.values()))
ax.barh(rows + 0.2, few, 0.36, color=plot.ORANGE, label="Philox, 20 multiplications a counter")
ax.barh(rows + 0.2, few, 0.36, left=few, color=plot.ORANGE, alpha=0.4, label="… and 40")
timed = gpu.measured({name: call for name, (call, *_) in kernels.items()}, n)
for row, name in enumerate(memory):
    if name in timed:
        ax.plot(timed[name], row, "D", color=plot.INK, label="measured" if row == 0 else None)
ax.set_yticks(rows, memory)
ax.invert_yaxis()
first, yours, *_, flash = (drawing[name] / memory[name] for name in memory)
where = f"Measured on {gpu.measured_on()}" if timed else "An estimate, not yet measured on a GPU"
ax.set(xlabel=f"picoseconds for each entry at the rates that NVIDIA states (you said: {guess})",
       title=f"{where}.\nPhilox / the rest: {first:.1f} to {2 * first:.1f} with a counter for each "
             f"entry,\n{yours:.2f} to {2 * yours:.2f} with one for four, {flash:.1f} to "
             f"{2 * flash:.1f} inside flash attention")
ax.legend(loc="lower right", fontsize=8)
plot.show(fig, f"Estimated time for each entry's bytes and random words. Philox would take "
               f"{first:.2g} to {2 * first:.2g} times as long as memory with a counter for each "
               f"entry, {yours:.2g} to {2 * yours:.2g} times with one for four, and {flash:.2g} to "
               f"{2 * flash:.2g} times the matrix products in flash attention, with 64 features "
               f"a head. {where}; you said {guess}.",
          claims={"a-counter-each-costs-as-much-as-memory": 0.9 < first and 2 * first < 2.2,
                  "one-for-four-costs-less": 2 * yours < 0.8,
                  "in-flash-attention-philox-costs-more": flash > 1})

# %% [markdown]
# (Bytes and counters were counted in the interpreter, for your kernels. The rest is division:
# Philox's exclusive ors and all waiting are left out.) We first counted 40 multiplications, and
# wrote that a counter for each entry *waits* for Philox. With 20 the two are even, and only a
# measurement can tell. One counter for four entries stays below memory either way.

# %%
gpu.say("kernels", gpu.speed)

# %% [markdown]
# Flash attention moves no attention weights at all. There Philox stands beside fast matrix
# products. (With 128 features a head they take twice as long, and the ratio halves.) Ma, Liu and
# Krashinsky (2024, revised 2025) modelled Hopper GPUs in FP8, and checked the model by
# measurements: drawing the random numbers is the larger part of what dropout costs flash attention.
# They draw them beside an earlier matrix product instead. By the model, a transformer block of
# Llama 3 is then 1.22 times as fast.
#
# ## Two questions
#
# Put one of the strings in place of each `...`.

# %% question="block_answer" points=1
# Forward ran with blocks of 256 counters, backward runs with blocks of 1024. Your kernel's mask:
#
# - [x] is the same
# - [ ] is another one
# - [ ] is the same up to entry 1024
#
# Hint: what does the word of an entry depend on?

# %% question="fused" points=1
# In flash attention the weights never reach memory. A coin for each weight costs there:
#
# - [ ] nothing, as nothing is stored
# - [x] as much arithmetic as anywhere, beside products that are fast
# - [ ] only the seed's eight bytes
#
# Hint: what does Philox do for each counter, and what could hide it?

# %% [markdown]
# ## In your own words
#
# A colleague writes a fused kernel for dropout, launches it in forward and in backward, finds that
# losses agree to six digits with those of PyTorch's operations under the same masks, and ships it.
# Say in two to five sentences what may be wrong all the same, for whom, and name two checks that
# you would ask for. (In a class, your instructor grades this.)

# %% [markdown] answer="shipping" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: a fault that equal losses do not show, and whom it meets. A kernel in
# backward is a constant to autograd, so a second derivative (a penalty on a gradient,
# gradgradcheck) is silently too small; or addresses of 32 bits wrap beyond 2³¹ entries; or loads
# and stores without a mask touch others' memory where the length is no multiple of the block; or
# the mask depends on the block's size, so that backward with another size has another mask; or half
# precision is computed in half precision. One point: two checks that would show it, such as
# gradgradcheck or a gradient with a penalty against PyTorch's operations, a far block, a length
# that is no multiple, two sizes of blocks, the mask of backward against that of forward.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Bias, dropout and residual move more than seven times the size of $x$ as three
#   operations,{{claim:three-operations-move-seven}} and three times in one
#   kernel.{{claim:one-kernel-moves-three}}
# - A coin with an address is the same for blocks of any size.{{claim:blocks-do-not-matter}} With a
#   group's address, one kernel does four kinds of dropout.{{claim:one-kernel-four-kinds}}
# - A kernel launched in backward gives a second derivative that is far too small, with no
#   error.{{claim:silently-too-small}} `once_differentiable` refuses it in `.backward()`
#   alone.{{claim:refused-by-backward-alone}} Yours is right, or refused
#   there.{{claim:right-or-refused}}
# - Ten networks trained with your kernel have a lower log loss than ten without dropout. Their mean
#   differs from that of ten with `nn.Dropout` by less than half of this gain, two standard errors
#   included.{{claim:the-kernel-trains-like-dropout}} In test error no gain
#   shows.{{claim:error-does-not-tell}}
# - An estimate from stated rates (what a GPU has measured, if one has, stands below its figure):
#   with a counter for each entry Philox takes as long as memory, or twice as
#   long;{{claim:a-counter-each-costs-as-much-as-memory}} with one for four it takes
#   less;{{claim:one-for-four-costs-less}} inside flash attention with 64 features a head it takes
#   longer than the matrix products.{{claim:in-flash-attention-philox-costs-more}}
#
# **Read.** The Triton tutorial *Low-memory dropout*, whose kernel saves a seed. Ma, Liu and
# Krashinsky, *Reducing the cost of dropout in Flash-Attention by hiding RNG with GEMM*, 2024
# (arXiv:2410.07531). Dao, Fu, Ermon, Rudra and Ré, *FlashAttention*, NeurIPS 2022
# (arXiv:2205.14135). NVIDIA's *CUDA C++ Programming Guide*, on arithmetic throughput.
#
# **Stretch.** In spatial dropout all entries of a block often have one group. How could the kernel
# draw one coin for the block, and what must it check first?
#
# **Still open.** You have built every part, from the coin to the kernel. What is left is a problem
# of your own. That is {{capstone}}.
