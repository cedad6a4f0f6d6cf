# %% [markdown]
# # 0 · Start here
#
# **What happens when an answer is wrong?**
#
# *15 minutes. Before: a little Python and NumPy. After, you will know how to work in these
# notebooks, how to read what a check says, how to use an explorer, and how to hand in.*
#
# In this course you build dropout: from one coin flip per neuron to kernels on a GPU that never
# store a mask. You write each part yourself, and every part is checked at once. A check that
# fails says what was tried, what was expected, what was found, and a hint for the mistake it
# recognises. So a wrong answer is not a loss here; it is the quickest way to learn what the
# right one has to do. In this notebook you will give one on purpose.
#
# Cells are run with **Shift + Enter**. Run them from top to bottom; begin with this one, which
# brings in what the lesson needs.

# %% setup=true
import os
import platform

import numpy as np
import torch

from dropoutlab import data, expect, explore, plot

# %% [markdown]
# ## A first look
#
# Dropout removes parts of a network at random while it trains. What is left must still do the
# job. Here is the idea on something that you know how to do: reading a digit, with a fraction
# $p$ of its 64 pixels removed.

# %%
images, labels, test_images, test_labels = data.digits()
rng = np.random.default_rng()
fig, axes = plot.figure(5, height=2)
for ax, p in zip(axes, (0, 0.25, 0.5, 0.75, 0.9), strict=True):
    plot.image(images[7] * rng.binomial(1, 1 - p, (8, 8)), ax, largest=1)
    ax.set_title(f"p = {p:g}")
plot.show(fig, "A handwritten digit with none, a quarter, half, three quarters, nearly all gone.")

# %% [markdown]
# How much may go before a *machine* no longer reads it? Ours compares what is left with the
# average image of each digit and takes the most similar one.
#
# **Commit to a guess first**: at which $p$ does it begin to fail on more than half of the
# digits? Write a number in place of the dots and run the cell, then the one below. (Every lesson
# asks for guesses. Nobody grades them; a surprise is remembered, though.)

# %% guess=true
my_guess = 0.3  # the fraction of pixels removed at which half of the digits are misread

# %% figure=true
# How many digits are still read, against the fraction of pixels removed.
guess = expect.guess(my_guess)
rates = np.linspace(0, 0.98, 15)
pictures = np.array([images[labels == digit].mean(0).ravel() for digit in range(10)])
pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
read = np.zeros((5, len(rates)))
for draw in range(5):
    for i, p in enumerate(rates):
        left = test_images.reshape(-1, 64) * rng.binomial(1, 1 - p, (len(test_images), 64))
        read[draw, i] = np.mean((left @ pictures.T).argmax(1) == test_labels)

fig, (ax,) = plot.figure(1, width=6)
ax.errorbar(rates, 100 * read.mean(0), 100 * read.std(0), marker="o", markersize=4)
ax.axhline(50, color=plot.GREY, linewidth=0.8)
ax.axvline(guess, color=plot.ORANGE, linestyle="--")
ax.annotate(" your guess", (guess, 4), color=plot.ORANGE)
half = [np.interp(-0.5, -curve, rates) for curve in read]  # where each curve crosses one half
told = f"{100 * np.mean(half):.0f} ± {100 * np.std(half, ddof=1):.0f} %"
ax.set(xlabel="fraction p of the pixels removed", ylabel="digits read, %", ylim=(0, 100))
ax.set_title(f"Half of the digits are still read with {told} of the pixels gone")
plot.show(fig, "Digits read against the fraction removed, mean and spread of 5 draws; half are "
               f"read up to {told}.")

# %% [markdown]
# An image says everything many times over, and what is said many times survives. Whether a
# *network* can be made to say things many times over is what this course is about.
#
# ## Exercise: `scale`
#
# Grey cells like the next are yours to write. Replace the line that raises
# `NotImplementedError`, run the cell, and then run the check below it.
#
# **First give a wrong answer on purpose**: `return x + factor`. Read what the check says. Then
# mend it.

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
# Hints are folded under each exercise, three of them, each giving a little more away. NumPy
# acts on all entries at once: `x + 1` adds one to every entry.

# %% [markdown] hint="scale"
# An answer must be *returned*. Printing it is not enough.

# %% [markdown] hint="scale"
# `x *= 2` changes the array that was handed in, and whoever owns it will be surprised. The
# product of a number and an array, on a line of its own, is a new array.

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
    "in scale: `return faktor * x`": ("factor * x", "faktor * x"),
}

# %% correct="scale"
def scale(x, factor):
    y = np.empty_like(x)
    for i in np.ndindex(x.shape):
        y[i] = x[i] * factor
    return y

# %% [markdown]
# Four lines, always the same four: the **case** that was tried, what was **expected**, what was
# **found**, and a **hint**. If the hint does not help, the case is yours to try: copy the call
# into a new cell and look at what comes back.
#
# ## An explorer
#
# Explorers draw with *your* functions. Drag the slider, or click it and press the arrow keys.
#
# **Try**: which factor leaves the picture as it is? Which turns it upside down?

# %%
explore.scaled(scale)

# %% [markdown]
# If you change `scale` above, run its cell and then this one again: the explorer holds the
# function that it was given.
#
# ## What this machine has
#
# Every lesson runs on the CPU, offline. A GPU is used where there is one.

# %%
cuda = torch.cuda.is_available()
print(f"Python   {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}")
print(f"CPU      {os.cpu_count()} cores; torch uses {torch.get_num_threads()} threads")
print(f"GPU      {torch.cuda.get_device_name() if cuda else 'none, and none is needed'}")
print(f"digits   {len(images)} to train on, {len(test_images)} to test on: ships with the course")
print(f"MNIST    looked for in DROPOUT_DATA = {os.environ.get('DROPOUT_DATA', '(not set)')}")

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="message" points=1
# A check fails. The line that says what to do about it begins with …
#
# - [ ] expected
# - [ ] found
# - [x] hint
#
# Hint: run the check of a wrong answer once more.

# %% question="edit" points=1
# You edit a check cell so that it passes. Your score:
#
# - [ ] rises
# - [x] stays as it was
#
# Hint: grading puts every check back as it was released.

# %% question="rerun" points=1
# You changed an exercise cell. The explorer knows the new function …
#
# - [ ] at once
# - [x] after both cells are run again
#
# Hint: read the line below the explorer.

# %% [markdown]
# ## In your own words
#
# Some answers are prose, and a person reads them. Here: what have you heard about dropout, and
# what would you like to understand? Two sentences are enough. (Double-click the cell to write.)

# %% [markdown] answer="expectations" points=1
# ### BEGIN SOLUTION
# *Marking guide.* One point for any answer that names one thing heard and one wish. Come back to
# it after {{coadaptation}}.
# ### END SOLUTION

# %% [markdown]
# ## Hand in, and see your score
#
# - **Validate**, in the toolbar above, runs the whole notebook afresh and says which checks
#   fail. Do it before you hand in: cells that were run in another order can fool you.
# - **On your own**: save, and in a terminal run `python3 grader grade 00`. You get every check's
#   verdict, hidden ones too, and a report to open in the browser.
# - **In a class**: *Nbgrader → Assignment List* in the menu fetches and submits, or run
#   `python3 grader submit 00`. Your instructor returns the feedback the same way.
#
# Nothing that you do here breaks a lesson: check cells are locked, and grading puts them back.
#
# **Next.** {{bernoulli_masks}} flips one coin per neuron.
