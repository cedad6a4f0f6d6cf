# %% [markdown]
# # 9.1 · Frontier
#
# **What else may be dropped, and what for?**
#
# *{{minutes}} minutes, and nothing is graded. Before: {{ensemble}} and {{noise}}. After, you will
# know six ideas around dropout that are not settled: what is known of each, what one small
# measurement shows, and where to read on.*
#
# | symbol | meaning |
# | --- | --- |
# | $p$ | probability that a unit, spike or gate is **dropped** |
# | $k$ | number of copies of a bit, or of spikes of a neuron |
# | $\theta$ | the weights that training has found, around which weights are drawn |
# | $n$ | number of training images |

# %% setup=true
import numpy as np
import torch

from dropoutlab import expect, explore, frontier, plot, variants

torch.set_num_threads(1)  # products this small wait for each other's threads

# %% [markdown]
# ## Information: what is left of a bit?
#
# A bit is the answer to one question with two equally likely answers. Let $k$ units copy a bit, and
# drop each with probability $p$. The bit is lost only if all copies are dropped, so a share
#
# $$ 1 - p^k $$
#
# of it survives on average. This is the *erasure channel* of information theory (Elias 1955), and
# one reason why dropout may favour redundant features. Copies have a price: the units could have
# carried other bits.
#
# **Try**: each row is one draw of the masks. At $p=0.5$, how many copies does a bit need until 99 %
# of it survives, and what do more copies cost in all? Then change $p$.

# %%
explore.copies()

# %% [markdown]
# Copies are not the only code. Eight units that carry four bits may hold each bit twice, which
# keeps $4\,(1-p^2)$ bits. Or four of them hold the bits and four hold *parities*, each of them
# whether the sum of three bits is odd (the extended Hamming code). The next figure adds codes that
# networks learn: each of eight units is a $\tanh$ of a weighted sum of the bits, with some normal
# noise on it, and a second network reads the bits from the units that are left. **Guess: at
# $p=0.5$, where copies keep 3 of the 4 bits, how many does a learned code keep?**

# %% guess=true
my_guess = 2.5  # bits of 4 that a learned code keeps at p = 0.5

# %% figure=true
# Bits that learned codes keep, beside copies and parities; and a code: takes some 20 seconds.
guess = expect.guess(my_guess)
chances = np.array([0.0, 0.1, 0.3, 0.5, 0.7])
learned = [frontier.codes(float(p), seeds=range(10)) for p in chances]
kept = np.array([bits.numpy() for bits, _ in learned])
weights = np.abs([learned[0][1], learned[3][1]])  # at p = 0 and 0.5: (nets, units, bits) each
leads = weights.argmax(-1)  # the bit that each unit weighs most
alone, copies = (sum((np.bincount(of, minlength=4) == 2).all() for of in one) for one in leads)
share = (weights.max(-1)**2 / (weights**2).sum(-1)).mean(-1)  # of its squared weights, on that bit
grid = np.linspace(0, 0.8, 17)
fig, (left, right) = plot.figure(2, width=9, height=3)
left.plot(grid, [frontier.parity(p) for p in grid], color=plot.GREEN, label="parities, no noise")
left.plot(grid, 4 * frontier.survives(grid, 2), color=plot.GREY, label="two copies, no noise")
left.errorbar(chances, kept.mean(1), kept.std(1, ddof=1), color=plot.BLUE, marker="o", capsize=3,
              linestyle="none", label="learned (10 each, ± s.d.)")
left.plot(0.5, guess, "X", color=plot.ORANGE, markersize=9, label="your guess")
left.set(xlabel="drop probability p", ylabel="bits of 4 that arrive", ylim=(0, 4.2))
left.legend(loc="lower left", fontsize=8)
gain = plot.difference(kept[3], 4 * frontier.survives(0.5, 2))
left.set_title(f"At p = 0.5: learned − two copies: {gain:.3f} bits")
plot.image(weights[1, 0][np.argsort(leads[1, 0])].T, right)
right.set(xlabel="unit of the first code", ylabel="bit",
          title=f"Each bit leads in two units: {copies} of 10 codes,\n"
                f"{alone} of 10 without dropout")
