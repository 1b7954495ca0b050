"""What an account did, as the tables that the page of a back-test shows and the run keeps as Parquet.

By session: exposure and holdings. By symbol: profit. By year, month and half year: returns. And its drawdowns. Shape
letter: T sessions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import BacktestResult
from kronos_quant.backtest.accounts import rate
from kronos_quant.report.periods import half_year, rolling_series
from kronos_quant.stats.performance import annual_volatility, drawdowns, max_drawdown, sharpe_ratio, total_return

ROLLING = ("annual_return", "annual_volatility", "sharpe_ratio", "max_drawdown", "beta")


def account_tables(result: BacktestResult) -> dict[str, pl.DataFrame]:
    """The tables, by the name of their file."""
    return {
        "exposures": exposure_table(result),
        "contributors": contributor_table(result),
        "years": year_table(result),
        "months": month_table(result),
        "rolling": rolling_table(result),
        "drawdowns": drawdown_table(result),
    }


def exposure_table(result: BacktestResult) -> pl.DataFrame:
    """One row a session: date, holdings, long, short, gross, net and cash at the close, as fractions of the account."""
    weight = pl.col("weight")
    held = result.positions.group_by("date").agg(
        holdings=pl.len().cast(pl.Int64), long=weight.clip(0, None).sum(), short=weight.clip(None, 0).sum()
    )
    sessions = result.daily.select("date", cash=pl.when(pl.col("account") > 0).then(pl.col("cash") / pl.col("account")))
    return (
        sessions.join(held, on="date", how="left", maintain_order="left")
        .with_columns(pl.col("holdings", "long", "short").fill_null(0))
        .select(
            "date",
            "holdings",
            "long",
            "short",
            gross=pl.col("long") - pl.col("short"),
            net=pl.col("long") + pl.col("short"),
            cash="cash",
        )
    )


def contributor_table(result: BacktestResult) -> pl.DataFrame:
    """One row a symbol that was traded, the largest profit first.

    Columns: symbol, profit (after costs, what is still held at its last price), contribution (profit / initial
    account), bought, sold, cost, dividends (net of tax), fills, sessions (with a holding), value (held at the end)
    """
    buys, value = pl.col("side") == "buy", pl.col("value")
    paid = pl.sum_horizontal("cost", "slippage", "impact")
    traded = result.fills.group_by("symbol").agg(
        bought=value.filter(buys).sum(),
        sold=value.filter(~buys).sum(),
        on_top=pl.col("cost").sum(),
        owed=pl.col("dividend_tax").sum(),
        cost=paid.sum(),
        fills=pl.len().cast(pl.Int64),
    )
    last = pl.col("date") == result.dates[-1]
    held = result.positions.group_by("symbol").agg(
        sessions=pl.len().cast(pl.Int64), value=pl.col("value").filter(last).sum()
    )
    empty = {"symbol": pl.String, "received": pl.Float64}
    received = pl.DataFrame(schema=empty)
    if result.payouts is not None:
        net = (pl.col("dividend") - pl.col("dividend_tax")).sum()
        received = result.payouts.group_by("symbol").agg(received=net)
    profit = pl.col("sold") - pl.col("bought") - pl.col("on_top") + pl.col("dividends") + pl.col("value")
    return (
        traded.join(held, on="symbol", how="left")
        .join(received, on="symbol", how="left")
        .with_columns(pl.col("sessions", "value", "received").fill_null(0))
        .with_columns(dividends=pl.col("received") - pl.col("owed"))
        .with_columns(profit=profit)
        .select(
            "symbol",
            "profit",
            (pl.col("profit") / result.strategy.account).alias("contribution"),
            *("bought", "sold", "cost", "dividends", "fills", "sessions", "value"),
        )
        .sort("profit", "symbol", descending=[True, False])
    )


def year_table(result: BacktestResult) -> pl.DataFrame:
    """One row a calendar year, of its sessions alone; a first or last year may be a part of one.

    Columns: year, sessions, return, gross_return, benchmark_return, excess_return, annual_volatility, sharpe_ratio,
    max_drawdown, turnover (mean of a session), cost (sum over the sessions of cost / account before)
    """
    paid = _cost_rates(result)
    rows = []
    for year, part in _groups([day.year for day in result.dates]):
        returns, years = result.returns[part], result.sessions_per_year
        earned = total_return(returns)
        other = None if result.benchmark_returns is None else total_return(result.benchmark_returns[part])
        rows.append(
            {
                "year": year,
                "sessions": len(returns),
                "return": earned,
                "gross_return": total_return(result.gross_returns[part]),
                "benchmark_return": other,
                "excess_return": None if other is None or other <= -1 else (1 + earned) / (1 + other) - 1,
                "annual_volatility": annual_volatility(returns, years),
                "sharpe_ratio": sharpe_ratio(returns, years),
                "max_drawdown": max_drawdown(returns),
                "turnover": float(result.turnover[part].mean()),
                "cost": float(paid[part].sum()),
            }
        )
    floats = dict.fromkeys(list(rows[0])[2:], pl.Float64)
    return _known(pl.DataFrame(rows, schema={"year": pl.Int64, "sessions": pl.Int64, **floats}))


def month_table(result: BacktestResult) -> pl.DataFrame:
    """One row a calendar month: month (2025-06), sessions, return and benchmark_return."""
    rows = [
        (
            month,
            len(result.returns[part]),
            total_return(result.returns[part]),
            None if result.benchmark_returns is None else total_return(result.benchmark_returns[part]),
        )
        for month, part in _groups([f"{day:%Y-%m}" for day in result.dates])
    ]
    floats = dict.fromkeys(("return", "benchmark_return"), pl.Float64)
    return pl.DataFrame(rows, schema={"month": pl.String, "sessions": pl.Int64, **floats}, orient="row")


def rolling_table(result: BacktestResult) -> pl.DataFrame:
    """One row a session that ends a half year: date and the figures of `rolling_series`; no row where none is whole."""
    window = half_year(result.sessions_per_year)
    found = rolling_series(result.returns, result.benchmark_returns, window, result.sessions_per_year)
    days = result.dates[window - 1 :]
    nothing = [None] * len(days)
    series = {name: found.get(name, nothing) for name in ROLLING}
    return _known(
        pl.DataFrame({"date": days, **series}, schema={"date": pl.Date, **dict.fromkeys(ROLLING, pl.Float64)})
    )


def drawdown_table(result: BacktestResult) -> pl.DataFrame:
    """One row a drawdown, the deepest first: start, trough, end, depth, sessions and whether it was recovered.

    It starts at the first session below the highest value so far and ends at the last one below it.
    """
    depth = drawdowns(result.returns)
    below = np.concatenate([[False], depth < 0, [False]])
    starts, ends = np.flatnonzero(~below[:-1] & below[1:]), np.flatnonzero(below[:-1] & ~below[1:]) - 1
    rows = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        trough = start + int(np.argmin(depth[start : end + 1]))
        days = (result.dates[start], result.dates[trough], result.dates[end])
        rows.append((*days, float(depth[trough]), end - start + 1, end < len(depth) - 1))
    dates = dict.fromkeys(("start", "trough", "end"), pl.Date)
    schema = {**dates, "depth": pl.Float64, "sessions": pl.Int64, "recovered": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("depth", "start")


def other_profit(result: BacktestResult) -> float:
    """What the account earned that belongs to no symbol's trades: borrow fees and cash dividends, with their sign."""
    earned = float(result.account[-1]) - result.strategy.account
    return earned - float(contributor_table(result)["profit"].sum())


def _cost_rates(result: BacktestResult) -> FloatArray:
    """Cost of each session / the account before it, f64[T]; 0 where nothing is left of it."""
    before = np.concatenate([[result.strategy.account], result.account[:-1]])
    return rate(result.cost, before)


def _groups(keys: list[Any]) -> list[tuple[Any, slice]]:
    """Each key with the sessions that have it, which follow each other."""
    starts = [place for place, key in enumerate(keys) if not place or keys[place - 1] != key]
    return [(keys[a], slice(a, b)) for a, b in zip(starts, [*starts[1:], len(keys)], strict=True)]


def _known(table: pl.DataFrame) -> pl.DataFrame:
    """The table with nothing where a figure is not determined."""
    return table.fill_nan(None)
