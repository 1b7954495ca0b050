"""From sample paths of the close to one number a symbol, in returns over the last close.

Shapes: B symbols, S paths, H bars. The published fine-tuning guide ranks by a difference of z-scores of the window,
which is a ranking by volatility too; it is here under its own name.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import beta

from kronos_quant.arrays import FloatArray
from kronos_quant.errors import KronosQuantError
from kronos_quant.own_code import OwnCode, load_function, raised

SCORES = ("mean", "last", "max", "min", "median", "p_rise", "shortfall", "mean_over_spread", "published")
"""Columns that may rank; the others describe the distribution."""
OWN = "own"
"""The column of a user's own score."""

LEVELS = (0.025, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.975)
"""Levels of the quantiles that are stored."""
QUANTILES = ("q025", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q975")
"""The columns of the quantiles at LEVELS: the ends of the central 50, 80, 90 and 95% intervals, and the median."""
TAIL = 0.05

PATH_LEVELS = (0.05, 0.50, 0.95)
PATH_QUANTILES = ("path_q05", "path_q50", "path_q95")
"""The columns of the quantiles at PATH_LEVELS of each bar of the path: what calibrates every horizon, and no more."""

ERROR_OF = {"last": "std_error"} | {
    name: f"{name}_error" for name in ("mean", "max", "min", "median", "p_rise", "mean_over_spread", "published")
}
"""The column that holds a score's Monte-Carlo standard error, where it has one."""


def score_paths(close: FloatArray, base: FloatArray) -> pl.DataFrame:
    """Scores of each symbol, one row each.

    close : float64[B, S, H] sampled closes; base : float64[B] last close, in the same units.
    mean, last, max, min are of the mean path; the others of the S returns at the horizon: median, p_rise (probability
    of a rise), QUANTILES, spread (q95 - q05), shortfall (mean of the worst 5%), mean_over_spread (`last` over the
    spread; NaN where the spread is 0). PATH_QUANTILES hold H values a row. std_error and the columns *_error: the
    Monte-Carlo standard errors that S paths leave; NaN for one path. That of max and min is that of the mean path at
    the bar where it lies, that of mean_over_spread takes the spread as known, that of the median is Maritz and
    Jarrett's (1978), that of p_rise Agresti and Coull's (1998), which is not 0 where all paths rise.

    >>> scores = score_paths(np.array([[[101.0, 102.0], [99.0, 104.0]]]), np.array([100.0]))
    >>> round(scores["last"][0], 4), scores["p_rise"][0]
    (0.03, 1.0)
    """
    returns = close / base[:, None, None] - 1
    path = returns.mean(axis=1)  # [B, H]
    path_error = _mean_error(returns)  # [B, H]
    final = np.sort(returns[:, :, -1], axis=1)
    quantiles = dict(zip(QUANTILES, np.quantile(final, LEVELS, axis=1), strict=True))
    worst = final[:, : max(1, int(np.ceil(TAIL * final.shape[1])))]
    spread = quantiles["q95"] - quantiles["q05"]
    over_spread = np.full_like(spread, np.nan)
    np.divide(1.0, spread, out=over_spread, where=spread > 0)
    columns = {
        "mean": path.mean(axis=1),
        "last": path[:, -1],
        "max": path.max(axis=1),
        "min": path.min(axis=1),
        "median": np.median(final, axis=1),
        "p_rise": (final > 0).mean(axis=1),
        **quantiles,
        "spread": spread,
        "shortfall": worst.mean(axis=1),
        "mean_over_spread": path[:, -1] * over_spread,
        "std_error": path_error[:, -1],
        "mean_error": _mean_error(returns.mean(axis=2)),
        "max_error": _at(path_error, path.argmax(axis=1)),
        "min_error": _at(path_error, path.argmin(axis=1)),
        "median_error": _median_error(final),
        "p_rise_error": _share_error((final > 0).sum(axis=1), final.shape[1]),
        "mean_over_spread_error": path_error[:, -1] * over_spread,
    }
    by_bar = np.quantile(returns, PATH_LEVELS, axis=1).astype(np.float32)  # [3, B, H]
    paths = [
        pl.Series(name, values, dtype=pl.Array(pl.Float32, values.shape[1]))
        for name, values in zip(PATH_QUANTILES, by_bar, strict=True)
    ]
    return pl.DataFrame({name: column.astype(np.float64) for name, column in columns.items()}).with_columns(paths)


def published_score(change: FloatArray) -> pl.DataFrame:
    """The published score and its error: the mean path's last close less the last close, both as z-scores.

    change : float64[B, S], of each path. Source: finetune/qlib_test.py of the published repository, signal `last`.
    """
    return pl.DataFrame({"published": change.mean(axis=1), ERROR_OF["published"]: _mean_error(change)})


def load_own_score(own: OwnCode) -> Callable[[FloatArray], FloatArray]:
    """The function `score` of a user's file: returns float64[B, S, H] over the base -> a score each, float64[B].

    It is given a copy of the returns, to do with as it likes; NaN is no opinion. Raises ConfigError for a file that
    cannot be run or has no such function; the function raises KronosQuantError, naming the file's line, for what its
    code raises and for a result of another shape.
    """
    function = load_function(own.path, "score", "returns")

    def score(returns: FloatArray) -> FloatArray:
        found = function(returns.copy())
        try:
            values = np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise KronosQuantError(raised(own.path, error)) from error
        if values.shape != returns.shape[:1]:
            raise KronosQuantError(f"{own.path}: score: expected {len(returns)} numbers, found shape {values.shape}")
        return np.where(np.isfinite(values), values, np.nan)

    return score


def _mean_error(values: FloatArray) -> FloatArray:
    """Standard error of the mean over axis 1 of float64[B, S, ...]."""
    samples = values.shape[1]
    if samples == 1:
        return np.full(values.mean(axis=1).shape, np.nan)
    error: FloatArray = values.std(axis=1, ddof=1) / np.sqrt(samples)
    return error


def _median_error(final: FloatArray) -> FloatArray:
    """Standard error of the median of float64[B, S], sorted along S."""
    samples = final.shape[1]
    middle = int(samples / 2 + 0.5)
    if middle < 2:
        return np.full(len(final), np.nan)
    weights = np.diff(beta.cdf(np.arange(samples + 1) / samples, middle - 1, samples - middle))
    # centred first: the squares of numbers that are nearly equal would cancel
    away = final - final[:, [middle - 1]]
    variance = away**2 @ weights - (away @ weights) ** 2
    error: FloatArray = np.sqrt(np.maximum(variance, 0))
    return error


def _share_error(count: NDArray[np.int64], samples: int) -> FloatArray:
    if samples == 1:
        return np.full(len(count), np.nan)
    share = (count + 2) / (samples + 4)
    error: FloatArray = np.sqrt(share * (1 - share) / (samples + 4))
    return error


def _at(values: FloatArray, place: NDArray[np.int64]) -> FloatArray:
    """One value a row."""
    return np.take_along_axis(values, place[:, None], axis=1)[:, 0]
