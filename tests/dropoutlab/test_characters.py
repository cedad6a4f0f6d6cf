"""The texts and the LSTMs of *Sequences*: are they what they are said to be?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dropoutlab import characters


def test_the_course_text_is_as_described() -> None:
    """Has it the length, the characters and the lines that datasets/README.md tells?"""
    text = characters.text()
    assert (len(text), len(set(text)), max(map(len, text.splitlines()))) == (38_292, 70, 80)
    assert text.isascii()
    readme = (characters.ROOT / "datasets/README.md").read_text(encoding="utf-8")
    assert f"| `course.txt` | `{characters.SHA256['course']}` |" in readme
    shakespeare = characters.SHA256["tinyshakespeare"]
    assert f"| `tinyshakespeare/input.txt` | `{shakespeare}` |" in readme


@pytest.mark.parametrize("name", ["course", "tinyshakespeare"])
def test_absence_and_damage_end_in_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Does the sentence name the file and the remedy?"""
    monkeypatch.setattr(characters, "ROOT", tmp_path)
    monkeypatch.setenv("DROPOUT_DATA", "datasets")  # a relative path counts from the project
    path = tmp_path / {"course": "datasets/course.txt"}.get(name, f"datasets/{name}/input.txt")
    remedy = {"course": "git restore datasets/course.txt"}.get(name, "DROPOUT_DATA")
    with pytest.raises(FileNotFoundError) as caught:
        characters.text(name)
    assert _is_one_sentence(str(caught.value)) and str(path) in str(caught.value)
    assert remedy in str(caught.value)
    path.parent.mkdir(parents=True)
    path.write_text("To be, or not.")
    with pytest.raises(ValueError, match="damaged") as caught:
        characters.text(name)
    assert _is_one_sentence(str(caught.value)) and str(path) in str(caught.value)
    assert remedy in str(caught.value)


def _is_one_sentence(words: str) -> bool:
    return words.endswith(".") and ". " not in words and "\n" not in words


def test_numbers_stand_for_the_text() -> None:
    """Do train and test, as numbers, spell its beginning and its end, and never overlap?"""
    train, test, alphabet = characters.numbered(most=10**9)
    whole = characters.text()
    assert len(train) + len(test) == len(whole)
    assert "".join(alphabet[k] for k in np.concatenate([train, test])) == whole


def test_readers_are_lstms() -> None:
    """Is each of several nets at once nn.LSTM with an embedding and a readout, masks on input?"""
    torch.manual_seed(0)
    steps, batch, units, symbols = 7, 3, 5, 9
    factor = 2.0 * (torch.rand(steps, 2 * batch, units) >= 0.5)
    ways = [{}, {"input": lambda ones: ones * factor}]
    readers = characters.LSTMs(ways, symbols, units, seeds=2, forget=1)
    tokens = torch.randint(symbols, (steps, batch))
    for training in (True, False):
        logits = readers.logits(tokens, training)
        for net in range(4):
            way, seed = divmod(net, 2)
            w = {name: weight[net] for name, weight in readers.weights.items()}
            known = nn.LSTM(units, units)
            state = dict(zip(known.state_dict(), (w["U"].T, w["V"].T, w["b"][0]), strict=False))
            known.load_state_dict(state | {"bias_hh_l0": torch.zeros(4 * units)})
            # their gates come in the order i, f, g, o and ours in i, f, o, g
            order = torch.arange(4 * units).view(4, units)[[0, 1, 3, 2]].flatten()
            for parameter in known.parameters():
                parameter.data = parameter.data[order]
            x = w["E"][tokens]
            if training and way == 1:
                x = x * factor[:, seed * batch : (seed + 1) * batch]
            right = known(x)[0] @ w["W"] + w["a"]
            torch.testing.assert_close(logits[net], right, rtol=1e-4, atol=1e-5)


def test_nets_of_one_seed_begin_alike() -> None:
    """Do two ways start from the same weights, and two seeds from different ones?"""
    weights = characters.LSTMs([{}, {}], 9, 5, seeds=2, forget=1).weights["V"]
    assert torch.equal(weights[:2], weights[2:]) and not torch.equal(weights[0], weights[1])
