# %% [markdown]
# # 3.1 · Images
#
# **What should be dropped together when neighbouring pixels are alike?**
#
# *{{minutes}} minutes. Before: {{inverted_dropout}} and {{pytorch}}. After, you will be able to
# write dropout for maps, blocks and branches, to compare the kinds at equal noise, and to measure
# whether what a network has learned serves other classes.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$ | batch of feature maps, (N, C, H, W): images, maps, rows, columns |
# | $p$ | probability that an entry is **dropped** |
# | $b$ | side of a square block, in pixels |
# | $\gamma$ | probability that one possible block is dropped |
# | $k$ | labelled images of each class |

# %% setup=true
import numpy as np
import torch
from scipy import special
from torch.nn import functional as F

from dropoutlab import check_probability, convnets, expect, explore, plot, studies
from dropoutlab.studies import images as study

torch.set_num_threads(1)  # products this small wait for each other's threads

# %% [markdown]
# ## A reason to measure
#
# Dropout as you know it gives each number its own coin. In an image, the story goes, this does
# little: a pixel that is dropped can be guessed from its neighbours. So people drop maps, blocks of
# a map, or squares of the input. (Branches are dropped to train very deep networks.)
#
# The story has a premise, and we can measure it. Three small networks, without dropout, each learn
# 20 kinds of printed characters from 400 images: a convolution that gives 16 maps of 7 × 7
# pixels, two residual blocks $h + f(h)$, and a linear classifier.

# %%
SEEDS = range(3)
plain = [convnets.train(seed, rate=0.012) for seed in SEEDS]  # takes some 10 seconds
X_test, y_test = convnets.held("test")
print("test errors, %:", *(f"{net.error(X_test, y_test):.1f}" for net in plain))

# %% [markdown]
# **How strongly are two neighbouring pixels of the first maps correlated, over test images?**

# %% guess=true
my_guess = 0.8  # correlation of neighbours after the first convolution

# %% figure=true
# Maps with half of their pixels dropped, and how strongly neighbours are correlated.
guess = expect.guess(my_guess)
with torch.no_grad():
    seen = [[X_test, *net.maps(X_test)] for net in plain]
near, far = (np.array([[convnets.correlation(h, step) for h in run] for run in seen])
             for step in (1, 3))
fig, (left, right) = plot.figure(2, height=2.7, width=9)
strongest = seen[0][1][0].flatten(1).sum(1).topk(6).indices
whole = seen[0][1][0, strongest]
holes = whole * (torch.rand(whole.shape, generator=torch.Generator().manual_seed(0)) >= 0.5)
sheet = torch.cat([torch.cat(list(row / whole.amax((1, 2), True)), 1) for row in (whole, holes)])
plot.image(sheet.numpy(), left)
left.set_yticks([3, 10], ["maps", "half of the\npixels dropped"])
left.tick_params(length=0)
left.set_title("Can the holes be guessed from what is left?")
plot.bars(near.mean(0), ["image", "first convolution", "block 1", "block 2"], right,
          spread=plot.standard_error(near), colors=[plot.GREY, *3 * [plot.BLUE]])
right.vlines(guess, 0.55, 1.45, color=plot.INK, linestyle="--")
right.set_xlim(0, 1.2 * max(guess, near.max()))
right.set_xlabel("correlation of neighbours, 3 networks ± s.e.")
right.set_title(f"You said {guess:g}: it is {near[:, 1].mean():.2f} ± "
                f"{plot.standard_error(near[:, 1]):.2f}")
plot.show(fig, "Six maps with and without half of their pixels; bars: the correlation of "
               "neighbours in the image and after each layer, with your guess. Three pixels apart "
               f"it is {far.mean(0)[1]:.2f} after the first convolution.",
          claims={"neighbours-are-alike": bool(near.min() > 0.05),
                  "but-not-very": bool(near[:, 1:].max() < 0.5)})

# %% [markdown]
# Neighbours are correlated,{{claim:neighbours-are-alike}} but far from copies of one
# another.{{claim:but-not-very}} So the premise is weak here. Whether it matters is measured below.
#
# ### One question from {{inverted_dropout}}
#
# A 7 × 7 map of ones is averaged into one number. With inverted dropout at $p = 0.5$, each pixel
# has variance $p/(1-p) = 1$. What is the standard deviation of the average if each pixel has its
# own coin, and what if one coin decides for the whole map?
#
# <details><summary>Answer</summary>
#
# With 49 coins it is $1/\sqrt{49} = 1/7$: the noise averages out. With one coin it is 1. This
# difference will make "the same $p$" an unfair comparison.
# </details>
#
# ### A worked example: a coin for each image and each row
#
# The shape of the coins says what is dropped together. Axes of length 1 are stretched by
# broadcasting: here whole rows of pixels are dropped, in all maps of an image alike.

# %%
x = torch.ones(2, 3, 4, 5)
coins = torch.rand(2, 1, 4, 1, generator=torch.Generator().manual_seed(2))
print((x * (coins >= 0.5))[0, :2])

# %% [markdown]
# ## Exercise: `spatial_dropout`
#
# Tompson et al. (2015) drop whole maps. Not the same maps for every image: each map of each image
# has a coin of its own. (PyTorch has this as `F.dropout2d`, without a generator.) Evaluation and
# $p = 1$ are already written.

# %% exercise="spatial_dropout"
def spatial_dropout(x, p, generator=None, training=True):
    """Drop each map of each image with probability p; the others are x / (1 - p).

    x : tensor (N, C, H, W), left as it is
    p : probability of dropping
    generator : torch.Generator, or None for torch's own; the only source of randomness
    training : if False, x comes out as it is
    Returns a tensor of x's shape, dtype and device.
    """
    check_probability(p)
    if not training or p == 1:
        return 0 * x if training else x.clone()
    ### BEGIN SOLUTION
    coins = torch.rand(*x.shape[:2], 1, 1, generator=generator, device=x.device)
    return x * (coins >= p) / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="spatial_dropout"
# How many coins does a batch of N images with C maps each need?

# %% [markdown] hint="spatial_dropout"
# Give the coins four axes, as in the worked example. Which two have length 1 now?

# %% [markdown] hint="spatial_dropout"
# `torch.rand(shape, generator=…, device=x.device)` is float32 whatever x is; a comparison makes
# booleans of it, and a product with booleans keeps x's dtype.

# %% check="spatial_dropout" points=2
# A map is dropped as a whole, by a coin of its own, fresh at each call and from generator alone.
lines_up = [("must match|expand",
             "the coins do not line up with (N, C, H, W). Do they have four axes, two of them of "
             "length 1?")]
with expect.case("spatial_dropout(x, p, generator) on 40 × 15 maps of ones", crash=lines_up):
    ones = torch.ones(40, 15, 3, 4)
    expect.coins(lambda p, generator: spatial_dropout(ones.clone(), p, generator), shared=(2, 3),
                 axes=("image", "map", "row", "column"), scale=lambda p: 1 / (1 - p),
                 source=expect.generator, none=True)

# %% check="spatial_dropout" points=1
# Survivors are x / (1 - p), in a new tensor, and the gradient goes the same way.
maps = 1 + torch.rand(20, 30, 3, 4, generator=expect.generator(), dtype=torch.float64)
before = maps.clone()
cut = [("does not require grad", "the result has no gradient: work with x itself, in torch.")]
with expect.case("spatial_dropout(x, 0.3, generator) on 20 × 30 maps of 3 × 4"):
    out = spatial_dropout(maps, 0.3, expect.generator())
    expect.unchanged(maps, before)
    expect.tensor(out, (20, 30, 3, 4), torch.float64, hint="return a tensor of x's shape, dtype.")
    expect.only(out / before, (0, 1 / 0.7), rtol=1e-5, hint="a survivor is x / (1 - p).")
x = torch.ones(5, 20, 2, 2, dtype=torch.float64, requires_grad=True)
with expect.case("y = spatial_dropout(x, 0.5); y.sum().backward(); x.grad", crash=cut):
    out = spatial_dropout(x, 0.5)
    out.sum().backward()
    expect.close(x.grad, out.detach(), hint="the gradient goes through the same coins and scale.")
with expect.case("spatial_dropout(x, 0.3, generator, training=False)"):
    expect.equal(spatial_dropout(maps.clone(), 0.3, expect.generator(), training=False), before,
                 hint="in evaluation x comes out as it is. The stub brings these lines.")

# %% check="spatial_dropout" points=1
# Numbers of half precision stay what they are, and do not change the rate.
for dtype in (torch.float16, torch.bfloat16, torch.float32):
    with expect.case(f"spatial_dropout(x, 0.5), {dtype}"):
        expect.tensor(spatial_dropout(torch.ones(2, 3, 4, 4, dtype=dtype), 0.5), (2, 3, 4, 4),
                      dtype, hint="the result has another dtype. A boolean mask keeps it.")
with expect.case("spatial_dropout(x, 0.01, generator) on 400 000 maps, torch.bfloat16"):
    fine = torch.ones(1000, 400, 1, 1, dtype=torch.bfloat16)
    expect.mean(spatial_dropout(fine, 0.01, expect.generator()) == 0, 0.01, of=(0, 1),
                hint="another share is dropped. If check 1 passes, the coins are bfloat16. "
                     "Draw in float32.")

# %% mistakes="spatial_dropout"
{
    "not scaled": (" / (1 - p)", ""),
    "divided by p": ("/ (1 - p)", "/ p"),
    "multiplied by 1 - p": ("/ (1 - p)", "* (1 - p)"),
    "p is taken for the probability of keeping": (">= p) / (1 - p)", "< p) / p"),
    "p is swapped": (">= p", "< p"),
    "nothing is dropped": ("x * (coins >= p)", "x"),
    "each column has a coin of its own": ("*x.shape[:2], 1, 1", "x.shape"),
    "every image has the same mask": ("*x.shape[:2], 1, 1", "1, x.shape[1], 1, 1"),
    "every map has the same mask": ("*x.shape[:2], 1, 1", "len(x), 1, 1, 1"),
    "do not line up": ("*x.shape[:2], 1, 1", "x.shape[:2]"),
    "an exact number": ("device=x.device)", "device=x.device).argsort(1) / x.shape[1]"),
    "a seed is set inside": ("=generator,", "=torch.Generator().manual_seed(0),"),
    "do not come from the given": (" generator=generator,", ""),
    "writes into its input": ("x * (coins", "x.mul_(coins"),
    "a survivor is x": ("x * (coins", "torch.ones_like(x) * (coins"),
    "the result has no gradient": ("x * (coins", "x.detach() * (coins"),
    "has another dtype": ("(coins >= p)", "(coins >= p).float()"),
    "Draw in float32": ("device=x.device", "device=x.device, dtype=x.dtype"),
    "multiplied by different numbers": (
        "/ (1 - p)", "/ (coins >= p).double().mean(1, keepdim=True).clamp(0.01)"),
}

