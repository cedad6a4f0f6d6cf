# %% [markdown]
# # 1.5 · Training with dropout
#
# **What does dropout cost?**
#
# *75 minutes. Before: {{backward}}. After, you will be able to train a network with dropout in
# NumPy alone, to say what a dropped unit does while it is dropped, and to measure what dropout
# costs in steps and in seconds.*
#
# | symbol | meaning |
# | --- | --- |
# | $p$ | probability that a hidden unit is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0 |
# | $W_1, b_1, W_2, b_2$ | weights and biases of a network with one hidden layer |
# | $h$, $s$, $z$ | hidden layer, what it sends after dropout, logits |

# %% setup=true
from time import perf_counter

import numpy as np

from dropoutlab import data, expect, explore, oracle, plot, train

# %% [markdown]
# ## Three claims
#
# Read about dropout for an afternoon, and you will be told that it costs next to nothing, that it
# makes training converge faster, and that a network with dropout "typically takes 2-3 times longer
# to train than a standard neural network of the same architecture" (Srivastava et al. 2014,
# conclusion). They cannot all be true of the same thing. In this lesson you will write a whole
# network, find out what its weights do in a step, and put the three claims to the test.
#
# ### One question from {{backward}}
#
# A step of training sees one image, and a hidden unit is dropped. Which of its weights get a
# gradient? (Think of your answer, then unfold.)
#
# <details><summary>Answer</summary>
#
# None. The gradient of a weight that leads *from* the unit is multiplied by what the unit sent,
# which is 0. The gradient of a weight that leads *to* it comes back through the mask, and is
# multiplied by 0 there.
# </details>
#
# ## A whole network
#
# For a batch of $n$ rows $x$ with classes $y$:
#
# $$ h = \operatorname{relu}(W_1 x + b_1), \quad s = \frac{m \odot h}{1-p}, \quad
# z = W_2 s + b_2, \quad L = \frac1n \sum -\log \operatorname{softmax}(z)_y . $$
#
# You have drawn masks often enough. Here is the factor by which inverted dropout multiplies:

# %% setup=true
def dropout_factor(shape, p, rng):
    """0 or 1 / (1 - p) for each entry, each with a coin of its own; 1 everywhere at p = 0."""
    return (rng.random(shape) >= p) / (1 - p) if p else np.ones(shape)

# %% [markdown]
# ## Exercise: `mlp_forward`
#
# Write the forward pass first, from $x$ to the logits $z$. As in {{backward}}, it leaves a cache,
# and what goes into it is your choice.

# %% exercise="mlp_forward"
def mlp_forward(params, X, p, rng):
    """The logits of a ReLU network with dropout after its hidden layer.

    params : dict of "W1" (hidden, features), "b1" (hidden,), "W2" (classes, hidden),
        "b2" (classes,), left as they are
    X : (n, features)
    p : probability of dropping a hidden unit; rng : np.random.Generator
    Returns (z, cache): the logits (n, classes), and whatever your backward pass needs.
    """
    ### BEGIN SOLUTION
    h = np.maximum(X @ params["W1"].T + params["b1"], 0)
    factor = dropout_factor(h.shape, p, rng)
    sent = h * factor
    return sent @ params["W2"].T + params["b2"], (sent, factor)
    ### END SOLUTION

# %% [markdown] hint="mlp_forward"
# One line for each of $h$, $s$ and $z$. Each row of `X` is an $x$, so $W_1 x$ for all rows is
# `X @ params["W1"].T`.

# %% [markdown] hint="mlp_forward"
# `np.maximum(…, 0)` is the ReLU. The factor needs the shape of what it multiplies.

# %% [markdown] hint="mlp_forward"
# The gradient of $W_2$ needs what was sent. On its way to $W_1$ the gradient passes dropout and
# the ReLU, and needs the slope of both.

# %% check="mlp_forward" points=1
# Without dropout: the logits are right, and nothing that was given is changed.
rng = expect.rng()
batch = rng.normal(size=(5, 3))
net = {"W1": rng.normal(size=(6, 3)), "b1": rng.normal(size=6),
       "W2": rng.normal(size=(4, 6)), "b2": rng.normal(size=4)}
with expect.case("z, cache = mlp_forward(params, X, 0.0, rng), five rows",
                 crash=[("back: unpack", "return two things: return z, cache."),
                        ("matmul", "each *row* of X is an example: X @ W1.T, and so on.")]):
    copies = [v.copy() for v in (batch, *net.values())]
    z, cache = mlp_forward(net, batch, 0.0, rng)
    expect.equal(" ".join(net), "W1 b1 W2 b2", hint="params has other keys now. Leave it as it is: "
                                                    "what backward needs goes into the cache.")
    for now, before in zip((batch, *net.values()), copies, strict=True):
        expect.unchanged(now, before)
    expect.array(z, (5, 4), hint="the first of the pair is z: a row of logits for each row of X. "
                               "The cache comes second.")
    linear = batch @ net["W1"].T + net["b1"]
    right = oracle.relu(linear) @ net["W2"].T + net["b2"]
    bare = np.maximum(batch @ net["W1"].T, 0)
    expect.close(
        z, right, hint="z = W2 s + b2, with s = h = relu(W1 x + b1) where nothing is dropped.",
        suspects=[
            (linear @ net["W2"].T + net["b2"], "the ReLU is missing."),
            (np.maximum(right, 0), "the logits went through a ReLU: only the hidden layer does."),
            (train.softmax(right), "that is the softmax. Return the logits z."),
            (right - net["b2"], "b2 is missing."),
            (bare @ net["W2"].T + net["b2"], "b1 is missing."),
            (np.full((5, 4), np.nan), "NaN where p = 0: is 1 - p handed over in place of p?"),
        ],
    )

# %% check="mlp_forward" points=1
# With dropout: each hidden unit sends 0 or h / (1 - p), and nothing else is dropped.
rng, p = expect.rng(), 0.3
batch = rng.uniform(1, 2, size=(100, 3))
net = {"W1": rng.uniform(1, 2, size=(5, 3)), "b1": rng.uniform(size=5),
       "W2": np.tile(np.eye(5), (2, 1)), "b2": rng.normal(size=10)}
with expect.case("z - b2 of mlp_forward(params, X, 0.3, rng), where W2 is two identities, stacked",
                 crash=[("matmul", "each *row* of X is an example: X @ W1.T, and so on.")]):
    given = {k: v.copy() for k, v in net.items()}
    plain, _ = mlp_forward(given, batch.copy(), 0.0, rng)
    expect.array(plain, (100, 10),
                 hint="the first of the pair is z: a row of logits for each row of X.")
    h = batch @ net["W1"].T + net["b1"]
    expect.close(plain, np.tile(h, 2) + net["b2"],
                 hint="z is wrong where nothing is dropped, too: mend that first.")
    z, cache = mlp_forward(given, batch.copy(), p, rng)
    ratio = (z - net["b2"]) / np.tile(h, 2)
    expect.only(
        ratio, (0, 1 / (1 - p)), rtol=1e-6,
        hint="a hidden unit sends 0 or h / (1 - p), and only the hidden layer is dropped: neither "
             "what enters it nor the logits are.",
        suspects=[(1, "the survivors are not scaled, or nothing is dropped."),
                  (1 - p, "the survivors are multiplied by 1 - p. Divide them by it."),
                  (1 / (1 - p) ** 2, "scaled twice: dropout_factor scales already."),
                  (1 / p, "p is swapped: it is the probability of dropping.")],
    )
    expect.close(ratio[:, 5:], ratio[:, :5], rtol=1e-6,
                 hint="a unit that sends to two logits is dropped for one and not for the other. "
                      "Drop what W2 receives, not what it sends.")

# %% check="mlp_forward" points=1
# Every hidden unit has a coin of its own in every row, fresh at each call, and from rng alone.
net = {"W1": np.ones((60, 1)), "b1": np.zeros(60), "W2": np.eye(60), "b2": np.zeros(60)}
with expect.case("mlp_forward(params, X, p, rng), 20 rows, 60 hidden units, 24 times for four p",
                 crash=[("matmul", "each *row* of X is an example: X @ W1.T, and so on.")]):
    expect.coins(lambda p, rng: mlp_forward(net, np.ones((20, 1)), p, rng)[0],
                 axes=["row", "hidden unit"])

