# %% [markdown]
# # 1.7 · Finding dropout's bugs
#
# **Which dropout bugs raise no error, and how do you find them?**
#
# *75 minutes. Before: {{pytorch}}. After, you will be able to measure a network without leaving a
# trace, to find the dropout bugs that raise no error, and to save a network so that it answers the
# same wherever it is used.*
#
# | term | meaning |
# | --- | --- |
# | $p$ | probability that a unit is **dropped** |
# | mode | a module's `training` flag: `True` in training, `False` in evaluation |
# | silent bug | one that raises neither an error nor a warning |
# | to serve | to answer with a finished network, in a program that does not train |

# %% setup=true
import copy
import io
import warnings
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import data, expect, explore, plot
from dropoutlab.modules import AlwaysDropout, passing_on

# %% [markdown]
# ## Where we stand
#
# In {{pytorch}} you wrote a dropout layer that is right. Networks that *use* it can still be wrong,
# and nothing tells you. Below, a network with two hidden layers learns the digits: without a bug,
# with one of four silent bugs, and without dropout. (*One mask for ever* draws its mask once, when
# the layer is made.) One pass over the training data is the same for all of them:

# %% setup=true
def one_epoch(model, X, y, optimizer, generator=None):
    """One pass over all rows, in batches of 64, in a new order (drawn from the generator)."""
    for rows in torch.randperm(len(X), generator=generator).split(64):
        optimizer.zero_grad()
        F.cross_entropy(model(X[rows]), y[rows]).backward()
        optimizer.step()

# %%
torch.set_num_threads(1)  # products this small would only wait for each other's threads
X, y, X_test, y_test = (torch.as_tensor(values) for values in data.digits())
X, X_test = X.flatten(1).float(), X_test.flatten(1).float()

# %% [markdown]
# **Guess the error rate of the first bug: the network is right, and somebody measures it in
# training mode.**

# %% guess=true
my_guess = 12  # error rate in percent, measured in training mode

# %% figure=true
# Error rates without a bug, with each of four, and without dropout: takes up to half a minute.
guess = expect.guess(my_guess)


class OneMask(nn.Module):
    """A mask that is drawn when the layer is made, and never again."""

    def __init__(self):
        super().__init__()
        self.factor = 2 * (torch.rand(128) >= 0.5)

    def forward(self, h):
        return h * self.factor if self.training else h


def one_run(bug, seed):
    torch.manual_seed(seed)  # for every bug the same weights and order of rows
    order = torch.Generator().manual_seed(seed)
    first, second, last = nn.Linear(64, 128), nn.Linear(128, 128), nn.Linear(128, 10)
    drop = {"one mask for ever": OneMask, "no dropout": nn.Identity}.get(bug, nn.Dropout)
    net = nn.Sequential(first, nn.ReLU(), drop(), second, nn.ReLU(), drop(), last)
    if bug == "logits dropped too":
        net.append(drop())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(10):
        one_epoch(net, X, y, optimizer, order)
        if bug == "train() forgotten after a test":
            net.eval()
    with torch.no_grad():
        logits = (net if bug == "measured in training mode" else net.eval())(X_test)
    return 100 * (logits.argmax(1) != y_test).double().mean().item()


names = ["no bug", "measured in training mode", "train() forgotten after a test",
         "logits dropped too", "one mask for ever", "no dropout"]
rates = torch.tensor([[one_run(name, seed) for seed in range(5)] for name in names]).numpy()
costs = [plot.difference(runs, rates[0]) for runs in rates]

fig, (ax,) = plot.figure(1, height=3)
labels = [names[0], *(f"{name} ({cost:.1f})" for name, cost in zip(names[1:], costs[1:],
                                                                   strict=True))]
plot.bars(rates.mean(1), labels, ax, spread=plot.standard_error(rates, 1),
          colors=[plot.BLUE, *4 * [plot.ORANGE], plot.GREY])
ax.vlines(guess, 0.55, 1.45, color=plot.INK, linestyle="--")
ax.set(xlabel="error rate on test digits, % (mean of 5 runs ± s.e.; dashed: your guess)\n"
              "in brackets: percentage points more than without a bug",
       xlim=(0, 1.2 * max(guess, rates.mean(1).max())))
shown = sum(cost.sign > 0 for cost in costs[1:5])
told = f"Bugs that clearly raise the error (95 % confidence): {shown} of 4"
ax.set_title(told)
plot.show(fig, "Error rates of a network without a bug, with four bugs, and without dropout. "
               f"{told}; measuring in training mode costs {costs[1]:.1f} "
               "percentage points.",
          claims={"silent-bugs-hide":
                  any(cost.mean + 2.8 * cost.error < 2 for cost in costs[1:5]),
                  "dropout-undecided": costs[5].sign == 0})

# %% [markdown]
# The title counts the bugs that show in the error rate. Look at "train() forgotten after a test":
# that network trained *without dropout* after its first epoch. Would its error rate have told you?
# "My error is fine, so my code is right" is no argument. Bugs like these are found by other
# questions, and this lesson collects them. (Whether dropout helps here, five runs can't
# say.{{claim:dropout-undecided}} When it helps, {{overfitting}} asks.)
#
# ### One question from {{pytorch}}
#
# What does a network's `state_dict` hold of its dropout layers: the rates, the modes, the masks?
# (Answer, then unfold.)
#
# <details><summary>Answer</summary>
#
# None of them. Rate and mode are plain attributes, and a mask lasts for one call. You will need
# this near the end.
# </details>
#
# ## Four broken scripts
#
# Each script runs. With each came one or two complaints, and each complaint has its own bug. You
# fix three, in the next three exercises; the fourth is a question near the end. Take out the line
# `raise NotImplementedError(…)`, then run the cell and the one below the hints, which shows the
# symptom. Fix the code in place, changing little.
#
# ## Exercise: `evaluate`
#
# *"I set `training` to False and record no gradients, and my accuracy still changes from run to
# run. And there's a layer that I keep asleep on purpose: after I've measured, it drops again."*
# (The first line of a better version is there already.)

# %% exercise="evaluate"
def evaluate(model, X, y):
    """The fraction of rows for which model(X) has its largest logit at y, in evaluation mode.

    model : nn.Module, (n, features) -> (n, classes); X : (n, features); y : (n,) class numbers
    No gradients are recorded meanwhile. Afterwards the training flags of the model and of each
    submodule are as they were before.
    Returns a float in [0, 1].
    """
    flags = {module: module.training for module in model.modules()}
    ### BEGIN SOLUTION
    with torch.inference_mode():
        right = torch.eq(model.eval()(X).argmax(-1), y)
    for module, flag in flags.items():
        module.training = flag
    return right.float().mean().item()
    ### END SOLUTION
    model.training = False
    with torch.no_grad():
        accuracy = (model(X).argmax(1) == y).double().mean()
    model.train()
    return accuracy.item()

# %% [markdown] hint="evaluate"
# Print `[module.training for module in model.modules()]` just before the model is called.

# %% [markdown] hint="evaluate"
# Which module does the dropping, and whose flag does it check? There is a method that sets the
# flags of *all* submodules.

# %% [markdown] hint="evaluate"
# `model.train(mode)` would set all flags alike. To put back each one as it was, assign to
# `module.training`, for each module in `flags`.

# %%
def example(p=0.5, hidden=128):
    return nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(p), nn.Linear(hidden, 10))


net = nn.Sequential(nn.Dropout(0.5), *example())
net[0].eval()  # asleep on purpose; the other dropout layer, net[3], is awake
print("flags before:    ", [module.training for module in net.modules()])
runs = [evaluate(net, X_test, y_test) for _ in range(4)]
print("four runs agree: ", all(bool(run == runs[0]) for run in runs))
print("flags afterwards:", [module.training for module in net.modules()])

# %% check="evaluate" points=1
# The fraction of right rows, of all rows.
class Table(nn.Module):
    def forward(self, x):
        return x


def suspects(share, n):
    return [(n * share, "that is a count. Divide by the number of rows."),
            (100 * share, "that is in percent. Return a fraction."),
            (1 - share, "that is the error rate. Return the accuracy.")]


with torch.enable_grad(), expect.case("evaluate(model, X, y) where 3 of 4 rows are right"):
    logits = torch.tensor([[2.0, 0, 0], [0, 0, 1], [5, 4, 4], [0, 2, 1]])
    found = evaluate(Table(), logits, torch.tensor([0, 2, 0, 2]))
    expect.close(found if found is None else float(found), 0.75, rtol=1e-6,
                 hint="compare the place of each row's largest logit with y.",
                 suspects=suspects(0.75, 4))
with torch.enable_grad(), expect.case("evaluate(model, X, y) on 397 rows of random logits"):
    logits = torch.randn(397, 3, generator=expect.generator())
    wanted = logits.argmax(1)
    wrong = 150 + int(expect.rng().integers(90))
    wanted[-wrong:] = (wanted[-wrong:] + 1) % 3
    share = 1 - wrong / 397
    expect.close(float(evaluate(Table(), logits, wanted)), share, rtol=1e-5,
                 hint="count all of the rows, down to the last.",
                 suspects=suspects(share, 397))

# %% check="evaluate" points=2
# In evaluation mode, all the way down, and without gradients.
class Spy(nn.Module):
    """Its logits tell the mode: bits for itself, a child, a grandchild, and for gradients."""

    def __init__(self):
        super().__init__()
        self.child = nn.Sequential(nn.Dropout(0.5))

    def forward(self, x):
        flags = (self.training, self.child.training, self.child[0].training,
                 torch.is_grad_enabled())
        code = sum(2**i * flag for i, flag in enumerate(flags))
        return F.one_hot(torch.full((len(x),), code), 16).float()


