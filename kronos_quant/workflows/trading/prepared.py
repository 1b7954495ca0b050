"""A strategy file made ready to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from kronos_quant import schema
from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import Panel, Rules, Strategy, build_panel, rules_of
from kronos_quant.backtest.panel import add_past, build_bar_panel, in_ticks
from kronos_quant.backtest.qlib.market import QlibFacts
from kronos_quant.backtest.strategies.protocol import Decide
from kronos_quant.backtest.strategies.rules import load_decide
from kronos_quant.config import load_yaml
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import Market, universes, workspace_market
from kronos_quant.own_code import check_allowed
from kronos_quant.workflows.trading.beside import (
    adjusted_volumes,
    bars_of_source,
    benchmark_close,
    facts_of,
    group_spans,
    grouped,
    in_universe,
    qlib_facts,
)
from kronos_quant.workflows.trading.coverage import missing_signals
from kronos_quant.workflows.trading.scored import Scored, scores_of_file, scores_of_recipe
from kronos_quant.workspace import WorkspaceFolder


@dataclass(frozen=True, slots=True)
class Prepared:
    """A strategy file made ready to run."""

    strategy: Strategy
    market: Market
    scored: Scored
    panel: Panel
    rules: Rules
    qlib: QlibFacts | None
    benchmark: str | None
    benchmark_close: FloatArray | None
    """float64, of every session of the panel; NaN where the index has no bar."""
    decide: Decide | None
    """The function of a strategy that is a user's Python code."""


def prepare(
    workspace: WorkspaceFolder, strategy_name: str, device: str, *, compute: bool = True, allow_code: bool = False
) -> Prepared:
    """Load a strategy file, and what it trades on; signals of its range that are missing are computed first.

    compute : False refuses missing signals; allow_code : whether the strategy may be somebody's Python code
    Raises ConfigError, DataError or CheckpointError before anything long.
    """
    strategy = load_yaml(Strategy, workspace.strategy_file(strategy_name))
    decide = own_code(workspace, strategy, allowed=allow_code)
    market = workspace_market(workspace)
    benchmark = check_against(market, strategy)
    spans = group_spans(workspace, market, strategy)
    scored = (
        scores_of_recipe(workspace, market, strategy, device, compute=compute, allow_code=allow_code)
        if strategy.scores_file is None
        else scores_of_file(workspace, market, strategy)
    )
    panel = grouped(panel_of(market, strategy, scored), spans)
    rules = rules_of(strategy, panel, market.exchange, facts_of(market))
    missing = missing_signals(strategy, panel, market, members_of(market, strategy, scored))
    if missing is not None:
        scored = replace(scored, notes=(*scored.notes, missing))
    return Prepared(
        strategy,
        market,
        scored,
        panel if strategy.profile == "qlib" else in_ticks(panel, rules.tick),
        rules,
        qlib_facts(workspace, market, strategy, panel) if strategy.profile == "qlib" else None,
        benchmark,
        None if benchmark is None else benchmark_close(market, benchmark, panel),
        decide,
    )


def panel_of(market: Market, strategy: Strategy, scored: Scored) -> Panel:
    """Bars and scores, a row a session or, of an intraday market, a row a bar."""
    scores, before = in_universe(market, strategy, scored.frame), rows_before(market, strategy, scored.sessions[0])
    bars = adjusted_volumes(market, market.bars(start=next(iter(before["date"]), scored.sessions[0])))
    if market.freq != schema.DAILY:
        times = market.times()
        panel = build_bar_panel(bars, scores, times.filter(times["date"].is_in(scored.sessions)))
        return add_past(panel, bars, before)
    if strategy.profile == "qlib":
        bars = bars_of_source(market, bars, scored.sessions[0])
        return build_panel(bars, scores, scored.sessions, keep_unpriced=True)
    return add_past(build_panel(bars, scores, scored.sessions), bars, before)


def with_background(panel: Panel, market: Market, strategy: Strategy) -> Panel:
    """A panel of sessions with the bars before its first, which trailing figures refer to."""
    before = rows_before(market, strategy, panel.dates[0])
    bars = adjusted_volumes(market, market.bars(start=next(iter(before["date"]), panel.dates[0])))
    return add_past(panel, bars, before)


def rows_before(market: Market, strategy: Strategy, first: date) -> pl.DataFrame:
    """(date, time) of the bars in the sessions before the first one that trailing figures refer to."""
    sessions = [on for on in market.sessions() if on < first][-strategy.liquidity.sessions :]
    times = market.times()
    return times.filter(times["date"].is_in(sessions))


def members_of(market: Market, strategy: Strategy, scored: Scored) -> pl.DataFrame | None:
    """The intervals of the universe that is scored: the strategy's, else the recipe's; None for every symbol."""
    universe = strategy.universe or (scored.source.recipe.universe if scored.source is not None else universes.ALL)
    return None if universe == universes.ALL else market.universe(universe)


def own_code(workspace: WorkspaceFolder, strategy: Strategy, *, allowed: bool) -> Decide | None:
    """The function of a strategy that is a Python file, None for the others. Raises ConfigError unless allowed."""
    if strategy.code is None:
        return None
    path = workspace.root / strategy.code.expanduser()
    check_allowed(path, "the strategy runs", allowed=allowed)
    return load_decide(path)


def check_against(market: Market, strategy: Strategy) -> str | None:
    """Refuse what the market does not have, before anything long begins; return the benchmark's symbol, if any."""
    if market.freq != schema.DAILY and strategy.profile == "qlib":
        raise DataError(
            f"the profile qlib steps on daily bars, and this workspace holds {market.freq} bars",
            hint="profile: exchange steps on any; or set market.freq to day in kq.yaml if there are daily bars too",
        )
    known = market.sessions()
    for on in (strategy.start, strategy.end):
        # a day without trading between two sessions is as good as the session next to it
        if on is not None and not known[0] <= on <= known[-1]:
            market.check_session(on)
    if strategy.score_column is not None and strategy.score_column not in known_scores():
        raise ConfigError(f"score_column: expected one of {', '.join(known_scores())}, found {strategy.score_column!r}")
    if strategy.universe is not None:
        market.universe(strategy.universe)
    return market.benchmark(strategy.benchmark)


def known_scores() -> Sequence[str]:
    """The scores that a recipe stores."""
    # torch comes with it, which most strategies on scores of a file do not need
    from kronos_quant.signals import SCORES

    return SCORES


def missing_benchmark(prepared: Prepared) -> list[str]:
    """Said where the data hold no index."""
    if prepared.benchmark is None and prepared.strategy.benchmark == "auto":
        return ["No index was found among the instruments: there is no benchmark (set `benchmark:`)."]
    return []
