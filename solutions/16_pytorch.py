# %% [markdown]
# # 1.6 · Dropout in PyTorch
#
# **What is left to write when the layer comes ready-made?**
#
# *75 minutes. Before: {{backward}}, and PyTorch, of which ten minutes' worth is explained here.
# After, you will be able to write a layer that behaves as `nn.Dropout` does, to put it where it
# belongs in a network, and to say who switches it off in PyTorch, Keras and Flax.*
#
# | symbol | meaning |
# | --- | --- |
# | $x$, $y$ | input and output of the layer |
# | $p$ | probability that an entry is **dropped** |
# | $m$ | mask: each entry 1 with probability $1-p$, else 0, independently |
# | mode | a module's `training` flag: `True` in training, `False` in evaluation |

# %% setup=true
import importlib.util
import os
from functools import cache
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import check_probability, data, expect, explore, plot
from dropoutlab.modules import passing_on

# %% [markdown]
# ## Where we stand
#
# In {{backward}} you wrote dropout's forward and backward pass by hand. PyTorch ships the layer,
# and works out the backward pass as well: `nn.Dropout(0.5)` is all you have to write. What remains
# is to turn it *off*. The next cell makes a network that is ready to train. Before measuring it,
# different people would write
#
# - `with torch.no_grad():`
# - `with torch.inference_mode():`
# - `network.requires_grad_(False)`
# - `network.training = False`
# - `network.eval()`
#
# (New to PyTorch? The first two are blocks without gradients, the third says that the weights need
# none, and every module has a flag `training`.)
#
# **Guess first: how many of the five stop the dropout?**

# %%
torch.set_num_threads(1)  # products this small would only wait for each other's threads
X, y, X_test, y_test = (torch.as_tensor(values) for values in data.digits())
X, X_test = X.flatten(1).float(), X_test.flatten(1).float()


def network():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))

# %% guess=true
my_guess = 3  # how many of the five stop the dropout

# %% figure=true
# How many outputs differ between two runs, for each way of switching dropout off.
guess = expect.guess(my_guess)


def differing(net, context=torch.enable_grad):
    """The share of outputs, in percent, that are not the same in a second run."""
    with context():
        return 100 * (net(X_test) != net(X_test)).double().mean().item()


flagged = network()
flagged.training = False
shares = {"nothing": differing(network()),
          "torch.no_grad()": differing(network(), torch.no_grad),
          "torch.inference_mode()": differing(network(), torch.inference_mode),
          "requires_grad_(False)": differing(network().requires_grad_(False)),
          "training = False": differing(flagged),
          "eval()": differing(network().eval())}
fig, (ax,) = plot.figure(1, height=2.4)
plot.bars(list(shares.values()), list(shares), ax, colors=[plot.GREY, *5 * [plot.ORANGE]])
ax.set_xlabel("outputs that differ between two runs of the same images, %")
stopped = [name for name in list(shares)[1:] if shares[name] == 0]
ax.set_title(f"Dropout stops after {len(stopped)} of 5: {', '.join(stopped)} (you said {guess})")
plot.show(fig, "Share of outputs that differ between two runs, after each of five calls and after "
               f"none. It is 0 after {', '.join(stopped)}.",
          claims={"gradients-are-another-matter":
                  shares["torch.no_grad()"] > 0 == shares["eval()"]})

# %% [markdown]
# The first three are about gradients, and a dropout layer doesn't care about gradients. The fourth
# sets a flag, but on the wrong object.
#
# ## PyTorch in ten minutes
#
# A **tensor** is an array that can remember how it was computed. `loss.backward()` goes back
# through all steps, and adds the derivative of the loss to the `.grad` of every tensor that was
# created with `requires_grad=True`, such as a network's weights.
#
# A **module** is a layer or a network: a class with a method `forward`, which runs when you *call*
# the module. Its `__init__` must begin with `super().__init__()`. From then on, a module that you
# assign to an attribute becomes a *submodule*, and `parameters()` finds its weights, too.
#
# An **optimizer** holds the parameters and changes them by their gradients. Every training loop in
# PyTorch has the same four lines:

# %%
def fit(net, X=X, y=y, epochs=10):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(64):  # batches of 64, in a new order
            optimizer.zero_grad()  # or gradients add up
            loss = F.cross_entropy(net(X[rows]), y[rows])  # from logits and class numbers
            loss.backward()
            optimizer.step()


def error_rate(net, X=X_test, y=y_test):
    with torch.no_grad():  # nothing needs to be remembered
        return 100 * (net(X).argmax(1) != y).double().mean().item()


net = network()
fit(net)
print(f"error rate on test digits: {error_rate(net.eval()):.1f} %")

# %% [markdown]
# ### One question from {{backward}}
#
# Your NumPy layer had methods `train()` and `eval()`. A network of ten such layers is to be used
# for evaluation. Who calls the ten `eval()`s? (Answer, then unfold.)
#
# <details><summary>Answer</summary>
#
# In NumPy you do, one layer after another. A PyTorch module knows its submodules, so the network
# does it for you. `network.eval()` is short for `network.train(False)`, and `train(mode)` does two
# things: it sets the module's own flag `training`, and it calls `train(mode)` of every submodule.
# (`network.training = False` does the first of the two and reaches no layer.)
# </details>
#
# Does `eval()` reach a layer two levels down? Run this:

# %%
class Listening(nn.Module):
    def train(self, mode=True):
        print(f"train({mode}) was called")
        return super().train(mode)

    def eval(self):
        print("eval() was called")
        return super().eval()


listening = nn.Sequential(nn.Sequential(Listening())).eval()

# %% [markdown]
# ### A worked example: a module with a mode
#
# This layer adds Gaussian noise. It checks its flag in `forward`. `sigma` is a plain number: it is
# a setting, and stays out of the `state_dict`, which holds what training changes (weights, and
# *buffers* such as a running mean). `print` shows the text of `extra_repr` in the brackets.

# %%
class Noise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, x):
        return x + self.sigma * torch.randn_like(x) if self.training else x

    def extra_repr(self):
        return f"sigma={self.sigma}"


noisy = nn.Sequential(nn.Linear(2, 2), nn.Sequential(Noise(0.1), nn.ReLU()))
print(noisy)
print("state:", list(noisy.state_dict()))
print("modes:", [module.training for module in noisy.eval().modules()])

# %% [markdown]
# ## Exercise: `Dropout`
#
# Write the layer: it does what `nn.Dropout` does, with a generator that can repeat its masks.

# %% exercise="Dropout"
class Dropout(nn.Module):
    """Inverted dropout as a module: y = m * x / (1 - p) in training, y = x in evaluation.

    p : probability of dropping. An attribute: a later `layer.p = 0.1` counts from the next call on.
    generator : torch.Generator, or None for torch's own; the only source of randomness
    x : tensor of any shape and floating dtype, left as it is; y has its shape, dtype and device
        (where nothing is dropped, y may be x itself: PyTorch returns its input there, so we allow
        it; your NumPy layers returned a copy)
    In evaluation the gradient passes as it is. Nothing is kept between calls, the layer can be
    copied and pickled, the state_dict is empty, and the repr is `Dropout(p=0.5)`.
    """

    def __init__(self, p=0.5, generator=None):
        check_probability(p)
        ### BEGIN SOLUTION
        super().__init__()
        self.p, self.generator = p, generator
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        if not self.training:
            return x
        kept = torch.rand(x.shape, generator=self.generator, device=x.device) >= self.p
        return x * kept / (1 - self.p) if self.p < 1 else x * 0
        ### END SOLUTION

    def extra_repr(self):
        ### BEGIN SOLUTION
        return f"p={self.p}"
        ### END SOLUTION

# %% [markdown] hint="Dropout"
# `__init__` begins as that of `Noise` does. `forward` has three cases: evaluation, $p=1$, and
# everything else.

# %% [markdown] hint="Dropout"
# `torch.rand(x.shape, generator=…, device=x.device)` is float32 whatever x is. Compared with
# `p` it gives booleans, and a product with booleans keeps x's dtype.

# %% [markdown] hint="Dropout"
# Ask `self.training` and `self.p` anew in each call. What else would have to be remembered from
# one call to the next?

# %% [markdown]
# Look at your layer, two containers deep in a network that is switched as a whole. Pale is 0.

# %%
nested = nn.Sequential(nn.Identity(), nn.Sequential(Dropout(0.4)))
print(nested)
sent = [nested.train(row not in (2, 3))(torch.ones(24)).numpy() for row in range(6)]
fig, (ax,) = plot.figure(1, width=5.5, height=1.9)
plot.mask(sent, ax).set_yticks([1, 3, 5], ["train", "eval", "train"])
ax.set(xlabel="unit", title="Your layer in six calls")
plot.show(fig, "Which units send in six calls, two of them in evaluation mode.")

# %% check="Dropout" points=2
# Each entry is 0 or x / (1 - p), and a fraction p of them is 0.
x = torch.randn(20_000, generator=expect.generator(), dtype=torch.float64)
before = x.clone()
with expect.case("Dropout(0.3, generator)(x) on 20 000 normal numbers",
                 crash=[("Module.__init__|_hooks|super", "begin __init__ with super().__init__()."),
                        ("required .forward", "the class lacks the method `forward`.")]):
    out = Dropout(0.3, expect.generator())(x)
    expect.tensor(out, 20_000, hint="return a tensor of x's shape.")
    expect.unchanged(x, before, hint="the layer writes into its input. Mind `*=` and `mul_`.")
    expect.only(
        out / x,
        (0, 1 / 0.7),
        rtol=1e-6,
        hint="a survivor must be x / (1 - p).",
        suspects=[
            (1, "the survivors are not scaled. Divide them by 1 - p."),
            (1 / 0.3, "the survivors are divided by p. Divide them by 1 - p."),
        ],
    )
    expect.mean(out == 0, 0.3, of=(0, 1), hint="p is the probability that an entry is 0.",
                suspects=[(0.7, "a fraction 1 - p is dropped: p is swapped."),
                          (0, "no entry is dropped. Has each a coin, or do all share one?"),
                          (1, "all are dropped. Has each a coin of its own, or do all share one?")])

