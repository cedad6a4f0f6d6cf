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
# units. Then it damages each: 8 of the 64 units go, chosen at random. **Before you run it, guess:
# by what factor does the error grow in a network that was trained *without* dropout?**

# %%
my_guess = 2.0  # error with 8 of 64 units removed / error of the whole network

n, X_test = autoencoder.UNITS, autoencoder.images()[1]
networks = dict(zip(("without dropout", "with dropout"), autoencoder.trained(), strict=True))
colors = plot.ORANGE, plot.BLUE
whole = np.ones(n)
rng = np.random.default_rng()

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
right.axvline(my_guess, color=plot.GREY, linestyle="--")
right.annotate(" your guess", (my_guess, 0.5), va="center", color=plot.GREY)
right.set_xlabel("error with 8 of 64 removed / error whole")
right.set_xlim(0, 1.2 * max(my_guess, factors.max()))
right.set_title("Without dropout, damage spreads")
plot.show(fig, "Without an eighth of its units, a network trained without dropout makes several "
               "times its error, one trained with dropout little more than before.")

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
for (name, nets), color in zip(networks.items(), colors, strict=True):
    effects = np.array([ablation_effect(net.loss(X_test), n) for net in nets])
    ax.plot(range(1, n + 1), -np.sort(-effects).T, color=color, linewidth=1)
    told = f"{effects.mean():.4f} ± {plot.standard_error(effects.mean(1)):.4f}"
    ax.annotate(f"{name}: mean {told}", (n, effects.mean()), xytext=(0, 22), ha="right",
                textcoords="offset points", color=color)
ax.axhline(0, color=plot.GREY, linewidth=0.8)
ax.set(xlabel="unit, by rank (5 networks each)", ylabel="your effect, error per image")
ax.set_title("With dropout no single unit is worth much")
plot.show(fig, "Sorted ablation effects: several times smaller in networks trained with dropout.")

# %% check="ablation_effect" points=2
# Where each unit pays its own share, the effect of its removal is that share.
share = expect.rng().normal(size=6)
share[:2] = np.abs(share[:2]) * (1, -1)  # one helps, one harms
with expect.case("ablation_effect(loss, 6) with loss(m) = 2 - share @ m"):
    effects = ablation_effect(lambda m: 2 - share @ m, 6)
    expect.array(effects, 6, hint="return an array with one number for each unit.")
    total = share.sum()
    expect.close(effects, share, hint="L(-i) - L, with L(-i) the loss without unit i alone.",
                 suspects=[
        (-share, "the difference is the other way round: take the whole's loss from L(-i)."),
        (2 - total + share, "that is L(-i). Subtract the loss of the whole network."),
        (total - share, "unit i is kept and all others are removed: the mask is inverted."),
        (2 - share, "unit i is kept and all others are removed: the mask is inverted."),
        (np.cumsum(share), "units removed before stay removed. Begin with a new mask each time."),
        (np.abs(share), "the sign is lost: a removal may also lower the loss."),
        (share - total, "that compares with the empty network. Compare with the whole one."),
        ((2 - total + share) / (2 - total), "that is a ratio. Subtract the whole's loss."),
        (np.r_[0, share[1:]], "unit 0 is left out. Units are counted from 0."),
    ])

# %% check="ablation_effect" points=1
# The two teams of the worked example, and a network of one unit.
with expect.case("ablation_effect of team A, whose units draw ½ and ½"):
    expect.close(ablation_effect(lambda m: (1 - 0.5 * m[0] - 0.5 * m[1]) ** 2, 2),
                 np.array([0.25, 0.25]), hint="see the table above.")
with expect.case("ablation_effect of team B, whose units draw 2 and -1"):
    expect.close(ablation_effect(lambda m: (1 - 2.0 * m[0] + m[1]) ** 2, 2),
                 np.array([4.0, 1.0]), hint="see the table above.")
with expect.case("ablation_effect(loss, 1)"):
    expect.close(ablation_effect(lambda m: 5.0 - 3 * m[0], 1), np.array([3.0]),
                 hint="n may be 1: the effect is loss([0]) - loss([1]).")

# %% mistake="ablation_effect" says="the other way round"
def ablation_effect(loss, n):
    return loss(np.ones(n)) - np.array([loss(mask) for mask in 1 - np.eye(n)])

# %% mistake="ablation_effect" says="Subtract the loss of the whole"
def ablation_effect(loss, n):
    return np.array([loss(mask) for mask in 1 - np.eye(n)])