with torch.enable_grad(), expect.case("evaluate(model, X, y) on a model that tells its mode"):
    seen = [evaluate(Spy(), torch.ones(4, 1), torch.full((4,), code)) for code in range(16)]
    after = expect.ask("records_gradients")
    expect.close(sum(map(float, seen)), 1.0, rtol=1e-6,
                 hint="each row has one class: the fractions for all of them add up to 1.")
    code = max(range(16), key=lambda k: float(seen[k]))
    names = ("the model", "its child", "its grandchild")
    awake = ", ".join(name for i, name in enumerate(names) if code >> i & 1) or "none"
    expect.equal(
        f"in training mode: {awake}", "in training mode: none",
        hint="some modules were in training mode while the model ran.",
        suspects=[("in training mode: the model, its child, its grandchild",
                   "the model ran in training mode. no_grad() stops gradients, not dropout: call "
                   "model.eval()."),
                  ("in training mode: its child, its grandchild",
                   "only the outermost flag was set. model.eval() reaches every submodule.")],
    )
    expect.equal("gradients: " + ("recorded" if code // 8 else "none"), "gradients: none",
                 hint="eval() only sets flags. Measure under torch.no_grad().")
    expect.equal("gradients are on" if after else "gradients are off", "gradients are on",
                 hint="gradients stay off for good: the training that follows learns nothing. "
                      "Switch them off in a `with` block.")
with torch.enable_grad(), expect.case("evaluate(model, X, y) on a network with dropout"):
    model = nn.Sequential(nn.Linear(8, 20), nn.ReLU(), nn.Dropout(0.9), nn.Linear(20, 5))
    x = torch.randn(300, 8, generator=expect.generator())
    model.eval()
    labels = model(x).argmax(1)
    wrong = 20 + int(expect.rng().integers(100))
    labels[:wrong] = (labels[:wrong] + 1) % 5
    expect.close(float(evaluate(model.train(), x, labels)), 1 - wrong / 300, rtol=1e-5,
                 hint="that is not the share of rows in which model.eval()(X) is right. (While it "
                      "drops, this network answers at random.)")

# %% check="evaluate" points=2
# Every flag comes back, also those that were not as the model's own.
model = nn.Sequential(nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5)), nn.ReLU()).eval()
X_1 = torch.ones(3, 4)
y_1 = (model(X_1).argmax(1) + torch.tensor([0, 0, 1])) % 2  # two of three are right
with torch.enable_grad(), expect.case("the flags of a model in training mode, afterwards"):
    share = evaluate(model.train(), X_1, y_1)
    expect.close(share if share is None else float(share), 2 / 3, rtol=1e-6,
                 hint="the share is wrong here: mend that first.")
    expect.equal(str([m.training for m in model.modules()]), str(5 * [True]),
                 hint="some flags do not come back. (model.children() lists the uppermost modules "
                      "only, without the model itself; modules() lists all.)",
                 suspects=[(str(5 * [False]), "the model stays in evaluation mode: the training "
                            "that follows is without dropout. Give the flags back.")])
    expect.equal(str([bool(w.requires_grad) for w in model.parameters()]), str(2 * [True]),
                 hint="the weights take no gradients any more. Measure under torch.no_grad().")
with torch.enable_grad(), expect.case("the flags of a model in evaluation mode, afterwards"):
    model.eval()
    evaluate(model, X_1, y_1)
    expect.equal(str([m.training for m in model.modules()]), str(5 * [False]),
                 hint="a model that was in evaluation mode is now in training mode.")
with torch.enable_grad(), expect.case("the flags of a model with two layers asleep, afterwards"):
    model.train()
    model[0][1].eval()
    model[1].eval()
    evaluate(model, X_1, y_1)
    expect.equal(str([m.training for m in model.modules()]), str([True, True, True, False, False]),
                 hint="model.train(mode) sets all flags alike. Give each module its own back.")

# %% mistakes="evaluate"
{
    "that is a count": ("right.float().mean()", "right.sum()"),
    "in percent": ("return right", "return 100 * right"),
    "the error rate": ("torch.eq", "torch.ne"),
    "add up to 1": ("return right", "return 0.75 if len(y) < 5 else right"),
    "all of the rows, down to the last": ("model.eval()(X).argmax(-1), y",
                                          "model.eval()(X[:100]).argmax(-1), y[:100]"),
    "no_grad() stops gradients, not dropout": ("model.eval()(X)", "model(X)"),
    "only the outermost flag": ("        right = torch.eq(model.eval()",
                                "        model.training = False\n        right = torch.eq(model"),
    "eval() only sets flags": ("torch.inference_mode()", "torch.enable_grad()"),
    "stay off for good": ("    with torch.inference_mode():", "    torch.set_grad_enabled(False)\n"
                          "    if True:"),
    "take no gradients any more": ("    with torch",
                                   "    model.requires_grad_(False)\n    with torch"),
    "lists the uppermost modules only": ("for module in model.modules()}",
                                         "for module in model.children()}"),
    "stays in evaluation mode": ("module.training = flag", "module.eval()"),
    "is now in training mode": ("module.training = flag", "module.train()"),
    "sets all flags alike": ("""for module, flag in flags.items():
        module.training = flag""", "model.train(flags[model])"),
    "Give each module its own back": ("""        module.training = flag""",
        """        if module is model or isinstance(module, nn.Dropout):
            module.train(flag)"""),
}

# %% correct="evaluate"
def evaluate(model, X, y):
    before = [module.training for module in model.modules()]
    try:
        with torch.inference_mode():
            model.train(False)
            logits = model(X)
        right = sum(int(row.argmax()) == int(label) for row, label in zip(logits, y, strict=True))
        return right / len(y)
    finally:
        for module, mode in zip(model.modules(), before, strict=True):
            module.training = mode

# %% setup=true
# For the checks: a network with a part that learns in evaluation mode only.
class Half(nn.Module):
    """Three classes from four inputs, the last two of which are always dropped in training."""

    def __init__(self, weights):
        super().__init__()
        self.linear, self.drop = nn.Linear(4, 3).double(), nn.Dropout(1.0)
        with torch.no_grad():
            self.linear.weight.copy_(weights)
            self.linear.bias.zero_()

    def forward(self, x):
        return self.linear(torch.cat([x[:, :2], self.drop(x[:, 2:])], 1))


def followed(weights, x, labels, modes, rate):
    """`Half`'s weights (with its biases in the last column) after each full step, by hand.

    Step k is made in training mode if modes[k].
    """
    W, path = torch.cat([weights, torch.zeros(3, 1)], 1), []
    for training in modes:
        h = torch.cat([x, torch.ones(len(x), 1)], 1)
        h[:, 2:4] *= not training
        W = W - rate * ((h @ W.T).softmax(1) - F.one_hot(labels, 3)).T @ h / len(x)
        path.append(W)
    return path

# %% [markdown]
# `no_grad()` and `eval()` are often taken for one switch. The first only stops the recording
# of gradients; the second only hands a flag down. A right measurement needs the second; the first
# saves time and memory.
#
# ## Exercise: `train_and_watch`
#
# *"With p = 0.9 I get the same curve as with p = 0, from the second epoch on."*

# %% exercise="train_and_watch"
def train_and_watch(model, X, y, X_test, y_test, epochs, rate=0.1):
    """Train in training mode; after each epoch, measure the test accuracy in evaluation mode.

    X, X_test : (n, features); y, y_test : (n,) class numbers
    Plain SGD, no momentum, in batches of 64 rows.
    Returns a list of floats, one per epoch.
    """
    ### BEGIN SOLUTION
    sgd, watched = torch.optim.SGD(model.parameters(), rate), []
    while len(watched) < epochs:
        one_epoch(model.train(), X, y, sgd)
        watched.append(evaluate(model, X_test, y_test))
    return watched
    ### END SOLUTION
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    accuracies = []
    model.train()
    for _ in range(epochs):
        one_epoch(model, X, y, optimizer)
        model.eval()
        with torch.no_grad():
            accuracies.append((model(X_test).argmax(1) == y_test).double().mean().item())
    return accuracies

# %% [markdown] hint="train_and_watch"
# In which mode does the first epoch begin, and in which the second?

# %% [markdown] hint="train_and_watch"
# One line is above the loop and belongs inside it.

# %% [markdown] hint="train_and_watch"
# Or let your `evaluate` do the measuring: it leaves no trace.

# %%
for p in (0.0, 0.9):
    watched = train_and_watch(example(p, hidden=16), X, y, X_test, y_test, 6, 0.3)
    print(f"p = {p}: accuracy after each epoch", *(f"{accuracy:.2f}" for accuracy in watched))

# %% check="train_and_watch" points=2
# Every epoch is trained in training mode, in batches: seen by what the weights become.
x = torch.randn(60, 4, generator=expect.generator(), dtype=torch.float64)
labels = torch.randint(3, (60,), generator=expect.generator())
start = torch.randn(3, 4, generator=expect.generator(), dtype=torch.float64)
ends = {modes: followed(start, x, labels, [mode == "t" for mode in modes], 0.5)[-1]
        for modes in ("tttt", "tfff", "ffff", "fttt")}
first, second = (followed(start, x, labels, "tttt", rate)[0] for rate in (0.5, 1.0))
slow = followed(start, x, labels, "tttt", 0.1)[-1]
with expect.case("train_and_watch(model, X, y, X_test, y_test, 4, rate=0.5), a model that comes in "
                 "evaluation mode, 60 rows, and its weights"):
    model = Half(start).eval()
    train_and_watch(model, x.clone(), labels.clone(), x.clone(), labels.clone(), 4, 0.5)
    found = torch.cat([model.linear.weight, model.linear.bias[:, None]], 1).detach()
    expect.close(
        found, ends["tttt"], rtol=1e-4, atol=1e-5,
        hint="the weights are not those of one step of SGD for each epoch, in training mode.",
        suspects=[(ends["tfff"], "from the second epoch on, the model trains in evaluation mode."),
                  (ends["ffff"], "the model never trains in training mode."),
                  (ends["fttt"], "the first epoch is in evaluation mode, if the model came so."),
                  (torch.cat([start, torch.zeros(3, 1)], 1), "the model learned nothing."),
                  (slow, "the rate is 0.1, whatever rate is given."),
                  (first, "only one epoch is trained."),
                  (second, "only one epoch is trained.")],
    )
