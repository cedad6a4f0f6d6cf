"""The finder of dropout bugs, on networks that no lesson shows."""

from __future__ import annotations

import copy
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize

import blocks as b
from dropoutlab import bugs
from dropoutlab.bugs import CERTAIN, EVALUATION, OUTPUT, UNEQUAL, find_dropout_bugs

ROWS = (torch.randn(20, 6, generator=torch.Generator().manual_seed(0)),)
IMAGES = (torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)),)
GREY = (torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)),)
TOKENS = (torch.rand(3, 5, 8, generator=torch.Generator().manual_seed(0)),)
WORDS = (torch.tensor([[1, 5, 9, 2, 7, 3], [4, 4, 8, 6, 0, 0], [10, 1, 0, 0, 0, 0]]),)
LENGTHS = WORDS[0] == 0


class Symmetric(nn.Module):
    """A parametrization."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.triu() + weight.triu(1).transpose(-1, -2)


def chain(*layers: nn.Module) -> nn.Sequential:
    """Hidden layers, and what follows."""
    return nn.Sequential(nn.Dropout(0.2), nn.Linear(6, 6), nn.ReLU(), *layers)


def hooked() -> nn.Module:
    """Its last layer's weights are made by a hook, and its output is changed by another."""
    last = nn.Linear(6, 3)
    weight = last.weight
    del last._parameters["weight"]
    last.source = weight
    last.register_forward_pre_hook(lambda m, _: setattr(m, "weight", m.source * 1.0))
    last.register_forward_hook(lambda m, given, made: made / 2)
    return chain(nn.Dropout(0.5), last)


def old_norm(norm: Callable) -> nn.Module:
    with pytest.warns(FutureWarning):
        return norm(nn.Linear(6, 3))


def compiled(model: nn.Module) -> Any:
    return torch.compile(model, backend="eager")


def scripted(model: nn.Module) -> nn.Module:
    with pytest.warns(DeprecationWarning):
        return torch.jit.script(model)


def traced(model: nn.Module) -> nn.Module:
    with pytest.warns((DeprecationWarning, torch.jit.TracerWarning)):
        return torch.jit.trace(model, ROWS, check_trace=False)


