"""The blocks of torchvision, timm and transformers, small: as they use dropout, or misuse it."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


# Dropout of other classes than torch's.
class DropPath(nn.Module):
    """timm: whole samples of a residual branch."""

    def __init__(self, drop_prob: float = 0.0, always: bool = False):
        super().__init__()
        self.drop_prob, self.always = drop_prob, always

    def forward(self, x):
        if self.drop_prob == 0.0 or not (self.training or self.always):
            return x
        kept = 1 - self.drop_prob
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(kept)
        return x * mask.div_(kept)


def stochastic_depth(x, p, mode, training):
    """torchvision's function."""
    if not training or p == 0.0:
        return x
    size = [x.shape[0]] + [1] * (x.ndim - 1) if mode == "row" else [1] * x.ndim
    noise = torch.empty(size, dtype=x.dtype).bernoulli_(1 - p)
    return x * (noise.div_(1 - p) if p < 1 else noise)


class StochasticDepth(nn.Module):
    def __init__(self, p: float, mode: str = "row"):
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input):
        return stochastic_depth(input, self.p, self.mode, self.training)


class DropBlock2d(nn.Module):
    """Squares of a channel."""

    def __init__(self, drop_prob: float, size: int = 3):
        super().__init__()
        self.drop_prob, self.size = drop_prob, size

    def forward(self, x):
        if not self.training:
            return x
        seeds = torch.rand_like(x) < self.drop_prob / self.size**2
        kept = 1 - F.max_pool2d(seeds.float(), self.size, 1, self.size // 2)
        return x * kept * (kept.numel() / kept.sum().clamp(min=1))


class MyDropout(nn.Module):
    """Everybody's first own layer; `rate` has another name than in torch."""

    def __init__(self, rate: float, always: bool = False):
        super().__init__()
        self.rate, self.always = rate, always

    def forward(self, x):
        if not (self.training or self.always):
            return x
        return x * (torch.rand(x.shape) >= self.rate) / (1 - self.rate)


class LockedDropout(nn.Module):
    """AWD-LSTM: one mask for all steps; its rate comes with the call."""

    def forward(self, x, dropout=0.5):
        if not self.training or not dropout:
            return x
        mask = x.new_empty(x.size(0), 1, x.size(2)).bernoulli_(1 - dropout) / (1 - dropout)
        return mask.expand_as(x) * x


class GaussianDropout(nn.Module):
    def __init__(self, sigma: float = 0.5, always: bool = False):
        super().__init__()
        self.sigma, self.always = sigma, always

    def forward(self, x):
        noise = self.sigma * torch.randn_like(x)
        return x * (1 + noise) if self.training or self.always else x


class ConcreteDropout(nn.Module):
    """Its p is learned, and no number."""

    def __init__(self):
        super().__init__()
        self.p = nn.Parameter(torch.tensor(0.1))

    def forward(self, x):
        if not self.training:
            return x
        u = torch.rand_like(x)
        logit = (self.p / (1 - self.p)).log() + (u / (1 - u)).log()
        return x * (1 - torch.sigmoid(logit / 0.1)) / (1 - self.p)


class NumpyDropout(nn.Module):
    def __init__(self, p: float, always: bool = False):
        super().__init__()
        self.p, self.always, self.rng = p, always, np.random.default_rng(0)

    def forward(self, x):
        if not (self.training or self.always):
            return x
        return x * torch.as_tensor(self.rng.random(x.shape) >= self.p).to(x) / (1 - self.p)


class GeneratorDropout(nn.Module):
    def __init__(self, p: float, always: bool = False):
        super().__init__()
        self.p, self.always, self.generator = p, always, torch.Generator().manual_seed(1)

    def forward(self, x):
        if not (self.training or self.always):
            return x
        return x * (torch.rand(x.shape, generator=self.generator) >= self.p) / (1 - self.p)


class DropoutAddNorm(nn.Module):
    """FlashAttention's name; "Dropout" is in it, a number p is not."""

    def __init__(self, dim: int, rate: float):
        super().__init__()
        self.norm, self.drop = nn.LayerNorm(dim), nn.Dropout(rate)

    def forward(self, x, residual):
        return self.norm(residual + self.drop(x))


# Images.
class BasicBlock(nn.Module):
    """torchvision's ResNet; Zagoruyko's dropout between the convolutions."""

    def __init__(self, dim: int, p: float = 0.0, drop: type = nn.Dropout, path: float = 0.0):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim)
        self.drop = drop(p) if p else nn.Identity()
        self.conv2, self.bn2 = nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim)
        self.relu = nn.ReLU(inplace=True)
        self.path = StochasticDepth(path)

    def forward(self, x):
        h = self.drop(self.relu(self.bn1(self.conv1(x))))
        return self.relu(self.path(self.bn2(self.conv2(h))) + x)


