"""Signals made elsewhere: CSV or Parquet, checked whole before anything is written. Nothing is ever unpickled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock

from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.files import disk_errors
from kronos_quant.market import Market, canonical_column
from kronos_quant.market.ingest.columns import parse_stamps
from kronos_quant.market.sessions import time_zone
from kronos_quant.schema import DAILY, quantile_columns
from kronos_quant.signals.store import SignalStore

DATE_NAMES, SYMBOL_NAMES = ("date", "datetime"), ("symbol", "instrument")
"""What the key columns may be called; the second is Qlib's name."""
PREFERRED = ("score", "last", "mean")
"""The column that ranks, where several are given and none was chosen."""
_ORDER = ["date", "asof", "symbol"]


@dataclass(frozen=True, slots=True)
class ForeignSignals:
    """A checked table of signals: date, asof, symbol and its score columns; and what was left out of it."""

    rows: pl.DataFrame
    score: str
    not_finite: int
    """Rows without a finite value of the column that ranks."""
    unknown_rows: int
    unknown_symbols: list[str]
    no_session: int
    """Rows of dates that are no sessions of the data, or of moments at which no bar of theirs ends."""
    texts: list[str]
    """Columns that hold no numbers."""

    def lines(self) -> list[str]:
        """What was read, in words."""
        dates, moments = self.rows["date"].unique().sort(), self.rows["asof"].n_unique()
        several = f" ({moments} moments)" if moments > len(dates) else ""
        told = [
            f"{counted(self.rows.height, 'signal')} of {counted(self.rows['symbol'].n_unique(), 'symbol')} "
            f"on {counted(len(dates), 'session')}{several} from {dates[0]} to {dates[-1]}, ranked by {self.score}"
        ]
        if self.not_finite:
            told.append(f"left out: {self.not_finite} rows without a finite {self.score}")
        if self.unknown_rows:
            told.append(f"left out: {self.unknown_rows} rows of unknown symbols: {listed(self.unknown_symbols)}")
        if self.no_session:
            told.append(f"left out: {self.no_session} rows of dates or moments that are none of the data")
        if self.texts:
            told.append(f"left out: columns that hold no numbers: {listed(self.texts)}")
        return told

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "rows": self.rows.height,
            "symbols": self.rows["symbol"].n_unique(),
            "sessions": self.rows["date"].n_unique(),
            "from": self.rows["date"].min(),
            "to": self.rows["date"].max(),
            "score": self.score,
            "columns": [name for name in self.rows.columns if name not in ("date", "asof", "symbol")],
            "not_finite": self.not_finite,
            "unknown_rows": self.unknown_rows,
            "unknown_symbols": self.unknown_symbols,
            "no_session": self.no_session,
            "without_numbers": self.texts,
        }


def read_foreign(path: Path, market: Market, score: str | None = None) -> ForeignSignals:
    """Read and check a table of signals: date or asof, symbol, and columns of numbers.

    A table without a symbol column but with columns named by symbols, as pandas' unstack gives, holds their scores.
    score : the column that ranks; None takes score, last or mean, or the only one.
    Of intraday bars asof is the end of a bar, and a date alone means the close of its session.
    Raises DataError for a file that cannot be read or lacks a column, for a value that is none, a key given twice,
    and a table of which nothing is left.
    """
    keyed = _keyed(_lengthened(_read(path), path, market), path, market.exchange)
    wanted = score or next((name for name in PREFERRED if name in keyed.columns), None)
    frame, texts = _with_numbers(keyed, path, wanted)
    ranks = _ranking(path, frame.columns[3:], score)
    _check_quantiles(frame, path)
    known = frame.filter(pl.col("symbol").is_in(market.instruments()["symbol"].implode()))
    on_session = _on_moments(known, market)
    keys = ["symbol", "date" if market.freq == DAILY else "asof"]
    twice = on_session.filter(on_session.select(keys).is_duplicated())
    if not twice.is_empty():
        places = [f"{symbol} {on}" for symbol, on in twice.select(keys).unique(maintain_order=True).iter_rows()]
        raise DataError(f"{path}: more than one row of {listed(places)}")
    finite = on_session.filter(pl.col(ranks).is_finite())
    unknown = frame.filter(~pl.col("symbol").is_in(known["symbol"].unique().implode()))
    if finite.is_empty():
        sessions = market.sessions()
        raise DataError(
            f"{path}: nothing to import: of {frame.height} rows {unknown.height} are of unknown symbols, "
            f"{known.height - on_session.height} of dates or moments that are none of the data "
            f"({sessions[0]} to {sessions[-1]}), {on_session.height} without a finite {ranks}"
        )
    return ForeignSignals(
        finite.sort(_ORDER),
        ranks,
        on_session.height - finite.height,
        unknown.height,
        unknown["symbol"].unique().sort().to_list(),
        known.height - on_session.height,
        texts,
    )


