"""The columns of a table of K-lines: their cells as numbers, their stamps as times.

Stamps as sources write them: 2019/11/26 9:35, 2024-06-18 11:15:00, 2024-06-18T03:15:00Z, 20240618, 20240618093500,
1718673300 (seconds since 1970 in UTC, or milliseconds and smaller), and the date and time types of tables. They become
naive exchange-local times, and their steps give the frequency.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from kronos_quant.bounds import FIRST_YEAR, LAST_YEAR
from kronos_quant.errors import DataError
from kronos_quant.inputs import short_repr
from kronos_quant.market.dialects.cells import MISSING, as_plain_number
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.schema import DAILY

_PATTERN = (
    r"^\s*(\d{4})(?:[-/.](\d{1,2})[-/.](\d{1,2})|(\d{2})(\d{2}))"  # 2024/6/8 or 20240608
    r"(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?)?"
    r"\s*(Z|UTC|[+-]\d{2}:?\d{2})?\s*$"
)
_YEAR, _MONTH, _DAY, _MONTH8, _DAY8, _HOUR, _MINUTE, _SECOND, _ZONE = (str(group) for group in range(1, 10))

_GLUED = (
    (r"^\s*((?:19|20)\d{6})(\d{2})(\d{2})\s*$", "$1 $2:$3"),  # 202406180935
    (r"^\s*((?:19|20)\d{6})(\d{2})(\d{2})(\d{2})(?:\d{3})?\s*$", "$1 $2:$3:$4"),  # 20240618093500, ...500000
)

_EPOCH_UNITS = {9: 1, 10: 1, 12: 10**3, 13: 10**3, 16: 10**6, 19: 10**9}
"""Digits of a count since 1970-01-01 UTC -> its units per second; 9 and 12 digits are before 2001-09-09."""

_LONGEST_DAILY_STEP = timedelta(days=4)  # daily bars are mostly one day apart; weekly ones are not
_BARS_A_DAY = 1.25  # up to this many on average are daily bars, some of them stamped twice a day


def check_years(place: str, rows: pl.Series, stamps: pl.Series, times: pl.Series) -> None:
    """Raise DataError for the first time that is before FIRST_YEAR or after LAST_YEAR.

    place : in errors, with what a row is called; rows : the number of each row in its source; stamps : as they are
    written there; times : what they were read as
    """
    odd = ~times.dt.year().is_between(FIRST_YEAR, LAST_YEAR)
    if odd.any():
        row = int(odd.arg_true()[0])
        raise DataError(
            f"{place} {rows[row]}: column {stamps.name}: expected a year from {FIRST_YEAR} to {LAST_YEAR}, "
            f"found {stamps[row]!s:.40}"
        )


def read_numbers(
    place: str, row: str, frame: pl.DataFrame, columns: Mapping[str, str], *, decimal_comma: bool = False
) -> pl.DataFrame:
    """The columns of numbers as float64 under our names, null where a cell is empty.

    Parameters
    ----------
    place, row
        In errors: the table, and what a row of it is called ("line" or "row").
    frame, columns
        The cells with LINE, and our name -> the name there.
    decimal_comma
        Whether the numbers of a text have one.

    Raises
    ------
    DataError
        For the first cell that is neither a number nor empty.
    """
    return pl.DataFrame(
        [_numbers(place, row, frame, column, decimal_comma).alias(name) for name, column in columns.items()]
    )


def _numbers(place: str, row: str, frame: pl.DataFrame, column: str, decimal_comma: bool) -> pl.Series:
    cells = frame[column]
    dtype = cells.dtype
    if dtype.is_numeric() or dtype == pl.Null:
        return cells.cast(pl.Float64).fill_nan(None)
    if dtype in (pl.Categorical, pl.Enum):
        cells, dtype = cells.cast(pl.String), pl.String()
    if dtype != pl.String:
        raise DataError(f"{place}: column {column}: expected numbers, found the type {dtype}")
    trimmed = cells.str.strip_chars()
    filled = trimmed.is_not_null() & ~trimmed.str.to_lowercase().is_in(MISSING)
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(cells))
    text = trimmed.zip_with(filled, nothing)
    numbers = text.cast(pl.Float64, strict=False)
    odd = filled if decimal_comma else filled & numbers.is_null()
    if odd.any():
        read = text.to_frame("text").select(as_plain_number(pl.col("text"), decimal_comma)).to_series()
        numbers = read if decimal_comma else numbers.zip_with(~odd, read)
    wrong = (filled & numbers.is_null()).arg_true()
    if len(wrong):
        first = int(wrong[0])
        raise DataError(
            f"{place}: {row} {frame[LINE][first]}: column {column}: expected a number, found "
            f"{short_repr(cells[first])}" + (f" (and {len(wrong) - 1} more {row}s)" if len(wrong) > 1 else "")
        )
    return numbers


def parse_stamps(stamps: pl.Series, zone: str | None) -> pl.Series:
    """Naive times, null where a stamp is not a time.

    stamps : texts, whole numbers, dates or date-times.
    A stamp with a UTC offset, or counted since 1970, is converted to `zone` (an IANA name). Others keep their clock,
    as do all where the zone is unknown, and stamps that are all at midnight, which are dates.

    >>> parse_stamps(pl.Series(["2024-06-18T03:15:00Z"]), "Asia/Shanghai").item()
    datetime.datetime(2024, 6, 18, 11, 15)
    """
    shown, universal = _read(stamps)
    clock = shown.dt.truncate("1d").ne_missing(shown)
    if zone is None or universal.is_null().all() or not clock.any():
        return shown.rename("time")
    local = universal.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return local.zip_with(universal.is_not_null(), shown).rename("time")


def has_offsets(stamps: pl.Series) -> bool:
    """Whether any stamp has an offset from UTC, or is a count since 1970."""
    return bool(_read(stamps)[1].is_not_null().any())


def _read(stamps: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The clock of each stamp, and the same moment in UTC where the stamp determines it; both naive."""
    nothing = pl.Series([None], dtype=pl.Datetime("us")).new_from_index(0, len(stamps))
    dtype = stamps.dtype
    if isinstance(dtype, pl.Datetime):
        shown = stamps.dt.replace_time_zone(None).cast(pl.Datetime("us"))
        if dtype.time_zone is None:
            return shown, nothing
        return shown, stamps.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Datetime("us"))
    if dtype == pl.Date:
        return stamps.cast(pl.Datetime("us")), nothing
    if dtype.is_numeric():
        stamps = stamps.cast(pl.Int64, strict=False)
    if not (dtype.is_numeric() or dtype in (pl.String, pl.Categorical, pl.Enum)):
        return nothing, nothing
    return _read_texts(stamps.cast(pl.String))


