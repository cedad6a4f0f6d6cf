# %% [markdown]
# # 2.3 · Co-adaptation
#
# **Do units lean on each other?**
#
# *45 minutes. Before: {{inverted_dropout}} and {{ensemble}}. After, you will be able to say what a
# hidden unit is worth, to measure whether two units lean on each other or back each other up, and
# to tell which part of "dropout prevents co-adaptation" a measurement bears out, and which it does
# not.*
#
# | symbol | meaning |
# | --- | --- |
# | $h_i$ | activation of hidden unit $i$, one of $n$ |
# | $w_i$ | what unit $i$ draws, its **feature** |
# | $m$ | mask: $m_i = 0$ where unit $i$ is removed, else 1 |
# | $L$ | loss of the whole network; $L(-i)$ without unit $i$, $L(-i,-j)$ without both |
# | $I_{ij}$ | interaction of units $i$ and $j$ |

# %% setup=true
import numpy as np

from dropoutlab import autoencoder, expect, explore, plot, reproduced

# %% [markdown]
# ## Where we stand
#
# {{ensemble}} saw dropout as an ensemble. Its authors first gave another reason: it "prevents
# complex co-adaptations in which a feature detector is only helpful in the context of several
# other specific feature detectors". That sentence is quoted more often than it is measured. Today
# you measure it.
#
# The network is that of the 2014 paper, §7: an autoencoder, which redraws its own input. A mask
# says which hidden units take part:
#
# $$ h = \operatorname{relu}(Vx + a), \qquad \hat x = \sum_i m_i\, h_i\, w_i + b . $$
#
# The cell below trains ten of them at once, in a few seconds, on 1200 noisy images of printed
# digits: five without dropout, and five with inverted dropout, $p = 0.5$, on their 64 hidden
# units.

# %%
n, X_test = autoencoder.UNITS, autoencoder.images()[1]
networks = dict(zip(("without dropout", "with dropout"), autoencoder.trained(), strict=True))
colors = plot.ORANGE, plot.BLUE
whole = np.ones(n)
rng = np.random.default_rng()

# %% [markdown]
# Next each of them is damaged: 8 of its 64 units go, chosen at random. **By what factor does the
# error grow in a network that was trained *without* dropout?**

# %% guess=true
my_guess = 2.0  # error with 8 of 64 units removed / error of the whole network

# %% figure=true
# What 8 of 64 units are worth: digits redrawn without them, and by how much the error grows.
guess = expect.guess(my_guess)
factors = []
for nets in networks.values():
    for net in nets:
        loss = net.loss(X_test)  # loss(mask): squared error of an image, summed over its pixels
        for _ in range(50):
            damaged = rng.permutation(n) >= 8
            factors.append(loss(damaged) / loss(whole))
factors = np.reshape(factors, (2, 5, 50)).mean(2)

fig, (left, right) = plot.figure(2, height=3, width=9)
side, some, rows = autoencoder.SIDE, X_test[:6], [X_test[:6]]
for nets in networks.values():
    hidden = nets[0].hidden(some)
    rows += [nets[0].output(hidden), nets[0].output(hidden * damaged)]
sheet = np.reshape(rows, (5, 6, side, side)).swapaxes(1, 2)
plot.image(sheet.reshape(5 * side, 6 * side).clip(0, 1), left, largest=1)
left.set_yticks(side * np.arange(5) + side / 2,
                ["input", "without dropout", "8 removed", "with dropout", "8 removed"])
left.tick_params(length=0)
left.set_title("Six test images, redrawn")
plot.bars(factors.mean(1), list(networks), right, spread=plot.standard_error(factors, 1),
          colors=colors)
right.axvline(guess, color=plot.GREY, linestyle="--")
right.annotate(" your guess", (guess, 0.5), va="center", color=plot.GREY)
right.set_xlabel("error with 8 of 64 removed / error whole")
right.set_xlim(0, 1.2 * max(guess, factors.max()))
times, error = factors[0].mean(), plot.standard_error(factors[0])
right.set_title(f"You said {guess:g}: it is {times:.2f} ± {error:.2f}")
plot.show(fig, "Six test images, as two networks redraw them whole and without 8 units; two bars: "
               "the error's growth without and with dropout, ± s.e. over 5 runs, and your guess.")

# %% [markdown]
# Without an eighth of its units one network falls apart; the other hardly notices. Look at the
# left picture again, though: *whole*, the network without dropout redraws much better. Dropout
# did not come free, and the rest of this lesson keeps both in view.
#
# Why are masks so cheap here? The output is linear in the mask, so the squared error is a
# quadratic in it. `net.loss(X)` works out its coefficients once; from then on a mask costs
# microseconds, and we can afford thousands.
#
# ### One question from {{inverted_dropout}}
#
# In training, survivors were multiplied by $1/(1-p)$. Should the 56 units that are left here be
# multiplied by $64/56$? (No. In training the scale keeps a mean over *random* masks. Here a
# finished network is damaged, and we look at what happens.)
#
# ## What is a unit worth?
#
# Remove it and see how far the loss rises. A worked example, with two units that together must
# draw the number 1; the loss is the squared error.
#
# | team | unit 0 draws | unit 1 draws | $L$ | $L(-0)$ | $L(-1)$ | $L(-0,-1)$ |
# | --- | --- | --- | --- | --- | --- | --- |
# | A | ½ | ½ | 0 | ¼ | ¼ | 1 |
# | B | 2 | −1 | 0 | 4 | 1 | 1 |
#
# In team A each unit is worth ¼, in team B unit 0 is worth 4 and unit 1 is worth 1.
#
# ## Exercise: `ablation_effect`
#
# The misunderstanding to be wary of: to keep unit $i$ *alone* and call its loss what the unit is
# worth. We ask what the others miss when it goes. The effect may be negative: some units do
# harm.

# %% exercise="ablation_effect"
def ablation_effect(loss, n):
    """By how much the loss rises when a single unit is removed: L(-i) - L, for each i.

    loss : a function of a mask of shape (n,), 1 for a unit that is there, 0 for one removed
    n : number of units
    Returns an array (n,).
    """
    ### BEGIN SOLUTION
    everyone = loss(np.ones(n))
    effects = np.zeros(n)
    for i in range(n):
        mask = np.ones(n)
        mask[i] = 0
        effects[i] = loss(mask) - everyone
    return effects
    ### END SOLUTION

