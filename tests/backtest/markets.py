"""Small made markets for the tests of this room."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl

from kronos_quant.backtest import Panel, Rules, Strategy, rules_of
from kronos_quant.backtest.panel import Past
from kronos_quant.market.dividends import DIVIDENDS

PLAIN_COSTS = {"buy": 0.001, "sell": 0.0015, "minimum": 5.0}
"""What the numbers worked out by hand were worked out with."""


def dates(count: int) -> tuple[date, ...]:
    return tuple(date(2024, 1, 1) + timedelta(days=t) for t in range(count))


def sizeless(fields: dict) -> Strategy:
    """The strategy of some settings: without market impact and participation, unless they say otherwise."""
    off = {"impact": 0.0, "participation": None}
    return Strategy.model_validate(fields | {"liquidity": off | fields.get("liquidity", {})})


def panel_of(score, close, *, open_=None, factor=None, gone=None, volume=None) -> Panel:
    """A panel from lists of rows; open is the close and the factor 1 unless given.

    gone : the row from which each symbol's listing is over, that after its last bar unless given
    """
    close = np.array(close, dtype=float)
    T, N = close.shape
    last_bar = np.array([np.flatnonzero(~np.isnan(column)).max(initial=-1) for column in close.T])
    return Panel(
        dates=dates(T),
        symbols=tuple(f"S{i:02d}" for i in range(N)),
        open=close.copy() if open_ is None else np.array(open_, dtype=float),
        high=close.copy(),
        low=close.copy(),
        close=close,
        volume=np.where(np.isnan(close), np.nan, 1e6) if volume is None else np.array(volume, dtype=float),
        factor=np.where(np.isnan(close), np.nan, 1.0) if factor is None else np.array(factor, dtype=float),
        score=np.array(score, dtype=float),
        delisted=delisted(last_bar + 1 if gone is None else gone, T),
    )


def delisted(gone, rows: int) -> np.ndarray:
    """The rows of `Panel.delisted` from the row in which each symbol leaves."""
    return in_order([(int(row), n) for n, row in enumerate(gone)], rows)


def in_order(found: list[tuple[int, int]], rows: int) -> np.ndarray:
    return np.array(sorted(one for one in found if one[0] < rows), dtype=np.int64).reshape(-1, 2)


def reordered(delisted: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The delistings of symbols that got the numbers of their places in `order`."""
    place = np.argsort(order)
    return np.array(sorted((int(row), int(place[n])) for row, n in delisted), dtype=np.int64).reshape(-1, 2)


def rules_with(strategy: Strategy, panel: Panel, limits=None, lots=None, **fields) -> Rules:
    """The strategy's rules, with limits f64[T, N] and lots int64[N] as the exchange's where they are given."""
    rules = rules_of(strategy, panel)
    if limits is not None and strategy.price_limit == "exchange":
        rules = replace(rules, up=limits, down=limits)
    if lots is not None and strategy.lot == "exchange":
        rules = replace(rules, lot=lots, step=np.maximum(lots, 1))
    return replace(rules, **fields)


def random_rules(seed: int, strategy: Strategy, panel: Panel) -> Rules:
    """Rules in which everything differs by symbol and session."""
    rng = np.random.default_rng([seed, 2])
    T, N = panel.score.shape
    groups = 2
    lot = rng.choice([0, 1, 100, 200], N).astype(np.int64)
    up = np.where(rng.random((T, N)) < 0.7, rng.choice([0.05, 0.1], (T, N)), np.nan)
    down = np.where(np.isnan(up), np.nan, rng.choice([0.05, 0.036], (T, N)))
    issue = np.where((rng.random((T, N)) < 0.05) & ~np.isnan(up), np.round(rng.uniform(2, 40, (T, N)), 2), np.nan)
    return replace(
        rules_of(strategy, panel),
        up=up,
        down=down,
        reference=issue,
        lot=lot,
        step=np.where(rng.random(N) < 0.5, np.maximum(lot, 1), 1).astype(np.int64),
        tick=rng.choice([0.01, 0.001], N),
        group=rng.integers(0, groups, N),
        buy=rng.choice([0.0, 0.0003, 0.001], groups),
        sell=rng.choice([0.0, 0.0003, 0.0015], groups),
        minimum=rng.choice([0.0, 5.0, 40.0], groups),
        unit=rng.choice([0.0, 0.01, 0.1], groups),
        one_tick=rng.integers(0, T + 1, N),
        buy_levy=rng.choice([0.0, 0.001], (T, groups, 2)),
        sell_levy=rng.choice([0.0, 0.0005, 0.003], (T, groups, 2)),
        per_share=rng.choice([0.0, 0.002], (T, groups)),
        most=rng.choice([1.0, 8.3], (T, groups)),
    )