# %% check="Dropout" points=2
# Every entry has a coin of its own, fresh at each call, from the generator or from torch's own.
ones = torch.ones(20, 60)
with expect.case("Dropout(p, generator)(x) on 20 × 60 ones, 24 times for each of four p"):
    expect.coins(lambda p, generator: Dropout(p, generator)(ones),
                 scale=lambda p: 1 / (1 - p), source=expect.generator, none=True)
with expect.case("layer = Dropout(0.5); layer(x) twice, on 20 × 60 ones"):
    layer = Dropout(0.5)
    expect.varies([layer(ones), layer(ones)], chance=0.5**1200, what="two different masks",
                  hint="the layer keeps its mask. Draw a new one in each call.")

# %% check="Dropout" points=1
# The mode: alone, and as a part of a network.
x = torch.randn(20, 30, generator=expect.generator())
with expect.case("layer = Dropout(0.6); layer.eval(); layer(x)",
                 crash=[("back: not callable", "an attribute hides the method of the same name.")]):
    layer = Dropout(0.6)
    layer.eval()
    out = layer(x.clone())
    expect.tensor(out, (20, 30), hint="in evaluation forward returns x.")
    expect.close(out, x, rtol=1e-6, hint="eval() does not switch the dropping off.",
                 suspects=[(x / 0.4, "evaluation scales too. Scale in training only."),
                           (x * 0.4, "evaluation multiplies by 1 - p. Leave x as it is.")])
with expect.case("the same layer; layer.train(); layer(x)"):
    layer.train()
    expect.varies(layer(x) == 0, chance=1e-9, what="some entries dropped",
                  hint="after train() it must drop again.")
with expect.case("network = nn.Sequential(nn.Sequential(Dropout(0.6))); network.eval()"):
    network = expect.ask("nested", Dropout(0.6))
    network.eval()
    expect.close(network(x.clone()), x, rtol=1e-6,
                 hint="the network's eval() does not reach your layer. It calls train(False) of "
                      "each submodule, and no eval(). Ask `self.training`.")
    network.train()
    expect.varies(network(x) == 0, chance=1e-9, what="some entries dropped",
                  hint="the network's train() does not reach your layer. Ask `self.training`.")
with expect.case("layer = Dropout(0.6); layer.training = False; layer(x)"):
    layer = Dropout(0.6)
    layer.training = False
    expect.close(layer(x.clone()), x, rtol=1e-6,
                 hint="it drops although its flag `training` is False: keep no flag of your own.")
with expect.case("layer = Dropout(0.6); with torch.no_grad(): layer(x)"):
    out = expect.ask("without_gradients", Dropout(0.6), x.clone())
    expect.varies(out == 0, chance=1e-9, what="some entries dropped",
                  hint="in training mode it drops under no_grad() too. Ask the flag `training` "
                       "alone, not whether gradients are recorded.")
with expect.case("Dropout(0.6).eval()(x), and Dropout(0.6).train()(x)",
                 crash=[("back: NoneType", "eval() and train() return nothing. nn.Module has both: "
                                           "leave them to it.")]):
    expect.close(Dropout(0.6).eval()(x.clone()), x, rtol=1e-6, hint="eval() returns the layer.")
    expect.varies(Dropout(0.6).train()(x) == 0, chance=1e-9, what="some entries dropped",
                  hint="train() returns the layer.")

# %% check="Dropout" points=1
# The gradient is dy times the mask and the scale, also where x is 0.
x = torch.randn(6, 50, generator=expect.generator(), dtype=torch.float64, requires_grad=True)
dy = torch.randn(6, 50, generator=expect.generator(), dtype=torch.float64)
lost = [("does not require grad|does not have a grad_fn|not have been used",
         "the output has lost its history: .data, .detach(), NumPy or no_grad() in forward.")]
with expect.case("out = Dropout(0.4)(x); out.backward(dy); x.grad", crash=lost):
    out = Dropout(0.4)(x)
    out.backward(dy)
    kept = out.detach() != 0
    expect.equal("none" if x.grad is None else "there", "there", hint=lost[0][1])
    expect.close(x.grad, dy * kept / 0.6, rtol=1e-6, hint="dy times the mask and the scale.",
                 suspects=[(dy, "the gradient goes past the mask."),
                           (dy * kept, "the gradient goes past the scale.")])
with expect.case("out = Dropout(0.5)(x); out.sum().backward(); x.grad, where every x is 0",
                 crash=lost):
    x = torch.zeros(2000, requires_grad=True)
    Dropout(0.5)(x).sum().backward()
    expect.mean(x.grad != 0, 0.5, of=(0, 1),
                hint="survivors that are 0 have lost their gradient: 0 is not the same as dropped.")
with expect.case("layer.eval(); out = layer(x); out.backward(dy); x.grad", crash=lost):
    x = torch.randn(6, 50, generator=expect.generator(), dtype=torch.float64, requires_grad=True)
    layer = Dropout(0.4)
    layer.eval()
    layer(x).backward(dy)
    expect.close(x.grad, dy, rtol=1e-6, hint="in evaluation the gradient passes as it is.")

# %% check="Dropout" points=1
# Nothing is kept between calls: the layer can be saved, loaded and copied.
with expect.case("len(Dropout(0.3).state_dict())"):
    layer = Dropout(0.3)
    layer(torch.ones(5))
    expect.equal(len(layer.state_dict()), 0,
                 hint="p and the mask are no weights: keep them out of the state_dict, or old "
                      "files no longer load.")
    expect.equal(len(list(layer.buffers())), 0,
                 hint="a buffer keeps something between calls. A mask is needed in its call only.")
with expect.case("copy.deepcopy(layer)(x) after a step of training",
                 crash=[("deepcopy", "a tensor of the last call stays on self. Keep none.")]):
    x = torch.ones(500, requires_grad=True)
    layer = Dropout(0.5)
    layer(x).sum().backward()
    expect.mean(expect.ask("deepcopy", layer)(x) == 0, 0.5, of=(0, 1), hint="the copy differs.")
with expect.case("pickle.loads(pickle.dumps(layer))(x)",
                 crash=[("pickle|lambda|local", "an attribute cannot be pickled, as a function "
                                                "made in __init__. Keep plain numbers.")]):
    twin = expect.ask("restored", Dropout(0.3))
    expect.mean(twin(torch.ones(500)) == 0, 0.3, of=(0, 1), hint="the loaded layer differs.")
with expect.case("bytes that a layer holds after layer(x), 1000 entries, no gradients"):
    size = expect.ask("saved_bytes", Dropout(0.3), torch.ones(1000))
    expect.equal(round(int(size) / 1000), 0, hint="the mask, or x or y, stays on self. Keep none.")

# %% check="Dropout" points=1
# p is 0.5 if not given, stands in the repr, and counts as it is at each call.
ones = torch.ones(1000)
with expect.case("repr(Dropout(0.125)) == 'Dropout(p=0.125)'"):
    expect.equal(repr(Dropout(0.125)), "Dropout(p=0.125)",
                 hint="write extra_repr, as `Noise` does.")
with expect.case("Dropout().p", crash=[("attribute 'p'", "keep p under its own name: self.p.")]):
    expect.close(Dropout().p, 0.5, hint="without an argument p is 0.5.")
with expect.case("layer = Dropout(0.1); layer.p = 0.9; layer(x)"):
    layer = Dropout(0.1)
    layer.p = 0.9
    out = layer(ones)
    expect.mean(out == 0, 0.9, of=(0, 1),
                hint="a later p does not count: use self.p in forward, no copy of it.")
    expect.only(out, (0, 10), rtol=1e-5, hint="a survivor must be x / (1 - p).",
                suspects=[(1 / 0.9, "the coins follow a later p, and the scale does not.")])

# %% check="Dropout" points=1
# Every floating dtype stays as it is, whatever the layout in memory, and so does the device.
for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
    with expect.case(f"Dropout(0.5)(x) on 1000 ones, {dtype}"):
        out = Dropout(0.5)(torch.ones(1000, dtype=dtype))
        expect.tensor(out, 1000, dtype,
                      hint="the result has another dtype: a float mask promotes it. A boolean "
                           "mask does not.")
        expect.only(out, (0, 2), hint="a survivor must be x / (1 - p).")
with expect.case("Dropout(0.5)(x) on a transposed matrix",
                 crash=[("view", "a transposed tensor has no `view`. Use its shape as it is.")]):
    x = torch.randn(30, 20, generator=expect.generator(), dtype=torch.float64).t()
    out = Dropout(0.5)(x)
    expect.tensor(out, (20, 30), hint="return a tensor of x's shape.")
    expect.only(out / x, (0, 2), hint="entries changed their places, or lost digits.")