# %% mistake="ablation_effect" says="the mask is inverted"
def ablation_effect(loss, n):
    return np.array([loss(mask) for mask in np.eye(n)]) - loss(np.ones(n))

# %% mistake="ablation_effect" says="stay removed"
def ablation_effect(loss, n):
    mask, before, effects = np.ones(n), loss(np.ones(n)), []
    for i in range(n):
        mask[i] = 0
        effects.append(loss(mask) - before)
    return np.array(effects)

# %% mistake="ablation_effect" says="the sign is lost"
def ablation_effect(loss, n):
    return np.abs([loss(mask) - loss(np.ones(n)) for mask in 1 - np.eye(n)])

# %% mistake="ablation_effect" says="empty network"
def ablation_effect(loss, n):
    return np.array([loss(mask) for mask in 1 - np.eye(n)]) - loss(np.zeros(n))

# %% mistake="ablation_effect" says="that is a ratio"
def ablation_effect(loss, n):
    return np.array([loss(mask) for mask in 1 - np.eye(n)]) / loss(np.ones(n))

# %% mistake="ablation_effect" says="unit 0 is left out"
def ablation_effect(loss, n):
    effects = np.zeros(n)
    for i in range(1, n):
        effects[i] = loss(1 - np.eye(n)[i]) - loss(np.ones(n))
    return effects

# %% mistake="ablation_effect" says="return an array"
def ablation_effect(loss, n):
    return [loss(mask) - loss(np.ones(n)) for mask in 1 - np.eye(n)]

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
right.set_title("Leaning falls most")
plot.show(fig, "Interactions are strong and of both signs without dropout, faint and mostly "
               "positive with it; bars compare both kinds with the effects, ± s.e. over 5 runs.")

# %% check="interaction_matrix" points=2
# A loss of six units in which pairs and triples matter; every entry from its definition.
rng = expect.rng()
g, A, u = rng.normal(size=6), rng.normal(size=(6, 6)), rng.normal(size=6)
A[0, 1], A[2, 3] = 1000, -1000  # whatever is drawn, one pair backs up and one leans


def f(m):
    return 3 - g @ m + m @ A @ m + (u @ m) ** 3


one, off, L = np.eye(6), 1 - np.eye(6), f(np.ones(6))
without, alone = np.array([f(m) for m in off]), np.array([f(m) for m in one])
both = np.array([[f(a * b) for b in off] for a in off])
pair = np.array([[f(a + b) for b in one] for a in one])
stay = np.array([[f(a * (np.arange(6) > j)) for j in range(6)] for a in off])
right = both - without - without[:, None] + L
with expect.case("interaction_matrix(loss, 6) with pairs and triples of units in the loss"):
    matrix = interaction_matrix(f, 6)
    expect.array(matrix, (6, 6), hint="return a matrix with a row and a column for each unit.")
    expect.close(matrix, off * right, hint="L(-i,-j) - L(-i) - L(-j) + L, and 0 where i is j.",
                 rtol=1e-8, atol=1e-9, suspects=[
        (-off * right, "the sign is the other way round: L(-i,-j) counts as it is."),
        (off * right - one * (without - L), "the diagonal is no pair of units. Set it to 0."),
        (off * right + one * (L - 2 * without), "the diagonal is no pair of units. Set it to 0."),
        (off * (right - L), "the loss of the whole network is missing: + L."),
        (off * (right + L), "+ L counts twice. Effects already hold -L: subtract L, once."),
        (off * both, "that is the loss without both. Take the single losses from it, and add L."),
        (off * (both - L), "that is the joint effect. Subtract the two effects from it."),
        (np.triu(right, 1), "one half is empty. What i does to j, j does to i: fill both."),
        (np.tril(right, -1), "one half is empty. What i does to j, j does to i: fill both."),
        (off * (pair - alone - alone[:, None] + 3),
         "the pair is kept and all others are removed: the masks are inverted."),
        (off * (stay - without - without[:, None] + L),
         "units removed for one pair stay removed. Begin with a new mask each time."),
        (np.abs(off * right), "the sign is lost. It tells leaning from backing up."),
        (off * right / 2, "the formula is halved."),
        (off * (right - L + 3), "that adds the loss of the empty network. Add the whole one's."),
    ])

# %% check="interaction_matrix" points=1
# The teams A and B, and one of strangers; a single unit has no partner.
for team, expected, loss in (
    ("A, whose units draw ½ and ½", 0.5, lambda m: (1 - 0.5 * m[0] - 0.5 * m[1]) ** 2),
    ("B, whose units draw 2 and -1", -4.0, lambda m: (1 - 2.0 * m[0] + m[1]) ** 2),
    ("of strangers", 0.0, lambda m: (1 - m[0]) ** 2 + (1 - 1.0 * m[1]) ** 2),
):
    with expect.case(f"interaction_matrix of the team {team}"):
        expect.close(interaction_matrix(loss, 2), np.array([[0, expected], [expected, 0]]),
                     hint="put the four losses of the table into the formula.")
