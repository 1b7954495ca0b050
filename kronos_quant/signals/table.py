"""Tables of scores made elsewhere: the one reader of files and of tables in memory. Nothing is ever unpickled.

| what                  | rule                                                                                         |
|-----------------------|----------------------------------------------------------------------------------------------|
| file                  | Parquet, known by its first bytes, else CSV, or another text that `market.dialects` reads    |
| time                  | a column of DATE_NAMES in any case; where there are several, `date` gives the session and    |
|                       | `asof`, then the more exact one, the moment; a date alone is the close of its session        |
| symbol                | a column of SYMBOL_NAMES, in any spelling; mainland codes of digits may lack leading zeros   |
| wide table            | a time and a column for each symbol: the cells are the scores                                |
| score                 | the column that is asked for, else `score`, `last` or `mean`, else the only one of numbers   |
| rows that are dropped | of an unknown symbol, and without a finite score; both are counted                           |
| refused               | a row without its time or symbol, a stamp that is none, two rows of one symbol and time,     |
|                       | a score of true and false                                                                    |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from kronos_quant.bounds import FIRST_YEAR, LAST_YEAR
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.inputs import PathLike, Table, as_frame, as_path
from kronos_quant.market import Market, canonical_column
from kronos_quant.market.dialects.cells import MISSING, as_plain_number, has_decimal_comma, usual_stamps
from kronos_quant.market.dialects.names import CLOCKS, DAYS, MOMENTS, SYMBOLS, known_names, plain_name
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.market.ingest.columns import parse_stamps
from kronos_quant.market.ingest.spellings import unquoted
from kronos_quant.market.ingest.tables import read_text_table
from kronos_quant.market.sessions import time_zone
from kronos_quant.market.snapshots import shared_exchange
from kronos_quant.market.symbols import MAINLAND, canonical
from kronos_quant.readers import begins_with, read_csv, read_parquet
from kronos_quant.schema import DAILY

DATE_NAMES = (*DAYS, *(name for name in (*MOMENTS, *CLOCKS) if len(name) > 1 and name not in ("data", "unix")), "asof")
"""What a column of times may be called, from the session to the moment. Qlib's is datetime, the signal store's asof."""
SYMBOL_NAMES = SYMBOLS
PREFERRED = ("score", "last", "mean")
"""The column that ranks, where several are given and none was chosen."""
EXAMPLES = 3
"""Symbols that an error names of either side."""
KEYS = ("date", "asof", "symbol")

_SIGNED = re.compile(r"[+-]?\d[\d.,]*")
_SAMPLE = 400  # cells of a column in which a decimal comma is looked for
_CLOCK = r"^\s*\d{1,2}:\d{2}(:\d{2})?\s*$"


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """A checked table of scores: its rows with a finite score of a known symbol, and what was dropped."""

    frame: pl.DataFrame
    """date, asof, symbol and columns of float64, sorted by the first three; asof is 00:00 where no time was given."""
    score: str
    """The column that ranks."""
    not_finite: int
    """Rows without a finite score."""
    unknown_rows: int
    unknown_symbols: list[str]
    texts: list[str]
    """Columns that hold no numbers."""
    tied: int = 0
    """Moments of several symbols whose scores are all equal."""
    no_session: int = 0
    """Rows of times that are not in the data of a market, where it was read for one."""

    def ranked(self) -> pl.DataFrame:
        """time (the moment), symbol, score."""
        return self.frame.select(pl.col("asof").alias("time"), "symbol", pl.col(self.score).alias("score"))

    def lines(self) -> list[str]:
        """What was read and what was dropped, in words."""
        dates, moments = self.frame["date"].unique().sort(), self.frame["asof"].n_unique()
        several = f" ({moments} moments)" if moments > len(dates) else ""
        rows, symbols = counted(self.frame.height, "signal"), counted(self.frame["symbol"].n_unique(), "symbol")
        period = f"{counted(len(dates), 'session')}{several} from {dates[0]} to {dates[-1]}"
        return [f"{rows} of {symbols} on {period}, ranked by {self.score}", *self.notes()]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "rows": self.frame.height,
            "symbols": self.frame["symbol"].n_unique(),
            "sessions": self.frame["date"].n_unique(),
            "from": self.frame["date"].min(),
            "to": self.frame["date"].max(),
            "score": self.score,
            "columns": [name for name in self.frame.columns if name not in KEYS],
            "without_numbers": self.texts,
            "tied_moments": self.tied,
        } | {name: getattr(self, name) for name in ("not_finite", "unknown_rows", "unknown_symbols", "no_session")}

    def notes(self) -> list[str]:
        """What was dropped and what does not rank, in words."""
        notes = []
        if self.no_session:
            notes.append(f"{counted(self.no_session, 'row')} of dates or times that are not in the data")
        if self.not_finite:
            notes.append(f"{counted(self.not_finite, 'row')} without a finite {self.score}")
        if self.unknown_rows:
            symbols = "an unknown symbol" if len(self.unknown_symbols) == 1 else "unknown symbols"
            notes.append(f"{counted(self.unknown_rows, 'row')} with {symbols}: {listed(self.unknown_symbols)}")
        if self.texts:
            notes.append(f"columns without numbers: {listed(self.texts)}")
        moments = self.frame["asof"].n_unique()
        ties = f"all symbols have the same {self.score} on {self.tied} of {counted(moments, 'date')}: no ranking there"
        return [*(f"dropped: {note}" for note in notes), *([ties] if self.tied else [])]


def read_score_table(
    source: PathLike | Table,
    symbols: Iterable[str],
    *,
    exchange: str = "",
    freq: str = DAILY,
    score: str | None = None,
    name: str = "scores",
) -> ScoreTable:
    """Read and check a table of scores, by the rules of this module.

    Parameters
    ----------
    source : a CSV or Parquet file, or a table of Polars, pandas or Arrow
    symbols : those that are known, as this program spells them
    exchange : ISO code of their exchange: the clock of times with an offset, and the meaning of codes of digits;
        "": the one that their spelling shares
    freq : of the bars: with daily ones a symbol has one score per date, else one per moment
    score : the column that ranks; None chooses
    name : of a table in memory, for errors

    Raises
    ------
    DataError
        For what cannot be read, and where no row is left.

    >>> table = {"datetime": ["2025-06-05"] * 2, "instrument": ["sh600000", "NOBODY"], "alpha": [0.5, 1.0]}
    >>> found = read_score_table(pl.DataFrame(table), ["SH600000"])
    >>> found.ranked().rows()
    [(datetime.datetime(2025, 6, 5, 0, 0), 'SH600000', 0.5)]
    >>> found.notes()
    ['dropped: 1 row with an unknown symbol: NOBODY']
    """
    known = pl.Series(list(symbols), dtype=pl.String)
    exchange = exchange or shared_exchange(known.to_list())
    place, frame = _loaded(source, name)
    keyed = _keyed(_lengthened(frame, place, known, exchange), place, known, exchange)
    wanted = score or next((column for column in PREFERRED if column in keyed.columns), None)
    numbers, texts = _with_numbers(keyed, place, wanted)
    ranks = _ranking_column(place, numbers.columns[3:], score)
    if keyed.schema[ranks] == pl.Boolean:
        raise DataError(f"{place}: {ranks}: expected numbers, found true and false", hint="Give a score as a number.")
    rows = numbers.filter(pl.col("symbol").is_in(known.implode()))
    _check_keys(rows, place, ["symbol", "date" if freq == DAILY else "asof"])
    finite = rows.filter(pl.col(ranks).is_finite())
    unknown = numbers.filter(~pl.col("symbol").is_in(known.implode()))
    if rows.is_empty() and numbers.height:
        theirs, ours = (listed(side.unique().sort(), EXAMPLES) for side in (numbers["symbol"], known))
        raise DataError(f"{place}: no usable score: no symbol in common with the bars: {theirs} here, {ours} there")
    if finite.is_empty():
        lost = f"{unknown.height} with an unknown symbol, {rows.height} without a finite {ranks}"
        raise DataError(f"{place}: no usable score: {counted(numbers.height, 'row')} read, {lost}")
    names = unknown["symbol"].unique().sort().to_list()
    spread = finite.group_by("asof").agg(pl.len(), pl.col(ranks).n_unique().alias("scores"))
    tied = spread.filter((pl.col("len") > 1) & (pl.col("scores") == 1)).height
    return ScoreTable(finite.sort(KEYS), ranks, rows.height - finite.height, unknown.height, names, texts, tied)


def read_market_scores(source: PathLike | Table, market: Market, score: str | None = None) -> ScoreTable:
    """`read_score_table` for the symbols, clock and bars of a market."""
    known = market.instruments()["symbol"]
    return read_score_table(source, known, exchange=market.exchange, freq=market.freq, score=score)


def _loaded(source: PathLike | Table, name: str) -> tuple[str, pl.DataFrame]:
    """What errors call the table, and the table."""
    if isinstance(source, str | Path):
        path = as_path(source, name)
        return str(path), _read_file(path)
    values: Any = source
    if type(source).__module__.startswith("pandas") and not hasattr(values, "columns") and hasattr(values, "to_frame"):
        values = values.to_frame(values.name or "score")  # a pandas Series, as Qlib's models predict
    return name, as_frame(values, name)


def _read_file(path: Path) -> pl.DataFrame:
    # a symbol is as it is written: 000001 is not 1
    texts = (*SYMBOL_NAMES, *map(str.title, SYMBOL_NAMES), *map(str.upper, SYMBOL_NAMES))
    hint = "Pickles are never opened: save the table as Parquet." if path.suffix in (".pkl", ".pickle") else None
    if begins_with(path, b"PAR1"):
        return read_parquet(path, hint=hint)
    try:
        frame = read_csv(path, hint=hint, texts=texts)
    except DataError:
        if hint is not None:
            raise
        return _other_text(path)
    # one column: another separator; no known name: another encoding, or lines above the header
    return frame if len(frame.columns) > 1 and known_names(frame.columns) > 0 else _other_text(path)


def _other_text(path: Path) -> pl.DataFrame:
    """The table of a text with another encoding or separator, or with lines above its header."""
    table = read_text_table(path)
    frame = table.frame.drop(LINE)
    kept = {*_matching(frame.columns, DATE_NAMES).values(), *_matching(frame.columns, SYMBOL_NAMES).values()}
    others = [column for column in frame.columns if column not in kept]
    cells = [cell for name in others for cell in frame[name].drop_nulls().head(_SAMPLE).str.strip_chars()]
    comma = has_decimal_comma([cell for cell in cells if _SIGNED.fullmatch(cell)], table.separator)
    for name in others:
        text = pl.col(name).str.strip_chars()
        filled = text.is_not_null() & ~text.str.to_lowercase().is_in(MISSING)
        plain = as_plain_number(text, comma)
        numbers = frame.select(plain if comma else pl.coalesce(text.cast(pl.Float64, strict=False), plain)).to_series()
        if not (frame.select(filled).to_series() & numbers.is_null()).any():
            frame = frame.with_columns(numbers.alias(name))
    return frame


def _matching(columns: list[str], names: tuple[str, ...]) -> dict[str, str]:
    """Name -> the column of that name, as `plain_name` has it; an exact one first: DAY and CODE may be symbols."""
    exact = {name: name for name in names if name in columns}
    plain = {column: plain_name(column) for column in columns}
    return exact or {name: column for name in names for column in columns if plain[column] == plain_name(name)}


def _lengthened(frame: pl.DataFrame, place: str, known: pl.Series, exchange: str) -> pl.DataFrame:
    """A table of a column per symbol as rows of symbol and score; one of another kind as it is."""
    index = list(_matching(frame.columns, DATE_NAMES).values())
    columns = [name for name in frame.columns if name not in index]
    spelled = canonical_column(pl.Series(columns, dtype=pl.String), exchange)
    named = [name for name in _matching(columns, SYMBOL_NAMES).values() if canonical(name, exchange) not in known]
    if not index or named:
        return frame
    if not spelled.is_in(known.implode()).any():
        return frame
    try:
        return frame.unpivot(columns, index=index, variable_name="symbol", value_name="score")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{place}: {str(error).partition(chr(10))[0]}") from None


def _keyed(frame: pl.DataFrame, place: str, known: pl.Series, exchange: str) -> pl.DataFrame:
    """(date, asof, symbol, others...), times by the exchange's clock, symbols as this program spells them."""
    plain = [re.sub(r"_duplicated_\d+$", "", name) for name in frame.columns]  # Polars counts those of one name
    if twice := sorted({name for name in plain if name and plain.count(name) > 1}):
        hint = "Delete or rename all of them but one."
        raise DataError(f"{place}: expected one column of each name, found several: {listed(twice)}", hint=hint)
    pattern = next(
        (name for name in frame.columns if name == "*" or (name.startswith("^") and name.endswith("$"))), None
    )
    if pattern is not None:  # Polars would take it for several columns
        raise DataError(f"{place}: expected names of columns, found {pattern!r}", hint="Rename the column.")
    times, symbols = _matching(frame.columns, DATE_NAMES), _matching(frame.columns, SYMBOL_NAMES)
    for expected, found in (("date or asof", times), ("symbol", symbols)):
        if not found:
            raise DataError(
                f"{place}: expected a column {expected}, found {listed(frame.columns) or 'none'}",
                hint="a row per date and symbol (date, symbol, score), or a date and a column per symbol of the market",
            )
    session, symbol = next(iter(times.values())), next(iter(symbols.values()))
    if frame.schema[symbol].is_nested():
        raise DataError(f"{place}: {symbol}: expected texts, found {_first_wrong(frame[symbol])}")
    moment = times.get("asof", list(times.values())[-1])
    others = [name for name in frame.columns if name not in (*times.values(), *symbols.values())]
    keyed = frame.select(
        _stamps(frame, session, session, place, exchange).cast(pl.Date).alias("date"),
        _stamps(frame, moment, session, place, exchange).alias("asof"),
        pl.col(symbol).cast(pl.String).str.strip_chars().alias("symbol"),
        *others,
    )
    odd = keyed.filter(~pl.col("asof").dt.year().is_between(FIRST_YEAR, LAST_YEAR))
    if not odd.is_empty():
        raise DataError(
            f"{place}: {moment}: expected a year from {FIRST_YEAR} to {LAST_YEAR}, found {odd['asof'][0]:%Y-%m-%d}"
        )
    empty = keyed.filter(pl.any_horizontal(pl.col(KEYS).is_null()))
    if not empty.is_empty():
        raise DataError(f"{place}: {counted(empty.height, 'row')} without a date or symbol")
    keyed = keyed.with_columns(unquoted(keyed["symbol"]).alias("symbol"))
    spelled = canonical_column(keyed["symbol"], exchange)
    if exchange in MAINLAND:
        # pandas and spreadsheets take 000001 for the number 1
        padded = canonical_column(keyed["symbol"].str.zfill(6), exchange)
        short = keyed["symbol"].str.contains(r"^\d{1,5}$") & padded.is_in(known.implode())
        spelled = padded.zip_with(short, spelled)
    return keyed.with_columns(spelled.alias("symbol"))


