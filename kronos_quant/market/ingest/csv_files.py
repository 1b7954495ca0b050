"""CSV files of K-lines -> Batch.

The tutorial's form (`timestamps,open,close,high,low,volume,amount`, stamps like 2019/11/26 9:35), any column order,
the usual other names, one file a symbol or a column that names it. Everything is read as text first, so that an error
can name its file, line, column and value. Bars are taken to be stamped at their end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path

import polars as pl

from kronos_quant.errors import ConfigError, DataError, listed
from kronos_quant.market.ingest.stamps import has_offsets, infer_freq, parse_stamps
from kronos_quant.market.sessions import time_zone
from kronos_quant.market.snapshots import shared_exchange
from kronos_quant.market.store import Batch, instruments_of
from kronos_quant.market.symbols import canonical, symbol_from_filename
from kronos_quant.schema import BARS, DAILY, PRICES, UNIVERSES

AMOUNT_POLICIES = ("derive", "zero", "as_is")
"""derive: volume x mean price where it is missing or 0 throughout; zero: 0 everywhere; as_is: what the file says."""

_ALIASES = {
    "time": ("timestamps", "timestamp", "datetime", "date", "time", "trade_date", "day"),
    "symbol": ("symbol", "code", "ticker"),
    "volume": ("volume", "vol"),
    "amount": ("amount", "amt", "turnover_value"),
    "factor": ("factor",),
    **{price: (price,) for price in PRICES},
}
_NUMBERS = (*PRICES, "volume", "amount", "factor")
_REQUIRED = ("time", *PRICES)
_SUFFIXES = (".csv", ".csv.gz", ".csv.zst")
_MISSING = ("", "nan", "null", "none", "na", "n/a", "-", "--")
_LINE = "#line"


@dataclass(frozen=True, slots=True)
class _File:
    """The bars of one file: columns symbol, time and the numbers (float64, null is missing)."""

    path: Path
    freq: str
    bars: pl.DataFrame
    notes: tuple[str, ...]


def read_csv_files(source: Path, symbol: str | None = None, exchange: str = "", amount: str = "derive") -> Batch:
    """The bars of a CSV file, or of every CSV file in a folder.

    symbol : of the one file; by default from a column `symbol` or `code`, else from the file's name.
    exchange : ISO code, "" where unknown.
    amount : one of AMOUNT_POLICIES.
    Raises DataError, with file, line, column and value, for what cannot be read; ConfigError for options that do not
    fit.
    """
    if amount not in AMOUNT_POLICIES:
        raise ConfigError(f"amount: expected {', '.join(AMOUNT_POLICIES)}, found {amount!r}")
    source = source.expanduser()
    paths = _paths(source)
    if symbol is not None and len(paths) > 1:
        raise ConfigError(f"--symbol names one symbol, but {source} holds {len(paths)} files", hint="leave it out")
    files = [_read_file(path, symbol, exchange, amount) for path in paths]
    odd = next((file for file in files if file.freq != files[0].freq), None)
    if odd is not None:
        raise DataError(
            f"{source}: expected one frequency, found {files[0].freq} in {files[0].path.name} and {odd.freq} in "
            f"{odd.path.name}",
            hint="ingest them one after the other",
        )
    bars = _dated(pl.concat([file.bars for file in files]), files[0].freq)
    return Batch(
        source="csv",
        path=source,
        freq=files[0].freq,
        bars=bars,
        instruments=instruments_of(bars["symbol"].unique().sort().to_list(), exchange),
        universes=pl.DataFrame(schema=UNIVERSES),
        sessions=bars["date"].unique().sort().to_list(),
        exchange=exchange,
        notes=_summed(files),
    )


def _paths(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder")
    paths = sorted(path for path in source.iterdir() if path.name.lower().endswith(_SUFFIXES))
    if not paths:
        found = listed(sorted(path.name for path in source.iterdir())) or "an empty folder"
        raise DataError(f"{source}: expected files that end in {', '.join(_SUFFIXES)}, found {found}")
    return paths


def _read_file(path: Path, symbol: str | None, exchange: str, amount: str) -> _File:
    text = _read_text(path)
    columns = _columns(path, text.columns)
    text = _joined_time(text, columns)
    _check_numbers(path, text, columns)
    symbols = _symbols(path, text, columns.get("symbol"), symbol, exchange)
    stamps = text[columns["time"]]
    zone = time_zone(exchange or shared_exchange(symbols.unique().to_list()))
    times = parse_stamps(stamps, zone)
    if times.null_count():
        row = int(times.is_null().arg_true()[0])
        raise DataError(
            f"{path}: line {text[_LINE][row]}: column {columns['time']}: expected a time like 2019/11/26 9:35, found "
            f"{stamps[row]!r}"
        )
    numbers = [
        _number(columns[name]).alias(name) if name in columns else pl.lit(None, pl.Float64).alias(name)
        for name in _NUMBERS
    ]
    bars = text.select(symbols.alias("symbol"), times.alias("time"), *numbers)
    bars, notes = _completed(bars, "factor" in columns, amount)
    if zone is None and has_offsets(stamps):
        notes = [*notes, "times name an offset but the exchange is unknown: kept as written"]
    return _File(path, infer_freq(bars.select("symbol", "time"), str(path)), bars, tuple(notes))


def _read_text(path: Path) -> pl.DataFrame:
    """All cells as text, with the number of the line each row stands on."""
    try:
        text = pl.read_csv(path, infer_schema=False, row_index_name=_LINE, row_index_offset=2)
    except pl.exceptions.NoDataError:
        raise DataError(f"{path}: expected a header line and bars, found an empty file") from None
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: not a CSV file of one table: {reason}") from None
    text = text.filter(pl.any_horizontal(pl.exclude(_LINE).is_not_null()))
    if text.is_empty():
        raise DataError(f"{path}: expected bars below the header line, found none")
    return text


def _columns(path: Path, found: Sequence[str]) -> dict[str, str]:
    """Our name -> the file's name of each column. Raises DataError for a missing or doubled one."""
    names = {name.strip().lower().removeprefix("\ufeff"): name for name in found if name != _LINE}
    columns = {}
    for ours, aliases in _ALIASES.items():
        present = [alias for alias in aliases if alias in names]
        if present:
            columns[ours] = names[present[0]]
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        wanted = ["timestamps" if name == "time" else name for name in missing]
        raise DataError(
            f"{path}: expected the columns timestamps, open, high, low, close; missing {', '.join(wanted)}; found "
            f"{', '.join(names.values())}"
        )
    if columns["time"] == names.get("date") and "time" in names:
        columns["clock"] = names["time"]
    return columns


