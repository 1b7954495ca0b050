from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest

from kronos_quant.stats.selection import Overfitting, estimate_overfitting
from kronos_quant.validity.luck import assess_luck, overfitting_line
from kronos_quant.validity.trials import TrialRow, read_trials, record_trials

DAYS = [date(2020, 1, 1) + timedelta(days=i) for i in range(500)]


def examined(tmp_path, own, edge=None, others=(), days=DAYS):
    edge = own if edge is None else edge
    rows = [TrialRow(f"other-{i}", "{}", returns, returns) for i, returns in enumerate(others)]
    record_trials(tmp_path, "r", "s", "p", days, [*rows, TrialRow("own", "{}", own, edge)])
    trials = read_trials(tmp_path)
    return assess_luck(own, edge, trials, estimate_overfitting(trials.returns_on(days)), 250)


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
    assert told.startswith(
        "PASS: the Sharpe ratios of the total return and of the excess over the universe are significant at 95% after "
        "adjusting for 1 trial."
    )
    assert "Trials counted: 1 distinct configuration in this workspace" in told
    assert "(PBO): not available. It needs at least 2 trials" in told


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
    assert told.startswith("FAIL: the best of 200 trials without skill would do as well.")
    assert "over 200 trials on this universe and these 500 sessions (12,870 splits into halves)" in told


def test_what_the_universe_earned_does_not_pass(tmp_path):
    own, edge = noise(1, mean=0.002)[0], noise(1, seed=2)[0]
    found = examined(tmp_path, own, edge)
    assert found.whole.passes
    assert not found.passes
    assert found.headline() == "FAIL: the return is explained by holding the universe."


def test_an_edge_that_lost_money_does_not_pass(tmp_path):
    found = examined(tmp_path, noise(1, mean=-0.002)[0], noise(1, seed=2, mean=0.002)[0])
    assert found.edge.passes
    assert not found.passes
    beyond = "FAIL: the total return is not significant; the excess return over the universe is."
    assert found.headline() == "FAIL: the return after costs is not positive."
    weak = examined(tmp_path / "weak", noise(1, mean=0.0002)[0], noise(1, seed=2, mean=0.002)[0])
    assert weak.headline() == beyond


@pytest.mark.parametrize(
    ("own", "days", "why"),
    [
        (np.zeros(500), DAYS, "the returns do not vary, so significance cannot be tested."),
        (noise(1)[0][:19], DAYS[:19], "at least 20 sessions are needed to test significance."),
    ],
)
def test_what_cannot_be_told_does_not_pass_and_says_why(tmp_path, own, days, why):
    found = examined(tmp_path, own, days=days)
    assert not found.passes
    assert found.lines()[0] == f"NO VERDICT: {why}"
    assert not any("nan" in line for line in found.lines())


def test_the_figures_are_annual_and_complete(tmp_path):
    [own] = noise(1, mean=0.001)
    figures = examined(tmp_path, own, others=noise(20, seed=3)).as_dict()
    assert figures["trials"] == figures["overfitting_trials"] == 21
    assert figures["sharpe_ratio_without_universe"] == pytest.approx(own.mean() / own.std(ddof=1) * math.sqrt(250))
    assert figures["deflated_sharpe_threshold"] == 0.95
    assert 0 <= figures["overfitting_probability"] <= 1
    assert figures["overfitting_splits"] == 12_870
    assert figures["deflated_sharpe_passes"] == (figures["deflated_sharpe_probability"] > 0.95)


def test_overfitting_is_put_into_words(tmp_path):
    ahead = examined(tmp_path / "a", noise(1, mean=0.003)[0], others=noise(5, seed=4))
    assert ahead.overfitting.probability < 0.1
    assert ahead.lines()[-1].endswith(
        "LOW (below 0.1): the best in-sample trial nearly always stays above the median out of sample."
    )
    swing = np.repeat([1.0, -1.0], 250) * 0.004 + noise(1)[0]
    behind = examined(tmp_path / "b", swing, others=[-swing])
    assert behind.lines()[-1].endswith("is no better out of sample than one selected at random (0.5).")
    between = overfitting_line(Overfitting(0.44, 3, 119, 16, 12_870), 8)
    assert (
        "0.44 over 3 trials on this universe and these 119 sessions (12,870 splits into halves; 5 other trials"
        in between
    )
    assert (
        "ELEVATED (0.1 to 0.5): in 44% of the splits the best in-sample trial falls to the median or below" in between
    )
    assert "stay" not in between