with expect.case("Dropout(0.5)(x) on six ones of the device meta, and the gradient",
                 crash=[("(expected|same) device",
                         "coins and x are not on one device. Draw on x.device.")]):
    expect.equal(expect.ask("devices_on_meta", Dropout(0.5)), "meta and meta",
                 hint="y and the gradient stay on the device of x.")

# %% check="Dropout" points=1
# The rate is right in low precision too, where p is near to 0 or 1.
for dtype in (torch.bfloat16, torch.float16):
    for p in (0.001, 0.999):
        with expect.case(f"Dropout({p}, generator)(x) on a million ones, {dtype}"):
            out = Dropout(p, expect.generator())(torch.ones(1_000_000, dtype=dtype))
            expect.mean(out == 0, p, of=(0, 1),
                        hint="coins of this dtype are too coarse for this p. Draw float32.",
                        suspects=[(1 - p, "a fraction 1 - p is dropped: p is swapped.")])

# %% check="Dropout" points=1
# At p = 0 nothing is dropped; at p = 1 everything is: zeros, not 0 / 0.
ones = torch.ones(1000)
with expect.case("Dropout(0.0)(x) and Dropout(1.0)(x) on ones"):
    expect.close(Dropout(0.0)(ones.clone()), ones, hint="at p = 0 nothing is dropped.")
    expect.close(Dropout(1.0)(ones.clone()), 0 * ones, hint="at p = 1 every entry is dropped.",
                 suspects=[(0 * ones + float("nan"), "0 / 0 gives NaN at p = 1. Return zeros.")])
    Dropout(1.0)(given := ones.clone())
    expect.unchanged(given, ones, hint="at p = 1 the layer writes into its input. Mind `zero_`.")

# %% mistakes="Dropout"
{
    "super().__init__()": ("        super().__init__()\n", ""),
    "lacks the method": ("def forward", "def foward"),
    "not scaled": (" / (1 - self.p)", ""),
    "divided by p": ("(1 - self.p)", "self.p"),
    "p is swapped": (">= self.p", "< self.p"),
    "no entry is dropped": ("x * kept", "x"),
    "all are dropped": (">= self.p", ">= 1"),
    "writes into its input": ("x * kept", "x.mul_(kept)"),
    "every row has the same mask": ("x.shape,", "x.shape[-1:],"),
    "every column has the same mask": ("x.shape,", "(*x.shape[:1], *[1] * (x.dim() - 1)),"),
    "an exact number is dropped": (">= self.p", ">= self.p\n        "
        "kept = kept.new_ones(x.shape).flatten().index_fill(0, torch.randperm(x.numel(), "
        "generator=self.generator)[: round(self.p * x.numel())], False).view(x.shape)"),
    "do not come from the given generator": ("generator=self.generator, ", ""),
    "not from a copy": ("= p, generator", "= p, generator and generator.clone_state()"),
    "a seed is set inside": ("= p, generator", "= p, generator or torch.manual_seed(0)"),
    "keeps its mask": ("return x * kept",
                       'kept = self.__dict__.setdefault("kept", kept)\n        return x * kept'),
    "hides the method": ("= p, generator", "= p, generator\n        self.eval = False"),
    "eval() does not switch": ("not self.training", "self.p == 0"),
    "not whether gradients are recorded":
        ("not self.training", "not (self.training and torch.is_grad_enabled())"),
    "evaluation scales too": ("return x\n", "return x / (1 - self.p)\n"),
    "evaluation multiplies": ("return x\n", "return x * (1 - self.p)\n"),
    "the network's eval() does not reach": ("""    def forward(self, x):
        ### BEGIN SOLUTION
        if not self.training:""", """    on = True

    def train(self, mode=True):
        self.on = True

    def eval(self):
        self.on = False

    def forward(self, x):
        if not self.on:"""),
    "write extra_repr": ('f"p={self.p}"', '""'),
    "without an argument p is 0.5": ("p=0.5, generator", "p=0.2, generator"),
    "a later p does not count": ("    def forward", """    def __setattr__(self, name, value):
        if name != "p" or not hasattr(self, "p"):
            super().__setattr__(name, value)

    def forward"""),
    "the scale does not": ("= p, generator\n        ### END SOLUTION\n\n    def forward(self, x):",
        "= p, generator\n        self.first = p\n\n    def forward(self, x):\n"
        "        if self.training and 0 < self.p < 1:\n"
        "            kept = torch.rand(x.shape, generator=self.generator) >= self.p\n"
        "            return x * kept / (1 - self.first)"),
    "keep no flag of your own": ("""    def forward(self, x):
        ### BEGIN SOLUTION
        if not self.training:""", """    on = True

    def train(self, mode=True):
        self.on = mode
        return self

    def forward(self, x):
        if not self.on:"""),
    "leave them to it": ("    def extra_repr", """    def eval(self):
        self.training = False

    def extra_repr"""),
    "a buffer keeps something": ("return x * kept", 'self.register_buffer("kept", kept, '
                                 "persistent=False)\n        return x * kept"),
    "at p = 1 the layer writes": ("else x * 0", "else x.zero_()"),
    "no weights: keep them out of the state_dict": ("self.p, self.generator = p, generator",
        'self.generator = generator\n        self.register_buffer("p", torch.tensor(p).double())'),
    "a tensor of the last call": ("return x * kept / (1 - self.p) if self.p < 1 else x * 0",
                                  "self.y = x * kept / (1 - self.p)\n        return self.y"),
    "cannot be pickled": ("= p, generator", "= p, generator\n        self.keep = lambda: 1 - p"),
    "stays on self. Keep none": ("return x * kept", "self.kept = kept\n        return x * kept"),
    "another dtype": (">= self.p", ">= self.p\n        kept = kept.float()"),
    "Draw on x.device": (", device=x.device", ""),
    "has no `view`": ("x * kept", "(x.view(-1) * kept.view(-1)).view(x.shape)"),
    "too coarse for this p": ("device=x.device", "device=x.device, dtype=x.dtype"),
    "lost its history": ("return x * kept", "return x.detach() * kept"),
    "goes past the mask": ("x * kept / (1 - self.p) if",
                           "x + (x * kept / (1 - self.p) - x).detach() if"),
    "goes past the scale": ("x * kept / (1 - self.p) if",
                            "x * kept + (x * kept * self.p / (1 - self.p)).detach() if"),
    "0 is not the same as dropped": ("x * kept / (1 - self.p) if",
                                     "torch.where(x * kept == 0, 0, x / (1 - self.p)) if"),
    "0 / 0 gives NaN": (" if self.p < 1 else x * 0", ""),
}

# %% mistake="Dropout" says="keep p under its own name"
class Dropout(nn.Module):
    def __init__(self, p=0.5, generator=None):
        super().__init__()
        self.rate, self.generator = p, generator

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand(x.shape, generator=self.generator, device=x.device) >= self.rate
        return x * kept / (1 - self.rate) if self.rate < 1 else x * 0

    def extra_repr(self):
        return f"p={self.rate}"

# %% correct="Dropout"
class Dropout(nn.Module):
    def __init__(self, p=0.5, generator=None):
        super().__init__()
        self.p, self.generator = p, generator

    def forward(self, x):
        if not self.training or self.p == 0:
            return x.clone()
        mask = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)
        return x * mask.div_(1 - self.p) if self.p < 1 else torch.zeros_like(x)

    def extra_repr(self):
        return "p=" + str(self.p)

# %% correct="Dropout"
class Dropout(nn.Module):
    def __init__(self, p: float = 0.5, generator=None):
        super().__init__()
        self.__dict__ |= {"p": p, "generator": generator}

    def forward(self, x):
        if self.training is False:
            return x
        dropped = torch.empty(x.shape, dtype=torch.bool, device=x.device)
        dropped.bernoulli_(self.p, generator=self.generator)
        return (x / (1 - self.p or 1)).masked_fill(dropped, 0)

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"

# %% [markdown]
# If your first attempt drew its coins with `torch.rand_like(x)`, one check told you that they were
# too coarse. A number of type `bfloat16` has eight significant binary digits, so one uniform number
# in $2^9$ rounds up to 1. PyTorch 2.13 returns 0 in its place, and 0 is below every $p > 0$:

# %%
for dtype in (torch.float32, torch.bfloat16, torch.float16):
    dropped = (torch.rand(1_000_000, dtype=dtype) < 0.001).double().mean()
    print(f"{dtype!s:15} p = 0.001, dropped: {dropped:.5f}")

# %% [markdown]
# ## The backward pass, by hand
#
# Autograd derived your layer's backward pass from the lines of `forward`, and to do so it keeps
# whatever those lines leave behind. If you know what backward really needs, you can write both
# directions, as in {{backward}}, and hand them over as a `Function`. Below is the ReLU of that
# lesson, with a scale added. `ctx` carries the cache. `backward` returns one gradient for *each*
# argument of `forward` after `ctx`, and `None` for an argument that has none.

# %%
class ScaledRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        on = x > 0
        ctx.save_for_backward(on)
        ctx.scale = scale
        return x * on * scale

    @staticmethod
    def backward(ctx, dy):
        (on,) = ctx.saved_tensors
        return dy * on * ctx.scale, None  # for x, for scale


example = torch.tensor([-2.0, 3.0, 0.5], requires_grad=True)
ScaledRelu.apply(example, 10.0).backward(torch.tensor([1.0, 1.0, -4.0]))
print(example.grad)

# %% [markdown]
# ## Exercise: `DropoutFunction`
#
# Write both directions. What must the backward pass know that only the forward pass has seen?

