# %% [markdown]
# # 2.5 · Uncertainty
#
# **What does the network not know?**
#
# *{{minutes}} minutes. Before: {{pytorch}} and {{ensemble}}. After, you will be able to draw
# predictions from a dropout network, to turn them into a spread, a likelihood and an entropy, and
# to test whether those numbers deserve belief.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$, $y$, $D$ | input, target, and the training data |
# | $w$, $q(w)$ | all weights, and a distribution that stands for the posterior |
# | $p$ | probability that a unit is **dropped** |
# | $\hat y_t$, $q_t$ | output, or class probabilities, of pass $t$ of $k$, each with new masks |
# | $\tau$ | precision of the noise in $y$: one over its variance |
# | $H(q)$ | entropy, $-\sum_c q_c \log q_c$ |

# %% setup=true
import math
from contextlib import contextmanager, suppress

import numpy as np
import torch
from torch import nn

from dropoutlab import expect, explore, forecasters, plot, studies

# %% [markdown]
# ## How sure is it of a letter?
#
# A network that reads digits answers with ten probabilities.
#
# The next cell trains five networks without dropout, and five times five with it. Validation digits
# chose their $p$, learning rate and weight decay, by the log loss in evaluation. Five of those with
# dropout are then shown printed *letters*. **Guess: for how many letters in a hundred is a network
# more than 90 % sure of some digit?**

# %%
torch.set_num_threads(1)  # products this small wait for each other's threads
study = studies.kept("uncertainty")
train_set, validation_set, (X_test, y_test) = forecasters.digits()
X, y = (torch.cat(pair) for pair in zip(train_set, validation_set, strict=True))


def networks(way, seeds):
    how = {name: study["chosen"][way][name] for name in ("p", "rate", "decay", "steps")}
    return forecasters.network(forecasters.train(X, y, seeds=seeds, **how), how["p"])


plain = networks("no dropout", range(5))
members = networks("dropout", range(25))  # five times five; the first of each five:
dropped = forecasters.network([w[::5].detach() for w in members.parameters()], members[2].p)
letters, _ = forecasters.letters(300, seed=1)

# %% guess=true
my_guess = 5  # letters in a hundred that are called a digit with probability above 0.9

# %% figure=true
# Six letters and what a network calls them; how sure five networks are of letters and digits.
guess = expect.guess(my_guess)
with torch.no_grad():
    sure, verdict = dropped(letters).softmax(-1).max(-1)
    sure_digits = dropped(X_test).softmax(-1).amax(-1)
share, due = (100 * (s > 0.9).double().mean(1) for s in (sure, sure_digits))
fig, (left, right) = plot.figure(2, height=2.7)
first = sure[0].argsort(descending=True)[:300:25][:6]
tiles = nn.functional.pad(letters[first].reshape(-1, 8, 8), (1, 1))
plot.image(np.hstack(tiles.numpy()), left, largest=1)
left.set_xticks(np.arange(6) * 10 + 4.5, [f"{v}\n{100 * s:.0f} %" for v, s in
                                          zip(verdict[0, first], sure[0, first], strict=True)])
left.tick_params(length=0)
left.set_title("Letters, and what a network calls them")
bins = np.linspace(0.1, 1, 19)
for values, name, color in ((sure_digits, "digits", plot.GREY), (sure, "letters", plot.ORANGE)):
    right.hist(values.flatten().numpy(), bins, density=True, histtype="step", color=color,
               label=name, linewidth=2)
right.set(xlabel="probability of the chosen class", ylabel="density", yscale="log",
          title=f"Surer than 90 %: {share.mean():.0f} ± {plot.standard_error(share):.0f} of 100 "
                f"letters,\n{due.mean():.0f} of 100 digits (5 networks; your guess: {guess})")
right.legend(loc="upper left")
plot.show(fig, "Six letters that are called digits, and how sure five networks are of letters and "
               f"of digits. Of 100 letters they are surer than 90 % of {share.mean():.0f}.",
          claims={"letters-called-digits": plot.difference(share, 10).sign > 0})

# %% [markdown]
# All these answers are wrong. A softmax cannot say that this is no digit.
#
# ### One question from {{ensemble}}
#
# Weight scaling asks all $2^n$ thinned networks at once and returns one answer. What is lost,
# compared with asking a hundred of them?
#
# <details><summary>Answer</summary>
#
# Their *disagreement*.
# </details>
#
# ## The Bayesian reading
#
# Bayesian statistics keeps every setting $w$ of the weights, with a probability that says how
# plausible it is: before any data the *prior* $P(w)$, and afterwards the *posterior*, by Bayes'
# rule:
#
# $$ P(w \mid D) = \frac{P(D \mid w)\,P(w)}{P(D)}, \qquad
#    P(y \mid x, D) = \int P(y \mid x, w)\,P(w \mid D)\,dw . $$
#
# On the right every network is asked, and its answer weighted by how plausible it is. That splits
# doubt in two.
# *Aleatoric* uncertainty is in each $P(y \mid x, w)$: a smudge that nobody can read. More data do
# not remove it. *Epistemic* uncertainty is the disagreement between plausible networks. It should
# shrink as data come in, and it could warn us of a letter.
#
# The integral is out of reach. *Variational inference* takes a distribution $q(w)$ that can be
# drawn from, and brings it near to the posterior, measured by the Kullback–Leibler divergence.
# With means $\mathbb E$ over $w \sim q$:
#
# $$ \begin{aligned}
# \mathrm{KL}\bigl(q \,\|\, P(\cdot \mid D)\bigr)
#   &= \mathbb E\bigl[\log q(w) - \log P(w \mid D)\bigr]
#   && \text{its definition} \\
#   &= \mathbb E\bigl[\log q(w) - \log P(D \mid w) - \log P(w)\bigr] + \log P(D)
#   && \text{Bayes' rule} \\
#   &= \log P(D) - \bigl(\underbrace{\mathbb E[\log P(D \mid w)] - \mathrm{KL}(q \,\|\, P)}
#   _{\text{ELBO}}\bigr)
#   && \text{sorted.}
# \end{aligned} $$
#
# A divergence is never negative, so the bracket is at most $\log P(D)$, the *evidence*: it is the
# evidence lower bound (ELBO). And $\log P(D)$ does not depend on $q$, so raising the ELBO brings
# $q$ nearer to the posterior.
#
# Now let a draw from $q$ be "draw masks, and let them thin the network": what training changes are
# the parameters of $q$, and $w$ is what a mask leaves of them. The first term, estimated with one
# mask for each row, is minus the training loss with dropout. The second, for a normal prior, is
# approximately weight decay and a term that depends on $p$ alone. This is the reading of Gal and
# Ghahramani (2016): training with dropout and weight decay raises an ELBO, and a network that drops
# while it *predicts* draws from $q$. Their recipe, *MC* (Monte Carlo) *dropout*, is to leave
# dropout on.
#
# Its critics have answered:
#
# - Osband (2016): at a fixed $p$ nothing ties the spread of the masks to the amount of data. That
#   is risk, not uncertainty.
# - Hron, Matthews and Ghahramani (2018): there are finitely many masks, so $q$ puts all its mass on
#   single points, where a normal prior has none. The divergence is infinite. (They repair it with
#   another one.)
# - Foong et al. (2020): with one hidden layer it cannot be much less sure between two groups of
#   data than on them.
# - Le Folgoc et al. (2021): dropout changes the model, and where the posterior is known, it gives
#   the true model probability 0.
#
# ### A worked example: change something, and give it back
#
# `model.train()` would put batch norm into training mode, too: each prediction would depend on the
# other rows of its batch. So dropout must be switched on alone, by a context manager. What stands
# before `yield` is done on entering `with`; what stands in `finally`, on leaving it, even after an
# error.

# %% setup=true
@contextmanager
def kept_modes(model):
    """Whatever the body of the `with` does, each module of `model` gets its own mode back."""
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode

# %% [markdown]
# ## Exercise: `enable_dropout`
#
# It may use `kept_modes`.

# %% exercise="enable_dropout"
@contextmanager
def enable_dropout(model):
    """Inside `with enable_dropout(model):` each dropout layer is in training mode.

    Dropout layers, however deep in `model`, are torch's nn.Dropout, nn.Dropout1d, 2d and 3d,
    nn.AlphaDropout and nn.FeatureAlphaDropout. All other modules stay as they are. Afterwards,
    whatever the body does, each dropout layer has the mode again that it had before; also when the
    body raises, and the error goes on.
    """
    ### BEGIN SOLUTION
    with kept_modes(model):
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        yield
    ### END SOLUTION

# %% [markdown] hint="enable_dropout"
# Four steps: remember the modes, switch the dropout layers on, `yield`, give the modes back.
# `kept_modes` does the first and the last.

# %% [markdown] hint="enable_dropout"
# `model.modules()` visits every module, however deep. `isinstance` takes a tuple of classes as its
# second argument.

# %% [markdown] hint="enable_dropout"
# The modes are given back when the `with` of `kept_modes` ends. On which side of that end does
# `yield` stand?

# %% check="enable_dropout" points=2
# Inside, dropout layers are in training mode however deep they lie, and all else is as it was.
deep = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Identity(), nn.Dropout(0.3)))
model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), deep, nn.Dropout(0.5))
for mode in (False, True):
    model.train(mode)
    for layer in (deep[1][1], model[3]):
        layer.eval()
    with expect.case(f"with enable_dropout(model): its layers off, others in train({mode})", crash=[
        ("'generator' (object|has)", "a generator comes back: @contextmanager is missing above."),
        ("yield|context manager|iterator|didn't stop",
         "enable_dropout(model) gives no context manager. Where is its one `yield`?"),
    ]):
        with enable_dropout(model):
            dropouts = [deep[1][1].training, model[3].training]
            others = [m.training for m in (model, model[0], model[1], deep, deep[1][0])]
        expect.equal(dropouts, [True, True], hint="both dropout layers must be in training mode.",
                     suspects=[([False, False], "no dropout layer is in training mode. Is "
                                "`yield` inside the `with` of kept_modes?"),
                               ([False, True], "a layer that lies deeper is missed. Visit "
                                               "model.modules(), not only the children.")])
        expect.equal(others, 5 * [mode],
                     hint="a module other than a dropout layer changed its mode.",
                     suspects=[(5 * [True], "the whole network is put into training mode, batch "
                                            "norm too. Switch dropout layers only."),
                               (5 * [False], "the rest is put into evaluation. Leave it alone.")])

