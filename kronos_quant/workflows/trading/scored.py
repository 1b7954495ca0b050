"""The scores that a strategy trades on: of its recipe or of a file, and over which sessions.

A score is of a moment: a session's close or, in an intraday market, the end of a bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from kronos_quant import schema
from kronos_quant.backtest import Strategy
from kronos_quant.errors import DataError, counted
from kronos_quant.files import file_digest
from kronos_quant.market import Market, canonical_column
from kronos_quant.market.ingest.columns import parse_stamps
from kronos_quant.market.sessions import time_zone
from kronos_quant.workflows.trading.rows import on_rows
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    from kronos_quant.signals import Signals, SignalSource

FOREIGN_SCORES = "The scores were made elsewhere: nothing is known of the data behind them."

WHEN = ("date", "datetime", "time", "asof")
"""What the column of a score's moment may be called; Qlib calls it datetime, the signal store asof."""
SYMBOLS = ("symbol", "instrument")


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores to trade on, and where they come from.

    frame : date, symbol and score; of an intraday market date, time (end of a bar), symbol and score
    sessions : those of the back-test, the first of which only gives scores
    source, signals : the recipe made ready and what was computed; None for scores from a file
    origin : in words; digest : of recipe or file; notes : what a reader has to know
    """

    frame: pl.DataFrame
    sessions: list[date]
    source: SignalSource | None
    signals: Signals | None
    origin: str
    digest: str
    notes: tuple[str, ...]


def scores_of_recipe(
    workspace: WorkspaceFolder, market: Market, strategy: Strategy, device: str, *, compute: bool, allow_code: bool
) -> Scored:
    """The signals of the strategy's recipe."""
    # torch comes with it, which scores of a file do not need
    from kronos_quant.signals import ImportedSource, open_source

    source = open_source(workspace, strategy.recipe, market)
    sessions, asked = chosen_sessions(market, strategy, *source.default_period())
    signals = source.ensure(asked, device, compute=compute, allow_code=allow_code)
    frame, notes = on_rows(signals.ranked(strategy.score_column), market)
    notes += source.contamination(list(dict.fromkeys([*asked, sessions[-1]])))
    if signals.empty:
        imported = isinstance(source, ImportedSource)
        why = "not among those imported" if imported else "no symbol had enough bars"
        notes.append(f"No signals of {counted(len(signals.empty), 'session')}: {why}.")
    return Scored(
        frame,
        sessions,
        source,
        signals,
        f"model {source.recipe.model}, recipe {strategy.recipe} ({source.recipe.digest})",
        source.recipe.digest,
        tuple(notes),
    )


def scored_span(sessions: list[date], dates: list[date]) -> tuple[date, date]:
    """The first of some scored sessions, and the session after the last of them, at which it trades."""
    return dates[0], next((on for on in sessions if on > dates[-1]), sessions[-1])


def scores_of_file(workspace: WorkspaceFolder, market: Market, strategy: Strategy) -> Scored:
    """The scores of a file; the sessions are those that it scores, and one more.

    Raises DataError for a file that is no table of date, symbol and score, or has none for a session.
    """
    assert strategy.scores_file is not None
    path = workspace.root / strategy.scores_file.expanduser()
    frame, notes = on_rows(read_scores(path, market.exchange), market)
    known = market.sessions()
    if frame.is_empty():
        raise DataError(f"{path}: no score of any session from {known[0]} to {known[-1]}")
    span = scored_span(known, frame["date"].unique().sort().to_list())
    sessions, _ = chosen_sessions(market, strategy, *span)
    digest = file_digest(path)
    origin = f"scores {path.name} ({digest[:16]})"
    return Scored(frame, sessions, None, None, origin, digest, (FOREIGN_SCORES, *notes))


def read_scores(path: Path, exchange: str = "") -> pl.DataFrame:
    """(time, symbol, score) of a Parquet or CSV file; Qlib's names datetime and instrument are known too.

    exchange : ISO code of the market, whose clock the times are of, whatever their time zone
    Raises DataError for a file that cannot be read, a column that is missing, and a value that is none.
    """
    try:
        frame = pl.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file of scores") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not a readable file of scores: {str(error).partition(chr(10))[0]}") from None
    columns = {}
    for ours, names in (("time", WHEN), ("symbol", SYMBOLS), ("score", ("score",))):
        found = [name for name in names if name in frame.columns]
        if not found:
            raise DataError(f"{path}: expected a column {' or '.join(names[:2])}, found {', '.join(frame.columns)}")
        columns[ours] = found[-1] if ours == "time" else found[0]
    times = parse_stamps(frame[columns["time"]], time_zone(exchange))
    wrong = frame[columns["time"]].filter(times.is_null() & frame[columns["time"]].is_not_null())
    if len(wrong):
        raise DataError(f"{path}: {columns['time']}: expected times such as 2025-06-05, found {wrong[0]!r}")
    try:
        frame = frame.select(
            times.alias("time"),
            pl.col(columns["symbol"]).cast(pl.String).alias("symbol"),
            pl.col(columns["score"]).cast(pl.Float64).alias("score"),
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: {str(error).partition(chr(10))[0]}") from None
    frame = frame.drop_nulls().filter(pl.col("score").is_not_nan())
    return frame.with_columns(canonical_column(frame["symbol"], exchange))


def _read_csv(path: Path) -> pl.DataFrame:
    """A CSV file, its symbols as they are written: 000001 is not 1."""
    return pl.read_csv(path, infer_schema_length=None, schema_overrides=dict.fromkeys(SYMBOLS, pl.String))


def chosen_sessions(market: Market, strategy: Strategy, first: date, last: date) -> tuple[list[date], list[date]]:
    """The sessions of the back-test, and those whose scores it uses; the strategy's own bounds before the given ones.

    In an intraday market a session's scores trade in it, so that the session before comes first, if there is one.
    """
    first, last = strategy.start or first, strategy.end or last
    known = market.sessions()
    asked = [on for on in known if first <= on <= last]
    if market.freq != schema.DAILY and asked:
        begin = known.index(asked[0])
        chosen = known[max(begin - 1, 0) : begin] + asked
    else:
        chosen, asked = asked, asked[:-1]
    if len(chosen) < 2:
        raise DataError(
            f"a back-test needs two sessions at least, found {len(chosen)} from {first} to {last}",
            hint="set start and end in the strategy, or ingest newer bars",
        )
    return chosen, asked
