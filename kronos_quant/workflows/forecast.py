"""`kq forecast`: the next bars of one symbol, with their uncertainty and a naive band beside.

Letters: H bars to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from kronos_quant import schema
from kronos_quant.charts import Fan
from kronos_quant.errors import DataError
from kronos_quant.market import Market, workspace_market
from kronos_quant.model import QUANTILES, Forecast, Forecaster
from kronos_quant.report.pages.forecast import forecast_png, write_forecast_page
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.schema import quantile_name
from kronos_quant.signals import ComputedSource, Recipe, open_computed
from kronos_quant.signals.scorer import recipe_sampling
from kronos_quant.workspace import WorkspaceFolder

LEAST_SAMPLES = 200
"""One symbol is cheap: this many paths at least, so that the outer quantiles mean something."""

SHOWN_BARS = 90
ALIKE = 0.05
"""Widths that differ by less than this share are called alike."""


@dataclass(frozen=True, slots=True)
class SymbolForecast:
    """Quantiles of the close of the next bars, the naive band beside, and where picture and page are."""

    symbol: str
    asof: str
    model: str
    """Its name, and the beginning of its digest."""
    samples: int
    table: pl.DataFrame
    """time, estimated, q05 … q95, p_rise, naive_q05, naive_q95; prices as quoted at the last bar."""
    notes: tuple[str, ...]
    """What was repaired or left out, in words."""
    picture: Path
    page: Path
    last_close: float

    @property
    def width(self) -> float:
        """Of the model's 90 % interval at the last bar, in the price's units."""
        return float(self.table["q95"][-1] - self.table["q05"][-1])

    @property
    def naive_width(self) -> float:
        """Of the random walk's."""
        return float(self.table["naive_q95"][-1] - self.table["naive_q05"][-1])

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "symbol": self.symbol,
            "asof": self.asof,
            "model": self.model,
            "samples": self.samples,
            "last_close": self.last_close,
            "width": self.width,
            "naive_width": self.naive_width,
            "bars": self.table.to_dicts(),
            "notes": list(self.notes),
            "picture": self.picture,
            "page": self.page,
        }

    def rows(self) -> list[dict[str, Any]]:
        """The table for a terminal: a day needs no 00:00."""
        return [
            bar | {"time": _day(bar["time"]), "estimated": bar["estimated"] or None} for bar in self.table.to_dicts()
        ]

    def words(self) -> list[str]:
        """What came out, in sentences, with the model's width beside the naive one."""
        last = self.table.row(-1, named=True)
        told = [
            f"last close {self.last_close:.6g}; median {last['q50']:.6g} after {self.table.height} bars "
            f"({last['q50'] / self.last_close - 1:+.2%}), {last['p_rise']:.0%} of the paths end above the last close",
            f"90 % interval at the end: {self.width:.4g} wide; a random walk with this history's volatility: "
            f"{self.naive_width:.4g}; {self._compared()}",
        ]
        if self.table["estimated"].any():
            told.append("some time stamps are estimated: no calendar vouches for the sessions to come")
        return [*told, *self.notes]

    def lines(self) -> list[str]:
        """The outcome in words, for a terminal."""
        first, *others = self.words()
        return [
            f"{self.symbol} after {self.asof}: {first}",
            *others,
            f"model {self.model}, {self.samples} paths",
            f"picture: {self.picture}",
            f"page: {self.page}",
        ]

    def _compared(self) -> str:
        if not self.naive_width:
            return "the history did not move"
        ratio = self.width / self.naive_width
        if abs(ratio - 1) < ALIKE:
            return "the model is as unsure as the random walk"
        surer = "surer" if ratio < 1 else "less sure"
        return f"the model's is {ratio:.2f} times as wide: it is {surer} than the random walk"


