"""Ordinary factors of stocks as Polars expressions: baselines to beat, and exposures to neutralise.

For bars in schema.BARS sorted by (symbol, time). A factor of a bar is made of that bar and of the symbol's own earlier
ones, so that later bars change nothing; it is null while a symbol has too few bars. Prices are adjusted ones, amounts
are money and need no adjustment. `window` and `skip` count bars of the symbol (sessions, for daily bars).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from kronos_quant.errors import DataError

_PER_SYMBOL = "symbol"


def momentum(window: int = 120, skip: int = 20) -> pl.Expr:
    """Return from `window` bars ago to `skip` bars ago: close[t - skip] / close[t - window] - 1.

    The last month is left out, for it tends to reverse. Source: Jegadeesh and Titman, Journal of Finance 48 (1993).
    """
    close = pl.col("close")
    return (close.shift(skip) / close.shift(window) - 1).over(_PER_SYMBOL).alias("momentum")


def reversal(window: int = 20) -> pl.Expr:
    """Minus the return of the last `window` bars: 1 - close[t] / close[t - window].

    What fell is high. Source: Jegadeesh, Journal of Finance 45 (1990).
    """
    close = pl.col("close")
    return (1 - close / close.shift(window)).over(_PER_SYMBOL).alias("reversal")


def volatility(window: int = 20) -> pl.Expr:
    """Sample standard deviation of the last `window` log returns of the close; a bar's, not a year's."""
    returns = pl.col("close").cast(pl.Float64).log().diff()
    return returns.rolling_std(window).over(_PER_SYMBOL).alias("volatility")


def turnover(window: int = 20) -> pl.Expr:
    """Log of the amount relative to its mean over the last `window` bars, this one included: 0 is as usual.

    Null where nothing was traded. (Not the share of the float that changed hands: that needs a count of shares.)
    """
    amount = pl.col("amount").cast(pl.Float64)
    usual = amount.rolling_mean(window)
    return pl.when((amount > 0) & (usual > 0)).then((amount / usual).log()).over(_PER_SYMBOL).alias("turnover")


def size(shares: str = "shares") -> pl.Expr:
    """Log of the market value, raw close x shares: log(close / factor x shares).

    shares : a column of shares outstanding as known at each bar; no source of bars has one. For a value that is known
    as money instead, its log is the factor. Null where it is not positive.
    """
    value = pl.col("close").cast(pl.Float64) / pl.col("factor") * pl.col(shares)
    return pl.when(value > 0).then(value.log()).alias("size")


def ordinary_factors() -> dict[str, pl.Expr]:
    """Name -> expression of the factors that every source of bars can give, with their usual windows."""
    return {
        "momentum": momentum(),
        "reversal": reversal(),
        "volatility": volatility(),
        "turnover": turnover(),
    }


def factor_table(bars: pl.DataFrame, factors: Mapping[str, pl.Expr] | None = None) -> pl.DataFrame:
    """The factors of every bar: columns symbol, date, time and one float64 a factor, null where unknown.

    bars : schema.BARS in any order (and what an expression of `factors` needs besides).
    factors : `ordinary_factors` by default, and `size` where there is a column shares.
    Raises DataError when a factor needs a column that is not there.
    """
    if factors is None:
        factors = ordinary_factors() | ({"size": size()} if "shares" in bars.columns else {})
    missing = {name for factor in factors.values() for name in factor.meta.root_names()} - set(bars.columns)
    if missing:
        raise DataError(f"factors: expected the columns {', '.join(sorted(missing))}, found {', '.join(bars.columns)}")
    ordered = bars.sort("symbol", "time").with_columns(pl.col("close").cast(pl.Float64))
    return ordered.select(
        "symbol", "date", "time", *(factor.cast(pl.Float64).alias(name) for name, factor in factors.items())
    )
