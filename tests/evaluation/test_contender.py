import math

import numpy as np
import polars as pl
import pytest
from evaluation.markets import made_grid

from kronos_quant.evaluation.contender import Distribution, raw_distribution, stored_contender
from kronos_quant.schema import quantile_columns

GRID = made_grid(symbols=3, sessions=6)
ROWS = np.array([2, 3])


def signals(**columns):
    return pl.DataFrame({"date": [GRID.sessions[2], GRID.sessions[3]], "symbol": ["S001", "S002"], **columns})


def test_stored_quantiles_are_found_by_their_names():
    names = ["q95", "last", "q05", "q975", "quality", "cal_q05", "q50"]
    assert list(quantile_columns(names).items()) == [("q05", 0.05), ("q50", 0.5), ("q95", 0.95), ("q975", 0.975)]
    assert list(quantile_columns(names, "cal_")) == ["cal_q05"]


def test_a_stored_row_finds_its_cell():
    rows = signals(score=[0.5, -0.5], last=[0.01, 0.02], q05=[-0.1, -0.2], q95=[0.1, 0.2], p_rise=[0.6, 0.7])
    found = stored_contender("signal", "a recipe", rows, "score", GRID, ROWS)
    assert found.scores[0, 1] == 0.5
    assert found.scores[1, 2] == -0.5
    assert np.isfinite(found.scores).sum() == 2
    assert found.forecast.levels == (0.05, 0.95)
    assert found.forecast.quantiles[1, 2].tolist() == [-0.2, 0.2]
    assert found.forecast.p_rise[0, 1] == 0.6
    assert found.forecast.point[1, 2] == 0.02
    assert raw_distribution(rows, GRID, ROWS) == []


def test_scores_alone_say_nothing_of_the_distribution():
    assert stored_contender("signal", "", signals(score=[1.0, 2.0]), "score", GRID, ROWS).forecast is None


def test_the_median_stands_in_for_the_mean_and_no_probability_is_none():
    rows = signals(score=[1, 2], median=[0.3, 0.4], q25=[0.0, 0.0])
    found = stored_contender("signal", "", rows, "score", GRID, ROWS)
    assert found.forecast.point[0, 1] == 0.3
    assert np.isnan(found.forecast.p_rise).all()


def test_calibrated_quantiles_are_the_recipes_own_and_the_raw_ones_stand_beside():
    rows = signals(score=[1.0, 2.0], q05=[-0.1, -0.1], cal_q05=[-0.3, -0.4], cal_p_rise=[0.5, 0.6], p_rise=[0.9, 0.9])
    found = stored_contender("signal", "", rows, "score", GRID, ROWS)
    assert found.forecast.quantiles[1, 2].tolist() == [-0.4]
    assert found.forecast.p_rise[1, 2] == 0.6
    [raw] = raw_distribution(rows, GRID, ROWS)
    assert raw.forecast.quantiles[0, 1].tolist() == [-0.1]
    assert raw.forecast.p_rise[0, 1] == 0.9
    assert raw.scores is None


def test_cells_that_are_not_asked_for_are_emptied():
    said = Distribution((0.5,), np.ones((1, 2, 1)), np.ones((1, 2)), np.ones((1, 2)))
    kept = said.where(np.array([[True, False]]))
    assert kept.quantiles[0, 0, 0] == 1
    assert math.isnan(kept.quantiles[0, 1, 0])
    assert kept.point.tolist()[0] == pytest.approx([1.0, math.nan], nan_ok=True)


def arrays(values):
    return pl.Series(values, dtype=pl.Array(pl.Float32, len(values[0])))


def test_paths_and_the_intervals_of_every_bar_find_their_cells():
    rows = signals(
        score=[1.0, 2.0],
        q05=[-0.1, -0.1],
        final_returns=arrays([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]),
        path_q05=arrays([[-0.1, -0.2], [-0.3, -0.4]]),
        path_q95=arrays([[0.1, 0.2], [0.3, 0.4]]),
    )
    found = stored_contender("signal", "", rows, "score", GRID, ROWS).forecast
    assert found.paths[1, 2].tolist() == pytest.approx([0.4, 0.5, 0.6])
    low, high = found.by_bar
    assert low[0, 1].tolist() == pytest.approx([-0.1, -0.2])
    assert high[1, 2].tolist() == pytest.approx([0.3, 0.4])
    emptied = found.where(np.array([[False, True, False], [False, False, False]]))
    assert np.isnan(emptied.paths[1, 2]).all()
    assert np.isfinite(emptied.by_bar[0][0, 1]).all()
    assert np.isnan(emptied.by_bar[1][1, 2]).all()


def test_the_paths_speak_of_the_quantiles_before_their_calibration():
    rows = signals(
        score=[1.0, 2.0],
        q05=[-0.1, -0.1],
        cal_q05=[-0.2, -0.2],
        final_returns=arrays([[0.1], [0.2]]),
        path_q05=arrays([[-0.1], [-0.1]]),
        path_q95=arrays([[0.1], [0.1]]),
        cal_path_q05=arrays([[-0.3], [-0.3]]),
        cal_path_q95=arrays([[0.3], [0.3]]),
    )
    calibrated = stored_contender("signal", "", rows, "score", GRID, ROWS).forecast
    [raw] = raw_distribution(rows, GRID, ROWS)
    assert calibrated.paths is None
    assert calibrated.by_bar[1][0, 1].tolist() == pytest.approx([0.3])
    assert raw.forecast.paths[0, 1].tolist() == pytest.approx([0.1])
    assert raw.forecast.by_bar[1][0, 1].tolist() == pytest.approx([0.1])