sharper = plot.difference(share[1], share[0])
best = frontier.parity(0.5) - 4 * frontier.survives(0.5, 2)
plot.show(fig, "Left, bits that arrive against p, for learned codes, copies and parities. At "
               f"p = 0.5 learned codes keep {gain:.2f} bits more than copies, and parities "
               f"{best:.2f} more. Right, the weights that make the units. In "
               f"{copies} of 10 codes each bit has the largest weight in two units, at p = 0 in "
               f"{alone}; the share of that bit in a unit's squared weights is {sharper:.2f} "
               "higher with dropout.",
          claims={"learned-codes-copy": bool(copies > 5 and abs(gain.mean) < 0.15),
                  "noise-copies-less": sharper.sign > 0,
                  "parities-keep-more": bool(best > 0.3)})

# %% [markdown]
# Training mostly finds copies: each bit leads in two units. Parities would keep more, but a
# $\tanh$ of a weighted sum makes no parity. So the redundancy is of the kind that the units can
# make. The noise alone asks for some of it: without dropout, too, some codes are copies, but each
# unit's weights are spread more over several bits.{{claim:noise-copies-less}} Nobody knows which
# code is best for units that must also compute something.
#
# ## A PAC-Bayes bound
#
# A test error needs images that were held out. A *PAC-Bayes bound* says from the training images
# alone: with probability 95 % over training sets, the error rate is at most this. It speaks of
# networks whose weights are *drawn*, here from a normal distribution around $\theta$, and it pays
# for how far training has moved that distribution, by the Kullback–Leibler divergence:
# $\lVert\theta\rVert^2/2$. McAllester (2013) drops weights from both distributions, before and
# after training, with the same $p$. Then only weights that are kept pay, and the price is
#
# $$ \mathrm{KL} = \tfrac{1-p}{2}\,\lVert\theta\rVert^2 . $$
#
# The bound $b$ is the largest error rate with $n\,\mathrm{kl}(\hat e \,\Vert\, b) \le \mathrm{KL} +
# \log\frac{2\sqrt n}{0.05}$ (Maurer 2004), where $\hat e$ is the training error of the drawn
# networks, and $\mathrm{kl}$ the same divergence of coins of chances $\hat e$ and $b$. Below,
# linear classifiers tell 2,000 printed threes from eights. **Guess: what error rate, in percent,
# does the bound allow at $p=0$?**

# %% guess=true
my_bound = 60  # percent of errors that the bound allows at p = 0

# %% figure=true
# Training error, test error and bound of drawn classifiers, against p: takes some 20 seconds.
guess = expect.guess(my_bound)
n, chances = 2000, (0.0, 0.5, 0.8)
X_new, y_new = frontier.twins(3000, seed=100)
rows = []
for seed in range(5):
    X, y = frontier.twins(n, seed)
    for p in chances:
        theta = frontier.fitted(X, y, p, seed=seed)
        masks = (torch.rand(200, X.shape[1]) >= p).float()
        seen, new = (float(frontier.gibbs(theta, masks, *of)) for of in ((X, y), (X_new, y_new)))
        price = float(frontier.divergence(theta, p))
        rows.append((100 * seen, 100 * new, 100 * frontier.bound(seen, price, n), price))
seen, new, limit, price = np.array(rows).reshape(5, len(chances), 4).transpose(2, 0, 1)
fig, (ax,) = plot.figure(1, width=6.5, height=3)
for runs, name, color in ((limit, "bound", plot.ORANGE), (new, "new images", plot.BLUE),
                          (seen, "training images", plot.GREY)):
    ax.errorbar(chances, runs.mean(0), plot.standard_error(runs), color=color, marker="o",
                capsize=3, label=name)
