# %% [markdown]
# # 3.1 · Images
#
# **What should be dropped together, where neighbours say the same?**
#
# *60 minutes. Before: {{inverted_dropout}} and {{pytorch}}. After, you will be able to write
# dropout for maps, blocks, branches and images, to test each by its distribution, and to say which
# of the reasons given for them a measurement bears out.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$ | batch of feature maps, (N, C, H, W): images, maps, rows, columns |
# | $p$ | probability that an entry is **dropped** |
# | $b$ | side of a block, in pixels |
# | $\gamma$ | probability that one possible block falls |
# | $\lambda$ | share of the first of two mixed images |

# %% setup=true
import numpy as np
import torch
from scipy import special
from torch import nn
from torch.nn import functional as F

from dropoutlab import check_probability, data, expect, explore, plot

# %% [markdown]
# ## Where we stand
#
# Dropout as you know it gives each number a coin of its own. In an image, the story goes, that is
# of little use: a pixel that falls can be read off its neighbours. So one drops whole maps, blocks
# of a map, whole branches, squares of the input.
#
# The story has a premise that can be measured. Below, a small network with three residual blocks
# learns 20 kinds of printed characters from 400 images of 14 × 14 pixels, five times, without any
# dropout.

# %%
torch.set_num_threads(1)  # products this small wait for each other's threads
device = "cuda" if torch.cuda.is_available() else "cpu"
kinds = "0123456789ABCDEFGHIJ"


def characters(n, seed):
    images, labels = data.glyphs(n, seed, kinds)
    small = data.halved(images)[:, None]
    return torch.tensor(small, device=device), torch.tensor(labels, device=device)


class CNN(nn.Module):
    def __init__(self, **drop):
        super().__init__()
        self.drop = drop  # what is done in training, and where
        self.conv = nn.Conv2d(1, 16, 3, padding=1)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
                          nn.Conv2d(16, 16, 3, padding=1)) for _ in range(3))
        self.classifier = nn.Linear(16 * 3 * 3, len(kinds))

    def at(self, place, h):
        return self.drop[place](h) if self.training and place in self.drop else h

    def maps(self, x):
        """The maps after the convolution (14 × 14), the pooling and each block (7 × 7)."""
        seen = [self.at("before pooling", F.relu(self.conv(x)))]
        seen.append(self.at("after pooling", F.max_pool2d(seen[0], 2)))
        for branch in self.branches:
            h = F.relu(seen[-1] + self.at("branch", branch(seen[-1])))
            seen.append(self.at("after a block", h))
        return seen

    def forward(self, x):
        features = F.max_pool2d(self.maps(x)[-1], 2).flatten(1)
        return self.classifier(self.at("features", features))


def fit(seed, change=lambda x, y: (x, y, y, 1.0), **drop):
    torch.manual_seed(seed)  # the same start and order of the images for every kind of dropout
    net, (X, y) = CNN(**drop).to(device), sets[seed]
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.006, total_steps=240)
    order = torch.Generator().manual_seed(seed)
    for _ in range(30):
        for rows in torch.randperm(len(X), generator=order).to(device).split(50):
            x, y_a, y_b, lam = change(X[rows], y[rows])
            z = net(x)
            loss = lam * F.cross_entropy(z, y_a) + (1 - lam) * F.cross_entropy(z, y_b)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def correlation(h, step):
    """The mean correlation, over images, of two pixels of a map that are `step` apart."""
    found = []
    for maps in (h, h.mT):  # along rows, along columns
        a, b = (part - part.mean(0) for part in (maps[..., step:], maps[..., :-step]))
        scale = (a.square().mean(0) * b.square().mean(0)).sqrt()
        found.append(((a * b).mean(0) / scale)[scale > 1e-6])  # some pixels never say anything
    return torch.cat(found).mean().item()


sets = [characters(400, seed) for seed in range(20, 25)]
X_test, y_test = characters(2000, seed=19)
plain = [fit(seed) for seed in range(5)]

with torch.no_grad():
    seen = [[X_test, *net.maps(X_test)] for net in plain]
names = ["image", "first convolution", "after pooling", "after block 1", "block 2", "block 3"]
near = np.array([[correlation(h, 1) for h in run] for run in seen])
far = np.array([[correlation(h, 3) for h in run] for run in seen])

# %% [markdown]
# **How strongly are two neighbouring pixels of its first maps correlated, over test images?**

# %% guess=true
my_guess = 0.8  # correlation of neighbours in the maps of the first convolution

# %% figure=true
# Maps with half of their pixels dropped, and how strongly neighbours are correlated.
guess = expect.guess(my_guess)
fig, (left, right) = plot.figure(2, height=2.9, width=9)
which = torch.stack([h.flatten() for h in seen[0][1][0]]).sum(1).topk(4).indices
whole = seen[0][1][0, which].cpu()
holes = whole * (torch.rand(whole.shape) >= 0.5)
sheet = torch.cat([torch.cat(list(row / whole.amax((1, 2), True)), 1) for row in (whole, holes)])
plot.image(sheet.numpy(), left)
left.set_yticks([7, 21], ["maps", "half of the\npixels dropped"])
left.tick_params(length=0)
left.set_title("Can you still read the character?")
plot.bars(near.mean(0), names, right, spread=plot.standard_error(near),
          colors=[plot.GREY, *5 * [plot.BLUE]])
right.vlines(guess, 0.55, 1.45, color=plot.INK, linestyle="--")
right.set_xlim(0, 1.2 * max(guess, near.max()))
right.set_xlabel("correlation, 5 runs ± s.e. (dashed: your guess)")
right.set_title(f"You said {guess:g}: it is {near[:, 1].mean():.2f} ± "
                f"{plot.standard_error(near[:, 1]):.2f}")
plot.show(fig, "Four maps with and without half of their pixels; bars: the correlation of "
               "neighbours in the image and after each layer, with your guess.")
print(f"three pixels apart: {far.mean(0)[1]:.2f} after the first convolution, "
      f"{far.mean(0)[-1]:.2f} after block 3")

# %% [markdown]
# Neighbours are correlated, most of all in the first maps, but no pixel is a copy of the next
# one, and three pixels apart hardly anything is left. So the premise holds *more or less*,
# depending on the place. Keep the numbers in mind: at the end we measure what each kind of
# dropout gains, and where.
#
# ### One question from {{inverted_dropout}}
#
# A 7 × 7 map of ones is averaged into one number. With inverted dropout at $p = 0.5$ each pixel
# has variance $p/(1-p) = 1$. What is the standard deviation of the average, if each pixel has its
# own coin, and what if one coin decides for the map? (Think, then unfold.)
#
# <details><summary>Answer</summary>
#
# With 49 coins it is $1/\sqrt{49} = 1/7$: the noise averages out. With one coin it is 1. At the
# same $p$, what falls together makes far more noise in all that sums over a neighbourhood, and a
# convolution does. "The same $p$" is therefore not "as much dropout".
# </details>
#
# ### A worked example: a coin for each image and each row
#
# The shape of the coins says what falls together. Axes of length 1 are stretched by broadcasting:
# here whole rows of pixels fall, in all maps of an image alike.

