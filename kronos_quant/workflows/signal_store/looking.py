"""`kq signal show` and `diff`: what the store holds, side by side."""

from __future__ import annotations

from datetime import date, datetime, time

from kronos_quant.market import workspace_market
from kronos_quant.signals import Comparison, StoredSignals, compare
from kronos_quant.workflows.signal_store.finding import stored_signals
from kronos_quant.workspace import WorkspaceFolder


def show_signals(workspace: WorkspaceFolder, name: str, when: date | None) -> StoredSignals:
    """The stored signals of one moment under a recipe's name or digest.

    when : a session, for its last moment; a datetime that is not 00:00, for that moment; None for the newest stored.
    Raises DataError where they are not there or no longer what they would be.
    """
    at = when if isinstance(when, datetime) and when.time() != time() else None
    on = when.date() if isinstance(when, datetime) else when
    shown = stored_signals(workspace, name, workspace_market(workspace), on, on, newest=on is None)
    return shown.at(at or shown.moments()[-1])


def diff_signals(
    workspace: WorkspaceFolder, first: str, second: str, start: date | None, end: date | None, top: int
) -> Comparison:
    """Compare the stored signals of two recipes, each named or by its digest."""
    market = workspace_market(workspace)
    sides = [stored_signals(workspace, name, market, start, end) for name in (first, second)]
    names = first, second if second != first else f"{second} again"
    return compare(sides[0].ranked(), sides[1].ranked(), names, top)