# %% mistakes="mlp_forward"
{
    "return two things": (", (sent, factor)", ""),
    "each *row* of X is an example": ('X @ params["W1"].T', 'params["W1"] @ X'),
    "the first of the pair is z": ('return sent @ params["W2"].T + params["b2"], (sent, factor)',
        'return (sent, factor), sent @ params["W2"].T + params["b2"]'),
    "The cache comes second": ('return sent @ params["W2"].T + params["b2"], (sent, factor)',
        'return {"sent": sent, "factor": factor}, sent @ params["W2"].T + params["b2"]'),
    "params has other keys now": ("    return sent",
                                  '    params["factor"] = factor\n    return sent'),
    "the ReLU is missing": ("np.maximum(X @ params", "(lambda h, _: h)(X @ params"),
    "the logits went through a ReLU": ("return sent @ params", "return np.maximum(0, sent @ params"
        '["W2"].T + params["b2"]), None\n    return sent @ params'),
    "that is the softmax": ("return sent @ params", "return train.softmax(sent @ params"
        '["W2"].T + params["b2"]), None\n    return sent @ params'),
    "b2 is missing": (' + params["b2"]', ""),
    "b1 is missing": (' + params["b1"]', ""),
    "writes into its input": ("    h = np", '    params["b1"] += 1e-9\n    h = np'),
    "the survivors are not scaled": ("h * factor\n", "h * (factor > 0)\n"),
    "scaled twice": ("h * factor\n", "h * factor / (1 - p)\n"),
    "multiplied by 1 - p": ("h * factor\n", "h * (factor > 0) * (1 - p)\n"),
    "Drop what W2 receives": ('return sent @ params["W2"].T +', """z = h @ params["W2"].T
    return z * dropout_factor(z.shape, p, rng) +"""),
    "p is swapped": ("h.shape, p, rng", "h.shape, 1 - p if p else 0, rng"),
    "is 1 - p handed over": ("h.shape, p, rng", "h.shape, 1 - p, rng"),
    "only the hidden layer is dropped":
        ("    h = np", "    X = X * dropout_factor(X.shape, p, rng)\n    h = np"),
    "every row has the same mask": ("dropout_factor(h.shape,", "dropout_factor(h.shape[1:],"),
    "every hidden unit has the same mask":
        ("dropout_factor(h.shape,", "dropout_factor((len(h), 1),"),
    "a seed is set inside": ("h.shape, p, rng", "h.shape, p, np.random.default_rng(0)"),
    "do not come from the given generator":
        ("h.shape, p, rng", "h.shape, p, np.random.default_rng()"),
    "as many as by two masks":
        ("h * factor\n", "h * factor * dropout_factor(h.shape, p, rng) * (1 - p)\n"),
}

# %% correct="mlp_forward"
def mlp_forward(params, X, p, rng):
    before = np.einsum("nf,hf->nh", X, params["W1"]) + params["b1"]
    gate = (before > 0) * rng.binomial(1, 1 - p, before.shape) / (1 - p)
    return np.inner(gate * before, params["W2"]) + params["b2"], {"gate": gate, "before": before}

# %% [markdown]
# ## Exercise: `mlp_loss_and_gradients`
#
# Now write the loss, and the gradients from it back to $W_1$. One result to start from: the
# gradient with respect to the logits is
#
# $$ \frac{\partial L}{\partial z} = \frac{\operatorname{softmax}(z) - \text{one-hot}(y)}{n}, $$
#
# row by row. From there, follow the formulas of the network from right to left, and look at the
# shape at every step. Let your `mlp_forward` do the forward pass.

# %% exercise="mlp_loss_and_gradients"
def mlp_loss_and_gradients(params, X, y, p, rng):
    """Mean cross-entropy of the network of `mlp_forward`, and its gradients.

    params, X, p, rng : as for `mlp_forward`, left as they are
    y : (n,) whole numbers 0 … classes - 1
    Loss and gradients are exact for logits of any size, tens of thousands included.
    Returns (loss in nats, a number; dict of dL/dparam, with the keys and shapes of params).
    """
    ### BEGIN SOLUTION
    z, (sent, factor) = mlp_forward(params, X, p, rng)
    z = z - z.max(1, keepdims=True)
    log_q = z - np.log(np.exp(z).sum(1, keepdims=True))
    loss = -log_q[np.arange(len(y)), y].mean()
    error = (np.exp(log_q) - np.eye(z.shape[1])[y]) / len(y)
    at_h = error @ params["W2"] * factor * (sent > 0)
    return loss, {"W1": at_h.T @ X, "b1": at_h.sum(0), "W2": error.T @ sent, "b2": error.sum(0)}
    ### END SOLUTION

# %% [markdown] hint="mlp_loss_and_gradients"
# For $z = s\,W^\top + b$ with rows of a batch: the gradient of $W$ is `dz.T @ s`, that of $b$ is
# the sum of `dz` over the rows, and that of $s$ is `dz @ W`.

# %% [markdown] hint="mlp_loss_and_gradients"
# Subtract each row's largest logit before you exponentiate. Then take the logarithm of the
# softmax on paper, not in the computer.

# %% [markdown] hint="mlp_loss_and_gradients"
# Between `dz @ W2` and the gradient of `W1` stand two gates: the factor of dropout, and the ReLU,
# which lets the gradient pass where $h > 0$.

# %% [markdown]
# Test your gradients yourself before you run the checks. One random direction $v$ is enough for a
# whole matrix: shift the matrix both ways along $v$, with the mask frozen by a seed, and compare
# the slope of the loss with the sum of the entries of $g \odot v$, where $g$ is your gradient. The
# two columns should agree to seven digits or so.

# %%
X, y, X_test, y_test = data.digits()
X = X.reshape(len(X), -1)
rng = np.random.default_rng()
net = {"W1": rng.normal(0, 0.3, (8, 64)), "b1": rng.normal(0, 0.3, 8),
       "W2": rng.normal(0, 0.3, (10, 8)), "b2": np.zeros(10)}


def frozen(net):
    return mlp_loss_and_gradients(net, X[:16], y[:16], 0.5, np.random.default_rng(7))


for k in net:
    v = rng.normal(size=net[k].shape)
    above, below = (frozen(net | {k: net[k] + shift * v})[0] for shift in (1e-5, -1e-5))
    print(f"{k}:  by definition {(above - below) / 2e-5:+.9f}   "
          f"yours {np.sum(frozen(net)[1][k] * v):+.9f}")

# %% check="mlp_loss_and_gradients" points=1
# Without dropout, no row of the last class: the loss, and the form of the gradients.
rng = expect.rng()
batch, labels = rng.normal(size=(5, 3)), rng.permutation([0, 1, 1, 2, 2])
net = {"W1": rng.normal(size=(6, 3)), "b1": rng.normal(size=6),
       "W2": rng.normal(size=(4, 6)), "b2": rng.normal(size=4)}
with expect.case("loss, gradients = mlp_loss_and_gradients(params, X, y, 0.0, rng), five rows",
                 crash=[("back: unpack", "return two things: the loss and a dictionary."),
                        ("back: has no attribute 'keys'", "the gradients are no dictionary.")]):
    copies = [v.copy() for v in (batch, labels, *net.values())]
    loss, found = mlp_loss_and_gradients(net, batch, labels, 0.0, rng)
    expect.equal(" ".join(net), "W1 b1 W2 b2", hint="params has other keys now. Leave it as it is.")
    for now, before in zip((batch, labels, *net.values()), copies, strict=True):
        expect.unchanged(now, before, hint="the function writes into what it is given. "
                                           "Training steps belong elsewhere.")
    expect.equal(" ".join(sorted(found.keys())), "W1 W2 b1 b2",
                 hint="the dictionary of gradients has the keys of params.")
    for k in net:
        expect.array(found[k], net[k].shape, hint=f"the gradient of {k} has the shape of {k}.")
    z = oracle.relu(batch @ net["W1"].T + net["b1"]) @ net["W2"].T + net["b2"]
    right = oracle.cross_entropy(z, labels)
    expect.close(
        loss, right, hint="the mean over rows of -log softmax(z) at the right class.",
        suspects=[
            (5 * right, "that is the sum over the rows. Take the mean."),
            (right / 4, "that is the mean over rows and classes. Divide by the rows only."),
            (-right, "the sign: the loss is minus the logarithm."),
            (right / np.log(2), "that is in bits. Use the natural logarithm."),
        ],
    )

# %% check="mlp_loss_and_gradients" points=1
# Without dropout: all gradients, compared with an independent derivative of the loss.
rng = expect.rng()
batch, labels = rng.normal(size=(5, 3)), rng.integers(4, size=5)
net = {"W1": rng.normal(size=(6, 3)), "b1": rng.normal(size=6),
       "W2": rng.normal(size=(4, 6)), "b2": rng.normal(size=4)}
with expect.case("the gradients of mlp_loss_and_gradients(params, X, y, 0.0, rng), five rows"):
    given = {k: v.copy() for k, v in net.items()}
    found = mlp_loss_and_gradients(given, batch.copy(), labels.copy(), 0.0, rng)[1]


    def logits(W1, b1, W2, b2):
        h = oracle.relu(batch @ W1.swapaxes(-1, -2) + b1[..., None, :])
        return h @ W2.swapaxes(-1, -2) + b2[..., None, :]

    right = {k: oracle.gradient(
        lambda value, k=k: oracle.cross_entropy(logits(**net | {k: value}), labels), net[k]
    ) for k in net}
    q = train.softmax(logits(**net))
    no_gate = (q - np.eye(4)[labels]) @ net["W2"] / 5
    for k, ungated in (("b2", 0), ("W2", 0), ("b1", no_gate.sum(0)), ("W1", no_gate.T @ batch)):
        expect.close(
            found[k], right[k], hint=f"{k}: go through the chain rule step by step, from z back.",
            suspects=[
                (5 * right[k], f"{k}: not divided by the number of rows; the loss is a mean."),
                (right[k] / 5, f"{k}: divided by the number of rows twice."),
                (-right[k], f"{k}: the sign is wrong."),
                (q.mean(0), f"{k}: subtract 1 from the softmax at the right class."),
                (ungated, f"{k}: the ReLU's gate is missing; units that sent 0 learn nothing."),
            ],
        )

# %% check="mlp_loss_and_gradients" points=2
# With dropout, one row: W2's gradient shows the mask, and with that mask the rest must agree.
rng, p = expect.rng(), 0.25
batch, labels = rng.normal(size=(1, 4)), rng.integers(3, size=1)
net = {"W1": rng.normal(size=(2000, 4)), "b1": rng.normal(size=2000),
       "W2": 0.01 * rng.normal(size=(3, 2000)), "b2": rng.normal(size=3)}
