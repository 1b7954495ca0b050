"""Made inputs that tests of several rooms share."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from kronos_quant import schema

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


def weekdays(count: int, start: date = date(2024, 1, 1)) -> list[date]:
    """The first `count` weekdays from `start` on."""
    days = (start + timedelta(days=i) for i in range(2 * count + 7))
    return [day for day in days if day.weekday() < 5][:count]


def make_bars(symbols: list[str], sessions: list[date], seed: int = 0) -> pl.DataFrame:
    """Daily bars of a random walk for every symbol on every session."""
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        close = 20 * np.exp(np.cumsum(0.02 * rng.standard_normal(len(sessions))))
        opened = close * np.exp(0.005 * rng.standard_normal(len(sessions)))
        volume = np.exp(10 + 0.3 * rng.standard_normal(len(sessions)))
        frames.append(
            pl.DataFrame(
                {
                    "symbol": symbol,
                    "date": sessions,
                    "time": [datetime.combine(day, datetime.min.time()) for day in sessions],
                    "open": opened,
                    "high": np.maximum(opened, close) * 1.01,
                    "low": np.minimum(opened, close) * 0.99,
                    "close": close,
                    "volume": volume,
                    "amount": volume * close,
                    "factor": 1.0,
                }
            )
        )
    return pl.concat(frames).cast(schema.BARS)
