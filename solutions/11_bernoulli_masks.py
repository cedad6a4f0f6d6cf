# %% [markdown]
# # 1.1 · Bernoulli masks
#
# **How do you drop units at random, and how many are left?**
#
# *{{minutes}} minutes. Before: {{start_here}}, and arrays in NumPy. After, you will be able to draw
# a dropout mask and thin a layer with it, to say how likely a thinned network is and how many units
# it keeps, and to read a dropout rate in any paper and any framework.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$ | what a layer sends, $n$ units |
# | $p$ | probability that a unit is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0, independently |
# | $y$ | what is passed on: $y = m \odot x$ |
# | $k$ | number of units kept, $k = \sum_i m_i$ |
# | $\odot$ | entry by entry |

# %% setup=true
import numpy as np

from dropoutlab import check_probability, data, expect, explore, plot, train

# %% [markdown]
# ## One coin for each unit
#
# In {{start_here}} you saw dropout at work. Now you will build it, and it begins with a coin. While
# a network learns, a coin is flipped for each unit of a layer. Heads: the unit sends what it would
# have sent. Tails: it sends 0, as if it had been cut out for this one example. For the next
# example, all coins are flipped again.
#
# Why do that? The inventors of dropout point to biology. Half of a child's genes come from each
# parent, so no gene can rely on the others that it worked with before. What evolution favours may
# then be **mixability**, the ability of a gene to work with whichever others it meets (Livnat and
# others, 2010). The inventors hoped for the same from units that cannot rely on one another.
# That is a motive, not a proof: see {{coadaptation}}.
#
# The coins of a layer, written as 1 and 0, are its **mask**. The units that are left are the
# **survivors**, and the network that they form is a **thinned network**. Here the layer is the
# input: a digit of 8 × 8 pixels, so 64 units. Run the cell a few times.

# %%
X, y, X_test, y_test = data.digits()
digit = X[3]
coins = np.random.default_rng().integers(0, 2, digit.shape)  # a fair coin for each pixel

fig, axes = plot.figure(3, height=2.5, width=7)
plot.image(digit, axes[0], largest=1).set_title("x: a digit, 64 units")
plot.mask(coins, axes[1]).set_title("m: 64 coins")
plot.image(digit * coins, axes[2], largest=1).set_title(f"m ⊙ x: {coins.sum()} survivors")
plot.show(fig, "A digit, a mask of fair coins (blue is kept), and the digit with the rest erased.")

# %% [markdown]
# The abstract of the first paper on dropout (Hinton and others, 2012) speaks of "randomly omitting
# half of the feature detectors on each training case". Half of 64 is 32.
#
# **Commit yourself first: of 1 000 masks made of 64 fair coins, how many keep exactly 32 units?**

# %% guess=true
my_guess = 500  # masks of 1 000 that keep exactly 32 of 64 units

# %% figure=true
# The number kept by 1 000 masks of 64 fair coins.
guess = expect.guess(my_guess)
rng = np.random.default_rng()
runs = []
for _ in range(5):
    kept = rng.integers(0, 2, (1_000, 64)).sum(1)
    runs.append(np.bincount(kept, minlength=65))
runs = np.array(runs)

fig, (ax,) = plot.figure(1, height=2.8, width=7)
colors = [plot.ORANGE if k == 32 else plot.BLUE for k in range(65)]
ax.bar(range(65), runs.mean(0), yerr=runs.std(0, ddof=1), color=colors, ecolor=plot.INK)
ax.axhline(guess, color=plot.GREY, linestyle="--")
ax.annotate("your guess for 32", (12.3, guess), va="bottom", color=plot.GREY)
ax.set(xlim=(12, 52), ylim=(0, 1.15 * max(guess, runs.max())), xlabel="units kept, of 64")
ax.set(ylabel="masks of 1 000\n(5 runs: mean ± sd)")
told = f"{runs[:, 32].mean():.0f} ± {runs[:, 32].std(ddof=1):.0f}"
ax.set_title(f"Exactly half is kept by {told} (sd) of 1 000 masks")
plot.show(fig, f"Bars: how many masks keep how many of 64 units. Exactly 32: {told} of 1 000.",
          claims={"exactly-half-is-rare": abs(runs[:, 32].mean() - 100) < 25})

# %% [markdown]
# About one mask in ten. The other nine keep some other number: "half" is true only on average.
# Nothing counts to 32, and each unit is dropped independently. The rest follows from that.
#
# ### A question of coins

# %% question="sequence" points=1
# Three fair coins are thrown. How likely is heads, tails, heads, in this order?
#
# - [x] 1/8
# - [ ] 3/8
# - [ ] 1/2
#
# Hint: the order is given, so each coin must show one given side. Multiply.

# %% [markdown]
# Had the question asked for two heads in *any* order, the answer would be different. You will meet
# both kinds of question: how likely one mask is, and how likely a number of units kept.
#
# ## Exercise: `bernoulli_mask`
#
# Above, `rng.integers(0, 2, shape)` flipped fair coins. Yours are biased: each unit is dropped with
# probability $p$. In this course $p$ is always the probability of dropping.
#
# `rng` is the only source of randomness: the same seed gives the same mask, and two calls in a row
# give two different masks.

# %% exercise="bernoulli_mask"
def bernoulli_mask(shape, p, rng):
    """Draw a mask: each entry is 1.0 with probability 1 - p, else 0.0, independently.

    shape : an int or a tuple of ints
    p : probability of dropping, in [0, 1]; anything else, even NaN, raises a ValueError naming p
    rng : np.random.Generator
    Returns a new float64 array of this shape.
    """
    ### BEGIN SOLUTION
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], not {p}")
    return (rng.random(shape) >= p).astype(float)
    ### END SOLUTION

# %% [markdown] hint="bernoulli_mask"
# `rng.random(shape)` takes an int as well as a tuple, and gives numbers spread evenly over
# [0, 1). What share of them lies below $p$?

# %% [markdown] hint="bernoulli_mask"
# A comparison turns those numbers into True and False. Which side should survive? Try
# your choice in your head with $p = 0$, where all must survive.

# %% [markdown] hint="bernoulli_mask"
# True and False become 1.0 and 0.0 by the array's method `astype`. And every comparison with
# NaN is false, so ask whether `p` is *inside* the interval, and negate the answer.

# %% [markdown]
# Look at your own masks before you check them: 12 examples go through a layer of 40 units.

# %%
p = 0.3
masks = bernoulli_mask((12, 40), p, np.random.default_rng())

fig, (ax,) = plot.figure(1, height=2.9, width=8)
plot.mask(masks, ax)
for row, kept in enumerate(masks.sum(1)):
    ax.text(40.6, row + 0.5, f"{kept:.0f}", va="center")
ax.text(40.6, -0.5, "kept", va="center", color=plot.GREY)
ax.set(xlabel="unit", ylabel="example")
different = len(np.unique(masks, axis=0))
ax.set_title(f"12 examples at p = {p}: {different} different masks")
plot.show(fig, "Twelve rows of forty units, kept ones blue, with the number kept beside each row; "
               f"{different} rows differ.")

