"""`kq parity`: a strategy through engine, ledger and pyqlib."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from kronos_quant.backtest import Panel, build_panel, rules_of
from kronos_quant.backtest.qlib.market import QlibFacts, facts_of_directory
from kronos_quant.backtest.qlib.parity import Parity, ParityComparison, parity
from kronos_quant.errors import ConfigError, DataError, counted
from kronos_quant.market import export_bars
from kronos_quant.schema import DAILY
from kronos_quant.workflows.trading import (
    Prepared,
    bars_of_source,
    facts_of,
    group_spans,
    grouped,
    in_universe,
    prepare,
    source_directory,
    with_background,
)
from kronos_quant.workspace import WorkspaceFolder


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What was compared, on which directory, and what came out."""

    found: Parity
    directory: str
    period: str
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self) | {"holds": self.found.holds, "basis_points": self.basis_points}

    def lines(self) -> list[str]:
        """The outcome in words."""
        return [
            f"{self.period}, Qlib directory: {self.directory}",
            "pyqlib is canonical: holdings by symbol, ties stable (plain Qlib's trades depend on PYTHONHASHSEED)",
            *(f"note: {note}" for note in self.notes),
            "",
            *(_compared(one) for one in (self.found.qlib, self.found.ledger)),
            "",
            f"{'from Qlib to the exchange, one rule more at a time':<74}{'account':>18}{'bps':>10}",
            *(_told(step.rule, step.account, step.basis_points) for step in self.found.steps),
            _told("all of it", self.found.steps[-1].account, self.basis_points),
        ]

    @property
    def basis_points(self) -> float:
        """The account by the exchange's rules against the one by Qlib's; NaN where that lost everything."""
        first, last = self.found.steps[0].account, self.found.steps[-1].account
        return (last / first - 1) * 1e4 if first > 0 else float("nan")


def _told(rule: str, account: float, basis_points: float) -> str:
    return f"{rule:<74}{account:>18,.2f}{basis_points:>10.1f}"


def _compared(one: ParityComparison) -> str:
    verdict = "equal" if one.holds else "NOT EQUAL"
    orders = "the same" if one.same_orders else "other"
    return (
        f"{one.name + ':':<28}{verdict}: accounts within {one.difference:.1e} (allowed {one.tolerance:.0e}), "
        f"{orders} {one.orders:,} fills"
    )


def run_parity(workspace: WorkspaceFolder, strategy_name: str, device: str, *, compute: bool = True) -> ParityReport:
    """Compare a strategy's account in both profiles with its witnesses.

    pyqlib reads the Qlib directory that the bars came from, or one that is made of the workspace's bars for the while.
    Raises ConfigError for a strategy that Qlib does not have.
    """
    prepared = prepare(workspace, strategy_name, device, compute=compute)
    strategy, market = prepared.strategy, prepared.market
    if market.freq != DAILY:
        raise DataError(f"parity: Qlib steps on daily bars, and this workspace holds {market.freq} bars")
    if strategy.strategy != "topk_dropout":
        raise ConfigError(f"parity: Qlib has topk_dropout, found {strategy.strategy}")
    scores, notes = in_universe(market, strategy, prepared.scored.frame), []
    sessions = prepared.scored.sessions
    if sessions[-1] == market.sessions()[-1]:
        # every step of Qlib's looks at the session after it
        sessions, notes = sessions[:-1], ["Qlib looks at the session after the last: the newest one is left out."]
    if len(sessions) < 2:
        raise DataError("parity needs three sessions at least: Qlib looks at the one after the last")
    with tempfile.TemporaryDirectory() as folder:
        directory, panel, facts = directory_for(workspace, prepared, scores, sessions, Path(folder) / "qlib")
        panel = with_background(grouped(panel, group_spans(workspace, market, strategy)), market, strategy)
        rules = rules_of(strategy, panel, market.exchange, facts_of(market))
        inside = scores.filter(pl.col("date").is_in(sessions))
        found = parity(strategy, panel, rules, facts, inside, directory)
        named = "made of the workspace's bars" if directory.is_relative_to(folder) else str(directory)
    period = f"{panel.dates[1]} to {panel.dates[-1]}, {counted(len(panel.dates) - 1, 'session')}"
    return ParityReport(found, named, period, (*facts.notes, *notes))


def directory_for(
    workspace: WorkspaceFolder, prepared: Prepared, scores: pl.DataFrame, sessions: Sequence[date], made: Path
) -> tuple[Path, Panel, QlibFacts]:
    """The directory that pyqlib reads, the panel of the same bars, and what it says beside the prices."""
    bars = prepared.market.bars(start=sessions[0])
    whole = bars_of_source(prepared.market, bars, sessions[0])
    panel = build_panel(whole, scores, sessions, keep_unpriced=True)
    found = source_directory(workspace, prepared.market, prepared.strategy, panel)
    if found is not None:
        directory, facts = found
        refused = len(whole.join(bars, on=["symbol", "date"], how="anti").filter(pl.col("date") <= sessions[-1]))
        note = f"Refused by the checks, but in every account here, as Qlib reads them: {counted(refused, 'bar')}."
        return directory, panel, replace(facts, notes=(*facts.notes, note)) if refused else facts
    panel = build_panel(bars, scores, sessions, keep_unpriced=True)
    export_bars(prepared.market, made, "qlib")
    return made, panel, facts_of_directory(panel, made)