class ResNet(nn.Module):
    def __init__(self, p: tuple, drop: type = nn.Dropout, path: tuple = (0.0, 0.0), last=None):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(True))
        self.blocks = nn.Sequential(BasicBlock(6, p[0], drop, path[0]),
                                    BasicBlock(6, p[1], drop, path[1]))  # fmt: skip
        self.fc, self.last = nn.Linear(6, 4), last or nn.Identity()

    def forward(self, x):
        return self.last(self.fc(self.blocks(self.stem(x)).mean((2, 3))))


class SqueezeExcite(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(dim, 2, 1), nn.Conv2d(2, dim, 1)

    def forward(self, x):
        return x * self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


def mobilenet(p: float = 0.2, *rest: nn.Module, inplace: bool = True) -> nn.Sequential:
    """MobileNetV3: the classifier's dropout lies between its two layers."""
    features = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Hardswish(inplace=True),
                             SqueezeExcite(6), nn.AdaptiveAvgPool2d(1), nn.Flatten())  # fmt: skip
    classifier = nn.Sequential(nn.Linear(6, 12), nn.Hardswish(inplace=True),
                               nn.Dropout(p, inplace=inplace), nn.Linear(12, 4), *rest)  # fmt: skip
    return nn.Sequential(OrderedDict(features=features, classifier=classifier))


def vgg(p: float = 0.5, q: float = 0.5, *rest: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(
        features=nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(True), nn.MaxPool2d(2)),
        flatten=nn.Flatten(),
        classifier=nn.Sequential(nn.Linear(36, 16), nn.ReLU(True), nn.Dropout(p),
                                 nn.Linear(16, 16), nn.ReLU(True), nn.Dropout(q),
                                 nn.Linear(16, 4), *rest),
    ))  # fmt: skip


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias,
                            self.eps).permute(0, 3, 1, 2)  # fmt: skip


class ConvNeXtBlock(nn.Module):
    """torchvision: scaled, and dropped as a whole."""

    def __init__(self, dim: int, p: float, always: bool = False):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(dim, dim, 7, padding=3, groups=dim), LayerNorm2d(dim),
                                   nn.Conv2d(dim, 2 * dim, 1), nn.GELU(),
                                   nn.Conv2d(2 * dim, dim, 1))  # fmt: skip
        self.layer_scale = nn.Parameter(torch.full((dim, 1, 1), 0.1))
        self.stochastic_depth = DropPath(p, True) if always else StochasticDepth(p)

    def forward(self, x):
        return x + self.stochastic_depth(self.layer_scale * self.block(x))


class DoubleConv(nn.Sequential):
    def __init__(self, a: int, b: int, p: float):
        super().__init__(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(True),
                         nn.Dropout2d(p), nn.Conv2d(b, b, 3, padding=1), nn.ReLU(True))  # fmt: skip


class UNet(nn.Module):
    def __init__(self, p: float = 0.2, q: float = 0.2, last: nn.Module | None = None):
        super().__init__()
        self.down1, self.down2 = DoubleConv(1, 4, p), DoubleConv(4, 8, q)
        self.upsample = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.up, self.out = DoubleConv(8, 4, p), nn.Conv2d(4, 2, 1)
        self.last = last or nn.Identity()

    def forward(self, x):
        skip = self.down1(x)
        deep = self.upsample(self.down2(F.max_pool2d(skip, 2)))
        return self.last(self.out(self.up(torch.cat([skip, deep], 1))))


