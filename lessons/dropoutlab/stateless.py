"""Masks without a state, as lesson 4.1 builds them: a seed and an entry's number in, a coin out."""

from __future__ import annotations

import torch


def words(counter: torch.Tensor, seed: int) -> torch.Tensor:
    """The four words of each counter (int64, one number each): the last axis is theirs."""
    from dropoutlab import own

    zero = torch.zeros_like(counter)
    given = counter & own.WORD, counter >> 32, zero, zero
    return torch.stack(own.philox_4x32(given, (seed & own.WORD, seed >> 32)), -1)


def coins(number: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
    """The coins in [0, 1) that a kernel may give to these addresses, by how it makes them.

    "four": word a % 4 of counter a // 4. "one": the first word of counter a. Each as the upper 24
    bits of the word, and as Triton's `tl.rand` turns it into a number ("…, tl.rand").
    """
    from dropoutlab import own

    both = {
        "four": words(number // 4, seed).gather(-1, (number % 4)[..., None])[..., 0],
        "one": words(number, seed)[..., 0],
    }
    made = {name: own.uniform_from_uint32(word) for name, word in both.items()}
    for name, word in both.items():
        low = torch.where(word < 2**31, word, own.WORD - word)
        made[f"{name}, tl.rand"] = low.float() * 4.6566127342e-10
    return made


def nearest(kept: torch.Tensor, number: torch.Tensor, p: float, seed: int) -> torch.Tensor:
    """Of the masks that `coins` allow at these addresses, the one that is nearest to `kept`."""
    masks = [coin >= p for coin in coins(number, seed).values()]
    return min(masks, key=lambda mask: int((mask != kept).sum()))
