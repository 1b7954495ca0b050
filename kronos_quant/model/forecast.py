"""Real bars -> Forecast: sample paths in price units, with their quantiles and the probability of a rise.

Letters: B symbols, S sample paths, L lookback, H horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant.arrays import FloatArray
from kronos_quant.errors import ConfigError, listed
from kronos_quant.market import FutureTimes
from kronos_quant.model.sampling import series_seed
from kronos_quant.model.series import LEAST_BARS, Series, Table, read_series, times_after
from kronos_quant.schema import FEATURES, PRICES
from kronos_quant.windows import WindowIndex, Windows, bar_table, denormalise, gather, stamps

if TYPE_CHECKING:
    from kronos_quant.model.forecaster import Forecaster

Base = Literal["actual", "decoded"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LEAST_PRICE_SHARE = 1e-3
"""A decoded or sampled price below this share of the last close is raised to it: a price is never negative."""

_OPEN, _HIGH, _LOW, CLOSE = range(len(PRICES))


@dataclass(frozen=True, slots=True)
class Repairs:
    """How many sampled bars were made valid, and by which rule; see `repaired`."""

    bars: int
    """All sampled bars."""
    raised: int
    """Bars with a price that was raised to the least one."""
    widened: int
    """Bars whose high or low did not hold open and close between them."""
    emptied: int
    """Bars with a negative volume or amount, set to 0."""

    def lines(self) -> list[str]:
        """The repairs in words, none where there were none."""
        told = (
            (self.widened, "had a high or low that did not hold open and close: moved to hold them"),
            (self.raised, f"had a price below {LEAST_PRICE_SHARE:.1%} of the last close: raised to it"),
            (self.emptied, "had a negative volume or amount: set to 0"),
        )
        return [f"{count:,} of {self.bars:,} sampled bars {what}" for count, what in told if count]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Sample paths of the bars to come, by symbol, in the units of the bars given."""

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
    """[B, H]: no calendar vouches for the stamp."""
    repairs: Repairs
    notes: tuple[str, ...]
    """What was done to the rows that were given, in words."""

    @property
    def samples(self) -> int:
        """Paths a symbol."""
        return int(self.paths.shape[1])

    def quantiles(self, levels: Sequence[float] = QUANTILES, column: str = "close") -> pl.DataFrame:
        """Quantiles over the paths: symbol, time, estimated, and a column a level (q05, q50, q97.5, …).

        levels : probabilities from 0 to 1. column : one of open, high, low, close, volume, amount.
        Raises ConfigError for others.
        """
        if column not in FEATURES:
            raise ConfigError(f"column: expected one of {', '.join(FEATURES)}, found {column!r}")
        wrong = [level for level in levels if not 0 <= level <= 1]
        if wrong or not levels:
            raise ConfigError(f"levels: expected probabilities from 0 to 1, found {listed(wrong) or 'none'}")
        found = np.quantile(self.paths[..., FEATURES.index(column)], levels, axis=1)
        named = {quantile_name(level): row.ravel() for level, row in zip(levels, found, strict=True)}
        return self._stamped().with_columns(**{name: pl.Series(row) for name, row in named.items()})

    def probability_of_rise(self) -> pl.DataFrame:
        """Share of the paths whose close is above the last close: symbol, time, estimated, p_rise."""
        rises = self.paths[..., CLOSE] > self.last_close[:, None, None]
        return self._stamped().with_columns(p_rise=pl.Series(rises.mean(axis=1).ravel()))

    def frame(self) -> pl.DataFrame:
        """Every sampled bar, one a row: symbol, sample, time, estimated, open … amount (`.to_pandas()` for pandas)."""
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
        """The same forecast with every price times `factor`: 1 / adjustment factor gives prices as quoted."""
        paths = self.paths.copy()
        paths[..., : len(PRICES)] *= factor
        return replace(self, paths=paths, last_close=self.last_close * factor)

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


def quantile_name(level: float) -> str:
    """The column of a quantile: q05, q50, q97.5."""
    whole, point, rest = f"{level * 100:g}".partition(".")
    return f"q{whole:0>2}{point}{rest}"


