"""What was run, in words: the strategy, its period, and every rule and cost that applied."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from kronos_quant.backtest import BacktestResult, Rules, Strategy
from kronos_quant.backtest.benchmarks import PRICE_INDEX
from kronos_quant.backtest.settings import IMPACT_SOURCES
from kronos_quant.display import figure_or_dash, setting_text
from kronos_quant.errors import counted

Term = tuple[str, str]
"""Label and line."""

FIGURES = {
    "sessions_per_year": ("sessions per year", "{:.0f}"),
    "total_return": ("total return", "{:+.2%}"),
    "annual_return": ("annual return", "{:+.2%}"),
    "annual_return_before_cost": ("annual return, before costs", "{:+.2%}"),
    "excess_annual_return": ("annual excess over the benchmark", "{:+.2%}"),
    "excess_annual_return_before_cost": ("annual excess, before costs", "{:+.2%}"),
    "annual_volatility": ("annual volatility", "{:.2%}"),
    "sharpe_ratio": ("Sharpe ratio, annual", "{:.2f}"),
    "sortino_ratio": ("Sortino ratio, annual", "{:.2f}"),
    "calmar_ratio": ("Calmar ratio, annual", "{:.2f}"),
    "max_drawdown": ("maximum drawdown", "{:.2%}"),
    "win_rate": ("winning sessions", "{:.1%}"),
    "information_ratio": ("information ratio, annual", "{:.2f}"),
    "tracking_error": ("tracking error, annual", "{:.2%}"),
    "alpha": ("alpha, annual", "{:+.2%}"),
    "beta": ("beta", "{:.2f}"),
    "deflated_sharpe_probability": ("deflated Sharpe ratio, probability", "{:.3f}"),
    "deflated_sharpe_probability_without_universe": ("... in excess of beta x universe mean", "{:.3f}"),
    "trades": ("trades", "{:,.0f}"),
    "orders": ("orders", "{:,.0f}"),
    "rejected": ("orders rejected", "{:,.0f}"),
    "mean_holdings": ("symbols held, mean", "{:.1f}"),
    "mean_cash": ("cash, mean share of the account", "{:.1%}"),
    "turnover": ("turnover per session, two-sided", "{:.2%}"),
    "cost": ("costs, total", "{:,.2f}"),
    "annual_cost": ("costs per year / account", "{:.2%}"),
}
"""Key in metrics.json -> label and form."""

EXCESS = ("excess_annual_return", "excess_annual_return_before_cost", "information_ratio", "alpha")
"""Figures that a benchmark without dividends makes too high."""

WEIGHTS = {"equal": "equally", "score": "by score", "inverse_volatility": "by inverse volatility"}
AVERAGES = {"vwap": "volume-weighted average price (vwap)", "twap": "time-weighted average price (twap)"}


def figure_cell(metrics: Mapping[str, Any], key: str, prefix: str = "") -> str:
    """A figure in a table, a dash where it is not determined. prefix : `benchmark_` for the benchmark's"""
    value = metrics.get(prefix + key)
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return figure_or_dash(float(value) if known else math.nan, FIGURES[key][1])  # type: ignore[arg-type]


def figure_rows(
    keys: Iterable[str], *columns: Mapping[str, Any], price_index: bool = False
) -> tuple[tuple[str, ...], ...]:
    """A row for each of FIGURES: its label, and its value in every column.

    price_index : the benchmark has no dividends and the portfolio does; it stands beside every excess
    """
    mark = dict.fromkeys(EXCESS, f" ({PRICE_INDEX})") if price_index else {}
    return tuple(
        (FIGURES[key][0] + mark.get(key, ""), *(figure_cell(metrics, key) for metrics in columns)) for key in keys
    )


def terms_of(result: BacktestResult, rules: Rules, benchmark_name: str | None = None) -> list[Term]:
    """What a reader has to know of a run before its figures. rules : those of the back-test"""
    strategy = result.strategy
    terms = [
        ("period", f"{result.dates[0]} to {result.dates[-1]}, {counted(len(result.dates), 'session')} traded"),
        ("symbols", f"{len(result.symbols):,} with scores and bars"),
        ("recipe" if strategy.scores_file is None else "scores", signal_line(strategy)),
        ("strategy", strategy_line(result)),
        ("execution", execution_line(result)),
    ]
    if strategy.profile == "qlib":
        costs, rule_lines = result.rules[:1], list(result.rules[1:])
    else:
        costs, rule_lines = result.rules, rules_lines(strategy, rules)
    terms += [("costs", line) for line in costs]
    terms += [("liquidity", line) for line in liquidity_lines(strategy)]
    terms += [("rules", line) for line in rule_lines]
    terms += [("optimiser", line) for line in optimiser_lines(strategy)]
    terms.append(("dividends", result.dividend_terms))
    terms += [("risk", line) for line in strategy.risk.lines()]
    return [
        *terms,
        ("account", f"{strategy.account:,.0f} at the start, {result.account[-1]:,.2f} at the end"),
        ("benchmark", "none" if result.benchmark_returns is None else benchmark_name or "unnamed"),
    ]


def labelled(terms: Sequence[Term]) -> list[Term]:
    """The terms, a label that is that of the line before left out."""
    before = ["", *(label for label, _ in terms)]
    return [("" if label == above else label, line) for (label, line), above in zip(terms, before, strict=False)]


def signal_line(strategy: Strategy) -> str:
    """Which scores are traded."""
    if strategy.scores_file is not None:
        return str(strategy.scores_file)
    return strategy.recipe + (f", score {strategy.score_column}" if strategy.score_column else "")