def run_forecast(
    workspace: WorkspaceFolder, symbol: str, on: date | None, horizon: int | None, recipe_name: str, device: str
) -> SymbolForecast:
    """Forecast the bars after session `on` (None: after the newest bar); leaves a run with table, picture and page."""
    market = workspace_market(workspace)
    name = market.resolve(symbol)
    bars = market.select_bars([name], end=market.check_session(on) if on else None)
    source = open_computed(workspace, recipe_name, market)
    lookback = source.recipe.lookback
    if bars.height < lookback:
        raise DataError(f"{name}: {lookback} bars are needed up to {on or 'the newest'}, found {bars.height}")
    settings = source.recipe.recipe
    settings = settings.model_copy(update={"samples": max(settings.samples, LEAST_SAMPLES)})
    forecast = _sample(source, settings, bars, market, horizon or source.recipe.horizon, device)
    quoted = bars.with_columns((pl.col(schema.PRICES) / float(bars["factor"][-1])).cast(pl.Float32))
    closes = quoted["close"].tail(lookback).cast(pl.Float64).to_numpy()
    naive = random_walk_band(closes, forecast.times.shape[1], QUANTILES)
    inputs = Inputs(market.snapshot.digest, source.weights.digest, {"sampling": settings.seed})
    with staged_run(workspace.runs, "forecast", inputs) as run:
        found = SymbolForecast(
            symbol=name,
            asof=_day(bars["time"][-1]),
            model=f"{source.weights.name} ({source.weights.digest[:16]})",
            samples=settings.samples,
            table=_table(forecast, naive),
            notes=(*_missing_since(bars, market, on), *forecast.notes, *forecast.repairs.lines()),
            picture=run.path / "forecast.png",
            page=run.path / "forecast.html",
            last_close=float(forecast.last_close[0]),
        )
        run.write_config({"recipe": settings})
        found.table.write_parquet(run.folder / "forecast.parquet")
        _show(run.folder, found, quoted, naive, [*_facts(found, lookback, market, recipe_name)])
        run.write_metrics(
            {
                "symbol": name,
                "asof": bars["time"][-1],
                "horizon": found.table.height,
                "samples": settings.samples,
                "width": found.width,
                "naive_width": found.naive_width,
            }
        )
    return found


def random_walk_band(history: NDArray[np.float64], steps: int, levels: tuple[float, ...]) -> NDArray[np.float64]:
    """Quantiles float64[len(levels), H] of a driftless random walk with the history's volatility of log returns."""
    volatility = float(np.diff(np.log(history)).std(ddof=1))
    spread = volatility * np.sqrt(np.arange(1, steps + 1))
    band: NDArray[np.float64] = history[-1] * np.exp(np.outer(stats.norm.ppf(levels), spread))
    return band


def _sample(
    source: ComputedSource, settings: Recipe, bars: pl.DataFrame, market: Market, steps: int, device: str
) -> Forecast:
    """The forecast as the recipe would have it scored, in prices as quoted at the last bar."""
    recipe = source.recipe
    pair = source.weights.pair
    forecaster = Forecaster(
        pair.tokenizer, pair.predictor, pair.max_context, recipe.clip, device, settings.dtype, settings.context
    )
    forecast = forecaster.forecast(
        bars,
        steps,
        samples=settings.samples,
        sampling=recipe_sampling(settings),
        seed=settings.seed,
        lookback=recipe.lookback,
        future=market.next_times(bars["time"][-1], steps),
        base=settings.return_base,
    )
    return forecast.scaled(1 / float(bars["factor"][-1]))


def _table(forecast: Forecast, naive: NDArray[np.float64]) -> pl.DataFrame:
    rises = forecast.probability_of_rise()["p_rise"]
    bands = {"naive_q05": naive[0], "naive_q95": naive[-1]}
    return (
        forecast.quantiles(QUANTILES).drop("symbol").with_columns(rises, **{k: pl.Series(v) for k, v in bands.items()})
    )


def _show(
    folder: Path, found: SymbolForecast, quoted: pl.DataFrame, naive: NDArray[np.float64], facts: list[str]
) -> None:
    """Draw picture and page."""
    fan = Fan(
        history=quoted.tail(SHOWN_BARS),
        times=found.table["time"].to_list(),
        levels=QUANTILES,
        quantiles=found.table.select(quantile_name(level) for level in QUANTILES).to_numpy().T,
        naive=naive,
    )
    title = f"{found.symbol}: the next {found.table.height} bars after {found.asof}"
    forecast_png(folder / "forecast.png", fan, title)
    write_forecast_page(folder / "forecast.html", fan, title, facts, found.words(), found.table)


def _missing_since(bars: pl.DataFrame, market: Market, on: date | None) -> list[str]:
    """Say it when the symbol has no bar in the session that the forecast is asked for: suspended, or gone."""
    session, last = on or market.sessions()[-1], bars["date"][-1]
    return [f"no bar since {last}: the session asked for is {session}"] if last < session else []


def _day(moment: datetime) -> str:
    return f"{moment}".removesuffix(" 00:00:00")


def _facts(found: SymbolForecast, lookback: int, market: Market, recipe: str) -> list[str]:
    """What was asked of which model, for the page."""
    calendar = f"calendar of {market.exchange}" if market.exchange else "exchange unknown: weekdays stand in"
    return [
        f"model {found.model}, recipe {recipe}: {found.samples} sample paths from the last {lookback} bars",
        f"{market.freq} bars as of {found.asof}; {calendar}; snapshot {market.snapshot.digest[:16]}",
    ]
