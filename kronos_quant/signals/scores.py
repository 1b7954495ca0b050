"""From sample paths of the close to one number a symbol, in returns over the last close.

Shapes: B symbols, S paths, H bars. (The published signal is a difference of z-scores, which ranks by volatility.)
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

SCORES = ("mean", "last", "max", "min", "median", "p_rise")
"""Columns that may rank; the others describe the distribution."""

QUANTILES = (0.05, 0.25, 0.75, 0.95)
TAIL = 0.05


def score_paths(close: NDArray[np.float64], base: NDArray[np.float64]) -> pl.DataFrame:
    """Scores of each symbol, one row each.

    close : float64[B, S, H] sampled closes; base : float64[B] last close, in the same units.
    mean, last, max, min are of the mean path; the others of the S returns at the horizon: median, p_rise (probability
    of a rise), q05 to q95, spread (q95 - q05), shortfall (mean of the worst 5 %), std_error (Monte-Carlo standard
    error of `last`; NaN for one path).
    """
    returns = close / base[:, None, None] - 1
    mean_path = returns.mean(axis=1)
    final = np.sort(returns[:, :, -1], axis=1)
    samples = final.shape[1]
    quantiles = np.quantile(final, QUANTILES, axis=1)
    worst = final[:, : max(1, int(np.ceil(TAIL * samples)))]
    error = final.std(axis=1, ddof=1) / np.sqrt(samples) if samples > 1 else np.full(len(final), np.nan)
    columns = {
        "mean": mean_path.mean(axis=1),
        "last": mean_path[:, -1],
        "max": mean_path.max(axis=1),
        "min": mean_path.min(axis=1),
        "median": np.median(final, axis=1),
        "p_rise": (final > 0).mean(axis=1),
        **{f"q{round(q * 100):02d}": row for q, row in zip(QUANTILES, quantiles, strict=True)},
        "spread": quantiles[-1] - quantiles[0],
        "shortfall": worst.mean(axis=1),
        "std_error": error,
    }
    return pl.DataFrame({name: column.astype(np.float64) for name, column in columns.items()})
