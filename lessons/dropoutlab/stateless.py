"""Masks without a state, as lesson 4.1 builds them: a seed and an entry's number in, a coin out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

WORD = 0xFFFFFFFF
"""The largest word, and the mask that cuts a number down to one."""


def philox_4x32(counter: Sequence[Any], key: Sequence[Any], rounds: int = 10) -> tuple[Any, ...]:
    """Philox-4x32 (Salmon et al. 2011): four words, of ints or int64 tensors."""
    a, b, c, d = counter
    for n in range(rounds):
        k, l = (key[0] + n * 0x9E3779B9) & WORD, (key[1] + n * 0xBB67AE85) & WORD  # noqa: E741
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b = ((second >> 32) & WORD) ^ b ^ k, second & WORD
        c, d = ((first >> 32) & WORD) ^ d ^ l, first & WORD
    return a, b, c, d


def uniform_from_uint32(x: torch.Tensor) -> torch.Tensor:
    """The upper 24 bits of each word as a multiple of 2^-24 in [0, 1), float32."""
    return (x >> 8).float() / 2**24


def words(counter: torch.Tensor, seed: int) -> torch.Tensor:
    """The four words of each counter (int64, one number each): the last axis is theirs."""
    zero = torch.zeros_like(counter)
    given = counter & WORD, counter >> 32, zero, zero
    return torch.stack(philox_4x32(given, (seed & WORD, seed >> 32)), -1)


def seeded_mask(
    shape: Sequence[int], p: float, seed: int, offset: int = 0, device: Any = None
) -> torch.Tensor:
    """True where an entry is kept: where the first word of its number is a coin of p or more."""
    number = offset + torch.arange(math.prod(shape), device=device)
    return (uniform_from_uint32(words(number, seed)[..., 0]) >= p).reshape(tuple(shape))


def coins(number: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
    """The coins in [0, 1) that a kernel may give to these addresses, by how it makes them.

    "four": word a % 4 of counter a // 4. "one": the first word of counter a. Each as the upper 24
    bits of the word, and as Triton's `tl.rand` turns it into a number ("…, tl.rand").
    """
    both = {
        "four": words(number // 4, seed).gather(-1, (number % 4)[..., None])[..., 0],
        "one": words(number, seed)[..., 0],
    }
    made = {name: uniform_from_uint32(word) for name, word in both.items()}
    for name, word in both.items():
        low = torch.where(word < 2**31, word, WORD - word)
        made[f"{name}, tl.rand"] = low.float() * 4.6566127342e-10
    return made


def nearest(kept: torch.Tensor, number: torch.Tensor, p: float, seed: int) -> torch.Tensor:
    """Of the masks that `coins` allow at these addresses, the one that is nearest to `kept`."""
    masks = [coin >= p for coin in coins(number, seed).values()]
    return min(masks, key=lambda mask: int((mask != kept).sum()))
