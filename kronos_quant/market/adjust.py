"""Raw prices, and prices adjusted as they were known at a date.

Stored bars hold adjusted prices next to their factor: raw price = price / factor, raw volume = volume * factor; a split
or a dividend changes only the factor. The scale of the factors is arbitrary: only their ratios have a meaning. All
results are float64: for a float32 price and factor, x / f * f in double precision rounds back to x, so that the output
of `raw_bars` leads back to the stored bars bit for bit.

`unadjusted_volume` names the symbols whose stored volume is the shares really traded. It has no scale, nor has the
amount of any symbol.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from kronos_quant.schema import PRICES

ROUNDING = 1e-6
"""Relative differences of raw prices and of the factor's steps up to this are rounding (of float32: at most 2.4e-7), no
change."""


def raw_bars(bars: pl.DataFrame, unadjusted_volume: Sequence[str] = ()) -> pl.DataFrame:
    """Bars in quoted prices and traded shares, float64; the factor is kept.

    bars : schema.BARS.

    >>> bars = pl.DataFrame({"symbol": ["AAPL"], **dict.fromkeys(PRICES, [50.0]), "volume": [400.0], "factor": [0.25]})
    >>> raw_bars(bars).select("close", "volume").row(0)
    (200.0, 100.0)
    """
    return bars.with_columns(_scaled(pl.col("factor").cast(pl.Float64), unadjusted_volume))


def stored_bars(raw: pl.DataFrame, unadjusted_volume: Sequence[str] = ()) -> pl.DataFrame:
    """The inverse of `raw_bars`: adjusted float32 prices and volume, equal to the stored ones bit for bit."""
    scaled = _scaled(1 / pl.col("factor").cast(pl.Float64), unadjusted_volume)
    return raw.with_columns(column.cast(pl.Float32) for column in scaled)


def bars_as_known(bars: pl.DataFrame, on: date, unadjusted_volume: Sequence[str] = ()) -> pl.DataFrame:
    """Bars up to a date, adjusted with the factors known then, float64: each symbol's last price is its raw one.

    Parameters
    ----------
    bars
        schema.BARS, sorted by (symbol, time).
    on
        The last date, inclusive. Later bars, splits and dividends have no effect.
    unadjusted_volume
        Symbols whose volume is the shares really traded.

    Returns
    -------
    The bars; `factor` is relative to the last bar's, so that price / factor is still the raw price.
    """
    known = bars.filter(pl.col("date") <= on)
    factor = pl.col("factor").cast(pl.Float64)
    last = factor.last().over("symbol")
    return known.with_columns(*_scaled(last, unadjusted_volume), (factor / last).alias("factor"))


def corporate_actions(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars at which the factor changed: symbol, date, time and `ratio`, new factor / previous factor.

    bars : schema.BARS, sorted by (symbol, time). A ratio of 2 is a 2-for-1 split (the raw price halves); a ratio
    slightly above 1 is a dividend. Changes up to `ROUNDING` are ignored.

    >>> days = [date(2024, 1, 2), date(2024, 1, 3)]
    >>> bars = pl.DataFrame({"symbol": ["AAPL"] * 2, "date": days, "time": days, "factor": [0.5, 1.0]})
    >>> corporate_actions(bars)["ratio"].to_list()
    [2.0]
    """
    factor = pl.col("factor").cast(pl.Float64)
    steps = bars.select("symbol", "date", "time", ratio=factor / factor.shift().over("symbol"))
    return steps.filter((pl.col("ratio") - 1).abs() > ROUNDING)


def _scaled(divisor: pl.Expr, unadjusted_volume: Sequence[str]) -> list[pl.Expr]:
    """Prices divided and volume multiplied by `divisor`, float64."""
    prices = [(pl.col(name).cast(pl.Float64) / divisor).alias(name) for name in PRICES]
    volume = pl.col("volume").cast(pl.Float64)
    kept = pl.col("symbol").is_in(list(unadjusted_volume))
    return [*prices, pl.when(kept).then(volume).otherwise(volume * divisor).alias("volume")]
