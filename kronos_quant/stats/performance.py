"""Key figures of a series of session returns. Shape letter: T sessions.

Returns are fractions and compound; the risk-free rate is 0; annual figures state their sessions per year.
A figure that the series does not determine is NaN.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray

ZERO_SPREAD = 1e-15
"""Below this, a standard deviation of returns is rounding noise of a flat series."""


def total_return(returns: FloatArray) -> float:
    """Compounded return of the whole series f64[T]."""
    return float(np.prod(1 + returns) - 1)


def annual_return(returns: FloatArray, sessions_per_year: int) -> float:
    """Compounded return a year: growth to the power sessions_per_year / T, minus 1; -1 where all or more was lost."""
    if len(returns) == 0:
        return float("nan")
    return float(max(1 + total_return(returns), 0.0) ** (sessions_per_year / len(returns)) - 1)


def annual_volatility(returns: FloatArray, sessions_per_year: int) -> float:
    """Sample standard deviation a year."""
    return float(np.std(returns, ddof=1) * np.sqrt(sessions_per_year)) if len(returns) > 1 else float("nan")


def sharpe_ratio(returns: FloatArray, sessions_per_year: int) -> float:
    """Mean over standard deviation, a year; of the differences to a benchmark it is the information ratio."""
    spread = np.std(returns, ddof=1) if len(returns) > 1 else 0.0
    return float(np.mean(returns) / spread * np.sqrt(sessions_per_year)) if spread >= ZERO_SPREAD else float("nan")


def sortino_ratio(returns: FloatArray, sessions_per_year: int) -> float:
    """Mean over the root of the mean squared loss (a gain counts as no loss), a year; NaN without any loss."""
    if len(returns) == 0 or not (returns < 0).any():
        return float("nan")
    downside = np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))
    return float(np.mean(returns) / downside * np.sqrt(sessions_per_year))


def calmar_ratio(returns: FloatArray, sessions_per_year: int) -> float:
    """Annual return over the depth of the deepest drawdown; NaN where there was none."""
    deepest = max_drawdown(returns)
    return annual_return(returns, sessions_per_year) / -deepest if deepest < 0 else float("nan")


def beta_of(returns: FloatArray, benchmark: FloatArray) -> float:
    """Slope of the returns f64[T] on a benchmark's f64[T]; NaN where that does not move."""
    if len(returns) < 2 or np.std(benchmark) < ZERO_SPREAD:
        return float("nan")
    spread = benchmark - benchmark.mean()
    return float(spread @ returns / (spread @ spread))


def drawdowns(returns: FloatArray) -> FloatArray:
    """f64[T]: loss from the highest value so far (the start included), 0 or negative."""
    wealth = np.cumprod(1 + returns)
    peak = np.maximum.accumulate(np.maximum(wealth, 1.0))
    return np.asarray(wealth / peak - 1)


def max_drawdown(returns: FloatArray) -> float:
    """The deepest of the drawdowns, 0 or negative."""
    return float(drawdowns(returns).min(initial=0.0))


def win_rate(returns: FloatArray) -> float:
    """Share of the sessions with a gain among those with a gain or a loss."""
    moved = returns[returns != 0]
    return float(np.mean(moved > 0)) if len(moved) else float("nan")


def key_figures(
    returns: FloatArray, gross_returns: FloatArray, benchmark: FloatArray | None, sessions_per_year: int
) -> dict[str, float]:
    """The figures of an account f64[T], and beside a benchmark f64[T] where there is one.

    excess_annual_return is the account's annual return less the benchmark's; excess_annual_return_before_cost takes the
    gross returns; information_ratio and tracking_error are annual, of the differences of the returns; alpha is the mean
    return that beta does not explain, times the sessions a year.
    """
    figures = series_figures(returns, sessions_per_year)
    figures["annual_return_before_cost"] = annual_return(gross_returns, sessions_per_year)
    if benchmark is None:
        return figures
    figures |= {f"benchmark_{name}": value for name, value in series_figures(benchmark, sessions_per_year).items()}
    of_benchmark = figures["benchmark_annual_return"]
    beta = beta_of(returns, benchmark)
    return figures | {
        "excess_annual_return": figures["annual_return"] - of_benchmark,
        "excess_annual_return_before_cost": figures["annual_return_before_cost"] - of_benchmark,
        "information_ratio": sharpe_ratio(returns - benchmark, sessions_per_year),
        "tracking_error": annual_volatility(returns - benchmark, sessions_per_year),
        "alpha": float(np.mean(returns) - beta * np.mean(benchmark)) * sessions_per_year if len(returns) else beta,
        "beta": beta,
    }


def series_figures(returns: FloatArray, sessions_per_year: int) -> dict[str, float]:
    """The figures that a series f64[T] has by itself."""
    return {
        "total_return": total_return(returns),
        "annual_return": annual_return(returns, sessions_per_year),
        "annual_volatility": annual_volatility(returns, sessions_per_year),
        "sharpe_ratio": sharpe_ratio(returns, sessions_per_year),
        "sortino_ratio": sortino_ratio(returns, sessions_per_year),
        "calmar_ratio": calmar_ratio(returns, sessions_per_year),
        "max_drawdown": max_drawdown(returns),
        "win_rate": win_rate(returns),
    }
