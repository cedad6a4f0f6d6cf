"""The text of a small lesson without faults, to be spoilt by tests."""

from __future__ import annotations

from pathlib import Path

GOOD = '''\
# %% [markdown]
# # 9.8 · A lesson
#
# **Is it twice?**
#
# *{{minutes}} minutes.*

# %% setup=true
import numpy as np

from dropoutlab import expect

# %% exercise="double"
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x * 1.0 - 0 * x + 0.0
    ### END SOLUTION

# %% [markdown] hint="double"
# Once.

# %% [markdown] hint="double"
# And once more.

# %% [markdown] hint="double"
# Add them.

# %% check="double" points=1
# Of ones.
rows = [np.ones(2)]
with expect.case("double(1)"):
    expect.close(double(rows[0]), 2 * rows[0], hint="twice.")

# %% check="double" points=2 hidden=true
# A hidden check: of zero.
with expect.case("double(0)"):
    expect.close(double(0.0), 0.0, hint="twice nothing.")

# %% mistake="double" says="twice"
def double(x):
    return x

# %% mistakes="double"
{
    "twice.": ("x + x", "x"),
    "twice nothing.": ("+ 0.0", "+ 0.5"),
}

# %% correct="double"
def double(x):
    return 2 * x

# %%
plot.show(fig, "Twice.")

# %%
explore.scaling(double)

# %% question="sure" points=1
# Are you
# sure?
#
# - [ ] no
# - [x] yes
#
# Hint: yes.

# %% [markdown] answer="why" points=1
# ### BEGIN SOLUTION
# Because of this long marking guide.
# ### END SOLUTION
'''


def write(folder: Path, text: str) -> Path:
    path = folder / "98_lesson.py"
    path.write_text(text, encoding="utf-8")
    return path


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1
