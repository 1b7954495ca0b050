"""The result of a back-test.

Shape letter: S sessions traded; the first one of a panel only gives scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.accounts import (
    AccountSeries,
    Ledger,
    bar_table,
    leg_table,
    order_table,
    payout_table,
    position_table,
    rate,
    series_of,
)
from kronos_quant.backtest.benchmarks import price_index_caveat
from kronos_quant.backtest.dividends import dividend_line
from kronos_quant.backtest.listings import unstated_listings
from kronos_quant.backtest.notes import account_lost, halts, notes_of, rejections_of, risk_orders
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.rules import Terms
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.bounds import WIDEST_FIGURE
from kronos_quant.display import Displayed, figure_text, summary_table
from kronos_quant.errors import counted
from kronos_quant.inputs import as_number
from kronos_quant.stats.performance import key_figures

if TYPE_CHECKING:
    import pandas as pd

    from kronos_quant.charts import Chart
    from kronos_quant.signals import Signals

SUMMARY = (
    ("total return", "total_return", "{:.2%}"),
    ("annualised return", "annual_return", "{:.2%}"),
    ("annualised volatility", "annual_volatility", "{:.2%}"),
    ("Sharpe ratio", "sharpe_ratio", "{:.2f}"),
    ("maximum drawdown", "max_drawdown", "{:.2%}"),
    ("benchmark, annualised return", "benchmark_annual_return", "{:.2%}"),
    ("information ratio", "information_ratio", "{:.2f}"),
    ("turnover per session, two-sided", "turnover", "{:.2%}"),
    ("cost per year, fraction of the account", "annual_cost", "{:.2%}"),
    ("fills", "trades", "{:,.0f}"),
    ("orders rejected", "rejected", "{:,.0f}"),
)
"""Label, name in `metrics` and format of the figures of a summary; those of a benchmark only where there is one."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class BacktestResult(Displayed):
    """A finished back-test.

    >>> import datetime, polars as pl, kronos_quant as kq
    >>> days = pl.date_range(datetime.date(2025, 6, 2), datetime.date(2025, 6, 6), eager=True)
    >>> prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
    >>> bars = pl.DataFrame({"date": days, "symbol": "AAA", **prices, "volume": 1e6})
    >>> result = kq.backtest(bars, bars.select("date", "symbol", score="close"), topk=1, n_drop=0)
    >>> result.daily.columns[:3]
    ['date', 'return', 'gross_return']

    strategy : its settings; symbols : N, ascending; dates : the S sessions traded
    returns, gross_returns : f64[S], of the account in a session, after and before costs
    benchmark_returns : f64[S] or None
    account, cash : f64[S], money; cost : f64[S], commission, levies, slippage, impact and borrow fees
    turnover : f64[S], value bought and sold / account before
    dividends, dividend_tax : f64[S], money: booked before tax, and withheld; 0 where dividends are reinvested
    orders, fills, positions : Polars tables, columns as in `accounts.order_table` and `accounts.position_table`
    bars : date, time, account and cash after each bar of an intraday market; None where a bar is a session
    legs : long and short leg by session, columns as in `accounts.leg_table`; None where nothing was short
    rejections : number of orders rejected or cut, by reason
    risk : number of orders that each rule of the section `risk` made or cut, the most frequent first
    halted : the sessions in which a drawdown halt stopped trading
    delisted : total return by the return at which delisted holdings leave; empty where none was delisted
    payouts : dividends of the holdings, columns as in `accounts.payout_table`; None where none was booked
    dividend_terms : how dividends were treated
    caveat : of every excess, where the benchmark has no dividends and the portfolio does; else ""
    rules : costs of trading, one line each
    sessions_per_year : of annualised figures
    notes : what a reader has to know, one sentence each; metrics : key figures, NaN where not determined
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
    dividends: FloatArray
    dividend_tax: FloatArray
    orders: pl.DataFrame
    fills: pl.DataFrame
    positions: pl.DataFrame
    bars: pl.DataFrame | None
    legs: pl.DataFrame | None
    payouts: pl.DataFrame | None
    rejections: dict[str, int]
    risk: dict[str, int]
    halted: tuple[date, ...]
    rules: tuple[str, ...]
    dividend_terms: str
    caveat: str
    delisted: dict[float, float]
    sessions_per_year: int
    notes: tuple[str, ...]
    metrics: dict[str, float]

    @property
    def title(self) -> str:
        """Rule, period and number of symbols."""
        period = f"{self.dates[0]} to {self.dates[-1]}"
        return f"Back-test of {self.strategy.strategy}, {period}, {counted(len(self.symbols), 'symbol')}"

    def summary(self) -> pl.DataFrame:
        """The key figures as text, and the notes: columns figure and value."""
        return summary_table(self._key_figures(), self.notes)

    def _key_figures(self) -> list[tuple[str, str]]:
        known = [row for row in SUMMARY if row[1] in self.metrics]
        return [(label, figure_text(self.metrics[name], form)) for label, name, form in known]

    def plot(self, title: str | None = None, benchmark_name: str = "", width: float = 10.0) -> Chart:
        """Growth, drawdown and excess over the benchmark (without one: cost drag), one panel below the other.

        Parameters
        ----------
        title : str | None
            Written above; None is the result's own, "" writes none.
        benchmark_name : str
            For the legends.
        width : float
            Inches; 4.6 or less draws for a phone.
        """
        from kronos_quant.charts import AccountCurves, performance_figure

        inches = as_number(width, "width", lambda width: 0 < width <= WIDEST_FIGURE, "a number above 0, at most 100")

        curves = AccountCurves(
            self.dates,
            self.returns,
            self.gross_returns,
            self.benchmark_returns,
            benchmark_name,
            traded=not self.fills.is_empty(),
        )
        return performance_figure(curves, self.title if title is None else title, inches)

    def to_pandas(self) -> pd.DataFrame:
        """`daily` as a pandas table, indexed by date."""
        return self.daily.to_pandas().set_index("date")

    @property
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
                "dividends": self.dividends,
                "dividend_tax": self.dividend_tax,
            },
            schema_overrides={"benchmark_return": pl.Float64},
        )


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class BacktestRun(BacktestResult):
    """A back-test with the run that it left.

    folder : of the run; figures : its metrics.json; report : the text of report.txt, head : the part that comes first
    verdict : whether the result is significant; signals : those that were traded, None for scores from a file
    """

    folder: Path
    figures: dict[str, Any]
    report: str
    head: str
    verdict: str
    signals: Signals | None

    def summary(self) -> pl.DataFrame:
        """Verdict, key figures and notes as text: columns figure and value."""
        return summary_table(self._key_figures(), self.figures["notes"], self.verdict)

    @property
    def tearsheet(self) -> Path:
        """The page to open."""
        return self.folder / "tearsheet.html"


def result_of(
    strategy: Strategy,
    panel: Panel,
    terms: Terms,
    ledger: Ledger,
    benchmark: FloatArray | None,
    delisted: dict[float, float],
    notes: tuple[str, ...] = (),
    benchmark_name: str | None = None,
) -> BacktestResult:
    """The returns, tables, figures and notes of a ledger.

    benchmark : f64[S] or None; delisted : as in BacktestResult; notes : further ones; benchmark_name : its symbol
    """
    series, ends = series_of(ledger), ledger.ends[1:]
    orders = order_table(ledger.orders, ledger.factor, panel)
    filled = orders.filter(pl.col("status") != "rejected")
    halted = tuple(panel.dates[t] for t in ends if ledger.halted[t])
    metrics = metrics_of(series, ledger, benchmark, terms.sessions_per_year)
    unusual = notes_of(strategy, panel, orders, metrics)
    caveat = "" if benchmark is None else price_index_caveat(benchmark_name, panel)
    notes = (*([caveat] if caveat else []), *notes)
    warnings = (*account_lost(ledger.account, panel), *unusual, *halts(halted, strategy))
    if strategy.profile != "qlib":
        warnings = (*unstated_listings(panel, ledger), *warnings)
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
        dividends=ledger.received,
        dividend_tax=ledger.withheld,
        orders=orders,
        fills=filled,
        positions=position_table(ledger, ends, panel),
        bars=bar_table(ledger, panel) if panel.times else None,
        legs=leg_table(ledger, panel) if (ledger.held < 0).any() else None,
        payouts=payout_table(ledger.dividends, panel),
        rejections=rejections_of(orders),
        risk=risk_orders(orders),
        halted=halted,
        rules=terms.costs,
        dividend_terms=dividend_line(ledger.dividends, strategy),
        caveat=caveat,
        delisted=delisted,
        sessions_per_year=terms.sessions_per_year,
        notes=(*terms.first, *warnings, *ledger.remarks, *terms.notes, *notes),
        metrics=metrics,
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
        "dividends": float(ledger.received.sum()),
        "dividend_tax": float(ledger.withheld.sum()),
        "annual_cost": float(rate(series.cost, before).mean() * sessions_per_year),
        "trades": float(len(fills)),
        "orders": float(len(ledger.orders)),
        "rejected": float(len(ledger.orders) - len(fills)),
        "mean_holdings": float((ledger.held[ends[1:]] != 0).sum(axis=1).mean()),
        "mean_cash": float(rate(ledger.cash[ends[1:]], after).mean()),
    }


def result_tables(result: BacktestResult) -> dict[str, pl.DataFrame]:
    """The Parquet tables that a run leaves, by name."""
    tables = {
        "orders": result.orders,
        "fills": result.fills,
        "positions": result.positions,
        "returns": result.daily,
        "bars": result.bars,
        "legs": result.legs,
        "dividends": result.payouts,
    }
    return {name: table for name, table in tables.items() if table is not None}
