"""What a back-test takes as inputs: strategy, market, scores, panel and rules, for every command that runs one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.execution import add_execution, execution_notes, minute_market, needs_minutes
from kronos_quant.backtest.groups import add_groups, add_index, group_spans
from kronos_quant.backtest.listings import market_listings
from kronos_quant.backtest.panel import Panel, add_past, build_bar_panel, build_panel, in_ticks
from kronos_quant.backtest.qlib.market import (
    QlibFacts,
    derived_facts,
    facts_of_directory,
    matching_directory,
    read_facts,
)
from kronos_quant.backtest.rules import Rules, rules_of
from kronos_quant.backtest.scores import TradedScores, file_scores, missing_scores, recipe_scores
from kronos_quant.backtest.strategies.protocol import Decide
from kronos_quant.backtest.strategies.rules import load_decide
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.config import load_yaml, read_values
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.market import Facts, Market, universes, workspace_market
from kronos_quant.market.caveats import bar_caveats, listing_caveat, survivorship_caveat
from kronos_quant.market.listings import Listings
from kronos_quant.market.quality.checks import read_rejected
from kronos_quant.own_code import check_allowed
from kronos_quant.panel.factors import style_history
from kronos_quant.panel.matrix import to_matrix
from kronos_quant.schema import DAILY
from kronos_quant.workspace import WorkspaceFolder

StrategyLike: TypeAlias = "Strategy | Mapping[str, Any] | PathLike"
"""A strategy, its settings, or the name or path of a strategy file."""


@dataclass(frozen=True, slots=True)
class BacktestInputs:
    """A strategy with all that it trades on.

    name : of the strategy, for reports; benchmark : the symbol of an index
    benchmark_close : f64[S + 1], of every session of the panel; NaN where the index has no bar
    qlib : of the profile qlib; decide : the user's function of `strategy: python`
    """

    name: str
    strategy: Strategy
    market: Market
    scores: TradedScores
    panel: Panel
    rules: Rules
    qlib: QlibFacts | None
    benchmark: str | None
    benchmark_close: FloatArray | None
    decide: Decide | None


def find_strategy(workspace: WorkspaceFolder, strategy: StrategyLike) -> tuple[str, Strategy]:
    """The name and the settings of a strategy; one without a file is called by its rule. Raises ConfigError."""
    if isinstance(strategy, Mapping):
        strategy = read_values(Strategy, strategy)
    if isinstance(strategy, Strategy):
        return strategy.strategy, strategy
    path = workspace.strategy_file(str(as_path(strategy, "strategy")))
    return path.stem, load_yaml(Strategy, path)


def collect_inputs(
    workspace: WorkspaceFolder,
    strategy: StrategyLike,
    device: str = "auto",
    *,
    compute: bool = True,
    allow_code: bool = False,
) -> BacktestInputs:
    """A strategy, and what it trades on; signals of its range that are missing are computed first, if `compute`.

    Raises ConfigError, DataError or CheckpointError before anything long. allow_code : whether it may be Python code
    """
    check_device(device)
    name, settings = find_strategy(workspace, strategy)
    decide = own_decide(workspace, settings, allowed=allow_code)
    market = workspace_market(workspace)
    benchmark = check_market(market, settings)
    groups = group_spans(workspace, market, settings)
    scores = (
        recipe_scores(workspace, market, settings, device, compute=compute, allow_code=allow_code)
        if settings.scores_file is None
        else file_scores(workspace, market, settings)
    )
    panel, outside = add_index(market, settings, add_groups(panel_of(market, settings, scores), groups))
    rules = rules_of(settings, panel, market.exchange, facts_of(market))
    if settings.profile == "exchange":
        panel = with_execution(market, settings, in_ticks(panel, rules.tick))
    missing = missing_scores(settings, panel, market, members_of(market, settings, scores))
    found = [] if missing is None else [missing]
    found += [*outside, *execution_notes(settings, panel), *_caveats(market, settings, scores, panel)]
    scores = replace(scores, notes=(*scores.notes, *found))
    return BacktestInputs(
        name,
        settings,
        market,
        scores,
        panel,
        rules,
        source_directory(workspace, market, settings, panel)[1] if settings.profile == "qlib" else None,
        benchmark,
        None if benchmark is None else benchmark_close(market.select_bars([benchmark]), benchmark, panel),
        decide,
    )


def check_device(device: str) -> None:
    """Raise ConfigError for a device that this machine lacks, also where nothing is computed."""
    if device not in ("auto", "cpu"):  # those are always there, and torch takes seconds to load
        from kronos_quant.model import resolve_device

        resolve_device(device)


def panel_of(market: Market, strategy: Strategy, scores: TradedScores) -> Panel:
    """Bars and scores, a row a session or, of an intraday market, a row a bar."""
    sessions, traded = scores.sessions, in_universe(market, strategy, scores.frame)
    before = rows_before(market.times(), strategy, sessions[0])
    if strategy.profile == "qlib":
        return build_panel(bars_of_source(market, sessions[0]), traded, sessions, keep_unpriced=True)
    bars = adjusted_volumes(market, market.bars(start=next(iter(before["date"]), sessions[0])))
    rows = build_rows(bars, traded, sessions, market.times(), market.freq, market_listings(market, sessions[0]))
    return add_past(replace(rows, dividends=market.dividends()), bars, before)


def build_rows(
    bars: pl.DataFrame,
    scores: pl.DataFrame,
    sessions: Sequence[date],
    times: pl.DataFrame,
    freq: str,
    listings: Listings,
) -> Panel:
    """A panel of `sessions` with a row per session or, of an intraday market, per bar.

    Parameters
    ----------
    bars, scores, sessions, listings
        As for `build_panel`.
    times
        Columns date and time (end of a bar), ascending: all rows of the data.
    freq
        Of the bars.
    """
    if freq == DAILY:
        return build_panel(bars, scores, sessions, listings)
    return build_bar_panel(bars, scores, times.filter(times["date"].is_in(list(sessions))), listings)


def add_background(panel: Panel, market: Market, strategy: Strategy) -> Panel:
    """A panel of sessions with the bars before its first, which trailing figures refer to."""
    before = rows_before(market.times(), strategy, panel.dates[0])
    bars = adjusted_volumes(market, market.bars(start=next(iter(before["date"]), panel.dates[0])))
    return add_past(panel, bars, before)


def rows_before(times: pl.DataFrame, strategy: Strategy, first: date) -> pl.DataFrame:
    """(date, time) of the bars in the sessions before `first` that trailing figures refer to. times : of all bars"""
    earlier = times.filter(times["date"] < first)
    sessions = earlier["date"].unique().sort().tail(sessions_before(strategy))
    return earlier.filter(earlier["date"].is_in(sessions.implode()))


def with_execution(market: Market, strategy: Strategy, panel: Panel) -> Panel:
    """The panel with the average prices that the strategy fills at, where it does."""
    if strategy.fill in ("open", "close"):
        return panel
    if not needs_minutes(strategy):
        return add_execution(panel, strategy, market.select_bars(panel.symbols, panel.dates[0], panel.dates[-1]))
    if market.freq != DAILY:
        raise ConfigError(f"fill_window and twap need daily bars, found {market.freq}", hint="Use `fill: vwap`.")
    first = panel.dates[0] if panel.past is None else panel.past.dates[0]
    fine = minute_market(market)
    minutes = adjusted_volumes(fine, fine.select_bars(panel.symbols, start=first, end=panel.dates[-1]))
    return add_execution(panel, strategy, minutes, by_minutes=True)


def sessions_before(strategy: Strategy) -> int:
    """How many sessions before the first one trailing figures refer to."""
    needed = [strategy.liquidity.sessions]
    if strategy.optimises:
        needed.append(strategy.optimise.sessions + 1)
        if strategy.optimise.max_style is not None:
            needed.append(style_history())
    return max(needed)


def members_of(market: Market, strategy: Strategy, scores: TradedScores) -> pl.DataFrame | None:
    """The intervals of the universe that is scored: the strategy's, else the recipe's; None for every symbol."""
    universe = _scored_universe(strategy, scores)
    return None if universe == universes.ALL else market.universe(universe)


def _caveats(market: Market, strategy: Strategy, scores: TradedScores, panel: Panel) -> list[str]:
    """What the ingest warned of in the bars that are traded, and which members of the universe have none."""
    first, last = panel.dates[0], panel.dates[-1]
    universe = _scored_universe(strategy, scores)
    return [
        *bar_caveats(market, panel.symbols, first, last),
        *survivorship_caveat(market, universe, first, last),
        *listing_caveat(market, panel.symbols, first, last),
    ]


def _scored_universe(strategy: Strategy, scores: TradedScores) -> str:
    return strategy.universe or (scores.source.recipe.universe if scores.source is not None else universes.ALL)


def own_decide(workspace: WorkspaceFolder, strategy: Strategy, *, allowed: bool) -> Decide | None:
    """The function of a strategy that is a Python file, None for the others. Raises ConfigError unless allowed."""
    if strategy.code is None:
        return None
    path = workspace.root / strategy.code.expanduser()
    check_allowed(path, "the strategy runs", allowed=allowed)
    return load_decide(path)


def check_market(market: Market, strategy: Strategy) -> str | None:
    """Refuse what the market does not have, before anything long begins; return the benchmark's symbol, if any."""
    if market.freq != DAILY and strategy.profile == "qlib":
        raise DataError(
            f"profile: qlib needs daily bars, found {market.freq} bars",
            hint="use profile: exchange, or set market.freq to day in kq.yaml if there are daily bars too",
        )
    market.session_range(strategy.start, strategy.end)
    if strategy.score_column is not None and strategy.scores_file is None:
        check_score(strategy.score_column)
    if strategy.universe is not None:
        market.universe(strategy.universe)
    return market.benchmark(strategy.benchmark)


