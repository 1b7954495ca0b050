"""`kq parity`: a strategy through engine, reference ledger and pyqlib."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from kronos_quant.backtest.inputs import (
    BacktestInputs,
    StrategyLike,
    add_background,
    add_groups,
    bars_of_source,
    collect_inputs,
    facts_of,
    group_spans,
    in_universe,
    source_directory,
)
from kronos_quant.backtest.panel import Panel, build_panel
from kronos_quant.backtest.qlib.market import QlibFacts, facts_of_directory
from kronos_quant.backtest.qlib.parity import ParityCheck, ParityResult, compare_profiles
from kronos_quant.backtest.rules import rules_of
from kronos_quant.display import Displayed, summary_table
from kronos_quant.errors import ConfigError, DataError, counted
from kronos_quant.market import export_bars
from kronos_quant.schema import DAILY
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, repr=False)
class ParityReport(Displayed):
    """What was compared, on which Qlib directory, and the result."""

    found: ParityResult
    directory: str
    period: str
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Verdict and period."""
        return f"Parity {'holds' if self.found.holds else 'DOES NOT HOLD'}, {self.period}"

    def summary(self) -> pl.DataFrame:
        """The final account under each rule, and what each is worth in basis points."""
        rows = [(step.rule, f"{step.account:,.2f} ({step.basis_points:+.1f} bps)") for step in self.found.steps]
        checks = [(check.name, _check_line(check)) for check in (self.found.qlib, self.found.ledger)]
        return summary_table([*checks, *rows], self.notes)

    def to_pandas(self) -> pd.DataFrame:
        """A row per rule: rule, account, basis_points."""
        return pl.DataFrame([asdict(step) for step in self.found.steps]).to_pandas()

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self) | {"holds": self.found.holds, "basis_points": self.basis_points}

    def lines(self) -> list[str]:
        """The outcome in words."""
        return [
            f"{self.period}, Qlib directory: {self.directory}",
            "pyqlib runs with holdings sorted by symbol and stable ties: plain Qlib's trades depend on PYTHONHASHSEED",
            *(f"note: {note}" for note in self.notes),
            "",
            *(_check_line(check) for check in (self.found.qlib, self.found.ledger)),
            "",
            f"{'rules of Qlib, replaced one by one':<74}{'account':>18}{'bps':>10}",
            *(_step_line(step.rule, step.account, step.basis_points) for step in self.found.steps),
            _step_line("total", self.found.steps[-1].account, self.basis_points),
        ]

    @property
    def basis_points(self) -> float:
        """The account under the exchange's rules versus Qlib's; NaN where that lost everything."""
        first, last = self.found.steps[0].account, self.found.steps[-1].account
        return (last / first - 1) * 1e4 if first > 0 else float("nan")


def _step_line(rule: str, account: float, basis_points: float) -> str:
    return f"{rule:<74}{account:>18,.2f}{basis_points:>10.1f}"


def _check_line(check: ParityCheck) -> str:
    verdict = "equal" if check.holds else "NOT EQUAL"
    fills = f"the same {counted(check.orders, 'fill')}" if check.same_orders else "different fills"
    return (
        f"{check.name + ':':<40}{verdict}, {fills}; daily accounts differ by at most {check.difference:.1e} "
        f"(tolerance {check.tolerance:.0e}, relative)"
    )


def run_parity(
    workspace: WorkspaceFolder, strategy: StrategyLike = "qlib", *, device: str = "auto", compute: bool = True
) -> ParityReport:
    """Compare a strategy's account in both profiles with its references.

    pyqlib reads the Qlib directory that the bars came from, or a temporary one made of the workspace's bars.

    Parameters
    ----------
    strategy
        The name or path of a strategy file, a Strategy, or its settings.
    device, compute
        As of `run_backtest`.

    Raises
    ------
    ConfigError
        For a strategy that Qlib does not have.
    """
    inputs = collect_inputs(workspace, strategy, device, compute=compute)
    settings, market = inputs.strategy, inputs.market
    if market.freq != DAILY:
        raise DataError(f"parity needs daily bars, as Qlib does: found {market.freq} bars")
    if settings.strategy != "topk_dropout":
        raise ConfigError(f"parity needs topk_dropout, which Qlib has: found {settings.strategy}")
    scores, notes = in_universe(market, settings, inputs.scores.frame), []
    sessions = inputs.scores.sessions
    if sessions[-1] == market.sessions()[-1]:
        # Qlib looks at the session after each one that it trades in
        sessions, notes = sessions[:-1], ["The newest session is left out: Qlib needs the session after the last one."]
    if len(sessions) < 2:
        raise DataError("parity needs at least 3 sessions: Qlib needs the one after the last")
    with tempfile.TemporaryDirectory() as folder:
        directory, panel, facts = directory_for(workspace, inputs, scores, sessions, Path(folder) / "qlib")
        panel = add_background(add_groups(panel, group_spans(workspace, market, settings)), market, settings)
        rules = rules_of(settings, panel, market.exchange, facts_of(market))
        inside = scores.filter(pl.col("date").is_in(sessions))
        found = compare_profiles(settings, panel, rules, facts, inside, directory)
        named = "made from the workspace's bars" if directory.is_relative_to(folder) else str(directory)
    period = f"{panel.dates[1]} to {panel.dates[-1]}, {counted(len(panel.dates) - 1, 'session')}"
    return ParityReport(found, named, period, (*facts.notes, *notes))


def directory_for(
    workspace: WorkspaceFolder, inputs: BacktestInputs, scores: pl.DataFrame, sessions: Sequence[date], made: Path
) -> tuple[Path, Panel, QlibFacts]:
    """The directory that pyqlib reads, the panel of the same bars, and what it holds besides prices."""
    bars = inputs.market.bars(start=sessions[0])
    whole = bars_of_source(inputs.market, bars, sessions[0])
    panel = build_panel(whole, scores, sessions, keep_unpriced=True)
    found = source_directory(workspace, inputs.market, inputs.strategy, panel)
    if found is not None:
        directory, facts = found
        refused = len(whole.join(bars, on=["symbol", "date"], how="anti").filter(pl.col("date") <= sessions[-1]))
        note = f"Used here, as Qlib uses them, although the checks rejected them: {counted(refused, 'bar')}."
        return directory, panel, replace(facts, notes=(*facts.notes, note)) if refused else facts
    panel = build_panel(bars, scores, sessions, keep_unpriced=True)
    export_bars(inputs.market, made, "qlib")
    return made, panel, facts_of_directory(panel, made)