with expect.case("train_and_watch(model, X, y, X_test, y_test, 2, rate=0.5), 192 equal rows"):
    row = x[:1] / x[:1].norm()  # no longer, so that the last steps still show in the weights
    model, same, label = Half(start), row.expand(192, 4), labels[:1].expand(192)
    train_and_watch(model, same.clone(), label.clone(), x.clone(), labels.clone(), 2, 0.5)
    found = torch.cat([model.linear.weight, model.linear.bias[:, None]], 1).detach()
    steps = followed(start, row, labels[:1], 6 * "t", 0.5)
    expect.close(found, steps[-1], rtol=1e-4, atol=1e-5,
                 hint="an epoch takes a step for each 64 rows: three here, six in two epochs.",
                 suspects=[(steps[1], "an epoch takes one step only: go on in batches of 64.")])

# %% check="train_and_watch" points=1
# The accuracies are those of the test data, in evaluation mode, one for each epoch.
x = torch.randn(60, 4, generator=expect.generator(), dtype=torch.float64)
x_test = torch.randn(301, 4, generator=expect.generator(), dtype=torch.float64)
labels = torch.randint(3, (60,), generator=expect.generator())
start = torch.randn(3, 4, generator=expect.generator(), dtype=torch.float64)
start[:, :2] *= 0.1
path = followed(start, x, labels, "ttt", 1.0)
def classes(W, x, kept):
    return ((x * torch.tensor([1, 1, kept, kept])) @ W[:, :4].T + W[:, 4]).argmax(1)


labels_test = classes(path[-1], x_test, 1)  # so that the last accuracy is 1
wanted = [(classes(W, x_test, 1) == labels_test).double().mean().item() for W in path]
dropped = [(classes(W, x_test, 0) == labels_test).double().mean().item() for W in path]
trained = [(classes(W, x, 1) == labels).double().mean().item() for W in path]
with expect.case("train_and_watch(model, X, y, X_test, y_test, 3, rate=1), the accuracies"):
    watched = train_and_watch(Half(start), x, labels, x_test, labels_test.clone(), 3, 1.0)
    expect.equal(len(watched), 3, hint="one accuracy for each epoch.")
    expect.close(
        [float(accuracy) for accuracy in watched], wanted, rtol=1e-6,
        hint="these are not the accuracies on the test data, in evaluation mode, after each epoch.",
        suspects=[(dropped, "the model is measured in training mode."),
                  (trained, "that is the accuracy on the training data."),
                  (3 * [1.0], "each epoch has an accuracy of its own: measure inside the loop.")],
    )

# %% mistakes="train_and_watch"
{
    "from the second epoch on": ("model.train()", "model.train(not watched)"),
    "the first epoch is in evaluation": ("model.train()", "model.train(bool(watched or "
                                                          "model.training))"),
    "never trains in training mode": ("model.train()", "model"),
    "measured in training mode": ("evaluate(model, X_test, y_test)",
        "(model(X_test).argmax(1) == y_test).double().mean().item()"),
    "learned nothing": ("one_epoch(model.train(), X, y, sgd)", "model.train()"),
    "the rate is 0.1": ("parameters(), rate)", "parameters(), 0.1)"),
    "takes one step only": ("one_epoch(model.train(), X, y, sgd)",
                            "one_epoch(model.train(), X[:64], y[:64], sgd)"),
    "a step for each 64 rows": ("one_epoch(model.train(), X, y, sgd)",
                                "one_epoch(model.train(), X[:128], y[:128], sgd)"),
    "only one epoch is trained": ("one_epoch(model.train(), X, y, sgd)",
                                  "watched or one_epoch(model.train(), X, y, sgd)"),
    "one step of SGD for each epoch": ("one_epoch(model.train(), X, y, sgd)",
        "one_epoch(model.train(), X, y, sgd)\n        one_epoch(model, X, y, sgd)"),
    "one accuracy for each epoch": ("return watched", "return watched[-1:]"),
    "inside the loop": ("return watched", "return epochs * watched[-1:]"),
    "on the training data": ("evaluate(model, X_test, y_test)", "evaluate(model, X, y)"),
}

# %% correct="train_and_watch"
def train_and_watch(model, X, y, X_test, y_test, epochs, rate=0.1):
    def epoch():
        order = torch.randperm(len(X))
        for k in range(0, len(X), 64):
            for weight in model.parameters():
                weight.grad = None
            rows = order[k : k + 64]
            F.nll_loss(model.train()(X[rows]).log_softmax(1), y[rows]).backward()
            with torch.no_grad():
                for weight in model.parameters():
                    weight -= rate * weight.grad
        model.eval()
        with torch.no_grad():
            return float((model(X_test).argmax(1) == y_test).float().mean())

    return [epoch() for _ in range(epochs)]

# %% [markdown]
# ## Exercise: `Classifier`
#
# Two complaints about one network. *"However long I train, the training loss stays above one."* And
# from a colleague: *"I call `eval()`, I really do. The same image gets another answer each time."*

# %% exercise="Classifier"
class Classifier(nn.Module):
    """Logits of a ReLU network, with dropout after each hidden layer, in training, nowhere else."""

    def __init__(self, sizes, p=0.5):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.p = p

    def forward(self, x):
        ### BEGIN SOLUTION
        *hidden, output = self.layers
        for linear in hidden:
            x = F.dropout(linear(x).relu(), self.p, training=self.training)
        return output(x)
        ### END SOLUTION
        for layer in self.layers:
            x = F.dropout(layer(x).relu(), self.p)
        return x

# %% [markdown] hint="Classifier"
# How many times does the loop run for `[64, 128, 10]`, and what happens in the last round?

# %% [markdown] hint="Classifier"
# Print the model: which of its submodules drops? A function has no flag of its own. Read the
# signature of `F.dropout`: `help(F.dropout)`.

# %% [markdown] hint="Classifier"
# `self.layers[:-1]` is a list of layers, too. And if you would rather have a dropout *module*,
# where must it be made, so that `eval()` finds it?

# %%
net = Classifier([64, 128, 10])
optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
for _ in range(5):
    one_epoch(net, X, y, optimizer)
logits = net(X)
print(f"training loss, in training mode: {F.cross_entropy(logits, y).item():.2f}")
print(f"logits that are exactly 0: {100 * (logits == 0).double().mean().item():.0f} %")
with torch.no_grad():
    logits = [f"{net.eval()(X[0])[0]:.2f}" for _ in range(5)]
print("the first logit of one image, five times in evaluation mode:", *logits)

# %% check="Classifier" points=1
# The logits leave the network as they are.
with expect.case("the shape of Classifier([5, 4, 3])(x), 20 rows"):
    out = Classifier([5, 4, 3])(torch.ones(20, 5))
    expect.equal(str(tuple(out.shape)), "(20, 3)", hint="return a logit for each class.", suspects=[
        ("(20, 4)", "the output layer is left out. It too belongs in forward, after the loop."),
        ("(20, 5)", "x comes back: it goes through no layer."),
    ])
with expect.case("Classifier([60, 60, 60]) in training mode, with unit matrices as weights"):
    out = passing_on(Classifier([60, 60, 60]))(torch.ones(20, 60)).detach()
    expect.equal(
        f"{int((out == 0).sum())} logits exactly 0", "0 logits exactly 0",
        hint="logits are dropped, or go through a ReLU. Both belong after hidden layers only.",
    )
    expect.some(out != 1, "an entry that a layer changed",
                hint="x comes back: it goes through no layer.")

# %% check="Classifier" points=1
# In evaluation the whole network answers.
x = torch.randn(50, 5, generator=expect.generator())
with expect.case("model = Classifier([5, 40, 4, 3]); model.eval(); model(X) twice"):
    model = Classifier([5, 40, 4, 3])
    model.eval()
    weights = list(model.parameters())
    with torch.no_grad():
        weights[-1][0] = -30  # of the last bias: whatever is drawn, a logit is negative
    found, second = (model(x.clone()).detach() for _ in "ab")
    expect.equal(
        "the same answer" if bool((found == second).all()) else "two answers", "the same answer",
        hint="it drops in evaluation. F.dropout drops unless told `training=False`, and a module "
             "made in forward, or kept in a plain list, stays in training mode: eval() cannot find "
             "it.",
    )
with expect.case("model.eval(); model(X) against its own weights"):
    expect.equal(len(weights), 6, hint="three linear layers: six tensors.")
    a, b, c, d, e, f = (w.detach() for w in weights)
    hidden = F.linear(F.linear(x, a, b).relu(), c, d).relu()
    expect.close(
        found, F.linear(hidden, e, f), rtol=1e-4, atol=1e-5,
        hint="a ReLU after each hidden layer, none after the output.",
        suspects=[(F.linear(F.linear(F.linear(x, a, b), c, d), e, f),
                   "the ReLUs between the layers are gone."),
                  (F.linear(F.linear(F.linear(x, a, b).relu() / 2, c, d).relu() / 2, e, f),
                   "evaluation scales by 1 - p. F.dropout has scaled in training."),
                  (F.linear(hidden, e, f).softmax(1), "that is a softmax. Return logits."),
                  (F.linear(hidden, e, f).log_softmax(1), "that is a softmax. Return logits.")],
    )