def _stamps(frame: pl.DataFrame, column: str, session: str, place: str, exchange: str) -> pl.Series:
    """Clock times of the exchange. Raises DataError for a stamp that is none, or that could be of two days."""
    stamps = frame[column]
    given = stamps.drop_nulls()
    is_clock = stamps.dtype == pl.Time or (stamps.dtype == pl.String and given.str.contains(_CLOCK).all())
    if column != session and len(given) and is_clock:
        days = pl.col(session).cast(pl.String).str.slice(0, 10)
        stamps = frame.select(pl.concat_str(days, column, separator=" ").alias(column)).to_series()
    times = parse_stamps(usual_stamps(stamps, place), time_zone(exchange))
    wrong = stamps.filter(times.is_null() & stamps.is_not_null())
    if len(wrong):
        raise DataError(f"{place}: {column}: expected dates such as 2025-06-05, found {wrong[0]!r}")
    return times


def _with_numbers(frame: pl.DataFrame, place: str, ranks: str | None) -> tuple[pl.DataFrame, list[str]]:
    """The keys and the columns of numbers as such, and the names of the others; `ranks` has to be one of the former."""
    kept, texts = list(frame.columns[:3]), []
    for name in frame.columns[3:]:
        try:
            if frame.schema[name].is_nested():  # a structure of numbers would become one of floats
                raise pl.exceptions.InvalidOperationError
            frame = frame.with_columns(pl.col(name).cast(pl.Float64))
            kept.append(name)
        except pl.exceptions.PolarsError:
            if name == ranks:
                raise DataError(f"{place}: {name}: expected numbers, found {_first_wrong(frame[name])}") from None
            texts.append(name)
    return frame.select(kept), texts


