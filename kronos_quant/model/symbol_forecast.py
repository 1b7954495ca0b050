"""The forecast of one symbol, with a random walk next to it: what `kq forecast` reports.

Letters: H bars to come, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from scipy import stats

from kronos_quant.arrays import FloatArray
from kronos_quant.errors import counted
from kronos_quant.model.forecast import QUANTILES, Forecast, day_text

ALIKE = 0.05
"""Widths that differ by less than this share are called equal."""


@dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=True)
class SymbolForecast(Forecast):
    """A forecast of one symbol in prices as quoted at its last bar, and where its run, picture and page are."""

    model: str
    """Its name, and the beginning of its digest."""
    naive: FloatArray
    """[Q, H]: the quantiles QUANTILES of a random walk."""
    folder: Path
    """Of the run."""

    @classmethod
    def of(cls, forecast: Forecast, history: FloatArray, model: str, folder: Path) -> Self:
        """The forecast with the random walk of `history`, the closes that the model saw."""
        known = {field.name: getattr(forecast, field.name) for field in fields(Forecast)}
        naive = random_walk_band(history, forecast.horizon, QUANTILES)
        return cls(**known, model=model, naive=naive, folder=folder)

    @property
    def symbol(self) -> str:
        """Its symbol."""
        return self.symbols[0]

    @property
    def picture(self) -> Path:
        """The chart, a PNG file."""
        return self.folder / "forecast.png"

    @property
    def page(self) -> Path:
        """The page, an HTML file that needs no network."""
        return self.folder / "forecast.html"

    @property
    def width(self) -> float:
        """Of the model's 90% interval at the last bar, in the price's units."""
        last = self.bands()[-1]
        return float(last["q95"][0] - last["q05"][0])

    @property
    def naive_width(self) -> float:
        """Of the random walk's."""
        return float(self.naive[-1, -1] - self.naive[0, -1])

    def bands(self) -> pl.DataFrame:
        """A row per bar to come: time, estimated, q05 … q95 of the close, p_rise, naive_q05, naive_q95."""
        outer = {"naive_q05": pl.Series(self.naive[0]), "naive_q95": pl.Series(self.naive[-1])}
        return self.table().drop("symbol").with_columns(**outer)

    def _figures(self) -> list[tuple[str, str]]:
        widths = f"{self.width:.4g}; random walk: {self.naive_width:.4g} ({self._compared()})"
        return [*Forecast._figures(self), ("90% interval, width", widths), ("model", self.model)]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "symbol": self.symbol,
            "asof": day_text(self.asof[0]),
            "model": self.model,
            "samples": self.samples,
            "last_close": float(self.last_close[0]),
            "width": self.width,
            "naive_width": self.naive_width,
            "bars": self.bands().to_dicts(),
            "realised": [] if self.realised is None else self.realised.to_dicts(),
            "notes": list(self.notes),
            "picture": self.picture,
            "page": self.page,
        }

    def rows(self) -> list[dict[str, Any]]:
        """The bands for a terminal: a day needs no 00:00, and `estimated` is shown where a stamp is."""
        rows = [bar | {"time": day_text(bar["time"])} for bar in self.bands().to_dicts()]
        if not self.estimated.any():
            return [{name: value for name, value in bar.items() if name != "estimated"} for bar in rows]
        return [bar | {"estimated": bar["estimated"] or None} for bar in rows]

    def words(self) -> list[str]:
        """The result in sentences, with the model's width compared to the random walk's."""
        last, close = self.bands().row(-1, named=True), float(self.last_close[0])
        bars = counted(self.horizon, "bar")
        found = [
            f"last close {close:.6g}; median {last['q50']:.6g} after {bars} ({last['q50'] / close - 1:+.2%}); "
            f"{last['p_rise']:.0%} of the paths end above the last close",
            f"90% interval after {bars}: width {self.width / close:.2%} of the last close; of a random walk with "
            f"the same volatility: {self.naive_width / close:.2%} ({self._compared()})",
        ]
        if self.realised is not None and self.realised.height:
            came, step = float(self.realised["close"][-1]), self.realised.height - 1
            found.append(
                f"realised close after {counted(step + 1, 'bar')}: {came:.6g} ({came / close - 1:+.2%}), "
                f"{self._place_of_realised()}"
            )
        if self.estimated.any():
            found.append("some time stamps are estimated: no exchange calendar covers them")
        return [*found, *self.notes]

    def lines(self) -> list[str]:
        """The outcome in words, for a terminal."""
        first, *others = self.words()
        return [
            f"{self.symbol} after {day_text(self.asof[0])}: {first}",
            *others,
            f"model {self.model}, {self.samples} sample paths",
            f"picture: {self.picture}",
            f"page: {self.page}",
        ]

    def _compared(self) -> str:
        if not self.naive_width:
            return "the history did not move"
        ratio = self.width / self.naive_width
        if abs(ratio - 1) < ALIKE:
            return f"ratio {ratio:.2f}: about the same"
        return f"ratio {ratio:.2f}: the model is {'more' if ratio < 1 else 'less'} confident"


def random_walk_band(history: FloatArray, steps: int, levels: Sequence[float]) -> FloatArray:
    """Quantiles float64[Q, H] of a driftless random walk with the history's volatility of log returns.

    >>> random_walk_band(np.array([100.0, 110.0, 99.0]), 2, (0.05, 0.5)).round(2)
    array([[78.39, 71.17],
           [99.  , 99.  ]])
    """
    volatility = float(np.diff(np.log(history)).std(ddof=1))
    spread = volatility * np.sqrt(np.arange(1, steps + 1))
    values: FloatArray = history[-1] * np.exp(np.outer(stats.norm.ppf(levels), spread))
    return values