def dropped_by_hook() -> nn.Module:
    model = chain(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    model[3].register_forward_hook(lambda m, given, made: F.dropout(made, 0.5))
    return model


def cifar(*rates: float) -> nn.Sequential:
    """Rates that rise from block to block."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 1),
        *(layer for p in rates for layer in (nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Dropout(p))),
        nn.Flatten(), nn.Linear(256, 3))  # fmt: skip


RIGHT: dict[str, Callable[[], tuple]] = {
    # images
    "resnet block": lambda: (b.BasicBlock(3, 0.3), *IMAGES),
    "resnet": lambda: (b.ResNet((0.3, 0.3)), *IMAGES),
    "resnet, stochastic depth that grows": lambda: (b.ResNet((0, 0), path=(0.1, 0.3)), *IMAGES),
    "resnet, dropblock": lambda: (b.ResNet((0.1, 0.1), b.DropBlock2d), *IMAGES),
    "mobilenet": lambda: (b.mobilenet(), *IMAGES),
    "vgg": lambda: (b.vgg(), *IMAGES),
    "rates that rise": lambda: (cifar(0.2, 0.3, 0.4), *IMAGES),
    "densenet": lambda: (b.densenet(), *IMAGES),
    "convnext block": lambda: (b.ConvNeXtBlock(3, 0.1), *IMAGES),
    "convnext": lambda: (nn.Sequential(b.ConvNeXtBlock(3, 0.0), b.ConvNeXtBlock(3, 0.5),
                                       nn.Flatten(), nn.Linear(192, 4)), *IMAGES),
    "u-net": lambda: (b.UNet(), *GREY),
    "a block of convolutions": lambda: (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(),
                                                      nn.Dropout2d(0.1)), *IMAGES),
    # vision transformers
    "timm's mlp": lambda: (b.Mlp(8, 0.1), *TOKENS),
    "timm's attention": lambda: (b.Attention(8, 0.2, 0.1), *TOKENS),
    "timm's fused attention": lambda: (b.Attention(8, 0.2, 0.1, fused=True), *TOKENS),
    "vit block": lambda: (b.VitBlock(), *TOKENS),
    "vit block, drop path": lambda: (b.VitBlock(drop=0.1, path=0.2), *TOKENS),
    "vit, all rates at 0": lambda: (b.Vit(b.VitBlock(), b.VitBlock()), *IMAGES),
    "vit, a rate for each role": lambda: (
        b.Vit(b.VitBlock(drop=0.1, attn_drop=0.2, path=0.1),
              b.VitBlock(drop=0.1, attn_drop=0.2, path=0.3), pos=0.3, head=0.5), *IMAGES),
    # text
    "transformer layer": lambda: (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), *TOKENS),
    "transformer layer, norm first": lambda: (
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), *TOKENS),
    "encoder with a padding mask": lambda: (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
        torch.rand(3, 6, 8), {"src_key_padding_mask": LENGTHS}),
    "transformer": lambda: (nn.Transformer(8, 2, 1, 1, 16, batch_first=True), *TOKENS, *TOKENS),
    "encoder and decoder of words": lambda: (
        b.Translator(), *WORDS, {"src_key_padding_mask": LENGTHS}),
    "bert's embeddings": lambda: (b.BertEmbeddings(), *WORDS),
    "bert layer": lambda: (b.BertLayer(), *TOKENS),
    "bert, tied": lambda: (b.Bert(), *WORDS, {"attention_mask": (~LENGTHS).float()}),
    "bert, attention kept": lambda: (after_a_step(b.Bert(), *WORDS), *WORDS),
    "bert, classifier": lambda: (
        b.Bert(classifier=nn.Sequential(nn.Dropout(0.3), nn.Linear(8, 2))), *WORDS),
    "bert, attention at 0": lambda: (b.Bert([b.BertLayer(attention=0.0)]), *WORDS),
    "albert: hidden rates at 0": lambda: (
        b.Bert([b.BertLayer(0.0, 0.0)], nn.Sequential(nn.Dropout(0.1), nn.Linear(8, 2))), *WORDS),
    "bert, dictionary with attributes": lambda: (b.Bert(kind=b.ModelOutput), *WORDS),
    "gpt block": lambda: (b.GptBlock(), *TOKENS),
    "gpt, tied": lambda: (b.Gpt(b.GptBlock(), b.GptBlock()), *WORDS),
    "nanogpt's defaults": lambda: (b.Gpt(b.GptBlock(0.0), b.GptBlock(0.0), p=0.0), *WORDS),
    "bart layer": lambda: (b.BartLayer(), *TOKENS),
    "bart layers": lambda: (
        nn.Sequential(b.BartLayer(0.1, 0.2, 0.3), b.BartLayer(0.1, 0.2, 0.3)), *TOKENS),
    "lstm": lambda: (b.Tagger(), *WORDS),
    "lstm, packed": lambda: (b.Tagger(packed=True), *WORDS),
    "attention last": lambda: (AttentionLast(), *TOKENS),
    # last weights that are made
    "parametrized": lambda: (chain(nn.Dropout(0.5), parametrize.register_parametrization(
        nn.Linear(6, 6), "weight", Symmetric())), *ROWS),
    "weight norm": lambda: (
        chain(nn.Dropout(0.5), parametrizations.weight_norm(nn.Linear(6, 3))), *ROWS),
    "old weight norm": lambda: (chain(nn.Dropout(0.5), old_norm(nn.utils.weight_norm)), *ROWS),
    "spectral norm": lambda: (
        chain(nn.Dropout(0.5), parametrizations.spectral_norm(nn.Linear(6, 3))), *ROWS),
    "old spectral norm": lambda: (chain(nn.Dropout(0.5),
                                        nn.utils.spectral_norm(nn.Linear(6, 3))), *ROWS),
    "made by a hook": lambda: (hooked(), *ROWS),
    # dropout of other classes
    "own dropout": lambda: (
        chain(b.MyDropout(0.5), nn.Linear(6, 6), b.MyDropout(0.5), nn.Linear(6, 3)), *ROWS),
    "dropout whose p is learned": lambda: (chain(b.ConcreteDropout(), nn.Linear(6, 3)), *ROWS),
    "gaussian dropout": lambda: (chain(b.GaussianDropout(), nn.Linear(6, 3)), *ROWS),
    "numpy's coins": lambda: (chain(b.NumpyDropout(0.5), nn.Linear(6, 3)), *ROWS),
    "a generator of its own": lambda: (chain(b.GeneratorDropout(0.5), nn.Linear(6, 3)), *ROWS),
    "dropout, add, norm": lambda: (b.DropoutAddNorm(6, 0.1), *ROWS, *ROWS),
    # other things in forward
    "energy": lambda: (b.Energy(), *ROWS),
    "energy by torch.func": lambda: (b.FunctionalEnergy(), *ROWS),
    "backward in forward": lambda: (b.Backwards(), *ROWS),
    "variational autoencoder": lambda: (b.Vae(), *ROWS),
    "train() that returns nothing": lambda: (b.Frozen(), *ROWS),
    "called by keyword, dataclasses": lambda: (b.Keyword(), *ROWS),
    "layer drop": lambda: (b.LayerDrop(), *ROWS),
    "two heads": lambda: (b.TwoHeads(), *ROWS),
    "dropped weights": lambda: (chain(DropConnect(6, 3)), *ROWS),
    "a sparse graph": lambda: (Graph(), *ROWS, torch.eye(20).to_sparse()),
    "scaled in place": lambda: (InPlace(), torch.rand(20, 6)[:5]),
    "head_drop at 0": lambda: (HeadDrop(), *ROWS),
    "one network, two inputs": lambda: (Siamese(), *ROWS, *ROWS),
    "masked autoencoder": lambda: (b.MaskedAutoencoder(), *TOKENS),
    "data parallel": lambda: (nn.DataParallel(chain(nn.Dropout(0.5), nn.Linear(6, 3))), *ROWS),
    "a norm of one's own": lambda: (nn.Sequential(nn.LayerNorm(6), OwnNorm(), nn.Linear(6, 3)),
                                    *ROWS),
    "a tuple within a list": lambda: (Nested(), [(ROWS[0], 2)], None),
    "in bfloat16": lambda: (b.VitBlock(drop=0.1, path=0.2).bfloat16(), TOKENS[0].bfloat16()),
    "in place on the input": lambda: (nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 3)), *ROWS),
    "compiled": lambda: (compiled(chain(nn.Dropout(0.5), nn.Linear(6, 3))), *ROWS),
    "scripted": lambda: (scripted(chain(nn.Dropout(0.5), nn.Linear(6, 3))), *ROWS),
    "without dropout": lambda: (nn.Linear(6, 3), *ROWS),
}  # fmt: skip

WRONG: dict[str, tuple[Callable[[], tuple], dict[str, list[str]]]] = {
    # on in evaluation
    "F.dropout": (lambda: (b.Careless(), *ROWS), {EVALUATION: ["Careless"]}),
    "F.dropout within": (
        lambda: (nn.Sequential(nn.Linear(6, 6), b.Careless()), *ROWS), {EVALUATION: ["1"]}),
    "torch.dropout": (
        lambda: (b.Careless(lambda x, p: torch.dropout(x, p, True)), *ROWS),
        {EVALUATION: ["Careless"]}),
    "made anew": (
        lambda: (b.Careless(lambda x, p: nn.Dropout(p)(x)), *ROWS), {EVALUATION: ["Careless"]}),
    "in place": (
        lambda: (b.Careless(lambda x, p: F.dropout(x, p, inplace=True)), *ROWS),
        {EVALUATION: ["Careless"]}),
    "by hand": (
        lambda: (b.Careless(lambda x, p: x * (torch.rand_like(x) > p) * 2), *ROWS),
        {EVALUATION: ["Careless"]}),
    "by torch.bernoulli": (
        lambda: (b.Careless(lambda x, p: x * torch.bernoulli(torch.full_like(x, p))), *ROWS),
        {EVALUATION: ["Careless"]}),
    "by numpy": (
        lambda: (chain(b.NumpyDropout(0.5, True), nn.Linear(6, 3)), *ROWS), {EVALUATION: ["3"]}),
    "by random": (
        lambda: (b.Careless(lambda x, p: x * torch.tensor(random.choices([0, 2], k=6))), *ROWS),
        {EVALUATION: ["Careless"]}),
    "by a generator of its own": (
        lambda: (chain(b.GeneratorDropout(0.5, True), nn.Linear(6, 3)), *ROWS),
        {EVALUATION: ["3"]}),
    "own dropout": (
        lambda: (chain(b.MyDropout(0.5, True), nn.Linear(6, 3)), *ROWS), {EVALUATION: ["3"]}),
    "gaussian dropout on": (
        lambda: (chain(b.GaussianDropout(0.5, True), nn.Linear(6, 3)), *ROWS),
        {EVALUATION: ["3"]}),
    "given by keyword": (lambda: (b.Keyword(always=True), *ROWS), {EVALUATION: ["drop"]}),
    "in a dataclass": (
        lambda: (nn.Sequential(nn.Linear(6, 6), b.Wrapped(b.MyDropout(0.5, True))), *ROWS),
        {EVALUATION: ["1.inner"]}),
    "in place, before others": (
        lambda: (nn.Sequential(nn.Linear(6, 6), DropInPlace(), nn.Linear(6, 3)), *ROWS),
        {EVALUATION: ["1"]}),
    "in a list": (lambda: (b.Listed(), *ROWS), {EVALUATION: ["Listed"]}),
    "train() that passes nothing on": (
        lambda: (b.Frozen(passes_on=False), *ROWS), {EVALUATION: ["body.3"]}),
    "densenet": (lambda: (b.densenet(careless=True), *IMAGES), {EVALUATION: ["dense.1"]}),
    "drop path": (
        lambda: (nn.Sequential(b.VitBlock(path=0.5), b.VitBlock(path=0.5, always=True)), *TOKENS),
        {EVALUATION: ["1.drop_path2"]}),
    "convnext": (
        lambda: (b.ConvNeXtBlock(3, 0.5, always=True), *IMAGES),
        {EVALUATION: ["stochastic_depth"]}),
    "fused attention": (
        lambda: (b.Vit(b.VitBlock(attn_drop=0.2, fused=True, careless=True)), *IMAGES),
        {EVALUATION: ["blocks.0.attn"]}),
    "functional attention": (lambda: (AttentionLast(careless=True), *TOKENS),
                             {EVALUATION: ["AttentionLast"]}),
    "bart": (
        lambda: (nn.Sequential(b.BartLayer(), b.BartLayer(on=True)), *TOKENS),
        {EVALUATION: ["1"]}),
    "energy": (lambda: (b.Energy(always=True), *ROWS), {EVALUATION: ["net.2"]}),
    "variational autoencoder": (lambda: (b.Vae(careless=True), *ROWS), {EVALUATION: ["Vae"]}),
    "layer drop": (lambda: (b.LayerDrop(always=True), *ROWS), {EVALUATION: ["LayerDrop"]}),
    "a hook that drops": (lambda: (dropped_by_hook(), *ROWS), {EVALUATION: ["3"]}),
    "traced in training mode": (
        lambda: (traced(chain(nn.Dropout(0.5), nn.Linear(6, 3))), *ROWS),
        {EVALUATION: ["TopLevelTracedModule"]}),
    "if self.train()": (
        lambda: (nn.Sequential(nn.Linear(6, 6), Always(), nn.Linear(6, 3)), *ROWS),
        {EVALUATION: ["1"]}),
    "dropped weights": (
        lambda: (chain(DropConnect(6, 3, on=True)), *ROWS), {EVALUATION: ["3"]}),
    "rarely": (
        lambda: (b.Careless(lambda x, p: F.dropout(x, 1e-9)), *ROWS), {EVALUATION: ["Careless"]}),
    # after the output layer
    "logits": (
        lambda: (chain(nn.Linear(6, 3), nn.Dropout(0.2)), *ROWS), {OUTPUT: ["4"]}),
    "before a softmax": (
        lambda: (chain(nn.Linear(6, 3), nn.Dropout(0.2), nn.LogSoftmax(-1)), *ROWS),
        {OUTPUT: ["4"]}),
    "after a softmax": (
        lambda: (chain(nn.Linear(6, 3), nn.Softmax(-1), nn.Dropout(0.2)), *ROWS),
        {OUTPUT: ["5"]}),
    "twice": (
        lambda: (chain(nn.Linear(6, 3), nn.Dropout(0.2), nn.AlphaDropout(0.2)), *ROWS),
        {OUTPUT: ["4", "5"]}),
    "functional": (
        lambda: (nn.Sequential(nn.Linear(6, 3), Following()), *ROWS), {OUTPUT: ["1"]}),
    "own dropout, last": (
        lambda: (chain(nn.Linear(6, 3), b.MyDropout(0.2)), *ROWS), {OUTPUT: ["4"]}),
    "resnet's logits": (
        lambda: (b.ResNet((0.3, 0.3), last=nn.Dropout(0.3)), *IMAGES), {OUTPUT: ["last"]}),
    "mobilenet's logits": (
        lambda: (b.mobilenet(0.2, nn.Dropout(0.2)), *IMAGES), {OUTPUT: ["classifier.4"]}),
    "in place, last": (
        lambda: (b.mobilenet(0.2, nn.Dropout(0.2, inplace=True)), *IMAGES),
        {OUTPUT: ["classifier.4"]}),
    "u-net's map": (
        lambda: (b.UNet(last=nn.Dropout2d(0.2)), *GREY), {OUTPUT: ["last"]}),
    "vit's logits": (
        lambda: (b.Vit(b.VitBlock(drop=0.1), head=0.1, pos=0.1, last=nn.Dropout(0.1)), *IMAGES),
        {OUTPUT: ["last"]}),
    "bert's words, tied": (
        lambda: (b.Bert(last=nn.Dropout(0.1)), *WORDS), {OUTPUT: ["last"]}),
    "in a named tuple": (
        lambda: (b.Bert(last=nn.Dropout(0.1), kind=b.Pair), *WORDS), {OUTPUT: ["last"]}),
    "in a dictionary with attributes": (
        lambda: (b.Bert(last=nn.Dropout(0.1), kind=b.ModelOutput), *WORDS), {OUTPUT: ["last"]}),
    "gpt's words": (
        lambda: (b.Gpt(b.GptBlock(), last=nn.Dropout(0.1)), *WORDS), {OUTPUT: ["last"]}),
    "encoder's words": (
        lambda: (b.Translator(last=nn.Dropout(0.1)), *WORDS,
                 {"src_key_padding_mask": LENGTHS}), {OUTPUT: ["last"]}),
    "tags": (lambda: (b.Tagger(last=nn.Dropout(0.3)), *WORDS), {OUTPUT: ["last"]}),
    "one of two heads": (
        lambda: (b.TwoHeads(last=nn.Dropout(0.3)), *ROWS), {OUTPUT: ["last"]}),
    "parametrized": (
        lambda: (chain(parametrizations.weight_norm(nn.Linear(6, 3)), nn.Dropout(0.2)), *ROWS),
        {OUTPUT: ["4"]}),
    "compiled": (
        lambda: (compiled(chain(nn.Linear(6, 3), nn.Dropout(0.2))), *ROWS),
        {OUTPUT: ["_orig_mod.4"]}),
    # p is 0 or 1
    "0 and 1": (
        lambda: (nn.Sequential(nn.Dropout(0.0), nn.Linear(6, 6), nn.Dropout(1.0),
                               nn.Linear(6, 3)), *ROWS), {CERTAIN: ["0", "2"]}),
    "0 in a class": (lambda: (OffByHand(), *ROWS), {CERTAIN: ["drop"]}),
    "0 in the classifier": (
        lambda: (b.vgg(0.0, 0.0), *IMAGES), {CERTAIN: ["classifier.2", "classifier.5"]}),
    "mobilenet at 1": (lambda: (b.mobilenet(1.0), *IMAGES), {CERTAIN: ["classifier.2"]}),
    "own dropout at 1": (
        lambda: (chain(GivenP(1.0), nn.Linear(6, 3)), *ROWS), {CERTAIN: ["3"]}),
    "functional at 1": (
        lambda: (b.densenet((1.0, 1.0)), *IMAGES), {CERTAIN: ["dense.0", "dense.1"]}),
    "a path that is always closed": (
        lambda: (b.ConvNeXtBlock(3, 1.0), *IMAGES), {CERTAIN: ["stochastic_depth"]}),
    # unequal p
    "two linear layers": (
        lambda: (nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Linear(6, 6), nn.Dropout(0.3),
                               nn.Linear(6, 3)), *ROWS), {UNEQUAL: ["1", "3"]}),
    "own dropout, unequal": (
        lambda: (nn.Sequential(nn.Linear(6, 6), b.MyDropout(0.5), nn.Linear(6, 6),
                               b.MyDropout(0.3), nn.Linear(6, 3)), *ROWS), {UNEQUAL: ["1", "3"]}),
    "p and 1 - p": (lambda: (b.vgg(0.2, 0.8), *IMAGES),
                    {UNEQUAL: ["classifier.2", "classifier.5"]}),
    "resnet's blocks": (lambda: (b.ResNet((0.1, 0.9), nn.Dropout2d), *IMAGES),
                        {UNEQUAL: ["blocks.0.drop", "blocks.1.drop"]}),
    "densenet's functions": (
        lambda: (b.densenet((0.2, 0.8)), *IMAGES), {UNEQUAL: ["dense.0", "dense.1"]}),
    "u-net's ways down": (
        lambda: (b.UNet(0.2, 0.8), *GREY), {UNEQUAL: ["down1.3", "down2.3"]}),
    "gpt's attention": (
        lambda: (b.Gpt(b.GptBlock(attn=0.1), b.GptBlock(attn=0.9)), *WORDS),
        {UNEQUAL: ["h.0.attn_dropout", "h.1.attn_dropout"]}),
    "behind parametrized weights": (
        lambda: (nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5),
                               parametrizations.spectral_norm(nn.Linear(6, 6)), nn.Dropout(0.3),
                               nn.Linear(6, 3)), *ROWS), {UNEQUAL: ["1", "3"]}),
    # several
    "off in one block": (
        lambda: (b.Vit(b.VitBlock(attn_drop=0.1, drop=0.1), b.VitBlock(drop=0.1), pos=0.1,
                       head=0.1), *IMAGES),
        {CERTAIN: ["blocks.1.attn.attn_drop"],
         UNEQUAL: ["blocks.0.attn.attn_drop", "blocks.1.attn.attn_drop"]}),
    "three at once": (
        lambda: (nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.0), nn.Linear(6, 6),
                               nn.Dropout(0.3)), *ROWS),
        {OUTPUT: ["3"], CERTAIN: ["1"], UNEQUAL: ["1", "3"]}),
    "on, and after the output layer": (
        lambda: (b.ResNet((0.0, 0.0), last=b.MyDropout(0.3, True)), *IMAGES),
        {EVALUATION: ["last"]}),
}  # fmt: skip


class AttentionLast(nn.Module):
    """Its last weights are those of attention, which calls no module for them."""

    def __init__(self, careless: bool = False):
        super().__init__()
        self.first, self.drop = nn.Linear(8, 8), nn.Dropout(0.1)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
        self.careless = careless

    def forward(self, x):
        x = self.drop(self.first(x))
        if self.careless:
            x = F.scaled_dot_product_attention(x, x, x, dropout_p=0.1)
        return self.attention(x, x, x)


class Siamese(nn.Module):
    """Sends two inputs through one network."""

    def __init__(self):
        super().__init__()
        self.net = chain(nn.Dropout(0.5), nn.Linear(6, 3))

    def forward(self, x, y):
        return self.net(x) - self.net(y)


class OwnNorm(nn.Module):
    """Changes what is normalised no more, but for rounding, and makes zeros of ones."""

    def forward(self, x):
        return F.layer_norm(x, x.shape[-1:])


class Nested(nn.Module):
    """Takes and gives what lies deep in lists."""

    def __init__(self):
        super().__init__()
        self.net = chain(nn.Dropout(0.5), nn.Linear(6, 3))

    def forward(self, batch, nothing):
        return [{"made": (self.net(x) * scale, nothing, "words")} for x, scale in batch]


class HeadDrop(nn.Module):
    """timm's DenseNet has one rate, and it is 0 unless it is told."""

    def __init__(self):
        super().__init__()
        self.body, self.head_drop, self.head = nn.Linear(6, 6), nn.Dropout(0.0), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.head_drop(self.body(x)))