def _first_wrong(column: pl.Series) -> str:
    """The first cell that is no number; of columns without texts what they hold."""
    if column.dtype != pl.String:
        return f"{column.dtype}".lower()
    return repr(column.filter(column.cast(pl.Float64, strict=False).is_null() & column.is_not_null())[0])


def _ranking_column(place: str, numbers: list[str], score: str | None) -> str:
    if score is not None:
        if score not in numbers:
            raise DataError(f"{place}: expected a column {score}, found {listed(numbers) or 'no scores'}")
        return score
    found = [name for name in PREFERRED if name in numbers] or (numbers if len(numbers) == 1 else [])
    if not found:
        raise DataError(
            f"{place}: which column ranks? found {listed(numbers) or 'no column of scores'}",
            hint="call it `score`, or name it (kq signal import: --score; strategies: score_column)"
            if numbers
            else "add a column of numbers next to date and symbol",
        )
    return found[0]


def _check_keys(rows: pl.DataFrame, place: str, keys: list[str]) -> None:
    twice = rows.filter(rows.select(keys).is_duplicated())
    if not twice.is_empty():
        places = [f"{symbol} {on}" for symbol, on in twice.select(keys).unique(maintain_order=True).iter_rows()]
        raise DataError(f"{place}: more than one row of {listed(places)}")
