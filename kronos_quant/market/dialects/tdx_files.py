"""The binary files of TongDaXin 通达信: one symbol each, 32 bytes a bar, little-endian.

    .day         date as 20240102, open, high, low, close as whole numbers, amount (float32), volume in shares
    .lc1, .lc5   date as (year - 2004) x 2048 + month x 100 + day, minute of the day at which the bar ends, prices and
                 amount as float32, volume in shares

A whole number of a .day file is the price times 100, of funds and others times 1000 or 10000: amount / volume tells.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.readers import read_bytes

DAYS, MINUTES = (".day",), (".lc1", ".lc5")
TDX_FILES = (*DAYS, *MINUTES)
"""Endings of the files' names."""

_DAY = np.dtype(
    [("date", "<u4"), *((name, "<u4") for name in ("open", "high", "low", "close")), ("amount", "<f4"),
     ("volume", "<u4"), ("rest", "<u4")]
)  # fmt: skip
_MINUTE = np.dtype(
    [("date", "<u2"), ("minute", "<u2"), *((name, "<f4") for name in ("open", "high", "low", "close")),
     ("amount", "<f4"), ("volume", "<u4"), ("rest", "<u4")]
)  # fmt: skip
_SCALES = (100.0, 1000.0, 10000.0)
_FIRST_YEAR = 2004


def read_tdx_file(path: Path) -> pl.DataFrame:
    """The bars: LINE, time, open, high, low, close, volume and amount. Raises DataError for a file of another form."""
    content = read_bytes(path)
    form = _DAY if path.suffix.lower() in DAYS else _MINUTE
    if not content or len(content) % form.itemsize:
        raise DataError(
            f"{path}: expected bars of {form.itemsize} bytes each, found {len(content):,} bytes",
            hint="Copy the file again while TongDaXin is closed.",
        )
    rows = np.frombuffer(content, form)
    if form is _DAY:
        scale = _price_scale(rows)
        prices = {name: rows[name] / scale for name in ("open", "high", "low", "close")}
        times = pl.Series(rows["date"]).cast(pl.String).str.to_datetime("%Y%m%d", strict=False)
    else:
        prices = {name: _shortest(rows[name]) for name in ("open", "high", "low", "close")}
        times = _minutes(rows)
    if times.null_count():
        row = int(times.is_null().arg_true()[0])
        raise DataError(f"{path}: bar {row + 1}: expected a date, found the number {rows['date'][row]}")
    numbers = {"volume": rows["volume"].astype(np.float64), "amount": rows["amount"].astype(np.float64)}
    return pl.DataFrame({"time": times, **prices, **numbers}).with_row_index(LINE, offset=1)


def _price_scale(rows: npt.NDArray[np.void]) -> float:
    """How many units one unit of currency has: what puts the price paid per share nearest to the close."""
    traded = rows[(rows["volume"] > 0) & (rows["amount"] > 0) & (rows["close"] > 0)]
    if not len(traded):
        return _SCALES[0]
    paid = float(np.median(traded["close"] * traded["volume"] / traded["amount"].astype(np.float64)))
    return min(_SCALES, key=lambda scale: abs(np.log(paid / scale)))


def _minutes(rows: npt.NDArray[np.void]) -> pl.Series:
    day = rows["date"].astype(np.int64)
    month = day % 2048
    parts = pl.DataFrame(
        {"year": day // 2048 + _FIRST_YEAR, "month": month // 100, "day": month % 100, "minute": rows["minute"]}
    )
    date = pl.concat_str(
        pl.col("year"), *(pl.col(name).cast(pl.String).str.zfill(2) for name in ("month", "day"))
    ).str.to_datetime("%Y%m%d", strict=False)
    return parts.select(date + pl.duration(minutes=pl.col("minute"))).to_series()


def _shortest(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The decimal numbers that float32 stands for: 9.35, not 9.35000038."""
    return np.array([float(str(value)) for value in values])
