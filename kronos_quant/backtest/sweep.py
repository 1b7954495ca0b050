"""One strategy over a grid of settings: every combination is a trial, its kernel's account and figures one row.

The market is made ready once for all trials that see it the same way; the event loops run in threads, as compiled code
needs no lock.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.accounts import Ledger, series_of
from kronos_quant.backtest.engine import exchange_market, qlib_market, trade_exchange, trade_qlib
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.qlib.market import QlibFacts, derived_facts
from kronos_quant.backtest.result import metrics_of
from kronos_quant.backtest.rules import Rules
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import ConfigError

FIXED = (
    "recipe",
    "score_column",
    "scores_file",
    "start",
    "end",
    "universe",
    "benchmark",
    "code",
    "profile",
    "strategy",
)
"""Settings that change what is traded on or by which rules: such runs are compared, not swept."""

DECIDES = (
    "topk",
    "n_drop",
    "hold_thresh",
    "cash_fraction",
    "target_exposure",
    "account",
    "delisting_return",
    "every",
    "weighting",
    "quantile",
    "risk",
)
"""Settings that leave the market as it is."""

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination of a grid."""

    values: tuple[tuple[str, Value], ...]
    strategy: Strategy

    @property
    def key(self) -> str:
        """The combination as text, the same whatever the order of the grid."""
        return json.dumps(dict(sorted(self.values)))


@dataclass(frozen=True, slots=True)
class Done:
    """A trial that was run: its figures, and the account's session returns f64[T - 1]."""

    trial: Trial
    figures: dict[str, float]
    returns: FloatArray


def trials_of(strategy: Strategy, grid: Mapping[str, Sequence[Value]]) -> tuple[list[Trial], list[str]]:
    """Every combination of a grid that makes a strategy, and why the others make none.

    grid : field (`topk`, `costs.commission`) -> values. Raises ConfigError for a field that cannot be swept, one that
    there is not, a value that is none of its field's, and a grid of which no combination is left.
    """
    for name in grid:
        if name.split(".")[0] in FIXED:
            raise ConfigError(
                f"--grid {name}: cannot be swept: it changes what is traded",
                hint="run each value as a back-test of its own and set them side by side with kq compare",
            )
    trials, refused = [], []
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        settings = strategy.model_dump(mode="json")
        for name, value in chosen.items():
            put(settings, name, value)
        try:
            trials.append(Trial(tuple(chosen.items()), Strategy.model_validate(settings)))
        except ValidationError as error:
            problem = error.errors()[0]
            words = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
            field = ".".join(map(str, problem["loc"]))
            if field in chosen:
                raise ConfigError(f"--grid {field}={chosen[field]}: {words}") from None
            refused.append(f"{', '.join(f'{name}={value}' for name, value in chosen.items())}: {words}")
    if not trials:
        raise ConfigError(f"--grid: no combination makes a strategy: {refused[0]}")
    return trials, refused


def put(settings: dict[str, Any], name: str, value: Value) -> None:
    """Set a field by its dotted name. Raises ConfigError where there is no such field."""
    *sections, last = name.split(".")
    place = settings
    for section in sections:
        place = place.get(section) if isinstance(place, dict) else None  # type: ignore[assignment]
    if not isinstance(place, dict) or last not in place:
        raise ConfigError(f"--grid {name}: the strategy has no such field")
    place[last] = value


def run_trials(
    trials: Sequence[Trial],
    panel: Panel,
    make_rules: Callable[[Strategy], Rules],
    facts: QlibFacts | None,
    benchmark: FloatArray | None,
    threads: int,
) -> Iterator[Done]:
    """Each trial, done, in groups that share a market, within a group in the order given.

    make_rules : the rules of a strategy on the panel; benchmark : f64[T - 1], returns, or None
    """
    with ThreadPoolExecutor(threads) as pool:
        for group in grouped(trials):
            yield from pool.map(runner_of(group, panel, make_rules(group[0].strategy), facts, benchmark), group)


def grouped(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials that see the market in the same way, together."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(market_key(trial.strategy), []).append(trial)
    return list(groups.values())


def runner_of(
    group: Sequence[Trial], panel: Panel, rules: Rules, facts: QlibFacts | None, benchmark: FloatArray | None
) -> Callable[[Trial], Done]:
    """A function that runs any trial of a group; the market is made ready for it once."""
    trade, years = ready(group[0].strategy, panel, rules, facts)

    def run(trial: Trial) -> Done:
        ledger = trade(trial.strategy)
        series = series_of(ledger)
        return Done(trial, metrics_of(series, ledger, benchmark, years), series.returns)

    return run


Trade = Callable[[Strategy], Ledger]


def ready(strategy: Strategy, panel: Panel, rules: Rules, facts: QlibFacts | None) -> tuple[Trade, int]:
    """A function that trades any strategy which sees the market as `strategy` does, and the annualisation."""
    if strategy.profile == "qlib":
        known = facts or derived_facts(panel)
        as_qlib = qlib_market(strategy, panel, known)
        return lambda other: trade_qlib(other, as_qlib, known), rules.terms.sessions_per_year
    market = exchange_market(strategy, panel, rules)
    return lambda other: trade_exchange(other, panel, rules, market), rules.terms.sessions_per_year


def market_key(strategy: Strategy) -> str:
    """The same for strategies that see the market in the same way."""
    return strategy.model_dump_json(exclude=set(DECIDES))
