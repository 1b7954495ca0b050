"""A back-test of tables of bars and scores, without a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from kronos_quant.backtest.engine import simulate
from kronos_quant.backtest.execution import add_execution, execution_notes, needs_minutes
from kronos_quant.backtest.inputs import StrategyLike, benchmark_close, build_rows, rows_before
from kronos_quant.backtest.panel import add_past, in_ticks
from kronos_quant.backtest.result import BacktestResult
from kronos_quant.backtest.rules import rules_of
from kronos_quant.backtest.scores import place_scores, scored_span, select_sessions, without_indices
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.config import load_yaml, read_values
from kronos_quant.errors import ConfigError, DataError, listed
from kronos_quant.inputs import PathLike, Table, as_frame, as_path
from kronos_quant.market import canonical
from kronos_quant.market.dialects.names import FIELDS, find_columns
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.market.ingest.dividends import read_dividends
from kronos_quant.market.ingest.klines import RawTable, ReadOptions, read_klines, to_batch
from kronos_quant.market.listings import Listings, listings_of_bars
from kronos_quant.market.quality.checks import require_valid_bars
from kronos_quant.market.store import BarBatch, tidy_bars
from kronos_quant.market.suspensions import split_suspended, suspended_note
from kronos_quant.signals.table import read_score_table

WITHOUT_WORKSPACE = ("recipe", "scores_file", "code", "universe")
"""Settings that need a workspace: the table of scores takes their place."""


def backtest_frames(
    bars: Table,
    scores: Table | PathLike,
    strategy: StrategyLike | None = None,
    *,
    exchange: str = "",
    dividend_table: Table | PathLike | None = None,
    **settings: Any,
) -> BacktestResult:
    """Back-test a table of scores on a table of bars.

    Scores of a session trade at the next one. Symbols that are an index or the benchmark are not traded. Special
    treatment and listing dates are unknown here, so that their price limits are those of ordinary shares.

    Parameters
    ----------
    bars
        Polars, pandas or Arrow: columns date (or time), symbol, open, high, low, close, volume and, where they are
        known, amount and factor (raw price = price / factor; 1 where there is none).
    scores
        A table, or a file: columns date (or asof), symbol and score; or a date and a column per symbol.
    strategy
        A Strategy, its settings, or a strategy file; None: the defaults of `Strategy`, which is Top-K dropout.
    exchange
        ISO code (XSHG, XNYS, XHKG, 24/7) whose limits, lots and costs apply; "": by prefix of each symbol (SH600000).
    dividend_table
        Cash and shares by ex-date, as `Workspace.ingest_dividends` reads them; None: dividends are reinvested.
    settings
        Fields of `Strategy` that override those of `strategy`: topk, n_drop, start, end, costs, benchmark ...

    Raises
    ------
    DataError
        For tables that lack columns, hold wrong values, or have no score that could be traded.
    ConfigError
        For wrong settings.

    >>> import datetime, polars as pl, kronos_quant as kq
    >>> days = [datetime.date(2025, 6, day) for day in (2, 3, 4)]
    >>> rows = [(day, symbol, price) for day in days for symbol, price in (("AAA", 10.0), ("BBB", 20.0))]
    >>> bars = pl.DataFrame(
    ...     {
    ...         "date": [day for day, _, _ in rows],
    ...         "symbol": [symbol for _, symbol, _ in rows],
    ...         **{name: [price for _, _, price in rows] for name in ("open", "high", "low", "close")},
    ...         "volume": [1e6] * 6,
    ...     }
    ... )
    >>> scores = pl.DataFrame({"date": days[:1] * 2, "symbol": ["AAA", "BBB"], "score": [2.0, 1.0]})
    >>> result = kq.backtest(bars, scores, topk=1, n_drop=1, account=1e5)
    >>> result.fills.select("symbol", "side").rows()
    [('AAA', 'buy')]
    """
    paid = None if dividend_table is None else read_dividends(dividend_table, exchange).frame
    return _simulate(as_frame(bars, "bars"), scores, _settings(strategy, settings), exchange, paid)


def _simulate(
    bars: pl.DataFrame, scores: Table | PathLike, chosen: Strategy, exchange: str, paid: pl.DataFrame | None
) -> BacktestResult:
    batch, rows, halted = _read_bars(bars, exchange)
    indices = batch.instruments.filter(pl.col("kind") == "index")["symbol"].to_list()
    benchmark = _benchmark(chosen, indices, rows, exchange)
    table = read_score_table(
        scores, rows["symbol"].unique(), exchange=exchange, freq=batch.freq, score=chosen.score_column
    )
    kept, untraded = without_indices(table.ranked(), [*indices, *([benchmark] if benchmark else [])])
    times = rows.select("date", "time").unique().sort("date", "time")
    known = times["date"].unique().sort().to_list()
    placed, left_out = place_scores(kept, times, batch.freq)
    sessions, _ = select_sessions(known, batch.freq, chosen, *scored_span(known, placed))
    before = rows_before(times, chosen, sessions[0])
    listings = Listings(listings_of_bars(rows, known), halted)
    built = build_rows(rows, placed, sessions, times, batch.freq, listings)
    panel = add_past(replace(built, dividends=paid), rows, before)
    rules = rules_of(chosen, panel, exchange)
    if chosen.profile == "exchange":
        if needs_minutes(chosen):
            raise ConfigError("fill_window and twap need a workspace with minute bars", hint="Use `fill: vwap`.")
        panel = add_execution(in_ticks(panel, rules.tick), chosen, rows)
    closes = None if benchmark is None else benchmark_close(rows, benchmark, panel)
    left_out = [*left_out, *execution_notes(chosen, panel)]
    notes = [f"Bars: {note}." for note in batch.notes if "amount" not in note]
    notes += [*(f"Scores: {note}." for note in table.notes()), *untraded, *left_out]
    return simulate(chosen, panel, rules, closes, notes=notes, benchmark=benchmark)


def _read_bars(frame: pl.DataFrame, exchange: str) -> tuple[BarBatch, pl.DataFrame, pl.DataFrame]:
    """The table as an ingest would read it, its bars in schema.BARS by symbol and time, and suspended sessions."""
    if frame.is_empty():
        raise DataError("bars: the table is empty")
    reading = ReadOptions(exchange=exchange)
    raw = RawTable("bars", "row", None, frame.with_row_index(LINE, offset=1))
    batch = to_batch([read_klines(raw, reading)], "table", None, reading)
    if not find_columns(frame.columns, FIELDS["factor"]):
        batch = replace(batch, notes=(*batch.notes, "no column factor: prices are taken as raw prices"))
    rows = tidy_bars(batch).sort("symbol", "time").with_columns(pl.col("volume", "amount").fill_null(0.0))
    require_valid_bars(rows, "bars")
    traded, suspended = split_suspended(rows, batch.paused)
    noted = replace(batch, notes=(*batch.notes, *suspended_note(suspended)))
    return noted, traded, suspended.select("symbol", "date").unique()


def _settings(strategy: StrategyLike | None, settings: Mapping[str, Any]) -> Strategy:
    """The strategy with the settings that override its own."""
    if isinstance(strategy, str | Path):
        strategy = load_yaml(Strategy, as_path(strategy, "strategy"))
    if not isinstance(strategy, Strategy | Mapping | None):
        raise ConfigError(f"strategy: expected a Strategy, settings or a strategy file, found {strategy!r}")
    given = strategy.model_dump(exclude_unset=True) if isinstance(strategy, Strategy) else dict(strategy or {})
    chosen = read_values(Strategy, {**given, **settings})
    needless = [name for name in WITHOUT_WORKSPACE if getattr(chosen, name) != Strategy.model_fields[name].default]
    if needless:
        raise ConfigError(
            f"strategy: {listed(needless)}: needs a workspace", hint="give the table of scores instead, or use kq.open"
        )
    return chosen


def _benchmark(strategy: Strategy, indices: list[str], bars: pl.DataFrame, exchange: str) -> str | None:
    """The benchmark's symbol: the one that was named, or the only index among the bars."""
    if strategy.benchmark == "auto":
        return indices[0] if len(indices) == 1 else None
    if strategy.benchmark == "none":
        return None
    symbol = canonical(strategy.benchmark, exchange)
    if symbol not in bars["symbol"]:
        raise DataError(f"benchmark: no bars of {strategy.benchmark}", hint="add its bars, or use benchmark='none'")
    return symbol