ax.plot(0, guess, "X", color=plot.INK, markersize=9, label="your guess")
ax.set(xlabel="drop probability p of a weight", ylabel="error rate, % (5 ± s.e.)", ylim=(0, None))
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
cheaper = plot.difference(limit[:, 1], limit[:, 0])
loose = (limit[:, 0] / new[:, 0]).mean()
ax.set_title(f"Bound / test error at p = 0: {loose:.1f};\n"
             f"bound at p = 0.5 − at p = 0: {cheaper:.1f} points")
plot.show(fig, f"Errors and bound against p. At p = 0 the bound is {loose:.1f} times the error on "
               f"new images. At p = 0.5 it is {cheaper:.1f} points above that at p = 0, though the "
               f"price falls from {price[:, 0].mean():.0f} to {price[:, 1].mean():.0f} nats.",
          claims={"bound-holds": bool((new < limit).all()),
                  "bound-is-not-empty": bool(limit[:, 0].max() < 50),
                  "bound-is-loose": bool(loose > 1.5),
                  "dropout-loosens-it": cheaper.sign > 0,
                  "price-falls": bool((price[:, 1] < price[:, 0]).all())})

# %% [markdown]
# The bound holds and says something: it lies far below 50 %. But it lies well above the error on
# new images, and there is no gain of dropout here to explain: dropped weights raise the error on
# training and new images alike, and the bound with it, though the price falls.{{claim:price-falls}}
# Dziugaite and Roy (2017) computed bounds that say something for networks with far more weights
# than training images. For such networks no bound that knows only the training set and the weights
# can be tight whatever the data and the algorithm (Gastpar et al. 2024).
#
# ## Populations that learn their own p
#
# A coin has no gradient with respect to its $p$; {{learned_rates}} softened it. Evolution needs no
# gradient. In *population-based training* (Jaderberg et al. 2017) six networks train side by side,
# each with a $p$ of its own. After every 50 steps the worst on validation data becomes a copy of
# the best, with $p$ moved a little. The control costs as much: six networks with the same $p$ at
# the start, none ever replaced, the best of them on validation data taken at the end. Five
# populations each:

# %% figure=true
# The mean p of five populations, and their error beside a plain choice's: takes some 10 seconds.
X, y = variants.images(1000, seed=0)
validation, (X_test, y_test) = variants.images(1000, seed=1), variants.images(2000, seed=2)
torch.manual_seed(0)  # both begin with the same drop probabilities
history, found = frontier.populations((X, y), validation)
torch.manual_seed(0)
_, control = frontier.populations((X, y), validation, every=10**9)
own, plain = (100 * nets.error(X_test, y_test).numpy() for nets in (found, control))
fig, (left, right) = plot.figure(2, width=9, height=3)
course = history.mean((1, 2))
left.plot(50 * np.arange(len(history)), history.mean(2), color=plot.SKY, linewidth=1)
left.plot(50 * np.arange(len(history)), course, color=plot.BLUE, linewidth=3)
left.set(xlabel="step", ylabel="p, mean of a population", ylim=(0, 0.45),
         title=f"p: {course[0]:.2f} at first, {course[-1]:.2f} at the end")
gap = plot.difference(own, plain)
late = plot.difference(history[-1].mean(1), history[-3].mean(1))
plot.bars([own.mean(), plain.mean()], ["population", "best of six"], right,
          spread=[plot.standard_error(own), plot.standard_error(plain)],
          colors=[plot.BLUE, plot.GREY])
right.set(xlabel="error rate on new images, % (5 ± s.e.)",
          title=f"Population − best of six: {gap:.1f} points")
plot.show(fig, f"Left, the mean p of five populations: {course[0]:.2f} at first, "
               f"{course[-1]:.2f} at the end, {late:.3f} more than two looks before. Right, their "
               f"error minus that of the best of six fixed networks: {gap:.1f} points.",
          claims={"populations-lower-p": bool(course[-1] < 0.6 * course[0]),
                  "hardly-any-comes-back": bool(late.mean < 0.1 * course[0]),
                  "no-clear-gain-of-a-population": gap.sign >= 0})