# %%
x = torch.ones(2, 3, 4, 5)
coins = torch.rand(2, 1, 4, 1)
print((x * (coins >= 0.5))[0, :2])

# %% [markdown]
# ## Exercise: `spatial_dropout`
#
# Tompson and others (2015) drop whole maps. The misunderstanding: "then the same maps fall for
# each image". No: each map of each image has a coin of its own. (PyTorch ships this as
# `F.dropout2d`, which takes no generator.)

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
    if training and p == 1:
        return torch.zeros_like(x)  # nothing survives, and x / (1 - p) is no number
    ### BEGIN SOLUTION
    if not training:
        return x.clone()
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

# %% [markdown]
# Your masks for four images, a row each:

# %%
sent = spatial_dropout(torch.ones(4, 6, 7, 7), 0.3)
sheet = F.pad(sent, (1, 1, 1, 1), value=np.nan).permute(0, 2, 1, 3).reshape(4 * 9, 6 * 9)
fig, (ax,) = plot.figure(1, width=4.5, height=3)
ax.imshow(sheet.numpy(), cmap="Blues", vmin=0, vmax=1.8)
ax.set_xticks(9 * np.arange(6) + 4, range(6))
ax.set_yticks(9 * np.arange(4) + 4, range(4))
ax.set(xlabel="map", ylabel="image")
ax.set_title("Your masks at p = 0.3")
plot.show(fig, "Your masks: four rows of six maps each; what is dropped is pale.")

# %% check="spatial_dropout" points=2
# A map falls as a whole, by a coin of its own, fresh at each call and from generator alone.
lines_up = [("must match|expand",
             "coins (N, C) do not line up with (N, C, H, W): two axes are missing.")]
with expect.case("spatial_dropout(x, p, generator) on 40 × 15 maps of ones", crash=lines_up):
    ones = torch.ones(40, 15, 3, 4, dtype=torch.float64)
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

# %% check="spatial_dropout" points=1
# In evaluation x comes out as it is.
maps = torch.randn(3, 4, 5, 5, generator=expect.generator())
with expect.case("spatial_dropout(x, 0.6, training=False)"):
    out = spatial_dropout(maps.clone(), 0.6, None, False)
    expect.close(out, maps, hint="evaluation returns x.",
                 suspects=[(maps / 0.4, "evaluation scales too. Scale in training only.")])

# %% check="spatial_dropout" points=1
# Numbers of half precision stay what they are.
for dtype in (torch.float16, torch.bfloat16, torch.float32):
    with expect.case(f"spatial_dropout(x, 0.5), {dtype}"):
        expect.tensor(spatial_dropout(torch.ones(2, 3, 4, 4, dtype=dtype), 0.5), (2, 3, 4, 4),
                      dtype, hint="the result has another dtype. A boolean mask keeps it.")

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
    "evaluation scales too": ("x.clone()", "x / (1 - p)"),
    "evaluation returns x": ("not training", "p == 0"),
    "has another dtype": ("(coins >= p)", "(coins >= p).float()"),
}

# %% correct="spatial_dropout"
def spatial_dropout(x, p, generator=None, training=True):
    if not training:
        return x
    keep = torch.bernoulli(torch.full(x.shape[:2], 1.0 - p), generator=generator)
    return torch.einsum("nchw,nc->nchw", x, keep.to(x.dtype)) / (1 - p)

# %% correct="spatial_dropout"
def spatial_dropout(x, p, generator=None, training=True):
    out = x.clone()
    for n in range(len(x) if training else 0):
        keep = torch.rand(x.shape[1], generator=generator) >= p
        out[n, keep] = x[n, keep] / (1 - p)
        out[n, ~keep] = 0
    return out

# %% [markdown]
# ## Blocks
#
# A whole map is a lot. DropBlock (Ghiasi and others, 2018) drops squares of $b \times b$ pixels,
# in each map its own. The question is how often, so that a pixel falls with probability $p$.
#
# A pixel lies in $b^2$ possible squares. If each of them falls with probability $\gamma$, on its
# own, the pixel is kept when none of its squares falls:
#
# $$ (1-\gamma)^{b^2} = 1-p . $$
#
# At the border this needs care. The paper draws only squares that fit into the map. The corner
# then lies in a *single* square, and hardly ever falls. Its $\gamma \approx \frac{p}{b^2}
# \frac{HW}{(H-b+1)(W-b+1)}$ makes up for that *on average*, if one forgets that squares overlap.
# **We let squares hang over the border**: on a grid of $(H+b-1)(W+b-1)$ squares every pixel, the
# corner too, lies in exactly $b^2$ of them, and the equation above is exact everywhere. So is the
# scale $1/(1-p)$. (The paper divides by the kept fraction of the mask instead. Torchvision counts
# it over the whole batch, so that the images of a batch depend on each other.)
#
# ## Exercise: `dropblock`

# %% exercise="dropblock"
def dropblock(x, p, block_size, generator=None, training=True):
    """Drop squares of side `block_size`, in each map its own; the rest is x / (1 - p).

    Squares may hang over the border, by up to block_size - 1 pixels on each side; each falls on
    its own, so often that every pixel is dropped with probability exactly p.

    x : tensor (N, C, H, W), left as it is
    p : probability of dropping
    block_size : whole number, odd or even, from 1 up
    generator : torch.Generator, or None for torch's own; the only source of randomness
    training : if False, x comes out as it is
    Returns a tensor of x's shape, dtype and device.
    """
    check_probability(p)
    if training and p == 1:
        return torch.zeros_like(x)
    ### BEGIN SOLUTION
    if not training:
        return x.clone()
    b, (N, C, H, W) = block_size, x.shape
    gamma = 1 - (1 - p) ** (1 / b**2)
    edge = b - 1  # so far a square may hang over
    falls = torch.rand(N, C, H + edge, W + edge, generator=generator, device=x.device) < gamma
    keep = F.max_pool2d(falls.float(), b, stride=1) == 0
    return x * keep / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="dropblock"
# Solve the equation above for $\gamma$. At $b=1$ it must give $p$.

# %% [markdown] hint="dropblock"
# Draw a coin for each place of a grid that is $b-1$ larger than the map on both axes. The window
# of $b \times b$ places with its upper left corner at $(i, j)$ belongs to the pixel $(i, j)$.

