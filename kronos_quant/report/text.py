"""report.txt: a back-test in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from kronos_quant.backtest import BacktestResult, Strategy
from kronos_quant.report.section import Section, section_texts, shown

WIDTH = 100

COMPARED = (
    ("total return", "total_return", "{:+.2%}"),
    ("annual return", "annual_return", "{:+.2%}"),
    ("annual volatility", "annual_volatility", "{:.2%}"),
    ("Sharpe ratio", "sharpe_ratio", "{:.2f}"),
    ("Sortino ratio", "sortino_ratio", "{:.2f}"),
    ("Calmar ratio", "calmar_ratio", "{:.2f}"),
    ("maximum drawdown", "max_drawdown", "{:.2%}"),
    ("winning sessions", "win_rate", "{:.1%}"),
)
"""Figures shown beside the benchmark's: label, name, form."""

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
    result: BacktestResult,
    title: str,
    benchmark_name: str | None = None,
    notes: Sequence[str] = (),
    sections: Sequence[Section] = (),
) -> str:
    """What was run, over which period and at which costs, what came out beside the benchmark, and what to know.

    notes : further sentences, shown with the result's own; sections : what else was found, the first one (the verdict)
    before the figures
    """
    told = list(section_texts(sections, WIDTH))
    parts = [
        [f"Back-test: {title}", "For research only: a back-test is no promise, and nothing here is advice."],
        _notes([*result.notes, *notes]),
        *told[:1],
        list(_settings(result, benchmark_name)),
        list(_figures(result, benchmark_name)),
        list(_delistings(result)),
        *told[1:],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _notes(notes: Sequence[str]) -> list[str]:
    """First, because they may change how all the rest is read."""
    if not notes:
        return []
    wrapped = (wrap(note, WIDTH - 4, initial_indent="  - ", subsequent_indent="    ") for note in notes)
    return ["To know first", *(line for lines in wrapped for line in lines)]


def _settings(result: BacktestResult, benchmark_name: str | None) -> Iterator[str]:
    strategy = result.strategy
    yield "What was run"
    yield f"  period         {result.dates[0]} to {result.dates[-1]}, {len(result.dates)} sessions traded"
    yield f"  symbols        {len(result.symbols)} with scores and bars"
    signal = strategy.signal + (f", score {strategy.score}" if strategy.score else "")
    yield f"  signal         {signal if strategy.scores is None else f'scores of {strategy.scores}'}"
    yield f"  strategy       {strategy_line(strategy)}"
    yield f"  execution      {execution_line(result)}"
    costs, rules = [*result.rules, *liquidity_lines(strategy)], [rules_line(strategy)]
    for label, lines in (("costs", costs), ("rules", rules), ("risk", strategy.risk.said())):
        for line in lines:
            yield from wrap(line, WIDTH, initial_indent=f"  {label:<15}", subsequent_indent=" " * 17)
    yield f"  account        {strategy.account:,.0f} at the start, {result.account[-1]:,.2f} at the end"
    yield f"  benchmark      {_benchmark(result, benchmark_name)}"


def costs_line(result: BacktestResult) -> str:
    """What was paid, split by who took it."""
    paid = result.metrics
    parts = (("commission", "commission"), ("taxes and fees", "levies"), ("slippage", "slippage"), ("impact", "impact"))
    borrowed = (("borrowing", "borrow"),) if paid["borrow"] else ()
    split = ", ".join(f"{words} {paid[key]:,.2f}" for words, key in (*parts, *borrowed))
    return f"{paid['cost']:,.2f} in all: {split}"


def execution_line(result: BacktestResult) -> str:
    """When scores trade."""
    step = "session" if result.bars is None else "bar"
    return f"scores of a {step} trade at the next {step}'s {result.strategy.fill}"


def strategy_line(strategy: Strategy) -> str:
    """What the strategy does, in words."""
    every = "every session" if strategy.every == 1 else f"every {strategy.every} sessions"
    weights = {"equal": "equally", "score": "by score", "inverse_volatility": "by inverse volatility"}
    return {
        "topk_dropout": f"hold the {strategy.topk} best, replace at most {strategy.n_drop} a session, "
        f"keep each for {strategy.hold_thresh} sessions at least",
        "topk_rebalance": f"hold the {strategy.topk} best, weighted {weights[strategy.weighting]}, rebalanced {every}",
        "long_short_quantile": f"hold the best {strategy.quantile:.0%}, be short of the worst {strategy.quantile:.0%}, "
        f"rebalanced {every}",
        "buy_and_hold": f"buy the {strategy.topk} best of the first session, keep them",
        "python": f"the function decide of {strategy.code}",
    }[strategy.strategy]


def liquidity_lines(strategy: Strategy) -> list[str]:
    """What the size of an order changes, where it changes anything."""
    liquidity = strategy.liquidity
    lines = [f"slippage {liquidity.slippage:.3%} of the price"] if liquidity.slippage else []
    volume = (
        f"the mean volume of the {liquidity.sessions} sessions before"
        if liquidity.volume == "trailing"
        else "the traded bar's own volume"
    )
    if liquidity.participation is not None:
        rest = "the rest is ordered again" if liquidity.carry_over else "the rest is dropped"
        lines.append(f"at most {liquidity.participation:.2%} of {volume} a session, {rest}")
    if liquidity.impact:
        lines.append(f"impact {liquidity.impact:g} x volatility x the square root of the share of {volume}")
    return ["; ".join(lines)] if lines else []


def rules_line(strategy: Strategy) -> str:
    """The rules that applied, in words."""
    lot = {"exchange": "lots of the exchange", 0: "fractions of shares"}.get(strategy.lot, f"lots of {strategy.lot}")
    limit = {"exchange": "daily price limits of the exchange", "none": "no price limits"}.get(
        str(strategy.price_limit), f"daily price limit {strategy.price_limit}"
    )
    delisted = f"delisted holdings leave at {strategy.delisting_return:+.0%} from the last close"
    return f"{lot}; {limit}; nothing is sold on the day of its purchase; {delisted}"


def _benchmark(result: BacktestResult, benchmark_name: str | None) -> str:
    return "none" if result.benchmark_returns is None else benchmark_name or "unnamed"


def _figures(result: BacktestResult, benchmark_name: str | None) -> Iterator[str]:
    metrics, years = result.metrics, result.sessions_per_year
    compared = result.benchmark_returns is not None
    name = (benchmark_name or "benchmark")[:16]
    yield f"Result, after costs (annual: {years} sessions a year; risk-free rate 0; returns compound)"
    yield f"  {'':<48}{'portfolio':>16}" + (f"{name:>18}" if compared else "")
    for label, key, form in COMPARED:
        other = f"{shown(metrics[f'benchmark_{key}'], form):>18}" if compared else ""
        yield f"  {label:<48}{shown(metrics[key], form):>16}{other}"
    for label, key, form in TRADING:
        yield f"  {label:<48}{shown(metrics[key], form):>16}"


def _delistings(result: BacktestResult) -> Iterator[str]:
    """What the total return would be if delisted holdings left at less."""
    if result.delisted:
        yield "Total return, by what delisted holdings leave at (from their last close)"
    for at, total in result.delisted.items():
        yield f"  {f'{at:+.0%}':<48}{total:>+16.2%}"