# %% exercise="DropoutFunction"
class DropoutFunction(torch.autograd.Function):
    """y = m * x / (1 - p), and in the backward pass dx = m * dy / (1 - p).

    Called as `DropoutFunction.apply(x, p, generator)`, in training only.
    x : tensor of any shape and floating dtype, left as it is
    p : probability of dropping. At 1, y is 0.
    generator : torch.Generator, or None for torch's own; the only source of randomness. The
        backward pass leaves it where it stands.
    Saves one byte for each entry of x, at most; can be differentiated twice.
    """

    @staticmethod
    def forward(ctx, x, p, generator):
        check_probability(p)
        ### BEGIN SOLUTION
        kept = torch.rand(x.shape, generator=generator, device=x.device) >= p
        ctx.save_for_backward(kept)
        ctx.slope = 1 / (1 - p) if p < 1 else 0.0
        return x * kept * ctx.slope
        ### END SOLUTION

    @staticmethod
    def backward(ctx, dy):
        ### BEGIN SOLUTION
        (kept,) = ctx.saved_tensors
        return dy * kept * ctx.slope, None, None
        ### END SOLUTION

# %% [markdown] hint="DropoutFunction"
# Which of the three arguments can have a gradient? `backward` returns three things.

# %% [markdown] hint="DropoutFunction"
# Numbers may simply be attributes of `ctx`; tensors go through `ctx.save_for_backward`.

# %% [markdown] hint="DropoutFunction"
# `backward` is differentiated itself, so keep to plain products of tensors there: no `.data`, no
# `.detach()`, no NumPy.

# %% [markdown]
# What does each way keep for backward? **Guess first**: how many bytes for each entry of a
# float32 input does PyTorch's own layer keep on the CPU?

# %% guess=true
my_guess = 1  # bytes per entry that nn.Dropout keeps for backward

# %% figure=true
# The bytes that three layers keep for backward, for each entry of the input.
guess = expect.guess(my_guess)
layers = {"nn.Dropout": nn.Dropout(0.5), "your Dropout": Dropout(0.5),
          "your DropoutFunction": lambda x: DropoutFunction.apply(x, 0.5, None)}
sizes = (1_000, 10_000, 100_000)
kept = [[expect.ask("saved_bytes", layer, torch.ones(n, requires_grad=True)) / n for n in sizes]
        for layer in layers.values()]
fig, (ax,) = plot.figure(1, height=1.9)
plot.bars([row[-1] for row in kept], list(layers), ax,
          colors=[plot.GREY, plot.BLUE, plot.BLUE])
ax.axvline(guess, color=plot.GREY, linestyle="--", zorder=0)
ax.set(xlabel="bytes kept for backward, per float32 entry (dashed: your guess)",
       xlim=(0, 1.2 * max(guess, *[row[-1] for row in kept])),
       title=f"On the CPU, nn.Dropout keeps {kept[0][-1]:.3g} bytes per entry")
says = "Bytes kept for backward, per entry: " + ", ".join(
    f"{name} {row[-1]:.3g}" for name, row in zip(layers, kept, strict=True)) + "."
if kept[2][-1] > 1:
    plot.show(fig, says)
    print("The text below doesn't fit your result yet. Mend DropoutFunction, run this cell again.")
else:
    plot.show(fig, says, claims={"four-bytes-or-one": (kept[0][-1], kept[2][-1]) == (4, 1)})

# %% [markdown]
# A mask of floats, which `nn.Dropout` keeps on the CPU, takes four bytes an entry; of booleans,
# one, also where autograd keeps it. One bit would be enough, or the seed alone
# ({{stateless_masks}}).

# %% check="DropoutFunction" points=1
# Forward: each entry is 0 or x / (1 - p), a fraction p of them is 0, and x is left alone.
x = torch.randn(20_000, generator=expect.generator(), dtype=torch.float64)
before = x.clone()
with expect.case("DropoutFunction.apply(x, 0.3, generator) on 20 000 normal numbers"):
    out = DropoutFunction.apply(x, 0.3, expect.generator())
    expect.tensor(out, 20_000, torch.float64, hint="return a tensor of x's shape and dtype.")
    expect.unchanged(x, before)
    expect.only(out / x, (0, 1 / 0.7), rtol=1e-6, hint="a survivor must be x / (1 - p).",
                suspects=[(1, "the survivors are not scaled. Divide them by 1 - p.")])
    expect.mean(out == 0, 0.3, of=(0, 1), hint="p is the probability that an entry is 0.",
                suspects=[(0.7, "a fraction 1 - p is dropped: p is swapped.")])
x = torch.randn(30, 20, generator=expect.generator(), dtype=torch.float64).t()
with expect.case("DropoutFunction.apply(x, 0.5, generator) on a transposed matrix"):
    out = DropoutFunction.apply(x, 0.5, expect.generator())
    expect.only(out / x, (0, 2), hint="entries changed their places, or lost digits.")

# %% check="DropoutFunction" points=1
# Every entry has a coin of its own, fresh at each call, from the generator or from torch's own.
with expect.case("DropoutFunction.apply(x, p, generator) on 20 × 60 ones, 24 times for each p"):
    expect.coins(lambda p, generator: DropoutFunction.apply(torch.ones(20, 60), p, generator),
                 scale=lambda p: 1 / (1 - p), source=expect.generator, none=True)

# %% check="DropoutFunction" points=2
# Backward: the same mask, the same scale, also where x itself is 0, and twice in one graph.
x = torch.randn(500, generator=expect.generator(), dtype=torch.float64, requires_grad=True)
dy = torch.randn(500, generator=expect.generator(), dtype=torch.float64)
count = [("number of gradients|different than None",
          "backward must return three gradients, one for each argument of forward, in their order: "
          "that of x, None for p, None for generator.")]
with expect.case("out = DropoutFunction.apply(x, 0.4, generator); out.backward(dy); x.grad",
                 crash=count):
    out = DropoutFunction.apply(x, 0.4, expect.generator())
    out.backward(dy.clone())
    kept = out.detach() != 0
    expect.equal("none" if x.grad is None else "there", "there", hint="backward gives x nothing.")
    expect.close(
        x.grad, dy * kept / 0.6, rtol=1e-6, hint="dy times the mask and the scale of forward.",
        suspects=[
            (dy, "mask and scale are missing in backward."),
            (dy / 0.6, "the mask is missing in backward."),
            (dy * kept, "the scale is missing in backward."),
            (dy * kept / 0.36, "the scale enters twice."),
            (dy * kept / 0.4, "divided by p in backward. Divide by 1 - p."),
            (dy * ~kept / 0.6, "the mask is inverted in backward: dropped entries have gradients."),
            (dy * (x.grad != 0) / 0.6, "backward draws a mask of its own. Use that of forward."),
        ],
    )
with expect.case("the same, where every x is 0, as a blank pixel is", crash=count):
    zeros = torch.zeros(2000, dtype=torch.float64, requires_grad=True)
    DropoutFunction.apply(zeros, 0.4, expect.generator()).backward(torch.ones(2000).double())
    expect.mean(zeros.grad != 0, 0.6, of=(0, 1),
                hint="the mask is read off the output, where zeros of x look dropped. Save it."
                if kept.double().mean() > 0.5 else "p is swapped: mend that first.")
with expect.case("two calls in one graph, p = 0.4 and 0.5, then backward", crash=count):
    x.grad = None
    generator = expect.generator()
    first = DropoutFunction.apply(x, 0.4, generator)
    out = DropoutFunction.apply(first, 0.5, generator)
    state = generator.get_state()
    out.backward(dy.clone())
    expect.close(x.grad, dy * (out.detach() != 0) / 0.3, rtol=1e-6,
                 hint="each call needs its own mask and p to go backward: they belong on ctx.")
    moved = bool((generator.get_state() != state).any())
    expect.equal("the generator has moved" if moved else "the generator stands where it stood",
                 "the generator stands where it stood",
                 hint="backward turns the given generator back, or on: coins of later calls are no "
                      "longer fresh. Save the mask, or repeat it with a generator of your own.")

# %% check="DropoutFunction" points=1
# What is kept: at most one byte per entry.
with expect.case("DropoutFunction.apply(x, 0.5, generator).backward(ones); x.grad"):
    x = torch.ones(200, requires_grad=True)
    DropoutFunction.apply(x, 0.5, expect.generator()).backward(torch.ones(200))
    slope = 0 * x if x.grad is None else x.grad
    expect.some((slope == 0).any() and slope != 0, "entries with a gradient, and entries without",
                hint="no mask acts in backward, or x gets no gradient. Mend that first.")
with expect.case("bytes per entry that DropoutFunction.apply(x, 0.5, generator) keeps, float32"):
    x = torch.randn(20_000, generator=expect.generator(), requires_grad=True)
    size = expect.ask("saved_bytes", DropoutFunction.apply, x, 0.5, expect.generator())
    expect.equal(
        max(round(int(size) / 20_000), 1), 1,
        hint="more is kept, by save_for_backward or on ctx, than the mask. Keep the mask only.",
        suspects=[(4, "four bytes per entry: the mask is a float tensor, or x or y is kept. Save "
                      "booleans."),
                  (8, "eight bytes per entry: save booleans, and nothing else.")],
    )