# %% [markdown] hint="dropblock"
# The pixel is dropped if *any* place of its window fell. `F.max_pool2d(…, b, stride=1)` takes the
# maximum over every window, and makes the grid smaller by $b-1$. It wants floats.

# %% [markdown]
# How often is each pixel kept? Yours, and the paper's squares, over 20 000 maps at $p = 0.3$:

# %%
def paper_kept(shape, p, b):
    """The squares of the paper: only those that fit, with its γ (odd b)."""
    N, C, H, W = shape
    gamma = p / b**2 * H * W / ((H - b + 1) * (W - b + 1))
    falls = (torch.rand(N, C, H - b + 1, W - b + 1) < gamma).float()
    return F.max_pool2d(F.pad(falls, [b - 1] * 4), b, stride=1) == 0


shape = 1000, 20, 7, 7
own = (dropblock(torch.ones(shape), 0.3, 3) != 0).float()
theirs = paper_kept(shape, 0.3, 3).float()
fig, axes = plot.figure(3, width=9, height=3)
sheet = own[:4, :4].permute(0, 2, 1, 3).reshape(28, 28).numpy()
axes[0].imshow(sheet, cmap="Blues", vmin=0, vmax=1.4)
axes[0].set_xticks(7 * np.arange(1, 4) - 0.5, [])
axes[0].set_yticks(7 * np.arange(1, 4) - 0.5, [])
axes[0].grid(color=plot.INK, linewidth=1)
axes[0].set(title="16 of your maps", xlabel="pale: dropped")
titles = "Yours", "Squares that fit"
for ax, kept, name in zip(axes[1:], (own, theirs), titles, strict=True):
    by_place = kept.mean((0, 1)).numpy()
    ax.imshow(by_place, cmap="Blues", vmin=0.3, vmax=1.2)
    for (i, j), value in np.ndenumerate(by_place):
        ax.text(j, i, f"{value:.2f}"[1:], ha="center", va="center", fontsize=8)
    ax.set(title=f"{name}: {by_place.min():.2f} to {by_place.max():.2f}",
           xlabel=f"kept, on average {by_place.mean():.2f}")
for ax in axes:
    ax.tick_params(length=0, labelbottom=False, labelleft=False)
plot.show(fig, "16 of your maps, and how often each place is kept: with your squares, and with "
               "squares that fit into the map.")

# %% check="dropblock" points=2
# A pixel in the middle falls with probability p, by squares of its own map, fresh at each call.
pooled = [("must match", "the mask is larger or smaller than the map. Windows take b - 1 off.")]
ones = torch.ones(40, 15, 5, 5)
with expect.case("dropblock(x, 0.13, 3, generator) on 40 × 15 maps of 5 × 5 ones", crash=pooled):
    out = dropblock(ones.clone(), 0.13, 3, expect.generator())
    expect.tensor(out, (40, 15, 5, 5), torch.float32, hint="return a tensor of x's shape, dtype.")
    expect.equal(bool((out == 0).all()), False,
                 hint="all falls. γ is the probability that a square falls, not that it stays.")
with expect.case("dropblock(x, p, 3, generator) on 40 × 15 maps of 5 × 5: the pixel in the middle"):
    expect.coins(lambda p, generator: dropblock(ones.clone(), p, 3, generator)[:, :, 2, 2],
                 p=(0.13, 0.3, 0.5), axes=("image", "map"), source=expect.generator, none=True,
                 suspects=[
        (lambda p: 1 - (1 - p) ** 9,
         "γ is p itself. A pixel lies in b² squares: it falls far too often."),
        (lambda p: 1 - (1 - p / 9) ** 9,
         "γ = p / b² ignores that squares overlap: too few pixels fall."),
        (lambda p: 1 - (1 - p / 9 * 25 / 9) ** 9,
         "that is the paper's γ: the middle falls too often."),
        (lambda p: 1 - (1 - p) ** 3, "γ takes the b-th root. A square has b² pixels."),
    ])

# %% check="dropblock" points=1
# At the border and in the corners a pixel falls as often as in the middle.
with expect.case("dropblock(x, 0.3, 3, generator) on 20 000 maps of 5 × 5 ones, at the border"):
    gone = (dropblock(torch.ones(200, 100, 5, 5), 0.3, 3, expect.generator()) == 0).double()
    ok = abs(gone[:, :, 2, 2].mean() - 0.3) < 0.03  # the middle falls as often as it should
    rarely = [
        (1 - 0.7 ** (1 / 9), "one square only reaches the corner: those that hang over are missing."
                             " Draw on a larger grid."),
        (1 - 0.7 ** (4 / 9), "the corner falls too rarely: squares also begin outside of the map."),
    ]
    expect.mean(gone[:, :, -1, -1], 0.3, of=(0, 1), suspects=rarely if ok else [],
                hint="the lower right corner falls at another rate.")
    expect.mean(gone[:, :, 0, 0], 0.3, of=(0, 1),
                hint="the upper left corner falls at another rate.", suspects=[
        (1 - 0.7 ** (1 / 9), "squares reach the lower right corner, but not the upper left one: "
                             "begin above and left of the map."),
    ] if ok else [])
    for i in range(5):
        for j in range(5):
            expect.mean(gone[:, :, i, j], 0.3, of=(0, 1),
                        hint=f"pixel ({i}, {j}) falls at another rate than the rest.")

