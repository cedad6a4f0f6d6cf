# %% [markdown]
# # 2.1 · Overfitting
#
# **When does dropout help, and when does it hurt?**
#
# *60 minutes; your computer trains for about two of them. Before: {{inverted_dropout}} and
# {{pytorch}}. After, you will be able to measure what a regulariser does, over seeds and with its
# spread, to choose a rate without looking at the test set, and to say where dropout costs more
# than it gives.*
#
# | symbol | meaning |
# | --- | --- |
# | $p$ | probability that a hidden unit is **dropped** in training |
# | gap | test loss − training loss, both in evaluation mode |
# | $c$ | largest norm that a unit's incoming weights may have |
# | s.e. | standard error $s/\sqrt k$ of a mean over $k$ runs |
# | patience | epochs without a new lowest loss before training ends |

# %% setup=true
from time import perf_counter

import numpy as np
import torch
from matplotlib.patches import Rectangle
from sklearn.datasets import load_diabetes
from torch import nn
from torch.nn import functional as F

from dropoutlab import data, expect, explore, plot, reproduced, train

# %% [markdown]
# ## Where we stand
#
# You have built dropout twice, and know that it is right. Is it any *good*? Its paper is called
# "a simple way to prevent neural networks from overfitting". So let a network overfit: two hidden
# layers of 128 units, 1000 images of printed numerals. It will read every one of them without
# a fault, and err on 13 to 15 % of new ones.
#
# The next cell makes the images, 14 × 14 numbers each.

# %%
def glyphs(n, seed):
    """n images as rows of 14 × 14 numbers (each the mean of 2 × 2 pixels), and their labels."""
    images, labels = data.glyphs(n, seed)
    return data.halved(images).reshape(n, -1), labels


def grid(*axes):
    """Every combination of the axes' values, one array for each axis."""
    return [values.ravel() for values in np.meshgrid(*axes, indexing="ij")]


def band(ax, x, runs, color, label=None, **more):
    """The mean of runs (settings, seeds) with its standard error."""
    ax.errorbar(x, runs.mean(1), plot.standard_error(runs, 1), color=color, label=label,
                marker="o", markersize=4, capsize=2, **more)


SEEDS = np.arange(5)
X, y = glyphs(1000, seed=0)
validation, test = glyphs(1000, seed=1), glyphs(2000, seed=2)
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.set_num_threads(1)  # products this small would only wait for each other's threads

# %% [markdown]
# **Before you train, guess: what error rate is left with dropout at $p=0.3$?**

# %% guess=true
my_guess = 8  # error rate on new images in percent, with dropout at p = 0.3

# %% figure=true
# Loss and error rate of 2 × 5 networks while they train, with and without dropout.
guess = expect.guess(my_guess)
rates, seeds = grid([0, 0.3], SEEDS)
first = train.many(X, y, seeds=seeds, p=rates, rate=0.05, steps=800, every=40, device=device,
                   watch={"validation": validation, "test": test})

fig, axes = plot.figure(2, height=3)
for i, (name, color) in enumerate((("no dropout", plot.ORANGE), ("p = 0.3", plot.BLUE))):
    for found, style in (("train", ":"), ("test", "-")):
        for ax, curve in ((axes[0], first.loss[found]), (axes[1], 100 * first.error[found])):
            curve = curve.reshape(2, 5, -1)[i, :, 1:]
            middle, se = curve.mean(0), plot.standard_error(curve)
            ax.plot(first.steps[1:], middle, style, color=color, label=f"{found}, {name}")
            ax.fill_between(first.steps[1:], middle - se, middle + se, color=color, alpha=0.2)
losses, errors = first.loss["test"].reshape(2, 5, -1), 100 * first.error["test"].reshape(2, 5, -1)
low = first.loss["validation"][:5].mean(0).argmin()  # where stopping would be best, at p = 0
rise = plot.difference(losses[0, :, -1], losses[0, :, low])
change = plot.difference(errors[0, :, -1], errors[0, :, low])
words = {"more": "rises", "less": "falls", "same": "hardly moves"}
axes[0].set(xlabel="step", ylabel="log loss, nats", ylim=(0, 1.2),
            title=f"p = 0, from step {first.steps[low]}: test loss {rise.says(**words)}")
axes[1].set(xlabel="step", ylabel="error rate, %", ylim=(0, 30),
            title=f"and test error {change.says(**words)}")
axes[1].axhline(guess, color=plot.GREY, linestyle="--")
axes[1].annotate("your guess", (800, guess), ha="right", va="bottom", color=plot.GREY)
axes[0].legend(fontsize=8, ncols=2)
plot.show(fig, "Loss and error of 2 × 5 networks while they train, with and without dropout.")
left = errors[1, :, -1]
print(f"You said {guess} %; with dropout it was {left.mean():.1f} ± "
      f"{plot.standard_error(left):.1f} %, against p = 0 "
      f"{plot.difference(left, errors[0, :, -1]):.1f} points.\n"
      f"Without dropout, from step {first.steps[low]} to the end: test loss {rise:.2f} nats, "
      f"test error {change:.1f} points.")

# %% [markdown]
# Lines are means of five networks, bands their standard error. Three things to see. Dropout takes
# away a small part of the error rate, well outside the bands, and not most of it. "Overfitting
# means that the test error rises again" is half right: the *loss* rises, the error rate does not.
# And with dropout too the training error ends at zero: it prevents nothing, it leans on the scales.
#
# ### One question from {{pytorch}}
#
# A network with dropout is in training mode. Is the loss that you read off in this mode above or
# below the one in evaluation mode, on the same images? (Think of your answer, then go on.)
#
# ### A worked example: one step

# %%
one = nn.Linear(196, 10)
optimizer = torch.optim.SGD(one.parameters(), lr=0.5)
images, labels = torch.tensor(X[:64]), torch.tensor(y[:64])
for step in range(3):
    loss = F.cross_entropy(one(images), labels)  # the mean over the 64 images
    one.zero_grad()  # gradients add up until somebody clears them
    loss.backward()
    optimizer.step()
    print(f"step {step}: loss {loss.item():.3f}")

# %% setup=true
# For the checks: a layer that notes what it sees.
class Noted(nn.Module):
    """A linear layer that notes each row it sees, for the checks of train_epoch: its number (the
    last feature), the number of the batch, whether in training mode, and the logits it gave."""

    def __init__(self, features, classes):
        super().__init__()
        self.layer = nn.Linear(features, classes, bias=False)
        self.register_buffer("notes", torch.full((400, 3 + classes), -1.0))

    def forward(self, x):
        at, batch = int((self.notes[:, 0] >= 0).sum()), float(self.notes[:, 1].max()) + 1
        out = self.layer(x[:, :-1])
        for k, (row, logits) in enumerate(zip(x[:, -1].tolist(), out.tolist(), strict=True)):
            self.notes[at + k] = torch.tensor([row, batch, self.training, *logits])
        return out

    def seen(self):
        """Rows, batches, modes and logits noted so far."""
        rows, batches, modes, *logits = self.notes[self.notes[:, 0] >= 0].numpy().T
        return rows, batches, modes, np.transpose(logits)

# %% [markdown]
# ## Exercise: `train_epoch`
#
# An epoch is one pass over all rows, in batches and in a new order. "A few rows more or less do
# not matter": they do where the last, smaller batch is thrown away for good, or where rows are
# drawn with replacement and a third of them is missed in each pass.