# %% check="DropoutFunction" points=1
# Backward can be differentiated too: against finite differences, the mask frozen by the seed.
x = torch.randn(2, generator=expect.generator(), dtype=torch.float64, requires_grad=True)
with expect.case("torch.autograd.gradgradcheck of DropoutFunction, generator of seed 7",
                 crash=[("number of gradients|different than None",
                         "backward must return three gradients, one for each argument of forward, "
                         "in their order: that of x, None for p, None for generator."),
                        ("GradcheckError|Jacobian|differentiate twice|not require grad|in-?place"
                         "|not have been used|numpy",
                         "backward cannot be differentiated, to the digits of float64. Look for "
                         ".data, .detach(), NumPy, once_differentiable, float32, or a write into "
                         "dy.")]):
    def frozen(x):
        return DropoutFunction.apply(x, 0.5, torch.Generator().manual_seed(7))


    once = torch.autograd.gradcheck(frozen, (x,), raise_exception=False)
    expect.equal("the first derivative is " + ("right" if once else "wrong"),
                 "the first derivative is right",
                 hint="before backward is differentiated, backward itself must be right, and the "
                      "coins must come from the generator alone: mend that first.")
    expect.equal(torch.autograd.gradgradcheck(frozen, (x,)), True,
                 hint="the second derivative is not that of forward.")

# %% check="DropoutFunction" points=1
# Low precision: the dtype stays, and near p = 0 and p = 1 the rate is right.
for dtype in (torch.bfloat16, torch.float16):
    for p in (0.001, 0.999):
        with expect.case(f"DropoutFunction.apply(x, {p}, generator) on a million ones, {dtype}"):
            x = torch.ones(1_000_000, dtype=dtype)
            out = DropoutFunction.apply(x, p, expect.generator())
            expect.tensor(out, 1_000_000, dtype, hint="the result has another dtype than x.")
            expect.mean(out == 0, p, of=(0, 1),
                        hint="coins of this dtype are too coarse for this p. Draw float32.",
                        suspects=[(1 - p, "a fraction 1 - p is dropped: p is swapped.")])

# %% check="DropoutFunction" points=1
# At p = 1 output and gradient are 0, not 0 / 0.
count = [("number of gradients|different than None", "backward must return three gradients, "
          "one for each argument of forward, in their order: that of x, None for p, None for "
          "generator.")]
with expect.case("out = DropoutFunction.apply(x, 1.0, None); out.sum().backward(); x.grad",
                 crash=count):
    x = torch.ones(9, requires_grad=True)
    out = DropoutFunction.apply(x, 1.0, None)
    out.sum().backward()
    expect.close(torch.stack([out.detach(), x.grad]), torch.zeros(2, 9),
                 hint="at p = 1 everything is dropped, in both directions.")

# %% mistakes="DropoutFunction"
{
    "not scaled": ("1 / (1 - p) if p < 1 else 0.0", "1.0"),
    "p is swapped": (">= p", "< p"),
    "writes into its input": ("x * kept", "x.mul_(kept)"),
    "every row has the same mask": ("x.shape,", "x.shape[-1:],"),
    "do not come from the given generator": ("generator=generator, ", ""),
    "a seed is set inside": ("kept = ", "generator = generator or torch.manual_seed(0)\n"
                                        "        kept = "),
    "must return three gradients": (", None, None", ""),
    "in their order": ("return dy * kept * ctx.slope, None, None",
                       "return None, None, dy * kept * ctx.slope"),
    "divided by p in backward": ("return dy * kept * ctx.slope",
                                 "return dy * kept / (1 - 1 / ctx.slope)"),
    "the mask is inverted": ("return dy * kept", "return dy * ~kept"),
    "mask and scale are missing": ("dy * kept * ctx.slope", "dy"),
    "the mask is missing in backward": ("dy * kept", "dy"),
    "the scale is missing in backward": ("kept * ctx.slope, None", "kept, None"),
    "the scale enters twice": ("ctx.slope, None", "ctx.slope**2, None"),
    "a mask of its own": ("(kept,) = ctx.saved_tensors",
                          "kept = torch.rand_like(dy) * ctx.slope < 1"),
    "read off the output": ("backward(kept)", "backward(x * kept != 0)"),
    "they belong on ctx": ("ctx.slope = 1", "type(ctx).slope = 1"),
    "four bytes per entry": ("backward(kept)", "backward(kept.to(x.dtype))"),
    "eight bytes per entry": ("backward(kept)", "backward(kept.double())"),
    "more is kept": ("ctx.slope = 1", "ctx.x = x\n        ctx.slope = 1"),
    "cannot be differentiated": ("dy * kept", "dy.detach() * kept"),
    "a write into dy": ("return dy * kept", "dy[~kept] = 0\n        return dy"),
    "another dtype": ("return x * kept", "return x * kept.float()"),
    "too coarse for this p": ("device=x.device", "device=x.device, dtype=x.dtype"),
    "in both directions": ("1 / (1 - p) if p < 1 else 0.0", "float(1 / torch.tensor(1.0 - p))"),
}

# %% mistake="DropoutFunction" says="backward turns the given generator back"
class DropoutFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p, generator):
        ctx.source, ctx.p = generator or torch.default_generator, p
        ctx.state = ctx.source.get_state()
        return DropoutFunction.drop(ctx, x)

    @staticmethod
    def drop(ctx, x):
        kept = torch.rand(x.shape, generator=ctx.source, device=x.device) >= ctx.p
        return x * kept / (1 - ctx.p) if ctx.p < 1 else x * 0

    @staticmethod
    def backward(ctx, dy):
        ctx.source.set_state(ctx.state)
        return DropoutFunction.drop(ctx, dy), None, None

# %% correct="DropoutFunction"
class DropoutFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p, generator=None):
        ctx.dropped = torch.empty(x.shape, dtype=torch.bool).bernoulli_(p, generator=generator)
        ctx.keep = torch.tensor(1 - p or 1.0)
        return (x / ctx.keep).masked_fill(ctx.dropped, 0)

    @staticmethod
    def backward(ctx, dy):
        return (dy / ctx.keep).masked_fill(ctx.dropped, 0), None, None

# %% [markdown]
# A shortcut that many try is to read the mask off the output. On raw pixels, which can be 0 by
# themselves, that loses gradients. Behind a ReLU it loses none, as the ReLU's own gate stops them:

# %%
def lost(x, gate):
    """The share of gradients that reading the mask off the output loses, in percent."""
    kept = torch.rand(x.shape) >= 0.5
    read_off = x * kept != 0
    return 100 * ((kept & gate) != (read_off & gate)).double().sum() / (kept & gate).sum()


hidden = nn.Linear(64, 128)(X).detach()
print(f"raw pixels:     {lost(X, torch.ones_like(X) > 0):.0f} % of the gradients are lost")
print(f"behind a ReLU:  {lost(hidden.relu(), hidden > 0):.0f} %")

# %% [markdown]
# `nn.Dropout(0.5, inplace=True)` saves memory elsewhere: it writes its output over its input. That
# is safe only while nobody needs the input again. In a residual block, which adds its input to what
# its layers make of it (the *skip connection*), somebody does:

# %%
with torch.no_grad():
    for inplace in (False, True):
        h = torch.ones(8)
        print(f"inplace={inplace}:", h + nn.Dropout(0.5, inplace=inplace)(h))

# %% [markdown]
# With `inplace=True`, $h$ is overwritten before the sum is taken: the skip connection is dropped
# too.
#
# ## Where dropout goes in a network
#
# Srivastava et al. (2014) drop at the input and after each hidden layer, with a smaller rate at
# the input. They never drop after the output layer: a dropped logit is a class whose score is set
# to 0 by chance, right or wrong.
#
# ## Exercise: `mlp`

# %% exercise="mlp"
def mlp(sizes, p_input=0.2, p_hidden=0.5):
    """A ReLU network with dropout on its input and after each hidden layer, as a module.

    sizes : features, hidden units, …, classes: at least two whole numbers; one linear layer,
        with bias, from each size to the next
    p_input, p_hidden : probabilities of dropping
    The output is the last linear layer's: logits, with no ReLU and no dropout after them.
    What the network is given, it leaves as it is.
    """
    ### BEGIN SOLUTION
    layers = [Dropout(p_input)]
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), Dropout(p_hidden)]
    return nn.Sequential(*layers[:-2])
    ### END SOLUTION

# %% [markdown] hint="mlp"
# For `[64, 128, 10]` five modules follow one another. Write them down first.

# %% [markdown] hint="mlp"
# `nn.Sequential(*layers)` makes a network of a list. Each turn of a loop over neighbouring sizes
# appends three modules; which turn is the exception?

# %% [markdown] hint="mlp"
# What would your loop append after the last linear layer, and how do you leave that out?

# %%
print(mlp([64, 128, 10]))

