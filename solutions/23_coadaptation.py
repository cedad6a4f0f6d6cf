# %% [markdown]
# # 2.3 · Co-adaptation
#
# **Do units lean on each other?**
#
# *{{minutes}} minutes. Before: {{inverted_dropout}} and {{ensemble}}. After, you will be able to
# say what a hidden unit is worth, to measure whether two units lean on each other or back each
# other up, and to see why a measure fools you.*
#
# | symbol | meaning |
# | --- | --- |
# | $h_i$ | activation of hidden unit $i$, one of $n$ |
# | $w_i$ | what unit $i$ draws, its **feature** |
# | $m$ | mask: $m_i = 0$ where unit $i$ is removed, else 1 |
# | $L$ | loss of the whole network; $L(-i)$ without unit $i$, $L(-i,-j)$ without both |
# | $I_{ij}$ | interaction of units $i$ and $j$ |
# | $q_i$ | ink of unit $i$: $\lVert h_i w_i\rVert^2$, averaged over images |

# %% setup=true
from math import comb

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from dropoutlab import autoencoder, check_probability, expect, explore, plot, studies
from dropoutlab.studies import coadaptation as study

# %% [markdown]
# ## A claim, and four kinds of network
#
# Dropout "prevents complex co-adaptations in which a feature detector is only helpful in the
# context of several other specific feature detectors". So its authors wrote in 2012.
#
# The network is an autoencoder (§7 of the paper of 2014): it redraws its own input. Each
# hidden unit adds its feature to the picture, and a mask says which units take part:
#
# $$ h = \operatorname{relu}(Vx + a), \qquad \hat x = \sum_i m_i\, h_i\, w_i + b . $$
#
# The cell below trains twenty networks on 1200 noisy images of printed digits, five of each kind:
#
# - *without dropout*: 64 hidden units;
# - *with dropout*: inverted dropout at $p = 0.5$ in training;
# - *with L2*: a penalty on all weights;
# - *fewer units*: 16, without dropout.
#
# Dropout makes the whole network redraw several times worse, and what you find might come from that
# alone. So the last two are **controls**, chosen on other images to redraw as badly.

# %%
X_test = autoencoder.images()[0]
networks = autoencoder.trained()  # five networks of each kind: takes some 15 seconds
names, n, side = list(networks), autoencoder.UNITS, autoencoder.SIDE
colors = dict(zip(names, (plot.INK, plot.GREEN, plot.PINK, plot.SKY), strict=True))
dice = np.random.default_rng()


def units(net):
    return len(net.a)


undamaged = {name: [net.loss(X_test)(np.ones(units(net))) for net in nets]
             for name, nets in networks.items()}
for name, errors in undamaged.items():
    print(f"{name:16} error {np.mean(errors):.3f} ± {plot.standard_error(errors):.3f}")

# %% [markdown]
# (Squared error per image; ± one standard error over five networks.) Now a random eighth of the
# units goes. **By what factor does the error grow in a network without dropout?**

# %% guess=true
my_guess = 2.0  # error without an eighth of the units / error of the whole network

