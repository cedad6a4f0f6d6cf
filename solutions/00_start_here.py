# %% [markdown]
# # 00 · Start here

# %% setup=true
import numpy as np

from dropoutlab import expect


# %% exercise="scale"
def scale(x, factor):
    """Return `factor` times `x`, a new array."""
    ### BEGIN SOLUTION
    return factor * np.asarray(x, dtype=float)
    ### END SOLUTION

# %% check="scale" points=1
with expect.case("scale([1, 2, 3], 2)"):
    expect.close(scale(np.array([1, 2, 3]), 2), np.array([2, 4, 6]), hint="no")

# %% mistake="scale" says="no"
def scale(x, factor):
    return x