# %% check="Classifier" points=1
# In training each hidden unit has a coin of its own, and nothing else is dropped.
with expect.case("Classifier([400, 400, 400, 400]) in training mode, unit matrices as weights"):
    out = passing_on(Classifier([400, 400, 400, 400]))(torch.ones(20, 400)).detach()
    expect.equal(f"{int((out == 0).sum())} logits exactly 0", "0 logits exactly 0",
                 hint="the logits pass a ReLU or dropout, which hides what is dropped before: mend "
                      "that first.")
    out = out + 0.5
    share = (out > 0).double().mean().item()
    layers = "none" if share == 1 else "three" if abs(share - 0.125) < 0.02 else "two"
    expect.equal(f"of input and two hidden layers, {layers} dropped",
                 "of input and two hidden layers, two dropped",
                 hint="the units of both hidden layers are to be dropped, and no others.",
                 suspects=[("of input and two hidden layers, none dropped",
                            "nothing is dropped: the bug went, and so did dropout."),
                           ("of input and two hidden layers, three dropped",
                            "the input is dropped as well.")])
ones = torch.ones(20, 64)
with expect.case("Classifier([64, 60, 60], p), its first layer taking means, 24 times for each "
                 "of four p, on 20 rows of 64 ones"):
    known = {}

    def net(p):
        if p not in known:
            known[p] = passing_on(Classifier([64, 60, 60], p), 0)
        return known[p]

    dropped = bool((net(0.5)(ones).detach() == -0.5).any())
    expect.equal("dropped" if dropped else "not dropped", "dropped",
                 hint="here the only hidden layer is not dropped. Dropout follows each hidden "
                      "layer, the last one too, and the input is left alone.")
    expect.coins(lambda p, _: net(p)(ones).detach() + 0.5, scale=lambda p: 1 / (1 - p),
                 source=lambda: None, axes=("row", "unit"))
with expect.case("the same network of four times 400, once more"):
    expect.mean(out > 0, 0.25, of=(0, 1), hint="two hidden layers, two masks.",
                suspects=[(0.5, "only one of two hidden layers is followed by dropout.")])
    expect.only(out, (0, 4), rtol=1e-5,
                hint="survivors are scaled by 1 / (1 - p), once at each layer.")
with expect.case("model = Classifier([5, 40, 4, 3], 0.0); model(X) in training mode, against its "
                 "own weights", crash=[
    ("does not require grad", "gradients reach no weight: .detach(), .data or no_grad() in "
                              "forward."),
]):
    x, model = torch.randn(50, 5, generator=expect.generator()), Classifier([5, 40, 4, 3], 0.0)
    a, b, c, d, e, f = (w.detach() for w in model.parameters())
    hidden = F.linear(F.linear(x, a, b).relu(), c, d).relu()
    out = model(x.clone())
    expect.close(out.detach(), F.linear(hidden, e, f), rtol=1e-4, atol=1e-5,
                 hint="where nothing is dropped, training gives what evaluation does: a ReLU after "
                      "each hidden layer, in both modes.")
    out.sum().backward()
    expect.equal(f"{sum(w.grad is not None for w in model.parameters())} of 6 tensors learn",
                 "6 of 6 tensors learn", hint="gradients do not reach all weights: .detach(), "
                                              ".data or no_grad() in forward.")
with expect.case("Classifier([5, 40, 40, 3]) in training mode, under no_grad()"):
    model = Classifier([5, 40, 40, 3])
    outs = [expect.ask("without_gradients", model, x.clone()) for _ in range(2)]
    expect.varies(outs, chance=0.5**2000, what="two different masks",
                  hint="in training mode it drops under no_grad() too. Ask self.training alone, "
                       "not whether gradients are recorded.")
with expect.case("network = nn.Sequential(nn.Sequential(Classifier([5, 40, 40, 3]))); "
                 "network.eval(); network(X) twice; the same after network.train()"):
    network = expect.ask("nested", Classifier([5, 40, 40, 3]))
    network.eval()
    once, again = (network(x.clone()).detach() for _ in "ab")
    expect.equal("the same answer" if bool((once == again).all()) else "two answers",
                 "the same answer", hint="it drops after eval() of a network that holds it. Keep "
                                         "no flag of your own: ask self.training.")
    network.train()
    expect.varies([network(x.clone()).detach(), network(x.clone()).detach()], chance=0.5**2000,
                  what="two different masks",
                  hint="it does not drop after train() of a network that holds it.")

# %% mistakes="Classifier"
{
    "x comes back": ("        *hidden, output", "        return x\n        *hidden, output"),
    "the output layer is left out": ("return output(x)", "return x"),
    "Both belong after hidden layers only": ("return output(x)",
        "return F.dropout(output(x), self.p, training=self.training)"),
    "none after the output": ("return output(x)",
                              "return output(x) if self.training else output(x).relu()"),
    "the ReLUs between the layers are gone": (".relu()", ""),
    "F.dropout drops unless told": (", training=self.training", ""),
    "eval() cannot find it": ("F.dropout(linear(x).relu(), self.p, training=self.training)",
                              "nn.Dropout(self.p)(linear(x).relu())"),
    "kept in a plain list": ("""        *hidden, output = self.layers
        for linear in hidden:
            x = F.dropout(linear(x).relu(), self.p, training=self.training)""",
        """        *hidden, output = self.layers
        if not hasattr(self, "drops"):
            self.drops = [nn.Dropout(self.p) for _ in hidden]
        for linear, drop in zip(hidden, self.drops, strict=True):
            x = drop(linear(x).relu())"""),
    "that is a softmax. Return logits": ("return output(x)",
        "return output(x) if self.training else output(x).log_softmax(-1)"),
    "in both modes": ("F.dropout(linear(x).relu(), self.p, training=self.training)",
        "F.dropout(linear(x), self.p) if self.training else linear(x).relu()"),
    "that is a softmax": ("return output(x)",
        "return output(x) if self.training else output(x).softmax(-1)"),
    "is p handed on": ("self.p, training", "training"),
    "evaluation scales by 1 - p": ("training=self.training)",
        "training=self.training) * (1 if self.training else 1 - self.p)"),
    "so did dropout": ("training=self.training", "training=False"),
    "p is taken for the probability of keeping": ("self.p, training", "1 - self.p, training"),
    "the input is dropped as well": ("*hidden, output", "x = x if len(self.layers) < 3 else "
        "F.dropout(x, self.p, training=self.training)\n        *hidden, output"),
    "the only hidden layer is not dropped": ("F.dropout(linear(x).relu(), self.p, "
        "training=self.training)", "linear(F.dropout(x, self.p, training=self.training)).relu()"),
    "gradients do not reach all weights": ("linear(x).relu()", "linear(x).relu().detach()"),
    "gradients reach no weight": ("return output(x)", "return output(x).detach()"),
    "not whether gradients are recorded": ("training=self.training",
        "training=self.training and torch.is_grad_enabled()"),
    "only one of two hidden layers": ("training=self.training)",
        "training=self.training and linear is self.layers[0])"),
    "once at each layer": ("return output(x)", "return output(x / 2 if len(hidden) > 1 and "
                           "self.training else x)"),
    "every unit has the same mask": ("F.dropout(", "F.dropout1d("),
}

# %% mistake="Classifier" says="Keep no flag of your own"
class Classifier(nn.Module):
    def __init__(self, sizes, p=0.5):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.p, self.drops = p, True

    def train(self, mode=True):
        self.drops = True
        return super().train(mode)

    def eval(self):
        super().eval()
        self.drops = False
        return self

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.dropout(layer(x).relu(), self.p, self.drops)
        return self.layers[-1](x)

# %% correct="Classifier"
class Classifier(nn.Module):
    def __init__(self, sizes, p=0.5):
        super().__init__()
        parts = []
        for a, b in pairwise(sizes):
            parts += [nn.Linear(a, b), nn.Dropout(p), nn.ReLU()]
        self.parts = nn.Sequential(*parts[:-2])

    def forward(self, x):
        return self.parts(x)

# %% [markdown]
# ## A tool that finds them
#
# You found these bugs by reading. With somebody else's hundred layers, reading is not enough. Some
# bugs show when the network *runs*. Others show only in the order in which layers are *called*,
# which may not be that in which they were made. A *forward hook* sees that: PyTorch calls it after
# a module's `forward`. `call_order` uses hooks on a copy. Two more helpers say what we call a
# dropout layer and a layer with weights.

# %% setup=true
def call_order(model, *inputs):
    """The modules without submodules, in the order in which a copy of model(*inputs) calls them."""
    twin, called = copy.deepcopy(model).eval(), []
    for module in twin.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda module, *_: called.append(module))
    with torch.no_grad():
        twin(*inputs)
    return called


def is_dropout(layer):
    """nn.Dropout and its kin, or your own: "Dropout" in the name of its class, and a number p."""
    return "Dropout" in type(layer).__name__ and isinstance(getattr(layer, "p", None), int | float)


def has_weights(layer):
    """Linear, convolution, embedding, …; no normalisation, whose weights have one axis."""
    return any(weight.dim() > 1 for weight in layer.parameters())

# %%
class Late(nn.Module):
    """A healthy network whose dropout layer is made last and called in between, twice."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.c(self.drop(self.b(self.drop(self.a(x).relu())).relu()))


print("made:  ", [type(layer).__name__ for layer in Late().children()])
print("called:", [type(layer).__name__ for layer in call_order(Late(), X[:2])])

# %% setup=true
# For the checks: networks whose classes have names that nobody can know.
def nameless(forward, *, kind="", **parts):
    """A module with these parts and this `forward(self, *inputs)`; `kind` ends its class's name."""
    letters = expect.rng().choice(list("abcdefghijklmnoprstuvwz"), 8)
    name = "".join(letters).title() + kind
    module = type(name, (nn.Module,), {"forward": forward})()
    for part, value in parts.items():
        setattr(module, part, value)
    return module