def step_of(result: BacktestResult) -> str:
    """What a row of the back-test is."""
    return "session" if result.bars is None else "bar"


def optimiser_lines(strategy: Strategy) -> list[str]:
    """What an optimiser maximises and keeps, as the section `optimise` says it: one line, or none."""
    if not strategy.optimises:
        return []
    settings = {"max_weight": 1 / strategy.topk} | strategy.optimise.model_dump(exclude_none=True)
    return ["; ".join(f"{name} {setting_text(value)}" for name, value in settings.items())]


def execution_line(result: BacktestResult) -> str:
    """When scores trade."""
    step = step_of(result)
    strategy = result.strategy
    price = AVERAGES.get(strategy.fill, strategy.fill)
    if strategy.fill_window is not None:
        price += f" of {strategy.fill_window}"
    return f"scores of one {step} are traded at the {price} of the next {step}"


def strategy_line(result: BacktestResult) -> str:
    """What the strategy does."""
    strategy, step = result.strategy, step_of(result)
    scored = step if step == "session" else "bar with scores"
    every = f"every {scored}" if strategy.every == 1 else f"every {strategy.every} {scored.replace(step, step + 's')}"
    return {
        "topk_dropout": f"hold the top {strategy.topk}, replace at most {strategy.n_drop} per {step}, "
        f"minimum holding period {counted(strategy.hold_thresh, 'session')}",
        "topk_rebalance": f"weights by an optimiser, rebalanced {every}"
        if strategy.optimises
        else f"hold the top {strategy.topk}, weighted {WEIGHTS[strategy.weighting]}, rebalanced {every}",
        "long_short_quantile": f"long the top {strategy.quantile:.0%}, short the bottom {strategy.quantile:.0%}, "
        f"rebalanced {every}",
        "buy_and_hold": f"buy the top {strategy.topk} of the first {step} and hold them",
        "python": f"the function decide in {strategy.code}",
    }[strategy.strategy]


def liquidity_lines(strategy: Strategy) -> list[str]:
    """What the size of an order changes, where it changes anything."""
    liquidity = strategy.liquidity
    lines = [f"slippage {liquidity.slippage:.3%} of the price"] if liquidity.slippage else []
    volume = (
        f"the mean volume of the previous {liquidity.sessions} sessions"
        if liquidity.volume == "trailing"
        else "the traded bar's own volume"
    )
    if liquidity.participation is not None:
        rest = "the rest is carried over" if liquidity.carry_over else "the rest is cancelled"
        lines.append(f"an order fills up to {liquidity.participation:.2%} of {volume}, {rest}")
    if liquidity.impact:
        law = f"impact {liquidity.impact:g} x volatility x sqrt(order / {volume})"
        lines.append(f"{law}; measured coefficients are about 1 ({IMPACT_SOURCES})")
    return lines


def rules_lines(strategy: Strategy, rules: Rules) -> list[str]:
    """The lots, limits and settlement that applied, with how many symbols each one is of."""
    without_bar = "get no orders" if strategy.orders_only_tradable else "are ordered all the same"
    return [
        lots_line(rules),
        limits_line(rules),
        settlement_line(rules),
        f"symbols suspended in the session before {without_bar}",
        f"delisted holdings are sold at the last close {strategy.delisting_return:+.0%}",
    ]


def lots_line(rules: Rules) -> str:
    """In which numbers of shares is bought."""
    pairs = list(zip(rules.lot.tolist(), rules.step.tolist(), strict=True))
    counts = {lot_words(*pair): pairs.count(pair) for pair in sorted(set(pairs))}
    if set(pairs) == {(1, 1)}:
        return "board lot: 1 share"
    return f"bought in {with_counts(counts, len(pairs))}"


def lot_words(lot: int, step: int) -> str:
    """A lot in words."""
    if lot == 0:
        return "fractions of shares"
    return f"lots of {lot:,}" + ("" if step == lot else f" and then by {step:,}")


def limits_line(rules: Rules) -> str:
    """How far a price may move in a session; a symbol whose limit changes in the period counts with each of them."""
    known = pl.DataFrame({"up": rules.up.ravel(), "down": rules.down.ravel()}).filter(pl.col("up").is_not_nan())
    symbols = rules.up.shape[1]
    counts: dict[str, int] = {}
    for up, down in known.unique().sort("up", "down").iter_rows():
        words = f"{up * 100:.4g}%" if up == down else f"+{up * 100:.4g}%/-{down * 100:.4g}%"
        counts[words] = int(((rules.up == up) & (rules.down == down)).any(axis=0).sum())
    if not counts:
        return "no daily price limits"
    without = int(np.isnan(rules.up).all(axis=0).sum())
    free = {"none": without} if without else {}
    return f"daily price limits: {with_counts(counts | free, symbols)}"


def settlement_line(rules: Rules) -> str:
    """When what was bought may be sold."""
    later, symbols = int(rules.next_day.sum()), len(rules.next_day)
    if later == 0:
        return "T+0: shares can be sold in the session in which they were bought"
    part = "" if later == symbols else f" ({later:,} of {counted(symbols, 'symbol')}; the others T+0)"
    return f"T+1: shares can be sold from the session after the purchase on{part}"


def with_counts(counts: dict[str, int], symbols: int) -> str:
    """'10% (70 symbols), 20% (10 symbols)'; the number is left out where one holds for all."""
    if list(counts.values()) == [symbols]:
        return next(iter(counts))
    return ", ".join(f"{words} ({counted(count, 'symbol')})" for words, count in counts.items())


def settings_of(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of every setting; lists as JSON."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from settings_of(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", json.dumps(value, default=str) if value and isinstance(value, list) else value