# %% check="dropblock" points=2
# What falls are squares: pixels fall together as often as squares hold both.
for b in (2, 3):
    with expect.case(f"dropblock(x, 0.2, {b}) on 20 000 maps: pixels that fall together",
                     crash=[("must match", "for an even block_size the mask has another size than "
                                           "the map: the same padding on both sides cannot do.")]):
        gone = (dropblock(torch.ones(200, 100, 4, 4), 0.2, b) == 0).double()
        expect.mean(gone[:, :, 1, 1], 0.2, of=(0, 1), hint="γ does not fit this block_size.")
        for way, i, j in (("in a row", 0, 1), ("in a column", 1, 0), ("on a diagonal", 1, 1)):
            for step in (1, b):
                both = gone[:, :, 0, 0] * gone[:, :, i * step, j * step]
                right, larger = (
                    2 * 0.2 - 1 + 0.8 ** (2 - max(k - i * step, 0) * max(k - j * step, 0) / k**2)
                    for k in (b, b + 1))  # of the k² squares over one pixel, how many hold both?
                known = [(0.04, f"neighbours {way} fall independently: a coin must drop a square "
                                "of pixels."), (larger, "the squares' side is b + 1.")]
                expect.mean(both, right, of=(0, 1), suspects=known[step // b :],
                            hint=f"pixels {way}, {step} apart: what falls is no {b} × {b} square.")

# %% check="dropblock" points=1
# At block_size 1 it is the dropout of single pixels, each with a coin of its own.
with expect.case("dropblock(x, p, 1, generator) on 4 × 5 maps of 10 × 12 ones"):
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
    kept = out / before
    each = torch.cat([kept.mean((2, 3)).flatten(), torch.ones(1)])
    by_count = abs(kept.mean() - 1) < 1e-5 or (each[each > 0] - 1).abs().max() < 1e-5
    by_count = by_count and (kept == 0).any()
    counted = [(float(kept.max()), "the scale counts the mask's own ones, as the paper does. Take "
                                   "1 / (1 - p): then each pixel's mean is right, and images do "
                                   "not depend on each other.")] if by_count else []
    expect.only(kept, (0, 1 / 0.7), rtol=1e-5, hint="what is kept is x / (1 - p).", suspects=[
        *counted,
        (1, "no renormalisation: divide what is kept by 1 - p."),
        (1 / 0.3, "what is kept is divided by p. Divide it by 1 - p."),
        (0.7, "what is kept is multiplied by 1 - p. Divide it by that."),
    ])

# %% check="dropblock" points=1
# In evaluation x comes out as it is.
maps = torch.randn(3, 4, 5, 7, generator=expect.generator())
with expect.case("dropblock(x, 0.6, 3, training=False)"):
    expect.close(dropblock(maps.clone(), 0.6, 3, None, False), maps, hint="evaluation returns x.")

# %% mistakes="dropblock"
{
    "not that it stays": ("1 - (1 - p) **", "(1 - p) **"),
    "γ is p itself": ("1 - (1 - p) ** (1 / b**2)", "p"),
    "ignores that squares overlap": ("1 - (1 - p) ** (1 / b**2)", "p / b**2"),
    "the paper's γ": ("1 - (1 - p) ** (1 / b**2)", "p / b**2 * H * W / (H - b + 1) / (W - b + 1)"),
    "b-th root": ("b**2", "b"),
    "p is swapped": ("1 - (1 - p) **", "1 - p **"),
    "Windows take b - 1 off": ("b - 1 ", "0 "),
    "every image has the same mask": ("rand(N,", "rand(1,"),
    "every map has the same mask": ("rand(N, C", "rand(N, 1"),
    "a seed is set inside": ("=generator,", "=torch.Generator().manual_seed(0),"),
    "do not come from the given": (" generator=generator,", ""),
    "an exact number is dropped": (
        "torch.rand(N, C, H + edge, W + edge, generator=generator, device=x.device) < gamma",
        """torch.randperm(N * C * (H + edge) * (W + edge), generator=generator) + 0.5
    falls = (falls < gamma * len(falls)).reshape(N, C, H + edge, W + edge)"""),
    "those that hang over are missing":
        ("falls.float()", "F.pad(falls[..., edge:H, edge:W].float(), [edge] * 4)"),
    "squares also begin outside":
        ("falls.float(), b, stride=1)", "falls[..., :H, :W].float(), b, 1, b // 2)"),
    "begin above and left":
        ("falls.float()", "F.pad(falls[..., edge:, edge:].float(), [edge, 0, edge, 0])"),
    "the same padding on both sides cannot do": ("b - 1 ", "2 * (b // 2) "),
    "side is b + 1": ("= block_size,", "= 2 * (block_size // 2) + 1,"),
    "neighbours in a row fall independently": ("= block_size,", "= 1,"),
    "no renormalisation": (" / (1 - p)\n", "\n"),
    "what is kept is divided by p": ("keep / (1 - p)", "keep / p"),
    "what is kept is multiplied by 1 - p": ("keep / (1 - p)", "keep * (1 - p)"),
    "counts the mask's own ones": ("keep / (1 - p)", "keep / keep.double().mean()"),
    "writes into its input": ("x * keep", "x.mul_(keep)"),
    "evaluation returns x": ("not training", "p == 0"),
}

# %% mistake="dropblock" says="neighbours in a column fall independently"
def dropblock(x, p, block_size, generator=None, training=True):
    b, (N, C, H, W) = block_size, x.shape
    falls = torch.rand(N, C, H, W + b - 1, generator=generator) < 1 - (1 - p) ** (1 / b)
    return x * (F.max_pool2d(falls.float(), (1, b), stride=1) == 0) / (1 - p)

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
# Every pixel of yours is kept with probability 0.70. With squares that fit, the middle is kept in
# 54 % of the maps and a corner in 93 %: "$p = 0.3$" is then neither what the middle loses (0.46)
# nor what the map loses on average (0.25). On large maps and for small $p$ the two ways agree well.
# But a check, or a comparison at "the same $p$", needs to know which one it has.
#
# ## Branches
#
# Stochastic depth (Huang and others, 2016) drops the *branch* of a residual block,
# $h + f(h)$, for a whole image at once. Dropped is $f(h)$ alone: the misunderstanding "the block's
# output falls" would leave nothing of the image. Each image has its own coin. (The paper draws one
# for a whole batch and scales at test time. Later code, timm's and torchvision's "row" mode, does
# as we do.)
#
# ## Exercise: `drop_path`

# %% exercise="drop_path"
def drop_path(x, p, generator=None, training=True):
    """Drop each sample of a branch's output with probability p; the others are x / (1 - p).

    x : tensor (N, ...) with any number of axes after the first, left as it is
    p, generator, training, and what is returned: as for `spatial_dropout`
    """
    check_probability(p)
    if training and p == 1:
        return torch.zeros_like(x)
    ### BEGIN SOLUTION
    if not training:
        return x.clone()
    one_each = len(x), *[1] * (x.dim() - 1)
    return x * (torch.rand(one_each, generator=generator, device=x.device) >= p) / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="drop_path"
# You have written this twice. Only the shape of the coins is another.

# %% [markdown] hint="drop_path"
# One coin for each entry of the first axis, and axes of length 1 for the rest.

# %% [markdown] hint="drop_path"
# `x.dim()` counts the axes. `[1] * 3` is a list of three ones, and `*` unpacks it in a shape.

# %% check="drop_path" points=2
# A sample falls as a whole, by a coin of its own, fresh at each call and from generator alone.
with expect.case("drop_path(x, p, generator) on 600 samples of 2 × 2 × 2 ones"):
    ones = torch.ones(600, 2, 2, 2, dtype=torch.float64)
    expect.coins(lambda p, generator: drop_path(ones.clone(), p, generator), shared=(1, 2, 3),
                 scale=lambda p: 1 / (1 - p), source=expect.generator, none=True)

# %% check="drop_path" points=1
# Samples may have any number of axes: what survives is x / (1 - p), in a new tensor.
for shape in ((60, 2, 3, 3), (60, 5), (60,)):
    x = 1 + torch.rand(shape, generator=expect.generator(), dtype=torch.float64)
    before = x.clone()
    with expect.case(f"drop_path(x, 0.3, generator) on x of shape {shape}",
                     crash=[("must match|expand|dimension|index|unpack",
                             "the coins fit one number of axes only. Count x's.")]):
        out = drop_path(x, 0.3, expect.generator())
        expect.unchanged(x, before)
        expect.tensor(out, shape, torch.float64,
                      hint="the result has another shape: count x's axes for the coins.")
        expect.only(out / before, (0, 1 / 0.7), rtol=1e-5, hint="a survivor is x / (1 - p).")

# %% check="drop_path" points=1
# In evaluation x comes out as it is.
x = torch.randn(300, 4, generator=expect.generator())
with expect.case("drop_path(x, 0.6, training=False)"):
    expect.close(drop_path(x.clone(), 0.6, None, False), x, hint="evaluation returns x.",
                 suspects=[(x / 0.4, "evaluation scales too. Scale in training only."),
                           (x * 0.4, "evaluation scales, as in the paper. Here training does.")])

# %% mistakes="drop_path"
{
    "not scaled": (" / (1 - p)", ""),
    "divided by p": ("/ (1 - p)", "/ p"),
    "every sample has the same mask": ("rand(one_each", "rand(()"),
    "has a coin of its own": ("len(x), *[1] * (x.dim() - 1)", "(*x.shape[:2], 1, 1)"),
    "p is swapped": (">= p", "< p"),
    "do not come from the given": ("generator=generator, ", ""),
    "a seed is set inside": ("=generator,", "=torch.Generator().manual_seed(0),"),
    "count x's axes": ("len(x), *[1] * (x.dim() - 1)", "(len(x), 1, 1, 1)"),
    "the coins fit one number": ("one_each = ", "N, C, H, W = x.shape\n    one_each = "),
    "writes into its input": ("x * (torch", "x.mul_(torch"),
    "a survivor is x": ("x * (torch", "torch.ones_like(x) * (torch"),
    "evaluation scales too": ("x.clone()", "x / (1 - p)"),
    "as in the paper": ("x.clone()", "x * (1 - p)"),
    "evaluation returns x": ("not training", "p == 0"),
}

# %% correct="drop_path"
def drop_path(x, p, generator=None, training=True):
    keep = torch.bernoulli(torch.full((len(x),), 1.0 - p), generator=generator).to(x.dtype)
    return torch.einsum("n...,n->n...", x, keep) / (1 - p) if training else x

# %% [markdown]
# ## Two that change the data
#
# Cutout and mixup are no layers. They change the images on their way in, in training only because
# you call them only there; nothing is rescaled.
#
# **Cutout** (DeVries and Taylor, 2017) blanks one square in each image, at a random place, in all
# channels alike. Its *centre* is uniform over the pixels of the image, so that a square may hang
# over the border: the misunderstanding "the square must fit in" cuts the border too rarely, and
# never shows the network an image that has nearly all of its pixels.
#
# ## Exercise: `cutout`

# %% exercise="cutout"
def cutout(x, size, generator=None):
    """Set one square of side `size` to 0 in each image, in all of its channels alike.

    Its centre is a pixel drawn uniformly from the image; what hangs over the border is lost. For
    an even size the centre is either of the two middle pixels, as you like. Nothing is scaled.

    x : tensor (N, C, H, W), left as it is
    size : whole number, odd or even, from 1 up
    generator : torch.Generator, or None for torch's own; the only source of randomness
    Returns a new tensor of x's shape, dtype and device.
    """
    ### BEGIN SOLUTION
    N, _, H, W = x.shape
    inside = []
    for length in (H, W):
        centre = torch.randint(length, (N, 1), generator=generator, device=x.device)
        offset = torch.arange(length, device=x.device) - (centre - size // 2)
        inside.append((offset >= 0) & (offset < size))
    rows, columns = inside
    return x.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)
    ### END SOLUTION

# %% [markdown] hint="cutout"
# Draw a row and a column for each image, with `torch.randint`. The square begins `size // 2` above
# and left of them.

# %% [markdown] hint="cutout"
# A loop over the images, with slices of a copy of x, will do. A slice may end beyond the border,
# but must not begin at a negative number.

# %% [markdown] hint="cutout"
# Without a loop: compare `torch.arange(H)` with the first row of each image's square, (N, 1), to
# get (N, H) booleans for the rows, likewise for the columns, and combine them by broadcasting.

# %%
some = X_test[:8].cpu()
fig, (ax,) = plot.figure(1, width=8, height=2.4)
rows = [F.pad(row[:, 0], (1, 1, 1, 1)) for row in (some, 1 - cutout(1 - some, 5))]
plot.image(torch.cat([torch.cat(list(row), 1) for row in rows]).numpy(), ax, largest=1)
ax.set_yticks([7.5, 23.5], ["image", "your cutout"])
ax.tick_params(length=0)
ax.set_title("Your squares of side 5, shown black")
plot.show(fig, "Eight characters, and the same after your cutout.")

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
                 hint="what falls is no rectangle: a pixel falls where its row and its column do.")
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
# The side of a square may be even.
with expect.case("cutout(x, 4): the largest height and width of what falls"):
    gone = (cutout(torch.ones(3000, 1, 6, 9), 4) == 0)[:, 0]
    for side in (gone.any(2), gone.any(1)):
        expect.equal(int(side.sum(1).max()), 4, hint="an even size has another side than `size`.",
                     suspects=[(5, "an even size gives a side of size + 1.")])