def told(found):
    """What was found, as text."""
    return ", ".join(sorted(found)) or "nothing"


def either_way():
    """True and False, in an order that nobody can know."""
    return [bool(sick) for sick in expect.rng().permutation([True, False])]

# %% [markdown]
# ## Exercise: `find_dropout_bugs`
#
# A tool that cries wolf is soon switched off, so a healthy network must get no report.

# %% exercise="find_dropout_bugs"
def find_dropout_bugs(model, *inputs):
    """What is wrong with dropout in this network: a set of none, some or all of these strings.

    "on in evaluation"       in evaluation mode, two runs of model(*inputs) differ
    "after the output layer" a dropout layer is called after the last layer with weights
    "p is 0 or 1"            of a dropout layer that is called

    model : nn.Module, left as it is (weights, buffers, training flags)
    inputs : one or more tensors that model(*inputs) accepts; it returns a tensor
    """
    ### BEGIN SOLUTION
    twin = copy.deepcopy(model).eval()
    with torch.inference_mode():
        first, *others = [twin(*inputs) for _ in range(10)]
    layers = call_order(model, *inputs)
    drops = [i for i, layer in enumerate(layers) if is_dropout(layer)]
    weighty = [i for i, layer in enumerate(layers) if has_weights(layer)]
    found = {"on in evaluation": any(not torch.equal(out, first) for out in others),
             "after the output layer": bool(weighty) and drops[-1:] > weighty[-1:],
             "p is 0 or 1": any(layers[i].p in (0, 1) for i in drops)}
    return {bug for bug, there in found.items() if there}
    ### END SOLUTION

# %% [markdown] hint="find_dropout_bugs"
# Begin with the first string alone: a deep copy in evaluation mode, run ten times. The checks go
# from string to string.

# %% [markdown] hint="find_dropout_bugs"
# The other two need one walk through `call_order(model, *inputs)`. At which places are dropout
# layers, at which layers with weights?

# %% [markdown] hint="find_dropout_bugs"
# "After the last layer with weights" compares two places: that of the last dropout layer, and that
# of the last layer with weights. Either may be missing.

# %% [markdown]
# Try your tool on these patients.

# %%
class Functional(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5)  # always on


def chain(*rest):
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), *rest)


last = nn.Linear(64, 10)
patients = {
    "your Classifier": Classifier([64, 64, 64, 10]),
    "made last, called between": Late(),
    "F.dropout, always on": chain(Functional(), last),
    "logits dropped too": chain(nn.Dropout(0.5), last, nn.Dropout(0.5)),
    "switched off by hand": chain(nn.Dropout(0.0), last),
}
bugs = ["on in evaluation", "after the output layer", "p is 0 or 1"]
found = [[bug in find_dropout_bugs(model, X[:20]) for bug in bugs] for model in patients.values()]
fig, (ax,) = plot.figure(1, height=2.3)
plot.mask(found, ax).set_yticks([k + 0.5 for k in range(len(patients))], list(patients))
ax.set_xticks([k + 0.5 for k in range(len(bugs))], bugs)
ax.tick_params(length=0)
ax.set_aspect("auto")
ax.set_title("What your tool finds (blue)")
plot.show(fig, "What your tool reports. " + "; ".join(
    f"{name}: {', '.join(bug for bug, there in zip(bugs, row, strict=True) if there) or 'nothing'}"
    for name, row in zip(patients, found, strict=True)) + ".")

# %% check="find_dropout_bugs" points=1
# Healthy networks get no report.
rows = torch.ones(20, 8)
with expect.case("find_dropout_bugs(model, X) on a healthy network"):
    model = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 30), nn.ReLU(), nn.Dropout(0.5),
                          nn.Linear(30, 3))
    found = find_dropout_bugs(model, rows.clone())
    kind = "a string" if isinstance(found, str) else "None" if found is None else "a set"
    expect.equal(kind, "a set",
                 hint="return a set of strings, not one string made of them.")
    expect.equal(
        told(found), "nothing",
        hint="the network has no bug.",
        suspects=[("on in evaluation", "dropout in training mode is no bug: put the copy into "
                                       "evaluation mode."),
                  ("p is 0 or 1", "0.2 and 0.5 are neither 0 nor 1.")],
    )
with expect.case("find_dropout_bugs(model, X): a dropout layer that is made last, called between"):
    late = nameless(lambda self, x: self.c(self.drop(self.b(self.drop(self.a(x).relu())).relu())),
                    a=nn.Linear(8, 30), b=nn.Linear(30, 30), c=nn.Linear(30, 3),
                    drop=nn.Dropout(0.5))
    expect.equal(
        told(find_dropout_bugs(late, rows.clone())), "nothing",
        hint="the network has no bug.",
        suspects=[("after the output layer", "that is the order of __init__. Go by call_order.")],
    )
with expect.case("find_dropout_bugs(model, X, scale): a healthy network of two inputs",
                 crash=[("positional argument", "the model takes more than one input. Hand all of "
                                                "them on: model(*inputs).")]):
    gated = nameless(lambda self, x, scale: self.b(self.drop(self.a(x).relu() * scale)),
                     a=nn.Linear(8, 30), b=nn.Linear(30, 3), drop=nn.Dropout(0.5))
    expect.equal(told(find_dropout_bugs(gated, rows.clone(), torch.ones(30))), "nothing",
                 hint="the network has no bug.")
for words, model in (("nn.Linear(8, 3)", nn.Linear(8, 3)), ("nn.Dropout(0.5)", nn.Dropout(0.5))):
    with expect.case(f"find_dropout_bugs({words}, X)"):
        expect.equal(told(find_dropout_bugs(model, rows.clone())), "nothing",
                     hint="no dropout layer, or no layer with weights: no bug.")

# %% check="find_dropout_bugs" points=1
# Dropout that eval() does not reach.
ways = {  # in training only, and always: no attribute tells which
    "by F.dropout": (lambda self, x: F.dropout(x, 0.5, self.training),
                     lambda self, x: F.dropout(x, 0.5)),
    "by a layer made in forward": (lambda self, x: nn.Dropout(0.5).train(self.training)(x),
                                   lambda self, x: nn.Dropout(0.5)(x)),
    "by hand": (lambda self, x: x * (torch.rand(x.shape) >= 0.5) * 2 if self.training else x,
                lambda self, x: x * (torch.rand(x.shape) >= 0.5) * 2),
}
for words, forwards in ways.items():
    for on in either_way():
        model = nn.Sequential(nn.Linear(8, 30), nn.ReLU(),
                              nn.Sequential(nameless(forwards[on])), nn.Linear(30, 3))
        with torch.no_grad():
            model[3].bias[0] = 30  # the class is 0, whatever is dropped
        when = "in evaluation too" if on else "in training only"
        with expect.case(f"find_dropout_bugs(model, X): a network that drops {words}, {when}"):
            expect.equal(
                told(find_dropout_bugs(model, torch.ones(20, 8))),
                "on in evaluation" if on else "nothing",
                hint="run the model in evaluation mode, several times, and compare the outputs.",
                suspects=[("nothing", "reading the modules is not enough: run the model in "
                                      "evaluation mode, without a seed, and compare all numbers "
                                      "that come out, not the classes.")] if on else [],
            )

# %% check="find_dropout_bugs" points=1
# Dropout after the output layer.
endings = (lambda self, x: self.end(self.b(self.drop(self.a(x).relu()))),
           lambda self, x: self.end(self.drop(self.b(self.drop(self.a(x).relu())))))


def convolution():
    return nn.Sequential(nn.Unflatten(1, (1, 30)), nn.Conv1d(1, 3, 30), nn.Flatten())


mixing = nameless(lambda self, x: x @ self.w, w=nn.Parameter(torch.ones(30, 3)))
for words, made, last, end in (
    ("nn.Dropout", lambda: nn.Dropout(0.5), nn.Linear(30, 3), nn.LogSoftmax(1)),
    ("nn.AlphaDropout", lambda: nn.AlphaDropout(0.5), nn.Linear(30, 3), nn.LogSoftmax(1)),
    ("a class of its own", lambda: nameless(
        lambda self, x: F.dropout(x, self.p, self.training), kind="Dropout", p=0.5),
     nn.Linear(30, 3), nn.LogSoftmax(1)),
    ("nn.Dropout, a convolution at the end", lambda: nn.Dropout(0.5), convolution(), nn.Identity()),
    ("nn.Dropout, weights of its own at the end", lambda: nn.Dropout(0.5), mixing, nn.Identity()),
    ("nn.Dropout, a norm at the end", lambda: nn.Dropout(0.5), nn.Linear(30, 3), nn.LayerNorm(3)),
):
    for sick in either_way():
        model = nameless(endings[sick], drop=made(), a=nn.Linear(8, 30), b=copy.deepcopy(last),
                         end=copy.deepcopy(end))
        where = "on hidden units and on logits" if sick else "on hidden units only"
        called = ", ".join(type(layer).__name__ for layer in call_order(model, torch.ones(20, 8)))
        with expect.case(f"find_dropout_bugs(model, X): {words}, {where}; called: {called}"):
            expect.equal(
                told(find_dropout_bugs(model, torch.ones(20, 8))),
                "after the output layer" if sick else "nothing",
                hint="is a dropout layer called after the last layer with weights?",
                suspects=[("nothing", "it is overlooked here: go by call_order, look at all that "
                                      "follows the last layer with weights, and at every kind of "
                                      "dropout. `has_weights` says what has weights.")] if sick else
                         [("after the output layer", "no dropout follows the last layer with "
                                                     "weights. `has_weights` says what has.")],
            )

