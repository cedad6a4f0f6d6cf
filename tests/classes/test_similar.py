"""Are copies found, disguised too, and is nobody alike for what the exercise forces?"""

from __future__ import annotations

import json
import random
import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_markdown_cell, new_notebook

import classroom
from fuzz import fuzzed
from grader import cli
from grader.authoring.reading import read
from grader.classes import similar
from grader.classes.similar import RUN, WINDOW
from grader.paths import SOLUTIONS

LESSON = read(SOLUTIONS / "13_inverted_dropout.py")
NAME = "inverted_dropout"
FORCED = {NAME: similar.forced(LESSON, {})[NAME]}
HEAD = "def inverted_dropout(x, p, rng, training=True):\n"
HONEST = [HEAD + body for body in (
    """    if not training or p == 0:
        return np.array(x)
    if p == 1:
        return np.zeros_like(x)
    mask = rng.random(x.shape) > p
    return (mask * x / (1 - p)).astype(x.dtype)
""",
    """    out = np.zeros_like(x)
    if training:
        alive = survivors(x, p, rng)
        out[alive] = x[alive] / (1 - p)
    else:
        out[...] = x
    return out
""",
    """    check_probability(p)
    if training == False:
        return x.copy()
    q = 1 - p
    if q == 0:
        return 0 * x
    return np.where(survivors(x, p, rng), x / q, 0).astype(x.dtype)
""",
    """    check_probability(p)
    if training is False:
        return x + 0
    keep_probability = 1.0 - p
    bernoulli = rng.binomial(n=1, p=keep_probability, size=x.shape)
    if keep_probability > 0:
        scaled = x / keep_probability
    else:
        scaled = x
    result = bernoulli * scaled
    return result.astype(x.dtype)
""",
    """    check_probability(p)
    if not training:
        return x.copy()
    m = survivors(x, p, rng)
    if p < 1:
        y = m * x / (1 - p)
    else:
        y = np.zeros(x.shape, dtype=x.dtype)
    return y
""",
    """    check_probability(p)
    y = x.copy()
    if not training:
        return y
    dropped = ~survivors(x, p, rng)
    y[dropped] = 0
    y[~dropped] /= 1 - p
    return y
""",
    """    # the mask
    if not training:
        return np.copy(x)
    coins = rng.uniform(0, 1, size=x.shape)
    mask = (coins >= p).astype(x.dtype)
    if p >= 1.0:
        return np.zeros_like(x)
    return x * mask * (1.0 / (1.0 - p))
""",
    """    check_probability(p)
    keep = survivors(x, p, rng) if training else np.ones(x.shape, bool)
    scale = 1 / (1 - p) if training and p < 1 else 1
    return (x * keep * scale).astype(x.dtype)
""",
)]  # fmt: skip
OWN = re.compile(
    r"\b(mask|alive|q|keep_probability|bernoulli|scaled|result|m|y|dropped|coins|keep|scale|out)\b"
)


def disguised(source: str) -> str:
    """Other names, another layout, a docstring, comments, and a line that does nothing."""
    renamed = OWN.sub(lambda match: f"my_{match[0]}2", source)
    lines = renamed.replace("    ", "  ").replace("(", "( ").splitlines()
    return "\n".join([lines[0], '  """My own."""', "  n = 0  # begin", *lines[1:], "  # end", ""])


def found(texts: dict[str, str]) -> similar.Found:
    return similar.similar({who: {NAME: text} for who, text in texts.items()}, FORCED)


CLASS = {f"h{i}": text for i, text in enumerate(HONEST)}


def test_who_worked_alone_is_not_told():
    """Are eight answers that eight people might write, the same method in some, no pair?"""
    assert found(CLASS).pairs == []


@pytest.mark.parametrize("learner", CLASS)
@pytest.mark.parametrize("copy", [str, disguised], ids=["as it is", "disguised"])
def test_a_copy_is_the_first_pair(copy, learner: str):
    """Is a copy found whatever it is called, and nobody else with it?"""
    pairs = found(CLASS | {"copy": copy(CLASS[learner])}).pairs
    assert [pair.learners for pair in pairs] == [("copy", learner)]
    one, other = pairs[0].answers[0].lines
    assert set(other) <= {line.strip() for line in CLASS[learner].splitlines()} and one


@pytest.mark.parametrize("text", [
    cell.source
    for kind in ("exercise", "correct", "mistake")
    for cell in LESSON.of(kind, NAME)
])  # fmt: skip
def test_what_the_exercise_forces_makes_nobody_alike(text: str):
    """Are two learners with the right answer, or a typical mistake, no pair?"""
    assert found({"ada": text, "bo": disguised(text)}).pairs == []


