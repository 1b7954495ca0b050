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
from kronos_quant.backtest.notes import account_lost, notes_of, rejections_of
from kronos_quant.backtest.panel import FloatArray, Panel
from kronos_quant.backtest.performance import key_figures
from kronos_quant.backtest.rules import Terms
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.backtest.tables import order_table, position_table


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the kernel did, in adjusted units.

    orders : f64[O, COLUMNS], columns as in `codes`; account, cash : f64[T], after each session
    held (shares), last (close, filled forward), factor (filled forward) : f64[T, N]
    borrowed : f64[T], what being short cost in each session
    """

    orders: FloatArray
    account: FloatArray
    cash: FloatArray
    held: FloatArray
    last: FloatArray
    factor: FloatArray
    borrowed: FloatArray

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
    account, cash : f64[T], money; cost : f64[T], commission, levies, slippage, impact and borrowing
    turnover : f64[T], value bought and sold / account before
    orders, fills, positions : frames, columns as in `tables`
    rejections : number of orders rejected or cut, by reason
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
    rejections: dict[str, int]
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

    benchmark : f64[T - 1] or None; delisted : as in BacktestResult; notes : further ones
    """
    series = series_of(ledger)
    orders = order_table(ledger.orders, ledger.factor, panel)
    filled = orders.filter(pl.col("status") != "rejected")
    return BacktestResult(
        strategy=strategy,
        symbols=panel.symbols,
        dates=panel.dates[1:],
        returns=series.returns,
        gross_returns=series.gross_returns,
        benchmark_returns=benchmark,
        account=ledger.account[1:],
        cash=ledger.cash[1:],
        cost=series.cost,
        turnover=series.turnover,
        orders=orders,
        fills=filled,
        positions=position_table(ledger.held, ledger.last, ledger.factor, ledger.account, panel),
        rejections=rejections_of(orders),
        rules=terms.said,
        delisted=delisted,
        sessions_per_year=terms.sessions_per_year,
        notes=account_lost(ledger.account, panel) + notes_of(strategy, panel, orders) + terms.notes + notes,
        metrics=metrics_of(series, ledger, benchmark, terms.sessions_per_year),
    )


@dataclass(frozen=True, slots=True)
class Series:
    """What an account did in each session traded, f64[T]; as in BacktestResult."""

    returns: FloatArray
    gross_returns: FloatArray
    cost: FloatArray
    turnover: FloatArray


def series_of(ledger: Ledger) -> Series:
    """The returns, costs and turnover of a ledger."""
    before, after = ledger.account[:-1], ledger.account[1:]
    fills = ledger.fills
    paid = fills[:, codes.COST] + fills[:, codes.SLIPPAGE] + fills[:, codes.IMPACT]
    cost = by_session(fills, paid, len(before)) + ledger.borrowed[1:]
    traded = by_session(fills, fills[:, codes.SHARES] * fills[:, codes.PRICE], len(before))
    return Series(rate(after - before, before), rate(after - before + cost, before), cost, rate(traded, before))


def metrics_of(
    series: Series, ledger: Ledger, benchmark: FloatArray | None, sessions_per_year: int
) -> dict[str, float]:
    """The key figures of a ledger, NaN where not determined."""
    fills, before, after = ledger.fills, ledger.account[:-1], ledger.account[1:]
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
        "mean_holdings": float((ledger.held[1:] != 0).sum(axis=1).mean()),
        "mean_cash": float(rate(ledger.cash[1:], after).mean()),
    }


def by_session(orders: FloatArray, values: FloatArray, sessions: int) -> FloatArray:
    """Sum of an amount an order f64[O] in each of the `sessions` traded."""
    sums = np.bincount(orders[:, codes.SESSION].astype(np.int64) - 1, weights=values, minlength=sessions)
    return sums.astype(np.float64)


def rate(amount: FloatArray, account: FloatArray) -> FloatArray:
    """amount / account, 0 where nothing is left of the account."""
    return np.divide(amount, account, out=np.zeros_like(amount), where=account > 0)
