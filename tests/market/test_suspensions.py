"""Which sessions are suspended although a source has bars of them, and that every reader sees them as without a bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from made import store_unchecked

from kronos_quant.backtest.frames import backtest_frames
from kronos_quant.market import BarBatch, Market, export_bars, ingest_csv, ingest_qlib, open_market
from kronos_quant.market.sessions import sessions_between
from kronos_quant.market.suspensions import find_suspended
from kronos_quant.model.series import check_series, read_rows
from kronos_quant.windows.table import universe_table

BatchMaker = Callable[..., BarBatch]
QlibDir = Any
NAN = float("nan")
DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]

Bar = tuple[float, float, float | None] | tuple[float, float, float | None, float]
"""Low, high (and close), volume, and the factor where it is not 1."""


def daily(*bars: Bar, symbol: str = "SH600000") -> pl.DataFrame:
    return _frame(
        [(symbol, day, datetime(day.year, day.month, day.day), bar) for day, bar in zip(DAYS, bars, strict=False)]
    )


def minutes(*sessions: tuple[Bar, ...]) -> pl.DataFrame:
    rows = []
    for day, bars in zip(DAYS, sessions, strict=False):
        start = datetime(day.year, day.month, day.day, 9, 30)
        rows += [("SH600000", day, start + timedelta(minutes=5 * number), bar) for number, bar in enumerate(bars, 1)]
    return _frame(rows)


def _frame(rows: list[tuple[str, date, datetime, Bar]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "symbol": [symbol for symbol, *_ in rows],
            "date": [day for _, day, *_ in rows],
            "time": [time for _, _, time, _ in rows],
            "low": [bar[0] for *_, bar in rows],
            "high": [bar[1] for *_, bar in rows],
            "open": [bar[0] for *_, bar in rows],
            "close": [bar[1] for *_, bar in rows],
            "volume": pl.Series([bar[2] for *_, bar in rows], dtype=pl.Float64),
            "factor": [bar[3] if len(bar) > 3 else 1.0 for *_, bar in rows],
        }
    )


TRADED = (9.0, 10.0, 5.0)


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        ([TRADED, (10.0, 10.0, 0.0), (10.0, 10.0, None), TRADED], [0, 1, 1, 0]),
        ([TRADED, (11.0, 11.0, 0.0), (11.0, 11.0, 0.0)], [0, 0, 1]),  # at its limit, then suspended
        ([TRADED, (10.0, 10.0, 3.0)], [0, 0]),
        ([TRADED, (9.5, 10.0, 0.0)], [0, 0]),
        ([(10.0, 10.0, 0.0), (10.0, 10.0, 0.0)], [0, 0]),  # never a volume: nothing is known of trading
        ([(10.0, 10.0, 0.0), TRADED], [0, 0]),  # no close before
        ([TRADED, (5.0, 5.0, 0.0, 0.5), TRADED], [0, 1, 0]),  # as quoted, after a change of the factor
        ([TRADED, (10.0, 10.0, 0.0, 0.5), TRADED], [0, 1, 0]),  # as adjusted
    ],
)
def test_a_daily_bar_is_suspended_at_the_close_before_without_a_volume(bars: list[Bar], expected: list[int]) -> None:
    assert find_suspended(daily(*bars)).cast(pl.Int8).to_list() == expected


def test_a_flat_bar_within_a_session_that_trades_is_a_traded_bar() -> None:
    flat = (10.0, 10.0, 0.0)
    bars = minutes((TRADED, flat), (flat, flat), (flat, TRADED), (flat, (11.0, 11.0, 0.0)))
    assert find_suspended(bars).cast(pl.Int8).to_list() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_what_the_source_says_holds_whatever_its_bar() -> None:
    paused = pl.DataFrame({"symbol": ["SH600000"], "date": [DAYS[1]]})
    assert find_suspended(daily(TRADED, TRADED, TRADED), paused).to_list() == [False, True, False]


def test_symbols_are_judged_apart() -> None:
    bars = pl.concat([daily(TRADED, TRADED), daily((10.0, 10.0, 0.0), TRADED, symbol="SH600001")])
    assert not find_suspended(bars).any()


SESSIONS = sessions_between("XSHG", date(2023, 1, 3), date(2023, 3, 31))
FLAT = range(20, 32)
LIMIT = 40


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qlib directory: one share flat without a volume (NaN or 0) in FLAT, and at one price away from it on LIMIT."""
    from market.conftest import QlibDir as Directory

    made = Directory(tmp_path_factory.mktemp("flat") / "q").calendar([str(day) for day in SESSIONS])
    rng = np.random.default_rng(1)
    for name in ("sh600000", "sh600001", "sh600002"):
        close = 10 * np.exp(np.cumsum(rng.normal(0, 0.01, len(SESSIONS))))
        low, high, volume = close - 0.1, close + 0.1, np.full(len(close), 1e5)
        if name == "sh600000":
            stand = [*FLAT]
            close[stand] = close[stand[0] - 1]
            close[LIMIT] = close[LIMIT - 1] * 1.1
            low[[*stand, LIMIT]] = high[[*stand, LIMIT]] = close[[*stand, LIMIT]]
            volume[stand] = np.where(np.arange(len(stand)) % 2, 0.0, NAN)
            volume[LIMIT] = 0.0
        made.stock(name, list(close), open=list(close), low=list(low), high=list(high), volume=list(volume))
    return made.path


