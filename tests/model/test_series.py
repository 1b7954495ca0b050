"""What a table of real bars may hold, and what becomes of it."""

from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from made import make_bars, weekdays

from kronos_quant.errors import DataError
from kronos_quant.model.series import check_series, read_rows, times_after
from kronos_quant.schema import BARS, FEATURES

SESSIONS = weekdays(30)


def read_series(bars, *options, **named):
    return check_series(read_rows(bars, *options, **named))


@pytest.fixture
def table():
    """Thirty daily bars of AAA and BBB as a user has them: no date, no factor."""
    return make_bars(["AAA", "BBB"], SESSIONS).select("symbol", "time", *FEATURES)


def changed(table, row, **values):
    """The table with some cells of a row (counted from 0) replaced."""
    here = pl.int_range(pl.len()) == row
    return table.with_columns(pl.when(here).then(value).otherwise(name).alias(name) for name, value in values.items())


def refused(table, **options):
    with pytest.raises(DataError) as caught:
        read_series(table, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_whole_table_is_taken_as_it_is(table):
    series = read_series(table)
    assert series.bars.equals(make_bars(["AAA", "BBB"], SESSIONS))
    assert series.notes == ()


def test_bars_of_the_market_keep_amounts_of_zero_and_others_get_volume_times_mean_price(table):
    bars = make_bars(["AAA"], SESSIONS).with_columns(amount=pl.lit(0.0, pl.Float32))
    assert read_series(bars).bars["amount"].sum() == 0
    derived = read_series(bars.select("symbol", "time", *FEATURES)).bars
    expected = derived["volume"] * derived.select(pl.mean_horizontal("open", "high", "low", "close")).to_series()
    assert derived["amount"].to_list() == pytest.approx(expected.to_list(), rel=1e-6)


@pytest.mark.parametrize("library", ["polars", "pandas", "pandas index", "pandas two levels"])
def test_polars_and_pandas_give_the_same_series(table, library):
    frame = {
        "polars": lambda: table,
        "pandas": table.to_pandas,
        "pandas index": lambda: table.to_pandas().set_index("time").rename_axis(None),
        "pandas two levels": lambda: table.to_pandas().set_index(["symbol", "time"]),
    }[library]()
    assert read_series(frame).bars.equals(read_series(table).bars)


@pytest.mark.parametrize("name", ["timestamps", "Timestamp", "date", "datetime"])
def test_the_time_may_be_called_otherwise_and_be_text(table, name):
    one = (
        table.filter(pl.col("symbol") == "AAA")
        .rename({"time": name})
        .with_columns(pl.col(name).dt.to_string("%Y/%m/%d"))
    )
    assert read_series(one).bars["time"].to_list() == [datetime.combine(day, time()) for day in SESSIONS]


def test_an_index_that_a_filter_left_only_counts(table):
    frame = table.to_pandas()
    kept = frame[frame["symbol"] == "BBB"]
    assert read_series(kept).bars.equals(read_series(table.filter(pl.col("symbol") == "BBB")).bars)
    assert "4 rows repeat another: kept once" in read_series(pd.concat([frame, frame.tail(4)])).notes


def test_columns_of_mixed_types_and_twice_the_same_name_are_refused(table):
    frame = table.to_pandas()
    mixed = frame.assign(close=frame["close"].astype(object))
    mixed.loc[3, "close"] = "abc"
    assert refused(mixed).startswith("bars: not a table of plain columns: Could not convert 'abc'")
    assert "unique" in refused(pd.concat([frame, frame[["close"]]], axis=1))


def test_one_symbol_needs_no_name_and_may_be_given_one(table):
    one = table.filter(pl.col("symbol") == "AAA").drop("symbol")
    assert read_series(one).bars["symbol"].unique().to_list() == ["SERIES"]
    assert read_series(one, symbol="600977.SH").bars["symbol"].unique().to_list() == ["SH600977"]


def test_unsorted_rows_are_sorted_and_it_is_said(table):
    series = read_series(table.sample(fraction=1, shuffle=True, seed=3))
    assert series.bars.equals(read_series(table).bars)
    assert series.notes == ("rows were not in the order of symbol and time: sorted",)


def test_repeated_rows_are_kept_once_and_it_is_said(table):
    series = read_series(pl.concat([table, table.tail(4)]))
    assert series.bars.equals(read_series(table).bars)
    assert "4 rows repeat another: kept once" in series.notes


def test_two_different_bars_for_one_time_name_symbol_time_and_rows(table):
    other = changed(table.slice(3, 1), 0, volume=1.0)
    words = refused(pl.concat([table, other]))
    assert words == f"AAA: 2 different bars for one time ({SESSIONS[3]} 00:00:00): rows 4, 61"


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_row_without_prices_is_a_session_without_trade(table, nothing):
    series = read_series(changed(table, 5, open=nothing, high=nothing, low=nothing, close=nothing))
    assert series.bars.height == 59
    assert SESSIONS[5] not in series.bars.filter(pl.col("symbol") == "AAA")["date"]
    assert series.notes == ("1 rows without prices left out",)


def test_a_faulty_number_names_the_row_and_the_others_are_counted(table):
    words = refused(changed(table, 37, close=None))
    assert words.startswith(f"bars: row 38, BBB {SESSIONS[7]} 00:00:00: missing_price: a bar without one of its four ")
    zero = pl.when(pl.col("symbol") == "BBB").then(0.0).otherwise("close")
    words = refused(table.with_columns(close=zero))
    assert words.startswith("bars: row 31, BBB ")
    assert words.endswith(" (and 29 more bars)")


def test_without_volume_both_are_zero(table):
    for frame in (table.drop("volume"), table.drop("volume", "amount"), table.with_columns(volume=None)):
        bars = read_series(frame).bars
        assert bars.select(pl.col("volume", "amount").abs().sum()).row(0) == (0, 0)


def test_a_missing_volume_in_a_row_is_zero_and_it_is_said(table):
    series = read_series(changed(table, 2, volume=float("nan"), amount=None))
    assert series.bars.select("volume", "amount").row(2) == (0, 0)
    assert series.bars["volume"][1] > 0
    assert series.notes == ("volume or amount missing in 1 rows: taken as 0",)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_bars_name_the_symbol(table, count):
    kept = pl.concat([table.head(30), table.slice(30, count)])
    none = changed(table.slice(59, 1), 0, open=None, high=None, low=None, close=None)
    assert refused(pl.concat([kept, none])) == f"BBB: expected at least 2 bars with prices, found {count} (row 31)"


def test_one_bar_in_all_and_an_empty_table_are_refused(table):
    assert refused(table.head(1)) == "AAA: expected at least 2 bars with prices, found 1 (row 1)"
    assert refused(table.head(0)) == "bars: expected bars, found an empty table"


def test_other_things_than_tables_are_refused(table):
    assert "missing timestamps" in refused(table.drop("time"))
    assert "missing close" in refused(table.drop("close").to_pandas())
    texts = table.with_columns(pl.col("time").cast(pl.String))
    assert refused(changed(texts, 4, time=pl.lit("soon"))) == (
        "table: row 5: column time: expected a time like 2019/11/26 9:35, found 'soon'"
    )
    weekly = table.with_columns(time=pl.col("time") + pl.duration(days=6) * pl.int_range(pl.len()))
    assert "found bars mostly 7 days apart" in refused(weekly)
    with pytest.raises(DataError, match="bars: expected a table of Polars, pandas or Arrow, found dict"):
        read_series({"close": [1, 2]})


# When the next bars end


def ahead(times, count=4, symbol="AAA", exchange=""):
    """The future of a series with bars at some times: stamps, and whether they are estimated."""
    close = np.linspace(10, 11, len(times))
    frame = pd.DataFrame({"time": times, "open": close, "high": close, "low": close, "close": close})
    found = times_after(read_series(frame, symbol), count, exchange)
    assert list(found) == [symbol]
    return found[symbol].times, found[symbol].estimated


def test_the_calendar_of_a_named_exchange_stamps_the_next_sessions():
    # Thursday 3 July 2025; the Fourth is a holiday in New York, not in Shanghai
    days = [datetime(2025, 7, day) for day in (1, 2, 3)]
    assert ahead(days, 2, exchange="XNYS") == ([datetime(2025, 7, 7), datetime(2025, 7, 8)], [False] * 2)
    assert ahead(days, 2, symbol="SH600977") == ([datetime(2025, 7, 4), datetime(2025, 7, 7)], [False] * 2)


def test_an_unknown_exchange_is_refused():
    with pytest.raises(DataError, match="exchange 'XXXX' has no calendar"):
        ahead([datetime(2025, 7, 1), datetime(2025, 7, 2)], exchange="XXXX")


def test_unknown_daily_bars_go_on_over_weekdays_or_all_days():
    friday = datetime(2025, 7, 4)
    weekdays_only = [friday - timedelta(days=4 - i) for i in range(5)]
    assert ahead(weekdays_only, 2) == ([datetime(2025, 7, 7), datetime(2025, 7, 8)], [True] * 2)
    every_day = [friday - timedelta(days=9 - i) for i in range(10)]
    assert ahead(every_day, 2) == ([datetime(2025, 7, 5), datetime(2025, 7, 6)], [True] * 2)


def test_unknown_intraday_bars_go_on_at_their_own_times_of_day():
    clock = [time(10), time(11), time(14), time(15)]
    times = [datetime.combine(date(2025, 7, day), at) for day in (3, 4) for at in clock][:-1]
    found, estimated = ahead(times, 3)
    # the last bar of Friday, then Monday
    assert found == [datetime(2025, 7, 4, 15), datetime(2025, 7, 7, 10), datetime(2025, 7, 7, 11)]
    assert estimated == [True] * 3


def test_bars_of_one_day_go_on_in_their_own_step():
    times = [datetime(2025, 7, 4, 9, 35) + timedelta(minutes=5 * i) for i in range(6)]
    assert ahead(times, 2)[0] == [datetime(2025, 7, 4, 10, 5), datetime(2025, 7, 4, 10, 10)]


def test_bars_around_the_clock_go_on_through_midnight_and_weekends():
    times = [datetime(2025, 7, 1) + timedelta(hours=i) for i in range(24 * 11)]
    assert ahead(times, 3)[0] == [datetime(2025, 7, 12) + timedelta(hours=i) for i in range(3)]


def test_the_future_of_a_symbol_does_not_depend_on_the_others():
    bars = make_bars(["AAA", "BBB"], SESSIONS).filter((pl.col("symbol") == "BBB") | (pl.col("date") < SESSIONS[9]))
    both = times_after(read_series(bars), 3)
    alone = times_after(read_series(bars.filter(pl.col("symbol") == "AAA")), 3)
    assert both["AAA"] == alone["AAA"]
    assert both["AAA"].times[0].date() == SESSIONS[9]
    assert set(both) == {"AAA", "BBB"}
    assert bars.schema == pl.Schema(BARS)
