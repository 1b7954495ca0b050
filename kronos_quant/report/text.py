"""report.txt: a back-test in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from textwrap import wrap

from kronos_quant.backtest import BacktestResult, Strategy

WIDTH = 100

COMPARED = (
    ("total return", "total_return", "{:+.2%}"),
    ("annual return", "annual_return", "{:+.2%}"),
    ("annual volatility", "annual_volatility", "{:.2%}"),
    ("Sharpe ratio", "sharpe_ratio", "{:.2f}"),
    ("maximum drawdown", "max_drawdown", "{:.2%}"),
    ("winning sessions", "win_rate", "{:.1%}"),
)
"""Figures shown beside the benchmark's: label, name, form."""

AGAINST_BENCHMARK = (
    ("annual excess over the benchmark, after costs", "excess_annual_return", "{:+.2%}"),
    ("annual excess over the benchmark, before costs", "excess_annual_return_before_cost", "{:+.2%}"),
    ("information ratio, annual", "information_ratio", "{:.2f}"),
)

TRADING = (
    ("trades", "trades", "{:,.0f}"),
    ("orders rejected", "rejected", "{:,.0f}"),
    ("symbols held, mean", "mean_holdings", "{:.1f}"),
    ("cash, mean share of the account", "mean_cash", "{:.1%}"),
    ("turnover a session (bought and sold / account)", "turnover", "{:.2%}"),
    ("costs, total", "cost", "{:,.2f}"),
    ("costs a year / account", "annual_cost", "{:.2%}"),
)


def report_text(
    result: BacktestResult, title: str, benchmark_name: str | None = None, notes: Sequence[str] = ()
) -> str:
    """What was run, over which period and at which costs, what came out beside the benchmark, and what to know.

    notes : further sentences, shown with the result's own.
    """
    sections = [
        [f"Back-test: {title}", "For research only: a back-test is no promise, and nothing here is advice."],
        _notes([*result.notes, *notes]),
        list(_settings(result, benchmark_name)),
        list(_figures(result, benchmark_name)),
        list(_rejections(result)),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _notes(notes: Sequence[str]) -> list[str]:
    """First, because they may change how all the rest is read."""
    if not notes:
        return []
    wrapped = (wrap(note, WIDTH - 4, initial_indent="  - ", subsequent_indent="    ") for note in notes)
    return ["To know first", *(line for lines in wrapped for line in lines)]


def _settings(result: BacktestResult, benchmark_name: str | None) -> Iterator[str]:
    strategy, costs = result.strategy, result.strategy.costs
    yield "What was run"
    yield f"  period         {result.dates[0]} to {result.dates[-1]}, {len(result.dates)} sessions traded"
    yield f"  symbols        {len(result.symbols)} with scores and bars"
    yield f"  signal         {strategy.signal}" + (f", score {strategy.score}" if strategy.score else "")
    yield (
        f"  strategy       hold the {strategy.topk} best, replace at most {strategy.n_drop} a session, "
        f"keep each for {strategy.hold_thresh} sessions at least"
    )
    yield f"  execution      scores of a session trade at the next session's {strategy.fill}"
    yield f"  costs          buying {costs.buy:.4%}, selling {costs.sell:.4%}, at least {costs.minimum:g} a trade"
    yield f"  rules          {_rules(strategy)}"
    yield f"  account        {strategy.account:,.0f} at the start, {result.account[-1]:,.2f} at the end"
    yield f"  benchmark      {_benchmark(result, benchmark_name)}"


def _rules(strategy: Strategy) -> str:
    lot = {"exchange": "lots of the exchange", 0: "fractions of shares"}.get(strategy.lot, f"lots of {strategy.lot}")
    limit = {"exchange": "daily price limits of the exchange", "none": "no price limits"}.get(
        str(strategy.price_limit), f"daily price limit {strategy.price_limit}"
    )
    return f"{lot}; {limit}; delisted holdings leave at {strategy.delisting_return:+.0%} from the last close"


def _benchmark(result: BacktestResult, benchmark_name: str | None) -> str:
    return "none" if result.benchmark_returns is None else benchmark_name or "unnamed"


def _figures(result: BacktestResult, benchmark_name: str | None) -> Iterator[str]:
    metrics, years = result.metrics, result.strategy.sessions_per_year
    compared = result.benchmark_returns is not None
    name = (benchmark_name or "benchmark")[:16]
    yield f"Result, after costs (annual: {years} sessions a year; risk-free rate 0; returns compound)"
    yield f"  {'':<48}{'portfolio':>16}" + (f"{name:>18}" if compared else "")
    for label, key, form in COMPARED:
        other = f"{_shown(metrics[f'benchmark_{key}'], form):>18}" if compared else ""
        yield f"  {label:<48}{_shown(metrics[key], form):>16}{other}"
    for label, key, form in (*(AGAINST_BENCHMARK if compared else ()), *TRADING):
        yield f"  {label:<48}{_shown(metrics[key], form):>16}"


def _shown(value: float, form: str) -> str:
    return "-" if math.isnan(value) else form.format(value)


def _rejections(result: BacktestResult) -> Iterator[str]:
    yield "Orders rejected or cut, by reason"
    if not result.rejections:
        yield "  none"
    for reason, count in result.rejections.items():
        yield f"  {reason:<48}{count:>16,}"