# %% check="bernoulli_mask" points=1
# A mask is a float64 array of zeros and ones, of any shape.
for shape in (5_000, (20,), (2, 3, 400)):
    with expect.case(
        f"bernoulli_mask({shape}, p=0.3, rng)",
        crash=[
            ("must be an iterable",
             "shape may be a plain int. Hand it to rng's method as it is, without a star."),
            ("tuple", "shape may also be a tuple: rng's methods take both."),
        ],
    ):
        mask = bernoulli_mask(shape, 0.3, expect.rng())
        expect.only(
            mask,
            (0, 1),
            hint="a mask holds 0 and 1 only: compare the uniform numbers with p.",
            suspects=[(1 / 0.7, "the survivors are scaled. A mask holds 0 and 1 only.")],
        )
        expect.array(mask, shape, float, hint="return a float64 array of the given shape: a "
                     "comparison gives booleans, some methods of rng integers. Make them floats, "
                     "of 64 bits.")

# %% check="bernoulli_mask" points=3
# Each unit has its own coin, flipped anew at each call with rng; p is the chance of dropping.
with expect.case("bernoulli_mask((20, 60), p, rng), 24 times for each of four p"):
    expect.coins(lambda p, rng: bernoulli_mask((20, 60), p, rng), axes=("row", "column"))
with expect.case("bernoulli_mask((4, 6, 50), p, rng), 24 times for each of four p"):
    expect.coins(lambda p, rng: bernoulli_mask((4, 6, 50), p, rng))
with expect.case("bernoulli_mask(400_000, p=0.0003, rng)"):
    expect.mean(bernoulli_mask(400_000, 0.0003, expect.rng()) == 0, 0.0003, of=(0, 1),
                hint="at so small a p the share is not p. Compare with numbers fine enough.")
with expect.case("bernoulli_mask(2, p=0.9, rng), 400 times"):
    rng = expect.rng()
    expect.mean(np.array([bernoulli_mask(2, 0.9, rng) for _ in range(400)]), 0.1, of=(0, 1),
                hint="in masks this small the share is not p. All units of a mask may be dropped.")

# %% check="bernoulli_mask" points=1
# Both ends are allowed; anything that isn't a probability raises an error.
for p, all_are in ((0.0, 1), (1.0, 0)):
    with expect.case(f"bernoulli_mask(1000, p={p}, rng)",
                     crash=[("ValueError", f"p = {p} is a probability. Allow both ends.")]):
        mask = bernoulli_mask(1000, p, expect.rng())
        expect.close(mask, np.full(1000, all_are), hint="p = 0 keeps all units, p = 1 drops all.")
for p in (-0.1, 1.5):
    with expect.case(f"bernoulli_mask(3, p={p}, rng)"):
        expect.raises(ValueError, lambda p=p: bernoulli_mask(3, p, expect.rng()),
                      mentions=("p", "probability"),
                      hint="raise ValueError, with the word p in it, unless 0 <= p <= 1.")
with expect.case("bernoulli_mask(3, p=nan, rng)"):
    expect.raises(ValueError, lambda: bernoulli_mask(3, float("nan"), expect.rng()),
                  mentions=("p", "probability"),
                  hint="NaN slips through `p < 0 or p > 1`. Ask `not 0 <= p <= 1` instead.")

# %% mistakes="bernoulli_mask"
{
    "p is swapped": (">= p)", "< p)"),
    "half are dropped, whatever p is": (">= p)", ">= 0.5)"),
    "compare the uniform numbers with p":
        ("(rng.random(shape) >= p).astype(float)", "rng.random(shape)"),
    "survivors are scaled": (".astype(float)", " / (1 - p)"),
    "one coin decides for the whole array": ("rng.random(shape)", "np.full(shape, rng.random())"),
    "every row has the same mask":
        ("rng.random(shape)", "(np.zeros(shape) + rng.random(np.zeros(shape).shape[-1:]))"),
    "every column has the same mask":
        ("rng.random(shape)", "(np.zeros(shape) + rng.random((*np.zeros(shape).shape[:-1], 1)))"),
    "an exact number is dropped at each call":
        ("rng.random(shape)", "rng.permuted(np.linspace(0, 1, np.prod(shape))).reshape(shape)"),
    "a seed is set inside": ("rng.random(shape)", "np.random.default_rng(42).random(shape)"),
    "do not come from the given generator": ("rng.random(shape)", "np.random.random(shape)"),
    "shape may also be a tuple": ("rng.random(shape)", "rng.random(int(shape))"),
    "shape may be a plain int": ("rng.random(shape)", "rng.random((*shape,))"),
    "Make them floats": (".astype(float)", ""),
    "Allow both ends": ("0 <= p <= 1", "0 <= p < 1"),
    "p = 0 keeps all units": ("not 0 <= p <= 1", "not 0 <= (p := p or 0.5) <= 1"),
    "unless 0 <= p <= 1": ("not 0 <= p <= 1", "p is None"),
    "at so small a p the share is not p":
        ("rng.random(shape) >= p", "rng.integers(0, 1000, shape) >= 1000 * p"),
    "All units of a mask may be dropped":
        ("    return (rng.random(shape) >= p).astype(float)", """    mask = np.zeros(shape)
    while True:
        mask = (rng.random(shape) >= p) * 1.0
        if p == 1 or mask.any():
            return mask"""),
    "NaN slips through": ("not 0 <= p <= 1", "p < 0 or p > 1"),
    "that is an AssertionError. Raise a ValueError":
        ("""if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], not {p}")""",
         'assert 0 <= p <= 1, "p is no probability"'),
    "must have the word 'p'": ('f"p must be a probability in [0, 1], not {p}"', '"out of range"'),
}

# %% correct="bernoulli_mask"
def bernoulli_mask(shape, p, rng):
    if not (p >= 0 and p <= 1):
        raise ValueError("not a probability")
    return rng.choice([0.0, 1.0], size=shape, p=[p, 1 - p])

# %% correct="bernoulli_mask"
def bernoulli_mask(shape, p, rng):
    return rng.binomial(1, 1 - p, shape) * 1.0  # raises a ValueError about p by itself

# %% [markdown]
# Two common statements about masks are wrong. One says that at $p = 0.3$, exactly 30 of 100 units
# are dropped. But then the units would not be independent: the first 99 would tell you the last.
# The other says that dropout trains a different network in each epoch, or in each batch. Look at
# your rows again: every *example* has a network of its own.
#
# ## Exercise: `apply_mask`
#
# With a mask, dropping is one product: $y = m \odot x$. A mask belongs to one array, so a mask of
# another shape is an error. And, as in {{start_here}}, what you are given stays as it is.

