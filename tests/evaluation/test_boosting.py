import numpy as np
import pytest
from evaluation.markets import made_grid

from kronos_quant.evaluation import baselines
from kronos_quant.evaluation.baselines import EVERY, FEWEST_BARS, boosted_scores
from kronos_quant.panel.matrix import forward_returns
from kronos_quant.stats.correlation import rank_ic

GRID = made_grid(symbols=40, sessions=260)
EVERY_ROW = np.arange(260)


def factors(horizon, strength, seed=0):
    """One factor that sees the returns to come, and one of noise."""
    rng = np.random.default_rng(seed)
    returns = np.nan_to_num(forward_returns(GRID.close, EVERY_ROW, horizon))
    noise = rng.standard_normal((2, *returns.shape)) * returns.std()
    return {"seeing": strength * returns + noise[0], "noise": noise[1]}


def test_it_learns_a_factor_that_is_worth_something():
    rows = np.arange(180, 250)
    scores = boosted_scores(GRID, factors(5, 0.5), rows, 5)
    found = rank_ic(scores, forward_returns(GRID.close, rows, 5))
    assert found.mean() > 0.25


def test_it_is_the_same_twice_and_whatever_comes_later():
    rows = np.arange(180, 200)
    given = factors(5, 0.5)
    first = boosted_scores(GRID, given, rows, 5)
    np.testing.assert_array_equal(first, boosted_scores(GRID, given, rows, 5))
    later = {name: values.copy() for name, values in given.items()}
    for values in later.values():
        values[200:] = 0.0
    np.testing.assert_array_equal(first, boosted_scores(GRID, later, rows, 5))


@pytest.mark.parametrize("horizon", [1, 10])
def test_it_learns_only_from_returns_that_were_known(horizon, monkeypatch):
    asked = []

    def record(inputs, targets, first, stop):
        asked.append((first, stop))

    monkeypatch.setattr(baselines, "_fit", record)
    rows = np.arange(100, 100 + EVERY + 1)
    assert np.isnan(boosted_scores(GRID, factors(horizon, 0.5), rows, horizon)).all()
    # the last session learnt from is `horizon` before the date, for its return ends on the date
    assert [stop - 1 for _, stop in asked] == [100 - horizon, 100 + EVERY - horizon]


def test_with_too_little_to_learn_from_it_has_no_opinion():
    rows = np.array([FEWEST_BARS + 3, FEWEST_BARS + 4])
    given = factors(5, 0.5)
    assert np.isnan(boosted_scores(GRID, given, rows, 5)).all()
    assert np.isfinite(boosted_scores(GRID, given, rows + 1, 5)).all()
    assert np.isnan(boosted_scores(GRID, given, np.array([0, 1]), 5)).all()


def test_a_large_market_is_learnt_from_in_steps(monkeypatch):
    rows = np.arange(180, 185)
    whole = boosted_scores(GRID, factors(5, 0.5), rows, 5)
    monkeypatch.setattr(baselines, "MOST_ROWS", 3000)
    some = boosted_scores(GRID, factors(5, 0.5), rows, 5)
    assert np.isfinite(some).all()
    assert not np.array_equal(whole, some)
    assert rank_ic(whole, some).mean() > 0.5
