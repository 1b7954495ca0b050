"""Back-tests that were examined, for the tests of what is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from validity.cases import background, walks

from kronos_quant.backtest import BacktestResult, Panel, Rules, Strategy, rules_of, simulate
from kronos_quant.backtest.panel import SymbolGroups
from kronos_quant.validity.examination import Examination, examine
from kronos_quant.validity.holdings import universe_returns, without_universe
from kronos_quant.validity.luck import assess_luck
from kronos_quant.validity.trials import TrialRow, read_trials, record_trials

PLAIN = {"topk": 8, "n_drop": 2, "hold_thresh": 1, "account": 1e6, "lot": 0, "price_limit": "none"}


@dataclass(frozen=True, slots=True)
class Examined:
    result: BacktestResult
    rules: Rules
    found: Examination


def index(sessions: int, seed: int = 8) -> np.ndarray:
    """Closes of a made index."""
    return 100 * np.cumprod(1 + np.random.default_rng(seed).normal(0.0005, 0.01, sessions))


def examined(
    folder: Path, panel: Panel, *, benchmark: np.ndarray | None = None, industries: SymbolGroups | None = None, **fields
) -> Examined:
    """A back-test of a panel, alone in its ledger of trials."""
    strategy = Strategy.model_validate(PLAIN | fields)
    rules = rules_of(strategy, panel)
    result = simulate(strategy, panel, rules, benchmark_close=benchmark)
    edge = without_universe(result.returns, universe_returns(panel))
    record_trials(folder, "r", "s", "p", result.dates, [TrialRow("own", "{}", result.returns, edge)])
    luck = assess_luck(result.returns, edge, read_trials(folder), None, result.sessions_per_year)
    known = background(panel, 7, industries)
    return Examined(result, rules, examine(result, panel, rules, None, known, luck))


def full_case(folder: Path) -> Examined:
    """A long-only run of 200 sessions beside a benchmark, with 12 industries."""
    industries = SymbolGroups(tuple("ABCDEFGHIJKL"), np.tile(np.arange(24) % 12, (201, 1)))
    return examined(folder, walks(201, 24, seed=6), benchmark=index(201), industries=industries)
