"""`kq parity`: a strategy through engine, reference ledger and pyqlib."""

from __future__ import annotations

import polars as pl

from kronos_quant.backtest.groups import add_groups, group_spans
from kronos_quant.backtest.inputs import StrategyLike, add_background, collect_inputs, facts_of, in_universe
from kronos_quant.backtest.qlib.parity import ParityReport, compare_profiles, directory_for
from kronos_quant.backtest.rules import rules_of
from kronos_quant.errors import ConfigError, DataError, counted
from kronos_quant.files import temporary_folder
from kronos_quant.schema import DAILY
from kronos_quant.workspace import WorkspaceFolder


def run_parity(
    workspace: WorkspaceFolder, strategy: StrategyLike = "qlib", *, device: str = "auto", compute: bool = True
) -> ParityReport:
    """Compare a strategy's account in both profiles with its references, see `Workspace.parity`."""
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
    with temporary_folder("qlib") as folder:
        directory, panel, facts = directory_for(workspace, inputs, scores, sessions, folder / "qlib")
        panel = add_background(add_groups(panel, group_spans(workspace, market, settings)), market, settings)
        rules = rules_of(settings, panel, market.exchange, facts_of(market))
        inside = scores.filter(pl.col("date").is_in(sessions))
        found = compare_profiles(settings, panel, rules, facts, inside, directory)
        named = "made from the workspace's bars" if directory.is_relative_to(folder) else str(directory)
    period = f"{panel.dates[1]} to {panel.dates[-1]}, {counted(len(panel.dates) - 1, 'session')}"
    return ParityReport(found, named, period, (*facts.notes, *notes))