def _on_moments(frame: pl.DataFrame, market: Market) -> pl.DataFrame:
    """The rows of sessions of the market; of intraday bars, of the ends of bars, with the date of their session."""
    if market.freq == DAILY:
        return frame.filter(pl.col("date").is_in(market.sessions()))
    ends = market.times()
    if (frame["asof"] == frame["asof"].dt.date().cast(pl.Datetime("us"))).all():
        closes = ends.group_by("date").agg(pl.col("time").max().alias("asof"))
        return frame.drop("asof").join(closes, on="date").select(frame.columns)
    return frame.drop("date").join(ends.rename({"time": "asof"}), on="asof").select(frame.columns)


def store_foreign(store: SignalStore, signals: ForeignSignals, *, replace: bool) -> int:
    """Add a table to an import, all of it or nothing; returns how many sessions were replaced.

    replace : sessions that are there already are replaced by those of the table; else they are an error.
    Raises DataError for overlapping sessions, and for other columns than those that are there.
    """
    with disk_errors(store.folder):
        store.folder.mkdir(parents=True, exist_ok=True)
        # reading, merging and writing is one step: two imports at once would lose one
        with FileLock(store.folder / ".lock"):
            rows, replaced = _merged(store, signals, replace=replace)
            store.write_note()
            store.write_import(rows)
    return replaced