with expect.case("mlp_loss_and_gradients(params, X, y, 0.25, rng), one row, 2000 hidden units"):
    given = {k: v.copy() for k, v in net.items()}
    h = np.maximum(net["W1"] @ batch[0] + net["b1"], 0)
    plain = oracle.cross_entropy((h @ net["W2"].T + net["b2"])[None], labels)
    loss, _ = mlp_loss_and_gradients(given, batch.copy(), labels.copy(), 0.0, rng)
    expect.close(loss, plain, rtol=1e-6,
                 hint="the loss is wrong where nothing is dropped, too: mend that first.")
    loss, found = mlp_loss_and_gradients(given, batch.copy(), labels.copy(), p, rng)
    for k in net:
        expect.array(found[k], net[k].shape, hint=f"the gradient of {k} has the shape of {k}.")
    on = h > 0
    largest = np.argmax(np.abs(found["b2"]))
    sent = found["W2"][largest] / found["b2"][largest]
    kept = sent[on] != 0
    none_dropped = [(1, "nothing was dropped from what W2's gradient uses. Is dropout between h "
                        "and z, in training mode, and the gradient taken from its output, not h?")]
    expect.only(
        sent[on] / h[on], (0, 1 / (1 - p)), rtol=1e-6,
        hint="what W2 receives is relu(W1 x + b1) after dropout, and nothing else is dropped.",
        suspects=none_dropped if kept.all() else [
            (1, "the survivors are not scaled."),
            (1 / p, "p is swapped: it is the probability of dropping."),
        ],
    )
    keeps = sent != 0
    z = h * keeps / (1 - p) @ net["W2"].T + net["b2"]
    right = oracle.cross_entropy(z[None], labels)
    expect.close(loss, right, hint="the loss is not that of the thinned network whose mask "
                                   "W2's gradient shows. One forward pass gives both.")
    at_z = oracle.gradient(lambda z: oracle.cross_entropy(z[:, None], labels), z)
    arrived = at_z @ net["W2"]
    expect.close(found["b2"], at_z, hint="b2's gradient is wrong, and with it all that lies before "
                                         "it. Here n is 1, so it is softmax(z) - one-hot(y).")
    expect.close(
        found["b1"], arrived * keeps / (1 - p),
        hint="b1: go back through dropout, then through the ReLU.",
        suspects=[
            (arrived * on, "b1: the backward pass has no dropout mask. It needs that of forward."),
            (arrived * on / (1 - p), "b1: dropped units get a gradient; it must be 0."),
            (arrived * keeps, "b1: the scale 1 / (1 - p) is missing in the backward pass."),
            (arrived * keeps / (1 - p) ** 2, "b1: the backward pass is scaled twice."),
            (arrived * on * (found["b1"] != 0) / (1 - p), "b1: a fresh mask in the backward pass."),
        ],
    )
    expect.close(found["W1"], np.outer(arrived * keeps / (1 - p), batch),
                 hint="b1's gradient is right, W1's is not. What W1 multiplies is X.")

# %% check="mlp_loss_and_gradients" points=1
# Every row has a mask of its own, fresh at each call, and from rng alone.
rng = expect.rng()
net = {"W1": np.ones((20, 1)), "b1": np.zeros(20),
       "W2": rng.normal(size=(3, 20)), "b2": np.zeros(3)}
with expect.case("mlp_loss_and_gradients(params, X, y, 0.5, rng) on 60 equal rows"):
    found = mlp_loss_and_gradients(net, np.ones((60, 1)), np.zeros(60, int), 0.5, rng)[1]
    expect.array(found["b1"], 20, hint="the gradient of b1 has the shape of b1.")
    expect.equal(int(np.sum(found["b1"] == 0)), 0,
                 hint="units without any gradient: one mask serves the whole batch.")


def sent(p, rng):
    """Which of 600 hidden units sent something, read off W2's gradient for one row."""
    net = {"W1": np.ones((600, 1)), "b1": np.zeros(600)}
    net |= {"W2": np.zeros((3, 600)), "b2": np.zeros(3)}
    found = mlp_loss_and_gradients(net, np.ones((1, 1)), np.zeros(1, int), p, rng)[1]
    return found["W2"][0] / found["b2"][0]


with expect.case("mlp_loss_and_gradients(params, X, y, p, rng), one row, 24 times for four p"):
    dropped = bool((sent(0.5, rng) == 0).any())
    expect.equal("some send 0" if dropped else "all units send something", "some send 0",
                 hint="no unit of 600 sent 0, if W2's gradient is right. Is anything dropped? And "
                      "does W2's gradient use what was sent, s, or does it use h?")
    expect.coins(sent, axes=["hidden unit"])

# %% check="mlp_loss_and_gradients" points=1
# With dropout, a batch: central differences of your own loss, to 1e-7.
rng = expect.rng()
batch = rng.integers(-2, 3, size=(5, 3)).astype(float)
labels = rng.integers(4, size=5)
net = {"W1": rng.integers(-3, 4, size=(6, 3)) / 2, "b1": rng.choice([-0.25, 0.25], size=6),
       "W2": rng.normal(size=(4, 6)), "b2": rng.normal(size=4)}
found = {}
for k in ("b2", "W2", "b1", "W1"):
    with expect.case(f"the gradient of {k} against a central difference, the mask frozen, p = 0.4"):
        exact = mlp_loss_and_gradients(net, batch, labels, 0.4, np.random.default_rng(7))[1][k]
        along = rng.normal(size=net[k].shape)
        along /= np.linalg.norm(along)
        above, below = (
            mlp_loss_and_gradients(
                net | {k: net[k] + shift * along}, batch, labels, 0.4, np.random.default_rng(7)
            )[0]
            for shift in (1e-5, -1e-5)
        )
        slope = float(above - below) / 2e-5
        expect.close(
            float(np.sum(exact * along)), slope,
            rtol=1e-7, atol=1e-10 + 1e-7 * np.linalg.norm(exact),
            suspects=[(5 * slope, f"the gradient of {k} is n times too large, for n rows: the loss "
                                  "is a mean.")],
            hint=f"the gradient of {k} and your own loss disagree, with several rows and p > 0; "
                 "either may be wrong. Is the loss exact, with no small number added?",
        )

# %% check="mlp_loss_and_gradients" points=1
# Large logits: the loss stays exact.
rng = expect.rng()
batch, labels = rng.uniform(1, 2, size=(8, 3)), np.arange(8) % 4
net = {"W1": rng.uniform(1, 2, size=(6, 3)), "b1": np.zeros(6),
       "W2": 1000 * rng.normal(size=(4, 6)), "b2": np.zeros(4)}
net["W2"][0] = np.abs(net["W2"][0])
with expect.case("mlp_loss_and_gradients(params, X, y, 0.0, rng) with logits of tens of thousands"):
    z = oracle.relu(batch @ net["W1"].T) @ net["W2"].T
    small = {k: v / 10_000 if k == "W2" else v.copy() for k, v in net.items()}
    loss, _ = mlp_loss_and_gradients(small, batch.copy(), labels.copy(), 0.0, rng)
    expect.close(loss, oracle.cross_entropy(z / 10_000, labels), rtol=1e-6,
                 hint="the loss is wrong for small logits, too: mend that first.")
    with np.errstate(all="ignore"):
        given = {k: v.copy() for k, v in net.items()}
        loss, found = mlp_loss_and_gradients(given, batch.copy(), labels.copy(), 0.0, rng)
    right = oracle.cross_entropy(z, labels)
    expect.close(
        loss, right, rtol=1e-7,
        hint="a softmax of 0 has lost its logarithm, and clipping invents another. "
             "Use z - max - log(sum(exp(z - max))).",
        suspects=[
            (np.nan, "exp overflows. Subtract each row's largest logit first."),
            (np.inf, "the loss is infinite: an exp has overflowed, or a softmax has become 0."),
            (-np.inf, "a row's sum of exp is 0. Subtract each row's own largest logit."),
        ],
    )
    expect.close(found["b2"], (train.softmax(z) - np.eye(4)[labels]).mean(0), rtol=1e-7, atol=1e-9,
                 hint="the loss is right here, and b2's gradient is not: for the softmax, too, "
                      "subtract each row's largest logit first.")

# %% check="mlp_loss_and_gradients" points=1 hidden=true
# A network of other sizes, at another rate: central differences of the loss once more.
rng = expect.rng()
n, features, hidden, classes = rng.integers(2, 9, size=4)
p = rng.choice([0.1, 0.6, 0.8])
batch = rng.integers(-2, 3, size=(n, features)).astype(float)
labels = rng.integers(classes, size=n)
net = {"W1": rng.integers(-3, 4, size=(hidden, features)) / 2,
       "b1": rng.choice([-0.25, 0.25], size=hidden),
       "W2": rng.normal(size=(classes, hidden)), "b2": rng.normal(size=classes)}
for k in ("b2", "W2", "b1", "W1"):
    with expect.case(f"the gradient of {k}, {n} rows, {hidden} hidden units, p = {p}"):
        exact = mlp_loss_and_gradients(net, batch, labels, p, np.random.default_rng(3))[1][k]
        along = rng.normal(size=net[k].shape)
        above, below = (
            mlp_loss_and_gradients(net | {k: net[k] + shift * along}, batch, labels, p,
                                   np.random.default_rng(3))[0] for shift in (1e-5, -1e-5)
        )
        expect.close(float(np.sum(exact * along)), float(above - below) / 2e-5, rtol=1e-6,
                     atol=1e-8 * (1 + np.linalg.norm(exact)),
                     hint=f"the gradient of {k} and your own loss disagree; either may be wrong.")

