# %% [markdown]
# # 0 · Start here
#
# **What is dropout good for?**
#
# *{{minutes}} minutes. Before: a little Python and NumPy, and what a neural network is. After, you
# will have seen what dropout does for a network that learns its examples by heart, and you will
# know how to work in these notebooks, how to read what a check says, and how to hand in.*
#
# In this course you build dropout, from a coin flip for each unit to GPU programs that never
# store a mask. Before you build it, see what it does.
#
# Press **Shift + Enter** to run a cell, and go from top to bottom. Begin with the cell below, which
# imports what the lesson needs.

# %% setup=true
import numpy as np

from dropoutlab import data, expect, explore, machine, plot, train

# %% [markdown]
# ## Two hundred digits, carelessly labelled
#
# A network has to learn to read digits from 200 scanned images. Suppose that whoever labelled them
# was careless: the next cell gives about one image in five a wrong label, shown here in orange.

# %%
images, labels, test_images, test_labels = data.digits()
rng = np.random.default_rng(0)
careless, other = rng.random(len(labels)), (labels + rng.integers(1, 10, len(labels))) % 10
given = np.where(careless < 0.2, other, labels)

fig, axes = plot.figure(12, height=1.1)
for image, label, right, ax in zip(images, given, labels, axes, strict=False):
    plot.image(image, ax, largest=1)
    ax.set_title(label, loc="center", color=plot.INK if label == right else plot.ORANGE)
plot.show(fig, "A handwritten digit in each of twelve small pictures, with its label above it: "
               f"{', '.join(map(str, given[:12]))}. Wrong labels are orange.")

# %% [markdown]
# The network has 128 hidden units, and so nearly ten thousand weights for 200 images: room enough
# to learn every label by heart, the wrong ones too. The next cell trains it with ten rates of
# dropout and three shares of wrong labels, five times each on a different 200 images, so that you
# don't depend on the luck of one network. All are trained with one learning rate, in the same
# number of steps. It takes about ten seconds and prints nothing; the next section shows the result.
# Click to unfold its code.

# %% figure=true
# 150 networks learn: ten rates of dropout, three shares of wrong labels, five sets of images.
rates, shares = np.arange(10) / 10, np.array([0, 20, 40])
share, p, seed = (a.ravel() for a in np.meshgrid(shares, rates, range(5), indexing="ij"))
given = np.where(careless < share[:, None] / 100, other, labels)
runs = train.many(
    images.reshape(-1, 64), given, [128], seeds=seed, p=p, rows=200, rate=0.04, batch=25, steps=400,
    watch={"train": None, "test": (test_images.reshape(-1, 64), test_labels)},
)
errors = {name: 100 * runs.error[name][:, -1].reshape(3, 10, 5) for name in ("train", "test")}

# %% [markdown]
# ## How well does it read?
#
# Take the network without dropout, with one label in five wrong. It is tested twice: on its own 200
# images, with their labels as they are, and on 510 new digits, all labelled correctly.
#
# **Commit yourself to a guess: what percentage of the new digits does it misread?** Write a number
# in place of the dots, run the cell, and then run the one below. Nobody grades your guesses.

# %% guess=true
my_guess = 5  # % of the new digits that the network misreads

# %% figure=true
# The error on the network's own images and on new digits, without dropout.
guess = expect.guess(my_guess)
own, new = errors["train"][1, 0], errors["test"][1, 0]
fig, (ax,) = plot.figure(1, height=2, width=7)
plot.bars([own.mean(), new.mean()], ["own images", "new digits"], ax,
          spread=[plot.standard_error(own), plot.standard_error(new)],
          colors=[plot.ORANGE, plot.BLUE])
ax.plot(guess, 1.55, "^", color=plot.INK, markersize=9, label="your guess")  # below the number
ax.set(xlabel="error, % (mean of 5 networks ± standard error)", ylim=(1.75, -0.5))
ax.set(xlim=(0, 1.25 * max(guess, *own, *new)))
ax.legend(loc="upper right")
gap = plot.difference(new, own)
told = (f"It misreads {new.mean():.1f} % of the new digits (you said {guess:g} %);\n"
        f"new minus own: {gap:.1f} points")
