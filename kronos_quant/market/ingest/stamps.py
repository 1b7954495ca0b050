"""Time stamps as files spell them -> naive exchange-local times, and the frequency they tell.

2019/11/26 9:35, 2024-06-18 11:15:00, 2024-06-18T03:15:00Z, 20240618.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.schema import DAILY

_PATTERN = (
    r"^\s*(\d{4})(?:[-/.](\d{1,2})[-/.](\d{1,2})|(\d{2})(\d{2}))"  # 2024/6/8 or 20240608
    r"(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?)?"
    r"\s*(Z|UTC|[+-]\d{2}:?\d{2})?\s*$"
)
_YEAR, _MONTH, _DAY, _MONTH8, _DAY8, _HOUR, _MINUTE, _SECOND, _ZONE = (str(group) for group in range(1, 10))

_LONGEST_DAILY_STEP = timedelta(days=4)
"""Daily bars are mostly one day apart; weekly ones are not."""

_BARS_A_DAY = 1.25
"""Up to this many on average are daily bars, some of them stamped twice a day."""


def parse_stamps(texts: pl.Series, zone: str | None) -> pl.Series:
    """Naive times, null where a text is no time.

    A stamp with an offset is converted to `zone` (an IANA name); one without, and any where the zone is unknown,
    keeps the clock it shows.
    """
    parts = texts.to_frame("text").select(pl.col("text").str.extract_groups(_PATTERN)).unnest("text")
    offset = pl.when(pl.col(_ZONE).str.starts_with("+") | pl.col(_ZONE).str.starts_with("-")).then(
        pl.col(_ZONE).str.replace(":", "")
    )
    iso = pl.format(
        "{}-{}-{} {}:{}:{}",
        pl.col(_YEAR),
        pl.coalesce(_MONTH, _MONTH8),
        pl.coalesce(_DAY, _DAY8),
        *(pl.col(part).fill_null("0") for part in (_HOUR, _MINUTE, _SECOND)),
    )
    clock = iso.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
    if zone is None or parts[_ZONE].is_null().all():
        return parts.select(clock.alias("time"))["time"]
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    minutes = sign * (offset.str.slice(1, 2).cast(pl.Int64) * 60 + offset.str.slice(3, 2).cast(pl.Int64))
    universal = clock - pl.duration(minutes=minutes.fill_null(0))
    local = universal.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return parts.select(pl.when(pl.col(_ZONE).is_null()).then(clock).otherwise(local).alias("time"))["time"]


def has_offsets(texts: pl.Series) -> bool:
    """Whether any stamp names its offset from UTC."""
    return bool(texts.str.extract(_PATTERN, int(_ZONE)).is_not_null().any())


def infer_freq(times: pl.DataFrame, place: str) -> str:
    """The frequency of bars: "day", or the most common step within a session in minutes ("5min").

    times : columns symbol and time; place : names the source in errors.
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
