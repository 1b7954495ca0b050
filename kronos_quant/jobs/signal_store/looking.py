"""`kq signal show` and `diff`: what the store holds, side by side."""

from __future__ import annotations

from datetime import date

from kronos_quant.jobs.signal_store.finding import Shown, stored_signals
from kronos_quant.market import workspace_market
from kronos_quant.signals import Comparison, compare
from kronos_quant.workspace import Workspace


def show_signals(workspace: Workspace, name: str, on: date | None) -> Shown:
    """The stored signals of a session (None: the newest stored one) under a recipe's name or digest.

    Raises DataError where they are not there or no longer what they would be.
    """
    return stored_signals(workspace, name, workspace_market(workspace), on, on, newest=on is None)


def diff_signals(
    workspace: Workspace, first: str, second: str, start: date | None, end: date | None, top: int
) -> Comparison:
    """Compare the stored signals of two recipes, each named or by its digest."""
    market = workspace_market(workspace)
    sides = [stored_signals(workspace, name, market, start, end) for name in (first, second)]
    names = first, second if second != first else f"{second} again"
    return compare(sides[0].ranked(), sides[1].ranked(), names, top)
