"""`python3 grader new 38_topic`: a small lesson that passes every check, to be written over."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from grader.authoring.lesson import FORMER, lesson_files, number
from grader.errors import CourseError

TAKEN = {"np", "check_probability", "expect", "explore", "plot"}
"""Names that the skeleton imports, which its exercise must not have."""


def new(name: str, folder: Path) -> Path:
    """Write the skeleton of a lesson into a folder, or say why it cannot have this name."""
    match = re.fullmatch(r"(\d\d)_([a-z][a-z0-9_]{0,29})", name, re.ASCII)
    if match is None:
        example = "two digits and a topic of up to 30 small letters, such as 38_dropconnect"
        raise CourseError(f"`{name}` is no name of a lesson: write {example}.")
    digits, topic = match.groups()
    if topic in TAKEN or keyword.iskeyword(topic):
        raise CourseError(f"`{topic}` means something else in a lesson: choose another topic.")
    if name in FORMER:
        raise CourseError(f"{name} is what {FORMER[name]} was called before: choose another name.")
    others = [path.stem for path in lesson_files(folder)]
    for other in others:
        if other[:2] == digits:
            raise CourseError(f"{digits} is taken by {other}: choose another number.")
        if other[3:] == topic:
            raise CourseError(f"`{topic}` is the topic of {other}: choose another.")
    before = [other[3:] for other in others if other < name]
    text = TEMPLATE
    for word, written in {
        "NUMBER": number(name),
        "TITLE": topic.replace("_", " ").capitalize(),
        "BEFORE": f"{{{{{before[-1]}}}}}" if before else "nothing",
        "TOPIC-": topic.replace("_", "-") + "-",
        "TOPIC": topic,
    }.items():
        text = text.replace(word, written)
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


TEMPLATE = '''\
# %% [markdown]
# # NUMBER · TITLE
#
# **How many units does a layer drop?**
#
# *{{minutes}} minutes. Before: BEFORE.
# After, you will be able to write a dropout layer, and to say how much the number of dropped units
# varies.*

# %% setup=true
import numpy as np

from dropoutlab import check_probability, expect, explore, plot

# %% [markdown]
# ## A question from before
#
# Ask for one thing from an earlier lesson that this one needs.

# %% question="before_TOPIC" points=1
# Each unit is dropped with probability p = 0.2. What is the probability that it stays?
#
# - [ ] 0.2
# - [ ] 0.5
# - [x] 0.8
#
# Hint: a unit stays, or it is dropped.

# %% [markdown]
# ## What do you expect?
#
# A layer has 100 units and drops each with probability 0.2. In what percentage of all calls does it
# drop exactly 20 of them?

# %% guess=true
my_guess = 50  # percent of the calls

# %% figure=true
# How many of 100 units are dropped, in 10 000 calls.
dropped = np.random.default_rng().binomial(100, 0.2, 10_000)
share = 100 * np.mean(dropped == 20)
fig, (ax,) = plot.figure(1, height=2.4)
ax.hist(dropped, bins=np.arange(2.5, 40), weights=np.full(10_000, 0.01), color=plot.BLUE)
ax.axhline(expect.guess(my_guess), color=plot.GREY, linestyle="--")
ax.set(xlabel="units dropped", ylabel="percent of the calls",
       title=f"Exactly 20 in {share:.1f}% of the calls; you said {my_guess:g}%")
plot.show(fig, f"A bell around 20; exactly 20 units are dropped in {share:.1f}% of the calls.",
          claims={"TOPIC-count-varies": share < 20})

# %% [markdown]
# ## Exercise: `TOPIC`
#
# Say in a sentence or two what the learner writes, and show the formula:
#
# $$ y = \\frac{m \\odot x}{1-p}, \\qquad m_i \\sim \\operatorname{Bernoulli}(1-p). $$

# %% exercise="TOPIC"
def TOPIC(x, p, rng):
    """Zero each entry of `x` with probability `p`, and scale the rest by 1 / (1 - p).

    x : float array of any shape, left as it is
    p : probability of dropping, below 1
    rng : np.random.Generator, the only source of randomness
    Returns a new array of x's shape and dtype.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    keep = rng.random(x.shape) >= p
    return x * keep / (1 - p)
    ### END SOLUTION