def _joined_time(text: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
    """Put a clock that stands in a column of its own (`date,time`) behind its date."""
    if "clock" not in columns:
        return text
    return text.with_columns(pl.concat_str(columns["time"], columns["clock"], separator=" ").alias(columns["time"]))


def _number(column: str) -> pl.Expr:
    """A column of text as numbers, null where it is missing or no number."""
    trimmed = pl.col(column).str.strip_chars()
    return (
        pl.when(trimmed.str.to_lowercase().is_in(_MISSING)).then(None).otherwise(trimmed).cast(pl.Float64, strict=False)
    )


def _check_numbers(path: Path, text: pl.DataFrame, columns: dict[str, str]) -> None:
    """Raise DataError for the first cell that holds neither a number nor nothing."""
    for name in _NUMBERS:
        if name not in columns:
            continue
        column = columns[name]
        trimmed = pl.col(column).str.strip_chars().str.to_lowercase()
        wrong = text.filter(_number(column).is_null() & trimmed.is_not_null() & ~trimmed.is_in(_MISSING))
        if not wrong.is_empty():
            raise DataError(
                f"{path}: line {wrong[_LINE][0]}: column {column}: expected a number, found {wrong[column][0]!r}"
                + (f" (and {len(wrong) - 1} more lines)" if len(wrong) > 1 else "")
            )


def _symbols(path: Path, text: pl.DataFrame, column: str | None, symbol: str | None, exchange: str) -> pl.Series:
    """The canonical symbol of every row."""
    if symbol is not None:
        return pl.Series([canonical(symbol, exchange)]).new_from_index(0, len(text))
    if column is None:
        return pl.Series([symbol_from_filename(path, exchange)]).new_from_index(0, len(text))
    names = text[column]
    if names.null_count():
        row = int(names.is_null().arg_true()[0])
        raise DataError(f"{path}: line {text[_LINE][row]}: column {column}: expected a symbol, found nothing")
    spellings = names.unique().to_list()
    return names.replace_strict(spellings, [canonical(name, exchange) for name in spellings])


def _completed(bars: pl.DataFrame, has_factor: bool, amount: str) -> tuple[pl.DataFrame, list[str]]:
    """Volume, amount and factor where the file has none, and what was done about it."""
    notes = []
    if bars["volume"].is_null().all():
        notes.append("volume missing: taken as 0, and amount with it")
        bars = bars.with_columns(volume=pl.lit(0.0), amount=pl.lit(0.0))
    elif amount == "zero":
        notes.append("amount set to 0 (--amount zero)")
        bars = bars.with_columns(amount=pl.lit(0.0))
    elif amount == "derive":
        empty = pl.col("amount").fill_null(0.0).eq(0.0).all().over("symbol")
        derived = pl.col("volume") * pl.mean_horizontal(PRICES)
        missing = empty | pl.col("amount").is_null()
        if bars.select(missing.any()).item():
            notes.append("amount missing or 0 throughout: derived as volume x mean price")
        bars = bars.with_columns(amount=pl.when(missing).then(derived).otherwise(pl.col("amount")))
    else:
        notes.append("amount as the source gives it, missing ones 0 (--amount as_is)")
    return (bars if has_factor else bars.with_columns(factor=pl.lit(1.0))), notes


def _dated(bars: pl.DataFrame, freq: str) -> pl.DataFrame:
    """The bars with the session each belongs to, in schema.BARS."""
    if freq == DAILY:
        bars = bars.with_columns(pl.col("time").dt.truncate("1d"))
        date = pl.col("time").dt.date()
    else:
        # an intraday bar that ends at midnight belongs to the day before
        ends_at_midnight = pl.col("time").dt.time() == time()
        date = (pl.col("time") - pl.when(ends_at_midnight).then(timedelta(days=1)).otherwise(timedelta(0))).dt.date()
    return bars.with_columns(date.alias("date")).select(list(BARS)).cast(pl.Schema(BARS))


def _summed(files: list[_File]) -> tuple[str, ...]:
    """Each note once, with the number of files it is about where there are several."""
    counts: dict[str, int] = {}
    for file in files:
        for note in file.notes:
            counts[note] = counts.get(note, 0) + 1
    return tuple(
        note if len(files) == 1 else f"{note} ({count} of {len(files)} files)" for note, count in counts.items()
    )