# %% check="enable_dropout" points=1
# Afterwards each layer has its own mode again, also when the body raises; and the error comes out.
model = nn.Sequential(nn.Dropout(0.1), nn.Linear(4, 4), nn.Dropout(0.2)).eval()
for first, second, body in ((False, False, ""), (True, True, ""), (True, False, ""),
                            (True, True, " model.eval()")):
    model[0].train(first)
    model[2].train(second)
    with expect.case(f"modes {first} and {second}, after `with enable_dropout(model):{body}`",
                     crash=[
        ("context manager", "enable_dropout(model) gives no context manager."),
    ]):
        with enable_dropout(model):
            inside = [model[0].training, model[2].training]
            if body:
                model.eval()
        expect.equal(inside, [True, True], hint="inside, both layers must be in training mode.")
        wrong = [] if first != second else [  # with two modes, it is one that all are given
            ([True, True], "the modes are not given back."),
            ([False, False], "the model.eval() of the body is still in force. Give back all modes."
             if body else "all go to evaluation. Give each its own mode."),
        ]
        expect.equal([model[0].training, model[2].training], [first, second], suspects=wrong,
                     hint="give each layer the mode that it had, not one mode to all.")
model.eval()
for error, words in (
    (KeyError, "the modes are not given back when the body raises. Use kept_modes."),
    (KeyboardInterrupt, "an interrupt is no Exception: the modes are not given back. Use finally."),
):
    with expect.case(f"with enable_dropout(model): a {error.__name__} in the body", crash=[
        ("context manager", "enable_dropout(model) gives no context manager."),
    ]):
        came_out = False
        try:
            with enable_dropout(model):
                raise error("body")
        except (error, Exception) as other:  # an interrupt from elsewhere comes as an Exception
            if type(other).__name__ != error.__name__:
                raise
            came_out = True
        expect.equal([model[0].training, model[2].training], [False, False], hint=words)
        expect.equal(came_out, True, hint="the error is swallowed. Let it go on.")
first, second = (nn.Sequential(nn.Dropout(0.5)).eval() for _ in range(2))
with expect.case("with enable_dropout(first), enable_dropout(second): two models", crash=[
    ("context manager", "enable_dropout(model) gives no context manager."),
]):
    with enable_dropout(first), enable_dropout(second):
        pass
    expect.equal([first[0].training, second[0].training], [False, False],
                 hint="a second `with` overwrites what the first one noted. Keep it in the "
                      "function.")

# %% check="enable_dropout" points=1
# Every kind of dropout layer that torch has.
kinds = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
         nn.FeatureAlphaDropout)
model = nn.ModuleList([kind(0.5) for kind in kinds]).eval()
with expect.case("with enable_dropout(model): on six kinds of dropout", crash=[
    ("context manager", "enable_dropout(model) gives no context manager."),
]):
    with enable_dropout(model):
        modes = [layer.training for layer in model]
    expect.equal(modes, 6 * [True],
                 hint="a kind of dropout layer is missed: the docstring names all six.",
                 suspects=[(6 * [False], "no dropout layer is in training mode.")])
with expect.case("with enable_dropout(layer): of a bare nn.Dropout(0.5).eval()", crash=[
    ("context manager", "enable_dropout(model) gives no context manager."),
]):
    layer = nn.Dropout(0.5).eval()
    with enable_dropout(layer):
        mode = layer.training
    expect.equal(mode, True, hint="here the model is itself a dropout layer. model.modules() "
                                  "begins with the model.")