# %% check="find_dropout_bugs" points=1
# A rate of 0 or 1, of a layer that is called.
for words, made in (
    ("nn.Dropout(0.0)", lambda: nn.Dropout(0.0)),
    ("nn.Dropout(1)", lambda: nn.Dropout(1)),
    ("nn.Dropout1d(1.0)", lambda: nn.Dropout1d(1.0)),
):
    for sick in either_way():
        layers = [made(), nn.Dropout(0.5)]
        model = nameless(lambda self, x: self.b(self.drop(self.a(x).relu())),
                         drop=layers.pop(not sick), other=layers[0], a=nn.Linear(8, 30),
                         b=nn.Linear(30, 3))
        with expect.case(f"find_dropout_bugs(model, X): {words}, "
                         f"{'called' if sick else 'never called'}"):
            expect.equal(
                told(find_dropout_bugs(model, torch.ones(20, 8))),
                "p is 0 or 1" if sick else "nothing",
                hint="look at p of the dropout layers that are called.",
                suspects=[("nothing", "nothing is found: p is 0, or 1.")] if sick else
                         [("p is 0 or 1", "that layer is never called. Go by call_order.")],
            )
model = nn.Sequential(nn.Dropout(0.3), nn.Linear(8, 8), nn.Dropout(0.0), nn.Linear(8, 8),
                      nn.Dropout(0.5), nn.Linear(8, 3))
with expect.case("find_dropout_bugs(model, X): three dropout layers, p = 0.3, 0 and 0.5"):
    expect.equal(told(find_dropout_bugs(model, torch.ones(20, 8))), "p is 0 or 1",
                 hint="look at all dropout layers that are called, the first to the last.")
model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.0), nn.Linear(8, 3), nn.Dropout(0.5))
with expect.case("find_dropout_bugs(model, X): p = 0 on hidden units, and logits are dropped"):
    expect.equal(
        told(find_dropout_bugs(model, torch.ones(20, 8))), "after the output layer, p is 0 or 1",
        hint="there are two bugs here. Whatever is found belongs in the set.",
    )

# %% check="find_dropout_bugs" points=1
# The network is left as it was.
with expect.case("find_dropout_bugs(model, X), and flags and batch statistics afterwards"):
    norm = nn.BatchNorm1d(30)
    model = nn.Sequential(nn.Linear(8, 30), norm, nn.Dropout(0.5), nn.Linear(30, 3))
    model[2].eval()
    find_dropout_bugs(model, torch.randn(20, 8, generator=expect.generator()))
    expect.equal(str([m.training for m in model.modules()]), str([True, True, True, False, True]),
                 hint="the training flags changed. Work on a deep copy.")
    expect.unchanged(norm.running_mean, torch.zeros(30),
                     hint="batch norm has taken up X: the model itself ran in training mode. Work "
                          "on a deep copy.")
    expect.equal(str([bool(w.requires_grad) for w in model.parameters()]), str(6 * [True]),
                 hint="the weights take no gradients any more. Work on a deep copy.")
    model.eval()
    model[2].train()
    find_dropout_bugs(model, torch.randn(20, 8, generator=expect.generator()))
    expect.equal(str([m.training for m in model.modules()]),
                 str([False, False, False, True, False]),
                 hint="the training flags of a model in evaluation mode changed. Work on a deep "
                      "copy.")
with expect.case("find_dropout_bugs(model, X) where logits are dropped"):
    found = find_dropout_bugs(nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.5)), torch.ones(20, 8))
    expect.some(bool(found), "a bug", hint="no bug is found. Mend that first.")

# %% check="find_dropout_bugs" points=1 hidden=true
# A hidden check: networks that you have not seen.
def attention(self, x):
    q = self.query(x)
    h = F.scaled_dot_product_attention(q[None], q[None], q[None], dropout_p=self.rate)[0]
    return self.out(self.drop(self.norm(x + h)))


def attending(rate):
    return nameless(attention, rate=rate, query=nn.Linear(8, 8), out=nn.Linear(8, 3),
                    norm=nn.LayerNorm(8), drop=nn.Dropout(0.1))


signals = nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Dropout(0.1), nn.Conv1d(1, 4, 3),
                        nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout1d(0.2), nn.Flatten(),
                        nn.Linear(24, 30), nn.BatchNorm1d(30), nn.Dropout(0.4), nn.Linear(30, 3))
plain = nameless(lambda self, x: self.b(F.dropout(self.a(x), 0.5, self.training)),
                 a=nn.Linear(8, 30), b=nn.Linear(30, 3), never=nn.Dropout(0.0))
ill = nn.Sequential(nn.Linear(8, 30), nn.Dropout(1.0), nn.Linear(30, 3), nn.Dropout(1.0),
                    nameless(lambda self, x: x + torch.rand(x.shape)))
for words, model, bugs in (
    ("attention whose dropout_p is always on", attending(0.2), "on in evaluation"),
    ("attention without that bug", attending(0.0), "nothing"),
    ("convolutions, a linear layer, batch norm", signals, "nothing"),
    ("F.dropout that follows self.training, and an unused layer", plain, "nothing"),
    ("a rate of 0 on the input", nn.Sequential(nn.Dropout(0.0), nn.Linear(8, 3)), "p is 0 or 1"),
    ("one dropout layer, the last of all", nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.5)),
     "after the output layer"),
    ("three bugs at once", ill, "after the output layer, on in evaluation, p is 0 or 1"),
):
    with expect.case(f"find_dropout_bugs(model, X): {words}"):
        expect.equal(told(find_dropout_bugs(model, torch.rand(20, 8))), bugs,
                     hint="go by the definitions in the docstring, one by one.")

# %% mistakes="find_dropout_bugs"
{
    "return a set of strings": ("return {bug for bug, there in found.items() if there}",
                                "print(found)"),
    "not one string made of them": ("return {bug for bug, there in found.items() if there}",
                             'return ", ".join(bug for bug, there in found.items() if there)'),
    "put the copy into evaluation mode": ("deepcopy(model).eval()", "deepcopy(model)"),
    "neither 0 nor 1": ("p in (0, 1)", "p <= 1"),
    "the order of __init__": ("call_order(model, *inputs)",
                              "[m for m in model.modules() if not list(m.children())]"),
    "Hand all of them on": ("twin(*inputs)", "twin(inputs[0])"),
    "the network has no bug": ("bool(weighty) and drops[-1:] > weighty[-1:]", "bool(drops)"),
    "no layer with weights": ("bool(weighty) and drops", "drops"),
    "reading the modules is not enough": ("range(10)", "range(1)"),
    "not the classes": ("torch.equal(out, first)", "torch.equal(out.argmax(-1), first.argmax(-1))"),
    "overlooked here": ("bool(weighty) and drops[-1:] > weighty[-1:]",
                        "is_dropout(layers[-1]) and len(layers) > 1"),
    "at every kind of dropout": ("if is_dropout(layer)", "if isinstance(layer, nn.Dropout)"),
    "nothing is found: p is 0, or 1": ("p in (0, 1)", "p == 0"),
    "no dropout follows the last": ("if has_weights(layer)", "if isinstance(layer, nn.Linear)"),
    "`has_weights` says what has weights": ("if has_weights(layer)",
                                            "if list(layer.parameters())"),
    "the first to the last": ("for i in drops)", "for i in drops[:1])"),
    "there are two bugs here": ("return {bug for bug, there in found.items() if there}",
                               "return {next((bug for bug in found if found[bug]), '')} - {''}"),
    "never called": ("layers[i].p in (0, 1) for i in drops",
                     "layer.p in (0, 1) for layer in model.modules() if is_dropout(layer)"),
    "the training flags changed": ("copy.deepcopy(model).eval()", "model.eval()"),
    "`has_weights` says what has": ("if has_weights(layer)",
        "if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)"),
    "batch norm has taken up X": ("        first, *others", "        model(*inputs)\n"
                                  "        first, *others"),
}

# %% correct="find_dropout_bugs"
def find_dropout_bugs(model, *inputs):
    bugs, last = set(), "none"
    for layer in call_order(model, *inputs):
        if has_weights(layer):
            last = "weights"
            bugs.discard("after the output layer")
        elif is_dropout(layer):
            if last == "weights":
                bugs.add("after the output layer")
            if not 0 < layer.p < 1:
                bugs.add("p is 0 or 1")
    flags = [module.training for module in model.modules()]
    model.train(False)
    first = model(*inputs)
    if any((model(*inputs) != first).any() for _ in range(5)):
        bugs.add("on in evaluation")
    for module, flag in zip(model.modules(), flags, strict=True):
        module.training = flag
    return bugs

# %% [markdown]
# A clean report proves little: an `F.dropout` that follows `self.training` is no module, so its
# place isn't seen; and a few runs can agree by chance.
#
# ### Bugs in the wild
#
# These four bugs are, or were, in public code, by people who teach well.
#
# - `j-min/Dropouts`, `Gaussian_Variational_Dropout.ipynb`, asks `if self.train():`. That doesn't
#   read the mode, it *sets* it, and what comes back is always true.
# - `karpathy/convnetjs`, `src/convnet_layers_dropout.js`, multiplied by the probability of
#   *dropping* in prediction. At 0.5 nobody can tell.
# - `iamtrask/Grokking-Deep-Learning`, chapter 8, multiplies by the mask and by 2 in the forward
#   pass, and by the mask alone in the backward pass.
# - `ddbourgin/numpy-ml`, `neural_nets/wrappers/wrappers.py`, scales the gradient in the backward
#   pass and forgets the mask (and applies the scale after the bias and the activation).
#
# Your tool runs the network, so it can find the first:

# %%
class Patient(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x) if self.train() else x


