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


def test_a_layer_stands_in_for_the_recurrence() -> None:
    """Does a network with nn.LSTM inside say what the one among many says that it is made of?"""
    torch.manual_seed(0)
    readers = characters.LSTMs([{}], 9, 5, seeds=3, forget=1)
    alone = characters.Alone(readers, 1, nn.LSTM(5, 5))
    tokens = torch.randint(9, (6, 4))
    torch.testing.assert_close(alone(tokens), readers.logits(tokens, False)[1])


def test_a_table_is_looked_up_in_training_alone() -> None:
    """Does "table" get each network's own rows, and does evaluation leave them as they are?"""
    torch.manual_seed(0)
    ways = [{}, {"table": lambda table, tokens: 2 * table[tokens]}]
    readers = characters.LSTMs(ways, 9, 5, seeds=2, forget=1)
    tokens = torch.randint(9, (6, 4))
    plain, doubled = readers.logits(tokens, False), readers.logits(tokens, True)
    torch.testing.assert_close(plain[:2], doubled[:2])
    with torch.no_grad():
        readers.weights["E"] *= 2
    torch.testing.assert_close(readers.logits(tokens, False)[2:], doubled[2:])


def test_an_rnn_has_no_other_state() -> None:
    """Is each of several nets nn.RNN with an embedding and a readout?"""
    torch.manual_seed(0)
    nets = characters.RNNs([{}], 9, 5, seeds=2)
    tokens = torch.randint(9, (6, 4))
    w = {name: weight[1].detach() for name, weight in nets.weights.items()}
    known = nn.RNN(5, 5)
    known.load_state_dict(
        {"weight_ih_l0": w["U"].T, "weight_hh_l0": w["V"].T, "bias_ih_l0": w["b"][0],
         "bias_hh_l0": 0 * w["b"][0]}
    )  # fmt: skip
    right = known(w["E"][tokens])[0] @ w["W"] + w["a"]
    torch.testing.assert_close(nets.logits(tokens, True)[1], right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("smooth", [False, True])
def test_tones_are_of_mean_0(smooth: bool) -> None:
    """Are spectrograms of the shape, mean and noise that is said, and the same from one seed?"""
    x, words = characters.tones(200, 3, smooth)
    assert x.shape == (characters.FRAMES, 200, characters.BANDS) and set(words.tolist()) <= set(
        range(9)
    )
    assert abs(float(x.mean())) < 0.02
    assert torch.equal(x, characters.tones(200, 3, smooth)[0])