class DenseLayer(nn.Module):
    """torchvision's DenseNet: functional dropout."""

    def __init__(self, dim: int, p: float, careless: bool = False):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(dim), nn.Conv2d(dim, 2, 3, padding=1)
        self.drop_rate, self.careless = p, careless

    def forward(self, x):
        new = self.conv(self.norm(x).relu())
        on = True if self.careless else self.training
        return torch.cat([x, F.dropout(new, p=self.drop_rate, training=on)], 1)


def densenet(p: tuple = (0.2, 0.2), careless: bool = False) -> nn.Sequential:
    return nn.Sequential(OrderedDict(
        stem=nn.Conv2d(3, 4, 3), dense=nn.Sequential(DenseLayer(4, p[0]),
                                                     DenseLayer(6, p[1], careless)),
        pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=nn.Linear(8, 3),
    ))  # fmt: skip


# Vision transformers.
class Mlp(nn.Module):
    """timm."""

    def __init__(self, dim: int, drop: float = 0.0):
        super().__init__()
        self.fc1, self.act, self.drop1 = nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(drop)
        self.norm, self.fc2, self.drop2 = nn.Identity(), nn.Linear(2 * dim, dim), nn.Dropout(drop)

    def forward(self, x):
        return self.drop2(self.fc2(self.norm(self.drop1(self.act(self.fc1(x))))))


class Attention(nn.Module):
    """timm; fused or not."""

    def __init__(self, dim: int, attn_drop: float = 0.0, proj_drop: float = 0.0, fused=False,
                 careless: bool = False):  # fmt: skip
        super().__init__()
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.attn_drop, self.proj_drop = nn.Dropout(attn_drop), nn.Dropout(proj_drop)
        self.fused, self.careless = fused, careless

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            on = self.training or self.careless
            p = self.attn_drop.p if on else 0.0
            x = F.scaled_dot_product_attention(q, k, v, dropout_p=p)
        else:
            x = self.attn_drop((q @ k.transpose(-2, -1) / c**0.5).softmax(dim=-1)) @ v
        return self.proj_drop(self.proj(x.transpose(1, 2).reshape(b, n, c)))


class VitBlock(nn.Module):
    """timm."""

    def __init__(self, dim=8, drop=0.0, attn_drop=0.0, path=0.0, always=False, **attention):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim), Attention(dim, attn_drop, drop, **attention)
        self.norm2, self.mlp = nn.LayerNorm(dim), Mlp(dim, drop)
        self.gamma = nn.Parameter(torch.full((dim,), 0.1))
        self.drop_path1 = DropPath(path) if path else nn.Identity()
        self.drop_path2 = DropPath(path, always) if path else nn.Identity()

    def forward(self, x):
        x = x + self.drop_path1(self.gamma * self.attn(self.norm1(x)))
        return x + self.drop_path2(self.gamma * self.mlp(self.norm2(x)))


class Vit(nn.Module):
    """timm's names: patches, position, class token, blocks, head with dropout before it."""

    def __init__(self, *blocks: nn.Module, pos=0.0, head=0.0, last: nn.Module | None = None):
        super().__init__()
        self.patch, self.cls = nn.Conv2d(3, 8, 4, stride=4), nn.Parameter(torch.zeros(1, 1, 8))
        self.pos_embed, self.pos_drop = nn.Parameter(torch.randn(1, 5, 8)), nn.Dropout(pos)
        self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(8)
        self.head_drop, self.head = nn.Dropout(head), nn.Linear(8, 3)
        self.last = last or nn.Identity()

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = self.pos_drop(torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.pos_embed)
        return self.last(self.head(self.head_drop(self.norm(self.blocks(x))[:, 0])))


# Text.
@dataclass
class Outputs:
    logits: torch.Tensor
    attentions: list[torch.Tensor] | None = None


class ModelOutput(OrderedDict):
    """transformers': a dictionary with attributes."""


class Pair(NamedTuple):
    logits: torch.Tensor
    hidden: torch.Tensor