def random_market(seed: int) -> tuple[Panel, np.ndarray, np.ndarray]:
    """A panel with ties, missing scores, suspensions, listings, delistings, splits; its limits and lots."""
    rng = np.random.default_rng(seed)
    T, N = int(rng.integers(2, 30)), int(rng.integers(1, 14))
    close = np.round(rng.uniform(2, 40, N) * np.exp(np.cumsum(rng.normal(0, 0.05, (T, N)), axis=0)), 2)
    open_ = np.round(close * np.exp(rng.normal(0, 0.04, (T, N))), 2)
    factor = np.cumprod(np.where(rng.random((T, N)) < 0.03, 2.0, 1.0), axis=0) * rng.choice([1.0, 0.37], N)
    missing = rng.random((T, N)) < rng.choice([0.0, 0.1, 0.4])
    for i in np.flatnonzero(rng.random(N) < 0.25):
        missing[int(rng.integers(0, T)) :, i] = True
    for i in np.flatnonzero(rng.random(N) < 0.25):
        missing[: int(rng.integers(0, T)), i] = True
    score = np.round(rng.normal(0, 1, (T, N)), int(rng.integers(0, 4)))
    score[rng.random((T, N)) < rng.choice([0.0, 0.2, 0.7])] = np.nan
    score[rng.random(T) < 0.1] = np.nan
    for values in (close, open_, factor):
        values[missing] = np.nan
    open_[rng.random((T, N)) < 0.01] = np.nan
    volume = np.where(np.isnan(close), np.nan, np.round(np.exp(rng.normal(9, 2, (T, N)))))
    if seed % 4 == 0:  # an index among the symbols, or a symbol that is quoted and never traded
        volume[:, 0] = np.where(np.isnan(volume[:, 0]), np.nan, 0.0)
    suspended = np.random.default_rng([seed, 11]).random((T, N)) < (0.05 if seed % 3 == 0 else 0.0)
    volume[suspended & ~np.isnan(volume)], open_[suspended] = 0.0, close[suspended]
    panel = panel_of(score, close * factor, open_=open_ * factor, factor=factor, volume=volume)
    if rng.random() < 0.3:  # bars go on after the last session: absent now is suspended, not delisted
        panel = panel_of(score, panel.close, open_=panel.open, factor=panel.factor, gone=np.full(N, T), volume=volume)
    limits = np.where(rng.random((T, N)) < 0.7, 0.05, np.nan)
    return panel, limits, rng.choice([0, 1, 100], N).astype(np.int64)


def with_past(seed: int, panel: Panel) -> Panel:
    """The panel with a few sessions before its first one, of prices and volumes like its own."""
    rng = np.random.default_rng([seed, 9])
    rows, N = int(rng.integers(1, 9)), len(panel.symbols)
    close = np.round(rng.uniform(2, 40, N) * np.exp(np.cumsum(rng.normal(0, 0.05, (rows, N)), axis=0)), 2)
    close[rng.random((rows, N)) < 0.2] = np.nan
    volume = np.where(np.isnan(close), np.nan, np.round(np.exp(rng.normal(9, 2, (rows, N)))))
    volume[:, 0] *= seed % 4 > 0
    days = tuple(panel.dates[0] - timedelta(days=rows - row) for row in range(rows))
    return replace(panel, past=Past(days, (close, close, close, close, volume, np.ones((rows, N)))))


def intraday(panel: Panel, bars: int) -> Panel:
    """The same rows as bars of sessions that have `bars` of them; those of the past as half as many."""
    T = len(panel.dates)
    days = dates(-(-T // bars))
    rows = tuple(days[t // bars] for t in range(T))
    times = tuple(datetime.combine(rows[t], time(10)) + timedelta(minutes=5 * (t % bars)) for t in range(T))
    # a symbol is delisted in the session after its last bar
    left = [(-(-int(row) // bars) * bars, int(n)) for row, n in panel.delisted]
    past = panel.past
    if past is not None:
        sessions = -(-len(past.dates) // 2)
        past = replace(past, dates=tuple(days[0] - timedelta(days=sessions - p // 2) for p in range(len(past.dates))))
    return replace(panel, dates=rows, times=times, delisted=in_order(left, T), past=past)


def with_dividends(seed: int, panel: Panel) -> Panel:
    """The panel under names of A shares with random dividends, most of which the factor follows."""
    rng = np.random.default_rng([seed, 12])
    T, N = panel.score.shape
    symbols = tuple(f"SH60{i:04d}" for i in range(N))
    columns = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close", "factor")}
    rows = []
    for i in range(N):
        for t in np.flatnonzero(rng.random(T) < 0.15).tolist():
            day = panel.dates[t] - timedelta(days=int(rng.integers(0, 2)))
            cash, bonus, given, rights = (float(share * (rng.random() < 0.5)) for share in rng.uniform(0, 0.4, 4))
            pay, listed = (None if rng.random() < 0.3 else day + timedelta(days=int(rng.integers(0, 6))) for _ in "ab")
            record = None if rng.random() < 0.5 else day - timedelta(days=int(rng.integers(1, 3)))
            rows.append((symbols[i], day, record, pay, listed, cash, bonus, given, rights * (rights > 0.2), 3.0))
            before = columns["close"][:t, i] / columns["factor"][:t, i]
            before = before[~np.isnan(before)]
            if rng.random() < 0.8 and len(before):
                ratio = before[-1] * (1 + bonus + given) / max(before[-1] - cash, 0.01)
                for name, values in columns.items():
                    values[t:, i] *= ratio if name == "factor" else 1.0
    # in the raw prices as drawn, an ex-date's fall is one of many moves
    close = columns["close"] * columns["factor"] / panel.factor
    opened = columns["open"] * columns["factor"] / panel.factor
    table = pl.DataFrame(rows, schema=DIVIDENDS, orient="row").unique(["symbol", "ex_date"]).sort("symbol", "ex_date")
    return replace(panel, symbols=symbols, close=close, open=opened, factor=columns["factor"], dividends=table)