def forecast_bars(
    forecaster: Forecaster,
    bars: Table,
    horizon: int,
    *,
    samples: int,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int,
    lookback: int | None,
    exchange: str,
    symbol: str | None,
    future: FutureTimes | None,
    base: Base,
) -> Forecast:
    """What `Forecaster.forecast` does; its docstring says what the arguments are."""
    _check_settings(horizon, samples, lookback, future, base)
    series = read_series(bars, symbol, exchange)
    most = lookback or usual_lookback(forecaster.max_context, horizon)
    ahead = _ahead(series, horizon, exchange, future)
    names = list(ahead)
    shape = (len(names), samples, horizon, len(FEATURES))
    paths, last = np.empty(shape), np.empty((len(names), len(FEATURES)))
    asof, seen = np.empty(len(names), "datetime64[us]"), np.empty(len(names), np.int64)
    for rows, windows in _windows(series, most, forecaster.clip):
        sampled = forecaster.paths(
            windows.values,
            windows.stamp,
            stamps([time for row in rows for time in ahead[names[row]].times]).reshape(len(rows), horizon, -1),
            samples=samples,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seeds=np.array([series_seed(seed, names[row], windows.asof[i].item()) for i, row in enumerate(rows)]),
        )
        paths[rows] = denormalise(sampled.paths, windows.scale)
        last[rows] = denormalise(sampled.last[:, None], windows.scale)[:, 0]
        asof[rows], seen[rows] = windows.asof, windows.lookback
    closes = series.bars.group_by("symbol", maintain_order=True).last()["close"].cast(pl.Float64).to_numpy()
    paths, repairs = repaired(paths, closes)
    if base == "decoded":
        decoded = np.maximum(last[:, CLOSE], closes * LEAST_PRICE_SHARE)
        paths[..., : len(PRICES)] *= (closes / decoded)[:, None, None, None]
    return Forecast(
        symbols=tuple(names),
        asof=asof,
        lookback=seen,
        last_close=closes,
        paths=paths,
        times=np.array([ahead[name].times for name in names], dtype="datetime64[us]"),
        estimated=np.array([ahead[name].estimated for name in names]),
        repairs=repairs,
        notes=series.notes,
    )


def usual_lookback(max_context: int, horizon: int) -> int:
    """Bars that fit into `max_context` beside the horizon, so that the window never slides; at least half of it."""
    return max(LEAST_BARS, max_context // 2, max_context - horizon)


def repaired(paths: FloatArray, last_close: FloatArray) -> tuple[FloatArray, Repairs]:
    """Sampled bars made valid, and how many were not.

    paths : float64[B, S, H, 6]; last_close : float64[B], in the same units. In this order: a price below
    LEAST_PRICE_SHARE of the last close is raised to it; a high below the open or the close is raised to the higher of
    both, a low above them lowered to the lower; a negative volume or amount becomes 0. (The network decodes six
    independent numbers a bar: nothing in it keeps the high above the close.)
    """
    floor = (last_close * LEAST_PRICE_SHARE)[:, None, None, None]
    prices = np.maximum(paths[..., : len(PRICES)], floor)
    raised = (prices != paths[..., : len(PRICES)]).any(axis=-1)
    high = prices[..., [_OPEN, _HIGH, CLOSE]].max(axis=-1)
    low = prices[..., [_OPEN, _LOW, CLOSE]].min(axis=-1)
    widened = (high != prices[..., _HIGH]) | (low != prices[..., _LOW])
    traded = np.maximum(paths[..., len(PRICES) :], 0.0)
    emptied = (traded != paths[..., len(PRICES) :]).any(axis=-1)
    valid = np.concatenate([prices, traded], axis=-1)
    valid[..., _HIGH], valid[..., _LOW] = high, low
    return valid, Repairs(raised.size, int(raised.sum()), int(widened.sum()), int(emptied.sum()))


def _check_settings(horizon: int, samples: int, lookback: int | None, future: FutureTimes | None, base: str) -> None:
    if horizon < 1:
        raise ConfigError(f"horizon: must be >= 1, got {horizon}")
    if samples < 1:
        raise ConfigError(f"samples: must be >= 1, got {samples}")
    if lookback is not None and lookback < LEAST_BARS:
        raise ConfigError(f"lookback: must be >= {LEAST_BARS}, got {lookback}")
    if base not in ("actual", "decoded"):
        raise ConfigError(f"base: expected actual or decoded, got {base!r}")
    if future is not None and len(future.times) != horizon:
        raise ConfigError(f"future: expected {horizon} end stamps, found {len(future.times)}")


def _ahead(series: Series, horizon: int, exchange: str, future: FutureTimes | None) -> dict[str, FutureTimes]:
    """Symbol -> its bars to come, ascending by symbol."""
    if future is None:
        return times_after(series, horizon, exchange)
    return dict.fromkeys(series.bars["symbol"].unique().sort().to_list(), future)


def _windows(series: Series, most: int, clip: float) -> list[tuple[NDArray[np.int64], Windows]]:
    """The last window of every symbol, symbols of equal lookback together: their numbers among all, and the windows."""
    table = bar_table(series.bars, series.bars["date"].unique().sort().to_list())
    lookback = np.minimum(np.diff(table.offset), most)
    groups = []
    for length in np.unique(lookback):
        rows = np.flatnonzero(lookback == length)
        index = WindowIndex(int(length), 0, table.offset[rows + 1] - 1)
        groups.append((rows, gather(table, index, slice(None), clip)))
    return groups