# %% exercise="apply_mask"
def apply_mask(x, mask):
    """Keep the entries of `x` where `mask` is 1 and put 0 where it is 0: y = m ⊙ x.

    x : array of any shape, left as it is
    mask : array of 0.0 and 1.0 of x's shape; any other shape raises a ValueError naming mask
    Returns a new array of x's shape, and of x's dtype if that is a floating-point type.
    """
    ### BEGIN SOLUTION
    if mask.shape != x.shape:
        raise ValueError(f"the mask has shape {mask.shape}, but x has {x.shape}")
    return x * mask.astype(x.dtype)
    ### END SOLUTION

# %% [markdown] hint="apply_mask"
# Two steps: compare the shapes and raise the error, then multiply.

# %% [markdown] hint="apply_mask"
# `x *= …` and `x[…] = …` write into the caller's array. A plain `*` makes a new one.

# %% [markdown] hint="apply_mask"
# float32 times float64 is float64, so the result may not have the dtype of `x`. Which of the two
# factors may you convert?

# %% [markdown]
# The same digit goes through the layer four times, with your mask and your product.

# %%
rng = np.random.default_rng()
fig, axes = plot.figure(5, height=2.1)
plot.image(digit, axes[0], largest=1).set_title("x")
for ax in axes[1:]:
    mask = bernoulli_mask(digit.shape, 0.5, rng)
    plot.image(apply_mask(digit, mask), ax, largest=1).set_title(f"{mask.sum():.0f} kept")
fig.suptitle("One digit, four of your masks: the next layer sees four different inputs",
             x=0.005, ha="left", fontsize=11)
plot.show(fig, "A digit and four thinned copies of it, each with other pixels erased.")

# %% check="apply_mask" points=1
# Survivors pass as they are, and dropped units become 0 in their places.
with expect.case("apply_mask(x, mask) with x = [3, -2, 0.5, 4] and mask = [1, 0, 0, 1]",
                 crash=[("used as indices", "a float mask is no index. Multiply by it.")]):
    out = apply_mask(np.array([3, -2, 0.5, 4]), np.array([1.0, 0, 0, 1]))
    expect.close(
        out,
        np.array([3, 0, 0, 4]),
        hint="multiply entry by entry.",
        suspects=[
            ([1, 0, 0, 1], "that is the mask itself. Multiply x by it."),
            ([3, 4], "dropped units are taken out of the array. They stay, as zeros."),
            ([0, -2, 0.5, 0], "the wrong units are dropped: 1 in the mask means kept."),
            (7, "the survivors are summed up. Multiply entry by entry, with *."),
            ([6, 0, 0, 8], "the survivors are scaled. Pass them on as they are."),
            ([3, -2, 0.5, 4], "nothing is dropped."),
        ],
    )
x = expect.rng().normal(size=(5, 6, 4)).T
mask = (np.arange(120) % 3 > 0).astype(float).reshape(4, 6, 5)
with expect.case("apply_mask(x, mask) on 4 × 6 × 5 normal numbers"):
    out = apply_mask(x, mask)
    expect.array(out, (4, 6, 5), hint="return an array of x's shape.")
    expect.close(out[mask == 1], x[mask == 1], hint="survivors must pass as they are.")
    expect.close(out[mask == 0], np.zeros(40), hint="dropped units must send 0.")
for fill in (0.0, 1.0):
    with expect.case(f"apply_mask(x, mask) with a mask of {fill} throughout"):
        expect.close(apply_mask(x, 0 * mask + fill), fill * x, hint="such a mask is one like any "
                     "other: y = m ⊙ x.", suspects=[(np.nan * x, "0 / 0 gives NaN.")])

# %% check="apply_mask" points=1
# Neither x nor the mask is written into.
x, mask = expect.rng().normal(size=30), (np.arange(30) % 2).astype(float)
x_before, mask_before = x.copy(), mask.copy()
with expect.case("apply_mask(x, mask), and x and mask afterwards"):
    out = apply_mask(x, mask)
    expect.unchanged(x, x_before)
    expect.unchanged(mask, mask_before, hint="the product is written into the mask. Make a new"
                                             " array: the backward pass needs the mask again.")
    expect.close(out, x * mask, hint="the product is wrong: mend that first.")
    expect.copied(apply_mask, x, np.ones(30))

# %% check="apply_mask" points=1
# float32 stays float32, and float16 float16.
for dtype in (np.float32, np.float16):
    with expect.case(f"apply_mask(x, mask) with x in {np.dtype(dtype)} and the mask in float64"):
        out = apply_mask(np.ones(30, dtype), np.arange(30) % 2.0)
        expect.array(out, 30, hint="return an array of x's shape.")
        expect.array(out, 30, dtype,
                     hint="the result has another dtype than x. Convert the mask to x's.")
        expect.close(out, np.arange(30) % 2, hint="the product is wrong: mend that first.")

# %% check="apply_mask" points=1
# A mask of another shape raises an error.
for of_x, shape in (((100, 64), (64,)), ((100, 64), (1, 64)), ((100, 64), (100, 1)),
                    ((64, 64), (64,)), ((64,), (100, 64)), ((1, 64), (64, 1)),
                    ((4, 3, 5), (4, 1, 5))):
    with expect.case(f"apply_mask(x, mask) with x of shape {of_x}, the mask {shape}"):
        expect.raises(ValueError, lambda x=of_x, s=shape: apply_mask(np.ones(x), np.ones(s)),
                      mentions=("mask", "shape", "shapes"),
                      hint="NumPy broadcasts this mask or x, without a word. Compare the shapes"
                           " first, and raise ValueError with the word mask in it.")

# %% mistakes="apply_mask"
{
    "the mask itself": ("x * mask.astype(x.dtype)", "mask"),
    "taken out of the array": ("x * mask.astype(x.dtype)", "x[mask == 1]"),
    "the wrong units are dropped": ("x * mask", "x * (1 - mask)"),
    "summed up": ("x * mask", "x @ mask"),
    "survivors are scaled": ("x * mask.astype(x.dtype)", "x * mask / mask.mean()"),
    "nothing is dropped": ("x * mask.astype(x.dtype)", "x.copy()"),
    "a float mask is no index": ("x * mask.astype(x.dtype)", "x[mask]"),
    "returns nothing": ("return x * mask", "x = x * mask"),
    "writes into its input": ("return x * mask.astype(x.dtype)", "x *= mask\n    return x"),
    "returns its input itself": ("return x", "if mask.all():\n        return x\n    return x"),
    "0 / 0 gives NaN": ("mask.astype(x.dtype)", "(mask / mask.max()).astype(x.dtype)"),
    "written into the mask": ("return x * mask.astype(x.dtype)", "mask *= x\n    return mask"),
    "another dtype than x": (".astype(x.dtype)", ""),
    "NumPy broadcasts this mask": ("mask.shape != x.shape", "mask.size > x.size"),
    "x of shape (64, 64), the mask (64,)":
        ("mask.shape != x.shape", "any(a != b for a, b in zip(mask.shape, x.shape))"),
    "that is an AssertionError. Raise a ValueError":
        ("""if mask.shape != x.shape:
        raise ValueError(f"the mask has shape {mask.shape}, but x has {x.shape}")""",
         "assert mask.shape == x.shape"),
    "that is an IndexError. Raise a ValueError":
        ("""if mask.shape != x.shape:
        raise ValueError(f"the mask has shape {mask.shape}, but x has {x.shape}")
    return x * mask.astype(x.dtype)""", """y = x.copy()
    y[mask == 0] = 0
    return y"""),
    "must have the word 'mask'":
        ('f"the mask has shape {mask.shape}, but x has {x.shape}"', '"these two differ"'),
}

