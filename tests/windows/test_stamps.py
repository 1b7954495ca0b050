from datetime import datetime

import numpy as np
import polars as pl

from kronos_quant.windows import STAMP_COLUMNS, stamps


def test_the_columns_are_minute_hour_weekday_day_month():
    assert STAMP_COLUMNS == ("minute", "hour", "weekday", "day", "month")
    got = stamps([datetime(2024, 6, 18, 11, 15), datetime(2024, 12, 31)])
    assert got.dtype == np.int16
    assert got.tolist() == [[15, 11, 1, 18, 6], [0, 0, 1, 31, 12]]


def test_monday_is_0_and_sunday_6():
    week = pl.datetime_range(datetime(2024, 1, 1), datetime(2024, 1, 7), "1d", eager=True)
    assert stamps(week)[:, 2].tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_no_times_give_an_empty_array():
    assert stamps([]).shape == (0, 5)
