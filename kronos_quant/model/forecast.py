"""Forecasts as data: sample paths in price units, their quantiles, the probability of a rise, and what came.

Letters: B symbols, S sample paths, L lookback, H horizon.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant.arrays import FloatArray
from kronos_quant.bounds import MOST_MONEY
from kronos_quant.display import Displayed, summary_table
from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.inputs import as_frame, as_number
from kronos_quant.schema import FEATURES, PRICES, quantile_name

if TYPE_CHECKING:
    import pandas as pd

    from kronos_quant.charts import Chart

Base = Literal["actual", "decoded"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Levels of the quantiles in a forecast's table."""
SHOWN_BARS = 90
"""Bars before the forecast in its chart."""
LEAST_PRICE_SHARE = 1e-3
"""A decoded or sampled price below this share of the last close is raised to it: a price is never negative."""

OPEN, HIGH, LOW, CLOSE = range(len(PRICES))


@dataclass(frozen=True, slots=True)
class Repairs:
    """How many sampled bars were made valid, and by which rule; see `repair_bars`."""

    bars: int
    """All sampled bars."""
    raised: int
    """Bars with a price that was raised to the least one."""
    widened: int
    """Bars whose high or low did not enclose open and close."""
    emptied: int
    """Bars with a negative volume or amount, set to 0."""

    def lines(self) -> list[str]:
        """The repairs in words, none where there were none."""
        rules = (
            (self.widened, "had a high or low that did not enclose open and close: widened"),
            (self.raised, f"had a price below {LEAST_PRICE_SHARE:.1%} of the last close: raised to it"),
            (self.emptied, "had a negative volume or amount: set to 0"),
        )
        return [f"{count:,} of {self.bars:,} sampled bars {rule}" for count, rule in rules if count]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Forecast(Displayed):
    """Sample paths of the bars to come, by symbol, in the units of the bars given.

    >>> forecast = Forecast(
    ...     symbols=("A",), asof=np.array(["2025-06-05"], "datetime64[us]"), lookback=np.array([60]),
    ...     last_close=np.array([10.0]), paths=np.array([9.0, 11.0, 12.0]).reshape(1, 3, 1, 1) * np.ones(6),
    ...     times=np.array([["2025-06-06"]], "datetime64[us]"), estimated=np.array([[False]]),
    ...     repairs=Repairs(3, 0, 0, 0), notes=(),
    ... )
    >>> forecast.quantiles((0.05, 0.5))["q50"].to_list()
    [11.0]
    >>> forecast
    Forecast of A: 1 bar after 2025-06-05, 3 sample paths
      last close             10
      median at the end      11 (+10.00%)
      90% interval          9.2 to 11.9
      probability of a rise  67%
    """

    symbols: tuple[str, ...]
    """B, ascending."""
    asof: NDArray[np.datetime64]
    """[B]: end of the last bar that the model saw of each symbol."""
    lookback: NDArray[np.int64]
    """[B]: bars that it saw."""
    last_close: FloatArray
    """[B]: close of the last bar."""
    paths: FloatArray
    """[B, S, H, 6]: open, high, low, close, volume, amount; every bar is valid."""
    times: NDArray[np.datetime64]
    """[B, H]: end stamps of the bars to come."""
    estimated: NDArray[np.bool_]
    """[B, H]: the stamp comes from no exchange calendar."""
    repairs: Repairs
    notes: tuple[str, ...]
    """What was done to the rows that were given, in words."""
    realised: pl.DataFrame | None = None
    """The bars that followed, where the forecast is of a past date: symbol, time, open … amount, in the same units."""
    history: pl.DataFrame | None = None
    """The last bars of each symbol, SHOWN_BARS at most, in the same columns and units."""

    @property
    def samples(self) -> int:
        """Paths per symbol."""
        return int(self.paths.shape[1])

    @property
    def horizon(self) -> int:
        """Bars forecast."""
        return int(self.paths.shape[2])

    @property
    def title(self) -> str:
        """What it is a forecast of, after which moment, from how many paths."""
        asof = " to ".join(dict.fromkeys(day_text(moment) for moment in (self.asof.min(), self.asof.max())))
        return (
            f"Forecast of {listed(self.symbols, 3)}: {counted(self.horizon, 'bar')} after {asof}, "
            f"{self.samples:,} sample paths"
        )

    def summary(self) -> pl.DataFrame:
        """The close after the last bar: median, 90% interval, probability of a rise; means over several symbols.

        The notes come last.
        """
        return summary_table(self._figures(), self._remarks())

    def _figures(self) -> list[tuple[str, str]]:
        closes, last = self.paths[:, :, -1, CLOSE], self.last_close
        low, median, high = np.quantile(closes, (0.05, 0.5, 0.95), axis=1)
        change, rise = float((median / last - 1).mean()), float((closes > last[:, None]).mean())
        if len(self.symbols) > 1:
            width = float(((high - low) / last).mean())
            figures = [
                ("symbols", f"{len(self.symbols):,}"),
                ("median return, mean", f"{change:+.2%}"),
                ("90% interval, mean width", f"{width:.2%} of the last close"),
                ("probability of a rise, mean", f"{rise:.0%}"),
            ]
        else:
            figures = [
                ("last close", f"{last[0]:.6g}"),
                ("median at the end", f"{median[0]:.6g} ({change:+.2%})"),
                ("90% interval", f"{low[0]:.6g} to {high[0]:.6g}"),
                ("probability of a rise", f"{rise:.0%}"),
            ]
            if self.realised is not None and self.realised.height:
                came, bars = float(self.realised["close"][-1]), counted(self.realised.height, "bar")
                figures.append((f"close after {bars}", f"{came:.6g} (realised), {self._place_of_realised()}"))
        return figures

    def _place_of_realised(self) -> str:
        """Where the last bar that followed closed, of the first symbol."""
        assert self.realised is not None
        own = self.realised.filter(pl.col("symbol") == self.symbols[0])["close"]
        low, high = np.quantile(self.paths[0, :, len(own) - 1, CLOSE], (0.05, 0.95))
        return f"{'inside' if low <= own[-1] <= high else 'outside'} the 90% interval"

    def _remarks(self) -> tuple[str, ...]:
        """The notes, what was repaired, and whether stamps are estimated."""
        stamps = ("some time stamps are estimated: no exchange calendar covers them",) if self.estimated.any() else ()
        return tuple(dict.fromkeys((*stamps, *self.notes, *self.repairs.lines())))

    def plot(self, symbol: str | None = None, history: Any = None) -> Chart:
        """The quantiles of the close as a fan, with the bars that followed where the forecast is of a past date.

        Parameters
        ----------
        symbol : str | None
            Which of the symbols; None is the first.
        history : table of bars | None
            The bars before, in the units of the forecast; None: `self.history`.

        Raises
        ------
        ConfigError
            For a symbol that the forecast does not have.
        DataError
            For a table that is none of bars.
        """
        from kronos_quant.charts import Fan, forecast_figure

        name = self.symbols[0] if symbol is None else symbol
        if name not in self.symbols:
            raise ConfigError(f"symbol: expected one of {listed(self.symbols)}, found {name!r}")
        place = self.symbols.index(name)
        of_symbol = pl.col("symbol") == name
        rows = self.quantiles().filter(of_symbol)
        fan = Fan(
            history=self._history(place, self.history if history is None else history),
            times=rows["time"].to_list(),
            levels=QUANTILES,
            quantiles=rows.select(quantile_name(level) for level in QUANTILES).to_numpy().T,
            realised=None if self.realised is None else self.realised.filter(of_symbol),
        )
        asof = day_text(self.asof[place])
        return forecast_figure(fan, f"{name}: forecast of {counted(self.horizon, 'bar')} after {asof}")

    def _history(self, place: int, history: Any) -> pl.DataFrame:
        """The bars up to the forecast; the last close alone as a bar where none are given."""
        last = pl.lit(self.asof[place].astype("datetime64[us]").item())
        if history is None:
            close = float(self.last_close[place])
            return pl.select(last.alias("time"), *(pl.lit(close).alias(name) for name in PRICES))
        bars = as_frame(history, "history")
        if lacking := [column for column in ("time", *PRICES) if column not in bars.columns]:
            raise DataError(f"history: lacks {', '.join(lacking)}; its columns are {listed(bars.columns) or 'none'}")
        if "symbol" in bars.columns:
            bars = bars.filter(pl.col("symbol") == self.symbols[place])
        bars = bars.filter(pl.col("time") <= last).sort("time")
        if bars.is_empty():
            raise DataError(f"history: no bars of {self.symbols[place]} up to {day_text(self.asof[place])}")
        return bars.tail(SHOWN_BARS)

    def quantiles(self, levels: float | Iterable[float] = QUANTILES, column: str = "close") -> pl.DataFrame:
        """Quantiles over the paths: symbol, time, estimated, and a column per level (q05, q50, q975, …).

        levels : one probability from 0 to 1, or several. column : one of open, high, low, close, volume, amount.
        Raises ConfigError for others.
        """
        if column not in FEATURES:
            raise ConfigError(f"column: expected one of {', '.join(FEATURES)}, found {column!r}")
        given = list(levels) if isinstance(levels, Iterable) else [levels]
        for level in given:
            as_number(level, "levels", lambda share: 0 <= share <= 1, "probabilities from 0 to 1")
        if not given:
            raise ConfigError("levels: expected probabilities from 0 to 1, found none")
        found = np.quantile(self.paths[..., FEATURES.index(column)], given, axis=1)
        named = {quantile_name(level): row.ravel() for level, row in zip(given, found, strict=True)}
        return self._stamped().with_columns(**{name: pl.Series(row) for name, row in named.items()})

    def probability_of_rise(self) -> pl.DataFrame:
        """Share of the paths whose close is above the last close: symbol, time, estimated, p_rise."""
        rises = self.paths[..., CLOSE] > self.last_close[:, None, None]
        return self._stamped().with_columns(p_rise=pl.Series(rises.mean(axis=1).ravel()))

    def table(self) -> pl.DataFrame:
        """One row per symbol and bar to come: symbol, time, estimated, q05 … q95 of the close, p_rise."""
        return self.quantiles().with_columns(self.probability_of_rise()["p_rise"])

    def to_pandas(self) -> pd.DataFrame:
        """`table()` as a pandas frame."""
        return self.table().to_pandas()

    def frame(self) -> pl.DataFrame:
        """Every sampled bar, one per row: symbol, sample, time, estimated, open … amount."""
        B, S, H, _ = self.paths.shape
        keys = self._stamped().with_columns(series=np.repeat(np.arange(B), H), step=np.tile(np.arange(H), B))
        bars = pl.DataFrame(self.paths.reshape(-1, len(FEATURES)), schema=list(FEATURES)).with_columns(
            series=np.repeat(np.arange(B), S * H),
            sample=np.tile(np.repeat(np.arange(S), H), B),
            step=np.tile(np.arange(H), B * S),
        )
        joined = bars.join(keys, on=["series", "step"], how="left", maintain_order="left")
        return joined.select("symbol", "sample", "time", "estimated", *FEATURES)

    def scaled(self, factor: float) -> Forecast:
        """The same forecast with every price times `factor`, above 0: 1 / adjustment factor gives prices as quoted."""
        factor = as_number(factor, "factor", lambda factor: 0 < factor <= MOST_MONEY, "a number above 0, at most 1e15")
        paths = self.paths.copy()
        paths[..., : len(PRICES)] *= factor
        realised, history = (
            None if bars is None else bars.with_columns(pl.col(PRICES) * factor)
            for bars in (self.realised, self.history)
        )
        return replace(self, paths=paths, last_close=self.last_close * factor, realised=realised, history=history)

    def _stamped(self) -> pl.DataFrame:
        H = self.times.shape[1]
        return pl.DataFrame(
            {
                "symbol": np.repeat(np.array(self.symbols, dtype=object), H).tolist(),
                "time": self.times.ravel(),
                "estimated": self.estimated.ravel(),
            },
            schema_overrides={"symbol": pl.String, "time": pl.Datetime("us")},
        )


