from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import polars as pl
import pytest

from kronos_quant import schema
from kronos_quant.check_sql import open_isolated
from kronos_quant.market import BarBatch
from kronos_quant.market.quality.check_tables import (
    CheckContext,
    check_tables,
    check_views,
    context_from_bars,
    number_rows,
)

BatchMaker = Callable[..., BarBatch]


def rows(bars: pl.DataFrame, around: CheckContext, query: str) -> list[tuple[object, ...]]:
    with open_isolated(check_tables(number_rows(bars), around), check_views()) as connection:
        found: list[tuple[object, ...]] = connection.sql(query).fetchall()
    return found


def intraday(bars: pl.DataFrame, *ends: str) -> pl.DataFrame:
    """The first bar of `bars`, at other times."""
    times = [datetime.fromisoformat(end) for end in ends]
    copies = pl.concat([bars.head(1)] * len(times)).with_columns(time=pl.Series(times, dtype=pl.Datetime("us")))
    return copies.with_columns(date=pl.col("time").dt.date())


def test_steps_hold_each_bar_beside_the_one_before_it(make_batch: BatchMaker) -> None:
    bars = make_batch({"B": {1: 5.0}, "A": {1: 10.0, 2: 11.0, 4: 12.0}}).bars
    query = "SELECT row, symbol, number, close, previous_close, previous_date, previous_factor FROM steps ORDER BY row"
    assert rows(bars, CheckContext("day"), query) == [
        (0, "A", 0, 10.0, None, None, None),
        (1, "A", 1, 11.0, 10.0, date(2024, 1, 2), 1.0),
        (2, "A", 2, 12.0, 11.0, date(2024, 1, 3), 1.0),
        (3, "B", 0, 5.0, None, None, None),
    ]
    assert rows(bars, CheckContext("day"), "SELECT * FROM incoming LIMIT 0") == []
    columns = "SELECT column_name FROM (DESCRIBE incoming)"
    assert rows(bars, CheckContext("day"), columns) == [("row",), *((name,) for name in schema.BARS)]


def test_bars_are_numbered_in_order_and_equal_ones_as_they_came(make_batch: BatchMaker) -> None:
    bars = make_batch({"A": {1: 10.0, 2: 11.0}}).bars
    mixed = pl.concat([bars[1:2], bars[0:1], bars[1:2].with_columns(close=pl.lit(9.0))])
    assert number_rows(mixed).select("row", "close").rows() == [(0, 10.0), (1, 11.0), (2, 9.0)]
    assert number_rows(bars).drop("row").equals(bars)
    assert number_rows(bars.with_columns(symbol=pl.lit(None, pl.String)))["row"].to_list() == [0, 1]


def test_sessions_are_the_exchanges_and_beyond_its_calendar_the_sources(make_batch: BatchMaker) -> None:
    # 2024-01-15 is a holiday in New York, a Monday; A trades on it nevertheless
    bars = make_batch({"A": {11: 10.0, 14: 11.0, 15: 12.0, 40_000: 1.0}}).bars
    found = rows(bars, CheckContext("day", "XNYS"), "SELECT number, date FROM sessions ORDER BY date")
    assert found[:3] == [(0, date(2024, 1, 12)), (1, date(2024, 1, 16)), (2, date(2024, 1, 17))]
    assert found[-1][1] == date(2133, 7, 8)
    unknown = rows(bars, CheckContext("day"), "SELECT date FROM sessions ORDER BY date LIMIT 2")
    assert unknown == [(date(2024, 1, 12),), (date(2024, 1, 15),)]
    given = CheckContext("day", "", [date(2024, 1, 12), date(2024, 1, 13)])
    assert rows(bars, given, "SELECT count(*) FROM sessions") == [(2,)]


def test_the_symbols_tell_the_exchange_unless_they_disagree(make_batch: BatchMaker) -> None:
    count = "SELECT count(*) FROM sessions WHERE date = '2024-01-01'"  # a holiday in Shanghai
    mainland = make_batch({"SH600000": {0: 10.0}, "SZ000001": {0: 10.0, 1: 10.0}})
    assert rows(mainland.bars, CheckContext("day"), count) == [(0,)]
    mixed = make_batch({"SH600000": {0: 10.0}, "AAPL": {0: 10.0}})
    assert rows(mixed.bars, CheckContext("day"), count) == [(1,)]


def test_hours_are_the_parts_of_the_sessions_for_intraday_bars_only(make_batch: BatchMaker) -> None:
    bars = intraday(make_batch({"SH600000": {1: 10.0}}).bars, "2024-01-02 09:35", "2024-01-02 15:00")
    query = "SELECT date, open, close FROM hours ORDER BY open"
    assert rows(bars, CheckContext("5min"), query) == [
        (date(2024, 1, 2), datetime(2024, 1, 2, 9, 30), datetime(2024, 1, 2, 11, 30)),
        (date(2024, 1, 2), datetime(2024, 1, 2, 13, 0), datetime(2024, 1, 2, 15, 0)),
    ]
    assert rows(bars, context_from_bars(bars), "SELECT count(*) FROM hours") == [(2,)]
    assert rows(bars, CheckContext("day"), query) == []


def test_instruments_are_as_given_and_as_spelled_where_nobody_says(make_batch: BatchMaker) -> None:
    silent = pl.when(pl.col("symbol") == "SZ000001").then(None).otherwise("volume")
    bars = make_batch({"SH600000": {1: 10.0}, "SH000300": {1: 10.0}, "SZ000001": {1: 10.0}}).bars.with_columns(
        volume=silent
    )
    given = pl.DataFrame(
        [("SZ000001", "", "stock", date(1991, 4, 3), None, None)], schema=schema.INSTRUMENTS, orient="row"
    )
    found = rows(bars, CheckContext("day", "", (), given), "FROM instruments ORDER BY symbol")
    assert found == [
        ("SH000300", "XSHG", "index", None, None, True),
        ("SH600000", "XSHG", "stock", None, None, True),
        ("SZ000001", "XSHE", "stock", date(1991, 4, 3), None, False),
    ]


def test_limits_are_the_dated_table_of_the_boards_where_it_holds(make_batch: BatchMaker) -> None:
    bars = make_batch({"SZ300001": {1: 10.0}}).bars
    query = "SELECT since, until, fraction FROM limits WHERE starts_with('SZ300001', prefix) ORDER BY since"
    assert rows(bars, CheckContext("day"), query) == [
        (date(2009, 10, 30), date(2020, 8, 24), 0.10),
        (date(2020, 8, 24), None, 0.20),
    ]
    free = "SELECT since, until, sessions FROM newcomers WHERE starts_with('SZ300001', prefix) ORDER BY since"
    assert rows(bars, CheckContext("day"), free)[1:] == [
        (date(2014, 6, 13), date(2020, 8, 24), 1),
        (date(2020, 8, 24), None, 5),
    ]
    american = make_batch({"AAPL": {1: 10.0}}).bars
    for table in ("limits", "newcomers"):
        assert rows(american, CheckContext("day", "XNYS"), f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize("exchange", ["", "XNYS"])
def test_no_bars_make_empty_tables(make_batch: BatchMaker, exchange: str) -> None:
    nothing = make_batch({"A": {1: 10.0}}).bars.clear()
    assert rows(nothing, CheckContext("day", exchange), "FROM steps") == []
    assert rows(nothing, context_from_bars(nothing), "FROM sessions") == []