# %% check="mlp" points=1
# In evaluation: linear layers with ReLU between them, and nothing after the last.
with expect.case("mlp([6, 5, 4, 3]).eval()(X) against its own weights",
                 crash=[("back: NoneType", "mlp returns nothing. Is there a `return`?")]):
    for sizes, wanted in (([6, 3], "[(3, 6), (3,)]"),
                          ([6, 5, 4, 3], "[(5, 6), (5,), (4, 5), (4,), (3, 4), (3,)]")):
        given = sizes.copy()
        net = mlp(given)
        expect.equal(str(given), str(sizes),
                     hint="`sizes` changes when mlp is called. Work on a copy, or take slices.")
        shapes = [tuple(w.shape) for w in net.parameters()]
        none = "a plain list hides its layers. Use nn.Sequential or nn.ModuleList."
        if not shapes and net(torch.ones(1, 6)).shape != (1, 3):
            none = "the last nn.Linear is missing."
        expect.equal(str(shapes), wanted,
                     hint=f"one nn.Linear, with bias, from each size to the next: sizes = {sizes}.",
                     suspects=[("[]", f"the network has no weights: {none}")])
    expect.equal("training" if net.training else "evaluation", "training",
                 hint="a new network is in training mode: leave eval() to whoever measures.")
    net.eval()
    generator = expect.generator()
    with torch.no_grad():
        for w in net.parameters():
            w.copy_(torch.randn(w.shape, generator=generator))
        w[0] = -30  # of the last bias: whatever is drawn, a logit is negative
    x = torch.randn(50, 6, generator=generator)
    (a, b), (c, d), (e, f) = [[w.detach() for w in net.parameters()][i : i + 2] for i in (0, 2, 4)]
    logits = F.linear(F.linear(F.linear(x, a, b).relu(), c, d).relu(), e, f)
    linear = F.linear(F.linear(F.linear(x, a, b), c, d), e, f)
    found, again = (net(x.clone()).detach() for _ in "ab")
    expect.equal("the same" if bool((found == again).all()) else "two answers", "the same",
                 hint="it drops in evaluation. F.dropout does, unless told `training=False`; and "
                      "eval() cannot find a layer that is made in forward or kept in a plain list.")
    expect.close(
        found, logits, rtol=1e-4, atol=1e-5,
        hint="in evaluation: linear layers, one ReLU between any two neighbours, and nothing else.",
        suspects=[(logits.relu(), "a ReLU stands after the output layer: logits may be negative."),
                  (linear, "there is no ReLU between the layers."),
                  (logits.softmax(1), "the network ends with a softmax. Return logits."),
                  (logits.log_softmax(1), "the network ends with a softmax. Return logits.")],
    )

# %% check="mlp" points=2
# Where it drops, and how much: seen through weights that pass everything on.
for p_input, p_hidden in ((0.5, 0.0), (0.0, 0.5)):
    with expect.case(f"net = mlp([400, 400, 400], {p_input}, {p_hidden}); net(X) twice"):
        net = passing_on(mlp([400, 400, 400], p_input, p_hidden))
        with torch.no_grad():
            out, again = net(given := torch.ones(20, 400)), net(torch.ones(20, 400))
        expect.unchanged(given, torch.ones(20, 400),
                         hint="the network writes into X: no inplace=True at the input.")
        if 0 < int((out <= -0.5).sum()) < out.numel():
            expect.varies([out, again], chance=0.5**8000, what="two different masks",
                          hint="the network keeps its masks. Draw new ones in each call.")
            expect.varies(out, chance=0.5**7600, what="rows with masks of their own",
                          hint="every row has the same mask. Draw a coin for each row and unit.")
            expect.varies(out.t(), chance=0.5**7980, what="units with coins of their own",
                          hint="every unit has the same mask. Draw a coin for each row and unit.")
for rates in (
    {"p_input": 0.1, "p_hidden": 0.35},
    {},
    {"p_input": 0.3, "p_hidden": 0.0},
    {"p_input": 0.0, "p_hidden": 0.4},
    {"p_hidden": 0.0},
    {"p_input": 0.0},
):
    said = "".join(f", {name}={rate}" for name, rate in rates.items())
    with expect.case(f"mlp([400, 400, 400, 400]{said}) with unit matrices as weights"):
        net = passing_on(mlp([400, 400, 400, 400], **rates))
        with torch.no_grad():
            out = net(torch.ones(80, 400))
        expect.equal(f"{(out == 0).sum()} logits exactly 0", "0 logits exactly 0",
                     hint="dropout, or a ReLU, stands after the output.")
        expect.equal(max(len(torch.unique(out.round(decimals=3))), 2), 2,
                     hint="units send more than two different values. A dropped one sends 0, and "
                          "all survivors have one scale.")
        a, b = 1 - rates.get("p_input", 0.2), 1 - rates.get("p_hidden", 0.5)
        known = [
            (1, "nothing is dropped."),
            (b**2, "the input is not dropped."),
            (a * b, "only one of two hidden layers is followed by dropout, or both share a mask."),
            (a, "only the input is dropped."),
            (a**3, "the hidden layers drop with p_input."),
            (b**3, "the input drops with p_hidden."),
            ((1 - a) * (1 - b) ** 2, "the rates are used as keep probabilities."),
            (b * a**2, "the two rates are swapped."),
            (a * b**4, "hidden units are dropped twice."),
            (a / 4, "p_hidden is 0.5, whatever is given."),
            (0.8 * b**2, "p_input is 0.2, whatever is given."),
        ]
        if not rates:
            known = [(b**3, "p_input is 0.5 if not given. It must be 0.2.")]
        expect.mean(
            out > -0.5, a * b**2, of=(0, 1),
            hint="one dropout on the input with p_input (0.2 if not given), one after each hidden "
                 "layer with p_hidden (0.5 if not given), and coins of its own for each.",
            suspects=[(share, words) for share, words in known if abs(share - a * b**2) > 0.01],
        )
for layer, kept in ((0, 0.36), (1, 0.6)):
    with expect.case(f"mlp([400, 400, 400, 400], 0.3, 0.4), linear layer {layer} takes means"):
        with torch.no_grad():
            out = passing_on(mlp([400, 400, 400, 400], 0.3, 0.4), layer)(torch.ones(20, 400))
        expect.mean(out > -0.5, kept, of=(0, 1),
                    hint="dropout does not stand on the input and after each hidden layer.")

# %% check="mlp" points=1
# Each unit of each row has a coin of its own, fresh at each call, and survivors are scaled.
ones = torch.ones(20, 60)
for what, sizes in (("input", [60, 60]), ("hidden", [60, 60, 60])):
    said = f"mlp({sizes}, p_{what}=p), the other rate 0, on 20 rows of 60 ones"
    with expect.case(f"{said}, 24 times for each of four p"):
        @cache
        def net(p, sizes=sizes, what=what):
            return passing_on(mlp(sizes, **{"p_input": 0.0, "p_hidden": 0.0, f"p_{what}": p}))

        def draw(p, _, net=net):
            out = net(p)(ones).detach()
            expect.equal(f"{(out == 0).sum()} logits exactly 0", "0 logits exactly 0",
                         hint="the logits pass a ReLU or dropout, which hides what is dropped "
                              "before: mend that first.")
            return out + 0.5

        sent = "some 0" if bool((draw(0.5, None) == 0).any()) else "no 0"
        expect.equal(sent, "some 0", hint=f"p_{what} alone drops nothing. Where is it used?")
        expect.coins(draw, scale=lambda p: 1 / (1 - p), source=lambda: None, axes=("row", "unit"))

# %% mistakes="mlp"
{
    "Is there a `return`": ("return nn", "nn"),
    "from each size to the next": ("pairwise(sizes)", "pairwise([*sizes[:2], sizes[-1]])"),
    "a ReLU stands after the output layer": ("layers[:-2]", "layers[:-1]"),
    "sizes = [6, 3]": ("    return", "    if len(sizes) == 2:\n        layers += [nn.Linear("
                       "sizes[1], sizes[1]), 0, 0]\n    return"),
    "the last nn.Linear is missing": ("layers[:-2]", "layers[:-3]"),
    "`sizes` changes": ("pairwise(sizes)", "pairwise([sizes.pop(0), *sizes])"),
    "a plain list hides its layers": ("return nn.Sequential(*layers[:-2])", """net = nn.Identity()
    net.forward = lambda x, stack=nn.Sequential(*layers[:-2]): stack(x)
    return net"""),
    "leave eval() to whoever": ("*layers[:-2])", "*layers[:-2]).eval()"),
    "made in forward or kept": ("    return nn.Sequential(*layers[:-2])", """
    net = nn.ModuleList(layer for layer in layers[:-2] if isinstance(layer, nn.Linear))
    net.forward = lambda x: nn.Sequential(*layers[:-2])(x)
    return net"""),
    "and nothing else": ("nn.ReLU()", "nn.LeakyReLU()"),
    "every row has the same mask": ("    return", '''    for layer in layers:
        if isinstance(layer, Dropout):
            layer.forward = lambda x, layer=layer: x * Dropout.forward(
                layer, torch.ones(x.shape[-1]))
    return'''),
    "every unit has the same mask": ("[Dropout(p_input)]", "[nn.Dropout1d(p_input)]"),
    "no ReLU between": ("nn.ReLU()", "nn.Identity()"),
    "ends with a softmax": ("*layers[:-2]", "*layers[:-2], nn.Softmax(1)"),
    "dropout, or a ReLU, stands": ("*layers[:-2]", "*layers[:-2], Dropout(p_hidden)"),
    "nothing is dropped": ("layers = [", "p_input = p_hidden = 0\n    layers = ["),
    "the input is not dropped": ("Dropout(p_input)", ""),
    "does not stand on the input and after": ("    return", "    if len(layers) > 6:\n        "
                                               "layers.insert(1, layers.pop(6))\n    return"),
    "only one of two hidden layers": ("    return", "    layers[3] = nn.Identity()\n    return"),
    "only the input is dropped": ("nn.ReLU(), Dropout(p_hidden)", "nn.ReLU(), nn.Identity()"),
    "the hidden layers drop with p_input": ("Dropout(p_hidden)", "Dropout(p_input)"),
    "the input drops with p_hidden": ("Dropout(p_input)", "Dropout(p_hidden)"),
    "used as keep probabilities": ("layers = [",
                                   "p_input, p_hidden = 1 - p_input, 1 - p_hidden\n    layers = ["),
    "0.2 if not given": ("p_input=0.2", "p_input=0.25"),
    "p_input is 0.5 if not given": ("p_input=0.2", "p_input=0.5"),
    "the two rates are swapped": ("layers = [",
                                  "p_input, p_hidden = p_hidden, p_input\n    layers = ["),
    "p_hidden is 0.5, whatever": ("Dropout(p_hidden)", "Dropout()"),
    "p_input is 0.2, whatever": ("Dropout(p_input)", "Dropout(0.2)"),
    "hidden units are dropped twice": ("Dropout(p_hidden)",
                                       "nn.Sequential(Dropout(p_hidden), Dropout(p_hidden))"),
    "it drops in evaluation": ("    return", "    layers[0].forward = lambda x: F.dropout(x, "
                                             "p_input)\n    return"),
    "no inplace=True": ("Dropout(p_input)", "nn.Dropout(p_input, inplace=True)"),
    "0.5 if not given": ("p_hidden=0.5", "p_hidden=0.25"),
    "the network keeps its masks": ("[Dropout(p_input)]", """[nn.Identity()]
    mask = Dropout(p_input)(torch.ones(sizes[0]))
    layers[0].forward = lambda x: x * mask if layers[0].training else x"""),
    "A dropped one sends 0": ("Dropout(p_hidden)", "nn.AlphaDropout(p_hidden)"),
}