# %% [markdown]
# The populations lower $p$, most of all while little has been learned. Over a choice among six they
# show no clear gain; with five populations, the title's error bar says how large a gain could hide.
# Our first edition saw some noise come back at the end, and called it "a curriculum that nobody
# asked for", with no control of equal cost. Here hardly any comes
# back.{{claim:hardly-any-comes-back}}
#
# ## Spikes
#
# A spiking neuron sums what comes in, and sends a spike of fixed size each time a threshold is
# crossed, so its answer is a *number of spikes*. What is dropped, single spikes or the neuron for
# the whole input? Lee et al. (2020, Algorithm 1) keep one mask for all time steps of an input, as
# {{sequences}} does. Sun, Yin and Bohté (2023) exploit the time steps to make Monte-Carlo
# dropout cheap. Below, spikes or neurons are dropped at $p=0.5$, with 8 time steps.

# %% figure=true
# The noise in a spike count when spikes or neurons are dropped, and the errors.
fig, (left, right) = plot.figure(2, width=9, height=3)
runs, noise = {}, {}
for name, p, held, color in (("none", 0.0, True, plot.INK), ("single spikes", 0.5, False, plot.SKY),
                             ("whole neurons", 0.5, True, plot.BLUE)):
    nets = frontier.Spiking(p, held).train(X, y)
    with torch.no_grad():
        logits = nets(X_test.expand(5, -1, -1))
        runs[name] = 100 * (logits.argmax(-1) != y_test).float().mean(-1).numpy()
        if p:
            some = X_test[:200].expand(5, -1, -1)
            counts = nets.counts(some)
            spread = torch.stack([nets.counts(some, training=True) for _ in range(20)]).var(0)
            noise[name] = [float((spread[counts == k] / k**2).mean()) for k in range(1, 8)]
            left.plot(range(1, 8), noise[name], "o", color=color, label=name)
loud = {name: own[-1] / own[0] for name, own in noise.items()}
k = np.arange(1, 8)
left.plot(k, 1 / k, ":", color=plot.GREY, label="p / (1 - p) / k")
left.plot(k, 0 * k + 1, "--", color=plot.GREY, label="p / (1 - p)")
left.set(xlabel="spikes k of a neuron in 8 steps", ylabel="relative variance of its count",
         ylim=(0, 1.6), title="Noise at 7 spikes / at 1:\n" + ", ".join(
             f"{name.split()[1]} {ratio:.2f}" for name, ratio in loud.items()))
left.legend(fontsize=8, ncols=2)
plot.bars([r.mean() for r in runs.values()], list(runs), right, colors=plot.BLUE,
          spread=[plot.standard_error(r) for r in runs.values()])
more = {name: plot.difference(runs[name], runs["none"]) for name in noise}
gaps = ", ".join(f"{name.split()[1]} {gap:.1f}" for name, gap in more.items())
right.set(xlabel="error rate on new images, % (5 ± s.e.)", title=f"Points more than none:\n{gaps}")
plot.show(fig, "Left, noise in a neuron's spike count when spikes or neurons are dropped. Right, "
               f"the error rates of spiking networks; points more than without dropout: {gaps}.",
          claims={"spikes-average-out": loud["single spikes"] < 0.25,
                  "neurons-do-not": loud["whole neurons"] > 0.75,
                  "both-raise-the-error": all(gap.sign > 0 for gap in more.values())})