def _read_texts(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    spaced = pl.col("text")
    for pattern, spelled in _GLUED:
        spaced = spaced.str.replace(pattern, spelled)
    parts = (
        texts.to_frame("text")
        .with_columns(spaced)
        .select("text", pl.col("text").str.extract_groups(_PATTERN).alias("parts"))
        .unnest("parts")
    )
    iso = pl.format(
        "{}-{}-{} {}:{}:{}",
        pl.col(_YEAR),
        pl.coalesce(_MONTH, _MONTH8),
        pl.coalesce(_DAY, _DAY8),
        *(pl.col(part).fill_null("0") for part in (_HOUR, _MINUTE, _SECOND)),
    )
    signed = pl.col(_ZONE).str.starts_with("+") | pl.col(_ZONE).str.starts_with("-")
    offset = pl.when(signed).then(pl.col(_ZONE).str.replace(":", ""))
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    minutes = sign * (offset.str.slice(1, 2).cast(pl.Int64) * 60 + offset.str.slice(3, 2).cast(pl.Int64))
    read = parts.select(
        clock=iso.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us"),
        minutes=pl.when(pl.col(_ZONE).is_not_null()).then(minutes.fill_null(0)),
        counted=_counted(pl.col("text").str.strip_chars()),
    )
    universal = pl.coalesce(pl.col("clock") - pl.duration(minutes=pl.col("minutes")), "counted")
    both = read.select(shown=pl.coalesce("clock", "counted"), universal=universal)
    return both["shown"], both["universal"]


def _counted(text: pl.Expr) -> pl.Expr:
    """Counts since 1970 as naive UTC times; null for any other text."""
    count = pl.when(text.str.contains(r"^\d+$")).then(text).cast(pl.Int64, strict=False)
    length = text.str.len_bytes()
    micros = [
        pl.when(length == digits).then((count * 10**6) // units if units < 10**6 else count // (units // 10**6))
        for digits, units in _EPOCH_UNITS.items()
    ]
    return pl.coalesce(micros).cast(pl.Datetime("us"))


def infer_freq(times: pl.DataFrame, place: str) -> str:
    """The frequency of (symbol, time): "day", or the most common step within a session in minutes ("5min").

    Raises DataError for weekly and longer bars, and for steps that are no whole minutes.
    """
    # a bar that ends at midnight belongs to the day before
    day = (pl.col("time") - timedelta(microseconds=1)).dt.date()
    bars = times.unique().sort("symbol", "time").with_columns(day.alias("day"))
    steps = bars.select(
        step=pl.col("time").diff().over("symbol"), same_day=pl.col("day") == pl.col("day").shift().over("symbol")
    ).drop_nulls()
    within = steps.filter("same_day")
    if len(bars) <= _BARS_A_DAY * bars.select("symbol", "day").n_unique():
        common = _most_common(steps["step"])
        if common is not None and common > _LONGEST_DAILY_STEP:
            raise DataError(f"{place}: expected daily or intraday bars, found bars mostly {common.days} days apart")
        return DAILY
    common = _most_common(within["step"])
    assert common is not None
    minutes, rest = divmod(common, timedelta(minutes=1))
    if rest or not minutes:
        raise DataError(f"{place}: expected steps of whole minutes between bars, found mostly {common}")
    return f"{minutes}min"


def _most_common(steps: pl.Series) -> timedelta | None:
    """The most frequent value, the smallest of equally frequent ones; None for no values."""
    if steps.is_empty():
        return None
    common: timedelta = steps.value_counts().sort(["count", steps.name], descending=[True, False])[steps.name][0]
    return common