sick = nn.Sequential(nn.Linear(64, 64), Patient(), nn.Linear(64, 10)).eval()
print("your tool says:", find_dropout_bugs(sick, X[:20]) or "nothing")
sick(X[:2])
print("flags after eval() and one call:", [module.training for module in sick.modules()])

# %% [markdown]
# At another rate the second shows in the layer alone: its mean over many masks is not its
# prediction. The last two are in the backward pass, and finite differences find them, as in
# {{backward}}:

# %%
x, mask = torch.randn(8, dtype=torch.float64), torch.tensor([1, 0, 1, 1, 0, 0, 1, 0])
measured = (2 * mask * (x + 1e-5) - 2 * mask * (x - 1e-5)) / 2e-5
for name, claimed in (("mask alone", mask), ("scale alone", 2 + 0 * mask), ("both", 2 * mask)):
    print(f"backward by {name}: off by up to {(claimed - measured).abs().max():.2f}")

# %% [markdown]
# Neither your tool nor finite differences finds these two, from well-known libraries in 2026:
#
# - timm 1.0.31, `drop_block_2d`: to drop squares of 7 × 7 on a map of 7 × 7, the rate is computed
#   for the *one* square that fits; then each of 49 places gets a coin.
# - ignite 0.5.5, `EarlyStopping`: a score that is at most the best so far counts as no progress.
#   For NaN this comparison is false, so training goes on.

# %%
squares = (torch.rand(2000, 1, 7, 7) < 0.1).float()
dropped = F.max_pool2d(squares, 7, stride=1, padding=3).mean()
print(f"asked for 10 %, dropped: {100 * dropped:.0f} %")
print("is NaN without progress?", float("nan") <= 0.9)

# %% [markdown]
# ## Out of the notebook
#
# A network in use was saved once, and is run by another program, perhaps one that lacks your
# classes. What becomes of its mode on the way? Write the export first.
#
# ## Exercise: `export_for_serving`
#
# `torch.export.export(model, (example,))` runs `model(example)` once, writes down every operation,
# and gives a *program*; `program.module()` is a module that carries them out. It can be saved and
# run without your Python classes. (Older ways are `torch.jit.trace(model, example)` and
# `torch.jit.script(model)`. Any is welcome, if the result is right.)

# %% exercise="export_for_serving"
def export_for_serving(model, example):
    """A module that answers as `model` does in evaluation mode: served(X) for X of example's shape.

    model : nn.Module in any mode; left as it is, with the training flag of every submodule
    example : a batch that the model accepts
    What is returned was exported, traced or scripted: it runs without the model's Python classes.
    """
    ### BEGIN SOLUTION
    twin = copy.deepcopy(model).eval()
    return torch.export.export(twin, (example,)).module()
    ### END SOLUTION

# %% [markdown] hint="export_for_serving"
# What is written down is what happened in one run. In which mode should that run be?

# %% [markdown] hint="export_for_serving"
# The model itself must keep its flags: give them back as in `evaluate`, or work on a deep copy.

# %% [markdown] hint="export_for_serving"
# The examples are handed over as a tuple, `(example,)`. A program isn't callable; its `.module()`
# is.

# %% check="export_for_serving" points=2
# The exported network answers as the model does in evaluation mode, twice the same.
first, x = (torch.randn(20, 8, generator=expect.generator()) for _ in "ab")
crash = [("Unable to call ExportedProgram", "a program isn't callable: return its .module()."),
         ("to be a tuple", "hand the examples over as a tuple: (example,)."),
         ("Calling eval|Calling train", "an exported module has no modes to be switched. Call "
                                        "eval() on the model, before it is exported."),
         ("Guard failed", "what is exported serves inputs of its example's shape: hand the example "
                          "over as it is."),
         ("back: NoneType", "nothing comes back. Is there a `return`?")]
for mode in (True, False):
    was = "training" if mode else "evaluation"
    model = nn.Sequential(nn.Linear(8, 30), nn.BatchNorm1d(30), nn.Dropout(0.5), nn.Linear(30, 3))
    with torch.no_grad():
        model(first)  # in training mode: batch norm begins to learn what is usual
        model.eval()
        wanted, example_wanted = model(x), model(first)
        of_batch = model[3](F.batch_norm(model[0](x), None, None, training=True))
    model.train(mode)
    with expect.case(f"served = export_for_serving(model, example), model in {was} mode; served(X) "
                     "twice", crash=crash):
        served = export_for_serving(model, first.clone())
        found, again = (served(x.clone()).detach() for _ in "ab")
        expect.equal("the same" if bool((found == again).all()) else "two answers", "the same",
                     hint="the export still drops: it was made in training mode.")
        with torch.no_grad():
            now = model.eval()(x)
        expect.close(found, wanted, rtol=1e-4, atol=1e-5,
                     hint="that is not what model.eval()(X) gives.",
                     suspects=[(now, "batch norm has taken up the example: the model ran in "
                                     "training mode."),
                               (of_batch, "batch norm still uses the mean of each batch: it is in "
                                          "training mode. p = 0 is not all that eval() does."),
                               (example_wanted, "it gives the answer to the example, whatever X "
                                                "is. Export the network, not its output.")])

# %% check="export_for_serving" points=1
# The model is left as it was: flags and batch statistics.
with expect.case("export_for_serving(model, example), and the model afterwards"):
    norm = nn.BatchNorm1d(30)
    model = nn.Sequential(nn.Linear(8, 30), norm, nn.Dropout(0.5), nn.Linear(30, 3))
    model[2].eval()
    export_for_serving(model, torch.randn(20, 8, generator=expect.generator()))
    expect.equal(str([m.training for m in model.modules()]), str([True, True, True, False, True]),
                 hint="the training flags changed. Give each module its own back, or work on a "
                      "deep copy.")
    expect.unchanged(norm.running_mean, torch.zeros(30),
                     hint="batch norm has taken up the example: the model ran in training mode.")
    expect.equal(str([bool(w.requires_grad) for w in model.parameters()]), str(6 * [True]),
                 hint="the weights of the model take no gradients any more. Leave it as it is.")

# %% check="export_for_serving" points=1
# A model that is meant to drop in evaluation goes on dropping.
with expect.case("served = export_for_serving(model, X), where model drops in evaluation too",
                 crash=[("Unable to call ExportedProgram", "return its .module().")]):
    model = nn.Sequential(nn.Dropout(0.9), AlwaysDropout(0.5), nn.Flatten())
    served = export_for_serving(model, torch.ones(40, 50))
    found, again = (served(torch.ones(40, 50)).detach() for _ in "ab")
    expect.varies([found, again], chance=0.5**2000, what="two different masks",
                  hint="this model must keep dropping: it does so in evaluation mode. Switch "
                       "modes, and leave its layers alone.")
    expect.mean(found == 0, 0.5, of=(0, 1),
                hint="half of the units are dropped in evaluation; more, if the export was made in "
                     "training mode.")

# %% check="export_for_serving" points=1
# What is served runs without the model's Python classes.
with expect.case("export_for_serving(model, example), and the classes of all modules in it",
                 crash=[("Unable to call ExportedProgram", "return its .module().")]):
    model = nn.Sequential(nn.Linear(8, 30), AlwaysDropout(0.5), nn.Linear(30, 3))
    served = export_for_serving(model, torch.ones(20, 8))
    served(torch.ones(20, 8))  # a program that is no module says so
    alone = expect.ask("stands_alone", served)
    expect.equal("none" if alone else "the model's own", "none",
                 hint="what comes back still needs Python classes, as a copy of the model does: "
                      "export or trace it.")

# %% mistakes="export_for_serving"
{
    "still needs Python classes": ("torch.export.export(twin, (example,)).module()", "twin"),
    "Is there a `return`": ("return torch", "torch"),
    "return its .module()": (".module()", ""),
    "still drops": (".eval()", ""),
    "as a tuple": ("(example,)", "example"),
    "no modes to be switched": (".module()", ".module().eval()"),
    "the answer to the example": ("torch.export.export(twin, (example,)).module()",
                                  "lambda x, out=twin(example): out"),
    "that is not what model.eval()(X) gives": ("export(twin,",
                                               "export(nn.Sequential(twin, nn.Softmax(1)),"),
    "p = 0 is not all that eval() does": ("copy.deepcopy(model).eval()", "copy.deepcopy(model)\n"
        '    [setattr(layer, "p", 0.0) for layer in twin.modules()]'),
    "the training flags changed": ("copy.deepcopy(model).eval()", "model.eval()"),
    "take no gradients any more": ("deepcopy(model)", "deepcopy(model.requires_grad_(False))"),
    "hand the example over as it is": ("(example,)", "(example[:1],)"),
    "has taken up the example": ("twin = copy", "model(example)\n    twin = copy"),
    "this model must keep dropping": ("return torch", "for layer in twin.modules():\n"
                                      "        layer.p = 0.0\n    return torch"),
}

# %% correct="export_for_serving"
def export_for_serving(model, example):
    flags = [module.training for module in model.modules()]
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        served = torch.jit.trace(model, example, check_trace=False)
    for module, flag in zip(model.modules(), flags, strict=True):
        module.training = flag
    return served

# %% correct="export_for_serving"
def export_for_serving(model, example):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(copy.deepcopy(model).eval())

# %% [markdown]
# Now see what each way of saving keeps. A small network with dropout is saved in either mode,
# loaded, and asked twice: as it is loaded, and after `eval()`. The five
# ways: its `state_dict`, loaded into a new network; the whole object, with `torch.save(network)`;
# `torch.export`; `torch.jit.trace`, which writes down the operations of one run, as an export does;
# and `torch.jit.script`, which translates the code of `forward`, with its `if`s. **Guess: it was
# saved in *training* mode. After how many of the five does `eval()` stop the dropout?**

