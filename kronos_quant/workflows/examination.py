"""What a finished back-test is asked: the ledger of trials, and what else is known of its symbols."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from kronos_quant.backtest import BacktestResult, Panel, Strategy
from kronos_quant.backtest.inputs import BacktestInputs
from kronos_quant.backtest.panel import SymbolGroups, session_panel
from kronos_quant.files import file_digest
from kronos_quant.market import Market
from kronos_quant.panel.matrix import interval_groups, to_matrix
from kronos_quant.stats.selection import estimate_overfitting
from kronos_quant.validity import (
    HISTORY,
    Background,
    Examination,
    TrialRow,
    assess_luck,
    examine,
    read_trials,
    record_trials,
    trial_key,
    universe_returns,
    without_universe,
)
from kronos_quant.workspace import WorkspaceFolder


def examined(workspace: WorkspaceFolder, inputs: BacktestInputs, result: BacktestResult, run: str) -> Examination:
    """Record a back-test in the ledger of trials, and examine it among them.

    run : kind and id. Raises DataError for a damaged ledger: a trial more than is known may have been made.
    """
    sessions, snapshot = session_panel(inputs.panel), inputs.market.snapshot.digest
    edge = without_universe(result.returns, universe_returns(sessions))
    row = TrialRow(key_of(workspace, inputs, inputs.strategy), settings_of(inputs.strategy), result.returns, edge)
    record_trials(workspace.runs, run, inputs.scores.digest, snapshot, result.dates, [row])
    trials = read_trials(workspace.runs)
    overfitting = estimate_overfitting(trials.returns_on(result.dates))
    luck = assess_luck(result.returns, edge, trials, overfitting, result.sessions_per_year)
    known = background(inputs.market, sessions)
    return examine(result, inputs.panel, inputs.rules, inputs.qlib, known, luck)


def key_of(workspace: WorkspaceFolder, inputs: BacktestInputs, strategy: Strategy) -> str:
    """What makes a trial of this strategy the same as another."""
    code = None if strategy.code is None else file_digest(workspace.root / Path(strategy.code).expanduser())
    return trial_key(strategy, inputs.scores.digest, code)


def settings_of(strategy: Strategy) -> str:
    """A trial's settings, as the ledger keeps them for people."""
    return strategy.model_dump_json(exclude_defaults=True)


def background(market: Market, panel: Panel) -> Background:
    """The bars of a panel by sessions and of those before; industries where they were ingested."""
    known = market.sessions()
    first = known.index(panel.dates[0])
    sessions = [*known[max(first - HISTORY, 0) : first], *panel.dates]
    bars = market.select_bars(panel.symbols, sessions[0], sessions[-1])
    by_session = pl.col("close").sort_by("time").last(), pl.col("amount").cast(pl.Float64).sum()
    bars = bars.group_by("symbol", "date").agg(by_session)
    close, amount = (to_matrix(bars, name, sessions, panel.symbols) for name in ("close", "amount"))
    return Background(close, amount, panel.groups or industries(market, panel))


def industries(market: Market, panel: Panel) -> SymbolGroups | None:
    """The industries of a panel's symbols; None where none of them has one."""
    spans = market.intervals("industry").drop_nulls("value")
    found = SymbolGroups(*interval_groups(spans, panel.dates, panel.symbols))
    return found if found.names else None
