"""Small made markets for the tests of this room."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from kronos_quant.backtest import Panel


def dates(count: int) -> tuple[date, ...]:
    return tuple(date(2024, 1, 1) + timedelta(days=t) for t in range(count))


def panel_of(score, close, *, open_=None, factor=None, gone=None) -> Panel:
    """A panel from lists of rows; open is the close, the factor 1 and no symbol delisted unless given."""
    close = np.array(close, dtype=float)
    T, N = close.shape
    last_bar = np.array([np.flatnonzero(~np.isnan(column)).max(initial=-1) for column in close.T])
    return Panel(
        dates=dates(T),
        symbols=tuple(f"S{i:02d}" for i in range(N)),
        open=close.copy() if open_ is None else np.array(open_, dtype=float),
        high=close.copy(),
        low=close.copy(),
        close=close,
        volume=np.where(np.isnan(close), np.nan, 1e6),
        factor=np.where(np.isnan(close), np.nan, 1.0) if factor is None else np.array(factor, dtype=float),
        score=np.array(score, dtype=float),
        gone=(last_bar + 1).astype(np.int64) if gone is None else np.array(gone, dtype=np.int64),
    )


def random_market(seed: int) -> tuple[Panel, np.ndarray, np.ndarray]:
    """A panel with ties, missing scores, suspensions, listings, delistings, splits; its limits and lots."""
    rng = np.random.default_rng(seed)
    T, N = int(rng.integers(2, 30)), int(rng.integers(1, 14))
    close = np.round(rng.uniform(2, 40, N) * np.exp(np.cumsum(rng.normal(0, 0.05, (T, N)), axis=0)), 2)
    open_ = np.round(close * np.exp(rng.normal(0, 0.04, (T, N))), 2)
    factor = np.cumprod(np.where(rng.random((T, N)) < 0.03, 2.0, 1.0), axis=0) * rng.choice([1.0, 0.37], N)
    missing = rng.random((T, N)) < rng.choice([0.0, 0.1, 0.4])
    for i in np.flatnonzero(rng.random(N) < 0.25):
        missing[int(rng.integers(0, T)) :, i] = True
    for i in np.flatnonzero(rng.random(N) < 0.25):
        missing[: int(rng.integers(0, T)), i] = True
    score = np.round(rng.normal(0, 1, (T, N)), int(rng.integers(0, 4)))
    score[rng.random((T, N)) < rng.choice([0.0, 0.2, 0.7])] = np.nan
    score[rng.random(T) < 0.1] = np.nan
    for values in (close, open_, factor):
        values[missing] = np.nan
    open_[rng.random((T, N)) < 0.01] = np.nan
    panel = panel_of(score, close * factor, open_=open_ * factor, factor=factor)
    if rng.random() < 0.3:  # bars go on after the last session: absent now is suspended, not delisted
        panel = panel_of(score, panel.close, open_=panel.open, factor=panel.factor, gone=np.full(N, T))
    limits = np.where(rng.random((T, N)) < 0.7, 0.05, np.nan)
    return panel, limits, rng.choice([0, 1, 100], N).astype(np.int64)