def check_score(column: str) -> None:
    """Raise ConfigError for a score that no recipe stores."""
    # torch comes with it, which most strategies on scores of a file do not need
    from kronos_quant.signals import SCORES

    if column not in SCORES:
        raise ConfigError(f"score_column: expected one of {', '.join(SCORES)}, found {column!r}")


def missing_benchmark(inputs: BacktestInputs) -> list[str]:
    """A note where the data hold no index."""
    if inputs.benchmark is None and inputs.strategy.benchmark == "auto":
        return ["No benchmark: there is no index among the instruments (set `benchmark` in the strategy)."]
    return []


def in_universe(market: Market, strategy: Strategy, scores: pl.DataFrame) -> pl.DataFrame:
    """The scores of the traded universe's members, each on the days of its membership."""
    if strategy.universe is None or strategy.universe == "all":
        return scores
    spans = market.universe(strategy.universe)
    return (
        scores.join(spans, on="symbol")
        .filter(pl.col("date").is_between(pl.col("start"), pl.col("end")))
        .select(scores.columns)
        .unique(scores.columns[:-1])
    )


def facts_of(market: Market) -> Facts:
    """The dated facts of which files were ingested; a listing's value is the issue price."""
    listings = market.intervals("listing").sort("start").unique("symbol", keep="first")
    priced = listings.with_columns(price=pl.col("value").cast(pl.Float64, strict=False)).filter(pl.col("price") > 0)
    return Facts(
        sessions=market.sessions(),
        st=market.intervals("st").select("symbol", "start", "end").rows(),
        listed=dict(market.listings().drop_nulls("listed").select("symbol", "listed").iter_rows()),
        issue_price=dict(priced.select("symbol", "price").iter_rows()),
        delisting=market.intervals("delisting").select("symbol", "start", "end").rows(),
        funds=market.intervals("fund").select("symbol", "start", "end", "value").rows(),
    )


