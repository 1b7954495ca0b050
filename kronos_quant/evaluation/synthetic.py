"""The signal of a synthetic market compared with an oracle: the forecast of somebody who sees the hidden state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kronos_quant.market import SyntheticMarket, workspace_market
from kronos_quant.panel.matrix import forward_returns, to_matrix
from kronos_quant.signals import open_source
from kronos_quant.stats.correlation import rank_ic
from kronos_quant.stats.intervals import MeanInterval, independent_interval
from kronos_quant.workspace import WorkspaceFolder

HORIZON = 5
EDGE_T = 2.0
"""A signal is called found when its mean rank IC is more than this many standard errors above 0."""


@dataclass(frozen=True, slots=True)
class DemoFinding:
    """The signal's rank IC on unseen dates, that of an oracle who knows the hidden state, and the share captured.

    captured : mean rank correlation of the signal with the oracle; NaN for a market made without a pattern.
    """

    strength: float
    ic: MeanInterval
    oracle: MeanInterval
    captured: float

    @property
    def found(self) -> bool:
        """Whether the rank IC is significantly positive."""
        return bool(self.ic.t > EDGE_T)

    def lines(self) -> list[str]:
        """The finding in words."""
        verdict = (
            f"EDGE: rank IC on unseen dates is significantly positive (t = {self.ic.t:.1f})."
            if self.found
            else f"NO EDGE: rank IC is not significantly different from 0 (t = {self.ic.t:.1f}, threshold {EDGE_T:g})."
        )
        lines = [verdict, f"rank IC of the signal, {HORIZON}-session horizon, unseen dates: {estimate(self.ic)}"]
        if self.strength == 0:
            return [*lines, "The market has no pattern (--strength 0), so there is no edge to find."]
        return [
            *lines,
            f"rank IC of an oracle that knows the hidden state:     {estimate(self.oracle)}",
            f"rank correlation of the signal with the oracle: {self.captured:.2f}",
        ]


def estimate(found: MeanInterval) -> str:
    """A mean with its standard error as text."""
    return f"{found.mean:+.3f} ± {found.std_error:.3f} (t = {found.t:.1f}, {found.dates} dates)"


def measure_edge(workspace: WorkspaceFolder, made: SyntheticMarket, strength: float) -> DemoFinding:
    """Compare the signal with the returns that followed and with the oracle, on dates that do not overlap.

    Signals of these dates that are missing are computed.
    """
    source = open_source(workspace, "default", workspace_market(workspace))
    sessions = source.market.sessions()
    first = next(i for i, on in enumerate(sessions) if on >= source.first_unseen())
    rows = np.arange(first, len(sessions) - HORIZON, HORIZON)
    dates = [sessions[row] for row in rows]
    scores = source.ensure(dates).frame
    symbols = scores["symbol"].unique().sort().to_list()
    bars = source.market.select_bars(symbols)
    signal, known = to_matrix(scores, "last", dates, symbols), to_matrix(made.oracle(HORIZON), "oracle", dates, symbols)
    realised = forward_returns(to_matrix(bars, "close", sessions, symbols), rows, HORIZON)
    scored = np.isfinite(signal)
    realised, known = (np.where(scored, values, np.nan) for values in (realised, known))
    return DemoFinding(
        strength=strength,
        ic=independent_interval(rank_ic(signal, realised)),
        oracle=independent_interval(rank_ic(known, realised)),
        captured=independent_interval(rank_ic(signal, known)).mean,
    )