class OffByHand(HeadDrop):
    """The same under a plain name, called twice."""

    def __init__(self):
        super().__init__()
        self.drop, self.head_drop = nn.Dropout(0), nn.Identity()

    def forward(self, x):
        return self.head(self.drop(self.drop(self.body(x))))


class Graph(nn.Module):
    """A layer of a graph network, in which the graph is sparse."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)
        self.register_buffer("own", torch.eye(20).to_sparse())

    def forward(self, x, graph):
        x = F.dropout(torch.sparse.mm(graph, self.a(x)).relu(), training=self.training)
        return torch.sparse.mm(self.own, self.b(x))


class DropConnect(nn.Linear):
    """Drops weights."""

    def __init__(self, a: int, b: int, on: bool = False):
        super().__init__(a, b)
        self.on = on

    def forward(self, x):
        return F.linear(x, F.dropout(self.weight, 0.5, self.training or self.on), self.bias)


class Always(nn.Module):
    """Sets the mode where it means to ask for it."""

    def forward(self, x):
        return x * (torch.rand_like(x) > 0.5) * 2 if self.train() else x


class DropInPlace(nn.Module):
    """Drops its input itself, always, and gives it back."""

    def forward(self, x):
        return x.mul_(torch.rand_like(x) > 0.5)


class InPlace(nn.Module):
    """Ties the tensor that it is given to its weights."""

    def __init__(self):
        super().__init__()
        self.scale, self.out = nn.Parameter(torch.ones(6)), nn.Linear(6, 3)

    def forward(self, x):
        return self.out(x.mul_(self.scale))


class Following(nn.Module):
    """F.dropout that follows the mode."""

    def forward(self, x):
        return F.dropout(x, 0.5, self.training)


class GivenP(nn.Module):
    """A layer of one's own that knows p = 1."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        return x * (torch.rand(x.shape) >= self.p) / (1 - self.p) if self.p < 1 else x * 0


