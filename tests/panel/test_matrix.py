"""Matrices of long tables, and what is computed on them, against hand-worked numbers and pandas."""

import math
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from kronos_quant.errors import DataError
from kronos_quant.panel.matrix import (
    carried_forward_returns,
    cell_index,
    finite_mean,
    forward_fill,
    forward_returns,
    interval_groups,
    interval_mask,
    overlapping_rows,
    rolling_mean,
    rolling_std,
    rolling_sum,
    row_means,
    simple_returns,
    to_matrix,
    window_rows,
)

NAN = math.nan
CLOSE = np.array([[10.0, 20.0], [11.0, NAN], [12.0, 24.0], [NAN, 18.0]])
DAYS = [date(2024, 1, 1) + timedelta(days=day) for day in range(5)]


def test_a_long_table_becomes_a_matrix_and_lines_of_elsewhere_are_left_out():
    frame = pl.DataFrame(
        {
            "date": [DAYS[1], DAYS[0], DAYS[4], DAYS[1], DAYS[1]],
            "symbol": ["B", "A", "A", "Z", "A"],
            "value": [2, 1, 9, 9, None],
        }
    )
    np.testing.assert_array_equal(to_matrix(frame, "value", DAYS[:3], ["A", "B"]), [[1, NAN], [NAN, 2], [NAN, NAN]])
    rows, columns = cell_index(frame, DAYS[:3], ["A", "B"])
    assert rows.tolist() == [1, 0, -1, 1, 1]
    assert columns.tolist() == [1, 0, 0, -1, 0]


def test_times_of_any_unit_are_keys():
    times = pl.datetime_range(datetime(2024, 1, 1, 9), datetime(2024, 1, 1, 12), "1h", time_unit="ms", eager=True)
    frame = pl.DataFrame({"time": times, "symbol": "A", "value": [0.0, 1.0, 2.0, 3.0]})
    assert to_matrix(frame, "value", times.to_list()[1:], ["A"], key="time").ravel().tolist() == [1, 2, 3]


def test_arrays_become_a_third_axis():
    paths = pl.Series("paths", [[1.0, 2.0], None], dtype=pl.Array(pl.Float32, 2))
    frame = pl.DataFrame({"date": DAYS[:2], "symbol": ["A", "A"], "paths": paths})
    found = to_matrix(frame, "paths", DAYS[:2], ["A", "B"])
    assert (found.shape, found.dtype) == ((2, 2, 2), np.float64)
    assert found[0, 0].tolist() == [1, 2]
    assert np.isfinite(found).sum() == 2
    assert to_matrix(frame, "paths", DAYS[:2], ["A"], dtype=np.float32).dtype == np.float32


def test_intervals_are_inclusive_and_may_be_open():
    intervals = pl.DataFrame(
        {
            "symbol": ["A", "A", "B", "Z"],
            "start": [DAYS[1], DAYS[4], None, DAYS[0]],
            "end": [DAYS[2], None, DAYS[0], None],
        }
    )
    mask = interval_mask(intervals, DAYS, ["A", "B"])
    assert mask.T.astype(int).tolist() == [[0, 1, 1, 0, 1], [1, 0, 0, 0, 0]]
    # a row for each bar of a session
    assert interval_mask(intervals, sorted(DAYS * 2), ["A"]).sum() == 6


def test_groups_have_numbers_and_none_is_in_two_at_once():
    spans = {
        "symbol": ["A", "A", "B"],
        "value": ["y", "x", "y"],
        "start": [DAYS[0], DAYS[2], None],
        "end": [DAYS[1], None, None],
    }
    names, groups = interval_groups(pl.DataFrame(spans), DAYS, ["A", "B", "C"])
    assert names == ("x", "y")
    assert groups.T.tolist() == [[1, 1, 0, 0, 0], [1] * 5, [-1] * 5]
    with pytest.raises(DataError, match="symbols in two groups at once: A"):
        interval_groups(pl.DataFrame(spans | {"end": [DAYS[2], None, None]}), DAYS, ["A", "B"])


def test_values_are_carried_forward_and_returns_reach_over_a_gap():
    np.testing.assert_array_equal(forward_fill(CLOSE), [[10, 20], [11, 20], [12, 24], [12, 18]])
    np.testing.assert_allclose(simple_returns(CLOSE), [[NAN, NAN], [0.1, NAN], [1 / 11, 0.2], [NAN, -0.25]])


@pytest.mark.parametrize("least", [1, 2, 4])
def test_rolling_figures_equal_pandas(least):
    rng = np.random.default_rng(least)
    values = np.where(rng.random((40, 3)) < 0.3, NAN, rng.standard_normal((40, 3)))
    rolled, windows = pd.DataFrame(values).rolling(5, min_periods=least), window_rows(40, 5)
    np.testing.assert_allclose(rolling_mean(values, *windows, least), rolled.mean(), atol=1e-12)
    expected = pd.DataFrame(values).rolling(5, min_periods=max(least, 2)).std()
    np.testing.assert_allclose(rolling_std(values, *windows, least), expected, atol=1e-12)
    known = np.nan_to_num(values)
    np.testing.assert_allclose(
        rolling_sum(known, *windows), pd.DataFrame(known).rolling(5, min_periods=1).sum(), atol=1e-12
    )


def test_means_of_what_is_there():
    assert finite_mean(np.array([1.0, NAN, 3.0, np.inf])) == 2
    assert math.isnan(finite_mean(np.array([NAN])))
    np.testing.assert_array_equal(row_means(CLOSE), [15, 11, 18, 18])
    assert np.isnan(row_means(np.array([[NAN, NAN]]))).all()


def test_forward_returns_by_hand():
    found = forward_returns(CLOSE, np.arange(4), 2)
    np.testing.assert_allclose(found, [[0.2, 0.2], [NAN, NAN], [NAN, NAN], [NAN, NAN]])
    np.testing.assert_allclose(forward_returns(CLOSE, np.array([1, 2]), 1), [[1 / 11, NAN], [NAN, -0.25]])


def test_a_return_that_is_not_known_yet_is_none():
    assert np.isnan(forward_returns(CLOSE, np.array([3]), 1)).all()
    assert np.isnan(carried_forward_returns(CLOSE, np.array([3]), 1)).all()


def test_the_last_close_stands_in_for_a_missing_one_where_asked():
    found = carried_forward_returns(CLOSE, np.arange(3), 1)
    # the second symbol has no bar on session 1 (its last close stands), so none from it; the first none on session 3
    np.testing.assert_allclose(found, [[0.1, 0.0], [1 / 11, NAN], [0.0, -0.25]])


def test_a_rolling_mean_by_hand():
    values = np.array([[1.0], [NAN], [3.0], [8.0], [NAN], [NAN]])
    np.testing.assert_allclose(rolling_mean(values, *window_rows(6, 2)), [[1.0], [1.0], [3.0], [5.5], [8.0], [NAN]])


def test_how_many_dates_a_return_reaches_over():
    assert overlapping_rows(np.arange(50), 5) == 5
    assert overlapping_rows(np.arange(0, 480, 48), 10) == 1
    assert overlapping_rows(np.arange(0, 480, 12), 48) == 4
    assert overlapping_rows(np.arange(0, 480, 12), 49) == 5
    # closes and the bar before them: two bars of each session, never three
    pairs = np.sort(np.concatenate([np.arange(47, 480, 48), np.arange(46, 480, 48)]))
    assert overlapping_rows(pairs, 10) == 2
    # so short a span tells nothing: the longest there could be
    assert overlapping_rows(np.arange(3), 10) == 10
    assert overlapping_rows(np.array([], dtype=np.int64), 4) == 4