# %% [markdown] hint="ablation_effect"
# The loss of the whole network is `loss` of a mask of ones. It is needed once.

# %% [markdown] hint="ablation_effect"
# Go through the units. For each one the mask is all ones, but for a single 0.

# %% [markdown] hint="ablation_effect"
# Begin each turn with a *new* mask: one that is used again still holds the zeros of the units
# before.

# %% [markdown]
# The 64 effects in each of the ten networks, largest first:

# %%
fig, (ax,) = plot.figure(1, height=2.8, width=6)
worth = []
for (name, nets), color in zip(networks.items(), colors, strict=True):
    effects = np.array([ablation_effect(net.loss(X_test), n) for net in nets])
    ax.plot(range(1, n + 1), -np.sort(-effects).T, color=color, linewidth=1)
    worth.append(effects.mean(1))
    told = f"{effects.mean():.4f} ± {plot.standard_error(worth[-1]):.4f}"
    ax.annotate(f"{name}: mean {told}", (n, effects.mean()), xytext=(0, 22), ha="right",
                textcoords="offset points", color=color)
ax.axhline(0, color=plot.GREY, linewidth=0.8)
ax.set(xlabel="unit, by rank (5 networks each)", ylabel="your effect, error per image")
gap = plot.difference(worth[1], worth[0])
ax.set_title(gap.says(more=f"With dropout a unit is worth more: {gap:.3f}",
                      less=f"With dropout a unit is worth less: {gap:.3f}",
                      same=f"A unit is worth as much with dropout: {gap:.3f}"))
plot.show(fig, "Ablation effects by rank, five curves without dropout and five with.")

# %% check="ablation_effect" points=2
# Each effect is the loss without that unit, less the loss of the whole network.
share, u = expect.rng().normal(size=(2, 6))
share[:2] = np.abs(share[:2]) * (1, -1)  # one helps, one harms
u[:2] = 0  # and these two do nothing else