def adjusted_volumes(market: Market, bars: pl.DataFrame) -> pl.DataFrame:
    """The bars with every volume in adjusted shares, as the prices are."""
    with market.connect() as connection:
        raw = [symbol for (symbol,) in connection.sql("SELECT symbol FROM unadjusted_volumes").fetchall()]
    if not raw:
        return bars
    adjusted = pl.when(pl.col("symbol").is_in(raw)).then(pl.col("volume") / pl.col("factor")).otherwise("volume")
    return bars.with_columns(adjusted.alias("volume"))


def stored_bars(market: Market, start: date) -> pl.DataFrame:
    """The bars of the source from a date on, those of suspended sessions too, in adjusted shares."""
    return adjusted_volumes(market, market.stored_bars(start=start).with_columns(pl.col("volume").fill_null(0.0)))


def bars_of_source(market: Market, start: date) -> pl.DataFrame:
    """The bars as Qlib has them: also those that the checks rejected, and none outside a symbol's listing."""
    bars = stored_bars(market, start)
    columns = [name for name in bars.columns if name != "time"]
    usable = (pl.col("close") > 0) & (pl.col("factor") > 0) & (pl.col("date") >= start)
    rejected = read_rejected(market.snapshot.folder, market.freq).filter(usable)
    rejected = rejected.select(pl.col(name).cast(bars.schema[name]) for name in columns).unique(["symbol", "date"])
    both = pl.concat([bars.select(columns), rejected.join(bars, on=["symbol", "date"], how="anti")])
    listed_days = market.instruments().select("symbol", "first_date", "last_date")
    return both.join(listed_days, on="symbol", how="left").filter(
        (pl.col("first_date").is_null() | (pl.col("date") >= pl.col("first_date")))
        & (pl.col("last_date").is_null() | (pl.col("date") <= pl.col("last_date")))
    )


def source_directory(
    workspace: WorkspaceFolder, market: Market, strategy: Strategy, panel: Panel
) -> tuple[Path | None, QlibFacts]:
    """The Qlib directory of a panel's bars, and what Qlib reads there: the one that the strategy names or, with these
    closes, one that they were read from or that kq.yaml names; None, and what the closes tell, without any.

    Raises DataError where the one that the strategy names has other bars, and where the one that is found lacks a file.
    """
    if strategy.qlib.directory is not None:
        directory = workspace.root / strategy.qlib.directory.expanduser()
        return directory, facts_of_directory(panel, directory, strategy)
    configured, others = workspace.root / workspace.config.market.qlib_dir.expanduser(), []
    for directory in dict.fromkeys([*market.origins("qlib"), configured]):
        if (directory / "calendars").is_dir():
            try:
                opened, first = matching_directory(panel, directory)
            except DataError as error:
                others.append(str(error))
                continue
            return directory, read_facts(panel, opened, first, strategy)
    why = f"; {'; '.join(others)}" if others else ""
    note = (
        f"No Qlib directory with these bars was found: $change is computed from the closes (set `qlib.directory`){why}."
    )
    return None, replace(derived_facts(panel), notes=(note,))


def benchmark_close(bars: pl.DataFrame, benchmark: str, panel: Panel) -> FloatArray:
    """f64[S + 1], of every session of the panel: the benchmark's last close in it, NaN where it has no bar."""
    last = bars.filter(symbol=benchmark).group_by("date", "symbol").agg(pl.col("close").sort_by("time").last())
    return to_matrix(last, "close", panel.sessions, [benchmark])[:, 0]