# %% mistakes="mlp_loss_and_gradients"
{
    "return two things": ("return loss, {", 'return {"loss": loss, '),
    "the keys of params": ('{"W1": at_h', '{"dW1": at_h'),
    "are no dictionary": (
        '{"W1": at_h.T @ X, "b1": at_h.sum(0), "W2": error.T @ sent, "b2": error.sum(0)}',
        "(at_h.T @ X, at_h.sum(0), error.T @ sent, error.sum(0))"),
    "params has other keys now": ("    return loss", '    params["dW1"] = at_h.T @ X\n'
                                  "    return loss"),
    "Training steps belong elsewhere": ("return loss, {", """params["b2"] -= error.sum(0)
    return loss, {"""),
    "could not be broadcast": ("np.eye(z.shape[1])", "np.eye(y.max() + 1)"),
    "the gradient of W1 has the shape of W1": ("at_h.T @ X", "X.T @ at_h"),
    "the gradient of b1 has the shape of b1": ("at_h.sum(0)", "at_h"),
    "the sum over the rows": ("y].mean()", "y].sum()"),
    "the mean over rows and classes": ("y].mean()", "y].sum() / z.size"),
    "minus the logarithm": ("-log_q[np", "log_q[np"),
    "in bits": ("y].mean()", "y].mean() / np.log(2)"),
    "not divided by the number of rows": ("[y]) / len(y)", "[y])"),
    "divided by the number of rows twice": ("[y]) / len(y)", "[y]) / len(y) ** 2"),
    "b2: the sign is wrong": ("[y]) / len(y)", "[y]) / -len(y)"),
    "subtract 1 from the softmax": (" - np.eye(z.shape[1])[y]", ""),
    "the ReLU's gate is missing": (" * (sent > 0)", ""),
    "the backward pass has no dropout mask": ("* factor * (sent > 0)",
        '* (X @ params["W1"].T + params["b1"] > 0)'),
    "dropped units get a gradient; it": ("* factor * (sent > 0)",
        '* (X @ params["W1"].T + params["b1"] > 0) / (1 - p)'),
    "is missing in the backward pass": ("* factor * (sent", "* (sent"),
    "the backward pass is scaled twice": ("* factor * (sent", "* factor / (1 - p) * (sent"),
    "a fresh mask in the backward pass": ("* factor * (sent > 0)",
        '* dropout_factor(sent.shape, p, rng) * (X @ params["W1"].T + params["b1"] > 0)'),
    "is not that of the thinned network": ("    z = z - z.max",
        '    z = mlp_forward(params, X, 0, rng)[0]\n    z = z - z.max'),
    "nothing was dropped from what": ("error.T @ sent",
        'error.T @ np.maximum(X @ params["W1"].T + params["b1"], 0)'),
    "either may be wrong": ("y].mean()",
                            "y].mean() * (1 if p == 0 or len(X) == 1 else 2)"),
    "n times too large": ("[y]) / len(y)", "[y]) / (len(y) if p == 0 or len(X) == 1 else 1)"),
    "and your own loss disagree": ("at_h.T @ X",
        "at_h.T @ (X if p == 0 or len(X) == 1 else X / 2)"),
    "the survivors are not scaled": ("p, rng)\n", "p, rng)\n    sent = sent * (1 - p)\n"),
    "p is swapped": ("X, p, rng)", "X, 1 - p if p else 0, rng)"),
    "one mask serves the whole batch": ("z, (sent, factor) = mlp_forward(params, X, p, rng)\n",
        """z, (sent, _) = mlp_forward(params, X, 0, rng)
    factor = dropout_factor(sent.shape[1:], p, rng)
    sent = sent * factor
    z = sent @ params["W2"].T + params["b2"]\n"""),
    "do not come from the given generator": ("p, rng)\n", "p, np.random.default_rng())\n"),
    "exp overflows": ("""    z = z - z.max(1, keepdims=True)
    log_q = z - np.log(np.exp(z)""", "    log_q = np.log(np.exp(z) / np.exp(z)"),
    "each row's own largest": ("z.max(1, keepdims=True)", "z.max()"),
    "One forward pass gives both": ("    z = z - z.max",
        "    z = mlp_forward(params, X, p, rng)[0]\n    z = z - z.max"),
    "or a finite difference": ("error.sum(0)}", "error.sum(0) * (1 + 1e-8)}"),
    "the loss is infinite": ("z - np.log(np.exp(z).sum(1, keepdims=True))",
                             "np.log(train.softmax(z))"),
    "clipping invents another": ("-log_q[np.arange(len(y)), y].mean()",
                                 "train.log_loss(np.exp(log_q), y)"),
}

# %% mistake="mlp_loss_and_gradients" says="for the softmax, too"
def mlp_loss_and_gradients(params, X, y, p, rng):
    z, (sent, factor) = mlp_forward(params, X, p, rng)
    total = np.logaddexp.reduce(z, axis=1)
    right = np.eye(z.shape[1])[y]
    error = (np.exp(z) / np.exp(z).sum(1, keepdims=True) - right) / len(y)
    at_h = error @ params["W2"] * factor * (sent > 0)
    return np.mean(total - (z * right).sum(1)), {
        "W1": at_h.T @ X, "b1": at_h.sum(0), "W2": error.T @ sent, "b2": error.sum(0)}

# %% correct="mlp_loss_and_gradients"
def mlp_loss_and_gradients(params, X, y, p, rng):
    import torch

    leaf = {k: torch.tensor(v, requires_grad=True) for k, v in params.items()}
    h = torch.relu(torch.tensor(X) @ leaf["W1"].T + leaf["b1"])
    s = h * torch.tensor(dropout_factor(h.shape, p, rng))
    loss = torch.nn.functional.cross_entropy(s @ leaf["W2"].T + leaf["b2"], torch.tensor(y))
    loss.backward()
    return loss.item(), {k: v.grad.numpy() for k, v in leaf.items()}

# %% correct="mlp_loss_and_gradients"
def mlp_loss_and_gradients(params, X, y, p, rng):
    n, classes = len(X), len(params["b2"])
    before = np.einsum("nf,hf->nh", X, params["W1"]) + params["b1"]
    gate = (before > 0) * rng.binomial(1, 1 - p, before.shape) / (1 - p)
    sent = gate * before
    z = np.einsum("nh,ch->nc", sent, params["W2"]) + params["b2"]
    total = np.logaddexp.reduce(z, axis=1)
    loss = sum(total[i] - z[i, y[i]] for i in range(n)) / n
    dz = np.array([(np.exp(z[i] - total[i]) - (np.arange(classes) == y[i])) / n for i in range(n)])
    dbefore = gate * np.einsum("nc,ch->nh", dz, params["W2"])
    return float(loss), {
        "b2": np.ones(n) @ dz,
        "W2": np.einsum("nc,nh->ch", dz, sent),
        "b1": np.ones(n) @ dbefore,
        "W1": np.einsum("nh,nf->hf", dbefore, X),
    }

# %% [markdown]
# ## Do dropped units stand still?
#
# You will read in many places that a step with dropout updates the weights of active neurons only.
# The *gradient* of a dropped unit's weights is indeed zero. But it takes an optimiser to turn a
# gradient into a step. Here are three.

# %% setup=true
def sgd(rate=0.02):
    return lambda gradients: {k: -rate * g for k, g in gradients.items()}


def momentum(rate=0.002, keep=0.9):
    speed = {}

    def change(gradients):
        for k, g in gradients.items():
            speed[k] = keep * speed.get(k, 0) - rate * g
        return dict(speed)

    return change


def adam(rate=0.002, keep=0.9, keep_square=0.999):
    mean, square, step = {}, {}, 0

    def change(gradients):
        nonlocal step
        step += 1
        for k, g in gradients.items():
            mean[k] = keep * mean.get(k, 0) + (1 - keep) * g
            square[k] = keep_square * square.get(k, 0) + (1 - keep_square) * g**2
        return {k: -rate * mean[k] / (1 - keep**step)
                / (np.sqrt(square[k] / (1 - keep_square**step)) + 1e-8) for k in mean}

    return change

# %% [markdown]
# `sgd()` makes a function that takes a dictionary of gradients and returns a dictionary of
# changes, to be *added* to the parameters. So do `momentum()` and `adam()`, but the functions that
# they make also use the gradients of earlier steps.
#
# ## Exercise: `dropped_motion`
#
# Train on one image at a time. Measure how far a hidden unit's weights move in the steps that give
# them no gradient, and how far in the others.

# %% exercise="dropped_motion"
def dropped_motion(optimizer, params, X, y, p, rng):
    """How far rows of W1 move in training: those without a gradient, and those with one.

    Each step shows the network one row of X, in order, and then changes the parameters. A row of
    W1 is idle in a step if all of its gradient is 0. How far a row moves is the Euclidean length of
    its change.

    optimizer : takes a dict of gradients, returns a dict of changes, to be added to the params
    params : where training begins, left as they are
    Returns two numbers, over all steps and rows: the mean motion of idle rows, and of the others.
    """
    ### BEGIN SOLUTION
    idle, learning = [], []
    for i in range(len(X)):
        _, gradients = mlp_loss_and_gradients(params, X[i : i + 1], y[i : i + 1], p, rng)
        changes = optimizer(gradients)
        params = {k: params[k] + changes[k] for k in params}
        moved, still = np.linalg.norm(changes["W1"], axis=1), (gradients["W1"] == 0).all(1)
        idle.extend(moved[still])
        learning.extend(moved[~still])
    return np.mean(idle), np.mean(learning)
    ### END SOLUTION

