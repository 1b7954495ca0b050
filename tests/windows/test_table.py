import numpy as np
import polars as pl
import pytest

from kronos_quant import DataError, schema
from kronos_quant.windows import bar_table


def test_rows_lie_symbol_after_symbol_in_one_c_ordered_array(bars, sessions):
    table = bar_table(bars, sessions)
    assert table.symbols == ["AAA", "BBB", "CCC"]
    assert table.offset.tolist() == [0, 40, 80, 120]
    assert table.rows == 120
    assert table.values.flags.c_contiguous
    np.testing.assert_array_equal(table.values, bars.select(schema.FEATURES).to_numpy())
    assert table.stamp[41].tolist() == [0, 0, 1, 2, 1]
    assert table.symbol_id[[0, 40, 119]].tolist() == [0, 1, 2]


def test_sessions_are_counted_in_the_calendar_and_among_the_symbols_own(bars, sessions, without):
    gone = without(bars, "BBB", sessions[5:8])
    table = bar_table(gone, sessions)
    rows = slice(table.offset[1], table.offset[2])
    assert table.session[rows][[4, 5]].tolist() == [4, 8]
    assert np.diff(table.own_session[rows]).tolist() == [1] * 36


def test_bars_of_one_session_share_its_number(bars, sessions):
    day = bars.filter((pl.col("symbol") == "AAA") & (pl.col("date") == sessions[0]))
    minutes = pl.concat([day.with_columns(pl.col("time") + pl.duration(minutes=m)) for m in (0, 5, 10)])
    table = bar_table(minutes, sessions)
    assert len(set(table.session)) == len(set(table.own_session)) == 1


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_bad_value_is_named(bars, sessions, value):
    bad = bars.with_columns(
        pl.when(pl.int_range(pl.len()) == 3).then(pl.lit(value, pl.Float32)).otherwise("close").alias("close")
    )
    with pytest.raises(DataError, match=r"missing or infinite value: AAA 2024-01-04 00:00:00"):
        bar_table(bad, sessions)


def test_rows_out_of_order_or_twice_are_named(bars, sessions):
    with pytest.raises(DataError, match="sorted by symbol and time, each once"):
        bar_table(bars.reverse(), sessions)
    with pytest.raises(DataError, match="AAA at 2024-01-01"):
        bar_table(pl.concat([bars.head(1), bars]), sessions)


def test_a_bar_outside_the_calendar_is_named(bars, sessions):
    with pytest.raises(DataError, match="outside the calendar on 2024-01-10"):
        bar_table(bars, [day for day in sessions if day.isoformat() != "2024-01-10"])
    with pytest.raises(DataError, match="outside the calendar on"):
        bar_table(bars, sessions[:-1])


def test_no_bars_are_told_so(bars, sessions):
    with pytest.raises(DataError, match="no bars to make windows of"):
        bar_table(bars.clear(), sessions)