ax.set_title(told)
plot.show(fig, f"Two bars: {own.mean():.1f} % error on its own images, {new.mean():.1f} % on new "
               f"digits. New minus own: {gap:.1f} points.")

# %% [markdown]
# The second error minus the first is the **gap**, and a network with a wide one is said to
# **overfit**: much of what it learned is true of its own images only. (The number after ± is a
# *standard error*: how far the mean of five runs is likely to be off. Where it is the scatter of
# single runs, a figure says "sd".)
#
# ## Close the gap
#
# With dropout, each hidden unit is switched off with probability $p$ during training, and a coin
# is flipped anew for each unit and each image. After training, all units are used.
#
# Draw a digit on the sheet, with mouse or finger, or with the arrow keys and the space bar. One
# network says what it reads. So do 25 *thinned* ones: the same network with units switched off,
# each by coin flips of its own. (It learned from other people's handwriting, so it may misread
# yours.)
#
# Below on the right are the images whose label is wrong (at 20 %), each with what the network
# reads: in orange the wrong label, in blue the true digit, which nobody told it, in grey neither.
#
# **Try**: draw a digit, then drag the slider for $p$, or click it and press the arrow keys. Does
# the network read your digit correctly? What happens to each of the two errors, and to the wrong
# labels? Is the $p$ whose gap is nearest to zero also the one with the fewest misread new digits?
# (The gap can fall below zero, because on its own images, reading a wrongly labelled one
# *correctly* counts as an error.)
# Then set the wrong labels to zero: how much does dropout help now?

# %%
explore.closing_gap(rates, shares, errors, runs, given)

# %% [markdown]
# Compare what you saw with this account: dropout does not help a network to learn its own images,
# but makes it harder to learn them by heart. Whether that lowers the error on new digits depends
# on $p$ and on how many labels are wrong. One caution: if you pick the best $p$ by its error on
# the new digits, that error looks better than it is. How to choose fairly, and what else closes
# the gap, is the subject of {{overfitting}}. First you will build dropout, starting with a coin.
#
# ## Exercise: `scale`
#
# The rest of this notebook is about how to work. Cells with a coloured edge, like the next, are
# yours to write. Replace the line that raises `NotImplementedError`, run the cell, and then run the
# checks below it.
#
# **First give a wrong answer on purpose**: `return x + factor`. Read what the check says. Then mend
# it.

# %% exercise="scale"
def scale(x, factor):
    """Multiply every entry of `x` by `factor`: y_i = factor · x_i.

    x : array of any shape, left as it is; factor : a number
    Returns a new array of x's shape.
    """
    ### BEGIN SOLUTION
    return factor * x
    ### END SOLUTION

# %% [markdown] hint="scale"
# Hints are folded under each exercise, three of them, each giving a little more away. NumPy acts on
# all entries at once: `x + 1` adds one to every entry.

# %% [markdown] hint="scale"
# An answer must be *returned*. Printing it is not enough.

# %% [markdown] hint="scale"
# `x *= 2` changes the array that was handed in, which its owner doesn't expect. The product of a
# number and an array is a new array.

# %% check="scale" points=1
# Every entry is multiplied.
x = np.array([1.0, 2.0, -4.0])
with expect.case("scale([1, 2, -4], 3)"):
    expect.close(
        scale(x.copy(), 3),
        np.array([3.0, 6.0, -12.0]),
        hint="the check wants 3 times each entry.",
        suspects=[
            (x + 3, "factor is added. Multiply by it."),
            (x / 3, "x is divided by factor. Multiply by it."),
            (x, "x came back as it was: factor is not used."),
            (x**3, "x is raised to the power factor. Multiply by it."),
        ],
    )