def after_a_step(model: nn.Module, *inputs: Any) -> nn.Module:
    """A model that has kept tensors with a history: it cannot be copied."""
    model(*inputs)
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(model)
    return model


def found(model: nn.Module, *inputs: Any, runs: int = 10) -> dict[str, list[str]]:
    """With the last of the inputs, if a dictionary, for those that have names."""
    named = {"runs": runs} | (inputs[-1] if isinstance(inputs[-1], dict) else {})
    return find_dropout_bugs(model, *inputs[: len(inputs) - (len(named) > 1)], **named)


@pytest.mark.parametrize("name", RIGHT)
def test_a_healthy_network_gets_no_report(name: str):
    """Is nothing said of networks in which nothing is wrong?"""
    assert found(*RIGHT[name](), runs=3) == {}


@pytest.mark.parametrize("name", WRONG)
def test_each_bug_is_named_with_its_place(name: str):
    """Is each bug found, alone or with others, and the module in which it shows?"""
    make, expected = WRONG[name]
    assert found(*make()) == expected


class Diary(nn.Module):
    """Writes all that it can into itself, into what it is given and into the world."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 6), nn.Dropout(0.5))
        self.norm = parametrizations.spectral_norm(nn.Linear(6, 6))
        self.register_buffer("mean", torch.zeros(6))
        self.calls, self.pages, self.notes = 0, [], {"list": [1]}
        self.table, self.generator = torch.zeros(3), torch.Generator()
        self.requires_grad_(True)

    def train(self, mode=True):
        super().train(mode)
        self.net[1].weight.data *= 1.5 if mode else 0.5  # as LoRA, which merges its weights

    def forward(self, x, more, fail=False):
        self.calls += 1
        self.pages.append(x)
        self.notes["list"].append(2)
        self.notes["new"] = self.fresh = x
        self.mean += x.mean(0)
        self.table = self.table + 1
        self.net.weight = torch.rand(2) + torch.rand(1, generator=self.generator)
        self.norm.weight_kept = random.random() + np.random.rand()
        self.net[0].train()
        x.mul_(2).requires_grad_()
        more["x"].add_(1)
        more["y"] = x
        self.norm(self.net(x)).square().mean().backward()
        if fail:
            raise KeyError("in the middle")
        return self.norm(self.net(x))


def state(value: Any) -> Any:
    """What can be seen of a network and of what it holds, to be compared."""
    if isinstance(value, torch.Tensor):
        grad = value.grad.tolist() if value.is_leaf and value.grad is not None else None
        return value.tolist(), grad, value.requires_grad, id(value)
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, nn.Module):
        return {name: state(each) for name, each in vars(value).items()}
    if isinstance(value, dict):
        return {name: state(each) for name, each in value.items()}
    return [state(each) for each in value] if isinstance(value, list | tuple) else repr(value)


def world() -> Any:
    return torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())


@pytest.mark.parametrize("fail", [False, True])
def test_everything_is_left_as_it_is(fail: bool):
    """Are flags, weights, gradients, buffers, attributes, inputs and generators as before, too
    where the model raises?"""
    model = Diary()
    model.net[2].eval()
    model.norm(model.net(torch.rand(5, 6))).sum().backward()
    x, more = torch.rand(5, 6), {"x": torch.rand(2)}
    version = x._version
    before = state(model), state(x), state(more), world()
    if fail:
        with pytest.raises(KeyError, match="in the middle"):
            find_dropout_bugs(model, x, more, fail=True)
    else:
        assert EVALUATION not in find_dropout_bugs(model, x, more)
    assert (state(model), state(x), state(more), world()) == before
    assert version == x._version


def test_a_backward_pass_that_waits_still_works():
    """Can a loss that was computed before be differentiated afterwards?"""
    model = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.BatchNorm1d(6), nn.Linear(6, 3))
    loss = model(*ROWS).sum()
    find_dropout_bugs(model, *ROWS)
    loss.backward()
    assert model[0].weight.grad is not None


def test_rounding_is_no_dropout():
    """Do sums in another order, as a GPU forms them, pass for the same?"""

    def sum_in_any_order(x: torch.Tensor, p: float) -> torch.Tensor:
        return x[:, torch.randperm(6)].sum(1, keepdim=True) + x

    model = b.Careless(lambda x, p: x * (1 + 1e-7 * torch.rand(())))
    assert find_dropout_bugs(model, *ROWS) == {}
    assert find_dropout_bugs(b.Careless(sum_in_any_order), *ROWS) == {}


@pytest.mark.parametrize("model, inputs, error, words", [
    (nn.LazyLinear(2), (torch.rand(1, 2),), ValueError, "call the model once before"),
    (nn.Linear(2, 2), (torch.rand(1, 3),), RuntimeError, "shapes cannot be multiplied"),
])  # fmt: skip
def test_what_cannot_be_looked_at_gets_a_sentence(model, inputs, error, words):
    """Do a network without weights, and an input that does not fit, get a sentence?"""
    with pytest.raises(error, match=words):
        find_dropout_bugs(model, *inputs)


def test_one_run_is_refused():
    """Does one run, which can differ from nothing, get a sentence?"""
    with pytest.raises(ValueError, match="runs must be 2 or more"):
        find_dropout_bugs(nn.Linear(2, 2), torch.rand(1, 2), runs=1)


def test_the_example_is_a_test():
    """Does the docstring's test pass for a healthy network, and name what is wrong in another?"""
    example = re.search(r"\n\n((?:    .*\n|\n)+)", bugs.__doc__)[1]
    code = "\n".join(line[4:] for line in example.splitlines())
    names: dict[str, Any] = {}
    exec(code, names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    layers = [nn.Flatten(), nn.Linear(64, 9), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 3)]
    names["build"] = lambda: nn.Sequential(*layers)
    test()
    names["build"] = lambda: nn.Sequential(*layers, nn.Dropout(0.5))
    with pytest.raises(AssertionError):
        test()


