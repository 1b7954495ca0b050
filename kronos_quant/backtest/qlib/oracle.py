"""pyqlib itself as a reference, in its canonical form.

Plain Qlib's trades depend on PYTHONHASHSEED (its list of holdings is a set's) and on numpy's unstable sort. The
canonical form sorts holdings by symbol and ties stably; nothing else is changed.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.qlib.expressions import quiet
from kronos_quant.backtest.qlib.market import qlib_costs, qlib_threshold
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import KronosQuantError

NOTHING = 1e-5
"""Qlib deals what is worth no more than this, and changes no account by it."""

NOT_SYMBOLS = ("cash", "now_account_value", "cash_delay")
"""Keys of a position of Qlib's that are no holdings."""


@dataclass(frozen=True, slots=True)
class QlibRun:
    """What Qlib's own back-test gives.

    dates : its sessions; account, cash : f64[T]; orders : date, symbol, side, wanted, shares (adjusted), price, cost
    seconds : of the back-test itself, without imports and set-up
    """

    dates: tuple[date, ...]
    account: FloatArray
    cash: FloatArray
    orders: pl.DataFrame
    seconds: float

    @property
    def fills(self) -> pl.DataFrame:
        """The orders that changed anything: not those of NaN shares (no volume known) or worth next to nothing."""
        worth = pl.col("shares") * pl.col("price")
        return self.orders.filter(worth.is_not_nan() & (worth > NOTHING))


def run_pyqlib(directory: Path, scores: pl.DataFrame, start: date, end: date, strategy: Strategy, unit: int) -> QlibRun:
    """Qlib's TopkDropoutStrategy on a Qlib directory, in canonical order. Raises KronosQuantError where Qlib fails.

    scores : date, symbol, score, without missing ones; the scores of a session trade at the next
    start, end : first and last session traded; the calendar must have a session before and one after
    unit : raw shares that orders are rounded to, 0 for none
    """
    rows: list[tuple[Any, ...]] = []
    with quiet(), canonical_order():
        import qlib
        from qlib.config import REG_CN

        qlib.init(provider_uri=str(directory), region=REG_CN, kernels=1, logging_level=logging.CRITICAL)
        started = time.perf_counter()
        portfolio = portfolio_of(scores, start, end, strategy, unit, rows)
        seconds = time.perf_counter() - started
    report = portfolio["1day"][0]
    columns = ["date", "symbol", "side", "wanted", "shares", "price", "cost"]
    orders = pl.DataFrame(rows, schema=columns, orient="row") if rows else pl.DataFrame(schema=columns)
    return QlibRun(
        dates=tuple(day.date() for day in report.index),
        account=report["account"].to_numpy(dtype=np.float64),
        cash=report["cash"].to_numpy(dtype=np.float64),
        orders=orders,
        seconds=seconds,
    )


def portfolio_of(
    scores: pl.DataFrame, start: date, end: date, strategy: Strategy, unit: int, rows: list[tuple[Any, ...]]
) -> Any:
    """What Qlib's `backtest` gives of a portfolio; its orders are added to `rows`."""
    from qlib.backtest import backtest
    from qlib.contrib.strategy import TopkDropoutStrategy

    decides = TopkDropoutStrategy(
        topk=strategy.topk,
        n_drop=strategy.n_drop,
        hold_thresh=strategy.hold_thresh,
        only_tradable=strategy.orders_only_tradable,
        forbid_all_trade_at_limit=strategy.qlib.forbid_all_trade_at_limit,
        risk_degree=strategy.cash_fraction,
        signal=qlib_signal(scores),
    )
    try:
        portfolio, _ = backtest(
            start_time=str(start),
            end_time=str(end),
            strategy=decides,
            executor=recording_executor(rows),
            account=strategy.account,
            benchmark=no_benchmark(start, end),
            exchange_kwargs=exchange_settings(strategy, unit),
        )
    # whatever stops Qlib is Qlib's, and no fault of the comparison
    except Exception as error:
        raise KronosQuantError(
            f"pyqlib itself fails on this strategy: {type(error).__name__}: {error}", hint=failing(strategy)
        ) from error
    return portfolio


def failing(strategy: Strategy) -> str | None:
    """A setting that Qlib is known to stop at."""
    open_cost, _, min_cost = qlib_costs(strategy)
    if open_cost == 0 and min_cost > 0:
        return "Qlib divides the minimum by the buying rate where the cash does not do: state costs.buy, or minimum: 0"
    return None


def exchange_settings(strategy: Strategy, unit: int) -> dict[str, Any]:
    """The settings of Qlib's exchange, under its names."""
    open_cost, close_cost, min_cost = qlib_costs(strategy)
    shares = strategy.qlib.volume_threshold
    sides = {} if shares is None else shares.model_dump()
    return {
        "freq": "day",
        "limit_threshold": strategy.limit_expressions or qlib_threshold(strategy),
        "deal_price": strategy.fill,
        "open_cost": open_cost,
        "close_cost": close_cost,
        "min_cost": min_cost,
        "trade_unit": unit or None,
        "impact_cost": strategy.qlib.impact_cost,
        "volume_threshold": {side: ("current", f"{share} * $volume") for side, share in sides.items()} or None,
    }


def qlib_signal(scores: pl.DataFrame) -> Any:
    """Scores as the Series by (instrument, datetime) that Qlib reads."""
    import pandas as pd

    kept = scores.drop_nulls().filter(pl.col("score").is_not_nan()).sort("symbol", "date")
    index = pd.MultiIndex.from_arrays(
        [kept["symbol"].to_list(), pd.DatetimeIndex(kept["date"].cast(pl.Datetime("us")).to_numpy())],
        names=["instrument", "datetime"],
    )
    return pd.Series(kept["score"].to_numpy(), index=index)


def no_benchmark(start: date, end: date) -> Any:
    """A benchmark that never moves: without one, Qlib looks for SH000300."""
    import pandas as pd

    days = pd.date_range(start, end, freq="D")
    return pd.Series(np.zeros(len(days)), index=days)


def recording_executor(rows: list[tuple[Any, ...]]) -> Any:
    """Qlib's executor of days, which also writes every order down."""
    from qlib.backtest.executor import SimulatorExecutor

    class Recording(SimulatorExecutor):  # type: ignore[misc]
        def _collect_data(self, trade_decision: Any, level: int = 0) -> Any:
            day = self.trade_calendar.get_step_time()[0].date()
            found, others = super()._collect_data(trade_decision, level)
            for order, _, cost, price in found:
                side = "buy" if order.direction == order.BUY else "sell"
                amounts = (order.amount, order.deal_amount, price, cost)
                rows.append((day, order.stock_id, side, *map(float, amounts)))
            return found, others

    return Recording(time_per_step="day", generate_portfolio_metrics=True)


@contextlib.contextmanager
def canonical_order() -> Iterator[None]:
    """Qlib's list of holdings sorted, and pandas' sorting of Series stable."""
    import pandas as pd
    from qlib.backtest.position import Position

    listed, sort_values = Position.get_stock_list, pd.Series.sort_values

    def stable(series: Any, *arguments: Any, **settings: Any) -> Any:
        settings.setdefault("kind", "stable")
        return sort_values(series, *arguments, **settings)

    Position.get_stock_list = lambda self: sorted(set(self.position) - set(NOT_SYMBOLS))
    pd.Series.sort_values = stable
    try:
        yield
    finally:
        Position.get_stock_list, pd.Series.sort_values = listed, sort_values
