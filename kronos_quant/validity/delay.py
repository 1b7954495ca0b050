"""What is left of a back-test whose scores come one session later: an edge that is gone then was in the timing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import Panel, Rules, Strategy
from kronos_quant.backtest.accounts import series_of
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.panel import tradable_scores
from kronos_quant.backtest.qlib.market import QlibFacts
from kronos_quant.backtest.result import metrics_of


def delayed_metrics(
    strategy: Strategy,
    panel: Panel,
    rules: Rules,
    qlib: QlibFacts | None,
    benchmark: FloatArray | None,
    sessions_per_year: int,
) -> dict[str, float] | None:
    """The key figures of the same strategy on the scores of a session earlier.

    None for a user's own function, which is not called a second time: it may remember what it was shown; and where the
    delay leaves nothing to trade on.
    """
    if strategy.strategy == "python":
        return None
    later = replace(panel, score=tradable_scores(panel.score))
    if np.isnan(later.score[:-1]).all():
        return None
    ledger = run_kernel(strategy, later, rules, qlib)
    return metrics_of(series_of(ledger), ledger, benchmark, sessions_per_year)