# %% mistake="spatial_dropout" says="in evaluation x comes out as it is"
def spatial_dropout(x, p, generator=None, training=True):
    coins = torch.rand(*x.shape[:2], 1, 1, generator=generator)
    return x * (coins >= p) / (1 - p)

# %% correct="spatial_dropout"
def spatial_dropout(x, p, generator=None, training=True):
    if not training:
        return x
    keep = torch.bernoulli(torch.full(x.shape[:2], 1.0 - p), generator=generator)
    return torch.einsum("nchw,nc->nchw", x, keep.to(x.dtype)) / (1 - p)

# %% correct="spatial_dropout"
def spatial_dropout(x, p, generator=None, training=True):
    if not training:
        return x
    scales = (torch.rand(x.shape[:2], generator=generator) >= p).float() / (1 - p)
    return x * scales[..., None, None].to(x.dtype)

# %% correct="spatial_dropout"
def spatial_dropout(x, p, generator=None, training=True):
    out = x.clone()
    for n in range(len(x) if training else 0):
        keep = torch.rand(x.shape[1], generator=generator) >= p
        out[n, keep] = x[n, keep] / (1 - p)
        out[n, ~keep] = 0
    return out

# %% figure=true
# Your masks for four images of six maps, at p = 0.3.
sent = spatial_dropout(torch.ones(4, 6, 7, 7), 0.3)
sheet = F.pad(sent, (1, 1, 1, 1), value=np.nan).permute(0, 2, 1, 3).reshape(4 * 9, 6 * 9)
fig, (ax,) = plot.figure(1, width=4.5, height=2.8)
ax.imshow(sheet.numpy(), cmap="Blues", vmin=0, vmax=1.8)
ax.set_xticks(9 * np.arange(6) + 4, range(6))
ax.set_yticks(9 * np.arange(4) + 4, range(4))
ax.set(xlabel="map", ylabel="image")
ax.set_title(f"{int((sent == 0).flatten(2).all(2).sum())} of your 24 maps are dropped")
plot.show(fig, "Your masks: four rows of six maps each; what is dropped is pale.")

# %% [markdown]
# ## Blocks
#
# DropBlock (Ghiasi, Lin and Le 2018) drops squares of $b \times b$ pixels, in each map its own. How
# often must squares be dropped, so that a *pixel* is dropped with probability $p$?
#
# A pixel lies in $b^2$ possible squares. If each of them is dropped with probability $\gamma$,
# independently, then the pixel is kept when none of them is:
#
# $$ (1-\gamma)^{b^2} = 1-p . $$
#
# The border needs care. The paper draws only squares that fit into the map. The corner then lies in
# a *single* square, and is hardly ever dropped. The paper's
# $\gamma \approx \frac{p}{b^2} \frac{HW}{(H-b+1)(W-b+1)}$ makes up for that *on average*, if one
# forgets that squares overlap. **We let squares hang over the border**: on a grid of
# $(H+b-1)(W+b-1)$ squares every pixel, even a corner, lies in exactly $b^2$ of them, and the
# equation above is exact everywhere. So is the scale $1/(1-p)$.
#
# ## Exercise: `dropblock`

# %% exercise="dropblock"
def dropblock(x, p, block_size, generator=None, training=True):
    """Drop squares of side `block_size`, in each map its own; the rest is x / (1 - p).

    Squares may hang over the border, by up to block_size - 1 pixels on each side; each is dropped
    independently, so often that every pixel is dropped with probability exactly p.

    x : tensor (N, C, H, W), left as it is
    block_size : whole number, odd or even, from 1 up
    p, generator, training, and what is returned: as for `spatial_dropout`
    """
    check_probability(p)
    if not training or p == 1:
        return 0 * x if training else x.clone()
    ### BEGIN SOLUTION
    b, (N, C, H, W) = block_size, x.shape
    gamma = 1 - (1 - p) ** (1 / b**2)
    falls = torch.rand(N, C, H + b - 1, W + b - 1, generator=generator, device=x.device) < gamma
    keep = F.max_pool2d(falls.float(), b, stride=1) == 0
    return x * keep / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="dropblock"
# Solve the equation above for $\gamma$. At $b=1$ it must give $p$.

# %% [markdown] hint="dropblock"
# Draw a coin for each place of a grid that is $b-1$ larger than the map on both axes. The window
# of $b \times b$ places with its upper left corner at $(i, j)$ belongs to the pixel $(i, j)$.

# %% [markdown] hint="dropblock"
# The pixel is dropped if *any* place of its window is. `F.max_pool2d(…, b, stride=1)` takes the
# maximum over every window, and makes the grid smaller by $b-1$. It wants floats.

# %% check="dropblock" points=2
# The middle pixel is dropped with probability p, by squares of its own map, fresh at each call.
pooled = [("must match", "the mask is larger or smaller than the map. Windows take b - 1 off.")]
ones = torch.ones(40, 15, 5, 5)
with expect.case("dropblock(x, 0.13, 3, generator) on 40 × 15 maps of 5 × 5 ones", crash=pooled):
    out = dropblock(ones.clone(), 0.13, 3, expect.generator())
    expect.tensor(out, (40, 15, 5, 5), torch.float32, hint="return a tensor of x's shape, dtype.")
    expect.equal(bool((out == 0).all()), False,
                 hint="all is dropped. γ is the probability that a square is, not that it stays.")
    expect.equal(bool((out == 0).any()), True,
                 hint="no pixel is 0. Is γ 0? Or is a window's mean taken, and not its largest?")
with expect.case("dropblock(x, p, 3, generator) on 40 × 15 maps of 5 × 5: the pixel in the middle"):
    expect.coins(lambda p, generator: dropblock(ones.clone(), p, 3, generator)[:, :, 2, 2],
                 p=(0.13, 0.3, 0.5), axes=("image", "map"), source=expect.generator, none=True,
                 suspects=[
        (lambda p: 1 - (1 - p) ** 9,
         "γ is p itself. A pixel lies in b² squares: it is dropped far too often."),
        (lambda p: 1 - (1 - p / 9) ** 9,
         "γ = p / b² ignores that squares overlap: too few pixels are dropped."),
        (lambda p: 1 - (1 - p / 9 * 25 / 9) ** 9,
         "that is the paper's γ: the middle is dropped too often."),
        (lambda p: 1 - (1 - p) ** 3, "γ takes the b-th root. A square has b² pixels."),
    ])

# %% check="dropblock" points=1
# At the border and in the corners a pixel is dropped as often as in the middle.
with expect.case("dropblock(x, 0.3, 3, generator) on 20 000 maps of 5 × 5 ones, at the border"):
    gone = (dropblock(torch.ones(200, 100, 5, 5), 0.3, 3, expect.generator()) == 0).double()
    ok = abs(gone[:, :, 2, 2].mean() - 0.3) < 0.03  # the middle falls as often as it should
    rarely = [
        (1 - 0.7 ** (1 / 9), "only one square reaches the corner: those that hang over are missing."
                             " Draw on a larger grid."),
        (1 - 0.7 ** (4 / 9), "the corner is dropped too rarely: squares also begin outside of the "
                             "map."),
    ]
    expect.mean(gone[:, :, -1, -1], 0.3, of=(0, 1), suspects=rarely if ok else [],
                hint="the lower right corner is dropped at another rate.")
    expect.mean(gone[:, :, 0, 0], 0.3, of=(0, 1),
                hint="the upper left corner is dropped at another rate.", suspects=[
        (1 - 0.7 ** (1 / 9), "squares reach the lower right corner, but not the upper left one: "
                             "begin above and left of the map."),
    ] if ok else [])
    for i in range(5):
        for j in range(5):
            expect.mean(gone[:, :, i, j], 0.3, of=(0, 1),
                        hint=f"pixel ({i}, {j}) is dropped at another rate than the rest.")