def check_name(name: str) -> str:
    """Give a name back that can be a recipe's; raises ConfigError for another."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise ConfigError(f"--name: expected letters, digits, dots and dashes, found {name!r}")
    return name


def _merged(store: SignalStore, signals: ForeignSignals, *, replace: bool) -> tuple[pl.DataFrame, int]:
    if not store.is_import:
        return signals.rows, 0
    there = store.dates()
    overlap = sorted(set(there) & set(signals.rows["date"]))
    if overlap and not replace:
        raise DataError(
            f"{store.recipe.name}: {len(overlap)} sessions are imported already: {listed(overlap)}",
            hint="--replace takes the new ones instead",
        )
    kept = [on for on in there if on not in set(overlap)]
    if not kept:
        return signals.rows, len(overlap)
    before = store.read(kept)
    if before.schema != signals.rows.schema:
        there_now, new = (listed(frame.columns[3:]) for frame in (before, signals.rows))
        raise DataError(
            f"{store.recipe.name}: the columns differ: {there_now} there, {new} in the file",
            hint="import it under another name",
        )
    return pl.concat([before, signals.rows]).sort(_ORDER), len(overlap)


def _read(path: Path) -> pl.DataFrame:
    try:
        with path.open("rb") as stream:
            is_parquet = stream.read(4) == b"PAR1"
        # a symbol is as it is written: 000001 is not 1
        texts = dict.fromkeys(SYMBOL_NAMES, pl.String)
        frame = (
            pl.read_parquet(path) if is_parquet else pl.read_csv(path, infer_schema_length=None, schema_overrides=texts)
        )
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: not readable as CSV or Parquet: {reason}", hint="pickles are never opened") from None
    if any("\N{REPLACEMENT CHARACTER}" in name for name in frame.columns):
        raise DataError(f"{path}: its first line is no UTF-8: {listed(frame.columns)}", hint="save it as UTF-8")
    return frame


def _lengthened(frame: pl.DataFrame, path: Path, market: Market) -> pl.DataFrame:
    """A table of a column a symbol as rows of symbol and score; one of another kind as it is."""
    index = [name for name in frame.columns if name in (*DATE_NAMES, "asof")]
    columns = [name for name in frame.columns if name not in index]
    if not index or any(name in SYMBOL_NAMES for name in columns):
        return frame
    symbols = canonical_column(pl.Series(columns, dtype=pl.String), market.exchange)
    if not symbols.is_in(market.instruments()["symbol"].implode()).any():
        return frame
    try:
        return frame.unpivot(columns, index=index, variable_name="symbol", value_name="score")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: {str(error).partition(chr(10))[0]}") from None


def _keyed(frame: pl.DataFrame, path: Path, exchange: str) -> pl.DataFrame:
    """(date, asof, symbol, numbers…), symbols as this program spells them. Raises DataError."""
    on = next((name for name in DATE_NAMES if name in frame.columns), None)
    asof = "asof" if "asof" in frame.columns else None
    symbol = next((name for name in SYMBOL_NAMES if name in frame.columns), None)
    for names, found in (("date or asof", on or asof), ("symbol", symbol)):
        if found is None:
            raise DataError(
                f"{path}: expected a column {names}, found {listed(frame.columns)}",
                hint="a row a date and symbol (date, symbol, score), or a date and a column a symbol of the market",
            )
    assert symbol is not None
    stamps = {name: _stamps(frame[name], path, exchange) for name in (on, asof) if name is not None}
    others = [name for name in frame.columns if name not in (*DATE_NAMES, "asof", *SYMBOL_NAMES)]
    keyed = frame.select(
        stamps[on or asof or ""].cast(pl.Date).alias("date"),
        stamps[asof or on or ""].alias("asof"),
        pl.col(symbol).cast(pl.String).alias("symbol"),
        *others,
    )
    empty = keyed.filter(pl.any_horizontal(pl.col("date", "asof", "symbol").is_null()))
    if not empty.is_empty():
        raise DataError(f"{path}: {empty.height} rows lack their date or symbol")
    return keyed.with_columns(canonical_column(keyed["symbol"], exchange))


def _stamps(stamps: pl.Series, path: Path, exchange: str) -> pl.Series:
    """Clock times of the exchange. Raises DataError for a stamp that is none, or that could be of two days."""
    times = parse_stamps(stamps, time_zone(exchange))
    wrong = stamps.filter(times.is_null() & stamps.is_not_null())
    if len(wrong):
        raise DataError(f"{path}: {stamps.name}: expected dates such as 2025-06-05, found {wrong[0]!r}")
    return times


def _with_numbers(frame: pl.DataFrame, path: Path, ranks: str | None) -> tuple[pl.DataFrame, list[str]]:
    """The keys and the columns of numbers as such, and the names of the others; `ranks` has to be one of the former."""
    kept, texts = list(frame.columns[:3]), []
    for name in frame.columns[3:]:
        try:
            frame = frame.with_columns(pl.col(name).cast(pl.Float64))
            kept.append(name)
        except pl.exceptions.PolarsError as error:
            if name == ranks:
                raise DataError(f"{path}: {name}: {str(error).partition(chr(10))[0]}") from None
            texts.append(name)
    return frame.select(kept), texts


def _check_quantiles(frame: pl.DataFrame, path: Path) -> None:
    """Raise DataError for two columns of one level, and for rows whose quantiles descend."""
    levels = quantile_columns(frame.columns)
    for (name, level), (other, its) in pairwise(levels.items()):
        if level == its:
            raise DataError(f"{path}: {name} and {other} are the same quantile")
        wrong = frame.filter(pl.col(name).is_finite() & pl.col(other).is_finite() & (pl.col(name) > pl.col(other)))
        if not wrong.is_empty():
            place = " ".join(str(value) for value in wrong.select("symbol", "date").row(0))
            raise DataError(f"{path}: {name} is above {other} in {wrong.height} rows, the first of {place}")


def _ranking(path: Path, numbers: list[str], score: str | None) -> str:
    """The column that ranks."""
    if score is not None:
        if score not in numbers:
            raise DataError(f"{path}: expected a column {score}, found {listed(numbers) or 'no scores'}")
        return score
    found = [name for name in PREFERRED if name in numbers] or (numbers if len(numbers) == 1 else [])
    if not found:
        raise DataError(
            f"{path}: which column ranks? found {listed(numbers) or 'no column of scores'}",
            hint="--score NAME" if numbers else "a column of numbers beside date and symbol",
        )
    return found[0]