class DropoutNet(nn.Module):
    """No dropout layer, for all its name: it holds one, and a batch norm."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)


model = nn.ModuleList([DropoutNet(), nn.MultiMarginLoss(p=1)]).eval()
with expect.case("with enable_dropout(model): of a DropoutNet with a batch norm, and of a loss "
                 "that has a p"):
    with enable_dropout(model):
        modes = [layer.training for layer in (model[0], model[0].norm, model[1])]
    by_name = "a module with Dropout in its name need not be a dropout layer. Ask for the classes."
    expect.equal(modes, [False, False, False], hint="what is no dropout layer changed its mode.",
                 suspects=[([True, True, False], by_name), ([True, False, False], by_name),
                           ([False, False, True], "a module with a p need not be a dropout layer. "
                                                  "Ask for the classes.")])

# %% mistakes="enable_dropout"
{
    "batch norm too": ("isinstance(m, nn.modules.dropout._DropoutNd)", "True"),
    "no dropout layer is": ("m.train()", "m.training"),
    "lies deeper is missed": ("model.modules()", "model.children()"),
    "model is itself a dropout layer": ("model.modules()", "list(model.modules())[1:]"),
    "no dropout layer is in training": ("m.train()", "m.train(model.training)"),
    "Leave it alone": ("        for m", "        model.eval()\n        for m"),
    "Where is its one `yield`": ("        yield\n", ""),
    "modes are not given back": ("with kept_modes(model):", "if True:"),
    "error is swallowed": ("        yield", "        with suppress(Exception):\n            yield"),
    "a kind of dropout layer": ("nn.modules.dropout._DropoutNd", "nn.Dropout"),
    "with Dropout in its name": ("isinstance(m, nn.modules.dropout._DropoutNd)",
                                 '"dropout" in type(m).__name__.lower()'),
    "with a p need not": ("isinstance(m, nn.modules.dropout._DropoutNd)", 'hasattr(m, "p")'),
}

# %% correct="enable_dropout"
class enable_dropout:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.before = [(m, m.training) for m in self.model.modules()]
        for m in self.model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()

    def __exit__(self, kind, error, trace):
        for m, mode in self.before:
            m.training = mode
        if error is not None:
            raise error

# %% mistake="enable_dropout" says="@contextmanager is missing"
def enable_dropout(model):
    with kept_modes(model):
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        yield

# %% mistake="enable_dropout" says="an interrupt is no Exception"
@contextmanager
def enable_dropout(model):
    before = [(m, m.training) for m in model.modules()]
    for m in model.modules():
        if isinstance(m, nn.modules.dropout._DropoutNd):
            m.train()
    trouble = None
    try:
        yield
    except Exception as error:
        trouble = error
    for m, mode in before:
        m.training = mode
    if trouble:
        raise trouble

# %% mistake="enable_dropout" says="a second `with` overwrites"
before = {}


@contextmanager
def enable_dropout(model):
    before.clear()
    for m in model.modules():
        if isinstance(m, nn.modules.dropout._DropoutNd):
            before[m] = m.training
            m.train()
    try:
        yield
    finally:
        for m, mode in before.items():
            m.train(mode)

# %% mistake="enable_dropout" says="all go to evaluation"
@contextmanager
def enable_dropout(model):
    for m in model.modules():
        if isinstance(m, nn.modules.dropout._DropoutNd):
            m.train()
    yield
    model.eval()

# %% mistake="enable_dropout" says="not one mode to all"
@contextmanager
def enable_dropout(model):
    layers = [m for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    before = [m.training for m in layers]
    for m in layers:
        m.train()
    try:
        yield
    finally:
        for m in layers:
            m.train(before[0])

# %% mistake="enable_dropout" says="still in force"
@contextmanager
def enable_dropout(model):
    kinds = nn.modules.dropout._DropoutNd
    switched = [m for m in model.modules() if isinstance(m, kinds) and not m.training]
    for m in switched:
        m.train()
    try:
        yield
    finally:
        for m in switched:
            m.eval()

# %% mistake="enable_dropout" says="when the body raises"
@contextmanager
def enable_dropout(model):
    layers = [m for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    modes = [m.training for m in layers]
    for m in layers:
        m.train()
    yield
    for m, mode in zip(layers, modes, strict=True):
        m.train(mode)

# %% correct="enable_dropout"
class enable_dropout:
    def __init__(self, model):
        self.layers = [m for m in model.modules() if type(m).__name__.endswith(
            ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d"))]

    def __enter__(self):
        self.before = {}
        for m in self.layers:
            self.before[m] = m.training
            m.training = True
        return self

    def __exit__(self, *error):
        for m, mode in self.before.items():
            m.training = mode
        return False

# %% [markdown]
# Your own: 200 passes of one digit.

# %% figure=true
# 200 passes of one network over a digit that is hard to read.
with torch.no_grad():
    evaluated = dropped(X_test).softmax(-1)
    hard = int(evaluated[0].amax(-1).argmin())  # the digit of which it is least sure
    with enable_dropout(dropped):
        draws = torch.stack([dropped(X_test[hard : hard + 1]).softmax(-1)[0, 0]
                             for _ in range(200)])

fig, (left, right) = plot.figure(2, height=2.5)
plot.image(X_test[hard].reshape(8, 8).numpy(), left)
left.set_title(f"Hard to read: {y_test[hard]}")
spots = np.arange(10) + np.random.default_rng().uniform(-0.3, 0.3, (200, 10))
right.plot(spots, draws, ".", color=plot.SKY, markersize=2)
right.plot(range(10), draws.mean(0), "_", color=plot.BLUE, markersize=16, markeredgewidth=2)
right.plot(range(10), evaluated[0, hard], "x", color=plot.ORANGE)
right.set(xlabel="class", ylabel="probability", xticks=range(10),
          title="200 passes, their mean (–), evaluation (×)")
plot.show(fig, "The probabilities of ten classes in 200 passes of one hard digit.")

# %% [markdown]
# ## Exercise: `mc_predict`
#
# Now the recipe: $k$ passes, their mean, and their variance,
#
# $$ \bar y = \frac1k \sum_t \hat y_t, \qquad v = \frac1k \sum_t (\hat y_t - \bar y)^2 . $$

# %% exercise="mc_predict"
def mc_predict(model, X, k):
    """Mean and variance over k passes of `model(X)`, dropout on and all else in evaluation.

    Each pass has masks of its own; the variance divides by k, entry by entry. No gradient is
    recorded, and each module's mode is given back, also when the model raises.

    model : nn.Module; X : its input; k : number of passes, 1 or more
    Returns (mean, variance), two tensors of the output's shape.
    """
    ### BEGIN SOLUTION
    with kept_modes(model):
        model.eval()
        with enable_dropout(model), torch.no_grad():
            passes = torch.stack([model(X) for _ in range(k)])
    return passes.mean(0), passes.var(0, correction=0)
    ### END SOLUTION

# %% [markdown] hint="mc_predict"
# `kept_modes` first, then `model.eval()`, then your `enable_dropout`. Where does `torch.no_grad()`
# go?

# %% [markdown] hint="mc_predict"
# `torch.stack` makes one tensor of $k$ outputs.

# %% [markdown] hint="mc_predict"
# Look up what `var` divides by if it is not told.

# %% check="mc_predict" points=2
# On a bare dropout layer, mean and variance follow from how often each entry survived.
layer, k = nn.Dropout(0.5).eval(), 40
with expect.case("mc_predict(nn.Dropout(0.5).eval(), torch.ones(50), k=40), the mean", crash=[
    ("unpack", "return two things: the mean, the variance."),
]):
    mean, variance = mc_predict(layer, torch.ones(50), k)
    expect.tensor(mean, 50, hint="the mean has the output's shape.")
    alike = "all passes are alike: dropout is off, or one mask serves all entries."
    if (mean == 1).all() and torch.as_tensor(variance).any():
        alike = "that is the output in evaluation. Average the passes."
    expect.varies(mean, chance=0.13**49, what="entries with different means", hint=alike)
    expect.varies([variance, torch.zeros(50)], chance=1e-300, what="passes that differ",
                  hint="all passes have one and the same mask. Draw new ones in each.")
    counts = mean * k / 2
    expect.close(counts, counts.round(), atol=1e-4, hint="this cannot be the mean of 40 passes.",
                 suspects=[(variance * (2 - variance) * k / 2, "mean and variance are swapped.")])
    expect.mean(mean, 1, of=(0, 2), hint="the passes are added up, but not divided by k.")
    expect.varies(counts.round() % 2, chance=0.5**49, what="survivors in odd and in even numbers",
                  hint="every mask seems to count twice: make as many passes as k says.")
    expect.varies([mean, mc_predict(layer, torch.ones(50), k)[0]], chance=0.13**50,
                  what="other masks at the next call",
                  hint="the next call draws the same masks: a seed is set inside.")
with expect.case("mc_predict(nn.Dropout(0.5).eval(), torch.ones(50), k=40), the variance"):
    right = mean.double() * (2 - mean.double())
    expect.close(variance, right, rtol=1e-4, atol=1e-5, hint="average (pass - mean)² over passes.",
                 suspects=[((right * k / (k - 1)).float(), "it divides by k - 1. Divide by k."),
                           (right.sqrt().float(), "that is the standard deviation: square it."),
                           ((2 * mean).float(), "that is the mean square. Subtract the squared "
                                                "mean."),
                           ((right / k).float(), "that is the variance of the mean, not of a pass."
                            )])
with expect.case("mc_predict(model, X, k=40), outputs of 3001 and 3003, the variance"):
    far = nn.Sequential(nn.Dropout(0.5), nn.Linear(50, 50)).eval()
    far[1].weight, far[1].bias = nn.Parameter(torch.eye(50)), nn.Parameter(torch.full((50,), 3001.))
    mean, variance = mc_predict(far, torch.ones(1, 50), k)
    expect.tensor(mean, (1, 50), hint="the mean of one row has lost an axis: is a squeeze there?")
    over = mean.double() - 3001
    expect.close(variance, over * (2 - over), rtol=0.01, atol=0.01,
                 hint="the squares of such outputs lose their digits in float32. Average "
                      "(pass - mean)².",
                 suspects=[(torch.zeros(1, 50), "all passes agree: inside the model, dropout is "
                                                "off. A container's eval() reaches its layers.")])

# %% check="mc_predict" points=1
# Batch norm works as in evaluation, its statistics stay, and no gradient is recorded.
from weakref import ref


class Telltale(nn.Module):
    """Adds 100 in training mode, and 10 000 where two passes before left their graphs."""

    def __init__(self):
        super().__init__()
        self.one, self.inputs = nn.Parameter(torch.ones(())), []
        self.register_buffer("rows", torch.zeros(()))

    def forward(self, x):
        graphs = sum(earlier() is not None for earlier in self.inputs)
        x = x + 0  # a tensor that nothing but a graph will hold
        self.inputs.append(ref(x))
        self.rows += len(x)
        return self.one * x + 100 * self.training + 10_000 * (graphs > 1)


model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.0), nn.Linear(3, 2), Telltale())
X = 5 + torch.randn(6, 3, generator=expect.generator())
for mode, k in ((True, 3), (False, 1)):
    model.train(mode)
    with expect.case(f"mc_predict(model, X, k={k}), a model with batch norm, train({mode})", crash=[
        ("unpack", "return two things: the mean, the variance."),
    ]):
        model[3].rows.zero_()
        mean, variance = mc_predict(model, X.clone(), k)
        expect.close(model[0].running_mean, torch.zeros(3),
                     hint="batch norm's statistics changed: it was in training mode.")
        expect.equal(mean.requires_grad or variance.requires_grad, False,
                     hint="a gradient is recorded. Use torch.no_grad().")
        scaled = X / math.sqrt(1 + model[0].eps)
        right = (scaled @ model[2].weight.T + model[2].bias).detach()
        expect.close(mean, right, rtol=1e-4, atol=1e-5,
                     hint="with nothing dropped the mean must be the output in evaluation.",
                     suspects=[(right + 100, "a layer that is no dropout was in training mode. "
                                             "Call model.eval(), then enable_dropout."),
                               (right + 10_000 / k, "the graphs of all passes are kept until the "
                                                    "end. Make the passes under no_grad().")])
        expect.close(variance, torch.zeros(6, 2), atol=1e-5, hint="where all passes agree, and so "
                     "of a single pass, the variance is 0.")
        times = max(k, int(model[3].rows) / 6)  # a copy of the model counts for itself, and vmap 1
        expect.equal(times, float(k),
                     hint="that is how often X goes through the model. Make k passes, no more.")
        expect.equal(model[2].weight.requires_grad, True,
                     hint="the weights learn no more: requires_grad is off. Leave it as it was.")
        expect.equal("on" if expect.ask("records_gradients") else "off", "on",
                     hint="gradients stay off after a call. `with torch.no_grad():` ends by "
                          "itself. (Here they are off until you restart the kernel.)")

# %% check="mc_predict" points=1
# Afterwards each module has its own mode again, also after an error.
model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
X = torch.randn(4, 3, generator=expect.generator())
modes = [True, False, True]
for wrong in (False, True):
    for part, own in zip(model.modules(), modes, strict=True):
        part.training = own
    if wrong:
        what, hint = "X of a wrong shape", " when the model raises. Use kept_modes."
    else:
        what, hint = "only the linear layer in evaluation", "."
    with torch.enable_grad(), expect.case(f"the modes after mc_predict(model, X, k=2), {what}",
                                          crash=[
        ("unpack", "return two things: the mean, the variance."),
    ]):
        if wrong:
            with suppress(Exception):
                mc_predict(model, X[:, :2], 2)
        else:
            mean, variance = mc_predict(model, X, 2)
            expect.tensor(mean, (4, 2), hint="the mean has the output's shape.")
        expect.equal([m.training for m in model.modules()], modes,
                     hint=f"not every module got its own mode back{hint}",
                     suspects=[([False] * 3, "all is left in evaluation.")] if not wrong else [])
        expect.equal("on" if expect.ask("records_gradients") else "off", "on",
                     hint="gradients stay off after an error. `with torch.no_grad():` ends by "
                          "itself.")

# %% mistakes="mc_predict"
{
    "return two things": (", passes.var(0, correction=0)", ""),
    "one and the same mask": ("[model(X) for _ in range(k)]", "[model(X)] * k"),
    "dropout is off": ("enable_dropout(model), ", ""),
    "output in evaluation. Average": (
        "    return passes.mean(0)", "        mean = model(X).detach()\n    return mean"),
    "mean and variance are swapped": ("passes.mean(0), passes.var(0, correction=0)",
                                      "passes.var(0, correction=0), passes.mean(0)"),
    "has lost an axis": ("[model(X) for", "[model(X).squeeze() for"),
    "divides by k - 1": (", correction=0", ""),
    "standard deviation: square it": ("passes.var", "passes.std"),
    "that is the mean square": ("passes.var(0, correction=0)", "passes.square().mean(0)"),
    "variance of the mean": ("correction=0)", "correction=0) / k"),
    "added up": ("passes.mean(0)", "passes.sum(0)"),
    "a seed is set inside": ("passes = torch", "torch.manual_seed(0)\n            passes = torch"),
    "of a single pass": (", correction=0)", ") * (k - 1) / k"),
    "the weights learn no more": ("model.eval()", "model.eval().requires_grad_(False)"),
    "mean of 40 passes": ("range(k)", "range(100)"),
    "statistics changed": ("model.eval()", "model.train()"),
    "gradient is recorded": (", torch.no_grad()", ""),
    "left in evaluation": ("with kept_modes(model):", "if True:"),
    "no dropout was in training mode": (
        "        model.eval()\n", "        model.train()\n        for m in model.modules():\n"
        "            m.train(not isinstance(m, nn.BatchNorm1d))\n"),
    "graphs of all passes": (
        """torch.no_grad():
            passes = torch.stack([model(X) for _ in range(k)])""", """suppress():
            passes = torch.stack([model(X) for _ in range(k)]).detach()"""),
    "lose their digits": ("passes.var(0, correction=0)",
                          "(passes**2).mean(0) - passes.mean(0) ** 2"),
    "squares of such outputs": ("passes.var(0, correction=0)",
                                "((passes**2).mean(0) - passes.mean(0) ** 2).clamp(min=0)"),
    "every mask seems to count twice": ("[model(X) for _ in range(k)]",
                          "[model(X) for _ in range(k // 2)] * 2 + [model(X)] * (k % 2)"),
    "goes through the model. Make": ("passes = torch", "model(X)\n            passes = torch"),
    "off after an error": (
        """enable_dropout(model), torch.no_grad():
            passes = torch.stack([model(X) for _ in range(k)])""",
        """enable_dropout(model):
            torch.set_grad_enabled(False)
            passes = torch.stack([model(X) for _ in range(k)])
            torch.set_grad_enabled(True)"""),
}

# %% mistake="mc_predict" says="reaches its layers"
def mc_predict(model, X, k):
    with kept_modes(model), torch.no_grad():
        model.train()
        for m in model.modules():
            if not isinstance(m, nn.modules.dropout._DropoutNd):
                m.eval()
        passes = torch.stack([model(X) for _ in range(k)])
    return passes.mean(0), passes.var(0, correction=0)

# %% mistake="mc_predict" says="got its own mode back"
def mc_predict(model, X, k):
    was_training = model.training
    model.eval()
    with enable_dropout(model), torch.no_grad():
        passes = torch.stack([model(X) for _ in range(k)])
    model.train(was_training)
    return passes.mean(0), passes.var(0, correction=0)

# %% correct="mc_predict"
def mc_predict(model, X, k):
    was_training = [module for module in model.modules() if module.training]
    total = squares = 0
    try:
        model.eval()
        for module in model.modules():
            if isinstance(module, (nn.Dropout, nn.AlphaDropout)):
                module.train()
        for _ in range(k):
            out = model(X).detach().double()
            total, squares = total + out, squares + out**2
    finally:
        model.eval()
        for module in was_training:
            module.training = True
    average = total / k
    return average.float(), (squares / k - average**2).clamp(min=0).float()

# %% [markdown]
# ### Does it know more when it has seen more?
#
# Osband's objection can be measured. Networks learn $\sin 4x$ from noisy points, none of them
# between −0.4 and 0.4 or beyond ±1, and maximise the ELBO above at $p=0.1$. Two other bands are the
# controls: that of five networks without dropout, each started from different weights, and an
# *exact* posterior (with fixed random hidden units it has a closed form). **Guess: with 3000
# points, how wide is the dropout band where data lie, in percent of its width with 30?**

# %% guess=true
my_guess = 50  # width with 3000 points, in percent of the width with 30

# %% figure=true
# Your band through 30 points, and three bands as data come in: takes some 15 seconds.
guess = expect.guess(my_guess)
sizes, grid = (30, 300, 3000), torch.linspace(-2, 2, 81)[:, None]
points_x, points_y = forecasters.curve(3000, range(5))
kinds = [(n, s, p) for p, copies in ((0.1, 1), (0.0, 5)) for n in sizes for s in range(5)
         for _ in range(copies)]
seen, own, rates = (list(column) for column in zip(*kinds, strict=True))
fitted = forecasters.fit_curves(points_x[own], points_y[own], seen=seen, p=rates, steps=2000)
masked = forecasters.network([w[:15].clone() for w in fitted], 0.1)
separate = forecasters.network([w[15:].clone() for w in fitted])
curve_mean, curve_variance = (v[..., 0] for v in mc_predict(masked, grid, 100))
with torch.no_grad():
    curves = separate(grid)[..., 0].unflatten(0, (15, 5))
exact = [forecasters.exact_band(points_x[s, :n], points_y[s, :n], grid)
         for n in sizes for s in range(5)]
bands = {"MC dropout": (curve_mean, curve_variance.sqrt()),
         "5 networks": (curves.mean(1), curves.std(1)),
         "exact posterior": tuple(torch.stack(part)[..., 0] for part in zip(*exact, strict=True))}
g, truth = grid[:, 0], torch.sin(4 * grid[:, 0])
near, far = (g.abs() > 0.4) & (g.abs() < 1), g.abs() > 1.6

fig, (left, right) = plot.figure(2, width=9, height=3)
m, s = curve_mean[0], curve_variance[0].sqrt()
left.fill_between(g, m - 2 * s, m + 2 * s, color=plot.SKY, alpha=0.5, linewidth=0)
left.plot(g, m, color=plot.BLUE, label="your mean ± 2 standard deviations")
left.plot(g, truth, color=plot.GREY, linestyle="--", label="the truth")
left.plot(points_x[0, :30, 0], points_y[0, :30, 0], ".", color=plot.INK)
times = {name: ((mean - truth)[:5, far].abs().mean(1) / deviation[:5, far].mean(1)).numpy()
         for name, (mean, deviation) in bands.items()}
told = ", ".join(f"{name} {off.mean():.0f}" for name, off in times.items())
left.set(xlabel="x", ylabel="y", ylim=(-4, 4))
left.set_title(f"Error beyond |x| = 1.6, in standard deviations:\n{told}", fontsize=9)
left.legend(loc="lower left", fontsize=9)
remains = {}
for (name, (_, deviation)), color in zip(bands.items(), (plot.BLUE, plot.GREEN, plot.GREY),
                                         strict=True):
    width = deviation[:, near].mean(1).reshape(3, 5).numpy()
    remains[name] = 100 * width[2] / width[0]
    right.errorbar(sizes, width.mean(1), plot.standard_error(width, 1), color=color, marker="o",
                   capsize=3, label=f"{name}: {remains[name].mean():.0f} ± "
                                    f"{plot.standard_error(remains[name]):.0f} % left")
right.plot(3000, guess / 100 * bands["MC dropout"][1][:5, near].mean(), "x", color=plot.INK,
           markersize=8)
right.set(xscale="log", yscale="log", xlabel="training points (5 runs ± s.e.)",
          ylabel="standard deviation", title="Where data lie (×: your guess)", ylim=(0.004, 1))
right.legend(loc="upper right", fontsize=9)
stays = plot.difference(remains["MC dropout"], remains["exact posterior"])
plot.show(fig, "The mean of your passes with its band, and the standard deviation where data lie "
               "against training points for three kinds of band. Percent left, dropout less exact: "
               f"{stays:.0f}.",
          claims={"dropout-band-stays": stays.sign > 0 and remains["MC dropout"].mean() > 75,
                  "far-outside-too-narrow": plot.difference(times["MC dropout"], 2).sign > 0
                 and times["5 networks"].mean() > times["MC dropout"].mean()})

# %% [markdown]
# Beyond the data the dropout band widens. But where data lie it hardly narrows: the masks go on
# dropping units, however much was learned. Its size is set by $p$, which nobody has fitted to these
# data. {{learned_rates}} does that. (The band of five networks is far narrower, shrinks less than
# the exact one, and far outside is the worst.)
#
# ## Exercise: `predictive_log_likelihood`
#
# Is a band good? One number tells: the density that the prediction gave to what then happened. Each
# pass predicts a normal distribution of precision $\tau$, and the prediction is their mixture:
#
# $$ \mathrm{LL} = \frac1n \sum_i \log \frac1k \sum_{t=1}^k \mathcal N(y_i;\, \hat y_{ti},\, 1/\tau)
# $$
#
# The logarithm stands *between* the two means.

# %% exercise="predictive_log_likelihood"
def predictive_log_likelihood(samples, y, tau):
    """The mean over i of log (1/k) Σ_t N(y_i; samples_ti, 1/tau), a number in nats.

    samples : (k, n) tensor of predictions; y : (n,) tensor of targets; left as they are
    tau : precision of the noise, one over its variance, above 0
    Finite also where all samples are far from y.
    """
    ### BEGIN SOLUTION
    logs = 0.5 * math.log(tau / (2 * math.pi)) - 0.5 * tau * (y - samples) ** 2
    return (torch.logsumexp(logs, 0) - math.log(len(samples))).mean()
    ### END SOLUTION

# %% [markdown] hint="predictive_log_likelihood"
# Write the logarithm of one normal density, for all $k \times n$ pairs at once. With precision
# $\tau$ it has three terms.

# %% [markdown] hint="predictive_log_likelihood"
# A density of $e^{-5000}$ is 0 to the computer, and its logarithm $-\infty$. `torch.logsumexp` adds
# numbers that are given by their logarithms, and never leaves them.

# %% [markdown] hint="predictive_log_likelihood"
# The log of a *mean* over $k$ is the log of a sum, less something. Then average over $i$.

# %% check="predictive_log_likelihood" points=2
# Against the formula, pair by pair.
rng = expect.rng()
samples, y, tau = rng.normal(size=(6, 9)), rng.normal(size=9), 1.7
density = np.sqrt(tau / (2 * np.pi)) * np.exp(-tau / 2 * (y - samples) ** 2)
log = np.log(density)
mixture = np.log(density.mean(0))
middle = 0.5 * np.log(tau / 2 / np.pi) - tau / 2 * (y - samples.mean(0)) ** 2
by_variance = -0.5 * np.log(2 * np.pi * tau) - (y - samples) ** 2 / 2 / tau
by_sd = -np.log(tau) - 0.5 * np.log(2 * np.pi) - (y - samples) ** 2 / 2 / tau**2
double = 0.5 * np.log(tau / 2 / np.pi) - tau * (y - samples) ** 2
narrow = tau / np.sqrt(2 * np.pi) * np.exp(-(tau**2) / 2 * (y - samples) ** 2)
for dtype in (torch.float64, torch.float32):
    with expect.case("predictive_log_likelihood(samples, y, tau=1.7) on 6 samples of 9 targets, "
                     f"{str(dtype)[6:]}"):
        given = torch.tensor(samples, dtype=dtype), torch.tensor(y, dtype=dtype)
        before = [part.clone() for part in given]
        found = predictive_log_likelihood(*given, tau)
        expect.close(found, mixture.mean(), rtol=1e-5, atol=1e-5,
                     hint="compare each term with the formula.", suspects=[
            (mixture.sum(), "that is the sum over the targets. Average over them."),
            (mixture, "that is one number per target. Average over them."),
            (-mixture.mean(), "the sign is wrong: a likelihood is better when larger."),
            (log.mean(), "the logarithm is taken before the mean over samples. Take it after."),
            (middle.mean(), "that is the likelihood of the mean prediction. Mix the densities."),
            (mixture.mean() + np.log(6), "the samples are added up. Their mean has log k less."),
            (np.log(np.exp(by_variance).mean(0)).mean(), "tau is a precision, one over the "
                                                         "variance."),
            (np.log(np.exp(by_sd).mean(0)).mean(), "tau is used as a standard deviation."),
            (np.log(narrow.mean(0)).mean(), "1 / tau is the variance. The standard deviation is "
                                            "its root."),
            (np.log(density.mean(1)).mean(), "the densities of all targets are mixed. Mix those "
                                             "of the samples."),
            (np.log(np.exp(double).mean(0)).mean(), "the ½ in the exponent is missing."),
            (mixture.mean() - np.log(tau) / 2, "the term ½ log tau is missing."),
            (mixture.mean() + np.log(tau) / 2, "log tau has a ½ in front: the density has a root."),
            (mixture.mean() + np.log(2 * np.pi) / 2, "the term -½ log 2π is missing."),
            (mixture.mean() - np.log(tau / 2 / np.pi) / 2, "the normal density's factor is "
                                                           "missing."),
            (density.mean(), "that is a density. Where is its logarithm?"),
        ])
        for now, then in zip(given, before, strict=True):
            expect.unchanged(now, then, hint="samples or y itself is changed. Only read them.")

# %% check="predictive_log_likelihood" points=1
# Samples far away give a small likelihood, not minus infinity.
far = 100 + torch.rand(3, 4, generator=expect.generator(), dtype=torch.float64)
for targets, words in (
    ([0, 0, 0, 0], "the densities round to 0. Use torch.logsumexp."),
    ([0, 100, 101, 70], "beside those of near targets, densities of far ones round to 0. Subtract "
                        "each target's own largest exponent."),
):
    y = torch.tensor(targets, dtype=torch.float64)
    with expect.case(f"predictive_log_likelihood(samples, y, tau=4), samples near 100, "
                     f"y = {targets}"):
        found = predictive_log_likelihood(far.clone(), y.clone(), 4.0)
        exponents = -2 * (far - y).square()
        largest = exponents.max(0).values
        mixture = exponents.exp().mean(0) * math.sqrt(4 / 2 / math.pi)
        floors = [((mixture + least).log().mean(), "what is added to a density, so that it is not "
                   "0, stands in its place. Use torch.logsumexp.")
                  for least in (2.0**-23, 2.0**-52, 2.0**-126, *10.0 ** -np.arange(3, 301))]
        right = largest + (exponents - largest).exp().sum(0).log() - math.log(3)
        expect.close(found, right.mean() + 0.5 * math.log(4 / 2 / math.pi), rtol=1e-5,
                     hint="compare each term with the formula.",
                     suspects=[(-math.inf, words), *floors])

# %% mistakes="predictive_log_likelihood"
{
    "sum over the targets": (").mean()", ").sum()"),
    "one number per target": (").mean()", ")"),
    "sign is wrong": ("return (", "return -("),
    "before the mean over samples": (
        "(torch.logsumexp(logs, 0) - math.log(len(samples)))", "logs",
    ),
    "likelihood of the mean prediction": (
        "logs =", "samples = samples.mean(0, keepdim=True)\n    logs =",
    ),
    "samples are added up": (" - math.log(len(samples))", ""),
    "one over the variance": ("logs =", "tau = 1 / tau\n    logs ="),
    "as a standard deviation": ("logs =", "tau = 1 / tau**2\n    logs ="),
    "1 / tau is the variance": ("logs =", "tau = tau**2\n    logs ="),
    "densities of all targets": ("torch.logsumexp(logs, 0) - math.log(len(samples))",
                                 "torch.logsumexp(logs, 1) - math.log(len(y))"),
    "½ in the exponent": ("- 0.5 * tau", "- tau"),
    "log tau has a ½": ("0.5 * math.log(tau /", "0.5 * math.log(tau**2 /"),
    "½ log tau is missing": ("math.log(tau / (2", "math.log(1 / (2"),
    "-½ log 2π is missing": ("tau / (2 * math.pi)", "tau"),
    "factor is missing": ("0.5 * math.log(tau / (2 * math.pi)) -", "-"),
    "that is a density": ("(torch.logsumexp(logs, 0) - math.log(len(samples)))", "logs.exp()"),
    "Use torch.logsumexp": ("torch.logsumexp(logs, 0)", "logs.exp().sum(0).log()"),
    "what is added to a density": (
        "(torch.logsumexp(logs, 0) - math.log(len(samples)))",
        "(logs.exp().mean(0) + 1e-12).log()"),
    "each target's own largest": ("torch.logsumexp(logs, 0)",
                                     "(logs.max() + (logs - logs.max()).exp().sum(0).log())"),
    "samples or y itself is changed": ("(y - samples) ** 2", "samples.sub_(y) ** 2"),
}

# %% correct="predictive_log_likelihood"
def predictive_log_likelihood(samples, y, tau):
    samples, y = samples.float(), y.float()
    tau = torch.tensor(tau, dtype=torch.float32)
    each = torch.distributions.Normal(samples, 1 / tau.sqrt()).log_prob(y)
    return (each.logsumexp(dim=0) - torch.log(torch.tensor(float(len(samples))))).mean().item()

# %% correct="predictive_log_likelihood"
def predictive_log_likelihood(samples, y, tau):
    samples, y = np.asarray(samples), np.asarray(y)
    total = np.float64(0)
    for i in range(samples.shape[1]):
        exponents = -tau / 2 * (samples[:, i] - y[i]) ** 2
        top = exponents.max()
        total += top + np.log(np.mean(np.exp(exponents - top)))
    return total / samples.shape[1] - np.log(2 * np.pi / tau) / 2

# %% [markdown]
# Your likelihood of new points, where data lie and in the gap:

# %% figure=true
# The log likelihood of new points, for four forecasters that saw 30.
near_x, near_y = forecasters.curve(400, range(100, 105))
gap_x = torch.linspace(-0.3, 0.3, 400).expand(5, 400)[..., None]
gap_y = torch.sin(4 * gap_x) + forecasters.NOISE * torch.randn(5, 400, 1)
thirty = forecasters.network([w[:5].clone() for w in fitted], 0.1)
five = forecasters.network([w[15:40].clone() for w in fitted])
likely = {}
for place, new_x, new_y in (("where data lie", near_x, near_y), ("in the gap", gap_x, gap_y)):
    with torch.no_grad():
        once = thirty(new_x)[None]
        with enable_dropout(thirty):
            drawn = torch.stack([thirty(new_x) for _ in range(100)])
        voices = five(new_x.repeat_interleave(5, 0)).unflatten(0, (5, 5)).transpose(0, 1)
    known = [forecasters.exact_band(points_x[s, :30], points_y[s, :30], new_x[s])
             for s in range(5)]
    ideal = torch.stack([m + d * torch.randn(100, 400, 1) for m, d in known], 1)
    for name, q in (("evaluation", once), ("100 passes", drawn), ("5 networks", voices),
                    ("exact posterior", ideal)):
        likely[place, name] = np.array([
            float(predictive_log_likelihood(q[:, s, :, 0], new_y[s, :, 0], forecasters.NOISE**-2))
            for s in range(5)])

fig, axes = plot.figure(2, height=2.3)
for ax, place in zip(axes, ("where data lie", "in the gap"), strict=True):
    rows = {name: runs for (where, name), runs in likely.items() if where == place}
    for i, (runs, color) in enumerate(zip(rows.values(), (plot.ORANGE, plot.BLUE, plot.GREEN,
                                                          plot.GREY), strict=True)):
        ax.errorbar(runs.mean(), i, xerr=plot.standard_error(runs), fmt="o", color=color, capsize=3)
    ax.set_yticks(range(4), rows)
    ax.invert_yaxis()
    gain = plot.difference(rows["100 passes"], rows["evaluation"])
    ax.set(xlabel="log likelihood, nats (5 runs ± s.e.)",
           title=f"{place.capitalize()}:\n100 passes − evaluation: {gain:.2f}")
plot.show(fig, "Log likelihood of new points where data lie and in the gap, for four forecasters. "
               f"In the gap, 100 passes less one evaluation: {gain:.2f} nats.")

# %% [markdown]
# In the gap the runs differ widely. On average passes beat one evaluation, and five networks and
# the exact posterior beat both.
#
# ## Explore: a regression and its functions
#
# Each thin line is one pass through your `enable_dropout`, the band is from your `mc_predict`; grey
# marks where data lie. **Try**: where does the band grow with $p$? Widen the gap: does the band
# show it?

# %%
explore.sampled_functions(enable_dropout, mc_predict)

# %% [markdown]
# ## Exercise: `mutual_information`
#
# For classes the samples are probabilities $q_t$, with mean $\bar q$. The entropy $H(\bar q)$ says
# how unsure the prediction is. Houlsby et al. (2011) split it (the names came later):
#
# $$ \underbrace{H(\bar q)}_{\text{predictive entropy}} = \underbrace{\frac1k \sum_t H(q_t)}
# _{\text{unsure in each pass: aleatoric}} + \underbrace{I}_{\text{disagreement: epistemic}} $$
#
# Write the left side, then $I$, the *mutual information*.

# %% exercise="mutual_information"
def predictive_entropy(probs):
    """The entropy of the mean prediction, H(q̄) with q̄ = (1/k) Σ_t q_t, in nats.

    probs : (k, n, c) tensor, probabilities of c classes for n inputs in k passes; left as it is
    Returns (n,); a class of probability 0 adds 0.
    """
    ### BEGIN SOLUTION
    return torch.special.entr(probs.mean(0)).sum(-1)
    ### END SOLUTION


def mutual_information(probs):
    """I = H(q̄) - (1/k) Σ_t H(q_t): how much the passes disagree, in nats.

    probs : as for `predictive_entropy`, and zeros count as there
    Returns (n,); 0 where all passes say the same.
    """
    ### BEGIN SOLUTION
    return predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)
    ### END SOLUTION

# %% [markdown] hint="mutual_information"
# For $H(\bar q)$ the mean over passes comes first; for the other term it comes last. Over which
# axis do you sum?

# %% [markdown] hint="mutual_information"
# You have written one of the two terms of $I$ already.

# %% [markdown] hint="mutual_information"
# $0 \cdot \log 0$ is NaN to the computer and 0 to us. `torch.special.entr` and `torch.xlogy` know
# that.

# %% check="mutual_information" points=1
# predictive_entropy against the formula.
probs = expect.rng().dirichlet(np.ones(4), size=(5, 3))
single = -(probs * np.log(probs)).sum(-1)
middle = probs.mean(0)
right = -(middle * np.log(middle)).sum(-1)
with expect.case("predictive_entropy(probs) of 5 passes, 3 inputs, 4 classes"):
    found = predictive_entropy(torch.tensor(probs))
    expect.close(found, right, rtol=1e-5, atol=1e-5,
                 hint="average over the passes, then -Σ q log q over classes.", suspects=[
        (single.mean(0), "that is the mean of the entropies. Average the probabilities first."),
        (single, "that is the entropy of each pass. Average the probabilities first."),
        (right / np.log(2), "that is in bits. Use the natural logarithm."),
        (-right, "the sign is wrong: an entropy is never negative."),
        (right.mean(), "that is one number for all. Return one for each input."),
        (right.sum(), "that is one number for all. Return one for each input."),
        (-np.log(middle.max(-1)), "that is -log of the largest probability, not the entropy."),
        (right / np.log(4), "that is divided by its largest value. Return nats."),
    ])
with expect.case("predictive_entropy(probs) of 5 passes, one input, 4 classes"):
    expect.close(predictive_entropy(torch.tensor(probs[:, :1])), right[:1], rtol=1e-5, atol=1e-5,
                 hint="average over the passes, then -Σ q log q over classes.", suspects=[
        (right[0], "one input's entropy has lost its axis. Return shape (1,): is a squeeze there?"),
    ])

# %% check="mutual_information" points=1
# mutual_information against the formula.
probs = expect.rng().dirichlet(np.ones(4), size=(5, 3))
inside = -(probs * np.log(probs)).sum(-1).mean(0)
middle = probs.mean(0)
total = -(middle * np.log(middle)).sum(-1)
with expect.case("mutual_information(probs) of 5 passes, 3 inputs, 4 classes"):
    a_variance = "that is a variance of probabilities, not a difference of entropies."
    expect.close(mutual_information(torch.tensor(probs)), total - inside, rtol=1e-4, atol=1e-5,
                 hint="subtract the mean entropy of the passes from the entropy of the mean.",
                 suspects=[
        (inside - total, "the sign is wrong. Disagreement is never negative."),
        (total, "that is the whole entropy. Subtract the mean entropy of the passes."),
        (inside, "that is the mean entropy of the passes, the part that is no disagreement."),
        (probs.var(0).sum(-1), a_variance),
        (probs.var(0).mean(-1), a_variance),
        (probs.var(0, ddof=1).sum(-1), a_variance),
        ((total - inside).mean(), "that is one value for all. Return one for each input."),
        ((total - inside).sum(), "that is one value for all. Return one for each input."),
        ((total - inside) / np.log(2), "I is in bits. Use the natural logarithm."),
    ])
with expect.case("mutual_information(probs) of 5 passes, one input, 4 classes"):
    expect.close(mutual_information(torch.tensor(probs[:, :1])), (total - inside)[:1], rtol=1e-4,
                 atol=1e-5, hint="subtract the mean entropy from the entropy of the mean.",
                 suspects=[((total - inside)[0], "one input's I has lost its axis. Return shape "
                                                 "(1,): is a squeeze there?")])

# %% check="mutual_information" points=1
# Sure passes: those that agree have I = 0, those that contradict each other log 2.
sure = torch.tensor([[[1.0, 0, 0], [0.5, 0.5, 0]], [[0, 1.0, 0], [0.5, 0.5, 0]]])
with expect.case("predictive_entropy(probs): two sure passes that differ; two unsure alike"):
    given = sure.clone()
    expect.close(predictive_entropy(given), [math.log(2)] * 2, rtol=1e-4,
                 hint="the mean prediction is (½, ½, 0) for both inputs, of entropy log 2.",
                 suspects=[([math.nan] * 2, "0 log 0 is NaN. A class of probability 0 adds 0.")])
    expect.unchanged(given, sure, hint="probs itself is changed. Only read it.")
with expect.case("mutual_information(probs): two sure passes that differ; two unsure alike"):
    given = sure.clone()
    expect.close(mutual_information(given), [math.log(2), 0], rtol=1e-4, atol=1e-5,
                 hint="the first input's passes contradict each other, the second's agree.",
                 suspects=[([math.nan, math.nan], "0 log 0 gives NaN. It must count as 0."),
                           ([math.log(2)] * 2, "passes that hold a zero are left out. A zero adds "
                                               "0, and the rest counts.")])
    expect.unchanged(given, sure, hint="the zeros in probs are written over. Only read probs.")

# %% mistakes="mutual_information"
{
    "mean of the entropies": ("probs.mean(0)).sum(-1)", "probs).sum(-1).mean(0)"),
    "entropy of each pass": ("probs.mean(0)", "probs"),
    "that is in bits": (".mean(0)).sum(-1)", ".mean(0)).sum(-1) / math.log(2)"),
    "sign is wrong": ("return torch", "return -torch"),
    "one number for all": (".mean(0)).sum(-1)", ".mean(0)).sum()"),
    "log of the largest": ("torch.special.entr(probs.mean(0)).sum(-1)",
                           "-probs.mean(0).amax(-1).log()"),
    "divided by its largest value": (".mean(0)).sum(-1)",
                                     ".mean(0)).sum(-1) / math.log(probs.shape[-1])"),
    "is never negative": ("predictive_entropy(probs) -", "-predictive_entropy(probs) +"),
    "the whole entropy": (" - torch.special.entr(probs).sum(-1).mean(0)", ""),
    "no disagreement": ("predictive_entropy(probs) - ", ""),
    "variance of probabilities": (
        "predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)",
        "probs.var(0).sum(-1)",
    ),
    "one value for all": (
        "predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)",
        "(predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)).mean()",
    ),
    "I is in bits": (
        "predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)",
        "(predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)) / math.log(2)",
    ),
    "gives NaN": ("torch.special.entr(probs).sum", "(-probs * probs.log()).sum"),
    "0 log 0 is NaN": ("torch.special.entr(probs.mean(0))",
                       "(-probs.mean(0) * probs.mean(0).log())"),
    "passes that hold a zero": ("torch.special.entr(probs).sum(-1)",
                                "(torch.special.entr(probs).sum(-1) * (probs > 0).all(-1))"),
    "entropy has lost its axis": (".mean(0)).sum(-1)", ".mean(0)).sum(-1).squeeze()"),
    "I has lost its axis": (
        "predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)",
        "(predictive_entropy(probs) - torch.special.entr(probs).sum(-1).mean(0)).squeeze()",
    ),
    "probs itself is changed": ("    return torch.special.entr(probs.mean(0))",
                                "    probs[probs == 0] = 1e-12\n"
                                "    return torch.special.entr(probs.mean(0))"),
    "zeros in probs are written over": ("return predictive_entropy(probs) -",
                                        "probs.clamp_(min=1e-12)\n"
                                        "    return predictive_entropy(probs) -"),
}

# %% correct="mutual_information"
def predictive_entropy(probs):
    q = sum(probs) / len(probs)
    return torch.where(q > 0, -q * torch.log(q.clamp(min=1e-300)), 0.0).sum(dim=1)


def mutual_information(probs):
    q = probs.mean(0, keepdim=True)
    ratio = torch.where(probs > 0, probs / q, 1)  # the mean divergence of a pass from the mean
    return torch.einsum("knc,knc->n", probs, torch.log(ratio)) / len(probs)

# %% [markdown]
# ### Digits, letters, printed digits
#
# A score is measured by its AUROC: the probability that a letter scores higher than a digit, 0.5
# by chance. Is it the *letter* that is noticed, or merely the print? Printed digits are the
# control. **Guess: what is the AUROC of the entropy of 50 passes, letters against handwriting?**

# %% guess=true
my_guess = 0.99  # AUROC of letters against digits, predictive entropy of 50 passes

# %% figure=true
# Six scores: how well each tells letters from handwritten digits, and from printed ones.
guess = expect.guess(my_guess)
printed, printed_labels = forecasters.letters(300, seed=2, classes="123456")


def forecasts(rows, passes=50):
    """Probabilities of each way to ask, for five runs: (runs, k, n, classes)."""
    with torch.no_grad():
        once = dropped(rows).softmax(-1)[:, None]
        alone = plain(rows).softmax(-1)[:, None]
        several = members(rows).softmax(-1).unflatten(0, (5, 5))
        with enable_dropout(dropped):
            drawn = torch.stack([dropped(rows).softmax(-1) for _ in range(passes)], 1)
    return {"no dropout": alone, "evaluation": once, "50 passes": drawn, "5 networks": several}


def auroc(low, high):
    return float((high[:, None] > low).double().mean() + (high[:, None] == low).double().mean() / 2)


asked = [forecasts(rows) for rows in (X_test, printed, letters)]
scores = [(f"entropy, {way}", predictive_entropy, way) for way in asked[0]]
scores += [(f"disagreement, {way}", mutual_information, way)
           for way in ("50 passes", "5 networks")]
found = np.empty((len(scores), 5, 2))  # score, run, against handwriting or print
for i, (_, measure, way) in enumerate(scores):
    for run in range(5):
        d, b, a = (measure(q[way][run]) for q in asked)
        found[i, run] = auroc(d, a), auroc(b, a)
misread = 100 * (asked[1]["evaluation"][:, 0].argmax(-1) != printed_labels + 1).double().mean(1)
fig, axes = plot.figure(2, height=2.6)
colors = [plot.GREY, plot.ORANGE, plot.BLUE, plot.GREEN, plot.BLUE, plot.GREEN]
gain, beside, print_only = (plot.difference(found[2, :, k], found[i, :, j])
                            for k, i, j in ((0, 1, 0), (0, 3, 0), (0, 2, 1)))
for ax, column, title in (
    (axes[0], 0, f"Against handwriting:\n50 passes − evaluation: {gain:.3f}"),
    (axes[1], 1, f"Against print, {misread.mean():.0f} % misread:\n50 passes lose "
                 f"{print_only.mean:.2f} ± {print_only.error:.2f}"),
):
    runs = found[:, :, column]
    plot.bars(runs.mean(1), [name for name, *_ in scores], ax, spread=plot.standard_error(runs, 1),
              colors=colors)
    ax.set(xlim=(0.5, 1.12), xticks=[0.5, 0.75, 1], xlabel="AUROC, 5 runs ± s.e.")
    ax.set_title(title, fontsize=10)
axes[0].axvline(guess, color=plot.GREY, linestyle=":", linewidth=1, zorder=0)
axes[0].annotate("guess", (guess, -0.6), color=plot.INK, fontsize=9)
axes[1].set_yticks([])
plot.show(fig, "AUROC of six scores, letters against handwritten and against printed digits. "
               f"Entropy of 50 passes less that of 5 networks: {beside:.3f}. Of the printed digits "
               f"{misread.mean():.0f} % are misread.",
          claims={"mostly-the-print": bool(
                      print_only.sign > 0 and print_only.mean > 0.5 * (found[2, :, 0].mean() - 0.5)
                      and (found[..., 1].mean(1) < found[..., 0].mean(1)).all()),
                  "disagreement-tells-less":
                  plot.difference(found[4, :, 0], found[2, :, 0]).sign < 0,
                  "disagreement-tells-more-of-print":
                  plot.difference(found[5, :, 1], found[3, :, 1]).sign > 0,
                  "evaluation-as-good": abs(gain.mean) + 3 * gain.error < 0.02})

# %% [markdown]
# What 50 passes notice, one evaluation notices as well. And against print every score is worse:
# what had been noticed was mostly the *print*, not that it is a letter. Disagreement of passes,
# meant for such inputs, tells letters from handwriting less well than entropy; from print,
# disagreement of networks tells more.
#
# ## Exercise: `calibration_error`
#
# A forecaster is *calibrated* if it rains on 7 of 10 days for which 70 % was announced.
# (Murphy and Winkler 1977 drew it as a reliability diagram; Naeini, Cooper and Hauskrecht 2015 made
# one number of it.) Put the inputs into bins by
# confidence, the largest probability. In each bin compare the mean confidence with the share that
# was right:
#
# $$ \mathrm{ECE} = \sum_{b} \frac{n_b}{n} \,\bigl| \mathrm{acc}_b - \mathrm{conf}_b \bigr| . $$

# %% exercise="calibration_error"
def calibration_error(probs, y, bins=10):
    """The expected calibration error: Σ_b n_b / n |accuracy - mean confidence| over bins b.

    The confidence of an input is its largest probability; bin b holds confidences above b / bins
    and up to (b + 1) / bins, for b = 0 … bins - 1. Empty bins add nothing.

    probs : (n, c) tensor of probabilities; y : (n,) tensor of classes. Returns a number.
    """
    ### BEGIN SOLUTION
    confidence, chosen = probs.max(-1)
    surplus = (chosen == y).double() - confidence.double()
    place = (confidence * bins).ceil() - 1
    inside = (place == torch.arange(bins)[:, None]).double()
    return (inside @ surplus).abs().sum() / len(y)
    ### END SOLUTION

# %% [markdown] hint="calibration_error"
# `probs.max(-1)` gives two things at once: the confidence and the class that was chosen.

# %% [markdown] hint="calibration_error"
# For each bin, a mask of the inputs that fall into it. What happens to a mean over no inputs?

# %% [markdown] hint="calibration_error"
# $\frac{n_b}{n} |\mathrm{acc}_b - \mathrm{conf}_b|$ needs no mean at all: it is the absolute value
# of a sum, over $n$.

# %% check="calibration_error" points=2
# Against the formula, on forecasts that are wrong in various ways.
rng = expect.rng()
probs = rng.dirichlet(np.full(3, 0.5), size=400).astype(np.float32)
twentieths = 20 * probs.max(1)
probs = probs[abs(twentieths - twentieths.round()) > 0.01][:80]  # none on the edge of a bin
confidence = probs.max(1).astype(float)
hit = rng.random(80) < np.where(confidence < 0.65, 0.95, 0.15)  # too timid, then too sure
y = (probs.argmax(1) + ~hit) % 3
right = {}


def cut(into, count, of=confidence):
    """What `count` bins give, of edges that cut 0 … 1 into so many parts."""
    surplus = [(hit - of)[np.ceil(of * into) == b + 1] for b in range(count)]
    return sum(abs(part.sum()) for part in surplus) / 80


for bins, dtype in ((10, torch.float64), (4, torch.float64), (1, torch.float64),
                    (20, torch.float64), (10, torch.float32)):
    place = np.ceil(confidence * bins)
    held = [place == b for b in range(1, bins + 1) if (place == b).any()]
    gaps = np.array([hit[b].mean() - confidence[b].mean() for b in held])
    share = np.array([b.mean() for b in held])
    centers = np.array([(place[b][0] - 0.5) / bins for b in held])
    means = np.array([hit[b].mean() for b in held])
    right[bins] = share @ abs(gaps)
    said = [bins] * (dtype == torch.float64)  # else it is 10 by itself
    with expect.case("calibration_error(probs, y" + f", bins={bins}" * len(said)
                     + f") on 80 forecasts, {str(dtype)[6:]}"):
        found = calibration_error(torch.tensor(probs, dtype=dtype), torch.tensor(y), *said)
        expect.close(found, right[bins], rtol=1e-5, atol=2e-6,
                     hint="compare each bin with the formula.", suspects=[
            (math.nan, "the mean of an empty bin is NaN. Such a bin adds nothing."),
            (abs(gaps).mean(), "the bins are averaged evenly. Weight each by its inputs."),
            (abs(gaps).sum() / bins, "the bins are averaged evenly. Weight each by its inputs."),
            (abs(gaps).sum(), "the bins are added up. Weight each by its share of inputs."),
            (abs(gaps).max(), "that is the largest gap. Sum over the bins by their shares."),
            (share @ abs(means - centers), "the middle of the bin is taken for its confidence."),
            (share @ gaps, "the sign is kept, so bins cancel. Take each bin's absolute value."),
            (abs(share @ gaps), "the absolute value comes last. Take it in each bin."),
            (np.abs(hit - confidence).mean(), "each input is compared alone. Average within bins."),
            (share @ gaps**2, "the gaps are squared. Take absolute values."),
            (np.sqrt(share @ gaps**2), "the gaps are squared. Take absolute values."),
            (100 * right[bins], "that is in percent. Return a fraction."),
            (cut(bins, bins, probs[range(80), y].astype(float)),
             "that takes the right class's probability for the confidence. Take the largest."),
            (right.get(10), "bins is ignored."),
            *[(cut(15, 15), "15 bins are looked at. Ten bins are the default.")] * (not said),
            (cut(10, bins), "the edges ignore bins. They lie at multiples of 1 / bins."),
            (cut(bins, 10), "always ten are looked at, whatever `bins` says."),
        ])

# %% check="calibration_error" points=1
# A confidence of exactly 1 is in the last bin, and one between two bins in the lower.
probs = torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1], [0.75, 0.25]])
with expect.case("calibration_error(probs, y): four confidences of 1, half of them right; a 0.75"):
    found = calibration_error(probs, torch.tensor([0, 1, 1, 0, 1]))
    expect.close(found, 0.55, rtol=1e-5, hint="that is 4/5 · |½ - 1| + 1/5 · |0 - 0.75|.",
                 suspects=[(0.15, "a confidence of exactly 1 falls out. It is in the last bin.")])
probs = torch.tensor([[0.5, 0.25, 0.25], [0.75, 0.125, 0.125]])
with expect.case("calibration_error(probs, y, bins=2): a 0.5 that is right, a 0.75 that is wrong"):
    found = calibration_error(probs, torch.tensor([0, 1]), 2)
    expect.close(found, 0.625, rtol=1e-5, hint="that is ½ · |1 - 0.5| + ½ · |0 - 0.75|.", suspects=[
        (0.125, "0.5 and 0.75 share a bin. 0.5 belongs to the lower one, up to 1 / bins."),
    ])

probs = torch.tensor([[0.625, 0.375], [0.6875, 0.3125]])
with expect.case("calibration_error(probs, y): a 0.625 that is right, a 0.6875 that is wrong"):
    found = calibration_error(probs, torch.tensor([0, 1]))
    expect.close(found, 0.15625, rtol=1e-5, hint="of ten bins, one holds both: |½ - 0.65625|.",
                 suspects=[(0.53125, "the two are in different bins. Ten bins are the default.")])

# %% mistakes="calibration_error"
{
    "mean of an empty bin": ("(inside @ surplus).abs().sum() / len(y)",
                             "((inside @ surplus / inside.sum(1)).abs() * inside.mean(1)).sum()"),
    "averaged evenly": ("(inside @ surplus).abs().sum() / len(y)",
                        "(inside @ surplus / inside.sum(1).clamp(min=1)).abs().mean()"),
    "added up": ("(inside @ surplus).abs().sum() / len(y)",
                 "(inside @ surplus / inside.sum(1).clamp(min=1)).abs().sum()"),
    "the largest gap": ("(inside @ surplus).abs().sum() / len(y)",
                        "(inside @ surplus / inside.sum(1).clamp(min=1)).abs().max()"),
    "taken for its confidence": (
        "- confidence.double()", "- ((confidence * bins).ceil() - 0.5).double() / bins",
    ),
    "sign is kept": (".abs()", ""),
    "absolute value comes last": (".abs().sum()", ".sum().abs()"),
    "each input is compared alone": ("(inside @ surplus).abs()", "(inside @ surplus.abs())"),
    "gaps are squared": ("(inside @ surplus).abs().sum()",
                         "((inside @ surplus) ** 2 / inside.sum(1).clamp(min=1)).sum()"),
    "in percent": ("/ len(y)", "/ len(y) * 100"),
    "the right class's probability": (
        "    surplus", "    confidence = probs[range(len(y)), y]\n    surplus"),
    "bins is ignored": ("    confidence, chosen", "    bins = 10\n    confidence, chosen"),
    "Ten bins are the default": ("bins=10", "bins=15"),
    "edges ignore bins": ("confidence * bins", "confidence * 10"),
    "always ten are looked at": ("torch.arange(bins)", "torch.arange(10)"),
    "belongs to the lower one": (".ceil() - 1", ".floor().clamp(max=bins - 1)"),
    "It is in the last bin": (".ceil() - 1", ".floor()"),
}

# %% correct="calibration_error"
def calibration_error(probs, y, bins=10):
    q, targets = np.asarray(probs), np.asarray(y)
    top = q.max(1)
    edges = np.arange(bins + 1) / bins
    place = np.searchsorted(edges, top, side="left") - 1
    surplus = (q.argmax(1) == targets) - top
    return np.abs(np.bincount(place, surplus, minlength=bins)).sum() / len(top)

# %% correct="calibration_error"
def calibration_error(probs, y, bins=10):
    confidence, chosen = torch.max(probs.float(), dim=1)
    accuracy = (chosen == y).float()
    edges = torch.linspace(0, 1, bins + 1)
    error = torch.zeros(1)
    for b in range(bins):
        inside = (confidence > edges[b]) & (confidence <= edges[b + 1])
        if inside.any():
            gap = accuracy[inside].mean() - confidence[inside].mean()
            error += gap.abs() * inside.float().mean()
    return error.item()

# %% [markdown]
# Take a *perfect* forecaster: each class occurs with exactly the probability that it announces. It
# is as confident of the 510 test digits as your network. **What calibration error does your
# function give it, in percent?**

# %% guess=true
my_guess = 0  # percent, the calibration error of a perfect forecaster of 510 digits

# %% figure=true
# Reliability, your calibration error beside that of a perfect forecaster, and both against p.
guess = expect.guess(my_guess)
shown = {"no dropout": plot.GREY, "evaluation": plot.ORANGE, "50 passes": plot.BLUE,
         "5 networks": plot.GREEN}
mixed = {way: q.mean(1) for way, q in asked[0].items()}
floors = {way: np.array([[100 * float(calibration_error(q, torch.multinomial(q, 1)[:, 0]))
                          for _ in range(40)] for q in mixed[way]]) for way in mixed}
perfect = floors["evaluation"]
fig, (left, middle, right) = plot.figure(3, width=10, height=3)
left.plot([0, 1], [0, 1], color=plot.PALE)
for i, (way, color) in enumerate(shown.items()):
    sureness, chosen = mixed[way].max(-1)
    place, was_right = (sureness * 10).ceil(), (chosen == y_test).double()
    held = [b for b in range(1, 11) if (place == b).sum() >= 30]
    left.plot([sureness[place == b].mean() for b in held],
              [was_right[place == b].mean() for b in held], "o-", color=color, markersize=4)
    runs = [100 * float(calibration_error(q, y_test)) for q in mixed[way]]
    middle.plot(runs, np.full(5, i) + np.linspace(-0.2, 0.2, 5), "o", color=color, markersize=4)
left.set(xlabel="confidence", ylabel="share that was right", xlim=(0.2, 1), ylim=(0.2, 1.02),
         title="Reliability:\nbelow the line is too sure")
for i, way in enumerate(shown):
    low, high = np.quantile(floors[way], (0.025, 0.975))
    middle.barh(i, high - low, 0.8, low, color=plot.PALE, zorder=0)
middle.axvline(guess, color=plot.INK, linestyle="--", linewidth=1)
middle.set_yticks(range(4), shown)
middle.invert_yaxis()
floor = plot.difference(perfect.mean(1))
middle.set(xlabel="calibration error, % (5 runs)", xlim=(-0.2, None),
           title=f"A perfect forecaster: {floor.mean:.1f} %\n(bands; your guess: {guess})")
drops = [float(p) for p in study["sweep"]]
swept = {way: 100 * np.array([study["sweep"][str(p)][way]["calibration"] for p in drops])
         for way in ("evaluation", "50 passes")}
chance = 100 * np.array([study["sweep"][str(p)]["evaluation"]["perfect"]["mean"] for p in drops])
for way, runs in swept.items():
    right.errorbar(drops, runs.mean(1), plot.standard_error(runs, 1), color=shown[way], marker="o",
                   capsize=3, label=way)
right.plot(drops, chance.mean(1), color=plot.GREY, linestyle=":", label="perfect forecaster")
ends = [plot.difference(swept["50 passes"][k], swept["evaluation"][k]) for k in (1, -1)]
right.set(xlabel="p in training (10 networks ± s.e.)", ylabel="calibration error, %",
          ylim=(0, None))
right.set_title(f"50 passes − evaluation:\n{ends[0]:.1f} at p = {drops[1]:g}, {ends[1]:.1f} at "
                f"{drops[-1]:g}", fontsize=9)
right.legend(fontsize=9)
plot.show(fig, "Reliability of four ways to ask; their calibration errors beside those of a perfect"
               f" forecaster, {floor.mean:.1f} % on average; and both against p. The sweep over p "
               "was measured by dropoutlab.studies.uncertainty.",
          claims={"a-perfect-forecaster-errs": plot.difference(perfect.mean(1), 1).sign > 0,
                  "passes-mend-at-small-p": ends[0].sign < 0 and plot.difference(
                      study["sweep"]["0.1"]["evaluation"]["surplus"]).sign > 0,
                  "passes-spoil-at-large-p": ends[1].sign > 0 and plot.difference(
                      study["sweep"]["0.5"]["50 passes"]["surplus"]).sign < 0})

# %% [markdown]
# A calibration error means nothing without this floor (Bröcker and Smith 2007): each bin's absolute
# value counts chance as error. An error inside the band shows no miscalibration.
#
# Averaging passes makes forecasts *softer*. At $p=0.1$ that mends networks that are too sure; at
# 0.5 it overshoots: they become too timid.
#
# ## Deep ensembles, and other data than in training
#
# The usual rival of MC dropout is a *deep ensemble* (Lakshminarayanan, Pritzel and Blundell 2017):
# a few networks started from different weights, their probabilities averaged. Ovadia et al. (2019)
# compared both under *shift*: images turned, blurred or speckled, step by step. A kept study did so
# for the digits; the circles are computed now. The same networks with dropout
# are asked once, 50 times, or five of them once each. Five networks take five trainings and five
# passes for an answer, MC dropout one training and 50 passes. **Guess: which way has the lowest log
# loss on digits turned by 30°?**

# %% guess=true
my_guess = "5 networks"  # "no dropout", "evaluation", "50 passes" or "5 networks"

# %% figure=true
# Log loss of five ways to ask on turned and speckled digits; calibration error on turned ones.
guess = expect.guess(my_guess, number=False)
ways = {**shown, "5 networks, no dropout": plot.PINK}
fig, axes = plot.figure(3, width=10, height=3.1)
panels = (("turn", "loss", "turned by, degrees"), ("noise", "loss", "noise, standard deviation"),
          ("turn", "calibration", "turned by, degrees"))
for ax, (kind, what, label) in zip(axes, panels, strict=True):
    for way, color in ways.items():
        runs = np.array([study[kind][level][way][what] for level in study[kind]])
        runs = 100 * runs if what == "calibration" else runs
        ax.errorbar([float(level) for level in study[kind]], runs.mean(1),
                    plot.standard_error(runs, 1), color=color, marker=".", capsize=2, label=way)
    ax.set(xlabel=label, ylim=(0, None),
           ylabel="log loss, nats" if what == "loss" else "calibration error, %")
live = forecasts(forecasters.turned(X_test, 15))
for way, q in live.items():
    mean = q.mean(1)
    losses = -mean[:, torch.arange(len(y_test)), y_test].clamp_min(1e-12).log().mean(-1)
    axes[0].plot(15, losses.mean(), "o", color=shown[way], fillstyle="none")
    axes[2].plot(15, np.mean([100 * float(calibration_error(m, y_test)) for m in mean]), "o",
                 color=shown[way], fillstyle="none")
home, away = ({way: np.array(study["turn"][level][way]["loss"]) for way in (*ways, "5 passes")}
              for level in ("0", "30"))
lead, late = (plot.difference(at["5 networks"], at["50 passes"]) for at in (home, away))
loud = {way: np.array(study["noise"]["0.45"][way]["loss"]) for way in home}
noisy = plot.difference(loud["5 networks"], loud["50 passes"])
leads = [all(plot.difference(at["5 networks"], runs).sign < 0 for way, runs in at.items()
             if way != "5 networks") for at in (home, loud)]
equal, softer = (plot.difference(home["5 networks"], home["5 passes"]),
                 plot.difference(away["50 passes"], away["evaluation"]))
off = [100 * np.mean(study["turn"]["30"][way]["calibration"]) for way in ways]
best, second = sorted(away, key=lambda way: away[way].mean())[:2]
if plot.difference(away[second], away[best]).sign <= 0:
    best = f"{best} or {second}"
over = [100 * np.mean(study["turn"]["30"][way]["surplus"]) for way in ways]
axes[0].set_title(f"Lowest loss at 30°: {best}\n(your guess: {guess})", fontsize=9)
axes[1].set_title(f"5 networks − 50 passes:\n{lead:.2f} undisturbed, {noisy:.2f}\nwith the most "
                  f"noise, {late:.2f} at 30°", fontsize=9)
axes[2].set_title(f"At 30° all are off by {min(off):.0f} to {max(off):.0f} %;\nconfidence − "
                  f"accuracy at least {min(over):.0f} %", fontsize=9)
axes[0].legend(fontsize=8)
plot.show(fig, "Log loss against the angle and the noise, and calibration error against the angle, "
               f"for five ways to ask. Five networks less 50 passes: {lead:.3f} nats at 0°, "
               f"{late:.2f} at 30°. Less 5 passes, which cost as much at each answer: {equal:.3f} "
               "at 0°.",
          claims={"ensemble-leads-at-home": leads[0], "lead-stays-under-noise": leads[1],
                  "passes-help-under-shift": softer.sign < 0,
                  "nobody-calibrated-under-shift": bool(min(off) > 20 and min(over) > 0)})

# %% [markdown]
# On digits like those of training, five networks that were trained with dropout are best. Five
# trained without it, the deep ensemble of the paper, do about as well as 50 passes of one. Under
# noise the lead stays, as Ovadia et al. found on large networks; as the digits turn, it is lost.
# At 30° all are far too sure (right).
#
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="agree" points=1
# Every one of 100 passes gives 0.5 to a 4 and 0.5 to a 9. Their mutual information is:
#
# - [x] 0
# - [ ] 0.5
# - [ ] log 2
#
# Hint: do the passes contradict each other?

# %% question="data_answer" points=1
# At a fixed p, a hundred times the data made the dropout band where data lie:
#
# - [ ] ten times narrower
# - [ ] about half as wide
# - [x] hardly narrower
#
# Hint: look at the figure with 30, 300 and 3000 points.

# %% question="timid" points=1
# Among inputs to which it gives 80 % confidence, a model is right on 95 %. Averaging passes would
# make it:
#
# - [ ] calibrated
# - [x] more timid still
# - [ ] too sure
#
# Hint: does it claim more than it keeps, or less? And what does averaging do?

# %% [markdown]
# ## In your own words
#
# A clinic wants a network that reads scans to "pass on to a doctor what it is unsure of", with MC
# dropout. Say in three to six sentences what you would measure first, on which data, beside which
# control, and one kind of case that would slip through. (In a class, your instructor grades this.)

# %% [markdown] answer="trust_the_band" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point: measurements that would show it, on held-out data like the clinic's
# and on shifted data (other scanners, patients): calibration beside its floor, error rate among the
# cases that are *not* passed on, against one evaluation and against an ensemble of equal cost, over
# several seeds. One point: a case that slips through and why: an input unlike all training data
# that every thinned network reads alike (the letters), a band whose size is set by p and not by the
# data, or the error far outside.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - A network that reads digits takes over one letter in ten for a digit, more than 90 % sure.
#   {{claim:letters-called-digits}}
# - At a fixed $p$ the band hardly narrows where data lie, and an exact posterior's does.
#   {{claim:dropout-band-stays}} Far outside, dropout misses the truth by more than two of its
#   standard deviations, five networks by still more. {{claim:far-outside-too-narrow}}
# - One evaluation tells letters from handwriting as well as 50 passes.
#   {{claim:evaluation-as-good}} Both notice mostly the print. {{claim:mostly-the-print}}
#   Disagreement of passes tells less than their entropy; {{claim:disagreement-tells-less}} between
#   letters and print, that of networks tells more. {{claim:disagreement-tells-more-of-print}}
# - A perfect forecaster of 510 digits has a calibration error above 1 %.
#   {{claim:a-perfect-forecaster-errs}} Averaging passes lowered the error at $p=0.1$,
#   {{claim:passes-mend-at-small-p}} and raised it at 0.5. {{claim:passes-spoil-at-large-p}}
# - Five networks, trained with dropout, beat 50 passes, and 5 passes at equal cost of an
#   answer, on digits like those of training {{claim:ensemble-leads-at-home}} and on noisy ones.
#   {{claim:lead-stays-under-noise}} On digits turned by 30° passes beat one evaluation,
#   {{claim:passes-help-under-shift}} and none stayed calibrated.
#   {{claim:nobody-calibrated-under-shift}}
#
# **Read.** Gal and Ghahramani, ICML 2016 (arXiv:1506.02142). Lakshminarayanan et al., NIPS 2017
# (arXiv:1612.01474). Ovadia et al., NeurIPS 2019 (arXiv:1906.02530). Guo et al., ICML 2017
# (arXiv:1706.04599). Naeini et al., AAAI 2015. Bröcker and
# Smith, *Increasing the reliability of reliability diagrams*, 2007. Against: Osband, *Risk versus
# uncertainty in deep learning*, NIPS workshop 2016; Hron et al., ICML 2018 (arXiv:1807.01969);
# Foong et al., NeurIPS 2020 (arXiv:1909.00719); Le Folgoc et al. (arXiv:2110.04286).
#
# **Stretch.** Divide the logits by a temperature that you fit on held-out training digits (Guo et
# al.). Does one evaluation then beat 50 passes?
#
# **Still open.** The band's size was set by $p$. Could $p$ be learned from the data? That is
# {{learned_rates}}.