with expect.case("scale(x, factor) on eight random numbers, with a random factor"):
    x, factor = expect.rng().normal(size=8), 2 + expect.rng().random()
    expect.close(scale(x.copy(), factor), factor * x, hint="multiply each entry by factor.")

# %% check="scale" points=1
# The array that was handed in is left alone.
x = np.array([[1.0, 2.0], [3.0, 4.0]])
before = x.copy()
with expect.case("scale(x, 2), and x afterwards"):
    out = scale(x, 2)
    expect.array(out, (2, 2), hint="an array of x's shape must come back.")
    expect.unchanged(x, before)
    expect.some(np.any(out) and out != before, "an entry that is multiplied",
                hint="nothing is multiplied yet: see the check above.")
with expect.case("scale(x, 1)"):
    expect.copied(scale, x, 1)

# %% mistakes="scale"
{
    "factor is added": ("factor * x", "x + factor"),
    "divided by factor": ("factor * x", "x / factor"),
    "factor is not used": ("factor * x", "x"),
    "power": ("factor * x", "x**factor"),
    "returns nothing": ("return factor * x", "print(factor * x)"),
    "writes into its input": ("return factor * x", "x *= factor\n    return x"),
    "returns its input itself": ("factor * x", "x if factor == 1 else factor * x"),
    "`faktor` has no value there": ("factor * x", "faktor * x"),
}

# %% correct="scale"
def scale(x, factor):
    y = np.empty_like(x)
    for i in np.ndindex(x.shape):
        y[i] = x[i] * factor
    return y

# %% [markdown]
# A failed check always has the same four lines: the **case** that was tried, what was **expected**,
# what was **found**, and a **hint**. If the hint doesn't help and the case shows its numbers, copy
# the call into a new cell and look at what comes back. A wrong answer costs nothing: you can try as
# often as you like.
#
# After you have changed an answer, run its cell again, and then the cells that use it. In other
# lessons these include the explorers, the figures with sliders: they use the functions you wrote.
#
# ## What this machine has
#
# Every lesson runs on the CPU, offline. Some use a GPU if there is one.

# %%
machine.show()
print(f"digits   {len(images)} to train on, {len(test_images)} to test on, both in the course")

# %% [markdown]
# ## A question
#
# Some lessons ask graded questions. Put one of the strings in place of the `...`.

# %% question="message" points=1
# A check fails. The line that says what to do about it begins with …
#
# - [ ] expected
# - [ ] found
# - [x] hint
#
# Hint: run the check of a wrong answer once more.

# %% [markdown]
# ## In your own words
#
# Some answers are prose, and a person reads them. What happened to one of the two errors as you
# raised $p$? And what about dropout would you like to understand? Two or three sentences are
# enough. (Double-click the cell to write.)

# %% [markdown] answer="expectations" points=1
# ### BEGIN SOLUTION
# *Marking guide.* One point for any answer that says what happened to one of the two errors as p
# rose, and names one thing to understand. Compare it again after {{coadaptation}}.
# ### END SOLUTION

# %% [markdown]
# ## Hand in, and see your score
#
# - **Validate**, in the toolbar above, runs the whole notebook afresh and says which checks fail.
#   Do this before you hand in, since cells that ran in another order can mislead you.
# - **On your own**: save the notebook, open a terminal here (*File → New → Terminal*), and run
#   `grade 00`. (In a terminal of your own, go to the course's folder and run `python3 grader grade
#   00`.) You get the verdict of every check, hidden ones included, and a page to open in the
#   browser.
# - **In a class**: hand in as your instructor says. On a machine that the class shares, *Nbgrader →
#   Assignment List* in the menu fetches and submits, and brings the feedback back; `python3 grader
#   submit 00`, in the course's folder, submits. Elsewhere, upload the notebook.
#
# You cannot break a lesson: checks are locked, and grading restores them.
#
# **Next.** {{bernoulli_masks}} flips one coin for each unit.
