"""What lessons on GPUs ask without one: of fake tensors, of Triton's interpreter, of the seed."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dropoutlab import elsewhere, own, probes, stateless

pytest.importorskip("triton")

from dropoutlab import gpu
from dropoutlab.gpu import four_words, tl, triton

interpreted = pytest.mark.skipif(not gpu.INTERPRETED, reason="a GPU is there, and does not tell")


@triton.jit
def plain_kernel(x, y, n, p, scale, seed, BLOCK: tl.constexpr):
    block = tl.program_id(0).to(tl.int64)
    i = block * (4 * BLOCK) + tl.arange(0, 4 * BLOCK)
    words = four_words(seed, block * BLOCK + tl.arange(0, BLOCK))
    value = tl.load(x + i, mask=i < n)
    tl.store(y + i, tl.where((words >> 8) * 2.0**-24 >= p, value * scale, 0.0), mask=i < n)


@triton.jit
def sum_kernel(x, other, y, n, more, p, scale, seed, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * (4 * BLOCK) + tl.arange(0, 4 * BLOCK)
    tl.store(y + i, tl.load(x + i, mask=i < n) + tl.load(other + i % more), mask=i < n)


def test_philox_gives_the_published_words():
    """Does Philox answer the digits of pi as its authors say?"""
    counter = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    words = own.philox_4x32(counter, (0xA4093822, 0x299F31D0))
    assert words == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)


@triton.jit
def coins_kernel(out, seed, first, FOUR: tl.constexpr, RAND: tl.constexpr):
    if FOUR:
        word = four_words(seed, first // 4 + tl.arange(0, 16).to(tl.int64))
    else:
        word = tl.randint(seed, first + tl.arange(0, 64).to(tl.int64))
    if RAND:
        tl.store(out + tl.arange(0, 64), tl.uint_to_uniform_float(word))
    else:
        tl.store(out + tl.arange(0, 64), (word >> 8) * 2.0**-24)


@interpreted
@pytest.mark.parametrize("name", ["four", "four, tl.rand", "one", "one, tl.rand"])
@pytest.mark.parametrize("first", [0, 2**34])
def test_coins_are_tritons(name: str, first: int):
    """Are the coins that a kernel may have those that Triton makes, also behind 2^32?"""
    found = stateless.coins(first + torch.arange(64), 5 + 8 * 2**32)[name]
    out = torch.empty(64)
    coins_kernel[(1,)](out, 5 + 8 * 2**32, first, FOUR="four" in name, RAND="rand" in name)
    assert torch.equal(out, found)


@interpreted
def test_what_a_kernel_moves_and_draws_is_counted():
    """Are bytes and counters counted, of existing entries and of whole blocks?"""
    x, y = torch.ones(100, dtype=torch.float16), torch.empty(100, dtype=torch.float16)
    with gpu.counted() as told:
        plain_kernel[(2,)](x, y, 100, 0.5, 2.0, 7, BLOCK=16)
    assert (told.loaded, told.stored, told.counters) == (200, 200, 32)
    before = told.stored
    plain_kernel[(2,)](x, y, 100, 0.5, 2.0, 7, BLOCK=16)
    assert told.stored == before


@interpreted
def test_a_far_block_is_told():
    """Does a block beyond all memory tell where it would store what, and leave the builder?"""
    found = probes.far_block(plain_kernel, 2**25, 2**31 + 30, (), 0.5, 9, 16)
    assert found is not None
    where, what = (torch.as_tensor(part) for part in found)
    number = 2**31 + torch.arange(30)
    assert torch.equal(where, number)
    assert torch.equal(what != 0, stateless.coins(number, 9)["four"] >= 0.5)
    found = probes.far_block(sum_kernel, 2**25, 2**31 + 30, (5,), 0.5, 9, 16, 1)
    assert found is not None and (found[1] == 2).all()
    assert torch.equal(torch.as_tensor(found[0]), number)
    y = torch.zeros(8)
    plain_kernel[(1,)](torch.ones(8), y, 8, 0.0, 1.0, 9, BLOCK=16)
    assert torch.equal(y, torch.ones(8))


CACHE = {}


class Hiding(torch.autograd.Function):
    """The identity, which keeps 1000 bytes or numbers in a way of its own."""

    @staticmethod
    def forward(ctx, x, way):
        kept = x > 0
        if way == "list":
            ctx.kept = kept.tolist()
        elif way == "closure":
            ctx.back = lambda: kept
        elif way == "default":
            ctx.back = lambda kept=kept: kept
        elif way == "cache":
            CACHE[7] = kept
        else:
            ctx.settings = 0.5, 7, [way]
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy, None


@pytest.mark.parametrize(
    ("way", "size"),
    [("list", 8000), ("closure", 1000), ("default", 1000), ("cache", 1000), ("nothing", 0)],
)
def test_a_mask_is_found_where_it_hides(way: str, size: int):
    """Is a mask counted as a list, around a function, in a cache, and are settings no mask?"""
    x = torch.ones(1000, requires_grad=True)
    assert probes.saved_bytes(Hiding.apply, x, way) == size


def test_a_device_is_told():
    """Is it told where y and dx are, for an x on the device without memory?"""
    assert probes.device_of(torch.zeros, 3) == "cpu"
    assert probes.devices_on_meta(torch.sin) == "meta and meta"
    for right in (lambda x: x[x > 0], lambda x: x if (x > 0).all() else -x):
        assert probes.devices_on_meta(right) == "meta and meta", "it reads an entry, and is right"
    with pytest.raises(RuntimeError):
        probes.devices_on_meta(lambda x: x * torch.ones(6))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of torch's own code
def test_masks_are_kept_as_on_the_device():
    """Does a CPU keep float32 numbers, a GPU booleans, and flash attention sixteen bytes?"""
    counts = elsewhere.mask_bytes_of_a_layer({"attention": (2, 4, 8, 8), "residual": (2, 8, 32)})
    assert counts["cpu"] == {"attention": 4 * 512, "residual": 4 * 512}
    assert counts["gpu"] == {"attention": 512, "residual": 512}
    assert counts["flash"] == {"attention": 16, "residual": 512}
    assert counts["compiled"] == {"attention": 512, "residual": 512}
    own = nn.Dropout(0.1)
    assert probes.saved_bytes(own, torch.ones(512, requires_grad=True)) == 4 * 512


def test_what_operations_move_is_counted():
    """Are inputs and outputs of each operation counted, the mask among them?"""
    steps = elsewhere.moved(lambda x, b: F.dropout(x + b, 0.1), (8, 16), (16,))
    assert steps == [("add", 4 * (128 + 16 + 128)), ("native_dropout", 4 * 256 + 128)]