class BertEmbeddings(nn.Module):
    def __init__(self, p: float = 0.1):
        super().__init__()
        self.word, self.position = nn.Embedding(11, 8, padding_idx=0), nn.Embedding(6, 8)
        self.norm, self.dropout = nn.LayerNorm(8), nn.Dropout(p)
        self.register_buffer("ids", torch.arange(6).expand((1, -1)))

    def forward(self, ids):
        return self.dropout(self.norm(self.word(ids) + self.position(self.ids[:, : ids.shape[1]])))


class BertSelfAttention(nn.Module):
    """It keeps the attention it computed, as many a notebook does to draw it."""

    def __init__(self, p: float = 0.1):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))
        self.dropout, self.kept = nn.Dropout(p), None

    def forward(self, x, attention_mask=None):
        q, k, v = (layer(x).view(*x.shape[:2], 2, 4).transpose(1, 2)
                   for layer in (self.query, self.key, self.value))  # fmt: skip
        scores = q @ k.transpose(-1, -2) / math.sqrt(4)
        if attention_mask is not None:
            scores = scores + (1.0 - attention_mask[:, None, None, :]) * torch.finfo(x.dtype).min
        self.kept = scores.softmax(-1)
        return (self.dropout(self.kept) @ v).transpose(1, 2).reshape(x.shape), self.kept


class BertOutput(nn.Module):
    def __init__(self, size: int, p: float = 0.1):
        super().__init__()
        self.dense, self.norm, self.dropout = nn.Linear(size, 8), nn.LayerNorm(8), nn.Dropout(p)

    def forward(self, hidden, x):
        return self.norm(self.dropout(self.dense(hidden)) + x)


class BertLayer(nn.Module):
    def __init__(self, p: float = 0.1, attention: float = 0.1):
        super().__init__()
        self.attention, self.output = BertSelfAttention(attention), BertOutput(8, p)
        self.dense, self.ffn = nn.Linear(8, 16), BertOutput(16, p)

    def forward(self, x, attention_mask=None):
        hidden, kept = self.attention(x, attention_mask=attention_mask)
        x = self.output(hidden, x)
        return self.ffn(F.gelu(self.dense(x)), x), kept


class Bert(nn.Module):
    """With the word embedding for its last weights (tied), or a classifier."""

    def __init__(self, layers=None, classifier=None, last=None, kind=Outputs):
        super().__init__()
        self.embeddings = BertEmbeddings()
        self.layers = nn.ModuleList(layers or [BertLayer(), BertLayer()])
        self.classifier, self.last, self.kind = classifier, last or nn.Identity(), kind
        self.bias = nn.Parameter(torch.zeros(11))

    def forward(self, ids, attention_mask=None):
        x, attentions = self.embeddings(ids), []
        for layer in self.layers:
            x, kept = layer(x, attention_mask=attention_mask)
            attentions.append(kept)
        if self.classifier is None:
            logits = F.linear(x, self.embeddings.word.weight) + self.bias
        else:
            logits = self.classifier(x[:, 0])
        logits = self.last(logits)
        if self.kind is Pair:
            return Pair(logits, x)
        if self.kind is ModelOutput:
            return ModelOutput(logits=logits, attentions=tuple(attentions))
        return self.kind(logits, attentions)


class GptBlock(nn.Module):
    """nanoGPT."""

    def __init__(self, p: float = 0.1, attn: float | None = None):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.c_attn, self.c_proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.attn_dropout = nn.Dropout(p if attn is None else attn)
        self.resid_dropout = nn.Dropout(p)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(8, 16), "c_proj": nn.Linear(16, 8),
                                  "dropout": nn.Dropout(p)})  # fmt: skip
        self.register_buffer("mask", torch.ones(6, 6).tril().view(1, 1, 6, 6))

    def forward(self, x):
        n = x.shape[1]
        q, k, v = (t.view(*x.shape[:2], 2, 4).transpose(1, 2)
                   for t in self.c_attn(self.ln_1(x)).split(8, dim=2))  # fmt: skip
        scores = (q @ k.transpose(-2, -1)) / 2
        scores = scores.masked_fill(self.mask[:, :, :n, :n] == 0, float("-inf"))
        y = (self.attn_dropout(scores.softmax(-1)) @ v).transpose(1, 2).contiguous().view(x.shape)
        x = x + self.resid_dropout(self.c_proj(y))
        m = self.mlp
        return x + m["dropout"](m["c_proj"](F.gelu(m["c_fc"](self.ln_2(x)))))


