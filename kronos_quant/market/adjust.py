"""Raw prices, and prices adjusted as they were known at a date.

Stored bars hold adjusted prices beside their factor: raw price = price / factor, raw volume = volume * factor; a split
or a dividend shows as a change of the factor and of nothing else. The scale of the factors is arbitrary, so only
their ratios mean anything. All results are float64: of a float32 price and factor, x / f * f in double precision
rounds back to x, so that what `raw_bars` gives leads back to the stored bars bit for bit.

`unadjusted_volume` names the symbols whose stored volume is the shares really traded; it has no scale, as the amount
of every symbol has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from kronos_quant.schema import PRICES

ROUNDING = 1e-6
"""Relative differences of raw prices and of the factor's steps up to this are float32 rounding (at most 2.4e-7) or the
source's own, and no change."""


def raw_bars(bars: pl.DataFrame, unadjusted_volume: Sequence[str] = ()) -> pl.DataFrame:
    """Bars in the prices that were quoted and the shares that were traded, float64; the factor stays beside them.

    bars : schema.BARS.
    """
    return bars.with_columns(_scaled(pl.col("factor").cast(pl.Float64), unadjusted_volume))


def stored_bars(raw: pl.DataFrame, unadjusted_volume: Sequence[str] = ()) -> pl.DataFrame:
    """The inverse of `raw_bars`: adjusted float32 prices and volume, equal to the stored ones bit for bit."""
    scaled = _scaled(1 / pl.col("factor").cast(pl.Float64), unadjusted_volume)
    return raw.with_columns(column.cast(pl.Float32) for column in scaled)


def bars_as_known(bars: pl.DataFrame, on: date, unadjusted_volume: Sequence[str] = ()) -> pl.DataFrame:
    """Bars up to a date, adjusted with the factors known then, float64: each symbol's last price is its raw one.

    bars : schema.BARS, sorted by (symbol, time). `factor` becomes relative to the last bar's, so that price / factor is
    still the raw price. Later bars, and with them later splits and dividends, change nothing.
    """
    known = bars.filter(pl.col("date") <= on)
    factor = pl.col("factor").cast(pl.Float64)
    last = factor.last().over("symbol")
    return known.with_columns(*_scaled(last, unadjusted_volume), (factor / last).alias("factor"))


def corporate_actions(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars at which the factor changed: symbol, date, time and `ratio`, the new factor / the one before.

    bars : schema.BARS, sorted by (symbol, time). A ratio of 2 is a split of one share into two (the raw price halves);
    one slightly above 1 is a dividend. Changes up to `ROUNDING` are left out.
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