# %% correct="mlp"
class Network(nn.Module):
    def __init__(self, sizes, p_input, p_hidden):
        super().__init__()
        self.drop_input, self.drop_hidden = nn.Dropout(p_input), nn.Dropout(p_hidden)
        self.linear = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))

    def forward(self, x):
        x = self.drop_input(x)
        for layer in self.linear[:-1]:
            x = self.drop_hidden(layer(x)).relu()
        return self.linear[-1](x)


def mlp(sizes, p_input=0.2, p_hidden=0.5):
    return Network(list(sizes), p_input, p_hidden)

# %% [markdown]
# "Drop 20 % of the input" is advice that many tutorials give. It comes from Srivastava et al.
# (2014): keeping 0.8 is "a typical value" for "real-valued inputs (image patches or speech frames)"
# (appendix A.4). The input here has 64 pixels. Four rates are tried: 0, 0.1,
# 0.2 and 0.5, on 1000 of the training digits and measured on the others. **Which will have the
# lowest error?**

# %% guess=true
my_guess = 0.2  # the best p_input for 64 pixels

# %% figure=true
# Error rate on held-out digits against the drop rate of the input, five runs each.
guess = expect.guess(my_guess)
input_rates, errors = (0.0, 0.1, 0.2, 0.5), []
for p in input_rates:
    for seed in range(5):  # run k begins with the same weights for every rate
        torch.manual_seed(seed)
        net = mlp([64, 128, 10], p_input=p)
        fit(net, X[:1000], y[:1000])
        errors.append(error_rate(net.eval(), X[1000:], y[1000:]))
errors = torch.tensor(errors).reshape(4, 5).numpy()

fig, (ax,) = plot.figure(1, width=6, height=2.6)
ax.errorbar(input_rates, errors.mean(1), plot.standard_error(errors, 1), marker="o", capsize=3)
ax.axvline(guess, color=plot.GREY, linestyle="--", zorder=0)
ax.set(xlabel="p_input (dashed: your guess)", ylabel="held-out error, %\n(5 runs ± s.e.)",
       ylim=(0, None), xticks=input_rates)
gaps = [plot.difference(runs, errors[0]) for runs in errors[1:]]
told = ", ".join(f"{gap:.1f} at {p}" for gap, p in zip(gaps, input_rates[1:], strict=True))
verdict = gaps[1].says(more="raises the error", less="lowers the error",
                       same="makes no clear difference")
ax.set_title(f"Lowest mean at {input_rates[errors.mean(1).argmin()]} (you said {guess}).\n"
             f"Against 0, 0.2 {verdict}: {gaps[1]:.1f} points")
plot.show(fig, "Error rate on held-out digits against the input's drop rate; points more than at "
               f"0: {told}. Against 0, 0.2 {verdict}.")

# %% [markdown]
# The paper had larger images (MNIST: 784 pixels) and far more of them, wider networks and longer
# training. This figure can't tell which of these matters.
#
# ## One coin for many: three frameworks
#
# | | PyTorch | Keras 3 | Flax NNX |
# | --- | --- | --- | --- |
# | who says "training" | a flag | the call (`fit` does it for you) | a flag, or the call |
# | … namely | `train()`, `eval()` | `training=True` | `train()`, `eval()`, or `deterministic=…` |
# | where coins come from | one generator | a `seed` for each layer | keys, given as `rngs` |
# | one coin for many | `Dropout1d`, `2d`, `3d`: channels | `noise_shape` | `broadcast_dims` |
#
# In JAX, on which Flax is built, random numbers come from a *key* that you pass: the same key, the
# same numbers. That invites a mistake of its own: using one key twice. In PyTorch you can make it
# with generators, one for each of two layers:

# %%
ones = torch.ones(10_000)
for seeds in ((7, 8), (7, 7)):
    a, b = (Dropout(0.5, torch.Generator().manual_seed(seed))(ones) for seed in seeds)
    print(f"seeds {seeds}: two layers agree on {100 * (a == b).double().mean():.0f} % of the units")

# %% [markdown]
# Keras's `noise_shape` is the shape of the *coins*. For $x$ of shape (batch, time, features),
# `noise_shape=(batch, 1, features)` draws one coin for each feature of each sequence and uses it
# at every time step. {{sequences}} will want just that.
#
# ## Exercise: `noise_shape_dropout`

# %% exercise="noise_shape_dropout"
def noise_shape_dropout(x, p, noise_shape):
    """Inverted dropout in training, with coins of a shape that is broadcast along x.

    x : tensor of any shape and floating dtype, left as it is
    p : probability of dropping, below 1
    noise_shape : None for a coin for each entry of x; else a tuple with one number for each axis
        of x: its length, or 1 where all entries along that axis share a coin
    Returns a tensor of x's shape and dtype. Coins come from torch's own generator.
    """
    check_probability(p)
    ### BEGIN SOLUTION
    shape = x.shape if noise_shape is None else noise_shape
    return x * F.dropout(x.new_ones(shape), p)
    ### END SOLUTION

# %% [markdown] hint="noise_shape_dropout"
# A factor for each entry of `x`: 0, or $1/(1-p)$. Which shape must it have so that a product with
# `x` repeats it along an axis?

# %% [markdown] hint="noise_shape_dropout"
# Tensors broadcast as NumPy arrays do: an axis of length 1 is stretched. Nothing has to be
# repeated by hand.

# %% [markdown] hint="noise_shape_dropout"
# You have a layer that makes such factors, of any shape, out of ones.

# %% [markdown]
# Four sequences of 6 features at 10 time steps, each way of sharing once:

# %%
fig, axes = plot.figure(3, height=2.3)
for ax, noise_shape in zip(axes, (None, (4, 1, 6), (4, 10, 1)), strict=True):
    sent = noise_shape_dropout(torch.ones(4, 10, 6), 0.4, noise_shape)
    plot.mask(sent.mT.flatten(0, 1).numpy(), ax)
    ax.set(title=f"noise_shape = {noise_shape}", xlabel="time step", aspect="auto")
axes[0].set_ylabel("4 sequences × 6 features")
plot.show(fig, "Your mask of four sequences with a coin for each entry, with one for all time "
               "steps, and with one for all features.")

# %% check="noise_shape_dropout" points=2
# None, or x's own shape: a coin for each entry.
ones = torch.ones(20, 60)
for noise_shape in (None, (20, 60)):
    with expect.case(f"noise_shape_dropout(x, p, {noise_shape}) on 20 × 60 ones, 24 times for "
                     "each of four p", crash=[
        ("NoneType", "`noise_shape` may be None: then each entry has a coin of its own."),
    ] if noise_shape is None else []):
        expect.coins(lambda p, _, noise_shape=noise_shape: noise_shape_dropout(
            ones.clone(), p, noise_shape), scale=lambda p: 1 / (1 - p), source=lambda: None)

# %% check="noise_shape_dropout" points=2
# A 1 shares one coin along its axis, and along no other.
for shape, noise_shape in (
    ((20, 7, 10), (20, 1, 10)),
    ((5, 300), (1, 300)),
    ((250, 3, 4), (250, 1, 1)),
):
    with expect.case(f"noise_shape_dropout(x, p, {noise_shape}) on ones of shape {shape}, 24 times "
                     "for each of four p"):
        def draw(p, _, shape=shape, noise_shape=noise_shape):
            return noise_shape_dropout(torch.ones(shape), p, noise_shape)

        expect.coins(draw, shared=[k for k, n in enumerate(noise_shape) if n == 1],
                     scale=lambda p: 1 / (1 - p), source=lambda: None,
                     axes=("row", "time step", "feature")[:len(shape)])

# %% check="noise_shape_dropout" points=1
# Each entry is 0 or x / (1 - p), the dtype stays, x is left alone, and gradients pass.
for dtype in (torch.float64, torch.float32, torch.bfloat16):
    x = torch.randn(4, 50, 6, generator=expect.generator(), dtype=torch.float64).to(dtype)
    before = x.clone()
    with expect.case(f"noise_shape_dropout(x, 0.5, (4, 1, 6)) on normal numbers, {dtype}"):
        out = noise_shape_dropout(x, 0.5, (4, 1, 6))
        expect.tensor(out, (4, 50, 6), dtype, hint="return a tensor of x's shape and dtype.")
        expect.unchanged(x, before)
        expect.only(out.double() / before.double(), (0, 2), hint="at p = 0.5 a survivor is 2 x.")
