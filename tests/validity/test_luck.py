from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest

from kronos_quant.stats.selection import estimate_overfitting
from kronos_quant.validity import TrialRow, luck_of, read_trials, record_trials

DAYS = [date(2020, 1, 1) + timedelta(days=i) for i in range(500)]


def examined(tmp_path, own, edge=None, others=(), days=DAYS):
    edge = own if edge is None else edge
    rows = [TrialRow(f"other-{i}", "{}", returns, returns) for i, returns in enumerate(others)]
    record_trials(tmp_path, "r", "s", "p", days, [*rows, TrialRow("own", "{}", own, edge)])
    trials = read_trials(tmp_path)
    return luck_of(own, edge, trials, estimate_overfitting(trials.returns_on(days)), 250)


def noise(count: int, seed: int = 0, mean: float = 0.0, sessions: int = 500) -> np.ndarray:
    """Returns of exactly this mean."""
    drawn = np.random.default_rng(seed).normal(0, 0.01, (count, sessions))
    return drawn - drawn.mean(axis=1, keepdims=True) + mean


def test_one_good_trial_passes(tmp_path):
    [own] = noise(1, mean=0.002)
    found = examined(tmp_path, own)
    assert found.passes
    assert found.overfitting is None
    told = "\n".join(found.lines())
    assert told.startswith("PASSES: a Sharpe ratio like this is hardly the luck of one trial.")
    assert "1 distinct configuration has been tried in this workspace" in told
    assert "needs two trials" in told


def test_the_best_of_many_does_not(tmp_path):
    drawn = np.random.default_rng(1).normal(0, 0.01, (200, 500))
    order = np.argsort(drawn.mean(axis=1) / drawn.std(axis=1))
    best, others = drawn[order[-1]], drawn[order[:-1]]
    assert examined(tmp_path / "alone", best).passes
    found = examined(tmp_path / "many", best, others=others)
    assert not found.passes
    assert found.whole.trials == 200
    # what luck would show: 2.76 standard deviations of 1 / sqrt(500)
    assert found.whole.expected_max == pytest.approx(2.76 / math.sqrt(500), rel=0.1)
    told = "\n".join(found.lines())
    assert told.startswith("DOES NOT PASS: the luck of 200 trials may explain it.")
    assert "over 200 trials on these 500 sessions (12,870 splits into halves)" in told


def test_what_the_universe_earned_does_not_pass(tmp_path):
    own, edge = noise(1, mean=0.002)[0], noise(1, seed=2)[0]
    found = examined(tmp_path, own, edge)
    assert found.whole.passes
    assert not found.passes
    assert found.headline() == "DOES NOT PASS: what its universe earned by itself explains the Sharpe ratio."


def test_an_edge_that_lost_money_does_not_pass(tmp_path):
    found = examined(tmp_path, noise(1, mean=-0.002)[0], noise(1, seed=2, mean=0.002)[0])
    assert found.edge.passes
    assert not found.passes
    beyond = "DOES NOT PASS: chance alone may explain the returns, though not what they were beyond its universe's."
    assert found.headline() == "DOES NOT PASS: it earned nothing after costs."
    weak = examined(tmp_path / "weak", noise(1, mean=0.0002)[0], noise(1, seed=2, mean=0.002)[0])
    assert weak.headline() == beyond


@pytest.mark.parametrize(
    ("own", "days", "why"),
    [(np.zeros(500), DAYS, "returns that do not move"), (noise(1)[0][:19], DAYS[:19], "fewer than 20 sessions")],
)
def test_what_cannot_be_told_does_not_pass_and_says_why(tmp_path, own, days, why):
    found = examined(tmp_path, own, days=days)
    assert not found.passes
    assert found.lines()[0] == f"DOES NOT PASS: {why} say nothing about luck."
    assert not any("nan" in line for line in found.lines())


def test_the_figures_are_annual_and_complete(tmp_path):
    [own] = noise(1, mean=0.001)
    figures = examined(tmp_path, own, others=noise(20, seed=3)).as_dict()
    assert figures["trials"] == figures["overfitting_trials"] == 21
    assert figures["sharpe_ratio_without_universe"] == pytest.approx(own.mean() / own.std(ddof=1) * math.sqrt(250))
    assert figures["deflated_sharpe_asked"] == 0.95
    assert 0 <= figures["overfitting_probability"] <= 1
    assert figures["overfitting_splits"] == 12_870
    assert figures["deflated_sharpe_passes"] == (figures["deflated_sharpe_probability"] > 0.95)


def test_overfitting_is_put_into_words(tmp_path):
    ahead = examined(tmp_path / "a", noise(1, mean=0.003)[0], others=noise(5, seed=4))
    assert "the best of one half tends to stay ahead in the other" in "\n".join(ahead.lines())
    swing = np.repeat([1.0, -1.0], 250) * 0.004 + noise(1)[0]
    behind = examined(tmp_path / "b", swing, others=[-swing])
    assert "picking the best of them is no better than picking any" in "\n".join(behind.lines())