def f(m):
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
    expect.array(effects, 6, hint="return an array with one number for each unit.")
    expect.close(effects, without - L, hint="L(-i) - L, with L(-i) the loss without unit i alone.",
                 suspects=[
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
# The two teams of the worked example.
for team, effects, loss in (
    ("A, whose units draw ½ and ½", (0.25, 0.25), lambda m: (1 - 0.5 * m[0] - 0.5 * m[1]) ** 2),
    ("B, whose units draw 2 and -1", (4.0, 1.0), lambda m: (1 - 2.0 * m[0] + m[1]) ** 2),
):
    with expect.case(f"ablation_effect of team {team}"):
        expect.close(ablation_effect(loss, 2), np.array(effects), hint="see the table above.")

# %% mistakes="ablation_effect"
{
    "the other way round": ("loss(mask) - everyone", "everyone - loss(mask)"),
    "Subtract the loss of the whole": ("loss(mask) - everyone", "loss(mask)"),
    "the mask is inverted": ("mask = np.ones(n)\n        mask[i] = 0", "mask = np.eye(n)[i]"),
    "stay removed": ("    for i in range(n):\n        mask = np.ones(n)\n",
                     "    mask = np.ones(n)\n    for i in range(n):\n"),
    "the sign is lost": ("return effects", "return np.abs(effects)"),
    "empty network": ("np.ones(n))", "np.zeros(n))"),
    "that is a ratio": ("loss(mask) - everyone", "loss(mask) / everyone"),
    "unit 0 is left out": ("range(n)", "range(1, n)"),
    "return an array": ("return effects", "return list(effects)"),
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
# The error of a network without dropout rests on each of its units; with dropout a unit is worth
# about a sixth of that. Is this "less co-adaptation"? Not yet. Co-adaptation is a statement
# about *pairs*: unit $i$ helps only **in the context of** unit $j$.
#
# ## Does it lean, or back up?
#
# So ask twice what unit $i$ is worth: once with $j$ there, once with $j$ gone.
#
# $$ I_{ij} = \underbrace{L(-i,-j) - L(-j)}_{\text{worth of } i \text{ without } j}
#    - \underbrace{\bigl(L(-i) - L\bigr)}_{\text{worth of } i \text{ with } j}
#    = L(-i,-j) - L(-i) - L(-j) + L . $$
#
# - $I_{ij} < 0$: without $j$, unit $i$ is worth **less**. They *lean* on each other. In team B,
#   $I_{01} = 1 - 4 - 1 + 0 = -4$: unit 0 draws too much, unit 1 takes it back, and without unit 1
#   unit 0 is worth nothing.
# - $I_{ij} > 0$: without $j$, unit $i$ is worth **more**. They *back each other up*, as in team
#   A. What is $I_{01}$ there?
#
# ## Exercise: `interaction_matrix`
#
# The tempting shortcut is to remove both, and to call that loss the interaction. Two units that
# have nothing to do with each other cost the sum of their effects; only what goes beyond that
# sum, up or down, is between *them*.

# %% exercise="interaction_matrix"
def interaction_matrix(loss, n):
    """I[i, j] = L(-i,-j) - L(-i) - L(-j) + L for two different units; 0 on the diagonal.

    loss : a function of a mask of shape (n,), 1 for a unit that is there, 0 for one removed
    n : number of units
    Returns a symmetric array (n, n).
    """
    ### BEGIN SOLUTION
    everyone, effects = loss(np.ones(n)), ablation_effect(loss, n)
    matrix = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            mask = np.ones(n)
            mask[[i, j]] = 0
            matrix[i, j] = matrix[j, i] = loss(mask) - everyone - effects[i] - effects[j]
    return matrix
    ### END SOLUTION

# %% [markdown] hint="interaction_matrix"
# Your `ablation_effect` has already measured each unit alone. Write $I_{ij}$ with it: what is
# then left to measure for a pair?

# %% [markdown] hint="interaction_matrix"
# $I_{ij}$ is (loss without both − loss of the whole) minus the two effects.

# %% [markdown] hint="interaction_matrix"
# $I_{ij} = I_{ji}$, so a pair needs one loss and fills two entries. The diagonal is not a pair.

# %% [markdown]
# Your matrices on one scale of colour, red for leaning and blue for backing up, and what they add
# up to in all ten networks.

# %%
fig, (left, middle, right) = plot.figure(3, height=3, width=9)
leans, backs, pairs = [], [], n * (n - 1)
for (name, nets), ax in zip(networks.items(), (left, middle), strict=True):
    strength = []
    for net in nets:
        loss = net.loss(X_test)
        matrix, effects = interaction_matrix(loss, n), ablation_effect(loss, n)
        leans.append(-matrix[matrix < 0].sum() / effects.sum())
        backs.append(matrix[matrix > 0].sum() / effects.sum())
        strength.append(np.abs(matrix).sum() / pairs)
    shown = ax.imshow(matrix, cmap="RdBu", vmin=-0.1, vmax=0.1)
    told = f"{np.mean(strength):.5f} ± {plot.standard_error(strength):.5f}"
    ax.set(xlabel=f"unit\nmean |I| = {told}", xticks=(0, 63), yticks=(0, 63))
    ax.set_title(name.capitalize())
fig.colorbar(shown, ax=middle, shrink=0.7, ticks=(-0.1, 0, 0.1), label="I, error per image")
runs = np.array([*np.reshape(leans, (2, 5)), *np.reshape(backs, (2, 5))])
plot.bars(runs.mean(1), ["leaning,\nwithout", "with", "backing up,\nwithout", "with"], right,
          spread=plot.standard_error(runs, 1), colors=colors * 2)
right.set_xlabel("Σ|I| / Σ effects, 5 runs ± s.e.")
left_of = runs[1::2] / runs[::2]  # the share of leaning, and of backing up, that is left
gap = plot.difference(*left_of)
right.set_title(gap.says(more=f"More is left of leaning:\n{gap:.3f}",
                         less=f"Less is left of leaning:\n{gap:.3f}",
                         same=f"As much is left of both:\n{gap:.3f}"))
plot.show(fig, "Two matrices of interactions, one network without dropout and one with; four bars: "
               "leaning and backing up, against the effects, ± s.e. over 5 runs.")

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
singles = without + without[:, None]
right = both - singles + L
stay = off * (falling - singles + L)
diagonal = "the diagonal is no pair of units. Set it to 0."
half = "one half is empty. What i does to j, j does to i: fill both."
kept = "the pair is kept and all others are removed: the masks are inverted."
stays = "units removed for one pair stay removed. Begin with a new mask each time."
whole = "the loss of the empty network stands where that of the whole one should."
with expect.case("interaction_matrix(loss, 6) with pairs and triples of units in the loss"):
    matrix = interaction_matrix(f, 6)
    expect.array(matrix, (6, 6), hint="return a matrix with a row and a column for each unit.")
    expect.close(matrix, off * right, hint="L(-i,-j) - L(-i) - L(-j) + L, and 0 where i is j.",
                 rtol=1e-8, atol=1e-9, suspects=[
        (-off * right, "the sign is the other way round: L(-i,-j) counts as it is."),
        (off * right - one * (without - L), diagonal),
        (off * right + one * (L - 2 * without), diagonal),
        (off * (right - L), "the loss of the whole network is missing: + L."),
        (off * (right + L), "+ L counts twice. Effects already hold -L: subtract L, once."),
        (off * both, "that is the loss without both. Take the single losses from it, and add L."),
        (off * (both - L), "that is the joint effect. Subtract the two effects from it."),
        (np.triu(right, 1), half),
        (np.tril(right, -1), half),
        (off * (pair - alone - alone[:, None] + empty), kept),
        (off * (pair - singles + L), kept),
        (stay, stays),
        (np.tril(stay) + np.tril(stay).T, stays),
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
                     hint="put the team's four losses into the formula.")

# %% mistakes="interaction_matrix"
{
    "the sign is the other way round": ("loss(mask) - everyone - effects[i] - effects[j]",
                                        "everyone + effects[i] + effects[j] - loss(mask)"),
    "the diagonal is no pair": ("range(i)", "range(i + 1)"),
    "whole network is missing": ("loss(np.ones(n)), ablation_effect(loss, n)",
                                 "0, ablation_effect(loss, n) + loss(np.ones(n))"),
    "counts twice": (" - everyone", ""),
    "that is the loss without both": (" - everyone - effects[i] - effects[j]", ""),
    "that is the joint effect": (" - effects[i] - effects[j]", ""),
    "one half is empty": (" = matrix[j, i]", ""),
    "the masks are inverted": ("mask = np.ones(n)\n            mask[[i, j]] = 0",
                               "mask = np.zeros(n)\n            mask[[i, j]] = 1"),
    "stay removed": ("        for j in range(i):\n            mask = np.ones(n)\n",
                     "        mask = np.ones(n)\n        for j in range(i):\n"),
    "the sign is lost": ("return matrix", "return np.abs(matrix)"),
    "halved": ("return matrix", "return matrix / 2"),
    "loss of the empty network": ("loss(np.ones(n))", "loss(np.zeros(n))"),
}

# %% correct="interaction_matrix"
def interaction_matrix(loss, n):
    off = 1 - np.eye(n)
    single = np.array([loss(row) for row in off])
    both = np.array([[loss(a * b) for b in off] for a in off])
    return off * (both - np.add.outer(single, single) + loss(np.ones(n)))

# %% [markdown]
# Here is the claim of 2012 in numbers. The interactions fall to a fifteenth, but that alone says
# little: all effects fell too. So the bars compare each kind with the effects. **Leaning falls
# to less than a fifth, backing up only to three quarters.** Without dropout three fifths of all
# interaction is leaning; with dropout most of it is backing up.
#
# ## Do the units then become more different?
#
# Folklore goes one step on: as no unit can rely on another, each must learn something of its
# own, and features become *less redundant*. Here is what the units draw, dark where a unit adds
# ink and red where it takes ink away. (Compare Fig. 7 of the paper.)

# %%
fig, axes = plot.figure(2, height=3.9)
for nets, ax in zip(networks.values(), axes, strict=True):
    features = nets[0].W / np.abs(nets[0].W).max(1, keepdims=True)
    sheet = np.zeros((8, side, 8, side))
    sheet[:] = features.reshape(8, 8, side, side).swapaxes(1, 2)
    ax.imshow(sheet.reshape(8 * side, 8 * side), cmap="RdGy", vmin=-1, vmax=1)
    ax.set_xticks(side * np.arange(9) - 0.5, [])
    ax.set_yticks(side * np.arange(9) - 0.5, [])
    ax.grid(color="white", linewidth=2)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
axes[0].set_title("Without dropout")
axes[1].set_title("With dropout")
plot.show(fig, "The 64 features of a network without dropout, and of one with.")

# %% [markdown]
# It looks as in the paper. Hardly a unit on the left means anything by itself: dozens of such
# patterns must be added up before a digit appears. On the right are strokes.
#
# Whether they are also more *different* is a question for a number: the cosine between two
# features, $w_i \cdot w_j / (\lVert w_i\rVert \lVert w_j\rVert)$. It is 1 for the same direction,
# −1 for opposite ones (which are as redundant: one is the other, times a negative number), and 0
# for features that share nothing.
#
# ## Exercise: `feature_redundancy`

# %% exercise="feature_redundancy"
def feature_redundancy(W):
    """The mean of |cos(w_i, w_j)| over all pairs of different features.

    W : (units, pixels), one feature in each row, left as it is
    A feature that is all zeros has no direction: it is left out.
    Returns a number in [0, 1].
    """
    ### BEGIN SOLUTION
    lengths = np.linalg.norm(W, axis=1)
    units = W[lengths > 0] / lengths[lengths > 0, None]
    cosines = np.abs(units @ units.T)
    k = len(units)
    return (cosines.sum() - np.trace(cosines)) / (k * (k - 1))
    ### END SOLUTION

# %% [markdown] hint="feature_redundancy"
# Divide each row by its length first. Then the product of the matrix with its transpose holds
# all cosines.

# %% [markdown] hint="feature_redundancy"
# Every feature has cosine 1 with itself. How many of the $k^2$ entries remain without these?

# %% [markdown] hint="feature_redundancy"
# A boolean mask, `lengths > 0`, picks the rows that have a direction. Do so before you divide.

# %% [markdown]
# Without dropout the redundancy is about 0.06. **What is it with dropout?**

# %% guess=true
my_guess = 0.03  # redundancy of the features with dropout

# %% figure=true
# How much alike features are, without dropout and with it.
guess = expect.guess(my_guess)
runs = np.array([[feature_redundancy(net.W) for net in nets] for nets in networks.values()])
fig, (ax,) = plot.figure(1, height=2.3, width=7)
plot.bars(runs.mean(1), list(networks), ax, spread=plot.standard_error(runs, 1), colors=colors)
ax.axvline(guess, color=plot.GREY, linestyle="--")
ax.annotate(" your guess", (guess, 0.5), va="center", color=plot.GREY, fontsize=9)
ax.set_xlim(0, 1.2 * max(guess, runs.max()))
ax.set_xlabel("your redundancy, mean |cosine| of two features, 5 runs ± s.e.")
gap = plot.difference(runs[1], runs[0])
ax.set_title(gap.says(more=f"Features are more alike with dropout: {gap}",
                      less=f"Features are less alike with dropout: {gap}",
                      same=f"Features are as much alike with dropout: {gap}"))
plot.show(fig, "Two bars: mean |cosine| of two features without dropout and with, and your guess.")

# %% check="feature_redundancy" points=2
# The cosines of seven features that differ in length, and are not centred.
W = (expect.rng().normal(size=(7, 5)) + 0.7) * np.array([-1, 2, 3, 4, 5, 6, 7])[:, None]
C = W @ W.T / np.sqrt(np.outer((W**2).sum(1), (W**2).sum(1)))
off = ~np.eye(7, dtype=bool)
V = W / np.sqrt((W**2).sum(0))
Z = W / np.sqrt((W**2).sum())
keep = "each row has its own length: keep the axis, norm(W, axis=1, keepdims=True)."
sign = "cosines of both signs cancel. Take absolute values before the mean."
with expect.case("feature_redundancy(W) of 7 features of 5 pixels", crash=[("broadcast", keep)]):
    expect.close(feature_redundancy(W.copy()), np.abs(C[off]).mean(), rtol=1e-6,
                 hint="average |cosine| over the 42 entries off the diagonal.", suspects=[
        (np.abs(C).mean(), "each feature's cosine with itself, 1, is averaged in. Leave it out."),
        (np.abs(C[off]).sum() / 49, "divide by the number of pairs, k (k - 1), not by k²."),
        (np.abs(C[off]).mean() / 2, "each pair is counted once, but divided by k (k - 1)."),
        (C[off].mean(), sign),
        (-C[off].mean(), sign),
        ((C[off] ** 2).mean(), "that is the mean squared cosine. Take absolute values."),
        (np.abs((W @ W.T)[off]).mean(), "the features are not divided by their lengths."),
        (np.abs((Z @ Z.T)[off]).mean(), "W is divided by one number. Each row has its length."),
        (np.abs((V.T @ V)[~np.eye(5, dtype=bool)]).mean(),
         "those are cosines between pixels. A feature is a row."),
        (np.abs(np.corrcoef(W)[off]).mean(), "that is a correlation: the rows are centred."),
    ])

# %% check="feature_redundancy" points=1
# A feature that draws nothing takes part in no pair.
W = expect.rng().normal(size=(4, 3))
W[2] = 0
unit = W / np.maximum(np.sqrt((W**2).sum(1, keepdims=True)), 1e-12)
total = np.abs(np.triu(unit @ unit.T, 1)).sum()
with expect.case("feature_redundancy(W) of 4 features, one of them all zeros"):
    expect.close(feature_redundancy(W), total / 3, rtol=1e-6,
                 hint="leave the feature of zeros out: three features make three pairs.", suspects=[
        (np.nan, "a feature of zeros gives 0 / 0, and the mean is NaN. Leave it out."),
        (total / 6, "a feature of zeros counts as cosine 0. Leave it out of all pairs."),
    ])

# %% check="feature_redundancy" points=1
# To measure the features does not change them.
W = expect.rng().normal(size=(4, 3))
before = W.copy()
with expect.case("feature_redundancy(W), and W after the call"):
    feature_redundancy(W)
    expect.unchanged(W, before)

# %% mistakes="feature_redundancy"
{
    "is averaged in": (" - np.trace(cosines)) / (k * (k - 1))", ") / k**2"),
    "not by k²": ("(k * (k - 1))", "k**2"),
    "counted once": ("cosines.sum() - np.trace(cosines)", "np.triu(cosines, 1).sum()"),
    "both signs cancel": ("np.abs(units @ units.T)", "units @ units.T"),
    "squared cosine": ("np.abs(units @ units.T)", "(units @ units.T) ** 2"),
    "not divided by their lengths": (" / lengths[lengths > 0, None]", ""),
    "divided by one number": ("lengths[lengths > 0, None]", "np.linalg.norm(W)"),
    "between pixels": ("lengths = np", "W = W.T\n    lengths = np"),
    "the rows are centred": ("units @ units.T", "np.corrcoef(units)"),
    "keep the axis": ("W[lengths > 0] / lengths[lengths > 0, None]", "W / lengths"),
    "the mean is NaN": ("W[lengths > 0] / lengths[lengths > 0, None]", "W / lengths[:, None]"),
    "counts as cosine 0": ("W[lengths > 0] / lengths[lengths > 0, None]",
                           "W / np.maximum(lengths, 1e-12)[:, None]"),
    "writes into its input": (
        "lengths =", "W /= np.linalg.norm(W, axis=1, keepdims=True)\n    lengths ="),
}

# %% correct="feature_redundancy"
def feature_redundancy(W):
    live = [w for w in W if np.any(w != 0)]
    return np.mean([abs(a @ b) / np.sqrt((a @ a) * (b @ b))
                    for i, a in enumerate(live) for b in live[:i]])

# %% [markdown]
# This step of the folklore fails. In every run the features are between two and three times as
# alike with dropout as without. The algebra of this network says why that is no contradiction:
#
# $$ I_{ij} = 2\; \overline{h_i h_j}\;\; w_i \cdot w_j $$
#
# (the bar is the mean over images). Two units back each other up exactly if they fire together
# and draw the *same* way, and lean if one takes back what the other draws. To survive without
# a unit, somebody else must be able to draw its stroke. Dropout does not make units
# independent of each other's *content*, only of each other's *presence*.
#
# ## How far does it hold?
#
# Single units and pairs are the beginning. Now remove more and more.
#
# ## Exercise: `robustness_curve`
#
# Three traps. Removing each unit with probability $k/n$ is dropout again, and does not remove
# exactly $k$. Drawing $k$ units one by one may draw one twice. And a single mask for all trials
# measures that mask, not the network.

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
        losses = []
        for _ in range(trials):
            mask = np.ones(n)
            mask[rng.permutation(n)[:k]] = 0
            losses.append(loss(mask))
        curve.append(np.mean(losses))
    return np.array(curve)
    ### END SOLUTION

# %% [markdown] hint="robustness_curve"
# Two loops: over the counts, and over the trials. Which of them draws the mask?

# %% [markdown] hint="robustness_curve"
# A shuffled list of all units names $k$ different ones: its first $k$.

# %% [markdown] hint="robustness_curve"
# `rng.permutation(n)` shuffles; `rng.choice` with `replace=False` draws without repeats.

# %% [markdown]
# Whole, the network without dropout is better. **After how many removed units do the curves
# cross?**

# %% guess=true
my_guess = 32  # units removed, where the curves cross

# %% figure=true
# Error against the number of removed units, without dropout and with it.
guess, curves = expect.guess(my_guess), []
counts = np.arange(0, n + 1, 4)
fig, (ax,) = plot.figure(1, height=3.1, width=6.5)
for (name, nets), color in zip(networks.items(), colors, strict=True):
    runs = np.array([robustness_curve(net.loss(X_test), n, counts, 50, rng) for net in nets])
    curves.append(runs)
    ax.errorbar(counts, runs.mean(0), plot.standard_error(runs), color=color, capsize=2,
                marker=".", label=f"{name}, 5 runs ± s.e.")
ax.axvline(guess, color=plot.GREY, linestyle="--")
ax.annotate(" your guess", (guess, 2.5), color=plot.GREY)
ax.set(xlabel="units removed, of 64", ylabel="error per test image", ylim=(0, 9))
cross = [np.interp(0, gap[at - 1 : at + 1], counts[at - 1 : at + 1])
         for gap in curves[0] - curves[1] if (at := np.argmax(gap > 0))]
ax.set_title(f"You said {guess:g}; they cross at {np.mean(cross):.1f} ± "
             f"{plot.standard_error(cross):.1f}" if len(cross) == 5 else
             f"They cross in {len(cross)} runs of 5")
ax.legend(loc="lower right")
plot.show(fig, "Error against units removed: a curve without dropout, one with, and your guess.")

# %% check="robustness_curve" points=2
# Each mask lacks exactly k different units.
removed = []
with expect.case("robustness_curve(loss, 12, [4], 60, rng): fewest and most units removed"):
    robustness_curve(lambda m: [0.0, removed.append(12 - np.count_nonzero(m))][0], 12, [4], 60,
                     expect.rng())
    gone = [k for k in removed if k] or [0]
    words = "remove exactly k units in each trial."
    if min(gone) < 4 == max(gone):
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
w, counts, seen = expect.rng().normal(size=12) / 4, [0, 3, 5, 9], {3: [], 5: [], 9: []}


def f(m):
    value = float(np.exp(w @ m))
    seen.setdefault(12 - np.count_nonzero(m), []).append(value)
    return value


with expect.case(f"robustness_curve(loss, 12, {counts}, 40, rng), and what loss said"):
    curve = robustness_curve(f, 12, counts, 40, expect.rng())
    if np.ndim(curve):
        expect.array(curve, 4, hint="return an array with one number for each count.")
    masks = min(len(seen[k]) for k in counts[1:])
    expect.equal(min(masks, 40), 40, hint="`trials` masks are needed for each count.")
    seen[0] = [whole := np.exp(w.sum())]
    mean, last = [np.array([of(seen[k]) for k in counts]) for of in (np.mean, lambda v: v[-1])]
    worst, middle = [np.array([of(seen[k]) for k in counts]) for of in (np.max, np.median)]
    expect.close(curve, mean, hint="the mean loss with k of n units removed.", suspects=[
        (40 * mean, "the losses of the trials are added up. Divide by their number."),
        (last, "that is the last trial's loss. Return the mean of all."),
        (worst, "that is the worst trial. Return the mean of all."),
        (middle, "that is the median. Return the mean."),
        (mean - whole, "that is the rise of the loss. Return the loss itself."),
        (np.cumsum(mean) / (1, 2, 3, 4),
         "the losses of one count are averaged into the next one's. Begin anew."),
        (mean.mean(), "that is a mean over the counts too. Return one number for each."),
    ])

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
                  hint="one mask serves all trials. Draw a new one in each.")
with expect.case("robustness_curve(loss, 40, [20], 8, rng), called again with the same rng"):
    expect.varies([first, masks(rng)], chance=7.3e-12, what="other masks than at first",
                  hint="each call draws the same: a seed is set inside, or rng is copied.")
with expect.case("robustness_curve(loss, 40, [20], 8, rng) with two generators of seed 7"):
    expect.repeats(*(masks(np.random.default_rng(7)) for _ in range(2)),
                   hint="the masks do not come from rng. Use rng's own methods.")

# %% check="robustness_curve" points=1
# All sets of k units are equally likely.
masks = []
alike = "all sets of k units must be equally likely."
row = "units fall in a row. Draw each for itself."
with expect.case("robustness_curve(loss, 21, [7], 600, rng): how often units 10 and 11 both fall"):
    robustness_curve(lambda m: [0.0, masks.append(np.array(m, float))][0], 21, [7], 600,
                     expect.rng())
    fell = 1 - np.array([m for m in masks if not m.all()]).reshape(-1, 21)
    expect.equal(min(len(fell), 600), 600, hint="`trials` masks are needed, each without 7 units.")
    expect.mean(fell[:, 10] * fell[:, 11], 0.1, of=(0, 1), hint=alike,
                suspects=[(6 / 15, row), (6 / 21, row)])
for unit in range(21):
    hint = alike if fell[:, unit].any() else "this unit is never removed."
    with expect.case(f"robustness_curve(loss, 21, [7], 600, rng): how often unit {unit} falls"):
        expect.mean(fell[:, unit], 1 / 3, of=(0, 1), alpha=expect.ALPHA / 21, hint=hint)

# %% mistakes="robustness_curve"
{
    "k units are kept": ("[:k]", "[k:]"),
    "never sees": ("loss(mask)", "loss(np.ones(n))"),
    "a coin of its own": ("rng.permutation(n)[:k]", "rng.random(n) < k / n"),
    "drawn twice": ("rng.permutation(n)[:k]", "rng.integers(0, n, size=k)"),
    "stay removed": ("        for _ in range(trials):\n            mask = np.ones(n)\n",
                     "        mask = np.ones(n)\n        for _ in range(trials):\n"),
    "`trials` masks": ("range(trials)", "range(1)"),
    "are added up": ("np.mean(losses)", "np.sum(losses)"),
    "the last trial's loss": ("losses.append(loss(mask))", "losses = [loss(mask)]"),
    "the worst trial": ("np.mean(losses)", "np.max(losses)"),
    "the median": ("np.mean(losses)", "np.median(losses)"),
    "the rise of the loss": ("np.mean(losses)", "np.mean(losses) - loss(np.ones(n))"),
    "averaged into the next": ("    for k in counts:\n        losses = []\n",
                               "    losses = []\n    for k in counts:\n"),
    "mean over the counts too": ("np.array(curve)", "np.mean(curve)"),
    "one number for each count": ("        curve.append", "            curve.append"),
    "one mask serves all trials": (
        """        for _ in range(trials):
            mask = np.ones(n)
            mask[rng.permutation(n)[:k]] = 0
""", """        mask = np.ones(n)
        mask[rng.permutation(n)[:k]] = 0
        for _ in range(trials):
"""),
    "a seed is set inside": ("curve = []", "curve, rng = [], np.random.default_rng(0)"),
    "do not come from rng": ("rng.permutation", "np.random.permutation"),
    "units fall in a row": ("rng.permutation(n)[:k]", "rng.integers(n - k + 1) + np.arange(k)"),
    "never removed": ("rng.permutation(n)", "rng.permutation(n - 1)"),
}

# %% correct="robustness_curve"
def robustness_curve(loss, n, counts, trials, rng):
    losses = np.empty((trials, len(counts)))
    for trial in range(trials):
        rank = np.argsort(rng.random(n))  # one order of falling for all counts
        for c, k in enumerate(counts):
            losses[trial, c] = loss(rank >= k)
    return losses.mean(axis=0)

# %% [markdown]
# Two things to see. The price: a network with dropout is several times *worse* while nothing is
# damaged. (The paper's two autoencoders, of 256 units on MNIST, had similar errors; ours, of 64,
# have not.) And what leaning means: with three quarters of its units gone, the network without
# dropout is worse than with *none* left, when it only draws the bias $b$. What remains are
# corrections of strokes that nobody draws any more.
#
# ## Dropout makes activations sparse
#
# The paper's other observation (§7.2, Fig. 8) is a side effect: with dropout most units are
# silent on most images, though nothing in the loss asks for it. Two numbers describe that.
#
# ## Exercise: `mean_activation`
#
# `H` holds one image in each row. A unit's mean goes over all *images*, those on which it is
# silent included.

# %% exercise="mean_activation"
def mean_activation(H):
    """Each unit's activation, averaged over all images.

    H : (images, units), activations
    Returns an array (units,).
    """
    ### BEGIN SOLUTION
    return H.mean(axis=0)
    ### END SOLUTION

# %% [markdown] hint="mean_activation"
# One number for each unit: which of the two axes of `H` must disappear?

# %% [markdown] hint="mean_activation"
# Axis 0 runs over the images, axis 1 over the units.

# %% [markdown] hint="mean_activation"
# NumPy's `mean` takes the axis that disappears.

# %% check="mean_activation" points=1
# Five images, one of them blank, and three units.
H = np.maximum(expect.rng().normal(size=(5, 3)), 0) + np.eye(5, 3)
H[4] = 0
with expect.case("mean_activation(H) of 5 images and 3 units"):
    expect.close(mean_activation(H.copy()), H.sum(0) / 5, rtol=1e-6,
                 hint="average each column of H.", suspects=[
        (H.mean(1), "that is one number for each image. Average over the images."),
        (H.mean(), "that is one number for all. Keep one for each unit."),
        (H.sum(0), "that is the sum. Divide by the number of images."),
        (H.sum(0) / (H > 0).sum(0), "silent images are left out. They count, as zeros."),
        ((H > 0).mean(0), "that is how often a unit is active, not how strongly."),
        (np.median(H, 0), "that is the median."),
    ])

# %% mistakes="mean_activation"
{
    "one number for each image": ("axis=0", "axis=1"),
    "one number for all": ("axis=0", ""),
    "that is the sum": (".mean", ".sum"),
    "silent images are left out": ("H.mean(axis=0)", "H.sum(0) / np.count_nonzero(H, axis=0)"),
    "how often a unit is active": ("H.mean", "(H > 0).mean"),
    "that is the median": ("H.mean(", "np.median(H, "),
}

# %% correct="mean_activation"
def mean_activation(H):
    return np.ones(len(H)) @ H / len(H)

# %% [markdown]
# ## Exercise: `activation_sparsity`
#
# A unit that is silent on *many* images is not dead: it may be loud on the others. So count
# activations, not units.

# %% exercise="activation_sparsity"
def activation_sparsity(H, threshold):
    """The share of silent activations: those of all images and units that are <= threshold.

    H : (images, units), activations, none negative; threshold : 0 or more
    Returns a number in [0, 1].
    """
    ### BEGIN SOLUTION
    return np.mean(H <= threshold)
    ### END SOLUTION

# %% [markdown] hint="activation_sparsity"
# A comparison of an array with a number gives an array of booleans.

# %% [markdown] hint="activation_sparsity"
# relu gives zeros that are exactly 0. At threshold 0 they must count.

# %% [markdown] hint="activation_sparsity"
# The mean of booleans is the share of those that are true.

# %% check="activation_sparsity" points=1
# Small activations are silent at threshold 0.25, and relu's zeros at threshold 0.
made = np.tile([0, 0.1, 0.25, 0.4, 0.6, 1, 2, 3], (6, 1))
made[0], made[1, 5:], made[4:] = 0, 0, [0, 0.05, 0.1, 0.09, 0.12, 0.2, 0.4, 0.6]
made[5, 1] = 0
random = expect.rng().random((6, 8))
for H, threshold, silent in ((made, 0.25, 32 / 48), (made, 0.0, 17 / 48),
                             (random, 0.5, np.count_nonzero(random <= 0.5) / 48)):
    with expect.case(f"activation_sparsity(H, threshold={threshold}) of 6 images and 8 units"):
        found = activation_sparsity(H, threshold)
        expect.close(found, silent, rtol=1e-6, hint="count the entries <= threshold, of all.",
                     suspects=[
            (1 - silent, "that is the share of active entries. Silent ones are asked for."),
            ((H < threshold).sum() / 48, "what is exactly at the threshold is silent too: <=."),
            (48 * silent, "that is a number of entries. Divide by how many there are."),
            ((H <= threshold).mean(0), "that is one number for each unit. Average over all."),
            ((H <= threshold).mean(1), "that is one number for each image. Average over all."),
            ((H <= threshold).all(0).mean(), "that is the share of dead units. Count entries."),
            (100 * silent, "that is in percent. Return a share, in [0, 1]."),
            ((H == 0).sum() / 48, "the threshold is not used: only zeros are counted."),
            ((H <= threshold * 3).mean(), "the threshold is no share of the largest activation."),
        ])

# %% mistakes="activation_sparsity"
{
    "share of active entries": ("<=", ">"),
    "exactly at the threshold": ("<=", "<"),
    "a number of entries": ("np.mean", "np.sum"),
    "one number for each unit": ("threshold)", "threshold, axis=0)"),
    "one number for each image": ("threshold)", "threshold, axis=1)"),
    "share of dead units": ("H <=", "H.max(0) <="),
    "in percent": ("np.mean", "100 * np.mean"),
    "the threshold is not used": ("<= threshold", "== 0"),
    "no share of the largest": ("threshold)", "threshold * H.max())"),
}

# %% correct="activation_sparsity"
def activation_sparsity(H, threshold):
    quiet = sum(1 for row in H for h in row if not h > threshold)
    return quiet / H.size

# %% [markdown]
# A trap before you compare. Double $V$ and $a$ and halve $W$: every activation doubles, and the
# network draws exactly what it drew. So a mean activation alone says nothing about two
# *different* networks. What a unit lays on paper, $h_i \lVert w_i\rVert$, cannot be changed that
# way, nor can the share of activations that are 0.

# %%
fig, axes = plot.figure(3, height=2.6, width=9)
rows = []
for (name, nets), color in zip(networks.items(), colors, strict=True):
    for net in nets:
        H = net.hidden(X_test)
        laid = H * np.linalg.norm(net.W, axis=1)
        rows.append((mean_activation(H).mean(), mean_activation(laid).mean(),
                     activation_sparsity(H, 0)))
    axes[0].hist(mean_activation(laid), np.linspace(0, 0.7, 36), color=color, alpha=0.8)
    thresholds = np.linspace(0, 1.5, 31)
    axes[1].plot(thresholds, [activation_sparsity(laid, t) for t in thresholds], color=color,
                 label=name)
axes[0].set(xlabel="a unit's mean h · ‖w‖", ylabel="units", title="What a unit draws")
axes[1].set(xlabel="threshold on h · ‖w‖", ylabel="your sparsity", ylim=(0, 1),
            title="How much is silent")
runs = np.reshape(rows, (2, 5, 3)).swapaxes(1, 2)
at = np.arange(3)
for shift, run, color in zip((-0.2, 0.2), runs, colors, strict=True):
    drawn = axes[2].barh(at + shift, run.mean(1), 0.38, xerr=plot.standard_error(run, 1),
                         color=color)
    axes[2].bar_label(drawn, fmt="%.2f", padding=4)
axes[2].set_yticks(at, ["mean\nactivation", "mean of\nh · ‖w‖", "share\nsilent"])
sparser = sum(plot.difference(*run).sign == sign
              for run, sign in zip(runs.swapaxes(0, 1), (1, 1, -1), strict=True))
axes[2].set(xlim=(0, 0.75), title=f"With dropout sparser by {sparser} of 3")
axes[2].invert_yaxis()
axes[1].legend(loc="lower right")
plot.show(fig, "How much units draw, how many activations are silent at each threshold, and three "
               "measures of sparsity in bars, ± s.e. over 5 runs; each without dropout and with.")

# %% [markdown]
# As in the paper, whose mean activation fell from about 2.0 to 0.7; ours falls by more, whichever
# way it is measured. With dropout about half of all activations are exactly 0. No unit is dead:
# in the histogram each lays some ink.
#
# The paper's own two figures, on MNIST, as `python3 grader paper figure7` last measured them:

# %%
reproduced.show("figure7")

# %% [markdown]
# ## Explore: take the networks apart
#
# One network without dropout and one with, each unit drawn by its feature. *Your*
# `ablation_effect` has sorted the units, the costliest first; *your* `interaction_matrix` lights
# up the partners of the unit with the black frame. A click removes the units of that rank from
# both networks, or puts them back; so do the arrow keys and the space bar.
#
# **Try**: restore all units. Remove one, then the partner that it leans on most (the thickest
# orange frame): does the second removal add more to the error, or less, than that unit costs
# alone? And a partner that backs it up (blue)? Then move the first slider to 48. Which digits can
# you still read, and on which side?

# %%
explore.coadaptation(ablation_effect, interaction_matrix)

# %% [markdown]
# The same, standing still, for where nothing can be clicked:

# %%
fig, axes = plot.figure(2, height=4.2, width=9)
steps, some = (0, 4, 8, 16, 32, 48), X_test[:5]
order = rng.permutation(n)
for (name, nets), ax in zip(networks.items(), axes, strict=True):
    net, columns, names = nets[0], [some], ["input\n"]
    loss = net.loss(X_test)
    for k in steps:
        left_over = ~np.isin(np.arange(n), order[:k])
        columns.append(net.output(net.hidden(some) * left_over))
        names.append(f"{k}\n{loss(left_over):.1f}")
    sheet = np.reshape(columns, (7, 5, side, side)).transpose(1, 2, 0, 3)
    plot.image(sheet.reshape(5 * side, 7 * side).clip(0, 1), ax, largest=1)
    ax.set_xticks(side * np.arange(7) + side / 2, names)
    ax.set(xlabel="units removed; error per test image", title=name.capitalize())
    ax.tick_params(length=0)
plot.show(fig, "Five digits, redrawn with 0, 4, 8, 16, 32 and 48 units removed, by a network "
               "without dropout and by one with.")

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

# %% question="silent_answer" points=1
# Half of all activations are silent at threshold 0. This shows that:
#
# - [ ] half of the units are dead
# - [ ] half of the images are blank
# - [x] a unit is silent on half of the images, on average
#
# Hint: an activation belongs to one unit and one image.

# %% question="doubled" points=1
# V and a are doubled, W is halved. What changes?
#
# - [x] mean activation
# - [ ] feature redundancy
# - [ ] interaction matrix
#
# Hint: which of them can see h alone, without w?

# %% [markdown]
# ## In your own words
#
# A colleague explains dropout so: "Units can't rely on each other any more, so each learns
# something different; that makes features independent, and the network better." Say in three to
# six sentences which parts of this your measurements bear out and which they do not, with a
# number for each. (A person reads this.)

# %% [markdown] answer="which_part_holds" points=3
# ### BEGIN SOLUTION
# *Marking guide.* One point: borne out is that units lean less on particular others; evidence is
# the negative part of the interactions against the effects, or the robustness curve, or effects
# of single units (any with a number). One point: not borne out is "each learns something
# different": redundancy rises (about 0.06 to 0.16), and what is left of interaction is mostly
# backing up. One point: "better" needs its measure: whole, the autoencoder with dropout has
# several times the error; it is better from about ten removed units on. Accept that a classifier
# may well generalise better ({{overfitting}}): this lesson did not measure that.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - "Prevents co-adaptation" holds, in this sense: leaning falls to less than a fifth of what it
#   was, relative to what units are worth. Features become strokes, activations become sparse.
# - "Each unit learns something different" does not hold here: features are more alike with
#   dropout, and what interaction is left is mostly backing up.
# - It has a price: the undamaged network redraws several times worse.
# - All this is one architecture, one data set, one rate, five runs. What stays when you change
#   them is yours to measure; every function you need is above.
#
# **Read.** Hinton, Srivastava, Krizhevsky, Sutskever and Salakhutdinov, *Improving neural networks
# by preventing co-adaptation of feature detectors*, arXiv:1207.0580 (2012): its abstract is quoted
# above. Srivastava et al., JMLR 15 (2014), §7.1 and 7.2, Figs. 7 and 8.
#
# **Stretch.** For this network, training with dropout has a closed form. Show that the expected
# squared error under inverted dropout is $L + \frac{p}{1-p} \sum_i \overline{h_i^2}\,
# \lVert w_i\rVert^2$. Which of the findings above can you read off that penalty?
#
# **Still open.** A penalty on weights, scaled by how strongly a unit fires: is dropout then just
# L2? {{regulariser}}.