# %% exercise="train_epoch"
def train_epoch(model, X, y, optimizer, batch_size, generator):
    """One pass over the rows of X in a random order: a step on each batch's mean cross-entropy.

    model : module, X (b, …) -> logits (b, classes); is put into training mode
    X, y : tensors (n, …) and (n,) of classes
    batch_size : rows in a batch; the last batch holds what is left
    generator : torch.Generator, or None for torch's own; draws the order, anew in each call
    Returns the mean over all n rows of the losses met on the way, as a float.
    """
    ### BEGIN SOLUTION
    model.train()
    total = 0.0
    for rows in torch.randperm(len(X), generator=generator).split(batch_size):
        loss = F.cross_entropy(model(X[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    return total / len(X)
    ### END SOLUTION

# %% [markdown] hint="train_epoch"
# `torch.randperm(n, generator=...)` is an order of the rows. A tensor can be `.split` into parts
# of a given length; its last part is what is left.

# %% [markdown] hint="train_epoch"
# Inside the loop stand the four lines of the worked example. Which mode must the model be in
# before the first of them?

# %% [markdown] hint="train_epoch"
# A batch of two rows must not weigh as much in the mean as one of 64. Add up each batch's loss
# times its number of rows.

# %% [markdown]
# Look at your own training before you check it: five networks with dropout at $p=0.5$. Shown are
# what your function returns, and the loss of the same networks in evaluation mode.

# %%
tensors = [torch.as_tensor(part) for part in (X, y, *test)]
losses = np.empty((5, 15, 3))
for seed in range(5):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(196, 128), nn.ReLU(), nn.Dropout(0.5),
                          nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(15):
        losses[seed, epoch, 0] = train_epoch(model, *tensors[:2], optimizer, 64, None)
        model.eval()
        with torch.no_grad():
            for k in (0, 1):
                inputs, targets = tensors[2 * k : 2 * k + 2]
                losses[seed, epoch, 1 + k] = F.cross_entropy(model(inputs), targets)

fig, (ax,) = plot.figure(1, height=2.8, width=6.5)
names = ("training images, as returned", "training images, evaluation mode", "new images")
for k, (name, color) in enumerate(zip(names, (plot.ORANGE, plot.BLUE, plot.INK), strict=True)):
    band(ax, np.arange(1, 16), losses[:, :, k].T, color, name)
above = plot.difference(losses[:, -1, 0], losses[:, -1, 2])
where = above.says(more="is above", less="is below", same="cannot be told from")
ax.set(xlabel="epoch", ylabel="log loss, nats (5 runs ± s.e.)", ylim=(0, None),
       title=f"At the end the returned loss {where} that of new images: {above:.2f}")
ax.legend()
plot.show(fig, "Three losses over 15 epochs: as returned, in evaluation mode, and of new images.")

# %% [markdown]
# "Training loss above test loss: there must be a bug", people write. There is none. The returned
# loss is that of thinned networks, and was met while they still learned. Compare losses in *one*
# mode only.

# %% check="train_epoch" points=1
# An epoch shows the model each row once, in batches, in training mode.
with expect.case("train_epoch(model, X, y, optimizer, 8, generator) on 42 rows"):
    model, numbered = Noted(1, 2).eval(), torch.arange(42.0)[:, None] * torch.tensor([0.0, 1.0])
    train_epoch(model, numbered, torch.arange(42) % 2,
                torch.optim.SGD(model.parameters(), lr=0.0), 8, expect.generator())
    rows, batches, modes, _ = model.seen()
    expect.equal(len(rows), 42, hint="each row is seen once in an epoch.",
                 suspects=[(40, "the last, smaller batch is left out. It counts too."),
                           (8, "one batch is no epoch. Go on until every row was seen."),
                           (84, "each row goes through the model twice. Once is enough.")])
    sizes = np.unique(batches, return_counts=True)[1]
    expect.equal(np.sort(sizes), [2, 8, 8, 8, 8, 8],
                 hint="cut batches of batch_size rows; the last one holds what is left.",
                 suspects=[([42], "all rows are in one batch. Use batch_size."),
                           (np.ones(42), "each row is a batch of its own. Use batch_size."),
                           ([7] * 6, "the batches are cut alike. Each has batch_size rows, and "
                                     "the last one what is left.")])
    expect.equal(np.sort(rows), np.arange(42.0),
                 hint="some rows come twice and others never, as when they are drawn with "
                      "replacement. Each row is seen once in an epoch.")
    expect.equal("training" if modes.all() else "evaluation", "training",
                 hint="a batch met the model in evaluation mode. Call model.train() first.")

# %% check="train_epoch" points=1
# The order is random, another one in each call, and follows from the generator.
def order_of(calls, generator):
    """The rows in the order of `calls` calls of train_epoch, one array for each."""
    model, numbered = Noted(1, 2), torch.arange(42.0)[:, None] * torch.tensor([0.0, 1.0])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for _ in range(calls):
        train_epoch(model, numbered, torch.arange(42) % 2, optimizer, 8, generator)
    return np.split(model.seen()[0], calls)


seed = int(expect.rng().integers(2**31))
with expect.case("the rows of train_epoch(model, X, y, optimizer, 8, generator), called twice"):
    once, again = order_of(2, torch.Generator().manual_seed(seed))
    expect.equal(len(once) > 0, True, hint="the model is never called.")
    by_batch = [np.sort(once[k : k + 8]) for k in range(0, len(once), 8)]
    expect.varies([np.concatenate(by_batch), np.sort(once)], chance=1e-26,
                  what="rows from all over X in each batch",
                  hint="the batches hold the rows as they stand in X. Shuffle all rows first.")
    expect.varies(np.sort(np.diff(once))[5:-5], chance=1e-30, what="neighbours from all over X",
                  hint="most neighbours in X stay neighbours. Shuffle the rows, then cut batches.")
    expect.varies([once, again], chance=1e-51, what="another order in each epoch",
                  hint="both epochs have one order. Draw a new one in each call.")
with expect.case("train_epoch(…, generator) with two generators of one seed"):
    (same,) = order_of(1, torch.Generator().manual_seed(seed))
    expect.repeats(once, same, hint="the order does not follow from generator. "
                                      "Let generator, and nothing else, draw it.")

# %% check="train_epoch" points=1
# Each batch makes one step of the optimiser, on its own mean loss.
rng = expect.rng()
inputs, targets = torch.tensor(rng.normal(size=(10, 3))), torch.tensor(rng.permutation(10))
numbered = torch.cat([inputs, torch.arange(10.0)[:, None]], 1)
with expect.case("the weights after train_epoch(model, X, y, optimizer, 4, generator), 10 rows"):
    model = Noted(3, 10).double()
    begin = model.layer.weight.detach().clone()
    train_epoch(model, numbered, targets, torch.optim.SGD(model.parameters(), lr=0.5), 4,
                expect.generator())
    rows, batches, *_ = model.seen()
    parts = [torch.tensor(rows[batches == k]).long() for k in np.unique(batches)]
    expect.equal(len(parts) > 0, True, hint="the model is never called.")

    def weights(reduction="mean", *, paired=True, piled=False, steps=400):
        """The weights that these batches lead to, trained right or wrong."""
        W, slope = begin, 0
        for k, part in enumerate(parts):
            V, done = W.clone().requires_grad_(), sum(map(len, parts[:k]))
            own = targets[part] if paired else targets.roll(-done)[: len(part)]
            lost = F.cross_entropy(inputs[part] @ V.T, own, reduction=reduction)
            slope = torch.autograd.grad(lost, V)[0] + (slope if piled else 0)
            W = W - 0.5 * slope if k >= len(parts) - steps else W
        return W

    expect.close(
        model.layer.weight.detach(), weights(), rtol=1e-5, atol=1e-7,
        hint="for each batch: clear the gradients, go backward from its mean loss, and step.",
        suspects=[
            (weights(piled=True), "gradients of earlier batches pile up. Clear them first."),
            (weights(piled=True, steps=1),
             "there is one step for the whole epoch. Step on each batch."),
            (weights("sum"), "the loss of a batch is summed. Take its mean."),
            (weights(paired=False), "the rows of X are shuffled, and those of y are not."),
            (begin, "the weights are as they were. A batch takes loss.backward() and then "
                    "optimizer.step(), with no zero_grad() in between."),
        ],
    )

# %% check="train_epoch" points=1
# What comes back is the mean, over all rows, of the losses met on the way.
rng = expect.rng()
targets = torch.tensor(rng.permutation(10))
numbered = torch.cat([torch.tensor(rng.normal(size=(10, 3))), torch.arange(10.0)[:, None]], 1)
with expect.case("the value of train_epoch(model, X, y, optimizer, 4, generator), 10 rows"):
    model = Noted(3, 10).double()
    returned = train_epoch(model, numbered, targets, torch.optim.SGD(model.parameters(), lr=0.5),
                           4, expect.generator())
    rows, batches, _, logits = model.seen()
    each = F.cross_entropy(torch.tensor(logits), targets[rows.astype(int)], reduction="none")
    losses = np.array([each.numpy()[batches == k].mean() for k in np.unique(batches)])
    expect.close(
        returned, each.sum() / 10, rtol=1e-5,
        hint="add up the batches' losses, each times its number of rows, and divide by n.",
        suspects=[(losses.mean(), "the last batch has 2 rows, and weighs as much as one of 4."),
                  (losses[-1:].sum(), "that is the last batch's loss. Take the mean over all."),
                  (losses.sum(), "that is the sum of the batches' losses. Divide by n rows."),
                  (losses.sum() / 10, "a batch's loss is its mean: times its number of rows."),
                  (each.sum(), "that is the sum over the rows. Divide by n.")],
    )
    expect.equal(bool(getattr(returned, "requires_grad", False)), False,
                 hint="a tensor with its history keeps every batch alive. Return a number: "
                      "loss.item().")

# %% mistakes="train_epoch"
{
    "last, smaller batch is left out": ("(batch_size):", "(batch_size)[: len(X) // batch_size]:"),
    "one batch is no epoch": (".split(batch_size):", ".split(batch_size)[:1]:"),
    "goes through the model twice": ("loss.item()", "F.cross_entropy(model(X[rows]), y[rows])"),
    "all rows are in one batch": ("split(batch_size)", "split(len(X))"),
    "each row is a batch": ("split(batch_size)", "split(1)"),
    "cut alike": ("split(batch_size)", "tensor_split(-(-len(X) // batch_size))"),
    "with replacement": ("randperm(len(X), ", "randint(len(X), (len(X),), "),
    "Call model.train()": ("    model.train()\n", ""),
    "as they stand in X": ("torch.randperm(len(X), generator=generator)", "torch.arange(len(X))"),
    "stay neighbours": ("torch.randperm(len(X), generator=generator).split(batch_size)",
                        """[torch.arange(len(X)).split(batch_size)[k] for k in torch.randperm(
                            -(-len(X) // batch_size), generator=generator)]"""),
    "both epochs have one order": ("=generator", "=torch.Generator().manual_seed(0)"),
    "does not follow from generator": (", generator=generator", ""),
    "pile up": ("        optimizer.zero_grad()\n", ""),
    "one step for the whole epoch": (
        """optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)""", """loss.backward()
        total += loss.item() * len(rows)
    optimizer.step()"""),
    "a batch is summed": ("y[rows])", 'y[rows], reduction="sum")'),
    "those of y are not": (
        "for rows in torch.randperm(len(X), generator=generator)", "X = X[torch.randperm(len(X), "
        "generator=generator)]\n    for rows in torch.arange(len(X))"),
    "weights are as they were": ("        optimizer.step()\n", ""),
    "takes loss.backward()": ("        loss.backward()\n", ""),
    "with no zero_grad()": ("loss.backward()", "loss.backward()\n        optimizer.zero_grad()"),
    "weighs as much as one of 4": (" * len(rows)\n    return total / len(X)",
                                   "\n    return total / -(-len(X) // batch_size)"),
    "last batch's loss": ("total / len(X)", "loss.item()"),
    "sum of the batches' losses": (" * len(rows)\n    return total / len(X)", "\n    return total"),
    "times its number of rows": (" * len(rows)", ""),
    "sum over the rows": ("return total / len(X)", "return total"),
    "keeps every batch alive": ("loss.item()", "loss"),
}

# %% correct="train_epoch"
def train_epoch(model, X, y, optimizer, batch_size, generator):
    pairs, total = torch.utils.data.TensorDataset(X, y), torch.zeros(())
    batches = torch.utils.data.DataLoader(pairs, batch_size, shuffle=True, generator=generator)
    for inputs, answers in batches:
        model.train().zero_grad()
        loss = -F.log_softmax(model(inputs), -1).gather(1, answers[:, None]).mean()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(inputs) / len(X)
    return total.item()

# %% [markdown]
# ## Exercise: `generalisation_gap`
#
# What a regulariser is said to shrink: how much more a network loses on new data than on the data
# it was trained on. A negative gap is no error; it says that the test set was easier, or that the
# two losses were read in different modes.

# %% exercise="generalisation_gap"
def generalisation_gap(train_loss, test_loss):
    """Test loss minus training loss, entry by entry.

    train_loss, test_loss : numbers, lists or arrays of one shape (runs, epochs, …); losses of
        different shapes raise ValueError
    Returns a float array of that shape; it is positive where new data are harder.
    """
    ### BEGIN SOLUTION
    train_loss, test_loss = np.asarray(train_loss, float), np.asarray(test_loss, float)
    if train_loss.shape != test_loss.shape:
        raise ValueError(f"losses of one shape, not {train_loss.shape} and {test_loss.shape}")
    return test_loss - train_loss
    ### END SOLUTION

# %% [markdown] hint="generalisation_gap"
# Two lists cannot be subtracted; two arrays can.

# %% [markdown] hint="generalisation_gap"
# Shapes (5,) and (5, 1) *can* be subtracted as well, and give 25 numbers without a word. So
# compare the shapes first.

# %% [markdown] hint="generalisation_gap"
# `np.asarray(value, float)` takes numbers, lists and arrays alike, and has a `.shape`.

# %% check="generalisation_gap" points=1
# A gap is test minus training loss, entry by entry, of numbers, lists or arrays.
for what, trained, tested in (
    ("two numbers", 0.25, 0.75),
    ("two lists", [0.5, 0.4, 0.9], [0.75, 0.4, 0.5]),
    ("two arrays of shape (2, 3)", np.full((2, 3), 0.5), np.arange(6.0).reshape(2, 3)),
    ("two random arrays", expect.rng().random(7), expect.rng().random(7)),
):
    with expect.case(f"generalisation_gap(train_loss, test_loss) of {what}",
                     crash=[("list|attribute", "numbers have no shape, and lists cannot be "
                                               "subtracted. Make arrays of them.")]):
        a, b = np.array(trained), np.array(tested)
        expect.close(generalisation_gap(trained, tested), b - a, rtol=1e-5, atol=1e-6,
                     hint="subtract entry by entry.",
                     suspects=[
                         (a - b, "the sign is the other way round: test minus training."),
                         (abs(a - b), "a gap may be negative. Leave its sign."),
                         (np.maximum(b - a, 0), "a gap may be negative. Do not cut it at zero."),
                         (b / a, "that is the ratio. Take the difference."),
                         ((b - a) / a, "that is relative to the training loss. Do not divide."),
                         ((b - a).mean(), "that is a mean. Give the gap entry by entry."),
                     ])

# %% check="generalisation_gap" points=1
# Losses of different shapes are not broadcast.
for shapes in (((5,), (5, 1)), ((3, 4), (4,)), ((), (6,))):
    with expect.case("generalisation_gap of losses of the shapes {} and {}".format(*shapes)):
        try:
            found = generalisation_gap(*map(np.ones, shapes))
        except ValueError:
            found = "ValueError"
        expect.equal(found, "ValueError", hint="NumPy stretches these, and gives numbers that "
                                               "belong to no run. Raise ValueError instead.")

# %% mistakes="generalisation_gap"
{
    "the other way round": ("test_loss - train_loss", "train_loss - test_loss"),
    "Leave its sign": ("test_loss - train_loss", "abs(test_loss - train_loss)"),
    "cut it at zero": ("test_loss - train_loss", "np.maximum(test_loss, train_loss) - train_loss"),
    "that is the ratio": ("test_loss - train_loss", "test_loss / train_loss"),
    "relative to the training loss": ("test_loss - train_loss", "test_loss / train_loss - 1"),
    "Make arrays of them": (
        "train_loss, test_loss = np.asarray(train_loss, float), np.asarray(test_loss, float)", ""),
    "that is a mean": ("return test_loss - train_loss", "return (test_loss - train_loss).mean()"),
    "NumPy stretches": ("train_loss.shape != test_loss.shape", "False"),
    "belong to no run": (".shape != test_loss.shape", ".size != test_loss.size"),
}

# %% correct="generalisation_gap"
def generalisation_gap(train_loss, test_loss):
    if np.shape(train_loss) != np.shape(test_loss):
        raise ValueError("these differ")
    return torch.tensor(test_loss).float().numpy() + np.multiply(-1.0, train_loss)

# %% [markdown]
# ## Fifty networks at once
#
# One network proves nothing: another seed gives another number. To compare ten rates over five
# seeds takes fifty networks, and that is where most people stop counting. Small networks spend
# most of their time in *calling* torch, not in computing. So `train.many` gives each parameter a
# leading axis "network"; a layer of all networks is one batched product (`torch.baddbmm`).
# Networks of one seed share initial weights, order of rows and the uniform numbers behind their
# masks, so what differs between them is due to the setting. Below, 50 networks with 32 hidden
# units: with your `train_epoch` one after another on one core (ten are timed, and count five
# times), and at once, on all cores.

# %%
images, labels, *_ = data.digits()
flat = images.reshape(len(images), -1)
inputs, targets = torch.tensor(flat, dtype=torch.float32), torch.tensor(labels)
seconds = np.empty((2, 5))
for run in range(5):
    start = perf_counter()
    for _ in range(10):  # ten networks, and times five below
        model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(2):
            train_epoch(model, inputs, targets, optimizer, 32, None)
    seconds[0, run] = 5 * (perf_counter() - start)
    start = perf_counter()
    together = train.many(flat, labels, [32], seeds=range(50), p=0.5, batch=32, steps=2 * 41,
                          device=device)
    seconds[1, run] = perf_counter() - start
alone = train.many(flat, labels, [32], seeds=[7], p=0.5, batch=32, steps=2 * 41, device=device)
off = (alone.weights[0][0] - together.weights[0][7]).abs().max().item()

fig, (ax,) = plot.figure(1, height=1.7, width=7)
plot.bars(seconds.mean(1), ["one after another", "at once"], ax,
          spread=plot.standard_error(seconds, 1), colors=[plot.ORANGE, plot.BLUE])
ax.set_xlabel("seconds for 2 epochs of 50 networks (5 runs ± s.e.)")
ratio = seconds[0] / seconds[1]
ax.set_title(f"At once: {ratio.mean():.1f} ± {plot.standard_error(ratio):.1f} times as fast here")
plot.show(fig, "Time to train 50 small networks one after another, and at once.")
print(f"by run: {ratio.min():.1f} to {ratio.max():.1f} times as fast; the weights of network 7, "
      f"trained among fifty and alone, differ by {off:.0e} at most")

# %% [markdown]
# ## Exercise: `rate_sweep`
#
# The bread and butter of this lesson. Two temptations: to give each rate seeds of its own, so that
# luck and rate are mixed up; and to leave out a run that "went wrong". A run that diverged is a
# result, and the mean must show it.

# %% exercise="rate_sweep"
def rate_sweep(train, rates, seeds):
    """Train at each rate with each seed; a table of the mean result and its standard error.

    train : callable (p, seed) -> a number, such as the test error
    rates : drop probabilities, a list or array
    seeds : two seeds or more, a list or array; k of them, the same for all rates
    Returns an array (len(rates), 2): mean, and s / sqrt(k) with the k - 1 in s. A row with a
    NaN among its results is NaN.
    """
    ### BEGIN SOLUTION
    runs = np.array([[train(p, seed) for seed in seeds] for p in rates])
    return np.stack([runs.mean(1), runs.std(1, ddof=1) / np.sqrt(len(seeds))], axis=1)
    ### END SOLUTION

# %% [markdown] hint="rate_sweep"
# First a table of all results, one row for each rate and one column for each seed.

# %% [markdown] hint="rate_sweep"
# Then the mean and the standard deviation over the seeds. Which axis is that, and which `ddof`
# has $k-1$ in it?

# %% [markdown] hint="rate_sweep"
# `np.stack` of two arrays of length r along axis 1 has the shape (r, 2). Let NaN go through:
# `np.mean` does, `np.nanmean` does not.

# %% check="rate_sweep" points=1
# Each rate is tried once with each seed, and all rates with the same seeds.
seeds, called = [3, 8, 11, 20], []
with expect.case("the calls of train by rate_sweep(train, [0.0, 0.25, 0.5], [3, 8, 11, 20])"):
    rate_sweep(lambda p, seed: called.append((p, seed)) or 10 * p + seed**0.5,
               [0.0, 0.25, 0.5], seeds)
    expect.equal(np.array(sorted(called)),
                 np.array([(p, seed) for p in (0.0, 0.25, 0.5) for seed in seeds]),
                 hint="call train(p, seed) once for each rate with each seed.",
                 suspects=[
                     (np.array([(0.0, 3), (0.25, 8), (0.5, 11)]),
                      "each rate has one seed. Try each rate with every seed."),
                     (np.array(sorted((s, p) for p in (0.0, 0.25, 0.5) for s in seeds)),
                      "the arguments are swapped: call train(p, seed)."),
                     (np.array([(p, s) for p in (0.0, 0.25, 0.5) for s in range(4)]),
                      "the seeds are counted, not used. Hand on the seeds themselves."),
                 ])

# %% check="rate_sweep" points=1
# A row holds the mean over the seeds and its standard error.
with expect.case("rate_sweep(train, [0.0, 0.25, 0.5], [3, 8, 11, 20])"):
    a = 1 + expect.rng().random()
    table = rate_sweep(lambda p, seed: 10 * p + (a + p) * seed**0.5, [0.0, 0.25, 0.5],
                       [3, 8, 11, 20])
    runs = np.array([[10 * p + (a + p) * s**0.5 for s in (3, 8, 11, 20)] for p in (0, 0.25, 0.5)])
    expect.array(table, (3, 2), hint="return an array with one row for each rate: mean, "
                                     "standard error.")
    expect.close(table[:, 0], runs.mean(1), rtol=1e-5,
                 hint="the first column is the mean over the seeds.",
                 suspects=[(np.median(runs, 1), "that is the median. Take the mean."),
                           (runs.min(1), "that is the best run. Take the mean over all.")])
    s = runs.std(1, ddof=1)
    expect.close(
        table[:, 1], s / 2, rtol=1e-5, hint="the second column is s / sqrt(k), over the seeds.",
        suspects=[
            (s, "that is the standard deviation. Divide it by sqrt(k)."),
            (runs.std(1), "that is a standard deviation, with k in it. Divide it by sqrt(k)."),
            (runs.std(1) / 2, "s has k in it. Its estimate from k runs has k - 1: ddof=1."),
            (s / 4, "s is divided by k. Divide by its square root."),
            (s / 3**0.5, "s is divided by the square root of the number of rates, or of k - 1. "
                         "Count the seeds."),
            (s**2 / 4, "that is the square of the standard error."),
            (s**2, "that is the variance. The standard error is s / sqrt(k)."),
        ])

# %% check="rate_sweep" points=1
# A run that diverged shows in its row, and in no other.
with expect.case("rate_sweep where one of three runs at p = 0.5 gives NaN"):
    table = rate_sweep(lambda p, seed: float("nan") if p > 0.4 and seed == 2 else p + seed,
                       np.array([0, 0.5]), np.array([1, 2, 3]))
    expect.equal(np.isnan(np.asarray(table, float)), [[False, False], [True, True]],
                 hint="there is NaN in the row of the diverged run, and in no other.",
                 suspects=[([[False, False], [False, se]],
                            "a diverged run is a result. Let its NaN through.")
                           for se in (False, True)])

# %% mistakes="rate_sweep"
{
    "each rate has one seed": ("[train(p, seed) for seed in seeds] for p in rates",
                               "[train(p, seed)] for p, seed in zip(rates, seeds)"),
    "arguments are swapped": ("train(p, seed)", "train(seed, p)"),
    "seeds are counted": ("for seed in seeds", "for seed in range(len(seeds))"),
    "one row for each rate": ("axis=1", "axis=0"),
    "that is the median": ("runs.mean(1)", "np.median(runs, 1)"),
    "that is the best run": ("runs.mean(1)", "runs.min(1)"),
    "that is the standard deviation": (" / np.sqrt(len(seeds))", ""),
    "with k in it": ("1, ddof=1) / np.sqrt(len(seeds))", "1)"),
    "k - 1: ddof=1": (", ddof=1", ""),
    "s is divided by k": ("np.sqrt(len(seeds))", "len(seeds)"),
    "number of rates": ("np.sqrt(len(seeds))", "np.sqrt(len(rates))"),
    "square of the standard error": ("std(1, ddof=1) / np.sqrt(len(seeds))",
                                     "var(1, ddof=1) / len(seeds)"),
    "that is the variance": ("std(1, ddof=1) / np.sqrt(len(seeds))", "var(1, ddof=1)"),
    "Let its NaN through": ("runs.mean(1), runs.std(1,", "np.nanmean(runs, 1), np.nanstd(runs, 1,"),
    "a diverged run is a result": ("runs.mean(1)", "np.nanmean(runs, 1)"),
}

# %% correct="rate_sweep"
def rate_sweep(train, rates, seeds):
    table, k = [], len(seeds)
    for p in rates:
        found = [train(p=p, seed=seed) for seed in seeds]
        middle = sum(found) / k
        table += [(middle, (sum((f - middle) ** 2 for f in found) / (k - 1) / k) ** 0.5)]
    return np.array(table, np.float32)

# %% [markdown]
# The sweep, with your table and your gap. `train.many` has trained all 45 networks before, and
# what your function calls looks its results up. **Predict first**: which rate has the lowest test
# error, and has it the smallest gap too?

# %% guess=true
my_guess = 0.5  # drop probability p with the lowest test error, of 0, 0.1, … 0.8

# %% figure=true
# Test error and gap of five networks at each of nine rates.
guess = expect.guess(my_guess)
rates = np.arange(9) / 10
drops, seeds = grid(rates, SEEDS)
runs = train.many(X, y, seeds=seeds, p=drops, rate=0.05, steps=600, device=device,
                  watch={"test": test})
errors = dict(zip(zip(drops, seeds, strict=True), 100 * runs.error["test"][:, -1], strict=True))
gaps = dict(zip(errors, generalisation_gap(runs.loss["train"], runs.loss["test"])[:, -1],
                strict=True))
error_table = rate_sweep(lambda p, seed: errors[p, seed], rates, SEEDS)
gap_table = rate_sweep(lambda p, seed: gaps[p, seed], rates, SEEDS)

fig, axes = plot.figure(2, height=2.8)
for ax, table, color in zip(axes, (error_table, gap_table), (plot.BLUE, plot.GREEN), strict=True):
    ax.errorbar(rates, table[:, 0], table[:, 1], color=color, marker="o", capsize=2)
    ax.axvline(guess, color=plot.GREY, linestyle="--")
    ax.set(xlabel="drop probability p", ylim=(0, None))
axes[0].annotate("your guess ", (guess, 0.93), xycoords=("data", "axes fraction"), ha="right",
                 color=plot.GREY)
by_p = np.array([[errors[p, seed] for seed in SEEDS] for p in rates])
best = error_table[:, 0].argmin()
valley = [f"{p:g}" for p, own in zip(rates, by_p, strict=True)
          if plot.difference(own, by_p[best]).sign == 0]
axes[0].set(ylabel="test error, % (5 runs ± s.e.)", title=f"Lowest mean at p = {rates[best]:g}")
axes[1].set(ylabel="gap, nats (5 runs ± s.e.)",
            title=f"Smallest gap at p = {rates[gap_table[:, 0].argmin()]:g}")
plot.show(fig, "Test error, and gap between the losses, against the drop probability p.")
print(f"You said p = {guess:g}. Not told from the lowest, as 0 is in the 95 % interval of the "
      f"paired difference: p = {', '.join(valley)}.")

# %% [markdown]
# The shape is that of the paper's Figure 9a: a wide flat valley, and a wall where the thinned
# networks are too small for the task. (Its $p$ keeps, so its figure runs the other way.) The
# valley's neighbours do not differ by more than their spread, so "the optimal rate is 0.2" is
# more than five seeds can tell. And a small gap is no aim: at $p=0.8$ hardly a gap is left, since
# the network no longer learns its *training* images.
#
# ## Exercise: `max_norm_`
#
# The paper's best networks use dropout with a bound: after each step, each hidden unit's incoming
# weights are brought back to a norm of at most $c$. "Every row gets the norm $c$" is the
# misunderstanding here. A bound leaves shorter rows as they are.

# %% exercise="max_norm_"
def max_norm_(weight, c):
    """Shorten each row of `weight` whose Euclidean norm exceeds c to norm c, in place.

    weight : floating tensor or nn.Parameter (outputs, …); a row is weight[i], of any shape
    c : positive bound
    Rows of norm c or less, zero ones among them, stay as they are. No gradient is recorded.
    Returns `weight` itself.
    """
    ### BEGIN SOLUTION
    rows = weight.detach()  # the same memory, and no gradient
    norms = rows.flatten(1).norm(dim=1).reshape(-1, *[1] * (rows.dim() - 1))
    rows *= torch.where(norms > c, c / norms, 1)
    return weight
    ### END SOLUTION

# %% [markdown] hint="max_norm_"
# `weight.flatten(1)` makes one row of all that belongs to an output. Its norms are one number
# for each row.

# %% [markdown] hint="max_norm_"
# A factor for each row: $c/\text{norm}$ where the norm is too large, and 1 elsewhere. Give it as
# many axes as the weight has, and multiply in place (`mul_`).

# %% [markdown] hint="max_norm_"
# A parameter refuses to be written into while gradients are recorded: `with torch.no_grad():`.

# %% [markdown]
# Your function on the first layer of a network without dropout from the first figure:

# %%
before = first.weights[0][0].cpu()
after = max_norm_(before.clone(), 1.5)

fig, (ax,) = plot.figure(1, height=2.5, width=6)
ax.scatter(before.norm(dim=1), after.norm(dim=1), s=14, color=plot.BLUE)
ax.axhline(1.5, color=plot.GREY, linestyle="--", zorder=0)
ax.set(xlabel="norm of a unit's incoming weights before", ylabel="and after")
ax.set_title("max_norm_(weight, 1.5), 128 units")
plot.show(fig, "Norms of the incoming weights of 128 units, before and after max_norm_.")

# %% check="max_norm_" points=1
# Rows longer than c are cut to norm c, and the others stay as they are.
with expect.case("the value of max_norm_(weight, 2.0), rows of norm 5, 1, 0 and 2.5"):
    weight = torch.tensor([[3.0, 4.0], [0.6, 0.8], [0.0, 0.0], [1.5, -2.0]], dtype=torch.float64)
    old = weight.numpy().copy()
    norms = np.linalg.norm(old, axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        nan = 2 * old / norms
    expect.close(
        max_norm_(weight, 2.0), [[1.2, 1.6], [0.6, 0.8], [0.0, 0.0], [1.2, -1.6]], rtol=1e-5,
        atol=1e-6, hint="rows longer than c are cut to norm c, and the others stay.",
        suspects=[
            (nan, "0 / 0 gives NaN in the row of zeros. Leave short rows alone."),
            (2 * old / np.maximum(norms, 1e-12), "short rows grow to norm c. Leave them alone."),
            (old, "the rows are as long as before. Write the shortened ones into weight."),
            (old * np.minimum(1, 2 / np.linalg.norm(old, axis=0)),
             "the columns are bounded. A row holds a unit's incoming weights."),
            (old * 2 / np.linalg.norm(old), "the whole matrix is bounded. Bound each row."),
            (old.clip(-2, 2), "single entries are clipped. Bound the norm of each row."),
            (old * np.minimum(1, 2 / np.maximum(norms, 1) ** 2),
             "the factor has the square of the norm."),
            (old * np.minimum(1, 2 / np.maximum(abs(old).sum(1, keepdims=True), 1)),
             "that is the sum of magnitudes. The Euclidean norm is meant."),
            (old / np.maximum(norms, 2), "long rows get norm 1, not c."),
        ])

# %% check="max_norm_" points=1
# It happens in place, to a parameter too, which goes on learning.
with expect.case("weight after max_norm_(weight, 1.0)"):
    weight = torch.tensor([[3.0, 4.0], [0.6, 0.0]], dtype=torch.float64)
    result = max_norm_(weight, 1.0)
    expect.close(weight, [[0.6, 0.8], [0.6, 0.0]], rtol=1e-5,
                 hint="afterwards no row of weight is longer than c, and short ones are as before.",
                 suspects=[([[3.0, 4.0], [0.6, 0.0]],
                            "weight itself is unchanged. Write into it.")])
    expect.equal("weight" if result is weight else "another tensor", "weight",
                 hint="what comes back is a copy. Return weight itself.")
with expect.case("max_norm_(layer.weight, 0.25) of an nn.Linear",
                 crash=[("leaf|grad", "a parameter is written into under torch.no_grad().")]):
    layer = nn.Linear(30, 4)
    max_norm_(layer.weight, 0.25)
    expect.close(layer.weight.detach().norm(dim=1), np.full(4, 0.25), rtol=1e-5,
                 hint="each row of this weight was longer than c, and should now have norm c.")
    expect.equal(layer.weight.requires_grad, True,
                 hint="the parameter learns no more: requires_grad is off. Leave it as it was.")
    kept = expect.ask("saved_bytes", nn.Sigmoid(), torch.ones(3, requires_grad=True))
    expect.equal(kept > 0, True,
                 hint="gradients stay off after the call. `with torch.no_grad():` ends by itself.")

# %% check="max_norm_" points=1
# The filters of a convolution are rows too.
with expect.case("max_norm_(weight, 1.0) of shape (3, 2, 2, 2)"):
    weight = torch.ones(3, 2, 2, 2) * torch.tensor([0.1, 1, 2])[:, None, None, None]
    max_norm_(weight, 1.0)
    expect.close(weight.flatten(1).norm(dim=1), [0.1 * 8**0.5, 1, 1], rtol=1e-5,
                 hint="filters with a norm above c are cut to c, in place.",
                 suspects=[(0.1 * 8**0.5 * np.array([1, 50**0.5, 50**0.5]),
                            "a row is all of weight[i], whatever its shape.")])

# %% mistakes="max_norm_"
{
    "0 / 0 gives NaN": ("torch.where(norms > c, c / norms, 1)", "c / norms"),
    "short rows grow": ("torch.where(norms > c, c / norms, 1)", "c / (norms + 1e-9)"),
    "as long as before": ("weight.detach()", "weight.detach().clone()"),
    "the columns are bounded": (
        "rows.flatten(1).norm(dim=1).reshape(-1, *[1] * (rows.dim() - 1))", "rows.norm(dim=0)"),
    "the whole matrix is bounded": (
        "rows.flatten(1).norm(dim=1).reshape(-1, *[1] * (rows.dim() - 1))", "rows.norm()"),
    "single entries are clipped": ("rows *= torch.where(norms > c, c / norms, 1)",
                                   "rows.clamp_(-c, c)"),
    "square of the norm": (".norm(dim=1)", ".square().sum(1)"),
    "sum of magnitudes": (".norm(dim=1)", ".norm(1, dim=1)"),
    "long rows get norm 1": ("torch.where(norms > c, c / norms, 1)", "1 / norms.clamp(min=c)"),
    "weight itself is unchanged": ("rows *= torch.where", "return rows * torch.where"),
    "Return weight itself": ("return weight", "return weight.clone()"),
    "under torch.no_grad()": ("weight.detach()", "weight"),
    "requires_grad is off": ("weight.detach()", "weight.requires_grad_(False)"),
    "whatever its shape": (
        "rows.flatten(1).norm(dim=1).reshape(-1, *[1] * (rows.dim() - 1))",
        "rows.norm(dim=1, keepdim=True)"),
}

# %% correct="max_norm_"
def max_norm_(weight, c):
    with torch.no_grad():
        return weight.copy_(torch.renorm(weight, p=2, dim=0, maxnorm=c))

# %% [markdown]
# ## Learning rate, momentum, batch size
#
# What is the bound good for? The paper (Appendix A) recommends 10 to 100 times the learning rate
# of a plain network, and max-norm to make such rates safe. Measure it on the digits, and with it
# what momentum $\mu$ does at one *effective* rate $\eta/(1-\mu)$, and what the batch size does
# when all networks see the same number of images.

# %%
flat_test, labels_test = data.digits()[2].reshape(-1, 64), data.digits()[3]
digits = {"watch": {"test": (flat_test, labels_test)}, "device": device}
speeds, momenta, sizes = [0.01, 0.03, 0.1, 0.2, 0.3], [0, 0.5, 0.9, 0.98], [8, 32, 128, 512]
kinds = {"no dropout": (0, np.inf), "p = 0.4": (0.4, np.inf), "p = 0.4, c = 2": (0.4, 2)}
which, eta, seeds = grid(np.arange(3), speeds, SEEDS)
p, c = np.array(list(kinds.values()))[which].T
by_rate = train.many(flat, labels, [64, 64], seeds=seeds, p=p, max_norm=c, rate=eta, steps=600,
                     **digits)
which, mu, seeds = grid([0, 0.4], momenta, SEEDS)
by_momentum = train.many(flat, labels, [64, 64], seeds=seeds, p=which, momentum=mu,
                         rate=0.5 * (1 - mu), steps=600, **digits)
which, seeds = grid([0, 0.4], SEEDS)
by_batch = [train.many(flat, labels, [64, 64], seeds=seeds, p=which, batch=size, rate=0.05,
                       steps=38_400 // size, **digits) for size in sizes]

fig, axes = plot.figure(3, height=2.9, width=9)
colors = (plot.ORANGE, plot.BLUE, plot.GREEN)
for found, ax, x, labelled in (
    (by_rate.error["test"][:, -1].reshape(3, 5, 5), axes[0], speeds, kinds),
    (by_momentum.error["test"][:, -1].reshape(2, 4, 5), axes[1], range(4), ["", ""]),
    (np.stack([r.error["test"][:, -1].reshape(2, 5) for r in by_batch], 1), axes[2], sizes,
     ["", ""]),
):
    for result, color, name in zip(found, colors, labelled, strict=False):
        band(ax, x, 100 * result, color, name or None)
bound = plot.difference(*100 * by_rate.error["test"][:, -1].reshape(3, 5, 5)[[2, 1], 3])
heavy = plot.difference(*100 * by_momentum.error["test"][:, -1].reshape(2, 4, 5)[1, [3, 0]])
small = plot.difference(*100 * by_batch[0].error["test"][:, -1].reshape(2, 5)[::-1])
axes[0].set(xscale="log", xlabel="learning rate η (μ = 0.9)",
            ylabel="test error, % (5 runs ± s.e.)",
            title=f"p = 0.4, η = 0.2: c adds {bound:.0f}", xticks=speeds, xticklabels=speeds)
axes[1].set(xticks=range(4), xticklabels=momenta, xlabel="momentum μ (η / (1 − μ) = 0.5)",
            title=f"p = 0.4, μ = 0.98 less 0: {heavy:.1f}")
axes[2].set(xscale="log", xlabel="batch size (η = 0.05, μ = 0.9)", xticks=sizes,
            xticklabels=sizes, title=f"At 8, p = 0.4 adds {small:.0f}")
axes[0].legend(fontsize=8, loc="upper left")
for ax in axes:
    ax.title.set_fontsize(9)
    ax.set(yscale="log", ylim=(5, 100))
    ax.set_yticks((5, 10, 20, 50, 100), (5, 10, 20, 50, 100))
    ax.minorticks_off()
plot.show(fig, "Test error against learning rate, momentum and batch size, with and without p.")

# %% [markdown]
# Folklore fails twice here. With and without dropout the same learning rates work, and dropout
# breaks down earlier, not later. And the bound makes high rates *less* safe. A guess at the reason:
# long weights make a too large step relatively small, and a bound takes this way out. (The paper
# trains far longer, with rates that decay.) At one effective rate, momentum hardly matters.
# Dropout's noisy gradients suffer first where batches are small for the rate, and where they are
# so large that few steps are left. And on these digits, with 64 units, dropout gains nothing at
# any setting: that it helps is a fact about a network *and* its data.
#
# ### Gradient accumulation
#
# A batch that does not fit into memory is cut into parts whose gradients add up: *gradient
# accumulation*. Divide each part's loss by the number of parts, or the step is that many times
# too long. With dropout the parts draw masks of their own, so the gradient is not the one of the
# whole batch with *its* mask, but one from the same distribution.

# %%
layer = nn.Linear(64, 10)
whole = torch.autograd.grad(F.cross_entropy(layer(inputs[:64]), targets[:64]), layer.weight)[0]
for divided in (True, False):
    layer.zero_grad()
    for part in torch.arange(64).split(16):
        loss = F.cross_entropy(layer(inputs[part]), targets[part]) / (4 if divided else 1)
        loss.backward()
    ratio = layer.weight.grad.norm() / whole.norm()
    off = (layer.weight.grad / ratio - whole).abs().max() / whole.abs().max()
    print(f"divided: {divided!s:5}  {ratio:.4f} times as long, direction off by {off:.0e}")

# %% [markdown]
# ## Exercise: `early_stopping`
#
# The oldest regulariser: stop when the validation loss has not improved for a while, and keep the
# weights of the best epoch. It must decide *while* training goes on, so it may not peek at later
# epochs; and patience counts epochs since the best one, not rises in a row.

# %% exercise="early_stopping"
def early_stopping(losses, patience):
    """The epoch whose weights are kept, and the last epoch that is trained.

    Training ends with the first epoch that is `patience` epochs past the best so far, or with
    the last of `losses`. An epoch is better if its loss is lower; an equal loss or NaN is not.

    losses : list or array of the validation loss after each epoch, one or more
    patience : whole number >= 1
    Returns (best, last): two epochs, counted from 0.
    """
    ### BEGIN SOLUTION
    best, lowest = 0, float("inf")
    for epoch, loss in enumerate(losses):
        if loss < lowest:
            best, lowest = epoch, loss
        if epoch - best >= patience:
            break
    return best, epoch
    ### END SOLUTION

# %% [markdown] hint="early_stopping"
# Go through the losses once, from the front. Remember two things: the lowest loss so far, and its
# epoch.

# %% [markdown] hint="early_stopping"
# Begin with a lowest loss of infinity. What does a comparison with NaN give?

# %% [markdown] hint="early_stopping"
# No counter is needed: the epochs since the best one are `epoch - best`.

# %% [markdown]
# Your function on the ten networks of the first figure, which looked every 40 steps:

# %%
kept = np.array([early_stopping(curve, patience=4) for curve in first.loss["validation"]])
fig, axes = plot.figure(2, height=2.7)
for ax, curves, unit in ((axes[0], first.loss["test"], "log loss, nats"),
                         (axes[1], 100 * first.error["test"], "error rate, %")):
    ways = np.stack([curves[np.arange(10), kept[:, 0]], curves[:, -1]]).reshape(2, 2, 5)
    rows = ways.transpose(1, 0, 2).reshape(4, 5)
    plot.bars(rows.mean(1), ["p = 0, stopped", "p = 0, to the end", "p = 0.3, stopped",
                             "p = 0.3, to the end"], ax, spread=plot.standard_error(rows, 1),
              colors=[plot.ORANGE, plot.ORANGE, plot.BLUE, plot.BLUE])
    change = plot.difference(*ways[:, 0])
    does = change.says(more="raises", less="lowers", same="does not change")
    ax.set_xlabel(f"test {unit} (5 runs ± s.e.)")
    ax.set_title(f"p = 0: stopping {does} it, {change:.2f}")
axes[1].set_yticks([])
plot.show(fig, "Test loss and error of networks stopped early and trained to the end.")

# %% check="early_stopping" points=1
# The best epoch so far, patience counted from it, and no look ahead.
for losses, patience, right, hint, suspects in (
    ([0.9, 0.7, 0.5, 0.6, 0.8, 0.85, 1.0], 2, (2, 4), "keep the best; stop 2 epochs after it.", [
        ((4, 4), "the weights kept are those of the best epoch, not of the last."),
        ((2, 5), "one epoch too many: stop as soon as the best is 2 epochs back."),
        ((2, 3), "one epoch too few: stop when the best is 2 epochs back."),
        ((3, 5), "epochs count from 0."),
        (2, "return two epochs: best, last."), (4, "return two epochs, and not the last alone."),
        ((4, 2), "the two are swapped: return best, last."),
        ((2, 6), "training never stops. Leave the loop when patience is used up."),
        ((0.5, 0.8), "those are losses. Return their epochs."),
    ]),
    ([500, 300, 400, 450, 100, 200], 2, (1, 3), "what comes after the stop is not known yet.", [
        ((0, 2), "no loss is below where you begin. Begin with infinity as the lowest."),
        ((4, 3), "the best is looked for after the stop as well. Nobody has trained that far."),
        ((4, 5), "the lowest of all losses is kept, as if they were known before the stop."),
    ]),
    ([5, 3, 4, 3.5, 4, 3.6, 3.7], 3, (1, 4), "count the epochs since the best one.", [
        ((1, 6), "patience counts rises in a row. Count the epochs since the best one."),
        ((5, 6), "each loss is compared with the one before. Compare it with the lowest so far."),
    ]),
    ([5, 4, 4.5, 3, 3.5, 2, 2.5, 1], 2, (7, 7), "a new best epoch gives full patience again.", [
        ((3, 4), "bad epochs add up for ever. A new best one starts the count anew."),
        ((1, 3), "the epoch that would end training is the best one. Look at its loss first."),
    ]),
    ([3, 2, 1], 5, (2, 2), "where patience never runs out, the last epoch is the end.", []),
):
    with expect.case(f"early_stopping({losses}, patience={patience})"):
        expect.equal(early_stopping(losses, patience), right, hint=hint, suspects=suspects)

# %% check="early_stopping" points=1
# An equal loss is no improvement, and NaN is none.
nan = float("nan")
for losses, patience, right, hint, suspects in (
    ([3, 2, 2, 2, 2, 2], 3, (1, 4), "the best is epoch 1, and training ends 3 epochs later.", [
        ((5, 5), "an equal loss is taken for an improvement. Ask for a lower one."),
    ]),
    ([3, nan, 2, nan, nan, nan, 1], 3, (2, 5), "the best is epoch 2; NaN is not better.", [
        ((1, 4), "NaN is taken for the lowest loss, as argmin does."),
        ((2, 2), "epochs with NaN are left out. They count as well."),
        ((6, 6), "NaN is taken for an improvement, or stops the count."),
    ]),
    ([nan, 3, 2, 2.5, 2.6, 1], 2, (2, 4), "the best is epoch 2; NaN is not better.", [
        ((0, 2), "nothing is lower than the NaN of epoch 0. Begin with infinity as the lowest."),
    ]),
):
    with expect.case(f"early_stopping(np.array({losses}), patience={patience})",
                     crash=[("ambiguous", "an array is not true or false. Ask for its len.")]):
        found = early_stopping(np.array(losses), patience)
        expect.equal(found, right, hint=hint, suspects=suspects)

# %% check="early_stopping" points=1 hidden=true
# Random losses, some of them equal.
for patience in (1, 2, 3, 5, 40):
    losses = expect.rng().integers(0, 30, size=40).tolist()
    gains = [k for k in range(40) if losses[k] < min([99, *losses[:k]])]
    ends = [b + patience for b, c in zip(gains, [*gains[1:], 99], strict=True) if c > b + patience]
    last = min(ends[0], 39)
    best = max(k for k in gains if k <= last)
    with expect.case(f"early_stopping(losses, patience={patience}) on 40 random losses"):
        expect.equal(early_stopping(losses, patience), (best, last),
                     hint="keep the lowest so far; stop patience epochs after it.")

# %% mistakes="early_stopping"
{
    "not of the last": ("return best, epoch", "return epoch, epoch"),
    "one epoch too many": ("best >= patience", "best > patience"),
    "one epoch too few": ("best >= patience", "best >= patience - 1"),
    "epochs count from 0": ("enumerate(losses)", "enumerate(losses, 1)"),
    "return two epochs: best": ("return best, epoch", "return best"),
    "not the last alone": ("return best, epoch", "return epoch"),
    "the two are swapped": ("return best, epoch", "return epoch, best"),
    "training never stops": ("break", "pass"),
    "those are losses": ("return best, epoch", "return lowest, loss"),
    "Nobody has trained that far": ("return best,", "return int(np.argmin(losses)),"),
    "as if they were known": ('best, lowest = 0, float("inf")', "return (best := np.argmin(losses)"
                              "), min(best + patience, len(losses) - 1)"),
    "rises in a row": ("epoch - best >= patience", "epoch >= patience and np.all(np.diff("
                       "losses[epoch - patience : epoch + 1]) > 0)"),
    "below where you begin": ('"inf"', '"1"'),
    "compared with the one before": ("loss < lowest", "epoch == 0 or loss < losses[epoch - 1]"),
    "Look at its loss first": (
        """if loss < lowest:
            best, lowest = epoch, loss
        if epoch - best >= patience:
            break""", """if epoch - best >= patience:
            break
        if loss < lowest:
            best, lowest = epoch, loss"""),
    "as argmin does": ("loss < lowest", "epoch == np.argmin(losses[: epoch + 1])"),
    "are left out. They count": ("(losses)", "(loss for loss in losses if loss == loss)"),
    "bad epochs add up": ("epoch - best >= patience", "sum(losses[k] >= min(losses[:k]) "
                          "for k in range(1, epoch + 1)) >= patience"),
    "Is there a `return`": ("break\n    return best, epoch", "return best, epoch"),
    "an equal loss is taken": ("loss < lowest", "loss <= lowest"),
    "NaN is taken": ("if loss < lowest", "if not loss >= lowest"),
    "the NaN of epoch 0": ('float("inf")', "losses[0]"),
    "Ask for its len": ("best, lowest = 0", "if not losses:\n        raise ValueError\n"
                        "    best, lowest = 0"),
}

# %% correct="early_stopping"
def early_stopping(losses, patience):
    known = [np.inf if np.isnan(loss) else loss for loss in losses]
    for last in range(len(known)):
        best = int(np.argmin(known[: last + 1]))
        if last == best + patience:
            break
    return best, last

# %% [markdown]
# The lesson of the first figure once more: stopping by the loss mends the *loss*. Without dropout
# it costs a point of error rate or more, since the error still falls while the loss rises: a
# network pays in loss for being too sure of its mistakes. Stop by the number that you care about.
#
# ## Seven ways, and their pairs
#
# Now the comparison that the textbooks tell about. L2 adds $\lambda w$ to the gradient; max-norm
# is yours; dropout takes 10 % of the inputs too; label smoothing (Szegedy 2016) asks for
# $1-\epsilon$ instead of 1; augmentation moves each image by up to one pixel. Each comes in a few
# strengths, and *validation* images choose: the test set sees only what they chose. Pairs use
# the strengths chosen singly.

# %%
def moved(X):
    """The images of 14 × 14 moved by -1, 0 or 1 pixel each way: (9, n, 196)."""
    wide = np.pad(X.reshape(-1, 14, 14), ((0, 0), (1, 1), (1, 1)))
    return np.stack([wide[:, i : i + 14, j : j + 14].reshape(len(X), -1)
                     for i in range(3) for j in range(3)])


def compare(rows, steps=600):
    """Networks with each row's settings: validation and test results (rows, seeds, moments)."""
    names = sorted(set().union(*rows))
    plain = dict.fromkeys(names, 0.0) | {"max_norm": np.inf}
    settings = {k: np.repeat([row.get(k, plain[k]) for row in rows], 5) for k in names}
    found = train.many(X, y, seeds=np.tile(SEEDS, len(rows)), rate=0.05, steps=steps, every=40,
                       watch={"validation": validation, "test": test}, variants=moved(X),
                       device=device, **settings)
    return [{k: values[k].reshape(len(rows), 5, -1) for k in ("validation", "test")}
            for values in (found.error, found.loss)]


def stopped(error, loss, i):
    """Test error and loss of row i's networks where early stopping would keep them, (2, 5)."""
    at = [early_stopping(curve, patience=4)[0] for curve in loss["validation"][i]]
    return np.array([100 * error["test"][i, SEEDS, at], loss["test"][i, SEEDS, at]])

# %% [markdown]
# **Predict first**: which one wins, and do two gain what both gain?

# %% guess=true
my_guess = "dropout"  # lowest error of: L2, max-norm, dropout, smoothing, augmentation, stopping

# %% figure=true
# Seven ways to regularise one network, each alone, and in pairs.
guess = expect.guess(my_guess)
strengths = {
    "none": [{}],
    "L2": [{"weight_decay": v} for v in (1e-3, 3e-3, 1e-2)],
    "max-norm": [{"max_norm": c} for c in (0.5, 1, 1.5)],
    "dropout": [{"p": p, "p_input": 0.1} for p in (0.2, 0.35, 0.5)],
    "smoothing": [{"smoothing": e} for e in (0.05, 0.1, 0.2)],
    "augmentation": [{"augment": a} for a in (0.5, 1.0)],
}
rows = [setting for settings in strengths.values() for setting in settings]
tried_error, tried_loss = compare(rows)
chosen, start = {}, 0
for name, settings in strengths.items():
    own = tried_error["validation"][start : start + len(settings), :, -1].mean(1)
    chosen[name], start = start + int(own.argmin()), start + len(settings)
    print(f"{name:13} {rows[chosen[name]]}")

pairs = [(a, b) for i, a in enumerate(list(chosen)[1:]) for b in list(chosen)[2 + i :]]
pair_error, pair_loss = compare([rows[chosen[a]] | rows[chosen[b]] for a, b in pairs])

results = {}
for name, i in chosen.items():
    end = np.array([100 * tried_error["test"][i, :, -1], tried_loss["test"][i, :, -1]])
    results[name, name] = end
    results[name, "stopping"] = stopped(tried_error, tried_loss, i)
for i, (a, b) in enumerate(pairs):
    results[b, a] = np.array([100 * pair_error["test"][i, :, -1], pair_loss["test"][i, :, -1]])
results["stopping", "stopping"] = results.pop(("none", "stopping"))

names = [*list(chosen), "stopping"]
fig, axes = plot.figure(2, height=2.7)
singles = np.array([results[name, name] for name in names])
for ax, k, unit in ((axes[0], 0, "error, %"), (axes[1], 1, "log loss, nats")):
    plot.bars(singles[:, k].mean(1), names, ax, spread=plot.standard_error(singles[:, k], 1),
              colors=[plot.BLUE if name == guess else plot.GREY for name in names])
    ax.set_xlabel(f"test {unit} (5 runs ± s.e.)")
    least, second = singles[:, k].mean(1).argsort()[:2]
    ahead = plot.difference(singles[least, k], singles[second, k])
    ax.set_title(f"{names[least]}; to the second {ahead:.2f}")
axes[1].set_yticks([])
plot.show(fig, "Test error and log loss of seven ways to regularise one network.")
print(f"You said {guess} (blue).")

fig, (ax,) = plot.figure(1, height=3.6, width=7.5)
ways, both = names[1:], []
for i, a in enumerate(ways):
    for j, b in enumerate(ways[: i + 1]):
        error = results[(a, b) if (a, b) in results else (b, a)][0]
        if a != b:
            half = min(results[a, a][0], results[b, b][0], key=np.mean)
            both.append(plot.difference(error, half))
        depth = float(np.clip((15 - error.mean()) / 13, 0, 1))
        ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, color=plot.SKY, alpha=depth, lw=0))
        ax.text(j, i, f"{error.mean():.1f} ± {plot.standard_error(error):.1f}", ha="center",
                va="center", fontweight="bold" if a == b else None)
ax.set(xlim=(-0.5, 5.5), ylim=(5.5, -0.5), xticks=range(6), yticks=range(6), xticklabels=ways,
       yticklabels=ways, title=f"Of {len(both)} pairs {sum(g.sign < 0 for g in both)} beat their "
                               "better half by two s.e.; noise alone, one")
ax.set_xlabel("test error, %, 5 runs ± s.e.; bold: one alone")
plot.show(fig, "Test errors of all pairs of six regularisers.")

# %% [markdown]
# L2 and max-norm shorten the weights and leave the error where it was. Dropout takes about three
# points, smoothing two (it asks for unsure probabilities, so its log loss is high). Nothing
# comes near to moving the images, which adds what no penalty can: knowledge about numerals. Many
# of the chosen strengths stand at the end of their short lists (printed above the figures), so
# longer lists may do better: this compares seven ways as tried here, no more.
#
# Of the pairs, hardly one beats its better half by more than the spread; smoothing on moved images
# may. Dropout on moved images gains nothing in 600 steps, and nothing in 2400 (five runs, by the
# author: 5.1 and 5.3 ± 0.3 %).
#
# What the spread does not tell: all runs share their 1000 training and 2000 test images. The
# sampling error of 2000 images at 12 % is 0.7 points for one row by itself; networks that are
# tested on the same images differ by less.
#
# ## Where it hurts
#
# Fewer images, more images; fewer units, more units. **Predict first**: with how many images does
# dropout take off most of the error, in percent of it?

# %%
longer = False  # True: 4000 steps and not 800, a few minutes


def told(x, runs):
    """Where dropout helps and where it hurts; runs (settings, 2, seeds) without it and with it."""
    signs = np.array([plot.difference(with_it, without).sign for without, with_it in runs])
    found = [f"{word} at {', '.join(f'{value}' for value in x[signs == sign])}"
             for word, sign in (("helps", -1), ("hurts", 1)) if (signs == sign).any()]
    return "; ".join(found) or "makes no difference"

# %% guess=true
my_guess = 30  # training images where dropout gains most: 30, 100, 300, 1000, 3000 or 20000

# %% figure=true
# Test error against the number of training images and of hidden units, at three rates.
guess = expect.guess(my_guess)
many_X, many_y = glyphs(20_000, seed=3)
amounts, drops = np.array([30, 100, 300, 1000, 3000, 20_000]), np.array([0, 0.25, 0.5])
n, p, seeds = grid(amounts, drops, SEEDS)
by_amount = train.many(many_X, many_y, seeds=seeds, rows=n, p=p, rate=0.05,
                       steps=4000 if longer else 800, progress=longer, device=device,
                       watch={"test": test})
widths = np.array([8, 16, 32, 64, 128])
p, seeds = grid(drops, SEEDS)
by_width = [train.many(X, y, [width, width], seeds=seeds, p=p, rate=0.05, device=device,
                       steps=4000 if longer else 800, progress=longer, watch={"test": test})
            for width in widths]
amount_error = 100 * by_amount.error["test"][:, -1].reshape(6, 3, 5)
width_error = np.stack([100 * r.error["test"][:, -1].reshape(3, 5) for r in by_width])

fig, axes = plot.figure(2, height=3)
for ax, x, error in ((axes[0], amounts, amount_error), (axes[1], widths, width_error)):
    for k, color in enumerate((plot.ORANGE, plot.SKY, plot.BLUE)):
        band(ax, x, error[:, k], color, f"p = {drops[k]:g}")
    ax.set(xscale="log", yscale="log", xticks=x, xticklabels=x, yticks=(5, 10, 20, 50),
           yticklabels=(5, 10, 20, 50))
    ax.minorticks_off()
axes[0].axvline(guess, color=plot.GREY, linestyle="--")
axes[0].set(xlabel="training images (dashed: your guess)", ylabel="test error, % (5 runs ± s.e.)")
axes[0].set_title(f"p = 0.25 {told(amounts, amount_error[:, :2])}", fontsize=9)
axes[1].set(xlabel="units in each hidden layer")
axes[1].set_title(f"p = 0.25 {told(widths, width_error[:, :2])}", fontsize=9)
axes[0].legend()
plot.show(fig, "Test error against training images and against width at three drop rates.")
for k in (1, 2):
    gain = amount_error[:, 0] - amount_error[:, k]  # paired: networks of one seed
    share = 100 * gain / amount_error[:, 0].mean(1)[:, None]
    gains = [f"{n}: {plot.difference(g):.0f}" for n, g in zip(amounts, share, strict=True)]
    print(f"p = {drops[k]:g} takes off the error, in %, by images:", "  ".join(gains))
narrow = 100 * by_width[0].error["train"][:, -1].reshape(3, 5)
learned = [f"{runs.mean():.0f} ± {plot.standard_error(runs):.0f} % at p = {p:g}"
           for p, runs in zip(drops, narrow, strict=True)]
print("8 units, error on the training images:", ", ".join(learned))

# %% [markdown]
# Measured against the error itself, this is the shape of the paper's Figure 10: next to nothing
# at 30 images (some two percent of an error rate of 60 %), most at 300 to 1000, then less,
# and with 20 000 images dropout *raises* the error by a fifth and more. "Most needed where data
# are fewest" is wrong at that end. And a network of 8 or 16 units has nothing to spare; thinned,
# it cannot even learn its training images. Is the loss only for want of time? With
# 4000 steps (`longer = True`) 20 000 images give about 2.3 % without dropout, 3.2 % at $p=0.25$
# and 5.3 % at $p=0.5$ (s.e. up to 0.3): slower, yes, and still worse.
#
# ## A regression
#
# An example that is passed on from text to text: two hidden layers of 128 units, ReLU, a
# dropout layer after each, on a table of numbers; "raise the rate until overfitting stops". What
# it does to the error is never told. Here are the numbers, on scikit-learn's diabetes data (442
# patients, 10 measurements, progression of the disease a year later), with ten random splits
# into 350 and 92. **Predict first**: which rate wins, and does it beat a straight line?

# %% guess=true
my_guess = 0.5  # drop probability p with the lowest error, of 0, 0.1, … 0.8

# %% figure=true
# Error of a regression on new patients against p, and that of a straight line.
guess = expect.guess(my_guess)
table, progression = load_diabetes(return_X_y=True)
splits, rates = np.arange(10), np.arange(9) / 10
orders = np.array([np.random.default_rng(k).permutation(len(table)) for k in splits])
parts = {name: rows for name, rows in (("train", orders[:, :350]), ("test", orders[:, 350:]))}
centre, scale = (f(table[parts["train"]], 1, keepdims=True) for f in (np.mean, np.std))
middle, unit = (f(progression[parts["train"]], 1, keepdims=True) for f in (np.mean, np.std))
standard = {name: ((table[rows] - centre) / scale, (progression[rows] - middle) / unit)
            for name, rows in parts.items()}
drops, seeds = grid(rates, splits)
patients = {name: [values[seeds] for values in pair] for name, pair in standard.items()}
fitted = train.many(*patients["train"], seeds=seeds, p=drops, rate=0.0005, batch=32, steps=800,
                    every=40, watch={"test": patients["test"]}, device=device)
curves = {name: fitted.error[name].reshape(9, 10, -1) * unit[None] for name in parts}
line = np.array([[np.sqrt(np.mean((Xt @ np.linalg.lstsq(Xl, yl, rcond=None)[0] - yt) ** 2))
                  for Xl, yl, Xt, yt in zip(*standard["train"], *standard["test"], strict=True)]])
line = line * unit[:, 0]

fig, (ax,) = plot.figure(1, height=3, width=7)
band(ax, rates, curves["train"][:, :, -1], plot.GREY, "training patients")
band(ax, rates, curves["test"][:, :, -1], plot.BLUE, "new patients")
ax.axhline(line.mean(), color=plot.INK, linestyle="--", label="straight line, new patients")
ax.axvline(guess, color=plot.GREY, linestyle="--")
at = curves["test"][:, :, -1].mean(1).argmin()
apart = plot.difference(curves["test"][at, :, -1], line[0])
beside = apart.says(more="above", less="below", same="not told from")
ax.set(xlabel="drop probability p, both hidden layers (dashed: your guess)", ylim=(0, 85),
       ylabel="root mean square error (10 splits ± s.e.)",
       title=f"Lowest mean at p = {rates[at]:g}, {beside} the line's: {apart:.1f}")
ax.legend()
plot.show(fig, "Regression error against p on training and on new patients, and that of a line.")
for p, result in zip(rates, curves["test"], strict=True):
    best = result.mean(0).argmin()
    more = result[:, -1] - line[0]
    print(f"p = {p:.1f}: {result[:, -1].mean():.1f} ± {plot.standard_error(result[:, -1]):.1f} "
          f"({more.mean():+5.1f} ± {plot.standard_error(more):.1f} against the line); "
          f"lowest after {fitted.steps[best]} steps, {result[:, best].mean():.1f}")

# %% [markdown]
# The advice is half right. Without dropout the error is five above the line's; $p$ of 0.2 to 0.3
# mends that; every step beyond costs more, until at 0.8 the network knows little more than the mean
# (whose error is 76). But what it mends is a network far too large for these data: at its best
# it does as well as a *straight line*, within the spread. High rates are fragile, too: at twice
# and at six times this learning rate, single runs at $p=0.8$ diverged.
#
# ## The paper's own networks
#
# So far: small networks, some hundred steps, one list of rates. The paper trained up to 8192
# units a layer on MNIST, a million updates long. `python3 grader paper` repeats its tables by its
# own protocol: settings are chosen on images held out from training, and the test images are
# read once. Below is what it last found; the text says at which size, and which of the paper's
# claims held. At reduced size orders can be compared, but not numbers, so diamonds (the paper) and
# dots (here) are each divided by their own last row. **Predict first**: which orders survive in
# smaller networks, trained for less long on fewer images?

# %%
reproduced.show("table9", "table2")

# %%
reproduced.show("figure9", "figure10")

# %% [markdown]
# ## Explore: learning curves
#
# The UCI digits, one hidden layer, three seeds for each setting: the explorer trains its 135
# networks when the cell runs, which takes a few seconds. Your `early_stopping` marks the step
# that it would keep on the mean test curve (to look at, not to choose by), your
# `generalisation_gap` measures the end.
#
# **Try**: take the widest network and 64 images, and move $p$: what happens to the gap, and what
# to the error? With 1024 images, is there a $p$ that helps 16 units? Where does stopping early
# keep a network that is still unfinished? (Click a slider, then use the arrow keys.)

# %%
explore.learning_curves(early_stopping, generalisation_gap)

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="gap_answer" points=1
# The rate with the smallest gap between test and training loss was, compared with the one of the
# lowest test error:
#
# - [ ] the same rate
# - [ ] a lower rate
# - [x] a higher rate
#
# Hint: compare the two panels of the sweep.

# %% question="narrow_answer" points=1
# Eight units in each hidden layer, 1000 images: dropout at p = 0.5 made the test error …:
#
# - [ ] lower
# - [ ] no different
# - [x] higher
#
# Hint: look at the left end of the figure over widths.

# %% question="choice" points=1
# Of ten rates you report the best one's error. It must have been chosen by the error on the:
#
# - [ ] training images
# - [x] validation images
# - [ ] test images
#
# Hint: whatever was used to choose is no longer new.

# %% [markdown]
# ## In your own words
#
# A report says: "We tried ten rates, one run each. On the test set p = 0.37 was best: 12.1 %
# error against 12.9 % without dropout. So dropout helps." Say in two to five sentences what is
# wrong with it, and what you would measure instead before you believed it. (A person reads this.)

# %% [markdown] answer="believe_dropout" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: one run each has no spread, and the best of ten is flattered by luck;
# the rate was chosen on the test set, so 12.1 % is no estimate for new images. One point: several
# paired seeds for each rate with mean and standard error; the rate chosen on validation images and
# the test set used once; the baseline tuned as well (learning rate, steps), or compared with
# another simple regulariser; noting that few test images have a sampling error of their own.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Dropout lowers the test error of a network that is large for its data (here 14 to 11 %),
#   over a wide valley of rates. It hurts narrow networks, and where data are plenty.
# - The gap is no aim: it falls on where the error rises. Read both losses in evaluation mode.
# - Augmentation beats every penalty here, and hardly a pair beats its better half.
# - Early stopping by the loss raised the error rate; max-norm made no high learning rate safe; L2
#   did next to nothing. On other data this may differ: measure, over seeds, with the spread.
# - All of that takes hundreds of networks. Trained at once, they are a matter of a minute or two.
#
# **Read.** Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, *Dropout: a simple way to
# prevent neural networks from overfitting*, JMLR 15 (2014): §6.5 compares regularisers, §7.3 the
# rates (Figure 9), §7.4 the size of the data (Figure 10), Appendix A is a practical guide.
#
# **Stretch.** Figure 9b of the paper keeps the number of *surviving* units fixed: width
# $n/(1-p)$. Measure it with `train.many`, one call for each rate. Which part of the wall at high
# $p$ goes away?
#
# **Still open.** Dropout gains something here. Is it because many thinned networks vote? That is
# {{ensemble}}.