# %% correct="apply_mask"
def apply_mask(x, mask):
    if np.shape(mask) != np.shape(x):
        raise ValueError("shapes differ")
    out = x.copy()
    out[mask == 0] = 0
    return out

# %% [markdown]
# Dropped units stay in place as zeros, since each weight of the next layer belongs to a place. And
# NumPy alone would not have minded a mask of another shape: given one of shape (64,) and a batch of
# shape (100, 64), it *broadcasts* the mask, and all 100 examples share one thinned network without
# a word. Your comparison of shapes turns a silent bug into an error.
#
# ## 2ⁿ thinned networks
#
# Each of $n$ units is in or out, so a layer has $2^n$ masks, and the network as many thinned
# networks. How likely is one of them?
#
# Take three units and $p = 0.2$. The mask (1, 0, 1) says kept, dropped, kept, with probabilities
# 0.8, 0.2 and 0.8. The coins are independent, so the probabilities multiply: $0.8 \cdot 0.2 \cdot
# 0.8 = 0.128$.
#
# ## Exercise: `mask_probability`

# %% exercise="mask_probability"
def mask_probability(mask, p):
    """The probability that a mask drawn at drop probability `p` is exactly this one.

    mask : array of 0.0 and 1.0, of any shape, left as it is
    p : probability of dropping
    Returns a number. Over all 2^n masks of n units these numbers sum to 1.
    """
    check_probability(p)  # from here on, this raises your ValueError
    ### BEGIN SOLUTION
    kept = np.count_nonzero(mask)
    return float((1 - p) ** kept * p ** (mask.size - kept))
    ### END SOLUTION

# %% [markdown] hint="mask_probability"
# How many factors of each of the two kinds does the product have?

# %% [markdown] hint="mask_probability"
# The factors may be multiplied in any order, so it is enough to count those of each kind.
# `mask.size` counts the entries of an array of any shape; `len(mask)` counts its rows.

# %% [markdown] hint="mask_probability"
# Powers do it. In Python `0 ** 0 == 1`, which is what the ends $p = 0$ and $p = 1$ need. With
# logarithms you would have to treat `log(0)` yourself.

# %% [markdown]
# Four units make 16 thinned networks, few enough to see all of them. **Guess first: which of them
# is drawn most often at $p = 0.2$?** The figure colours your guess; the dots show how often your
# own `bernoulli_mask` drew each.

# %% guess=true
my_guess = (1, 1, 1, 0)  # the likeliest mask at p = 0.2: (…, …, …, …), a 1 or a 0 for each unit

# %% figure=true
# All masks of four units by their probability, and how often yours were drawn.
guess = tuple(expect.guess(my_guess, number=False))
p = 0.2
all_masks = np.array([[n >> i & 1 for i in range(4)] for n in range(16)], dtype=float)
chance = np.array([mask_probability(mask, p) for mask in all_masks])
rng = np.random.default_rng()
drawn = []
for _ in range(5):
    numbers = bernoulli_mask((1_000, 4), p, rng) @ [1, 2, 4, 8]
    drawn.append(np.bincount(numbers.astype(int), minlength=16) / 1_000)

order = np.argsort(-chance, kind="stable")
fig, (ax,) = plot.figure(1, height=3.2, width=7)
colors = [plot.ORANGE if tuple(mask) == guess else plot.SKY for mask in all_masks[order]]
ax.bar(range(16), 100 * chance[order], color=colors)
ax.errorbar(range(16), 100 * np.mean(drawn, 0)[order], 100 * np.std(drawn, 0, ddof=1)[order],
            fmt="o", color=plot.INK, markersize=4, capsize=2)
ax.set_xticks(range(16), ["\n".join("■" if m else "□" for m in mask) for mask in all_masks[order]])
ax.set(xlabel="thinned network (■ kept, □ dropped; your guess is orange)")
ax.set(ylabel="% of draws: your formula,\n5 runs of 1 000 (mean ± sd)")
seen = 100 * np.mean(drawn, 0)
most, worst = seen.argmax(), np.abs(100 * chance - seen).argmax()
sd, name = 100 * np.std(drawn, 0, ddof=1), ["".join("□■"[int(m)] for m in k) for k in all_masks]
told = (f"Drawn most often: {name[most]}, {seen[most]:.0f} ± {sd[most]:.0f} %;\n"
        f"farthest from your formula: {name[worst]}, formula {100 * chance[worst]:.1f} %, "
        f"drawn {seen[worst]:.1f} ± {sd[worst]:.1f} %")
ax.set_title(told)
plot.show(fig, "All 16 masks by your formula, with how often each was drawn. "
               + told.replace("\n", " ") + ".")

# %% check="mask_probability" points=1
# Over all masks of six units the probabilities sum to one.
masks = np.indices((2,) * 6).reshape(6, -1).T.astype(float)
for p in (0.3, 0.5):
    with expect.case(f"the sum of mask_probability(mask, p={p}) over all 64 masks of 6 units"):
        total = sum(mask_probability(mask.copy(), p) for mask in masks)
        of_counts = [] if p == 0.5 else [
            (11.45422, "that is the probability of the number kept. Here the order counts:"
                          " no binomial coefficient."),
        ]
        expect.close(
            total,
            1,
            rtol=1e-8,
            hint="one number for a mask: a factor for each unit, kept or dropped.",
            suspects=[
                ((2 - p) ** 6, "only the survivors are counted. Dropped units need a factor too."),
                ((1 + p) ** 6, "only the dropped units are counted. Survivors need a factor too."),
                (np.full(6, 32.0), "that is one factor for each unit. Multiply them all."),
                (192, "the factors are added. Independent coins multiply."),
                *of_counts,
            ],
        )

# %% check="mask_probability" points=1
# Each mask has its own probability, worked out by hand.
for p, by_hand, swapped in ((0.2, 0.1024, 0.0064), (0.75, 0.01171875, 0.10546875)):
    with expect.case(f"mask_probability([1, 0, 1, 1], p={p})"):
        expect.close(
            mask_probability(np.array([1.0, 0, 1, 1]), p),
            by_hand,
            hint="three units are kept and one is dropped.",
            suspects=[
                (swapped, "p is swapped: a dropped unit has probability p, a kept one 1 - p."),
                (1 / 16, "that would be so if all masks were equally likely, so at p = 0.5."),
            ],
        )