# %% check="cutout" points=2
# The centre of the square is uniform over the image.
with expect.case("cutout(x, 3, generator) on 10 000 images of 6 × 9: which pixels fall"):
    gone = (cutout(torch.ones(10_000, 1, 6, 9), 3, expect.generator()) == 0).double()[:, 0]
    expect.mean(gone[:, -1, -1], 4 / 54, of=(0, 1), 
                hint="the lower right corner falls at another rate than its place allows.",
                suspects=[(1 / 40, "the last row and column are never drawn: `randint` leaves out "
                                   "its upper end.")])
    for i in range(6):
        for j in range(9):
            places = (3 - (i in (0, 5))) * (3 - (j in (0, 8)))
            expect.mean(gone[:, i, j], places / 54, of=(0, 1), 
                        hint=f"pixel ({i}, {j}) falls at another rate than its place allows.")

# %% check="cutout" points=1
# The places come from generator, fresh at each call.
x = torch.ones(100, 1, 8, 8)
with expect.case("cutout(x, 3, generator) twice with the same generator, and twice without one"):
    for generator in (expect.generator(), None):
        expect.varies([cutout(x, 3, generator) for _ in range(2)], chance=1e-9,
                      what="other squares", hint="each call cuts the same squares: a seed is set "
                                                 "inside, or no place is drawn at all.")
