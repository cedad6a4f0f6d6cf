"""The networks that train in the page: the same as in NumPy, and what dropout does to them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dropoutlab import studies
from dropoutlab.explore.explorer import Explorer
from dropoutlab.studies import moons
from grader.website.script import Script

RACED = """((race, steps) => {{ while (race.steps < steps) race.step(); return {value}; }})
(new Race({size}, {width}, {rates}, {seed}), {steps})"""


@pytest.fixture(scope="module")
def engine() -> Script:
    return Script(Explorer("training", dict))


def raced(engine: Script, value: str, size: int, width: int, rates: list, seed: int, steps: int):
    """What the browser's `race` has after so many steps."""
    return engine.evaluate(RACED.format(
        value=value, size=size, width=width, rates=json.dumps(rates), seed=seed, steps=steps,
    ))  # fmt: skip


def test_slopes_are_those_of_the_loss(engine: Script):
    """Does a finite difference of the loss agree with the slope, parameter by parameter?"""
    slope, found = engine.evaluate("""((race) => {
      for (let k = 0; k < 9; k++) race.step();
      const net = race.nets[0], { all } = net, nudge = 1e-6;
      net.factor = net.factor.map((_, j) => (j % 3 ? 2 : 0));
      const loss = () => net.back(0.3, -0.7, 1, 1);
      net.slope.fill(0);
      loss();
      const slope = Array.from(net.slope);
      return [slope, slope.map((_, k) => {
        const [up, down] = [nudge, -nudge].map((by) => {
          const before = all[k];
          all[k] += by;
          const value = loss();
          all[k] = before;
          return value;
        });
        return (up - down) / (2 * nudge);
      })];
    })(new Race(40, 12, [0.5], 1))""")
    assert np.count_nonzero(slope) > len(slope) / 5
    assert np.allclose(slope, found, rtol=1e-5, atol=1e-8)


def test_the_page_and_numpy_train_one_network(engine: Script):
    """Are the weights after 20 steps the same, with and without dropout?"""
    rates, seed = [0.0, 0.5], int(np.random.default_rng().integers(1000))
    here = raced(engine, "race.nets.map((net) => Array.from(net.all))", 40, 16, rates, seed, 20)
    there = moons.trained(40, 16, np.array(rates), np.array([seed]), 20).all[:, 0]
    assert np.allclose(here, there, rtol=1e-9, atol=1e-9)
    assert not np.allclose(there[0], there[1], atol=1e-3)


@pytest.mark.parametrize("width", moons.WIDTHS)
def test_pairs_of_the_table_can_be_watched(engine: Script, width: int):
    """Do pairs, trained to the end in the page, come out as the study says?

    In one network of forty the order of additions, which is another on each machine, grows over
    1500 steps to a difference that can be seen.
    """
    rng, apart = np.random.default_rng(), []
    fresh = "race.looks.at(-1).errors.map(([own, fresh]) => fresh)"
    for _ in range(5):
        size, k = int(rng.choice(moons.SIZES)), int(rng.integers(1, len(moons.RATES)))
        seed = int(rng.integers(moons.SEEDS))
        errors = raced(engine, fresh, size, width, [0, moons.RATES[k]], seed, moons.STEPS)
        test = studies.kept("moons")[f"{width} {size}"]["test"]
        apart += [abs(errors[0] - test[0][seed]), abs(errors[1] - test[k][seed])]
    assert sum(difference > 0.3 for difference in apart) <= 3, apart


def test_dropout_closes_the_gap_of_wide_networks(engine: Script):
    """With 64 units and 40 points, is the gap narrower with dropout, by more than luck explains?"""
    gaps = np.array([
        raced(engine, "race.looks.at(-1).errors.map(([own, fresh]) => fresh - own)", 40, 64,
              [0, 0.5], seed, moons.STEPS)
        for seed in range(10)
    ])  # fmt: skip
    change = gaps[:, 1] - gaps[:, 0]
    error = change.std(ddof=1) / np.sqrt(len(change))
    assert change.mean() + 3.25 * error < 0, (change.mean(), error)  # 99 % for nine degrees


def test_dropout_helps_where_points_are_few_and_hurts_where_they_are_many():
    """Do the pairs of the study answer the explorer's question, each way, beyond their spread?"""
    found = studies.kept("moons")
    half = moons.RATES.index(0.5)

    def bounds(width: int, size: int) -> tuple[float, float]:
        test = np.array(found[f"{width} {size}"]["test"])
        change = test[half] - test[0]
        error = change.std(ddof=1) / np.sqrt(len(change))
        return change.mean() - 2.1 * error, change.mean() + 2.1 * error

    assert bounds(64, 40)[1] < 0 < bounds(16, 320)[0]
    assert bounds(4, 320)[0] > 0