# %% [markdown] hint="dropped_motion"
# A loop over the images: gradients, changes, new parameters. `X[i : i + 1]` is one row that is
# still a batch.

# %% [markdown] hint="dropped_motion"
# `np.linalg.norm(changes["W1"], axis=1)` has the length of each row's change. The *gradients* tell
# which rows are idle.

# %% [markdown] hint="dropped_motion"
# Collect the lengths of all steps in two lists, and take the two means at the end. A step with
# `params[k] += …` would write into the arrays that you were given.

# %% check="dropped_motion" points=1
# One image a step, in order; each step adds the changes; the parameters given stay as they were.
rng = expect.rng()
rows, labels = rng.uniform(1, 2, size=(6, 3)), rng.integers(3, size=6)
net = {"W1": rng.normal(size=(8, 3)), "b1": 3 + rng.normal(size=8),
       "W2": 0.1 * rng.normal(size=(3, 8)), "b2": np.zeros(3)}
net["b1"][0] = -50  # one unit that is always off, so that there are idle rows without dropout
seen, added = [], []


def optimizer(gradients):
    """Keep what comes, and return changes that are large enough to be noticed."""
    seen.append({k: np.array(g) for k, g in gradients.items()})
    added.append({k: 0.1 * rng.normal(size=np.shape(g)) for k, g in gradients.items()})
    return {k: v.copy() for k, v in added[-1].items()}


def gradient_of_b2(i, changes):
    """That of image i, at p = 0, after these changes."""
    at = {k: net[k] + sum(change[k] for change in changes) for k in net}
    h = np.maximum(rows[i] @ at["W1"].T + at["b1"], 0)
    return train.softmax(h @ at["W2"].T + at["b2"]) - np.eye(3)[labels[i]]


with expect.case("dropped_motion(optimizer, params, X, y, 0.0, rng) on six images"):
    given = {k: v.copy() for k, v in net.items()}
    dropped_motion(optimizer, given, rows.copy(), labels.copy(), 0.0, rng)
    for k in net:
        expect.unchanged(given[k], net[k], hint=f"the {k} that was given is changed. Make new "
                                                "arrays: params[k] + changes[k].")
    expect.equal(len(seen), 6, hint="the optimizer is called once for each image.")
    for i in range(6):
        expect.close(
            seen[i]["b2"], gradient_of_b2(i, added[:i]), rtol=1e-6,
            hint=f"the gradient of step {i} is not that of image {i} at that step's parameters.",
            suspects=[
                (gradient_of_b2(i, []), "the network stands still: add the changes in each step."),
                (gradient_of_b2(i, [{k: -v for k, v in a.items()} for a in added[:i]]),
                 "the changes are subtracted. Add them."),
            ],
        )

# %% check="dropped_motion" points=2
# The two means: rows without a gradient, and rows with one, over all steps.
rng = expect.rng()
rows, labels = rng.uniform(1, 2, size=(40, 3)), rng.integers(3, size=40)
rows[:, 0] = 0  # as a pixel that is always white: its column of W1 has no gradient
rows[5:9], rows[9:13] = 0, [0, 1.5, -1.5]  # no gradient for W1; one whose rows add up to 0
net = {"W1": rng.normal(size=(9, 3)), "b1": 3 + rng.normal(size=9),
       "W2": 1e-9 * rng.normal(size=(3, 9)), "b2": np.zeros(3)}  # small gradients, not 0
idle, moved = [], []