with expect.case("mask_probability([[1, 1, 0], [0, 1, 1]], p=0.2)"):
    expect.close(
        mask_probability(np.array([[1.0, 1, 0], [0, 1, 1]]), 0.2),
        0.016384,
        hint="a mask of any shape has one probability: that of all its entries together.",
        suspects=[(10.24, "len(mask) is the number of rows. Count all entries: mask.size.")],
    )
with expect.case("mask_probability of a random mask of nine units, at a random p"):
    mask, p = (expect.rng().random(9) < 0.6).astype(float), 0.2 + 0.6 * expect.rng().random()
    given = mask.copy()
    expect.close(mask_probability(given, p), np.where(mask == 1, 1 - p, p).prod(),
                 hint="one factor for each unit: 1 - p for a kept one, p for a dropped one.")
    expect.unchanged(given, mask, hint="the factors are written into the mask. Make a new array.")

# %% check="mask_probability" points=1
# At p = 0 and p = 1 one mask is certain.
for p, mask, certain in ((0.0, [1, 1, 1], 1), (0.0, [1, 0, 1], 0), (1.0, [0, 0], 1),
                         (1.0, [0, 1], 0)):
    with expect.case(f"mask_probability({mask}, p={p})"):
        expect.close(
            mask_probability(np.array(mask, dtype=float), p),
            certain,
            hint="p = 0 keeps all units and p = 1 drops all: no other mask can be drawn.",
            suspects=[(np.nan, "0 · log 0 gave NaN. Treat a probability of 0 by itself.")],
        )

# %% mistakes="mask_probability"
{
    "no binomial coefficient": ("float((1", "float(__import__('math').comb(mask.size, kept) * (1"),
    "only the survivors are counted": (" * p ** (mask.size - kept)", ""),
    "only the dropped units are counted": ("(1 - p) ** kept * p", "p"),
    "Multiply them all": ("float((1 - p) ** kept * p ** (mask.size - kept))",
                          "np.where(mask == 1, 1 - p, p)"),
    "Independent coins multiply": ("(1 - p) ** kept * p ** (mask.size - kept)",
                                   "np.where(mask == 1, 1 - p, p).sum()"),
    "p is swapped": ("(1 - p) ** kept * p", "p ** kept * (1 - p)"),
    "equally likely": ("(1 - p) ** kept * p ** (mask.size - kept)", "0.5**mask.size"),
    "len(mask) is the number of rows": ("mask.size", "len(mask)"),
    "one probability: that of all": ("float((1 - p) ** kept * p ** (mask.size - kept))",
                                     "np.where(mask == 1, 1 - p, p).prod(-1)"),
    "gave NaN": ("(1 - p) ** kept * p ** (mask.size - kept)",
                 "np.exp(np.sum(mask * np.log(1 - p) + (1 - mask) * np.log(p)))"),
    "no other mask can be drawn": ("(1 - p) ** kept", "min(1 - p, 0.999) ** kept"),
    "written into the mask": ("return float((1 - p) ** kept * p ** (mask.size - kept))",
                              "mask[:] = np.where(mask == 1, 1 - p, p)\n    return mask.prod()"),
}

# %% correct="mask_probability"
def mask_probability(mask, p):
    result = 1.0
    for m in np.ravel(mask):
        result *= 1 - p if m else p
    return result

# %% [markdown]
# Look at the figure again. The mask that keeps all units is drawn more often than any other, yet
# most draws drop *some* unit. The more units there are, the rarer even the likeliest mask becomes.
# (If your first answer had a binomial coefficient: that counts the masks with the same number of
# units kept. Here only one mask is asked for.)
#
# Wide layers have thousands of units, and then a probability that is not zero may print as zero:

# %%
for n in (10, 100, 1_000, 2_000):
    print(f"{n:5d} units kept at p = 0.5: probability {mask_probability(np.ones(n), 0.5):.3g}")
print(f"the smallest positive float64: {np.nextafter(0, 1):.3g}")

# %% [markdown]
# $2^{-2000}$ is an ordinary number, but float64 ends near $5 \cdot 10^{-324}$, so the product
# **underflows** to 0. No way of multiplying helps; adding logarithms does: $-2000 \ln 2 \approx
# -1386$.
#
# ### Does training ever meet the same thinned network twice?
#
# Twenty units at $p = 0.5$ have $2^{20}$ masks, about a million, all equally likely. **Guess: if
# each training run draws 1 000 masks, in what percentage of runs does some mask come up twice?**

# %% guess=true
my_guess = 0.1  # % of training runs of 1 000 draws in which a mask of 20 units comes up twice

# %% figure=true
# How often a training run of 1 000 draws repeats a mask, against the number of units.
guess = expect.guess(my_guess)
rng = np.random.default_rng()
sizes = range(8, 49, 2)
fig, (ax,) = plot.figure(1, height=3, width=7)
for p, marker, color in ((0.5, "o", plot.BLUE), (0.2, "s", plot.GREEN)):
    repeated = np.zeros((5, len(sizes)))
    for run in range(5):
        for i, n in enumerate(sizes):
            masks = bernoulli_mask((40, 1_000, n), p, rng)
            numbers = masks @ 2.0 ** np.arange(n)  # each mask as a binary number
            repeated[run, i] = np.mean([len(np.unique(row)) < 1_000 for row in numbers])
    if p == 0.5:
        at_20, fair = 100 * repeated[:, sizes.index(20)], repeated.mean(0)
    ax.errorbar(sizes, 100 * repeated.mean(0), 100 * repeated.std(0, ddof=1), color=color,
                marker=marker, capsize=2, label=f"p = {p}")
ax.plot(20, guess, "X", color=plot.ORANGE, markersize=10, label="your guess", zorder=3)
ax.set(xlabel="units n", xticks=sizes[::2], ylim=(-4, 108))
ax.set_ylabel("runs that repeat a mask, %\n(5 × 40 runs: mean ± sd)")
exact = 1 - np.prod(1 - np.arange(1_000) / 2**20)
told = f"{at_20.mean():.0f} ± {np.sqrt(at_20.mean() * (100 - at_20.mean()) / 200):.0f} % (s.e.)"
told += f" of the runs repeat a mask (exactly: {100 * exact:.0f} %)"
ax.set_title(f"20 units at p = 0.5: {told}")
ax.legend()
plot.show(fig, "The share of training runs that repeat a mask, against the number of units, for "
               f"two p. With 20 units at p = 0.5, {told}.",
          claims={"wide-layers-repeat-no-mask": fair[-1] == 0})

# %% [markdown]
# This is the birthday problem: a thousand draws make half a million *pairs*,
# and each pair has a chance of one in a million. At $p = 0.2$ some masks are much likelier than
# others, so larger layers repeat masks too. But both curves come down, because the chance that two
# draws agree in all $n$ units, $(p^2 + (1-p)^2)^n$, shrinks exponentially. At $p = 0.5$ and a few
# hundred units, practically every example trains a network that was never drawn before and will
# not be drawn again. How such networks can learn anything is a question for {{ensemble}}: they
# share their weights.
#
# ## How many are kept?
#
# The number kept is a sum of $n$ independent coins: it is **binomial**. Its mean is easy. By how
# much does it vary from mask to mask?
#
# ## Exercise: `kept_mean_and_std`