# %% [markdown]
# A neuron that fires $k$ spikes averages over $k$ coins, so its count has relative variance
# $p/(1-p)/k$. Dropped as a whole it has $p/(1-p)$. So "$p=0.5$" alone does not say how noisy a
# spiking network is. In the 500 steps of this measurement both raised the error. It was one $p$
# and a short training, so it does not say that they cannot help.
#
# ## Quantum circuits
#
# In a quantum neural network the parameters are angles of gates, and dropout leaves gates out of a
# step of training (Scala et al. 2023). These circuits are simulated: three qubits, 24 gates, ten
# noisy points of a curve, 300 steps. And is there a weight scaling, with all angles times $1-p$?

# %% figure=true
# Test errors of simulated circuits: with gates left out, and with scaled angles.
whole, scaled = (part.numpy() for part in frontier.circuits((0.0, 0.1, 0.3)))
fig, (left, right) = plot.figure(2, width=9, height=2.8)
found = {}
for ax, runs, what in ((left, whole - whole[0], "dropout − none"),
                       (right, scaled - whole, "scaled angles − whole angles")):
    gaps = found[what] = [plot.difference(run) for run in runs[1:]]
    ax.axvline(0, color=plot.GREY, linewidth=1)
    ax.scatter(runs[1:], np.arange(2)[:, None] + 0 * runs[1:], s=10, color=plot.GREY, alpha=0.4)
    ax.errorbar([g.mean for g in gaps], range(2), xerr=[2 * g.error for g in gaps], fmt="o",
                color=plot.BLUE, capsize=4)
    ax.set(yticks=range(2), yticklabels=["p = 0.1", "p = 0.3"], ylim=(1.5, -0.5),
           title=f"{what}:\n" + ", ".join(f"{g:.3f}" for g in gaps))
left.set_xlabel(f"change of squared test error (it is {whole[0].mean():.2f})")
right.set_xlabel("change of squared test error (100 circuits)")
told = "; ".join(f"{what}: {', '.join(f'{g:.2g}' for g in gaps)}" for what, gaps in found.items())
plot.show(fig, "Paired differences of the test error of simulated circuits, with and without "
               f"dropped gates, and with and without scaled angles, at p = 0.1 and 0.3. {told}.",
          claims={"scaling-angles-harms": all(gap.sign > 0 for gap in gaps),
                  "dropped-gates-help-little":
                      all(gap.mean - 2 * gap.error > -0.1 * whole[0].mean()
                          for gap in found["dropout − none"])})

# %% [markdown]
# Scala et al. and, where entangling gates alone are dropped, Kobayashi et al. (2022) report less
# overfitting. In a hundred of these small circuits the help, if any, is less than a tenth of the
# error. They do show that weight scaling fails. A circuit's output is made of sines and cosines of
# the angles, so it is far from linear in them, and the circuit with scaled angles is no average of
# circuits.
#
# ## Adversaries
#
# In a generative adversarial network (Goodfellow et al. 2014) a *discriminator* learns to tell data
# from what a *generator* makes, and the generator learns to please it. A generator often
# *collapses* onto a few kinds of samples. Dropout in the discriminator is one remedy, and
# Mordido, Yang and Meinel (2018) drop whole discriminators out of several. A small test: points on
# a ring of eight modes, eight pairs of networks for each $p$ in the discriminator.

# %% figure=true
# Points from generators, for three drop probabilities in training: takes some 10 seconds.
chances = (0.0, 0.1, 0.5)
points = frontier.generators(chances)
real = frontier.ring(1000)
covered, good = ([part.float().numpy() for part in parts]
                 for parts in zip(*map(frontier.modes, points), strict=True))
fewer = [plot.difference(modes, covered[0]) for modes in covered[1:]]
names = ["data: eight modes", "p = 0"]
names += [f"p = {p} less p = 0:\n{gap:.1f} modes"
          for p, gap in zip(chances[1:], fewer, strict=True)]
fig, axes = plot.figure(4, width=9.5, height=3.1)
for ax, cloud, name in zip(axes, (real, *points[:, 0]), names, strict=True):
    ax.scatter(*cloud.T, s=2, color=plot.GREY if cloud is real else plot.BLUE)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], title=name)
