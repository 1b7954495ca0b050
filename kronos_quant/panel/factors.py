"""Ordinary factors of stocks: baselines to beat, exposures to neutralise, and styles to attribute returns to.

Polars expressions for bars in schema.BARS sorted by (symbol, time), and for three of them matrices. A factor of a bar
is made of that bar and of the symbol's own earlier ones, so that later bars change nothing; it is null while a symbol
has too few bars. Prices are adjusted ones, amounts are money and need no adjustment. `window` and `skip` count bars of
the symbol (sessions, for daily bars).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from kronos_quant.arrays import FloatArray
from kronos_quant.errors import DataError, listed
from kronos_quant.panel.matrix import forward_fill

_PER_SYMBOL = "symbol"
MOMENTUM = 120, 20
"""Bars ago that momentum begins and ends."""


def momentum(window: int = MOMENTUM[0], skip: int = MOMENTUM[1]) -> pl.Expr:
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


def size(window: int = 20) -> pl.Expr:
    """Log of the mean amount of the last `window` bars; null where nothing was traded.

    Bars hold no number of shares, so that the value traded stands for the market value.
    """
    amount = pl.col("amount").cast(pl.Float64).fill_nan(None).fill_null(0.0).rolling_mean(window)
    return pl.when(amount > 0).then(amount.log()).over(_PER_SYMBOL).alias("size")


def ordinary_factors() -> dict[str, pl.Expr]:
    """Name -> expression of the factors that every source of bars can give, with their usual windows."""
    return {"momentum": momentum(), "reversal": reversal(), "volatility": volatility(), "turnover": turnover()}


def factor_table(bars: pl.DataFrame, factors: Mapping[str, pl.Expr] | None = None) -> pl.DataFrame:
    """The factors of every bar: columns symbol, date, time and one float64 a factor, null where unknown.

    bars : schema.BARS in any order (and what an expression of `factors` needs besides).
    factors : `ordinary_factors` by default
    Raises DataError when a factor needs a column that is not there.
    """
    factors = ordinary_factors() if factors is None else factors
    missing = {name for factor in factors.values() for name in factor.meta.root_names()} - set(bars.columns)
    if missing:
        raise DataError(f"factors: expected the columns {', '.join(sorted(missing))}, found {listed(bars.columns, 20)}")
    ordered = bars.sort("symbol", "time").with_columns(pl.col("close").cast(pl.Float64))
    return ordered.select(
        "symbol", "date", "time", *(factor.cast(pl.Float64).alias(name) for name, factor in factors.items())
    )


STYLES = ("momentum", "volatility", "size")
"""What a portfolio or a score may be exposed to; the same factors that are baselines."""
STYLE_WINDOW = 20
"""Sessions of the volatility and of the size; momentum has its own."""


def style_history(window: int = STYLE_WINDOW) -> int:
    """Sessions before a date that its styles may look back on: of a symbol suspended for longer nothing is known."""
    return 2 * max(window, MOMENTUM[0])


def style_exposures(
    close: FloatArray, amount: FloatArray, names: Sequence[str] = STYLES, window: int = STYLE_WINDOW
) -> dict[str, FloatArray]:
    """Name -> float64[T, N]: `momentum`, `volatility` and `size` as matrices, at each session those of the last bar.

    NaN while a symbol has too few bars, and where its window begins more than `style_history` sessions before. Each
    figure is made of its own window alone, so that it does not depend on where the matrices begin, not by a bit.

    Parameters
    ----------
    close, amount : float64[T, N] of daily bars, NaN without one
    names : of STYLES
    window : bars of the volatility and of the size
    """
    measures = {"momentum": _momentums, "volatility": _volatilities, "size": _sizes}
    exposures = {}
    for name in names:
        value, first = np.full(close.shape, np.nan), np.full(close.shape, np.nan)
        for column in range(close.shape[1]):
            rows = np.flatnonzero(~np.isnan(close[:, column]))
            found = measures[name](close[rows, column], np.nan_to_num(amount[rows, column]), window)
            known = np.flatnonzero(~np.isnan(found))
            span = len(rows) - len(found)
            value[rows[known + span], column], first[rows[known + span], column] = found[known], rows[known]
        within = np.arange(len(close))[:, None] - forward_fill(first) <= style_history(window)
        exposures[name] = np.where(within, forward_fill(value), np.nan)
    return exposures


def _momentums(close: FloatArray, amount: FloatArray, window: int) -> FloatArray:
    """The momentum of a symbol's bars, from the first that has one on; so do the next two."""
    first, last = MOMENTUM
    return np.asarray(close[first - last : len(close) - last] / close[: max(len(close) - first, 0)] - 1)


def _volatilities(close: FloatArray, amount: FloatArray, window: int) -> FloatArray:
    returns = np.diff(np.log(close))
    return np.asarray(_windows(returns, window).std(axis=1, ddof=1))


def _sizes(close: FloatArray, amount: FloatArray, window: int) -> FloatArray:
    means = _windows(amount, window).mean(axis=1)
    return np.asarray(np.log(means, out=np.full(len(means), np.nan), where=means > 0))


def _windows(values: FloatArray, window: int) -> FloatArray:
    """float64[n - window + 1, window] of float64[n]; no row where there are too few values."""
    return sliding_window_view(values, window) if len(values) >= window else np.empty((0, window))