with expect.case("interaction_matrix(loss, 1)"):
    expect.close(interaction_matrix(lambda m: 5.0 - 3 * m[0], 1), np.zeros((1, 1)),
                 hint="one unit has no partner: the matrix is [[0]].")

# %% mistake="interaction_matrix" says="the sign is the other way round"
def interaction_matrix(loss, n):
    one, L = np.eye(n), loss(np.ones(n))
    L1 = np.array([loss(1 - row) for row in one])
    return np.array([[(i != j) * (L1[i] + L1[j] - L - loss((1 - one[i]) * (1 - one[j])))
                      for j in range(n)] for i in range(n)])

# %% mistake="interaction_matrix" says="the diagonal is no pair"
def interaction_matrix(loss, n):
    one, L = np.eye(n), loss(np.ones(n))
    L1 = np.array([loss(1 - row) for row in one])
    return np.array([[loss((1 - one[i]) * (1 - one[j])) - L1[i] - L1[j] + L
                      for j in range(n)] for i in range(n)])

# %% mistake="interaction_matrix" says="whole network is missing"
def interaction_matrix(loss, n):
    one = np.eye(n)
    L1 = np.array([loss(1 - row) for row in one])
    return np.array([[(i != j) * (loss((1 - one[i]) * (1 - one[j])) - L1[i] - L1[j])
                      for j in range(n)] for i in range(n)])

# %% mistake="interaction_matrix" says="counts twice"
def interaction_matrix(loss, n):
    one, effects = np.eye(n), ablation_effect(loss, n)
    return np.array([[(i != j) * (loss((1 - one[i]) * (1 - one[j])) - effects[i] - effects[j])
                      for j in range(n)] for i in range(n)])

# %% mistake="interaction_matrix" says="that is the loss without both"
def interaction_matrix(loss, n):
    one = np.eye(n)
    return np.array([[(i != j) * loss((1 - one[i]) * (1 - one[j]))
                      for j in range(n)] for i in range(n)])

# %% mistake="interaction_matrix" says="that is the joint effect"
def interaction_matrix(loss, n):
    one, L = np.eye(n), loss(np.ones(n))
    return np.array([[(i != j) * (loss((1 - one[i]) * (1 - one[j])) - L)
                      for j in range(n)] for i in range(n)])

# %% mistake="interaction_matrix" says="one half is empty"
def interaction_matrix(loss, n):
    matrix, L, effects = np.zeros((n, n)), loss(np.ones(n)), ablation_effect(loss, n)
    for i in range(n):
        for j in range(i + 1, n):
            mask = np.ones(n)
            mask[i] = mask[j] = 0
            matrix[i, j] = loss(mask) - L - effects[i] - effects[j]
    return matrix

# %% mistake="interaction_matrix" says="the masks are inverted"
def interaction_matrix(loss, n):
    one, L = np.eye(n), loss(np.zeros(n))
    L1 = np.array([loss(row) for row in one])
    return np.array([[(i != j) * (loss(one[i] + one[j]) - L1[i] - L1[j] + L)
                      for j in range(n)] for i in range(n)])

# %% mistake="interaction_matrix" says="stay removed"
def interaction_matrix(loss, n):
    matrix, L, effects = np.zeros((n, n)), loss(np.ones(n)), ablation_effect(loss, n)
    for i in range(n):
        mask = 1 - np.eye(n)[i]
        for j in range(n):
            mask[j] = 0
            if i != j:
                matrix[i, j] = loss(mask) - L - effects[i] - effects[j]
    return matrix

# %% mistake="interaction_matrix" says="the sign is lost"
def interaction_matrix(loss, n):
    off, L = 1 - np.eye(n), loss(np.ones(n))
    single = np.array([loss(row) for row in off])
    both = np.array([[loss(a * b) for b in off] for a in off])
    return np.abs(off * (both - np.add.outer(single, single) + L))