for ax, modes, near in zip(axes[1:], covered, good, strict=True):
    ax.set_xlabel(f"{modes.mean():.1f} ± {plot.standard_error(modes):.1f} modes\n"
                  f"{100 * near.mean():.0f} ± {100 * plot.standard_error(near):.0f} % near one")
plot.show(fig, "Points from generators trained against discriminators with p = 0, 0.1 and 0.5. "
               f"Modes more than at p = 0: {fewer[0]:.1f} and {fewer[1]:.1f}.",
          claims={"much-dropout-loses-modes": fewer[1].sign < 0,
                  "little-dropout-shows-no-difference": fewer[0].sign == 0})

# %% [markdown]
# At $p=0.5$ the generators find hardly a mode. They have not collapsed: their points lie all over
# the square, as if a discriminator that noisy could not tell them where the modes are. At $p=0.1$
# the eight pairs show no clear difference in modes; few were missed at $p=0$. The training is
# short, and eight points on a circle are no images.
#
# ## What we found
#
# - Copies keep a share $1-p^k$ of a bit. Codes learned under dropout are copies
#   too.{{claim:learned-codes-copy}} Parities would keep more.{{claim:parities-keep-more}}
# - A PAC-Bayes bound with dropout holds on new images.{{claim:bound-holds}} At $p=0$ it is below
#   50 %{{claim:bound-is-not-empty}} and well above the error.{{claim:bound-is-loose}} Dropout makes
#   it larger here.{{claim:dropout-loosens-it}}
# - Populations lower their $p$ as they train.{{claim:populations-lower-p}} Over the
#   best of six they show no clear gain.{{claim:no-clear-gain-of-a-population}}
# - Dropped spikes average out over a neuron's spikes.{{claim:spikes-average-out}} Dropped neurons
#   do not.{{claim:neurons-do-not}} In 500 steps both raised the
#   error.{{claim:both-raise-the-error}}
# - Scaling the angles of a quantum circuit by $1-p$ makes it worse.{{claim:scaling-angles-harms}}
#   Dropped gates help, if at all, by less than a tenth of the
#   error.{{claim:dropped-gates-help-little}}
# - Much dropout in a discriminator keeps the generator from finding
#   modes.{{claim:much-dropout-loses-modes}} With little of it, eight pairs that had not collapsed
#   show no clear difference.{{claim:little-dropout-shows-no-difference}}
#
# **Read.** Elias, *Coding for two noisy channels*, 1955. McAllester, *A PAC-Bayesian tutorial with
# a dropout bound*, 2013 (arXiv:1307.2118). Maurer, *A note on the PAC Bayesian theorem*, 2004
# (arXiv:cs/0411099). Dziugaite and Roy, *Computing nonvacuous generalization bounds for deep
# (stochastic) neural networks with many more parameters than training data*, UAI 2017
# (arXiv:1703.11008). Gastpar et al., *Fantastic generalization measures are nowhere to be found*,
# ICLR 2024 (arXiv:2309.13658). Jaderberg et al., *Population based training of neural networks*,
# 2017 (arXiv:1711.09846). Lee et al., *Enabling spike-based backpropagation for training deep
# neural network architectures*, Frontiers in Neuroscience 14:119 (2020). Sun, Yin and Bohté,
# *Efficient uncertainty estimation in spiking neural networks via MC-dropout*, 2023
# (arXiv:2304.10191). Scala et al., *A general approach to dropout in quantum neural networks*, 2023
# (arXiv:2310.04120). Kobayashi et al., *Overfitting in quantum machine learning and entangling
# dropout*, 2022 (arXiv:2205.11446). Goodfellow et al., *Generative adversarial nets*, NIPS 2014.
# Mordido, Yang and Meinel, *Dropout-GAN*, 2018 (arXiv:1807.11346).
#
# **Stretch.** Give the encoder a hidden layer, so that it can make parities. Does training find
# them?
#
# **Still open.** All six.
