"""One strategy over a grid of settings: every combination is a trial with an account and figures of its own.

The market is prepared once for all trials that see it the same way; the event loops run in threads, as compiled code
needs no lock.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.accounts import series_of
from kronos_quant.backtest.engine import trade_function
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.qlib.market import QlibFacts
from kronos_quant.backtest.result import metrics_of
from kronos_quant.backtest.rules import Rules
from kronos_quant.backtest.settings import Costs
from kronos_quant.backtest.strategy import Strategy, share_setting
from kronos_quant.config import parse_yaml
from kronos_quant.config.section import field_names, problem_lines
from kronos_quant.errors import ConfigError
from kronos_quant.inputs import as_text, as_texts, short_repr

FIXED = (
    "recipe", "score_column", "scores_file", "start", "end", "universe", "benchmark", "code", "profile", "strategy",
)  # fmt: skip
"""Settings that change what is traded or by which rules: such runs are compared, not swept."""

DECIDES = (
    "topk", "n_drop", "hold_thresh", "cash_fraction", "target_exposure", "account", "delisting_return", "every",
    "weighting", "quantile", "risk",
)  # fmt: skip
"""Settings that only the event loop reads: trials that differ in nothing else share one prepared market."""

Value = str | int | float | bool | None
Grid = Mapping[str, Sequence[Value]] | Sequence[str]

MOST_TRIALS = 100_000
"""Combinations of one sweep: more would fill the memory before the first is run."""

FIELD_OF = {other: name for one in (Strategy, Costs) for name in one.model_fields for other in field_names(one, name)}
"""Each name of a setting -> its own."""


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
class TrialResult:
    """A trial that was run: its figures, and the account's session returns f64[T - 1]."""

    trial: Trial
    figures: dict[str, float]
    returns: FloatArray


def parse_grid(grid: Grid, rule: str = "topk_dropout") -> dict[str, list[Value]]:
    """Each field and its values, each once; a field's other name (`n_symbol_hold`) stands for it.

    grid : field -> values, or texts like `topk=20,50`; rule : of the strategy, which `risk_degree` depends on
    Raises ConfigError for other forms and for a field given twice.

    >>> parse_grid(["topk=20,50", "costs.commission=0.0003"])
    {'topk': [20, 50], 'costs.commission': [0.0003]}
    """
    fields = [*(grid if isinstance(grid, Mapping) else as_texts(grid, "grid"))]
    pairs = [(as_text(one, "grid"), grid[one]) if isinstance(grid, Mapping) else _parse_field(one) for one in fields]
    chosen: dict[str, list[Value]] = {}
    for given, values in pairs:
        *sections, last = given.split(".")
        name = ".".join([*sections, share_setting(rule) if last == "risk_degree" else FIELD_OF.get(last, last)])
        if name in chosen:
            raise ConfigError(f"--grid {name}: given twice")
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ConfigError(f"--grid {name}: expected a list of values, found {short_repr(values)}")
        chosen[name] = list(dict.fromkeys(values))
    if not chosen:
        raise ConfigError("a sweep needs a grid", hint="kq sweep strategies/topk.yaml --grid topk=20,50,100")
    return chosen


def _parse_field(text: str) -> tuple[str, list[Value]]:
    """`topk=20,50` as a field and its values."""
    name, equals, values = text.partition("=")
    try:
        found = [parse_value(value) for value in values.split(",")] if values.strip() else []
    except ValueError:
        found = []
    if not equals or not name.strip() or not found:
        raise ConfigError(f"--grid: expected a field and values like topk=20,50,100, found {short_repr(text)}")
    return name.strip(), found


def parse_value(text: str) -> Value:
    """A number, word, yes or no as YAML has it. Raises ValueError for a list, a mapping, and what is no YAML."""
    try:
        value = parse_yaml(text, "--grid")[0]
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if not isinstance(value, Value):
        raise ValueError(text)
    return value


def make_trials(strategy: Strategy, grid: Mapping[str, Sequence[Value]]) -> tuple[list[Trial], list[str]]:
    """Every combination of a grid that is a valid strategy, and why the others are not.

    grid : field (`topk`, `costs.commission`) -> values. Raises ConfigError for a field that cannot be swept or does
    not exist, a wrong value, more than MOST_TRIALS combinations, and none that is valid.
    """
    for name in grid:
        if name.split(".")[0] in FIXED:
            raise ConfigError(
                f"--grid {name}: cannot be swept: it changes what is traded",
                hint="run each value as a back-test of its own and set them side by side with kq compare",
            )
    combinations = math.prod(map(len, grid.values()))
    if combinations > MOST_TRIALS:
        raise ConfigError(
            f"--grid: expected at most {MOST_TRIALS:,} combinations, found {combinations:,}",
            hint="Name fewer values, or sweep fewer settings at once.",
        )
    trials, refused = [], []
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        settings = strategy.model_dump(mode="json")
        for name, value in chosen.items():
            set_field(settings, name, value)
        try:
            trials.append(Trial(tuple(chosen.items()), Strategy.model_validate(settings)))
        except ValidationError as error:
            words = problem_lines(error, Strategy, lambda *_: "--grid")[0]
            if ".".join(map(str, error.errors()[0]["loc"])) in chosen:
                raise ConfigError(words) from None
            given = ", ".join(f"{name}={value}" for name, value in chosen.items())
            refused.append(words.replace("--grid", given, 1))
    if not trials:
        raise ConfigError(f"--grid: no valid combination: {refused[0]}")
    return trials, refused


def set_field(settings: dict[str, Any], name: str, value: Value) -> None:
    """Set a field by its dotted name, whether or not a strategy has it."""
    *sections, last = name.split(".")
    for section in sections:
        if not isinstance(settings.get(section), dict):
            settings[section] = {}
        settings = settings[section]
    settings[last] = value


def run_trials(
    trials: Sequence[Trial],
    panel: Panel,
    make_rules: Callable[[Strategy], Rules],
    facts: QlibFacts | None,
    benchmark: FloatArray | None,
    threads: int,
) -> Iterator[TrialResult]:
    """The result of each trial, in groups that share a market, within a group in the order given.

    make_rules : the rules of a strategy on the panel; benchmark : f64[T - 1], returns, or None
    """
    with ThreadPoolExecutor(threads) as pool:
        for group in group_trials(trials):
            yield from pool.map(trial_runner(group, panel, make_rules(group[0].strategy), facts, benchmark), group)


def group_trials(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials that see the market in the same way, together."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(market_key(trial.strategy), []).append(trial)
    return list(groups.values())


def trial_runner(
    group: Sequence[Trial], panel: Panel, rules: Rules, facts: QlibFacts | None, benchmark: FloatArray | None
) -> Callable[[Trial], TrialResult]:
    """A function that runs any trial of a group on a market that is prepared once."""
    trade, years = trade_function(group[0].strategy, panel, rules, facts), rules.terms.sessions_per_year

    def run(trial: Trial) -> TrialResult:
        ledger = trade(trial.strategy)
        series = series_of(ledger)
        return TrialResult(trial, metrics_of(series, ledger, benchmark, years), series.returns)

    return run


def market_key(strategy: Strategy) -> str:
    """The same for strategies that see the market in the same way."""
    return strategy.model_dump_json(exclude=set(DECIDES))
