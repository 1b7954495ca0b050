"""Made markets as the Qlib directories that pyqlib reads."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from backtest.markets import delisted

from kronos_quant.backtest import Panel
from kronos_quant.panel.matrix import forward_fill


def weekdays_from(first: date, count: int) -> tuple[date, ...]:
    """The first `count` weekdays from a day on: Qlib reads the day before a gap in another way."""
    days = (first + timedelta(days=t) for t in range(count * 7 // 5 + 7))
    return tuple([day for day in days if day.weekday() < 5][:count])


def made_panel(seed: int, T: int = 60, N: int = 16) -> Panel:
    """Moves at and near the limits, suspensions, late listings, delistings, splits, missing opens, missing scores."""
    rng = np.random.default_rng(seed)
    close = np.round(rng.uniform(3, 40, N) * np.exp(np.cumsum(rng.normal(0, 0.03, (T, N)), axis=0)), 2)
    jump = rng.random((T, N)) < 0.06
    for t in range(1, T):
        close[t] = np.where(jump[t], np.round(close[t - 1] * rng.choice([0.9, 0.905, 1.095, 1.1], N), 2), close[t])
    factor = np.cumprod(np.where(rng.random((T, N)) < 0.02, 1.5, 1.0), axis=0) * rng.choice([1.0, 0.2731], N)
    open_ = np.round(close * np.exp(rng.normal(0, 0.01, (T, N))), 2)
    open_[rng.random((T, N)) < 0.01] = np.nan
    open_[rng.random((T, N)) < 0.01] = 0.0
    gone = rng.random((T, N)) < 0.03
    for i in range(3):
        gone[: int(rng.integers(5, T // 2)), i] = True
        gone[int(rng.integers(T // 2, T - 5)) :, i + 3] = True
    score = np.round(rng.normal(0, 1, (T, N)), 1)  # with ties
    score[(rng.random((T, N)) < 0.1) | gone] = np.nan
    volume = np.exp(rng.normal(12, 1.5, (T, N))).astype(np.float32).astype(np.float64)
    volume[rng.random((T, N)) < 0.01] = 0.0
    volume[(rng.random((T, N)) < 0.01) | gone] = np.nan
    adjusted = (close * factor).astype(np.float32).astype(np.float64)
    opened = (open_ * factor).astype(np.float32).astype(np.float64)
    factor = factor.astype(np.float32).astype(np.float64)
    for values in (adjusted, opened, factor):
        values[gone] = np.nan
    last = np.array([np.flatnonzero(~np.isnan(column)).max() for column in adjusted.T])
    return Panel(
        dates=weekdays_from(date(2024, 1, 1), T),
        symbols=tuple(f"SH6{i:05d}" for i in range(N)),
        open=opened,
        high=adjusted,
        low=adjusted,
        close=adjusted,
        volume=volume,
        factor=factor,
        score=score,
        delisted=delisted(last + 1, T),
    )


def write_directory(
    panel: Panel, root: Path, *, without_factor: str | None = None, unlisted: dict[str, tuple[int, int]] | None = None
) -> Path:
    """The panel as a Qlib directory, with a day before it and one after it in the calendar.

    unlisted : by symbol, the first and last row that lie between two spans of its listing, in spite of its bars
    """
    days = [panel.dates[0] - timedelta(days=1), *panel.dates, *weekdays_from(panel.dates[-1] + timedelta(days=1), 1)]
    (root / "calendars").mkdir(parents=True)
    (root / "calendars" / "day.txt").write_text("".join(f"{day}\n" for day in days))
    (root / "instruments").mkdir()
    change = np.full(panel.close.shape, np.nan)
    last = forward_fill(panel.close)
    change[1:] = last[1:] / last[:-1] - 1
    change[np.isnan(panel.close)] = np.nan
    lines = []
    for n, symbol in enumerate(panel.symbols):
        rows = np.flatnonzero(~np.isnan(panel.close[:, n]))
        first, end = int(rows[0]), int(rows[-1])
        away = (unlisted or {}).get(symbol)
        spans = [(first, end)] if away is None else [(first, away[0] - 1), (away[1] + 1, end)]
        lines += [f"{symbol}\t{panel.dates[begin]}\t{panel.dates[last_row]}\n" for begin, last_row in spans]
        folder = root / "features" / symbol.lower()
        folder.mkdir(parents=True)
        fields = {name: getattr(panel, name) for name in ("open", "high", "low", "close", "volume", "factor")}
        for name, values in (fields | {"change": change}).items():
            column = values[first : end + 1, n]
            if name == "factor" and symbol == without_factor:
                column = np.full(len(column), np.nan)
            np.r_[first + 1, column].astype("<f4").tofile(folder / f"{name}.day.bin")
    (root / "instruments" / "all.txt").write_text("".join(lines))
    return root


def scores_of(panel: Panel) -> pl.DataFrame:
    """The panel's scores as a long frame, without missing ones."""
    t, n = np.nonzero(~np.isnan(panel.score))
    return pl.DataFrame(
        {"date": [panel.dates[i] for i in t], "symbol": [panel.symbols[i] for i in n], "score": panel.score[t, n]}
    )
