"""What a strategy file is back-tested on: market, scores, panel and rules, for every command that runs one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from kronos_quant import schema
from kronos_quant.backtest import Panel, Rules, Strategy, build_panel, rules_of
from kronos_quant.backtest.qlib.market import QlibFacts, derived_facts, facts_of_directory
from kronos_quant.backtest.strategies.own_code import load_decide
from kronos_quant.backtest.strategies.protocol import Decide
from kronos_quant.config import load_yaml
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.files import file_digest
from kronos_quant.jobs.signals import SignalSource, SignalSummary, ensure_signals, open_source
from kronos_quant.market import Facts, Market, canonical_column, workspace_market
from kronos_quant.market.quality.screening import read_rejected
from kronos_quant.signals import SCORES
from kronos_quant.workspace import Workspace

UNKNOWN_MODEL_SESSIONS = 250
"""Without a card that says where training ended, the back-test covers the newest this many sessions."""

FOREIGN_SCORES = "The scores were made elsewhere: nothing is known of the data behind them."

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores to trade on, and where they come from.

    frame : date, symbol, score; sessions : those of the back-test, the first of which only gives scores
    source, signals : the recipe made ready and what was computed; None for scores from a file
    origin : in words; digest : of recipe or file; notes : what a reader has to know
    """

    frame: pl.DataFrame
    sessions: list[date]
    source: SignalSource | None
    signals: SignalSummary | None
    origin: str
    digest: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A strategy file made ready to run."""

    strategy: Strategy
    market: Market
    scored: Scored
    panel: Panel
    rules: Rules
    qlib: QlibFacts | None
    benchmark: str | None
    benchmark_close: FloatArray | None
    """float64[T], NaN where the index has no bar."""
    decide: Decide | None
    """The function of a strategy that is a user's Python code."""


def prepare(
    workspace: Workspace, strategy_name: str, device: str, *, compute: bool = True, allow_code: bool = False
) -> Prepared:
    """Load a strategy file, and what it trades on; signals of its range that are missing are computed first.

    compute : False refuses missing signals; allow_code : whether the strategy may be somebody's Python code
    Raises ConfigError, DataError or CheckpointError before anything long.
    """
    strategy = load_yaml(Strategy, workspace.strategy_file(strategy_name))
    decide = own_code(workspace, strategy, allowed=allow_code)
    market = workspace_market(workspace)
    benchmark = check_against(market, strategy)
    scored = (
        scores_of_recipe(workspace, market, strategy, device, compute=compute, allow_code=allow_code)
        if strategy.scores is None
        else scores_of_file(workspace, market, strategy)
    )
    is_qlib = strategy.profile == "qlib"
    bars = adjusted_volumes(market, market.bars(start=scored.sessions[0]))
    panel = build_panel(
        bars_of_source(market, bars, scored.sessions[0]) if is_qlib else bars,
        in_universe(market, strategy, scored.frame),
        scored.sessions,
        keep_unpriced=is_qlib,
    )
    return Prepared(
        strategy,
        market,
        scored,
        panel,
        rules_of(strategy, panel, market.exchange, facts_of(market)),
        qlib_facts(workspace, strategy, panel) if is_qlib else None,
        benchmark,
        None if benchmark is None else benchmark_close(market, benchmark, panel),
        decide,
    )


def own_code(workspace: Workspace, strategy: Strategy, *, allowed: bool) -> Decide | None:
    """The function of a strategy that is a Python file, None for the others. Raises ConfigError unless allowed."""
    if strategy.code is None:
        return None
    path = workspace.root / strategy.code.expanduser()
    if not allowed:
        raise ConfigError(
            f"{path}: the strategy runs Python code, which may do anything on this machine",
            hint="read it; to run it all the same: kq backtest --allow-code",
        )
    return load_decide(path)


def check_against(market: Market, strategy: Strategy) -> str | None:
    """Refuse what the market does not have, before anything long begins; return the benchmark's symbol, if any."""
    if market.freq != schema.DAILY:
        raise DataError(
            f"back-tests step on daily bars, and this workspace holds {market.freq} bars",
            hint="set market.freq to day in kq.yaml if there are daily bars too; kq forecast works on any",
        )
    for on in (strategy.start, strategy.end):
        if on is not None:
            market.check_session(on)
    if strategy.score is not None and strategy.score not in SCORES:
        raise ConfigError(f"score: expected one of {', '.join(SCORES)}, found {strategy.score!r}")
    if strategy.universe is not None:
        market.universe(strategy.universe)
    return market.benchmark(strategy.benchmark)