class Gpt(nn.Module):
    def __init__(self, *blocks: nn.Module, p: float = 0.1, last: nn.Module | None = None):
        super().__init__()
        self.wte, self.wpe, self.drop = nn.Embedding(11, 8), nn.Embedding(6, 8), nn.Dropout(p)
        self.h, self.ln_f = nn.ModuleList(blocks), nn.LayerNorm(8)
        self.lm_head, self.last = nn.Linear(8, 11, bias=False), last or nn.Identity()
        self.wte.weight = self.lm_head.weight

    def forward(self, ids):
        x = self.drop(self.wte(ids) + self.wpe(torch.arange(ids.shape[1])))
        for block in self.h:
            x = block(x)
        return {"logits": self.last(self.lm_head(self.ln_f(x))), "loss": None}


class BartLayer(nn.Module):
    """transformers: functional dropout, three rates of different meaning."""

    def __init__(self, dropout=0.1, activation_dropout=0.0, attention_dropout=0.0, on=None):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(8, 2, attention_dropout, batch_first=True)
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.fc1, self.fc2, self.on = nn.Linear(8, 16), nn.Linear(16, 8), on
        self.dropout, self.activation_dropout = dropout, activation_dropout

    def forward(self, x):
        on = self.training if self.on is None else self.on
        hidden = self.self_attn(x, x, x, need_weights=False)[0]
        x = self.norm1(x + F.dropout(hidden, p=self.dropout, training=self.training))
        hidden = F.dropout(F.gelu(self.fc1(x)), p=self.activation_dropout, training=self.training)
        return self.norm2(x + F.dropout(self.fc2(hidden), p=self.dropout, training=on))


class PositionalEncoding(nn.Module):
    """PyTorch's tutorial."""

    def __init__(self, p: float = 0.1):
        super().__init__()
        self.dropout = nn.Dropout(p)
        self.register_buffer("pe", torch.randn(1, 6, 8))

    def forward(self, x):
        return self.dropout(x + self.pe[:, : x.shape[1]])


class Translator(nn.Module):
    """nn.TransformerEncoder with a padding mask, and a decoder to words."""

    def __init__(self, p: float = 0.1, last: nn.Module | None = None):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, p, batch_first=True)
        self.embed, self.position = nn.Embedding(11, 8), PositionalEncoding(p)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.decoder, self.last = nn.Linear(8, 11), last or nn.Identity()

    def forward(self, ids, src_key_padding_mask=None):
        x = self.position(self.embed(ids) * math.sqrt(8))
        x = self.encoder(x, src_key_padding_mask=src_key_padding_mask)
        return self.last(self.decoder(x))


class Tagger(nn.Module):
    """Embedding, LSTM with dropout of its own, locked dropout around it."""

    def __init__(self, last: nn.Module | None = None, packed: bool = False):
        super().__init__()
        self.embed, self.locked = nn.Embedding(11, 8), LockedDropout()
        self.rnn = nn.LSTM(8, 5, num_layers=2, dropout=0.3, batch_first=True)
        self.drop, self.out, self.last = nn.Dropout(0.3), nn.Linear(5, 3), last or nn.Identity()
        self.packed = packed

    def forward(self, ids):
        x = self.locked(self.embed(ids), 0.4)
        if self.packed:
            x = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([6, 4, 2]), batch_first=True)
        x, _ = self.rnn(x)
        if self.packed:
            x, _ = nn.utils.rnn.pad_packed_sequence(x, batch_first=True)
        return self.last(self.out(self.drop(x)))


# Models that do other things in forward.
class Energy(nn.Module):
    """A force is the gradient of an energy, in evaluation too."""

    def __init__(self, p: float = 0.2, always: bool = False):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), MyDropout(p, always), nn.Linear(8, 1))

    def forward(self, x):
        x = x.requires_grad_(True)
        energy = self.net(x).sum()
        return -torch.autograd.grad(energy, x, create_graph=self.training)[0]


