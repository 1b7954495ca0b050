"""What a back-test gives back.

Shape letter: S sessions traded; the first one of a panel only gives scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.accounts import (
    AccountSeries,
    Ledger,
    bar_table,
    leg_table,
    order_table,
    position_table,
    rate,
    series_of,
)
from kronos_quant.backtest.notes import account_lost, halts, notes_of, rejections_of, risk_orders
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.rules import Terms
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.stats.performance import key_figures


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """A finished back-test.

    dates : the S sessions traded
    returns, gross_returns : f64[S], of the account in a session, after and before costs
    benchmark_returns : f64[S] or None
    account, cash : f64[S], money; cost : f64[S], commission, levies, slippage, impact and borrowing
    turnover : f64[S], value bought and sold / account before
    orders, fills, positions : frames, columns as in `tables`
    bars : date, time, account and cash after each bar of an intraday market; None where a bar is a session
    legs : what was long and what was short by session, columns as in `legs.leg_table`; None where nothing was short
    rejections : number of orders rejected or cut, by reason
    risk : number of orders that each rule of the section `risk` made or cut, the most frequent first
    halted : the sessions in which a drawdown kept the strategy from trading
    delisted : total return by the return at which delisted holdings leave; empty where none was delisted
    rules : what trades cost, in plain lines; sessions_per_year : annualisation of the figures
    notes : plain sentences that the reader has to know; metrics : key figures, NaN where not determined
    """

    strategy: Strategy
    symbols: tuple[str, ...]
    dates: tuple[date, ...]
    returns: FloatArray
    gross_returns: FloatArray
    benchmark_returns: FloatArray | None
    account: FloatArray
    cash: FloatArray
    cost: FloatArray
    turnover: FloatArray
    orders: pl.DataFrame
    fills: pl.DataFrame
    positions: pl.DataFrame
    bars: pl.DataFrame | None
    legs: pl.DataFrame | None
    rejections: dict[str, int]
    risk: dict[str, int]
    halted: tuple[date, ...]
    rules: tuple[str, ...]
    delisted: dict[float, float]
    sessions_per_year: int
    notes: tuple[str, ...]
    metrics: dict[str, float]

    def daily(self) -> pl.DataFrame:
        """One row a session: date, return, gross_return, benchmark_return, account, cash, cost, turnover."""
        return pl.DataFrame(
            {
                "date": self.dates,
                "return": self.returns,
                "gross_return": self.gross_returns,
                "benchmark_return": self.benchmark_returns,
                "account": self.account,
                "cash": self.cash,
                "cost": self.cost,
                "turnover": self.turnover,
            },
            schema_overrides={"benchmark_return": pl.Float64},
        )


def result_of(
    strategy: Strategy,
    panel: Panel,
    terms: Terms,
    ledger: Ledger,
    benchmark: FloatArray | None,
    delisted: dict[float, float],
    notes: tuple[str, ...] = (),
) -> BacktestResult:
    """The returns, tables, figures and notes of a ledger.

    benchmark : f64[S] or None; delisted : as in BacktestResult; notes : further ones
    """
    series, ends = series_of(ledger), ledger.ends[1:]
    orders = order_table(ledger.orders, ledger.factor, panel)
    filled = orders.filter(pl.col("status") != "rejected")
    halted = tuple(panel.dates[t] for t in ends if ledger.halted[t])
    said = (*account_lost(ledger.account, panel), *notes_of(strategy, panel, orders), *halts(halted, strategy))
    return BacktestResult(
        strategy=strategy,
        symbols=panel.symbols,
        dates=tuple(panel.dates[t] for t in ends),
        returns=series.returns,
        gross_returns=series.gross_returns,
        benchmark_returns=benchmark,
        account=ledger.account[ends],
        cash=ledger.cash[ends],
        cost=series.cost,
        turnover=series.turnover,
        orders=orders,
        fills=filled,
        positions=position_table(ledger, ends, panel),
        bars=bar_table(ledger, panel) if panel.times else None,
        legs=leg_table(ledger, panel) if (ledger.held < 0).any() else None,
        rejections=rejections_of(orders),
        risk=risk_orders(orders),
        halted=halted,
        rules=terms.said,
        delisted=delisted,
        sessions_per_year=terms.sessions_per_year,
        notes=(*said, *terms.notes, *notes),
        metrics=metrics_of(series, ledger, benchmark, terms.sessions_per_year),
    )


def metrics_of(
    series: AccountSeries, ledger: Ledger, benchmark: FloatArray | None, sessions_per_year: int
) -> dict[str, float]:
    """The key figures of a ledger, NaN where not determined."""
    fills, ends = ledger.fills, ledger.ends
    before, after = ledger.account[ends][:-1], ledger.account[ends][1:]
    return key_figures(series.returns, series.gross_returns, benchmark, sessions_per_year) | {
        "sessions_per_year": float(sessions_per_year),
        "turnover": float(series.turnover.mean()),
        "cost": float(series.cost.sum()),
        "commission": float((fills[:, codes.COST] - fills[:, codes.LEVY]).sum()),
        "levies": float(fills[:, codes.LEVY].sum()),
        "slippage": float(fills[:, codes.SLIPPAGE].sum()),
        "impact": float(fills[:, codes.IMPACT].sum()),
        "borrow": float(ledger.borrowed.sum()),
        "annual_cost": float(rate(series.cost, before).mean() * sessions_per_year),
        "trades": float(len(fills)),
        "orders": float(len(ledger.orders)),
        "rejected": float(len(ledger.orders) - len(fills)),
        "mean_holdings": float((ledger.held[ends[1:]] != 0).sum(axis=1).mean()),
        "mean_cash": float(rate(ledger.cash[ends[1:]], after).mean()),
    }