def scores_of_recipe(
    workspace: Workspace, market: Market, strategy: Strategy, device: str, *, compute: bool, allow_code: bool
) -> Scored:
    """The signals of the strategy's recipe."""
    source = open_source(workspace, strategy.signal, market)
    imported = source.recipe.recipe.imported is not None
    known = market.sessions()
    first, last = scored_span(known, source.store.dates()) if imported else (first_unseen(source), known[-1])
    sessions = chosen_sessions(market, strategy, first, last)
    signals = ensure_signals(source, sessions[:-1], device, compute=compute, allow_code=allow_code)
    notes = [FOREIGN_SCORES] if imported else [*contamination(source, sessions)]
    if signals.empty:
        why = "are not among those imported" if imported else "have no signals: no symbol had enough bars"
        notes.append(f"{len(signals.empty)} sessions {why}.")
    return Scored(
        signals.ranked(strategy.score),
        sessions,
        source,
        signals,
        f"model {source.weights.name}, recipe {strategy.signal} ({source.recipe.digest})",
        source.recipe.digest,
        tuple(notes),
    )


def scored_span(sessions: list[date], dates: list[date]) -> tuple[date, date]:
    """The first of some scored sessions, and the session after the last of them, at which it trades."""
    return dates[0], next((on for on in sessions if on > dates[-1]), sessions[-1])


def scores_of_file(workspace: Workspace, market: Market, strategy: Strategy) -> Scored:
    """The scores of a file; the sessions are those that it scores, and one more.

    Raises DataError for a file that is no table of date, symbol and score, or has none for a session.
    """
    assert strategy.scores is not None
    path = workspace.root / strategy.scores.expanduser()
    frame = read_scores(path, market.exchange)
    known = market.sessions()
    on_sessions = frame.filter(pl.col("date").is_in(known))
    if on_sessions.is_empty():
        raise DataError(f"{path}: no score of any session from {known[0]} to {known[-1]}")
    sessions = chosen_sessions(market, strategy, *scored_span(known, on_sessions["date"].unique().sort().to_list()))
    notes = [FOREIGN_SCORES]
    others = frame["date"].n_unique() - on_sessions["date"].n_unique()
    if others:
        notes.append(f"{others} dates of the scores are no sessions of the data: left out.")
    digest = file_digest(path)
    return Scored(on_sessions, sessions, None, None, f"scores {path.name} ({digest[:16]})", digest, tuple(notes))