NETWORKS = """
import torch
from torch import nn

def right():
    return nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Linear(6, 3)), torch.rand(4, 6)

def wrong():
    return nn.Sequential(nn.Linear(6, 6), nn.Dropout(1.0), nn.Linear(6, 3)), torch.rand(4, 6)

class Constant(nn.Module):
    def forward(self):
        return torch.ones(3)

alone = Constant

def number():
    return 3

def unfit():
    return nn.Linear(6, 3), torch.rand(4, 7)

def broken():
    raise KeyError("layers")
"""


@pytest.mark.parametrize("place, status, words", [
    ("networks:right", 0, "no dropout bug found"),
    ("networks:alone", 0, "no dropout bug found"),
    ("networks:wrong", 1, "1: p is 0 or 1"),
    ("networks", 2, "is not module:function"),
    ("nowhere:right", 2, "nowhere could not be imported"),
    ("networks:nothing", 2, "networks has no nothing"),
    ("networks:number", 2, "returned int, not a network"),
    ("networks:unfit", 2, "could not be looked at: RuntimeError: mat1 and mat2"),
    ("networks:broken", 2, "networks:broken raised: KeyError: 'layers'"),
])  # fmt: skip
def test_the_command_line_tells_and_exits(
    place, status, words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    """Does each end have its sentence and its exit status?"""
    (tmp_path / "networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "networks", raising=False)
    monkeypatch.setattr(sys, "argv", ["bugs", place])
    try:
        ended = bugs.main()
    except SystemExit as exit:
        ended = exit.code
    monkeypatch.delitem(sys.modules, "networks", raising=False)
    told = capsys.readouterr()
    assert ended == status
    assert words in (told.err if status == 2 else told.out)
    assert "Traceback" not in told.err


def test_it_runs_as_a_module(tmp_path: Path):
    """Does `python -m` look at a network of the folder it is started in?"""
    (tmp_path / "networks.py").write_text(NETWORKS)
    library = str(Path(bugs.__file__).parents[1])
    command = [sys.executable, "-m", "dropoutlab.bugs", "networks:wrong"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": library},
                          capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (1, "1: p is 0 or 1\n", "")
