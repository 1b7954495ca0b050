"""Made grids for the tests of this room."""

from __future__ import annotations

import numpy as np
import polars as pl
from made import make_bars, make_intraday_bars, weekdays

from kronos_quant.evaluation.grid import MarketGrid, make_grid


def made_grid(symbols: int = 30, sessions: int = 200, seed: int = 0) -> MarketGrid:
    """A market of random walks whose symbols are members all the time."""
    names = [f"S{i:03d}" for i in range(symbols)]
    days = weekdays(sessions)
    return make_grid(make_bars(names, days, seed), days, always(names, days))


def made_intraday_grid(symbols: int = 12, sessions: int = 60, seed: int = 0) -> MarketGrid:
    """The same with eight bars a session."""
    names, days = [f"S{i:03d}" for i in range(symbols)], weekdays(sessions)
    bars = make_intraday_bars(names, days, seed=seed)
    times = bars["time"].unique().sort().to_list()
    return make_grid(bars, [time.date() for time in times], always(names, days), times)


def always(symbols: list[str], sessions: list) -> pl.DataFrame:
    """Membership of all symbols on all sessions."""
    return pl.DataFrame({"symbol": symbols, "start": sessions[0], "end": sessions[-1]})


def seeing(grid: MarketGrid, rows: np.ndarray, horizon: int, noise: float, seed: int = 0) -> np.ndarray:
    """Scores that see the returns to come through noise; infinite noise sees nothing."""
    later = np.minimum(rows + horizon, len(grid.sessions) - 1)
    returns = grid.close[later] / grid.close[rows] - 1
    rng = np.random.default_rng(seed)
    spread = np.nanstd(returns)
    drawn = spread * rng.standard_normal(returns.shape)
    return drawn if np.isinf(noise) else returns + noise * drawn