def read_scores(path: Path, exchange: str = "") -> pl.DataFrame:
    """(date, symbol, score) of a Parquet or CSV file; Qlib's names datetime and instrument are known too.

    Raises DataError for a file that cannot be read, a column that is missing, and a value that is none.
    """
    try:
        frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, try_parse_dates=True)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file of scores") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not a readable file of scores: {str(error).partition(chr(10))[0]}") from None
    columns = {}
    for ours, names in (("date", ("date", "datetime")), ("symbol", ("symbol", "instrument")), ("score", ("score",))):
        found = [name for name in names if name in frame.columns]
        if not found:
            raise DataError(f"{path}: expected a column {' or '.join(names)}, found {', '.join(frame.columns)}")
        columns[ours] = found[0]
    try:
        frame = frame.select(
            pl.col(columns["date"]).cast(pl.Date).alias("date"),
            pl.col(columns["symbol"]).cast(pl.String).alias("symbol"),
            pl.col(columns["score"]).cast(pl.Float64).alias("score"),
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: {str(error).partition(chr(10))[0]}") from None
    frame = frame.drop_nulls().filter(pl.col("score").is_not_nan())
    return frame.with_columns(canonical_column(frame["symbol"], exchange))


def chosen_sessions(market: Market, strategy: Strategy, first: date, last: date) -> list[date]:
    """The sessions of the back-test, the strategy's own bounds before `first` and `last`."""
    first, last = strategy.start or first, strategy.end or last
    chosen = [on for on in market.sessions() if first <= on <= last]
    if len(chosen) < 2:
        raise DataError(
            f"a back-test needs two sessions at least, found {len(chosen)} from {first} to {last}",
            hint="set start and end in the strategy, or ingest newer bars",
        )
    return chosen


def first_unseen(source: SignalSource) -> date:
    """The first session after the model's training and validation targets, by its card."""
    sessions = source.market.sessions()
    start = _test_start(source)
    if start is None:
        return sessions[-min(UNKNOWN_MODEL_SESSIONS, len(sessions))]
    return next((on for on in sessions if on >= start), sessions[-1])


def contamination(source: SignalSource, sessions: list[date]) -> list[str]:
    """Whether the model may have seen sessions of the back-test."""
    start = _test_start(source)
    if start is None:
        return ["The model does not say where its training data end: these figures may be contaminated by them."]
    seen = sum(on < start for on in sessions)
    if not seen:
        return []
    return [
        f"CONTAMINATED: {seen} of {len(sessions)} sessions lie before {start}, where the model's training and "
        "validation data end."
    ]


def _test_start(source: SignalSource) -> date | None:
    targets = source.weights.card.get("targets")
    return datetime.fromisoformat(targets["test"][0]).date() if targets else None


def in_universe(market: Market, strategy: Strategy, scores: pl.DataFrame) -> pl.DataFrame:
    """The scores of the traded universe's members, each on the days of its membership."""
    if strategy.universe is None or strategy.universe == "all":
        return scores
    spans = market.universe(strategy.universe)
    return (
        scores.join(spans, on="symbol")
        .filter(pl.col("date").is_between(pl.col("start"), pl.col("end")))
        .select("date", "symbol", "score")
        .unique(["date", "symbol"])
    )


def facts_of(market: Market) -> Facts:
    """Special treatment and listings, where files of them were ingested; a listing's value is the issue price."""
    listings = market.intervals("listing").sort("start").unique("symbol", keep="first")
    priced = listings.with_columns(price=pl.col("value").cast(pl.Float64, strict=False)).filter(pl.col("price") > 0)
    return Facts(
        sessions=market.sessions(),
        st=market.intervals("st").select("symbol", "start", "end").rows(),
        listed=dict(listings.select("symbol", "start").iter_rows()),
        issue_price=dict(priced.select("symbol", "price").iter_rows()),
    )


def adjusted_volumes(market: Market, bars: pl.DataFrame) -> pl.DataFrame:
    """The bars with every volume in adjusted shares, as the prices are."""
    with market.connect() as connection:
        raw = [symbol for (symbol,) in connection.sql("SELECT symbol FROM unadjusted_volumes").fetchall()]
    if not raw:
        return bars
    adjusted = pl.when(pl.col("symbol").is_in(raw)).then(pl.col("volume") / pl.col("factor")).otherwise("volume")
    return bars.with_columns(adjusted.alias("volume"))


def bars_of_source(market: Market, bars: pl.DataFrame, start: date) -> pl.DataFrame:
    """The bars as Qlib has them: those that the checks rejected too, and none outside a symbol's listing."""
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


def qlib_facts(workspace: Workspace, strategy: Strategy, panel: Panel) -> QlibFacts:
    """What Qlib reads of its own directory, or what the closes tell where there is none of these bars."""
    stated = strategy.qlib.directory
    directory = workspace.root / (stated or workspace.config.market.qlib_dir).expanduser()
    try:
        if stated is not None or (directory / "calendars").is_dir():
            return facts_of_directory(panel, directory)
    except DataError:
        if stated is not None:
            raise
    facts = derived_facts(panel)
    note = "No Qlib directory of these bars was found: $change is computed from the closes (set `qlib.directory`)."
    return QlibFacts(facts.change, facts.unit, (note,))


def benchmark_close(market: Market, benchmark: str, panel: Panel) -> FloatArray:
    """float64[T]: the benchmark's close, NaN where it has no bar."""
    bars = market.bars([benchmark], start=panel.dates[0], end=panel.dates[-1])
    grid = pl.DataFrame({"date": panel.dates}).join(
        bars.select("date", "close"), on="date", how="left", maintain_order="left"
    )
    return grid["close"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def missing_benchmark(prepared: Prepared) -> list[str]:
    """Said where the data hold no index."""
    if prepared.benchmark is None and prepared.strategy.benchmark == "auto":
        return ["No index was found among the instruments: there is no benchmark (set `benchmark:`)."]
    return []
