"""Everything that is asked of a finished back-test before it is believed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kronos_quant.backtest import BacktestResult, Panel, Rules
from kronos_quant.backtest.panel import session_panel
from kronos_quant.backtest.qlib.market import QlibFacts
from kronos_quant.stats.intervals import Regression, regress
from kronos_quant.stats.performance import sharpe_ratio
from kronos_quant.validity.attribution import Attribution, attribution_of
from kronos_quant.validity.capacity import Capacity, capacity_of
from kronos_quant.validity.delay import delayed_metrics
from kronos_quant.validity.exposures import Background
from kronos_quant.validity.legs import Legs, legs_of
from kronos_quant.validity.luck import Luck


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found; None where it does not apply or cannot be told.

    later : key figures with the scores of a session earlier
    """

    luck: Luck
    regression: Regression | None
    attribution: Attribution
    legs: Legs | None
    later: dict[str, float] | None
    capacity: Capacity | None
    sessions_per_year: int

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
            "one_session_later": self.later,
            "capacity": None if self.capacity is None else asdict(self.capacity) | {"said": self.capacity.line()},
        }


def examine(
    result: BacktestResult, panel: Panel, rules: Rules, qlib: QlibFacts | None, background: Background, luck: Luck
) -> Examination:
    """Run what a finished back-test is asked beside `luck`: attribution, legs, a later start, larger accounts.

    panel, rules, qlib : those of the back-test; the strategy is run again on them some ten times, without vectorbt.
    """
    sessions = session_panel(panel)
    strategy, benchmark, years = result.strategy, result.benchmark_returns, result.sessions_per_year
    return Examination(
        luck=luck,
        regression=None if benchmark is None else regress(result.returns, benchmark),
        attribution=attribution_of(result, sessions, background),
        legs=legs_of(result, sessions),
        later=delayed_metrics(strategy, panel, rules, qlib, benchmark, years),
        capacity=capacity_of(strategy, panel, rules, benchmark, years),
        sessions_per_year=years,
    )
