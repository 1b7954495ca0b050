"""What a reader sees first of a back-test: the verdict, its figures beside the benchmark's, and what was traded."""

from __future__ import annotations

from kronos_quant.backtest import BacktestResult
from kronos_quant.errors import counted
from kronos_quant.report.section import Section, shown
from kronos_quant.validity import Examination

COMPARED = (
    ("total return", "total_return", "{:+.2%}"),
    ("annual return", "annual_return", "{:+.2%}"),
    ("annual return, before costs", "annual_return_before_cost", "{:+.2%}"),
    ("annual volatility", "annual_volatility", "{:.2%}"),
    ("Sharpe ratio, annual", "sharpe_ratio", "{:.2f}"),
    ("Sortino ratio, annual", "sortino_ratio", "{:.2f}"),
    ("Calmar ratio, annual", "calmar_ratio", "{:.2f}"),
    ("maximum drawdown", "max_drawdown", "{:.2%}"),
    ("winning sessions", "win_rate", "{:.1%}"),
)
"""Figures shown beside the benchmark's, where it has them: label, name, form."""

TRADING = (
    ("trades", "trades", "{:,.0f}"),
    ("orders rejected", "rejected", "{:,.0f}"),
    ("symbols held, mean", "mean_holdings", "{:.1f}"),
    ("cash, mean share of the account", "mean_cash", "{:.1%}"),
    ("turnover a session (bought and sold / account)", "turnover", "{:.2%}"),
    ("costs, total", "cost", "{:,.2f}"),
    ("costs a year / account", "annual_cost", "{:.2%}"),
)

FEW_SESSIONS = 60
"""Fewer say little about a year."""

NAME_WIDTH = 16
"""Signs of a benchmark's name at most."""


def headline_of(result: BacktestResult, found: Examination, benchmark_name: str | None = None) -> list[Section]:
    """The sections that come first, the verdict before all."""
    made = (verdict(found), figures(result, benchmark_name), trading(result), delistings(result))
    return [section for section in made if section is not None]


def annual(sessions_per_year: int) -> str:
    """What stands beside figures of a year."""
    return f"annual: {sessions_per_year} sessions a year"


def a_year(sessions_per_year: int) -> str:
    """The head of a column of figures of a year."""
    return f"a year ({sessions_per_year} sessions)"


def verdict(found: Examination) -> Section:
    """What luck explains."""
    return Section("Is it luck?", tuple(found.luck.lines()))


def figures(result: BacktestResult, benchmark_name: str | None = None) -> Section:
    """The key figures, beside those of the benchmark where there is one."""
    metrics, compared = result.metrics, result.benchmark_returns is not None
    rows = [
        (
            label,
            shown(metrics[key], form),
            *([_benchmarks(result, key, form)] if compared else []),
        )
        for label, key, form in COMPARED
    ]
    lines = ["Risk-free rate 0; returns compound."]
    if len(result.dates) < FEW_SESSIONS:
        lines.append(f"A year is extrapolated from {counted(len(result.dates), 'session')}: its figures say little.")
    name = [(benchmark_name or "benchmark")[:NAME_WIDTH]] if compared else []
    columns = (annual(result.sessions_per_year), "portfolio", *name)
    return Section("Result, after costs", tuple(lines), columns, tuple(rows))


def _benchmarks(result: BacktestResult, key: str, form: str) -> str:
    value = result.metrics.get(f"benchmark_{key}")
    return "" if value is None else shown(value, form)


def trading(result: BacktestResult) -> Section:
    """How much was traded, and what it cost."""
    rows = tuple((label, shown(result.metrics[key], form)) for label, key, form in TRADING)
    return Section("Trading", (), (annual(result.sessions_per_year), "value"), rows)


def delistings(result: BacktestResult) -> Section | None:
    """What the total return would be if delisted holdings left at less."""
    if not result.delisted:
        return None
    rows = tuple((f"{at:+.0%}", f"{total:+.2%}") for at, total in result.delisted.items())
    line = "Total return, by what delisted holdings leave at, counted from their last close."
    return Section("Delisted holdings", (line,), ("they leave at", "total return"), rows)