with expect.case("cutout(x, 3, generator) with two generators of seed 7"):
    first, second = (cutout(x, 3, torch.Generator().manual_seed(7)) for _ in "ab")
    expect.repeats(first, second, hint="the places do not come from generator. Hand it on.")

# %% mistakes="cutout"
{
    "never hang over the border":
        ("randint(length, (", "randint(size // 2, length - size // 2, ("),
    "too small: count": ("offset < size", "offset < 2 * (size // 2)"),
    "one pixel too large": ("offset < size", "offset <= size"),
    "the square is too large": ("(offset >= 0) & (offset < size)", "offset.abs() < size"),
    "a side of size + 1": ("offset < size", "offset <= 2 * (size // 2)"),
    "loses one of its 3 rows": ("(centre - size // 2)", "centre"),
    "all images lose the same": ("(N, 1)", "(1, 1)"),
    "writes into its input": ("masked_fill", "masked_fill_"),
    "H and W are mixed up": ("randint(length", "randint(H + W - length"),
    "nothing is scaled": (", 0)", ", 0) * H * W / (H * W - size**2)"),
    "is no rectangle": ("None] & columns", "None] | columns"),
    "leaves out its upper end": ("randint(length", "randint(length - 1"),
    "falls at another rate than its place":
        ("(H, W):", "(H, W):\n        generator = torch.Generator()"),
    "a seed is set inside": ("=generator", "=torch.Generator().manual_seed(length)"),
    "do not come from generator": (" generator=generator,", ""),
}

# %% correct="cutout"
def cutout(x, size, generator=None):
    out, half = x.clone(), (size - 1) // 2
    for image in out:
        i, j = (int(torch.randint(n, (), generator=generator)) - half for n in x.shape[2:])
        image[:, max(0, i) : i + size, max(0, j) : j + size] = 0
    return out

# %% [markdown]
# **Mixup** (Zhang and others, 2018) mixes each image with another one of the batch,
# $\lambda x_i + (1-\lambda)\,x_j$, and asks for both labels, in the same shares. It drops nothing;
# it stands here because it, too, is noise that only training sees. The loss is
# $\lambda\,\ell(z, y_a) + (1-\lambda)\,\ell(z, y_b)$, as in `fit` above.
#
# $\lambda$ is drawn anew for each batch from the distribution $\mathrm{Beta}(\alpha, \alpha)$: for
# small $\alpha$ it is nearly always close to 0 or to 1. The misunderstanding: to shuffle images and
# labels each in an order of its own.
#
# ## Exercise: `mixup`

# %% exercise="mixup"
def mixup(x, y, alpha, generator=None):
    """Mix each image of a batch with that of a partner: lam * x_i + (1 - lam) * x_j.

    The partners are a random permutation of the batch; lam ~ Beta(alpha, alpha) is one number for
    the whole batch. (If u is uniform on [0, 1], then special.betaincinv(alpha, alpha, u) is so
    distributed: torch's own Beta takes no generator.)

    x : tensor (N, ...), y : tensor of labels (N,); both left as they are; alpha : above 0
    generator : torch.Generator, or None for torch's own; the only source of randomness
    Returns (mixed, y_a, y_b, lam): the mixed images, with x's shape and dtype; the labels of the
    images, that have the share lam; the labels of the partners; and lam.
    """
    ### BEGIN SOLUTION
    uniform = torch.rand((), generator=generator, dtype=torch.float64).item()
    lam = float(special.betaincinv(alpha, alpha, uniform))
    partner = torch.randperm(len(x), generator=generator).to(x.device)
    return lam * x + (1 - lam) * x[partner], y, y[partner], lam
    ### END SOLUTION

# %% [markdown] hint="mixup"
# Two random things: a number and an order. `torch.rand((), …)` is one number, `torch.randperm(N)`
# an order of 0 … N-1.

# %% [markdown] hint="mixup"
# `x[order]` and `y[order]` put images and labels into the same order.

# %% [markdown] hint="mixup"
# `.item()` makes a Python number of a tensor of one entry; a product with it keeps x's dtype.

# %%
mixed, y_a, y_b, lam = mixup(X_test[:8].cpu(), y_test[:8].cpu(), 4.0)  # near ½
fig, (ax,) = plot.figure(1, width=8, height=1.7)
plot.image(torch.cat(list(mixed[:, 0]), 1).numpy(), ax, largest=1)
both = zip(y_a, y_b, strict=True)
ax.set_xticks(14 * np.arange(8) + 6.5, [f"{kinds[a]} and {kinds[b]}" for a, b in both])
ax.tick_params(length=0)
ax.set_title(f"Your mixup: {lam:.2f} of one character, {1 - lam:.2f} of another")
plot.show(fig, "Eight images, each a mixture of two characters.")

# %% check="mixup" points=2
# What is mixed is told by the labels, and in the shares that lam tells.
numbers = torch.arange(60)
x = torch.randn(60, 2, 3, generator=expect.generator(), dtype=torch.float64)
before = x.clone()
with expect.case("mixed, y_a, y_b, lam = mixup(x, y, 4.0, generator), 60 images, each its label"):
    mixed, y_a, y_b, lam = mixup(x, numbers, 4.0, expect.generator())
    expect.unchanged(x, before)
    expect.tensor(mixed, (60, 2, 3), torch.float64, hint="mixed has x's shape and dtype.")
    expect.equal(torch.as_tensor(lam).numel(), 1, hint="lam is one number for the whole batch.")
    lam = float(lam)
    expect.close(lam, 0.5, rtol=0, atol=0.499, hint="with this lam nothing is mixed.")
    expect.equal(y_a, numbers, hint="y_a are the labels as they came.",
                 suspects=[(y_b, "y_a and y_b are the same. Return y as it is, as y_a.")])
    expect.equal(np.sort(np.asarray(y_b)), np.arange(60),
                 hint="y_b is no permutation of y: some images are no one's partner.")
    expect.varies([numbers, y_b], chance=1e-80, what="partners other than the images themselves",
                  hint="each image is its own partner. Permute at random.")
    own, other = x, x[torch.as_tensor(np.asarray(y_b))]
    pair, found = torch.stack([own.flatten(), other.flatten()], 1), mixed.flatten()[:, None]
    rest = (pair @ torch.linalg.lstsq(pair, found).solution - found).abs().max()
    told = ("lam is not the share in which the images were mixed." if rest < 1e-5 else
            "what is mixed are not the images of y_a and y_b. Use one permutation for both.")
    expect.close(mixed, lam * own + (1 - lam) * other, rtol=1e-5, atol=1e-6, hint=told, suspects=[
        (own, "the images come out as they were."),
        ((1 - lam) * own + lam * other, "lam is the share of the partner. Swap the shares."),
        (own + (1 - lam) * other, "the shares do not sum to 1."),
        (lam * own, "the partner is missing."),
    ])