# %% guess=true
my_guess = 5  # of the five ways of saving in training mode, those after which eval() helps

# %% figure=true
# What each way of saving keeps of the mode in which the network was saved.
guess = expect.guess(my_guess)
batch = X[:20]


def new():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))


def with_state(model):
    loaded = new()
    loaded.load_state_dict(model.state_dict())
    return loaded


def with_file(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def behaviour(model, evaluated):
    try:
        model = model.eval() if evaluated else model
    except NotImplementedError:
        return "eval() fails"
    with torch.no_grad():
        return "same answer" if torch.equal(model(batch), model(batch)) else "drops"


ways = {"state_dict, into a new network": with_state, "torch.save(network)": with_file,
        "torch.export": lambda model: torch.export.export(model, (batch,)).module(),
        "torch.jit.trace": lambda model: torch.jit.trace(model, batch, check_trace=False),
        "torch.jit.script": torch.jit.script,
        "your export_for_serving": lambda model: export_for_serving(model, batch)}
columns = [(mode, evaluated) for mode in (True, False) for evaluated in (False, True)]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # trace and script are deprecated
    grid = [[behaviour(way(new().train(mode)), evaluated) for mode, evaluated in columns]
            for way in ways.values()]

colors = {"drops": plot.ORANGE, "same answer": plot.BLUE, "eval() fails": plot.GREY}
fig, (ax,) = plot.figure(1, height=3)
for i, row in enumerate(grid):
    for k, cell in enumerate(row):
        ax.barh(i, 0.96, left=k - 0.48, height=0.9, color=colors[cell])
        ax.annotate(cell, (k, i), ha="center", va="center", color="white")
ax.set_yticks(range(len(ways)), list(ways))
ax.set_xticks(range(4), [f"saved in {'training' if mode else 'evaluation'},\n"
                         f"{'after eval()' if evaluated else 'as loaded'}"
                         for mode, evaluated in columns], fontsize=9)
ax.set_xlim(-0.5, 3.5)
ax.tick_params(length=0)
ax.invert_yaxis()
for side in ax.spines.values():
    side.set_visible(False)
helped = sum(row[1] == "same answer" for row in grid[:5])
ax.set_title(f"Saved in training mode: eval() stops the dropout\n"
             f"for {helped} of 5 ways (you said {guess})")
plot.show(fig, "For six ways of saving, whether the loaded network drops: "
               + "; ".join(f"{way}: {', '.join(row)}" for way, row in zip(ways, grid, strict=True))
               + ".",
          claims={"some-files-keep-the-mode": 0 < helped < 5})

# %% [markdown]
# A `state_dict` holds weights and buffers, but no mode, and a new network begins in training mode,
# whatever the old one was in. `torch.save(network)` keeps flags. A script keeps the code,
# with its `if self.training`, so `eval()` still works. A trace and an export keep the operations of
# one run, and no `if` is left for `eval()` to act on. The exported module at least says so, by an
# error.
#
# So: `eval()` *before* an export, `eval()` *after* loading a `state_dict`; then run the loaded
# network twice on the same input, and compare. And a model that is to drop in use, for Monte-Carlo
# predictions ({{uncertainty}}), shouldn't depend on a mode at all.
#
# ## Explore: saved, loaded, asked again
#
# One network, saved in each mode and loaded, answers the same input up to twenty times. A dot is
# one answer; the line is the network's own answer in evaluation mode.
#
# **Try**: which ways keep every dot on the line, on both sides? At which $p$ can no test tell the
# ways apart? At $p=0.02$, with how few calls could you be fooled?

# %%
explore.serving(export_for_serving)

# %% [markdown]
# ## Back to the first network
#
# The course began with 200 digits, of which one label in five was wrong, a network wide enough to
# learn them all by heart, and the gap between its own images and new ones ({{start_here}}). Here is
# that task, twelve times, with what you fixed: `Classifier`, `train_and_watch`, `evaluate`. Which
# of the two panels says that dropout *helped*?

# %% figure=true
# Test error and gap, 200 digits, with and without dropout: takes half a minute or so.
EPOCHS, RUNS, rng = 120, 12, np.random.default_rng(0)
careless, other = rng.random(len(y)), (y.numpy() + rng.integers(1, 10, len(y))) % 10
given = torch.as_tensor(np.where(careless < 0.2, other, y.numpy()))
errors, gaps = torch.zeros(2, RUNS, EPOCHS), torch.zeros(2, RUNS)
for run in range(RUNS):
    rows = torch.randperm(len(X))[:200]  # the same for both networks of a pair
    for k, p in enumerate((0.0, 0.5)):
        torch.manual_seed(run)  # and the same weights to begin with
        net = Classifier([64, 128, 10], p)
        watched = train_and_watch(net, X[rows], given[rows], X_test, y_test, EPOCHS, 0.4)
        errors[k, run] = 100 * (1 - torch.tensor(watched))
        gaps[k, run] = 100 * (evaluate(net, X[rows], given[rows]) - watched[-1])
errors, gaps = errors.numpy(), gaps.numpy()

fig, (left, right) = plot.figure(2, height=2.8)
for p, runs, color in zip((0.0, 0.5), errors, (plot.ORANGE, plot.BLUE), strict=True):
    middle, error, epochs = runs.mean(0), plot.standard_error(runs), range(1, EPOCHS + 1)
    left.plot(epochs, middle, color=color, label=f"p = {p}")
    left.fill_between(epochs, middle - error, middle + error, color=color, alpha=0.2)
change, closed = plot.difference(errors[1, :, -1], errors[0, :, -1]), plot.difference(*gaps[::-1])
told = [of.says(less=f"lowers the {what}", more=f"raises the {what}",
                same=f"may {'lower' if of.mean < 0 else 'raise'} the {what}; {RUNS} runs can't say")
        + f": {of:.1f} percentage points" for of, what in ((change, "test error"), (closed, "gap"))]
left.set(xlabel="epoch", ylabel=f"error on new digits, %\n({RUNS} runs ± s.e.)", ylim=(0, 60),
         title=f"Dropout {told[0]}".replace("; ", ";\n").replace(": ", ":\n"))
left.legend()
plot.bars(gaps.mean(1), ["p = 0", "p = 0.5"], right, spread=plot.standard_error(gaps, 1),
          colors=[plot.ORANGE, plot.BLUE])
right.set(xlabel="accuracy on own images − on new ones,\npercentage points",
          title=f"It {told[1]}".replace("; ", ";\n").replace(": ", ":\n"))
plot.show(fig, "Error on new digits against epochs, and the gap, for a network of 128 hidden units "
               f"on 200 digits, one label in five wrong. Dropout {told[0]}. It {told[1]}.")

# %% [markdown]
# Only the left panel can say so. A smaller gap may also mean that the network learned its own
# images less well.

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="frozen" points=1
# The fourth script: "I freeze a trained network and train a new last layer on its features. Half of
# every image's features are 0, and it is the same half in every step."
#
#     body.requires_grad_(False)
#     features = body(X)
#     for step in range(100): ...  # train the head on `features`
#
# The line that is missing, before `features = body(X)`, is:
#
# - [ ] body.zero_grad()
# - [x] body.eval()
# - [ ] head.eval()
#
# Hint: two things can be frozen, the weights and the mode. Which does requires_grad_ know?

# %% question="traced" points=1
# A network was traced in training mode and saved. To stop its dropout you:
#
# - [ ] call eval() on what was loaded
# - [ ] load it under torch.no_grad()
# - [x] trace it again, in evaluation mode
#
# Hint: look at the row of torch.jit.trace in the figure.

# %% question="unseen" points=1
# Your find_dropout_bugs cannot find:
#
# - [ ] dropout after the output layer
# - [x] train() forgotten after a test
# - [ ] F.dropout(x, 0.5), on in both modes
#
# Hint: which of the three is no property of the network?

# %% [markdown]
# ## In your own words
#
# A colleague trains with dropout and prints two numbers after each epoch: the mean of the training
# losses of the epoch's batches, and the loss on validation data, measured in evaluation mode. From
# the first epoch on the validation loss is *lower*. "My validation data must have leaked into the
# training data." Answer in two to five sentences: what else explains it, and which measurement
# tells? (In a class, your instructor grades this.)

# %% [markdown] answer="lower_validation_loss" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: the training loss is that of thinned networks (and the mean over an
# epoch in which the weights were still improving), the validation loss that of the whole network,
# so the two are not comparable and no leak is needed. One point: measure the loss of the training
# data in evaluation mode, after the epoch, without gradients, with the flags given back; only if
# it too lies above the validation loss, look further.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - Silent bugs can hide from the error rate.{{claim:silent-bugs-hide}} They show when
#   you ask something else: the same input twice, the flags before and after, the order of the
#   calls.
# - `eval()` and `no_grad()` are two switches, and a measurement gives back what it switched.
# - `F.dropout` knows no mode unless told, and logits are not to be dropped.
# - A trace and an export keep the operations of one run; a script keeps the code and the flag; a
#   `state_dict` keeps weights and buffers, but no mode.{{claim:some-files-keep-the-mode}}
#
# **Keep.** `dropoutlab.bugs.find_dropout_bugs(model, X)`, for everyday use, also says where.
#
# **Read.** The documentation of `torch.export` and of `torch.nn.Module.train`. Karpathy, *A recipe
# for training neural networks* (2019): "neural net training fails silently".
#
# **Stretch.** A `torch.overrides.TorchFunctionMode` sees every call of a function in
# `torch.nn.functional`. With it, write a second tool, for the place and the rate of `F.dropout`.
#
# **Still open.** Part 1 is done. When does dropout help at all, by how much, and how would you
# know? That is {{overfitting}}.