# %% exercise="kept_mean_and_std"
def kept_mean_and_std(n, p):
    """The mean and the standard deviation of the number of units kept, of `n`.

    n : number of units
    p : probability of dropping
    Returns two numbers, exact ones: nothing is drawn.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return n * (1 - p), np.sqrt(n * p * (1 - p))
    ### END SOLUTION

# %% [markdown] hint="kept_mean_and_std"
# Begin with one unit, $n = 1$: it counts 1 with probability $1-p$, else 0. What is its mean,
# and what is the mean of its square?

# %% [markdown] hint="kept_mean_and_std"
# $\operatorname{Var}[m] = \mathbb E[m^2] - \mathbb E[m]^2$, and $m^2 = m$ for a coin of 0 and 1.

# %% [markdown] hint="kept_mean_and_std"
# Means of $n$ units add, variances of $n$ independent units add. The square root comes last.

# %% [markdown]
# **Guess first**: four units at $p = 0.5$ keep 2 ± 1, a scatter of 50 % of the mean. What
# percentage is it for 4 096 units? The dots are your masks, the lines your formula.

# %% guess=true
my_guess = 10  # scatter of the number kept in % of its mean, for 4 096 units at p = 0.5

# %% figure=true
# The scatter of the number kept, relative to its mean, against the number of units.
guess = expect.guess(my_guess)
rng = np.random.default_rng()
sizes = np.array([4, 16, 64, 256, 1024, 4096])
fig, (ax,) = plot.figure(1, height=3, width=7)
for p, color in ((0.2, plot.GREEN), (0.5, plot.BLUE), (0.8, plot.PINK)):
    formula = [kept_mean_and_std(n, p) for n in sizes]
    ax.plot(sizes, [100 * std / mean for mean, std in formula], color=color)
    scatter = []
    for _ in range(5):
        kept = [bernoulli_mask((200, n), p, rng).sum(1) for n in sizes]
        scatter.append([100 * np.std(k) / np.mean(k) for k in kept])
    if p == 0.5:
        at_4096 = np.array(scatter)[:, -1]
        slope = np.polyfit(np.log(sizes), np.log(np.mean(scatter, 0)), 1)[0]
    ax.errorbar(sizes, np.mean(scatter, 0), np.std(scatter, 0, ddof=1), color=color, fmt="o",
                markersize=4, capsize=2, label=f"p = {p}")
ax.plot(4096, guess, "X", color=plot.ORANGE, markersize=10, label="your guess")
ax.set(xscale="log", yscale="log", xlabel="units n")
ax.set_xticks(sizes, [f"{n}" for n in sizes])
ax.set_yticks([1, 10, 100], ["1", "10", "100"])
ax.minorticks_off()
ax.set(ylabel="standard deviation / mean, %\n(5 runs of 200 masks: mean ± sd)")
told = f"{at_4096.mean():.2f} ± {at_4096.std(ddof=1):.2f} %"
ax.set_title(f"Number kept of 4 096, p = 0.5: sd is {told} of the mean (you said {guess} %)")
ax.legend()
plot.show(fig, "Relative standard deviation against the number of units, both logarithmic, "
               f"for three p; for 4 096 units at p = 0.5 it is {told}.",
          claims={"scatter-falls-with-width": abs(slope + 0.5) < 0.05})

# %% check="kept_mean_and_std" points=1
# The mean is exact.
for n, p, exact in ((100, 0.2, 80), (10, 0.25, 7.5), (64, 0.5, 32)):
    with expect.case(f"kept_mean_and_std({n}, p={p}), the mean",
                     crash=[("back: unpack", "return two numbers, the mean and then the other.")]):
        average, std = kept_mean_and_std(n, p)
        expect.close(
            average,
            exact,
            hint="the mean is exact and not simulated: n units, each kept with probability 1 - p.",
            suspects=[
                (n - exact, "that is the number dropped: p is swapped."),
                (7, "the mean is rounded. It need not be a whole number."),
                (8, "the mean is rounded. It need not be a whole number."),
                (1 - p, "that is the share kept, not the number."),
                (np.sqrt(exact * p), "the two are swapped: the mean comes first."),
            ],
        )
with expect.case("kept_mean_and_std(n, p) for a random n and p, the mean"):
    n, p = int(expect.rng().integers(200, 900)), expect.rng().random()
    expect.close(kept_mean_and_std(n, p)[0], n - n * p, hint="n units, each kept with 1 - p.")

# %% check="kept_mean_and_std" points=2
# The standard deviation is exact.
for n, p, exact in ((100, 0.2, 4), (400, 0.1, 6), (64, 0.5, 4)):
    with expect.case(f"kept_mean_and_std({n}, p={p}), the standard deviation",
                     crash=[("back: unpack", "return two numbers, the mean and then the other.")]):
        average, std = kept_mean_and_std(n, p)
        expect.close(
            std,
            exact,
            hint="add up n variances of one coin each, then take the root.",
            suspects=[
                (exact**2, "that is the variance. Take the square root."),
                (exact / np.sqrt(n), "that is one unit's scatter. The variances of all n add up."),
                (exact * np.sqrt(n),
                 "you added standard deviations. Add variances, then take the root."),
                (exact / n, "that is the scatter of the share kept, not of the number."),
                (exact / (n - n * p), "that is the scatter relative to the mean."),
                (np.sqrt(n - n * p), "one factor is missing: a unit that is always kept, at"
                                     " p = 0, would scatter too."),
                (np.sqrt(n * p), "one factor is missing: a unit that is always dropped, at"
                                 " p = 1, would scatter too."),
            ],
        )
with expect.case("kept_mean_and_std(n, p) for a random n and p, the standard deviation"):
    n, p = int(expect.rng().integers(200, 900)), expect.rng().random()
    expect.close(kept_mean_and_std(n, p)[1] ** 2, n * (p - p**2),
                 hint="add up n variances of one coin each, then take the root.")
for p in (0.0, 1.0):
    with expect.case(f"kept_mean_and_std(50, p={p}), the standard deviation"):
        expect.close(kept_mean_and_std(50, p)[1], 0,
                     hint="add up n variances of one coin each, then take the root.")

# %% mistakes="kept_mean_and_std"
{
    "p is swapped": ("n * (1 - p), ", "n * p, "),
    "return two numbers": ("return n", "n"),
    "the mean is rounded": ("n * (1 - p), ", "int(n * (1 - p)), "),
    "the share kept, not the number": ("n * (1 - p), ", "1 - p, "),
    "not simulated": ("n * (1 - p), ",
                      "bernoulli_mask((500, n), p, np.random.default_rng()).sum(1).mean(), "),
    "that is the variance": ("np.sqrt(n * p * (1 - p))", "n * p * (1 - p)"),
    "one unit's scatter": ("np.sqrt(n * p", "np.sqrt(p"),
    "you added standard deviations": ("np.sqrt(n * p", "n * np.sqrt(p"),
    "scatter of the share kept": ("np.sqrt(n * p * (1 - p))", "np.sqrt(p * (1 - p) / n)"),
    "the two are swapped": ("n * (1 - p), np.sqrt(n * p * (1 - p))",
                            "np.sqrt(n * p * (1 - p)), n * (1 - p)"),
    "division by zero": ("np.sqrt(n * p * (1 - p))", "n * (1 - p) * (p / (n * (1 - p))) ** 0.5"),
    "relative to the mean": ("np.sqrt(n * p * (1 - p))", "np.sqrt(p / ((1 - p) * n))"),
    "always kept": ("n * p * (1", "n * (1"),
    "always dropped": ("n * p * (1 - p)", "n * p"),
}

# %% correct="kept_mean_and_std"
def kept_mean_and_std(n, p):
    one = 1 - p
    return [n - n * p, (n * (one - one**2)) ** 0.5]

# %% [markdown]
# Variances add; standard deviations do not, because independent deviations partly cancel. So the
# relative standard deviation, $\sqrt{p / ((1-p)\,n)}$, falls as $1/\sqrt n$. In a wide layer the
# share dropped is close to $p$; in a narrow one it often isn't. The same square root returns in
# {{inverted_dropout}}, for the noise of a single output.
#
# ## Explore: one mask, and many
#
# **Try**: draw anew at $p = 0.5$ a few times. In how many draws can you still read the digit? For
# which $p$ is the histogram widest, and why is it lopsided at $p = 0.95$? At which $p$ does a mask
# that drops all 64 pixels become likely enough to see?

# %%
explore.thinned_digit(bernoulli_mask)

# %% [markdown]
# ## Which way round is p?
#
# The number in a recipe means one of two things:
#
# | where | what the number is |
# | --- | --- |
# | Srivastava and others 2014, $p$ | probability that a unit is **kept** |
# | TensorFlow 1, `tf.nn.dropout(x, keep_prob)` | probability that an entry is **kept** |
# | PyTorch, `torch.nn.Dropout(p)` | probability that an entry is dropped |
# | Keras, `keras.layers.Dropout(rate)` | probability of dropping (its docs: "fraction") |
# | Flax, `flax.linen.Dropout(rate)` | probability of dropping |
#
# Published code has got it wrong. A Keras port of DeepLab v3+ copied `keep_prob=0.9` as
# `Dropout(0.9)`, so nine units in ten were dropped instead of one ([its issue 4][1]). A widely read
# collection of examples called 0.75 the "probability to keep units" and handed it to a layer that
# drops ([its issue 205][2]). In TensorFlow 2 the second argument of `tf.nn.dropout` is `rate`: the
# line `tf.nn.dropout(x, 0.9)` changed its meaning between two versions, and runs in both (2.0
# warns). Early editions of an exercise, `dropout_forward` of Stanford's course CS231n, say "We drop
# each neuron output with probability p" in the docstring; later editions say "We keep".
#
# Write the converter, so that nobody has to remember. It should not guess what an unknown
# convention means.
#
# [1]: https://github.com/bonlime/keras-deeplab-v3-plus/issues/4
# [2]: https://github.com/aymericdamien/TensorFlow-Examples/issues/205
#
# ## Exercise: `to_drop_probability`

# %% exercise="to_drop_probability"
def to_drop_probability(value, convention):
    """The drop probability that `value` stands for under a framework's or paper's `convention`.

    value : a probability
    convention : "paper-2014", "tf1-keep-prob", "torch", "keras" or "flax";
        any other string raises a ValueError that quotes it
    """
    check_probability(value, "value")
    ### BEGIN SOLUTION
    if convention in ("paper-2014", "tf1-keep-prob"):
        return 1 - value
    if convention in ("torch", "keras", "flax"):
        return value
    raise ValueError(f"unknown convention: {convention}")
    ### END SOLUTION

# %% [markdown] hint="to_drop_probability"
# Two groups of conventions, and all other strings: three outcomes.

# %% [markdown] hint="to_drop_probability"
# `convention in ("a", "b")` asks whether it is one of the two. What is to happen if neither
# group holds it?

# %% [markdown] hint="to_drop_probability"
# Put the unknown string into the message: `ValueError(f"… {convention}")`. A dictionary's own
# complaint is a KeyError.

# %% check="to_drop_probability" points=1
# Each of the five conventions.
for convention, value, drops, meaning in (
    ("paper-2014", 0.8, 0.2, "the 2014 paper's p is the probability of keeping: turn it round."),
    ("tf1-keep-prob", 0.9, 0.1, "keep_prob keeps, as its name says: turn it round."),
    ("torch", 0.3, 0.3, "torch's p drops already: leave it as it is."),
    ("keras", 0.3, 0.3, "the rate of Keras drops already: leave it as it is."),
    ("flax", 0.1, 0.1, "the rate of Flax drops already: leave it as it is."),
):
    with expect.case(f"to_drop_probability({value}, {convention!r})"):
        expect.close(to_drop_probability(value, convention), drops, hint=meaning)
    with expect.case(f"to_drop_probability(value, {convention!r}) of a random value"):
        value, keeps = expect.rng().random(), convention in ("paper-2014", "tf1-keep-prob")
        expect.close(to_drop_probability(value, convention), abs(keeps - value), hint=meaning)

# %% check="to_drop_probability" points=1
# An unknown convention raises a ValueError.
for convention in ("paper-2012", "caffe", "Keras", "pytorch", "flax-nnx", "tf", "ax"):
    with expect.case(f"to_drop_probability(0.3, {convention!r})"):
        expect.raises(ValueError, lambda c=convention: to_drop_probability(0.3, c),
                      mentions=convention,
                      hint="do not guess: a convention that is not one of the five raises"
                           " ValueError, with that string in its message.")

# %% mistakes="to_drop_probability"
{
    "the 2014 paper's p is the probability of keeping": ("1 - value", "value"),
    "keep_prob keeps": (''', "tf1-keep-prob"):
        return 1 - value
    if convention in (''', ''',):
        return 1 - value
    if convention in ("tf1-keep-prob", '''),
    "torch's p drops already": ("return value", "return 1 - value"),
    "the rate of Keras drops already":
        ("return value", 'return value if convention == "torch" else 1 - value'),
    "the rate of Flax drops already":
        ("return value", 'return 1 - value if convention == "flax" else value'),
    "that is a KeyError. Raise a ValueError": ('ValueError(f"unknown convention: {convention}")',
                                               "KeyError(convention)"),
    "that is a NotImplementedError. Raise a ValueError": ("raise ValueError(f", "raise "
                                                          "NotImplementedError(f"),
    "that is an AssertionError": ('raise ValueError(f"unknown convention: {convention}")',
                                  'assert convention == "flax", convention'),
    "must have the word 'paper-2012'": ('f"unknown convention: {convention}"', '"unknown"'),
    "no error; it returned 0.7": ('convention in ("paper-2014", "tf1-keep-prob")',
                                  '"paper" in convention or "keep" in convention'),
    "no error; it returned 0.3": ('raise ValueError(f"unknown convention: {convention}")',
                                  "return value"),
}

# %% correct="to_drop_probability"
def to_drop_probability(value, convention):
    keeps = {"paper-2014": True, "tf1-keep-prob": True, "torch": False, "keras": False}
    keeps["flax"] = False
    if convention not in keeps:
        raise ValueError(f"{convention!r} is none of {list(keeps)}")
    return [value, 1 - value][keeps[convention]]

# %% [markdown]
# Does it matter? The two numbers of the bug reports, 0.75 and 0.9, are keep probabilities. Below, a
# network learns the digits with your masks, once with the number as your converter reads it and
# once read the wrong way round. (Its code also divides by $1-p$: see {{inverted_dropout}}.)
# **Guess the two error rates where the number was read wrongly.**

# %% guess=true
my_guess = {0.75: 15, 0.9: 30}  # {0.75: …, 0.9: …}, test error rate in % of each, read wrongly

# %% figure=true
# Error rates of networks whose number was read correctly and wrongly.
guess = expect.guess(my_guess, number=False)

def with_masks(p):
    return lambda h, rng: h * bernoulli_mask(h.shape, p, rng) / (1 - p)


pixels, test_pixels = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
errors = {}
for value in (0.75, 0.9):
    for how, p in (("correctly", to_drop_probability(value, "tf1-keep-prob")), ("wrongly", value)):
        runs = errors[f"{value} read {how}"] = []
        for seed in range(5):
            net = train.two_layer(pixels, y, with_masks(p), seed, epochs=15, batch=31, rate=0.05)
            runs.append(100 * train.error_rate(train.predict(net, test_pixels), y_test))

fig, (ax,) = plot.figure(1, height=2.6, width=7)
runs = np.array(list(errors.values()))
plot.bars(runs.mean(1), list(errors), ax, spread=plot.standard_error(runs, 1),
          colors=[plot.BLUE, plot.ORANGE] * 2)
ax.plot(list(guess.values()), [1.55, 3.55], "^", color=plot.INK, markersize=7, label="your guess")
ax.set(xlim=(0, 1.25 * max(runs.max(), *guess.values())), ylim=(3.75, -0.5))
ax.set(xlabel="error rate on test digits, % (mean of 5 runs ± standard error)")
costs = [plot.difference(runs[i + 1], runs[i]) for i in (0, 2)]
told = (f"The wrong reading of 0.75 costs {costs[0]:.1f} points,\n"
        f"that of 0.9 {costs[1]:.1f} points")
ax.set_title(told)
ax.legend(loc="upper right")
free = [sum(w <= r for r, w in zip(*runs[i : i + 2], strict=True)) for i in (0, 2)]
plot.show(fig, f"Error rates of four networks, each number read correctly and wrongly. {told}.",
          claims={"wrong-rate-still-trains": runs[1::2].max() < 50})  # chance: 90 %
print(f"Pairs in which the wrong reading cost nothing: {free[0]} of 5 with 0.75, {free[1]} of 5 "
      "with 0.9.")

# %% [markdown]
# The title says what each wrong reading cost here. The line below the figure counts the pairs of
# runs in which it cost nothing. A network with a wrong rate still trains, and if you train only
# one, you have nothing to compare it with. (The reporter of the second bug found both readings
# about equally good.) So a network that works doesn't prove that its rate was read correctly.
# Look at a mask.
#
# From here on $p$ is the probability of dropping, in every lesson.
#
# ## Two questions

# %% question="exact_answer" points=1
# A layer of 1 000 units at p = 0.3 drops, in one example:
#
# - [ ] exactly 300
# - [x] 300, give or take 14
# - [ ] 300, give or take 210
#
# Hint: ask your kept_mean_and_std for the standard deviation.

# %% question="hidden" points=1
# Mistaking this keep probability for a drop probability changes nothing:
#
# - [x] 0.5
# - [ ] 0.8
# - [ ] 0.9
#
# Hint: for which number do both readings mean the same?

# %% [markdown]
# ## In your own words
#
# A colleague says: "With dropout at 0.5 every example trains exactly half of the layer. My layer
# has 100 units, and after a thousand epochs each of its thinned networks has had its turn." Say in
# two to five sentences what is wrong with each of the two claims, with numbers. (In a class, your
# instructor grades this.)

# %% [markdown] answer="two_claims" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: each unit is dropped independently, so the number kept is binomial,
# 50 ± 5; exactly 50 is kept by about 8 % of the masks only. One point: there are 2^100 (some 10^30)
# equally likely masks, far more than any training run draws (a thousand epochs of a million
# examples make 10^9); nearly all thinned networks are never drawn, and those that are, hardly
# ever twice.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - A mask is one coin for each unit and each example. Of 64 fair coins, exactly half come up heads
#   in about one mask in ten.{{claim:exactly-half-is-rare}}
# - The number kept is $(1-p)\,n \pm \sqrt{n\,p\,(1-p)}$. Relative to the mean, its standard
#   deviation falls as $1/\sqrt n$.{{claim:scatter-falls-with-width}}
# - A thinned network with $k$ survivors has probability $(1-p)^k\,p^{\,n-k}$. At $p = 0.5$, no
#   run with 48 units repeated one;{{claim:wide-layers-repeat-no-mask}} with hundreds, practically
#   none will.
# - Papers and frameworks disagree about what the number is, and a network still trains with the
#   wrong one.{{claim:wrong-rate-still-trains}}
#
# **Read.** Hinton, Srivastava, Krizhevsky, Sutskever and Salakhutdinov, *Improving neural networks
# by preventing co-adaptation of feature detectors*, arXiv:1207.0580 (2012), where units are omitted
# with probability 0.5. Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, *Dropout: a
# simple way to prevent neural networks from overfitting*, JMLR 15 (2014), §1 for the $2^n$ thinned
# networks, §2 for the biology and §4 for the masks: the same five authors, and now $p$ keeps.
# Livnat, Papadimitriou, Pippenger and Feldman, *Sex, mixability, and modularity*, PNAS 107 (2010).
#
# **Stretch.** `rng.random` spends 64 random bits on every coin. At $p = 1/2$ one bit is enough, at
# $p = 1/4$ two. Draw a mask for *any* $p$ with two bits per unit on average: compare random bits
# with the binary digits of $p$ until the first difference (Knuth and Yao, *The complexity of
# nonuniform random number generation*, 1976).
#
# **Still open.** A thinned network sends on less than the whole one. What has to be mended when the
# whole network is used? See {{weight_scaling}}.
