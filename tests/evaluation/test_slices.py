from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from evaluation.markets import made_grid

from kronos_quant.evaluation.slices import (
    Boundary,
    around_boundaries,
    by_liquidity,
    by_regime,
    by_year,
    contaminated,
    turbulence,
)
from kronos_quant.stats.intervals import mean_interval

DATES = [date(2023, 12, 28), date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 3)]
VALUES = np.array([0.1, 0.3, -0.2, np.nan])


def test_each_year_has_its_own_dates():
    found = by_year(DATES, VALUES, 1)
    assert [(part.kind, part.label, part.rank_ic.dates) for part in found] == [("year", "2023", 2), ("year", "2024", 1)]
    assert [part.rank_ic.mean for part in found] == pytest.approx([0.2, -0.2])


def test_a_year_agrees_with_the_interval_of_its_dates_alone():
    days = [date(2024, 1, 1).replace(month=1 + i // 28, day=1 + i % 28) for i in range(112)]
    days += [day.replace(year=2025) for day in days]
    values = np.random.default_rng(0).standard_normal(224)
    assert by_year(days, values, 5)[1].rank_ic == mean_interval(values[112:], 5)


def test_before_a_boundary_the_figures_are_marked_contaminated():
    boundaries = [Boundary("training data", DATES[1]), Boundary("pre-training data", None)]
    found = around_boundaries(DATES, VALUES, 1, boundaries)
    assert [(part.kind, part.label) for part in found] == [
        ("training data", "up to 2023-12-29 (contaminated)"),
        ("training data", "after 2023-12-29"),
    ]
    assert [part.rank_ic.mean for part in found] == pytest.approx([0.2, -0.2])
    assert contaminated(DATES, boundaries).tolist() == [True, True, False, False]
    assert not contaminated(DATES, [Boundary("training data", None)]).any()


def test_a_boundary_before_all_dates_leaves_one_part():
    found = around_boundaries(DATES, VALUES, 1, [Boundary("training data", date(2020, 1, 1))])
    assert [part.label for part in found] == ["after 2020-01-01"]


def moving(calm, wild, sessions=200):
    """A grid whose market moves by `calm` a session, and by `wild` in the last 40."""
    rng = np.random.default_rng(0)
    market = np.where(np.arange(sessions) < sessions - 40, calm, wild) * rng.standard_normal(sessions)
    grid = made_grid(symbols=3, sessions=sessions)
    close = np.exp(np.cumsum(market))[:, None] * np.ones((1, 3))
    return replace(grid, close=close)


def test_a_market_that_moves_more_than_before_is_turbulent():
    flags = turbulence(moving(0.005, 0.03))
    assert flags[-20:].tolist() == [1.0] * 20
    assert np.nanmean(flags[:160]) < 0.7
    assert np.isnan(flags[:60]).all()


def test_the_regime_of_a_date_is_known_on_it():
    calm, wild = moving(0.005, 0.005), moving(0.005, 0.03)
    np.testing.assert_array_equal(turbulence(calm)[:160], turbulence(wild)[:160])


def test_calm_and_turbulent_dates_share_the_dates_that_can_be_told_apart():
    grid = moving(0.005, 0.03)
    rows = np.arange(50, 200)
    values = np.random.default_rng(1).standard_normal(150)
    found = {part.label: part.rank_ic for part in by_regime(grid, rows, values, 1)}
    flags = turbulence(grid)[rows]
    assert found["turbulent"].mean == pytest.approx(values[flags == 1].mean())
    assert found["calm"].dates + found["turbulent"].dates == np.isfinite(flags).sum()


def test_thirds_by_what_was_traded_in_the_last_sessions():
    grid = made_grid(symbols=9, sessions=40)
    amount = np.tile(10.0 ** np.arange(9), (40, 1))
    grid = replace(grid, amount=amount)
    rows = np.arange(20, 36)
    scores = np.tile(np.arange(9.0), (16, 1))
    # the least traded three are ranked rightly, the middle ones the wrong way round, the most traded by two of three
    returns = np.tile([1.0, 2, 3, 3, 2, 1, 1, 3, 2], (16, 1))
    found = by_liquidity(grid, rows, scores, returns, 1)
    assert [part.label for part in found] == ["least traded third", "middle third", "most traded third"]
    assert [part.rank_ic.mean for part in found] == pytest.approx([1.0, -1.0, 0.5])


def test_only_scored_symbols_make_the_thirds():
    grid = made_grid(symbols=9, sessions=40)
    rows = np.arange(20, 36)
    scores = np.full((16, 9), np.nan)
    scores[:, :6] = np.arange(6.0)
    found = by_liquidity(grid, rows, scores, scores, 1)
    # two symbols a third are too few for a rank correlation
    assert [part.rank_ic.dates for part in found] == [0, 0, 0]