@pytest.fixture(scope="module")
def market(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Market:
    root = tmp_path_factory.mktemp("root")
    report = ingest_qlib(root, directory)
    assert report.suspended_bars == len(FLAT)
    assert any(f"{len(FLAT)} bars flat at the close before" in line for line in report.lines())
    return open_market(root)


def test_readers_see_no_bar_of_a_suspended_session(market: Market) -> None:
    flat = {SESSIONS[place] for place in FLAT}
    own = market.bars("SH600000")
    assert not flat & set(own["date"])
    assert SESSIONS[LIMIT] in set(own["date"])
    assert len(market.stored_bars(["SH600000"])) == len(SESSIONS)
    day = SESSIONS[FLAT[3]]
    assert market.membership("all", day).suspended == ("SH600000",)
    connection = market.connect()
    assert connection.sql("SELECT suspended FROM coverage WHERE symbol = 'SH600000'").fetchall() == [(len(FLAT),)]
    assert connection.sql("SELECT count(*) FROM bars").fetchall() == [(len(market.bars()),)]
    assert connection.sql("SELECT count(*) FROM stored_bars WHERE suspended").fetchall() == [(len(FLAT),)]
    assert str(len(market.bars())) in market.title


def test_windows_span_a_suspension_as_sessions_without_a_bar(market: Market) -> None:
    table, _ = universe_table(market, "all")
    own = table.session[table.offset[0] : table.offset[1]]
    assert np.diff(own).max() == len(FLAT) + 1


def test_a_missing_volume_is_missing_in_an_export_and_the_bars_come_back(
    market: Market, directory: Path, tmp_path: Path
) -> None:
    export_bars(market, tmp_path / "q", "qlib")
    for field in ("volume", "close", "high"):
        name = f"features/sh600000/{field}.day.bin"
        np.testing.assert_array_equal(np.fromfile(tmp_path / "q" / name, "<f4"), np.fromfile(directory / name, "<f4"))
    again = ingest_qlib(tmp_path / "w", tmp_path / "q")
    assert again.suspended_bars == len(FLAT)
    assert open_market(tmp_path / "w").stored_bars().equals(market.stored_bars())
    export_bars(market, tmp_path / "bars.csv", "csv")
    ingest_csv(tmp_path / "c", tmp_path / "bars.csv", exchange="XSHG")
    own = open_market(tmp_path / "c").stored_bars(["SH600000"])["volume"]
    assert own.null_count() == (len(FLAT) + 1) // 2


def test_a_table_is_read_like_a_market(market: Market) -> None:
    stored = market.stored_bars()
    series = check_series(read_rows(stored))
    assert series.bars.equals(market.bars())
    assert any("suspended" in note for note in series.notes)
    scores = market.bars().select("date", "symbol", score="close")
    settings = {"topk": 2, "n_drop": 1, "account": 1e6}
    whole, traded = (backtest_frames(bars, scores, **settings) for bars in (stored, market.bars()))
    assert whole.fills.equals(traded.fills)
    assert any("suspended" in note for note in whole.notes)


def test_a_column_of_the_source_marks_sessions_and_is_taken_back(tmp_path: Path) -> None:
    lines = ["date,code,open,high,low,close,volume,amount,tradestatus"]
    for place, day in enumerate(SESSIONS[:12]):
        price = 10 + place / 10
        lines.append(
            f"{day},sh.600000,{price},{price + 0.1},{price - 0.1},{price},1000,{price * 1000},{int(place != 5)}"
        )
    (tmp_path / "a.csv").write_text("\n".join(lines))
    report = ingest_csv(tmp_path / "w", tmp_path / "a.csv")
    assert report.suspended_bars == 1
    assert SESSIONS[5] not in set(open_market(tmp_path / "w").bars()["date"])
    (tmp_path / "a.csv").write_text("\n".join(lines).replace(",0\n", ",1\n"))
    assert ingest_csv(tmp_path / "w", tmp_path / "a.csv").suspended_bars == 0
    assert len(open_market(tmp_path / "w").bars()) == 12


def test_the_mark_depends_on_no_order_of_ingests(tmp_path: Path, make_batch: BatchMaker) -> None:
    flat = pl.col("date") > date(2024, 1, 3)
    values = {name: pl.when(flat).then(10.0).otherwise(pl.col("close")) for name in ("high", "low", "open", "close")}
    whole = make_batch(
        {"A": {1: 9.0, 2: 10.0, 3: 10.0, 4: 10.0}}, volume=pl.when(flat).then(0.0).otherwise(5.0), **values
    )
    parts = [replace(whole, bars=whole.bars.filter(part)) for part in (flat, ~flat)]
    store_unchecked(tmp_path / "one", whole)
    for part in parts:
        store_unchecked(tmp_path / "two", part)
    one, two = open_market(tmp_path / "one"), open_market(tmp_path / "two")
    assert one.snapshot.digest == two.snapshot.digest
    assert len(one.bars()) == 2