# %% check="dropblock" points=2
# Squares are dropped: two pixels are dropped together as often as squares hold both.
for b in (2, 3):
    with expect.case(f"dropblock(x, 0.2, {b}) on 20 000 maps: pixels dropped together",
                     crash=[("must match", "for an even block_size the mask has another size than "
                                           "the map: the same padding on both sides cannot do.")]):
        gone = (dropblock(torch.ones(200, 100, 4, 4), 0.2, b) == 0).double()
        expect.mean(gone[:, :, 1, 1], 0.2, of=(0, 1), hint="γ does not fit this block_size.")
        far = (gone[:, :, 0, 0] * gone[:, :, 0, 3]).mean()  # 0.04, if a square of side 3 is all
        for way, i, j in (("in a row", 0, 1), ("in a column", 1, 0), ("on a diagonal", 1, 1)):
            for step in (1, b):
                both = gone[:, :, 0, 0] * gone[:, :, i * step, j * step]
                right, larger = (
                    2 * 0.2 - 1 + 0.8 ** (2 - max(k - i * step, 0) * max(k - j * step, 0) / k**2)
                    for k in (b, b + 1))  # of the k² squares over one pixel, how many hold both?
                known = [(0.04, f"neighbours {way} are dropped independently: a coin must drop a "
                                "square of pixels."),
                         (0.2, f"neighbours {way} are always dropped together: the squares lie on "
                               "a fixed grid, or are too large. Any pixel may be a corner.")]
                if b > 2 or far < 0.055:
                    known.append((larger, "the squares' side is b + 1."))
                expect.mean(both, right, of=(0, 1), suspects=known[step // b :],
                            hint=f"pixels {way}, {step} apart: no {b} × {b} square is dropped.")
with expect.case("dropblock(x, 0.5, 2) on 20 000 maps: three pixels in a row"):
    gone = (dropblock(torch.ones(200, 100, 4, 4), 0.5, 2) == 0).double()
    expect.mean(gone[:, :, 0, :3].prod(-1), 2 * 0.5**1.5 - 0.5, of=(0, 1),
                hint="a map's squares are not dropped independently: do they lie on a grid?")
with expect.case("dropblock(x, 0.2, 8) on 20 000 maps of 4 × 4: both ends of a row"):
    gone = (dropblock(torch.ones(200, 100, 4, 4), 0.2, 8) == 0).double()
    expect.mean(gone[:, :, 0, 0] * gone[:, :, 0, 3], 2 * 0.2 - 1 + 0.8 ** (2 - 5 / 8), of=(0, 1),
                hint="squares larger than the map are not dropped as they should be.", suspects=[
        (2 * 0.2 - 1 + 0.8 ** (2 - 1 / 4), "the squares are made no larger than the map. Keep "
                                           "their side: they may hang over the border."),
    ])

# %% check="dropblock" points=1
# At block_size 1 it is the dropout of single pixels, each with a coin of its own.
sides = [("dimension [23]", "the mask does not fit a map of 10 × 12. Are H and W mixed up?")]
with expect.case("dropblock(x, p, 1, generator) on 4 × 5 maps of 10 × 12 ones", crash=sides):
    expect.coins(lambda p, generator: dropblock(torch.ones(4, 5, 10, 12), p, 1, generator),
                 axes=("image", "map", "row", "column"), source=expect.generator)

# %% check="dropblock" points=1
# What is kept is x / (1 - p), in a new tensor, and maps need not be square.
maps = 1 + torch.rand(60, 4, 5, 7, generator=expect.generator(), dtype=torch.float64)
before = maps.clone()
with expect.case("dropblock(x, 0.3, 3, generator) on 60 × 4 maps of 5 × 7"):
    out = dropblock(maps, 0.3, 3, expect.generator())
    expect.unchanged(maps, before)
    expect.tensor(out, (60, 4, 5, 7), torch.float64, hint="return a tensor of x's shape, dtype.")
    ratios = out / before
    each = torch.cat([ratios.mean((2, 3)).flatten(), torch.ones(1)])
    by_count = abs(ratios.mean() - 1) < 1e-5 or (each[each > 0] - 1).abs().max() < 1e-5
    by_count = by_count and (ratios == 0).any()
    counted = [(float(ratios.max()), "the scale counts the mask's own ones, as the paper does. "
                                     "Take 1 / (1 - p): then each pixel's mean is right, and "
                                     "images do not depend on each other.")] if by_count else []
    expect.only(ratios, (0, 1 / 0.7), rtol=1e-5, hint="what is kept is x / (1 - p).", suspects=[
        *counted,
        (1, "no renormalisation: divide what is kept by 1 - p."),
        (1 / 0.3, "what is kept is divided by p. Divide it by 1 - p."),
        (0.7, "what is kept is multiplied by 1 - p. Divide it by that."),
    ])
    expect.some(out != 0, "an entry that is kept", hint="everything is dropped. Mend that first.")
with expect.case("dropblock(x, 0.3, 3, generator, training=False)"):
    expect.equal(dropblock(maps.clone(), 0.3, 3, expect.generator(), training=False), before,
                 hint="in evaluation x comes out as it is. The stub brings these lines.")

# %% check="dropblock" points=1
# The dtype stays and does not change the rate, and the gradient goes the same way.
for dtype in (torch.float16, torch.bfloat16, torch.float32):
    with expect.case(f"dropblock(x, 0.5, 3), {dtype}"):
        expect.tensor(dropblock(torch.ones(2, 3, 4, 4, dtype=dtype), 0.5, 3), (2, 3, 4, 4), dtype,
                      hint="the result has another dtype. A boolean mask keeps it.")
with expect.case("dropblock(x, 0.01, 2, generator) on 400 000 maps of one pixel, torch.bfloat16"):
    fine = torch.ones(1000, 400, 1, 1, dtype=torch.bfloat16)
    expect.mean(dropblock(fine, 0.01, 2, expect.generator()) == 0, 0.01, of=(0, 1),
                hint="another share is dropped. If check 1 passes, the coins are bfloat16. "
                     "Draw in float32.")
x = torch.ones(5, 20, 4, 4, dtype=torch.float64, requires_grad=True)
with expect.case("y = dropblock(x, 0.5, 2); y.sum().backward(); x.grad", crash=[
    ("does not require grad", "the result has no gradient: work with x itself, in torch."),
]):
    out = dropblock(x, 0.5, 2)
    out.sum().backward()
    expect.close(x.grad, out.detach(), hint="the gradient goes through the same mask and scale.")

# %% mistakes="dropblock"
{
    "not that it stays": ("1 - (1 - p) **", "(1 - p) **"),
    "and not its largest": ("F.max_pool2d(falls.float(), b, stride=1) == 0",
                            "1 - F.avg_pool2d(falls.float(), b, stride=1)"),
    "γ is p itself": ("1 - (1 - p) ** (1 / b**2)", "p"),
    "ignores that squares overlap": ("1 - (1 - p) ** (1 / b**2)", "p / b**2"),
    "the paper's γ": ("1 - (1 - p) ** (1 / b**2)", "p / b**2 * H * W / (H - b + 1) / (W - b + 1)"),
    "b-th root": ("b**2", "b"),
    "p is swapped": ("1 - (1 - p) **", "1 - p **"),
    "Windows take b - 1 off": ("H + b - 1, W + b - 1", "H, W"),
    "Are H and W mixed up": ("W + b - 1, generator", "H + b - 1, generator"),
    "every image has the same mask": ("rand(N,", "rand(1,"),
    "every map has the same mask": ("rand(N, C", "rand(N, 1"),
    "a seed is set inside": ("=generator,", "=torch.Generator().manual_seed(0),"),
    "do not come from the given": (" generator=generator,", ""),
    "an exact number is dropped": (
        "torch.rand(N, C, H + b - 1, W + b - 1, generator=generator, device=x.device) < gamma",
        """torch.randperm(N * C * (H + b - 1) * (W + b - 1), generator=generator) + 0.5
    falls = (falls < gamma * len(falls)).reshape(N, C, H + b - 1, W + b - 1)"""),
    "those that hang over are missing":
        ("falls.float()", "F.pad(falls[..., b - 1 : H, b - 1 : W].float(), [b - 1] * 4)"),
    "squares also begin outside":
        ("falls.float(), b, stride=1)", "falls[..., :H, :W].float(), b, 1, b // 2)"),
    "begin above and left":
        ("falls.float()", "F.pad(falls[..., b - 1 :, b - 1 :].float(), [b - 1, 0] * 2)"),
    "the same padding on both sides cannot do":
        ("H + b - 1, W + b - 1", "H + 2 * (b // 2), W + 2 * (b // 2)"),
    "side is b + 1": ("= block_size,", "= 2 * (block_size // 2) + 1,"),
    "neighbours in a row are dropped independently": ("= block_size,", "= 1,"),
    "made no larger than the map": ("= block_size,", "= min(block_size, *x.shape[2:]),"),
    "no renormalisation": (" / (1 - p)\n", "\n"),
    "what is kept is divided by p": ("keep / (1 - p)", "keep / p"),
    "what is kept is multiplied by 1 - p": ("keep / (1 - p)", "keep * (1 - p)"),
    "counts the mask's own ones": ("keep / (1 - p)", "keep / keep.double().mean()"),
    "writes into its input": ("x * keep", "x.mul_(keep)"),
    "has another dtype": ("x * keep", "x * keep.float()"),
    "Draw in float32": ("device=x.device", "device=x.device, dtype=x.dtype"),
    "the result has no gradient": ("x * keep", "x.detach() * keep"),
    "the same mask and scale": ("x * keep", "(x - x.detach() + x.detach() * keep)"),
}

# %% mistake="dropblock" says="do they lie on a grid"
def dropblock(x, p, block_size, generator=None, training=True):
    b, (N, C, H, W) = block_size, x.shape
    rows, columns = (
        (torch.randint(b, (N, C, 1), generator=generator) + torch.arange(size)) // b
        for size in (H, W))  # the tile of each pixel, on a grid that each map shifts
    coins = torch.rand(N, C, H, W, generator=generator).flatten(2)
    tiles = (rows[..., None] * W + columns[..., None, :]).clamp(max=H * W - 1)
    return x * (coins.gather(2, tiles.flatten(2)) >= p).reshape(x.shape) / (1 - p)

# %% mistake="dropblock" says="in evaluation x comes out as it is"
def dropblock(x, p, block_size, generator=None, training=True):
    b, (N, C, H, W) = block_size, x.shape
    keep = torch.rand(N, C, H + b - 1, W + b - 1, generator=generator) < (1 - p) ** (1 / b**2)
    return x * keep.unfold(2, b, 1).unfold(3, b, 1).all(-1).all(-1) / (1 - p)

# %% mistake="dropblock" says="neighbours in a column are dropped independently"
def dropblock(x, p, block_size, generator=None, training=True):
    b, (N, C, H, W) = block_size, x.shape
    falls = torch.rand(N, C, H, W + b - 1, generator=generator) < 1 - (1 - p) ** (1 / b)
    return x * (F.max_pool2d(falls.float(), (1, b), stride=1) == 0) / (1 - p)

# %% mistake="dropblock" says="the squares lie on a fixed grid"
def dropblock(x, p, block_size, generator=None, training=True):
    b, (N, C, H, W) = block_size, x.shape
    coins = torch.rand(N, C, -(-H // b), -(-W // b), generator=generator)
    coins = coins.repeat_interleave(b, 2).repeat_interleave(b, 3)[:, :, :H, :W]
    return x * (coins >= p * training) / (1 - p * training)

# %% correct="dropblock"
def dropblock(x, p, block_size, generator=None, training=True):
    b, (N, C, H, W) = block_size, x.shape
    keep = torch.rand(N, C, H + b - 1, W + b - 1, generator=generator) < (1 - p) ** (1 / b**2)
    keep = keep.unfold(2, b, 1).unfold(3, b, 1).all(-1).all(-1)
    return x * keep / (1 - p) if training else x

# %% correct="dropblock"
def dropblock(x, p, block_size, generator=None, training=True):
    b, (N, C, H, W) = block_size, x.shape
    chance = torch.full((N * C, 1, H + 2 * b, W + 2 * b), 1 - (1 - p) ** (1 / b**2))
    hits = F.conv2d(torch.bernoulli(chance, generator=generator), torch.ones(1, 1, b, b))
    keep = (hits < 0.5)[:, :, 1 : H + 1, 1 : W + 1].reshape(x.shape)
    return torch.where(keep, x / (1 - p), torch.zeros_like(x)) if training else x.clone()

# %% [markdown]
# **How often is the middle pixel of a 7 × 7 map dropped at "$p = 0.3$", $b = 3$, by the paper's
# squares?**

# %% guess=true
my_rate = 0.3  # probability that the middle pixel is dropped

# %% figure=true
# Your maps, and how often each pixel is kept: with your squares, and with squares that fit.
guess = expect.guess(my_rate)


def paper_kept(shape, p, b):
    """The squares of the paper: only those that fit, with its γ (odd b)."""
    N, C, H, W = shape
    gamma = p / b**2 * H * W / ((H - b + 1) * (W - b + 1))
    falls = (torch.rand(N, C, H - b + 1, W - b + 1) < gamma).float()
    return F.max_pool2d(F.pad(falls, [b - 1] * 4), b, stride=1) == 0


shape = 1000, 20, 7, 7
own = (dropblock(torch.ones(shape), 0.3, 3) != 0).float()
kept_at = {"Yours": own.mean((0, 1)).numpy(),
           "Squares that fit": paper_kept(shape, 0.3, 3).float().mean((0, 1)).numpy()}
fig, axes = plot.figure(3, width=9, height=3)
sheet = own[:4, :4].permute(0, 2, 1, 3).reshape(28, 28).numpy()
axes[0].imshow(sheet, cmap="Blues", vmin=0, vmax=1.4)
axes[0].set_xticks(7 * np.arange(1, 4) - 0.5, [])
axes[0].set_yticks(7 * np.arange(1, 4) - 0.5, [])
axes[0].grid(color=plot.INK, linewidth=1)
axes[0].set(title="16 of your maps", xlabel="pale: dropped")
for ax, (name, by_place) in zip(axes[1:], kept_at.items(), strict=True):
    ax.imshow(by_place, cmap="Blues", vmin=0.3, vmax=1.2)
    for (i, j), value in np.ndenumerate(by_place):
        ax.text(j, i, f"{value:.2f}"[1:], ha="center", va="center", fontsize=8)
    ax.set(title=f"{name}: kept {by_place.min():.2f} to {by_place.max():.2f}",
           xlabel=f"on average {by_place.mean():.2f}")
for ax in axes:
    ax.tick_params(length=0, labelbottom=False, labelleft=False)
mine, fitting = kept_at.values()
axes[2].set_xlabel(f"the middle dropped: {1 - fitting[3, 3]:.2f} (you: {guess:g})\n"
                   f"on average kept {fitting.mean():.2f}")
plot.show(fig, "16 of your maps, and how often each pixel is kept: with your squares, and with "
               f"squares that fit. These drop the middle in {1 - fitting[3, 3]:.2f} of the maps; "
               f"you said {guess:g}.",
          claims={"every-pixel-alike": bool(np.abs(mine - 0.7).max() < 0.025),
                  "fitting-squares-hit-the-middle":
                      bool(fitting[3, 3] < 0.58 and abs(15 * (1 - fitting[0, 0]) - 1) < 0.15)})

# %% [markdown]
# With your squares every pixel is kept with probability 0.7.{{claim:every-pixel-alike}} Squares
# that fit drop the middle in nearly half of the maps, and a corner in one of
# fifteen.{{claim:fitting-squares-hit-the-middle}} "$p = 0.3$" is then neither what the middle
# loses nor what the map loses on average. On large maps and at small $p$ the two ways agree well.
#
# ## Branches
#
# Stochastic depth (Huang et al. 2016) drops the *branch* of a residual block, $h + f(h)$, for a
# whole image at once. Only $f(h)$ is dropped: without $h$, nothing would be left of the image. Each
# image has its own coin. (The paper draws one for the whole batch, and scales at test time. Later
# code does as we do.)
#
# ## Exercise: `drop_path`

# %% exercise="drop_path"
def drop_path(x, p, generator=None, training=True):
    """Drop each sample of a branch's output with probability p; the others are x / (1 - p).

    x : tensor (N, ...) with any number of axes after the first, left as it is
    p, generator, training, and what is returned: as for `spatial_dropout`
    """
    check_probability(p)
    if not training or p == 1:
        return 0 * x if training else x.clone()
    ### BEGIN SOLUTION
    one_each = len(x), *[1] * (x.dim() - 1)
    return x * (torch.rand(one_each, generator=generator, device=x.device) >= p) / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="drop_path"
# Only the shape of the coins is new, and it depends on how many axes x has.

# %% [markdown] hint="drop_path"
# One coin for each entry of the first axis, and axes of length 1 for the rest.

# %% [markdown] hint="drop_path"
# `x.dim()` counts the axes. `[1] * 3` is a list of three ones, and `*` unpacks it in a shape.

# %% check="drop_path" points=2
# A sample is dropped as a whole, by a coin of its own, fresh at each call and from generator alone.
lines_up = [("must match|expand", "the coins do not line up with x. Do they have as many axes, all "
                                  "but the first of length 1?")]
with expect.case("drop_path(x, p, generator) on 600 samples of 2 × 2 × 2 ones", crash=lines_up):
    ones = torch.ones(600, 2, 2, 2)
    out = drop_path(ones.clone(), 0.5, expect.generator())
    expect.tensor(out, (600, 2, 2, 2), hint="return a tensor of x's shape.")
    expect.equal(out.unique().tolist() == [1, 2], False,
                 hint="a dropped sample comes out as it was. x is what a branch adds: of a dropped "
                      "one, nothing is left.")
    expect.coins(lambda p, generator: drop_path(ones.clone(), p, generator), shared=(1, 2, 3),
                 scale=lambda p: 1 / (1 - p), source=expect.generator, none=True)
with expect.case("drop_path(x, 0.5, generator), 200 times on a batch of one sample"):
    source = expect.generator()
    sent = torch.stack([drop_path(torch.ones(1, 2, 2, 2), 0.5, source) for _ in range(200)])
    expect.mean(sent[:, 0, 0, 0, 0] == 0, 0.5, of=(0, 1),
                hint="a sample that is alone has other odds. A whole batch may be dropped.")

# %% check="drop_path" points=1
# Samples may have any number of axes: what survives is x / (1 - p), in a new tensor.
for shape in ((60, 2, 3, 3), (60, 5), (60,)):
    x = 1 + torch.rand(shape, generator=expect.generator(), dtype=torch.float64)
    before = x.clone()
    with expect.case(f"drop_path(x, 0.3, generator) on x of shape {shape}",
                     crash=[("must match|expand|[Dd]imension|index|unpack",
                             "the coins fit one number of axes only. Count x's.")]):
        out = drop_path(x, 0.3, expect.generator())
        expect.unchanged(x, before)
        expect.tensor(out, shape, torch.float64,
                      hint="the result has another shape: count x's axes for the coins.")
        expect.only(out / before, (0, 1 / 0.7), rtol=1e-5, hint="a survivor is x / (1 - p).")
        expect.some(out != 0, "an entry that is kept",
                    hint="everything is dropped. Mend that first.")
        expect.equal(drop_path(x, 0.3, expect.generator(), training=False), before,
                     hint="in evaluation x comes out as it is. The stub brings these lines.")

# %% check="drop_path" points=1
# The dtype stays and does not change the rate, and the gradient goes the same way.
for dtype in (torch.float16, torch.bfloat16, torch.float32):
    with expect.case(f"drop_path(x, 0.5), {dtype}"):
        expect.tensor(drop_path(torch.ones(8, 3, dtype=dtype), 0.5), (8, 3), dtype,
                      hint="the result has another dtype or shape. A boolean mask keeps the dtype, "
                           "and coins with as many axes as x the shape.")
with expect.case("drop_path(x, 0.01, generator) on 400 000 samples, torch.bfloat16"):
    fine = torch.ones(400_000, 1, dtype=torch.bfloat16)
    expect.mean(drop_path(fine, 0.01, expect.generator()) == 0, 0.01, of=(0, 1),
                hint="another share is dropped. If check 1 passes, the coins are bfloat16. "
                     "Draw in float32.")
x = torch.ones(60, 3, dtype=torch.float64, requires_grad=True)
with expect.case("y = drop_path(x, 0.5); y.sum().backward(); x.grad", crash=[
    ("does not require grad", "the result has no gradient: work with x itself, in torch."),
]):
    out = drop_path(x, 0.5)
    out.sum().backward()
    expect.close(x.grad, out.detach(), hint="the gradient goes through the same coins and scale.")

# %% mistakes="drop_path"
{
    "not scaled": (" / (1 - p)", ""),
    "divided by p": ("/ (1 - p)", "/ p"),
    "a dropped sample comes out as": (
        "* (torch.rand(one_each, generator=generator, device=x.device) >= p) / (1 - p)",
        "/ (1 - p * (torch.rand(one_each, generator=generator, device=x.device) >= p))"),
    "every sample has the same mask": ("rand(one_each", "rand(()"),
    "the coins do not line up": ("one_each, ", "len(x), "),
    "has a coin of its own": ("len(x), *[1] * (x.dim() - 1)", "(*x.shape[:2], 1, 1)"),
    "p is swapped": (">= p", "< p"),
    "do not come from the given": ("generator=generator, ", ""),
    "a seed is set inside": ("=generator,", "=torch.Generator().manual_seed(0),"),
    "count x's axes": ("len(x), *[1] * (x.dim() - 1)", "(len(x), 1, 1, 1)"),
    "the coins fit one number": ("one_each = ", "N, C, H, W = x.shape\n    one_each = "),
    "writes into its input": ("x * (torch", "x.mul_(torch"),
    "a survivor is x": ("x * (torch", "torch.ones_like(x) * (torch"),
    "has another dtype": ("device=x.device) >= p)", "device=x.device) >= p).float()"),
    "Draw in float32": ("device=x.device", "device=x.device, dtype=x.dtype"),
    "the result has no gradient": ("x * (torch", "x.detach() * (torch"),
    "the same coins and scale": ("x * (torch", "x - x.detach() + x.detach() * (torch"),
}

# %% mistake="drop_path" says="a sample that is alone has other odds"
def drop_path(x, p, generator=None, training=True):
    kept = torch.rand(len(x), *[1] * (x.dim() - 1), generator=generator) >= p
    kept[0] |= ~kept.any()  # at least one
    return x * kept / (1 - p) if training and p < 1 else x * (not training)

# %% mistake="drop_path" says="in evaluation x comes out as it is"
def drop_path(x, p, generator=None, training=True):
    one_each = len(x), *[1] * (x.dim() - 1)
    return x * (torch.rand(one_each, generator=generator) >= p) / (1 - p)

# %% correct="drop_path"
def drop_path(x, p, generator=None, training=True):
    keep = torch.bernoulli(torch.full((len(x),), 1.0 - p), generator=generator).to(x.dtype)
    return torch.einsum("n...,n->n...", x, keep) / (1 - p) if training else x

# %% [markdown]
# ## Two that change the data
#
# Cutout and mixup change the images on their way in; nothing is rescaled. **Cutout** (DeVries and
# Taylor 2017) blanks one square in each image, at a random place, in all channels alike. Its
# *centre* is uniform over the pixels, so a square may hang over the border. The authors found this
# critical: some images then stay nearly whole.
#
# ## Exercise: `cutout`

# %% exercise="cutout"
def cutout(x, size, generator=None):
    """Set one square of side `size` to 0 in each image, in all of its channels alike.

    Its centre is a pixel drawn uniformly from the image; what hangs over the border is lost. For
    an even size the centre is any of the four middle pixels, as you like. Nothing is scaled.

    x : tensor (N, C, H, W), left as it is
    size : whole number, odd or even, from 1 up
    generator : torch.Generator, or None for torch's own; the only source of randomness
    Returns a new tensor of x's shape, dtype and device.
    """
    ### BEGIN SOLUTION
    out, half = x.clone(), size // 2
    for image in out:
        i, j = (int(torch.randint(length, (), generator=generator)) for length in x.shape[2:])
        image[:, max(0, i - half) : i - half + size, max(0, j - half) : j - half + size] = 0
    return out
    ### END SOLUTION

# %% [markdown] hint="cutout"
# Draw a row and a column for each image, with `torch.randint`. The square begins `size // 2` above
# and left of them.

# %% [markdown] hint="cutout"
# A loop over the images of a copy of x, with slices, will do.

# %% [markdown] hint="cutout"
# A slice may end beyond the border, but must not begin at a negative number: that counts from the
# other end.

# %% check="cutout" points=2
# One square is set to 0 in each image, at most `size` wide, in all channels alike.
x = 1 + torch.rand(3000, 2, 6, 9, generator=expect.generator())
before = x.clone()
larger = "the square is too large: its side is `size` in all, not to each side of the centre."
sizes = [(2, "size // 2 on both sides makes an odd square too small: count its pixels."),
         (4, "the square is one pixel too large: count its pixels."),
         (5, larger), (6, larger), (7, larger)]
with expect.case("cutout(x, 3, generator) on 3000 images of 2 × 6 × 9"):
    out = cutout(x, 3, expect.generator())
    expect.unchanged(x, before)
    expect.tensor(out, (3000, 2, 6, 9), torch.float32, hint="return a tensor of x's shape.")
    expect.only(out / x, (0, 1), rtol=1e-5, hint="a pixel is 0 or as it was: nothing is scaled.")
    gone = (out == 0)[:, 0]
    expect.equal((out == 0)[:, 1], gone, hint="each channel has its own square. Cut all alike.")
    expect.varies(gone, chance=1e-9, what="images with different squares",
                  hint="all images lose the same pixels, or none. Each has a square of its own.")
    rows, columns = gone.any(2), gone.any(1)
    expect.equal(gone, rows[:, :, None] & columns[:, None, :],
                 hint="that is no rectangle: a pixel is blank where its row and its column are.")
    for side, name in ((rows, "rows"), (columns, "columns")):
        expect.varies(side, chance=1e-9, what=f"images that lose different {name}",
                      hint=f"all images lose the same {name}. Draw a row and a column for each.")
    expect.equal(int(rows.sum(1).max()), 3, hint="the square has another height than `size`.",
                 suspects=sizes)
    expect.equal(int(columns.sum(1).max()), 3, hint="the square has another width than `size`.",
                 suspects=sizes)
    for side in (rows, columns):
        expect.equal(int(side.sum(1).min()), 2, suspects=[
            (3, "the squares never hang over the border. Draw the centre from all pixels."),
            (0, "some squares miss the image: H and W are mixed up, or a slice begins below 0."),
        ], hint="a square whose centre is a pixel loses one of its 3 rows at the border, not two.")

# %% check="cutout" points=1
# The side of a square may be even, or 1, and the dtype stays.
for size in (4, 1):
    with expect.case(f"cutout(x, {size}): the largest height and width of a square"):
        out = cutout(torch.ones(3000, 1, 6, 9, dtype=torch.bfloat16), size)
        expect.tensor(out, (3000, 1, 6, 9), torch.bfloat16, hint="the result has another dtype.")
        gone = (out == 0)[:, 0]
        for side in (gone.any(2), gone.any(1)):
            expect.equal(int(side.sum(1).max()), size,
                         hint="at this size the square has another side than `size`.",
                         suspects=[(size + 1, "this size gives a side of size + 1.")])
with expect.case("cutout(x, 40) on images of 6 × 9: the pixels that stay"):
    expect.equal(int((cutout(torch.ones(50, 1, 6, 9), 40) != 0).sum()), 0, hint="so large a square "
                 "covers the image wherever its centre lies. What hangs over is lost.")

# %% check="cutout" points=2
# The centre of the square is uniform over the image.
with expect.case("cutout(x, 3, generator) on 10 000 images of 6 × 9: which pixels are blank"):
    gone = (cutout(torch.ones(10_000, 1, 6, 9), 3, expect.generator()) == 0).double()[:, 0]
    expect.equal(bool(gone.any(0).all()), True, hint="some pixels are never blank. Draw a row of "
                                                     "H and a column of W, each by itself.")
    expect.mean(gone[:, 0, 0], 4 / 54, of=(0, 1),
                hint="the upper left corner is blank at another rate than its place allows.",
                suspects=[(4 / 40, "the last row and column are never drawn: `randint` leaves out "
                                   "its upper end.")])
    for side in (gone.any(2), gone.any(1)):
        expect.equal(int(side.sum(1)[side[:, 0]].min()), 2, hint="squares at the upper or the left "
                     "border are shifted inside. What hangs over is lost.")
    for i in range(6):
        for j in range(9):
            places = (3 - (i in (0, 5))) * (3 - (j in (0, 8)))
            expect.mean(gone[:, i, j], places / 54, of=(0, 1),
                        hint=f"pixel ({i}, {j}) is blank at another rate than its place allows.")
    first = gone.flatten(1).argmax(1)
    for far in (1, 5000):
        expect.mean(first[far:] == first[:-far], 8 / 36 * 11 / 81, of=(0, 1),
                    hint=f"of two images {far} apart, one's square predicts the other's. Draw each "
                         "by itself.")

# %% check="cutout" points=1
# The places come from generator, fresh at each call.
x = torch.ones(100, 1, 8, 8)
with expect.case("cutout(x, 3, generator) twice with the same generator, and twice without one"):
    for generator in (expect.generator(), None):
        expect.varies([cutout(x.clone(), 3, generator) for _ in range(2)], chance=1e-9,
                      what="other squares", hint="each call cuts the same squares: a seed is set "
                                                 "inside, or no place is drawn at all.")
with expect.case("cutout(x, 3, generator) with two generators of seed 7"):
    first, second = (cutout(x, 3, torch.Generator().manual_seed(7)) for _ in "ab")
    expect.repeats(first, second, hint="the places do not come from generator. Hand it on.")
with expect.case("cutout(x, 3) twice, torch's own generator in the same state"):
    state = expect.ask("rng_state")
    first = cutout(x, 3)
    expect.ask("set_rng_state", state)
    expect.repeats(first, cutout(x, 3), hint="without a generator the places do not come from "
                                             "torch's own.")

# %% mistakes="cutout"
{
    "never hang over the border": ("randint(length, (",
                                   "randint(size // 2, length - size // 2, ("),
    "are shifted inside": (
        "image[:, max(0, i - half) : i - half + size, max(0, j - half) : j - half + size]",
        "i, j = max(0, i - half), max(0, j - half)\n        image[:, i : i + size, j : j + size]"),
    "too small: count": ("half + size, max", "half + 2 * half, max"),
    "one pixel too large": ("half + size, max", "half + size + 1, max"),
    "the square is too large": ("i - half) : i - half + size,", "i - size) : i + size,"),
    "a side of size + 1": ("half + size, max", "half + 2 * half + 1, max"),
    "another side than": ("for image in out:", "for image in out[: len(out) * (size > 1)]:"),
    "the result has another dtype": ("return out", "return out.float()"),
    "loses one of its 3 rows": (", size // 2", ", 0"),
    "all images lose the same": ("    for image in out:\n        i, j = (int(torch.randint(length, "
                                 "(), generator=generator)) for length in x.shape[2:])",
                                 "    i, j = (int(torch.randint(length, (), generator=generator)) "
                                 "for length in x.shape[2:])\n    for image in out:"),
    "lose the same rows": ("    for image in out:\n        i, j = (",
                           "    i = int(torch.randint(x.shape[2], (), generator=generator))\n"
                           "    for image in out:\n"
                           "        i, j = (i if length == x.shape[2] else "),
    "some pixels are never blank": ("randint(length", "randint(min(x.shape[2:])"),
    "each channel has its own": ("in out:", "in out.flatten(0, 1).unsqueeze(1):"),
    "writes into its input": ("x.clone()", "x"),
    "a slice begins below 0": ("max(0, i - half)", "i - half"),
    "nothing is scaled": ("return out", "return out / (1 - size**2 / x[0, 0].numel())"),
    "leaves out its upper end": ("randint(length", "randint(length - 1"),
    "a seed is set inside": ("half = x.clone(), size // 2", "half = x.clone(), size // 2\n"
                             "    generator = torch.Generator().manual_seed(0)"),
    "do not come from generator": (", generator=generator", ""),
    "do not come from torch's own": (
        "int(torch.randint(length, (), generator=generator))",
        "(int(torch.randint(length, (), generator=generator)) if generator\n"
        "                 else np.random.randint(length))"),
    "covers the image": ("x.clone(), size // 2", "x.clone(), min(size, 9) // 2\n"
                         "    size = min(size, 9)"),
    "images 1 apart": ("    return out", "    return torch.where(out[::2].repeat_interleave(2, 0)"
                       "[: len(out)] == 0, out * 0, x.clone())"),
    "images 5000 apart": ("    return out", "    half = -(-len(x) // 2)\n    return torch.where("
                          "out[:half].repeat(2, 1, 1, 1)[: len(x)] == 0, out * 0, x.clone())"),
}

# %% mistake="cutout" says="is no rectangle"
def cutout(x, size, generator=None):
    out, half = x.clone(), size // 2
    for image in out:
        i, j = (int(torch.randint(length, (), generator=generator)) for length in x.shape[2:])
        image[:, max(0, i - half) : i - half + size] = 0
        image[:, :, max(0, j - half) : j - half + size] = 0
    return out

# %% mistake="cutout" says="the upper left corner is blank at another rate"
def cutout(x, size, generator=None):
    out, half = x.clone(), size // 2
    for image in out:
        i, j = (int((length / 2 + length / 4 * torch.randn((), generator=generator))
                    .clamp(0, length - 1)) for length in x.shape[2:])
        image[:, max(0, i - half) : i - half + size, max(0, j - half) : j - half + size] = 0
    return out

# %% correct="cutout"
def cutout(x, size, generator=None):
    N, _, H, W = x.shape
    inside = []
    for length in (H, W):
        centre = torch.randint(length, (N, 1), generator=generator, device=x.device)
        offset = torch.arange(length, device=x.device) - centre + (size - 1) // 2
        inside.append((offset >= 0) & (offset < size))
    return x.masked_fill(inside[0][:, None, :, None] & inside[1][:, None, None, :], 0)

# %% [markdown]
# **Mixup** (Zhang et al. 2018) is given. It mixes each image with another of the batch,
# $\lambda x_i + (1-\lambda)\,x_j$, and asks for both labels in those proportions. At small
# $\alpha$, $\lambda \sim \mathrm{Beta}(\alpha, \alpha)$ is nearly always close to 0 or 1.

# %%
def mixup(x, y, alpha, generator=None):
    """λ x + (1 - λ) x', the labels of x and of x', and λ."""
    uniform = torch.rand((), generator=generator, dtype=torch.float64).item()
    lam = float(special.betaincinv(alpha, alpha, uniform))
    partner = torch.randperm(len(x), generator=generator)
    return lam * x + (1 - lam) * x[partner], y, y[partner], lam


some = X_test[:8]
mixed, _, _, lam = mixup(some, y_test[:8], 1.0)
fig, (ax,) = plot.figure(1, width=6, height=2.4)
rows = [F.pad(row[:, 0], (1, 1, 1, 1)) for row in (some, 1 - cutout(1 - some, 5), mixed)]
plot.image(torch.cat([torch.cat(list(row), 1) for row in rows]).numpy(), ax, largest=1)
ax.set_yticks([7.5, 23.5, 39.5], ["image", "your cutout", f"mixup, λ = {lam:.2f}"])
ax.tick_params(length=0)
ax.set_title("Your squares of side 5 (drawn black)")
plot.show(fig, "Eight characters, the same after your cutout, and mixed with one another.")

# %% [markdown]
# ## Explore: every mask on the same maps
#
# Two images with three maps each under your functions. Below each sheet you see how many of the
# dropped pixels still have a *kept* neighbour. (Cutout is meant for the input; here it cuts maps.)
#
# **Try**: from which block size on do fewer than half of DropBlock's holes have a kept neighbour,
# at $p = 0.3$? Which three never look at $b$, and which one never at $p$?

# %%
explore.maps(spatial_dropout, dropblock, drop_path, cutout)

# %% [markdown]
# ## The same p is not the same noise
#
# At the same $p$, every kind gives an entry of 1 the same variance, $p/(1-p)$. But the next layer
# sums over entries, and what is dropped together doesn't average out. So we measure at the logits.
# The *loudness* of a kind is the variance of the logits over masks, divided by their variance over
# images. Your functions act after each block, and `drop_path` on the branches, in the three
# networks that were trained without dropout. **At $p = 0.2$, how many times as loud as element
# dropout is spatial dropout?**

# %% guess=true
my_ratio = 5.0  # loudness of spatial dropout / loudness of element dropout

# %% figure=true
# The loudness of your functions, over p: takes some 10 seconds.
guess = expect.guess(my_ratio)
yours = convnets.Functions(spatial_dropout, dropblock, drop_path, cutout)
colors = dict(zip(convnets.MAPS, (plot.BLUE, plot.GREEN, plot.ORANGE, plot.PINK), strict=True))
ps = (0.05, 0.1, 0.2, 0.35, 0.55)
heard = {kind: np.array([[convnets.loudness(net, kind, p, X_test[:200], hand=yours) for p in ps]
                         for net in plain]) for kind in convnets.MAPS}
ratio = {kind: plot.difference(np.log2(heard[kind][:, 2] / heard["element"][:, 2]))
         for kind in convnets.MAPS[1:]}
times = {kind: (heard[kind][:, 2] / heard["element"][:, 2]).mean() for kind in ratio}
fig, (ax,) = plot.figure(1, width=6, height=3)
for kind, color in colors.items():
    ax.errorbar(ps, heard[kind].mean(0), plot.standard_error(heard[kind]), color=color, marker="o",
                capsize=2, label=kind)
ax.set(xlabel="drop probability p", ylabel="loudness", xscale="log", yscale="log")
ax.set_xticks(ps, ps)
ax.minorticks_off()
ax.legend(fontsize=9)
ax.set_title(f"At p = 0.2, times as loud as element dropout:\nspatial {times['spatial']:.1f} (you: "
             f"{guess:g}), DropBlock {times['DropBlock']:.1f}, path {times['path']:.1f}",
             fontsize=10)
plot.show(fig, "Loudness of four kinds of dropout over p, in three networks trained without it.",
          claims={"same-p-is-not-the-same-noise": all(gap.sign > 0 for gap in ratio.values())
                                                  and max(ratio, key=times.get) == "path"})

# %% [markdown]
# At $p = 0.2$ all three are louder than element dropout, and branches are the
# loudest.{{claim:same-p-is-not-the-same-noise}} (Far from the 49 times of the first question:
# there all pixels and weights were equal.) A comparison at "$p = 0.2$" confuses
# the kind of noise with its amount.
#
# ## At equal noise
#
# Each kind was tried at four levels of loudness, those of element dropout at $p = 0.1$, 0.2, 0.35
# and 0.55. The level, then the learning rate, was chosen by the errors of two networks on 2000
# validation images. Eight networks of other seeds were tested once. On the left, every kind has the
# loudness that was best for *element dropout*; on the right, its own best.
#
# Folklore puts element dropout last. **By how many points does DropBlock err less, at equal
# noise?**

# %% guess=true
my_guess = 2.0  # points of test error that DropBlock saves over element dropout

# %% figure=true
# Each kind minus no dropout, and networks trained with yours: takes some 15 seconds.
guess = expect.guess(my_guess)
kept = studies.kept("images")
chosen, cells = kept["chosen"], kept["tested"]
error = {name: np.array([cell["error"] for cell in cells[name]]) for name in cells}
bare, kinds = error["same rate"], ("element", "element again", *convnets.MAPS[1:])
runs, wide = len(bare), special.stdtrit(len(bare) - 1, 0.975)
tables = {"equal noise": {kind: f"matched {kind}" if f"matched {kind}" in cells else kind
                          for kind in kinds}, "its own noise": {kind: kind for kind in kinds}}
live = {kind: [convnets.train(seed, kind, *chosen[name], hand=yours).error(X_test, y_test)
               for seed in range(2)]
        for kind, name in tables["equal noise"].items() if kind in convnets.MAPS[1:]}
gains, beside = {}, {}
fig, axes = plot.figure(2, width=9.5, height=3.4)
for ax, (title, table) in zip(axes, tables.items(), strict=True):
    for row, name in enumerate(["none", *table.values()]):
        gains[title, row] = gap = plot.difference(error[name], bare)
        ax.plot(error[name] - bare, np.full(runs, row), ".", color=plot.SKY)
        ax.errorbar(gap.mean, row, xerr=wide * gap.error, fmt="o", capsize=3,
                    color=plot.BLUE if row else plot.GREY)
    for kind, name in table.items():
        beside[title, kind] = plot.difference(error[name], error["element"])
    ax.axvline(0, color=plot.INK, linewidth=1)
    ax.set(xlabel="test error − no dropout, same rate (95 %)", ylim=(5.6, -0.5))
    ax.set_title(f"At {title}, DropBlock − element:\n{beside[title, 'DropBlock']:.1f} points"
                 + f" (you: {-guess:g})" * (ax is axes[0]), fontsize=10)
    ax.set_yticks(range(6), [f"no dropout, rate {chosen['none'][1]:g}", *(
        f"{kind}, p = {chosen[name][0]:.2g}" for kind, name in table.items())], fontsize=9)
for kind, errors in live.items():
    axes[0].plot(errors - bare[:2], [1.3 + kinds.index(kind)] * 2, "o", mfc="none", color=plot.INK,
                 markersize=4, label="just now, yours" if kind == "path" else None)
axes[0].legend(fontsize=8, loc="upper left")
apart = max(np.abs(live[kind] - error[tables["equal noise"][kind]][:2]).max() for kind in live)
loud = {kind: np.mean([cell["loud"] for cell in cells[tables["equal noise"][kind]]])
        for kind in convnets.MAPS}
quieter = [1 - loud["element"] / loud[kind] for kind in convnets.MAPS[1:]]
others = [gap for (_, kind), gap in beside.items() if kind in convnets.MAPS[1:]]
helps = [plot.difference(error["element"], error[name]) for name in ("same rate", "none")]
longer = [plot.difference(error[f"longer {kind}"], error[f"longer {base}"])
          for kind, base in (("element", "same rate"), ("DropBlock", "element"))]
plot.show(fig, f"The change of the test error in {runs} pairs of networks, by four kinds of "
               "dropout at equal noise and at their own, by other masks, and by another learning "
               f"rate. Element dropout: {helps[0]:.1f}. Beside element dropout: "
               + "; ".join(f"{kind} at {title} {gap:.1f}" for (title, kind), gap in beside.items())
               + f". Twice as many steps, five pairs: element dropout {longer[0]:.1f}, DropBlock "
               f"beside it {longer[1]:.1f}. Yours differ from the kept ones by {apart:.1f} points "
               "at most.",
          claims={
              "noise-is-nearly-equal": all(0 < gap < 1 / 7 for gap in quieter),
              "element-dropout-helps": all(gap.sign < 0 for gap in helps),
              "no-kind-beats-it": all(gap.sign >= 0 for gap in others),
              "maps-and-branches-are-behind": all(
                  beside["equal noise", kind].sign > 0 for kind in ("spatial", "path")),
              "blocks-are-close": all(abs(beside[title, "DropBlock"].mean) < 1 for title in tables)
              and beside["its own noise", "DropBlock"].sign > 0,
              "nor-with-twice-the-steps": longer[0].sign < 0 and longer[1].sign >= 0,
              "two-networks-chose-badly": gains["equal noise", 0].sign > 0,
          })

# %% [markdown]
# (Bars are 95 % intervals; ± is one standard error; `dropoutlab/studies/images.py`.) In these
# networks element dropout helps,{{claim:element-dropout-helps}} and no other kind does
# measurably better.{{claim:no-kind-beats-it}} With twice as many steps it still helps, and
# DropBlock does not overtake it.{{claim:nor-with-twice-the-steps}} Blocks come within a point, at
# their own noise measurably behind;{{claim:blocks-are-close}} maps and branches fall further
# back.{{claim:maps-and-branches-are-behind}} But neighbours here are weakly
# correlated: on large images with large maps, Ghiasi et al. found blocks ahead. The row
# "element again" is element dropout with other random masks: that much is chance. (Noise
# was matched in networks without dropout. In those trained with it, element dropout is quieter
# than the others, by a seventh at most.{{claim:noise-is-nearly-equal}} Maps were best at the
# lowest level tried, branches at the highest.)
#
# Look at the first row. Validation chose the learning rate 0.024 for networks *without* dropout, by
# a third of a point, with two networks. In the test it was worse.{{claim:two-networks-chose-badly}}
# With that baseline every kind of dropout looks two points better than it is. All others chose
# 0.012, so we draw the differences from networks without dropout at that rate, a control
# added after we had seen test errors. It makes dropout's gain smaller.
#
# ## A better start for other classes?
#
# Data are often scarce where we need a network, and plentiful elsewhere. So one takes a network
# that has learned other classes, keeps its *body* (all but the classifier), and fits only a new
# classifier to its features: a *linear probe*. Is a body trained with dropout a better start?
#
# The new classes are the letters K to Z (without O), which no network has seen. The body stays as
# it is. `convnets.labelled(k, seed)` gives $k$ images of each letter and their classes,
# `convnets.unseen("test")` 1500 others. `convnets.classifier(features, labels)` solves penalised
# least squares, and returns a function from features to classes.
#
# ## Exercise: `probe_error`

# %% exercise="probe_error"
def probe_error(body, k, seeds):
    """The test error of a linear classifier on the features of a body, for k images of each class.

    body : a function; body(images) gives features (n, size), and is not trained
    k : labelled images of each unseen class; seeds : one for each set of labelled images
    Returns an array with an error rate in percent for each seed, on the unseen test images.
    """
    ### BEGIN SOLUTION
    X, y = convnets.unseen("test")
    sets = [convnets.labelled(k, seed) for seed in seeds]
    classes = [convnets.classifier(body(few), labels)(body(X)) for few, labels in sets]
    return np.array([100 * (found != y).double().mean().item() for found in classes])
    ### END SOLUTION

# %% [markdown] hint="probe_error"
# Begin with one seed: its labelled images go through the body, and the classifier is made of their
# features.

# %% [markdown] hint="probe_error"
# What `convnets.classifier(…)` returns is a function. It wants features too: those of the test
# images.

# %% [markdown] hint="probe_error"
# `(found != y).double().mean()` is a share. Turn it into percent, once for each seed.

# %% setup=true
# For the checks below: the error of penalised least squares, from features, written another way.
def features_error(few, labels, many, classes):
    """Percent of wrong classes of the rows `many`, by a classifier of the rows `few`."""
    shift, few, many = few.double().mean(0), few.double(), many.double()
    size = (few - shift).square().mean().sqrt()
    A, B, Y = (few - shift) / size, (many - shift) / size, torch.eye(15).double()[labels]
    rows = torch.cat([A, convnets.PENALTY**0.5 * torch.eye(A.shape[1]).double()])
    goal = torch.cat([Y - Y.mean(0), torch.zeros(A.shape[1], 15).double()])
    W = torch.linalg.lstsq(rows, goal).solution
    return 100 * ((B @ W + Y.mean(0)).argmax(1) != classes).double().mean().item()


# %% check="probe_error" points=2
# The test error for each seed, against the same made step by step, with a body of random features.
weights = torch.randn(196, 20, generator=expect.generator())
test, answers = convnets.unseen("test")
held, of_held = convnets.unseen("validation")


def random_body(images):
    return (torch.as_tensor(images).flatten(1) @ weights).relu()


def error_of(few, labels, images=test, classes=answers, through=random_body):
    return features_error(through(few), labels, through(images), classes)


tried = {int(seed): error_of(*convnets.labelled(3, int(seed)))
         for seed in 5 + expect.rng().choice(12, 6, replace=False)}
seeds = sorted(sorted(tried, key=tried.get)[::5], reverse=True)  # two that differ, larger first
few = [convnets.labelled(3, seed) for seed in seeds]
right = np.array([tried[seed] for seed in seeds])
with expect.case(f"probe_error(body, 3, {seeds}), body: twenty random features", crash=[
    ("must match|shapes cannot|size of tensor|mat1 and mat2|incompatible|mismatch",
     "the classifier was made of features. Hand it the features of the test images."),
]):
    expect.close(probe_error(random_body, 3, list(seeds)), right, rtol=0, atol=0.2,
                 hint="the error of each seed, in percent.", suspects=[
        (right[::-1], "the seeds are taken in another order. Leave them as they are given."),
        (right.mean(), "that is the mean over seeds. Return one error for each."),
        (100 - right, "that is the share of right answers. Return the errors."),
        (right / 100, "those are shares. Return percent."),
        (right * 15, "errors are counted. Divide by the number of images."),
        (right[0], "that is the first seed alone. Return one error for each."),
        (right[-1], "that is the last seed alone. Return one error for each."),
        (right[:1], "that is the first seed alone. Return one error for each."),
        (right[-1:], "that is the last seed alone. Return one error for each."),
        (np.full(2, right[0]), "all seeds get the same labelled images, those of the first."),
        (np.full(2, right[-1]), "all seeds get the same labelled images, those of the last."),
        (np.full(2, error_of(*convnets.labelled(3, 0))),
         "all seeds get the same labelled images, those of seed 0."),
        ([error_of(*convnets.labelled(3, place)) for place in range(2)],
         "the labelled images are drawn by a seed's place in the list. Use the seed itself."),
        ([error_of(*some, *some) for some in few],
         "the labelled images are tested, which the classifier knows. Test on unseen images."),
        ([error_of(*some, held, of_held) for some in few],
         "those are the validation images. Take the test images."),
        ([error_of(*some, through=lambda images: images.flatten(1)) for some in few],
         "the classifier reads pixels. Hand it the body's features."),
        ([error_of(*some, *convnets.held("test")) for some in few],
         "those are images of the classes that were learned. Take `convnets.unseen`."),
        ([error_of(*convnets.labelled(1, seed)) for seed in seeds],
         "that is one image of each class. Hand k on."),
        ([error_of(*convnets.labelled(2, seed)) for seed in seeds],
         "there are k - 1 images of each class. Hand k on as it is."),
        ([error_of(*convnets.labelled(4, seed)) for seed in seeds],
         "there are k + 1 images of each class. Hand k on as it is."),
        ([error_of(*convnets.labelled(45, seed)) for seed in seeds],
         "k is multiplied by the number of classes. `labelled` does that itself."),
        ([error_of(*convnets.labelled(seed, 3)) for seed in seeds],
         "k and the seed are swapped: it is labelled(k, seed)."),
        (np.full(2, error_of(test, answers)), "the test images were used to fit the classifier."),
    ])

# %% check="probe_error" points=1
# Another body, another k, and a range of seeds.
mix = torch.randn(49, 12, generator=expect.generator())
test, answers = convnets.unseen("test")
held, of_held = convnets.unseen("validation")


def coarse(images):
    return (F.avg_pool2d(torch.as_tensor(images), 2).flatten(1) @ mix).tanh()


with expect.case("probe_error(body, 4, range(3)), body: the tanh of sums of coarse pixels",
                 crash=[("must match|shape|size of tensor|mat1 and mat2|incompatible|mismatch",
                         "a body may give any number of features: this one gives 12.")]):
    by_k = [[features_error(coarse(few), labels, coarse(test), answers)
             for few, labels in (convnets.labelled(k, seed) for seed in range(3))] for k in (4, 3)]
    by_held = [features_error(coarse(few), labels, coarse(held), of_held)
               for few, labels in (convnets.labelled(4, seed) for seed in range(3))]
    expect.close(probe_error(coarse, 4, range(3)), by_k[0], rtol=0, atol=0.2,
                 hint="k images of each class, features of *this* body, and any seeds.",
                 suspects=[(by_k[1], "those are three images of each class, not k."),
                           (by_held, "those are the validation images. Take the test images.")])

# %% mistakes="probe_error"
{
    "those of seed 0": ("convnets.labelled(k, seed)", "convnets.labelled(k, 0)"),
    "the mean over seeds": ("return np.array(", "return np.mean("),
    "share of right answers": ("found != y", "found == y"),
    "those are shares": ("100 * (found", "(found"),
    "errors are counted": ("100 * (found != y).double().mean()", "(found != y).double().sum()"),
    "first seed alone": ("for found in classes])", "for found in classes])[0]"),
    "last seed alone": ("for found in classes])", "for found in classes])[-1]"),
    "those of the first": ("labelled(k, seed) for seed in seeds",
                           "labelled(k, seeds[0]) for seed in seeds"),
    "those of the last": ("labelled(k, seed) for seed in seeds",
                          "labelled(k, seeds[-1]) for seed in seeds"),
    "in another order": ("for seed in seeds", "for seed in sorted(seeds)"),
    "classes that were learned": ('unseen("test")', 'held("test")'),
    "k - 1 images": ("labelled(k, seed)", "labelled(k - 1, seed)"),
    "k + 1 images": ("labelled(k, seed)", "labelled(k + 1, seed)"),
    "multiplied by the number of classes": ("labelled(k, seed)", "labelled(k * 15, seed)"),
    "k and the seed are swapped": ("labelled(k, seed)", "labelled(seed, k)"),
    "place in the list": ("for seed in seeds", "for seed in range(len(seeds))"),
    "which the classifier knows": (
        "(body(X)) for few, labels in sets]\n    return np.array([100 * (found != y).double()",
        "(body(few)) != labels for few, labels in sets]\n"
        "    return np.array([100 * found.double()"),
    "those are the validation images": ('unseen("test")', 'unseen("validation")'),
    "reads pixels": ("convnets.classifier(body(few), labels)(body(X))",
                     "convnets.classifier(few.flatten(1), labels)(X.flatten(1))"),
    "Hand it the features": ("labels)(body(X))", "labels)(X.flatten(1))"),
    "one image of each class": ("labelled(k, seed)", "labelled(1, seed)"),
    "this one gives 12": ("(body(X))", "(body(X).reshape(-1, 20))"),
    "three images of each class": ("labelled(k, seed)", "labelled(3, seed)"),
    "used to fit": ("classifier(body(few), labels)", "classifier(body(X), y)"),
}

# %% correct="probe_error"
def probe_error(body, k, seeds):
    X, y = convnets.unseen("test")
    test, errors = body(X).detach(), np.zeros(len(seeds))
    for n, seed in enumerate(seeds):
        images, labels = convnets.labelled(k, seed)
        classify = convnets.classifier(body(images).detach(), labels)
        errors[n] = 100 - 100 * np.mean(np.asarray(classify(test)) == np.asarray(y))
    return errors

# %% [markdown]
# Below: the study's bodies, and your function on the networks trained above. The null is an
# untrained body.
# **With 30 labelled images of each letter, how many points does a body trained with element dropout
# save?**

# %% guess=true
my_saving = 3.0  # points of test error, at k = 30

# %% figure=true
# What bodies transfer, by the number of labelled images, beside two bodies without dropout.
saving, ks = expect.guess(my_saving), study.LABELS


def transferred(name, penalty=1):
    """Errors (runs, ks) of the study's bodies on unseen letters."""
    return np.array([cell["transferred"][penalty] for cell in cells[name]])


def gaps(name, base, penalty=1):
    """The paired difference of two bodies at each k."""
    return [plot.difference(column) for column in
            (transferred(name, penalty) - transferred(base, penalty)).T]


here = np.array([[np.mean(probe_error(net.features, k, study.DRAWS)) for k in ks]
                 for net in plain[:2]])
bodies = {"untrained": plot.GREY, "none": plot.SKY, "same rate": plot.INK, **colors}
names = {"none": f"no dropout, rate {chosen['none'][1]:g}",
         "same rate": f"no dropout, rate {chosen['same rate'][1]:g}"}
fig, axes = plot.figure(3, width=11, height=3.3)
for name, color in bodies.items():
    axes[0].errorbar(ks, transferred(name).mean(0), plot.standard_error(transferred(name)),
                     color=color, marker=".", capsize=2, label=names.get(name, name))
axes[0].plot(ks, here.mean(0), "o", mfc="none", color=plot.INK, label="rate 0.012, yours")
for ax, base in zip(axes[1:], names, strict=True):
    for n, kind in enumerate(convnets.MAPS):
        found = gaps(kind, base)
        ax.errorbar(np.array(ks) * (0.88 + 0.08 * n), [gap.mean for gap in found],
                    [wide * gap.error for gap in found], color=colors[kind], marker="o",
                    markersize=4, capsize=2, linestyle="")
    ax.axhline(0, color=plot.INK, linewidth=1)
    ax.plot(30, -saving, "X", color=plot.INK)
    ax.set(ylabel="difference in points (95 %)", ylim=(-8, 5))
    ax.set_title(f"k = 30, element − {names[base]}:\n{gaps('element', base)[3]:.1f} "
                 f"(you: {-saving:g})", fontsize=10)
axes[0].set(ylabel="test error on unseen letters, %", ylim=(10, 110), yticks=range(20, 100, 20))
axes[0].set_title("k = 30, untrained − no dropout:\n"
                  f"{gaps('untrained', 'same rate')[3]:.1f} points", fontsize=10)
axes[0].legend(fontsize=7, ncols=2, loc="upper right")
for ax in axes:
    ax.set(xlabel="labelled images of each letter, k", xscale="log")
    ax.set_xticks(ks, ks)
    ax.minorticks_off()
apart = np.abs(here - transferred("same rate")[:2]).max()
told = "; ".join(f"beside {names[base]} {', '.join(f'{gap:.1f}' for gap in gaps('element', base))}"
                 for base in names)
plot.show(fig, "The error on unseen letters over k, for bodies trained in several ways, and the "
               "differences from two bodies without dropout. Element dropout at k = 1, 3, 10, 30, "
               f"in points: {told}. Yours differ from the kept ones by {apart:.1f} points at most.",
          claims={
              "what-is-learned-transfers": all(
                  gap.sign > 0 for gap in gaps("untrained", "same rate")),
              "it-looks-like-a-better-start": all(
                  gap.sign < 0 for kind in convnets.MAPS for gap in gaps(kind, "none")[2:]),
              "so-does-a-body-without-dropout": all(
                  gap.sign < 0 and gap.mean <= ours.mean for gap, ours in zip(
                      gaps("same rate", "none")[2:], gaps("element", "none")[2:], strict=True)),
              "it-is-the-learning-rate": all(
                  gap.sign >= 0 for penalty in (0, 1) for kind in convnets.MAPS
                  for gap in gaps(kind, "same rate", penalty)),
              "with-many-labels-it-is-worse": all(
                  gaps(kind, "same rate", penalty)[3].sign > 0
                  for penalty in (0, 1) for kind in ("element", "path")),
          })

# %% [markdown]
# What was learned helps with the new characters: an untrained body errs far
# more.{{claim:what-is-learned-transfers}} Beside the baseline that validation chose, a body with
# dropout saves some three points.{{claim:it-looks-like-a-better-start}} We nearly wrote that down.
# But without dropout, a body trained at the rate 0.012 saves as
# much.{{claim:so-does-a-body-without-dropout}} It is the learning rate: beside that body, no kind
# saves anything measurable,{{claim:it-is-the-learning-rate}} and at $k = 30$ element dropout and
# drop path cost a point or two.{{claim:with-many-labels-it-is-worse}} (So too at a tenth of the
# classifier's penalty.)
#
# So element dropout lowered the error only on the classes that were learned. On ImageNet,
# Kornblith et al. (2021) found the same of many losses and regularisers, dropout among them.
#
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="corner" points=1
# How many of the possible 3 × 3 squares of your `dropblock` contain the corner pixel of a map?
#
# - [ ] 1
# - [ ] 4
# - [x] 9
#
# Hint: squares may hang over the border: count those that hold the corner.

# %% question="noise" points=1
# At the same p, which makes the most noise in the average of a map?
#
# - [ ] element
# - [ ] DropBlock
# - [x] spatial
#
# Hint: how many independent coins is the average made of?

# %% question="best_of_five" points=1
# Five kinds of dropout are each tried with five seeds, at p = 0.2. The lowest mean error is
# DropBlock's. This shows that:
#
# - [ ] DropBlock is the best of the five
# - [ ] element dropout is too weak
# - [x] hardly anything: neither noise nor chance was taken into account
#
# Hint: one of five always has the lowest mean. And is p = 0.2 the same for all?

# %% [markdown]
# ## In your own words
#
# A colleague reads that "element dropout does nothing in a convolutional network, because
# neighbouring pixels are correlated; use DropBlock". Answer in two to five sentences: which part of
# this did today's measurements bear out, which did they not, and what would you measure before you
# choose a kind for *your* network? (In a class, your instructor grades this.)

# %% [markdown] answer="which_mask" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: here neighbours are only weakly correlated, element dropout helped,
# and no other kind did better at equal noise, so "does nothing" is wrong for these networks; at the
# same p DropBlock is louder. One point: a measurement for the own network, such as the correlation
# of neighbours, or validation errors with each kind tuned or at equal noise, over several seeds,
# beside a baseline of the same learning rate, with the spread of the differences.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - The shape of the coins decides what is dropped together: a pixel, a map, a sample; for squares,
#   a window over coins. Squares that may hang over the border drop every pixel equally
#   often.{{claim:every-pixel-alike}}
# - Neighbours in a map are correlated,{{claim:neighbours-are-alike}} but far from
#   copies.{{claim:but-not-very}}
# - At the same $p$ (0.2), what is dropped together is louder.{{claim:same-p-is-not-the-same-noise}}
# - At equal noise, or each at its best, none measurably beat element dropout,
#   {{claim:no-kind-beats-it}} which helps here.{{claim:element-dropout-helps}}
# - A body trained with dropout was not a measurably better start for other
#   classes.{{claim:it-is-the-learning-rate}} It looked like one beside a baseline of another
#   learning rate.{{claim:it-looks-like-a-better-start}}
#
# **Read.** Tompson et al., *Efficient object localization using convolutional networks*, CVPR 2015
# (arXiv:1411.4280), §3.2. Ghiasi, Lin and Le, *DropBlock*, NeurIPS 2018 (arXiv:1810.12890). Huang
# et al., *Deep networks with stochastic depth*, ECCV 2016 (arXiv:1603.09382). DeVries and Taylor,
# *Improved regularization of convolutional neural networks with cutout*, 2017 (arXiv:1708.04552).
# Zhang et al., *mixup*, ICLR 2018 (arXiv:1710.09412). Kornblith et al., *Why do better loss
# functions lead to less transferable features?*, NeurIPS 2021 (arXiv:2010.16402). Kim et al., *How
# to use dropout correctly on residual networks with batch normalization*, UAI 2023
# (arXiv:2302.06112).
#
# **Stretch.** Write `mixup` yourself, so that $\lambda$ and the partners come from `generator`
# alone. How would you check that $\lambda$ has the right distribution? And train with your
# `cutout`: `convnets.train(seed, "cutout", 5, hand=yours)`.
#
# **Still open.** An image has neighbours on all sides. A sentence has a before and an after, and a
# state that is carried along. What should be dropped there, and how often? That is {{sequences}}.