# %% check="mixup" points=1
# In the long run lam is distributed as Beta(alpha, alpha).
x, numbers = torch.zeros(2, 1), torch.arange(2)
for alpha in (0.2, 1.0, 4.0):
    with expect.case(f"lam of mixup(x, y, {alpha}, generator), 1000 times"):
        generator = expect.generator()
        found = np.array([float(mixup(x, numbers, alpha, generator)[3]) for _ in range(1000)])
        expect.varies(found, chance=1e-9, what="lam to change from call to call",
                      hint="lam is always the same. Draw it in each call.")
        hint = "lam is not as often below ½ as above."
        if (found >= 0.5).all():
            hint = "lam is always the larger share. Leave it as it is drawn."
        elif (found <= 0.5).all():
            hint = "lam is always the smaller share. Leave it as it is drawn."
        expect.mean(found < 0.5, 0.5, of=(0, 1), hint=hint)
        inner = special.betainc(alpha, alpha, 0.75) - special.betainc(alpha, alpha, 0.25)
        expect.mean(abs(found - 0.5) < 0.25, inner, of=(0, 1),
                    hint="lam is not distributed as Beta(alpha, alpha).",
                    suspects=[(0.5, "lam is uniform: alpha is ignored.")])

# %% check="mixup" points=1
# Partners and lam come from generator, fresh at each call.
x, numbers = torch.randn(200, 3, generator=expect.generator()), torch.arange(200)
with expect.case("mixup(x, y, 1.0, generator) twice with the same generator, and twice without"):
    for generator in (expect.generator(), None):
        calls = [mixup(x, numbers, 1.0, generator) for _ in range(2)]
        expect.varies([y_b for _, _, y_b, _ in calls], chance=1e-300, what="other partners",
                      hint="each call pairs the same images. Permute at random.")
with expect.case("mixup(x, y, 1.0, generator) with two generators of seed 7"):
    first, second = (mixup(x, numbers, 1.0, torch.Generator().manual_seed(7)) for _ in "ab")
    expect.repeats(float(first[3]), float(second[3]), hint="lam does not come from generator.")
    expect.repeats(first[2], second[2], hint="the partners do not come from generator.")

# %% mistakes="mixup"
{
    "Use one permutation": ("y[partner]", "y[torch.randperm(len(x), generator=generator)]"),
    "share of the partner": ("lam * x + (1 - lam) * x[", "(1 - lam) * x + lam * x["),
    "the shares do not sum to 1": ("return lam * x", "return x"),
    "the partner is missing": (" + (1 - lam) * x[partner]", ""),
    "the images come out": ("lam * x + (1 - lam) * x[partner]", "x.clone()"),
    "nothing is mixed": ("float(special.betaincinv(alpha, alpha, uniform))", "1.0"),
    "no one's partner": ("randperm(len(x)", "randint(len(x), (len(x),)"),
    "its own partner": ("torch.randperm(len(x), generator=generator)", "torch.arange(len(x))"),
    "one number for the whole batch": ("float(special.betaincinv(alpha, alpha, uniform))",
                                       "torch.rand(len(x), 1, 1, generator=generator)"),
    "Return y as it is": ("y, y[partner]", "y[partner], y[partner]"),
    "alpha is ignored": ("float(special.betaincinv(alpha, alpha, uniform))", "uniform"),
    "lam is always the same": ("float(special.betaincinv(alpha, alpha, uniform))", "0.7"),
    "always the larger share": ("partner =", "lam = max(lam, 1 - lam)\n    partner ="),
    "always the smaller share": ("partner =", "lam = min(lam, 1 - lam)\n    partner ="),
    "pairs the same images": (
        "torch.randperm(len(x), generator=generator)", "torch.arange(len(x) - 1, -1, -1)"),
    "lam does not come from generator": ("((), generator=generator,", "((),"),
    "the partners do not come from": ("len(x), generator=generator", "len(x)"),
    "writes into its input": ("return lam * x +", "x *= lam\n    return x +"),
}

# %% correct="mixup"
def mixup(x, y, alpha, generator=None):
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    lam, order = rng.beta(alpha, alpha), torch.as_tensor(rng.permutation(len(x)))
    return torch.lerp(x[order], x, lam), y.clone(), y[order], torch.tensor(lam)

# %% [markdown]
# ## Explore: every mask on the same maps
#
# Three images with three maps each under your functions. Below each sheet stands how many of the
# dropped pixels still have a *kept* neighbour, above, below, left or right, from which something
# of them might be guessed. (Cutout is meant for the input; here it cuts the maps.)
#
# **Try**: at which $p$ does element dropout leave a tenth of its holes without such a neighbour?
# From which block size on do fewer than half of DropBlock's holes have one, at $p = 0.3$? Which
# three never look at $b$, and which one never at $p$?

# %%
explore.maps(spatial_dropout, dropblock, drop_path, cutout)

# %% [markdown]
# ## What does each gain?
#
# Now the whole list on the network of the first cell, with your functions: five training sets, 240
# steps each, tested on 2000 other images. All that act on maps have $p = 0.2$ and stand after each
# of the three blocks; element dropout and DropBlock also stand alone before or after the pooling.
# The other settings come from a small trial on other training images. This takes a minute or two.
#
# Folklore puts element dropout on maps last. **By how many points does it lower the error rate?**
# (Without dropout it is about 27 %.)

# %% guess=true
my_guess = 0.5  # points that element dropout after each block gains

# %% figure=true
# What each kind of dropout gains: error rates of twelve recipes, five networks each.
guess = expect.guess(my_guess)


def element(h):
    return F.dropout(h, 0.2)


def blocks(h):
    return dropblock(h, 0.2, 3)


recipes = {
    "none": {},
    "element": {"after a block": element},
    "spatial": {"after a block": lambda h: spatial_dropout(h, 0.2)},
    "DropBlock, b = 3": {"after a block": blocks},
    "stochastic depth": {"branch": lambda h: drop_path(h, 0.2)},
    "cutout, 3 × 3": {"change": lambda x, y: (cutout(x, 3), y, y, 1.0)},
    "mixup, α = 0.2": {"change": lambda x, y: mixup(x, y, 0.2)},
    "before the classifier, p = ½": {"features": lambda h: F.dropout(h, 0.5)},
    "element, before pooling": {"before pooling": element},
    "element, after pooling": {"after pooling": element},
    "DropBlock, before pooling": {"before pooling": blocks},
    "DropBlock, after pooling": {"after pooling": blocks},
}
errors, losses = np.zeros((2, len(recipes), 5))
for k, recipe in enumerate(recipes.values()):
    for seed in range(5):
        net = fit(seed, **recipe) if recipe else plain[seed]
        with torch.no_grad():
            z = net(X_test)
        errors[k, seed] = 100 * (z.argmax(1) != y_test).double().mean()
        losses[k, seed] = F.cross_entropy(z, y_test)