class FunctionalEnergy(nn.Module):
    """The same with torch.func, row by row."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))

    def forward(self, x):
        force = torch.func.grad(lambda row: self.net(row).sum())
        return torch.func.vmap(force, randomness="different")(x)


class Backwards(nn.Module):
    """Calls backward() in forward: gradients of the weights appear."""

    def __init__(self):
        super().__init__()
        self.net, self.drop = nn.Linear(6, 6), nn.Dropout(0.2)

    def forward(self, x):
        loss = self.net(self.drop(x)).square().mean()
        loss.backward()
        return loss.detach()


class Vae(nn.Module):
    """Samples, in evaluation too: no dropout."""

    def __init__(self, careless: bool = False):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 4))
        self.decoder, self.careless = nn.Linear(2, 6), careless

    def forward(self, x):
        mean, log_var = self.encoder(x).chunk(2, -1)
        z = mean + torch.randn_like(mean) * (log_var / 2).exp()
        z = F.dropout(z, 0.5) if self.careless else z
        return self.decoder(z), mean, log_var


class Frozen(nn.Module):
    """Overrides train(): batch norm stays in evaluation mode, and nothing is returned."""

    def __init__(self, passes_on: bool = True):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5))
        self.head, self.passes_on = nn.Linear(8, 3), passes_on

    def train(self, mode=True):
        if self.passes_on:
            super().train(mode)
        self.training = mode
        self.body[1].eval()

    def forward(self, x):
        return self.head(self.body(x))


class Careless(nn.Module):
    """Calls dropout without saying whether it trains."""

    def __init__(self, function=F.dropout):
        super().__init__()
        self.inner, self.out = nn.Sequential(nn.Linear(6, 6), nn.ReLU()), nn.Linear(6, 3)
        self.function = function

    def forward(self, x):
        return self.out(self.function(self.inner(x), 0.5))


class Listed(nn.Module):
    """Keeps its layers in a Python list, which eval() does not look into."""

    def __init__(self):
        super().__init__()
        self.layers, self.out = [nn.Linear(6, 6), nn.Dropout(0.5)], nn.Linear(6, 3)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.out(x)


class Keyword(nn.Module):
    """Its layers are called by keyword, and answer in a dataclass."""

    def __init__(self, always: bool = False):
        super().__init__()
        self.first, self.drop = nn.Linear(6, 6), MyDropout(0.5, always)
        self.inner, self.out = Wrapped(nn.Linear(6, 6)), nn.Linear(6, 3)

    def forward(self, x):
        return Outputs(self.out(self.inner(hidden=self.drop(x=self.first(x))).logits))


class Wrapped(nn.Module):
    """Gives a dataclass of what another module makes."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, hidden):
        return Outputs(self.inner(hidden))


class LayerDrop(nn.Module):
    """Skips whole layers."""

    def __init__(self, always: bool = False):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))
        self.out, self.always = nn.Linear(6, 3), always

    def forward(self, x):
        for layer in self.layers:
            if (self.training or self.always) and torch.rand([]) < 0.5:
                continue
            x = layer(x).relu()
        return self.out(x)


class TwoHeads(nn.Module):
    """Gives the features, too, which are dropped before they go on."""

    def __init__(self, last: nn.Module | None = None):
        super().__init__()
        self.body, self.drop = nn.Linear(6, 8), nn.Dropout(0.3)
        self.a, self.b, self.last = nn.Linear(8, 3), nn.Linear(8, 2), last or nn.Identity()

    def forward(self, x):
        features = self.drop(self.body(x))
        return {"a": self.last(self.a(features)), "b": self.b(features), "features": features}


class MaskedAutoencoder(nn.Module):
    """Hides patches, in evaluation too: that is its task, and no dropout."""

    def __init__(self):
        super().__init__()
        self.embed, self.block, self.out = nn.Linear(8, 8), VitBlock(drop=0.1), nn.Linear(8, 3)

    def forward(self, x):
        order = torch.rand(x.shape[:2]).argsort(1)[:, :3]
        shown = x.gather(1, order[..., None].expand(-1, -1, x.shape[-1]))
        return self.out(self.block(self.embed(shown)))
