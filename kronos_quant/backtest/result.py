"""What a back-test gives back.

Shape letters: T sessions, N symbols, O orders. A Ledger starts with the session that only gave scores, a
BacktestResult with the first that traded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from kronos_quant.backtest import codes
from kronos_quant.backtest.notes import notes_of, rejections_of
from kronos_quant.backtest.panel import FloatArray, Panel
from kronos_quant.backtest.performance import key_figures
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.backtest.tables import order_table, position_table


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the kernel did, in adjusted units.

    orders : f64[O, 9], columns as in `codes`; account, cash : f64[T], after each session
    held (shares), last (close, filled forward), factor (filled forward) : f64[T, N]
    """

    orders: FloatArray
    account: FloatArray
    cash: FloatArray
    held: FloatArray
    last: FloatArray
    factor: FloatArray

    @property
    def fills(self) -> FloatArray:
        """The orders that traded, whole or in part."""
        return np.asarray(self.orders[self.orders[:, codes.STATUS] != codes.REJECTED])


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """A finished back-test.

    dates : the T sessions traded
    returns, gross_returns : f64[T], of the account in a session, after and before costs
    benchmark_returns : f64[T] or None
    account, cash, cost : f64[T], money; turnover : f64[T], value bought and sold / account before
    orders, fills, positions : frames, columns as in `tables`
    rejections : number of orders rejected or cut, by reason
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
    rejections: dict[str, int]
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
    strategy: Strategy, panel: Panel, ledger: Ledger, benchmark: FloatArray | None, notes: tuple[str, ...] = ()
) -> BacktestResult:
    """The returns, tables, figures and notes of a ledger. benchmark : f64[T - 1] or None; notes : further ones."""
    before, after = ledger.account[:-1], ledger.account[1:]
    fills = ledger.fills
    cost = by_session(fills, fills[:, codes.COST], len(before))
    traded = by_session(fills, fills[:, codes.SHARES] * fills[:, codes.PRICE], len(before))
    returns, gross = rate(after - before, before), rate(after - before + cost, before)
    turnover = rate(traded, before)
    orders = order_table(ledger.orders, ledger.factor, panel)
    filled = orders.filter(pl.col("status") != "rejected")
    rejections = rejections_of(orders)
    metrics = key_figures(returns, gross, benchmark, strategy.sessions_per_year) | {
        "turnover": float(turnover.mean()),
        "cost": float(cost.sum()),
        "annual_cost": float(rate(cost, before).mean() * strategy.sessions_per_year),
        "trades": float(len(filled)),
        "orders": float(len(orders)),
        "rejected": float((orders["status"] == "rejected").sum()),
        "mean_holdings": float((ledger.held[1:] > 0).sum(axis=1).mean()),
        "mean_cash": float(rate(ledger.cash[1:], after).mean()),
    }
    return BacktestResult(
        strategy=strategy,
        symbols=panel.symbols,
        dates=panel.dates[1:],
        returns=returns,
        gross_returns=gross,
        benchmark_returns=benchmark,
        account=after,
        cash=ledger.cash[1:],
        cost=cost,
        turnover=turnover,
        orders=orders,
        fills=filled,
        positions=position_table(ledger.held, ledger.last, ledger.factor, ledger.account, panel),
        rejections=rejections,
        notes=notes_of(strategy, panel, orders) + notes,
        metrics=metrics,
    )


def by_session(orders: FloatArray, values: FloatArray, sessions: int) -> FloatArray:
    """Sum of an amount an order f64[O] in each of the `sessions` traded."""
    sums = np.bincount(orders[:, codes.SESSION].astype(np.int64) - 1, weights=values, minlength=sessions)
    return sums.astype(np.float64)


def rate(amount: FloatArray, account: FloatArray) -> FloatArray:
    """amount / account, 0 where nothing is left of the account."""
    return np.divide(amount, account, out=np.zeros_like(amount), where=account > 0)