def test_what_the_class_shares_makes_nobody_alike():
    """Is what twenty copied from the board no pair, while another pair is still found?"""
    texts = {f"l{i:02}": HONEST[3] for i in range(20)} | CLASS
    assert found(texts).pairs == []
    pairs = found(texts | {"x": disguised(HONEST[6])}).pairs
    assert [pair.learners for pair in pairs] == [("h6", "x")]


words = st.lists(st.sampled_from(string.ascii_lowercase), min_size=1, max_size=60)


@fuzzed()
@given(words, words, words, words, st.randoms())
def test_a_long_enough_passage_is_never_missed(
    before: list[str], after: list[str], left: list[str], right: list[str], dice: random.Random
):
    """Do texts that share RUN + WINDOW - 1 tokens share a fingerprint, as winnowing promises?"""
    passage = [dice.choice(string.ascii_lowercase) for _ in range(RUN + WINDOW - 1)]
    one, other = (
        similar.winnowed(similar.runs([(word, 0) for word in text]))
        for text in (before + passage + after, left + passage + right)
    )
    assert {*one} & {*other}


@fuzzed()
@given(st.lists(st.tuples(st.integers(0, 9), st.just(0)), max_size=40))
def test_fingerprints_are_few_and_of_the_text(hashes: list[tuple[int, int]]):
    """Are they some of the hashes, one at least where there is any, and one in each window?"""
    kept = {*similar.winnowed(hashes)}
    values = [value for value, _ in hashes]
    assert kept <= {*values} and bool(kept) == bool(values)
    for i in range(len(values) - WINDOW + 1):
        assert kept & {*values[i : i + WINDOW]}


@pytest.mark.parametrize(
    "text", ["", "(" * 5_000, "def f(:\n  '''", "x = '\ud800'", "\0\n", "é" * 99]
)
def test_what_is_no_python_is_compared_as_far_as_it_goes(text: str):
    """Does no text stop the comparison?"""
    assert found({"ada": text, "bo": text, "cy": HONEST[0], "di": HONEST[0]}).pairs[0].learners == (
        "cy", "di",
    )  # fmt: skip


def test_an_answer_without_end_is_cut():
    """Is what a learner writes compared up to a length, in however many cells it stands?"""
    cell = new_markdown_cell("a " * similar.LONGEST)
    cell.metadata["nbgrader"] = {"grade_id": "why", "solution": True}
    assert len(similar.written(new_notebook(cells=[cell]))["why"]) == similar.LONGEST


def test_prose_is_compared_by_its_words():
    """Is a text copied with another punctuation found, and the marking guide's words forced?"""
    (guide,) = LESSON.of("answer")
    known = {guide.name: similar.forced(LESSON, {})[guide.name]}
    mine = (
        "The network that everybody uses later should not have to know how it was trained, because "
        "somebody will forget to pass that number along and nothing will complain when they do."
    )
    copy = mine.replace(",", " –").upper()
    other = (
        "Because the mean stays the same, so at test time you just run it and nothing is scaled."
    )
    texts = {"ada": mine, "bo": copy, "cy": other, "di": guide.source, "ed": guide.source}
    answers = {who: {guide.name: text} for who, text in texts.items()}
    pairs = similar.similar(answers, known, [guide.name]).pairs
    assert [pair.learners for pair in pairs] == [("ada", "bo")]


@pytest.mark.slow
def test_the_command_names_pairs_and_gives_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    """Is a pair told with its lines, from real notebooks, one of them broken?"""
    text = Path(cli.ROOT, "lessons", LESSON.name, f"{LESSON.name}.ipynb").read_text("utf-8")
    for who, answer in {"ada": HONEST[5], "bo": disguised(HONEST[5]), "cy": HONEST[1]}.items():
        path = tmp_path / "submitted" / who / LESSON.name / f"{LESSON.name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(classroom.notebook(text, {NAME: answer})), "utf-8")
    broken = tmp_path / "submitted" / "eve" / LESSON.name
    broken.mkdir(parents=True)
    (broken / f"{LESSON.name}.ipynb").write_text("{", encoding="utf-8")
    before = {p for p in tmp_path.rglob("*")}
    assert cli.main(["similar", "13", "--course", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "ada and bo" in said
        and "ada: check_probability(p) ⏎ y = x.copy()" in said
        and "no verdict" in said
    )
    assert "3 learners, 1 pair alike" in said and before == {p for p in tmp_path.rglob("*")}