gains = errors[0] - errors  # of the same training set: its own difficulty cancels

fig, (left, right) = plot.figure(2, width=9.5, height=3.6)
plot.bars(errors[:8].mean(1), list(recipes)[:8], left, spread=plot.standard_error(errors[:8], 1),
          colors=[plot.GREY, plot.BLUE, *6 * [plot.GREEN]])
left.vlines(errors[0].mean() - guess, 0.55, 1.45, color=plot.INK, linestyle="--")
left.set_xlabel("error rate, %, 5 runs ± s.e. (dashed: your guess)")
left.set_title(f"You said {guess:g}: elements gain {plot.difference(gains[1]):.1f} points")
for shift, name, color, which in ((-0.06, "element", plot.BLUE, [8, 9, 1]),
                                  (0.06, "DropBlock", plot.GREEN, [10, 11, 3])):
    right.errorbar(np.arange(3) + shift, gains[which].mean(1), plot.standard_error(gains[which], 1),
                   fmt="o", color=color, capsize=3, label=name)
tie = near[:, 1].mean(), near[:, 2].mean(), near[:, 3:].mean()
places = ["before pooling", "after pooling", "after 3 blocks"]
right.set_xticks(range(3), [f"{a}\n(corr. {b:.2f})" for a, b in zip(places, tie, strict=True)])
right.set(ylabel="points gained over none ± s.e.", xlim=(-0.5, 2.5))
right.axhline(0, color=plot.GREY, linewidth=0.8)
right.legend(loc="upper left")
gap = plot.difference(gains[10], gains[8])
right.set_title(gap.says(more=f"Before pooling blocks gain more: {gap:.1f}",
                         less=f"Before pooling blocks gain less: {gap:.1f}",
                         same=f"Before pooling both gain alike: {gap:.1f}"))
plot.show(fig, "Error rates of eight kinds of training, and what element dropout and DropBlock "
               "gain at three places of the network, with standard errors.")
print(f"{'':30} gain in error     log loss")
for k, name in enumerate(recipes):
    print(f"{name:30} {gains[k].mean():5.1f} ± {plot.standard_error(gains[k]):.1f} points"
          f"  {losses[k].mean():.2f} ± {plot.standard_error(losses[k]):.2f}")

# %% [markdown]
# Folklore is half right, and the half can be named.
#
# - **Before pooling**, where neighbours are most alike (correlation about 0.4), element dropout
#   gains one point and DropBlock between three and four. That fits what Tompson and Ghiasi say: a
#   lone hole can be filled from its neighbours (and the pooling takes the largest of four).
# - **After pooling** (0.27) the two gain alike. **After each block** (0.25 on average) element
#   dropout gains about five points, as much as anything in the list, and DropBlock no more.
#   "Element dropout on maps does nothing" is wrong for this network.
# - Dropout **before the classifier** gains as much, and costs a line. Differences of a point or
#   less are within the noise of five runs: do not rank by them.
# - **Stochastic depth** gains little. It was made for networks of a hundred layers and more; this
#   one has three branches.
# - The log loss tells the same, more loudly: 1.7 nats without anything, 0.7 to 0.8 with the best.
#
# What this does *not* show: that the correlation is the cause. From before to after pooling other
# things change as well, such as the size of the maps and what follows them. And each kind was
# tried at one rate.
#
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="corner" points=1
# In how many of the possible 3 × 3 squares of your `dropblock` lies the corner pixel of a map?
#
# - [ ] 1
# - [ ] 4
# - [x] 9
#
# Hint: squares may hang over the border: count those that hold the corner.

# %% question="branch_answer" points=1
# A residual block gives h + f(h). Stochastic depth drops:
#
# - [ ] h
# - [x] f(h)
# - [ ] h + f(h)
#
# Hint: what must be left of the image when the coin says drop?

# %% question="noise" points=1
# At the same p, which makes most noise in the average of a map:
#
# - [ ] element
# - [ ] DropBlock
# - [x] spatial
#
# Hint: how many independent coins is the average made of?

# %% [markdown]
# ## In your own words
#
# A colleague reads that "element dropout does nothing in a convolutional network, because
# neighbouring pixels are correlated; use DropBlock". Answer in two to five sentences: which part
# of this did today's measurements bear out, which not, and what would you measure before you chose
# one for *your* network? (In a class, your instructor grades this.)

# %% [markdown] answer="which_mask" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: says what was measured here, in both directions: neighbours are
# correlated, most before pooling, and there element dropout gained little and DropBlock clearly
# more; deeper, element dropout gained as much as DropBlock, so "does nothing" is wrong for this
# network. One point: a measurement for the own network, such as the correlation of neighbours at
# the place in question, or validation error with each kind at its own best p, over several seeds
# and with the spread; large images and long training may come out differently.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - What falls together is decided by the shape of the coins: a pixel, a map, a sample; for squares,
#   by a window over coins.
# - Squares that may hang over the border make $1-p$ exact at every pixel. With squares that fit,
#   a 7 × 7 map at "$p = 0.3$", $b = 3$ loses 25 % on average, 46 % in its middle and 7 % in a
#   corner.
# - Neighbours in a map were correlated by 0.4 before pooling and by 0.2 to 0.3 deeper. Element
#   dropout gained little at the first place, and as much as any other kind deeper.
# - Cutout and mixup change data, not layers: nothing is scaled, and nothing is left of them in
#   evaluation.
#
# **Read.** Tompson, Goroshin, Jain, LeCun and Bregler, *Efficient object localization using
# convolutional networks*, CVPR 2015, §3.2 (spatial dropout). Ghiasi, Lin and Le, *DropBlock: a
# regularization method for convolutional networks*, NeurIPS 2018, §3. Huang, Sun, Liu, Sedra and
# Weinberger, *Deep networks with stochastic depth*, ECCV 2016. DeVries and Taylor, *Improved
# regularization of convolutional neural networks with cutout*, 2017. Zhang, Cisse, Dauphin and
# Lopez-Paz, *mixup: beyond empirical risk minimization*, ICLR 2018.
#
# **Stretch.** Ghiasi and others raise $p$ from 0 to its value in the course of training. Does that
# change the order of your bars? And is each at its own best $p$: how do they compare when you give
# each three rates, and choose on images of their own?
#
# **Still open.** An image has neighbours on all sides. A sentence has a before and an after, and a
# state that is carried along. What should be dropped there, and how often? That is {{sequences}}.