with expect.case("noise_shape_dropout(x, 0.5, None), and x afterwards", crash=[
    ("NoneType", "`noise_shape` may be None: then each entry has a coin of its own."),
]):
    noise_shape_dropout(x, 0.5, None)
    expect.unchanged(x, before)
    expect.close(noise_shape_dropout(x, 0.0, None), before, hint="at p = 0 nothing is dropped.")
with expect.case("noise_shape_dropout(x, 0.5, (400, 1)) on ones, the first column of x set to 0"):
    x = torch.ones(400, 3)
    x[:, 0] = 0
    out = noise_shape_dropout(x, 0.5, (400, 1))
    expect.only(out, (0, 2), hint="where x is 0, others that share its coin are spoilt: make the "
                                  "coins without x.")
    expect.mean(out[:, 1] == 0, 0.5, of=(0, 1),
                hint="where x is 0, others that share its coin count as dropped: make the coins "
                     "without x.")
with expect.case("noise_shape_dropout(x, 0.5, None) under torch.no_grad()"):
    out = expect.ask("without_gradients", noise_shape_dropout, torch.ones(100), 0.5, None)
    expect.varies(out, chance=0.5**99, what="some entries dropped",
                  hint="nothing is dropped while no gradients are recorded. That is another "
                       "matter: this function always drops.")
with expect.case("out = noise_shape_dropout(x, 0.5, None); out.sum().backward(); x.grad",
                 crash=[("does not require grad", "the output has lost its history: .data, "
                                                  ".detach() or no_grad().")]):
    x = torch.randn(50, generator=expect.generator(), requires_grad=True)
    out = noise_shape_dropout(x, 0.5, None)
    out.sum().backward()
    expect.close(x.grad, 2.0 * (out.detach() != 0), rtol=1e-6,
                 hint="the gradient is the mask and the scale.")

# %% check="noise_shape_dropout" points=1
# The rate is right in low precision too, where p is near to 0 or 1.
for dtype in (torch.bfloat16, torch.float16):
    for p in (0.001, 0.999):
        with expect.case(f"noise_shape_dropout(x, {p}, None) on a million ones, {dtype}", crash=[
            ("NoneType", "`noise_shape` may be None: then each entry has a coin of its own."),
        ]):
            out = noise_shape_dropout(torch.ones(1_000_000, dtype=dtype), p, None)
            expect.mean(out == 0, p, of=(0, 1),
                        hint="coins of this dtype are too coarse for this p. Draw float32.",
                        suspects=[(1 - p, "p is taken for the probability of keeping throughout: "
                                          "p drops, and 1 - p keeps.")])

# %% mistakes="noise_shape_dropout"
{
    "each time step has a coin of its own": ("x.shape if noise_shape is None else noise_shape",
                                             "x.shape"),
    "`noise_shape` may be None": ("if noise_shape is None", "if noise_shape == ()"),
    "not scaled": ("F.dropout(x.new_ones(shape), p)", "(torch.rand(shape) >= p)"),
    "taken for the probability of keeping": ("new_ones(shape), p)", "new_ones(shape), 1 - p)"),
    "everything is dropped": ("new_ones", "new_zeros"),
    "x's shape and dtype": ("x.new_ones(shape)", "torch.ones(shape, dtype=torch.float64)"),
    "has lost its history": ("x * F", "x.detach() * F"),
    "writes into its input": ("x * F.dropout(x.new_ones(shape), p)",
                              "x.mul_(F.dropout(x.new_ones(shape), p))"),
    "share its coin count as dropped": ("return x * F.dropout(x.new_ones(shape), p)",
        "sent = F.dropout(x[tuple(map(slice, shape))], p)\n    return x * (sent != 0) / (1 - p)"),
    "share its coin are spoilt": ("return x * F.dropout(x.new_ones(shape), p)",
        "some = x[tuple(map(slice, shape))]\n    return x * (F.dropout(some, p) / some)"),
    "this function always drops": ("(shape), p)", "(shape), p, torch.is_grad_enabled())"),
    "too coarse for this p": ("x * F.dropout(x.new_ones(shape), p)",
                              "x * (torch.rand(shape, dtype=x.dtype) >= p) / (1 - p)"),
    "of this dtype are too coarse": ("x * F.dropout(x.new_ones(shape), p)",
                                     "x * (torch.rand(shape).to(x.dtype) >= p) / (1 - p)"),
}

# %% correct="noise_shape_dropout"
def noise_shape_dropout(x, p, noise_shape):
    dropped = torch.rand(noise_shape or x.shape) < p
    return x.masked_fill(dropped.expand_as(x), 0) / (1 - p)

# %% [markdown]
# Where Keras is installed, the next cell compares them. (When we ran it, they agreed; a Keras layer
# that was told no mode dropped nothing.)

# %%
if importlib.util.find_spec("keras") is None:
    print("Keras is not installed here, so there is nothing to compare with.")
else:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = importlib.import_module("keras")
    layer, ones = keras.layers.Dropout(0.5, noise_shape=(200, 1, 50)), torch.ones(200, 5, 50)
    theirs = torch.tensor(keras.ops.convert_to_numpy(layer(ones, training=True)))
    for name, out in (("Keras", theirs), ("yours", noise_shape_dropout(ones, 0.5, (200, 1, 50)))):
        shared = bool((out == out[:, :1]).all())
        print(f"{name}: {100 * (out == 0).double().mean():.0f} % dropped, shared in time: {shared}")
    untold = torch.tensor(keras.ops.convert_to_numpy(layer(ones)))
    print("A Keras layer that is not told whether it trains drops:", bool((untold == 0).any()))

# %% [markdown]
# ## Explore: the same image, many times
#
# Your `mlp` is trained on the digits at $p = 0.5$ when the cell runs; the slider changes $p$ only
# afterwards. One image goes through it forty times in either mode. The bars are one run's
# probabilities; each run gives a dot for each of the ten classes, and a dash is their mean.
#
# **Try**: press *Ask again* a few times. At $p=0$, are the two pictures the same? Is evaluation's
# probability the *mean* of the runs in training? Press images until you find one that evaluation
# gets right and single runs get wrong.

# %%
explore.same_input(mlp)

# %% [markdown]
# ## Three questions
#
# Put one of the strings in place of each `...`.

# %% question="eval_answer" points=1
# network.eval() calls, of every submodule:
#
# - [x] train(False)
# - [ ] eval()
# - [ ] requires_grad_(False)
#
# Hint: run the cell with `Listening` once more.

# %% question="shape_answer" points=1
# x is (batch, time, features). A word is dropped whole, with all its features, by the noise_shape:
#
# - [ ] (batch, 1, features)
# - [x] (batch, time, 1)
# - [ ] (1, time, features)
#
# Hint: along which axis do all entries share a coin?

# %% question="inplace_answer" points=1
# h + nn.Dropout(0.5, inplace=True)(h) is, where a unit is dropped:
#
# - [x] 0
# - [ ] h
# - [ ] 2 h
#
# Hint: what does h hold when the sum is taken?

# %% [markdown]
# ## In your own words
#
# In one design a layer checks a flag that somebody set earlier; in the other, every call says
# whether it trains. Take a side, in two to five sentences. Name one mistake that your design rules
# out and one that it invites, and say how you would test for the second. (In a class, your
# instructor grades this.)

# %% [markdown] answer="two_designs" points=2
# ### BEGIN SOLUTION
# *Marking guide.* One point for a mistake that the design rules out and one that it invites. A flag
# need not be handed through every layer, so none can forget to; but it stays as somebody left it
# (train() forgotten after a test, eval() before one). An argument cannot be left over from an
# earlier call; but each layer must hand it on, and one that does not gets the default without a
# word. One point for a test that would notice the second: the same input twice, equal in evaluation
# and different in training; with a flag, after each place that sets it; with an argument, for the
# whole network and for every layer alone.
# ### END SOLUTION

# %% [markdown]
# ## What we found
#
# - `nn.Dropout` holds a number and checks a flag. `eval()` is `train(False)`, which goes from each
#   module to its submodules; switching gradients off is another matter.
#   {{claim:gradients-are-another-matter}}
# - On the CPU, PyTorch's own layer keeps four bytes an entry for backward; a mask of booleans takes
#   one.{{claim:four-bytes-or-one}} In place, the layer overwrites what a skip connection still
#   needs.
# - Coins drawn in bfloat16 drop too often at a small $p$.
# - Dropout goes after hidden layers, and perhaps on the input: measure on your own data whether it
#   helps there.
# - One coin for many is a mask with an axis of length 1. The same key twice is the same mask twice.
#
# **Read.** Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, *Dropout: a simple way to
# prevent neural networks from overfitting*, JMLR 15 (2014), appendix A.4 on the choice of the
# rates. The documentation of `torch.nn.Module.train`, *Extending PyTorch* on `autograd.Function`,
# `keras.layers.Dropout`, and Flax's guide to randomness.
#
# **Stretch.** Let `DropoutFunction` keep one *bit* an entry: pack eight booleans into a byte, and
# unpack them in `backward`. What does it cost in time?
#
# **Still open.** The layer is right. Is the *network* that uses it? That is {{debugging}}.