# %% mistake="interaction_matrix" says="loss of the empty network"
def interaction_matrix(loss, n):
    off, L = 1 - np.eye(n), loss(np.zeros(n))
    single = np.array([loss(row) for row in off])
    both = np.array([[loss(a * b) for b in off] for a in off])
    return off * (both - np.add.outer(single, single) + L)

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
axes[0].set_title("Without dropout: speckle")
axes[1].set_title("With dropout: strokes, parts of digits")
plot.show(fig, "64 features of a network each: noise without dropout, strokes with dropout.")

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
    A feature that is all zeros has no direction: it is left out. Fewer than two others: 0.0.
    Returns a number in [0, 1].
    """
    ### BEGIN SOLUTION
    lengths = np.linalg.norm(W, axis=1)
    units = W[lengths > 0] / lengths[lengths > 0, None]
    k = len(units)
    if k < 2:
        return 0.0
    cosines = np.abs(units @ units.T)
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
# Without dropout the redundancy is about 0.06. **Guess what it is with dropout**, then run.

# %%
my_guess = 0.03  # redundancy of the features with dropout

runs = np.array([[feature_redundancy(net.W) for net in nets] for nets in networks.values()])
fig, (ax,) = plot.figure(1, height=2.3, width=7)
plot.bars(runs.mean(1), list(networks), ax, spread=plot.standard_error(runs, 1), colors=colors)
ax.axvline(my_guess, color=plot.GREY, linestyle="--")
ax.annotate(" your guess", (my_guess, 0.5), va="center", color=plot.GREY, fontsize=9)
ax.set_xlim(0, 1.2 * max(my_guess, runs.max()))
ax.set_xlabel("your redundancy, mean |cosine| of two features, 5 runs ± s.e.")
ax.set_title("Features are more alike with dropout, not less")
plot.show(fig, "The mean absolute cosine between features is higher with dropout.")

# %% check="feature_redundancy" points=2
# Seven features of different lengths, none of them centred.
W = (expect.rng().normal(size=(7, 5)) + 0.7) * np.array([-1, 2, 3, 4, 5, 6, 7])[:, None]
C = W @ W.T / np.sqrt(np.outer((W**2).sum(1), (W**2).sum(1)))
off = ~np.eye(7, dtype=bool)
V = W / np.sqrt((W**2).sum(0))
Z = W / np.sqrt((W**2).sum())
before = W.copy()
keep = "each row has its own length: keep the axis, norm(W, axis=1, keepdims=True)."
with expect.case("feature_redundancy(W) of 7 features of 5 pixels", crash=[("broadcast", keep)]):
    expect.close(feature_redundancy(W), np.abs(C[off]).mean(),
                 hint="average |cosine| over the 42 entries off the diagonal.", suspects=[
        (np.abs(C).mean(), "each feature's cosine with itself, 1, is averaged in. Leave it out."),
        (np.abs(C[off]).sum() / 49, "divide by the number of pairs, k (k - 1), not by k²."),
        (np.abs(C[off]).mean() / 2, "each pair is counted once, but divided by k (k - 1)."),
        (C[off].mean(), "cosines of both signs cancel. Take absolute values before the mean."),
        (-C[off].mean(), "cosines of both signs cancel. Take absolute values before the mean."),
        ((C[off] ** 2).mean(), "that is the mean squared cosine. Take absolute values."),
        (np.abs((W @ W.T)[off]).mean(), "the features are not divided by their lengths."),
        (np.abs((Z @ Z.T)[off]).mean(), "W is divided by one number. Each row has its length."),
        (np.abs((V.T @ V)[~np.eye(5, dtype=bool)]).mean(),
         "those are cosines between pixels. A feature is a row."),
        (np.abs(np.corrcoef(W)[off]).mean(), "that is a correlation: the rows are centred."),
    ])
    expect.unchanged(W, before)

# %% check="feature_redundancy" points=1
# The ends of the scale, and features that draw nothing.
with expect.case("feature_redundancy of three features that share no pixel"):
    expect.close(feature_redundancy(np.diag([1.0, -2.0, 3.0])), 0.0, hint="all cosines are 0.")
with expect.case("feature_redundancy of a feature, its double and its negative"):
    expect.close(feature_redundancy(np.outer([1.0, 2.0, -1.0], [3.0, -1.0, 2.0])), 1.0,
                 hint="opposite features are as redundant as equal ones: |cosine| is 1.")
with expect.case("feature_redundancy of [[1, 0], [0, 0], [1, 1]]"):
    expect.close(feature_redundancy(np.array([[1.0, 0], [0, 0], [1, 1]])), np.sqrt(0.5),
                 hint="the second feature is all zeros: leave it out.", suspects=[
        (np.nan, "a feature of zeros gives 0 / 0, and the mean is NaN. Leave it out."),
        (np.sqrt(0.5) / 3, "a feature of zeros counts as cosine 0. Leave it out of all pairs."),
    ])
with expect.case("feature_redundancy of a single feature"):
    expect.close(feature_redundancy(np.ones((1, 4))), 0.0,
                 hint="there is no pair: return 0.0, as the docstring says.")

# %% mistake="feature_redundancy" says="is averaged in"
def feature_redundancy(W):
    units = W / np.linalg.norm(W, axis=1, keepdims=True)
    return np.abs(units @ units.T).mean()

# %% mistake="feature_redundancy" says="not by k²"
def feature_redundancy(W):
    units = W / np.linalg.norm(W, axis=1, keepdims=True)
    return np.abs(units @ units.T - np.eye(len(W))).mean()

# %% mistake="feature_redundancy" says="counted once"
def feature_redundancy(W):
    units, k = W / np.linalg.norm(W, axis=1, keepdims=True), len(W)
    return np.abs(np.triu(units @ units.T, 1)).sum() / (k * (k - 1))

# %% mistake="feature_redundancy" says="both signs cancel"
def feature_redundancy(W):
    units = W / np.linalg.norm(W, axis=1, keepdims=True)
    return (units @ units.T)[~np.eye(len(W), dtype=bool)].mean()

# %% mistake="feature_redundancy" says="not divided by their lengths"
def feature_redundancy(W):
    return np.abs((W @ W.T)[~np.eye(len(W), dtype=bool)]).mean()

# %% mistake="feature_redundancy" says="divided by one number"
def feature_redundancy(W):
    units = W / np.linalg.norm(W)
    return np.abs((units @ units.T)[~np.eye(len(W), dtype=bool)]).mean()

# %% mistake="feature_redundancy" says="between pixels"
def feature_redundancy(W):
    units = W / np.linalg.norm(W, axis=0)
    return np.abs((units.T @ units)[~np.eye(W.shape[1], dtype=bool)]).mean()

# %% mistake="feature_redundancy" says="the rows are centred"
def feature_redundancy(W):
    return np.abs(np.corrcoef(W)[~np.eye(len(W), dtype=bool)]).mean()

# %% mistake="feature_redundancy" says="writes into its input"
def feature_redundancy(W):
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    return np.abs((W @ W.T)[~np.eye(len(W), dtype=bool)]).mean()

# %% mistake="feature_redundancy" says="the mean is NaN"
def feature_redundancy(W):
    with np.errstate(all="ignore"):
        units = W / np.linalg.norm(W, axis=1, keepdims=True)
    return np.abs((units @ units.T)[~np.eye(len(W), dtype=bool)]).mean()

# %% mistake="feature_redundancy" says="counts as cosine 0"
def feature_redundancy(W):
    units = W / np.maximum(np.linalg.norm(W, axis=1, keepdims=True), 1e-12)
    return np.abs((units @ units.T)[~np.eye(len(W), dtype=bool)]).mean()

# %% mistake="feature_redundancy" says="keep the axis"
def feature_redundancy(W):
    units = W / np.linalg.norm(W, axis=1)
    return np.abs((units @ units.T)[~np.eye(len(W), dtype=bool)]).mean()

# %% mistake="feature_redundancy" says="squared cosine"
def feature_redundancy(W):
    units = W / np.linalg.norm(W, axis=1, keepdims=True)
    return ((units @ units.T) ** 2)[~np.eye(len(W), dtype=bool)].mean()

# %% correct="feature_redundancy"
def feature_redundancy(W):
    live = [w for w in W if np.any(w != 0)]
    found = [
        abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))
        for i, a in enumerate(live)
        for b in live[:i]
    ]
    return float(np.mean(found)) if found else 0.0

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
        total = 0.0
        for _ in range(trials):
            gone = rng.permutation(n)[:k]
            mask = np.ones(n)
            mask[gone] = 0
            total += loss(mask)
        curve.append(total / trials)
    return np.array(curve)
    ### END SOLUTION

# %% [markdown] hint="robustness_curve"
# Two loops: over the counts, and over the trials. Which of them draws the mask?

# %% [markdown] hint="robustness_curve"
# A shuffled list of all units names $k$ different ones: its first $k$.

# %% [markdown] hint="robustness_curve"
# `rng.permutation(n)` shuffles; `rng.choice` with `replace=False` draws without repeats.

# %% [markdown]
# **Predict first**: whole, the network without dropout is better. After how many removed units
# do the curves cross?

# %%
my_guess = 32  # units removed, where the curves cross

counts = np.arange(0, n + 1, 4)
fig, (ax,) = plot.figure(1, height=3.1, width=6.5)
for (name, nets), color in zip(networks.items(), colors, strict=True):
    curves = np.array([robustness_curve(net.loss(X_test), n, counts, 50, rng) for net in nets])
    ax.errorbar(counts, curves.mean(0), plot.standard_error(curves), color=color, capsize=2,
                marker=".", label=f"{name}, 5 runs ± s.e.")
ax.axvline(my_guess, color=plot.GREY, linestyle="--")
ax.annotate(" your guess", (my_guess, 2.5), color=plot.GREY)
ax.set(xlabel="units removed, of 64", ylabel="error per test image", ylim=(0, 9))
ax.set_title("Without dropout: better while whole, worse once damaged")
ax.legend(loc="lower right")
plot.show(fig, "Error against units removed: the curve without dropout starts far lower, rises "
               "steeply and crosses the other at about ten units.")

# %% check="robustness_curve" points=2
# Each mask lacks exactly k different units.
removed = []
with expect.case("robustness_curve(loss, 12, [4], 60, rng): fewest and most units removed"):
    robustness_curve(lambda m: [0.0, removed.append(12 - int(np.sum(m)))][0], 12, [4], 60,
                     expect.rng())
    gone = [k for k in removed if k] or [0]
    words = "a unit is drawn twice, so fewer than k fall. Draw without repeats."
    if max(gone) > 4:
        words = "each unit falls by a coin of its own, as in dropout. Remove exactly k."
    if gone[-1] == 12:
        words = "units removed in one trial stay removed in the next. Begin with a new mask."
    expect.equal((min(gone), max(gone)), (4, 4), hint=words, suspects=[
        ((8, 8), "k units are kept and the others removed. Remove k."),
        ((0, 0), "loss never sees a mask with a unit removed."),
    ])

# %% check="robustness_curve" points=1
# A loss that counts the units that are left: its mean is n - k, whatever falls.
counts = [0, 1, 3, 5, 6, 8, 12]
left = 12.0 - np.array(counts)
with expect.case(f"robustness_curve(loss, 12, {counts}, 3, rng), loss = units left"):
    curve = robustness_curve(lambda m: float(np.sum(m)), 12, counts, 3, expect.rng())
    if np.ndim(curve):
        expect.array(curve, 7, hint="return an array with one number for each count.")
    expect.close(curve, left, hint="the mean loss with k of n units removed.", suspects=[
        (3 * left, "the losses of the trials are added up. Divide by their number."),
        (left / 3, "one loss is divided by the number of trials. Add them all up first."),
        (left - 12, "that is the rise of the loss. Return the loss itself."),
        (12 - left, "the loss is the other way round: k units must be removed, not left."),
        (left.mean(), "that is a mean over the counts too. Return one number for each."),
    ])

# %% check="robustness_curve" points=1
# Every unit falls as often as any other: k times in n.
left = []
with expect.case("robustness_curve(loss, 21, [7], 600, rng), and how often unit 0 is left"):
    robustness_curve(lambda m: [0.0, left.append(float(m[0]))][0], 21, [7], 600, expect.rng())
    expect.varies(left, chance=0.7**600, what="different masks in different trials",
                  hint="one mask serves all trials. Draw a new one in each.")
    expect.mean(left, 14 / 21, of=(0, 1), hint="all sets of k units must be equally likely.",
                suspects=[(14 / 15, "units fall in a row, and those at the ends seldom. Draw each "
                                    "for itself.")])

# %% check="robustness_curve" points=1
# A new mask in every trial, from rng alone.
weights = 2.0 ** np.arange(40)  # the sum of those left tells any two masks apart
seen, rng = [], expect.rng()
with expect.case("robustness_curve(loss, 40, [20], 8, rng), and the masks that loss sees"):
    robustness_curve(lambda m: [0.0, seen.append(float(weights @ m))][0], 40, [20], 8, rng)
    expect.varies([s for s in seen if s != weights.sum()], chance=7.3e-12,
                  what="different masks in different trials",
                  hint="one mask serves all trials. Draw a new one in each.")
with expect.case("robustness_curve(loss, 40, [20], 1, rng) called twice with the same rng"):
    twice = [robustness_curve(lambda m: float(weights @ m), 40, [20], 1, rng) for _ in range(2)]
    expect.varies(twice, chance=7.3e-12, what="two different masks",
                  hint="each call draws the same: a seed is set inside. Draw from rng.")
with expect.case("robustness_curve(loss, 40, [20], 2, rng) with two generators of seed 7"):
    same = [robustness_curve(lambda m: float(weights @ m), 40, [20], 2, np.random.default_rng(7))
            for _ in range(2)]
    expect.repeats(*same, hint="the masks do not come from rng. Use rng's own methods.")

# %% mistake="robustness_curve" says="k units are kept"
def robustness_curve(loss, n, counts, trials, rng):
    return np.array([np.mean([loss(1.0 * (rng.permutation(n) < k)) for _ in range(trials)])
                     for k in counts])

# %% mistake="robustness_curve" says="in one trial stay removed"
def robustness_curve(loss, n, counts, trials, rng):
    curve = []
    for k in counts:
        mask, losses = np.ones(n), []
        for _ in range(trials):
            mask[rng.permutation(n)[:k]] = 0
            losses.append(loss(mask))
        curve.append(np.mean(losses))
    return np.array(curve)

# %% mistake="robustness_curve" says="a coin of its own"
def robustness_curve(loss, n, counts, trials, rng):
    return np.array([np.mean([loss(1.0 * (rng.random(n) >= k / n)) for _ in range(trials)])
                     for k in counts])

# %% mistake="robustness_curve" says="drawn twice"
def robustness_curve(loss, n, counts, trials, rng):
    curve = []
    for k in counts:
        losses = []
        for _ in range(trials):
            mask = np.ones(n)
            mask[rng.integers(0, n, size=k)] = 0
            losses.append(loss(mask))
        curve.append(np.mean(losses))
    return np.array(curve)

# %% mistake="robustness_curve" says="are added up"
def robustness_curve(loss, n, counts, trials, rng):
    return np.array([sum(loss(1.0 * (rng.permutation(n) >= k)) for _ in range(trials))
                     for k in counts])

# %% mistake="robustness_curve" says="the rise of the loss"
def robustness_curve(loss, n, counts, trials, rng):
    base = loss(np.ones(n))
    return np.array([np.mean([loss(1.0 * (rng.permutation(n) >= k)) for _ in range(trials)])
                     for k in counts]) - base

# %% mistake="robustness_curve" says="one mask serves all trials"
def robustness_curve(loss, n, counts, trials, rng):
    curve = []
    for k in counts:
        mask = 1.0 * (rng.permutation(n) >= k)
        curve.append(np.mean([loss(mask) for _ in range(trials)]))
    return np.array(curve)

# %% mistake="robustness_curve" says="a seed is set inside"
def robustness_curve(loss, n, counts, trials, rng):
    rng = np.random.default_rng(0)
    return np.array([np.mean([loss(1.0 * (rng.permutation(n) >= k)) for _ in range(trials)])
                     for k in counts])

# %% mistake="robustness_curve" says="do not come from rng"
def robustness_curve(loss, n, counts, trials, rng):
    return np.array([np.mean([loss(1.0 * (np.random.permutation(n) >= k)) for _ in range(trials)])
                     for k in counts])

# %% mistake="robustness_curve" says="units fall in a row"
def robustness_curve(loss, n, counts, trials, rng):
    curve = []
    for k in counts:
        losses = []
        for _ in range(trials):
            mask, start = np.ones(n), rng.integers(n - k + 1)
            mask[start : start + k] = 0
            losses.append(loss(mask))
        curve.append(np.mean(losses))
    return np.array(curve)

# %% mistake="robustness_curve" says="mean over the counts too"
def robustness_curve(loss, n, counts, trials, rng):
    return np.mean([loss(1.0 * (rng.permutation(n) >= k)) for k in counts for _ in range(trials)])

# %% correct="robustness_curve"
def robustness_curve(loss, n, counts, trials, rng):
    losses = np.empty((trials, len(counts)))
    for trial in range(trials):
        rank = np.argsort(rng.random(n))  # one order of falling for all counts
        for c, k in enumerate(counts):
            losses[trial, c] = loss(rank >= k)
    return losses.mean(axis=0)

# %% correct="robustness_curve"
def robustness_curve(loss, n, counts, trials, rng):
    means = []
    for k in counts:
        values = []
        for _ in range(trials):
            mask = np.ones(n)
            mask[rng.choice(n, size=k, replace=False)] = 0.0
            values.append(loss(mask))
        means.append(sum(values) / trials)
    return np.array(means)

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
# Five images, three units.
H = np.maximum(expect.rng().normal(size=(5, 3)), 0) + np.eye(5, 3)
with expect.case("mean_activation(H) of 5 images and 3 units"):
    found = mean_activation(H)
    expect.close(found, H.sum(0) / 5, hint="average each column of H.", suspects=[
        (H.mean(1), "that is one number for each image. Average over the images."),
        (H.mean(), "that is one number for all. Keep one for each unit."),
        (H.sum(0), "that is the sum. Divide by the number of images."),
        (H.sum(0) / (H > 0).sum(0), "silent images are left out. They count, as zeros."),
        ((H > 0).mean(0), "that is how often a unit is active, not how strongly."),
        (np.median(H, 0), "that is the median."),
    ])

# %% mistake="mean_activation" says="one number for each image"
def mean_activation(H):
    return H.mean(axis=1)

# %% mistake="mean_activation" says="one number for all"
def mean_activation(H):
    return H.mean()

# %% mistake="mean_activation" says="silent images are left out"
def mean_activation(H):
    return H.sum(0) / np.count_nonzero(H, axis=0)

# %% mistake="mean_activation" says="how often a unit is active"
def mean_activation(H):
    return (H > 0).mean(axis=0)

# %% mistake="mean_activation" says="that is the sum"
def mean_activation(H):
    return H.sum(axis=0)

# %% mistake="mean_activation" says="that is the median"
def mean_activation(H):
    return np.median(H, axis=0)

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
# Relu's zeros are silent at threshold 0, and small activations at a higher one.
H = np.maximum(expect.rng().normal(size=(6, 8)), 0)
H[0], H[1, 1:4], H[2:5], H[5], H[:, 0] = 0.5, 0.25, 0, 0.1, 0
for threshold in (0.0, 0.25):
    silent = (~(H > threshold)).sum() / 48
    with expect.case(f"activation_sparsity(H, threshold={threshold}) of 6 images and 8 units"):
        found = activation_sparsity(H, threshold)
        expect.close(found, silent, hint="count the entries <= threshold, over all entries.",
                     suspects=[
            (1 - silent, "that is the share of active entries. Silent ones are asked for."),
            ((H < threshold).sum() / 48, "what is exactly at the threshold is silent too: <=."),
            (48 * silent, "that is a number of entries. Divide by how many there are."),
            ((H <= threshold).mean(0), "that is one number for each unit. Average over all."),
            ((H <= threshold).mean(1), "that is one number for each image. Average over all."),
            ((H <= threshold).all(0).mean(), "that is the share of dead units. Count entries."),
            (100 * silent, "that is in percent. Return a share, in [0, 1]."),
            ((H == 0).sum() / 48, "the threshold is not used: only zeros are counted."),
        ])

# %% mistake="activation_sparsity" says="share of active entries"
def activation_sparsity(H, threshold):
    return np.mean(H > threshold)

# %% mistake="activation_sparsity" says="exactly at the threshold"
def activation_sparsity(H, threshold):
    return np.mean(H < threshold)

# %% mistake="activation_sparsity" says="a number of entries"
def activation_sparsity(H, threshold):
    return np.count_nonzero(H <= threshold)

# %% mistake="activation_sparsity" says="one number for each unit"
def activation_sparsity(H, threshold):
    return np.mean(H <= threshold, axis=0)

# %% mistake="activation_sparsity" says="share of dead units"
def activation_sparsity(H, threshold):
    return np.mean(np.max(H, axis=0) <= threshold)

# %% mistake="activation_sparsity" says="the threshold is not used"
def activation_sparsity(H, threshold):
    return np.mean(H == 0)

# %% mistake="activation_sparsity" says="in percent"
def activation_sparsity(H, threshold):
    return 100 * np.mean(H <= threshold)

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
axes[0].set(xlabel="a unit's mean h · ‖w‖", ylabel="units", title="Each unit draws less …")
axes[1].set(xlabel="threshold on h · ‖w‖", ylabel="your sparsity", ylim=(0, 1),
            title="… and is silent more often")
runs = np.reshape(rows, (2, 5, 3)).swapaxes(1, 2)
at = np.arange(3)
for shift, run, color in zip((-0.2, 0.2), runs, colors, strict=True):
    drawn = axes[2].barh(at + shift, run.mean(1), 0.38, xerr=plot.standard_error(run, 1),
                         color=color)
    axes[2].bar_label(drawn, fmt="%.2f", padding=4)
axes[2].set_yticks(at, ["mean\nactivation", "mean of\nh · ‖w‖", "share\nsilent"])
axes[2].set(xlim=(0, 0.75), title="All three say: sparse")
axes[2].invert_yaxis()
axes[1].legend(loc="lower right")
plot.show(fig, "With dropout every unit draws less on average, and half of all activations are 0.")

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
plot.show(fig, "Five digits as more and more units are removed: without dropout they dissolve into "
               "blots, with dropout they stay readable for longer, and grow pale.")

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