def optimizer(gradients):
    """Changes of known lengths, other in each step; their means tell what was averaged."""
    idle.append((np.array(gradients["W1"]) == 0).all(1))
    moved.append(rng.uniform(0.01, 0.02, size=9) * (1 + idle[-1] + (idle[-1].sum() > 5)))
    directions = rng.normal(size=(9, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    others = {k: (1e-9 if k == "W2" else 0.02) * rng.normal(size=np.shape(g))
              for k, g in gradients.items()}
    return others | {"W1": moved[-1][:, None] * directions}


with expect.case("dropped_motion(optimizer, params, X, y, 0.6, rng) on forty images",
                 crash=[("back: unpack|subscriptable|not iterable", "return two numbers.")]):
    first, second = dropped_motion(optimizer, net, rows, labels, 0.6, rng)
    off, far = np.array(idle), np.array(moved)
    right = float(far[off].mean()), float(far[~off].mean())
    both = off.any(1) & ~off.all(1)
    by_step = [[float(np.mean([f[o].mean() for f, o in zip(far, of, strict=True) if o.any()]))
                for far, of in ((far, of), (far[both], of[both]))] for of in (off, ~off)]
for k, which in enumerate(("idle rows", "other rows")):
    with expect.case(f"{('first', 'second')[k]}, the mean of {which}, where first, second = "
                     "dropped_motion(optimizer, params, X, y, 0.6, rng), the same forty images"):
        found, of = (first, second)[k], (off, ~off)[k]
        expect.close(
            found, right[k], rtol=1e-7,
            hint=f"the mean length of the change of W1's rows, over all steps, {which} only.",
            suspects=[
                (right[1 - k], "the two means are swapped: idle rows come first."),
                (right[0] / right[1], "that is the ratio. Return both means."),
                (float(far[of].sum()), "that is the sum. Take the mean."),
                (float((far[of] ** 2).mean()), "the lengths are squared."),
                (float(far.mean()), "that is the mean over all rows. Separate the idle ones: "
                                     "all of their gradient is 0."),
                *([(0.0, "0 is the length of an idle row's gradient. Its change is another matter: "
                         "measure that, and let the gradient tell which rows are idle."),
                   (np.nan, "NaN: no row was idle. Look for rows whose *gradient* is 0.")]
                  if k == 0 else
                  [(np.nan, "NaN: every row was taken for idle. Idle are those whose *gradient* "
                            "is 0.")]),
                *[(mean, "you average each step first, and then the steps. Average over the "
                         "rows of all steps at once.")
                  for mean in by_step[k]],
            ],
        )

# %% check="dropped_motion" points=1
# Every step draws its own mask, from rng alone.
def masks(p, rng):
    """Which of 60 hidden units had a gradient in each of 20 steps."""
    had, net = [], {"W1": np.ones((61, 1)), "b1": np.append(np.ones(60), -9),  # the last is off
                    "W2": np.tile([[1.0], [2.0]], 61), "b2": np.zeros(2)}

    def optimizer(gradients):
        had.append(np.array(gradients["b1"])[:60] != 0)
        return {k: np.zeros(np.shape(g)) for k, g in gradients.items()}

    dropped_motion(optimizer, net, np.ones((20, 1)), np.zeros(20, int), p, rng)
    return np.array(had, float)


with expect.case("dropped_motion(optimizer, params, X, y, p, rng), 20 images, 60 hidden units"):
    expect.coins(masks, axes=["step", "hidden unit"])

# %% check="dropped_motion" points=1 hidden=true
# Under SGD, rows without a gradient stand still, and the others move.
rng = expect.rng()
rows, labels = rng.uniform(1, 2, size=(30, 4)), rng.integers(3, size=30)
net = {"W1": rng.normal(size=(12, 4)), "b1": 3 + rng.normal(size=12),
       "W2": rng.normal(size=(3, 12)), "b2": np.zeros(3)}
with expect.case("dropped_motion(sgd(), params, X, y, 0.5, rng)"):
    first, second = dropped_motion(sgd(), net, rows, labels, 0.5, rng)
    expect.equal(float(first), 0.0, hint="a row without a gradient does not move here.")
    expect.equal(bool(second > 0), True, hint="the rows with a gradient move.")

# %% mistakes="dropped_motion"
{
    "is changed. Make new": ("params = {k: params[k] + changes[k] for k in params}",
                             "for k in params:\n            params[k] += changes[k]"),
    "called once for each image": ("range(len(X))", "range(len(X) - 1)"),
    "is not that of image": ("X[i : i + 1], y[i : i + 1]", "X[-1 - i :][:1], y[-1 - i :][:1]"),
    "the network stands still": ("        params = {k: params[k] + changes[k] for k in params}\n",
                                 ""),
    "the changes are subtracted": ("params[k] + changes[k]", "params[k] - changes[k]"),
    "do not come from the given generator":
        ("y[i : i + 1], p, rng", "y[i : i + 1], p, np.random.default_rng()"),
    "every step has the same mask":
        ("y[i : i + 1], p, rng", "y[i : i + 1], p, np.random.default_rng(len(X))"),
    "return two numbers": ("np.mean(idle), np.mean(learning)", "np.mean(idle) / np.mean(learning)"),
    "the two means are swapped": ("np.mean(idle), np.mean(learning)",
                                  "np.mean(learning), np.mean(idle)"),
    "the mean length of the change of W1's rows": ('np.linalg.norm(changes["W1"], axis=1)',
        'np.linalg.norm(np.c_[changes["W1"], changes["b1"]], axis=1)'),
    "all of their gradient is 0": ("== 0).all(1)", "== 0).any(1)"),
    "over all steps, idle rows only": ('(gradients["W1"] == 0).all(1)', 'gradients["b1"] == 0'),
    "that is the ratio": ("np.mean(idle), np.mean", "np.mean(idle) / np.mean(learning), np.mean"),
    "that is the sum": ("np.mean(idle), np.mean(learning)", "np.sum(idle), np.sum(learning)"),
    "the lengths are squared": ('np.linalg.norm(changes["W1"], axis=1), ',
                                '(changes["W1"] ** 2).sum(1), '),
    "Separate the idle ones": ("idle.extend(moved[still])\n", "idle.extend(moved)\n"),
    "the length of an idle row's gradient": ('norm(changes["W1"]', 'norm(gradients["W1"]'),
    "no row was idle": ('(gradients["W1"] == 0)', '(changes["W1"] == 0)'),
    "you average each step first": ("""idle.extend(moved[still])
        learning.extend(moved[~still])""", """if still.any() and not still.all():
            idle.append(moved[still].mean())
            learning.append(moved[~still].mean())"""),
    "you average each step first, and then the steps": ("""idle.extend(moved[still])
        learning.extend(moved[~still])""", """if still.any():
            idle.append(moved[still].mean())
        if not still.all():
            learning.append(moved[~still].mean())"""),
}

# %% correct="dropped_motion"
def dropped_motion(optimizer, params, X, y, p, rng):
    here = {k: v.copy() for k, v in params.items()}
    total, count = np.zeros(2), np.zeros(2)
    for x, label in zip(X, y, strict=True):
        g = mlp_loss_and_gradients(here, x[None], np.array([label]), p, rng)[1]
        step = optimizer(g)
        for k in here:
            here[k] += step[k]
        for j in range(len(g["W1"])):
            learns = int(np.any(g["W1"][j]))
            total[learns] += np.sqrt(np.sum(step["W1"][j] ** 2))
            count[learns] += 1
    return tuple(total / count)

# %% [markdown]
# **Commit yourself first: with momentum 0.9, how far does a row of $W_1$ move in a step that gives
# it no gradient, as a percentage of how far the others move?**

# %% guess=true
my_guess = 0  # percent of the motion of rows that have a gradient, momentum 0.9

# %% figure=true
# How far rows of W1 move in a step, with and without a gradient, under three optimisers.
guess = expect.guess(my_guess)
ways = {"SGD, rate 0.02": sgd, "momentum 0.9,\nrate 0.002": momentum, "Adam, rate 0.002": adam}
motion, idle = np.empty((3, 5, 2)), []


def watched(change):
    """The same optimiser, and a note in each step of how many rows have no gradient."""
    def optimizer(gradients):
        idle.append(100 * np.mean((gradients["W1"] == 0).all(1)))
        return change(gradients)

    return optimizer


for seed in range(5):
    rng = np.random.default_rng(seed)
    net = {"W1": rng.normal(0, 0.05, (32, 64)), "b1": np.ones(32),  # all ReLUs are on
           "W2": rng.normal(0, 0.1, (10, 32)), "b2": np.zeros(10)}
    rows = rng.choice(len(X), 200, replace=False)
    for i, way in enumerate(ways.values()):
        motion[i, seed] = dropped_motion(watched(way()), net, X[rows], y[rows], 0.5, rng)

fig, (left, right) = plot.figure(2, height=2.6)
for k, (name, color) in enumerate((("no gradient", plot.ORANGE), ("a gradient", plot.BLUE))):
    left.barh(np.arange(3) + 0.4 * k - 0.2, motion[:, :, k].mean(1), height=0.38, color=color,
              xerr=plot.standard_error(motion[:, :, k], 1), label=name)
left.set_yticks(range(3), list(ways))
left.set(ylim=(2.5, -0.5), xlabel="distance in a step, 5 networks ± s.e.")
left.set_title(f"W1's rows; {np.mean(idle):.0f} % have no gradient")
left.legend()
share = 100 * motion[:, :, 0] / motion[:, :, 1]
plot.bars(share.mean(1), ["", "", ""], right, spread=plot.standard_error(share, 1),
          colors=plot.ORANGE)
right.axvline(guess, color=plot.GREY, linestyle="--")
right.set(xlabel="% (dashed: your guess for momentum)", xlim=(0, 130), yticks=[],
          title="Without a gradient, in % of the others")
told = ", ".join(f"{name}: {of.mean():.0f} ± {plot.standard_error(of):.0f} %"
                 for name, of in zip(("SGD", "momentum", "Adam"), share, strict=True))
plot.show(fig, f"Motion of rows without a gradient in percent of the others: {told}. At p = 0.5, "
               f"{np.mean(idle):.0f} % of all rows have none.",
          claims={"rows-coast": share[0].max() < 1 and share[1:].min() > 10})

# %% [markdown]
# A zero gradient is not a zero step: an optimiser that averages gradients goes on pushing a unit
# the way it was pushed before. So the claim that only active neurons are updated holds for plain
# SGD, without weight decay (which shrinks all weights in every step). Even there it needs small
# batches, as a unit at $p = 0.5$ is dropped from all of 64 rows once in $2^{64}$ steps.
#
# SGD's bar on the left is long, since each step follows one image's gradient in full. Momentum, at
# a tenth of the rate, goes as far in the long run, but averages images that pull in different
# directions. The left title gives the share of rows without a gradient as a control: it should be
# about $p$. If it is higher, some ReLUs were off as well, and their rows count as idle too.
#
# ## Explore: coasting
#
# How far one hidden unit's weights move in each step of your `dropped_motion`. Orange marks the
# steps without a gradient.
#
# **Try**: at memory 0, two of the three pictures are the same; why? At which memory do idle rows
# move half as far as the others? What changes when $p$ grows? (Click a slider, then use the arrow
# keys.)

# %%
explore.coasting(dropped_motion, sgd, momentum, adam)

# %% [markdown]
# ## Half the units, half the time?
#
# Now to what dropout costs, beginning with a single step. At $p=0.5$ half of the hidden units have
# nothing to do. **How long does a step of your network take, compared with one that draws no
# coins?**

# %% guess=true
my_guess = 0.5  # times as long as with no coins

# %% figure=true
# The time of one step, momentum's update included: with no coins, with them, at half the width.
def milliseconds(cases, rows, runs=5, steps=40):
    """Time of a step for each case (units, p, L2): the quickest of some, in each run."""
    took, rng = np.empty((len(cases), runs, steps)), np.random.default_rng()
    optimizers = [momentum() for _ in cases]
    for run, step, i in np.ndindex(runs, steps, len(cases)):
        hidden, p, decay = cases[i]
        net = {"W1": np.full((hidden, 64), 0.01), "b1": np.zeros(hidden),
               "W2": np.full((10, hidden), 0.01), "b2": np.zeros(10)}
        start = perf_counter()
        found = mlp_loss_and_gradients(net, X[:rows], y[:rows], p, rng)[1]
        if decay:
            found |= {k: found[k] + decay * net[k] for k in ("W1", "W2")}
        changes = optimizers[i](found)
        net = {k: net[k] + changes[k] for k in net}
        took[i, run, step] = 1000 * (perf_counter() - start)
    return took.min(2)  # what else runs here disturbs the quickest least


def middle(runs):
    """Median of five runs, which one disturbed run leaves alone, and about its standard error."""
    low, median, high = np.percentile(runs, (25, 50, 75), axis=-1)
    return median, (high - low) / 2


def to_its_error(value, error):
    """A value ± its standard error, both to the first digit of the error."""
    if not error:  # all counts alike
        return f"{value:g}"
    digits = max(-int(np.floor(np.log10(error))), 0)
    return f"{value:.{digits}f} ± {error:.{digits}f}"


guess = expect.guess(my_guess)
took = milliseconds([(512, 0, 0), (512, 0.5, 0), (512, 0.9, 0), (256, 0, 0)], rows=64)
longer, error = middle(took / took[0])
fig, (ax,) = plot.figure(1, width=7, height=2.3)
plot.bars(longer, [f"no coins: {np.median(took[0]):.2g} ms", "p = 0.5", "p = 0.9",
                   "no coins, half the width"], ax,
          spread=error, colors=[plot.GREY, *2 * [plot.BLUE], plot.GREEN])
ax.axvline(guess, color=plot.INK, linestyle="--")
ax.set_xlim(0, 1.2 * max(guess, longer.max()))
for number in ax.texts:  # it stays legible on the line of the guess
    number.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
ax.set_xlabel("quickest of 40 steps, times that with no coins\n"
              "(median of 5 runs ± s.e.; dashed: your guess for p = 0.5)")
told = to_its_error(longer[1], error[1]) + " times as long"
ax.set_title(f"With coins (p = 0.5) a step takes {told}")
plot.show(fig, f"Time of one training step in four cases: at p = 0.5 it takes {told} as without.",
          claims={"zeros-save-no-time": bool(longer[1] > 0.95)})

# %% [markdown]
# Each row of the batch has its zeros in other places, so the matrix products run in full, and the
# coins come on top. To save time, units must be left out for the whole batch at once, which makes a
# narrower network (green). Graham et al. (2015) do that.
#
# ## Exercise: `steps_to_reach`
#
# Next, the number of steps. The loss is recorded while a network trains. When does it first reach
# a target?

# %% exercise="steps_to_reach"
def steps_to_reach(curve, steps, target):
    """The first of the `steps` at which `curve` is at or below `target`; infinity if none is.

    curve : (k,) losses, perhaps with NaN, which reaches nothing; steps : (k,), ascending
    Returns a number.
    """
    ### BEGIN SOLUTION
    reached = curve <= target
    return float(steps[reached.argmax()]) if reached.any() else np.inf
    ### END SOLUTION

# %% [markdown] hint="steps_to_reach"
# Compare the whole curve with the target. Where is the first True?

# %% [markdown] hint="steps_to_reach"
# `argmax` of an array of True and False is the place of the first True … if there is one.

# %% [markdown] hint="steps_to_reach"
# A place in the curve is not a number of steps: `steps` translates it.

# %% check="steps_to_reach" points=1
# The first step at or below the target, where a curve falls and rises again.
curve = np.array([2.0, 0.7, 0.9, 1.2, 0.6, 0.4, 0.5])
steps = np.array([0, 5, 20, 45, 80, 120, 200])
for target, right in ((0.8, 5), (0.65, 80), (0.4, 120), (3.0, 0)):
    last = int(steps[np.flatnonzero(curve <= target)[-1]])
    wrong = [] if target == 3 else [
        (int(np.argmax(curve <= target)), "that is a place in the curve. Look it up in steps."),
        (last, "that is the last time. The first is asked for."),
        (120, "that is where the curve is lowest, whatever the target."),
        (int(steps[np.argmin(np.abs(curve - target))]),
         "that is where the curve is nearest to the target, perhaps still above it."),
        (int(steps[(curve > target).sum()]),
         "losses above the target are counted, also those that come after the first below it."),
    ]
    if not (curve < target).any():
        wrong.append((np.inf, "infinity: but a loss *at* the target counts, too."))
    with expect.case(f"steps_to_reach({curve.tolist()}, {steps.tolist()}, {target})"):
        found = steps_to_reach(curve.copy(), steps.copy(), target)
        expect.close(found, right, hint="the first of steps with curve <= target.",
                     suspects=[pair for pair in wrong if pair[0] != right])

# %% check="steps_to_reach" points=1
# A target that is never reached takes infinitely long; NaN reaches nothing.
steps = np.array([10, 20, 30])
for curve, what in ((np.array([0.9, 0.8, 0.7]), "[0.9, 0.8, 0.7]"),
                    (np.array([0.9, np.nan, np.nan]), "[0.9, NaN, NaN]"),
                    (np.array([np.nan, np.nan, np.nan]), "[NaN, NaN, NaN]")):
    with expect.case(f"steps_to_reach({what}, steps, 0.5)"):
        found = steps_to_reach(curve, steps, 0.5)
        expect.close(found, np.inf, hint="never is infinity.", suspects=[
            (10, "the first step: argmax is 0 where nothing is True. Ask any() first."),
            (30, "the last step, as if the target were reached there. Never is infinity."),
            (-1, "never is infinity, so that a mean over networks cannot hide it."),
            (20, "NaN is not at or below the target."),
        ])
with expect.case("steps_to_reach([NaN, 0.9, 0.4, 0.3], [10, 20, 30, 40], 0.5)"):
    found = steps_to_reach(np.array([np.nan, 0.9, 0.4, 0.3]), np.array([10, 20, 30, 40]), 0.5)
    expect.close(found, 30, hint="a NaN reaches nothing, but the losses after it may.")

# %% check="steps_to_reach" points=1 hidden=true
# Random curves, step by step.
rng = expect.rng()
for length in (1, 2, 9, 40):
    curve, steps = rng.uniform(size=length), np.cumsum(rng.integers(1, 9, size=length))
    target, right = float(rng.choice(curve)), np.inf
    for step, value in zip(steps[::-1], curve[::-1], strict=True):
        right = float(step) if value <= target else right
    with expect.case(f"steps_to_reach(curve, steps, target) on {length} random losses"):
        expect.close(steps_to_reach(curve, steps, target), right,
                     hint="the first of steps with curve <= target.")

# %% mistakes="steps_to_reach"
{
    "a place in the curve": ("steps[reached.argmax()]", "reached.argmax()"),
    "that is the last time": ("reached.argmax()", "np.flatnonzero(reached)[-1]"),
    "where the curve is lowest": ("reached.argmax()", "np.nanargmin(curve)"),
    "nearest to the target": ("reached.argmax()", "np.nanargmin(np.abs(curve - target))"),
    "*at* the target counts": ("<= target", "< target"),
    "the first of steps with curve <= target": ("[reached.argmax()]", "[reached.argmax() - 1]"),
    "Ask any() first": (" if reached.any() else np.inf", ""),
    "argmax is 0 where": ("if reached.any()", "if not np.nanmin(curve) > target"),
    "losses above the target are counted": ("reached.argmax()",
        "(curve > target).sum()"),
    "the last step, as if": ("else np.inf", "else steps[-1]"),
    "cannot hide it": ("else np.inf", "else -1"),
    "NaN is not at or below": ("curve <= target", "~(curve > target)"),
    "the losses after it may": ("reached.any()", "reached.any() and not np.isnan(curve).any()"),
    "returns nothing": ("else np.inf", "else None"),
}

# %% correct="steps_to_reach"
def steps_to_reach(curve, steps, target):
    pairs = zip(steps, curve, strict=True)
    return min((float(step) for step, loss in pairs if loss <= target), default=float("inf"))

# %% [markdown]
# ## What dropout costs
#
# A network of 128 hidden units learns 400 digits (momentum 0.9) at four values of $p$, and once
# without dropout but with weight decay (L2: each step also shrinks the weights a little). We count
# the steps until the loss on unseen digits is down to a target. On the left all use the learning
# rate that is best for the *plain* network, $p = 0$; on the right each uses its own best. "Best"
# means soonest at that target, with other seeds and on other unseen digits.
#
# **The plain network and $p = 0.5$, each at its own best rate, train to the hardest target that all
# their networks reach. How many times as many steps does $p = 0.5$ take?**

# %% guess=true
my_guess = 2.5  # times as many steps as the plain network, p = 0.5, each at its own rate

# %% figure=true
# Steps to reach a loss, at the plain network's rate and at each's own: takes half a minute or so.
guess = expect.guess(my_guess)
rates, strengths = (0.025, 0.05, 0.1, 0.2, 0.4), (0.0001, 0.001, 0.003, 0.01)
targets, every = np.geomspace(0.6, 0.09, 20), np.arange(20)
kinds = {"p = 0": (0, [0]), "p = 0.25": (0.25, [0]), "p = 0.5": (0.5, [0]), "p = 0.75": (0.75, [0]),
         "L2": (0, strengths)}  # drop probability, strengths of L2 to try
tries = [(i, p, decay, rate) for i, (p, decays) in enumerate(kinds.values())
         for decay in decays for rate in rates]
kind, p, decay, rate = np.transpose(tries)
order = np.random.default_rng(0).permutation(len(X))
pool, tuning, judged, _ = np.split(order, [787, 1037, 1437])  # each learns its own 400 of the pool


def steps_taken(of, seeds, unseen):
    """For these tries, each target and seed, the steps until the loss on `unseen` is there."""
    setting = {"p": p, "weight_decay": decay, "rate": rate}
    runs = train.many(X[pool], y[pool], (128,), seeds=np.tile(seeds, len(of)), rows=400,
                      batch=32, steps=200, every=2, watch={"unseen": (X[unseen], y[unseen])},
                      **{k: v[of].repeat(len(seeds)) for k, v in setting.items()})
    took = [[steps_to_reach(curve, runs.steps, target) for target in targets]
            for curve in runs.loss["unseen"]]
    return np.reshape(took, (len(of), len(seeds), -1)).swapaxes(1, 2)


def quickest(allowed):
    """For each target, the place of the allowed try that was quickest in tuning."""
    return np.where(allowed, np.minimum(tuned.mean(2), 1e9), np.inf).argmin(0)


tuned = steps_taken(np.arange(len(tries)), range(2), tuning)  # (try, target, seed)
own = np.array([quickest((kind == i)[:, None]) for i in range(len(kinds))])  # (kind, target)
alike = rate[:, None] == rate[own[0]]
shared = np.array([quickest(alike & (kind == i)[:, None]) for i in range(len(kinds))])
chosen, took = np.unique([own, shared]), np.empty((len(tries), len(targets), 6))
took[chosen] = steps_taken(chosen, range(2, 8), judged)
arrive = np.isfinite(took[own, every]).all(2)  # (kind, target): whether all six networks do
last = np.flatnonzero(arrive[0] & arrive[2])[-1]


def times(i, target, longer=1, uncertain=0):
    """Steps (times how much longer each takes) over the plain network's, ± standard error."""
    plain, steps = took[own[[0, i], target], target]
    if np.isinf([plain, steps]).any():
        return "not all arrive"
    if i == 0:
        return "1"
    ratio = steps / plain
    mean = ratio.mean()
    return to_its_error(mean * longer,
                        np.hypot(plot.standard_error(ratio) * longer, mean * uncertain))


fig, axes = plot.figure(2, width=9, height=3.2)
colors = plot.INK, plot.SKY, plot.BLUE, plot.PINK, plot.ORANGE
titles = "all at the plain network's rate", "each at its own rate"
for ax, title, which in zip(axes, titles, (shared, own), strict=True):
    for name, of, color in zip(kinds, took[which, every], colors, strict=True):
        mean, error = np.full((2, len(targets)), np.nan)  # a gap, where not all arrive
        there = np.isfinite(of).all(1)
        mean[there], error[there] = of[there].mean(1), plot.standard_error(of[there], 1)
        drawn = ax.errorbar(targets, mean, error, color=color, label=name, marker=".",
                            zorder=3 if name == "p = 0" else 2)
        if name == "L2":  # it may lie on p = 0
            drawn[0].set(linestyle="--", marker="o", markersize=7, markerfacecolor="none")
    ax.set(xscale="log", yscale="log", xlim=(0.62, 0.085), ylim=(8, 400), title=title,
           xlabel="target: loss on unseen digits, nats")
    ax.set_xticks([0.5, 0.3, 0.2, 0.1], ["0.5", "0.3", "0.2", "0.1"])
    ax.set_yticks([10, 30, 100, 300], ["10", "30", "100", "300"])
    ax.minorticks_off()
axes[1].plot(targets[last], guess * took[own[0, last], last].mean(), "x", color=plot.INK,
             markersize=9, markeredgewidth=2)
axes[0].set_ylabel("steps (6 networks ± s.e.)")
axes[0].legend(loc="lower right", fontsize=9)
told = f"steps to {targets[last]:.2f} nats, p = 0.5 over p = 0: {times(2, last)}"
fig.suptitle(f"Each at its own rate, {told} (×: your guess)", x=0.01, ha="left", fontsize=11)
plot.show(fig, f"Steps against the target for five kinds of training; {told}.",
          claims={"large-p-costs-steps": arrive[3, 0] and all(
              plot.difference(took[own[3, t], t], took[own[0, t], t]).sign > 0
              for t in np.flatnonzero(arrive[0] & arrive[3]))})

# %% [markdown]
# A line has a point for each target that all networks reach in 200 steps. The plain network's best
# rate differs from target to target, so on the left, where all use it, a line may have gaps or be a
# single point. Look at three things: how far the lines lie apart where the target is easy, where
# they end, and which of them need a rate of their own. A large $p$ makes noisy gradients, and a
# rate that suits the plain network can be too much for it.
#
# A step can take longer with dropout than without, so the table gives steps and seconds. (It times
# batches of 32 in this smaller network, so its factor for a step differs from the figure's above.)

# %%
per_step = milliseconds([(128, p, decays[0]) for p, decays in kinds.values()], rows=32)
longer, error = middle(per_step / per_step[0])
easy = np.abs(targets - 0.3).argmin()


def marked(values, grid, i, target):
    """What was chosen, and whether a better value may lie beyond the end of the grid."""
    value = values[own[i, target]]
    if np.isinf(tuned[own[i, target], target]).any():
        return "none"
    return f"{'≥' if value == max(grid) else '≤' if value == min(grid) else ''}{value:g}"


print("Steps and times as multiples of the plain network's: mean of 6 networks (a step: median of")
print("5 runs) ± standard error, without the luck in choosing rates. Seconds: your NumPy code.")
print("≥ or ≤: the quickest is at an end of the grid.\n")
print(f"{'':8}{'a step':>16}" + "".join(
    f"{'rate':>8}{f'steps to {targets[of]:.2f}':>15}" for of in (easy, last))
    + f"{f'seconds to {targets[last]:.2f}':>17}")
for i, name in enumerate(kinds):
    step = to_its_error(longer[i], error[i]) if i else "1"
    print(f"{name:8}{step:>16}" + "".join(
        f"{marked(rate, rates, i, of):>8}{times(i, of):>15}" for of in (easy, last))
        + f"{times(i, last, longer[i], error[i]):>17}")
print("\nL2's strength: " + ", ".join(
    f"{marked(decay, strengths, -1, of)} for {targets[of]:.2f}" for of in (easy, last)))

# %% [markdown]
# So the three claims answer three questions, at least for this small network. That dropout costs
# next to nothing is about a single step: read the column "a step". *Two to three times longer* is
# about many steps, and depends on $p$ and on whose learning rate is used. Faster convergence would
# show in the figure as a line below the plain network's. A line that goes on after the plain
# network's has ended means a lower loss, not a quicker one. Before you believe any of the three,
# ask for the target and for the learning rate. (L2 is the control: a regulariser without coins. It
# may be as weak as you like, so look at the strengths that were quickest.)
#
# ## Back to the overfit network
#
# In {{start_here}} a network learned 200 images by heart, wrong labels included. Here all labels
# are right, and a wider network (256 hidden units) learns 300 images with your own gradients. The
# gap is now one of loss: unseen minus own. Look at the gap at the end of both panels, and then at
# the blue lines alone: a smaller gap is worth something only if the blue line ends lower, too.

# %% figure=true
# A wide network, trained with your own gradients, with and without dropout: takes some seconds.
looks = np.arange(0, 601, 30)
losses = np.empty((2, 5, 2, len(looks)))  # p, seed, seen or not, look
for i, p in enumerate((0.0, 0.5)):
    for seed in range(5):
        rng, coins = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
        net = {"W1": rng.normal(0, 0.2, (256, 64)), "b1": np.zeros(256),
               "W2": rng.normal(0, 0.1, (10, 256)), "b2": np.zeros(10)}
        own, unseen = np.split(rng.choice(len(X), 600, replace=False), 2)  # the same at either p
        change = momentum(0.05)
        for step in range(looks[-1] + 1):
            if step in looks:
                for k, rows in enumerate((own, unseen)):
                    loss = mlp_loss_and_gradients(net, X[rows], y[rows], 0.0, coins)[0]
                    losses[i, seed, k, step // 30] = loss
            rows = rng.choice(own, 32, replace=False)
            changes = change(mlp_loss_and_gradients(net, X[rows], y[rows], p, coins)[1])
            net = {k: net[k] + changes[k] for k in net}

fig, axes = plot.figure(2, height=3.4)
for ax, of, p in zip(axes, losses, (0, 0.5), strict=True):
    for curves, name, color in zip(of.swapaxes(0, 1), ("images it learns", "unseen images"),
                                   (plot.GREY, plot.BLUE), strict=True):
        ax.errorbar(looks, curves.mean(0), plot.standard_error(curves), color=color, label=name)
    gap = of[:, 1, -1] - of[:, 0, -1]
    ax.set(xlabel="steps", ylim=(0, 0.4), title=f"p = {p}: the gap is {gap.mean():.3f} ± "
                                                f"{plot.standard_error(gap):.3f} nats")
axes[0].set_ylabel("log loss, nats (5 networks ± s.e.)")
axes[0].legend()
ends = losses[..., -1]  # p, seed, seen or not
gap = plot.difference(*(ends[::-1, :, 1] - ends[::-1, :, 0]))
blue = plot.difference(*ends[::-1, :, 1])
told = [f"{says}: {of:.3f} nats" for of, says in (
    (gap, gap.says(more="Dropout widens the gap", less="Dropout narrows the gap",
                   same="Whether dropout changes the gap, 5 runs can't say")),
    (blue, blue.says(more="It raises the loss on unseen images",
                     less="It lowers the loss on unseen images",
                     same="Whether it changes the loss on unseen images, 5 runs can't say")))]
fig.suptitle("\n".join(told), x=0.01, ha="left", fontsize=11)
plot.show(fig, "Loss on seen and unseen images against steps, without and with dropout. "
               f"Paired differences: {'. '.join(told)}.")

# %% [markdown]
# The two differences above the panels are paired: both networks of a pair learn the same images,
# from the same weights. If the second is less than about three standard errors from 0, dropout
# neither clearly helped nor clearly hurt. Compare it with the loss itself, too: where all labels
# are right, there is little to learn by heart.

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="still" points=1
# One image a step: under which optimiser do a dropped unit's weights stand still?
#
# - [x] SGD
# - [ ] SGD with momentum
# - [ ] Adam
#
# Hint: which of the three uses the gradient of the present step alone?

# %% question="speed" points=1
# With half of the hidden units dropped, a step of your network takes:
#
# - [ ] half as long
# - [ ] a bit less time
# - [x] no less time
#
# Hint: the products run in full, zeros included, and the coins come on top.

# %% question="arrives" points=1
# A network never reaches the target. In a mean over networks, its number of steps should be:
#
# - [ ] left out
# - [ ] that of its last step
# - [x] infinite
#
# Hint: which of these could make the method that fails most often look quickest?

# %% [markdown]
# ## In your own words
#
# A blog says: "Dropout speeds up training, since each step updates only half of the network."
# Answer in two to five sentences: what is true of it, what is not, and what you would have to be
# told to judge the claim of speed. (In a class, your instructor grades this.)

# %% [markdown] answer="speed_claim" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point for the step: dense products run in full and the coins come on top, so
# a step is no quicker; in a batch every unit gets a gradient from some rows; and an idle unit
# still moves under momentum or Adam. One point for the speed: steps depend on the target, on p and
# on the learning rate (each tuned), must be multiplied by seconds per step, and need several
# seeds.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - A random direction and a frozen mask check the gradient of a whole weight matrix with two calls
#   of the loss.
# - A dropped unit's weights get no gradient, and still move under momentum and Adam.
#   {{claim:rows-coast}}
# - Dropping different units in each row saves no time in a step (here NumPy, on a CPU).
#   {{claim:zeros-save-no-time}}
# - What dropout costs in steps depends on the learning rate, on the target and on $p$: 0.75 takes
#   more than none.{{claim:large-p-costs-steps}}
#
# **Read.** Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, *Dropout: a simple way to
# prevent neural networks from overfitting*, JMLR 15 (2014), appendix A: a practical guide to
# training with dropout. Graham, Reizenstein and Robinson, *Efficient batchwise dropout training
# using submatrices* (2015). Goodfellow, Bengio and Courville, *Deep learning* (2016), §7.12:
# a cheap step need not make a cheap method.
#
# **Stretch.** Make the first figure again with `momentum(0.02)`, ten times the rate. What share of
# the rows is idle, how far do they move, and what would you have concluded without that share?
#
# **Still open.** PyTorch writes the backward pass for you. What is left to get wrong? That is
# {{pytorch}}.
