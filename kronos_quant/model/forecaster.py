"""Real bars -> Forecast: the public face of the model, for tables of one symbol or many.

Letters: B symbols, S sample paths, L lookback, H horizon.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant.bounds import MOST_BARS, MOST_PATH_BARS, MOST_SAMPLES
from kronos_quant.errors import ConfigError
from kronos_quant.inputs import DateLike, PathLike, Table, as_count, as_date, as_seed
from kronos_quant.market import FutureTimes
from kronos_quant.market.ranges import check_session
from kronos_quant.model.checkpoint import Pair, load_pair
from kronos_quant.model.decoding import Context, check_horizon
from kronos_quant.model.forecast import CLOSE, LEAST_PRICE_SHARE, SHOWN_BARS, Base, Forecast, repair_bars
from kronos_quant.model.kronos import Kronos, KronosTokenizer
from kronos_quant.model.sampler import PathSampler, Precision
from kronos_quant.model.sampling import DEFAULT_SAMPLING, Sampling, series_seed
from kronos_quant.model.series import LEAST_BARS, BarSeries, check_series, read_rows, times_after
from kronos_quant.schema import FEATURES, PRICES
from kronos_quant.windows import WindowIndex, Windows, bar_table, denormalise, gather, stamps


class Forecaster:
    """Forecasts real bars with a tokenizer and a predictor; the parameters are those of `PathSampler`.

    >>> from datetime import date, timedelta
    >>> from kronos_quant.model import PRESETS
    >>> nano = PRESETS["nano"]
    >>> forecaster = Forecaster(KronosTokenizer(nano.tokenizer), Kronos(nano.predictor), device="cpu")
    >>> days = [date(2025, 6, 2) + timedelta(days=i) for i in range(5)]
    >>> bars = pl.DataFrame({"date": days, "open": 10.0, "high": 10.5, "low": 9.5, "close": 10.0})
    >>> forecaster.forecast(bars, horizon=3, samples=8).paths.shape
    (1, 8, 3, 6)
    """

    def __init__(
        self,
        tokenizer: KronosTokenizer,
        predictor: Kronos,
        max_context: int | None = None,
        clip: float = 5.0,
        device: str = "auto",
        dtype: Precision = "float32",
        context: Context = "exact",
    ) -> None:
        if not isinstance(tokenizer, KronosTokenizer) or not isinstance(predictor, Kronos):
            raise ConfigError("Forecaster: expected a tokenizer and a predictor", hint="Use kq.forecast(bars, MODEL).")
        self.sampler = PathSampler(tokenizer, predictor, max_context, clip, device, dtype, context)

    @classmethod
    def of_pair(
        cls, pair: Pair, device: str = "auto", dtype: Precision = "float32", context: Context = "exact"
    ) -> Forecaster:
        """The forecaster of a loaded pair, with the longest window and the clip that its card says."""
        return cls(pair.tokenizer, pair.predictor, pair.max_context, float(pair.card.clip), device, dtype, context)

    def forecast(
        self,
        bars: Table,
        horizon: int,
        *,
        samples: int = 100,
        sampling: Sampling = DEFAULT_SAMPLING,
        seed: int = 0,
        lookback: int | None = None,
        asof: DateLike | None = None,
        exchange: str | None = None,
        symbol: str | None = None,
        future: FutureTimes | None = None,
        base: Base = "actual",
    ) -> Forecast:
        """Forecast the `horizon` bars after each symbol's last one, from a table of real bars.

        Nothing after a symbol's last bar is used. Invalid sampled bars are repaired: see `repair_bars`.

        Parameters
        ----------
        bars : Polars, pandas or Arrow, one bar per row; columns symbol (optional), time, timestamps or date, open,
            high, low, close, and volume and amount if there are any. Symbols may differ in length and in their last
            bar. What becomes of unsorted, repeated, empty and faulty rows: see `model.series`.
        horizon : bars to forecast, at most 8 x max_context; those beyond max_context follow sampled bars alone.
        samples : paths per symbol, at most 100,000.
        sampling : temperature, top_k and top_p.
        seed : with symbol and last time it fixes a symbol's paths, whatever else is in the table.
        lookback : bars the model sees, fewer where a symbol has fewer; None: as many as fit into max_context next to
            the horizon, at least half of it.
        asof : forecast after this date instead, a session of the bars; the later ones are kept as
            `Forecast.realised`.
        exchange : ISO code of the calendar that stamps the bars to come; None: the one that the symbols tell, else
            the rhythm of the bars is continued and the stamps are flagged as estimated.
        symbol : the one to forecast of several; where no column names symbols, that of all rows.
        future : the stamps to come, of every symbol, where they are known better.
        base : actual gives the paths as decoded, what the published code gives; decoded (the default of recipes)
            scales a symbol's prices so that its last bar, as the tokenizer decodes it, closes where the real one did:
            the tokenizer's error is then no jump at the first bar.

        Raises
        ------
        DataError
            For bars that cannot be forecast, naming symbol and row.
        ConfigError
            For settings out of range.
        """
        horizon, seed = check_horizon(horizon, self.sampler.max_context), as_seed(seed)
        _check_settings(horizon, samples, sampling, lookback, future, base)
        rows, later = _split(read_rows(bars, symbol, exchange or ""), as_date(asof, "asof"))
        series = check_series(rows)
        most = lookback or usual_lookback(self.sampler.max_context, horizon)
        symbols = series.bars["symbol"].unique().sort()
        ahead = times_after(series, horizon, exchange or "") if future is None else dict.fromkeys(symbols, future)
        forecast = self._sample(series, most, ahead, samples, sampling, seed, base)
        return forecast if later is None else replace(forecast, realised=_realised(later, forecast))

    def _sample(
        self,
        series: BarSeries,
        most: int,
        ahead: dict[str, FutureTimes],
        samples: int,
        sampling: Sampling,
        seed: int,
        base: Base,
    ) -> Forecast:
        names, horizon = list(ahead), len(next(iter(ahead.values())).times)
        if len(names) * samples * horizon > MOST_PATH_BARS:
            raise ConfigError(
                f"expected at most {MOST_PATH_BARS:,} forecast bars together, found {len(names):,} symbols x "
                f"{samples:,} samples x {horizon:,} bars"
            )
        shape = (len(names), samples, horizon, len(FEATURES))
        paths, last = np.empty(shape), np.empty((len(names), len(FEATURES)))
        asof, seen = np.empty(len(names), "datetime64[us]"), np.empty(len(names), np.int64)
        for rows, windows in _windows(series, most, self.sampler.clip):
            sampled = self.sampler.sample(
                windows.values,
                windows.stamp,
                stamps([time for row in rows for time in ahead[names[row]].times]).reshape(len(rows), horizon, -1),
                samples,
                sampling,
                np.array([series_seed(seed, names[row], windows.asof[i].item()) for i, row in enumerate(rows)]),
            )
            paths[rows] = denormalise(sampled.paths, windows.scale)
            last[rows] = denormalise(sampled.last[:, None], windows.scale)[:, 0]
            asof[rows], seen[rows] = windows.asof, windows.lookback
        closes = series.bars.group_by("symbol", maintain_order=True).last()["close"].cast(pl.Float64).to_numpy()
        paths, repairs = repair_bars(paths, closes)
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
            history=_tidy(series.bars.group_by("symbol", maintain_order=True).tail(SHOWN_BARS)),
        )


def forecast_bars(
    bars: Table,
    model: PathLike | Pair | Forecaster,
    horizon: int = 10,
    *,
    samples: int = 100,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 0.9,
    seed: int = 0,
    lookback: int | None = None,
    asof: DateLike | None = None,
    exchange: str | None = None,
    symbol: str | None = None,
    base: Base = "actual",
    device: str = "auto",
) -> Forecast:
    """Forecast a table of bars without a workspace.

    `Workspace.forecast` gives other numbers: lookback and sampling are the recipe's, base is its return_base (decoded
    unless set), and at least 200 paths are sampled.

    Parameters
    ----------
    bars, horizon, samples, seed, lookback, asof, exchange, symbol, base : see `Forecaster.forecast`.
    model : folder or Hub id of a model, a pair from `load_pair`, or a Forecaster (quickest for many calls).
    temperature, top_k, top_p : see `Sampling`.
    device : auto, cpu, cuda, cuda:N or mps; of a Forecaster, its own is used.

    Raises
    ------
    CheckpointError
        When the model is missing, damaged or its parts do not fit.
    DataError, ConfigError
        As `Forecaster.forecast`.

    >>> from kronos_quant.model import PRESETS
    >>> nano = PRESETS["nano"]
    >>> forecaster = Forecaster(KronosTokenizer(nano.tokenizer), Kronos(nano.predictor), device="cpu")
    >>> closes = [10.0, 10.2, 10.1]
    >>> bars = pl.DataFrame({"date": ["2025-06-02", "2025-06-03", "2025-06-04"], "open": closes, "high": closes,
    ...                      "low": closes, "close": closes})
    >>> forecast_bars(bars, forecaster, horizon=2, samples=4, symbol="A").title
    'Forecast of A: 2 bars after 2025-06-04, 4 sample paths'
    """
    sampling, forecaster = Sampling(temperature, top_k, top_p), _forecaster(model, device)
    return forecaster.forecast(
        bars,
        horizon,
        samples=samples,
        sampling=sampling,
        seed=seed,
        lookback=lookback,
        asof=asof,
        exchange=exchange,
        symbol=symbol,
        base=base,
    )


def _forecaster(model: object, device: str) -> Forecaster:
    if isinstance(model, Forecaster):
        return model
    if isinstance(model, Pair):
        return Forecaster.of_pair(model, device)
    if isinstance(model, str | Path) and str(model).strip():
        return Forecaster.of_pair(load_pair(model), device)
    raise ConfigError(f"model: expected a folder, a Hub id, a pair or a Forecaster, found {type(model).__name__}")


def usual_lookback(max_context: int, horizon: int) -> int:
    """Bars that fit into `max_context` next to the horizon, so that the window never slides; at least half of it."""
    return max(LEAST_BARS, max_context // 2, max_context - horizon)


def _split(rows: pl.DataFrame, asof: date | None) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """The bars up to a date, and the later ones; None where no date is given. DataError for a day without bars."""
    if asof is None:
        return rows, None
    check_session(rows["date"].unique().sort().to_list(), asof)
    return rows.filter(pl.col("date") <= asof), rows.filter(pl.col("date") > asof)


def _realised(later: pl.DataFrame, forecast: Forecast) -> pl.DataFrame:
    """The first bars of each forecast symbol that followed, as many as were forecast."""
    kept = later.filter(pl.col("symbol").is_in(forecast.symbols), ~pl.all_horizontal(pl.col(PRICES).is_null()))
    first = kept.sort("symbol", "time").group_by("symbol", maintain_order=True).head(forecast.horizon)
    return _tidy(first)


def _tidy(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.select("symbol", "time", pl.col(FEATURES).cast(pl.Float64))


def _check_settings(
    horizon: int, samples: int, sampling: object, lookback: int | None, future: FutureTimes | None, base: str
) -> None:
    as_count(samples, "samples", most=MOST_SAMPLES)
    if not isinstance(sampling, Sampling):
        raise ConfigError(f"sampling: expected a Sampling, found {type(sampling).__name__}")
    if lookback is not None:
        as_count(lookback, "lookback", LEAST_BARS, MOST_BARS)
    if base not in ("actual", "decoded"):
        raise ConfigError(f"base: expected actual or decoded, got {base!r}")
    if future is not None and len(future.times) != horizon:
        raise ConfigError(f"future: expected {horizon} end stamps, found {len(future.times)}")


def _windows(series: BarSeries, most: int, clip: float) -> list[tuple[NDArray[np.int64], Windows]]:
    """The last window of every symbol, symbols of equal lookback together: their numbers among all, and the windows."""
    table = bar_table(series.bars, series.bars["date"].unique().sort().to_list())
    lookback = np.minimum(np.diff(table.offset), most)
    groups = []
    for length in np.unique(lookback):
        rows = np.flatnonzero(lookback == length)
        index = WindowIndex(int(length), 0, table.offset[rows + 1] - 1)
        groups.append((rows, gather(table, index, slice(None), clip)))
    return groups