# %% figure=true
# Redrawn without an eighth of the units, and by what factor the error grows.
guess, factors = expect.guess(my_guess), []
for nets in networks.values():
    for net in nets:
        loss, many = net.loss(X_test), units(net)  # loss(mask): the mean error over the images
        damaged = [loss(dice.permutation(many) >= many // 8) for _ in range(50)]
        factors.append(np.mean(damaged) / loss(np.ones(many)))
factors = np.reshape(factors, (4, 5))

fig, (left, right) = plot.figure(2, height=3, width=9)
some = X_test[:6]
rows, left_over = [some], dice.permutation(n) >= n // 8
for name in names[:2]:
    net = networks[name][0]
    rows += [net.output(net.hidden(some)), net.output(net.hidden(some) * left_over)]
sheet = np.reshape(rows, (5, 6, side, side)).swapaxes(1, 2)
plot.image(sheet.reshape(5 * side, 6 * side).clip(0, 1), left, largest=1)
left.set_yticks(side * np.arange(5) + side / 2,
                ["input", "without dropout", "8 removed", "with dropout", "8 removed"])
left.tick_params(length=0)
left.set_title("Six test images, redrawn")
plot.bars(factors.mean(1), names, right, spread=plot.standard_error(factors, 1),
          colors=list(colors.values()))
right.axvline(guess, color=plot.GREY, linestyle="--")
right.annotate(" your guess", (guess, 0.5), va="center", color=plot.GREY)
right.set_xlabel("error without an eighth of the units / error whole")
right.set_xlim(0, 1.25 * max(guess, factors.max()))
told = f"{factors[0].mean():.2f} ± {plot.standard_error(factors[0]):.2f}"
right.set_title(f"You said {guess:g}: without dropout it is {told}")
plot.show(fig, "Six images, redrawn by two networks whole and without 8 units; four bars: the "
               f"error's growth. Without dropout {told}, with dropout {factors[1].mean():.2f}.",
          claims={"dropout-robust": bool(factors[0].min() > 3 and factors[1].max() < 1.4),
                  "l2-too": bool(factors[2].max() < 1.4),
                  "whole-worse": bool(min(undamaged["with dropout"])
                                      > 3 * max(undamaged["without dropout"]))})

# %% [markdown]
# Relative to its error when whole, the network without dropout falls apart, and the one with
# dropout hardly notices. Nor does the one with L2, at the same error.{{claim:l2-too}} So most of
# this robustness is not dropout's own. What is?
#
# ### One question from {{inverted_dropout}}
#
# In training, survivors were multiplied by $1/(1-p)$. Should the 56 units that are left here be
# multiplied by $64/56$?
#
# <details><summary>Answer</summary>
#
# That depends on the training: only dropout trains thinned networks and multiplies survivors.
# Dashed curves below will tell.
# </details>
#
# ## What is a unit worth?
#
# Remove it and see how far the loss rises. Two teams of two units must draw the number 1 together.
# The loss is the squared error.
#
# | team | unit 0 draws | unit 1 draws | $L$ | $L(-0)$ | $L(-1)$ | $L(-0,-1)$ |
# | --- | --- | --- | --- | --- | --- | --- |
# | A | ½ | ½ | 0 | ¼ | ¼ | 1 |
# | B | 2 | −1 | 0 | 4 | 1 | 1 |
#
# ## Exercise: `ablation_effect`
#
# Remove unit $i$ only, not all the others. The effect may be negative: some units do harm.

# %% exercise="ablation_effect"
def ablation_effect(loss, n):
    """By how much the loss rises when a single unit is removed: L(-i) - L, for each i.

    loss : a function of a mask of shape (n,), 1 for a unit that is there, 0 for one removed
    n : number of units
    Returns an array (n,).
    """
    ### BEGIN SOLUTION
    everyone = loss(np.ones(n))
    return np.array([loss(mask) - everyone for mask in 1 - np.eye(n)])
    ### END SOLUTION

# %% [markdown] hint="ablation_effect"
# The loss of the whole network is `loss` of a mask of ones. It is needed once.

# %% [markdown] hint="ablation_effect"
# Go through the units. For each one the mask is all ones, but for a single 0.

# %% [markdown] hint="ablation_effect"
# Begin each turn with a *new* mask: one that is used again still holds the zeros of the units
# before. (Or take the rows of `1 - np.eye(n)`.)

# %% check="ablation_effect" points=2
# Each effect is the loss without that unit, less the loss of the whole network.
share, u = expect.rng().normal(size=(2, 6))
share[:2] = np.abs(share[:2]) * (1, -1)  # one helps, one harms
u[:2] = 0  # and these two do nothing else
shapes = []  # of the masks that f sees


def f(m):
    shapes.append(np.shape(m))
    return 3 - share @ m + (u @ m) ** 2


L, empty = f(np.ones(6)), f(np.zeros(6))
without = np.array([f(m) for m in 1 - np.eye(6)])
alone = np.array([f(m) for m in np.eye(6)])
falling = np.array([f(m) for m in np.triu(np.ones((6, 6)), 1)])
one_less = "the mask is inverted: unit i is kept and all others are removed."
stay = "units removed before stay removed. Begin with a new mask each time."
other = "that compares with the empty network. Compare with the whole one."
with expect.case("ablation_effect(loss, 6) with loss(m) = 3 - share @ m + (u @ m) ** 2"):
    effects = ablation_effect(f, 6)
    expect.equal(max(shapes), (6,), hint="loss takes one mask, of shape (n,). Call it once for "
                                         "each unit.")
    expect.array(np.asarray(effects), 6, hint="return one number for each unit.")
    expect.close(effects, without - L, hint="L(-i) - L, with L(-i) the loss without unit i alone.",
                 rtol=1e-5, atol=1e-5, suspects=[
        (L - without, "the difference is the other way round: take the whole's loss from L(-i)."),
        (without, "that is L(-i). Subtract the loss of the whole network."),
        (alone - L, one_less),
        (alone, one_less),
        (falling - L, stay),
        (np.diff(falling, prepend=L), stay),
        (np.abs(without - L), "the sign is lost: a removal may also lower the loss."),
        (without - empty, other),
        (empty - alone, other),
        (without / L, "that is a ratio. Subtract the whole's loss."),
        (np.r_[0, (without - L)[1:]], "unit 0 is left out. Units are counted from 0."),
    ])

# %% check="ablation_effect" points=1
# The two teams of the worked example, one with a loss left, and a team of one.
for team, effects, loss in (
    ("A, whose units draw ½ and ½", (0.25, 0.25), lambda m: (1 - 0.5 * m[0] - 0.5 * m[1]) ** 2),
    ("B, whose units draw 2 and -1", (4.0, 1.0), lambda m: (1 - 2.0 * m[0] + m[1]) ** 2),
    ("A where 2 is to be drawn", (1.25, 1.25), lambda m: (2 - 0.5 * m[0] - 0.5 * m[1]) ** 2),
    ("C of one unit, which draws ½", (0.75,), lambda m: (1 - 0.5 * m[0]) ** 2),
):
    with expect.case(f"ablation_effect of team {team}"):
        expect.close(ablation_effect(loss, len(effects)), np.array(effects), rtol=1e-5,
                     hint="put the team's losses into L(-i) - L, each from the loss of this call.",
                     suspects=[(effects[0], "one number comes back. Return an array, (1,) of one "
                                            "unit: is a squeeze there?")])

# %% mistakes="ablation_effect"
{
    "the other way round": ("loss(mask) - everyone for", "everyone - loss(mask) for"),
    "Subtract the loss of the whole": ("loss(mask) - everyone for", "loss(mask) for"),
    "the mask is inverted": ("1 - np.eye(n)", "np.eye(n)"),
    "stay removed": ("1 - np.eye(n)", "np.triu(np.ones((n, n)), 1)"),
    "the sign is lost": ("loss(mask) - everyone for", "abs(loss(mask) - everyone) for"),
    "empty network": ("np.ones(n))", "np.zeros(n))"),
    "that is a ratio": ("loss(mask) - everyone for", "loss(mask) / everyone for"),
    "unit 0 is left out": ("loss(mask) - everyone for", "mask[0] * (loss(mask) - everyone) for"),
    "one number for each unit": ("np.array([", "np.mean(["),
    "loss takes one mask": ("np.array([loss(mask) - everyone for mask in 1 - np.eye(n)])",
                            "loss(1 - np.eye(n)) - everyone"),
    "one number comes back": ("np.array([", "np.squeeze(["),
}

# %% correct="ablation_effect"
def ablation_effect(loss, n):
    mask = np.ones(n, dtype=bool)
    base, found = loss(mask), []
    for unit in range(n):
        mask[unit] = False
        found.append(loss(mask) - base)
        mask[unit] = True
    return np.array(found)

# %% [markdown]
# The effects in your twenty networks, largest first:

# %%
fig, (ax,) = plot.figure(1, height=2.8, width=7)
worth = {}
for name, nets in networks.items():
    effects = np.array([ablation_effect(net.loss(X_test), units(net)) for net in nets])
    ranked = -np.sort(-effects).T
    ax.plot(range(1, len(ranked) + 1), ranked, color=colors[name], linewidth=1,
            label=[f"{name}: mean {effects.mean():.3f}", *[None] * 4])
    worth[name] = effects.mean(1)
ax.set(xlabel="unit, by rank (5 networks of each kind)", ylabel="your effect, error per image")
ax.set_yscale("symlog", linthresh=0.01)
ax.legend()
gap = plot.difference(worth["with dropout"], worth["without dropout"])
told = gap.says(more="With dropout a unit is worth more", less="With dropout a unit is worth less",
                same="A unit is worth as much with dropout") + f": {gap:.3f}"
ax.set_title(told)
plot.show(fig, f"Ablation effects by rank, five curves of each kind. {told}.")

# %% [markdown]
# With dropout a unit is worth about a sixth as much, with L2 a quarter. Is this "less
# co-adaptation"? That is about *pairs*: unit $i$ helps only in the context of unit $j$.
#
# ## Does it lean, or back up?
#
# So ask twice what unit $i$ is worth: with $j$ there, and with $j$ gone.
#
# $$ I_{ij} = \underbrace{L(-i,-j) - L(-j)}_{\text{worth of } i \text{ without } j}
#    - \underbrace{\bigl(L(-i) - L\bigr)}_{\text{worth of } i \text{ with } j}
#    = L(-i,-j) - L(-i) - L(-j) + L . $$
#
# - $I_{ij} < 0$: without $j$, unit $i$ is worth **less**. They *lean* on each other. In team B,
#   $I_{01} = 1 - 4 - 1 + 0 = -4$. Unit 0 draws too much and unit 1 takes it back.
# - $I_{ij} > 0$: without $j$, unit $i$ is worth **more**. They *back each other up*, as in team
#   A. What is $I_{01}$ there?
#
# ## Exercise: `interaction_matrix`
#
# Two units that do not interact cost the sum of their effects. The rest is their interaction.

# %% exercise="interaction_matrix"
def interaction_matrix(loss, n):
    """I[i, j] = L(-i,-j) - L(-i) - L(-j) + L for two different units; 0 on the diagonal.

    loss : a function of a mask of shape (n,), 1 for a unit that is there, 0 for one removed
    n : number of units
    Returns a symmetric array (n, n).
    """
    ### BEGIN SOLUTION
    off, effects = 1 - np.eye(n), ablation_effect(loss, n)
    both = np.array([[loss(a * b) for b in off] for a in off])
    return off * (both - loss(np.ones(n)) - effects - effects[:, None])
    ### END SOLUTION

# %% [markdown] hint="interaction_matrix"
# Your `ablation_effect` has already measured each unit alone. Write $I_{ij}$ with it: what is
# then left to measure for a pair?

# %% [markdown] hint="interaction_matrix"
# $I_{ij}$ is (loss without both − loss of the whole) minus the two effects.

# %% [markdown] hint="interaction_matrix"
# $I_{ij} = I_{ji}$, so a pair needs one loss and fills two entries. The diagonal is not a pair.

# %% check="interaction_matrix" points=2
# Every entry is worked out from its definition, with pairs and triples of units in the loss.
rng = expect.rng()
g, A, u = rng.normal(size=6), rng.normal(size=(6, 6)), rng.normal(size=6)
A[0, 1], A[2, 3] = 1000, -1000  # whatever is drawn, one pair backs up and one leans


def f(m):
    return 3 - g @ m + m @ A @ m + (u @ m) ** 3


one, off, L, empty = np.eye(6), 1 - np.eye(6), f(np.ones(6)), f(np.zeros(6))
without, alone = np.array([f(m) for m in off]), np.array([f(m) for m in one])
both = np.array([[f(a * b) for b in off] for a in off])
pair = np.array([[f(a + b) for b in one] for a in one])
falling = np.array([[f(a * (np.arange(6) > j)) for j in range(6)] for a in off])
at = np.arange(6)
chain = np.array([[f((at < i) | (at > j)) for j in at] for i in at])
effects, singles = without - L, without + without[:, None]
right = both - singles + L
stay, chain = off * (falling - singles + L), np.triu(chain - singles + L, 1)
diagonal = "the diagonal is no pair of units. Set it to 0."
half = "one half is empty. What i does to j, j does to i: fill both."
kept = "the pair is kept and all others are removed: the masks are inverted."
stays = "units removed for one pair stay removed. Begin with a new mask each time."
whole = "the loss of the empty network stands where that of the whole one should."
single = "single effects stand where pairs should. Measure the loss without i and j."
missing = "the effect of one of the two units is missing. Subtract both."
with expect.case("interaction_matrix(loss, 6) with pairs and triples of units in the loss"):
    matrix = interaction_matrix(f, 6)
    expect.array(matrix, (6, 6), hint="return a matrix with a row and a column for each unit.")
    expect.close(matrix, off * right, hint="L(-i,-j) - L(-i) - L(-j) + L, and 0 where i is j.",
                 rtol=1e-5, atol=1e-5, suspects=[
        (-off * right, "the sign is the other way round: L(-i,-j) counts as it is."),
        (off * right - one * (without - L), diagonal),
        (off * right + one * (L - 2 * without), diagonal),
        (off * (right - L), "the loss of the whole network is missing: + L."),
        (off * (right + L), "+ L counts twice. Effects already hold -L: subtract L, once."),
        (off * (right + 2 * L), "+ L counts three times. Effects already hold -L: subtract L."),
        (off * both, "that is the loss without both. Take the single losses from it, and add L."),
        (off * (both - L), "that is the joint effect. Subtract the two effects from it."),
        (np.triu(right, 1), half),
        (np.tril(right, -1), half),
        (off * (pair - alone - alone[:, None] + empty), kept),
        (off * (pair - singles + L), kept),
        (stay, stays),
        (np.tril(stay) + np.tril(stay).T, stays),
        (chain, stays),
        (chain + chain.T, stays),
        (off * effects, single),
        (off * effects[:, None], single),
        (-off * effects, single),
        (-off * effects[:, None], single),
        (off * (effects + effects[:, None]), single),
        (-off * (effects + effects[:, None]), single),
        (off * (both - L - effects), missing),
        (off * (both - L - effects[:, None]), missing),
        (2 * off * right, "each pair is added twice. Set both entries to I, once."),
        (np.abs(off * right), "the sign is lost. It tells leaning from backing up."),
        (off * right / 2, "the formula is halved."),
        (off * (right - L + empty), whole),
        (off * (right + L - empty), whole),
    ])

# %% check="interaction_matrix" points=1
# The teams A and B of the text, and one of strangers.
for team, expected, loss in (
    ("A, whose units draw ½ and ½", 0.5, lambda m: (1 - 0.5 * m[0] - 0.5 * m[1]) ** 2),
    ("B, whose units draw 2 and -1", -4.0, lambda m: (1 - 2.0 * m[0] + m[1]) ** 2),
    ("of strangers", 0.0, lambda m: (1 - m[0]) ** 2 + (1 - 1.0 * m[1]) ** 2),
):
    with expect.case(f"interaction_matrix of the team {team}"):
        expect.close(interaction_matrix(loss, 2), np.array([[0, expected], [expected, 0]]),
                     atol=1e-5, hint="put the team's four losses into the formula.")

# %% mistakes="interaction_matrix"
{
    "the sign is the other way round": ("return off * (", "return -off * ("),
    "the diagonal is no pair": ("return off * (", "return 1.0 * ("),
    "whole network is missing": ("both - loss(np.ones(n))", "both - 2 * loss(np.ones(n))"),
    "counts twice": ("both - loss(np.ones(n)) -", "both -"),
    "counts three times": ("both - loss(np.ones(n)) -", "both + loss(np.ones(n)) -"),
    "that is the loss without both": (
        "(both - loss(np.ones(n)) - effects - effects[:, None])", "both"),
    "that is the joint effect": (" - effects - effects[:, None]", ""),
    "one half is empty": ("return off * (", "return np.triu(off) * ("),
    "the masks are inverted": ("loss(a * b)", "loss(2 - a - b)"),
    "stay removed": ("for b in off]", "for b in np.triu(off, 1)]"),
    "the sign is lost": ("return off * (", "return off * np.abs("),
    "halved": ("return off * (", "return off / 2 * ("),
    "added twice": ("return off * (", "return 2 * off * ("),
    "one of the two units is missing": (" - effects - effects[:, None]", " - effects"),
    "single effects stand": ("loss(a * b)", "loss(a)"),
    "loss of the empty network": ("loss(np.ones(n))", "loss(np.zeros(n))"),
}

# %% mistake="interaction_matrix" says="Begin with a new mask each"
def interaction_matrix(loss, n):
    whole, effects, found = loss(np.ones(n)), ablation_effect(loss, n), np.zeros((n, n))
    for i in range(n):
        mask = np.ones(n)
        mask[i] = 0
        for j in range(i + 1, n):
            mask[j] = 0
            found[i, j] = found[j, i] = loss(mask) - whole - effects[i] - effects[j]
    return found

# %% correct="interaction_matrix"
def interaction_matrix(loss, n):
    off = 1 - np.eye(n)
    single = np.array([loss(row) for row in off])
    both = np.array([[loss(a * b) for b in off] for a in off])
    return off * (both - np.add.outer(single, single) + loss(np.ones(n)))

# %% [markdown]
# Here are two of your matrices, and two sums over five of each kind: *leaning* adds up the negative
# entries, without their sign, and *backing up* the positive ones. Both are divided by the sum of
# all effects.

# %%
fig, (left, middle, right) = plot.figure(3, height=3.1, width=9)
leaning, backing, effect, ink = {}, {}, {}, {}
lean_to_back = LinearSegmentedColormap.from_list("", [plot.ORANGE, "white", plot.BLUE])
for name, nets in networks.items():
    losses, many = [net.loss(X_test) for net in nets], units(nets[0])
    matrices = np.array([interaction_matrix(loss, many) for loss in losses])
    leaning[name] = -np.minimum(matrices, 0).sum((1, 2))
    backing[name] = np.maximum(matrices, 0).sum((1, 2))
    effect[name] = np.array([ablation_effect(loss, many) for loss in losses])
    ink[name] = np.array([net.ink(X_test) for net in nets])
    if name in names[:2]:
        ax = (left, middle)[names.index(name)]
        shown = ax.imshow(matrices[0], cmap=lean_to_back, vmin=-0.1, vmax=0.1)
        ax.set(xlabel="unit", xticks=(0, 63), yticks=(0, 63), title=name.capitalize())
fig.colorbar(shown, ax=middle, shrink=0.7, ticks=(-0.1, 0, 0.1), label="I, error per image")
runs = np.array([kind[name] / effect[name].sum(1)
                 for kind in (leaning, backing) for name in names[:2]])
plot.bars(runs.mean(1), ["leaning,\nwithout", "with", "backing up,\nwithout", "with"], right,
          spread=plot.standard_error(runs, 1), colors=[plot.ORANGE] * 2 + [plot.BLUE] * 2)
right.set_xlabel("Σ|I| / Σ effects, 5 runs")
by_effect = runs[1] / runs[0]
told = f"{by_effect.mean():.3f} ± {plot.standard_error(by_effect):.3f}"
right.set_title(f"Dropout cuts leaning to\n{told} of what it was", fontsize=9)
plot.show(fig, "Two matrices of interactions; four bars: leaning and backing up, against the "
               f"effects. Dropout cuts leaning to {told} of what it was.",
          claims={"by-effect": bool(abs(by_effect.mean() - 0.125) < 0.03)})

# %% [markdown]
# Leaning falls to an eighth! That was our proof of the claim of 2012, until a reader asked: an
# eighth *of what*?
#
# ## What fooled us
#
# Take a team of **one**. A single unit draws $s$ times a fixed feature, and training chooses $s$.
# Averaged over images, its loss and its ink are
#
# $$ L(s) = c - 2bs + as^2, \qquad q = as^2 . $$
#
# In training, dropout adds noise to what the unit draws. Its output still has the right mean, and
# a variance of $p/(1-p)$ times its square ({{inverted_dropout}}). So training makes
# $L(s) + \frac{p}{1-p}\,q$ as small as it can. Afterwards nothing is dropped, and we measure the
# effect $L(0) - L(s)$ at the $s$ that training found.
#
# There is nobody to lean on. Does $p$ change the effect *per unit of ink* all the same?
#
# ## Exercise: `effect_over_ink`

# %% exercise="effect_over_ink"
def effect_over_ink(p):
    """The effect of a network's only unit over its ink, after training with dropout at `p`.

    Training finds the s at which L(s) + p / (1 - p) * a * s**2 is least, where
    L(s) = c - 2 * b * s + a * s**2. The effect is L(0) - L(s), the ink a * s**2.

    p : probability of dropping, below 1
    Returns a number.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    return (1 + p) / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="effect_over_ink"
# Set the derivative with respect to $s$ to zero and solve for $s$.

# %% [markdown] hint="effect_over_ink"
# In $s$ this is a parabola, whose quadratic term is $a + \frac{p}{1-p}a = \frac{a}{1-p}$.

# %% [markdown] hint="effect_over_ink"
# So $s = (1-p)\,b/a$, and the effect is $2bs - as^2$. Divide it by $as^2$: $a$ and $b$ cancel.

# %% check="effect_over_ink" points=2
# For random teams of one, the least of the training loss is found by its derivative.
rng = expect.rng()
for p in (0.2, round(0.6 + 0.3 * rng.random(), 3), 0.0):
    a, b, c = rng.uniform(0.5, 2, size=3)
    training = np.polynomial.Polynomial([c, -2 * b, a + p / (1 - p) * a])
    s = float(training.deriv().roots()[0].real)
    ratio = (2 * b * s - a * s**2) / (a * s**2)
    known = [] if p == 0 else [
        (1, "that is the ratio without dropout: s must follow from the training loss."),
        (1 / (1 - p), "the noise counts in training only: the effect is L(0) - L(s), without it."),
        ((1 - p) / (1 + p), "that is the ink over the effect."),
        ((2 - p) / p, "p is swapped: it is the probability of dropping."),
        ((1 + p) * (1 - p), "that is the effect alone, or over the ink of a unit trained without "
                            "dropout."),
        (-ratio, "that is L(s) - L(0). The effect is how far the loss rises."),
        (2 / (1 - p), "L(0) - L(s) = 2bs - as²: the second term is missing."),
        (2 / (1 - p) + 1, "L(0) - L(s) = 2bs - as²: the last sign is minus."),
    ]
    with expect.case(f"effect_over_ink({p})"):
        expect.close(effect_over_ink(p), ratio, rtol=1e-4, suspects=known,
                     hint="find s from the training loss, then divide 2bs - as² by as².")

# %% mistakes="effect_over_ink"
{
    "ratio without dropout": ("(1 + p) / (1 - p)", "1.0"),
    "the noise counts in training only": ("(1 + p) /", "1 /"),
    "the ink over the effect": ("(1 + p) / (1 - p)", "(1 - p) / (1 + p)"),
    "p is swapped": ("return", "p = 1 - p + 1e-300\n    return"),
    "of a unit trained without dropout": (") / (", ") * ("),
    "the second term is missing": ("(1 + p) /", "2 /"),
    "how far the loss rises": ("(1 + p) / (1 - p)", "(1 + p) / (p - 1)"),
    "the last sign is minus": ("(1 + p) /", "(3 - p) /"),
    "find s from the training loss": ("(1 + p) / (1 - p)", "1 + 2 * p"),
}

# %% correct="effect_over_ink"
def effect_over_ink(p):
    a, b = 3.0, 2.0
    s = b / (a + a * p / (1 - p))
    return (2 * b * s - a * s**2) / (a * s**2)

# %% [markdown]
# By effects, leaning fell to an eighth. **To what fraction does it fall by ink?**

# %% guess=true
my_guess = 0.125  # leaning per unit of ink: with dropout / without

# %% figure=true
# Effects against ink with your formula; leaning and backing up per unit of ink, and their shares.
guess = expect.guess(my_guess)


def leaning_of_noise(net):
    """The share of leaning if the features were noise, as smooth and as long as they are."""
    W = autoencoder.noise(net.W, dice)
    W *= (np.linalg.norm(net.W, axis=1) / np.linalg.norm(W, axis=1))[:, None]
    noisy = autoencoder.Autoencoder(net.V, net.a, W, net.b)
    matrix = interaction_matrix(noisy.loss(X_test), units(net))
    return -np.minimum(matrix, 0).sum() / np.abs(matrix).sum()


fig, (left, middle, right) = plot.figure(3, height=3.3, width=10)
for name in names:
    left.plot(ink[name][0], effect[name][0], ".", color=colors[name], label=name)
ends = np.array([0.008, 3])
for p, at in ((0, 0.025), (0.5, 0.12)):
    left.plot(ends, ends * effect_over_ink(p), color=plot.GREY, linewidth=1, zorder=0)
    left.annotate(f"yours,\np = {p:g}", (at, at * effect_over_ink(p)),
                  xytext=(8, -8) if p == 0 else (-8, 8), ha="left" if p == 0 else "right",
                  va="top" if p == 0 else "bottom", textcoords="offset points",
                  color=plot.GREY, fontsize=9)
ratio, at_zero = (effect[name].sum(1) / ink[name].sum(1) / effect_over_ink(p)
                  for name, p in (("with dropout", 0.5), ("without dropout", 0)))
left.set(xscale="log", yscale="log", xlabel="ink of a unit", ylabel="effect of a unit")
left.set_title(f"With dropout, measured / yours:\n{ratio.mean():.3f} ± "
               f"{plot.standard_error(ratio):.3f}")
left.legend(fontsize=8, loc="lower right", handletextpad=0)
left.set_ylim(0.003, 12)
per_ink = {kind: np.array([of[name] / ink[name].sum(1) for name in names])
           for kind, of in (("leaning", leaning), ("backing up", backing))}
left_of = {kind: runs[1] / runs[0] for kind, runs in per_ink.items()}
share = np.array([leaning[name] / (leaning[name] + backing[name]) for name in names])
null = np.array([[leaning_of_noise(net) for net in nets] for nets in networks.values()])
at = np.arange(4)
for shift, (kind, runs), color in zip((-0.2, 0.2), per_ink.items(), (plot.ORANGE, plot.BLUE),
                                      strict=True):
    middle.barh(at + shift, runs.mean(1), 0.38, xerr=plot.standard_error(runs, 1), color=color,
                label=kind)
middle.set_yticks(at, names)
middle.invert_yaxis()
middle.legend(fontsize=8, loc="lower right")
middle.set_xlabel("Σ|I| / Σ ink, 5 runs")
told = f"{left_of['leaning'].mean():.2f}"
middle.set_title(f"Leaning: {told} of before (you: {guess:g}),\n"
                 f"backing up: {left_of['backing up'].mean():.2f}", fontsize=10)
plot.bars(100 * share.mean(1), [""] * 4, right, spread=100 * plot.standard_error(share, 1),
          colors=list(colors.values()))
right.plot(100 * null.mean(1), range(4), "D", color=plot.ORANGE, markeredgecolor="white")
right.set(xlabel="share of leaning in all interaction, %\n(diamonds: noise for features)",
          xlim=(0, 110))
smallest = all(plot.difference(share[1], share[k]).sign < 0 for k in (0, 2, 3))
beyond = [plot.difference(100 * share[k], 100 * null[k]) for k in range(4)]
right.set_title(f"Trained − noise, points: without {beyond[0]:.0f},\nwith dropout "
                f"{beyond[1]:.0f}, with L2 {beyond[2]:.0f}", fontsize=9)
plot.show(fig, "Effects against ink with two lines of your formula; leaning and backing up per "
               f"ink: with dropout leaning is {told} of what it is without; the share of leaning: "
               + ", ".join(f"{name} {100 * s:.0f} % (noise {100 * n:.0f} %)" for name, s, n in
                           zip(names, share.mean(1), null.mean(1), strict=True)) + ".",
          claims={"ratio-is-of-p": bool(abs(ratio.mean() - 1) < 0.05
                                        and abs(at_zero.mean() - 1) < 0.05),
                  "by-ink": bool(left_of["leaning"].min() > by_effect.max() + 0.1
                                 and left_of["backing up"].min() > 1.5),
                  "leaning-share": smallest and beyond[1].sign < 0 < beyond[0].sign,
                  "fewer-lean-more": bool(
                      per_ink["leaning"][3].max() < per_ink["leaning"][0].min()
                      and all(plot.difference(share[3], share[k]).sign > 0 for k in (0, 1, 2))
                      and beyond[3].sign > 0),
                  "l2-at-chance": abs(beyond[2].mean) < 5})

# %% [markdown]
# The units lie on your lines, though they have partners: training chooses the size of each by the
# same rule, for what the others leave to it. So a factor of three in our "eighth" came from $p$
# alone. By ink, leaning falls far less, and backing up *rises*.
#
# Nor is ink a fair scale. With fewer units, leaning by ink is small, but each has 15 partners, not
# 63. **The share of leaning in all interaction** needs no scale, but a null. Random features, as
# smooth and as long as the trained ones, lean in half of their interaction (diamonds). So without
# dropout units lean more than by chance, and fewer units lean most of all.{{claim:fewer-lean-more}}
# L2 at the same error brings them near chance; only dropout goes far below it.
#
# ## Do the units become more different?
#
# As no unit can rely on another, folklore says, each must learn something of its own.

# %%
fig, axes = plot.figure(3, height=3.7, width=10)
for name, ax in zip(names[:3], axes, strict=True):
    W = networks[name][0].W
    sheet = np.zeros((8, side, 8, side))
    sheet[:] = (W / np.abs(W).max(1, keepdims=True)).reshape(8, 8, side, side).swapaxes(1, 2)
    shown = ax.imshow(sheet.reshape(8 * side, 8 * side), cmap="gray_r", vmin=-1, vmax=1)
    ax.set_xticks(side * np.arange(9) - 0.5, [])
    ax.set_yticks(side * np.arange(9) - 0.5, [])
    ax.grid(color="white", linewidth=2)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(name[0].upper() + name[1:])
bar = fig.colorbar(shown, ax=axes, shrink=0.6, ticks=(-1, 0, 1))
bar.ax.set_yticklabels(["takes ink away", "leaves it", "adds ink"])
plot.show(fig, "The 64 features of a network without dropout, with dropout, and with L2.")

# %% [markdown]
# With dropout or L2 there are strokes. Are the features more *different*? Compare directions by the
# cosine $w_i \cdot w_j / (\lVert w_i\rVert \lVert w_j\rVert)$. Its sign matters: as $h_i \ge 0$, a
# unit can replace one that draws the same way (cosine 1), and only takes away the ink of one that
# draws the opposite (−1).
#
# ## Exercise: `feature_redundancy`

# %% exercise="feature_redundancy"
def feature_redundancy(W):
    """The signed cosine of each pair of different features, every pair once.

    W : (k units, pixels), one feature in each row, none of them zero; left as it is
    Returns an array of k * (k - 1) / 2 numbers in [-1, 1], in any order.
    """
    ### BEGIN SOLUTION
    directions = W / np.linalg.norm(W, axis=1, keepdims=True)
    return (directions @ directions.T)[np.triu_indices(len(W), 1)]
    ### END SOLUTION

# %% [markdown] hint="feature_redundancy"
# Divide each row by its length first. Then the product of the matrix with its transpose holds
# all cosines.

# %% [markdown] hint="feature_redundancy"
# Every feature has cosine 1 with itself, and each pair stands there twice.

# %% [markdown] hint="feature_redundancy"
# `np.triu_indices(k, 1)` names the entries above the diagonal.

# %% check="feature_redundancy" points=2
# The cosines of seven features that differ in length, and are not centred.
W = (expect.rng().normal(size=(7, 5)) + 0.7) * np.array([-1, 2, 3, 4, 5, 6, 7])[:, None]
C = W @ W.T / np.sqrt(np.outer((W**2).sum(1), (W**2).sum(1)))
V, Z = W / np.sqrt((W**2).sum(0)), W / np.sqrt((W**2).sum())
lengths = np.sqrt((W**2).sum(1))[:, None]
sums, tops = np.abs(W).sum(1)[:, None], np.abs(W).max(1)[:, None]
root = "a feature's length is the root of the sum of its squares."
once = "only one of the two features is divided by its length. Divide both."
keep = "each row has its own length: keep the axis, norm(W, axis=1, keepdims=True)."


def pairs(C):
    return np.sort(C[np.triu_indices(len(C), 1)])


with expect.case("feature_redundancy(W) of 7 features of 5 pixels, sorted",
                 crash=[("broadcast", keep)]):
    found = np.sort(np.asarray(feature_redundancy(W.copy())), axis=None)
    expect.close(found, pairs(C), rtol=1e-5, atol=1e-6,
                 hint="the 21 entries of the matrix of cosines above its diagonal.", suspects=[
        (np.sort(C, axis=None), "those are all entries. Take each pair once, and no feature with "
                                "itself."),
        (np.sort(C[~np.eye(7, dtype=bool)]), "each pair is there twice. Take it once."),
        (np.sort(np.r_[pairs(C), np.ones(7)]), "each feature's cosine with itself, 1, is there."),
        (np.sort(np.abs(pairs(C))), "the sign is lost. Opposite features are not alike."),
        (np.sort(pairs(C) ** 2), "those are squares. Return the cosines."),
        (np.sort(1 - pairs(C)), "those are distances, 1 - cosine. Return the cosines."),
        (pairs(W @ W.T), "the features are not divided by their lengths."),
        (pairs(Z @ Z.T), "W is divided by one number. Each row has its length."),
        (pairs(V @ V.T), "the columns are divided by their lengths. A feature is a row."),
        (pairs((W / sums) @ (W / sums).T), root),
        (pairs((W / tops) @ (W / tops).T), root),
        (pairs((W / lengths**2) @ (W / lengths**2).T), root),
        (pairs(W @ W.T / lengths), once),
        (pairs(W @ W.T / lengths.T), once),
        (pairs(V.T @ V), "those are cosines between pixels. A feature is a row."),
        (pairs(np.corrcoef(W)), "those are correlations: the rows are centred."),
        (np.array([pairs(C).mean()]), "that is a mean. Return the cosine of each pair."),
        (np.array([np.abs(pairs(C)).mean()]), "that is a mean. Return the cosine of each pair."),
    ])

# %% check="feature_redundancy" points=1
# Cosine 1 for the same direction, 0 for a right angle, -1 for the opposite; and W stays as it is.
a, b, c = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1]])
W = np.array([3 * a, a / 2, 2 * b, -4 * b, c])[expect.rng().permutation(5)]
before = W.copy()
with expect.case("feature_redundancy(W) of features 3a, a/2, 2b, -4b and c, at right angles"):
    found = np.sort(np.asarray(feature_redundancy(W)), axis=None)
    expect.unchanged(W, before)
    expect.close(found, np.array([-1.0] + [0.0] * 8 + [1.0]), rtol=1e-5, atol=1e-6,
                 hint="ten cosines: once 1, once -1, eight times 0. Lengths do not matter.")

# %% mistakes="feature_redundancy"
{
    "those are all entries": ("[np.triu_indices(len(W), 1)]", ""),
    "each pair is there twice": ("np.triu_indices(len(W), 1)", "~np.eye(len(W), dtype=bool)"),
    "cosine with itself": ("np.triu_indices(len(W), 1)", "np.triu_indices(len(W))"),
    "the sign is lost": ("return (", "return np.abs("),
    "those are distances": ("return (", "return 1 - ("),
    "those are squares": ("(directions @ directions.T)[", "((directions @ directions.T) ** 2)["),
    "not divided by their lengths": (" / np.linalg.norm(W, axis=1, keepdims=True)", ""),
    "divided by one number": ("(W, axis=1, keepdims=True)", "(W)"),
    "the columns are divided": ("axis=1, keepdims", "axis=0, keepdims"),
    "the root of the sum": ("axis=1, keepdims=True)", "1, axis=1, keepdims=True)"),
    "only one of the two": ("directions @ directions.T", "directions @ W.T"),
    "between pixels": ("    directions = ", "    W = W.T\n    directions = "),
    "the rows are centred": ("directions @ directions.T", "np.corrcoef(W)"),
    "keep the axis": (", keepdims=True", ""),
    "that is a mean": ("return (directions @ directions.T)[np.triu_indices(len(W), 1)]",
                       "return np.mean((directions @ directions.T)[np.triu_indices(len(W), 1)])"),
    "writes into its input": ("directions = W / np.linalg.norm(W, axis=1, keepdims=True)",
                              "W /= np.linalg.norm(W, axis=1, keepdims=True)\n    directions = W"),
}

# %% correct="feature_redundancy"
def feature_redundancy(W):
    return [a @ b / np.sqrt((a @ a) * (b @ b)) for i, a in enumerate(W) for b in W[:i]]

# %% [markdown]
# The first edition averaged $|\cos|$: 0.06 without dropout, 0.15 with it. So it called features
# more redundant. **What does random noise give, if it is as smooth as the features with
# dropout, and as confined to the middle?**

# %% guess=true
my_guess = 0.06  # mean |cos| of two such random features

# %% figure=true
# How much alike features are: four kinds of network, and noise of two sorts.
guess, rows = expect.guess(my_guess), []
measures = (lambda c: np.mean(np.abs(c)), np.mean)
for nets in networks.values():
    for net in nets:
        made = net.W, autoencoder.noise(net.W, dice, smooth=False), autoencoder.noise(net.W, dice)
        rows.append([[of(feature_redundancy(W)) for W in made] for of in measures])
found = np.reshape(rows, (4, 5, 2, 3))
fig, axes = plot.figure(2, height=3, width=9.5)
for ax, measure, label in zip(axes, (0, 1), ("mean |cos|", "mean cos"), strict=True):
    for k, (marker, what) in enumerate((("o", "trained"), ("x", "noise"), ("D", "smooth noise"))):
        runs = found[:, :, measure, k]
        for row, name in enumerate(names):
            ax.errorbar(runs[row].mean(), row + 0.2 * (k - 1), xerr=plot.standard_error(runs[row]),
                        fmt=marker, capsize=2, color=plot.GREY if k else colors[name],
                        label=what if row == 1 else None)
    ax.set_yticks(range(4), names if measure == 0 else [""] * 4)
    ax.set(xlabel=f"{label} of two features, 5 runs", ylim=(3.5, -0.5))
smooth = found[1, :, 0, 2]
axes[0].axvline(guess, color=plot.GREY, linestyle="--")
axes[0].annotate(" your guess", (guess, 3.4), color=plot.GREY, fontsize=9)
axes[0].set_xlim(0, None)
axes[0].locator_params(axis="x", nbins=4)  # else the panels' tick labels meet
axes[0].set_title(f"Smooth noise: {smooth.mean():.3f} ± {plot.standard_error(smooth):.3f} "
                  f"(you: {guess:g});\nwith dropout: {found[1, :, 0, 0].mean():.3f} ± "
                  f"{plot.standard_error(found[1, :, 0, 0]):.3f}")
axes[1].axvline(0, color=plot.INK, linewidth=0.8)
axes[1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
gap = plot.difference(found[1, :, 1, 0], found[0, :, 1, 0])
beyond = plot.difference(found[1, :, 1, 0], found[1, :, 1, 2])
axes[1].set_title("Signed, dropout − without: " + f"{gap:.3f};\ndropout − smooth noise: "
                  f"{beyond:.3f}")
plot.show(fig, "Mean |cosine| and mean cosine of two features, for four kinds of network, each "
               "beside noise and smooth noise.",
          claims={"as-noise": bool(abs(found[1, :, 0, 0].mean() / smooth.mean() - 1) < 0.15),
                  "less-than-noise": plot.difference(found[0, :, 0, 0], found[0, :, 0, 2]).sign < 0,
                  "same-way": gap.sign > 0 and beyond.sign > 0})

# %% [markdown]
# So 0.15 was noise: strokes are smooth and share the middle of the page. Without dropout the
# features are even *less* alike than noise.{{claim:less-than-noise}} With dropout, features point a
# little more the same way than noise does.{{claim:same-way}} The algebra agrees. The loss is
# $\lVert x - b - \sum_i m_i h_i w_i \rVert^2$, a quadratic in the mask. Only
# $2\,m_i m_j\, h_i h_j\; w_i \cdot w_j$ holds both $m_i$ and $m_j$, and $I_{ij}$ picks it out:
#
# $$ I_{ij} = 2\; \overline{h_i h_j}\;\; w_i \cdot w_j $$
#
# (the bar is the mean over images). Two units back each other up if they fire together and draw
# the *same* way. They lean if one takes back what the other draws.
#
# ## Exercise: `robustness_curve`
#
# Remove *exactly* $k$ units, no unit twice, and draw a new mask in every trial.

# %% exercise="robustness_curve"
def robustness_curve(loss, n, counts, trials, rng):
    """The mean loss with exactly k random units removed, for each k in `counts`.

    The mean is over `trials` masks; each is drawn anew, all sets of k units equally likely.

    loss : a function of a mask of shape (n,); counts : numbers from 0 to n
    rng : np.random.Generator
    Returns an array, one mean loss for each count.
    """
    ### BEGIN SOLUTION
    curve = []
    for k in counts:
        masks = [rng.permutation(n) >= k for _ in range(trials)]
        curve.append(np.mean([loss(mask) for mask in masks]))
    return np.array(curve)
    ### END SOLUTION

# %% [markdown] hint="robustness_curve"
# Two loops: over the counts, and over the trials. Which of them draws the mask?

# %% [markdown] hint="robustness_curve"
# A shuffled list of all units names $k$ different ones: its first $k$.

# %% [markdown] hint="robustness_curve"
# `rng.permutation(n)` shuffles; `rng.choice` with `replace=False` draws without repeats.

# %% check="robustness_curve" points=2
# Each mask lacks exactly k different units.
removed = []
with expect.case("robustness_curve(loss, 12, [4], 60, rng): fewest and most units removed"):
    robustness_curve(lambda m: [0.0, removed.append(12 - np.count_nonzero(m))][0], 12, [4], 60,
                     expect.rng())
    gone = [k for k in removed if k] or [0]
    words = "remove exactly k units in each trial."
    if min(gone) < 0:
        words = "loss gets many masks at once. Call it with one mask, of shape (n,), at a time."
    elif len(gone) > 60:
        words = "other numbers of units than those in counts are removed too."
    elif min(gone) < 4 == max(gone):
        words = "a unit is drawn twice, so fewer than k fall. Draw without repeats."
    elif min(gone) < 4 < max(gone):
        words = "each unit falls by a coin of its own, as in dropout. Remove exactly k."
    elif gone[0] == 4 and gone[-1] == 12:
        words = "units removed in one trial stay removed in the next. Begin with a new mask."
    expect.equal((min(gone), max(gone)), (4, 4), hint=words, suspects=[
        ((8, 8), "k units are kept and the others removed. Remove k."),
        ((0, 0), "loss never sees a mask with a unit removed."),
    ])

# %% check="robustness_curve" points=1
# Each entry of the curve is the mean of all losses that were measured for its count.
w, counts = expect.rng().normal(size=12) / 4, np.array([9, 0, 3, 12, 5])
seen = {k: [] for k in counts.tolist() if k}


def f(m):
    value = float(np.exp(w @ m))
    seen.setdefault(12 - np.count_nonzero(m), []).append(value)
    return value


with expect.case("robustness_curve(loss, 12, counts, 40, rng), counts 9, 0, 3, 12 and 5, and what "
                 "loss said", crash=[("IndexError", "k may be n: then no unit is left.")]):
    curve = robustness_curve(f, 12, counts.copy(), 40, expect.rng())
    if np.ndim(curve):
        expect.array(np.asarray(curve), 5, hint="return an array with one number for each count.")
    masks = [len(seen[k]) for k in counts if 0 < k < 12]
    masks += [40 if seen[12] else 0]  # all masks without a unit are the same: one is enough
    expect.equal(min(*masks, 40), 40, hint="`trials` masks that lack exactly k units are needed "
                                           "for each count.")
    seen[0] = [whole := np.exp(w.sum())]
    mean, last = [np.array([of(seen[k]) for k in counts]) for of in (np.mean, lambda v: v[-1])]
    worst, middle = [np.array([of(seen[k]) for k in counts]) for of in (np.max, np.median)]
    expect.close(curve, mean, rtol=1e-5, hint="the mean loss with k of n units removed.", suspects=[
        (mean[[1, 2, 4, 0, 3]], "the counts are sorted. Return the losses in their order."),
        (40 * mean, "the losses of the trials are added up. Divide by their number."),
        (last, "that is the last trial's loss. Return the mean of all."),
        (worst, "that is the worst trial. Return the mean of all."),
        (middle, "that is the median. Return the mean."),
        (mean - whole, "that is the rise of the loss. Return the loss itself."),
        (np.where(counts, mean, 1),
         "where k is 0, all units are removed: [-0:] holds all, and [:-0] none."),
        (np.cumsum(mean) / (1, 2, 3, 4, 5),
         "the losses of one count are averaged into the next one's. Begin anew."),
        (mean.mean(), "that is a mean over the counts too. Return one number for each."),
    ])
    expect.equal(max(masks), 40, hint="more than `trials` masks are drawn for a count.")

# %% check="robustness_curve" points=1
# A new mask is drawn in every trial, from rng alone.
weights, rng = 2.0 ** np.arange(40), expect.rng()  # the sum of those left tells masks apart


def masks(rng):
    seen = []
    robustness_curve(lambda m: [0.0, seen.append(float(weights @ m))][0], 40, [20], 8, rng)
    seen = [s for s in seen if s != weights.sum()]
    expect.equal(min(len(seen), 8), 8, hint="`trials` masks are needed, each without 20 units.")
    return seen


with expect.case("robustness_curve(loss, 40, [20], 8, rng), and the masks that loss sees"):
    first = masks(rng)
    expect.varies(first, chance=7.3e-12, what="different masks in different trials",
                  hint="the same units go in all trials. Draw new ones in each.")
with expect.case("robustness_curve(loss, 40, [20], 8, rng), called again with the same rng"):
    expect.varies([first, masks(rng)], chance=7.3e-12, what="other masks than at first",
                  hint="each call draws the same: a seed is set inside, or rng is copied.")
with expect.case("robustness_curve(loss, 40, [20], 8, rng) with two generators of seed 7"):
    expect.repeats(*(masks(np.random.default_rng(7)) for _ in range(2)),
                   hint="the masks do not come from rng. Use rng's own methods.")

# %% check="robustness_curve" points=1
# All sets of k units are equally likely: 3000 trials, beside what 3000 fair draws would give.
N, masks = int(expect.rng().integers(22, 31)), []
called = f"robustness_curve(loss, {N}, [7], 3000, rng)"
alike = "all sets of k units must be equally likely, in each trial anew."


def fair(found, ways, hint, of=lambda count: count):
    """Is the mean of `of(count)` that of fair draws, in which `ways[count]` sets give a count?

    Its distance is beyond Bernstein's bound (1924) once in 1e9 runs.
    """
    chance, values = np.array(ways) / sum(ways), of(np.arange(float(len(ways))))
    mean = values @ chance
    rare, widest = np.log(2 / expect.ALPHA) / len(found), np.abs(values - mean).max() / 3
    spread = (values - mean) ** 2 @ chance
    bound = rare * widest + np.sqrt((rare * widest) ** 2 + 2 * rare * spread)
    expect.close(of(found).mean(), mean, rtol=0, atol=bound, hint=hint)


with expect.case(f"{called}: the masks that loss sees"):
    robustness_curve(lambda m: [0.0, masks.append(np.array(m, float))][0], N, [7], 3000,
                     expect.rng())
    fell = 1 - np.array([m for m in masks if np.any(m != 1)]).reshape(-1, N)
    expect.only(1 - fell, (0, 1), suspects=[
        (N / (N - 7), "survivors are multiplied. A mask holds zeros and ones."),
    ], hint="a mask holds 1 for a unit that is there, 0 for one removed.")
    wanted = "`trials` masks are needed, each without 7 units."
    expect.equal(min(len(fell), 3000), 3000, hint=wanted)
    expect.equal([fell.sum(1).min(), fell.sum(1).max()], [7, 7], hint=wanted)
    fell = fell[:3000]
    few = len(np.unique(fell, axis=0)) < 2500  # of 170 544 sets or more; over 2900 by chance
    again = f"a few sets come many times: {alike}" if few else alike
    share = fell.mean(0)
with expect.case(f"{called}: how many units never go"):
    never = "some units are never removed. Draw from all n."
    expect.equal(int((~fell.any(0)).sum()), 0, hint=again if few else never)
with expect.case(f"{called}: how many of the removed have their next neighbour removed too"):
    beside = (fell * np.roll(fell, 1, axis=1)).sum(1)
    row = "neighbouring units go together. All sets of k units must be equally likely."
    fair(beside, [N * comb(6, b - 1) * comb(N - 8, b - 1) / b for b in range(7, 0, -1)],
         row if beside.mean() > 4 else again)
with expect.case(f"{called}: different sets of units"):
    expect.equal("a few" if few else "almost 3000", "almost 3000", hint=again)
with expect.case(f"{called}: how many units go in a trial and in the next one too"):
    both = (fell[::2] * fell[1::2]).sum(1)
    fair(both, [comb(7, j) * comb(N - 7, 7 - j) for j in range(8)],
         alike if abs(both.mean() - share @ share) < abs(both.mean() - 49 / N) / 2 else
         "what one trial removed, the next one spares. Draw k of all units in each."
         if both.mean() < 49 / N else
         "a trial removes nearly what the last one did. Draw k of all units in each.")
with expect.case(f"{called}: two units of which one goes, and in the next trial the other"):
    i, j = divmod(int(np.abs(fell[::2].T @ fell[1::2] - 1500 * (7 / N) ** 2).argmax()), N)
    pair = fell[::2, i] * fell[1::2, j]
    uneven = abs(pair.mean() - share[i] * share[j]) < abs(pair.mean() - (7 / N) ** 2) / 2
    expect.mean(pair, (7 / N) ** 2, of=(0, 1), alpha=expect.ALPHA / N**2, hint=alike if uneven else
                "what a trial removes follows from the last one. Draw k of all units in each.")
with expect.case(f"{called}: the square of how many of units 0 to 9 go beyond their mean"):
    fair(fell[:, :10].sum(1), [comb(10, j) * comb(N - 10, 7 - j) for j in range(8)], alike,
         of=lambda count: (count - 70 / N) ** 2)
with expect.case(f"{called}: how often each unit goes; the one farthest off"):
    unit = np.abs(fell.mean(0) - 7 / N).argmax()
    expect.mean(fell[:, unit], 7 / N, of=(0, 1), alpha=expect.ALPHA / N, hint=alike)
with expect.case(f"{called}: how often each unit goes; all of them together"):
    apart = 3000 * np.sum((share - 7 / N) ** 2) / (7 / N * (1 - 7 / N))  # N in the mean
    expect.equal("uneven" if apart > 4.5 * N else "even", "even", hint=alike)  # once in 1e9 or so

# %% mistakes="robustness_curve"
{
    "k units are kept": (">= k", "< k"),
    "never sees": ("loss(mask) for", "loss(np.ones(n)) for"),
    "many masks at once": ("[loss(mask) for mask in masks]", "loss(np.array(masks))"),
    "than those in counts": ("in counts:", "in range(n + 1):"),
    "a coin of its own": ("rng.permutation(n) >= k", "rng.random(n) >= k / n"),
    "drawn twice": ("rng.permutation(n) >= k", "~np.isin(np.arange(n), rng.integers(0, n, k))"),
    "stay removed": ("for mask in masks]", "for mask in np.cumprod(masks, axis=0)]"),
    "`trials` masks": ("range(trials)", "range(1)"),
    "are added up": ("np.mean(", "np.sum("),
    "the last trial's loss": ("np.mean([loss(mask) for mask in masks])",
                              "[loss(mask) for mask in masks][-1]"),
    "the worst trial": ("np.mean(", "np.max("),
    "the median": ("np.mean(", "np.median("),
    "where k is 0": ("rng.permutation(n) >= k", "~np.isin(np.arange(n), rng.permutation(n)[-k:])"),
    "the rise of the loss": ("np.mean(", "-loss(np.ones(n)) + np.mean("),
    "averaged into the next": ("curve = []\n    for k in counts:\n        masks =",
                               "curve, masks = [], []\n    for k in counts:\n        masks +="),
    "mean over the counts too": ("np.array(curve)", "np.mean(curve)"),
    "one number for each count": ("curve.append(np.mean([loss(mask) for mask in masks]))",
                                  "curve += [loss(mask) for mask in masks]"),
    "the same units go": ("[rng.permutation(n) >= k for _ in range(trials)]",
                                   "[rng.permutation(n) >= k] * trials"),
    "a seed is set inside": ("curve = []", "curve, rng = [], np.random.default_rng(0)"),
    "do not come from rng": ("rng.permutation", "np.random.permutation"),
    "the counts are sorted": ("in counts:", "in sorted(counts):"),
    "more than `trials` masks": ("range(trials)", "range(trials + 1)"),
    "a few sets come many times": ("[rng.permutation(n) >= k for _ in range(trials)]",
                            "[rng.permutation(n) >= k for _ in range(9)] * trials\n"
                            "        masks = masks[:trials]"),
    "the next one spares": (
        "masks = [rng.permutation(n) >= k for _ in range(trials)]", """parts = n // max(k, 1)
        orders = [rng.permutation(n) for _ in range(-(-trials // parts))]
        masks = [(o + k * s) % n >= k for o in orders for s in range(parts)][:trials]"""),
    "neighbouring units": ("rng.permutation(n)", "(np.arange(n) - rng.integers(n)) % n"),
    "never removed": ("rng.permutation(n)", "np.r_[rng.permutation(n - 1), n - (k == n)]"),
    "A mask holds zeros and ones": ("loss(mask) for", "loss(mask * n / max(1, mask.sum())) for"),
    "then no unit is left": (
        "masks = [rng.permutation(n) >= k for _ in range(trials)]",
        "masks = [u >= np.sort(u)[k] for u in rng.random((trials, n))]"),
    "1 for a unit that is there": ("loss(mask) for", "loss((2 if k else 1) * mask) for"),
    "nearly what the last one did": (
        "masks = [rng.permutation(n) >= k for _ in range(trials)]",
        """masks, order = [], rng.permutation(n)
        for _ in range(trials):  # one unit that is gone is exchanged for another
            masks.append(order >= k)
            i = rng.permutation(n)
            i = [i[order[i] < k][:1], i[order[i] >= k][:1]] if 0 < k < n else [0, 0]
            order[i] = order[i[::-1]]"""),
    "follows from the last one": (
        "masks = [rng.permutation(n) >= k for _ in range(trials)]",
        """masks = [rng.permutation(n) >= k for _ in range(-(-trials // 2))]
        masks = [np.r_[m[0], np.roll(m[1:], 5 * t)] for m in masks for t in (0, 1)][:trials]"""),
    "equally likely": ("rng.permutation(n) >= k", """np.argsort(np.argsort(
            rng.random(n) + 0.6 * rng.random() * (np.arange(n) < 10))) >= k"""),
}

# %% mistake="robustness_curve" says="all sets of k units must be equally likely"
def robustness_curve(loss, n, counts, trials, rng):
    def removed(k):
        order = np.arange(n)
        for i in range(n):  # no fair shuffle: some orders are likelier
            j = rng.integers(n)
            order[i], order[j] = order[j], order[i]
        return np.isin(np.arange(n), order[:k])

    return np.array([np.mean([loss(~removed(k)) for _ in range(trials)]) for k in counts])

# %% mistake="robustness_curve" says="Draw from all n"
def robustness_curve(loss, n, counts, trials, rng):
    curve = []
    for k in counts:
        masks = [np.r_[rng.permutation(min(n, 21)), 21:n] >= k for _ in range(trials)]
        curve.append(np.mean([loss(mask) for mask in masks]))
    return np.array(curve)

# %% correct="robustness_curve"
def robustness_curve(loss, n, counts, trials, rng):
    curve = []
    for k in counts:
        masks = [np.full(n, k == 0)] if k in (0, n) else [
            ~np.isin(np.arange(n), rng.choice(n, k, replace=False)) for _ in range(trials)]
        curve.append(sum(map(loss, masks)) / len(masks))
    return curve


# %% correct="robustness_curve"
def robustness_curve(loss, n, counts, trials, rng):
    losses = np.empty((trials, len(counts)))
    for trial in range(trials):
        rank = np.argsort(rng.random(n))  # one order of falling for all counts
        for c, k in enumerate(counts):
            losses[trial, c] = loss(rank >= k)
    return losses.mean(axis=0)

# %% [markdown]
# Whole, the network with dropout is several times *worse*.{{claim:whole-worse}} **After how many of
# 64 removed units do the two curves cross?**

# %% guess=true
my_guess = 32  # units removed, where the two curves cross

# %% figure=true
# Error against the share of removed units, survivors as they are (solid) and multiplied (dashed).
guess, curves, mended = expect.guess(my_guess), {}, {}
shares = np.arange(0, 17) / 16


def multiplied(loss):
    """The loss with survivors multiplied by n / (n - k) while k of n units are gone."""
    return lambda mask: loss(mask * (np.size(mask) / max(1, np.sum(mask))))


fig, (ax,) = plot.figure(1, height=3.3, width=7.5)
for name, nets in networks.items():
    many, runs = units(nets[0]), []
    counts = np.round(shares * many).astype(int)
    for net in nets:
        seed, loss = int(dice.integers(2**32)), net.loss(X_test)  # the same masks for both
        runs.append([robustness_curve(of, many, counts, 50, np.random.default_rng(seed))
                     for of in (loss, multiplied(loss))])
    curves[name], mended[name] = np.moveaxis(runs, 1, 0)
    ax.errorbar(n * shares, curves[name].mean(0), plot.standard_error(curves[name]),
                color=colors[name], capsize=2, marker=".", label=name)
    ax.plot(n * shares[:-1], mended[name].mean(0)[:-1], "--", color=colors[name])
ax.plot([], "--", color=plot.GREY, label="survivors\nmultiplied")
ax.axvline(guess, color=plot.GREY, linestyle=":")
ax.annotate(" your guess", (guess, 0.3), color=plot.GREY)
ax.set(xlabel="units removed, of 64 (of the 16: four times as many)",
       ylabel="error per test image, 5 runs", ylim=(0, 14))
cross = []
for gap in curves["without dropout"] - curves["with dropout"]:
    if (at := np.argmax(gap > 0)) > 0:
        cross.append(np.interp(0, gap[at - 1 : at + 1], n * shares[at - 1 : at + 1]))
peak = curves["without dropout"][:, 12] / curves["without dropout"][:, -1]  # 48 of 64 removed
told = f"They cross in {len(cross)} runs of 5"
if len(cross) == 5:
    told = (f"You said {guess:g}; they cross at {np.mean(cross):.1f} ± "
            f"{plot.standard_error(cross):.1f}")
ax.set_title(told)
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
half = np.argmin(np.abs(shares - 0.5))
changes = {name: [plot.difference(mended[name][:, at], curves[name][:, at]) for at in (2, half)]
           for name in names}
some, most = zip(*changes.values(), strict=True)  # an eighth and half of the units gone
plot.show(fig, f"Error against units removed, four curves. {told}. Multiplying survivors changes "
               "the error, with an eighth and with half of the units gone, by: "
               + "; ".join(f"{name} {few:.2f}, {many:.2f}" for name, (few, many) in
                           changes.items()) + ".",
          claims={"worse-than-none": bool(peak.min() > 1.05),
                  "only-dropout-is-repaired": [gap.sign for gap in most] == [1, -1, 1, 1],
                  "an-eighth-is-repaired": [gap.sign for gap in some] == [1, -1, -1, 1],
                  "l2-curve": bool(abs(curves["with L2"][:, half].mean()
                                       / curves["with dropout"][:, half].mean() - 1) < 0.15)})

# %% [markdown]
# With three quarters of its units gone, the network without dropout is worse than with *none*
# left.{{claim:worse-than-none}}
#
# Now multiply the survivors by $64/(64-k)$ (dashed). With half the units gone, this lowers the
# error with dropout only;{{claim:only-dropout-is-repaired}} with an eighth gone, with L2
# too.{{claim:an-eighth-is-repaired}}
#
# ## "Several other feature detectors"
#
# The claim speaks of *several* others. In this autoencoder units interact only in pairs. If $k$
# random units go, the mean rise of such a loss is exactly
#
# $$ k\;\overline{\text{effect}} + \frac{k(k-1)}2\; \overline{I}, $$
#
# with means over units and over pairs. In a deeper network the distance from this parabola is the
# work of three or more units.
#
# Below are classifiers with three hidden layers of 64 units: five without dropout, five with
# $p = 0.5$, and five with L2 at equal log loss, measured beforehand
# (`dropoutlab.studies.coadaptation`) in two losses: log loss, and *margin*, the right
# class's logit less the mean of the others. One is trained here again, and *your*
# `robustness_curve` takes its second layer apart.

# %% figure=true
# Classifiers in two losses: rise against removed units, what pairs predict, and leaning's share.
kept = studies.kept("coadaptation")
counts = np.array(kept["counts"])
(live,) = study.trained(["with dropout"], [0], 0.0)
digits, labels = autoencoder.images()


def of(kind, layer, what):
    return np.array([run[what] for run in kept[kind][f"layer {layer}"]])


fig, axes = plot.figure(4, height=3.8, width=11)
leans, apart, risen, wrong = {}, {}, {}, {}
for measure, ax in (("", axes[0]), ("margin ", axes[1])):
    for kind in (*study.KINDS, study.HELPED):
        for layer in (1, 2, 3):
            rise = of(kind, layer, f"{measure}losses") - of(kind, layer, f"{measure}loss")[:, None]
            predicted = np.outer(of(kind, layer, f"{measure}effect"), counts)
            predicted += np.outer(of(kind, layer, f"{measure}pair"), counts * (counts - 1) / 2)
            both = of(kind, layer, f"{measure}leaning"), of(kind, layer, f"{measure}backing")
            leans[measure, kind, layer] = 100 * both[0] / (both[0] + both[1])
            if not measure:  # with 32 of 64 units removed
                risen[kind, layer] = rise[:, 8]
                wrong[kind, layer] = (of(kind, layer, "errors")[:, 8]
                                      - of(kind, layer, "error"))
            apart[measure, kind, layer] = 100 * (rise - predicted)[:, 8] / rise[:, 8]
            if layer == 2 and kind in colors:
                ax.errorbar(counts, rise.mean(0), plot.standard_error(rise), color=colors[kind],
                            label=kind)
                ax.plot(counts, predicted.mean(0), "--", color=colors[kind], linewidth=1)
    far = plot.difference(apart[measure, "with dropout", 2])
    ax.set_title(f"Layer 2, half gone, with dropout:\n{far:.1f} % off the parabola", fontsize=9)
    ax.set_xlabel("units removed, of 64")
loss = live.loss(digits, labels, 2)
yours = np.array(robustness_curve(loss, n, counts[::2], 20, dice)) - loss(np.ones(n))
axes[0].plot(counts[::2], yours, "x", color=colors["with dropout"], label="yours, trained here")
axes[0].set_ylabel("rise of the log loss, nats;\ndashed: by singles and pairs")
axes[1].set_ylabel("fall of the margin")
axes[0].legend(fontsize=8)
for measure, ax, layers, what in (("", axes[2], (1, 2, 3), "log loss"),
                                  ("margin ", axes[3], (1, 2), "margin")):
    for shift, kind in zip((-0.25, 0, 0.25), study.KINDS, strict=True):
        runs = np.array([leans[measure, kind, layer] for layer in layers])
        ax.barh(np.arange(len(layers)) + shift, runs.mean(1), 0.24, color=colors[kind],
                xerr=plot.standard_error(runs, 1))
    ax.set_yticks(range(len(layers)), [f"layer {layer}" for layer in layers])
    ax.set(ylim=(2.5, -0.5), xlim=(0, 75), xlabel=f"share of leaning, %\n(in {what})")
    falls = [plot.difference(leans[measure, "with dropout", layer],
                             leans[measure, "without dropout", layer]) for layer in layers]
    ax.set_title("Dropout − without, points:\n" + ", ".join(f"{gap:.0f}" for gap in falls),
                 fontsize=9)
told = "; ".join(f"{what}, layer {layer}: " + " / ".join(
    f"{leans[measure, kind, layer].mean():.0f}" for kind in study.KINDS)
    for measure, what in (("", "log loss"), ("margin ", "margin")) for layer in (1, 2))
lower = {measure: [plot.difference(leans[measure, kind, layer],
                                   leans[measure, "with dropout", layer])
                   for kind in ("without dropout", "with L2") for layer in (1, 2)]
         for measure in ("", "margin ")}
gaps = {(kind, what): plot.difference(of(kind, 1, what), of("without dropout", 1, what))
        for kind in ("with dropout", study.HELPED) for what in ("loss", "error")}
hardly = [plot.difference(leans["", "without dropout", layer], leans["", study.HELPED, layer])
          for layer in (1, 2, 3)]
as_l2 = [plot.difference(leans["margin ", study.HELPED, layer], leans["margin ", "with L2", layer])
         for layer in (1, 2)]
less_l2 = [plot.difference(leans["margin ", "without dropout", layer],
                           leans["margin ", "with L2", layer]) for layer in (1, 2)]
plot.show(fig, "Rise of the log loss and fall of the margin against removed units of layer 2, "
               "measured and predicted by singles and pairs; the share of leaning in percent, "
               f"without dropout / with / with L2: {told}.",
          claims={"share-by-layer": all(gap.sign > 0 for gap in lower[""]),
                  "margin-share": all(less.sign >= 0 and less.mean < 0.7 * much.mean
                                      for much, less in zip(*lower.values(), strict=True)),
                  "half-with-l2": all(l2.sign > 0 and 0.3 < l2.mean / all_of.mean < 0.6
                                      for l2, all_of in zip(less_l2, lower["margin "][:2],
                                                            strict=True)),
                  "pairs-are-enough": all(
                      abs(apart["margin ", kind, layer].mean()) < 5
                      and apart["", "with dropout", layer].mean() > 15
                      for kind in study.KINDS for layer in (1, 2)),
                  "beyond-l2": all(plot.difference(rose["with dropout", layer],
                                                   rose["with L2", layer]).sign < 0
                                   for rose in (risen, wrong) for layer in (1, 2, 3)),
                  "beyond-its-p": all(plot.difference(rose[study.HELPED, layer],
                                                      0.7 * rose["without dropout", layer]
                                                      ).sign < 0
                                      for rose in (risen, wrong) for layer in (1, 2, 3)),
                  "helped-by-little": gaps[study.HELPED, "loss"].sign < 0
                  < gaps["with dropout", "error"].sign and all(gap.mean < 8 for gap in hardly)
                  and not any(gap.sign for gap in as_l2)})
for kind in (*study.KINDS, study.HELPED):
    name = kind if kind in study.KINDS else f"dropout, p = {kept['helpful']['p']:g}"
    log_loss, margin = (", ".join(f"{leans[measure, kind, layer].mean():.0f}" for layer in layers)
                        for measure, layers in (("", (1, 2, 3)), ("margin ", (1, 2))))
    print(f"{name:16} log loss {of(kind, 1, 'loss').mean():.2f}, error "
          f"{100 * of(kind, 1, 'error').mean():4.1f} %; share of leaning by layer, in log loss "
          f"{log_loss} %, in margin {margin} %")

# %% [markdown]
# By log loss, leaning has the smallest share with dropout, and the curve runs far *above* its
# parabola, as if several units backed each other up. Most of this is the log loss: flat while the
# margin is large and steep once it is gone, so a second removal costs more than the first. In the
# margin, pairs explain the curves to a few percent,{{claim:pairs-are-enough}} and the share (no
# null here) falls less. (In layer 3 the margin is linear in the mask.)
#
# Here dropout is far more robust than L2, by log loss and by error,{{claim:beyond-l2}} but it more
# than doubles the error. At $p = 0.05$ it lowers the log loss, and losing half the units still
# costs far less than without it,{{claim:beyond-its-p}} where Morcos et al. (2018) find
# no gain beyond $p$. Leaning's margin share falls much as with the far stronger L2
# (printed).{{claim:helped-by-little}}
#
# ## Explore: take the networks apart
#
# The units are sorted by *your* `ablation_effect`. Remove one, and *your* `interaction_matrix`
# frames its partners. Remove a partner too: what is the first unit worth *now*, and what *alone*?
# *Next* steps through situations. Then *Play*: how many units can each network spare?

# %%
explore.coadaptation(ablation_effect, interaction_matrix)

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="negative" points=1
# I[i, j] < 0 says that, once unit j is gone, unit i is worth:
#
# - [ ] more
# - [x] less
# - [ ] as much as before
#
# Hint: team B: what is unit 0 worth after unit 1 has gone?

# %% question="fooled" points=1
# Two networks have the same features, inks and interactions. In one of them each unit's effect is
# three times as large. Its leaning, divided by the sum of its effects, is:
#
# - [ ] the same
# - [x] a third
# - [ ] three times as much
#
# Hint: which of the two, leaning or effects, stands in the denominator?

# %% question="null_answer" points=1
# The features of a network have a mean |cos| of 0.15. They are:
#
# - [ ] redundant
# - [ ] almost independent
# - [x] neither, before you know what noise as smooth as they are gives
#
# Hint: what did smooth noise give in this lesson?

# %% [markdown]
# ## In your own words
#
# A colleague explains dropout so: "Units can't rely on each other any more, so each learns
# something different; that makes features independent, and the network better." Say in three to
# six sentences which parts of this your measurements bear out and which they do not, with a
# number and its control or null for each. (In a class, your instructor grades this.)

# %% [markdown] answer="which_part_holds" points=3
# ### BEGIN SOLUTION
# *Marking guide.* One point: borne out is that units lean less on others. The evidence is the share
# of leaning (about 62 % without, 22 % with dropout) beside its null (noise for features, about 50
# %) and a control at equal error (L2, about 49 %, so near chance). The classifiers' shares in log
# loss earn the point only with those in the margin, where they fall much less. (The autoencoder's
# robustness is no better than that of L2, unless survivors are multiplied.) Leaning over effects
# alone earns no point, as that ratio falls with p by itself. One point: not borne out is "something
# different" and "independent": mean |cos| is that of smooth noise (about 0.15), and the signed
# cosine says that features point slightly more the same way; the interaction that is left is mostly
# backing up. One point: "better" needs its measure: whole, the autoencoder with dropout has more
# than four times the error, and it is better only once about eight units are gone; at p = 0.5 the
# classifiers err more than twice as often (16 % against 7 %), and at p = 0.05, where their log loss
# is lower (0.19 against 0.27), the share of leaning falls little: not clearly by log loss, and in
# the margin by 7 and 4 points, not clearly more than with L2.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Dropout makes the autoencoder several times worse{{claim:whole-worse}} and robust to lost
#   units.{{claim:dropout-robust}} So does L2.{{claim:l2-curve}} With half the units gone,
#   multiplying survivors helps dropout only.{{claim:only-dropout-is-repaired}}
# - Divided by effects, leaning falls to an eighth.{{claim:by-effect}} But effect over ink is
#   $(1+p)/(1-p)$ by training alone;{{claim:ratio-is-of-p}} by ink, leaning falls far less, and
#   backing up rises.{{claim:by-ink}}
# - Without dropout, leaning has more than its chance share of interaction; with it,
#   less.{{claim:leaning-share}} L2 at equal error brings it near chance.{{claim:l2-at-chance}}
# - In a classifier with $p = 0.5$ the share falls far by log loss,{{claim:share-by-layer}} less in
#   the margin,{{claim:margin-share}} where L2 goes about half as far,{{claim:half-with-l2}} as does
#   $p = 0.05$.{{claim:helped-by-little}}
# - Features with dropout are as much alike as smooth noise,{{claim:as-noise}} and point slightly
#   more the same way.{{claim:same-way}}
#
# What fooled us: a denominator that dropout changes, means without a null, no control at equal
# error, a curved loss.
#
# **Read.** Hinton et al., *Improving neural networks by preventing co-adaptation of feature
# detectors*, arXiv:1207.0580 (2012). Srivastava et al., JMLR 15 (2014), §7.1. Morcos et al., *On
# the importance of single directions for generalization*, arXiv:1803.06959 (2018). Zhang et al.,
# *Interpreting and boosting dropout from a game-theoretic view*, arXiv:2009.11729 (ICLR 2021); and
# Lengerich et al., *Dropout as a regularizer of interaction effects*, arXiv:2007.00823: on inputs.
#
# **Stretch.** Dropout taxes ink. How do units draw a given picture with the least $\sum_i q_i$, and
# do they then lean or back up?
#
# **Still open.** Is such a tax just L2? {{regulariser}}.