def day_text(moment: object) -> str:
    """A moment as text, without a time of day of 00:00.

    >>> day_text(np.datetime64("2025-06-05T00:00", "us")), day_text(np.datetime64("2025-06-05T10:30", "us"))
    ('2025-06-05', '2025-06-05 10:30:00')
    """
    known = moment.item() if isinstance(moment, np.datetime64) else moment
    return f"{known}".removesuffix(" 00:00:00")


def repair_bars(paths: FloatArray, last_close: FloatArray) -> tuple[FloatArray, Repairs]:
    """Sampled bars made valid, and how many were not.

    paths : float64[B, S, H, 6]; last_close : float64[B], in the same units. In this order: a price below
    LEAST_PRICE_SHARE of the last close is raised to it; a high below the open or the close is raised to the higher of
    both, a low above them lowered to the lower; a negative volume or amount becomes 0. (The network decodes six
    independent numbers per bar: nothing in it keeps the high above the close.)
    """
    floor = (last_close * LEAST_PRICE_SHARE)[:, None, None, None]
    prices = np.maximum(paths[..., : len(PRICES)], floor)
    raised = (prices != paths[..., : len(PRICES)]).any(axis=-1)
    high = prices[..., [OPEN, HIGH, CLOSE]].max(axis=-1)
    low = prices[..., [OPEN, LOW, CLOSE]].min(axis=-1)
    widened = (high != prices[..., HIGH]) | (low != prices[..., LOW])
    traded = np.maximum(paths[..., len(PRICES) :], 0.0)
    emptied = (traded != paths[..., len(PRICES) :]).any(axis=-1)
    valid = np.concatenate([prices, traded], axis=-1)
    valid[..., HIGH], valid[..., LOW] = high, low
    return valid, Repairs(raised.size, int(raised.sum()), int(widened.sum()), int(emptied.sum()))