# %% [markdown] hint="TOPIC"
# Which entries stay? Draw one number for each.

# %% [markdown] hint="TOPIC"
# `rng.random(shape)` is below `p` with probability `p`. Compare the two.

# %% [markdown] hint="TOPIC"
# True counts as 1 and False as 0, so an array can be multiplied by a comparison.

# %% check="TOPIC" points=2
# Every entry has a coin of its own: fresh at each call, and from rng alone.
with expect.case("TOPIC(x, p, rng) on 20 × 60 ones, 24 times for each of four p"):
    expect.coins(lambda p, rng: TOPIC(np.ones((20, 60)), p, rng),
                 scale=lambda p: 1 / (1 - p))

# %% check="TOPIC" points=2
# Each entry is 0 or x / (1 - p).
x = expect.rng().normal(size=(200, 100))
with expect.case("TOPIC(x, p=0.2, rng) on 20 000 normal numbers"):
    out = TOPIC(x.copy(), 0.2, expect.rng())
    expect.only(out / x, (0, 1.25), hint="a survivor must be x / (1 - p).")

# %% check="TOPIC" points=1
# The input stays as it was, and the output has its dtype.
x = expect.rng().normal(size=40)
before = x.copy()
with expect.case("TOPIC(x, p=0.5, rng) on 40 normal numbers"):
    TOPIC(x, 0.5, expect.rng())
    expect.unchanged(x, before)
with expect.case("TOPIC(x, p=0.5, rng) on 8 ones in float32"):
    out = TOPIC(np.ones(8, np.float32), 0.5, expect.rng())
    expect.array(out, 8, np.float32, hint="the result has another dtype than x.")

# %% mistakes="TOPIC"
{
    "every row has the same mask": ("x.shape)", "x.shape[-1:])"),
    "every column has the same mask": ("x.shape)", "x.shape[:1] + (1,) * (x.ndim - 1))"),
    "a seed is set inside": ("rng.random", "np.random.default_rng(0).random"),
    "do not come from the given generator": ("rng.random", "np.random.default_rng().random"),
    "not scaled": (" / (1 - p)", ""),
    "p is swapped": (">= p", "< p"),
    "a survivor must be x / (1 - p)": ("x * keep", "1.0 * keep"),
    "writes into its input": ("return x * keep", "x *= keep\\n    return x"),
    "another dtype": ("x * keep", "x.astype(float) * keep"),
}

# %% correct="TOPIC"
def TOPIC(x, p, rng):
    return np.where(rng.binomial(1, p, x.shape) == 1, 0, x / (1 - p)).astype(x.dtype)

# %% [markdown]
# ## Explore
#
# Say what to try and what to look for. An explorer of your own is two files in
# `lessons/dropoutlab/explore`: `NAME.py`, which fills a table, and `NAME.js`, which draws it; a
# short one to learn from is the one below. Its call is a cell of its own and names a function of an
# exercise: where the arguments differ, in a lambda.

# %%
explore.scaling(TOPIC)

# %% [markdown]
# ## In your own words
#
# Why is the number of dropped units not the same in each call? (In a class, your instructor grades
# this.)

# %% [markdown] answer="in_your_words" points=1
# ### BEGIN SOLUTION
# *Marking guide.* One point: each unit has its own coin, so the number of dropped units is random:
# binomial, with mean np.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Of $n$ units, about $np$ are dropped, give or take $\\sqrt{np(1-p)}$: of 100, exactly 20 in few
#   calls. {{claim:TOPIC-count-varies}}
#
# **Read.** Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, *Dropout: a simple way to
# prevent neural networks from overfitting*, JMLR 15 (2014), §4.
#
# **Still open.** Name one question that this lesson does not answer.
'''
