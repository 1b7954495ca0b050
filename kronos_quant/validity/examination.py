"""The tests of a finished back-test: significance, attribution, legs, delayed scores, capacity."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import BacktestResult, Panel, Rules
from kronos_quant.backtest.engine import exchange_market
from kronos_quant.backtest.inputs import BacktestInputs
from kronos_quant.backtest.panel import session_panel
from kronos_quant.backtest.qlib.market import QlibFacts
from kronos_quant.stats.intervals import Regression, regress
from kronos_quant.stats.performance import sharpe_ratio
from kronos_quant.stats.selection import FEWEST_SESSIONS, estimate_overfitting
from kronos_quant.validity.attribution import Attribution, Background, attribute_returns, read_background
from kronos_quant.validity.effects import (
    Effect,
    by_worth,
    delisting_effect,
    measured_effects,
    misread_effect,
    size_effect,
)
from kronos_quant.validity.holdings import account_before, shares_of, universe_returns, without_universe
from kronos_quant.validity.luck import Luck, assess_luck
from kronos_quant.validity.robustness import Capacity, delayed_metrics, estimate_capacity, metrics_without_size
from kronos_quant.validity.trials import (
    TrialRow,
    read_trials,
    record_trials,
    settings_text,
    strategy_key,
    universe_name,
)
from kronos_quant.workspace import WorkspaceFolder


@dataclass(frozen=True, slots=True)
class Legs:
    """Return of the account in each session from what was long and from what was short, f64[S], after costs.

    The two add up to the account's return. mean_long, mean_short : mean value at the close before / account
    """

    long: FloatArray
    short: FloatArray
    mean_long: float
    mean_short: float


def legs_of(result: BacktestResult) -> Legs | None:
    """The legs of a back-test; None where nothing was ever short."""
    if result.legs is None:
        return None
    before = account_before(result)

    def mean_share(column: str) -> float:
        value = result.legs[column].to_numpy()  # type: ignore[index]
        return float(shares_of(np.concatenate([[0.0], value[:-1]]), before).mean())

    long, short = (result.legs[f"{side}_return"].to_numpy() for side in ("long", "short"))
    return Legs(long, short, mean_share("long_value"), mean_share("short_value"))


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found; None where it does not apply or is not known.

    delayed, without_size : key figures with the scores of a session earlier, without impact and participation
    effects : what rules and assumptions are worth, the most first
    """

    luck: Luck
    regression: Regression | None
    attribution: Attribution
    legs: Legs | None
    delayed: dict[str, float] | None
    without_size: dict[str, float] | None
    capacity: Capacity | None
    effects: tuple[Effect, ...]
    sessions_per_year: int

    def warnings(self) -> list[str]:
        """What the reader has to know first: a significant result that the account is too large for."""
        capacity = self.capacity
        return [capacity.verdict()] if capacity and capacity.exceeded and self.luck.passes else []

    def lines(self) -> list[str]:
        """The verdict at the account of the back-test, and the tests of significance, in words."""
        significance = self.luck.lines()
        return [*(self.warnings() or significance[:1]), *significance[1:]]

    def as_dict(self) -> dict[str, Any]:
        """For metrics.json; what is of a session there is annual here."""
        years, found = self.sessions_per_year, self.regression
        return self.luck.as_dict() | {
            "alpha_t": None if found is None else found.alpha_t,
            "beta_error": None if found is None else found.beta_error,
            "attribution": [asdict(part) for part in self.attribution.parts],
            "attribution_industries": [asdict(part) for part in self.attribution.industries],
            "legs": None
            if self.legs is None
            else {
                name: {
                    "annual_return": float(returns.mean()) * years,
                    "sharpe_ratio": sharpe_ratio(returns, years),
                    "mean_weight": weight,
                }
                for name, returns, weight in (
                    ("long", self.legs.long, self.legs.mean_long),
                    ("short", self.legs.short, self.legs.mean_short),
                )
            },
            "delayed_one_session": self.delayed,
            "without_impact_and_participation": self.without_size,
            "effects": [asdict(effect) for effect in self.effects],
            "capacity": None if self.capacity is None else asdict(self.capacity) | {"summary": self.capacity.line()},
        }


def examine(
    result: BacktestResult,
    panel: Panel,
    rules: Rules,
    qlib: QlibFacts | None,
    background: Background,
    luck: Luck,
    warnings: pl.DataFrame | None = None,
) -> Examination:
    """Run the tests of a finished back-test besides `luck`: attribution, legs, delayed scores, accounts, effects.

    The strategy is run again some fifteen times, without vectorbt.

    Parameters
    ----------
    result
        The back-test.
    panel, rules, qlib
        Those of the back-test.
    background
        What the attribution refers to.
    luck
        The tests of significance.
    warnings
        Symbol, date and rule of the bars that the ingest warned of, where they are known.

    Examples
    --------
    >>> Examination.__slots__[0]
    'luck'
    """
    sessions = session_panel(panel)
    strategy, benchmark, years = result.strategy, result.benchmark_returns, result.sessions_per_year
    once = strategy.profile == "qlib" or strategy.strategy == "python"
    market = None if once else exchange_market(strategy, panel, rules)
    without_size = metrics_without_size(strategy, panel, rules, benchmark, years, market)
    own = result.metrics["annual_return"]
    effects = []
    if len(result.dates) >= FEWEST_SESSIONS and not result.fills.is_empty():
        effects += size_effect(own, without_size)
        effects += measured_effects(strategy, panel, rules, own, market)
        effects += delisting_effect(result)
        effects += [] if warnings is None else misread_effect(result, sessions, warnings)
    return Examination(
        luck=luck,
        regression=None if benchmark is None else regress(result.returns, benchmark),
        attribution=attribute_returns(result, sessions, background),
        legs=legs_of(result),
        delayed=delayed_metrics(strategy, panel, rules, qlib, benchmark, years),
        without_size=without_size,
        capacity=estimate_capacity(strategy, panel, rules, benchmark, years, market),
        effects=by_worth(effects),
        sessions_per_year=years,
    )


def examine_backtest(
    workspace: WorkspaceFolder, inputs: BacktestInputs, result: BacktestResult, run: str
) -> Examination:
    """Record a back-test in the ledger of trials, and examine it among them.

    run : kind and id. Raises DataError for a damaged ledger: a trial more than is known may have been made.
    """
    sessions, snapshot = session_panel(inputs.panel), inputs.market.snapshot.digest
    edge = without_universe(result.returns, universe_returns(sessions))
    universe, settings = universe_name(inputs), settings_text(inputs.strategy)
    row = TrialRow(strategy_key(workspace, inputs, inputs.strategy), settings, result.returns, edge, universe)
    record_trials(workspace.runs, run, inputs.scores.digest, snapshot, result.dates, [row])
    trials = read_trials(workspace.runs)
    overfitting = estimate_overfitting(trials.on_universe(universe).returns_on(result.dates))
    luck = assess_luck(result.returns, edge, trials, overfitting, result.sessions_per_year)
    known = read_background(inputs.market, sessions)
    warned = inputs.market.warnings().select("symbol", "date", "rule")
    return examine(result, inputs.panel, inputs.rules, inputs.qlib, known, luck, warned)
